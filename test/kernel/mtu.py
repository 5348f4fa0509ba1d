#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mtu.py DEVICE COUNT: changes the MTU so many times, and waits for those who listen to keep up."""

import fcntl
import socket
import struct
import sys
import time
from pathlib import Path

SIOCSIFMTU = 0x8922
FIRST, SPAN = 2000, 50000


def unread():
    """Bytes that wait in the sockets of rtnetlink."""
    rows = [line.split() for line in Path("/proc/net/netlink").read_text(encoding="ascii").splitlines()[1:]]
    return sum(int(row[4]) for row in rows if row[1] == "0")


def main():
    name, count = sys.argv[1].encode(), int(sys.argv[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for i in range(count):
            fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si12x", name, FIRST + i % SPAN))
            while i % 50 == 0 and unread():
                time.sleep(0.001)


main()
