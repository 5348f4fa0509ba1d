# SPDX-License-Identifier: Apache-2.0
"""Full disks and malformed clients."""

import errno
import os
import re
import secrets
import socket
import subprocess
from pathlib import Path

import account
from bed import APISERVER, DEVICES_ONLY, Stream, equal, expect, wait_until
from proxy import Proxy


def fill(folder):
    """Takes what is left of a file system."""
    filler = folder / "filler"
    with open(filler, "ab", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                expect(error.errno == errno.ENOSPC, f"fill {folder}: {error}")
    return filler


def spool_disk_full(bed):
    """Events go on past a full disk; when it has room again, they are written again."""
    bed.apiserver()
    folder = bed.tmpfs("spool", "2m")
    device = bed.device()
    collector = bed.collector()
    bed.watching(device)
    filler = fill(folder)
    device.changes(200)
    wait_until(lambda: "entries stay in memory" in collector.text(), "the log says that the disk is full")
    account.all_stored(bed, device)
    filler.unlink()
    # An entry that is acked before it is tried again needs no disk: only a steady stream tells.
    stream = Stream(device)
    wait_until(lambda: "writes work again" in collector.text(), "the log says that the disk works again")
    stream.stop()
    account.all_stored(bed, device)
    equal(account.gaps(bed.api.events()), {}, "gap records")


def spool_bound(bed):
    """A server out of reach for too long: the oldest go, and every one that went is counted."""
    bed.apiserver()
    network = Proxy(bed.grpc)
    device = bed.device()
    bed.collector("--spool-limit-bytes", 1 << 20, *DEVICES_ONLY, apiserver=network.address)
    bed.watching(device)
    network.refuse()
    device.changes(20000, 0.0005)
    network.forward()
    newest = max(device.made)
    wait_until(lambda: newest in bed.serials(device), "the newest event is stored", 90)
    missing = account.all_accounted(bed, device)
    gone = account.gaps(bed.api.events())
    losses = {}

    def told():
        losses.update(bed.api.losses(bed.node))
        return {c: losses.get(c, 0) for c in gone} == gone

    overflow = bed.api.losses(bed.node).get("netlink_overflow", 0)
    expect(gone, "no gap record, though the spool is smaller than the events")
    expect(overflow == 0, f"netlink overflowed {overflow} times: the case cannot count on this machine now")
    equal(sum(gone.values()), missing, "events that gap records replace, against those that are missing")
    wait_until(told, f"the node's losses are {gone}")
    bed.note(f"{len(device.made)} events, {gone} gone and told")
    network.close()


def data_disk_full(bed):
    """The server keeps and serves what it has, says that it is not ready, and recovers."""
    folder = bed.tmpfs("server", "24m")
    server = bed.apiserver()
    device = bed.device()
    bed.collector()
    bed.watching(device)
    device.changes(100)
    account.all_stored(bed, device)
    before = set(device.made)
    filler = fill(folder)
    stream = Stream(device)

    def not_ready():
        status, text = bed.api.request("/readyz")
        return text if status == 503 else None

    text = wait_until(not_ready, "/readyz fails", 90)
    expect('"ingest"' in text and "waited" in text, f"/readyz: {text}")
    equal(bed.api.request("/healthz")[0], 200, "/healthz of a server that waits for its disk")
    expect(before <= set(bed.serials(device)), "what was stored before is not served any more")
    filler.unlink()
    wait_until(lambda: bed.api.request("/readyz")[0] == 200, "/readyz is well again", 60)
    stream.stop()
    account.all_stored(bed, device, 60)
    equal(account.gaps(bed.api.events()), {}, "gap records")
    expect(server.alive(), "the apiserver ended")
    bed.note(f"{len(device.made)} events")


def data_disk_full_at_start(bed):
    """A server that finds its disk full does not start and says so; with room it goes on where it was."""
    folder = bed.tmpfs("server", "24m")
    server = bed.apiserver()
    device = bed.device()
    bed.collector()
    bed.watching(device)
    device.changes(100)
    account.all_stored(bed, device)
    equal(server.stop(), 0, "exit code")
    filler = fill(folder)
    command = [str(APISERVER), "--http-listen", bed.http, "--grpc-listen", bed.grpc, "--data-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    equal(done.returncode, 1, f"exit code of a start on a full disk ({last})")
    expect(f"the disk is full: {folder}" in last, f"the last line is {last!r}")
    device.changes(50)
    filler.unlink()
    bed.apiserver()
    account.all_stored(bed, device)
    equal(account.gaps(bed.api.events()), {}, "gap records")
    bed.note(last)


def memory_full(bed):
    """No disk and no server: memory is bounded, the oldest go, and every one that went is counted."""
    bed.apiserver()
    network = Proxy(bed.grpc)
    folder = bed.tmpfs("spool", "2m")
    device = bed.device()
    collector = bed.collector(*DEVICES_ONLY, apiserver=network.address)
    bed.watching(device)
    resident = Path(f"/proc/{collector.popen.pid}/status")

    def resident_kib():
        return int(re.search(r"VmRSS:\s+(\d+)", resident.read_text(encoding="ascii"))[1])

    before = resident_kib()
    network.refuse()
    filler = fill(folder)
    device.changes(20000, 0.0005)
    grown = resident_kib() - before
    network.forward()
    newest = max(device.made)
    wait_until(lambda: newest in bed.serials(device), "the newest event is stored", 90)
    missing = account.all_accounted(bed, device)
    gone = account.gaps(bed.api.events())
    equal(list(gone), ["memory_full"], "causes of the gap records")
    equal(bed.api.losses(bed.node).get("netlink_overflow", 0), 0, "changes that never reached the collector")
    equal(gone["memory_full"], missing, "events that gap records replace, against those that are missing")
    wait_until(lambda: bed.api.losses(bed.node).get("memory_full") == missing, "the node tells its losses")
    wait_until(lambda: bed.metrics("huatuo_collector_lost_total", cause="memory_full") == [missing], "the metric")
    # 4 MiB of entries, with what the allocator adds.
    expect(grown < 32 << 10, f"resident memory grew by {grown} KiB")
    filler.unlink()
    wait_until(lambda: "writes work again" in collector.text(), "the log says that the disk works again, at rest")
    bed.note(f"{len(device.made)} events, {missing} gone and told, memory grew by {grown} KiB")
    network.close()


def garbage():
    yield b"\0" * 4096
    yield secrets.token_bytes(65536)
    yield b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n"
    yield b"POST /api/v1/events HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nx"
    yield b"PUT /api/v1/nodes/e2e/parameters HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{{{{{{{{{"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + secrets.token_bytes(4096)
    # A SETTINGS frame that claims 16 MiB.
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x04\0\0\0\0\0" + b"x" * 1000
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + secrets.token_bytes(500)


def throw(address, content):
    """Sends it, reads what comes, and goes away without a word."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as client:
        try:
            client.sendall(content)
            client.settimeout(0.2)
            client.recv(4096)
        except OSError:
            pass


def malformed_clients(bed):
    """Garbage on both ports, whole and half-open: the node and its events do not notice."""
    server = bed.apiserver()
    device = bed.device()
    bed.collector()
    bed.watching(device)
    session = bed.api.node(bed.node)["server"]["session"]
    stream = Stream(device)
    half_open = []
    for address in (bed.http, bed.grpc):
        host, port = address.rsplit(":", 1)
        for _ in range(50):
            client = socket.create_connection((host, int(port)))
            client.send(b"P")
            half_open.append(client)
        for content in garbage():
            throw(address, content)
    stream.grown_by(100)
    stream.stop()
    account.all_stored(bed, device)
    for client in half_open:
        client.close()
    expect(server.alive(), "the apiserver ended")
    equal(bed.api.node(bed.node)["server"]["session"], session, "the stream of the node")
    descriptors = f"/proc/{server.popen.pid}/fd"
    wait_until(lambda: len(os.listdir(descriptors)) < 60, "the apiserver closes the connections")


CASES = [spool_disk_full, spool_bound, memory_full, data_disk_full, data_disk_full_at_start, malformed_clients]
