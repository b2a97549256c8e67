"""Hostile servers (malice_grammar) beside honest ones on a private Internet, a client, and the verdict on resolvers.

The root, `evil.` and `good.` are honest.  Each case has its own zone below evil. and its own addresses, so that nothing
that a resolver caches for one case affects another; each resolver has its own cases of the same kind and seed.  After
the query of a case the client queries honest names below good. and evil.: if it gets the address FORGED, the cache is
poisoned.
"""
import collections
import heapq
import random
import re
import select
import socket
import struct
import threading
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

import lab
import malice_grammar as grammar
from malice_grammar import A, AA, NS, QR, SOA, TC, a, ip, ns, reply, soa, wire

ROOT, GOOD, EVIL, THIEF = "127.90.0.1", "127.90.0.2", "127.90.0.3", "127.90.66.66"
FIRST_SERVER, SERVERS = 91, 20   # the second octet of the addresses of a case's servers, and their number
FIRST_SILENT, SILENT = 150, 100  # the same of its silent addresses
IN_FLIGHT = 125    # queries of the client
WAIT_S = 12       # for an answer
IP_PKTINFO = 8    # a constant of Linux that Python's socket module does not have
TABLE = lab.SOURCE / "tests/data/malice.tsv"


class Broken(Exception):
    """A message that is no query."""


class Query:
    """A query of a resolver to a server."""

    def __init__(self, data, to, tcp):
        try:
            self.read(data, to, tcp)
        except (IndexError, struct.error) as fault:
            raise Broken from fault

    def read(self, data, to, tcp):
        self.to, self.tcp = to, tcp
        self.id, self.flags, count, _, _, extra = struct.unpack("!6H", data[:12])
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]])
            at += 1 + data[at]
        self.qname = data[12:at + 1]
        self.question = data[12:at + 5]
        self.rdtype, self.rdclass = struct.unpack("!HH", data[at + 1:at + 5])
        self.name = "".join(label.decode("latin-1").lower() + "." for label in labels) or "."
        self.has_edns = extra > 0
        self.cookie = b""
        if self.has_edns:  # owner, type, size, flags, length
            options = data[at + 5 + 11:]
            while len(options) >= 4:
                code, size = struct.unpack("!HH", options[:4])
                self.cookie = options[4:4 + size] if code == 10 else self.cookie
                options = options[4 + size:]
        self.number = self.server = 0


class Case:
    """One client's query to one resolver about one hostile zone."""

    def __init__(self, number, kind, seed):
        self.number, self.kind, self.seed = number, kind, seed
        self.zone, self.victim = f"k{number:05x}.evil.", f"v{number:05x}.good."
        self.sibling, self.absent = f"s{number:05x}.evil.", f"x{number:05x}.good."
        self.wire_zone = wire(self.zone)
        self.name = f"{kind.below}www.{self.zone}"
        self.thief = THIEF
        self.queries = self.octets = 0  # received by its servers, hostile and honest
        self.asked = 0                  # queries that the kind has answered
        self.refused = collections.Counter()  # queries answered REFUSED, by zone
        self.is_poisoned = False        # its resolver queried THIEF

    def random(self, number=0):
        return random.Random(f"{self.seed}/{self.kind.name}/{number}")

    def address(self, server):
        return f"127.{FIRST_SERVER + server}.{self.number >> 8}.{self.number & 255}"

    def silent(self, i):
        return f"127.{FIRST_SILENT + i % SILENT}.{self.number >> 8}.{self.number & 255}"

    def truth(self, q):
        """Return the three sections of an honest answer."""
        if q.rdtype == A:
            return [a(grammar.POINTER)], [], []
        return [], [soa(self.zone)], []

    def apex(self, q):
        """Return an honest reply about the zone itself and its servers' names, or None for another name."""
        for i in range(self.kind.servers):
            if q.name == f"ns{i or ''}.{self.zone}":
                if q.rdtype == A:
                    return reply(q, [a(grammar.POINTER, self.address(i))])
                return reply(q, [], [soa(self.zone)])
        found = re.fullmatch(r"(ns9|n|m)(\d*)\." + re.escape(self.zone), q.name)  # names of the grammar's delegations
        if found and q.rdtype == A:
            number = int(found[2] or 1)
            address = self.silent(number) if found[1] == "m" else self.address(1 + (number - 1) % 15)
            return reply(q, [a(grammar.POINTER, address)])
        if q.name != self.zone:
            return None
        if q.rdtype == NS:
            return reply(q, [ns(grammar.POINTER, f"ns{i or ''}.{self.zone}") for i in range(self.kind.servers)])
        return reply(q, [soa(self.zone)]) if q.rdtype == SOA else reply(q, [], [soa(self.zone)])

    def delegation(self, q):
        servers = [(f"ns{i or ''}.{self.zone}", self.address(i)) for i in range(self.kind.servers)]
        return reply(q, [], [ns(self.zone, name) for name, _ in servers],
                     [a(name, address) for name, address in servers], flags=QR)


