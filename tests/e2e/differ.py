"""Send the same queries to several authoritative servers, and compare their answers."""
import collections
import functools
import re
import socket
import struct

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zone

Question = collections.namedtuple("Question", "cls name rdtype size tcp dnssec", defaults=[False])
Answer = collections.namedtuple("Answer", "rcode flags edns answer authority additional wire")


def below(label, name):
    try:
        return dns.name.Name((label,) + name.labels)
    except dns.name.NameTooLong:
        return None


def owners(zones):
    """Return all names of the zones, with empty non-terminals; wildcards are names like any other."""
    names = set()
    for origin, path in zones.items():
        # dnspython does not read the RFC 3597 syntax in zone files; only the owner matters here
        text = re.sub(r"TYPE\d+ \\# .*", 'TXT "x"', path.read_text())
        zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
        for name in zone.keys():
            while name.is_subdomain(dns.name.from_text(origin)):
                names.add(name)
                if name == dns.name.root:
                    break
                name = name.parent()
    return sorted(names)


# ---- queries ----

def make_wire(question, number):
    query = dns.message.make_query(question.name, question.rdtype, use_edns=0 if question.size else -1,
                                   payload=question.size or 1232, want_dnssec=question.dnssec)
    query.flags = 0
    query.id = number & 0xffff
    return query.to_wire()


# {type: (octets before the names in RDATA, number of names)}: names that may be compressed, and the signer of an RRSIG.
NAMES = {dns.rdatatype.from_text(kind): where for where, kinds in {
    (0, 1): "NS MD MF CNAME MB MG MR PTR DNAME", (0, 2): "SOA MINFO RP", (2, 1): "MX AFSDB RT KX", (2, 2): "PX",
    (6, 1): "SRV", (18, 1): "RRSIG"}.items() for kind in kinds.split()}


def read_name(wire, at, known):
    """Return the uncompressed name in lower case, and the offset after it."""
    if at in known:
        return known[at]
    size = wire[at]
    if size >= 0xc0:
        to = (size & 0x3f) << 8 | wire[at + 1]
        assert to < at, "a pointer does not lead back"
        got = read_name(wire, to, known)[0], at + 2
    else:
        assert size < 0x40, "a label has an unknown type"
        rest, end = read_name(wire, at + 1 + size, known) if size else (b"", at + 1)
        got = wire[at:at + 1 + size].lower() + rest, end
    assert len(got[0]) <= 255, "a name is too long"
    known[at] = got
    return got


@functools.lru_cache(None)
def text_of(name):
    return dns.name.from_wire(name, 0)[0].to_text()


def read_record(wire, at, known):
    """Return (owner, type, TTL, uncompressed RDATA), and the offset after the record."""
    owner, at = read_name(wire, at, known)
    rdtype, rdclass, ttl, size = struct.unpack("!HHIH", wire[at:at + 10])
    pos, end = at + 10, at + 10 + size
    assert end <= len(wire), "RDATA goes beyond the message"
    rdata = b""
    if rdtype in NAMES and size:
        skip, names = NAMES[rdtype]
        rdata, pos = wire[pos:pos + skip], pos + skip
        for _ in range(names):
            name, pos = read_name(wire, pos, known)
            rdata += name
        assert pos <= end, "a name goes beyond its RDATA"
    return (text_of(owner), rdtype, ttl, rdata + wire[pos:end]), end


def read(wire):
    """Return the Answer in a message.  dnspython takes twenty times as long; check() lets it read authd's answers."""
    _, flags, questions, *counts = struct.unpack("!6H", wire[:12])
    known, at = {}, 12
    for _ in range(questions):
        at = read_name(wire, at, known)[1] + 4
    rcode, edns, sections, has_twice = flags & 15, -1, [], False
    for count in counts:
        rrs = []
        for _ in range(count):
            rr, at = read_record(wire, at, known)
            if rr[1] == dns.rdatatype.OPT:
                rcode, edns = rcode | rr[2] >> 24 << 4, rr[2] >> 16 & 255
            else:
                rrs.append(rr)
        sections.append(frozenset(rrs))
        has_twice |= len(sections[-1]) != len(rrs)
    assert at == len(wire), "octets follow the last record"
    flags_text = dns.flags.to_text(flags & 0x87b0) + (" duplicates" if has_twice else "")
    return Answer(rcode, flags_text, edns, *sections, wire)


def check(wires):
    """Have dnspython read the messages, including all RDATA; it raises an exception for a malformed one."""
    for wire in wires:
        dns.message.from_wire(wire, ignore_trailing=False)


def ask_udp(port, wires, window=32):
    """Return the answers in the order of the queries; send a query up to three times, None if there is no answer."""
    answers = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        s.connect(("127.0.0.1", port))
        s.settimeout(2)
        numbers = list(range(len(wires)))
        for _ in range(3):
            missing = [n for n in numbers if n not in answers]
            for at in range(0, len(missing), window):
                batch = missing[at:at + window]
                by_id = {struct.unpack("!H", wires[n][:2])[0]: n for n in batch}
                for n in batch:
                    s.send(wires[n])
                waiting = set(batch)
                while waiting:
                    try:
                        wire = s.recv(65535)
                    except TimeoutError:
                        break
                    n = by_id.get(struct.unpack("!H", wire[:2])[0])
                    if n in waiting:
                        answers[n] = wire
                        waiting.discard(n)
    return [answers.get(n) for n in range(len(wires))]


