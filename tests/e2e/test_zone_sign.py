"""rootline zone sign: its zones are verified by ldns, BIND, Knot and rootline zone check, and validated by delv and
drill from rootline-authd."""
import itertools
import json
import os
import re
import stat

import dns.zone
import jsonschema
import pytest

import lab
import signing

ZONE = """$TTL 300
@ SOA ns h 7 3600 900 604800 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
www 60 TXT "x" ; comment
WWW A 192.0.2.22
a.ent A 192.0.2.3
*.w MX 10 Mail.Example.
sub NS ns.sub
ns.sub A 192.0.2.5
sub A 192.0.2.6 ; not authoritative
deep.ins.ent2 NS ns.sub
deep.both.ent3 NS ns.sub
own.both.ent3 A 192.0.2.7
safe NS Ns.Sub
safe DS 1 13 2 0c72ac70b745ac19998811b131d662c9ac69dbdbe7cb23e5b514b56664c5d3d6
d DNAME Target.Example.
long TXT """ + " ".join('"' + "\\200" * 250 + '"' for _ in range(12)) + """
\\000\\.odd\\@ TYPE65280 \\# 3 0a0b0c
"""
DENIALS = {"nsec": [], "nsec3": ["--nsec3"], "opt-out": ["--opt-out"]}
ALGORITHMS = {"ECDSAP256SHA256": 13, "ED25519": 15, "RSASHA256": 8}
TIME = ["--time", "2026-03-04T05:06:07Z"]
NOW = "2026-03-04T05:06:08Z"


def sign(folder, *options, origin="a.test", source="zone"):
    return lab.run(lab.ROOTLINE, "zone", "sign", origin, source, *options, cwd=folder)


def must_sign(folder, *options, **kw):
    done = sign(folder, "--json", *options, **kw)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    jsonschema.validate(result, lab.schema("zone-sign"))
    assert "zone" in result and done.stderr == "" and not [f for f in result["findings"] if f["level"] == "error"]
    return result


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "zone").write_text(ZONE)
    return tmp_path


