# SPDX-License-Identifier: Apache-2.0
"""Tasks: asked for over REST, done by a real collector with BPF, whatever happens in between."""

import json
import socket
import subprocess
import sys
import time
import urllib.request

from bed import equal, expect, wait_until
from proxy import Proxy

# Every wait of every task of the machine is an event: there are always some.
WAITS = {"threshold_ns": 1000, "host_tasks": 1, "limit_per_second": 20}
ENDED = ("succeeded", "failed", "cancelled", "expired")


def ready(bed, *flags, **places):
    """Both processes, with the unit that the tasks use."""
    server = bed.apiserver(*flags)
    collector = bed.collector(**places)
    wait_until(lambda: state_of(bed, "always") == "running", "the unit runqlat runs")
    return server, collector


def state_of(bed, instance):
    if not bed.api.connected(bed.node):
        return None
    units = bed.api.node(bed.node)["units"]
    found = [u["state"] for u in units if u["unit"] == "runqlat" and u["instance"] == instance]
    return found[0] if found else None


def ask(bed, status=201, seconds=2, **members):
    body = {"tool": "runqlat", "parameters": WAITS, "target": {"nodes": [bed.node]}, "duration_seconds": seconds}
    found, text = bed.api.request("/api/v1/tasks", body | members, "POST")
    expect(found == status, f"POST /api/v1/tasks: {found} {text}")
    return json.loads(text)


def task(bed, made):
    return bed.api.get(f"/api/v1/tasks/{made['id']}")


def in_state(bed, made, *states, seconds=30):
    def there():
        found = task(bed, made)
        return found if found["state"] in states else None

    return wait_until(there, f"the task is {' or '.join(states)}, not {task(bed, made)}", seconds)


def result(bed, made):
    return bed.api.get(f"/api/v1/tasks/{made['id']}/result")["items"]


def whole(bed, made, most_lost=None):
    """Succeeded, and what the node counted is what is stored."""
    ended = in_state(bed, made, *ENDED)
    equal((ended["state"], ended["reason"]), ("succeeded", ""), "the end")
    items = result(bed, made)
    node = ended["nodes"][0]
    equal(len(items), min(node["events"], 1000), "events of the result")
    expect(node["events"] > 0, "no event at all")
    equal({(e["task_id"], e["tracer_type"], e["tracer_name"]) for e in items},
          {(made["id"], "manual", "sched_delay")}, "who made the events")
    equal(len({e["tracer_id"] for e in items}), len(items), "different ids")
    if most_lost is not None:
        expect(node["lost"] <= most_lost, f"{node['lost']} lost")
    return ended


def follow(bed, made):
    """All messages of the watch, until its end."""
    reply = urllib.request.urlopen(f"{bed.api.base}/api/v1/tasks/{made['id']}/watch", timeout=60)
    kind, seen = "", []
    for line in reply:
        if line.startswith(b"event: "):
            kind = line[7:].decode().strip()
        if line.startswith(b"data: "):
            seen.append((time.time(), kind, json.loads(line[6:])))
        if kind == "end" and line == b"\n":
            return seen
    return seen


def task_on_node(bed):
    """The way of a task, as a client sees it; the result is there soon after its end."""
    ready(bed)
    begin = time.time()
    made = ask(bed)
    seen = follow(bed, made)
    kinds = [kind for _, kind, _ in seen]
    equal(kinds[-1], "end", "the last message")
    equal(set(kinds[:-1]), {"task"}, "the messages before")
    states = [data["state"] for _, kind, data in seen if kind == "task"]
    expect(states[-1] == "succeeded" and "running" in states, f"states {states}")
    took = seen[-1][0] - begin
    expect(took < 2 + 1 + 2, f"a task of 2 s ended after {took:.2f} s")
    ended = whole(bed, made)
    equal([t["id"] for t in bed.api.get("/api/v1/tasks?state=succeeded")["items"]], [made["id"]], "the list")
    status, _ = bed.api.request(f"/api/v1/tasks/{made['id']}", method="DELETE")
    equal(status, 409, "cancelling what has ended")
    wait_until(lambda: state_of(bed, f"task:{made['id']}") is None, "the node knows no task any more", 20)
    bed.note(f"ended after {took:.2f} s, {ended['nodes'][0]['events']} events, {ended['nodes'][0]['lost']} lost")


