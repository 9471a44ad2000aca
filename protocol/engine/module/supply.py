"""Power as a module takes it: the words of the power machine as sink, the tests of the contacts, and what is drawn.

Plan: needs · guards · effects · what it sends · answers · what is drawn · conditions.
"""

from typing import Final

from msgspec import Struct

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later, RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.reverse import Reverse
from opalink.protocol.engine.module.session import Session
from opalink.protocol.packets import (
    BudgetAction,
    BudgetStep,
    CounterId,
    Offer,
    PinTestKind,
    PinTestResponse,
    PowerFaultKind,
    PowerMode,
    PowerResetLevel,
    PwrBudgetResponse,
    PwrFault,
    PwrRequest,
    PwrReserve,
    PwrReset,
    PwrSinkCapsResponse,
    PwrSourceCaps,
    PwrStatus,
    SubsystemMask,
)
from opalink.spec.form import MS, US

_BOOT: Final = 500  # mW, class P0
_P2: Final = 3000  # mW
_BOOT_VOLTAGE: Final = 5000  # mV
_LONGEST_PEAK: Final = 0xFFFF  # ms that PWR_RESERVE can say
_MOST_CURRENT: Final = 0x7FFF  # mA that PWR_STATUS can say; PWR_READY may speak of any voltage, 0 too
_STATUS_EVERY: Final = 100 * MS  # R-PWR-001
_TEST_CURRENT_MAX: Final = 2000  # mA: what the contacts of class P5 carry
_LOOP: Final = 60  # mOhm, clean and well seated
_DIRTY: Final = 1900  # mOhm
_DRY: Final = 5000  # kOhm
_WET: Final = 40
_DROP_OUT: Final = 3000  # mV, under which the supply may not fall in a test
_CAPACITANCE: Final = 22  # uF
_PJ_PER_MJ: Final = 1_000_000_000
_OFF_TIME: Final = 650  # ms at 0 V, so that the contacts discharge

# What a camera gives up to keep a budget, in order, with what that saves in mW.
_CAMERA_STEPS: Final = ((BudgetAction.FRAME_RATE, 600), (BudgetAction.MOTOR_SLOW, 500), (BudgetAction.OIS_OFF, 150))
_FAULTS: Final = {
    Status.OVERCURRENT: (PowerFaultKind.OVER_CURRENT, 2600),
    Status.UNDERVOLTAGE: (PowerFaultKind.UNDER_VOLTAGE, 2900),
    Status.MOISTURE: (PowerFaultKind.MOISTURE, _WET),
    Status.CONTACT_BAD: (PowerFaultKind.CONTACT, _DIRTY),
}
_LATCHING: Final = frozenset({Status.OVERCURRENT, Status.UNDERVOLTAGE})


class Contract(Struct, frozen=True):
    """What the source has agreed to."""

    voltage: int  # mV
    limit: int  # mA

    @property
    def power(self) -> int:
        return self.voltage * self.limit // 1000


