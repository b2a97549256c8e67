"""The same queries to nsd, knotd, named and rootline-authd with the same signed zones.

A difference between any two of them must match a row of CONTESTED; one row is that a single peer differs from all
others.
"""
import collections
import re
import time

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

import lab
import signing
from differ import (Question, ask_all, below, check, glue_row, has, loop_row, other_zone_row, owners, proof_type_row,
                    read, same, show, without_courtesy)

TYPES = "A AAAA NS SOA MX TXT CNAME DNAME DS RRSIG NSEC DNSKEY NSEC3 NSEC3PARAM ANY TYPE999".split()


# ---- queries ----

def ask_about(names, dnssec):
    for name in names:
        for rdtype in TYPES:
            yield Question("owner x type", name, rdtype, 1232, False, dnssec)
        for label in (b"zz-misspelt", b"*", b"\x00"):
            child = below(label, name)
            if child is not None:
                for rdtype in ("A", "TXT", "DS", "NSEC"):
                    yield Question("misspelt child", child, rdtype, 1232, False, dnssec)
        deep = below(b"x", name) and below(b"y", below(b"x", name))
        if deep is not None:
            yield Question("two below", deep, "A", 1232, False, dnssec)
        if len(name.labels) > 1:
            first = name.labels[0]
            for label in (first[:-1] + bytes([first[-1] ^ 1]), first + b"0"):
                if len(label) <= 63 and len(name) < 100:
                    sibling = dns.name.Name((label,) + name.labels[1:])
                    yield Question("misspelt owner", sibling, "A", 1232, False, dnssec)
        for rdtype in ("A", "ANY", "RRSIG"):
            yield Question("TCP", name, rdtype, 1232, True, dnssec)
    for name in names[::7]:
        for size in (512, 800, 1100, 4096):
            for rdtype in ("A", "NS", "DS", "DNSKEY"):
                yield Question("EDNS size", name, rdtype, size, False, dnssec)


def questions(kind, zones):
    names = [n for n in owners(zones) if not re.match(r"[0-9a-v]{32}\.", n.to_text().lower())]
    if kind == "root":
        names = names[:20] + names[20::40]
    else:
        names += [dns.name.from_text("1" * 32 + ".example.")]
    return list(ask_about(names, True)) + list(ask_about(names[::6], False))


# ---- rows ----

def two_agree(q, nsd, knot, named, ours):
    """Two of the three peers give our answer: only the third differs."""
    return sum(same(ours, peer) for peer in (nsd, knot, named)) >= 2


def loop(q, nsd, knot, named, ours):
    """CNAME or DNAME loop: the chain once, NOERROR, no duplicates; named answers SERVFAIL."""
    return loop_row(q, nsd, knot, ours) and named.rcode == dns.rcode.SERVFAIL


def any_type(q, nsd, knot, named, ours):
    """ANY: over UDP one RRset, the smallest, with its signatures under DO; over TCP all (RFC 8482)."""
    if q.rdtype != "ANY" or ours.rcode != 0 or not ours.answer or "TC" in ours.flags:
        return False
    if q.tcp:
        return nsd.answer <= ours.answer and knot.answer <= ours.answer and named.answer <= ours.answer
    sets = {(owner, rdtype) for owner, rdtype, _, _ in ours.answer if rdtype != dns.rdatatype.RRSIG}
    chain = sum(rdtype == dns.rdatatype.CNAME for _, rdtype in sets)
    return len(sets) - chain <= 1


def all_signatures(q, nsd, knot, named, ours):
    """RRSIG: all signatures of the name, as nsd and named answer; knotd has those of one type."""
    return (q.rdtype == "RRSIG" and "AA" in ours.flags and ours.rcode == nsd.rcode == named.rcode and
            ("TC" in ours.flags and "TC" in nsd.flags or nsd.answer <= ours.answer and named.answer <= ours.answer))


def proof_type(q, nsd, knot, named, ours):
    """QTYPE RRSIG, NSEC or NSEC3 at a CNAME: an answer if the name owns it (RFC 4035 2.5), else the CNAME is
    followed."""
    return proof_type_row(q, nsd, knot, ours) and (same(ours, named) or has(ours, dns.rdatatype.CNAME))