OF_DNSSEC = ("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "ZONEMD", "CDS", "CDNSKEY")


def records(path, origin="a.test."):
    """The records of a file without those of DNSSEC, as dnspython reads them: {(name, type): (ttl, rdata)}."""
    zone = dns.zone.from_file(str(path), origin, relativize=False)
    return {(name.to_text().lower(), rdataset.rdtype): (rdataset.ttl, sorted(r.to_digestable() for r in rdataset))
            for name, node in zone.items() for rdataset in node
            if dns.rdatatype.to_text(rdataset.rdtype) not in OF_DNSSEC}


def verify(folder, name="zone.signed", origin="a.test.", at=None, is_csk=True, zonemd=False, knot=True, ldns=True):
    """Every verifier accepts the zone.  Knot 3.2 accepts no key without signatures, and none
    without the flag SEP as the only one."""
    path = folder / name
    done = lab.run(lab.ROOTLINE, "zone", "check", origin, path, "--crypto", *(["--at", at] if at else []))
    assert done.returncode == 0 and "warning" not in done.stdout, done.stdout + done.stderr
    stamp = [] if not at else [re.sub(r"\D", "", at)]
    if ldns:
        options = (["-t", *stamp] if stamp else []) + (["-Z", "-Z"] if zonemd else [])
        done = lab.run("ldns-verify-zone", "-V", "1", *options, path)
    assert done.returncode == 0, done.stdout + done.stderr
    if not at:
        done = lab.run("dnssec-verify", "-q", *(["-z"] if is_csk else []), "-o", origin, path)
        assert done.returncode == 0, done.stdout + done.stderr
        done = lab.run("kzonecheck", "-o", origin, path) if knot else done
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("denial, algorithm, split", itertools.product(DENIALS, ALGORITHMS, (False, True)))
def test_verifiers_accept(folder, denial, algorithm, split):
    lab.need("ldns-verify-zone", "dnssec-verify", "kzonecheck")
    keys = ["--algorithm", algorithm, *(["--split"] if split else [])]
    result = must_sign(folder, *DENIALS[denial], *keys, "--zonemd", "--cds")
    assert [key["algorithm"] for key in result["keys"]] == [ALGORITHMS[algorithm]] * (1 + split)
    assert sorted(key["role"] for key in result["keys"]) == (["KSK", "ZSK"] if split else ["CSK"])
    assert result["denial"] == denial and result["serial"] == 7 and result["zonemd"]
    verify(folder, is_csk=not split, zonemd=True)
    assert records(folder / "zone.signed") == records(folder / "zone")
    text = (folder / "zone.signed").read_text()
    # what is signed: nothing below a zone cut, and at the cut only DS and NSEC
    assert not re.search(r"^ns\.sub\.a\.test\. .* (RRSIG|NSEC) ", text, re.M)
    assert not re.search(r"^(sub|deep\.ins\.ent2)\.a\.test\. .* RRSIG (NS|A) ", text, re.M)
    assert re.search(r"^safe\.a\.test\. .* RRSIG DS ", text, re.M)
    cnt = len(re.findall(r" IN NSEC3? ", text))
    # apex, ns, www, a.ent, *.w, own.both.ent3, safe, d, long, odd; sub, 2 deep; empty: ent, w, ent2, ins, ent3, both
    assert cnt == {"nsec": 13, "nsec3": 19, "opt-out": 14}[denial]
    assert (" NSEC3PARAM 1 0 0 -" in text) == (denial != "nsec")
    if denial != "nsec":
        assert re.findall(r" NSEC3 1 (\d) 0 - ", text) == ["1" if denial == "opt-out" else "0"] * cnt
    # CDS and CDNSKEY are signed by the key that the DS names
    ksk = next(key["tag"] for key in result["keys"] if key["role"] != "ZSK")
    for rdtype in ("DNSKEY", "CDS", "CDNSKEY"):
        assert re.findall(rf" RRSIG {rdtype} \S+ 2 300 \d+ \d+ (\d+) ", text) == [str(ksk)]


def test_the_ds_is_that_of_the_parent(folder):
    lab.need("dnssec-dsfromkey")
    result = must_sign(folder, "--split", "--cds")
    ksk = next(key["file"] for key in result["keys"] if key["role"] == "KSK")
    done = lab.run("dnssec-dsfromkey", "-2", ksk + ".key", cwd=folder)
    assert done.stdout.split() == [word.upper() if n == 6 else word for n, word in enumerate(result["ds"][0].split())]
    cds = re.search(r" IN CDS (.*)", (folder / "zone.signed").read_text())[1]
    assert result["ds"] == [f"a.test. IN DS {cds}"]
    done = sign(folder)  # for people: keys and DS on stdout
    assert done.returncode == 0 and result["ds"][0] in done.stdout.splitlines() and done.stderr == ""


# ---- the same again ----

@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_input_gives_the_same_zone(folder, denial, algorithm):
    options = [*DENIALS[denial], "--zonemd", "--algorithm", algorithm, *TIME]
    result = must_sign(folder, *options)
    assert (result["inception"], result["expiration"]) == ("2026-03-04T04:06:07.000Z", "2026-04-03T05:06:07.000Z")
    first = (folder / "zone.signed").read_bytes()
    must_sign(folder, *options)
    assert (folder / "zone.signed").read_bytes() == first
    verify(folder, at=NOW, zonemd=True)
    # the signed zone signed again, and in between in another way
    for before in ([], ["--nsec3"], ["--opt-out"], []):
        must_sign(folder, *before, "--time", "2026-05-01T00:00:00Z", "--output", "other", source="zone.signed")
        must_sign(folder, *options, "--output", "again", source="other")
        assert (folder / "again").read_bytes() == first
        (folder / "zone.signed").write_bytes((folder / "other").read_bytes())


def test_many_names_in_several_threads(folder):
    """More RRsets than one thread takes at once, names of several zone cuts and empty non-terminals."""
    with open(folder / "zone", "a") as out:
        for n in range(400):
            out.write(f"h{n} A 192.0.2.{n % 250}\nx.e{n % 50}.t{n} NS ns.sub\n*.s{n}.e{n % 7} A 192.0.2.1\n")
    for denial, options in DENIALS.items():
        must_sign(folder, *options)
        verify(folder)


def test_serial_and_times(folder):
    for word, serial in (("keep", 7), ("increment", 8), ("unixtime", 1772600767), ("date", 2026030400)):
        assert must_sign(folder, *TIME, "--serial", word)["serial"] == serial
        assert f" SOA ns.a.test. h.a.test. {serial} " in (folder / "zone.signed").read_text()
    (folder / "zone").write_text(ZONE.replace("h 7 ", "h 2026030400 "))
    for word, serial in (("unixtime", 2026030401), ("date", 2026030401)):  # no step back
        assert must_sign(folder, *TIME, "--serial", word)["serial"] == serial
    must_sign(folder, *TIME, "--inception", "2026-01-01T00:00:00Z", "--expiration", "2026-06-01T00:00:00Z")
    text = (folder / "zone.signed").read_text()
    assert set(re.findall(r" RRSIG \S+ 13 \d \d+ (\d+ \d+) ", text)) == {"20260601000000 20260101000000"}
    done = sign(folder, *TIME, "--expiration", "2026-02-01T00:00:00Z", "--inception", "2026-01-01T00:00:00Z")
    assert done.returncode == 0 and "zone: warning: the signatures have already expired" in done.stderr
    done = sign(folder, *TIME, "--inception", "2026-03-05T00:00:00Z")
    assert done.returncode == 0 and "the signatures are not valid yet" in done.stderr


def test_ttls(folder):
    """The denial has the lower of the SOA's TTL and minimum (RFC 9077); an RRset has one TTL, the smallest."""
    (folder / "zone").write_text(ZONE.replace("604800 300\n", "604800 77\n").replace("WWW A", "WWW 33 A"))
    done = sign(folder, "--nsec3")
    assert done.returncode == 0 and "have different TTLs: the smallest is used" in done.stderr
    text = (folder / "zone.signed").read_text()
    assert set(re.findall(r" (\d+) IN NSEC3 ", text)) == {"77"}
    assert re.findall(r"(?i)^www\.a\.test\. (\d+) IN A ", text, re.M) == ["33", "33"]
    verify(folder)


# ---- served ----

@pytest.mark.parametrize("denial", DENIALS)
def test_delv_and_drill_validate(folder, denial):
    lab.need("delv", "drill")
    result = must_sign(folder, *DENIALS[denial], "--split")
    key = next(line for line in signing.read_keys(folder / "zone.signed") if "\t257 " in line)
    key = key.split("\t")[4].split(";")[0].split()
    anchor = f'"a.test" static-key {" ".join(key[:3])} "{"".join(key[3:])}"'
    (folder / "anchor").write_text(f"trust-anchors {{ {anchor}; }};\n")
    (folder / "ds").write_text(result["ds"][0] + "\n")
    place = folder / "authd"
    place.mkdir()
    authd = lab.Authd(place, {"a.test.": folder / "zone.signed"})
    try:
        for name, rdtype, answer in (("www", "A", "192.0.2.22"), ("www", "TXT", '"x"'), ("x.w", "MX", "mail.example"),
                                     ("@", "DNSKEY", "257"), ("www", "MX", "ncache nxrrset"),
                                     ("nothing", "A", "ncache nxdomain"), ("ent", "A", "ncache nxrrset"),
                                     ("x.w", "A", "ncache nxrrset"), ("safe", "DS", "1 13 2 0c72"),
                                     ("sub", "DS", "ncache nxrrset"),
                                     ("below.d", "A", "DNAME")):
            name = "a.test" if name == "@" else f"{name}.a.test"
            done = lab.run("delv", "@127.0.0.1", "-p", authd.port, "-a", folder / "anchor", "+root=a.test", name,
                           rdtype)
            text = (done.stdout + done.stderr).lower()
            # the proof may rest on a span in which unsigned delegations hide (RFC 5155 12.2)
            may_be_insecure = (denial == "opt-out" and (answer.startswith("ncache") or name.startswith("x.w"))
                               and "unsigned answer" in text)
            assert "fully validated" in text or may_be_insecure, f"{name} {rdtype}: {text}"
            assert answer.lower() in text or answer == "DNAME", f"{name} {rdtype}: {text}"
        done = lab.run("drill", "-p", authd.port, "-D", "-k", folder / "ds", "-S", "www.a.test", "@127.0.0.1",
                       cwd=folder)
        assert "Chase successful" in done.stdout, done.stdout
    finally:
        authd.stop()


def test_the_root_zone(tmp_path):
    """The root zone of 2021, signed by others, signed anew."""
    source = lab.need_shared("data/root-2021-05-19.zone")
    lines = [line.split() for line in source.read_text().splitlines()]
    (tmp_path / "root").write_text("".join(" ".join(words) + "\n" for words in lines if words[3:4] != ["DNSKEY"]))
    for options in ([], ["--nsec3"]):
        result = must_sign(tmp_path, "--zonemd", *options, origin=".", source="root")
        assert re.fullmatch(r"\./K\.\+013\+\d{5}", result["keys"][0]["file"])
        verify(tmp_path, "root.signed", ".", zonemd=True, ldns=not options)  # ldns takes minutes for so many NSEC3
    assert records(tmp_path / "root.signed", ".") == records(tmp_path / "root", ".")


# ---- keys ----

def keygen(folder, *options, origin="a.test"):
    done = lab.run("dnssec-keygen", "-q", "-K", folder, *options, origin)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_private_keys_are_private(folder):
    (folder / "keys").mkdir()
    old = os.umask(0)
    try:
        must_sign(folder, "--keys", "keys", "--split")
    finally:
        os.umask(old)
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in (folder / "keys").iterdir()}
    assert modes == {".key": 0o644, ".private": 0o600} and len(list((folder / "keys").iterdir())) == 4
    before = {path.name: path.read_bytes() for path in (folder / "keys").iterdir()}
    result = must_sign(folder, "--keys", "keys")  # they are used again
    assert [key["new"] for key in result["keys"]] == [False, False]
    assert {path.name: path.read_bytes() for path in (folder / "keys").iterdir()} == before


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_takes_our_keys_and_we_take_those_of_bind_and_ldns(folder, algorithm):
    lab.need("dnssec-keygen", "dnssec-signzone", "ldns-keygen", "ldns-signzone")
    for kind in ("ours", "bind", "ldns"):
        (folder / kind).mkdir()
    ours = must_sign(folder, "--algorithm", algorithm, "--keys", "ours", "--split")
    done = lab.run("dnssec-signzone", "-S", "-K", folder / "ours", "-o", "a.test", "-f", folder / "by-bind",
                   folder / "zone", cwd=folder)
    assert done.returncode == 0, done.stderr
    verify(folder, "by-bind", is_csk=False, knot=False)
    assert set(signing.read_keys(folder / "by-bind")) == set(signing.read_keys(folder / "zone.signed"))
    done = lab.run("ldns-signzone", "-o", "a.test", "-f", "by-ldns", "zone", *[key["file"] for key in ours["keys"]],
                   cwd=folder)
    assert done.returncode == 0, done.stderr
    verify(folder, "by-ldns", is_csk=False, knot=False)
    size = ["-b", "1024"] if algorithm == "RSASHA256" else []
    keygen(folder / "bind", "-a", algorithm, *size)
    keygen(folder / "bind", "-a", algorithm, *size, "-f", "KSK", "-L", "123")
    assert sorted(key["role"] for key in must_sign(folder, "--keys", "bind", "--output", "b")["keys"]) == ["KSK", "ZSK"]
    assert re.search(r"^a\.test\. 123 IN DNSKEY ", (folder / "b").read_text(), re.M)
    verify(folder, "b", is_csk=False)
    done = lab.run("ldns-keygen", "-a", algorithm, *size, "a.test", cwd=folder / "ldns")
    assert done.returncode == 0, done.stderr
    assert [key["role"] for key in must_sign(folder, "--keys", "ldns", "--output", "l")["keys"]] == ["CSK"]
    verify(folder, "l", knot=False)


