"""Planes: where a campaign meets an implementation, and what it says of what it has not met.

Plan: what is offered · a plane that is chosen · what is left out · the command.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.conformance.bundle.report import replay
from opalink.conformance.bundle.results import Campaign, How
from opalink.conformance.campaign import certify
from opalink.conformance.planes import CHOICES, Planes, confined, plane_of
from opalink.conformance.purposes import PLANES, Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import purposes
from opalink.conformance.verdicts import Conclusion, Exit, Verdict
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import Plane
from opalink.protocol.transport import NotOffered
from opalink.spec.form import Role

BOTH = "sim:four-thirds"
PACKETS = f"py:{__name__}:PacketsAlone"
FLITS = f"py:{__name__}:FlitsAlone"
ALL = purposes(Role.MODULE)

# A little of each: for both planes, for FLITs alone, for packets alone.
SAMPLE = "MOD/WIRE/TXN/BV-once or MOD/FLT/ORDER/BV-twice or MOD/MGT/KEEPALIVE/RB-g.cut"
COMMON, BY_FLITS, BY_PACKETS = "MOD/WIRE/TXN/BV-once", "MOD/FLT/ORDER/BV-twice", "MOD/MGT/KEEPALIVE/RB-g.cut"


class PacketsAlone(Module):
    """The reference module behind a bench that does the link layer."""

    planes = Plane.PACKET


class FlitsAlone(Module):
    """The reference module on a bench that shows what its lanes carry and nothing else."""

    planes = Plane.FLIT


def sample(uri: str, plane: Planes, plan: Plan = Plan.CI) -> Campaign:
    return certify(uri, Options(plan=plan, plane=plane, selection=SAMPLE))


def verdicts(campaign: Campaign) -> dict[str, Verdict]:
    return {r.id: r.verdict for r in campaign.results}


# ── What is offered ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("uri", "met", "unmet"), [(BOTH, "both", ()), (PACKETS, "packet", (BY_FLITS,)), (FLITS, "flit", (BY_PACKETS,))]
)
def test_by_default_an_implementation_is_met_wherever_it_offers(uri: str, met: str, unmet: tuple[str, ...]) -> None:
    campaign = sample(uri, "auto")
    assert (campaign.plane, campaign.verdict) == (met, Conclusion.CONFORMANT)
    expected = {i: Verdict.NA if i in unmet else Verdict.PASS for i in (COMMON, BY_FLITS, BY_PACKETS)}
    assert verdicts(campaign) == expected


def test_who_has_the_bench_carry_flits_is_bound_by_nothing_about_them() -> None:
    campaign = certify(PACKETS, Options(selection="MOD/FLT or LINK_PARAMS", plan=Plan.QUICK))
    assert {r.verdict for r in campaign.results} == {Verdict.NA}
    assert all("FLIT plane" in r.reason for r in campaign.results)
    assert not [r for r in campaign.coverage.requirements if r.id.startswith("R-FLT") and r.how is not How.NA]


@pytest.mark.parametrize(("uri", "plane"), [(PACKETS, "flit"), (PACKETS, "both"), (FLITS, "packet"), (FLITS, "both")])
def test_a_plane_that_is_not_there_is_not_offered(uri: str, plane: Planes) -> None:
    with pytest.raises(NotOffered, match=r"^The implementation does not offer the (FLIT|PACKET) plane\.$"):
        sample(uri, plane)


# ── A plane that is chosen ───────────────────────────────────────────────────────────────────────────


def test_on_the_flit_plane_what_can_be_tried_on_either_is_tried_there() -> None:
    campaign = certify(BOTH, Options(plane="flit", selection=COMMON, keep=True))
    (result,) = campaign.results
    assert any(s.on_lane for s in result.steps)
    assert replay(campaign, result).endswith("--plane flit")
    assert "--plane" not in replay(sample(BOTH, "both"), result)


@given(st.sampled_from(ALL), st.sampled_from(CHOICES), st.sampled_from(("packet", "flit")))
def test_a_purpose_is_executed_on_a_plane_that_is_its_own(purpose: Purpose, choice: Planes, usual: str) -> None:
    assert plane_of(purpose, usual) in purpose.planes  # type: ignore[arg-type]
    assert confined(purpose, choice) is (choice != "both" and choice not in purpose.planes)
    assert set(purpose.planes) <= set(PLANES)


# ── What is left out ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("plane", "other"), [("packet", BY_FLITS), ("flit", BY_PACKETS)])
def test_what_is_of_the_other_plane_is_not_run_and_says_why(plane: Planes, other: str) -> None:
    campaign = sample(BOTH, plane)
    left = next(r for r in campaign.results if r.id == other)
    assert (left.verdict, left.owed) == (Verdict.NOTRUN, False)
    assert left.reason == f"The campaign is confined to the {plane.upper()} plane."
    assert [v for i, v in verdicts(campaign).items() if i != other] == [Verdict.PASS, Verdict.PASS]
    assert (campaign.plane, campaign.verdict) == (plane, Conclusion.CONFORMANT)


def test_what_was_left_out_covers_nothing() -> None:
    campaign = sample(BOTH, "packet")
    covered = {c.id: c for c in campaign.coverage.requirements}
    assert covered["R-FLT-014"].how is How.NONE
    assert "confined" in covered["R-FLT-014"].reason


def test_the_plan_cert_demands_every_plane_that_is_offered() -> None:
    assert sample(BOTH, "packet", Plan.CERT).verdict is Conclusion.INCONCLUSIVE
    assert sample(PACKETS, "packet", Plan.CERT).verdict is Conclusion.CONFORMANT
    assert sample(BOTH, "both", Plan.CERT).verdict is Conclusion.CONFORMANT


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_command_takes_a_plane_and_says_in_a_sentence_that_there_is_none(tmp_path: Path) -> None:
    args = ("certify", PACKETS, "-k", SAMPLE, "--out", str(tmp_path))
    assert CliRunner().invoke(cli, args).exit_code == Exit.CONFORMANT
    lacking = CliRunner().invoke(cli, (*args, "--plane", "flit"))
    assert lacking.exit_code == Exit.TESTER_FAULT
    assert lacking.output.strip() == "Error: The implementation does not offer the FLIT plane."
    assert CliRunner().invoke(cli, (*args, "--plane", "light")).exit_code == Exit.USAGE
