# SPDX-License-Identifier: Apache-2.0
"""The live configuration: from REST to the nodes, their answers, and what is left after restarts."""

import json

from bed import equal, expect, wait_until

PATH = "/api/v1/configuration"


def put(bed, document, status=200):
    got, text = bed.api.request(PATH, document, "PUT")
    equal(got, status, f"PUT {document}: {text[:300]}")
    return json.loads(text)


def taken(bed, version, state="applied", node=None):
    """Waits until the node has answered to this version; its answer."""

    def answered():
        found = bed.api.node(node or bed.node)["configuration"]
        return found if (found["state"], found["version"]) == (state, version) else None

    return wait_until(answered, f"{node or bed.node} has version {version} {state}")


def parameter(bed, unit, name):
    return {p["name"]: p["value"] for p in bed.units()[unit]["parameters"]}[name]


def start(bed):
    bed.apiserver()
    bed.collector("--set", "netdev_events.report_present=1", "--only", "netdev_events", "--only", "self")


def live_configuration(bed):
    """Defaults, overrides, refusals, the way back; a unit that is off sees nothing."""
    start(bed)
    device = bed.device()
    bed.watching(device)
    equal(bed.api.get(PATH)["version"], 0, "the version before anybody configured anything")
    taken(bed, 0)
    put(bed, {"comment": "quiet", "defaults": {"netdev_events": {"report_present": 0}},
              "overrides": [{"name": "this", "nodes": [bed.node[0] + "*"], "units": {"netdev_events": {"enabled": False}}},
                            {"name": "other", "nodes": ["x*"], "units": {"netdev_events": {"report_present": 1}}}]})
    taken(bed, 1)
    equal((bed.units()["netdev_events"]["state"], parameter(bed, "netdev_events", "report_present")), ("off", 0),
          "the unit and its parameter")
    unseen = device.change()
    # A threshold out of range names its place, and nothing changes.
    problem = put(bed, {"defaults": {"netdev_events": {"report_present": 7}}}, 422)
    equal((problem["parameter"], problem["accepted"]), ("defaults.netdev_events.report_present", "an integer from 0 to 1"),
          "the refusal")
    put(bed, {"version": 0, "defaults": {}}, 409)
    put(bed, {"version": 1, "defaults": {}})
    taken(bed, 2)
    equal((bed.units()["netdev_events"]["state"], parameter(bed, "netdev_events", "report_present")), ("running", 1),
          "what the collector was started with")
    seen = device.change()
    wait_until(lambda: seen in bed.serials(device), "the unit sees changes again")
    expect(unseen not in bed.serials(device), "a unit that is off saw a change")
    status, text = bed.api.request(f"{PATH}/rollback", {"version": 1}, "POST")
    equal((status, json.loads(text)["comment"]), (200, "back to version 1"), "the way back")
    taken(bed, 3)
    equal(bed.units()["netdev_events"]["state"], "off", "the unit after the way back")
    equal([v["version"] for v in bed.api.get(f"{PATH}/versions")["items"]], [3, 2, 1], "versions")


def configuration_refused(bed):
    """What only a node can know it refuses, unit by unit; the others take theirs."""
    bed.apiserver()
    bed.collector("--only", "netdev_events", "--only", "self")
    bed.watching(bed.device())
    bed.collector("--only", "dropwatch", "--only", "self", node="other", spool="spool-other")
    wait_until(lambda: bed.api.connected("other"), "the other node is there")
    put(bed, {"defaults": {"dropwatch": {"filter": "reason NO_SUCH_REASON"}, "netdev_events": {"report_present": 1}}})
    refused = taken(bed, 1, "refused", "other")["refused"]
    equal([one["unit"] for one in refused], ["dropwatch"], "units that refuse")
    expect("NO_SUCH_REASON" in refused[0]["reason"], f"the reason: {refused}")
    wait_until(lambda: bed.metrics("huatuo_apiserver_configuration_nodes", state="refused") == [1.0], "the metric")
    taken(bed, 1)
    equal(parameter(bed, "netdev_events", "report_present"), 1, "the unit that refuses nothing")


def configuration_restarts(bed):
    """A restart of either side goes on with the newest version."""
    server = bed.apiserver()
    collector = bed.collector("--only", "netdev_events", "--only", "self")
    bed.watching(bed.device())
    put(bed, {"defaults": {"netdev_events": {"report_present": 1}}})
    taken(bed, 1)
    equal(collector.stop(), 0, "exit code of the collector")
    wait_until(lambda: not bed.api.connected(bed.node), "the node is gone")
    put(bed, {"defaults": {"netdev_events": {"enabled": False}}})
    equal(bed.api.node(bed.node)["configuration"], {"state": "pending", "version": 1, "refused": []}, "a node that is away")
    server.kill()
    bed.apiserver()
    equal(bed.api.get(PATH)["version"], 2, "the version after a restart of the apiserver")
    bed.collector("--only", "netdev_events", "--only", "self")
    wait_until(lambda: bed.api.connected(bed.node), "the node is there again")
    taken(bed, 2)
    equal(bed.units()["netdev_events"]["state"], "off", "the unit of the collector that came later")


CASES = [live_configuration, configuration_refused, configuration_restarts]
