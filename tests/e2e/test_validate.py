"""Answers of rootline-authd from signed zones, validated by unbound and delv: positive, negative, wildcard, DNAME."""
from concurrent.futures import ThreadPoolExecutor

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

import lab
import signing
from differ import Question, ask_udp, below, make_wire, owners

TYPES = "A TXT MX NS SOA DS DNSKEY NSEC".split()


def find_anchors(zones):
    """Return {zone: its key-signing keys as text}."""
    return {name: [line for line in signing.read_keys(path) if "\tDNSKEY\t257 " in line]
            for name, path in zones.items()}


class Unbound(lab.Server):
    """A validating unbound with the zones as stub zones at one authoritative server."""

    def __init__(self, folder, kind, zones, port):
        self.port = lab.free_port()
        anchors = folder / "anchors"
        anchors.write_text("\n".join(key for keys in find_anchors(zones).values() for key in keys) + "\n")
        text = f"""server:
  interface: 127.0.0.1
  port: {self.port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  log-time-ascii: no
  val-log-level: 2
  module-config: "validator iterator"
  do-not-query-localhost: no
  trust-anchor-file: "{anchors}"
  val-override-date: "{'-1' if kind == 'root' else ''}"
  edns-buffer-size: 1232
  num-threads: 1
remote-control:
  control-enable: no
"""
        for name in zones:
            text += f'stub-zone:\n  name: "{name}"\n  stub-addr: 127.0.0.1@{port}\n  stub-no-cache: yes\n'
        conf = folder / "unbound.conf"
        conf.write_text(text)
        super().__init__([lab.find_program("unbound"), "-d", "-c", conf], folder / "unbound.log")
        self.started(self.wait_for, "start of service")


def questions(kind, zones):
    names = [name for name in owners(zones) if kind in signing.SIGNERS or len(name.labels) <= 2]
    names = names[:5] + names[5::3 if kind in signing.SIGNERS else 9]
    for name in names:
        if len(name.labels) > 1:
            first = name.labels[0]
            sibling = dns.name.Name((first[:-1] + bytes([first[-1] ^ 1]),) + name.labels[1:])
            yield Question("sibling", sibling, "A", 1232, False, True)
        for rdtype in TYPES:
            yield Question("owner", name, rdtype, 1232, False, True)
        for label in (b"zz-misspelt", b"*", b"0.x"):
            child = below(label, name)
            if child is not None:
                for rdtype in ("A", "MX"):
                    yield Question("misspelt", child, rdtype, 1232, False, True)


def is_settled(reply, zones):
    """True if the answer is complete within the zones: no referral, and no CNAME chain that leaves them or loops."""
    question = reply.question[0]
    if not reply.flags & dns.flags.AA or reply.flags & dns.flags.TC:
        return False
    if question.rdtype == dns.rdatatype.DS and question.name.to_text() in zones:
        return False  # no server has the parent zone
    targets = [rr[0].target for rr in reply.answer if rr.rdtype == dns.rdatatype.CNAME]
    if not targets:
        return True
    if len(targets) != len(set(targets)) or len(targets) > 8:
        return False
    chain_types = (dns.rdatatype.CNAME, dns.rdatatype.DNAME, dns.rdatatype.RRSIG)
    if {rr.name for rr in reply.answer} >= set(targets) and all(rr.rdtype in chain_types for rr in reply.answer):
        return False
    if any(rr.rdtype == dns.rdatatype.NS for rr in reply.authority):
        return False
    return any(targets[-1].is_subdomain(dns.name.from_text(zone)) for zone in zones)


# The signatures of the root zone of 2021 have expired: unbound has an option to ignore that, delv gets root-resigned.
KINDS = [*signing.KINDS, "root-resigned"]


@pytest.fixture(scope="module")
def served(request, tmp_path_factory):
    lab.need("unbound", "delv")
    folder = tmp_path_factory.mktemp(request.param)
    zones = signing.make_zones(request.param, folder)
    place = folder / "authd"
    place.mkdir()
    authd = lab.Authd(place, zones)
    try:
        asked = list(questions(request.param, zones))
        replies = ask_udp(authd.port, [make_wire(q, n) for n, q in enumerate(asked)])
        settled = []
        for q, wire in zip(asked, replies):
            reply = dns.message.from_wire(wire)
            if is_settled(reply, zones):
                settled.append((q, reply))
        yield request.param, zones, authd, settled, folder
    finally:
        authd.stop()


