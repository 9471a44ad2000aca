"""The sending half of an end: which FLITs leave next, and what each tells the peer.

Plan: packets in · FLITs out · headers.
"""

from collections import deque
from typing import Final

from opalink.protocol.flit.layout import NOWHERE, VC, make, middle, packet_channel, packet_size, packet_type, sealed
from opalink.protocol.flit.outgoing import QUEUE_BYTES, URGENT
from opalink.protocol.flit.state import SLOWEST, State
from opalink.protocol.flit.window import MASK
from opalink.protocol.packets import AckKind, CounterId, Flit, FlitKind, PacketType, VirtualChannel
from opalink.spec.limits import CHANNELS, FLIT_PAYLOAD, PACKET_OVERHEAD

_EMPTY: Final = bytes(FLIT_PAYLOAD)
_LOWEST: Final = max(channel.rank for channel in CHANNELS)


class QueueFullError(Exception):
    """A channel lets no more packets wait: its credit is used up, or the line is slower than what is put in."""


class Sending(State):
    """Packets in, FLITs out."""

    # ── Packets in ──

    def put(self, packet: bytes, vc: int | None = None) -> None:
        """Queue a packet, whole with header and CRC, on the channel that it names or on `vc`. VC_RESYNC goes past all
        queues. Raises ValueError for what cannot be carried, QueueFullError where too much waits."""
        vc = packet_channel(packet) if vc is None and len(packet) >= PACKET_OVERHEAD else vc
        channel = self._out.channels.get(vc) if vc is not None else None
        if len(packet) < PACKET_OVERHEAD or not packet[0] or packet_size(packet, 0) != len(packet):
            raise ValueError(f"{len(packet)} bytes are not one packet, from its version byte to its CRC")
        if vc is not None and self._armed is not None and packet_type(packet) != PacketType.LINK_PARAMS:
            self._put_off(vc, packet)
            return
        if channel is None:
            raise ValueError(f"virtual channel {vc} is not granted by the peer")
        if len(packet) > channel.limit:
            raise ValueError(
                f"a packet of {len(packet)} bytes is longer than channel {vc} takes: {channel.limit} bytes"
            )
        if packet_type(packet) == PacketType.VC_RESYNC and len(packet) <= FLIT_PAYLOAD:
            self._controls.append(packet)
        elif channel.waiting + len(packet) > QUEUE_BYTES:
            raise QueueFullError(f"channel {vc} lets no more than {QUEUE_BYTES} bytes wait")
        else:
            channel.put(packet)

    def _put_off(self, vc: int, packet: bytes) -> None:
        if sum(len(later) for _, later in self._later) + len(packet) > QUEUE_BYTES:
            raise QueueFullError(f"no more than {QUEUE_BYTES} bytes wait for a new epoch")
        self._later.append((vc, packet))

    def tell(self, now: int) -> None:
        """Have a FLIT leave, though there may be nothing to tell: the first one of an epoch."""
        self._answer_by(now)

    def waiting(self, vc: int) -> int:
        """Bytes that wait to leave on a channel."""
        return self._out.channels[vc].waiting if vc in self._out.channels else 0

    @property
    def next_number(self) -> int:
        """Sequence number of the next FLIT that takes one."""
        return self._window.next & MASK

    @property
    def unconfirmed(self) -> int:
        """FLITs that were sent and are not acknowledged."""
        return len(self._window)

    def deadline(self) -> int | None:
        """When `take` has something next, the present if it has now; None if nothing is to be done."""
        if self._controls or self._ready():
            return self._now
        times = (self._answer, self._poll, self._order.deadline)
        return min((time for time in times if time is not None), default=None)

    def _ready(self) -> bool:
        if self._suspended:
            return False
        free = self._window.depth - len(self._window)
        lowest = _LOWEST if free > self._reserve else URGENT if free > 0 else -1
        return self._window.wants_again or self._out.pick(lowest) is not None

    # ── FLITs out ──

    def take(self, now: int, room: int) -> bytes:
        """Up to `room` FLITs that leave now."""
        self._now = now
        flits: list[bytes] = []
        self._nak, alone = self._order.asks(now)
        self._alone = deque(alone)
        while self._controls and len(flits) < room:
            packet = self._controls.popleft()
            flits.append(self._aside(FlitKind.CONTROL, VirtualChannel.LINK, 0, packet.ljust(FLIT_PAYLOAD, b"\0")))
        while len(flits) < room and not self._suspended:
            left = room - len(flits)
            if not (
                self._run(flits, left, URGENT, 0)
                or self._replay(flits, now)
                or self._run(flits, left, _LOWEST, self._reserve)
            ):
                break
        if flits:
            self._wait(now)
        while len(flits) < room and self._must_tell(now):
            flits.append(self._aside(FlitKind.CONTROL, VirtualChannel.LINK))
        self._ask(flits, now, room)
        return sealed(flits)

    def _run(self, flits: list[bytes], room: int, lowest: int, reserve: int) -> bool:
        """FLITs of the channel that goes next, if any can go."""
        free = self._window.depth - len(self._window) - reserve
        picked = self._out.pick(lowest) if free > 0 else None
        if picked is None:
            return False
        channel, turn, rank = picked
        offsets, payloads, ends = channel.cut(min(room, free, turn, channel.granted - channel.sent))
        count, number, vc = len(payloads), self._window.next, channel.vc
        run, at = [], 0
        while at < count and (self._nak or self._alone or self._news):
            header = self._middle(FlitKind.DATA, vc)
            run.append(make((number + at) & MASK, header, offsets[at], payloads[at]))
            at += 1
        if at < count:
            header = self._middle(FlitKind.DATA, vc)
            numbers = range(number + at, number + count)
            run += [make(n & MASK, header, o, p) for n, o, p in zip(numbers, offsets[at:], payloads[at:], strict=True)]
        self._window.add(run)
        self._ends[vc].extend([number + end for end in ends])
        channel.sent += count
        rank.spend(count)
        flits += run
        return True

    def _replay(self, flits: list[bytes], now: int) -> bool:
        """The next FLIT that goes again, under its first number and with what is to be told now."""
        again = self._window.pop_again()
        if again is None:
            return False
        header = self._middle(FlitKind.REPLAY, again[VC])
        flits.append(again[:2] + header + again[2 + len(header) :])
        self._count(CounterId.REPLAYS, now)
        return True

    def _aside(self, kind: FlitKind, vc: int, offset: int = NOWHERE, payload: bytes = _EMPTY) -> bytes:
        """A FLIT that takes no number of its own and no credit."""
        return make(self._window.last_seq, self._middle(kind, vc), offset, payload)

    def _must_tell(self, now: int) -> bool:
        return bool(self._nak or self._alone or (self._answer is not None and self._answer <= now))

    def _ask(self, flits: list[bytes], now: int, room: int) -> None:
        """Ask the peer what it has, if that has been unclear for long enough."""
        stalled = self._out.stalled
        for channel in stalled:
            if not channel.stalled:
                channel.stalled = True
                self._count(CounterId.CREDIT_STALLS, now)
        if not stalled and not len(self._window):
            self._poll = None
        elif self._poll is None:
            self._poll = now + self._interval
        elif self._poll <= now and len(flits) < room:
            flits.append(self._aside(FlitKind.IDLE, stalled[0].vc if stalled else VirtualChannel.LINK))
            self._polls = min(self._polls + 1, SLOWEST)
            self._wait(now)

    # ── Headers ──

    def _middle(self, kind: FlitKind, vc: int) -> bytes:
        """The header of the next FLIT but for its two numbers. What is missing is told before what has come, and of
        one channel's credit at a time."""
        seq = self._order.last_seq
        if self._nak:
            ack, self._nak = AckKind.NAK, False
        elif self._alone:
            ack, seq = AckKind.SELECTIVE, self._alone.popleft()
        else:
            ack = AckKind.ACK
        if self._news:
            told = next(iter(self._news))
            del self._news[told]
            self._telling = self._in[told]
        credit_vc = credit = 0
        if self._telling:
            credit_vc, credit = self._telling.vc, self._telling.granted
            self._telling.told = credit
        if ack is not AckKind.SELECTIVE:
            self._owed = 0
            if not self._news:
                self._answer = None
        key = kind, vc, ack, seq, credit_vc, credit, self.corrected, self.severity
        if key != self._steady[0]:
            corrected = min(self.corrected.bit_length(), 15)
            flit = Flit(
                ack_seq=seq, ack=ack, kind=kind, epoch=self._parity, vc=vc, credit_vc=credit_vc,
                corrected=corrected, severity=self.severity, credit_cum=credit & MASK,
            )  # fmt: skip
            self._steady = key, middle(flit)
            self.corrected = 0
        return self._steady[1]
