"""Scenarios of the lens: focus, aperture, density, zoom, and what is reported of them.

Plan: helpers · focus · aperture, density, zoom · what is reported.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, contract, streaming
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import ControlId, FocusMode, OperationTag, OpticKind, Owner, OwnerPolicy, PropertyTag
from opalink.spec.form import MS, SECOND

FOCUS = "FOCUS_MOTOR"
_MOTORS = "APERTURE_MOTOR|ND_MOTOR|ZOOM_MOTOR"
MOTOR_OF = {OpticKind.APERTURE: "APERTURE_MOTOR", OpticKind.ND: "ND_MOTOR", OpticKind.ZOOM: "ZOOM_MOTOR"}
RING_OF = {
    OpticKind.APERTURE: ControlId.APERTURE_RING,
    OpticKind.ND: ControlId.ND_RING,
    OpticKind.ZOOM: ControlId.ZOOM_RING,
}
PROPERTY_OF = {
    OpticKind.APERTURE: PropertyTag.APERTURE,
    OpticKind.ND: PropertyTag.NEUTRAL_DENSITY,
    OpticKind.ZOOM: PropertyTag.FOCAL_LENGTH,
}

# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────


def rings_of(s: Session) -> dict[int, p.ControlRing]:
    record = s.record("RINGS")
    return {r.control: r for r in record.rings} if record else {}


def ring_of(s: Session, control: ControlId) -> p.ControlRing:
    rings = rings_of(s)
    if control not in rings:
        raise Inapplicable(f"It has no {control.name}.")
    return rings[control]


def turn(s: Session, control: int, delta: int) -> None:
    s.operate(OperationTag.RING, p.RingOperation(control=control, delta=delta))


def span_of(s: Session) -> tuple[int, int]:
    """The farthest and the nearest focus, in 0.001 D."""
    record = s.record("OPTICS")
    if record is None:
        s.fail("a record `optics`", "none")
    return record.focus_far, record.focus_near


def move(target: int, *, speed: int = 0, by: int = 0, settle: int = 0) -> p.FocusMove:
    return p.FocusMove(mode=FocusMode.DIOPTRE, target=target, speed=speed, by=by, settle=settle)


def motors_of(s: Session) -> list[OpticKind]:
    return [k for k, motor in MOTOR_OF.items() if motor in s.known.features]


def own(s: Session, control: int, policy: OwnerPolicy, hold: int = 300, owner: Owner = Owner.PHONE) -> Heard:
    return s.ask(p.ControlOwner(control=control, owner=owner, policy=policy, hold=hold))


def motorised(s: Session) -> int:
    """A ring whose part has a motor."""
    motors = {ControlId.FOCUS_RING: FOCUS} | {RING_OF[k]: m for k, m in MOTOR_OF.items()}
    for control in rings_of(s):
        if motors.get(ControlId(control), "") in s.known.features:
            return control
    raise Inapplicable("It has no ring whose part has a motor.")


def driven(s: Session, control: int) -> object:
    """A request that moves the part of a ring."""
    if control == ControlId.FOCUS_RING:
        far, near = span_of(s)
        return move((far + near) // 2)
    kind = next(k for k, c in RING_OF.items() if c == control)
    d = s.described(PROPERTY_OF[kind])
    return p.OpticSet(kind=kind, target=d.maximum)


# ── Focus ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/FOCUS/BV-move", "R-LEN-009", "R-LEN-010", "R-LEN-018",
    given="a module with a focus motor in READY", when="FOCUS_MOVE with `settle` sends it to both ends",
    then="it answers when it has settled there, and reports what it does on the way", needs=FOCUS,
)  # fmt: skip
def focus_goes_to_both_ends(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for target in (near, far, (far + near) // 2):
        s.clear()
        heard = s.ask(move(target, settle=1))
        s.expect_status(heard, Status.OK)
        s.expect(abs(heard.body.position - target) <= 10, f"{target} within 0.01 D", f"{heard.body.position}")
        told = [h for h in s.heard(p.FocusState) if h.time <= heard.time]
        moving = [h for h in told if h.body.state == p.FocusActivity.MOVING]
        s.expect(bool(moving), "FOCUS_STATE MOVING on the way", "none", "R-LEN-010")
        s.let(MS)
        last = s.heard(p.FocusState)[-1]
        s.expect(last.body.state != p.FocusActivity.MOVING, "FOCUS_STATE SETTLED", f"{last.body.state!r}", "R-LEN-010")
        early = last.time > heard.time + MS
        s.expect(not early, "an answer once it has settled", "one before", "R-LEN-009")


@scenario(
    "LEN/FOCUS/BI-beyond", "R-LEN-007",
    given="a module with a focus motor in READY", when="FOCUS_MOVE names a place beyond either end",
    then="it answers RANGE_LIMIT", needs=FOCUS,
)  # fmt: skip
def focus_beyond_the_ends(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for target in (far - 100, near + 100, 0x7FFF_FFFF, -0x8000_0000):
        s.expect_status(s.ask(move(target)), Status.RANGE_LIMIT)


@scenario(
    "LEN/FOCUS/BI-too_soon", "R-LEN-008",
    given="a module with a focus motor in READY", when="FOCUS_MOVE is to be done within a microsecond, or long ago",
    then="it answers LATE", needs=FOCUS,
)  # fmt: skip
def focus_that_cannot_be_in_time(s: Session) -> None:
    contract(s)
    s.let(200 * MS)
    far, near = span_of(s)
    s.expect_status(s.ask(move(near, by=s.now + 1000)), Status.LATE)
    s.expect_status(s.ask(move(far, by=1)), Status.LATE)


@scenario(
    "LEN/FOCUS/BO-replaced", "R-LEN-024",
    given="a module whose focus is on its way", when="another FOCUS_MOVE comes",
    then="it answers the first with CANCELLED and carries out the second", needs=FOCUS,
)  # fmt: skip
def one_move_replaces_another(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    first = s.request(move(near, speed=2000))
    s.let(5 * MS)
    heard = s.ask(move(far, settle=1))
    s.expect_status(heard, Status.OK)
    replaced = s.take(lambda h: h.asked is first, 60 * MS)
    if replaced is None:
        s.fail("an answer to the first", "none")
    s.expect_status(replaced, Status.CANCELLED)


@scenario(
    "LEN/FOCUS/BI-blocked", "R-LEN-025",
    given="a module whose focus motor is blocked", when="FOCUS_MOVE comes", then="it answers MOTOR_BLOCKED",
    needs=FOCUS, operations=("condition",),
)  # fmt: skip
def a_blocked_focus(s: Session) -> None:
    contract(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOTOR_BLOCKED, present=1))
    _, near = span_of(s)
    s.expect_status(s.ask(move(near)), Status.MOTOR_BLOCKED)
    s.alive()


@scenario(
    "LEN/FOCUS/BO-ring", "R-LEN-023", "R-LEN-002",
    given="a module whose focus is on its way", when="the user turns the ring",
    then="it answers the move with RING_OWNED",
    needs="FOCUS_MOTOR CONTROLS", operations=("ring",),
)  # fmt: skip
def the_ring_takes_the_focus(s: Session) -> None:
    contract(s)
    ring_of(s, ControlId.FOCUS_RING)
    s.expect_status(own(s, ControlId.FOCUS_RING, OwnerPolicy.RING_WINS), Status.OK)
    _, near = span_of(s)
    asked = s.request(move(near, speed=2000))
    s.let(20 * MS)
    turn(s, ControlId.FOCUS_RING, 5)
    heard = s.answer(asked)
    if heard is None:
        s.fail("an answer to the move", "none")
    s.expect_status(heard, Status.RING_OWNED)


# ── Aperture, density, zoom ──────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/OPTIC/BV-set", "R-LEN-016", "R-LEN-018",
    given="a module with such a motor in READY", when="OPTIC_SET sends it to both ends",
    then="it answers OK or ADJUSTED with where it stands, and LENS_STATE says so", needs=_MOTORS,
)  # fmt: skip
def optics_go_to_both_ends(s: Session) -> None:
    contract(s)
    for kind in motors_of(s):
        d = s.described(PROPERTY_OF[kind])
        for target in (d.maximum, d.minimum):
            s.clear()
            heard = s.ask(p.OpticSet(kind=kind, target=target))
            s.expect_status(heard, Status.OK)
            s.expect(heard.body.reached == target, f"{target} of {kind.name}", f"{heard.body.reached}")
        if "LENS" in s.known.features:
            s.expect(s.take(p.LensState, 100 * MS) is not None, "LENS_STATE", "none within 100 ms", "R-LEN-018")


@scenario(
    "LEN/OPTIC/BI-beyond", "R-LEN-015",
    given="a module with such a motor in READY", when="OPTIC_SET names a place beyond either end",
    then="it answers RANGE_LIMIT", needs=_MOTORS,
)  # fmt: skip
def optics_beyond_the_ends(s: Session) -> None:
    contract(s)
    for kind in motors_of(s):
        d = s.described(PROPERTY_OF[kind])
        for target in (d.minimum - 1, d.maximum + 1, 0x7FFF_FFFF, -0x8000_0000):
            s.expect_status(s.ask(p.OpticSet(kind=kind, target=target)), Status.RANGE_LIMIT)


@scenario(
    "LEN/OPTIC/BV-between", "R-LEN-016",
    given="a module whose part has positions in steps", when="OPTIC_SET names a place between two of them",
    then="it answers ADJUSTED and where it stands", needs=_MOTORS,
)  # fmt: skip
def optics_between_positions(s: Session) -> None:
    contract(s)
    stepped = [k for k in motors_of(s) if s.described(PROPERTY_OF[k]).step > 1]
    if not stepped:
        raise Inapplicable("None of its parts has positions in steps of more than one.")
    for kind in stepped:
        d = s.described(PROPERTY_OF[kind])
        target = d.minimum + d.step + d.step // 2
        heard = s.ask(p.OpticSet(kind=kind, target=target))
        s.expect_status(heard, Status.ADJUSTED)
        s.expect(abs(heard.body.reached - target) < d.step, f"near {target}", f"{heard.body.reached}")


@scenario(
    "LEN/OPTIC/BI-no_motor", "R-LEN-013", "R-LEN-014",
    given="a module with some such motor in READY", when="OPTIC_SET is about a part without a motor",
    then="it answers READ_ONLY if it is turned by hand, and NO_SUCH_ID if it is not there", needs=_MOTORS,
)  # fmt: skip
def optics_without_a_motor(s: Session) -> None:
    contract(s)
    for kind in set(OpticKind) - set(motors_of(s)):
        by_hand = RING_OF[kind] in rings_of(s) or PROPERTY_OF[kind] in s.known.properties
        wanted = (Status.READ_ONLY,) if by_hand else (Status.NO_SUCH_ID, Status.READ_ONLY)
        found = s.ask(p.OpticSet(kind=kind, target=1000)).status
        rule = "R-LEN-013" if by_hand else "R-LEN-014"
        s.expect(found in wanted, " or ".join(x.name for x in wanted), getattr(found, "name", str(found)), rule)


@scenario(
    "LEN/OPTIC/BI-blocked", "R-LEN-026",
    given="a module whose motors are blocked", when="OPTIC_SET comes", then="it answers MOTOR_BLOCKED",
    needs=_MOTORS, operations=("condition",),
)  # fmt: skip
def blocked_optics(s: Session) -> None:
    contract(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOTOR_BLOCKED, present=1))
    for kind in motors_of(s):
        d = s.described(PROPERTY_OF[kind])
        target = d.maximum if d.initial != d.maximum else d.minimum
        s.expect_status(s.ask(p.OpticSet(kind=kind, target=target)), Status.MOTOR_BLOCKED)


@scenario(
    "LEN/OPTIC/BV-between_frames", "R-LEN-017",
    given="a module that streams", when="OPTIC_SET is to move between frames",
    then="none of the next frames has a value between the old one and the new one", needs="VIDEO APERTURE_MOTOR",
)  # fmt: skip
def optics_move_between_frames(s: Session) -> None:
    streaming(s)
    s.need(s.take(p.FrameTrailer, 3 * SECOND) is not None, "No frame came.")
    d = s.described(PropertyTag.APERTURE)
    s.clear()
    ask = p.OpticSet(kind=OpticKind.APERTURE, target=d.maximum, timing=p.OpticTiming.BETWEEN_FRAMES)
    heard = s.ask(ask)
    s.expect_status(heard, Status.OK, Status.ADJUSTED)
    leaders = [h for h in (s.take(p.FrameLeader, 3 * SECOND) for _ in range(3)) if h is not None]
    s.need(len(leaders) == 3, "Too few frames came since.")
    seen = {t.value for h in leaders for t in h.body.settings if t.tag == PropertyTag.APERTURE}
    s.expect(seen <= {d.initial, heard.body.reached}, f"{d.initial} or {heard.body.reached}", f"{sorted(seen)}")


# ── What is reported ─────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/STATE/BV-streaming", "R-LEN-018", "R-LEN-019",
    given="a module with a lens and streams set up", when="its focus is moved", then="LENS_STATE says where to",
    needs="LENS FOCUS_MOTOR",
)  # fmt: skip
def lens_state_follows_focus(s: Session) -> None:
    configured(s) if "SENSOR" in s.known.features else contract(s)
    s.let(50 * MS)
    s.clear()
    _, near = span_of(s)
    s.expect_status(s.ask(move(near, settle=1)), Status.OK)
    s.let(100 * MS)
    told = s.heard(p.LensState)
    s.expect(bool(told), "LENS_STATE", "none", "R-LEN-018")
    if told[-1].body.valid & p.LensField.FOCUS:
        s.expect(abs(told[-1].body.focus - near) <= 10, f"{near}", f"{told[-1].body.focus}", "R-LEN-018")


@scenario(
    "LEN/OWNER/BI-button", "R-LEN-006",
    given="a module with a shutter button in READY", when="CONTROL_OWNER gives the button to the phone",
    then="it answers READ_ONLY: no motor is behind it", needs="CONTROLS", operations=("button",),
)  # fmt: skip
def owning_a_button(s: Session) -> None:
    contract(s)
    pressed = s.attempt(OperationTag.BUTTON, p.ButtonOperation()).result == p.Outcome.DONE
    if not pressed or s.take(_of_the_shutter, 50 * MS) is None:
        raise Inapplicable("It has no shutter button.")
    s.expect_status(own(s, ControlId.SHUTTER, OwnerPolicy.RING_WINS), Status.READ_ONLY)


def _of_the_shutter(heard: Heard) -> bool:
    return isinstance(heard.body, p.ControlEvent) and heard.body.control == ControlId.SHUTTER
