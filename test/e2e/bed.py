# SPDX-License-Identifier: Apache-2.0
"""Real processes for a case, what provokes events, and what asks for them."""

import contextlib
import fcntl
import json
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HUATUO_BUILD", ROOT / "build/release"))
APISERVER = BUILD / "apiserver/huatuo-apiserver"
COLLECTOR = BUILD / "collector/huatuo-collector"
SIOCSIFMTU = 0x8922
FIRST_MTU = 2000
# Flags of a collector each of whose entries is one change of a device: without the governor's records.
DEVICES_ONLY = ("--budget-percent", 100, "--only", "netdev_events", "--only", "self")


class Failure(Exception):
    """A case did not find what it expects."""


class Skipped(Exception):
    """A case cannot run with these processes, for the reason given."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def equal(found, wanted, what):
    expect(found == wanted, f"{what}: expected {wanted!r}, found {found!r}")


def wait_until(condition, what, seconds=30):
    """The first true value of condition(); an error of the connection counts as not yet."""
    deadline = time.monotonic() + seconds
    error = ""
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
        except (OSError, ValueError) as problem:
            error = f" ({problem})"
        time.sleep(0.02)
    raise Failure(f"not within {seconds} s: {what}{error}")


def nanoseconds(text):
    """RFC 3339 with nine digits, as time.time_ns()."""
    seconds, _, rest = text.partition(".")
    whole = datetime.fromisoformat(seconds.rstrip("Z") + "+00:00").timestamp()
    return int(whole) * 1_000_000_000 + int((rest.rstrip("Z") or "0").ljust(9, "0"))


class Process:
    """One process of the product; its log is kept for a failed case."""

    def __init__(self, name, command, folder):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            # A group of its own: what runs it, such as strace, must not be all that is ended.
            # pylint: disable-next=consider-using-with
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          start_new_session=True)

    def alive(self):
        return self.popen.poll() is None

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def memory(self, field="VmRSS"):
        """Bytes; VmHWM is the most that it ever had."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) << 10

    def signal(self, number):
        """To all of its group, also when the first one has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def kill(self):
        """As a crash: nothing is written any more."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self, seconds=15):
        """Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise Failure(f"{self.name} did not stop within {seconds} s of SIGTERM") from late


class Api:
    """Requests to an apiserver's HTTP address; with `tls`, a context of ssl, to its HTTPS."""

    def __init__(self, address, tls=None, token=None):
        self.base = f"{'https' if tls else 'http'}://{address}"
        self.tls = tls
        self.token = token

    def request(self, path, body=None, method="GET"):
        """(status, text), whatever the status."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if sent else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.base + path, data=sent, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.tls) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get(self, path):
        status, text = self.request(path)
        expect(status == 200, f"GET {path}: {status} {text[:300]}")
        return json.loads(text)

    def events(self, **filters):
        """All pages, the oldest first."""
        query = dict(filters, order="oldest", limit="1000")
        items = []
        while True:
            page = self.get("/api/v1/events?" + urllib.parse.urlencode(query))
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            query["cursor"] = page["next_cursor"]

    def node(self, name):
        return self.get(f"/api/v1/nodes/{name}")

    def connected(self, name):
        status, text = self.request(f"/api/v1/nodes/{name}")
        return status == 200 and json.loads(text)["connected"]

    def losses(self, name):
        """Sum of each cause."""
        sums = {}
        for loss in self.node(name)["losses"]:
            sums[loss["cause"]] = sums.get(loss["cause"], 0) + loss["count"]
        return sums


class Watch:
    """A client of /api/v1/events/watch: documents with the time of their arrival."""

    def __init__(self, api, query=""):
        # pylint: disable-next=consider-using-with
        self.reply = urllib.request.urlopen(urllib.request.Request(
            api.base + "/api/v1/events/watch" + query,
            headers={"Authorization": f"Bearer {api.token}"} if api.token else {}), timeout=60)
        self.content_type = self.reply.headers["Content-Type"]
        self.arrived = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.reply:
                if line.startswith(b"data: "):
                    now = time.time_ns()
                    self.arrived.append((now, json.loads(line[6:])))
        except (OSError, ValueError, AttributeError):
            pass


class Device:
    """A veth pair whose MTU is a serial number: each change is one event."""

    def __init__(self):
        self.name = "h" + secrets.token_hex(4)
        self.peer = "p" + self.name[1:]
        self.made = {}  # serial → wall time just before and just after the change
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.next = FIRST_MTU
        subprocess.run(["ip", "link", "add", self.name, "type", "veth", "peer", "name", self.peer], check=True)

    def change(self):
        serial = self.next
        self.next += 1
        before = time.time_ns()
        fcntl.ioctl(self.socket, SIOCSIFMTU, struct.pack("16si12x", self.name.encode(), serial))
        self.made[serial] = (before, time.time_ns())
        return serial

    def changes(self, count, pause=0.002):
        """`pause` keeps the load below what a listener to netlink with a default queue can take."""
        for _ in range(count):
            self.change()
            time.sleep(pause)

    def remove(self):
        self.socket.close()
        subprocess.run(["ip", "link", "del", self.name], check=False, stderr=subprocess.DEVNULL)

    def documents(self, items):
        """The events of this device's serial numbers, of all that are given."""
        return [e for e in items if e["tracer_name"] == "netdev_events"
                and e["tracer_data"]["ifname"] == self.name
                and e["tracer_data"]["linkstatus"] == "linkstatus_mtu"]


