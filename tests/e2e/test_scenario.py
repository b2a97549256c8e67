"""The replay scenarios, and a check that the player notices altered answers."""
import collections

import pytest

import lab

GROUPS = ["iterator-basic", "lame-failure-retry", "scrub-spoof-bailiwick", "ttl-cache", "qname-minimisation",
          "cname-dname", "forward-stub", "limits-malformed", "svcb", "prefetch", "serve-stale", "validator-basic",
          "validator-bogus-single-fault", "validator-retry-blacklist", "nsec-denial", "nsec3", "wildcard",
          "ds-insecure-delegation", "algorithms-anchors", "key-sentinel", "real-world", "aggressive-nsec",
          "autotrust-rfc5011"]
PLAY = lab.BUILD / "tests/play"


def load():
    """Return the folder, and {file: group} of the plain scenarios of GROUPS; all of RFC 5011, which are not plain."""
    folder = lab.need_shared("scenarios/index.tsv").parent
    found = {}
    for line in (folder / "index.tsv").read_text().splitlines():
        name, group, kind = (line.split("\t") + ["", ""])[:3]
        if group in GROUPS and (kind == "plain" or group == "autotrust-rfc5011"):
            found[name] = group
    return folder, found


def exceptions(minimise):
    """Return the files that exceptions.tsv lists for plays with this option."""
    rows = (lab.SOURCE / "tests/scenario/exceptions.tsv").read_text().splitlines()
    fields = [row.split("\t") for row in rows if not row.startswith("#")]
    other = "minimise off:" if minimise == "on" else "minimise on:"
    return {name for _, name, reason in fields if not reason.startswith(other)}


def play(folder, files, *options):
    done = lab.run(PLAY, *options, *files, cwd=folder, timeout=600)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    verdicts = [line for line in done.stdout.splitlines() if line[:5] in ("pass\t", "FAIL\t")]
    return {line.split("\t")[1]: line for line in verdicts}, done.stdout


@pytest.mark.parametrize("minimise", ["on", "off"])
@pytest.mark.parametrize("store", ["memory", "lmdb"])
def test_scenarios_pass_unless_excepted(minimise, store, tmp_path, monkeypatch):
    """Each scenario passes, with and without minimisation, on both stores; only those of exceptions.tsv fail."""
    if store == "lmdb":
        monkeypatch.setenv("STAGE_STORE", str(tmp_path))
    folder, files = load()
    assert len(files) >= 200
    results, _ = play(folder, files, "--minimise", minimise)
    assert (tmp_path / "cache.mdb").exists() == (store == "lmdb")
    assert set(results) == set(files)
    allowed = exceptions(minimise)
    counts = collections.Counter((group, results[name].startswith("pass")) for name, group in files.items())
    for group in GROUPS:
        print(f"{group}: {counts[group, True]} of {counts[group, True] + counts[group, False]}")
    failed = [results[name] for name in files if results[name].startswith("FAIL") and name not in allowed]
    assert not failed, "\n".join(failed)
    stale = [name for name in allowed if results.get(name, "").startswith("pass")]
    assert not stale, f"exceptions that pass: {stale}"


def test_player_notices_altered_answers():
    """The player alters each expected answer in turn; at least 99 in 100 of these scenarios fail."""
    folder, files = load()
    _, out = play(folder, [name for name in files if "badraw" not in name], "--alter")
    words = out.splitlines()[-1].split("\t")
    altered, failed = int(words[1]), int(words[3])
    print(out.splitlines()[-1])
    assert altered > 800 and failed >= 0.99 * altered, out


def test_no_scenario_crashes_the_player():
    """All scenarios, also those of missing features, get a verdict; no sanitizer reports a fault."""
    folder, _ = load()
    lines = (folder / "index.tsv").read_text().splitlines()
    files = [line.split("\t")[0] for line in lines if not line.startswith("#")]
    results, _ = play(folder, files)
    assert len(results) == len(files)
