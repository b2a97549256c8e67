"""tools/bench tcp|dot|doh|tls: answers over connections, and new connections.

dnsperf sends queries over TCP and TLS, h2load over HTTP/2, because dnsperf 2.10 loses answers that share a TLS record;
openssl s_time opens connections.  CPU time is that of all processes of the server.
"""
import random
import re
import statistics
import time

import encrypted
import lab

ZONE = "bench.example"
NAMES = 10000
CONNECTIONS = 20
WORKLOADS = {  # queries outstanding on each connection
    "tcp": {"tcp 1": 1, "tcp 16": 16}, "dot": {"dot 1": 1, "dot 16": 16}, "doh": {"doh 1": 1, "doh 4": 4, "doh 16": 16},
    "tls": {"new": 0, "resumed": 0},
}
SERVERS = {"tcp": ["rootline", "unbound", "named", "dnsdist"], "dot": ["rootline", "unbound", "named", "dnsdist"],
           "doh": ["rootline", "unbound", "named", "dnsdist"], "tls": ["rootline", "unbound", "named", "s_server"]}


def records():
    return "".join(f"h{i} A 10.0.{i >> 8}.{i & 255}\n" for i in range(NAMES))


class Ports:
    def __init__(self):
        self.port = self.tcp = lab.free_port()
        self.dot, self.doh = lab.free_port(), lab.free_port()


def rootline(folder, tls):
    p = Ports()
    extra = (f"  workers: 1\n  rate-limit: {{per-second: 0}}\n"
             f"  listen-tls: [127.0.0.1@{p.dot}]\n  listen-https: [127.0.0.1@{p.doh}]\n"
             f"  tls-certificate: {tls}/cert.pem\n  tls-key: {tls}/key.pem\n")
    zone = f"$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\n{records()}"
    server = lab.Authd(folder, {ZONE: zone}, port=p.port, extra=extra,
                       top="limits: {tcp-connections-per-client: 200}\n")
    server.ports = p
    return server


def unbound(folder, tls):
    p = Ports()
    data = "".join(f'  local-data: "h{i}.{ZONE}. 300 IN A 10.0.{i >> 8}.{i & 255}"\n' for i in range(NAMES))
    (folder / "unbound.conf").write_text(f"""server:
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: "{folder}/pid"
  use-syslog: no
  num-threads: 1
  interface: 127.0.0.1@{p.tcp}
  interface: 127.0.0.1@{p.dot}
  interface: 127.0.0.1@{p.doh}
  tls-port: {p.dot}
  https-port: {p.doh}
  http-max-streams: 1000
  http-query-buffer-size: 64m
  http-response-buffer-size: 64m
  tls-service-key: "{tls}/key.pem"
  tls-service-pem: "{tls}/cert.pem"
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  incoming-num-tcp: 2000
  tcp-idle-timeout: 30000
  local-zone: "." always_nxdomain
  local-zone: "{ZONE}." static
{data}remote-control:
  control-enable: no
""")
    server = lab.Server([lab.find_program("unbound"), "-d", "-c", folder / "unbound.conf"], folder / "unbound.log")
    server.ports = p
    return server


def named(folder, tls):
    p = Ports()
    (folder / "bench.zone").write_text(f"$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\n{records()}")
    (folder / "named.conf").write_text(f"""options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/key";
  recursion no; allow-query {{ 127.0.0.0/8; }}; notify no; empty-zones-enable no; dnssec-validation no;
  minimal-responses yes; querylog no;
  listen-on-v6 {{ none; }};
  listen-on port {p.tcp} {{ 127.0.0.1; }};
  listen-on port {p.dot} tls t {{ 127.0.0.1; }};
  listen-on port {p.doh} tls t http h {{ 127.0.0.1; }};
  tcp-clients 2000; tcp-listen-queue 512; tcp-idle-timeout 300;
  http-listener-clients 2000; http-streams-per-connection 1000; }};
tls t {{ cert-file "{tls}/cert.pem"; key-file "{tls}/key.pem"; protocols {{ TLSv1.2; TLSv1.3; }}; }};
http h {{ endpoints {{ "/dns-query"; }}; }};
controls {{ }};
zone "{ZONE}" {{ type primary; file "bench.zone"; }};
""")
    server = lab.Server([lab.find_program("named"), "-g", "-n", "1", "-c", folder / "named.conf"],
                        folder / "named.log")
    server.ports = p
    return server


def dnsdist(folder, tls):
    """Start dnsdist with a packet cache, and an unbound behind it whose CPU time does not count."""
    back = unbound(folder, tls)
    p = Ports()
    (folder / "dnsdist.lua").write_text(f"""setLocal("127.0.0.1:{p.tcp}", {{reusePort=false}})
setACL({{"127.0.0.0/8"}})
setMaxTCPClientThreads(1)
setMaxTCPConnectionsPerClient(0)
setMaxTCPQueuedConnections(1000)
addTLSLocal("127.0.0.1:{p.dot}", "{tls}/cert.pem", "{tls}/key.pem", {{provider="openssl", maxInFlight=1000}})
addDOHLocal("127.0.0.1:{p.doh}", "{tls}/cert.pem", "{tls}/key.pem", {{"/dns-query"}}, {{idleTimeout=30}})
newServer({{address="127.0.0.1:{back.ports.tcp}", healthCheckMode="up", sockets=1, useClientSubnet=false}})
setSecurityPollSuffix("")
pc = newPacketCache(20000, {{maxTTL=3600, numberOfShards=1}})
getPool(""):setCache(pc)
""")
    server = lab.Server([lab.find_program("dnsdist"), "--supervised", "--disable-syslog", "-C", folder / "dnsdist.lua"],
                        folder / "dnsdist.log")
    server.ports, server.back = p, back
    return server


