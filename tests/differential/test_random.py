"""Random schemas: whatever can be declared, construct and the generated codec agree on it.

`python -m tests.differential.bulk` does the same for as long as you like.
"""

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from opalink.protocol.check import check
from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from tests.differential import bulk, readings
from tests.differential.agreement import load
from tests.differential.dice import Dice
from tests.differential.random_schemas import Schema, random_schema
from tests.differential.trial import cases, counted, differences

SEEDS, BLOCK = 100, 20
UNRULY = {"L02", "L04", "L11"}  # order of the parts, phrases, depth of TLVs: what the codec must not depend on


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_the_readings_agree(first: int) -> None:
    for seed in range(first, first + BLOCK):
        dice = Dice.seeded(seed)
        schema = random_schema(dice)
        found = next(differences(cases(dice, schema, 3), load(schema.source)), None)
        assert not found, f"seed {seed}: {found}\n{schema.text}\n{schema.source}"


def test_a_list_and_a_field_of_its_rows_may_have_one_name() -> None:
    """A list `rows` of rows with a field `rows`, of which there may be many: its variable was overwritten once."""
    schema = random_schema(Dice.seeded(1255))
    lists = [p for x in schema.catalogue.layouts for p in x.parts if isinstance(p, ir.Rows)]
    assert any(p.name in {f.name for f in ir.fields_of(schema.catalogue.layout[p.row].parts)} for p in lists)
    assert next(differences(cases(Dice.seeded(1255), schema, 6), load(schema.source)), None) is None


@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(st.data())
def test_the_readings_agree_on_what_hypothesis_thinks_of(data: st.DataObject) -> None:
    dice = Dice.drawn(data.draw)
    schema = random_schema(dice)
    note(schema.text)
    note(schema.source)
    assert next(differences(cases(dice, schema, 1), load(schema.source)), None) is None


# ── The random schemas are worth having ──────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def schemas() -> list[Schema]:
    return [random_schema(Dice.seeded(seed)) for seed in range(SEEDS)]


def test_they_keep_the_rules_of_declarations(schemas: list[Schema]) -> None:
    broken = {f.code: str(f) for s in schemas for f in check(s.catalogue) if f.code[0] in "LP"}
    assert {code: said for code, said in broken.items() if code not in UNRULY} == {}


def test_they_use_everything_that_can_be_declared(schemas: list[Schema]) -> None:
    parts = [p for s in schemas for x in s.catalogue.layouts for p in x.parts]
    numbers = [
        n for s in schemas for x in s.catalogue.layouts for n in ir.fields_of(x.parts) if isinstance(n, ir.Number)
    ]
    whole = [p for p in parts if isinstance(p, ir.Number)]
    assert {type(p) for p in parts} == set(ir.PART_KINDS)
    assert {(n.bits, n.signed) for n in whole} == {(b, s) for b in (8, 16, 32, 64) for s in (False, True)} | {
        (24, False)
    }
    assert {p.size for p in parts if isinstance(p, ir.Bits)} == {1, 2, 4}
    assert {(type(p), p.count) for p in parts if isinstance(p, (ir.Blob, ir.Rows))} == {
        (kind, n) for kind in (ir.Blob, ir.Rows) for n in (1, 2)
    }
    for said in ("lo", "hi", "const", "choices", "flags", "reserved"):
        blank = ir.Number("", "", 8)
        assert [n for n in numbers if getattr(n, said) != getattr(blank, said)], said
    assert any(n.choices and n.signed for n in whole)
    assert any(n.choices and n.const is not None for n in whole)
    assert {e.crc for s in schemas for e in s.catalogue.envelopes} == {"", "crc16", "crc32c"}
    assert {e.size is None for s in schemas for e in s.catalogue.envelopes} == {True, False}
    assert any(_depth(s.catalogue, x) == 2 for s in schemas for x in s.catalogue.layouts)
    assert any(_nesting(s.catalogue, x) == 2 for s in schemas for x in s.catalogue.spaces)


def _depth(c: ir.Catalogue, layout: ir.Layout) -> int:
    """How deep its lists go."""
    return max((1 + _depth(c, c.layout[p.row]) for p in layout.parts if isinstance(p, ir.Rows)), default=0)


def _nesting(c: ir.Catalogue, space: ir.Space) -> int:
    """How deep its TLVs go; extensions, of which there are none, do not count."""
    inner = [p.space for t in space.types for p in c.layout[t.layout].parts if isinstance(p, ir.Tlvs)]
    return 1 + max((_nesting(c, c.space[name]) for name in inner if name != "extensions"), default=0)


def test_their_inputs_meet_every_class_of_fault() -> None:
    count: Counter[str] = Counter()
    for seed in range(20):
        dice = Dice.seeded(seed)
        schema = random_schema(dice)
        assert not list(differences(counted(cases(dice, schema, 2), count), load(schema.source)))
    assert {"accepted", "unencodable", *Fault} <= set(count)
    assert count["accepted"] > count["inputs"] / 5


# ── The bulk runner ──────────────────────────────────────────────────────────────────────────────────


def test_the_bulk_runner_counts(tmp_path: Path) -> None:
    done = CliRunner().invoke(bulk.main, ["--schemas", "2", "--effort", "1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert ": 2 schemas, " in done.output
    assert ", 0 differences" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reading", ["python", "scapy"])
def test_the_bulk_runner_reads_packets_of_the_real_catalogue(reading: str) -> None:
    done = CliRunner().invoke(bulk.main, ["--packets", "40", "--reading", reading])
    assert done.exit_code == 0, done.output
    assert ": 40 inputs, 0 differences, accepted " in done.output


def test_the_bulk_runner_keeps_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "load", lambda source: load(source.replace("_Packer('<", "_Packer('>")))
    done = CliRunner().invoke(bulk.main, ["--schemas", "1", "--seed", "3", "--effort", "1", "--out", str(tmp_path)])
    assert done.exit_code == 1, done.output
    assert "GROUP.packet" in (tmp_path / "seed-3.txt").read_text(encoding="utf-8")
