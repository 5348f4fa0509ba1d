# SPDX-License-Identifier: Apache-2.0
"""A machine that denies what a unit needs: that unit says so and is not tried in a loop, the others
go on."""

import re

from bed import equal, expect, wait_until

ALL = {"oom", "runqlat"}  # what needs BPF


def without(*capabilities):
    return ["setpriv", "--bounding-set", ",".join(f"-{c}" for c in capabilities)]


def beneath(path):
    """Runs a command where the folder is empty, in a mount namespace of its own."""
    return ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {path} && exec "$@"', "sh"]


def rounds(bed, count):
    """Waits for so many rounds of metrics: each is a chance for a loop to show."""
    sample = re.compile(rf'huatuo_collector_cpu_seconds_total{{node="{bed.node}"[^}}]*}} \S+ (\S+)')
    seen = set()

    def enough():
        seen.update(sample.findall(bed.api.request("/metrics")[1]))
        return len(seen) >= count

    wait_until(enough, f"{count} rounds of metrics")


def attempts(trace):
    """Loads of BPF programs and creations of maps so far."""
    return len(re.findall(r"BPF_(PROG_LOAD|MAP_CREATE)", trace.read_text(encoding="utf-8", errors="replace")))


def told(bed, collector, unavailable):
    """One line in the log, a state with its reason in REST, a metric. Returns the reasons."""
    units = bed.units()
    reasons = {}
    for name in ALL:
        state = "unavailable" if name in unavailable else "running"
        equal(units[name]["state"], state, f"state of {name} ({units[name]['reason']})")
        equal(bed.metrics("huatuo_collector_unit_state", unit=name, state=state), [1], f"metric of {name}")
        lines = [line for line in collector.text().splitlines() if f"unit {name}:" in line]
        equal(len(lines), 1, f"lines of {name} in the log")
        if name in unavailable:
            reasons[name] = units[name]["reason"]
            expect(reasons[name] and f"unavailable: {reasons[name]}" in lines[0], f"{lines[0]} for {reasons[name]!r}")
    equal(units["netdev_events"]["state"], "running", "state of netdev_events")
    equal([line for line in collector.text().splitlines() if "libbpf:" in line], [], "lines of libbpf in the log")
    return reasons


def denied(bed, before, unavailable, *why):
    """A collector started by `before`: these units are unavailable, for one of these reasons."""
    bed.apiserver("--store", "memory")
    device = bed.device()
    trace = bed.folder / "trace"
    strace = ["strace", "-f", "-qq", "-e", "trace=bpf", "-e", "signal=none", "-o", trace]
    collector = bed.collector(before=[*strace, *before])
    bed.watching(device)
    rounds(bed, 2)
    reasons = told(bed, collector, unavailable)
    for name, reason in reasons.items():
        expect(any(word in reason for word in why), f"the reason of {name} is {reason!r}, not one of {why}")
    before_rounds = attempts(trace)
    expect(before_rounds > 0 or "BPF" in str(reasons), "the trace shows no attempt at all")
    rounds(bed, 5)
    equal(attempts(trace), before_rounds, "programs and maps after five more rounds")
    serial = device.change()
    wait_until(lambda: serial in bed.serials(device), "events go on")
    bed.note(f"{before_rounds} programs and maps, then none; " +
             ("; ".join(sorted(set(reasons.values()))) or "nothing is missing"))


def no_btf(bed):
    denied(bed, beneath("/sys/kernel/btf"), ALL, "BTF")


def no_sys(bed):
    """Not even sysfs: no BTF, no cgroup file systems."""
    denied(bed, beneath("/sys"), ALL, "BTF")


def no_bpf_capability(bed):
    denied(bed, without("sys_admin", "bpf"), ALL, "CAP_BPF")


def no_perfmon_capability(bed):
    denied(bed, without("sys_admin", "perfmon"), ALL, "CAP_PERFMON")


def no_sys_admin(bed):
    """Its two parts are enough for BPF; only the run time of programs cannot be measured."""
    denied(bed, without("sys_admin"), set())


def refused_setrlimit(bed):
    """The limit of locked memory cannot be raised. Since 5.11 maps are not charged to it."""
    denied(bed, ["prlimit", "--memlock=65536:65536", *without("sys_resource")], set())


CASES = [no_btf, no_sys, no_bpf_capability, no_perfmon_capability, no_sys_admin, refused_setrlimit]
