# SPDX-License-Identifier: Apache-2.0
"""Pods of a cluster: an API server over TLS that has them, real events of a container of one of them."""

import json
import os
import sys
import threading
import time
import uuid

from bed import ROOT, equal, expect, wait_until
from figures import Container, kill
from security import Authority

sys.path.insert(0, str(ROOT / "test/kube"))
from server import HOST, KubeApi, make_pod, status  # noqa: E402

PODS = 10_000
SECRET = "token-of-the-service-account"


class Cluster:
    """An API server, and a kubeconfig for it."""

    def __init__(self, bed):
        self.authority = Authority(bed.folder / "kube")
        self.stranger = Authority(bed.folder / "stranger")
        certificate, key = self.authority.issue("kubernetes", f"IP:{HOST}")
        self.client = self.authority.issue("huatuo", "DNS:huatuo")
        self.token = bed.folder / "token"
        self.token.write_text(SECRET + "\n", encoding="ascii")
        self.api = KubeApi(certificate, key, token=SECRET, client_ca=self.authority.certificate)
        self.path = bed.folder / "kubeconfig"
        self.write(self.authority)

    def write(self, authority):
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                  "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
                  "clusters": [{"name": "c", "cluster": {"server": f"https://{HOST}:{self.api.port}",
                                                         "certificate-authority": str(authority.certificate)}}],
                  "users": [{"name": "u", "user": {"tokenFile": str(self.token), "client-certificate": str(self.client[0]),
                                                   "client-key": str(self.client[1])}}]}
        self.path.write_text(json.dumps(config), encoding="ascii")

    def flags(self, *more):
        return "--kubernetes", "kubeconfig", "--kubeconfig", self.path, *more


def kube(bed, name, **labels):
    return sum(bed.metrics(f"huatuo_apiserver_kube_{name}", **labels))


def settled(bed, name, value, **labels):
    wait_until(lambda: kube(bed, name, **labels) == value, f"{name} {labels} is {value}")


def rss_mib(process):
    with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def cpu_seconds(process):
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def profiled(bed, container):
    """A task's profile of the container."""
    busy = threading.Thread(target=container.run, args=(["timeout", "20", "sh", "-c", "while :; do :; done"],))
    busy.start()
    body = {"tool": "cpu_profile", "target": {"container": container.id}, "duration_seconds": 2}
    status, text = bed.api.request("/api/v1/tasks", body, "POST")
    equal(status, 201, f"the task: {text}")
    query = f"/api/v1/profiles?task_id={json.loads(text)['id']}"
    found = wait_until(lambda: bed.api.get(query)["items"], "the profile of the task is stored")
    container.end_all()
    busy.join()
    return found[0]


