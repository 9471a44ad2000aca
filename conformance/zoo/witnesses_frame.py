"""Specimens that break the rules of capture and frames, one each: what a stream promises, leaders, blocks, trailers,
and what goes with a frame.

Plan: capture · leaders · blocks · trailers and what goes with them · all.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastcrc import crc32
from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import (
    CHANNEL,
    CRC,
    PAYLOAD,
    TIME,
    TYPE,
    Specimen,
    decoded,
    is_response,
    load,
    put,
    rewritten,
)
from opalink.conformance.zoo.witness import hearing, saying
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Packet, Status, Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import (
    BlockFlags,
    FrameResult,
    Lane,
    PacketType,
)
from opalink.spec.form import MS

_STREAM: Final = "MOD/CAP/FIRST/TI-warm or MOD/CAP/STREAM/BV-pause"  # some frames of a stream


def _of(d: Departure, kind: type) -> Packet | None:
    """An event of the module's around a value class, if it is one."""
    packet = None if is_response(d.data) else decoded(d.data)
    return packet if packet is not None and type(packet.body) is kind else None


# ── Capture ──────────────────────────────────────────────────────────────────────────────────────────


def _one_number(body: Any) -> Any:
    return structs.replace(body, modes=tuple(structs.replace(m, mode=body.modes[0].mode) for m in body.modes))


def _any_rate(body: Any) -> Any:
    return structs.replace(body, streams=tuple(structs.replace(s, min_rate=0) for s in body.streams))


