#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""merge.py OUT FRAMES IN...: one recording of the first FRAMES entries of each IN.

All must be of one build: a recording begins with the catalog of the collector that made it, which is
most of a short one. The format is in collector/decode/recording.h."""

import struct
import sys
from pathlib import Path

MAGIC = b"HUATUOR1"
HEADER = struct.Struct("<B3xI")
CATALOG = 1


def frames(path):
    data = Path(path).read_bytes()
    if not data.startswith(MAGIC):
        sys.exit(f"{path}: not a recording")
    at = len(MAGIC)
    while at + HEADER.size <= len(data):
        kind, length = HEADER.unpack_from(data, at)
        end = at + HEADER.size + length
        if end > len(data):
            break
        yield kind, data[at:end]
        at = end


def main():
    out, limit, *paths = sys.argv[1:]
    merged = b""
    for path in paths:
        (kind, catalog), *entries = frames(path)
        if kind != CATALOG or (merged and not merged.startswith(MAGIC + catalog)):
            sys.exit(f"{path}: of another build than {paths[0]}")
        merged = merged or MAGIC + catalog
        merged += b"".join(frame for _, frame in entries[:int(limit)])
    Path(out).write_bytes(merged)


main()
