"""Scenarios of power: a supply that is offered, refused, cut and swapped while the module has work to do.

Plan: helpers · the contract · budgets · faults · the swap · the battery.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, state, whole_frame
from opalink.conformance.scenarios.journeys import take_off
from opalink.conformance.scenarios.lens import move, span_of
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import OFFERS, contract, offer, ready, source, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import MachineId, OperationTag, StreamOp
from opalink.spec.form import MS, SECOND

_REMOVAL = ("attach", "detach")
_HOLDING = ("CONTRACT", "LIMITED")

# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────


def _asked(s: Session, generation: int, rule: str = "R-PWR-019") -> Heard:
    """The PWR_REQUEST that must come for offers of a generation."""
    heard = s.take(p.PwrRequest, EVENTUALLY)
    if heard is None:
        s.fail("PWR_REQUEST", "none", rule)
    s.expect(heard.body.generation == generation, f"generation {generation}", f"{heard.body.generation}", "R-PWR-019")
    return heard


def _granted(s: Session) -> None:
    s.expect(s.take(p.PwrStatus, EVENTUALLY) is not None, "PWR_STATUS under the new contract", "none", "R-PWR-030")


def _holds(s: Session, rule: str) -> None:
    found = s.reaches(MachineId.POWER, *_HOLDING)
    s.expect(found in _HOLDING, "a contract", found, rule)


def _left_to_us(s: Session) -> None:
    """PWR_REQUEST is left to the test from now on."""
    s.phone.mute.add(p.PwrRequest)
    s.clear()


# ── The contract ─────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/CONTRACT/BV-often", "R-PWR-019", "R-PWR-030",
    given="a module with a contract", when="the phone makes new offers ten times",
    then="it asks for each generation, and a contract holds each time", needs="CONTRACT", suffering="supply",
    plan=Plan.CI,
)  # fmt: skip
def offers_again_and_again(s: Session) -> None:
    contract(s)
    for generation in range(2, 12):
        s.clear()
        offer(s, OFFERS[: 1 + generation % 2], generation)
        _asked(s, generation)
        _granted(s)


@scenario(
    "PWR/OFFERS/RB-flood", "R-PWR-020", "R-PWR-019",
    given="a module with a contract", when="fifteen offers come, a millisecond apart",
    then="no two PWR_REQUESTs are open, and in the end it has asked for the last", needs="CONTRACT", suffering="supply",
    plan=Plan.CI,
)  # fmt: skip
def a_flood_of_offers(s: Session) -> None:
    contract(s)
    _left_to_us(s)
    last = 16
    for generation in range(2, last + 1):
        offer(s, generation=generation)
        s.let(MS)
    open_ = s.heard(p.PwrRequest)
    s.expect(len(open_) <= 1, "one open PWR_REQUEST", f"{len(open_)}", "R-PWR-020")
    for _ in range(last):
        heard = s.take(p.PwrRequest, EVENTUALLY)
        if heard is None:
            s.fail(f"PWR_REQUEST for generation {last}", "none", "R-PWR-019")
        if heard.body.generation == last:
            s.phone.supply(heard)
            return
        s.reply(heard, p.PwrRequestError(reason=p.RejectReason.STALE), Status.PWR_REJECT)
    s.fail(f"PWR_REQUEST for generation {last}", "none", "R-PWR-019")


@scenario(
    "PWR/WAIT/BV-thrice", "R-PWR-021", "R-PWR-019",
    given="a module in READY", when="its PWR_REQUEST is answered PWR_WAIT three times",
    then="it asks again each time, no sooner than it was told, and has its contract in the end", needs="CONTRACT",
    suffering="supply", plan=Plan.CI,
)  # fmt: skip
def told_to_wait_again_and_again(s: Session) -> None:
    ready(s)
    _left_to_us(s)
    offer(s)
    heard = _asked(s, 1)
    for _ in range(3):
        s.reply(heard, p.PwrRequestError(reason=p.RejectReason.OTHER_LOAD, retry_after=150), Status.PWR_WAIT)
        told = s.now
        heard = _asked(s, 1, "R-PWR-021")
        waited = heard.time - told
        s.expect(waited >= 150 * MS - s.monitor.slack, "at least 150 ms", f"{waited} ns", "R-PWR-021")
    s.phone.supply(heard)
    _granted(s)


@scenario(
    "PWR/REJECT/BV-often", "R-PWR-022", "R-PWR-019",
    given="a module with a contract", when="the phone offers and refuses five times",
    then="it asks each time, and the contract of before holds", needs="CONTRACT", suffering="supply", plan=Plan.CI,
)  # fmt: skip
def refused_again_and_again(s: Session) -> None:
    contract(s)
    _left_to_us(s)
    for generation in range(2, 7):
        offer(s, generation=generation)
        heard = _asked(s, generation)
        s.reply(heard, p.PwrRequestError(reason=p.RejectReason.BATTERY), Status.PWR_REJECT)
        s.let(10 * MS)
        _holds(s, "R-PWR-022")


# ── Budgets ──────────────────────────────────────────────────────────────────────────────────────────


def shrink(s: Session, cause: p.BudgetCause) -> None:
    """The budget shrinks in four steps to the least that the module works with, and is restored."""
    caps = s.known.caps
    if caps is None:
        s.fail("an answer to PWR_SINK_CAPS", "none")
    for share in (3, 2, 1, 0):
        budget = caps.min_ready + (caps.max - caps.min_ready) * share // 4
        body = s.asks(p.PwrBudget(max=budget, grace=50, cause=cause))
        s.expect(body.power <= budget, f"at most {budget} mW", f"{body.power} mW", "R-PWR-002")
        s.let(60 * MS)
        s.clear()  # of 8K there is much
    s.asks(p.PwrBudget(max=0xFFFF, grace=0, cause=p.BudgetCause.RESTORED))


@scenario(
    "PWR/BUDGET/BV-largest", "R-PWR-002", "R-FRM-003",
    given="a module that streams in the mode that asks most of it", when="the budget shrinks and is restored",
    then="it keeps to each budget, and frames come once it is restored", needs="CONTRACT VIDEO", suffering="supply",
    plan=Plan.CI,
)  # fmt: skip
def the_largest_mode_is_starved(s: Session) -> None:
    contract(s)
    if "SECURITY" in s.known.features:
        s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=15_000, granted=(1 << 64) - 1))
    s.need(bool(s.known.modes), "No mode of the sensor is known.")
    for mode in sorted(s.known.modes, key=lambda m: -m.width * m.height * m.depth / m.min_frame_time):
        heard = s.ask(p.StreamConfigure(streams=(p.StreamSetup(mode=mode.mode, codec=mode.codec),)))
        if heard.status in (Status.OK, Status.ADJUSTED):
            break
    else:
        raise Inapplicable("No mode can be set up with what is offered.")
    control(s, StreamOp.START)
    shrink(s, p.BudgetCause.BATTERY)
    s.clear()
    if state(s) != "STREAMING":  # what it gave up includes the stream
        control(s, StreamOp.START)
    s.expect(s.take(p.FrameLeader, 5 * SECOND) is not None, "a frame", "none", "R-FRM-003")


@scenario(
    "PWR/BUDGET/BV-focus", "R-PWR-002", "R-LEN-009",
    given="a module whose focus moves", when="the budget shrinks and is restored, three times",
    then="every move is answered, and the last comes to where it was sent", needs="CONTRACT FOCUS_MOTOR",
    suffering="supply", plan=Plan.CI,
)  # fmt: skip
def a_motor_that_is_starved(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for target in (near, far, near):
        asked = s.request(move(target, speed=2000))
        shrink(s, p.BudgetCause.OTHER_LOAD)
        s.expect(s.answer(asked) is not None, "an answer to the move", "none", "R-WIRE-023")
    heard = s.ask(move(far, settle=1))
    s.expect_status(heard, Status.OK)
    s.expect(abs(heard.body.position - far) <= 10, f"{far} within 0.01 D", f"{heard.body.position}", "R-LEN-009")


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/FAULT/BV-again", "R-PWR-033", "R-PWR-019",
    given="a module with a contract", when="a fault latches, and it is taken off and put on, three times",
    then="it reports each fault, stays on boot power, and has a contract again once it is put on", needs="CONTRACT",
    operations=("condition", *_REMOVAL), suffering="supply", plan=Plan.CI,
)  # fmt: skip
def faults_again_and_again(s: Session) -> None:
    for _ in range(3):
        contract(s)
        s.clear()
        s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.OVERCURRENT, present=1))
        s.expect(s.take(p.PwrFault, EVENTUALLY) is not None, "PWR_FAULT", "none", "R-PWR-033")
        found = s.reaches(MachineId.POWER, "FAULT")
        s.expect(found == "FAULT", "FAULT", found, "R-PWR-033")
        s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.OVERCURRENT, present=0))
        take_off(s)
    ready(s)
    offer(s)
    _asked(s, 1)
    _granted(s)


@scenario(
    "PWR/RESET/BV-video", "R-PWR-016", "R-PWR-019", "R-FRM-003",
    given="a module that streams", when="a hard PWR_RESET comes, and the phone offers anew, twice",
    then="it asks again, and frames can be had again", needs="CONTRACT VIDEO", suffering="supply", plan=Plan.CI,
)  # fmt: skip
def a_hard_reset_in_a_take(s: Session) -> None:
    streaming(s)
    for generation in (2, 3):
        whole_frame(s)
        s.tell(p.PwrReset(level=p.PowerResetLevel.HARD, off_time=30))
        s.let(s.timer("tPwrHardReset") + s.monitor.slack + 10 * MS)
        found = s.reaches(MachineId.POWER, "BOOT")
        s.expect(found == "BOOT", "BOOT", found, "R-PWR-016")
        s.clear()
        offer(s, generation=generation)
        _asked(s, generation)
        _granted(s)
        if state(s) != "STREAMING":
            control(s, StreamOp.START)


# ── The swap ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/SWAP/BV-again", "R-PWR-009", "R-PWR-019",
    given="a module that can supply the phone", when="it is asked to supply and to be supplied, three times",
    then="it makes its offers each time that it supplies, and asks for the phone's each time that it does not",
    needs="ROLE_SWAP CONTRACT", suffering="supply", plan=Plan.CI,
)  # fmt: skip
def supplying_by_turns(s: Session) -> None:
    contract(s)
    for generation in range(2, 5):
        s.clear()
        _swap(s, p.PowerDirection.TO_PHONE)
        s.expect(s.take(p.PwrSourceCaps, EVENTUALLY) is not None, "PWR_SOURCE_CAPS", "none", "R-PWR-009")
        _swap(s, p.PowerDirection.TO_MODULE)
        s.let(50 * MS)
        s.clear()
        offer(s, generation=generation)
        _asked(s, generation)
        _granted(s)


def _swap(s: Session, direction: p.PowerDirection) -> None:
    heard = s.ask(p.PwrRoleSwap(direction=direction, voltage=5000, current=100))
    if heard.status == Status.NOT_SUPPORTED:
        raise Inapplicable("This packet type is optional, and not supported here.")
    s.expect_status(heard, Status.OK)


@scenario(
    "PWR/SWAP/BV-removed", "R-PWR-019", "R-PWR-016",
    given="a module that supplies the phone", when="it is taken off and put on, twice",
    then="it is supplied again, and asks for what the phone offers", needs="ROLE_SWAP CONTRACT", operations=_REMOVAL,
    suffering="supply", plan=Plan.CI,
)  # fmt: skip
def a_supplier_that_is_taken_off(s: Session) -> None:
    for _ in range(2):
        source(s)
        take_off(s)
    ready(s)
    found = s.state(MachineId.POWER)
    s.expect(not found.startswith("SOURCE"), "a sink", found, "R-PWR-016")
    offer(s)
    _asked(s, 1)
    _granted(s)


# ── The battery ──────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PROP/BATTERY/BV-drained", "R-PROP-004",
    given="a module with a battery in READY", when="its charge falls from 90 % to 5 % in steps of 5 %",
    then="PROP_CHANGED reports each", needs="BATTERY", operations=("battery",), suffering="supply", plan=Plan.CI,
)  # fmt: skip
def a_battery_that_is_drained(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.BATTERY, p.BatteryOperation(level=950))
    s.let(SECOND)
    for level in range(900, 0, -50):
        s.clear()
        s.operate(OperationTag.BATTERY, p.BatteryOperation(level=level))
        told = s.take(lambda h: _charge(h, level), EVENTUALLY)  # noqa: B023  called before the next round
        s.expect(told is not None, f"PROP_CHANGED with a level of {level}, within 10", "none")


def _charge(heard: Heard, level: int) -> bool:
    told = heard.body.properties if isinstance(heard.body, p.PropChanged) else ()
    return any(t.tag == p.PropertyTag.BATTERY_LEVEL and abs(t.value - level) < 10 for t in told)
