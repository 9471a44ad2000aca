"""A phone as the implementation under test: ours passes, and each of those that are broken fails for what is broken.

Plan: ours · phones that are broken · the command line · the upper tester.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opalink.__main__ import cli
from opalink.conformance import Conclusion, Options, Verdict, certify
from opalink.conformance.bundle.coverage import coverage
from opalink.conformance.campaign import untested
from opalink.conformance.generated import generated
from opalink.conformance.levels import Reach
from opalink.conformance.purposes import Exchange
from opalink.conformance.scenarios import scenarios
from opalink.conformance.tester.matrix import PHONE_STATES
from opalink.conformance.zoo import roster as zoo
from opalink.conformance.zoo import witnesses_phone, witnesses_phone_duties, witnesses_phone_sink
from opalink.conformance.zoo.witnesses_bench import OfRecords
from opalink.conformance.zoo.witnesses_phone import PhoneSpecimen, with_parts
from opalink.protocol.codec import Tlv
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.capture import Capture
from opalink.protocol.engine.phone.clock import Clock
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.frames import Frames, OneFrame
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.phone.source import Source
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    AttachOperation,
    Condition,
    ConditionOperation,
    DetachOperation,
    Hello,
    LaneDownOperation,
    LaneUpOperation,
    OperationTag,
    Outcome,
    ResetKind,
    ResetOperation,
    StateOperation,
    TimeSyncResponse,
    UserAction,
    UserOperation,
    VersionOperation,
)
from opalink.spec.form import Level, Role

OURS = "py:opalink.protocol.engine.phone:Phone"
HERE = "py:tests.test_phone_certify:"

# ── Ours ─────────────────────────────────────────────────────────────────────────────────────────────


def test_our_phone_passes_every_scenario_and_says_how_far_that_goes() -> None:
    found = certify(OURS, Options(selection="not g."))
    assert found.verdict is Conclusion.CONFORMANT, [(r.id, r.actual, r.reason) for r in found.results if r.actual]
    assert found.role == "phone"
    moot = {r.reason for r in found.results if r.verdict is Verdict.NA}
    assert moot == {
        "The phone lets no such module supply it.",
        "The phone offers no image of firmware.",
        "The phone reports no errors that call for a lower gear.",
        "The phone gives up no gear for errors.",
    }
    assert found.summary["pass"] == len(scenarios(Role.PHONE)) - found.summary["na"] >= 110
    assert found.plane == "both"
    assert not found.warnings


@pytest.mark.parametrize("selection", ["TIME_SYNC", "PWR_REQUEST", "KEEPALIVE", "WIRE and event.0x0", "in.LINK_LOST"])
def test_our_phone_passes_what_the_catalogue_generates(selection: str) -> None:
    found = certify(OURS, Options(selection=selection))
    assert found.verdict is Conclusion.CONFORMANT, [(r.id, r.actual, r.reason) for r in found.results if r.actual]
    assert found.summary["pass"] >= 3


def test_the_whole_plan_is_judged_at_the_first_level_and_no_higher() -> None:
    found = certify(OURS, Options(selection="PHN/ATT or TIME_SYNC"))
    assert not found.level  # a selection reaches none
    assert Reach.L1 < Reach.L3


def test_every_generated_purpose_is_for_a_state_that_a_phone_can_be_brought_to() -> None:
    made = [p for p in generated(Role.PHONE) if isinstance(p.run, Exchange)]
    assert len(made) > 1500
    assert {p.run.state for p in made if isinstance(p.run, Exchange)} <= set(PHONE_STATES)


def test_a_requirement_that_a_scenario_names_binds_phones() -> None:
    known = {r.id: r for r in catalogue().requirements}
    for purpose in scenarios(Role.PHONE):
        roles = {Role.PHONE, Role.BOTH, Role.SINK if "ROLE_SWAP" in purpose.needs else Role.SOURCE}
        for requirement in purpose.requirements:
            assert known[requirement].role in {*roles, Role.SOURCE}, requirement


# ── Phones that are broken ───────────────────────────────────────────────────────────────────────────


def broken(*parts: type[PhonePart]) -> Phone:
    """A phone with parts of its own in the place of those that they build upon."""

    class Broken(Phone):
        pass

    Broken.parts = with_parts(*parts)
    return Broken()


def forgetful_clock() -> Phone:
    class Forgetful(Clock):
        def answer_time_sync(self, _: Cause) -> TimeSyncResponse:
            return TimeSyncResponse(t1=self.end.link_time, t2=self.end.link_time, t3=self.end.link_time)

    return broken(Forgetful)


def generous_source() -> Phone:
    class Generous(Source):
        def when_covered(self, cause: Cause) -> bool:
            return bool(cause.body.generation == self._generation and cause.body.object < len(self._sent))

    return broken(Generous)


def repetitive_source() -> Phone:
    class Repetitive(Source):
        def do_set_supply(self, cause: Cause) -> None:
            super().do_set_supply(cause)
            self.end.clock.start(("source", "again"), 300_000_000, lambda: self.end.send(self.fill_pwr_ready(cause)))

    return broken(Repetitive)


def thoughtless_source() -> Phone:
    class Thoughtless(Source):
        def when_peak_late(self, _: Cause) -> bool:
            return False

    return broken(Thoughtless)


def unnamed_reason() -> Phone:
    class Unnamed(Source):
        def refuse_pwr_request(self, cause: Cause, status: Any) -> Any:
            self._reason = type(self._reason)(0)
            return super().refuse_pwr_request(cause, status)

    return broken(Unnamed)


def clinging_contact() -> Phone:
    class Clinging(Contact):
        def fill_hello(self, cause: Cause) -> Hello:
            hello = super().fill_hello(cause)
            return Hello(**{f: getattr(hello, f) for f in hello.__struct_fields__} | {"phone_nonce": 7})

    return broken(Clinging)


def trusting_contact() -> Phone:
    """It takes a module that has started anew for the one that it knew."""

    class Trusting(Contact):
        def when_nonce_new(self, _: Cause) -> bool:
            return self.beacon is None

    return broken(Trusting)


def slow_removal() -> Phone:
    class Slow(Phone):
        def undock(self) -> None:
            if self.around.contacts and not self.clock.running(("slow", "off")):
                self.clock.start(("slow", "off"), 200_000_000, super().undock)

    return Slow()


def greedy_frames() -> Phone:
    class Greedy(OneFrame):
        @property
        def _allowance(self) -> int:
            return self.leader.blocks

        def when_may_ask(self, _: Cause) -> bool:
            return bool(self.store.missing(ranges=1))

    class GreedyFrames(Frames):
        one = Greedy

    return broken(GreedyFrames)


def snob() -> Phone:
    class Snob(Capture):
        def configure(self, *_: Any, **__: Any) -> bool:
            return False

    return broken(Snob)


def mute() -> Phone:
    class Mute(Phone):
        def outbox(self) -> list[Any]:
            super().outbox()
            return []

    return Mute()


BROKEN = {
    "forgetful_clock": ("PHN/TIM/TIME_SYNC/BV-t1", "R-TIM-003"),
    "generous_source": ("PHN/PWR/REQUEST/BI-current", "R-PWR-025"),
    "repetitive_source": ("PHN/PWR/CONTRACT/BV-ready", "R-PWR-027"),
    "thoughtless_source": ("PHN/PWR/RESERVE/BI-late", "R-PWR-032"),
    "unnamed_reason": ("PHN/PWR/REQUEST/BI-no_offer", "R-PWR-024"),
    "clinging_contact": ("PHN/ATT/HELLO/BV-repeated", "R-MGT-004"),
    "trusting_contact": ("PHN/ATT/BEACON/BV-other_nonce", "R-ATT-012"),
    "slow_removal": ("PHN/ATT/REMOVAL/TI-released", "R-ATT-011"),
    "greedy_frames": ("PHN/FRM/NAK/BV-capped", "R-FRM-019"),
    "snob": ("PHN/CAP/STREAM/BV-opened", "R-SEC-009"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_phone_that_is_broken_fails_the_test_that_cites_what_it_breaks(name: str) -> None:
    test, requirement = BROKEN[name]
    found = certify(HERE + name, Options(selection=test))
    [result] = found.results
    assert result.verdict is Verdict.FAIL, (result.verdict, result.reason)
    assert requirement in (result.charged or result.requirements), result.charged
    assert found.verdict is Conclusion.NON_CONFORMANT


# NO_SUCH_ID is besides no status of FW_PULL.
FOLLOWS = dict.fromkeys("PullsShort PullsOnwards PullsNothing PullsTooMuch PullsNever".split(), "R-WIRE-022")


ALL = (*witnesses_phone.ALL, *witnesses_phone_duties.ALL, *witnesses_phone_sink.ALL)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_specimen_is_charged_with_what_it_breaks_and_with_nothing_else(kind: type[PhoneSpecimen | OfRecords]) -> None:
    found = certify(zoo.members()[kind.__name__].uri, Options(plan=kind.plan, selection=kind.selection))
    failed = [r for r in found.results if r.verdict is Verdict.FAIL]
    assert found.verdict is kind.conclusion, [(r.id, r.verdict, r.reason) for r in found.results]
    charged = {id_ for r in failed for id_ in r.charged or r.requirements}
    assert set(kind.causes) <= charged <= {*kind.causes, FOLLOWS.get(kind.__name__)}
    assert failed or all(r.verdict is Verdict.PASS for r in found.results)


def test_what_a_phone_is_not_tested_for_is_told_by_name() -> None:
    lacking = untested(coverage(catalogue(), Role.PHONE, Phone().features, "flit", [], None), Role.PHONE)
    assert lacking == ["R-WIRE-009", "R-WIRE-010"]  # which the monitor sees kept, where there is one
    assert all(catalogue().requirement[id_].level is Level.MUST for id_ in lacking)
    cited = {id_ for purpose in (*scenarios(Role.PHONE), *generated(Role.PHONE)) for id_ in purpose.requirements}
    assert cited.isdisjoint(lacking)


def test_a_phone_without_an_image_is_not_judged_by_how_it_serves_one() -> None:
    found = certify(OURS, Options(selection="PHN/SEC/FW_PULL and not g."))
    assert {r.verdict for r in found.results} == {Verdict.NA}


def test_a_phone_that_says_nothing_passes_nothing() -> None:
    found = certify(HERE + "mute", Options(selection="not g."))
    passed = [r.id for r in found.results if r.verdict is Verdict.PASS]
    assert [id_ for id_ in passed if not id_.startswith("PHN/BEN/")] == ["PHN/ATT/CONTACT/BV-silent"]
    assert found.verdict is Conclusion.NON_CONFORMANT


# ── The command line ─────────────────────────────────────────────────────────────────────────────────


def test_a_phone_is_judged_as_what_it_is_and_only_as_that(tmp_path: Path) -> None:
    def judge(*arguments: str) -> tuple[int, str]:
        found = CliRunner().invoke(
            cli, ["certify", OURS, "-k", "PHN/PWR/REQUEST/BI-stale", "--out", str(tmp_path), *arguments]
        )
        return found.exit_code, found.output

    assert judge()[0] == 0
    assert judge("--role", "phone")[0] == 0
    assert json.loads((tmp_path / "report.json").read_text())["role"] == "phone"
    code, told = judge("--role", "module")
    assert code == 4
    assert "is a phone: it was to be judged as a module" in told


def test_a_phone_that_is_served_can_be_judged() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "opalink", "phone", "serve", "--listen", "tcp::0"], stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        listening = re.match(r"listening at (tcp:\S+)", server.stderr.readline())
        try:
            assert listening
            found = certify(listening[1], Options(selection="PHN/PWR/REQUEST"))
        finally:
            server.terminate()
    assert found.verdict is Conclusion.CONFORMANT
    assert found.summary["pass"] >= 3


def test_where_a_phone_cannot_be_served_a_sentence_says_so() -> None:
    found = CliRunner().invoke(cli, ["phone", "serve", "--listen", "nowhere:"])
    assert found.exit_code == 2
    assert "cannot be listened at" in found.output


# ── The upper tester ─────────────────────────────────────────────────────────────────────────────────

OFFERED = [
    (OperationTag.ATTACH, AttachOperation(100)),
    (OperationTag.LANE_DOWN, LaneDownOperation(2)),
    (OperationTag.LANE_UP, LaneUpOperation(2)),
    (OperationTag.LANE_DOWN, LaneDownOperation(1)),
    (OperationTag.LANE_UP, LaneUpOperation(1)),
    (OperationTag.STATE, StateOperation()),
    (OperationTag.VERSION, VersionOperation()),
    (OperationTag.USER, UserOperation(UserAction.STILL)),
    (OperationTag.CONDITION, ConditionOperation(Condition.MOISTURE, 1)),
    (OperationTag.RESET, ResetOperation(ResetKind.WARM)),
    (OperationTag.DETACH, DetachOperation()),
]


def test_a_phone_carries_out_what_it_offers() -> None:
    phone = Phone()
    phone.reset(ResetKind.COLD, 1, 0)
    for tag, value in OFFERED:
        outcome, _ = phone.operate(Tlv(tag, value), 0)
        assert outcome is Outcome.DONE, tag.name
    assert phone.operations == sum(1 << tag for tag in {tag for tag, _ in OFFERED})


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (OperationTag.DETACH, DetachOperation()),
        (OperationTag.LANE_DOWN, LaneDownOperation(9)),
        (OperationTag.USER, UserOperation(99)),
        (OperationTag.USER, UserOperation(UserAction.EJECT)),
        (OperationTag.CONDITION, ConditionOperation(Condition.MOTOR_BLOCKED, 1)),
        (OperationTag.RESET, ResetOperation(99)),
    ],
)
def test_what_cannot_be_now_fails_and_changes_nothing(tag: OperationTag, value: Any) -> None:
    phone = Phone()
    phone.reset(ResetKind.COLD, 1, 0)
    before = {name: run.state for name, run in phone.runs.items()}
    assert phone.operate(Tlv(tag, value), 0)[0] is Outcome.FAILED
    assert {name: run.state for name, run in phone.runs.items()} == before
