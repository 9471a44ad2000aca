"""Walks: every row of every machine that a bench can have fire, each fired once and judged.

A walk is data: a state to begin in, some steps, and what the declared machines make of the last one. It is found by a
search (`walks_search`) which tries the vocabulary of `walk_steps` on a reference module and keeps the shortest way to
each row. What the module answered, where its machines then were, and what the row has it send was declared before it
was seen: a row is a sentence of the specification, and the search only says how it comes about.

A walk shows something if every step before the last goes as it went there; else another module is not wrong but
different, and the walk does not apply. Some guards a module decides by what it is (`OWN`): where one stands in the way,
any outcome that a row of the same cell declares will do. States that end by themselves are not compared (`FLEETING`).

Plan: the walk · what is stored · what a module decides itself · the judge.
"""

from collections.abc import Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from opalink.conformance.conclusions import Fail, Inapplicable, Inconclusive
from opalink.conformance.tester.preambles import reach
from opalink.conformance.tester.session import Session
from opalink.conformance.walks import (  # noqa: F401  they enter the steps
    steps,
    steps_camera,
    steps_lens,
    steps_link,
    steps_power,
)
from opalink.conformance.walks.table import STEPS, take
from opalink.protocol.codec import PacketType
from opalink.protocol.ir.cases import cases, cells, holds, word
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, MachineId, StateGet, StateGetResponse
from opalink.protocol.transport.bench import PlaneChoice
from opalink.spec.form import MS, SECOND, Answer, Event, Expired, Form, Machine, Received, Role, Row, Send

# ── The walk ─────────────────────────────────────────────────────────────────────────────────────────

Places = dict[str, str]  # the state of each machine


class Walk(Struct, frozen=True, omit_defaults=True):
    """A way to some rows. `steps` are names with the status that each was answered with; `before` and `after` are where
    the machines are around the last step, `later` where they are when all timers are over; `sends` are the packets that
    the rows had the module send. `rows` are named as MACHINE.STATE.EVENT.GUARDS, and the walk by the first. `profile`
    is whose module walked. What a row leaves behind may show only later: `tail` is how many steps follow the one that
    fires the first row, and the other rows are those of the last step. `when` tells another walk to the same row."""

    rows: tuple[str, ...]
    profile: str
    state: str
    steps: tuple[tuple[str, str], ...]
    before: Places
    after: Places
    later: Places = {}
    sends: tuple[str, ...] = ()
    plane: PlaneChoice = "packet"
    tail: int = 0
    when: str = ""

    @property
    def name(self) -> str:
        """What it is called: by its first row, by what tells it from another one there, by the steps that follow."""
        further = [name.replace(".", "_") for name, _ in self.steps[len(self.steps) - self.tail :]]
        parts = (self.rows[0], *(("when", self.when) if self.when else ()), *(("then", *further) if further else ()))
        return ".".join(parts)

    @property
    def last(self) -> tuple[str, ...]:
        """The rows of the last step."""
        return self.rows[1:] if self.tail else self.rows


# ── What is stored ───────────────────────────────────────────────────────────────────────────────────

STORED: Final = Path(__file__).with_name("stored")  # a file for each machine, by that of a walk's first row


@cache
def walks() -> tuple[Walk, ...]:
    """The stored walks."""
    every = (msgspec.json.decode(file.read_bytes(), type=list[Walk]) for file in sorted(STORED.glob("*.json")))
    return tuple(chain.from_iterable(every))


def event_name(event: Event) -> str:
    """An event as part of a name."""
    return f"{event.packet}_{event.form}" if isinstance(event, Received) else str(msgspec.structs.astuple(event)[0])


def place(machine: Machine, row: Row, state: str = "") -> str:
    """The name of a row, in one of its states or in all of them."""
    guards = [g.replace("!", "not_") for g in row.guards]
    return ".".join((machine.name, state or "_".join(row.states), event_name(row.event), *guards))


@cache
def rows_of(profile: str) -> Mapping[str, tuple[Machine, str, Row]]:
    """The rows that a profile's module runs, by name."""
    from opalink.protocol.engine.module.module import features_of

    known = catalogue()
    has = features_of(known.profile[profile])
    own = [m.within(has) for m in known.machines if m.role is Role.MODULE]
    return {place(m, r, s): (m, s, r) for m in own for r in m.rows for s in r.states}


# ── What a module decides itself ─────────────────────────────────────────────────────────────────────

