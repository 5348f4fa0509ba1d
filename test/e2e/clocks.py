# SPDX-License-Identifier: Apache-2.0
"""A node whose clock has nothing to do with the server's."""

import re
import subprocess
import time
from pathlib import Path

import account
import delivery
from bed import Watch, equal, expect, nanoseconds, wait_until
from proxy import Proxy

HERE = Path(__file__).resolve().parent
YEAR = 31_557_600
DAY = 86_400


def shifted(bed, seconds):
    """Words before a command that make its wall clock another."""
    library = bed.folder / "wall_clock.so"
    if not library.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "wall_clock.c"], check=True)
    return ["env", f"LD_PRELOAD={library}", f"WALL_CLOCK_SHIFT={seconds}"]


def scraped(bed, node):
    """Sample times of the node in /metrics, in seconds from now."""
    text = bed.api.request("/metrics")[1]
    samples = re.findall(rf'^huatuo_collector_cpu_seconds_total{{node="{node}"[^}}]*}} \S+ (\d+)$', text, re.M)
    return [int(ms) / 1000 - time.time() for ms in samples]


def in_order(bed, node, device, serials):
    """By cursor, page by page: every event once, in the order of its arrival."""
    found, cursor = [], None
    while True:
        query = f"/api/v1/events?tracer=netdev_events&node={node}&order=oldest&limit=7{'&cursor=' + cursor if cursor else ''}"
        page = bed.api.get(query)
        found += [d["tracer_data"]["mtu"] for d in device.documents(page["items"])]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    equal([s for s in found if s in serials], serials, "serial numbers page by page")


def clock(bed, node, shift):
    """Events of a node whose clock is off are stored, read, watched and kept like any other's."""
    device = bed.device()
    collector = bed.collector(before=shifted(bed, shift), node=node, spool=f"spool-{node}")
    wait_until(lambda: bed.api.connected(node), f"{node} is connected")
    watch = Watch(bed.api, f"?node={node}&tracer=netdev_events")
    # Until the unit listens no change counts.
    wait_until(lambda: device.change() and device.documents(d for _, d in watch.arrived), "a change is seen", 30)
    device.made.clear()
    device.changes(31)
    serials = sorted(device.made)
    wait_until(lambda: set(serials) <= {d["tracer_data"]["mtu"] for d in device.documents(
        d for _, d in watch.arrived)}, f"the watch shows every event of {node}")
    documents = [d for d in device.documents(bed.api.events(node=node)) if d["tracer_data"]["mtu"] in serials]
    equal(len(documents), 31, f"events of {node} that are stored")
    for document in documents:
        before, after = device.made[document["tracer_data"]["mtu"]]
        off = nanoseconds(document["tracer_time"]) - shift * 1_000_000_000
        expect(before - 100_000_000 <= off <= after + 5_000_000_000, f"tracer_time {document['tracer_time']} is not "
               f"that of a clock shifted by {shift} s")
        late = nanoseconds(document["uploaded_time"]) - before
        expect(-100_000_000 <= late < 30_000_000_000, f"uploaded_time {document['uploaded_time']} is not the server's")
        equal(bed.api.get(f"/api/v1/events/{document['tracer_id']}"), document, "the event by its id")
    equal(len({d["tracer_id"] for d in documents}), 31, "tracer_ids")
    in_order(bed, node, device, serials)
    skew = bed.api.node(node)["server"]["clock_skew_seconds"]
    expect(abs(skew - shift) < 5, f"clock_skew_seconds is {skew}, the shift {shift}")
    wait_until(lambda: scraped(bed, node), f"samples of {node}")
    expect(all(-30 < off <= 1 for off in scraped(bed, node)), f"sample times, in seconds from now: {scraped(bed, node)}")
    return collector


def clock_of_1970(bed):
    """As after a power cut without a battery; and one of the far future, beside it."""
    server = bed.apiserver("--retention-hours", 1)
    # 100 s after the epoch.
    clock(bed, "past", 100 - int(time.time()))
    clock(bed, "future", 30 * YEAR)
    counts = {node: len(bed.api.events(node=node)) for node in ("past", "future")}
    equal(server.stop(), 0, "exit code")
    bed.apiserver("--retention-hours", 1)
    wait_until(lambda: bed.metrics("huatuo_apiserver_store_use", of="events"), "the retention has been at work")
    # By its own time the one is too old for it.
    for node, count in counts.items():
        expect(len(bed.api.events(node=node)) >= count, f"the retention took events of {node}")
    clock(bed, "true", 0)
    equal([e["tracer_data"]["cause"] for e in bed.api.events(tracer="gap")], [], "gap records")


def clock_set_right(bed):
    """The clock jumps from 1970 to today at a restart: what was not observed is said, no entry is lost."""
    bed.apiserver()
    first = clock(bed, "jumper", 100 - int(time.time()))
    equal(first.stop(), 0, "exit code")
    stored = bed.api.events(node="jumper", tracer="netdev_events")
    clock(bed, "jumper", 0)
    now = {e["tracer_id"] for e in bed.api.events(node="jumper")}
    equal({e["tracer_id"] for e in stored} - now, set(), "events that are gone")
    causes = [e["tracer_data"]["cause"] for e in bed.api.events(node="jumper", tracer="not_observed")]
    expect("stopped" in causes, f"what was not observed: {causes}")


def back_after_a_day(bed):
    """A node that was away for a day brings what its spool has: all of it, with the times when it was."""
    bed.apiserver("--retention-hours", 1)
    network = Proxy(bed.grpc)
    device = bed.device()
    collector = bed.collector(before=shifted(bed, -DAY), apiserver=network.address)
    bed.watching(device)
    network.refuse()
    device.changes(300)
    delivery.spooled(bed)
    collector.kill()
    network.forward()
    bed.collector(apiserver=network.address)
    items = account.all_stored(bed, device)
    equal(account.gaps(items), {}, "gap records")
    late = [(nanoseconds(d["uploaded_time"]) - nanoseconds(d["tracer_time"])) / 1e9 for d in device.documents(items)]
    expect(all(DAY - 5 < seconds < DAY + 120 for seconds in late), f"stored {min(late)} to {max(late)} s after they were observed")
    # Its successor says it in an epoch of its own, which follows.
    wait_until(lambda: "stopped" in [e["tracer_data"]["cause"] for e in bed.api.events(tracer="not_observed")],
               "what was not observed meanwhile is said")
    # By the time when they came they are new; retention leaves them.
    wait_until(lambda: bed.metrics("huatuo_apiserver_store_use", of="events"), "the retention has been at work")
    account.all_stored(bed, device)
    bed.note(f"{len(device.made)} events, {min(late) / 3600:.1f} h old")
    network.close()


CASES = [clock_of_1970, clock_set_right, back_after_a_day]
