"""Power the other way: the words that a role swap adds to a module's power machine.

Plan: guards · effects · what it sends · answers.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.packets import (
    Offer,
    OfferKind,
    PowerDirection,
    PwrReady,
    PwrRequestError,
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
    """What `supply.Supply` builds upon."""

    def restart(self) -> None:
        self.end.source = False
        self._generation = 0
        self._contracts = 0
        self._reason = RejectReason.NONE

    # ── Guards ──

    def when_to_phone(self, cause: Cause) -> bool:
        return cause.body.direction is PowerDirection.TO_PHONE

    def when_can_supply(self, cause: Cause) -> bool:
        return bool(cause.body.voltage <= _VOLTAGE and cause.body.current <= _CURRENT)

    def when_charge_left(self, _: Cause) -> bool:
        return self.around.battery >= _LOW

    def when_cool(self, _: Cause) -> bool:
        heat = self.end.find(Heat)
        return heat is None or heat.severity < ThermalSeverity.SEVERE

    def when_covered(self, cause: Cause) -> bool:
        return self._complaint(cause) is RejectReason.NONE

    def _complaint(self, cause: Cause) -> RejectReason:
        ask = cause.body
        if ask.generation != self._generation:
            return RejectReason.STALE
        if ask.object:
            return RejectReason.NO_OFFER
        return RejectReason.CURRENT if max(ask.operating, ask.max) > _CURRENT else RejectReason.NONE

    # ── Effects ──

    def do_turn_to_source(self, cause: Cause) -> None:
        self.end.source = True
        self._generation = self._generation + 1 & 0xFF
        self.do_set_supply(cause)

    def do_turn_to_sink(self, _: Cause) -> None:
        self.end.source = False
        self.end.clock.stop_all("reverse")

    def do_set_supply(self, _: Cause) -> None:
        self.end.clock.start(("reverse", "ramp"), _RAMP, lambda: self.end.signal("supply_ready"))

    def do_say_why(self, cause: Cause) -> None:
        self._reason = self._complaint(cause)

    # ── What it sends ──

    def fill_pwr_source_caps(self, _: Cause) -> PwrSourceCaps:
        offer = Offer(OfferKind.FIXED, 0, 0, _VOLTAGE, _VOLTAGE, _CURRENT, _CURRENT, 0)
        return PwrSourceCaps(generation=self._generation, total=_VOLTAGE * _CURRENT // 1000, offers=(offer,))

    def fill_pwr_ready(self, _: Cause) -> PwrReady:
        self._contracts = self._contracts + 1 & 0xFFFF
        return PwrReady(object=0, voltage=_VOLTAGE, limit=_CURRENT, contract=self._contracts)

    # ── Answers ──

    def refuse_pwr_request(self, _: Cause, status: Status) -> PwrRequestError:
        return PwrRequestError(reason=self._reason if status is Status.PWR_REJECT else RejectReason.NONE)
