"""Gates: for each way in which conformance suites are known to turn hollow, what closes it here.

Held elsewhere, and not written twice: exit codes and the conclusion, with no path from nothing to a pass, in
test_conformance_purposes; the same seed gives the same bytes, and nothing selected is no pass, in
test_conformance_campaign and test_conformance_commands; always-close, mute, echo and always-no score nothing, in
test_zoo; every way in which a waiver is stale, in test_waivers; the lock of requirement IDs, in test_lock; wrong
failures under load, in test_conformance_trials.

Plan: what closes passes nothing · no way out of a failure · IDs for ever · the eight rows · failures that are known ·
before the first test.
"""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

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
