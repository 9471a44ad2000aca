"""The runner: a tester and an implementation for one campaign, and every purpose once, each from a cold start, in one
connection for as long as that lives.

Each purpose has its own seed, SHA-256 of the campaign's seed, the purpose's ID and the laboratory's nonce, so that
adding one purpose shifts no other. A connection that dies is opened again (a program is started again); what died takes
the blame, and the next purpose begins anew.

In real time a failure may be the host's; what one is worth there, `trials` says.

Plan: options · the runner: one purpose, the whole plan.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from opalink.conformance import planes
from opalink.conformance.bundle.results import Actor, Bound, Result, Step
from opalink.conformance.conclusions import Coarse, Fail, Inapplicable, Inconclusive, Overrun, Unavailable
from opalink.conformance.levels import REACH_OF, Reach, operations_of, reach_of
from opalink.conformance.papers.pixit import PATIENCE, Pixit, assistants
from opalink.conformance.planes import Planes
from opalink.conformance.purposes import Exchange, Plan, Purpose
from opalink.conformance.scenarios import scenario_of
from opalink.conformance.selection import obstacle
from opalink.conformance.tester import exchanges
from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.flit_mirror import MirrorBench
from opalink.conformance.tester.flit_watch import FlitWatch
from opalink.conformance.tester.ledger import Violation
from opalink.conformance.tester.mirror import Mirror
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.session import Known, Session
from opalink.conformance.tester.transcript import WHOLE, shortened, weight
from opalink.conformance.trials import TIMES, Host, Trial
from opalink.conformance.trials import conclude as conclude_trials
from opalink.conformance.verdicts import Verdict
from opalink.conformance.wiring import probe
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import BindRole, ClockMode, Status
from opalink.protocol.transport import Bench, BenchError, BindingError, Hang, IutUri, NotOffered
from opalink.protocol.transport.bench import ClockChoice, PlaneChoice
from opalink.spec.form import Level, Role

# ── Options ──────────────────────────────────────────────────────────────────────────────────────────

GIVE_UP = 5  # purposes in a row that crash, hang or never end before the rest is not run
EVIDENCE: Final = 64 << 20  # bytes of steps that a campaign keeps whole
BRIEF: Final = 16 << 10  # bytes of them that a test keeps beyond that
LOADED: Final = 10  # rounds of a measurement under load
LATE: Final = 8  # times that a monitor found late, which a result shows

# Passive rules of the binding that the transport judges of every record, in virtual time.
_KEPT_BY_BENCH = ("R-BEN-002", "R-BEN-010", "R-BEN-034", "R-BEN-035", "R-BEN-037")

Progress = Callable[[Result, int, int], None]


class Options(Struct, frozen=True):
    """What a campaign is to do. `keep` is whether the steps of tests that passed are kept too. `level` is the one that
    must be reached: by default all of it under the plan `cert`, else as far as the bench reaches. `role` is what the
    implementation must be; without it, it is judged as what it says that it is. `plane` is where it is met: see
    `planes`. `nonce` is what a laboratory draws (hexadecimal), so that no answer can have been prepared; `day` is the
    one by which waivers are judged, by default today, UTC."""

    plan: Plan = Plan.CI
    profile: str = ""
    pics: Path | None = None
    selection: str = ""
    seed: int = 1
    clock: ClockChoice = "auto"
    plane: Planes = "auto"
    keep: bool = False
    level: Reach | None = None
    patience: float = PATIENCE
    role: Role | None = None
    waivers: Path | None = None
    pixit: Pixit | None = None
    nonce: str = ""
    day: date | None = None


def seed_of(campaign: int, purpose: str, nonce: str = "") -> int:
    """The seed of one purpose."""
    words = (str(campaign), purpose, nonce)
    return int.from_bytes(hashlib.sha256(" ".join(filter(None, words)).encode()).digest()[:8], "little")


# ── The runner ───────────────────────────────────────────────────────────────────────────────────────


class Runner:
    """A tester and an implementation, for as long as it takes."""

    def __init__(self, uri: str | IutUri, options: Options, catalogue: ir.Catalogue) -> None:
        self.uri, self.options, self.catalogue = str(uri), options, catalogue
        self._where = uri
        self.bench = self._open()
        self.role = Role.PHONE if self.bench.peer.role == BindRole.PHONE else Role.MODULE
        self.monitor = Monitor(catalogue, self.role)
        self.known = Known()
        self._should = {r.id for r in catalogue.requirements if r.level is Level.SHOULD}
        self.warnings: Counter[str] = Counter()
        self.kept = 0  # bytes of steps
        self.endless = False  # whether the last purpose had to be cut off
        self.died = False  # whether it ended the connection
        self.hung = False  # whether it did so by silence
        self.deaths = 0  # purposes in a row that have ended it, or were endless
        self.gone = ""  # why nothing more is run
        self.fell = ""  # how it went away while it was probed
        self.host = Host()
        self.features: frozenset[str] | None = None  # by which purposes apply; None if not known
        meet = Mirror if self.role is Role.PHONE else Session
        self.session = meet(self.bench, self.monitor, self.known)
        if not self.bench.virtual:
            self._calibrate()

    def _bench(self, plane: PlaneChoice) -> Bench:
        o = self.options
        helped = assistants(o.pixit) if o.pixit else None
        return Bench.open(
            self._where, clock=o.clock, plane=plane, seed=o.seed or 1, patience=o.patience, assistants=helped
        )

    def _open(self) -> Bench:
        o = self.options
        try:
            bench = self._bench("flit" if o.plane == "flit" else "packet")
        except NotOffered:
            if o.plane != "auto":
                raise
            bench = self._bench("flit")
        try:
            planes.check(bench, o.plane)
        except NotOffered:
            bench.close()
            raise
        return bench

    def close(self) -> None:
        self.bench.close()

    def reconnect(self) -> bool:
        """A new connection, after one has died."""
        self.bench.close()
        try:
            self.bench = self._open()
        except (BenchError, OSError):
            return False
        return True

    @property
    def seen_on(self) -> PlaneChoice:
        """The plane that shows most of what the implementation offers."""
        return "flit" if planes.offers(self.bench, "flit") else "packet"

    def _meet(self, purpose: Purpose | None = None) -> None:
        """Have the session meet the implementation on the plane that a purpose is for, else on the usual one."""
        plane = planes.usual(self.bench, self.options.plane)
        if purpose is not None:
            plane = planes.plane_of(purpose, plane)
        self.bench.use(plane)
        layer = MirrorBench if self.role is Role.PHONE else FlitBench
        self.session.bench = layer(self.bench, FlitWatch(self.monitor)) if plane == "flit" else self.bench

    # ── One purpose ──

    def _seed(self, purpose: str) -> int:
        return seed_of(self.options.seed, purpose, self.options.nonce)

    def run(self, purpose: Purpose) -> Result:
        """Execute a purpose; in real time, execute again what fails. Nothing that the implementation does is raised
        here."""
        if self.bench.virtual:
            return self._once(purpose)
        broken, slack = self.monitor.broken.copy(), self.monitor.slack
        trials: list[Trial] = []
        while len(trials) < TIMES:
            if trials:
                self._loaded()
            self.host.begin()
            result = self._once(purpose)
            trials.append(Trial(result, self.host.waiting()))
            if result.verdict is not Verdict.FAIL or (self.died and not (self.hung and self.reconnect())):
                break
        self.monitor.slack = slack
        result = conclude_trials(purpose, trials)
        if result.verdict is not Verdict.FAIL:
            self.monitor.broken = broken
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
        seed = self._seed(purpose.id)
        before = self.monitor.broken.copy()
        self.died = self.hung = self.endless = False
        verdict, expected, actual, reason = Verdict.PASS, "", "", ""
        charged: tuple[str, ...] = ()
        unrun = self._unrun(purpose)
        s = self.session
        try:
            self._meet(purpose)
            s.begin(seed)
            if isinstance(purpose.run, Exchange):
                exchanges.run(s, purpose.run)
            else:
                scenario_of(purpose)(s)
            self.monitor.end(s.now)
        except Fail as fail:
            verdict, expected, actual, charged = Verdict.FAIL, fail.expected, fail.actual, fail.charged
            if seen := self._violations():  # often the very thing that the test stumbled over
                charged = tuple(dict.fromkeys((*(charged or purpose.requirements), *(v.requirement for v in seen))))
        except Inconclusive as why:
            verdict, reason, self.endless = Verdict.INCONC, str(why), isinstance(why, Overrun)
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
            self.died, self.hung = True, isinstance(gone, Hang)
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
        # What a test has provoked and taken back was not violated.
        self.monitor.broken = before + Counter(v.requirement for v in self.monitor.violations)
        if self.bench.virtual and not self.died:  # the transport would have said so
            for rule in _KEPT_BY_BENCH:
                self.monitor.keep(rule)
        words = reason or (f"expected {expected}, saw {actual}" if expected else "")
        kept = self.options.keep or verdict is not Verdict.PASS
        steps = self._evidence(f"verdict {verdict}: {words}") if kept else ()
        span = 0 if verdict is Verdict.ERROR else s.now if self.bench.virtual else 0
        timings = tuple(dict.fromkeys((*s.timings.values(), *self.monitor.late[:LATE])))
        return structs.replace(
            unrun, verdict=verdict, charged=charged, expected=expected, actual=actual, reason=reason, seed=seed,
            span=span, steps=steps, timings=timings,
        )  # fmt: skip

    def _evidence(self, conclusion: str) -> tuple[Step, ...]:
        """The steps of the test that is over. The first tests of a campaign keep them whole: whoever fails thousands
        says the same again and again, or floods."""
        steps = shortened(self.session.steps, WHOLE if self.kept < EVIDENCE else BRIEF)
        self.kept += weight(steps)
        if steps:
            steps.append(Step(steps[-1].time, Actor.SUITE, note=conclusion.rstrip(": ")))
        return tuple(steps)

    def _unrun(self, purpose: Purpose) -> Result:
        """The result of a purpose that has not been executed."""
        needed = operations_of(purpose, self.features or ())
        whole = self.options.plan is Plan.CERT  # then whatever the implementation offers is owed
        in_time = not purpose.virtual or self.bench.virtual or (whole and self.bench.peer.clocks & ClockMode.VIRTUAL)
        in_place = not planes.confined(purpose, self.options.plane) or whole
        return Result(
            purpose.id, Verdict.NOTRUN, purpose.requirements, purpose.sentence, purpose.needs, reach_of(needed),
            owed=bool(in_time and in_place),
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

    def probe(self, left: int = TIMES - 1) -> tuple[Bound, dict[str, bool]]:
        """Read what the implementation says of itself, before any test. In real time a silence may be the host's
        doing: it is asked again so many times."""
        bound, observed = Bound(), dict[str, bool]()
        try:
            bound = probe.bound(self.bench)
            self._meet()
            self.session.begin(self._seed("probe"))
            if isinstance(self.session, Mirror):
                self.session.know()
                return bound, observed
            probe.know(self.session)
            self.session.begin(self._seed("observe"))
            observed = probe.observe(self.session)
        except (Fail, Inconclusive):
            pass  # the tests will say why
        except BenchError as gone:
            if left and isinstance(gone, Hang) and not self.bench.virtual and self.reconnect():
                return self.probe(left - 1)
            rule = (isinstance(gone, BindingError) and gone.rule) or "R-WIRE-021"
            self.fell = f"{rule} was violated before the first test, while it was probed: {_last_words(gone)}"
            self.monitor.broken[rule] += 1
            self.reconnect()
        return bound, observed

    # ── The whole plan ──

    def campaign(
        self, purposes: Sequence[Purpose], progress: Progress | None, step: Callable[[Purpose], Result] | None = None
    ) -> list[Result]:
        """Every purpose once, by somebody else's `step` if there is one; the results are in their order. Under a nonce
        they are executed in another, which nobody could foresee."""
        results: dict[str, Result] = {}
        for purpose in sorted(purposes, key=lambda p: self._seed(p.id)) if self.options.nonce else purposes:
            results[purpose.id] = result = (step or self.step)(purpose)
            if progress is not None:
                progress(result, len(results), len(purposes))
        return [results[p.id] for p in purposes]

    def step(self, purpose: Purpose) -> Result:
        """The next purpose of a campaign: executed, unless something stands against it or nothing is left to test."""
        why = obstacle(purpose, self.bench, self.options.plane, self.features)
        if why is None and self.gone:
            why = Verdict.NOTRUN, self.gone
        if why is not None:
            verdict, reason = why
            return structs.replace(self._unrun(purpose), verdict=verdict, reason=reason)
        result = self.run(purpose)
        self.deaths = self.deaths + (not self.session.spent) if self.died or self.endless else 0
        if self.died and not self.reconnect():
            self.gone = "The implementation went away and did not come back."
        elif self.deaths >= GIVE_UP:
            self.gone = f"The implementation crashed, hung or sent without end {self.deaths} times in a row."
        return result

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
