"""Servers that are slow about some names, clients that ask for those by the hundred, and a client beside them that asks for others:
each a process of its own, so that none waits for the test.  For test_fair.py and tools/soak."""
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

import h2.exceptions

import encrypted
import internet
import lab

# The servers of a small Internet: the root, alpha, and those of its zones.
ROOT, TLD = "127.90.0.1", "127.90.0.2"
BENIGN, SLOW = "127.90.8.1", "127.90.8.3"
FORWARDER = "127.90.8.9"
CLIENT = "127.0.0.9"            # the benign one
LATE_S, FAIL_S = 2, 5
PROCESS = multiprocessing.get_context("fork")


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def record(owner, rdtype, rdata, ttl=3600):
    return owner + struct.pack("!HHIH", rdtype, 1, ttl, len(rdata)) + rdata


def referral(zone, server):
    """NS and glue of a delegation."""
    ns = b"\2ns" + zone
    return record(zone, 2, ns), record(ns, 1, socket.inet_aton(server))


class Upstream:
    """Answers each name at once, but those whose first label is r and a number: as `mode` says, which is "mute", "late" (after LATE_S),
    "servfail" (after FAIL_S), "nxdomain" (at once) or "big" (64 kB over TCP)."""

    def __init__(self, port, mode="mute"):
        self.port = port
        self.mode = PROCESS.Array("c", 16)
        self.set(mode)
        self.sockets = []
        for address in (ROOT, TLD, BENIGN, SLOW, FORWARDER):
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
                for send, wire, address, is_tcp in (self.read_udp(*at[fd][:2]) if fd in at else self.read_tcp(epoll, open_streams, fd)):
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
        """(seconds to wait, reply); None: none."""
        end = wire.index(b"\0", 12)  # no label of these names has one
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
            authority = [record(zone, 6, b"\2ns" + zone + b"\1h" + zone + struct.pack("!5I", 1, 2, 3, 4, 5), ttl=5)]
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
    """What internet.Resolver wants to know of an Internet."""

    def __init__(self, folder, port):
        self.port = port
        self.hints = folder / "root.hints"
        self.hints.write_text(f". 3600 NS ns.\nns. 3600 A {ROOT}\n")


class Subject:
    """The resolver, forwarding or not, and a client's way to it; nobody is exempt unless `is_default`."""

    def __init__(self, folder, port, is_forwarding, is_default=False, build=lab.BUILD, workers=2, top=""):
        folder.mkdir(parents=True, exist_ok=True)
        self.listeners = encrypted.Listeners(folder)
        forward = f"forward-zones: [{{zone: ., servers: [{FORWARDER}@{port}]}}]\n" if is_forwarding else ""
        server = self.listeners.extra + ("" if is_default else "  rate-limit: {exempt: []}\n")
        self.server = internet.Resolver(folder, Net(folder, port), workers=workers, server=server, extra=forward + top, build=build, size="16M")
        self.ports = {"udp": self.server.port, "tcp": self.server.port, "tls": self.listeners.tls, "doh": self.listeners.https}

    def status(self):
        return status_of(self.server.socket)

    def left(self):
        """What is still under way: nothing, when all is well and quiet."""
        status = self.status()
        counts = {key: status[key] for key in ("resolutions-in-progress", "queries-outstanding", "waiting-for-place")} | status["quota"]
        return {key: value for key, value in counts.items() if value}

    def wait_until_quiet(self, seconds=30):
        """What is left when nobody has asked for so long."""
        end = time.monotonic() + seconds
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.2)
        return left

    def stop(self):
        self.server.stop()


