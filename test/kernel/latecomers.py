#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A reader that is late, and packets that are.

  latecomers.py udp|tcp ADDRESS PORT COUNT MILLISECONDS

COUNT times: 100 bytes are sent to PORT of ADDRESS, and read so much later.

  latecomers.py flow udp|tcp ADDRESS PORT

Sends from the first CPU, every 5 ms, packets of 100, 101, 102, ... bytes, and reads them at once.
Makes the file `flowing` after the first one and ends when it is gone."""

import os
import socket
import sys
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(address, port):
    receiver = socket.socket(family(address), socket.SOCK_DGRAM)
    receiver.bind((address, port))
    sender = socket.socket(family(address), socket.SOCK_DGRAM)
    sender.connect((address, port))
    return sender, receiver


def tcp(address, port):
    listener = socket.create_server((address, port), family=family(address))
    sender = socket.create_connection((address, port))
    sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sender, listener.accept()[0]


def read_waiting(receiver):
    try:
        return len(receiver.recv(65536, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return 0


def flow(kind, address, port):
    os.sched_setaffinity(0, {0})
    sender, receiver = KINDS[kind](address, int(port))
    sent = received = 0
    size = 100
    while not sent or os.path.exists("flowing"):
        if size > 1300:
            sys.exit("it was to end long ago")
        sent += sender.send(b"x" * size)
        size += 1
        if size == 101:
            open("flowing", "w", encoding="utf-8").close()
        time.sleep(0.005)
        received += read_waiting(receiver)
    while received < sent:
        received += len(receiver.recv(65536))


KINDS = {"udp": udp, "tcp": tcp}


def main(kind, address, port, count, milliseconds):
    sender, receiver = KINDS[kind](address, int(port))
    for _ in range(int(count)):
        sender.send(b"x" * 100)
        time.sleep(int(milliseconds) / 1000)
        if len(receiver.recv(200)) != 100:
            sys.exit("not what was sent")


if __name__ == "__main__":
    if sys.argv[1] == "flow":
        flow(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
