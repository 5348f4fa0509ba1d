#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kernel tests: workloads on real kernels, and what the collector and the apiserver make of them.

  test/kernel/run.py                      on 5.10, 6.1 and this machine's kernel
  test/kernel/run.py 6.1:hybrid 7.x       on kernels of scripts/vm, with a cgroup layout
  test/kernel/run.py here                 on this machine's kernel only, in namespaces of its own
  test/kernel/run.py 6.1 --case oom_dead
  test/kernel/run.py all --matrix docs/kernels.md    on each kernel that is supported, and what was found
  test/kernel/run.py 6.1 --record FOLDER  also keeps what the collector of each case has recorded

Each kernel boots once for some twenty cases, and once more for those that need kernel arguments. A case that a kernel cannot run is skipped with the reason.
A case that failed is run once more, and in a guest once again at the end, when no other guest takes its time; when it
passes then, it is unstable. Processes are taken from $HUATUO_BUILD, else build/release. Exit code 1 when a case failed,
or more than a few were unstable.
"""

import argparse
import concurrent.futures
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import case as cases  # noqa: E402
import here  # noqa: E402
import matrix  # noqa: E402

# Enough for both processes and what every case before has left in the page cache.
MEMORY = "1536M"
# Cases to a boot. A boot takes ten seconds; with fewer cases to one, no CPU waits for the last guest.
AT_ONCE = 20
# So many cases may pass only when they are run again: one in forty.
UNSTABLE = 4
ALL = ["5.10", "6.1", "6.12", "6.18", "7.x", "here"]
# Signs in the kernel's log that something in the kernel went wrong, whatever the cases say. Older kernels warn of a
# transmit queue that timed out, which one case wants.
SPLAT = re.compile(r"kernel BUG at|Oops:|WARNING: CPU:(?!.* dev_watchdog)|KASAN:|Kernel panic|general protection fault|Unable to handle")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=["5.10", "6.1", "here"],
                        help="SERIES[:v1|:v2|:hybrid], here, or all")
    parser.add_argument("--case", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--spread", action="store_true",
                        help="a case on two of the kernels, the first one and another; on one, where it says that is enough")
    parser.add_argument("--matrix", metavar="FILE",
                        help="write what this run and those before it found on these kernels")
    parser.add_argument("--record", metavar="FOLDER", type=Path, help="keep CASE-TARGET.recording of each case there")
    parser.add_argument("--label", default="here", help=argparse.SUPPRESS)
    parser.add_argument("--results", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "all" in options.targets:
        options.targets = ALL
    if options.record:
        options.record = options.record.resolve()
        options.record.mkdir(parents=True, exist_ok=True)
    return options


def keep_recordings(found, target, options):
    """What the collectors of a target's cases left below `found`."""
    for file in found.glob("*.recording") if options.record else []:
        shutil.copyfile(file, options.record / f"{file.stem}-{target}.recording")


def select(names):
    found = {path.stem: path for path in sorted(HERE.glob("*.test"))}
    unknown = set(names) - set(found)
    if unknown:
        sys.exit(f"no such case: {' '.join(sorted(unknown))}; there are {' '.join(found)}")
    return [cases.Case(found[name]) for name in names or found]


class Report:
    """Prints a line for each case and counts. `results`: a file that gets a line for each as well,
    so that nothing is lost when the kernel dies in the middle."""

    def __init__(self, label, results=None):
        self.label = label
        self.results = results
        self.counts = Counter()

    def __call__(self, case, outcome, details, seconds=0.0, units=None):
        if outcome == "skipped":
            print(f"skipped  {self.label} {case}: {'; '.join(details)}")
        else:
            print(f"{outcome:8} {self.label} {case} ({seconds:.1f} s)")
            print("".join(f"    {line}\n" for text in details for line in text.splitlines()), end="")
        sys.stdout.flush()
        self.counts[outcome] += 1
        if self.results:
            with open(self.results, "a", encoding="utf-8") as file:
                line = {"case": case, "outcome": outcome, "details": details if outcome == "skipped" else [],
                        "units": units or {}, "release": platform.release()}
                file.write(json.dumps(line) + "\n")


def kernel_log(out, report):
    """The last case of each VM: its kernel has nothing to complain about."""
    log = (out / ".kernel-log").read_text(errors="replace").splitlines()
    splats = [i for i, line in enumerate(log) if SPLAT.search(line)]
    if splats:
        report("kernel_log", "FAILED", log[splats[0]:splats[0] + 25])
    else:
        report("kernel_log", "ok", [])


