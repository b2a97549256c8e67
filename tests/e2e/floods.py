"""Floods: servers that are slow for some names, clients that query those, and a benign client that queries others.

Each is a process of its own, so that none waits for the test.  For test_fair.py and tools/soak.
"""
import contextlib
import heapq
import itertools
import json
import multiprocessing
import re
import select
import socket
import ssl
import struct
import time

import dns.message
import h2.exceptions

import encrypted
import internet
import lab

# The servers of a small Internet: the root, the TLD alpha, two for its zones, and a forwarder.
ROOT, TLD = "127.90.0.1", "127.90.0.2"
BENIGN, SLOW = "127.90.8.1", "127.90.8.3"
FORWARDER = "127.90.8.9"
CLIENT = "127.0.0.9"  # the benign client
LATE_S, FAIL_S = 2, 5
CREDIT_S = 0.1        # a client that had no CPU catches up on this much of its rate
PATIENCE_S = 10       # of the benign client
PROCESS = multiprocessing.get_context("fork")


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def record(owner, rdtype, rdata, ttl=3600):
    return owner + struct.pack("!HHIH", rdtype, 1, ttl, len(rdata)) + rdata


def referral(zone, server):
    """Return the NS record and the glue of a delegation."""
    ns = b"\2ns" + zone
    return record(zone, 2, ns), record(ns, 1, socket.inet_aton(server))


