"""DoT and DoH with real clients, browsers and proxies, against both daemons."""
import email.utils
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import time

import dns.edns
import dns.message
import dns.query
import dns.rcode
import h2.settings
import pytest

import encrypted
import internet
import lab

ZONE = ("$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nwww 77 A 192.0.2.80\nlocal A 127.0.0.1\n"
        "short 5 A 192.0.2.5\nshort 5 TXT \"x\"\n"
        "$GENERATE 1-300 big TXT \"" + "x" * 190 + " $\"\n")


class Subject:
    """A daemon, a name that it resolves, its address, and a name on loopback for a web page."""

    def __init__(self, kind, tmp, class_net):
        self.kind = kind
        self.listeners = encrypted.Listeners(tmp, proxies="127.0.0.2")
        if kind == "authd":
            self.server = lab.Authd(tmp, {"a.test": ZONE}, extra=self.listeners.extra)
            self.name, self.address, self.page = "www.a.test", "192.0.2.80", ("local.a.test", "127.0.0.1")
        else:
            self.server = internet.ClassResolver(tmp / "resolver", class_net, extra=self.listeners.extra)
            self.name, self.address, self.page = "ns.cdn.com", "127.11.2.6", ("ns.cdn.com", "127.11.2.6")


@pytest.fixture(scope="module", params=["authd", "resolver"])
def subject(request, tmp_path_factory, class_net):
    s = Subject(request.param, tmp_path_factory.mktemp(request.param), class_net)
    yield s
    s.server.stop()


# ---- command line clients ----

@pytest.mark.parametrize("how", ["+tls", "+https", "+https-get"])
def test_kdig(subject, how):
    lab.need("kdig")
    port = subject.listeners.tls if how == "+tls" else subject.listeners.https
    trust = [f"+tls-ca={subject.listeners.ca}", f"+tls-hostname={encrypted.NAME}"]
    done = lab.run("kdig", "@127.0.0.1", "-p", port, subject.name, how, *trust)
    assert subject.address in done.stdout and "TLS session (TLS1.3)" in done.stdout, done.stdout + done.stderr
    assert "PADDING: " in done.stdout and re.search(r"Received (\d+) B", done.stdout)[1] == "468"
    wrong = lab.run("kdig", "@127.0.0.1", "-p", port, subject.name, how, trust[0], "+tls-hostname=other.test",
                    "+retry=0")
    assert wrong.returncode != 0 and subject.address not in wrong.stdout


@pytest.mark.parametrize("how", ["+tls", "+https", "+https-post", "+https-get", "+http-plain", "+http-plain-get"])
def test_dig(subject, how):
    lab.need("dig")
    l = subject.listeners
    port = l.tls if how == "+tls" else l.http if "plain" in how else l.https
    trust = [f"+tls-ca={l.ca}", f"+tls-hostname={encrypted.NAME}"] if "plain" not in how else []
    done = lab.run("dig", "@127.0.0.1", "-p", port, subject.name, how, *trust, "+tries=1", "+time=5")
    assert subject.address in done.stdout and "status: NOERROR" in done.stdout, done.stdout
    assert {"+tls": "(TLS)", "+http-plain": "(HTTP)"}.get(how, "HTTP") in done.stdout


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl(subject, version, tmp_path):
    lab.need("curl")
    l, wire, out = subject.listeners, encrypted.make_query(subject.name), tmp_path / "out"
    (tmp_path / "q").write_bytes(wire)
    kind = "content-type: application/dns-message"

    def curl(*args, url=l.url):
        done = lab.run("curl", "-sS", version, "--cacert", l.ca, "-o", out, "-D", tmp_path / "head", "-w",
                       "%{http_version} %{http_code} %{content_type}", *args, url, env=encrypted.clean_env())
        return done.stdout + done.stderr

    right = f"{version[6:]} 200 application/dns-message"
    assert curl("-H", kind, "--data-binary", f"@{tmp_path / 'q'}") == right
    assert subject.address in dns.message.from_wire(out.read_bytes()).to_text()
    assert curl(url=f"{l.url}?dns={encrypted.encode(wire)}") == right
    assert subject.address in dns.message.from_wire(out.read_bytes()).to_text()
    assert re.search(r"(?im)^cache-control: max-age=\d+\r?$", (tmp_path / "head").read_text())
    date = re.search(r"(?im)^date: (.*?)\r?$", (tmp_path / "head").read_text())[1]
    assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) < 60
    # a second request on the same connection
    url = f"{l.url}?dns={encrypted.encode(wire)}"
    done = lab.run("curl", "-sSv", version, "--cacert", l.ca, url, url, "-o", out, "-o", out, env=encrypted.clean_env())
    assert done.stderr.count("Re-using existing connection") == 1
    for status, args, url in (
            (404, (), l.url.replace("dns-query", "other")), (400, (), l.url), (400, (), l.url + "?dns=A"),
            (400, (), l.url + "?dns=AAAA$"), (400, (), l.url + "?dns=" + encrypted.encode(wire[:7])),
            (400, (), l.url + "?dns=" + encrypted.encode(wire[:2] + b"\x80" + wire[3:])),
            (405, ("-X", "PUT", "-H", kind, "--data-binary", "x"), l.url), (405, ("-X", "DELETE"), l.url),
            (415, ("-H", "content-type: application/json", "--data-binary", "x"), l.url),
            (400, ("-H", kind, "-X", "POST", "-H", "content-length: 0"), l.url)):
        assert curl(*args, url=url).split()[1] == str(status), (status, args, url)
    (tmp_path / "large").write_bytes(bytes(66000))
    assert curl("-H", kind, "--data-binary", f"@{tmp_path / 'large'}").split()[1] == "413"


def test_curl_doh_url(subject):
    lab.need("curl")
    name, address = subject.page
    page = encrypted.Page(address)
    try:
        url = f"http://{name}:{page.port}/"
        args = ["curl", "-sS", "--doh-url", subject.listeners.url, url]
        done = lab.run(*args, "--cacert", subject.listeners.ca, env=encrypted.clean_env())
        assert f"page of {name}" in done.stdout, done.stderr
        assert lab.run(*args, env=encrypted.clean_env()).returncode == 6, "it accepted an untrusted certificate"
    finally:
        page.stop()