def test_a_zone_with_two_algorithms(folder):
    """An algorithm rollover: all RRsets are signed with both (RFC 4035 2.2)."""
    lab.need("dnssec-keygen")
    must_sign(folder)
    keygen(folder, "-a", "RSASHA256")
    keygen(folder, "-a", "RSASHA256", "-f", "KSK")
    assert len(must_sign(folder, "--zonemd")["ds"]) == 2
    verify(folder, zonemd=True)
    text = (folder / "zone.signed").read_text()
    assert len(re.findall(r" RRSIG \S+ 8 ", text)) == len(re.findall(r" RRSIG \S+ 13 ", text)) > 10


def test_times_of_keys(folder):
    lab.need("dnssec-keygen")
    future, past = "20400101000000", "20200101000000"
    active = keygen(folder, "-a", "13", "-f", "KSK")
    standby = keygen(folder, "-a", "13", "-P", past, "-A", future)
    unpublished = keygen(folder, "-a", "13", "-P", future, "-A", future)
    deleted = keygen(folder, "-a", "13", "-P", past, "-A", past, "-D", past)
    retired = keygen(folder, "-a", "13", "-P", past, "-A", past, "-I", past)
    (folder / "zone").write_text(ZONE + "".join((folder / f"{name}.key").read_text() for name in (active, deleted)))
    roles = {key["file"][2:]: key["role"] for key in must_sign(folder)["keys"]}
    assert roles == {active: "CSK", standby: "-", unpublished: "-", deleted: "-", retired: "-"}
    tags = {int(line.split("id = ")[1].split()[0].rstrip(",")) for line in signing.read_keys(folder / "zone.signed")}
    assert tags == {int(name[-5:]) for name in (active, standby, retired)}
    verify(folder, knot=False)
    roles = {key["file"][2:]: key["role"] for key in must_sign(folder, "--time", "2041-01-01T00:00:00Z")["keys"]}
    assert roles == {active: "KSK", standby: "ZSK", unpublished: "ZSK", deleted: "-", retired: "-"}


