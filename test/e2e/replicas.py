# SPDX-License-Identifier: Apache-2.0
"""Several apiservers on one PostgreSQL."""

import contextlib
import json
import os
import random
import signal
import time
import urllib.request

import account
import tasks
from bed import APISERVER, Api, DEVICES_ONLY, Stream, Watch, equal, expect, wait_until
from configuration import PATH, put, taken
from postgres import Postgres
from proxy import Proxy

# Of the cases that kill at random; `run.py --kills` sets another number.
KILLS = int(os.environ.get("HUATUO_E2E_KILLS", "8"))
MOVED_WITHIN = 10
LEASE = 5


class Replica:
    """One apiserver; it comes back on the same ports."""

    def __init__(self, bed, database, name, *flags):
        self.bed, self.name = bed, name
        self.data = bed.folder / f"data-{name}"
        self.command = [APISERVER, "--name", name, "--store", "postgres", "--postgres-url", database.url,
                        "--data-dir", self.data, *flags]
        self.http = self.grpc = "127.0.0.1:0"
        self.api = self.process = None
        self.start()

    def start(self):
        addresses = self.data / "addresses.json"
        addresses.unlink(missing_ok=True)
        self.process = self.bed.process(f"apiserver-{self.name}",
                                        [*self.command, "--http-listen", self.http, "--grpc-listen", self.grpc])
        wait_until(lambda: addresses.exists() or not self.process.alive(), f"{self.name} writes its addresses")
        expect(self.process.alive(), f"{self.name} ended: {self.process.text()[-500:]}")
        found = json.loads(addresses.read_text(encoding="utf-8"))
        self.http, self.grpc = found["http"], found["grpc"]
        self.api = Api(self.http)

    def metrics(self, name, **labels):
        there, self.bed.api = self.bed.api, self.api
        try:
            return self.bed.metrics(name, **labels)
        finally:
            self.bed.api = there

    def holds(self, node):
        """Asked of this one: whether it has the node's stream."""
        status, text = self.api.request(f"/api/v1/nodes/{node}")
        return status == 200 and json.loads(text)["connected"] and json.loads(text)["replica"] == self.name


def cluster(bed, names="ab", *flags):
    database = Postgres(bed)
    replicas = [Replica(bed, database, name, *flags) for name in names]
    bed.api = replicas[0].api
    for replica in replicas:
        wait_until(lambda r=replica: len(r.api.get("/api/v1/replicas")["items"]) == len(names), "they know each other")
    return database, replicas


def addresses(replicas):
    return ",".join(r.grpc for r in replicas)


def serials(api, device, node):
    return [d["tracer_data"]["mtu"] for d in device.documents(api.events(tracer="netdev_events", node=node))]


def watching(api, device, nodes):
    """Until changes of the device become events of every node."""
    def seen():
        serial = device.change()
        with contextlib.suppress(Exception):
            return wait_until(lambda: all(serial in serials(api, device, n) for n in nodes), "an event", 1)
        return False

    wait_until(seen, f"changes become events of {nodes}", 60)
    device.made.clear()


def each_once(api, database, device, nodes, seconds=60):
    """Every change is stored once of every node, and nothing is said to be missing."""
    for node in nodes:
        wait_until(lambda n=node: set(device.made) <= set(serials(api, device, n)), f"all changes of {node} are stored", seconds)
        account.no_duplicates(device, api.events(node=node))
    equal(account.gaps(api.events(tracer="gap")), {}, "gap records")
    equal(database.ask("SELECT count(*) - count(DISTINCT tracer_id) FROM event"), "0", "rows that are stored twice")
    equal(database.ask("SELECT max(position) - count(*) FROM event"), "0", "gaps between positions")
    for node in nodes:
        equal(api.losses(node).get("netlink_overflow", 0), 0, "changes that never reached the collector")


def resumed(api, query, last):
    """Documents of a watch that goes on behind `last`, until it is silent for a second."""
    request = urllib.request.Request(api.base + "/api/v1/events/watch" + query, headers={"Last-Event-ID": last})
    found = []
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=1) as reply:
        for line in reply:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
    return found


def ids_of_watch(api, query, count):
    """The ids of the first messages from the oldest event on."""
    ids = []
    request = urllib.request.Request(api.base + "/api/v1/events/watch" + query, headers={"Last-Event-ID": "0"})
    with urllib.request.urlopen(request, timeout=20) as reply:
        for line in reply:
            if line.startswith(b"id: "):
                ids.append(line[4:].decode().strip())
            if len(ids) == count:
                return ids
    return ids