def s_server(folder, tls):
    p = Ports()
    server = lab.Server(["openssl", "s_server", "-accept", f"127.0.0.1:{p.dot}", "-cert", f"{tls}/cert.pem",
                         "-key", f"{tls}/key.pem", "-quiet", "-rev"], folder / "s_server.log")
    server.ports = p
    return server


START = {"rootline": rootline, "unbound": unbound, "named": named, "dnsdist": dnsdist, "s_server": s_server}


def stop(server):
    for one in (server, getattr(server, "back", None)):
        if one and one.process.poll() is None:
            one.process.kill() if one.process.args[0] == "openssl" else one.process.terminate()
            one.process.wait(20)


def load(kind, outstanding, server, seconds, folder):
    """Put a server under load; return the number of answers or of new connections, and the seconds it took."""
    p = server.ports
    if kind == "doh":
        done = lab.run("taskset", "-c", "1", "h2load", "-t1", f"-c{CONNECTIONS}", f"-m{outstanding}", f"-D{seconds}",
                       "-d", folder / "question", "-H", "content-type: application/dns-message",
                       f"https://127.0.0.1:{p.doh}/dns-query", timeout=120)
        found = re.search(r"(\d+) 2xx", done.stdout)
    elif kind == "tls":
        how = ["-reuse", "-tls1_2"] if outstanding == "resumed" else ["-new", "-tls1_3"]
        done = lab.run("taskset", "-c", "1", "openssl", "s_time", "-connect", f"127.0.0.1:{p.dot}", *how,
                       "-time", int(seconds), timeout=120)
        found = re.findall(r"(\d+) connections in \d+ real seconds", done.stdout)
        return (int(found[-1]), seconds) if found else (0, seconds)
    else:
        done = lab.run("taskset", "-c", "1", "dnsperf", "-m", kind, "-s", "127.0.0.1", "-p", getattr(p, kind),
                       "-d", folder / "questions", "-l", int(seconds), "-c", CONNECTIONS,
                       "-q", CONNECTIONS * outstanding, "-T", "1", timeout=120)
        found = re.search(r"Queries completed:\s+(\d+)", done.stdout)
    return (int(found[1]), seconds) if found else (0, seconds)


def measure(kind, args, start_on, cpu_seconds, folder, say):
    tls = encrypted.certificate(folder / "tls")
    names = [f"h{random.randrange(NAMES)}.{ZONE}" for _ in range(20000)]
    (folder / "questions").write_text("".join(f"{n} A\n" for n in names))
    (folder / "question").write_bytes(encrypted.make_query(names[0]))
    servers, results = {}, {}
    try:
        for name in args.servers:
            (folder / name).mkdir()
            servers[name] = start_on(lambda n=name: START[n](folder / n, tls))
        time.sleep(2)
        for text, outstanding in WORKLOADS[kind].items():
            what = text if kind == "tls" else outstanding
            rounds = {name: [] for name in args.servers}
            for number in range(args.rounds + 1):  # round 0 warms up
                shift = number % len(args.servers)
                for name in args.servers[shift:] + args.servers[:shift]:
                    before = cpu_seconds(servers[name].process.pid)
                    count, took = load(kind, what, servers[name], max(2, args.seconds), folder)
                    if count == 0:
                        raise SystemExit(f"bench: {name} gives no answers over {text}:\n{servers[name].log()[-2000:]}")
                    if number > 0:
                        cpu_us = (cpu_seconds(servers[name].process.pid) - before) * 1e6 / count
                        rounds[name].append((count / took, cpu_us))
                say(f"{text}: round {number} of {args.rounds}")
            results[text] = {name: {"qps": statistics.median(r[0] for r in rounds[name]),
                                    "cpu_us": statistics.median(r[1] for r in rounds[name])} for name in args.servers}
    finally:
        for server in servers.values():
            stop(server)
    return results


def show(kind, results):
    unit = "connections" if kind == "tls" else "answers"
    for text, rows in results.items():
        ours = rows.get("rootline")
        if kind == "tls":
            how = f"{unit}, one at a time"
        else:
            how = f"{CONNECTIONS} connections, {text.split()[1]} outstanding on each"
        print(f"\n{text}: {how}")
        print(f"  {'':9} {unit + '/s':>13} {'CPU µs':>8} {'we/it':>6}")
        for name, r in rows.items():
            print(f"  {name:9} {r['qps']:13.0f} {r['cpu_us']:8.1f} {ours['cpu_us'] / r['cpu_us'] if ours else 0:6.2f}")