def task_cancelled(bed):
    """By request, at once; what it found stays."""
    ready(bed)
    made = ask(bed, seconds=3600)
    in_state(bed, made, "running")
    wait_until(lambda: result(bed, made), "an event of the task")
    status, text = bed.api.request(f"/api/v1/tasks/{made['id']}", method="DELETE")
    equal(status, 200, text)
    ended = in_state(bed, made, *ENDED, seconds=5)
    equal((ended["state"], ended["reason"]), ("cancelled", ""), "the end")
    equal(len(result(bed, made)), min(ended["nodes"][0]["events"], 1000), "events")
    status, _ = bed.api.request(f"/api/v1/tasks/{made['id']}", method="DELETE")
    equal(status, 200, "cancelling it twice")


def task_expires(bed):
    """A node that does not come is waited for so long and no longer."""
    _, collector = ready(bed, "--tasks-dispatch-seconds", "1")
    collector.stop()
    wait_until(lambda: not bed.api.connected(bed.node), "the node is gone")
    made = ask(bed)
    equal(made["state"], "pending", "at first")
    ended = in_state(bed, made, *ENDED, seconds=10)
    equal((ended["state"], ended["reason"]), ("expired", "e2e: the node was not connected for 1 s"), "the end")


def task_loses_collector(bed):
    """kill -9: its successor does not know the task, and that is said. A collector that is stopped
    says so itself."""
    _, collector = ready(bed)
    made = ask(bed, seconds=3600)
    in_state(bed, made, "running")
    collector.kill()
    second = bed.collector()
    ended = in_state(bed, made, *ENDED, seconds=60)
    equal((ended["state"], ended["reason"]),
          ("failed", "e2e: the collector was restarted while the task ran"), "the end")
    made = ask(bed, seconds=3600)
    in_state(bed, made, "running")
    second.stop()
    ended = in_state(bed, made, *ENDED, seconds=5)
    equal((ended["state"], ended["reason"]), ("failed", "e2e: the collector was stopped"), "the end")


def task_node_gone(bed):
    """A node that stays away fails its task; when it is back, it is told to end what it still runs."""
    ready(bed, "--tasks-node-gone-seconds", "1")
    network = Proxy(bed.grpc)
    bed.processes[-1].stop()
    bed.collector(apiserver=network.address)
    wait_until(lambda: bed.api.connected(bed.node), "the node is back", 60)
    made = ask(bed, seconds=3600)
    in_state(bed, made, "running")
    network.refuse()
    ended = in_state(bed, made, *ENDED)
    equal((ended["state"], ended["reason"]), ("failed", "e2e: the node was gone for 1 s"), "the end")
    network.forward()
    wait_until(lambda: bed.api.connected(bed.node), "the node is back", 60)
    instance = f"task:{made['id']}"
    wait_until(lambda: state_of(bed, instance) is None, "the node knows no task any more", 30)


def task_over_server_restart(bed):
    """The apiserver is killed while the task runs, and again while it ends: it goes on."""
    server, _ = ready(bed)
    made = ask(bed, seconds=4)
    other = ask(bed, seconds=3600)
    for one in (made, other):
        in_state(bed, one, "running")
    server.kill()
    bed.apiserver()
    equal({t["state"] for t in bed.api.get("/api/v1/tasks")["items"]}, {"running"}, "states after the restart")
    ended = whole(bed, made)
    equal(task(bed, other)["state"], "running", "the longer task")
    bed.note(f"{ended['nodes'][0]['events']} events")


