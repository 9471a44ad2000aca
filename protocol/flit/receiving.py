"""The receiving half of an end: packets out of FLITs, and what each FLIT's header brings.

Plan: FLITs in · room · what a header brings · out of order.
"""

from typing import Final

from opalink.protocol.errors import DecodeError
from opalink.protocol.flit.incoming import Early, Incoming
from opalink.protocol.flit.layout import INTACT, NOWHERE, check, each, packet_size, packet_type, read, split
from opalink.protocol.flit.state import State
from opalink.protocol.flit.window import MASK
from opalink.protocol.packets import AckKind, CounterId, FlitKind, PacketType, Status
from opalink.spec.limits import FLIT_BYTES, FLIT_PAYLOAD

_SHARE: Final = 4  # a part of a channel's credit that is told of at once
_CARRIES: Final = frozenset({FlitKind.DATA, FlitKind.REPLAY})


class Receiving(State):
    """FLITs in, packets out."""

    # ── FLITs in ──

    def receive(self, now: int, data: bytes) -> list[bytes]:
        """The packets that a batch of FLITs completes, each channel's in order. Raises ValueError unless `data` is
        whole FLITs; what is wrong inside them is counted, never raised."""
        if len(data) % FLIT_BYTES:
            raise ValueError(f"{len(data)} bytes are not whole FLITs of {FLIT_BYTES}")
        self._now = now
        packets: list[bytes] = []
        offsets: list[int] = []
        payloads: list[bytes] = []
        kind: FlitKind | int = FlitKind.IDLE
        last, carries, vc, room = b"", False, 0, 0
        order = self._order
        expected, smooth = order.expected, order.expected == order.known
        for (flit,) in each(data):
            if check(flit) != INTACT:
                self._count(CounterId.BAD_FLIT, now)
                continue
            seq, header, offset, payload = split(flit)
            if header != last:
                if payloads:
                    self._take(vc, offsets, payloads, packets, now)
                    offsets, payloads = [], []
                last = header if (brought := self._read(flit, now)) else b""
                if brought is None:
                    continue
                kind, vc = brought
                carries, room = kind in _CARRIES, self._room(vc)
                order = self._order  # of another epoch, if this FLIT has begun one
                expected, smooth = order.expected, order.expected == order.known
            if carries and smooth and room and seq == expected & MASK and offset <= NOWHERE:
                offsets.append(offset)
                payloads.append(payload)
                expected += 1
                room -= 1
                continue
            if payloads:
                self._take(vc, offsets, payloads, packets, now)
                offsets, payloads = [], []
            if carries:
                self._out_of_order(seq, vc, offset, payload, packets, now)
            else:
                self._aside_came(kind, seq, vc, payload, packets, now)
            expected, smooth, room = order.expected, order.expected == order.known, self._room(vc)
        if payloads:
            self._take(vc, offsets, payloads, packets, now)
        return packets

    def _room(self, vc: int) -> int:
        """FLITs that the peer may still send on a channel."""
        channel = self._in.get(vc)
        return channel.told - channel.received if channel else 0

    def _take(self, vc: int, offsets: list[int], payloads: list[bytes], packets: list[bytes], now: int) -> None:
        """FLITs of one channel that came as expected."""
        self._order.expected += len(payloads)
        self._order.known = self._order.expected
        self._in[vc].received += len(payloads)
        self._hand_on(self._in[vc], offsets, payloads, packets, now)

    def _hand_on(
        self, channel: Incoming, offsets: list[int], payloads: list[bytes], packets: list[bytes], now: int
    ) -> None:
        broken = channel.assembly.broken
        channel.take(offsets, payloads, packets)
        for _ in range(channel.assembly.broken - broken):
            self._count(CounterId.BAD_LENGTH, now)
        self._owed += len(payloads)
        self._freed(channel, now)
        self._answer_by(now if self._owed >= self._coalesce else now + self._interval // 2)

    # ── Room ──

    def _freed(self, channel: Incoming, now: int) -> None:
        """Tell of room that is free again: at once if it is a good part of the channel's."""
        if channel.granted != channel.told:
            self._news[channel.vc] = None
            soon = (channel.granted - channel.told) * _SHARE >= channel.credit
            self._answer_by(now if soon else now + self._interval // 2)

    def hold(self, vc: int) -> None:
        """Return no credit for what arrives on a granted channel: whoever takes its packets is behind."""
        self._in[vc].held = True

    def release(self, vc: int, now: int) -> None:
        """Return all credit of a channel, and go on doing so."""
        channel = self._in[vc]
        channel.held, channel.freed = (
            False,
            channel.received - sum(e.channel is channel for e in self._order.early.values()),
        )
        self._freed(channel, now)

    # ── What a header brings ──

    def _read(self, flit: bytes, now: int) -> tuple[FlitKind | int, int] | None:
        """Take acknowledgement and credit. The FLIT's kind and channel; None if it is to be dropped."""
        try:
            header = read(flit, crc=False)
        except DecodeError:
            self._count(CounterId.BAD_FLIT, now)
            return None
        if header.epoch != self._parity:
            if self._armed is None or self._armed[0].epoch & 1 != header.epoch:
                return None
            self.begin(*self._armed)
        self.peer_corrected, self.peer_severity = header.corrected, header.severity
        self._acknowledged(header.ack, header.ack_seq, now)
        channel = self._out.channels.get(header.credit_vc)
        if channel and self._grant(channel, header.credit_cum):
            self._progress(now)
        return header.kind, header.vc

    def _acknowledged(self, ack: AckKind | int, seq: int, now: int) -> None:
        window, before = self._window, self._window.first
        held = True
        if ack == AckKind.ACK:
            window.acknowledge(seq)
        elif ack == AckKind.NAK:
            held = window.resend_after(seq)
        elif ack == AckKind.SELECTIVE:
            held = window.resend(seq)
        if not held:
            self._count(CounterId.REPLAY_EXHAUSTED, now)
            self.faults.add(Status.REPLAY_EXHAUSTED)
        if window.first != before:
            self._confirm()
            self._progress(now)

    # ── Out of order ──

    def _out_of_order(self, seq: int, vc: int, offset: int, payload: bytes, packets: list[bytes], now: int) -> None:
        """A FLIT that carries packets and is not simply the next one."""
        order, ahead = self._order, self._order.distance(seq)
        number = order.expected + ahead
        if not -order.depth <= ahead < order.depth:
            self.faults.add(Status.SEQ_GAP)
        elif ahead < 0 or number in order.early:
            self._count(CounterId.DUPLICATE_FLITS, now)
            self._answer_by(now)
        elif not self._room(vc):
            self._count(CounterId.CREDIT_VIOLATION, now)
            self.faults.add(Status.CREDIT_VIOLATION)
        elif offset > NOWHERE:
            self._count(CounterId.BAD_FLIT, now)
        else:
            channel = self._in[vc]
            channel.received += 1
            order.early[number] = Early(channel, offset, payload)
            self._missed(order.came(number, now), now)
            for early in order.in_order():
                self._hand_on(early.channel, [early.offset], [early.payload], packets, now)

    def _aside_came(
        self, kind: FlitKind | int, seq: int, vc: int, payload: bytes, packets: list[bytes], now: int
    ) -> None:
        """An IDLE or CONTROL FLIT says what was sent last. An IDLE asks for an answer and names the channel that waits
        for credit; a CONTROL may bring VC_RESYNC, whatever else is missing."""
        order, ahead = self._order, self._order.distance(seq) + 1
        if not 0 <= ahead <= order.depth:
            self.faults.add(Status.SEQ_GAP)
            return
        self._missed(order.learn(order.expected + ahead, now), now)
        if kind == FlitKind.IDLE:
            self._answer_by(now)
            if vc in self._in:
                self._news[vc] = None
        elif payload[0] and packet_type(payload) == PacketType.VC_RESYNC:
            size = packet_size(payload, 0)
            if size <= FLIT_PAYLOAD:
                packets.append(payload[:size])

    def _missed(self, count: int, now: int) -> None:
        for _ in range(count):
            self._count(CounterId.SEQ_GAP, now)