def recv_all(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise EOFError("connection closed")
        data += more
    return data


def ask_tcp(port, wires):
    answers = []
    for at in range(0, len(wires), 50):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            for wire in wires[at:at + 50]:
                s.sendall(struct.pack("!H", len(wire)) + wire)
                answers.append(recv_all(s, struct.unpack("!H", recv_all(s, 2))[0]))
    return answers


def ask_all(port, asked):
    wires = [make_wire(q, n) for n, q in enumerate(asked)]
    udp = [n for n, q in enumerate(asked) if not q.tcp]
    tcp = [n for n, q in enumerate(asked) if q.tcp]
    got = dict(zip(udp, ask_udp(port, [wires[n] for n in udp])))
    got.update(zip(tcp, ask_tcp(port, [wires[n] for n in tcp])))
    return [got[n] for n in range(len(asked))]


# ---- permitted differences ----

def same(a, b):
    if a is None or b is None:
        return a is b
    if "TC" in a.flags and "TC" in b.flags:
        return a.rcode == b.rcode  # clients ignore the records of a truncated answer
    return a[:6] == b[:6]


def without_courtesy(answer, apexes):
    """Remove the apex NS RRset and its addresses, which nsd adds to positive answers; knotd and authd do not."""
    if answer is None or "AA" not in answer.flags or not answer.answer:
        return answer
    ns = {rr for rr in answer.authority if rr[0] in apexes and
          (rr[1] == dns.rdatatype.NS or rr[1] == dns.rdatatype.RRSIG and rr[3][:2] == b"\0\2")}
    wanted = {dns.rdatatype.NS: 0, dns.rdatatype.MX: 2, dns.rdatatype.SRV: 6, dns.rdatatype.SVCB: 2,
              dns.rdatatype.HTTPS: 2}

    def targets(rrs):
        return {dns.name.from_wire(rr[3], wanted[rr[1]])[0].to_text().lower() for rr in rrs if rr[1] in wanted}

    extra = targets(ns) - targets(answer.answer)
    return answer._replace(authority=answer.authority - ns,
                           additional=frozenset(rr for rr in answer.additional if rr[0] not in extra))


def has(answer, rdtype):
    return any(rr[1] == rdtype for rr in answer.answer)


# Rows of docs/ANSWERS.md: each function returns True if its row explains the difference.

def any_row(q, nsd, knot, ours):
    """ANY: UDP one RRset, the smallest; TCP all (RFC 8482)."""
    if q.rdtype != "ANY" or ours.rcode != 0 or not ours.answer or ours[:3] != nsd[:3]:
        return False
    if q.tcp:  # all that either peer gives, which are parts of it
        return nsd.answer <= ours.answer and knot.answer <= ours.answer
    sets = {(owner, rdtype) for owner, rdtype, _, _ in ours.answer if rdtype != dns.rdatatype.CNAME}
    return len(sets) <= 1


def glue_row(q, nsd, knot, ours):
    """In-domain glue of a referral that does not fit: TC=1 (RFC 9471)."""
    return "AA" not in ours.flags and "TC" in ours.flags and "TC" in knot.flags and nsd.additional


def loop_row(q, nsd, knot, ours):
    """CNAME or DNAME loop: each record of the chain once, NOERROR."""
    return ("duplicates" in knot.flags and ours.rcode == 0 and "duplicates" not in ours.flags and
            ours.answer == knot.answer and ours[3:6] == nsd[3:6])


def proof_type_row(q, nsd, knot, ours):
    """QTYPE RRSIG, NSEC or NSEC3 at a CNAME: it is followed, as by nsd for NSEC and by knotd for NSEC3."""
    return (q.rdtype in ("RRSIG", "NSEC", "NSEC3") and has(ours, dns.rdatatype.CNAME) and
            (same(ours, nsd) or same(ours, knot) or followed(ours, knot)))


# Differences without a row in docs/ANSWERS.md

def followed(ours, knot):
    """Return True if our answer has all that knotd's has, and follows the chain further."""
    return knot.answer < ours.answer or (knot.answer == ours.answer and not knot.authority)


def other_zone_row(q, nsd, knot, ours):
    """A CNAME into another served zone: nsd and authd follow it, knotd stops or sends a referral from the parent."""
    is_referral = knot.answer <= ours.answer and any(rr[1] == dns.rdatatype.NS for rr in knot.authority)
    return (has(ours, dns.rdatatype.CNAME) and (followed(ours, knot) or is_referral) and
            (same(ours, nsd) or q.rdtype == "NSEC3" and nsd.answer <= ours.answer))


def too_long_row(q, nsd, knot, ours):
    """A DNAME that makes a name too long: YXDOMAIN (RFC 6672 2.2); knotd answers NXDOMAIN."""
    return ours.rcode == nsd.rcode == dns.rcode.YXDOMAIN and has(ours, dns.rdatatype.DNAME)


UDP_SIZE = 1232  # of our answers, whatever the client accepts


def courtesy_row(q, nsd, knot, ours):
    """Optional addresses in the additional section: authd adds those of knotd, or fewer if they do not fit."""
    return (ours[:5] == knot[:5] == nsd[:5] and
            (ours.additional == knot.additional or
             ours.additional < knot.additional and len(ours.wire) > min(q.size, UDP_SIZE) - 64))


def show(answer):
    if answer is None:
        return "no answer"
    text = f"rcode {dns.rcode.to_text(answer.rcode)} flags [{answer.flags}] edns {answer.edns} size {len(answer.wire)}"
    message = dns.message.from_wire(answer.wire, one_rr_per_rrset=True)
    for name in ("answer", "authority", "additional"):
        for rr in getattr(message, name)[:6]:
            text += f"\n      {name:10} {rr}"
    return text
