# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus with the configurations of docs/prometheus.md: it discovers, scrapes and federates."""

import json
import math
import re
import time
import urllib.parse
import urllib.request

import yaml

from bed import ROOT, equal, expect, wait_until
from prometheus import Prometheus

DOCUMENT = ROOT / "docs/prometheus.md"
DOCUMENTED = "127.0.0.1:12740"
# Units whose series are all there from the first round on.
FEW = ("--budget-percent", 100, "--only", "cpu", "--only", "runqlat", "--only", "self")
# Wants one CPU, and ends by itself.
RIVAL = """
import os, time
os.sched_setaffinity(0, {0})
end = time.monotonic() + 90
while time.monotonic() < end: pass
"""
# What Prometheus adds to each target, and what the rules record.
ITS_OWN = re.compile(r"up|scrape_.*|.*:.*")


def documented(job, bed):
    """The job of that name, with this bed's address in the place of the document's, each second."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
    text = next(block for block in blocks if f"job_name: {job}\n" in block)
    config = yaml.safe_load(text.replace(DOCUMENTED, bed.http))["scrape_configs"][0]
    config.update(scrape_interval="1s", scrape_timeout="1s")
    for discovery in config.get("http_sd_configs", ()):
        discovery["refresh_interval"] = "1s"
    return config


def told(bed, query):
    """Each sample of a reply, as frozenset of its labels, without those that are empty."""
    request = urllib.request.Request(bed.api.base + query, headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        text = reply.read().decode()
    expect(text.endswith("# EOF\n"), f"{query} does not end: {text[-100:]}")
    samples = set()
    for name, labels in re.findall(r"^([a-zA-Z_]\w*)(?:\{(.*?)\})? \S+(?: [\d.]+)?(?: # .*)?$", text, re.M):
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)
        samples.add(frozenset([("__name__", name), *((k, v) for k, v in pairs if v)]))
    return samples


def kept(prometheus, selector, **target):
    """The series that Prometheus has, in the same shape, without the labels that the target gave them."""
    series = prometheus.get("series", **{"match[]": selector})
    return {frozenset(one.items() - target.items()) for one in series if not ITS_OWN.fullmatch(one["__name__"])}


def same_series(prometheus, selector, wanted, **target):
    """Waits until Prometheus has what is told, no more and no less. Returns how many that are."""
    def difference():
        found, expected = kept(prometheus, selector, **target), wanted()
        return len(expected ^ found), sorted(map(sorted, expected ^ found))[:2], len(expected)
    last = []

    def equal_now():
        last[:] = difference()
        return last[0] == 0 and last[2] > 0
    try:
        wait_until(equal_now, f"Prometheus has the series of {selector}")
    except Exception as late:
        raise type(late)(f"{late}; different: {last}") from late
    return last[2]


def targets(prometheus):
    """(instance, health) of the active ones."""
    found = prometheus.get("targets", state="active")["activeTargets"]
    return sorted((one["labels"]["instance"], one["health"]) for one in found)


def prometheus_discovers(bed):
    """By the documented job each node is a target with exactly its series, until it is gone."""
    bed.apiserver()
    nodes = [bed.node, "second"]
    bed.collector(*FEW)
    leaving = bed.collector(*FEW, node="second", spool="spool-second")
    wait_until(lambda: all(bed.api.connected(node) for node in nodes), "both nodes are connected")
    prometheus = Prometheus(bed, [documented("huatuo", bed)])
    up = sorted([(node, "up") for node in nodes] + [(bed.http, "up")])
    wait_until(lambda: targets(prometheus) == up, f"the targets {up}")
    counts = [same_series(prometheus, f'{{node="{node}"}}', lambda node=node: told(bed, f"/metrics?node={node}"),
                          instance=node, job="huatuo") for node in nodes]
    own = same_series(prometheus, f'{{instance="{bed.http}"}}', lambda: told(bed, "/metrics?scope=apiserver"),
                      instance=bed.http, job="huatuo")
    equal({metric["node"]: value for metric, value in prometheus.query('up{node!=""}')}, dict.fromkeys(nodes, 1.0),
          "up by node")
    expect(prometheus.query(f'huatuo_apiserver_scrapes_unfinished_total{{instance="{bed.http}"}} > 0') == [],
           "Prometheus left a reply before its end")
    equal(leaving.stop(), 0, "exit code of the second collector")
    wait_until(lambda: targets(prometheus) == [t for t in up if t[0] != "second"], "the target of the node that left")
    dropped = prometheus.get("targets", state="dropped")["droppedTargets"]
    equal([one["discoveredLabels"]["__meta_huatuo_node"] for one in dropped], ["second"], "dropped targets")
    bed.note(f"{counts[0]} and {counts[1]} series of two nodes, {own} of the apiserver")


def prometheus_federates(bed):
    """By the documented job Prometheus has exactly what the selectors take."""
    bed.apiserver()
    bed.collector(*FEW)
    wait_until(lambda: bed.api.connected(bed.node), "the node is connected")
    job = documented("huatuo-selection", bed)
    words = urllib.parse.urlencode({"match[]": job["params"]["match[]"]}, doseq=True)
    prometheus = Prometheus(bed, [job])
    count = same_series(prometheus, '{job="huatuo-selection"}', lambda: told(bed, f"/federate?{words}"),
                        job="huatuo-selection")
    taken = {name.rpartition("_")[2]: name for name in prometheus.names() if "runqueue" in name}
    equal(list(taken), ["bucket"], "parts of the histogram")
    buckets = kept(prometheus, taken["bucket"])
    everything = {s for s in told(bed, "/metrics?scope=nodes") if dict(s)["__name__"] == taken["bucket"]}
    bounds = {dict(s)["le"] for s in buckets}
    equal(bounds, {b for b in (dict(s)["le"] for s in everything) if b.startswith("0.0") or b == "+Inf"}, "its bounds")
    expect(0 < len(bounds) < len(everything), f"{len(bounds)} of {len(everything)} buckets")
    status, text = bed.api.request("/federate?match[]=up%7Bnode%7D")
    equal((status, json.loads(text)["detail"]), (400, "up{node}: byte 8: expected =, !=, =~ or !~"), "a bad selector")
    bed.note(f"{count} series, {len(bounds)} of {len(everything)} buckets")


def exemplars(prometheus, family):
    """(labels of the series, event's id, value), all of them."""
    now = time.time()
    found = prometheus.get("query_exemplars", query=family, start=now - 300, end=now + 60)
    return [(one["seriesLabels"], exemplar["labels"]["event_id"], float(exemplar["value"]))
            for one in found for exemplar in one["exemplars"]]


def check_exemplar(bed, labels, event, value):
    """The event is there under its id, has the value, and is in the bucket."""
    found = bed.api.get(f"/api/v1/events/{event}")
    equal((found["tracer_name"], found["node"]), ("sched_delay", labels["node"]), "the event of an exemplar")
    expect(math.isclose(found["tracer_data"]["delay_ns"] / 1e9, value), f"{found['tracer_data']} for {value}")
    bound = float(labels["le"])
    expect(bound / 2 <= value <= bound, f"{value} in the bucket up to {bound}")


def prometheus_keeps_exemplars(bed):
    """Buckets of the run queue name the events that they count, as Prometheus keeps them."""
    bed.apiserver()
    bed.collector(*FEW)
    wait_until(lambda: bed.api.connected(bed.node) and "runqlat" in bed.units(), "the unit runs")
    change = {"unit": "runqlat", "values": {"threshold_ns": 1_000_000, "limit_per_second": 1000, "host_tasks": 1}}
    equal(bed.api.request(f"/api/v1/nodes/{bed.node}/parameters", change, "PUT")[0], 200, "status of the change")
    prometheus = Prometheus(bed, [documented("huatuo", bed)], ["--enable-feature=exemplar-storage"])
    rivals = [bed.process("rival", ["python3", "-c", RIVAL]) for _ in range(2)]
    found = wait_until(lambda: exemplars(prometheus, "huatuo_node_runqueue_latency_seconds_bucket"), "exemplars", 60)
    for rival in rivals:
        rival.kill()
    for one in found:
        check_exemplar(bed, *one)
    expect("event_id" not in bed.api.request("/metrics")[1], "an exemplar in the older format")
    bed.note(f"{len(found)} exemplars")


CASES = [prometheus_discovers, prometheus_federates, prometheus_keeps_exemplars]
