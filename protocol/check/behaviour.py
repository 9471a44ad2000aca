"""Rules for what machines do: no case is left open, none is decided by accident, no timer is left running.

What is proved, is proved of the tables: guards count as independent of one another except where a machine's choices
say otherwise, and an event may come whenever a state has a row for it.

Plan: outcomes · overlaps · timers · words · statuses.
"""

import re
from collections.abc import Iterator

from opalink.protocol.check.rules import Found, rule
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.cases import cases, cells, holds
from opalink.protocol.ir.legality import GATE, machines, received
from opalink.spec.form import (
    Answer,
    Event,
    Expired,
    Form,
    Machine,
    Received,
    Role,
    Row,
    Scope,
    Send,
    Start,
    State,
    Stop,
    Term,
)

_PHRASE = re.compile(r"(?![a-z]{2}).+\.", re.DOTALL)
_STATUS = re.compile(r"\b[A-Z][A-Z0-9_]+\b")


def _where(m: Machine, state: str = "") -> str:
    return f"{m.name}.{m.role}" + (f" {state}" if state else "")


def _named(event: Event) -> str:
    match event:
        case Received(packet=packet, form=form):
            return f"{packet} {form}"
        case Expired(timer=timer):
            return timer
    return event.name


def _groups(m: Machine) -> Iterator[tuple[str, Event, tuple[Row, ...]]]:
    """The rows of each cell; of states with the very same rows, the first."""
    seen: set[tuple[int, ...]] = set()
    for (state, event), rows in cells(m).items():
        key = tuple(map(id, rows))
        if key not in seen:
            seen.add(key)
            yield state, event, rows


# ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────


@rule("M10", "Every request that a side receives has one declared outcome in each state, whatever its guards say.")
def _outcomes(c: ir.Catalogue) -> Found:
    for role in (Role.PHONE, Role.MODULE):
        mine = machines(c, role)
        gate = next((m for m in mine if m.name == GATE), None)
        allowed = {s.name: set(s.allows) for s in gate.states} if gate else {}
        for p, form in received(c, role):
            if gate and not any(p.name in names for names in allowed.values()):
                yield _where(gate), f"no state allows {p.name}, which may come"
            knowing = [m for m in mine if any(row.event == Received(p.name, form) for row in m.rows)]
            if form is Form.REQUEST and len(knowing) > 1:
                yield p.name, f"is answered by {' and by '.join(_where(m) for m in knowing)}"
        for m in mine:
            for state, event, rows in _groups(m):
                if not isinstance(event, Received) or event.form is not Form.REQUEST:
                    continue
                if m is gate and event.packet not in allowed[state]:
                    yield _where(m, state), f"has rows for {_named(event)}, which it does not allow"
                if any(not any(holds(row, case) for row in rows) for case in cases(m, rows)):
                    yield _where(m, state), f"leaves {_named(event)} without an answer where no guard holds"


# ── Overlaps ─────────────────────────────────────────────────────────────────────────────────────────


@rule(
    "M11",
    "Where two rows of a state and event can hold together, the first refuses and stays, or has every guard of the "
    "second, or does the same.",
)
def _overlaps(c: ir.Catalogue) -> Found:
    success = {s.name for s in c.statuses if s.success}
    for m in c.machines:
        for state, event, rows in _groups(m):
            found: dict[tuple[int, int], None] = {}
            for case in cases(m, rows):
                holding = [i for i, row in enumerate(rows) if holds(row, case)]
                found |= {(holding[0], i): None for i in holding[1:]}
            for first, second in found:
                if not _meant(rows[first], rows[second], success):
                    told = " and ".join(str(list(rows[i].guards)) for i in (first, second))
                    yield _where(m, state), f"{_named(event)}: the guards {told} can hold together"


def _meant(first: Row, second: Row, success: set[str]) -> bool:
    """Whether the order of two rows says which is meant."""
    refuses = any(isinstance(a, Answer) and a.status not in success for a in first.actions) and first.next is None
    same = (first.actions, first.next) == (second.actions, second.next)
    return refuses or set(first.guards) >= set(second.guards) or same


# ── Timers ───────────────────────────────────────────────────────────────────────────────────────────


