#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prometheus text on standard input as a JSON array of {name, labels, value}."""

import json
import re
import sys

LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \S+)?")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {r"\n": "\n", r"\"": '"', r"\\": "\\"}


def series(line):
    match = LINE.fullmatch(line)
    if not match:
        sys.exit(f"not a sample: {line}")
    labels = {k: re.sub(r'\\[n"\\]', lambda m: ESCAPES[m[0]], v) for k, v in LABEL.findall(match[2] or "")}
    value = float(match[3])
    # JSON has no infinities.
    return {"name": match[1], "labels": labels, "value": value if abs(value) < 1e300 else None}


json.dump([series(s) for s in sys.stdin.read().splitlines() if s and not s.startswith("#")], sys.stdout)
