"""Specimens that break the rules of repair, and of stills that are held, one each.

Plan: blocks that are sent again · answers · stills that are held · all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import Specimen, decoded, rewritten
from opalink.conformance.zoo.witness import Change, answering, saying
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module.stills import Stills
from opalink.protocol.packets import BlockFate, BlockFlags, Lane, OperationTag, Outcome, PacketType, ResetKind

_STANDALONE: Final = "standalone"

# ── Blocks that are sent again ───────────────────────────────────────────────────────────────────────


def _again(change: Change) -> Change:
    """The change of blocks that are sent again."""
    return lambda body: change(body) if body.flags & BlockFlags.RESENT else body


_AGAIN: Final = (
    saying(
        "Original", "Sends blocks again and does not mark them.", "R-FRM-014", "MOD/FRM/NAK/BV-resent",
        p.FrameBlock, _again(lambda body: structs.replace(body, flags=body.flags & ~BlockFlags.RESENT)),
    ),
    saying(
        "Improved", "Sends blocks again with other data.", "R-FRM-017", "MOD/FRM/NAK/BV-resent",
        p.FrameBlock, _again(lambda body: structs.replace(body, data=bytes(len(body.data)))),
    ),
    saying(
        "Promised", "Says that blocks are coming again, and sends none.", "R-FRM-016", "MOD/FRM/NAK/BV-resent",
        p.FrameBlock, _again(lambda _: None),
    ),
)  # fmt: skip

# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────


class _Forgets(Specimen):
    """Says that blocks of some frames are gone. Stills and frames of a video have their numbers from one count."""

    plan = Plan.CI
    stills: bool

    def __init__(self) -> None:
        super().__init__()
        self._numbers: set[int] = set()  # of the frames that it forgets
        self._asked = 0

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._numbers.clear()
        super().reset(kind, seed, now)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        packet = decoded(data)
        if packet is not None and isinstance(packet.body, p.BlockNak):
            self._asked = packet.body.frame
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is not None and isinstance(packet.body, p.FrameLeader):
            if bool(packet.body.kind & p.FrameFlags.STILL) is self.stills:
                self._numbers.add(packet.body.frame)
        elif packet is not None and isinstance(packet.body, p.BlockNakResponse) and self._asked in self._numbers:
            gone = p.RangeAnswer(BlockFate.GONE, Status.BLOCK_GONE)
            return (rewritten(d, packet, answers=(gone,) * len(packet.body.answers)),)
        return (d,)


class ForgetsFrames(_Forgets):
    """Holds nothing of a frame of a video once it is sent."""

    causes = ("R-FRM-018",)
    selection = "MOD/FRM/NAK/BV-resent"
    stills = False


class ForgetsStills(_Forgets):
    """Holds nothing of a still once it is sent."""

    causes = ("R-FRM-029",)
    selection = "MOD/FRM/NAK/BV-still"
    stills = True


_ANSWERS: Final = (
    saying(
        "Curt", "Answers one range less than it is asked for, if those are more than one.", "R-FRM-015",
        "MOD/FRM/NAK/BV-many", p.BlockNakResponse,
        lambda body: structs.replace(body, answers=body.answers[1:] or body.answers),
    ),
)  # fmt: skip

# ── Stills that are held ─────────────────────────────────────────────────────────────────────────────


class Volatile(Specimen):
    """Loses the stills that were taken while it was detached when it is attached."""

    causes = ("R-FRM-026",)
    plan = Plan.CI
    selection = "MOD/FRM/STORE/BV-pages"
    profile = _STANDALONE

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        if operation.tag == OperationTag.ATTACH:
            self.inner.part(Stills).store.clear()
        return super().operate(operation, now)


class Circling(Specimen):
    """Lists its stills again and again, from whichever it is to go on."""

    causes = ("R-FRM-024",)
    plan = Plan.CI
    selection = "MOD/FRM/STORE/BV-pages"
    profile = _STANDALONE
    _page: tuple[p.StoredFrame, ...] = ()

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        if packet is None or not isinstance(packet.body, p.StoreListResponse):
            return (d,)
        self._page = packet.body.stills or self._page
        return (rewritten(d, packet, stills=self._page),)


_HELD: Final = (
    saying(
        "Reversed", "Lists its stills from the youngest to the oldest.", "R-FRM-024", "MOD/FRM/STORE/BV-pages",
        p.StoreListResponse, lambda body: structs.replace(body, stills=body.stills[::-1]), _STANDALONE,
    ),
    answering(
        "Denying", "Says of a still of which a block is gone that it never was.", "R-FRM-061", "MOD/FRM/FETCH/BI-gone",
        PacketType.FRAME_FETCH, Status.NO_SUCH_ID, Status.BLOCK_GONE, _STANDALONE,
    ),
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    *_AGAIN, ForgetsFrames, ForgetsStills, *_ANSWERS, Volatile, Circling, *_HELD,
)  # fmt: skip
