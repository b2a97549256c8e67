"""The laboratory: up and down, what is left of it, its fence, its links, its files, and every experiment both ways."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import lab

ROOTLINE_LAB = lab.BUILD / "rootline-lab"
FAILED, OUTSIDE = 1, 2


def command(*args, timeout=120):
    return lab.run(lab.ROOTLINE, "lab", *args, timeout=timeout)


def need_spaces():
    user = [] if os.geteuid() == 0 else ["--user"]
    spaces = ["unshare", *user, "--mount", "--pid", "--net", "--fork", "true"]
    if subprocess.run(spaces, capture_output=True).returncode:
        pytest.skip("no namespaces may be made here")


class Laboratory:
    def __init__(self, name, *options):
        self.name = name
        done = command("up", "--name", name, *options)
        assert done.returncode == 0, done.stderr
        self.keeper = keeper_of(name)

    def __call__(self, *args, timeout=120):
        return command(args[0], "--name", self.name, *args[1:], timeout=timeout)

    def shell(self, host, *args, timeout=60):
        return self("shell", host, *args, timeout=timeout)

    def status(self):
        return json.loads(self("status", "--json").stdout)

    def down(self):
        return self("down")


def keeper_of(name):
    """Return the process of a laboratory's keeper: the one that listens on its socket."""
    inode = next(line.split()[6] for line in open("/proc/net/unix") if line.endswith(f"/{os.geteuid()}/{name}\n"))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open(f"/proc/{pid}/comm").read() == "rootline-lab\n" and any(
                    os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]" for fd in os.listdir(f"/proc/{pid}/fd")):
                return int(pid)
        except OSError:
            continue
    raise AssertionError("no keeper")


def members(keeper):
    """Return the processes in the PID namespace of a keeper."""
    space = os.readlink(f"/proc/{keeper}/ns/pid")
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == space:
                found.add(int(pid))
        except OSError:
            continue
    return found


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.fixture(scope="module")
def laboratory():
    need_spaces()
    one = Laboratory("tests")
    yield one
    one.down()


def interfaces():
    return set(os.listdir("/sys/class/net"))


def mounts():
    """Return the mounts of the kinds that a laboratory makes; others may come and go on the machine."""
    kinds = ("rootline-lab ", "none ", "proc ")
    places = ("/etc/", "/run/nscd ", "/run/systemd/resolve ", "/run/netns ", "/run/docker/netns ")
    return {line for line in open("/proc/mounts")
            if line.startswith(kinds) or line.split(" ", 1)[1].startswith(places)}


def test_clients_resolve_and_nothing_is_left(tmp_path):
    need_spaces()
    lab.need("dig", "curl")
    before = interfaces(), mounts()
    one = Laboratory("left")
    processes = members(one.keeper)
    assert len(processes) > 20
    assert one.shell("alice", "dig", "+short", "www.bank.com").stdout == "198.51.100.10\n"
    assert "The Bank" in one.shell("bob", "curl", "-s", "http://login.bank.com/").stdout
    assert one.shell("alice", "hostname").stdout == "alice\n"
    assert "203.0.113.53" in one.shell("alice", "cat", "/etc/resolv.conf").stdout
    assert "203.0.113.53" not in open("/etc/resolv.conf").read()
    assert command("list").stdout.splitlines().count("left") == 1
    assert one.down().returncode == 0
    assert not [pid for pid in processes if is_alive(pid)]
    assert (interfaces(), mounts()) == before
    assert "left" not in command("list").stdout.split()
    assert command("status", "--name", "left").returncode == FAILED


def test_killed_keeper_leaves_nothing():
    need_spaces()
    before = interfaces()
    one = Laboratory("killed")
    processes = members(one.keeper)
    os.kill(one.keeper, signal.SIGKILL)
    assert wait_until(lambda: not [pid for pid in processes if is_alive(pid)])
    assert interfaces() == before
    again = Laboratory("killed")  # the name is free
    assert again.down().returncode == 0


def test_laboratories_beside_each_other(laboratory):
    other = Laboratory("beside")
    try:
        refused = command("up", "--name", "beside")
        assert refused.returncode == FAILED and "is up already" in refused.stderr
        assert other.shell("alice", "dig", "+short", "www.shop.com").stdout == "198.51.100.20\n"
        assert laboratory.shell("alice", "dig", "+short", "www.shop.com").stdout == "198.51.100.20\n"
    finally:
        other.down()
    assert laboratory.shell("alice", "dig", "+short", "www.shop.com").stdout == "198.51.100.20\n"


