"""Scenarios for phones: what a phone refuses, holds back, and does not believe.

Plan: the descriptor · a class of power · stills · firmware.
"""

from typing import Final

from msgspec import structs

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.scenarios.phone import phone_scenario
from opalink.conformance.tester.mirror import UNPOWERED, Mirror, contract, reach
from opalink.conformance.tester.session import EVENTUALLY
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status, Tlv
from opalink.protocol.ir.write import write
from opalink.protocol.packets import FrameFlags, Lane, RejectReason, UserAction
from opalink.spec.form import MS, SECOND

# ── The descriptor ───────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "DSC/RECORD/BV-twice", "R-DSC-018",
    given="a phone that reads a descriptor with two records of rings", when="each record's ring asks for an owner",
    then="it knows the ring of the first, and not that of the second", needs="CONTROLS",
)  # fmt: skip
def the_first_of_two_records(s: Mirror) -> None:
    known = {r.control for r in s.module.identity.record("rings").rings}
    other = next(c for c in p.ControlId if c not in known)
    s.describe(Tlv(p.RecordTag.RINGS, p.RingsRecord((p.ControlRing(control=other),))))
    reach(s, "READY")
    s.let(SECOND)  # in which the descriptor is read
    s.asks(p.ControlOwner(control=min(known)))
    heard = s.ask(p.ControlOwner(control=other))
    s.expect_status(heard, Status.NO_SUCH_ID)


# ── A class of power ─────────────────────────────────────────────────────────────────────────────────

_SAFE: Final = 3000  # mW: classes above it have conditions
_BAD: Final = 1000  # mOhm: contacts that no such class allows
_AGAIN: Final = 500 * MS


