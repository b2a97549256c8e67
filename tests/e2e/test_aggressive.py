"""Floods of random subdomains of signed zones: cached NSEC and NSEC3 records answer them (RFC 8198), and the servers of
the zone see few of them.  What is answered is what the zone has."""
import json
import random

import dns.edns
import dns.flags
import dns.name
import dns.rcode
import jsonschema
import pytest

import lab
import signing

SCHEMA = json.loads((lab.SOURCE / "docs/schema/cache-show.json").read_text())
NAMES = 30
FLOOD = 1500
ZONE = ("$TTL 600\n@ SOA ns host 1 3600 900 604800 300\n@ NS ns\nns A 192.0.2.1\n*.wild A 192.0.2.99\n"
        + "".join(f"host{i:02} A 192.0.2.{i + 2}\nhost{i:02} TXT x\n" for i in range(NAMES)))


class Setup:
    """rootline-authd with the signed zone, and rootline-resolver with the zone's keys as trust anchor."""

    def __init__(self, folder, kind, resolver="", workers=1):
        sign, options = signing.SIGNERS[kind]
        source = folder / "flood.test.zone"
        source.write_text(ZONE)
        signed = sign(folder, "flood.test.", source, *options)
        keys = ", ".join("'" + " ".join(line.split(";")[0].split()) + "'" for line in signing.read_keys(signed))
        self.authd = lab.Authd(folder, {"flood.test.": signed}, extra="  workers: 1\n  rate-limit: {per-second: 0}")
        self.port = lab.free_port()
        self.socket = folder / "resolver.sock"
        (folder / "resolver.yaml").write_text(f"""server:
  listen: [127.0.0.1@{self.port}]
  control: {self.socket}
  workers: {workers}
  rate-limit: {{per-second: 0}}
resolver: {{trust-anchor: [{keys}], priming: false, trust-anchor-signal: false, ipv6: false{resolver}}}
stub-zones: [{{zone: flood.test., servers: [127.0.0.1@{self.authd.port}]}}]
cache: {{size: 64M, directory: {folder / "cache"}}}
""")
        command = [lab.BUILD / "rootline-resolver", "-c", folder / "resolver.yaml"]
        self.resolver = lab.Server(command, folder / "resolver.log")
        self.resolver.started(self.resolver.wait_for, "ready on ", 30)

    def stop(self):
        assert self.resolver.stop() == 0, self.resolver.log()
        self.authd.stop()

    def ask(self, name, rdtype="A", **kw):
        return lab.Authd.ask(self, name + ".flood.test.", rdtype, want_dnssec=True, **kw)

    def send(self, query, tcp, timeout, host):
        return lab.Authd.send(self, query, tcp, timeout, host)

    def stats(self):
        done = lab.run(lab.ROOTLINE, "stats", "--json", "--socket", self.socket)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sent(self):
        stats = self.stats()
        return stats["queries-sent-udp"] + stats["queries-sent-tcp"]


@pytest.fixture
def setups(tmp_path):
    made = []

    def make(kind, **kw):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Setup(folder, kind, **kw))
        return made[-1]
    lab.need("dnssec-signzone", "ldns-signzone")
    yield make
    for setup in made:
        setup.stop()


def is_synthesised(reply):
    return any(option.otype == dns.edns.EDE and option.code == 29 for option in reply.options)


