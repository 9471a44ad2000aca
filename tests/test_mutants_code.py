"""Mutants of the reference module's code: slips of one place each, planted in a process of their own.

Plan: which there are · the tests that run a line · a trial.
"""

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance.purposes import Plan
from opalink.conformance.selection import select
from opalink.conformance.selfcheck.measure import Fate
from opalink.conformance.selfcheck.mutants_code import COUNT, FOLDER, CodeMutant, code_mutants, lines, near, planted
from opalink.conformance.selfcheck.planting import plant
from opalink.protocol.engine.module import management
from opalink.protocol.transport import BenchError
from opalink.spec.form import Role

MUTANTS = code_mutants()
BEYOND, DEFAULT = "MOD/MGT/DESC_READ/BI-beyond", "MOD/MGT/DESC_READ/BV-g.default"

# ── Which there are ──────────────────────────────────────────────────────────────────────────────────


def test_there_are_two_hundred_each_with_its_own_name() -> None:
    assert len(MUTANTS) == COUNT == 200
    assert len({m.file for m in MUTANTS.values()}) > 20


@given(st.sampled_from(sorted(MUTANTS)))
@settings(max_examples=30, deadline=None)
def test_a_mutant_is_the_file_with_another_line(id_: str) -> None:
    mutant = MUTANTS[id_]
    ours, theirs = (text.splitlines() for text in ((FOLDER / f"{mutant.file}.py").read_text(), mutant.source()))
    assert len(ours) == len(theirs)
    assert [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True), 1) if a != b] == [mutant.line]
    ast.parse("\n".join(theirs))


# ── The tests that run a line ────────────────────────────────────────────────────────────────────────


def test_a_line_is_run_by_the_tests_that_come_to_it_the_narrowest_first(tmp_path: Path) -> None:
    both = [p for p in select(Role.MODULE, Plan.CI) if p.id in {BEYOND, DEFAULT}]
    assert len(both) == 2
    record = lines(tmp_path, "here", both)
    of = {line: near(CodeMutant("management", "AddNot", 0, line), record) for line in range(1, 80)}
    assert {(), (BEYOND,), (BEYOND, DEFAULT)} <= set(map(tuple, of.values()))
    assert lines(tmp_path, "here") == record  # it is not made again


# ── A trial ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_slip_is_killed_by_a_test_that_meets_it() -> None:
    fate, by, _ = planted(*slip("ask.offset >", "-ask.offset >"), [BEYOND])
    assert (fate, by) == (Fate.KILLED, BEYOND)


def test_what_is_as_it_should_be_survives() -> None:
    assert planted(*slip("ask.offset >", "ask.offset >"), [BEYOND]) == (Fate.SURVIVED, "", "none of 1 tests failed.")


def test_a_mutant_that_cannot_be_loaded_is_not_taken_for_killed() -> None:
    with pytest.raises(BenchError, match="ends its process"):
        planted(*slip("import", "import 0"), [BEYOND])


def test_nothing_is_planted_in_what_was_imported_already() -> None:
    with pytest.raises(ImportError, match="before its mistake could be planted"):
        plant(management.__name__, "")
    assert management.__name__ in sys.modules


def slip(what: str, other: str) -> tuple[str, str]:
    text = Path(management.__file__).read_text()
    assert what in text
    return management.__name__, text.replace(what, other, 1)
