"""The campaign: the same seed finds the same, what was found is known, and what it leaves can be used.

Plan: campaigns · what is left · the command line.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from opalink.fuzz import commands, report, reproducer
from opalink.fuzz.case import Case, parse, text
from opalink.fuzz.commands import fuzz
from opalink.fuzz.faults import AnyFocusMode, Drifts
from opalink.fuzz.findings import Finding, Played
from opalink.fuzz.guide import CASES, Campaign, Corpus, Found, Fuzzer, Limits
from opalink.fuzz.player import Player
from opalink.fuzz.steps import Reach, Send
from opalink.fuzz.triage import Confirmed, triage
from opalink.protocol.capture import pcapng
from opalink.spec.form import Form

CLEAN = "py:opalink.protocol.engine.module:Module"
FAULTY = "py:opalink.fuzz.planted:only_AnyFocusMode"
ALL = "py:opalink.fuzz.planted:Planted"


def _campaign(uri: str, executions: int, seed: int = 1, corpus: Path | None = None) -> Campaign:
    with Player(uri) as player:
        return Fuzzer(player, seed, corpus).run(Limits(executions=executions))


@pytest.fixture(scope="module")
def confirmed() -> Confirmed:
    with Player(FAULTY) as player:
        case = AnyFocusMode.case()
        found = triage(player.play, case, player.play(case).findings[0])
    assert found is not None
    return found


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_is_the_same_campaign() -> None:
    one, two = (report.as_json(_campaign(ALL, 250)) for _ in range(2))
    for shown in (one, two):
        shown.pop("seconds")
        for f in shown["findings"]:
            f.pop("seconds")
    assert one == two
    assert one["findings"]


def test_campaigns_share_nothing() -> None:
    one, two = Campaign("py:x:y", 1), Campaign("py:x:y", 1)
    one.stuck["somewhere"] += 1
    assert not two.stuck


def test_a_corpus_is_taken_up_again(tmp_path: Path) -> None:
    first = _campaign(CLEAN, 120, corpus=tmp_path)
    texts = {p.name: p.read_text() for p in tmp_path.glob("*.case")}
    assert len(texts) == first.corpus
    (tmp_path / "torn.case").write_text("opalink-case 1\nfly")
    with Player(CLEAN) as player:
        again = Fuzzer(player, 2, tmp_path)
        again.run(Limits(executions=len(texts) + 40))
        assert {text(c) for c in again.corpus.cases} >= set(texts.values())


def test_a_full_corpus_lets_old_cases_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opalink.fuzz.guide.CASES", 10)
    corpus, random = Corpus(tmp_path), __import__("random").Random(1)
    for seed in range(50):
        corpus.add(Case((Reach("READY"),), seed), random)
    assert len(corpus.cases) == len(list(tmp_path.glob("*.case"))) == 10 < CASES


def test_what_does_not_show_again_is_unstable() -> None:
    finding = Finding("R-WIRE-013", "monitor", "0", "1", 1, "STATE_GET request legal", "-")
    case = Case((Reach("READY"),))
    assert triage(lambda _: Played((), (), ()), case, finding) is None
    turns = iter([True, False, True])
    sometimes = triage(lambda _: Played((finding,) if next(turns, False) else (), (), ()), case, finding)
    assert sometimes is not None
    assert not sometimes.stable
    assert (sometimes.shown, sometimes.times) == (2, 4)


def test_the_exit_code_says_what_is_new(confirmed: Confirmed) -> None:
    unstable = Confirmed(confirmed.finding, confirmed.case, confirmed.played, 1, 4, "x")
    for found, wanted in (
        ([], 0),
        ([Found(confirmed)], 1),
        ([Found(confirmed, known=True)], 7),
        ([Found(confirmed, known=True), Found(unstable)], 3),
        ([Found(confirmed), Found(unstable)], 1),
    ):
        campaign = Campaign("py:x:y", 1, executions=5, found={str(i): f for i, f in enumerate(found)})
        assert report.exit_of(campaign) == wanted
    assert report.exit_of(Campaign("py:x:y", 1)) == 5


# ── What is left ─────────────────────────────────────────────────────────────────────────────────────


def test_a_finding_leaves_its_case_a_recording_and_a_page(confirmed: Confirmed, tmp_path: Path) -> None:
    folder = reproducer.bundle(confirmed, tmp_path, FAULTY)
    assert parse((folder / "case.txt").read_text()) == confirmed.case
    assert reproducer.known(tmp_path) == [confirmed.case]
    with (folder / "case.pcapng").open("rb") as stream:
        recording = pcapng.read(stream)
    assert [p.data for p in recording.packets] == [s.data for s in confirmed.played.line if s.data]
    assert recording.comments[0].startswith("R-LEN-104: ")
    assert "R-LEN-104" in (folder / "report.md").read_text()


def test_the_test_that_is_left_fails_while_the_fault_is_there(confirmed: Confirmed, tmp_path: Path) -> None:
    folder = reproducer.bundle(confirmed, tmp_path, FAULTY)
    (path,) = folder.glob("test_*.py")
    for uri, code in ((FAULTY, 1), (CLEAN, 0)):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(path)]
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env={**_environment(), "OPALINK_IUT": uri},
            timeout=120,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def test_junit_has_every_oracle_and_every_finding(confirmed: Confirmed) -> None:
    campaign = Campaign(FAULTY, 1, executions=9, found={confirmed.signature: Found(confirmed)})
    suites = JUnitXml.fromstring(report.as_junit(campaign))
    cases = [case for suite in suites for case in suite]
    assert len(cases) == len(report.ORACLES) + 1
    failed = {case.name for case in cases if case.result}
    assert failed == {"status", confirmed.signature}


def test_sarif_names_the_requirement_and_where_the_case_is(confirmed: Confirmed) -> None:
    campaign = Campaign(FAULTY, 1, executions=9, found={confirmed.signature: Found(confirmed)})
    (run,) = report.as_sarif(campaign)["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "R-LEN-104"
    assert result["partialFingerprints"] == {"opalinkSignature/v1": confirmed.signature}
    place = result["locations"][0]["physicalLocation"]
    line = text(confirmed.case).splitlines()[place["region"]["startLine"] - 1]
    assert line.startswith("send FOCUS_MOVE")


def test_sarif_keeps_to_its_schema(confirmed: Confirmed) -> None:
    schema = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text())
    judge = jsonschema.validators.validator_for(schema)(schema)
    campaign = Campaign(FAULTY, 1, executions=9, found={confirmed.signature: Found(confirmed)})
    made = json.loads(report.sarif_text(campaign))
    assert list(judge.iter_errors(made)) == []
    made["runs"][0]["results"][0]["level"] = "terrible"
    assert len(list(judge.iter_errors(made))) == 1


# ── The command line ─────────────────────────────────────────────────────────────────────────────────


def _run(*words: object) -> Result:
    return CliRunner().invoke(fuzz, [str(w) for w in words])


def test_run_leaves_everything_and_knows_it_the_next_time(tmp_path: Path) -> None:
    first = _run("run", FAULTY, "--executions", 400, "--out", tmp_path, "--json")
    assert first.exit_code == 1, first.output
    shown = json.loads(first.output)
    assert {"executions", "seconds", "findings", "coverage"} <= shown.keys()
    assert {f["requirement"] for f in shown["findings"]} == {"R-LEN-104"}
    assert {p.name for p in tmp_path.iterdir()} == {
        "campaign.json",
        "corpus",
        "findings",
        "findings.sarif",
        "junit.xml",
    }
    again = _run("run", FAULTY, "--executions", 40, "--out", tmp_path, "--seed", 2)
    assert again.exit_code == 7, again.output
    assert ", known:" in again.output


def test_run_on_a_clean_module_is_clean(tmp_path: Path) -> None:
    ended = _run("run", CLEAN, "--executions", 60, "--out", tmp_path)
    assert ended.exit_code == 0, ended.output
    assert re.search(r"^60 cases in .* 0 findings$", ended.output, re.MULTILINE)


def test_a_campaign_that_nobody_watches_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_NEWS", 0.0)
    ended = _run("run", CLEAN, "--executions", 60, "--out", tmp_path)
    said = re.findall(r"^opalink: (\d+) cases in \d+ s, 0 findings$", ended.stderr, re.MULTILINE)
    assert said[-2:] == ["59", "60"]


def test_replay_and_minimize(tmp_path: Path) -> None:
    case = tmp_path / "long.case"
    steps = (*AnyFocusMode.case().steps, *(Send("STATE_GET", Form.REQUEST) for _ in range(5)))
    case.write_text(text(Case(steps, 5)))
    assert _run("replay", CLEAN, case).exit_code == 0
    shown = _run("replay", FAULTY, case)
    assert shown.exit_code == 1
    assert "R-LEN-104" in shown.output
    small = tmp_path / "small.case"
    assert _run("minimize", FAULTY, case, "-o", small).exit_code == 0
    assert parse(small.read_text()).messages == 1
    assert _run("minimize", CLEAN, case).exit_code == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "nowhere", "--executions", 1), 2),
        (("run", CLEAN, "--executions", 0), 2),
        (("run", "tcp:127.0.0.1:1", "--executions", 1), 4),
        (("run", "py:opalink.no.such:Module", "--executions", 1), 4),
        (("replay", CLEAN, "/no/such.case"), 5),
        (("replay", CLEAN, "/dev/null"), 2),
        (("replay", CLEAN, "/"), 4),
    ],
)
def test_what_cannot_be_played_ends_with_a_sentence(words: tuple[object, ...], code: int, tmp_path: Path) -> None:
    extra = ("--out", tmp_path) if words[0] == "run" else ()
    ended = _run(*words, *extra)
    assert ended.exit_code == code, ended.output
    assert "Traceback" not in ended.output
    assert ended.output.strip()


def test_a_fault_of_time_is_found_in_real_time_too() -> None:
    with Player("py:opalink.fuzz.planted:only_Drifts", clock="real") as player:
        assert "R-LEN-012" in {f.requirement for f in player.play(Drifts.case()).findings}
