"""The campaign: an implementation is met, asked what it is, tested by every purpose of a plan, and concluded about.

Plan: certify and begin · a campaign under way.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Self

from msgspec import structs

from opalink.conformance import planes
from opalink.conformance.bundle.coverage import coverage
from opalink.conformance.bundle.journal import Journal
from opalink.conformance.bundle.results import Campaign, Coverage, How, Result
from opalink.conformance.levels import Reach, conclusion, reached
from opalink.conformance.papers import pics, pixit, waivers
from opalink.conformance.papers.pics import Pics, PicsError
from opalink.conformance.papers.waivers import Waiver, WaiverError
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options, Progress, Runner
from opalink.conformance.selection import purposes as purposes_of
from opalink.conformance.selection import select
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.wiring import probe
from opalink.protocol.ir.load import catalogue as published
from opalink.protocol.transport import IutUri, NotOffered
from opalink.spec.form import Level, Role

# ── Certify ──────────────────────────────────────────────────────────────────────────────────────────


def certify(
    uri: str | IutUri,
    options: Options | None = None,
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Campaign:
    """Judge the implementation at a URI. Raises BadExpression for a selection that is none, and whatever `begin`
    raises."""
    o = options or Options()
    with begin(uri, o) as certification:
        return certification.run(select(certification.runner.role, o.plan, o.selection), progress, journal)


def begin(uri: str | IutUri, options: Options) -> "Certification":
    """Meet the implementation at a URI. Raises UriError, Unreachable and NotOffered where there is nothing to judge,
    PicsError for a PICS and WaiverError for waivers that cannot be used."""
    o, catalogue = options, published()
    declared = pics.load(o.pics, catalogue) if o.pics else None
    if declared and (problems := pics.review(declared, catalogue)):
        raise PicsError(f"The PICS is illegal. {' '.join(problems)}")
    if o.waivers and o.plan is Plan.CERT:
        raise WaiverError("Under the plan cert nothing is waived.")
    waived = waivers.load(o.waivers) if o.waivers else ()
    runner = Runner(uri, o, catalogue)
    try:
        if o.role is not None and runner.role is not o.role:
            raise NotOffered(f"{uri} is a {runner.role}: it was to be judged as a {o.role}.")
        return Certification(runner, declared, waived)
    except BaseException:
        runner.close()
        raise


def untested(covered: Coverage, role: Role) -> list[str]:
    """The MUSTs that bind an implementation and that no test of the suite is about, no monitor has seen and no reason
    excuses."""
    cited = {id_ for p in purposes_of(role) for id_ in p.requirements}
    musts = (c for c in covered.requirements if c.level is Level.MUST and c.how is How.NONE)
    return [c.id for c in musts if c.id not in cited]


class Certification:
    """A campaign under way: what was declared, what the implementation says of itself, and whether the two agree.

    Whoever has a loop of their own calls the runner's `step` for each purpose, and `conclude`; `run` does both."""

    def __init__(self, runner: Runner, declared: Pics | None, waived: Sequence[Waiver] = ()) -> None:
        o, catalogue = runner.options, runner.catalogue
        self.runner, self.waived = runner, waived
        self.day = o.day or datetime.now(UTC).date()
        self.suite = [p.id for p in purposes_of(runner.role)] if waived else []
        for waiver in waived:
            waivers.meant(waiver, self.suite)  # one that stands for too much is refused before anything is run
        self.bound, observed = runner.probe()
        known = runner.known
        seen = probe.picture(catalogue, self.bound, known, observed)
        self.warnings = list(pics.review(seen, catalogue)) if known.reached else []
        if declared is None:
            statement = seen
        else:
            statement = Pics(
                declared.product, declared.version, declared.catalogue, declared.role, declared.profile,
                declared.features, seen.advertised, observed,
            )  # fmt: skip
        if o.profile:
            statement = structs.replace(statement, profile=o.profile)
        self.statement = statement
        contradicted: list[str] = []
        if known.reached:
            contradicted = pics.contradictions(statement.features, seen.advertised, observed)
            if o.profile:
                contradicted += pics.review(statement, catalogue)
        self.warnings += contradicted
        self.stopped = contradicted if o.plan is not Plan.QUICK else []  # why no test is run
        runner.features = statement.declared if known.reached or declared else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close()

    def settled(self, result: Result) -> Result:
        """A result, with the ID of its waiver if it is waived."""
        (out,), _ = waivers.apply(self.waived, self.suite, [result], self.day)
        return out

    def run(self, chosen: Sequence[Purpose], progress: Progress | None, journal: Journal | None = None) -> Campaign:
        """Every purpose, and what they come to; with a journal, those that it knows are not run again."""
        if self.stopped:
            return self.conclude(chosen, [])
        step = None
        if journal is not None:
            journal.join(self.runner)
            step = partial(journal.step, self.runner)
        return self.conclude(chosen, self.runner.campaign(chosen, progress, step))

    def conclude(self, chosen: Sequence[Purpose], results: list[Result]) -> Campaign:
        """What the results of these purposes, in their order, come to."""
        runner, statement, warnings = self.runner, self.statement, list(self.warnings)
        o, catalogue = runner.options, runner.catalogue
        results = runner.moot(chosen, results)
        both = zip(chosen, results, strict=not self.stopped)
        moot = {id_ for p, r in both if p.premise and r.verdict is Verdict.NA for id_ in r.requirements}
        level = o.level or (Reach.L3 if o.plan is Plan.CERT else reached(results)) or Reach.L1
        covered = coverage(catalogue, runner.role, runner.features or (), runner.seen_on, results, runner.monitor, moot)
        lacking = untested(covered, runner.role) if runner.role is Role.PHONE else []
        if lacking:  # there is more to be seen than this suite knows to look for
            level = min(level, Reach.L1)
            told = f"{len(lacking)} MUSTs of a {runner.role} have neither test nor reason, so it is judged at level L1"
            warnings.append(f"{told}: {', '.join(lacking)}.")
        stale: list[str] = []
        if not self.stopped:
            results, stale = waivers.apply(self.waived, self.suite, results, self.day)
        verdict, reason = conclusion(waivers.counted(results), level, runner.known.reached, self.stopped)
        if runner.fell and not self.stopped:
            verdict, reason = Conclusion.NON_CONFORMANT, f"{runner.fell} {reason}".rstrip()
        verdict, reason = waivers.settle(verdict, reason, results, stale)
        warnings += [f"{r} (SHOULD) was not kept, {n} times." for r, n in sorted(runner.warnings.items())]
        return Campaign(
            iut=runner.uri,
            plan=o.plan,
            profile=statement.profile,
            role=runner.role,
            seed=o.seed,
            nonce=o.nonce,
            clock="virtual" if runner.bench.virtual else "real",
            plane=planes.met(runner.bench, o.plane),
            spec=catalogue.version,
            catalogue=catalogue.fingerprint,
            selection=o.selection,
            bound=self.bound,
            pics=pics.write(statement),
            results=tuple(results),
            coverage=covered,
            verdict=verdict,
            level=level if results and not o.selection else "",
            asked=o.level or "",
            reason=reason,
            warnings=tuple(warnings),
            pixit=pixit.text(o.pixit) if o.pixit else "",
        )
