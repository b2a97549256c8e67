"""Floods beside a benign client that queries other names over UDP, TCP and HTTPS: its queries are answered, with and
without forwarding (docs/LIMITS.md section 3).

The speed of the machine does not decide: the benign client has few queries in flight, and starts when the flood has
filled the places.  With loopback exempt its queries take turns with the flood at the places, which become free after
timeouts; at a fixed rate they would queue for longer than limits.time when a busy machine makes the timeouts longer.
The times of the answers are printed; `tools/soak fair` decides by them, on the release build.
"""
import contextlib
import socket
import subprocess
import time

import pytest

import encrypted
import floods
import lab

FLOOD_S = 7   # at least: as long as a resolution may take
TOGETHER = 4  # floods at a time, each with its own resolver
WINDOW = 2    # queries of the benign client in flight, over each transport
ANSWERS = 20  # that it gets at least, over each transport
WAITING = 10  # tasks that wait for a place when it starts
CLIENTS = 10  # exempt clients, of which the kernel gives some to each of two workers
MOST, LEAST = 40, 5  # when one of them has got so many answers, each has got so many

# Forwarding, plain recursion, and forwarding with the default configuration, which exempts loopback from shares.
CASES = [("forwarding", "one slow domain"), ("forwarding", "the benign client's own domain"),
         ("forwarding", "200 clients"), ("default", "one client"), ("plain", "the benign client's own domain"),
         ("plain", "ten slow domains at one server"), ("plain", "over TCP"), ("plain", "over HTTPS")]


class World:
    """The servers and the resolver of one case, and the results of the benign client."""

    def __init__(self, folder, how, kind, build=lab.BUILD):
        self.names, mode, self.more = floods.KINDS[kind]
        port = lab.free_port()
        self.upstream = floods.Upstream(port, mode)
        try:
            self.subject = floods.Subject(folder, port, how != "plain", is_default=how == "default", build=build)
        except BaseException:
            self.upstream.stop()
            raise

    @contextlib.contextmanager
    def flooded(self):
        with (floods.Benign(self.subject, "other.alpha", "-", window=WINDOW, is_paused=True) as self.benign,
              floods.Flood(self.subject, self.names, **self.more)):
            self.subject.wait_until_full(WAITING)
            self.benign.start()
            yield
        self.seen = self.benign.seen

    def wait_for_answers(self, seconds=120):
        end = time.monotonic() + seconds
        while self.benign.answered.value < ANSWERS:
            assert time.monotonic() < end, "the benign client gets too few answers"
            time.sleep(0.05)

    def stop(self):
        try:
            self.subject.stop()
        finally:
            self.upstream.stop()

    def check(self):
        """No query failed, at most one in a hundred was lost, and after the flood no work is left."""
        for way, seen in self.seen.items():
            assert seen["asked"] >= ANSWERS and seen["failures"] == [], (way, seen)
            assert len(seen["ms"]) >= 0.99 * seen["asked"], (way, seen)
        assert self.left == {}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Play all cases; return {case: world}."""
    worlds = {}
    for at in range(0, len(CASES), TOGETHER):
        with contextlib.ExitStack() as up:
            for n, case in enumerate(CASES[at:at + TOGETHER]):
                worlds[case] = World(tmp_path_factory.mktemp(f"fair{at + n}"), *case)
                up.callback(worlds[case].stop)
            with contextlib.ExitStack() as under_way:
                for case in CASES[at:at + TOGETHER]:
                    under_way.enter_context(worlds[case].flooded())
                time.sleep(FLOOD_S)
                for case in CASES[at:at + TOGETHER]:
                    worlds[case].wait_for_answers()
            for case in CASES[at:at + TOGETHER]:
                worlds[case].left = worlds[case].subject.wait_until_quiet()
    return worlds


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case).replace(" ", "-"))
def test_flood(played, case):
    print(f"{' '.join(case)}: {floods.describe(played[case].seen)}")
    played[case].check()


class Exempt:
    """A client with an address of its own, which is exempt on loopback and has one query in flight."""

    def __init__(self, subject, number):
        self.way, self.number = floods.Datagrams(subject, f"127.9.9.{number}"), number
        self.answers = self.failures = 0
        self.ask()

    def ask(self):
        self.way.send(encrypted.make_query(f"b{self.number}x{self.answers}.other.alpha", number=self.answers))

    def read(self):
        for reply in self.way.replies():
            if int.from_bytes(reply[:2], "big") == self.answers:
                self.failures += bool(reply[3] & 15) or reply[7] == 0
                self.answers += 1
                self.ask()


@pytest.mark.parametrize("preset", ["", "tsan"])
def test_workers_take_turns(tmp_path, preset):
    """One exempt client floods one of two workers.  Exempt clients at the other worker get answers too: each free place
    of the zone is offered to both."""
    world = World(tmp_path, "default", "one client", lab.choose_build(preset))
    try:
        with floods.Flood(world.subject, world.names, **world.more):
            world.subject.wait_until_full(WAITING)
            clients = [Exempt(world.subject, n) for n in range(1, CLIENTS + 1)]
            end = time.monotonic() + 120
            while max(c.answers for c in clients) < MOST:
                assert time.monotonic() < end, [c.answers for c in clients]
                for c in clients:
                    c.read()
                time.sleep(0.001)
        answers = [c.answers for c in clients]
        print(f"answers per client: {answers}")
        assert min(answers) >= LEAST and sum(c.failures for c in clients) == 0, answers
    finally:
        world.stop()
    assert "ThreadSanitizer" not in world.subject.server.log()


@pytest.mark.parametrize("preset", ["", "tsan"])
def test_twelve_queries_beside_a_slow_domain(tmp_path, preset):
    """Ten clients query names below one slow domain, through one forwarder, until the places are full.  All twelve
    queries of another client, for uncached names, are answered."""
    world = World(tmp_path, "forwarding", "one slow domain", lab.choose_build(preset))
    try:
        with floods.Flood(world.subject, world.names) as flood, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((floods.CLIENT, 0))
            s.connect(("127.0.0.1", world.subject.ports["udp"]))
            s.settimeout(10)
            answered = []
            while flood.sent.value < 900:
                time.sleep(0.05)
            world.subject.wait_until_full(WAITING)
            for n in range(12):
                s.send(encrypted.make_query(f"b{n}.other{n}.alpha", number=n))
                reply = s.recv(4096)
                answered.append(reply[:2] == n.to_bytes(2, "big") and not reply[3] & 15 and reply[7] > 0)
            time.sleep(1)
        assert answered == [True] * 12
    finally:
        world.stop()
    assert "ThreadSanitizer" not in world.subject.server.log()


def test_quota_under_tsan():
    """The unit test of the quota has no data race."""
    done = subprocess.run([lab.choose_build("tsan") / "tests/test_quota"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
