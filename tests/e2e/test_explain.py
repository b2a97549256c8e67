"""rootline explain: resolution trees of the class Internet, as JSON and as terminal output, and the cause of each
answer.

The expected trees are in tests/e2e/trees; ROOTLINE_TREES=write rewrites them.  Times, random numbers and the choice
between two equal servers differ from run to run, so they are replaced before the comparison."""
import json
import os
import re
import socket
import struct
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rrset
import jsonschema
import pytest

import encrypted
import internet
import lab
from scripted import Scripted, respond

TREES = lab.SOURCE / "tests/e2e/trees"
# name: (arguments of explain, identifier of the cause, a fact in its text); the expected trees have the whole texts
GOLDEN = {
    "plain": (["www.cs.uni.edu"], "answered", "www.cs.uni.edu has 1 A record"),
    "cname-over-three-zones": (["pictures.uni.edu"], "answered", "edge.cdn.com (a chain of 2)"),
    "dname": (["atom.physics.uni.edu"], "answered", "atom.labs.org"),
    "wildcard": (["bob.students.uni.edu"], "answered", "bob.students.uni.edu has 1 A record"),
    "too-big-for-udp": (["timetable.uni.edu", "TXT"], "answered", "TCP"),
    "glueless": (["www.blog.org"], "answered", "www.blog.org has 1 A record"),
    "ipv6-only-server": (["www.six.org", "AAAA"], "answered", "the last to ::1"),
    "reverse": (["80.1.18.198.in-addr.arpa", "PTR"], "answered", "1 PTR record"),
    "stub-zone": (["51.2.0.192.in-addr.arpa", "PTR"], "answered", "1 query to servers, the last to 127.11.2.9"),
    "no-such-name": (["nothing.cs.uni.edu"], "nxdomain", "nothing.cs.uni.edu"),
    "no-such-type": (["www.cs.uni.edu", "MX"], "nodata", "MX"),
    "cname-to-nowhere": (["nowhere.uni.edu"], "cname-target-nxdomain", "gone.shop.com"),
    "cname-loop": (["round.uni.edu"], "cname-loop", "round.uni.edu -> about.uni.edu -> round.uni.edu."),
    "lame": (["www.lame.com"], "lame", "127.11.2.5 said REFUSED"),
    "dead": (["www.dead.com"], "servers-silent", "127.11.9.9 timed out"),
    "sick": (["www.sick.edu"], "server-failure", "127.11.2.12 said SERVFAIL"),
    "ghost-servers": (["www.ghost.org"], "no-server-names", "ns1.nowhere.com, ns2.nowhere.com"),
    "forbidden": (["www.forbidden.org"], "forbidden", "forbidden.org"),
    "client-not-allowed": (["www.uni.edu", "--as", "198.18.9.9"], "refused", "198.18.9.9 with REFUSED"),
    "local-name": (["router.localhost"], "local", "router.localhost"),
}
# The order of their steps depends on which reply arrives first, so there is no expected tree.
OTHERS = {
    "dependency-loop": (["www.ring.com"], "dependency-loop", "ring.com"),
    "half-dead": (["www.half.com"], "answered", "www.half.com has 1 A record"),
    "shop": (["images.shop.com"], "answered", "edge.cdn.com"),
}


WARM = ("www.uni.edu", "library.uni.edu", "directory.uni.edu", "many.uni.edu", "uni.edu", "www.cs.uni.edu",
        "ns1.hosting.org", "books.shop.com", "edge.cdn.com", "www.six.org", "atom.labs.org",
        "80.1.18.198.in-addr.arpa", "www.half.com")


