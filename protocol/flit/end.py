"""One end of the laser link: packets in, FLITs out; FLITs in, packets out.

    >>> from opalink.protocol import codec, packets
    >>> from opalink.protocol.flit import End, parameters
    >>> phone, module = End(), End()
    >>> for end in (phone, module):
    ...     end.begin(parameters(), parameters())
    >>> phone.put(codec.encode(codec.request(packets.Keepalive(), txn=7)))
    >>> [codec.decode(packet).txn for packet in module.receive(0, phone.take(0, 16))]
    [7]

No socket, no thread, no clock: whoever drives it says what time it is, asks for as many FLITs as the line takes until
it looks again, and looks again when something arrives or `deadline` has come. A batch is what has left: a real-time
packet enters the first FLIT of the next one.

A FLIT that carries packets is held until the peer has acknowledged it. While some are held, or a channel waits for
credit, an IDLE FLIT goes out at growing intervals and the peer answers it: whatever was lost, one of them shows it.
When both sides have everything, the line is silent.

Plan: the end · resynchronisation. Its halves are in `sending` and `receiving`, what both share in `state`.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from opalink.protocol.flit.receiving import Receiving
from opalink.protocol.flit.sending import Sending
from opalink.protocol.flit.window import MASK
from opalink.protocol.packets import VcPosition, VcResync, VcResyncResponse

Position = VcResync | VcResyncResponse
Form = TypeVar("Form")


class End(Sending, Receiving):
    """One side's FLIT layer.

    `count` is told of every event of the counters' FLIT chapter with its time, and of BAD_LENGTH where a packet does
    not end where it should. `faults` collects what calls for a recovery of the link (CREDIT_VIOLATION,
    REPLAY_EXHAUSTED, SEQ_GAP); `lost`, by channel, how many packets an epoch's end left unconfirmed: they may have
    arrived or not. Whoever drives the end clears both. Times are nanoseconds.
    """

    # ── Resynchronisation ──

    def suspend(self) -> None:
        """The link is in RECOVERY: until `resync` or `begin` nothing leaves but VC_RESYNC and empty FLITs."""
        self._suspended = True

    def position(self, form: Callable[..., Form], last_txn: Mapping[int, int] | None = None) -> Form:
        """Where this side stands, as VcResync or VcResyncResponse; `last_txn` by channel is the packet layer's."""
        txn = last_txn or {}
        rows = []
        for vc in sorted({*self._in, *self._out.channels}):
            sent = self._out.channels[vc].sent if vc in self._out.channels else 0
            freed = self._in[vc].freed if vc in self._in else 0
            rows.append(VcPosition(vc, sent & MASK, freed & MASK, txn.get(vc, 0)))
        return form(epoch=self.epoch, last_rx_seq=self._order.last_seq, channels=tuple(rows))

    def resync(self, peer: Position, now: int) -> bool:
        """Go on from where the peer says that it stands. False where no way leads on from there: it speaks of another
        epoch, or lacks a FLIT that is no longer held; then only a new epoch helps."""
        if peer.epoch != self.epoch or not self._window.resume(peer.last_rx_seq):
            return False
        self._confirm()
        for row in peer.channels:
            if row.vc in self._in and not self._plausible(row.sent_cum - self._in[row.vc].received):
                return False
            if row.vc in self._out.channels:
                channel = self._out.channels[row.vc]
                self._grant(channel, channel.credit + row.freed_cum)
        self._order.ask_again(now)
        self._suspended = False
        self._progress(now)
        return True

    def _plausible(self, ahead: int) -> bool:
        """Whether the peer can have sent so many more FLITs than have come; an answer that is repeated is old."""
        return abs((ahead + 0x8000 & MASK) - 0x8000) <= self._order.depth
