"""Local data and hosts files: answers, empty non-terminals, wildcards, error messages with file, line and column."""
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import internet
import lab


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    made = internet.Internet(tmp_path_factory.mktemp("internet"), lab.free_port())
    yield made
    made.stop()


def ask(server, name, rdtype="A", tcp=False):
    query = dns.message.make_query(name, rdtype, use_edns=0)
    how = dns.query.tcp if tcp else dns.query.udp
    return how(query, "127.0.0.1", port=server.port, timeout=5)


def nodata(reply):
    return (reply.rcode() == dns.rcode.NOERROR and not reply.answer
            and [s.rdtype for s in reply.authority] == [dns.rdatatype.SOA])


def test_empty_non_terminals(net, tmp_path):
    (tmp_path / "hosts").write_text("192.0.2.1 d.e.f.home.arpa d.e.f.corp.alpha d.e.intern\n")
    server = internet.Resolver(tmp_path, net, extra="""hosts: hosts
local-data: ["a.b.c.home.arpa. A 192.0.2.1", "a.b.c.corp.alpha. A 192.0.2.1", "a.n1.z1.alpha. A 192.0.2.1",
  "k3d.localhost. A 192.0.2.3", "x.*.wild.home.arpa. A 192.0.2.4"]
stub-zones: [{zone: 9.9.10.in-addr.arpa, servers: [127.90.1.1]}]""")
    try:
        for name in ("b.c.home.arpa", "c.home.arpa", "e.f.home.arpa", "f.home.arpa", "9.10.in-addr.arpa",
                     "b.c.corp.alpha", "c.corp.alpha", "corp.alpha", "f.corp.alpha", "e.intern", "intern",
                     "wild.home.arpa", "*.wild.home.arpa", "y.wild.home.arpa", "z.y.wild.home.arpa"):  # RFC 4592 2.2.2
            for rdtype in ("A", "NS", "TXT"):
                for _ in range(2):  # the second answer is from the cache
                    reply = ask(server, name, rdtype)
                    assert nodata(reply), (name, rdtype, reply)
        for name in ("x.c.home.arpa", "x.home.arpa", "x.c.corp.alpha", "x.alpha", "x.intern", "8.10.in-addr.arpa",
                     "y.*.wild.home.arpa"):
            reply = ask(server, name)
            assert reply.rcode() == dns.rcode.NXDOMAIN and reply.authority, (name, reply)
        # names above local data keep their records on the Internet
        assert ask(server, "n1.z1.alpha").answer and ask(server, "z1.alpha", "NS").answer
        assert ask(server, "a.n1.z1.alpha").answer and nodata(ask(server, "a.n1.z1.alpha", "MX"))
        assert ask(server, "k3d.localhost").answer
        assert nodata(ask(server, "k3d.localhost", "AAAA")) and nodata(ask(server, "k3d.localhost", "TXT"))
    finally:
        server.stop()


def check(tmp_path, extra):
    path = tmp_path / "resolver.yaml"
    path.write_text("server: {listen: [127.0.0.1@5300]}\nallow: [127.0.0.0/8]\n" + extra)
    return path, lab.run(lab.ROOTLINE, "check", path)


@pytest.mark.parametrize("records, line, what", [
    (["a.lab. CNAME b.lab.", "a.lab. CNAME c.lab."], 5, "error: a.lab. CNAME: the name has another CNAME"),
    (["a.lab. CNAME b.lab.", "A.LAB. A 192.0.2.1"], 5, "error: A.LAB. A: the name has a CNAME"),
    (["a.lab. A 192.0.2.1", "a.lab. CNAME b.lab."], 5, "error: a.lab. CNAME: the name has other records"),
    (["a.lab. CH A 192.0.2.1"], 4, "error: local data must be of class IN"),
    (["a.lab. CLASS7 A 192.0.2.1"], 4, "error: local data must be of class IN"),
    (["a.lab. TYPE41 \\\\# 0"], 4, "error: OPT is a type of queries and messages only"),
    (["a.lab. DNAME b.lab.", "x.a.lab. A 192.0.2.1"], 5, "error: x.a.lab. A: a name above has a DNAME"),
    (["x.a.lab. A 192.0.2.1", "a.lab. DNAME b.lab."], 5, "error: a.lab. DNAME: there are names below"),
    (["a.lab. SOA a. b. 1 2 3 4 5", "a.lab. SOA a. b. 2 2 3 4 5"], 5, "error: a.lab. SOA: the name has another SOA"),
    (["b\u00fccher.lab. A 192.0.2.1"], 4, "warning: b\u00fccher.lab. is UTF-8, but clients query xn--bcher-kva.lab."),
])
def test_check_reports_line_and_column(tmp_path, records, line, what):
    path, done = check(tmp_path, "local-data:\n" + "".join(f'  - "{r}"\n' for r in records))
    assert f"{path}:{line}:5: {what}" in done.stderr, done.stderr
    assert done.returncode == (1 if what.startswith("error") else 0)


