"""A campaign in real time survives being cut off: what was done is not done again, and comes to the same.

Plan: a campaign that is cut off · what cannot be taken up · the command · how long it takes.
"""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance import pace
from opalink.conformance.bundle import journal as journals
from opalink.conformance.bundle.journal import FILE, Journal, ResumeError, journal
from opalink.conformance.bundle.results import Campaign, Result
from opalink.conformance.campaign import Certification, begin
from opalink.conformance.purposes import Purpose
from opalink.conformance.runner import Options, Runner
from opalink.conformance.sealed.order import Order
from opalink.conformance.selection import purposes, select
from opalink.conformance.verdicts import Exit, Verdict
from opalink.spec.form import Role

URI = "py:opalink.protocol.engine.module:Module"
SELECTION = "MOD/WIRE/ORDER"
OPTIONS = Options(selection=SELECTION, clock="real", plane="packet")
ORDER = Order(URI, OPTIONS)


class CutOffError(Exception):
    """The power fails."""


def run(folder: Path, *, resume: bool = False, after: int = 1 << 20) -> tuple[Campaign, list[str]]:
    """A campaign, and the tests that were executed; the power fails after so many."""
    executed: list[str] = []

    def progress(_result: Result, done: int, _total: int) -> None:
        if done > after:
            raise CutOffError

    class Counting(Certification):
        def step(self, purpose: Purpose) -> Result:
            executed.append(purpose.id)
            return Runner.step(self.runner, purpose)

    with journal(folder, ORDER, resume=resume) as kept, begin(URI, OPTIONS) as one:
        one.runner.step = Counting.step.__get__(one)  # type: ignore[method-assign]
        return one.run(select(Role.MODULE, OPTIONS.plan, SELECTION), progress, kept), executed


# ── A campaign that is cut off ───────────────────────────────────────────────────────────────────────


def test_a_campaign_that_was_cut_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    whole, all_ = run(tmp_path)
    assert not (tmp_path / FILE).exists()
    with pytest.raises(CutOffError):
        run(tmp_path, after=3)
    assert (tmp_path / FILE).exists()
    rest, executed = run(tmp_path, resume=True)
    assert executed == all_[4:]
    assert [(r.id, r.verdict) for r in rest.results] == [(r.id, r.verdict) for r in whole.results]
    covered = {r.id for r in whole.coverage.requirements if r.seen}
    assert covered == {r.id for r in rest.coverage.requirements if r.seen}
    assert not (tmp_path / FILE).exists()


def test_a_test_that_failed_before_the_cut_still_counts(tmp_path: Path) -> None:
    kept = Journal(tmp_path, ORDER)
    failed = Result("MOD/A/B/BI-x", Verdict.FAIL, ("R-WIRE-021",), "", charged=("R-WIRE-021",), expected="life")
    kept._write(journals.Line(failed))
    kept.close()
    again = Journal(tmp_path, ORDER, resume=True)
    with begin(URI, OPTIONS) as one:
        again.join(one.runner)
        assert one.runner.monitor.broken["R-WIRE-021"] == 1
    assert len(again) == 1


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@given(st.integers(0, 400))
def test_a_file_cut_anywhere_keeps_the_lines_that_are_whole(path: Path, cut: int) -> None:
    kept = Journal(path, ORDER)
    for i in range(3):
        kept._write(journals.Line(Result(f"MOD/A/B/BV-{i}", Verdict.PASS, (), "")))
    kept.close()
    data = (path / FILE).read_bytes()
    (path / FILE).write_bytes(data[: max(len(data) - cut, data.index(b"\n") + 1)])
    whole = (path / FILE).read_bytes().count(b"\n") - 1
    assert len(Journal(path, ORDER, resume=True)) in (whole, whole + 1)


# ── What cannot be taken up ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order", "text", "words", "exit_"),
    [
        (ORDER, None, "no campaign was cut off", Exit.NOTHING_RAN),
        (ORDER, b"", "is no progress of a campaign", Exit.USAGE),
        (ORDER, b"\xff\x00\n", "is no progress of a campaign", Exit.USAGE),
        (Order("sim:macro-tube", OPTIONS), b"", "was another one", Exit.USAGE),
        (Order(URI, structs.replace(OPTIONS, seed=2)), b"", "was another one", Exit.USAGE),
    ],
)
def test_what_cannot_be_taken_up_gets_one_sentence(
    order: Order, text: bytes | None, words: str, exit_: Exit, tmp_path: Path
) -> None:
    if text is not None:
        kept = Journal(tmp_path, ORDER)
        kept._write(journals.Line(Result("MOD/A/B/BV-x", Verdict.PASS, (), "")))
        kept.close()
        if order == ORDER:
            (tmp_path / FILE).write_bytes(text)
    with pytest.raises(ResumeError, match=words) as found:
        Journal(tmp_path, order, resume=True)
    assert found.value.exit is exit_


def test_a_campaign_of_another_suite_is_not_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Journal(tmp_path, ORDER)
    kept._write(journals.Line(Result("MOD/A/B/BV-x", Verdict.PASS, (), "")))
    kept.close()
    monkeypatch.setattr(journals, "digest", lambda: "another")
    with pytest.raises(ResumeError, match="of another opalink"):
        Journal(tmp_path, ORDER, resume=True)


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_plan_for_a_bench_runs_in_real_time_and_says_how_long_it_takes(tmp_path: Path) -> None:
    command = ["certify", URI, "--plan", "bench", "-k", "MOD/WIRE/ORDER/BI-fields", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code in (Exit.CONFORMANT, Exit.INCONCLUSIVE), done.output
    assert "tests in real time take" in done.stderr
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes())["clock"] == "real"
    none = CliRunner().invoke(cli, [*command, "--resume"])
    assert none.exit_code == Exit.NOTHING_RAN
    assert "no campaign was cut off" in none.output


# ── How long it takes ────────────────────────────────────────────────────────────────────────────────


def test_the_pace_of_most_kinds_of_tests_is_known() -> None:
    """Otherwise: python -m opalink.conformance.pace"""
    kinds = {pace.kind(p.id) for p in purposes(Role.MODULE)}
    assert len(kinds & pace.pace().keys()) >= 0.9 * len(kinds)


def test_an_estimate_is_of_what_will_be_run() -> None:
    chosen = select(Role.MODULE, OPTIONS.plan, "MOD/ATT or MOD/FLT")
    with begin(URI, OPTIONS) as one:
        assert "tests in real time take" in pace.estimate(one.runner, chosen)
    with begin(URI, structs.replace(OPTIONS, clock="virtual")) as one:
        assert pace.estimate(one.runner, chosen) == ""
    ids = [p.id for p in chosen]
    assert pace.least(ids) > pace.least(ids[:10]) > 0
