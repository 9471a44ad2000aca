"""Scenarios for phones that a module supplies: what a phone owes as the sink.

The tester's module is one that may supply its phone; a test speaks for it as the source.

Plan: supplied by a module · asking and waiting · contracts · the way back · PWR_SINK_CAPS.
"""

from typing import Final

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.scenarios.phone import phone_scenario
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.mirror import Mirror, contract
from opalink.conformance.tester.session import EVENTUALLY
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import Lane, MachineId, OfferKind, PowerDirection
from opalink.spec.form import MS, SECOND

# ── Supplied by a module ─────────────────────────────────────────────────────────────────────────────

SUPPLIES: Final = "standalone"  # a profile whose module may supply its phone
_TRUSTED: Final = 2 * SECOND  # until a phone has come to a conclusion about the module
_NEEDS: Final = "CONTRACT ROLE_SWAP"
_VOLTAGE: Final = 5000  # mV
_CURRENT: Final = 500  # mA
_FIRST, _NEXT = 700, 2000  # mA on offer
_P2: Final = 3_000_000  # uW: who draws more reports it every 100 ms (R-PWR-001)


def swap(s: Mirror, direction: PowerDirection, voltage: int = _VOLTAGE, current: int = _CURRENT) -> Status | int:
    """What the phone answers where power is to flow the other way."""
    return s.ask(p.PwrRoleSwap(direction=direction, voltage=voltage, current=current), lane=Lane.SIDEBAND).status


def supplied(s: Mirror) -> None:
    """The module supplies the phone from now on, as far as the phone knows; there are no offers yet."""
    s.become(SUPPLIES)
    contract(s)
    s.let(_TRUSTED)
    if swap(s, PowerDirection.TO_PHONE) != Status.OK:
        raise Inapplicable("The phone lets no such module supply it.")
    s.deaf |= {p.PwrRequest, p.PwrReset}
    s.clear()


