"""report.json and junit.xml: what machines read of a campaign.

Plan: the schema · what the report says · JUnit · hostile text.
"""

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from opalink.conformance.bundle import junit, report
from opalink.conformance.bundle.results import Actor, Campaign, Coverage, How, Result, Step
from opalink.conformance.verdicts import EXITS, Conclusion, Verdict
from tests.report_samples import FAILED, HOSTILE, PASSED, campaign, result

CAMPAIGNS = [PASSED, FAILED, campaign(), campaign(result(Verdict.FAIL, actual=HOSTILE), iut=HOSTILE)]

# ── The schema ───────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_is_fresh() -> None:
    """Otherwise: python -m opalink.conformance.bundle.report"""
    assert report.SCHEMA.read_text(encoding="utf-8") == report.schema()


@pytest.mark.parametrize("run", CAMPAIGNS)
def test_a_report_keeps_to_the_schema(run: Campaign) -> None:
    schema = json.loads(report.SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(report.to_json(run)))


@pytest.mark.parametrize(
    ("place", "value"),
    [("verdict", "fine"), ("summary", {"pass": 1}), ("tests", [{}]), ("exit", "0"), ("coverage", None)],
)
def test_the_schema_refuses_what_is_no_report(place: str, value: object) -> None:
    """Above all a verdict that nobody knows: whoever reads one must not take it for a pass."""
    schema = json.loads(report.schema())
    data = json.loads(report.to_json(FAILED)) | {place: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


@pytest.mark.parametrize("run", CAMPAIGNS)
def test_a_report_can_be_read_back(run: Campaign) -> None:
    assert msgspec.json.decode(report.to_json(run), type=report.Report) == report.report(run)


# ── What the report says ─────────────────────────────────────────────────────────────────────────────


def read(run: Campaign) -> Any:
    return json.loads(report.to_json(run))


def test_the_summary_counts_every_verdict() -> None:
    assert read(FAILED)["summary"] == {"pass": 1, "fail": 3, "inconc": 1, "error": 1, "na": 1, "notrun": 1}
    assert sum(read(FAILED)["summary"].values()) == len(read(FAILED)["tests"])
    assert set(read(campaign())["summary"].values()) == {0}


@pytest.mark.parametrize("conclusion", Conclusion)
def test_verdict_and_exit_code_go_together(conclusion: Conclusion) -> None:
    data = read(campaign(result(Verdict.PASS), conclusion=conclusion))
    assert (data["verdict"], data["exit"]) == (conclusion, EXITS[conclusion])


def test_requirements_are_counted_as_they_are_covered() -> None:
    counts = read(FAILED)["requirements"]
    rows = FAILED.coverage.requirements
    assert counts == {
        "total": sum(r.how is not How.NA for r in rows),
        "active": sum(r.how is How.ACTIVE for r in rows),
        "passive": sum(r.how is How.PASSIVE for r in rows),
        "reasoned": sum(r.how is How.REASONED for r in rows),
    }
    assert counts["total"] >= counts["active"] + counts["passive"] + counts["reasoned"]


def test_a_failure_says_what_it_takes_to_understand_and_repeat_it() -> None:
    failed = read(FAILED)["tests"][0]
    assert failed["requirements"] == failed["charged"] != []
    assert (failed["expected"], failed["actual"]) == ("A response with BAD_VALUE.", "A response with OK.")
    assert failed["capture"] == f"captures/{failed['id']}.pcapng"
    packets = [x["packet"] for x in failed["exchange"] if x["data"]]
    assert packets == [
        "PWR_BUDGET request",
        "PWR_BUDGET response OK",
        "KEEPALIVE request",
        "KEEPALIVE response OK",
        "undecodable",
    ]
    quoted = """'stdio:./module --flag '"'"'a b'"'"''"""
    assert failed["replay"] == (f"opalink certify {quoted} -k {failed['id']} --seed 1")


def test_of_a_long_exchange_the_report_keeps_both_ends() -> None:
    """The recording has all of it."""
    long = tuple(Step(i, Actor.IUT, 2, bytes(70_000)) for i in range(5000))
    data = report.to_json(campaign(result(Verdict.FAIL, steps=long), coverage=Coverage()))
    exchange = json.loads(data)["tests"][0]["exchange"]
    assert len(exchange) == report.LINES + 1
    assert (exchange[0]["time"], exchange[-1]["time"]) == (0, 4999)
    assert exchange[report.LINES // 2]["note"] == f"{5000 - report.LINES} more lines are in the recording."
    assert (exchange[0]["size"], len(exchange[0]["data"])) == (70_000, 2 * report.BYTES)


def test_the_same_campaign_gives_the_same_bytes() -> None:
    assert report.to_json(FAILED) == report.to_json(
        msgspec.msgpack.decode(msgspec.msgpack.encode(FAILED), type=Campaign)
    )


# ── JUnit ────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_but_a_pass_is_a_success() -> None:
    cases = {case.name: case for suite in JUnitXml.fromstring(junit.to_xml(FAILED)) for case in suite}
    seen = {
        r.verdict: [(type(entry), entry.type) for entry in cases[r.id.rpartition("/")[2]].result]
        for r in FAILED.results
    }
    assert seen == {
        Verdict.PASS: [],
        Verdict.FAIL: [(Failure, "fail")],
        Verdict.INCONC: [(Error, "inconclusive")],
        Verdict.ERROR: [(Error, "error")],
        Verdict.NA: [(Skipped, "na")],
        Verdict.NOTRUN: [(Skipped, "notrun")],
    }


def test_junit_counts_and_speaks_of_the_obligation() -> None:
    xml = JUnitXml.fromstring(junit.to_xml(FAILED))
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (8, 3, 2, 2)
    assert [suite.name for suite in xml] == ["MOD/PWR", "MOD/WIRE"]
    wire = next(case for suite in xml if suite.name == "MOD/WIRE" for case in suite)
    (failure,) = wire.result
    assert failure.message.startswith("R-WIRE-021: A receiver MUST go on working")
    assert "opalink certify" in failure.text


# ── Hostile text ─────────────────────────────────────────────────────────────────────────────────────


def hostile(words: str) -> Campaign:
    """A campaign in which everything that can come from an implementation says this."""
    bad = result(Verdict.FAIL, actual=words, reason=words, expected=words, charged=(f"R-XYZ-{words}",))
    loud = msgspec.structs.replace(FAILED.bound, name=words, product=words, version=words, digest=words)
    noted = msgspec.structs.replace(bad, steps=tuple(msgspec.structs.replace(s, note=words) for s in bad.steps))
    some = Coverage(tuple(r for r in FAILED.coverage.requirements if r.tests))
    return campaign(noted, bound=loud, iut=words, reason=words, warnings=(words,), pics=words, coverage=some)


@given(st.text(max_size=40).filter(bool) | st.just("\ud800"))
def test_any_text_leaves_a_readable_report(words: str) -> None:
    run = hostile(words)
    assert read(run)["bound"]["name"] == report.printable(words)
    assert len(JUnitXml.fromstring(junit.to_xml(run))) == 1


@given(st.text())
def test_printable_text_shows_everything_and_hides_nothing(words: str) -> None:
    shown = report.printable(words)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert report.printable(shown) == shown
    if words.isprintable():
        assert shown == words


def test_what_turns_writing_around_is_spelt_out() -> None:
    assert report.printable("a\u202eb\x1b[0m\ud800\U000e0041") == r"a\u{202e}b\u{1b}[0m\u{d800}\u{e0041}"


def test_cleaning_keeps_what_is_clean() -> None:
    assert report.clean(FAILED) is FAILED
    dirty: Result = result(Verdict.FAIL, reason="\x00")
    assert report.clean(dirty) == msgspec.structs.replace(dirty, reason=r"\u{0}")
