"""The server `mischief`: each kind once to rootline-resolver, and what the server itself sends; tools/mischief asks
the peers too."""
import json
import os
import random
import re
import select
import socket
import struct

import dns.message
import dns.rcode
import pytest

import lab
import mischief

AA, TC = 0x400, 0x200
WAIT_S = 5


@pytest.fixture(scope="module")
def kinds():
    return mischief.read_kinds()


def test_each_kind_once(kinds, tmp_path):
    """The resolver believes no forged record, answers within its budget, and as the table expects."""
    net = mischief.Net(tmp_path / "net", lab.free_port())
    try:
        server = mischief.start("rootline", tmp_path / "resolver", net)
        try:
            results = mischief.play(server.port, list(kinds.values()))
        finally:
            server.stop()
    finally:
        net.stop()
    wrong = [f"{result.kind.name}: {fault}" for result in results if (fault := mischief.judge(result))]
    print(f"\n{len(results)} kinds, the slowest answer after {max(result.seconds for result in results):.1f} s")
    assert not wrong, "\n".join(wrong)


def test_without_defences(tmp_path):
    """The suite sees it when a resolver believes forged records, and then fails."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "ip")
    done = lab.run(lab.SOURCE / "tools/mischief", "--target", "rootline", "--json", "--folder", tmp_path / "run",
                   "--without", "bailiwick,sections,source,question,wrong-reply-tcp",
                   "--kinds", "good,forged-in-answer,forged-in-additional,alias-to-victim,wrong-question,other-",
                   env={**os.environ, "ROOTLINE_BUILD": str(lab.BUILD)}, timeout=100)
    assert done.returncode == 1, done
    believed = {row["kind"]: row["answers"]["rootline"]["believed"] for row in json.loads(done.stdout)}
    assert believed.pop("good") is believed.pop("other-owner") is False
    assert all(believed.values()) and len(believed) == 6, believed


def test_list_is_the_page(kinds):
    """There are many kinds, each with its sentences, and docs/lab/mischief.md has the same."""
    page = (lab.SOURCE / "docs/lab/mischief.md").read_text().splitlines()
    assert len(kinds) >= 60
    text = lab.run(mischief.MISCHIEF, "--list").stdout
    for kind in kinds.values():
        assert kind.does.endswith(".") and kind.should.endswith("."), kind
        assert f"| `{kind.name}` | {kind.does} | {kind.should} |" in page, kind.name
        assert kind.does in text and kind.should in text
    assert sum(line.startswith("| `") and line.count("|") == 4 for line in page) == len(kinds)


# ---- the server by itself ----

class Direct(lab.Server):
    """mischief on one address per family, where each name is answered without a delegation."""

    def __init__(self, folder):
        self.port = lab.free_port()
        super().__init__([mischief.MISCHIEF, "--listen", "127.0.0.1", "--listen", "::1", "--port", self.port],
                         folder / "mischief.log")
        self.started(self.wait_for, "ready", 60)

    def stop(self):
        status = super().stop()
        assert status == 0 and "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()


@pytest.fixture(scope="module")
def direct(tmp_path_factory):
    server = Direct(tmp_path_factory.mktemp("direct"))
    yield server
    server.stop()


def query_of(kind, label="wWw"):
    cookie = dns.edns.GenericOption(10, b"client12")
    return dns.message.make_query(f"{label}.{kind}.{mischief.ZONE}", "A", use_edns=0, options=[cookie])


def ask(server, data, host="127.0.0.1", count=1, linger_s=0.0):
    """Return [(reply, sender)] for a datagram: wait for `count` replies, then for more that should not come."""
    got = []
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(data, (host, server.port))
        while select.select([s], [], [], WAIT_S if len(got) < count else linger_s)[0]:
            got.append(s.recvfrom(65535))
    return got


def ask_tcp(server, data, host="127.0.0.1"):
    """Return all octets that come over TCP until the connection ends or is quiet."""
    got = b""
    with socket.create_connection((host, server.port), WAIT_S) as s:
        s.sendall(struct.pack("!H", len(data)) + data)
        while select.select([s], [], [], 0.3 if got else WAIT_S)[0] and (more := s.recv(65536)):
            got += more
    return got


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_good(direct, host):
    query = query_of("good")
    for wire in (ask(direct, query.to_wire(), host)[0][0], ask_tcp(direct, query.to_wire(), host)[2:]):
        answer = dns.message.from_wire(wire)
        assert query.is_response(answer) and answer.flags & AA and answer.answer[0][0].address == "192.0.2.1"
        assert answer.opt and answer.options[0].otype == 10


def test_header_and_question(direct):
    """What the kinds of the header and the question change, and nothing else."""
    for kind, checks in {
            "wrong-id": lambda sent, got: sent[:2] != got[:2] and got[2] & 0x80,
            "qr-clear": lambda sent, got: sent[:2] == got[:2] and not got[2] & 0x80,
            "opcode-changed": lambda sent, got: got[2] >> 3 & 15 == 4,
            "aa-clear": lambda sent, got: got[2:4] == b"\x81\0",
            "tc-for-ever": lambda sent, got: got[2] & 2 and got[6:8] == b"\0\0",
            "refused": lambda sent, got: got[3] & 15 == 5,
            "lower-case": lambda sent, got: got[12:16] == b"\3www" and sent[12:16] == b"\3wWw",
            "wrong-question": lambda sent, got: got[12:18] == b"\5other",
            "no-question": lambda sent, got: got[4:6] == b"\0\0",
            "two-questions": lambda sent, got: got[4:6] == b"\0\2",
            "count-too-large": lambda sent, got: got[6:8] == b"\0\x65",
            "no-edns": lambda sent, got: got[10:12] == b"\0\0",
            "opt-twice": lambda sent, got: got[10:12] == b"\0\2",
            "wrong-cookie": lambda sent, got: b"no such!" in got,
            "missing-cookie": lambda sent, got: b"client12" not in got and got[10:12] == b"\0\1",
            "very-short": lambda sent, got: len(got) == 5,
            "empty": lambda sent, got: got == b"",
            "ttl-2-31": lambda sent, got: b"\0\1\0\1\x80\0\0\0" in got,
            "rdata-long": lambda sent, got: b"\0\5\xc0\0\2\1\0" in got,
            "badvers": lambda sent, got: got[3] & 15 == 0 and b"\0\0\x29\x04\xd0\1" in got}.items():
        sent = query_of(kind).to_wire()
        got = ask(direct, sent)[0][0]
        assert checks(sent, got), (kind, got)


def test_cut_short_is_a_valid_reply_without_its_end(direct):
    got = ask(direct, query_of("cut-short").to_wire())[0][0]
    answer = dns.message.from_wire(got + b"\2\1")
    assert not answer.flags & TC and answer.answer[0][0].address == "192.0.2.1"


def test_several_replies(direct):
    def replies(kind, count):
        return ask(direct, query_of(kind).to_wire(), count=count, linger_s=0.1)

    assert len(replies("silence", 0)) == 0
    assert len(replies("duplicate", 2)) == 2
    both = [dns.message.from_wire(wire).answer[0][0].address for wire, _ in replies("two-that-differ", 2)]
    assert both == ["192.0.2.1", "192.0.2.66"]
    assert len(replies("wrong-ids-many", 101)) == 101
    assert [port != direct.port for _, (_, port, *_) in replies("other-port", 1)] == [True]


def test_tcp(direct):
    wire = query_of("tcp-length-long").to_wire()
    got = ask_tcp(direct, wire)
    assert struct.unpack("!H", got[:2])[0] == len(got) - 2 + 10
    assert ask_tcp(direct, query_of("tcp-empty").to_wire()) == b"\0\0"
    assert ask_tcp(direct, query_of("tcp-close").to_wire()) == b""
    huge = ask_tcp(direct, query_of("huge").to_wire())
    assert struct.unpack("!H", huge[:2])[0] == len(huge) - 2 > 60000
    assert dns.message.from_wire(huge[2:]).answer
    assert dns.message.from_wire(ask(direct, query_of("huge").to_wire())[0][0]).flags & TC


def test_zone(direct):
    """The zone itself is well: its SOA, its servers, unknown kinds, and names of others."""
    def answer(name, rdtype="A"):
        return dns.message.from_wire(ask(direct, dns.message.make_query(name, rdtype).to_wire())[0][0])

    assert answer(mischief.ZONE, "SOA").answer and answer(mischief.ZONE, "NS").answer
    assert answer("ns1." + mischief.ZONE).answer[0][0].address == "127.0.0.1"
    assert answer("no-such-kind." + mischief.ZONE).rcode() == dns.rcode.NXDOMAIN
    assert answer("example.").rcode() == dns.rcode.REFUSED
    assert answer("www." + mischief.VICTIM).answer[0][0].address == "192.0.2.66"


def test_no_reply_to_what_is_no_query(direct):
    """Replies and malformed messages get no reply, so that no two servers answer each other for ever."""
    good = query_of("good").to_wire()
    for data in (good[:2] + b"\x80" + good[3:], good[:11], b"", good[:20], good[:4] + b"\0\2" + good[6:]):
        assert ask(direct, data, count=0, linger_s=0.1) == [], data
    assert ask(direct, good)


def test_all_kinds_and_types_and_garbage(direct, kinds):
    """Any query, whole or damaged, over UDP and TCP: the server goes on, and no sanitizer complains."""
    chance = random.Random(1)
    types = ("A", "AAAA", "NS", "SOA", "TXT", "MX", "ANY", "DNAME", "CNAME", "OPT", "TYPE65280")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", direct.port))
        for kind in kinds:
            for label in ("www", "good", "ns1", "x." * 50 + "y"):
                for rdtype in chance.sample(types, 3):
                    query = dns.message.make_query(f"{label}.{kind}.{mischief.ZONE}", rdtype,
                                                   use_edns=chance.choice((-1, 0)))
                    wire = bytearray(query.to_wire())
                    if chance.random() < 0.3:
                        wire[chance.randrange(len(wire))] = chance.randrange(256)
                    s.send(wire)
            s.setblocking(False)
            try:
                while True:
                    s.recv(65535)
            except BlockingIOError:
                s.setblocking(True)
    connections = []
    for kind in kinds:
        c = socket.create_connection(("127.0.0.1", direct.port), WAIT_S)
        wire = query_of(kind).to_wire()
        c.sendall(struct.pack("!H", len(wire)) + wire + b"\xff\xff garbage")
        connections.append(c)
    for c in connections:
        c.close()
    assert ask(direct, query_of("good").to_wire())


# ---- the fence ----

@pytest.mark.parametrize("options, why", [
    (["--listen", "203.0.113.1"], "there is no interface rl-fence"),
    (["--listen", "10.0.0.0/8"], "there is no interface rl-fence"),
    (["--listen", "127.0.0.1", "--listen", "2001:db8::1"], "there is no interface rl-fence"),
    (["--listen", "126.0.0.0/7"], "there is no interface rl-fence"),
    (["--listen", "0.0.0.0"], "not the address of one host"),
    (["--listen", "::"], "not the address of one host"),
    (["--listen", "224.0.0.1"], "not the address of one host"),
    (["--listen", "127.0.0.0/28"], "the prefix has too few addresses"),
    (["--listen", "localhost"], "neither an address nor a prefix"),
    (["--listen", "127.0.0.1"] * 2 + ["--listen", "::1"] * 7, "too many"),
    (["--zone", "."], "cannot be the zone"),
    (["--zone", "a..b"], "--zone a..b"),
    (["--victim", "x" * 64], "--victim"),
    (["--port", "0"], "usage"),
    (["--port", "65536"], "not a number in the range"),
    (["--seed", "one"], "not a number in the range"),
    (["--json"], "usage"),
    (["more"], "usage"),
    (["--no-such-option"], "no-such-option"),
])
def test_wrong_options(options, why):
    done = lab.run(mischief.MISCHIEF, *options)
    assert done.returncode == 2 and why in done.stderr and not done.stdout, done
    assert "usage" in why or len(done.stderr.splitlines()) == 1, done.stderr


def test_inside_a_laboratory(tmp_path):
    """Inside the fence other addresses are allowed, and a kind has one of each family, until there is a way out."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "ip", "dig")
    script = """
set -e
ip link set lo up
ip link add rl-fence type veth peer name rl-far
ip addr add 192.0.2.1/24 dev rl-fence
ip link set rl-fence up
ip route add local 203.0.113.0/24 dev lo
seq 1 200 | awk '{ printf "addr add 2001:db8::%x/128 dev lo nodad\\n", $1 }' | ip -6 -batch -
"$0" --listen 203.0.113.0/24 --listen 2001:db8::/112 >"$1" &
until grep ready "$1"; do kill -0 $!; sleep 0.05; done
dig @203.0.113.1 +noall +additional +tries=1 lame.mischief.example
dig @2001:db8::2 +short +tries=1 www.good.mischief.example
ip link set rl-far up
ip route add default dev rl-fence
wait $!
"""
    done = lab.run("unshare", "--net", "sh", "-c", script, mischief.MISCHIEF, tmp_path / "out")
    assert done.returncode == 2 and "ready" in done.stdout and "192.0.2.1\n" in done.stdout, done
    assert re.search(r"^ns1\.lame\..*\sA\s203\.0\.113\.17$", done.stdout, re.M), done
    assert re.search(r"^ns1\.lame\..*\sAAAA\s2001:db8::11$", done.stdout, re.M), done
    assert "outside of a laboratory: there is a default route" in done.stderr
