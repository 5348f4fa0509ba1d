# SPDX-License-Identifier: Apache-2.0
"""Nothing lost silently, nothing stored twice: processes killed, the network cut."""

import os

import account
from bed import Stream, equal, expect, wait_until
from proxy import Proxy

# `run.py --kills` sets another number.
KILLS = int(os.environ.get("HUATUO_E2E_KILLS", "20"))


def kill9_apiserver(bed):
    """Killed again and again under a stream of events; the node keeps what is not stored."""
    server = bed.apiserver()
    device = bed.device()
    bed.collector()
    bed.watching(device)
    stream = Stream(device)
    for _ in range(KILLS):
        stream.grown_by(40)
        server.kill()
        stream.grown_by(20)
        server = bed.apiserver()
        wait_until(lambda: bed.api.connected(bed.node), "the node is back", 60)
    stream.stop()
    items = account.all_stored(bed, device)
    equal(account.gaps(items), {}, "gap records")
    equal(bed.api.losses(bed.node).get("netlink_overflow", 0), 0, "changes that never reached the collector")
    bed.note(f"{len(device.made)} events, {KILLS} kills")


def kill9_collector(bed):
    """Killed again and again; what is missing lies in the time that it says it did not observe."""
    bed.apiserver()
    device = bed.device()
    collector = bed.collector()
    bed.watching(device)
    stream = Stream(device)
    for _ in range(KILLS):
        stream.grown_by(40)
        collector.kill()
        stream.grown_by(20)
        collector = bed.collector()
        newest = device.next
        wait_until(lambda n=newest: any(s >= n for s in bed.serials(device)), "its events come again", 60)
    stream.stop()
    newest = max(device.made)
    wait_until(lambda: newest in bed.serials(device), "the last event is stored")
    missing = account.all_accounted(bed, device)
    told = [e for e in bed.api.events(tracer="not_observed") if e["tracer_data"]["cause"] == "stopped"]
    equal(len(told), KILLS, "not_observed records")
    bed.note(f"{len(device.made)} events, {KILLS} kills, {missing} not observed")


def spooled(bed):
    """Waits until all is in the spool."""
    # It has no door to look through; its size, once quiet, says that the writer is done.
    sizes = []

    def quiet():
        sizes.append(sum(f.stat().st_size for f in (bed.folder / "spool").rglob("*.seg")))
        return len(sizes) > 25 and sizes[-1] > 0 and len(set(sizes[-25:])) == 1

    wait_until(quiet, "the spool is written")


def kill9_collector_cut_off(bed):
    """Killed without a server in reach: what is in the spool is delivered by its successor."""
    bed.apiserver()
    network = Proxy(bed.grpc)
    device = bed.device()
    collector = bed.collector(apiserver=network.address)
    bed.watching(device)
    network.refuse()
    device.changes(300)
    spooled(bed)
    collector.kill()
    network.forward()
    bed.collector(apiserver=network.address)
    items = account.all_stored(bed, device)
    equal(account.gaps(items), {}, "gap records")
    network.close()


def network_cut(bed):
    """First refused, then a path that swallows everything: no event is lost, none comes twice."""
    bed.apiserver()
    network = Proxy(bed.grpc)
    device = bed.device()
    bed.collector(apiserver=network.address)
    bed.watching(device)
    stream = Stream(device)
    stream.grown_by(100)
    network.refuse()
    stream.grown_by(300)
    network.forward()
    wait_until(lambda: max(device.made) - 50 in bed.serials(device), "events come again", 60)
    before = network.connections
    network.swallow()
    stream.grown_by(300)
    # Acks are lost as well as events: what was stored and not acked must not be stored again.
    wait_until(lambda: network.connections > before, "the collector gives the dead connection up", 60)
    expect(network.swallowed > 0, "nothing was swallowed")
    network.forward()
    stream.grown_by(50)
    stream.stop()
    items = account.all_stored(bed, device)
    equal(account.gaps(items), {}, "gap records")
    equal(bed.api.losses(bed.node).get("netlink_overflow", 0), 0, "changes that never reached the collector")
    bed.note(f"{len(device.made)} events, {network.swallowed} bytes swallowed")
    network.close()


CASES = [kill9_apiserver, kill9_collector, kill9_collector_cut_off, network_cut]
