"""A private Internet on loopback, and resolvers that start at its root.

It has a root, two TLDs and child zones; each server has an address of 127.90.0.0/16.
"""
import os
import random
import select
import socket
import threading
from pathlib import Path

import lab

ROOT, ALPHA, BETA = "127.90.0.1", "127.90.0.2", "127.90.0.3"
CHILD_SERVERS = [f"127.90.1.{n}" for n in range(1, 9)]  # each child zone is on three of them
DEAD = "127.90.1.99"                                    # no server listens there
ZONES, NAMES = 32, 400                                  # child zones, and hosts in each


def soa(ttl=3600):
    return f"$TTL {ttl}\n@ SOA ns.invalid. host.invalid. 1 7200 1800 86400 300\n"


def glue(owner, *addresses):
    return "".join(f"{owner} A {a}\n" for a in addresses)


def child(n):
    """Return the name of child zone n, below alpha or beta in turn."""
    return f"z{n}.{'alpha' if n % 2 else 'beta'}."


def address(zone, name):
    return f"10.{zone}.{name // 256}.{name % 256}"


def servers_of(n):
    """Return the addresses of the servers of child zone n; one in four zones has a dead one too."""
    return [CHILD_SERVERS[(n + i) % 8] for i in (0, 3, 5)] + ([DEAD] if n % 4 == 0 else [])


def child_zone(n):
    text = soa() + "".join(f"@ NS ns{i}\n" for i in range(len(servers_of(n))))
    text += "".join(glue(f"ns{i}", a) for i, a in enumerate(servers_of(n)))
    text += "".join(f"n{i} A {address(n, i)}\n" for i in range(NAMES))
    other = child((n + 1) % ZONES)
    text += (f"@ MX 10 n1\n@ MX 20 n2.{other}\n@ A {address(n, 1)}\n@ TXT \"zone {n}\"\n"
             f"www CNAME n3\nfar CNAME n4.{other}\nfar2 CNAME far.{other}\n"
             f"tree DNAME n5.{other}\nleaf.ent.deep A 10.99.0.{n}\n*.wild A 10.98.0.{n}\n"
             f"wc.only TXT \"wc\"\n_s._tcp SRV 0 0 80 n6\nself CNAME self\n"
             f"loop1 CNAME loop2\nloop2 CNAME loop1\nv6 AAAA 2001:db8::{n:x}\n"
             f"dangling CNAME nothing.here.{other}\nzero 0 A 10.97.0.{n}\n"
             f"caa CAA 0 issue \"ca.invalid\"\nhttps HTTPS 1 . alpn=h2\nCase.MiXed A 10.96.0.{n}\n")
    text += "".join(f'big TXT "{i:03d} {"x" * 120}"\n' for i in range(40))
    text += f"sub NS ns0.{child(n)}\nglueless NS ns.hosts.alpha.\nlame NS ns.lame.alpha.\n"
    return text


class Zones:
    """The zones of all servers: {server: (addresses, {zone: text})}."""

    def __init__(self, zone=child_zone):
        everything = {child(n): zone(n) for n in range(ZONES)}
        for n in range(ZONES):
            everything["sub." + child(n)] = (soa() + f"@ NS ns0.{child(n)}\n@ A 10.95.0.{n}\nx A 10.95.1.{n}\n")
        tlds = {}
        for tld in ("alpha.", "beta."):
            text = soa() + "@ NS ns\n" + glue("ns", ALPHA if tld == "alpha." else BETA)
            for n in range(ZONES):
                if not child(n).endswith("." + tld):
                    continue
                label = f"z{n}"
                for i, a in enumerate(servers_of(n)):
                    text += f"{label} NS ns{i}.{label}\nns{i}.{label} A {a}\n"
            if tld == "alpha.":  # the names of servers that need a lookup of their own, and of lame ones
                text += ("hosts NS ns.hosts\n" + glue("ns.hosts", CHILD_SERVERS[0]) +
                         "lame NS ns.lame\n" + glue("ns.lame", CHILD_SERVERS[1]))
            tlds[tld] = text
        everything["hosts.alpha."] = soa() + "@ NS ns\n" + glue("ns", CHILD_SERVERS[0])
        everything["lame.alpha."] = soa() + "@ NS ns\n" + glue("ns", CHILD_SERVERS[1])
        for n in range(ZONES):
            everything["glueless." + child(n)] = soa() + "@ NS ns.hosts.alpha.\nx A 10.94.0.1\n@ A 10.94.0.2\n"
        root = (soa() + "@ NS ns.root-servers.invalid.\n" + glue("ns.root-servers.invalid.", ROOT) +
                "alpha NS ns.alpha\nbeta NS ns.beta\n" + glue("ns.alpha", ALPHA) + glue("ns.beta", BETA))
        self.servers = {"root": ([ROOT], {".": root}), "alpha": ([ALPHA], {"alpha.": tlds["alpha."]}),
                        "beta": ([BETA], {"beta.": tlds["beta."]}), "children": (CHILD_SERVERS, everything)}


