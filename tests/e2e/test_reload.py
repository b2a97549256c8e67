"""SIGHUP: a new version is served at once and as a whole, a broken file changes nothing, and no query is lost."""
import os
import re
import signal
import subprocess
import threading
import time

import pytest

import lab


def zone(serial, extra=""):
    return (f"$TTL 5\n@ SOA ns h {serial} 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nv TXT \"{serial}\"\n"
            f"w TXT \"{serial}\"\n" + extra)


def reload(server, count):
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reloaded: ", count=count)


def text_of(server, name="v.a.test"):
    return server.ask(name, "TXT").answer[0][0].strings[0]


def test_changed_and_new_zones(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": zone(1)})
    try:
        assert text_of(server) == b"1"
        (tmp_path / "a.test.zone").write_text(zone(2))
        (tmp_path / "b.test.zone").write_text(zone(1))
        server.conf.write_text(server.conf.read_text() + f'  - {{zone: b.test, file: "{tmp_path}/b.test.zone"}}\n')
        assert server.ask("v.b.test", "TXT").rcode() == 5
        reload(server, 1)
        assert text_of(server) == b"2" and text_of(server, "v.b.test") == b"1"
        server.conf.write_text(server.conf.read_text().replace("a.test.zone", "gone.zone"))
        server.conf.write_text(re.sub(r".*gone.zone.*\n", "", server.conf.read_text()))
        reload(server, 2)
        assert server.ask("v.a.test", "TXT").rcode() == 5 and text_of(server, "v.b.test") == b"1"
    finally:
        server.stop()


def test_broken_files_change_nothing(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": zone(1), "b.test": zone(1)})
    try:
        (tmp_path / "a.test.zone").write_text(zone(2, "broken\n"))
        (tmp_path / "b.test.zone").write_text(zone(2))
        reload(server, 1)
        assert text_of(server) == b"1" and text_of(server, "v.b.test") == b"2"
        assert "a.test.zone:7:7: expected a record type" in server.log()
        assert "the previous version, serial 1, is still served" in server.log()
        os.unlink(tmp_path / "b.test.zone")
        reload(server, 2)
        assert text_of(server, "v.b.test") == b"2"
        conf = server.conf.read_text()
        server.conf.write_text(conf.replace("zones:", "zoness:"))
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload failed")
        assert 'did you mean "zones"?' in server.log()
        server.conf.write_text(conf + "  - {zone: , file: }\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload failed", count=2)
        assert text_of(server) == b"1" and text_of(server, "v.b.test") == b"2"
    finally:
        server.stop()


def test_broken_file_is_servfail_until_it_is_repaired(tmp_path):
    server = lab.Authd(tmp_path, {"a.test": "nonsense", "b.test": zone(1)})
    try:
        assert server.ask("v.a.test", "TXT").rcode() == 2 and text_of(server, "v.b.test") == b"1"
        (tmp_path / "a.test.zone").write_text(zone(5))
        reload(server, 1)
        assert text_of(server) == b"5"
    finally:
        server.stop()


@pytest.mark.parametrize("is_included", [False, True])
def test_file_that_is_being_written(tmp_path, is_included):
    """The writer pauses at ends of lines, where the file is a valid but incomplete zone."""
    server = lab.Authd(tmp_path, {"a.test": include(tmp_path, 1) if is_included else zone(1)})
    path = tmp_path / ("more.zone" if is_included else "a.test.zone")

    def write():
        if is_included:
            (tmp_path / "a.test.zone").write_text(zone(2, "$INCLUDE more.zone\n"))
        with open(path, "w") as f:
            if not is_included:
                f.write(zone(2))
            for n in range(200):
                f.write(f"w{n} TXT \"{n}\"\n")
                if n % 10 == 0:
                    f.flush()
                    began.set()
                    time.sleep(0.1)

    began = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        began.wait()
        server.process.send_signal(signal.SIGHUP)
        query_cnt = 0
        while text_of(server) == b"1":
            query_cnt += 1
        assert query_cnt > 20
        assert text_of(server) == b"2" and text_of(server, "w199.a.test") == b"199"
    finally:
        writer.join()
        server.stop()


def include(folder, serial):
    lab.write_old(folder / "more.zone", "w199 TXT \"199\"\n")
    return zone(serial, "$INCLUDE more.zone\n")


def test_file_that_is_always_being_written(tmp_path):
    """The previous version is served, the reload ends all the same, and the log has the cause."""
    server = lab.Authd(tmp_path, {"a.test": zone(1), "b.test": zone(1)})
    over = threading.Event()

    def write():
        with open(tmp_path / "a.test.zone", "w") as f:
            f.write(zone(2))
            while not over.wait(0.2):
                f.write("; and on\n")
                f.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        lab.write_old(tmp_path / "b.test.zone", zone(2))
        time.sleep(0.3)
        reload(server, 1)
        assert text_of(server) == b"1" and text_of(server, "v.b.test") == b"2"
        assert "a.test.zone is still being written; the previous version, serial 1, is still served" in server.log()
        over.set()
        writer.join()
        reload(server, 2)
        assert text_of(server) == b"2"
        # the same with the configuration, which would lose its last zones
        over.clear()
        text = server.conf.read_text()

        def write_conf():
            with open(server.conf, "w") as f:
                for line in text.splitlines(True):
                    f.write(line)
                    f.flush()
                    time.sleep(0.2)

        writer = threading.Thread(target=write_conf)
        writer.start()
        time.sleep(0.1)
        reload(server, 3)
        assert text_of(server, "v.b.test") == b"2"
    finally:
        over.set()
        writer.join()
        server.stop()


@pytest.mark.parametrize("preset", ["", "tsan"])
def test_no_answer_mixes_versions(tmp_path, preset):
    """While versions change, the CNAME and the TXT of an answer are of one version."""
    build = lab.choose_build(preset)
    server = lab.Authd(tmp_path, {"a.test": zone(1)}, build=build, extra="  workers: 4")
    over = threading.Event()
    faults, asked = [], [0]

    def query_repeatedly():
        while not over.is_set():
            try:
                answer = server.ask("c.a.test", "TXT", timeout=10)
                cname = answer.answer[0][0].target.to_text()
                value = answer.answer[1][0].strings[0].decode()
                if cname != f"t{value}.a.test.":
                    faults.append((cname, value))
                asked[0] += 1
            except Exception as e:  # a lost query is a fault too
                faults.append(repr(e))

    (tmp_path / "a.test.zone").write_text(zone(1, "c CNAME t1\nt1 TXT \"1\"\n"))
    reload(server, 1)
    threads = [threading.Thread(target=query_repeatedly) for _ in range(3)]
    for t in threads:
        t.start()
    for n in range(2, 40):
        part = tmp_path / "new"
        part.write_text(zone(n, f"c CNAME t{n}\nt{n} TXT \"{n}\"\n"))
        os.utime(part, (n, n))
        part.rename(tmp_path / "a.test.zone")
        reload(server, n)
    over.set()
    for t in threads:
        t.join()
    server.stop()
    assert not faults and asked[0] > 50, faults[:5]


def test_reloads_of_the_root_zone_lose_no_query(tmp_path):
    """A hundred reloads, each of a changed file, while dnsperf sends queries."""
    lab.need("dnsperf")
    source = lab.need_shared("data/root-2021-05-19.zone")
    root = tmp_path / "root.zone"
    root.write_bytes(source.read_bytes())
    build = lab.BUILD.parent / "release"
    if not (build / "rootline-authd").exists():
        pytest.skip(f"no {build}: cmake --preset release builds it")
    server = lab.Authd(tmp_path, {".": root}, build=build)
    questions = tmp_path / "questions"
    questions.write_text("".join(f"{name} {kind}\n" for name in ("com", "www.example.org", "nowhere-at-all", ".", "de")
                                 for kind in ("A", "NS", "DS")))
    load = subprocess.Popen(["dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", str(questions), "-c", "8",
                             "-Q", "4000", "-l", "600", "-t", "5"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(0.5)
        for n in range(1, 101):
            os.utime(root, (n, n))
            reload(server, n)
    finally:
        load.send_signal(signal.SIGINT)
        report = load.communicate(timeout=60)[0]
        server.stop()
    print(report)
    assert server.log().count("reloaded: 1 zone, 6806 names") == 100
    lost = int(re.search(r"Queries lost:\s+(\d+)", report)[1])
    completed = int(re.search(r"Queries completed:\s+(\d+)", report)[1])
    assert lost == 0 and completed > 5000