class Stream:
    """Changes a device's MTU at a steady pace from a thread, until it is stopped."""

    def __init__(self, device, pause=0.005):
        self.device = device
        self.pause = pause
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(self.pause):
            self.device.change()

    def made(self):
        return len(self.device.made)

    def grown_by(self, count, what="the changes go on"):
        target = self.made() + count
        wait_until(lambda: self.made() >= target, what)

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Bed:
    """The folder, processes and devices of one case."""

    node = "e2e"

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.devices = []
        self.mounts = []
        self.api = None
        self.http = self.grpc = "127.0.0.1:0"
        self.access = {}  # how the API is reached: `tls` and `token` of Api
        self.lines = []  # printed below the case, also when it passes

    def note(self, text):
        self.lines.append(text)

    def units(self, node=None):
        """State of each unit's instance `always`."""
        return {u["unit"]: u for u in self.api.node(node or self.node)["units"] if u["instance"] == "always"}

    def metrics(self, name, **labels):
        """Values of the samples of /metrics that have these labels."""
        status, text = self.api.request("/metrics")
        expect(status == 200, f"/metrics: {status}")
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = (line for line in text.splitlines() if re.match(rf"{name}[ {{]", line))
        return [float(line.rpartition("}")[2].split()[0] if "}" in line else line.split()[1])
                for line in lines if all(word in line for word in wanted)]

    def process(self, name, command):
        process = Process(name, [str(word) for word in command], self.folder)
        self.processes.append(process)
        return process

    def apiserver(self, *flags, data="server", fresh=False):
        """Starts one and waits until it listens; a later one takes the same ports unless `fresh`."""
        if fresh:
            self.http = self.grpc = "127.0.0.1:0"
        addresses = self.folder / data / "addresses.json"
        addresses.unlink(missing_ok=True)
        process = self.process("apiserver", [APISERVER, "--http-listen", self.http, "--grpc-listen", self.grpc,
                                             "--data-dir", self.folder / data, *flags])
        wait_until(lambda: addresses.exists() or not process.alive(), "the apiserver writes its addresses")
        expect(process.alive(), f"the apiserver ended: {process.text()[-500:]}")
        found = json.loads(addresses.read_text(encoding="utf-8"))
        self.http, self.grpc = found["http"], found["grpc"]
        self.api = Api(self.http, **self.access)
        return process

    def collector_command(self, *flags, node=None, spool="spool", apiserver=None):
        return [COLLECTOR, "--node", node or self.node, "--spool-dir", self.folder / spool, "--apiserver",
                apiserver or self.grpc, "--metrics-interval-seconds", "1", *flags]

    def collector(self, *flags, before=(), **places):
        name = "collector" if "node" not in places else f"collector-{places['node']}"
        return self.process(name, [*before, *self.collector_command(*flags, **places)])

    def watching(self, device):
        """Waits until a change of the device becomes an event at the apiserver. Returns how many
        changes that took; they are not among the device's serial numbers."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            serial = device.change()
            seen = self.seen_soon(device, serial)
            if seen:
                device.made.clear()
                return serial
        raise Failure("no change of a device became an event within 30 s")

    def seen_soon(self, device, serial):
        try:
            return wait_until(lambda: serial in self.serials(device), "an event", 0.5)
        except Failure:
            return False

    def serials(self, device):
        return [d["tracer_data"]["mtu"] for d in device.documents(self.api.events(tracer="netdev_events"))]

    def device(self):
        device = Device()
        self.devices.append(device)
        return device

    def tmpfs(self, name, size):
        folder = self.folder / name
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
        self.mounts.append(folder)
        return folder

    def end(self):
        for process in self.processes:
            if process.alive():
                process.kill()
        for device in self.devices:
            device.remove()
        for folder in reversed(self.mounts):
            subprocess.run(["umount", "-l", folder], check=False)

    def tails(self):
        """The ends of all logs, for a failed case."""
        return [f"{log.name}: {line}" for log in sorted(self.folder.glob("*.log"))
                for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]]
