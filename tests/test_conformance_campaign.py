"""Campaigns: deterministic, stubborn, and honest about what did not run.

Plan: implementations to judge · determinism · crashes · what does not run · PICS · coverage · real time.
"""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from opalink.conformance import runner
from opalink.conformance.bundle.coverage import binds
from opalink.conformance.bundle.results import Actor, How, Result
from opalink.conformance.campaign import certify
from opalink.conformance.papers.pics import PicsError, read, write
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options, seed_of
from opalink.conformance.tester.ledger import BURDEN
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.session import Session
from opalink.conformance.trials import Host
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.conformance.zoo.roster import members
from opalink.protocol.engine.module import Module
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, Operation
from opalink.protocol.transport import Hang, Unreachable, UriError
from opalink.protocol.transport.bench import ClockChoice
from opalink.spec.form import MS, Role

# ── Implementations to judge ─────────────────────────────────────────────────────────────────────────

GOOD = "py:opalink.protocol.engine.module:Module"
SOME = "MOD/WIRE/ORDER or MOD/MGT/DESC_READ"


class Crashing(Module):
    """Raises at the first packet of rubbish."""

    def receive(self, lane: Any, data: bytes, now: int) -> None:
        if len(data) == 7:
            raise RuntimeError("a bug that nobody had thought of")
        super().receive(lane, data, now)


class Silent(Module):
    """Never says anything."""

    def outbox(self) -> list[Any]:
        super().outbox()
        return []


class Mortal(Module):
    """Lives for so many bindings and then never again."""

    left: ClassVar[int] = 6

    def reset(self, kind: Any, seed: int, now: int) -> None:
        type(self).left -= 1
        if type(self).left < 0:
            raise RuntimeError("worn out")
        super().reset(kind, seed, now)