class Upstream:
    """The servers.  They answer at once, except for names whose first label is r and a number.

    Those they answer as `mode` says: "mute" (never), "late" (after LATE_S), "servfail" (after FAIL_S), "nxdomain" (at
    once) or "big" (50 kB over TCP).
    """

    addresses = (ROOT, TLD, BENIGN, SLOW, FORWARDER)

    def __init__(self, port, mode="mute"):
        self.port = port
        self.mode = PROCESS.Array("c", 16)
        self.set(mode)
        self.sockets = []
        for address in self.addresses:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                s = socket.socket(socket.AF_INET, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
                s.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    s.listen(1000)
                s.setblocking(False)
                self.sockets.append((s, address, kind))
        self.process = PROCESS.Process(target=self.run, daemon=True)
        self.process.start()
        for s, _, _ in self.sockets:
            s.close()

    def set(self, mode):
        self.mode.value = mode.encode()

    def stop(self):
        self.process.terminate()
        self.process.join()

    # ---- in the process ----

    def run(self):
        epoll, later, open_streams = select.epoll(), [], {}
        at = {s.fileno(): (s, address, kind) for s, address, kind in self.sockets}
        for fd in at:
            epoll.register(fd, select.EPOLLIN)
        number = 0
        while True:
            wait = max(0.0, later[0][0] - time.monotonic()) if later else 0.5
            for fd, _ in epoll.poll(min(wait, 0.5)):
                if fd in at and at[fd][2] == socket.SOCK_STREAM:
                    with contextlib.suppress(OSError):
                        stream, _ = at[fd][0].accept()
                        stream.settimeout(1)
                        epoll.register(stream.fileno(), select.EPOLLIN)
                        open_streams[stream.fileno()] = (stream, at[fd][1], bytearray())
                    continue
                queries = self.read_udp(*at[fd][:2]) if fd in at else self.read_tcp(epoll, open_streams, fd)
                for send, wire, address, is_tcp in queries:
                    delay, reply = self.answer(wire, address, is_tcp)
                    if reply and delay:
                        number += 1
                        heapq.heappush(later, (time.monotonic() + delay, number, send, reply))
                    elif reply:
                        send(reply)
            while later and later[0][0] <= time.monotonic():
                _, _, send, reply = heapq.heappop(later)
                send(reply)

    @staticmethod
    def read_udp(s, address):
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):
                wire, peer = s.recvfrom(4096)
                yield lambda reply, peer=peer: s.sendto(reply, peer), wire, address, False

    @staticmethod
    def read_tcp(epoll, streams, fd):
        s, address, data = streams[fd]
        try:
            more = s.recv(65536)
        except OSError:
            more = b""
        if not more:
            epoll.unregister(fd)
            streams.pop(fd)[0].close()
            return
        data += more

        def send(reply):
            with contextlib.suppress(OSError):
                s.sendall(encrypted.frame(reply))
        while len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big"):
            size = int.from_bytes(data[:2], "big")
            wire = bytes(data[2:2 + size])
            del data[:2 + size]
            yield send, wire, address, True

    def answer(self, wire, address, is_tcp):
        """Return (seconds to wait, reply); the reply is None if there is none."""
        end = wire.index(b"\0", 12)  # the root label; no other octet of these names is 0
        qname, question = wire[12:end + 1], wire[12:end + 5]
        rdtype = int.from_bytes(wire[end + 1:end + 3], "big")
        lower = split(qname.lower())
        is_flood = address not in (ROOT, TLD) and bool(lower) and bool(re.fullmatch(r"r\d+", lower[0]))
        mode = self.mode.value.decode() if is_flood else ""
        answer, authority, additional, rcode, tc, delay = [], [], [], 0, 0, 0
        if address == ROOT and lower and lower[-1] == "alpha":
            ns, glue = referral(b"\5alpha\0", TLD)
            authority, additional = [ns], [glue]
        elif address == ROOT and not lower and rdtype == 2:
            ns, glue = referral(b"\0", ROOT)
            answer, additional = [ns], [glue]
        elif address == TLD and len(lower) > 1:
            zone = name(".".join(lower[-2:]))
            ns, glue = referral(zone, BENIGN if lower[-2].startswith("other") else SLOW)
            authority, additional = [ns], [glue]
        elif mode == "mute":
            return 0, None
        elif mode == "servfail":
            rcode, delay = 2, FAIL_S
        elif mode == "nxdomain":
            rcode = 3
        elif mode == "big" and not is_tcp:
            tc = 2
        elif mode == "big" and rdtype == 16:
            answer = [record(qname, 16, (b"\xff" + b"x" * 255) * 3, ttl=1) for _ in range(70)]
        elif rdtype == 1:
            answer = [record(qname, 1, socket.inet_aton("192.0.2.1"), ttl=1)]
        delay = LATE_S if mode == "late" else delay
        if not answer and not additional:
            zone = name(".".join(lower[-2:]))
            authority = [record(zone, 6, b"\2ns" + zone + b"\1h" + zone + struct.pack("!5I", 1, 2, 3, 4, 5),
                                ttl=5)]
        is_referral = bool(additional) and not answer
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if wire[10:12] != b"\0\0" else b""
        flags = 0x80 | (0 if is_referral else 4) | tc | (wire[2] & 1), (0x80 if address == FORWARDER else 0) | rcode
        head = wire[:2] + bytes(flags) + struct.pack("!4H", 1, len(answer), len(authority), len(additional) + bool(opt))
        return delay, head + question + b"".join(answer + authority + additional) + opt


def split(qname):
    at, labels = 0, []
    while qname[at]:
        labels.append(qname[at + 1:at + 1 + qname[at]].decode())
        at += 1 + qname[at]
    return labels


class Net:
    """The attributes of an Internet that internet.Resolver uses."""

    def __init__(self, folder, port):
        self.port = port
        self.hints = folder / "root.hints"
        self.hints.write_text(f". 3600 NS ns.\nns. 3600 A {ROOT}\n")


def ports_of(server, listeners):
    return {"udp": server.port, "tcp": server.port, "tls": listeners.tls, "doh": listeners.https}


