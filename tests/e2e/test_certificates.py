"""Certificates: creation, choice by name, renewal; designated resolvers; and forwarding over TLS."""
import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import jsonschema
import pytest

import encrypted
import internet
import lab

ZONE = "$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.80\n"


def openssl(*args):
    done = lab.run("openssl", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def get_fingerprint(listeners, port=None, name=encrypted.NAME):
    """The fingerprint of the certificate that a client gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with listeners.connect(port or listeners.tls, context=context, server_name=name) as s:
        return hashlib.sha256(s.getpeercert(True)).hexdigest()


def fingerprint_of(path):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


def wait_until(call, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if call():
            return
        time.sleep(0.05)
    raise AssertionError("the expected state was not reached in time")


# ---- rootline certificate make ----

def test_make(tmp_path):
    folder = encrypted.certificate(tmp_path / "new", "dns.test", "192.0.2.1", "2001:db8::1", "*.dns.test")
    text = openssl("x509", "-in", folder / "cert.pem", "-noout", "-text")
    assert "DNS:dns.test, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:*.dns.test" in text
    assert "TLS Web Server Authentication" in text and "CA:FALSE" in text
    openssl("verify", "-x509_strict", "-CAfile", folder / "ca.pem", "-verify_hostname", "dns.test", folder / "cert.pem")
    modes = [oct((folder / f).stat().st_mode & 0o777) for f in ("ca.key", "key.pem", "ca.pem", "cert.pem")]
    assert modes == ["0o600", "0o600", "0o644", "0o644"]
    before = [(folder / f).read_bytes() for f in ("ca.pem", "ca.key", "cert.pem", "key.pem")]
    encrypted.certificate(folder)  # renewal, by the same CA
    after = [(folder / f).read_bytes() for f in ("ca.pem", "ca.key", "cert.pem", "key.pem")]
    assert before[:2] == after[:2] and before[2] != after[2] and before[3] != after[3]
    assert not list(folder.glob("*.new"))


def test_make_as_json(tmp_path):
    done = lab.run(lab.ROOTLINE, "certificate", "make", "dns.test", "192.0.2.1", "--directory", tmp_path, "--json")
    made = json.loads(done.stdout)
    jsonschema.validate(made, lab.schema("certificate"))
    assert made["names"] == ["dns.test", "192.0.2.1"]
    assert all(Path(made[key]).exists() for key in ("ca", "certificate", "key"))


def test_make_overwrites_no_other_certificate(tmp_path):
    other = encrypted.certificate(tmp_path / "other")
    folder = encrypted.certificate(tmp_path / "mine")
    shutil.copy(other / "cert.pem", folder / "cert.pem")
    done = lab.run(lab.ROOTLINE, "certificate", "make", "dns.test", "--directory", folder)
    assert done.returncode == 1 and "was not issued by its ca.pem" in done.stderr
    assert (folder / "cert.pem").read_bytes() == (other / "cert.pem").read_bytes()
    (folder / "ca.key").write_text("x")
    assert lab.run(lab.ROOTLINE, "certificate", "make", "dns.test", "--directory", folder).returncode == 1
    for args, status in ((["no name"], 1), (["a_b.test"], 1), (["dns.test", "--days", "0"], 2),
                         (["dns.test", "--days", "x"], 2), (["--what"], 2)):
        done = lab.run(lab.ROOTLINE, "certificate", "make", *args, "--directory", tmp_path / "none")
        assert done.returncode == status, args
    assert lab.run(lab.ROOTLINE, "certificate", "show").returncode == 2


# ---- configuration ----

def check(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(f"server:\n  listen: [127.0.0.1@5300]\n{text}zones: []\n")
    return lab.run(lab.ROOTLINE, "check", path)


def test_configuration_errors(tmp_path):
    good, other = encrypted.certificate(tmp_path / "good"), encrypted.certificate(tmp_path / "other")
    openssl("ec", "-in", good / "key.pem", "-aes128", "-passout", "pass:x", "-out", tmp_path / "locked.pem")
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "cut.pem").write_text((good / "cert.pem").read_text() + (good / "ca.pem").read_text()[:200] + "\n")

    def pair(cert, key):
        return f"  tls-certificate: {cert}\n  tls-key: {key}\n"

    cases = [
        ("  listen-tls: [127.0.0.1]\n", "listen-tls needs tls-certificate"),
        ("  listen-https: [127.0.0.1]\n", "listen-https needs tls-certificate"),
        (f"  tls-certificate: {good}/cert.pem\n", "tls-certificate needs tls-key"),
        (f"  tls-key: {good}/key.pem\n", "tls-certificate is missing"),
        (pair("nowhere.pem", good / "key.pem"), "nowhere.pem: there is no such file"),
        (pair(good / "key.pem", good / "key.pem"), "no certificate in it"),
        (pair(good / "cert.pem", good / "cert.pem"), "no private key in it"),
        (pair(good / "cert.pem", other / "key.pem"), "does not match the certificate"),
        (pair(good / "cert.pem", tmp_path / "locked.pem"), "without a passphrase"),
        (pair(tmp_path / "empty.pem", good / "key.pem"), "no certificate in it"),
        (pair(tmp_path / "cut.pem", good / "key.pem"), "is damaged"), (pair(tmp_path, good / "key.pem"), str(tmp_path)),
        ("  https-path: dns\n", "expected a path"), ("  https-path: /a?b\n", "expected a path"),
        ("  trusted-proxies: [x]\n", "trusted-proxies"),
        (pair(good / "cert.pem", good / "key.pem") + "  listen-tls: [127.0.0.1@5300]\n",
         "127.0.0.1@5300 is listed twice"),
    ]
    for text, words in cases:
        done = check(tmp_path, text)
        assert done.returncode == 1 and words in done.stderr, (text, done.stderr)
        assert "c.yaml:" in done.stderr
    assert check(tmp_path, pair(good / "cert.pem", good / "key.pem") + "  listen-tls: [127.0.0.1]\n").returncode == 0


@pytest.mark.parametrize("mode, words", [(0o600, ""), (0o640, ""), (0o660, ""),
                                         (0o644, "every user may read it: chmod o-r"),
                                         (0o622, "every user may write it"), (0o666, "every user may write it")])
def test_permissions_of_keys(tmp_path, mode, words):
    made = encrypted.certificate(tmp_path / "made")
    more = encrypted.certificate(tmp_path / "more")
    for key in (made / "key.pem", more / "key.pem"):
        (made / "key.pem").chmod(0o600)
        (more / "key.pem").chmod(0o600)
        key.chmod(mode)
        done = check(tmp_path, f"  tls-certificate: {made}/cert.pem\n  tls-key: {made}/key.pem\n"
                               f"  more-certificates: [{{certificate: {more}/cert.pem, key: {more}/key.pem}}]\n"
                               "  listen-tls: [127.0.0.1]\n")
        assert done.returncode == (1 if mode & 2 else 0)
        assert (f"{key}: {words}" in done.stderr) if words else done.stderr == ""


def test_renewed_key_with_wrong_permissions(served, tmp_path):
    server, listeners = served
    before = get_fingerprint(listeners)
    new = encrypted.certificate(tmp_path / "new")
    (new / "key.pem").chmod(0o666)
    for name in ("key.pem", "cert.pem", "ca.pem"):
        os.replace(new / name, listeners.folder / name)
    server.wait_for("cannot load the changed certificates: ")
    assert "every user may write it" in server.log() and get_fingerprint(listeners) == before
    (listeners.folder / "key.pem").chmod(0o644)
    os.utime(listeners.folder / "key.pem")
    server.wait_for("every user may read it: chmod o-r")
    assert get_fingerprint(listeners) != before


def test_start_without_certificate(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("server:\n  listen: [127.0.0.1@5300]\n  listen-tls: [127.0.0.1@5853]\nzones: []\n")
    done = lab.run(lab.AUTHD, "-c", path)
    assert done.returncode == 1 and "listen-tls needs tls-certificate" in done.stderr


# ---- choice by name ----

def test_by_name(tmp_path):
    listeners = encrypted.Listeners(tmp_path)
    more = encrypted.certificate(tmp_path / "more", "second.test", "*.third.test")
    extra = f"  more-certificates: [{{certificate: {more}/cert.pem, key: {more}/key.pem}}]\n"
    server = lab.Authd(tmp_path, {"a.test": ZONE}, extra=listeners.extra + extra)
    try:
        first, second = fingerprint_of(listeners.folder / "cert.pem"), fingerprint_of(more / "cert.pem")
        for name, wanted in ((encrypted.NAME, first), ("second.test", second), ("x.third.test", second),
                             ("SECOND.test", second), ("third.test", first), ("unknown.test", first), (None, first),
                             ("127.0.0.1", first)):
            for port in (listeners.tls, listeners.https):
                assert get_fingerprint(listeners, port, name) == wanted, name
    finally:
        server.stop()


# ---- renewal ----

@pytest.fixture(params=["", "tsan"])
def served(request, tmp_path):
    listeners = encrypted.Listeners(tmp_path)
    server = lab.Authd(tmp_path, {"a.test": ZONE}, extra=listeners.extra + "  workers: 4\n",
                       build=lab.choose_build(request.param))
    server.socket = tmp_path / "authd.sock"
    yield server, listeners
    server.stop()
    assert "ThreadSanitizer" not in server.log()


def test_renewed_certificate_is_loaded(served, tmp_path):
    server, listeners = served
    before = get_fingerprint(listeners)
    encrypted.certificate(listeners.folder)
    wait_until(lambda: get_fingerprint(listeners) != before)
    assert get_fingerprint(listeners) == fingerprint_of(listeners.folder / "cert.pem")
    server.wait_for("loaded: for dns.test", count=2)


def test_malformed_certificate_is_rejected(served, tmp_path):
    server, listeners = served
    cert, key = listeners.folder / "cert.pem", listeners.folder / "key.pem"
    before, good = get_fingerprint(listeners), cert.read_text()
    other = encrypted.certificate(tmp_path / "other")
    for n, text in enumerate(("rubbish", "", (other / "cert.pem").read_text())):
        (tmp_path / "next").write_text(text)
        (tmp_path / "next").rename(cert)  # atomically: half a file would be rejected too
        server.wait_for("cannot load the changed certificates", count=n + 1)
        assert get_fingerprint(listeners) == before
    cert.unlink()
    server.wait_for("cannot load the changed certificates", count=4)
    time.sleep(2.5)
    assert get_fingerprint(listeners) == before
    assert server.log().count("cannot load the changed") == 4, "reported repeatedly"
    # a key that is written a moment after its certificate is no error
    cert.write_text((other / "cert.pem").read_text())
    key.write_text((other / "key.pem").read_text())
    wait_until(lambda: get_fingerprint(listeners) == fingerprint_of(other / "cert.pem"))
    cert.write_text(good)
    status = lab.run(lab.ROOTLINE, "status", "--socket", server.socket)
    assert "for dns.test, until" in status.stdout and "days)" in status.stdout, status.stdout


def test_unreadable_files():
    """A daemon that has given up root and cannot read the folder warns once, and keeps its certificates on a reload."""
    if os.geteuid() != 0:
        pytest.skip("changing the user requires root")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        listeners = encrypted.Listeners(folder)
        listeners.folder.chmod(0o700)
        (folder / "a.test.zone").write_text(ZONE)
        server = lab.Authd(folder, {"a.test": folder / "a.test.zone"}, extra=listeners.extra + "  user: nobody\n")
        try:
            before = get_fingerprint(listeners)
            server.wait_for("a renewed certificate takes effect after a restart")
            server.process.send_signal(1)
            server.wait_for("reloaded: ")
            time.sleep(2.5)
            assert get_fingerprint(listeners) == before
            assert server.log().count("takes effect after a restart") == 1, server.log()
            assert "cannot load the changed" not in server.log()
            assert "the current certificates stay in use" in server.log()
        finally:
            server.stop()


def test_ten_renewals_under_load(served):
    """Requests over old and new connections: none fails."""
    server, listeners = served
    stop, failed, done, seen = threading.Event(), [], [0, 0], set()
    lock = threading.Lock()

    def run(fresh, https):
        context = listeners.context("h2" if https else "dot")
        wire = encrypted.make_query("www.a.test")
        s = client = None
        while not stop.is_set():
            try:
                if s is None:
                    s = listeners.connect(listeners.https if https else listeners.tls, context=context)
                    client = encrypted.Http2(s) if https else None
                    with lock:
                        seen.add(hashlib.sha256(s.getpeercert(True)).hexdigest())
                if https:
                    stream = client.ask(wire)
                    client.wait(len(client.done) + 1)
                    answer = client.answers[stream]["data"]
                else:
                    s.sendall(encrypted.frame(wire))
                    answer = encrypted.read_frame(s)
                assert dns.message.from_wire(answer).answer
                done[fresh] += 1
                if fresh:
                    s.close()
                    s = None
            except Exception as error:
                failed.append(repr(error))
                s = None

    threads = [threading.Thread(target=run, args=(fresh, https)) for fresh in (0, 1) for https in (0, 1)]
    for t in threads:
        t.start()
    try:
        for n in range(10):
            encrypted.certificate(listeners.folder)
            wait_until(lambda: get_fingerprint(listeners) == fingerprint_of(listeners.folder / "cert.pem"))
            wait_until(lambda: fingerprint_of(listeners.folder / "cert.pem") in seen, 60)  # by a client
            if n % 3 == 0:
                server.process.send_signal(1)  # SIGHUP: a reload, too
                server.wait_for("reloaded: ", count=n // 3 + 1)
            time.sleep(0.2)
    finally:
        stop.set()
        for t in threads:
            t.join(20)
    assert not failed, failed[:5]
    assert min(done) > 50 and len(seen) >= 10, (done, len(seen))


def test_expiry_is_reported(tmp_path):
    """The log and the status report a certificate in the last fifth of its lifetime, and an expired one."""
    listeners = encrypted.Listeners(tmp_path)
    encrypted.certificate(listeners.folder, days=1)
    for clock, words in ((None, None), (20 * 3600, "expires on"), (30 * 3600, "expired on")):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + clock)) if clock else ""
        server = lab.Authd(tmp_path, {"a.test": ZONE}, extra=listeners.extra + (f'  clock: "{at}"\n' if at else ""))
        try:
            if words:
                server.wait_for(f"cert.pem {words}")
            else:
                time.sleep(1.5)
                assert "renew it" not in server.log()
            text = lab.run(lab.ROOTLINE, "status", "--socket", tmp_path / "authd.sock").stdout
            assert ("EXPIRED" in text) == (words == "expired on"), text
        finally:
            server.stop()


# ---- designated resolvers (RFC 9462) ----

@pytest.mark.parametrize("names, listen, wanted", [
    (("dns.test", "127.0.0.1"), "127.0.0.1", True), (("dns.test", "127.0.0.9"), "127.0.0.1", False),
    (("127.0.0.1",), "127.0.0.1", False),
    (("dns.test", "127.0.0.1"), "0.0.0.0", True)])
def test_designated_resolvers(class_net, tmp_path, names, listen, wanted):
    listeners = encrypted.Listeners(tmp_path, address=listen)
    encrypted.certificate(listeners.folder, *names)
    resolver = internet.ClassResolver(tmp_path / "resolver", class_net, extra=listeners.extra,
                                      top='forward-zones: [{zone: ".", servers: [127.0.0.1@9]}]\n')
    try:
        def ask(name="_dns.resolver.arpa", rdtype="SVCB"):
            return dns.query.udp(dns.message.make_query(name, rdtype), "127.0.0.1", port=resolver.port, timeout=5)

        answer = ask()
        text = sorted(r.to_text() for rrset in answer.answer for r in rrset)
        assert answer.rcode() == 0
        if not wanted:
            assert text == [] and answer.authority[0].rdtype == dns.rdatatype.SOA
        else:
            assert len(text) == 2
            assert text[0].startswith("1 dns.test. ") and 'alpn="h2"' in text[0]
            assert f'port="{listeners.https}"' in text[0]
            assert 'ipv4hint="127.0.0.1"' in text[0] and 'key7="/dns-query{?dns}"' in text[0]
            assert text[1].startswith("2 dns.test. ") and 'alpn="dot"' in text[1]
            assert f'port="{listeners.tls}"' in text[1]
        assert ask(rdtype="A").rcode() == 0 and not ask(rdtype="A").answer
        assert ask("x.resolver.arpa").rcode() == dns.rcode.NXDOMAIN
        if listen == "127.0.0.1" and wanted:  # the new certificate does not have the address
            encrypted.certificate(listeners.folder, "dns.test", "127.0.0.9")
            wait_until(lambda: not ask().answer)
    finally:
        resolver.stop()


def test_resolver_arpa_cannot_be_forwarded(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("server: {listen: [127.0.0.1@5300]}\n"
                    "forward-zones: [{zone: resolver.arpa, servers: [127.0.0.1]}]\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1 and "resolver.arpa. cannot be forwarded" in done.stderr


# ---- TLS to forwarders ----

class Forwarder:
    """An authd in the role of the resolver that queries are forwarded to."""

    def __init__(self, tmp):
        self.listeners = encrypted.Listeners(tmp)
        self.server = lab.Authd(tmp, {"a.test": ZONE + "$GENERATE 1-200 n$ A 10.0.0.1\n"}, extra=self.listeners.extra)
        der = openssl("x509", "-in", self.listeners.folder / "cert.pem", "-noout", "-pubkey")
        key = base64.b64decode("".join(der.split("-----")[2].split()))
        self.pin = base64.b64encode(hashlib.sha256(key).digest()).decode()

    def handshakes(self):
        text = lab.run(lab.ROOTLINE, "status", "--socket", self.server.conf.parent / "authd.sock", "--json").stdout
        tls = json.loads(text)["tls"]
        return tls["handshakes"], tls["resumed"]


@pytest.fixture(scope="module")
def forwarder(tmp_path_factory):
    f = Forwarder(tmp_path_factory.mktemp("forwarder"))
    yield f
    f.server.stop()


def ask_through(tmp_path, class_net, line, names=("www.a.test",), between=None, wait=8):
    resolver = internet.ClassResolver(tmp_path / "resolver", class_net,
                                      top=f"forward-zones: [{{zone: a.test, {line}}}]\n")
    try:
        answers = []
        for name in names:
            if between:
                between()
            query = dns.message.make_query(name, "A", use_edns=0)
            answers.append(dns.query.udp(query, "127.0.0.1", port=resolver.port, timeout=wait))
        return answers, resolver.command("explain", names[0], "A", "--no-cache").stdout
    finally:
        resolver.stop()


@pytest.mark.parametrize("trust", ["name", "pin", "both"])
def test_forward_over_tls(tmp_path, class_net, forwarder, trust):
    l = forwarder.listeners
    line = f"servers: [127.0.0.1@{l.tls}], tls-ca: {l.ca}"
    line += f", tls: {encrypted.NAME}" if trust != "pin" else ""
    line += f', tls-pins: ["{forwarder.pin}"]' if trust != "name" else ""
    before = forwarder.handshakes()[0]
    answers, tree = ask_through(tmp_path, class_net, line, [f"n{n}.a.test" for n in range(1, 51)])
    assert all(a.rcode() == 0 and a.answer for a in answers)
    assert forwarder.handshakes()[0] - before <= 2, "more than one connection per worker"
    assert "over TLS" in tree, tree


def test_forwarding_by_four_workers(tmp_path, class_net, forwarder):
    """With ThreadSanitizer: workers share tickets, and reloads load the CA again."""
    l = forwarder.listeners
    line = f"servers: [127.0.0.1@{l.tls}], tls: {encrypted.NAME}, tls-ca: {l.ca}"
    resolver = internet.ClassResolver(tmp_path / "resolver", class_net, build=lab.choose_build("tsan"), workers=4,
                                      extra="", top=f"forward-zones: [{{zone: a.test, {line}}}]\n")
    failed = []

    def run(first):
        for n in range(first, first + 40):
            query = dns.message.make_query(f"n{n}.a.test", "A")
            answer = dns.query.udp(query, "127.0.0.1", port=resolver.port, timeout=20)
            if not answer.answer:
                failed.append(answer.to_text())

    try:
        threads = [threading.Thread(target=run, args=(first,)) for first in (1, 41, 81, 121)]
        for t in threads:
            t.start()
        for n in range(5):
            resolver.process.send_signal(1)
            resolver.wait_for("reloaded: ", count=n + 1)
        for t in threads:
            t.join(60)
        assert not failed, failed[:3]
    finally:
        resolver.stop()
    assert "ThreadSanitizer" not in resolver.log()


def test_resumption(tmp_path, class_net, forwarder):
    """A connection is closed after five idle seconds; the next one uses a ticket."""
    l = forwarder.listeners
    before = forwarder.handshakes()
    line = f"servers: [127.0.0.1@{l.tls}], tls-ca: {l.ca}, tls: {encrypted.NAME}"
    answers, _ = ask_through(tmp_path, class_net, line, ["n60.a.test", "n61.a.test"],
                             between=lambda: time.sleep(6.5) if forwarder.handshakes() != before else None)
    after = forwarder.handshakes()
    assert all(a.answer for a in answers) and after[0] - before[0] >= 2 and after[1] - before[1] >= 1


@pytest.mark.parametrize("line, why", [
    ("tls: other.test, tls-ca: CA", "hostname mismatch"),
    (f"tls: {encrypted.NAME}", "unable to get local issuer certificate"),
    ('tls-pins: ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]', "matches no pin"),
    (f'tls: {encrypted.NAME}, tls-ca: CA, tls-pins: ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]',
     "matches no pin"),
    (f"tls: {encrypted.NAME}, tls-ca: CA, CLEAR", "closed the TCP connection")])
def test_no_query_without_authentication(tmp_path, class_net, forwarder, line, why):
    """A server that is not authenticated, or does not support TLS, gets no query."""
    l = forwarder.listeners
    port = forwarder.server.port if "CLEAR" in line else l.tls
    if "AAAA" in line:
        line = line.replace("CA,", f"{l.ca},")
    else:
        line = line.replace(", CLEAR", "").replace("CA", str(l.ca))
    answers, tree = ask_through(tmp_path, class_net, f"servers: [127.0.0.1@{port}], {line}", wait=20)
    unwrapped = " ".join(tree.replace("│", " ").split())
    assert answers[0].rcode() == dns.rcode.SERVFAIL and why in unwrapped, tree


def test_tls_fallback(tmp_path, class_net):
    """Without a TLS listener queries fail; with tls-fallback they go to port 53 of the same address."""
    if os.geteuid() != 0:
        pytest.skip("port 53 requires root")
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.zone").write_text(ZONE)
    (folder / "c.yaml").write_text('server: {listen: [127.77.1.1], control: ""}\n'
                                   "zones: [{zone: a.test, file: a.zone}]\n")
    plain = lab.Server([lab.AUTHD, "-c", folder / "c.yaml"], folder / "log")
    plain.started(plain.wait_for, "ready on ")
    try:
        ca = encrypted.certificate(tmp_path / "tls") / "ca.pem"
        line = f"servers: [127.77.1.1@853], tls: {encrypted.NAME}, tls-ca: {ca}"
        answers, tree = ask_through(tmp_path / "no", class_net, line)
        assert answers[0].rcode() == dns.rcode.SERVFAIL
        answers, tree = ask_through(tmp_path / "yes", class_net, line + ", tls-fallback: true")
        assert answers[0].answer and "asked again without TLS" in tree, tree
    finally:
        plain.stop()


class OneAnswer(threading.Thread):
    """A DoT server that answers one query per connection, reads the next and closes; `read` counts queries."""

    def __init__(self, listeners):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.read = self.socket.getsockname()[1], 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(listeners.folder / "cert.pem", listeners.folder / "key.pem")
        self.context.set_alpn_protocols(["dot"])
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                raw = self.socket.accept()[0]
                with (contextlib.suppress(OSError, EOFError, ssl.SSLError),
                      self.context.wrap_socket(raw, server_side=True) as s):
                    query = dns.message.from_wire(encrypted.read_frame(s))
                    self.read += 1
                    answer = dns.message.make_response(query)
                    answer.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", "192.0.2.80"))
                    s.sendall(encrypted.frame(answer.to_wire()))
                    encrypted.read_frame(s)
                    self.read += 1


def test_closed_connection(tmp_path, class_net, forwarder):
    """A query on a connection that the server closes is sent once more, over a new one: no SERVFAIL, and no plain
    text."""
    server = OneAnswer(forwarder.listeners)
    try:
        line = (f"servers: [127.0.0.1@{server.port}], tls: {encrypted.NAME}, tls-ca: {forwarder.listeners.ca}, "
                "tls-fallback: true")
        answers, _ = ask_through(tmp_path, class_net, line, [f"n{n}.a.test" for n in range(10)])
        assert all(a.answer for a in answers) and server.read >= 18
    finally:
        server.socket.close()


def test_queries_of_a_lost_connection_share_one(tmp_path, class_net, forwarder):
    """Many queries of a closed connection share one new connection, also if the server is not authenticated."""
    class NoAnswer(OneAnswer):
        def run(self):
            self.connections = 0
            with contextlib.suppress(OSError):
                while True:
                    raw = self.socket.accept()[0]
                    self.connections += 1
                    with (contextlib.suppress(OSError, EOFError, ssl.SSLError),
                          self.context.wrap_socket(raw, server_side=True) as s):
                        encrypted.read_frame(s)
                        time.sleep(0.5)  # the other queries arrive

    for name, most in ((encrypted.NAME, 12), ("other.test", 12)):
        server = NoAnswer(forwarder.listeners)
        line = f"servers: [127.0.0.1@{server.port}], tls: {name}, tls-ca: {forwarder.listeners.ca}"
        resolver = internet.ClassResolver(tmp_path / name, class_net,
                                          top=f"forward-zones: [{{zone: a.test, {line}}}]\n")
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(20)
                for n in range(50):
                    s.sendto(encrypted.make_query(f"n{n}.a.test", number=n, flags=0x100), ("127.0.0.1", resolver.port))
                for n in range(50):
                    assert dns.message.from_wire(s.recv(4096)).rcode() == dns.rcode.SERVFAIL
            assert server.connections <= most, server.connections
        finally:
            resolver.stop()
            server.socket.close()


def test_a_forwarder_without_a_route(tmp_path, class_net, forwarder):
    l = forwarder.listeners
    line = f"servers: [255.255.255.255@853, 127.0.0.1@{l.tls}], tls: {encrypted.NAME}, tls-ca: {l.ca}"
    answers, _ = ask_through(tmp_path, class_net, line, [f"n{n}.a.test" for n in range(100, 120)])
    assert all(a.answer for a in answers)


def test_replaced_ca(tmp_path, class_net, forwarder):
    """After a reload with another CA, neither old tickets nor old connections are used."""
    l = forwarder.listeners
    ca = tmp_path / "ca.pem"
    shutil.copy(l.ca, ca)
    line = f"servers: [127.0.0.1@{l.tls}], tls: {encrypted.NAME}, tls-ca: {ca}"
    resolver = internet.ClassResolver(tmp_path / "resolver", class_net,
                                      top=f"forward-zones: [{{zone: a.test, {line}}}]\n")
    try:
        def ask(name):
            return dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=resolver.port, timeout=20)

        assert ask("n150.a.test").answer
        shutil.copy(encrypted.certificate(tmp_path / "other") / "ca.pem", ca)
        resolver.process.send_signal(1)
        resolver.wait_for("reloaded: ")
        wait_until(lambda: resolver.command("status").returncode == 0)
        assert ask("n151.a.test").rcode() == dns.rcode.SERVFAIL
    finally:
        resolver.stop()


def test_wrong_forward_settings(tmp_path):
    for line, words in (('tls-pins: ["x"]', "is not a pin"), ("tls-fallback: true", "no effect without TLS"),
                        ("tls: a.test, tls-ca: nowhere.pem", "nowhere.pem"),
                        ("tls: a.test, tls-ca: c.yaml", "no certificate in it")):
        path = tmp_path / "c.yaml"
        path.write_text("server: {listen: [127.0.0.1@5300]}\n"
                        f'forward-zones: [{{zone: ".", servers: [127.0.0.1], {line}}}]\n')
        done = lab.run(lab.ROOTLINE, "check", path)
        assert done.returncode == 1 and words in done.stderr, (line, done.stderr)
