"""A campaign run again against its tape: the same verdicts from nothing but what crossed the bench."""

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.conformance.campaign import Certification
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.recorded import NotReproducible, Tape, Taped, Turn, replayed
from opalink.conformance.results import Result
from opalink.conformance.runner import Options
from opalink.conformance.selection import select
from opalink.conformance.verdicts import Verdict
from opalink.conformance.zoo import members
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

OPTIONS = Options(plan=Plan.CI, plane="packet", clock="virtual")
GOOD = "py:opalink.protocol.engine.module:Module"
BAD = members()["CrashOnError"].uri


def outcome(results: Sequence[Result]) -> list[tuple[str, Verdict, tuple[str, ...], str]]:
    # What a program that died wrote to stderr crossed no bench: it decides nothing, and is not derived again.
    return [(r.id, r.verdict, r.charged, r.expected) for r in results]


@cache
def chosen() -> tuple[Purpose, ...]:
    return tuple(select(Role.MODULE, OPTIONS.plan, "MOD/WIRE/ORDER"))[:8]


@cache
def taped(uri: str) -> tuple[Tape, tuple[Result, ...]]:
    tape: Tape = []
    runner = Taped.onto(tape, uri, OPTIONS, catalogue())
    try:
        return tape, Certification(runner, None).run(chosen(), None).results
    finally:
        runner.close()


def again(tape: Tape, only: Sequence[Purpose] | None = None) -> tuple[Result, ...]:
    return replayed(tape, OPTIONS, catalogue(), chosen() if only is None else only)


@pytest.mark.parametrize("uri", [GOOD, BAD])
def test_every_verdict_is_derived_again_from_what_crossed_the_bench(uri: str) -> None:
    tape, results = taped(uri)
    assert outcome(again(tape)) == outcome(results)


def test_the_bad_one_is_failed_and_the_good_one_is_not() -> None:
    assert Verdict.FAIL not in {r.verdict for r in taped(GOOD)[1]}
    assert Verdict.FAIL in {r.verdict for r in taped(BAD)[1]}


@given(st.data())
@settings(max_examples=8, deadline=None)
def test_one_byte_that_the_tester_would_not_send_makes_a_tape_not_reproducible(data: st.DataObject) -> None:
    tape, _ = taped(GOOD)
    sent = [i for i, t in enumerate(tape[0]) if t.sent]
    i = data.draw(st.sampled_from(sent))
    old = tape[0][i].data or b""
    at = data.draw(st.integers(0, len(old) - 1))
    edited = old[:at] + bytes([old[at] ^ data.draw(st.integers(1, 255))]) + old[at + 1 :]
    with pytest.raises(NotReproducible, match=f"turn {i + 1}: the tester sends other bytes"):
        again([[*tape[0][:i], Turn(True, edited), *tape[0][i + 1 :]]])


@given(st.data())
@settings(max_examples=8, deadline=None)
def test_a_turn_taken_out_makes_a_tape_not_reproducible(data: st.DataObject) -> None:
    tape, _ = taped(GOOD)
    i = data.draw(st.integers(0, len(tape[0]) - 1))
    with pytest.raises(NotReproducible):
        again([tape[0][:i] + tape[0][i + 1 :]])


def test_a_test_too_many_or_too_few_is_not_reproducible() -> None:
    tape, _ = taped(GOOD)
    with pytest.raises(NotReproducible, match="the recording goes on"):
        again(tape, chosen()[:-1])
    with pytest.raises(NotReproducible, match="the recording has ended"):
        again(tape, [*chosen(), chosen()[0]])


def test_an_answer_edited_to_hide_a_failure_does_not_pass() -> None:
    tape, _ = taped(BAD)
    spared = [[t for t in turns if t.sent or t.data] for turns in tape]
    assert spared != tape
    with pytest.raises(NotReproducible):
        again(spared)


def test_a_connection_more_or_less_is_not_reproducible() -> None:
    tape, _ = taped(GOOD)
    with pytest.raises(NotReproducible, match="2 connections are recorded"):
        again([*tape, tape[0]])
    with pytest.raises(NotReproducible, match="opens connection 1"):
        again([])