def test_a_revoked_key_signs_only_the_keys(folder):
    lab.need("dnssec-keygen", "dnssec-revoke")
    must_sign(folder)
    old = keygen(folder, "-a", "13", "-f", "KSK")
    done = lab.run("dnssec-revoke", "-r", "-K", folder, old)
    assert done.returncode == 0, done.stderr
    result = must_sign(folder, "--cds")
    revoked = next(key for key in result["keys"] if key["role"] == "KSK")
    assert len(result["ds"]) == 1 and len(result["keys"]) == 2
    text = (folder / "zone.signed").read_text()
    assert re.findall(rf" RRSIG (\S+) 13 \d \d+ \d+ \d+ {revoked['tag']} ", text) == ["DNSKEY"]
    verify(folder, knot=False)


# ---- faults ----

def expect(folder, fault, *options, **kw):
    """One error with its place on stderr, exit 1, no output; with --json the same among the findings."""
    files = set(os.listdir(folder))
    done = sign(folder, *options, **kw)
    assert done.returncode == 1 and done.stdout == "", done.stdout
    assert len(re.findall("error: ", done.stderr)) == 1, done.stderr
    assert re.search(fault, done.stderr), done.stderr
    assert set(os.listdir(folder)) == files
    done = sign(folder, "--json", *options, **kw)
    assert done.returncode == 1 and done.stderr == "", done.stderr
    result = json.loads(done.stdout)
    jsonschema.validate(result, lab.schema("zone-sign"))
    assert result.keys() == {"findings"} and re.search(fault.split("error: ")[1], result["findings"][-1]["message"])


