"""Cookies, the response rate limit, connection limits, and answers that are useless for amplification."""
import json
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

import lab

ZONE = ("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n*.w A 192.0.2.3\n"
        "big TXT \"" + "x" * 250 + "\" \"" + "y" * 250 + "\" \"" + "z" * 250 + "\"\n")
SECRET = "e5e973e5a6b2a43f48e7dc849e37bfcf"
NO_LIMIT = "  rate-limit: {per-second: 0}"


def start(folder, limits="", **kw):
    return lab.Authd(folder, {"a.test": ZONE}, extra=limits, **kw)


def cookie_of(reply):
    found = [o for o in reply.options if o.otype == 10]
    assert len(found) == 1
    return found[0].data


def ask_with_cookie(server, data, name="www.a.test", **kw):
    options = [dns.edns.GenericOption(10, d) for d in ([data] if isinstance(data, bytes) else data)]
    return server.send(dns.message.make_query(name, "A", use_edns=0, options=options), **kw)


# ---- cookies ----

@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    server = start(tmp_path_factory.mktemp("plain"), NO_LIMIT)
    yield server
    server.stop()


CLIENT = bytes(range(8))


@pytest.mark.parametrize("tcp", [False, True])
def test_cookies_are_given_and_accepted(plain, tcp):
    reply = ask_with_cookie(plain, CLIENT, tcp=tcp)
    assert reply.rcode() == 0 and reply.answer
    given = cookie_of(reply)
    assert len(given) == 24 and given[:8] == CLIENT and given[8:12] == b"\1\0\0\0"
    assert abs(struct.unpack("!I", given[12:16])[0] - time.time()) < 10
    assert cookie_of(ask_with_cookie(plain, given, tcp=tcp)) == given
    rubbish = CLIENT + b"not ours"
    assert cookie_of(ask_with_cookie(plain, rubbish, tcp=tcp))[:8] == CLIENT


@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789", CLIENT + b"1234567", bytes(41), [CLIENT, CLIENT]])
def test_wrong_cookies_are_formerr(plain, data):
    reply = ask_with_cookie(plain, data)
    assert reply.rcode() == dns.rcode.FORMERR and reply.edns == 0 and not reply.options


def test_a_query_for_a_cookie_alone(plain):
    def ask(cookie):
        wire = struct.pack("!6H", 77, 0, 0, 0, 0, 1) + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 4 + len(cookie))
        wire += struct.pack("!HH", 10, len(cookie)) + cookie
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect(("127.0.0.1", plain.port))
            s.send(wire)
            return dns.message.from_wire(s.recv(4096))

    reply = ask(CLIENT)
    assert reply.rcode() == 0 and not reply.question
    assert ask(cookie_of(reply)).rcode() == 0
    assert ask(CLIENT + bytes(16)).rcode() == dns.rcode.BADCOOKIE


def test_dig_finds_the_cookie_good(plain):
    assert "(good)" in lab.run("dig", "@127.0.0.1", "-p", plain.port, "www.a.test", "+cookie").stdout


def test_secrets_are_shared_and_exchanged(tmp_path):
    """Servers that share a secret accept each other's cookies; a new first secret makes new cookies, and old ones stay
    valid."""
    secrets = tmp_path / "secrets"
    secrets.write_text(f"# of all servers\n{SECRET}\n")
    limits = f'{NO_LIMIT}\n  cookie-secrets: "{secrets}"'
    servers = []
    try:
        for n in range(2):
            (tmp_path / str(n)).mkdir()
            servers.append(start(tmp_path / str(n), limits))
        given = cookie_of(ask_with_cookie(servers[0], CLIENT))
        assert cookie_of(ask_with_cookie(servers[1], given)) == given
        secrets.write_text(f"{'7' * 32}\n{SECRET}\n")
        servers[1].process.send_signal(signal.SIGHUP)
        servers[1].wait_for("reloaded")
        renewed = cookie_of(ask_with_cookie(servers[1], given))
        assert renewed != given and cookie_of(ask_with_cookie(servers[1], renewed)) == renewed
    finally:
        for server in servers:
            server.stop()