def show_all_nodes(a, b):
    for replica in (a, b):
        for node, holder in (("n1", "a"), ("n2", "b")):
            wait_until(lambda r=replica, n=node, h=holder: r.api.connected(n) and r.api.node(n)["replica"] == h,
                       f"{replica.name} shows {node} at {holder}", 20)
        peers = replica.api.get("/api/v1/replicas")["items"]
        equal([(p["name"], p["self"], p["nodes"]) for p in peers], [(n, n == replica.name, 1) for n in "ab"], "the replicas")
        equal([p["turn"] for p in peers], [True, False], "whose turn it is")
        equal(replica.metrics("huatuo_apiserver_peers"), [1], "peers")
    for replica, own, other in ((a, "n1", "n2"), (b, "n2", "n1")):
        wait_until(lambda r=replica, n=own: r.metrics("huatuo_collector_cpu_seconds_total", node=n), f"metrics of {own}")
        equal(replica.metrics("huatuo_collector_cpu_seconds_total", node=other), [], f"metrics of {other} at {replica.name}")


def stream_events(a, b, device):
    """What a node at b observes is seen at a: at once, in order, and from any place on."""
    query = "?node=n2&tracer=netdev_events"
    watch = Watch(a.api, query)
    device.changes(50, 0.005)
    made = sorted(device.made)
    wait_until(lambda: len(device.documents(d for _, d in watch.arrived)) >= len(made), "the watch at a shows n2's events", 10)
    shown = device.documents(d for _, d in watch.arrived)
    equal([d["tracer_data"]["mtu"] for d in shown], made, "n2's events at a, in order")
    late = sorted((at - device.made[d["tracer_data"]["mtu"]][0]) / 1e6 for at, d in watch.arrived
                  if d["tracer_data"].get("mtu") in device.made)
    ids = ids_of_watch(b.api, query, 20)
    there = resumed(a.api, query, ids[-1])
    here = resumed(b.api, query, ids[-1])
    equal([d["tracer_id"] for d in there], [d["tracer_id"] for d in here], "what follows an id of b, at a and at b")
    expect(len(there) >= 30, f"only {len(there)} events follow")
    return late[len(late) // 2], late[-1]


def run_tasks(bed, a, b):
    """Made at a for the node at b; and the other way round."""
    bed.api, bed.node = a.api, "n2"
    wait_until(lambda: (bed.api.node("n2")["units"] or None) and tasks.state_of(bed, "always") == "running", "a knows that runqlat runs at n2", 30)
    made = tasks.ask(bed, seconds=2)
    seen = tasks.follow(bed, made)
    states = [data["state"] for _, kind, data in seen if kind == "task"]
    expect(states[-1] == "succeeded" and "running" in states, f"states at a: {states}")
    tasks.whole(bed, made)
    equal(b.api.get(f"/api/v1/tasks/{made['id']}"), a.api.get(f"/api/v1/tasks/{made['id']}"), "the task at b")
    long = tasks.ask(bed, seconds=3600)
    tasks.in_state(bed, long, "running")
    status, text = a.api.request(f"/api/v1/tasks/{long['id']}", method="DELETE")
    equal(status, 200, text)
    ended = tasks.in_state(bed, long, *tasks.ENDED, seconds=10)
    equal((ended["state"], ended["reason"]), ("cancelled", ""), "the end")
    bed.api = b.api
    wait_until(lambda: tasks.state_of(bed, f"task:{long['id']}") is None, "n2 knows no task any more", 20)


def change_things(bed, a, b):
    """Parameters, configuration and rules that are given to a hold at b."""
    status, text = a.api.request("/api/v1/nodes/n2/parameters",
                                 {"unit": "netdev_events", "values": {"report_present": 1}}, "PUT")
    equal(status, 200, text)
    bed.api = b.api
    wait_until(lambda: {p["name"]: p["value"] for p in bed.units("n2")["netdev_events"]["parameters"]}["report_present"] == 1,
               "the parameter at n2")
    status, _ = a.api.request("/api/v1/nodes/n2/parameters", {"unit": "netdev_events", "values": {"report_present": 9}}, "PUT")
    equal(status, 422, "a value out of range")
    for at, version in ((a, 1), (b, 2)):
        bed.api = at.api
        put(bed, {"comment": f"at {at.name}", "defaults": {"runqlat": {"threshold_ns": 20_000_000 + version}}})
        for where in (a, b):
            bed.api = where.api
            for node in ("n1", "n2"):
                taken(bed, version, node=node)
            equal(bed.api.get(PATH)["comment"], f"at {at.name}", f"the configuration at {where.name}")
    rule = {"items": [{"name": "mine", "action": "label", "match": {"ifname": "nobody"}}]}
    status, text = b.api.request("/api/v1/known_issues", rule, "PUT")
    equal(status, 200, text)
    wait_until(lambda: [i["name"] for i in a.api.get("/api/v1/known_issues")["items"]] == ["mine"], "the rules at a")


def replicas_one_cluster(bed):
    """Two apiservers, a node at each: either shows and does what concerns both."""
    database, (a, b) = cluster(bed)
    device = bed.device()
    bed.collector(node="n1", spool="spool-1", apiserver=a.grpc)
    bed.collector(node="n2", spool="spool-2", apiserver=b.grpc)
    watching(a.api, device, ("n1", "n2"))
    show_all_nodes(a, b)
    median, longest = stream_events(a, b, device)
    run_tasks(bed, a, b)
    change_things(bed, a, b)
    each_once(b.api, database, device, ("n1", "n2"))
    equal(a.process.stop(), 0, "exit code")
    wait_until(lambda: [p["name"] for p in b.api.get("/api/v1/replicas")["items"] if p["turn"]] == ["b"], "b takes over at once", 3)
    bed.note(f"events of b at a after {median:.0f} ms (median), {longest:.0f} ms at most")


def moved(replicas, nodes, seconds=MOVED_WITHIN):
    """Until each node is at one of these; how long that took."""
    begin = time.monotonic()
    wait_until(lambda: all(any(r.holds(n) for r in replicas) for n in nodes), f"{nodes} are at {[r.name for r in replicas]}", seconds)
    return time.monotonic() - begin


def replicas_kill9(bed):
    """A killed apiserver's nodes are elsewhere within 10 s, its tasks go on, nothing is lost or doubled."""
    database, replicas = cluster(bed, "abc")
    nodes = ["n1", "n2", "n3"]
    device = bed.device()
    for node in nodes:
        flags = () if node == "n1" else DEVICES_ONLY
        bed.collector(*flags, node=node, spool=f"spool-{node}", apiserver=addresses(replicas))
    watching(bed.api, device, nodes)
    stream = Stream(device, 0.01)
    times, bed.node = [], "n1"
    for _ in range(3):
        victim = next(r for r in replicas if r.holds("n1"))
        others = [r for r in replicas if r is not victim]
        bed.api = others[0].api
        wait_until(lambda: bed.api.connected("n1"), "the other replica knows the node", 10)
        made = tasks.ask(bed, seconds=6)
        tasks.in_state(bed, made, "running")
        stream.grown_by(50)
        victim.process.kill()
        times.append(moved(others, nodes))
        ended = tasks.in_state(bed, made, *tasks.ENDED)
        equal((ended["state"], ended["reason"]), ("succeeded", ""), "the end of the task")
        victim.start()
        wait_until(lambda v=victim: len(v.api.get("/api/v1/replicas")["items"]) == 3, "it is back", 20)
    stream.stop()
    each_once(bed.api, database, device, nodes)
    bed.note(f"{len(device.made)} changes at {len(nodes)} nodes; all elsewhere after {', '.join(f'{t:.1f}' for t in times)} s")


def replicas_cut_network(bed):
    """A path that swallows everything: the node is elsewhere within 10 s, and back when that breaks."""
    database, replicas = cluster(bed)
    paths = [Proxy(r.grpc) for r in replicas]
    device = bed.device()
    bed.collector(*DEVICES_ONLY, node="n1", apiserver=",".join(p.address for p in paths))
    watching(bed.api, device, ["n1"])
    stream = Stream(device, 0.01)
    times = []
    for _ in range(3):
        here = next(i for i, r in enumerate(replicas) if r.holds("n1"))
        stream.grown_by(50)
        paths[here].swallow()
        times.append(moved([replicas[1 - here]], ["n1"]))
        stream.grown_by(20)
        paths[here].forward()
    stream.stop()
    each_once(bed.api, database, device, ["n1"])
    expect(sum(p.swallowed for p in paths) > 0, "nothing was swallowed")
    bed.note(f"{len(device.made)} changes; elsewhere after {', '.join(f'{t:.1f}' for t in times)} s")
    for path in paths:
        path.close()


def replicas_namesakes(bed):
    """Two collectors of one name: the one that is connected stays, the other is told why, and waits."""
    _, (a, b) = cluster(bed)
    device = bed.device()
    first = bed.collector(*DEVICES_ONLY, node="twin", spool="spool-1", apiserver=a.grpc)
    watching(a.api, device, ["twin"])
    session = a.api.node("twin")["server"]["session"]
    second = bed.process("collector-second", bed.collector_command(*DEVICES_ONLY, node="twin", spool="spool-2",
                                                                   apiserver=f"{b.grpc},{a.grpc}"))
    wait_until(lambda: "another collector of this name" in second.text(), "the second is told")
    said = next(line for line in second.text().splitlines() if "another collector of this name" in line)
    expect("connected to apiserver a" in said and "give each a name of its own" in said, f"what it is told: {said}")
    wait_until(lambda: sum(r.metrics("huatuo_apiserver_namesakes_refused_total")[0] for r in (a, b)) >= 3, "it tries again", 60)
    equal((a.api.node("twin")["replica"], a.api.node("twin")["server"]["session"]), ("a", session), "the first one's stream")
    expect(first.alive() and "another collector" not in first.text(), "the first one was disturbed")
    # The name is free when the first one goes, and not before.
    equal(first.stop(), 0, "exit code")
    wait_until(lambda: b.holds("twin") or a.holds("twin"), "the second has the name now", 60)
    third = bed.process("collector-third", bed.collector_command(*DEVICES_ONLY, node="twin", spool="spool-1", apiserver=a.grpc))
    wait_until(lambda: "another collector of this name" in third.text(), "the first one's successor is told")


def replicas_paused(bed):
    """One that is stopped for longer than its lease has lost its nodes, and writes nothing of theirs."""
    database, (a, b) = cluster(bed)
    device = bed.device()
    bed.collector(*DEVICES_ONLY, node="n1", apiserver=addresses((a, b)))
    watching(a.api, device, ["n1"])
    stream = Stream(device, 0.01)
    victim, other = (a, b) if a.holds("n1") else (b, a)
    victim.process.signal(signal.SIGSTOP)
    took = moved([other], ["n1"], MOVED_WITHIN + 2)
    wait_until(lambda: [(p["name"], p["turn"]) for p in other.api.get("/api/v1/replicas")["items"]] == [(other.name, True)],
               "the other one is alone and has the turn", 3 * LEASE)
    wait_until(lambda: database.ask("SELECT count(*) FROM replica") == "1", "its row is gone", 3 * LEASE)
    stream.grown_by(50)
    victim.process.signal(signal.SIGCONT)
    wait_until(lambda: len(victim.api.get("/api/v1/replicas")["items"]) == 2, "it comes back", 20)
    wait_until(lambda: victim.api.node("n1")["replica"] == other.name, "it shows where its node is", 20)
    expect(other.holds("n1"), "the node went back")
    equal([p["name"] for p in victim.api.get("/api/v1/replicas")["items"] if p["turn"]], [other.name], "whose turn it is")
    equal(victim.metrics("huatuo_collector_cpu_seconds_total", node="n1"), [], "metrics of the node where it was")
    stream.stop()
    each_once(b.api, database, device, ["n1"])
    bed.note(f"{len(device.made)} changes; elsewhere after {took:.1f} s")


def replicas_killed_at_random(bed):
    """Apiservers and PostgreSQL killed at random moments: nothing is lost, nothing is stored twice."""
    database, replicas = cluster(bed)
    device = bed.device()
    nodes = ["n1", "n2"]
    for node in nodes:
        bed.collector(*DEVICES_ONLY, node=node, spool=f"spool-{node}", apiserver=addresses(replicas))
    watching(bed.api, device, nodes)
    stream = Stream(device, 0.01)
    chance = random.Random(KILLS)
    crashes = 0
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, 2))
        if chance.random() < 0.2:
            database.end(signal.SIGQUIT)
            time.sleep(chance.uniform(0, 2))
            database.start()
            crashes += 1
            continue
        victim = chance.choice(replicas)
        victim.process.kill()
        time.sleep(chance.uniform(0, 2))
        wait_until(lambda: database.answers(), "PostgreSQL answers", 30)
        victim.start()
    stream.stop()
    each_once(replicas[0].api, database, device, nodes, 120)
    bed.note(f"{len(device.made)} changes at {len(nodes)} nodes, {KILLS - crashes} kills of apiservers, {crashes} of PostgreSQL")


CASES = [replicas_one_cluster, replicas_kill9, replicas_cut_network, replicas_namesakes, replicas_paused, replicas_killed_at_random]
