"""The resolver's cache: shared by all workers, kept over restarts, and robust against damage to its file."""
import json
import os
import random
import re
import select
import socket
import subprocess
import threading
import time
import zlib

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

import internet
import lab


def own_address(name):
    return "10." + ".".join(str(b) for b in zlib.crc32(name.lower().encode()).to_bytes(4, "big")[:3])


class Server:
    """An authoritative server for all names: A records have the address `says`; "own": own_address; "": no reply."""

    def __init__(self, folder, delay=0.0, port=0, address="127.90.9.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((address, port))
        self.port = self.socket.getsockname()[1]
        self.delay, self.says, self.ttl, self.asked = delay, "192.0.2.7", 3600, []
        self.gate = threading.Event()  # while it is not set, replies are deferred
        self.gate.set()
        self.deferred = []
        folder.mkdir(parents=True, exist_ok=True)
        self.hints = folder / "root.hints"
        self.hints.write_text(f". 3600 NS ns.invalid.\nns.invalid. 3600 A {address}\n")
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                wire, client = self.socket.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(wire)
            name = query.question[0].name
            self.asked.append((name.to_text().lower(), query.question[0].rdtype))
            if not self.says:
                continue
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.AA
            if query.question[0].rdtype == 1:
                says = own_address(name.to_text()) if self.says == "own" else self.says
                reply.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "A", says))
            if not self.gate.is_set():
                self.deferred.append((reply.to_wire(), client))
            elif self.delay:
                threading.Timer(self.delay, self.send, (reply.to_wire(), client)).start()
            else:
                self.send(reply.to_wire(), client)

    def send(self, wire, client):
        try:
            self.socket.sendto(wire, client)
        except OSError:
            pass  # the server has been stopped

    def release(self):
        self.gate.set()
        while self.deferred:
            self.send(*self.deferred.pop())

    def count(self, name):
        return sum(n == name for n, _ in self.asked)

    def stop(self):
        self.socket.close()


def ask(port, name, timeout=10):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect(("127.0.0.1", port))
        s.send(dns.message.make_query(name, "A", use_edns=0).to_wire())
        return dns.message.from_wire(s.recv(4096))


def stats(resolver):
    done = lab.run(lab.ROOTLINE, "stats", "--json", "--socket", resolver.socket)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_until(call, seconds=60):
    end = time.monotonic() + seconds
    while not call():
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.02)


def address(reply):
    return [r.address for s in reply.answer for r in s]


def ede(reply):
    return [(o.code, o.text) for o in reply.options if isinstance(o, dns.edns.EDEOption)]


# ---- one cache for all workers ----

@pytest.mark.parametrize("preset, ttl", [("", 3600), ("tsan", 3600), ("", 0)])
def test_five_hundred_clients_cause_one_query(tmp_path, preset, ttl):
    server = Server(tmp_path)
    server.ttl = ttl
    resolver = internet.Resolver(tmp_path / "r", server, build=lab.choose_build(preset), workers=4,
                                 resolver="  priming: false\n  qname-minimisation: false")
    try:
        for turn in range(5):
            server.gate.clear()
            before = stats(resolver)
            clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(500)]
            name = f"same{turn}.example."
            for i, s in enumerate(clients):
                s.settimeout(20)
                s.connect(("127.0.0.1", resolver.port))
                query = dns.message.make_query(name, "A")
                s.send(query.to_wire())
            wait_until(lambda: stats(resolver)["queries"] - before["queries"] >= 500)
            server.release()
            for s in clients:
                assert address(dns.message.from_wire(s.recv(4096))) == ["192.0.2.7"]
                s.close()
            # do not count queries repeated after a timeout; with TTL 0 each worker has to send a query of its own
            sent = server.count(name) - (stats(resolver)["timeouts"] - before["timeouts"])
            assert sent <= (1 if ttl else 4)
        before = server.count("same1.example.")
        for i in range(50 if ttl else 0):  # data that one worker cached is usable by all
            assert address(ask(resolver.port, "same1.example.")) == ["192.0.2.7"]
        assert server.count("same1.example.") == before
    finally:
        resolver.stop()
        server.stop()
    counts = [(int(q), int(e or 0)) for q, e in
              re.findall(r"worker \d+: queries (\d+)(?:.*?resolutions-at-other-workers (\d+))?", resolver.log())]
    # several workers had clients, and left the resolution to one
    assert len(counts) >= 3 and sum(e for _, e in counts) >= 3, counts