def flood(setup, cnt=FLOOD):
    """Queries of random names; the number of those that were synthesised."""
    draw = random.Random(5)
    synthesised = 0
    for _ in range(cnt):
        reply = setup.ask("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=8)))
        assert reply.rcode() == dns.rcode.NXDOMAIN and not reply.answer
        synthesised += is_synthesised(reply)
    return synthesised


@pytest.mark.parametrize("kind, workers", [("nsec", 1), ("nsec3", 1), ("ldns-nsec", 2), ("ldns-nsec3", 2)])
def test_a_flood_is_answered_from_the_cache(setups, kind, workers):
    setup = setups(kind, workers=workers)
    synthesised = flood(setup)
    assert setup.sent() <= 6 * NAMES  # each query brings a record that was missing
    assert synthesised >= FLOOD - 5 * NAMES and setup.stats()["aggressive-answers"] == synthesised
    before = setup.sent()
    reply = setup.ask("nothing")
    assert reply.flags & dns.flags.AD and is_synthesised(reply)
    assert {rrset.rdtype for rrset in reply.authority} >= {6, 46} and setup.sent() == before
    for i in range(NAMES):  # what exists is found
        for rdtype, cnt in (("A", 1), ("TXT", 1), ("MX", 0)):
            reply = setup.ask(f"host{i:02}", rdtype)
            assert reply.rcode() == dns.rcode.NOERROR and reply.flags & dns.flags.AD
            assert len([r for r in reply.answer if r.rdtype != 46]) == cnt
    # a query without DO gets the same answer without the records of DNSSEC
    reply = lab.Authd.ask(setup, "another.flood.test.")
    assert reply.rcode() == dns.rcode.NXDOMAIN and [r.rdtype for r in reply.authority] == [6]


@pytest.mark.parametrize("kind", ["nsec", "nsec3"])
def test_wildcards_answer_other_names(setups, kind):
    setup = setups(kind)
    for i in range(200):
        name = f"{'deep.' * (i % 3)}n{i}.wild"
        reply = setup.ask(name)
        assert [r[0].address for r in reply.answer if r.rdtype == 1] == ["192.0.2.99"]
        assert reply.flags & dns.flags.AD and reply.answer[0].name.to_text() == name + ".flood.test."
    assert setup.sent() <= 3 * NAMES and setup.stats()["aggressive-answers"] >= 200 - 2 * NAMES


@pytest.mark.parametrize("kind, resolver", [("optout", ""), ("nsec", ", aggressive-nsec: false")])
def test_floods_that_may_not_be_synthesised(setups, kind, resolver):
    setup = setups(kind, resolver=resolver)
    assert flood(setup, 200) == 0
    assert setup.sent() >= 200 and setup.stats()["aggressive-answers"] == 0


def test_denials_outlive_a_restart(setups):
    setup = setups("nsec")
    flood(setup)
    folder = setup.socket.parent
    assert setup.resolver.stop() == 0
    setup.resolver = lab.Server([lab.BUILD / "rootline-resolver", "-c", folder / "resolver.yaml"], folder / "again.log")
    setup.resolver.started(setup.resolver.wait_for, "ready on ", 30)
    flood(setup)
    assert setup.sent() <= 10


@pytest.mark.parametrize("kind, workers", [("nsec", 1), ("ldns-nsec3", 2)])
def test_cache_show_lists_denials(setups, kind, workers):
    def show(name, *options):
        done = lab.run(lab.ROOTLINE, "cache", "show", name, *options, "--json", "--socket", setup.socket)
        result = json.loads(done.stdout)
        jsonschema.validate(result, SCHEMA)
        return result

    setup = setups(kind, workers=workers)
    flood(setup, 600)
    result = show("flood.test.")
    denials = result["denials"]
    owners = [dns.name.from_text(d["owner"]) for d in denials]
    assert len(owners) >= (NAMES if "nsec3" in kind else 4) and owners == sorted(set(owners))
    assert result["denials-omitted"] == 0
    for denial in denials:
        assert denial["zone"] == "flood.test." and 0 < denial["ttl"] <= denial["original-ttl"] == 300
        assert denial["next"] and denial["type"] == kind.split("-")[-1].upper()
    assert show("flood.test.", "A")["denials"] == []
    used = show("no-such-name.flood.test.")
    if "nsec3" not in kind:
        assert [(d["owner"], d["next"]) for d in used["denials"]] == [("host29.flood.test.", "ns.flood.test.")]
    assert len(used["denials"]) == 1 and used["denials"][0]["owner"] in [d["owner"] for d in denials]
    text = lab.run(lab.ROOTLINE, "cache", "show", "no-such-name.flood.test.", "--socket", setup.socket).stdout
    assert "denials of flood.test. (RFC 8198)" in text
    assert f"{used['denials'][0]['owner']} to {used['denials'][0]['next']}; time left" in " ".join(text.split()), text


def test_explain_and_flush(setups):
    setup = setups("nsec")
    flood(setup, 400)
    done = lab.run(lab.ROOTLINE, "explain", "nothing-here.flood.test.", "--socket", setup.socket)
    assert "made from NSEC records of other names" in done.stdout, done.stdout + done.stderr
    before = setup.sent()
    setup.ask("something-else")
    assert setup.sent() == before
    done = lab.run(lab.ROOTLINE, "cache", "flush", "something-else.flood.test.", "--socket", setup.socket)
    assert done.returncode == 0
    setup.ask("something-else")
    assert setup.sent() > before
