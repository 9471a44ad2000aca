"""The suite measured: what it says of mutants, of the zoo, and of modules that keep to every rule.

A mutant meets the tests that cite its requirements first, then those of its chapter, then all others, and is killed by
the first that fails: an open verdict kills nothing. Tests that never come near a mistake are left out, see `reach`.

Plan: outcomes · mutants · the zoo · legal variation · what it comes to · the last result.
"""

import json
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, Final

from msgspec import Struct, structs

from opalink.conformance.bundle.coverage import REASONS
from opalink.conformance.campaign import begin, certify
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options, Runner
from opalink.conformance.sealed.sources import digest
from opalink.conformance.selection import select
from opalink.conformance.selfcheck.composition import refused
from opalink.conformance.selfcheck.equivalence import beyond, equivalent, wrong_rows
from opalink.conformance.selfcheck.mutants import Mutant, mutants
from opalink.conformance.selfcheck.reach import Reach, knowledge, places
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.walks.rows import walks
from opalink.conformance.zoo import roster as zoo
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import BenchError
from opalink.spec.form import Level, Profile, Role, Testability

# ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────


class Part(StrEnum):
    """What is tried."""

    MUTANTS = "mutants"
    CODE = "code"  # mutants that a general tool makes of the reference module's code
    ZOO = "zoo"
    SEEDS = "seeds"  # legal variation


class Depth(StrEnum):
    """How many tests a mutant meets before it counts as a survivor."""

    CITING = "citing"
    CHAPTER = "chapter"
    CORPUS = "corpus"


class Fate(StrEnum):
    """What became of a trial."""

    KILLED = "killed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"  # proved
    OUTSIDE = "outside"  # no profile's module can show it, or no bench can see it: `why` says which
    EXPECTED = "expected"  # the zoo: as it should
    SURPRISE = "surprise"
    FAILED = "failed"  # legal variation: what keeps to the rules was failed


class Outcome(Struct, frozen=True):
    """One trial. `by` is the test that decided, `stage` the depth at which it did or to which it was gone, `charged`
    the requirements found violated, `why` what else is to be said."""

    id: str
    digest: str
    part: Part
    fate: Fate
    stage: str = ""
    by: str = ""
    charged: tuple[str, ...] = ()
    why: str = ""


# ── Mutants ──────────────────────────────────────────────────────────────────────────────────────────

_STUCK: Final = 30.0  # seconds of processor time that a test of a mutant may take


class StuckError(Exception):
    """A mutant that never comes back."""


