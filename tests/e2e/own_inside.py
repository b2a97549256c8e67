"""Run a resolver among delegations whose glue has addresses of this machine, and count the packets to port 53.

    own_inside.py BUILD FOLDER LISTEN

LISTEN is the resolver's `listen`, in YAML; 192.0.2.9@53 is among it.  Must run in its own network namespace.  Print one
line of JSON: for each name the RCODE, the number of answers, and the packets to each server address.
"""
import json
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import dns.message
import dns.query
import dns.rcode

from inside import start

build, folder, listen = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


def serve(name, address, zone, text):
    """Start rootline-authd with one zone."""
    (folder / f"{name}.zone").write_text("$TTL 3600\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n" + text)
    (folder / f"{name}.yaml").write_text(f'server: {{listen: ["{address}"], control: "", workers: 1}}\n'
                                         f"zones: [{{zone: {zone}, file: {name}.zone}}]\n")
    return start([build / "rootline-authd", "-c", folder / f"{name}.yaml"], folder / f"{name}.log", "ready on")


def packets():
    """Return {address: packets to its port 53} since the last call, without those of the client."""
    counts = {}
    while select.select([tap], [], [], 0.2)[0]:
        frame, about = tap.recvfrom(2000)
        if about[2] != socket.PACKET_OUTGOING:
            continue
        kind = int.from_bytes(frame[12:14], "big")
        if kind == 0x800:
            protocol, at, to = frame[23], 34, socket.inet_ntoa(frame[30:34])
        elif kind == 0x86dd:
            protocol, at, to = frame[20], 54, socket.inet_ntop(socket.AF_INET6, frame[38:54])
        else:
            continue
        if protocol in (6, 17) and frame[at + 2:at + 4] == b"\0\x35" and to != "192.0.2.9":
            counts[to] = counts.get(to, 0) + 1
    return counts


def ask(name):
    reply = dns.query.udp(dns.message.make_query(name, "A"), "192.0.2.9", timeout=20)
    return {"rcode": dns.rcode.to_text(reply.rcode()), "answers": len(reply.answer), "asked": packets()}


ip("link set lo up")
for address in ("192.0.2.9/32", "192.0.2.77/32", "192.0.2.78/32", "192.0.2.79/32", "198.51.100.1/32"):
    ip(f"addr add {address} dev lo")
for address in ("2001:db8::9/128", "2001:db8::10/128"):
    ip(f"addr add {address} dev lo nodad")
ip("route add local 192.0.2.128/25 dev lo")  # AnyIP: local addresses that no interface has
Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")  # a router has the anycast address of each network
ip("link add rl0 type veth peer name rl1")
ip("link set rl0 up")
ip("link set rl1 up")
ip("addr add 2001:db8:1::1/64 dev rl0 nodad")
for address in ("203.0.113.5", "203.0.113.6", "192.0.2.79"):  # in use while the machine does not have the address
    ip(f"route add {address} dev rl0 src 192.0.2.9")
    ip(f"neigh add {address} lladdr 02:00:00:00:00:01 dev rl0")
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))

GLUE = {"v4": "192.0.2.77", "v6": "2001:db8::10", "client": "192.0.2.9", "added": "203.0.113.5", "away": "203.0.113.6",
        "removed": "192.0.2.79", "beside": "192.0.2.78", "routed": "192.0.2.200", "anycast": "2001:db8:1::"}
delegations = "".join(f"{name} NS ns.{name}\nns.{name} {'AAAA' if ':' in address else 'A'} {address}\n"
                      for name, address in GLUE.items())
running = [serve("parent", "198.51.100.1@5399", "test.", "ns A 198.51.100.1\n" + delegations)]
(folder / "hints").write_text(". 3600 NS ns.test.\nns.test. 3600 A 198.51.100.1\n")
(folder / "resolver.yaml").write_text(f"""server: {{listen: {listen}, control: "", workers: 1}}
allow: [0.0.0.0/0, "::/0"]
resolver: {{root-hints: hints, trust-anchor: "", ipv6: true}}
stub-zones: [{{zone: test, servers: [198.51.100.1@5399]}}]
cache: {{size: 16M, directory: {folder / "cache"}}}
""")
if listen.count("192.0.2.9"):  # a second server on this machine, on another address
    running.append(serve("beside", "192.0.2.78@53", "beside.test.", "ns A 192.0.2.78\n"))
running.append(start([build / "rootline-resolver", "-c", folder / "resolver.yaml"], folder / "resolver.log",
                     "ready on"))
packets()

found = {name: ask(f"ns.{name}.test") for name in ("v4", "v6", "client", "beside", "routed", "anycast")}
found["away"] = ask("ns.away.test")
ip("route del 203.0.113.5 dev rl0")
ip("addr add 203.0.113.5/32 dev lo")
ip("addr del 192.0.2.79/32 dev lo")
time.sleep(0.5)  # netlink tells the resolver of the change
found["added"] = ask("ns.added.test")
found["removed"] = ask("ns.removed.test")
for process in reversed(running):
    process.terminate()
    assert process.wait(30) == 0
print(json.dumps(found))
