#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TCP segments that have to be sent again.

  resend.py syn ADDRESS PORT COUNT  a connection whose SYN is sent COUNT times again, then given up
  resend.py synack ADDRESS PORT COUNT
                                    the same with a listener, whose answers are lost
  resend.py tail ADDRESS COUNT      one segment, which is sent COUNT times again
  resend.py hole ADDRESS COUNT      twenty segments, of which the fifth begins with XXXX and COUNT
                                    are sent again

The last two print the port of the receiver, wait for a line on standard input before they send and,
when they have printed `sent`, before they wait until all is acknowledged. Then they print how many
segments the kernel has sent again: COUNT, or more when the loss ends late."""

import socket
import struct
import sys
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def info(sock, offset):
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), offset)[0]


def unacknowledged(sock):
    return info(sock, 24)


def sent_again(sock):
    return info(sock, 100)


def until(condition):
    while not condition():
        time.sleep(0.001)


def syn(address, port, count):
    with socket.socket(family(address), socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.connect_ex((address, int(port)))
        until(lambda: sent_again(sock) >= int(count))


def synack(address, port, count):
    with socket.create_server((address, int(port)), family=family(address)):
        syn(address, port, count)


def connection(address):
    listener = socket.create_server((address, 0), family=family(address))
    target = listener.getsockname()
    client = socket.create_connection(target[:2])
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(target[1], flush=True)
    sys.stdin.readline()
    return client, listener.accept()[0]


def until_acknowledged(client, server, count):
    until(lambda: sent_again(client) >= count)
    print("sent", flush=True)
    sys.stdin.readline()
    until(lambda: unacknowledged(client) == 0)
    print(sent_again(client))
    # Without a FIN, which might have to be sent again.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.close()


def tail(address, count):
    client, server = connection(address)
    client.send(b"x" * 100)
    until_acknowledged(client, server, int(count))


def hole(address, count):
    client, server = connection(address)
    for number in range(20):
        client.send(b"XXXX" if number == 4 else b"xxxx")
    until_acknowledged(client, server, int(count))


if __name__ == "__main__":
    {"syn": syn, "synack": synack, "tail": tail, "hole": hole}[sys.argv[1]](*sys.argv[2:])