def test_dnspython(subject):
    l, query = subject.listeners, dns.message.make_query(subject.name, "A")
    answers = [dns.query.tls(query, "127.0.0.1", port=l.tls, timeout=5, ssl_context=l.context(),
                             server_hostname=encrypted.NAME)]
    for post in (True, False):
        answers.append(dns.query.https(query, l.url, timeout=5, verify=str(l.ca), post=post))
    for answer in answers:
        assert subject.address in answer.to_text() and answer.id == query.id


def test_stubby(subject, tmp_path):
    lab.need("stubby", "dig")
    l, port = subject.listeners, lab.free_port()

    def write(name):
        (tmp_path / "stubby.yml").write_text(f"""resolution_type: GETDNS_RESOLUTION_STUB
dns_transport_list: [GETDNS_TRANSPORT_TLS]
tls_authentication: GETDNS_AUTHENTICATION_REQUIRED
tls_ca_file: "{l.ca}"
tls_query_padding_blocksize: 128
idle_timeout: 5000
appdata_dir: "{tmp_path}"
listen_addresses: [127.0.0.1@{port}]
upstream_recursive_servers:
  - {{address_data: 127.0.0.1, tls_port: {l.tls}, tls_auth_name: "{name}"}}
""")
        stubby = lab.Server(["stubby", "-C", tmp_path / "stubby.yml", "-l"], tmp_path / "stubby.log")
        stubby.started(stubby.wait_for, "Starting DAEMON")
        return stubby

    for name, status in ((encrypted.NAME, "NOERROR"), ("other.test", "SERVFAIL")):
        stubby = write(name)
        try:
            end = time.monotonic() + 10
            text = ""
            while f"status: {status}" not in text and time.monotonic() < end:
                text = lab.run("dig", "@127.0.0.1", "-p", port, subject.name, "+tries=1", "+time=3").stdout
            assert f"status: {status}" in text, text + stubby.log()
            assert (subject.address in text) == (status == "NOERROR"), text + stubby.log()
        finally:
            stubby.process.terminate()
            stubby.process.wait(10)
            stubby.log_file.close()


def test_chromium(subject, tmp_path):
    """The browser opens a page whose name only this server resolves; secure DNS allows no other resolver."""
    lab.need("chromium", "certutil")
    l = subject.listeners
    name, address = subject.page
    page = encrypted.Page(address)
    home = tmp_path / "home"
    (home / ".pki/nssdb").mkdir(parents=True)
    store = f"sql:{home / '.pki/nssdb'}"
    lab.run("certutil", "-d", store, "-N", "--empty-password")
    assert lab.run("certutil", "-d", store, "-A", "-t", "C,,", "-n", "class", "-i", l.ca).returncode == 0

    def browse(template):
        shutil.rmtree(tmp_path / "profile", ignore_errors=True)
        (tmp_path / "profile").mkdir()
        settings = {"dns_over_https": {"mode": "secure", "templates": template}}
        (tmp_path / "profile/Local State").write_text(json.dumps(settings))
        return lab.run("timeout", "50", "chromium", "--headless", "--no-sandbox", "--disable-gpu",
                       f"--user-data-dir={tmp_path / 'profile'}", "--no-first-run", "--disable-background-networking",
                       "--disable-component-update", "--disable-dev-shm-usage",
                       "--dump-dom", f"http://{name}:{page.port}/", env={**encrypted.clean_env(), "HOME": str(home)})

    try:
        for template in (l.url + "{?dns}", l.url):
            done = browse(template)
            assert f"page of {name}" in done.stdout, done.stdout + done.stderr[-2000:]
        assert "page of" not in browse(f"https://127.0.0.1:{lab.free_port()}/dns-query").stdout
    finally:
        page.stop()


# ---- proxies ----

class Nginx(lab.Server):
    def __init__(self, folder, subject, target):
        self.port = lab.free_port()
        (folder / "nginx.conf").write_text(f"""daemon off; master_process off; worker_processes 1;
pid nginx.pid; error_log error.log info;
events {{ worker_connections 256; }}
http {{
  access_log access.log;
  client_body_temp_path tb; proxy_temp_path tp; fastcgi_temp_path tf; uwsgi_temp_path tu; scgi_temp_path ts;
  upstream doh {{ server 127.0.0.1:{target}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{self.port} ssl http2;
    ssl_certificate {subject.listeners.folder}/cert.pem; ssl_certificate_key {subject.listeners.folder}/key.pem;
    location /dns-query {{
      proxy_pass http://doh; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_bind 127.0.0.2;
    }}
  }}
}}
""")
        super().__init__([lab.find_program("nginx"), "-p", folder, "-c", "nginx.conf"], folder / "nginx.log")
        self.started(wait_port, self)


class Haproxy(lab.Server):
    def __init__(self, folder, subject, target, extra=""):
        self.port = lab.free_port()
        pem = folder / "both.pem"
        files = [subject.listeners.folder / name for name in ("cert.pem", "key.pem")]
        pem.write_text("".join(file.read_text() for file in files))
        (folder / "haproxy.cfg").write_text(f"""global
    maxconn 200
    nbthread 1
defaults
    mode http
    timeout connect 3s
    timeout client 30s
    timeout server 30s
frontend f
    bind 127.0.0.1:{self.port} ssl crt {pem} alpn h2,http/1.1
    default_backend b
backend b
    server s 127.0.0.1:{target} source 127.0.0.2 send-proxy-v2 {extra}
""")
        super().__init__([lab.find_program("haproxy"), "-db", "-f", folder / "haproxy.cfg"], folder / "haproxy.log")
        self.started(wait_port, self)


