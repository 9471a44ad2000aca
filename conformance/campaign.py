"""The campaign: every purpose once, each from a cold start, in one connection for as long as that lives.

A campaign is deterministic: each purpose has its own seed, SHA-256 of the campaign's seed and the purpose's ID, so that
adding one purpose shifts no other. A connection that dies is opened again (a program is started again); what died takes
the blame, and the next purpose begins anew.

In real time a failure may be the bench's: a host that was busy at the wrong moment. So what fails there is executed
again, with the same bytes. What fails every time is a failure; what does not is inconclusive, and never a pass.

Plan: options · the runner: one purpose, the whole plan · certify · the conclusion.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from opalink.conformance import exchanges, pics, probe
from opalink.conformance.coverage import coverage
from opalink.conformance.levels import REACH_OF, Reach, operations_of, reach_of, reached
from opalink.conformance.monitors import Monitor, Violation
from opalink.conformance.pics import Pics, PicsError
from opalink.conformance.purposes import Exchange, Plan, Purpose
from opalink.conformance.results import Actor, Bound, Campaign, Result, Step
from opalink.conformance.scenarios import scenario_of
from opalink.conformance.selection import obstacle, select
from opalink.conformance.session import Coarse, Fail, Inapplicable, Inconclusive, Known, Session, Unavailable
from opalink.conformance.verdicts import Conclusion, Verdict, conclude
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue as published
from opalink.protocol.packets import ClockMode, Status
from opalink.protocol.transport import Bench, BenchError, BindingError
from opalink.protocol.transport.bench import ClockChoice, PlaneChoice
from opalink.spec.form import Level, Role

# ── Options ──────────────────────────────────────────────────────────────────────────────────────────

PATIENCE = 5.0  # seconds of real time that an implementation may take over one step
GIVE_UP = 5  # purposes in a row that crash or hang before the rest is not run
LOADED: Final = 10  # rounds of a measurement under load
TIMES: Final = 3  # that a purpose must fail in real time, where it might be the bench's doing

# Passive rules of the binding that the transport judges of every record, in virtual time.
_KEPT_BY_BENCH = ("R-BEN-002", "R-BEN-010", "R-BEN-034", "R-BEN-035", "R-BEN-037")

Progress = Callable[[Result, int, int], None]


class Options(Struct, frozen=True):
    """What a campaign is to do. `keep` is whether the steps of tests that passed are kept too. `level` is the one that
    must be reached: by default all of it under the plan `cert`, else as far as the bench reaches."""

    plan: Plan = Plan.CI
    profile: str = ""
    pics: Path | None = None
    selection: str = ""
    seed: int = 1
    clock: ClockChoice = "auto"
    plane: PlaneChoice = "packet"
    keep: bool = False
    level: Reach | None = None
    patience: float = PATIENCE


def seed_of(campaign: int, purpose: str) -> int:
    """The seed of one purpose."""
    return int.from_bytes(hashlib.sha256(f"{campaign} {purpose}".encode()).digest()[:8], "little")


# ── The runner ───────────────────────────────────────────────────────────────────────────────────────


class Runner:
    """A tester and an implementation, for as long as it takes."""

    def __init__(self, uri: str, options: Options, catalogue: ir.Catalogue) -> None:
        self.uri, self.options, self.catalogue = uri, options, catalogue
        self.monitor = Monitor(catalogue, Role.MODULE)
        self.known = Known()
        self._should = {r.id for r in catalogue.requirements if r.level is Level.SHOULD}
        self.warnings: Counter[str] = Counter()
        self.died = False  # whether the last purpose ended the connection
        self.features: frozenset[str] | None = None  # by which purposes apply; None if not known
        self.bench = self._open()
        self.session = Session(self.bench, self.monitor, self.known)
        if not self.bench.virtual:
            self._calibrate()

    def _open(self) -> Bench:
        o = self.options
        return Bench.open(self.uri, clock=o.clock, plane=o.plane, seed=o.seed or 1, patience=o.patience)

    def close(self) -> None:
        self.bench.close()

    def reconnect(self) -> bool:
        """A new connection, after one has died."""
        self.bench.close()
        try:
            self.bench = self._open()
        except (BenchError, OSError):
            return False
        self.session.bench = self.bench
        return True

    # ── One purpose ──

    def run(self, purpose: Purpose) -> Result:
        """Execute a purpose; in real time, execute again what fails. Nothing that the implementation does is raised
        here."""
        broken, slack = self.monitor.broken.copy(), self.monitor.slack
        result = self._once(purpose)
        for times in range(2, TIMES + 1):
            if self.bench.virtual or result.verdict is not Verdict.FAIL or self.died:
                break
            self._loaded()
            again = self._once(purpose)
            if again.verdict is not Verdict.FAIL:
                self.monitor.broken = broken
                reason = (
                    f"It failed {times - 1} of {times} times, which in real time may be the bench's doing: "
                    f"expected {result.expected}, saw {result.actual}."
                )
                result = structs.replace(result, verdict=Verdict.INCONC, charged=(), reason=reason)
            else:
                result = again
        self.monitor.slack = slack
        return result

    def _loaded(self) -> None:
        """Measure the bench as a test has left it, under the load of what still flows."""
        try:
            self._calibrate(LOADED)
        except BenchError:
            self.reconnect()

    def _calibrate(self, rounds: int = 200) -> None:
        """What the bench itself takes is nobody's fault."""
        self.monitor.slack = max(self.monitor.slack, self.bench.calibrate(rounds).max)

    def _once(self, purpose: Purpose) -> Result:
        """Execute a purpose once."""
        seed = seed_of(self.options.seed, purpose.id)
        self.died = False
        verdict, expected, actual, reason = Verdict.PASS, "", "", ""
        charged: tuple[str, ...] = ()
        unrun = self._unrun(purpose)
        s = self.session
        try:
            s.begin(seed)
            if isinstance(purpose.run, Exchange):
                exchanges.run(s, purpose.run)
            else:
                scenario_of(purpose)(s)
            self.monitor.end(s.now)
        except Fail as fail:
            verdict, expected, actual, charged = Verdict.FAIL, fail.expected, fail.actual, fail.charged
        except Inconclusive as why:
            verdict, reason = Verdict.INCONC, str(why)
        except Inapplicable as why:
            verdict, reason = Verdict.NA, str(why)
        except Coarse as why:
            verdict, reason, unrun = Verdict.NOTRUN, str(why), structs.replace(unrun, owed=False)
        except Unavailable as lacking:
            verdict, reason = Verdict.NOTRUN, str(lacking)
            unrun = structs.replace(unrun, level=max(unrun.level, REACH_OF[lacking.operation]))
        except BindingError as broken:
            self.died = True
            verdict, expected, actual = Verdict.FAIL, "the rules of the bench binding", str(broken)
            charged = (broken.rule,) if broken.rule else ()
        except BenchError as gone:  # Closed or Hang
            self.died = True
            verdict, expected, actual = Verdict.FAIL, "an implementation that goes on working", _last_words(gone)
            charged = ("R-WIRE-021",)
        except Exception as error:  # noqa: BLE001  the tester's own fault, which says nothing of the implementation
            verdict, reason = Verdict.ERROR, f"{type(error).__name__}: {error}"
        if verdict in (Verdict.PASS, Verdict.INCONC) and (broken_rules := self._violations()):
            verdict, reason = Verdict.FAIL, "A monitor saw it in passing."
            expected, actual = broken_rules[0].expected, broken_rules[0].actual
            charged = tuple(dict.fromkeys(v.requirement for v in broken_rules))
        elif verdict is Verdict.PASS and self.monitor.unsure:
            verdict, reason = Verdict.INCONC, f"The bench carried too much to judge: {self.monitor.unsure[0]}."
        self.died |= s.spent
        if self.bench.virtual and not self.died:  # the transport would have said so
            for rule in _KEPT_BY_BENCH:
                self.monitor.keep(rule)
        steps = tuple(s.steps) if self.options.keep or verdict is not Verdict.PASS else ()
        if steps:
            words = reason or (f"expected {expected}, saw {actual}" if expected else "")
            steps = (*steps, Step(steps[-1].time, Actor.SUITE, note=f"verdict {verdict}: {words}".rstrip(": ")))
        span = 0 if verdict is Verdict.ERROR else s.now if self.bench.virtual else 0
        return structs.replace(
            unrun, verdict=verdict, charged=charged, expected=expected, actual=actual, reason=reason, seed=seed,
            span=span, steps=steps,
        )  # fmt: skip

    def _unrun(self, purpose: Purpose) -> Result:
        """The result of a purpose that has not been executed."""
        needed = operations_of(purpose, self.features or ())
        offered = self.options.plan is Plan.CERT and bool(self.bench.peer.clocks & ClockMode.VIRTUAL)
        return Result(
            purpose.id, Verdict.NOTRUN, purpose.requirements, purpose.sentence, purpose.needs, reach_of(needed),
            owed=not purpose.virtual or self.bench.virtual or offered,
        )  # fmt: skip

    def _violations(self) -> list[Violation]:
        """What the monitor saw broken, SHOULDs aside: those are warnings."""
        hard: list[Violation] = []
        for v in self.monitor.violations:
            if v.requirement in self._should:
                self.warnings[v.requirement] += 1
            else:
                hard.append(v)
        return hard

    def probe(self) -> tuple[Bound, dict[str, bool]]:
        """Read what the implementation says of itself, before any test."""
        bound = probe.bound(self.bench)
        observed: dict[str, bool] = {}
        try:
            self.session.begin(seed_of(self.options.seed, "probe"))
            probe.know(self.session)
            self.session.begin(seed_of(self.options.seed, "observe"))
            observed = probe.observe(self.session)
        except (Fail, Inconclusive):
            pass  # the tests will say why
        except BenchError:
            self.reconnect()
        return bound, observed

    # ── The whole plan ──

    def campaign(self, purposes: Sequence[Purpose], progress: Progress | None) -> list[Result]:
        """Every purpose once."""
        results: list[Result] = []
        deaths, gone = 0, ""
        for purpose in purposes:
            why = obstacle(purpose, self.bench, self.options.plane, self.features)
            if why is None and gone:
                why = Verdict.NOTRUN, gone
            if why is not None:
                verdict, reason = why
                result = structs.replace(self._unrun(purpose), verdict=verdict, reason=reason)
            else:
                result = self.run(purpose)
                if self.died:
                    deaths += not self.session.spent
                    if not self.reconnect():
                        gone = "The implementation went away and did not come back."
                    elif deaths >= GIVE_UP:
                        gone = f"The implementation crashed or hung {deaths} times in a row."
                else:
                    deaths = 0
            results.append(result)
            if progress is not None:
                progress(result, len(results), len(purposes))
        return results

    def moot(self, purposes: Sequence[Purpose], results: Sequence[Result]) -> list[Result]:
        """What could not be run and turns out to be about nothing: its premise, a status, was never answered. Only a
        whole plan can say so."""
        if self.options.selection:
            return list(results)
        premise = {p.id: p.premise for p in purposes if p.premise}
        never = {name for name in premise.values() if not self.monitor.answers[Status[name]]}
        return [
            structs.replace(r, verdict=Verdict.NA, reason=f"It has never answered {premise[r.id]}.")
            if r.verdict is Verdict.NOTRUN and premise.get(r.id) in never
            else r
            for r in results
        ]


