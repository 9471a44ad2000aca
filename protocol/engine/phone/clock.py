"""The phone's clock is link time: it answers what time it is, sets triggers and keeps what it hears of them.

Plan: exchanges · triggers.
"""

from typing import Any

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import TimeStatus, TimeSyncResponse, TriggerAction, TriggerAt, TriggerFired


class Clock(PhonePart):
    """`status` is what the module last said of its time; `fired` are the triggers that went off."""

    def restart(self) -> None:
        self.status = TimeStatus()
        self.fired: list[TriggerFired] = []

    # ── Exchanges ──

    def answer_time_sync(self, cause: Cause) -> TimeSyncResponse:
        return TimeSyncResponse(t1=cause.body.t1, t2=self.end.link_time, t3=self.end.link_time)

    def heard_time_status(self, cause: Cause) -> None:
        self.status = cause.body

    # ── Triggers ──

    def trigger(self, fire: int, action: TriggerAction = TriggerAction.FRAME, plan: int = 0) -> Any:
        """Have something happen at a link time; the request, or None if none could be sent."""
        return self.end.send(TriggerAt(fire=fire, action=action, plan=plan))

    def heard_trigger_fired(self, cause: Cause) -> None:
        self.fired.append(cause.body)
        del self.fired[:-1000]
