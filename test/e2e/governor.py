# SPDX-License-Identifier: Apache-2.0
"""The collector keeps below its budget: it detaches units in their order, says so, and attaches them
again when the load is gone."""

import os
import signal
import subprocess
import sys
import time

import tasks
from bed import equal, expect, nanoseconds, wait_until

# Two processes that wake each other: each turn is two switches, and sched is the dearest probe.
PINGPONG = """
import os, sys
a, b = os.pipe(), os.pipe()
child = os.fork()
read, write = (a[0], b[1]) if child == 0 else (b[0], a[1])
os.sched_setaffinity(0, {int(sys.argv[1])})
if child:
    os.write(write, b"x")
while os.read(read, 1):
    os.write(write, b"x")
"""
INTERVAL = 3
WINDOW = 2 * INTERVAL  # seconds; what one measurement takes at most


class Load:
    """Switches on every CPU until stopped."""

    def __init__(self):
        self.processes = []
        for cpu in sorted(os.sched_getaffinity(0)):
            # pylint: disable-next=consider-using-with
            self.processes.append(subprocess.Popen([sys.executable, "-c", PINGPONG, str(cpu)], start_new_session=True))

    def stop(self):
        for process in self.processes:
            os.killpg(process.pid, 9)
            process.wait()


def overhead(bed):
    return bed.api.node(bed.node)["overhead_ratio"]


def figures(bed, count):
    """So many measurements; the first, of the start, is left out."""
    seen = [overhead(bed)]

    def another():
        now = overhead(bed)
        if now != seen[-1]:
            seen.append(now)
        return len(seen) > count + 1

    wait_until(another, f"{count} measurements", (count + 2) * WINDOW)
    return seen[2:]


def told(bed, collector):
    """What log, metric, REST and the record of the interval say of runqlat while it is detached."""
    unit = bed.units()["runqlat"]
    expect("budget" in unit["reason"], f"reason of runqlat: {unit['reason']!r}")
    expect(bed.api.node(bed.node)["shed"][0] == "runqlat", f"shed: {bed.api.node(bed.node)['shed']}")
    wait_until(lambda: bed.metrics("huatuo_collector_shed_units")[0] >= 1, "the metric says that units are shed")
    wait_until(lambda: bed.metrics("huatuo_collector_unit_state", unit="runqlat", state="shed") == [1],
               "the metric of the unit's state")
    lines = [line for line in collector.text().splitlines() if "detached unit runqlat" in line]
    equal(len(lines), 1, "lines of the log")
    wait_until(lambda: not bed.metrics("huatuo_node_runqueue_latency_seconds_count"),
               "series of a detached unit end", 30)


def records(bed):
    """(from, to) of what was not observed of runqlat, for the governor's reasons."""
    return [(nanoseconds(e["tracer_data"]["from"]), nanoseconds(e["tracer_data"]["to"]))
            for e in bed.api.events(tracer="not_observed")
            if e["tracer_data"].get("unit") == "runqlat" and e["tracer_data"]["cause"].startswith("governor: ")]


def budget(bed):
    """Under load the dearest unit goes, alone if that is enough; without load it comes back."""
    bed.apiserver("--store", "memory")
    flags = ("--budget-hold-seconds", 2, "--budget-interval-seconds", INTERVAL, "--metrics-interval-seconds", INTERVAL,
             "--off", "oom")
    probe = bed.collector(*flags, "--budget-percent", 100, spool="probe")
    wait_until(lambda: bed.api.connected(bed.node), "the node is connected")
    idle = max(figures(bed, 2))
    load = Load()
    try:
        figures(bed, 1)
        loaded = min(figures(bed, 2))
        equal(probe.stop(), 0, "exit code")
        expect(loaded > 3 * idle, f"overhead under load {loaded:.5f}, without {idle:.5f}: no difference to test with")
        limit = (idle * loaded) ** 0.5
        collector = bed.collector(*flags, "--budget-percent", f"{limit * 100:.4f}")
        wait_until(lambda: bed.api.connected(bed.node), "the node is connected")
        wait_until(lambda: bed.units()["runqlat"]["state"] == "shed", "runqlat is detached", 5 * WINDOW)
        told(bed, collector)
        equal(bed.units()["netdev_events"]["state"], "running", "state of a unit that is never given up")
        equal(len(records(bed)), 1, "records that the interval begins")
    finally:
        load.stop()
    # By what it cost it does not fit: it is tried after ten hold times, or at once when it fits.
    wait_until(lambda: bed.units()["runqlat"]["state"] == "running", "runqlat is attached again", 120)
    whole = wait_until(lambda: [r for r in records(bed) if r[1] - r[0] >= 2_000_000_000], "the record of the interval")
    wait_until(lambda: bed.metrics("huatuo_node_runqueue_latency_seconds_count"), "its series come again")
    figures(bed, 4)
    equal(bed.units()["runqlat"]["state"], "running", "state of runqlat a while later")
    lines = [line for line in collector.text().splitlines() if "tached unit" in line]
    equal(len(lines), 2, f"steps of the governor: {lines}")
    bed.note(f"overhead idle {idle * 100:.3f}%, under load {loaded * 100:.3f}%, budget {limit * 100:.3f}%; "
             f"detached for {(whole[0][1] - whole[0][0]) / 1e9:.0f} s")


def budget_ends_task(bed):
    """A task that costs more than the node may goes first, says why, and the units stay."""
    bed.apiserver("--store", "memory")
    off = [word for unit in ("oom", "runqlat", "dropwatch", "hungtask") for word in ("--off", unit)]
    bed.collector(*off, "--budget-percent", 0.4, "--budget-interval-seconds", INTERVAL)
    wait_until(lambda: bed.api.connected(bed.node) and "cpu_profile" in bed.units(), "the node tells its units")
    busy = Load()
    try:
        made = tasks.ask(bed, tool="cpu_profile", parameters={"sample_hz": 999}, seconds=600)
        ended = tasks.in_state(bed, made, *tasks.ENDED, seconds=6 * WINDOW)
    finally:
        busy.stop()
    equal(ended["state"], "failed", "state of the task")
    expect("over the budget of 0.40%" in ended["reason"], f"reason of the task: {ended['reason']!r}")
    expect(bed.api.get(f"/api/v1/tasks/{made['id']}/result?format=json"), "what it had found is kept")
    equal(bed.units()["cpu_profile"]["state"], "running", "state of the unit")
    equal(bed.api.node(bed.node)["shed"], [], "units that were given up")
    bed.note(ended["reason"])


def budget_after_pause(bed):
    """Seconds in which the collector was stopped are not made up for: measured in some milliseconds, it would take
    all of a CPU, and the units would go."""
    bed.apiserver("--store", "memory")
    collector = bed.collector("--budget-percent", 10, "--budget-interval-seconds", INTERVAL,
                              "--metrics-interval-seconds", INTERVAL, "--off", "oom")
    wait_until(lambda: bed.api.connected(bed.node), "the node is connected")
    figures(bed, 1)
    collector.signal(signal.SIGSTOP)
    # The pause itself.
    time.sleep(6 * INTERVAL)
    collector.signal(signal.SIGCONT)
    figures(bed, 2)
    lines = [line for line in collector.text().splitlines() if "tached unit" in line]
    equal(lines, [], "steps of the governor")


CASES = [budget, budget_ends_task, budget_after_pause]
