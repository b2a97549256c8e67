"""The control socket, and the commands that use it."""
import json
import os
import re
import resource
import socket
import stat
import threading
import time

import dns.message
import dns.query
import jsonschema
import pytest

import internet
import lab


@pytest.fixture(scope="module", params=["file", "memory"])
def resolver(class_net, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("resolver")
    resolver = internet.ClassResolver(folder, class_net, workers=2)
    if request.param == "memory":
        resolver.stop()
        text = resolver.conf.read_text().replace(str(folder / "cache"), '""')
        resolver.conf.write_text(text)
        lab.Server.__init__(resolver, [lab.BUILD / "rootline-resolver", "-c", resolver.conf], folder / "resolver.log")
        resolver.started(resolver.wait_for, "ready on ")
    resolver.kept = request.param
    yield resolver
    resolver.stop()


def ask(resolver, name, rdtype="A"):
    return dns.query.udp(dns.message.make_query(name, rdtype), "127.0.0.1", port=resolver.port, timeout=10)


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(path))
    return s


def converse(path, *lines):
    answers = []
    with connect(path) as s:
        for line in lines:
            s.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    return answers + [None]
                data += more
            answers.append(json.loads(data))
    return answers


def schema_of(args):
    """Return the schema of a command with these arguments."""
    name = "-".join(args[:2]) if args[0] == "cache" else args[0]
    if args[0] == "explain" and "--last" in args:
        name = "last"
    return lab.schema(name)


def as_json(resolver, *args, status=0):
    """Run a command with --json; return what it prints, which has the form of its schema."""
    done = resolver.command(*args, "--json")
    assert done.returncode == status, done.stderr
    value = json.loads(done.stdout)
    jsonschema.validate(value, schema_of(args))
    return value


