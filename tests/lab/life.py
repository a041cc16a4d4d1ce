"""Gives a lab an unfriendly life: life.py make [SEED] | restore | unmake

What real clouds are full of and test clouds lack: cards that share a MAC, names with every character and none, instances that are
shut off, shelved, failed or without a card, disabled and dead services, namespaces that nobody removed. `restore` puts the databases
back to the moment before `make`'s last changes, as an operator does after a disaster: what was read since is newer than what is
there, and the hosts have devices, domains and namespaces that no service knows. All of it is named life-…, `unmake` takes it away.
"""
import json
import os
import random
import subprocess
import sys

import life_end
from cloud import CONTROLLER, DUMP, LIFE as PREFIX, LIFE_NOTE, PASSWORD, Api, address_of, signal, ssh, wait

DATABASES = ["neutron", "nova"]
# Among them a right-to-left override and a zero-width space.
NAMES = ['a/b|c', 'with "quotes" and \'others\'', '{{ braces }} {% %}', 'back\\slash', '<b>&amp;</b>', '; rm -rf $(x) `y`',
         '名前 ünï ☂', '\u202egnp.exe', 'zero\u200bwidth', '  blanks  ', '%41%2F?x=1&y#z', '-rf', '..', '*', 'n' * 200]

# The compute service takes none with blanks at the ends or with characters that print nothing.
PLAIN_NAMES = [name for name in NAMES if name == name.strip() and name.isprintable()]


def server_wait(api, ident, *states):
    def holds():
        server = api.get("compute", f"/servers/{ident}")["server"]
        return server["status"] in states and not server["OS-EXT-STS:task_state"] and server
    return wait(f"instance {ident} is {'/'.join(states)}", holds)


def boot(api, name, flavor, image, networks, zone=None):
    body = {"name": PREFIX + name, "imageRef": image, "flavorRef": flavor, "networks": networks}
    if zone:
        body["availability_zone"] = zone
    return api.post("compute", "/servers", {"server": body})["server"]["id"]


def net(api, kind, **body):
    return api.post("network", f"/v2.0/{kind}s", {kind: body})[kind]


def dump():
    """The databases as they are now."""
    with open(DUMP, "w") as out:
        subprocess.run(["mariadb-dump", "-h", CONTROLLER, "-u", "lab", f"-p{PASSWORD}", "--single-transaction", "--databases",
                        *DATABASES], stdout=out, check=True)


def note_down(what):
    with open(LIFE_NOTE, "w") as note:
        note.write(str(what))


