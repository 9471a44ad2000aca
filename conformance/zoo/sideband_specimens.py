"""Specimens that break the rules of sideband records, as the FLIT plane shows them.

Plan: records that are dropped · records that are altered · all.
"""

from typing import Final

from msgspec import structs

from opalink.conformance.zoo.specimen import Habit, Specimen
from opalink.protocol.codec import Sideband, encode_record, encode_sideband
from opalink.protocol.packets import Lane, RecordKind
from opalink.protocol.transport import Channel
from opalink.protocol.transport.framing import RecordReader

_PACKET: Final = 4  # where the packet of a record begins
_CRC_16: Final = 2

# ── Records that are dropped ─────────────────────────────────────────────────────────────────────────


class CountsNoRecords(Specimen):
    """Drops sideband records without counting them."""

    causes = ("R-FLT-061",)
    selection = "MOD/FLT/SIDEBAND/RB"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return data or None  # nothing is left of a record that was dropped


# ── Records that are altered ─────────────────────────────────────────────────────────────────────────


class _OnTheSideband(Habit):
    """Alters what the sideband carries."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self._reader = RecordReader()

    def alter(self, data: bytes) -> bytes:
        raise NotImplementedError

    def _altered(self, data: bytes) -> bytes:
        records = (
            structs.replace(r, payload=self.alter(bytes(r.payload)))
            if r.kind == RecordKind.FLIT and r.lane == Lane.SIDEBAND
            else r
            for r in self._reader.feed(data)
        )
        return b"".join(map(encode_record, records))


class TakesAnyRecord(_OnTheSideband):
    """Takes sideband records whatever their CRC-16."""

    causes = ("R-FLT-060",)
    selection = "MOD/FLT/SIDEBAND/RB-crc"

    def receive(self, timeout: float | None) -> bytes | None:
        data = super().receive(timeout)
        while data and not (whole := self._altered(data)):
            data = super().receive(timeout)
        return whole if data else data

    def alter(self, data: bytes) -> bytes:
        return encode_sideband(Sideband(payload=data[_PACKET:-_CRC_16]))


class WrongRecordCrc(_OnTheSideband):
    """Sends every fourth sideband record under a wrong CRC-16."""

    causes = ("R-FLT-062",)
    selection = "MOD/FLT/SIDEBAND/BV"
    _count = 0

    def send(self, data: bytes) -> None:
        super().send(self._altered(data))

    def alter(self, data: bytes) -> bytes:
        self._count += 1
        return data if self._count % 4 else data[:-1] + bytes([data[-1] ^ 1])


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen | Habit], ...]] = (CountsNoRecords, TakesAnyRecord, WrongRecordCrc)
