"""junit.xml: the campaign as CI servers show it.

Nothing maps to success but PASS. FAIL is a failure; ERROR and INCONC are errors, the latter of type `inconclusive`;
NA and NOTRUN are skipped, with the reason; so is what is waived, with the waiver. Times are bench time: in virtual time
a test lasts as long as the implementation was let live, not as long as it was run.
"""

from collections.abc import Iterable
from io import BytesIO
from itertools import groupby
from typing import Final

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from opalink.conformance.bundle import report
from opalink.conformance.bundle.results import Campaign, Result
from opalink.conformance.verdicts import Verdict
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import SECOND

_ENTRY: Final = {
    Verdict.FAIL: (Failure, "fail"),
    Verdict.ERROR: (Error, "error"),
    Verdict.INCONC: (Error, "inconclusive"),
    Verdict.NA: (Skipped, "na"),
    Verdict.NOTRUN: (Skipped, "notrun"),
}


def to_xml(campaign: Campaign) -> bytes:
    """junit.xml, with a suite for each role and area."""
    campaign = report.clean(campaign)
    xml = JUnitXml("opalink")
    for name, results in groupby(sorted(campaign.results, key=_place), key=_place):
        xml.add_testsuite(_suite(campaign, name, results))
    out = BytesIO()
    xml.write(out, pretty=True)
    return out.getvalue()


def _place(result: Result) -> str:
    return "/".join(result.id.split("/")[:2])


def _suite(campaign: Campaign, name: str, results: Iterable[Result]) -> TestSuite:
    suite = TestSuite(name)
    for key in ("iut", "plan", "level", "profile", "seed", "clock", "plane", "spec", "catalogue"):
        suite.add_property(key, str(getattr(campaign, key)))
    suite.add_testcases([_case(campaign, r) for r in results])
    return suite


def _case(campaign: Campaign, result: Result) -> TestCase:
    place, _, name = result.id.rpartition("/")
    case = TestCase(name, place.replace("/", "."), result.span / SECOND)
    if result.waived:
        case.result = [Skipped(f"Waived by {result.waived}. {_message(result)}", "waived")]
    elif result.verdict in _ENTRY:
        kind, type_ = _ENTRY[result.verdict]
        entry = kind(_message(result), type_)
        if kind is not Skipped:
            entry.text = _details(campaign, result)
        case.result = [entry]
    return case


def _message(result: Result) -> str:
    """The obligation, where one is at stake; else the reason."""
    known = catalogue().requirement
    first = next(iter((*result.charged, *result.requirements)), "")
    if result.verdict is Verdict.FAIL and first:
        return f"{first}: {known[first].text}" if first in known else first
    return result.reason


def _details(campaign: Campaign, result: Result) -> str:
    lines = {
        "": result.sentence,
        "Expected": result.expected,
        "Actual": result.actual,
        "Reason": result.reason,
        "Requirements": " ".join(result.requirements),
        "Again": report.replay(campaign, result),
        "Capture": report.captured(result),
    }
    return "\n".join(f"{k}: {v}" if k else v for k, v in lines.items() if v)
