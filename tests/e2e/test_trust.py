"""What rootline explain and rootline cache show say of a signed Internet: the chain of trust from the anchor down, cold
and warm, proofs in words, where the chain ends, and the first broken link of each kind of fault.  BIND signs the zones
when the test starts."""
import json
import re

import jsonschema
import pytest

import lab

SOA = "$TTL 300\n@ SOA ns host 1 7200 1800 86400 300\n@ NS ns\nns A 127.0.0.1\n"
CHILDREN = "hashed optout plain digest other expired forged unknown".split()
PAST = ["-s", "20200101000000", "-e", "20200201000000"]
# zone: (records besides those of the apex, options of dnssec-signzone; None: it is not signed)
ZONES = {
    "hashed.com.": ("www A 192.0.2.1\n*.wild A 192.0.2.9\nfar CNAME www.plain.com.\na.b.c A 192.0.2.4\n", ["-3", "-"]),
    "optout.com.": ("www A 192.0.2.1\nchild NS ns.child\nns.child A 127.0.0.1\n", ["-3", "-", "-A"]),
    "child.optout.com.": ("www A 192.0.2.2\n", None),
    "plain.com.": ("www A 192.0.2.3\n", None),
    "digest.com.": ("www A 192.0.2.4\n", []),
    "other.com.": ("www A 192.0.2.5\n", []),
    "expired.com.": ("www A 192.0.2.6\n", PAST),
    "forged.com.": ("www A 192.0.2.7\nnice A 192.0.2.8\n", []),
    "unknown.com.": ("www A 192.0.2.9\n", []),
    "com.": ("".join(f"{zone} NS ns.{zone}\nns.{zone} A 127.0.0.1\n" for zone in CHILDREN) +
             "hidden A 192.0.2.1\nx.ent A 192.0.2.1\n", []),
    ".": ("com NS ns.com\nns.com A 127.0.0.1\n", []),
}
SCHEMAS = {name: lab.schema(name) for name in ("explain", "cache-show")}


class Signer:
    """Signs the zones from the leaves up.  `tags` has {zone: (tag of the KSK, tag of the ZSK)}, `files` what authd
    serves."""

    def __init__(self, folder):
        self.folder, self.tags, self.files, self.ds = folder, {}, {}, {}
        for zone, (records, options) in ZONES.items():
            text = SOA + records + "".join(self.ds_in(zone))
            lab.write_old(folder / f"{zone}zone", text)
            self.files[zone] = self.sign(zone, options) if options is not None else folder / f"{zone}zone"

    def make_key(self, zone, *options):
        done = lab.run("dnssec-keygen", "-q", "-K", self.folder, "-a", "ECDSAP256SHA256", *options, zone)
        assert done.returncode == 0, done.stderr
        return self.folder / f"{done.stdout.strip()}.key"

    def make_ds(self, key):
        done = lab.run("dnssec-dsfromkey", "-2", key)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sign(self, zone, options):
        keys = [self.make_key(zone, "-f", "KSK"), self.make_key(zone)]
        self.tags[zone] = tuple(int(key.stem[-5:]) for key in keys)
        source, signed = self.folder / f"{zone}zone", self.folder / f"{zone}signed"
        lab.write_old(source, source.read_text() + "".join(key.read_text() for key in keys))
        done = lab.run("dnssec-signzone", "-P", "-K", self.folder, "-d", self.folder, "-o", zone, "-f", signed,
                       *options, source)
        assert done.returncode == 0, done.stderr
        self.ds[zone] = self.make_ds(keys[0])
        if zone == "digest.com.":
            self.ds[zone] = re.sub(r"[0-9A-F]{8}$", "DEADBEEF", self.ds[zone].strip()) + "\n"
        if zone == "other.com.":
            missing = self.make_key(zone, "-f", "KSK")
            self.tags["missing"] = (int(missing.stem[-5:]),)
            self.ds[zone] = self.make_ds(missing)
        if zone == "unknown.com.":
            self.ds[zone] = self.ds[zone].replace(" 13 2 ", " 200 2 ")
        if zone == "forged.com.":
            lab.write_old(signed, signed.read_text().replace("192.0.2.7", "192.0.2.66"))
        return signed

    def ds_in(self, parent):
        for zone, ds in self.ds.items():
            if zone != parent and (zone.split(".", 1)[1] or ".") == parent:
                yield ds


