"""A machine whose clock is wrong when the resolver starts."""
import json
import os
import struct

import pytest

import lab

CLOCK = 14  # enum kind of tests/inject/inject.c


@pytest.mark.parametrize("years, clock, is_wrong", [
    (0, "", False), (-20, "", True), (-20, ", clock: 2005-01-01T00:00:00Z", False)])
def test_a_clock_before_the_build(tmp_path, years, clock, is_wrong):
    """It is wrong, unless the configuration sets it."""
    build = lab.choose_build("release")
    orders = struct.pack("<4Iq", 1 << CLOCK, 0, 0, 0, years * 365 * 86400 * 1000)
    (tmp_path / "orders").write_bytes(orders.ljust(4096, b"\0"))
    (tmp_path / "resolver.yaml").write_text(
        f"server: {{listen: [127.0.0.1@{lab.free_port()}], workers: 2, control: {tmp_path / 'socket'}{clock}}}\n"
        f"cache: {{directory: {tmp_path / 'cache'}, size: 16M}}\n")
    env = dict(os.environ, LD_PRELOAD=str(build / "tests/librl_inject.so"), ROOTLINE_INJECT=str(tmp_path / "orders"))
    resolver = lab.Server([build / "rootline-resolver", "-c", tmp_path / "resolver.yaml"], tmp_path / "resolver.log",
                          env=env)
    resolver.started(resolver.wait_for, "ready on")
    done = lab.run(build / "rootline", "status", "--json", "--socket", tmp_path / "socket")
    assert resolver.stop() == 0
    assert json.loads(done.stdout)["validation"] == {"on": True, "clock-is-wrong": is_wrong}
