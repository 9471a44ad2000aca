"""A module's time: the words of the time machine, what exchanges are worth, and triggers.

Plan: exchanges · age · guards · effects · what it sends · triggers.
"""

from typing import Any, Final

from msgspec import Struct

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.camera import Camera
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.packets import (
    TimeClass,
    TimeState,
    TimeStatus,
    TimeSync,
    TriggerAction,
    TriggerFired,
)
from opalink.spec.form import MS, SECOND

_ENOUGH: Final = 3  # exchanges
_RESOLUTION: Final = 400  # ns: what the stamps can be off, beside half of what an exchange took
_DRIFT: Final = 20_000  # ns in a second without exchanges, at worst
_LIMITS: Final = ((TimeClass.T2, 50), (TimeClass.T1, 1000), (TimeClass.T0, 50_000))
_SILENT: Final = 1 * SECOND  # without an exchange until LOCKED becomes HOLDOVER
_TOO_OLD: Final = 10 * SECOND  # and until FREE
_AGEING: Final = 31_250_000  # how often the bound is looked at
_TRIGGERS: Final = 32  # that can be set at once
_SOON: Final = 1 * MS  # a trigger sooner than this is too late
_WORST: Final = 0xFFFF_FFFF
_I32: Final = 0x7FFF_FFFF


class Exchange(Struct, frozen=True):
    """What the four stamps give."""

    offset: int
    bound: int


class Timing(ModulePart):
    machine = "TIME"
    conditions = frozenset({Status.NO_TIME})

    def restart(self) -> None:
        self.time_class = TimeClass.T0  # as reported
        self._measured: Exchange | None = None
        self._offset = 0
        self._forget()
        self._pending: set[tuple[int, int]] = set()  # triggers

    def _forget(self) -> None:
        self._exchanges, self._measured_bound, self._last = 0, _WORST, 0

    @property
    def known(self) -> bool:
        return self.run.state in ("LOCKED", "HOLDOVER")

    # ── Exchanges ──

    def told_time_sync(self, cause: Cause) -> None:
        self._measured = self._measure(cause)

    def _measure(self, cause: Cause) -> Exchange | None:
        t4 = self.end.now
        if cause.asked is None or cause.packet is None or cause.packet.status is not Status.OK:
            return None
        told, t1 = cause.body, cause.asked.body.t1
        took = (t4 - t1) - (told.t3 - told.t2)
        if told.t1 != t1 or told.t3 < told.t2 or took < 0:
            return None
        return Exchange(((told.t2 - t1) + (told.t3 - t4)) // 2, min(_WORST, took // 2 + _RESOLUTION))

    # ── Age ──

    @property
    def bound(self) -> int:
        """Greatest error of this side's time now, in ns: that of the last exchange, grown with its age."""
        silence = self.end.now - self._last
        if silence <= _SILENT:
            return self._measured_bound
        return min(_WORST, max(self._measured_bound, silence * _DRIFT // SECOND))

    def _age(self) -> None:
        """What is known grows old without exchanges."""
        silence = self.end.now - self._last
        if silence > _TOO_OLD:
            self.end.signal("too_old")
            return
        if silence > _SILENT and self.run.state == "LOCKED":
            self.end.signal("silent")
        elif self._class(self.bound) != self.time_class:
            self.end.signal("class_fell")
        self.end.clock.start(("timing", "age"), _AGEING, self._age)

    def _class(self, bound: int) -> TimeClass:
        """The best class that a bound allows; the descriptor promises no more than its own."""
        promised = self.end.identity.records["time_class"].accuracy
        kept = next((c for c, limit in _LIMITS if bound <= limit), TimeClass.T0)
        return min(kept, TimeClass(promised))

    # ── Guards ──

    def when_exchange_open(self, _: Cause) -> bool:
        return self.end.asking("TIME_SYNC") or self.around.has(Status.NO_TIME)

    def when_exchange_good(self, _: Cause) -> bool:
        return self._measured is not None

    def when_enough(self, _: Cause) -> bool:
        new = self._measured
        return new is not None and self._exchanges + 1 >= _ENOUGH and new.bound <= _LIMITS[-1][1]

    def when_class_changes(self, _: Cause) -> bool:
        new = self._measured
        return new is not None and self._class(new.bound) != self.time_class

    def when_soon(self, cause: Cause) -> bool:
        return bool(cause.body.fire < self.end.link_time + _SOON)

    def when_action_there(self, cause: Cause) -> bool:
        return self.end.has("FLASH" if cause.body.action is TriggerAction.STROBE else "SENSOR")

    def when_action_ready(self, cause: Cause) -> bool:
        return cause.body.action is TriggerAction.STROBE or self.end.streaming

    def when_plan_known(self, cause: Cause) -> bool:
        camera = self.end.find(Camera)
        return cause.body.action is not TriggerAction.PLAN or (
            camera is not None and cause.body.plan in camera.exposures.plans
        )

    def when_trigger_room(self, _: Cause) -> bool:
        return len(self._pending) < _TRIGGERS

    # ── Effects ──

    def do_take_exchange(self, _: Cause) -> None:
        if self._measured is None:
            return
        self._offset, self._measured_bound = self._measured.offset, self._measured.bound
        self._exchanges += 1
        self._last = self.end.now
        self.end.link_offset = self._offset
        self.end.clock.start(("timing", "age"), _AGEING, self._age)

    def do_forget_time(self, _: Cause) -> None:
        self._forget()
        self.time_class = TimeClass.T0
        self.end.clock.stop(("timing", "age"))

    # ── What it sends ──

    def fill_time_sync(self, _: Cause) -> TimeSync:
        return TimeSync(t1=self.end.now)

    def fill_time_status(self, _: Cause) -> TimeStatus:
        bound = self.bound
        self.time_class = self._class(bound)
        return TimeStatus(
            offset=max(-_I32, min(_I32, self._offset)),
            bound=bound,
            time_class=self.time_class,
            state=TimeState(self.run.number),
        )

    def condition(self, _: Status, present: bool) -> None:
        if present:
            self.end.signal("time_lost")

    # ── Triggers ──

    def do_set_trigger(self, cause: Cause) -> None:
        ask, txn = cause.body, cause.arrived.txn
        self._pending.add((txn, ask.fire))
        self.end.clock.start(("timing", txn, ask.fire), ask.fire - self.end.link_time, lambda: self._fire(txn, ask))

    def _fire(self, txn: int, ask: Any) -> None:
        self._pending.discard((txn, ask.fire))
        camera = self.end.find(Camera)
        if ask.action is not TriggerAction.STROBE:
            if camera is None or not self.end.streaming:
                return
            camera.frames.triggered(ask.fire, ask.plan if ask.action is TriggerAction.PLAN else 0)
        self.end.send(TriggerFired(trigger=txn, planned=ask.fire, actual=ask.fire), ask.fire)
