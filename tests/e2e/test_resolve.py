"""The resolver in a private Internet of authd instances: real clients, lost packets, a dead server."""
import json
import random
import select
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import internet
import lab
from internet import NAMES, ZONES, address, child


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    made = internet.Internet(tmp_path_factory.mktemp("internet"), lab.free_port())
    yield made
    made.stop()


@pytest.fixture(scope="module")
def resolver(net, tmp_path_factory):
    made = internet.Resolver(tmp_path_factory.mktemp("resolver"), net)
    yield made
    made.stop()


def ask(server, name, rdtype="A", tcp=False, **kw):
    query = dns.message.make_query(name, rdtype, use_edns=0, **kw)
    call = dns.query.tcp if tcp else dns.query.udp
    return call(query, "127.0.0.1", port=server.port, timeout=10)


def addresses(reply):
    return sorted(r.address for s in reply.answer if s.rdtype == dns.rdatatype.A for r in s)


# ---- clients ----

def test_dig(resolver):
    lab.need("dig")
    out = lab.run("dig", "@127.0.0.1", "-p", resolver.port, "www.z1.alpha", "+noall", "+answer", "+comments").stdout
    assert "status: NOERROR" in out and "flags: qr rd ra;" in out and address(1, 3) in out and "CNAME" in out


def test_dig_falls_back_to_tcp(resolver):
    lab.need("dig")
    out = lab.run("dig", "@127.0.0.1", "-p", resolver.port, "big.z3.alpha", "TXT").stdout
    assert "Truncated, retrying in TCP mode" in out and out.count("xxxx") >= 40


def test_nslookup(resolver):
    lab.need("nslookup")
    out = lab.run("nslookup", f"-port={resolver.port}", "n7.z2.beta", "127.0.0.1").stdout
    assert address(2, 7) in out and "Non-authoritative answer" in out
    assert "NXDOMAIN" in lab.run("nslookup", f"-port={resolver.port}", "none.z2.beta", "127.0.0.1").stdout


def test_kdig_and_drill(resolver):
    lab.need("kdig", "drill")
    assert address(4, 9) in lab.run("kdig", "@127.0.0.1", "-p", resolver.port, "n9.z4.beta").stdout
    assert address(4, 9) in lab.run("kdig", "+tcp", "@127.0.0.1", "-p", resolver.port, "n9.z4.beta").stdout
    assert address(5, 9) in lab.run("drill", "-p", resolver.port, "n9.z5.alpha", "@127.0.0.1").stdout


# ---- answers ----

def test_case_is_kept_and_ttl_counts_down(resolver):
    begin = time.monotonic()
    first = ask(resolver, "CaSe.mIxEd.z7.AlPhA")
    cached = time.monotonic()
    assert first.answer[0].name.to_text() == "CaSe.mIxEd.z7.AlPhA." and first.answer[0].ttl == 3600
    time.sleep(2.1)
    asked = time.monotonic()
    again = ask(resolver, "case.mixed.Z7.alpha")
    most, least = 3600 - int(asked - cached), 3600 - int(time.monotonic() - begin) - 1
    assert again.answer[0].name.to_text() == "case.mixed.Z7.alpha." and least <= again.answer[0].ttl <= most < 3600


def test_case_of_names_in_rdata_is_kept(resolver):
    reply = ask(resolver, "z9.alpha", "SOA")
    assert reply.answer[0][0].to_text().startswith("ns.invalid. host.invalid.")
    assert ask(resolver, "z9.alpha", "MX").answer[0].to_text().count("z10.beta.") == 1


def test_flags(resolver):
    reply = ask(resolver, "n1.z1.alpha")
    assert reply.flags & dns.flags.RA and not reply.flags & dns.flags.AA and not reply.flags & dns.flags.AD


def test_chain_across_zones(resolver):
    reply = ask(resolver, "far2.z6.beta")
    assert addresses(reply) == [address(8, 4)] and len(reply.answer) == 3


def test_dname(resolver):
    reply = ask(resolver, "a.tree.z6.beta")
    assert reply.rcode() == dns.rcode.NXDOMAIN  # the DNAME's target has no names below it
    assert [s.rdtype for s in reply.answer] == [dns.rdatatype.DNAME, dns.rdatatype.CNAME]


def test_a_cname_loop_is_an_error(resolver):
    for name in ("self.z1.alpha", "loop1.z1.alpha"):
        assert ask(resolver, name).rcode() == dns.rcode.SERVFAIL


