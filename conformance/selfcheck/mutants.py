"""Semantic mutants: one registry of small mistakes in the specification, each an operator at a place of the catalogue.

A mutant is data. Most are the reference module running another table: a machine with a row less, a timer twice as long,
a packet legal where it is not. The others change one check of a packet, on its way in or out: see `mutants_packets`.
IDs are OPERATOR.PLACE, every part of them an identifier, and follow from what the catalogue says at the place, never
from an ordinal: one row more renames no other mutant.

    py:opalink.conformance.selfcheck.mutants:row__drop__ATTACH__DETACHED__power_on__on__four_thirds

Plan: the mutant · rows of machines · what is legal · timers · checks · all · the module that runs one.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import ClassVar, Final

from msgspec import Struct, structs

from opalink.conformance.purposes import area_of, unmet
from opalink.conformance.selfcheck.mutants_packets import Check, checks, hear, say, supplied, volunteer, words
from opalink.conformance.tester.matrix import AREAS, GATEWAY, UNREACHED, reachable
from opalink.conformance.walks.rows import place
from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol.engine.dispatch import Part
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.module import features_of
from opalink.protocol.engine.module.part import ModuleHost
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.cases import cells
from opalink.protocol.ir.legality import GATE, received
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane
from opalink.spec.form import (
    Action,
    Answer,
    Form,
    Machine,
    Profile,
    Received,
    Role,
    Row,
    Send,
    Start,
    State,
    Timer,
    TimerKind,
)

# ── The mutant ───────────────────────────────────────────────────────────────────────────────────────


class Mutant(Struct, frozen=True):
    """A mistake. One of `machine`, `timer` and `check` says what is other than declared. `requirements` are those that
    the place cites, `subjects` the packets that it is about, `needs` the conditions without which a module cannot show
    it."""

    id: str
    area: str
    requirements: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    machine: Machine | None = None
    timer: Timer | None = None
    check: Check | None = None

    @property
    def operator(self) -> str:
        return ".".join(self.id.split(".")[:2])

    @property
    def able(self) -> tuple[Profile, ...]:
        """The profiles that meet its needs, the bundled one before all others. None if it is out of every profile."""
        known = catalogue().profile
        usual = {_USUAL: known[_USUAL], **known}
        return tuple(p for p in usual.values() if unmet(self.needs, features(p.name)) is None)

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Those on which it is tried at least: the first, and the first without SECURITY, whose sessions begin in
        another state."""
        trusted = [p for p in self.able if "SECURITY" not in features(p.name)]
        return tuple({p.name: p for p in (*self.able[:1], *trusted[:1])}.values())

    def uri(self, profile: Profile) -> str:
        """Where a profile's module with this mistake is."""
        return f"py:{__name__}:{_attribute(self.id, profile.name)}"


_USUAL: Final = "four-thirds"


@cache
def features(profile: str) -> frozenset[str]:
    """The features of a profile's reference module."""
    return features_of(catalogue().profile[profile])


def _attribute(id_: str, profile: str) -> str:
    return f"{id_.replace('.', '__')}__on__{profile.replace('-', '_')}"


# ── Rows of machines ─────────────────────────────────────────────────────────────────────────────────


def _with(machine: Machine, at: int, *rows: Row) -> Machine:
    """A machine with other rows in the place of one."""
    return structs.replace(machine, rows=(*machine.rows[:at], *rows, *machine.rows[at + 1 :]))


def _about(known: ir.Catalogue, machine: Machine, row: Row) -> Callable[..., Mutant]:
    """What the mutants of a row have in common."""
    asked = [row.event.packet] if isinstance(row.event, Received) else []
    subjects = dict.fromkeys((*asked, *(a.packet for a in row.actions if isinstance(a, Send))))
    answers = (known.by_key.get(f"{p}.answer") for p in asked)
    cited = (*row.req, *(r.id for r in answers if r is not None))
    needs = tuple("|".join(n) for n in (machine.needs, row.needs) if n)

    def made(operator: str, where: str, other: Machine) -> Mutant:
        return Mutant(f"{operator}.{where}", AREAS[machine.name], cited, tuple(subjects), needs, machine=other)

    return made


