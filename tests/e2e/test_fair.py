"""Each kind of flood beside a client that asks for something else over UDP, TCP and HTTPS: it is answered, forwarding or not
(docs/LIMITS.md section 3).  What each query took is printed; `tools/soak fair` decides by it, on the release build."""
import contextlib
import socket
import subprocess
import time

import pytest

import encrypted
import floods
import lab

FLOOD_S = 7   # as long as a resolution may take
TOGETHER = 4  # floods at a time, each with a resolver of its own

# Forwarding, plain recursion, and forwarding with loopback exempt, which it is by default.
CASES = [("forwarding", "one slow domain"), ("forwarding", "the benign client's own domain"), ("forwarding", "200 clients"),
         ("default", "one client"), ("plain", "the benign client's own domain"), ("plain", "ten slow domains at one server"),
         ("plain", "over TCP"), ("plain", "over HTTPS")]


class World:
    """One case: servers, a resolver, and what the benign client saw."""

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
        with floods.Benign(self.subject, "other.alpha", "-") as benign, floods.Flood(self.subject, self.names, **self.more) as flood:
            yield
            assert flood.sent.value > 100
        self.seen = benign.seen

    def stop(self):
        try:
            self.subject.stop()
        finally:
            self.upstream.stop()

    def check(self):
        """Nothing failed, one in a hundred may be lost; and when all time is up nothing is left of the flood."""
        for way, seen in self.seen.items():
            assert seen["asked"] >= 20, (way, seen)
            assert seen["failed"] == 0 and len(seen["ms"]) >= 0.99 * seen["asked"], (way, seen)
        assert self.left == {}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """{case: its world, when all is over}"""
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
                worlds[case].left = worlds[case].subject.wait_until_quiet()
    return worlds


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case).replace(" ", "-"))
def test_flood(played, case):
    print(f"{' '.join(case)}: {floods.describe(played[case].seen)}")
    played[case].check()


@pytest.mark.parametrize("preset", ["", "tsan"])
def test_the_fault_as_it_was_filed(tmp_path, preset):
    """300 names a second below one slow domain from ten addresses, over one forwarder: twelve queries of another client, for names
    that nobody has asked for, are answered all."""
    world = World(tmp_path, "forwarding", "one slow domain", lab.choose_build(preset))
    try:
        with floods.Flood(world.subject, world.names) as flood, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((floods.CLIENT, 0))
            s.connect(("127.0.0.1", world.subject.ports["udp"]))
            s.settimeout(10)
            answered = []
            while flood.sent.value < 900:  # places are full, and hundreds wait
                time.sleep(0.05)
            for n in range(12):
                s.send(encrypted.question(f"b{n}.other{n}.alpha", number=n))
                reply = s.recv(4096)
                answered.append(reply[:2] == n.to_bytes(2, "big") and not reply[3] & 15 and reply[7] > 0)
            time.sleep(1)
        assert answered == [True] * 12
    finally:
        world.stop()
    assert "ThreadSanitizer" not in world.subject.server.log()


def test_the_quota_under_tsan():
    done = subprocess.run([lab.choose_build("tsan") / "tests/test_quota"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
