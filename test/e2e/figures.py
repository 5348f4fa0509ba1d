# SPDX-License-Identifier: Apache-2.0
"""Times that a reader feels, measured from outside; each with the limit that it must keep."""

import os
import secrets
import signal
import subprocess
import time
import uuid
from pathlib import Path

from bed import Failure, Watch, equal, expect, nanoseconds, wait_until

KILLS = 101


class Container:
    """The cgroup of a pod's container, of v2 or of these controllers of v1; its processes run by `run`."""

    def __init__(self, limit, controllers=("memory",)):
        self.id = secrets.token_hex(32)
        name = Path("kubepods") / f"pod{uuid.uuid4()}" / self.id
        places = {self.root(controller) / name: None for controller in controllers}
        self.made = []
        for folder in places:
            self.made += [p for p in (folder, *folder.parents) if not p.exists()]
            folder.mkdir(parents=True)
        self.folders = list(places)
        self.folder = self.folders[0]
        for name in ("memory.limit_in_bytes", "memory.max"):
            if (self.folder / name).exists():
                (self.folder / name).write_text(str(limit), encoding="ascii")

    @staticmethod
    def root(controller):
        roots = [root for root in (Path("/sys/fs/cgroup") / controller, Path("/sys/fs/cgroup")) if (root / "cgroup.procs").exists()]
        expect(roots, f"no cgroup of {controller} on this machine")
        return roots[0]

    def run(self, command):
        """Exit code of a shell command in it."""
        join = "".join(f"echo $$ >{folder}/cgroup.procs && " for folder in self.folders) + 'exec "$@"'
        return subprocess.run(["sh", "-c", join, "sh", *command], stderr=subprocess.DEVNULL, check=False).returncode

    def end_all(self):
        """Kills what runs in it."""
        for pid in (self.folder / "cgroup.procs").read_text(encoding="ascii").split():
            os.kill(int(pid), signal.SIGKILL)

    def remove(self):
        for folder in self.made:
            wait_until(lambda f=folder: f.rmdir() is None, f"{folder} is empty", 10)


def percentiles(sample):
    """p50, p99 and the longest of milliseconds."""
    ordered = sorted(sample)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], ordered[-1]


def kill(bed, container, name):
    """The kernel kills a process of this name."""
    program = bed.folder / name
    if not program.exists():
        program.symlink_to("/usr/bin/tail")
    equal(container.run([program, "/dev/zero"]), -9, "exit code of a process that takes all memory")


def known(bed, container):
    """Kills until the events name the container."""
    def named():
        kill(bed, container, "warm")
        return bed.api.events(tracer="oom", container=container.id)

    wait_until(named, "the container is known")


def kills(bed, count):
    """Kills `count` processes of a name of their own. Returns the name and the container's id."""
    name = "h" + secrets.token_hex(4)
    container = Container(20 << 20)
    try:
        known(bed, container)
        for _ in range(count):
            kill(bed, container, name)
    finally:
        container.remove()
    return name, container.id


def oom_latency(bed):
    """From the kernel's kill to a client of the watch."""
    bed.apiserver()
    bed.collector("--budget-percent", 100)
    unit = wait_until(lambda: bed.api.connected(bed.node) and bed.units().get("oom"), "the node tells its units")
    equal(unit["state"], "running", f"state of oom ({unit['reason']})")
    status, text = bed.api.request(f"/api/v1/nodes/{bed.node}/parameters",
                                   {"unit": "oom", "values": {"limit_per_second": 1000}}, "PUT")
    equal(status, 200, f"PUT of the limit ({text})")
    watch = Watch(bed.api, "?tracer=oom")
    name, container = kills(bed, KILLS)

    def mine():
        return [(at, d) for at, d in watch.arrived if d["tracer_data"]["victim_process_name"] == name]

    try:
        wait_until(lambda: len(mine()) >= KILLS, "the watch shows every kill")
    except Failure as late:
        raise Failure(f"{len(mine())} of {KILLS} kills in the watch; losses {bed.api.losses(bed.node)}") from late
    equal(len({d["tracer_id"] for _, d in mine()}), KILLS, "kills in the watch")
    took = [(at - nanoseconds(d["tracer_time"])) / 1e6 for at, d in mine()]
    p50, p99, longest = percentiles(took)
    bed.note(f"{KILLS} kills by {unit['mechanism']}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.1f} ms")
    expect(min(took) > 0, "an event that came before it happened")
    expect(p99 < 100, f"p99 is {p99:.1f} ms, the limit 100 ms")
    for _, document in mine():
        equal(document["container_id"], container, "the container")
    whole = [d["tracer_data"] for _, d in mine() if "incomplete" not in d["tracer_data"]]
    expect(len(whole) > KILLS / 2, f"only {len(whole)} of {KILLS} events are complete")
    for tracer in whole:
        expect(name in [p["comm"] for p in tracer["top_processes"]], f"the victim is not in {tracer['top_processes']}")


def first_scrape(bed):
    """From the start of both processes to a scrape with the node's own series."""
    took = []
    for attempt in range(3):
        begin = time.monotonic()
        server = bed.apiserver(data=f"server{attempt}", fresh=True)
        collector = bed.collector(spool=f"spool{attempt}")
        wait_until(lambda: bed.metrics("huatuo_node_runqueue_latency_seconds_count", node=bed.node),
                   "a scrape with series of the node")
        took.append(time.monotonic() - begin)
        collector.stop()
        server.stop()
    bed.note("first scrape after " + ", ".join(f"{t:.2f} s" for t in took))
    expect(min(took) < 2, f"the first scrape took {min(took):.2f} s, the limit 2 s")


CASES = [oom_latency, first_scrape]
