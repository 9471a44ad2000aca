"""Specimens that break the rules of the link, of its counters, of what is stored of a session, and the order in which
packets are checked, one each.

Plan: beacons and counters · credits · what is stored · the wire · all.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import (
    CRC,
    PAYLOAD,
    STATUS,
    TYPE,
    VERSION,
    Altered,
    Refusing,
    Specimen,
    decoded,
    is_request,
    is_response,
    load,
    put,
    txn_of,
)
from opalink.conformance.zoo.witness import answering, hearing, saying
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.probes import UNKNOWN_TAG
from opalink.protocol.packets import CounterId, DeviceRole, Lane, PacketType, ResetKind

_count = count(1)

# ── Beacons and counters ─────────────────────────────────────────────────────────────────────────────


class BeaconOfLater(Altered):
    """Sends BEACON under major version 2."""

    causes = ("R-LNK-001", "R-WIRE-024")
    selection = "MOD/LNK/COUNTERS/CA-kept"
    plan = Plan.CI

    def alter(self, data: bytes) -> bytes:
        beacon = data[TYPE] == PacketType.BEACON
        return put(data, VERSION, bytes([0x20 | data[VERSION] & 0x0F])) if beacon else data


def _counting(counter: int, change: Callable[[int], int]) -> Callable[[Any], Any]:
    """One counter with another count."""

    def changed(body: Any) -> Any:
        counters = (structs.replace(c, count=change(c.count)) if c.id == counter else c for c in body.counters)
        return structs.replace(body, counters=tuple(counters))

    return changed


def _without(body: p.CountersGetResponse) -> p.CountersGetResponse:
    return structs.replace(body, counters=tuple(c for c in body.counters if c.id != CounterId.BAD_CRC))


_LINK: Final = (
    hearing(
        "OneVersion", "Passes over BEACONs of other versions.", "R-LNK-002", "MOD/ATT/BEACON/BV-other_versions",
        p.Beacon, lambda b: b if b.major == 1 else None,
    ),
    saying(
        "Impostor", "Says in its BEACON that it is a phone.", "R-LNK-005", "MOD/ATT/BEACON/TI-first",
        p.Beacon, lambda b: structs.replace(b, role=DeviceRole.PHONE),
    ),
    saying(
        "CountsReads", "Counts a bad value whenever its counters are read.", "R-LNK-010", "MOD/LNK/COUNTERS/BV-read",
        p.CountersGetResponse, _counting(CounterId.BAD_VALUE, lambda n: n + next(_count)),
    ),
    saying(
        "OneEpoch", "Counts anew under the same epoch.", "R-LNK-011 R-LNK-012", "MOD/LNK/COUNTERS/BV-epoch",
        p.CountersGetResponse, lambda b: structs.replace(b, epoch=1),
    ),
    saying(
        "CountsDown", "Counts bad values downwards.", "R-LNK-012", "MOD/LNK/COUNTERS/BV-counted",
        p.CountersGetResponse, _counting(CounterId.BAD_CRC, lambda n: (1 << 30) + n - next(_count)),
    ),
    saying(
        "CountersTwice", "Reports its last counter twice.", "R-LNK-013", "MOD/LNK/COUNTERS/CA-kept",
        p.CountersGetResponse, lambda b: structs.replace(b, counters=(*b.counters, b.counters[-1])),
    ),
    saying(
        "NoCrcCounter", "Has no counter of wrong CRCs.", "R-LNK-014", "MOD/LNK/COUNTERS/CA-kept",
        p.CountersGetResponse, _without,
    ),
)  # fmt: skip

# ── Credits ──────────────────────────────────────────────────────────────────────────────────────────


def _granting(**changes: int) -> Callable[[Any], Any]:
    """Channels that are granted otherwise."""
    return lambda b: structs.replace(b, channels=tuple(structs.replace(c, **changes) for c in b.channels))


_CREDITS: Final = (
    saying(
        "Stingy", "Grants one FLIT of credit on each channel.", "R-LNK-015 R-FLT-042", "MOD/FLT/EPOCH/CA-parameters",
        p.LinkParamsResponse, _granting(credits=1),
    ),
    saying(
        "Narrow", "Takes payloads of 16 bytes.", "R-LNK-016", "MOD/FLT/EPOCH/CA-parameters",
        p.LinkParamsResponse, _granting(mtu=16),
    ),
)  # fmt: skip

# ── What is stored ───────────────────────────────────────────────────────────────────────────────────


class ShortMemory(Specimen):
    """Keeps its last response alone: it answers no earlier request twice."""

    causes = ("R-ATT-013",)
    selection = "MOD/ATT/STORED/CA-last"
    plan = Plan.CI

    def __init__(self) -> None:
        super().__init__()
        self._answered: list[bytes] = []

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        if not is_request(data):
            return data
        if data in self._answered[:-1]:
            return None
        self._answered.append(data)
        return data

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._answered.clear()
        super().reset(kind, seed, now)


class StoresRefusals(Specimen):
    """Takes whatever comes under a number that it has answered with BAD_VERSION for the same request."""

    causes = ("R-ATT-014",)
    selection = "MOD/ATT/STORED/BI-version"
    plan = Plan.CI

    def __init__(self) -> None:
        super().__init__()
        self._refused: dict[int, bytes] = {}

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        stored = self._refused.get(txn_of(data)) if is_request(data) else None
        if stored is None:
            return data
        self.extra.append(Departure(self.now, lane, stored))
        return None

    def says(self, d: Departure) -> Iterable[Departure]:
        if is_response(d.data) and d.data[STATUS] == Status.BAD_VERSION:
            self._refused[txn_of(d.data)] = d.data
        return (d,)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._refused.clear()
        super().reset(kind, seed, now)


# ── The wire ─────────────────────────────────────────────────────────────────────────────────────────

_WIRE: Final = (
    answering(
        "MistakesDirection", "Takes a request that only it sends for one with a wrong value.", "R-WIRE-006",
        "MOD/TIM/TIME_SYNC/BI-g.direction", PacketType.TIME_SYNC, Status.BAD_VALUE, Status.NOT_SUPPORTED,
    ),
)  # fmt: skip


class MembersFirst(Refusing):
    """Looks at the members of EJECT before it knows that all of it is there."""

    causes = ("R-WIRE-025",)
    selection = "MOD/WIRE/ORDER/BI-field_member"
    plan = Plan.CI

    def minds(self, data: bytes) -> bool:
        return data[TYPE] == PacketType.EJECT and data[PAYLOAD:CRC][:1] > b"\x7f"


class TooLong(Altered):
    """Ends its response to COUNTERS_GET in a TLV of a later version that makes it longer than its channel carries."""

    causes = ("R-WIRE-026",)
    selection = "MOD/LNK/COUNTERS/CA-kept"
    plan = Plan.CI
    size: ClassVar = 4096

    def alter(self, data: bytes) -> bytes:
        if not is_response(data) or data[TYPE] != PacketType.COUNTERS_GET:
            return data
        tlv = UNKNOWN_TAG.to_bytes(2, "little") + self.size.to_bytes(2, "little") + bytes(self.size)
        return load(data, data[PAYLOAD:CRC] + tlv)


class Overfull(Refusing):
    """Has no room for all its counters at once, though they fit."""

    causes = ("R-LNK-022",)
    selection = "MOD/LNK/COUNTERS/BI-too_large"
    status = Status.TOO_LARGE

    def minds(self, data: bytes) -> bool:
        asked = decoded(data)
        return asked is not None and isinstance(asked.body, p.CountersGet) and asked.body.groups.bit_count() > 1


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    BeaconOfLater, *_LINK, *_CREDITS, ShortMemory, StoresRefusals, *_WIRE, MembersFirst, TooLong,
    Overfull,
)  # fmt: skip