class Subject:
    """The resolver, forwarding or not, and its ports.  No client is exempt; with `is_default` those on loopback are.

    It validates if `anchor` is the file with the trust anchor.
    """

    def __init__(self, folder, port, is_forwarding, is_default=False, build=lab.BUILD, workers=2, top="", anchor=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.listeners = encrypted.Listeners(folder)
        forward = f"forward-zones: [{{zone: ., servers: [{FORWARDER}@{port}]}}]\n" if is_forwarding else ""
        server = self.listeners.extra + ("" if is_default else "  rate-limit: {exempt: []}\n")
        self.server = internet.Resolver(folder, Net(folder, port), workers=workers, server=server, extra=forward + top,
                                        build=build, size="16M", anchor=anchor)
        self.ports = ports_of(self.server, self.listeners)

    def status(self):
        return status_of(self.server.socket)

    def left(self):
        """Return the counts of work in progress that are not 0."""
        return {key: value for key, value in work_of(self.status()).items() if value}

    def wait_until_full(self, tasks, seconds=60):
        """Wait until as many tasks wait for a place."""
        end = time.monotonic() + seconds
        while (status := self.status())["waiting-for-place"] < tasks:
            assert time.monotonic() < end, f"the flood does not fill the places: {work_of(status)}"
            time.sleep(0.05)

    def wait_until_quiet(self, seconds=30):
        """Wait until no work is in progress; return the counts that are not 0 at the timeout."""
        end = time.monotonic() + seconds
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.2)
        return left

    def stop(self):
        self.server.stop()


class Served:
    """rootline-authd with one zone, in which every name exists, and the same ports."""

    def __init__(self, folder, build=lab.BUILD, workers=2, top=""):
        folder.mkdir(parents=True, exist_ok=True)
        self.listeners = encrypted.Listeners(folder)
        self.zone = folder / "other.alpha.zone"
        self.write(1)
        self.server = lab.Authd(folder, {"other.alpha": self.zone}, build=build, top=top,
                                extra=self.listeners.extra + f"  workers: {workers}\n  rate-limit: {{per-second: 0}}")
        self.server.socket = folder / "authd.sock"
        self.ports = ports_of(self.server, self.listeners)

    def write(self, serial):
        part = self.zone.with_suffix(".part")
        part.write_text(f"$TTL 300\n@ SOA ns h {serial} 2 3 4 60\n@ NS ns\nns A 192.0.2.1\n* A 192.0.2.2\n"
                        + "".join(f'* TXT "{"x" * 250}" "{n}"\n' for n in range(100)))
        part.rename(self.zone)

    def status(self):
        return status_of(self.server.socket)

    def stop(self):
        self.server.stop()


class Unbound:
    """unbound in place of Subject; it queries servers at port 53."""

    def __init__(self, folder, port, is_forwarding, workers=2):
        folder.mkdir(parents=True, exist_ok=True)
        self.listeners = l = encrypted.Listeners(folder)
        extra = (f"  num-threads: {workers}\n  interface: 127.0.0.1@{l.tls}\n  interface: 127.0.0.1@{l.https}\n"
                 f"  tls-port: {l.tls}\n  https-port: {l.https}\n"
                 f"  tls-service-pem: {l.folder / 'cert.pem'}\n  tls-service-key: {l.folder / 'key.pem'}\n")
        if is_forwarding:
            extra += f'forward-zone:\n  name: "."\n  forward-addr: {FORWARDER}@{port}\n'
        self.server = internet.Unbound(folder / "unbound", Net(folder, port), extra)
        self.ports = ports_of(self.server, l)

    def wait_until_quiet(self):
        return {}

    def stop(self):
        self.server.stop()