@contextmanager
def limited() -> Iterator[None]:
    """End what does not end by itself: a mutant runs in this very process."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise StuckError("It never comes back.")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _STUCK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def stages(mutant: Mutant, purposes: Sequence[Purpose]) -> dict[Depth, list[Purpose]]:
    """The tests that a mutant meets, each once."""
    cited, subjects = set(mutant.requirements), set(mutant.subjects)
    if mutant.machine is not None:
        subjects.add(mutant.machine.name)
    out: dict[Depth, list[Purpose]] = {d: [] for d in Depth}
    for p in purposes:
        _, area, subject, *_ = p.id.split("/")
        if cited & set(p.requirements) or subject in subjects:
            out[Depth.CITING].append(p)
        else:
            out[Depth.CHAPTER if area == mutant.area else Depth.CORPUS].append(p)
    walks = f"/{mutant.machine.name}/" if mutant.machine else "/"
    out[Depth.CITING].sort(key=lambda p: (walks not in p.id, not cited & set(p.requirements)))
    return out


def try_mutant(
    mutant: Mutant, depth: Depth = Depth.CORPUS, mark: str = "", kept: Mapping[str, Reach] | None = None
) -> Outcome:
    """What the suite says of a mutant: on the next profile only where it survives on one. `kept` are the profiles
    whose record says which tests come near it; without one all are tried."""
    tried = []
    for profile in _where(mutant, kept or {}):
        tried.append(_try_on(profile, mutant, depth, mark, (kept or {}).get(profile.name)))
        if tried[-1].fate is Fate.KILLED:
            return tried[-1]
    if not tried:
        why = f"No profile's module is {' and '.join(mutant.needs)}."
        return Outcome(mutant.id, mark, Part.MUTANTS, Fate.OUTSIDE, why=why)
    found = min(tried, key=lambda o: _RANK.index(o.fate))
    why = _excused(mutant) if found.fate is Fate.SURVIVED else ""
    return structs.replace(found, fate=Fate.OUTSIDE, why=why) if why else found


_RANK: Final = (Fate.SURVIVED, Fate.OUTSIDE, Fate.EQUIVALENT)  # what profiles say differently of a mutant


def _excused(mutant: Mutant) -> str:
    """Why the suite can see nothing of what a mistake breaks, if it says so of all its requirements."""
    why = [REASONS.get(id_, "") for id_ in mutant.requirements]
    return why[0] if mutant.check is not None and all(why) else ""


def _where(mutant: Mutant, kept: Mapping[str, Reach]) -> Sequence[Profile]:
    """The profiles on which a mutant is tried: where no test comes near it on the usual ones, another on which some
    do."""
    usual = mutant.profiles
    if any(p.name not in kept or kept[p.name].met(places(mutant, p)) for p in usual):
        return usual
    others = (p for p in mutant.able if p.name in kept and kept[p.name].met(places(mutant, p)))
    return (*usual, *islice(others, 1))


def _try_on(profile: Profile, mutant: Mutant, depth: Depth, mark: str, reach: Reach | None = None) -> Outcome:
    def outcome(fate: Fate, stage: str = "", by: str = "", charged: tuple[str, ...] = (), why: str = "") -> Outcome:
        return Outcome(mutant.id, mark, Part.MUTANTS, fate, stage, by, charged, why)

    if equivalent(mutant, profile):
        return outcome(Fate.EQUIVALENT, why=f"The machines of {profile.name} part nowhere.")
    if refused(mutant, profile):
        return outcome(
            Fate.EQUIVALENT, why=f"On {profile.name} another machine refuses it wherever the gate lets it pass."
        )
    if why := beyond(mutant, profile):
        return outcome(Fate.OUTSIDE, why=why)
    with limited():
        try:
            certification = begin(mutant.uri(profile), Options(plan=Plan.CI))
        except (BenchError, StuckError) as error:
            return outcome(Fate.KILLED, Depth.CITING, "binding", why=str(error))
    runner, met = certification.runner, 0
    try:
        if certification.stopped:
            why, cited = " ".join(certification.stopped), set(mutant.requirements)
            return outcome(Fate.KILLED, Depth.CITING, "PICS", next(_failures(runner, cited), ()), why)
        where = None
        if reach is not None and knowledge(certification) == reach.knowledge:  # else its tests adapt to something else
            where = places(mutant, profile)
        for stage, purposes in stages(mutant, select(Role.MODULE, Plan.CI)).items():
            for purpose in purposes if where is None or reach is None else reach.near(where, purposes):
                with limited():
                    result = runner.step(purpose)
                if result.verdict is Verdict.FAIL:
                    return outcome(Fate.KILLED, stage, purpose.id, result.charged or result.requirements)
                if result.verdict is Verdict.ERROR:
                    stuck = result.reason.startswith(StuckError.__name__)
                    why = f"{purpose.id}: {result.reason}"
                    return outcome(Fate.KILLED if stuck else Fate.SURVIVED, stage, purpose.id, why=why)
                met += result.verdict in (Verdict.PASS, Verdict.INCONC)
            if stage is depth:
                break
        return outcome(Fate.SURVIVED, depth, why=f"On {profile.name} none of {met} tests failed.")
    finally:
        runner.close()


def _failures(runner: Runner, cited: set[str]) -> Iterator[tuple[str, ...]]:
    """What the tests of some requirements charge, where they fail."""
    for purpose in select(Role.MODULE, Plan.CI):
        if cited.intersection(purpose.requirements):
            with limited():
                result = runner.step(purpose)
            if result.verdict is Verdict.FAIL:
                yield result.charged or result.requirements


# ── The zoo ──────────────────────────────────────────────────────────────────────────────────────────


def try_member(member: zoo.Member, mark: str = "") -> Outcome:
    """Whether a campaign says of a member of the zoo what it should."""
    try:
        options = Options(member.plan, selection=member.selection, role=member.role, patience=3)
        found = zoo.surprise(member, certify(member.uri, options))
    except BenchError as error:
        expected = member.conclusion is Conclusion.TESTER_FAULT and any(c in str(error) for c in member.causes)
        found = "" if expected else str(error)
    known = catalogue().by_key
    causes = tuple(known[c].id if c in known else c for c in member.causes)
    fate = Fate.SURPRISE if found else Fate.EXPECTED
    return Outcome(f"zoo.{member.name}", mark, Part.ZOO, fate, charged=() if found else causes, why=found)


# ── Legal variation ──────────────────────────────────────────────────────────────────────────────────

SHARES: Final = 40  # of the plan: a seed is given one of them, so that as many seeds in a row make the whole


def try_legal(name: str, uri: str, seed: int, mark: str = "") -> Outcome:
    """Whether a module that keeps to every rule is failed with what a seed draws, by the tests of its share."""
    with begin(uri, Options(Plan.CI, seed=seed)) as certification:
        chosen = select(certification.runner.role, Plan.CI)[seed % SHARES :: SHARES]
        wrong = [r for r in certification.run(chosen, None).results if r.verdict in _WRONG]
    why = "; ".join(f"{r.id}: {r.expected or r.reason}" for r in wrong)
    return Outcome(f"seed.{name}.{seed}", mark, Part.SEEDS, Fate.FAILED if wrong else Fate.EXPECTED, why=why)


_WRONG: Final = (Verdict.FAIL, Verdict.ERROR)


def legal() -> dict[str, str]:
    """Every profile's module and the odd ones that are legal: name and URI."""
    out = {profile.name: f"sim:{profile.name}" for profile in catalogue().profiles}
    return out | {m.name: m.uri for m in zoo.members().values() if m.conclusion is Conclusion.CONFORMANT}


