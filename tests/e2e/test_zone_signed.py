"""rootline zone check on signed zones: correct zones pass, and each fault is reported at its line."""
import re

import pytest

import lab
import signing

ZONE = """$TTL 300
@ SOA ns h 1 3600 900 604800 300
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
www TXT "x"
a.ent A 192.0.2.3
*.w A 192.0.2.4
sub NS ns.sub
ns.sub A 192.0.2.5
safe NS ns.sub
safe DS 1 13 2 0c72ac70b745ac19998811b131d662c9ac69dbdbe7cb23e5b514b56664c5d3d6
"""


def check(path, *options):
    return lab.run(lab.ROOTLINE, "zone", "check", "a.test", path, *options)


@pytest.fixture(scope="module", params=["nsec", "nsec3", "optout", "ldns-nsec", "ldns-nsec3", "ldns-zonemd"])
def signed(request, tmp_path_factory):
    lab.need("dnssec-signzone", "ldns-signzone")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "plain").write_text("$ORIGIN a.test.\n" + ZONE)
    signers = {**signing.SIGNERS, "ldns-zonemd": (signing.sign_ldns, ["-z", "sha384"])}
    sign, options = signers[request.param]
    path = sign(folder, "a.test.", folder / "plain", *options)
    lines = lab.run("ldns-read-zone", path).stdout.splitlines()  # one record per line
    return request.param, folder, [line for line in lines if line and not line.startswith(";")]


def write(folder, lines):
    path = folder / "changed"
    path.write_text("\n".join(lines) + "\n")
    return path


def find(lines, pattern):
    return next(n for n, line in enumerate(lines) if re.search(pattern, line))


def test_correct_zones_pass(signed):
    _, folder, lines = signed
    for options in ([], ["--crypto"]):
        done = check(write(folder, lines), *options)
        assert done.returncode == 0, done.stdout + done.stderr
    for at, fault in (("2040-01-01T00:00:00Z", "expired on"), ("2001-01-01T00:00:00Z", "is not valid before")):
        done = check(write(folder, lines), "--at", at, "--crypto")
        assert done.returncode == 1 and re.search("error: .*" + fault, done.stderr)
        done = check(write(folder, lines), "--at", at)  # the zone can still be served
        assert done.returncode == 0 and re.search("warning: .*" + fault, done.stderr)


def expect(folder, lines, fault):
    done = check(write(folder, lines), "--crypto")
    assert done.returncode == 1 and re.search(fault, done.stderr), done.stdout + done.stderr
    assert re.search(r"changed:\d+:\d+: error: ", done.stderr), done.stderr


def test_a_missing_signature(signed):
    _, folder, lines = signed
    n = find(lines, r"^www\.a\.test\.\s.*RRSIG\s+TXT")
    expect(folder, lines[:n] + lines[n + 1:], r"www\.a\.test\. TXT is not signed")


def test_only_verification_finds_a_changed_record(signed):
    kind, folder, lines = signed
    n = find(lines, r"^www\.a\.test\.\s.*\sA\s")
    changed = lines[:n] + [lines[n].replace("192.0.2.2", "192.0.2.200")] + lines[n + 1:]
    done = check(write(folder, changed))
    if kind == "ldns-zonemd":
        assert "does not match the digest of this ZONEMD" in done.stderr
    else:
        assert "warning: the sig" not in done.stderr
    assert done.returncode == 0, done.stderr
    expect(folder, changed, r"the signature of www\.a\.test\. A does not verify")


def test_a_wrong_ttl(signed):
    _, folder, lines = signed
    n = find(lines, r"^www\.a\.test\.\s.*\sA\s")
    expect(folder, lines[:n] + [lines[n].replace("300", "301", 1)] + lines[n + 1:], "the signature is for a TTL of 300")


def test_a_name_missing_in_the_chain(signed):
    kind, folder, lines = signed
    if "nsec3" in kind or kind == "optout":
        n = find(lines, r"\sNSEC3\s.*\sA TXT RRSIG")
        owner = lines[n].split()[0]
        expect(folder, [line for line in lines if not line.startswith(owner)], r"www\.a\.test\. has no NSEC3")
    else:
        gone = [n for n, line in enumerate(lines) if re.match(r"www\.a\.test\.\s.*\s(RRSIG\s+)?NSEC\s", line)]
        assert len(gone) == 2
        expect(folder, [line for n, line in enumerate(lines) if n not in gone], r"www\.a\.test\. has no NSEC")


def test_a_type_missing_in_the_bitmap(signed):
    _, folder, lines = signed
    n = find(lines, r"\sNSEC3?\s.*\sA TXT RRSIG")
    expect(folder, lines[:n] + [lines[n].replace("A TXT", "A")] + lines[n + 1:], "the type bitmap lacks TXT")
    expect(folder, lines[:n] + [lines[n].replace("A TXT", "A MX TXT")] + lines[n + 1:], "the type bitmap lists MX")


def test_a_wrong_next_name(signed):
    kind, folder, lines = signed
    n = find(lines, r"\sNSEC3?\s.*\sA TXT RRSIG")
    if "nsec3" in kind or kind == "optout":
        words = lines[n].split()
        at = words.index("NSEC3") + 5
        words[at] = ("1" if words[at][0] != "1" else "2") + words[at][1:]
        expect(folder, lines[:n] + [" ".join(words)] + lines[n + 1:], "NSEC3 does not name the next hash")
    else:
        changed = re.sub(r"\sNSEC\s+\S+", "\tNSEC\tzz.a.test.", lines[n])
        expect(folder, lines[:n] + [changed] + lines[n + 1:], r"NSEC says that the next name is zz\.a\.test\.")


def test_a_missing_key(signed):
    _, folder, lines = signed
    kept = [line for line in lines if not re.search(r"\sDNSKEY\s+257\s", line)]
    expect(folder, kept, "DNSKEY is not signed with|does not verify|not signed")
    none = [line for line in lines if not re.search(r"\sDNSKEY\s", line)]
    done = check(write(folder, none), "--crypto")
    assert done.returncode == 1 and "no DNSKEY" in done.stderr


def test_the_root_zone_of_2021():
    path = lab.need_shared("data/root-2021-05-19.zone")
    done = lab.run(lab.ROOTLINE, "zone", "check", ".", path, "--crypto", "--at", "2021-05-25T00:00:00Z")
    assert done.returncode == 0, done.stderr[-2000:]
    done = lab.run(lab.ROOTLINE, "zone", "check", ".", path)
    assert done.returncode == 0 and "expired on 2021-06" in done.stderr


def test_too_many_iterations(tmp_path):
    (tmp_path / "z").write_text(ZONE + "@ NSEC3PARAM 1 0 151 -\n")
    done = check(tmp_path / "z")
    assert done.returncode == 1 and "151 iterations" in done.stderr


def test_too_many_rrsets_at_one_name(tmp_path):
    types = [n for n in range(300, 1400)]
    (tmp_path / "z").write_text(ZONE + "".join(f"www TYPE{n} \\# 1 00\n" for n in types))
    done = check(tmp_path / "z")
    assert done.returncode == 1 and "more than 1000 RRsets" in done.stderr
