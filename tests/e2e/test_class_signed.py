"""The class Internet, signed by rootline zone sign: unbound, knot-resolver and our resolver find each zone as the table
zones/internet/signing says."""
import re

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import internet
import lab

# name, type: RCODE, AD, the extended errors (RFC 8914) of which unbound gives one; kresd 5 has few of them
SECURE, INSECURE = (dns.rcode.NOERROR, True, set()), (dns.rcode.NOERROR, False, set())
ABSENT = (dns.rcode.NXDOMAIN, True, set())


def bogus(*codes):
    return dns.rcode.SERVFAIL, False, set(codes)


EXPECTED = {
    (".", "SOA"): SECURE, ("edu", "NS"): SECURE, ("com", "SOA"): SECURE, ("org", "DNSKEY"): SECURE,
    ("example", "SOA"): SECURE,
    ("www.uni.edu", "A"): SECURE,
    ("www.uni.edu", "MX"): SECURE,                      # NODATA
    ("nothing.uni.edu", "A"): ABSENT,
    ("bob.students.uni.edu", "A"): SECURE,              # from a wildcard
    ("students.uni.edu", "A"): SECURE,                  # an empty non-terminal
    ("library.uni.edu", "A"): SECURE,                   # a CNAME into a zone with NSEC3
    ("nowhere.uni.edu", "A"): ABSENT,                   # a CNAME for a name that does not exist
    ("atom.physics.uni.edu", "A"): SECURE,              # a DNAME
    ("www.cs.uni.edu", "AAAA"): SECURE,
    ("nothing.cs.uni.edu", "A"): ABSENT,
    ("books.shop.com", "A"): SECURE,
    ("images.shop.com", "A"): INSECURE,                 # a CNAME into an unsigned zone
    ("edge.cdn.com", "A"): INSECURE,                    # an unsigned child of a zone with NSEC3
    ("cdn.com", "DS"): SECURE,
    ("nothing.com", "A"): ABSENT,
    ("www.blog.org", "A"): INSECURE,                    # opt-out
    ("www.six.org", "AAAA"): INSECURE,
    ("nothing.org", "A"): (dns.rcode.NXDOMAIN, False, set()),  # a span with opt-out proves no more
    ("hosting.org", "SOA"): SECURE, ("atom.labs.org", "A"): SECURE,
    ("80.1.18.198.in-addr.arpa", "PTR"): SECURE,
    ("school.example", "MX"): SECURE,
    ("south.classroom.school.example", "A"): SECURE,
    ("www.expired.example", "A"): bogus(dns.edns.EDECode.SIGNATURE_EXPIRED),
    ("www.early.example", "A"): bogus(dns.edns.EDECode.SIGNATURE_NOT_YET_VALID),
    ("www.wrong-ds.example", "A"): bogus(dns.edns.EDECode.DNSKEY_MISSING, dns.edns.EDECode.DNSSEC_BOGUS),
    ("www.missing.example", "A"): bogus(dns.edns.EDECode.RRSIGS_MISSING, dns.edns.EDECode.DNSSEC_BOGUS),
    ("mail.missing.example", "A"): SECURE,
    ("nothing.wrong-nsec.example", "A"): bogus(dns.edns.EDECode.NSEC_MISSING, dns.edns.EDECode.DNSSEC_BOGUS),
    ("www.wrong-nsec.example", "A"): SECURE,
    ("www.unknown.example", "A"): INSECURE,             # the DS has an unknown algorithm only
    ("www.stripped.example", "A"): bogus(
        dns.edns.EDECode.DNSKEY_MISSING, dns.edns.EDECode.RRSIGS_MISSING, dns.edns.EDECode.DNSSEC_BOGUS),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    lab.need("unbound", "kresd", "ldns-verify-zone", "delv")
    try:
        made = internet.ClassInternet(tmp_path_factory.mktemp("class"), 53)
    except AssertionError as fault:
        pytest.skip(f"port 53 of 127.11.0.0/16 is not available: {str(fault)[-200:]}")
    yield made
    made.stop()


@pytest.fixture(scope="module", params=[internet.Unbound, internet.Kresd, internet.ClassResolver])
def validator(request, net, tmp_path_factory):
    folder, anchor = tmp_path_factory.mktemp("validator") / "server", net.folder / "root.key"
    server = request.param(folder, net, anchor=anchor)
    yield server
    server.stop()


def ask(server, name, rdtype, flags=0):
    query = dns.message.make_query(name, rdtype, want_dnssec=True, payload=1232, flags=dns.flags.RD | flags)
    return dns.query.udp_with_fallback(query, "127.0.0.1", port=server.port, timeout=20)[0]


def read_table():
    """{zone: fault}"""
    lines = (lab.SOURCE / "zones/internet/signing").read_text().splitlines()
    return {words[0]: words[1] for words in map(str.split, lines) if words and not words[0].startswith("#")}


def test_validators_find_what_the_table_says(validator):
    wrong = []
    for (name, rdtype), (rcode, is_secure, codes) in EXPECTED.items():
        reply = ask(validator, name, rdtype)
        got = {option.code for option in reply.options if isinstance(option, dns.edns.EDEOption)}
        if (reply.rcode(), bool(reply.flags & dns.flags.AD)) != (rcode, is_secure) or (
                codes and not got & codes and not isinstance(validator, internet.Kresd)):
            wrong.append(f"{name} {rdtype}: {dns.rcode.to_text(reply.rcode())} {dns.flags.to_text(reply.flags)} {got}")
    assert not wrong, "\n".join(wrong) + "\n" + validator.log()[-3000:]


def test_broken_zones_answer_without_validation(validator):
    """What is wrong is only the signing: with CD the data are there."""
    for name, rdtype in EXPECTED:
        if EXPECTED[name, rdtype][0] == dns.rcode.SERVFAIL:
            reply = ask(validator, name, rdtype, dns.flags.CD)
            assert reply.rcode() == (dns.rcode.NXDOMAIN if name.startswith("nothing") else dns.rcode.NOERROR), reply


def test_every_zone_of_the_table_is_asked_for():
    names = {name.rstrip(".") for name, _ in EXPECTED}
    for zone in read_table():
        assert any(name == zone.rstrip(".") or name.endswith("." + zone) for name in names), zone


def test_zone_files(net):
    """Only the broken zones have faults."""
    for zone, fault in read_table().items():
        path = net.folder / "zones" / ("root.zone" if zone == "." else f"{zone}.zone")
        done = lab.run(lab.ROOTLINE, "zone", "check", zone, path, "--crypto")
        is_wrong = fault in ("expired", "early", "missing", "wrong-nsec", "unknown")
        assert (done.returncode == 1) == is_wrong, f"{zone}: {done.stderr}"
        if fault == "-":
            done = lab.run("ldns-verify-zone", "-V", "1", path)
            assert done.returncode == 0, f"{zone}: {done.stdout} {done.stderr}"


def test_anchors(net, validator):
    """root.key is what the resolvers read, delv.key the same for delv."""
    text = (net.folder / "root.key").read_text()
    assert re.fullmatch(r"\. IN DS \d+ 8 2 [0-9a-f]{64}\n", text)
    for name, verdict in (("www.uni.edu", "fully validated"), ("edge.cdn.com", "unsigned answer"),
                          ("www.wrong-ds.example", "resolution failed")):
        done = lab.run("delv", "@127.0.0.1", "-p", validator.port, "-a", net.folder / "delv.key", "+root=.", name)
        assert verdict in done.stdout + done.stderr, done.stdout + done.stderr