def kube_events(bed):
    """A pod's names on its events, metrics and profiles; on those from before it was known, and after it was gone."""
    cluster = Cluster(bed)
    container = Container(20 << 20, ("memory", "cpu"))
    uid = container.folder.parent.name.removeprefix("pod")
    pod = make_pod("shop", "web-5d4f8c7b9-x2x4z", uid, [("main", container.id)], ("ReplicaSet", "web-5d4f8c7b9"),
                   {"app": "web", "pod-template-hash": "5d4f8c7b9"}, {"team": "a", "other": "b"})
    try:
        bed.apiserver(*cluster.flags("--kube-metric-labels", "app,team", "--kube-annotations", "team", "--kube-wait-seconds",
                                     "60"))
        bed.collector("--budget-percent", 100)
        wait_until(lambda: bed.api.connected(bed.node) and bed.units().get("oom", {}).get("state") == "running",
                   "the node runs oom")
        wait_until(lambda: bed.metrics("huatuo_container_memory_limit_bytes", container_id=container.id),
                   "the node has seen the container")
        kill(bed, container, "early")
        wait_until(lambda: kube(bed, "waiting_bytes") > 0, "the event waits for its pod")
        equal(bed.api.events(tracer="oom"), [], "events while the pod is not known")
        cluster.api.add(pod)
        begin = time.monotonic()
        found = wait_until(lambda: bed.api.events(tracer="oom", namespace="shop", pod=pod["metadata"]["name"]),
                           "the event is completed")
        bed.note(f"completed {(time.monotonic() - begin) * 1000:.0f} ms after the pod was told")
        told = {key: found[0].get(key) for key in ("container_id", "container_name", "container_host_namespace",
                                                  "container_type", "pod_name", "pod_uid", "pod_labels",
                                                  "pod_annotations", "owner")}
        equal(told, {"container_id": container.id, "container_name": "main", "container_host_namespace": "shop",
                     "container_type": "normal", "pod_name": pod["metadata"]["name"], "pod_uid": uid,
                     "pod_labels": {"app": "web", "pod-template-hash": "5d4f8c7b9"}, "pod_annotations": {"team": "a"},
                     "owner": "Deployment/web"}, "the event")
        equal(kube(bed, "unresolved_events_total", outcome="completed"), 1, "events completed")
        wait_until(lambda: bed.metrics("huatuo_container_memory_limit_bytes", container_id=container.id, namespace="shop",
                                       pod=pod["metadata"]["name"], container="main", label_app="web"),
                   "the metrics have the names and the label")
        equal(bed.metrics("huatuo_container_memory_limit_bytes", container_id=container.id, namespace=""), [],
              "series without the names")
        profile = profiled(bed, container)
        names = {"name": "main", "namespace": "shop", "pod_name": pod["metadata"]["name"], "pod_uid": uid}
        equal(profile["containers"], [{"id": container.id} | names], "containers of the profile")
        labels = bed.api.get(f"/api/v1/profiles/{profile['id']}?format=json")["subjects"]
        equal({(s.get("container_host_namespace"), s.get("pod_name"), s.get("container_name")) for s in labels},
              {("shop", names["pod_name"], "main")}, "subjects of the profile")
        for query, count in ((f"namespace=shop&pod={names['pod_name']}&container=main", 1), (f"pod={uid}", 1),
                             (f"namespace=other&pod={uid}", 0)):
            found = bed.api.get(f"/api/v1/profiles?{query}")["items"]
            equal([one["id"] for one in found if one["task_id"]], [profile["id"]] * count, f"profiles of {query}")
        cluster.api.delete(uid)
        settled(bed, "pods", 0)
        kill(bed, container, "late")
        wait_until(lambda: len(bed.api.events(tracer="oom", pod=uid, container="main")) == 2,
                   "an event after the pod was deleted")
    finally:
        container.remove()
        cluster.api.close()


def kube_silence(bed):
    """An API server that does not answer holds up nobody for longer than it was told to."""
    cluster = Cluster(bed)
    cluster.api.close()
    container = Container(20 << 20)
    try:
        bed.apiserver(*cluster.flags("--kube-wait-seconds", "2"))
        bed.collector("--budget-percent", 100)
        wait_until(lambda: bed.api.connected(bed.node) and bed.units().get("oom", {}).get("state") == "running",
                   "the node runs oom")
        wait_until(lambda: bed.metrics("huatuo_container_memory_limit_bytes", container_id=container.id),
                   "the node has seen the container")
        kill(bed, container, "alone")
        found = wait_until(lambda: bed.api.events(tracer="oom", container=container.id), "the event is stored")
        expect("pod_name" not in found[0] and "pod_uid" in found[0], f"only what the node knows: {found[0]}")
        equal(kube(bed, "unresolved_events_total", outcome="timed_out"), 1, "events that waited in vain")
        expect(kube(bed, "errors_total", cause="connection") > 0, "the failures are counted")
    finally:
        container.remove()


def crowd(count):
    return [make_pod("load", f"app-{i}", str(uuid.uuid4()), [("main", f"{i:064x}"), ("proxy", f"{i + (1 << 40):064x}")],
                     ("ReplicaSet", "app-5d4f8c7b9"),
                     {"app": f"app-{i % 100}", "pod-template-hash": "5d4f8c7b9", "tier": "front", "version": "v1"})
            for i in range(count)]


