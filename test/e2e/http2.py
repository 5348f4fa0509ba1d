# SPDX-License-Identifier: Apache-2.0
"""A gRPC call by hand, for what no gRPC client does: a message without an end (RFC 9113, and RFC 7541 without its
compression)."""

import select
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 4, 5


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(text):
    raw = text.encode("ascii")
    return bytes([len(raw)]) + raw


def headers(path):
    fields = {":method": "POST", ":scheme": "http", ":authority": "localhost", ":path": path, "te": "trailers",
              "content-type": "application/grpc"}
    return b"".join(b"\x00" + literal(name) + literal(value) for name, value in fields.items())


class Call:
    """One stream of a connection of its own; its method is `path`."""

    def __init__(self, address, path):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 30)
        self.windows = [65_535, 65_535]  # what the connection and the stream may send
        self.initial = 65_535
        self.largest = 16_384
        self.ended = None  # the frame by which the other side has ended the stream
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, headers(path)))

    def close(self):
        self.socket.close()

    def send_message_of(self, size):
        """Sends the beginning of a message that is said to have `size` bytes, and then these, as fast as the other side
        lets it, until it ends the stream. Returns how many bytes it has taken."""
        sent = self.send(b"\x00" + struct.pack(">I", size))
        filler = bytes(1 << 20)
        while self.ended is None and sent < size:
            room = min(*self.windows, self.largest, len(filler))
            if room > 0:
                sent += self.send(filler[:room])
            self.listen(0 if room > 0 else 30)
        return sent

    def send(self, payload):
        try:
            self.socket.sendall(frame(DATA, 0, 1, payload))
        except ConnectionError as problem:
            self.ended = str(problem)
        self.windows = [window - len(payload) for window in self.windows]
        return len(payload)

    def listen(self, seconds):
        """Takes the frames that are there, or the first one that comes within `seconds`."""
        while self.ended is None and select.select([self.socket], [], [], seconds)[0]:
            first = self.exactly(9)
            if self.ended is None:
                kind, flags, stream = struct.unpack(">BBI", first[3:])
                self.take(kind, flags, stream, self.exactly(int.from_bytes(first[:3], "big")))
            seconds = 0

    def exactly(self, count):
        found = b""
        while len(found) < count and self.ended is None:
            try:
                part = self.socket.recv(count - len(found))
            except ConnectionError:
                part = b""
            if not part:
                self.ended = "the connection"
            found += part
        return found

    def take(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE:
            self.windows[stream] += struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and not flags & ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                if key == INITIAL_WINDOW_SIZE:
                    self.windows[1] += value - self.initial
                    self.initial = value
                elif key == MAX_FRAME_SIZE:
                    self.largest = value
            self.socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM:
            self.ended = f"RST_STREAM {struct.unpack('>I', payload)[0]}"
        elif kind == GOAWAY:
            self.ended = "GOAWAY"
        elif kind == HEADERS and b"grpc-status" in payload:
            self.ended = payload.decode(errors="replace")
