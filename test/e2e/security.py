# SPDX-License-Identifier: Apache-2.0
"""Who may speak: TLS both ways, join tokens of nodes, tokens of the API, and that what says so can
change while all runs. What an offender gets, and that the others do not notice."""

import hashlib
import json
import os
import ssl
import subprocess
import urllib.error

from bed import APISERVER, Api, Stream, Watch, equal, expect, wait_until
from start import refused

TOKEN = "0123456789abcdef0123"
OF_ANOTHER = "fedcba98765432100123"


def openssl(*words):
    subprocess.run(["openssl", *[str(w) for w in words]], check=True, capture_output=True)


class Authority:
    """Signs certificates; all files are in a folder of its own."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                "-subj", f"/CN={folder.name}", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, alternatives):
        """(certificate, key)"""
        request, certificate, key = (self.folder / f"{name}.{kind}" for kind in ("csr", "pem", "key"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\n", encoding="ascii")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", 2, "-extfile", extensions, "-out", certificate)
        return certificate, key


def put(path, text):
    """As an administrator or Kubernetes does it: all of the file at once."""
    after = path.with_name(path.name + ".next")
    after.write_text(text, encoding="ascii")
    os.rename(after, path)


def entries(*tokens):
    """The text of an api_tokens_file of (token, role, more lines); the name of a token is what it begins with."""
    text = "tokens:\n"
    for token, role, *more in tokens:
        text += f"  - name: {token.split('-')[0]}\n    sha256: {hashlib.sha256(token.encode()).hexdigest()}\n    role: {role}\n"
        text += "".join(f"    {line}\n" for line in more)
    return text


def shown(certificate, key):
    return "--tls-certificate-file", certificate, "--tls-key-file", key


def trusting(authority):
    return "--tls-enabled", "true", "--tls-ca-file", authority.certificate


class Witness:
    """A node that is what it should be, whose events must go on without a break."""

    def __init__(self, bed, *flags):
        self.bed = bed
        self.device = bed.device()
        bed.collector(*flags)
        bed.watching(self.device)
        self.session = bed.api.node(bed.node)["server"]["session"]
        self.stream = Stream(self.device)

    def unmoved(self):
        self.stream.grown_by(20)
        self.stream.stop()
        newest = max(self.device.made)

        def stored():
            items = self.bed.api.events(tracer="netdev_events", node=self.bed.node)
            return newest in [d["tracer_data"]["mtu"] for d in self.device.documents(items)]

        wait_until(stored, "the witness's events go on")
        equal(self.bed.api.node(self.bed.node)["server"]["session"], self.session, "the stream of the witness")


def kept_out(bed, node, why, *flags):
    """A collector with these flags that never becomes a node; its log says why, once."""
    collector = bed.collector(*flags, "--off", "runqlat", node=node, spool=f"spool-{node}")
    wait_until(lambda: why in collector.text(), f"the log of {node} says {why!r}")
    lines = [line for line in collector.text().splitlines() if why in line]
    equal(len(lines), 1, f"lines of the log that say {why!r}")
    expect(collector.alive(), f"the collector {node} ended")
    nodes = [n["node"] for n in bed.api.get("/api/v1/nodes")["items"]]
    expect(node not in nodes, f"{node} is among the nodes")
    equal(collector.stop(), 0, f"exit code of {node}")


def comes_in(bed, node, *flags):
    """What it collected while it was kept out arrives with the rest."""
    before = wait_until(lambda: sum(f.stat().st_size for f in (bed.folder / f"spool-{node}").rglob("*.seg")),
                        "the spool of one that was kept out")
    expect(before > 0, "an empty spool")
    bed.collector(*flags, "--off", "runqlat", node=node, spool=f"spool-{node}")
    wait_until(lambda: bed.api.connected(node), f"{node} is connected")
    told = wait_until(lambda: [e for e in bed.api.events(node=node, tracer="not_observed")
                               if e["tracer_data"]["cause"] == "starting"], "its first record is stored")
    expect(len(told) >= 1, "nothing of the time when it was kept out")


def tls(bed):
    """The server shows a certificate: who cannot check it sends nothing."""
    authority, stranger = Authority(bed.folder / "ours"), Authority(bed.folder / "strange")
    bed.access["tls"] = ssl.create_default_context(cafile=str(authority.certificate))
    bed.apiserver("--store", "memory", *shown(*authority.issue("server", "IP:127.0.0.1,DNS:localhost")))
    witness = Witness(bed, *trusting(authority))
    kept_out(bed, "stranger", "certificate verify failed", *trusting(stranger))
    kept_out(bed, "plain", "not connected: ")
    comes_in(bed, "stranger", *trusting(authority))
    for what, api in (("another authority", Api(bed.http, ssl.create_default_context(cafile=str(stranger.certificate)))),
                      ("no TLS", Api(bed.http))):
        try:
            status, _ = api.request("/healthz")
        except (urllib.error.URLError, OSError):
            continue
        expect(False, f"HTTP by {what} was answered with {status}")
    witness.unmoved()


def mutual_tls(bed):
    """The nodes show certificates as well: each speaks only for the name in its own."""
    authority, stranger = Authority(bed.folder / "ours"), Authority(bed.folder / "strange")
    bed.access["tls"] = ssl.create_default_context(cafile=str(authority.certificate))
    bed.apiserver("--store", "memory", "--tls-client-ca-file", authority.certificate,
                  *shown(*authority.issue("server", "IP:127.0.0.1,DNS:localhost")))
    witness = Witness(bed, *trusting(authority), *shown(*authority.issue(bed.node, f"DNS:{bed.node}")))
    kept_out(bed, "bare", "not connected: ", *trusting(authority))
    kept_out(bed, "forged", "not connected: ", *trusting(authority), *shown(*stranger.issue("forged", "DNS:forged")))
    other = authority.issue("other", "DNS:other")
    kept_out(bed, "liar", "node: the certificate is for another one", *trusting(authority), *shown(*other))
    comes_in(bed, "liar", *trusting(authority), *shown(*authority.issue("liar", "DNS:liar")))
    # A name among the alternatives is as good as the common one.
    kept_out(bed, "third", "node: the certificate is for another one", *trusting(authority), *shown(*other))
    comes_in(bed, "third", *trusting(authority), *shown(*authority.issue("fleet", "DNS:third,DNS:fourth")))
    witness.unmoved()


def join_tokens(bed):
    """A node needs a token, and one that names a node is for that node alone."""
    tokens = bed.folder / "tokens"
    tokens.write_text(f"{TOKEN}\n{OF_ANOTHER} another\n", encoding="ascii")
    bed.apiserver("--store", "memory", "--join-tokens-file", tokens)
    token = {}
    for name, text in (("good", TOKEN), ("wrong", TOKEN[:-1] + "4"), ("another", OF_ANOTHER), ("short", TOKEN[:-1])):
        token[name] = bed.folder / f"token-{name}"
        token[name].write_text(text + "\n", encoding="ascii")
    witness = Witness(bed, "--token-file", token["good"])
    kept_out(bed, "bare", "authorization: not a join token")
    kept_out(bed, "wrong", "authorization: not a join token", "--token-file", token["wrong"])
    kept_out(bed, "short", "authorization: not a join token", "--token-file", token["short"])
    kept_out(bed, "liar", "node: the join token is for another one", "--token-file", token["another"])
    kept_out(bed, "lost", "none: cannot be read", "--token-file", bed.folder / "none")
    comes_in(bed, "wrong", "--token-file", token["good"])
    before = sum(bed.metrics("huatuo_apiserver_streams_refused_total", cause="identity"))
    bed.collector("--token-file", token["another"], "--only", "self", node="another", spool="spool-another")
    wait_until(lambda: bed.api.connected("another"), "the node of the other token is connected")
    put(tokens, f"{TOKEN}\n")
    wait_until(lambda: not bed.api.connected("another"), "the stream of a token that was taken out is ended")
    expect(sum(bed.metrics("huatuo_apiserver_streams_refused_total", cause="identity")) > before, "it is not counted")
    refused = sum(bed.metrics("huatuo_apiserver_streams_refused_total"))
    expect(refused >= 4, f"streams that /metrics says were refused: {refused}")
    witness.unmoved()


def roles(bed):
    """The API asks for a token; a viewer reads, an operator changes, the configuration is the admin's. Who
    asked for a change is written down."""
    secrets = {role: f"{role}-0123456789abcdef" for role in ("viewer", "operator", "admin")}
    file = bed.folder / "tokens"
    file.write_text(entries(*((secret, role) for role, secret in secrets.items())), encoding="ascii")
    audit = bed.folder / "audit"
    bed.access["token"] = secrets["viewer"]
    bed.apiserver("--store", "memory", "--api-tokens-file", file, "--audit-file", audit)
    bed.collector()
    wait_until(lambda: bed.api.connected(bed.node), "the node is connected")
    parameters = (f"/api/v1/nodes/{bed.node}/parameters",
                  {"unit": "netdev_events", "values": {"report_present": 1}}, "PUT")
    configuration = ("/api/v1/configuration", {}, "PUT")
    wanted = []
    for who, token, reads, changes, rules in (
            ("nobody", None, 401, 401, 401), ("a guess", "viewer-0123456789abcdeg", 401, 401, 401),
            ("a part", "viewer-", 401, 401, 401), ("viewer", secrets["viewer"], 200, 403, 403),
            ("operator", secrets["operator"], 200, 200, 403), ("admin", secrets["admin"], 200, 200, 200)):
        api = Api(bed.http, token=token)
        for path in ("/api/v1/nodes", "/api/v1/events", "/metrics"):
            equal(api.request(path)[0], reads, f"GET {path} by {who}")
        for (path, body, method), code in ((parameters, changes), (configuration, rules)):
            status, text = api.request(path, body, method)
            equal(status, code, f"{method} {path} by {who}")
            expect(status == 200 or json.loads(text)["status"] == code, f"not a problem document: {text}")
            wanted.append((who if who in secrets else None, path, code))
        equal(api.request("/healthz")[0], 200, f"/healthz by {who}")
    records = [json.loads(line) for line in audit.read_text(encoding="ascii").splitlines()]
    equal([(r["token"], r["target"], r["status"]) for r in records], wanted, "the audit log")
    equal({r["address"] for r in records}, {"127.0.0.1"}, "addresses of the audit log")
    equal(audit.stat().st_mode & 0o777, 0o600, "mode of the audit log")


def reloads(bed, file, outcome):
    return sum(bed.metrics("huatuo_apiserver_reloads_total", file=file, outcome=outcome))


def new_token(bed):
    """The command makes a token; the file that has it is read again, and a bad one changes nothing."""
    def made(name, *more):
        done = subprocess.run([APISERVER, "token", "create", "--name", name, *more], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        equal(lines[0], "token, shown only now:", "first line of token create")
        expect(len(lines[1]) == 71 and lines[1] not in "\n".join(lines[2:]), f"not a token: {done.stdout}")
        return lines[1], "\n".join(lines[4:]) + "\n"

    first, entry = made("first", "--role", "admin")
    second, other = made("second", "--role", "viewer", "--namespace", "shop", "--expires", "2099-01-01T00:00:00Z")
    expired, late = made("late", "--role", "viewer", "--expires", "2020-01-01T00:00:00Z")
    file = bed.folder / "tokens"
    put(file, f"tokens:\n{entry}{late}")
    bed.access["token"] = first
    server = bed.apiserver("--store", "memory", "--api-tokens-file", file)
    equal(Api(bed.http, token=second).request("/api/v1/events")[0], 401, "a token that is not in the file")
    equal(Api(bed.http, token=expired).request("/api/v1/events")[0], 401, "a token that has expired")
    put(file, f"tokens:\n{entry}{other}")
    wait_until(lambda: Api(bed.http, token=second).request("/api/v1/events")[0] == 200, "the new token is good")
    equal(json.loads(Api(bed.http, token=second).request("/api/v1/self")[1]),
          {"token": "second", "role": "viewer", "namespaces": ["shop"]}, "/api/v1/self")
    equal(Api(bed.http, token=second).request("/api/v1/events?namespace=other")[0], 403, "another namespace")
    equal(Api(bed.http, token=second).request("/metrics")[0], 403, "what is of all namespaces")
    put(file, f"tokens:\n{entry}  - name: {second}\n    role: wrong\n")
    wait_until(lambda: reloads(bed, "api_tokens_file", "refused") == 1, "the bad file is counted")
    equal(Api(bed.http, token=second).request("/api/v1/events")[0], 200, "a token of the file before")
    expect("line 5: name: 1 to 64 of [A-Za-z0-9._@-] are accepted" in server.text(), "the log does not say what is wrong")
    watches = [Watch(Api(bed.http, token=token), query) for token, query in ((first, ""), (second, "?namespace=shop"))]
    put(file, f"tokens:\n{entry}")
    wait_until(lambda: Api(bed.http, token=second).request("/api/v1/events")[0] == 401, "the token is gone")
    wait_until(lambda: [d["reason"] for _, d in watches[1].arrived] == ["the token is no longer what it was"],
               "the stream of events of the token that is gone ends")
    equal(watches[0].arrived, [], "what the other stream of events was told")
    equal(reloads(bed, "api_tokens_file", "used"), 2, "files that were used")
    for words, why in ((["--role", "admin"], "--name: needed"), (["--name", "x", "--role", "root"], "--role: needed"),
                       (["--name", "x", "--role", "viewer", "--expires", "soon"], "expires: a time like")):
        refused([APISERVER, "token", "create", *words], why)
    refused([APISERVER, "token", "destroy"], "token: accepted is `token create`")


def copied(pair, certificate, key):
    for source, target in zip(pair, (certificate, key)):
        put(target, source.read_text(encoding="ascii"))


def new_certificates(bed):
    """Certificate, key and authority are changed while all runs: streams go on, new ones see the new ones."""
    ours, next_ones = Authority(bed.folder / "ours"), Authority(bed.folder / "next")
    names = "IP:127.0.0.1,DNS:localhost"
    certificate, key, clients = (bed.folder / name for name in ("server.pem", "server.key", "clients.pem"))
    copied(ours.issue("server", names), certificate, key)
    put(clients, ours.certificate.read_text(encoding="ascii"))
    bed.access["tls"] = ssl.create_default_context(cafile=str(ours.certificate))
    server = bed.apiserver("--store", "memory", "--tls-client-ca-file", clients, *shown(certificate, key))
    witness = Witness(bed, *trusting(ours), *shown(*ours.issue(bed.node, f"DNS:{bed.node}")))
    # What cannot be used changes nothing.
    put(certificate, "no certificate\n")
    wait_until(lambda: reloads(bed, "tls", "refused") >= 1, "the bad certificate is counted")
    expect(f"{certificate}: no certificate in PEM" in server.text(), "the log does not say what is wrong")
    copied(next_ones.issue("server", names), certificate, key)
    put(clients, next_ones.certificate.read_text(encoding="ascii"))
    after = Api(bed.http, ssl.create_default_context(cafile=str(next_ones.certificate)))
    wait_until(lambda: after.request("/healthz")[0] == 200, "HTTP shows the new certificate")
    try:
        expect(False, f"the old authority is good for HTTP: {bed.api.request('/healthz')}")
    except (urllib.error.URLError, ssl.SSLError):
        pass
    bed.api = after
    kept_out(bed, "old", "certificate verify failed", *trusting(ours), *shown(*ours.issue("old", "DNS:old")))
    kept_out(bed, "half", "not connected: ", *trusting(next_ones), *shown(*ours.issue("half", "DNS:half")))
    comes_in(bed, "old", *trusting(next_ones), *shown(*next_ones.issue("old", "DNS:old")))
    witness.unmoved()


def exposure(bed):
    """An address of other machines needs TLS and somebody who is asked, or the word that it may lack them."""
    common = [APISERVER, "--store", "memory", "--data-dir", bed.folder / "exposed"]
    loopback = "127.0.0.1:0"
    certificate = shown(*Authority(bed.folder / "ours").issue("server", "IP:127.0.0.1"))
    file = bed.folder / "tokens"
    file.write_text(entries(("token-0123456789", "admin")), encoding="ascii")
    for flags, why in (
            (["--http-listen", "0.0.0.0:0", "--grpc-listen", loopback], "http_listen 0.0.0.0:0: reached from other machines without TLS"),
            (["--http-listen", loopback, "--grpc-listen", "0.0.0.0:0"], "grpc_listen 0.0.0.0:0: reached from other machines without TLS"),
            (["--http-listen", "[::]:0", "--grpc-listen", loopback, *certificate], "without asking who somebody is: set api_tokens_file"),
            (["--http-listen", "0.0.0.0:0", "--grpc-listen", "0.0.0.0:0", "--api-tokens-file", file, *certificate],
             "without asking which node it is: set tls.client_ca_file or join_tokens_file")):
        refused([*common, *flags], why)
    refused([*common, "--tls-certificate-file", certificate[1]], "tls: certificate_file and key_file are needed both", code=1)
    refused([*common, "--api-tokens-file", bed.folder / "none"], "api_tokens_file: ", code=1)
    bed.http = bed.grpc = "0.0.0.0:0"
    bed.apiserver("--store", "memory", "--allow-insecure", "true")
    bed.api = Api(bed.http.replace("0.0.0.0", "127.0.0.1"))
    equal(bed.api.request("/api/v1/nodes")[0], 200, "an open server")


def no_secret(bed):
    """No token and no key is in a log, in the audit file or in what is served, whatever was tried."""
    token = "api-fedcba9876543210"
    file, joins, given = (bed.folder / name for name in ("tokens", "joins", "given"))
    file.write_text(entries((token, "admin")), encoding="ascii")
    joins.write_text(f"{TOKEN}\n{OF_ANOTHER} another\n", encoding="ascii")
    given.write_text(TOKEN + "\n", encoding="ascii")
    authority = Authority(bed.folder / "ours")
    pair = authority.issue("server", "IP:127.0.0.1,DNS:localhost")
    bed.access.update(tls=ssl.create_default_context(cafile=str(authority.certificate)), token=token)
    audit = bed.folder / "audit.log"
    bed.apiserver("--store", "memory", "--api-tokens-file", file, "--join-tokens-file", joins, "--audit-file", audit, *shown(*pair))
    Witness(bed, *trusting(authority), "--token-file", given).unmoved()
    of_another = bed.folder / "of-another"
    of_another.write_text(OF_ANOTHER, encoding="ascii")
    kept_out(bed, "liar", "node: the join token is for another one", *trusting(authority), "--token-file", of_another)
    served = ""
    for path in (f"/api/v1/events?text={token}", f"/api/v1/nodes/{token}", f"/{token}", f"/api/v1/events?token={token}"):
        bed.api.request(path)
    for body in ({"token": token}, {"unit": token}):
        bed.api.request("/api/v1/configuration", body, "PUT")
    put(file, f"tokens:\n  - name: x\n    sha256: {token}\n")
    put(joins, f"{TOKEN}\n{OF_ANOTHER} another surplus\n")
    wait_until(lambda: reloads(bed, "api_tokens_file", "refused") == 1 and reloads(bed, "join_tokens_file", "refused") == 1,
               "the bad files are counted")
    for path in ("/metrics", "/api/v1/nodes", "/api/v1/configuration", "/api/v1/openapi.json", "/api/v1/self", "/"):
        served += bed.api.request(path)[1]
    key = [line for line in pair[1].read_text(encoding="ascii").splitlines() if not line.startswith("--")]
    texts = {"what is served": served, **{log.name: log.read_text(encoding="utf-8", errors="replace") for log in bed.folder.glob("*.log")}}
    expect("audit.log" in texts and "apiserver.log" in texts and len(texts) >= 5, f"logs: {list(texts)}")
    for name, text in texts.items():
        for secret in (token, TOKEN, OF_ANOTHER, *key):
            expect(secret not in text, f"{name} has a secret")


CASES = [tls, mutual_tls, join_tokens, roles, new_token, new_certificates, exposure, no_secret]
