"""Which mutants nobody could tell from the reference: proved, never declared.

The product of the two machines is walked from their first state, over every event and every case of the guards. As long
as both do the same, both are in the same state, so the walk visits the states that the declared machine can reach at
all. A mutant is equivalent if no pair of cells differs there. Of what guards mean the walk knows only what a state says
of them (`SAID`): a difference that it finds may still be one that never shows, so a mutant without a proof is not
thereby another.

Plan: what a state says · what a row comes to · the walk · beyond any bench.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Final

from opalink.conformance.selfcheck.mutants import Mutant, features
from opalink.conformance.tester.matrix import UNREACHED
from opalink.conformance.walks.rows import event_name, place, rows_of
from opalink.protocol.ir.cases import Case, cases, cells, holds
from opalink.protocol.ir.legality import REFUSAL
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Action, Answer, Event, Form, Machine, Profile, Received, Role, Row, Start, Stop

# ── What a state says ────────────────────────────────────────────────────────────────────────────────

# Guards that cannot hold in a state, by what the state means.
SAID: Final = {
    "CAPTURE.CONFIGURED": ("others_run", "others_paused", "mask_paused"),  # none is started
    "CAPTURE.DRAINING": ("others_run", "others_paused", "mask_paused"),  # every stream is stopped
    "CAPTURE.PAUSED": ("others_run",),  # streams are started, and all of them paused
}


def _possible(machine: Machine, state: str, rows: Sequence[Row]) -> Iterator[Case]:
    """The cases that rows of a cell can meet."""
    never = SAID.get(f"{machine.name}.{state}", ())
    return (c for c in cases(machine, rows) if not any(c.get(g) for g in never))


# ── What a row comes to ──────────────────────────────────────────────────────────────────────────────

Effect = tuple[tuple[Action, ...], str]


def effect(machine: Machine, state: str, rows: Sequence[Row], case: Case) -> Effect | None:
    """What the rows of a cell do in a case, and the state afterwards; None if none of them fires. To stop a timer is
    nothing where entering the state has done so, and a request that no row of any machine takes is refused."""
    row = next((r for r in rows if holds(r, case)), None)
    if row is None:
        alone = bool(rows) and _alone(machine.name, rows[0].event)
        return ((Answer(REFUSAL),), state) if alone else None
    target = row.next or state
    if target == state:
        return row.actions, target
    timers = frozenset[str]().union(*(machine.waits(s.name) for s in machine.states))
    ended = set(timers - machine.waits(target))
    actions: list[Action] = []
    for action in row.actions:
        if isinstance(action, Start):
            ended.discard(action.timer)
        if not (isinstance(action, Stop) and action.timer in ended):
            actions.append(action)
    return tuple(actions), target


@cache
def _alone(name: str, event: Event) -> bool:
    """Whether an event is a request that no other machine of a module takes."""
    others = (m for m in catalogue().machines if m.role is Role.MODULE and m.name != name)
    asked = isinstance(event, Received) and event.form is Form.REQUEST
    return asked and not any(r.event == event for m in others for r in m.rows)


# ── The walk ─────────────────────────────────────────────────────────────────────────────────────────


def _reached(machine: Machine) -> Iterator[str]:
    """The states that rows can lead to, whatever the guards say."""
    seen, left = {machine.initial}, [machine.initial]
    while left:
        state = left.pop()
        yield state
        for row in machine.rows:
            if state in row.states and row.next is not None and row.next not in seen:
                seen.add(row.next)
                left.append(row.next)


def difference(declared: Machine, other: Machine, aside: Collection[str] = ()) -> tuple[str, Event | None] | None:
    """A state that can be reached, and an event there, at which two machines part; None if there is none. States and
    events that are left `aside` are not looked at, nor is STATE.EVENT."""
    ours, theirs = cells(declared), cells(other)
    known = {event for _, event in ours}, {event for _, event in theirs}
    allows = {s.name: set(s.allows) for s in declared.states}, {s.name: set(s.allows) for s in other.states}
    for event in known[0] ^ known[1]:
        if event_name(event) not in aside:
            return declared.initial, event  # a packet that no row knows is answered by its service
    for state in _reached(declared):
        if state in aside:
            continue
        if allows[0][state] != allows[1][state] or declared.waits(state) != other.waits(state):
            return state, None
        for event in known[0]:
            if {event_name(event), f"{state}.{event_name(event)}"}.intersection(aside):
                continue
            a, b = ours.get((state, event), ()), theirs.get((state, event), ())
            if bool(a) is not bool(b):
                return state, event
            for case in _possible(declared, state, (*a, *b)):
                if effect(declared, state, a, case) != effect(other, state, b, case):
                    return state, event
    return None


def _parts(mutant: Mutant, profile: Profile, aside: Collection[str] = ()) -> bool:
    if mutant.machine is None:
        return True
    name, role = mutant.machine.name, mutant.machine.role
    declared = next(m for m in catalogue().machines if (m.name, m.role) == (name, role))
    has = features(profile.name)
    return difference(declared.within(has), mutant.machine.within(has), aside) is not None


def equivalent(mutant: Mutant, profile: Profile) -> bool:
    """Whether it is proved that a module of a profile with this mistake does what the reference does."""
    return not _parts(mutant, profile)


def wrong_rows(mutant: Mutant, profile: str) -> set[str]:
    """The names of the declared rows that a mutant's machine does not have as they are."""
    machine = mutant.machine
    if machine is None:
        return set()
    own = machine.within(features(profile))
    there = {(place(own, r, s), r.actions, r.next) for r in own.rows for s in r.states}
    return {
        n for n, (m, _, r) in rows_of(profile).items() if m.name == own.name and (n, r.actions, r.next) not in there
    }


# ── Beyond any bench ─────────────────────────────────────────────────────────────────────────────────

# States that no walk comes to: what the matrix says of them is why.
BEYOND: Final = ("CAPTURE.ERROR", "FIRMWARE.APPLY", "FIRMWARE.STAGED", "FIRMWARE.ACTIVATE_PENDING")
# Events that nothing brings about at all, or not in a state.
NEVER: Final = {
    "CAPTURE.sensor_failed": UNREACHED["CAPTURE.ERROR"],
    "FIRMWARE.image_good": UNREACHED["FIRMWARE.APPLY"],
    "FIRMWARE.image_written": UNREACHED["FIRMWARE.APPLY"],
    "FIRMWARE.DOWNLOAD.reboot": "Whatever starts a module anew ends its session first, and with it the download.",
    "LINK.LINK_PM_response": "No row has a module send LINK_PM, and an answer to nothing reaches no machine.",
    "FOCUS.MOVING.reboot": "Whatever starts a module anew ends its session first, and with it the movement.",
}


def beyond(mutant: Mutant, profile: Profile) -> str:
    """Why no bench can show this mistake: it parts from the reference, and only in states that none brings about. Empty
    if that is not so."""
    name = mutant.machine.name if mutant.machine else ""
    why = {place: UNREACHED[place] for place in BEYOND} | NEVER
    aside = {place.partition(".")[2]: why[place] for place in why if place.partition(".")[0] == name}
    if not aside or _parts(mutant, profile, aside):
        return ""
    return next((said for place, said in aside.items() if _parts(mutant, profile, aside.keys() - {place})), "")