def test_limits_are_per_process(tmp_path):
    """A client without a cookie may have a thousand deferred queries, for any number of workers; further ones are
    answered with TC."""
    server = Server(tmp_path)
    server.says = ""
    resolver = internet.Resolver(tmp_path / "r", server, workers=4, server="  rate-limit: {exempt: []}\n",
                                 resolver="  priming: false\n  qname-minimisation: false",
                                 extra="limits: {time: 60s}")
    try:
        clients, truncated = [], 0
        for _ in range(100):  # they are distributed among the workers
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("127.0.0.1", resolver.port))
            clients.append(s)
        for i in range(1500):
            clients[i % 100].send(dns.message.make_query(f"x{i}.example.", "A").to_wire())
        end = time.monotonic() + 60
        while truncated < 500 and time.monotonic() < end:
            for s in select.select(clients, [], [], 1)[0]:
                reply = dns.message.from_wire(s.recv(4096))
                truncated += bool(reply.flags & dns.flags.TC)
                assert not reply.answer
        assert truncated == 500
        for s in clients:
            s.close()
    finally:
        resolver.stop()
        server.stop()


# ---- restarts ----

def test_the_cache_survives_a_restart(tmp_path):
    server = Server(tmp_path)
    resolver = internet.Resolver(tmp_path / "r", server, workers=2)
    names = [f"n{i}.example." for i in range(300)]
    for name in names:
        assert address(ask(resolver.port, name)) == ["192.0.2.7"]
    resolver.stop()
    server.stop()
    again = internet.Resolver(tmp_path / "r", server, workers=2)  # the server is gone: all answers come from the cache
    try:
        for name in names:
            reply = ask(again.port, name)
            assert address(reply) == ["192.0.2.7"] and 3500 < reply.answer[0].ttl <= 3600
    finally:
        again.stop()


def test_cached_data_of_another_route_is_not_used(tmp_path):
    """Data is cached from the Internet; then its zone becomes a stub zone, by a reload and by a restart."""
    server = Server(tmp_path)
    other = Server(tmp_path / "other", address="127.90.9.2", port=server.port)
    other.says = "192.0.2.99"
    resolver = internet.Resolver(tmp_path / "r", server, extra="# stubs")
    names = ["www.corp.example.", "www.other.example."]
    for name in names:
        assert address(ask(resolver.port, name)) == ["192.0.2.7"]
    stub = f"stub-zones: [{{zone: corp.example, servers: ['127.90.9.2@{server.port}']}}]"
    resolver.conf.write_text(resolver.conf.read_text().replace("# stubs", stub))
    resolver.process.send_signal(1)
    resolver.wait_for("reloaded")
    before = len(server.asked)
    assert [address(ask(resolver.port, n)) for n in names] == [["192.0.2.99"], ["192.0.2.7"]]
    assert len(server.asked) == before
    resolver.stop()
    text = resolver.conf.read_text().replace(stub, "# stubs")
    for line, want in ((stub, "192.0.2.99"), ("# stubs", "192.0.2.7")):  # with the stub zone, then without it
        folder = tmp_path / "r"
        port = lab.free_port()
        conf = text.replace("# stubs", line).replace(f"@{resolver.port}\"", f"@{port}\"")
        (folder / "resolver.yaml").write_text(conf)
        again = lab.Server([lab.BUILD / "rootline-resolver", "-c", folder / "resolver.yaml"], folder / "again.log")
        again.wait_for("ready on ")
        assert address(ask(port, names[0])) == [want] and address(ask(port, names[1])) == ["192.0.2.7"]
        again.stop()
    server.stop()
    other.stop()


def test_killed_under_load(tmp_path):
    """kill -9 under load: the next start opens the file, and no answer is wrong.  (tools/soak kill does it 500
    times.)"""
    kills = int(os.environ.get("SOAK_KILLS", 25))
    server = Server(tmp_path)
    server.says = "own"  # each name has an address of its own, so that data of another name is noticed
    hits = checked = 0
    rng = random.Random(4)
    known = set()
    for turn in range(kills):
        folder = tmp_path / "r"
        resolver = internet.Resolver(folder, server, workers=2)
        try:
            assert "set aside" not in resolver.log()
            for name in rng.sample(sorted(known), min(20, len(known))):
                before = server.count(name)
                reply = ask(resolver.port, name)
                if reply.rcode() == dns.rcode.SERVFAIL:  # the server is still busy with queries of the previous process
                    continue
                assert address(reply) == [own_address(name)]
                checked += 1
                hits += server.count(name) == before
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect(("127.0.0.1", resolver.port))
                end = time.monotonic() + rng.random() * 0.3
                i = 0
                while time.monotonic() < end:
                    name = f"t{turn}n{i}.example."
                    s.send(dns.message.make_query(name, "A").to_wire())
                    known.add(name)
                    i += 1
        finally:
            resolver.process.kill()
            resolver.process.wait()
    server.stop()
    assert len(known) > 500 and checked > 100
    print(f"{hits} of {checked} from the cache file")
    assert hits > 10  # how many names had been resolved before a kill depends on the machine


