"""Watches: what a memory must not hold against an implementation, and what it must.

Plan: offers that cross a request · what was lost with a lane.
"""

from typing import Any

import pytest

from opalink.conformance.tester.monitors import Monitor
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane
from opalink.spec.form import MS, Role


def monitor(slack: int = 0) -> Monitor:
    return Monitor(catalogue(), Role.MODULE, slack)


def charged(m: Monitor) -> list[str]:
    return [v.requirement for v in m.violations]


def says(m: Monitor, packet: codec.Packet, time: int) -> None:
    m.hear(time, Lane.SIDEBAND, codec.encode(packet))


# ── Offers that cross a request ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "at", "slack", "right"),
    [
        (2, 20 * MS, 0, True),
        (1, 20 * MS, 0, False),
        (3, 20 * MS, 0, False),
        (1, 10 * MS, 0, True),  # the second offer came in the very instant in which it asked
        (1, 12 * MS, 3 * MS, True),  # or perhaps did
        (1, 14 * MS, 3 * MS, False),
    ],
)
def test_a_request_names_the_last_offers_that_it_can_have_received(
    names: int, at: int, slack: int, right: bool
) -> None:
    m = monitor(slack)
    for generation, time in ((1, 5 * MS), (2, 10 * MS)):
        m.told(p.PwrSourceCaps(generation=generation), time)
    says(m, codec.request(p.PwrRequest(generation=names), 1), at)
    assert ("R-PWR-019" not in charged(m)) is right


# ── What was lost with a lane ────────────────────────────────────────────────────────────────────────

MOVING = codec.event(p.FocusState(state=p.FocusActivity.MOVING))


@pytest.mark.parametrize(("lost", "late"), [(False, True), (True, False)])
def test_a_report_that_is_due_may_be_lost_with_a_lane(lost: bool, late: bool) -> None:
    m = monitor()
    says(m, MOVING, 0)
    if lost:
        m.severed()
    says(m, MOVING, 150 * MS)
    assert ("R-LEN-011" in charged(m)) is late


@pytest.mark.parametrize(("lost", "gap"), [(False, True), (True, False)])
def test_samples_that_are_due_may_be_lost_with_a_lane(lost: bool, gap: bool) -> None:
    m = monitor()
    m.offer["streaming"] = True
    for t0 in (0, 150 * MS):
        body: Any = p.OisSamples(t0=t0, dt=MS, samples=(p.OisSample(),))
        m.hear(t0, Lane.LASER, codec.encode(codec.event(body)))
        if lost:
            m.severed()
    assert ("R-TIM-020" in charged(m)) is gap
