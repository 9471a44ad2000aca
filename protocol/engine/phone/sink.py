"""Power the other way: the words that a role swap adds to a phone's power machine.

Plan: what is asked for · guards · effects · what it sends · answers.
"""

from typing import Final

from msgspec import Struct

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.phone.trust import Trust
from opalink.protocol.packets import (
    Offer,
    PowerDirection,
    PowerFaultKind,
    PwrRequest,
    PwrRoleSwap,
    PwrSinkCapsResponse,
    PwrSourceCaps,
    PwrStatus,
)
from opalink.spec.form import MS

_VOLTAGE: Final = 5000  # mV: what charges a phone of ours
_CURRENT: Final = 1500  # mA: class R1
_LEAST: Final = 100  # mA: less is not worth a swap
_CAPACITANCE: Final = 22  # uF
_STATUS_EVERY: Final = 100 * MS  # R-PWR-001
_P2: Final = 3000  # mW
_PJ_PER_MJ: Final = 1_000_000_000


class Contract(Struct, frozen=True):
    """What was agreed: an offer, and how much of it."""

    object: int
    voltage: int  # mV
    limit: int  # mA

    @property
    def power(self) -> int:
        """In mW."""
        return self.voltage * self.limit // 1000


class Sink(PhonePart):
    """What `source.Source` builds upon. `drawing` is the contract under which the phone draws, None without one;
    `charges` says whether it agrees to be supplied where a module proposes it; `told` what its last wish to swap was
    refused with, OK if it was not."""

    charges = True

    def restart(self) -> None:
        self.end.source = True
        self.drawing: Contract | None = None
        self.told = Status.OK
        self._on_offer = PwrSourceCaps()
        self._asked: Contract | None = None
        self._energy, self._since = 0, self.end.now  # towards the module, in pJ, until `_since`

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What the phone can supply now, by preference."""
        raise NotImplementedError

    def fail(self, kind: PowerFaultKind) -> None:
        """A fault that latches: boot power at most, until power has been away."""
        raise NotImplementedError

    # ── What is asked for ──

    def take_power(self) -> bool:
        """Have the module supply the phone; whether the module and the state allow it."""
        return self.end.module_has("ROLE_SWAP") and self._granted and self._swap("want_power")

    def give_power(self) -> bool:
        """Have the phone supply the module again; whether the state allows it."""
        return self._swap("want_supply")

    @property
    def _granted(self) -> bool:
        return self.end.part(Trust).grants("ROLE_SWAP")

    def _swap(self, wish: str) -> bool:
        if self.end.asking("PWR_ROLE_SWAP"):
            return False
        self.end.signal(wish)
        self.end.settle()
        return bool(self.end.asking("PWR_ROLE_SWAP"))

    # ── Guards ──

    def when_to_phone(self, cause: Cause) -> bool:
        return bool(cause.body.direction is PowerDirection.TO_PHONE)

    def when_answers_to_phone(self, cause: Cause) -> bool:
        return cause.asked is not None and cause.asked.body.direction is PowerDirection.TO_PHONE

    def when_can_supply(self, cause: Cause) -> bool:
        ask = cause.body
        return any(o.min <= ask.voltage <= o.max and ask.current <= o.continuous for o in self.offers)

    def when_swap_agreed(self, cause: Cause) -> bool:
        return not self.when_to_phone(cause) or (self.charges and self._granted)

    # ── Effects ──

    def do_turn_to_sink(self, _: Cause) -> None:
        self._metered()
        self.end.source = False

    def do_turn_to_source(self, _: Cause) -> None:
        self._metered()
        self.end.source = True
        self.drawing = self._asked = None
        self._on_offer = PwrSourceCaps()
        self.end.forget("PWR_REQUEST")
        self.end.clock.stop(("source", "status"))

    def do_keep_offers(self, cause: Cause) -> None:
        self._on_offer = cause.body

    def do_take_contract(self, cause: Cause) -> None:
        self._metered()
        self.drawing = Contract(cause.body.object, cause.body.voltage, cause.body.limit)
        self._watch()

    def told_pwr_role_swap(self, cause: Cause) -> None:
        self.told = Status(cause.arrived.status)
        if self.told not in self.end.successes:
            self.end.complain(f"The module does not change the direction of power: {self.told.name}.")

    def unanswered_pwr_role_swap(self, _: Cause) -> None:
        """Nobody knows which side supplies now: neither does, beyond boot power."""
        self.fail(PowerFaultKind.SOURCE_LOST)

    # ── What it sends ──

    def fill_pwr_role_swap(self, _: Cause) -> PwrRoleSwap:
        """To the module, at no more than boot power: a contract follows."""
        if self.end.source:
            return PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=_VOLTAGE, current=_CURRENT)
        first = self.offers[0]
        return PwrRoleSwap(direction=PowerDirection.TO_MODULE, voltage=first.min, current=_LEAST)

    def fill_pwr_request(self, _: Cause) -> PwrRequest:
        """The offer that gives most at a voltage that charges the phone, else the first, with nothing drawn."""
        self.end.forget("PWR_REQUEST")
        offers = self._on_offer.offers
        fitting = [i for i, o in enumerate(offers) if o.min <= _VOLTAGE <= o.max]
        index = max(fitting, key=lambda i: offers[i].continuous, default=0)
        current = min(_CURRENT, offers[index].continuous) if fitting else 0
        return PwrRequest(
            generation=self._on_offer.generation,
            object=index,
            operating=current,
            max=current,
            mismatch=int(current < _LEAST),
        )

    def fill_pwr_status(self, _: Cause) -> PwrStatus:
        """Power is counted towards the module: what the phone draws is negative."""
        self._metered()
        drawn = self.drawn
        voltage = self.drawing.voltage if self.drawing else _VOLTAGE
        return PwrStatus(
            voltage=voltage, current=-drawn * 1000 // voltage, power=-drawn, energy=self._energy // _PJ_PER_MJ
        )

    # ── What is drawn ──

    @property
    def drawn(self) -> int:
        """Power that the phone draws now, in mW."""
        return self.drawing.power if self.drawing and not self.end.source else 0

    def _metered(self) -> None:
        self._energy += self.drawn * (self.end.now - self._since)
        self._since = self.end.now

    def _watch(self) -> None:
        """Report what flows as long as it is more than class P2 allows."""
        if self.drawn > _P2:
            self.end.clock.start(("source", "status"), _STATUS_EVERY, self._report)

    def _report(self) -> None:
        self.end.send(self.fill_pwr_status(Cause()))
        self._watch()

    # ── Answers ──

    def answer_pwr_sink_caps(self, _: Cause) -> PwrSinkCapsResponse:
        """A phone has a battery: it wants what it can get, in whatever mode, and needs nothing."""
        most = _VOLTAGE * _CURRENT // 1000
        return PwrSinkCapsResponse(
            idle=most, preview=most, video=most, still=most, motor=0, max=most, min_ready=0, capacitance=_CAPACITANCE
        )
