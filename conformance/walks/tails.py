"""The search for tails: one step more than the row that a mutant has wrong, or two.

    python -m opalink.conformance.walks.tails MACHINE [seconds]

What a row leaves behind (a timer that runs, a session that is forgotten, a link that sleeps) shows only later. For each
mutant of a machine that the suite does not kill, the ways to its wrong row are lengthened by every step, on the
reference; the shortest walk is kept that the judge passes on the reference and fails on the mutant. What a kept walk
kills besides is not looked for again, so that few are kept.

Plan: ways to a row · telling apart · what is left · the search.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import product
from typing import Final

from opalink.conformance.conclusions import Fail, Inapplicable, Inconclusive, Unavailable
from opalink.conformance.selfcheck.equivalence import beyond, equivalent
from opalink.conformance.selfcheck.measure import Depth, Fate, try_mutant
from opalink.conformance.selfcheck.mutants import Mutant, features, mutants
from opalink.conformance.tester.matrix import STATES, TRAINING
from opalink.conformance.walks.rows import Walk, place, rows_of, walk, walks
from opalink.conformance.walks.search import Search, Trial, store
from opalink.conformance.walks.table import STEPS
from opalink.protocol.ir.cases import cells
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import BenchError
from opalink.protocol.transport.bench import PlaneChoice
from opalink.spec.form import Event, Machine, Profile, Received, Role

# ── Ways to a row ────────────────────────────────────────────────────────────────────────────────────

Way = tuple[str, tuple[str, ...]]  # a state to begin in, and steps

_KNOWN: Final = {
    r.event.packet
    for m in catalogue().machines
    if m.role is Role.MODULE
    for r in m.rows
    if isinstance(r.event, Received)
}
_FURTHER: Final = tuple(n for n, step in STEPS.items() if not step.packet or step.packet in _KNOWN)
_SEEDS: Final = (3, 11, 99)  # under which the reference passes a walk


class Ways:
    """Ways on a profile's reference module and a plane, with what fires on each."""

    def __init__(self, profile: str, plane: PlaneChoice) -> None:
        self.profile, self.plane = profile, plane
        self.reference = Search(profile, plane)
        self._tried: dict[Way, Trial | None] = {}

    def close(self) -> None:
        self.reference.close()

    def trial(self, way: Way) -> Trial | None:
        """What comes of a way."""
        if way not in self._tried:
            self._tried[way] = self.reference.try_(*way)
        return self._tried[way]

    def to(self, rows: AbstractSet[str]) -> list[tuple[int, Way]]:
        """The ways on which one of these rows fires, with how many steps ago; the latest and shortest first: stored
        walks, every state, and from each whatever single step may be the row's event."""
        found = dict[Way, None]()
        for w in walks():
            if w.profile == self.profile and w.plane == self.plane and not rows.isdisjoint(w.rows):
                found[w.state, tuple(name for name, _ in w.steps)] = None
        events = {rows_of(self.profile)[name][2].event for name in rows}
        for state in STATES:
            if self.plane == "packet" and state in TRAINING:
                continue
            found[state, ()] = None
            found |= {(state, (name,)): None for name in STEPS if _brings(name, events)}
        for prefix in self._prefixes({rows_of(self.profile)[name][:2] for name in rows}):
            found |= {(prefix[0], (*prefix[1], name)): None for name in STEPS if _brings(name, events)}
        dated = [(ago, way) for way in found if (ago := self._ago(way, rows)) is not None]
        return sorted(dated, key=lambda x: (x[0], len(x[1][1])))

    def _prefixes(self, wanted: AbstractSet[tuple[Machine, str]]) -> list[Way]:
        """The shortest ways that end where a machine is in a state, if no preamble does."""
        out: list[Way] = []
        for machine, state in wanted:
            if any(found.get(machine.name) == state for found in STATES.values()):
                continue
            some = [(w.state, tuple(n for n, _ in w.steps)) for w in walks() if w.after.get(machine.name) == state]
            some += [w for w, t in self._tried.items() if t is not None and t.after.get(machine.name) == state]
            out += sorted(dict.fromkeys(some), key=lambda way: len(way[1]))[:2]
        return out

    def _ago(self, way: Way, rows: AbstractSet[str]) -> int | None:
        trial = self.trial(way)
        fired = [] if trial is None else [n for n, names in enumerate(trial.way) if not rows.isdisjoint(names)]
        return len(way[1]) - fired[-1] if fired else None

    def made(self, way: Way, rows: AbstractSet[str]) -> Walk | None:
        """The walk about one of these rows that a way is; where its timers lead is not looked at."""
        trial = self.trial(way)
        if trial is None or not way[1] or (ago := self._ago(way, rows)) is None:
            return None
        state, steps = way
        about = next(r for r in trial.way[len(steps) - ago] if r in rows)
        machine, known = about.partition(".")[0], rows_of(self.profile)
        # What the tester's phone answers meanwhile is handled sooner or later, and fires rows of other machines.
        fired = (
            r for r in dict.fromkeys(trial.way[-1]) if r in known and (trial.prompt or r.startswith(f"{machine}."))
        )
        last = tuple(r for r in fired if ago or r != about)
        both = tuple(zip(steps, trial.statuses, strict=True))
        return Walk(
            (about, *last), self.profile, state, both, trial.before, trial.after, {}, trial.sends, self.plane, tail=ago
        )

    def passes(self, w: Walk) -> bool:
        """Whether the reference passes a walk whatever the seed."""
        return all(judged(self.reference, w, seed) == "PASS" for seed in _SEEDS)


