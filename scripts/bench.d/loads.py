# SPDX-License-Identifier: Apache-2.0
"""The loads that overhead is measured with, and a process beside them. Each load returns a rate:
more is better."""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def output(*command):
    # Only against one that hangs: each takes seconds.
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout + done.stderr


def build_pingpong(folder):
    target = Path(folder) / "pingpong"
    subprocess.run(["gcc", "-O2", "-static", "-o", target, ROOT / "test/bench/pingpong.c"], check=True)
    return target


def sched_pipe(loops):
    # "simple" output would round the time to milliseconds.
    text = output("perf", "bench", "sched", "pipe", "-l", str(loops))
    return 1e6 / float(re.search(r"([\d.]+) usecs/op", text)[1])


def sched_messaging(loops):
    return 1 / float(output("perf", "bench", "-f", "simple", "sched", "messaging", "-g", "10", "-l", str(loops)))


def stress_switch(operations):
    text = output("stress-ng", "--switch", "2", "--switch-method", "pipe", "--switch-ops",
                  str(operations), "--metrics-brief")
    return float(re.search(r"\] switch +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+)", text)[1])


def iperf3(seconds):
    """Bits per second."""
    port = "5999"
    with subprocess.Popen(["iperf3", "-s", "-1", "-p", port], stdout=subprocess.DEVNULL) as server:
        # Refused connections end iperf3 -c at once, so the port is looked for, not tried.
        wanted = f":{int(port):04X} "
        while not any(wanted in Path(f"/proc/net/{f}").read_text(encoding="ascii") for f in ("tcp", "tcp6")):
            if server.poll() is not None:
                raise RuntimeError("iperf3 -s ended")
            time.sleep(0.01)
        text = output("iperf3", "-c", "127.0.0.1", "-p", port, "-t", str(seconds), "-J")
        server.wait(30)
    return json.loads(text)["end"]["sum_received"]["bits_per_second"]


class Postgres:
    """A server of the distribution in a folder below `folder`, with pgbench's tables, while this is entered. It does not
    wait for the disk, which many may share."""

    def __init__(self, folder):
        self.folder = Path(folder) / "postgres"
        self.process = None

    def __enter__(self):
        self.folder.mkdir()
        # Its user must reach the folder.
        os.chmod(self.folder.parent, 0o711)
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([ROOT / "test/postgres.sh", self.folder, "fsync=off", "max_wal_size=8GB"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while subprocess.run(["pg_isready", "-q", "-h", self.folder], check=False).returncode:
            if self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended with {self.process.returncode}")
            time.sleep(0.1)
        self.pgbench("-i", "-q", "-s", "10")
        return self

    def pgbench(self, *words):
        return output("pgbench", "-h", str(self.folder), "-U", "huatuo", *words, "postgres")

    def transactions(self, count):
        """Transactions a second of four clients, so many each."""
        text = self.pgbench("-n", "-c", "4", "-j", "2", "-t", str(count))
        return float(re.search(r"tps = ([\d.]+)", text)[1])

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


class Beside:
    """A shell command that runs while this is entered. Its output goes to `log`."""

    def __init__(self, command, log):
        self.command = command
        self.log = log
        self.process = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(["bash", "-c", self.command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        return self

    def check(self):
        """A measurement beside something that failed is worth nothing."""
        if self.process.poll():
            text = Path(self.log).read_text(errors="replace")
            raise RuntimeError(f"{self.command}: ended with {self.process.returncode}:\n{text[-2000:]}")

    def __exit__(self, *_):
        for sign, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def medians(rates):
    return {name: statistics.median(values) for name, values in rates.items()}


def compare(without, beside):
    """{load: {without, with, kept, spread}}; spread is (max - min) / median of the worse side."""
    rows = {}
    for name, base in medians(without).items():
        rate = statistics.median(beside[name])
        spread = max((max(v) - min(v)) / statistics.median(v) for v in (without[name], beside[name]))
        rows[name] = {"without": base, "with": rate, "kept": round(rate / base, 4), "spread": round(spread, 4)}
    return rows


def show(rows):
    print(f"{'load':28} {'without':>16} {'with':>16} {'kept':>7} {'spread':>7}")
    for name, row in rows.items():
        print(f"{name:28} {row['without']:16,.2f} {row['with']:16,.2f} {row['kept']:7.4f} {row['spread']:7.4f}")


class Scratch:
    """A temporary folder."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="huatuo-bench-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
