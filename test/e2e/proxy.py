# SPDX-License-Identifier: Apache-2.0
"""A network between two processes that can be cut."""

import socket
import threading


class Proxy:
    """Forwards TCP connections. `refuse` closes all of them and every new one; `swallow` lets them
    live but throws away what they carry, as a broken path does; `forward` begins anew."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.mode = "forward"
        self.lock = threading.Lock()
        self.open = []
        self.connections = 0
        self.swallowed = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.join(client)

    def join(self, client):
        if self.mode == "refuse":
            client.close()
            return
        try:
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        with self.lock:
            self.open += [client, server]
        for a, b in ((client, server), (server, client)):
            threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, source, sink):
        try:
            while True:
                part = source.recv(65536)
                if not part:
                    break
                if self.mode == "swallow":
                    self.swallowed += len(part)
                else:
                    sink.sendall(part)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            ends, self.open = self.open, []
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def refuse(self):
        self.mode = "refuse"
        self.cut()

    def swallow(self):
        self.mode = "swallow"

    def forward(self):
        # What lived through the break has a hole in its bytes.
        self.cut()
        self.mode = "forward"

    def close(self):
        self.listener.close()
        self.refuse()