@pytest.mark.parametrize("text, fault", [("12\n", "line 1: expected 32"), ("", "contains no secret"),
                                         (f"{SECRET}\n" * 4, "line 4: more than 3")])
def test_wrong_secrets_are_found(tmp_path, text, fault):
    (tmp_path / "s").write_text(text)
    (tmp_path / "c.yaml").write_text("server: {listen: [127.0.0.1], cookie-secrets: s}\n")
    done = lab.run(lab.ROOTLINE, "check", tmp_path / "c.yaml")
    assert done.returncode == 1 and fault in done.stderr


@pytest.mark.parametrize("mode, words", [(0o600, ""), (0o640, ""), (0o644, "every user may read it: chmod o-r"),
                                         (0o666, "every user may write it")])
def test_permissions_of_secrets(tmp_path, mode, words):
    (tmp_path / "s").write_bytes(b"\xef\xbb\xbf" + b"0123456789abcdef" * 2 + b"\n")
    (tmp_path / "s").chmod(mode)
    (tmp_path / "c.yaml").write_text("server: {listen: [127.0.0.1], cookie-secrets: s}\n")
    done = lab.run(lab.ROOTLINE, "check", tmp_path / "c.yaml")
    assert done.returncode == (1 if mode & 2 else 0)
    assert (words in done.stderr) if words else done.stderr == ""


# ---- EDE and keepalive ----

def ede(reply):
    return [int(o.code) for o in reply.options if o.otype == 15]


def test_extended_errors(tmp_path):
    (tmp_path / "broken").write_text("broken\n")
    server = lab.Authd(tmp_path, {"a.test": ZONE, "b.test": tmp_path / "broken"})
    try:
        assert ede(server.ask("www.elsewhere.test")) == [20]
        assert ede(server.ask("a.test", "AXFR")) == [18]
        assert ede(server.ask("www.b.test")) == [24]
        assert ede(server.ask("www.a.test")) == []
        reply = server.ask("www.elsewhere.test", use_edns=-1)
        assert reply.rcode() == dns.rcode.REFUSED and reply.edns == -1
    finally:
        server.stop()


def test_keepalive_over_tcp_only(plain):
    query = dns.message.make_query("www.a.test", "A", use_edns=0, options=[dns.edns.GenericOption(11, b"")])
    reply = plain.send(query, tcp=True)
    assert [o.data for o in reply.options if o.otype == 11] == [struct.pack("!H", 100)]
    assert not plain.send(query).options


# ---- rate ----

def flood(port, wire, count, source="127.0.0.1"):
    """Send a query `count` times; return the answers."""
    answers = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        s.bind((source, 0))
        s.connect(("127.0.0.1", port))
        for n in range(count):
            s.send(struct.pack("!H", n & 0xffff) + wire[2:])
            if n % 32 == 31:
                time.sleep(0.002)
        s.settimeout(0.5)
        try:
            while len(answers) < count:
                answers.append(s.recv(4096))
        except TimeoutError:
            pass
    return answers


