"""What of a walk is a module's to judge, and what its steps leave it no choice about.

Plan: the rows that may fire · where fleeting states end · what steps see · proofs.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance.conclusions import Fail, Inapplicable
from opalink.conformance.selfcheck.equivalence import NEVER, beyond, equivalent
from opalink.conformance.selfcheck.mutants import Mutant, mutants
from opalink.conformance.walks.rows import ENDS, OWN, Walk, differ, judged, others, rows_of, settled, walk, walks
from opalink.conformance.walks.search import Search
from opalink.conformance.walks.table import STEPS
from opalink.protocol.ir.load import catalogue

PROFILE = "four-thirds"
JUDGED = sorted(n for n, (m, s, r) in rows_of(PROFILE).items() if m.name in ("CAPTURE", "FOCUS") and judged(m, s, r))

# ── The rows that may fire ───────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(JUDGED), st.sets(st.sampled_from(sorted(OWN))), st.sets(st.sampled_from(sorted(OWN))))
def test_the_fewer_guards_a_module_judges_the_fewer_rows_may_fire(name: str, some: set[str], more: set[str]) -> None:
    row = rows_of(PROFILE)[name][2]
    few, many = others(PROFILE, name, frozenset(some)), others(PROFILE, name, frozenset(some | more))
    assert row in few
    assert {id(r) for r in few} <= {id(r) for r in many}


def test_a_request_that_only_asks_is_never_refused_as_one_that_sets_up() -> None:
    free = others(PROFILE, "CAPTURE.STREAMING.STREAM_CONFIGURE_request.test_only", OWN)
    assert "!test_only" not in {g for r in free for g in r.guards}
    assert len(free) > 1  # what the module can do is still its own


def test_what_steps_settle_is_a_guard_that_modules_judge_otherwise_or_a_state() -> None:
    states = {f"{m.name}.{s.name}" for m in catalogue().machines for s in m.states}
    for name, step in STEPS.items():
        assert set(step.settles) <= OWN | states, name


# ── Where fleeting states end ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", sorted(ENDS))
def test_a_fleeting_state_may_be_over_and_then_has_led_where_it_ends(place: str) -> None:
    machine, _, state = place.partition(".")
    for end in ENDS[place]:
        assert differ({machine: state}, {machine: end}) == {}
    assert differ({machine: state}, {machine: "ELSEWHERE"}) == {machine: (state, "ELSEWHERE")}


# ── What steps see ───────────────────────────────────────────────────────────────────────────────────


def mutated(id_: str) -> tuple[Mutant, Search]:
    mutant = mutants()[id_]
    return mutant, Search(PROFILE, "packet", mutant.uri(catalogue().profile[PROFILE]))


# A mistake of each kind that only a settled guard, a tail or an end tells; and the walk that does.
TOLD = {
    "row.drop.CAPTURE.STREAMING.STREAM_CONFIGURE_request.not_within_module": (
        "CAPTURE.STREAMING.STREAM_CONFIGURE_request.not_within_module"
    ),
    "action.drop.CAPTURE.PAUSED_LINK.session_resumed.do_continue_streams": (
        "CAPTURE.PAUSED_LINK.session_resumed.then.frames"
    ),
    "row.drop.CAPTURE.PAUSED_LINK.session_resumed.all_stopped": "CAPTURE.PAUSED_LINK.session_resumed.all_stopped",
}


@pytest.mark.parametrize("id_", TOLD)
def test_a_mistake_that_shows_late_or_little_fails_its_walk(id_: str) -> None:
    (w,) = (w for w in walks() if w.name == TOLD[id_])
    reference = Search(PROFILE, "packet")
    _, wrong = mutated(id_)
    try:
        reference.session.begin(3)
        walk(reference.session, w)
        wrong.session.begin(3)
        with pytest.raises(Fail):
            walk(wrong.session, w)
    finally:
        reference.close()
        wrong.close()


def test_what_is_not_settled_is_left_to_the_module() -> None:
    """The same mistake, by a step that says of itself that it settles nothing."""
    id_ = "row.drop.CAPTURE.STREAMING.STREAM_CONFIGURE_request.not_within_module"
    (w,) = (w for w in walks() if w.name == TOLD[id_])
    (name, status), kept = w.steps[-1], STEPS[w.steps[-1][0]]
    STEPS["test.unsettled"] = msgspec.structs.replace(kept, settles=())
    _, wrong = mutated(id_)
    try:
        wrong.session.begin(3)
        with pytest.raises(Inapplicable):
            walk(wrong.session, msgspec.structs.replace(w, steps=(*w.steps[:-1], ("test.unsettled", status))))
    finally:
        wrong.close()
        del STEPS["test.unsettled"]
    assert "within_module" in settled(w), name


@given(st.integers(0, 3), st.text("ab", max_size=3))
def test_walks_to_one_row_are_told_apart_by_their_names(tail: int, when: str) -> None:
    steps = (("wait.1", ""), ("queue.full", ""), ("flush.1", "OK"))
    w = Walk(("A.B.c",), PROFILE, "READY", steps, {}, {}, tail=tail, when=when)
    names = [n.replace(".", "_") for n, _ in steps[3 - tail :]] if tail else []
    assert w.name == ".".join(["A.B.c", *(["when", when] if when else []), *(["then", *names] if names else [])])
    assert w.last == (() if tail else w.rows)


# ── Proofs ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_guard_that_a_state_excludes_proves_a_mutant_equivalent_and_no_other_does() -> None:
    cells = "guard.drop.CAPTURE.STREAMING_PAUSED.FLUSH_request.not_others_run.others_paused.without_"
    profile = catalogue().profile[PROFILE]
    assert equivalent(mutants()[f"{cells}not_others_run"], profile)
    assert not equivalent(mutants()[f"{cells}others_paused"], profile)


def test_a_refusal_that_comes_without_its_row_too_proves_a_mutant_equivalent() -> None:
    profile = catalogue().profile[PROFILE]
    assert equivalent(mutants()["row.drop.CAPTURE.CONFIGURED.STREAM_CONTROL_request"], profile)
    assert not equivalent(mutants()["row.drop.CAPTURE.CONFIGURED.STREAM_CONTROL_request.op_stop"], profile)


def test_what_nothing_brings_about_is_beyond_any_bench() -> None:
    profile = catalogue().profile[PROFILE]
    assert beyond(mutants()["row.drop.CAPTURE.PAUSED.sensor_failed"], profile) == NEVER["CAPTURE.sensor_failed"]
    assert beyond(mutants()["row.drop.FOCUS.MOVING.reboot"], profile) == NEVER["FOCUS.MOVING.reboot"]
    assert beyond(mutants()["row.drop.FOCUS.LIMIT.reboot"], profile) == ""
