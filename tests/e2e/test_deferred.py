"""Deferred queries of one client: an office behind one address, and slow queries whose answers an attacker wants to
leave in one pulse (DNSBomb, docs/LIMITS.md section 3)."""
import bisect
import json
import select
import socket
import struct
import threading
import time

import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest

import internet
import lab

SLOW = [f"127.90.7.{n}" for n in range(1, 13)]  # each serves a zone of its own, so that no quota is reached
SO_TIMESTAMPNS = 35


def make_reply(wire):
    """Return the reply to a query in wire format: one A record, and EDNS if the query has it."""
    end = wire.index(b"\0", 12) + 5  # of the question; no label of these names has a zero octet
    opt = b"\0" + struct.pack("!HHIH", dns.rdatatype.OPT, 1232, 0, 0) if wire[10:12] != b"\0\0" else b""
    header = wire[:2] + bytes([0x84 | wire[2] & 1, 0]) + struct.pack("!4H", 1, 1, 0, bool(opt))  # QR, AA, RD
    record = b"\xc0\x0c" + struct.pack("!HHIH", dns.rdatatype.A, dns.rdataclass.IN, 300, 4) + bytes([192, 0, 2, 7])
    return header + wire[12:end] + record + opt


class SlowServer:
    """Collects queries until there are `wanted` of them, or the first is `delay_s` old, then answers all at once.

    The resolver gives up after 4.1 s without a reply.  Each reply is made when its query arrives, so that on a slow
    machine the last one does not leave long after the first.
    """

    def __init__(self, port):
        self.wanted, self.delay_s, self.waiting, self.first = 1, 2.1, {}, 0.0
        self.sockets, self.is_closing = [], False
        for address in SLOW:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            s.bind((address, port))
            self.sockets.append(s)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_closing:
            for s in select.select(self.sockets, [], [], 0.05)[0]:
                wire, peer = s.recvfrom(4096)
                self.first = self.first if self.waiting else time.monotonic()
                name = wire[12:].split(b"\0")[0].lower()
                self.waiting[name] = (s, make_reply(wire), peer)  # a retry counts once
            if self.waiting and (len(self.waiting) >= self.wanted or time.monotonic() > self.first + self.delay_s):
                for s, reply, client in self.waiting.values():
                    s.sendto(reply, client)
                self.waiting = {}

    def close(self):
        self.is_closing = True
        self.thread.join()
        for s in self.sockets:
            s.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deferred")
    net = internet.Internet(folder / "net", lab.free_port())
    slow = SlowServer(net.port)
    zones = ", ".join(f"{{zone: z{i}.slow, servers: [{a}@{net.port}]}}" for i, a in enumerate(SLOW))
    server = internet.Resolver(folder, net, workers=2, server="  rate-limit: {exempt: []}\n",
                               extra=f"stub-zones: [{zones}]\n")
    yield server, slow
    server.stop()
    slow.close()
    net.stop()


def queries(prefix, cnt):
    return [dns.message.make_query(f"{prefix}{i}.z{i % len(SLOW)}.slow", "A", id=i).to_wire() for i in range(cnt)]


def pulse(server, wires, per_second):
    """Send the queries at that rate, all at once for 0.  Return the RCODE and TC of each answer by ID, the time at
    which the kernel received each, and the most queries sent within 50 ms."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        s.connect(("127.0.0.1", server.port))
        start, sent = time.monotonic(), []
        for i, wire in enumerate(wires):
            if per_second:
                time.sleep(max(0, start + i / per_second - time.monotonic()))
            s.send(wire)
            sent.append(time.monotonic())
        found, times = {}, []
        s.settimeout(9)
        while len(found) < len(wires):
            try:
                wire, ancillary, _, _ = s.recvmsg(4096, 64)
            except TimeoutError:
                break
            seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2][:16])
            found[int.from_bytes(wire[:2], "big")] = (wire[3] & 15, bool(wire[2] & 2))
            times.append(seconds + nanoseconds / 1e9)
        return found, times, most_in_50_ms(sent)


def most_in_50_ms(times):
    times = sorted(times)
    return max(bisect.bisect_left(times, t + 0.05) - i for i, t in enumerate(times))


def counts(server):
    return json.loads(lab.run(lab.ROOTLINE, "status", "--json", "--socket", server.socket).stdout)


def ask_over_tcp(server, connections, each):
    """Send queries over many connections, all deferred at the same time; return the number of answers."""
    streams, answers = [], 0
    for n in range(connections):
        s = socket.create_connection(("127.0.0.1", server.port), source_address=(f"127.9.0.{n + 1}", 0))
        s.settimeout(20)
        streams.append(s)
    for n, s in enumerate(streams):
        s.sendall(b"".join(struct.pack("!H", len(w)) + w for w in queries(f"{each}peak{n}x", each)))
    for s in streams:
        with s, s.makefile("rb") as f:
            for _ in range(each):
                f.read(int.from_bytes(f.read(2), "big"))
                answers += 1
    return answers


def test_memory_is_freed_after_a_peak(tmp_path):
    """The memory of thousands of deferred queries is freed, and not kept for the next peak."""
    build = lab.choose_build("release")  # may skip: no server and no thread has been started yet
    net = internet.Internet(tmp_path / "net", lab.free_port())
    slow = SlowServer(net.port)
    slow.wanted, slow.delay_s = 10 ** 6, 2.6
    zones = ", ".join(f"{{zone: z{i}.slow, servers: [{a}@{net.port}]}}" for i, a in enumerate(SLOW))
    server = internet.Resolver(tmp_path, net, build=build, extra=f"stub-zones: [{zones}]\n")
    try:
        used = []
        for connections in (4, 64, 64):
            assert ask_over_tcp(server, connections, 100) == connections * 100
            time.sleep(1)
            used.append(counts(server)["memory"]["resident"])
        print([f"{n / 1e6:.1f} MB" for n in used])
        assert used[2] - used[0] < 16e6
    finally:
        server.stop()
        slow.close()
        net.stop()


def test_a_burst_of_slow_queries_is_answered(world):
    """Node's resolver may query 200 names at once."""
    server, slow = world
    slow.wanted = 200
    found, _, _ = pulse(server, queries("burst", 200), 0)
    assert len(found) == 200 and set(found.values()) == {(dns.rcode.NOERROR, False)}


def test_a_pulse_of_slow_queries_becomes_a_stream(world):
    """600 queries, sent at 300 per second, whose answers are ready at the same time: all are answered, at about twice
    the query rate."""
    server, slow = world
    before = counts(server)["limits"]["answers-paced"]
    slow.wanted = 600
    found, times, queried = pulse(server, queries("pulse", 600), 300)
    assert len(found) == 600 and set(found.values()) == {(dns.rcode.NOERROR, False)}
    peak = most_in_50_ms(times)
    print(f"peak: {peak} answers in 50 ms, {queried} queries in 50 ms")
    assert counts(server)["limits"]["answers-paced"] > before + 100
    assert peak < 300  # unpaced 600; on an idle machine at most twice the queries + 10


def test_limit_of_deferred_queries(world):
    """Beyond 1,000 deferred queries a client gets TC, so that it uses TCP, where its address cannot be spoofed; no
    query is dropped."""
    server, slow = world
    slow.wanted, slow.delay_s = 1 << 30, 2.6  # all queries are sent after two seconds
    found, _, _ = pulse(server, queries("many", 1200), 600)
    truncated_cnt = sum(truncated for _, truncated in found.values())
    print(f"{len(found)} answered, {truncated_cnt} of them with TC")
    assert len(found) == 1200 and truncated_cnt >= 150