_CAPTURE: Final = (
    hearing(
        "Sluggish", "Sets streams up whatever rate they are to have at least.", "R-CAP-004",
        "MOD/CAP/CONFIGURE/BI-rate", p.StreamConfigure, _any_rate,
    ),
    saying(
        "Torrential", "Sends a thousand times the frame data that it answered it would.", "R-CAP-005", _STREAM,
        p.StreamConfigureResponse, lambda body: structs.replace(body, bandwidth=body.bandwidth // 1000),
    ),
    saying(
        "Interchangeable", "Gives all its modes one number.", "R-CAP-022", "MOD/CAP/MODES/CA-modes",
        p.ModeTableResponse, _one_number,
    ),
)  # fmt: skip

# ── Leaders ──────────────────────────────────────────────────────────────────────────────────────────


class Belated(Specimen):
    """Sends the leader of a frame after its first block."""

    causes = ("R-FRM-001",)
    plan = Plan.CI
    selection = "MOD/CAP/FIRST/TI-warm"
    _kept: Departure | None = None

    def says(self, d: Departure) -> Iterable[Departure]:
        if (packet := _of(d, p.FrameLeader)) and not packet.body.kind & p.FrameFlags.STORED:
            self._kept = d
            return ()
        if self._kept is None or d.data[TYPE] != PacketType.FRAME_BLOCK:
            return (d,)
        kept, self._kept = self._kept, None
        return (d, kept)


class Crabwise(Specimen):
    """Gives each two frames that follow each other their numbers the wrong way round."""

    causes = ("R-FRM-004",)
    plan = Plan.CI
    selection = "MOD/CAP/PATTERN/BV-samples"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        packet = decoded(data)
        if packet is None or not isinstance(packet.body, p.BlockNak):
            return data
        body = structs.replace(packet.body, frame=(packet.body.frame ^ 1) - 1 & (1 << 64) - 1)
        return codec.encode(structs.replace(packet, body=body))

    def says(self, d: Departure) -> Iterable[Departure]:
        for kind in (p.FrameLeader, p.FrameTrailer, p.PdafData, p.Stats):
            if packet := _of(d, kind):
                return (rewritten(d, packet, frame=_swapped(packet.body.frame)),)
        if packet := _of(d, p.FrameBlock):
            return (rewritten(d, packet, frame_lo=_swapped(packet.body.frame_lo)),)
        return (d,)


def _swapped(number: int) -> int:
    """3 2 5 4 7 6 for 1 2 3 4 5 6."""
    return (number + 1) ^ 1


class Steadfast(Specimen):
    """Tells of every frame of a video the exposure of its first, whatever was set since."""

    causes = ("R-PROP-001",)
    plan = Plan.CI
    selection = "MOD/CAP/SETTING/BV-latency"
    _first: Tlv | None = None

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = _of(d, p.FrameLeader)
        if packet is None or packet.body.kind & p.FrameFlags.STILL:
            return (d,)
        told = packet.body.settings
        self._first = self._first or next(t for t in told if t.tag == p.PropertyTag.EXPOSURE)
        settings = tuple(self._first if t.tag == p.PropertyTag.EXPOSURE else t for t in told)
        return (rewritten(d, packet, settings=settings),)


_LEADERS: Final = (
    saying(
        "OutOfDate", "Gives as the start of an exposure its end.", "R-FRM-010", "MOD/CAP/EXPOSURE/BV-first_row",
        p.FrameLeader, lambda body: structs.replace(body, t_first_row=body.t_first_row + body.exposures[0].time),
    ),
    saying(
        "Discreet", "Does not tell with which gain a frame was taken.", "R-FRM-011", _STREAM,
        p.FrameLeader, lambda body: structs.replace(
            body, settings=tuple(t for t in body.settings if t.tag != p.PropertyTag.GAIN)
        ),
    ),
    saying(
        "Underfilled", "Announces blocks longer than it fills them.", "R-FRM-006", _STREAM,
        p.FrameLeader, lambda body: structs.replace(body, block_bytes=body.block_bytes - 1),
    ),
)  # fmt: skip

# ── Blocks ───────────────────────────────────────────────────────────────────────────────────────────


class Overflowing(Specimen):
    """Sends a block more of a frame than it announced, and minds it in the CRC."""

    causes = ("R-FRM-007",)
    plan = Plan.CI
    selection = "MOD/CAP/FIRST/TI-warm"
    _leader: p.FrameLeader | None = None  # of the frame under way
    _data = b""

    def says(self, d: Departure) -> Iterable[Departure]:
        if packet := _of(d, p.FrameLeader):
            self._data = b""
            self._leader = None if packet.body.kind & p.FrameFlags.STORED else packet.body
        elif self._leader is None:
            return (d,)
        elif (packet := _of(d, p.FrameTrailer)) and packet.body.result == FrameResult.COMPLETE:
            return (rewritten(d, packet, frame_crc=crc32.iscsi(self._data)),)
        elif (packet := _of(d, p.FrameBlock)) and not packet.body.flags & BlockFlags.RESENT:
            self._data += bytes(packet.body.data)
            if packet.body.flags & BlockFlags.LAST:
                more = bytes(self._leader.block_bytes)
                self._data += more
                return d, rewritten(d, packet, block=packet.body.block + 1, flags=BlockFlags(0), data=more)
        return (d,)


class Astray(Specimen):
    """Sends every fourth block of the first stream on the channel of the second."""

    causes = ("R-FRM-009",)
    plan = Plan.CI
    selection = "MOD/CAP/FIRST/TI-warm"

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = _of(d, p.FrameBlock)
        if packet is None or packet.body.block % 4 != 3:
            return (d,)
        return (structs.replace(d, data=put(d.data, CHANNEL, bytes([d.data[CHANNEL] + 0x10]))),)


class Void(Specimen):
    """Sends the last block of a frame without data. What does not decode is a violation by itself."""

    causes = ("FRAME_BLOCK.event.data.cap.sent", "R-WIRE-024")
    plan = Plan.CI
    selection = "MOD/CAP/FIRST/TI-warm"

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = _of(d, p.FrameBlock)
        if packet is None or not packet.body.flags & BlockFlags.LAST:
            return (d,)
        fields = d.data[PAYLOAD : CRC - len(packet.body.data)]
        return (structs.replace(d, data=load(d.data, fields)),)


def _unmarked(body: Any) -> Any:
    return structs.replace(body, flags=body.flags & ~BlockFlags.LAST)


_BLOCKS: Final = (
    saying(
        "Endless", "Does not mark the last block of a frame.", "R-FRM-013", "MOD/CAP/FIRST/TI-warm",
        p.FrameBlock, _unmarked,
    ),
)  # fmt: skip

# ── Trailers and what goes with them ─────────────────────────────────────────────────────────────────


class Trailing(Specimen):
    """Sends the statistics of a frame after its trailer."""

    causes = ("R-FRM-021",)
    plan = Plan.CI
    selection = "MOD/CAP/FIRST/TI-warm or MOD/CAP/STREAM/BV-pause"
    _kept: Departure | None = None

    def says(self, d: Departure) -> Iterable[Departure]:
        if _of(d, p.Stats):
            self._kept = d
            return ()
        trailer = _of(d, p.FrameTrailer)
        if trailer is None or self._kept is None:
            return (d,)
        stamp = (trailer.t_ns + MS).to_bytes(8, "little")
        late = structs.replace(self._kept, time=d.time + MS, data=put(self._kept.data, TIME, stamp))
        self._kept = None
        return (d, late)


def _reason(of: Status, instead: Status) -> Any:
    """The change of the reason that trailers give."""
    return lambda body: structs.replace(body, reason=instead) if body.reason == of else body


_TRAILERS: Final = (
    saying(
        "Checkless", "Sends another CRC of a frame than its blocks have.", "R-FRM-005", "MOD/CAP/FIRST/TI-warm",
        p.FrameTrailer, lambda body: structs.replace(body, frame_crc=body.frame_crc ^ 1),
    ),
    saying(
        "Unaccountable", "Gives no reason for a frame that a lost link has cut off.", "R-FRM-012",
        "MOD/CAP/KNOCK/BV-video", p.FrameTrailer, _reason(Status.LINK_LOST, Status.OK),
    ),
    saying(
        "Evading", "Gives another reason than FRAME_DROPPED for a frame that it cannot go on with.", "R-FRM-060",
        "MOD/FRM/TRAILER/BV-dropped", p.FrameTrailer, _reason(Status.FRAME_DROPPED, Status.BLOCK_GONE),
    ),
    saying(
        "Porous", "Leaves a point of its grid of phase data out.", "R-FRM-020", "MOD/CAP/FIRST/TI-warm",
        p.PdafData, lambda body: structs.replace(body, points=body.points[:-1]),
    ),
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    *_CAPTURE, Belated, Crabwise, Steadfast, *_LEADERS, Overflowing, Astray, Void, *_BLOCKS, Trailing, *_TRAILERS,
)  # fmt: skip
