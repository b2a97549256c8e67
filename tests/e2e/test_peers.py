"""unbound, knot-resolver and rootline-resolver on one private Internet: the same answers for every name and type."""
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import internet
import lab
from internet import ZONES, child

TYPES = ["A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "SRV", "PTR", "CAA", "HTTPS", "DNAME"]
LABELS = ["", "n1", "n2", "www", "far", "far2", "tree", "a.tree", "ent.deep", "deep", "leaf.ent.deep", "wild",
          "x.wild", "y.x.wild", "only", "wc.only", "_s._tcp", "v6", "dangling", "zero", "caa", "https", "Case.MiXed",
          "big", "none", "none.n1", "sub", "x.sub", "glueless", "x.glueless", "ns0", "ns1"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    lab.need("unbound", "kresd")
    folder = tmp_path_factory.mktemp("peers")
    try:
        net = internet.Internet(folder / "internet", 53)
    except AssertionError as fault:
        pytest.skip(f"port 53 of 127.90.0.0/16 is not available: {str(fault)[-200:]}")
    made = {}
    try:
        made["rootline"] = internet.Resolver(folder / "rootline", net)
        made["unbound"] = internet.Unbound(folder / "unbound", net)
        made["kresd"] = internet.Kresd(folder / "kresd", net)
        yield made
    finally:
        for server in made.values():
            server.stop()
        net.stop()


def answer(server, name, rdtype):
    """Return the RCODE, the records of the answer section, and the owners of SOA in the authority section."""
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=4096)
    try:
        reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=10)
    except dns.exception.Timeout:
        if isinstance(server, internet.Resolver):
            raise
        # if one of a zone's four servers is dead, unbound sometimes needs longer
        reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=30)
    if reply.flags & dns.flags.TC:
        reply = dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=15)
    records = sorted(f"{s.name.to_text().lower()} {dns.rdatatype.to_text(s.rdtype)} {r.to_text().lower()}"
                     for s in reply.answer for r in s)
    soa = sorted(s.name.to_text().lower() for s in reply.authority if s.rdtype == dns.rdatatype.SOA)
    return dns.rcode.to_text(reply.rcode()), records, soa


def test_same_answers(servers):
    names = [f"{label}.{child(n)}" if label else child(n) for n in range(0, ZONES, 5) for label in LABELS]
    names += [".", "alpha.", "beta.", "none.alpha.", "none.", "hosts.alpha.", "ns.hosts.alpha.", "lame.alpha.",
              "x.y.z.none."]
    asked, alone, different = 0, 0, []
    for name in names:
        for rdtype in TYPES:
            asked += 1
            got = {server_name: answer(server, name, rdtype) for server_name, server in servers.items()}
            peers = [got["unbound"], got["kresd"]]
            alone += peers[0] != peers[1]
            if got["rootline"] not in peers:
                different.append((name, rdtype, got))
    print(f"\n{asked} queries to each; the peers differ on {alone}; "
          f"rootline-resolver differs from both on {len(different)}")
    for name, rdtype, got in different[:20]:
        print(name, rdtype, *(f"\n    {server_name}: {what}" for server_name, what in got.items()))
    assert not different
