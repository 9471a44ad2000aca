"""Power as a phone supplies it: the words of the power machine as source.

Plan: offers · guards · requests and contracts · budgets and peaks · resets and faults.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.sink import Contract, Sink
from opalink.protocol.engine.phone.trust import Trust
from opalink.protocol.packets import (
    BudgetCause,
    CounterId,
    Offer,
    OfferKind,
    PinTest,
    PinTestKind,
    PowerFaultKind,
    PowerResetLevel,
    PwrBudget,
    PwrFault,
    PwrReady,
    PwrRequestError,
    PwrReserve,
    PwrReserveResponse,
    PwrReset,
    PwrSourceCaps,
    RejectReason,
)
from opalink.spec.form import MS

_P2: Final = 3000  # mW
# Power above which a class begins, the resistance that it allows in mOhm, and whether it needs a genuine module.
_CONDITIONS: Final = ((_P2, 200, False), (5000, 100, True))
_UNKNOWN: Final = 0xFFFF  # mOhm: not measured
_RAMP: Final = 5 * MS
_TEST: Final = 20  # ms
_AGAIN: Final = 100  # ms after a PWR_WAIT: what a test takes, and more
_OFF_TIME: Final = 650  # ms at 0 V
_DISCHARGED: Final = ("source", "discharged")
_GRACE: Final = 100  # ms in which a budget must be kept
_PEAK: Final = 1.25  # of the continuous current


def _fixed(voltage: int, current: int) -> Offer:
    return Offer(OfferKind.FIXED, 0, 0, voltage, voltage, current, int(current * _PEAK), 100)


# What a phone of ours supplies, by preference: classes P2 to P5.
OFFERS: Final = (_fixed(5000, 600), _fixed(5000, 1000), _fixed(9000, 833), _fixed(9000, 1111))
TOTAL: Final = 10_000  # mW


class Source(Sink):
    """`contract` is None on boot power. `spare` is what can be spared now, in mW."""

    machine = "POWER"
    conditions = frozenset({Status.PWR_LIMIT, Status.OVERCURRENT, Status.UNDERVOLTAGE})

    total = TOTAL

    def restart(self) -> None:
        super().restart()
        self.contract: Contract | None = None
        self.spare = TOTAL
        self._cause = BudgetCause.RESTORED
        self._sent: tuple[Offer, ...] = ()
        self._generation = 0
        self._contracts = 0
        self._accepted: Contract | None = None
        self._resistance: int | None = None  # mOhm; None: not tested since power_on
        self._wanted = 0  # mA: what the module last asked for
        self._reason = RejectReason.NONE
        self._soft_reset_tried = False
        self._peak = (0, 0)  # mW, ms
        self._fault_counts: dict[PowerFaultKind, int] = {}
        self._fault = (PowerFaultKind.OVER_CURRENT, 0)

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The offers of now: none above class P2 until it is settled whom they are for, then none above what is allowed
        to it."""
        most = min(self.spare, self.end.part(Trust).max_power if self.end.part(Contact).auth_done else _P2)
        return tuple(o for o in OFFERS if _power(o) <= most) or OFFERS[:1]

    def power_came(self) -> None:
        """The contacts have closed: nothing is known of them."""
        self._resistance = None
        self.end.clock.stop(_DISCHARGED)

    # ── Guards ──

    def when_no_contract(self, _: Cause) -> bool:
        return self.contract is None

    def when_budget_covers(self, _: Cause) -> bool:
        contract = self._accepted or self.contract
        return contract is None or contract.power <= self.spare

    def when_hard(self, cause: Cause) -> bool:
        return cause.body.level is PowerResetLevel.HARD

    def when_latched(self, cause: Cause) -> bool:
        return bool(cause.body.latched)

    def when_soft_reset_tried(self, _: Cause) -> bool:
        return self._soft_reset_tried

    def when_offers_changed(self, _: Cause) -> bool:
        return self.offers != self._sent

    def when_covered(self, cause: Cause) -> bool:
        ask = cause.body
        self._reason = RejectReason.NONE
        if ask.generation != self._generation:
            self._reason = RejectReason.STALE
        elif ask.object >= len(self._sent):
            self._reason = RejectReason.NO_OFFER
        elif max(ask.operating, ask.max) > self._sent[ask.object].continuous:
            self._reason = RejectReason.CURRENT
        return self._reason is RejectReason.NONE

    def when_class_open(self, cause: Cause) -> bool:
        return not self._missing(cause)

    def when_class_untested(self, cause: Cause) -> bool:
        self._wanted = cause.body.max
        return self._missing(cause) == {"contacts"} and self._resistance is None

    def _missing(self, cause: Cause) -> set[str]:
        """Which conditions of the class that is asked for are not met."""
        offer = self._sent[cause.body.object]
        power = offer.min * cause.body.max // 1000
        missing = set()
        for above, resistance, genuine in _CONDITIONS:
            if power > above:
                if self._resistance is None or self._resistance > resistance:
                    missing.add("contacts")
                if genuine and not self.end.part(Trust).genuine:
                    missing.add("trust")
        if missing:
            self._reason = RejectReason.CLASS
        return missing

    def when_peak_late(self, cause: Cause) -> bool:
        return bool(cause.body.by) and cause.body.by < self.end.link_time

    def when_peak_offered(self, cause: Cause) -> bool:
        if self.contract is None:
            return False
        offer = self._sent[self.contract.object]
        ask: PwrReserve = cause.body
        return ask.power <= offer.min * offer.peak // 1000 and ask.time <= offer.peak_time

    def when_peak_spared(self, _: Cause) -> bool:
        return self.contract is not None and self.spare > self.contract.power

    # ── Requests and contracts ──

    def fill_pwr_source_caps(self, _: Cause) -> PwrSourceCaps:
        if self.offers != self._sent:
            self._sent, self._generation = self.offers, self._generation + 1 & 0xFF
        return PwrSourceCaps(generation=self._generation, total=TOTAL, offers=self._sent)

    def do_set_supply(self, cause: Cause) -> None:
        ask = cause.body
        self._accepted = Contract(ask.object, self._sent[ask.object].min, ask.max)
        self.end.clock.start(("source", "supply"), _RAMP, lambda: self.end.signal("supply_ready"))

    def do_restore_supply(self, _: Cause) -> None:
        self._accepted = None
        self.end.clock.stop(("source", "supply"))

    def fill_pwr_ready(self, _: Cause) -> PwrReady:
        if self._accepted is not None:
            self.contract, self._accepted = self._accepted, None
        agreed = self.contract or Contract(0, OFFERS[0].min, 0)
        self._contracts = self._contracts + 1 & 0xFFFF
        return PwrReady(object=agreed.object, voltage=agreed.voltage, limit=agreed.limit, contract=self._contracts)

    def do_say_why(self, _: Cause) -> None: ...  # in `refuse_pwr_request`

    def refuse_pwr_request(self, _: Cause, status: Status) -> PwrRequestError:
        if status is Status.PWR_WAIT:
            return PwrRequestError(reason=RejectReason.CLASS, retry_after=_AGAIN)
        return PwrRequestError(reason=self._reason if status is Status.PWR_REJECT else RejectReason.NONE)

    def do_drop_contract(self, _: Cause) -> None:
        self.contract = self._accepted = None
        self._sent = ()
        self.end.clock.stop(("source", "supply"))

    def fill_pin_test(self, _: Cause) -> PinTest:
        return PinTest(kind=PinTestKind.RESISTANCE, current=self._wanted, time=_TEST)

    def do_note_contacts(self, cause: Cause) -> None:
        """An error counts as contacts that no class allows."""
        self._resistance = getattr(cause.body, "resistance", _UNKNOWN)

    # ── Budgets and peaks ──

    def budget(self, power: int, cause: BudgetCause = BudgetCause.OTHER_LOAD) -> None:
        """What can be spared for the module has changed, to so many mW."""
        self.spare, self._cause = power, cause
        self.end.signal("budget_changed")
        self.end.signal("supply_changed")

    def fill_pwr_budget(self, _: Cause) -> PwrBudget:
        return PwrBudget(max=self.spare, grace=_GRACE, cause=self._cause)

    def told_pwr_budget(self, _: Cause) -> None:
        self._soft_reset_tried = False

    def do_reserve_peak(self, cause: Cause) -> None:
        self._peak = (min(cause.body.power, self.spare), cause.body.time)

    def answer_pwr_reserve(self, cause: Cause) -> PwrReserveResponse:
        power, time = self._peak
        return PwrReserveResponse(power=power, opens=max(cause.body.by, self.end.link_time), window=time)

    # ── Resets and faults ──

    def fill_pwr_reset(self, cause: Cause) -> PwrReset:
        if cause.row is not None and cause.row.next == "HARD_RESET":
            return PwrReset(level=PowerResetLevel.HARD, off_time=_OFF_TIME)
        self._soft_reset_tried = True
        return PwrReset(level=PowerResetLevel.SOFT)

    def do_contacts_off(self, _: Cause) -> None:
        self.end.part(Contact).supplying = False
        self.end.line("power_off")
        self.end.clock.start(_DISCHARGED, _OFF_TIME * MS, self._seated_still)

    def _seated_still(self) -> None:
        """The contacts have gone to 0 V and touch a module as before: it is met as one that was just put on."""
        if self.around.contacts:
            self.end.dock_again()

    def fill_pwr_fault(self, _: Cause) -> PwrFault:
        kind, value = self._fault
        count = self._fault_counts[kind] = self._fault_counts.get(kind, 0) + 1
        self.end.count(CounterId.POWER_FAULTS)
        return PwrFault(kind=kind, value=value, latched=1, count=count)

    def condition(self, status: Status, present: bool) -> None:
        if status is Status.PWR_LIMIT:
            self.budget(_P2 if present else TOTAL, BudgetCause.OTHER_LOAD if present else BudgetCause.RESTORED)
        elif present:
            self.fail(PowerFaultKind.OVER_CURRENT if status is Status.OVERCURRENT else PowerFaultKind.UNDER_VOLTAGE)

    def fail(self, kind: PowerFaultKind) -> None:
        """A fault that latches: boot power at most, until power has been away."""
        self._fault = kind, 0
        self.end.signal("power_fault")


def _power(offer: Offer) -> int:
    """What an offer gives without limit of time, in mW."""
    return offer.min * offer.continuous // 1000
