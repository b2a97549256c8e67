"""The class zones, queried by real clients and by hand-made packets."""
import re
import socket
import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

import lab


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    zones = {name: lab.SOURCE / f"zones/internet/{name}.zone"
             for name in ("school.example", "2.0.192.in-addr.arpa", "c.5.0.0.8.b.d.0.1.0.0.2.ip6.arpa")}
    server = lab.Authd(folder, zones, extra="  identity: the-class")
    yield server
    server.stop()


def dig(server, *args):
    done = lab.run("dig", "@127.0.0.1", "-p", str(server.port), "+tries=2", "+time=5", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- real clients ----

def test_other_clients(server):
    lab.need("kdig", "drill")
    done = lab.run("kdig", "@127.0.0.1", "-p", str(server.port), "school.example", "MX", "+nsid")
    assert "mail.school.example." in done.stdout and "the-class" in done.stdout
    done = lab.run("drill", "-p", str(server.port), "school.example", "@127.0.0.1", "SOA")
    assert "2026112101" in done.stdout
    done = lab.run("kdig", "@::1", "-p", str(server.port), "+tcp", "+short", "www.school.example")
    assert "192.0.2.10" in done.stdout


def test_every_type_of_the_class_zone(server):
    """Each owner and type of the zone file gets an authoritative answer with that RRset."""
    text = (lab.SOURCE / "zones/internet/school.example.zone").read_text()
    asked = set()
    owner = None
    for line in text.splitlines():
        match = re.match(r"^(\S*)\s+(?:IN\s+)?(MX|A|AAAA|TXT|CAA|HTTPS|SRV|SVCB|TLSA|NAPTR|URI|HINFO|LOC|SSHFP|RP|"
                         r"EUI48|EUI64|AFSDB|X25|ISDN|RT|KX|APL|OPENPGPKEY|CERT|NID|L32|L64|LP|CNAME|DNAME|NS|SOA|"
                         r"TYPE65280)\s", line)
        if not match or line.startswith((";", "$")):
            continue
        owner = match[1] or owner
        if owner.startswith(("*", "physics", "chemistry", "ns.physics", "ns.chemistry")):
            continue
        asked.add((owner, match[2]))
    assert len({t for _, t in asked}) >= 30
    for owner, rdtype in sorted(asked):
        name = dns.name.from_text(owner if owner != "@" else "school.example.", dns.name.from_text("school.example."))
        answer = server.ask(name, rdtype)
        assert answer.rcode() == 0 and answer.flags & dns.flags.AA, (owner, rdtype)
        assert answer.find_rrset(answer.answer, name, 1, dns.rdatatype.from_text(rdtype)), (owner, rdtype)


def test_chaos(server):
    assert "Rootline" in dig(server, "version.bind", "CH", "TXT", "+short")
    assert "the-class" in dig(server, "hostname.bind", "CH", "TXT", "+short")
    assert "the-class" in dig(server, "id.server", "CH", "TXT", "+short")
    assert "REFUSED" in dig(server, "other.bind", "CH", "TXT")
    assert "the-class" in dig(server, "+nsid", "school.example", "SOA")


def test_the_case_of_qname_is_kept(server):
    text = dig(server, "wWw.ScHoOl.ExAmPlE", "A", "+noall", "+answer", "+question")
    assert text.count("wWw.ScHoOl.ExAmPlE.") == 2


# ---- packets by hand ----

def ask_raw(server, wire, timeout=10):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.sendto(wire, ("127.0.0.1", server.port))
        try:
            return s.recv(65535)
        except TimeoutError:
            return None


def rcode(wire):
    return struct.unpack("!H", wire[2:4])[0] & 15


HEAD = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0)
QUESTION = b"\6school\7example\0\0\6\0\1"
OPT = b"\0\0\x29\4\xd0\0\0\0\0\0\0"


