"""The replies of hostile servers: a grammar of kinds, each a malformed or a well-formed but harmful reply.

A kind is a function of a case and a query that returns messages to send, and steps of `malice.World` between them.
Variation within a kind is drawn from the case's seed, so that all resolvers get the same.  GOOD is the true address of
the queried name, OTHER a second one that must not replace it.  FORGED is the address in each record that a resolver
must reject: a client that gets it shows that the cache is poisoned.
"""
import struct

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x400, 0x200, 0x100, 0x80, 0x40, 0x20, 0x10
A, NS, CNAME, SOA, MX, TXT, AAAA, DNAME, OPT, DS, RRSIG, ANY = 1, 2, 5, 6, 15, 16, 28, 39, 41, 43, 46, 255
GOOD, OTHER, FORGED, HONEST = "192.0.2.1", "192.0.2.2", "192.0.2.66", "198.51.100.1"
POINTER = b"\xc0\x0c"  # compression pointer to the QNAME
UDP_MAX, TCP_MAX = 1232, 65535

KINDS = {}


class Kind:
    def __init__(self, name, make, below="", rdtype=A, tcp=False, servers=1):
        self.name, self.make = name, make
        self.below = below      # labels in front of www, for the client's query
        self.rdtype = rdtype
        self.tcp = tcp          # truncate all replies over UDP, so that the kind is played over TCP
        self.servers = servers  # number of servers of the hostile zone


def kind(name, **attributes):
    def add(make):
        KINDS[name] = Kind(name, make, **attributes)
        return make
    return add


# ---- the wire ----

def wire(name):
    """Return a name in wire format; bytes are returned as they are."""
    if isinstance(name, bytes):
        return name
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def ip(text):
    return bytes(int(n) for n in text.split("."))


def rr(owner, rdtype, rdata, ttl=300, cls=1, size=None):
    return wire(owner) + struct.pack("!HHIH", rdtype, cls, ttl, len(rdata) if size is None else size) + rdata


def a(owner, address=GOOD, **kw):
    return rr(owner, A, ip(address), **kw)


def ns(owner, server, **kw):
    return rr(owner, NS, wire(server), **kw)


def cname(owner, target, **kw):
    return rr(owner, CNAME, wire(target), **kw)


def soa(owner, **kw):
    numbers = struct.pack("!5I", 1, 7200, 1800, 86400, 60)
    return rr(owner, SOA, wire("ns.invalid.") + wire("host.invalid.") + numbers, **kw)


def opt(options=b"", size=UDP_MAX, version=0, rcode=0, owner=b"\0", flags=0, length=None):
    length = len(options) if length is None else length
    return owner + struct.pack("!HHBBHH", OPT, size, rcode >> 4, version, flags, length) + options


def option(code, value, length=None):
    return struct.pack("!HH", code, len(value) if length is None else length) + value


def reply(q, answer=(), authority=(), additional=(), flags=AA, rcode=0, question=None, edns=True, ident=None, counts=(),
          opcode=0):
    """Return a reply to the query from the parts given.  counts: {number: value} replaces counts of the header."""
    extra = edns if isinstance(edns, bytes) else opt(rcode=rcode) if edns and q.has_edns else b""
    sections = [list(answer), list(authority), list(additional)]
    if extra:
        sections[2].append(extra)
    asked = q.question if question is None else question
    head = [1 if asked else 0] + [len(s) for s in sections]
    for number, count in dict(counts).items():
        head[number] = count
    flags = flags if flags & QR or flags == 0 else flags | QR
    flags |= opcode << 11 | q.flags & RD | rcode & 15
    head = struct.pack("!6H", q.id if ident is None else ident, flags, *head)
    return head + asked + b"".join(b"".join(s) for s in sections)


def fill(q, make, section="answer", flags=AA):
    """Return a reply with as many records as fit; make(i, at) returns record i, `at` octets into the message."""
    records, at = [], 12 + len(q.question)
    room = TCP_MAX - 11
    for i in range(16000):
        record = make(i, at)
        if at + len(record) > room:
            break
        records.append(record)
        at += len(record)
    return reply(q, flags=flags, **{section: records})


def pointer(at):
    return struct.pack("!H", 0xc000 | at)


def up(q, n):
    """Return a pointer to the QNAME without its first n labels; n counts modulo its number of labels."""
    at = 12
    for _ in range(n % (labels_of(q) or 1)):
        at += 1 + q.question[at - 12]
    return pointer(at)


def labels_of(q):
    return q.name.count(".")


def good(q, c, **kw):
    return [reply(q, *c.truth(q), **kw)]


def chosen(c, *what):
    return c.random().choice(what)


# ---- good replies and silence ----

@kind("control/good")
def _(c, q):
    return good(q, c)


@kind("control/good-tcp", tcp=True)
def _(c, q):
    return good(q, c)


@kind("control/good-deep", below="a.b.c.d.")
def _(c, q):
    return good(q, c)


@kind("silence/all")
def _(c, q):
    return []


@kind("silence/first")
def _(c, q):
    return good(q, c) if q.number else []


@kind("silence/tcp", tcp=True)
def _(c, q):
    return []


@kind("silence/half-a-second")
def _(c, q):
    return [("wait", 0.5)] + good(q, c)


# ---- the header ----

@kind("header/qr-0")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], flags=0)]


@kind("header/wrong-id")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], ident=q.id ^ chosen(c, 1, 0x8000, 0xffff))]


