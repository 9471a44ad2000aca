"""The watch over frames: leaders, blocks, trailers, and what goes with a frame.

What arrives first need not have left first: a trailer's channel has a higher rank than the blocks', so a bench that
keeps ranks lets it overtake them. Between channels, order is therefore judged by the stamps of the headers; within one
nothing overtakes, and a block of the next frame says that those of the frame before have all come.

Plan: a frame · the watch: leaders, blocks, trailers, what goes with a frame.
"""

from collections import deque
from typing import Any, ClassVar, Final

from fastcrc import crc32

from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.watches import Watch
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import BlockFlags, FrameResult, PropertyTag
from opalink.spec.form import SECOND

# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────

SETTINGS = {
    PropertyTag.EXPOSURE: "SENSOR",
    PropertyTag.GAIN: "SENSOR",
    PropertyTag.APERTURE: "APERTURE_MOTOR",
    PropertyTag.FOCUS_POSITION: "FOCUS_MOTOR",
    PropertyTag.NEUTRAL_DENSITY: "ND_MOTOR",
    PropertyTag.FOCAL_LENGTH: "ZOOM_MOTOR",
    PropertyTag.OIS_MODE: "OIS",
    PropertyTag.STACK_GENERATION: "STACK",
}
_STREAM0 = 8
_HELD: Final = 4  # frames of which blocks wait for earlier ones
_KNOWN: Final = 4096  # frames whose leaders are remembered


class Frame:
    """A frame of which the leader has come."""

    def __init__(self, leader: Any, stored: bool) -> None:
        self.leader, self.stored = leader, stored
        self.blocks = 0  # that have come
        self.last = -1
        self._crc = 0  # of all blocks before the next
        self._next = 0
        self.ahead: dict[int, bytes] = {}  # blocks behind one that has not come
        self.wanted: set[int] = set()  # that the tester has asked for again
        self.stamp = 0  # of the last block
        self.trailer: Any = None
        self.ended = 0  # stamp of its trailer
        self.holed = False  # whether blocks are not known: lost with the link, or come before their leader
        self.forgotten = False  # what was ahead, so that nobody knows its CRC

    @property
    def whole(self) -> bool:
        """Whether all that its trailer says was sent has come."""
        return self.trailer is not None and self.blocks >= self.trailer.blocks - self.trailer.missing

    def add(self, number: int, data: bytes) -> None:
        """A block has come. Of a frame of 8K nobody keeps more than waits for an earlier block."""
        if number < self._next or number in self.ahead:
            return  # a second one, which is charged
        self.blocks += 1
        self.ahead[number] = data
        while (following := self.ahead.pop(self._next, None)) is not None:
            self._crc = crc32.iscsi(following, self._crc)
            self._next += 1

    def forget(self) -> None:
        self.forgotten = self.forgotten or bool(self.ahead)
        self.ahead.clear()

    @property
    def crc(self) -> int:
        """Of what has come, in the order of the blocks."""
        return crc32.iscsi(b"".join(self.ahead[n] for n in sorted(self.ahead)), self._crc)


