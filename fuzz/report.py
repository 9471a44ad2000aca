"""What a campaign says: JSON for whoever scripts it, JUnit and SARIF 2.1.0 for CI, and the exit code.

In JUnit each oracle is a test, which fails if it has found something, and each finding is one. In SARIF the rule is the
requirement and the fingerprint the signature, so that a finding stays one from run to run; its place is its case.

Plan: the exit code · JSON · JUnit · SARIF.
"""

import json
from io import BytesIO
from typing import Any, Final

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

import opalink
from opalink.conformance.bundle.report import printable
from opalink.conformance.verdicts import Exit
from opalink.fuzz.case import text
from opalink.fuzz.findings import Finding
from opalink.fuzz.guide import Campaign, Found
from opalink.fuzz.reproducer import sentence
from opalink.protocol.ir.load import catalogue

ORACLES: Final = {
    "crash": "It goes on working.",
    "hang": "It answers the bench in time.",
    "binding": "It keeps to the rules of the bench binding.",
    "recovery": "It answers after whatever it was sent.",
    "answer": "It answers every request that it owes an answer.",
    "status": "It answers with the status of the first check that fails.",
    "state": "What it refuses changes nothing.",
    "silence": "It answers nothing that must not be answered.",
    "repeat": "It answers a repeated transaction with the stored response.",
    "monitor": "What it says of its own accord keeps to the specification.",
}

# ── The exit code ────────────────────────────────────────────────────────────────────────────────────


def exit_of(campaign: Campaign) -> Exit:
    """The exit code of a campaign."""
    found = campaign.found.values()
    if any(not f.known and f.confirmed.stable for f in found):
        return Exit.NON_CONFORMANT
    if campaign.unstable or any(not f.confirmed.stable for f in found):
        return Exit.INCONCLUSIVE
    if found:
        return Exit.KNOWN
    return Exit.CONFORMANT if campaign.executions else Exit.NOTHING_RAN


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────


def as_json(campaign: Campaign) -> dict[str, Any]:
    """The shape of `opalink fuzz run --json`."""
    coverage = campaign.coverage
    return {
        "iut": printable(campaign.iut),
        "seed": campaign.seed,
        "executions": campaign.executions,
        "seconds": round(campaign.seconds, 3),
        "findings": [_finding(signature, f) for signature, f in sorted(campaign.found.items())],
        "unstable": [{**_seen(finding), "case": text(case)} for finding, case in campaign.unstable],
        "coverage": {
            "points": len(coverage) if coverage else 0,
            "states": len(coverage.states) if coverage else 0,
            "messages": len(coverage.messages) if coverage else 0,
            "replies": dict(sorted(coverage.replies.items())) if coverage else {},
            "corpus": campaign.corpus,
        },
        "operators": dict(sorted(campaign.operators.items())),
        "stuck": {printable(why): n for why, n in campaign.stuck.most_common(20)},
    }


def _seen(f: Finding) -> dict[str, Any]:
    return {
        "requirement": f.requirement,
        "oracle": f.oracle,
        "expected": printable(f.expected),
        "actual": printable(f.actual),
        "message": printable(f.message),
        "state": printable(f.state),
        "last": printable(f.last),
    }


def _finding(signature: str, f: Found) -> dict[str, Any]:
    c = f.confirmed
    return {
        "signature": signature,
        **_seen(c.finding),
        "known": f.known,
        "count": f.count,
        "shown": c.shown,
        "times": c.times,
        "seconds": round(f.seconds, 3),
        "executions": f.executions,
        "messages": c.case.messages,
        "case": text(c.case),
    }


# ── JUnit ────────────────────────────────────────────────────────────────────────────────────────────


def as_junit(campaign: Campaign) -> bytes:
    """junit.xml: a test for each oracle, and one for each finding."""
    suite = TestSuite("fuzz")
    for key in ("iut", "seed", "executions"):
        suite.add_property(key, printable(str(getattr(campaign, key))))
    suite.add_property("spec", catalogue().version)
    broken = {f.confirmed.finding.oracle for f in campaign.found.values()}
    for oracle, words in ORACLES.items():
        case = TestCase(oracle, "fuzz.oracles", 0)
        if oracle in broken:
            case.result = [Failure(words, "fail")]
        elif not campaign.executions:
            case.result = [Skipped("Nothing was played.", "notrun")]
        suite.add_testcase(case)
    for signature, f in sorted(campaign.found.items()):
        suite.add_testcase(_case(signature, f))
    xml = JUnitXml("opalink")
    xml.add_testsuite(suite)
    out = BytesIO()
    xml.write(out, pretty=True)
    return out.getvalue()


def _case(signature: str, f: Found) -> TestCase:
    finding = f.confirmed.finding
    case = TestCase(signature, f"fuzz.findings.{finding.requirement}", 0)
    words = f"{finding.requirement}: {sentence(finding.requirement)}"
    entry = Failure(printable(words), "known" if f.known else "fail")
    lines = [f"Expected: {finding.expected}", f"Actual: {finding.actual}", f"Message: {finding.message}"]
    entry.text = printable("\n".join([*lines, "", text(f.confirmed.case)]))
    case.result = [entry]
    return case


# ── SARIF ────────────────────────────────────────────────────────────────────────────────────────────

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(campaign: Campaign) -> dict[str, Any]:
    """The findings as SARIF 2.1.0; places are relative to the folder that the campaign leaves."""
    ids = sorted({f.confirmed.finding.requirement for f in campaign.found.values()})
    driver = {
        "name": "opalink fuzz",
        "version": opalink.__version__,
        "rules": [{"id": i, "shortDescription": {"text": printable(sentence(i))}} for i in ids],
    }
    results = [_result(signature, f, ids) for signature, f in sorted(campaign.found.items())]
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(signature: str, f: Found, ids: list[str]) -> dict[str, Any]:
    finding = f.confirmed.finding
    words = f"{sentence(finding.requirement)} Expected {finding.expected}, saw {finding.actual}."
    place = {"artifactLocation": {"uri": f"findings/{signature}/case.txt"}, "region": {"startLine": finding.step + 3}}
    return {
        "ruleId": finding.requirement,
        "ruleIndex": ids.index(finding.requirement),
        "level": "error",
        "message": {"text": printable(words)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"opalinkSignature/v1": signature},
        "baselineState": "unchanged" if f.known else "new",
        "properties": {"oracle": finding.oracle, "shown": f.confirmed.shown, "times": f.confirmed.times},
    }


def sarif_text(campaign: Campaign) -> str:
    return json.dumps(as_sarif(campaign), indent=1, ensure_ascii=False) + "\n"
