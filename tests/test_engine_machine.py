"""The executor: rows in order, guards, actions, timers; and that a machine and its part cannot drift apart.

Plan: a machine for tests · rows · timers · words.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from opalink.protocol.codec import Status
from opalink.protocol.engine.clock import Clock
from opalink.protocol.engine.machine import Cause, MissingWordsError, Run, duration, provided, words
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import (
    MS,
    Do,
    Edge,
    Expired,
    Form,
    Line,
    Local,
    Machine,
    Role,
    Row,
    Send,
    Signal,
    Start,
    State,
    Stop,
    Timer,
    TimerKind,
)

TIMERS = {
    "tNominal": Timer("tNominal", TimerKind.DEADLINE, Role.BOTH, 5 * MS, 10 * MS, 20 * MS, ""),
    "tMost": Timer("tMost", TimerKind.BOUND, Role.BOTH, None, None, 30 * MS, ""),
    "tLeast": Timer("tLeast", TimerKind.DEADLINE, Role.BOTH, 40 * MS, None, None, ""),
}
MACHINE = Machine(
    "DOOR",
    Role.MODULE,
    "",
    "SHUT",
    (State("SHUT", ""), State("OPEN", "")),
    (
        Row(("SHUT",), Line("push"), ("locked",), (Do("rattle"),)),
        Row(("SHUT",), Line("push"), ("!locked",), (Do("swing"), Start("tNominal"), Signal("opened")), "OPEN"),
        Row(("OPEN",), Expired("tNominal"), (), (Send("KEEPALIVE", Form.REQUEST),), "SHUT"),
        Row(("OPEN",), Line("pull"), (), (Stop("tNominal"),), "SHUT"),
        Row(("OPEN",), Local("wind"), (), (Start("tMost"), Start("tLeast"))),
    ),
)


class Side:
    """Writes down what a run asks for."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log: list[str] = []

    @property
    def link_time(self) -> int:
        return self.clock.now

    def send(self, body: Any) -> None:
        self.log.append(f"send {body}")

    def answer(self, _: Cause, status: Status) -> None:
        self.log.append(f"answer {status.name}")

    def signal(self, name: str) -> None:
        self.log.append(f"signal {name}")


class Door:
    locked = True
    run: Run

    def __init__(self, side: Side) -> None:
        self.side = side

    def when_locked(self, _: Cause) -> bool:
        return self.locked

    def do_rattle(self, _: Cause) -> None:
        self.side.log.append("rattle")

    def do_swing(self, cause: Cause) -> None:
        self.side.log.append(f"swing from {cause.left} to {self.run.state}")

    def fill_keepalive(self, _: Cause) -> str:
        return f"in {self.run.state}"


def door() -> tuple[Side, Door, Run]:
    side = Side()
    part = Door(side)
    part.run = Run(MACHINE, part, side, TIMERS)
    return side, part, part.run


def running(machine: Machine) -> tuple[Side, Run]:
    """A door that is unlocked, and runs another machine."""
    side = Side()
    part = Door(side)
    part.locked = False
    part.run = Run(machine, part, side, TIMERS)
    return side, part.run


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_row_whose_guards_hold_fires_and_no_other() -> None:
    side, part, run = door()
    assert run.fire(Line("push"), Cause())
    assert (run.state, side.log) == ("SHUT", ["rattle"])
    part.locked = False
    assert run.fire(Line("push"), Cause())
    assert side.log[1:] == ["swing from SHUT to OPEN", "signal opened"]


def test_an_event_without_a_row_does_nothing() -> None:
    side, _, run = door()
    assert not run.fire(Line("pull"), Cause())
    assert not run.fire(Local("never heard of"), Cause())
    assert not run.knows(Local("never heard of"))
    assert (run.state, side.log) == ("SHUT", [])


def test_the_time_of_entry_stays_while_the_state_does() -> None:
    side, part, run = door()
    side.clock.run(3, lambda: None)
    run.fire(Line("push"), Cause())
    assert run.entered == 0
    part.locked = False
    run.fire(Line("push"), Cause())
    assert (run.entered, run.number) == (3, 1)


def test_every_row_that_fires_is_seen() -> None:
    _, part, run = door()
    part.locked = False
    seen: list[str] = []
    run.on_row = lambda run, row, left: seen.append(f"{run.name} {left} {row.next}")
    run.fire(Line("push"), Cause())
    assert seen == ["DOOR SHUT OPEN"]


def test_rows_of_features_that_a_side_lacks_are_not_its_own() -> None:
    bell = Row(("SHUT",), Line("ring"), (), (Signal("ding"),), needs=("BELL",))
    machine = structs.replace(MACHINE, rows=(*MACHINE.rows, bell))
    assert not running(machine.within(set()))[1].knows(Line("ring"))
    side, run = running(machine.within({"BELL"}))
    assert run.fire(Line("ring"), Cause())
    assert side.log == ["signal ding"]