def test_validating_laboratory():
    need_spaces()
    one = Laboratory("signed", "--dnssec")
    try:
        assert re.search(r"flags:[a-z ]* ad[ ;]", one.shell("alice", "dig", "www.bank.com").stdout)
        assert one.status()["defences-off"] == []
    finally:
        one.down()


def test_era_says_what_is_off():
    need_spaces()
    one = Laboratory("era", "--era", "2008")
    try:
        status = one.status()
        assert status["era"] == "2008" and "random-port" in status["defences-off"]
        assert "DEFENCES OFF: random-port" in one("status").stdout
    finally:
        one.down()


@pytest.mark.parametrize("args, why", [
    (["shell", "--name", "tests", "nobody"], 'no host "nobody"'), (["run", "nothing"], 'no experiment "nothing"'),
    (["up", "--era", "1066"], "usage:"), (["link", "alice", "--loss", "101"], "usage:"),
    (["up", "--name", "../x"], "--name takes"), (["capture", "--packets", "some", "alice"], "usage:"),
    (["run", "spoof", "--seed", "-5"], "usage:"), (["run", "spoof", "--seed", "9" * 30], "usage:"),
    (["run", "spoof", "--without", "luck"], 'no defence "luck"')])
def test_wrong_usage(laboratory, args, why):
    done = command(*args, *([] if "--name" in args else ["--name", "tests"]))
    assert done.returncode in (FAILED, OUTSIDE) and why in done.stderr


def query_ms(one, *args):
    """Return what dig measured: from the end of sending, so on a loaded machine it is some milliseconds too short."""
    return int(re.search(r"Query time: (\d+)", one.shell("alice", "dig", *args).stdout)[1])


def test_links_delay_and_lose(laboratory):
    """A query takes at least as long as the links say; a link that loses everything carries nothing."""
    assert query_ms(laboratory, "@198.51.100.20", "www.shop.com") >= 22
    assert laboratory("link", "shop", "--delay", "150").returncode == 0
    assert query_ms(laboratory, "@198.51.100.20", "www.shop.com") >= 280
    laboratory("link", "shop", "--loss", "100")
    assert "timed out" in laboratory.shell("alice", "dig", "+tries=1", "+time=1", "@198.51.100.20", "x.shop.com").stdout
    shop = next(host for host in laboratory.status()["hosts"] if host["name"] == "shop")
    assert shop["link"]["dropped"] > 0
    assert laboratory("reset").returncode == 0
    assert laboratory.shell("alice", "dig", "+short", "@198.51.100.20", "www.shop.com").stdout == "198.51.100.20\n"


def test_shell_passes_help_on(laboratory):
    """--help behind the host is an argument of the command there."""
    assert laboratory.shell("alice", "sh", "-c", "echo $0", "--help").stdout == "--help\n"
    assert "usage: rootline lab" in command("shell", "--help").stdout


def test_host_hears_its_own_wire_only(laboratory, tmp_path):
    """bob and the off-path attacker hear nothing of alice's query; the on-path attacker hears it."""
    hosts = ("bob", "attacker", "onpath")
    captures = {host: subprocess.Popen([lab.ROOTLINE, "lab", "capture", "--name", "tests", host],
                                       stdout=subprocess.PIPE, text=True) for host in hosts}
    time.sleep(1)
    laboratory.shell("alice", "dig", "wire.shop.com")
    time.sleep(1)
    heard = {}
    for host, process in captures.items():
        process.terminate()
        heard[host] = process.communicate(timeout=20)[0]
    assert "wire.shop.com" in heard["onpath"].lower()
    assert "shop.com" not in (heard["bob"] + heard["attacker"]).lower()


def test_capture_is_a_pcap_file(laboratory, tmp_path):
    process = subprocess.Popen([lab.ROOTLINE, "lab", "capture", "--name", "tests", "--file", tmp_path / "alice.pcap",
                                "--packets", "2", "alice"])
    time.sleep(1)
    laboratory.shell("alice", "dig", "www.bank.com")
    assert process.wait(20) == 0
    octets = (tmp_path / "alice.pcap").read_bytes()
    assert octets[:4] == b"\xd4\xc3\xb2\xa1" and b"\3www\4bank\3com" in octets.lower()


