"""Switches of `lab` work only inside the fence; source ports and IDs of queries, as a server sees them."""
import json
import os
import sys

import pytest

import lab


def inside(tmp_path, switches, *how):
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "ip")
    program = lab.SOURCE / "tests/e2e/fence_inside.py"
    done = lab.run("unshare", "--net", sys.executable, program, lab.BUILD, tmp_path, switches, *how, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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


@pytest.mark.parametrize("switch, what", [("random-port", "ports"), ("random-id", "ids")])
def test_defence_is_off_inside_the_fence(tmp_path, switch, what):
    seen = inside(tmp_path, f"{{{switch}: false}}")
    assert seen["started"] and seen["answered"] == 600
    assert len(set(seen[what])) == 1


@pytest.mark.parametrize("how, why", [("no-fence", "no interface rl-fence"),
                                      ("default-route", "there is a default route")])
def test_no_start_without_defence_outside_the_fence(tmp_path, how, why):
    seen = inside(tmp_path, "{random-port: false}", how)
    assert not seen["started"] and seen["status"] == 1
    assert "a defence may be switched off only in a network that packets cannot leave" in seen["log"]
    assert why in seen["log"]
