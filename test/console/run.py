#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The console in the distribution's Chromium, against real processes with real events.

  test/console/run.py                     all cases
  test/console/run.py --case live         those whose name contains the word
  test/console/run.py --images FOLDER     also writes the pictures of the documentation there

Needs root, npm and chromium: everything happens in a mount and a network namespace of its own.
Processes are taken from $HUATUO_BUILD, else build/release. Exit code 1 when a case failed.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
for folder in ("e2e", "kernel"):
    sys.path.insert(0, str(HERE.parent / folder))

import bed as beds  # noqa: E402
import here as kernel  # noqa: E402
import recordings  # noqa: E402
from bed import expect, wait_until  # noqa: E402

IN_NAMESPACE = "HUATUO_CONSOLE_NAMESPACE"
CHROMIUM = "/usr/bin/chromium"
TOKEN = "console-test-token"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    parser.add_argument("--images", type=Path, help="folder for the pictures")
    return parser.parse_args()


def obstacle():
    """Why no case can run, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not (beds.BUILD / "apiserver/console/index.html").exists():
        return "the console is not built"
    for program in (CHROMIUM, "node", "npm"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return packages()


def packages():
    """Puts playwright-core below the build folder. Returns why that is impossible, or None."""
    folder = beds.BUILD / "console-test"
    folder.mkdir(exist_ok=True)
    lock = (HERE / "package-lock.json").read_text(encoding="utf-8")
    mark = folder / "node_modules/.lock"
    if mark.exists() and mark.read_text(encoding="utf-8") == lock:
        return None
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True,
                          timeout=180, check=False)
    if done.returncode != 0:
        return f"npm ci: {done.stderr.strip().splitlines()[-1:]}"
    mark.write_text(lock, encoding="utf-8")
    return None


def enter_namespaces():
    if not os.environ.get(IN_NAMESPACE):
        os.environ[IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def workload(folder, *what):
    """Kills and waits in a container, by the functions of the kernel tests."""
    environment = dict(os.environ, marker="console", BUILD=str(beds.BUILD),
                       KERNEL_TESTS=str(HERE.parent / "kernel"))
    done = subprocess.run(["bash", HERE / "workload.sh", *what], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    expect(done.returncode == 0, f"workload {what}: {done.stderr[-500:]}")


def stored(bed, **filters):
    return len(bed.api.events(**filters))


def populate(bed, device):
    """Two nodes: one that observes, is stopped for a moment and observes again; one that replays
    what the first has recorded."""
    bed.node = "worker-1"
    recorder = bed.collector("--record", bed.folder / "recording")
    bed.watching(device)
    workload(bed.folder, "make")
    workload(bed.folder, "kill", "java", "3")
    workload(bed.folder, "kill", "redis-server", "2")
    workload(bed.folder, "delay", "worker", "7", "150")
    device.changes(130)
    wait_until(lambda: stored(bed, tracer="oom", node="worker-1") >= 5, "the kills are stored")
    wait_until(lambda: set(device.made) <= set(bed.serials(device)), "the changes are stored")
    expect(recorder.stop() == 0, "the recorder did not stop well")
    bed.collector()
    wait_until(lambda: bed.api.connected("worker-1"), "worker-1 is back")
    bed.node = "worker-2"
    bed.collector("--replay", bed.folder / "recording", spool="spool2")
    wait_until(lambda: stored(bed, tracer="oom", node="worker-2") >= 5, "the replayed kills are stored")
    for recording in sorted((HERE.parent / "recordings").glob("*.recording")):
        recordings.feed(bed, recording, "recorded")
    bed.node = "worker-1"


def busy_minute(bed, device):
    """What pictures show: kills, waits and changes, one after the other. Returns the range."""
    begin = time.time() + 1
    for turn in range(24):
        device.changes(1 + (5 * turn) % 7, 0.01)
        if turn % 3 == 1:
            workload(bed.folder, "kill", ("java", "nginx", "postgres")[turn % 5 % 3], "1")
        if turn % 4 == 2:
            workload(bed.folder, "delay", "worker", str(1 + turn % 3), "130")
        time.sleep(0.8)
    moments = [datetime.fromtimestamp(moment, timezone.utc) for moment in (begin, time.time() + 2)]
    return [moment.isoformat(timespec="seconds").replace("+00:00", "Z") for moment in moments]


def other_servers(bed):
    """Addresses of an apiserver without nodes, of one that asks for a token, and of one without the
    console."""
    addresses = {}
    tokens = bed.folder / "tokens"
    tokens.write_text(f"tokens:\n  - {{name: console, role: viewer, sha256: {hashlib.sha256(TOKEN.encode()).hexdigest()}}}\n",
                      encoding="ascii")
    plain = bed.folder / "bin/huatuo-apiserver"
    plain.parent.mkdir()
    shutil.copy(beds.APISERVER, plain)
    for name, program, flags in (("empty", beds.APISERVER, []), ("token", beds.APISERVER, ["--api-tokens-file", tokens]),
                                 ("plain", plain, [])):
        folder = bed.folder / name
        process = bed.process(name, [program, "--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0",
                                     "--store", "memory", "--data-dir", folder, *flags])
        written = folder / "addresses.json"
        wait_until(lambda: written.exists() or not process.alive(), f"{name} writes its addresses")
        addresses[name] = json.loads(written.read_text(encoding="utf-8"))["http"]
    return addresses


def run(bed, options):
    """The exit code of the cases, which print their own results."""
    bed.apiserver()
    device = bed.device()
    populate(bed, device)
    facts = {"http": bed.http, **other_servers(bed), "secret": TOKEN, "device": device.name, "node": "worker-1",
             "replayed": "worker-2", "recorded": "recorded", "case": options.case, "images": str(options.images.resolve()) if options.images else "",
             "packages": str(beds.BUILD / "console-test"), "chromium": CHROMIUM, "folder": str(bed.folder)}
    facts["busy"] = busy_minute(bed, device) if options.images else []
    return subprocess.run(["node", HERE / "console.mjs", json.dumps(facts)], timeout=600, check=False).returncode


def remove_cgroups(folder):
    for line in reversed(kernel.lines(folder / "cgroups")):
        kernel.empty_and_remove(Path(line))


def main():
    options = parse()
    reason = obstacle()
    if reason:
        print(f"skipped  console: {reason}\n0 passed, 0 failed, 1 skipped")
        return 0
    enter_namespaces()
    with tempfile.TemporaryDirectory(prefix="huatuo-console-") as name:
        bed = beds.Bed(Path(name))
        try:
            return run(bed, options)
        except (beds.Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as failure:
            print("\n".join([f"FAILED   the processes: {failure}", *bed.tails(), "0 passed, 1 failed, 0 skipped"]))
            return 1
        finally:
            bed.end()
            remove_cgroups(bed.folder)


if __name__ == "__main__":
    sys.exit(main())
