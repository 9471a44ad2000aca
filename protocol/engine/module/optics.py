"""The lens of a module, its rings, and whom its motors obey. The focus motor is in `focus`.

Plan: what is there · aperture, density, zoom · rings and buttons · ownership · reports.
"""

from typing import Any, Final

from msgspec import Struct, structs

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later, RefusedError, Reply
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.packets import (
    ChangeCause,
    ControlAction,
    ControlEvent,
    ControlId,
    ControlOwner,
    ControlOwnerResponse,
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
from opalink.spec.form import MS

_HOLD: Final = 500  # ms
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
        self._setting: dict[OpticKind, Cause] = {}

    def _new(self, control: ControlId) -> Control:
        motor = self.end.has(_MOTOR_OF.get(control, ""))
        return Control(Owner.PHONE if motor else Owner.USER)

    def value(self, tag: int) -> int:
        """A lens property's value, or 0 where the module has not got it."""
        return self.end.part(Properties).values.get(tag, 0)

    # ── Aperture, density, zoom ──

    def answer_optic_set(self, cause: Cause) -> Any:
        ask = cause.body
        ring = _RING_OF[ask.kind]
        if not self.end.has(_MOTOR_OF[ring]):
            raise RefusedError(Status.READ_ONLY if ring in self.rings else Status.NO_SUCH_ID, 0)
        if self.kept_by_user(ring):
            raise RefusedError(Status.RING_OWNED)
        self.claim(ring)
        status, reached = self.end.part(Properties).judge(_TAG_OF[ring], ask.target)
        if status is Status.RANGE_LIMIT:
            raise RefusedError(status, 1)
        if self.around.has(Status.MOTOR_BLOCKED):
            raise RefusedError(Status.MOTOR_BLOCKED)
        before = self._setting.pop(ask.kind, None)
        if before is not None:
            self.end.refuse(before, Status.CANCELLED)
        span = self.end.part(Properties).table[_TAG_OF[ring]].range
        path = abs(reached - self.value(_TAG_OF[ring]))
        wait = _TRAVEL[ask.kind] * path // max(1, span.hi - span.lo)
        self._setting[ask.kind] = cause

        def arrive() -> None:
            self._setting.pop(ask.kind, None)
            self.end.part(Properties).values[_TAG_OF[ring]] = reached
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
        span = self.end.part(Properties).table[tag].range
        sign = -1 if self.value(PropertyTag.RING_DIRECTION) == RingSense.COUNTERCLOCKWISE else 1
        way = sign * delta * (span.hi - span.lo) * self.value(PropertyTag.RING_SENSITIVITY)
        if moved is ControlId.FOCUS_RING:
            self.end.yield_focus()
        before = self.value(tag)
        value = max(span.lo, min(span.hi, before + way // (100 * self.rings[ring].counts)))
        value = span.judge(value)[1]
        self.end.part(Properties).values[tag] = value
        if moved is ControlId.FOCUS_RING:
            self.end.signal("ring_turned")
        if value != before:
            self.end.part(Properties).changed(ChangeCause.USER, tag)
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
            self.end.signal("phone_has_it" if owner is Owner.PHONE else "user_has_it")

    def owner(self, control: ControlId) -> Owner:
        """Whom the motor of a control obeys; without a control, the phone."""
        state = self.controls.get(control)
        return state.owner if state else Owner.PHONE

    def kept_by_user(self, control: ControlId) -> bool:
        """Whether the user's hand keeps a control from the phone."""
        state = self.controls.get(control)
        return state is not None and state.owner is Owner.USER and state.policy is OwnerPolicy.RING_WINS

    def claim(self, control: ControlId) -> None:
        """The phone wants to move what a control's motor moves, and nothing keeps it from that."""
        if control in self.controls:
            self._give(control, Owner.PHONE)

    @property
    def ring_moves_focus(self) -> bool:
        return _RING_FOR.get(RingUse(self.value(PropertyTag.RING_FUNCTION))) is ControlId.FOCUS_RING

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
            self.end.signal("focus_set")
        if tag == PropertyTag.MOTOR_HOME:
            self.end.signal("homing")
        if tag in _TAG_OF.values():
            self.report_lens()

    def session_opened(self) -> None:
        self.report_lens()

    def session_closed(self) -> None:
        """Who wins is the session's to say; motors stop where they are."""
        for kind in list(self._setting):
            self._give_up(kind)
        for name, state in self.controls.items():
            self.controls[name] = structs.replace(self._new(name), absolute=state.absolute)

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
                focus=self.end.focus,
                density=self.value(PropertyTag.NEUTRAL_DENSITY),
                entrance_pupil=optics.pupils[0].entrance if optics.pupils else 0,
                valid=known,
            )
        )
