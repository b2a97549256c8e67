"""A resolver with defences switched off, and the server that it queries, in a network that packets cannot leave.

    weak_inside.py FOLDER SCENARIO

Must run in its own network namespace.  Exit with status 0 if the resolver behaves.
"""
import base64
import json
import os
import pty
import socket
import subprocess
import sys
import time
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode

import jsonschema

import lab
import signing
from fence import ip, put_fence
from scripted import Scripted, respond

folder, scenario = Path(sys.argv[1]), sys.argv[2]
SERVER = "192.0.2.1"
seen = []


class Resolver(lab.Server):
    def __init__(self, switches, anchor='""', stub=53):
        self.port, self.socket, self.conf = 5300, folder / "resolver.sock", folder / "resolver.yaml"
        (folder / "hints").write_text(f". 3600 NS ns.invalid.\nns.invalid. 3600 A {SERVER}\n")
        self.anchor, self.stub = anchor, stub
        self.configure(switches)
        super().__init__([lab.BUILD / "rootline-resolver", "-c", self.conf], folder / "log")
        self.started(self.wait_for, "ready on ")

    def configure(self, switches):
        self.conf.write_text(f"server: {{listen: [127.0.0.1@5300], workers: 1, control: {self.socket}}}\n"
                             f"lab: {switches}\ncache: {{directory: cache, size: 16M}}\n"
                             f"resolver: {{root-hints: hints, trust-anchor: {self.anchor}, ipv6: false, "
                             f"priming: false, outgoing-port: {self.stub}, do-not-query: []}}\n")

    def ask(self, name, rdtype="A", call=dns.query.udp, **kw):
        kw.setdefault("use_edns", 0)
        return call(dns.message.make_query(name, rdtype, **kw), "127.0.0.1", port=self.port, timeout=10)

    def command(self, *args):
        done = lab.run(lab.ROOTLINE, *args, "--socket", self.socket)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def as_json(self, *args):
        value = json.loads(self.command(*args, "--json"))
        schema = "rejected" if "--rejected" in args else args[0]
        jsonschema.validate(value, json.loads((lab.SOURCE / f"docs/schema/{schema}.json").read_text()))
        return value

    def control(self, **request):
        return control(self.socket, **request)


def control(path, **request):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(s.makefile().readline())


def answer(query, is_tcp):
    seen.append(query)
    name = query.question[0].name
    if name.to_text().lower().startswith("no"):
        reply = respond(query, authority=[(".", 60, "IN", "SOA", "ns.invalid. x. 1 2 3 4 5")])
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
    if name.to_text().lower().startswith("large") and not is_tcp:
        return respond(query, answer=[(name, 300, "IN", "TXT", *(f'"{i} {"x" * 200}"' for i in range(12)))])
    return respond(query, answer=[(name, 300, "IN", "A", "192.0.2.7")])


def reasons(reply):
    """Return the extended errors of an answer: (code, text)."""
    return [(int(o.code), o.text or "") for o in reply.options if isinstance(o, dns.edns.EDEOption)]


def add_default_route():
    ip("route", "add", "default", "dev", "rl-fence")


def route():
    """A route that leads out stops a weakened resolver within a second and a bit, with the reason in the log."""
    resolver = Resolver("{bailiwick: false}")
    assert resolver.ask("a.").answer
    time.sleep(1.5)  # two checks that find nothing
    assert resolver.process.poll() is None
    add_default_route()
    added = time.monotonic()
    while resolver.process.poll() is None and time.monotonic() < added + 10:
        time.sleep(0.02)
    took = time.monotonic() - added
    assert resolver.process.poll() == 1, resolver.log()
    assert took < 5 and "stopping: a defence is switched off" in resolver.log()
    assert "there is a default route" in resolver.log() and "stopped" in resolver.log()