class Supply(Reverse):
    """`contract` is None on boot power."""

    machine = "POWER"
    conditions = frozenset({*_FAULTS, Status.PWR_LIMIT})

    def restart(self) -> None:
        super().restart()
        self.contract: Contract | None = None
        self._offers = PwrSourceCaps()
        self._offers_newer = False
        self._budget: int | None = None
        self._budget_from = 0
        self._capped = False
        self._soft_reset_tried = False
        self._unsure = False
        self._fault = (PowerFaultKind.SHORT, 0)
        self._fault_counts: dict[PowerFaultKind, int] = {}
        self._energy, self._since = 0, self.end.now  # in pJ, until `_since`
        self._contact = 0xFFFF

    # ── Needs ──

    def mode(self, *modes: PowerMode) -> int:
        """Power in the first of some modes that the descriptor names, in mW; else that of the most modest."""
        named: dict[PowerMode, int] = {m.mode: m.power for m in self.end.identity.records["power"].modes}
        return next((named[m] for m in modes if m in named), min(named.values()))

    @property
    def need(self) -> int:
        return self.mode(PowerMode.VIDEO, PowerMode.MOTOR, PowerMode.IDLE)

    @property
    def least(self) -> int:
        return self.mode(PowerMode.IDLE)

    @property
    def available(self) -> int:
        """What may be used now, in mW; who supplies the other side lives on its own battery."""
        if self.end.source:
            return int(self.end.identity.records["power"].peak)
        power = self.contract.power if self.contract else _BOOT
        if self._capped:
            power = min(power, _P2)
        if self._budget is not None and self.end.now >= self._budget_from:
            power = min(power, self._budget)
        return _BOOT if self.around.has(Status.PWR_LIMIT) else power

    # ── Guards ──

    def when_contracts(self, _: Cause) -> bool:
        return self.end.has("CONTRACT")

    def when_told_to_wait(self, cause: Cause) -> bool:
        return cause.packet is not None and cause.packet.status in (Status.PWR_WAIT, Status.BUSY)

    def when_in_session(self, _: Cause) -> bool:
        return self.end.part(Session).number != 0

    def when_backing_off(self, _: Cause) -> bool:
        return self.run.running("tRequestAfterWait")

    def when_offers_newer(self, _: Cause) -> bool:
        return self._offers_newer

    def when_no_contract(self, _: Cause) -> bool:
        return self.contract is None or self._unsure

    def when_budget_possible(self, cause: Cause) -> bool:
        return bool(cause.body.max >= self.least)

    def when_budget_covers(self, cause: Cause) -> bool:
        contract, budget = self.contract, self._budget
        match type(cause.body).__name__:
            case "PwrReady":
                contract = Contract(cause.body.voltage, cause.body.limit)
            case "PwrBudget":
                budget = cause.body.max
        return budget is None or (contract.power if contract else 0) <= budget

    def when_hard(self, cause: Cause) -> bool:
        return cause.body.level is PowerResetLevel.HARD

    def when_latched(self, cause: Cause) -> bool:
        return bool(cause.body.latched)

    def when_soft_reset_tried(self, _: Cause) -> bool:
        return self._soft_reset_tried

    # ── Effects ──

    def do_keep_offers(self, cause: Cause) -> None:
        self._offers, self._offers_newer = cause.body, True

    def do_lengthen_wait(self, cause: Cause) -> None:
        least = self.end.catalogue.timer["tRequestAfterWait"].min or 0
        asked = getattr(cause.body, "retry_after", 0)
        asked *= US if type(cause.body).__name__ == "Refusal" else MS
        self.run.start("tRequestAfterWait", max(least, asked))

    def do_take_contract(self, cause: Cause) -> None:
        self._metered()
        self.contract = Contract(cause.body.voltage, cause.body.limit)
        self._capped = self._unsure = False
        self._watch()

    def do_take_budget(self, cause: Cause) -> None:
        self._metered()
        self._budget, self._budget_from = cause.body.max, self.end.now + cause.body.grace * MS

    def do_cap_at_p2(self, _: Cause) -> None:
        self._metered()
        self._capped = True

    def do_doubt(self, _: Cause) -> None:
        self._unsure = True

    def do_fall_back(self, _: Cause) -> None:
        self._metered()
        self.contract, self._unsure = None, False

    def do_drop_contract(self, cause: Cause) -> None:
        self.do_fall_back(cause)
        self._budget = None
        self._offers, self._offers_newer = PwrSourceCaps(), False
        self.end.forget("PWR_REQUEST")

    def told_pwr_request(self, _: Cause) -> None:
        self._soft_reset_tried = False

    def heard_pwr_reset(self, _: Cause) -> None:
        self.end.forget("PWR_REQUEST")

    # ── What it sends ──

    def fill_pwr_request(self, _: Cause) -> PwrRequest:
        self.end.forget("PWR_REQUEST")
        self._offers_newer = False
        need, generation = self.need, self._offers.generation
        for index, offer in enumerate(self._offers.offers):
            current = -(-need * 1000 // offer.min)
            if _power(offer) >= need and current <= (most := self._current(offer)):
                return PwrRequest(generation=generation, object=index, operating=current, max=most)
        offers = self._offers.offers
        index = max(range(len(offers)), key=lambda i: _power(offers[i])) if offers else 0
        current = self._current(offers[index]) if offers else 0
        return PwrRequest(generation=generation, object=index, operating=current, max=current, mismatch=1)

    def _current(self, offer: Offer) -> int:
        """What may be asked for of an offer, in mA, at its highest voltage."""
        return min(offer.continuous, self.end.power_allowed * 1000 // max(1, offer.max))

    def fill_pwr_reset(self, cause: Cause) -> PwrReset:
        self.end.forget("PWR_REQUEST")
        if cause.row is not None and cause.row.next == "HARD_RESET":
            return PwrReset(level=PowerResetLevel.HARD, off_time=_OFF_TIME)
        self._soft_reset_tried = True
        return PwrReset(level=PowerResetLevel.SOFT)

    def fill_pwr_status(self, _: Cause) -> PwrStatus:
        self._metered()
        voltage = self.contract.voltage if self.contract else _BOOT_VOLTAGE
        drawn = self.drawn
        return PwrStatus(
            voltage=voltage,
            current=min(_MOST_CURRENT, drawn * 1000 // max(1, voltage)),
            power=drawn,
            energy=self._energy // _PJ_PER_MJ,
            contact=self._contact,
        )

    def fill_pwr_fault(self, _: Cause) -> PwrFault:
        return self._fault_event(latched=1)

    def _fault_event(self, latched: int) -> PwrFault:
        kind, value = self._fault
        count = self._fault_counts[kind] = self._fault_counts.get(kind, 0) + 1
        self.end.count(CounterId.POWER_FAULTS)
        return PwrFault(kind=kind, value=value, latched=latched, count=count)

    def reserve(self, power: int, time: int) -> None:
        """Ask for a peak, where the contract gives less: for as long as one can be asked for."""
        power = min(power, self.end.power_allowed)
        if self.end.has("RESERVE") and self.contract and power > self.contract.power:
            self.end.send(PwrReserve(power=power, time=min(max(1, time // MS), _LONGEST_PEAK)))

    # ── Answers ──

    def answer_pwr_sink_caps(self, _: Cause) -> PwrSinkCapsResponse:
        peak = self.end.identity.records["power"].peak
        return PwrSinkCapsResponse(
            idle=self.mode(PowerMode.IDLE),
            preview=self.mode(PowerMode.PREVIEW, PowerMode.IDLE),
            video=self.mode(PowerMode.VIDEO, PowerMode.IDLE),
            still=self.mode(PowerMode.STILL, PowerMode.IDLE),
            motor=self.mode(PowerMode.MOTOR) if self._has(PowerMode.MOTOR) else 0,
            max=peak,
            min_ready=self.least,
            capacitance=_CAPACITANCE,
        )

    def _has(self, mode: PowerMode) -> bool:
        return any(m.mode is mode for m in self.end.identity.records["power"].modes)

    def answer_pwr_budget(self, cause: Cause) -> PwrBudgetResponse:
        given_up, left = [], min(self.need, self.contract.power if self.contract else _BOOT)
        for action, saves in _CAMERA_STEPS if self.end.has("SENSOR") else ((BudgetAction.MOTOR_SLOW, self.need),):
            if left <= cause.body.max:
                break
            given_up.append(BudgetStep(action, saves))
            left -= saves
        if left > cause.body.max and self.end.has("SENSOR"):
            given_up.append(BudgetStep(BudgetAction.STREAM_STOPPED, left - cause.body.max))
        power = min(cause.body.max, self.contract.power if self.contract else _BOOT)
        return PwrBudgetResponse(power=power, actions=tuple(given_up))

    def answer_pin_test(self, cause: Cause) -> Later:
        ask = cause.body
        if ask.kind is PinTestKind.RESISTANCE and ask.current > _TEST_CURRENT_MAX:
            raise RefusedError(Status.RANGE_LIMIT, 1)
        if self.end.clock.running(("supply", "test")):
            self.end.busy(cause, SubsystemMask.POWER)
        wait = ask.time * MS
        self.end.clock.start(("supply", "test"), wait, lambda: self._tested(cause))
        return Later(wait, self._stop_test)

    def _stop_test(self) -> None:
        self.end.clock.stop(("supply", "test"))
        self.end.ready(SubsystemMask.POWER)

    def _tested(self, cause: Cause) -> None:
        ask = cause.body
        leakage = _WET if self.around.has(Status.MOISTURE) else _DRY
        if ask.kind is PinTestKind.LEAKAGE:
            self.end.finish(cause, PinTestResponse(leakage=leakage))
            self.end.ready(SubsystemMask.POWER)
            return
        loop = _DIRTY if self.around.has(Status.CONTACT_BAD) else _LOOP + 4 * (100 - self.around.quality)
        voltage = (self.contract.voltage if self.contract else _BOOT_VOLTAGE) - loop * ask.current // 1000
        if leakage < 100:
            self.end.refuse(cause, Status.MOISTURE)
        elif voltage < _DROP_OUT:
            self.end.refuse(cause, Status.CONTACT_BAD)
        else:
            self._contact = loop
            self.end.finish(cause, PinTestResponse(resistance=loop))
        self.end.ready(SubsystemMask.POWER)

    # ── What is drawn ──

    @property
    def drawn(self) -> int:
        """Power that is drawn from the contacts now, in mW."""
        if self.end.source:
            return 0
        wanted = self.mode(PowerMode.VIDEO) if self.end.streaming else self.least
        return min(wanted, self.available)

    def _metered(self) -> None:
        self._energy += self.drawn * (self.end.now - self._since)
        self._since = self.end.now

    def _watch(self) -> None:
        """Report what flows as long as it is more than class P2 allows."""
        if self.contract is None:
            return
        if self.drawn > _P2:
            self.end.send(self.fill_pwr_status(Cause()))
        if self.contract.power > _P2:
            self.end.clock.start(("supply", "status"), _STATUS_EVERY, self._watch)

    # ── Conditions ──

    def condition(self, status: Status, present: bool) -> None:
        if status in _FAULTS and present and self.end.has("CONTRACT"):
            self._fault = _FAULTS[status]
            if status in _LATCHING:
                self.end.signal("power_fault")
            else:
                self.end.send(self._fault_event(latched=0))


def _power(offer: Offer) -> int:
    """What an offer gives without limit of time, in mW, at its least voltage."""
    return offer.min * offer.continuous // 1000
