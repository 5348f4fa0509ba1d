# SPDX-License-Identifier: Apache-2.0
"""What a case may require, and why it is not met on this kernel."""

import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

BUILD = Path(os.environ.get("HUATUO_BUILD") or Path(__file__).resolve().parents[2] / "build/release")
LOAD_CHECK = BUILD / "test/bpf/bpf_load_check"
BPF_TEST = BUILD / "test/bpf/bpf_test"
PROCESSES = (BUILD / "collector/huatuo-collector", BUILD / "apiserver/huatuo-apiserver")


@functools.lru_cache
def loadable():
    """What bpf_load_check says about the programs of `oom`: one of each kind of hook."""
    objects = sorted((BUILD / "bpf").glob("**/oom.bpf.o"))
    if not LOAD_CHECK.exists() or not objects:
        return ""
    return subprocess.run([LOAD_CHECK, *objects], capture_output=True, text=True, check=False).stdout


def program(name):
    match = re.search(rf" {name}: (.*)", loadable())
    if not match:
        return f"{LOAD_CHECK.name} is not built"
    return None if match[1] == "ok" else f"{name}: {match[1]}"


def fault_module():
    """test/fault, built for this kernel by the runner before it starts the VM."""
    cache = Path(os.environ.get("HUATUO_VM_DIR") or "/var/tmp/huatuo-vm")
    return missing(cache / "fault" / platform.release() / "huatuo_fault.ko",
                   f"no huatuo_fault.ko for {platform.release()}")


def mounted(kind, option=""):
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    fields = [line.split() for line in lines]
    return any(f[2] == kind and (not option or option in f[3].split(",")) for f in fields)


def controller(name):
    if mounted("cgroup", name):
        return None
    # The second is where a hybrid layout has v2.
    for controllers in map(Path, ("/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers")):
        if controllers.exists() and name in controllers.read_text(encoding="ascii").split():
            return None
    return f"no {name} controller"


def controller_v2(name):
    files = Path("/sys/fs/cgroup/cgroup.controllers"), Path("/sys/fs/cgroup/unified/cgroup.controllers")
    found = any(f.exists() and name in f.read_text(encoding="ascii").split() for f in files)
    return None if found else f"no {name} controller on cgroup v2"


def missing(path, reason):
    return None if Path(path).exists() else reason


def absent(paths):
    names = [p.name for p in paths if not p.exists()]
    return f"not built: {' '.join(names)}" if names else None


def version(text):
    return [int(n) for n in re.findall(r"\d+", text)[:2]]


def module(name):
    """Built in, loaded or loadable; a kernel without modules has what it has."""
    done = subprocess.run(["modprobe", "-q", name], capture_output=True, check=False)
    loaded = f"{name} " in Path("/proc/modules").read_text(encoding="ascii") if Path(
        "/proc/modules").exists() else False
    return None if done.returncode == 0 or loaded or creates(name) else f"no module {name}"


def creates(kind):
    """Whether a link of this kind can be made; it is gone again when this returns."""
    made = subprocess.run(["ip", "link", "add", "probe0", "type", kind], capture_output=True, check=False)
    if made.returncode == 0:
        subprocess.run(["ip", "link", "del", "probe0"], check=False)
    return made.returncode == 0


SIMPLE = {
    "root": lambda: None if os.geteuid() == 0 else "not root",
    "vm": lambda: None if os.environ.get("HUATUO_VM") else "harms the machine: only in a VM",
    "huatuo": lambda: absent(PROCESSES),
    "load_check": lambda: absent([LOAD_CHECK]),
    "bpf_test": lambda: absent([BPF_TEST]),
    "cgroup2": lambda: None if mounted("cgroup2") else "no cgroup v2",
    "memcg": lambda: controller("memory"),
    "memcg2": lambda: controller_v2("memory"),
    "cpu_quota": lambda: controller("cpu"),
    "btf": lambda: missing("/sys/kernel/btf/vmlinux", "no BTF"),
    "tracefs": lambda: missing("/sys/kernel/tracing/events", "no tracefs"),
    "hung_task_detector": lambda: missing("/proc/sys/kernel/hung_task_timeout_secs",
                                          "a kernel without hung task detection"),
    "fentry": lambda: program("oom_fentry"),
    "kprobe": lambda: program("oom_kprobe"),
    "fault": fault_module,
    "cpus": lambda: None if os.cpu_count() > 1 else "one CPU",
}


def unmet(word):
    """None when `word` is met, else the reason. `a|b` is met when one of them is."""
    if "|" in word:
        reasons = [unmet(w) for w in word.split("|")]
        return None if None in reasons else "; ".join(reasons)
    key, _, value = word.partition(":")
    if key == "command":
        return None if shutil.which(value) else f"no command {value}"
    if key == "module":
        return module(value)
    if word.startswith("kernel>="):
        wanted = word.removeprefix("kernel>=")
        return None if version(platform.release()) >= version(wanted) else f"kernel older than {wanted}"
    if word.startswith("kernel<"):
        wanted = word.removeprefix("kernel<")
        return None if version(platform.release()) < version(wanted) else f"kernel not older than {wanted}"
    if key not in SIMPLE:
        raise ValueError(f"unknown requirement {word}")
    return SIMPLE[key]()
