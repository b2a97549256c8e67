"""Servers whose signed answers cost a validator as much as they can, and the measure of what they cost.

Below the signed root are good., honest, and evil., whose delegations lead to the zones of the attacks.  Each query of
an attacker's client is for a new name, mostly in a new zone, so that no failure that is cached answers it.  The
resolver's counters say how many signatures it verified and how many NSEC3 hashes it made.  For tools/soak and
test_costly.py.
"""
import base64
import hashlib
import json
import random
import re
import struct
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

import floods
import internet
import lab
import malice
import signing
from malice_grammar import A, AA, DS, NS, POINTER, QR, RRSIG, SOA, TC, UDP_MAX, a, ns, reply, rr, soa, wire

GOOD, EVIL = "127.90.0.2", "127.90.66.1"
CHILDREN = ["127.90.66.11", "127.90.66.12", "127.90.66.13"]
DNSKEY, NSEC, NSEC3, CNAME, NXDOMAIN = 48, 47, 50, 5, 3
RSA, P256, P384 = 8, 13, 14
BENIGN_RATE = 100            # queries per second
SOA_RDATA = soa(b"")[10:]
TAG = 4711                   # of all keys of an attack that share one
RSA_OCTETS = 512             # the largest modulus that a validator accepts here
DEEP = 118                   # labels of a name that an NSEC3 has to deny
DENIALS = 12                 # NSEC records of a reply that are kept
CHAIN = 5                    # zones of a chain of CNAMEs


# ---- keys and signatures ----

def tag_of(key):
    total = sum(octet << 8 if i % 2 == 0 else octet for i, octet in enumerate(key))
    return (total + (total >> 16)) & 0xffff


class Key:
    """A key that signs."""

    def __init__(self, algorithm=P256):
        curve, self.hash, self.size = {P256: (ec.SECP256R1(), hashes.SHA256(), 32),
                                       P384: (ec.SECP384R1(), hashes.SHA384(), 48)}[algorithm]
        self.private, self.algorithm, self.made = ec.generate_private_key(curve), algorithm, {}
        point = self.private.public_key().public_numbers()
        self.rdata = struct.pack("!HBB", 257, 3, algorithm) + b"".join(
            n.to_bytes(self.size, "big") for n in (point.x, point.y))

    def sign(self, signer, owner, rdtype, rdatas, labels=None):
        """Return the RDATA of the RRSIG, for a wildcard if it has fewer labels than the owner.  Sign an RRset once."""
        what = (signer, owner, rdtype, *rdatas)
        if what not in self.made:
            self.made[what] = self.sign_anew(signer, owner, rdtype, rdatas, labels)
        return self.made[what]

    def sign_anew(self, signer, owner, rdtype, rdatas, labels):
        head, owner = signature_head(self.rdata, signer, owner, rdtype, labels)
        octets = b"".join(owner + struct.pack("!HHIH", rdtype, 1, 300, len(r)) + r for r in sorted(rdatas))
        r, s = utils.decode_dss_signature(self.private.sign(head + octets, ec.ECDSA(self.hash)))
        return head + r.to_bytes(self.size, "big") + s.to_bytes(self.size, "big")

    def ds(self, zone):
        digest = hashlib.sha256(wire(zone) + self.rdata).digest()
        return struct.pack("!HBB", tag_of(self.rdata), self.algorithm, 2) + digest


def signature_head(key, signer, owner, rdtype, labels=None):
    """Return the RDATA of an RRSIG without its signature, and the owner that is signed."""
    count = len(owner.split(".")) - 1
    if labels is not None and labels < count:
        owner = ".".join(["*"] + owner.split(".")[count - labels:])
    now = int(time.time())
    return struct.pack("!HBBIIIH", rdtype, key[3], count if labels is None else labels, 300, now + 86400, now - 3600,
                       tag_of(key)) + wire(signer), wire(owner)


def with_tag(key, tag):
    """Return a DNSKEY with two of its octets changed so that it has the tag."""
    word = (tag - tag_of(key[:20] + bytes(2) + key[22:])) & 0xffff
    for carry in (0, 1, 2):
        changed = key[:20] + struct.pack("!H", (word - carry) & 0xffff) + key[22:]
        if tag_of(changed) == tag:
            return changed
    raise AssertionError("no such key")


