#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Packets that are going to be dropped.

  drops.py udp ADDRESS PORT COUNT           so many datagrams of 32 bytes
  drops.py tcp ADDRESS PORT COUNT           so many connections, of each the first SYN
  drops.py listen BACKLOG WAITING PARALLEL  a listener on ::1 whose queue of BACKLOG + 1 holds WAITING
                                            connections when PARALLEL more come at once; waits on
                                            standard input at each step, and prints its port first
  drops.py closed PORT COUNT                of IPv4 and IPv6 each so many connections that end as they
                                            should, and so many datagrams, and bytes on a local
                                            socket, that nobody has read when their socket closes
  drops.py flood ADDRESS PORT SECONDS       datagrams as fast as one CPU can; prints how many
  drops.py storm PORT COUNT                 at least so many datagrams to a socket whose buffer is full,
                                            64 to a system call; prints how many the socket dropped,
                                            as the kernel counted it, and how many that was a second"""

import errno
import json
import socket
import sys
import time

UDP_SEGMENT = 103  # linux/udp.h


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send(sock, payload, target):
    """What a filter on the way out drops is refused here, and an earlier one's ICMP told."""
    try:
        sock.sendto(payload, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ECONNREFUSED):
            raise


def udp(address, port, count):
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        for _ in range(int(count)):
            send(sock, b"x" * 32, (address, int(port)))


def tcp(address, port, count):
    for _ in range(int(count)):
        with socket.socket(family(address), socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            sock.connect_ex((address, int(port)))


def closed(port, count):
    for target in (("127.0.0.1", int(port)), ("::1", int(port))):
        of = family(target[0])
        with socket.create_server(target, family=of) as listener:
            for _ in range(int(count)):
                with socket.create_connection(target) as client:
                    server, _ = listener.accept()
                server.recv(1)
                server.close()
        with socket.socket(of, socket.SOCK_DGRAM) as reader, socket.socket(of, socket.SOCK_DGRAM) as sender:
            reader.bind(target)
            for _ in range(int(count)):
                sender.sendto(b"x" * 32, target)
    reader, sender = socket.socketpair()
    for _ in range(int(count)):
        sender.send(b"x")
    reader.close()
    sender.close()


def flood(address, port, seconds):
    sent = 0
    end = time.monotonic() + float(seconds)
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        while time.monotonic() < end:
            for _ in range(100):
                send(sock, b"x" * 32, (address, int(port)))
            sent += 100
    print(sent)


def listen(backlog, waiting, parallel):
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=int(backlog))
    target = listener.getsockname()[:2]
    clients = [socket.create_connection(target) for _ in range(int(waiting))]
    print(target[1], flush=True)
    sys.stdin.readline()
    for _ in range(int(parallel)):
        client = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect_ex(target)
        clients.append(client)
    print("sent", flush=True)
    sys.stdin.readline()


def dropped_of(port):
    with open("/proc/net/udp", encoding="ascii") as table:
        rows = [line.split() for line in table if f":{port:04X} " in line]
    return sum(int(row[-1]) for row in rows)


def storm(port, count):
    """What is sent in one piece is cut where it is received; each piece is dropped by itself."""
    piece, pieces = b"x" * 8, 64
    with socket.socket(type=socket.SOCK_DGRAM) as full, socket.socket(type=socket.SOCK_DGRAM) as sock:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        full.bind(("127.0.0.1", int(port)))
        sock.connect(("127.0.0.1", int(port)))
        while not dropped_of(int(port)):
            sock.send(piece)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(piece))
        start = time.monotonic()
        for _ in range(-(-int(count) // pieces)):
            sock.send(piece * pieces)
        # The last ones are on their way still.
        while (dropped := dropped_of(int(port))) < int(count) and time.monotonic() < start + 30:
            time.sleep(0.01)
        seconds = time.monotonic() - start
    print(json.dumps({"dropped": dropped, "per_second": round(dropped / seconds)}))


if __name__ == "__main__":
    {"udp": udp, "tcp": tcp, "closed": closed, "flood": flood, "listen": listen, "storm": storm}[sys.argv[1]](*sys.argv[2:])