def make(seed):
    if os.path.exists(LIFE_NOTE):
        with open(LIFE_NOTE) as note:
            there = note.read().strip()
        if there == str(seed):
            return print(f"the unfriendly life {seed} is there already")
        raise SystemExit(f"the lab has the unfriendly life {there} already: life.py unmake takes it away")
    note_down(f"{seed}, not finished")
    dice = random.Random(seed)
    alpha, admin = Api("alpha"), Api()
    admin.put("compute", f"/os-quota-sets/{alpha.project}", {"quota_set": {"instances": 100, "cores": 200, "ram": -1}})
    admin.put("network", f"/v2.0/quotas/{alpha.project}", {"quota": {"network": 200, "subnet": 200, "port": 500, "router": 50}})
    image = admin.get("image", "/v2/images")["images"][0]["id"]
    flavors = {f["name"]: f["id"] for f in admin.get("compute", "/flavors")["flavors"]}
    networks = {n["name"]: n["id"] for n in admin.get("network", "/v2.0/networks")["networks"]}
    computes = sorted(h["hypervisor_hostname"] for h in admin.get("compute", "/os-hypervisors")["hypervisors"])
    zone_of = {host: zone["zoneName"] for zone in admin.get("compute", "/os-availability-zone/detail")["availabilityZoneInfo"]
               for host in zone["hosts"] or {} if host in computes}
    tiny = flavors["lab.tiny"]

    def at(host):
        return f"{zone_of[host]}:{host}"

    def card(network, **more):
        return {"port": net(alpha, "port", network_id=networks[network], name=PREFIX + "card", **more)["id"]}

    # Two cards with one MAC, in two networks; and the same MAC once more on another host.
    for n in range(2):
        mac = f"fa:16:3e:{dice.randrange(256):02x}:{dice.randrange(256):02x}:{n:02x}"
        first, second = dice.sample(computes, 2) if len(computes) > 1 else (computes[0], computes[0])
        boot(alpha, f"twins-{n}", tiny, image, [card("alpha-net1", mac_address=mac), card("alpha-net2", mac_address=mac)], at(first))
        third = net(alpha, "network", name=PREFIX + "third")["id"]
        net(alpha, "subnet", name=PREFIX + "third", network_id=third, ip_version=4, cidr="10.160.0.0/24")
        net(alpha, "subnet", name=PREFIX + "third", network_id=third, ip_version=6, cidr="fd00:160::/64",
            ipv6_address_mode="dhcpv6-stateful", ipv6_ra_mode="dhcpv6-stateful")
        networks["third"] = third
        boot(alpha, f"twins-other-{n}", tiny, image, [card("third", mac_address=mac)], at(second))

    # Two instances with one name, and one with two cards in one network.
    for _ in range(2):
        boot(alpha, "same", tiny, image, [{"uuid": networks["alpha-net1"]}], at(dice.choice(computes)))
    boot(alpha, "two-cards", tiny, image, [card("alpha-net2"), card("alpha-net2")], at(dice.choice(computes)))

    # A router's card with the MAC of an instance's.
    fourth = net(alpha, "network", name=PREFIX + "fourth")["id"]
    net(alpha, "subnet", name=PREFIX + "fourth", network_id=fourth, ip_version=4, cidr="10.161.0.0/24")
    gate = net(alpha, "port", network_id=fourth, name=PREFIX + "gate", mac_address=mac)["id"]
    router = net(alpha, "router", name=PREFIX + "gate")["id"]
    alpha.put("network", f"/v2.0/routers/{router}/add_router_interface", {"port_id": gate})

    # Names with every character: networks, ports, routers, projects, instances, DHCP servers; two networks with one name; no name.
    strange = dice.sample(NAMES, 3)
    for name in NAMES + ["twice", "twice"]:
        made = net(alpha, "network", name=PREFIX + name)
        net(alpha, "subnet", name=PREFIX + name, network_id=made["id"], ip_version=4,
            cidr=f"10.{dice.randrange(162, 200)}.{dice.randrange(256)}.0/24", enable_dhcp=name in strange)
        net(alpha, "port", network_id=made["id"], name=PREFIX + name)
    net(alpha, "network", name="", description=PREFIX + "nameless")
    nameless = net(alpha, "network", name="", description=PREFIX + "nameless with a DHCP server")["id"]
    subnet = net(alpha, "subnet", name="", network_id=nameless, ip_version=4, cidr="10.201.0.0/24")["id"]
    router = net(alpha, "router", name="", description=PREFIX + "nameless")["id"]
    alpha.put("network", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})
    boot(alpha, "in-nameless", tiny, image, [{"uuid": nameless}], at(dice.choice(computes)))
    for name in dice.sample(PLAIN_NAMES, 3):
        boot(alpha, name, tiny, image, [{"uuid": networks["alpha-net1"]}], at(dice.choice(computes)))
    for name in strange:
        router = net(alpha, "router", name=PREFIX + name)
        subnet = next(s for s in alpha.get("network", "/v2.0/subnets")["subnets"] if s["name"] == PREFIX + name)
        alpha.put("network", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    admin.post("identity", "/projects", {"project": {"name": PREFIX + NAMES[0], "domain_id": "default"}})

    # A project that is gone, and left its network and instance behind; a host in two aggregates, and an aggregate without one.
    gone = admin.post("identity", "/projects", {"project": {"name": PREFIX + "gone", "domain_id": "default"}})["project"]["id"]
    role = next(r["id"] for r in admin.get("identity", "/roles")["roles"] if r["name"] == "admin")
    admin.put("identity", f"/projects/{gone}/users/{admin.user}/roles/{role}", None)
    orphan = Api(PREFIX + "gone")
    network = net(orphan, "network", name=PREFIX + "of-nobody")["id"]
    net(orphan, "subnet", name=PREFIX + "of-nobody", network_id=network, ip_version=4, cidr="10.203.0.0/24")
    server_wait(orphan, boot(orphan, "of-nobody", tiny, image, [{"uuid": network}], at(dice.choice(computes))), "ACTIVE")
    admin.ask("DELETE", "identity", f"/projects/{gone}")
    aggregate = admin.post("compute", "/os-aggregates", {"aggregate": {"name": PREFIX + dice.choice(PLAIN_NAMES)}})["aggregate"]["id"]
    admin.post("compute", f"/os-aggregates/{aggregate}/action", {"add_host": {"host": computes[0]}})
    admin.post("compute", "/os-aggregates", {"aggregate": {"name": PREFIX + "empty"}})

    # Shut off, shelved, failed with a host and without one; one whose only card was taken out; one whose card is switched off.
    boot(alpha, "card-off", tiny, image, [card("alpha-net1", admin_state_up=False)], at(dice.choice(computes)))
    only = card("alpha-net2")
    cardless = boot(alpha, "cardless", tiny, image, [only], at(dice.choice(computes)))
    server_wait(alpha, cardless, "ACTIVE")
    alpha.post("compute", f"/servers/{cardless}/action", {"os-stop": None})
    server_wait(alpha, cardless, "SHUTOFF")
    alpha.ask("DELETE", "compute", f"/servers/{cardless}/os-interface/{only['port']}")
    wait("the card is out", lambda: not alpha.get("compute", f"/servers/{cardless}/os-interface")["interfaceAttachments"])
    idents = {what: boot(alpha, what, tiny, image, [{"uuid": networks["alpha-net2"]}], at(dice.choice(computes)))
              for what in ("shut-off", "shelved", "paused", "failed")}
    big = admin.post("compute", "/flavors", {"flavor": {"name": PREFIX + "huge", "ram": 4 << 20, "vcpus": 1, "disk": 1}})["flavor"]["id"]
    nowhere = boot(alpha, "nowhere", big, image, [{"uuid": networks["alpha-net2"]}])
    for what, action in (("shut-off", {"os-stop": None}), ("shelved", {"shelve": None}), ("paused", {"pause": None}),
                         ("failed", {"os-resetState": {"state": "error"}})):
        server_wait(alpha, idents[what], "ACTIVE")
        (admin if what == "failed" else alpha).post("compute", f"/servers/{idents[what]}/action", action)
    server_wait(alpha, idents["shut-off"], "SHUTOFF")
    server_wait(alpha, idents["shelved"], "SHELVED_OFFLOADED")
    server_wait(alpha, idents["paused"], "PAUSED")
    server_wait(alpha, nowhere, "ERROR")
    for server in alpha.get("compute", "/servers/detail")["servers"]:
        if server["status"] == "BUILD":
            server_wait(alpha, server["id"], "ACTIVE", "ERROR")

    # Namespaces: files that a restart left, an empty one of a router that is gone, and one of a network that is, with a device in it.
    for host in [CONTROLLER] + [address_of(c) for c in computes[:1]]:
        ssh(host, "mkdir -p /run/netns && touch /run/netns/qdhcp-11111111-2222-3333-4444-555555555555")
    ssh(CONTROLLER, "ip netns add qrouter-66666666-7777-8888-9999-aaaaaaaaaaaa")
    left = "qdhcp-22222222-3333-4444-5555-666666666666"
    ssh(CONTROLLER, f"ip netns add {left} && ip -n {left} link add tap22222222-33 type veth peer name tap22222222-44")

    # A compute service that is disabled, one that hangs, and an agent that does.
    disabled, dead = (computes[-1], computes[min(1, len(computes) - 1)])
    service = next(s["id"] for s in admin.get("compute", "/os-services?binary=nova-compute")["services"] if s["host"] == disabled)
    admin.put("compute", "/os-services/disable", {"host": disabled, "binary": "nova-compute"}) if isinstance(service, int) else \
        admin.put("compute", f"/os-services/{service}", {"status": "disabled"})
    agents = [a for a in admin.get("network", "/v2.0/agents")["agents"] if a["host"] == dead and "metadata" not in a["binary"]]
    signal(dead, "STOP", ["nova-compute"] + [a["binary"] for a in agents])
    wait("the agent that hangs counts as dead", lambda: not any(
        a["alive"] for a in admin.get("network", "/v2.0/agents")["agents"] if a["id"] in {x["id"] for x in agents}))
    wait("the compute service that hangs counts as down", lambda: all(
        s["state"] == "down" for s in admin.get("compute", "/os-services?binary=nova-compute")["services"] if s["host"] == dead))

    # An agent that is switched off.
    off = next(a["id"] for a in admin.get("network", "/v2.0/agents")["agents"] if a["host"] == disabled and "metadata" not in a["binary"])
    admin.put("network", f"/v2.0/agents/{off}", {"agent": {"admin_state_up": False}})

    # What the dump does not know yet: names, a network with its DHCP server, an instance.
    dump()
    port = next(p for p in alpha.get("network", "/v2.0/ports")["ports"] if p["name"] == PREFIX + "card")
    alpha.put("network", f"/v2.0/ports/{port['id']}", {"port": {"name": PREFIX + "card-renamed"}})
    alpha.put("network", f"/v2.0/networks/{networks['third']}", {"network": {"name": PREFIX + "third-renamed"}})
    alpha.put("compute", f"/servers/{idents['paused']}", {"server": {"name": PREFIX + "paused-renamed"}})
    after = net(alpha, "network", name=PREFIX + "after-the-dump")["id"]
    net(alpha, "subnet", name=PREFIX + "after-the-dump", network_id=after, ip_version=4, cidr="10.202.0.0/24")
    wait("its DHCP server is there", lambda: f"qdhcp-{after}" in (ssh(CONTROLLER, "ip netns list") or ""))
    able = [c for c in computes if c not in (dead, disabled)]
    if able:
        server_wait(alpha, boot(alpha, "after-the-dump", tiny, image, [{"uuid": after}], at(able[0])), "ACTIVE")
    note_down(seed)
    print(json.dumps({"disabled": disabled, "dead": dead, "names": strange}, ensure_ascii=False))


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["help"]
    {"make": lambda: make(int(rest[0]) if rest else 1), "restore": life_end.restore, "unmake": life_end.unmake}.get(
        what, lambda: sys.exit(__doc__))()
