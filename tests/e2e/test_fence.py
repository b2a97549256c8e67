"""Switches of `lab` work only inside the fence, and each answer names them; source ports and IDs of queries, as a
server sees them; a clock that is moved."""
import json
import os
import sys

import pytest

import lab


def run_inside(program, *args, namespaces=("--net",)):
    """Run a program of this folder in namespaces of its own; return what it prints."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "ip")
    program = lab.SOURCE / "tests/e2e" / program
    done = lab.run("unshare", *namespaces, sys.executable, program, *args, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inside(tmp_path, switches, *how, **kw):
    return json.loads(run_inside("fence_inside.py", lab.BUILD, tmp_path, switches, *how, **kw))


def test_each_query_has_a_random_port_and_id(tmp_path):
    seen = inside(tmp_path, "{}")
    assert seen["started"] and seen["status"] == 0 and seen["answered"] == 600
    assert len(seen["ports"]) >= 600
    # of at least 28,000 ports and 65,536 IDs: fewer different ones have p < 1e-6
    assert len(set(seen["ports"])) > 560 and len(set(seen["ids"])) > 575
    print(f"{len(set(seen['ports']))} ports and {len(set(seen['ids']))} IDs in {len(seen['ports'])} queries")
    steps = [abs(a - b) for a, b in zip(seen["ports"], seen["ports"][1:])]
    assert sum(step < 10 for step in steps) < 30  # ports are not consecutive


def test_few_ports_give_a_warning(tmp_path):
    seen = inside(tmp_path, "{}", "few-ports")
    assert seen["started"] and "queries leave from 2000 ports only" in seen["log"]
    assert all(40000 <= port <= 41999 for port in seen["ports"])


def test_narrow_port_range_of_the_kernel_is_extended(tmp_path):
    """The resolver binds ports that the kernel would not choose."""
    seen = inside(tmp_path, "{}", "narrow-system")
    assert seen["started"] and "ports only" not in seen["log"]
    assert len(set(seen["ports"])) > 560 and min(seen["ports"]) < 10000 and max(seen["ports"]) > 55000


def test_one_port_per_worker_inside_the_fence(tmp_path):
    seen = inside(tmp_path, "{random-port: false}")
    assert seen["started"] and seen["answered"] == 600
    assert set(seen["ports"]) == {33333, 33334, 33335, 33336}


def test_ids_are_counted_inside_the_fence(tmp_path):
    """All workers count together, as one forger would have to guess."""
    seen = inside(tmp_path, "{random-id: false}", "altname")
    assert seen["started"] and seen["answered"] == 600
    assert seen["ids"] == list(range(seen["ids"][0], seen["ids"][0] + len(seen["ids"])))


@pytest.mark.parametrize("how, why", [("no-fence", "no interface rl-fence"),
                                      ("default-route", "there is a default route")])
def test_no_start_without_defence_outside_the_fence(tmp_path, how, why):
    seen = inside(tmp_path, "{random-port: false}", how)
    assert not seen["started"] and seen["status"] == 1
    assert "a defence may be switched off only in a network that packets cannot leave" in seen["log"]
    assert why in seen["log"]


def test_no_start_in_the_namespace_of_process_1(tmp_path):
    """Here the test's program is process 1 of its own process namespace."""
    namespaces = ("--net", "--pid", "--fork", "--mount-proc")
    if lab.run("unshare", *namespaces, "true").returncode != 0:
        pytest.skip("process namespaces cannot be made here")
    seen = inside(tmp_path, "{random-port: false}", namespaces=namespaces)
    assert not seen["started"] and seen["status"] == 1
    assert "this is the network namespace of process 1" in seen["log"]


@pytest.mark.parametrize("scenario", [
    "route", "route-of-a-strong-one", "notice", "many-notices", "source", "one-port", "udp-size",
    "validation-work", "ttl", "signatures", "clock-outside"])
def test_weak_resolver(tmp_path, scenario):
    run_inside("weak_inside.py", tmp_path, scenario)
