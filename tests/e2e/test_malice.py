"""Each kind of broken or hostile reply once, to rootline-resolver alone; tools/malice plays them beside the peers."""
import pytest

import internet
import lab
import malice
from malice_grammar import KINDS

SEED = 1


@pytest.fixture(scope="module")
def world():
    made = malice.World(lab.free_port())
    yield made
    made.stop()


def test_each_kind_once(world, tmp_path):
    """The resolver is never poisoned, gives one answer of a class in the table, and sends at most the queries in it."""
    class Hints:
        port = world.port
        hints = tmp_path / "root.hints"

    Hints.hints.write_text(f". 3600 NS ns.root-servers.invalid.\nns.root-servers.invalid. 3600 A {malice.ROOT}\n")
    rows = malice.read_table()
    server = internet.Resolver(tmp_path / "resolver", Hints)
    try:
        results = malice.Client(server.port).play([world.add(kind, SEED) for kind in KINDS.values()])
        wrong = [f"{r.kind}: {fault}" for r in results if (fault := malice.judge_ours(rows, r))]
    finally:
        server.stop()
    print(f"\n{len(results)} kinds, {sum(r.queries for r in results)} queries to servers, "
          f"at most {max(r.queries for r in results)} for one")
    assert not world.faults and not wrong, "\n".join(map(str, world.faults[:3] + wrong))


def test_table_is_complete():
    """The table has one row per kind, and a reason in each row where a resolver differs."""
    rows = malice.read_table()
    assert rows.keys() == KINDS.keys()
    for kind, row in rows.items():
        assert row.queries <= 100, kind
        is_same = all(classes == row.classes["rootline"] for classes in row.classes.values())
        assert row.why or not row.is_more and is_same, kind
