"""Run a resolver and the only server that it queries, which records the source ports and IDs of the queries.

    fence_inside.py BUILD FOLDER LAB [no-fence | altname | default-route | few-ports | narrow-system]

LAB is the value of `lab` in the configuration.  Must run in its own network namespace.  Print one line of JSON: whether
the resolver started, its exit status, the answers to 600 queries, the ports and IDs, and the log.
"""
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import dns.message
import dns.rrset

from fence import ip, put_fence

build, folder, lab, *how = sys.argv[1:]
folder = Path(folder)


if "no-fence" in how:
    ip("link", "set", "lo", "up")
else:
    put_fence("lab0" if "altname" in how else "rl-fence")
if "default-route" in how:
    ip("route", "add", "default", "dev", "rl-fence", "table", "77")
if "narrow-system" in how:
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 41999")
seen = []


def serve(s):
    while True:
        wire, client = s.recvfrom(4096)
        query = dns.message.from_wire(wire)
        seen.append((client[1], query.id))
        reply = dns.message.make_response(query)
        reply.flags |= 0x400
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.7"))
        s.sendto(reply.to_wire(), client)


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.1" if "no-fence" not in how else "127.0.0.1", 53))
threading.Thread(target=serve, args=(server,), daemon=True).start()
(folder / "hints").write_text(". 3600 NS ns.invalid.\nns.invalid. 3600 A 192.0.2.1\n")
(folder / "resolver.yaml").write_text(f"server: {{listen: [127.0.0.1@5300], workers: 4}}\nlab: {lab}\n"
                                      "resolver: {root-hints: hints, trust-anchor: '', ipv6: false, priming: false" +
                                      (", outgoing-ports: [40000-41999]" if "few-ports" in how else "") + "}\n"
                                      "cache: {directory: cache, size: 16M}\n")
log = open(folder / "log", "wb")
resolver = subprocess.Popen([build + "/rootline-resolver", "-c", folder / "resolver.yaml"], stderr=log, stdout=log)
end = time.monotonic() + 20
while time.monotonic() < end and resolver.poll() is None and b"ready on" not in (folder / "log").read_bytes():
    time.sleep(0.02)
started = resolver.poll() is None
answered = 0
if started:
    for i in range(600):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect(("127.0.0.1", 5300))
            s.send(dns.message.make_query(f"x{i}.", "A").to_wire())
            answered += len(dns.message.from_wire(s.recv(4096)).answer)
    resolver.terminate()
    resolver.wait(20)
print(json.dumps({"started": started, "status": resolver.poll(), "answered": answered, "ports": [p for p, _ in seen],
                  "ids": [n for _, n in seen], "log": (folder / "log").read_text(errors="replace")}))
