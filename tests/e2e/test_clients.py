"""The resolver behind /etc/resolv.conf, for the C libraries and languages that look names up there."""
import json
import os
import sys

import pytest

import lab


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("namespaces want root")
    lab.need("unshare", "ip")
    done = lab.run("unshare", "--net", "--mount", sys.executable, lab.SOURCE / "tests/e2e/clients_inside.py", lab.SOURCE, lab.BUILD,
                   tmp_path_factory.mktemp("inside"), timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


MANY = sorted(f"198.18.9.{n}" for n in range(1, 61))


def test_glibc(found):
    """getaddrinfo asks for A and AAAA at once; what does not fit 512 octets it asks for over TCP."""
    assert "198.18.1.80" in found["glibc"]["www.uni.edu"]
    assert "198.18.2.80" in found["glibc"]["www.cs"]  # over the search list: www.cs.uni.edu
    assert set(MANY) <= set(found["glibc"]["many"])


def test_python(found):
    python = found["python"]
    assert python["www.uni.edu"] == ["198.18.1.80"] and found["python6"]["www.uni.edu"] == ["2001:2:0:1::80"]
    assert python["www"] == ["198.18.1.80"] and python["www.cs"] == ["198.18.2.80"] and python["many"] == MANY
    assert python["pictures.uni.edu"] == ["198.18.4.1", "198.18.4.2", "198.18.4.3"]
    assert python["nothing.uni.edu"] == [-2]  # EAI_NONAME: there is no such name
    assert python["www.dead.com."] == [-3]    # EAI_AGAIN: nobody could tell
    assert found["back"] == "www.uni.edu"


def test_node(found):
    if "node" not in found:
        pytest.skip("node is not installed")
    node = found["node"]
    assert node["www.uni.edu"] == ["198.18.1.80"] and node["www.cs"] == ["198.18.2.80"] and node["many"] == MANY
    assert node["resolve"] == 60 and node["mx"] == ["mail.uni.edu"] and node["txt"] == 40 and node["nothing"] == "ENOTFOUND"


def test_musl(found):
    """musl before 1.2.4 never asks over TCP, and takes of a truncated answer what came; names with a dot it does not search for."""
    if "musl" not in found:
        pytest.skip("musl-gcc is not installed")
    musl = found["musl"]
    assert musl["www.uni.edu"] == ["198.18.1.80"] and musl["www"] == ["198.18.1.80"] and musl["www.cs"] == ["error:-2"]
    assert musl["nothing.uni.edu"] == ["error:-2"]
    print(f"musl gets {len(musl['many.uni.edu'])} of 60 addresses")
    assert len(musl["many.uni.edu"]) >= 20 and set(musl["many.uni.edu"]) <= set(MANY)
