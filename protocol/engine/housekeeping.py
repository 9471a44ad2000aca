"""What either side does for the other: long requests, counters, where its machines are, and how well it sits.

Plan: long requests · counters · states · seat.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later, RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import SidePart
from opalink.protocol.packets import (
    CancelResponse,
    CountersGetResponse,
    MachineId,
    MachineReport,
    SeatStatus,
    SeatValid,
)

_COUNTERS_HEAD: Final = 5
_COUNTER: Final = 26
_SEAT_STEP: Final = 10  # R-MGT-047


class Housekeeping(SidePart):
    """The services that both sides give."""

    def restart(self) -> None:
        self._seat: int | None = None  # quality last reported

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

    # ── Seat ──

    def session_opened(self) -> None:
        self._report_seat()

    def moved(self) -> None:
        if self._seat is not None and abs(self.around.quality - self._seat) >= _SEAT_STEP:
            self._report_seat()

    def _report_seat(self) -> None:
        quality = self.around.quality
        self._seat = quality
        # A side knows its seat by its magnets: the field is 45 mT in place and fades as the other leaves it.
        self.end.send(SeatStatus(quality=quality, valid=SeatValid.HALL, hall=450 * quality // 100))