def task_over_cut(bed):
    """The stream is cut while the task runs and stays so until after its end."""
    bed.apiserver()
    network = Proxy(bed.grpc)
    collector = bed.collector(apiserver=network.address)
    wait_until(lambda: state_of(bed, "always") == "running", "the unit runqlat runs")
    made = ask(bed, seconds=2)
    in_state(bed, made, "running")
    network.refuse()
    wait_until(lambda: not bed.api.connected(bed.node), "the node is gone")
    wait_until(lambda: "closed: its time is over" in collector.text(), "the task has ended on its node")
    equal(task(bed, made)["state"], "running", "as far as anybody knows")
    network.forward()
    ended = whole(bed, made)
    bed.note(f"{ended['nodes'][0]['events']} events")


def task_limit(bed):
    """The ninth of a tool on a node is refused; when one has gone, there is room."""
    ready(bed)
    made = [ask(bed, seconds=3600) for _ in range(8)]
    for one in made:
        in_state(bed, one, "running")
    refused = ask(bed, status=429)
    equal(refused["detail"], "node e2e: 8 tasks of the tool runqlat are open, which is the limit", "the reason")
    bed.api.request(f"/api/v1/tasks/{made[3]['id']}", method="DELETE")
    in_state(bed, made[3], "cancelled")
    ninth = ask(bed)
    whole(bed, ninth)


def task_refused(bed):
    """What only the node can know."""
    ready(bed)
    made = ask(bed, target={"nodes": [bed.node], "pid": 4194304})
    ended = in_state(bed, made, *ENDED)
    equal((ended["state"], ended["reason"]), ("failed", "e2e: pid 4194304: no such process"), "the end")
    refused = ask(bed, status=422, target={"container": "0123456789abcdef"})
    equal(refused["parameter"], "target.container", "the field")


def send(port, count):
    """Datagrams to a port of the loopback that nobody listens to: each is dropped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(b"x" * 100, ("127.0.0.1", port))


def task_filter(bed):
    """A packet filter is for the packets it names; one that cannot be read is refused where it goes wrong."""
    ready(bed)
    refused = ask(bed, status=422, tool="dropwatch", parameters={"filter": "udp and dst prot 9"})
    equal(refused["parameter"], "parameters.filter", "the field")
    expect("prot" in refused["detail"], f"the place: {refused['detail']}")
    made = ask(bed, tool="dropwatch", seconds=3600,
               parameters={"filter": "udp and dst port 9", "limit_per_second": 1000})
    in_state(bed, made, "running")
    send(10, 3)
    send(9, 7)
    wait_until(lambda: len(result(bed, made)) >= 7, "the drops of the port that is filtered for")
    bed.api.request(f"/api/v1/tasks/{made['id']}", method="DELETE")
    ended = in_state(bed, made, "cancelled")
    equal([e["tracer_data"]["dport"] for e in result(bed, made)], [9] * 7, "destination ports")
    equal((ended["nodes"][0]["events"], ended["nodes"][0]["lost"]), (7, 0), "events and losses")


def task_profile(bed):
    """A profile of one process: stored when the task has ended, and readable in every format."""
    ready(bed)
    command = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(command) as spinner:
        try:
            made = ask(bed, tool="cpu_profile", parameters={"sample_hz": 99}, seconds=2,
                       target={"nodes": [bed.node], "pid": spinner.pid})
            begin = time.time()
            seen = follow(bed, made)
        finally:
            spinner.kill()
    ended = task(bed, made)
    equal((ended["state"], ended["reason"]), ("succeeded", ""), "the end")
    expect(ended["nodes"][0]["profiles"] >= 1, "no profile")
    took = seen[-1][0] - begin
    expect(took < 2 + 2, f"a task of 2 s ended after {took:.2f} s")
    path = f"/api/v1/tasks/{made['id']}/result?format="
    flame = bed.api.get(path + "flamegraph")
    expect(flame["total"] > 0 and flame["items"][0]["value"] == flame["total"], "an empty flame graph")
    status, folded = bed.api.request(path + "folded")
    equal(status, 200, "folded")
    expect("python" in folded, f"stacks of another process: {folded[:300]}")
    bed.note(f"ended after {took:.2f} s, {flame['total'] / 1e9:.2f} s of CPU")


CASES = [task_on_node, task_cancelled, task_expires, task_loses_collector, task_node_gone,
         task_over_server_restart, task_over_cut, task_limit, task_refused, task_filter, task_profile]