class Internet:
    """The running servers; `shift` moves those of the children to 127.90.2.x, to make room for a proxy."""

    uses_v6 = False

    def __init__(self, folder, port, shift=False, build=lab.BUILD, zone=child_zone):
        self.port = port
        self.servers = []
        for name, (addresses, zones) in Zones(zone).servers.items():
            here = Path(folder) / name
            here.mkdir(parents=True)
            lines = []
            for i, (zone, text) in enumerate(zones.items()):
                lab.write_old(here / f"{i}.zone", text)
                lines.append(f'  - {{zone: "{zone}", file: {i}.zone}}')
            if shift and name == "children":
                addresses = [a.replace("127.90.1.", "127.90.2.") for a in addresses]
            listen = ", ".join(f"{a}@{port}" for a in addresses)
            (here / "authd.yaml").write_text(
                f"server:\n  listen: [{listen}]\n  control: \"\"\n  workers: 1\n  rate-limit: {{per-second: 0}}\n" +
                "zones:\n" + "\n".join(lines) + "\n")
            self.servers.append(lab.Server([build / "rootline-authd", "-c", here / "authd.yaml"], here / "authd.log"))
        for server in self.servers:
            server.started(server.wait_for, "ready on ", 60)
        self.hints = Path(folder) / "root.hints"
        self.hints.write_text(f". 3600 NS ns.root-servers.invalid.\nns.root-servers.invalid. 3600 A {ROOT}\n")

    def stop(self):
        for server in self.servers:
            server.stop()


class Resolver(lab.Server):
    """rootline-resolver with the root hints and the port of `internet`.

    `server` and `resolver` are lines of these configuration keys, `extra` are other top-level keys.  It validates if
    `anchor` is the file with the trust anchor.
    """

    def __init__(self, folder, internet, build=lab.BUILD, extra="", resolver="", workers=1, listen=("127.0.0.1",),
                 server="", size="64M", anchor=None):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = lab.free_port()
        addresses = ", ".join(f'"{a}@{self.port}"' for a in listen)
        self.conf = folder / "resolver.yaml"
        self.socket = folder / "resolver.sock"
        self.conf.write_text(f"""server:
  listen: [{addresses}]
  control: {self.socket}
  workers: {workers}
{server}allow: [127.0.0.0/8]
resolver:
  root-hints: {internet.hints}
  trust-anchor: "{anchor or ''}"
  outgoing-port: {internet.port}
  ipv6: false
  do-not-query: []
{resolver}
cache: {{size: {size}, directory: {folder / "cache"}}}
{extra}
""")
        super().__init__([build / "rootline-resolver", "-c", self.conf], folder / "resolver.log")
        self.started(self.wait_for, "ready on ", 30)

    def stop(self, seconds=20):
        status = super().stop(seconds)
        assert "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()
        assert status == 0, self.log()
        return status


class Unbound(lab.Server):
    """unbound, which can query servers at port 53 only.

    It validates if `anchor` is the file with the trust anchor.
    """

    def __init__(self, folder, net, extra="", anchor=None):
        modules = '  module-config: "iterator"\n'
        if anchor:
            modules = ('  module-config: "validator iterator"\n  val-log-level: 2\n  ede: yes\n'
                       f'  trust-anchor-file: "{anchor}"\n')
        folder.mkdir(parents=True)
        self.port = lab.free_port()
        (folder / "unbound.conf").write_text(f"""server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1@{self.port}
  do-ip6: {"yes" if net.uses_v6 else "no"}
  do-daemonize: no
  do-not-query-localhost: no
  root-hints: "{net.hints}"
{modules}  minimal-responses: yes
  qname-minimisation: yes
  rrset-roundrobin: no
  local-zone: "invalid." transparent
{extra}remote-control:
  control-enable: no
""")
        super().__init__([lab.find_program("unbound"), "-d", "-c", folder / "unbound.conf"], folder / "unbound.log")
        self.started(lab.wait_answer, self, ["."])


class Kresd(lab.Server):
    """kresd, which can query servers at port 53 only.  It validates if `anchor` is the file with the trust anchor."""

    def __init__(self, folder, net, extra="", anchor=None):
        if anchor:
            extra += f"trust_anchors.add_file('{anchor}', true)\n"
        folder.mkdir(parents=True)
        self.port = lab.free_port()
        (folder / "kresd.conf").write_text(f"""net.listen('127.0.0.1', {self.port})
net.ipv6 = {str(net.uses_v6).lower()}
cache.size = 64 * MB
trust_anchors.remove('.')
modules = {{'hints > iterate'}}
hints.root_file('{net.hints}')
option('ALLOW_LOCAL', true)
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
{extra}""")
        super().__init__([lab.find_program("kresd"), "-n", "-c", folder / "kresd.conf", folder],
                         folder / "kresd.log")
        self.started(lab.wait_answer, self, ["."])


class NamedResolver(lab.Server):
    """named as a resolver."""

    def __init__(self, folder, net):
        folder.mkdir(parents=True)
        self.port = lab.free_port()
        (folder / "named.conf").write_text(f"""options {{
{lab.named_options(folder, self.port)}  recursion yes;
  minimal-responses yes;
  max-cache-size 1024m;
}};
controls {{ }};
zone "." {{ type hint; file "{net.hints}"; }};
""")
        super().__init__([lab.find_program("named"), "-g", "-4", "-n", "1", "-c", folder / "named.conf"],
                         folder / "named.log")
        self.started(lab.wait_answer, self, ["."])


