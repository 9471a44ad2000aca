"""What either side does for the other: long requests, counters, and where its machines are.

Plan: long requests · counters · states.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later, RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import SidePart
from opalink.protocol.packets import CancelResponse, CountersGetResponse, MachineId, MachineReport

_COUNTERS_HEAD: Final = 5
_COUNTER: Final = 26


class Housekeeping(SidePart):
    """The services that both sides give."""

    # ── Long requests ──

    def answer_cancel(self, cause: Cause) -> CancelResponse:
        held = self.end.incoming.under(cause.body.txn)
        if held is None or not isinstance(held.reply, Later) or held.reply.cancel is None:
            raise RefusedError(Status.LATE, 0)
        held.reply.cancel()
        self.end.refuse(held, Status.CANCELLED)
        return CancelResponse()

    def heard_pending(self, cause: Cause) -> None:
        """The answer to this side's request takes longer: wait until the next PENDING is overdue."""
        limit = self.end.catalogue.timer["tPendingRefresh"].max or 0
        self.end.outgoing.wait(cause.body.txn, limit)

    # ── Counters ──

    def answer_counters_get(self, cause: Cause) -> CountersGetResponse:
        rows = tuple(self.end.counters.rows(cause.body.groups))
        if _COUNTERS_HEAD + _COUNTER * len(rows) > self.end.room("COUNTERS_GET", cause):
            raise RefusedError(Status.TOO_LARGE)
        return CountersGetResponse(epoch=self.end.counters.epoch, counters=rows)

    # ── States ──

    def machines(self) -> tuple[MachineReport, ...]:
        """Where every machine is."""
        return tuple(
            MachineReport(machine=MachineId[name], state=run.number, reason=run.reason, entered=run.entered)
            for name, run in self.end.runs.items()
        )
