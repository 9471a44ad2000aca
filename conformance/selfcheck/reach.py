"""How near each test comes to a mistake: the places that the reference passes through while the test is about it.

A mutant does what the reference does until it first comes to a place where the two differ. Time is virtual and every
test begins cold under a seed of its own, so a test that brings the reference to no such place ends with the mutant as
it does with the reference: nothing is gained by trying it. That holds as long as both say the same of themselves when
they are probed, which is looked at for each mutant.

Plan: places · a module that notes them · where a mutant differs · the record of a profile.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, structs

from opalink.conformance.campaign import Certification, begin
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selfcheck.mutants import Mutant, features
from opalink.conformance.selfcheck.mutants_packets import PROMPT, form_of, words
from opalink.conformance.zoo.specimen import PAYLOAD, TYPE, Retimed
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.machine import timed
from opalink.protocol.ir.cases import cells
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane
from opalink.spec.form import Event, Form, Local, Machine, Profile

# ── Places ───────────────────────────────────────────────────────────────────────────────────────────


@cache
def _cell(machine: str, state: str, event: Event) -> str:
    """The rows of a state and an event are looked for."""
    return f"{machine}.{state} {type(event).__name__} {' '.join(map(str, structs.astuple(event)))}"


def _entered(machine: str, state: str) -> str:
    """A state is entered, which ends the timers that it does not wait for."""
    return f"{machine}.{state}"


def _allowed(state: str, code: int) -> str:
    """It is asked whether a packet type is legal in a state."""
    return f"{state} {code}"


def _heard(code: int) -> str:
    return f"hears {code}"


def _said(code: int, form: Form) -> str:
    return f"says {int(code)} {form}"


def _started(timer: str) -> str:
    return f"starts {timer}"


# ── A module that notes them ─────────────────────────────────────────────────────────────────────────


class _Noted(dict[Any, Any]):
    """A table by state that notes what is looked for in it."""

    def __init__(self, table: Mapping[str, Any], notes: set[str], places: Mapping[str, str]) -> None:
        super().__init__(table)
        self._notes, self._places = notes, places

    def __contains__(self, state: object) -> bool:
        self._notes.add(self._places[str(state)])
        return super().__contains__(state)

    def __getitem__(self, state: str) -> Any:
        self._notes.add(self._places[state])
        return super().__getitem__(state)

    def get(self, state: str, default: Any = None) -> Any:
        self._notes.add(self._places[state])
        return super().get(state, default)


class _Codes(frozenset[int]):
    """The packet types that are legal in a state, which notes those that are asked for."""

    notes: set[str]
    state: str

    def __contains__(self, code: object) -> bool:
        self.notes.add(_allowed(self.state, int(code)))  # type: ignore[call-overload]
        return super().__contains__(code)


class Noting(Retimed):
    """A profile's reference module, which notes the places that it passes through."""

    notes: ClassVar[set[str]]

    def retime(self, name: str, delay: int) -> int:
        self.notes.add(_started(name))
        return delay

    def __init__(self) -> None:
        super().__init__()
        inner, notes = self.inner, self.notes
        for run in inner.runs.values():
            states = [s.name for s in run.machine.states]
            tables = run._table  # noqa: SLF001
            for event, table in tables.items():
                tables[event] = _Noted(table, notes, {s: _cell(run.name, s, event) for s in states})
            run._ended = _Noted(run._ended, notes, {s: _entered(run.name, s) for s in states})  # noqa: SLF001
        gate = inner.runs[inner.gate]
        inner._on_heard, inner._on_sent = (gate.rows(Local(x)) for x in ("heard", "sent"))  # noqa: SLF001
        legal = {}
        for state, codes in inner.checks._legal.items():  # noqa: SLF001
            legal[state] = noted = _Codes(codes)
            noted.notes, noted.state = notes, state
        inner.checks._legal = legal  # noqa: SLF001

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        if len(data) > PAYLOAD:
            self.notes.add(_heard(data[TYPE]))
        return data

    def says(self, d: Departure) -> tuple[Departure, ...]:
        self.notes.add(_said(d.data[TYPE], form_of(d.data)))
        return (d,)


@cache
def _noting(profile: str) -> type[Noting]:
    return type("NotingModule", (Noting,), {"profile": profile, "notes": set(), "__doc__": profile})


def __getattr__(name: str) -> type[Noting]:
    """The noting module of each profile, so that it has a URI."""
    profile = name.replace("_", "-")
    if profile not in catalogue().profile:
        raise AttributeError(f"no profile is called {profile!r}")
    return _noting(profile)


