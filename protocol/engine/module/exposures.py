"""Which frame is taken next, and what it is taken with.

Plan: the request that is served · the exposure.
"""

from typing import Any, Final

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.module import modes
from opalink.protocol.engine.module.modes import Frame, Stream, Waiting
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.patterns import Data, Picture
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.session import Session
from opalink.protocol.packets import (
    CaptureQueue,
    CfaPattern,
    FaultSeverity,
    FrameExposure,
    FrameFlags,
    FrameLeader,
    PatternKind,
    PlanStep,
    PropertyTag,
    RowDirection,
    SensorMode,
    Subsystem,
    SubsystemMask,
)
from opalink.spec.limits import BLOCK_DATA

# What a leader tells of the settings that a frame was taken with (R-FRM-011).
_SETTINGS: Final = (
    PropertyTag.EXPOSURE,
    PropertyTag.GAIN,
    PropertyTag.FOCUS_POSITION,
    PropertyTag.APERTURE,
    PropertyTag.NEUTRAL_DENSITY,
    PropertyTag.FOCAL_LENGTH,
    PropertyTag.OIS_MODE,
    PropertyTag.STACK_GENERATION,
)


class Exposures(ModulePart):
    """`number` is that of the last frame exposed; stored stills would make no sense if it began anew."""

    needs = ("SENSOR",)

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.number = 0

    def restart(self) -> None:
        if not self.end.has("STORAGE"):
            self.number = 0
        self.plans: dict[int, tuple[PlanStep, ...]] = {}
        self.pattern, self.seed = PatternKind.OFF, 0
        self.forget()

    def forget(self) -> None:
        """Forget how far the requests are that are served."""
        self._left: dict[int, int] = {}  # exposures that the request at the head still wants, by stream
        self._round: dict[int, int] = {}  # exposures of the video that repeats
        self._fire: dict[int, int] = {}  # moments of triggers, by stream

    # ── The request ──

    def take(self, s: Stream, free: int, *, stills: bool = False) -> Frame | None:
        """The next frame of a stream whose sensor is free since then; with `stills`, none if that is video."""
        while s.queue and self._late(s, free):
            self._taken(s)
            self.end.part(Session).report(Status.LATE, FaultSeverity.INFO, Subsystem.FRAMES)
        if stills and not (s.queue and s.queue[0].request.frames):
            return None
        since = s.queue[0].since if s.queue else 0
        request, step = self._next(s)
        return self.expose(s, request, step, max(free, since))

    def _late(self, s: Stream, free: int) -> bool:
        """Whether the request at the head cannot begin in time any more; one that has begun can."""
        head = s.queue[0]
        if not head.request.deadline or s.index in self._left:
            return False
        exposure = self._settings(head.request, 0)[PropertyTag.EXPOSURE]
        begun = max(free, head.since, self.end.now - exposure)
        return self.end.link_time + begun - self.end.now > head.request.deadline

    def _next(self, s: Stream) -> tuple[CaptureQueue | None, int]:
        """The request that a stream's next exposure serves, and the step of its plan."""
        if s.queue and not s.queue[0].request.frames:
            s.video = s.queue[0].request
            s.last_request = s.video.request
            self._taken(s)
            self._left.pop(s.index, None)
        elif s.queue:
            request, s.video = s.queue[0].request, None
            s.last_request = request.request
            steps = len(self.plans.get(request.plan, ())) or 1
            whole = request.frames * steps
            left = self._left.pop(s.index, 0) or whole
            if left == 1:
                self._taken(s)
            else:
                self._left[s.index] = left - 1
            return request, (whole - left) % steps
        if s.video is None:
            return None, 0
        at = self._round.get(s.index, 0)
        self._round[s.index] = at + 1
        return s.video, at % (len(self.plans.get(s.video.plan, ())) or 1)

    def _taken(self, s: Stream) -> None:
        """The request at the head waits no longer: there is room again."""
        s.queue.pop(0)
        self._round.pop(s.index, None)
        self.end.ready(SubsystemMask.FRAMES)

    def trigger(self, s: Stream, fire: int, plan: int) -> None:
        """The next frame of a stream, or the next frames by a plan, begin at a moment of link time."""
        request = CaptureQueue(request=s.last_request or 1, mask=1 << s.index, frames=1, plan=plan)
        s.queue.insert(0, Waiting(request, self.end.now))
        self._left.pop(s.index, None)
        self._fire[s.index] = fire

    # ── The exposure ──

    def settings_of(self, step: PlanStep) -> list[tuple[int, int]]:
        """A plan's step as settings, as far as the module can drive them."""
        wanted = {
            PropertyTag.EXPOSURE: step.exposure,
            PropertyTag.GAIN: step.gain,
            PropertyTag.FOCUS_POSITION: step.focus,
            PropertyTag.APERTURE: step.aperture,
            PropertyTag.NEUTRAL_DENSITY: step.neutral_density,
        }
        return [(tag, value) for tag, value in wanted.items() if tag in self.end.part(Properties).table]

    def _settings(self, request: CaptureQueue | None, step: int) -> dict[int, int]:
        """Every setting that a leader tells, as the frame is taken with it."""
        properties = self.end.part(Properties)
        values = {int(tag): properties.read(tag) for tag in _SETTINGS if tag in properties.table}
        wanted = [(t.tag, t.value) for t in request.settings] if request else []
        plan = self.plans.get(request.plan, ()) if request else ()
        wanted += self.settings_of(plan[step]) if plan else []
        for tag, value in wanted:
            status, taken = properties.judge(tag, value)
            if tag in values and status in (Status.OK, Status.ADJUSTED):
                values[tag] = taken
        return values

    def expose(self, s: Stream, request: CaptureQueue | None, step: int, free: int) -> Frame:
        """Take a frame. Its exposure ends now, or later where the sensor is not free for it long enough."""
        self.number += 1
        s.last_frame = self.number
        self.end.part(Properties).frame_begins(self.number)
        values = self._settings(request, step)
        still = bool(request and request.frames)
        if not still and s.setup.min_rate:
            values[PropertyTag.EXPOSURE] = min(values[PropertyTag.EXPOSURE], 10**11 // s.setup.min_rate)
        exposure, now, link_time = values[PropertyTag.EXPOSURE], self.end.now, self.end.link_time
        begun = self._fire.pop(s.index, link_time + max(free, now - exposure) - now)
        ready = max(now, now + begun + exposure - link_time)
        setup, mode = s.setup, s.mode
        width, height = modes.size(setup, mode)
        picture = self._picture(mode, (setup.x, setup.y, width, height), exposure, values[PropertyTag.GAIN])
        leader = FrameLeader(
            frame=self.number,
            request=request.request if request else 0,
            stream=s.index,
            step=step,
            kind=FrameFlags.STILL if still else FrameFlags(0),
            pixel_format=mode.pixel_format,
            codec=setup.codec,
            width=width,
            height=height,
            x=setup.x,
            y=setup.y,
            t_first_row=max(0, begun),
            line_period=mode.line_period,
            row_direction=RowDirection.TOP_DOWN,
            blocks=-(-picture.bytes // BLOCK_DATA),
            block_bytes=BLOCK_DATA,
            size=picture.bytes,
            exposures=(FrameExposure(exposure, values[PropertyTag.GAIN]),),
            settings=tuple(Tlv(tag, value) for tag, value in values.items()),
        )
        taken = self.end.part(Properties).read(PropertyTag.WALL_CLOCK) if self.end.has("WALL_CLOCK") else 0
        setups = [x.setup for x in self.end.streams] or [setup]
        spread = modes.period(setup, mode, setups, self.end.capacity)
        return Frame(self.number, leader, picture, still, taken, ready, spread)

    def _picture(self, mode: SensorMode, window: tuple[int, int, int, int], exposure: int, gain: int) -> Data:
        """What is exposed: a test pattern, what stands before the camera, or a wall where nobody put anything there."""
        if self.pattern is PatternKind.OFF and self.end.scene is not None:
            return self.end.scene(mode, window, exposure, gain, self.number)
        _, _, width, height = window
        cfa = CfaPattern(mode.cfa)
        return Picture(self.pattern, self.seed, self.number, width=width, height=height, depth=mode.depth, cfa=cfa)