def test_the_rate_is_kept_and_cookies_are_exempt(tmp_path):
    server = start(tmp_path, "  workers: 4\n  rate-limit: {per-second: 20, slip: 2, exempt: []}")
    try:
        wire = dns.message.make_query("big.a.test", "TXT", use_edns=0).to_wire()
        begin = time.monotonic()
        answers = flood(server.port, wire, 1000)
        took = time.monotonic() - begin
        whole = [a for a in answers if not a[2] & 2]
        cut = [a for a in answers if a[2] & 2]
        assert 20 <= len(whole) <= 20 + 20 * (took + 1)
        assert 400 <= len(cut) <= 600 and all(len(a) == len(wire) for a in cut)
        # a client cookie alone gets BADCOOKIE with a server cookie, and a query with that one is answered
        query = dns.message.make_query("big.a.test", "TXT", use_edns=0, options=[dns.edns.GenericOption(10, CLIENT)])
        replies = [dns.message.from_wire(a) for a in flood(server.port, query.to_wire(), 100)]
        bad = [r for r in replies if r.rcode() == dns.rcode.BADCOOKIE]
        assert bad and not bad[0].answer
        good = dns.message.make_query("big.a.test", "TXT", use_edns=0,
                                      options=[dns.edns.GenericOption(10, cookie_of(bad[0]))])
        replies = [dns.message.from_wire(a) for a in flood(server.port, good.to_wire(), 500)]
        assert len(replies) == 500 and all(r.rcode() == 0 and r.answer for r in replies)
        assert server.ask("big.a.test", "TXT", tcp=True).answer
        # other networks are not limited
        assert len([a for a in flood(server.port, wire, 15, "127.0.9.1") if not a[2] & 2]) == 15
        server.wait_for("rate limit: ", 15)
    finally:
        server.stop()


def test_loopback_is_exempt_and_log_only_only_counts(tmp_path):
    wire = dns.message.make_query("www.a.test", "A").to_wire()
    for extra in ("  rate-limit: {per-second: 1}", "  rate-limit: {per-second: 1, exempt: [], log-only: true}"):
        folder = tmp_path / str(len(extra))
        folder.mkdir()
        server = start(folder, extra)
        try:
            assert len([a for a in flood(server.port, wire, 200) if not a[2] & 2]) == 200
        finally:
            server.stop()


# ---- connections ----

class Connections:
    """Up to `count` connections from 200 loopback addresses, idle or sending single octets, replaced when closed."""

    def __init__(self, port, count):
        self.port, self.count = port, count
        self.sockets, self.opened, self.number = {}, 0, 0
        self.poll = select.epoll()
        self.is_ending = False
        self.thread = threading.Thread(target=self.run)

    def open(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((f"127.0.{1 + self.number % 200}.1", 0))
        s.connect_ex(("127.0.0.1", self.port))
        self.poll.register(s, select.EPOLLIN | select.EPOLLHUP)
        self.sockets[s.fileno()] = s
        self.number += 1
        self.opened += 1

    def run(self):
        drip = 0
        while not self.is_ending:
            for _ in range(min(100, self.count - len(self.sockets))):
                self.open()
            for fd, _ in self.poll.poll(0.02):
                s = self.sockets.pop(fd)
                self.poll.unregister(fd)
                s.close()
            for s in list(self.sockets.values())[drip % 7::7]:
                try:
                    s.send(b"\0")
                except OSError:
                    pass
            drip += 1
        for s in self.sockets.values():
            s.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_ending = True
        self.thread.join()
        self.poll.close()


@pytest.mark.parametrize("preset", ["", "tsan"])
def test_5000_idle_and_dripping_connections(tmp_path, preset):
    build = lab.choose_build(preset)
    server = start(tmp_path, NO_LIMIT, build=build)
    rounds = 300 if not preset else 100
    try:
        with Connections(server.port, 5000) as connections:
            end = time.monotonic() + 60
            while connections.opened <= 5000 and time.monotonic() < end:  # all are open, and some are reopened
                time.sleep(0.05)
            good = {"UDP": 0, "TCP": 0}
            for n in range(rounds):
                for kind in good:
                    try:
                        good[kind] += bool(server.ask("www.a.test", tcp=kind == "TCP", timeout=10).answer)
                    except Exception:
                        pass
            print(f"\n{connections.opened} connections opened, {len(connections.sockets)} at the end; "
                  f"answered of {rounds}: {good}")
            assert connections.opened > 5000
        assert good["UDP"] >= rounds * 0.99 and good["TCP"] >= rounds * 0.99
        server.wait_for("connections reached", 15)
    finally:
        server.stop()


def test_connections_per_client_are_limited(tmp_path):
    # one worker: only the listening socket that has a client's connections can close them for a new one
    server = start(tmp_path, NO_LIMIT + "\n  workers: 1", top="limits: {tcp-connections-per-client: 5, tcp-idle: 10m}")
    try:
        opened = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
        for s in opened:
            s.setblocking(False)

        def count_alive():
            alive = 0
            for s in opened:
                try:
                    alive += s.recv(1) != b""
                except BlockingIOError:
                    alive += 1
                except OSError:
                    pass
            return alive

        end = time.monotonic() + 60
        while count_alive() > 5 and time.monotonic() < end:
            time.sleep(0.05)
        assert count_alive() == 5
        assert server.ask("www.a.test", tcp=True).answer  # replaces the longest idle connection
        for s in opened:
            s.close()
    finally:
        server.stop()


def test_half_a_message_is_closed(tmp_path):
    server = start(tmp_path, NO_LIMIT, top="limits: {tcp-idle: 10m}")
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=120) as s:
            s.sendall(b"\0\x20half")
            assert s.recv(1) == b""
    finally:
        server.stop()