# ── Where a mutant differs ───────────────────────────────────────────────────────────────────────────


def places(mutant: Mutant, profile: Profile) -> frozenset[str] | None:
    """Where a profile's module with this mistake first does something else than without it: at one of these. None if
    that is not known, as of a timer that is asked for by its name."""
    if mutant.check is not None:
        code = mutant.check.code
        if mutant.check.unprompted:
            return frozenset((_said(PROMPT, Form.RESPONSE),))
        match mutant.check.change:
            case "sent":
                return frozenset((_said(code, mutant.check.form),))
            case "admitted":
                return frozenset((_said(code, Form.ERROR),))
        return frozenset((_heard(code),))
    if mutant.timer is not None:
        return None if mutant.timer.name in words() else frozenset((_started(mutant.timer.name),))
    if mutant.machine is None:
        return None
    has = features(profile.name)
    ours = next(m for m in catalogue().machines if (m.name, m.role) == (mutant.machine.name, mutant.machine.role))
    return frozenset(_between(ours.within(has), mutant.machine.within(has)))


def _between(ours: Machine, theirs: Machine) -> Iterator[str]:
    """Where two versions of a machine differ."""
    known, by_cell = catalogue(), (cells(ours), cells(theirs))
    events = [{event for _, event in found} for found in by_cell]
    for a, b in zip(ours.states, theirs.states, strict=True):
        if ours.waits(a.name) != theirs.waits(a.name):
            yield _entered(ours.name, a.name)
        for name in set(a.allows) ^ set(b.allows):
            yield _allowed(a.name, known.packet[name].code)
        for event in events[0] | events[1]:
            lone = (event in events[0]) is not (event in events[1])  # a packet that no row knows, a service answers
            if lone or by_cell[0].get((a.name, event)) != by_cell[1].get((a.name, event)):
                yield _cell(ours.name, a.name, event)
    for name in timed(ours) ^ timed(theirs):  # how often it is asked for again
        yield _said(known.packet[name].code, Form.REQUEST)


# ── The record of a profile ──────────────────────────────────────────────────────────────────────────


class Reach(Struct, frozen=True):
    """What the reference module of a profile passes through in each test. `digest` is that of the suite, `knowledge`
    what the module says of itself, `names` are places, `tests` by purpose the numbers of its places."""

    digest: str
    knowledge: str
    names: tuple[str, ...]
    tests: dict[str, tuple[int, ...]]

    def met(self, where: frozenset[str] | None) -> bool:
        """Whether any test comes to one of these places, as far as that is known."""
        return where is None or not where.isdisjoint(self.names)

    def near(self, where: frozenset[str], chosen: Iterable[Purpose]) -> list[Purpose]:
        """Those of some purposes that come to one of these places."""
        numbers = {n for n, name in enumerate(self.names) if name in where}
        return [p for p in chosen if not numbers.isdisjoint(self.tests[p.id])]


def knowledge(certification: Certification) -> str:
    """A digest of what an implementation says of itself: tests adapt to it."""
    known, applying = certification.runner.known, certification.runner.features
    sets = sorted(known.features), applying and sorted(applying)
    said = sets, known.reached, known.raw, sorted(known.properties.items()), known.modes, known.caps
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def survey(profile: str, purposes: Iterable[Purpose], mark: str, folder: Path) -> Reach:
    """Run every test against the reference, note what it passes through, and keep the record in a folder."""
    kind, numbers = _noting(profile), dict[str, int]()
    tests: dict[str, tuple[int, ...]] = {}
    with begin(f"py:{__name__}:{profile.replace('-', '_')}", Options(plan=Plan.CI)) as certification:
        for purpose in purposes:
            kind.notes.clear()
            certification.runner.step(purpose)
            tests[purpose.id] = tuple(numbers.setdefault(n, len(numbers)) for n in sorted(kind.notes))
        made = Reach(mark, knowledge(certification), tuple(numbers), tests)
    folder.mkdir(parents=True, exist_ok=True)
    _file(profile, folder).write_bytes(msgspec.json.encode(made))
    return made


def kept(profile: str, mark: str, folder: Path) -> Reach | None:
    """The record of a profile in a folder, if there is one of this very suite."""
    try:
        found = msgspec.json.decode(_file(profile, folder).read_bytes(), type=Reach)
    except (FileNotFoundError, msgspec.DecodeError):  # none, or it was cut off as it was written
        return None
    return found if found.digest == mark else None


def _file(profile: str, folder: Path) -> Path:
    return folder / f"reach-{profile}.json"
