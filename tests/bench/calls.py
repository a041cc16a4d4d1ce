#!/usr/bin/env python3
"""Counts what a recording asked: calls.py DIR."""

import pathlib
import statistics
import sys

folder = pathlib.Path(sys.argv[1])


def count(file):
    return sum(1 for line in file.read_text().splitlines() if line.strip()) if file.exists() else 0


hosts = [count(file) for file in sorted((folder / "hosts").glob("*.jsonl"))]
print(
    f"{len(hosts)} hosts, {sum(hosts)} commands: {statistics.mean(hosts):.1f} a host (fewest {min(hosts)}, most {max(hosts)});"
    f" {count(folder / 'http.jsonl')} HTTP and {count(folder / 'sql.jsonl')} SQL calls for all"
)
