# SPDX-License-Identifier: Apache-2.0
"""Profiles from a recording through real processes: delivered once, whole, and what is lost is told."""

import secrets
import struct
import subprocess
import time

from bed import ROOT, Skipped, equal, expect, wait_until

KILLS = 5
CATALOG, PROFILE = 1, 4

TEMPLATE = """unit: "cpu_profile" type: "cpu" time_ns: {time_ns} duration_ns: 1000000000 period_ns: 10101010
values {{ type: "samples" unit: "count" }} values {{ type: "cpu" unit: "nanoseconds" }}
strings: "" strings: "main" strings: "/usr/bin/app" strings: "app" strings: "read" strings: "{padding}"
frames {{ kind: USER function: 1 module: 2 address: 4096 }}
frames {{ kind: KERNEL function: 4 address: 4097 }}
subjects {{ container {{ id: "0123456789abcdef" name: "web" }} pid: 42 comm: 3 }}
samples {{ subject: 0 frames: 1 frames: 0 values: 1 values: {value} }}
losses {{ unit: "cpu_profile" cause: "map_full" count: 2 }}"""


def encode(message, text):
    done = subprocess.run(["protoc", f"-I{ROOT}/proto", f"--encode=huatuo.v1.{message}", "huatuo/v1/huatuo.proto"],
                          input=text.encode(), capture_output=True, timeout=30, check=False)
    expect(done.returncode == 0, f"protoc: {done.stderr.decode()}")
    return done.stdout


def recording(bed, values, padding=0, name="recording"):
    """A recording of one profile for each value; `padding` bytes of each do not compress."""
    path = bed.folder / name
    with open(path, "wb") as file:
        def frame(kind, payload):
            file.write(struct.pack("<B3xI", kind, len(payload)) + payload)
        file.write(b"HUATUOR1")
        frame(CATALOG, encode("Catalog", 'units { name: "cpu_profile" }'))
        for value in values:
            text = TEMPLATE.format(time_ns=time.time_ns(), value=value, padding=secrets.token_hex(padding // 2))
            frame(PROFILE, encode("Profile", text))
    return path


def known(bed):
    """Waits until the server knows what the node can observe."""
    units = wait_until(lambda: bed.api.get("/api/v1/units")["items"], "the server knows the node's units", 60)
    if "cpu_profile" not in [unit["name"] for unit in units]:
        raise Skipped("this collector has no unit cpu_profile")


def stored(bed, **filters):
    """Totals of the stored profiles, those that came first first, and how many are missing."""
    query = "&".join(f"{key}={value}" for key, value in dict(filters, limit=1000).items())
    page = bed.api.get(f"/api/v1/profiles?{query}")
    return [item["total"] for item in reversed(page["items"])], page["missing"]


def profiles(bed):
    """The server is killed again and again, the collector once: each profile is stored once, whole."""
    values = list(range(1, 41))
    server = bed.apiserver()
    path = recording(bed, values, padding=40_000)
    collector = bed.collector("--replay", path)
    known(bed)
    for kill in range(KILLS):
        wait_until(lambda n=kill: len(stored(bed)[0]) > n * len(values) // (2 * KILLS), "profiles arrive", 60)
        server.kill()
        server = bed.apiserver()
    wait_until(lambda: len(stored(bed)[0]) >= len(values), "all are stored", 90)
    equal(stored(bed), (values, 0), "totals and missing")
    collector.kill()
    server.kill()
    again = bed.collector("--replay", recording(bed, range(101, 111), name="second"))
    server = bed.apiserver()
    wait_until(lambda: len(stored(bed)[0]) >= len(values) + 10, "those of the second collector", 60)
    equal(stored(bed), (values + list(range(101, 111)), 0), "totals and missing")
    equal(again.stop(), 0, "exit code of the collector")
    equal(stored(bed, container="web", node=bed.node, unit="cpu_profile", **{"from": "-1h"})[0],
          values + list(range(101, 111)), "by container, node, unit and time")
    equal(stored(bed, node="other")[0], [], "of another node")
    for item in bed.api.get("/api/v1/profiles?limit=1000")["items"]:
        status, text = bed.api.request(f"/api/v1/profiles/{item['id']}?format=folded")
        equal((status, text), (200, f"app;main;read_[k] {item['total']}\n"), "folded")
    equal(item["losses"], {"map_full": 2}, "losses of a profile")


def profile_spool(bed):
    """A spool that is too small for a long outage: what is missing is counted on both sides."""
    values = list(range(1, 31))
    path = recording(bed, values, padding=1_000_000)
    bed.apiserver().stop()
    collector = bed.collector("--replay", path, "--profile-spool-limit-bytes", str(8 << 20),
                              "--off", "cpu_profile")
    wait_until(lambda: "replayed" in collector.text(), "the recording is read")
    bed.apiserver()
    known(bed)
    wait_until(lambda: len(stored(bed)[0]) + stored(bed)[1] >= len(values), "all are accounted for", 60)
    totals, missing = stored(bed)
    equal(len(totals) + missing, len(values), "stored and missing")
    expect(missing >= 20, f"only {missing} are missing")
    # One that was on its way when the server ended may be among them.
    equal(totals[-5:], values[-5:], "the newest are stored")
    causes = ("profiles:spool_full", "profiles:memory_full")
    wait_until(lambda: sum(bed.api.losses(bed.node).get(c, 0) for c in causes) == missing,
               "the node counts what is missing")
    used = sum(f.stat().st_size for f in (bed.folder / "spool/profiles").rglob("*.seg"))
    expect(used <= 8 << 20, f"the spool has {used} bytes")
    bed.note(f"{len(totals)} stored, {missing} missing of {len(values)}")


CASES = [profiles, profile_spool]
