"""Specimens that break the rules of single chapters, one each, and those of which way a packet goes.

Plan: ways and lanes · answers · sessions · frames · time and silence · all.
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import (
    CRC,
    MORE,
    PAYLOAD,
    STATUS,
    TIME,
    TYPE,
    Altered,
    Specimen,
    decoded,
    is_request,
    is_response,
    load,
    put,
    success,
    txn_of,
)
from opalink.protocol import codec
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    BlockFlags,
    BufferStatus,
    Eject,
    EjectPhase,
    FrameBlock,
    FrameFetch,
    FrameFlags,
    FrameLeader,
    FrameRelease,
    HelloResponse,
    Lane,
    PacketType,
    Pending,
    TrustPolicy,
)
from opalink.spec.form import MS, SECOND, Role

# ── Ways and lanes ───────────────────────────────────────────────────────────────────────────────────


def _lanes(data: bytes) -> tuple[str, ...]:
    declared = catalogue().by_code.get(data[TYPE])
    return declared.lanes if declared else ()


class Usurper(Specimen):
    """Says what only a phone says."""

    causes = ("R-WIRE-030",)
    selection = "ATT/HELLO"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        if is_request(data) and data[TYPE] == PacketType.HELLO:
            self.extra.append(Departure(self.now, lane, codec.encode(codec.event(TrustPolicy(), t_ns=self.now))))
        return data


class Misplacing(Specimen):
    """Sends what belongs on the laser over the contacts."""

    causes = ("R-WIRE-031",)
    selection = "R-TIM-005"

    def says(self, d: Departure) -> Iterable[Departure]:
        astray = not is_response(d.data) and _lanes(d.data) == ("laser",)
        return (structs.replace(d, lane=Lane.SIDEBAND) if astray else d,)


class Fragmenting(Altered):
    """Announces that its events go on in another packet."""

    causes = ("R-WIRE-032",)
    selection = "ATT/SESSION"

    def alter(self, data: bytes) -> bytes:
        return data if is_response(data) or txn_of(data) else put(data, 0, bytes([data[0] | MORE]))


class TakesFragments(Specimen):
    """Takes a part of a payload for the whole."""

    causes = ("R-WIRE-033",)
    plan = Plan.CI
    selection = "R-WIRE-033"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return put(data, 0, bytes([data[0] & ~MORE & 0xFF])) if is_request(data) else data


class AnyLane(Specimen):
    """Takes requests on whatever lane they come."""

    causes = ("R-WIRE-028",)
    selection = "R-WIRE-028"

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        lanes = _lanes(data) if is_request(data) else ()
        super().receive(Lane[lanes[0].upper()] if len(lanes) == 1 else lane, data, now)


class Impressed(Specimen):
    """Prepares to be taken off when it hears what only a module says."""

    causes = ("R-WIRE-029",)
    selection = "R-WIRE-029"
    _ejects: ClassVar = codec.encode(codec.request(Eject(phase=EjectPhase.PREPARE, grace=1), 0xFFFF))

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        declared = catalogue().by_code.get(data[TYPE]) if len(data) > STATUS else None
        if declared and declared.sender is Role.MODULE and not is_response(data) and not txn_of(data):
            self.inner.receive(Lane.SIDEBAND, self._ejects, self.now)
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        return () if is_response(d.data) and d.data[TYPE] == PacketType.EJECT else (d,)


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────


class Evasive(Altered):
    """Is busy whenever what it is asked for is not legal, not there or not to be set."""

    causes = (
        "R-WIRE-027", "R-CAP-023", "R-CAP-024", "R-CAP-025", "R-CAP-026", "R-FRM-031", "R-LEN-006",
    )  # fmt: skip
    selection = "CAP/ or FRM/FETCH or LEN/OWNER"
    evaded: ClassVar = (Status.BAD_STATE, Status.NO_SUCH_ID, Status.READ_ONLY)

    def alter(self, data: bytes) -> bytes:
        evades = is_response(data) and data[STATUS] in self.evaded
        return put(data, STATUS, bytes([Status.BUSY])) if evades else data


class Promising(Altered):
    """Promises blocks of frames that never were."""

    causes = ("R-FRM-032",)
    selection = "R-FRM-032"

    def alter(self, data: bytes) -> bytes:
        asked = is_response(data) and data[TYPE] == PacketType.BLOCK_NAK and data[STATUS] == Status.NO_SUCH_ID
        return load(put(data, STATUS, b"\0"), success(data[TYPE])) if asked else data


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────


class Replayer(Altered):
    """Answers each type of request as it did the first time."""

    causes = ("R-MGT-037",)

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[int, tuple[int, bytes]] = {}

    def alter(self, data: bytes) -> bytes:
        if not is_response(data):
            return data
        status, payload = self._first.setdefault(data[TYPE], (data[STATUS], data[PAYLOAD:CRC]))
        return load(put(data, STATUS, bytes([status])), payload)


class SameSession(Altered):
    """Gives every session the number 1."""

    causes = ("R-MGT-005",)

    def alter(self, data: bytes) -> bytes:
        packet = decoded(data)
        if packet is None or not isinstance(packet.body, HelloResponse):
            return data
        return codec.encode(structs.replace(packet, body=structs.replace(packet.body, session=1)))


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


class SaysNothingOfStills(Altered):
    """Holds stills and keeps that to itself."""

    causes = ("R-CAP-016",)
    selection = "R-CAP-016"

    def alter(self, data: bytes) -> bytes | None:
        return None if data[TYPE] == PacketType.BUFFER_STATUS else data


class Editing(Specimen):
    """Takes some requests for others."""

    def edit(self, body: object) -> object:
        raise NotImplementedError

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        packet = decoded(data) if is_request(data) else None
        if packet is None:
            return data
        return codec.encode(structs.replace(packet, body=self.edit(packet.body)))


class Forgetful(Editing):
    """Forgets a still once it was fetched, whatever it was told."""

    causes = ("R-FRM-023",)
    selection = "R-FRM-023"

    def edit(self, body: object) -> object:
        return structs.replace(body, keep=0) if isinstance(body, FrameFetch) else body


class YoungestFirst(Editing):
    """Sends another still than the oldest."""

    causes = ("R-FRM-022",)
    selection = "R-FRM-022"
    _oldest = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is not None and isinstance(packet.body, BufferStatus):
            self._oldest = packet.body.oldest
        return (d,)

    def edit(self, body: object) -> object:
        return (
            structs.replace(body, frame=self._oldest + 1) if isinstance(body, FrameFetch) and not body.frame else body
        )


class Headless(Altered):
    """Leaves the leaders of fetched stills out."""

    causes = ("R-FRM-030",)
    selection = "R-FRM-030"

    def alter(self, data: bytes) -> bytes | None:
        packet = decoded(data) if data[TYPE] == PacketType.FRAME_LEADER else None
        stored = packet is not None and isinstance(packet.body, FrameLeader) and packet.body.kind & FrameFlags.STORED
        return None if stored else data


class Premature(Specimen):
    """Sends the trailer of a frame before its last block."""

    causes = ("R-FRM-002",)
    selection = "CAP/STREAM"

    def says(self, d: Departure) -> Iterable[Departure]:
        last = _first_sent(d.data, BlockFlags.LAST)
        return (_later(d, MS) if last else d,)


class Shuffling(Specimen):
    """Sends every fourth block of a frame behind the one after it."""

    causes = ("R-FRM-008",)
    selection = "CAP/STREAM"

    def says(self, d: Departure) -> Iterable[Departure]:
        fourth = (
            _first_sent(d.data, BlockFlags(0)) and int.from_bytes(d.data[PAYLOAD + 4 : PAYLOAD + 8], "little") % 4 == 3
        )
        return (_later(d, MS) if fourth else d,)


def _first_sent(data: bytes, flags: BlockFlags) -> bool:
    """Whether these bytes are a block with these flags that nobody has asked for again."""
    packet = decoded(data) if data[TYPE] == PacketType.FRAME_BLOCK and not is_response(data) else None
    if packet is None or not isinstance(packet.body, FrameBlock) or packet.body.flags & BlockFlags.RESENT:
        return False
    return bool(packet.body.flags & flags) or not flags


def _later(d: Departure, delay: int) -> Departure:
    """A packet that leaves later, as its header says."""
    stamp = int.from_bytes(d.data[TIME:PAYLOAD], "little") + delay
    return structs.replace(d, time=d.time + delay, data=put(d.data, TIME, stamp.to_bytes(8, "little")))


class ReleasesWhatItCan(Editing):
    """Forgets those of the stills in FRAME_RELEASE that are there, and does not mind the others."""

    causes = ("R-FRM-025",)
    selection = "R-FRM-025"

    def edit(self, body: object) -> object:
        if not isinstance(body, FrameRelease):
            return body
        return structs.replace(body, stills=tuple(s for s in body.stills if s.frame < 1 << 32))


# ── Time and silence ─────────────────────────────────────────────────────────────────────────────────


class Dozing(Specimen):
    """Says nothing of its own accord in every second half of a second."""

    causes = ("R-MGT-050",)
    selection = "R-MGT-050"

    def says(self, d: Departure) -> Iterable[Departure]:
        asleep = not is_response(d.data) and d.time > SECOND and d.time % SECOND > SECOND // 2
        return () if asleep else (d,)


class Unhurried(Specimen):
    """Asks for the time once in a quarter of a second."""

    causes = ("R-TIM-025",)
    selection = "R-TIM-025"
    _last = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        if d.data[TYPE] != PacketType.TIME_SYNC or is_response(d.data):
            return (d,)
        if 0 < d.time - self._last < SECOND // 4:
            return ()
        self._last = d.time
        return (d,)


class SlowReader(Specimen):
    """Asks for patience when its descriptor is read, and needs it."""

    causes = ("R-MGT-049",)
    selection = "R-MGT-049"

    def says(self, d: Departure) -> Iterable[Departure]:
        if not is_response(d.data) or d.data[TYPE] != PacketType.DESC_READ:
            return (d,)
        pending = codec.encode(codec.event(Pending(txn=txn_of(d.data)), t_ns=d.time))
        return structs.replace(d, data=pending), structs.replace(d, time=d.time + 120 * MS)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    Usurper, Misplacing, Fragmenting, TakesFragments, AnyLane, Impressed, Evasive, Promising, Replayer, SameSession,
    SaysNothingOfStills, Forgetful, YoungestFirst, Headless, Premature, Shuffling, ReleasesWhatItCan, Dozing,
    Unhurried, SlowReader,
)  # fmt: skip
