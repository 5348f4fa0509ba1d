# SPDX-License-Identifier: Apache-2.0
"""Tokens of one namespace: real events and tasks of a container whose pod is in it, and of none else."""

import json
import threading
import urllib.request

from bed import Api, equal, expect, wait_until
from figures import Container, kill
from kubernetes import Cluster
from security import entries
from server import make_pod

TOKENS = {"admin": "admin-0123456789abcdef", "shop": "shop-0123456789abcdef", "other": "other-0123456789abcdef"}


class Watching:
    """The ids of the events that a stream with this token tells."""

    def __init__(self, address, token):
        request = urllib.request.Request(f"http://{address}/api/v1/events/watch?after=0", headers={"Authorization": f"Bearer {token}"})
        self.reply = urllib.request.urlopen(request, timeout=120)  # pylint: disable=consider-using-with
        self.ids = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.reply:
                if line.startswith(b"data: {\"tracer"):
                    self.ids.append(json.loads(line[6:])["tracer_id"])
        except (OSError, ValueError, AttributeError):
            pass


def kube_namespaces(bed):
    """A token of a namespace has the events, streams and tasks of its pods, and is told of nothing else."""
    cluster = Cluster(bed)
    container = Container(20 << 20)
    uid = container.folder.parent.name.removeprefix("pod")
    cluster.api.add(make_pod("shop", "web-0", uid, [("main", container.id)], ("StatefulSet", "web"), {"app": "web"}))
    file = bed.folder / "tokens"
    names = {"admin": "viewer", "shop": "operator", "other": "admin"}
    file.write_text(entries(*((TOKENS[who], role, *([f"namespaces: [{who}]"] if who != "admin" else []))
                              for who, role in names.items())), encoding="ascii")
    bed.access["token"] = TOKENS["admin"]
    try:
        bed.apiserver("--api-tokens-file", file, *cluster.flags())
        bed.collector("--budget-percent", 100)
        shop, other = (Api(bed.http, token=TOKENS[who]) for who in ("shop", "other"))
        wait_until(lambda: bed.api.connected(bed.node) and bed.units().get("oom", {}).get("state") == "running", "the node runs oom")
        wait_until(lambda: bed.metrics("huatuo_container_memory_limit_bytes", container_id=container.id, namespace="shop"),
                   "the container has its namespace")
        ours, theirs = Watching(bed.http, TOKENS["shop"]), Watching(bed.http, TOKENS["other"])
        kill(bed, container, "first")
        found = wait_until(lambda: shop.events(tracer="oom"), "the event of the namespace")
        kill(bed, container, "second")
        wait_until(lambda: len(ours.ids) >= 2, "the stream of the namespace")
        equal(theirs.ids, [], "events on the stream of another namespace")
        equal(other.events(), [], "events of another namespace")
        event = f"/api/v1/events/{found[0]['tracer_id']}"
        equal([api.request(event)[0] for api in (bed.api, shop, other)], [200, 200, 404], "one event")
        expect(len(bed.api.events()) > len(shop.events()), "the node has events that are of no namespace")
        equal(other.request("/api/v1/events?namespace=shop")[0], 403, "events of a namespace that is not the token's")
        for path in ("/metrics", "/api/v1/nodes", f"/api/v1/nodes/{bed.node}", "/api/v1/configuration", "/api/v1/profiles"):
            equal([api.request(path)[0] for api in (bed.api, shop, other)], [200, 403, 403], path)
        task = {"tool": "cpu_profile", "target": {"container": container.id}, "duration_seconds": 2}
        equal(other.request("/api/v1/tasks", task, "POST")[0], 403, "a task on a container of another namespace")
        of_node = {**task, "target": {"nodes": [bed.node]}}
        equal(shop.request("/api/v1/tasks", of_node, "POST")[0], 403, "a task on a whole node")
        status, text = shop.request("/api/v1/tasks", task, "POST")
        equal(status, 201, f"a task of the namespace: {text}")
        path = f"/api/v1/tasks/{json.loads(text)['id']}"
        equal([len(api.get("/api/v1/tasks")["items"]) for api in (bed.api, shop, other)], [1, 1, 0], "tasks")
        for more in ("", "/result"):
            equal([api.request(path + more)[0] for api in (bed.api, shop, other)], [200, 200, 404], path + more)
        equal(other.request(path, method="DELETE")[0], 404, "another namespace cancels the task")
        wait_until(lambda: shop.get(path)["state"] == "succeeded", "the task of the namespace succeeds")
    finally:
        container.remove()
        cluster.api.close()


CASES = [kube_namespaces]