@pytest.mark.parametrize("preset", ["", "tsan"])
def test_everything_at_once(tmp_path, preset):
    """Four workers, rate and connection limits, cookies, and reloads that change the zone and the secrets."""
    build = lab.choose_build(preset)
    secrets = tmp_path / "secrets"
    secrets.write_text(SECRET + "\n")
    extra = f'  workers: 4\n  rate-limit: {{per-second: 50, exempt: []}}\n  cookie-secrets: "{secrets}"'
    server = start(tmp_path, extra,
                   top="limits: {tcp-connections: 16, tcp-connections-per-client: 3}", build=build)
    is_ending, answered = threading.Event(), {"udp": 0, "tcp": 0, "cookie": 0}

    def udp(number):
        wire = dns.message.make_query("www.a.test", "A", use_edns=0).to_wire()
        while not is_ending.is_set():
            answered["udp"] += len(flood(server.port, wire, 300, f"127.0.{number}.1"))

    def tcp():
        while not is_ending.is_set():
            try:
                answered["tcp"] += bool(server.ask("nothing.a.test", tcp=True).question)
            except (EOFError, OSError):
                pass  # closed for another connection

    def cookie():
        while not is_ending.is_set():
            try:
                given = cookie_of(ask_with_cookie(server, CLIENT, tcp=True))
                answered["cookie"] += bool(ask_with_cookie(server, given, timeout=1).question)
            except Exception:
                pass

    threads = [threading.Thread(target=udp, args=(n,)) for n in range(1, 4)]
    threads += [threading.Thread(target=tcp) for _ in range(4)] + [threading.Thread(target=cookie)]
    try:
        for thread in threads:
            thread.start()
        n = -1
        end = time.monotonic() + 120
        while n < 9 or not all(answered.values()) and time.monotonic() < end:
            n += 1
            (tmp_path / "a.test.zone").write_text(ZONE.replace(" 1 2 3 4 5", f" {n + 2} 2 3 4 5"))
            secrets.write_text(f"{n:032x}\n{SECRET}\n")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("reloaded: ", count=n + 1)
            time.sleep(0.2)
    finally:
        is_ending.set()
        for thread in threads:
            thread.join()
        server.stop()  # fails on a sanitizer's report in the log
    assert all(answered.values()), answered


# ---- amplification ----

