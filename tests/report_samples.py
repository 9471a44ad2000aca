"""Campaigns as a run would leave them, made by hand: what the tests of the reports look at."""

from collections.abc import Iterable
from typing import Any

from opalink.conformance.bundle.results import (
    Actor,
    Bound,
    Campaign,
    Coverage,
    Covered,
    Environment,
    How,
    Result,
    Step,
)
from opalink.conformance.verdicts import Conclusion, Verdict, conclude
from opalink.protocol import codec
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Keepalive, KeepaliveResponse, PwrBudget, PwrBudgetResponse, Refusal
from opalink.protocol.packets.enums import Lane
from opalink.spec.form import MS, Testability

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil\"'&\x00{{7*7}}]]>"

BUDGET = codec.request(PwrBudget(max=900, grace=250, cause=99), 7, t_ns=12 * MS)
ACCEPTED = codec.response(BUDGET, PwrBudgetResponse(power=880), t_ns=13 * MS)
REFUSED = codec.response(BUDGET, Refusal(at=2), codec.Status.BAD_VALUE, t_ns=13 * MS)
ALIVE = codec.request(Keepalive(seq=1), 8)


def steps(answer: codec.Packet) -> tuple[Step, ...]:
    """An exchange with everything that a ladder can show."""
    return (
        Step(0, Actor.SUITE, note="Preamble: READY"),
        Step(0, Actor.BENCH, note="attach, quality 100 %"),
        Step(12 * MS, Actor.SUITE, note="Stimulus"),
        Step(12 * MS, Actor.TESTER, Lane.LASER, codec.encode(BUDGET)),
        Step(13 * MS + 250_000, Actor.IUT, Lane.LASER, codec.encode(answer)),
        Step(20 * MS, Actor.SUITE, note="Liveness"),
        Step(20 * MS, Actor.TESTER, Lane.LASER, codec.encode(ALIVE)),
        Step(21 * MS, Actor.IUT, Lane.LASER, codec.encode(codec.response(ALIVE, KeepaliveResponse(seq=1)))),
        Step(22 * MS, Actor.IUT, Lane.SIDEBAND, b"\x10\x42\x00\x00\xff"),
        Step(23 * MS, Actor.IUT, Lane.SIDEBAND, b""),
        Step(23 * MS, Actor.SUITE, note="verdict fail"),
    )


def requirement(key: str) -> str:
    return catalogue().by_key[key].id


MEMBER = requirement("PWR_BUDGET.request.cause.member")


def result(verdict: Verdict, name: str = "BI-g.cause.unknown_member", **others: Any) -> Result:
    """A test of the power budget."""
    given: dict[str, Any] = {
        "id": f"MOD/PWR/PWR_BUDGET/{name}",
        "verdict": verdict,
        "requirements": (MEMBER,),
        "sentence": "with {the module in READY} ensure that {when {it receives a PWR_BUDGET request with cause 99} "
        "then {it answers BAD_VALUE}}",
        "span": 23 * MS,
        "seed": 1 << 63,
    }
    if verdict is Verdict.FAIL:
        given |= {
            "charged": (MEMBER,),
            "expected": "A response with BAD_VALUE.",
            "actual": "A response with OK.",
            "steps": steps(ACCEPTED),
        }
    return Result(**given | others)


def coverage(results: Iterable[Result]) -> Coverage:
    """Every requirement, covered by these results where they speak of it."""
    tests: dict[str, list[Result]] = {}
    for r in results:
        for id_ in r.requirements:
            tests.setdefault(id_, []).append(r)
    rows = []
    for i, r in enumerate(catalogue().requirements):
        spoke = tests.get(r.id, [])
        verdict = max((t.verdict for t in spoke), key=list(Verdict).index, default=None)
        how = How.ACTIVE if spoke else How.PASSIVE if r.test is Testability.PASSIVE else How.NONE
        how = How.REASONED if r.reason else How.NA if i % 9 == 0 and not spoke else how
        rows.append(Covered(r.id, r.text, r.level, r.test, how, verdict, tuple(t.id for t in spoke), 3, r.reason))
    return Coverage(tuple(rows))


def campaign(*results: Result, conclusion: Conclusion | None = None, **others: Any) -> Campaign:
    """A campaign with these results."""
    counts = {v: sum(r.verdict is v for r in results) for v in Verdict}
    given: dict[str, Any] = {
        "iut": "stdio:./module --flag 'a b'",
        "plan": "ci",
        "profile": "four-thirds",
        "role": "module",
        "seed": 1,
        "clock": "virtual",
        "plane": "packet",
        "spec": "1.0",
        "catalogue": catalogue().fingerprint,
        "selection": "",
        "bound": Bound("four-thirds", "module", ("packet",), ("real", "virtual"), ("attach",), "Four Thirds", "1.0"),
        "pics": '[product]\nname = "Four Thirds"\n',
        "environment": Environment("2026-01-02T03:04:05Z", 1.5, "host", "3.11", "1.0", ("opalink", "certify")),
    }
    if "coverage" not in others:
        given["coverage"] = coverage(results)
    return Campaign(results=results, verdict=conclusion or conclude(counts), **given | others)


PASSED = campaign(result(Verdict.PASS), result(Verdict.NA, "NP-absent", reason="The module has CONTRACT."))
FAILED = campaign(
    result(Verdict.FAIL),
    result(Verdict.FAIL, "BI-g.max.above", steps=steps(REFUSED), actual="A response with BAD_STATE."),
    result(
        Verdict.FAIL,
        "RB-crc",
        id="MOD/WIRE/PWR_BUDGET/RB-crc",
        requirements=("R-WIRE-001",),
        charged=("R-WIRE-021",),
        actual="The implementation closed the connection.",
        steps=steps(ACCEPTED)[:4],
    ),
    result(Verdict.PASS, "BV-g.max.max"),
    result(Verdict.INCONC, "TI-response", reason="2 ms are within the uncertainty.", steps=steps(REFUSED)),
    result(Verdict.ERROR, "BI-broken", reason="KeyError: 'x'"),
    result(Verdict.NA, "NP-absent", reason="The module has CONTRACT."),
    result(Verdict.NOTRUN, "TI-loss", reason="The bench cannot detach."),
)
