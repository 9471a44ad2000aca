"""Packets out of the payloads of one virtual channel.

The payloads of a channel, end to end, are its packets, end to end; where a packet ends and nothing follows it, the
rest of that payload is zero. A packet whose first bytes are zero cannot be: the version is never 0. `first_off` says
the same a second time, and where the two disagree the packet that is open is given up and reading goes on where
`first_off` points.

What is held is at most one packet, no longer than the channel's limit.

Plan: the assembly · many payloads at once · one payload.
"""

from collections.abc import Sequence
from typing import Final

from opalink.protocol.flit.layout import KNOWN, NOWHERE, packet_size
from opalink.spec.limits import FLIT_PAYLOAD

_INSIDE: Final = NOWHERE  # what `first_off` says in the midst of a packet


class Assembly:
    """What a channel has received of the packet that is not yet whole. `limit` is the size of the longest packet, in
    bytes; `broken` counts the packets that were given up."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.broken = 0
        self._parts: list[bytes] = []
        self._need = 0  # bytes that the open packet lacks; 0 if none is open, or too little of it to know
        self._start = b""  # the first bytes of a packet, too few to know how long it is

    @property
    def open(self) -> bool:
        """Whether a part of a packet is held."""
        return bool(self._need or self._start)

    # ── Many payloads at once ──

    def feed(self, offsets: Sequence[int], payloads: Sequence[bytes], packets: list[bytes]) -> None:
        """Take payloads in order and add the packets that they complete."""
        at, end = 0, len(payloads)
        while at < end:
            whole = min(self._need // FLIT_PAYLOAD, end - at)
            if whole > 1 and offsets[at : at + whole].count(_INSIDE) == whole:
                self._parts += payloads[at : at + whole]
                self._need -= whole * FLIT_PAYLOAD
                at += whole
                if not self._need:
                    self._close(packets)
            else:
                self._one(offsets[at], payloads[at], packets)
                at += 1

    def _close(self, packets: list[bytes]) -> None:
        packets.append(b"".join(self._parts))
        self._parts.clear()
        self._need = 0

    def _give_up(self) -> None:
        self.broken += 1
        self._parts.clear()
        self._need, self._start = 0, b""

    # ── One payload ──

    def _one(self, offset: int, payload: bytes, packets: list[bytes]) -> None:
        data = self._start + payload
        before = len(data) - len(payload)
        size = self._need or (packet_size(data, 0) if before else 0)  # what is open goes on for so many bytes
        if before and size > self.limit:
            self._give_up()
            size = before = 0
            data = payload
            at = min(offset, FLIT_PAYLOAD)
        elif size:
            begins = size - before if size < len(data) and data[size] else NOWHERE
            if offset != begins:
                self._give_up()
                data, before, at = payload, 0, min(offset, FLIT_PAYLOAD)
            else:
                self._start = b""
                self._parts.append(data[:size])
                self._need = max(size - len(data), 0)
                if not self._need:
                    self._close(packets)
                at = size
        else:
            at = offset  # what stands before it belongs to a packet that was given up
        self._begin(data, at, packets)

    def _begin(self, data: bytes, at: int, packets: list[bytes]) -> None:
        """Take the packets that begin at `at` and behind it, until the version byte is zero."""
        end = len(data)
        while at < end and data[at]:
            if end - at < KNOWN:
                self._start = data[at:]
                return
            size = packet_size(data, at)
            if size > self.limit:
                self._give_up()
                return
            if at + size > end:
                self._parts.append(data[at:])
                self._need = at + size - end
                return
            packets.append(data[at : at + size])
            at += size
