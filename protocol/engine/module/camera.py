"""The camera of a module: the words of the capture machine, modes, plans, regions and the queue.

Plan: the state of the camera · guards of STREAM_CONFIGURE, of STREAM_CONTROL, of CAPTURE_QUEUE · effects ·
answers · plans, regions, patterns.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import modes
from opalink.protocol.engine.module.exposures import Exposures
from opalink.protocol.engine.module.frames import Frames
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.modes import Stream
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.supply import Supply
from opalink.protocol.packets import (
    CaptureQueueResponse,
    FlushResponse,
    ModeTableResponse,
    PatternKind,
    PlanSetResponse,
    PlanStep,
    PowerMode,
    Region,
    RoiSetResponse,
    StreamConfigureResponse,
    StreamControlResponse,
    StreamOp,
    StreamSetup,
    SubsystemMask,
    ThermalSeverity,
)
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import QUEUED_CAPTURES

_PLANS: Final = 8  # that the module can keep
_STILL: Final = 100 * MS  # at the power of a still


class Camera(ModulePart):
    machine = "CAPTURE"
    conditions = frozenset({Status.BUFFER_FULL, Status.BANDWIDTH, Status.FRAME_DROPPED})

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.modes = {m.mode: m for m in modes.sensor_modes(end.identity)}

    def restart(self) -> None:
        self.streams: list[Stream] = []
        self.regions: dict[int, tuple[Region, ...]] = {}
        self._highest = 0  # number of a capture request in this session

    @property
    def frames(self) -> Frames:
        return self.end.part(Frames)

    @property
    def exposures(self) -> Exposures:
        return self.end.part(Exposures)

    def session_closed(self) -> None:
        self.exposures.plans.clear()
        self.exposures.pattern, self.exposures.seed = PatternKind.OFF, 0
        self._highest = 0

    def masked(self, mask: int) -> list[Stream]:
        return [s for s in self.streams if mask >> s.index & 1]

    def others(self, mask: int) -> list[Stream]:
        return [s for s in self.streams if not mask >> s.index & 1]

    # ── Guards: STREAM_CONFIGURE ──

    def when_test_only(self, cause: Cause) -> bool:
        return bool(cause.body.test_only)

    def when_no_streams(self, cause: Cause) -> bool:
        return not cause.body.streams

    def when_modes_known(self, cause: Cause) -> bool:
        return all(s.mode in self.modes for s in cause.body.streams)

    def when_within_module(self, cause: Cause) -> bool:
        return all(modes.possible(s, self.modes[s.mode]) for s in cause.body.streams)

    def when_fits_link(self, cause: Cause) -> bool:
        if self.around.has(Status.BANDWIDTH):
            return not cause.body.streams
        wanted = self._adjusted(cause)
        return all(self._period(s, wanted) * s.min_rate <= 100 * SECOND for s in wanted)

    def _period(self, s: StreamSetup, streams: list[StreamSetup]) -> int:
        return modes.period(s, self.modes[s.mode], streams, self.end.capacity)

    def when_fits_power(self, cause: Cause) -> bool:
        return self._power(cause.body.streams) <= self.end.part(Supply).available or not cause.body.streams

    def when_adjusts(self, cause: Cause) -> bool:
        return self._adjusted(cause) != list(cause.body.streams)

    def _adjusted(self, cause: Cause) -> list[StreamSetup]:
        return [modes.adjusted(s, self.modes[s.mode]) for s in cause.body.streams]

    def _power(self, streams: Any) -> int:
        return max((self.modes[s.mode].power for s in streams), default=0)

    # ── Guards: STREAM_CONTROL and FLUSH ──

    def when_mask_known(self, cause: Cause) -> bool:
        return not cause.body.mask >> len(self.streams)

    def when_op_start(self, cause: Cause) -> bool:
        return cause.body.op is StreamOp.START

    def when_op_stop(self, cause: Cause) -> bool:
        return cause.body.op is StreamOp.STOP

    def when_op_pause(self, cause: Cause) -> bool:
        return cause.body.op is StreamOp.PAUSE

    def when_op_resume(self, cause: Cause) -> bool:
        return cause.body.op is StreamOp.RESUME

    def when_others_run(self, cause: Cause) -> bool:
        return any(s.runs for s in self.others(cause.body.mask))

    def when_others_paused(self, cause: Cause) -> bool:
        return any(s.started and s.paused for s in self.others(cause.body.mask))

    def when_others_drain(self, cause: Cause) -> bool:
        return any(not s.started and self.frames.begun(s) for s in self.others(cause.body.mask))

    def when_mask_paused(self, cause: Cause) -> bool:
        return any(s.started and s.paused for s in self.masked(cause.body.mask))

    def when_all_stopped(self, _: Cause) -> bool:
        return not any(s.started for s in self.streams)

    def when_all_paused(self, _: Cause) -> bool:
        return all(s.paused for s in self.streams if s.started)

    def when_cool(self, _: Cause) -> bool:
        heat = self.end.find(Heat)
        return heat is None or heat.severity < ThermalSeverity.SEVERE  # R-PWR-014

    # ── Guards: CAPTURE_QUEUE ──

    def when_plan_known(self, cause: Cause) -> bool:
        return not cause.body.plan or cause.body.plan in self.exposures.plans

    def when_number_rises(self, cause: Cause) -> bool:
        return bool(cause.body.request > self._highest)

    def when_settings_writable(self, cause: Cause) -> bool:
        return not self._settings(cause) & {Status.READ_ONLY}

    def when_settings_within(self, cause: Cause) -> bool:
        return not self._settings(cause) & {Status.RANGE_LIMIT}

    def _settings(self, cause: Cause) -> set[Status]:
        properties = self.end.part(Properties)
        return {properties.judge(tlv.tag, tlv.value)[0] for tlv in cause.body.settings}

    def when_time_known(self, cause: Cause) -> bool:
        return not cause.body.deadline or self.end.time_known

    def when_deadline_ahead(self, cause: Cause) -> bool:
        return not cause.body.deadline or cause.body.deadline > self.end.link_time

    def when_queue_room(self, cause: Cause) -> bool:
        if self.queued < QUEUED_CAPTURES:
            return True
        self.end.note_busy(cause, SubsystemMask.FRAMES)
        return False

    @property
    def queued(self) -> int:
        """Requests that wait: one on several streams counts once."""
        return len({w.request.request for s in self.streams for w in s.queue})

    def when_buffer_room(self, _: Cause) -> bool:
        return not self.around.has(Status.BUFFER_FULL)

    # ── Effects ──

    def do_configure(self, cause: Cause) -> None:
        self.frames.abandon()
        wanted = self._adjusted(cause)
        self.streams = [Stream(i, s, self.modes[s.mode]) for i, s in enumerate(wanted)]
        self.regions.clear()

    def do_unconfigure(self, _: Cause) -> None:
        self.frames.abandon()
        self.streams = []
        self.regions.clear()
        self.exposures.pattern, self.exposures.seed = PatternKind.OFF, 0

    def do_start_streams(self, cause: Cause) -> None:
        for s in self.masked(cause.body.mask):
            fresh = not s.started
            s.started, s.paused = True, False
            self.frames.go(s, warm=not fresh)

    def do_resume_streams(self, cause: Cause) -> None:
        for s in self.masked(cause.body.mask):
            if s.started and s.paused:
                s.paused = False
                self.frames.go(s, warm=True)

    def do_pause_streams(self, cause: Cause) -> None:
        for s in self.masked(cause.body.mask):
            s.paused = s.started

    def do_stop_streams(self, cause: Cause) -> None:
        self._stop(self.masked(cause.body.mask))

    def do_stop_all(self, _: Cause) -> None:
        self._stop(self.streams)

    def _stop(self, streams: list[Stream]) -> None:
        for s in streams:
            self._clear(s)
        self.frames.settle()

    @staticmethod
    def _clear(s: Stream) -> None:
        s.started = s.paused = False
        s.queue.clear()
        s.video = None

    def do_flush_streams(self, cause: Cause) -> None:
        for s in self.masked(cause.body.mask):
            self._clear(s)
            self.frames.cut(s, Status.CANCELLED)

    def do_hold_streams(self, _: Cause) -> None:
        self.frames.hold()

    def do_continue_streams(self, _: Cause) -> None:
        self.frames.resume()
        for s in self.streams:
            if s.runs:
                self.frames.go(s, warm=True)
        self.frames.settle()

    def do_enqueue(self, cause: Cause) -> None:
        self._highest = cause.body.request
        for s in self.masked(cause.body.mask):
            s.queue.append(modes.Waiting(cause.body, self.end.now))
        if cause.body.frames:
            supply = self.end.part(Supply)
            supply.reserve(supply.mode(PowerMode.STILL), cause.body.frames * _STILL)

    def do_set_pattern(self, cause: Cause) -> None:
        self.exposures.pattern, self.exposures.seed = cause.body.kind, cause.body.seed

    # ── Answers ──

    def answer_mode_table(self, _: Cause) -> ModeTableResponse:
        return ModeTableResponse(tuple(self.modes.values()))

    def answer_stream_configure(self, cause: Cause) -> StreamConfigureResponse:
        streams = self._adjusted(cause)
        rate = latency = size = 0
        for s in streams:
            mode = self.modes[s.mode]
            every = self._period(s, streams)
            # In a second there can be a part of one frame more than there are periods in it.
            rate += modes.frame_bytes(s, mode) * 8 * (SECOND // every + 1) // 1000
            latency = max(latency, modes.transfer(s, mode, streams, self.end.capacity) // 1000)
            size += 2 * modes.frame_bytes(s, mode) // 1024 + 1
        return StreamConfigureResponse(
            bandwidth=rate, power=self._power(streams), latency=latency, memory=size, streams=tuple(streams)
        )

    def answer_stream_control(self, cause: Cause) -> StreamControlResponse:
        return StreamControlResponse(last_frame=max((s.last_frame for s in self.masked(cause.body.mask)), default=0))

    def answer_capture_queue(self, _: Cause) -> CaptureQueueResponse:
        return CaptureQueueResponse(queued=self.queued)

    def answer_flush(self, cause: Cause) -> FlushResponse:
        streams = self.masked(cause.body.mask)
        return FlushResponse(
            last_request=max((s.last_request for s in streams), default=0),
            last_frame=max((s.last_frame for s in streams), default=0),
        )

    # ── Plans and regions ──

    def answer_plan_set(self, cause: Cause) -> PlanSetResponse:
        ask = cause.body
        if not ask.steps:
            if self.exposures.plans.pop(ask.plan, None) is None:
                raise RefusedError(Status.NO_SUCH_ID, 0)
            return PlanSetResponse()
        if ask.plan not in self.exposures.plans and len(self.exposures.plans) == _PLANS:
            raise RefusedError(Status.NO_MEMORY)
        for step in ask.steps:
            if not self._drivable(step):
                raise RefusedError(Status.RANGE_LIMIT)
        self.exposures.plans[ask.plan] = ask.steps
        return PlanSetResponse()

    def _drivable(self, step: PlanStep) -> bool:
        """Whether the module can do what a step says, as far as it can drive it at all."""
        settings = self.exposures.settings_of(step)
        return all(self.end.part(Properties).judge(tag, value)[0] is not Status.RANGE_LIMIT for tag, value in settings)

    def answer_roi_set(self, cause: Cause) -> RoiSetResponse:
        ask = cause.body
        if ask.stream >= len(self.streams):
            raise RefusedError(Status.NO_SUCH_ID, 0)
        stream = self.streams[ask.stream]
        width, height = modes.size(stream.setup, stream.mode)
        for i, r in enumerate(ask.regions):
            if r.x + r.width > width or r.y + r.height > height:
                raise RefusedError(Status.RANGE_LIMIT, 2 + 10 * i)
        self.regions[ask.stream] = ask.regions
        return RoiSetResponse()
