"""What waits to be sent: one queue for each virtual channel, and which of them goes next.

A channel with a lower rank goes first, always. Channels of the same rank, the streams, take turns; a turn is so many
FLITs for each unit of the channel's weight. A FLIT carries one channel, filled from as many of its packets as fit; a
packet of the real-time channel is never split.

Plan: a channel · cutting payloads · which goes next.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from opalink.protocol.flit.layout import NOWHERE
from opalink.protocol.packets import VirtualChannel
from opalink.spec.limits import CHANNELS, FLIT_PAYLOAD

QUEUE_BYTES: Final = 1 << 20  # what a channel lets wait
TURN: Final = 64  # FLITs of a turn for each unit of weight: 33 us on the fastest gear, and more than a frame block

_RANKS: Final = {channel.value: channel.rank for channel in CHANNELS}
ALONE: Final = 1 << 16  # FLITs of the turn of a channel that shares its rank with no other
URGENT: Final = _RANKS[VirtualChannel.RT]  # ranks up to this one go before FLITs that are sent again


class Outgoing:
    """A virtual channel towards the peer. `granted` and `sent` count FLITs since the epoch began."""

    def __init__(self, vc: int, credit: int, limit: int, weight: int = 1) -> None:
        self.vc, self.rank, self.weight = vc, _RANKS[vc], weight
        self.granted = self.credit = credit
        self.limit = limit  # bytes of the longest packet
        self.sent = 0
        self.stalled = False
        self.waiting = 0  # bytes
        self.whole = vc == VirtualChannel.RT
        self.queue: deque[bytes] = deque()
        self._at = 0  # bytes of the first packet that have gone

    def put(self, packet: bytes) -> None:
        self.queue.append(packet)
        self.waiting += len(packet)

    @property
    def ready(self) -> bool:
        """Whether a packet waits and may go."""
        return bool(self.queue) and self.sent < self.granted

    # ── Cutting payloads ──

    def cut(self, count: int) -> tuple[list[int], list[bytes], list[int]]:
        """Up to `count` payloads: where the first packet begins in each, the payloads, and for each packet that ends
        in them the index of the payload in which it does."""
        offsets: list[int] = []
        payloads: list[bytes] = []
        ends: list[int] = []
        queue, at = self.queue, self._at
        while queue and len(payloads) < count:
            head = queue[0]
            whole = min((len(head) - at) // FLIT_PAYLOAD, count - len(payloads))
            if whole:
                stop = at + whole * FLIT_PAYLOAD
                offsets += [NOWHERE] * whole
                if not at:
                    offsets[-whole] = 0
                payloads += [head[i : i + FLIT_PAYLOAD] for i in range(at, stop, FLIT_PAYLOAD)]
                self.waiting -= stop - at
                at = stop
                if at == len(head):
                    queue.popleft()
                    ends.append(len(payloads) - 1)
                    at = 0
            else:
                offset, at = self._mix(at, payloads, ends)
                offsets.append(offset)
        self._at = at
        return offsets, payloads, ends

    def _mix(self, at: int, payloads: list[bytes], ends: list[int]) -> tuple[int, int]:
        """One payload of the end of a packet and of those behind it. Where the first of these begins, and how much of
        the last has gone."""
        parts: list[bytes] = []
        size, first, queue = 0, NOWHERE, self.queue
        while queue and size < FLIT_PAYLOAD:
            head = queue[0]
            if self.whole and size + len(head) > FLIT_PAYLOAD:
                break
            if not at and first == NOWHERE:
                first = size
            piece = head[at : at + FLIT_PAYLOAD - size]
            parts.append(piece)
            size += len(piece)
            at += len(piece)
            if at < len(head):
                break
            queue.popleft()
            ends.append(len(payloads))
            at = 0
        self.waiting -= size
        payloads.append(b"".join(parts).ljust(FLIT_PAYLOAD, b"\0"))
        return first, at


# ── Which goes next ──────────────────────────────────────────────────────────────────────────────────


class Rank:
    """Channels that take turns."""

    def __init__(self, channels: Sequence[Outgoing]) -> None:
        self.channels = channels
        self._turn = 0
        self._left = self._whole_turn()

    def _whole_turn(self) -> int:
        return self.channels[self._turn].weight * TURN

    def pick(self) -> tuple[Outgoing, int]:
        """The channel whose turn it is among those that can send, of which there is one, and how many FLITs it may."""
        if len(self.channels) == 1:
            return self.channels[0], ALONE
        while not (self._left and self.channels[self._turn].ready):
            self._turn = (self._turn + 1) % len(self.channels)
            self._left = self._whole_turn()
        return self.channels[self._turn], self._left

    def spend(self, count: int) -> None:
        if len(self.channels) > 1:
            self._left -= count


class Outbox:
    """All channels towards the peer."""

    def __init__(self, channels: Iterable[Outgoing]) -> None:
        self.channels = {channel.vc: channel for channel in channels}
        ranks: dict[int, list[Outgoing]] = {}
        for channel in sorted(self.channels.values(), key=lambda channel: channel.rank):
            ranks.setdefault(channel.rank, []).append(channel)
        self._order = [(channel, rank) for rank in map(Rank, ranks.values()) for channel in rank.channels]

    def pick(self, lowest: int) -> tuple[Outgoing, int, Rank] | None:
        """The channel that goes next among those up to a rank, with the FLITs that it may send in a row."""
        for channel, rank in self._order:
            if channel.rank > lowest:
                break
            if channel.ready:
                return *rank.pick(), rank
        return None

    @property
    def stalled(self) -> list[Outgoing]:
        """The channels that wait for credit."""
        return [c for c in self.channels.values() if c.queue and c.sent >= c.granted]