def test_check_warns_of_malformed_hosts_lines(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("nonsense x\n256.1.1.1 a\nfe80::1%lo0 localhost6\n192.0.2.1\n192.0.2.2 bad..name good\n",
                     encoding="utf-8")
    path, done = check(tmp_path, "hosts: hosts\n")
    assert done.returncode == 0
    for where in ("1:1: warning: expected an address", "2:1: warning: expected an address",
                  "3:1: warning: an address with a scope", "4:10: warning: expected a name",
                  "5:15: warning: this is not a host name"):
        assert f"{hosts}:{where}" in done.stderr, (where, done.stderr)


def test_large_hosts_files(net, tmp_path):
    """A million lines, 200 names of one address, 5000 addresses of one name; a PTR answer has at most eight names."""
    with open(tmp_path / "hosts", "w") as f:
        f.writelines(f"0.0.0.0 ad{i}.t{i % 5000}.example.com\n" for i in range(1_000_000))
        f.writelines(f"192.0.2.1 n{i}.intern\n" for i in range(200))
        f.writelines(f"10.0.{i >> 8}.{i & 255} many.intern\n" for i in range(5000))
    server = internet.Resolver(tmp_path, net, extra="hosts: hosts")
    try:
        assert "many.intern: the records of this name and type do not fit into a message" in server.log()
        for i in (0, 100, 999_999):
            assert ask(server, f"ad{i}.t{i % 5000}.example.com").answer[0][0].address == "0.0.0.0"
        assert ask(server, "n199.intern").answer
        assert 1 <= len(ask(server, "1.2.0.192.in-addr.arpa", "PTR", tcp=True).answer[0]) <= 8
        assert len(ask(server, "many.intern", tcp=True).answer[0]) > 4000
        assert ask(server, "many.intern").flags & dns.flags.TC
    finally:
        server.stop()


def test_built_in_zones_have_soa_and_ns(net, tmp_path):
    server = internet.Resolver(tmp_path, net)
    try:
        for zone in ("10.in-addr.arpa.", "home.arpa.", "test.", "localhost.", "d.f.ip6.arpa."):
            for rdtype in ("SOA", "NS"):
                assert ask(server, zone, rdtype).answer[0].name.to_text() == zone
            assert nodata(ask(server, zone, "TXT"))
    finally:
        server.stop()


def test_wildcards(net, tmp_path):
    server = internet.Resolver(tmp_path, net, extra="""local-data: ["*.lab. A 192.0.2.7", "x.foo.lab. A 192.0.2.8",
    "*.al.lab. CNAME x.foo.lab.", "d.dn.lab. DNAME lab.", "zone.lab. SOA a. b. 1 2 3 4 5",
    "*.home.arpa. A 192.0.2.9"]""")
    try:
        assert ask(server, "any.lab").answer[0][0].address == "192.0.2.7"
        assert ask(server, "a.b.lab").answer[0][0].address == "192.0.2.7" and nodata(ask(server, "a.b.lab", "TXT"))
        assert nodata(ask(server, "foo.lab")) and not ask(server, "y.foo.lab").answer  # RFC 4592 2.2.2, 3.3.1
        assert len(ask(server, "q.al.lab").answer) == 2
        assert [s.rdtype for s in ask(server, "x.d.dn.lab").answer] == [39, 5, 1]
        assert ask(server, "no.zone.lab").rcode() == dns.rcode.NXDOMAIN and nodata(ask(server, "zone.lab"))
        assert ask(server, "any.home.arpa").answer
    finally:
        server.stop()


def test_local_data_is_read_like_a_zone_file(net, tmp_path):
    """Records have the same syntax, TTLs (RFC 2181 8), parameters (RFC 9460 2.1) and warnings as in a zone file."""
    path, done = check(tmp_path, """local-data:
  - 'x.lab. HTTPS 1 . alpn="h2"port=443 key65000="a b"'
  - 'ttl.lab. 4294967295 A 192.0.2.1'
  - 'soa.lab. 4294967295 SOA a. b. 1 2 3 4 4294967295'
  - '*.w.lab. DNAME t.lab.'
  - 'c.lab. CNAME b\u00fc.lab.'
  - '\u1ec6.lab. A 192.0.2.1'
""")
    assert done.returncode == 0
    for line, what in ((5, "ttl.lab. A: a TTL above 2147483647 counts as 0"), (6, "soa.lab. SOA: a TTL above"),
                       (7, "DNAME of a wildcard applies to no other name"), (8, "clients query xn--b-eha.lab."),
                       (9, "clients query xn--qlg.lab.")):
        assert f"{path}:{line}:5: warning: " in done.stderr and what in done.stderr, done.stderr
    (tmp_path / "hosts").write_text("10.0.0.1 @ . ok.lab\n10.1.2.3 foo.lab\n")
    server = internet.Resolver(tmp_path / "r", net, extra=f"""hosts: {tmp_path / "hosts"}
local-data: ['x.lab. HTTPS 1 . alpn="h2"port=443', "ttl.lab. 4294967295 A 192.0.2.1",
  "soa.lab. SOA a. b. 1 2 3 4 4294967295",
  "10.in-addr.arpa. DNAME rev.lab.", "3.2.1.rev.lab. PTR good.lab.", "a.b.z2.beta. A 192.0.2.4"]""")
    try:
        assert str(ask(server, "x.lab", "HTTPS").answer[0][0]) == '1 . alpn="h2" port="443"'
        assert ask(server, "ttl.lab").answer[0].ttl == 0
        assert ask(server, "no.soa.lab").authority[0].ttl == 0
        assert ask(server, "ok.lab").answer and ask(server, ".", "NS").answer
        reply = ask(server, "3.2.1.10.in-addr.arpa", "PTR")
        assert [s.rdtype for s in reply.answer] == [dns.rdatatype.DNAME, dns.rdatatype.CNAME, dns.rdatatype.PTR], reply
        assert nodata(ask(server, "b.z2.beta"))
    finally:
        server.stop()
