"""Specimens that break the rules of the bench binding, one each: a reference module behind a channel that takes or
brings some records other than it should.

Those that break the rules of time are in `witnesses_bench_time`.

Plan: records that come and go · binding · records · lanes · operations · all.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.verdicts import Conclusion
from opalink.conformance.zoo.specimen import CRC, LENGTH, PAYLOAD, STATUS, TXN, TYPE, Specimen, is_response, load, put
from opalink.protocol.codec import DecodeError, Record, Status, Tlv, decode_layout, encode_layout, encode_record
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import (
    Bind,
    ClockAnswer,
    ControlResult,
    Lane,
    OperationTag,
    Outcome,
    PacketType,
    RecordKind,
    ResetKind,
)
from opalink.protocol.runtime import decode_tlvs
from opalink.protocol.transport import BindingError
from opalink.protocol.transport.framing import HEADER, RecordReader
from opalink.protocol.transport.local import LocalChannel
from opalink.spec.form import SECOND, Role

# ── Records that come and go ─────────────────────────────────────────────────────────────────────────


class OfRecords(LocalChannel):
    """A channel to the reference of a `side`, of this process: what is about whole records. `bound` is what the tester
    named last, `until` the time that it set, `leaping` whether it let a second pass at once."""

    causes: ClassVar[tuple[str, ...]] = ()
    conclusion: ClassVar[Conclusion] = Conclusion.NON_CONFORMANT
    plan: ClassVar[Plan] = Plan.CI
    selection: ClassVar[str] = ""
    inner: ClassVar[type[Module | Phone]] = Module
    side: ClassVar[Role] = Role.MODULE

    def __init__(self) -> None:
        super().__init__(self.inner)
        self.name, self.role = f"zoo: {type(self).__name__}", self.side
        self._readers = RecordReader(), RecordReader()
        self.bound = Bind()
        self.until = 0
        self.leaping = False

    def hears(self, record: Record) -> Iterable[Record]:
        """What of a record reaches the module."""
        return (record,)

    def says(self, record: Record) -> Iterable[Record]:
        """What becomes of a record of the module's."""
        return (record,)

    def answer(self, kind: RecordKind, value: object) -> None:
        """Answer in the module's stead."""
        self._inbox.send(encode_record(Record(kind, payload=encode_layout(type(value).__name__, value))))

    def records(self, data: bytes) -> Iterator[Record]:
        """The tester's records, as this peer finds them in what arrives."""
        return self._readers[0].feed(data)

    def send(self, data: bytes) -> None:
        if out := b"".join(encode_record(x) for record in self.records(data) for x in self._heard(record)):
            super().send(out)

    def receive(self, timeout: float | None) -> bytes | None:
        while data := super().receive(timeout):
            if out := b"".join(encode_record(x) for record in self._readers[1].feed(data) for x in self.says(record)):
                return out
        return data

    def _heard(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.BIND:
            self.bound, self.until, self.leaping = decode_layout("Bind", record.payload), 0, False
        elif record.kind == RecordKind.CLOCK:
            now = decode_layout("ClockSet", record.payload).now
            self.leaping = now >= self.until + SECOND
            self.until = max(now, self.until)
        return self.hears(record)


def carrying(record: Record, value: object) -> Record:
    """A record that carries another value."""
    return structs.replace(record, payload=encode_layout(type(value).__name__, value))


def _operations(record: Record) -> tuple[int, tuple[Tlv, ...]]:
    """Number and operations of a CONTROL record of the tester's; of one that is cut short, none."""
    seq = int.from_bytes(record.payload[:2], "little")
    try:
        return seq, decode_tlvs(record.payload, 2, len(record.payload), "operation", {})
    except DecodeError:
        return seq, ()


# ── Binding ──────────────────────────────────────────────────────────────────────────────────────────


class AnswersBindTwice(OfRecords):
    """Answers a BIND that follows another with two."""

    causes = ("R-BEN-001",)
    selection = "MOD/BEN/BIND/CA-answered"
    _before = 0  # BINDs in a row

    def hears(self, record: Record) -> Iterable[Record]:
        self._before = self._before + 1 if record.kind == RecordKind.BIND else 0
        return (record,)

    def says(self, record: Record) -> Iterable[Record]:
        return (record,) * (1 + (record.kind == RecordKind.BIND and self._before > 2))


class SpeaksFirst(OfRecords):
    """Answers a CLOCK record before anybody has bound it."""

    conclusion = Conclusion.TESTER_FAULT  # the connection is worth nothing
    causes = ("R-BEN-002",)
    selection = "MOD/BEN/BIND"

    def __init__(self) -> None:
        super().__init__()
        self.answer(RecordKind.CLOCK, ClockAnswer())


class NeverUnbound(OfRecords):
    """Carries out operations whatever BIND named last."""

    causes = ("R-BEN-003",)
    selection = "MOD/BEN/BIND/BI-two_planes"

    def hears(self, record: Record) -> Iterable[Record]:
        unbound = self.bound.planes.bit_count() != 1 or self.bound.clocks.bit_count() != 1
        if unbound and record.kind == RecordKind.CONTROL:
            self.answer(RecordKind.CONTROL, ControlResult(_operations(record)[0]))
        return (record,)


class WarmStart(Specimen):
    """Remembers its session over BIND, and resumes it."""

    causes = ("R-BEN-004",)
    selection = "MOD/BEN/BIND/BV-cold"
    plan = Plan.CI

    def __init__(self) -> None:
        super().__init__()
        self._opened = self._kept = b""  # what HELLO was answered, in this binding and in the last

    def says(self, d: Departure) -> Iterable[Departure]:
        if not is_response(d.data) or d.data[TYPE] != PacketType.HELLO:
            return (d,)
        if d.data[STATUS] == Status.NEEDS_SESSION and self._kept:
            return (structs.replace(d, data=load(put(d.data, STATUS, b"\0"), self._kept)),)
        self._opened = d.data[PAYLOAD:CRC]
        return (d,)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._opened, self._kept = b"", self._opened
        super().reset(kind, seed, now)


# ── Records ──────────────────────────────────────────────────────────────────────────────────────────


class StaysOpen(OfRecords):
    """Passes over a record above the limit and goes on."""

    causes = ("R-BEN-005",)
    selection = "MOD/BEN/RECORD/RB-over_limit"

    def records(self, data: bytes) -> Iterator[Record]:
        try:
            yield from super().records(data)
        except BindingError:
            self._readers = RecordReader(), self._readers[1]
            yield from self.records(data[HEADER:])


class TakesAnyKind(OfRecords):
    """Takes a record of an unknown kind for a packet."""

    causes = ("R-BEN-006",)
    selection = "MOD/BEN/RECORD/RB-unknown_kind"

    def hears(self, record: Record) -> Iterable[Record]:
        known = record.kind in set(RecordKind)
        return (record if known else structs.replace(record, kind=RecordKind.PACKET, lane=Lane.SIDEBAND),)


class TakesAnyPlane(OfRecords):
    """Takes a FLIT record for a packet on the packet plane."""

    causes = ("R-BEN-007", "R-WIRE-009")
    selection = "MOD/BEN/RECORD/RB-other_plane"

    def hears(self, record: Record) -> Iterable[Record]:
        return (structs.replace(record, kind=RecordKind.PACKET) if record.kind == RecordKind.FLIT else record,)


class TakesWhatIsWhole(Specimen):
    """Takes as much of a record as its packet is long."""

    causes = ("R-BEN-008",)
    selection = "MOD/MGT/STATE_GET/RB-g.tail"
    plan = Plan.CI

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return data[: PAYLOAD + int.from_bytes(data[LENGTH:TXN], "little") - CRC]


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────


class OfLanes(OfRecords):
    """Knows which lanes are down by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.down: set[int] = set()

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.BIND:
            self.down.clear()
        elif record.kind == RecordKind.CONTROL:
            for tlv in _operations(record)[1]:
                if tlv.tag == OperationTag.LANE_DOWN:
                    self.down.add(tlv.value[0])
                elif tlv.tag == OperationTag.LANE_UP:
                    self.down.discard(tlv.value[0])
        return (record,)


class HearsDownLanes(OfLanes):
    """Takes what comes on the sideband while that is down, and answers by light."""

    causes = ("R-BEN-009",)
    selection = "MOD/BEN/LANE/BV-down"

    def hears(self, record: Record) -> Iterable[Record]:
        for r in super().hears(record):
            lost = r.kind == RecordKind.PACKET and r.lane in self.down
            yield structs.replace(r, lane=Lane.LASER) if lost else r


class SpeaksOnDownLanes(OfLanes):
    """Says on a lane that is down what it last said there."""

    causes = ("R-BEN-010",)
    selection = "MOD/BEN/LANE/BV-down"

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[int, Record] = {}

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.PACKET:
            self._last[record.lane] = record
        elif record.kind == RecordKind.CLOCK:
            yield from (structs.replace(self._last[x], time=self.until) for x in self.down if x in self._last)
        yield record


# ── Operations ───────────────────────────────────────────────────────────────────────────────────────


class OtherNumber(OfRecords):
    """Answers the operation `version` under the next number."""

    causes = ("R-BEN-020",)
    selection = "MOD/BEN/CONTROL/CA-offered"
    _wrong = False

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.CONTROL:
            self._wrong = any(tlv.tag == OperationTag.VERSION for tlv in _operations(record)[1])
        return (record,)

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind != RecordKind.CONTROL or not self._wrong:
            return (record,)
        result = decode_layout("ControlResult", record.payload)
        return (carrying(record, structs.replace(result, seq=result.seq + 1)),)


class InItsStead(OfRecords):
    """Answers some CONTROL records itself, and changes nothing."""

    outcome: ClassVar[Outcome]

    def minds(self, operations: tuple[Tlv, ...]) -> bool:
        raise NotImplementedError

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.CONTROL:
            seq, operations = _operations(record)
            if self.minds(operations):
                self.answer(RecordKind.CONTROL, ControlResult(seq, self.outcome))
                return ()
        return (record,)


class DoneWithNothing(InItsStead):
    """Says that it has done what no operation or several asked for."""

    causes = ("R-BEN-021",)
    selection = "MOD/BEN/CONTROL/BI-not_one"
    outcome = Outcome.DONE

    def minds(self, operations: tuple[Tlv, ...]) -> bool:
        return len(operations) != 1


class FailsWhatItHasNot(InItsStead):
    """Says of operations that nobody knows that they have failed."""

    causes = ("R-BEN-022",)
    selection = "MOD/BEN/CONTROL/NP-not_offered"
    outcome = Outcome.FAILED

    def minds(self, operations: tuple[Tlv, ...]) -> bool:
        return len(operations) == 1 and operations[0].tag not in set(OperationTag)


class NamesWhatItHasNot(Specimen):
    """Names the operation `ring` in its BIND and answers that it has none."""

    causes = ("R-BEN-023",)
    selection = "MOD/BEN/CONTROL/CA-offered"
    plan = Plan.CI

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if operation.tag == OperationTag.RING:
            return Outcome.UNSUPPORTED, ()
        return super().operate(operation, now)


class HalfDone(OfRecords):
    """Carries out the first of several operations and says that it has failed."""

    causes = ("R-BEN-024",)
    selection = "MOD/BEN/CONTROL/BI-not_one"
    _half = False

    def hears(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.CONTROL:
            _, operations = _operations(record)
            self._half = len(operations) > 1
            if self._half:
                end = 6 + len(operations[0].value)  # behind the number and the first TLV
                return (structs.replace(record, payload=record.payload[:end]),)
        return (record,)

    def says(self, record: Record) -> Iterable[Record]:
        if record.kind == RecordKind.CONTROL and self._half:
            seq = int.from_bytes(record.payload[:2], "little")
            return (carrying(record, ControlResult(seq, Outcome.FAILED)),)
        return (record,)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen | OfRecords], ...]] = (
    AnswersBindTwice, SpeaksFirst, NeverUnbound, WarmStart, StaysOpen, TakesAnyKind, TakesAnyPlane, TakesWhatIsWhole,
    HearsDownLanes, SpeaksOnDownLanes, OtherNumber, DoneWithNothing, FailsWhatItHasNot, NamesWhatItHasNot, HalfDone,
)  # fmt: skip
