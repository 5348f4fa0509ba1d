# SPDX-License-Identifier: Apache-2.0
"""What the store has committed arrives elsewhere, too."""

import json

import account
from bed import equal, wait_until


def documents(folder):
    """All whole lines of the files, in no order."""
    found = []
    for path in folder.glob("*.ndjson"):
        text = path.read_text(encoding="utf-8")
        found += [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
    return found


def sink_files(bed):
    """Killed under events: the files have each event that the store has, with the same document."""
    folder = bed.folder / "sink"
    flags = ("--sink-file-directory", folder, "--sink-file-max-bytes", 1 << 16)
    server = bed.apiserver(*flags)
    device = bed.device()
    bed.collector()
    bed.watching(device)
    device.changes(100)
    server.kill()
    device.changes(100)
    bed.apiserver(*flags)
    items = account.all_stored(bed, device)
    ids = {item["tracer_id"] for item in items}
    wait_until(lambda: ids <= {d["tracer_id"] for d in documents(folder)}, "the files have all events")
    # In this order, since events of the collector itself may come in between.
    written = documents(folder)
    stored = {item["tracer_id"]: item for item in bed.api.events()}
    equal([d["tracer_id"] for d in written if stored.get(d["tracer_id"]) != d], [], "documents that differ")
    equal(bed.metrics("huatuo_apiserver_sink_lost_events_total", sink="file"), [0, 0], "events lost to the files")
    bed.note(f"{len(stored)} events, {len(written)} lines")


CASES = [sink_files]
