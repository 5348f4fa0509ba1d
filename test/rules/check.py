#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the chart: promtool takes them, their tests pass, each alert fires and does not, says what to
do and where to read on, and asks for nothing that nobody serves."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "charts/huatuo/rules").glob("*.yaml"))
TESTS = sorted((ROOT / "test/rules").glob("*.yaml"))
SEVERITIES = ("critical", "warning")


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(kind):
    return [rule for path in RULES for group in load(path)["groups"] for rule in group["rules"] if kind in rule]


def promtool(*words):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def anchors(path):
    """Of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def bad_alert(alert, listed):
    name, notes = alert["alert"], alert.get("annotations", {})
    if alert.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"{name}: severity: accepted are {', '.join(SEVERITIES)}"
    for key in ("summary", "description", "runbook"):
        if not notes.get(key):
            yield f"{name}: no {key}"
    file, _, anchor = notes.get("runbook", "").partition("#")
    if not (ROOT / file).is_file() or anchor not in anchors(ROOT / file):
        yield f"{name}: runbook: there is no {file}#{anchor}"
    if listed.get(name) != alert["labels"]["severity"]:
        yield f"{name}: docs/alerts.md has no row of it with its severity"


def outcomes():
    """Which alerts are expected to fire in some test, and which not to."""
    found = set()
    for path in TESTS:
        for test in load(path)["tests"]:
            for case in test["alert_rule_test"]:
                found.add((case["alertname"], bool(case["exp_alerts"])))
    return found


def unknown_names():
    """Names of families in expressions that docs/metrics.md does not have."""
    known = re.findall(r"^\| `([^`]+)`", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), re.M)
    patterns = tuple(name[:-1] for name in known if name.endswith("*"))
    recorded = {rule["record"] for rule in rules("record")}
    for rule in rules("expr"):
        for name in set(re.findall(r"[\w:]*huatuo_[\w:]+", rule["expr"])):
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            if name not in recorded and family not in known and not family.startswith(patterns):
                yield f"{rule.get('alert', rule.get('record'))}: nobody serves {name}"


def problems():
    yield from promtool("check", "rules", *RULES)
    yield from promtool("test", "rules", *TESTS)
    rows = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", rows, re.M))
    alerts = rules("alert")
    for alert in alerts:
        yield from bad_alert(alert, listed)
    names = {alert["alert"] for alert in alerts}
    for name in listed.keys() - names:
        yield f"docs/alerts.md: {name} is no alert"
    tested = outcomes()
    for name in sorted(names):
        for fires in (True, False):
            if (name, fires) not in tested:
                yield f"{name}: no test in which it {'fires' if fires else 'does not fire'}"
    yield from unknown_names()


def main():
    found = list(problems())
    print("\n".join(found) or f"{len(rules('alert'))} alerts and {len(rules('record'))} recorded series are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