class Validator(lab.Server):
    def __init__(self, folder, authd, anchor, extra="", top=""):
        folder.mkdir()
        self.port, self.socket = lab.free_port(), folder / "resolver.sock"
        (folder / "hints").write_text(". 3600 NS ns.\nns. 3600 A 127.0.0.1\n")
        (folder / "anchor").write_text(anchor)
        conf = folder / "resolver.yaml"
        conf.write_text(f"""server: {{listen: [127.0.0.1@{self.port}], control: {self.socket}, workers: 1}}
log: {{level: debug}}
cache: {{directory: "{folder}/cache", size: 16M}}
resolver: {{root-hints: hints, trust-anchor: anchor, outgoing-port: {authd.port}, do-not-query: [], ipv6: false{extra}}}
{top}""")
        super().__init__([lab.BUILD / "rootline-resolver", "-c", conf], folder / "resolver.log")
        self.started(self.wait_for, "ready on ")

    def command(self, *args):
        return lab.run(lab.ROOTLINE, *args, "--socket", self.socket, env={**lab.os.environ, "LC_ALL": "C.UTF-8"})

    def explain(self, *args):
        """The tree, and the terminal output of the same answer from the cache."""
        done = self.command("explain", *args, "--json")
        assert done.returncode in (0, 1) and done.stdout, done.stderr
        tree = json.loads(done.stdout)
        jsonschema.validate(tree, SCHEMAS["explain"])
        return tree

    def print(self, *args):
        text = self.command("explain", *args).stdout
        assert max(map(len, text.splitlines())) <= 80
        return text

    def stop(self, seconds=20):
        status = super().stop(seconds)
        assert "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()
        assert status == 0, self.log()


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    lab.need("dnssec-keygen", "dnssec-signzone", "dnssec-dsfromkey")
    return Signer(tmp_path_factory.mktemp("zones"))


@pytest.fixture(scope="module")
def authd(signed, tmp_path_factory):
    authd = lab.Authd(tmp_path_factory.mktemp("authd"), signed.files)
    yield authd
    authd.stop()


@pytest.fixture(scope="module")
def resolver(signed, authd, tmp_path_factory):
    resolver = Validator(tmp_path_factory.mktemp("resolver") / "here", authd, signed.ds["."])
    yield resolver
    resolver.stop()


def zones_of(tree):
    return {zone["zone"]: zone for zone in tree["trust"]}


def statuses(tree):
    return [(zone["zone"], zone["status"]) for zone in tree["trust"]]


def last_entry(tree):
    return [step for step in tree["steps"] if step["step"] == "cache" and step["found"] != "miss"][-1]


def proof_steps(entry):
    return [(proof["type"], step["act"], step["subject"], step["name"])
            for proof in entry.get("proofs", []) for step in proof["steps"]]


def flat(text):
    """Terminal output without its lines and line breaks."""
    return re.sub(r"[\s│├└─]+", " ", text)


def without_ttls(value):
    if isinstance(value, list):
        return [without_ttls(v) for v in value]
    return {k: without_ttls(v) for k, v in value.items() if k != "ttl"} if isinstance(value, dict) else value


