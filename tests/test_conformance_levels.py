"""Levels: what a certificate says where the upper tester is poor, and that it says no more.

Plan: fewer hands · the level that is asked for · what was not run · of results alone.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.conformance.bundle.results import Campaign, How, Result
from opalink.conformance.campaign import certify
from opalink.conformance.levels import REACH_OF, Reach, reach_of, reached
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Conclusion, Exit, Verdict
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import ConditionOperation, Operation, OperationTag, Outcome, Status
from opalink.protocol.runtime import Tlv

HANDLESS = "py:opalink.conformance.zoo.roster:Handless"
REMOVABLE = "py:opalink.conformance.zoo.roster:Removable"
NEVER_BUSY = f"py:{__name__}:NeverBusy"


class NeverBusy(Module):
    """Its bench can bring about conditions, but none that makes it busy."""

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if isinstance(operation.value, ConditionOperation) and operation.value.status == Status.BUSY:
            return Outcome.FAILED, ()
        return super().operate(operation, now)


def quick(uri: str, **more: object) -> Campaign:
    return certify(uri, Options(plan=Plan.QUICK, **more))  # type: ignore[arg-type]


# ── Fewer hands ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("uri", "level"), [(HANDLESS, Reach.L1), (REMOVABLE, Reach.L2), ("sim:four-thirds", Reach.L3)])
def test_a_module_conforms_at_the_level_that_its_bench_reaches(uri: str, level: Reach) -> None:
    made = quick(uri)
    assert (made.verdict, made.level) == (Conclusion.CONFORMANT, level)
    unrun = {r.level for r in made.results if r.verdict is Verdict.NOTRUN}
    assert all(x > level for x in unrun)
    assert bool(unrun) is (level is not Reach.L3)


def test_a_condition_that_cannot_be_brought_about_is_an_operation_that_is_missing() -> None:
    made = quick(NEVER_BUSY, selection="MOD/MGT/READY")
    (result,) = made.results
    assert (result.verdict, result.level) == (Verdict.NOTRUN, Reach.L3)
    assert result.reason == "The implementation cannot have BUSY brought about."


# ── The level that is asked for ──────────────────────────────────────────────────────────────────────


def test_a_level_that_is_asked_for_and_not_reached_leaves_the_question_open() -> None:
    made = quick(REMOVABLE, level=Reach.L3)
    assert (made.verdict, made.level, made.asked) == (Conclusion.INCONCLUSIVE, "L3", "L3")
    assert made.reason.startswith("Level L3 was not reached: ")
    assert quick(REMOVABLE, level=Reach.L1).verdict is Conclusion.CONFORMANT


def test_the_plan_cert_demands_all() -> None:
    made = certify(REMOVABLE, Options(plan=Plan.CERT, selection="MOD/LEN/RING or MOD/WIRE/TXN"))
    assert made.verdict is Conclusion.INCONCLUSIVE


def test_a_failure_is_one_at_every_level() -> None:
    made = quick("py:opalink.conformance.zoo.roster:Mute", level=Reach.L1, selection="MOD/WIRE/TXN")
    assert made.verdict is Conclusion.NON_CONFORMANT


def test_the_command_says_which_level_and_what_is_missing(tmp_path: Path) -> None:
    args = ("certify", REMOVABLE, "--plan", "quick", "--out", str(tmp_path))
    plain = CliRunner().invoke(cli, args)
    assert plain.exit_code == Exit.CONFORMANT, plain.output
    assert "CONFORMANT at level L2" in plain.output
    assert "of level L3 were not run. The implementation does not offer the operation temperature." in plain.output
    asked = CliRunner().invoke(cli, (*args, "--level", "L3"))
    assert asked.exit_code == Exit.INCONCLUSIVE
    assert CliRunner().invoke(cli, (*args, "--level", "L4")).exit_code == Exit.USAGE


# ── What was not run ─────────────────────────────────────────────────────────────────────────────────


def test_what_was_not_run_covers_nothing_and_says_why() -> None:
    made = quick(REMOVABLE)
    unrun = {id_ for r in made.results if r.verdict is Verdict.NOTRUN for id_ in r.requirements}
    ran = {id_ for r in made.results if r.verdict is Verdict.PASS for id_ in r.requirements}
    alone = [c for c in made.coverage.requirements if c.id in unrun - ran and c.how in (How.NONE, How.UNSEEN)]
    assert alone
    assert all(c.verdict is None and "was not run" in c.reason for c in alone)


def test_a_selection_reaches_no_level() -> None:
    assert quick("sim:four-thirds", selection="MOD/WIRE/TXN").level == ""


def test_a_premise_that_never_came_about_is_judged_by_a_whole_plan_only() -> None:
    uri = "py:tests.second_module:make"
    (alone,) = quick(uri, selection="MOD/MGT/READY").results
    assert alone.verdict is Verdict.NOTRUN
    whole = quick(uri)
    assert next(r for r in whole.results if r.id == alone.id).verdict is Verdict.NA
    assert next(c for c in whole.coverage.requirements if c.id == "R-MGT-035").how is How.NA


# ── Of results alone ─────────────────────────────────────────────────────────────────────────────────


def test_every_operation_has_a_level() -> None:
    assert set(REACH_OF) == {m.name.lower() for m in Operation if m.name} == {t.name.lower() for t in OperationTag}
    assert reach_of(()) is Reach.L1


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(Reach), st.booleans())))
def test_no_level_is_reached_of_which_an_owed_test_was_left_out(outcomes: list[tuple[Verdict, Reach, bool]]) -> None:
    results = [Result("MOD/X", v, (), "", level=x, owed=owed) for v, x, owed in outcomes]
    missing = [x for v, x, owed in outcomes if v is Verdict.NOTRUN and owed]
    found = reached(results)
    assert (found is None) is (Reach.L1 in missing)
    assert found is None or all(x > found for x in missing)
