"""Scans the lab through the REST interface: rest.py BASE ADMIN_PASSWORD DRIVER MANAGEMENT KNOWN_HOSTS FOLDER.

Logs in, adds the lab as an environment unless it is there already, tests its connections, submits a scan, follows it by events, and reads back every
object, link and clique, whole, into FOLDER. The lab's password comes in LAB_PASSWORD.
"""
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Api:
    def __init__(self, base, password):
        self.base, self.headers = base, {"content-type": "application/json"}
        self.headers["x-auth-token"] = self.ask("/auth/tokens", {"username": "admin", "password": password})["token"]

    def open(self, path, body=None, **query):
        url = f"{self.base}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            return urllib.request.urlopen(urllib.request.Request(url, data, self.headers), timeout=120)
        except urllib.error.HTTPError as error:
            sys.exit(f"{url}: {error.code} {error.read().decode()}")

    def ask(self, path, body=None, **query):
        with self.open(path, body, **query) as answer:
            return json.load(answer)

    def pages(self, path, key, **query):
        answer = self.ask(path, page_size=50, **query)
        while True:
            yield from answer[key]
            if "next" not in answer:
                return
            answer = self.ask(path, page_size=50, cursor=answer["next"], **query)


def main(base, password, driver, management, known_hosts, folder):
    api, secret = Api(base, password), os.environ["LAB_PASSWORD"]
    lab = {
        "name": "lab", "distribution": "Debian", "distribution_version": "zed",
        "mechanism_drivers": [driver], "type_drivers": ["vxlan"],
        "connections": {
            "openstack": {"auth_url": f"http://{management}.11:5000/v3", "password": secret},
            "database": {"host": f"{management}.11", "user": "reader", "password": secret},
            "hosts": {"host": f"{management}.11", "user": "lab", "password": secret, "known_hosts": known_hosts}}}
    if not any(e["name"] == "lab" for e in api.pages("/environment_configs", "environment_configs")):
        api.ask("/environment_configs", lab)
    test = api.ask("/connection_tests", {"env_name": "lab"})["id"]
    for _ in range(120):
        tested = api.ask(f"/connection_tests/{test}")
        if tested["status"] == "response":
            break
        time.sleep(0.5)
    print("connections:", json.dumps(tested["test_results"]))
    if not tested["test_results"] or not all(tested["test_results"].values()):
        sys.exit(f"connections do not work: {tested['errors']}")
    with api.open("/events", env_name="lab") as events:
        scan = api.ask("/scans", {"env_name": "lab"})["id"]
        for line in events:
            if line.startswith(b"data: "):
                data = json.loads(line[6:])
                if "progress" in data:
                    print("scan:", data["status"], json.dumps(data["progress"]))
                if data.get("id") == scan and data.get("end_timestamp"):
                    break
    done = api.ask(f"/scans/{scan}")
    if done["status"] != "completed":
        sys.exit(f"the scan is {done['status']}: {done.get('error')}")
    for name, whole in [
        ("objects", lambda found: api.ask("/inventory", env_name="lab", id=found["id"], type=found["type"])),
        ("links", lambda found: api.ask("/links", env_name="lab", id=found["id"])),
        ("cliques", lambda found: api.ask("/cliques", env_name="lab", id=found["id"])),
    ]:
        path = "/inventory" if name == "objects" else f"/{name}"
        with open(f"{folder}/{name}.json", "w") as out:
            json.dump([whole(found) for found in api.pages(path, name, env_name="lab")], out)


if __name__ == "__main__":
    main(*sys.argv[1:7])
