# SPDX-License-Identifier: Apache-2.0
"""How the processes begin: with bad configuration, with a spool in use, without capabilities."""

import re
import subprocess

from bed import APISERVER, COLLECTOR, equal, expect, wait_until


def refused(command, message, code=2):
    """The process does not start and says why."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=20, check=False)
    told = done.stdout + done.stderr
    expect(message in told, f"{command[1:]}: {message!r} is not in {told[-500:]!r}")
    equal(done.returncode, code, f"exit code with {message!r}")


def configuration(bed):
    """A bad file is refused with file, line and key; a bad flag with its name."""
    bad = bed.folder / "bad.yaml"
    for text, line, rest in (
            ("region: here\nspol_dir: /x\n", 2, "spol_dir: no such key"),
            ("\n\nring_bytes: many\n", 3, 'ring_bytes: "many": a number is accepted'),
            ("metrics_interval_seconds: 0\n", 1, "metrics_interval_seconds: 0: accepted are 1 to 3600"),
            ("tls:\n  enabled: perhaps\n", 2, 'tls.enabled: "perhaps": accepted are true and false'),
            ("tls:\n  kind: x\n", 2, "tls.kind: no such key")):
        bad.write_text(text, encoding="ascii")
        refused([COLLECTOR, "--config", bad], f"{bad}:{line}: {rest}")
    bad.write_text("retention:\n  hours: 0\n", encoding="ascii")
    refused([APISERVER, "--config", bad], f"{bad}:2: retention.hours: 0: accepted are ")
    bad.write_text("a: [1\n", encoding="ascii")
    refused([COLLECTOR, "--config", bad], f"{bad}:")
    refused([COLLECTOR, "--config", bed.folder / "none.yaml"], f"{bed.folder}/none.yaml")
    refused([COLLECTOR, "--no-such-flag", "1"], "--no-such-flag: no such flag")
    refused([COLLECTOR, "--node"], "--node: needs a value")
    refused([COLLECTOR, "--ring-bytes", "70000"], "ring_bytes: 70000: a power of two is accepted")
    refused([COLLECTOR, "--off", "oom", "--off", "nothing"], 'off: "nothing": no such unit')
    refused([COLLECTOR, "--only", "nothing"], 'only: "nothing": no such unit')
    refused([APISERVER, "--store", "tape"], 'store: "tape": accepted are sqlite, postgres and memory')


def off(bed):
    """A unit that is off is not opened and says so; the others run."""
    bed.apiserver("--store", "memory")
    device = bed.device()
    bed.collector("--off", "oom", "--off", "runqlat")
    bed.watching(device)
    states = {u["unit"]: u["state"] for u in bed.api.node(bed.node)["units"]}
    equal([states[unit] for unit in ("oom", "runqlat", "netdev_events")], ["off", "off", "running"], "states")


def spool_in_use(bed):
    """A second collector on the same spool is refused; the first does not notice."""
    bed.apiserver("--store", "memory")
    device = bed.device()
    first = bed.collector()
    bed.watching(device)
    refused(bed.collector_command(), "another process is using it", code=1)
    expect(first.alive(), "the first collector ended")
    device.change()
    wait_until(lambda: device.made.keys() <= set(bed.serials(device)), "events of the first collector go on")


def capabilities(bed):
    """Without any capability the collector runs with what is left and says what it lacks."""
    bed.apiserver("--store", "memory")
    device = bed.device()
    collector = bed.collector(before=["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"])
    bed.watching(device)
    units = {u["unit"]: u for u in bed.api.node(bed.node)["units"]}
    for name in ("oom", "runqlat"):
        equal(units[name]["state"], "unavailable", f"state of {name}")
        expect(units[name]["reason"], f"{name} gives no reason")
    equal(units["netdev_events"]["state"], "running", "state of netdev_events")
    # Ten rounds of metrics are time enough for a loop to show.
    emitted = f'huatuo_collector_cpu_seconds_total{{node="{bed.node}"'
    samples = set()

    def ten_rounds():
        text = bed.api.request("/metrics")[1]
        samples.update(re.findall(re.escape(emitted) + r"[^}]*} \S+ ?(\S*)", text))
        return len(samples) >= 10

    wait_until(ten_rounds, "ten rounds of metrics")
    for name in ("oom", "runqlat"):
        lines = [line for line in collector.text().splitlines() if f"unit {name}:" in line]
        equal(len(lines), 1, f"lines of {name} in the log")
        expect("unavailable: " in lines[0], lines[0])
    libbpf = [line for line in collector.text().splitlines() if "libbpf:" in line]
    equal(libbpf, [], "lines of libbpf in the log")


CASES = [configuration, off, spool_in_use, capabilities]
