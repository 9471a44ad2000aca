"""A session of the implementation's side, taken apart: an endpoint that takes notes, and the records both ways.

Plan: the endpoint · the wire · making records and reading them.
"""

from typing import Any

from msgspec import Struct

from opalink.protocol.packets.bodies import (
    Bind,
    ClockAnswer,
    ClockSet,
    ControlRequest,
    ControlResult,
    decode_ClockAnswer,
    decode_ControlResult,
    encode_Bind,
    encode_ClockSet,
    encode_ControlRequest,
)
from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.packets.enums import ClockMode, Lane, OperationTag, Outcome, Plane, RecordKind, ResetKind
from opalink.protocol.packets.tlvs import AttachOperation
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Session
from opalink.protocol.transport.framing import RecordReader
from opalink.spec.form import Role

OFFERED = sum(
    1 << tag
    for tag in (
        OperationTag.ATTACH,
        OperationTag.DETACH,
        OperationTag.LANE_DOWN,
        OperationTag.LANE_UP,
        OperationTag.RESET,
        OperationTag.TEMPERATURE,
    )
)

# ── An endpoint that takes notes ─────────────────────────────────────────────────────────────────────


class Leaving(Struct):
    time: int
    lane: Lane
    data: bytes


class Notes:
    """Writes down what is done to it. What it receives it sends back after `delay`; its timers send their time."""

    role = Role.MODULE
    name = "notes"
    operations = OFFERED

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.out: list[Leaving] = []
        self.timers: list[int] = []
        self.delay = 0
        self.outcome = Outcome.DONE

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        self.seen.append(("receive", lane, data, now))
        self.out.append(Leaving(now + self.delay, lane, data))

    def advance(self, now: int) -> None:
        self.seen.append(("advance", now))
        while self.timers and self.timers[0] <= now:
            self.out.append(Leaving(self.timers.pop(0), Lane.LASER, b"timer"))

    def deadline(self) -> int | None:
        return self.timers[0] if self.timers else None

    def outbox(self) -> list[Leaving]:
        out, self.out = self.out, []
        return out

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self.seen.append(("operate", operation.tag, now))
        return self.outcome, ()

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self.seen.append(("reset", kind, seed, now))


class Wire:
    """A session with what it sends taken apart again."""

    def __init__(self, endpoint: Any = None) -> None:
        self.endpoint = endpoint or Notes()
        self.listening = True
        self.real = 0
        self.sent: list[Record] = []
        self._reader = RecordReader()
        self.session = Session(self.endpoint, self, lambda: self.real)

    def send(self, data: bytes) -> None:
        self.sent += self._reader.feed(data)

    def alive(self) -> bool:
        return self.listening

    def tell(self, *records: Record) -> list[Record]:
        """What the session sends upon these records."""
        self.sent.clear()
        self.session.feed(b"".join(map(encode_Record, records)))
        return list(self.sent)

    def bound(self, clock: ClockMode = ClockMode.VIRTUAL, *, attached: bool = True) -> "Wire":
        self.tell(bind(clocks=clock))
        if attached:
            self.tell(control(OperationTag.ATTACH, AttachOperation()))
        self.endpoint.seen.clear()
        return self


def bind(**fields: Any) -> Record:
    body = Bind(**{"planes": Plane.PACKET, "clocks": ClockMode.VIRTUAL} | fields)
    return Record(RecordKind.BIND, payload=encode_Bind(body))


def control(tag: int, value: Any = b"", seq: int = 7) -> Record:
    return Record(RecordKind.CONTROL, payload=encode_ControlRequest(ControlRequest(seq, (Tlv(tag, value),))))


def clock(now: int) -> Record:
    return Record(RecordKind.CLOCK, payload=encode_ClockSet(ClockSet(now)))


def packet(data: bytes = b"data", lane: int = Lane.LASER) -> Record:
    return Record(RecordKind.PACKET, lane, timed=1, payload=data)


def reached(record: Record) -> ClockAnswer:
    assert record.kind is RecordKind.CLOCK
    return decode_ClockAnswer(record.payload, 0, len(record.payload))


def result(records: list[Record]) -> ControlResult:
    (record,) = records
    assert record.kind is RecordKind.CONTROL
    return decode_ControlResult(record.payload, 0, len(record.payload))
