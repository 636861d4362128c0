#!/usr/bin/env python3
"""A double of a BIG-IP, as far as incline asks one: tokens, AS3's declare and its tasks, iControl REST collections that are made of
declarations and that a test may edit behind our back, and the errors that the real one is known to give. It was written from F5's
documentation and sources; no real device was at hand.

usage: bigip.py ADDRESS PORT CERTIFICATE KEY [FOLDER]

With FOLDER, haproxy carries real traffic for the virtual servers that have a pool; it keeps its files there. What a test does to the
double goes through /test: `faults` (an object, merged), `edit` ({collection, id, patch}, or `delete`), `log`.
"""
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOCK = threading.RLock()
DAY = 86400

# What stands in /Common of every device, or was put there by its people.
COMMON = {
    "/Common/f5-secure", "/Common/_sys_https_redirect", "/Common/viewer.lakeside.key", "/Common/clinic-waf",
}
CERTIFICATES = {
    "/Common/viewer.lakeside.crt": int(time.time()) + 300 * DAY,
    "/Common/lakeside-ca.crt": int(time.time()) + 3000 * DAY,
}
MONITORS = {"https": "ltm/monitor/https", "tcp": "ltm/monitor/tcp", "icmp": "ltm/monitor/gateway-icmp"}
PROFILES = {"Service_L4": "fastL4", "Service_TCP": "tcp", "Service_UDP": "udp", "Service_HTTP": "http", "Service_HTTPS": "http"}


class World:
    def __init__(self):
        self.tokens = {}
        self.tasks = {}
        self.declared = {}
        self.partitions = {"Common"}
        self.collections = {}
        self.log = []
        self.faults = {"failover": "ACTIVE", "timeout": 1200, "locked": 0, "slow": 0, "version": "3.56.0"}

    def drop(self, tenant):
        for items in self.collections.values():
            items[:] = [item for item in items if item["partition"] != tenant]

    def add(self, collection, tenant, application, name, body):
        path = f"/{tenant}/{application}/{name}"
        item = {"name": name, "partition": tenant, "subPath": application, "fullPath": path, **body}
        self.collections.setdefault(collection, []).append(item)


