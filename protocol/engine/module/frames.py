"""Frames on their way: leader, blocks, trailer, and what is sent again.

A frame begins on the wire when its exposure ends, so that frames of one stream never overlap: its blocks are spread
over the readout or the link's time, whichever is longer. Its data is made as it is sent.

Plan: starting and stopping · the next frame · sending · the end of a frame · repair.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from fastcrc import crc32

from opalink.protocol.codec import Status, VirtualChannel
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import modes
from opalink.protocol.engine.module.exposures import Exposures
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.modes import Frame, Stream
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.stills import BATCH, BLOCK_TIME, Stills
from opalink.protocol.packets import (
    BlockFate,
    BlockFlags,
    BlockNakResponse,
    CounterId,
    FrameBlock,
    FrameResult,
    FrameTrailer,
    PdafData,
    PhasePoint,
    PropertyTag,
    RangeAnswer,
    StatisticKind,
    Stats,
)
from opalink.protocol.picture.formats import levels, raw_format
from opalink.spec.form import MS, US
from opalink.spec.limits import BLOCK_DATA

_RELOCKING: Final = 100 * US  # after which the link is looked at again
_RESEND_AFTER: Final = 20 * US
_REPAIR: Final = ("frames", "again")
_REPAIRS: Final = 8192  # blocks that can wait to be sent again
_GRID: Final = (8, 6)
_FIRST: Final = BlockFlags(0)  # sent for the first time
_STATS_CELL: Final = 8  # bytes


class Frames(ModulePart):
    needs = ("SENSOR",)
    conditions = frozenset({Status.BLOCK_GONE, Status.FRAME_DROPPED})

    def restart(self) -> None:
        self._now: dict[int, Frame] = {}  # by the stream that sends them
        self._exposing: dict[int, Frame] = {}
        self._owed: list[Frame] = []  # cut off by a lost link before their leader
        self._free: dict[int, int] = {}  # since when a stream's sensor is free
        self._sent: dict[int, list[Frame]] = {}  # what BLOCK_NAK can ask for
        self._repairs: deque[tuple[Frame, int]] = deque()
        self._holding = False

    @property
    def stills(self) -> Stills | None:
        return self.end.find(Stills)

    # ── Starting and stopping ──

    def begun(self, s: Stream) -> bool:
        return s.index in self._now or s.index in self._exposing

    def unsent(self) -> tuple[int, int]:
        """Frames that are held and not sent whole, and their bytes."""
        held = self.stills.held.values() if self.stills else ()
        frames = [*self._now.values(), *self._exposing.values(), *held]
        return len(frames), sum(f.left for f in frames)

    def go(self, s: Stream, *, warm: bool) -> None:
        """Begin a stream's frames, unless it has one under way."""
        self._holding = False
        if s.index in self._now:
            self._schedule(s, 0, self._send)
        elif not self.end.clock.running(("frames", s.index)):
            wait = 0 if warm else s.mode.start_latency * MS
            self._free[s.index] = self.end.now + wait
            self._schedule(s, wait, self._begin)
        self.end.streams_changed()

    def _schedule(self, s: Stream, wait: int, then: Callable[[Stream], None]) -> None:
        self.end.clock.start(("frames", s.index), wait, lambda: then(s))

    def settle(self) -> None:
        """Say that nothing is left to be sent of streams that are stopped, if so."""
        self.end.streams_changed()
        if not any(not s.started and self.begun(s) for s in self.end.streams):
            self.end.signal("frames_done")

    def cut(self, s: Stream, why: Status) -> None:
        """End the frame under way with its trailer."""
        self.end.clock.stop(("frames", s.index))
        frame = self._now.pop(s.index, None)
        if frame is not None:
            self.conclude(frame, FrameResult.ABORTED, why)
        elif s.index in self._exposing:
            self._cut_short(self._exposing.pop(s.index), why)
        self.end.streams_changed()

    def _cut_short(self, frame: Frame, why: Status) -> None:
        """A frame of which nothing was sent has a leader and a trailer all the same."""
        self.end.send(frame.leader, frame.leader.t_first_row)
        self.conclude(frame, FrameResult.ABORTED, why)

    def abandon(self) -> None:
        """Forget every frame that is not stored, sent or not."""
        self.end.clock.stop_all("frames")
        self._now.clear()
        self._exposing.clear()
        self._owed.clear()
        self._sent.clear()
        self._repairs.clear()
        self._holding = False
        self.end.part(Exposures).forget()
        if self.stills:
            self.stills.held.clear()
        self.end.streams_changed()

    def hold(self) -> None:
        """There is no light: go on with stills, in memory."""
        self._holding = True
        for s in self.end.streams:
            self.end.clock.stop(("frames", s.index))
            frame = self._exposing.get(s.index)
            if frame is not None and frame.still:
                self._schedule(s, frame.ready - self.end.now, self._exposed)
            elif frame is not None:
                self._owed.append(self._exposing.pop(s.index))
            if frame is None and s.runs and any(w.request.frames for w in s.queue):
                self._schedule(s, s.mode.min_frame_time * US, self._begin)
        self.end.streams_changed()

    def resume(self) -> None:
        """There is light again: a video frame that was cut off is ended, a still goes on."""
        self._holding = False
        while self._owed:
            self._cut_short(self._owed.pop(0), Status.LINK_LOST)
        for s in self.end.streams:
            frame = self._now.get(s.index)
            if frame is not None and not frame.still:
                del self._now[s.index]
                self.conclude(frame, FrameResult.ABORTED, Status.LINK_LOST)
            elif frame is not None and not s.runs:
                self._schedule(s, 0, self._send)
        if self.stills:
            self.stills.report()

    # ── The next frame ──

    def _begin(self, s: Stream) -> None:
        """Expose the next frame of a stream and begin to send it."""
        if not s.runs:
            self.settle()
            return
        if self._waits(s, self._begin):
            return
        if not self._holding and self.stills and (waiting := self.stills.take(s.index)):
            self._launch(s, waiting)
            return
        free = self._free.get(s.index, self.end.now)
        frame = self.end.part(Exposures).take(s, free, stills=self._holding)
        if frame is not None:
            self._exposing[s.index] = frame
            self._schedule(s, frame.ready - self.end.now, self._exposed)

    def _exposed(self, s: Stream) -> None:
        """An exposure has ended: the frame is sent, or held where there is no light."""
        if self._waits(s, self._exposed):
            return
        frame = self._exposing.pop(s.index)
        self._free[s.index] = self.end.now
        if not self._holding:
            self._launch(s, frame)
            return
        if self.stills:
            self.stills.keep(frame)
        self._schedule(s, frame.spread, self._begin)

    def triggered(self, fire: int, plan: int) -> None:
        """A frame, or the frames of a plan, are to begin with this moment on the first stream that runs."""
        s = next(s for s in self.end.streams if s.runs)
        self.end.part(Exposures).trigger(s, fire, plan)
        if not self.begun(s):
            self._schedule(s, 0, self._begin)

    # ── Sending ──

    def _waits(self, s: Stream, then: Callable[[Stream], None]) -> bool:
        """Whether the link is relocking, as after a change of gear: what is to be done waits for it."""
        if self.end.relocking:
            self._schedule(s, _RELOCKING, then)
        return bool(self.end.relocking)

    def _launch(self, s: Stream, frame: Frame) -> None:
        self._now[s.index] = frame
        self.end.count(CounterId.FRAMES)
        self.end.send(frame.leader, frame.leader.t_first_row)
        self._schedule(s, 0, self._send)

    def _send(self, s: Stream) -> None:
        """The next blocks of a frame; after its last its trailer, and then the next frame."""
        if self._waits(s, self._send):
            return
        frame = self._now[s.index]
        upto = min(frame.leader.blocks, frame.next + BATCH)
        if self.around.has(Status.FRAME_DROPPED):
            upto = frame.next
        part = self._spread(s, frame) * (upto - frame.next) // frame.leader.blocks
        self.transmit(frame, range(frame.next, upto))
        if frame.next < upto or (upto < frame.leader.blocks and not self.around.has(Status.FRAME_DROPPED)):
            frame.next = upto
            if upto < frame.leader.blocks:
                self._schedule(s, part, self._send)
                return
        del self._now[s.index]
        if frame.next == frame.leader.blocks:
            self.conclude(frame, FrameResult.COMPLETE, Status.OK)
        else:
            self.end.count(CounterId.FRAMES_DROPPED)
            self.conclude(frame, FrameResult.ABORTED, Status.FRAME_DROPPED)
        if s.started:
            self._schedule(s, max(part, self._pause(s, frame)), self._begin)
        else:
            self.settle()

    def _spread(self, s: Stream, frame: Frame) -> int:
        """Time over which a frame's blocks are sent: longer than was thought if the link runs in a lower gear now."""
        setups = [x.setup for x in self.end.streams]
        return max(frame.spread, modes.period(s.setup, s.mode, setups, self.end.capacity))

    def _pause(self, s: Stream, frame: Frame) -> int:
        """Time until the next frame of a stream may begin, beside what its blocks took."""
        rate = self.end.part(Properties).values.get(PropertyTag.FRAME_RATE)
        wanted = 10**12 // rate if rate else 0
        longest = 10**11 // s.setup.min_rate if s.setup.min_rate else wanted
        return max(0, min(wanted, longest) - frame.spread)

    def transmit(self, frame: Frame, blocks: Iterable[int], flags: BlockFlags = _FIRST) -> None:
        """Send blocks of a frame; the frame's CRC goes on with those that are sent for the first time."""
        leader, picture = frame.leader, frame.picture
        row, channel = picture.bytes // leader.height, VirtualChannel(VirtualChannel.STREAM0 + leader.stream)
        first = True
        for block in blocks:
            at = block * BLOCK_DATA
            data = picture.read(at, BLOCK_DATA)
            line0 = at // row
            body = FrameBlock(
                frame_lo=frame.number & 0xFFFF_FFFF,
                block=block,
                line0=line0,
                lines=(at + len(data) - 1) // row - line0 + 1,
                flags=flags | BlockFlags.LAST if block == leader.blocks - 1 else flags,
                data=data,
            )
            self.end.send(body, vc=channel)
            if not flags & BlockFlags.RESENT:
                frame.crc = crc32.iscsi(data) if first and not frame.next else crc32.iscsi(data, frame.crc)
                first = False

    # ── The end of a frame ──

    def conclude(self, frame: Frame, result: FrameResult, why: Status) -> None:
        """What belongs to a frame, and its trailer."""
        leader, (columns, rows) = frame.leader, _GRID
        if result is FrameResult.COMPLETE:
            points = (PhasePoint(0, 255),) * (columns * rows)
            width, height = leader.width, leader.height
            self.end.send(
                PdafData(
                    frame=frame.number, grid_columns=columns, grid_rows=rows, width=width, height=height, points=points
                )
            )
            kind, cells = StatisticKind.EXPOSURE, bytes(columns * rows * _STATS_CELL)
            self.end.send(Stats(frame=frame.number, kind=kind, grid_columns=columns, grid_rows=rows, cells=cells))
        heat, sensor = self.end.find(Heat), self.end.identity.records["sensor"]
        black = levels(sensor, raw_format(leader.pixel_format).depth).black
        self.end.send(
            FrameTrailer(
                frame=frame.number,
                stream=leader.stream,
                result=result,
                reason=why,
                blocks=leader.blocks,
                missing=leader.blocks - frame.next,
                t_last_row=leader.t_first_row + leader.line_period * leader.height // 1000,
                temperature=heat.hottest if heat else 250,
                black_r=black,
                black_gr=black,
                black_gb=black,
                black_b=black,
                frame_crc=frame.crc,
                exposures=leader.exposures,
            )
        )
        self._sent[leader.stream] = [*self._sent.get(leader.stream, ())[-1:], frame]

    # ── Repair ──

    def answer_block_nak(self, cause: Cause) -> BlockNakResponse:
        ask = cause.body
        known = [*self._sent.get(ask.stream, ()), *(f for f in (self._now.get(ask.stream),) if f)]
        frame = next((f for f in known if f.number == ask.frame), None)
        if frame is None:
            raise RefusedError(Status.NO_SUCH_ID, 0)
        answers: list[RangeAnswer] = []
        least = 0  # ranges rise, so that no block is asked for twice
        for r in ask.ranges:
            why = self._gone(frame, r.first, r.first + r.count, least, ask.deadline * US)
            if why is Status.OK:
                least = r.first + r.count
                self._repairs += ((frame, block) for block in range(r.first, least))
            else:
                self.end.count(CounterId.BLOCKS_GONE)
            answers.append(RangeAnswer(BlockFate.GONE if why is not Status.OK else BlockFate.COMING, why))
        if self._repairs and not self.end.clock.running(_REPAIR):
            self.end.clock.start(_REPAIR, _RESEND_AFTER, self._again)
        return BlockNakResponse(tuple(answers))

    def _gone(self, frame: Frame, first: int, stop: int, least: int, deadline: int) -> Status:
        """Why a range does not come again; OK if it does."""
        if self.around.has(Status.BLOCK_GONE):
            return Status.BLOCK_GONE
        if first < least or stop > frame.next:
            return Status.NO_SUCH_ID
        waiting = len(self._repairs) + stop - first
        late = waiting > _REPAIRS or waiting * BLOCK_TIME + _RESEND_AFTER > deadline
        return Status.LATE if late else Status.OK

    def _again(self) -> None:
        """Send the next blocks that were asked for again."""
        for _ in range(min(BATCH, len(self._repairs))):
            frame, block = self._repairs.popleft()
            self.transmit(frame, (block,), BlockFlags.RESENT)
            self.end.count(CounterId.BLOCKS_RESENT)
        if self._repairs:
            self.end.clock.start(_REPAIR, BATCH * BLOCK_TIME, self._again)
