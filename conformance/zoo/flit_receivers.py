"""Specimens that take FLITs and parameters as they must not, or do not say what became of them.

Plan: single FLITs · order · packets in payloads, and credit · telling · LINK_PARAMS and VC_RESYNC · all.
"""

from typing import Any, ClassVar, Final

from msgspec import structs

from opalink.conformance.zoo.flit_specimens import FlitSpecimen
from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol.codec import DecodeError, decode_flit, encode_flit
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.laser import Laser
from opalink.protocol.flit import End
from opalink.protocol.flit.assembly import Assembly
from opalink.protocol.flit.incoming import Incoming
from opalink.protocol.flit.layout import INTACT, NOWHERE, check, packet_type, sealed
from opalink.protocol.flit.state import Count
from opalink.protocol.flit.window import MASK
from opalink.protocol.packets import AckKind, CounterId, FlitKind, PacketType
from opalink.spec.form import US
from opalink.spec.limits import FLIT_BYTES, FLIT_PAYLOAD, PACKET_OVERHEAD

_HEALTH, _FIRST_OFF = 7, 10  # places in a FLIT

# ── Single FLITs ─────────────────────────────────────────────────────────────────────────────────────


class _Trusting(End):
    def receive(self, now: int, data: bytes) -> list[bytes]:
        covered = data[:-4]
        return super().receive(now, sealed([covered]))


class TrustsCrc(FlitSpecimen):
    """Takes FLITs whatever their CRC."""

    causes = ("R-FLT-001",)
    selection = "MOD/FLT/FLIT"
    layer = _Trusting


class _Mending(End):
    """Takes a FLIT with a field out of its range as if it were 0, though it counts it."""

    def receive(self, now: int, data: bytes) -> list[bytes]:
        try:
            decode_flit(data)
        except DecodeError:
            if check(data) == INTACT:
                self._count(CounterId.BAD_FLIT, now)
                between, behind = data[_HEALTH + 1 : _FIRST_OFF], data[_FIRST_OFF + 2 : -4]
                data = sealed([data[:_HEALTH] + b"\0" + between + bytes(2) + behind])
        return super().receive(now, data)


class MendsFields(FlitSpecimen):
    """Takes FLITs with header fields out of their ranges."""

    causes = ("R-FLT-002",)
    selection = "MOD/FLT/FLIT/BI"
    layer = _Mending


class _Uncounting(End):
    """Does not count some things."""

    uncounted: ClassVar[CounterId]

    def __init__(self, *, count: Count, **more: Any) -> None:
        super().__init__(count=lambda what, now: None if what is self.uncounted else count(what, now), **more)


class _CountsNoDrops(_Uncounting):
    uncounted = CounterId.BAD_FLIT


class CountsNoFlits(FlitSpecimen):
    """Drops FLITs without counting them."""

    causes = ("R-FLT-003",)
    selection = "MOD/FLT/FLIT"
    layer = _CountsNoDrops


class _CountsNoSeconds(_Uncounting):
    uncounted = CounterId.DUPLICATE_FLITS


class CountsNoDuplicates(FlitSpecimen):
    """Does not count FLITs that come twice."""

    causes = ("R-FLT-015",)
    selection = "MOD/FLT/ORDER/BV-twice"
    layer = _CountsNoSeconds


class _Strict(End):
    def receive(self, now: int, data: bytes) -> list[bytes]:
        try:
            spare = decode_flit(data).spare
        except DecodeError:
            spare = 0
        return super().receive(now, bytes(FLIT_BYTES) if spare else data)


class MindsSpareBits(FlitSpecimen):
    """Drops FLITs with reserved header bits set."""

    causes = ("R-FLT-004",)
    selection = "MOD/FLT/FLIT/BV"
    layer = _Strict


class _Timeless(End):
    def receive(self, now: int, data: bytes) -> list[bytes]:
        try:
            flit = decode_flit(data)
        except DecodeError:
            return super().receive(now, data)
        if self._armed is None and flit.epoch != self._parity:
            data = encode_flit(structs.replace(flit, epoch=self._parity))
        return super().receive(now, data)