class World:
    """All servers, in one thread: `port` on all addresses of 127.0.0.0/8."""

    def __init__(self, port):
        self.port, self.cases, self.lock = port, {}, threading.Lock()
        self.is_ending = False
        self.timers, self.timer_number = [], 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self.udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.udp.bind(("0.0.0.0", port))
            self.tcp.bind(("0.0.0.0", port))
        except OSError:
            self.udp.close()
            self.tcp.close()
            raise
        self.tcp.listen(256)
        self.tcp.setblocking(False)
        self.epoll = select.epoll()
        self.connections = {}
        for s in (self.udp, self.tcp):
            self.epoll.register(s.fileno(), select.EPOLLIN)
        self.faults = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def add(self, kind, seed):
        with self.lock:
            case = Case(len(self.cases), kind, seed)
            self.cases[case.number] = case
        assert case.number < 1 << 16, "no address is left for another case"
        return case

    def stop(self):
        self.is_ending = True
        self.thread.join()
        for s in [self.udp, self.tcp, *(c.socket for c in self.connections.values())]:
            s.close()
        self.epoll.close()

    # ---- replies ----

    def case_of(self, q):
        """Return the case of a query, by the address that it was sent to or else by its name; None if it has none."""
        octets = ip(q.to)
        if octets[1] >= FIRST_SERVER:
            return self.cases.get(octets[2] << 8 | octets[3])
        found = re.search(r"(?:^|[.-])[kvsx]([0-9a-f]{5})\.", q.name)
        return self.cases.get(int(found[1], 16)) if found else None

    def answer(self, q, size):
        case = self.case_of(q)
        if case:
            case.queries += 1
            case.octets += size
        second = ip(q.to)[1]
        if FIRST_SILENT <= second < FIRST_SILENT + SILENT:
            return []
        if FIRST_SERVER <= second < FIRST_SERVER + SERVERS and case:
            q.server = second - FIRST_SERVER
            return self.hostile(case, q)
        if q.to == THIEF:
            if case:
                case.is_poisoned = True
            return [reply(q, [a(grammar.POINTER, grammar.FORGED)])]
        zones = {ROOT: self.root, GOOD: self.good, EVIL: self.evil}
        return [zones[q.to](q)] if q.to in zones else []

    def hostile(self, case, q):
        honest = case.apex(q)
        if honest:
            return [honest]
        if case.kind.tcp and not q.tcp:
            return [reply(q, flags=AA | TC)]
        q.number = case.asked
        case.asked += 1
        steps = case.kind.make(case, q)
        if not q.tcp and any(isinstance(s, bytes) and len(s) > 4096 for s in steps):
            return [reply(q, flags=AA | TC)]
        return steps

    def root(self, q):
        for tld, address in (("good.", GOOD), ("evil.", EVIL)):
            if q.name == tld or q.name.endswith("." + tld):
                return reply(q, [], [ns(tld, "ns." + tld)], [a("ns." + tld, address)], flags=QR)
        if q.name == "." and q.rdtype == NS:
            return reply(q, [ns(".", "ns.root-servers.invalid.")], [], [a("ns.root-servers.invalid.", ROOT)])
        if q.name == "ns.root-servers.invalid.":
            return reply(q, [a(grammar.POINTER, ROOT)]) if q.rdtype == A else reply(q, [], [soa(".")])
        exists = q.name in (".", "invalid.", "root-servers.invalid.")
        return reply(q, [], [soa(".")], rcode=0 if exists else 3)

    def honest(self, q, zone, server):
        """Return the reply of a zone in which every name has an address."""
        if q.name == zone and q.rdtype == NS:
            return reply(q, [ns(zone, server)], [], [a(server, GOOD)] if server != "ns.evil." else [a(server, EVIL)])
        if q.name == zone and q.rdtype == SOA:
            return reply(q, [soa(zone)])
        if q.rdtype != A:
            return reply(q, [], [soa(zone)])
        address = EVIL if q.name == "ns.evil." else GOOD if q.name.startswith("ns.") else grammar.HONEST
        return reply(q, [a(grammar.POINTER, address)])

    def good(self, q):
        found = re.fullmatch(r"([nm])(\d+)\.x([0-9a-f]{5})\.good\.", q.name)
        if found and found[1] == "n":
            return reply(q, [], [soa("good.")], rcode=3)
        if found and q.rdtype == A:
            return reply(q, [a(grammar.POINTER, self.cases[int(found[3], 16)].silent(int(found[2])))])
        sibling = re.search(r"s[0-9a-f]{5}\.evil\.$", q.name)
        if not sibling and not q.name.endswith("good."):
            return reply(q, rcode=5)
        return self.honest(q, sibling[0] if sibling else "good.", "ns.good.")

    def evil(self, q):
        found = re.search(r"(?:^|\.)([ks])([0-9a-f]{5})\.evil\.$", q.name)
        case = found and self.cases.get(int(found[2], 16))
        if case and found[1] == "k":
            return case.delegation(q)
        if case:
            server = "ns." + case.sibling
            return reply(q, [], [ns(case.sibling, server)], [a(server, GOOD)], flags=QR)
        if q.name in ("evil.", "ns.evil."):
            return self.honest(q, "evil.", "ns.evil.")
        return reply(q, [], [soa("evil.")], rcode=3) if q.name.endswith(".evil.") else reply(q, rcode=5)

    # ---- sending ----

    def run(self):
        while not self.is_ending:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            wait = min(0.1, self.timers[0][0] - now) if self.timers else 0.1
            for fd, events in self.epoll.poll(max(0, wait)):
                try:
                    if fd == self.udp.fileno():
                        self.read_datagram()
                    elif fd == self.tcp.fileno():
                        self.accept()
                    elif fd in self.connections:
                        self.connections[fd].on_events(events)
                except (OSError, Broken):
                    pass
                except Exception as fault:  # a fault of the grammar, which fails the run
                    self.faults.append(fault)

    def later(self, seconds, call):
        self.timer_number += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.timer_number, call))

    def read_datagram(self):
        data, ancillary, _, peer = self.udp.recvmsg(4096, 64)
        if not ancillary or not peer[0].startswith("127."):
            return
        to = socket.inet_ntoa(ancillary[0][2][8:12])
        self.play_datagrams(to, peer, self.answer(Query(data, to, False), len(data)))

    def play_datagrams(self, to, peer, steps):
        for i, step in enumerate(steps):
            if isinstance(step, bytes):
                self.send(to, peer, step)
            elif step[0] == "wait":
                self.later(step[1], lambda rest=steps[i + 1:]: self.play_datagrams(to, peer, rest))
                return
            elif step[0] == "from" and step[1]:
                self.send(step[1], peer, step[3])
            elif step[0] == "from":
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.bind((to, 0))
                    s.sendto(step[3], peer)

    def send(self, source, peer, data):
        try:
            info = struct.pack("=I4s4s", 0, ip(source), bytes(4))
            self.udp.sendmsg([data], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, peer)
        except OSError:  # the resolver has closed the port of the query
            pass

    def accept(self):
        s, peer = self.tcp.accept()
        if not peer[0].startswith("127."):
            s.close()
            return
        s.setblocking(False)
        self.connections[s.fileno()] = Connection(self, s)


