"""Walks: that they are what the machines declare, that conforming modules pass, and that a wrong row fails.

Plan: what is stored · what modules make of them · what mutants make of them · the search · what a state counts.
"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance import Options, Plan
from opalink.conformance.campaign import begin
from opalink.conformance.scenarios import scenarios
from opalink.conformance.scenarios.walks import ENTERED
from opalink.conformance.selection import select
from opalink.conformance.selfcheck.equivalence import BEYOND, wrong_rows
from opalink.conformance.selfcheck.mutants import mutants
from opalink.conformance.tester.matrix import STATES, Matrix
from opalink.conformance.verdicts import Verdict
from opalink.conformance.walks.rows import OWN, Walk, differ, rows_of, walks
from opalink.conformance.walks.search import Search
from opalink.conformance.walks.table import STEPS
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Form, Role

WALKS = walks()
PURPOSES = {p.id: p for p in scenarios(Role.MODULE) if p.id in ENTERED}

# ── What is stored ───────────────────────────────────────────────────────────────────────────────────


def test_a_walk_is_made_of_known_steps_states_and_rows() -> None:
    for w in WALKS:
        assert {name for name, _ in w.steps} <= STEPS.keys(), w.rows
        assert w.state in STATES, w.rows
        assert set(w.rows) <= rows_of(w.profile).keys(), w.rows


def test_every_walk_is_entered_and_no_two_have_one_name() -> None:
    assert len(ENTERED) == len(WALKS) == len(PURPOSES)
    assert [name for name, n in Counter((w.plane, w.name) for w in WALKS).items() if n > 1] == []


def test_what_a_module_decides_itself_is_a_guard() -> None:
    known = {g.name for m in catalogue().machines if m.role is Role.MODULE for g in m.guards}
    assert known >= OWN


def test_no_walk_comes_where_no_bench_can() -> None:
    places = {f"{m}.{state}" for w in WALKS for m, state in w.after.items()}
    assert places.isdisjoint(BEYOND)


@given(st.dictionaries(st.sampled_from(["POWER", "ATTACH", "CAPTURE"]), st.text(min_size=1, max_size=3)))
def test_nothing_differs_from_itself_and_a_machine_that_is_not_there_from_nothing(places: dict[str, str]) -> None:
    assert differ(places, places) == {}
    assert differ(places, {"OTHER": "x"}) == {}
    assert differ({"POWER": "here"}, {"POWER": "there"}) == {"POWER": ("here", "there")}


# ── What modules make of them ────────────────────────────────────────────────────────────────────────


def verdicts(uri: str, some: slice) -> dict[str, Verdict]:
    runner = begin(uri, Options(plan=Plan.CI)).runner
    try:
        return {p.id: runner.step(p).verdict for p in select(Role.MODULE, Plan.CI, "BV-row.")[some]}
    finally:
        runner.close()


def test_the_reference_passes_every_walk_of_its_own() -> None:
    found = verdicts("sim:four-thirds", slice(None))
    own = {id_: v for id_, v in found.items() if ENTERED[id_].profile == "four-thirds"}
    assert len(own) > 300
    assert {id_: v for id_, v in own.items() if v is not Verdict.PASS} == {}


@pytest.mark.parametrize("uri", ["sim:ultrawide-prime", "sim:zoom-flash", "sim:lens-adapter"])
def test_another_module_passes_a_walk_or_goes_another_way(uri: str) -> None:
    found = Counter(verdicts(uri, slice(0, None, 7)).values())
    assert set(found) <= {Verdict.PASS, Verdict.NA, Verdict.NOTRUN}


@pytest.mark.parametrize("name", ["Varied", "Latest", "LastMoment"])
def test_legal_variation_fails_no_walk(name: str) -> None:
    found = Counter(verdicts(f"py:opalink.conformance.zoo.roster:{name}", slice(0, None, 9)).values())
    assert set(found) <= {Verdict.PASS, Verdict.NA, Verdict.NOTRUN}


# ── What mutants make of them ────────────────────────────────────────────────────────────────────────


WRONG = (
    "row.drop.POWER.TRANSITION.PWR_BUDGET_request",
    "row.drop.POWER.REQUESTED.PWR_FAULT_event.latched",
    "status.swap.ATTACH.READY_BASIC_READY_FULL.EJECT_request.BAD_STATE",
)


@pytest.mark.parametrize("id_", WRONG)
def test_a_wrong_row_fails_its_walk(id_: str) -> None:
    mutant = mutants()[id_]
    rows = wrong_rows(mutant, "four-thirds")
    runner = begin(mutant.uri(catalogue().profile["four-thirds"]), Options()).runner
    try:
        mine = [PURPOSES[i] for i, w in ENTERED.items() if w.rows[0] in rows and w.profile == "four-thirds"]
        assert Verdict.FAIL in {runner.step(p).verdict for p in mine}
    finally:
        runner.close()


# ── The search ───────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([w for w in WALKS if w.profile == "four-thirds" and w.plane == "packet"]), st.integers(1, 99))
def test_a_stored_walk_goes_as_it_is_stored_whatever_the_seed(w: Walk, seed: int) -> None:
    search = Search("four-thirds", "packet")
    try:
        trial = search.try_(w.state, tuple(name for name, _ in w.steps), seed)
    finally:
        search.close()
    assert trial is not None
    assert trial.statuses == tuple(status for _, status in w.steps)
    assert differ(w.after, trial.after) == {}
    assert w.tail or w.rows[0] in trial.fired


# ── What a state counts ──────────────────────────────────────────────────────────────────────────────


def test_an_event_is_counted_as_illegal_where_the_attach_machine_does_not_allow_it() -> None:
    matrix, known = Matrix(catalogue(), Role.MODULE), catalogue().packet
    assert matrix.counted(known["PWR_READY"], "READY") == ("OK",)
    assert matrix.counted(known["PWR_READY"], "HELLO") == ("BAD_STATE",)
    for p in catalogue().packets:
        if Form.EVENT in p.forms and p.sender is Role.MODULE:
            assert {matrix.counted(p, state) for state in STATES} == {()}


def test_bad_state_may_answer_a_legal_request_only_where_a_row_says_so() -> None:
    matrix, known = Matrix(catalogue(), Role.MODULE), catalogue().packet
    assert matrix.may_refuse(known["EJECT"], "READY")
    assert not matrix.may_refuse(known["HELLO"], "DETACHING")
    assert not matrix.may_refuse(known["COUNTERS_GET"], "HARD_RESET")