# ── What it comes to ─────────────────────────────────────────────────────────────────────────────────

LEAST: Final = 0.95  # of the mutants that are not equivalent are killed


def testable() -> list[str]:
    """The MUSTs of a module that something can be seen of."""
    shown = (Testability.ACTIVE, Testability.PASSIVE, Testability.STATIC)
    return [
        r.id for r in catalogue().requirements if r.level is Level.MUST and r.role is not Role.PHONE and r.test in shown
    ]


class Triage(StrEnum):
    """What kind of gap a survivor shows."""

    UNREACHED = "no stored walk fires the row that it has wrong"
    UNTOLD = "walks fire the row, and nothing that they look at tells"
    PACKET = "no test of the packet type, or of the state, tells"
    TIMER = "no test measures the timer, or what it is for"


def triage(mutant: str) -> Triage:
    """What kind of gap a surviving mutant shows."""
    found = mutants()[mutant]
    operator = found.id.partition(".")[0]
    if operator == "timer":
        return Triage.TIMER
    if found.machine is None or operator == "legal":
        return Triage.PACKET
    fired = {row for w in walks() for row in w.rows}
    wrong = [wrong_rows(found, profile.name) for profile in found.profiles]
    return Triage.UNTOLD if not any(wrong) or any(rows & fired for rows in wrong) else Triage.UNREACHED


def witnesses(outcomes: Iterable[Outcome]) -> set[str]:
    """The requirements of which a witness was seen to fail: a member of the zoo that was charged with what it is there
    for, or a mutant with what its place cites."""
    cites = {m.id: m.requirements for m in mutants().values()}
    phones = {f"zoo.{name}" for name in zoo.of_role(Role.PHONE)}  # what those break is no module's
    seen: set[str] = set()
    for o in outcomes:
        if o.part is Part.MUTANTS and o.fate is Fate.KILLED:
            seen.update(set(cites[o.id]).intersection(o.charged))
        elif o.fate is Fate.EXPECTED and o.part is Part.ZOO and o.id not in phones:
            seen.update(o.charged)
    return seen