class Served:
    """The same ways to an authoritative server of one zone, in which every name is."""

    def __init__(self, folder, build=lab.BUILD, workers=2, top=""):
        folder.mkdir(parents=True, exist_ok=True)
        self.listeners = encrypted.Listeners(folder)
        self.zone = folder / "other.alpha.zone"
        self.write(1)
        self.server = lab.Authd(folder, {"other.alpha": self.zone}, build=build, top=top,
                                extra=self.listeners.extra + f"  workers: {workers}\n  rate-limit: {{per-second: 0}}")
        self.server.socket = folder / "authd.sock"
        self.ports = {"udp": self.server.port, "tcp": self.server.port, "tls": self.listeners.tls, "doh": self.listeners.https}

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
    """Debian's unbound in the place of Subject; its servers are at port 53."""

    def __init__(self, folder, port, is_forwarding, workers=2):
        folder.mkdir(parents=True, exist_ok=True)
        self.listeners = l = encrypted.Listeners(folder)
        extra = (f"  num-threads: {workers}\n  interface: 127.0.0.1@{l.tls}\n  interface: 127.0.0.1@{l.https}\n  tls-port: {l.tls}\n"
                 f"  https-port: {l.https}\n  tls-service-pem: {l.folder / 'cert.pem'}\n  tls-service-key: {l.folder / 'key.pem'}\n")
        if is_forwarding:
            extra += f'forward-zone:\n  name: "."\n  forward-addr: {FORWARDER}@{port}\n'
        self.server = internet.Unbound(folder / "unbound", Net(folder, port), extra)
        self.ports = {"udp": self.server.port, "tcp": self.server.port, "tls": l.tls, "doh": l.https}

    def wait_until_quiet(self):
        return {}

    def stop(self):
        self.server.stop()