@rule("M12", "Every timer is armed for a state that waits for it, and runs wherever one does; any other disarms it.")
def _armed(c: ir.Catalogue) -> Found:
    for m in c.machines:
        started = {a.timer for row in m.rows for a in row.actions if isinstance(a, (Start, Stop))}
        waits = {s.name: m.waits(s.name) & started for s in m.states}
        awaited = frozenset[str]().union(*waits.values())
        for row in m.rows:
            for state in row.states:
                there = waits.get(row.next or state, frozenset())
                for action in row.actions:
                    if isinstance(action, Start) and action.timer in awaited - there:
                        yield _where(m, state), f"arms {action.timer}, for which {row.next or state} does not wait"
                    if isinstance(action, Stop) and action.timer in awaited - there:
                        yield _where(m, state), f"stops {action.timer}, which ends with the state"
        for timer in sorted(awaited):
            armed = {state for state, runs in _reached(m, timer, waits) if runs}
            for state in (s for s, names in waits.items() if timer in names and s not in armed):
                yield _where(m, state), f"waits for {timer}, which never runs there"


def _reached(m: Machine, timer: str, waits: dict[str, frozenset[str]]) -> set[tuple[str, bool]]:
    """Each state that can be reached, with whether a timer runs: guards left aside."""
    reached, todo = {(m.initial, False)}, [(m.initial, False)]
    while todo:
        state, runs = todo.pop()
        for row in m.rows:
            if state not in row.states or (row.event == Expired(timer) and not runs):
                continue
            after = runs and row.event != Expired(timer) and timer in waits.get(row.next or state, frozenset())
            for action in row.actions:
                if isinstance(action, (Start, Stop)) and action.timer == timer:
                    after = isinstance(action, Start)
            place = row.next or state, after
            if place not in reached:
                reached.add(place)
                todo.append(place)
    return reached


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────


@rule("M13", "A machine and its rows need features that exist; a choice is among two or more guards that are declared.")
def _needs(c: ir.Catalogue) -> Found:
    features = {f.name for f in c.flag_set["Feature"].members} if "Feature" in c.flag_set else set()
    for m in c.machines:
        for name in sorted({n for needs in (m.needs, *(r.needs for r in m.rows)) for n in needs} - features):
            yield _where(m), f"needs {name}"
        declared = {t.name for t in m.guards}
        for choice in m.choices:
            if len(set(choice.guards)) < 2 or set(choice.guards) - declared:
                yield _where(m), f"has a choice among {list(choice.guards)}"


@rule("M14", "Every state and every word of a machine is explained in a phrase with a capital and a full stop.")
def _explained(c: ir.Catalogue) -> Found:
    for m in c.machines:
        words: tuple[State | Term, ...] = (*m.states, *m.guards, *m.effects, *m.lines, *m.locals)
        for term in words:
            if not _PHRASE.match(term.doc):
                yield _where(m), f"{term.name}: {term.doc!r} is no phrase"


@rule("M15", "A row's guards can hold together, and the reasons for which it sends a packet are seen in events.")
def _possible(c: ir.Catalogue) -> Found:
    for m in c.machines:
        for row in m.rows:
            if not any(holds(row, case) for case in cases(m, [row])):
                yield _where(m, "/".join(row.states)), f"no case fulfils {list(row.guards)}"
            for action in row.actions:
                for name in getattr(action, "reasons", ()):
                    if name not in c.status or "event" not in c.status[name].scope:
                        yield _where(m, "/".join(row.states)), f"gives the reason {name}, which no event carries"


# ── Statuses ─────────────────────────────────────────────────────────────────────────────────────────


@rule(
    "M16",
    "Every status comes about in each of its scopes: a row answers it or gives it as a reason, or a requirement names "
    "it; a local one has a counter. Those that any type may answer, and UNSPECIFIED, are left aside.",
)
def _provoked(c: ir.Catalogue) -> Found:
    actions = [a for m in c.machines for row in m.rows for a in row.actions]
    answered = {a.status for a in actions if isinstance(a, Answer)}
    given = {name for a in actions if isinstance(a, Send) for name in a.reasons}
    named = {name for r in c.requirements for name in _STATUS.findall(r.text)}
    counters = {m.name for m in c.choices["CounterId"].members} if "CounterId" in c.choices else set()
    listed = {name for p in c.packets for name in p.statuses}
    for s in c.statuses:
        seen = {
            Scope.RESPONSE: s.name in answered | named or s.name not in listed,  # see N02
            # What a request can be refused for, an event can tell: a machine's row answers for both.
            Scope.EVENT: s.name in given | named or (Scope.RESPONSE in s.scope and s.name in answered),
            Scope.LOCAL: s.name in counters or s.name in given,
        }
        for scope in s.scope:
            if s.name not in (*c.general, "UNSPECIFIED") and not seen[scope]:
                yield s.name, f"comes about in no {scope}"