def kube_crowd(bed):
    """10,000 pods in chunks, then churn; what they cost."""
    cluster = Cluster(bed)
    pods = crowd(PODS)
    cluster.api.fill(pods)
    begin = time.monotonic()
    server = bed.apiserver("--kubernetes", "off")
    alone = rss_mib(server)
    server.stop()
    server = bed.apiserver(*cluster.flags())
    settled(bed, "pods", PODS)
    listed = time.monotonic() - begin
    settled(bed, "watching", 1)
    lists = [t for t in cluster.api.targets if "limit=" in t]
    equal(len(lists), PODS // 250, "chunks of the list")
    equal(kube(bed, "containers"), 2 * PODS, "containers")
    size, cpu = rss_mib(server), cpu_seconds(server)
    for pod in pods[:1000]:
        cluster.api.delete(pod["metadata"]["uid"])
    for pod in crowd(500):
        cluster.api.add(pod)
    settled(bed, "pods", PODS - 500)
    # A thousand container ids are those of the new pods.
    equal(kube(bed, "tombstones"), 3 * 1000 - 1000, "names of deleted pods")
    equal(kube(bed, "lists_total"), 1, "lists")
    bed.note(f"{PODS} pods in {listed:.1f} s and {cpu:.1f} s of CPU; {size:.0f} MiB, {alone:.0f} without; "
             f"{(cpu_seconds(server) - cpu) * 1000 / 1500:.2f} ms of CPU a change; then {rss_mib(server):.0f} MiB")
    expect(size - alone < 100, f"{size - alone:.0f} MiB for {PODS} pods")
    cluster.api.close()


def kube_faults(bed):
    """What the API server can do wrong: counted by its cause, and afterwards every pod is known."""
    cluster = Cluster(bed)
    api = cluster.api
    pods = crowd(700)
    api.fill(pods)
    api.refuse(status(500, "InternalError", "etcd"), status(429, "TooManyRequests", "slow down"))
    bed.apiserver(*cluster.flags())
    settled(bed, "pods", 700)
    equal(kube(bed, "errors_total", cause="server"), 1, "errors of the server")
    equal(kube(bed, "errors_total", cause="throttled"), 1, "refusals of a busy server")
    settled(bed, "events_total", 1, kind="bookmark")

    def change(what):
        """One more pod that must become known after what just went wrong."""
        extra = make_pod("more", what, str(uuid.uuid4()), [("main", "")])
        pods.append(extra)
        api.add(extra)
        settled(bed, "pods", len(pods))
        settled(bed, "watching", 1)

    lists = kube(bed, "lists_total")
    api.say(api.line("ADDED", pods[0])[:50], die=True)
    settled(bed, "errors_total", 1, cause="connection")
    change("cut")
    equal(kube(bed, "lists_total"), lists, "lists after a cut")
    api.compact(tell=True)
    settled(bed, "errors_total", 1, cause="gone")
    change("gone")
    equal(kube(bed, "lists_total", cause="gone"), 1, "lists after 410")
    api.say(b'{"type":"ADDED","object":{"metadata"\n')
    settled(bed, "errors_total", 1, cause="malformed")
    change("malformed")
    equal(kube(bed, "lists_total", cause="malformed"), 1, "lists after malformed JSON")

    wrong, cluster.api.token = cluster.api.token, "rotated"
    api.say(b"", die=True)
    wait_until(lambda: kube(bed, "errors_total", cause="unauthorized") > 0, "the old token is refused")
    cluster.token.write_text("rotated", encoding="ascii")
    change("rotated")
    expect(wrong in api.tokens and "rotated" in api.tokens, "the token was read anew")

    cluster.write(cluster.stranger)
    api.say(b"", die=True)
    wait_until(lambda: kube(bed, "errors_total", cause="trust") > 0, "a server of another authority is not trusted")
    cluster.write(cluster.authority)
    change("trusted")

    api.slow_bytes = 20_000
    api.compact(tell=True)
    change("slow")
    log = bed.processes[0].text()
    expect(SECRET not in log and "rotated" not in log, "no token in the log")
    api.close()


def kube_in_cluster(bed):
    """The files and variables of a pod of Kubernetes, which `auto` finds by itself."""
    cluster = Cluster(bed)
    cluster.api.close()
    certificate, key = cluster.authority.issue("kubernetes2", f"IP:{HOST}")
    api = KubeApi(certificate, key, token=SECRET)
    api.fill(crowd(3))
    folder = bed.folder / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text(SECRET, encoding="ascii")
    (folder / "ca.crt").write_text(cluster.authority.certificate.read_text(encoding="ascii"), encoding="ascii")
    os.environ.update(KUBERNETES_SERVICE_HOST=HOST, KUBERNETES_SERVICE_PORT=str(api.port))
    try:
        bed.apiserver("--kube-service-account-dir", folder)
        settled(bed, "pods", 3)
    finally:
        del os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        api.close()


CASES = [kube_events, kube_silence, kube_in_cluster, kube_faults, kube_crowd]
