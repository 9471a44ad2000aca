"""No back end leaves anything out: every kind of node × every back end, and what a node says × every back end.

Plan: back ends · kinds · what nodes say · a back end with holes · the page.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from opalink.protocol.generate.registry import BACKENDS, Backend, Files
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue as real
from tests.changes import part
from tests.differential import evidence
from tests.differential.kinds import ENVELOPES, KINDS, LAYOUTS, OTHERS, catalogue, deaf, lacking, made

# ── Back ends ────────────────────────────────────────────────────────────────────────────────────────

of_each_back_end = pytest.mark.parametrize("backend", LAYOUTS, ids=[b.name for b in LAYOUTS])


def test_those_that_are_not_made_of_layouts_are_what_they_are_said_to_be() -> None:
    """A number of another width is nothing to them."""
    before = real()
    after = part("Keepalive", "seq", bits=64)(before)
    assert made(BACKENDS["python"], before) != made(BACKENDS["python"], after)
    for name in OTHERS:
        assert made(BACKENDS[name], before) == made(BACKENDS[name], after)


# ── Kinds ────────────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_has_a_sample() -> None:
    assert KINDS.keys() == set(ir.PART_KINDS)
    for kind, text in KINDS.items():
        parts = catalogue(text).layout["Herd"].parts
        assert kind in {type(p) for p in parts}


@of_each_back_end
def test_no_back_end_lacks_a_kind(backend: Backend) -> None:
    assert lacking(backend) == set()


# ── What nodes say ───────────────────────────────────────────────────────────────────────────────────

# Samples are of packets: what else travels has none.
EXCUSED = {"vectors": {f"{x} of an envelope" for x in ENVELOPES}}


@of_each_back_end
def test_no_back_end_is_deaf_to_what_a_node_says(backend: Backend) -> None:
    assert deaf(backend) == EXCUSED.get(backend.name, set())


# ── A back end with holes ────────────────────────────────────────────────────────────────────────────


def wrong(files: Callable[[ir.Catalogue], Files]) -> Backend:
    """One whose files another function makes."""

    class Wrong(Backend, frozen=True):
        def make(self, catalogue: ir.Catalogue, *_: str) -> Files:
            return files(catalogue)

    return Wrong(**structs.asdict(BACKENDS["json"]))


def without(kind: type) -> Backend:
    """The export, made by someone who has never heard of a kind."""

    def make(found: ir.Catalogue) -> Files:
        known = [structs.replace(x, parts=tuple(p for p in x.parts if not isinstance(p, kind))) for x in found.layouts]
        return BACKENDS["json"].make(structs.replace(found, layouts=tuple(known)))

    return wrong(make)


@pytest.mark.parametrize("kind", ir.PART_KINDS, ids=lambda kind: kind.__name__)
def test_a_back_end_that_lacks_a_kind_is_found_out(kind: type) -> None:
    assert kind in lacking(without(kind))


def test_a_back_end_that_stumbles_over_a_kind_is_found_out() -> None:
    def make(found: ir.Catalogue) -> Files:
        assert not any(isinstance(p, ir.Raw) for x in found.layouts for p in x.parts)
        return BACKENDS["json"].make(found)

    assert lacking(wrong(make)) == {ir.Raw}


def test_a_back_end_that_forgets_bounds_is_found_out() -> None:
    def make(found: ir.Catalogue) -> Files:
        numb = [
            structs.replace(
                x, parts=tuple(structs.replace(p, hi=None) if isinstance(p, ir.Number) else p for p in x.parts)
            )
            for x in found.layouts
        ]
        return BACKENDS["json"].make(structs.replace(found, layouts=tuple(numb)))

    assert "hi" in deaf(wrong(make))


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_of_evidence_is_fresh() -> None:
    """Made again: `python -m tests.differential.evidence`."""
    assert evidence.PAGE.read_text(encoding="utf-8") == evidence.page()


def test_the_page_names_tests_that_there_are() -> None:
    places = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", evidence.page())
    assert len(places) > len(LAYOUTS)
    for path, name in places:
        text = (evidence.ROOT / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, name


def test_what_a_run_said_is_read() -> None:
    last = {
        "7 s: 10,000 inputs, 41.0 % accepted; 0 differences": {"inputs": 10_000, "schemas": 0},
        "9 s: 12 schemas, 340 inputs, 0 differences, cap 3": {"inputs": 340, "schemas": 12},
        "50 schemas, {'inputs': 77, 'accepted': 5}, 0 differences": {"inputs": 77, "schemas": 50},
        "100000 packets, 5 bytes, 9 s: 0 differences": {"packets": 100_000, "inputs": 0},
    }
    for said, counts in last.items():
        record = evidence.Record("", "", "", said)
        assert {what: record.counted(what) for what in counts} == counts


def test_a_run_that_finds_a_difference_is_not_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evidence, "RECORDS", tmp_path / "evidence.json")
    evidence.RECORDS.write_text("{}")
    monkeypatch.setitem(evidence.BY_NAME, "c-live", evidence.Run("c-live", "c", True, "tests.no_such_run {}", 1))
    done = CliRunner().invoke(evidence.main, ["c-live"])
    assert done.exit_code == 1
    assert "c-live is not remembered: its exit code is 1." in done.output
    assert evidence.RECORDS.read_text() == "{}"
