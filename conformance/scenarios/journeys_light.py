"""Scenarios of the laser: it goes off, stays dark and sleeps each time that it must, not only the first.

Plan: the light that must go.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.journeys import dark, in_l0, knock, take_off
from opalink.conformance.tester.preambles import (
    ready,
    resume,
    testing,
)
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, OperationTag
from opalink.spec.form import MS, SECOND, US

_REMOVAL = ("attach", "detach")
_LIGHT = ("lane_down", "lane_up")

# ── The light that must go ───────────────────────────────────────────────────────────────────────────


def _laser(s: Session) -> p.LaserSafetyResponse:
    found: p.LaserSafetyResponse = s.asks(p.LaserSafety(), lane=Lane.SIDEBAND)
    return found


@scenario(
    "LNK/LASER/TI-off_again", "R-LNK-007",
    given="a module with a laser in READY", when="the light goes and comes back five times",
    then="its laser no longer shines after tLosToLaserOff each time, and shines again once the session is resumed",
    needs="LASER", operations=_LIGHT, suffering="light", plan=Plan.CI,
)  # fmt: skip
def the_laser_goes_off_each_time(s: Session) -> None:
    ready(s)
    for _ in range(5):
        dark(s, s.timer("tLosToLaserOff"))
        found = _laser(s).tx_state
        s.expect(found != p.LaserState.ON, "a laser that is not ON", "ON", "R-LNK-007")
        resume(s)
        s.need(s.take(in_l0, EVENTUALLY) is not None, "The link did not come back to L0.")


@scenario(
    "LNK/LASER/BV-test_ends_again", "R-LNK-009",
    given="a module whose laser is in the mode TEST", when="the light goes and comes back, three times",
    then="the mode is no longer TEST each time, and can be asked for again", needs="LASER", operations=_LIGHT,
    suffering="light", plan=Plan.CI,
)  # fmt: skip
def the_mode_test_ends_each_time(s: Session) -> None:
    testing(s)
    for _ in range(3):
        knock(s, 10 * MS)
        body = s.asks(p.LaserSafety())
        s.expect(body.mode != p.LaserMode.TEST, "AUTO or MANUAL", "TEST", "R-LNK-009")
        s.asks(p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.TEST))


@scenario(
    "LNK/LASER/BO-interlock_again", "R-LNK-009",
    given="a module with a laser in READY", when="its interlock opens and closes three times, and it is put on anew",
    then="its laser is OFF while it is open, whatever it is asked", needs="LASER",
    operations=("condition", *_REMOVAL),
    suffering="light", plan=Plan.CI,
)  # fmt: skip
def the_interlock_holds_each_time(s: Session) -> None:
    for _ in range(3):
        ready(s)
        s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.LASER_INTERLOCK, present=1))
        s.light = False
        s.let(2 * MS)
        heard = s.ask(p.LinkPm(target=p.LinkPower.L0), lane=Lane.SIDEBAND)
        s.expect(heard.status != Status.OK, "a refusal", "OK", "R-LNK-009")
        found = _laser(s).tx_state
        s.expect(found == p.LaserState.OFF, "a laser that is OFF", f"{found!r}", "R-LNK-009")
        s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.LASER_INTERLOCK, present=0))
        take_off(s)


@scenario(
    "LNK/SLEEP/BV-often", "R-LNK-021",
    given="a module whose link can sleep", when="it is put to sleep in L1 and woken eight times",
    then="it is back in L0 within the exit latency each time", needs="LASER", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def asleep_and_awake(s: Session) -> None:
    ready(s)
    own = 0 if s.flits is None else SECOND  # the tester's own share is judged elsewhere
    for _ in range(8):
        heard = s.ask(p.LinkPm(target=p.LinkPower.L1))
        if heard.status == Status.RANGE_LIMIT:
            raise Inapplicable("Its link does not sleep.")
        s.expect_status(heard, Status.OK)
        s.light = False
        s.clear()
        s.let(20 * MS)
        woken = s.ask(p.LinkPm(target=p.LinkPower.L0), lane=Lane.SIDEBAND)
        s.expect_status(woken, Status.OK)
        up = s.take(in_l0, EVENTUALLY)
        if up is None:
            s.fail("a link in L0", "none", "R-LNK-021")
        s.waited(up.time - woken.time, heard.body.exit_latency * US + own, "L0")
        s.light = True
