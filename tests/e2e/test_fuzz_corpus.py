"""Each fuzz target runs over its corpus without a finding; tools/fuzz fuzzes for longer."""
import pytest

import lab


@pytest.mark.parametrize("target", ["message", "stream", "zone", "conf", "reply", "cache", "control", "http", "h2",
                                    "validate", "rollover", "sign"])
def test_corpus_has_no_finding(target, tmp_path):
    program = lab.SOURCE / f"build/fuzz/tests/fuzz_{target}"
    if not program.exists():
        pytest.skip("the fuzz targets are not built: cmake --preset fuzz")
    corpus = lab.SOURCE / f"tests/fuzz/corpus/{target}"
    assert len(list(corpus.iterdir())) > 20
    done = lab.run(program, "-runs=0", corpus, timeout=300, cwd=tmp_path)  # writes a profile to its folder
    assert done.returncode == 0, done.stderr[-3000:]
