# SPDX-License-Identifier: Apache-2.0
"""What Prometheus' remote-write receiver takes for the samples of an apiserver, to compare with."""

import http.client
import os
import re
import socket
import struct
import subprocess
import time
from collections import defaultdict
from pathlib import Path

INTERVAL_MS = 15_000
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: (\d+))?$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def snappy(data):
    """The block format, of literals alone: what a receiver unpacks fastest."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 1 << 16):
        part = data[at:at + (1 << 16)]
        out += struct.pack("<BH", 61 << 2, len(part) - 1) + part
    return bytes(out)


class Request:
    """A WriteRequest with one sample of each series, whose values and times can be set in place."""

    def __init__(self, series):
        self.data = bytearray()
        self.values = []
        self.places = []
        now = varint(int(time.time() * 1000))
        for labels, value in series:
            text = b"".join(field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in sorted(labels))
            sample = b"\x09" + struct.pack("<d", value) + b"\x10" + now
            one = text + field(2, sample)
            self.data += field(1, one)
            self.places.append(len(self.data) - len(sample) + 1)
            self.values.append(value)

    def at(self, step, time_ms):
        """Every value changes with each step, as those of the simulated nodes do."""
        stamp = varint(time_ms)
        for place, value in zip(self.places, self.values):
            struct.pack_into("<d", self.data, place, value + step)
            self.data[place + 9:place + 9 + len(stamp)] = stamp
        return snappy(bytes(self.data))


def requests(text):
    """One for each node."""
    nodes = defaultdict(list)
    for line in text.splitlines():
        found = None if line.startswith("#") else SAMPLE.match(line)
        if not found:
            continue
        labels = dict(LABEL.findall(found[2] or ""), __name__=found[1])
        nodes[labels.get("node", "")].append((labels.items(), float(found[3])))
    return [Request(series) for series in nodes.values()]


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Receiver:
    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "prometheus.yml").write_text("", encoding="ascii")
        with open(folder / "prometheus.log", "wb") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver"], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "prometheus.log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def write(self, body):
        self.connection.request("POST", "/api/v1/write", body, HEADERS)
        reply = self.connection.getresponse()
        why = reply.read().decode()
        if reply.status != 204:
            raise RuntimeError(f"prometheus: {reply.status}: {why}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def measure(text, rounds, folder):
    """Samples a CPU second that Prometheus takes of the series in `text`, an exposition, when each has a
    new value `rounds` times; the first time, in which it makes the series, apart."""
    series = requests(text)
    start = int(time.time() * 1000) - (rounds + 1) * INTERVAL_MS
    with Receiver(folder) as receiver:
        marks = [cpu_seconds(receiver.process.pid)]
        for step in range(rounds + 1):
            for request in series:
                receiver.write(request.at(step, start + step * INTERVAL_MS))
            marks.append(cpu_seconds(receiver.process.pid))
    samples = sum(len(request.places) for request in series)
    return {"prometheus_samples": samples * rounds, "prometheus_first_samples_per_cpu_second": samples / (marks[1] - marks[0]),
            "prometheus_samples_per_cpu_second": samples * rounds / (marks[-1] - marks[1])}