def test_a_secure_answer_has_its_chain_cold_and_warm(signed, resolver):
    cold, warm = resolver.explain("www.hashed.com"), resolver.explain("www.hashed.com")
    assert cold["queries"] > 0 and warm["queries"] == 0
    assert statuses(cold) == [(".", "secure"), ("com.", "secure"), ("hashed.com.", "secure")]
    assert without_ttls(cold["trust"]) == without_ttls(warm["trust"])
    for zone in warm["trust"]:
        ksk, zsk = signed.tags[zone["zone"]]
        links = zone["anchor"] if zone["zone"] == "." else zone["ds"]["records"]
        assert links[0] == {"type": "DS", "tag": ksk, "algorithm": "ECDSAP256SHA256", "digest-type": "SHA-256"}
        assert {link["tag"] for link in links} == {ksk}  # an anchor has the DNSKEY too, once it was seen (RFC 5011)
        assert {(key["tag"], key["entry-point"]) for key in zone["dnskey"]["records"]} == {(ksk, True), (zsk, False)}
        assert ksk in {s["tag"] for s in zone["dnskey"]["signatures"]}
        assert {s["signer"] for s in zone["dnskey"]["signatures"]} == {zone["zone"]}
        if zone["zone"] != ".":
            signatures = [(s["signer"], s["tag"]) for s in zone["ds"]["signatures"]]
            assert signatures == [(zone["parent"], signed.tags[zone["parent"]][1])]
    entry = last_entry(warm)
    assert entry["validation"] == "secure"
    assert [s["tag"] for s in entry["signatures"]] == [signed.tags["hashed.com."][1]]
    assert entry["signatures"][0]["inception"] < warm["at"] < entry["signatures"][0]["expiration"]
    assert "It is secure" in warm["cause"]["text"] and cold["cause"]["kind"] == warm["cause"]["kind"] == "answered"
    verdicts = [s for step in cold["steps"] if step["step"] == "resolve"
                for s in step["steps"] if s["step"] == "validation"]
    assert {(v["name"], v.get("type"), v["status"], v["tag"]) for v in verdicts if "tag" in v} >= {
        ("www.hashed.com.", "A", "secure", signed.tags["hashed.com."][1])}
    text = flat(resolver.print("www.hashed.com"))
    assert f"trust . is secure trust anchor: DS {signed.tags['.'][0]} (ECDSAP256SHA256, SHA-256)" in text
    assert f"trust com. is secure DS {signed.tags['com.'][0]} (ECDSAP256SHA256, SHA-256) in ." in text
    assert re.search(rf"signed by key {signed.tags['hashed.com.'][1]} \(ECDSAP256SHA256\) of hashed\.com\., "
                     r"valid from \d{4}-\S+ \S+ to", text)


def test_the_chain_is_drawn_after_its_records_have_left_the_cache(signed, resolver):
    """The keys that a worker has loaded vouch for the links above them."""
    resolver.explain("www.hashed.com")
    for zone in (".", "com", "hashed.com"):
        assert resolver.command("cache", "flush", zone).returncode == 0
    tree = resolver.explain("www.hashed.com")
    assert tree["queries"] == 0 and statuses(tree) == [(".", "secure"), ("com.", "secure"), ("hashed.com.", "secure")]
    for zone in tree["trust"]:
        assert {key["tag"] for key in zone["dnskey"]["records"]} == set(signed.tags[zone["zone"]])
        assert "ttl" not in zone["dnskey"] and "ds" not in zone and zone["text"].startswith("its keys are in use")


@pytest.mark.parametrize("name,rdtype,found,steps", [
    ("nope.hashed.com", "A", "nxdomain", [("NSEC3", "matches", "closest-encloser", "hashed.com."),
                                          ("NSEC3", "covers", "next-closer", "nope.hashed.com."),
                                          ("NSEC3", "covers", "wildcard", "*.hashed.com.")]),
    ("www.hashed.com", "MX", "nodata", [("NSEC3", "matches", "name", "www.hashed.com.")]),
    ("b.c.hashed.com", "A", "nodata", [("NSEC3", "matches", "name", "b.c.hashed.com.")]),
    ("x.wild.hashed.com", "A", "data", [("NSEC3", "covers", "next-closer", "x.wild.hashed.com.")]),
    ("x.wild.hashed.com", "MX", "nodata", [("NSEC3", "matches", "closest-encloser", "wild.hashed.com."),
                                           ("NSEC3", "covers", "next-closer", "x.wild.hashed.com."),
                                           ("NSEC3", "matches", "wildcard", "*.wild.hashed.com.")]),
    ("nope.com", "A", "nxdomain", [("NSEC", "covers", "name", "nope.com."), ("NSEC", "covers", "wildcard", "*.com.")]),
    ("hidden.com", "MX", "nodata", [("NSEC", "matches", "name", "hidden.com.")]),
    ("ent.com", "A", "nodata", [("NSEC", "spans", "name", "ent.com.")]),
])
def test_proofs_say_what_each_record_does(resolver, name, rdtype, found, steps):
    for options in (["--no-cache"], []):  # without the cache, so that no denial of another name answers (RFC 8198)
        tree = resolver.explain(name, rdtype, *options)
        entry = last_entry(tree)
        assert entry["found"] == found and entry["validation"] == "secure"
        assert sorted(proof_steps(entry)) == sorted(steps)
    words = {"closest-encloser": "the closest encloser", "next-closer": "the next closer name", "name": "the name",
             "wildcard": "the wildcard"}
    acts = {"matches": "matches", "covers": "covers", "spans": "shows as an empty non-terminal"}
    show = resolver.command("cache", "show", name, *([] if found == "nxdomain" else [rdtype]))
    shown = resolver.command("cache", "show", name, "--json").stdout
    jsonschema.validate(json.loads(shown), SCHEMAS["cache-show"])
    kept = [e for e in json.loads(shown)["entries"] if e["kind"] == found and e.get("type", rdtype) == rdtype]
    assert kept[0]["validation"] == "secure" and sorted(proof_steps(kept[0])) == sorted(steps)
    for text in (flat(resolver.print(name, rdtype)), flat(show.stdout)):
        for _, act, subject, target in steps:
            assert f"{acts[act]} {words[subject]} {target}" in text, text