@kind("header/opcode")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], opcode=chosen(c, 1, 2, 4, 5, 6, 15))]


@kind("header/no-aa")
def _(c, q):
    return good(q, c, flags=QR)


@kind("header/no-aa-but-ra")
def _(c, q):
    return good(q, c, flags=QR | RA)


@kind("header/z-ad-cd")
def _(c, q):
    return good(q, c, flags=AA | chosen(c, Z, AD, CD, Z | AD | CD))


@kind("header/tc-for-ever")
def _(c, q):
    return [reply(q, flags=AA | TC)]


@kind("header/tc-with-data", tcp=False)
def _(c, q):
    return good(q, c) if q.tcp else [reply(q, [a(POINTER, OTHER)], flags=AA | TC)]


@kind("header/tc-with-rcode")
def _(c, q):
    return good(q, c) if q.tcp else [reply(q, flags=AA | TC, rcode=chosen(c, 2, 3, 5))]


@kind("header/short")
def _(c, q):
    return [reply(q)[:chosen(c, 0, 1, 2, 5, 11)]]


@kind("header/cut")
def _(c, q):
    return [reply(q, [a(POINTER)], edns=False)[:-chosen(c, 1, 2, 3, 4, 5, 12)]]


@kind("header/trailing")
def _(c, q):
    return [reply(q, *c.truth(q)) + bytes(chosen(c, 1, 2, 12, 100))]


@kind("header/larger-than-asked")
def _(c, q):
    more = [rr(POINTER, TXT, b"\xc8" + b"x" * 200) for _ in range(30)]
    return good(q, c) if q.tcp else [reply(q, [a(POINTER)] + more)]


def add_rcode(n):
    kind(f"rcode/{n:02}")(lambda c, q: [reply(q, rcode=n)])


for number in range(1, 24):
    add_rcode(number)


def add_rcode_with_data(n, name):
    kind(f"rcode/{name}-with-data")(lambda c, q: [reply(q, [a(POINTER)], rcode=n)])


for number, text in ((1, "formerr"), (2, "servfail"), (3, "nxdomain"), (4, "notimp"), (5, "refused"), (6, "yxdomain")):
    add_rcode_with_data(number, text)


@kind("rcode/servfail-once")
def _(c, q):
    return good(q, c) if q.number else [reply(q, rcode=2)]


@kind("rcode/formerr-for-edns")
def _(c, q):
    return [reply(q, rcode=1, edns=False)] if q.has_edns else good(q, c)


@kind("rcode/formerr-bare-header")
def _(c, q):
    return [reply(q, rcode=chosen(c, 1, 4), question=b"", edns=False)]


# ---- the question ----

@kind("question/none")
def _(c, q):
    return [reply(q, [a(q.qname, FORGED)], question=b"")]


@kind("question/two")
def _(c, q):
    return [reply(q, [a(POINTER)], question=q.question * 2, counts={0: 2})]


@kind("question/count-only")
def _(c, q):
    return [reply(q, [a(POINTER)], counts={0: chosen(c, 0, 2, 65535)})]


@kind("question/other-name")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], question=wire("other." + c.zone) + q.question[-4:])]


@kind("question/one-label-more")
def _(c, q):
    return [reply(q, [a(q.qname, FORGED)], question=b"\1x" + q.question)]


@kind("question/lower-case")
def _(c, q):
    return [reply(q, [a(POINTER)], question=q.question[:-4].lower() + q.question[-4:])]


@kind("question/other-case")
def _(c, q):
    return [reply(q, [a(POINTER)], question=q.question[:-4].swapcase() + q.question[-4:])]


@kind("question/other-type")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], question=q.question[:-4] + struct.pack("!HH", chosen(c, AAAA, TXT, ANY), 1))]


@kind("question/other-class")
def _(c, q):
    other = struct.pack("!HH", q.rdtype, chosen(c, 3, 4, 254, 255))
    return [reply(q, [a(POINTER, FORGED)], question=q.question[:-4] + other)]


@kind("question/compressed")
def _(c, q):
    return [reply(q, [a(q.qname)], question=pointer(12) + q.question[-4:])]


# ---- wrong counts ----

def add_count(section, name):
    @kind(f"counts/{name}-more")
    def _(c, q):
        return [reply(q, [a(POINTER)], counts={section: chosen(c, 3, 100, 65535)})]


for number, text in ((1, "answer"), (2, "authority"), (3, "additional")):
    add_count(number, text)


@kind("counts/answer-less")
def _(c, q):
    return [reply(q, [a(POINTER, OTHER)], edns=False, counts={1: 0})]


@kind("counts/all-65535")
def _(c, q):
    return [reply(q, [a(POINTER)], counts={1: 65535, 2: 65535, 3: 65535})]


# ---- names ----

def at_end(q):
    return 12 + len(q.question)


@kind("names/pointer-to-itself")
def _(c, q):
    return [reply(q, [a(pointer(at_end(q)))])]


@kind("names/pointer-loop")
def _(c, q):
    return [reply(q, [a(b"\1x" + pointer(at_end(q)))])]


@kind("names/pointer-forward")
def _(c, q):
    return [reply(q, [a(pointer(at_end(q) + 16)), a(POINTER)])]


@kind("names/pointer-into-header")
def _(c, q):
    return [reply(q, [a(pointer(chosen(c, 0, 2, 5, 11)))])]


@kind("names/pointer-into-rdata")
def _(c, q):
    text = b"\4data" + c.wire_zone
    return [reply(q, [rr(POINTER, TXT, bytes([len(text)]) + text), a(pointer(at_end(q) + 13)), a(POINTER)])]