def _brings(name: str, events: Collection[Event]) -> bool:
    """Whether a step may be one of these events, or bring it about."""
    step = STEPS[name]
    if not step.packet:
        return not all(isinstance(e, Received) for e in events) or name.startswith(("update", "power", "time"))
    return any(isinstance(e, Received) and (e.packet, e.form) == (step.packet, step.form) for e in events)


# ── Telling apart ────────────────────────────────────────────────────────────────────────────────────


def judged(s: Search, w: Walk, seed: int = _SEEDS[0]) -> str:
    """What the judge says of a module for a walk."""
    try:
        s.session.begin(seed)
        walk(s.session, w)
    except (Fail, BenchError):
        return "FAIL"
    except (Inapplicable, Inconclusive, Unavailable):
        return ""
    return "PASS"


def cells_wrong(mutant: Mutant, profile: Profile) -> set[str]:
    """The declared rows of the cells in which a mutant's machine is another."""
    if mutant.machine is None:
        return set()
    has = features(profile.name)
    name, role = mutant.machine.name, mutant.machine.role
    whole = next(m for m in catalogue().machines if (m.name, m.role) == (name, role))
    ours, theirs = whole.within(has), mutant.machine.within(has)
    declared, other = cells(ours), cells(theirs)
    return {place(ours, r, key[0]) for key, rows in declared.items() if rows != other.get(key) for r in rows}


_WAYS: Final = 3  # that are lengthened
_FIRST: Final = (
    "wait.2200 wait.110 hello.resume hello.new show away dark light attach detach configure eject.prepare offer "
    "link_pm.l1 trust.genuine spdm.next spdm.anew update.begin update.bad update.blocks update.activate update.abort "
    "power.granted stream.start.1 condition.link_degraded trigger.ahead time.locked keepalive.request"
).split()  # further steps that are tried before all others
_EACH: Final = 5.0  # seconds of processor time for a mutant