class Traffic:
    """haproxy with a frontend for each virtual server. A new configuration takes the sockets of the old process over, which ends with
    its last connection: nobody is turned away."""

    def __init__(self, folder):
        self.folder = folder and os.path.abspath(folder)
        self.running = None

    def load(self, collections):
        if self.folder is None:
            return
        control, file = os.path.join(self.folder, "haproxy.sock"), os.path.join(self.folder, "haproxy.cfg")
        lines = [
            "global", f"  stats socket {control} level admin expose-fd listeners",
            "defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 60s", "  timeout server 60s", "  option redispatch",
        ]
        pools = {pool["fullPath"]: pool for pool in collections.get("ltm/pool", [])}
        for virtual in collections.get("ltm/virtual", []):
            if "pool" not in virtual or virtual["ipProtocol"] != "tcp" or virtual["destination"].endswith("/0.0.0.0:0"):
                continue
            name = virtual["fullPath"].strip("/").replace("/", "-")
            pool = pools[virtual["pool"]]
            lines += [f"frontend {name}", f"  bind {virtual['destination'].rsplit('/', 1)[1]}"]
            lines += [f"  tcp-request connection reject unless {{ src {virtual['source']} }}", f"  default_backend {name}"]
            balance = "leastconn" if pool["loadBalancingMode"].startswith("least") else "roundrobin"
            lines += [f"backend {name}", f"  balance {balance}"]
            for member in pool["membersReference"]["items"]:
                # A member that is disabled keeps the connections that it has: haproxy's weight 0.
                weight = 0 if member["session"] == "user-disabled" else 1
                lines.append(f"  server {member['name'].replace(':', '-')} {member['name']} weight {weight}")
        with open(file, "w") as out:
            out.write("\n".join(lines) + "\n")
        command = ["haproxy", "-db", "-f", file]
        if self.running is not None:
            command += ["-x", control, "-sf", str(self.running.pid)]
        with open(os.path.join(self.folder, "haproxy.log"), "a") as log:
            new = subprocess.Popen(command, stdout=log, stderr=log)
        with open(os.path.join(self.folder, "haproxy.pids"), "a") as pids:
            pids.write(f"{new.pid}\n")
        until = time.time() + 5
        while time.time() < until and self.who(control) != new.pid:
            time.sleep(0.02)
        # The old one is told to let go of its listeners once the new one has them.
        time.sleep(0.3)
        self.running = new

    @staticmethod
    def who(path):
        """The process that answers on haproxy's own socket."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(b"show info\n")
                answer = b""
                while part := connection.recv(4096):
                    answer += part
        except OSError:
            return None
        return next((int(line[5:]) for line in answer.decode().splitlines() if line.startswith("Pid: ")), None)


WORLD = World()
TRAFFIC = Traffic(sys.argv[5] if len(sys.argv) > 5 else None)


class Invalid(Exception):
    pass


def refer(value, known, place):
    """The path that a reference leads to, if it leads anywhere."""
    if isinstance(value, dict) and "bigip" in value:
        path = value["bigip"]
        if path not in COMMON and path not in CERTIFICATES:
            raise Invalid(f"{place}: Unable to find {path} for {place}")
        return path
    name = value["use"] if isinstance(value, dict) else value
    if name not in known:
        raise Invalid(f"{place}: contains path to non-existent object {name}")
    return name


def make(world, tenant, declaration):
    """The objects that a device makes of a tenant. AS3's defaults stand wherever nothing is declared."""
    for application, body in declaration.items():
        if not isinstance(body, dict):
            continue
        if body.get("class") != "Application":
            raise Invalid(f"/{tenant}/{application}: is no application")
        here = {name: item for name, item in body.items() if isinstance(item, dict)}
        for name, item in here.items():
            place = f"/{tenant}/{application}/{name}"
            add = lambda collection, what, called=name: world.add(collection, tenant, application, called, what)
            path = lambda value, key: f"/{tenant}/{application}/{refer(value, here, place + '/' + key)}"
            kind = item["class"]
            if kind == "Monitor":
                monitor = {"interval": item.get("interval", 5), "timeout": item.get("timeout", 16)}
                if item["monitorType"] != "icmp":
                    monitor["send"] = item.get("send", "HEAD / HTTP/1.0\\r\\n\\r\\n") or "none"
                    monitor["recv"] = item.get("receive", "HTTP/1.") or "none"
                add(MONITORS[item["monitorType"]], monitor)
            elif kind == "Pool":
                members = []
                for group in item.get("members", []):
                    for address in group["serverAddresses"]:
                        off = group.get("adminState", "enable") != "enable"
                        members.append({
                            "name": f"{address}:{group['servicePort']}", "address": address,
                            "partition": "Common" if group.get("shareNodes") else tenant,
                            "session": "user-disabled" if off else "monitor-enabled", "state": "up",
                        })
                if len({member["name"] for member in members}) != len(members):
                    raise Invalid(f"{place}/members: must not have duplicates")
                monitors = [path(one, "monitors") for one in item.get("monitors", [])]
                add("ltm/pool", {
                    "loadBalancingMode": item.get("loadBalancingMode", "round-robin"),
                    "serviceDownAction": item.get("serviceDownAction", "none"),
                    "monitor": " and ".join(monitors) + " " * bool(monitors),
                    "membersReference": {"items": members},
                })
            elif kind in PROFILES:
                at = item["virtualAddresses"][0]
                address, source = at if isinstance(at, list) else (at, "0.0.0.0/0")
                persist = item.get("persistenceMethods", ["source-address"])
                profiles = [{"name": PROFILES[kind], "partition": "Common", "fullPath": f"/Common/{PROFILES[kind]}", "context": "all"}]
                for key, side in (("serverTLS", "clientside"), ("clientTLS", "serverside")):
                    if key in item:
                        profiles.append({"name": item[key], "partition": tenant, "fullPath": path(item[key], key), "context": side})
                virtual = {
                    "destination": f"/{tenant}/{address}:{item['virtualPort']}", "source": source,
                    "ipProtocol": "udp" if kind == "Service_UDP" else "tcp", "enabled": True,
                    "sourceAddressTranslation": {"type": {"auto": "automap"}.get(item.get("snat", "auto"), item.get("snat"))},
                    "profilesReference": {"items": profiles},
                }
                if persist:
                    virtual["persist"] = [{"name": {"source-address": "source_addr"}.get(persist[0], persist[0]), "partition": "Common"}]
                if "pool" in item:
                    virtual["pool"] = path(item["pool"], "pool")
                if item.get("iRules"):
                    virtual["rules"] = [refer(rule, here, place + "/iRules") for rule in item["iRules"]]
                if "policyWAF" in item:
                    refer(item["policyWAF"], here, place + "/policyWAF")
                if "sourceAddress" in item:
                    if isinstance(at, list):
                        raise Invalid(f"{place}: cannot use sourceAddress with a pair in virtualAddresses")
                    criteria = f"{name}_VS_TMC_OBJ"
                    add("ltm/traffic-matching-criteria", {
                        "destinationAddressInline": address, "destinationPortInline": str(item["virtualPort"]),
                        "protocol": virtual["ipProtocol"], "sourceAddressList": path(item["sourceAddress"], "sourceAddress"),
                    }, criteria)
                    virtual["trafficMatchingCriteria"] = f"/{tenant}/{application}/{criteria}"
                    virtual["destination"] = f"/{tenant}/0.0.0.0:0"
                for other in world.collections.get("ltm/virtual", []):
                    same = all(other[key] == virtual[key] for key in ("source", "ipProtocol"))
                    if same and other["destination"].rsplit("/", 1)[1] == virtual["destination"].rsplit("/", 1)[1] != "0.0.0.0:0":
                        raise Invalid(f"01070333:3: Virtual Server {place} illegally shares destination address, source address, service port, ip-protocol, and vlan with Virtual Server {other['fullPath']}.")
                add("ltm/virtual", virtual)
                if kind == "Service_HTTPS" and item.get("redirect80", True):
                    add("ltm/virtual", {**virtual, "destination": f"/{tenant}/{address}:80", "rules": ["/Common/_sys_https_redirect"]}, f"{name}-Redirect-")
            elif kind == "Net_Address_List":
                add("net/address-list", {"addresses": [{"name": address} for address in item["addresses"]]})
            elif kind == "Certificate":
                refer(item["certificate"], here, place + "/certificate")
                refer(item["privateKey"], here, place + "/privateKey")
            elif kind in ("TLS_Server", "TLS_Client"):
                refused = [("ssl3Enabled", "no-sslv3"), ("tls1_0Enabled", "no-tlsv1"), ("tls1_1Enabled", "no-tlsv1.1")]
                options = [option for key, option in refused if not item.get(key, True)]
                profile = {"tmOptions": "{ dont-insert-empty-fragments " + " ".join(options) + " }"}
                if "cipherGroup" in item:
                    profile["cipherGroup"] = refer(item["cipherGroup"], here, place + "/cipherGroup")
                if item.get("tls1_3Enabled") and "cipherGroup" not in item:
                    raise Invalid(f"{place}: TLS 1.3 takes a cipher group")
                if kind == "TLS_Server":
                    certificate = here[refer(item["certificates"][0]["certificate"], here, place)]
                    profile["certKeyChain"] = [{
                        "name": "set0", "cert": certificate["certificate"]["bigip"], "key": certificate["privateKey"]["bigip"],
                    }]
                    add("ltm/profile/client-ssl", profile)
                else:
                    profile["caFile"] = refer(item["trustCA"], here, place + "/trustCA")
                    profile["peerCertMode"] = "require" if item.get("validateCertificate") else "ignore"
                    profile["authenticateName"] = item.get("serverName", "none")
                    add("ltm/profile/server-ssl", profile)
            else:
                raise Invalid(f"{place}/class: should be equal to one of the allowed values")