@kind("names/pointer-beyond-end")
def _(c, q):
    return [reply(q, [a(pointer(chosen(c, 0x3fff, 0x1000, 600)))])]


@kind("names/pointer-chain", tcp=True)
def _(c, q):
    """Each owner is a pointer to the owner of the record before it."""
    return [reply(q, [a(POINTER)] + [a(pointer(at_end(q) + 16 * i), f"10.0.{i >> 8}.{i & 255}") for i in range(300)])]


@kind("names/too-long")
def _(c, q):
    return [reply(q, [a(POINTER), a((b"\x3f" + b"x" * 63) * 4 + b"\0")])]


@kind("names/too-long-by-pointer")
def _(c, q):
    return [reply(q, [a(POINTER), a((b"\x3f" + b"x" * 63) * 3 + b"\x38" + b"y" * 56 + POINTER)])]


@kind("names/label-type")
def _(c, q):
    return [reply(q, [a(POINTER), a(bytes([chosen(c, 0x40, 0x41, 0x80, 0xbf)]) + b"x" * 70 + b"\0")])]


@kind("names/label-type-as-owner")
def _(c, q):
    return [reply(q, [a(bytes([chosen(c, 0x40, 0x41, 0x80, 0xbf)]) + b"x" * 70 + b"\0", FORGED)])]


@kind("names/120-labels", below="x." * 115)
def _(c, q):
    return good(q, c)


@kind("names/odd-octets")
def _(c, q):
    odd = b"\5\0.\\\"\xff\1 " + c.wire_zone
    return [reply(q, [cname(POINTER, odd), a(odd)])] if q.name.startswith("www") else good(q, c)


@kind("names/root-as-owner")
def _(c, q):
    return [reply(q, [a(".", FORGED)])]


# ---- RDATA ----

def add_rdata(name, rdtype, rdata, size=None, asked=A):
    @kind(f"rdata/{name}", rdtype=asked)
    def _(c, q):
        return [reply(q, [rr(POINTER, rdtype, rdata, size=size)])]


add_rdata("a-short", A, b"\xc0\0\2")
add_rdata("a-long", A, b"\xc0\0\2\1\1")
add_rdata("a-none", A, b"")
add_rdata("length-short", A, b"\xc0\0\2\1", size=2)
add_rdata("length-beyond-end", A, b"\xc0\0\2\1", size=600)
add_rdata("cname-none", CNAME, b"")
add_rdata("cname-cut", CNAME, b"\5abc")
add_rdata("cname-with-more", CNAME, b"\xc0\x0c\0\0")
add_rdata("mx-cut", MX, b"\0", asked=MX)
add_rdata("mx-pointer-to-itself", MX, b"\0\1" + pointer(12 + 30), asked=MX)
add_rdata("txt-length", TXT, b"\xffabc", asked=TXT)
add_rdata("txt-none", TXT, b"", asked=TXT)
add_rdata("soa-cut", SOA, b"\0\0\0\0", asked=SOA)
add_rdata("ns-none", NS, b"", asked=NS)


@kind("rdata/one-of-two")
def _(c, q):
    return [reply(q, [a(POINTER), rr(POINTER, A, b"\1\2\3")])]


@kind("rdata/broken-aside")
def _(c, q):
    return [reply(q, [a(POINTER)], [ns(c.zone, b"\5abc")], [rr("ns." + c.zone, A, b"\1\2\3")])]


@kind("rdata/broken-glue")
def _(c, q):
    if q.server:
        return good(q, c)
    server = "ns9." + c.zone
    return [reply(q, [], [ns(POINTER, server)], [rr(server, A, b"\1\2\3"), a(server, c.address(1))], flags=QR)]


@kind("rdata/odd-type", rdtype=65280)
def _(c, q):
    return [reply(q, [rr(POINTER, 65280, bytes(range(chosen(c, 0, 1, 200))))])]


# ---- EDNS ----

def add_edns(name, *choices):
    @kind(f"edns/{name}")
    def _(c, q):
        return good(q, c, edns=chosen(c, *choices))


add_edns("none", False)
add_edns("two", opt() + opt())
add_edns("owner", opt(owner=b"\1x\0"), opt(owner=POINTER))
add_edns("size-0", opt(size=0), opt(size=1), opt(size=511))
add_edns("unknown-options", b"" + opt(b"".join(option(65001 + i % 500, b"x") for i in range(150))))
add_edns("option-overrun", opt(option(10, b"12345678", length=100)), opt(b"\0\x0a\0"),
         opt(option(65001, b"", length=1)))
add_edns("length-beyond-end", opt(length=100))
add_edns("flags", opt(flags=0x8000), opt(flags=0xffff))


@kind("edns/two-counted")
def _(c, q):
    return good(q, c, edns=opt() + opt(), counts={3: 2})


@kind("edns/in-answer")
def _(c, q):
    return [reply(q, [opt(), a(POINTER)], edns=False)]


@kind("edns/version-1")
def _(c, q):
    return good(q, c, edns=opt(version=1))


@kind("edns/badvers")
def _(c, q):
    return [reply(q, edns=opt(version=0, rcode=16))] if q.has_edns else good(q, c)


@kind("edns/wrong-cookie")
def _(c, q):
    return good(q, c, edns=opt(option(10, b"\0" * 8 + b"server__")))


