"""Signed zones for the tests, by the signers of BIND and ldns and by our own."""
import shutil

import lab

DATA = lab.SOURCE / "tests/data/differential"


def make_keys(folder, origin):
    for flags in ([], ["-f", "KSK"]):
        done = lab.run("dnssec-keygen", "-q", "-K", folder, "-a", "ECDSAP256SHA256", *flags, origin)
        assert done.returncode == 0, done.stderr


def sign_bind(folder, origin, source, *options):
    make_keys(folder, origin)
    signed = folder / f"{origin}signed"
    done = lab.run("dnssec-signzone", "-S", "-K", folder, "-d", folder, "-o", origin, "-O", "full", "-f", signed,
                   *options, source)
    assert done.returncode == 0, done.stderr
    return signed


def sign_ldns(folder, origin, source, *options):
    keys = []
    for flag in ([], ["-k"]):
        done = lab.run("ldns-keygen", "-a", "ECDSAP256SHA256", *flag, origin, cwd=folder)
        assert done.returncode == 0, done.stderr
        keys.append(done.stdout.strip())
    signed = folder / f"{origin}signed"
    done = lab.run("ldns-signzone", "-o", origin, "-f", signed, *options, source, *keys, cwd=folder)
    assert done.returncode == 0, done.stderr
    return signed


def sign_rootline(folder, origin, source, *options):
    signed = folder / f"{origin}signed"
    done = lab.run(lab.ROOTLINE, "zone", "sign", origin, source, "--keys", folder, "--output", signed, *options)
    assert done.returncode == 0, done.stderr
    return signed


def sign_text(folder, origin, text, *options):
    """Sign a zone given as text by `rootline zone sign`; return the signed file, and the zone's DS records as lines."""
    source = folder / f"{origin}zone"
    source.write_text(text)
    signed = folder / f"{origin}signed"
    done = lab.run(lab.ROOTLINE, "zone", "sign", origin, source, "--keys", folder, "--output", signed, *options,
                   timeout=300)
    assert done.returncode == 0, done.stderr
    return signed, "".join(line + "\n" for line in done.stdout.splitlines() if " IN DS " in line)


SIGNERS = {
    "nsec": (sign_bind, []),
    "nsec3": (sign_bind, ["-3", "-"]),
    "optout": (sign_bind, ["-3", "aabb", "-H", "5", "-A"]),
    "ldns-nsec": (sign_ldns, []),
    "ldns-nsec3": (sign_ldns, ["-n", "-t", "1", "-s", "beef"]),
    "rootline-nsec": (sign_rootline, []),
    "rootline-optout": (sign_rootline, ["--opt-out", "--split"]),
}


def make_zones(kind, folder):
    """Return {name: signed file} of a kind: the zones of the differential test, or the root zone of 2021.

    The kind "root-resigned" is the root zone with new keys, whose signatures have not expired.
    """
    lab.need("dnssec-signzone", "ldns-signzone")
    if kind == "root":
        return {".": lab.need_shared("data/root-2021-05-19.zone")}
    if kind == "root-resigned":
        source = folder / "root.unsigned"
        text = lab.need_shared("data/root-2021-05-19.zone").read_text()
        source.write_text("".join(line + "\n" for line in text.splitlines()
                                  if line.split()[3:4] not in (["RRSIG"], ["NSEC"], ["DNSKEY"])))
        return {".": sign_ldns(folder, ".", source)}
    sign, options = SIGNERS[kind]
    zones = {}
    for origin in ("example.", "served.", "child.served."):
        source = folder / f"{origin}zone"
        shutil.copy(DATA / source.name, source)
        zones[origin] = sign(folder, origin, source, *options)
    return zones


KINDS = [*SIGNERS, "root"]


def read_keys(path):
    """Return the DNSKEY records of a signed zone file, as text."""
    done = lab.run("ldns-read-zone", "-z", path)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if "\tDNSKEY\t" in line]
