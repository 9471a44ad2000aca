"""What the tables leave possible: where the machines of a module may be, after what has happened to them.

It is known where the machines were, what they were told since, and whether time has passed or the upper tester has
acted. A request that was answered has fired a row with that answer, or none. Beyond that a machine moves by its timers
once time passes, by what its own side notes, by what another machine tells it, and by contacts and light once somebody
has acted on these. What none of this brings about is a fault. A guard whose sentence says no more than the value of a
field, which message a packet carries, or that a feature is there, is decided; of the others nothing is known: whatever
they might allow is possible.

Plan: what was told · the tables of a module: guards, rows, where the machines may be.
"""

import re
from typing import Any, Final

from msgspec import Struct

from opalink.conformance.exploration.oracles import Places
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.cases import cells
from opalink.protocol.ir.legality import GATE, REFUSAL
from opalink.spec.form import Answer, Event, Expired, Form, Line, Local, Received, Role, Row, Signal, met

# ── What was told ────────────────────────────────────────────────────────────────────────────────────


class Told(Struct, frozen=True):
    """A packet that the machines were told, and the name of the status that answered it: "" for none, None where that
    is not known. `body` is its value, None where that is of no account; `sure` is whether it has certainly come to the
    tables."""

    packet: str
    form: Form
    status: str | None = ""
    body: Any = None
    sure: bool = False

    @property
    def event(self) -> Received:
        return Received(self.packet, self.form)


def explorable(catalogue: ir.Catalogue) -> tuple[str, ...]:
    """The machines that modules have."""
    return tuple(m.name for m in catalogue.machines if m.role is Role.MODULE)


Possible = dict[str, set[str]]  # by machine

# ── The tables of a module ───────────────────────────────────────────────────────────────────────────

_VALUE: Final = re.compile(r"(?:`|The policy's )(\w+)`? is (not )?(\w+)(?:, in the request or in the one answered)?\.")
_FEATURE: Final = re.compile(r"The module has the feature (\w+)\.")
_MESSAGE: Final = re.compile(r"The message is \w+ \(0x([0-9A-F]{2})\)\.")  # the second byte of an SPDM message says so
_FIRST: Final = re.compile(r"The first byte is .*, 0x([0-9A-F]{2}) to 0x([0-9A-F]{2})\.")
_PASSED: Final = re.compile(r"The time .*has passed\.")  # a local event that only time brings about