class Connection:
    """A TCP connection of a resolver: its queries one after another, each with its steps."""

    def __init__(self, world, s):
        self.world, self.socket, self.fd = world, s, s.fileno()
        self.to = s.getsockname()[0]
        self.received, self.out, self.steps = b"", b"", []
        self.is_waiting = self.is_closed = False
        world.epoll.register(self.fd, select.EPOLLIN)

    def close(self):
        if not self.is_closed:
            self.is_closed = True
            self.world.epoll.unregister(self.fd)
            del self.world.connections[self.fd]
            self.socket.close()

    def on_events(self, events):
        try:
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                data = self.socket.recv(65536)
                if not data:
                    self.close()
                    return
                self.received += data
            self.take_queries()
            self.play()
        except BlockingIOError:
            pass
        except (OSError, Broken):
            self.close()

    def take_queries(self):
        while len(self.received) >= 2 and len(self.received) >= 2 + struct.unpack("!H", self.received[:2])[0]:
            size = struct.unpack("!H", self.received[:2])[0]
            query, self.received = self.received[2:2 + size], self.received[2 + size:]
            self.steps += self.world.answer(Query(query, self.to, True), size)

    def go_on(self):
        self.is_waiting = False
        try:
            self.play()
        except OSError:
            self.close()

    def play(self):
        while not self.is_waiting and not self.is_closed and (self.steps or self.out):
            if self.out:
                try:
                    self.out = self.out[self.socket.send(self.out[:262144]):]
                except BlockingIOError:
                    self.world.epoll.modify(self.fd, select.EPOLLIN | select.EPOLLOUT)
                    return
                continue
            step = self.steps.pop(0)
            if isinstance(step, bytes):
                self.out = struct.pack("!H", len(step)) + step
            elif step[0] == "raw":
                self.out = step[1]
            elif step[0] == "wait":
                self.is_waiting = True
                self.world.later(step[1], self.go_on)
            elif step[0] == "close":
                self.close()
        if not self.is_closed:
            self.world.epoll.modify(self.fd, select.EPOLLIN)


