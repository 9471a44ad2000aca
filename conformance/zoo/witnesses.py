"""Specimens that break the wire rules, one each: those of what a side says, and of what it takes. With those of the
other chapters they are the witnesses that the rules can be seen broken.

Plan: mouths · ears · all.
"""

from collections.abc import Iterable
from random import Random
from typing import ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo import witnesses_chapters
from opalink.conformance.zoo.specimen import (
    CHANNEL,
    CRC,
    LENGTH,
    PAYLOAD,
    RSP,
    SPARE,
    STATUS,
    TIME,
    TXN,
    TYPE,
    Altered,
    Refusing,
    Specimen,
    decoded,
    is_request,
    is_response,
    load,
    put,
    refuse,
    sealed,
    success,
    txn_of,
)  # fmt: skip
from opalink.protocol import codec
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import UNKNOWN_TAG
from opalink.protocol.packets import KeepaliveResponse, Lane, PacketType, ResetKind
from opalink.spec.form import MS

# ── Mouths ───────────────────────────────────────────────────────────────────────────────────────────


class Mute(Altered):
    """Says nothing."""

    causes = ("R-LNK-003",)

    def alter(self, data: bytes) -> bytes | None:  # noqa: ARG002
        return None


class Echo(Specimen):
    """Sends back whatever it hears, and nothing else."""

    causes = ("R-LNK-003",)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        self.extra.append(Departure(self.now, lane, data))
        return None

    def says(self, d: Departure) -> Iterable[Departure]:  # noqa: ARG002
        return ()


class AlwaysOk(Altered):
    """Answers OK to whatever it is asked."""

    causes = ("R-WIRE-005", "R-WIRE-007", "R-MGT-002")

    def alter(self, data: bytes) -> bytes:
        if is_response(data) and data[STATUS] != Status.OK:
            return load(put(data, STATUS, b"\0"), success(data[TYPE]))
        return data


class AlwaysNo(Altered):
    """Refuses whatever it is asked."""

    causes = ("R-MGT-003",)

    def alter(self, data: bytes) -> bytes:
        return refuse(data, Status.BAD_STATE) if is_response(data) else data


class Unwilling(Altered):
    """Refuses whatever it is asked in a session, but what tells others what it is."""

    causes = ("R-WIRE-020", "KEEPALIVE.answer", "COUNTERS_GET.answer")
    open: ClassVar = {PacketType.HELLO, PacketType.DESC_READ, PacketType.STATE_GET}

    def alter(self, data: bytes) -> bytes:
        return refuse(data, Status.BAD_VALUE) if is_response(data) and data[TYPE] not in self.open else data


class Gibberish(Altered):
    """Answers with random payloads."""

    causes = ("R-WIRE-024",)

    def alter(self, data: bytes) -> bytes:
        draw = Random(data)
        return load(data, draw.randbytes(draw.randrange(1, 64))) if is_response(data) else data


class BigEndian(Altered):
    """Sends the numbers of the header with their bytes the wrong way round."""

    causes = ("R-WIRE-024",)

    def alter(self, data: bytes) -> bytes:
        numbers = (data[a:b][::-1] for a, b in ((LENGTH, TXN), (TXN, TIME), (TIME, PAYLOAD)))
        return put(data, LENGTH, b"".join(numbers))


class Late(Specimen):
    """Answers just after the time it has, which it does not say."""

    causes = ("R-WIRE-023", "R-MGT-048")

    def says(self, d: Departure) -> Iterable[Departure]:
        late = (catalogue().timer["tResponse"].max or 0) + MS
        return (structs.replace(d, time=d.time + late) if is_response(d.data) else d,)


class LongWinded(Altered):
    """Ends every response with a byte too much."""

    causes = ("R-WIRE-024",)

    def alter(self, data: bytes) -> bytes:
        return load(data, data[PAYLOAD:CRC] + b"\0") if is_response(data) else data