def declare(tenant, body):
    """One tenant, all of it or nothing; and /Common, where its nodes are, before it."""
    entry = {"host": "localhost", "tenant": tenant, "runTime": 7}
    if WORLD.faults.get("fail"):
        entry |= {"code": 422, "message": "declaration failed", "response": WORLD.faults.pop("fail")}
        return 207, {"results": [{"code": 200, "message": "success", "tenant": "Common", "host": "localhost", "runTime": 3}, entry]}
    before = {name: list(items) for name, items in WORLD.collections.items()}
    WORLD.drop(tenant)
    try:
        if body is not None:
            make(WORLD, tenant, body)
    except Invalid as error:
        WORLD.collections = before
        if str(error).startswith("01"):
            entry |= {"code": 422, "message": "declaration failed", "response": str(error)}
            return 422, {"results": [entry]}
        return 422, {"code": 422, "message": "declaration is invalid", "errors": [str(error)], "declarationFullId": ""}
    if body is None:
        WORLD.declared.pop(tenant, None)
        WORLD.partitions.discard(tenant)
    else:
        WORLD.declared[tenant] = body
        WORLD.partitions.add(tenant)
    TRAFFIC.load(WORLD.collections)
    return 200, {"results": [entry | {"code": 200, "message": "success", "lineCount": 25, "declarationId": "x"}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def error(self, status, message):
        self.answer(status, {"code": status, "message": message, "errorStack": [], "apiError": 3})

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        body = json.loads(text) if text else None
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        with LOCK:
            if url.path.startswith("/test/"):
                return self.test(url.path[6:], body)
            WORLD.log.append({"method": self.command, "path": self.path, "body": body if "login" not in url.path else None})
            if WORLD.faults.get("dead"):
                self.close_connection = True
                return None
            if url.path == "/mgmt/shared/authn/login":
                return self.login(body)
            token = self.headers.get("X-F5-Auth-Token")
            if WORLD.tokens.get(token, 0) < time.time():
                return self.error(401, "X-F5-Auth-Token does not exist.")
            return self.signed_in(url.path, query, body)

    do_GET = do_POST = do_DELETE = do_PATCH = handle_one

    def login(self, body):
        if (body["username"], body["password"]) != ("incline", "pa55-wörd"):
            return self.error(401, "Authentication failed.")
        now = time.time()
        if sum(until > now for until in WORLD.tokens.values()) >= 100:
            return self.error(400, "user incline has reached maximum active login tokens")
        token = secrets.token_hex(13).upper()
        WORLD.tokens[token] = now + WORLD.faults["timeout"]
        return self.answer(200, {"token": {"token": token, "timeout": WORLD.faults["timeout"]}})

    def signed_in(self, path, query, body):
        if path.startswith("/mgmt/shared/authz/tokens/") and self.command == "DELETE":
            WORLD.tokens.pop(path.rsplit("/", 1)[1], None)
            return self.answer(200, {})
        if path.startswith("/mgmt/shared/appsvcs/"):
            if WORLD.faults["version"] is None:
                return self.error(404, "Public URI path no registered")
            return self.as3(path.removeprefix("/mgmt/shared/appsvcs/"), query, body)
        if self.command != "GET":
            return self.error(400, "the double only reads here")
        rest = path.removeprefix("/mgmt/tm/")
        if rest == "cm/failover-status":
            status = {"nestedStats": {"entries": {"status": {"description": WORLD.faults["failover"]}}}}
            return self.answer(200, {"entries": {"https://localhost/mgmt/tm/cm/failover-status/0": status}})
        if rest.startswith("sys/provision/"):
            return self.answer(200, {"name": rest.rsplit("/", 1)[1], "level": WORLD.faults.get("level", "nominal")})
        if rest.startswith("auth/partition/"):
            name = rest.rsplit("/", 1)[1]
            if name not in WORLD.partitions:
                return self.error(404, f"01020036:3: The requested folder (/{name}) was not found.")
            return self.answer(200, {"name": name})
        if rest.startswith("sys/file/ssl-cert/"):
            name = rest.rsplit("/", 1)[1].replace("~", "/")
            if name not in CERTIFICATES:
                return self.error(404, f"01020036:3: The requested certificate file ({name}) was not found.")
            return self.answer(200, {"name": name, "expirationDate": CERTIFICATES[name]})
        if rest.startswith("ltm/pool/~") and rest.endswith("/members/stats"):
            pool = rest.split("/")[2].replace("~", "/")
            items = [item for item in WORLD.collections.get("ltm/pool", []) if item["fullPath"] == pool]
            if not items:
                return self.error(404, f"01020036:3: The requested pool ({pool}) was not found.")
            connections = WORLD.faults.get("connections", {})
            return self.answer(200, {"entries": {
                f"https://localhost/mgmt/tm/{rest}/{member['name']}": {"nestedStats": {"entries": {
                    "addr": {"description": member["address"]}, "serverside.curConns": {"value": connections.get(member["address"], 0)},
                }}} for member in items[0]["membersReference"]["items"]
            }})
        wanted = query.get("$filter", "").removeprefix("partition eq ")
        items = [item for item in WORLD.collections.get(rest, []) if item["partition"] == wanted]
        return self.answer(200, {"kind": f"tm:{rest}", "items": items} if items else {"kind": f"tm:{rest}"})

    def as3(self, path, query, body):
        if path == "info":
            return self.answer(200, {"version": WORLD.faults["version"], "release": "1", "schemaCurrent": "3.56.0", "schemaMinimum": "3.0.0"})
        if path.startswith("task/"):
            task = WORLD.tasks.get(path[5:])
            if task is None:
                return self.error(404, f"No record found with ID of {path[5:]}")
            if time.time() < task["until"]:
                return self.answer(200, {"id": path[5:], "results": [{"message": "in progress", "code": 0, "tenant": "", "host": "", "runTime": 0}], "declaration": {}})
            if "done" not in task:
                task["done"] = declare(task["tenant"], task["body"])[1]
            return self.answer(200, {"id": path[5:], **task["done"]})
        tenant = path.removeprefix("declare").strip("/")
        if self.command == "GET":
            body = WORLD.declared.get(tenant)
            if body is None:
                return self.answer(204)
            return self.answer(200, {"class": "ADC", "schemaVersion": "3.50.0", tenant: body})
        if WORLD.faults["locked"] > 0:
            WORLD.faults["locked"] -= 1
            return self.error(503, "Configuration operation in progress on device, please try again in 2 minutes")
        inner = None
        if self.command == "POST":
            inner = body["declaration"].get(tenant)
            if inner is None or inner.get("class") != "Tenant":
                return self.answer(422, {"code": 422, "message": "declaration is invalid", "errors": [f"/{tenant}: should have required property 'class'"], "declarationFullId": ""})
        if query.get("async") == "true" or WORLD.faults["slow"]:
            task = f"task-{len(WORLD.tasks)}"
            WORLD.tasks[task] = {"until": time.time() + WORLD.faults["slow"], "tenant": tenant, "body": inner}
            return self.answer(202, {
                "id": task, "results": [{"message": "Declaration successfully submitted", "tenant": "", "runTime": 0, "code": 0, "host": ""}],
                "declaration": {}, "selfLink": f"https://localhost/mgmt/shared/appsvcs/task/{task}",
            })
        return self.answer(*declare(tenant, inner))

    def test(self, what, body):
        if what == "log":
            return self.answer(200, {"requests": WORLD.log, "tokens": len(WORLD.tokens)})
        if what == "faults":
            if body.pop("expire", False):
                WORLD.tokens.clear()
            if body.pop("forget", False):
                WORLD.tasks.clear()
            CERTIFICATES.update(body.pop("certificates", {}))
            WORLD.partitions.update(body.pop("partitions", []))
            WORLD.collections.setdefault("ltm/virtual", []).extend(body.pop("virtuals", []))
            WORLD.faults.update(body)
            return self.answer(200, {})
        for item in list(WORLD.collections[body["collection"]]):
            if item["fullPath"] == body["id"]:
                if "member" in body:
                    item = next(one for one in item["membersReference"]["items"] if one["name"] == body["member"])
                if body.get("delete"):
                    WORLD.collections[body["collection"]].remove(item)
                item.update(body.get("patch", {}))
                return self.answer(200, item)
        return self.error(404, "there is no such object")


def main():
    address, port, certificate, key = sys.argv[1:5]
    server = ThreadingHTTPServer((address, int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