def route_of_a_strong_one():
    resolver = Resolver("{}")
    add_default_route()
    time.sleep(2.2)
    assert resolver.process.poll() is None and resolver.ask("a.").answer
    resolver.configure("{cookies: false}")
    assert lab.run(lab.ROOTLINE, "reload", "--socket", resolver.socket).returncode == 1
    assert reasons(resolver.ask("a.")) == []
    assert resolver.stop() == 0


def notice():
    """Each answer with OPT names what is off: fresh, from the cache, from the answer cache, errors, UDP and TCP."""
    text = "laboratory: random-port, bailiwick off"
    resolver = Resolver("{random-port: false, bailiwick: false}")
    assert f"{text}: for a laboratory only" in resolver.log()
    for call in dns.query.udp, dns.query.tcp:
        for name in "a.", "no." if call is dns.query.udp else "no.b.":
            for i in range(6):
                reply = resolver.ask(name, call=call)
                assert reasons(reply) == [(0, text)], (name, i, reply)
                assert reply.rcode() == (dns.rcode.NXDOMAIN if name.startswith("no") else dns.rcode.NOERROR)
        assert resolver.ask("a.", call=call, use_edns=-1).edns == -1
        transfer = resolver.ask("a.", "TKEY", call=call)
        assert reasons(transfer) == [(0, "this type cannot be queried"), (0, text)], transfer
        assert reasons(resolver.ask("localhost.", call=call))[-1] == (0, text)
    assert resolver.as_json("stats")["answer-cache-hits"] > 0
    status = resolver.as_json("status")
    assert status["defences-off"] == ["random-port", "bailiwick"] and status["entropy"]["fixed-port"] == 33333
    assert resolver.command("status").splitlines()[1] == "DEFENCES OFF: random-port, bailiwick"
    assert "\x1b[1;31mDEFENCES OFF: " in on_terminal(resolver, "status")
    resolver.configure("{}")
    resolver.command("reload")
    assert reasons(resolver.ask("a.")) == [] and reasons(resolver.ask("c.")) == []
    status = resolver.as_json("status")
    assert status["defences-off"] == [] and "fixed-port" not in status["entropy"]
    assert "DEFENCES" not in resolver.command("status")
    resolver.configure("{cookies: false}")
    resolver.command("reload")
    assert "laboratory: cookies off: for a laboratory only" in resolver.log()
    assert reasons(resolver.ask("a.")) == [(0, "laboratory: cookies off")]
    assert resolver.stop() == 0


