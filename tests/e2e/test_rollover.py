"""RFC 5011: the resolver learns the next key of the root over months, and trusts it when the first one is gone."""
import re
import signal
import time

import pytest

import lab

ZONE = """$TTL 3600
. SOA ns. host. 1 7200 1800 86400 300
. NS ns.
ns. A 127.0.0.53
www. A 192.0.2.1
"""
TIMES = ["--time", "2026-01-01T00:00:00Z", "--expiration", "2027-01-01T00:00:00Z"]


def sign(folder, keys):
    """Sign the root with the keys of a folder, which are made if there are none."""
    (folder / keys).mkdir(exist_ok=True)
    done = lab.run(lab.ROOTLINE, "zone", "sign", ".", "root.zone", "--keys", keys, "--output", f"{keys}.signed", *TIMES,
                   cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root.zone").write_text(ZONE)
    sign(tmp_path, "old")
    sign(tmp_path, "new")
    (tmp_path / "both").mkdir()
    for keys in ("old", "new"):
        for file in (tmp_path / keys).iterdir():
            (tmp_path / "both" / file.name).write_bytes(file.read_bytes())
    sign(tmp_path, "both")
    (tmp_path / "anchor").write_text("".join(f.read_text() for f in (tmp_path / "old").glob("*.key")))
    (tmp_path / "hints").write_text(". 3600 NS ns.\nns. 3600 A 127.0.0.53\n")
    (tmp_path / "cache").mkdir()
    return tmp_path


class Edit:
    """Local data that the configuration file gets after the resolver has read it, and before it has learned a key."""
    TEXT = "local-data: [edited. A 192.0.2.9]\n"

    def __init__(self, root, port, authd, resolver):
        self.port, self.resolver = port, resolver
        with open(root / "resolver.yaml", "a") as file:
            file.write(self.TEXT)
        authd.process.send_signal(signal.SIGCONT)

    def is_active(self):
        return "192.0.2.9" in lab.run("dig", "@127.0.0.1", "-p", self.port, "edited.", "A", "+tries=1").stdout

    def check(self):
        """It is active after a reload only."""
        self.resolver.wait_for("renewed: trust anchors")
        assert not self.is_active()
        self.resolver.process.send_signal(signal.SIGHUP)
        self.resolver.wait_for("reloaded: ")
        assert self.is_active()


def live(root, keys, date, is_learning=True, is_edited=False):
    """Run both daemons at a date and ask for www.; return dig's text and the states of the keys afterwards."""
    servers, port = lab.free_port(), lab.free_port()
    (root / "authd.yaml").write_text(f'server: {{listen: [127.0.0.53@{servers}], control: "", clock: {date}}}\n'
                                     f"zones: [{{zone: ., file: {keys}.signed}}]\n")
    (root / "resolver.yaml").write_text(
        f"server: {{listen: [127.0.0.1@{port}], control: \"\", workers: 1, clock: {date}}}\nallow: [127.0.0.0/8]\n"
        f"cache: {{directory: cache, size: 16M}}\nresolver: {{root-hints: hints, trust-anchor: anchor, ipv6: false, "
        f"outgoing-port: {servers}, do-not-query: []}}\n")
    authd = lab.Server([lab.BUILD / "rootline-authd", "-c", root / "authd.yaml"], root / "authd.log")
    authd.started(authd.wait_for, "ready on")
    if is_edited:  # queries wait in its socket
        authd.process.send_signal(signal.SIGSTOP)
    resolver = lab.Server([lab.BUILD / "rootline-resolver", "-c", root / "resolver.yaml"], root / "resolver.log")
    resolver.started(resolver.wait_for, "ready on")
    edit = Edit(root, port, authd, resolver) if is_edited else None
    end = time.monotonic() + 60
    while is_learning and f"checked {date[:-1]}" not in state(root):
        assert time.monotonic() < end, state(root) + resolver.log()
        time.sleep(0.05)
    if edit:
        edit.check()
    text = lab.run("dig", "@127.0.0.1", "-p", port, "www.", "A", "+ad", "+tries=1").stdout
    resolver.stop()
    authd.stop()
    return text, re.findall(r"^(pending|valid|missing|revoked|removed) ", state(root), re.M)


def state(root):
    path = root / "cache/trust-anchors"
    return path.read_text() if path.exists() else ""


def is_secure(text):
    return "NOERROR" in text and re.search(r"flags: qr rd ra ad;", text) is not None


def test_a_new_key_is_trusted_after_thirty_days(root):
    for keys, date, want in (("old", "2026-02-01", ["valid"]), ("both", "2026-02-02", ["valid", "pending"]),
                             ("both", "2026-02-20", ["valid", "pending"]), ("both", "2026-03-06", ["valid", "valid"]),
                             ("new", "2026-03-10", ["missing", "valid"])):
        text, states = live(root, keys, f"{date}T00:00:00Z")
        assert is_secure(text) and states == want, (date, text, states)
        log = (root / "resolver.log").read_text()
        assert log.count("renewed: trust anchors") == (date == "2026-03-06"), log  # only when another key is trusted
        assert "reload" not in log


def test_a_new_key_does_not_reload_the_configuration(root):
    for keys, date in (("old", "2026-02-01"), ("both", "2026-02-02")):
        live(root, keys, f"{date}T00:00:00Z")
    text, states = live(root, "both", "2026-03-06T00:00:00Z", is_edited=True)
    assert is_secure(text) and states == ["valid", "valid"], text


def test_a_key_that_was_not_announced_is_bogus(root):
    live(root, "old", "2026-02-01T00:00:00Z")
    text, states = live(root, "new", "2026-02-03T00:00:00Z", is_learning=False)  # what was cached has expired
    assert "SERVFAIL" in text and "names key" in text and states == ["valid"], text


def test_a_damaged_state_is_not_used(root):
    live(root, "old", "2026-02-01T00:00:00Z")
    (root / "cache/trust-anchors").write_text("version 1\nzone . nonsense\n")
    text, states = live(root, "old", "2026-02-02T00:00:00Z")
    assert is_secure(text) and states == ["valid"]
    assert re.search(r"trust-anchors:2:\d+: ", (root / "resolver.log").read_text())
