"""Compares what the program found with the truth: compare.py TRUTH OBJECTS LINKS CLIQUES (JSON files).

Every object, attribute, link and clique of the truth is there once, and nothing else of the same kinds. Prints one line
for each difference and a closing line `N passed, N failed`; ends with 1 when something failed.
"""
import json
import sys
from collections import Counter

# How an object of the program is found among the truth's keys.
KEYS = {
    "region": lambda o: o["name"],
    "project": lambda o: o["id"],
    "availability_zone": lambda o: o["name"],
    "aggregate": lambda o: o["id"],
    "host": lambda o: o["id"],
    "network": lambda o: o["id"],
    "port": lambda o: o["id"],
    "network_agent": lambda o: f"{o['host']}|{o['binary']}",
    "instance": lambda o: o["id"],
    "vnic": lambda o: f"{o['host']}|{o.get('port') or o['device']}",
    "vservice": lambda o: f"{o['host']}|{o['local_service_id']}",
    "vconnector": lambda o: f"{o['host']}|{o['bridge_name']}",
    "vedge": lambda o: o["host"],
    "host_pnic": lambda o: f"{o['host']}|{o['interface_name']}",
}


def otep_key(profile):
    return lambda o: o["host"] if profile == "ovs" else f"{o['host']}|{o['interface_name']}"


def plain(value):
    return sorted(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value


def main(truth_file, objects_file, links_file, cliques_file, profile):
    truth, objects, links, cliques = (json.load(open(f)) for f in (truth_file, objects_file, links_file, cliques_file))
    keys = dict(KEYS, otep=otep_key(profile))
    keys["host_ref"] = lambda o: f"{names['aggregate', o['parent_id']]}|{o['name']}"
    names = {(o["type"], o["id"]): o["name"] for o in objects}
    known, passed, failed = {}, 0, []

    seen = Counter()
    found = {}
    for o in objects:
        if o["type"].endswith("_folder"):
            continue
        if o["type"] not in keys:
            failed.append(f"an object of a type that the truth does not know: {o['type']} {o['id']}")
            continue
        key = keys[o["type"]](o)
        known[o["type"], o["id"]] = key
        if o["type"] == "vnic":
            addresses = o.get("addresses") or []
            o["ips"] = sorted(a[kind] for a in addresses for kind in ("IP Address", "IPv6 Address") if a.get(kind))
        seen[o["type"], key] += 1
        found[o["type"], key] = o
    for kind, expected in truth["objects"].items():
        for key, attributes in expected.items():
            if seen[kind, key] != 1:
                failed.append(f"{kind} {key}: is there {seen[kind, key]} times")
                continue
            wrong = {a: (v, found[kind, key].get(a)) for a, v in attributes.items()
                     if plain(found[kind, key].get(a)) != plain(v)}
            for attribute, (wanted, got) in wrong.items():
                failed.append(f"{kind} {key}: {attribute} is {got!r}, should be {wanted!r}")
            passed += not wrong
    for (kind, key), count in seen.items():
        if key not in truth["objects"].get(kind, {}):
            failed.append(f"{kind} {key}: is not really there ({count})")

    wanted = Counter(tuple(link) for link in truth["links"])
    got = Counter()
    for link in links:
        ends = [known.get((link[side + "_type"], link[side + "_id"])) for side in ("source", "target")]
        if None in ends:
            failed.append(f"link {link['link_type']} {link['source_id']} -> {link['target_id']}: an end is no object")
            continue
        got[(link["link_type"], *ends)] += 1
    for link in sorted(set(wanted) | set(got)):
        if wanted[link] == got[link]:
            passed += 1
        else:
            failed.append(f"link {' '.join(link)}: is there {got[link]} times, should be {wanted[link]} times")

    of = {}
    for clique in cliques:
        focus = clique["focal_point"]["type"], clique["focal_point"]["id"]
        of[f"{focus[0]} {known.get(focus, focus[1])}"] = clique
    failed += [f"clique of {focus}: is not really there" for focus in sorted(set(of) - set(truth["cliques"]))]
    for focus, nodes in truth["cliques"].items():
        if focus not in of:
            failed.append(f"clique of {focus}: is not there")
            continue
        got_nodes = sorted((n["type"], known.get((n["type"], n["id"]), n["id"])) for n in of[focus]["nodes"])
        wanted_nodes = sorted(tuple(n) for n in nodes)
        if got_nodes == wanted_nodes:
            passed += 1
        else:
            failed.append(f"clique of {focus}: lacks {sorted(set(wanted_nodes) - set(got_nodes))}, "
                          f"has too much {sorted(set(got_nodes) - set(wanted_nodes))}")
    for line in failed:
        print(line)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
