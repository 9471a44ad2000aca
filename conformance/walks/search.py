"""The search for walks: breadth first from every state that a preamble reaches, on the reference modules.

    python -m opalink.conformance.walks.search [seconds] [profile …]

A configuration is where the machines are and what the steps before have left behind. From each one every step is tried
that may fire a row not yet fired, or lead to a configuration not yet seen. The first walk that fires a row is the
shortest; it is kept if it goes the same way twice.

Plan: the recorder · one trial · the search · the file.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from itertools import product
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from opalink.conformance.conclusions import Fail, Inapplicable, Inconclusive, Unavailable
from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.flit_watch import FlitWatch
from opalink.conformance.tester.matrix import STATES, TRAINING
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.preambles import reach
from opalink.conformance.tester.session import Known, Session
from opalink.conformance.walks.rows import AFTERMATH, STORED, Places, Walk, place, places, rows_of, spoken, walks
from opalink.conformance.walks.table import STEPS, take
from opalink.conformance.wiring import probe
from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import Bench
from opalink.protocol.transport.bench import PlaneChoice
from opalink.spec.form import MS, Form, Received, Role, Row, Send

# ── The recorder ─────────────────────────────────────────────────────────────────────────────────────

PROFILES: Final = ("four-thirds", "standalone", "ultrawide-prime")


class Recorder(Specimen):
    """The reference module of a subclass's profile, which tells which rows fire."""

    profile: ClassVar[str]
    fired: ClassVar[list[tuple[str, Row]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.inner = Module(catalogue().profile[self.profile])
        self.operations, self.planes = self.inner.operations, self.inner.planes
        for run in self.inner.runs.values():
            run.on_row = self._fires

    def _fires(self, run: Any, row: Row, state: str) -> None:
        self.fired.append((place(run.machine, row, state), row))


@cache
def _recorder(profile: str) -> type[Recorder]:
    return type("RecordingModule", (Recorder,), {"profile": profile, "__doc__": profile})


def __getattr__(name: str) -> type[Recorder]:
    """The recording module of each profile, so that it has a URI."""
    profile = name.replace("_", "-")
    if profile not in catalogue().profile:
        raise AttributeError(f"no profile is called {profile!r}")
    return _recorder(profile)


# ── One trial ────────────────────────────────────────────────────────────────────────────────────────


_PROMPT: Final = 50 * MS  # what fires while a request takes longer is a matter of the module's pace


class Trial(Struct):
    """What came of some steps, and what the last of them did: `prompt` is whether it was answered at once, `way` the
    rows that fired on the way to the state and in each step."""

    statuses: tuple[str, ...]
    before: Places
    after: Places
    fired: dict[str, Row]
    sends: tuple[str, ...]
    prompt: bool = True
    way: tuple[tuple[str, ...], ...] = ()


class Search:
    """A session with one module on one plane: a profile's reference module, or what has another URI."""

    def __init__(self, profile: str, plane: PlaneChoice, uri: str = "") -> None:
        self.profile, self.plane = profile, plane
        bench = Bench.open(
            uri or f"py:{Recorder.__module__}:{profile.replace('-', '_')}", clock="virtual", plane=plane, seed=1
        )
        monitor = Monitor(catalogue(), Role.MODULE)
        self.bench = bench
        self.session = Session(bench, monitor, Known())
        if plane == "flit":
            bench.use(plane)
            self.session.bench = FlitBench(bench, FlitWatch(monitor))
        self.session.begin(1)
        probe.know(self.session)

    def try_(self, state: str, steps: tuple[str, ...], seed: int = 1) -> Trial | None:
        """Take the steps from a state; None if that cannot be done."""
        s = self.session
        try:
            Recorder.fired.clear()
            s.begin(seed)
            reach(s, state)
            before = after = places(s)
            way = [tuple(name for name, _ in Recorder.fired)]
            statuses: list[str] = []
            rows: dict[str, Row] = {}
            begun, took = s.now, 0
            for name in steps:
                Recorder.fired.clear()
                begun, before = s.now, after
                statuses.append(take(s, name))
                rows, took = dict(Recorder.fired), s.now - begun
                way.append(tuple(rows))
                after = places(s)
        except (Fail, Inconclusive, Inapplicable, Unavailable):
            return None
        if not steps:
            return Trial((), before, after, {}, (), way=tuple(way))
        wanted = {f"{a.packet}.{a.form}" for r in rows.values() for a in r.actions if isinstance(a, Send)}
        prompt = STEPS[steps[-1]].asks is None or took <= _PROMPT
        # What the tester's phone answers goes out with the step: which of the two is handled first is the module's.
        prompt = prompt and not any(_answered(r, steps[-1]) for r in rows.values())
        return Trial(tuple(statuses), before, after, rows, tuple(sorted(wanted & spoken(s, begun))), prompt, tuple(way))

    def close(self) -> None:
        self.bench.close()

    def later(self) -> Places:
        """Where the machines are when all timers are over."""
        try:
            self.session.let(AFTERMATH)
            return places(self.session)
        except (Fail, Inconclusive):
            return {}


def _answered(row: Row, name: str) -> bool:
    """Whether an answer fires it that a step is not."""
    own = Received(STEPS[name].packet, STEPS[name].form)
    return isinstance(row.event, Received) and row.event.form is Form.RESPONSE and row.event != own


# ── The search ───────────────────────────────────────────────────────────────────────────────────────

_LASTING: Final = ("un", "hot", "condition", "refused", "trust", "owner", "stream", "configure", "update", "spdm")


def _lasting(steps: tuple[str, ...]) -> frozenset[str]:
    """What steps leave behind that no machine's state shows."""
    return frozenset(x for x in steps if x.startswith(_LASTING) or ".un" in x or x == "keepalive.refused")


def _promising(name: str, at: Places, known: dict[tuple[str, str], list[str]], found: Collection[str]) -> bool:
    """Whether a step may fire a row that has not fired, or moves a machine."""
    step = STEPS[name]
    if not step.packet:
        return True
    event = f"{step.packet}_{step.form}"
    rows = [r for m, s in at.items() for r in known.get((f"{m}.{s}", event), ())]
    return any(r not in found for r in rows)


def search(
    profile: str, plane: PlaneChoice, seconds: float, found: dict[str, Walk], told: Callable[[str], object]
) -> None:
    """Look for walks to the rows that have none yet."""
    s, end = Search(profile, plane), time.process_time() + seconds
    own = rows_of(profile)
    known: dict[tuple[str, str], list[str]] = {}
    for name, (m, state, row) in own.items():
        if isinstance(row.event, Received):
            known.setdefault((f"{m.name}.{state}", f"{row.event.packet}_{row.event.form}"), []).append(name)
    seen: set[object] = set()
    left: deque[tuple[str, tuple[str, ...], Places]] = deque()
    for state in STATES:
        if (plane == "flit" or state not in TRAINING) and (begun := s.try_(state, ())) is not None:
            left.append((state, (), begun.after))
    while left and time.process_time() < end:
        state, steps, at = left.popleft()
        for name in STEPS:
            if not _promising(name, at, known, found.keys()):
                continue
            trial = s.try_(state, (*steps, name))
            if trial is None:
                continue
            if trial.prompt and any(r in own and r not in found for r in trial.fired):
                _keep(s, state, (*steps, name), trial, found, told)
            key = tuple(sorted((m, x) for m, x in trial.after.items() if m != "TIME")), _lasting((*steps, name))
            if key not in seen and len(steps) < 4:
                seen.add(key)
                left.append((state, (*steps, name), trial.after))


def _keep(
    s: Search, state: str, steps: tuple[str, ...], first: Trial, found: dict[str, Walk], told: Callable[[str], object]
) -> None:
    """Keep a walk that goes the same way under another seed."""
    again = s.try_(state, steps, seed=7)
    if again is None or (again.statuses, again.after, again.sends) != (first.statuses, first.after, first.sends):
        return
    rows = tuple(dict.fromkeys(r for r in first.fired if r in again.fired))
    fresh = [r for r in rows if r not in found]
    if not fresh:
        return
    made = made_of(s, state, steps, again, (fresh[0], *(r for r in rows if r != fresh[0])))
    found.update(dict.fromkeys(fresh, made))
    told(f"{len(found)} rows, {fresh[0]}: {state} {' '.join(steps)}")


def made_of(s: Search, state: str, steps: tuple[str, ...], last: Trial, rows: tuple[str, ...]) -> Walk:
    """The walk that a trial just now was."""
    later = {} if last.after.get("CAPTURE") in ("STREAMING", "DRAINING", "PAUSED") else s.later()
    both = tuple(zip(steps, last.statuses, strict=True))
    return Walk(rows, s.profile, state, both, last.before, last.after, later, last.sends, s.plane)


# ── The files ────────────────────────────────────────────────────────────────────────────────────────


def store(found: Iterable[Walk], machine: str = "") -> None:
    """Write the files, or that of one machine: each walk once, in the order of their names."""
    kept = {(w.plane, w.name): w for w in found}
    lines: dict[str, list[str]] = {}
    for plane, name in sorted(kept):
        line = json.dumps(msgspec.to_builtins(kept[plane, name]), separators=(",", ":"))
        lines.setdefault(name.partition(".")[0].lower(), []).append(line)
    for name, own in lines.items():
        if machine.lower() in ("", name):
            (STORED / f"{name}.json").write_text("[\n" + ",\n".join(own) + "\n]\n")


def main(seconds: float, profiles: Sequence[str]) -> None:
    """Search on these profiles for what has no walk yet, and write the files."""
    found = {name: w for w in walks() for name in w.rows}
    planes: tuple[PlaneChoice, ...] = ("packet", "flit")
    for profile, plane in product(profiles, planes):
        search(profile, plane, seconds, found, lambda text: sys.stderr.write(f"{text}\n"))
        store((*walks(), *found.values()))


if __name__ == "__main__":
    from opalink.conformance.walks import search as walks_search  # the module that its own URI names, and no second one

    walks_search.main(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0, sys.argv[2:] or PROFILES)
