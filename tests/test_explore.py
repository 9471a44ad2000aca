"""Exploration: planted faults are found and leave what replays, conforming modules are clean, and draws are steady.

Plan: modules · planted faults · conforming modules · the same draws · what the tables leave possible · the command.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.conformance.exploration.explore import Explored, Explorer, exit_of
from opalink.conformance.exploration.replay import perform, read
from opalink.conformance.exploration.session import Meeting
from opalink.conformance.exploration.table import Tables, Told, explorable
from opalink.conformance.selfcheck.mutants import mutants
from opalink.conformance.verdicts import Exit, Verdict
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.module import features_of
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Answer, Form, Machine, Received, Role, Row, met

# ── Modules ──────────────────────────────────────────────────────────────────────────────────────────

CLEAN = "py:opalink.protocol.engine.module:Module"
PROFILES = tuple(p.name for p in catalogue().profiles)
SAMPLE = 2  # examples of each machine of each profile
MOST = 100  # examples, within which a planted fault is found


def __getattr__(name: str) -> partial[Module]:
    """A module of each profile, so that each has a URI in this process."""
    profile = catalogue().profile.get(name.replace("_", "-"))
    if profile is None:
        raise AttributeError(name)
    return partial(Module, profile)


@pytest.fixture(scope="module")
def clean() -> Iterator[Meeting]:
    with Meeting(CLEAN) as meeting:
        yield meeting


# ── Planted faults ───────────────────────────────────────────────────────────────────────────────────

_ANYWHERE = "BEACON_HELLO_READY_BASIC_READY_FULL_DETACHING_LINK_LOST"
_FOCUSED = "IDLE_MOVING_SETTLED_RING_OVERRIDE_LIMIT_FAULT"
FAULTS = (
    ("ATTACH", f"row.stay.ATTACH.{_ANYWHERE}.HELLO_request.resuming.offers_security", "R-MGT-002"),
    ("LINK", "status.swap.LINK.TRAIN_CDR_TRAIN_FEC_NEGOTIATE_RECOVERY.LINK_PM_request.RETRAINING", "R-WIRE-020"),
    ("POWER", "row.stay.POWER.CAPS_SEEN_CONTRACT_LIMITED_SOFT_RESET.PWR_SOURCE_CAPS_event", "R-PWR-019"),
    ("CAPTURE", "status.swap.CAPTURE.CONFIGURED_STREAMING_PAUSED.STREAM_CONTROL_request.op_start.OK", "R-PWR-014"),
    ("FOCUS", f"status.swap.FOCUS.{_FOCUSED}.FOCUS_MOVE_request.not_reachable.RANGE_LIMIT", "R-WIRE-020"),
    ("FIRMWARE", "status.swap.FIRMWARE.IDLE.FW_BEGIN_request.not_component_known.FW_WRONG_COMPONENT", "R-WIRE-020"),
    ("TIME", "status.swap.TIME.FREE_ACQUIRE.TRIGGER_AT_request.NO_TIME", "R-WIRE-020"),
    ("AUTH", "row.drop.AUTH.GENUINE.TRUST_POLICY_event", "R-SEC-006"),
    ("FOCUS", "zoo.roster:Breaking", "R-WIRE-021"),
)  # fmt: skip


def _faulty(fault: str) -> str:
    if fault.startswith("zoo."):
        return f"py:opalink.conformance.{fault}"
    mutant = mutants()[fault]
    return mutant.uri(mutant.profiles[0])


@pytest.mark.parametrize(("machine", "fault", "requirement"), FAULTS, ids=[f"{m}-{r}" for m, _, r in FAULTS])
def test_a_planted_fault_is_found_and_its_counterexample_fails_again_there_and_nowhere_else(
    machine: str, fault: str, requirement: str, clean: Meeting, tmp_path: Path
) -> None:
    with Meeting(_faulty(fault)) as meeting:
        found = Explorer(meeting, tmp_path, attempts=12).explore(machine, MOST)
    assert found.verdict is Verdict.FAIL
    failure = next(f for f in found.failures if f.finding.requirement == requirement)
    assert failure.again
    kept = read(Path(failure.file))
    assert (kept.machine, kept.sentence) == (machine, str(failure.finding))
    assert perform(clean, kept) == []
    with Meeting(_faulty(fault)) as meeting:
        assert str(perform(meeting, kept)[0]) == kept.sentence


def test_what_is_found_is_made_smaller(tmp_path: Path) -> None:
    sizes = []
    machine, fault, _ = FAULTS[0]
    for attempts in (0, 25):
        with Meeting(_faulty(fault)) as meeting:
            found = Explorer(meeting, tmp_path / str(attempts), attempts=attempts).explore(machine, MOST)
        sizes.append(len(read(Path(found.failures[0].file)).rows))
    assert sizes[1] < sizes[0]


# ── Conforming modules ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", PROFILES)
def test_a_conforming_module_of_each_profile_is_clean(profile: str, tmp_path: Path) -> None:
    with Meeting(f"py:tests.test_explore:{profile.replace('-', '_')}") as meeting:
        explorer = Explorer(meeting, tmp_path, seed=7)
        found = [explorer.explore(name, SAMPLE) for name in explorable(catalogue())]
    assert [(x.machine, str(f.finding)) for x in found for f in x.failures] == []
    assert {x.verdict for x in found} <= {Verdict.PASS, Verdict.NA}
    assert exit_of(found) is Exit.CONFORMANT
    assert not (tmp_path / "counterexamples").exists()


def test_a_machine_that_a_module_has_not_is_not_applicable(tmp_path: Path) -> None:
    with Meeting("py:tests.test_explore:macro_tube") as meeting:
        found = Explorer(meeting, tmp_path).explore("FOCUS", 1)
    assert (found.verdict, found.examples, found.reason) == (Verdict.NA, 0, "The module has no FOCUS_MOTOR.")
    assert exit_of([found]) is Exit.NOTHING_RAN


# ── The same draws ───────────────────────────────────────────────────────────────────────────────────


def _sent(meeting: Meeting, folder: Path, *names: str, seed: int = 1, nonce: str = "") -> str:
    """What the tester says while it explores the last of some machines."""
    explorer = Explorer(meeting, folder, seed=seed, nonce=nonce)
    return [explorer.explore(name, 4) for name in names][-1].sent


def test_the_same_seed_says_the_same_bytes_and_another_seed_or_nonce_others(clean: Meeting, tmp_path: Path) -> None:
    one, two = (_sent(clean, tmp_path, "POWER") for _ in range(2))
    assert one == two
    others = {_sent(clean, tmp_path, "POWER", seed=2), _sent(clean, tmp_path, "POWER", nonce="0a")}
    assert len({one, *others}) == 3


def test_one_machine_more_and_code_more_shift_no_draws(
    clean: Meeting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _sent(clean, tmp_path, "TIME")
    (tmp_path / "many_literals.py").write_text(f"NUMBERS = {list(range(70_001, 71_000))}\nBYTES = {[b'abc', b'de']}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("many_literals")
    try:
        assert _sent(clean, tmp_path, "FOCUS", "TIME") == alone
    finally:
        del sys.modules["many_literals"]


# ── What the tables leave possible ───────────────────────────────────────────────────────────────────

FEATURES = features_of(catalogue().profile["four-thirds"])
TABLES = Tables(catalogue(), FEATURES)
OWN = [m for m in catalogue().machines if m.role is Role.MODULE and met(m.needs, FEATURES)]
FIRED = [(m, row) for m in OWN for row in m.rows if isinstance(row.event, Received) and met(row.needs, FEATURES)]


def _status(row: Row) -> str:
    return next((a.status for a in row.actions if isinstance(a, Answer)), "")


@given(st.sampled_from(FIRED), st.data(), st.booleans(), st.booleans())
@settings(max_examples=300)
def test_where_a_row_leads_is_always_possible(
    fired: tuple[Machine, Row], data: st.DataObject, passed: bool, acted: bool
) -> None:
    machine, row = fired
    assert isinstance(row.event, Received)
    state = data.draw(st.sampled_from(row.states))
    told = Told(row.event.packet, row.event.form, _status(row), None, data.draw(st.booleans()))
    possible = TABLES.possible({machine.name: state}, (told,), passed=passed, acted=acted)
    assert (row.next or state) in possible[machine.name]
    assert TABLES.unearned({machine.name: state}, told) == ""


def test_nothing_moves_while_nothing_happens() -> None:
    possible = TABLES.possible({"POWER": "CONTRACT", "ATTACH": "HELLO"}, (), passed=False, acted=False)
    assert possible["ATTACH"] == {"HELLO", "FAULT"}
    assert "REQUESTED" not in possible["POWER"]


def test_a_success_that_no_row_gives_is_unearned() -> None:
    told = Told("STREAM_CONTROL", Form.REQUEST, "OK")
    assert TABLES.unearned({"CAPTURE": "UNCONFIGURED"}, told) == "CAPTURE"
    assert TABLES.unearned({"CAPTURE": "STREAMING"}, told) == ""


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_exit_code_is_that_of_the_worst_machine() -> None:
    ends = {v: Explored("TIME", v) for v in (Verdict.PASS, Verdict.FAIL, Verdict.INCONC, Verdict.NA)}
    assert exit_of([ends[Verdict.PASS], ends[Verdict.NA]]) is Exit.CONFORMANT
    assert exit_of([ends[Verdict.PASS], ends[Verdict.INCONC]]) is Exit.INCONCLUSIVE
    assert exit_of([ends[Verdict.INCONC], ends[Verdict.FAIL]]) is Exit.NON_CONFORMANT
    assert exit_of([]) is Exit.NOTHING_RAN


def test_the_command_says_a_verdict_for_each_machine(tmp_path: Path) -> None:
    command = ["explore", CLEAN, "--machine", "time", "--examples", "2", "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, command)
    assert (result.exit_code, result.output.split()[:2]) == (0, ["PASS", "TIME"])
    result = CliRunner().invoke(cli, [*command, "--json", "--nonce", "0A"])
    shown = json.loads(result.output)
    assert (shown["nonce"], [(x["machine"], x["verdict"]) for x in shown["machines"]]) == ("0a", [("TIME", "pass")])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--machine", "FRAME"), "A module has no machine FRAME; known are ATTACH"),
        (("--nonce", "0g"), "it is not hexadecimal"),
        (("--examples", "0"), "0 is not in the range"),
    ],
)
def test_a_mistake_of_usage_is_one_sentence(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(cli, ["explore", CLEAN, *arguments])
    assert result.exit_code == 2
    assert says in result.output


def test_a_phone_is_refused_in_one_sentence() -> None:
    result = CliRunner().invoke(cli, ["explore", "py:opalink.protocol.engine.phone:Phone"])
    assert result.exit_code == int(Exit.TESTER_FAULT)
    assert "only modules are explored so far" in result.output
