"""Five phases of tools/starve for each daemon: calls fail while clients use it."""
import os
import sys

import lab


def test_daemons_answer_after_failed_calls():
    """Both daemons survive, answer over each transport after each phase, and keep no descriptors."""
    lab.need("unshare", "addr2line")
    build = lab.choose_build("release")
    env = dict(os.environ, ROOTLINE_STARVE="inside", ROOTLINE_BUILD=str(build))
    done = lab.run(sys.executable, lab.SOURCE / "tools/starve", "6", "15", "--only", "memory 1/100,accept,all", env=env,
                   timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("queries answered") == 10, done.stderr
