# SPDX-License-Identifier: Apache-2.0
"""What a reader sees of events that really happened."""

import json

import account
from bed import Failure, Watch, equal, expect, nanoseconds, wait_until


def by_filter(bed, device, serial):
    """Each filter finds the event, and a filter of something else does not."""
    found = bed.api.events(tracer="netdev_events", node=bed.node, text=device.name)
    documents = [d for d in device.documents(found) if d["tracer_data"]["mtu"] == serial]
    equal(len(documents), 1, "events by tracer, node and text")
    for wrong in ({"tracer": "oom"}, {"node": "another"}, {"container": "0123456789abcdef"}):
        equal(device.documents(bed.api.events(**wrong)), [], f"events by {wrong}")
    return documents[0]


def by_id(bed, document):
    equal(bed.api.get(f"/api/v1/events/{document['tracer_id']}"), document, "the event by its id")
    status, text = bed.api.request("/api/v1/events/00000000-0000-7000-8000-000000000000")
    equal((status, json.loads(text)["status"]), (404, 404), "an id of no event")


def metrics(bed):
    def has_both():
        status, text = bed.api.request("/metrics")
        expect(status == 200, f"/metrics: {status}")
        wanted = ("huatuo_collector_resident_memory_bytes{", 'huatuo_collector_events_emitted_total{',
                  "huatuo_node_runqueue_latency_seconds_bucket{",
                  'unit="netdev_events"', f'node="{bed.node}"')
        return all(word in text for word in wanted)

    wait_until(has_both, "/metrics has the series of the collector")


def parameters(bed):
    path = f"/api/v1/nodes/{bed.node}/parameters"

    def value():
        units = [u for u in bed.api.node(bed.node)["units"] if u["unit"] == "netdev_events"]
        return {p["name"]: p["value"] for p in units[0]["parameters"]}.get("report_present")

    wait_until(lambda: value() == 0, "the node tells its parameters")
    status, text = bed.api.request(path, {"unit": "netdev_events", "values": {"report_present": 1}}, "PUT")
    equal((status, json.loads(text).get("accepted")), (200, True), "PUT of a good value")
    equal(value(), 1, "the value right after the PUT")
    status, text = bed.api.request(path, {"unit": "netdev_events", "values": {"report_present": 7}}, "PUT")
    problem = json.loads(text)
    equal((status, problem.get("parameter")), (422, "values.report_present"), "PUT of a value out of range")
    expect("0 to 1" in problem["accepted"], f"what is accepted: {problem}")
    equal(value(), 1, "the value after a refused PUT")


def openapi(bed):
    document = bed.api.get("/api/v1/openapi.json")
    expect(document["openapi"].startswith("3.1"), f"OpenAPI version {document['openapi']}")
    for path in ("/api/v1/events", "/api/v1/events/{id}", "/api/v1/events/watch", "/api/v1/nodes/{node}"):
        expect(path in document["paths"], f"{path} is not described")


def path(bed):
    """A change on its way from the kernel to every reader."""
    bed.apiserver()
    device = bed.device()
    bed.collector()
    bed.watching(device)
    watch = Watch(bed.api, "?tracer=netdev_events")
    equal(watch.content_type, "text/event-stream", "type of the watch")
    serial = device.change()
    wait_until(lambda: device.documents(d for _, d in watch.arrived), "the watch shows the event")
    shown = device.documents(d for _, d in watch.arrived)[0]
    document = by_filter(bed, device, serial)
    equal(shown, document, "the event of the watch")
    before, after = device.made[serial]
    moment = nanoseconds(document["tracer_time"])
    # From the change to where the collector reads it.
    expect(before - 50_000_000 <= moment <= after + 5_000_000_000, f"tracer_time is {(moment - before) / 1e6} ms off")
    equal(document["tracer_data"]["previous"], str(serial - 1), "the MTU before")
    by_id(bed, document)
    nodes = bed.api.get("/api/v1/nodes")["items"]
    equal([(n["node"], n["connected"]) for n in nodes], [(bed.node, True)], "nodes")
    metrics(bed)
    parameters(bed)
    openapi(bed)


def latency(bed):
    """From the event's own time to a client of the watch; a figure, not a limit."""
    bed.apiserver()
    device = bed.device()
    bed.collector()
    bed.watching(device)
    watch = Watch(bed.api, "?tracer=netdev_events")
    device.changes(200, 0.01)
    wait_until(lambda: len(device.documents(d for _, d in watch.arrived)) >= 200, "the watch shows all 200")
    took = {d["tracer_data"]["mtu"]: ((at - nanoseconds(d["tracer_time"])) / 1e6, (at - device.made[s][0]) / 1e6)
            for at, d in watch.arrived for s in [d["tracer_data"]["mtu"]] if s in device.made}
    equal(sorted(took), sorted(device.made), "serial numbers in the watch")
    for index, what in enumerate(("from tracer_time", "from before the change")):
        sample = sorted(both[index] for both in took.values())
        bed.note(f"{what}: p50 {sample[99]:.1f} ms, p99 {sample[197]:.1f} ms, longest {sample[199]:.1f} ms")


def replay(bed):
    """A recording, fed into an apiserver that knows nothing, tells the same."""
    bed.apiserver()
    device = bed.device()
    recorder = bed.collector("--record", bed.folder / "recording")
    bed.watching(device)
    device.changes(100)
    original = device.documents(account.all_stored(bed, device))
    recorder.stop()
    bed.apiserver(data="server2", fresh=True)
    bed.collector("--replay", bed.folder / "recording", spool="spool2")
    copies = {}

    def same():
        copies.update({d["tracer_data"]["mtu"]: d for d in device.documents(bed.api.events())})
        return len(copies) >= len(original)

    try:
        wait_until(same, "the replayed events are stored")
    except Failure as late:
        raise Failure(f"{len(copies)} of {len(original)} events after the replay") from late
    for document in original:
        copy = copies[document["tracer_data"]["mtu"]]
        for field in ("tracer_name", "tracer_data", "tracer_time"):
            equal(copy[field], document[field], f"{field} of the replayed event")


CASES = [path, latency, replay]
