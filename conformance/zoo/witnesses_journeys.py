"""Specimens that go wrong only where one thing happens in the middle of another, one for each scenario of `journeys`.

What each does by itself is right, so that no test of one packet in one state sees anything.

Plan: taken off · knocked and starved · at odds · all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from opalink.conformance.zoo import witnesses_journeys_late
from opalink.conformance.zoo.specimen import TYPE, Specimen, decoded, is_request, is_response, rewritten, txn_of
from opalink.protocol.codec import Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import (
    ControlEvent,
    DescRead,
    DescReadResponse,
    FrameLeader,
    FwPull,
    Lane,
    OpenTransaction,
    OperationTag,
    Outcome,
    PacketType,
    PwrBudgetResponse,
    PwrFault,
    ResetKind,
    StackReport,
    StateGetResponse,
)
from opalink.spec.form import MS

_FRAME = (PacketType.FRAME_LEADER, PacketType.FRAME_BLOCK, PacketType.FRAME_TRAILER)


class _Forgetful(Specimen):
    """A cold start forgets what has happened to it, as the loss of all power does."""

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        if kind is ResetKind.COLD:
            for name in {n for n in vars(self) if n.startswith("_")}:
                delattr(self, name)  # what the class says holds again
        super().reset(kind, seed, now)


# ── Taken off ────────────────────────────────────────────────────────────────────────────────────────


class _Haunted(_Forgetful):
    """Sends the leader of a frame that its removal interrupted once more in the session after."""

    causes = ("R-CAP-013",)
    queued = False  # whether the frame is of a request
    _asked = False
    _leader: Departure | None = None  # of the frame under way
    _ghost: Departure | None = None

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        self._asked |= is_request(data) and data[TYPE] == PacketType.CAPTURE_QUEUE
        return super().hears(data, lane)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if operation.tag == OperationTag.DETACH:
            self._ghost = self._leader if self._asked is self.queued else None
            self._leader, self._asked = None, False
        return super().operate(operation, now)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is not None and isinstance(packet.body, FrameLeader):
            self._leader = d
        if self._ghost is None or not is_response(d.data) or d.data[TYPE] != PacketType.STREAM_CONTROL:
            return (d,)
        ghost, self._ghost = structs.replace(self._ghost, time=d.time + 20 * MS), None
        return (d, ghost)


class HauntedByStill(_Haunted):
    """Sends the leader of a still that its removal interrupted once more in the session after."""

    selection = "MOD/CAP/REMOVAL/BV-still"
    queued = True


class HauntedByVideo(_Haunted):
    """Sends the leader of a frame of a video that its removal interrupted once more in the session after."""

    selection = "MOD/CAP/REMOVAL/BV-video"


class Optimistic(_Forgetful):
    """Goes on pulling an update where loss of power had cut it off."""

    causes = ("R-SEC-012",)
    selection = "MOD/SEC/FW/BV-every_block"
    _reached = 0
    _goes_on = False

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if operation.tag == OperationTag.DETACH:
            self._goes_on = self._reached > 0
        return super().operate(operation, now)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, FwPull) or packet.rsp:
            return (d,)
        if self._goes_on:
            self._goes_on = False
            return (rewritten(d, packet, offset=self._reached),)
        self._reached = packet.body.offset
        return (d,)


# ── Knocked and starved ──────────────────────────────────────────────────────────────────────────────


class Disheartened(_Forgetful):
    """Sends no frame any more once its link was lost for the fourth time."""

    causes = ("R-FRM-003",)
    selection = "MOD/CAP/KNOCK/BV-video"
    _knocks = 0

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self._knocks += operation.tag == OperationTag.LANE_DOWN
        return super().operate(operation, now)

    def says(self, d: Departure) -> Iterable[Departure]:
        return () if self._knocks >= 4 and d.data[TYPE] in _FRAME else (d,)


class Stunned(_Forgetful):
    """Never answers a FOCUS_MOVE that was under way when its voltage fell."""

    causes = ("R-WIRE-023",)
    selection = "MOD/LEN/FOCUS/BV-brown_out"
    _fell = False

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        self._fell |= packet is not None and isinstance(packet.body, PwrFault)
        return () if self._fell and is_response(d.data) and d.data[TYPE] == PacketType.FOCUS_MOVE else (d,)


class Thirsty(_Forgetful):
    """Means to draw as much as ever from the third budget on that it is given."""

    causes = ("R-PWR-002",)
    selection = "MOD/PWR/BUDGET/BV-video"
    _budgets = 0

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, PwrBudgetResponse):
            return (d,)
        self._budgets += 1
        return (rewritten(d, packet, power=0xFFFF) if self._budgets >= 3 else d,)


# ── At odds ──────────────────────────────────────────────────────────────────────────────────────────


class Absorbed(_Forgetful):
    """Does not notice its ring while it carries out a FOCUS_MOVE."""

    causes = ("R-LEN-021",)
    selection = "MOD/LEN/OWNER/BV-duel"
    _moves = 0

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        self._moves += is_request(data) and data[TYPE] == PacketType.FOCUS_MOVE
        return super().hears(data, lane)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        return () if self._moves > 4 and packet is not None and isinstance(packet.body, ControlEvent) else (d,)


class Reserved(_Forgetful):
    """Says nothing of a change of its stack to whoever is in the middle of reading its descriptor."""

    causes = ("R-MGT-017",)
    selection = "MOD/MGT/DESC_READ/BV-under_way"
    _at = 0  # the byte behind the last that was read
    _reading = False

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        packet = decoded(data)
        if packet is not None and isinstance(packet.body, DescRead):
            self._at = packet.body.offset
        return super().hears(data, lane)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is not None and isinstance(packet.body, DescReadResponse):
            self._reading = self._at + len(packet.body.data) < packet.body.total
        report = packet is not None and isinstance(packet.body, StackReport)
        return () if report and self._reading else (d,)


class Attached(_Forgetful):
    """Keeps a FOCUS_MOVE open that was under way when RESET came."""

    causes = ("R-ATT-009",)
    selection = "MOD/ATT/RESET/BV-busy"
    _move = 0
    _kept = 0

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        if is_request(data) and data[TYPE] == PacketType.FOCUS_MOVE:
            self._move = txn_of(data)
        if is_request(data) and data[TYPE] == PacketType.RESET:
            self._kept = self._move
        return super().hears(data, lane)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if not self._kept or packet is None or not isinstance(packet.body, StateGetResponse):
            return (d,)
        return (rewritten(d, packet, open=(*packet.body.open, OpenTransaction(self._kept))),)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    HauntedByStill, HauntedByVideo, Optimistic, Disheartened, Stunned, Thirsty, Absorbed, Reserved, Attached,
    *witnesses_journeys_late.ALL,
)  # fmt: skip
