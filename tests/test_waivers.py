"""Waivers: what is refused, what is waived, and every way in which one is stale.

Plan: a failure and its waiver · what is refused · what is waived · what is stale · the command.
"""

import contextlib
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance.bundle.results import Result
from opalink.conformance.campaign import certify
from opalink.conformance.papers.waivers import (
    WIDEST,
    Waiver,
    WaiverError,
    apply,
    counted,
    load,
    meant,
    read,
    settle,
    signature,
)
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Conclusion, Exit, Verdict

# ── A failure and its waiver ─────────────────────────────────────────────────────────────────────────

BAD = "py:tests.test_conformance_campaign:Silent"
TEST = "MOD/ATT/BEACON/TI-first"
TODAY = datetime.now(UTC).date()
FAILED = Result(TEST, Verdict.FAIL, ("R-LNK-003",), "", expected="within 20 ms", actual="after 31.5 ms")
SUITE = [TEST, "MOD/X/Y/BV-z", *(f"MOD/MANY/T/BV-{i}" for i in range(WIDEST + 1))]


def waiver(result: Result = FAILED, *, test: str = "", id_: str = "W-1", expires: date = TODAY) -> Waiver:
    assert result.verdict is Verdict.FAIL
    return Waiver(id_, test or result.id, "fail", signature(result), "https://bugs.example.com/1", expires)


def toml(w: Waiver, head: str = "waivers = 1\n") -> str:
    words = {k: getattr(w, k) for k in ("id", "test", "verdict", "signature", "bug")}
    lines = "".join(f"{k} = {json.dumps(v)}\n" for k, v in words.items())
    return f"{head}\n[[waiver]]\n{lines}expires = {w.expires}\n"


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────

GOOD = toml(waiver())


def test_what_is_written_is_read() -> None:
    assert read(GOOD) == (waiver(),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing required field `waivers`"),
        ("waivers = [", "no TOML"),
        ("waivers = 1\n", "missing required field `waiver`"),
        (GOOD.replace("waivers = 1", "waivers = 2"), "cannot be used"),
        (GOOD.replace('"fail"', '"pass"'), "cannot be used"),
        (GOOD.replace("sha256:", "md5:"), "cannot be used"),
        (GOOD.replace("https://", ""), "cannot be used"),
        (re.sub("bug = .*\n", "", GOOD), "missing required field `bug`"),
        (re.sub("expires = .*\n", "", GOOD), "missing required field `expires`"),
        (re.sub("expires = .*\n", 'expires = "soon"\n', GOOD), "cannot be used"),
        (GOOD + "why = 3\n", "unknown field `why`"),
        (toml(waiver(), GOOD), "two waivers with the ID W-1"),
    ],
)
def test_what_is_no_list_of_waivers_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(WaiverError) as fault:
        read(text)
    assert says in str(fault.value)
    assert "\n" not in str(fault.value)
    assert fault.value.exit is Exit.USAGE


@given(st.text(max_size=200))
def test_any_text_is_a_list_of_waivers_or_is_refused(text: str) -> None:
    with contextlib.suppress(WaiverError):
        read(text)


def test_what_is_not_there_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(WaiverError) as fault:
        load(tmp_path / "none.toml")
    assert fault.value.exit is Exit.NOTHING_RAN
    path = tmp_path / "waivers.toml"
    path.write_text(GOOD + 'replay = "w.pcapng"\n')
    with pytest.raises(WaiverError, match=r"recording 'w\.pcapng', which is not there"):
        load(path)
    (tmp_path / "w.pcapng").touch()
    assert load(path)[0].replay == "w.pcapng"


def test_a_wildcard_stands_for_at_most_ten_tests() -> None:
    assert meant(waiver(test="MOD/X/*"), SUITE) == ["MOD/X/Y/BV-z"]
    assert len(meant(waiver(test="MOD/MANY/*"), SUITE[:-1])) == WIDEST
    with pytest.raises(WaiverError, match="stands for 11 tests; at most 10"):
        meant(waiver(test="MOD/MANY/*"), SUITE)


# ── What is waived ───────────────────────────────────────────────────────────────────────────────────


def test_a_waiver_changes_no_verdict_and_makes_nothing_conformant() -> None:
    (result,), stale = apply([waiver()], SUITE, [FAILED], TODAY)
    assert (result.verdict, result.waived, stale) == (Verdict.FAIL, "W-1", [])
    assert counted([result])[0].verdict is Verdict.PASS
    assert counted([FAILED]) == [FAILED]
    assert settle(Conclusion.CONFORMANT, "", [result], [])[0] is Conclusion.KNOWN
    assert settle(Conclusion.CONFORMANT, "", [FAILED], [])[0] is Conclusion.CONFORMANT