def _rows(known: ir.Catalogue, machine: Machine) -> Iterator[Mutant]:
    for at, row in enumerate(machine.rows):
        made, whole = _about(known, machine, row), place(machine, row)
        for state in row.states:
            left = structs.replace(row, states=tuple(s for s in row.states if s != state))
            yield made("row.drop", place(machine, row, state), _with(machine, at, *([left] if left.states else [])))
        if row.next is not None and set(row.states) != {row.next}:
            yield made("row.stay", whole, _with(machine, at, structs.replace(row, next=None)))
        for guard in row.guards:
            left = structs.replace(row, guards=tuple(g for g in row.guards if g != guard))
            word = guard.replace("!", "not_")
            yield made("guard.drop", f"{whole}.without_{word}", _with(machine, at, left))
        for n, action in enumerate(row.actions):
            head, tail = row.actions[:n], row.actions[n + 1 :]
            if isinstance(action, Answer):
                other = structs.replace(row, actions=(*head, Answer(_other_status(action.status)), *tail))
                yield made("status.swap", f"{whole}.{action.status}", _with(machine, at, other))
                continue
            words = "_".join(str(x) for x in structs.astuple(action) if isinstance(x, str))
            same = sum(a == action for a in head)  # an action that a row does twice
            what = f"{type(action).__name__.lower()}_{words}" + "_again" * same
            yield made("action.drop", f"{whole}.{what}", _with(machine, at, structs.replace(row, actions=head + tail)))
    yield from _order(known, machine)


def _other_status(status: str) -> str:
    """A refusal in the place of a success, and in that of a refusal one that speaks of something else."""
    return "BAD_STATE" if status in ("OK", "ADJUSTED") else "BUSY" if status == "BAD_VALUE" else "BAD_VALUE"


def _order(known: ir.Catalogue, machine: Machine) -> Iterator[Mutant]:
    """Two neighbouring rows of a cell, tried in the wrong order."""
    places = {id(row): at for at, row in enumerate(machine.rows)}
    seen: set[tuple[int, int]] = set()
    for rows in cells(machine).values():
        for first, second in pairwise(rows):
            a, b = places[id(first)], places[id(second)]
            if (a, b) in seen:
                continue
            seen.add((a, b))
            order = [r for at, r in enumerate(machine.rows) if at != b]
            order.insert(a, second)
            made = _about(known, machine, first)
            before = "_".join(g.replace("!", "not_") for g in second.guards) or "unguarded"
            other = structs.replace(machine, rows=tuple(order))
            yield made("order.swap", f"{place(machine, first)}.after_{before}.{second.states[0]}", other)


# ── What is legal ────────────────────────────────────────────────────────────────────────────────────


def _legal(known: ir.Catalogue, machine: Machine) -> Iterator[Mutant]:
    """A packet that is legal in a state and is refused, and a request the other way round, where a bench shows it."""
    comes = {p.name: p for p, _ in received(known, Role.MODULE)}
    for at, state in enumerate(machine.states):
        for name, packet in comes.items():
            allowed = name in state.allows
            shown = f"{GATE}.{state.name}" not in UNREACHED and name not in GATEWAY and reachable(packet, state.name)
            if not shown or not (
                allowed or (Form.REQUEST in packet.forms and not _moot(known, machine, state, packet))
            ):
                continue
            allows = tuple(a for a in state.allows if a != name) if allowed else (*state.allows, name)
            states = list(machine.states)
            states[at] = structs.replace(state, allows=allows)
            answer = known.by_key.get(f"{name}.answer")
            needs = ("|".join(packet.needs),) if packet.needs else ()
            yield Mutant(
                f"legal.{'drop' if allowed else 'add'}.{state.name}.{name}",
                AREAS[machine.name],
                (answer.id,) if answer else (),
                (name,),
                needs if allowed else _of_requests(packet, needs),
                machine=structs.replace(machine, states=tuple(states)),
            )


def _moot(known: ir.Catalogue, machine: Machine, state: State, packet: ir.Packet) -> bool:
    """Whether it comes to the same if a request is legal in a state of the gate: the gate itself has rows for it, and
    none there, so that it is refused all the same; nor does any row send it there."""
    asked = Received(packet.name, Form.REQUEST)
    rows = [r for r in machine.rows if r.event == asked]
    ours = [m for m in known.machines if m.role is machine.role]
    sending = [(m, r) for m in ours for r in m.rows if any(_sends(a, packet) for a in r.actions)]
    refused = bool(rows) and not any(state.name in r.states for r in rows)
    return refused and all(m is machine and state.name not in (*r.states, r.next) for m, r in sending)


def _sends(action: Action, packet: ir.Packet) -> bool:
    return isinstance(action, Send) and action.packet == packet.name


def _of_requests(packet: ir.Packet, needs: tuple[str, ...]) -> tuple[str, ...]:
    """What a module must have to be asked: what a sink asks for, a source alone hears."""
    return (*needs, "ROLE_SWAP") if packet.sender is Role.SINK else needs


# ── Timers ───────────────────────────────────────────────────────────────────────────────────────────