class Handless(Module):
    """Nobody can work its rings from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.operations &= ~Operation.RING


def uri(cls: type) -> str:
    return f"py:{__name__}:{cls.__name__}"


def outcomes(results: tuple[Result, ...], verdict: Verdict) -> list[str]:
    return [r.id for r in results if r.verdict is verdict]


# ── Determinism ──────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_bytes() -> None:
    runs = [certify(GOOD, Options(selection=SOME, keep=True, seed=5)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].results[0].steps


def test_another_seed_gives_other_bytes_and_the_same_verdicts() -> None:
    a, b = (certify(GOOD, Options(selection=SOME, keep=True, seed=seed)) for seed in (5, 6))
    assert a.results[0].steps != b.results[0].steps
    assert [r.verdict for r in a.results] == [r.verdict for r in b.results]


def test_a_purpose_runs_alone_as_it_runs_among_others() -> None:
    among = certify(GOOD, Options(selection=SOME, keep=True)).results
    alone = certify(GOOD, Options(selection=among[3].id, keep=True)).results
    assert alone == (among[3],)


def test_the_seed_of_a_purpose_depends_on_nothing_else() -> None:
    assert seed_of(1, "MOD/X/Y/BV-z") == seed_of(1, "MOD/X/Y/BV-z")
    assert len({seed_of(c, p) for c in (1, 2) for p in ("a", "b")}) == 4


# ── Crashes ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_crash_is_a_failure_and_the_campaign_goes_on() -> None:
    made = certify(uri(Crashing), Options(selection="MOD/WIRE/RUBBISH or MOD/WIRE/TXN"))
    crashed = next(r for r in made.results if r.id == "MOD/WIRE/RUBBISH/RB-bytes")
    assert (crashed.verdict, crashed.charged) == (Verdict.FAIL, ("R-WIRE-021",))
    assert "RuntimeError" in crashed.actual
    assert outcomes(made.results, Verdict.PASS)
    assert made.verdict is Conclusion.NON_CONFORMANT


def test_an_answer_of_another_type_is_no_error_of_the_tester() -> None:
    """Whatever it asks for: it asks where the machines are most of all."""
    found = certify(members()["OtherAnswer"].uri, Options(selection="MOD/WIRE/ORDER")).results
    assert {r.verdict for r in found} == {Verdict.FAIL}


def test_what_never_comes_back_stops_the_campaign() -> None:
    Mortal.left = 6
    made = certify(uri(Mortal), Options(selection="MOD/WIRE"))
    assert made.verdict is Conclusion.NON_CONFORMANT
    assert outcomes(made.results, Verdict.NOTRUN)
    last = made.results[-1]
    assert last.reason.startswith("The implementation")


def test_a_campaign_in_which_no_test_begins_is_a_failure() -> None:
    made = certify(uri(Silent), Options(selection="MOD/MGT/DESC_READ"))
    assert {r.verdict for r in made.results} == {Verdict.INCONC, Verdict.NOTRUN}
    assert made.verdict is Conclusion.NON_CONFORMANT
    assert "No BEACON came" in made.reason


def test_an_error_of_the_tester_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug of ours")

    monkeypatch.setattr(runner.exchanges, "run", broken)
    made = certify(GOOD, Options(selection="MOD/MGT/DESC_READ/BI-g.length.above"))
    (result,) = made.results
    assert result.verdict is Verdict.ERROR
    assert made.verdict is Conclusion.TESTER_FAULT


# ── What does not run ────────────────────────────────────────────────────────────────────────────────


def test_nothing_selected_is_not_a_pass() -> None:
    made = certify(GOOD, Options(selection="no_such_thing"))
    assert made.results == ()
    assert made.verdict is Conclusion.NOTHING_RAN


def test_an_operation_that_is_not_offered_is_said_to_be_missing() -> None:
    made = certify(uri(Handless), Options(selection="MOD/LEN/RING/BV-every_turn"))
    (result,) = made.results
    assert result.verdict is Verdict.NOTRUN
    assert "ring" in result.reason
    assert made.verdict is Conclusion.NOTHING_RAN


def test_a_feature_that_is_not_there_makes_a_test_inapplicable() -> None:
    made = certify(GOOD, Options(selection="MOD/FRM/STORE or STORE_LIST"))
    assert {r.verdict for r in made.results} == {Verdict.NA, Verdict.PASS}
    assert set(outcomes(made.results, Verdict.PASS)) == {
        "MOD/FRM/STORE_LIST/NP-g.absent",
        "MOD/FRM/STORE_LIST/BI-g.stray_response",
    }


@pytest.mark.parametrize("text", ["nowhere", "magic:x", "tcp:host"])
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(UriError):
        certify(text)


def test_where_nothing_is_nothing_is_judged() -> None:
    with pytest.raises(Unreachable):
        certify("py:no.such:thing")


# ── PICS ─────────────────────────────────────────────────────────────────────────────────────────────


def _declared(path: Path, **changes: bool) -> Path:
    pics = read(certify(GOOD, Options(selection="MOD/BEN/BIND/CA-answered")).pics, catalogue())
    features = {**pics.features, **changes}
    path.write_text(write(type(pics)(pics.product, pics.version, pics.catalogue, pics.role, pics.profile, features)))
    return path


def test_a_pics_that_agrees_is_used(tmp_path: Path) -> None:
    made = certify(GOOD, Options(pics=_declared(tmp_path / "pics.toml"), selection=SOME))
    assert made.verdict is Conclusion.CONFORMANT


def test_a_contradiction_stops_a_campaign_before_it_begins(tmp_path: Path) -> None:
    path = _declared(tmp_path / "pics.toml", VENDOR=False)
    made = certify(GOOD, Options(pics=path, selection=SOME))
    assert made.results == ()
    assert made.verdict is Conclusion.PICS_CONTRADICTED
    assert "VENDOR is advertised" in made.reason
    quick = certify(GOOD, Options(pics=path, selection=SOME, plan=Plan.QUICK))
    assert quick.results
    assert any("VENDOR is advertised" in w for w in quick.warnings)


def test_an_illegal_pics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PicsError, match="requires SENSOR"):
        certify(GOOD, Options(pics=_declared(tmp_path / "pics.toml", SENSOR=False)))


# ── Coverage ─────────────────────────────────────────────────────────────────────────────────────────


def test_coverage_speaks_of_every_requirement() -> None:
    made = certify(GOOD, Options(selection=SOME))
    covered = {c.id: c for c in made.coverage.requirements}
    assert list(covered) == [r.id for r in catalogue().requirements]
    assert covered["R-WIRE-025"].how is How.ACTIVE
    assert covered["R-WIRE-025"].verdict is Verdict.PASS
    assert covered["R-WIRE-024"].how is How.PASSIVE
    assert covered["R-WIRE-024"].seen > 0
    assert covered["R-MGT-001"].how is How.NA  # the phone's
    assert covered["R-LNK-023"].how is How.REASONED
    assert made.coverage.total == sum(c.how is not How.NA for c in made.coverage.requirements)


@pytest.mark.parametrize(
    ("requirement", "features", "applies"),
    [
        ("R-MGT-037", "", True),
        ("R-MGT-001", "LASER", False),  # of the phone
        ("R-PWR-023", "CONTRACT", False),  # of a source
        ("R-PWR-023", "CONTRACT ROLE_SWAP", True),
        ("R-PWR-030", "CONTRACT", True),
        ("R-PWR-030", "", False),
    ],
)
def test_whom_a_requirement_binds(requirement: str, features: str, applies: bool) -> None:
    found = catalogue().requirement[requirement]
    assert binds(catalogue(), found, Role.MODULE, features.split(), "packet") is applies


def test_a_generated_requirement_binds_whom_it_concerns() -> None:
    def bound(key: str, features: str, plane: str = "packet") -> bool:
        return binds(catalogue(), catalogue().by_key[key], Role.MODULE, features.split(), plane)

    assert bound("PWR_BUDGET.answer", "CONTRACT")
    assert not bound("PWR_BUDGET.answer", "")
    assert bound("PWR_BUDGET.absent", "")
    assert not bound("PWR_BUDGET.absent", "CONTRACT")
    assert not bound("PWR_REQUEST.answer", "CONTRACT")  # a sink asks
    assert bound("TRAIN_REQ.answer", "LASER", "flit")
    assert not bound("TRAIN_REQ.answer", "LASER")


def test_the_verdict_ends_the_steps_of_what_did_not_pass() -> None:
    made = certify(uri(Silent), Options(selection="MOD/MGT/DESC_READ/BI-g.length.above"))
    last = made.results[0].steps[-1]
    assert last.actor is Actor.SUITE
    assert last.note.startswith("verdict inconc: ")


# ── Real time ────────────────────────────────────────────────────────────────────────────────────────


def _fails(times: int) -> Any:
    """A scenario that fails so many times and then passes."""
    left = [times]

    def scenario(s: Session) -> None:
        left[0] -= 1
        s.expect(left[0] < 0, "an answer in time", "one too late")

    return lambda _: scenario


class Quiet(Host):
    """A host on which nothing has to wait."""

    def waiting(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("clock", "times", "verdict"),
    [
        ("real", 1, Verdict.INCONC),
        ("real", 2, Verdict.INCONC),
        ("real", 3, Verdict.FAIL),
        ("virtual", 1, Verdict.FAIL),
    ],
)
def test_in_real_time_only_what_fails_every_time_is_a_failure(
    clock: ClockChoice, times: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "scenario_of", _fails(times))
    monkeypatch.setattr(runner, "Host", Quiet)
    (result,) = certify(GOOD, Options(selection="MOD/WIRE/TXN/TI-response", clock=clock)).results
    assert result.verdict is verdict
    if verdict is Verdict.INCONC:
        assert result.charged == ()
        assert f"It failed {times} of {times + 1} times" in result.reason


def test_what_is_late_behind_much_else_is_not_judged_in_real_time() -> None:
    monitor = Monitor(catalogue(), Role.MODULE, slack=MS)
    monitor.in_time("R-WIRE-023", 60 * MS, 50 * MS, "an answer")
    assert monitor.broken == {"R-WIRE-023": 1}
    monitor.hear(0, Lane.LASER, bytes(BURDEN + 1))
    monitor.violations.clear()
    monitor.in_time("R-WIRE-023", 60 * MS, 50 * MS, "an answer")
    assert (monitor.broken["R-WIRE-023"], len(monitor.unsure)) == (1, 1)


def test_a_connection_may_close_late() -> None:
    member = members()["SlowToClose"]
    (result,) = certify(member.uri, Options(selection="MOD/BEN/RECORD/RB-over_limit", clock="real")).results
    assert result.verdict is Verdict.PASS


def test_real_time_works_too() -> None:
    made = certify(GOOD, Options(selection="MOD/WIRE/TXN or MOD/BEN/CLOCK", clock="real"))
    assert made.clock == "real"
    assert not outcomes(made.results, Verdict.FAIL), made.results
    assert outcomes(made.results, Verdict.NOTRUN)


@pytest.mark.parametrize(("clock", "failed"), [("real", False), ("virtual", True)])
def test_a_silence_while_it_is_probed_is_asked_about_again_where_it_may_be_the_hosts(
    clock: ClockChoice, failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    know, silences = runner.probe.know, [Hang("It kept silent.")]

    def once_silent(session: Session) -> None:
        if silences:
            raise silences.pop()
        know(session)

    monkeypatch.setattr(runner.probe, "know", once_silent)
    made = certify(GOOD, Options(selection="MOD/MGT/DESC_READ/BV-end", clock=clock))
    assert (made.verdict is Conclusion.NON_CONFORMANT) is failed
    assert ("R-WIRE-021" in made.reason) is failed


def test_what_a_test_provokes_and_takes_back_is_not_violated() -> None:
    """An answer to what was given up on its way is one to nothing: the test sees to it that it is not held against
    the module, and the report must not either."""
    made = certify("sim:four-thirds", Options(selection="MOD/FLT/PACKET/BI-contradicted"))
    assert [r.verdict for r in made.results] == [Verdict.PASS]
    assert {c.id for c in made.coverage.requirements if c.verdict is Verdict.FAIL} == set()