# Guards about what a module is or can do, of which the dialogue alone does not tell.
OWN: Final = frozenset(
    "supported disturbs gear_left component_known image_fits version_allowed previous_bootable "
    "budget_possible budget_covers can_supply charge_left within_module fits_link fits_power adjusts queue_room "
    "buffer_room reachable in_time soon trigger_room at_end enough class_changes "
    "exchange_good time_known".split()
)
# States that end by themselves, and a machine that moves on by itself. A step may settle that one lasts.
FLEETING: Final = {
    "LINK": frozenset({"TRAIN_CDR", "TRAIN_FEC", "NEGOTIATE", "RECOVERY"}),
    "CAPTURE": frozenset({"DRAINING"}),
    "FIRMWARE": frozenset({"VERIFY", "APPLY"}),
    "FOCUS": frozenset({"MOVING"}),
    "TIME": frozenset({"FREE", "ACQUIRE", "LOCKED", "HOLDOVER"}),
}
ENDS: Final = {  # where that tells something
    "CAPTURE.DRAINING": {"CONFIGURED"},
    "FIRMWARE.VERIFY": {"IDLE", "APPLY", "STAGED"},
    "FOCUS.MOVING": {"SETTLED", "LIMIT"},
}


def settled(w: Walk) -> frozenset[str]:
    """The guards of which the steps leave the module nothing to judge, and the states that last."""
    return frozenset(x for name, _ in w.steps for x in STEPS[name].settles)


def judged(machine: Machine, state: str, row: Row, own: frozenset[str] = OWN) -> bool:
    """Whether it is for the module to judge that a row fires, or when: by its own guards, or in its own time."""
    cell = cells(machine)[state, row.event]
    met = cell[: cell.index(row) + 1]
    return machine.name == "TIME" or any(word(g) in own for r in met for g in r.guards)


@cache
def others(profile: str, name: str, own: frozenset[str]) -> tuple[Row, ...]:
    """The rows of a cell of which one may fire where the reference had this one fire, as the module judges: those of
    every case that agrees with the reference's in whatever the dialogue tells."""
    machine, state, row = rows_of(profile)[name]
    cell = cells(machine)[state, row.event]
    if machine.name == "TIME":
        return cell
    fired = [(c, next((r for r in cell if holds(r, c)), None)) for c in cases(machine, cell)]
    here = [c for c, r in fired if r is row]
    told = {g: v for g, v in here[0].items() if g not in own and all(c[g] is v for c in here)}
    return tuple(r for r in cell if any(r is x and told.items() <= c.items() for c, x in fired))


def loose(w: Walk) -> Mapping[str, frozenset[str]]:
    """For each machine in which the module's own judgement takes part, the states that the rows allow."""
    known, free = rows_of(w.profile), OWN - settled(w)
    out: dict[str, frozenset[str]] = {}
    for name in w.last:
        machine, state, row = known[name]
        if judged(machine, state, row, free):
            allowed = {r.next or state for r in others(w.profile, name, free)}
            out[machine.name] = out.get(machine.name, frozenset()) | allowed
    return out


def _statuses(w: Walk) -> set[str]:
    """What the last step may be answered with beside what it was, where the module judges."""
    known, free = rows_of(w.profile), OWN - settled(w)
    wanted: set[str] = set()
    for name in w.last:
        machine, state, row = known[name]
        asked = isinstance(row.event, Received) and row.event.form is Form.REQUEST
        if asked and judged(machine, state, row, free):
            rows = others(w.profile, name, free)
            wanted |= {a.status for r in rows for a in r.actions if isinstance(a, Answer)}
    return wanted


@cache
def drift(profile: str, name: str, state: str) -> frozenset[str]:
    """Where timers alone lead a machine from a state."""
    machine = next(m for m, _, _ in rows_of(profile).values() if m.name == name)
    out, left = frozenset[str](), [state]
    while left:
        now = left.pop()
        rows = (r for r in machine.rows if now in r.states and isinstance(r.event, Expired) and r.next)
        further = {r.next for r in rows if r.next} - out
        out |= further
        left += further
    return out


def _owed(w: Walk) -> set[str]:
    """What the rows before which nothing is the module's own to judge have it send."""
    last = w.steps[-1][0]
    if STEPS[last].operation in ("condition", "temperature") or last.startswith("wait."):
        # The report may be lost with the light that it tells of; and when a timer ends within a wait is the module's.
        return set()
    free = OWN - settled(w)
    sure = [row for m, state, row in (rows_of(w.profile)[name] for name in w.last) if not judged(m, state, row, free)]
    return {f"{a.packet}.{a.form}" for row in sure for a in row.actions if isinstance(a, Send)} & set(w.sends)


# ── The judge ────────────────────────────────────────────────────────────────────────────────────────

AFTERMATH: Final = 2600 * MS  # longer than any timer of a module
_LOOK: Final = 10 * MS
_LAG: Final = 150 * MS  # that a module may take over what follows an answer (tReport, and some)


def places(s: Session) -> Places:
    """Where the machines are; nothing where the module does not answer: it may be starting anew, or without power. What
    the tester may send by light goes by what the module says of its link."""
    heard = s.answer(s.request(_GET, lane=Lane.SIDEBAND))
    if heard is None or not isinstance(heard.body, StateGetResponse):
        return {}
    found = {MachineId(m.machine).name: s.state_name(MachineId(m.machine), m.state) for m in heard.body.machines}
    s.light = found.get("LINK") == "L0"
    return found


