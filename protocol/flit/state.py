"""What one end of the link remembers over an epoch, and how one begins.

Plan: parameters · the state · epochs · what is under way · times.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Final

from opalink.protocol.flit.incoming import Incoming, Order
from opalink.protocol.flit.outgoing import Outbox, Outgoing
from opalink.protocol.flit.window import MASK, Window
from opalink.protocol.packets import CounterId, LinkParams, LinkParamsResponse, Status, VcParams, VirtualChannel
from opalink.spec.form import US
from opalink.spec.limits import CHANNELS, PACKET_OVERHEAD, REPLAY_DEFAULT, REPLAY_MIN

Params = LinkParams | LinkParamsResponse
Count = Callable[[CounterId, int], None]

ROUND_TRIP: Final = 20 * US  # of a FLIT and its acknowledgement, where the slower direction runs at 1.3 GBd
SLOWEST: Final = 6  # an interval is doubled so often, at most
_COALESCE: Final = 8
_CONTROLS: Final = 4  # VC_RESYNC packets that may wait
_RESERVE: Final = 16  # FLITs of the window that only urgent channels may take

# ── Parameters ───────────────────────────────────────────────────────────────────────────────────────


def parameters(epoch: int = 0, *, depth: int = REPLAY_DEFAULT, credit: int = 1) -> LinkParams:
    """What a side grants that takes every channel: `credit` times the least room of each."""
    rows = tuple(VcParams(c.value, min(c.credits_min * credit, MASK), c.payload_max) for c in CHANNELS)
    return LinkParams(replay_depth=depth, ack_coalesce=_COALESCE, epoch=epoch, channels=rows)


def least(epoch: int = 0) -> LinkParams:
    """What holds before LINK_PARAMS has been exchanged: the channel LINK with its least room, and no other."""
    rows = tuple(VcParams(c.value, c.credits_min, c.payload_max) for c in CHANNELS if c.value == VirtualChannel.LINK)
    return LinkParams(replay_depth=REPLAY_MIN, ack_coalesce=1, epoch=epoch, channels=rows)


def _ignore(_what: CounterId, _now: int) -> None: ...


# ── The state ────────────────────────────────────────────────────────────────────────────────────────


class State:
    """Of one end: see `End`."""

    def __init__(
        self, *, count: Count = _ignore, weights: Mapping[int, int] | None = None, round_trip: int = ROUND_TRIP
    ) -> None:
        if weights and min(weights.values()) < 1:
            raise ValueError("the weight of a channel must be 1 or more")
        self.faults: set[Status] = set()
        self.lost: Counter[int] = Counter()
        self.peer_corrected = self.peer_severity = 0  # as the peer's last FLIT says
        self.corrected = self.severity = 0  # as the next FLIT says; `corrected` is told once
        self._count, self._weights, self._interval = count, weights or {}, round_trip
        self._now = 0
        self._armed: tuple[Params, Params] | None = None
        self._out, self._window = Outbox(()), Window(0)
        self._start(least(), least())

    # ── Epochs ──

    def begin(self, ours: Params, theirs: Params) -> None:
        """A new epoch, in which each side grants what its parameters say; both carry its number. Packets that
        have not left whole go whole in it; those that have, and are not confirmed, are counted in `lost`."""
        waiting = {vc: [*channel.queue] for vc, channel in self._out.channels.items() if channel.queue}
        for vc, packet in self._later:
            waiting.setdefault(vc, []).append(packet)
        for vc, ends in self._ends.items():
            self.lost[vc] += len(ends)
        self._start(ours, theirs)
        for vc, packets in waiting.items():
            if vc in self._out.channels:
                for packet in packets:
                    self._out.channels[vc].put(packet)
            else:
                self.lost[vc] += len(packets)
        self.lost += Counter()  # drops zeros

    def expect(self, ours: Params, theirs: Params) -> None:
        """The same, as soon as the peer's first FLIT of the new epoch arrives. Until then the answer that says so still
        leaves in the old one, and whatever else is put waits."""
        self._armed = ours, theirs

    def _start(self, ours: Params, theirs: Params) -> None:
        self.epoch = ours.epoch
        self._parity = ours.epoch & 1
        self._armed = None
        self._later: list[tuple[int, bytes]] = []  # what waits for the epoch that is expected, by channel
        self._suspended = False
        self._coalesce = ours.ack_coalesce
        self._out = Outbox(
            Outgoing(row.vc, row.credits, row.mtu + PACKET_OVERHEAD, self._weights.get(row.vc, 1))
            for row in theirs.channels
        )
        self._window = Window(ours.replay_depth)
        self._reserve = min(_RESERVE, ours.replay_depth // 4)
        self._ends: dict[int, deque[int]] = {vc: deque() for vc in self._out.channels}
        self._controls: deque[bytes] = deque(maxlen=_CONTROLS)
        self._in = {row.vc: Incoming(row.vc, row.credits, row.mtu + PACKET_OVERHEAD) for row in ours.channels}
        self._order = Order(theirs.replay_depth, self._interval)
        self._owed = 0  # FLITs received and not acknowledged
        self._answer: int | None = None  # when the peer is told, at the latest
        self._poll: int | None = None  # when the peer is asked
        self._polls = 0
        self._nak = False
        self._alone: deque[int] = deque()  # sequence numbers to be asked for alone
        self._news: dict[int, None] = {}  # channels whose credit the peer has not been told
        self._telling = next(iter(self._in.values()), None)
        self._steady: tuple[tuple[int, ...], bytes] = (), b""

    # ── What is under way ──

    def _confirm(self) -> None:
        """Forget the packets that have arrived."""
        first = self._window.first
        for ends in self._ends.values():
            while ends and ends[0] < first:
                ends.popleft()

    def _grant(self, channel: Outgoing, cum: int) -> bool:
        """Take a channel's credit, unless it is more than its room or older than what is known."""
        granted = channel.granted + (cum - channel.granted & MASK)
        if granted == channel.granted or granted - channel.sent > channel.credit:
            return False
        channel.granted, channel.stalled = granted, False
        return True

    # ── Times ──

    def _wait(self, now: int) -> None:
        self._poll = now + (self._interval << self._polls)

    def _answer_by(self, time: int) -> None:
        self._answer = time if self._answer is None else min(self._answer, time)

    def _progress(self, now: int) -> None:
        self._polls = 0
        if len(self._window) or self._out.stalled:
            self._wait(now)
        else:
            self._poll = None
