"""Queries of one client that wait long: a whole office behind one address, and a pulse of answers that somebody wants to make of them
(DNSBomb, docs/LIMITS.md sections 3 and 4)."""
import bisect
import json
import select
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

import internet
import lab

SLOW = [f"127.90.7.{n}" for n in range(1, 13)]  # each serves a zone of its own: none has more queries than its quota
SO_TIMESTAMPNS = 35


class SlowServer:
    """Keeps queries until there are `wanted` of them, or the first is 2.6 s old, which is well before the resolver gives up; then answers all of them at once."""

    def __init__(self, port):
        self.wanted, self.kept, self.first = 1, {}, 0.0
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
                self.first = self.first if self.kept else time.monotonic()
                self.kept[wire[12:].split(b"\0")[0].lower()] = (s, wire, peer)  # one that is asked again counts once
            if self.kept and (len(self.kept) >= self.wanted or time.monotonic() > self.first + 2.6):
                for s, query, asker in self.kept.values():
                    question = dns.message.from_wire(query)
                    reply = dns.message.make_response(question)
                    reply.flags |= dns.flags.AA
                    reply.answer.append(dns.rrset.from_text(question.question[0].name, 300, "IN", "A", "192.0.2.7"))
                    s.sendto(reply.to_wire(), asker)
                self.kept = {}

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
    server = internet.Resolver(folder, net, workers=2, server="  rate-limit: {exempt: []}\n", extra=f"stub-zones: [{zones}]\n")
    yield server, slow
    server.stop()
    slow.close()
    net.stop()


def queries(prefix, cnt):
    return [dns.message.make_query(f"{prefix}{i}.z{i % len(SLOW)}.slow", "A", id=i).to_wire() for i in range(cnt)]


def pulse(server, wires, per_second):
    """Send them at that rate, all at once for 0.  Returns the RCODE of each answer by ID, when the kernel took each in,
    and how many queries left in 50 ms at most."""
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
    """Queries of many connections wait at one time; all of them are answered."""
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


def test_memory_comes_back_after_a_peak(tmp_path):
    """What thousands of waiting queries took is given back, and not kept for the next peak."""
    net = internet.Internet(tmp_path / "net", lab.free_port())
    slow = SlowServer(net.port)
    slow.wanted = 10 ** 6
    zones = ", ".join(f"{{zone: z{i}.slow, servers: [{a}@{net.port}]}}" for i, a in enumerate(SLOW))
    server = internet.Resolver(tmp_path, net, build=lab.choose_build("release"), extra=f"stub-zones: [{zones}]\n")
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
    """As Node's resolver asks 200 names at once."""
    server, slow = world
    slow.wanted = 200
    found, _, _ = pulse(server, queries("burst", 200), 0)
    assert len(found) == 200 and set(found.values()) == {(dns.rcode.NOERROR, False)}


def test_a_pulse_of_slow_queries_becomes_a_stream(world):
    """600 queries at 300 a second whose answers are known at one moment: all are answered, at about twice the rate of the queries."""
    server, slow = world
    before = counts(server)["limits"]["answers-paced"]
    slow.wanted = 600
    found, times, queried = pulse(server, queries("pulse", 600), 300)
    assert len(found) == 600 and set(found.values()) == {(dns.rcode.NOERROR, False)}
    peak = most_in_50_ms(times)
    print(f"peak: {peak} answers in 50 ms, {queried} queries in 50 ms")
    assert counts(server)["limits"]["answers-paced"] > before + 100
    assert peak < 300  # all at once they would be 600; at most 2 x queries + 10 on a machine that is idle


def test_who_keeps_more_waiting_hears_that_it_is_too_much(world):
    """Over 1,000 a client is told to come over TCP, where its address is known, and nothing is dropped in silence."""
    server, slow = world
    slow.wanted = 1 << 30
    found, _, _ = pulse(server, queries("many", 1200), 600)
    told = sum(truncated for _, truncated in found.values())
    print(f"{len(found)} answered, {told} of them with TC")
    assert len(found) == 1200 and told >= 150
