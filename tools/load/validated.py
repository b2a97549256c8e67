"""tools/bench validated: resolvers with and without a trust anchor, on zones signed by `rootline zone sign`.

The root, a TLD and ZONES zones of NAMES names are on four servers.  Each round begins with an empty cache: dnsperf asks
for every name once, then dns-blast repeats the names, which are cached.  A library that each resolver preloads
(verified.c) counts the signatures that it verifies, and their CPU time.
"""
import contextlib
import os
import random
import re
import statistics
import struct
import time

import dns.flags
import dns.message
import dns.query

import internet
import lab
import signing

ALGORITHMS = {"P-256": "ECDSAP256SHA256", "RSA-2048": "RSASHA256"}
ZONES, NAMES = 8, 4000
SERVERS = [internet.CHILD_SERVERS[0], internet.CHILD_SERVERS[1]]
OUTSTANDING = 50           # queries for names that are not cached
HITS_OUTSTANDING = 512
SIGNED_FOR_S = 20 * 86400  # the signatures are valid for 30 days
MODES = ("validated", "plain")
RD_AD = 0x120


def zone_name(n):
    return f"z{n}.alpha."


def make_zones(folder, algorithm, say):
    """Sign all zones, unless that was done; the file root.ds is written last."""
    anchor = folder / "root.ds"
    if anchor.exists() and time.time() - anchor.stat().st_mtime < SIGNED_FOR_S:
        return
    lab.run("rm", "-rf", folder)
    folder.mkdir(parents=True)
    say(f"signing {ZONES} zones of {NAMES} names with {algorithm}, once")

    def sign(origin, text):
        return signing.sign_text(folder, origin, text, "--algorithm", algorithm)[1]

    tld = internet.soa() + "@ NS ns\n" + internet.glue("ns", internet.ALPHA)
    for n in range(ZONES):
        address = SERVERS[n % len(SERVERS)]
        hosts = "".join(f"n{i} A {internet.address(n, i)}\n" for i in range(NAMES))
        tld += f"z{n} NS ns.z{n}\n" + internet.glue(f"ns.z{n}", address)
        tld += sign(zone_name(n), internet.soa() + "@ NS ns\n" + internet.glue("ns", address) + hosts)
    root = internet.soa() + "@ NS ns.\n" + internet.glue("ns.", internet.ROOT)
    root += "alpha NS ns.alpha\n" + internet.glue("ns.alpha", internet.ALPHA) + sign("alpha.", tld)
    anchor.write_text(sign(".", root))


class Signed:
    """The running servers of one algorithm, and its trust anchor."""

    uses_v6 = False

    def __init__(self, folder, zones):
        self.port, self.anchor, self.hints, self.servers = 53, zones / "root.ds", folder / "root.hints", []
        folder.mkdir()
        self.hints.write_text(f". 3600 NS ns.\nns. 3600 A {internet.ROOT}\n")
        places = [(internet.ROOT, ["."]), (internet.ALPHA, ["alpha."])]
        places += [(a, [zone_name(n) for n in range(ZONES) if SERVERS[n % len(SERVERS)] == a]) for a in SERVERS]
        for number, (address, names) in enumerate(places):
            conf = folder / f"authd{number}.yaml"
            conf.write_text(f"server: {{listen: [{address}@53], control: \"\", workers: 1, "
                            "rate-limit: {per-second: 0}}\nzones:\n" + "".join(
                                f'  - {{zone: "{name}", file: {zones}/{name}signed}}\n' for name in names))
            self.servers.append(lab.Server([lab.BUILD / "rootline-authd", "-c", conf], folder / f"authd{number}.log"))
        for server in self.servers:
            server.started(server.wait_for, "ready on ", 60)

    def stop(self):
        for server in self.servers:
            server.stop()


@contextlib.contextmanager
def counting(path):
    """Let the processes that are started inside count their verifications in the file."""
    path.write_bytes(bytes(16))
    os.environ.update(LD_PRELOAD=str(lab.BUILD / "libbench-verified.so"), BENCH_VERIFIED=str(path))
    try:
        yield
    finally:
        del os.environ["LD_PRELOAD"], os.environ["BENCH_VERIFIED"]


