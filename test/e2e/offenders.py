# SPDX-License-Identifier: Apache-2.0
"""Clients that flood, stall or send nonsense: what they get, and that the others notice nothing. They have loopback
addresses of their own, 127.0.0.2 and up."""

import contextlib
import http.client
import socket
import threading
import time

import fleet as fleets
import http2
from bed import Api, equal, expect, wait_until
from security import Witness

# What gRPC may keep unless told otherwise.
GRPC_MEMORY = 1 << 30


def connect(bed, offender, timeout=30):
    host, _, port = bed.http.rpartition(":")
    return socket.create_connection((host, int(port)), timeout, (f"127.0.0.{offender}", 0))


def answer(bed, offender, text):
    """(status, all of the reply) to bytes; status 0: the connection was ended without one."""
    with connect(bed, offender) as client:
        reply = b""
        # Who is refused at once may find the other end closed already.
        with contextlib.suppress(OSError):
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while part := client.recv(65536):
                reply += part
    return int(reply.split()[1]) if reply.startswith(b"HTTP/1.1 ") else 0, reply.decode(errors="replace")


class Bystander:
    """A client that asks all the time; each answer must be 200, and come soon."""

    def __init__(self, bed):
        self.api = Api(bed.http)
        self.statuses = set()
        self.slowest = 0.0
        self.asked = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.05):
            begin = time.monotonic()
            try:
                self.statuses.add(self.api.request("/api/v1/nodes")[0])
            except OSError as problem:
                self.statuses.add(str(problem))
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.asked += 1

    def undisturbed(self, bed):
        count = self.asked
        wait_until(lambda: self.asked > count, "the bystander asks on")
        self.stopping.set()
        self.thread.join()
        equal(self.statuses, {200}, "what the bystander got")
        expect(self.slowest < 5, f"the bystander waited {self.slowest:.1f} s")
        bed.note(f"the bystander asked {self.asked} times and waited {self.slowest * 1000:.0f} ms at most")


def http_floods(bed):
    """Requests and connections beyond the limits are refused to the one who makes them."""
    bed.apiserver("--store", "memory", "--limits-requests-per-second", "200", "--limits-connections-per-address", "20")
    witness, bystander = Witness(bed), Bystander(bed)
    statuses = {}

    def flood():
        host, _, port = bed.http.rpartition(":")
        client = http.client.HTTPConnection(host, int(port), timeout=30, source_address=("127.0.0.2", 0))
        for _ in range(500):
            client.request("GET", "/api/v1/events")
            reply = client.getresponse()
            reply.read()
            statuses.setdefault(reply.status, []).append(reply.headers["Retry-After"])

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(set(statuses), {200, 429}, "statuses of the flood")
    equal(set(statuses[429]), {"1"}, "Retry-After")
    equal(sum(bed.metrics("huatuo_apiserver_http_requests_limited_total")), len(statuses[429]), "requests that were limited")
    # Nothing but the address is theirs: who shows another wrong token each time is limited as well.
    wait_until(lambda: answer(bed, 2, b"GET /api/v1/self HTTP/1.1\r\n\r\n")[0] == 200, "the address may ask again")
    held = [connect(bed, 3) for _ in range(20)]
    wait_until(lambda: sum(bed.metrics("huatuo_apiserver_http_connections")) >= 20, "the connections are open")
    equal([answer(bed, 3, b"GET /healthz HTTP/1.1\r\n\r\n")[0] for _ in range(5)], [429] * 5, "connections beyond the limit")
    equal(answer(bed, 4, b"GET /healthz HTTP/1.1\r\n\r\n")[0], 200, "a connection of another address")
    equal(sum(bed.metrics("huatuo_apiserver_http_connections_of_address_refused_total")), 5, "connections that were refused")
    for client in held:
        client.close()
    wait_until(lambda: answer(bed, 3, b"GET /healthz HTTP/1.1\r\n\r\n")[0] == 200, "the address may connect again")
    bystander.undisturbed(bed)
    witness.unmoved()


