"""The campaign: every purpose once, each from a cold start, in one connection for as long as that lives.

A campaign is deterministic: each purpose has its own seed, SHA-256 of the campaign's seed and the purpose's ID, so that
adding one purpose shifts no other. A connection that dies is opened again (a program is started again); what died takes
the blame, and the next purpose begins anew.

Plan: options · the runner: one purpose, the whole plan · certify.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct, structs

from opalink.conformance import exchanges, pics, probe
from opalink.conformance.coverage import coverage
from opalink.conformance.monitors import Monitor, Violation
from opalink.conformance.pics import Pics, PicsError
from opalink.conformance.purposes import Exchange, Plan, Purpose
from opalink.conformance.results import Actor, Bound, Campaign, Result, Step
from opalink.conformance.scenarios import scenario_of
from opalink.conformance.selection import obstacle, select
from opalink.conformance.session import Fail, Inapplicable, Inconclusive, Known, Session
from opalink.conformance.verdicts import Conclusion, Verdict, conclude
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue as published
from opalink.protocol.transport import Bench, BenchError, BindingError
from opalink.protocol.transport.bench import ClockChoice, PlaneChoice
from opalink.spec.form import Level, Role

# ── Options ──────────────────────────────────────────────────────────────────────────────────────────

PATIENCE = 5.0  # seconds of real time that an implementation may take over one step
GIVE_UP = 5  # purposes in a row that crash or hang before the rest is not run

# Passive rules of the binding that the transport judges of every record, in virtual time.
_KEPT_BY_BENCH = ("R-BEN-002", "R-BEN-010", "R-BEN-034", "R-BEN-035", "R-BEN-037")

Progress = Callable[[Result, int, int], None]


class Options(Struct, frozen=True):
    """What a campaign is to do. `keep` is whether the steps of tests that passed are kept too."""

    plan: Plan = Plan.CI
    profile: str = ""
    pics: Path | None = None
    selection: str = ""
    seed: int = 1
    clock: ClockChoice = "auto"
    plane: PlaneChoice = "packet"
    keep: bool = False
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
        self.bench = self._open()
        self.session = Session(self.bench, self.monitor, self.known)
        if not self.bench.virtual:  # what the bench itself takes is nobody's fault
            self.monitor.slack = self.bench.calibrate().max

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
        """Execute a purpose. Nothing that the implementation does is raised here."""
        seed = seed_of(self.options.seed, purpose.id)
        self.died = False
        verdict, expected, actual, reason = Verdict.PASS, "", "", ""
        charged: tuple[str, ...] = ()
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
            verdict, reason = Verdict.INCONC, f"Real time was too coarse to judge: {self.monitor.unsure[0]}."
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
            _unrun(purpose), verdict=verdict, charged=charged, expected=expected, actual=actual, reason=reason,
            seed=seed, span=span, steps=steps,
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

    def campaign(
        self, purposes: Sequence[Purpose], features: frozenset[str] | None, progress: Progress | None
    ) -> list[Result]:
        """Every purpose once."""
        results: list[Result] = []
        deaths, gone = 0, ""
        for purpose in purposes:
            why = obstacle(purpose, self.bench, self.options.plane, features)
            if why is None and gone:
                why = Verdict.NOTRUN, gone
            if why is not None:
                verdict, reason = why
                result = structs.replace(_unrun(purpose), verdict=verdict, reason=reason)
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


def _unrun(purpose: Purpose) -> Result:
    return Result(purpose.id, Verdict.NOTRUN, purpose.requirements, purpose.sentence, purpose.needs)


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
    features = statement.declared if known.reached or declared else None
    results = [] if stop else runner.campaign(chosen, features, progress)
    verdict, reason = _conclusion(results, known, stop, contradicted)
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
        coverage=coverage(catalogue, Role.MODULE, features or (), o.plane, results, runner.monitor),
        verdict=verdict,
        reason=reason,
        warnings=tuple(warnings),
    )


def _conclusion(
    results: Sequence[Result], known: Known, stopped: bool, contradicted: Sequence[str]
) -> tuple[Conclusion, str]:
    if stopped:
        return Conclusion.PICS_CONTRADICTED, " ".join(contradicted)
    verdict = conclude(Counter(r.verdict for r in results))
    if not known.reached and verdict in (Conclusion.INCONCLUSIVE, Conclusion.NOTHING_RAN) and results:
        # No test can be passed by never letting one begin.
        cause = next((r.reason for r in results if r.verdict is Verdict.INCONC), "no session could be opened")
        return Conclusion.NON_CONFORMANT, f"No preamble ever succeeded: {cause}"
    return verdict, ""