def owned_proof_type(q, nsd, knot, named, ours):
    """QTYPE NSEC at a CNAME that owns one: an answer; nsd follows the CNAME."""
    return q.rdtype == "NSEC" and has(ours, dns.rdatatype.NSEC) and (same(ours, knot) or same(ours, named))


def nsec_at_cut(q, nsd, knot, named, ours):
    """QTYPE NSEC at a zone cut: a referral; named answers it."""
    return q.rdtype == "NSEC" and "AA" not in ours.flags and (same(ours, nsd) or same(ours, knot))


def other_zone(q, nsd, knot, named, ours):
    """A CNAME into another served zone: nsd and rootline-authd follow it."""
    return other_zone_row(q, nsd, knot, ours)


def courtesy(q, nsd, knot, named, ours):
    """Optional addresses, and their signatures, in the additional section: each server chooses their number and
    order."""
    names = {rr[0] for peer in (nsd, knot, named) for rr in peer.additional}
    is_full = len(ours.wire) > q.size - 200
    return (ours[:5] == knot[:5] == nsd[:5] and {rr[0] for rr in ours.additional} <= names and
            (ours.additional == knot.additional or is_full))


def glue(q, nsd, knot, named, ours):
    """In-domain glue of a referral that does not fit: TC=1 (RFC 9471)."""
    return glue_row(q, nsd, knot, ours) and same(ours, knot)


def empty_wildcard(q, nsd, knot, named, ours):
    """A wildcard that is an empty non-terminal: the NSEC that covers it proves that, as nsd answers."""
    return ours.rcode == 0 and not ours.answer and same(ours, nsd) and knot.authority < ours.authority


CONTESTED = [two_agree, loop, any_type, all_signatures, proof_type, owned_proof_type, nsec_at_cut, other_zone,
             courtesy, glue, empty_wildcard]


@pytest.fixture(params=[kind for kind in signing.KINDS if kind != "rootline-nsec"])
def kind(request):
    return request.param


def test_same_answers(kind, tmp_path):
    lab.need("nsd", "knotd", "named")
    zones = signing.make_zones(kind, tmp_path)
    asked = questions(kind, zones)
    start = time.monotonic()
    replies = []
    for server_kind in (lab.Nsd, lab.Knot, lab.Named, lab.Authd):
        place = tmp_path / server_kind.__name__
        place.mkdir()
        server = server_kind(place, zones)
        try:
            wires = ask_all(server.port, asked)
            replies.append([None if w is None else read(w) for w in wires])
        finally:
            server.stop()
    check([w for w in wires if w])  # of rootline-authd, the last server
    rows = collections.Counter()
    classes = collections.Counter(q.cls for q in asked)
    wrong = []
    for q, nsd, knot, named, ours in zip(asked, *replies):
        nsd = without_courtesy(nsd, zones)
        assert ours is not None, f"rootline-authd did not answer {q}"
        if same(nsd, knot) and same(knot, named) and same(ours, nsd):
            continue
        row = next((r for r in CONTESTED if r(q, nsd, knot, named, ours)), None)
        if row:
            rows[q.cls, row.__name__] += 1
        else:
            wrong.append((q, nsd, knot, named, ours))
    print(f"\n{kind}: {len(asked)} queries to each of four servers in {time.monotonic() - start:.0f} s")
    for cls, count in classes.items():
        print(f"  {cls:18} {count:6} queries", *(f"; {row} {n}" for (c, row), n in sorted(rows.items()) if c == cls))
    text = f"{len(wrong)} differences without a row in CONTESTED"
    for q, *answers in wrong[:100]:
        text += f"\n{q.cls}: {q.name} {q.rdtype} size {q.size} {'TCP' if q.tcp else 'UDP'} {'DO' if q.dnssec else ''}"
        for name, answer in zip(("nsd", "knot", "named", "ours"), answers):
            text += f"\n  {name}: {show(answer)}"
    assert not wrong, text