def wait_port(server, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(server.log())


@pytest.fixture(scope="module")
def restricted(tmp_path_factory, class_net):
    """A resolver that allows a part of 127.0.0.0/8 only, so that the RCODE shows which client address it sees."""
    tmp = tmp_path_factory.mktemp("restricted")
    listeners = encrypted.Listeners(tmp, proxies="127.0.0.2")
    server = internet.ClassResolver(tmp / "resolver", class_net, extra=listeners.extra)
    server.stop()
    text = server.conf.read_text()
    assert "allow: [127.0.0.0/8," in text
    server.conf.write_text(text.replace("allow: [127.0.0.0/8,", "allow: [127.0.1.0/24, 198.51.100.7,"))
    port, path = server.port, server.socket
    server = lab.Server([lab.BUILD / "rootline-resolver", "-c", server.conf], tmp / "restricted.log")
    server.started(server.wait_for, "ready on ")
    server.listeners, server.port, server.socket = listeners, port, path
    yield server
    assert server.stop() == 0 and "Sanitizer" not in server.log(), server.log()


def ask_at(port, ca, source, version="--http2", headers=()):
    """The RCODE that a client at `source` gets through the proxy at this port."""
    url = f"https://127.0.0.1:{port}/dns-query?dns={encrypted.encode(encrypted.make_query('ns.cdn.com'))}"
    args = [a for h in headers for a in ("-H", h)]
    done = subprocess.run(["curl", "-sS", version, "--cacert", str(ca), "--interface", source, *args, url],
                          capture_output=True, timeout=30, env=encrypted.clean_env())
    assert done.returncode == 0, done.stderr
    return dns.message.from_wire(done.stdout).rcode()


@pytest.mark.parametrize("kind", ["nginx", "haproxy", "haproxy proto h2"])
def test_behind_a_proxy(restricted, kind, tmp_path):
    """The access list applies to the proxy's client, with either version of HTTP."""
    lab.need(kind.split()[0], "curl")
    proxy = Nginx(tmp_path, restricted, restricted.listeners.http) if kind == "nginx" else \
        Haproxy(tmp_path, restricted, restricted.listeners.http, extra=kind[8:])
    try:
        for version in ("--http1.1", "--http2"):
            for source, rcode in (("127.0.1.5", dns.rcode.NOERROR), ("127.0.3.5", dns.rcode.REFUSED)):
                for _ in range(3):
                    assert ask_at(proxy.port, restricted.listeners.ca, source, version) == rcode, (version, source)
        # a field of the client is ignored: nginx appends to it, and HAProxy's PROXY header names the client
        rcode = ask_at(proxy.port, restricted.listeners.ca, "127.0.3.5", headers=["X-Forwarded-For: 127.0.1.5"])
        assert rcode == dns.rcode.REFUSED
    finally:
        proxy.process.terminate()
        proxy.process.wait(10)
        proxy.log_file.close()


def plain_get(port, source, *headers, before=b""):
    """The answer to a hand-made request to the HTTP listener; b"" if the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as s:
        wire = encrypted.encode(encrypted.make_query("ns.cdn.com"))
        text = f"GET /dns-query?dns={wire} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        s.sendall(before + (text + "".join(h + "\r\n" for h in headers) + "\r\n").encode())
        data = b""
        try:
            while more := s.recv(65536):
                data += more
        except ConnectionError:
            pass
    return data


def rcode_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    return dns.message.from_wire(body).rcode()


def proxy_header(source, command=0x21, family=0x11):
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 1, 2)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", command, family, len(addresses)) + addresses


FIELDS = ("X-Forwarded-For: 127.0.1.5", "Forwarded: for=127.0.1.5", 'Forwarded: for="127.0.1.5:4711";proto=https',
          "X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 203.0.113.9, 127.0.1.5",
          "X-Forwarded-For: 127.0.1.5, 127.0.0.2", "Forwarded: for=unknown, for=127.0.1.5")


@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_a_trusted_proxy(restricted, field):
    assert rcode_of(plain_get(restricted.listeners.http, "127.0.0.2", field)) == dns.rcode.NOERROR


@pytest.mark.parametrize("field", ("X-Forwarded-For: 127.0.1.5, 203.0.113.9", "X: y"))
def test_fields_without_an_allowed_client(restricted, field):
    assert rcode_of(plain_get(restricted.listeners.http, "127.0.0.2", field)) == dns.rcode.REFUSED


@pytest.mark.parametrize("fields", (("X-Forwarded-For: 127.0.1.5, x",), ("Forwarded: for=_hidden",),
                                    ("Forwarded: for=127.0.1.5", "X-Forwarded-For: 203.0.113.9"),
                                    ("Forwarded: for=unknown", "X-Forwarded-For: 127.0.1.5")))
def test_malformed_and_contradicting_fields(restricted, fields):
    """The request is rejected: a client must not count as the proxy because of a malformed field."""
    assert plain_get(restricted.listeners.http, "127.0.0.2", *fields).startswith(b"HTTP/1.1 400 ")


def test_fields_behind_a_proxy_header(restricted):
    """The fields are trusted if the client that the PROXY header names is a trusted proxy."""
    field = "X-Forwarded-For: 127.0.1.5"
    for address, rcode in (("127.0.3.5", dns.rcode.REFUSED), ("127.0.0.2", dns.rcode.NOERROR)):
        reply = plain_get(restricted.listeners.http, "127.0.0.2", field, before=proxy_header(address))
        assert rcode_of(reply) == rcode


@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_an_untrusted_peer(restricted, field):
    """The fields are ignored."""
    assert rcode_of(plain_get(restricted.listeners.http, "127.0.3.1", field)) == dns.rcode.REFUSED


def test_proxy_headers_before_http(restricted):
    http = restricted.listeners.http
    assert rcode_of(plain_get(http, "127.0.0.2", before=proxy_header("127.0.1.5"))) == dns.rcode.NOERROR
    assert rcode_of(plain_get(http, "127.0.0.2", before=proxy_header("127.0.3.5"))) == dns.rcode.REFUSED
    # LOCAL (command 0x20) and an unspecified family: the client is the proxy itself
    for header in (proxy_header("0.0.0.0", command=0x20, family=0), proxy_header("127.0.1.5", family=0)):
        assert rcode_of(plain_get(http, "127.0.0.2", before=header)) == dns.rcode.REFUSED
    assert plain_get(http, "127.0.0.2", before=proxy_header("127.0.1.5", family=0x41)) == b""
    for source in ("127.0.1.5", "127.0.3.1"):  # untrusted peers: closed
        assert plain_get(http, source, before=proxy_header("127.0.1.5")) == b""


@pytest.mark.parametrize("proxies, source, is_served", [
    ("", "127.0.0.9", True), ("", "192.0.2.1", False), ("192.0.2.0/24", "192.0.2.1", True),
    ("192.0.2.9", "192.0.2.1", False)])
def test_plain_http_is_for_local_clients(tmp_path, proxies, source, is_served):
    """Only loopback addresses and trusted proxies may use plain HTTP.  In a network namespace with an address that is
    not loopback."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace requires root")
    (tmp_path / "a.zone").write_text(ZONE)
    (tmp_path / "c.yaml").write_text(f"""server:
  listen: [127.0.0.1@5300]
  listen-http: [0.0.0.0@8053]
  trusted-proxies: [{proxies}]
  control: ""
zones: [{{zone: a.test, file: a.zone}}]
""")
    url = f"http://192.0.2.1:8053/dns-query?dns={encrypted.encode(encrypted.make_query('www.a.test'))}"
    done = lab.run("unshare", "-n", "sh", "-c", f"""ip link set lo up && ip address add 192.0.2.1/32 dev lo
{lab.AUTHD} -c {tmp_path}/c.yaml 2>{tmp_path}/log & pid=$!
for _ in $(seq 100); do grep -q 'ready on' {tmp_path}/log && break; sleep 0.1; done
curl -sS -o {tmp_path}/out -w '%{{http_code}}' --interface {source} '{url}'
kill $pid; wait $pid""")
    assert done.stdout == ("200" if is_served else "000"), done.stdout + done.stderr + (tmp_path / "log").read_text()