def head(flags=0, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!HHHHHH", 7, flags, qd, an, ns, ar)


@pytest.mark.parametrize("wire", [b"", b"\0" * 11, head(0x8000) + QUESTION, head(0x8000, 0), head(0xa800) + QUESTION])
def test_silence(server, wire):
    assert ask_raw(server, wire, 0.3) is None


@pytest.mark.parametrize("name, wire, expected, echoed, opt", [
    ("opcode NOTIFY", head(0x2000) + QUESTION, 4, True, False),
    ("opcode 15 with a broken question", head(0x7800) + b"\xff", 4, False, False),
    ("no question", head(0, 0), 1, False, False),
    ("two questions", head(0, 2, 0, 0, 1) + QUESTION + QUESTION + OPT, 1, False, True),
    ("a broken name", head() + b"\6scho", 1, False, False),
    ("a pointer for a name", head() + b"\xc0\x0c\0\6\0\1", 1, False, False),
    ("a label of 64", head() + b"\x40" + b"a" * 64 + b"\0\0\1\0\1", 1, False, False),
    ("bytes behind the message", head() + QUESTION + b"x", 1, True, False),
    ("bytes behind the message, with OPT", head(0, 1, 0, 0, 1) + QUESTION + OPT + b"x", 1, True, True),
    ("two OPT", head(0, 1, 0, 0, 2) + QUESTION + OPT + OPT, 1, True, True),
    ("an option too long", head(0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + b"\0\4\0\3\0\1", 1, True, True),
    ("a record that is not there", head(0, 1, 0, 0, 1) + QUESTION, 1, True, False),
    ("QTYPE 0", head() + QUESTION[:-4] + b"\0\0\0\1", 1, True, False),
    ("QTYPE OPT", head() + QUESTION[:-4] + b"\0\x29\0\1", 1, True, False),
    ("class HS", head() + QUESTION[:-2] + b"\0\4", 5, True, False),
])
def test_errors(server, name, wire, expected, echoed, opt):
    reply = ask_raw(server, wire)
    assert reply and rcode(reply) == expected and reply[:2] == wire[:2] and reply[2] & 0x80
    assert (reply[12:12 + len(QUESTION) - 4] == QUESTION[:-4]) == echoed
    assert struct.unpack("!H", reply[10:12])[0] == (1 if opt else 0)
    assert len(reply) <= len(wire) + 12


def test_a_datagram_that_is_too_long(server):
    option = struct.pack("!HHH", 4990, 65001, 4986) + b"x" * 4986
    reply = ask_raw(server, head(0, 1, 0, 0, 1) + QUESTION + OPT[:-2] + option)
    assert rcode(reply) == 1


def test_class_any(server):
    reply = ask_raw(server, head() + QUESTION[:-2] + b"\0\xff")
    assert rcode(reply) == 0 and not reply[2] & 4 and struct.unpack("!H", reply[6:8])[0] == 1


def test_versions_of_edns(server):
    reply = ask_raw(server, head(0, 1, 0, 0, 1) + QUESTION + b"\0\0\x29\4\xd0\0\1\0\0\0\0")
    answer = dns.message.from_wire(reply)
    assert answer.rcode() == dns.rcode.BADVERS and answer.edns == 0 and not answer.answer


def test_flags(server):
    query = dns.message.make_query("school.example", "SOA", use_edns=0, want_dnssec=True)
    query.flags |= dns.flags.CD | dns.flags.RD | dns.flags.AD
    answer = server.send(query)
    assert dns.flags.to_text(answer.flags) == "QR AA RD"
    assert answer.ednsflags & dns.flags.DO


@pytest.mark.parametrize("size, most", [(None, 512), (100, 512), (512, 512), (700, 700), (1232, 1232), (4096, 1232),
                                        (65535, 1232)])
def test_sizes(server, size, most):
    for name in ("big.school.example", "school.example", "_sip._udp.school.example"):
        query = dns.message.make_query(name, "TXT", use_edns=-1 if size is None else 0, payload=size or 0)
        wire = ask_raw(server, query.to_wire())
        assert len(wire) <= most
        if name.startswith("big"):
            assert wire[2] & 2  # TC
    assert len(server.ask("big.school.example", "TXT", tcp=True).answer[0]) == 40


def test_no_answer_exceeds_512_octets(server):
    """Without EDNS the answer to a query of a few octets has at most 512."""
    for rdtype in ("ANY", "TXT", "NS", "MX"):
        query = dns.message.make_query("school.example", rdtype, use_edns=-1)
        assert len(ask_raw(server, query.to_wire())) <= 512


def test_transfers_are_refused(server):
    for rdtype in ("AXFR", "IXFR"):
        query = dns.message.make_query("school.example", rdtype)
        assert rcode(ask_raw(server, query.to_wire())) == 5
