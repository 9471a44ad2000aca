"""Scenarios of updates: what is told of one, in which order offers are refused, and how a check ends early.

Plan: what is told · what is refused · a check.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.security import begin, told
from opalink.conformance.tester.preambles import ready
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import FirmwareState, MachineId, OperationTag
from opalink.spec.form import MS

_GIVE_UP = p.FwControl(op=p.FirmwareOp.ABORT, components=1)
_SIZE = 50_000  # bytes of an image that no vendor has signed; the tester's phone serves it, unless it is mute


def _checking(s: Session) -> None:
    """Have a module in READY check an image."""
    begin(s, s.random.randbytes(_SIZE))
    told(s, FirmwareState.VERIFY)


def _given_up(s: Session) -> None:
    result = Status(told(s, FirmwareState.IDLE).body.result)
    s.expect(result == Status.CANCELLED, "CANCELLED", result.name)


# ── What is told ─────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "SEC/FIRMWARE/BV-told", "R-SEC-015",
    given="a module whose firmware can be updated",
    when="an update is begun and given up by FW_CONTROL, begun again, and its FW_PULL refused",
    then="it tells of each beginning, and each time that it is given up", needs="FIRMWARE",
)  # fmt: skip
def beginning_and_end_of_an_update_are_told(s: Session) -> None:
    ready(s)
    s.phone.mute.add(p.FwPull)
    for refused in (False, True):
        begin(s, s.random.randbytes(_SIZE))
        told(s, FirmwareState.DOWNLOAD)
        if refused:
            pulled = s.take(p.FwPull, EVENTUALLY)
            if pulled is None:
                s.fail("FW_PULL", "none")
            s.reply(pulled, p.Refusal(), Status.RANGE_LIMIT)
        else:
            s.asks(_GIVE_UP)
        _given_up(s)
        s.clear()


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────


@scenario(
    "SEC/FIRMWARE/BI-order", "R-SEC-019",
    given="a module whose firmware can be updated",
    when="images come that are wrong in several ways: of no component of its, of 4 GiB, and of version 0",
    then="it answers FW_WRONG_COMPONENT before TOO_LARGE, and that before FW_ROLLBACK", needs="FIRMWARE",
)  # fmt: skip
def offers_are_refused_in_order(s: Session) -> None:
    ready(s)
    known = {part.component for part in s.asks(p.FwQuery()).components}
    unknown = next(n for n in range(len(known) + 1) if n not in known)
    size = (1 << 32) - 1
    s.expect_status(s.ask(p.FwBegin(component=unknown, size=size)), Status.FW_WRONG_COMPONENT)
    s.expect_status(s.ask(p.FwBegin(component=min(known), size=size)), Status.TOO_LARGE)


@scenario(
    "SEC/FIRMWARE/BI-nothing", "R-SEC-020",
    given="a module without an update under way, its level first UNKNOWN and then REJECTED",
    when="FW_CONTROL gives the update up", then="it answers BAD_STATE, whatever its level", needs="FIRMWARE SECURITY",
)  # fmt: skip
def nothing_is_given_up(s: Session) -> None:
    ready(s)
    for level in (p.TrustLevel.UNKNOWN, p.TrustLevel.REJECTED):
        s.tell(p.TrustPolicy(level=level, max_power=10_000, granted=(1 << 64) - 1))
        s.let(MS)
        s.expect_status(s.ask(_GIVE_UP), Status.BAD_STATE)


# ── A check ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "SEC/FIRMWARE/BV-checked", "R-SEC-015",
    given="a module that checks an image",
    when="FW_CONTROL gives up an update of a component that it has not, and then that one",
    then="it answers NO_SUCH_ID, gives the update up and says CANCELLED, unless the check is over", needs="FIRMWARE",
)  # fmt: skip
def a_check_is_given_up(s: Session) -> None:
    ready(s)
    beyond = len(s.asks(p.FwQuery()).components)
    if beyond > 31:
        raise Inapplicable("Every bit of the mask is a component.")
    _checking(s)
    nowhere = p.FwControl(op=p.FirmwareOp.ABORT, components=1 << beyond)
    s.expect_status(s.ask(nowhere), Status.NO_SUCH_ID)
    heard = s.ask(_GIVE_UP)
    if heard.status == Status.BAD_STATE:
        found = s.state(MachineId.FIRMWARE)
        s.expect(found == "IDLE", "OK, as the check goes on", "BAD_STATE")
        return
    s.expect_status(heard, Status.OK)
    _given_up(s)


@scenario(
    "SEC/FIRMWARE/BV-cut_off", "R-SEC-012",
    given="a module without a battery that checks an image", when="the contacts open and close again",
    then="no update is under way", needs="FIRMWARE !BATTERY", operations=("attach", "detach"),
)  # fmt: skip
def a_check_is_cut_off(s: Session) -> None:
    ready(s)
    _checking(s)
    s.clear()
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.let(20 * MS)
    ready(s)
    found = s.state(MachineId.FIRMWARE)
    s.expect(found == "IDLE", "IDLE", found)
