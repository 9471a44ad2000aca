"""Specimens with another FLIT layer: what they all are, and those whose FLITs are altered as they leave.

Each breaks one rule. Those that send amiss stand in `flit_senders`, those that receive amiss in `flit_receivers`, those
that are within their rights in `flit_variations`.

Plan: the specimen · what a layer sends, altered · all.
"""

from collections import deque
from typing import Any, ClassVar, Final

from msgspec import structs

from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol.codec import Flit, decode_flit, encode_flit
from opalink.protocol.flit import End
from opalink.protocol.flit.window import MASK
from opalink.protocol.packets import AckKind, FlitKind
from opalink.spec.form import US
from opalink.spec.limits import FLIT_BYTES

# ── The specimen ─────────────────────────────────────────────────────────────────────────────────────


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
        return structs.replace(flit, ack_seq=flit.ack_seq + 3 & MASK) if flit.ack == AckKind.ACK else flit


class AcknowledgesAhead(FlitSpecimen):
    """Acknowledges three FLITs that have not come."""

    causes = ("R-FLT-019",)
    selection = "MOD/FLT/ORDER"
    layer = _Early


class _Numbered(Altering):
    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, seq=flit.seq + 1 & MASK) if flit.kind == FlitKind.IDLE else flit


class NumbersIdle(FlitSpecimen):
    """Gives IDLE FLITs a number of their own."""

    causes = ("R-FLT-011",)
    selection = "MOD/FLT/REPLAY/TI"
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
    selection = "MOD/FLT/ORDER/TI"
    layer = _Dirty


class _Changed(Altering):
    def alter(self, flit: Flit) -> Flit:
        again = flit.kind == FlitKind.REPLAY
        return structs.replace(flit, payload=bytes(flit.payload[:-1]) + b"\x55") if again else flit


class ChangesReplay(FlitSpecimen):
    """Sends something else again than it has sent."""

    causes = ("R-FLT-012",)
    selection = "MOD/FLT/REPLAY/TI-again"
    layer = _Changed


class _Generous(Altering):
    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, credit_cum=flit.credit_cum + 1000 & MASK)


class GrantsTooMuch(FlitSpecimen):
    """Grants more than it has room for."""

    causes = ("R-FLT-042",)
    selection = "MOD/FLT/ORDER"
    layer = _Generous


class _Hesitant(Altering):
    """Says of what has come only later that it has: 0.4 ms."""

    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        self._came: deque[tuple[int, int]] = deque()  # when something came, and the last that then had
        self._told = self._order.last_seq

    def receive(self, now: int, data: bytes) -> list[bytes]:
        before = self._order.last_seq
        packets = super().receive(now, data)
        if self._order.last_seq != before:
            self._came.append((now + 400 * US, self._order.last_seq))
        return packets

    def take(self, now: int, room: int) -> bytes:
        while self._came and self._came[0][0] <= now:
            self._told = self._came.popleft()[1]
        data = super().take(now, room)
        if self._came:
            self._answer_by(self._came[-1][0])
        return data

    def alter(self, flit: Flit) -> Flit:
        return structs.replace(flit, ack_seq=self._told) if flit.ack == AckKind.ACK else flit


class AcknowledgesLate(FlitSpecimen):
    """Acknowledges DATA FLITs 0.4 ms after they have come."""

    causes = ("R-FLT-018",)
    selection = "MOD/FLT/ORDER/TI-acknowledged"
    layer = _Hesitant


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    RepeatsNumbers, WrongParity, AcknowledgesAhead, NumbersIdle, WrongFlitCrc, WrongFirstOff, DirtyPayload,
    ChangesReplay, GrantsTooMuch, AcknowledgesLate,
)  # fmt: skip
