# SPDX-License-Identifier: Apache-2.0
"""An API server of Kubernetes that has nothing but pods: lists in chunks and watches over TLS, as the real
one does them, and everything that can go wrong with them when it is told to."""

import base64
import copy
import json
import socket
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}


def gone():
    return status(410, "Expired", "too old resource version")


def make_pod(namespace, name, uid, containers=None, owner=None, labels=None, annotations=None, node="node-1"):
    """A v1.Pod; `containers` are (name, id), of which the id may be empty."""
    containers = containers or []
    metadata = {"name": name, "namespace": namespace, "uid": uid, "labels": labels or {}, "annotations": annotations or {},
                "creationTimestamp": "2026-11-20T08:11:02Z",
                "managedFields": [{"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                                   "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}}}}}}]}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True,
                                        "uid": "0d6bc0b4-6ad3-4d53-9c5c-3e6a0b8c8f0e", "blockOwnerDeletion": True}]
    statuses = [{"name": name, "image": "registry/app:1", "ready": True, "restartCount": 0,
                 "state": {"running": {"startedAt": "2026-11-20T08:11:05Z"}}, "lastState": {},
                 **({"containerID": f"containerd://{id_}"} if id_ else {})} for name, id_ in containers]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata,
            "spec": {"nodeName": node, "restartPolicy": "Always",
                     "containers": [{"name": name, "image": "registry/app:1", "resources": {},
                                     "env": [{"name": f"VARIABLE_{i}", "value": "x" * 40} for i in range(20)]}
                                    for name, _ in containers]},
            "status": {"phase": "Running", "qosClass": "Burstable", "containerStatuses": statuses,
                       "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None}]}}


class Client(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def api(self):
        return self.server.api

    def log_message(self, *_):
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.api.saw(self.path, self.headers.get("Authorization"))
        refusal = self.api.refusal(self.headers.get("Authorization"))
        if refusal:
            self.send(refusal["code"], json.dumps(refusal).encode())
        elif url.path != "/api/v1/pods":
            self.send(404, json.dumps(status(404, "NotFound", "not found")).encode())
        elif query.get("watch") in ("1", "true"):
            self.watch(int(query["resourceVersion"]), float(query["timeoutSeconds"]))
        else:
            code, text = self.api.page(int(query.get("limit", "0")), query.get("continue", ""))
            self.send(code, text)

    def send(self, code, text):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        step = self.api.slow_bytes or len(text)
        for begin in range(0, len(text), step):
            self.wfile.write(text[begin:begin + step])
            if self.api.slow_bytes:
                self.api.closing.wait(0.01)

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def watch(self, version, seconds):
        number = self.api.open_watch()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.api.follow(self, number, version, seconds)
        except OSError:
            self.close_connection = True

    def die(self):
        """As a process that is killed: no end of the body, no TLS goodbye."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class KubeApi:
    """The pods, their history, and who asks for them."""

    bookmark_seconds = 0.5

    def __init__(self, certificate, key, token="", client_ca=None):
        self.lock = threading.Condition()
        self.closing = threading.Event()
        self.token = token
        self.pods = {}  # uid → pod
        self.version = 1000
        self.oldest = 1000  # a watch from before it is gone
        self.history = []  # (version, line)
        self.snapshots = {}  # version → texts of a list that goes on
        self.refusals = []
        self.raw = []  # (bytes, whether the connection then dies)
        self.slow_bytes = 0
        self.targets = []
        self.tokens = []
        self.watches = 0  # the newest is this one, and the only one that is served
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self.server = ThreadingHTTPServer((HOST, 0), Client)
        self.server.daemon_threads = True
        self.server.api = self
        self.server.handle_error = lambda *_: None
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.closing.set()
        with self.lock:
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # What the cluster does.

    def add(self, pod):
        self.change("ADDED" if pod["metadata"]["uid"] not in self.pods else "MODIFIED", pod)

    def delete(self, uid):
        self.change("DELETED", self.pods[uid])

    def change(self, kind, pod):
        with self.lock:
            self.version += 1
            pod = copy.deepcopy(pod)
            pod["metadata"]["resourceVersion"] = str(self.version)
            if kind == "DELETED":
                del self.pods[pod["metadata"]["uid"]]
            else:
                self.pods[pod["metadata"]["uid"]] = pod
            self.history.append((self.version, self.line(kind, pod)))
            self.lock.notify_all()

    def fill(self, pods):
        """Without a history, as what was there before."""
        with self.lock:
            for pod in pods:
                self.version += 1
                pod["metadata"]["resourceVersion"] = str(self.version)
                self.pods[pod["metadata"]["uid"]] = pod
            self.oldest = self.version

    # What goes wrong.

    def compact(self, tell):
        """Forgets the history; open watches are told, or find out when they come back."""
        with self.lock:
            self.version += 1
            self.oldest = self.version
            self.history.clear()
            if tell:
                self.raw.append((self.line("ERROR", gone()), True))
                self.lock.notify_all()

    def say(self, data, die=False):
        """Sends these bytes to the watch that is open."""
        with self.lock:
            self.raw.append((data, die))
            self.lock.notify_all()

    def refuse(self, *refusals):
        """What the next requests get."""
        with self.lock:
            self.refusals += refusals

    # What clients get.

    @staticmethod
    def line(kind, thing):
        return json.dumps({"type": kind, "object": thing}).encode() + b"\n"

    def saw(self, target, authorization):
        with self.lock:
            self.targets.append(target)
            self.tokens.append((authorization or "").removeprefix("Bearer "))

    def refusal(self, authorization):
        with self.lock:
            if self.token and authorization != f"Bearer {self.token}":
                return status(401, "Unauthorized", "Unauthorized")
            return self.refusals.pop(0) if self.refusals else None

    def page(self, limit, token):
        """(code, text) of one chunk of a list."""
        with self.lock:
            if token:
                version, start = json.loads(base64.urlsafe_b64decode(token))
                if version < self.oldest:
                    return 410, json.dumps(gone()).encode()
            else:
                version, start = self.version, 0
                self.snapshots = {version: [json.dumps(pod) for pod in self.pods.values()]}
            texts = self.snapshots[version]
        end = start + limit if limit else len(texts)
        metadata = {"resourceVersion": str(version)}
        if end < len(texts):
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps([version, end]).encode()).decode()
            metadata["remainingItemCount"] = len(texts) - end
        text = f'{{"kind":"PodList","apiVersion":"v1","metadata":{json.dumps(metadata)},"items":[{",".join(texts[start:end])}]}}'
        return 200, text.encode()

    def open_watch(self):
        with self.lock:
            self.watches += 1
            return self.watches

    def follow(self, client, number, version, seconds):
        """Everything after `version`, for so long."""
        if version < self.oldest:
            client.chunk(self.line("ERROR", gone()))
            client.chunk(b"")
            return
        waited = 0.0
        while not self.closing.is_set() and waited < seconds:
            with self.lock:
                if number != self.watches:
                    client.die()
                    return
                lines = [(v, line) for v, line in self.history if v > version]
                if not lines and not self.raw and not self.lock.wait(self.bookmark_seconds):
                    waited += self.bookmark_seconds
                    version = self.version
                    lines = [(version, self.line("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata":
                                                 {"resourceVersion": str(version), "creationTimestamp": None}}))]
                # While this one waited another watch may have been opened: it is for that one.
                raw = [] if lines or number != self.watches else self.raw[:]
                if raw:
                    self.raw.clear()
            if lines:
                client.chunk(b"".join(line for _, line in lines))
                version = lines[-1][0]
            for data, die in raw:
                client.chunk(data)
                if die:
                    client.die()
                    return
        client.chunk(b"")