def boots(target, selected):
    """(target, kernel arguments and devices, the cases that share them) for each boot of a VM."""
    for boot in dict.fromkeys(c.boot for c in selected):
        same = [c for c in selected if c.boot == boot]
        share = -(-len(same) // -(-len(same) // AT_ONCE))
        for first in range(0, len(same), share):
            yield target, boot, same[first:first + share]


def in_one_boot(target, boot, selected, options):
    """Counts, and the cases that failed."""
    arguments, devices = boot
    series, _, layout = target.partition(":")
    label = f"{series}:{layout}" if layout else series
    label += f" {arguments}" if arguments else ""
    report = Report(label)
    if any("fault" in c.requires for c in selected):
        # What it cannot be built for skips its cases, and says so.
        subprocess.run([ROOT / "test/fault/build", series], stdout=subprocess.DEVNULL, check=False)
    with tempfile.TemporaryDirectory(prefix="huatuo-kernel-") as name:
        out = Path(name)
        wanted = [flag for c in selected for flag in ("--case", c.id)]
        wanted += ["--record", "/out/recordings"] if options.record else []
        limit = 60 + sum(c.timeout for c in selected)
        command = [ROOT / "scripts/vm", "run", series, "--cgroup", layout or "v2", "--out", out,
                   "--timeout", str(limit), "--memory", MEMORY, "--append=" + arguments, "--qemu=" + devices, "--", HERE / "run.py", "here", "--label", label,
                   "--results", "/out/results", *wanted]
        code = subprocess.run(command, check=False).returncode
        results = [json.loads(line) for line in here.lines(out / "results")]
        report.counts.update(result["outcome"] for result in results)
        missing = selected[len(results):]
        for case in missing:
            report(case.id, "FAILED", [f"the guest ended with {code} before or in it"])
        matrix.record(target, results, missing)
        keep_recordings(out / "recordings", target, options)
        kernel_log(out, report)
    failed = {result["case"] for result in results if result["outcome"] == "FAILED"}
    return report.counts, [c for c in selected if c.id in failed or c in missing]


def on_this_kernel(options, selected):
    report = Report(options.label, options.results)
    here.run_all(selected, report, options.record)
    return report.counts


def run_here(options, selected):
    """Counts of this kernel, and the names of the cases that passed."""
    if options.results:
        return on_this_kernel(options, selected), set()
    # Namespaces are entered for good, and other targets may follow: a process of its own.
    with tempfile.NamedTemporaryFile(prefix="huatuo-kernel-") as file:
        wanted = [flag for c in selected for flag in ("--case", c.id)]
        wanted += ["--record", options.record] if options.record else []
        subprocess.run([HERE / "run.py", "here", "--results", file.name, *wanted], check=False)
        results = [json.loads(line) for line in here.lines(Path(file.name))]
        missing = selected[len(results):]
        matrix.record("here", results, missing)
        passed = {result["case"] for result in results if result["outcome"] in ("ok", "unstable")}
        return Counter(result["outcome"] for result in results) + Counter(FAILED=len(missing)), passed


def left_to_others(case, target, targets, passed_here):
    """Why --spread does not run a case on this one of the guests' kernels, or None."""
    if case.once and (case.id in passed_here or target != targets[-1]):
        return f"one kernel is enough: {case.once}"
    return "passed on this machine's kernel" if target != targets[0] and case.id in passed_here else None


def run_guests(targets, options, selected, passed_here):
    """Counts of each kernel. A guest keeps one CPU busy."""
    counts = {target: Counter() for target in targets}
    jobs, again = [], []
    for target in targets:
        reasons = {c: left_to_others(c, target, targets, passed_here) if options.spread else None for c in selected}
        for case, reason in reasons.items():
            if reason:
                print(f"skipped  {target} {case.id}: {reason}", flush=True)
                counts[target]["skipped"] += 1
        jobs += boots(target, [c for c in selected if not reasons[c]])
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for (target, boot, _), (found, failed) in zip(jobs, pool.map(lambda job: in_one_boot(*job, options), jobs)):
            counts[target] += found
            again += [(target, boot, failed)] if failed else []
    for target, boot, failed in again:
        print(f"once again, alone: {target} {' '.join(c.id for c in failed)}", flush=True)
        found, still = in_one_boot(target, boot, failed, options)
        passed = len(failed) - len(still)
        counts[target]["unstable"] += passed
        # What failed besides is the kernel's log, the last case of each boot.
        counts[target]["FAILED"] += found["FAILED"] - len(still) - passed
    return counts


def summary(counts):
    passed = counts["ok"] + counts["unstable"]
    return f"{passed} passed, {counts['FAILED']} failed, {counts['skipped']} skipped"


def main():
    options = parse()
    # A guest sees what its host has installed.
    if not os.environ.get("HUATUO_VM"):
        subprocess.run([ROOT / "scripts/install", "test"], check=True)
    selected = select(options.case)
    counts, passed_here = {}, set()
    # This machine's kernel has its turn alone: who waits how long is what some cases measure.
    if "here" in options.targets:
        if not options.results:
            print(f"here: {platform.release()}", flush=True)
        counts["here"], passed_here = run_here(options, selected)
    counts |= run_guests([target for target in options.targets if target != "here"], options, selected, passed_here)
    total = sum(counts.values(), Counter())
    if options.matrix:
        matrix.write(options.matrix, options.targets, select([]))
    if not options.results:
        print("".join(f"{target}: {summary(found)}\n" for target, found in counts.items()), end="")
        print(f"{total['unstable']} unstable, of which {UNSTABLE} may be\n{summary(total)}", flush=True)
    return 1 if total["FAILED"] or total["unstable"] > UNSTABLE else 0


if __name__ == "__main__":
    sys.exit(main())
