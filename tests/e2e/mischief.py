"""The server `mischief` (tools/lab/mischief.c), whose names make their own misbehaviour, below a small root; and the
verdict on resolvers that are asked for each kind.

The root and `victim.example.` are honest.  Each kind has its own zone and servers, so that what a resolver remembers
of one server has no effect on another kind.  After a kind the client asks for honest names of the victim: if it gets
the address FORGED, the resolver has believed a record that it should not.
"""
import collections
import json

import dns.exception
import dns.message

import internet
import lab
import malice

MISCHIEF = lab.BUILD / "mischief"
ROOT, FIRST = "127.90.0.1", "127.66.0.1"
ZONE, VICTIM = "mischief.example.", "victim.example."
HONEST = "198.51.100.1"
TTL_MAX = 1 << 31
BUDGET_S = 10  # limits.time of rootline-resolver is seven seconds; a busy machine adds to it
TARGETS = ("rootline", "unbound", "named", "kresd")

Kind = collections.namedtuple("Kind", "name flags expected does should")
Result = collections.namedtuple("Result", "kind answer seconds believed note")


def read_kinds():
    """Return {name: Kind}, from the program's own list."""
    done = lab.run(MISCHIEF, "--list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: Kind(row["name"], set(row["flags"]), set(row["expected"]), row["does"], row["should"])
            for row in json.loads(done.stdout)}


class Net:
    """The root with the victim's zone, and mischief."""

    uses_v6 = False

    def __init__(self, folder, port, seed=1):
        self.port = port
        here = folder / "root"
        here.mkdir(parents=True)
        lab.write_old(here / "root.zone", internet.soa() + f"@ NS ns.root-servers.invalid.\n"
                      f"ns.root-servers.invalid. A {ROOT}\n{ZONE} NS ns1.{ZONE}\nns1.{ZONE} A {FIRST}\n"
                      f"{VICTIM} NS ns.{VICTIM}\nns.{VICTIM} A {ROOT}\n")
        lab.write_old(here / "victim.zone",
                      internet.soa() + "@ NS ns\n" + internet.glue("ns", ROOT) + f"* A {HONEST}\n")
        (here / "authd.yaml").write_text(
            f"server:\n  listen: [{ROOT}@{port}]\n  control: \"\"\n  workers: 1\n  rate-limit: {{per-second: 0}}\n"
            f"zones:\n  - {{zone: \".\", file: root.zone}}\n  - {{zone: \"{VICTIM}\", file: victim.zone}}\n")
        self.hints = folder / "root.hints"
        self.hints.write_text(f". 3600 NS ns.root-servers.invalid.\nns.root-servers.invalid. 3600 A {ROOT}\n")
        self.root = lab.Server([lab.BUILD / "rootline-authd", "-c", here / "authd.yaml"], here / "authd.log")
        self.root.started(self.root.wait_for, "ready on ", 60)
        self.server = lab.Server([MISCHIEF, "--port", port, "--seed", seed], folder / "mischief.log")
        try:
            self.server.started(self.server.wait_for, "ready", 60)
        except BaseException:
            self.root.stop()
            raise

    def stop(self):
        """Stop the servers; a fault that a sanitizer found in mischief fails the run."""
        self.root.stop()
        status = self.server.stop()
        log = self.server.log()
        assert status == 0 and "Sanitizer" not in log and "runtime error" not in log, log


def start(name, folder, net, without=()):
    """Start a resolver at the root of `net`.  The peers need port 53.

    rootline-resolver runs without the defences in `without` (the keys of `lab` in its configuration), which needs a
    fence.
    """
    if name == "rootline":
        weak = ", ".join(f"{defence}: false" for defence in without)
        return internet.Resolver(folder, net, extra=f"lab: {{{weak}}}")
    if name == "unbound":  # its default is ten connections: servers that are slow over TCP would occupy all
        return internet.Unbound(folder, net, "  outgoing-num-tcp: 200\n")
    classes = {"named": internet.NamedResolver, "kresd": internet.Kresd}
    return classes[name](folder, net)


def name_of(kind):
    """Return the name that shows a kind."""
    return f"{'x.' if 'deep' in kind.flags else ''}www.{kind.name}.{ZONE}"


def ttl_of(data):
    """Return the largest TTL of an answer, 0 if it has none or cannot be read."""
    try:
        message = dns.message.from_wire(data)
    except dns.exception.DNSException:
        return 0
    return max((s.ttl for s in message.answer), default=0)


def classify(answers):
    """Return the class of the first answer (malice.classify); "NONE" without an answer."""
    return malice.classify(answers[0]) if answers else "NONE"


def play(port, kinds):
    """Ask a resolver for all kinds at once, then for the same names and the victim's; return [Result]."""
    client = malice.Client(port)
    names = [(name_of(kind), malice.A) for kind in kinds]
    got = client.ask(names, linger=0.3)
    times_s = list(client.times_s)
    again = client.ask(names)
    victims = client.ask([(name, malice.A) for kind in kinds
                          for name in (f"{kind.name}.{VICTIM}", f"www.{kind.name}.{VICTIM}")])
    results = []
    for i, kind in enumerate(kinds):
        after = [classify(answers) for answers in victims[2 * i:2 * i + 2]]
        seen = [classify(got[i]), classify(again[i]), *after]
        notes = []
        if set(after) != {"DATA"}:
            notes.append("the victim's names: " + " ".join(after))
        if len(got[i]) > 1:
            notes.append(f"{len(got[i])} answers to one query")
        if got[i] and ttl_of(got[i][0]) >= TTL_MAX:
            notes.append(f"TTL {ttl_of(got[i][0])}")
        results.append(Result(kind, seen[0], times_s[i], "FORGED" in seen, "; ".join(notes)))
    return results


def judge(result):
    """Return what is wrong with an answer, or None."""
    if result.believed:
        return "a forged record was believed"
    if result.note:
        return result.note
    if result.answer not in result.kind.expected:
        return f"{result.answer}, expected {' or '.join(sorted(result.kind.expected))}"
    if result.seconds > BUDGET_S:
        return f"{result.seconds:.1f} s, the limit is {BUDGET_S} s"
    return None