def test_socket_is_for_owner_and_group(resolver):
    mode = os.stat(resolver.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


def test_status(resolver):
    ask(resolver, "www.uni.edu")
    ask(resolver, "www.lame.com")
    status = as_json(resolver, "status")
    assert status["program"] == "rootline-resolver" and status["workers"] == 2 and status["pid"] == resolver.process.pid
    assert f"127.0.0.1@{resolver.port}" in status["listen"]
    assert status["families"]["ipv6"] == {"used": True, "answers": True}
    assert status["entropy"]["id-bits"] == 16 and status["entropy"]["port-bits"] >= 10 and status["queries"] >= 2
    assert status["cache"]["store"] == resolver.kept and status["memory"]["resident"] > 1e6
    assert status["waiting-for-place"] == 0 and status["queries-outstanding"] >= 0
    assert status["resolutions-in-progress"] >= 0
    assert status["quota"].keys() == {"zones", "servers", "all", "clients", "clients-waiting"}
    assert status["quota"]["clients-waiting"] == 0
    failure = status["recent-failures"][0]
    assert failure["name"] == "www.lame.com." and failure["failure"] == "no-answer"
    text = resolver.command("status").stdout
    assert "entropy" in text and "www.lame.com. A: no server gave an answer" in " ".join(text.split())


def test_stats_count_queries(resolver):
    before = as_json(resolver, "stats")
    for i in range(20):
        ask(resolver, "www.uni.edu")
    after = as_json(resolver, "stats")
    assert after["queries"] - before["queries"] == 20
    assert after["cache-hits"] - before["cache-hits"] >= 18  # in memory each worker has to ask once


def test_cache_entries_of_a_name(resolver):
    ask(resolver, "www.cs.uni.edu")
    cards = as_json(resolver, "cache", "show", "www.cs.uni.edu")["entries"]
    card = cards[0]
    assert card["kind"] == "data" and card["type"] == "A" and card["data"] == ["198.18.2.80"]
    assert card["original-ttl"] == 3600
    assert 3500 < card["ttl"] <= 3600 and card["from"].startswith("127.11.2.3@") and card["section"] == "answer"
    assert card["rank"] == "authoritative-answer" and card["validation"] == "unchecked"
    assert ("worker" in card) == (resolver.kept == "memory")
    cut = as_json(resolver, "cache", "show", "cs.uni.edu")["entries"][0]
    assert cut["kind"] == "delegation" and cut["data"] == ["ns.cs.uni.edu. 127.11.2.3"]
    assert cut["section"] == "authority"
    assert as_json(resolver, "cache", "show", "www.cs.uni.edu", "MX")["entries"] == []
    ask(resolver, "nothing.uni.edu")
    ask(resolver, "x.lame.com")
    ask(resolver, "www.uni.edu")
    ask(resolver, "www.uni.edu", "HTTPS")
    assert as_json(resolver, "cache", "show", "nothing.uni.edu")["entries"][0]["kind"] == "nxdomain"
    failure = as_json(resolver, "cache", "show", "x.lame.com")["entries"][0]
    assert failure["kind"] == "failure" and "127.11.2.5 said REFUSED" in failure["text"] and failure["times"] == 1
    kinds = {e["type"]: e["kind"] for e in as_json(resolver, "cache", "show", "www.uni.edu")["entries"] if "type" in e}
    assert kinds["A"] == "data" and kinds["HTTPS"] == "nodata"
    text = resolver.command("cache", "show", "www.cs.uni.edu").stdout
    assert "198.18.2.80" in text and "3600 s" in text and "127.11.2.3, answer section" in text


def test_uses_are_counted(resolver):
    ask(resolver, "mail.uni.edu")
    for i in range(400):
        ask(resolver, "mail.uni.edu")
    assert max(e["uses"] for e in as_json(resolver, "cache", "show", "mail.uni.edu")["entries"]) >= 3


def test_flush_of_a_name(resolver):
    for name in ("www.uni.edu", "mail.uni.edu"):
        for i in range(10):
            ask(resolver, name)
    done = resolver.command("cache", "flush", "www.uni.edu")
    assert done.returncode == 0 and "of www.uni.edu." in done.stdout and "removed" in done.stdout
    assert as_json(resolver, "cache", "show", "www.uni.edu")["entries"] == []
    assert as_json(resolver, "cache", "show", "mail.uni.edu")["entries"] != []
    before = as_json(resolver, "stats")["queries-sent-udp"]
    for i in range(10):
        ask(resolver, "www.uni.edu")
    assert as_json(resolver, "stats")["queries-sent-udp"] > before  # finished answers have gone too


def ask_many(resolver, names, window=50):
    """Query all names, `window` at a time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        for i in range(0, len(names), window):
            part = names[i:i + window]
            for name in part:
                s.sendto(dns.message.make_query(name, "A").to_wire(), ("127.0.0.1", resolver.port))
            for _ in part:
                s.recv(4096)


def test_flush_of_a_subtree(resolver):
    """More entries than a worker deletes in one turn; queries are answered meanwhile."""
    names = [f"student{i}.students.uni.edu" for i in range(6000)]
    ask_many(resolver, names)
    ask(resolver, "www.labs.org")
    took, end = [], threading.Event()

    def watch():
        while not end.is_set():
            start = time.monotonic()
            ask(resolver, "www.labs.org")
            took.append(time.monotonic() - start)
    watcher = threading.Thread(target=watch)
    watcher.start()
    flushed = as_json(resolver, "cache", "flush", "uni.edu", "--subtree")
    gone = flushed["entries"]
    assert flushed["name"] == "uni.edu."
    end.set()
    watcher.join()
    assert gone >= 6001
    print(f"{gone} entries flushed; the slowest of {len(took)} answers meanwhile took {max(took) * 1000:.0f} ms")
    for name in (names[0], names[1], names[2999], names[5998], names[5999], "uni.edu"):
        assert as_json(resolver, "cache", "show", name)["entries"] == [], name
    assert as_json(resolver, "cache", "show", "www.labs.org")["entries"] != []
    assert as_json(resolver, "cache", "show", "edu")["entries"] != []


def test_cache_stats(resolver):
    stats = as_json(resolver, "cache", "stats")
    assert stats["store"] == resolver.kept and stats["queries"] > 0
    assert ("entries" in stats) == (resolver.kept == "file")
    assert "cache hits" in resolver.command("cache", "stats").stdout


def test_last_resolution_of_a_name(resolver):
    ask(resolver, "twice.lame.com")
    done = resolver.command("explain", "--last", "twice.lame.com")
    assert done.returncode == 0 and "failed, no server gave an answer" in done.stdout and "said REFUSED" in done.stdout
    assert "was not resolved recently" in resolver.command("explain", "--last", "never.asked.example").stdout


def test_reload(resolver):
    done = resolver.command("reload")
    assert done.returncode == 0 and "stub zones" in done.stdout
    good = resolver.conf.read_text()
    resolver.conf.write_text(good.replace("stub-zones:", "stub-zonse:"))
    done = resolver.command("reload")
    resolver.conf.write_text(good)
    assert done.returncode == 1 and 'unknown key "stub-zonse"' in done.stderr
    assert "stub-zones" in done.stderr and "stays in use" in done.stderr
    assert as_json(resolver, "status")["reloads-refused"] >= 1


def test_reload_as_json(resolver):
    """An accepted configuration has a summary; a rejected one has findings with their places, and advice."""
    done = as_json(resolver, "reload")
    assert done["accepted"] and "stub zones" in done["summary"] and done["findings"] == []
    good = resolver.conf.read_text()
    lab.write_old(resolver.conf, good.replace("stub-zones:", "stub-zonse:"))
    try:
        done = as_json(resolver, "reload", status=1)
    finally:
        lab.write_old(resolver.conf, good)
    assert not done["accepted"] and done["summary"] == ""
    finding = done["findings"][0]
    assert finding["file"] == str(resolver.conf) and finding["line"] > 1 and finding["column"] == 1
    assert finding["level"] == "error" and finding["message"] == 'unknown key "stub-zonse"'
    assert finding["help"] == 'did you mean "stub-zones"?'


def test_reload_of_a_file_that_is_always_being_written(resolver):
    """The finding is about the whole file: it has no line."""
    end = threading.Event()

    def write():
        while not end.wait(0.1):
            os.utime(resolver.conf)
    os.utime(resolver.conf)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = as_json(resolver, "reload", status=1)
    finally:
        end.set()
        writer.join()
    assert not done["accepted"] and [f["line"] for f in done["findings"]] == [0]
    assert done["findings"][0]["message"].startswith("it is still being written")


def test_reload_without_a_file(resolver):
    away = resolver.conf.rename(resolver.conf.with_suffix(".away"))
    try:
        done = resolver.command("reload")
    finally:
        away.rename(resolver.conf)
    assert done.returncode == 1 and f"{resolver.conf}: error: " in done.stderr, done.stderr


def test_log(resolver):
    lines = as_json(resolver, "log", "--last", "3")["lines"]
    assert len(lines) == 3 and {"time", "level", "message"} == set(lines[0])
    assert len(resolver.command("log", "--last").stdout.splitlines()) > 3
    assert resolver.command("log", "--last", "none").returncode == 1


def test_invalid_requests(resolver):
    answers = converse(resolver.socket, b"nonsense\n", b"[1]\n", {"command": "sing"},
                       {"command": "explain", "name": "a..b"}, {"command": "explain", "name": "a", "type": "SPECIAL"},
                       {"command": "explain", "name": "a", "as": "me"}, {"command": 7}, {"command": "cache-show"},
                       {"command": "status"})
    assert [a["ok"] for a in answers] == [False] * 8 + [True]
    assert "not a domain name" in answers[3]["error"] and "is not an RR type" in answers[4]["error"]
    assert converse(resolver.socket, b"x" * 5000)[0]["error"] == "the request is too long"
    for argv in (["explain"], ["explain", "--last", "x", "--no-cache"], ["cache", "show"], ["cache", "drop", "x"],
                 ["status", "x"], ["log", "--first"]):
        assert resolver.command(*argv).returncode == 2


def serve_evil(path):
    """A daemon with control characters for the terminal in every answer."""
    evil = "\x1b]0;x\x07 \u009b31m \x7f \n<3>"
    answer = json.dumps({"ok": True, "result": {k: evil for k in ("daemon", "version", "text", evil, "error")} | {
        "lines": [{"text": evil, "level": evil, "time": evil}],
        "findings": [{"text": evil, "message": evil, "level": evil}],
        "trees": [], "entries": [{"type": evil, evil: evil}], "question": {"name": evil, "type": evil, "client": evil},
        "answer": {"rcode": evil, "records": []}, "cause": {"kind": evil, "text": evil, "advice": evil},
        "steps": [{"step": "note", "note": evil}, {"step": "resolve", "name": evil, "type": evil,
                                                   "steps": [{"step": "query", "server": evil}]}]}})
    wrong = json.dumps({"ok": False, "error": evil})
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(5)

    def run():
        for n in range(1000):
            s, _ = listener.accept()
            s.recv(65536)
            s.sendall((wrong if n % 2 else answer).encode() + b"\n")
            s.close()
    threading.Thread(target=run, daemon=True).start()


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "evil.sock"
    serve_evil(path)
    for words in (["status"], ["stats"], ["log"], ["reload"], ["cache", "show", "a.example"], ["cache", "stats"],
                  ["cache", "flush", "a.example"], ["explain", "a.example"], ["explain", "a.example", "--dot"],
                  ["explain", "a.example", "--json"], ["status", "--json"]):
        for _ in range(2):
            done = lab.run(lab.ROOTLINE, *words, "--socket", path)
            said = done.stdout + done.stderr
            assert not [c for c in said if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160], (words, said)
            assert "\n<3>" not in said


def test_socket_of_another_user_is_not_used():
    """Another user may have created the folder in /tmp first."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "mount")
    done = lab.run("unshare", "--mount", "/usr/bin/python3", lab.SOURCE / "tests/e2e/socket_inside.py", lab.ROOTLINE,
                   timeout=120)
    assert done.returncode == 0, done.stderr
    theirs, ours = map(json.loads, done.stdout.splitlines())
    assert theirs["status"] == 3 and "another user" in theirs["said"] and theirs["fate"] == "left alone"
    assert ours == {"status": 0, "said": "", "fate": "asked"}


def test_no_daemon(tmp_path):
    done = lab.run(lab.ROOTLINE, "status", "--socket", tmp_path / "none.sock")
    assert done.returncode == 3 and "start the daemon" in done.stderr
    done = lab.run(lab.ROOTLINE, "explain", "x", env={**os.environ, "ROOTLINE_SOCKET": str(tmp_path / "none.sock")})
    assert done.returncode == 3


def test_authd(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": "@ SOA a b 1 2 3 4 5\n@ NS ns.b.test.\n"})
    path = tmp_path / "authd.sock"
    status = lab.run(lab.ROOTLINE, "status", "--socket", path, "--json")
    assert json.loads(status.stdout)["program"] == "rootline-authd"
    assert lab.run(lab.ROOTLINE, "reload", "--socket", path).stdout.startswith("reloaded: 1 zone")
    done = lab.run(lab.ROOTLINE, "cache", "stats", "--socket", path)
    assert done.returncode == 1 and "does not know that command" in done.stderr
    server.stop()
    assert not path.exists()


def test_existing_sockets(class_net, tmp_path):
    first = internet.ClassResolver(tmp_path / "1", class_net)
    conf = tmp_path / "2.yaml"
    conf.write_text(f"server: {{listen: [127.0.0.1@{lab.free_port()}], control: {first.socket}}}\nzones: []\n")
    done = lab.run(lab.BUILD / "rootline-authd", "-c", conf)
    assert done.returncode == 1 and f"{first.socket} is served by another process" in done.stderr
    first.process.kill()
    first.process.wait()
    assert first.socket.exists()  # it was not removed
    again = lab.Server([lab.BUILD / "rootline-authd", "-c", conf], tmp_path / "log")
    again.started(again.wait_for, "ready on")
    assert converse(first.socket, {"command": "status"})[0]["ok"]
    again.stop()
    conf.write_text(f"server: {{listen: [127.0.0.1@{lab.free_port()}], control: {'x' * 200}}}\nzones: []\n")
    assert "shorter than 108 octets" in lab.run(lab.BUILD / "rootline-authd", "-c", conf).stderr


def test_idle_connections_are_limited(resolver):
    """A thousand connections that send nothing, or half a request: queries are answered, and so is a new request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    idle, before = [], len(os.listdir(f"/proc/{resolver.process.pid}/fd"))
    ask(resolver, "www.uni.edu")
    try:
        for i in range(1000):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(resolver.socket))  # blocks while the backlog is full
            if i % 3:
                s.sendall(b'{"command":')  # and never the rest
            idle.append(s)
            if i % 10 == 0:
                assert ask(resolver, "www.uni.edu").rcode() == 0
        assert len(os.listdir(f"/proc/{resolver.process.pid}/fd")) - before <= 40
        assert as_json(resolver, "status")["program"] == "rootline-resolver"
    finally:
        for s in idle:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_client_that_does_not_read(resolver):
    with connect(resolver.socket) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b'{"command":"explain","name":"timetable.uni.edu","type":"TXT","packets":true,"no-cache":true}\n' *
                     30)
        for i in range(20):
            assert ask(resolver, "www.uni.edu").rcode() == 0
            assert as_json(resolver, "status")["pid"] == resolver.process.pid


def test_stop_during_explain(class_net, tmp_path):
    resolver = internet.ClassResolver(tmp_path, class_net, workers=2)
    with connect(resolver.socket) as s:
        s.sendall(b'{"command":"explain","name":"www.dead.com"}\n')
        time.sleep(0.3)
        resolver.stop()
        assert s.recv(65536) == b""  # closed without an answer


def test_threads(class_net, tmp_path):
    """Four workers under ThreadSanitizer: requests of the control socket, queries and reloads at once."""
    resolver = internet.ClassResolver(tmp_path, class_net, build=lab.choose_build("tsan"), workers=4)
    names = ["www.uni.edu", "pictures.uni.edu", "www.lame.com", "round.uni.edu", "timetable.uni.edu",
             "nothing.shop.com"]
    faults, end = [], time.monotonic() + 6

    def command(requests):
        try:
            i = 0
            while time.monotonic() < end:
                assert converse(resolver.socket, requests[i % len(requests)])[0]["ok"]
                i += 1
        except Exception as fault:
            faults.append(fault)

    def client(seed):
        try:
            i = seed
            while time.monotonic() < end:
                ask(resolver, names[i % len(names)])
                i += 1
        except Exception as fault:
            faults.append(fault)
    explains = [{"command": "explain", "name": name, "no-cache": i % 2 == 0, "packets": True}
                for i, name in enumerate(names)]
    others = [{"command": c} for c in ("status", "stats", "cache-stats", "reload", "log")]
    cache = [{"command": "cache-show", "name": "www.uni.edu"},
             {"command": "cache-flush", "name": "edu", "subtree": True},
             {"command": "cache-flush", "name": "shop.com"}, {"command": "last", "name": "www.lame.com"}]
    threads = [threading.Thread(target=command, args=(r,)) for r in (explains, explains, others, cache)]
    threads += [threading.Thread(target=client, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    resolver.stop()
    assert not faults


def test_limits_page_matches_the_code(resolver, tmp_path):
    """docs/LIMITS.md names only existing configuration keys, counters and files; the table of limits is compared with
    it by unit_limits."""
    counters, keys, files = set(), set(), set()
    for line in (lab.SOURCE / "docs/LIMITS.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 9 and cells[1] != "limit" and not cells[1].startswith("--"):
            keys |= set(re.findall(r"`([a-z.-]+)`", cells[3]))
            counters |= set(re.findall(r"`([a-z.-]+)`", cells[4]))
            files |= set(re.findall(r"`([a-z0-9_]+\.[ch])`", cells[7]))
    assert len(keys) > 20 and len(counters) > 12 and len(files) > 20
    folders = ("base", "dns", "net", "resolver", "authd")
    existing = {path.name for folder in folders for path in (lab.SOURCE / folder).rglob("*.[ch]")}
    assert files <= existing, files - existing
    counted = {**as_json(resolver, "stats"), **as_json(resolver, "cache", "stats"), **as_json(resolver, "status")}
    for counter in counters:
        at = counted
        for part in counter.split("."):
            assert part in at, counter
            at = at[part]
    for key in keys:
        text = "[]"
        for part in reversed(key.split(".")):
            text = f"{{{part}: {text}}}"
        path = tmp_path / "c.yaml"
        head = "server: {listen: [127.0.0.1]}\nresolver: {ipv6: false}\n"
        path.write_text((head if key.split(".")[0] not in ("server", "resolver") else "") + text[1:-1] + "\n")
        done = lab.run(lab.ROOTLINE, "check", path)
        assert "unknown key" not in done.stderr and "no key" not in done.stderr, (key, done.stderr)
