"""What a bench records of an implementation, and what an operation does to the lanes it may send on.

Plan: what is recorded · lanes.
"""

from msgspec import Struct

from opalink.protocol.packets.codec import Record
from opalink.protocol.packets.enums import Lane, OperationTag
from opalink.protocol.transport.framing import LANES

# ── What is recorded ─────────────────────────────────────────────────────────────────────────────────


class Arrival(Struct, frozen=True, gc=False):
    """A packet or FLIT from the implementation. In virtual time `time` is its due time, in real time when it came."""

    time: int
    lane: Lane
    data: bytes


class Entry(Struct, frozen=True, gc=False):
    """A line of the journal. What was sent by `raw` is no record but bytes."""

    time: int
    sent: bool
    record: Record | bytes


class Calibration(Struct, frozen=True):
    """How long the bench itself takes there and back, in nanoseconds."""

    rounds: int
    p50: int
    p99: int
    max: int


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────


def lane_changes(operation: int, value: object) -> tuple[frozenset[int], frozenset[int]]:
    """The lanes that an operation takes down, and those that it may bring up."""
    none: frozenset[int] = frozenset()
    lane = LANES & {value[0] if isinstance(value, bytes) and value else getattr(value, "lane", Lane.NONE)}
    match operation:
        case OperationTag.ATTACH:
            return none, LANES
        case OperationTag.DETACH:
            return LANES, none
        case OperationTag.LANE_DOWN:
            return lane, none
        case OperationTag.LANE_UP:
            return none, lane
    return none, none
