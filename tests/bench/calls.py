#!/usr/bin/env python3
"""Counts what a recorded scan asked, the test of the connections before it left out: calls.py DIR."""

import json
import pathlib
import statistics
import sys

folder = pathlib.Path(sys.argv[1])


def count(file):
    lines = file.read_text().splitlines() if file.exists() else []
    return sum(1 for line in lines if line.strip() and json.loads(line).get("stage") != "test")


hosts = [calls for file in sorted((folder / "hosts").glob("*.jsonl")) if (calls := count(file))]
print(
    f"{len(hosts)} hosts, {sum(hosts)} commands: {statistics.mean(hosts):.1f} a host (fewest {min(hosts)}, most {max(hosts)});"
    f" {count(folder / 'http.jsonl')} HTTP and {count(folder / 'sql.jsonl')} SQL calls for all"
)