def _musts(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Which MUSTs have a witness: which have none, and no reason, can be said once the whole zoo was tried."""
    musts, seen = testable(), witnesses(outcomes)
    members = {f"zoo.{name}" for name in zoo.members()}
    tried = members.intersection(o.id for o in outcomes)
    return {
        "testable": len(musts),
        "witnessed": sum(id_ in seen for id_ in musts),
        "zoo_tried": len(tried),
        "zoo_members": len(members),
        "excused": sum(id_ in REASONS and id_ not in seen for id_ in musts),
        "lacking": [id_ for id_ in musts if id_ not in seen and id_ not in REASONS] if tried == members else None,
    }


def summary(outcomes: Sequence[Outcome], known: Sequence[Outcome] = ()) -> dict[str, Any]:
    """The numbers, as `opalink selfcheck --json` prints them. `known` is what other runs of this very suite found: it
    counts as to witnesses alone."""
    tried = [o for o in outcomes if o.part is Part.MUTANTS]
    slips = [o for o in outcomes if o.part is Part.CODE]
    of = {fate: [o for o in outcomes if o.fate is fate and o.part is not Part.CODE] for fate in Fate}
    areas = {m.id: m.area for m in mutants().values()} if tried else {}
    rates = {
        area: {f: sum(o.fate is f and areas[o.id] == area for o in tried) for f in (Fate.KILLED, Fate.SURVIVED)}
        for area in sorted({areas[o.id] for o in tried})
    }
    return {
        "digest": outcomes[0].digest,
        "mutants": {
            "registered": len(mutants()),
            "total": len(tried),
            "outside": len(of[Fate.OUTSIDE]),
            "equivalent": len(of[Fate.EQUIVALENT]),
            "killed": len(of[Fate.KILLED]),
            "survived": [
                {"id": o.id, "stage": o.stage, "why": o.why, "triage": triage(o.id)} for o in of[Fate.SURVIVED]
            ],
            "unseen": dict(Counter(o.why for o in of[Fate.OUTSIDE])),
            "areas": rates,
        },
        "code": {
            "total": len(slips),
            "killed": sum(o.fate is Fate.KILLED for o in slips),
            "survived": [{"id": o.id, "why": o.why} for o in slips if o.fate is Fate.SURVIVED],
        },
        "must": _musts([*known, *outcomes]),
        "zoo": {
            "total": sum(o.part is Part.ZOO for o in outcomes),
            "as_expected": sum(o.part is Part.ZOO and o.fate is Fate.EXPECTED for o in outcomes),
        },
        "surprises": [{"id": o.id, "why": o.why} for o in (*of[Fate.SURPRISE], *of[Fate.FAILED])],
        "false_failures": len(of[Fate.FAILED]),
    }


# ── The last result ──────────────────────────────────────────────────────────────────────────────────

RECORD: Final = "selfcheck.json"


def record(numbers: dict[str, Any], path: Path | None = None) -> Path:
    """Keep the numbers of a run beside the suite that they belong to."""
    path = path or Path(__file__).with_name(RECORD)
    path.write_text(json.dumps(numbers, indent=1) + "\n")
    return path


def recorded(path: Path | None = None) -> dict[str, Any]:
    """The numbers that were kept last. Raises FileNotFoundError where there are none."""
    numbers: dict[str, Any] = json.loads((path or Path(__file__).with_name(RECORD)).read_text())
    return numbers


def stale(numbers: dict[str, Any]) -> str:
    """What is to be said of numbers that belong to another suite than this; empty if they belong to this one."""
    now = digest()
    if numbers["digest"] == now:
        return ""
    return f"These numbers are of another suite: its digest was {numbers['digest'][:12]}, and is now {now[:12]}."


def good(outcomes: Sequence[Outcome], whole: bool) -> bool:
    """Whether the suite is as good as it must be: of a sample nothing is asked about witnesses, and of mutants of code
    nothing at all, as none can be proved equivalent."""
    count = {fate: sum(o.fate is fate and o.part is not Part.CODE for o in outcomes) for fate in Fate}
    decided = count[Fate.KILLED] + count[Fate.SURVIVED]
    enough = count[Fate.KILLED] >= LEAST * decided
    witnessed = not whole or _musts(outcomes)["lacking"] == []
    return enough and witnessed and not count[Fate.SURPRISE] and not count[Fate.FAILED]
