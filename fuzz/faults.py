"""Twelve faults that a module may have, each of a kind that is met in practice.

Each breaks one requirement once one to six messages have led up to it: some by a single hostile packet, some by a
packet in the wrong state, some by what only repetition brings about. Each names the shortest case that shows it.

Plan: the fault · one message · two · three · four to six · all of them.
"""

from collections import Counter
from typing import ClassVar, Final

from msgspec import structs

from opalink.conformance.zoo.specimen import (
    STATUS,
    TXN,
    TYPE,
    decoded,
    is_request,
    is_response,
    load,
    put,
    refuse,
    success,
    txn_of,
)
from opalink.fuzz.case import Case, parse
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.ir.load import catalogue

# ── The fault ────────────────────────────────────────────────────────────────────────────────────────


class Fault:
    """What is wrong with a module. `hears` sees what comes and may crash or alter it, `says` alters what goes.
    `requirement` is the one that it breaks, or its key; `shortest` the steps of the shortest case that shows it."""

    requirement: ClassVar[str]
    shortest: ClassVar[str]

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()  # successful responses, by type

    def hears(self, data: bytes) -> bytes:
        return data

    def says(self, data: bytes) -> bytes:
        if is_response(data) and data[STATUS] in (Status.OK, Status.ADJUSTED):
            self.counts[data[TYPE]] += 1
        return self.alter(data)

    def alter(self, data: bytes) -> bytes:
        return data

    @classmethod
    def id_of(cls) -> str:
        """The requirement's ID."""
        known = catalogue().by_key.get(cls.requirement)
        return known.id if known else cls.requirement

    @classmethod
    def case(cls) -> Case:
        """The shortest case that shows it."""
        return parse(f"opalink-case 1\n{cls.shortest}\n")


# ── One message ──────────────────────────────────────────────────────────────────────────────────────


class ManyProperties(Fault):
    """Has room for 60 properties in a PROP_GET."""

    requirement = "R-WIRE-021"
    shortest = 'reach READY\nsend PROP_GET request {"wanted":[' + ",".join(['{"id":256}'] * 61) + "]}"

    def hears(self, data: bytes) -> bytes:
        if is_request(data) and data[TYPE] == PacketType.PROP_GET:
            packet = decoded(data)
            if packet is not None and len(packet.body.wanted) > 60:
                raise IndexError("no room for so many properties")
        return data


class AnyFocusMode(Fault):
    """Takes a mode of FOCUS_MOVE that it does not know for the first one."""

    requirement = "FOCUS_MOVE.request.mode.member"
    shortest = 'reach READY\nsend FOCUS_MOVE request {"mode":200}'

    def hears(self, data: bytes) -> bytes:
        packet = decoded(data) if is_request(data) and data[TYPE] == PacketType.FOCUS_MOVE else None
        if packet is None or isinstance(packet.body.mode, p.FocusMode):
            return data
        return codec.encode(structs.replace(packet, body=structs.replace(packet.body, mode=p.FocusMode(0))))


class EchoesReserved(Fault):
    """Returns the reserved bit of a request's header in the response."""

    requirement = "R-WIRE-013"
    shortest = "reach READY\nsend STATE_GET request spare0=1"

    def __init__(self) -> None:
        super().__init__()
        self._marked: set[int] = set()

    def hears(self, data: bytes) -> bytes:
        if is_request(data) and data[0] & 1:
            self._marked.add(txn_of(data))
        return data

    def alter(self, data: bytes) -> bytes:
        marked = is_response(data) and txn_of(data) in self._marked
        return put(data, 0, bytes([data[0] | 1])) if marked else data


# ── Two messages ─────────────────────────────────────────────────────────────────────────────────────


class Impatient(Fault):
    """Is busy when a TEST_PATTERN is repeated."""

    requirement = "R-WIRE-008"
    shortest = "reach READY\nsend TEST_PATTERN request\nagain 1"

    def __init__(self) -> None:
        super().__init__()
        self._given: set[int] = set()

    def alter(self, data: bytes) -> bytes:
        if not is_response(data) or data[TYPE] != PacketType.TEST_PATTERN:
            return data
        again = txn_of(data) in self._given
        self._given.add(txn_of(data))
        return refuse(data, Status.BUSY) if again and data[STATUS] == Status.OK else data


class BudgetUnlocks(Fault):
    """Forgets in which state it is for STREAM_CONTROL, once it has had a PWR_BUDGET."""

    requirement = "R-WIRE-027"
    shortest = 'reach READY\nsend PWR_BUDGET request {"max":15000}\nsend STREAM_CONTROL request'

    def alter(self, data: bytes) -> bytes:
        wrong = is_response(data) and data[TYPE] == PacketType.STREAM_CONTROL and data[STATUS] == Status.BAD_STATE
        if not wrong or not self.counts[PacketType.PWR_BUDGET]:
            return data
        return load(put(data, STATUS, b"\0"), success(data[TYPE]))