def test_where_the_chain_ends(resolver):
    for name, zone, reason, words in (
            ("www.plain.com", "plain.com.", "no-ds", "com. proves that the delegation plain.com. has no DS"),
            ("www.child.optout.com", "child.optout.com.", "opt-out",
             "child.optout.com. is in an opt-out span of optout.com."),
            ("www.unknown.com", "unknown.com.", "ds-algorithm",
             "no DS of unknown.com. has a supported algorithm (the first is algorithm 200)")):
        for _ in ("cold", "warm"):
            tree = resolver.explain(name)
            end = tree["trust"][-1]
            assert (end["zone"], end["status"], end["reason"]) == (zone, "insecure", reason)
            assert words in end["text"] and last_entry(tree)["validation"] == "insecure"
            assert tree["cause"]["kind"] == "answered"
            assert "It is insecure" in tree["cause"]["text"] and words in tree["cause"]["text"]
    plain = zones_of(resolver.explain("www.plain.com"))["plain.com."]
    assert proof_steps(plain) == [("NSEC", "matches", "name", "plain.com.")]
    text = flat(resolver.print("www.child.optout.com"))
    assert "covers the next closer name child.optout.com. (opt-out)" in text
    assert "closest encloser optout.com., which has" in text


def test_a_chain_of_names_has_each_zone_once(resolver):
    tree = resolver.explain("far.hashed.com")
    assert statuses(tree) == [(".", "secure"), ("com.", "secure"), ("hashed.com.", "secure"),
                              ("plain.com.", "insecure")]
    hits = [step for step in tree["steps"] if step["step"] == "cache" and step["found"] != "miss"]
    assert [hit["validation"] for hit in hits][-2:] == ["secure", "insecure"]
    assert "It is insecure" in tree["cause"]["text"]


