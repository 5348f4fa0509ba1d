#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Known run-queue waits.

  delays.py wait CPU NAME FIFO                    blocks in reading FIFO, as NAME, until it is closed
  delays.py hold CPU COUNT MILLISECONDS FIFO PID  COUNT times: wakes the waiter and holds its CPU
  delays.py spin CPU FILE                         once FILE is there, wants the CPU for as many seconds
                                                  as it says; tells what it got of them

The holder runs at real-time priority on the waiter's CPU, so the waiter, once woken, waits for as
long as the holder spins; it is blocked again before the next time."""

import array
import fcntl
import json
import os
import sys
import termios
import time
from pathlib import Path


def wait(cpu, name, fifo):
    os.sched_setaffinity(0, {int(cpu)})
    Path("/proc/self/comm").write_text(name, encoding="ascii")
    file = os.open(fifo, os.O_RDONLY)
    while os.read(file, 1):
        pass


def unread(file):
    count = array.array("i", [0])
    fcntl.ioctl(file, termios.FIONREAD, count)
    return count[0]


def blocked(pid):
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "S"


def until_blocked(file, pid):
    while unread(file) or not blocked(pid):
        time.sleep(0.005)


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def hold(cpu, count, milliseconds, fifo, pid):
    file = os.open(fifo, os.O_WRONLY)
    os.sched_setaffinity(0, {int(cpu)})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    for _ in range(int(count)):
        until_blocked(file, pid)
        os.write(file, b".")
        spin(int(milliseconds) / 1000)
        # The kernel takes the CPU from real-time tasks after 950 ms of each second.
        time.sleep(int(milliseconds) / 1000 / 5)
    until_blocked(file, pid)


def schedstat():
    """Seconds that this task ran and that it waited for a CPU."""
    ran, waited, _ = Path("/proc/self/schedstat").read_text(encoding="ascii").split()
    return int(ran) / 1e9, int(waited) / 1e9


def wants(cpu, file):
    os.sched_setaffinity(0, {int(cpu)})
    print("{}", flush=True)
    while not Path(file).exists():
        time.sleep(0.01)
    before = schedstat()
    spin(float(Path(file).read_text(encoding="ascii")))
    ran, waited = (now - old for now, old in zip(schedstat(), before))
    print(json.dumps({"ran_seconds": ran, "waited_seconds": waited}))


if __name__ == "__main__":
    {"wait": wait, "hold": hold, "spin": wants}[sys.argv[1]](*sys.argv[2:])
