"""Judges what an implementation puts on its lanes on the FLIT plane, FLIT by FLIT, by its own account.

The tester sends and receives with the FLIT layer of `protocol.flit`; this is not that. It keeps its own books of both
directions: what was numbered, granted and acknowledged, and where packets begin and end. It sees every FLIT of the
implementation, also those that the test then loses, and of the tester's those that the implementation can have got.

Plan: books of a channel · the watch: epochs · the tester's FLITs · the implementation's · payloads · the sideband.
"""

from collections import OrderedDict
from typing import Final

from opalink.conformance.tester.ledger import Ledger
from opalink.protocol.codec import DecodeError, Flit, decode_flit, decode_sideband
from opalink.protocol.packets import AckKind, FlitKind, LinkParams, LinkParamsResponse, PacketType, VirtualChannel
from opalink.spec.limits import FLIT_BYTES, FLIT_PAYLOAD, PACKET_OVERHEAD

Params = LinkParams | LinkParamsResponse

MASK: Final = 0xFFFF
NOWHERE: Final = FLIT_PAYLOAD
_KNOWN: Final = 6  # bytes of a packet that say how long it is
_CARRIES: Final = (FlitKind.DATA, FlitKind.REPLAY)
_RSP: Final = 8  # bit of a packet's first byte


def ahead(number: int, of: int) -> int:
    """How far a number of 16 bits is before (negative) or behind another."""
    return ((number - of + 0x8000) & MASK) - 0x8000


# ── Books of a channel ───────────────────────────────────────────────────────────────────────────────


class Granted:
    """FLITs of a channel in one direction since the epoch began: how many were granted and used."""

    def __init__(self, room: int) -> None:
        self.room = self.granted = room
        self.used = 0

    def grant(self, cum: int) -> None:
        self.granted += max(ahead(cum, self.granted & MASK), 0)


class Reading:
    """Where the packets of a channel begin and end, as the bytes themselves say."""

    def __init__(self) -> None:
        self.start = b""  # the beginning of a packet that is too short to say how long it is
        self.need = 0

    @property
    def inside(self) -> bool:
        return bool(self.need or self.start)

    def read(self, payload: bytes) -> tuple[int, list[bytes], bool]:
        """Where the first packet header begins, the beginnings of the packets that do, and whether the rest is zero."""
        at, first, heads = 0, NOWHERE, []
        if self.start:
            head = (self.start + payload)[:_KNOWN]
            self.need, self.start = PACKET_OVERHEAD + _length(head) - len(self.start), b""
        if self.need:
            at = min(self.need, len(payload))
            self.need -= at
        while at < len(payload) and payload[at]:
            first = min(first, at)
            heads.append(payload[at : at + PACKET_OVERHEAD])
            if len(payload) - at < _KNOWN:
                self.start = payload[at:]
                return first, heads, True
            size = PACKET_OVERHEAD + _length(payload[at : at + _KNOWN])
            self.need = max(size - (len(payload) - at), 0)
            at += size
        return first, heads, not any(payload[at:])


def _length(head: bytes) -> int:
    return int.from_bytes(head[4:6], "little")


# ── The watch ────────────────────────────────────────────────────────────────────────────────────────


