"""Scenarios of what users suffered: each in a group, each with a mistake that it shows and no generated test does.

Plan: groups · witnesses · histories · where they are shown.
"""

from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.conformance.campaign import begin
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import select
from opalink.conformance.selfcheck import handmade
from opalink.conformance.sufferings import Suffering, grouped
from opalink.conformance.verdicts import Verdict
from opalink.conformance.zoo import histories, witnesses_journeys
from opalink.conformance.zoo import roster as zoo
from opalink.conformance.zoo.specimen import decoded
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, ResetKind
from opalink.spec.form import Role

WITNESSES = {kind.__name__: kind for kind in witnesses_journeys.ALL}
RECORD = handmade.recorded()


def purpose(name: str) -> Purpose:
    (found,) = select(Role.MODULE, Plan.CERT, name)
    return found


# ── Groups ───────────────────────────────────────────────────────────────────────────────────────────


def test_sixty_scenarios_and_more_stand_in_a_group() -> None:
    assert sum(map(len, grouped().values())) >= 60
    assert all(len(some) >= 2 for some in grouped().values())


def test_every_one_of_them_has_a_witness_of_its_own() -> None:
    shown = [kind.selection for kind in witnesses_journeys.ALL]
    assert sorted(shown) == sorted(found.id for some in grouped().values() for found in some)


# ── Witnesses ────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_measured_is_of_the_catalogue_that_holds_and_of_every_witness() -> None:
    assert RECORD.digest == catalogue().fingerprint
    assert set(RECORD.tests) >= {kind.profile for kind in witnesses_journeys.ALL}
    assert all(run > 500 for run in RECORD.tests.values())


def test_every_witness_is_failed_by_its_scenario_and_by_no_generated_test() -> None:
    home = {f.witness: f for f in RECORD.findings if f.profile == WITNESSES[f.witness].profile}
    assert set(home) == set(WITNESSES)
    for finding in home.values():
        assert set(WITNESSES[finding.witness].causes) <= set(finding.charged), finding.witness
    assert [f for f in RECORD.findings if f.killed or not f.failed] == []


@pytest.mark.parametrize("name", ["OutOfNonces", "Moulting", "Hoarding", "Crowded"])
def test_a_sample_of_what_was_measured_is_so(name: str) -> None:
    home = next(f for f in RECORD.findings if (f.witness, f.profile) == (name, WITNESSES[name].profile))
    found = handmade.meet(name, home.profile, [purpose(id_) for id_ in home.met[:3]])
    assert (found.failed, found.killed) == (True, ())
    assert found.charged == home.charged


def test_who_looks_on_sees_no_more_than_was_written_down() -> None:
    """And where a witness would do otherwise, it is seen: its own scenario is among the tests here."""
    profile, tests = "variable-nd", handmade.made_by_machine()[::397]
    own = purpose(WITNESSES["Moulting"].selection)
    differing, run = handmade.look_on(profile, [*tests, own])
    assert own in differing.pop("Moulting")
    assert run > 2
    met = {f.witness: set(f.met) for f in RECORD.findings if f.profile == profile}
    for name, some in differing.items():
        assert {x.id for x in some} - {own.id} <= met.get(name, set())


CHEAP = ["WIRE/FLOOD/RB-events", "ATT/DETACH/BV-often", "ATT/HELLO/BV-phones", "PWR/REJECT/BV-often"]


@pytest.mark.parametrize("name", ["Latest", "Tardy", "LastMoment"])
def test_what_is_legal_passes(name: str) -> None:
    certification = begin(zoo.members()[name].uri, Options(plan=Plan.CI, plane="packet"))
    try:
        results = [certification.runner.step(purpose(f"MOD/{id_}")) for id_ in CHEAP]
    finally:
        certification.runner.close()
    assert [(r.id, r.verdict, r.actual) for r in results if r.verdict is not Verdict.PASS] == []


# ── Histories ────────────────────────────────────────────────────────────────────────────────────────

ANSWER = codec.encode(codec.event(p.SeatStatus(quality=50)))


def seats(specimen: histories.Historic, count: int) -> list[int]:
    """The qualities that it says when it would say 50 so many times."""
    out: list[int] = []
    for _ in range(count):
        for d in specimen.says(Departure(0, Lane.SIDEBAND, ANSWER)):
            packet = decoded(d.data)
            assert packet is not None
            out.append(packet.body.quality)
    return out


@settings(max_examples=20)
@given(st.integers(0, 20), st.integers(0, 5))
def test_a_witness_is_right_until_its_history_is_over_and_wrong_as_often_as_it_says(before: int, times: int) -> None:
    history = (histories.told(p.SeatStatus),) * before
    change = histories.but(quality=lambda b: b.quality + 1)
    kind = histories.after("Odd", "", "R-MGT-046", "", history, p.SeatStatus, change, times=times)
    specimen = kind()
    assert isinstance(specimen, histories.Historic)
    wrong = min(10, times) if times else 10
    assert seats(specimen, before + 10) == [50] * before + [51] * wrong + [50] * (10 - wrong)
    specimen.reset(ResetKind.COLD, 1, 0)
    assert seats(specimen, before + 1)[:before] == [50] * before


def test_the_steps_of_a_history_come_in_their_order() -> None:
    history = (histories.asked(p.StateGet), histories.told(p.SeatStatus, quality=50))
    specimen = histories.after("Odd", "", "R-MGT-046", "", history, p.SeatStatus, histories.nothing)()
    assert isinstance(specimen, histories.Historic)
    assert seats(specimen, 3) == [50] * 3
    specimen.hears(codec.encode(codec.request(p.StateGet(), 1)), Lane.SIDEBAND)
    assert seats(specimen, 3) == [50]


# ── Where they are shown ─────────────────────────────────────────────────────────────────────────────


def test_explain_says_what_a_scenario_stands_for() -> None:
    out = CliRunner().invoke(cli, ["explain", "MOD/PWR/HEAT/BV-take"]).output
    assert Suffering.HEAT.doc in out
    assert "suffering" not in CliRunner().invoke(cli, ["explain", "MOD/PWR/CAPS/CA-numbers"]).output


def test_a_page_of_the_document_lists_every_group_scenario_and_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "docs"))
    text = import_module("trace_pages").files(catalogue())["tests/sufferings.md"].decode()
    for group, some in grouped().items():
        assert group.doc.rstrip(".") in text
        assert all(found.id in text for found in some)
    assert all(f"`{name}`" in text for name in WITNESSES)


def test_the_command_says_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert handmade.main(["pinhole"]) == 2
    assert "no profile 'pinhole'" in capsys.readouterr().err