def test_negative_answers(resolver):
    nxdomain = ask(resolver, "none.z1.alpha")
    assert nxdomain.rcode() == dns.rcode.NXDOMAIN and nxdomain.authority[0].rdtype == dns.rdatatype.SOA
    assert nxdomain.authority[0].ttl == 300
    for name in ("ent.deep.z1.alpha", "deep.z1.alpha", "n1.z1.alpha"):
        nodata = ask(resolver, name, "TXT")
        assert nodata.rcode() == dns.rcode.NOERROR and not nodata.answer and nodata.authority
    assert addresses(ask(resolver, "leaf.ent.deep.z1.alpha")) == ["10.99.0.1"]


def test_without_glue(resolver):
    assert addresses(ask(resolver, "x.glueless.z3.alpha")) == ["10.94.0.1"]


def test_parent_and_child_on_one_server(resolver):
    assert addresses(ask(resolver, "x.sub.z3.alpha")) == ["10.95.1.3"]


def test_the_ede_names_lame_servers(resolver):
    reply = ask(resolver, "x.lame.z3.alpha")
    assert reply.rcode() == dns.rcode.SERVFAIL
    ede = [o for o in reply.options if o.otype == 15][0]
    assert "127.90.1.2" in str(ede) and "lame.z3.alpha." in str(ede)


def test_any_gets_hinfo(resolver):
    reply = ask(resolver, "z1.alpha", "ANY")
    assert [s.rdtype for s in reply.answer] == [dns.rdatatype.HINFO]


def test_special_names(resolver):
    assert addresses(ask(resolver, "localhost")) == ["127.0.0.1"]
    assert ask(resolver, "1.0.0.127.in-addr.arpa", "PTR").answer[0][0].to_text() == "localhost."
    for name in ("x.invalid", "x.test", "x.onion", "host.local", "8.8.10.in-addr.arpa", "x.home.arpa"):
        assert ask(resolver, name).rcode() == dns.rcode.NXDOMAIN


def test_zero_ttl(resolver):
    for _ in range(2):
        reply = ask(resolver, "zero.z1.alpha")
        assert addresses(reply) == ["10.97.0.1"] and reply.answer[0].ttl == 0


def test_without_rd_no_query_is_sent(resolver):
    reply = ask(resolver, "never-asked.z11.alpha", flags=0)
    assert reply.rcode() == dns.rcode.NOERROR and not reply.answer


def test_tcp_out_of_order(resolver):
    """A query that has to wait does not delay the next one on its connection."""
    ask(resolver, "n1.z1.alpha")
    slow = dns.message.make_query("slow.glueless.z13.alpha", "A").to_wire()
    fast = dns.message.make_query("n1.z1.alpha", "A").to_wire()
    with socket.create_connection(("127.0.0.1", resolver.port)) as s:
        s.sendall(b"".join(struct.pack("!H", len(m)) + m for m in (slow, fast)))
        ids, data = [], b""
        while len(ids) < 2:
            data += s.recv(65536)
            while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
                size = struct.unpack("!H", data[:2])[0]
                ids.append(data[2:4])
                data = data[2 + size:]
        assert ids == [fast[:2], slow[:2]]


def test_configured_zones(net, tmp_path):
    extra = f"""stub-zones:
  - {{zone: z1.alpha, servers: [127.90.1.2@{net.port}]}}
  - {{zone: 9.9.10.in-addr.arpa, servers: [127.90.1.1@{net.port}]}}
forward-zones: [{{zone: beta, servers: [127.90.0.3@{net.port}]}}]
local-data: ["me.school.example. 60 A 192.0.2.7", "also.school.example. CNAME me.school.example."]
hosts: hosts"""
    (tmp_path / "hosts").write_text("192.0.2.9 printer printer.lan # the one upstairs\n2001:db8::9 printer\nnonsense\n")
    server = internet.Resolver(tmp_path, net, extra=extra)
    try:
        assert addresses(ask(server, "n1.z1.alpha")) == [address(1, 1)]
        assert addresses(ask(server, "also.school.example")) == ["192.0.2.7"]
        assert addresses(ask(server, "printer")) == ["192.0.2.9"]
        assert ask(server, "9.2.0.192.in-addr.arpa", "PTR").answer[0][0].to_text() == "printer."
        # a server that refuses recursion is no forwarder: the client gets SERVFAIL at once
        assert ask(server, "n1.z2.beta").rcode() == dns.rcode.SERVFAIL
        # the stub zone replaces a part of the empty zone 10.in-addr.arpa; its server is lame
        assert ask(server, "1.9.9.10.in-addr.arpa", "PTR").rcode() == dns.rcode.SERVFAIL
        assert ask(server, "1.9.8.10.in-addr.arpa", "PTR").rcode() == dns.rcode.NXDOMAIN
    finally:
        server.stop()