def test_faults_in_the_zone(folder):
    """No key is made for a zone that cannot be signed."""
    (folder / "zone").write_text(ZONE + "bad A 192.0.2.256\n")
    expect(folder, r"zone:\d+:7: error: expected an IPv4 address")
    (folder / "zone").write_text(ZONE + "www CNAME x\n")
    done = sign(folder)
    assert done.returncode == 1 and re.search(r"zone:\d+:\d+: error: .* has a CNAME", done.stderr)
    (folder / "zone").write_text("$TTL 5\n@ NS ns\nns A 192.0.2.1\n")
    assert "the zone has no SOA" in sign(folder).stderr
    (folder / "zone").write_text("")
    assert "the zone has no SOA" in sign(folder).stderr
    expect(folder, "absent: error: there is no such file", source="absent")
    (folder / "zone").write_text(
        ZONE + "@ DNSKEY 256 3 8 AwEAAcw5QLr0IjC0wKbGoBPQv4qmeqHy9mvL5qGQTuaG5TSrNqEAR6b/qvxDx6my4JmEmjUPA1JeEI9Y"
        "fTUieMr2UZflu7aIbZFLw0vqiYrywCGr\n")
    must_sign_error = sign(folder).stderr
    assert re.search(r"DNSKEY \d+ of algorithm 8, but no key of this algorithm", must_sign_error)


