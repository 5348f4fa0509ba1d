#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""share.py COMM PATH COUNT: a process called COMM writes to a file that lets nobody write now, and COUNT
others, called wCOMM, to the same open file: they wait for the lock of its position. Prints the pid
of the first as soon as all have waited for 300 ms."""
import os
import sys
import time

# The number of write(2), as /proc/PID/syscall has it.
WRITE = {"x86_64": "1", "aarch64": "64"}[os.uname().machine]

comm, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def rename(name):
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def await_write(pids):
    """Until all of them sleep in their write to the shared file. A state of D alone would not do: who waits
    for a page of a program has it too."""
    def writes(pid):
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            return file.read().split()[:2] == [WRITE, hex(shared)]

    while not all(writes(pid) for pid in pids):
        time.sleep(0.01)


def child(run):
    pid = os.fork()
    if pid == 0:
        run()
        os._exit(0)
    return pid


shared = os.open(path, os.O_WRONLY)
first = os.getpid()


def wait_for_lock():
    rename("w" + comm)
    await_write([first])
    os.write(shared, b"x")


def tell():
    await_write([first] + waiters)
    time.sleep(0.3)
    print(first, flush=True)


waiters = [child(wait_for_lock) for _ in range(count)]
child(tell)
rename(comm)
os.write(shared, b"x")
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
