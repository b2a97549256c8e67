"""rootline zone check on real files: those of nsd's and BIND's own tests, and the root zone."""
import concurrent.futures
import json
import os
import re
import resource

import pytest

import lab

# Errors of the rules of a whole zone; all other errors are about the syntax of a file.
WHOLE_ZONE = re.compile(r"the zone has no (SOA|NS) at|a second SOA|a SOA below the apex|has a CNAME \(line|"
                        r"has more than one|data below|is not in the zone|exceeds the largest DNS message")


def expected():
    table = lab.need_shared("data/zonefiles/expected.tsv")
    for line in table.read_text().splitlines():
        if not line.startswith("#"):
            file, origin, verdict = line.split("\t")
            # some origins of the table end in two dots, which is not a name
            yield table.parent / file, origin.rstrip(".") + ".", verdict


def check(case):
    file, origin, verdict = case
    done = lab.run(lab.ROOTLINE, "zone", "check", origin, file, timeout=120)
    errors = re.findall(r" error: (.*)", done.stderr)
    if done.returncode not in (0, 1) or "Sanitizer" in done.stderr or (done.returncode == 1) != bool(errors):
        return f"{file}: exit {done.returncode}\n{done.stderr}"
    if verdict == "loads" and errors:
        return f"{file} should load: {errors[:3]}"
    if verdict == "rejected" and not errors:
        return f"{file} should be rejected"
    syntax = [e for e in errors if not WHOLE_ZONE.search(e)]
    if verdict == "parses" and syntax:
        return f"{file} should be read: {syntax[:3]}"
    return None


def test_the_peers_zone_files():
    cases = list(expected())
    assert len(cases) > 300
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [w for w in pool.map(check, cases) if w]
    counts = {v: sum(c[2] == v for c in cases) for v in ("loads", "parses", "rejected")}
    print(f"\n{counts}")
    assert not wrong, "\n".join(wrong)


def test_the_root_zone(tmp_path):
    root = lab.need_shared("data/root-2021-05-19.zone")
    done = lab.run(lab.ROOTLINE, "zone", "check", ".", root, "--at", "2021-05-25T00:00:00Z")
    assert done.returncode == 0 and "21353 records" in done.stdout and done.stderr == ""
    server = lab.Authd(tmp_path, {".": root})
    try:
        answer = server.ask(".", "SOA")
        assert answer.answer[0][0].serial == 2021051901
        referral = server.ask("www.example.com", "A")
        assert not referral.answer and len(referral.authority[0]) == 13
        assert sum(len(s) for s in referral.additional) == 26
        assert server.ask("no-such-tld", "A").rcode() == 3
        assert len(server.ask("com", "DS").answer[0]) == 1
        assert len(server.ask(".", "DNSKEY", tcp=True).answer[0]) >= 2
    finally:
        server.stop()


def test_includes(tmp_path):
    (tmp_path / "main.zone").write_text("$TTL 5\n$ORIGIN a.test.\n@ SOA ns h 1 2 3 4 5\n  NS ns\nns A 192.0.2.1\n"
                                        "$INCLUDE sub/part.inc  other\n  TXT \"still ns\"\nlast A 192.0.2.9\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/part.inc").write_text("x A 192.0.2.2\n$ORIGIN deep.other.a.test.\ny A 192.0.2.3\n"
                                           "$INCLUDE more.inc\n")
    (tmp_path / "sub/more.inc").write_text("z A 192.0.2.4\n")
    server = lab.Authd(tmp_path, {"a.test": tmp_path / "main.zone"})
    try:
        for name in ("x.other.a.test", "y.deep.other.a.test", "z.deep.other.a.test", "last.a.test"):
            assert server.ask(name).answer, name
        assert server.ask("ns.a.test", "TXT").answer
    finally:
        server.stop()


@pytest.mark.parametrize("text, expected", [
    ("$INCLUDE loop.zone\n", "loop.zone:1:10: error: .*includes itself"),
    ("$INCLUDE a.inc\n", r"a.inc:1:3: error: expected an IPv4|a.inc:1:5: error: expected an IPv4"),
    ("$INCLUDE /\n", "it is not a regular text file"),
])
def test_faults_in_includes(tmp_path, text, expected):
    (tmp_path / "loop.zone").write_text(text)
    (tmp_path / "a.inc").write_text("q A 1.2.3\n")
    done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "loop.zone")
    assert done.returncode == 1 and re.search(expected, done.stderr), done.stderr


def test_exponential_includes_are_stopped(tmp_path):
    for depth in range(9):
        (tmp_path / f"{depth}").write_text(f"$INCLUDE {depth + 1}\n" * 8)
    (tmp_path / "9").write_text("")
    done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "0")
    assert done.returncode == 1 and "too many files or too much text" in done.stderr


def test_terminal_bytes_are_made_harmless(tmp_path):
    (tmp_path / "z").write_bytes(b"a60 \x1b[31mFOO \xc2\x9b1m\n$\x1b]0;x\x07\n")
    done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "z")
    assert done.returncode == 1 and "\x1b" not in done.stderr and "\x9b" not in done.stderr


def test_no_memory_is_reported(tmp_path):
    """No finding tells that memory ran out: the cause is on stderr, with --json too, and also after other errors."""
    (tmp_path / "z").write_text("a A 192.0.2.1\n" * 2000000)
    (tmp_path / "errors").write_text("a A 1.2.3\n" + "a A 192.0.2.1\n" * 2000000)
    # a limit of the address space is no use: the sanitizer maps terabytes
    if b"__asan_init" in lab.ROOTLINE.read_bytes():
        limit = {"env": {**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1:max_allocation_size_mb=32"}}
    else:
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20))}
    for options in ([], ["--json"]):
        done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "z", *options, **limit)
        assert done.returncode == 1 and f"{tmp_path / 'z'}: out of memory" in done.stderr.splitlines(), done.stderr
        assert done.stdout.split() == (["[]"] if options else [])
    done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "errors", "--json", **limit)
    assert done.returncode == 1 and f"{tmp_path / 'errors'}: out of memory" in done.stderr.splitlines(), done.stderr
    assert [one["line"] for one in json.loads(done.stdout)] == [1]


def test_200000_errors(tmp_path):
    (tmp_path / "z").write_text("a A 1.2.3\n" * 200000)
    done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "z", timeout=60)
    assert done.returncode == 1 and "and 199" in done.stderr


def test_many_records_with_one_target(tmp_path):
    """zone_check must not read all records of an owner for every record whose target it is."""
    (tmp_path / "z").write_text("$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
                                "$GENERATE 1-3500 big TXT $\n$GENERATE 1-200000 mx$ MX 10 big\n")
    done = lab.run(lab.ROOTLINE, "zone", "check", "a.test", tmp_path / "z", timeout=60)
    assert done.returncode == 0, done.stderr