def on_terminal(resolver, *args):
    """Run a command of `rootline` on a terminal; return what it writes there."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    done = subprocess.run([lab.ROOTLINE, *args, "--socket", resolver.socket], stdout=theirs, timeout=20,
                          env={**env, "TERM": "xterm"})
    os.close(theirs)
    assert done.returncode == 0
    return os.read(ours, 65536).decode()


def many_notices():
    """All switches at once; a small answer over UDP has room for the notice."""
    names = [line.split('"')[1] for line in (lab.SOURCE / "resolver/policy/defences.def").read_text().splitlines()
             if line.startswith("DEFENCE(")]
    resolver = Resolver("{" + ", ".join(f"{name}: false" for name in names) + "}")
    for i in range(3):
        reply = resolver.ask("a.", payload=512)
        assert reasons(reply) == [(0, f"laboratory: {', '.join(names)} off")] and reply.answer
    assert resolver.as_json("status")["defences-off"] == names
    assert resolver.stop() == 0


def source():
    """Without `source` a reply from another port of the server is accepted, from a socket that is not connected."""
    elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    elsewhere.bind((SERVER, 5353))

    plain_send = server.udp

    class Sideways:
        def __getattr__(self, key):
            return getattr(plain_send, key)

        def sendto(self, wire, to):
            return elsewhere.sendto(wire, to)
    server.udp = Sideways()
    resolver = Resolver("{source: false}")
    started = time.monotonic()
    assert resolver.ask("a.").answer and time.monotonic() - started < 1
    assert resolver.as_json("stats")["queries-sent-udp"] == 1
    resolver.configure("{}")
    resolver.command("reload")
    reply = resolver.ask("b.")
    assert not reply.answer or resolver.as_json("stats")["timeouts"] > 0
    assert resolver.stop() == 0
    server.udp = plain_send


def one_port():
    """Many queries in flight share the port: each gets its reply, in any order, and guesses of the ID are tried on
    all."""
    waiting, replies = [], []

    def hold(wire, client):
        waiting.append((wire, client))
    plain_send = server.udp

    class Held:
        def __getattr__(self, key):
            return getattr(plain_send, key)

        def sendto(self, wire, to):
            hold(wire, to)
    server.udp = Held()
    resolver = Resolver("{random-port: false, merging: false, wrong-reply-tcp: false, random-case: false}")
    clients = []
    for i in range(60):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(10)
        s.connect(("127.0.0.1", resolver.port))
        s.send(dns.message.make_query(f"x{i % 30}.", "A", id=i).to_wire())
        clients.append(s)
    end = time.monotonic() + 5
    while len(waiting) < 30 and time.monotonic() < end:
        time.sleep(0.005)
    assert len(waiting) >= 30 and {client for _, client in waiting} == {(SERVER, 33333)}
    forged = waiting[0][0]
    taken = {wire[:2] for wire, _ in waiting}
    guesses = [n.to_bytes(2, "big") for n in range(0, 65536, 997) if n.to_bytes(2, "big") not in taken]
    for guess in guesses:
        plain_send.sendto(guess + forged[2:], (SERVER, 33333))
    for wire, client in reversed(waiting):
        plain_send.sendto(wire, client)
        plain_send.sendto(wire, client)  # a duplicate is no attack
    server.udp = plain_send
    for i, s in enumerate(clients):
        replies.append(dns.message.from_wire(s.recv(4096)))
        assert replies[-1].id == i and replies[-1].answer, replies[-1]
    rejected = resolver.as_json("status", "--rejected")
    assert rejected.keys() == {"wrong-id"} and rejected["wrong-id"]["count"] == len(guesses), rejected
    assert {item["name"] for item in rejected["wrong-id"]["last"]} == {"x0."}
    assert resolver.as_json("stats")["queries-sent-tcp"] == 0
    assert resolver.stop() == 0


def udp_size():
    resolver = Resolver("{udp-size: false}")
    assert resolver.ask("large.", "TXT", call=dns.query.tcp).answer
    assert seen[-1].payload == 4096 and resolver.as_json("stats")["queries-sent-tcp"] == 0
    resolver.configure("{merging: false}")
    resolver.command("reload")
    resolver.ask("large2.", "TXT", call=dns.query.tcp)
    assert seen[-1].payload == 1232
    assert resolver.as_json("status", "--rejected")["too-large"]["last"][0]["expected"] == {"octets": 1232}
    assert resolver.stop() == 0


def ttl():
    """A record of 300 s is asked for again 301 s later, by the clock of the resolver."""
    resolver = Resolver("{}")
    for i in range(6):  # the answer cache too
        assert resolver.ask("a.").answer[0].ttl > 290
    assert len(seen) == 1
    before = json.loads(resolver.command("cache", "show", "a.", "--json"))["entries"][0]
    assert not before["expired"]
    moved = resolver.control(command="clock", **{"add-s": 200})
    assert moved["ok"] and resolver.ask("a.").answer[0].ttl <= 100 and len(seen) == 1
    assert resolver.control(command="clock", **{"add-s": 101})["ok"]
    after = json.loads(resolver.command("cache", "show", "a.", "--json"))["entries"]
    assert not after or after[0]["expired"]
    assert resolver.ask("a.").answer[0].ttl > 290 and len(seen) == 2
    for wrong in ({}, {"add-s": 0}, {"add-s": -5}, {"add-s": "5"}, {"add-s": 10 ** 12}):
        refused = resolver.control(command="clock", **wrong)
        assert not refused["ok"] and "must be a number of seconds" in refused["error"], refused
    assert "the clock of this daemon was moved forward by 200 s, to 20" in resolver.log()
    assert resolver.stop() == 0


def serve_signed(change=lambda text: text):
    """Sign the zone test., change the text of the signed zone, and serve it; write its trust anchor."""
    (folder / "test.zone").write_text("$ORIGIN test.\n$TTL 300\n@ SOA ns x 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
                                      "www A 192.0.2.8\n")
    signed = signing.sign_rootline(folder, "test.", folder / "test.zone")
    keys = [line for line in signing.read_keys(signed) if "\tDNSKEY\t257 " in line]
    (folder / "anchor").write_text("\n".join(keys) + "\n")
    lab.write_old(signed, change(signed.read_text()))
    (folder / "authd.yaml").write_text(f"server: {{listen: [192.0.2.1@5301], control: {folder}/authd.sock}}\n"
                                       f"zones: [{{zone: test, file: {signed}}}]\n")
    authd = lab.Server([lab.BUILD / "rootline-authd", "-c", folder / "authd.yaml"], folder / "authd.log")
    authd.started(authd.wait_for, "ready on ")
    return authd


STUB = "stub-zones: [{zone: test, servers: [192.0.2.1@5301]}]"


def validation_work():
    """Six signatures of www.test. are wrong, and the seventh is right: the limit ends before it (KeyTrap)."""
    def add_wrong(text):
        right = next(line for line in text.splitlines() if line.startswith("www") and " RRSIG A " in line)
        fields = right.split()
        wrong = [base64.b64encode(bytes([0, i]) + bytes(62)).decode() for i in range(6)]
        return text + "".join(" ".join(fields[:12] + [w]) + "\n" for w in wrong)
    authd = serve_signed(add_wrong)
    resolver = Resolver("{}\n" + STUB, anchor=folder / "anchor")
    assert resolver.ask("www.test.", want_dnssec=True).rcode() == dns.rcode.SERVFAIL
    resolver.stop()
    resolver = Resolver("{validation-work: false}\n" + STUB, anchor=folder / "anchor")
    resolver.command("cache", "flush", ".", "--subtree")
    reply = resolver.ask("www.test.", want_dnssec=True)
    assert reply.rcode() == dns.rcode.NOERROR and reply.flags & dns.flags.AD, reply
    assert resolver.stop() == 0 and authd.stop() == 0


def signatures():
    """A signed zone is bogus when the clock of the resolver passes the end of its signatures."""
    authd = serve_signed()
    resolver = Resolver("{}\n" + STUB, anchor=folder / "anchor")
    for i in range(4):
        reply = resolver.ask("www.test.", want_dnssec=True)
        assert reply.flags & dns.flags.AD and reply.answer, reply
    assert resolver.control(command="clock", **{"add-s": 60 * 86400})["ok"]
    reply = resolver.ask("www.test.", want_dnssec=True)
    assert reply.rcode() == dns.rcode.SERVFAIL and reasons(reply)[0][0] == 7, reply
    moved = control(folder / "authd.sock", command="clock", **{"add-s": 60 * 86400})
    assert moved["ok"] and moved["result"]["time"] > "2026", moved
    assert resolver.stop() == 0 and authd.stop() == 0


def clock_outside():
    resolver = Resolver("{}")
    ip("addr", "add", "10.0.0.1/8", "dev", "lo")
    refused = resolver.control(command="clock", **{"add-s": 10})
    assert not refused["ok"] and "a network that packets cannot leave" in refused["error"]
    assert "10.0.0.0/8" in refused["error"] or "10.0.0.1" in refused["error"] or "route" in refused["error"]
    assert resolver.stop() == 0


put_fence()
server = Scripted(SERVER, 53, answer)
globals()[scenario.replace("-", "_")]()
server.stop()
