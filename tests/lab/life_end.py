"""The end of an unfriendly life (see life.py): `restore` puts the databases back, `unmake` takes everything away."""
import json
import os
import subprocess

from cloud import CONTROLLER, DUMP, HOME, LIFE as PREFIX, LIFE_NOTE, PASSWORD, Api, signal, ssh, wait


def answering(api):
    """Names of the compute services and agents that answer."""
    found = {f"{s['binary']} {s['host']}" for s in api.get("compute", "/os-services")["services"] if s["state"] == "up"}
    return found | {f"{a['binary']} {a['host']}" for a in api.get("network", "/v2.0/agents")["agents"] if a["alive"]}


def restore():
    api = Api()
    before = answering(api)
    with open(DUMP) as saved:
        subprocess.run(["mariadb", "-h", CONTROLLER, "-u", "lab", f"-p{PASSWORD}"], stdin=saved, check=True)
    with open(LIFE_NOTE, "a") as note:
        note.write(", databases put back")
    # The dump has old times of last reports: until the next ones everything looks dead.
    wait("what answered before the databases were put back answers again", lambda: before <= answering(api))


def domains_remove(api, profile):
    """Takes away the domains that no instance belongs to, and their devices."""
    known = {s["id"] for s in api.get("compute", "/servers?all_tenants=1")["servers"]}
    for host in api.get("compute", "/os-hypervisors/detail")["hypervisors"]:
        run = lambda command: ssh(host["host_ip"], command) or ""  # noqa: B023, E731
        for domain in run("virsh list --all --name").split():
            if run(f"virsh domuuid {domain}").strip() in known:
                continue
            cards = [row.split()[0][3:] for row in run(f"virsh domiflist {domain}").splitlines()[2:] if row.strip()]
            run(f"virsh destroy {domain}; virsh undefine {domain}")
            for card in cards if profile == "ovs" else []:
                run(f"ovs-vsctl --if-exists del-port br-int qvo{card}; ip link delete qvo{card}; ip link delete qbr{card}")


def namespaces_remove(api):
    """Takes away the namespaces of networks and routers that are not there, with what runs and what is plugged in there."""
    known = {x["id"] for kind in ("networks", "routers") for x in api.get("network", f"/v2.0/{kind}")[kind]}
    computes = [h["host_ip"] for h in api.get("compute", "/os-hypervisors/detail")["hypervisors"]]
    for host in [CONTROLLER] + computes:
        for line in (ssh(host, "ip netns list") or "").splitlines():
            namespace = line.split()[0]
            kind, _, ident = namespace.partition("-")
            if kind not in ("qdhcp", "qrouter") or ident in known:
                continue
            devices = json.loads(ssh(host, f"ip netns exec {namespace} ip -j link show") or "[]")
            ssh(host, f"kill -9 $(ip netns pids {namespace})")
            for device in devices:
                ssh(host, f"ovs-vsctl --if-exists del-port {device['ifname']}")
            ssh(host, f"ip netns delete {namespace} || rm -f /run/netns/{namespace}")


def unmake():
    with open(f"{HOME}/profile") as file:
        profile = file.read().strip()
    admin, alpha = Api(), Api("alpha")
    services = admin.get("compute", "/os-services?binary=nova-compute")["services"]
    for service in services:
        if service["status"] == "disabled":
            admin.put("compute", "/os-services/enable", {"host": service["host"], "binary": "nova-compute"})
    for agent in admin.get("network", "/v2.0/agents")["agents"]:
        if not agent["admin_state_up"]:
            admin.put("network", f"/v2.0/agents/{agent['id']}", {"agent": {"admin_state_up": True}})
    for host in {s["host"] for s in services if s["state"] == "down"}:
        signal(host, "CONT", ["nova-compute"] + [
            a["binary"] for a in admin.get("network", "/v2.0/agents")["agents"] if a["host"] == host and not a["alive"]])
    wait("everything answers", lambda: all(s["state"] == "up" for s in admin.get("compute", "/os-services")["services"]) and all(
        a["alive"] for a in admin.get("network", "/v2.0/agents")["agents"]))
    servers = [s["id"] for s in admin.get("compute", "/servers?all_tenants=1")["servers"] if s["name"].startswith(PREFIX)]
    for ident in servers:
        admin.ask("DELETE", "compute", f"/servers/{ident}")
    wait("the instances are gone", lambda: not any(s["id"] in servers for s in admin.get("compute", "/servers?all_tenants=1")["servers"]))
    for router in alpha.get("network", "/v2.0/routers")["routers"]:
        if is_ours(router):
            for port in alpha.get("network", f"/v2.0/ports?device_id={router['id']}")["ports"]:
                alpha.put("network", f"/v2.0/routers/{router['id']}/remove_router_interface", {"port_id": port["id"]})
            alpha.ask("DELETE", "network", f"/v2.0/routers/{router['id']}")
    for port in alpha.get("network", "/v2.0/ports")["ports"]:
        if is_ours(port):
            alpha.ask("DELETE", "network", f"/v2.0/ports/{port['id']}")
    for network in alpha.get("network", "/v2.0/networks")["networks"]:
        if is_ours(network):
            alpha.ask("DELETE", "network", f"/v2.0/networks/{network['id']}")
    for project in admin.get("identity", "/projects")["projects"]:
        if is_ours(project):
            admin.ask("DELETE", "identity", f"/projects/{project['id']}")
    for aggregate in admin.get("compute", "/os-aggregates")["aggregates"]:
        if is_ours(aggregate):
            for host in aggregate["hosts"]:
                admin.post("compute", f"/os-aggregates/{aggregate['id']}/action", {"remove_host": {"host": host}})
            admin.ask("DELETE", "compute", f"/os-aggregates/{aggregate['id']}")
    for flavor in admin.get("compute", "/flavors")["flavors"]:
        if is_ours(flavor):
            admin.ask("DELETE", "compute", f"/flavors/{flavor['id']}")
    domains_remove(admin, profile)
    namespaces_remove(admin)
    if os.path.exists(LIFE_NOTE):
        os.remove(LIFE_NOTE)


def is_ours(thing):
    return thing["name"].startswith(PREFIX) or (thing.get("description") or "").startswith(PREFIX)