def differ(wanted: Places, found: Places) -> dict[str, tuple[str, str]]:
    """The machines that are elsewhere, those aside that are not there at all or have left a fleeting state."""
    return {
        m: (state, found.get(m, "nowhere"))
        for m, state in wanted.items()
        if found.get(m, state if found else "") != state and not _left(f"{m}.{state}", found.get(m, ""))
    }


def _left(state: str, now: str) -> bool:
    """Whether that is where a machine may be that was in a state which ends by itself."""
    name, _, own = state.partition(".")
    return own in FLEETING.get(name, ()) and now in ENDS.get(state, {now})


def spoken(s: Session, since: int) -> set[str]:
    """The requests and events that have come since then, as PACKET.form."""
    heard = [h.packet for h in s.inbox if h.time >= since and h.packet is not None and not h.packet.rsp]
    return {f"{PacketType(q.type).name}.{Form.REQUEST if q.txn else Form.EVENT}" for q in heard if q.type in _KNOWN}


_KNOWN: Final = frozenset(PacketType)
_GET: Final = StateGet()


def walk(s: Session, w: Walk) -> None:
    """Walk; returns if the last step came to what is declared."""
    found = _approach(s, w)
    begun, (name, wanted), may = s.now, w.steps[-1], loose(w)
    try:
        status = take(s, name)
    except Inconclusive as why:
        raise Inapplicable(f"The last step cannot be taken. {why}") from None
    if status != wanted:
        if status in _statuses(w):
            raise Inapplicable(f"The module judges {name} otherwise: {status}.")
        now = places(s)
        for machine, state, _ in (rows_of(w.profile)[row] for row in w.last[:1]):
            fleeting = state in FLEETING.get(machine.name, ()) and f"{machine.name}.{state}" not in settled(w)
            if fleeting and not found.get(machine.name) == state == now.get(machine.name):
                raise Inapplicable(f"{state} may have ended before {name}.")
            if now.get(machine.name) in drift(w.profile, machine.name, state) - {w.after.get(machine.name)}:
                raise Inapplicable(f"By the time of {name} it had left {state}.")
        s.states()  # whoever has gone is another matter
        raise Fail(f"{name} answered {wanted or 'nothing'}", status)
    _arrives(s, w, w.after, may, _LAG)
    if missing := _owed(w) - spoken(s, begun):
        s.let(_LAG)
        missing -= spoken(s, begun)
        s.expect(not missing, f"{', '.join(sorted(missing))} to follow", "none")
    if w.later:
        s.let(begun + AFTERMATH - s.now)
        # How long what ends by itself takes is the module's.
        sure = {m: x for m, x in w.later.items() if m not in may and f"{m}.{w.after.get(m)}" not in ENDS}
        _arrives(s, w, sure, {}, SECOND // 2)


def _approach(s: Session, w: Walk) -> Places:
    """Take every step but the last; returns where the machines then are."""
    reach(s, w.state)
    found, fits = places(s), True
    try:
        for name, wanted in w.steps[:-1]:
            fits &= take(s, name) == wanted
            found = places(s)
    except Inconclusive as why:
        raise Inapplicable(f"It is another way for this module. {why}") from None
    except Fail as fail:
        raise Inconclusive(f"On the way it {fail}.") from None
    if elsewhere := differ(_of(s, w, w.before), found):
        raise Inapplicable(f"It is another way for this module: {_said(elsewhere)}.")
    if not fits:
        raise Inapplicable("A step on the way was answered otherwise.")
    return found


def _of(s: Session, w: Walk, wanted: Places) -> Places:
    """Where this module is, where that of the walk's profile was: without SECURITY a session is at once a full one."""
    if "SECURITY" in s.known.features or wanted.get("ATTACH") != _BASIC or w.rows[0].startswith(f"ATTACH.{_BASIC}."):
        return wanted
    return wanted | {"ATTACH": "READY_FULL"}


_BASIC: Final = "READY_BASIC"


def _arrives(s: Session, w: Walk, wanted: Places, may: Mapping[str, frozenset[str]], within: int) -> None:
    """Expect the machines to be in these states, or soon; or to have been, where a timer leads from them to where they
    are."""
    deadline = s.now + within
    while True:
        found = places(s)
        wrong = {m: x for m, x in differ(_of(s, w, wanted), found).items() if x[1] not in may.get(m, ())}
        if not wrong or any(x in drift(w.profile, m, state) for m, (state, x) in wrong.items()):
            return
        if s.now >= deadline:
            raise Fail("the machines where the rows lead", _said(wrong), ("R-MGT-042",))
        s.let(_LOOK)


def _said(wrong: Mapping[str, tuple[str, str]]) -> str:
    return ", ".join(f"{m} in {found}, not in {wanted}" for m, (wanted, found) in sorted(wrong.items()))