def test_a_million_mutants_get_no_large_answer(tmp_path):
    """Queries with random octets changed: no crash, and no answer larger than three times its query."""
    server = lab.Authd(tmp_path, {"a.test": ZONE.split("big")[0]}, extra=NO_LIMIT, build=lab.BUILD.parent / "release"
                       if (lab.BUILD.parent / "release/rootline-authd").exists() else lab.BUILD)
    count, worst, answered = 1000000, 0, 0
    rng = random.Random(3)
    seeds = [dns.message.make_query(name, rdtype, use_edns=edns, want_dnssec=do, options=options).to_wire()
             for name in ("www.a.test", "nothing.a.test", "x.w.a.test", "a.test", "elsewhere.test", "version.bind")
             for rdtype in ("A", "SOA", "ANY", "TXT") for edns, do, options in (
                 (-1, False, None), (0, False, None), (0, True, [dns.edns.GenericOption(10, CLIENT)]),
                 (0, False, [dns.edns.GenericOption(3, b"")]), (0, False, [dns.edns.GenericOption(10, bytes(24))]))]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
            s.connect(("127.0.0.1", server.port))
            s.setblocking(False)
            sizes = [0] * 65536
            for n in range(count):
                wire = bytearray(seeds[n % len(seeds)])
                for _ in range(rng.getrandbits(2)):
                    wire[2 + int(rng.random() * (len(wire) - 2))] = rng.getrandbits(8)
                wire[0], wire[1] = n >> 8 & 255, n & 255
                sizes[n & 0xffff] = len(wire)
                s.send(wire)
                if n % 64 == 63:
                    while True:
                        try:
                            answer = s.recv(65535)
                        except BlockingIOError:
                            break
                        answered += 1
                        worst = max(worst, len(answer) / sizes[answer[0] << 8 | answer[1]])
            time.sleep(0.3)
        assert server.process.poll() is None
        assert server.ask("www.a.test").answer
        print(f"\n{count} mutants, {answered} answered, the largest answer {worst:.2f} times its query")
        assert answered > count / 2 and worst <= 3
    finally:
        server.stop()


# ---- spoofed sources, inside network namespaces ----

FORGER = r"""
import socket, struct, sys, time, json
# send COUNT queries with the victim's source address through a raw socket, within SECONDS
wire, count, seconds = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
src, dst = socket.inet_aton("192.0.2.66"), socket.inet_aton("192.0.2.1")
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
octets, begin = 0, time.monotonic()
for n in range(count):
    udp = struct.pack("!4H", 1024 + n % 60000, 53, 8 + len(wire), 0) + struct.pack("!H", n & 0xffff) + wire[2:]
    s.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, src, dst) + udp, ("192.0.2.1", 0))
    octets += len(wire)
    ahead = n / count * seconds - (time.monotonic() - begin)
    if ahead > 0.005:
        time.sleep(ahead)
print(json.dumps({"octets": octets}))
"""

SINK = r"""
import socket, sys, json
# count what reaches the victim
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
s.settimeout(1.5)
octets = packets = truncated = 0
print("ready", flush=True)
try:
    while True:
        p = s.recv(4096)
        if p[9] == 17 and p[12:16] == socket.inet_aton("192.0.2.1"):
            octets += len(p) - 28
            packets += 1
            truncated += bool(p[30] & 2)
except TimeoutError:
    pass
print(json.dumps({"octets": octets, "packets": packets, "truncated": truncated}))
"""


def inside(space, *argv, **kw):
    return subprocess.Popen(["ip", "netns", "exec", space, *map(str, argv)], stdout=subprocess.PIPE, text=True, **kw)


def ip(*argv):
    done = lab.run("ip", *argv)
    assert done.returncode == 0, f"ip {argv}: {done.stderr}"
    return done.stdout


