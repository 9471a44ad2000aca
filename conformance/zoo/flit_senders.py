"""Specimens whose FLIT layer sends what it must not, or not what it must: each breaks one rule.

Plan: order and credit · what goes into which FLIT · epochs · all.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from msgspec import structs

from opalink.conformance.zoo.flit_specimens import Altering, FlitSpecimen
from opalink.conformance.zoo.specimen import CHANNEL, TYPE, Specimen
from opalink.protocol import codec
from opalink.protocol.codec import Flit
from opalink.protocol.flit import End
from opalink.protocol.flit.outgoing import Outbox, Outgoing, Rank
from opalink.protocol.flit.window import Window
from opalink.protocol.packets import (
    FlitKind,
    LinkParams,
    LinkParamsResponse,
    PacketType,
    TrainStatus,
    VcResync,
    VcResyncResponse,
    VirtualChannel,
)

# ── Order and credit ─────────────────────────────────────────────────────────────────────────────────


class _Spending(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        for channel in self._out.channels.values():
            channel.granted = 1 << 40

    def _grant(self, channel: Outgoing, cum: int) -> bool:  # noqa: ARG002
        return False


class IgnoresCredit(FlitSpecimen):
    """Sends whatever it has, credit or not."""

    causes = ("R-FLT-040",)
    selection = "MOD/FLT/CREDIT/BV-exhausted"
    layer = _Spending


class _Overdeep(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        self._window = Window(2 * ours.replay_depth)


class KeepsOnSending(FlitSpecimen):
    """Has twice as many FLITs unacknowledged as it said."""

    causes = ("R-FLT-013",)
    selection = "MOD/FLT/REPLAY/BV-depth"
    layer = _Overdeep


class _Resigned(End):
    def _grant(self, channel: Outgoing, cum: int) -> bool:
        return not channel.stalled and super()._grant(channel, cum)


class NeverGoesOn(FlitSpecimen):
    """Sends nothing more on a channel that has once waited for credit."""

    causes = ("R-FLT-041",)
    selection = "MOD/FLT/CREDIT/BV-exhausted"
    layer = _Resigned


class _Forgetful(End):
    def _replay(self, flits: list[bytes], now: int) -> bool:  # noqa: ARG002
        while self._window.pop_again() is not None:
            pass
        return False


class DropsReplay(FlitSpecimen):
    """Sends nothing again."""

    causes = ("R-FLT-017",)
    selection = "MOD/FLT/REPLAY/TI-again"
    layer = _Forgetful


class _Skipping(End):
    def resync(self, peer: VcResync | VcResyncResponse, now: int) -> bool:
        return super().resync(structs.replace(peer, last_rx_seq=self._window.last_seq), now)


class GoesOnElsewhere(FlitSpecimen):
    """Goes on after VC_RESYNC as if everything had arrived."""

    causes = ("R-FLT-058",)
    selection = "MOD/FLT/RESYNC/BV-from"
    layer = _Skipping


class _LastRealTime(Outbox):
    def __init__(self, channels: Iterable[Outgoing]) -> None:
        held = [*channels]
        for channel in held:
            if channel.vc == VirtualChannel.RT:
                channel.rank = max(c.rank for c in held)
        super().__init__(sorted(held, key=lambda channel: channel.vc == VirtualChannel.RT))

    def pick(self, lowest: int) -> tuple[Outgoing, int, Rank] | None:
        """Of its rank the others first."""
        real_time = self.channels.get(VirtualChannel.RT)
        others = any(c.ready for c in self.channels.values() if c is not real_time)
        if real_time is not None and others:
            queue, real_time.queue = real_time.queue, deque()
            try:
                return super().pick(lowest)
            finally:
                real_time.queue = queue
        return super().pick(lowest)


class _Starving(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        self._reserve = 0
        self._out = _LastRealTime(self._out.channels.values())


class StarvesRealTime(FlitSpecimen):
    """Sends real-time packets when it has nothing else to send."""

    causes = ("R-FLT-046",)
    selection = "MOD/FLT/RANK"
    layer = _Starving


class _Silent(End):
    def _ask(self, *_: object) -> None:
        self._poll = None


class NeverAsks(FlitSpecimen):
    """Waits in silence for acknowledgement."""

    causes = ("R-FLT-020",)
    selection = "MOD/FLT/REPLAY/TI"
    layer = _Silent


# ── What goes into which FLIT ────────────────────────────────────────────────────────────────────────


class _Mixed(End):
    def put(self, packet: bytes, vc: int | None = None) -> None:
        event = vc is None and packet[CHANNEL] >> 4 == VirtualChannel.EVENT
        super().put(packet, VirtualChannel.CONTROL if event else vc)


class MixesChannels(FlitSpecimen):
    """Sends events in FLITs of another channel."""

    causes = ("R-FLT-030",)
    selection = "MOD/FLT/ORDER"
    layer = _Mixed


class _Splitting(End):
    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        if VirtualChannel.RT in self._out.channels:
            self._out.channels[VirtualChannel.RT].whole = False


class SplitsRealTime(FlitSpecimen):
    """Cuts packets of the channel RT wherever a FLIT ends."""

    causes = ("R-FLT-033", "R-TIM-001")
    selection = "MOD/FLT/PACKET/BV-real_time"
    layer = _Splitting


class _Ordinary(End):
    def put(self, packet: bytes, vc: int | None = None) -> None:
        if packet[TYPE] == PacketType.VC_RESYNC:
            self._out.channels[VirtualChannel.LINK].put(packet)
        else:
            super().put(packet, vc)


class ResyncsInData(FlitSpecimen):
    """Answers VC_RESYNC in a DATA FLIT."""

    causes = ("R-FLT-056",)
    selection = "MOD/FLT/RESYNC/BV-from"
    layer = _Ordinary


# ── Epochs ───────────────────────────────────────────────────────────────────────────────────────────


class _Premature(Altering):
    def alter(self, flit: Flit) -> Flit:
        early = set(self._out.channels) == {VirtualChannel.LINK} and flit.kind in (FlitKind.DATA, FlitKind.REPLAY)
        return structs.replace(flit, vc=VirtualChannel.CONTROL) if early else flit


class OpensEarly(FlitSpecimen):
    """Sends on another channel than LINK before LINK_PARAMS has been exchanged."""

    causes = ("R-FLT-052",)
    selection = "MOD/FLT/EPOCH/BV-by_laser"
    layer = _Premature


class _Impolite(End):
    def expect(self, ours: LinkParams | LinkParamsResponse, theirs: LinkParams | LinkParamsResponse) -> None:
        super().expect(ours, theirs)
        self._last_word = codec.encode(codec.event(TrainStatus()))

    def take(self, now: int, room: int) -> bytes:
        data = super().take(now, room)
        if self._armed is not None and self._last_word:
            self._out.channels[VirtualChannel.LINK].put(self._last_word)
            self._last_word = b""
            data += super().take(now, room)
        return data

    _last_word = b""


class HasTheLastWord(FlitSpecimen):
    """Sends one more DATA FLIT between its answer to LINK_PARAMS and the new epoch."""

    causes = ("R-FLT-053",)
    selection = "MOD/FLT/EPOCH/BV-by_laser"
    layer = _Impolite


class _Cool(End):
    @property
    def severity(self) -> int:
        return 0

    @severity.setter
    def severity(self, _: int) -> None:
        """Whatever it is, no FLIT says it."""


class KeepsItsCool(FlitSpecimen):
    """Says nothing of its heat in FLITs."""

    causes = ("R-PWR-015",)
    selection = "MOD/FLT/HEADER/BV-severity"
    layer = _Cool


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    IgnoresCredit, KeepsOnSending, NeverGoesOn, DropsReplay, GoesOnElsewhere, StarvesRealTime, NeverAsks, MixesChannels,
    SplitsRealTime, ResyncsInData, OpensEarly, HasTheLastWord, KeepsItsCool,
)  # fmt: skip