# ---- PROXY headers before DNS messages ----

QUERY = encrypted.make_query("ns.cdn.com")


def udp_rcode(port, source, before=b"", query=QUERY, is_answered=False):
    """Return the RCODE of the answer to a datagram; None if it was dropped, which the answer to a second query shows.
    With is_answered wait for the answer: it may have to be resolved and come after that of the second query."""
    proxied = proxy_header("127.0.1.5") if source == "127.0.0.2" else b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.settimeout(30)
        s.sendto(before + query, ("127.0.0.1", port))
        s.sendto(proxied + encrypted.make_query("ns.cdn.com", number=4711), ("127.0.0.1", port))
        answers = {}
        while 4711 not in answers or (is_answered and 0 not in answers):
            m = dns.message.from_wire(s.recv(4096))
            answers[m.id] = m
        return answers[0].rcode() if 0 in answers else None


def stream_rcode(port, source, before=b"", inside=b"", context=None, piece=1 << 20):
    """The same over TCP or TLS; None if the connection was closed."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(before), piece):
                s.sendall(before[i:i + piece])
            if context:
                s = context.wrap_socket(s, server_hostname=encrypted.NAME)
            octets = inside + encrypted.frame(QUERY)
            for i in range(0, len(octets), piece):
                s.sendall(octets[i:i + piece])
            return dns.message.from_wire(encrypted.read_frame(s)).rcode()
    except (ConnectionError, EOFError, ssl.SSLError):
        return None


OK, NO = dns.rcode.NOERROR, dns.rcode.REFUSED
MAPPED = (b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x21, 36) +
          socket.inet_pton(socket.AF_INET6, "::ffff:127.0.1.5") + bytes(20))
HEADERS = [  # from the trusted proxy
    (proxy_header("127.0.1.5"), OK), (proxy_header("127.0.1.5", family=0x12), OK),
    (proxy_header("127.0.3.5"), NO), (proxy_header("127.0.3.5", family=0x12), NO),
    (MAPPED, OK), (b"", NO), (proxy_header("0.0.0.0", command=0x20, family=0), NO),
    (proxy_header("127.0.1.5", family=0), NO), (proxy_header("127.0.1.5", family=0x31), NO),
    (proxy_header("127.0.1.5", family=0x13), None), (proxy_header("127.0.1.5", command=0x31), None),
    (proxy_header("127.0.1.5") + proxy_header("127.0.1.6"), None),
    # with an attribute
    (proxy_header("127.0.1.5")[:13] + b"\x11\0\x0f" + proxy_header("127.0.1.5")[16:] + b"\x03\0\0", OK),
]


@pytest.mark.parametrize("header, rcode", HEADERS)
def test_proxy_headers_before_dns(restricted, header, rcode):
    l = restricted.listeners
    assert udp_rcode(restricted.port, "127.0.0.2", header, is_answered=rcode is not None) == rcode
    for piece in (1 << 20, 7):
        assert stream_rcode(restricted.port, "127.0.0.2", header, piece=piece) == rcode
        # as HAProxy and nginx do, then as dnsdist does
        assert stream_rcode(l.tls, "127.0.0.2", header, context=l.context("dot"), piece=piece) == rcode
        assert stream_rcode(l.tls, "127.0.0.2", inside=header, context=l.context("dot"), piece=piece) == rcode


@pytest.mark.parametrize("source", ["127.0.1.5", "127.0.3.1"])
def test_proxy_headers_of_an_untrusted_peer(restricted, source):
    """Datagrams are dropped, connections closed, and both are counted."""
    l = restricted.listeners

    def count():
        done = lab.run(lab.ROOTLINE, "stats", "--json", "--socket", restricted.socket)
        return json.loads(done.stdout)["untrusted-proxy-headers"]

    before = count()
    for header in (proxy_header("127.0.1.5"), proxy_header("127.0.1.5", family=0x12),
                   proxy_header("0.0.0.0", command=0x20, family=0)):
        assert udp_rcode(restricted.port, source, header) is None
        assert stream_rcode(restricted.port, source, header) is None
        assert stream_rcode(l.tls, source, header, context=l.context("dot")) is None
        assert stream_rcode(l.tls, source, inside=header, context=l.context("dot")) is None
    assert count() == before + 12


def test_batch_with_dropped_queries(restricted):
    """Each answer belongs to its query, although others of the batch are dropped."""
    with (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad,
          socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as good):
        bad.bind(("127.0.3.1", 0))
        good.bind(("127.0.0.2", 0))
        good.settimeout(30)
        bad.setblocking(False)
        for n in range(1, 301):
            for s, number in ((bad, n), (good, 1000 + n)):
                query = encrypted.make_query("ns.cdn.com", number=number)
                s.sendto(proxy_header("127.0.1.5") + query, ("127.0.0.1", restricted.port))
            if n % 30 == 0:
                got = {dns.message.from_wire(good.recv(4096)).id for _ in range(30)}
                assert got == set(range(1000 + n - 29, 1001 + n))
        with pytest.raises(BlockingIOError):
            bad.recv(4096)


class Dnsdist:
    def __init__(self, folder, restricted, backend):
        self.port = lab.free_port()
        (folder / "dnsdist.conf").write_text(f"""setLocal('127.0.0.1:{self.port}')