def status_of(path):
    done = lab.run(lab.ROOTLINE, "status", "--json", "--socket", path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def work_of(status):
    """Return the counts of work in progress in a status of the resolver."""
    keys = ("resolutions-in-progress", "queries-outstanding", "waiting-for-place")
    return {key: status[key] for key in keys} | status["quota"]


# ---- clients ----

class Pace:
    """A rate per second.  Time without CPU above CREDIT_S is not caught up on, so that no burst follows it."""

    def __init__(self, per_second):
        self.per_second, self.credit, self.last = per_second, 0.0, time.monotonic()

    def due(self):
        """Return how many queries may be sent now."""
        now = time.monotonic()
        self.credit += min(now - self.last, CREDIT_S) * self.per_second
        self.last = now
        count = int(self.credit)
        self.credit -= count
        return count


class Flood:
    """`per_second` queries for names(0), names(1), ... from addresses of 127.9.0.0/16 in turn, until the block ends.

    At most `most` are sent; `rcodes` counts the answers by RCODE.
    """

    def __init__(self, subject, names, per_second=300, clients=10, way="udp", rdtype="A", most=None):
        self.subject, self.names, self.per_second, self.clients = subject, names, per_second, clients
        self.way, self.rdtype, self.most = way, rdtype, most
        self.sent = PROCESS.Value("l", 0)
        self.rcodes = PROCESS.Array("l", 16)
        self.process = PROCESS.Process(target=self.run, daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *args):
        self.process.terminate()
        self.process.join()

    def run(self):
        make = {"udp": Datagrams, "tcp": Stream, "doh": Doh}[self.way]
        connections = [make(self.subject, f"127.9.{n // 250}.{n % 250 + 1}") for n in range(self.clients)]
        pace = Pace(self.per_second)
        n = 0
        while True:
            for _ in range(pace.due()):
                if n == self.most:
                    break
                c = connections[n % self.clients]
                with contextlib.suppress(OSError, ssl.SSLError, h2.exceptions.H2Error):
                    c.send(encrypted.make_query(self.names(n), self.rdtype, n & 0xffff))
                n += 1
            self.sent.value = n
            for c in connections:
                for reply in c.replies():
                    self.rcodes[reply[3] & 15] += 1
            time.sleep(0.005)


class Connections:
    """New connections from 200 addresses over TCP, TLS and HTTPS in turn, until the block ends.

    At most `kept` are open; the oldest is closed with FIN or RST in turn.  `what` is "ask" (send queries, read no
    answer), "half" (send a part of a handshake or of a query) or "idle".
    """

    def __init__(self, subject, what, kept=300):
        self.subject, self.what, self.kept = subject, what, kept
        self.made = PROCESS.Value("l", 0)
        self.process = PROCESS.Process(target=self.run, daemon=True)

    __enter__, __exit__ = Flood.__enter__, Flood.__exit__

    def make(self, n):
        way = ("tcp", "tls", "doh")[n % 3]
        source = f"127.9.{n % 200 // 100}.{n % 100 + 1}"
        wire = encrypted.make_query(f"r{n}.other.alpha", number=n & 0xffff)
        if way == "tcp" or self.what != "ask":
            s = socket.create_connection(("127.0.0.1", self.subject.ports[way]), timeout=2, source_address=(source, 0))
            text = encrypted.frame(wire)
            if way != "tcp":
                tls = encrypted.ByHand(self.subject.listeners)
                tls.step()
                text = tls.flight()
            s.sendall(text[:{"ask": len(text), "half": n % len(text), "idle": 0}[self.what]])
            return s
        s = self.subject.listeners.connect(self.subject.ports[way], "dot" if way == "tls" else "h2", source=source)
        if way == "tls":
            s.sendall(encrypted.frame(wire) * 5)
        else:
            client = encrypted.Http2(s)
            for _ in range(5):
                client.ask(wire)
            client.flush()
        return s

    def run(self):
        kept = []
        for n in itertools.count():
            with contextlib.suppress(OSError, ssl.SSLError, h2.exceptions.H2Error):
                kept.append(self.make(n))
                self.made.value += 1
            if len(kept) > self.kept:
                s = kept.pop(0)
                if n % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
            time.sleep(0.002)


class Datagrams:
    def __init__(self, subject, source):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((source, 0))
        self.s.connect(("127.0.0.1", subject.ports["udp"]))
        self.s.setblocking(False)

    def send(self, wire):
        self.s.send(wire)

    def replies(self):
        with contextlib.suppress(OSError):
            while True:
                yield self.s.recv(65535)


class Stream:
    """Pipelined queries over TCP, on a new connection when the server has closed the last one."""

    def __init__(self, subject, source):
        self.port, self.source, self.s = subject.ports["tcp"], source, None

    def send(self, wire):
        if not self.s:
            self.s = socket.create_connection(("127.0.0.1", self.port), timeout=5, source_address=(self.source, 0))
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.s.setblocking(False)
            self.out, self.data = b"", b""
        if len(self.out) < 1 << 20:
            self.out += encrypted.frame(wire)
        self.flush()

    def flush(self):
        try:
            while self.out:
                self.out = self.out[self.s.send(self.out):]
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def close(self):
        self.s.close()
        self.s = None

    def replies(self):
        if not self.s:
            return
        self.flush()
        try:
            while self.s and (more := self.s.recv(65536)):
                self.data += more
            if self.s:
                self.close()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
        while self.s and len(self.data) >= 2 and len(self.data) >= 2 + int.from_bytes(self.data[:2], "big"):
            size = int.from_bytes(self.data[:2], "big")
            reply, self.data = self.data[2:2 + size], self.data[2 + size:]
            yield reply


class Doh:
    """The same over HTTP/2."""

    def __init__(self, subject, source):
        self.listeners, self.source, self.client = subject.listeners, source, None

    def send(self, wire):
        if not self.client:
            connection = self.listeners.connect(self.listeners.https, "h2", source=self.source)
            self.client, self.seen = encrypted.Http2(connection), 0
        self.client.ask(wire)
        self.client.sock.settimeout(1)
        self.client.flush()

    def replies(self):
        c = self.client
        if not c:
            return
        try:
            c.sock.settimeout(0)
            while more := c.sock.recv(65536):
                c.sock.settimeout(1)  # `take` may send, as the window updates
                c.take(more)
                c.sock.settimeout(0)
            c.closed = "closed"
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        except (OSError, h2.exceptions.H2Error):
            c.closed = "broken"
        for stream in c.done[self.seen:]:
            self.seen += 1
            answer = c.answers.pop(stream)
            if answer.get(":status") == "200":
                yield answer["data"]
        if c.closed is not None:
            c.sock.close()
            self.client = None


class Benign:
    """A client that sends `each` queries per second over each of `ways` until the block ends.

    Each is for a new name below `zone`, numbered after `first`.  The client repeats a query over TCP if the answer
    is truncated.  With `window` it has at most so many queries in flight over each transport, so that a slow
    machine makes it slower.  With `is_paused` it connects, and waits for start().  `seen` has for each transport the
    number of queries, the milliseconds that each answer took, and the failures.
    """

    def __init__(self, subject, zone, prefix, each=20, window=None, is_paused=False, ways=("udp", "tcp", "doh"),
                 first=0):
        self.subject, self.zone, self.prefix, self.each, self.window = subject, zone, prefix, each, window
        self.is_paused, self.ways, self.first = is_paused, ways, first
        self.answered = PROCESS.Value("l", 0)  # the least over the transports
        self.to_us, self.from_it = PROCESS.Pipe()
        self.process = PROCESS.Process(target=self.run, daemon=True)

    def __enter__(self):
        self.process.start()
        assert self.to_us.poll(60) and self.to_us.recv() == "connected"
        return self

    def start(self):
        self.to_us.send("start")

    def __exit__(self, *args):
        self.to_us.send("stop")
        try:
            assert self.to_us.poll(60), "the benign client does not end"
            self.seen = self.to_us.recv()
        finally:
            self.process.terminate()
            self.process.join()

    def run(self):
        makers = {"udp": Datagrams, "tcp": Stream, "doh": Doh}
        ways = {way: makers[way](self.subject, CLIENT) for way in self.ways}
        retry = Stream(self.subject, CLIENT)
        sent_at, took, waiting = {}, {}, {way: {} for way in ways}
        seen = {way: {"asked": 0, "ms": [], "failed": 0, "truncated": 0, "failures": []} for way in ways}

        def send(c, way, n):
            with contextlib.suppress(OSError, ssl.SSLError, h2.exceptions.H2Error):  # such a query counts as unanswered
                c.send(encrypted.make_query(f"b{self.prefix}{way}{self.first + n}.{self.zone}", number=n, use_edns=0))

        def read(c, way):
            for reply in c.replies():
                n = int.from_bytes(reply[:2], "big")
                if (way, n) not in sent_at or (way, n) in took:
                    continue
                if reply[2] & 2 and way == "udp":
                    seen[way]["truncated"] += 1
                    send(retry, way, n)
                    continue
                took[way, n] = time.monotonic() - sent_at[way, n]
                waiting[way].pop(n, None)
                if reply[3] & 15 or reply[7] == 0:
                    seen[way]["failed"] += 1
                    options = [option.to_text() for option in dns.message.from_wire(reply).options]
                    seen[way]["failures"].append(f"rcode {reply[3] & 15} after {took[way, n]:.1f} s {options}")
                else:
                    seen[way]["ms"].append(took[way, n] * 1000)

        def has_room(way):
            """True if the window has room: queries that got no answer for PATIENCE_S are not in flight any more."""
            now = time.monotonic()
            for n in [n for n, at in waiting[way].items() if now - at > PATIENCE_S]:
                del waiting[way][n]
            return self.window is None or len(waiting[way]) < self.window

        for way, c in ways.items():  # connect before anything is counted
            sent_at[way, 0] = time.monotonic()
            send(c, way, 0)
            while (way, 0) not in took:
                read(c, way)
                time.sleep(0.001)
        for way in ways:
            seen[way]["ms"].clear()
        self.from_it.send("connected")
        if self.is_paused and self.from_it.recv() == "stop":
            self.from_it.send(seen)
            return
        last, end = {way: 0 for way in ways}, None
        paces = {way: Pace(self.each) for way in ways}
        while end is None or (len(took) < len(sent_at) and time.monotonic() < end):
            if end is None and self.from_it.poll():
                end = time.monotonic() + PATIENCE_S
            for way, c in ways.items():
                for _ in range(paces[way].due() if end is None else 0):
                    if has_room(way):
                        n = last[way] = last[way] + 1
                        sent_at[way, n] = waiting[way][n] = time.monotonic()
                        seen[way]["asked"] += 1
                        send(c, way, n)
            for way, c in ways.items():
                read(c, way)
            read(retry, "udp")
            self.answered.value = min(len(s["ms"]) + s["failed"] for s in seen.values())
            time.sleep(0.001)
        self.from_it.send(seen)


def part(values, of):
    """Return the quantile `of` of the values."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * of))] if values else float("inf")


def describe(seen):
    """Return a line of text about `Benign.seen`."""
    return "; ".join(f"{way} {len(s['ms'])}/{s['asked']} p50 {part(s['ms'], .5):.0f} p95 {part(s['ms'], .95):.0f} "
                     f"worst {max(s['ms'], default=0):.0f} ms" +
                     (f", {s['truncated']} TC" if s["truncated"] else "") +
                     (f", {s['failed']} failed" if s["failed"] else "")
                     for way, s in seen.items())


# ---- the kinds of floods ----

def slow(n):
    return f"r{n}.slow.alpha"


def slow_ten(n):
    return f"r{n}.slow{n % 10}.alpha"


def new(n):
    return f"c{n}-{int(time.monotonic())}.other.alpha"


def own(n):
    return f"r{n}.other.alpha"


# {kind: (names, mode of Upstream, arguments of Flood)}; the benign client's names are below other.alpha
KINDS = {
    "one slow domain": (slow, "mute", {}),
    "ten slow domains at one server": (slow_ten, "mute", {}),
    "the benign client's own domain": (own, "mute", {}),
    "replies that come late": (own, "late", {}),
    "SERVFAIL after five seconds": (slow_ten, "servfail", {}),
    "names that do not exist": (own, "nxdomain", {"per_second": 600}),
    "one client": (own, "mute", {"clients": 1}),
    "200 clients": (own, "mute", {"clients": 200}),
    "over TCP": (own, "mute", {"way": "tcp"}),
    "over HTTPS": (own, "mute", {"way": "doh"}),
}