def test_private_addresses_are_blocked(net, tmp_path):
    """A public name with a private address is refused and logged; excepted zones and local data may have one."""
    guard = f"private-addresses: {{prefixes: [{address(1, 1)}/32, 192.0.2.0/24], except: []}}"
    server = internet.Resolver(tmp_path, net, extra=guard + '\nlocal-data: ["router.lan. 60 A 192.0.2.1"]')
    try:
        assert addresses(ask(server, "n2.z1.alpha")) == [address(1, 2)]
        assert addresses(ask(server, "router.lan")) == ["192.0.2.1"]
        for tcp in (False, True, False):  # from the server, and from the cache
            reply = ask(server, "n1.z1.alpha", tcp=tcp)
            assert reply.rcode() == dns.rcode.REFUSED and not reply.answer
            ede, = (option for option in reply.options if option.otype == 15)
            assert ede.code == 15 and ede.text == f"{address(1, 1)} is in private-addresses", ede
        blocked = f"the answer for n1.z1.alpha. is blocked: its address {address(1, 1)} is in private-addresses"
        assert server.log().count(blocked) == 1  # one line per second
        explained = lab.run(lab.ROOTLINE, "explain", "n1.z1.alpha", "--socket", server.socket).stdout
        assert "add its zone to private-addresses.except" in " ".join(explained.split())
        stats = json.loads(lab.run(lab.ROOTLINE, "stats", "--json", "--socket", server.socket).stdout)
        assert stats["answers-blocked"] >= 3
        server.conf.write_text(server.conf.read_text().replace("except: []", "except: [z1.alpha]"))
        server.process.send_signal(1)
        server.wait_for("reloaded")
        time.sleep(0.2)
        assert addresses(ask(server, "n1.z1.alpha")) == [address(1, 1)]
        server.conf.write_text(server.conf.read_text().replace("except: [z1.alpha]", "except: [a..b, x.lan]"))
        server.process.send_signal(1)
        server.wait_for('"a..b" is not a domain name')
    finally:
        server.stop()


def test_only_allowed_clients_are_answered(net, tmp_path):
    server = internet.Resolver(tmp_path, net)
    conf = server.conf.read_text().replace("allow: [127.0.0.0/8]", "allow: [127.0.0.2/32]")
    server.conf.write_text(conf)
    server.process.send_signal(1)
    try:
        server.wait_for("reloaded")
        time.sleep(0.2)
        for flags in (dns.flags.RD, 0):
            query = dns.message.make_query("n1.z1.alpha", "A", use_edns=0, flags=flags)
            reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
            assert reply.rcode() == dns.rcode.REFUSED and not reply.flags & dns.flags.RA
            reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5, source="127.0.0.2")
            assert reply.rcode() == dns.rcode.NOERROR
    finally:
        server.stop()


# ---- many queries at once ----