def test_faults_of_keys(folder):
    lab.need("dnssec-keygen")
    expect(folder, "keys: error: there is no such folder", "--keys", "keys")
    expect(folder, "zone: error: Not a directory", "--keys", "zone")
    key = folder / keygen(folder, "-a", "13")
    private, record = folder / f"{key.name}.private", folder / f"{key.name}.key"
    text, line = private.read_text(), record.read_text()
    other = folder / "other"
    other.mkdir()
    foreign = (other / (keygen(other, "-a", "13") + ".private")).read_text()
    for change, fault in (("", "does not begin with"), (text.replace("v1.3", "v2.0"), "does not begin with"),
                          (text.replace("Algorithm: 13", "Algorithm: 14"), "algorithm 14 cannot sign"),
                          (text.replace("Algorithm", "algorithm"), 'no field "Algorithm"'),
                          (re.sub("PrivateKey: .*", "PrivateKey: AAAA", text), "no private key of algorithm 13"),
                          (re.sub("PrivateKey: .*", "PrivateKey: " + "A" * 43 + "=", text),
                           "no private key of algorithm 13"),
                          (re.sub("PrivateKey: .*", "PrivateKey: ????" + "A" * 39 + "=", text),
                           "no private key of algorithm 13"),
                          (text.replace("PrivateKey", "PublicKey"), "missing or no private key"),
                          (foreign, "not the private key of the DNSKEY"), (text + "\0", "does not begin with")):
        private.write_text(change)
        expect(folder, rf"{re.escape(private.name)}: error: .*{fault}")
    private.write_text(text)
    for change, fault in (("", "does not have a DNSKEY"),
                          (line.replace("a.test.", "b.test."), "does not have a DNSKEY"),
                          (line.replace(" 3 13 ", " 3 13 !"), "base64|DNSKEY"),
                          (line.replace(" 256 ", " 0 "), r"not a zone key"),
                          (line.replace(" 256 ", " 258 "), "algorithm and tag in the name")):
        record.write_text(change)
        expect(folder, rf"{re.escape(key.name)}\.(key|private): error: .*({fault})")
    record.write_text(line)
    private.chmod(0o666)
    expect(folder, r"\.private: error: every user may write it")
    private.chmod(0o644)
    done = sign(folder)
    assert done.returncode == 0 and "warning: every user can read this private key: chmod 600" in done.stderr
    private.unlink()
    expect(folder, r"\.private: error: there is no such file")
    record.unlink()
    (folder / "zone.signed").unlink()
    for kind, size in (("Modulus", 128), ("Prime1", 64), ("PrivateExponent", 128)):
        place = folder / kind
        place.mkdir()
        name = keygen(place, "-a", "8", "-b", "1024")
        bad = place / f"{name}.private"
        bad.write_text(re.sub(f"{kind}: .*", f"{kind}: " + "A" * 170 + "E=", bad.read_text()))
        expect(folder, r"\.private: error: .*no private key of algorithm 8", "--keys", kind)


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"),
                    reason="root may read and write everything")