class TakesAnyEpoch(FlitSpecimen):
    """Takes FLITs of any epoch."""

    causes = ("R-FLT-050",)
    selection = "MOD/FLT/FLIT"
    layer = _Timeless


# ── Order ────────────────────────────────────────────────────────────────────────────────────────────


def _whole_packets(offset: int, payload: bytes, packets: list[bytes]) -> None:
    """What one payload holds by itself."""
    Assembly(0xFFFF + PACKET_OVERHEAD).feed([offset], [payload], packets)


class _Twice(End):
    def _out_of_order(self, seq: int, vc: int, offset: int, payload: bytes, packets: list[bytes], now: int) -> None:
        if self._order.distance(seq) < 0 and vc in self._in:
            _whole_packets(offset, payload, packets)
        super()._out_of_order(seq, vc, offset, payload, packets, now)


class ActsOnEither(FlitSpecimen):
    """Acts on a FLIT each time that it comes."""

    causes = ("R-FLT-014",)
    selection = "MOD/FLT/ORDER/BV-twice"
    layer = _Twice


class _Careless(End):
    def _missed(self, count: int, now: int) -> None:
        super()._missed(count, now)
        self._order.missing.clear()


class NeverMisses(FlitSpecimen):
    """Asks for nothing that it has not got."""

    causes = ("R-FLT-016",)
    selection = "MOD/FLT/ORDER/TI-asked"
    layer = _Careless


class _Believing(End):
    def _acknowledged(self, ack: Any, seq: int, now: int) -> None:
        last = self._window.next - 1 & MASK
        beyond = ack == AckKind.ACK and 0 < (seq - last & MASK) < 0x8000
        super()._acknowledged(ack, last if beyond else seq, now)


class BelievesAnything(FlitSpecimen):
    """Takes an acknowledgement of what it has not sent for one of all that it has."""

    causes = ("R-FLT-022",)
    selection = "MOD/FLT/REPLAY/BI-never_sent"
    layer = _Believing


class _AsItComes(End):
    def _out_of_order(self, seq: int, vc: int, offset: int, payload: bytes, packets: list[bytes], now: int) -> None:
        early = self._order.distance(seq) > 0 and vc in self._in
        super()._out_of_order(seq, vc, offset, payload, packets, now)
        held = self._order.early.get(self._order.expected + self._order.distance(seq)) if early else None
        if held is not None:
            held.channel.assembly.feed([offset], [payload], packets)
            held.offset, held.payload = NOWHERE, bytes(FLIT_PAYLOAD)


class TakesAsItComes(FlitSpecimen):
    """Does not wait for a FLIT that is missing."""

    causes = ("R-FLT-024",)
    selection = "MOD/FLT/ORDER/BV-within"
    layer = _AsItComes


# ── Packets in payloads, and credit ──────────────────────────────────────────────────────────────────


class _Modest(End):
    def _hand_on(
        self, channel: Incoming, offsets: list[int], payloads: list[bytes], packets: list[bytes], now: int
    ) -> None:
        for offset, payload in zip(offsets, payloads, strict=True):
            found: list[bytes] = []
            super()._hand_on(channel, [offset], [payload], found, now)
            packets += found[:1]


class TakesOnePacket(FlitSpecimen):
    """Takes one packet of a FLIT."""

    causes = ("R-FLT-034",)
    selection = "MOD/FLT/PACKET/BV-many"
    layer = _Modest


