"""The fuzz targets run over their corpora without a finding; long fuzzing is tools/fuzz."""
import pytest

import lab


@pytest.mark.parametrize("target", ["message", "stream", "zone", "conf", "reply", "cache", "control", "http", "h2", "validate", "sign"])
def test_the_corpus_runs_clean(target, tmp_path):
    program = lab.SOURCE / f"build/fuzz/tests/fuzz_{target}"
    if not program.exists():
        pytest.skip("the fuzz targets are not built: cmake --preset fuzz")
    corpus = lab.SOURCE / f"tests/fuzz/corpus/{target}"
    assert len(list(corpus.iterdir())) > 20
    done = lab.run(program, "-runs=0", corpus, timeout=300, cwd=tmp_path)  # it leaves a profile where it runs
    assert done.returncode == 0, done.stderr[-3000:]
