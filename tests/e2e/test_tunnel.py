"""Detection of DNS tunnels: alerts in log, status and stats; what switches it off."""
import json
import random

import dns.message
import dns.query
import jsonschema
import pytest

import internet
import lab

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
NAMES = 70  # of 171 letters each; 53 are enough


@pytest.fixture
def resolver(class_net, tmp_path):
    made = []

    def start(top="", **kw):
        made.append(internet.ClassResolver(tmp_path / str(len(made)), class_net, top=top, **kw))
        return made[-1]
    yield start
    for one in made:
        one.stop()


def ask(resolver, name, rdtype="A", source=None):
    query = dns.message.make_query(name, rdtype)
    return dns.query.udp(query, "127.0.0.1", port=resolver.port, timeout=20, source=source)


def full_name(rng, zone):
    return ".".join(["".join(rng.choices(BASE32, k=57)) for i in range(3)] + [zone])


def tunnel(resolver, zone, cnt=NAMES, seed=1, rdtype="A", **kw):
    rng = random.Random(seed)
    return [ask(resolver, full_name(rng, zone), rdtype, **kw) for i in range(cnt)]


def read(resolver, command):
    value = json.loads(resolver.command(command, "--json").stdout)
    jsonschema.validate(value, json.loads((lab.SOURCE / f"docs/schema/{command}.json").read_text()))
    return value


def test_a_tunnel_is_in_log_status_and_stats(resolver):
    resolver = resolver(workers=2)
    tunnel(resolver, "a.uni.edu", source="127.0.0.9")
    alerts = read(resolver, "status")["recent-tunnels"]
    assert len(alerts) == 1 and read(resolver, "stats")["tunnel-alerts"] == 1
    assert alerts[0]["client"] == "127.0.0.9" and alerts[0]["zone"] == "uni.edu."
    assert 40 <= alerts[0]["names"] <= NAMES and 80 * 40 <= alerts[0]["octets"] <= 110 * NAMES
    text = " ".join(resolver.command("status").stdout.split())
    assert f"127.0.0.9 sent {alerts[0]['names']} new names below uni.edu." in text
    explained = resolver.command("explain", "www.uni.edu")
    assert "possible DNS tunnel at" in explained.stderr and "127.0.0.9 sent" in explained.stderr
    assert resolver.command("explain", "www.shop.com").stderr == ""
    lines = [line for line in resolver.log().splitlines() if "possible DNS tunnel" in line]
    assert len(lines) == 1 and "127.0.0.9" in lines[0] and "below uni.edu. within" in lines[0]
    assert "detection.exempt" in lines[0]


def test_replies_count_too(resolver):
    """Names alone are too few here, but not with what a wildcard's TXT record says."""
    resolver = resolver()
    tunnel(resolver, "students.school.example", 40, source="127.0.0.8")
    assert read(resolver, "stats")["tunnel-alerts"] == 0
    replies = tunnel(resolver, "students.school.example", 40, rdtype="TXT", source="127.0.0.9")
    assert all(reply.answer for reply in replies)
    alerts = read(resolver, "status")["recent-tunnels"]
    assert [(a["client"], a["zone"]) for a in alerts] == [("127.0.0.9", "school.example.")]


def test_ordinary_names_raise_no_alert(resolver):
    resolver = resolver()
    rng = random.Random(2)
    same = [full_name(rng, "uni.edu") for i in range(10)]
    for i in range(200):
        ask(resolver, rng.choice(same))
        ask(resolver, f"{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}.7.list.uni.edu")
        ask(resolver, "".join(rng.choices("0123456789abcdef", k=32)) + ".digests.uni.edu", "TXT")
    status = read(resolver, "status")
    assert status["recent-tunnels"] == [] and status["tunnel-alerts"] == 0
    assert "possible" not in resolver.command("status").stdout


def test_exemptions(resolver):
    resolver = resolver("detection: {exempt: [127.0.0.8/31, cs.uni.edu]}\n")
    tunnel(resolver, "uni.edu", source="127.0.0.9")
    tunnel(resolver, "x.cs.uni.edu")
    assert read(resolver, "stats")["tunnel-alerts"] == 0
    tunnel(resolver, "x.uni.edu", seed=3)
    alerts = read(resolver, "status")["recent-tunnels"]
    assert [(a["client"], a["zone"]) for a in alerts] == [("127.0.0.1", "uni.edu.")]


def test_detection_is_switched_by_a_reload(resolver):
    resolver = resolver("detection: {tunnels: false}\n")
    tunnel(resolver, "uni.edu")
    assert read(resolver, "stats")["tunnel-alerts"] == 0
    resolver.conf.write_text(resolver.conf.read_text().replace("tunnels: false", "tunnels: true"))
    assert resolver.command("reload").returncode == 0
    tunnel(resolver, "uni.edu", seed=2)
    assert read(resolver, "stats")["tunnel-alerts"] == 1


def test_log_lines_of_alerts_are_limited(resolver):
    """Each client has an alert, but only ten are logged at once."""
    resolver = resolver()
    for i in range(14):
        tunnel(resolver, "uni.edu", seed=i, source=f"127.0.1.{i + 1}")
    assert read(resolver, "stats")["tunnel-alerts"] == 14
    status = read(resolver, "status")
    assert [a["client"] for a in status["recent-tunnels"]] == [f"127.0.1.{n}" for n in range(14, 6, -1)]
    assert 10 <= resolver.log().count("possible DNS tunnel") <= 13


@pytest.mark.parametrize("line, error", [("detection: {tunnels: maybe}", "true or false"),
                                         ("detection: {tunnel: true}", "tunnels"),
                                         ("detection: {exempt: [\"192.0.2.1@53\"]}", "a prefix")])
def test_faults_in_the_configuration(tmp_path, line, error):
    conf = tmp_path / "resolver.yaml"
    conf.write_text(f"server: {{listen: [127.0.0.1@{lab.free_port()}]}}\n{line}\n")
    done = lab.run(lab.ROOTLINE, "check", conf)
    assert done.returncode == 1 and "resolver.yaml:2:" in done.stderr and error in done.stderr, done.stderr