# ---- the client ----

Result = collections.namedtuple("Result", "kind seed answer queries octets answers note")


def classify(data):
    """Return the class of an answer, as the head of tests/data/malice.tsv lists them."""
    try:
        message = dns.message.from_wire(data, one_rr_per_rrset=True)
    except dns.exception.DNSException:
        return "BROKEN"
    addresses = {r.address for s in message.answer if s.rdtype == A and s.rdclass == 1 for r in s}
    records = [(s.name, s.rdtype, r) for s in message.answer for r in s]
    asked = message.question[0].rdtype if message.question else A
    if grammar.FORGED in addresses:
        return "FORGED"
    if len(set(records)) < len(records):
        return "TWICE"
    if message.rcode() != 0:
        return dns.rcode.to_text(message.rcode())
    if addresses:
        return "OTHER" if addresses == {grammar.OTHER} else "DATA"
    if any(s.rdtype == asked or asked == dns.rdatatype.ANY for s in message.answer):
        return "DATA"
    return "CNAME" if message.answer else "NODATA"


class Client:
    """A client of one resolver that sends many queries at once, each from its own socket."""

    def __init__(self, port):
        self.port = port
        self.times_s = []  # from each query of the last call of `ask` to its first answer

    def ask(self, asked, seconds=WAIT_S, linger=0.0):
        """Send queries for `asked`, [(name, type)]; return the list of answers to each.

        If the first answer is truncated, its place is taken by the answer to the same query over TCP.  After the last
        first answer wait for `linger` seconds, for second ones.
        """
        sockets, answers, waiting = {}, [[] for _ in asked], set(range(len(asked)))
        epoll, start = select.epoll(), time.monotonic()
        self.times_s = [seconds] * len(asked)
        for i, (name, rdtype) in enumerate(asked):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("127.0.0.1", self.port))
            query = dns.message.make_query(name, rdtype, use_edns=0, payload=grammar.UDP_MAX)
            query.id = i
            sockets[s.fileno()] = (s, i)
            epoll.register(s.fileno(), select.EPOLLIN)
            s.send(query.to_wire())
        end = start + seconds
        while time.monotonic() < end:
            for fd, _ in epoll.poll(0.1):
                s, i = sockets[fd]
                try:
                    answers[i].append(s.recv(65535))
                except OSError:
                    continue
                if i in waiting:
                    self.times_s[i] = time.monotonic() - start
                waiting.discard(i)
            if not waiting:
                end = min(end, time.monotonic() + linger)
                waiting.add(None)
        epoll.close()
        for s, _ in sockets.values():
            s.close()
        for (name, rdtype), got in zip(asked, answers):
            if got and len(got[0]) > 3 and got[0][2] & 2:
                got[0] = self.ask_tcp(name, rdtype) or got[0]
        return answers

    def ask_tcp(self, name, rdtype):
        try:
            query = dns.message.make_query(name, rdtype, use_edns=0)
            return dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=5).to_wire()
        except (dns.exception.DNSException, OSError, EOFError):
            return None

    def play(self, cases):
        """Play the cases, IN_FLIGHT at a time; return [Result]."""
        return [result for at in range(0, len(cases), IN_FLIGHT)
                for result in self.play_some(cases[at:at + IN_FLIGHT])]

    def play_some(self, cases):
        """Send the queries of the cases, then those for honest names, which show a poisoned cache."""
        got = self.ask([(c.name, c.kind.rdtype) for c in cases], linger=0.3)
        counted = [(c.queries, c.octets) for c in cases]
        names = [(name, A) for c in cases for name in ("www." + c.victim, "other." + c.victim, "www." + c.sibling)]
        after = [classify(answer[0]) if answer else "NONE" for answer in self.ask(names)]
        results = []
        for i, (case, answers) in enumerate(zip(cases, got)):
            kind, note = classify(answers[0]) if answers else "NONE", ""
            victims = after[3 * i:3 * i + 3]
            if case.is_poisoned or "FORGED" in victims:
                kind, note = "POISONED", "honest names"
            elif set(victims) != {"DATA"}:
                note = "honest names: " + " ".join(victims)
            results.append(Result(case.kind.name, case.seed, kind, *counted[i], len(answers), note))
        return results


