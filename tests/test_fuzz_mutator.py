"""The mutator: every operator is alive, and the same seed makes the same cases.

Plan: operators · cases.
"""

import pytest

from opalink.conformance.tester.matrix import STATES
from opalink.fuzz import mutator
from opalink.fuzz.case import Case
from opalink.fuzz.mutator import LENGTH, Mutator, operators
from opalink.fuzz.packets import packet_bytes
from opalink.fuzz.steps import Reach, Send
from opalink.protocol import codec
from opalink.protocol.errors import DecodeError
from opalink.spec.form import Form

# ── Operators ────────────────────────────────────────────────────────────────────────────────────────

_BEGIN = Case((Reach("READY"), Send("PROP_GET", Form.REQUEST), Send("FOCUS_MOVE", Form.REQUEST)))


@pytest.mark.parametrize("id_", operators())
def test_every_operator_changes_cases(id_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Mutator(7)
    made.messages.learned["target"] = [5]
    monkeypatch.setattr(mutator, "_weight", lambda other: int(other == id_))
    monkeypatch.setattr(made, "_draw", lambda: None)
    made._swarm = frozenset({id_})
    made._choices = [(id_, 1)]
    packets = [made.messages.message("READY") for _ in range(80)]
    changed = 0
    for send in packets:
        case = Case((*_BEGIN.steps, send))
        changed += made.mutated(case, _BEGIN).steps != case.steps
    assert changed
    assert made.used[id_]


def test_operators_have_one_name_each() -> None:
    assert len(set(operators())) == len(operators())


# ── Cases ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_makes_the_same_cases() -> None:
    one, two = Mutator(3), Mutator(3)
    assert [one.fresh() for _ in range(50)] == [two.fresh() for _ in range(50)]
    assert Mutator(4).fresh() != Mutator(3).fresh()


def test_a_case_begins_with_a_preamble_and_stays_short() -> None:
    made = Mutator(5)
    case = made.fresh()
    for _ in range(500):
        case = made.mutated(case, made.fresh())
        assert isinstance(case.steps[0], Reach)
        assert len(case.steps) <= LENGTH


def test_most_messages_pass_the_first_check() -> None:
    made, whole = Mutator(6), 0
    for _ in range(300):
        send = made.messages.message("READY")
        try:
            codec.decode(packet_bytes(send, 1, 0, {"$session": 0, "$phone_nonce": 0, "$module_nonce": 0}))
            whole += 1
        except DecodeError:
            continue
    assert whole > 270


def test_the_bounded_suite_has_every_type_and_state() -> None:
    made = Mutator(1)
    cases = list(made.bounded())
    sent = {s.packet for c in cases for s in c.steps if isinstance(s, Send)}
    reached = {s.state for c in cases for s in c.steps if isinstance(s, Reach)}
    assert {"STATE_GET", "PROP_SET", "STREAM_CONTROL", "FW_BEGIN", "BEACON"} <= sent
    assert reached == set(made.messages.states)
    assert reached < set(STATES) | {"TEST"}


@pytest.mark.parametrize("seed", [1, 2])
def test_what_may_end_a_session_hides_nothing_that_the_bounded_suite_tries_after_it(seed: int) -> None:
    made = Mutator(seed)
    assert {"RESET", "EJECT", "HELLO", "PWR_RESET"} <= made.messages.ending
    assert made.messages.ending.isdisjoint({"STATE_GET", "PROP_SET", "FOCUS_MOVE"})
    for case in made.bounded():
        ends = [isinstance(s, Send) and s.packet in made.messages.ending for s in case.steps]
        assert ends == sorted(ends)


def test_what_an_implementation_says_comes_back_to_it() -> None:
    made = Mutator(8)
    made.messages.learn([codec.decode(codec.encode(codec.request(_focus(1234), 1))).body])
    assert 1234 in made.messages.learned["target"]


def _focus(target: int) -> object:
    from opalink.protocol.packets import FocusMove

    return FocusMove(target=target)
