"""Specimens that are phones: the reference phone with a part that breaks one requirement.

The tests of FW_PULL are about a phone that has an image to offer; `Updating` is one that does it right.

Plan: a phone with other parts · what breaks one requirement · an image to offer · all.
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from opalink.conformance.purposes import Plan
from opalink.conformance.verdicts import Conclusion
from opalink.conformance.zoo.specimen import CRC, PAYLOAD, STATUS, TYPE, is_request, is_response, put, refuse, txn_of
from opalink.protocol.codec import PacketType, Status, decode_layout
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.firmware import Firmware, Image
from opalink.protocol.engine.phone.frames import Frames
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.phone.reader import Reader
from opalink.protocol.engine.phone.source import Source
from opalink.protocol.packets import FrameFlags, FrameRelease, Lane, ReleasedFrame
from opalink.protocol.runtime import Buffer
from opalink.spec.form import Role

# ── A phone with other parts ─────────────────────────────────────────────────────────────────────────


def with_parts(*parts: type[PhonePart]) -> tuple[type[PhonePart], ...]:
    """The parts of a phone, some of its own in the place of those that they build upon."""
    chosen = {next(b for b in part.__mro__[1:] if b in Phone.parts): part for part in parts}
    return tuple(chosen.get(part, part) for part in Phone.parts)


class PhoneSpecimen(Phone):
    """The reference phone. What it hears passes `hears`, what it says passes `says`; `causes` are what must be found
    violated, `plan` and `selection` what it takes to find it."""

    causes: ClassVar[tuple[str, ...]] = ()
    conclusion: ClassVar[Conclusion] = Conclusion.NON_CONFORMANT
    plan: ClassVar[Plan] = Plan.QUICK
    selection: ClassVar[str] = ""
    side: ClassVar[Role] = Role.PHONE

    def __init__(self) -> None:
        super().__init__(f"zoo: {type(self).__name__}")

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        """What of a packet reaches the phone."""
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        """What becomes of a packet of the phone's."""
        return (d,)

    def receive(self, lane: Lane, data: Buffer, now: int) -> None:
        through = self.hears(bytes(data), lane)
        if through is not None:
            super().receive(lane, through, now)

    def outbox(self) -> list[Departure]:
        return [said for d in super().outbox() for said in self.says(d)]


# ── What breaks one requirement ──────────────────────────────────────────────────────────────────────


class LastRecordCounts(PhoneSpecimen):
    """Takes the last of two records with the same tag."""

    class _Reader(Reader):
        def _understand(self, data: bytes) -> None:
            super()._understand(data)
            listed = decode_layout(self.end.catalogue.body["DESCRIPTOR"], data).records
            self.records |= {self._names[r.tag]: r.value for r in listed if r.tag in self._names}

    causes = ("R-DSC-018",)
    selection = "PHN/DSC/RECORD"
    parts = with_parts(_Reader)


class AnyContacts(PhoneSpecimen):
    """Supplies a class of power over contacts that it has found too bad for it."""

    class _Source(Source):
        def when_class_open(self, cause: Cause) -> bool:
            return self._resistance is not None or super().when_class_open(cause)

    causes = ("R-PWR-026",)
    selection = "PHN/PWR/REQUEST/BI-class"
    parts = with_parts(_Source)


class ReleasesAnything(PhoneSpecimen):
    """Releases every still once its trailer is there, right or not."""

    class _Frames(Frames):
        def heard_frame_trailer(self, cause: Cause) -> None:
            found = self._open.get(cause.body.frame)
            super().heard_frame_trailer(cause)
            if found is not None and found.leader.kind & FrameFlags.STILL:
                self.end.send(FrameRelease(stills=(ReleasedFrame(found.leader.frame),)))

    causes = ("R-FRM-028",)
    selection = "PHN/FRM/RELEASE"
    parts = with_parts(_Frames)


# ── An image to offer ────────────────────────────────────────────────────────────────────────────────

_IMAGE: Final = Image(0, 1 << 60, bytes(range(64)))


class Updating(PhoneSpecimen):
    """Has firmware for whatever module it meets."""

    class _Firmware(Firmware):
        def known(self) -> None:
            self.update(_IMAGE)

    conclusion = Conclusion.CONFORMANT
    selection = "PHN/SEC/FW_PULL and not g."
    parts = with_parts(_Firmware)


class _Careless(Updating):
    """Takes one fault of a FW_PULL for another, or for none."""

    conclusion = Conclusion.NON_CONFORMANT
    size: ClassVar[range]  # of the payloads that it is wrong about

    def __init__(self) -> None:
        super().__init__()
        self._wrong: set[int] = set()

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        if is_request(data) and data[TYPE] == PacketType.FW_PULL and len(data) - PAYLOAD + CRC in self.size:
            self._wrong.add(txn_of(data))
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        faulty = is_response(d.data) and d.data[TYPE] == PacketType.FW_PULL and txn_of(d.data) in self._wrong
        return (Departure(d.time, d.lane, self.word(d.data)) if faulty else d,)

    def word(self, data: bytes) -> bytes:
        """Its answer, as it gives it."""
        return put(data, STATUS, bytes([Status.NO_SUCH_ID])) if data[STATUS] else data


class PullsShort(_Careless):
    """Answers a FW_PULL that ends too soon with another status."""

    causes = ("R-SEC-121",)
    selection = "PHN/SEC/FW_PULL/BI-short"
    size = range(6)


class PullsOnwards(_Careless):
    """Answers a FW_PULL that ends in half a TLV with another status."""

    causes = ("R-SEC-122",)
    selection = "PHN/SEC/FW_PULL/BI-tlvs"
    size = range(7, 100)


class PullsNothing(_Careless):
    """Answers a FW_PULL for no bytes with another status."""

    causes = ("R-SEC-123",)
    selection = "PHN/SEC/FW_PULL/BI-nothing"
    size = range(6, 7)


class PullsTooMuch(_Careless):
    """Answers a FW_PULL for more bytes than a packet holds with another status."""

    causes = ("R-SEC-123",)
    selection = "PHN/SEC/FW_PULL/BI-too_much"
    size = range(6, 7)


class PullsNever(_Careless):
    """Answers a FW_PULL that is right with a status that its type does not declare."""

    causes = ("R-SEC-119",)
    selection = "PHN/SEC/FW_PULL/BV-served"
    size = range(6, 7)

    def word(self, data: bytes) -> bytes:
        return data if data[STATUS] else refuse(data, Status.NO_SUCH_ID)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[PhoneSpecimen], ...]] = (
    LastRecordCounts, AnyContacts, ReleasesAnything, Updating, PullsShort, PullsOnwards, PullsNothing,
    PullsTooMuch, PullsNever,
)  # fmt: skip
