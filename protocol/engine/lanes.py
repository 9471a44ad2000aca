"""A side as its lanes show it: FLITs on the laser, records on the sideband, for a side that knows packets.

On the packet plane of a bench a gateway does the link layer. On the FLIT plane the side does it itself, and this is
where: what arrives on a lane becomes packets for the side, and its packets become what the lane carries. The bench has
no line rate: whatever credit and replay depth allow leaves at once.

Plan: what is needed of a side · what arrives · what leaves · time.
"""

from collections import deque
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

from opalink.protocol.codec import Sideband, decode_sideband, encode_sideband
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.errors import DecodeError
from opalink.protocol.flit import End, QueueFullError
from opalink.protocol.packets import Lane, Outcome, Plane, ResetKind
from opalink.protocol.runtime import Tlv
from opalink.spec.form import Role
from opalink.spec.limits import FLIT_BYTES

_BEHIND: Final = 64 << 20  # bytes that wait for room in the FLIT layer, in all
_CHANNEL: Final = 2  # the byte of a packet that names its channel, and its place in the stack
_ROOM: Final = 1 << 16  # FLITs in one batch: more than any replay depth

# ── What is needed of a side ─────────────────────────────────────────────────────────────────────────


class Side(Protocol):
    """A side that can do the link layer itself."""

    @property
    def role(self) -> Role: ...
    @property
    def name(self) -> str: ...
    @property
    def operations(self) -> int: ...
    @property
    def planes(self) -> int:
        """Flags of `Plane`: those that it can be met on."""

    @property
    def flits(self) -> End | None:
        """Its FLIT layer; None on the packet plane, or where there is no laser."""

    def take_plane(self, plane: Plane) -> None:
        """Be met on a plane from the next reset on."""

    def recover(self, now: int) -> None:
        """Act on `faults` of the FLIT layer, if there are any."""

    def carries(self, lane: Lane) -> bool: ...
    def receive(self, lane: Lane, data: bytes, now: int) -> None: ...
    def advance(self, now: int) -> None: ...
    def deadline(self) -> int | None: ...
    def outbox(self) -> list[Departure]: ...
    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]: ...
    def reset(self, kind: ResetKind, seed: int, now: int) -> None: ...


class Lanes:
    """An endpoint of the FLIT plane around one of packets. `dropped` counts packets that found no room to wait."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self.role, self.name, self.operations = side.role, side.name, side.operations
        self.dropped = 0
        self._behind: dict[int, deque[bytes]] = {}  # packets that wait for room in the FLIT layer, by channel
        self._held = 0  # bytes of them
        self._now = 0
        self._later: list[tuple[int, int, Departure]] = []  # a heap; the second number keeps the order
        self._order = count()

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._now, self._later = now, []
        self._behind, self._held = {}, 0
        self._side.take_plane(Plane.FLIT)
        self._side.reset(kind, seed, now)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self._now = now
        return self._side.operate(operation, now)

    # ── What arrives ──

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        """Take what a lane brings. What is damaged is dropped and counted: on the sideband as a packet whose CRC is
        wrong, on the laser as a FLIT."""
        self._now = now
        if lane is Lane.SIDEBAND:
            try:
                packet = bytes(decode_sideband(data).payload)
            except DecodeError:
                packet = b""  # no packet has a right CRC and no bytes
            self._side.receive(lane, packet, now)
            return
        flits = self._side.flits
        if flits is None or not self._side.carries(lane):
            return
        whole = data if len(data) == FLIT_BYTES else bytes(FLIT_BYTES)  # all zero: of a wrong CRC
        for packet in flits.receive(now, whole):
            self._side.receive(lane, packet, now)
        self._side.recover(now)

    # ── What leaves ──

    def outbox(self) -> list[Departure]:
        """What the lanes carry from now on; what leaves later is kept until then."""
        out: list[Departure] = []
        for departure in self._side.outbox():
            heappush(self._later, (departure.time, next(self._order), departure))
        while self._later and self._later[0][0] <= self._now:
            out += self._leave(heappop(self._later)[2])
        return out + self._lit()

    def _leave(self, d: Departure) -> list[Departure]:
        """What a packet puts on its lane at once: on the laser it waits for its turn, on the sideband it follows what
        has waited there."""
        if d.lane is Lane.SIDEBAND:
            return [*self._lit(), Departure(d.time, d.lane, encode_sideband(Sideband(payload=d.data)))]
        flits = self._side.flits
        if flits is not None:
            behind = self._behind.setdefault(d.data[_CHANNEL], deque())
            if behind or not self._put(flits, d.data):
                behind.append(d.data)
                self._held += len(d.data)
                if self._held > _BEHIND:
                    self._held -= len(behind.pop())
                    self.dropped += 1
        return []

    def _put(self, flits: End, packet: bytes) -> bool:
        """Queue a packet, unless its channel has no room for it now. One that no channel takes is dropped."""
        try:
            flits.put(packet)
        except QueueFullError:
            return False
        except ValueError:
            self.dropped += 1
        return True

    def _catch_up(self, flits: End) -> bool:
        """Queue what waits for room; whether any of it found some."""
        before = self._held
        for behind in self._behind.values():
            while behind and self._put(flits, behind[0]):
                self._held -= len(behind.popleft())
        return self._held < before

    def _lit(self) -> list[Departure]:
        """The FLITs that leave now."""
        flits = self._side.flits
        if flits is None or not self._side.carries(Lane.LASER):
            return []
        data = flits.take(self._now, _ROOM)
        while self._held and self._catch_up(flits):
            data += flits.take(self._now, _ROOM)
        return [Departure(self._now, Lane.LASER, data[at : at + FLIT_BYTES]) for at in range(0, len(data), FLIT_BYTES)]

    # ── Time ──

    def advance(self, now: int) -> None:
        self._now = now
        self._side.advance(now)

    def deadline(self) -> int | None:
        times = [self._side.deadline(), self._later[0][0] if self._later else None]
        flits = self._side.flits
        if flits is not None and self._side.carries(Lane.LASER):
            times.append(flits.deadline())
        return min((t for t in times if t is not None), default=None)
