"""The laboratory's switches work only where nothing can leave; and what a server sees of our questions."""
import json
import os
import sys

import pytest

import lab


def inside(tmp_path, switches, *how):
    if os.geteuid() != 0:
        pytest.skip("namespaces want root")
    lab.need("unshare", "ip")
    done = lab.run("unshare", "--net", sys.executable, lab.SOURCE / "tests/e2e/fence_inside.py", lab.BUILD, tmp_path, switches, *how,
                   timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ports_and_ids_are_drawn_anew(tmp_path):
    seen = inside(tmp_path, "{}")
    assert seen["started"] and seen["status"] == 0 and seen["answered"] == 600
    assert len(seen["ports"]) >= 600
    # of some 28,000 ports and 65,536 IDs: hardly one twice; fewer has p < 1e-6
    assert len(set(seen["ports"])) > 560 and len(set(seen["ids"])) > 575
    print(f"{len(set(seen['ports']))} ports and {len(set(seen['ids']))} IDs in {len(seen['ports'])} questions")
    steps = [abs(a - b) for a, b in zip(seen["ports"], seen["ports"][1:])]
    assert sum(step < 10 for step in steps) < 30  # they are not counted up


def test_few_ports_are_told(tmp_path):
    seen = inside(tmp_path, "{}", "few-ports")
    assert seen["started"] and "queries leave from 2000 ports only" in seen["log"]
    assert all(40000 <= port <= 41999 for port in seen["ports"])


def test_the_system_s_range_does_not_matter(tmp_path):
    """What the kernel does not draw is bound."""
    seen = inside(tmp_path, "{}", "narrow-system")
    assert seen["started"] and "ports only" not in seen["log"]
    assert len(set(seen["ports"])) > 560 and min(seen["ports"]) < 10000 and max(seen["ports"]) > 55000


@pytest.mark.parametrize("switch, what", [("random-port", "ports"), ("random-id", "ids")])
def test_inside_the_fence_a_defence_comes_off(tmp_path, switch, what):
    seen = inside(tmp_path, f"{{{switch}: false}}")
    assert seen["started"] and seen["answered"] == 600
    assert len(set(seen[what])) == 1


@pytest.mark.parametrize("how, why", [("no-fence", "no interface rl-fence"), ("default-route", "there is a default route")])
def test_outside_it_does_not(tmp_path, how, why):
    seen = inside(tmp_path, "{random-port: false}", how)
    assert not seen["started"] and seen["status"] == 1
    assert "a defence may be switched off only in a network that packets cannot leave" in seen["log"] and why in seen["log"]