class Frames(Watch):
    """Leaders, blocks and trailers; what goes with a frame."""

    hears: ClassVar = {
        p.FrameLeader: "leader",
        p.FrameBlock: "block",
        p.FrameTrailer: "trailer",
        p.PdafData: "phase",
        p.Stats: "statistics",
        p.StreamConfigureResponse: "configured",
        p.HelloResponse: "greeted",
        p.LinkEvent: "lost",
    }

    def begin(self) -> None:
        self._now: dict[int, Frame] = {}  # by stream: the frame that blocks belong to
        self._low: dict[tuple[int, int], Frame] = {}  # by stream and low 32 bits
        self._early: dict[int, int] = {}  # by stream: the frame of the last block that came before its leader
        self._numbers: dict[int, int] = {}
        self._waiting: deque[Frame] = deque(maxlen=_KNOWN)  # whose trailer has come, and not all of their blocks
        self._held: deque[Frame] = deque()  # of which blocks wait for earlier ones
        self._rate: int | None = None  # bytes a second
        self._sent: deque[tuple[int, int, int]] = deque()  # when it came, its stamp, its bytes
        self._sum = 0

    def greeted(self, heard: Heard) -> None:
        resumed = heard.asked and isinstance(heard.asked.body, p.Hello) and heard.asked.body.resume_session
        if not resumed:
            self._now.clear()
            self._low.clear()
            self._numbers.clear()
            self._waiting.clear()

    def told(self, body: Any, time: int) -> None:  # noqa: ARG002
        if isinstance(body, p.BlockNak) and (frame := self._low.get((body.stream, body.frame & 0xFFFF_FFFF))):
            for span in body.ranges:
                frame.wanted.update(range(span.first, min(span.first + span.count, frame.leader.blocks)))

    def configured(self, heard: Heard) -> None:
        asked = heard.asked.body if heard.asked else None
        if isinstance(asked, p.StreamConfigure) and not asked.test_only:
            self._rate = heard.body.bandwidth * 1000 // 8
            self._sent.clear()
            self._sum = 0

    def leader(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        stored = bool(body.kind & p.FrameFlags.STORED)
        frame = Frame(body, stored)
        frame.holed = self._early.get(body.stream) == body.frame & 0xFFFF_FFFF
        self._now[body.stream] = frame
        self._low[body.stream, body.frame & 0xFFFF_FFFF] = frame
        if len(self._low) > _KNOWN:
            del self._low[next(iter(self._low))]
        if not stored:
            before = self._numbers.get(body.stream)
            if before is not None:
                m.judge("R-FRM-004", body.frame > before, f"above {before}", f"{body.frame}")
            self._numbers[body.stream] = body.frame
            wanted = {tag for tag, need in SETTINGS.items() if need in m.features}
            missing = wanted - {t.tag for t in body.settings}
            m.judge("R-FRM-011", not missing, "every setting it has", ", ".join(sorted(t.name for t in missing)))

    def block(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        stream = heard.packet.vc - _STREAM0 if heard.packet else 0
        frame = self._low.get((stream, body.frame_lo)) or self._of_another(body.frame_lo)
        m.judge("R-FRM-001", frame is not None, "a leader first", f"a block of frame {body.frame_lo}")
        if frame is None:
            self._early[stream] = body.frame_lo
            return
        leader, size = frame.leader, len(body.data)
        m.judge("R-FRM-009", leader.stream == stream, f"channel STREAM{leader.stream}", f"STREAM{stream}")
        m.judge("R-FRM-007", body.block < leader.blocks, f"below {leader.blocks}", f"{body.block}")
        last = bool(body.flags & BlockFlags.LAST)
        resent = bool(body.flags & BlockFlags.RESENT)
        final = last if leader.codec else body.block == leader.blocks - 1
        m.judge("R-FRM-006", final or size == leader.block_bytes, f"{leader.block_bytes} bytes", f"{size}")
        if not leader.codec:
            m.judge("R-FRM-013", last == final, "LAST on the last block", f"{body.block}")
        asked = body.block in frame.wanted
        again = asked and body.block <= frame.last
        m.judge("R-FRM-014", asked if resent else not again, "RESENT on repairs and no others", f"block {body.block}")
        if resent or again:
            return
        stamp = heard.packet.t_ns if heard.packet else 0
        before = frame.trailer is None or stamp <= frame.ended
        m.judge(
            "R-FRM-002", before, f"no block after the trailer of {frame.ended} ns", f"block {body.block} of {stamp}"
        )
        rising = body.block > frame.last or stamp < frame.stamp
        m.judge("R-FRM-008", rising, f"above {frame.last}", f"{body.block}")
        frame.last, frame.stamp = max(frame.last, body.block), max(frame.stamp, stamp)
        frame.add(body.block, body.data)
        if frame.ahead and frame not in self._held:
            self._held.append(frame)
            if len(self._held) > _HELD:
                self._held.popleft().forget()
        self._pace(heard.time, stamp, size)
        for other in tuple(self._waiting):
            if other.leader.stream == leader.stream and (other.whole or other.leader.frame < leader.frame):
                self._waiting.remove(other)
                self._sum_up(other)

    def _of_another(self, low: int) -> Frame | None:
        """A frame under way on another stream than the one on whose channel a block of it came."""
        return next((f for (_, n), f in self._low.items() if n == low and not f.whole), None)

    def _pace(self, time: int, stamp: int, size: int) -> None:
        """Blocks that were held up on their way come faster than they were sent: their stamps tell."""
        if self._rate is None:
            return
        self._sent.append((time, stamp, size))
        self._sum += size
        while self._sent[0][0] <= time - SECOND:
            self._sum -= self._sent.popleft()[2]
        total = self._sum
        if total > self._rate:
            total = sum(s for _, left, s in self._sent if left > stamp - SECOND)
        self.monitor.judge("R-CAP-005", total <= self._rate, f"at most {self._rate} B/s", f"{total} B/s")

    def _sum_up(self, frame: Frame) -> None:
        """Judge a frame's CRC: its blocks have come, or can no longer come."""
        if not frame.forgotten and (frame.whole or not frame.holed):
            told = frame.trailer.frame_crc
            self.monitor.judge("R-FRM-005", told == frame.crc, f"{frame.crc:#010x}", f"{told:#010x}")

    def lost(self, heard: Heard) -> None:
        """What was on its way when the link was lost does not come."""
        if heard.body.state != p.LinkState.L0:
            for frame in (*self._now.values(), *self._waiting):
                frame.holed = True

    def trailer(self, heard: Heard) -> None:
        m, body = self.monitor, heard.body
        frame = self._low.get((body.stream, body.frame & 0xFFFF_FFFF))
        m.judge("R-FRM-001", frame is not None, "a leader first", f"the trailer of frame {body.frame}")
        if body.result != FrameResult.COMPLETE:
            m.judge("R-FRM-012", body.reason != Status.OK, "a reason", "OK")
        if frame is None:
            return
        frame.trailer, frame.ended = body, heard.packet.t_ns if heard.packet else 0
        if frame.whole:
            self._sum_up(frame)
        else:
            self._waiting.append(frame)
        if body.result == FrameResult.COMPLETE:
            m.keep("R-FRM-002")

    def phase(self, heard: Heard) -> None:
        body = heard.body
        cells = body.grid_columns * body.grid_rows
        if body.kind == p.PhaseData.DISPARITY:
            self.monitor.judge("R-FRM-020", len(body.points) == cells, f"{cells} points", f"{len(body.points)}")
        self.statistics(heard)

    def statistics(self, heard: Heard) -> None:
        of = [f for (_, low), f in self._low.items() if low == heard.body.frame & 0xFFFF_FFFF]
        if of:
            stamp = heard.packet.t_ns if heard.packet else 0
            late = any(f.trailer is not None and stamp > f.ended for f in of)
            self.monitor.judge("R-FRM-021", not late, "before the trailer", "after it")
