"""Servers on loopback for the end-to-end tests: ours and Debian's, each on a port of its own."""
import itertools
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

SOURCE = Path(os.environ.get("ROOTLINE_SOURCE", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("ROOTLINE_BUILD", SOURCE / "build/release"))
SHARED = SOURCE.parent / "shared"
AUTHD = BUILD / "rootline-authd"
ROOTLINE = BUILD / "rootline"


def need(*programs):
    """Skip when a program is not installed."""
    for program in programs:
        if not (shutil.which(program) or shutil.which("/usr/sbin/" + program)):
            pytest.skip(f"{program} is not installed; tools/setup test installs it")


def need_shared(path):
    """A file of the data beside the project, or a skip."""
    if not (SHARED / path).exists():
        pytest.skip(f"no ../shared/{path} beside this checkout")
    return SHARED / path


def choose_build(preset):
    """The build of another flavour ("tsan"), "" for the one under test; skips when it is not there."""
    build = BUILD.parent / preset if preset else BUILD
    if not (build / "rootline-authd").exists():
        pytest.skip(f"no {build}: cmake --preset {preset} builds it")
    return build


def find_program(name):
    return shutil.which(name) or "/usr/sbin/" + name


PORTS = itertools.count(int(os.environ.get("ROOTLINE_PORTS", 0)))


def free_port():
    """A port that is free for UDP and TCP on 127.0.0.1 and ::1; in a network of our own (tests/e2e/alone) nobody else takes it meanwhile."""
    for _ in range(100):
        try:
            with socket.socket() as s:
                s.bind(("127.0.0.1", next(PORTS) if "ROOTLINE_PORTS" in os.environ else 0))
                port = s.getsockname()[1]
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(family, kind) as s:
                        s.bind((host, port))
            return port
        except OSError:
            continue
    raise RuntimeError("no free port")


def write_questions(path, asked, flags=0):
    """(name, type, DO) as dns-blast reads them."""
    with open(path, "wb") as out:
        for name, rdtype, dnssec in asked:
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"
            wire = struct.pack("!6H", random.getrandbits(16), flags, 1, 0, 0, 1) + labels + struct.pack("!HH", rdtype, 1)
            wire += b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000 if dnssec else 0, 0)
            out.write(struct.pack("!H", len(wire)) + wire)


def write_old(path, text):
    """A file that looks as if it had been there for a while: a daemon waits until one is a second old."""
    path.write_text(text)
    os.utime(path, (time.time() - 60, time.time() - 60))


class Server:
    """A process with a log file."""

    def __init__(self, argv, log, env=None):
        self.log_path = Path(log)
        self.log_file = open(log, "wb")
        self.process = subprocess.Popen([str(a) for a in argv], stdout=self.log_file, stderr=self.log_file,
                                        stdin=subprocess.DEVNULL, env=env)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for(self, text, seconds=120, count=1):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.log().count(text) >= count:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{text!r} did not show up in the log:\n{self.log()}")

    def started(self, wait, *args):
        """Wait until it serves; a server that does not is ended before the test fails."""
        try:
            wait(*args)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.log_file.close()


class Authd(Server):
    """rootline-authd serving `zones` ({name: file or text})."""

    def __init__(self, folder, zones, port=None, build=BUILD, extra="", top=""):
        folder = Path(folder)
        self.port = port or free_port()
        lines = [f'server:\n  listen: [127.0.0.1@{self.port}, "::1@{self.port}"]\n  control: {folder / "authd.sock"}', extra, top, "zones:" if zones else "zones: []"]
        for name, source in zones.items():
            if not isinstance(source, Path):
                path = folder / (name.strip(".") + ".zone" if name != "." else "root.zone")
                write_old(path, source)
                source = path
            lines.append(f'  - {{zone: "{name}", file: "{source}"}}')
        self.conf = folder / "authd.yaml"
        self.conf.write_text("\n".join(line for line in lines if line) + "\n")
        super().__init__([build / "rootline-authd", "-c", self.conf], folder / "authd.log")
        self.started(self.wait_for, "ready on ", 120)

    def ask(self, name, rdtype="A", tcp=False, timeout=5, host="127.0.0.1", **kw):
        kw.setdefault("use_edns", 0)
        query = dns.message.make_query(name, rdtype, **kw)
        return self.send(query, tcp, timeout, host)

    def send(self, query, tcp=False, timeout=5, host="127.0.0.1"):
        call = dns.query.tcp if tcp else dns.query.udp
        return call(query, host, timeout=timeout, port=self.port)

    def stop(self, seconds=20):
        status = super().stop(seconds)
        assert "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()
        assert status == 0, self.log()
        return status


