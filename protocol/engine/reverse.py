"""Power the other way: a module with a battery supplies the phone. The power machine has no states for it.

Plan: the swap · as source.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.heat import Heat
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import ModulePart
from opalink.protocol.packets import (
    Offer,
    OfferKind,
    PowerDirection,
    PwrReady,
    PwrRequestError,
    PwrRequestResponse,
    PwrRoleSwapResponse,
    PwrSourceCaps,
    RejectReason,
    ThermalSeverity,
)
from opalink.spec.form import MS

_VOLTAGE: Final = 5000  # mV
_CURRENT: Final = 1500  # mA: class R1
_LOW: Final = 200  # 0.1 % of charge
_RAMP: Final = 40 * MS


class Reverse(ModulePart):
    needs = ("ROLE_SWAP",)

    def restart(self) -> None:
        self.end.source = False
        self._generation = 0
        self._contracts = 0
        self._reason = RejectReason.NONE

    # ── The swap ──

    def answer_pwr_role_swap(self, cause: Cause) -> PwrRoleSwapResponse:
        ask, heat = cause.body, self.end.find(Heat)
        give = ask.direction is PowerDirection.TO_PHONE
        if give is self.end.source:
            return PwrRoleSwapResponse()
        if give:
            if ask.voltage > _VOLTAGE or ask.current > _CURRENT:
                raise RefusedError(Status.PWR_MISMATCH, 1 if ask.voltage > _VOLTAGE else 3)
            if self.around.battery < _LOW:
                raise RefusedError(Status.PWR_REJECT)
            if heat is not None and heat.severity >= ThermalSeverity.SEVERE:
                raise RefusedError(Status.THERMAL_LIMIT)
            self.end.clock.start(("reverse", "offer"), _RAMP, self._offer)
        self.end.supply.do_drop_contract(cause)
        self.end.source = give
        return PwrRoleSwapResponse()

    # ── As source ──

    def _offer(self) -> None:
        self._generation = self._generation + 1 & 0xFF
        offer = Offer(OfferKind.FIXED, 0, 0, _VOLTAGE, _VOLTAGE, _CURRENT, _CURRENT, 0)
        self.end.send(PwrSourceCaps(generation=self._generation, total=_VOLTAGE * _CURRENT // 1000, offers=(offer,)))

    def answer_pwr_request(self, cause: Cause) -> PwrRequestResponse:
        ask = cause.body
        self._reason = RejectReason.NONE
        if ask.generation != self._generation:
            self._reason = RejectReason.STALE
        elif ask.object:
            self._reason = RejectReason.NO_OFFER
        elif max(ask.operating, ask.max) > _CURRENT:
            self._reason = RejectReason.CURRENT
        if self._reason is not RejectReason.NONE:
            raise RefusedError(Status.PWR_REJECT)
        self.end.clock.start(("reverse", "ready"), _RAMP, self._ready)
        return PwrRequestResponse()

    def refuse_pwr_request(self, _: Cause, status: Status) -> PwrRequestError:
        return PwrRequestError(reason=self._reason if status is Status.PWR_REJECT else RejectReason.NONE)

    def _ready(self) -> None:
        self._contracts = self._contracts + 1 & 0xFFFF
        self.end.send(PwrReady(object=0, voltage=_VOLTAGE, limit=_CURRENT, contract=self._contracts))