def ask_all(server, folder):
    """Ask for every name once; return the number of answers."""
    done = lab.run("taskset", "-c", "1", "dnsperf", "-s", "127.0.0.1", "-p", server.port, "-d", folder / "names",
                   "-n", "1", "-c", "4", "-q", OUTSTANDING, "-T", "1", timeout=300)
    found = re.search(r"Queries completed:\s+(\d+)", done.stdout)
    good = re.search(r"NOERROR (\d+)", done.stdout)
    if not found or not good or int(good[1]) < 0.99 * ZONES * NAMES:
        raise SystemExit(f"bench: not every name was answered:\n{done.stdout[-1000:]}{server.log()[-1000:]}")
    return int(found[1])


def check_ad(name, server, mode):
    query = dns.message.make_query(f"n1.{zone_name(1)}", "A")
    query.flags |= dns.flags.AD
    is_ad = bool(dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5).flags & dns.flags.AD)
    if is_ad != (mode == "validated"):
        raise SystemExit(f"bench: {name}, {mode}: AD is {int(is_ad)}")


def measure_one(name, mode, start, net, folder, tools, seconds):
    """Start one resolver with an empty cache; return its figures."""
    counts = folder / "counts"
    with counting(counts):
        server = start(name, folder / f"{name}-{mode}", net, net.anchor if mode == "validated" else None)
    try:
        pid = server.process.pid
        before = tools["cpu_seconds"](pid)
        answered = ask_all(server, folder)
        cold_us = (tools["cpu_seconds"](pid) - before) * 1e6 / answered
        verifications, ns = struct.unpack("=QQ", counts.read_bytes())
        check_ad(name, server, mode)
        hits = tools["blast"](server, folder / "questions", seconds, 0, HITS_OUTSTANDING)
    finally:
        server.stop()
    return {"cold": cold_us, "verifications": verifications / answered, "verify": ns / 1e3 / answered,
            "beside": cold_us - ns / 1e3 / answered, "hit": hits["cpu_us"], "hit_qps": hits["qps"]}


def measure(args, start, tools, cache, say):
    """Return {algorithm: {server: {mode: figures}}}; `start` starts a resolver on the core of the servers."""
    results = {}
    for what, algorithm in ALGORITHMS.items():
        zones = cache / f"validated-{what}"
        make_zones(zones, algorithm, say)
        folder = cache / "validated"
        lab.run("rm", "-rf", folder)
        folder.mkdir()
        names = [f"n{i}.{zone_name(n)}" for n in range(ZONES) for i in range(NAMES)]
        random.Random(1).shuffle(names)
        (folder / "names").write_text("".join(f"{name} A\n" for name in names))
        lab.write_queries(folder / "questions", ((name, 1, False) for name in names), RD_AD)
        os.sched_setaffinity(0, {1})
        net = Signed(folder / "net", zones)
        os.sched_setaffinity(0, range(os.cpu_count()))
        rounds = {name: {mode: [] for mode in MODES} for name in args.servers}
        try:
            for number in range(args.rounds):
                shift = number % len(args.servers)
                for name in args.servers[shift:] + args.servers[:shift]:
                    for mode in MODES if number % 2 else MODES[::-1]:
                        here = folder / f"{number}-{name}-{mode}"
                        here.mkdir()
                        for each in ("names", "questions"):
                            (here / each).symlink_to(folder / each)
                        rounds[name][mode].append(measure_one(name, mode, start, net, here, tools, args.seconds))
                say(f"{what}: round {number + 1} of {args.rounds}: " + ", ".join(
                    f"{name} {rounds[name]['validated'][-1]['cold']:.0f} µs" for name in args.servers))
        finally:
            net.stop()
        results[what] = {name: {mode: {key: statistics.median(r[key] for r in rounds[name][mode])
                                       for key in rounds[name][mode][0]} for mode in MODES} for name in args.servers}
    return results


def show(results):
    for what, rows in results.items():
        ours = rows.get("rootline")
        print(f"\n{what}: {ZONES * NAMES:,} names in {ZONES} signed zones, CPU µs per query\n"
              f"  {'':9} {'no anchor':>10} {'validated':>10} {'we/it':>6} {'verified':>9} {'µs':>6} {'beside it':>10} "
              f"{'we/it':>6} {'hit, no anchor':>15} {'hit, validated':>15}")
        for name, r in rows.items():
            v, p = r["validated"], r["plain"]
            ratio = [f"{ours['validated'][key] / v[key] if ours else 0:6.2f}" for key in ("cold", "beside")]
            print(f"  {name:9} {p['cold']:10.1f} {v['cold']:10.1f} {ratio[0]} {v['verifications']:9.3f} "
                  f"{v['verify']:6.1f} {v['beside']:10.1f} {ratio[1]} {p['hit']:15.2f} {v['hit']:15.2f}")