@phone_scenario(
    "PWR/REQUEST/BI-class", "R-PWR-026",
    given="a phone that has found a module's contacts too bad for a class", when="the module asks for that class",
    then="it answers PWR_REJECT with the reason CLASS", needs="CONTRACT",
)  # fmt: skip
def a_class_whose_conditions_are_not_met(s: Mirror) -> None:
    s.muted |= UNPOWERED | {p.PinTestResponse}
    s.attach()
    s.let(2 * SECOND)
    made = s.heard(p.PwrSourceCaps)
    s.need(bool(made), "The phone made no offers.")
    caps = made[-1].body
    above = [(i, o) for i, o in enumerate(caps.offers) if o.min * o.continuous // 1000 > _SAFE]
    if not above:
        raise Inapplicable("The phone offers no class that has conditions.")
    number, offer = above[0]
    ask = p.PwrRequest(generation=caps.generation, object=number, operating=100, max=offer.continuous)
    s.clear()
    first = s.ask(ask, lane=Lane.SIDEBAND)
    if first.status == Status.PWR_WAIT:
        test = s.take(p.PinTest, _AGAIN)
        s.need(test is not None, "The phone did not test the contacts.")
        if test is not None:
            s.reply(test, p.PinTestResponse(resistance=_BAD))
        s.let(_AGAIN)
    second = s.ask(ask, lane=Lane.SIDEBAND)
    s.expect_status(second, Status.PWR_REJECT)
    s.expect(second.body.reason == RejectReason.CLASS, "CLASS", f"{second.body.reason!r}")


# ── Stills ───────────────────────────────────────────────────────────────────────────────────────────

_SAFE_BY: Final = 200 * MS  # after a still has come
_FRAME: Final = frozenset({p.FrameLeader, p.FrameBlock, p.FrameTrailer})


@phone_scenario(
    "FRM/RELEASE/BI-frame_crc", "R-FRM-028",
    given="a phone whose user takes a still", when="the `frame_crc` that comes with it is wrong",
    then="the phone does not release it", needs="SENSOR BUFFER", operations=("attach", "user"),
)  # fmt: skip
def a_still_that_is_not_what_was_sent(s: Mirror) -> None:
    spoilt: set[int] = set()

    def spoil(trailer: p.FrameTrailer) -> p.FrameTrailer:
        leader = s.leaders.get(trailer.frame)
        if leader is None or not leader.kind & FrameFlags.STILL:
            return trailer
        spoilt.add(trailer.frame)
        s.muted |= _FRAME  # what else the camera shows is beside the point, and long
        return structs.replace(trailer, frame_crc=trailer.frame_crc ^ 1)

    s.altered[p.FrameTrailer] = spoil
    contract(s)
    s.user(UserAction.STILL)
    until = s.now + EVENTUALLY
    while not spoilt and s.now < until:
        s.let(10 * MS)
    s.let(_SAFE_BY)
    s.need(bool(spoilt), "No still came: the test shows nothing.")
    released = {still.frame for heard in s.heard(p.FrameRelease) for still in heard.body.stills}
    s.expect(not released & spoilt, "no such still released", f"{sorted(released & spoilt)} released")


# ── Firmware ─────────────────────────────────────────────────────────────────────────────────────────

_PULL: Final = PacketType.FW_PULL


def _updates(s: Mirror) -> None:
    """The phone has offered an image, and the module, which has accepted it, leaves the pulling to the test."""
    s.muted |= UNPOWERED | {p.FwPull, p.FwStatus}
    s.attach()
    if s.take(p.FwBegin, EVENTUALLY) is None:
        raise Inapplicable("The phone offers no image of firmware.")
    s.let(10 * MS)


def _payload(s: Mirror, length: int) -> bytes:
    return write(s.catalogue, s.catalogue.layout["FwPull"], {"offset": 0, "length": length, "extensions": ()})


def _pull(s: Mirror, payload: bytes, status: Status) -> None:
    """What is pulled gets this status; and what is pulled well is still served."""
    _updates(s)
    asked, _ = s.stimulate(Exchange(_PULL, payload, Oracle.REFUSED))
    heard = s.answer(asked)
    if heard is None:
        s.fail(status.name, "no answer")
    s.expect_status(heard, status)
    s.asks(p.FwPull(length=1))


@phone_scenario(
    "SEC/FW_PULL/BV-served", "R-SEC-119",
    given="a phone that has offered an image", when="bytes of it are pulled",
    then="it answers OK with just those bytes", needs="FIRMWARE",
)  # fmt: skip
def an_image_is_served(s: Mirror) -> None:
    _updates(s)
    whole = s.asks(p.FwPull(length=4))
    s.expect((whole.offset, len(whole.data)) == (0, 4), "4 bytes from 0", f"{len(whole.data)} from {whole.offset}")
    part = s.asks(p.FwPull(offset=1, length=2))
    s.expect((part.offset, bytes(part.data)) == (1, bytes(whole.data[1:3])), "the same bytes", "others")


@phone_scenario(
    "SEC/FW_PULL/BI-short", "R-SEC-121",
    given="a phone that has offered an image", when="FW_PULL ends before its fields do", then="it answers BAD_LENGTH",
    needs="FIRMWARE",
)  # fmt: skip
def a_pull_that_is_short(s: Mirror) -> None:
    _pull(s, _payload(s, 1)[:-1], Status.BAD_LENGTH)


@phone_scenario(
    "SEC/FW_PULL/BI-tlvs", "R-SEC-122",
    given="a phone that has offered an image", when="FW_PULL ends in half a TLV", then="it answers BAD_LENGTH",
    needs="FIRMWARE",
)  # fmt: skip
def a_pull_that_ends_in_half_a_tlv(s: Mirror) -> None:
    _pull(s, _payload(s, 1) + b"\x01", Status.BAD_LENGTH)


@phone_scenario(
    "SEC/FW_PULL/BI-nothing", "R-SEC-123",
    given="a phone that has offered an image", when="FW_PULL asks for no bytes", then="it answers BAD_VALUE",
    needs="FIRMWARE",
)  # fmt: skip
def a_pull_of_nothing(s: Mirror) -> None:
    _pull(s, _payload(s, 0), Status.BAD_VALUE)


@phone_scenario(
    "SEC/FW_PULL/BI-too_much", "R-SEC-123",
    given="a phone that has offered an image", when="FW_PULL asks for more bytes than a packet holds",
    then="it answers BAD_VALUE", needs="FIRMWARE",
)  # fmt: skip
def a_pull_of_too_much(s: Mirror) -> None:
    _pull(s, _payload(s, 16381), Status.BAD_VALUE)
