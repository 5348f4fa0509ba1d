# SPDX-License-Identifier: Apache-2.0
"""What was provoked against what is stored: exactly once, or named as missing."""

from bed import Failure, equal, expect, nanoseconds, wait_until


def ranges(items):
    """(from, to) of every stored record that says that something is missing."""
    return [(nanoseconds(e["tracer_data"]["from"]), nanoseconds(e["tracer_data"]["to"]))
            for e in items if e["tracer_name"] in ("not_observed", "gap")
            and e["tracer_data"]["from"] and e["tracer_data"]["to"]]


def no_duplicates(device, items):
    """The serial numbers that are stored."""
    ids = [e["tracer_id"] for e in items]
    equal(len(ids) - len(set(ids)), 0, "tracer_ids that are stored twice")
    serials = [e["tracer_data"]["mtu"] for e in device.documents(items)]
    twice = sorted({s for s in serials if serials.count(s) > 1}) if len(set(serials)) < len(serials) else []
    equal(twice[:10], [], "serial numbers that are stored twice")
    return set(serials)


def all_stored(bed, device, seconds=60):
    """Every change is stored once, and none is missing. Returns the documents."""
    def complete():
        return set(device.made) <= set(bed.serials(device))

    try:
        wait_until(complete, "all changes are stored", seconds)
    except Failure as late:
        missing = sorted(set(device.made) - set(bed.serials(device)))
        raise Failure(f"{len(missing)} of {len(device.made)} changes are not stored after {seconds} s: "
                      f"{missing[:10]}") from late
    items = bed.api.events()
    no_duplicates(device, items)
    return items


def all_accounted(bed, device):
    """What is missing lies within a record that says so. Returns how many are missing."""
    items = bed.api.events()
    stored = no_duplicates(device, items)
    missing = sorted(set(device.made) - stored)
    covered = ranges(items)
    # Half a tick of the kernel's coarse clocks either way.
    slack = 2_000_000
    silent = [s for s in missing
              if not any(device.made[s][1] >= a - slack and device.made[s][0] <= b + slack for a, b in covered)]
    expect(not silent, f"{len(silent)} of {len(device.made)} changes are lost silently, first {silent[:10]}; "
           f"{offsets(device, silent[:3], covered)}")
    return len(missing)


def offsets(device, serials, covered):
    """How far the nearest record is from each, in ms."""
    texts = []
    for serial in serials:
        time_ns = device.made[serial][0]
        ends = [(time_ns - b) / 1e6 for _, b in covered if b <= time_ns]
        texts.append(f"{serial} is {min(ends):.1f} ms after the end of a record" if ends else f"{serial} before all")
    return ", ".join(texts)


def gaps(items):
    """Entries that gap records replace, by cause."""
    sums = {}
    for event in items:
        if event["tracer_name"] == "gap":
            tracer = event["tracer_data"]
            sums[tracer["cause"]] = sums.get(tracer["cause"], 0) + tracer["count"]
    return sums