def test_an_effect_that_fills_a_packet_is_told_the_reasons_to_choose_from() -> None:
    given = Row(("SHUT",), Line("push"), (), (Send("KEEPALIVE", Form.REQUEST, ("LATE", "OK")),))
    told = []

    class Choosy(Door):
        def fill_keepalive(self, cause: Cause) -> str:
            told.append(cause.reasons)
            return ""

    part = Choosy(Side())
    part.run = Run(structs.replace(MACHINE, rows=(given, *MACHINE.rows)), part, part.side, TIMERS)
    part.run.fire(Line("push"), Cause())
    assert told == [(Status.LATE, Status.OK)]


# ── Timers ───────────────────────────────────────────────────────────────────────────────────────────


def opened() -> tuple[Side, Run]:
    side, part, run = door()
    part.locked = False
    run.fire(Line("push"), Cause())
    return side, run


def test_a_timer_runs_for_its_nominal_time_and_what_is_sent_tells_of_the_state_it_leads_to() -> None:
    side, run = opened()
    side.clock.run(10 * MS - 1, lambda: None)
    assert run.state == "OPEN"
    side.clock.run(10 * MS, lambda: None)
    assert (run.state, side.log[-1]) == ("SHUT", "send in SHUT")


def test_a_timer_that_was_stopped_does_not_fire() -> None:
    side, run = opened()
    run.fire(Line("pull"), Cause())
    assert not run.running("tNominal")
    assert side.clock.deadline() is None


def test_a_timer_without_nominal_time_runs_for_its_only_edge() -> None:
    side, run = opened()
    run.fire(Local("wind"), Cause())
    assert side.clock.due(("DOOR", None, "tMost")) == 30 * MS
    assert side.clock.due(("DOOR", None, "tLeast")) == 40 * MS
    with pytest.raises(ValueError, match="no time"):
        duration(Timer("tNone", TimerKind.BOUND, Role.BOTH, None, None, None, ""))


def test_a_timer_that_bounds_the_peer_runs_for_its_maximum() -> None:
    assert duration(TIMERS["tNominal"], Edge.MAX) == 20 * MS
    assert duration(TIMERS["tLeast"], Edge.MAX) == 40 * MS
    row = Row(("SHUT",), Line("push"), (), (Start("tNominal", Edge.MAX),), "OPEN")
    side, run = running(structs.replace(MACHINE, rows=(row, *MACHINE.rows[2:])))
    run.fire(Line("push"), Cause())
    assert side.clock.deadline() == 20 * MS


def test_a_state_that_does_not_wait_for_a_timer_disarms_it_and_one_that_does_lets_it_run() -> None:
    rows = (
        *MACHINE.rows,
        Row(("OPEN",), Line("wedge"), (), (), "AJAR"),
        Row(("AJAR",), Expired("tNominal"), (), (), "SHUT"),
        Row(("AJAR",), Line("pull"), (), (), "SHUT"),
    )
    side, run = running(structs.replace(MACHINE, states=(*MACHINE.states, State("AJAR", "")), rows=rows))
    run.fire(Line("push"), Cause())
    run.fire(Line("wedge"), Cause())
    assert run.running("tNominal")
    run.fire(Line("pull"), Cause())
    assert (run.state, side.clock.deadline()) == ("SHUT", None)


def test_timers_due_together_fire_in_the_order_of_their_start() -> None:
    clock, fired = Clock(), list[str]()

    def note(name: str) -> Callable[[], None]:
        return lambda: fired.append(name)

    clock.start("b", 5, note("b"))
    clock.start("a", 5, note("a"))
    clock.start("c", 4, lambda: clock.start("d", 1, note("d")))
    clock.run(5, lambda: None)
    assert fired == ["b", "a", "d"]


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_that_lacks_words_is_refused_with_their_names() -> None:
    class Empty:
        pass

    with pytest.raises(MissingWordsError, match="do_rattle, do_swing, fill_keepalive, when_locked"):
        Run(MACHINE, Empty(), Side(), TIMERS)


def test_every_word_of_the_modules_parts_is_one_of_their_machines() -> None:
    """What no row uses any more has to go."""
    module = Module("standalone")
    machines = {m.name: m for m in catalogue().machines if m.role is Role.MODULE}
    idle = {}
    for part in module.all_parts:
        known = words(machines[part.machine]) if part.machine else set()
        if surplus := provided(part) - known:
            idle[type(part).__name__] = sorted(surplus)
    assert idle == {}