@pytest.fixture
def network():
    """A bridge that joins a server, an attacker, a victim and a client, without a route to any other network."""
    tag = f"rl{random.getrandbits(24):06x}"
    spaces = {role: f"{tag}-{role}" for role in ("fence", "server", "attacker", "victim", "client")}
    made = []
    try:
        for space in spaces.values():
            done = lab.run("ip", "netns", "add", space)
            if done.returncode != 0:
                pytest.skip("network namespaces cannot be made here: " + done.stderr.strip())
            made.append(space)
        fence = spaces["fence"]
        ip("-n", fence, "link", "add", "rl-fence", "type", "bridge")
        ip("-n", fence, "link", "set", "rl-fence", "up")
        for role, address in (("server", "192.0.2.1/25"), ("attacker", "192.0.2.100/25"), ("victim", "192.0.2.66/25"),
                              ("client", "198.51.100.9/24")):
            space = spaces[role]
            ip("-n", fence, "link", "add", role, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("-n", fence, "link", "set", role, "master", "rl-fence", "up")
            ip("-n", space, "addr", "add", address, "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        ip("-n", spaces["server"], "addr", "add", "198.51.100.1/24", "dev", "eth0")
        # the fence: no other interfaces, and no default route
        assert "rl-fence" in ip("-n", fence, "link")
        for role, space in spaces.items():
            for family in ("-4", "-6"):
                assert "default" not in ip(family, "-n", space, "route", "show", "table", "all")
            links = {line.split(":")[1].split("@")[0].strip() for line in ip("-n", space, "-o", "link").splitlines()}
            assert links <= {"lo", "eth0", "rl-fence", "server", "attacker", "victim", "client"}, (role, links)
        yield spaces
    finally:
        for space in made:
            lab.run("ip", "netns", "del", space)


@pytest.mark.parametrize("limited", [True, False])
def test_spoofed_sources_gain_nothing(network, tmp_path, limited):
    lab.need("dig")
    (tmp_path / "a.test.zone").write_text(ZONE)
    rate = "" if limited else ", rate-limit: {per-second: 0}"
    (tmp_path / "authd.yaml").write_text(f"server: {{listen: [192.0.2.1, 198.51.100.1], workers: 2{rate}}}\n"
                                         f"zones: [{{zone: a.test, file: a.test.zone}}]\n")
    log = open(tmp_path / "log", "wb")
    server = subprocess.Popen(["ip", "netns", "exec", network["server"], lab.AUTHD, "-c", tmp_path / "authd.yaml"],
                              stderr=log, stdin=subprocess.DEVNULL)
    sink = forger = None
    try:
        end = time.monotonic() + 20
        while "ready on" not in (tmp_path / "log").read_text():
            assert time.monotonic() < end and server.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        # a neighbour in the victim's network has a cookie
        asked = ["ip", "netns", "exec", network["victim"], "dig", "@192.0.2.1", "big.a.test", "TXT", "+tries=1",
                 "+time=2", "+ignore"]
        cookie = re.search(r"COOKIE: ([0-9a-f]{48})", lab.run(*asked, "+cookie").stdout)[1]
        sink = inside(network["victim"], "/usr/bin/python3", "-c", SINK)
        assert sink.stdout.readline() == "ready\n"
        wire = dns.message.make_query("big.a.test", "TXT", use_edns=0, payload=4096).to_wire()
        forger = inside(network["attacker"], "/usr/bin/python3", "-c", FORGER, wire.hex(), 15000, 3)
        # during the flood, a client of another network and the neighbour with its cookie are answered
        time.sleep(0.5)
        answers = [lab.run("ip", "netns", "exec", network["client"], "dig", "@198.51.100.1", "big.a.test", "TXT",
                           "+tries=1", "+time=2", "+cookie", "+ignore").stdout for _ in range(10)]
        neighbour = [lab.run(*asked, "+cookie=" + cookie).stdout for _ in range(10)]
        sent = json.loads(forger.communicate(timeout=60)[0])
        got = json.loads(sink.communicate(timeout=60)[0])
        ratio = got["octets"] / sent["octets"]
        print(f"\nlimit {'on' if limited else 'off'}: {sent['octets']} octets sent, "
              f"{got['octets']} reached the victim: {ratio:.2f} times; "
              f"{got['truncated']} of {got['packets']} answers truncated")
        assert all("ANSWER: 1" in text and "flags: qr aa rd;" in text for text in answers)
        assert all("ANSWER: 1" in text and "flags: qr aa rd;" in text for text in neighbour), neighbour
        if limited:
            assert ratio <= 1.5 and got["truncated"] > 100
        else:
            assert ratio > 5
    finally:
        for process in (sink, forger):
            if process and process.poll() is None:
                process.kill()
        server.terminate()
        server.wait(20)
        log.close()