setACL({{'127.0.0.0/8'}})
setSecurityPollSuffix('')
newServer{{{backend}, source='127.0.0.2', useProxyProtocol=true, healthCheckMode='up'}}
""")
        self.server = lab.Server([lab.find_program("dnsdist"), "--supervised", "-C", folder / "dnsdist.conf"],
                                 folder / "dnsdist.log")
        self.server.started(wait_for_tcp, self.server, self.port)

    def stop(self):
        self.server.stop()


def wait_for_tcp(server, port):
    for _ in range(600):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(server.log())


@pytest.mark.parametrize("over", ["dns", "tls"])
def test_behind_dnsdist(restricted, over, tmp_path):
    """With Debian's dnsdist in front of UDP, TCP and DoT the access list applies to its clients."""
    lab.need("dnsdist")
    l = restricted.listeners
    backend = f"address='127.0.0.1:{restricted.port}'" if over == "dns" else \
        f"address='127.0.0.1:{l.tls}', tls='openssl', caStore='{l.ca}', subjectName='{encrypted.NAME}'"
    proxy = Dnsdist(tmp_path, restricted, backend)
    try:
        for source, rcode in (("127.0.1.5", OK), ("127.0.3.5", NO)):
            for _ in range(3):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.bind((source, 0))
                    s.settimeout(30)
                    s.sendto(QUERY, ("127.0.0.1", proxy.port))
                    assert dns.message.from_wire(s.recv(4096)).rcode() == rcode
                assert stream_rcode(proxy.port, source) == rcode
    finally:
        proxy.stop()


# ---- IPv4-mapped addresses (RFC 4291 2.5.5.2) ----

@pytest.mark.parametrize("field", ("X-Forwarded-For: ::ffff:127.0.1.5", 'Forwarded: for="[::ffff:127.0.1.5]:4711"',
                                   "X-Forwarded-For: ::FFFF:7f00:105",
                                   "X-Forwarded-For: 203.0.113.9, ::ffff:127.0.1.5, ::ffff:127.0.0.2"))
def test_mapped_addresses_of_a_proxy(restricted, field):
    assert rcode_of(plain_get(restricted.listeners.http, "127.0.0.2", field)) == OK


def test_mapped_addresses_in_the_configuration(tmp_path, class_net):
    """In `allow`, `trusted-proxies` and `listen` an IPv4-mapped address is the same as the IPv4 address."""
    listeners = encrypted.Listeners(tmp_path, proxies='"::ffff:127.0.0.2"', address="127.0.0.1")
    server = internet.ClassResolver(tmp_path / "resolver", class_net, extra=listeners.extra)
    server.stop()
    text = server.conf.read_text()
    server.conf.write_text(text.replace("allow: [127.0.0.0/8,", 'allow: ["::ffff:127.0.1.0/120",').replace(
        f"listen: [127.0.0.1@{server.port},", f'listen: ["::ffff:127.0.0.1@{server.port}",'))
    again = lab.Server([lab.BUILD / "rootline-resolver", "-c", server.conf], tmp_path / "mapped.log")
    try:
        again.started(again.wait_for, "ready on ")
        assert f"127.0.0.1@{server.port}" in again.log() and "::ffff:" not in again.log()
        assert udp_rcode(server.port, "127.0.1.5", is_answered=True) == OK
        assert udp_rcode(server.port, "127.0.3.5", is_answered=True) == NO
        assert udp_rcode(server.port, "127.0.0.2", proxy_header("127.0.1.5"), is_answered=True) == OK
    finally:
        assert again.stop() == 0, again.log()


# ---- TLS and HTTP/2 ----

def test_many_queries_on_one_connection(subject):
    l = subject.listeners
    with l.dot() as s:
        assert s.version() == "TLSv1.3" and s.selected_alpn_protocol() == "dot"
        s.sendall(b"".join(encrypted.frame(encrypted.make_query(subject.name, number=n)) for n in range(1000)))
        assert sorted(struct.unpack("!H", encrypted.read_frame(s)[:2])[0] for _ in range(1000)) == list(range(1000))
    with l.connect(l.https, "h2") as s:
        client = encrypted.Http2(s)
        for turn in range(5):
            for n in range(100):
                client.ask(encrypted.make_query(subject.name, number=n), method="POST" if n % 2 else "GET")
            client.wait((turn + 1) * 100)
        assert len(client.answers) == 500
        assert all(a[":status"] == "200" and dns.message.from_wire(a["data"]).answer for a in client.answers.values())


@pytest.mark.parametrize("subject", ["resolver"], indirect=True)  # authd answers at once
def test_answers_in_any_order(subject):
    """A query for a name of dead servers does not delay the answer to a later query."""
    l, slow, fast = subject.listeners, "www.dead.com", subject.name
    with l.dot() as s:
        s.settimeout(20)
        s.sendall(b"".join(encrypted.frame(encrypted.make_query(name, number=n)) for n, name in ((1, slow), (2, fast))))
        assert [struct.unpack("!H", encrypted.read_frame(s)[:2])[0] for _ in range(2)] == [2, 1]
    time.sleep(5)  # until the dead servers are tried again
    with l.connect(l.https, "h2") as s:
        s.settimeout(20)
        client = encrypted.Http2(s)
        first, second = client.ask(encrypted.make_query("x.dead.com")), client.ask(encrypted.make_query(fast))
        client.wait(2)
        assert client.done == [second, first]
        assert dns.message.from_wire(client.answers[first]["data"]).rcode() == dns.rcode.SERVFAIL


def test_answers_of_a_turn_in_one_record(subject):
    """Sixteen answers leave in one record, counted on the wire."""
    l = subject.listeners
    tls = encrypted.ByHand(l)
    with socket.create_connection(("127.0.0.1", l.tls), timeout=10) as s:
        tls.open(s)
        s.sendall(tls.seal(encrypted.frame(encrypted.make_query(subject.name))))
        while len(tls.unseal(s.recv(65536))) < 20:
            pass
        s.sendall(tls.seal(b"".join(encrypted.frame(encrypted.make_query(subject.name, number=n)) for n in range(16))))
        time.sleep(0.5)
        wire = s.recv(65536)
        records = 0
        while wire:
            records += 1
            wire = wire[5 + struct.unpack("!H", wire[3:5])[0]:]
        assert records == 1