@kind("edns/wrong-cookie-forged")
def _(c, q):
    if q.tcp or not q.cookie:
        return good(q, c)
    return [reply(q, [a(POINTER, FORGED)], edns=opt(option(10, b"\0" * 8 + b"server__")))]


@kind("edns/short-cookie")
def _(c, q):
    return good(q, c, edns=opt(option(10, b"abc")))


@kind("edns/badcookie-for-ever")
def _(c, q):
    return [reply(q, rcode=23, edns=opt(option(10, q.cookie[:8] + b"new_cook"), rcode=23))]


@kind("edns/badcookie-over-udp")
def _(c, q):
    if q.tcp or not q.cookie:
        return good(q, c)
    return [reply(q, rcode=23, edns=opt(option(10, q.cookie[:8] + b"new_cook"), rcode=23))]


# ---- sections that cost much work ----

DEEP = "x." * 110


def add_shape(name, section="answer", below=DEEP):
    def add(make):
        @kind(f"sections/{name}", tcp=True, below=below)
        def _(c, q):
            return [fill(q, lambda i, at: make(q, c, i, at), section)]
        return make
    return add


@add_shape("alternating-soa", "authority")
def _(q, c, i, at):
    return rr(up(q, i % 110), SOA, b"")


@add_shape("alternating-ns", "authority")
def _(q, c, i, at):
    return ns(up(q, i % 110), b"\1" + bytes([97 + i % 26]) + up(q, 2))


@add_shape("glue", "additional")
def _(q, c, i, at):
    return a(b"\1" + bytes([97 + i % 26]) + up(q, 2), OTHER)


