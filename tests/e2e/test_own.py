"""Glue with addresses of this machine: no query is sent there, unless another server uses the address."""
import json
import os
import sys

import pytest

import lab


@pytest.mark.parametrize("listen", ['["192.0.2.9@53"]', '["0.0.0.0@53", "::@53"]'])
def test_own_addresses_are_not_queried(tmp_path, listen):
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    lab.need("unshare", "ip")
    done = lab.run("unshare", "--net", sys.executable, lab.SOURCE / "tests/e2e/own_inside.py", lab.BUILD, tmp_path,
                   listen, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("v4", "v6", "client", "added", "routed", "anycast"):
        assert found[name] == {"rcode": "SERVFAIL", "answers": 0, "asked": {}}, name
    # queried: an address of another machine, one that this machine no longer has, and another server on this machine
    assert found["away"]["asked"].get("203.0.113.6") and found["removed"]["asked"].get("192.0.2.79")
    if "192.0.2.9" in listen:
        beside = found["beside"]
        assert beside["rcode"] == "NOERROR" and beside["answers"] == 1 and list(beside["asked"]) == ["192.0.2.78"]
    else:
        assert found["beside"]["rcode"] == "SERVFAIL" and not found["beside"]["asked"]
