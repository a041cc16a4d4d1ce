#!/usr/bin/env python3
"""Makes the recording of a large cloud out of the recording of a small one.

    multiply.py SOURCE TARGET COPIES [SEED]

The small cloud is copied COPIES times: hosts, projects, networks, ports, routers and instances get new names, ids, MAC
addresses, tunnel addresses and segments, the same everywhere in a copy; lists are joined and cut into pages as the
services cut them. What no host owns (log-in, endpoints, regions, flavours) stays once. Every copy has its own tunnels:
there is no mesh over all hosts. The same SEED gives the same bytes.
"""

import json
import pathlib
import random
import re
import sys

PAGE = 500
ONCE = {"/auth/tokens", "/endpoints", "/regions", "/services", "/flavors/detail"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
TOKEN = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b)"
    r"|(?P<device>\b(?:tap|qvo|qvb|qbr|qr-|qg-)[0-9a-f]{8}-[0-9a-f]{2}\b)"
    r"|(?P<mac>\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b)"
    r"|(?P<tunnel>\bvxlan-0a1e00[0-9a-f]{2}\b)"
    r"|(?P<address>(?<!//)\b10\.[23]0\.0\.\d+\b)"
    r"|(?P<domain>\binstance-[0-9a-f]{8}\b)"
    r"|(?P<compute>\bcompute-\d+\b)"
    r"|(?P<controller>(?<![</])\bcontroller\b(?!=))"
    r"|(?P<project>\b(?:alpha|beta)\b)"
)


class Copy:
    """One copy: what every name of the source is called in it."""

    def __init__(self, number, mask, kept):
        self.number, self.mask, self.kept = number, mask, kept

    def word(self, match):
        kind, old, n = match.lastgroup, match.group(), self.number
        if kind == "id":
            return old if old in self.kept else self.hex(old[:8]) + old[8:]
        if kind == "device":
            start = 3
            return old[:start] + self.hex(old[start : start + 8]) + old[start + 8 :]
        if kind == "mac":
            parts = old.split(":")
            if len(set(parts)) == 1:
                return old
            parts[3] = f"{int(parts[3], 16) ^ n:02x}"
            return ":".join(parts)
        if kind == "tunnel":
            return f"vxlan-0a1e{n:02x}{old[-2:]}"
        if kind == "address":
            parts = old.split(".")
            return ".".join([*parts[:2], str(n), parts[3]])
        if kind == "domain":
            return f"instance-{int(old[-8:], 16) + 0x1000 * n:08x}"
        if kind == "compute":
            return f"compute-{n}-{old.split('-')[1]}"
        return f"{old}-{n}" if kind == "controller" else f"{old}{n}"

    def hex(self, eight):
        return f"{int(eight, 16) ^ self.mask:08x}"

    def text(self, text):
        return TOKEN.sub(self.word, text)

    def value(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.item(key, item) for key, item in value.items()}
        return value

    def item(self, key, value):
        if isinstance(value, int) and not isinstance(value, bool):
            if key == "provider:segmentation_id":
                return value + (10_000 * self.number if value > 1000 else self.number)
            if key in ("id", "standard_attr_id"):
                return value + 1000 * self.number
        return self.value(value)


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]


def write(file, entries):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n" for entry in entries))


def joined(lists):
    """One list of all; what several copies have (the administrator's project, a zone) stands once."""
    found = {}
    for item in (item for items in lists for item in items):
        name = str(item.get("zoneName") or item.get("id") or item.get("instance_uuid") or item)
        if name in found and "hosts" in item:
            found[name]["hosts"] = {**found[name]["hosts"], **item["hosts"]}
        found.setdefault(name, item)
    return list(found.values())


def http(entries, copies):
    marked = {entry["path"] for entry in entries if any(name == "marker" for name, _ in entry["query"])}
    for entry in entries:
        if entry["path"] in ONCE:
            yield entry
            continue
        if any(name == "marker" for name, _ in entry["query"]):
            continue
        body = json.loads(entry["text"])
        name = next(name for name in body if not name.endswith("links"))
        items = joined(copy.value(body[name]) for copy in copies)
        is_paged = any(name == "limit" for name, _ in entry["query"])
        pages = [items[at : at + PAGE] for at in range(0, len(items), PAGE)] if is_paged else [items]
        if entry["path"] in marked:
            pages.append([])
        query = entry["query"]
        for place, page in enumerate(pages):
            answer = {name: page}
            after = None
            if place + 1 < len(pages):
                after = [*entry["query"], ["marker", page[-1]["id"]]]
                if entry["path"] not in marked:
                    words = "&".join("=".join(pair) for pair in after)
                    answer[f"{name}_links"] = [{"rel": "next", "href": f"http://10.20.0.11:9696{entry['path']}?{words}"}]
            headers = [["content-type", "application/json"]]
            yield {**entry, "query": query, "headers": headers, "text": json.dumps(answer)}
            query = after


def sql(entries, copies):
    for entry in entries:
        if entry["params"]:
            yield from (copy.value(entry) for copy in copies)
        elif "information_schema" in entry["query"]:
            yield entry
        else:
            yield {**entry, "rows": joined(copy.value(entry["rows"]) for copy in copies)}


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    number, seed = int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 7
    if not 1 <= number <= 250:
        sys.exit("COPIES must be between 1 and 250: a copy takes one byte of an address")
    entries = lines(source / "http.jsonl")
    kept = {found for entry in entries if entry["path"] in ONCE for found in UUID.findall(entry["text"])}
    masks = random.Random(seed).sample(range(1 << 32), number)
    copies = [Copy(n, mask, kept) for n, mask in enumerate(masks)]
    target.mkdir(parents=True)
    (target / "meta.json").write_text((source / "meta.json").read_text())
    write(target / "http.jsonl", http(entries, copies))
    write(target / "sql.jsonl", sql(lines(source / "sql.jsonl"), copies))
    for file in sorted((source / "hosts").glob("*.jsonl")):
        for copy in copies:
            write(target / "hosts" / copy.text(file.name), (copy.value(entry) for entry in lines(file)))


if __name__ == "__main__":
    main()