@pytest.mark.parametrize("zone", ["digest.com.", "other.com.", "expired.com.", "forged.com."])
def test_the_first_broken_link(signed, resolver, zone):
    ksk, zsk = signed.tags[zone]
    words, ede, advice = {
        "digest.com.": (f"the DS of {zone} in com. names key {ksk} (ECDSAP256SHA256), but {zone} publishes a key {ksk} "
                        "with another SHA-256 digest", 9, "publish a key that the DS names"),
        "other.com.": (f"the DS of {zone} in com. names key {signed.tags['missing'][0]} (ECDSAP256SHA256); "
                       f"{zone} publishes {ksk}", 9, "publish a key that the DS names"),
        "expired.com.": (f"the signature of {zone} DNSKEY by {zone} (key {ksk}, ECDSAP256SHA256) expired on "
                         "2020-02-01 00:00:00 UTC", 7, "Check the clock"),
        "forged.com.": (f"the signature of www.{zone} A by {zone} (key {zsk}, ECDSAP256SHA256) does not match the data",
                        6, "may also be forged"),
    }[zone]
    resolver.command("cache", "flush", zone, "--subtree")
    for state in ("cold", "warm"):
        tree = resolver.explain(f"www.{zone}")
        assert (tree["queries"] == 0) == (state == "warm") and tree["answer"]["rcode"] == "SERVFAIL"
        assert tree["answer"]["extended-error"] == {"code": ede, "text": words}
        assert tree["cause"]["kind"] == "bogus" and words in tree["cause"]["text"] and advice in tree["cause"]["advice"]
        assert statuses(tree)[:2] == [(".", "secure"), ("com.", "secure")]
        if zone == "forged.com.":
            assert statuses(tree)[2] == (zone, "secure")
        else:
            assert (statuses(tree)[2], zones_of(tree)[zone]["text"]) == ((zone, "bogus"), words)
            assert {key["tag"] for key in zones_of(tree)[zone]["dnskey"]["records"]} == {ksk, zsk}
    entries = json.loads(resolver.command("cache", "show", f"www.{zone}", "A", "--json").stdout)["entries"]
    failure = [entry for entry in entries if entry["kind"] == "failure"]
    assert failure[0]["validation"] == "bogus" and failure[0]["text"] == words
    assert words in flat(resolver.print(f"www.{zone}"))


def test_a_negative_trust_anchor_is_named(signed, authd, tmp_path):
    anchors = "[expired.com, digest.com until 2099-01-01T00:00:00Z]"
    resolver = Validator(tmp_path / "here", authd, signed.ds["."], f", negative-trust-anchors: {anchors}")
    for name, until in (("expired.com.", ""), ("digest.com.", " until 2099-01-01T00:00:00.000Z")):
        for _ in ("cold", "warm"):
            tree = resolver.explain(f"www.{name}")
            assert tree["answer"]["rcode"] == "NOERROR" and tree["cause"]["kind"] == "answered"
            assert tree["trust"] == [{"zone": name, "status": "insecure", "reason": "negative-anchor",
                                      "text": f"the configuration has a negative trust anchor for {name}{until}"}]
            assert tree["trust"][0]["text"] in tree["cause"]["text"]
    resolver.stop()


def test_an_island_of_trust(signed, authd, tmp_path):
    """Only com has a trust anchor: what is above and beside it is insecure."""
    resolver = Validator(tmp_path / "here", authd, signed.ds["com."])
    tree = resolver.explain("www.hashed.com")
    assert statuses(tree) == [("com.", "secure"), ("hashed.com.", "secure")]
    assert last_entry(tree)["validation"] == "secure"
    tree = resolver.explain("nothing.example")
    assert tree["trust"][0]["reason"] == "no-anchor"
    assert "no trust anchor is configured at or above" in tree["cause"]["text"]
    resolver.stop()


def test_a_stub_zone_that_the_public_tree_lacks(signed, authd, tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    servers = lab.Authd(private, {"in.private.": SOA + "www A 192.0.2.1\n"})
    resolver = Validator(tmp_path / "here", authd, signed.ds["."],
                         top=f"stub-zones: [{{zone: in.private, servers: [127.0.0.1@{servers.port}]}}]\n")
    for _ in ("cold", "warm"):
        tree = resolver.explain("www.in.private")
        assert statuses(tree) == [(".", "secure"), ("in.private.", "insecure")]
        assert tree["trust"][1]["reason"] == "not-public" and ("NSEC", "covers", "name", "private.") in proof_steps(
            tree["trust"][1])
        assert "the public tree does not have it" in tree["cause"]["text"]
    resolver.stop()
    servers.stop()


def test_the_debug_log_names_what_was_validated(signed, resolver):
    resolver.command("cache", "flush", "forged.com", "--subtree")
    resolver.explain("nice.forged.com")
    resolver.explain("www.forged.com")
    ksk, zsk = signed.tags["forged.com."]
    by_zsk = f"signer=forged.com. tag={zsk} algorithm=ECDSAP256SHA256"
    for line in (f"validated secure name=nice.forged.com. type=A {by_zsk}\n",
                 f"validated bogus name=www.forged.com. type=A {by_zsk} reason=wrong-signature\n",
                 f"validated secure name=forged.com. type=DNSKEY signer=forged.com. tag={ksk} "):
        assert line in resolver.log()