@pytest.mark.parametrize("together", [True, False])
def test_records_of_answers_over_http2(subject, together):
    """A client that sends one request per record gets one answer per record, because it may not read more (dnsperf); a
    client that puts several requests into one record gets several answers per record."""
    l = subject.listeners
    tls = encrypted.ByHand(l, "h2")
    with socket.create_connection(("127.0.0.1", l.https), timeout=30) as s:
        tls.open(s)
        client = encrypted.Http2(encrypted.Pipe())
        s.sendall(tls.seal(client.sock.taken()))
        client.ask(encrypted.make_query(subject.name))  # a resolver has it in its cache from now on
        client.flush()
        s.sendall(tls.seal(client.sock.taken()))
        while len(client.done) < 1:
            more = s.recv(65536)
            assert more
            client.take(tls.unseal(more))
        s.sendall(tls.seal(client.sock.taken()) if client.sock.octets else b"")
        pieces = []
        for n in range(16):
            client.ask(encrypted.make_query(subject.name))
            client.flush()
            pieces.append(client.sock.taken())
        s.sendall(tls.seal(b"".join(pieces)) if together else b"".join(tls.seal(p) for p in pieces))
        wire, records = b"", 0
        while len(client.done) < 17:
            more = s.recv(65536)
            assert more
            client.take(tls.unseal(more))
            wire += more
        while wire:
            records += 1
            wire = wire[5 + struct.unpack("!H", wire[3:5])[0]:]
        assert records == 1 if together else records >= 16, records


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("clients, outstanding", [(1, 20), (4, 100)])
def test_dnsperf(subject, method, clients, outstanding, tmp_path):
    """dnsperf loses no query."""
    lab.need("dnsperf")
    (tmp_path / "names").write_text(f"{subject.name} A\n")
    done = lab.run("dnsperf", "-m", "doh", "-O", f"doh-uri={subject.listeners.url}", "-O", f"doh-method={method}",
                   "-s", "127.0.0.1", "-p", subject.listeners.https, "-d", tmp_path / "names", "-c", clients, "-T", 1,
                   "-q", outstanding, "-n", 500, "-t", 30, timeout=120)
    assert "Queries lost:         0" in done.stdout, done.stdout + done.stderr
    assert "Queries completed:    500" in done.stdout, done.stdout + done.stderr


def test_large_answer_through_a_small_window(subject):
    """60 kB, 100 octets at a time (authd), beside answers that fit into the window."""
    l = subject.listeners
    name, rdtype, least = ("big.a.test", "TXT", 300) if subject.kind == "authd" else (subject.name, "A", 1)
    with l.connect(l.https, "h2") as s:
        client = encrypted.Http2(s, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100})
        large = client.ask(encrypted.make_query(name, rdtype))
        for _ in range(20):
            client.ask(encrypted.make_query(subject.name))
        client.wait(21)
        assert len(dns.message.from_wire(client.answers[large]["data"]).answer[0]) >= least
        assert all(dns.message.from_wire(a["data"]).answer for a in client.answers.values())


def test_padding_and_idle_time(subject):
    """A client that pads gets blocks of 468 octets, one that sends edns-tcp-keepalive gets the idle time; others get
    neither."""
    l = subject.listeners
    padding = dns.edns.GenericOption(12, b"")
    keepalive = dns.edns.GenericOption(11, b"")
    with l.dot() as s:
        for options, length in (([padding], 468), ([], None)):
            s.sendall(encrypted.frame(encrypted.make_query(subject.name, use_edns=0, options=options)))
            wire = encrypted.read_frame(s)
            assert (len(wire) == length) if length else len(wire) < 200
        s.sendall(encrypted.frame(encrypted.make_query(subject.name, use_edns=0, options=[keepalive])))
        options = {o.otype: o for o in dns.message.from_wire(encrypted.read_frame(s)).options}
        assert struct.unpack("!H", options[11].data)[0] == 100  # in units of 100 ms
        s.sendall(encrypted.frame(encrypted.make_query("big.a.test", "TXT", use_edns=0, options=[padding])))
        assert len(encrypted.read_frame(s)) % 468 == 0
    with l.connect(l.https, "h2") as s:
        client = encrypted.Http2(s)
        client.ask(encrypted.make_query(subject.name, use_edns=0, options=[padding, keepalive]))
        answer = client.wait(1)[1]["data"]
        assert len(answer) == 468 and 11 not in {o.otype for o in dns.message.from_wire(answer).options}
    query = dns.message.make_query(subject.name, "A", use_edns=0, options=[padding])
    reply = dns.query.udp(query, "127.0.0.1", port=subject.server.port, timeout=5)
    assert len(reply.to_wire()) < 200, "padded without TLS"


def test_max_age(subject):
    if subject.kind != "authd":
        return check_max_age(subject, [("ns.cdn.com", "A", 1, 86400)])
    check_max_age(subject, [("www.a.test", "A", 77, 77), ("short.a.test", "ANY", 5, 5), ("nothing.a.test", "A", 60, 60),
                            ("www.a.test", "MX", 60, 60), ("elsewhere.test", "A", 0, 0)])


def check_max_age(subject, cases):
    l = subject.listeners
    for name, rdtype, minimum, maximum in cases:
        with l.connect(l.https, "h2") as s:
            client = encrypted.Http2(s)
            client.ask(encrypted.make_query(name, rdtype))
            age = int(client.wait(1)[1]["cache-control"].partition("=")[2])
            assert minimum <= age <= maximum, (name, rdtype, age)