def test_permissions(folder):
    must_sign(folder)
    (folder / "zone.signed").unlink()
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    path = folder
    while path != path.parent and os.geteuid() == 0:  # the other user has to get here
        path.chmod(0o755)
        path = path.parent
        if str(path) == "/tmp":
            break
    done = lab.run(*drop, lab.ROOTLINE, "zone", "sign", "a.test", "zone", cwd=folder)
    assert done.returncode == 1 and re.search(r"\.private: error: permission denied", done.stderr), done.stderr
    (folder / "empty").mkdir()
    (folder / "empty").chmod(0o555)
    done = lab.run(*drop, lab.ROOTLINE, "zone", "sign", "a.test", "zone", "--keys", "empty", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert re.search(r"empty/Ka\.test\.\+013\+\d+\.private: error: Permission denied", done.stderr), done.stderr


def test_outputs(folder):
    (folder / "main").write_text(ZONE + "$INCLUDE part\n")
    (folder / "part").write_text("more A 192.0.2.77\n")
    must_sign(folder, *TIME)
    for output in ("main", "part", "./part"):
        expect(folder, "error: the output would replace a file that was read", "--output", output, source="main")
    (folder / "link").symlink_to("main")
    expect(folder, "error: the output would replace a file that was read", "--output", "link", source="main")
    must_sign(folder, "--output", "link", "--overwrite", source="main")
    assert (folder / "link").is_symlink() and " RRSIG " in (folder / "main").read_text()
    verify(folder, "main")
    must_sign(folder, "--output", "main", "--overwrite", source="main")
    expect(folder, "error: the output is not a regular file", "--output", "/dev/null")
    expect(folder, "error: the output is not a regular file", "--output", ".")
    expect(folder, "error: No such file or directory", "--output", "absent/zone")
    done = sign(folder, *TIME, "--output", "-")
    must_sign(folder, *TIME)
    assert done.returncode == 0 and done.stdout == (folder / "zone.signed").read_text() and " IN DS " in done.stderr
    assert not [name for name in os.listdir(folder) if name.endswith(".new")]


@pytest.mark.parametrize("options, fault", [
    (["--time", "yesterday"], "is not a time such as"),
    (["--inception", "2026-01-01"], "is not a time such as"),
    (["--time", "2026-01-01T00:00:00Z", "--expiration", "2025-01-01T00:00:00Z"], "must be after the inception"),
    (["--serial", "more"], "is not keep, increment"),
    (["--algorithm", "14"], "is not ECDSAP256SHA256"),
    (["--algorithm", "RSASHA1"], "is not ECDSAP256SHA256"),
    (["--unknown"], "^usage: "),
    (["--keys"], "^usage: "),
    (["--json", "--output", "-"], "^usage: "),
])
def test_wrong_usage(folder, options, fault):
    done = sign(folder, *options)
    assert done.returncode == 2 and re.search(fault, done.stderr) and done.stdout == "", done.stderr
    assert os.listdir(folder) == ["zone"]


def test_wrong_origin(folder):
    assert sign(folder, origin="a..test").returncode == 2
    done = sign(folder, origin="b.test")  # the names are relative
    assert done.returncode == 0
    labels = ".".join(["x" * 60] * 3 + ["y" * 40])
    (folder / "zone").write_text(f"$TTL 5\n@ SOA . . 1 2 3 4 5\n@ NS .\n")
    done = sign(folder, "--nsec3", origin=labels)
    assert done.returncode == 1 and "too long for NSEC3" in done.stderr
    assert sign(folder, origin=labels).returncode == 0


def test_names_of_key_files(folder):
    """As BIND names them: lower case, and octets that a file name should not have as %XX."""
    lab.need("dnssec-keygen")
    (folder / "zone").write_text("$TTL 5\n@ SOA . . 1 2 3 4 5\n@ NS .\n")
    name = keygen(folder, "-a", "13", origin="0/25.2.0.192.In-Addr.Arpa")
    result = must_sign(folder, origin="0/25.2.0.192.in-addr.arpa")
    assert [key["file"] for key in result["keys"]] == [f"./{name}"] and not result["keys"][0]["new"]