class _OneAssembly(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        shared = Assembly(max(channel.assembly.limit for channel in self._in.values()))
        for channel in self._in.values():
            channel.assembly = shared


class ConfusesChannels(FlitSpecimen):
    """Takes what comes on different channels for one packet."""

    causes = ("R-FLT-035",)
    selection = "MOD/FLT/PACKET/BV-interleaved"
    layer = _OneAssembly


class _Stubborn(Assembly):
    def _one(self, offset: int, payload: bytes, packets: list[bytes]) -> None:
        if self._need:
            ends = self._need < len(payload) and payload[self._need]
            offset = self._need if ends else NOWHERE
        super()._one(offset, payload, packets)


class _OwnAccount(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        for channel in self._in.values():
            channel.assembly = _Stubborn(channel.assembly.limit)


class IgnoresFirstOff(FlitSpecimen):
    """Goes on with a packet whatever `first_off` says."""

    causes = ("R-FLT-036",)
    selection = "MOD/FLT/PACKET/BI-contradicted"
    layer = _OwnAccount


class _Greedy(End):
    def _aside_came(
        self, kind: FlitKind | int, seq: int, vc: int, payload: bytes, packets: list[bytes], now: int
    ) -> None:
        super()._aside_came(kind, seq, vc, payload, packets, now)
        if packet_type(payload) != PacketType.VC_RESYNC:
            _whole_packets(0, payload, packets)


class ReadsIdle(FlitSpecimen):
    """Takes packets from IDLE and CONTROL FLITs."""

    causes = ("R-FLT-037",)
    selection = "MOD/FLT/FLIT/RB-aside"
    layer = _Greedy


class _Indulgent(End):
    def _out_of_order(self, seq: int, vc: int, offset: int, payload: bytes, packets: list[bytes], now: int) -> None:
        if not self._room(vc):
            _whole_packets(offset, payload, packets)
        super()._out_of_order(seq, vc, offset, payload, packets, now)


class TakesWithoutCredit(FlitSpecimen):
    """Takes what comes without credit, though it reports it."""

    causes = ("R-FLT-044",)
    selection = "MOD/FLT/CREDIT/BI-violated"
    layer = _Indulgent


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────────


class _Late(End):
    def _answer_by(self, time: int) -> None:
        super()._answer_by(time + 400 * US)


class AnswersLate(FlitSpecimen):
    """Acknowledges 0.4 ms late."""

    causes = ("R-FLT-021",)
    selection = "MOD/FLT/ORDER/TI"
    layer = _Late


class _Stingy(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        for channel in self._in.values():
            channel.held = True


class ReturnsNoCredit(FlitSpecimen):
    """Grants what it granted at first, and no more."""

    causes = ("R-FLT-043",)
    selection = "MOD/FLT/CREDIT/BV-returned"
    layer = _Stingy


class Unreporting(FlitSpecimen):
    """Says nothing of what it cannot send again and of what comes without credit."""

    causes = ("R-FLT-023", "R-FLT-045")
    selection = "MOD/FLT/REPLAY/BI or MOD/FLT/CREDIT/BI"

    def recover(self, now: int) -> None:  # noqa: ARG002
        if self.inner.flits is not None:
            self.inner.flits.faults.clear()


# ── LINK_PARAMS and VC_RESYNC ────────────────────────────────────────────────────────────────────────


class _Agreeable(Laser):
    def when_supported(self, cause: Cause) -> bool:
        return type(cause.body).__name__ == "LinkParams" or super().when_supported(cause)

    def when_epoch_known(self, cause: Cause) -> bool:  # noqa: ARG002
        return True


class _AgreeableModule(Module):
    parts = tuple(_Agreeable if part is Laser else part for part in Module.parts)


class Agreeable(Specimen):
    """Agrees to any epoch in LINK_PARAMS, and to any position in VC_RESYNC."""

    causes = ("R-FLT-055", "R-FLT-057")
    selection = "MOD/FLT/EPOCH or MOD/FLT/RESYNC"

    def __init__(self) -> None:
        super().__init__()
        self.inner = _AgreeableModule()


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    TrustsCrc, MendsFields, CountsNoFlits, CountsNoDuplicates, MindsSpareBits, TakesAnyEpoch, ActsOnEither, NeverMisses,
    BelievesAnything, TakesAsItComes, TakesOnePacket, ConfusesChannels, IgnoresFirstOff, ReadsIdle, TakesWithoutCredit,
    AnswersLate, ReturnsNoCredit, Unreporting, Agreeable,
)  # fmt: skip