def ask_all(port, names, in_flight=2000, tries=4, wait=10.0):
    """Query all names from 32 addresses, with up to `tries` queries each; return {name: (rcode, addresses)} and the
    names without an answer."""
    sockets = []
    for n in range(32):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        s.bind((f"127.91.0.{n + 1}", 0))
        s.connect(("127.0.0.1", port))
        s.setblocking(False)
        sockets.append(s)
    epoll = select.epoll()
    for s in sockets:
        epoll.register(s.fileno(), select.EPOLLIN)
    by_fd = {s.fileno(): n for n, s in enumerate(sockets)}
    todo, open_, done, missing = list(reversed(names)), {}, {}, []
    ids = [random.Random(n).sample(range(65536), 65536) for n in range(32)]
    count = 0

    def send(name, n, number):
        wire = bytearray(dns.message.make_query(name, "A", use_edns=0).to_wire())
        wire[:2] = number.to_bytes(2, "big")
        try:
            sockets[n].send(wire)
        except BlockingIOError:
            pass

    while len(done) + len(missing) < len(names):
        while todo and len(open_) < in_flight:
            name = todo.pop()
            n = count % 32
            number = ids[n][(count // 32) % 65536]
            count += 1
            open_[(n, number)] = [name, time.monotonic() + wait, 1]
            send(name, n, number)
        for fd, _ in epoll.poll(0.05):
            n = by_fd[fd]
            for _ in range(100):
                try:
                    wire = sockets[n].recv(4096)
                except BlockingIOError:
                    break
                key = (n, int.from_bytes(wire[:2], "big"))
                if key not in open_:
                    continue
                reply = dns.message.from_wire(wire)
                if reply.rcode() == dns.rcode.SERVFAIL and open_[key][2] < tries:
                    open_[key][1] = time.monotonic() + wait  # this is no answer: try again after `wait`
                    continue
                done[open_.pop(key)[0]] = (reply.rcode(), addresses(reply) or [str(o) for o in reply.options])
        now = time.monotonic()
        for key, entry in list(open_.items()):
            if entry[1] > now:
                continue
            if entry[2] == tries:
                missing.append(open_.pop(key)[0])
                continue
            entry[1:] = [now + wait, entry[2] + 1]
            send(entry[0], *key)
    epoll.close()
    for s in sockets:
        s.close()
    return done, missing


@pytest.mark.parametrize("build, workers", [("", 1), ("tsan", 4)])
def test_ten_thousand_names(tmp_path, build, workers):
    """32 zones on 8 servers, of which one is dead, with one in twenty replies lost: no answer is wrong, and none is
    missing."""
    build = lab.choose_build(build)
    net = internet.Internet(tmp_path / "internet", lab.free_port(), shift=True)
    losses = internet.Losses(net.port, 0.05, dead=[internet.CHILD_SERVERS[7]])
    server = internet.Resolver(tmp_path / "resolver", net, build=build, workers=workers)
    names = [(f"n{i}.{child(z)}", address(z, i)) for z in range(ZONES) for i in range(NAMES)]
    random.Random(7).shuffle(names)
    names = names[:10000]
    def reload():
        for n in range(5):
            server.process.send_signal(1)
            server.wait_for("reloaded", count=n + 1)

    hup = threading.Timer(1, reload)
    try:
        start = time.monotonic()
        hup.start()  # reloads meanwhile
        done, missing = ask_all(server.port, [n for n, _ in names])
        hup.join()
        took = time.monotonic() - start
        wrong = [(n, done[n]) for n, a in names if n in done and done[n] != (dns.rcode.NOERROR, [a])]
        print(f"\n{len(done)} answers in {took:.1f} s, "
              f"{losses.dropped} replies lost of {losses.dropped + losses.passed}, "
              f"{len(wrong)} wrong, {len(missing)} missing")
        assert not wrong, wrong[:5]
        assert not missing, missing[:5]
        assert losses.dropped > 200 and server.log().count("reloaded") == 5
    finally:
        server.stop()
        losses.stop()
        net.stop()


def test_queries_leave_from_the_configured_address(tmp_path):
    """The only server answers each query and notes its source address and port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.90.8.1", 0))
        s.settimeout(10)
        port = s.getsockname()[1]

        class Alone:
            hints = tmp_path / "root.hints"

        Alone.port = port
        Alone.hints.write_text(". 3600 NS ns.invalid.\nns.invalid. 3600 A 127.90.8.1\n")
        server = internet.Resolver(tmp_path / "resolver", Alone, resolver="  outgoing: [127.90.8.9]\n  priming: false")
        try:
            seen = set()
            for i in range(20):
                query = dns.message.make_query(f"x{i}.", "A")
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(10)
                    client.connect(("127.0.0.1", server.port))
                    client.send(query.to_wire())
                    # the query may be repeated in lower case
                    while client not in select.select([s, client], [], [], 30)[0]:
                        wire, source = s.recvfrom(4096)
                        reply = dns.message.make_response(dns.message.from_wire(wire))
                        reply.set_rcode(dns.rcode.NXDOMAIN)
                        reply.flags |= dns.flags.AA
                        s.sendto(reply.to_wire(), source)
                        seen.add(source)
                    assert dns.message.from_wire(client.recv(4096)).rcode() == dns.rcode.NXDOMAIN
            assert {a for a, _ in seen} == {"127.90.8.9"} and len(seen) >= 18  # nearly each query has a port of its own
        finally:
            server.stop()