def _timers(known: ir.Catalogue) -> Iterator[Mutant]:
    """Every timer that a module keeps, at twice the longest that it may be; where it may be too short as well, at half
    the shortest. A timer that the reference keeps no clock by has a late member in the zoo in its place."""
    starts = {
        a.timer: m
        for m in known.machines
        if m.role is Role.MODULE
        for r in m.rows
        for a in r.actions
        if isinstance(a, Start)
    }
    for timer in known.timers:
        kept = timer.name in starts or timer.name in words()
        if timer.role is Role.PHONE or timer.name == _AWAITED or not kept:
            continue
        cited = tuple(r.id for r in known.requirements if timer.name in r.text and r.role is not Role.PHONE)
        machine = starts.get(timer.name)
        area = AREAS[machine.name] if machine else cited[0].split("-")[1] if cited else "MGT"
        ends = {"timer.double": (timer.max or 0) * 2, "timer.half": (timer.min or 0) // 2}
        for operator, time in ends.items():
            if time and (operator == "timer.double" or timer.kind is TimerKind.DEADLINE):
                times = {e: time for e in ("min", "nominal", "max") if getattr(timer, e) is not None}
                other = structs.replace(timer, **times)
                yield Mutant(f"{operator}.{timer.name}", area, cited, timer=other)


_AWAITED: Final = "tResponse"  # in which the other side answers: the reference keeps its patience by it, no duty


# ── Checks ───────────────────────────────────────────────────────────────────────────────────────────


def _checks(known: ir.Catalogue) -> Iterator[Mutant]:
    for packet, key, check in checks(known):
        requirement = known.by_key[key]
        needs = tuple("|".join(n) for n in (packet.needs, requirement.needs) if n and not n[0].startswith("!"))
        if check.change == "admitted":
            needs = tuple(f"!{n}" for n in packet.needs)
        elif check.change != "sent":
            needs = _of_requests(packet, needs)
        if check.change == "sent" and supplied(packet, check.form):
            needs += ("ROLE_SWAP",)
        name = ".".join(("check", check.change, *filter(None, (packet.name, check.form, check.field, check.what))))
        yield Mutant(name, area_of(known, packet), (requirement.id,), (packet.name,), needs, check=check)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────


@cache
def mutants() -> dict[str, Mutant]:
    """The whole registry, by ID."""
    known = catalogue()
    found: list[Mutant] = []
    for machine in known.machines:
        if machine.role is Role.MODULE:
            found += _rows(known, machine)
            if machine.name == GATE:
                found += _legal(known, machine)
    found += _timers(known)
    found += _checks(known)
    out = {m.id: m for m in found}
    if len(out) != len(found):
        twice = sorted({m.id for m in found if sum(x.id == m.id for x in found) > 1})
        raise ValueError(f"Two mutants have one ID: {', '.join(twice)}")
    return out


# ── The module that runs one ─────────────────────────────────────────────────────────────────────────


def altered(known: ir.Catalogue, mutant: Mutant) -> ir.Catalogue:
    """The catalogue as a mutant has it."""
    machine, timer = mutant.machine, mutant.timer
    if machine is not None:
        same = (machine.name, machine.role)
        return structs.replace(
            known, machines=tuple(machine if (m.name, m.role) == same else m for m in known.machines)
        )
    if timer is not None:
        return structs.replace(known, timers=tuple(timer if t.name == timer.name else t for t in known.timers))
    return known


class _Host(ModuleHost):
    """What stands between a module and what it is built on, and hands another catalogue on."""

    mutant: ClassVar[Mutant]

    def __init__(
        self, role: Role, name: str, features: frozenset[str], parts: tuple[type[Part], ...], known: ir.Catalogue
    ) -> None:
        super().__init__(role, name, features, parts, altered(known, self.mutant))


class Mutated(Specimen):
    """A profile's reference module with the mistake of a subclass."""

    mutant: ClassVar[Mutant]
    profile: ClassVar[Profile]

    def __init__(self) -> None:
        super().__init__()
        kind: type[Module] = type("MutatedModule", (Module, _Host), {"mutant": self.mutant})
        self.inner = kind(self.profile)
        self.operations, self.planes = self.inner.operations, self.inner.planes

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        check = self.mutant.check
        if check is None:
            return data
        heard, answer = hear(check, data)
        if answer is not None:
            self.extra.append(Departure(self.now, lane, answer))
        return heard

    def says(self, d: Departure) -> tuple[Departure, ...]:
        check = self.mutant.check
        if check is None:
            return (d,)
        said = say(check, d.data), volunteer(check, d.data, d.lane)
        return tuple(structs.replace(d, data=data) for data in said if data is not None)


def endpoint(mutant: Mutant, profile: Profile) -> type[Mutated]:
    """A profile's module with a mutant's mistake."""
    return type("Mutated", (Mutated,), {"mutant": mutant, "profile": profile, "__doc__": mutant.id})


@cache
def _by_attribute() -> dict[str, tuple[Mutant, Profile]]:
    return {_attribute(m.id, p.name): (m, p) for m in mutants().values() for p in m.able}


def __getattr__(name: str) -> type[Mutated]:
    """Every mutant's endpoints, so that each has a URI."""
    if name.startswith("__") or name not in _by_attribute():
        raise AttributeError(f"no mutant is called {name!r}")
    return endpoint(*_by_attribute()[name])
