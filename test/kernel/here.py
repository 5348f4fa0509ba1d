# SPDX-License-Identifier: Apache-2.0
"""Runs cases on the kernel this runs on, in namespaces of their own."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import case as cases
import requirements

HERE = Path(__file__).resolve().parent
IN_NAMESPACE = "HUATUO_KERNEL_TEST_NAMESPACE"


def enter_namespaces():
    """tracefs, test devices and ports of ours must not show on the machine: a mount namespace and,
    where the machine is not a test VM, a network namespace. Runs this program again inside."""
    if os.geteuid() != 0:
        return
    if not os.environ.get(IN_NAMESPACE):
        os.environ[IN_NAMESPACE] = "1"
        network = [] if os.environ.get("HUATUO_VM") else ["--net"]
        os.execvp("unshare", ["unshare", "--mount", *network, sys.executable, *sys.argv])
    quiet = {"stderr": subprocess.DEVNULL, "check": False}
    if not Path("/sys/kernel/tracing/events").exists():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], **quiet)
    subprocess.run(["ip", "link", "set", "lo", "up"], **quiet)


def end_processes(group):
    """Asks the processes of a case to end, then makes them."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.killpg(group, sign if sign == signal.SIGKILL else 0)
                if sign == signal.SIGTERM:
                    os.killpg(group, sign)
            except ProcessLookupError:
                return
            time.sleep(0.1)


def empty_and_remove(folder):
    """Only folders that the case made are given; what runs in them is its own."""
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.05)


def lines(path):
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def dead_processes(folder):
    """The background processes of the case that did not live to its end."""
    dead = []
    for line in lines(folder / "processes"):
        pid, name = line.split()
        stat = Path(f"/proc/{pid}/stat")
        state = stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] if stat.exists() else "Z"
        if state in "ZX":
            dead.append(f"{name} ended before the case did")
    return dead


def shell(case, folder, marker):
    """Runs RUN. Returns (failures, process group)."""
    env = dict(os.environ, marker=marker, BUILD=str(requirements.BUILD), KERNEL_TESTS=str(HERE))
    with open(folder / "run.log", "wb") as log:
        # pylint: disable-next=consider-using-with
        bash = subprocess.Popen(["bash", "-c", f". {HERE}/lib.sh\n{case.run}"], cwd=folder, env=env,
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            code = bash.wait(case.timeout)
            return ([] if code == 0 else [f"RUN ended with {code}"]), bash.pid
        except subprocess.TimeoutExpired:
            return [f"not done after {case.timeout:.0f} s"], bash.pid
        except BaseException:
            end_processes(bash.pid)
            raise


def check(case, folder, marker):
    collected = {p.stem: json.loads(p.read_text(encoding="utf-8"))
                 for p in (folder / "collected").glob("*.json")}
    found = (cases.failure(e, collected, marker) for e in case.expect)
    return [f for f in found if f]


def tails(folder):
    """The ends of all logs, for a failed case."""
    text = []
    for log in sorted(folder.glob("*.log")):
        text += [f"{log.name}: {line}" for line in lines(log)[-12:]]
    return text


def unit_states(path):
    """Of the instances that are always open, as the node's document at `path` tells them."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if not text:
        # A case that failed before it came to that.
        return {}
    units = json.loads(text)["units"]
    return {u["unit"]: [u["state"], u["mechanism"], u["reason"]] for u in units if u["instance"] == "always"}


def unmount_below(folder):
    """A case that was ended by force has left what it had mounted."""
    points = [mount.split()[1] for mount in lines(Path("/proc/self/mounts"))]
    for point in reversed([p for p in points if p.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", point], check=False)


def run(case, recordings):
    """(outcome, details, units as the case found them: {name: [state, mechanism, reason]})."""
    reasons = [r for r in map(requirements.unmet, case.requires) if r]
    if reasons:
        return "skipped", reasons, {}
    marker = "k" + secrets.token_hex(4)
    with tempfile.TemporaryDirectory(prefix="huatuo-kernel-") as name:
        folder = Path(name)
        (folder / "collected").mkdir()
        failures, group = shell(case, folder, marker)
        try:
            failures += dead_processes(folder)
            failures += [] if failures else check(case, folder, marker)
            units = unit_states(folder / "collected/node.json")
            return ("FAILED", failures + tails(folder), units) if failures else ("ok", [], units)
        finally:
            end_processes(group)
            if recordings and (folder / "recording").exists():
                shutil.copyfile(folder / "recording", recordings / f"{case.id}.recording")
            for made in reversed(lines(folder / "cgroups")):
                empty_and_remove(Path(made))
            unmount_below(folder)


def run_all(selected, report, recordings=None):
    """Calls report(case id, outcome, details, seconds) for each. `recordings`: a folder for what the
    collectors record."""
    enter_namespaces()
    os.environ["RECORDED"] = "yes" if recordings else ""
    for case in selected:
        start = time.monotonic()
        outcome, details, units = run(case, recordings)
        if outcome == "FAILED":
            # Whoever shares the machine may have had it for a while. That is told, and counted.
            again, more, units = run(case, recordings)
            outcome = "unstable" if again == "ok" else again
            details += ["-- once more:", *more] if more else []
        report(case.id, outcome, details, time.monotonic() - start, units)