def slow_loris(bed):
    """Headers that come byte by byte, and bodies that stop half-way, are ended after ten seconds."""
    bed.apiserver("--store", "memory")
    witness, bystander = Witness(bed), Bystander(bed)
    begin = time.monotonic()
    slow = [connect(bed, 5) for _ in range(100)]
    for client in slow:
        client.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    stalled = [connect(bed, 6) for _ in range(50)]
    for client in stalled:
        client.sendall(b"PUT /api/v1/configuration HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    ended = {}

    def drip():
        for client in slow + stalled:
            if client in ended:
                continue
            try:
                if client in slow:
                    client.sendall(b"x")
                client.settimeout(0.001)
                if client.recv(100) == b"":
                    ended[client] = time.monotonic() - begin
            except TimeoutError:
                pass
            except ConnectionError:
                ended[client] = time.monotonic() - begin
        return len(ended) == len(slow) + len(stalled)

    wait_until(drip, "all slow connections are ended", 40)
    expect(min(ended.values()) > 8, f"one was ended after {min(ended.values()):.1f} s")
    expect(max(ended.values()) < 30, f"one was ended after {max(ended.values()):.1f} s")
    equal(sum(bed.metrics("huatuo_apiserver_http_timeouts_total")), 150, "connections that are counted as too slow")
    bystander.undisturbed(bed)
    witness.unmoved()


def odd_requests(bed):
    """Paths with .., JSON 10,000 deep, SQL in strings, oversized and malformed requests: each gets its answer."""
    bed.apiserver()
    witness, bystander = Witness(bed), Bystander(bed)
    events = len(bed.api.events())
    expect(events > 0, "there are events")

    def get(target, headers=b""):
        return b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n"

    def put(target, body, headers=b""):
        return (b"PUT " + target + b" HTTP/1.1\r\nHost: localhost\r\n" + headers
                + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    for target in (b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/..%2f..%2fetc/passwd", b"//etc/passwd",
                   b"/assets/../../../../etc/passwd", b"/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd", b"/api/v1/../../etc/passwd",
                   b"/api/v1/events/../../../etc/passwd", b"/%00", b"/api/v1/nodes/%2e%2e"):
        status, text = answer(bed, 7, get(target, b"Accept: text/html\r\n"))
        expect(status in (200, 400, 404), f"{target}: {status}")
        expect("root:" not in text, f"{target} is a file of the machine")
    deep = b"[" * 10_000 + b"]" * 10_000
    for target in (b"/api/v1/configuration", b"/api/v1/known_issues", b"/api/v1/nodes/" + bed.node.encode() + b"/parameters"):
        status, text = answer(bed, 7, put(target, deep))
        equal(status, 400, f"JSON 10,000 deep to {target}")
        expect("too deep" in text, text)
    for text in ("' OR '1'='1", "'; DROP TABLE events; --", "\" OR 1=1 --", "%' UNION SELECT 1 --", "x' || (SELECT 1) || 'x"):
        for key in ("tracer", "node", "namespace", "pod", "container", "task", "text"):
            equal(bed.api.events(**{key: text}), [], f"events whose {key} is {text}")
    equal(bed.api.request("/api/v1/events/%27%20OR%201=1")[0], 404, "an event whose id is SQL")
    expect(len(bed.api.events()) >= events, "events went")
    for what, text, wanted in (
            ("a large header", get(b"/healthz", b"X: " + b"x" * 100_000 + b"\r\n"), 431),
            ("a large body", put(b"/api/v1/configuration", b"x" * (2 << 20)), 413),
            ("a body of 4 GB, as it says", b"PUT /api/v1/configuration HTTP/1.1\r\nContent-Length: 4294967296\r\n\r\n", 413),
            ("two lengths", get(b"/healthz", b"Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
            ("a negative length", get(b"/healthz", b"Content-Length: -1\r\n"), 400),
            ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            ("another method", b"BREW /api/v1/events HTTP/1.1\r\n\r\n", 405),
            ("bad escapes", get(b"/api/v1/events?node=%zz"), 400),
            ("a body that is no JSON", put(b"/api/v1/configuration", b"{"), 400)):
        status, reply = answer(bed, 7, text)
        equal(status, wanted, f"{what}: {reply[:300]}")
    bystander.undisturbed(bed)
    witness.unmoved()


def fleet(bed, *words):
    return fleets.run(bed, "--nodes", "10", "--seconds", "8", "--ramp-seconds", "1", "--metrics-interval-seconds", "2",
                      "--events-per-second", "20", *words)


def node_floods(bed):
    """A node that sends more than it may is told so; all events of the others are stored."""
    found = fleet(bed, "--flood", "2", "--server=--limits-node-bytes-per-second", "--server=500000")
    ends = {how.split(": ")[1] for how in found["ends"] if how.startswith("flood")}
    expect("RESOURCE_EXHAUSTED" in ends, f"how streams of a node that floods end: {found['ends']}")


def huge_message(bed):
    """A node that sends a message of 16 MiB is told so; all events of the others are stored."""
    found = fleet(bed, "--huge", "3")
    ends = {how.split(": ")[1] for how in found["ends"] if how.startswith("huge")}
    equal(ends, {"RESOURCE_EXHAUSTED"}, f"how streams of a node with huge messages end: {found['ends']}")


def endless_message(bed):
    """A node that sends a message of 4 GB is told so long before its end, and before gRPC has no memory for others."""
    server = bed.apiserver("--store", "memory")
    witness, bystander = Witness(bed), Bystander(bed)
    before = server.memory("VmHWM")
    for method in ("Connect", "Profiles", "Connect"):
        call = http2.Call(bed.grpc, f"/huatuo.v1.Ingest/{method}")
        sent = call.send_message_of((1 << 32) - 1)
        call.close()
        expect(call.ended and "message: has not ended" in call.ended, f"{sent} bytes were taken, then: {call.ended}")
        bed.note(f"{method}: ended after {sent >> 20} MiB")
    grown = server.memory("VmHWM") - before
    bed.note(f"{grown >> 20} MiB of memory")
    expect(grown < GRPC_MEMORY / 2, f"{grown} bytes of memory")
    equal(sum(bed.metrics("huatuo_apiserver_streams_refused_total", cause="too_large")), 3, "streams that are counted as too large")
    bystander.undisturbed(bed)
    witness.unmoved()


CASES = [http_floods, slow_loris, odd_requests, node_floods, huge_message, endless_message]