def test_no_attack_without_laboratory():
    done = command("run", "spoof", "--name", "absent")
    assert done.returncode == OUTSIDE and 'no laboratory "absent"' in done.stderr


def test_default_route_stops_an_attack():
    need_spaces()
    lab.need("ip")
    one = Laboratory("route")
    try:
        added = one.shell("onpath", "ip", "route", "add", "default", "dev", "eth0")
        assert added.returncode == 0, added.stderr
        done = one("run", "spoof")
        assert done.returncode == OUTSIDE and "default route" in done.stderr, done.stderr
    finally:
        one.down()


def test_default_route_on_any_host_stops_what_runs():
    """Every socket of an experiment is opened only while no host has a way out, whatever the experiment sends."""
    need_spaces()
    lab.need("ip")
    one = Laboratory("running")
    try:
        for name in ("kaminsky", "walk"):
            process = subprocess.Popen([lab.ROOTLINE, "lab", "run", name, "--slow", "--name", "running"], text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(1)
            one.shell("bob", "ip", "route", "add", "default", "dev", "eth0")
            begin = time.monotonic()
            _, why = process.communicate(timeout=60)
            assert process.returncode == OUTSIDE and "from host bob" in why, why
            assert time.monotonic() - begin < 10  # on a loaded machine; 1 s otherwise
            refused = one("run", "walk")
            assert refused.returncode == OUTSIDE and "from host bob" in refused.stderr
            one.shell("bob", "ip", "route", "del", "default")
    finally:
        one.down()


def test_weakened_server_says_so_and_needs_the_fence():
    """rootline-authd without a defence: an EDE in each answer; a way out ends it."""
    need_spaces()
    lab.need("ip")
    one = Laboratory("weak-server")
    try:
        folder = one.status()["folder"]
        query = ("dig", "@198.51.100.20", "www.shop.com", "A")
        assert "laboratory" not in one.shell("alice", *query).stdout
        weaken = f"echo 'lab: {{minimal-any: false}}' >>{folder}/shop/authd.yaml && rootline reload"
        assert one.shell("shop", "sh", "-c", weaken).returncode == 0
        assert "EDE: 0 (Other): (laboratory: minimal-any off)" in one.shell("alice", *query).stdout
        one.shell("shop", "ip", "route", "add", "default", "dev", "eth0")
        shop = [host["name"] for host in one.status()["hosts"]].index("shop")
        assert wait_until(lambda: not one.status()["hosts"][shop]["daemon-runs"])
    finally:
        one.down()


def test_shell_has_no_way_out(laboratory):
    """Root of a host reaches neither the namespaces of the keeper and of the machine, nor what is mounted over."""
    lab.need("unshare", "nsenter", "ip")
    status = laboratory.shell("attacker", "cat", "/proc/self/status").stdout
    effective = int(re.search(r"CapEff:\t([0-9a-f]+)", status)[1], 16)
    assert effective & 1 << 12 and effective & 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
    assert not effective & 1 << 21 and not effective & 1 << 19  # CAP_SYS_ADMIN, CAP_SYS_PTRACE
    for args in (["nsenter", "--target", "1", "--net", "true"], ["umount", "/proc"],
                 ["unshare", "--user", "--mount", "umount", "/proc"], ["unshare", "--net", "true"]):
        done = laboratory.shell("attacker", *args)
        assert done.returncode != 0, args
    if os.geteuid() == 0 and subprocess.run(["ip", "netns", "add", "rootline-way-out"]).returncode == 0:
        one = Laboratory("netns")
        try:
            assert one.shell("attacker", "ip", "link", "add", "a", "type", "veth", "peer", "name", "b", "netns",
                             "rootline-way-out").returncode != 0
        finally:
            one.down()
            subprocess.run(["ip", "netns", "delete", "rootline-way-out"], check=True)


def test_shell_status_and_input(laboratory):
    assert laboratory.shell("alice", "sh", "-c", "exit 37").returncode == 37
    assert laboratory.shell("alice", "sh", "-c", "kill -9 $$").returncode == 137
    assert laboratory.shell("alice", "no-such-program").returncode == 127
    done = subprocess.run([lab.ROOTLINE, "lab", "shell", "--name", "tests", "bob"], input="hostname; exit 5", text=True,
                          capture_output=True, timeout=60)
    assert (done.stdout, done.returncode) == ("bob\n", 5)


def test_shell_forgets_the_proxies_outside(laboratory):
    lab.need("curl")
    outside = dict(os.environ, http_proxy="http://proxy.example:3128", ALL_PROXY="http://proxy.example:3128")
    done = subprocess.run([lab.ROOTLINE, "lab", "shell", "--name", "tests", "alice", "curl", "-s", "http://bank.com/"],
                          env=outside, capture_output=True, text=True, timeout=60)
    assert "The Bank" in done.stdout


def test_resolv_conf_may_be_a_link_to_a_hidden_folder():
    """systemd-resolved makes /etc/resolv.conf a link into a folder that leads out, and so is hidden."""
    need_spaces()
    lab.need("dig")
    if os.geteuid() != 0:
        pytest.skip("another /etc needs root")
    script = f"""
        mount -t tmpfs none /run && mkdir -p /run/systemd/resolve /run/etc && cp -a /etc/. /run/etc/ &&
        echo nameserver 127.0.0.53 >/run/systemd/resolve/stub-resolv.conf && rm -f /run/etc/resolv.conf &&
        ln -s ../run/systemd/resolve/stub-resolv.conf /run/etc/resolv.conf && mount --bind /run/etc /etc &&
        {lab.ROOTLINE} lab up --name link >/dev/null || exit 9
        {lab.ROOTLINE} lab shell --name link alice dig +short www.bank.com
        {lab.ROOTLINE} lab down --name link
        rm /etc/resolv.conf
        {lab.ROOTLINE} lab up --name link"""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode != 9, done.stderr
    assert done.stdout == "198.51.100.10\n" and "/etc/resolv.conf is missing" in done.stderr


def test_down_below_a_process_1_that_reaps_nothing():
    """A terminated command takes its process in the laboratory with it; as an orphan it would keep the namespace."""
    need_spaces()
    if os.geteuid() != 0:
        pytest.skip("another process 1 needs root")
    script = f"""
import subprocess, sys, time
lab = ["{lab.ROOTLINE}", "lab"]
assert subprocess.run(lab + ["up", "--name", "reap"], stdout=subprocess.DEVNULL).returncode == 0
capture = subprocess.Popen(lab + ["capture", "--name", "reap", "alice"])
shell = subprocess.Popen(lab + ["shell", "--name", "reap", "alice", "sleep", "100"])
time.sleep(1)
capture.terminate()
shell.terminate()
print(capture.wait(20), shell.wait(20), subprocess.run(lab + ["down", "--name", "reap"]).returncode)
"""
    room = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run([*room, "python3", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "0 143 0", done.stderr


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("killed", ["keeper", "command"])
def test_killed_start_leaves_nothing(moment, killed):
    """kill -9 while the laboratory starts: of the keeper, or of `rootline lab up`, whose laboratory may come up."""
    need_spaces()
    before = interfaces()
    process = subprocess.Popen([lab.ROOTLINE, "lab", "up", "--name", "start"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(moment)
    try:
        keeper = keeper_of("start")
    except (StopIteration, AssertionError):
        keeper = None
    inside = members(keeper) if keeper else set()
    if killed == "command":
        process.kill()
    elif keeper and keeper != process.pid:
        os.kill(keeper, signal.SIGKILL)
    process.wait(60)
    if "start" in command("list").stdout.split():
        assert wait_until(lambda: command("down", "--name", "start").returncode == 0 or
                          "start" not in command("list").stdout.split())
    assert wait_until(lambda: "start" not in command("list").stdout.split())
    assert wait_until(lambda: not [pid for pid in inside - {process.pid} if is_alive(pid)])
    assert interfaces() == before


def test_poisoned_cache_stays_until_reset():
    """After run --stay a client sees the forged page; reset brings zones, defences and cache back."""
    need_spaces()
    lab.need("dig", "curl")
    one = Laboratory("stay")
    try:
        assert one("run", "spoof", "--stay").returncode == 0
        assert one.shell("alice", "dig", "+short", "www.bank.com").stdout == "192.0.2.66\n"
        assert "FORGED" in one.shell("alice", "curl", "-s", "http://www.bank.com/").stdout
        one("run", "kaminsky", "--stay")
        assert "DEFENCES OFF: random-port" in one("status").stdout
        process = subprocess.Popen([lab.ROOTLINE, "lab", "run", "walk", "--slow", "--name", "stay"],
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert "without" in process.stderr.readline() and "with defences" in process.stderr.readline()
        time.sleep(1)
        process.kill()  # post.org is signed with NSEC3 now
        process.wait(20)
        assert one("reset").returncode == 0
        assert "DEFENCES OFF: dnssec\n" in one("status").stdout
        assert "FORGED" not in one.shell("alice", "curl", "-s", "http://www.bank.com/").stdout
        assert "NSEC3" not in one.shell("alice", "dig", "+dnssec", "@198.51.100.30", "nothing.post.org").stdout
    finally:
        one.down()


def listed():
    done = subprocess.run([lab.ROOTLINE, "lab", "run", "--list", "--json"], capture_output=True, text=True)
    return [row["name"] for row in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def validating():
    need_spaces()
    one = Laboratory("experiments", "--dnssec")
    yield one
    one.down()


@pytest.mark.parametrize("name", listed())
def test_experiment(validating, name, tmp_path):
    """Without its defences the attack succeeds, with them it fails; the record says so."""
    done = validating("run", name, "--seed", "7", "--record", tmp_path, timeout=300)
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert [run["succeeded"] for run in record["runs"]] == [True, False] and record["seed"] == 7
    assert (tmp_path / f"{name}-without.pcap").stat().st_size > 24
    checked = command("check", tmp_path / f"{name}.json", "--seed", "7")
    assert checked.returncode == 0, checked.stderr


def test_keep_leaves_the_poisoned_cache(laboratory):
    """The forged record is there for clients until a reset."""
    done = laboratory("run", "bailiwick", "--stay")
    assert done.returncode == 0 and "ATTACK SUCCEEDS" in done.stdout, done.stderr
    assert laboratory.shell("bob", "dig", "+short", "www.bank.com").stdout == "192.0.2.66\n"
    assert laboratory("reset").returncode == 0
    assert laboratory.shell("bob", "dig", "+short", "www.bank.com").stdout == "198.51.100.10\n"


def test_reset_brings_back_the_zones(laboratory):
    """A zone that a student edited is as at the start after a reset; so is the trust anchor."""
    zones = laboratory.status()["folder"] + "/zones"
    edit = f"echo 'atm A 198.51.100.10' >>{zones}/bank.com.zone && rootline reload"
    edited = laboratory.shell("bank", "sh", "-c", edit)
    assert edited.returncode == 0, edited.stderr
    assert laboratory.shell("alice", "dig", "+short", "atm.bank.com").stdout == "198.51.100.10\n"
    anchor = laboratory.shell("resolver", "cat", f"{zones}/root.key").stdout
    assert laboratory("reset").returncode == 0
    assert "NXDOMAIN" in laboratory.shell("alice", "dig", "atm.bank.com").stdout
    assert laboratory.shell("resolver", "cat", f"{zones}/root.key").stdout == anchor


HEADINGS = ["What to know", "What to type", "What to see", "Why", "What stops it", "Questions"]


@pytest.mark.parametrize("name", listed())
def test_experiment_has_a_page(name):
    """A page with all headings, three questions with answers, the command, and a link from the index."""
    folder = lab.SOURCE / "docs/lab"
    page = (folder / f"{name}.md").read_text()
    assert page.startswith(f"# {name}: ")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == HEADINGS
    assert f"rootline lab run {name}" in page
    assert page.count("<details>") == page.count("</details>") == 3
    assert f"]({name}.md)" in (folder / "README.md").read_text()


def test_links_of_the_pages():
    """Each link between pages leads to a file, and to a heading of it."""
    for page in (lab.SOURCE / "docs/lab").glob("*.md"):
        for path, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {path}"
            anchors = [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
                       for heading in re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)] if anchor else [""]
            assert anchor in anchors, f"{page.name}: {path}#{anchor}"


def test_check_finds_what_was_changed(validating, tmp_path):
    validating("run", "bailiwick", "--record", tmp_path)
    path = tmp_path / "bailiwick.json"
    assert command("check", path).returncode == 0
    assert command("check", path, "--seed", "2").returncode == FAILED
    path.write_text(path.read_text().replace("192.0.2.66", "192.0.2.67"))
    done = command("check", path)
    assert done.returncode == FAILED and "was changed" in done.stdout
    for hostile in ("{", "[" * 1000000, '{"experiment":"\\u001b[31m","seed":1}', '{"experiment":5,"runs":{}}'):
        path.write_text(hostile)
        done = command("check", path)
        assert done.returncode == FAILED and "is no record" in done.stdout and "\x1b" not in done.stdout
    with open(path, "wb") as file:
        file.truncate(100 << 20)
    done = command("check", path)
    assert done.returncode == FAILED and "too large" in done.stdout


def test_saved_laboratory_is_loaded(laboratory, tmp_path):
    """Another laboratory gets the zones, the links and the clock of the one that was saved."""
    zones = laboratory.status()["folder"] + "/zones"
    laboratory.shell("shop", "sh", "-c", f"echo 'new 60 A 198.51.100.20' >>{zones}/shop.com.zone && rootline reload")
    laboratory("link", "shop", "--delay", "77")
    assert laboratory("time", "+1h").returncode == 0
    assert laboratory("save", tmp_path / "saved").returncode == 0
    laboratory("reset")
    other = Laboratory("loaded")
    try:
        assert other.shell("alice", "dig", "+short", "new.shop.com").stdout == ""
        done = other("load", tmp_path / "saved")
        assert done.returncode == 0, done.stderr
        assert other.shell("alice", "dig", "+short", "new.shop.com").stdout == "198.51.100.20\n"
        status = other.status()
        shop = next(host for host in status["hosts"] if host["name"] == "shop")
        assert status["ahead-s"] == 3600 and shop["link"]["delay-us"] == 77000
    finally:
        other.down()


def test_loaded_configuration_writes_inside_only(laboratory, tmp_path):
    """A file from a stranger may name any folder for the cache: it is read-only, and the resolver caches in memory."""
    laboratory("save", tmp_path / "saved")
    saved = json.loads((tmp_path / "saved").read_text())
    outside = tmp_path / "outside"
    outside.mkdir()
    conf = saved["files"]["resolver/resolver.yaml"]
    saved["files"]["resolver/resolver.yaml"] = conf.replace("{directory: cache,", f"{{directory: {outside},")
    assert conf != saved["files"]["resolver/resolver.yaml"]
    (tmp_path / "saved").write_text(json.dumps(saved))
    laboratory("load", tmp_path / "saved")
    log = laboratory.shell("resolver", "cat", laboratory.status()["folder"] + "/resolver/log").stdout
    assert f"{outside}" in log and "ead-only file system" in log, log
    assert not list(outside.iterdir())
    assert laboratory("reset").returncode == 0
    assert laboratory.shell("alice", "dig", "+short", "www.bank.com").stdout == "198.51.100.10\n"


@pytest.mark.parametrize("change", [
    lambda saved: saved["files"].update({"zones/../../tmp/x": "x"}),
    lambda saved: saved["files"].update({"/etc/x": "x"}),
    lambda saved: saved["files"].update({"zones/\x1b[31m": "x"}),
    lambda saved: saved["files"].update({"alice/resolv.conf": "x"}),
    lambda saved: saved.pop("laboratory"),
    lambda saved: saved["files"].update({"zones/x": 1})])
def test_wrong_saved_laboratory_changes_nothing(laboratory, tmp_path, change):
    laboratory("save", tmp_path / "saved")
    saved = json.loads((tmp_path / "saved").read_text())
    saved["files"]["zones/bank.com.zone"] = "spoiled"
    change(saved)
    (tmp_path / "saved").write_text(json.dumps(saved))
    done = laboratory("load", tmp_path / "saved")
    assert done.returncode == FAILED and "laboratory" in done.stderr and "\x1b" not in done.stderr
    folder = laboratory.status()["folder"]
    assert "SOA" in laboratory.shell("bank", "cat", f"{folder}/zones/bank.com.zone").stdout
