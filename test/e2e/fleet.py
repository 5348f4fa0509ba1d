# SPDX-License-Identifier: Apache-2.0
"""Nodes that break the rules among nodes that do not: what they get, and that the others lose nothing."""

import contextlib
import json
import os
import signal
import subprocess

from bed import BUILD, ROOT, equal, expect

OFFENDERS = {"silent": 2, "deaf": 2, "backwards": 2, "huge": 2, "flood": 1}
ENDS = {"backwards": "INVALID_ARGUMENT", "huge": "RESOURCE_EXHAUSTED"}


def run(bed, *words):
    """The figures of scripts/fleet; every event of the good nodes must be stored once."""
    figures = bed.folder / "figures.json"
    fleet = subprocess.Popen([ROOT / "scripts/fleet", "--json", figures, *words], text=True, start_new_session=True,
                             env={**os.environ, "HUATUO_BUILD": str(BUILD)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, errors = fleet.communicate(timeout=200)
    finally:
        # Its processes, too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(fleet.pid, signal.SIGKILL)
    equal((fleet.returncode, errors[-300:]), (0, ""), f"scripts/fleet: {out[-500:]}")
    found = json.loads(figures.read_text(encoding="ascii"))
    expect(found["events_per_second"] > 0, "events were made")
    bed.note(out.splitlines()[-1])
    return found


def fleet_of_offenders(bed):
    """Every event of the good nodes is stored once, while some of them go and come."""
    words = [word for name, count in OFFENDERS.items() for word in (f"--{name}", str(count))]
    found = run(bed, "--nodes", "20", "--seconds", "8", "--ramp-seconds", "1", "--metrics-interval-seconds", "2",
                "--events-per-second", "20", "--churn-per-minute", "60", *words)
    for name, code in ENDS.items():
        ends = {how.split(": ")[1] for how in found["ends"] if how.startswith(name)}
        equal(ends, {code}, f"how streams of the node that is {name} end")


def fleet_storm(bed):
    """1,000 nodes whose streams all break at once are back, and no round of metrics was late."""
    found = run(bed, "--nodes", "1000", "--seconds", "30", "--ramp-seconds", "10", "--events-per-second", "0.1",
                "--storm-seconds", "15")
    expect(found["streams"] >= 2000, f"{found['streams']} streams were opened")
    equal(found["late_rounds"], 0, "late rounds")
    bed.note(f"acks p99 {found['ack_p99_ms']:.0f} ms")


CASES = [fleet_of_offenders, fleet_storm]
