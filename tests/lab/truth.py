"""What is really there, gathered without the program: API lists, the database, and the commands of the hosts.

Prints one JSON document: {"objects": {type: {key: attributes}}, "links": [[link type, source key, target key], ...],
"cliques": {"type key": [node, ...]}}. Keys are chosen so that the program's objects can be mapped onto them without
knowing how its ids are built (see compare.py). Only the standard library, ssh and the mariadb client are used.
"""
import json
import re
import shlex
import sys

from cloud import CONTROLLER, HOME, Api, sql, ssh

TUNNELS = ("vxlan", "gre", "geneve")


def gather(profile):
    api = Api()
    objects, links = {}, set()

    def add(kind, key, **attributes):
        assert key not in objects.setdefault(kind, {}), (kind, key)
        objects[kind][key] = attributes

    def link(kind, source, target):
        links.add((kind, source, target))

    servers = api.get("compute", "/servers/detail?all_tenants=1")["servers"]
    networks = {n["id"]: n for n in api.get("network", "/v2.0/networks")["networks"]}
    subnets = api.get("network", "/v2.0/subnets")["subnets"]
    ports = api.get("network", "/v2.0/ports")["ports"]
    agents = api.get("network", "/v2.0/agents")["agents"]
    routers = {r["id"]: r for r in api.get("network", "/v2.0/routers")["routers"]}
    projects = {p["id"]: p for p in api.get("identity", "/projects")["projects"]}
    aggregates = api.get("compute", "/os-aggregates")["aggregates"]
    zones = api.get("compute", "/os-availability-zone/detail")["availabilityZoneInfo"]
    services = api.get("compute", "/os-services")["services"]     # knows those that are switched off, too
    hypervisors = {h["hypervisor_hostname"]: h for h in api.get("compute", "/os-hypervisors/detail")["hypervisors"]}
    regions = api.get("identity", "/regions")["regions"]

    port_by_mac = {}
    for port in ports:
        port_by_mac.setdefault(port["mac_address"], []).append(port)

    for region in regions:
        add("region", region["id"], name=region["id"])
    for ident, project in projects.items():
        if project["name"] not in ("service", "services"):
            add("project", ident, name=project["name"])
    for zone in zones:
        add("availability_zone", zone["zoneName"], available=zone["zoneState"]["available"])
    for aggregate in aggregates:
        add("aggregate", str(aggregate["id"]), name=aggregate["name"])
        for host in aggregate["hosts"]:
            add("host_ref", f"{aggregate['name']}|{host}")
    for ident, network in networks.items():
        cidrs = sorted(s["cidr"] for s in subnets if s["network_id"] == ident)
        # What has no name is called by its id: a blank line in a list tells nobody anything.
        add("network", ident, name=network["name"] or ident, cidrs=cidrs,
            **{"provider:segmentation_id": network["provider:segmentation_id"],
               "provider:network_type": network["provider:network_type"]})
    for port in ports:
        add("port", port["id"], mac_address=port["mac_address"], network_id=port["network_id"], port_name=port["name"] or None)
    for agent in agents:
        add("network_agent", f"{agent['host']}|{agent['binary']}", agent_type=agent["agent_type"], alive=agent["alive"],
            admin_state_up=agent["admin_state_up"])

    hosts = {}
    for service in services:
        entry = hosts.setdefault(service["host"], {"types": set(), "zone": service["zone"], "disabled": None})
        if service["binary"] == "nova-compute":
            entry["disabled"] = service["status"] == "disabled"
            entry["types"].add("Compute")
            entry["zone"] = service["zone"]
        if service["binary"] == "nova-conductor":
            entry["types"].add("Controller")
    for agent in agents:
        if agent["agent_type"] in ("Metadata agent", "DHCP agent", "L3 agent"):
            hosts[agent["host"]]["types"].add("Network")
    address = {}
    for host, entry in hosts.items():
        known = hypervisors.get(host, {}).get("host_ip")
        address[host] = known or CONTROLLER
        add("host", host, host_type=sorted(entry["types"]), zone=entry["zone"], disabled=entry["disabled"])

    # The nodes of the cliques of instances, services and networks. One that nothing is linked to has none: a clique is made of links.
    cliques = {}

    def reach(kind, key, *nodes):
        cliques.setdefault(f"{kind} {key}", {(kind, key)}).update(nodes)

    for server in servers:
        ident = server["id"]
        mine = [p for p in ports if p["device_id"] == ident]
        add("instance", ident, name=server["name"], host=server["OS-EXT-SRV-ATTR:host"], status=server["status"],
            local_name=server["OS-EXT-SRV-ATTR:instance_name"], network=sorted({p["network_id"] for p in mine}))

    def bound(host):
        return {p["network_id"] for p in ports if p["binding:host_id"] == host}

    carriers = {}        # (host, network) -> pNIC name
    members_of = {}      # host -> Linux bridge -> interfaces
    tunnel_type = "vxlan"
    endpoints = {host: (ip, int(udp)) for host, ip, udp in
                 sql(f"SELECT host, ip_address, udp_port FROM neutron.ml2_{tunnel_type}_endpoints")}
    l2 = {a["host"]: a for a in agents if a["agent_type"] in ("Open vSwitch agent", "Linux bridge agent")}

    def wire(host, ident):
        """What carries a network on a host, from the tunnel end or the bridge that it leaves through to the card."""
        card, tunnelled = carriers.get((host, ident)), networks[ident]["provider:network_type"] in TUNNELS
        nodes = {("network", ident)} | ({("host_pnic", f"{host}|{card}")} if card else set())
        if profile == "ovs":
            return nodes | {("vedge", host)} | ({("otep", host)} if tunnelled else set())
        bridge = f"brq{ident[:11]}"
        return nodes | ({("vconnector", f"{host}|{bridge}")} if bridge in members_of[host] else set()) | {
            ("otep", f"{host}|{i}") for i in members_of[host].get(bridge, []) if i.startswith("vxlan-")}

    for host in hosts:
        run = lambda command: ssh(address[host], command)  # noqa: E731
        addresses = json.loads(run("ip -j address show"))
        ip_of = {a["local"]: i["ifname"] for i in addresses for a in i["addr_info"]}
        mac_of = {i["ifname"]: i.get("address") for i in addresses}
        cards = re.findall(r"/net/(\S+)$", "\n".join(
            line for line in run("/usr/local/bin/ls -l /sys/class/net").splitlines() if "/virtual/" not in line), re.M)
        for card in cards:
            add("host_pnic", f"{host}|{card}", mac_address=mac_of[card], host=host,
                state="UP" if "UP" in next(i["flags"] for i in addresses if i["ifname"] == card) else "DOWN")
        members = members_of.setdefault(host, {})
        for line in (run("for b in /sys/class/net/*/brif; do echo \"$b $(/bin/ls $b | tr '\\n' ' ')\"; done") or "").splitlines():
            words = line.split()
            found = re.match(r"/sys/class/net/(.+)/brif$", words[0])
            if found and found.group(1) != "*":
                members[found.group(1)] = words[1:]
        for bridge, interfaces in members.items():
            add("vconnector", f"{host}|{bridge}", interfaces_names=sorted(interfaces), host=host)
        bridge_of = {i: b for b, interfaces in members.items() for i in interfaces}

        switch_ports = {}
        if profile == "ovs":
            for bridge in run("ovs-vsctl list-br").split():
                for port in [bridge] + run(f"ovs-vsctl list-ports {bridge}").split():
                    switch_ports[port] = bridge
            add("vedge", host, host=host, alive=l2[host]["alive"], admin_state_up=l2[host]["admin_state_up"])
            for card in cards:
                if card in switch_ports:
                    link("vedge-host_pnic", host, f"{host}|{card}")
            for bridge, interfaces in members.items():
                for interface in interfaces:
                    if interface.startswith("qvb") and "qvo" + interface[3:] in switch_ports:
                        link("vconnector-vedge", f"{host}|{bridge}", host)

        # Which card carries which network.
        mapping = l2[host]["configurations"].get("bridge_mappings" if profile == "ovs" else "interface_mappings", {})
        tunnel_ip = l2[host]["configurations"]["tunneling_ip"]
        holder = ip_of[tunnel_ip]
        tunnel_card = holder if holder in cards else next(
            c for c in cards if switch_ports.get(c, bridge_of.get(c)) == holder)
        for ident in bound(host):
            network = networks[ident]
            if network["provider:network_type"] in TUNNELS:
                carriers[host, ident] = tunnel_card
            else:
                physical = mapping.get(network["provider:physical_network"])
                carriers[host, ident] = physical if profile == "lxb" else next(
                    (c for c in cards if switch_ports.get(c) == physical), None)
        for (where, ident), card in carriers.items():
            if where == host and card:
                link("host_pnic-network", f"{host}|{card}", ident)
                reach("network", ident, *wire(host, ident))

        if profile == "ovs":
            add("otep", host, ip_address=endpoints[host][0], host=host)
            link("vedge-otep", host, host)
            link("otep-host_pnic", host, f"{host}|{tunnel_card}")
        else:
            for bridge, interfaces in members.items():
                for interface in interfaces:
                    if interface.startswith("vxlan-"):
                        add("otep", f"{host}|{interface}", ip_address=tunnel_ip, host=host)
                        link("otep-vconnector", f"{host}|{interface}", f"{host}|{bridge}")
                        link("otep-host_pnic", f"{host}|{interface}", f"{host}|{tunnel_card}")
                    if interface in cards:
                        link("vconnector-host_pnic", f"{host}|{bridge}", f"{host}|{interface}")

        # The bridge of a card is there, and leads to the switch, also while its instance is shut off.
        for bridge in members:
            port = next((p for p in ports if bridge == f"qbr{p['id'][:11]}" and p["binding:host_id"] == host), None)
            if port and ("vconnector-vedge", f"{host}|{bridge}", host) in links:
                reach("network", port["network_id"], ("vconnector", f"{host}|{bridge}"))

        def plug(owner, vnic, interface, network):
            """A card and what it is plugged into. Where an instance does not run, its device is gone, and the way ends at the card."""
            link(f"{owner[0]}-vnic", owner[1], vnic)
            nodes = {("vnic", vnic)}
            if interface in bridge_of:
                link("vnic-vconnector", vnic, f"{host}|{bridge_of[interface]}")
                nodes.add(("vconnector", f"{host}|{bridge_of[interface]}"))
            if interface in switch_ports:
                link("vnic-vedge", vnic, host)
                nodes.add(("vedge", host))
            # A clique is constrained to the networks of its focal point: a card that belongs to none that is known leads nowhere.
            if network:
                reach(*owner, *nodes)
            if network and len(nodes) > 1:
                reach(*owner, *wire(host, network))
                reach("network", network, owner, ("vnic", vnic))

        # Instances.
        for domain in (run("virsh list --all --name") or "").split():
            ident = run(f"virsh domuuid {domain}").strip()
            if ident not in objects["instance"]:
                continue     # nova does not know it: the databases are older than it
            for row in run(f"virsh domiflist {domain}").splitlines()[2:]:
                if not row.strip():
                    continue
                interface, _, bridge, _, mac = row.split()
                # A device is named after its port; two ports of one instance may share a MAC.
                port = next(p for p in port_by_mac[mac] if p["binding:host_id"] == host and interface.endswith(p["id"][:11]))
                vnic = f"{host}|{port['id']}"
                add("vnic", vnic, mac_address=mac, host=host, network=port["network_id"], port=port["id"],
                    vnic_type="instance_vnic", ips=sorted(f["ip_address"] for f in port["fixed_ips"]))
                plug(("instance", ident), vnic, interface, port["network_id"])

        # Services. On a host without an agent of them nothing looks after namespaces, and what lies about there is nobody's.
        if "Network" not in hosts[host]["types"]:
            continue
        for namespace in re.findall(r"^(q(?:dhcp|router)-\S+)", run("ip netns list") or "", re.M):
            kind, ident = namespace.split("-", 1)
            what, known = ("network", networks) if kind == "qdhcp" else ("router", routers)
            # One that nobody needs any more is shown, as what it is.
            name = (known[ident]["name"] or ident) if ident in known else f"{ident} (no such {what})"
            add("vservice", f"{host}|{namespace}", host=host, name=f"{kind}-{name}", left_over=ident not in known,
                service_type="dhcp" if kind == "qdhcp" else "router")
            # Of some only the file is left: nobody can look into them, and nothing is in there.
            inside = run(f"ip netns exec {shlex.quote(namespace)} ip -j address show")
            for interface in json.loads(inside or "[]"):
                if interface.get("ifname", "lo") == "lo":
                    continue
                device = interface["ifname"]
                port = next((p for p in port_by_mac.get(interface["address"], []) if device.endswith(p["id"][:11])), {})
                vnic = f"{host}|{port.get('id', device)}"
                add("vnic", vnic, mac_address=interface["address"], host=host, network=port.get("network_id"),
                    port=port.get("id"), vnic_type="vservice_vnic", ips=sorted(
                        a["local"] for a in interface["addr_info"] if a["scope"] == "global" and not a["local"].startswith("169.254.")))
                # With Linux bridges the other end of the pair is named after the port, too.
                plug(("vservice", f"{host}|{namespace}"), vnic, device if profile == "ovs" else f"tap{device[-11:]}", port.get("network_id"))

    return {"objects": objects, "links": sorted(links), "cliques": {focus: sorted(nodes) for focus, nodes in cliques.items()}}


if __name__ == "__main__":
    with open(f"{HOME}/profile") as file:
        found = gather(file.read().strip())
    json.dump(found, sys.stdout, indent=1, sort_keys=True)