@pytest.mark.parametrize("verdict", [c for c in Conclusion if c is not Conclusion.CONFORMANT])
def test_a_waiver_mends_nothing_else(verdict: Conclusion) -> None:
    (result,), _ = apply([waiver()], SUITE, [FAILED], TODAY)
    assert settle(verdict, "why", [result], []) == (verdict, "why")


def test_a_signature_leaves_out_numbers_and_nothing_else() -> None:
    assert signature(structs.replace(FAILED, actual="after 32.75 ms", seed=9, span=4)) == signature(FAILED)
    others = {"actual": "never"}, {"charged": ("R-WIRE-021",)}, {"verdict": Verdict.INCONC}, {"reason": "x"}
    assert len({signature(structs.replace(FAILED, **o)) for o in others} | {signature(FAILED)}) == 5


@pytest.mark.parametrize("verdict", [Verdict.NOTRUN, Verdict.ERROR])
def test_of_what_did_not_run_nothing_is_said(verdict: Verdict) -> None:
    results = [structs.replace(FAILED, verdict=verdict)]
    assert apply([waiver()], SUITE, results, TODAY) == (results, [])


def test_what_was_not_chosen_is_left_alone() -> None:
    assert apply([waiver()], SUITE, [], TODAY) == ([], [])


# ── What is stale ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("w", "result", "says"),
    [
        (waiver(), structs.replace(FAILED, verdict=Verdict.PASS), "which passes."),
        (waiver(), structs.replace(FAILED, verdict=Verdict.NA), "which does not apply."),
        (waiver(), structs.replace(FAILED, verdict=Verdict.INCONC), "which ends with INCONC, not FAIL."),
        (waiver(), structs.replace(FAILED, actual="never"), "which fails in another way: sha256:"),
        (waiver(test="MOD/NO/SUCH/BV-test"), FAILED, "which is no test."),
        (waiver(expires=TODAY - timedelta(days=1)), FAILED, f"expired on {TODAY - timedelta(days=1)}."),
    ],
)
def test_a_stale_waiver_fails_the_run_with_its_own_sentence(w: Waiver, result: Result, says: str) -> None:
    (after,), stale = apply([w], SUITE, [result], TODAY)
    assert after == result
    (words,) = stale
    assert words.startswith("The waiver W-1 ")
    assert says in words
    assert settle(Conclusion.CONFORMANT, "", [after], stale) == (Conclusion.NON_CONFORMANT, words)


def test_one_failure_has_one_waiver() -> None:
    _, stale = apply([waiver(), waiver(id_="W-2")], SUITE, [FAILED], TODAY)
    assert stale == [f"The waivers W-1 and W-2 are both for {TEST}."]


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def run(tmp_path: Path, file: Path, iut: str = BAD, *more: str) -> tuple[int, str]:
    args = ["certify", iut, "-k", TEST, "--waivers", str(file), "--out", str(tmp_path / "out"), *more]
    result = CliRunner().invoke(cli, args)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_run_whose_only_failures_are_waived_ends_with_its_own_code(tmp_path: Path) -> None:
    (failed,) = certify(BAD, Options(selection=TEST)).results
    file = tmp_path / "waivers.toml"
    file.write_text(toml(waiver(failed)))
    code, said = run(tmp_path, file)
    assert (code, f"waived by W-1: FAIL {TEST}" in said) == (Exit.KNOWN, True), said
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    (test,) = report["tests"]
    assert (report["verdict"], report["exit"], report["summary"]["fail"]) == ("known-failures", Exit.KNOWN, 1)
    assert (test["verdict"], test["waived"], test["signature"]) == ("fail", "W-1", signature(failed))
    skipped = next(ET.parse(tmp_path / "out/junit.xml").iter("skipped"))  # noqa: S314  our own file
    assert skipped.get("message", "").startswith("Waived by W-1. R-LNK-003")


def test_a_waiver_that_is_no_longer_needed_fails_a_good_module(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(GOOD)
    code, said = run(tmp_path, file, "py:opalink.protocol.engine.module:Module")
    assert code == Exit.NON_CONFORMANT
    assert f"The waiver W-1 is for {TEST}, which passes." in said


def test_nothing_is_waived_in_a_certification(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(GOOD)
    code, said = run(tmp_path, file, BAD, "--plan", "cert")
    assert (code, "nothing is waived" in said) == (Exit.USAGE, True)
    with pytest.raises(WaiverError):
        certify(BAD, Options(plan=Plan.CERT, waivers=file, selection=TEST))