class AnswersAnswers(Fault):
    """Answers responses, once it has had a KEEPALIVE."""

    requirement = "R-WIRE-004"
    shortest = "reach READY\nsend KEEPALIVE request\nsend STATE_GET response"
    echoes: bytes = b""

    def hears(self, data: bytes) -> bytes:
        if len(data) > 16 and is_response(data) and decoded(data) and self.counts[PacketType.KEEPALIVE]:
            self.echoes = data
        return data


# ── Three messages ───────────────────────────────────────────────────────────────────────────────────


class Leaks(Fault):
    """Takes memory for every COUNTERS_GET that it never gives back, and has enough for two."""

    requirement = "R-WIRE-021"
    shortest = "reach READY" + "\nsend COUNTERS_GET request" * 3

    def hears(self, data: bytes) -> bytes:
        if is_request(data) and data[TYPE] == PacketType.COUNTERS_GET and self.counts[data[TYPE]] >= 2:
            raise MemoryError("the heap is full")
        return data


class LosesCount(Fault):
    """Once FOCUS_MOVE and OPTIC_SET have been heard, gives the response to PROP_SET another transaction number."""

    requirement = "R-WIRE-009"
    shortest = "reach READY\nsend FOCUS_MOVE request\nsend OPTIC_SET request\nsend PROP_SET request"

    def __init__(self) -> None:
        super().__init__()
        self._heard: set[int] = set()

    def hears(self, data: bytes) -> bytes:
        if is_request(data):
            self._heard.add(data[TYPE])
        return data

    def alter(self, data: bytes) -> bytes:
        both = self._heard.issuperset({PacketType.FOCUS_MOVE, PacketType.OPTIC_SET})
        if not both or not is_response(data) or data[TYPE] != PacketType.PROP_SET:
            return data
        return put(data, TXN, ((txn_of(data) + 0x4000) % 0xFFFF + 1).to_bytes(2, "little"))


# ── Four to six messages ─────────────────────────────────────────────────────────────────────────────


class SixControls(Fault):
    """Refuses the sixth STREAM_CONTROL that succeeds with a status of firmware updates."""

    requirement = "R-WIRE-022"
    shortest = "reach PAUSED" + "".join(f'\nsend STREAM_CONTROL request {{"mask":1,"op":{op}}}' for op in (3, 2, 3, 2))

    def alter(self, data: bytes) -> bytes:
        sixth = self.counts[PacketType.STREAM_CONTROL] >= 6
        if sixth and is_response(data) and data[TYPE] == PacketType.STREAM_CONTROL and data[STATUS] == Status.OK:
            return refuse(data, Status.FW_ROLLBACK)
        return data


class ForgetsType(Fault):
    """Answers the fifth TEST_PATTERN that succeeds as a FLUSH."""

    requirement = "R-WIRE-010"
    shortest = "reach READY" + "\nsend TEST_PATTERN request" * 5

    def alter(self, data: bytes) -> bytes:
        fifth = self.counts[PacketType.TEST_PATTERN] >= 5
        if fifth and is_response(data) and data[TYPE] == PacketType.TEST_PATTERN:
            return put(data, TYPE, bytes([PacketType.FLUSH]))
        return data


class Drifts(Fault):
    """Reports a position of the lens beyond its limits after the fifth FOCUS_MOVE."""

    requirement = "R-LEN-012"
    shortest = "reach READY" + "\nsend FOCUS_MOVE request" * 5 + "\ndelay 100000000"

    def __init__(self) -> None:
        super().__init__()
        self._moves = 0

    def hears(self, data: bytes) -> bytes:
        self._moves += is_request(data) and data[TYPE] == PacketType.FOCUS_MOVE
        return data

    def alter(self, data: bytes) -> bytes:
        if self._moves < 5 or data[TYPE] != PacketType.FOCUS_STATE:
            return data
        packet = decoded(data)
        if packet is None or not isinstance(packet.body, p.FocusState):
            return data
        beyond = structs.replace(packet.body, position=packet.body.near_limit + 1)
        return codec.encode(structs.replace(packet, body=beyond))


class Offended(Fault):
    """Gives no reason for its refusals from the sixth BAD_VALUE on."""

    requirement = "R-WIRE-019"
    shortest = "reach READY" + "\nsend PROP_GET request payload=00" * 6

    def __init__(self) -> None:
        super().__init__()
        self._refusals = 0

    def alter(self, data: bytes) -> bytes:
        if not is_response(data) or data[STATUS] != Status.BAD_VALUE:
            return data
        self._refusals += 1
        return put(data, STATUS, bytes([Status.UNSPECIFIED])) if self._refusals >= 6 else data


# ── All of them ──────────────────────────────────────────────────────────────────────────────────────

FAULTS: Final[tuple[type[Fault], ...]] = (
    ManyProperties, AnyFocusMode, EchoesReserved, Impatient, BudgetUnlocks, AnswersAnswers, Leaks, LosesCount,
    SixControls, ForgetsType, Drifts, Offended,
)  # fmt: skip