class Tables:
    """The machines that a module with these features has."""

    def __init__(self, catalogue: ir.Catalogue, features: frozenset[str]) -> None:
        own = [m for m in catalogue.machines if m.role is Role.MODULE]
        self.machines: Final = {m.name: m for m in own if met(m.needs, features)}
        self._cells = {name: cells(m) for name, m in self.machines.items()}
        self._features = features
        self._words = {name: {g.name: g.doc for g in m.guards} for name, m in self.machines.items()}
        self._timed = {(m.name, x.name) for m in own for x in m.locals if _PASSED.fullmatch(x.doc)}
        self._moment: dict[tuple[str, str], set[str]] = {}  # where a machine may be at the moment that it is in a state
        self._here: dict[tuple[str, str], list[Row]] = {}  # by machine and state
        for m in self.machines.values():
            for row in m.rows:
                if met(row.needs, features):
                    for state in row.states:
                        self._here.setdefault((m.name, state), []).append(row)
        rows = [row for m in own for row in m.rows]
        self._signalled = {a.name for row in rows for a in row.actions if isinstance(a, Signal)}
        self._success = {s.name for s in catalogue.statuses if s.success}
        self._knows = {name: {r.event for r in m.rows} for name, m in self.machines.items()}

    # ── Guards and rows ──

    def _decided(self, machine: str, guard: str, body: Any) -> bool | None:
        """Whether a guard holds under an event around a value; None where that is not known."""
        words, message = self._words[machine].get(guard.removeprefix("!"), ""), getattr(body, "message", b"")
        if (feature := _FEATURE.fullmatch(words)) is not None:
            holds = feature[1] in self._features
        elif (value := _VALUE.fullmatch(words)) is not None and hasattr(body, value[1]):
            found = getattr(body, value[1])
            same = found == int(value[3]) if value[3].isdecimal() else getattr(found, "name", "") == value[3]
            holds = same is not bool(value[2])
        elif (coded := _MESSAGE.fullmatch(words)) is not None and len(message) > 1:
            holds = message[1] == int(coded[1], 16)
        elif (first := _FIRST.fullmatch(words)) is not None and message:
            holds = int(first[1], 16) <= message[0] <= int(first[2], 16)
        else:
            return None
        return holds is not guard.startswith("!")

    def rows(self, machine: str, state: str, event: Event, body: Any = None) -> tuple[Row, ...]:
        """The rows of a cell that may fire under an event around a value: none behind one that certainly does."""
        out: list[Row] = []
        for row in self._cells[machine].get((state, event), ()):
            decided = {self._decided(machine, guard, body) for guard in row.guards}
            if met(row.needs, self._features) and False not in decided:
                out.append(row)
                if self._certain(machine, row, body):
                    break
        return tuple(out)

    def _certain(self, machine: str, row: Row, body: Any) -> bool:
        """Whether every guard of a row is decided, and holds."""
        return all(self._decided(machine, guard, body) for guard in row.guards)

    def legal(self, machine: str, places: Places, event: Received) -> bool:
        """Whether a packet gets to rows of a machine where the machines are."""
        return self.passes(places, event.packet) and bool(self.rows(machine, places.get(machine, ""), event))

    def passes(self, places: Places, packet: str) -> bool:
        """Whether requests and events of a type are legal at all where the gate is."""
        return any(packet in s.allows for s in self.machines[GATE].states if s.name == places.get(GATE))

    # ── Where the machines may be ──

    def unearned(self, places: Places, told: Told) -> str:
        """The machine whose rows give a request no such status where it is: a success that is none of theirs, or
        BAD_STATE where one of them fires for certain. Empty if there is none."""
        success = told.status in self._success
        if told.form is not Form.REQUEST or not (success or told.status == REFUSAL):
            return ""
        deciding = [name for name in places if name in self.machines and told.event in self._knows[name]]
        given: dict[str, set[str]] = {}
        for name in deciding:
            rows = self.rows(name, places[name], told.event, told.body)
            given[name] = {a.status for row in rows for a in row.actions if isinstance(a, Answer)}
            if not success and not (rows and self._certain(name, rows[-1], told.body)):
                return ""  # where no guard holds, that is the answer
        if not success and any(REFUSAL in statuses for statuses in given.values()):
            return ""
        return next((name for name, statuses in given.items() if told.status not in statuses), "")

    def possible(
        self, before: Places, told: tuple[Told, ...], *, passed: bool, acted: bool, after: Places | None = None
    ) -> Possible:
        """Where each machine may be. `passed` is whether time has, `acted` whether the upper tester has. What would
        have left another machine elsewhere than where it is `after` that has not happened."""
        at: Possible = {name: {state} for name, state in before.items() if name in self.machines}
        signals: set[str] = set()
        one = len(told) == 1 and not passed and not acted
        if one:
            for name, state in before.items():
                if name in self.machines:
                    at[name] = self._first(name, state, told[0], signals)
            for name, state in before.items():
                if name in self.machines and (next_ := self._follows(name, state, before, told[0])):
                    at[name] = {next_}
        grown = True
        while grown:
            grown = False
            for name, states in at.items():
                for row in self._fires(name, states, told, signals, moved=(passed, acted)):
                    if one and after and row.next and not self._leads(name, row.next, after):
                        continue
                    more = ({row.next} if row.next else set()) - states
                    raised = {a.name for a in row.actions if isinstance(a, Signal)} - signals
                    grown |= bool(more or raised)
                    states.update(more)
                    signals |= raised
        return at

    def _first(self, machine: str, state: str, told: Told, signals: set[str]) -> set[str]:
        """Where a machine is as soon as it was told, and nothing else has happened."""
        rows = [r for r in self.rows(machine, state, told.event, told.body) if _answers(r, told)]
        signals |= {a.name for row in rows for a in row.actions if isinstance(a, Signal)}
        certain = any(self._certain(machine, row, told.body) for row in rows)
        fired = certain or (bool(rows) and told.status not in ("", None))
        sure = fired and told.sure
        return {row.next or state for row in rows} | (set() if sure else {state})

    def _leads(self, machine: str, state: str, after: Places) -> bool:
        """Whether a machine that has come to a state may at the same moment be where it is `after` that."""
        key = machine, state
        if key not in self._moment:
            seen, found = set[str](), {state}
            while found - seen:
                seen |= found
                found = {
                    r.next for r in self._fires(machine, seen, (), self._signalled, moved=(False, False)) if r.next
                }
            self._moment[key] = seen
        return after.get(machine, state) in self._moment[key]

    def _follows(self, machine: str, state: str, before: Places, told: Told) -> str:
        """The state to which a machine that knows nothing of a packet certainly goes, as another one signals upon it;
        empty if nothing is certain."""
        if not told.sure or told.event in self._knows[machine]:
            return ""
        for name in before:
            rows = self.rows(name, before[name], told.event, told.body) if name in self.machines else ()
            fitting = [r for r in rows if _answers(r, told)]
            if len(fitting) != 1 or not (self._certain(name, fitting[0], told.body) or told.status not in ("", None)):
                continue
            for signal in (a for a in fitting[0].actions if isinstance(a, Signal)):
                cell = self._cells[machine].get((state, Local(signal.name)), ())
                heard = [r for r in cell if met(r.needs, self._features)]
                if heard and not heard[0].guards and heard[0].next:
                    return heard[0].next
        return ""

    def _fires(
        self, machine: str, states: set[str], told: tuple[Told, ...], signals: set[str], moved: tuple[bool, bool]
    ) -> list[Row]:
        """The rows that may fire from any of some states; `moved` is whether time has passed and anybody has acted."""
        passed, acted = moved
        # At one moment a packet is told but once: `_first` has seen to it.
        heard = told if passed or acted or len(told) > 1 else ()

        def may(row: Row) -> bool:
            match row.event:
                case Expired():
                    return passed
                case Line():
                    return acted
                case Local(name):
                    if name in self._signalled:
                        return name in signals
                    return passed or (machine, name) not in self._timed
            return any(row.event == t.event and _answers(row, t) for t in heard)

        return [row for state in states for row in self._here.get((machine, state), ()) if may(row)]


def _answers(row: Row, told: Told) -> bool:
    """Whether a row fits what answered a packet."""
    if told.status is None or told.form is not Form.REQUEST:
        return True
    answers = [a.status for a in row.actions if isinstance(a, Answer)]
    return not answers or told.status in answers
