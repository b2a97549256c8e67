"""Signed answers that cost a validator as much as they can, beside a benign client (docs/LIMITS.md section 6).

Counts decide: the answers of the benign client, the verifications and NSEC3 hashes per query of the attacker, and its
RCODEs.  tools/soak costly measures times too, on the release build.
"""
import pytest

import costly

SECONDS = 0.5  # of each attack

KINDS = costly.make_kinds()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    for kind in KINDS.values():
        kind.prepare(int(kind.per_second * SECONDS))
    made = costly.World(tmp_path_factory.mktemp("costly"), KINDS,
                        int(2.5 * len(KINDS) * SECONDS * costly.BENIGN_RATE) + 500)
    made.alone = made.idle(SECONDS)
    yield made
    made.stop()


@pytest.mark.parametrize("name", KINDS)
def test_work_is_bounded(world, name):
    result = world.attack(KINDS[name], SECONDS, world.alone)
    print(f"{name}: {result.verifications:.1f} verifications, {result.hashes:.1f} hashes, {result.rcodes}")
    assert result.faults(KINDS[name]) == []
