"""Management: the descriptor, keep-alive, state, the vendor's own.

Plan: descriptor · alive · state · vendor.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.housekeeping import Housekeeping
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.packets import (
    DescChanged,
    DescReadResponse,
    DescriptorChange,
    KeepaliveResponse,
    ObjectMask,
    OpenTransaction,
    StateGetResponse,
    VendorResponse,
)

_READ_HEAD: Final = 4  # `total`, before the data of DESC_READ
_COUNTERS_HEAD: Final = 5
_COUNTER: Final = 26
_ECHO: Final = 1  # the one packet type of the reference vendor: gives back what it got


class Management(Housekeeping, ModulePart):
    """What a module tells of itself."""

    def restart(self) -> None:
        super().restart()
        self.generation = 0  # of the descriptor: changes since the start

    # ── Descriptor ──

    def answer_desc_read(self, cause: Cause) -> DescReadResponse:
        ask = cause.body
        data = self.end.identity.objects.get(ask.object)
        if data is None:
            raise RefusedError(Status.NO_SUCH_ID, 0)
        if ask.offset > len(data):
            raise RefusedError(Status.RANGE_LIMIT, 2)
        length = min(ask.length, self.end.room("DESC_READ", cause) - _READ_HEAD)
        return DescReadResponse(total=len(data), data=data[ask.offset : ask.offset + length])

    def describe_anew(self, reason: DescriptorChange) -> None:
        """The descriptor is no longer what it was. Who has not read it in a session need not be told."""
        told = DescChanged(generation=self.generation + 1, reason=reason, objects=ObjectMask.DESCRIPTOR)
        if self.end.send(told) is not None:
            self.generation += 1

    # ── Alive ──

    def answer_keepalive(self, cause: Cause) -> KeepaliveResponse:
        return KeepaliveResponse(seq=cause.body.seq, uptime=self.end.uptime, health=self.end.health)

    # ── State ──

    def answer_state_get(self, _: Cause) -> StateGetResponse:
        waiting = tuple(OpenTransaction(txn) for txn, _ in list(self.end.incoming.held)[:255])
        return StateGetResponse(generation=self.generation, machines=self.machines(), open=waiting)

    # ── Vendor ──

    def answer_vendor(self, cause: Cause) -> VendorResponse:
        ask = cause.body
        if ask.oui != self.end.identity.records["identity"].vendor:
            raise RefusedError(Status.NO_SUCH_ID, 0)
        if ask.sub != _ECHO:
            raise RefusedError(Status.NO_SUCH_ID, 3)
        return VendorResponse(data=bytes(ask.data))
