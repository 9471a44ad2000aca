"""Frames as they arrive at a phone: one machine for each that is on its way, and the words of it.

A frame's data lies in one buffer that is made when its leader comes; nothing that a module sends makes it larger, and
a frame larger than `frame_room` is not begun.

Plan: a frame · the words of its machine · all frames.
"""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from fastcrc import crc32
from msgspec import Struct

from opalink.protocol.engine.machine import Cause, Run
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import (
    BlockFate,
    BlockNak,
    BlockRange,
    Compression,
    CounterId,
    FrameBlock,
    FrameFlags,
    FrameLeader,
    FrameResult,
    FrameTrailer,
)
from opalink.spec.form import MS, US, Event, Form, Local, Received, Role
from opalink.spec.limits import LIMITS

if TYPE_CHECKING:
    from opalink.protocol.engine.phone.phone import Phone

_LIMITS: Final = {limit.name: limit.value for limit in LIMITS}
_RANGES: Final = 32  # of one BLOCK_NAK
_RANGE: Final = 0xFFFF  # blocks of one range
_REMEMBERED: Final = 256  # frames that are over
_NAK_DEADLINE: Final = 20 * MS  # for what is asked for again
_STILL_ROUNDS: Final = 64  # of asking again for a still without a deadline
_OVER: Final = frozenset({"COMPLETE", "PARTIAL", "ABORTED"})


class Frame(Struct):
    """A frame as it was handed over. `data` is whole if `missing` is empty; what is missing is zero."""

    leader: FrameLeader
    trailer: FrameTrailer | None
    data: bytearray
    missing: tuple[range, ...]
    asked_again: int

    @property
    def whole(self) -> bool:
        return not self.missing


# ── A frame ──────────────────────────────────────────────────────────────────────────────────────────


