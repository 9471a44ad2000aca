"""Specimens that break the rules of time on a bench, one each.

Most wait for a leap, a CLOCK record that lets a second pass at once: before it, nothing is wrong with them.

Plan: virtual time · real time · all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from opalink.conformance.zoo.witnesses_bench import OfRecords, carrying
from opalink.protocol.codec import Record, decode_layout
from opalink.protocol.packets import ClockAnswer, ClockMode, RecordKind
from opalink.spec.form import SECOND

# ── Virtual time ─────────────────────────────────────────────────────────────────────────────────────


class TimeFirst(OfRecords):
    """Leaps before it looks at what came earlier."""

    causes = ("R-BEN-030", "R-BEN-033", "R-WIRE-023")  # no packet says which
    selection = "MOD/BEN/CLOCK/TI-leap"

    def __init__(self) -> None:
        super().__init__()
        self._held: list[Record] = []

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.PACKET:
            self._held.append(record)
            return
        held, self._held = self._held, []
        yield from (record, *held) if self.leaping else (*held, record)


class Overshoots(OfRecords):
    """Leaps a nanosecond further than it should."""

    causes = ("R-BEN-031",)
    selection = "MOD/BEN/CLOCK/TI-leap"

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind != RecordKind.CLOCK or not self.leaping:
            return (record,)
        return (carrying(record, ClockAnswer(self.until + 1, self.until + SECOND)),)


class AnswersTooSoon(OfRecords):
    """Answers the CLOCK record of a leap before it sends what was due in it."""

    causes = ("R-BEN-032",)
    selection = "MOD/BEN/CLOCK/TI-leap"

    def __init__(self) -> None:
        super().__init__()
        self._held: list[Record] = []

    def says(self, record: Record) -> Iterable[Record]:
        if self.leaping and record.kind == RecordKind.PACKET:
            self._held.append(record)
            return
        held, self._held = self._held, []
        yield from (record, *held)


class StampsLate(OfRecords):
    """Stamps what was due in a leap with the end of it."""

    causes = ("R-BEN-033", "R-LNK-003")
    selection = "MOD/BEN/CLOCK/TI-due"

    def says(self, record: Record) -> Iterable[Record]:
        packet = self.leaping and record.kind == RecordKind.PACKET
        return (structs.replace(record, time=self.until) if packet else record,)


class OutOfOrder(OfRecords):
    """Stamps its last packet of a leap with a time before all the others'."""

    causes = ("R-BEN-034",)
    selection = "MOD/BEN/CLOCK/TI-leap"
    _last: Record | None = None

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.PACKET:
            self._last = record
        elif record.kind == RecordKind.CLOCK and self.leaping and self._last is not None:
            yield structs.replace(self._last, time=self._last.time - 1)
        yield record


class SpeaksOutOfTime(OfRecords):
    """Says once more, when it has carried out an operation, what it said last."""

    causes = ("R-BEN-035",)
    selection = "MOD/BEN/LANE/BV-down"
    _last: Record | None = None

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.PACKET:
            self._last = record
        yield record
        if record.kind == RecordKind.CONTROL and self._last is not None:
            yield structs.replace(self._last, time=self.until)


class GoesBack(OfRecords):
    """Says that it is as early as it was told."""

    causes = ("R-BEN-036",)
    selection = "MOD/BEN/CLOCK/BI-backwards"
    _told = 0

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.CLOCK:
            self._told = decode_layout("ClockSet", record.payload).now
        return (record,)

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind != RecordKind.CLOCK:
            return (record,)
        return (carrying(record, structs.replace(decode_layout("ClockAnswer", record.payload), now=self._told)),)


class WantsToRunNow(OfRecords):
    """Wants to run next, after a leap, when it has just run."""

    causes = ("R-BEN-037",)
    selection = "MOD/BEN/CLOCK/TI-leap"

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind != RecordKind.CLOCK or not self.leaping:
            return (record,)
        return (carrying(record, ClockAnswer(self.until, self.until)),)


# ── Real time ────────────────────────────────────────────────────────────────────────────────────────


class ClockOfItsOwn(OfRecords):
    """Answers CLOCK records in real time."""

    causes = ("R-BEN-038",)
    selection = "MOD/BEN/CLOCK/BV-real"

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.CLOCK and self.bound.clocks == ClockMode.REAL:
            self.answer(RecordKind.CLOCK, ClockAnswer(1, 2))
        return (record,)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[OfRecords], ...]] = (
    TimeFirst, Overshoots, AnswersTooSoon, StampsLate, OutOfOrder, SpeaksOutOfTime, GoesBack, WantsToRunNow,
    ClockOfItsOwn,
)  # fmt: skip
