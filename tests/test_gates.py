"""Gates: for each way in which conformance suites are known to turn hollow, what closes it here.

Some are held where what they are about is tested: GATES names each flaw, and the tests that close it.

Plan: the list · what closes passes nothing · no way out of a failure · IDs for ever · the eight rows · failures that
are known · before the first test.
"""

import ast
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance import ids, runner
from opalink.conformance.bundle.results import Result
from opalink.conformance.campaign import begin, certify
from opalink.conformance.papers.pics import read, write
from opalink.conformance.papers.waivers import signature
from opalink.conformance.purposes import Class, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import purposes
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.zoo.roster import members
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import PacketType
from opalink.spec.form import Role

GOOD = "py:opalink.protocol.engine.module:Module"
QUICK = "MOD/BEN/BIND/CA-answered"
ALL = [p for role in (Role.MODULE, Role.PHONE) for p in purposes(role)]

# ── The list ─────────────────────────────────────────────────────────────────────────────────────────

GATES = {
    "closing the connection counts as a refusal": (
        "test_gates.test_a_closed_connection_is_never_a_refusal",
        "test_zoo.test_what_always_closes_passes_nothing",
    ),
    "silence, an echo or a refusal of everything scores": (
        "test_zoo.test_silence_and_refusal_are_never_taken_for_right_behaviour",
        "test_report_html.test_the_null_baseline_is_what_silence_scores",
    ),
    "a run of no tests is a success": (
        "test_conformance_campaign.test_nothing_selected_is_not_a_pass",
        "test_conformance_commands.test_nothing_selected_is_an_exit_of_its_own",
        "test_conformance_purposes.test_nothing_is_conformant_that_did_not_pass",
        "test_gates.test_zero_selected_tests_exit_with_5",
    ),
    "a report says that it failed and not against what": (
        "test_report_html.test_the_obligation_stands_before_everything_else_of_a_failure",
        "test_report_html.test_the_exchange_is_a_ladder_of_decoded_packets",
        "test_conformance_commands.test_a_failure_begins_with_the_requirement",
        "test_report.test_verdict_and_exit_code_go_together",
    ),
    "a campaign cannot be repeated": (
        "test_conformance_campaign.test_the_same_seed_gives_the_same_bytes",
        "test_conformance_campaign.test_a_purpose_runs_alone_as_it_runs_among_others",
        "test_bounds.test_in_virtual_time_no_verdict_depends_on_how_fast_the_host_is",
    ),
    "a failure becomes what is not supported": ("test_gates.test_after_the_run_no_failure_becomes_inapplicable",),
    "what is declared, advertised and observed may differ": (
        "test_gates.test_declared_advertised_and_observed_agree_or_no_test_is_run",
        "test_conformance_pics.test_declared_advertised_observed",
    ),
    "a waiver outlives what it excuses": (
        "test_waivers.test_a_stale_waiver_fails_the_run_with_its_own_sentence",
        "test_waivers.test_a_waiver_that_is_no_longer_needed_fails_a_good_module",
        "test_waivers.test_a_wildcard_stands_for_at_most_ten_tests",
        "test_waivers.test_nothing_is_waived_in_a_certification",
    ),
    "a test has no requirement, or an ID that comes to mean another": (
        "test_gates.test_every_test_carries_a_requirement",
        "test_gates.test_every_test_has_a_permanent_id",
        "test_gates.test_the_lock_of_ids_only_grows",
    ),
    "a certificate is a claim": (
        "test_seal.test_one_byte_changed_anywhere_is_refused",
        "test_seal.test_an_edited_verdict_is_not_reproducible_whoever_signs",
        "test_seal.test_a_test_less_is_refused",
        "test_recorded.test_all_of_a_campaign_is_derived_again_from_what_crossed_the_bench",
    ),
    "recorded answers pass": (
        "test_seal.test_recorded_answers_pass_under_the_nonce_that_they_were_recorded_under_and_no_other",
    ),
    "a known failure comes and goes": ("test_gates.test_a_failure_shows_itself_a_hundred_times_in_the_same_way",),
    "a busy host fails a good module": (
        "test_conformance_trials.test_a_conforming_module_is_failed_nowhere_under_load",
        "test_conformance_trials.test_what_is_late_by_no_more_than_the_bench_is_left_open",
    ),
    "nobody knows how strong the suite is": (
        "test_selfcheck.test_less_than_95_of_100_is_not_good",
        "test_selfcheck.test_one_false_failure_or_one_surprise_is_not_good",
        "test_selfcheck.test_a_whole_run_is_asked_for_a_witness_of_every_must",
    ),
    "a crash before the first test is nobody's": ("test_gates.test_a_crash_before_the_first_test_is_a_failure",),
    "a hostile implementation ends the tester": (
        "test_bounds.test_a_hostile_module_costs_neither_memory_nor_time",
        "test_adapters.test_a_hostile_peer_costs_neither_memory_nor_time",
    ),
    "requirements are left out and nobody sees it": (
        "test_conformance_reference.test_every_requirement_is_tried_or_seen_and_few_have_a_reason_instead",
        "test_conformance_completeness.test_no_more_than_one_obligation_in_twenty_rests_on_a_reason",
    ),
}


