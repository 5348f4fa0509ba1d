# SPDX-License-Identifier: Apache-2.0
"""What the kernel tests have found, kernel by kernel, and docs/kernels.md made of it.

Each run leaves the newest result of each of its cases in build/kernel-results/TARGET.json, so that
the document can be made of several runs: {"release": ..., "cases": {ID: RESULT}}, where RESULT is
what here.run found: {"outcome", "details", "units": {UNIT: [state, mechanism, reason]}}.
"""

import json
import re
import threading
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build/kernel-results"

TEXT = """# Units and kernels

Made by `test/kernel/run.py all --matrix docs/kernels.md` from what the cases of `test/kernel` found; a test bed of Debian's
own kernels under QEMU (`scripts/vm`) with cgroup v2, and, as `here`, the machine that the tests ran on: hybrid cgroups, no
kprobes, `fentry` locked down. How a unit works elsewhere is in its state (`/api/v1/nodes/<node>`): mechanism, what that
lacks, or why it is unavailable.

"""

UNITS = """## Units

**fentry**: the unit runs by that mechanism, and a workload that provokes what it is about passed on this kernel.
fentry: it runs by that mechanism; nothing provoked it on this kernel: its records are tested by replay only.

"""

CASES = """
## Cases

What each case does is its first line, in `test/kernel/<case>.test`. A number is why it was skipped; an
empty cell: no result from there; for some one kernel is enough.

"""


# Several guests of one kernel may end at once.
LOCK = threading.Lock()


def record(target, lines, missing):
    """Keeps the results of one run: the objects that the runner wrote, one for each case, and the
    cases that it did not come to."""
    if not lines:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{target}.json"
    with LOCK:
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        cases = known.get("cases", {}) if known.get("release") == lines[-1]["release"] else {}
        cases.update({line["case"]: line for line in lines})
        cases.update({case.id: {"outcome": "FAILED", "details": [], "units": {}} for case in missing})
        text = json.dumps({"release": lines[-1]["release"], "cases": cases}, indent=1)
        file.write_text(text, encoding="utf-8")


def about(case):
    """The units that a case is about: those that it opens by name."""
    return set(re.findall(r"--only (\w+)", case.run))


def unit_cell(unit, results, cases):
    """How a unit did on one kernel."""
    state = results.get("units", {}).get("units", {}).get(unit)
    if state is None:
        return "?"
    if state[0] != "running":
        return f"{state[0]}: {state[2]}"
    passed = [results[c.id]["units"].get(unit) for c in cases
              if unit in about(c) and results.get(c.id, {}).get("outcome") in ("ok", "unstable")]
    provoked = sorted({p[1] or "yes" for p in passed if p and p[0] == "running"})
    return " ".join(f"**{p}**" for p in provoked) or state[1] or "runs"


def column(target, release):
    """Builds of this machine's kernel are nobody else's."""
    return "here: " + ".".join(release.split(".")[:2]) if target == "here" else release


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def head(first, columns):
    return row([first, *columns]) + row(["---"] * (len(columns) + 1))


def case_cell(result, reasons):
    """`ok`, `FAILED`, or the number of the reason in `reasons`, which grows."""
    if result is None:
        return ""
    if result["outcome"] != "skipped":
        return result["outcome"]
    reason = re.sub(r" for \S+$", "", "; ".join(result["details"]))
    if reason not in reasons:
        reasons.append(reason)
    return str(reasons.index(reason) + 1)


def write(path, targets, cases):
    """`cases`: all of them, in the order of their rows."""
    found = {}
    for target in targets:
        file = FOLDER / f"{target}.json"
        if file.exists():
            found[target] = json.loads(file.read_text(encoding="utf-8"))
    columns = [column(target, f["release"]) for target, f in found.items()]
    units = sorted({unit for f in found.values() for unit in f["cases"].get("units", {}).get("units", {})})
    text = TEXT + UNITS + head("unit", columns)
    for unit in units:
        text += row([f"`{unit}`", *(unit_cell(unit, f["cases"], cases) for f in found.values())])
    text += CASES + head("case", columns)
    reasons = []
    for case in cases:
        text += row([case.id, *(case_cell(f["cases"].get(case.id), reasons) for f in found.values())])
    text += "\n" + "".join(f"{i + 1}. {reason}\n" for i, reason in enumerate(reasons))
    Path(path).write_text(text, encoding="utf-8")
