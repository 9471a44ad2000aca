"""Scenarios of power: the contract, refusals, waiting, budgets, resets, faults.

Plan: the contract · refusals · timers · budgets · resets and faults.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import OFFERS, configured, contract, greet, light, offer, ready
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import MachineId, OperationTag
from opalink.spec.form import MS

_CONTRACT = "CONTRACT"


_HOLDING = ("CONTRACT", "LIMITED")


def _state(s: Session) -> str:
    return s.state(MachineId.POWER)


def _comes_to(s: Session, *states: str) -> None:
    """The power machine comes to one of these states: what an event brings about has no time of its own."""
    found = s.reaches(MachineId.POWER, *states)
    s.expect(found in states, states[0], found)


def _request(s: Session, within: int = EVENTUALLY) -> Heard:
    """The next PWR_REQUEST."""
    heard = s.take(p.PwrRequest, within)
    if heard is None:
        s.fail("PWR_REQUEST", f"none within {within // MS} ms")
    return heard


def _hold(s: Session) -> None:
    """Leave PWR_REQUEST to the test from now on."""
    s.phone.mute.add(p.PwrRequest)
    s.clear()


def _grant(s: Session, heard: Heard) -> None:
    s.phone.supply(heard)


# ── The contract ─────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/CONTRACT/BV-offers", "R-PWR-019", "R-PWR-030",
    given="a module in READY that draws more than boot power", when="offers come and its request is granted",
    then="it sends PWR_STATUS, and a contract holds", needs=_CONTRACT,
)  # fmt: skip
def offers_lead_to_a_contract(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s, generation=5)
    heard = _request(s)
    s.expect(heard.body.generation == 5, "generation 5", f"{heard.body.generation}", "R-PWR-019")
    s.expect(heard.body.object < len(OFFERS), f"an offer below {len(OFFERS)}", f"{heard.body.object}")
    _grant(s, heard)
    s.reports(p.PwrStatus, "PWR_STATUS", s.now, "R-PWR-030")
    _comes_to(s, *_HOLDING)


@scenario(
    "PWR/CONTRACT/BV-renewed", "R-PWR-019", "R-PWR-020", "R-PWR-030",
    given="a module with a contract", when="offers of a new generation come",
    then="it asks anew, for that generation, and keeps its contract meanwhile", needs=_CONTRACT,
)  # fmt: skip
def new_offers_are_asked_for(s: Session) -> None:
    contract(s)
    _hold(s)
    offer(s, OFFERS[:1], generation=2)
    heard = _request(s)
    s.expect(heard.body.generation == 2, "generation 2", f"{heard.body.generation}")
    _grant(s, heard)
    s.expect(s.take(p.PwrStatus, EVENTUALLY) is not None, "PWR_STATUS", "none", "R-PWR-030")


@scenario(
    "PWR/CONTRACT/BO-newer_offers", "R-PWR-020", "R-PWR-019",
    given="a module whose PWR_REQUEST is open", when="newer offers come before the answer",
    then="it does not ask twice, and asks for the newer ones after", needs=_CONTRACT,
)  # fmt: skip
def offers_while_a_request_is_open(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s, generation=1)
    first = _request(s)
    offer(s, generation=2)
    s.let(5 * MS)
    s.expect(not s.heard(p.PwrRequest), "one open PWR_REQUEST", "two", "R-PWR-020")
    _grant(s, first)
    second = _request(s)
    s.expect(second.body.generation == 2, "generation 2", f"{second.body.generation}", "R-PWR-019")


@scenario(
    "PWR/CAPS/CA-numbers", "R-DSC-015",
    given="a module in READY", when="what it needs is read",
    then="no mode needs more than `max`, nor `max` more than the descriptor's peak",
)  # fmt: skip
def sink_caps_are_consistent(s: Session) -> None:
    ready(s)
    caps = s.asks(p.PwrSinkCaps())
    for name in ("idle", "preview", "video", "still", "min_ready"):
        s.expect(getattr(caps, name) <= caps.max, f"{name} at most {caps.max} mW", f"{getattr(caps, name)}")
    record = s.record("POWER")
    if record is not None:
        s.expect(caps.max <= record.peak, f"at most {record.peak} mW", f"{caps.max}")


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/REJECT/BV-kept", "R-PWR-022",
    given="a module with a contract", when="its next PWR_REQUEST is rejected", then="the contract goes on",
    needs=_CONTRACT,
)  # fmt: skip
def a_rejection_takes_nothing(s: Session) -> None:
    contract(s)
    _hold(s)
    offer(s, generation=2)
    heard = _request(s)
    s.reply(heard, p.PwrRequestError(reason=p.RejectReason.BATTERY), Status.PWR_REJECT)
    s.let(10 * MS)
    _comes_to(s, *_HOLDING)


@scenario(
    "PWR/REJECT/BV-first", "R-PWR-016",
    given="a module in READY without a contract", when="its PWR_REQUEST is rejected",
    then="it stays on boot power and works", needs=_CONTRACT,
)  # fmt: skip
def a_rejection_before_any_contract(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s)
    heard = _request(s)
    s.reply(heard, p.PwrRequestError(reason=p.RejectReason.OTHER_LOAD), Status.PWR_REJECT)
    s.let(50 * MS)
    _comes_to(s, "CAPS_SEEN")
    s.asks(p.DescRead(length=16))


@scenario(
    "PWR/WAIT/TI-retry", "R-PWR-021",
    given="a module in READY whose PWR_REQUEST is answered PWR_WAIT with 400 ms", when="time passes",
    then="it asks again, and no sooner", needs=_CONTRACT,
)  # fmt: skip
def a_wait_is_waited_for(s: Session) -> None:
    _wait(s, 400)


@scenario(
    "PWR/WAIT/TI-least", "R-PWR-021",
    given="a module in READY whose PWR_REQUEST is answered PWR_WAIT with 10 ms", when="time passes",
    then="it asks again, no sooner than tRequestAfterWait", needs=_CONTRACT,
)  # fmt: skip
def a_wait_has_a_least_time(s: Session) -> None:
    _wait(s, 10)


def _wait(s: Session, retry: int) -> None:
    ready(s)
    _hold(s)
    offer(s)
    heard = _request(s)
    s.reply(heard, p.PwrRequestError(reason=p.RejectReason.BATTERY, retry_after=retry), Status.PWR_WAIT)
    answered = s.now
    least = max(retry * MS, s.catalogue.timer["tRequestAfterWait"].min or 0)
    again = _request(s, 3 * least + EVENTUALLY)
    waited = again.time - answered
    s.expect(waited >= least - s.monitor.slack, f"at least {least} ns", f"{waited} ns")


@scenario(
    "PWR/WAIT/TI-new_offers", "R-PWR-021",
    given="a module that was told to wait", when="new offers come meanwhile", then="it still waits", needs=_CONTRACT,
)  # fmt: skip
def offers_do_not_shorten_a_wait(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s)
    heard = _request(s)
    s.reply(heard, p.PwrRequestError(reason=p.RejectReason.BATTERY, retry_after=300), Status.PWR_WAIT)
    answered = s.now
    s.let(50 * MS)
    offer(s, generation=2)
    again = _request(s)
    s.expect(again.time - answered >= 300 * MS - s.monitor.slack, "at least 300 ms", f"{again.time - answered} ns")
    s.expect(again.body.generation == 2, "generation 2", f"{again.body.generation}", "R-PWR-019")


# ── Timers ───────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/TIMER/TI-soft_reset", "R-PWR-035",
    given="a module in READY whose PWR_REQUEST gets no answer", when="tSenderResponse passes",
    then="it sends a soft PWR_RESET then, and takes no later answer for one", needs=_CONTRACT,
)  # fmt: skip
def no_answer_leads_to_a_soft_reset(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s)
    asked = _request(s)
    limit, least = s.timer("tSenderResponse"), s.catalogue.timer["tSenderResponse"].min
    heard = s.take(p.PwrReset, 2 * limit)
    if heard is None:
        s.fail("PWR_RESET within tSenderResponse", "none within twice that")
    s.waited(heard.time - asked.time, limit, "PWR_RESET", least=least)
    s.expect(heard.body.level == p.PowerResetLevel.SOFT, "SOFT", f"{heard.body.level!r}")
    s.reply(asked, p.PwrRequestResponse())
    s.let(5 * MS)
    s.expect(_state(s) != "TRANSITION", "no TRANSITION", "TRANSITION", "R-PWR-035")


@scenario(
    "PWR/TIMER/BI-unsure", "R-PWR-037",
    given="a module with a contract whose next PWR_REQUEST gets no answer", when="the one after it is refused",
    then="it takes no contract to hold", needs=_CONTRACT,
)  # fmt: skip
def refused_after_no_answer(s: Session) -> None:
    contract(s)
    _hold(s)
    offer(s, generation=2)
    _request(s)
    s.need(s.take(p.PwrReset, 2 * s.timer("tSenderResponse")) is not None, "No PWR_RESET came.")
    offer(s, generation=2)
    s.reply(_request(s), p.PwrRequestError(reason=p.RejectReason.OTHER_LOAD), Status.PWR_REJECT)
    _comes_to(s, "CAPS_SEEN")


@scenario(
    "PWR/TIMER/TI-hard_reset", "R-PWR-016",
    given="a module that has sent a soft PWR_RESET", when="no offers come within tSenderResponse",
    then="it sends a hard one", needs=_CONTRACT,
)  # fmt: skip
def no_offers_lead_to_a_hard_reset(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s)
    _request(s)
    first = s.take(p.PwrReset, 2 * s.timer("tSenderResponse"))
    second = s.take(p.PwrReset, 2 * s.timer("tSenderResponse"))
    if first is None or second is None:
        s.fail("a soft and a hard PWR_RESET", "less")
    s.expect(second.body.level == p.PowerResetLevel.HARD, "HARD", f"{second.body.level!r}")


@scenario(
    "PWR/TIMER/TI-transition", "R-PWR-016",
    given="a module whose PWR_REQUEST was accepted", when="PWR_READY does not come within tPwrTransition",
    then="it sends a hard PWR_RESET", needs=_CONTRACT,
)  # fmt: skip
def no_voltage_leads_to_a_hard_reset(s: Session) -> None:
    ready(s)
    _hold(s)
    offer(s)
    heard = _request(s)
    s.reply(heard, p.PwrRequestResponse())
    since, limit = s.now, s.catalogue.timer["tPwrTransition"].max or 0
    reset = s.take(p.PwrReset, 2 * limit)
    if reset is None:
        s.fail(f"PWR_RESET within {limit} ns", "none within twice that")
    s.waited(reset.time - since, limit, "PWR_RESET")
    s.expect(reset.body.level == p.PowerResetLevel.HARD, "HARD", f"{reset.body.level!r}")


@scenario(
    "PWR/TIMER/TI-offers", "R-PWR-036",
    given="a module that waits for HELLO", when="a session begins, and no offers come for tSinkWaitCaps",
    then="it sends a soft PWR_RESET, again and again, until offers come", needs=_CONTRACT,
)  # fmt: skip
def offers_are_asked_for(s: Session) -> None:
    light(s)
    s.clear()
    greet(s)
    limit, least = s.timer("tSinkWaitCaps"), s.catalogue.timer["tSinkWaitCaps"].min
    before = s.now
    for edge in (None, least):  # when a session begins is the module's to say; from then on both edges hold
        heard = s.take(p.PwrReset, 2 * limit)
        if heard is None:
            s.fail("PWR_RESET within tSinkWaitCaps", "none within twice that")
        s.waited(heard.time - before, limit, "PWR_RESET", least=edge)
        s.expect(heard.body.level == p.PowerResetLevel.SOFT, "SOFT", f"{heard.body.level!r}")
        before = heard.time
    offer(s)
    s.expect(s.take(p.PwrStatus, EVENTUALLY) is not None, "a contract", "none")
    s.clear()
    s.let(2 * limit)
    s.expect(not s.heard(p.PwrReset), "no PWR_RESET under a contract", "one")


# ── Budgets ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/BUDGET/BV-given_up", "R-PWR-002", "R-PWR-003", "R-PWR-029",
    given="a module with streams set up and a contract", when="a budget below its contract comes",
    then="it answers within tSenderResponse what it will draw, at most that, and what it gives up",
    needs="CONTRACT SENSOR",
)  # fmt: skip
def a_budget_is_kept(s: Session) -> None:
    configured(s)
    caps = s.known.caps
    if caps is None:
        s.fail("an answer to PWR_SINK_CAPS", "none")
    begun = s.now
    budget = max(caps.min_ready, caps.max // 3)
    heard = s.ask(p.PwrBudget(max=budget, grace=100, cause=p.BudgetCause.BATTERY))
    s.expect_status(heard, Status.OK)
    s.waited(heard.time - begun, s.catalogue.timer["tSenderResponse"].min or 0, "an answer", "R-PWR-029")
    s.expect(heard.body.power <= budget, f"at most {budget} mW", f"{heard.body.power}", "R-PWR-002")
    if max(caps.preview, caps.video, caps.still) > budget:  # else it can do all that it does
        s.expect(bool(heard.body.actions), "what it gives up", "nothing", "R-PWR-003")
    s.asks(p.PwrBudget(max=0xFFFF, grace=0, cause=p.BudgetCause.RESTORED))


@scenario(
    "PWR/BUDGET/BI-too_low", "R-PWR-031",
    given="a module with a contract", when="a budget below its `min_ready` comes", then="it answers RANGE_LIMIT",
    needs=_CONTRACT,
)  # fmt: skip
def a_budget_that_is_too_low(s: Session) -> None:
    contract(s)
    caps = s.known.caps
    if caps is None or not caps.min_ready:
        raise Inapplicable("It works with no power at all.")
    before = _state(s)
    heard = s.ask(p.PwrBudget(max=caps.min_ready - 1, grace=100))
    s.expect_status(heard, Status.RANGE_LIMIT)
    s.expect(_state(s) == before, before, _state(s))
    s.asks(p.PwrBudget(max=caps.min_ready, grace=100))


# ── Resets and faults ────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/RESET/BV-hard", "R-PWR-016",
    given="a module with a contract", when="a hard PWR_RESET comes",
    then="it is on boot power, and takes offers again after tPwrHardReset", needs=_CONTRACT,
)  # fmt: skip
def a_hard_reset(s: Session) -> None:
    contract(s)
    s.tell(p.PwrReset(level=p.PowerResetLevel.HARD, off_time=30))
    timer = s.catalogue.timer["tPwrHardReset"]
    begun = s.now
    s.let((timer.min or 0) - MS)
    s.clear()
    offer(s, generation=8)  # too soon: it waits for 0 V
    s.let(begun + (timer.max or 0) + MS - s.now)
    s.expect(not s.heard(p.PwrRequest), "no PWR_REQUEST before tPwrHardReset is over", "one")
    found = s.reaches(MachineId.POWER, "BOOT", within=s.monitor.slack)
    s.expect(found == "BOOT", "BOOT once tPwrHardReset is over", found)
    s.clear()
    offer(s, generation=9)
    s.expect(s.take(p.PwrStatus, EVENTUALLY) is not None, "a contract again", "none")


@scenario(
    "PWR/FAULT/BV-latched", "R-PWR-033", "R-PWR-005",
    given="a module with a contract", when="it meets a fault that latches",
    then="it reports it, stays on boot power, and asks for nothing", needs=_CONTRACT, operations=("condition",),
)  # fmt: skip
def a_latched_fault(s: Session) -> None:
    contract(s)
    s.clear()
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.OVERCURRENT, present=1))
    heard = s.take(p.PwrFault, EVENTUALLY)
    if heard is None:
        s.fail("PWR_FAULT", "none")
    s.expect(heard.body.latched == 1, "a latched fault", "another")
    s.clear()
    offer(s, generation=2)
    s.let(200 * MS)
    s.expect(not s.heard(p.PwrRequest), "no PWR_REQUEST", "one")
    _comes_to(s, "FAULT")


@scenario(
    "PWR/FAULT/BV-of_the_source", "R-PWR-033",
    given="a module with a contract", when="the phone reports a latched fault", then="it stays on boot power",
    needs=_CONTRACT,
)  # fmt: skip
def a_fault_of_the_source(s: Session) -> None:
    contract(s)
    s.tell(p.PwrFault(kind=p.PowerFaultKind.OVER_CURRENT, latched=1, count=1))
    _comes_to(s, "FAULT")
