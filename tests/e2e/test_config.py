"""`rootline check`, and starts that must fail with one line that names the cause."""
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import dns.message
import dns.query
import jsonschema
import pytest

import internet
import lab


@pytest.fixture
def open_path():
    """A folder that all users can enter; those of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def write(folder, text):
    path = folder / "c.yaml"
    path.write_text(text)
    return path


def test_correct_files(tmp_path):
    path = write(tmp_path, "server: {listen: [127.0.0.1]}\n"
                           f"zones: [{{zone: org, file: {lab.SOURCE}/zones/internet/org.zone}}]\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 0 and "ok, rootline-authd with 1 zone" in done.stdout and done.stderr == ""
    done = lab.run(lab.ROOTLINE, "check", lab.SOURCE / "zones/internet/resolver.yaml")
    assert done.returncode == 0 and "ok, rootline-resolver with 2 stub" in done.stdout and done.stderr == ""


def test_errors_show_line_caret_and_suggestion(tmp_path):
    path = write(tmp_path, "server:\n  listen: [127.0.0.1]\n  worker: 2\nzones:\n  - {zone: a.test, fille: x}\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1 and done.stdout == ""
    assert f'{path}:3:3: error: unknown key "worker"\n     3 |   worker: 2\n       |   ^\n' in done.stderr
    assert 'did you mean "workers"?' in done.stderr
    assert f'{path}:5:20: error: unknown key "fille"' in done.stderr
    assert 'the key "file" is missing here' in done.stderr


@pytest.mark.parametrize("keys, suggestion", [("limits: {querys: 5}", "queries"),
                                              ("limits: {tcp-idel: 5s}", "tcp-idle")])
def test_check_reads_the_file_for_the_daemon_that_has_the_key(tmp_path, keys, suggestion):
    """Without a key that only one daemon has, the misspelt one decides: only the resolver has limits.queries."""
    done = lab.run(lab.ROOTLINE, "check", write(tmp_path, f"server: {{listen: [127.0.0.1]}}\n{keys}\n"))
    assert done.returncode == 1 and f'did you mean "{suggestion}"?' in done.stderr, done.stderr


def test_errors_as_json(tmp_path):
    path = write(tmp_path, "server:\n  listen: [nonsense\x07]\n")
    done = lab.run(lab.ROOTLINE, "check", path, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found and found[0]["level"] == "error" and found[0]["file"] == str(path)


ZONE = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"


@pytest.mark.parametrize("words, text, levels, helps", [
    # both daemons: without a finding, a warning, errors with and without advice, no file, no YAML
    (["check"], "server: {listen: [127.0.0.1]}\nzones: []\n", [], 0),
    (["check"], "server: {listen: [127.0.0.1@5300]}\nallow: [127.0.0.0/8]\n", [], 0),
    (["check"], "server: {listen: [127.0.0.1@5300]}\nallow: [0.0.0.0/0]\n", ["warning"], 0),
    (["check"], "server: {listen: [127.0.0.1], worker: 2}\nzones: [{zone: a..b, file: x}]\n", ["error", "error"], 1),
    (["check"], "server: {listen: [127.0.0.1@5300]}\nallow: [all]\nlimits: {querys: 1}\n", ["error", "error"], 1),
    (["check"], None, ["error"], 0),
    (["check"], "server: [\n", ["error"], 0),
    (["check", "--deep"], "server: {listen: [127.0.0.1]}\nzones: [{zone: a.test, file: missing}]\n", ["error"], 0),
    (["zone", "check", "a.test"], ZONE, [], 0),
    (["zone", "check", "a.test"], ZONE + "b A 1.2.3\n" * 300, ["error"] * 200, 0),
    (["zone", "check", "a.test"], ZONE + "$GENERATE 1-2 x$ A 192.0.2\n", ["error"], 1),
    (["zone", "check", "a.test"], ZONE + "x 2147483648 A 192.0.2.1\n", ["warning"], 0),
    (["zone", "check", "a.test"], None, ["error"], 0),
])
def test_findings_have_the_form_of_the_schema(tmp_path, words, text, levels, helps):
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    done = lab.run(lab.ROOTLINE, *words, path, "--json")
    found = json.loads(done.stdout)
    jsonschema.validate(found, lab.schema("check"))
    assert done.returncode == ("error" in levels) and done.stderr == "", done.stderr
    assert [one["level"] for one in found] == levels and sum("help" in one for one in found) == helps, found
    assert all(one["line"] > 0 or text is None or "--deep" in words for one in found), found


def test_all_schemas_of_findings_are_one():
    of_check = lab.schema("check")["items"]
    for name in ("reload", "zone-sign"):
        assert lab.schema(name)["properties"]["findings"]["items"] == of_check


@pytest.mark.parametrize("argv, status", [
    ([], 2), (["chek"], 2), (["check"], 2), (["zone", "check", "a."], 2), (["zone", "check", "a..b", "f"], 2),
    (["check", "/nonexistent"], 1), (["zone", "check", "a.", "/nonexistent"], 1), (["--help"], 0), (["--version"], 0)])
def test_exit_status(argv, status):
    done = lab.run(lab.ROOTLINE, *argv)
    assert done.returncode == status
    assert "did you mean \"check\"" in done.stderr if argv == ["chek"] else True


@pytest.mark.parametrize("text", ids=range(8), argvalues=[
    "", "server:\n", "server: {}\n", "server: {listen: []}\n", "server: {listen: }\n",
    "server: {listen: [127.0.0.1]}\nzones: [{zone: , file: x}]\n",
    "server: {listen: [127.0.0.1]}\nzones: [{zone: a.test, file: }, {zone: , file: }]\n", "server: " + "{" * 300000])
def test_empty_and_deeply_nested_files_are_errors(tmp_path, text):
    done = lab.run(lab.ROOTLINE, "check", write(tmp_path, text))
    assert done.returncode == 1 and "error:" in done.stderr


def test_keys_of_future_versions(tmp_path):
    done = lab.run(lab.ROOTLINE, "check", write(tmp_path, "server: {listen: [127.0.0.1], metrics: 127.0.0.1@9153}\n"))
    assert done.returncode == 1 and "is not supported in this version" in done.stderr


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("shared", [False, True])
def test_address_in_use_names_the_process(tmp_path, kind, shared):
    port = lab.free_port()
    with socket.socket(socket.AF_INET, kind) as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        path = write(tmp_path, f"server: {{listen: [127.0.0.1@{port}]}}\n")
        done = lab.run(lab.AUTHD, "-c", path)
    assert done.returncode == 1
    assert f"127.0.0.1@{port}" in done.stderr and f"(pid {os.getpid()})" in done.stderr


def test_failed_starts_name_the_cause(tmp_path):
    done = lab.run(lab.AUTHD, "-c", write(tmp_path, "server: {listen: [192.0.2.1@5300]}\n"))
    assert done.returncode == 1 and "this machine does not have that address" in done.stderr
    done = lab.run(lab.AUTHD)
    assert done.returncode == 2 and "usage" in done.stderr
    done = lab.run(lab.AUTHD, "-c", tmp_path / "missing.yaml")
    assert done.returncode == 1 and "there is no such file" in done.stderr


def test_failed_start_answers_nothing(tmp_path):
    """Queries that arrive while a daemon fails to start must not reach an engine without zones."""
    import threading
    port = lab.free_port()
    over = threading.Event()

    def send_queries():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(200000):
                if over.is_set():
                    break
                s.sendto(b"\0\7\0\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1", ("127.0.0.1", port))

    thread = threading.Thread(target=send_queries)
    thread.start()
    try:
        for _ in range(5):
            done = lab.run(lab.AUTHD, "-c",
                           write(tmp_path, f"server: {{listen: [127.0.0.1@{port}], user: no-such-user-here}}\n"))
            assert done.returncode == 1 and "server.user" in done.stderr and "Sanitizer" not in done.stderr
    finally:
        over.set()
        thread.join()


def test_unknown_user(tmp_path):
    port = lab.free_port()
    done = lab.run(lab.AUTHD, "-c",
                   write(tmp_path, f"server: {{listen: [127.0.0.1@{port}], user: no-such-user-here}}\n"))
    assert done.returncode == 1 and "server.user" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_privileges_are_dropped(tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:  # pytest's own folders are closed to others
        if str(parent).startswith("/tmp/pytest"):
            os.chmod(parent, 0o755)
    zone = "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
    server = lab.Authd(tmp_path, {"a.test": zone}, extra="  user: nobody")
    try:
        status = dict(line.split(":\t", 1) for line in
                      open(f"/proc/{server.process.pid}/status").read().splitlines() if ":\t" in line)
        assert status["Uid"].split() == ["65534"] * 4
        for which in ("CapPrm", "CapEff", "CapBnd"):
            assert int(status[which], 16) == 1 << 10, which  # CAP_NET_BIND_SERVICE
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0 and status["NoNewPrivs"].strip() == "1"
        assert "running as root" not in server.log()
        assert server.ask("ns.a.test").rcode() == 0
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_are_created_by_the_user(class_net, open_path):
    """The cache and the control socket are in folders of the user, who could put links there: root must not create
    them."""
    folder = open_path / "of-user"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    server = internet.ClassResolver(folder, class_net, extra="  user: nobody\n")
    try:
        cache = folder / "cache"
        for path in (cache, cache / "cache.mdb", cache / "cache.mdb-lock", server.socket):
            assert os.lstat(path).st_uid == 65534, path
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(server.socket))
            pid, uid, gid = struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            assert (pid, uid) == (server.process.pid, 65534)
    finally:
        server.stop()
    assert "in memory" not in server.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_folders_are_created_for_the_user(class_net, open_path):
    server = internet.ClassResolver(open_path, class_net, extra="  user: nobody\n", control=open_path / "run/x.sock")
    server.stop()
    for path, mode in ((open_path / "cache", 0o750), (open_path / "run", 0o700)):
        assert os.lstat(path).st_uid == 65534 and os.lstat(path).st_mode & 0o7777 == mode, path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_does_not_use_folders_of_other_users(class_net, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "cache").mkdir()
    os.chown(folder / "cache", 65534, 65534)
    server = internet.ClassResolver(folder, class_net)
    server.stop()
    assert ("other users may write to this folder, so root does not keep its cache there; set server.user" in
            server.log())
    assert "in memory until the next start" in server.log()
    os.chown(folder, 65534, 65534)
    path = write(tmp_path, f"server: {{listen: [127.0.0.1@{lab.free_port()}], control: theirs/x.sock}}\n")
    done = lab.run(lab.AUTHD, "-c", path)
    assert done.returncode == 1 and "belongs to another user (65534)" in done.stderr
    assert not (folder / "x.sock").exists()


def test_low_limit_of_open_files(class_net, tmp_path):
    """Clients that use all connections leave descriptors for queries to servers and the control socket."""
    server = internet.ClassResolver(tmp_path, class_net, workers=2, top="limits: {tcp-connections-per-client: 1000}\n",
                                    within=("prlimit", "--nofile=400:400"))
    idle = []
    try:
        assert "RLIMIT_NOFILE allows only 400 open files" in server.log() and "LimitNOFILE=" in server.log()
        for _ in range(600):
            idle.append(socket.create_connection(("127.0.0.1", server.port)))
        for name in ("www.uni.edu", "pictures.uni.edu", "atom.physics.uni.edu"):
            query = dns.message.make_query(name, "A")
            assert dns.query.udp(query, "127.0.0.1", port=server.port, timeout=10).answer, name
        done = server.command("status", "--json")
        assert done.returncode == 0, done.stderr
        with open(f"/proc/{server.process.pid}/limits") as limits:
            assert any(line.startswith("Max open files") and line.split()[3] == "400" for line in limits)
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 400
    finally:
        for s in idle:
            s.close()
        server.stop()
    done = lab.run("prlimit", "--nofile=200:200", lab.BUILD / "rootline-resolver", "-c", server.conf)
    assert done.returncode == 1 and "cannot start: RLIMIT_NOFILE allows only 200 open files" in done.stderr


def test_running_as_root_is_logged(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    server = lab.Authd(tmp_path, {"a.test": "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"})
    bound = next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("CapBnd"))
    server.stop()
    assert int(bound.split()[1], 16) & ~(1 << 10 | 1 << 2) == 0  # and CAP_DAC_READ_SEARCH
    assert "running as root: set server.user" in server.log()


def test_log_as_json(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": "broken"}, top="log: {format: json, level: debug}")
    server.conf.write_text(server.conf.read_text().replace("zones:", "zoness:"))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reload failed")
    server.stop()
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert any("ready on" in line["message"] for line in lines)
    assert any(line["level"] == "error" and "a.test.zone:1:" in line["message"] for line in lines)
    assert any('unknown key "zoness" (did you mean "zones"?)' in line["message"] for line in lines)


def test_service_manager_is_notified(tmp_path):
    port = lab.free_port()
    path = write(tmp_path, f"server: {{listen: [127.0.0.1@{port}]}}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        env = dict(os.environ, NOTIFY_SOCKET=str(tmp_path / "notify"))
        process = subprocess.Popen([lab.AUTHD, "-c", path], env=env, stderr=subprocess.DEVNULL)
        try:
            assert manager.recv(100) == b"READY=1"
            process.send_signal(1)
            assert manager.recv(100).startswith(b"RELOADING=1")
            assert manager.recv(100) == b"READY=1"
        finally:
            process.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        assert process.wait(20) == 0


def test_workers_are_pinned(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns.b.test.\n"},
                       extra="  workers: 2\n  pin-workers: true")
    try:
        allowed = sorted(os.sched_getaffinity(0))
        cores = [os.sched_getaffinity(int(task.name)) for task in Path(f"/proc/{server.process.pid}/task").iterdir()]
        for worker in range(2):
            assert {allowed[worker % len(allowed)]} in cores
        assert set(allowed) in cores  # the main thread is not pinned
    finally:
        server.stop()


def test_zone_directory(tmp_path):
    folder = tmp_path / "zones"
    folder.mkdir()
    text = "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
    for n in range(50):
        (folder / f"z{n}.test.zone").write_text(text)
    (folder / "notes.txt").write_text("no zone")
    (folder / "a..b.zone").write_text(text)
    (folder / "broken.test.zone").write_text("broken\n")
    server = lab.Authd(tmp_path, {"z7.test": text + "extra A 192.0.2.7\n"}, top=f'zone-directory: "{folder}"')
    try:
        assert server.ask("ns.z49.test").answer and server.ask("extra.z7.test").answer
        assert server.ask("ns.broken.test").rcode() == 2
        assert "its name is not a zone name" in server.log() and "another file already has this zone" in server.log()
        (folder / "new.test.zone").write_text(text)
        (folder / "z3.test.zone").unlink()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reloaded: ")
        assert server.ask("ns.new.test").answer and server.ask("ns.z3.test").rcode() == 5
    finally:
        server.stop()
    path = write(tmp_path, "server: {listen: [127.0.0.1]}\nzone-directory: absent\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1 and "No such file" in done.stderr


def test_keys_of_the_resolver(tmp_path):
    path = tmp_path / "resolver.yaml"
    path.write_text("server:\n  listen: [127.0.0.1@5300]\nallow: [0.0.0.0/0]\ncache: {size: 12Q, max-ttl: 1d}\n"
                    "stub-zones:\n  - {zone: a.test, servers: [192.0.2.1]}\n  - {zone: A.test, servers: [192.0.2.2]}\n"
                    "local-data:\n  - \"x.test. 60 A 192.0.2.256\"\n  - \"x.test. 60 A 192.0.2.25\"\n"
                    "resolver: {qname-minimization: true}\nlab: {random-port: false}\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1
    for what in (f"{path}:3:9: warning: this prefix allows every address",
                 f"{path}:4:15: error: expected a size such as 64M",
                 f"{path}:7:5: error: the zone A.test. is listed twice", f"{path}:9:5: error: expected an IPv4 address",
                 'did you mean "qname-minimisation"?',
                 "a defence may be switched off only in a network that packets cannot leave"):
        assert what in done.stderr, (what, done.stderr)
    path.write_text("server: {listen: [127.0.0.1@5300]}\nallow: [127.0.0.0/8]\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 0 and "rootline-resolver with 0 stub" in done.stdout


def test_trust_anchors(tmp_path):
    """A file of anchors has its own places; what has no effect is a warning."""
    path, key = tmp_path / "resolver.yaml", tmp_path / "anchors"
    path.write_text(RESOLVER + "resolver: {trust-anchor: anchors, negative-trust-anchors: "
                    "[b.test, '.', c.test until 2020-01-01T00:00:00Z]}\n")
    key.write_text("; nothing\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1 and f"{path}:3:26: error: {key} has no DS or DNSKEY record" in done.stderr, done.stderr
    key.write_text(f"; two\n. DS 1 8 2 {64 * 'A'}\n. DS 1 8 2 ABC\nb.test. A 192.0.2.1\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1, done.stderr
    assert f"{key}:3:1: error: " in done.stderr and f"{key}:4:1: error: " in done.stderr, done.stderr
    key.write_text(f"b.test. DS 1 8 2 {64 * 'A'}\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 0, done.stderr
    assert f"{path}:3:60: warning: b.test. has a trust anchor too" in done.stderr, done.stderr
    assert done.stderr.count("warning") == 2, done.stderr
    assert "3:73: warning: this negative trust anchor has expired" in done.stderr, done.stderr


RESOLVER = "server: {listen: [127.0.0.1@5300]}\nallow: [127.0.0.0/8]\n"


@pytest.mark.parametrize("text, found", [
    ("cache: {min-ttl: 1h30m, max-ttl: 1d12h}\n", None),
    ("cache: {min-ttl: 1h 30m}\n", "3:18: error: expected a duration such as 10s, 1h30m or 3d"),
    ("cache: {min-ttl: 90}\n", "3:18: error: expected a duration"),
    ("cache: {min-ttl: 99999999999999999999d}\n", "3:18: error:"),
    ("cache: {min-ttl: 2h, max-ttl: 1h}\n", "3:18: error: min-ttl is above max-ttl"),
    ("cache: {max-ttl: 1h, min-ttl: 1h1s}\n", "3:31: error: min-ttl is above max-ttl"),
    ("forward-zones: [{zone: ., servers: [192.0.2.1], tls: true}]\n",
     "3:54: error: tls: expected text, but YAML reads true as another type"),
    ("forward-zones: [{zone: ., servers: [127.0.0.1@5300]}]\n", "127.0.0.1@5300 is this resolver itself"),
    ("stub-zones: [{zone: a.test, servers: [192.0.2.1, 127.0.0.1@5300]}]\n", "127.0.0.1@5300 is this resolver itself"),
    ("forward-zones: [{zone: ., servers: [0.0.0.0]}]\n", "0.0.0.0@53 cannot be the address of a server"),
    ("stub-zones: [{zone: a.test, servers: ['fe80::1']}]\n", "fe80::1@53: a link-local address needs its interface"),
    ("resolver: {outgoing: ['fe80::1']}\n", "3:23: error: a link-local address needs its interface"),
    ("resolver: {outgoing-port: many}\n", "error: expected a whole number, not \"many\"\n"),
    ('resolver: {trust-anchor: ""}\n', None),
    ("resolver: {trust-anchor: off}\n", "3:26: error: trust-anchor: expected text, but YAML reads off as another type"),
    ("resolver: {trust-anchor: []}\n", "3:26: error: the list is empty; trust-anchor: \"\" turns validation off"),
    ("resolver: {trust-anchor: nowhere.key}\n", "nowhere.key: there is no such file"),
    ("resolver: {trust-anchor: {file: x}}\n", "3:26: error: expected one value, not a map"),
    (f'resolver: {{trust-anchor: [". DS 1 8 2 {64 * "A"}", "a.test DNSKEY 257 3 15 {43 * "A"}="]}}\n', None),
    (f'resolver: {{trust-anchor: [". DS 1 8 2 {64 * "A"}", ". A 192.0.2.1"]}}\n',
     "3:106: error: a trust anchor is a DS or a DNSKEY record"),
    ('resolver: {trust-anchor: ["; comment"]}\n', "3:27: error: expected a DS or DNSKEY record"),
    ("resolver: {negative-trust-anchors: [a.test, b.test until 2040-01-01T00:00:00Z]}\n", None),
    ("resolver: {negative-trust-anchors: [a..test]}\n", '3:37: error: "a..test" is not a domain name: '),
    ("resolver: {negative-trust-anchors: [a.test, A.test.]}\n", "3:45: error: a.test. is listed twice"),
    ("resolver: {negative-trust-anchors: [a.test until tomorrow]}\n",
     "3:37: error: expected a name, or a name and a time"),
    ("resolver: {negative-trust-anchors: [a.test 2040-01-01T00:00:00Z]}\n",
     "3:37: error: expected a name, or a name and a time"),
])
def test_values(tmp_path, text, found):
    path = write(tmp_path, RESOLVER + text)
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == (1 if found else 0) and (found or "") in done.stderr, done.stderr


@pytest.mark.parametrize("address, found", [
    ("fe80::1", 'a link-local address needs its interface, as in fe80::1%eth0'),
    ("fe80::1%none0", 'this machine has no interface "none0"'),
    ("ff02::1", "multicast or broadcast"), ("::ffff:127.0.0.1", None), ("::ffff:1.2.3", "error:")])
def test_addresses_to_listen_on(tmp_path, address, found):
    """If `rootline check` accepts an address, the daemon can bind it, as far as its form decides."""
    path = write(tmp_path, f'server: {{listen: ["{address}@{lab.free_port()}"], control: ""}}\nallow: [127.0.0.0/8]\n')
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == (1 if found else 0) and (found or "") in done.stderr
    if not found:
        server = lab.Server([lab.BUILD / "rootline-resolver", "-c", path], tmp_path / "log")
        server.started(server.wait_for, "ready on 127.0.0.1@")
        server.stop()


def test_wildcard_address_includes_the_resolver_itself(tmp_path):
    path = write(tmp_path, 'server: {listen: [0.0.0.0@5300, "::@5300"]}\nallow: [127.0.0.0/8]\n'
                           'forward-zones: [{zone: ., servers: ["::1@5300"]}]\n')
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == 1 and "::1@5300 is this resolver itself" in done.stderr


@pytest.mark.parametrize("text, plain, deep", [
    ("@ SOA a b 1 2 3 4 5\n@ NS a.b.\n", 0, 0), ("", 1, 1), ("@ SOA a b 1 2 3 4 5\n@ NS ns\nns AA 1\n", 0, 1),
    (None, 1, 1)])
def test_check_of_zone_files(tmp_path, text, plain, deep):
    """`rootline check` reports a missing zone file; with --deep it reads the files."""
    if text:
        (tmp_path / "a.zone").write_text(text)
    elif text == "":
        (tmp_path / "a.zone").mkdir()
    path = write(tmp_path, "server: {listen: [127.0.0.1]}\nzones: [{zone: a.test, file: a.zone}]\n")
    done = lab.run(lab.ROOTLINE, "check", path)
    assert done.returncode == plain and ("error:" in done.stderr) == bool(plain)
    done = lab.run(lab.ROOTLINE, "check", "--deep", path)
    assert done.returncode == deep
    assert f"{tmp_path / 'a.zone'}:3:4: error" in done.stderr or not text or not deep, done.stderr


@pytest.mark.parametrize("command", ["check", "zone", "zone check", "cache", "cache flush", "explain", "status",
                                     "certificate", ""])
def test_help_succeeds(command):
    for argv in ([*command.split(), "--help"], [*command.split(), "-h"]):
        done = lab.run(lab.ROOTLINE, *argv)
        assert done.returncode == 0 and done.stdout.startswith("usage: rootline") and done.stderr == "", argv
    for daemon in ("rootline-authd", "rootline-resolver"):
        assert lab.run(lab.BUILD / daemon, "--help").returncode == 0


def test_control_socket_that_other_users_could_replace(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (tmp_path / "a.zone").write_text("@ SOA a b 1 2 3 4 5\n@ NS a.b.\n")
    path = write(tmp_path, f"server: {{listen: [127.0.0.1@{lab.free_port()}], control: {folder / 'c.sock'}}}\n"
                           "zones: [{zone: a.test, file: a.zone}]\n")
    done = lab.run(lab.BUILD / "rootline-authd", "-c", path)
    assert done.returncode == 1 and str(folder) in done.stderr, done.stderr
    assert "could replace the socket" in done.stderr, done.stderr


BOM = b"\xef\xbb\xbf"


def test_byte_order_mark_is_skipped(tmp_path):
    """Some editors write one at the start of every file."""
    port = lab.free_port()
    (tmp_path / "a.zone").write_bytes(BOM + b"@ 300 SOA a b 1 2 3 4 5\n@ 300 NS a.b.\n$INCLUDE more\n")
    (tmp_path / "more").write_bytes(BOM + b"www 300 A 192.0.2.1\n")
    (tmp_path / "secrets").write_bytes(BOM + b"00112233445566778899aabbccddeeff\n")
    (tmp_path / "secrets").chmod(0o600)
    path = tmp_path / "c.yaml"
    path.write_bytes(BOM + (f'server: {{listen: [127.0.0.1@{port}], control: "", cookie-secrets: secrets}}\n'
                            "zones: [{zone: a.test, file: a.zone}]\n").encode())
    server = lab.Server([lab.BUILD / "rootline-authd", "-c", path], tmp_path / "log")
    server.started(server.wait_for, "ready on")
    assert "192.0.2.1" in lab.run("dig", "+short", "@127.0.0.1", "-p", port, "www.a.test").stdout
    server.stop()
    port = lab.free_port()
    (tmp_path / "hosts").write_bytes(BOM + b"192.0.2.9 first.lab\n")
    (tmp_path / "hints").write_bytes(BOM + b". 3600 NS ns.\nns. 3600 A 127.0.0.9\n")
    path.write_bytes(BOM + (f'server: {{listen: [127.0.0.1@{port}], control: ""}}\nallow: [127.0.0.0/8]\n'
                             "hosts: hosts\nresolver: {root-hints: hints, trust-anchor: \"\"}\n"
                            'cache: {directory: ""}\n').encode())
    server = lab.Server([lab.BUILD / "rootline-resolver", "-c", path], tmp_path / "log2")
    server.started(server.wait_for, "ready on")
    assert "192.0.2.9" in lab.run("dig", "+short", "@127.0.0.1", "-p", port, "first.lab").stdout
    server.stop()
