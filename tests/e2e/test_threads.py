"""Unit tests that start threads, on the ThreadSanitizer build: a data race is a failure.  The store and the quotas are in
test_cache.py and test_fair.py."""
import subprocess

import lab
import pytest


@pytest.mark.parametrize("name", ["base", "publish", "inflight", "out"])
def test_no_data_race(name):
    program = lab.choose_build("tsan") / f"tests/test_{name}"
    done = subprocess.run([program], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