class Pdns(lab.Server):
    """pdns_recursor."""

    def __init__(self, folder, net):
        folder.mkdir(parents=True)
        self.port = lab.free_port()
        options = {"config-dir": folder, "socket-dir": folder, "daemon": "no", "local-address": "127.0.0.1",
                   "local-port": self.port, "threads": 1, "hint-file": net.hints, "dnssec": "off", "dont-query": "",
                   "max-cache-entries": 4000000, "max-packetcache-entries": 4000000, "query-local-address": "0.0.0.0",
                   "write-pid": "no", "quiet": "yes", "loglevel": 3, "security-poll-suffix": ""}
        super().__init__([lab.find_program("pdns_recursor")] + [f"--{k}={v}" for k, v in options.items()],
                         folder / "pdns.log")
        self.started(lab.wait_answer, self, ["."])


class Losses:
    """A proxy on the UDP ports of the children's servers that drops a part of their replies."""

    def __init__(self, port, part, seed=1, dead=()):
        self.random = random.Random(seed)
        self.part, self.port = part, port
        self.dropped = self.passed = 0
        self.fronts = []
        for a in CHILD_SERVERS:
            if a in dead:
                continue
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            s.bind((a, port))
            self.fronts.append((s, (a.replace("127.90.1.", "127.90.2."), port)))
        self.is_ending = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        epoll = select.epoll()
        backs, fronts, free = {}, {}, {}
        for s, to in self.fronts:
            epoll.register(s.fileno(), select.EPOLLIN)
            fronts[s.fileno()] = (s, to)
            free[s.fileno()] = []
        while not self.is_ending:
            for fd, _ in epoll.poll(0.2):
                if fd in fronts:
                    s, to = fronts[fd]
                    data, client = s.recvfrom(4096)
                    if free[fd]:
                        back = free[fd].pop()
                    else:
                        back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        back.connect(to)
                        epoll.register(back.fileno(), select.EPOLLIN)
                    backs[back.fileno()] = (back, s, client)
                    back.send(data)
                elif fd in backs:
                    back, s, client = backs[fd]
                    data = back.recv(4096)
                    if self.random.random() < self.part:
                        self.dropped += 1
                    else:
                        self.passed += 1
                        s.sendto(data, client)
                    free[s.fileno()].append(back)
        for back, _, _ in backs.values():
            back.close()
        epoll.close()

    def stop(self):
        self.is_ending = True
        self.thread.join()
        for s, _ in self.fronts:
            s.close()


class ClassInternet(lab.Server):
    """The servers of the class Internet, run by tools/internet."""

    hints = lab.SOURCE / "zones/internet/root.hints"
    uses_v6 = True  # of six.org

    def __init__(self, folder, port=None, build=lab.BUILD):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or lab.free_port()
        self.folder = folder / "servers"
        # tools/start names the folder by a relative path
        super().__init__([lab.SOURCE / "tools/internet", build, os.path.relpath(self.folder), self.port],
                         folder / "internet.log")
        self.started(self.wait_for, "are ready")

    def stop(self):
        assert super().stop() == 143


class ClassResolver(lab.Server):
    """The resolver of the class Internet, configured as by tools/start, but for folders and ports.

    It validates if `anchor` is the file with the trust anchor.
    """

    def __init__(self, folder, net, build=lab.BUILD, extra="", port=None, workers=1, top="", control=None, within=(),
                 anchor='""'):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or lab.free_port()
        self.socket = control or folder / "resolver.sock"
        text = (lab.SOURCE / "zones/internet/resolver.yaml").read_text()
        for old, new in (("@5300", f"@{self.port}"), ("../../build/start/cache", str(folder / "cache")),
                         ("size: 64M", "size: 16M"),
                         ("root-hints: root.hints", f"root-hints: {lab.SOURCE}/zones/internet/root.hints"),
                         ("outgoing-port: 53", f"outgoing-port: {net.port}"),
                         ("127.11.2.9]", f"127.11.2.9@{net.port}]"),
                         ('trust-anchor: ""', f"trust-anchor: {anchor}"),
                         ("  identity:", f"  control: {self.socket}\n  workers: {workers}\n{extra}  identity:")):
            assert old in text, old
            text = text.replace(old, new)
        self.conf = folder / "resolver.yaml"
        self.conf.write_text(text + top)
        super().__init__([*within, build / "rootline-resolver", "-c", self.conf],
                         folder / "resolver.log")
        self.started(self.wait_for, "ready on ")

    def command(self, *args, env=None, **kw):
        """Run `rootline` with the socket of this resolver."""
        env = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        return lab.run(lab.ROOTLINE, *args, "--socket", self.socket, env=env, **kw)

    def stop(self, seconds=20):
        status = super().stop(seconds)
        assert "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()
        assert status == 0, self.log()