class FlitWatch:
    """Judges every FLIT and sideband record of one implementation into a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, ours: Params, theirs: Params) -> None:
        """A new epoch: what the tester and the implementation grant. Both carry its number."""
        self.parity = ours.epoch & 1
        self.depth = theirs.replay_depth
        self.used = {row.vc: Granted(row.credits) for row in ours.channels}  # towards the tester
        self.given = {row.vc: Granted(row.credits) for row in theirs.channels}  # towards the implementation
        self.next = 0  # of the implementation's DATA FLITs, counted without end
        self.acked = 0  # all before it the tester has acknowledged
        self.held: OrderedDict[int, tuple[int, int, bytes]] = OrderedDict()  # what a REPLAY must repeat
        self.complete = 0  # all of the tester's FLITs before it can have come
        self.early: set[int] = set()
        self.reading = {vc: Reading() for vc in self.used}
        self.base = set(self.used) == {VirtualChannel.LINK}  # LINK_PARAMS has not been exchanged
        self.answered = False  # LINK_PARAMS, in this epoch
        self.fresh = True  # nothing of this epoch has come

    # ── The tester's FLITs ──

    def sent(self, data: bytes) -> None:
        """A FLIT of the tester's that reaches the implementation, legal or not."""
        flit = self._legal(data)
        if flit is None or flit.epoch != self.parity:
            return
        if flit.credit_vc in self.used:
            self.used[flit.credit_vc].grant(flit.credit_cum)
        if flit.ack in (AckKind.ACK, AckKind.NAK):
            last = self.next - 1 + ahead(flit.ack_seq, self.next - 1 & MASK)
            if self.acked <= last < self.next:
                self.acked = last + 1
        if flit.kind in _CARRIES:
            number = self.complete + ahead(flit.seq, self.complete & MASK)
            channel = self.given.get(flit.vc)
            if number >= self.complete and number not in self.early and channel and channel.used < channel.granted:
                channel.used += 1
                self.early.add(number)
                while self.complete in self.early:
                    self.early.discard(self.complete)
                    self.complete += 1

    @staticmethod
    def _legal(data: bytes) -> Flit | None:
        try:
            return decode_flit(data)
        except DecodeError:
            return None

    # ── The implementation's FLITs ──

    def came(self, data: bytes) -> None:
        """A FLIT of the implementation's."""
        judge = self._ledger.judge
        try:
            flit = decode_flit(data)
        except DecodeError as error:
            self._ledger.charge("R-FLT-005", f"a legal FLIT of {FLIT_BYTES} bytes", str(error))
            return
        self._ledger.keep("R-FLT-005")
        judge("R-WIRE-013", not flit.spare, "reserved bits of a FLIT 0", f"{flit.spare}")
        if flit.epoch != self.parity:
            if flit.kind in _CARRIES and self.fresh and not self.base:
                self._ledger.charge("R-FLT-053", "no DATA FLIT after the answer to LINK_PARAMS", "one")
            elif flit.kind in _CARRIES:
                self._ledger.charge("R-FLT-051", f"epoch parity {self.parity}", f"{flit.epoch}")
            return
        self._ledger.keep("R-FLT-051")
        self.fresh = False
        self._order(flit)
        self._header(flit)

    def _order(self, flit: Flit) -> None:
        judge = self._ledger.judge
        if flit.kind == FlitKind.DATA:
            judge("R-FLT-010", flit.seq == self.next & MASK, f"DATA number {self.next & MASK}", f"{flit.seq}")
            self.next += 1 + max(ahead(flit.seq, self.next & MASK), 0)
            waiting = self.next - self.acked
            judge("R-FLT-013", waiting <= self.depth, f"at most {self.depth} FLITs unacknowledged", f"{waiting}")
            self.held[flit.seq] = flit.vc, flit.first_off, bytes(flit.payload)
            while len(self.held) > self.depth:
                self.held.popitem(last=False)
            self._data(flit)
        elif flit.kind == FlitKind.REPLAY:
            same = self.held.get(flit.seq) == (flit.vc, flit.first_off, bytes(flit.payload))
            judge("R-FLT-012", same, f"DATA number {flit.seq} again", "another FLIT under its number")
        else:
            last = self.next - 1 & MASK
            judge("R-FLT-011", flit.seq == last, f"number {last} in {_name(flit.kind)}", f"{flit.seq}")

    def _data(self, flit: Flit) -> None:
        judge, channel = self._ledger.judge, self.used.get(flit.vc)
        if self.base:
            wanted = flit.vc == VirtualChannel.LINK
            judge("R-FLT-052", wanted, "nothing but channel LINK before LINK_PARAMS", f"channel {flit.vc}")
            if not wanted:
                return  # that it has no credit either follows
        judge("R-FLT-053", not self.answered, "no DATA FLIT after the answer to LINK_PARAMS", "one")
        used, granted = (channel.used + 1, channel.granted) if channel else (1, 0)
        judge("R-FLT-040", used <= granted, f"at most {granted} FLITs on channel {flit.vc}", f"{used}")
        if channel is not None:
            channel.used = used
            self._payload(flit)

    def _header(self, flit: Flit) -> None:
        """What it says of the other direction."""
        judge = self._ledger.judge
        if flit.ack in (AckKind.ACK, AckKind.NAK):
            beyond = ahead(flit.ack_seq, self.complete - 1 & MASK)
            last = self.complete - 1 & MASK
            judge("R-FLT-019", beyond <= 0, f"no acknowledgement beyond {last}", f"of {flit.ack_seq}")
        given = self.given.get(flit.credit_vc)
        if given is not None:
            given.grant(flit.credit_cum)
            most = given.room + given.used
            judge("R-FLT-042", given.granted <= most, f"at most {most} on {flit.credit_vc}", f"{given.granted}")

    # ── Payloads ──

    def _payload(self, flit: Flit) -> None:
        judge, reading = self._ledger.judge, self.reading[flit.vc]
        if flit.vc == VirtualChannel.RT:
            for rule in ("R-FLT-033", "R-TIM-001"):
                judge(rule, not reading.inside, "a packet of RT in one FLIT", "one that goes on in another")
        first, heads, clean = reading.read(bytes(flit.payload))
        judge("R-FLT-031", flit.first_off == first, f"first_off {first}", f"{flit.first_off}")
        judge("R-FLT-032", clean, "zeros behind the last packet", "something else")
        for head in heads:
            if len(head) > 2:
                judge("R-FLT-030", head[2] >> 4 == flit.vc, f"packets of channel {flit.vc}", f"one of {head[2] >> 4}")
                resync = head[1] == PacketType.VC_RESYNC
                judge("R-FLT-056", not resync, "VC_RESYNC in a CONTROL FLIT", "in a DATA FLIT")
                if head[1] == PacketType.LINK_PARAMS and head[0] & _RSP and head[3:4] == b"\0":
                    self.answered = True

    # ── The sideband ──

    def record(self, data: bytes) -> None:
        """A sideband record of the implementation's."""
        try:
            decode_sideband(data)
        except DecodeError as error:
            self._ledger.charge("R-FLT-062", "a legal sideband record", str(error))
        else:
            self._ledger.keep("R-FLT-062")


def _name(kind: int) -> str:
    return str(getattr(kind, "name", kind))