def cpu_s(pid):
    """Return the seconds of CPU that the threads of a process have used."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


# ---- the verdict ----

Row = collections.namedtuple("Row", "classes queries is_more why")
RESOLVERS = ("rootline", "unbound", "named", "kresd")


def read_table(path=TABLE):
    """Return {kind: Row}: the classes by resolver, and the most queries that rootline-resolver may send for a case.

    `is_more` allows that they are more than three times those of any peer.
    """
    rows = {}
    for line in Path(path).read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        kind, *classes, queries, why = line.split("\t")
        ours = classes[0]
        by_resolver = {name: set((ours if text == "=" else text).split("|")) for name, text in zip(RESOLVERS, classes)}
        rows[kind] = Row(by_resolver, int(queries.rstrip("!")), queries.endswith("!"), why)
    return rows


def judge_ours(rows, result):
    """Return what is wrong with an answer of rootline-resolver, or None."""
    row = rows.get(result.kind)
    if not row:
        return "the table has no row for this kind"
    if result.answer in ("POISONED", "FORGED", "NONE", "TWICE") or result.answer.startswith("BROKEN"):
        return f"{result.answer} {result.note}"
    if result.note:
        return result.note
    if result.answers != 1:
        return f"{result.answers} answers to one query"
    if not row.classes["rootline"] & {result.answer, "any"}:
        return f"{result.answer}, expected {'|'.join(sorted(row.classes['rootline']))}"
    if result.queries > row.queries:
        return f"{result.queries} queries to servers, at most {row.queries} are expected"
    return None


def judge_peer(rows, peer, result):
    """Return how a peer's answer differs from the table, or None.  A missing answer may stand for SERVFAIL."""
    row = rows.get(result.kind)
    seen = {result.answer, "any"} | ({"SERVFAIL"} if result.answer == "NONE" else set())
    if row and not row.classes[peer] & seen:
        return f"{result.answer}, the table has {'|'.join(sorted(row.classes[peer]))}"
    return None