class Tails:
    """The search on a profile and a plane: what it has found, and which further steps told most."""

    def __init__(self, profile: Profile, plane: PlaneChoice) -> None:
        self.profile, self.ways = profile, Ways(profile.name, plane)
        self.found: list[Walk] = []
        self.told = Counter(_FIRST)
        self.names = {w.name for w in walks() if w.plane == plane}
        self.stored = [w for w in walks() if (w.profile, w.plane) == (profile.name, plane)]

    def longer(self, rows: AbstractSet[str]) -> Iterator[Walk]:
        """Walks about one of these rows, the shorter first: the ways to them, and these with one step more."""
        ways = self.ways.to(rows)
        for ago, way in ways:
            if ago == 0 and (w := self.ways.made(way, rows)) is not None:
                yield w
        begun: dict[tuple[str, ...], Way] = {}
        for _, way in ways:  # of those that fire the same, the shortest
            trial = self.ways.trial(way)
            if trial is not None:
                begun.setdefault((*sorted(rows & set(trial.way[-1])), *sorted(trial.after.values())), way)
        for state, steps in list(begun.values())[:_WAYS]:
            for name in sorted(_FURTHER, key=lambda n: -self.told[n]):
                if (w := self.ways.made((state, (*steps, name)), rows)) is not None:
                    yield w

    def apart(self, mutant: Mutant) -> Walk | None:
        """A walk that fails a mutant and not the reference: one that is found already, or the shortest."""
        rows, end = cells_wrong(mutant, self.profile), time.process_time() + _EACH
        try:
            other = Search(self.profile.name, self.ways.plane, mutant.uri(self.profile))
        except BenchError:
            return None
        try:
            for w in (*reversed(self.found), *self.stored):
                if not rows.isdisjoint(w.rows) and judged(other, w) == "FAIL":
                    return w
            for w in self.longer(rows):
                if w.name not in self.names and judged(other, w) == "FAIL" and self.ways.passes(w):
                    self.found.append(w)
                    self.names.add(w.name)
                    self.told[w.steps[-1][0]] += 1
                    return w
                if time.process_time() > end:
                    break
            return None
        finally:
            other.close()


# ── What is left ─────────────────────────────────────────────────────────────────────────────────────


def survivors(machine: str) -> Iterator[Mutant]:
    """The mutants of a machine that no test kills which cites what they have wrong."""
    for mutant in mutants().values():
        if mutant.machine is None or mutant.machine.name != machine or mutant.operator.startswith("legal"):
            continue
        if try_mutant(mutant, Depth.CITING).fate is Fate.SURVIVED:
            yield mutant


# ── The search ───────────────────────────────────────────────────────────────────────────────────────


def search(machine: str, seconds: float, left: Iterable[Mutant], told: Callable[[str], object]) -> list[Walk]:
    """Walks that tell these mutants from the reference."""
    end, tails = time.process_time() + seconds, dict[tuple[str, PlaneChoice], Tails]()
    planes: tuple[PlaneChoice, ...] = ("packet", "flit") if machine in _BOTH else ("packet",)
    for mutant in left:
        if time.process_time() > end:
            break
        w = None
        for profile, plane in product(mutant.profiles, planes):
            if w is None and not equivalent(mutant, profile) and not beyond(mutant, profile):
                key = profile.name, plane
                tails[key] = tails.get(key) or Tails(profile, plane)
                w = tails[key].apart(mutant)
        told(f"{mutant.id}: {' '.join((w.profile, w.plane, w.state, *(n for n, _ in w.steps))) if w else 'none'}")
    for t in tails.values():
        t.ways.close()
    return [w for t in tails.values() for w in t.found]


_BOTH: Final = ("LINK",)  # the machines that FLITs have rows fire of


def main(machine: str, seconds: float) -> None:
    """Search, and write the file of the machine as it is by then, with what was found."""
    found = search(machine, seconds, survivors(machine), lambda text: sys.stderr.write(f"{text}\n"))
    walks.cache_clear()
    store((*walks(), *found), machine)


if __name__ == "__main__":
    from opalink.conformance.walks import tails  # the module that its own URI names, and no second one

    tails.main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 600.0)
