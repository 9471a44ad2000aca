# SPDX-License-Identifier: GPL-2.0-only
"""FLITs to packets to frames, as scapy sniffs: `sniff(offline="session.pcapng", session=OpalSession)`.

Each FLIT gives way to the packets that it completes; where a packet completes a frame, the frame follows it. What is
not intact comes through as it is. The session listens to both sides and asks for nothing: a FLIT that never comes
again costs the packets that it was part of, a block that never comes is missing from its frame.

What is held is bounded: what a listener holds of each direction, and one frame a stream.

Plan: a frame · the session.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from scapy.packet import Packet, Raw
from scapy.sessions import DefaultSession

from opalink.protocol import codec
from opalink.protocol.flit.listening import Listener
from opalink.protocol.packets import FrameBlock, FrameLeader, FrameTrailer, VirtualChannel
from opalink.protocol.picture.assembly import ROOM, Assembler, FrameError
from opalink.protocol.scapy.packets import OpalFlit, OpalPacket

_STREAMS: Final = range(VirtualChannel.STREAM0, VirtualChannel.STREAM3 + 1)
_FRAME_TYPES: Final = {p for p in codec.PacketType if p.name in ("FRAME_LEADER", "FRAME_BLOCK", "FRAME_TRAILER")}

# ── A frame ──────────────────────────────────────────────────────────────────────────────────────────


class OpalFrame(Raw):
    """A frame: `load` is its data, zeros where blocks are `missing`. `leader` and `trailer` are the value classes of
    `opalink.protocol.packets`; `good` says whether the data has the trailer's CRC, None where that cannot be known."""

    __slots__ = ["good", "leader", "missing", "trailer"]
    leader: FrameLeader
    trailer: FrameTrailer | None
    missing: int
    good: bool | None

    @classmethod
    def of(cls, store: Assembler) -> "OpalFrame":
        """What an assembler holds that has seen its leader."""
        assert store.leader is not None  # noqa: S101 (the only caller has given it one)
        made = cls(load=bytes(store.data))
        made.leader, made.trailer, made.good = store.leader, store.trailer, store.crc_good
        made.missing = sum(lost.count for lost in store.missing(ranges=None))
        made.name = f"OPAL frame {store.number} of stream {store.stream}, {made.missing} blocks missing"
        return made

    def copy(self) -> "OpalFrame":
        clone = super().copy()
        for name in (*OpalFrame.__slots__, "name"):
            setattr(clone, name, getattr(self, name))
        return clone

    def mysummary(self) -> str:
        return str(self.name)


# ── The session ──────────────────────────────────────────────────────────────────────────────────────


def _from(captured: Packet, made: Packet) -> Packet:
    """What was made of something, with where and when that was captured."""
    made.time, made.sniffed_on, made.direction = captured.time, captured.sniffed_on, captured.direction
    return made


class OpalSession(DefaultSession):
    """For `sniff(session=…)`. A frame larger than `room` bytes is not put together. `refused` counts the parts of
    frames that contradict the rest."""

    def __init__(self, *args: Any, room: int = ROOM, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.room, self.refused = room, 0
        self._ways: defaultdict[tuple[Any, Any], Listener] = defaultdict(Listener)
        self._frames: dict[tuple[Any, Any, int], Assembler] = {}

    def recv(self, sock: Any) -> Iterator[Packet]:
        pkt = sock.recv()
        if pkt is not None:
            yield from self.take(pkt)

    def take(self, pkt: Packet) -> Iterator[Packet]:
        """What comes of something that was captured."""
        if isinstance(pkt, OpalFlit) and pkt.fault is None:
            for data in self._packets(pkt):
                packet = _from(pkt, OpalPacket(data))
                yield packet
                yield from (_from(pkt, frame) for frame in self._frame(packet))
        else:
            yield pkt
            if isinstance(pkt, OpalPacket):
                yield from (_from(pkt, frame) for frame in self._frame(pkt))

    def unfinished(self) -> list[OpalFrame]:
        """The frames of which something is missing still."""
        return [OpalFrame.of(store) for store in self._frames.values()]

    # ── FLITs ──

    def _packets(self, pkt: OpalFlit) -> list[bytes]:
        flit = codec.decode_flit(pkt.original, crc=False)
        return [packet for _, packet in self._ways[pkt.sniffed_on, pkt.direction].take(flit)]

    # ── Frames ──

    def _frame(self, pkt: Packet) -> Iterator[OpalFrame]:
        """The frame that a packet completes; and the one before it that will not be completed any more."""
        if pkt.getfieldval("type") not in _FRAME_TYPES or pkt.fault is not None:
            return
        body, vc = codec.decode(bytes(pkt.original)).body, pkt.getfieldval("vc")
        if isinstance(body, FrameBlock):
            stream = vc - _STREAMS.start
        elif isinstance(body, FrameLeader | FrameTrailer):
            stream = body.stream
        else:
            return  # another form of these types
        key = pkt.sniffed_on, pkt.direction, stream
        try:
            if isinstance(body, FrameLeader):
                yield from self._begin(key, body)
            elif store := self._frames.get(key):
                if isinstance(body, FrameBlock):
                    store.put(body)
                else:
                    store.trail(body)
        except FrameError:
            self.refused += 1
        store = self._frames.get(key)
        if store and store.trailer is not None and store.filled:
            yield OpalFrame.of(self._frames.pop(key))

    def _begin(self, key: tuple[Any, Any, int], leader: FrameLeader) -> Iterator[OpalFrame]:
        store = self._frames.get(key)
        if store is not None and store.number == leader.frame:
            store.lead(leader)
            return
        fresh = Assembler(leader.frame, leader.stream, room=self.room)
        fresh.lead(leader)
        if store is not None:
            yield OpalFrame.of(store)
        self._frames[key] = fresh
