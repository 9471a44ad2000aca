"""The phone's clock is link time: it answers what time it is, and knows what the module makes of it.

Plan: exchanges · triggers · the words.
"""

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import (
    TimeState,
    TimeStatus,
    TimeSyncResponse,
    TriggerAction,
    TriggerAt,
    TriggerFired,
)

_KEPT = 1000  # triggers that went off


class Clock(PhonePart):
    """`status` is what the module last said of its time; `fired` are the triggers that went off."""

    machine = "TIME"

    def restart(self) -> None:
        self.status = TimeStatus()
        self.fired: list[TriggerFired] = []
        self._wanted = TriggerAt()

    # ── Exchanges ──

    def answer_time_sync(self, cause: Cause) -> TimeSyncResponse:
        return TimeSyncResponse(t1=cause.body.t1, t2=self.end.link_time, t3=self.end.link_time)

    # ── Triggers ──

    def trigger(self, fire: int, action: TriggerAction = TriggerAction.FRAME, plan: int = 0) -> None:
        """Have something happen at a link time."""
        self._wanted = TriggerAt(fire=fire, action=action, plan=plan)
        self.end.signal("want_trigger")
        self.end.settle()

    # ── The words ──

    def when_says_free(self, cause: Cause) -> bool:
        return bool(cause.body.state == TimeState.FREE)

    def when_says_acquire(self, cause: Cause) -> bool:
        return bool(cause.body.state == TimeState.ACQUIRE)

    def when_says_locked(self, cause: Cause) -> bool:
        return bool(cause.body.state == TimeState.LOCKED)

    def when_says_holdover(self, cause: Cause) -> bool:
        return bool(cause.body.state == TimeState.HOLDOVER)

    def do_keep_status(self, cause: Cause) -> None:
        self.status = cause.body

    def fill_trigger_at(self, _: Cause) -> TriggerAt:
        return self._wanted

    def do_trigger_set(self, cause: Cause) -> None: ...  # whoever wanted it hears of it when it fires

    def do_trigger_failed(self, cause: Cause) -> None:
        why = Status(cause.arrived.status).name if cause.packet else "its time is not known"
        self.end.complain(f"The module will not do anything at {self._wanted.fire} ns: {why}.")

    def do_trigger_done(self, cause: Cause) -> None:
        self.fired.append(cause.body)
        del self.fired[:-_KEPT]
