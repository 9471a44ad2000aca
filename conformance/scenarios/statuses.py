"""Scenarios of statuses that nothing else provokes: what the bench brings about, and what a request asks too much of.

A module that never answers such a status has nothing to show; a bench that cannot bring it about says so.

Plan: brought about by the bench · asked too much · of a module that supplies.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import configured, contract, ready, setup, source
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import OperationTag

# ── Brought about by the bench ───────────────────────────────────────────────────────────────────────


def _bring_about(s: Session, status: Status, present: int = 1) -> None:
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=status, present=present))


@scenario(
    "WIRE/STATUS/BV-no_memory", "R-WIRE-022",
    given="a module in READY that has no room for a request", when="DESC_READ comes", then="it answers NO_MEMORY",
    operations=("condition",), premise="NO_MEMORY",
)  # fmt: skip
def no_room_for_a_request(s: Session) -> None:
    _general(s, Status.NO_MEMORY)


@scenario(
    "WIRE/STATUS/BV-timeout", "R-WIRE-022",
    given="a module in READY whose operations do not finish", when="DESC_READ comes", then="it answers TIMEOUT",
    operations=("condition",), premise="TIMEOUT",
)  # fmt: skip
def a_request_that_does_not_finish(s: Session) -> None:
    _general(s, Status.TIMEOUT)


def _general(s: Session, status: Status) -> None:
    ready(s)
    _bring_about(s, status)
    s.expect_status(s.ask(p.DescRead(length=16)), status)
    _bring_about(s, status, 0)
    s.asks(p.DescRead(length=16))


@scenario(
    "CAP/STATUS/BV-bandwidth", "R-WIRE-022",
    given="a module in READY whose link carries little", when="a stream is to be set up",
    then="it answers BANDWIDTH, and sets it up once the link carries it", needs="SENSOR", operations=("condition",),
    premise="BANDWIDTH",
)  # fmt: skip
def a_stream_beyond_the_link(s: Session) -> None:
    _setting_up(s, Status.BANDWIDTH)


@scenario(
    "CAP/STATUS/BV-power", "R-WIRE-022",
    given="a module with a contract that gives less than a stream needs", when="the stream is to be set up",
    then="it answers PWR_LIMIT, and sets it up once there is power", needs="SENSOR CONTRACT",
    operations=("condition",), premise="PWR_LIMIT",
)  # fmt: skip
def a_stream_beyond_the_contract(s: Session) -> None:
    _setting_up(s, Status.PWR_LIMIT)


def _setting_up(s: Session, status: Status) -> None:
    contract(s)
    _bring_about(s, status)
    s.expect_status(s.ask(p.StreamConfigure(streams=(setup(s),))), status)
    _bring_about(s, status, 0)
    s.expect_status(s.ask(p.StreamConfigure(streams=(setup(s),))), Status.OK, Status.ADJUSTED)


@scenario(
    "CAP/STATUS/BV-buffer", "R-WIRE-022",
    given="a module with streams set up whose frame memory is full", when="a still is asked for",
    then="it answers BUFFER_FULL, and takes the request once there is room", needs="SENSOR",
    operations=("condition",), premise="BUFFER_FULL",
)  # fmt: skip
def a_still_without_room(s: Session) -> None:
    configured(s)
    _bring_about(s, Status.BUFFER_FULL)
    s.expect_status(s.ask(p.CaptureQueue(request=1, mask=1, frames=1)), Status.BUFFER_FULL)
    _bring_about(s, Status.BUFFER_FULL, 0)
    s.asks(p.CaptureQueue(request=1, mask=1, frames=1))


@scenario(
    "PWR/FAULT/BV-undervoltage", "R-PWR-005",
    given="a module with a contract", when="its voltage falls below the limit", then="PWR_FAULT says so",
    needs="CONTRACT", operations=("condition",),
)  # fmt: skip
def a_supply_that_sags(s: Session) -> None:
    contract(s)
    s.clear()
    _bring_about(s, Status.UNDERVOLTAGE)
    heard = s.take(p.PwrFault, EVENTUALLY)
    if heard is None:
        s.fail("PWR_FAULT", "none")
    s.expect(heard.body.kind == p.PowerFaultKind.UNDER_VOLTAGE, "UNDER_VOLTAGE", f"{heard.body.kind!r}")


# ── Asked too much ───────────────────────────────────────────────────────────────────────────────────


@scenario(
    "SEC/STATUS/BI-too_large", "R-SEC-019",
    given="a module whose firmware can be updated", when="an image of 4 GiB is offered, which is beyond firmware_bytes",
    then="it answers TOO_LARGE", needs="FIRMWARE",
)  # fmt: skip
def an_image_that_is_too_large(s: Session) -> None:
    ready(s)
    part = s.asks(p.FwQuery()).components[0]
    heard = s.ask(p.FwBegin(component=part.component, size=0xFFFF_FFFF, version=part.active + 1))
    s.expect_status(heard, Status.TOO_LARGE)


@scenario(
    "SEC/STATUS/BO-rejected", "R-SEC-020",
    given="a module that the phone rejects", when="its firmware is to be activated", then="it answers AUTH_FAILED",
    needs="FIRMWARE SECURITY",
)  # fmt: skip
def no_activation_while_rejected(s: Session) -> None:
    ready(s)
    s.tell(p.TrustPolicy(level=p.TrustLevel.REJECTED, max_power=3000))
    heard = s.ask(p.FwControl(op=p.FirmwareOp.ACTIVATE, components=1))
    s.expect_status(heard, Status.AUTH_FAILED)


# ── Of a module that supplies ────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/SOURCE/BI-stale", "R-PWR-023",
    given="a module that supplies and has offered", when="PWR_REQUEST names another generation than its last",
    then="it answers PWR_REJECT with the reason STALE", needs="ROLE_SWAP",
)  # fmt: skip
def a_request_for_other_offers(s: Session) -> None:
    source(s)
    if not s.known.features & {"CONTRACT"}:
        raise Inapplicable("It has no contract to give.")
    heard = s.ask(p.PwrRequest(generation=0xFE, object=0, operating=10, max=10))
    s.expect_status(heard, Status.PWR_REJECT)
    s.expect(heard.body.reason == p.RejectReason.STALE, "STALE", f"{heard.body.reason!r}")
