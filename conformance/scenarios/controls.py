"""Scenarios of the user's hand: rings, buttons, and who owns a motor.

Plan: rings and ownership.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.lens import FOCUS, MOTOR_OF, RING_OF, driven, motorised, own, ring_of, rings_of, turn
from opalink.conformance.tester.preambles import contract
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import ControlId, OperationTag, Owner, OwnerPolicy
from opalink.spec.form import MS

_MARGIN = 60 * MS  # a request may be acted on within tResponse of its coming

# ── Rings and ownership ──────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/RING/BV-every_turn", "R-LEN-021", "R-LEN-020", "R-LEN-022",
    given="a module with a ring in READY", when="it is turned under each policy",
    then="CONTROL_EVENT reports every turn, and should do so within 10 ms", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def every_turn_is_reported(s: Session) -> None:
    contract(s)
    rings = rings_of(s)
    if not rings:
        raise Inapplicable("It has no rings.")
    for control in rings:
        for policy in OwnerPolicy:
            own(s, control, policy)
            for delta in (3, -2, 7):
                s.clear()
                begun = s.now
                turn(s, control, delta)
                first, told = None, 0
                while told != delta and (heard := s.take(p.ControlEvent, EVENTUALLY)) is not None:
                    s.expect(heard.body.control == control, f"control {control}", f"{heard.body.control}", "R-LEN-021")
                    first, told = first or heard, told + heard.body.delta  # a turn may be told in parts
                s.expect(told == delta, f"{delta} counts under {policy.name}", f"{told}", "R-LEN-021")
                waited = first.time - begun if first else 0
                s.should("R-LEN-022", waited <= 10 * MS + s.monitor.slack, "within 10 ms", f"{waited} ns")


@scenario(
    "LEN/BUTTON/BV-reported", "R-LEN-022",
    given="a module with a button in READY", when="it is pressed and let go", then="CONTROL_EVENT reports both",
    needs="CONTROLS", operations=("button",),
)  # fmt: skip
def a_button_is_reported(s: Session) -> None:
    contract(s)
    if s.attempt(OperationTag.BUTTON, p.ButtonOperation()).result != p.Outcome.DONE:
        raise Inapplicable("It has no shutter button.")
    heard = s.take(p.ControlEvent, EVENTUALLY)
    if heard is None:
        s.fail("CONTROL_EVENT", "none")
    s.expect(heard.body.control == ControlId.SHUTTER, "SHUTTER", f"{heard.body.control!r}")


@scenario(
    "LEN/OWNER/BV-ring_wins", "R-LEN-001", "R-LEN-002", "R-LEN-003",
    given="a module whose ring wins and holds for 300 ms", when="the user turns it",
    then="the phone's moves are answered RING_OWNED until it has rested for that time, and then carried out",
    needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def the_ring_wins(s: Session) -> None:
    contract(s)
    control = motorised(s)
    s.expect_status(own(s, control, OwnerPolicy.RING_WINS, 300), Status.OK)
    turn(s, control, 1)
    turned = s.now
    s.expect_status(s.ask(driven(s, control)), Status.RING_OWNED)
    s.let(turned + 300 * MS - _MARGIN - s.now)
    s.expect_status(s.ask(driven(s, control)), Status.RING_OWNED)
    s.let(turned + 300 * MS + _MARGIN - s.now)
    heard = s.ask(driven(s, control))
    s.expect(heard.status in (Status.OK, Status.ADJUSTED), "OK", f"{heard.status!r}", "R-LEN-003")


@scenario(
    "LEN/OWNER/BV-last_wins", "R-LEN-004", "R-LEN-002",
    given="a module whose control belongs to who spoke last", when="the user turns the ring and the phone moves it",
    then="the phone has it back at once", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def the_last_wins(s: Session) -> None:
    contract(s)
    control = motorised(s)
    s.expect_status(own(s, control, OwnerPolicy.LAST_WINS), Status.OK)
    turn(s, control, 1)
    s.let(2 * MS)
    heard = s.ask(driven(s, control))
    s.expect(heard.status in (Status.OK, Status.ADJUSTED), "OK", f"{heard.status!r}")


@scenario(
    "LEN/OWNER/BV-phone_locks", "R-LEN-021", "R-LEN-002",
    given="a module whose control the phone has locked", when="the user turns the ring",
    then="the turn is reported, and the phone's moves are carried out", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def the_phone_locks(s: Session) -> None:
    contract(s)
    control = motorised(s)
    s.expect_status(own(s, control, OwnerPolicy.PHONE_LOCKS), Status.OK)
    s.clear()
    turn(s, control, 2)
    s.expect(s.take(p.ControlEvent, EVENTUALLY) is not None, "CONTROL_EVENT", "none", "R-LEN-021")
    heard = s.ask(driven(s, control))
    s.expect(heard.status in (Status.OK, Status.ADJUSTED), "OK", f"{heard.status!r}", "R-LEN-002")


@scenario(
    "LEN/OWNER/BI-no_control", "R-LEN-005",
    given="a module with controls in READY", when="CONTROL_OWNER names a ring that it has not",
    then="it answers NO_SUCH_ID", needs="CONTROLS",
)  # fmt: skip
def owning_what_is_not_there(s: Session) -> None:
    contract(s)
    rings = (ControlId.FOCUS_RING, ControlId.APERTURE_RING, ControlId.ND_RING, ControlId.ZOOM_RING)
    for control in rings:
        if control not in rings_of(s):
            s.expect_status(own(s, control, OwnerPolicy.RING_WINS), Status.NO_SUCH_ID)


@scenario(
    "LEN/OWNER/BI-no_motor", "R-LEN-006",
    given="a module with a ring whose part has no motor", when="CONTROL_OWNER gives it to the phone",
    then="it answers READ_ONLY", needs="CONTROLS",
)  # fmt: skip
def owning_what_has_no_motor(s: Session) -> None:
    contract(s)
    motors = {ControlId.FOCUS_RING: FOCUS} | {RING_OF[k]: m for k, m in MOTOR_OF.items()}
    bare = [c for c in rings_of(s) if motors.get(ControlId(c), "") not in s.known.features]
    if not bare:
        raise Inapplicable("Each of its rings has a motor.")
    for control in bare:
        s.expect_status(own(s, control, OwnerPolicy.RING_WINS), Status.READ_ONLY)


@scenario(
    "LEN/OWNER/BV-state", "R-LEN-010",
    given="a module with a focus ring and motor in READY", when="the user takes the focus and leaves it",
    then="FOCUS_STATE reports each change of owner", needs="FOCUS_MOTOR CONTROLS", operations=("ring",),
)  # fmt: skip
def the_owner_is_reported(s: Session) -> None:
    contract(s)
    ring_of(s, ControlId.FOCUS_RING)
    s.expect_status(own(s, ControlId.FOCUS_RING, OwnerPolicy.RING_WINS, 200), Status.OK)
    s.let(MS)
    s.clear()
    turn(s, ControlId.FOCUS_RING, 4)
    for owner in (Owner.USER, Owner.PHONE):
        heard = s.take(lambda h: isinstance(h.body, p.FocusState) and h.body.owner == owner, EVENTUALLY)  # noqa: B023
        s.expect(heard is not None, f"FOCUS_STATE with the owner {owner.name}", "none")
