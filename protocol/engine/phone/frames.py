"""Frames as they arrive at a phone: one machine for each that is on its way, and the words of it.

A frame's data lies in one buffer that is made when its leader comes; nothing that a module sends makes it larger, and
a frame larger than the phone's room is not begun. What arrives is put in its place before the machine hears of it.

Plan: a frame · one on its way · all of them.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Final

from msgspec import Struct

from opalink.protocol.engine.machine import Cause, Run
from opalink.protocol.engine.phone.capture import Capture
from opalink.protocol.engine.phone.part import PhoneHost, PhonePart
from opalink.protocol.packets import BlockFate, BlockNak, BlockRange, CounterId, FrameFlags, FrameLeader, FrameTrailer
from opalink.protocol.picture.assembly import Assembler, FrameError
from opalink.spec.form import MS, US, Event, Form, Local, Received, Role
from opalink.spec.limits import NAK_ROUNDS, RESEND_PERCENT

_NAK_DEADLINE: Final = 20 * MS  # for what is asked for again
_STILL_ROUNDS: Final = 64  # of asking again for a still without a deadline
_OPEN: Final = 16  # frames on their way at once: each stream sends one after the other
_OVER: Final = frozenset({"COMPLETE", "PARTIAL", "ABORTED"})


class Frame(Struct):
    """A frame as it was handed over. Where blocks are `missing`, `data` is zero. `mode` is the sensor's, None for one
    that came on a stream that is not set up."""

    leader: FrameLeader
    mode: int | None
    trailer: FrameTrailer | None
    data: memoryview
    missing: tuple[BlockRange, ...]
    asked_again: int  # blocks


# ── One on its way ───────────────────────────────────────────────────────────────────────────────────


class OneFrame:
    """The part behind a frame's machine."""

    run: Run

    def __init__(self, end: PhoneHost, leader: FrameLeader) -> None:
        self._end = end
        self.store = Assembler(leader.frame, leader.stream, room=end.frame_room)
        self.leader = leader
        self._again = self._rounds = 0  # blocks asked for again, and how often

    @property
    def _still(self) -> bool:
        return bool(self.leader.kind & FrameFlags.STILL)

    def result(self) -> Frame:
        store = self.store
        setups = dict(enumerate(self._end.part(Capture).setups))
        mode = setups[self.leader.stream].mode if self.leader.stream in setups else None
        return Frame(self.leader, mode, store.trailer, store.data, store.missing(ranges=None), self._again)

    # ── Guards ──

    def when_fills_last(self, _: Cause) -> bool:
        return self.store.filled

    def when_opens_gap(self, _: Cause) -> bool:
        return self.store.gap and not self.run.running("tNakDelay")

    def when_trailer_in(self, _: Cause) -> bool:
        return self.store.trailer is not None

    def when_aborted(self, _: Cause) -> bool:
        return self.store.aborted

    def when_crc_good(self, _: Cause) -> bool:
        return self.store.crc_good is True

    def when_all_gone(self, cause: Cause) -> bool:
        return all(answer.result == BlockFate.GONE for answer in cause.body.answers)

    def when_may_ask(self, _: Cause) -> bool:
        if not self.store.missing(ranges=1) or not self._end.module_has("BUFFER"):
            return False
        if self._still:
            deadline = self._end.part(Capture).deadlines.get(self.leader.request, 0)
            return self._end.link_time < deadline if deadline else self._rounds < _STILL_ROUNDS
        return self._allowance > 0 and self._rounds < NAK_ROUNDS

    @property
    def _allowance(self) -> int:
        """Blocks that may still be asked for again; all of a still's."""
        blocks = self.leader.blocks
        return blocks if self._still else blocks * RESEND_PERCENT // 100 - self._again

    # ── Effects ──

    def do_begin_frame(self, cause: Cause) -> None:
        self.leader, self._rounds = cause.body, 0

    # What has come is in its place before the machine hears of it.
    def do_keep_block(self, cause: Cause) -> None: ...
    def do_keep_trailer(self, cause: Cause) -> None: ...

    def do_hand_over(self, _: Cause) -> None:
        self._end.part(Frames).hand_over(self.result())

    def do_discard(self, _: Cause) -> None:
        self._end.count(CounterId.FRAMES_DROPPED)

    def fill_block_nak(self, _: Cause) -> BlockNak:
        ranges = self.store.missing(blocks=self._allowance)
        self._again += sum(r.count for r in ranges)
        self._rounds += 1
        self._end.clock.start(("frames", self.leader.frame), _NAK_DEADLINE, self._nak_over)
        leader = self.leader
        return BlockNak(frame=leader.frame, stream=leader.stream, deadline=_NAK_DEADLINE // US, ranges=ranges)

    def _nak_over(self) -> None:
        self._end.part(Frames).fire(self, Local("nak_over"), Cause())


# ── All of them ──────────────────────────────────────────────────────────────────────────────────────

_LEADER: Final = Received("FRAME_LEADER", Form.EVENT)
_BLOCK: Final = Received("FRAME_BLOCK", Form.EVENT)
_TRAILER: Final = Received("FRAME_TRAILER", Form.EVENT)
_ASKED: Final = {form: Received("BLOCK_NAK", form) for form in (Form.RESPONSE, Form.ERROR)}


class Frames(PhonePart):
    """`stills` are those that were handed over and nobody has taken yet, `latest` the last frame of any other kind."""

    one: ClassVar[type[OneFrame]] = OneFrame

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self._machine = next(m for m in end.catalogue.machines if m.name == "FRAME" and m.role is Role.PHONE)
        self.on_frame: Callable[[Frame], None] | None = None

    def restart(self) -> None:
        self.stills: deque[Frame] = deque()
        self.latest: Frame | None = None
        self._open: dict[int, OneFrame] = {}
        self._partial: OneFrame | None = None  # the last one with holes, which FRAME_FETCH may fill

    def session_closed(self) -> None:
        """A module that begins anew may give the same numbers to other frames."""
        self._partial = None

    def open_on(self, stream: int) -> bool:
        """Whether a begun frame of a stream has not ended."""
        return any(f.leader.stream == stream for f in self._open.values())

    @property
    def progress(self) -> float:
        """How much of the still on its way is here, 0 to 1."""
        still = next((f for f in self._open.values() if f.leader.kind & FrameFlags.STILL), None)
        return still.store.here / still.leader.blocks if still else 0.0

    # ── What comes ──

    def heard_frame_leader(self, cause: Cause) -> None:
        leader = cause.body
        found = self._open.get(leader.frame)
        if found is None and self._partial is not None and self._partial.leader.frame == leader.frame:
            found, self._partial = self._partial, None
        if found is None:
            if len(self._open) == _OPEN:
                self.end.complain(f"Frame {leader.frame} is not taken: {_OPEN} others are on their way.")
                return
            found = self.one(self.end, leader)
            found.run = Run(self._machine, found, self.end, self.end.catalogue.timer, key=leader.frame)
        try:
            found.store.lead(leader)
        except FrameError as error:
            self.end.complain(f"A leader is of no use: {error}.")
            return
        self._open[leader.frame] = found
        self.fire(found, _LEADER, cause)

    def heard_frame_block(self, cause: Cause) -> None:
        block = cause.body
        found = next((f for n, f in self._open.items() if n & 0xFFFF_FFFF == block.frame_lo), None)
        if found is None:
            return
        try:
            found.store.put(block)
        except FrameError as error:
            self.end.complain(f"A block is of no use: {error}.")
            return
        self.fire(found, _BLOCK, cause)

    def heard_frame_trailer(self, cause: Cause) -> None:
        found = self._open.get(cause.body.frame)
        if found is None:
            return
        try:
            found.store.trail(cause.body)
        except FrameError as error:
            self.end.complain(f"A trailer is of no use: {error}.")
            return
        self.fire(found, _TRAILER, cause)

    def told_block_nak(self, cause: Cause) -> None:
        asked = cause.asked.body if cause.asked else BlockNak()
        found = self._open.get(asked.frame)
        if found is None:
            return
        form = Form.RESPONSE if cause.arrived.status in self.end.successes else Form.ERROR
        if form is Form.RESPONSE:
            for asked_for, told in zip(asked.ranges, cause.body.answers, strict=False):
                if told.result == BlockFate.GONE:
                    found.store.gone(asked_for)
        self.fire(found, _ASKED[form], cause)

    def ended(self, event: Event) -> None:
        """What ends every frame has happened: the session's end, or that of power."""
        for frame in list(self._open.values()):
            self.fire(frame, event, Cause())

    # ── What becomes of it ──

    def fire(self, frame: OneFrame, event: Event, cause: Cause) -> None:
        """Let an event happen to a frame; forget it once it is over."""
        frame.run.fire(event, cause)
        if frame.run.state not in _OVER or self._open.pop(frame.leader.frame, None) is None:
            return
        self.end.clock.stop(("frames", frame.leader.frame))
        if frame.run.state == "PARTIAL":
            self._partial = frame
        if all(f.leader.stream in self.end.part(Capture).started for f in self._open.values()):
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
        if self.on_frame is not None:
            self.on_frame(frame)