@add_shape("ladder")
def _(q, c, i, at):
    below = at - 18 if i % 50 and at < 0x4000 else None
    return a(b"\1" + bytes([i // 50 % 64]) + (pointer(below) if below else up(q, 60)), OTHER)


@add_shape("addresses", below="")
def _(q, c, i, at):
    return a(POINTER, f"10.0.{i >> 8}.{i & 255}")


@add_shape("owners")
def _(q, c, i, at):
    return a(struct.pack("!BI", 4, i) + up(q, 1), OTHER)


@add_shape("types")
def _(q, c, i, at):
    return rr(".", 1000 + i, b"")


@add_shape("cnames")
def _(q, c, i, at):
    return cname(up(q, i % 100), up(q, (i + 1) % 100))


@add_shape("dnames")
def _(q, c, i, at):
    return rr(up(q, 109 - i % 108), DNAME, up(q, 3))


@add_shape("signatures", below="")
def _(q, c, i, at):
    if i == 0:
        return a(POINTER)
    return rr(POINTER, RRSIG, struct.pack("!HBBIIIH", A, 8, 2, 0, 0, 0, i) + POINTER + b"four")


# ---- referrals ----

def referral(q, zone, servers, glue=(), **kw):
    kw.setdefault("flags", QR)
    return [reply(q, [], [ns(zone, s) for s in servers], glue, **kw)]


def many(q, c, servers, glue=None):
    """Delegate the QNAME to hundreds of servers, as many as fit."""
    most = 60 if not q.tcp else len(servers)
    if not q.tcp and len(servers) > most and chosen(c, True, False):
        return [reply(q, flags=TC)]
    if glue:
        return referral(q, POINTER, servers[:most // 2], [glue(i) for i in range(most // 2)])
    return referral(q, POINTER, servers[:most])


@kind("nxns/names-that-are-not")
def _(c, q):
    return many(q, c, [f"n{i}.{c.absent}" for i in range(400)])


@kind("nxns/silent-addresses-of-others")
def _(c, q):
    return many(q, c, [f"m{i}.{c.absent}" for i in range(100)])


@kind("nxns/silent-glue")
def _(c, q):
    return many(q, c, [f"m{i}.{c.zone}" for i in range(100)], lambda i: a(f"m{i}.{c.zone}", c.silent(i)))


@kind("nxns/one-server-100-addresses")
def _(c, q):
    addresses = [c.silent(i) for i in range(40 if not q.tcp else 100)]
    return referral(q, POINTER, ["m." + c.zone], [a("m." + c.zone, address) for address in addresses])


@kind("nxns/own-names-without-glue")
def _(c, q):
    """The names of the servers are below the zone that they serve, and none has an address."""
    return many(q, c, [f"n{i}.sub.{c.zone}" for i in range(400)])


@kind("nxns/two-levels")
def _(c, q):
    """Each server's name is in a zone that has many servers without addresses, too."""
    depth = q.name.count("nest")
    return many(q, c, [f"n{i}.nest{depth}-{i}.{c.zone}" for i in range(20)]) if depth < 3 else many(
        q, c, [f"n{i}.{c.absent}" for i in range(20)])


@kind("referral/to-root")
def _(c, q):
    return referral(q, ".", ["ns.root-servers.invalid."], [a("ns.root-servers.invalid.", c.thief)])


@kind("referral/to-parent")
def _(c, q):
    return referral(q, "evil.", ["ns.evil."], [a("ns.evil.", c.thief)])


@kind("referral/sideways")
def _(c, q):
    return referral(q, "good.", ["ns.good."], [a("ns.good.", c.thief)])


@kind("referral/to-itself")
def _(c, q):
    return referral(q, c.zone, ["ns." + c.zone], [a("ns." + c.zone, c.address(0))])


@kind("referral/to-itself-authoritative")
def _(c, q):
    return referral(q, c.zone, ["ns." + c.zone], [a("ns." + c.zone, c.address(0))], flags=AA)


@kind("referral/child-refers-back")
def _(c, q):
    if q.server:
        return referral(q, c.zone, ["ns." + c.zone], [a("ns." + c.zone, c.address(0))])
    return referral(q, POINTER, ["ns9." + c.zone], [a("ns9." + c.zone, c.address(1))])


@kind("referral/child-good")
def _(c, q):
    return good(q, c) if q.server else referral(q, POINTER, ["ns9." + c.zone], [a("ns9." + c.zone, c.address(1))])


@kind("referral/child-refused")
def _(c, q):
    if q.server:
        return [reply(q, rcode=5)]
    return referral(q, POINTER, ["ns9." + c.zone], [a("ns9." + c.zone, c.address(1))])


@kind("referral/child-silent")
def _(c, q):
    return referral(q, POINTER, ["ns9." + c.zone], [a("ns9." + c.zone, c.silent(1))])


@kind("referral/same-zone-for-ever", below="a.b.")
def _(c, q):
    server = f"n{q.number}.{c.zone}"
    return referral(q, "www." + c.zone, [server], [a(server, c.address(1 + q.number % 15))])


@kind("referral/endless", below="x." * 100)
def _(c, q):
    """Each server delegates a zone one label deeper."""
    depth = min(labels_of(q), c.zone.count(".") + 1 + q.server)
    if depth >= labels_of(q) and q.server:
        return good(q, c)
    zone = ".".join(q.name.split(".")[-depth - 1:])
    return referral(q, zone, ["ns." + zone], [a("ns." + zone, c.address(min(q.server + 1, 19)))])


@kind("referral/names-in-a-loop")
def _(c, q):
    one, two = "one." + c.zone, "two." + c.zone
    if q.name.endswith(one):
        return referral(q, one, ["ns." + two])
    if q.name.endswith(two):
        return referral(q, two, ["ns." + one])
    return referral(q, POINTER, ["ns." + one, "ns." + two])


@kind("referral/server-is-a-cname")
def _(c, q):
    if q.name.startswith("cname."):
        return [reply(q, [cname(POINTER, "ns." + c.zone)])]
    if q.number > 5:
        return good(q, c)
    return referral(q, POINTER, ["cname." + c.zone])


@kind("referral/server-is-the-root")
def _(c, q):
    return referral(q, POINTER, ["."])


@kind("referral/server-is-the-zone")
def _(c, q):
    return good(q, c) if q.server else referral(q, POINTER, [POINTER], [a(POINTER, c.address(1))])


@kind("referral/odd-addresses")
def _(c, q):
    odd = ["0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1"]
    return referral(q, POINTER, ["ns9." + c.zone], [a("ns9." + c.zone, address) for address in odd])


@kind("referral/ns-in-answer")
def _(c, q):
    return [reply(q, [ns(POINTER, "ns9." + c.zone)], [], [a("ns9." + c.zone, c.address(1))])]


@kind("referral/glue-for-foreign-names")
def _(c, q):
    """The servers are the victim's names, with addresses of the attacker."""
    names = ["www." + c.victim, "ns.good."]
    return good(q, c) if q.server else referral(q, POINTER, names, [a(n, c.thief) for n in names])


@kind("lame/one-of-two", servers=2)
def _(c, q):
    return good(q, c) if q.server else [reply(q, rcode=5)]


@kind("lame/silent-one-of-two", servers=2)
def _(c, q):
    return good(q, c) if q.server else []


@kind("lame/broken-one-of-two", servers=2)
def _(c, q):
    return good(q, c) if q.server else [reply(q, [a(pointer(0x3fff), FORGED)])]


# ---- CNAME and DNAME ----

def link(c, i):
    return f"c{i}.{c.zone}"


def number_of(q):
    label = q.name.split(".")[0]
    return int(label[1:]) if label[:1] == "c" and label[1:].isdigit() else 0


def chain(c, q, length, last):
    first = number_of(q)
    records = [cname(POINTER if i == first else link(c, i), link(c, i + 1)) for i in range(first, first + length)]
    return [reply(q, records + ([a(link(c, first + length))] if last else []))]


@kind("cname/8-links")
def _(c, q):
    return chain(c, q, 8, True) if q.name.startswith("www") else good(q, c)


@kind("cname/25-links", tcp=True)
def _(c, q):
    return chain(c, q, 25, True) if q.name.startswith("www") else good(q, c)


@kind("cname/endless")
def _(c, q):
    return chain(c, q, 1, False)


@kind("cname/endless-eight-at-a-time")
def _(c, q):
    return chain(c, q, 8, False)


@kind("cname/endless-across-names")
def _(c, q):
    """Each target is one label deeper than the QNAME."""
    return [reply(q, [cname(POINTER, b"\1y" + (q.qname if len(q.qname) < 240 else c.wire_zone))])]


@kind("cname/links-behind-lame-servers")
def _(c, q):
    """Each link is in its own zone, whose twelve servers are lame for the first eleven queries."""
    label = q.name[:-len(c.zone) - 1].split(".")[-1]
    if label == "www":
        return [reply(q, [cname(POINTER, f"c.z1.{c.zone}")])]
    zone, links = f"{label}.{c.zone}", int(label[1:]) if label[1:].isdigit() else 0
    if q.server:
        c.refused[zone] += 1
        return [reply(q, rcode=5) if c.refused[zone] < 12 else reply(q, [cname(POINTER, f"c.z{links + 1}.{c.zone}")])]
    return referral(q, zone, [f"n{i}.{zone}" for i in range(1, 13)],
                    [a(f"n{i}.{zone}", c.address(i)) for i in range(1, 13)])


@kind("cname/itself")
def _(c, q):
    return [reply(q, [cname(POINTER, POINTER)])]


@kind("cname/loop-of-two")
def _(c, q):
    return [reply(q, [cname(POINTER, link(c, 1 - number_of(q)))])]


@kind("cname/loop-in-one-reply")
def _(c, q):
    return [reply(q, [cname(POINTER, link(c, 1)), cname(link(c, 1), link(c, 2)), cname(link(c, 2), link(c, 1))])]


@kind("cname/with-address")
def _(c, q):
    return [reply(q, [cname(POINTER, "target." + c.zone), a(POINTER)])] if q.name.startswith("www") else good(q, c)


@kind("cname/two")
def _(c, q):
    if not q.name.startswith("www"):
        return good(q, c)
    return [reply(q, [cname(POINTER, "target." + c.zone), cname(POINTER, "other." + c.zone), a("target." + c.zone)])]


@kind("cname/out-of-order")
def _(c, q):
    if not q.name.startswith("www"):
        return good(q, c)
    return [reply(q, [a(link(c, 3)), cname(link(c, 2), link(c, 3)), cname(link(c, 1), link(c, 2)),
                      cname(POINTER, link(c, 1))])]


@kind("cname/wrong-owner")
def _(c, q):
    return [reply(q, [cname("other." + c.zone, "target." + c.zone), a("target." + c.zone, OTHER)])]


@kind("cname/to-victim-with-its-address")
def _(c, q):
    return [reply(q, [cname(POINTER, "www." + c.victim), a("www." + c.victim, FORGED)])]


@kind("cname/to-victim")
def _(c, q):
    return [reply(q, [cname(POINTER, "www." + c.victim)])]


@kind("cname/to-victim-denied")
def _(c, q):
    return [reply(q, [cname(POINTER, "www." + c.victim)], [soa("good.")], rcode=3)]


@kind("cname/to-root")
def _(c, q):
    return [reply(q, [cname(POINTER, ".")])]


@kind("cname/nxdomain-at-its-end")
def _(c, q):
    return [reply(q, [cname(POINTER, link(c, 1))], [soa(c.zone)], rcode=3)]


@kind("dname/good", below="a.b.")
def _(c, q):
    """The DNAME comes without the CNAME that RFC 6672 3.1 requires."""
    if "target" in q.name or "www" not in q.name or q.name.startswith("www"):
        return good(q, c)
    return [reply(q, [rr("www." + c.zone, DNAME, wire("target." + c.zone))])]


def dname(c, q, target, *more):
    if not q.name.endswith(".www." + c.zone):
        return good(q, c)
    return [reply(q, [rr("www." + c.zone, DNAME, wire(target)), *more])]


@kind("dname/with-cname", below="a.b.")
def _(c, q):
    head = q.name[:-len("www." + c.zone)]
    return dname(c, q, "target." + c.zone, cname(POINTER, head + "target." + c.zone))


@kind("dname/wrong-cname", below="a.b.")
def _(c, q):
    return dname(c, q, "target." + c.zone, cname(POINTER, "www." + c.victim), a("www." + c.victim, FORGED))


@kind("dname/too-long", below="a" * 60 + ".b.")
def _(c, q):
    return dname(c, q, f"{'x' * 60}.{'y' * 60}.{'z' * 60}.{c.zone}")


@kind("dname/loop", below="a.b.")
def _(c, q):
    return dname(c, q, "www." + c.zone)


@kind("dname/growing", below="a.b.")
def _(c, q):
    return dname(c, q, "x.www." + c.zone)


def stolen(c, q):
    """Return a reply for a name below the target of a foreign zone's DNAME, FORGED for a victim's name; else None."""
    if "thief" not in q.name:
        return None
    return [reply(q, [a(POINTER, FORGED if c.victim[:6] in q.name or c.sibling[:6] in q.name else OTHER)])]


@kind("dname/of-the-root", below="a.b.")
def _(c, q):
    records = [rr(".", DNAME, wire("thief." + c.zone)), cname(POINTER, q.name + "thief." + c.zone)]
    return stolen(c, q) or [reply(q, records)]


@kind("dname/of-the-parent", below="a.b.")
def _(c, q):
    records = [rr("evil.", DNAME, wire("thief." + c.zone)), cname(POINTER, "x.thief." + c.zone)]
    return stolen(c, q) or [reply(q, records)]


# ---- negative answers ----

@kind("negative/nodata")
def _(c, q):
    return [reply(q, [], [soa(c.zone)])]


@kind("negative/nxdomain")
def _(c, q):
    return [reply(q, [], [soa(c.zone)], rcode=3)]


@kind("negative/nodata-without-soa")
def _(c, q):
    return [reply(q)]


@kind("negative/nodata-without-soa-and-aa")
def _(c, q):
    return [reply(q, flags=QR)]


@kind("negative/nxdomain-without-soa")
def _(c, q):
    return [reply(q, rcode=3)]


@kind("negative/foreign-soa")
def _(c, q):
    return [reply(q, [], [soa("good.")], rcode=chosen(c, 0, 3))]


@kind("negative/soa-of-root")
def _(c, q):
    return [reply(q, [], [soa(".")], rcode=chosen(c, 0, 3))]


@kind("negative/soa-below")
def _(c, q):
    return [reply(q, [], [soa("sub." + c.zone)])]


@kind("negative/two-soa")
def _(c, q):
    return [reply(q, [], [soa("good."), soa(c.zone)])]


@kind("negative/two-soa-of-one-name")
def _(c, q):
    return [reply(q, [], [soa(c.zone), rr(c.zone, SOA, wire("other.invalid.") * 2 + bytes(20))])]


@kind("negative/soa-in-answer")
def _(c, q):
    return [reply(q, [soa(c.zone)])]


@kind("negative/soa-broken")
def _(c, q):
    return [reply(q, [], [rr(c.zone, SOA, b"\0\0\0")])]


@kind("negative/soa-and-referral")
def _(c, q):
    if q.server:
        return good(q, c)
    return [reply(q, [], [soa(c.zone), ns("www." + c.zone, "ns9." + c.zone)], [a("ns9." + c.zone, c.address(1))])]


@kind("negative/nxdomain-and-answer")
def _(c, q):
    return [reply(q, [a(POINTER)], [soa(c.zone)], rcode=3)]


@kind("negative/nxdomain-for-shorter-names", below="a.b.c.")
def _(c, q):
    return good(q, c) if q.name.startswith("a.") else [reply(q, [], [soa(c.zone)], rcode=3)]


@kind("negative/other-type-in-answer")
def _(c, q):
    return [reply(q, [rr(POINTER, TXT, b"\1x")])]


@kind("negative/other-owner-in-answer")
def _(c, q):
    return [reply(q, [a("other." + c.zone, OTHER)])]


# ---- TTLs, types, classes ----

def add_ttl(name, *ttls):
    @kind(f"ttl/{name}")
    def _(c, q):
        return [reply(q, [a(POINTER, f"192.0.2.{1 + 100 * i}", ttl=ttl) for i, ttl in enumerate(ttls)])]


add_ttl("0", 0)
add_ttl("2-31", 1 << 31)
add_ttl("2-32", (1 << 32) - 1)
add_ttl("mixed", 5, 3600, 0)


@kind("any/all-types")
def _(c, q):
    return [reply(q, [rr(POINTER, TXT, b"\1x"), a(POINTER), rr(POINTER, MX, b"\0\1" + POINTER),
                      rr(POINTER, AAAA, bytes(16)), soa(c.zone)])]


@kind("any/asked", rdtype=ANY)
def _(c, q):
    return [reply(q, [rr(POINTER, TXT, b"\1x"), a(POINTER), rr(POINTER, MX, b"\0\1" + POINTER)])]


@kind("rrsig/garbage")
def _(c, q):
    rdata = struct.pack("!HBBIIIH", A, 255, 99, 0, 5, 9, 7) + POINTER + b"junk"
    return [reply(q, [a(POINTER), rr(POINTER, RRSIG, rdata)])]


@kind("rrsig/cut")
def _(c, q):
    return [reply(q, [a(POINTER), rr(POINTER, RRSIG, bytes(chosen(c, 0, 1, 10, 18)))])]


@kind("rrsig/only")
def _(c, q):
    return [reply(q, [rr(POINTER, RRSIG, struct.pack("!HBBIIIH", A, 8, 2, 0, 5, 9, 7) + POINTER + b"junk")])]


@kind("class/records-of-another")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED, cls=chosen(c, 3, 4, 254, 255, 0))])]


@kind("class/one-of-two")
def _(c, q):
    return [reply(q, [a(POINTER), a(POINTER, FORGED, cls=3)])]


# ---- TCP ----

@kind("tcp/refused-at-once", tcp=True)
def _(c, q):
    return [("close",)]


@kind("tcp/closed-in-the-middle", tcp=True)
def _(c, q):
    data = good(q, c)[0]
    return [("raw", struct.pack("!H", len(data)) + data[:len(data) // 2]), ("close",)]


@kind("tcp/length-more", tcp=True)
def _(c, q):
    data = good(q, c)[0]
    return [("raw", struct.pack("!H", len(data) + chosen(c, 1, 100, 60000)) + data)]


@kind("tcp/length-less", tcp=True)
def _(c, q):
    data = good(q, c)[0]
    return [("raw", struct.pack("!H", len(data) - chosen(c, 1, 5, 20)) + data)]


@kind("tcp/length-0", tcp=True)
def _(c, q):
    return [("raw", b"\0\0" * chosen(c, 1, 100)), *good(q, c)]


@kind("tcp/octet-by-octet", tcp=True)
def _(c, q):
    data = good(q, c)[0]
    frame = struct.pack("!H", len(data)) + data
    return [step for octet in frame for step in (("raw", bytes([octet])), ("wait", 0.003))]


@kind("tcp/one-octet-a-second", tcp=True)
def _(c, q):
    data = good(q, c)[0]
    frame = struct.pack("!H", len(data)) + data[:20]
    return [step for octet in frame for step in (("raw", bytes([octet])), ("wait", 1))]


@kind("tcp/wrong-id", tcp=True)
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], ident=q.id ^ 1)]


@kind("tcp/wrong-id-then-right", tcp=True)
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], ident=q.id ^ 1)] + good(q, c)


