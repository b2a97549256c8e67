"""Lookups by glibc, musl, Python and Node with the resolver in /etc/resolv.conf."""
import json
import os
import sys

import pytest

import lab


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "ip")
    program = lab.SOURCE / "tests/e2e/clients_inside.py"
    done = lab.run("unshare", "--net", "--mount", sys.executable, program, lab.SOURCE, lab.BUILD,
                   tmp_path_factory.mktemp("inside"), timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


MANY = sorted(f"198.18.9.{n}" for n in range(1, 61))


def test_glibc(found):
    """getaddrinfo gets all 60 addresses, for which it must repeat the query over TCP, and uses the search list."""
    assert "198.18.1.80" in found["glibc"]["www.uni.edu"]
    assert "198.18.2.80" in found["glibc"]["www.cs"]  # through the search list: www.cs.uni.edu
    assert set(MANY) <= set(found["glibc"]["many"])


def test_python(found):
    python = found["python"]
    assert python["www.uni.edu"] == ["198.18.1.80"] and found["python6"]["www.uni.edu"] == ["2001:2:0:1::80"]
    assert python["www"] == ["198.18.1.80"] and python["www.cs"] == ["198.18.2.80"] and python["many"] == MANY
    assert python["pictures.uni.edu"] == ["198.18.4.1", "198.18.4.2", "198.18.4.3"]
    assert python["nothing.uni.edu"] == [-2]  # EAI_NONAME: NXDOMAIN
    assert python["www.dead.com."] == [-3]    # EAI_AGAIN: SERVFAIL
    assert found["back"] == "www.uni.edu"


def test_node(found):
    if "node" not in found:
        pytest.skip("node is not installed")
    node = found["node"]
    assert node["www.uni.edu"] == ["198.18.1.80"] and node["www.cs"] == ["198.18.2.80"] and node["many"] == MANY
    assert node["resolve"] == 60 and node["mx"] == ["mail.uni.edu"] and node["txt"] == 40
    assert node["nothing"] == "ENOTFOUND"


def test_musl(found):
    """musl gets at least 20 of 60 addresses, and does not apply the search list to names with a dot.

    Before 1.2.4 it never uses TCP, and takes the records of a truncated answer.
    """
    if "musl" not in found:
        pytest.skip("musl-gcc is not installed")
    musl = found["musl"]
    assert musl["www.uni.edu"] == ["198.18.1.80"] and musl["www"] == ["198.18.1.80"]
    assert musl["www.cs"] == ["error:-2"]
    assert musl["nothing.uni.edu"] == ["error:-2"]
    print(f"musl gets {len(musl['many.uni.edu'])} of 60 addresses")
    assert len(musl["many.uni.edu"]) >= 20 and set(musl["many.uni.edu"]) <= set(MANY)