def _last_words(error: BenchError) -> str:
    first = error.evidence.strip().splitlines()
    return f"{error} {first[-1]}" if first else str(error)


# ── Certify ──────────────────────────────────────────────────────────────────────────────────────────


def certify(uri: str, options: Options | None = None, progress: Progress | None = None) -> Campaign:
    """Judge the implementation at a URI. Raises UriError, Unreachable and NotOffered where there is nothing to judge,
    BadExpression for a selection that is none, PicsError for a PICS that cannot be used."""
    o = options or Options()
    catalogue = published()
    chosen = select(Role.MODULE, o.plan, o.selection)
    declared = pics.load(o.pics, catalogue) if o.pics else None
    if declared and (problems := pics.review(declared, catalogue)):
        raise PicsError(f"The PICS is illegal. {' '.join(problems)}")
    runner = Runner(uri, o, catalogue)
    try:
        return _certify(runner, chosen, declared, progress)
    finally:
        runner.close()


def _certify(runner: Runner, chosen: Sequence[Purpose], declared: Pics | None, progress: Progress | None) -> Campaign:
    o, catalogue = runner.options, runner.catalogue
    bound, observed = runner.probe()
    known = runner.known
    seen = probe.picture(catalogue, bound, known, observed)
    warnings = list(pics.review(seen, catalogue)) if known.reached else []
    if declared is None:
        statement = seen
    else:
        statement = Pics(
            declared.product, declared.version, declared.catalogue, declared.role, declared.profile, declared.features,
            seen.advertised, observed,
        )  # fmt: skip
    if o.profile:
        statement = structs.replace(statement, profile=o.profile)
    contradicted = []
    if known.reached:
        contradicted = pics.contradictions(statement.features, seen.advertised, observed)
        if o.profile:
            contradicted += pics.review(statement, catalogue)
    stop = bool(contradicted) and o.plan is not Plan.QUICK
    warnings += contradicted
    runner.features = features = statement.declared if known.reached or declared else None
    results = [] if stop else runner.moot(chosen, runner.campaign(chosen, progress))
    both = zip(chosen, results, strict=not stop)
    moot = {id_ for p, r in both if p.premise and r.verdict is Verdict.NA for id_ in r.requirements}
    level = o.level or (Reach.L3 if o.plan is Plan.CERT else reached(results)) or Reach.L1
    verdict, reason = _conclusion(results, level, known, contradicted if stop else ())
    warnings += [f"{r} (SHOULD) was not kept, {n} times." for r, n in sorted(runner.warnings.items())]
    return Campaign(
        iut=runner.uri,
        plan=o.plan,
        profile=statement.profile,
        role=Role.MODULE,
        seed=o.seed,
        clock="virtual" if runner.bench.virtual else "real",
        plane=o.plane,
        spec=catalogue.version,
        catalogue=catalogue.fingerprint,
        selection=o.selection,
        bound=bound,
        pics=pics.write(statement),
        results=tuple(results),
        coverage=coverage(catalogue, Role.MODULE, features or (), o.plane, results, runner.monitor, moot),
        verdict=verdict,
        level=level if results and not o.selection else "",
        asked=o.level or "",
        reason=reason,
        warnings=tuple(warnings),
    )


# ── The conclusion ───────────────────────────────────────────────────────────────────────────────────


def _conclusion(
    results: Sequence[Result], level: Reach, known: Known, contradicted: Sequence[str]
) -> tuple[Conclusion, str]:
    """The verdict at a level, and why it is what it is."""
    if contradicted:
        return Conclusion.PICS_CONTRADICTED, " ".join(contradicted)
    owed = [r for r in results if r.verdict is not Verdict.NOTRUN or (r.owed and r.level <= level)]
    missing = [r for r in owed if r.verdict is Verdict.NOTRUN]
    verdict = conclude(Counter(r.verdict for r in owed))
    if not known.reached and verdict in (Conclusion.INCONCLUSIVE, Conclusion.NOTHING_RAN) and results:
        # No test can be passed by never letting one begin.
        cause = next((r.reason for r in results if r.verdict is Verdict.INCONC), "no session could be opened")
        return Conclusion.NON_CONFORMANT, f"No preamble ever succeeded: {cause}"
    if missing and verdict is Conclusion.INCONCLUSIVE:
        tests = "one of its tests was" if len(missing) == 1 else f"{len(missing)} of its tests were"
        return verdict, f"Level {level} was not reached: {tests} not run. {missing[0].reason}"
    return verdict, ""
