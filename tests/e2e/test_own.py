"""Glue that names this machine: nothing is sent to it, unless a second server has the address."""
import json
import os
import sys

import pytest

import lab


@pytest.mark.parametrize("listen", ['["192.0.2.9@53"]', '["0.0.0.0@53", "::@53"]'])
def test_the_machine_itself_is_no_server(tmp_path, listen):
    if os.geteuid() != 0:
        pytest.skip("namespaces want root")
    lab.need("unshare", "ip")
    done = lab.run("unshare", "--net", sys.executable, lab.SOURCE / "tests/e2e/own_inside.py", lab.BUILD, tmp_path, listen, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("v4", "v6", "client", "added", "routed", "anycast"):
        assert found[name] == {"rcode": "SERVFAIL", "answers": 0, "asked": {}}, name
    # these are asked: an address of somebody else, one that is no longer ours, and a server beside this one
    assert found["away"]["asked"].get("203.0.113.6") and found["removed"]["asked"].get("192.0.2.79")
    if "192.0.2.9" in listen:
        assert found["beside"] == {"rcode": "NOERROR", "answers": 1, "asked": {"192.0.2.78": found["beside"]["asked"]["192.0.2.78"]}}
    else:
        assert found["beside"]["rcode"] == "SERVFAIL" and not found["beside"]["asked"]
