#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end and fault tests: real apiserver and collector, real changes of network devices.

  test/e2e/run.py                     all cases
  test/e2e/run.py --case path --case latency

Needs root: everything happens in a mount and a network namespace of its own. Processes are taken
from $HUATUO_BUILD, else build/release. A case that failed is run once more; when it passes then, it is
unstable. Exit code 1 when a case failed, or more than one was unstable.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bed as beds  # noqa: E402
import clocks  # noqa: E402
import configuration  # noqa: E402
import degraded  # noqa: E402
import delivery  # noqa: E402
import faults  # noqa: E402
import figures  # noqa: E402
import fleet  # noqa: E402
import governor  # noqa: E402
import kubernetes  # noqa: E402
import namespaces  # noqa: E402
import offenders  # noqa: E402
import postgres  # noqa: E402
import profiles  # noqa: E402
import prometheus  # noqa: E402
import reading  # noqa: E402
import recordings  # noqa: E402
import security  # noqa: E402
import sinks  # noqa: E402
import start  # noqa: E402
import tasks  # noqa: E402

IN_NAMESPACE = "HUATUO_E2E_NAMESPACE"
CASES = [*reading.CASES, *recordings.CASES, *start.CASES, *degraded.CASES, *security.CASES, *offenders.CASES, *clocks.CASES, *configuration.CASES, *delivery.CASES,
         *postgres.CASES, *sinks.CASES, *profiles.CASES, *faults.CASES, *governor.CASES, *figures.CASES, *fleet.CASES, *tasks.CASES,
         *prometheus.CASES, *kubernetes.CASES, *namespaces.CASES]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    options = parser.parse_args()
    names = [case.__name__ for case in CASES]
    unknown = set(options.case) - set(names)
    if unknown:
        sys.exit(f"no such case: {' '.join(sorted(unknown))}; there are {' '.join(names)}")
    return options


def obstacle():
    """Why no case can run, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for binary in (beds.APISERVER, beds.COLLECTOR):
        if not binary.exists():
            return f"{binary.name} is not built"
    return None


def enter_namespaces():
    """Runs this program again where devices, mounts and ports are its own."""
    if not os.environ.get(IN_NAMESPACE):
        os.environ[IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def run(case):
    """(outcome, details)."""
    with tempfile.TemporaryDirectory(prefix="huatuo-e2e-") as name:
        bed = beds.Bed(Path(name))
        try:
            case(bed)
            return "ok", bed.lines
        except beds.Skipped as reason:
            return "skipped", [str(reason)]
        except (beds.Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as failure:
            text = str(failure) if isinstance(failure, beds.Failure) else repr(failure)
            return "FAILED", [text, *bed.lines, *bed.tails()]
        finally:
            bed.end()


def main():
    options = parse()
    if options.list:
        print("\n".join(case.__name__ for case in CASES))
        return 0
    selected = [c for c in CASES if not options.case or c.__name__ in options.case]
    reason = obstacle()
    if reason:
        for case in selected:
            print(f"skipped  {case.__name__}: {reason}")
        print(f"0 passed, 0 failed, {len(selected)} skipped")
        return 0
    enter_namespaces()
    counts = Counter()
    for case in selected:
        begin = time.monotonic()
        outcome, details = run(case)
        if outcome == "FAILED":
            # Whoever shares the machine may have had it for a while. That is told, and counted.
            again, more = run(case)
            outcome = "unstable" if again == "ok" else again
            details += ["-- once more:", *more]
        counts[outcome] += 1
        print(f"{outcome:8} {case.__name__} ({time.monotonic() - begin:.1f} s)")
        print("".join(f"    {line}\n" for text in details for line in text.splitlines()), end="", flush=True)
    print(f"{counts['ok'] + counts['unstable']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] or counts["unstable"] > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