def status_of(path):
    done = lab.run(lab.ROOTLINE, "status", "--json", "--socket", path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- clients ----

class Flood:
    """`per_second` queries for names(0), names(1)… in turn from addresses of 127.9.0.0/16, until it is stopped."""

    def __init__(self, subject, names, per_second=300, clients=10, way="udp", rdtype="A"):
        self.subject, self.names, self.per_second, self.clients, self.way, self.rdtype = subject, names, per_second, clients, way, rdtype
        self.sent = PROCESS.Value("l", 0)
        self.process = PROCESS.Process(target=self.run, daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *args):
        self.process.terminate()
        self.process.join()

    def run(self):
        connections = [{"udp": Datagrams, "tcp": Stream, "doh": Doh}[self.way](self.subject, f"127.9.{n // 250}.{n % 250 + 1}") for n in range(self.clients)]
        start = time.monotonic()
        n = 0
        while True:
            while n < (time.monotonic() - start) * self.per_second:
                c = connections[n % self.clients]
                with contextlib.suppress(OSError, ssl.SSLError, h2.exceptions.H2Error):
                    c.send(encrypted.question(self.names(n), self.rdtype, n & 0xffff))
                n += 1
            self.sent.value = n
            for c in connections:
                for _ in c.replies():
                    pass
            time.sleep(0.005)


class Connections:
    """Connections one after the other from 200 addresses, over TCP, TLS and HTTPS in turn, `kept` of them open at a time, each ended
    with FIN or RST in turn.  What each does: "ask" and do not read, a "half" of the handshake or of a query, or nothing ("idle")."""

    def __init__(self, subject, what, kept=300):
        self.subject, self.what, self.kept = subject, what, kept
        self.made = PROCESS.Value("l", 0)
        self.process = PROCESS.Process(target=self.run, daemon=True)

    __enter__, __exit__ = Flood.__enter__, Flood.__exit__

    def make(self, n):
        way = ("tcp", "tls", "doh")[n % 3]
        source, wire = f"127.9.{n % 200 // 100}.{n % 100 + 1}", encrypted.question(f"r{n}.other.alpha", number=n & 0xffff)
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
    """Queries one after the other over TCP, which waits for none of them; a new connection when the server has closed the last."""

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
    """The same over HTTPS."""

    def __init__(self, subject, source):
        self.listeners, self.source, self.client = subject.listeners, source, None

    def send(self, wire):
        if not self.client:
            self.client, self.seen = encrypted.Http2(self.listeners.connect(self.listeners.https, "h2", source=self.source)), 0
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
                c.sock.settimeout(1)  # what is to be sent for it
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
    """A client that asks `each` times a second over UDP, TCP and HTTPS, for another name below `zone` each time; the answers it got,
    and how long they took.  A truncated answer is asked for again over TCP."""

    def __init__(self, subject, zone, prefix, each=20):
        self.subject, self.zone, self.prefix, self.each = subject, zone, prefix, each
        self.to_us, self.from_it = PROCESS.Pipe()
        self.process = PROCESS.Process(target=self.run, daemon=True)

    def __enter__(self):
        self.process.start()
        assert self.to_us.poll(60) and self.to_us.recv() == "connected"
        return self

    def __exit__(self, *args):
        self.to_us.send("stop")
        try:
            assert self.to_us.poll(30), "the benign client does not come to an end"
            self.seen = self.to_us.recv()
        finally:
            self.process.terminate()
            self.process.join()

    def run(self):
        ways = {"udp": Datagrams(self.subject, CLIENT), "tcp": Stream(self.subject, CLIENT), "doh": Doh(self.subject, CLIENT)}
        retry = Stream(self.subject, CLIENT)
        asked, took, seen = {}, {}, {way: {"asked": 0, "ms": [], "failed": 0, "truncated": 0, "rcodes": []} for way in ways}

        def send(c, way, n):
            with contextlib.suppress(OSError, ssl.SSLError, h2.exceptions.H2Error):  # what does not leave is not answered
                c.send(encrypted.question(f"b{self.prefix}{way}{n}.{self.zone}", number=n))

        def read(c, way):
            for reply in c.replies():
                n = int.from_bytes(reply[:2], "big")
                if (way, n) not in asked or (way, n) in took:
                    continue
                if reply[2] & 2 and way == "udp":
                    seen[way]["truncated"] += 1
                    send(retry, way, n)
                    continue
                took[way, n] = time.monotonic() - asked[way, n]
                if reply[3] & 15 or reply[7] == 0:
                    seen[way]["failed"] += 1
                    seen[way]["rcodes"].append(reply[3] & 15)
                else:
                    seen[way]["ms"].append(took[way, n] * 1000)

        for way, c in ways.items():  # connected, before anything is counted
            asked[way, 0] = time.monotonic()
            send(c, way, 0)
            while (way, 0) not in took:
                read(c, way)
                time.sleep(0.001)
        seen = {way: {"asked": 0, "ms": [], "failed": 0, "truncated": 0, "rcodes": []} for way in ways}
        self.from_it.send("connected")
        start, n, end = time.monotonic(), 0, None
        while end is None or (len(took) < len(asked) and time.monotonic() < end):
            if end is None and self.from_it.poll():
                end = time.monotonic() + 10
            while end is None and n < (time.monotonic() - start) * self.each:
                n += 1
                for way, c in ways.items():
                    asked[way, n] = time.monotonic()
                    seen[way]["asked"] += 1
                    send(c, way, n)
            for way, c in ways.items():
                read(c, way)
            read(retry, "udp")
            time.sleep(0.001)
        self.from_it.send(seen)

    def asked(self):
        return sum(s["asked"] for s in self.seen.values())


def part(values, of):
    """The value that `of` of them do not exceed."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * of))] if values else float("inf")


def describe(seen):
    return "; ".join(f"{way} {len(s['ms'])}/{s['asked']} p50 {part(s['ms'], .5):.0f} p95 {part(s['ms'], .95):.0f} worst {max(s['ms'], default=0):.0f} ms"
                     + (f", {s['truncated']} TC" if s["truncated"] else "") + (f", {s['failed']} failed" if s["failed"] else "")
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


# {kind: (names, what servers do, arguments of Flood)}; the benign names are below other.alpha
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
