"""FLITs to packets for whoever listens to a line and is not an end of it: captures, and what shows them.

A listener acknowledges nothing and asks for nothing. It puts what one side sends in order, whatever is replayed or
comes twice; it may begin anywhere in an epoch, and an epoch that it sees begin begins with number 0. A FLIT that is too
old to be replayed never comes: what was open on the channels is given up then, and said.

What is held is bounded: the FLITs that came early, `HELD` of them, and a packet for each channel.

Plan: one direction: FLITs in, packets out · order · gaps.
"""

from collections.abc import Iterator
from typing import Any, Final

from opalink.protocol.codec import Flit
from opalink.protocol.flit.assembly import Assembly
from opalink.protocol.flit.incoming import Early, Incoming, Order
from opalink.protocol.flit.layout import packet_size
from opalink.protocol.packets import FlitKind
from opalink.spec.limits import CHANNELS, FLIT_PAYLOAD, LIMITS, PACKET_OVERHEAD

HELD: Final = next(limit.value for limit in LIMITS if limit.name == "replay_max")
_ROOM: Final = {c.value: c.payload_max + PACKET_OVERHEAD for c in CHANNELS}
_CARRIES: Final = (FlitKind.DATA, FlitKind.REPLAY)


class Listener:
    """What one side sends. `gap` is whether a FLIT never came; whoever has read it may set it back."""

    def __init__(self) -> None:
        self.gap = False
        self._parity: int | None = None  # of the epoch; None before anything has come

    def take(self, flit: Flit, mark: Any = None) -> Iterator[tuple[Any, bytes]]:
        """The packets that a FLIT completes, each with the mark of the FLIT in which it ends."""
        payload = bytes(flit.payload)
        if flit.kind == FlitKind.CONTROL:  # which may bring one packet, beside the order of all others
            size = packet_size(payload, 0)
            if payload[0] and size <= FLIT_PAYLOAD:
                yield mark, payload[:size]
        elif flit.kind in _CARRIES:
            if flit.epoch != self._parity:
                self._begin(flit.epoch, flit.seq if self._parity is None else 0)
            yield from self._ordered(flit, payload, mark)

    # ── Order ──

    def _begin(self, parity: int, seq: int) -> None:
        self._parity = parity
        self._order = Order(HELD, 0)
        self._order.expected = self._order.known = seq
        self._marks: dict[int, Any] = {}  # of the early ones
        self._channels: dict[int, Incoming] = {}

    def _ordered(self, flit: Flit, payload: bytes, mark: Any) -> Iterator[tuple[Any, bytes]]:
        order = self._order
        ahead = order.distance(flit.seq)
        if ahead < 0 or flit.vc not in _ROOM:
            return  # it has been here, or is of no channel
        if ahead >= order.depth:
            self._skip_to(order.expected + ahead)
        number = order.expected + order.distance(flit.seq)
        if number not in order.early:
            channel = self._channels.setdefault(flit.vc, Incoming(flit.vc, 0, _ROOM[flit.vc]))
            order.early[number] = Early(channel, flit.first_off, payload)
            self._marks[number] = mark
        begin = order.expected
        for place, early in enumerate(order.in_order(), begin):
            packets: list[bytes] = []
            early.channel.take([early.offset], [early.payload], packets)
            came = self._marks.pop(place)
            yield from ((came, packet) for packet in packets)

    # ── Gaps ──

    def _skip_to(self, number: int) -> None:
        """Go on behind a gap, where no packet that is open can go on."""
        self.gap = True
        self._order.expected = number
        self._order.early.clear()
        self._marks.clear()
        for vc, channel in self._channels.items():
            channel.assembly = Assembly(_ROOM[vc])