def may_be_insecure(kind, reply):
    """True if an NSEC3 record with opt-out may be part of the proof, which then is not secure (RFC 5155 12.2)."""
    return kind.endswith("optout") and (reply.rcode() == dns.rcode.NXDOMAIN or any(
        rr.rdtype == dns.rdatatype.NSEC3 for rr in reply.authority))


@pytest.mark.parametrize("served", KINDS, indirect=True)
def test_unbound_validates(served):
    """unbound gets the RCODE of authd for each query, and AD unless the proof may have opt-out."""
    kind, zones, authd, settled, folder = served
    # for QTYPE NSEC unbound follows a CNAME that it has cached
    settled = [(q, reply) for q, reply in settled if q.rdtype != "NSEC"]
    unbound = Unbound(folder, kind, zones, authd.port)
    try:
        wires = []
        for n, (q, _) in enumerate(settled):
            query = dns.message.make_query(q.name, q.rdtype, want_dnssec=True, payload=4096)
            query.id = n & 0xffff
            wires.append(query.to_wire())
        replies = ask_udp(unbound.port, wires, window=16)
    finally:
        unbound.stop()
    wrong, secure, absent = [], 0, 0
    for (q, ours), wire in zip(settled, replies):
        reply = wire and dns.message.from_wire(wire)
        is_good = reply and reply.rcode() == ours.rcode()
        if not is_good or not (reply.flags & dns.flags.AD or may_be_insecure(kind, ours)):
            got = f"{dns.rcode.to_text(reply.rcode())} {dns.flags.to_text(reply.flags)}" if reply else "no answer"
            wrong.append(f"{q.name} {q.rdtype}: {got}; authd: {dns.rcode.to_text(ours.rcode())}")
            continue
        secure += bool(reply.flags & dns.flags.AD)
        absent += not ours.answer
    print(f"\n{kind}: unbound: {len(settled)} answers, {secure} secure, {absent} negative")
    assert not wrong, "\n".join(wrong[:40]) + "\n" + unbound.log()[-3000:]
    assert secure > 100 and absent > 50


@pytest.mark.parametrize("served", [kind for kind in KINDS if kind != "root"], indirect=True)
def test_delv_validates(served):
    """delv validates about 150 answers of each kind."""
    kind, zones, authd, settled, folder = served
    anchors = folder / "delv.keys"
    keys = []
    for zone, lines in find_anchors(zones).items():
        for line in lines:
            fields = line.split("\t")[4].split(";")[0].split()
            keys.append(f'"{zone}" static-key {fields[0]} {fields[1]} {fields[2]} "{"".join(fields[3:])}";')
    anchors.write_text("trust-anchors {\n" + "\n".join(keys) + "\n};\n")

    def ask(item):
        q, ours = item
        zone = max((z for z in zones if q.name.is_subdomain(dns.name.from_text(z))), key=len)
        done = lab.run("delv", "@127.0.0.1", "-p", authd.port, "-a", anchors, f"+root={zone}", "-q", q.name.to_text(),
                       "-t", q.rdtype)
        text = done.stdout + done.stderr
        return ("fully validated" in text or may_be_insecure(kind, ours) and "unsigned answer" in text), text

    # delv has no trust anchor for the second zone of a chain that leads into another zone; for the type NSEC it
    # accepts no CNAME
    settled = [(q, r) for q, r in settled
               if q.rdtype != "NSEC" or not any(rr.rdtype == dns.rdatatype.CNAME for rr in r.answer)]
    asked = [(q, r) for q, r in settled if len({z for z in zones for rr in r.answer if rr.name.is_subdomain(
        dns.name.from_text(z)) and z != "."}) <= 1][::max(1, len(settled) // 150)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(ask, asked))
    wrong = [f"{q.name} {q.rdtype}: {text}" for (q, _), (good, text) in zip(asked, results) if not good]
    print(f"\n{kind}: delv: {len(asked)} answers, {len(asked) - len(wrong)} validated")
    assert len(asked) > 50
    assert not wrong, "\n".join(wrong[:20])
