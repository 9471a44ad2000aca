"""Specimens with another FLIT layer: each breaks one rule of it, or makes another choice that is legal.

Plan: what a layer sends, altered · sending · receiving · telling · LINK_PARAMS and VC_RESYNC · legal ones · all.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from fastcrc import crc32
from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.specimen import Specimen
from opalink.conformance.verdicts import Conclusion
from opalink.protocol.codec import Flit, decode_flit, encode_flit
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.laser import Laser
from opalink.protocol.flit import End
from opalink.protocol.flit.assembly import Assembly
from opalink.protocol.flit.outgoing import Outbox, Outgoing, Rank
from opalink.protocol.packets import AckKind, FlitKind, VirtualChannel
from opalink.spec.form import US
from opalink.spec.limits import FLIT_BYTES, PACKET_OVERHEAD

_MASK: Final = 0xFFFF


class FlitSpecimen(Specimen):
    """The reference module with another FLIT layer."""

    layer: ClassVar[type[End]] = End

    def __init__(self) -> None:
        super().__init__()
        self.inner.flit_layer = self.layer


# ── What a layer sends, altered ──────────────────────────────────────────────────────────────────────


class Altering(End):
    """Sends each FLIT as `alter` leaves it."""

    def alter(self, flit: Flit) -> Flit | bytes:
        raise NotImplementedError

    def take(self, now: int, room: int) -> bytes:
        data, out = super().take(now, room), []
        for at in range(0, len(data), FLIT_BYTES):
            altered = self.alter(decode_flit(data[at : at + FLIT_BYTES]))
            out.append(altered if isinstance(altered, bytes) else encode_flit(altered))
        return b"".join(out)


class _Repeating(Altering):
    def alter(self, flit: Flit) -> Flit:
        again = flit.kind == FlitKind.DATA and flit.seq % 4 == 3
        return structs.replace(flit, seq=flit.seq - 1) if again else flit


class RepeatsNumbers(FlitSpecimen):
    """Gives every fourth DATA FLIT the number of the one before."""

    causes = ("R-FLT-010",)
    selection = "MOD/FLT/ORDER"
    layer = _Repeating


class _Other(Altering):
    def alter(self, flit: Flit) -> Flit:
        wrong = flit.kind == FlitKind.DATA and flit.seq % 4 == 3
        return structs.replace(flit, epoch=flit.epoch ^ 1) if wrong else flit


class WrongParity(FlitSpecimen):
    """Gives every fourth DATA FLIT the parity of another epoch; the replay is right."""

    causes = ("R-FLT-051",)
    selection = "MOD/FLT/ORDER"
    layer = _Other


class _Early(Altering):
    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, ack_seq=flit.ack_seq + 3 & _MASK) if flit.ack == AckKind.ACK else flit


class AcknowledgesAhead(FlitSpecimen):
    """Acknowledges three FLITs that have not come."""

    causes = ("R-FLT-019",)
    selection = "MOD/FLT/ORDER"
    layer = _Early


class _Numbered(Altering):
    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, seq=flit.seq + 1 & _MASK) if flit.kind == FlitKind.IDLE else flit


class NumbersIdle(FlitSpecimen):
    """Gives IDLE FLITs a number of their own."""

    causes = ("R-FLT-011",)
    selection = "MOD/FLT/REPLAY"
    layer = _Numbered


class _Torn(Altering):
    def alter(self, flit: Flit) -> bytes:
        data = encode_flit(flit)
        return data[:-1] + bytes([data[-1] ^ 1]) if flit.kind == FlitKind.DATA and flit.seq % 5 == 4 else data


class WrongFlitCrc(FlitSpecimen):
    """Sends every fifth DATA FLIT under a wrong CRC; the replay is right."""

    causes = ("R-FLT-005",)
    selection = "MOD/FLT/ORDER"
    layer = _Torn


class _Offset(Altering):
    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, first_off=flit.first_off + 4) if flit.first_off < 600 else flit


class WrongFirstOff(FlitSpecimen):
    """Says that packets begin four bytes later than they do."""

    causes = ("R-FLT-031",)
    selection = "MOD/FLT/ORDER"
    layer = _Offset


class _Dirty(Altering):
    def alter(self, flit: Flit) -> Flit:
        rest = flit.kind == FlitKind.DATA and not any(flit.payload[-8:])
        return structs.replace(flit, payload=bytes(flit.payload[:-1]) + b"\xaa") if rest else flit


class DirtyPayload(FlitSpecimen):
    """Leaves something behind the last packet of a payload."""

    causes = ("R-FLT-032",)
    selection = "MOD/FLT/ORDER"
    layer = _Dirty


class _Changed(Altering):
    def alter(self, flit: Flit) -> Flit:
        again = flit.kind == FlitKind.REPLAY
        return structs.replace(flit, payload=bytes(flit.payload[:-1]) + b"\x55") if again else flit


class ChangesReplay(FlitSpecimen):
    """Sends something else again than it has sent."""

    causes = ("R-FLT-012",)
    selection = "MOD/FLT/REPLAY"
    layer = _Changed


class _Generous(Altering):
    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, credit_cum=flit.credit_cum + 1000 & _MASK)


class GrantsTooMuch(FlitSpecimen):
    """Grants more than it has room for."""

    causes = ("R-FLT-042",)
    selection = "MOD/FLT/ORDER"
    layer = _Generous


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────────


class _Spending(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        for channel in self._out.channels.values():
            channel.granted = 1 << 40

    def _grant(self, channel: Outgoing, cum: int) -> bool:  # noqa: ARG002
        return False


class IgnoresCredit(FlitSpecimen):
    """Sends whatever it has, credit or not."""

    causes = ("R-FLT-040",)
    selection = "MOD/FLT/CREDIT/BV-exhausted"
    layer = _Spending


class _Forgetful(End):
    def _replay(self, flits: list[bytes], now: int) -> bool:  # noqa: ARG002
        while self._window.pop_again() is not None:
            pass
        return False


class DropsReplay(FlitSpecimen):
    """Sends nothing again."""

    causes = ("R-FLT-017",)
    selection = "MOD/FLT/REPLAY/TI-again"
    layer = _Forgetful


class _LastRealTime(Outbox):
    def __init__(self, channels: Iterable[Outgoing]) -> None:
        held = [*channels]
        for channel in held:
            if channel.vc == VirtualChannel.RT:
                channel.rank = max(c.rank for c in held)
        super().__init__(sorted(held, key=lambda channel: channel.vc == VirtualChannel.RT))

    def pick(self, lowest: int) -> tuple[Outgoing, int, Rank] | None:
        """Of its rank the others first."""
        real_time = self.channels.get(VirtualChannel.RT)
        others = any(c.ready for c in self.channels.values() if c is not real_time)
        if real_time is not None and others:
            queue, real_time.queue = real_time.queue, deque()
            try:
                return super().pick(lowest)
            finally:
                real_time.queue = queue
        return super().pick(lowest)


class _Starving(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        self._reserve = 0
        self._out = _LastRealTime(self._out.channels.values())


class StarvesRealTime(FlitSpecimen):
    """Sends real-time packets when it has nothing else to send."""

    causes = ("R-FLT-046",)
    selection = "MOD/FLT/RANK"
    layer = _Starving


class _Mixed(End):
    def put(self, packet: bytes, vc: int | None = None) -> None:
        event = vc is None and packet[2] >> 4 == VirtualChannel.EVENT
        super().put(packet, VirtualChannel.CONTROL if event else vc)


class MixesChannels(FlitSpecimen):
    """Sends events in FLITs of another channel."""

    causes = ("R-FLT-030",)
    selection = "MOD/FLT/ORDER"
    layer = _Mixed


class _Silent(End):
    def _ask(self, *_: object) -> None:
        self._poll = None


class NeverAsks(FlitSpecimen):
    """Waits in silence for acknowledgement."""

    causes = ("R-FLT-020",)
    selection = "MOD/FLT/REPLAY/TI"
    layer = _Silent


# ── Receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Trusting(End):
    def receive(self, now: int, data: bytes) -> list[bytes]:
        covered = data[:-4]
        return super().receive(now, covered + crc32.iscsi(covered).to_bytes(4, "little"))


class TrustsCrc(FlitSpecimen):
    """Takes FLITs whatever their CRC."""

    causes = ("R-FLT-001",)
    selection = "MOD/FLT/FLIT"
    layer = _Trusting


class _Timeless(End):
    def receive(self, now: int, data: bytes) -> list[bytes]:
        try:
            flit = decode_flit(data)
        except ValueError:
            return super().receive(now, data)
        if self._armed is None and flit.epoch != self._parity:
            data = encode_flit(structs.replace(flit, epoch=self._parity))
        return super().receive(now, data)


class TakesAnyEpoch(FlitSpecimen):
    """Takes FLITs of any epoch."""

    causes = ("R-FLT-050",)
    selection = "MOD/FLT/FLIT"
    layer = _Timeless


class _Twice(End):
    def _out_of_order(self, seq: int, vc: int, offset: int, payload: bytes, packets: list[bytes], now: int) -> None:
        if self._order.distance(seq) < 0 and vc in self._in:
            Assembly(0xFFFF + PACKET_OVERHEAD).feed([offset], [payload], packets)
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
        last = self._window.next - 1 & _MASK
        beyond = ack == AckKind.ACK and 0 < (seq - last & _MASK) < 0x8000
        super()._acknowledged(ack, last if beyond else seq, now)


class BelievesAnything(FlitSpecimen):
    """Takes an acknowledgement of what it has not sent for one of all that it has."""

    causes = ("R-FLT-022",)
    selection = "MOD/FLT/REPLAY/BI-never_sent"
    layer = _Believing


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


# ── Legal ones ───────────────────────────────────────────────────────────────────────────────────────


class Legal(FlitSpecimen):
    """Another choice of a FLIT layer's."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI
    selection = "MOD/FLT"