class Abrupt(Altered):
    """Leaves the last byte of every response's payload out."""

    causes = ("R-WIRE-024",)

    def alter(self, data: bytes) -> bytes:
        return load(data, data[PAYLOAD:CRC][:-1]) if is_response(data) else data


class Damaged(Altered):
    """Sends every response with a wrong CRC."""

    causes = ("R-WIRE-024",)

    def alter(self, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if is_response(data) else data


class OtherTransaction(Altered):
    """Answers with the next transaction number."""

    causes = ("R-WIRE-009",)

    def alter(self, data: bytes) -> bytes:
        return put(data, TXN, (txn_of(data) % 0xFFFF + 1).to_bytes(2, "little")) if is_response(data) else data


class OtherType(Altered):
    """Answers COUNTERS_GET as if it had been asked for something else."""

    causes = ("R-WIRE-010",)

    def alter(self, data: bytes) -> bytes:
        wrong = is_response(data) and data[TYPE] == PacketType.COUNTERS_GET
        return put(data, TYPE, bytes([PacketType.STATE_GET])) if wrong else data


class OtherAnswer(Altered):
    """Answers STATE_GET as if it had been asked whether it lives."""

    causes = ("R-WIRE-010",)
    selection = "MOD/WIRE/ORDER"

    def alter(self, data: bytes) -> bytes:
        if not is_response(data) or data[TYPE] != PacketType.STATE_GET:
            return data
        answer = codec.decode(data)
        return codec.encode(structs.replace(answer, type=PacketType.KEEPALIVE, body=KeepaliveResponse()))


class OtherChannel(Altered):
    """Sends its events on the channel of bulk data."""

    causes = ("R-WIRE-011",)

    def alter(self, data: bytes) -> bytes:
        return put(data, CHANNEL, b"\xc0") if not is_response(data) and not txn_of(data) else data


class ReservedSet(Altered):
    """Sends a reserved bit of the header as 1."""

    causes = ("R-WIRE-013",)

    def alter(self, data: bytes) -> bytes:
        return put(data, 0, bytes([data[0] | 1]))


class StatusInEvents(Altered):
    """Gives its events a status."""

    causes = ("R-WIRE-016",)

    def alter(self, data: bytes) -> bytes:
        return data if is_response(data) else put(data, STATUS, bytes([Status.BUSY]))


class NumberedEvents(Altered):
    """Gives its events a transaction number."""

    causes = ("R-WIRE-017",)

    def alter(self, data: bytes) -> bytes:
        return data if is_response(data) or data[TYPE] == PacketType.KEEPALIVE else put(data, TXN, b"\x07\0")


class Unspecific(Altered):
    """Gives no reason for a refusal."""

    causes = ("R-WIRE-019",)

    def alter(self, data: bytes) -> bytes:
        refused = is_response(data) and data[STATUS] not in (Status.OK, Status.ADJUSTED)
        return put(data, STATUS, bytes([Status.UNSPECIFIED])) if refused else data


class Outlandish(Altered):
    """Refuses with a status that has nothing to do with what was asked."""

    causes = ("R-WIRE-022",)

    def alter(self, data: bytes) -> bytes:
        wrong = is_response(data) and data[STATUS] == Status.BAD_VALUE
        return put(data, STATUS, bytes([Status.FW_ROLLBACK])) if wrong else data


# ── Ears ─────────────────────────────────────────────────────────────────────────────────────────────


class AnswersEvents(Specimen):
    """Answers events too."""

    causes = ("R-WIRE-003",)
    plan = Plan.CI
    selection = "R-WIRE-003"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        if len(data) > PAYLOAD and not is_response(data) and not txn_of(data):
            answer = load(put(data, 0, bytes([data[0] | RSP])), success(data[TYPE]))
            self.extra.append(Departure(self.now, lane, answer))
        return data


class AnswersResponses(Specimen):
    """Answers responses that it did not ask for."""

    causes = ("R-WIRE-004",)
    plan = Plan.CI
    selection = "R-WIRE-004"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        if len(data) > PAYLOAD and is_response(data):
            self.extra.append(Departure(self.now, lane, data))
        return data


class IgnoresCrc(Specimen):
    """Takes packets whose CRC is wrong."""

    causes = ("R-WIRE-001",)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return sealed(data[:CRC]) if len(data) > PAYLOAD else data


class CountsNothing(Specimen):
    """Drops packets whose CRC is wrong without counting them."""

    causes = ("R-WIRE-002",)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return data if sealed(data[:CRC]) == data else None


class AnyVersion(Specimen):
    """Takes packets of every major version."""

    causes = ("R-WIRE-007",)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        whole = sealed(data[:CRC]) == data
        return put(data, 0, bytes([0x10 | data[0] & 0x0F])) if whole else data


class ActsTwice(Specimen):
    """Takes a repeated transaction for another one."""

    causes = ("R-WIRE-008",)

    def __init__(self) -> None:
        super().__init__()
        self._given: dict[int, int] = {}

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        if not is_request(data):
            return data
        number = len(self._given) + 1
        self._given[number] = txn_of(data)
        return put(data, TXN, number.to_bytes(2, "little"))

    def says(self, d: Departure) -> Iterable[Departure]:
        if not is_response(d.data):
            return (d,)
        return (structs.replace(d, data=put(d.data, TXN, self._given[txn_of(d.data)].to_bytes(2, "little"))),)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._given.clear()
        super().reset(kind, seed, now)


class AnyChannel(Specimen):
    """Takes requests on whatever channel they come."""

    causes = ("R-WIRE-012",)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        declared = catalogue().by_code.get(data[TYPE]) if is_request(data) else None
        if declared is None:
            return data
        vc = catalogue().channel[declared.channel].value
        return put(data, CHANNEL, bytes([vc << 4 | data[CHANNEL] & 0x0F]))


class AnyPosition(Specimen):
    """Answers for the whole stack."""

    causes = ("R-WIRE-018",)
    plan = Plan.CI
    selection = "R-WIRE-018"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return put(data, CHANNEL, bytes([data[CHANNEL] & 0xF0])) if is_request(data) else data


class MindsReserved(Refusing):
    """Refuses requests with reserved bits of the header set."""

    causes = ("R-WIRE-014",)
    plan = Plan.CI
    selection = "R-WIRE-014"

    def minds(self, data: bytes) -> bool:
        return bool(data[0] & SPARE)


class MindsTlvs(Refusing):
    """Refuses requests with TLVs that it does not know."""

    causes = ("R-WIRE-015",)
    plan = Plan.CI
    selection = "R-WIRE-015"
    status = Status.BAD_LENGTH

    def minds(self, data: bytes) -> bool:
        packet = decoded(data)
        return any(t.tag == UNKNOWN_TAG for t in getattr(packet and packet.body, "extensions", ()))


class Fussy(Refusing):
    """Refuses legal requests that have all bits of a number set."""

    causes = ("R-WIRE-020",)
    plan = Plan.CI
    selection = "R-WIRE-020"

    def minds(self, data: bytes) -> bool:
        return data[TYPE] != PacketType.HELLO and decoded(data) is not None and b"\xff\xff" in data[PAYLOAD:CRC]


class DeafToStrangers(Specimen):
    """Does not answer requests of types that it does not know."""

    causes = ("R-WIRE-005",)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return data if len(data) <= PAYLOAD or data[TYPE] in catalogue().by_code else None


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    Mute, Echo, AlwaysOk, AlwaysNo, Unwilling, Gibberish, BigEndian, Late, LongWinded, Abrupt, Damaged,
    OtherTransaction, OtherType, OtherAnswer, OtherChannel, ReservedSet, StatusInEvents, NumberedEvents, Unspecific,
    Outlandish, AnswersEvents, AnswersResponses, IgnoresCrc, CountsNothing, AnyVersion, ActsTwice,
    AnyChannel, AnyPosition, MindsReserved, MindsTlvs, Fussy, DeafToStrangers, *witnesses_chapters.ALL,
)  # fmt: skip