def _offer(s: Mirror, generation: int, current: int) -> None:
    made = p.Offer(OfferKind.FIXED, 0, 0, _VOLTAGE, _VOLTAGE, current, current, 0)
    s.tell(p.PwrSourceCaps(generation=generation, total=_VOLTAGE * current // 1000, offers=(made,)), lane=Lane.SIDEBAND)


def _asked(s: Mirror, generation: int = 1, current: int = _FIRST) -> Heard:
    """An offer is made, and upon it the phone asks for that."""
    _offer(s, generation, current)
    heard = s.take(p.PwrRequest, EVENTUALLY)
    if heard is None:
        raise Inapplicable("The phone asks for nothing that it is offered.")
    return heard


def _supply(s: Mirror, asked: Heard, limit: int) -> None:
    """What was asked for is granted, and there, up to a limit in mA."""
    s.reply(asked, p.PwrRequestResponse())
    s.tell(p.PwrReady(object=0, voltage=_VOLTAGE, limit=limit, contract=1), lane=Lane.SIDEBAND)


# ── Asking and waiting ───────────────────────────────────────────────────────────────────────────────

_WAIT: Final = 400  # ms


@phone_scenario(
    "PWR/WAIT/TI-retry", "R-PWR-021",
    given="a phone that a module supplies", when="its PWR_REQUEST is answered PWR_WAIT with 400 ms",
    then="it asks for nothing before that is over", needs=_NEEDS,
)  # fmt: skip
def a_wait_is_waited_for(s: Mirror) -> None:
    supplied(s)
    asked = _asked(s)
    s.reply(asked, p.PwrRequestError(reason=p.RejectReason.CLASS, retry_after=_WAIT), Status.PWR_WAIT)
    told = s.now
    again = s.take(p.PwrRequest, 2 * _WAIT * MS)
    if again is not None:
        s.waited(again.time - told, EVENTUALLY, "the next PWR_REQUEST", least=_WAIT * MS)


@phone_scenario(
    "PWR/TIMER/BV-soft_reset", "R-PWR-035",
    given="a phone that a module supplies, whose PWR_REQUEST is open",
    when="a soft PWR_RESET comes, and then the answer", then="it takes that for none", needs=_NEEDS,
    operations=("attach", "state"),
)  # fmt: skip
def an_answer_of_before_the_reset(s: Mirror) -> None:
    supplied(s)
    asked = _asked(s)
    s.tell(p.PwrReset(level=p.PowerResetLevel.SOFT), lane=Lane.SIDEBAND)
    s.reply(asked, p.PwrRequestResponse())
    s.let(5 * MS)
    found = s.state(MachineId.POWER)
    s.expect(found != "SINK_TRANSITION", "no SINK_TRANSITION", found)


# ── Contracts ────────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "PWR/CONTRACT/BV-drawn", "R-PWR-030",
    given="a phone that a module supplies", when="its PWR_REQUEST is granted and the voltage is there",
    then="it sends PWR_STATUS within tReport", needs=_NEEDS,
)  # fmt: skip
def a_contract_is_reported(s: Mirror) -> None:
    supplied(s)
    asked = _asked(s)
    _supply(s, asked, asked.body.max)
    s.reports(p.PwrStatus, "PWR_STATUS", s.now)


@phone_scenario(
    "PWR/REJECT/BV-kept", "R-PWR-022",
    given="a phone that draws under a contract with a module", when="its next PWR_REQUEST is rejected",
    then="it resets nothing, and draws no more than the contract allows", needs=_NEEDS,
)  # fmt: skip
def a_rejection_changes_nothing(s: Mirror) -> None:
    supplied(s)
    asked = _asked(s)
    limit = asked.body.max
    _supply(s, asked, limit)
    s.need(s.take(p.PwrStatus, SECOND) is not None, "The phone did not say that it draws anything.")
    s.clear()
    again = _asked(s, 2, _NEXT)
    s.reply(again, p.PwrRequestError(reason=p.RejectReason.BATTERY), Status.PWR_REJECT)
    s.let(SECOND)
    s.expect(not s.heard(p.PwrReset), "no PWR_RESET", "one")
    drawn = [-h.body.current for h in s.heard(p.PwrStatus)]
    s.expect(all(0 <= c <= limit for c in drawn), f"at most {limit} mA drawn", f"{drawn} mA")
    s.expect(bool(drawn) or limit * _VOLTAGE <= _P2, "PWR_STATUS as long as it draws that", "none")


# ── The way back ─────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "PWR/SWAP/BV-back", "R-PWR-009",
    given="a phone that a module supplies", when="the phone is to supply again, and agrees",
    then="it makes its offers", needs=_NEEDS,
)  # fmt: skip
def the_source_that_was(s: Mirror) -> None:
    supplied(s)
    s.let(10 * MS)
    s.clear()
    s.need(swap(s, PowerDirection.TO_MODULE) == Status.OK, "The phone does not supply again.")
    s.expect(s.take(p.PwrSourceCaps, EVENTUALLY) is not None, "PWR_SOURCE_CAPS", "none")


@phone_scenario(
    "PWR/SWAP/BI-mismatch", "R-PWR-010",
    given="a phone that a module supplies", when="it is to supply again, with 20 V and 65 A",
    then="it answers PWR_MISMATCH", needs=_NEEDS,
)  # fmt: skip
def a_swap_beyond_its_means(s: Mirror) -> None:
    supplied(s)
    found = swap(s, PowerDirection.TO_MODULE, 20_000, 65_000)
    s.expect(found == Status.PWR_MISMATCH, "status PWR_MISMATCH", f"status {found!r}")


# ── PWR_SINK_CAPS ────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "PWR/SINK_CAPS/BV-asked", "R-PWR-104",
    given="a phone that a module supplies", when="PWR_SINK_CAPS asks what it needs", then="it answers OK", needs=_NEEDS,
)  # fmt: skip
def what_a_phone_needs(s: Mirror) -> None:
    supplied(s)
    s.asks(p.PwrSinkCaps(), lane=Lane.SIDEBAND)


@phone_scenario(
    "PWR/SINK_CAPS/BI-tlvs", "R-PWR-105",
    given="a phone that a module supplies", when="PWR_SINK_CAPS ends in half a TLV", then="it answers BAD_LENGTH",
    needs=_NEEDS,
)  # fmt: skip
def a_question_that_ends_in_half_a_tlv(s: Mirror) -> None:
    supplied(s)
    s.asks(p.PwrSinkCaps(), lane=Lane.SIDEBAND)
    asked, _ = s.stimulate(Exchange(PacketType.PWR_SINK_CAPS, b"\x01", Oracle.REFUSED), Lane.SIDEBAND)
    heard = s.answer(asked)
    if heard is None:
        s.fail("BAD_LENGTH", "no answer")
    s.expect_status(heard, Status.BAD_LENGTH)
