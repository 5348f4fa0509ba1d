# SPDX-License-Identifier: Apache-2.0
"""Recordings of the kernel's events, fed through everything behind the kernel.

test/recordings has them, made by `test/kernel/run.py --record`; beside each is what readers are told
of it. With $HUATUO_WRITE_RECORDINGS that is written anew, to be looked at before it is committed."""

import json
import os
import re

from bed import ROOT, equal, expect, wait_until

FOLDER = ROOT / "test/recordings"
# Of the machine and the moment of the replay: a record has the time since the boot alone.
OF_THE_RUN = ("tracer_id", "uploaded_time", "node", "hostname", "time", "tracer_time")
OF_THE_MOMENT = ("observed_timestamp", "last_time")
NOTES = ("gap", "not_observed")


def without(document, names):
    return {key: value for key, value in document.items() if key not in names}


def told(bed):
    """All events, in an order of their own."""
    items = [without(e, OF_THE_RUN) for e in bed.api.events() if e["tracer_name"] not in NOTES]
    for item in items:
        item["tracer_data"] = without(item["tracer_data"], OF_THE_MOMENT)
    return sorted(items, key=lambda e: json.dumps(e, sort_keys=True))


def feed(bed, path, node):
    """Returns when all events of a recording are stored as those of a node."""
    before = len(bed.api.events(node=node))
    collector = bed.collector("--replay", path, spool=f"spool-{path.stem}", node=node)
    read = wait_until(lambda: re.search(rf"replayed {path}: (\d+) events", collector.text()), f"{path.name} is read")
    count = int(read[1])
    wait_until(lambda: len(bed.api.events(node=node)) >= before + count, f"the {count} events of {path.name} are stored")
    expect(collector.stop() == 0, f"the collector of {path.name} did not stop well")


def recordings(bed):
    """Each tells what it told before, and together they have an event of every kind."""
    kinds = set()
    for path in sorted(FOLDER.glob("*.recording")):
        bed.apiserver(data=f"server-{path.stem}", fresh=True)
        feed(bed, path, bed.node)
        found = told(bed)
        expected = path.with_suffix(".json")
        if os.environ.get("HUATUO_WRITE_RECORDINGS"):
            expected.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        wanted = json.loads(expected.read_text(encoding="utf-8"))
        equal(len(found), len(wanted), f"events of {path.name}")
        for ours, theirs in zip(found, wanted):
            equal(ours, theirs, f"an event of {path.name}")
        kinds |= {e["tracer_name"] for e in found}
    declared = {e["name"] for u in bed.api.get("/api/v1/units")["items"] for e in u["events"]}
    expect(kinds >= declared, f"no recording has {' '.join(sorted(declared - kinds))}")
    bed.note(f"{len(kinds)} kinds of events")


CASES = [recordings]
