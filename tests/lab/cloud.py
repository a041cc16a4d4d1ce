"""Asking a lab: its HTTP interfaces, its database, the commands of its hosts. Only the standard library, ssh and the mariadb client are used."""
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

HOME = os.environ.get("LAB_HOME", "/var/lib/openstack-lab")
PASSWORD = os.environ.get("LAB_PASSWORD", "labpass")
MGMT = os.environ.get("LAB_MGMT", "10.20.0")
CONTROLLER = f"{MGMT}.11"
KEY = f"{HOME}/ssh/id_ed25519"
# What an unfriendly life is named by, and its databases before the last changes.
LIFE = "life-"
DUMP = f"{HOME}/life.sql"
# Its seed, and whether the databases were put back, while there is one.
LIFE_NOTE = f"{HOME}/life"


def ssh(address, command):
    """Standard output of a command, run as root; None when it fails."""
    done = subprocess.run(
        ["ssh", "-q", "-i", KEY, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         "-o", "BatchMode=yes", f"root@{address}", command],
        capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else None


def address_of(compute):
    """The management address of compute-N."""
    return f"{MGMT}.{20 + int(compute.rsplit('-', 1)[1])}"


def signal(compute, name, programs):
    """Sends a signal to services of a compute host."""
    for program in programs:
        if ssh(address_of(compute), f"kill -{name} $(cat /run/lab/{program}.pid)") is None:
            raise SystemExit(f"{program} of {compute} takes no signal: it does not run")


def sql(query):
    """Rows of a query, as lists of text."""
    done = subprocess.run(["mariadb", "-h", CONTROLLER, "-u", "reader", f"-p{PASSWORD}", "-N", "-B", "-e", query],
                          capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


class Api:
    """Keystone and what its catalogue names, as the user `admin` of a project."""

    def __init__(self, project="admin"):
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "admin", "domain": {"id": "default"}, "password": PASSWORD}}},
            "scope": {"project": {"name": project, "domain": {"id": "default"}}}}}
        request = urllib.request.Request(f"http://{CONTROLLER}:5000/v3/auth/tokens", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.token = answer.headers["X-Subject-Token"]
            token = json.load(answer)["token"]
        self.project, self.user = token["project"]["id"], token["user"]["id"]
        self.base = {s["type"]: next(e["url"] for e in s["endpoints"] if e["interface"] == "public")
                     for s in token["catalog"] if s["endpoints"]}

    def ask(self, method, service, path, body=None, **headers):
        request = urllib.request.Request(
            self.base[service].rstrip("/") + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"X-Auth-Token": self.token, "Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:500]}")
        return json.loads(text) if text else None

    def get(self, service, path):
        return self.ask("GET", service, path)

    def post(self, service, path, body):
        return self.ask("POST", service, path, body)

    def put(self, service, path, body):
        return self.ask("PUT", service, path, body)


def wait(what, holds, limit_secs=240):
    """Asks until `holds()` gives something, and gives that."""
    end = time.monotonic() + limit_secs
    while not (found := holds()):
        if time.monotonic() > end:
            raise SystemExit(f"gave up after {limit_secs} s: {what}")
        time.sleep(1)
    return found
