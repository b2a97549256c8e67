"""Certificates, listeners and clients for the tests of TLS and HTTPS."""
import base64
import http.server
import os
import socket
import ssl
import struct
import threading

import dns.message
import h2.config
import h2.connection
import h2.events

import lab

NAME = "dns.test"


def certificate(folder, *names, days=90):
    """Make a CA and a server certificate with `rootline certificate make`; return the folder."""
    done = lab.run(lab.ROOTLINE, "certificate", "make", *(names or (NAME, "127.0.0.1", "::1")), "--directory", folder,
                   "--days", str(days))
    assert done.returncode == 0, done.stderr
    return folder


class Listeners:
    """Lines of `server` for listeners of TLS, HTTPS and HTTP on free ports (`extra`), and connections to them."""

    def __init__(self, folder, proxies="", address="127.0.0.1"):
        self.folder = certificate(folder / "tls")
        self.ca = self.folder / "ca.pem"
        self.tls, self.https, self.http = lab.free_port(), lab.free_port(), lab.free_port()
        self.extra = (f"  listen-tls: [{address}@{self.tls}]\n  listen-https: [{address}@{self.https}]\n"
                      f"  listen-http: [{address}@{self.http}]\n  trusted-proxies: [{proxies}]\n"
                      f"  tls-certificate: {self.folder / 'cert.pem'}\n  tls-key: {self.folder / 'key.pem'}\n")
        self.url = f"https://127.0.0.1:{self.https}/dns-query"

    def context(self, *alpn, name=True):
        context = ssl.create_default_context(cafile=str(self.ca))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if not name:
            context.check_hostname = False
        return context

    def connect(self, port, *alpn, session=None, context=None, source=None, server_name=NAME):
        """Return a TLS connection to the authenticated server."""
        source_address = (source, 0) if source else None
        raw = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=source_address)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return (context or self.context(*alpn)).wrap_socket(raw, server_hostname=server_name, session=session)

    def dot(self, **kw):
        return self.connect(self.tls, "dot", **kw)


def make_query(name, rdtype="A", number=0, **kw):
    """Return a query in wire format, without EDNS by default."""
    kw.setdefault("use_edns", -1)
    query = dns.message.make_query(name, rdtype, **kw)
    query.id = number
    return query.to_wire()


def frame(wire):
    return struct.pack("!H", len(wire)) + wire


def read_exactly(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise EOFError(f"closed after {len(data)} of {size} octets")
        data += more
    return data


def read_frame(s):
    return read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])


def encode(wire):
    """Return the value of `dns=` in a GET request (RFC 8484 4.1)."""
    return base64.urlsafe_b64encode(wire).rstrip(b"=").decode()


class ByHand:
    """A TLS client without a socket: the test carries the encrypted octets."""

    def __init__(self, listeners, alpn="dot"):
        self.inside, self.outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = listeners.context(alpn).wrap_bio(self.inside, self.outside, server_hostname=NAME)

    def step(self):
        """Advance the handshake; return True when it is complete.  flight() has the octets to send."""
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def flight(self):
        """Return the encrypted octets to send."""
        return self.outside.read()

    def open(self, s):
        """Do the handshake over a socket, but do not send the client's last flight."""
        while not self.step():
            s.sendall(self.flight())
            self.inside.write(s.recv(65536))

    def seal(self, octets):
        """Encrypt octets; return all that is to be sent."""
        self.tls.write(octets)
        return self.flight()

    def unseal(self, octets):
        """Decrypt octets; return all plain text that is complete."""
        self.inside.write(octets)
        data = b""
        try:
            while more := self.tls.read(65536):
                data += more
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return data


class Pipe:
    """A stand-in for a socket; taken() returns the octets sent."""

    def __init__(self):
        self.octets = b""

    def sendall(self, octets):
        self.octets += octets

    def taken(self):
        octets, self.octets = self.octets, b""
        return octets


class Http2:
    """An HTTP/2 client for DoH; `answers` are by stream, `done` lists the streams that have ended."""

    def __init__(self, sock, settings=None):
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.answers, self.done, self.closed, self.acknowledged = {}, [], None, 0
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        self.flush()
        while settings and self.acknowledged < 2 and self.receive():
            pass

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def ask(self, wire, method="POST", path="/dns-query", headers=(), end=True):
        """Queue a request; return its stream.  Without `end` its body is left incomplete."""
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "https"), (":authority", NAME),
                  (":path", path if method != "GET" else f"{path}?dns={encode(wire)}")]
        if method == "POST":
            fields += [("content-type", "application/dns-message"), ("content-length", str(len(wire)))]
        self.h2.send_headers(stream, fields + list(headers), end_stream=method != "POST")
        if method == "POST":
            self.h2.send_data(stream, wire, end_stream=end)
        self.answers[stream] = {"data": b""}
        return stream

    def receive(self):
        """Read once; return False if the server has closed the connection."""
        try:
            data = self.sock.recv(1 << 16)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.closed = "closed" if self.closed is None else self.closed
            return False
        self.take(data)
        return True

    def take(self, data):
        """Process octets of the server, and send what they call for."""
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.answers[event.stream_id].update(dict(event.headers))
            elif isinstance(event, h2.events.DataReceived):
                self.answers[event.stream_id]["data"] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.SettingsAcknowledged):
                self.acknowledged += 1
            elif isinstance(event, h2.events.StreamEnded):
                self.done.append(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.answers[event.stream_id]["reset"] = event.error_code
                self.done.append(event.stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.closed = event.error_code
        try:
            self.flush()
        except (ConnectionError, ssl.SSLError):
            pass

    def wait(self, count):
        """Wait until `count` streams have ended or the connection is closed; return `answers`."""
        self.flush()
        while len(self.done) < count and self.receive():
            pass
        return self.answers


class Page:
    """A web server on an address of this machine; its page shows the Host field of the request."""

    def __init__(self, address):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = f"<html><body>page of {self.headers['Host']}</body></html>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def clean_env():
    """Return the environment without the variables that name CAs."""
    names = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    return {k: v for k, v in os.environ.items() if k not in names}