def fake_rsa(draw):
    """Return a DNSKEY that nothing verifies, as slowly as RSA can."""
    modulus = b"\xf1" + draw.randbytes(RSA_OCTETS - 2) + b"\x01"
    return with_tag(struct.pack("!HBBB", 256, 3, RSA, 8) + b"\xff" * 8 + modulus, TAG)


def fake_p256(draw):
    return with_tag(struct.pack("!HBB", 256, 3, P256) + draw.randbytes(64), TAG)


def signed_set(key, zone, owner, rdtype, rdatas, labels=None):
    """Return the records of an RRset and its RRSIG."""
    return [rr(owner, rdtype, r) for r in rdatas] + [rr(owner, RRSIG, key.sign(zone, owner, rdtype, rdatas, labels))]


def wrong_signatures(count, draw, key, zone, owner, rdtype):
    """Return RRSIG records, for the QNAME, that are well-formed and wrong."""
    head, _ = signature_head(key, zone, owner, rdtype)
    size = RSA_OCTETS if key[3] == RSA else 64
    return [rr(POINTER, RRSIG, head + b"\x01" + draw.randbytes(size - 1)) for _ in range(count)]


def bitmap(*types):
    octets = bytearray(max(types) // 8 + 1)
    for t in types:
        octets[t // 8] |= 0x80 >> t % 8
    return bytes([0, len(octets)]) + bytes(octets)


# ---- the zones of the attacks ----

class Zone:
    """A zone below evil. with one key, which signs all but what the attack leaves wrong."""

    over_tcp = False

    def __init__(self, algorithm=P256):
        self.draw, self.key = random.Random(5), Key(algorithm)

    def prepare(self, queries):
        """Make what is too slow to make when it is asked for."""

    def ds(self, zone):
        return [self.key.ds(zone)]

    def keys(self, zone):
        return signed_set(self.key, zone, zone, DNSKEY, [self.key.rdata])

    def soa(self, zone):
        return signed_set(self.key, zone, zone, SOA, [SOA_RDATA])

    def answer(self, q, zone):
        """Return the answer and the authority section, and the RCODE."""
        return [a(q.qname)], [], 0


class KeyTrap(Zone):
    """All keys have one tag, and no signature of them is right (CVE-2023-50387)."""

    def __init__(self, make, keys, signatures):
        super().__init__()
        self.rdatas = sorted(make(self.draw) for _ in range(keys))  # as the validator tries them
        self.signatures = signatures

    def ds(self, zone):
        key = self.rdatas[0]
        return [struct.pack("!HBB", TAG, key[3], 2) + hashlib.sha256(wire(zone) + key).digest()]

    def keys(self, zone):
        wrong = wrong_signatures(self.signatures, self.draw, self.rdatas[0], zone, zone, DNSKEY)
        return [rr(POINTER, DNSKEY, key) for key in self.rdatas] + wrong

    def answer(self, q, zone):
        return [a(q.qname)] + wrong_signatures(8, self.draw, self.rdatas[0], zone, q.name, A), [], 0


class SigJam(Zone):
    """The keys are right, and the signatures of the answers wrong."""

    def __init__(self, keys, signatures):
        super().__init__()
        self.rdatas = [fake_rsa(self.draw) for _ in range(keys)]
        self.signatures = signatures

    def keys(self, zone):
        return signed_set(self.key, zone, zone, DNSKEY, [self.key.rdata, *self.rdatas])

    def answer(self, q, zone):
        return [a(q.qname)] + wrong_signatures(self.signatures, self.draw, self.rdatas[0], zone, q.name, A), [], 0


class HashTrap(KeyTrap):
    """Many DS records name the tag of many keys, and the digest of none."""

    def __init__(self):
        super().__init__(fake_rsa, 25, 1)

    def ds(self, zone):
        return [struct.pack("!HBB", TAG, RSA, 4) + self.draw.randbytes(48) for _ in range(100)]


class Deep(Zone):
    """One NSEC3 record, whose salt has 255 octets, denies names of many labels (CVE-2023-50868)."""

    def __init__(self, iterations, over_tcp=False):
        super().__init__()
        self.params = struct.pack("!BBHB", 1, 0, iterations, 255) + self.draw.randbytes(255)
        self.iterations, self.over_tcp, self.record = iterations, over_tcp, None

    def nsec3(self, zone):
        digest = hashlib.sha1(wire(zone) + self.params[5:]).digest()
        for _ in range(self.iterations):
            digest = hashlib.sha1(digest + self.params[5:]).digest()
        owner = base64.b32encode(digest).decode().lower().translate(
            str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")) + "." + zone
        rdata = self.params + b"\x14" + digest + bitmap(NS, SOA, RRSIG, DNSKEY)
        return signed_set(self.key, zone, owner, NSEC3, [rdata])

    def answer(self, q, zone):
        if q.name.count(".") < DEEP:  # minimised: an empty answer, so that the resolver goes on to the whole name
            return [], [], 0
        self.record = self.record or self.nsec3(zone)
        return [], self.soa(zone) + self.record, NXDOMAIN


class Denials(Zone):
    """Negative answers with many NSEC records that prove nothing, each with a right signature of a slow algorithm
    (CVE-2026-11605)."""

    def __init__(self):
        super().__init__(P384)
        self.made = {}

    def pads(self, number, zone, count=DENIALS):
        return [record for i in range(count)
                for record in signed_set(self.key, zone, f"zz{i}-{number}.{zone}", NSEC,
                                         [wire(f"zz{i}-{number}-0.{zone}") + bitmap(A, RRSIG, NSEC)])]

    def prepare(self, queries):
        self.made = {number: self.pads(number, "den.evil.") for number in range(queries)}

    def answer(self, q, zone):
        number = int(re.match(r"n(\d+)", q.name)[1])
        return [], self.soa(zone) + self.made.get(number, []), NXDOMAIN


class Chain(Denials):
    """The same for an answer that a wildcard expands to a CNAME into the next zone, which has keys of its own."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def prove(self, number, zone):
        owner, owner_next = f"n{number - 1:05d}~.{zone}" if number else zone, f"n{number:05d}-.{zone}"
        covering = signed_set(self.key, zone, owner, NSEC, [wire(owner_next) + bitmap(A, RRSIG, NSEC)])
        name, last = f"n{number:05d}.{zone}", self.number == CHAIN - 1
        data = [malice.grammar.ip("192.0.2.1")] if last else [wire(f"n{number:05d}.p{self.number + 1}.evil.")]
        return (signed_set(self.key, zone, name, A if last else CNAME, data, labels=2),
                covering + self.pads(number, zone, DENIALS - 1))

    def prepare(self, queries):
        self.made = {number: self.prove(number, f"p{self.number}.evil.") for number in range(queries)}

    def answer(self, q, zone):
        found = re.match(r"n(\d+)", q.name)
        if not found or int(found[1]) not in self.made:
            return [], self.soa(zone), 0
        return *self.made[int(found[1])], 0


def in_zone(label):
    return lambda n: f"n{n}.{label}.evil"


def per_zone(letter):
    return lambda n: f"www.{letter}{n}.evil"


def deep_in(label):
    return lambda n: "a." * DEEP + f"n{n}.{label}.evil"


class Kind:
    """An attack: the names that its client asks for, and what one query may cost.

    `zones` is {pattern of the label below evil.: zone}, `ms` the limit of the CPU time, `rcodes` those that the client
    may get.
    """

    def __init__(self, names, zones, verifications, hashes=0, ms=20, rcodes=(2,), per_second=20):
        self.names, self.zones, self.verifications, self.hashes = names, zones, verifications, hashes
        self.ms, self.rcodes, self.per_second = ms, rcodes, per_second

    def prepare(self, queries):
        for zone in self.zones.values():
            zone.prepare(queries)


def make_kinds():
    """Return {name: Kind}; the limits are those of docs/LIMITS.md section 6.

    Two wrong signatures are verified of each reply, and at most three servers of a zone are asked: that is six, beside
    the honest ones of the chain of trust.
    """
    deep = {"verifications": 4, "hashes": 200, "ms": 10, "rcodes": (2, NXDOMAIN)}
    return {
        "KeyTrap, 589 keys": Kind(per_zone("k"), {r"k\d+": KeyTrap(fake_p256, 589, 100)}, 8),
        "KeyTrap, 25 RSA keys": Kind(per_zone("t"), {r"t\d+": KeyTrap(fake_rsa, 25, 10)}, 10),
        "SigJam": Kind(in_zone("sig"), {"sig": SigJam(1, 100)}, 8),
        "LockCram": Kind(in_zone("lock"), {"lock": SigJam(60, 1)}, 8),
        "HashTrap": Kind(per_zone("h"), {r"h\d+": HashTrap()}, 8),
        "NSEC3, 50 iterations": Kind(deep_in("deep"), {"deep": Deep(50)}, **deep),
        "NSEC3, 50, over TCP": Kind(deep_in("deept"), {"deept": Deep(50, True)}, **deep),
        "NSEC3, 500 iterations": Kind(deep_in("deeper"), {"deeper": Deep(500)}, **deep | {"hashes": 0}),
        "12 denials, P-384": Kind(in_zone("den"), {"den": Denials()}, 10),
        "5 CNAMEs, P-384": Kind(lambda n: f"n{n:05d}.p0.evil", {f"p{i}": Chain(i) for i in range(CHAIN)}, 40,
                                rcodes=(0, 2), per_second=10),
    }


class Servers(floods.Upstream):
    """The servers of evil. and of the zones below."""

    addresses = (EVIL, *CHILDREN)

    def __init__(self, port, key, kinds):
        self.key = key
        self.zones = {pattern: zone for kind in kinds.values() for pattern, zone in kind.zones.items()}
        super().__init__(port)

    def answer(self, wire_query, address, is_tcp):
        try:
            q = malice.Query(wire_query, address, is_tcp)
        except malice.Broken:
            return 0, None
        found = re.search(r"(?:^|\.)([^.]+)\.evil\.$", q.name)
        label = found[1] if found else ""
        attack = next((z for pattern, z in self.zones.items() if re.fullmatch(pattern, label)), None)
        parts = self.parent(q, label, attack) if address == EVIL else self.child(q, f"{label}.evil.", attack)
        made = reply(q, *parts)
        is_long = len(made) > UDP_MAX or (attack and attack.over_tcp and address != EVIL)
        return 0, reply(q, flags=AA | TC) if is_long and not is_tcp else made

    def parent(self, q, label, attack):
        """Return the sections of a reply, the flags and the RCODE."""
        zone = f"{label}.evil."
        if q.name == "evil." and q.rdtype == DNSKEY:
            return signed_set(self.key, "evil.", "evil.", DNSKEY, [self.key.rdata]), [], [], AA, 0
        if not attack:
            return [], [soa("evil.")], [], AA, 0
        records = signed_set(self.key, "evil.", zone, DS, attack.ds(zone))
        if q.name == zone and q.rdtype == DS:
            return records, [], [], AA, 0
        servers = [(f"ns{i}.{zone}", address) for i, address in enumerate(CHILDREN)]
        return ([], [ns(zone, server) for server, _ in servers] + records, [a(*server) for server in servers], QR, 0)

    @staticmethod
    def child(q, zone, attack):
        if not attack:
            return [], [], [], AA, 5
        if q.name == zone and q.rdtype == DNSKEY:
            return attack.keys(zone), [], [], AA, 0
        if q.name == zone:
            return [], attack.soa(zone), [], AA, 0
        answer, authority, rcode = attack.answer(q, zone)
        return answer, authority, [], AA, rcode


class World:
    """The servers, honest and hostile, and a resolver with one worker that validates."""

    def __init__(self, folder, kinds, benign_names, start=lambda call: call()):
        """`start` calls a function that starts the resolver."""
        folder.mkdir(parents=True, exist_ok=True)
        self.kinds, self.port, key, self.honest = kinds, lab.free_port(), Key(), []
        ds = key.ds("evil.")
        hosts = "".join(f"b-udp{n} A 192.0.2.1\n" for n in range(benign_names))
        text = internet.soa() + "@ NS ns\n" + internet.glue("ns", GOOD) + hosts
        good, good_ds = signing.sign_text(folder, "good.", text)
        tag, algorithm, digest_type = struct.unpack("!HBB", ds[:4])
        root, self.anchor = signing.sign_text(
            folder, ".", internet.soa() + "@ NS ns.\n" + internet.glue("ns.", floods.ROOT)
            + "good NS ns.good\nevil NS ns.evil\n" + internet.glue("ns.good", GOOD) + internet.glue("ns.evil", EVIL)
            + good_ds + f"evil DS {tag} {algorithm} {digest_type} {ds[4:].hex()}\n")
        (folder / "root.ds").write_text(self.anchor)
        self.asked = 0
        try:
            for name, address, zone, file in (("root", floods.ROOT, ".", root), ("good", GOOD, "good.", good)):
                conf = folder / f"{name}.yaml"
                conf.write_text(f"server: {{listen: [{address}@{self.port}], control: \"\", workers: 1, "
                                f"rate-limit: {{per-second: 0}}}}\nzones: [{{zone: {zone}, file: {file}}}]\n")
                self.honest.append(lab.Server([lab.BUILD / "rootline-authd", "-c", conf], folder / f"{name}.log"))
                self.honest[-1].started(self.honest[-1].wait_for, "ready on ", 60)
            self.evil = Servers(self.port, key, kinds)
            self.honest.append(self.evil)
            self.subject = start(lambda: floods.Subject(folder / "resolver", self.port, False, workers=1,
                                                        anchor=folder / "root.ds"))
        except BaseException:
            self.stop_servers()
            raise

    def stop_servers(self):
        for server in self.honest:
            server.stop()

    def stop(self):
        try:
            self.subject.stop()
        finally:
            self.stop_servers()

    def stats(self):
        done = lab.run(lab.ROOTLINE, "stats", "--json", "--socket", self.subject.server.socket)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def benign(self):
        """Return a client of names below good. that were not asked for before."""
        return floods.Benign(self.subject, "good", "-", each=BENIGN_RATE, ways=("udp",), first=self.asked)

    def spent(self):
        stats = self.stats()
        return malice.cpu_s(self.subject.server.process.pid), stats["signatures-verified"], stats["nsec3-hashes"]

    def wait(self, client, seconds):
        """Run the benign client; return what it saw, and what the resolver spent."""
        before = self.spent()
        with client:
            time.sleep(seconds)
        seen = client.seen["udp"]
        self.asked += seen["asked"] + 1
        return seen, [b - a for a, b in zip(before, self.spent())]

    def idle(self, seconds):
        """Run the benign client alone."""
        return self.wait(self.benign(), seconds)

    def attack(self, kind, seconds, idle):
        """Run one attack; return what the benign client saw, alone and during it, and what a query of the attacker
        cost: CPU ms, verifications, hashes."""
        idle, (idle_s, idle_verified, _) = idle
        queries = int(kind.per_second * seconds)
        client = self.benign()
        with floods.Flood(self.subject, kind.names, kind.per_second, most=queries) as flood:
            busy, (busy_s, busy_verified, hashed) = self.wait(client, seconds)
            end = time.monotonic() + floods.PATIENCE_S
            while sum(flood.rcodes) < queries and time.monotonic() < end:
                time.sleep(0.05)
        share = busy["asked"] / idle["asked"]
        return Result(idle, busy, queries, {rcode: count for rcode, count in enumerate(flood.rcodes) if count},
                      (busy_s - idle_s * share) * 1000 / queries, (busy_verified - idle_verified * share) / queries,
                      hashed / queries)


class Result:
    def __init__(self, idle, busy, queries, rcodes, ms, verifications, hashes):
        self.idle, self.busy, self.queries, self.rcodes = idle, busy, queries, rcodes
        self.ms, self.verifications, self.hashes = ms, verifications, hashes

    def answered(self):
        return len(self.busy["ms"]) / self.busy["asked"]

    def faults(self, kind):
        """Return what is wrong, by counts alone."""
        found = []
        if self.answered() < 0.99 or self.busy["failed"]:
            found.append(f"the benign client got {len(self.busy['ms'])} of {self.busy['asked']} answers, "
                         f"{self.busy['failures'][:2]}")
        if self.verifications > kind.verifications or self.hashes > kind.hashes:
            found.append(f"{self.verifications:.1f} verifications and {self.hashes:.1f} hashes per query, "
                         f"at most {kind.verifications} and {kind.hashes} are allowed")
        if not set(self.rcodes) <= set(kind.rcodes) or sum(self.rcodes.values()) < self.queries:
            found.append(f"RCODEs of {self.queries} queries: {self.rcodes}")
        return found
