# SPDX-License-Identifier: Apache-2.0
"""Nodes that break the rules among nodes that do not: what they get, and that the others lose nothing."""

import json
import os
import subprocess

from bed import BUILD, ROOT, equal, expect

OFFENDERS = {"silent": 2, "deaf": 2, "backwards": 2, "huge": 2, "flood": 1}
ENDS = {"backwards": "INVALID_ARGUMENT", "huge": "RESOURCE_EXHAUSTED"}


def fleet_of_offenders(bed):
    """Every event of the good nodes is stored once, while some of them go and come."""
    figures = bed.folder / "figures.json"
    words = [word for name, count in OFFENDERS.items() for word in (f"--{name}", str(count))]
    ran = subprocess.run([ROOT / "scripts/fleet", "--json", figures, "--nodes", "20", "--seconds", "8", "--ramp-seconds", "1",
                          "--metrics-interval-seconds", "2", "--events-per-second", "20", "--churn-per-minute", "60", *words],
                         env={**os.environ, "HUATUO_BUILD": str(BUILD)}, capture_output=True, text=True, timeout=120, check=False)
    equal((ran.returncode, ran.stderr[-300:]), (0, ""), f"scripts/fleet: {ran.stdout[-500:]}")
    found = json.loads(figures.read_text(encoding="ascii"))
    expect(found["events_per_second"] > 0, "events were made")
    for name, code in ENDS.items():
        ends = {how.split(": ")[1] for how in found["ends"] if how.startswith(name)}
        equal(ends, {code}, f"how streams of the node that is {name} end")
    bed.note(ran.stdout.splitlines()[-1])


CASES = [fleet_of_offenders]