@pytest.mark.parametrize("flaw", GATES)
def test_every_flaw_has_tests_that_close_it(flaw: str) -> None:
    for name in GATES[flaw]:
        module, _, test = name.partition(".")
        body = ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")).body
        assert test in {f.name for f in body if isinstance(f, ast.FunctionDef)}, name


# ── What closes passes nothing ─────────────────────────────────────────────────────────────────────


class Closing(Module):
    """Is gone as soon as a packet comes, and is there again when it is called again."""

    def receive(self, lane: Any, data: bytes, now: int) -> None:  # noqa: ARG002  it does not look
        raise RuntimeError("closed")


def test_a_closed_connection_is_never_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an implementation that always closes scores well on everything that it must refuse."""
    monkeypatch.setattr(runner, "GIVE_UP", 1 << 20)  # so that each one is run
    path = f"py:{__name__}:{Closing.__name__}"
    results = certify(path, Options(selection="MOD/MGT/DESC_READ and (/BI- or /BO-)")).results
    ran = [r for r in results if r.verdict is not Verdict.NA and r.verdict is not Verdict.NOTRUN]
    assert {r.id.rsplit("/", 1)[1][:2] for r in ran} == {Class.BI, Class.BO}
    assert [r.id for r in ran if r.verdict is not Verdict.FAIL] == []
    assert all("R-WIRE-021" in r.charged for r in ran)


def test_zero_selected_tests_exit_with_5(tmp_path: Path) -> None:
    """Else a selection that is misspelt is a green build."""
    made = CliRunner().invoke(cli, ["certify", GOOD, "-k", "MOD/NO/SUCH", "--out", str(tmp_path)])
    assert (made.exit_code, made.exception.__class__) == (5, SystemExit)


# ── No way out of a failure ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verdict", Verdict)
def test_after_the_run_no_failure_becomes_inapplicable(verdict: Verdict) -> None:
    """Else a test that failed is explained away as not supported. Only what was not run can turn out to be about
    nothing, and none can have been run and become what was not."""
    certification = begin(GOOD, Options())
    try:
        chosen = [p for p in purposes(Role.MODULE) if p.premise or p.id == QUICK]
        assert len(chosen) > 1
        ran = [_ended(p, verdict) for p in chosen]
        after = certification.conclude(chosen, ran).results
    finally:
        certification.runner.close()
    changed = {b.verdict for a, b in zip(ran, after, strict=True) if a.verdict is not b.verdict}
    assert changed == ({Verdict.NA} if verdict is Verdict.NOTRUN else set())


def _ended(purpose: Purpose, verdict: Verdict) -> Result:
    return Result(purpose.id, verdict, purpose.requirements, purpose.sentence)


# ── IDs for ever ─────────────────────────────────────────────────────────────────────────────────────


def test_every_test_carries_a_requirement() -> None:
    """Else nobody can say what a failure violates."""
    assert [p.id for p in ALL if not p.requirements] == []


def test_every_test_has_a_permanent_id() -> None:
    """Else a waiver or a citation comes to mean another test. `python -m opalink.conformance.ids` appends new IDs."""
    locked, current = ids.in_force(ids.read()), {p.id for p in ALL}
    assert (sorted(current - locked), sorted(locked - current)) == ([], [])


_IDS = st.frozensets(st.sampled_from([f"MOD/A/B/BV-{c}" for c in "abcdef"]))


@given(st.lists(_IDS, max_size=6))
def test_the_lock_of_ids_only_grows(steps: list[frozenset[str]]) -> None:
    lines: tuple[str, ...] = ()
    for now in steps:
        longer = ids.extended(lines, now)
        assert longer[: len(lines)] == lines
        assert ids.in_force(longer) == now
        assert ids.extended(longer, now) == longer
        lines = longer


@pytest.mark.parametrize("lines", [("a", "a"), ("retired a",), ("a", "retired a", "retired a")])
def test_a_lock_that_says_something_twice_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="says twice what became of a"):
        ids.in_force(lines)


# ── The eight rows ───────────────────────────────────────────────────────────────────────────────────
# What is declared, advertised and observed of a feature, who shows it, and what is said. The reference module has PLAN
# and no STORAGE.

ROWS = {
    (True, True, True): ("Plain", "PLAN", ""),
    (True, True, False): ("OverClaimer", "STORAGE", "STORAGE is declared and advertised, and does not work."),
    (True, False, True): ("UnderClaimer", "PLAN", "PLAN is declared and works, and is not advertised."),
    (True, False, False): ("Plain", "STORAGE", "STORAGE is declared, and is not there."),
    (False, True, True): ("Plain", "PLAN", "PLAN is advertised and works, and is not declared."),
    (False, True, False): ("OverClaimer", "STORAGE", "STORAGE is advertised, and neither declared nor there."),
    (False, False, True): ("UnderClaimer", "PLAN", "PLAN works, and is neither declared nor advertised."),
    (False, False, False): ("Plain", "STORAGE", ""),
}


@pytest.fixture(scope="module")
def statement() -> str:
    """What the reference module shows of itself."""
    return certify(GOOD, Options(selection=QUICK)).pics


@pytest.mark.parametrize("row", ROWS)
def test_declared_advertised_and_observed_agree_or_no_test_is_run(
    row: tuple[bool, bool, bool], statement: str, tmp_path: Path
) -> None:
    """Else a feature that is left out of a declaration is a feature that nobody tests."""
    name, feature, says = ROWS[row]
    shown = read(statement, catalogue())
    declared = structs.replace(shown, profile="", features={**shown.features, feature: row[0]})
    (tmp_path / "pics.toml").write_text(write(declared))
    made = certify(members()[name].uri, Options(pics=tmp_path / "pics.toml", selection=QUICK))
    found = read(made.pics, catalogue())
    assert (feature in found.declared, found.advertised[feature], found.observed[feature]) == row
    assert made.reason == says
    assert made.verdict is (Conclusion.PICS_CONTRADICTED if says else Conclusion.CONFORMANT)
    assert bool(made.results) is not bool(says)


# ── Failures that are known ──────────────────────────────────────────────────────────────────────────


def test_a_failure_shows_itself_a_hundred_times_in_the_same_way() -> None:
    """Else what is waived passes now and then, and a list of known failures cannot be strict."""
    (purpose,) = (p for p in ALL if p.id == "MOD/WIRE/TXN/TI-response")
    one = begin(members()["Late"].uri, Options(clock="virtual"))
    seen = set()
    try:
        for seed in range(100):
            one.runner.options = structs.replace(one.runner.options, seed=seed)
            result = one.runner.step(purpose)
            seen.add((result.verdict, signature(result)))
    finally:
        one.runner.close()
    assert seen == {(Verdict.FAIL, signature(result))}


# ── Before the first test ────────────────────────────────────────────────────────────────────────────


class FallsOnce(Module):
    """Crashes at the first packet of a type, once, and never again."""

    at: ClassVar[PacketType]
    left: ClassVar[int]

    def receive(self, lane: Any, data: bytes, now: int) -> None:
        if type(self).left and data[1] == self.at:
            type(self).left -= 1
            raise RuntimeError("not ready yet")
        super().receive(lane, data, now)


@pytest.mark.parametrize("at", [PacketType.HELLO, PacketType.DESC_READ, PacketType.PWR_SINK_CAPS])
def test_a_crash_before_the_first_test_is_a_failure(at: PacketType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a module that crashes where no test looks is conformant, or the tester's own fault."""
    monkeypatch.setattr(FallsOnce, "at", at, raising=False)
    monkeypatch.setattr(FallsOnce, "left", 1, raising=False)
    made = certify(f"py:{__name__}:FallsOnce", Options(selection=QUICK))
    assert FallsOnce.left == 0
    assert made.verdict is Conclusion.NON_CONFORMANT
    assert made.reason.startswith("R-WIRE-021 was violated before the first test, while it was probed: ")
    charged = {c.id: c.verdict for c in made.coverage.requirements}
    assert charged["R-WIRE-021"] is Verdict.FAIL