class _Prompt(End):
    def _answer_by(self, time: int) -> None:
        super()._answer_by(min(time, self._now))


class Prompt(Legal):
    """Acknowledges and grants at once."""

    layer = _Prompt


class _Unhurried(End):
    def _answer_by(self, time: int) -> None:
        super()._answer_by(max(time, self._now + 90 * US))


class LateAcknowledging(Legal):
    """Acknowledges as late as it may."""

    layer = _Unhurried


class _Impatient(End):
    def _wait(self, now: int) -> None:
        self._poll = now + 5 * US


class Impatient(Legal):
    """Sends IDLE FLITs often."""

    layer = _Impatient


class _Sparse(End):
    def take(self, now: int, room: int) -> bytes:
        return super().take(now, min(room, 3))


class SmallBatches(Legal):
    """Sends three FLITs at a time."""

    layer = _Sparse


class _AllAgain(End):
    def take(self, now: int, room: int) -> bytes:
        if (due := self._order.deadline) is not None and due <= now:
            self._order.asks(now)
            self._demands = True
        return super().take(now, room)

    def _middle(self, kind: FlitKind, vc: int) -> bytes:
        if self._demands:
            self._demands, self._nak = False, True
        return super()._middle(kind, vc)

    def _must_tell(self, now: int) -> bool:
        return self._demands or super()._must_tell(now)

    _demands = False


class AsksForAll(Legal):
    """Asks with NAK alone."""

    layer = _AllAgain


ALL: Final[tuple[type[Specimen], ...]] = (
    RepeatsNumbers, WrongParity, AcknowledgesAhead, NumbersIdle, WrongFlitCrc, WrongFirstOff, DirtyPayload,
    ChangesReplay, GrantsTooMuch, IgnoresCredit, DropsReplay, StarvesRealTime, MixesChannels, NeverAsks, TrustsCrc,
    TakesAnyEpoch, ActsOnEither, NeverMisses, BelievesAnything, AnswersLate, ReturnsNoCredit, Unreporting, Agreeable,
    Prompt, LateAcknowledging, Impatient, SmallBatches, AsksForAll,
)  # fmt: skip
