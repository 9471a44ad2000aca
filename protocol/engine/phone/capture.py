"""Having a module capture: the words of the phone's capture machine, and what its user can ask for.

Plan: what is asked for · which streams run · guards · what it sends.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import (
    CaptureQueue,
    Flush,
    PatternKind,
    StreamConfigure,
    StreamControl,
    StreamOp,
    StreamSetup,
    TestPattern,
)
from opalink.spec.limits import QUEUED_CAPTURES

_NONE: Final[frozenset[int]] = frozenset()
_REMEMBERED: Final = 4 * QUEUED_CAPTURES  # deadlines; of requests that count, a module holds a quarter at most

B = TypeVar("B")


def _streams(mask: int) -> frozenset[int]:
    return frozenset(n for n in range(mask.bit_length()) if mask >> n & 1)


class Capture(PhonePart):
    """`setups` is how the streams are set up; `started` and `paused` are numbers of streams."""

    machine = "CAPTURE"

    def restart(self) -> None:
        self.setups: tuple[StreamSetup, ...] = ()
        self.started = self.paused = _NONE
        self.requests = 0  # number of the last one
        self.deadlines: dict[int, int] = {}  # of the last requests that have one, in link time
        self._was = (_NONE, _NONE)  # started and paused before the answer that is being looked at
        self._wanted: Any = None

    def session_closed(self) -> None:
        self.restart()

    @property
    def running(self) -> frozenset[int]:
        """Streams that send frames."""
        return self.started - self.paused

    # ── What is asked for: each says whether the state allows it ──

    def configure(self, setups: Iterable[StreamSetup], *, test_only: bool = False) -> bool:
        """Set up all streams; without any, give them up."""
        return self._want("want_streams", StreamConfigure(test_only=int(test_only), streams=tuple(setups)))

    def control(self, op: StreamOp, mask: int = 1) -> bool:
        """Start, stop, pause or resume streams."""
        return self._want("want_control", StreamControl(op=op, mask=mask))

    def shoot(self, frames: int = 1, mask: int = 1, *, deadline: int = 0, plan: int = 0, **settings: Any) -> bool:
        """Ask for stills, or for video with `frames` 0. `settings` are properties by name, for these frames alone."""
        space = {t.name: t.tag for t in self.end.catalogue.space["properties"].types}
        tlvs = tuple(Tlv(space[name], value) for name, value in settings.items())
        self.requests += 1
        if deadline:
            self.deadlines[self.requests] = deadline
            if len(self.deadlines) > _REMEMBERED:
                del self.deadlines[min(self.deadlines)]
        ask = CaptureQueue(request=self.requests, mask=mask, frames=frames, deadline=deadline, plan=plan, settings=tlvs)
        return self._want("want_frames", ask)

    def pattern(self, kind: PatternKind, seed: int = 0) -> bool:
        """Have a pattern in place of the scene."""
        return self._want("want_pattern", TestPattern(kind=kind, seed=seed))

    def quiet(self) -> bool:
        """Give up at once what is queued and not finished."""
        return self._want("want_quiet", Flush(mask=(1 << max(1, len(self.setups))) - 1))

    def _want(self, name: str, body: Any) -> bool:
        self._wanted = body
        self.end.signal(name)
        self.end.settle()
        taken = self._wanted is None
        self._wanted = None
        return taken

    # ── Which streams run ──

    def told_stream_configure(self, cause: Cause) -> None:
        if cause.arrived.status in (Status.OK, Status.ADJUSTED) and not self._asked(cause).test_only:
            self.setups = cause.body.streams
            self.started = self.paused = _NONE

    def told_stream_control(self, cause: Cause) -> None:
        self._was = self.started, self.paused
        if cause.arrived.status is not Status.OK:
            return
        ask = self._asked(cause)
        mask = _streams(ask.mask)
        match ask.op:
            case StreamOp.START:
                self.started, self.paused = self.started | mask, self.paused - mask
            case StreamOp.STOP:
                self.started, self.paused = self.started - mask, self.paused - mask
            case StreamOp.PAUSE:
                self.paused |= mask & self.started
            case StreamOp.RESUME:
                self.paused -= mask

    def told_flush(self, cause: Cause) -> None:
        if cause.arrived.status is Status.OK:
            mask = _streams(self._asked(cause).mask)
            self.started, self.paused = self.started - mask, self.paused - mask

    @staticmethod
    def _asked(cause: Cause) -> Any:
        """The request that is answered."""
        if cause.asked is None:
            raise TypeError("no response has arrived")
        return cause.asked.body

    def _mask(self, cause: Cause) -> frozenset[int]:
        return _streams(self._asked(cause).mask)

    # ── Guards ──

    def when_test_only(self, cause: Cause) -> bool:
        return bool(self._asked(cause).test_only)

    def when_no_streams(self, cause: Cause) -> bool:
        return not self._asked(cause).streams

    def when_op_start(self, cause: Cause) -> bool:
        return self._asked(cause).op is StreamOp.START

    def when_op_stop(self, cause: Cause) -> bool:
        return self._asked(cause).op is StreamOp.STOP

    def when_op_pause(self, cause: Cause) -> bool:
        return self._asked(cause).op is StreamOp.PAUSE

    def when_op_resume(self, cause: Cause) -> bool:
        return self._asked(cause).op is StreamOp.RESUME

    def when_others_run(self, cause: Cause) -> bool:
        started, paused = self._was
        return bool(started - paused - self._mask(cause))

    def when_others_paused(self, cause: Cause) -> bool:
        return bool(self._was[1] - self._mask(cause))

    def when_mask_paused(self, cause: Cause) -> bool:
        return bool(self._was[1] & self._mask(cause))

    def when_all_stopped(self, _: Cause) -> bool:
        return not self.started

    def when_all_paused(self, _: Cause) -> bool:
        return bool(self.started) and self.started == self.paused

    def when_frames_left(self, cause: Cause) -> bool:
        stopped = self._mask(cause) if cause.asked else self.started
        return any(self.end.frame_open(stream) for stream in stopped)

    # ── What it sends ──

    def fill_stream_configure(self, _: Cause) -> StreamConfigure:
        return self._take(StreamConfigure)

    def fill_stream_control(self, _: Cause) -> StreamControl:
        return self._take(StreamControl)

    def fill_capture_queue(self, _: Cause) -> CaptureQueue:
        return self._take(CaptureQueue)

    def fill_flush(self, _: Cause) -> Flush:
        return self._take(Flush)

    def fill_test_pattern(self, _: Cause) -> TestPattern:
        return self._take(TestPattern)

    def _take(self, kind: type[B]) -> B:
        """What is wanted; once."""
        wanted, self._wanted = self._wanted, None
        if not isinstance(wanted, kind):
            raise TypeError(f"no {kind.__name__} is wanted")
        return wanted
