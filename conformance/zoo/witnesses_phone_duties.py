"""Specimens that are phones: what binds both sides, broken by a phone.

Plan: stored responses · starting anew · BEACON and loss · the link · seat · requests · lanes · all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from opalink.conformance.zoo.specimen import STATUS, TYPE, decoded, is_request, is_response, load, put, success, txn_of
from opalink.conformance.zoo.witnesses_bench import OfRecords
from opalink.conformance.zoo.witnesses_bench_time import ClockOfItsOwn
from opalink.conformance.zoo.witnesses_phone import PhoneSpecimen, with_parts
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.lens import Lens
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, PacketType, ResetKind
from opalink.protocol.runtime import Buffer
from opalink.spec.form import MS, Role

# ── Stored responses ─────────────────────────────────────────────────────────────────────────────────


class StoresFew(PhoneSpecimen):
    """Keeps four responses and no more."""

    causes = ("R-ATT-013",)
    selection = "PHN/ATT/STORED/CA-last"

    def receive(self, lane: Lane, data: Buffer, now: int) -> None:
        super().receive(lane, data, now)
        for key in list(self.incoming.stored)[:-4]:
            del self.incoming.stored[key]


class StoresBadVersion(PhoneSpecimen):
    """Stores BAD_VERSION as it stores any response."""

    causes = ("R-ATT-014",)
    selection = "PHN/ATT/STORED/BI-version"

    def says(self, d: Departure) -> Iterable[Departure]:
        if is_response(d.data) and d.data[STATUS] == Status.BAD_VERSION:
            self.incoming.store((txn_of(d.data), d.data[TYPE]), d.data)
        return (d,)


class KeepsResponses(PhoneSpecimen):
    """Takes its stored responses over into the next session."""

    causes = ("R-ATT-015",)
    selection = "PHN/ATT/STORED/BV-session"

    def forget_exchanges(self) -> None:
        kept = self.incoming.stored
        super().forget_exchanges()
        self.incoming.stored = kept


# ── Starting anew ────────────────────────────────────────────────────────────────────────────────────


class PhoneWarmStart(PhoneSpecimen):
    """Remembers its session over BIND, and wants to resume it."""

    class _Contact(Contact):
        remembered = 0

        def fill_hello(self, cause: Cause) -> p.Hello:
            said, kept, self.remembered = super().fill_hello(cause), self.remembered, 0
            return structs.replace(said, resume_session=said.resume_session or kept)

    causes = ("R-BEN-004",)
    selection = "PHN/BEN/BIND/BV-cold"
    parts = with_parts(_Contact)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        session = self.contact.session
        super().reset(kind, seed, now)
        self.part(self._Contact).remembered = session


class PhoneClockOfItsOwn(ClockOfItsOwn):
    """A phone that answers CLOCK records in real time."""

    selection = "PHN/BEN/CLOCK/BV-real"
    inner, side = Phone, Role.PHONE


class CountsInOneEpoch(PhoneSpecimen):
    """Counts from zero again without raising `epoch`."""

    causes = ("R-LNK-011", "R-LNK-012")  # who believes the epoch sees counters fall
    selection = "PHN/LNK/COUNTERS/BV-epoch"

    def start_over(self, seed: int, now: int) -> None:
        super().start_over(seed, now)
        self.counters.epoch = 1


# ── BEACON and loss ──────────────────────────────────────────────────────────────────────────────────


class OwnVersionOnly(PhoneSpecimen):
    """Takes no notice of a BEACON of another version."""

    causes = ("R-LNK-002",)
    selection = "PHN/ATT/BEACON/BV-other_versions"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        packet = decoded(data)
        other = packet is not None and isinstance(packet.body, p.Beacon) and packet.body.major != 1
        return None if other else data


class BeaconsSeldom(PhoneSpecimen):
    """Leaves out every second BEACON."""

    causes = ("R-LNK-006",)
    selection = "PHN/ATT/BEACON/TI-repeated"
    _count = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        if d.data[TYPE] != PacketType.BEACON:
            return (d,)
        self._count += 1
        return (d,) if self._count % 2 else ()


class TakesNoRefusal(PhoneSpecimen):
    """Takes a KEEPALIVE that is refused for one that is answered."""

    causes = ("R-ATT-017",)
    selection = "PHN/ATT/ALIVE/BI-refused"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        refused = is_response(data) and data[TYPE] == PacketType.KEEPALIVE and data[STATUS]
        return load(put(data, STATUS, b"\0"), success(PacketType.KEEPALIVE)) if refused else data


# ── The link ─────────────────────────────────────────────────────────────────────────────────────────


class SaysNoDegradation(PhoneSpecimen):
    """Reports no degradation of its link."""

    causes = ("R-LNK-019",)
    selection = "PHN/LNK/DEGRADED"

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        told = packet is not None and isinstance(packet.body, p.LinkEvent)
        return () if told and packet and packet.body.reason == Status.LINK_DEGRADED else (d,)


class WakesTooSoon(PhoneSpecimen):
    """Says that its link wakes up within a microsecond."""

    causes = ("R-LNK-021",)
    selection = "PHN/LNK/SLEEP"

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, p.LinkPmResponse):
            return (d,)
        body = structs.replace(packet.body, exit_latency=1)
        return (structs.replace(d, data=codec.encode(structs.replace(packet, body=body))),)


# ── Seat ─────────────────────────────────────────────────────────────────────────────────────────────


class _Seat(PhoneSpecimen):
    """Does not report how well the module sits where that is within `hidden`."""

    hidden = range(101)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, p.SeatStatus):
            return (d,)
        return () if packet.body.quality in self.hidden else (d,)


class SaysNoSeat(_Seat):
    """Never says how well the module sits."""

    causes = ("R-MGT-046",)
    selection = "PHN/ATT/SESSION/BV-begins"


class SaysNoWorseSeat(_Seat):
    """Does not say that the module sits worse."""

    causes = ("R-MGT-047",)
    selection = "PHN/MGT/SEAT/BV-quality"
    hidden = range(90)


# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────


class _Musing(Lens):
    """Answers CONTROL_OWNER a while later, CANCEL or not."""

    def answer_control_owner(self, cause: Cause) -> Later:  # type: ignore[override] # it takes its time
        given = super().answer_control_owner(cause)
        return Later(20 * MS, lambda: self.end.finish(cause, given))


class CancelsNothing(PhoneSpecimen):
    """Answers a request that CANCEL has ended as if it had not."""

    causes = ("R-MGT-033",)
    selection = "PHN/MGT/CANCEL/BV-cancelled"
    parts = with_parts(_Musing)


class _Possessive(Lens):
    def answer_control_owner(self, cause: Cause) -> p.ControlOwnerResponse:
        ask = cause.body
        return p.ControlOwnerResponse(owner=ask.owner, policy=ask.policy, hold=ask.hold)


class OwnsAnything(PhoneSpecimen):
    """Lets a module own controls that it has not."""

    causes = ("R-LEN-005",)
    selection = "PHN/LEN/OWNER/BI-no_control"
    parts = with_parts(_Possessive)


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────


class _AnyLane(PhoneSpecimen):
    """Takes some packets on any lane."""

    def receive(self, lane: Lane, data: Buffer, now: int) -> None:
        found = catalogue().by_code.get(bytes(data)[TYPE]) if len(data) > TYPE else None
        if found is not None and len(found.lanes) == 1 and self.minds(bytes(data)):
            lane = Lane[found.lanes[0].upper()]
        super().receive(lane, data, now)

    def minds(self, data: bytes) -> bool:
        """Whether it takes a packet on any lane."""
        raise NotImplementedError


class AsksOnAnyLane(_AnyLane):
    """Answers requests on any lane."""

    causes = ("R-WIRE-028",)
    selection = "PHN/WIRE/LANE/BI-request"

    def minds(self, data: bytes) -> bool:
        return is_request(data)


class HearsOnAnyLane(_AnyLane):
    """Acts on events on any lane."""

    causes = ("R-WIRE-029",)
    selection = "PHN/ATT/BEACON/BI-lane"

    def minds(self, data: bytes) -> bool:
        return not is_request(data) and not is_response(data)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[PhoneSpecimen | OfRecords], ...]] = (
    StoresFew, StoresBadVersion, KeepsResponses, PhoneWarmStart, PhoneClockOfItsOwn, CountsInOneEpoch, OwnVersionOnly,
    BeaconsSeldom, TakesNoRefusal, SaysNoDegradation, WakesTooSoon, SaysNoSeat, SaysNoWorseSeat, CancelsNothing,
    OwnsAnything, AsksOnAnyLane, HearsOnAnyLane,
)  # fmt: skip
