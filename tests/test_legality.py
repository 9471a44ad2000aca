"""The legality matrix and the cases of a machine: every packet has one outcome in every state, and no other.

Plan: cases · one outcome · the matrix, against the engine.
"""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.protocol.codec import Packet, PacketType, Status
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.cases import cases, cells, holds
from opalink.protocol.ir.legality import Fate, Outcome, machines, matrix, outcome, received
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane
from opalink.spec.form import Choice, Form, Line, Machine, Role, Row, State

REAL = catalogue()
ROLES = (Role.PHONE, Role.MODULE)
WORDS = ("a", "b", "c", "d")


def _machine(*rows: Row, choices: tuple[Choice, ...] = ()) -> Machine:
    return Machine("DOOR", Role.MODULE, "", "SHUT", (State("SHUT", ""),), rows, choices=choices)


def _row(*guards: str) -> Row:
    return Row(("SHUT",), Line("push"), guards)


# ── Cases ────────────────────────────────────────────────────────────────────────────────────────────


def test_without_choices_words_are_independent() -> None:
    rows = (_row("a", "!b"), _row("c"))
    assert len(list(cases(_machine(*rows), rows))) == 8


@given(st.lists(st.sampled_from([g for w in WORDS for g in (w, "!" + w)]), max_size=6))
def test_a_choice_leaves_the_cases_in_which_no_two_of_its_words_hold(guards: list[str]) -> None:
    rows = tuple(_row(g) for g in guards)
    used = sorted({g.removeprefix("!") for g in guards})
    for complete in (False, True):
        choice = Choice(("a", "b", "c"), complete)
        found = [tuple(case[w] for w in used) for case in cases(_machine(*rows, choices=(choice,)), rows)]
        must = complete and {"a", "b", "c"} <= set(used)
        wanted = []
        for values in product((False, True), repeat=len(used)):
            n = sum(v for w, v in zip(used, values, strict=True) if w in "abc")
            if n <= 1 and (n or not must):
                wanted.append(values)
        assert found == wanted


def test_a_row_holds_where_its_words_do_and_negated_ones_do_not() -> None:
    row = _row("a", "!b")
    assert [holds(row, {"a": a, "b": b}) for a in (False, True) for b in (False, True)] == [False, False, True, False]


@pytest.mark.parametrize("m", REAL.machines, ids=lambda m: f"{m.name}.{m.role}")
def test_in_every_case_at_most_the_rows_that_say_so_compete(m: Machine) -> None:
    """What M11 promises, counted anew: whoever fires first is a refusal, is more particular, or does the same."""
    success = {s.name for s in REAL.statuses if s.success}
    for rows in set(cells(m).values()):
        for case in cases(m, rows):
            holding = [row for row in rows if holds(row, case)]
            for first, other in ((holding[0], other) for other in holding[1:]):
                refuses = first.next is None and any(getattr(a, "status", "OK") not in success for a in first.actions)
                same = first.actions == other.actions and first.next == other.next
                assert refuses or same or set(other.guards) <= set(first.guards)


# ── One outcome ──────────────────────────────────────────────────────────────────────────────────────


def _of(role: Role, name: str) -> Machine:
    return next(m for m in machines(REAL, role) if m.name == name)


def test_an_outcome_is_what_the_tables_say() -> None:
    power, attach = _of(Role.MODULE, "POWER"), _of(Role.MODULE, "ATTACH")
    request = Form.REQUEST
    assert outcome(attach, "BOOT", "HELLO", request) == Outcome(Fate.ILLEGAL, ("BAD_STATE",), ("BOOT",))
    assert outcome(attach, "READY_FULL", "PROP_GET", request).fate is Fate.SERVED
    assert outcome(power, "OFF", "PWR_BUDGET", request) == Outcome(Fate.REFUSED, ("BAD_STATE",), ("OFF",))
    assert outcome(power, "OFF", "PWR_READY", Form.EVENT) == Outcome(Fate.REFUSED, (), ("OFF",))
    found = outcome(power, "CONTRACT", "PWR_BUDGET", request)
    assert found == Outcome(Fate.DECIDED, ("RANGE_LIMIT", "OK"), ("CONTRACT", "LIMITED"))


# ── The matrix ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ROLES)
def test_every_packet_has_an_outcome_in_every_state(role: Role) -> None:
    table = matrix(REAL, role)
    comes = {(p.name, form) for p, form in received(REAL, role)}
    assert {m for m, _ in table} == {m.name for m in machines(REAL, role)}
    for (name, state), row in table.items():
        assert row.keys() == comes
        names = {s.name for s in _of(role, name).states}
        assert state in names
        for (packet, form), found in row.items():
            assert set(found.next) <= names, (name, state, packet)
            assert bool(found.statuses) is (form is Form.REQUEST and found.fate is not Fate.SERVED)


@pytest.mark.parametrize("role", ROLES)
def test_no_request_is_decided_twice(role: Role) -> None:
    table = matrix(REAL, role)
    for p, form in received(REAL, role):
        deciding = {name for (name, _), row in table.items() if row[p.name, form].fate is Fate.DECIDED}
        assert form is Form.EVENT or len(deciding) <= 1, (p.name, deciding)


def _illegal() -> list[tuple[str, str]]:
    table = matrix(REAL, Role.MODULE)
    return [
        (state, packet)
        for (name, state), row in table.items()
        for (packet, form), found in row.items()
        if name == "ATTACH" and form is Form.REQUEST and found.fate is Fate.ILLEGAL and state != "DETACHED"
    ]


@pytest.mark.parametrize("state", sorted({state for state, _ in _illegal()}))
def test_the_module_refuses_what_is_illegal_in_a_state(state: str) -> None:
    module = Module("four-thirds")
    module.around.contacts = True
    run = module.runs["ATTACH"]
    for name in (packet for at, packet in _illegal() if at == state):
        kind = module._kinds[PacketType[name]]
        if not kind.supported or kind.packet.sender in (Role.SOURCE, Role.SINK):
            continue
        run.state = state
        lane = next(iter(kind.lanes))
        ask = Packet(type=kind.code, vc=kind.vc, txn=1)
        assert module.checks.judge(kind, Form.REQUEST, Lane(lane), ask, None)[0] is Status.BAD_STATE, name