class Nsd(Server):
    """Debian's nsd with the same zones."""

    def __init__(self, folder, zones, extra="", waits=True):
        folder = Path(folder)
        self.port = free_port()
        text = f"""server:
  ip-address: 127.0.0.1
  port: {self.port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  xfrdfile: "{folder}/xfrd.state"
  pidfile: "{folder}/nsd.pid"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  ipv4-edns-size: 1232
  ipv6-edns-size: 1232
  round-robin: no
{extra or "  rrl-ratelimit: 0"}
remote-control:
  control-enable: no
"""
        for name, path in zones.items():
            text += f'zone:\n  name: "{name}"\n  zonefile: "{path}"\n'
        conf = folder / "nsd.conf"
        conf.write_text(text)
        super().__init__([find_program("nsd"), "-d", "-c", conf], folder / "nsd.log")
        if waits:
            self.started(wait_answer, self, zones)


class Knot(Server):
    """Debian's knotd with the same zones."""

    def __init__(self, folder, zones, limit=0, waits=True):
        folder = Path(folder)
        self.port = free_port()
        module = f'mod-rrl:\n  - id: limit\n    rate-limit: {limit}\n' if limit else ""
        text = f"""server:
  listen: 127.0.0.1@{self.port}
  rundir: "{folder}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  udp-max-payload: 1232
  automatic-acl: off
database:
  storage: "{folder}/knotdb"
{module}template:
  - id: default
{"    global-module: mod-rrl/limit" if limit else ""}
    storage: "{folder}"
    semantic-checks: off
    journal-content: none
    zonefile-sync: -1
zone:
"""
        for name, path in zones.items():
            text += f'  - domain: "{name}"\n    file: "{path}"\n'
        conf = folder / "knot.conf"
        conf.write_text(text)
        super().__init__([find_program("knotd"), "-c", conf], folder / "knot.log")
        if waits:
            self.started(wait_answer, self, zones)


def named_options(folder, port):
    """Where named listens and what it writes, as the options of its configuration."""
    return f"""  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/session.key";
  dnssec-validation no;
  empty-zones-enable no;
  querylog no;
"""


class Named(Server):
    """Debian's named with the same zones."""

    def __init__(self, folder, zones, extra="", waits=True):
        folder = Path(folder)
        self.port = free_port()
        text = f"""options {{
{named_options(folder, self.port)}  recursion no;
  minimal-responses no-auth;
  minimal-any yes;
  rrset-order {{ order none; }};
  edns-udp-size 1232;
  max-udp-size 1232;
  notify no;
  max-records-per-type 0;
  max-types-per-name 0;
{extra}}};
controls {{ }};
"""
        for name, path in zones.items():
            text += f'zone "{name}" {{ type primary; file "{path}"; check-names ignore; check-integrity no; }};\n'
        conf = folder / "named.conf"
        conf.write_text(text)
        super().__init__([find_program("named"), "-g", "-n", "1", "-c", conf], folder / "named.log")
        if waits:
            self.started(wait_answer, self, zones)


def wait_answer(server, zones, seconds=120):
    """Until the server answers for each of its zones."""
    end = time.monotonic() + seconds
    waiting = list(zones)
    while waiting and time.monotonic() < end and server.process.poll() is None:
        try:
            query = dns.message.make_query(waiting[-1], "SOA")
            if dns.query.udp(query, "127.0.0.1", timeout=0.3, port=server.port).rcode() == 0:
                waiting.pop()
                continue
        except Exception:
            pass
        time.sleep(0.05)
    assert not waiting, f"no answer for {waiting}:\n" + server.log()


def run(*argv, **kw):
    """A command that ends by itself; its result with text."""
    kw.setdefault("timeout", 60)
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, **kw)
