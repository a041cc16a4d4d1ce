#!/usr/bin/env python3
"""Parses the same texts with TextFSM and TTP, compares what they find with what our parsers found, prints the ratios.

usage: measure.py BINARY [INTERFACES]

BINARY is the example `beside` of calipso-parse. The texts are the samples of engine/parse/tests/samples, repeated with new
names until they tell of INTERFACES interfaces (10,000). Only the calls of the parsers are timed, the best of three; making
templates ready and bringing results into one shape is not.
"""

import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import textfsm
from ttp import ttp

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = HERE.parent.parent.parent / "engine/parse/tests/samples"
RUNS = 3


def best(call):
    """The fastest of some runs in seconds, and the result of the last."""
    fastest, result = float("inf"), None
    for _ in range(RUNS):
        begun = time.perf_counter()
        result = call()
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest, result


def grown(name, n_interfaces):
    """A sample, repeated with other names and numbers."""
    text = (SAMPLES / f"{name}.txt").read_text()
    if name == "ip_address":
        stanzas = re.split(r"(?m)^(?=\d+: )", text)[1:]
        numbered = []
        for number in range(n_interfaces):
            stanza = stanzas[number % len(stanzas)]
            numbered.append(re.sub(r"^\d+: ([^:@\s]+)", lambda found: f"{number}: {found[1]}n{number}", stanza))
        return "".join(numbered)
    head, body = re.split(r"(?m)(?<=\n)(?=qbr)" if name == "brctl_show" else r"(?m)(?<=\n)(?=    Bridge)", text, maxsplit=1)
    per_copy = len(re.findall(r"(?m)Interface |\S+$", body)) if name == "brctl_show" else body.count("Interface ")
    copies = []
    for number in range(-(-n_interfaces // per_copy)):
        copy = re.sub(r"\b(qbr|qvb|tap)", rf"\g<1>{number}x", body)
        copies.append(re.sub(r"(Bridge|Port|Interface) (\S+)", rf"\1 \2n{number}", copy))
    return head + "".join(copies)


def numbers(row, *names):
    for name in names:
        if row.get(name) not in (None, ""):
            row[name] = int(row[name])


def without_empty(row):
    return {name: value for name, value in row.items() if value not in ("", None)}


def shaped_links(rows):
    """Links in the shape of `ip -j address show`."""
    links = []
    for row in rows:
        row = without_empty(dict(row))
        numbers(row, "ifindex", "mtu")
        row["flags"] = row["flags"].split(",")
        row["addr_info"] = [dict(address) for address in row.get("addr_info") or []]
        for address in row["addr_info"]:
            numbers(address, "prefixlen")
        links.append(row)
    return links


def shaped_bridges(rows):
    bridges = []
    for row in rows:
        more = [one["name"] for one in row.pop("more", [])]
        first = [row.pop("first")] if "first" in row else row.pop("interfaces")
        bridges.append({"name": row["name"], "id": row["id"], "stp": row["stp"] == "yes", "interfaces": first + more})
    return bridges


def shaped_switches(rows):
    """Nested bridges, ports and interfaces of flat rows, or of nested ones."""
    if rows and "ports" in rows[0] or any("bridge" not in row for row in rows):
        bridges = rows
    else:
        bridges = []
        for row in rows:
            if not bridges or bridges[-1]["name"] != row["bridge"]:
                bridges.append({"name": row["bridge"], "ports": []})
            if row["port"]:
                interface = {"name": row["interface"], "type": row["type"], "options": row["options"]}
                port = {"name": row["port"], "tag": row["tag"], "interfaces": [without_empty(interface)]}
                bridges[-1]["ports"].append(without_empty(port))
    for bridge in bridges:
        bridge.setdefault("ports", [])
        for port in bridge["ports"]:
            numbers(port, "tag")
            for interface in port.setdefault("interfaces", []):
                if "options" in interface:
                    interface["options"] = interface["options"].removeprefix("{").removesuffix("}")
    return bridges


SHAPES = {"ip_address": shaped_links, "brctl_show": shaped_bridges, "ovs_vsctl_show": shaped_switches}


def by_textfsm(name, text):
    template = textfsm.TextFSM(io.StringIO((HERE / f"{name}.textfsm").read_text()))
    seconds, rows = best(lambda: (template.Reset(), template.ParseTextToDicts(text))[1])
    return seconds, rows


def by_ttp(name, text):
    template = (HERE / f"{name}.ttp").read_text()
    fastest, found = float("inf"), None
    for _ in range(RUNS):
        parser = ttp(data=text, template=template, log_level="ERROR")
        begun = time.perf_counter()
        parser.parse(one=True)
        fastest = min(fastest, time.perf_counter() - begun)
        found = parser.result()[0][0]["found"]
    return fastest, found


def ours(binary, name, text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        out = subprocess.run([binary, name, file.name, str(10 * RUNS)], check=True, capture_output=True, text=True)
    answer = json.loads(out.stdout)
    return answer["seconds"], answer["value"]


def main():
    binary, n_interfaces = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    print(f"{'text':16} {'bytes':>9} {'ours':>10} {'TextFSM':>10} {'TTP':>10}   TextFSM : ours   TTP : ours")
    for name, shaped in SHAPES.items():
        text = grown(name, n_interfaces)
        our_seconds, value = ours(binary, name, text)
        others = []
        for tool, parse in (("TextFSM", by_textfsm), ("TTP", by_ttp)):
            seconds, rows = parse(name, text)
            found = shaped(rows)
            if found != value:
                pair = next((pair for pair in zip(found, value) if pair[0] != pair[1]), (len(found), len(value)))
                sys.exit(f"{tool} finds something else in {name}:\n{pair[0]}\ninstead of\n{pair[1]}")
            others.append(seconds)
        cells = "".join(f" {1000 * seconds:7.1f} ms" for seconds in (our_seconds, *others))
        ratios = "   ".join(f"{seconds / our_seconds:13.0f}" for seconds in others)
        print(f"{name:16} {len(text.encode()):9}{cells}   {ratios}")
    print("all three find the same")


if __name__ == "__main__":
    main()