def test_a_full_disk(tmp_path):
    """No room for the cache file: the cache is in memory, and the log says why."""
    if os.geteuid() != 0:
        pytest.skip("mount needs root")
    lab.need("unshare", "mount")
    server = Server(tmp_path)
    (tmp_path / "small").mkdir()
    conf = tmp_path / "r.yaml"
    port = lab.free_port()
    conf.write_text(f"""server: {{listen: [127.0.0.1@{port}], workers: 1}}
resolver: {{root-hints: {server.hints}, trust-anchor: "", outgoing-port: {server.port}, ipv6: false, do-not-query: []}}
cache: {{directory: {tmp_path / "small"}, size: 64M}}
""")
    script = f"mount -t tmpfs -o size=8m none {tmp_path / 'small'} && exec {lab.BUILD / 'rootline-resolver'} -c {conf}"
    resolver = lab.Server(["unshare", "--mount", "sh", "-c", script], tmp_path / "log")
    try:
        resolver.wait_for("ready on ")
        assert "the disk has no room for 64 MB" in resolver.log() and "in memory" in resolver.log()
        for _ in range(2):
            assert address(ask(port, "www.example.")) == ["192.0.2.7"]
        assert server.count("www.example.") == 1
    finally:
        resolver.stop()
        server.stop()


def test_a_damaged_file_is_set_aside(tmp_path):
    server = Server(tmp_path)
    resolver = internet.Resolver(tmp_path / "r", server)
    assert address(ask(resolver.port, "www.example.")) == ["192.0.2.7"]
    resolver.stop()
    path = tmp_path / "r/cache/cache.mdb"
    with open(path, "r+b") as f:
        f.truncate(3 * 4096)
    again = internet.Resolver(tmp_path / "r", server)
    try:
        assert "was set aside as cache.mdb.damaged: it is truncated" in again.log()
        assert (tmp_path / "r/cache/cache.mdb.damaged").exists() and path.stat().st_size == 64 << 20
        assert address(ask(again.port, "www.example.")) == ["192.0.2.7"]
        second = lab.Server([lab.BUILD / "rootline-resolver", "-c", write_second(tmp_path, again)],
                            tmp_path / "second.log")
        second.wait_for("ready on ")
        assert "another process has locked it" in second.log()
        second.stop()
    finally:
        again.stop()
        server.stop()


def write_second(folder, first):
    conf = folder / "second.yaml"
    text = first.conf.read_text().replace(f"@{first.port}\"", f"@{lab.free_port()}\"")
    text = text.replace(str(first.socket), str(folder / "second.sock"))
    conf.write_text(text)
    return conf


# ---- expired data ----

def test_stale_answers(tmp_path):
    """RFC 8767: the server is silent.  A client waits 1.8 s for the stale answer, the next one does not; it has TTL 30
    and an EDE with the age."""
    server = Server(tmp_path)
    server.ttl = 2
    resolver = internet.Resolver(tmp_path / "r", server, workers=2,
                                 resolver="  priming: false\n  qname-minimisation: false")
    try:
        assert address(ask(resolver.port, "www.example.")) == ["192.0.2.7"]
        server.says = ""
        time.sleep(3.2)
        begin = time.monotonic()
        reply = ask(resolver.port, "www.example.")
        assert 1.6 < time.monotonic() - begin < 4
        assert address(reply) == ["192.0.2.7"] and reply.answer[0].ttl == 30
        assert ede(reply)[0][0] == 3 and re.fullmatch(r"it expired \d+ seconds? ago", ede(reply)[0][1])
        time.sleep(6)  # the resolution has failed meanwhile
        begin = time.monotonic()
        assert address(ask(resolver.port, "www.example.")) == ["192.0.2.7"] and time.monotonic() - begin < 1
        asked = server.count("www.example.")
        for _ in range(20):
            ask(resolver.port, "www.example.")
        assert server.count("www.example.") == asked  # for 30 s no query is sent
        assert ask(resolver.port, "never.example.").rcode() == dns.rcode.SERVFAIL
    finally:
        resolver.stop()
        server.stop()


def test_prefetch(tmp_path):
    """A query in the last tenth of the TTL makes the resolver fetch the data again before it expires."""
    server = Server(tmp_path)
    server.ttl = 20
    resolver = internet.Resolver(tmp_path / "r", server, workers=2,
                                 resolver="  priming: false\n  qname-minimisation: false")
    try:
        ask(resolver.port, "www.example.")
        time.sleep(18.5)
        assert ask(resolver.port, "www.example.").answer[0].ttl <= 2
        wait_until(lambda: server.count("www.example.") == 2)
        server.says = ""
        time.sleep(2)
        reply = ask(resolver.port, "www.example.")
        assert 15 <= reply.answer[0].ttl <= 20 and not ede(reply)
    finally:
        resolver.stop()
        server.stop()


# ---- threads ----

def test_the_store_under_tsan():
    program = lab.choose_build("tsan") / "tests/test_store"
    done = subprocess.run([program, "test_threads"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
