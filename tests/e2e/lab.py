"""Authoritative servers on loopback for the end-to-end tests: rootline-authd and Debian's, each on its own port."""
import ctypes
import errno
import itertools
import json
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
LIBC, PIDFD_GETFD = ctypes.CDLL(None, use_errno=True), 438
POOL_MAX = 1024  # UDP sockets that a worker pools (IDLE_SOCKETS_MAX in net/upstream/out_net.c)


def need(*programs):
    """Skip the test if one of the programs is not installed."""
    for program in programs:
        if not (shutil.which(program) or shutil.which("/usr/sbin/" + program)):
            pytest.skip(f"{program} is not installed; tools/setup test installs it")


def need_shared(path):
    """Return the path of a file in ../shared; skip the test if it is not there."""
    if not (SHARED / path).exists():
        pytest.skip(f"no ../shared/{path} beside this checkout")
    return SHARED / path


def choose_build(preset):
    """Return the folder of a preset's build, for "" that of the build under test; skip the test if it is not built."""
    build = BUILD.parent / preset if preset else BUILD
    if not (build / "rootline-authd").exists():
        pytest.skip(f"no {build}: cmake --preset {preset} builds it")
    return build


def find_program(name):
    return shutil.which(name) or "/usr/sbin/" + name


PORTS = itertools.count(int(os.environ.get("ROOTLINE_PORTS", 0)))


def free_port():
    """Return a port that is free for UDP and TCP on 127.0.0.1 and ::1.

    In the network namespace of tests/e2e/alone the kernel gives these ports to no other socket.
    """
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


def write_queries(path, asked, flags=0):
    """Write a file of queries for dns-blast; `asked` yields (name, type, DO)."""
    with open(path, "wb") as out:
        for name, rdtype, dnssec in asked:
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"
            wire = struct.pack("!6H", random.getrandbits(16), flags, 1, 0, 0, 1)
            wire += labels + struct.pack("!HH", rdtype, 1)
            wire += b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000 if dnssec else 0, 0)
            out.write(struct.pack("!H", len(wire)) + wire)


def write_old(path, text):
    """Write a file with a modification time in the past: a daemon does not read a file before it is a second old."""
    path.write_text(text)
    os.utime(path, (time.time() - 60, time.time() - 60))


class Server:
    """A process that writes its output to a log file."""

    def __init__(self, argv, log, env=None):
        self.log_path = Path(log)
        self.log_file = open(log, "wb")
        self.process = subprocess.Popen([str(a) for a in argv], stdout=self.log_file, stderr=self.log_file,
                                        stdin=subprocess.DEVNULL, env=env)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for(self, text, seconds=120, count=1):
        """Wait until the log has `text` `count` times; fail at the timeout or when the process ends."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.log().count(text) >= count:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{text!r} is not in the log:\n{self.log()}")

    def started(self, wait, *args):
        """Call `wait`; if it fails, kill the process before the test fails."""
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
    """rootline-authd with `zones` ({name: Path or text}); `extra` are lines of `server`, `top` other top-level keys."""

    def __init__(self, folder, zones, port=None, build=BUILD, extra="", top=""):
        folder = Path(folder)
        self.port = port or free_port()
        lines = [f'server:\n  listen: [127.0.0.1@{self.port}, "::1@{self.port}"]',
                 f'  control: {folder / "authd.sock"}', extra, top, "zones:" if zones else "zones: []"]
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
    """nsd with `zones` ({name: path})."""

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
    """knotd with `zones` ({name: path}); `limit` is the rate limit of answers, 0 for none."""

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
    """Return the options that say where named listens and where it writes."""
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
    """named with `zones` ({name: path})."""

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
    """Wait until the server answers NOERROR for the SOA of each zone."""
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


def schema(name):
    """Return the schema in docs/schema of what a command prints with --json."""
    return json.loads((SOURCE / f"docs/schema/{name}.json").read_text())


def run(*argv, **kw):
    """Run a command until it ends; return its CompletedProcess, with text."""
    kw.setdefault("timeout", 60)
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, **kw)


def resident(pid):
    """Return the octets of a process's resident memory that belong to no file."""
    return int(Path(f"/proc/{pid}/status").read_text().split("RssAnon:")[1].split()[0]) * 1024


def is_pooled(pidfd, number):
    """True if descriptor `number` is a UDP socket without a port: the resolver pools those for its next queries.

    Look at a copy of the descriptor, because the kernel's tables do not list a socket without a port.
    """
    copy = LIBC.syscall(PIDFD_GETFD, pidfd, number, 0)
    if copy < 0 and ctypes.get_errno() == errno.EBADF:  # the process has closed it
        return False
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    with socket.socket(fileno=copy) as s:
        return s.type == socket.SOCK_DGRAM and s.family != socket.AF_UNIX and s.getsockname()[1] == 0


def descriptors(pid, workers):
    """Return {number: target} of a process's descriptors, without the UDP sockets that the resolver pools.

    A pool grows to the largest number of queries in flight so far; check that it keeps its limit.
    """
    found, pooled = {}, 0
    pidfd = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:  # the process has closed it
                continue
            if target.startswith("socket:") and is_pooled(pidfd, int(name)):
                pooled += 1
            else:
                found[int(name)] = target
    finally:
        os.close(pidfd)
    assert pooled <= POOL_MAX * workers, f"{pooled} pooled UDP sockets of {workers} workers, each may have {POOL_MAX}"
    return found