@kind("tcp/other-question", tcp=True)
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], question=wire("other." + c.zone) + q.question[-4:])]


@kind("tcp/endless", tcp=True)
def _(c, q):
    """Messages that match no query, 4 MB of them."""
    data = reply(q, [a(POINTER, FORGED)], ident=q.id ^ 1)
    return [("raw", (struct.pack("!H", len(data)) + data) * (4000000 // len(data)))]


@kind("tcp/endless-octets", tcp=True)
def _(c, q):
    return [("raw", b"\xff" * 4000000)]


@kind("tcp/two-replies", tcp=True)
def _(c, q):
    return good(q, c) + [reply(q, [a(POINTER, FORGED)])]


@kind("tcp/half-closed", tcp=True)
def _(c, q):
    return good(q, c) + [("close",)]


# ---- several replies to one query ----

@kind("several/wrong-then-right")
def _(c, q):
    if q.tcp:
        return good(q, c)
    return [reply(q, [a(POINTER, FORGED)], ident=q.id ^ 1 + i) for i in range(chosen(c, 1, 10))] + good(q, c)


@kind("several/wrong-question-then-right")
def _(c, q):
    return [reply(q, [a(POINTER, FORGED)], question=wire("other." + c.zone) + q.question[-4:])] + good(q, c)


@kind("several/200-forged-then-right")
def _(c, q):
    """An off-path attacker guesses IDs."""
    if q.tcp:
        return good(q, c)
    return [reply(q, [a(POINTER, FORGED)], ident=(q.id + 1 + i) & 0xffff) for i in range(200)] + good(q, c)


@kind("several/broken-then-right")
def _(c, q):
    return [reply(q, [a(pointer(0x3fff), FORGED)])] + good(q, c)


@kind("several/right-then-forged")
def _(c, q):
    return good(q, c) + [reply(q, [a(POINTER, FORGED)])] * 3


@kind("several/the-same-twice")
def _(c, q):
    return good(q, c) * 2


@kind("several/from-another-address")
def _(c, q):
    return [("from", c.address(5), 53, reply(q, [a(POINTER, FORGED)]))] + good(q, c)


@kind("several/from-another-port")
def _(c, q):
    return [("from", None, 0, reply(q, [a(POINTER, FORGED)]))] + good(q, c)


# ---- records of other zones ----

def add_poison(name, make, section="additional"):
    @kind(f"poison/{name}")
    def _(c, q):
        answer, authority, additional = (list(s) for s in c.truth(q))
        {"answer": answer, "authority": authority, "additional": additional}[section].extend(make(c))
        return [reply(q, answer, authority, additional)]


add_poison("address-in-additional", lambda c: [a("www." + c.victim, FORGED)])
add_poison("address-in-authority", lambda c: [a("www." + c.victim, FORGED)], "authority")
add_poison("address-in-answer", lambda c: [a("www." + c.victim, FORGED)], "answer")
add_poison("sibling-in-additional", lambda c: [a("www." + c.sibling, FORGED), ns(c.sibling, "ns." + c.zone)])
add_poison("sibling-in-authority", lambda c: [ns(c.sibling, "ns." + c.zone), ns("evil.", "ns." + c.zone)], "authority")
add_poison("servers-of-good", lambda c: [ns("good.", "thief." + c.zone), ns(c.victim, "thief." + c.zone),
                                         a("thief." + c.zone, c.thief)], "authority")
add_poison("servers-of-the-root", lambda c: [ns(".", "thief." + c.zone), a("thief." + c.zone, c.thief)], "authority")
add_poison("address-of-a-server", lambda c: [a(server, c.thief) for server in (
    "ns.good.", "ns.evil.", "ns.root-servers.invalid.")])
add_poison("dname-in-authority", lambda c: [rr("good.", DNAME, wire("thief." + c.zone))], "authority")
add_poison("cname-in-answer", lambda c: [cname("www." + c.victim, "thief." + c.zone), a("thief." + c.zone, FORGED)],
           "answer")
add_poison("soa-of-the-victim", lambda c: [soa("good."), soa(c.victim)], "authority")


@kind("poison/referral-with-victims-glue")
def _(c, q):
    names = ["www." + c.victim, "ns.good."]
    return good(q, c) if q.server else referral(q, POINTER, ["ns9." + c.zone] + names,
                                               [a("ns9." + c.zone, c.address(1))] + [a(n, c.thief) for n in names])


# ---- mixtures ----

@kind("mix/octets")
def _(c, q):
    """A good reply of several records with a few octets after the ID changed."""
    r = c.random(q.number)
    data = bytearray(reply(q, [cname(POINTER, link(c, 1)), a(link(c, 1))] if q.name.startswith("www") else [a(POINTER)],
                           [ns(c.zone, "ns." + c.zone)], [a("ns." + c.zone, c.address(0))]))
    for _ in range(r.choice((1, 1, 2, 4, 8))):
        data[r.randrange(2, len(data))] = r.choice((0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff, r.randrange(256)))
    return [bytes(data)]


@kind("mix/cut-or-doubled")
def _(c, q):
    r = c.random(q.number)
    data = reply(q, [a(POINTER)], [ns(c.zone, "ns." + c.zone)], [a("ns." + c.zone, c.address(0))])
    begin, end = sorted((r.randrange(12, len(data)), r.randrange(12, len(data))))
    return [r.choice((data[:begin], data[:end] + data[begin:], data[:begin] + data[end:]))]


@kind("mix/each-query-another-kind", below="a.")
def _(c, q):
    r = c.random(q.number)
    other = KINDS[r.choice(sorted(name for name in KINDS if not name.startswith(("mix/", "tcp/endless"))))]
    return [reply(q, flags=AA | TC)] if other.tcp and not q.tcp else other.make(c, q)
