"""The same queries to nsd, knotd and rootline-authd with the same zones.

A difference must match a row of CONTESTED: a case in which the peers differ and a decision was made.  Each row also
defines our answer.  Differences are counted and printed per class of query and row; a difference without a row fails.
"""
import collections
import time

import dns.name
import pytest

import lab
from differ import (Question, any_row, ask_all, below, check, courtesy_row, glue_row, loop_row, other_zone_row, owners,
                    proof_type_row, read, same, show, too_long_row, without_courtesy)

DATA = lab.SOURCE / "tests/data/differential"
ZONES = {"example.": DATA / "example.zone", "served.": DATA / "served.zone",
         "child.served.": DATA / "child.served.zone"}
TYPES = """A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP PX AAAA LOC SRV NAPTR
 KX CERT DNAME APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA HIP CDS CDNSKEY OPENPGPKEY
 CSYNC ZONEMD SVCB HTTPS SPF NID L32 L64 LP EUI48 EUI64 URI CAA ANY TYPE65280 TYPE65281 TYPE999""".split()


# ---- queries ----

def questions():
    names = owners(ZONES)
    cuts = [n for n in map(dns.name.from_text, ["sub.example.", "sib.example.", "glueless.example.", "cutwild.example.",
                                                "deeper.sub.example.", "manyns.example.", "sibns.example.",
                                                "child.served.", "nods.served."])]
    for name in names:
        for rdtype in TYPES:
            yield Question("owner x type", name, rdtype, 1232, False)
    for name in names:
        for label in (b"zz-misspelt", b"*", b"a"):
            child = below(label, name)
            if child is not None:
                for rdtype in ("A", "TXT", "CNAME", "DS", "NS", "ANY"):
                    yield Question("misspelt child", child, rdtype, 1232, False)
        if len(name.labels[0]) > 1 and len(name) > 2:
            sibling = dns.name.Name((name.labels[0][:-1],) + name.labels[1:])
            for rdtype in ("A", "MX"):
                yield Question("misspelt owner", sibling, rdtype, 1232, False)
    for cut in cuts:
        for prefix in ("x", "x.y", "ns1", "*", "_a._b"):
            name = dns.name.from_text(prefix, cut)
            for rdtype in ("A", "AAAA", "DS", "NS", "SOA", "NSEC", "ANY", "MX"):
                yield Question("below a cut", name, rdtype, 1232, False)
    large = [n for n in names if n.to_text().split(".")[0] in
             ("big4", "big5", "big11", "big12", "big40", "big200", "many-a", "many-mx", "manyns", "sibns")]
    for name in large:
        for rdtype in ("TXT", "A", "MX", "NS"):
            for size in (0, 512, 600, 1000, 1232, 1400, 4096, 65535):
                yield Question("EDNS size", name, rdtype, size, False)
    for name in names:
        for rdtype in ("A", "TXT", "MX", "NS", "SOA", "CNAME", "ANY"):
            yield Question("TCP", name, rdtype, 1232, True)
    for text in (".", "com.", "example.com.", "xample.", "exampl.", "nexample."):
        for rdtype in ("A", "SOA", "DS", "ANY"):
            yield Question("not served", dns.name.from_text(text), rdtype, 1232, False)
    dnlong = dns.name.from_text("dnlong.example.")
    for width in (1, 40, 50, 58, 59, 60, 63):
        for rdtype in ("A", "CNAME", "DNAME"):
            yield Question("too long by DNAME", below(b"y" * width, dnlong), rdtype, 1232, False)


CONTESTED = [any_row, glue_row, loop_row, proof_type_row, other_zone_row, too_long_row, courtesy_row]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    lab.need("nsd", "knotd")
    folder = tmp_path_factory.mktemp("differential")
    started = []
    try:
        for kind in (lab.Nsd, lab.Knot, lab.Authd):
            place = folder / kind.__name__
            place.mkdir()
            started.append(kind(place, ZONES))
        yield started
    finally:
        for server in started:
            server.stop()


def test_same_answers(servers):
    asked = list(questions())
    start = time.monotonic()
    wires = [ask_all(s.port, asked) for s in servers]
    check([w for w in wires[-1] if w])  # ours
    replies = [[None if w is None else read(w) for w in all_of_one] for all_of_one in wires]
    rows = collections.Counter()
    classes = collections.Counter(q.cls for q in asked)
    wrong = []
    for q, nsd, knot, ours in zip(asked, *replies):
        nsd = without_courtesy(nsd, ZONES)
        assert ours is not None, f"rootline-authd did not answer {q}"
        if same(nsd, knot) and same(ours, nsd):
            continue
        row = next((r for r in CONTESTED if r(q, nsd, knot, ours)), None)
        if row:
            rows[q.cls, row.__name__] += 1
        else:
            wrong.append((q, nsd, knot, ours))
    print(f"\n{len(asked)} queries to each of three servers in {time.monotonic() - start:.0f} s")
    for cls, count in classes.items():
        print(f"  {cls:18} {count:6} queries", *(f"; {row} {n}" for (c, row), n in sorted(rows.items()) if c == cls))
    text = f"{len(wrong)} differences without a row in CONTESTED"
    for q, nsd, knot, ours in wrong[:400]:
        text += f"\n{q.cls}: {q.name} {q.rdtype} size {q.size} {'TCP' if q.tcp else 'UDP'}"
        text += f"\n  nsd:  {show(nsd)}\n  knot: {show(knot)}\n  ours: {show(ours)}"
    assert not wrong, text