@pytest.fixture(scope="module")
def resolver(class_net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resolver")
    listeners = encrypted.Listeners(folder)
    resolver = internet.ClassResolver(folder, class_net, extra=listeners.extra)
    resolver.listeners = listeners
    # a negative answer is queried twice until the server has answered a query in mixed case with data: make each server
    # do that first
    for name in WARM:
        for n in range(2):  # both servers of uni.edu
            dns.query.udp(dns.message.make_query(name, ("A", "NS")[n]), "127.0.0.1", port=resolver.port, timeout=20)
    yield resolver
    resolver.stop()


def explain(resolver, *args):
    done = resolver.command("explain", *args, "--json")
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    tree = json.loads(done.stdout)
    assert done.returncode == (tree["answer"]["rcode"] not in ("NOERROR", "NXDOMAIN"))
    return tree


def settle(value, port):
    """Replace all values of a tree that differ from run to run."""
    if isinstance(value, list):
        return [settle(v, port) for v in value]
    if isinstance(value, str):
        for old, new in ((f"@{port}", "@53"), ("b.root.", "a.root."), ("127.11.0.2", "127.11.0.1"),
                         ("ns2.uni.edu.", "ns1.uni.edu.")):
            value = value.replace(old, new)
        value = re.sub(r"\b127\.11\.2\.2\b", "127.11.2.1", value)
        return re.sub(r"timed out \d+ times", "timed out N times", value)
    if not isinstance(value, dict):
        return value
    value = {k: settle(v, port) for k, v in value.items()}
    if value.get("type") == "CNAME":  # the target of a synthesised CNAME has the mixed case of the query
        value["data"] = value["data"].lower()
    if value.get("type") == "DS" and "data" in value:  # the class Internet has new keys at each start
        value["data"] = re.sub(r"^\d+ (\d+ \d+) .*", r"1 \1 00", value["data"])
    if value.get("type") == "RRSIG" and "data" in value:
        value["data"] = re.sub(r"\d{14} \d{14} \d+ (\S+) .*",
                               r"20260201000000 20260101000000 1 \1 c2lnbmF0dXJl", value["data"])
    for key, same in (("took-ms", 1.0), ("rtt-ms", 1.0), ("id", 1), ("source-port", 1),
                      ("at", "2026-01-31T08:00:00.000Z"), ("age-s", 0)):
        if key in value:
            value[key] = same
    if value.get("step") == "zone" and value["zone"] == ".":  # a priming query may have cached the root's delegation
        value["source"] = "root-hints"
        value.pop("ttl", None)
    if "ttl" in value:
        value["ttl"] = value.get("original-ttl", 3600 if value["ttl"] > 300 else value["ttl"])
    if "choice" in value:
        choice = value["choice"]
        value["choice"] = {"reason": choice["reason"] if choice["of"] == 1 else "fast", "among": 1, "of": choice["of"]}
    return value


def show(tree, tmp_path, *options):
    """The result of the command for a tree that a fake control socket sends."""
    path = str(tmp_path / "fake.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def serve():
        s, _ = listener.accept()
        with s:
            while b"\n" not in s.recv(65536):
                pass
            s.sendall(json.dumps({"ok": True, "result": {"tree": tree}}).encode() + b"\n")
    server = threading.Thread(target=serve)
    server.start()
    done = lab.run(lab.ROOTLINE, "explain", "x", "--socket", path, *options, env={**os.environ, "LC_ALL": "C.UTF-8"})
    server.join()
    listener.close()
    os.unlink(path)
    return done


def expect(path, text):
    if os.environ.get("ROOTLINE_TREES") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def dump(value, indent=0):
    """JSON with one line per step, for readable differences."""
    if isinstance(value, dict) and ("steps" in value or "question" in value):
        inner = [f'{" " * (indent + 1)}{json.dumps(k)}: {dump(v, indent + 1)}' for k, v in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict) and "step" in value[0]:
        return "[\n" + ",\n".join(" " * (indent + 1) + dump(v, indent + 1) for v in value) + "\n" + " " * indent + "]"
    return json.dumps(value)


def check_cause(tree, kind, words):
    assert tree["cause"]["kind"] == kind, tree["cause"]
    assert words in tree["cause"]["text"], tree["cause"]


SCHEMA = lab.schema("explain")


@pytest.mark.parametrize("name", GOLDEN)
def test_trees(class_net, resolver, tmp_path, name):
    asked, kind, words = GOLDEN[name]
    assert resolver.command("cache", "flush", ".", "--subtree").returncode == 0
    tree = explain(resolver, *asked)
    jsonschema.validate(tree, SCHEMA)
    check_cause(tree, kind, words)
    tree = settle(tree, class_net.port)
    expect(TREES / f"{name}.json", dump(tree) + "\n")
    text = show(tree, tmp_path).stdout
    assert max(map(len, text.splitlines())) <= 80
    expect(TREES / f"{name}.txt", text)


@pytest.mark.parametrize("name", OTHERS)
def test_other_trees(class_net, resolver, name):
    asked, kind, words = OTHERS[name]
    assert resolver.command("cache", "flush", ".", "--subtree").returncode == 0
    tree = explain(resolver, *asked)
    jsonschema.validate(tree, SCHEMA)
    check_cause(tree, kind, words)


def test_cache_hits_and_no_cache(resolver):
    explain(resolver, "www.cs.uni.edu")
    tree = explain(resolver, "www.cs.uni.edu")
    assert tree["queries"] == 0 and tree["steps"][0]["found"] == "data"
    assert tree["steps"][0]["server"].startswith("127.11.2.3@")
    assert "It was in the cache, received" in tree["cause"]["text"]
    tree = explain(resolver, "www.cs.uni.edu", "--no-cache")
    assert tree["queries"] >= 3 and "4 queries" in tree["cause"]["text"]


def test_a_cached_failure_keeps_its_cause(resolver):
    resolver.command("cache", "flush", "lame.com", "--subtree")
    explain(resolver, "x.lame.com")
    tree = explain(resolver, "x.lame.com")
    check_cause(tree, "lame", "the failure is cached for another")
    assert re.search(r"It failed \d+ seconds? ago,", tree["cause"]["text"])
    assert tree["queries"] == 0 and "127.11.2.5 said REFUSED" in tree["cause"]["text"]
    check_cause(explain(resolver, "x.lame.com", "--no-cache"), "lame", "said REFUSED")


def test_servers_with_ipv6_only_without_ipv6(class_net, tmp_path):
    resolver = internet.ClassResolver(tmp_path, class_net)
    resolver.conf.write_text(resolver.conf.read_text().replace("resolver:\n", "resolver:\n  ipv6: false\n"))
    assert resolver.command("reload").returncode == 0
    check_cause(explain(resolver, "www.six.org"), "unreachable", "IPv6")
    resolver.stop()


def test_a_failure_behind_a_cname_is_cached_too(resolver):
    resolver.command("cache", "flush", ".", "--subtree")
    explain(resolver, "broken.shop.com")
    tree = explain(resolver, "broken.shop.com")
    check_cause(tree, "lame", "It failed ")
    assert re.search(r"It failed \d+ seconds? ago", tree["cause"]["text"])
    assert tree["queries"] == 0 and "Therefore broken.shop.com cannot be resolved." in tree["cause"]["text"]


def test_rejected_replies_are_in_the_tree(class_net, tmp_path):
    """A server replies over UDP with a wrong ID: the tree and the status have the sender of the rejected reply and the
    reason."""
    def forge(query, is_tcp):
        name = query.question[0].name
        wire = respond(query, answer=[(name, 60, "IN", "A", "198.18.66.6" if not is_tcp else "198.18.66.1")]).to_wire()
        return wire if is_tcp else struct.pack("!H", query.id ^ 1) + wire[2:]
    forger = Scripted("127.66.7.7", class_net.port, forge)
    resolver = internet.ClassResolver(tmp_path, class_net,
                                      top=f"  - {{zone: forged.org, servers: [127.66.7.7@{class_net.port}]}}\n")
    tree = explain(resolver, "www.forged.org")
    asks = [s for step in tree["steps"] if step["step"] == "resolve" for s in step["steps"] if s["step"] == "query"]
    assert asks[0]["rejected"] == [{"from": f"127.66.7.7@{class_net.port}", "reason": "wrong-id"}]
    assert asks[1]["transport"] == "tcp" and tree["answer"]["records"][0]["data"] == "198.18.66.1"
    check_cause(tree, "answered", "repeated over TCP")
    status = json.loads(resolver.command("status", "--json").stdout)
    assert status["rejected-replies"]["wrong-id"]["count"] == 1
    assert status["rejected-replies"]["wrong-id"]["last"][0]["from"] == f"127.66.7.7@{class_net.port}"
    resolver.stop()
    forger.stop()


def test_the_ledger_of_rejected_replies(class_net, tmp_path):
    """For each reason the ledger has what the query expected and what came; JSON has the form of its schema."""
    sent = {}

    def forge(query, is_tcp):
        name = query.question[0].name
        kind = name.to_text().split(".")[0].lower()
        reply = respond(query, answer=[(name, 60, "IN", "A", "198.18.66.1")])
        if kind == "bailiwick":
            for i in range(3):
                reply.additional.append(dns.rrset.from_text(f"www{i}.bank.com.", 60, "IN", "A", "198.18.66.6"))
        wire = reply.to_wire()
        if kind == "record":
            return wire.replace(bytes([0, 4, 198, 18, 66, 1]), bytes([0, 3, 198, 18, 66]))
        if is_tcp:
            return wire
        sent[kind] = query
        if kind == "cookie":
            cookie = next(o for o in query.options if o.otype == 10).to_wire()
            reply.use_edns(0, options=[dns.edns.GenericOption(10, b"FORGERS!" + cookie[:8])])
            return reply.to_wire()
        if kind == "large":
            reply = respond(query, answer=[(name, 60, "IN", "TXT", *(f'"{i} {"x" * 240}"' for i in range(8)))])
            return reply.to_wire(max_size=65535)
        if kind == "two":
            reply.question = [reply.question[0], dns.rrset.from_text("x.forged.org.", 0, "IN", "A")]
        return {"id": struct.pack("!H", query.id ^ 1) + wire[2:],
                "query": wire[:2] + bytes([wire[2] & 0x7f]) + wire[3:],
                "short": wire[:7],
                "cut": wire[:-20],
                "question": wire.replace(b"\x08" + name.labels[0], b"\x08otherone"),
                "letters": wire.replace(name.labels[0], name.labels[0].swapcase()),
                "two": reply.to_wire() if kind == "two" else wire}.get(kind, wire)
    forger = Scripted("127.66.7.8", class_net.port, forge)
    server = f"127.66.7.8@{class_net.port}"
    resolver = internet.ClassResolver(tmp_path, class_net,
                                      top=f"  - {{zone: forged.org, servers: [{server}]}}\n")
    assert resolver.command("status", "--rejected").stdout == "No reply was rejected.\n"
    for kind in "id", "query", "short", "cut", "question", "two", "cookie", "large", "bailiwick", "record", "letters":
        explain(resolver, f"{kind}.forged.org")
    ledger = json.loads(resolver.command("status", "--rejected", "--json").stdout)
    jsonschema.validate(ledger, json.loads((lab.SOURCE / "docs/schema/rejected.json").read_text()))

    def last(reason, at=0):
        item = ledger[reason]["last"][at]
        assert item["from"] == item["server"] == server and item["type"] == "A" and item["transport"] in ("udp", "tcp")
        return item["name"].lower().split(".")[0], item["expected"], item["got"]

    def asked(kind):
        return sent[kind].question[0].name.to_text()
    assert last("wrong-id") == ("id", {"id": sent["id"].id}, {"id": sent["id"].id ^ 1})
    assert last("not-a-reply") == ("short", {}, {"octets": 7})
    assert last("not-a-reply", 1) == ("query", {"response": True, "opcode": 0}, {"response": False, "opcode": 0})
    assert ledger["not-a-reply"]["count"] == 2
    assert last("wrong-question") == ("two", {"name": asked("two"), "type": "A"}, {"questions": 2})
    other = "otherone" + asked("question")[8:]
    assert last("wrong-question", 1) == ("question", {"name": asked("question"), "type": "A"},
                                         {"name": other, "type": "A"})
    swapped = asked("letters")[:7].swapcase() + asked("letters")[7:]
    assert last("wrong-case") == ("letters", {"name": asked("letters"), "type": "A"}, {"name": swapped, "type": "A"})
    cookie = next(o for o in sent["cookie"].options if o.otype == 10).to_wire()[:8].hex()
    assert last("wrong-cookie") == ("cookie", {"cookie": cookie}, {"cookie": b"FORGERS!".hex()})
    assert last("malformed")[0] == "cut" and last("malformed")[2]["octets"] > 20
    assert last("too-large")[0] == "large" and last("too-large")[1] == {"octets": 1232}
    assert last("too-large")[2]["octets"] > 1900
    assert last("out-of-bailiwick-records") == (
        "bailiwick", {"zone": "forged.org."},
        {"owner": "www0.bank.com.", "type": "A", "section": "additional", "records": 3})
    kind, expected, got = last("malformed-records")
    assert (kind, expected, got["type"], got["records"]) == ("record", {}, "A", 1)
    text = " ".join(resolver.command("status", "--rejected").stdout.split())
    assert f"expected ID {sent['id'].id} got ID {sent['id'].id ^ 1}" in text
    assert f"expected name {asked('letters')}, type A got name {swapped}, type A" in text
    assert "got owner www0.bank.com., type A, section additional, records 3" in text
    assert "guess 16 bits" in text and "got number of questions 2" in text
    for i in range(50):
        ask_id = explain(resolver, f"id.x{i}.forged.org")
        assert ask_id["answer"]["rcode"] == "NOERROR"
    ledger = json.loads(resolver.command("status", "--rejected", "--json").stdout)
    assert ledger["wrong-id"]["count"] >= 51 and len(ledger["wrong-id"]["last"]) == 20
    assert last("wrong-id")[0] == "id" and ledger["wrong-id"]["last"][0]["name"].lower().startswith("id.x49.")
    resolver.stop()
    forger.stop()


def test_a_spent_budget(class_net, tmp_path):
    """Eight servers without glue, and each lookup of an address costs 30 kB: the budget is spent before some tasks have
    found a zone."""
    def fat(query, is_tcp):
        return respond(query, 0, authority=[("fat.org.", 60, "IN", "NS", *(f"ns{i}.big.org." for i in range(8)))])

    def big(query, is_tcp):
        if not is_tcp:
            return respond(query, dns.flags.AA | dns.flags.TC)
        junk = [(f"x{i}.big.org.", 60, "IN", "TXT", '"' + "x" * 250 + '"') for i in range(110)]
        return respond(query, answer=[(query.question[0].name, 60, "IN", "A", "127.66.7.99")], additional=junk)
    servers = [Scripted("127.66.7.1", class_net.port, fat), Scripted("127.66.7.2", class_net.port, big)]
    stubs = (f"  - {{zone: org, servers: [127.66.7.1@{class_net.port}]}}\n"
             f"  - {{zone: big.org, servers: [127.66.7.2@{class_net.port}]}}\n")
    resolver = internet.ClassResolver(tmp_path, class_net, top=stubs)
    check_cause(explain(resolver, "w1.fat.org", "--no-cache"), "limit", "w1.fat.org")
    assert "A limit was reached" in why(resolver, "w2.fat.org", "+short")
    resolver.stop()
    for server in servers:
        server.stop()


def cookie_of(resolver):
    """A valid cookie of the resolver for 127.0.0.1."""
    query = dns.message.make_query(".", "NS", use_edns=0, options=[dns.edns.GenericOption(10, b"12345678")])
    return next(o for o in dns.query.udp(query, "127.0.0.1", port=resolver.port, timeout=10).options if o.otype == 10)


def test_spoofed_addresses_get_no_explanation(class_net, tmp_path):
    """why.NAME over UDP without a cookie is answered with TC and not resolved; one client may have two explanations in
    progress."""
    seen = []

    def silent(query, is_tcp):
        seen.append(query)
    server = Scripted("127.66.7.6", class_net.port, silent)
    resolver = internet.ClassResolver(tmp_path, class_net,
                                      top=f"  - {{zone: mute.org, servers: [127.66.7.6@{class_net.port}]}}\n")
    for n in range(9):
        query = dns.message.make_query(f"why.n{n}.mute.org", "TXT", "CH")
        reply = dns.query.udp(query, "127.0.0.1", port=resolver.port, timeout=1)
        assert reply.flags & dns.flags.TC and not reply.answer and reply.rcode() == dns.rcode.NOERROR
    query = dns.message.make_query("why.n9.mute.org", "TXT", "CH", use_edns=0,
                                   options=[dns.edns.GenericOption(10, b"12345678")])
    reply = dns.query.udp(query, "127.0.0.1", port=resolver.port, timeout=1)
    assert reply.rcode() == dns.rcode.BADCOOKIE
    assert not seen
    with socket.create_connection(("127.0.0.1", resolver.port)) as client:
        for n in range(3):
            wire = dns.message.make_query(f"why.n{n}.mute.org", "TXT", "CH", use_edns=0).to_wire()
            client.sendall(struct.pack("!H", len(wire)) + wire)
        client.settimeout(2)
        octets = client.recv(2)
        reply = dns.message.from_wire(client.recv(struct.unpack("!H", octets)[0]))
    assert reply.rcode() == dns.rcode.SERVFAIL and "too many explanations are in progress" in reply.options[0].text
    with socket.create_connection(("127.0.0.1", resolver.port), source_address=("127.0.0.2", 0)) as other:
        wire = dns.message.make_query("why.www.lame.com", "TXT", "CH").to_wire()
        other.sendall(struct.pack("!H", len(wire)) + wire)
        other.settimeout(5)
        octets = other.recv(2)
        assert "lame.com" in dns.message.from_wire(other.recv(struct.unpack("!H", octets)[0])).answer[0].to_text()
    resolver.stop()
    server.stop()


def test_deferred_answers_do_not_mix(class_net, tmp_path):
    """why.NAME and a query of another client are deferred at the same time: each client receives its own answer."""
    def slow(query, is_tcp):
        name = query.question[0].name
        time.sleep(0.8 if name.to_text().lower().startswith("first") else 0.2)
        return respond(query, answer=[(name, 60, "IN", "A", "198.18.66.1")])
    servers = [Scripted(f"127.66.7.{n}", class_net.port, slow) for n in (3, 4)]
    stubs = (f"  - {{zone: slow1.org, servers: [127.66.7.3@{class_net.port}]}}\n"
             f"  - {{zone: slow2.org, servers: [127.66.7.4@{class_net.port}]}}\n")
    resolver = internet.ClassResolver(tmp_path, class_net, top=stubs)
    first = dns.message.make_query("why.first.slow1.org", "TXT", "CH", use_edns=0, options=[cookie_of(resolver)])
    other = dns.message.make_query("private-name-of-another-client.slow2.org", "A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        for s, query in ((a, first), (b, other)):
            s.settimeout(10)
            s.sendto(query.to_wire(), ("127.0.0.1", resolver.port))
            time.sleep(0.1)
        plain, explained = dns.message.from_wire(b.recv(4096)), dns.message.from_wire(a.recv(4096))
    assert plain.question == other.question and plain.answer[0][0].address == "198.18.66.1"
    assert explained.question == first.question and "first.slow1.org has 1 A record" in explained.answer[0].to_text()
    resolver.stop()
    for server in servers:
        server.stop()


def test_forwarders(class_net, tmp_path):
    """A forwarder that refuses is not a lame delegation.  If the cached data outranks its new answer (no AA),
    --no-cache sends one query."""
    seen = []

    def forward(query, is_tcp):
        seen.append(query)
        return respond(query, dns.flags.AA if len(seen) == 1 else dns.flags.RA,
                       answer=[(query.question[0].name, 60, "IN", "A", "198.18.66.1")])
    server = Scripted("127.66.7.5", class_net.port, forward)
    resolver = internet.ClassResolver(tmp_path, class_net, top=f"""forward-zones:
  - {{zone: forward.org, servers: [127.66.7.5@{class_net.port}]}}
  - {{zone: refused.org, servers: [127.11.2.5@{class_net.port}]}}
""")
    check_cause(explain(resolver, "www.refused.org"), "lame",
                "configured for refused.org do not serve it: 127.11.2.5 said REFUSED")
    check_cause(explain(resolver, "www.forward.org"), "answered", "has 1 A record")
    tree = explain(resolver, "www.forward.org", "--no-cache")
    check_cause(tree, "answered", "has 1 A record")
    assert tree["queries"] == 1
    resolver.stop()
    server.stop()


def test_odd_query_types(resolver):
    check_cause(explain(resolver, "uni.edu", "ANY"), "answered", "RFC 8482")
    check_cause(explain(resolver, "uni.edu", "AXFR"), "refused", "a resolver does not transfer zones")
    assert explain(resolver, "uni.edu", "AXFR")["cause"]["advice"] == ""
    check_cause(explain(resolver, "atom.physics.uni.edu", "DNAME"), "nodata", "atom.labs.org")


def test_packets_and_drawing(class_net, resolver, tmp_path):
    path = tmp_path / "tree.pcap"
    done = resolver.command("explain", "timetable.uni.edu", "TXT", "--no-cache", "--pcap", path)
    assert done.returncode == 0, done.stderr
    data = path.read_bytes()
    assert struct.unpack("=IHHIIII", data[:24])[0] == 0xa1b2c3d4 and struct.unpack("=I", data[20:24])[0] == 101
    pos, packets = 24, []
    while pos < len(data):
        _, _, kept, size = struct.unpack("=IIII", data[pos:pos + 16])
        assert kept == size
        packets.append(data[pos + 16:pos + 16 + kept])
        pos += 16 + kept
    assert pos == len(data) and len(packets) % 2 == 0 and len(packets) >= 8
    for packet in packets:  # the checksum of an IP header that includes its checksum is all ones
        assert packet[0] == 0x45 and struct.unpack("!H", packet[2:4])[0] == len(packet)
        total = sum(struct.unpack("!10H", packet[:20]))
        assert (total & 0xffff) + (total >> 16) == 0xffff
    assert {p[9] for p in packets} == {6, 17}
    done = resolver.command("explain", "www.uni.edu", "--dot")
    assert done.stdout.startswith("digraph tree {") and done.stdout.rstrip().endswith("}")
    assert resolver.command("explain", "www.uni.edu", "--pcap", "/nonexistent/x").returncode == 1


def test_a_malformed_packet_leaves_no_file(tmp_path):
    packet = {"at-us": 0, "from": "127.0.0.1@1", "to": "127.0.0.2@53", "transport": "udp", "wire": "00" * 12}
    tree = {"at": "2026-01-31T08:00:00.000Z", "answer": {"rcode": "NOERROR"},
            "packets": [packet, {**packet, "wire": "zz"}]}
    path, link = tmp_path / "x.pcap", tmp_path / "link"
    done = show(tree, tmp_path, "--pcap", path)
    assert done.returncode == 1 and f"{path}: not written: " in done.stderr and not path.exists()
    link.symlink_to(path)
    assert show(tree, tmp_path, "--pcap", link).returncode == 1 and link.is_symlink()
    tree["packets"].pop()
    assert show(tree, tmp_path, "--pcap", path).returncode == 0 and path.stat().st_size == 24 + 16 + 20 + 8 + 12


def test_no_colours_and_no_unicode_unless_supported(resolver):
    assert "\033" not in resolver.command("explain", "www.uni.edu").stdout
    assert "|- " in resolver.command("explain", "www.uni.edu", env={"LC_ALL": "C"}).stdout


# ---- why.NAME in class CH ----

def why(resolver, name, *args):
    done = lab.run("dig", "@127.0.0.1", "-p", str(resolver.port), "CH", "TXT", f"why.{name}", "+tries=1", "+time=15",
                   *args)
    return done.stdout


def test_why(resolver):
    assert "The delegation of lame.com is lame" in why(resolver, "www.lame.com", "+short")
    assert "www.uni.edu has 1 A record." in why(resolver, "www.uni.edu", "+short", "+tcp")
    assert "The name nothing.uni.edu does not exist." in why(resolver, "nothing.uni.edu", "+short")
    for query in (("TXT", "why"), ("A", "why.www.uni.edu")):
        assert "REFUSED" in lab.run("dig", "@127.0.0.1", "-p", str(resolver.port), "CH", *query).stdout


# ---- the commands that tools/start prints ----

def printed_commands():
    text = (lab.SOURCE / "tools/start").read_text()
    lines = re.findall(r"^  ((?:dig|delv|nslookup|\$build/rootline) .*?)(?: +#.*)?$", text, re.M)
    assert len(lines) >= 18
    return lines


@pytest.fixture(scope="module")
def validator(class_net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validator")
    listeners = encrypted.Listeners(folder)
    resolver = internet.ClassResolver(folder, class_net, extra=listeners.extra, anchor=class_net.folder / "root.key")
    resolver.listeners = listeners
    yield resolver
    resolver.stop()


@pytest.mark.parametrize("line", printed_commands())
def test_commands_that_start_prints(class_net, validator, line):
    resolver, l = validator, validator.listeners
    for word, here in (("$build/internet", class_net.folder), ("$address", "127.0.0.1"), ("$port", resolver.port),
                       ("$build/tls", l.folder), ("dns.class", encrypted.NAME), ("$build", lab.BUILD),
                       ("5853", l.tls), ("5443", l.https)):
        line = line.replace(word, str(here))
    done = lab.run(*line.split(), env={**os.environ, "ROOTLINE_SOCKET": str(resolver.socket), "LC_ALL": "C.UTF-8"})
    text = done.stdout
    if "rootline" in line:
        assert done.returncode == ("lame" in line or "wrong-ds" in line), done.stderr
        assert "wrong-ds.example" in text if "wrong-ds" in line else True
        assert "Cause" in text if "explain" in line else True
        assert "time left" in text if "cache show" in line else True
        assert "entropy" in text if "status" in line else True
    elif "delv" in line:
        assert ("unsigned answer" if "cdn" in line else "fully validated") in text + done.stderr
    elif "why." in line:
        assert "is lame" in text
    elif "lame" in line:
        assert "status: SERVFAIL" in text and "127.11.2.5 said REFUSED" in text
    elif "expired" in line and "+cd" not in line:
        assert "status: SERVFAIL" in text and "EDE: 7 (Signature Expired)" in text
    elif "nothing" in line:
        assert "NXDOMAIN" in text
    else:
        assert "status: NOERROR" in text and ";; ANSWER SECTION:" in text
        assert "Truncated, retrying in TCP mode" in text if "timetable" in line else True
        assert re.search(r"flags:[^;]* ad", text) if "+dnssec" in line else True
