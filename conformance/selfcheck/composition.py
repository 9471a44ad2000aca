"""Requests that are refused wherever a state of the gate lets them pass: proved on the product of two machines.

The gate and another machine are walked together, over every row that the gate's state and the signals between them
allow. What other guards say is not asked, so the walk comes to more pairs than a module ever does, never to fewer. A
request that is legal in a state of the gate by mistake alone is refused all the same if the other machine has no row
for it in any state in which it may then be.

Plan: the walk · what is refused all the same.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from opalink.conformance.selfcheck.mutants import Mutant, features
from opalink.protocol.ir.legality import GATE
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Event, Form, Local, Machine, Profile, Received, Role, Row, Signal

# ── The walk ─────────────────────────────────────────────────────────────────────────────────────────

Pair = tuple[str, str, bool]  # the states of the gate and of the other machine, and whether a session is open

_OPENS: Final = frozenset({"session_open", "session_resumed"})
_CLOSES: Final = "session_closed"


def _signals(row: Row) -> tuple[str, ...]:
    return tuple(a.name for a in row.actions if isinstance(a, Signal))


def _follows(machine: Machine, state: str, signal: str) -> set[str]:
    """The states in which a signal may leave a machine."""
    rows = [r for r in machine.rows if state in r.states and r.event == Local(signal)]
    still = set() if any(not r.guards for r in rows) else {state}
    return still | {r.next or state for r in rows}


def _fires(gate: Machine, state: str, session: bool) -> Iterator[Row]:
    """The gate's rows that some event may fire in a state: none behind one that fires whatever other guards say."""
    certain: set[Event] = set()
    for row in gate.rows:
        others = set(row.guards) - {"in_session" if session else "!in_session"}
        if state in row.states and row.event not in certain and others.isdisjoint({"in_session", "!in_session"}):
            yield row
            if not others:
                certain.add(row.event)


def _next(gate: Machine, other: Machine, pair: Pair) -> Iterator[Pair]:
    """The pairs that one step may lead to."""
    at, state, session = pair
    given = {s for r in gate.rows for s in _signals(r)}
    for row in _fires(gate, at, session):
        after, found = session, {state}
        for signal in _signals(row):
            after = True if signal in _OPENS else False if signal == _CLOSES else after
            found = {x for s in found for x in _follows(other, s, signal)}
        yield from ((row.next or at, s, after) for s in found)
    allows = next(s.allows for s in gate.states if s.name == at)
    for row in other.rows:
        event = row.event
        heard = (
            not isinstance(event, Received) or event.form not in (Form.REQUEST, Form.EVENT) or event.packet in allows
        )
        alone = not isinstance(event, Local) or event.name not in given  # the gate's signals come from the gate
        if state in row.states and row.next is not None and heard and alone:
            yield at, row.next, session


@cache
def pairs(profile: str, name: str) -> frozenset[Pair]:
    """Every pair that a profile's module may come to, and more."""
    machines = {m.name: m.within(features(profile)) for m in catalogue().machines if m.role is Role.MODULE}
    gate, other = machines[GATE], machines[name]
    seen: set[Pair] = set()
    left = [(gate.initial, other.initial, False)]
    while left:
        pair = left.pop()
        if pair not in seen:
            seen.add(pair)
            left.extend(_next(gate, other, pair))
    return frozenset(seen)


# ── What is refused all the same ─────────────────────────────────────────────────────────────────────


def refused(mutant: Mutant, profile: Profile) -> bool:
    """Whether it is proved that a module of a profile refuses a request that it takes for legal by mistake."""
    if mutant.operator != "legal.add":
        return False
    state, packet = mutant.id.split(".")[2:]
    asked = Received(packet, Form.REQUEST)
    for machine in catalogue().machines:
        rows = [r for r in machine.within(features(profile.name)).rows if r.event == asked]
        if machine.role is Role.MODULE and machine.name != GATE and rows:
            taken = {s for r in rows for s in r.states}
            if not any(at == state and s in taken for at, s, _ in pairs(profile.name, machine.name)):
                return True
    return False
