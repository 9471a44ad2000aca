"""A module's time: exchanges with the phone's clock, what they are worth, and triggers.

Plan: exchanges · state · triggers.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.camera import Camera
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import ModulePart
from opalink.protocol.packets import (
    TimeClass,
    TimeState,
    TimeStatus,
    TimeSync,
    TriggerAction,
    TriggerAtResponse,
    TriggerFired,
)
from opalink.spec.form import MS, SECOND

_ENOUGH: Final = 3  # exchanges
_RESOLUTION: Final = 400  # ns: what the stamps can be off, beside half of what an exchange took
_DRIFT: Final = 20_000  # ns in a second without exchanges, at worst
_LIMITS: Final = ((TimeClass.T2, 50), (TimeClass.T1, 1000), (TimeClass.T0, 50_000))
_CEASED: Final = 1 * SECOND  # without an exchange until LOCKED becomes HOLDOVER
_FREE: Final = 10 * SECOND  # of HOLDOVER until FREE
_TRIGGERS: Final = 32  # that can be set at once
_SOON: Final = 1 * MS  # a trigger sooner than this is too late
_WORST: Final = 0xFFFF_FFFF
_I32: Final = 0x7FFF_FFFF


class Timing(ModulePart):
    """`state` is what the module's time rests on."""

    needs = ("TIME",)
    conditions = frozenset({Status.NO_TIME})

    def restart(self) -> None:
        self.state = TimeState.FREE
        self.time_class = TimeClass.T0
        self._exchanges = 0
        self._bound = _WORST
        self._offset = 0
        self._last = 0  # when the last exchange ended
        self._pending: set[tuple[int, int]] = set()  # triggers

    @property
    def known(self) -> bool:
        return self.state in (TimeState.LOCKED, TimeState.HOLDOVER)

    # ── Exchanges ──

    def session_opened(self) -> None:
        if not self.end.clock.running(("timing", "sync")):
            self._ask()

    def _ask(self) -> None:
        """The next exchange, unless the last is still open; and so on as long as there is a session."""
        if not self.end.session.number:
            self._free()
            return
        if not self.end.asking("TIME_SYNC") and not self.around.has(Status.NO_TIME):
            self.end.send(TimeSync(t1=self.end.now))
        self._age()
        interval = self.end.catalogue.timer["tTimeSync"].nominal or 0
        self.end.clock.start(("timing", "sync"), interval, self._ask)

    def told_time_sync(self, cause: Cause) -> None:
        t4 = self.end.now
        if cause.asked is None or cause.packet is None or cause.packet.status is not Status.OK:
            return
        told = cause.body
        t1 = cause.asked.body.t1
        if told.t1 != t1 or told.t3 < told.t2:
            return
        took = (t4 - t1) - (told.t3 - told.t2)
        if took < 0:
            return
        self._offset = ((told.t2 - t1) + (told.t3 - t4)) // 2
        self._bound = min(_WORST, took // 2 + _RESOLUTION)
        self._exchanges += 1
        self._last = self.end.now
        self.end.link_offset = self._offset
        self._judge()

    def _age(self) -> None:
        """What is known grows old without exchanges."""
        if not self.known:
            return
        silence = self.end.now - self._last
        if silence > _CEASED:
            self._bound = min(_WORST, max(self._bound, silence * _DRIFT // SECOND))
            self._become(TimeState.FREE if silence > _FREE else TimeState.HOLDOVER, self._class())
        if self.state is TimeState.FREE:
            self._exchanges = 0

    # ── State ──

    def _judge(self) -> None:
        best = self._class()
        locked = self._exchanges >= _ENOUGH and self._bound <= _LIMITS[-1][1]
        self._become(TimeState.LOCKED if locked else TimeState.ACQUIRE, best)

    def _class(self) -> TimeClass:
        """The best class that the bound allows; the descriptor promises no more than its own."""
        promised = self.end.identity.records["time_class"].accuracy
        kept = next((c for c, limit in _LIMITS if self._bound <= limit), TimeClass.T0)
        return min(kept, TimeClass(promised))

    def _become(self, state: TimeState, time_class: TimeClass) -> None:
        if (state, time_class) == (self.state, self.time_class):
            return
        self.state, self.time_class = state, time_class
        self.end.send(
            TimeStatus(
                offset=max(-_I32, min(_I32, self._offset)), bound=self._bound, time_class=time_class, state=state
            )
        )

    def _free(self) -> None:
        self._exchanges, self._bound = 0, _WORST
        self._become(TimeState.FREE, TimeClass.T0)

    def condition(self, _: Status, present: bool) -> None:
        if present:
            self._free()

    # ── Triggers ──

    def answer_trigger_at(self, cause: Cause) -> TriggerAtResponse:
        ask = cause.body
        if not self.known:
            raise RefusedError(Status.NO_TIME)
        if ask.fire < self.end.link_time + _SOON:
            raise RefusedError(Status.LATE, 0)
        camera = self.end.find(Camera)
        if ask.action is TriggerAction.STROBE:
            if not self.end.has("FLASH"):
                raise RefusedError(Status.RANGE_LIMIT, 8)
        elif camera is None or not self.end.streaming:
            raise RefusedError(Status.BAD_STATE)
        elif ask.action is TriggerAction.PLAN and ask.plan not in camera.exposures.plans:
            raise RefusedError(Status.NO_SUCH_ID, 9)
        if len(self._pending) == _TRIGGERS:
            raise RefusedError(Status.NO_MEMORY)
        txn = cause.arrived.txn
        self._pending.add((txn, ask.fire))
        self.end.clock.start(("timing", txn, ask.fire), ask.fire - self.end.link_time, lambda: self._fire(txn, ask))
        return TriggerAtResponse()

    def _fire(self, txn: int, ask: Any) -> None:
        self._pending.discard((txn, ask.fire))
        camera = self.end.find(Camera)
        if ask.action is not TriggerAction.STROBE:
            if camera is None or not self.end.streaming:
                return
            camera.frames.triggered(ask.fire, ask.plan if ask.action is TriggerAction.PLAN else 0)
        self.end.send(TriggerFired(trigger=txn, planned=ask.fire, actual=ask.fire), ask.fire)