class Assembly:
    """One frame on its way, as the part behind its machine."""

    def __init__(self, end: "Phone", leader: FrameLeader) -> None:
        self._end = end
        self.trailer: FrameTrailer | None = None
        self._again = 0  # blocks asked for again
        self._rounds = 0
        self._begin(leader)

    def _begin(self, leader: FrameLeader) -> None:
        self.leader = leader
        self._data = bytearray(leader.size)
        self._here = bytearray(leader.blocks)  # 1 for each block that has come
        self._count = self._top = 0  # blocks that have come; one above the highest
        self._gone: set[int] = set()
        self._last_size = leader.size - (leader.blocks - 1) * leader.block_bytes
        self._end_of_data = leader.size

    @property
    def _blocks(self) -> int:
        """Blocks that there are: with a codec, the trailer says how many."""
        return self.trailer.blocks if self.trailer else self.leader.blocks

    def missing(self) -> Iterator[range]:
        """The blocks that have not come, as ranges."""
        here, blocks, at = self._here, self._blocks, 0
        while (first := here.find(0, at, blocks)) >= 0:
            at = here.find(1, first, blocks)
            at = blocks if at < 0 else at
            yield range(first, at)

    def fits(self, block: FrameBlock) -> bool:
        """Whether a block is one of this frame's, as large as its leader says."""
        number, size = block.block, len(block.data)
        if number >= self.leader.blocks:
            return False
        if self.leader.codec != Compression.NONE:
            return size <= self.leader.block_bytes
        return size == (self._last_size if number == self.leader.blocks - 1 else self.leader.block_bytes)

    def result(self) -> Frame:
        """What is there. The buffer goes with it unless blocks may still be fetched into it."""
        missing = tuple(self.missing())
        data = self._data[: self._end_of_data] if missing or self._end_of_data < len(self._data) else self._data
        return Frame(self.leader, self.trailer, data, missing, self._again)

    # ── Guards ──

    def when_fills_last(self, cause: Cause) -> bool:
        return self._count + (not self._here[cause.body.block]) == self._blocks

    def when_opens_gap(self, cause: Cause) -> bool:
        return self._here.find(0, 0, cause.body.block) >= 0 and not self.run.running("tNakDelay")

    def when_trailer_in(self, _: Cause) -> bool:
        return self.trailer is not None

    def when_aborted(self, cause: Cause) -> bool:
        return bool(cause.body.result == FrameResult.ABORTED)

    def when_crc_good(self, cause: Cause) -> bool:
        """With the block that is the event, if it is one, and the trailer that is the event."""
        trailer = cause.body if isinstance(cause.body, FrameTrailer) else self.trailer
        if isinstance(cause.body, FrameBlock):
            self._put(cause.body)
        return trailer is not None and crc32.iscsi(memoryview(self._data)[: self._end_of_data]) == trailer.frame_crc

    def when_all_gone(self, cause: Cause) -> bool:
        return all(a.result == BlockFate.GONE for a in cause.body.answers)

    def when_may_ask(self, cause: Cause) -> bool:
        wanted = [n for r in self._missing_of(cause) for n in r if n not in self._gone]
        if not wanted or not self._end.module_has("BUFFER"):
            return False
        if self.leader.kind & FrameFlags.STILL:
            deadline = self._end.capture.deadlines.get(self.leader.request, 0)
            return self._end.link_time < deadline if deadline else self._rounds < _STILL_ROUNDS
        room = self.leader.blocks * _LIMITS["resend_percent"] // 100 - self._again
        return room > 0 and self._rounds < _LIMITS["nak_rounds"]

    def _missing_of(self, cause: Cause) -> Iterator[range]:
        """What is missing; once a trailer has come, or is the event, also what lies above the highest block."""
        if self.trailer is None and not isinstance(cause.body, FrameTrailer):
            return (range(r.start, min(r.stop, self._top)) for r in self.missing() if r.start < self._top)
        return self.missing()

    # ── Effects ──

    def do_begin_frame(self, cause: Cause) -> None:
        leader = cause.body
        if leader != self.leader and (leader.size, leader.blocks) != (self.leader.size, self.leader.blocks):
            self._begin(leader)
        self.leader, self.trailer, self._rounds = leader, None, 0
        self._gone.clear()

    def do_keep_block(self, cause: Cause) -> None:
        self._put(cause.body)

    def _put(self, block: FrameBlock) -> None:
        number = block.block
        if self._here[number]:
            return
        at = number * self.leader.block_bytes
        self._data[at : at + len(block.data)] = block.data
        self._here[number] = 1
        self._count += 1
        self._top = max(self._top, number + 1)
        if self.leader.codec != Compression.NONE and number == self._blocks - 1:
            self._end_of_data = at + len(block.data)

    def do_keep_trailer(self, cause: Cause) -> None:
        self.trailer = cause.body

    def do_hand_over(self, cause: Cause) -> None:
        if isinstance(cause.body, FrameTrailer):
            self.trailer = cause.body
        self._end.frames.hand_over(self.result())

    def do_discard(self, _: Cause) -> None:
        self._end.count(CounterId.FRAMES_DROPPED)
        self._end.frames.discarded(self.leader)

    def fill_block_nak(self, cause: Cause) -> BlockNak:
        ranges: list[BlockRange] = []
        room = self._allowance()
        for gap in self._missing_of(cause):
            wanted = [n for n in gap if n not in self._gone][:room]
            for first, count in _runs(wanted):
                ranges.append(BlockRange(first, count))
                room -= count
        del ranges[_RANGES:]
        self._again += sum(r.count for r in ranges)
        self._rounds += 1
        self.asked = tuple(ranges)
        self._end.clock.start(("frames", "nak", self.leader.frame), _NAK_DEADLINE, self._nak_over)
        return BlockNak(
            frame=self.leader.frame, stream=self.leader.stream, deadline=_NAK_DEADLINE // US, ranges=tuple(ranges)
        )

    def _allowance(self) -> int:
        if self.leader.kind & FrameFlags.STILL:
            return self.leader.blocks
        return max(1, self.leader.blocks * _LIMITS["resend_percent"] // 100 - self._again)

    def _nak_over(self) -> None:
        self.run.fire(Local("nak_over"), Cause())

    def answered(self, cause: Cause) -> None:
        """What the module says of the ranges asked for."""
        for asked, told in zip(cause.asked.body.ranges if cause.asked else (), cause.body.answers, strict=False):
            if told.result == BlockFate.GONE:
                self._gone.update(range(asked.first, asked.first + asked.count))

    run: Run


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as first and count of those that follow each other."""
    at = 0
    while at < len(numbers):
        end = at + 1
        while end < len(numbers) and numbers[end] == numbers[end - 1] + 1 and end - at < _RANGE:
            end += 1
        yield numbers[at], end - at
        at = end


# ── All frames ───────────────────────────────────────────────────────────────────────────────────────

_LEADER: Final = Received("FRAME_LEADER", Form.EVENT)
_BLOCK: Final = Received("FRAME_BLOCK", Form.EVENT)
_TRAILER: Final = Received("FRAME_TRAILER", Form.EVENT)


class Frames(PhonePart):
    """`stills` are those that were handed over and nobody has taken yet, `latest` the last frame of any other kind."""

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self._machine = next(m for m in end.catalogue.machines if m.name == "FRAME" and m.role is Role.PHONE)

    def restart(self) -> None:
        self.stills: deque[Frame] = deque()
        self.latest: Frame | None = None
        self._open: dict[int, Assembly] = {}
        self._over: dict[int, Assembly] = {}  # what may be fetched to fill its holes

    def open_on(self, stream: int) -> bool:
        """Whether a begun frame of a stream has not ended."""
        return any(a.leader.stream == stream for a in self._open.values())

    def heard_frame_leader(self, cause: Cause) -> None:
        leader = cause.body
        if leader.size > self.end.frame_room or leader.blocks != -(-leader.size // leader.block_bytes):
            self.end.complain(f"Frame {leader.frame} of {leader.size} bytes in {leader.blocks} blocks is not taken.")
            return
        if leader.frame in self._open:
            return
        assembly = self._over.pop(leader.frame, None)
        if assembly is None:
            assembly = Assembly(self.end, leader)
            assembly.run = Run(self._machine, assembly, self.end, self.end.catalogue.timer, key=leader.frame)
        self._open[leader.frame] = assembly
        assembly.run.fire(_LEADER, cause)

    def heard_frame_block(self, cause: Cause) -> None:
        block = cause.body
        found = next((a for n, a in self._open.items() if n & 0xFFFF_FFFF == block.frame_lo), None)
        if found is not None and found.fits(block):
            found.run.fire(_BLOCK, cause)
            self._close(found)

    def heard_frame_trailer(self, cause: Cause) -> None:
        found = self._open.get(cause.body.frame)
        if found is not None:
            found.run.fire(_TRAILER, cause)
            self._close(found)

    def told_block_nak(self, cause: Cause) -> None:
        found = self._open.get(cause.asked.body.frame) if cause.asked else None
        if found is None:
            return
        good = cause.arrived.status in self.end.successes
        if good:
            found.answered(cause)
        found.run.fire(Received("BLOCK_NAK", Form.RESPONSE if good else Form.ERROR), cause)
        self._close(found)

    def _close(self, assembly: Assembly) -> None:
        if assembly.run.state in _OVER and self._open.pop(assembly.leader.frame, None) is not None:
            self.end.clock.stop(("frames", "nak", assembly.leader.frame))
            self._over[assembly.leader.frame] = assembly
            while len(self._over) > 1:  # as much as one frame's data is kept for filling holes
                del self._over[next(iter(self._over))]
            if not any(a.leader.stream not in self.end.capture.started for a in self._open.values()):
                self.end.signal("frames_done")

    def hand_over(self, frame: Frame) -> None:
        """A still waits to be taken, within the room that there is; of a stream the latest frame is enough."""
        self.end.count(CounterId.FRAMES)
        if not frame.leader.kind & FrameFlags.STILL:
            self.latest = frame
        elif sum(len(f.data) for f in self.stills) + len(frame.data) <= self.end.frame_room:
            self.stills.append(frame)
        else:
            self.end.complain(f"Still {frame.leader.frame} is dropped: nobody takes those before it.")
        self.end.frame_came(frame)

    def discarded(self, leader: FrameLeader) -> None:
        self.end.complain(f"Frame {leader.frame} was of no use.")

    def ended(self, event: Event) -> None:
        """What ends every frame has happened: the session's end, or that of power."""
        for assembly in list(self._open.values()):
            assembly.run.fire(event, Cause())
            self._close(assembly)
