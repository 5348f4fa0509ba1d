# SPDX-License-Identifier: Apache-2.0
"""The metrics as Prometheus and its promtool see them, with the rules of the chart."""

import contextlib
import json
import math
import re
import socket
import subprocess
import urllib.parse

from bed import ROOT, Api, equal, expect, wait_until
from figures import Container

DOCUMENT = ROOT / "docs/metrics.md"
RULES = ROOT / "charts/huatuo/rules"
SCRAPES = 10
# One family of each kind of unit: from files, rtnetlink, BPF, and of the collector and the server.
ENOUGH = ("huatuo_node_cpu_seconds_total", "huatuo_node_netdev_up", "huatuo_node_runqueue_latency_seconds",
          "huatuo_node_events_total", "huatuo_container_memory_usage_bytes", "huatuo_collector_unit_state",
          "huatuo_apiserver_commit_seconds")


def documented():
    """Type of each family of docs/metrics.md; a name that ends in * is a pattern."""
    rows = re.findall(r"^\| `(huatuo_[^`]+)` \| ([^|]+) \|", DOCUMENT.read_text(encoding="utf-8"), re.M)
    return {name: kind.strip() for name, kind in rows}


def served(bed):
    """The text of /metrics and the type of each of its families."""
    status, text = bed.api.request("/metrics")
    equal(status, 200, "status of /metrics")
    return text, dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


@contextlib.contextmanager
def node(bed):
    """A node with a container, whose every kind of unit has told something."""
    bed.apiserver()
    bed.collector("--budget-percent", 100)
    bed.watching(bed.device())
    container = Container(64 << 20)
    join = f"echo $$ >{container.folder}/cgroup.procs && exec sleep 600"
    inhabitant = bed.process("inhabitant", ["sh", "-c", join])
    try:
        wait_until(lambda: served(bed)[1].keys() >= set(ENOUGH), "a family of each kind of unit", 60)
        yield container
    finally:
        inhabitant.kill()
        container.remove()


def named_by_kernel(rows):
    return tuple(name[:-1] for name in rows if name.endswith("*"))


def check_metrics(bed):
    """promtool complains only of the kernel's own names; what is served is what is documented."""
    with node(bed):
        text, families = served(bed)
    rows = documented()
    kernel = named_by_kernel(rows)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
                          check=False)
    complaints = (done.stdout + done.stderr).splitlines()
    expect(done.returncode in (0, 3), f"promtool: {complaints}")
    ours = [line for line in complaints if not line.startswith(kernel)]
    equal(ours, [], "complaints about our own names")
    own = {name: kind for name, kind in families.items() if not name.startswith(kernel)}
    equal({name: rows.get(name) for name in own}, own, "types in docs/metrics.md")
    bed.note(f"{len(families)} families, {len(own)} with our own names; {len(complaints)} complaints about the kernel's")


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Prometheus:
    """One that scrapes the bed's apiserver, or as told, and evaluates the chart's rules, each second."""

    def __init__(self, bed, jobs=None, flags=()):
        address = free_address()
        config = bed.folder / "prometheus.yml"
        # JSON is YAML.
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES / "*.yaml")],
            "scrape_configs": jobs or [{"job_name": "huatuo", "honor_labels": True,
                                        "static_configs": [{"targets": [bed.http]}]}]}), encoding="ascii")
        self.process = bed.process("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={bed.folder}/tsdb",
            f"--web.listen-address={address}", *flags])
        self.api = Api(address)
        wait_until(lambda: not self.process.alive() or self.api.request("/-/ready")[0] == 200, "Prometheus is ready")
        expect(self.process.alive(), f"Prometheus ended: {self.process.text()[-500:]}")

    def get(self, path, **words):
        reply = self.api.get(f"/api/v1/{path}?" + urllib.parse.urlencode(words))
        equal(reply["status"], "success", f"status of {path} {words}")
        return reply["data"]

    def query(self, expression):
        """Values of an instant vector, by its labels."""
        return [(one["metric"], float(one["value"][1])) for one in self.get("query", query=expression)["result"]]

    def names(self):
        return set(self.get("label/__name__/values"))

    def targets(self):
        return [(t["health"], t["lastError"]) for t in self.get("targets", state="active")["activeTargets"]]

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]


def sample_name(family, kind):
    return family + "_bucket" if kind == "histogram" else family


def quantiles(prometheus, families):
    """All that histogram_quantile says of these families' last minute."""
    return [value for family in families
            for _, value in prometheus.query(f"histogram_quantile(0.99, rate({family}_bucket[1m]))")]


def usable_histograms(prometheus, families):
    """How many quantiles are finite; none is absurd."""
    names = [name for name, kind in families.items() if kind == "histogram" and name.startswith("huatuo_node_")]
    expect("huatuo_node_runqueue_latency_seconds" in names, f"the run queue is not in {names}")
    finite = wait_until(lambda: [q for q in quantiles(prometheus, names) if math.isfinite(q)], "finite quantiles")
    expect(all(0 < q < 60 for q in finite), f"quantiles {finite}")
    return len(finite)


def evaluated_rules(bed, prometheus):
    """How many there are; none has an error, and a recorded series is there."""
    wait_until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), "every rule was evaluated")
    rules = prometheus.rules()
    equal([(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"], [], "rules with an error")
    recorded = wait_until(lambda: prometheus.query("node:huatuo_runqueue_latency_seconds:p99_rate5m"),
                          "a recorded series")
    equal([metric["node"] for metric, _ in recorded], [bed.node], "the node of the recorded series")
    return len(rules)


def prometheus_scrapes(bed):
    """A real Prometheus takes every family, can use the histograms, and evaluates every rule."""
    with node(bed) as container:
        prometheus = Prometheus(bed)
        wait_until(lambda: [n for _, n in prometheus.query("count_over_time(up[5m])") if n >= SCRAPES],
                   f"{SCRAPES} scrapes", 60)
        equal(prometheus.targets(), [("up", "")], "targets")
        families = served(bed)[1]
        wanted = {sample_name(*one) for one in families.items()}
        wait_until(lambda: wanted <= prometheus.names(), "every family is in Prometheus", 60)
        usage = prometheus.query(f'huatuo_container_memory_usage_bytes{{container_id="{container.id}"}}')
        equal([metric["node"] for metric, _ in usage], [bed.node], "nodes of the container")
        finite = usable_histograms(prometheus, families)
        count = evaluated_rules(bed, prometheus)
        bed.note(f"{len(wanted)} families, {finite} finite quantiles, {count} rules")


CASES = [check_metrics, prometheus_scrapes]
