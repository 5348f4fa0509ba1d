# SPDX-License-Identifier: Apache-2.0
"""Who may speak: TLS both ways, join tokens of nodes, tokens of the API. What an offender gets, and
that the others do not notice."""

import json
import ssl
import subprocess
import urllib.error

from bed import Api, Stream, equal, expect, wait_until

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
    refused = sum(bed.metrics("huatuo_apiserver_streams_refused_total"))
    expect(refused >= 4, f"streams that /metrics says were refused: {refused}")
    witness.unmoved()


def roles(bed):
    """The API asks for a token; a viewer reads, an operator changes."""
    secrets = {role: f"{role}-0123456789abcdef" for role in ("viewer", "operator", "admin")}
    file = bed.folder / "tokens"
    file.write_text("".join(f"{role} {secret}\n" for role, secret in secrets.items()), encoding="ascii")
    bed.access["token"] = secrets["viewer"]
    bed.apiserver("--store", "memory", "--api-tokens-file", file)
    bed.collector()
    wait_until(lambda: bed.api.connected(bed.node), "the node is connected")
    put = (f"/api/v1/nodes/{bed.node}/parameters",
           {"unit": "netdev_events", "values": {"report_present": 1}}, "PUT")
    for who, token, reads, changes in (
            ("nobody", None, 401, 401), ("a guess", "viewer-0123456789abcdeg", 401, 401),
            ("a part", "viewer-", 401, 401), ("viewer", secrets["viewer"], 200, 403),
            ("operator", secrets["operator"], 200, 200), ("admin", secrets["admin"], 200, 200)):
        api = Api(bed.http, token=token)
        for path in ("/api/v1/nodes", "/api/v1/events", "/metrics"):
            equal(api.request(path)[0], reads, f"GET {path} by {who}")
        status, text = api.request(*put)
        equal(status, changes, f"PUT by {who}")
        expect(status == 200 or json.loads(text)["status"] == changes, f"not a problem document: {text}")
        equal(api.request("/healthz")[0], 200, f"/healthz by {who}")


CASES = [tls, mutual_tls, join_tokens, roles]
