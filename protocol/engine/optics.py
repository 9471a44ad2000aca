"""The lens of a module, its motors, its rings, and whom they obey.

Plan: what is there · focus · aperture, density, zoom · rings and buttons · ownership · reports.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, structs

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later, RefusedError, Reply
from opalink.protocol.engine.heat import Heat
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import ModulePart
from opalink.protocol.packets import (
    ChangeCause,
    ControlAction,
    ControlEvent,
    ControlId,
    ControlOwner,
    ControlOwnerResponse,
    FocusActivity,
    FocusCalibration,
    FocusMode,
    FocusMove,
    FocusMoveResponse,
    FocusState,
    LensField,
    LensState,
    OpticKind,
    OpticSetResponse,
    Owner,
    OwnerPolicy,
    PropertyTag,
    RingSense,
    RingUse,
)
from opalink.spec.form import MS, SECOND

_SETTLE: Final = 20 * MS
_REPORT: Final = 90 * MS  # R-LEN-011 asks for 100
_HOLD: Final = 500  # ms
_DEPTH: Final = 40  # 0.001 D on each side of the focus are sharp
_MOTOR_OF: Final = {
    ControlId.FOCUS_RING: "FOCUS_MOTOR",
    ControlId.APERTURE_RING: "APERTURE_MOTOR",
    ControlId.ND_RING: "ND_MOTOR",
    ControlId.ZOOM_RING: "ZOOM_MOTOR",
}
_RING_OF: Final = {
    OpticKind.APERTURE: ControlId.APERTURE_RING,
    OpticKind.ND: ControlId.ND_RING,
    OpticKind.ZOOM: ControlId.ZOOM_RING,
}
_TAG_OF: Final = {
    ControlId.FOCUS_RING: PropertyTag.FOCUS_POSITION,
    ControlId.APERTURE_RING: PropertyTag.APERTURE,
    ControlId.ND_RING: PropertyTag.NEUTRAL_DENSITY,
    ControlId.ZOOM_RING: PropertyTag.FOCAL_LENGTH,
}
_RING_FOR: Final = {
    RingUse.FOCUS: ControlId.FOCUS_RING,
    RingUse.APERTURE: ControlId.APERTURE_RING,
    RingUse.NEUTRAL_DENSITY: ControlId.ND_RING,
    RingUse.ZOOM: ControlId.ZOOM_RING,
}
_TRAVEL: Final = {OpticKind.APERTURE: 60 * MS, OpticKind.ND: 600 * MS, OpticKind.ZOOM: 400 * MS}  # from end to end


class Control(Struct):
    """A ring or button. `absolute` counts its turns and wraps."""

    owner: Owner
    policy: OwnerPolicy = OwnerPolicy.RING_WINS
    hold: int = _HOLD
    absolute: int = 0


class Optics(ModulePart):
    needs = ("LENS", "FOCUS_MOTOR", "APERTURE_MOTOR", "ND_MOTOR", "ZOOM_MOTOR", "CONTROLS")
    conditions = frozenset({Status.MOTOR_BLOCKED})

    def restart(self) -> None:
        rings = self.end.identity.record("rings")
        self.rings = {ControlId(r.control): r for r in rings.rings} if rings else {}
        buttons = [ControlId.SHUTTER] if self.end.has("CONTROLS") and self.end.has("SENSOR") else []
        self.controls = {c: self._new(c) for c in [*self.rings, *buttons]}
        self.activity = FocusActivity.IDLE
        self._moving: Cause | None = None
        self._path = (0, 0, 0, 0)  # from, to, since, until
        self._setting: dict[OpticKind, Cause] = {}

    def _new(self, control: ControlId) -> Control:
        motor = self.end.has(_MOTOR_OF.get(control, ""))
        return Control(Owner.PHONE if motor else Owner.USER)

    def value(self, tag: int) -> int:
        """A lens property's value, or 0 where the module has not got it."""
        return self.end.properties.values.get(tag, 0)

    # ── Focus ──

    @property
    def position(self) -> int:
        """Where the focus is now, in 0.001 D."""
        begin, to, since, until = self._path
        if not self.end.clock.running(("optics", "focus")):
            return self.value(PropertyTag.FOCUS_POSITION)
        return begin + (to - begin) * (self.end.now - since) // max(1, until - since)

    def answer_focus_move(self, cause: Cause) -> Any:
        ask = cause.body
        self._claim(ControlId.FOCUS_RING)
        span = self.end.properties.table[PropertyTag.FOCUS_POSITION].range
        if ask.mode is FocusMode.VELOCITY:
            to = span.hi if ask.target > 0 else span.lo if ask.target < 0 else self.position
            speed = abs(ask.target) or 1
            if speed > self._speed(0):
                raise RefusedError(Status.RANGE_LIMIT, 1)
        else:
            to, speed = ask.target, self._speed(ask.speed)
            if not span.lo <= to <= span.hi:
                raise RefusedError(Status.RANGE_LIMIT, 1)
        if self.around.has(Status.MOTOR_BLOCKED):
            self._become(FocusActivity.FAULT)
            raise RefusedError(Status.MOTOR_BLOCKED)
        time = abs(to - self.position) * SECOND // speed
        if ask.by and self.end.link_time + time > ask.by:
            raise RefusedError(Status.LATE, 7)
        self._interrupt(Status.CANCELLED)
        if ask.mode is FocusMode.VELOCITY:
            self._go(to, time, lambda: None)
            return self._where()
        wait = time + (_SETTLE if ask.settle else 0)
        self._moving = cause
        self._go(to, time, lambda: self._arrived(cause, ask))
        return Later(wait, self._halt)

    def _speed(self, wanted: int) -> int:
        """In 0.001 D/s; 0 wants the greatest."""
        greatest = self.value(PropertyTag.FOCUS_SPEED) * 10
        return min(wanted, greatest) if wanted else greatest

    def _go(self, to: int, time: int, then: Callable[[], None]) -> None:
        """Let the motor move."""
        begin = self.position
        self._path = begin, to, self.end.now, self.end.now + time
        self.end.properties.values[PropertyTag.FOCUS_POSITION] = begin

        def arrive() -> None:
            self.end.clock.stop(("optics", "report"))
            self.end.properties.values[PropertyTag.FOCUS_POSITION] = to
            span = self.end.properties.table[PropertyTag.FOCUS_POSITION].range
            self._become(FocusActivity.LIMIT if to in (span.lo, span.hi) and time else FocusActivity.SETTLED)
            self.report_lens()
            then()

        self.end.clock.start(("optics", "focus"), time, arrive)
        self._become(FocusActivity.MOVING)
        self.end.clock.start(("optics", "report"), _REPORT, self._still_moving)

    def _still_moving(self) -> None:
        self._report_focus()
        self.report_lens()
        self.end.clock.start(("optics", "report"), _REPORT, self._still_moving)

    def _arrived(self, cause: Cause, ask: FocusMove) -> None:
        if ask.settle:
            self.end.clock.start(("optics", "settle"), _SETTLE, lambda: self._done(cause))
        else:
            self._done(cause)

    def _done(self, cause: Cause) -> None:
        self._moving = None
        self.end.finish(cause, self._where())

    def _where(self) -> FocusMoveResponse:
        return FocusMoveResponse(position=self.position, step=self.position)

    def _halt(self) -> None:
        """Stop the motor where it is."""
        position = self.position
        for key in ("focus", "report", "settle"):
            self.end.clock.stop(("optics", key))
        self.end.properties.values[PropertyTag.FOCUS_POSITION] = position
        if self.activity is FocusActivity.MOVING:
            self._become(FocusActivity.SETTLED)
            self.report_lens()
        self._moving = None

    def _interrupt(self, why: Status) -> None:
        """Give up the movement under way."""
        cause = self._moving
        if cause is not None or self.end.clock.running(("optics", "focus")):
            self._halt()
        if cause is not None:
            self.end.refuse(cause, why)

    def _become(self, activity: FocusActivity) -> None:
        if activity is not self.activity:
            self.activity = activity
            self._report_focus()

    # ── Aperture, density, zoom ──

    def answer_optic_set(self, cause: Cause) -> Any:
        ask = cause.body
        ring = _RING_OF[ask.kind]
        if not self.end.has(_MOTOR_OF[ring]):
            raise RefusedError(Status.READ_ONLY if ring in self.rings else Status.NO_SUCH_ID, 0)
        self._claim(ring)
        status, reached = self.end.properties.judge(_TAG_OF[ring], ask.target)
        if status is Status.RANGE_LIMIT:
            raise RefusedError(status, 1)
        if self.around.has(Status.MOTOR_BLOCKED):
            raise RefusedError(Status.MOTOR_BLOCKED)
        before = self._setting.pop(ask.kind, None)
        if before is not None:
            self.end.refuse(before, Status.CANCELLED)
        span = self.end.properties.table[_TAG_OF[ring]].range
        path = abs(reached - self.value(_TAG_OF[ring]))
        wait = _TRAVEL[ask.kind] * path // max(1, span.hi - span.lo)
        self._setting[ask.kind] = cause

        def arrive() -> None:
            self._setting.pop(ask.kind, None)
            self.end.properties.values[_TAG_OF[ring]] = reached
            self.report_lens()
            self.end.finish(cause, Reply(OpticSetResponse(reached), status))

        self.end.clock.start(("optics", ask.kind), wait, arrive)
        return Later(wait, lambda: self._give_up(ask.kind))

    def _give_up(self, kind: OpticKind) -> None:
        self._setting.pop(kind, None)
        self.end.clock.stop(("optics", kind))

    # ── Rings and buttons ──

    def turn(self, control: int, delta: int) -> bool:
        """The user turns a ring; whether there is one."""
        if control not in self.rings:
            return False
        ring = ControlId(control)
        state = self.controls[ring]
        state.absolute = state.absolute + delta & 0xFFFF
        self.end.send(ControlEvent(ring, ControlAction.TURN, delta, state.absolute))
        use = RingUse(self.value(PropertyTag.RING_FUNCTION))
        moved = _RING_FOR.get(use) if self.end.has(_MOTOR_OF[ring]) else None
        if moved is None or state.policy is OwnerPolicy.PHONE_LOCKS:
            return True
        if state.policy is OwnerPolicy.RING_WINS:
            self.end.clock.start(("optics", "hold", ring), state.hold * MS, lambda: self._give(ring, Owner.PHONE))
        self._give(ring, Owner.USER)
        self._follow(ring, moved, delta)
        return True

    def _follow(self, ring: ControlId, moved: ControlId, delta: int) -> None:
        """What a ring moves goes with it."""
        tag = _TAG_OF[moved]
        span = self.end.properties.table[tag].range
        sign = -1 if self.value(PropertyTag.RING_DIRECTION) == RingSense.COUNTERCLOCKWISE else 1
        way = sign * delta * (span.hi - span.lo) * self.value(PropertyTag.RING_SENSITIVITY)
        if moved is ControlId.FOCUS_RING:
            self._interrupt(Status.RING_OWNED)
        before = self.value(tag)
        value = max(span.lo, min(span.hi, before + way // (100 * self.rings[ring].counts)))
        value = span.judge(value)[1]
        self.end.properties.values[tag] = value
        if moved is ControlId.FOCUS_RING:
            self._become(FocusActivity.LIMIT if value in (span.lo, span.hi) else FocusActivity.RING_OVERRIDE)
        if value != before:
            self.end.properties.changed(ChangeCause.USER, tag)
            self.report_lens()

    def press(self, control: int, action: ControlAction | int) -> bool:
        """The user works a button; whether there is one."""
        if control not in self.controls or control in self.rings or action is ControlAction.TURN:
            return False
        absolute = self.controls[ControlId(control)].absolute
        self.end.send(ControlEvent(ControlId(control), action, 0, absolute))
        return True

    # ── Ownership ──

    def _give(self, control: ControlId, owner: Owner) -> None:
        state = self.controls[control]
        if state.owner is owner:
            return
        state.owner = owner
        if control is ControlId.FOCUS_RING:
            if owner is Owner.PHONE and self.activity is FocusActivity.RING_OVERRIDE:
                self.activity = FocusActivity.SETTLED
            self._report_focus()

    def _claim(self, control: ControlId) -> None:
        """The phone wants to move what a control's motor moves."""
        state = self.controls.get(control)
        if state is None or state.owner is Owner.PHONE:
            return
        if state.policy is OwnerPolicy.RING_WINS:
            raise RefusedError(Status.RING_OWNED)
        self._give(control, Owner.PHONE)

    def answer_control_owner(self, cause: Cause) -> ControlOwnerResponse:
        ask: ControlOwner = cause.body
        state = self.controls.get(ControlId(ask.control))
        if state is None:
            raise RefusedError(Status.NO_SUCH_ID, 0)
        motor = self.end.has(_MOTOR_OF.get(ControlId(ask.control), ""))
        if ask.owner is Owner.PHONE and not motor:
            raise RefusedError(Status.READ_ONLY, 1)
        if state.owner is Owner.USER and state.policy is OwnerPolicy.RING_WINS and motor:
            raise RefusedError(Status.RING_OWNED)
        state.policy, state.hold = OwnerPolicy(ask.policy), ask.hold
        self._give(ControlId(ask.control), Owner(ask.owner))
        return ControlOwnerResponse(owner=state.owner, policy=state.policy, hold=state.hold)

    # ── Reports ──

    def property_set(self, tag: int) -> None:
        """PROP_SET, a plan or a command has to do with the lens."""
        if tag == PropertyTag.FOCUS_POSITION:
            self._interrupt(Status.CANCELLED)
            self._become(FocusActivity.SETTLED)
        if tag == PropertyTag.MOTOR_HOME and self.end.has("FOCUS_MOTOR"):
            self._interrupt(Status.CANCELLED)
            home = self.end.properties.table[PropertyTag.FOCUS_POSITION].range.lo
            self._go(home, abs(home - self.position) * SECOND // self._speed(0), lambda: None)
        if tag in _TAG_OF.values():
            self.report_lens()

    def session_opened(self) -> None:
        self.report_lens()

    def session_closed(self) -> None:
        """Who wins is the session's to say; motors stop where they are."""
        self._interrupt(Status.CANCELLED)
        for kind in list(self._setting):
            self._give_up(kind)
        for name, state in self.controls.items():
            self.controls[name] = structs.replace(self._new(name), absolute=state.absolute)

    def _report_focus(self) -> None:
        if not self.end.has("FOCUS_MOTOR"):
            return
        heat, position = self.end.find(Heat), self.position
        ring = self.controls.get(ControlId.FOCUS_RING)
        self.end.send(
            FocusState(
                position=position,
                step=position,
                state=self.activity,
                near_limit=position + _DEPTH,
                far_limit=position - _DEPTH,
                calibration=FocusCalibration.CALIBRATED,
                owner=ring.owner if ring else Owner.PHONE,
                temperature=heat.hottest if heat else 250,
            )
        )

    def report_lens(self) -> None:
        """LENS_STATE: the optics as they are."""
        optics = self.end.identity.record("optics")
        if optics is None:
            return
        known = LensField.FOCAL | LensField.ENTRANCE_PUPIL
        aperture = self.value(PropertyTag.APERTURE)
        if self.end.has("APERTURE_MOTOR") or optics.av_min == optics.av_max:
            known |= LensField.APERTURE
            aperture = aperture or optics.av_min
        if self.end.has("FOCUS_MOTOR"):
            known |= LensField.FOCUS
        if self.end.has("ND_MOTOR"):
            known |= LensField.DENSITY
        self.end.send(
            LensState(
                focal=self.value(PropertyTag.FOCAL_LENGTH) or optics.focal_min,
                aperture=aperture,
                focus=self.position,
                density=self.value(PropertyTag.NEUTRAL_DENSITY),
                entrance_pupil=optics.pupils[0].entrance if optics.pupils else 0,
                valid=known,
            )
        )
