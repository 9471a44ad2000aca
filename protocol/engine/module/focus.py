"""The focus of a module and its motor: the words of the focus machine. Whose the ring is, `optics` says.

Plan: where it is · guards · effects · the motor · what it sends · answers · conditions.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.optics import Optics
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.property_table import Range
from opalink.protocol.packets import (
    ControlId,
    FocusActivity,
    FocusCalibration,
    FocusMode,
    FocusMove,
    FocusMoveResponse,
    FocusState,
    PropertyTag,
)
from opalink.spec.form import MS, SECOND

_SETTLE: Final = 20 * MS
_REPORT: Final = 90 * MS  # R-LEN-011 asks for 100
_DEPTH: Final = 40  # 0.001 D on each side of the focus are sharp
_ROOM: Final = 250  # 0.1 degC, where nothing measures it


class Focus(ModulePart):
    machine = "FOCUS"
    conditions = frozenset({Status.MOTOR_BLOCKED})

    def restart(self) -> None:
        self._asked: Cause | None = None  # the request under which the motor moves
        self._path = (0, 0, 0, 0)  # from, to, since, until

    # ── Where it is ──

    @property
    def _optics(self) -> Optics:
        return self.end.part(Optics)

    @property
    def _span(self) -> Range:
        return self.end.part(Properties).table[PropertyTag.FOCUS_POSITION].range

    @property
    def position(self) -> int:
        """Where the focus is now, in 0.001 D."""
        begin, to, since, until = self._path
        if not self.end.clock.running(("focus", "motor")):
            return self._optics.value(PropertyTag.FOCUS_POSITION)
        return begin + (to - begin) * min(self.end.now - since, until - since) // max(1, until - since)

    def _target(self, ask: FocusMove) -> int:
        if ask.mode is not FocusMode.VELOCITY:
            return ask.target
        return self._span.hi if ask.target > 0 else self._span.lo if ask.target < 0 else self.position

    def _speed(self, ask: FocusMove) -> int:
        """In 0.001 D/s; 0 wants the greatest."""
        if ask.mode is FocusMode.VELOCITY:
            return abs(ask.target) or 1
        return min(ask.speed, self._fastest) if ask.speed else self._fastest

    @property
    def _fastest(self) -> int:
        return self._optics.value(PropertyTag.FOCUS_SPEED) * 10

    def _time(self, to: int, speed: int) -> int:
        return abs(to - self.position) * SECOND // speed

    # ── Guards ──

    def when_ring_has_it(self, _: Cause) -> bool:
        return self._optics.kept_by_user(ControlId.FOCUS_RING)

    def when_reachable(self, cause: Cause) -> bool:
        ask, span = cause.body, self._span
        if ask.mode is FocusMode.VELOCITY:
            return self._speed(ask) <= self._fastest
        return bool(span.lo <= ask.target <= span.hi)

    def when_in_time(self, cause: Cause) -> bool:
        ask = cause.body
        time = self._time(self._target(ask), self._speed(ask))
        return not ask.by or self.end.link_time + time <= ask.by

    def when_at_end(self, _: Cause) -> bool:
        return self._optics.value(PropertyTag.FOCUS_POSITION) in (self._span.lo, self._span.hi)

    def when_ring_moves(self, _: Cause) -> bool:
        return self._optics.ring_moves_focus

    # ── Effects ──

    def do_take_for_phone(self, _: Cause) -> None:
        self._optics.claim(ControlId.FOCUS_RING)

    def do_supersede(self, _: Cause) -> None:
        self._interrupt(Status.CANCELLED)

    def do_yield_to_ring(self, _: Cause) -> None:
        self._interrupt(Status.RING_OWNED)

    def do_drive(self, cause: Cause) -> None:
        ask = cause.body
        to = self._target(ask)
        time = self._time(to, self._speed(ask))
        moved = ask.mode is FocusMode.VELOCITY and not self.around.has(Status.MOTOR_BLOCKED)
        if moved:
            self.end.finish(cause, self._where())
        self._asked = None if moved else cause
        self._go(to, time, _SETTLE if ask.settle and not moved else 0)

    def do_drive_home(self, _: Cause) -> None:
        self._go(self._span.lo, self._time(self._span.lo, self._fastest), 0)

    def do_finish_move(self, _: Cause) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            self.end.finish(asked, self._where())

    def do_fail_move(self, _: Cause) -> None:
        self._interrupt(Status.MOTOR_BLOCKED)

    # ── The motor ──

    def _go(self, to: int, time: int, settle: int) -> None:
        begin = self.position
        if self.around.has(Status.MOTOR_BLOCKED):
            self.end.signal("stalled")
            return
        self._path = begin, to, self.end.now, self.end.now + time
        self._stand(begin)
        self.end.clock.start(("focus", "motor"), time, lambda: self._reached(to, settle))
        self.end.clock.start(("focus", "report"), _REPORT, self._still_moving)

    def _reached(self, to: int, settle: int) -> None:
        self._stand(to)
        self.end.clock.start(("focus", "settle"), settle, self._arrived)

    def _arrived(self) -> None:
        self.end.clock.stop(("focus", "report"))
        self._optics.report_lens()
        self.end.signal("arrived")

    def _still_moving(self) -> None:
        self.end.signal("report_due")
        self._optics.report_lens()
        self.end.clock.start(("focus", "report"), _REPORT, self._still_moving)

    def _halt(self) -> None:
        """Stop the motor where it is."""
        position, moving = self.position, self.end.clock.running(("focus", "motor"))
        self.end.clock.stop_all("focus")
        if moving:
            self._stand(position)
            self._optics.report_lens()

    def _interrupt(self, why: Status) -> None:
        """Give up the movement under way."""
        self._halt()
        asked, self._asked = self._asked, None
        if asked is not None:
            self.end.refuse(asked, why)

    def _stand(self, position: int) -> None:
        self.end.part(Properties).values[PropertyTag.FOCUS_POSITION] = position

    # ── What it sends ──

    def fill_focus_state(self, _: Cause) -> FocusState:
        heat, position = self.end.find(Heat), self.position
        return FocusState(
            position=position,
            step=position,
            state=FocusActivity(self.run.number),
            near_limit=position + _DEPTH,
            far_limit=position - _DEPTH,
            calibration=FocusCalibration.CALIBRATED,
            owner=self._optics.owner(ControlId.FOCUS_RING),
            temperature=heat.hottest if heat else _ROOM,
        )

    # ── Answers ──

    def answer_focus_move(self, cause: Cause) -> Any:
        ask = cause.body
        if ask.mode is FocusMode.VELOCITY:
            return Later(0)
        wait = self._time(ask.target, self._speed(ask)) + (_SETTLE if ask.settle else 0)
        return Later(wait, self._cancel)

    def _cancel(self) -> None:
        self._halt()
        self._asked = None
        self.end.signal("cancelled")

    def _where(self) -> FocusMoveResponse:
        return FocusMoveResponse(position=self.position, step=self.position)

    # ── Conditions ──

    def condition(self, _: Status, present: bool) -> None:
        if present and self.end.clock.running(("focus", "motor")):
            self._halt()
            self.end.signal("stalled")