def test_old_versions_and_other_protocols_are_rejected(subject):
    l = subject.listeners
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(str(l.ca))
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        l.connect(l.tls, context=old)
    for port, alpn in ((l.tls, "h2"), (l.https, "dot")):
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            l.connect(port, alpn)
    twelve = l.context("dot")
    twelve.maximum_version = ssl.TLSVersion.TLSv1_2
    with l.connect(l.tls, context=twelve) as s:
        assert s.version() == "TLSv1.2" and s.compression() is None
        s.sendall(encrypted.frame(encrypted.make_query(subject.name)))
        assert dns.message.from_wire(encrypted.read_frame(s)).answer
    with l.connect(l.https) as s:  # no ALPN: HTTP/1.1
        s.sendall(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 404 ")


def test_renegotiation_is_rejected(subject):
    lab.need("openssl")
    l = subject.listeners
    client = f"openssl s_client -connect 127.0.0.1:{l.tls} -tls1_2 -CAfile {l.ca} 2>&1"
    done = lab.run("sh", "-c", f"(sleep 0.5; echo R; sleep 1) | {client}")
    assert "RENEGOTIATING" in done.stdout and "no renegotiation" in done.stdout, done.stdout[-1500:]


def test_tickets(subject):
    """A ticket of one connection resumes the next, with TLS 1.3 and 1.2."""
    l = subject.listeners
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = l.context("dot")
        context.maximum_version = version
        session = None
        for turn in range(3):
            with l.connect(l.tls, context=context, session=session) as s:
                s.sendall(encrypted.frame(encrypted.make_query(subject.name)))
                encrypted.read_frame(s)
                assert s.session_reused == (turn > 0)
                session = s.session


def test_half_closed(subject):
    """Queries that were sent before the client shut down its side are answered."""
    l = subject.listeners
    tls = encrypted.ByHand(l)
    with socket.create_connection(("127.0.0.1", l.tls), timeout=10) as s:
        tls.open(s)
        s.sendall(tls.seal(b"".join(encrypted.frame(encrypted.make_query(subject.name, number=n)) for n in range(50))))
        s.shutdown(socket.SHUT_WR)
        data = b""
        while more := s.recv(65536):
            data += tls.unseal(more)
        ids = []
        while data:
            size = struct.unpack("!H", data[:2])[0]
            ids.append(struct.unpack("!H", data[2:4])[0])
            data = data[2 + size:]
        assert sorted(ids) == list(range(50))


# ---- HTTP/1.1 ----

RIGHT = encrypted.make_query("www.a.test")
HTTP1 = [
    (200, b"POST /dns-query HTTP/1.1\r\nHost: x\r\ncontent-TYPE: Application/DNS-message ; charset=x\r\n"
          b"Content-Length: 28\r\n\r\n" + RIGHT),
    (200, b"GET /dns-query?a=b&dns=" + encrypted.encode(RIGHT).encode() + b"&c HTTP/1.1\r\nHost:x\r\n\r\n"),
    (200, b"GET /dns-query?dns=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.0\r\n\r\n"),
    (200, b"GET http://x/dns-query?dns=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (400, b"GET /dns-query?dns=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.1\r\n\r\n"),  # no Host
    (400, b"GET  /dns-query HTTP/1.1\r\nHost: x\r\n\r\n"), (400, b"GET /dns-query HTTP/1.1\r\nHost : x\r\n\r\n"),
    (400, b"GET /dns-query HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n"), (400, b"GET /dns-query HTTP/1.1\nHost: x\r\n\r\n"),
    (400, b"GET /dns-query HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"),
    (400, b"GET /dns-query HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    (400, b"GET /dns-query HTTP/1.1\r\nHost: x\r\nX\0: y\r\n\r\n"),
    # RFC 9112 2.2
    (200, b"\r\nGET /dns-query?dns=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (200, b"\r\n" * 9 + b"GET /dns-query?dns=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (400, b"\nGET /dns-query HTTP/1.1\r\nHost: x\r\n\r\n"), (400, b"GET /dns-query HTTP/1.1\nHost: x\n\n"),
    (400, b"GET /dns-query HTTP/1.1\r\nHost: x\n\n"),
    (200, b"GET /dns%2Dquery?dns=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (200, b"GET /%64%6e%73-quer%79?x=%zz&d%6es=" + encrypted.encode(RIGHT).encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (200, b"GET /dns-query?dns=%41" + encrypted.encode(RIGHT).encode()[1:] + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (400, b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\nContent-Length: 28\r\n\r\n"),
    (400, b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: +28\r\n\r\n"),
    (400, b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 28, 28\r\n\r\n"),
    (411, b"POST /dns-query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (411, b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (411, b"POST /dns-query HTTP/1.1\r\nHost: x\r\n\r\n"),
    (413, b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
    (414, b"GET /" + b"a" * 9000), (431, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000),
    (505, b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
]


@pytest.mark.parametrize("number, piece", [(n, piece) for n, (_, octets) in enumerate(HTTP1) for piece in (1 << 20, 1)
                                           if piece > 1 or len(octets) <= 1000])
def test_http1(subject, number, piece):
    status, octets = HTTP1[number]
    if subject.kind != "authd":
        other = encrypted.make_query("ns.cdn.com")
        octets = octets.replace(RIGHT, other)
        octets = octets.replace(encrypted.encode(RIGHT).encode(), encrypted.encode(other).encode())
    with socket.create_connection(("127.0.0.1", subject.listeners.http), timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for i in range(0, len(octets), piece):
                s.sendall(octets[i:i + piece])
            data = s.recv(65536)
        except ConnectionError:
            data = b""
        assert data.startswith(b"HTTP/1.1 %d " % status), data
        if status != 200:
            assert b"Connection: close\r\n" in data
            assert s.recv(100) == b""
            # a line of text says why
            assert b"Content-Type: text/plain\r\n" in data and len(data.partition(b"\r\n\r\n")[2].strip()) > 15
        assert b"Access-Control-Allow-Origin: *\r\n" in data


WHY = [  # the text of the answer; the connection stays open
    (404, b"GET /dns%2Fquery HTTP/1.1", b"another path"), (404, b"GET /%zz HTTP/1.1", b"another path"),
    (404, b"GET /dns-query%2 HTTP/1.1", b"another path"), (400, b"GET /dns-query HTTP/1.1", b"no dns="),
    (400, b"GET /dns-query?dns=AA== HTTP/1.1", b"padding"), (400, b"GET /dns-query?dns=AA%3d%3d HTTP/1.1", b"padding"),
    (400, b"GET /dns-query?dns=A/ HTTP/1.1", b"base64url"),
    (400, b"GET /dns-query?dns=A HTTP/1.1", b"incomplete octet"),
    (400, b"GET /dns-query?dns=AAAA HTTP/1.1", b"not a DNS query"),
    (400, b"POST /dns-query HTTP/1.1\r\nContent-Type: application/dns-message\r\nContent-Length: 0", b"body is empty"),
    (415, b"POST /dns-query HTTP/1.1\r\nContent-Length: 0", b"Content-Type: application/dns-message"),
    (405, b"PUT /dns-query HTTP/1.1", b"Method"),
]


def test_errors_say_why(subject):
    with socket.create_connection(("127.0.0.1", subject.listeners.http), timeout=30) as s:
        for status, head, why in WHY:
            s.sendall(head + b"\r\nHost: x\r\n\r\n")
            data = b""
            while not (b"\r\n\r\n" in data and data.endswith(b"\n") and data.partition(b"\r\n\r\n")[2]):
                data += s.recv(65536)
            assert data.startswith(b"HTTP/1.1 %d " % status) and why in data.partition(b"\r\n\r\n")[2], data
    l = subject.listeners
    with l.connect(l.https, "h2") as s:
        client = encrypted.Http2(s)
        wrong, empty = client.ask(b"", method="GET", path="/nowhere"), client.ask(b"")
        client.wait(2)
        assert b"another path" in client.answers[wrong]["data"] and b"body is empty" in client.answers[empty]["data"]


@pytest.mark.parametrize("target", ["/dns-query", "*", "/dns-query?dns=AAAA", "/other"])
def test_options(subject, target):
    """The preflight request of a browser before a script's POST, with either version of HTTP; the connection stays
    open."""
    l = subject.listeners
    status = 404 if target == "/other" else 204
    with socket.create_connection(("127.0.0.1", l.http), timeout=30) as s:
        s.sendall(f"OPTIONS {target} HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
                  "Access-Control-Request-Method: POST\r\n\r\n".encode() * 2)
        data = b""
        while data.count(b"HTTP/1.1 ") < 2 or not data.endswith(b"\n"):
            data += s.recv(65536)
        assert data.count(b"HTTP/1.1 %d " % status) == 2 and data.count(b"Access-Control-Allow-Origin: *\r\n") == 2
        if status == 204:
            assert data.count(b"Allow: GET, POST, OPTIONS\r\n") == 2
            assert b"Content-Length" not in data and data.endswith(b"\r\n\r\n")
    with l.connect(l.https, "h2") as s:
        client = encrypted.Http2(s)
        stream = client.ask(b"", method="OPTIONS", path=target)
        client.wait(1)
        fields = client.answers[stream]
        assert fields[":status"] == str(status) and fields["access-control-allow-origin"] == "*"
        if status == 204:
            assert fields["access-control-allow-methods"] == "GET, POST" and not client.answers[stream]["data"]


def test_http1_answers_in_order(subject):
    """Pipelined requests are answered in order; the one with "Connection: close" is the last."""
    def get(name, last=False):
        wire = encrypted.encode(encrypted.make_query(name, number=7))
        close = "Connection: close\r\n" if last else ""
        return f"GET /dns-query?dns={wire} HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode()

    names = [subject.name, "nothing.a.test", "version.bind", subject.name]
    with socket.create_connection(("127.0.0.1", subject.listeners.http), timeout=10) as s:
        s.sendall(b"".join(get(n) for n in names) + get("b.test", True) + get("c.test"))
        data = b""
        while more := s.recv(65536):
            data += more
    got = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        got.append(str(dns.message.from_wire(data[:size]).question[0].name).rstrip("."))
        data = data[size:]
    assert got == names + ["b.test"]


def test_head_has_no_body(subject):
    """In either version of HTTP: a body would be read as the next answer."""
    l = subject.listeners
    with socket.create_connection(("127.0.0.1", l.http), timeout=10) as s:
        s.sendall(b"HEAD /dns-query HTTP/1.1\r\nHost: x\r\n\r\n"
                  b"GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while more := s.recv(65536):
            data += more
    _, first, second, *rest = data.split(b"HTTP/1.1 ")
    assert first.startswith(b"405 ") and first.endswith(b"\r\n\r\n") and second.startswith(b"404 ") and not rest
    with l.connect(l.https, "h2") as s:
        client = encrypted.Http2(s)
        stream = client.ask(b"", method="HEAD")
        client.wait(1)
        assert client.answers[stream][":status"] == "405" and client.answers[stream]["data"] == b""


def test_expect_continue(subject):
    wire = encrypted.make_query(subject.name)
    with socket.create_connection(("127.0.0.1", subject.listeners.http), timeout=10) as s:
        s.sendall(b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\n"
                  b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(wire))
        assert s.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(wire[:5])
        time.sleep(0.1)
        s.sendall(wire[5:])
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_large_first_flight(subject):
    """Queries that arrive with the end of the handshake, more octets than a handshake may have."""
    l = subject.listeners
    query = encrypted.make_query(subject.name, use_edns=0, options=[dns.edns.GenericOption(12, bytes(80))])
    wire = encrypted.frame(query)
    tls = encrypted.ByHand(l)
    with socket.create_connection(("127.0.0.1", l.tls), timeout=10) as s:
        tls.open(s)
        s.sendall(tls.seal(wire * 600))
        data = b""
        while len(data) < 600 * 470:
            data += tls.unseal(s.recv(65536))
        assert len(data) == 600 * 470


def test_idle_connections_get_goaway(subject):
    """GOAWAY and close_notify before the connection is closed: the client knows that a request sent now has to be
    retried."""
    l = subject.listeners
    with l.connect(l.https, "h2") as s, l.dot() as dot:
        s.settimeout(15)
        dot.settimeout(15)
        client = encrypted.Http2(s)
        client.ask(encrypted.make_query(subject.name))
        client.wait(1)
        while client.receive():
            pass
        assert client.closed == 0  # GOAWAY with NO_ERROR
        assert dot.recv(10) == b""  # close_notify: without it this is an error


def test_stop_waits_for_a_window(tmp_path):
    """SIGTERM while a client has read a part of its answers: it gets all of them, then GOAWAY."""
    listeners = encrypted.Listeners(tmp_path)
    server = lab.Authd(tmp_path, {"a.test": ZONE}, extra=listeners.extra)
    try:
        with listeners.connect(listeners.https, "h2") as s:
            client = encrypted.Http2(s)
            for _ in range(15):
                client.ask(encrypted.make_query("big.a.test", "TXT"))
            client.flush()
            client.receive()
            server.process.terminate()
            while client.receive():
                pass
            assert sorted(client.done) == sorted(client.answers) and client.closed == 0
            assert all(len(a["data"]) > 50000 for a in client.answers.values())
    finally:
        server.stop()


def test_slow_reader(tmp_path):
    """Six megabytes at 300 kB per second take longer than a connection may be idle."""
    listeners = encrypted.Listeners(tmp_path)
    server = lab.Authd(tmp_path, {"a.test": ZONE}, extra=listeners.extra, top="limits: {tcp-idle: 2s}\n")
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            s.sendall(encrypted.frame(encrypted.make_query("big.a.test", "TXT")) * 30)
            got, wanted = 0, None
            while wanted is None or got < wanted:
                data = s.recv(30000)
                assert data, f"closed after {got} of {wanted}"
                wanted = wanted or 30 * (2 + struct.unpack("!H", data[:2])[0])
                got += len(data)
                time.sleep(0.1)
    finally:
        server.stop()
