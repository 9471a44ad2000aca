"""Scenarios of focus, motion and stacks in long use: parts that are moved until a step is lost, filters put on filters.

Plan: focus and motion · stacks.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, whole_frame
from opalink.conformance.scenarios.journeys import take_off
from opalink.conformance.scenarios.lens import (
    PROPERTY_OF,
    motorised,
    motors_of,
    move,
    own,
    ring_of,
    rings_of,
    span_of,
    turn,
)
from opalink.conformance.scenarios.properties import put
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, contract, ready, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import ControlId, MachineId, OperationTag, OwnerPolicy, StreamOp
from opalink.spec.form import MS, SECOND

# ── Focus and motion ─────────────────────────────────────────────────────────────────────────────────


@scenario(
    "TIM/STATE/BV-steps", "R-TIM-007",
    given="a module that keeps time", when="the phone's clock steps ahead and back, and a new session begins each time",
    then="the module's packets bear the phone's time once it is locked, within `bound`", needs="TIME", virtual=True,
    suffering="focus", plan=Plan.CI,
)  # fmt: skip
def a_clock_that_steps(s: Session) -> None:
    for ahead in (0, 3 * SECOND, SECOND // 1000, 90 * SECOND):
        s.rebind()

        def answer(heard: Heard, ahead: int = ahead) -> None:
            s.reply(heard, p.TimeSyncResponse(t1=heard.body.t1, t2=heard.time + ahead, t3=s.now + ahead))

        s.phone.answers[p.TimeSync] = answer
        ready(s)
        bound = s.locked().body.bound
        for _ in range(6):
            s.let(300 * MS)
            begun = s.now
            heard = s.ask(p.Keepalive())
            told = heard.packet.t_ns if heard.packet else 0
            error = abs(told - (heard.time + ahead))
            s.expect(error <= bound + heard.time - begun + MS, f"{heard.time + ahead} ns within {bound}", f"{told} ns")


@scenario(
    "LEN/FOCUS/BV-often", "R-LEN-009", "R-LEN-007",
    given="a module with a focus motor", when="it is sent from end to end thirty times",
    then="it comes to both ends each time: no step is lost", needs="FOCUS_MOTOR", suffering="focus", plan=Plan.CI,
)  # fmt: skip
def from_end_to_end(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for i in range(30):
        _comes_to(s, far if i % 2 else near)


def _comes_to(s: Session, target: int) -> None:
    heard = s.ask(move(target, settle=1))
    s.expect_status(heard, Status.OK)
    s.expect(abs(heard.body.position - target) <= 10, f"{target} within 0.01 D", f"{heard.body.position}", "R-LEN-009")
    s.clear()


@scenario(
    "LEN/FOCUS/BI-blocked_again", "R-LEN-025", "R-LEN-009",
    given="a module with a focus motor", when="the motor is blocked and freed, four times",
    then="it answers MOTOR_BLOCKED while it is, and comes to where it is sent once it is not", needs="FOCUS_MOTOR",
    operations=("condition",), suffering="focus", plan=Plan.CI,
)  # fmt: skip
def blocked_again_and_again(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for i in range(4):
        target = far if i % 2 else near
        s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOTOR_BLOCKED, present=1))
        s.expect_status(s.ask(move(target, settle=1)), Status.MOTOR_BLOCKED)
        s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOTOR_BLOCKED, present=0))
        _comes_to(s, target)


@scenario(
    "LEN/OPTIC/BV-often", "R-LEN-016",
    given="a module with an aperture, density or zoom motor", when="it is sent to both ends eight times",
    then="it says each time where it stands", needs="APERTURE_MOTOR|ND_MOTOR|ZOOM_MOTOR", suffering="focus",
    plan=Plan.CI,
)  # fmt: skip
def optics_from_end_to_end(s: Session) -> None:
    contract(s)
    for _ in range(8):
        for kind in motors_of(s):
            d = s.described(PROPERTY_OF[kind])
            for target in (d.maximum, d.minimum):
                heard = s.ask(p.OpticSet(kind=kind, target=target))
                s.expect_status(heard, Status.OK)
                s.expect(heard.body.reached == target, f"{target} of {kind.name}", f"{heard.body.reached}")
        s.clear()


@scenario(
    "LEN/RING/BV-flood", "R-LEN-021", "R-LEN-020",
    given="a module with rings", when="each is turned a hundred times, a millisecond apart, either way",
    then="CONTROL_EVENT accounts for every count", needs="CONTROLS", operations=("ring",), suffering="focus",
    plan=Plan.CI,
)  # fmt: skip
def a_hand_that_does_not_rest(s: Session) -> None:
    contract(s)
    if not rings_of(s):
        raise Inapplicable("It has no rings.")
    for control_id in rings_of(s):
        s.let(SECOND)
        s.clear()
        turned = 0
        for i in range(100):
            delta = 3 if i % 3 else -2
            turn(s, control_id, delta)
            turned += delta
            s.let(MS)
        s.let(3 * SECOND)
        told = sum(h.body.delta for h in s.heard(p.ControlEvent) if h.body.control == control_id)
        s.expect(told == turned, f"{turned} counts", f"{told}", "R-LEN-021")


@scenario(
    "LEN/OWNER/BV-turns", "R-LEN-002", "R-LEN-021",
    given="a module with a ring whose part has a motor", when="who wins is changed twelve times, and the ring turned",
    then="every turn is reported, and the phone is refused only what the user has", needs="CONTROLS",
    operations=("ring",), suffering="focus", plan=Plan.CI,
)  # fmt: skip
def who_wins_changes(s: Session) -> None:
    contract(s)
    control_id = motorised(s)
    ring_of(s, ControlId(control_id))
    for _ in range(4):
        for policy in (OwnerPolicy.RING_WINS, OwnerPolicy.LAST_WINS, OwnerPolicy.PHONE_LOCKS):
            s.let(300 * MS)
            s.expect_status(own(s, control_id, policy, hold=100), Status.OK)
            s.clear()
            turn(s, control_id, 2)
            told, deadline = 0, s.now + EVENTUALLY
            while told < 2 and s.now < deadline and (heard := s.take(p.ControlEvent, EVENTUALLY)) is not None:
                told += heard.body.delta
            s.expect(told == 2, f"2 counts under {policy.name}", f"{told}", "R-LEN-021")


@scenario(
    "TIM/IMU/BV-again", "R-TIM-018",
    given="a module with a gyroscope", when="its stream is started and stopped four times",
    then="it reports its motion each time", needs="IMU VIDEO", suffering="focus", plan=Plan.CI,
)  # fmt: skip
def motion_each_time(s: Session) -> None:
    configured(s)
    for _ in range(4):
        control(s, StreamOp.START)
        s.let(SECOND // 5)
        s.clear()
        s.let(SECOND // 5)
        s.expect(bool(s.heard(p.ImuBatch)), "IMU_BATCH", "none in 200 ms")
        control(s, StreamOp.STOP)
        s.reaches(MachineId.CAPTURE, "CONFIGURED")


@scenario(
    "TIM/OIS/BV-often", "R-TIM-022",
    given="a module that streams and leaves its stabiliser to the phone", when="eight targets come, to either side",
    then="the stabiliser goes to each", needs="OIS VIDEO TIME", suffering="focus", plan=Plan.CI,
)  # fmt: skip
def one_target_after_the_other(s: Session) -> None:
    streaming(s)
    s.locked()
    put(s, (p.PropertyTag.OIS_MODE, p.StabilisationMode.PHONE))
    s.let(100 * MS)
    for x in (300, -300) * 4:
        s.clear()
        s.tell(p.OisTarget(apply=1, x=x, mode=p.OisTargetKind.POSITION))
        s.let(200 * MS)
        seen = [sample.x for h in s.heard(p.OisSamples) for sample in h.body.samples]
        there = bool(seen) and abs(seen[-1] - x) <= 30
        s.expect(there, f"{x / 10} um within 10 %", f"{seen[-1] / 10 if seen else None} um")


# ── Stacks ───────────────────────────────────────────────────────────────────────────────────────────


def _stack(s: Session, elements: int) -> p.StackReport:
    """So many elements are put on; what it says of them."""
    s.clear()
    if s.attempt(OperationTag.STACK, p.StackOperation(elements=elements)).result != p.Outcome.DONE:
        raise Inapplicable(f"No {elements} elements can be put on it.")
    heard = s.take(lambda h: isinstance(h.body, p.StackReport) and len(h.body.elements) == elements, EVENTUALLY)
    if heard is None:
        s.fail(f"STACK_REPORT with {elements} elements", "none", "R-MGT-017")
    report: p.StackReport = heard.body
    return report


@scenario(
    "MGT/STACK/BV-stacked", "R-MGT-017", "R-PROP-005",
    given="a module that sees a stack", when="filters are put on one over the other and taken off, three times",
    then="it reports how many there are each time, under a generation that rises", needs="STACK",
    operations=("stack",), suffering="stack", plan=Plan.CI,
)  # fmt: skip
def filters_one_over_the_other(s: Session) -> None:
    ready(s)
    last = -1
    for elements in (1, 2, 1, 0) * 3:
        generation = _stack(s, elements).generation
        s.expect(generation > last, f"a generation above {last}", f"{generation}", "R-PROP-005")
        last = generation


@scenario(
    "MGT/STACK/BV-phones", "R-MGT-016", "R-MGT-017",
    given="a module with a stack before it", when="it is taken off and put on four times",
    then="it reports its stack in every session", needs="STACK", operations=("stack", "attach", "detach"),
    suffering="stack", plan=Plan.CI,
)  # fmt: skip
def a_stack_in_every_session(s: Session) -> None:
    for _ in range(4):
        ready(s)
        told = s.take(p.StackReport, EVENTUALLY)
        s.expect(told is not None, "STACK_REPORT", "none", "R-MGT-016")
        _stack(s, 1)
        _stack(s, 0)
        take_off(s)


@scenario(
    "MGT/STACK/BV-video", "R-MGT-017", "R-FRM-011",
    given="a module that streams", when="a filter is put before it and taken off, three times",
    then="it reports that, and its frames bear the generation of the stack", needs="STACK VIDEO",
    operations=("stack",), suffering="stack", plan=Plan.CI,
)  # fmt: skip
def filters_in_a_take(s: Session) -> None:
    streaming(s)
    for elements in (1, 0) * 3:
        generation, told = _stack(s, elements).generation, None
        for _ in range(12):  # some may be exposed already, and on their way
            leader, _, _ = whole_frame(s)
            told = next((t.value for t in leader.settings if t.tag == p.PropertyTag.STACK_GENERATION), None)
            if told == generation:
                break
        s.expect(told == generation, f"generation {generation}", f"{told}", "R-FRM-011")


@scenario(
    "LEN/OPTIC/BV-stacked", "R-LEN-016", "R-MGT-017",
    given="a filter with a motor that sees a stack", when="it is moved while others are put on and taken off",
    then="it comes to where it is sent, and reports the stack", needs="STACK ND_MOTOR|APERTURE_MOTOR",
    operations=("stack",), suffering="stack", plan=Plan.CI,
)  # fmt: skip
def a_filter_that_moves_in_a_stack(s: Session) -> None:
    contract(s)
    kind = motors_of(s)[0]
    d = s.described(PROPERTY_OF[kind])
    for i, elements in enumerate((1, 2, 1, 0, 1, 0)):
        target = d.minimum if i % 2 else d.maximum
        asked = s.request(p.OpticSet(kind=kind, target=target))
        s.operate(OperationTag.STACK, p.StackOperation(elements=elements))
        heard = s.answer(asked)
        if heard is None:
            s.fail("an answer to OPTIC_SET", "none", "R-WIRE-023")
        s.expect_status(heard, Status.OK)
        s.expect(heard.body.reached == target, f"{target}", f"{heard.body.reached}", "R-LEN-016")
        told = s.take(lambda h: isinstance(h.body, p.StackReport) and len(h.body.elements) == elements, EVENTUALLY)  # noqa: B023
        s.expect(told is not None, f"STACK_REPORT with {elements} elements", "none", "R-MGT-017")
