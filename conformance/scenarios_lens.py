"""Scenarios of the lens and of the user's hand: moves, refusals, rings, who owns a motor.

Plan: helpers · focus · aperture, density, zoom · rings and ownership · what is reported.
"""

from opalink.conformance.monitors import Heard
from opalink.conformance.preambles import configured, contract, streaming
from opalink.conformance.scenarios import scenario
from opalink.conformance.session import Inapplicable, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import ControlId, FocusMode, OperationTag, OpticKind, Owner, OwnerPolicy, PropertyTag
from opalink.spec.form import MS, SECOND

_FOCUS = "FOCUS_MOTOR"
_MOTORS = "APERTURE_MOTOR|ND_MOTOR|ZOOM_MOTOR"
_MOTOR_OF = {OpticKind.APERTURE: "APERTURE_MOTOR", OpticKind.ND: "ND_MOTOR", OpticKind.ZOOM: "ZOOM_MOTOR"}
_RING_OF = {
    OpticKind.APERTURE: ControlId.APERTURE_RING,
    OpticKind.ND: ControlId.ND_RING,
    OpticKind.ZOOM: ControlId.ZOOM_RING,
}
_PROPERTY_OF = {
    OpticKind.APERTURE: PropertyTag.APERTURE,
    OpticKind.ND: PropertyTag.NEUTRAL_DENSITY,
    OpticKind.ZOOM: PropertyTag.FOCAL_LENGTH,
}

# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────


def _rings(s: Session) -> dict[int, p.ControlRing]:
    record = s.known.record("RINGS")
    return {r.control: r for r in record.rings} if record else {}


def _ring(s: Session, control: ControlId) -> p.ControlRing:
    rings = _rings(s)
    if control not in rings:
        raise Inapplicable(f"It has no {control.name}.")
    return rings[control]


def _turn(s: Session, control: int, delta: int) -> None:
    s.operate(OperationTag.RING, p.RingOperation(control=control, delta=delta))


def _span(s: Session) -> tuple[int, int]:
    """The farthest and the nearest focus, in 0.001 D."""
    record = s.known.record("OPTICS")
    if record is None:
        s.fail("a record `optics`", "none")
    return record.focus_far, record.focus_near


def _move(target: int, *, speed: int = 0, by: int = 0, settle: int = 0) -> p.FocusMove:
    return p.FocusMove(mode=FocusMode.DIOPTRE, target=target, speed=speed, by=by, settle=settle)


def _motors(s: Session) -> list[OpticKind]:
    return [k for k, motor in _MOTOR_OF.items() if motor in s.known.features]


def _own(s: Session, control: int, policy: OwnerPolicy, hold: int = 300, owner: Owner = Owner.PHONE) -> Heard:
    return s.ask(p.ControlOwner(control=control, owner=owner, policy=policy, hold=hold))


def _motorised(s: Session) -> int:
    """A ring whose part has a motor."""
    motors = {ControlId.FOCUS_RING: _FOCUS} | {_RING_OF[k]: m for k, m in _MOTOR_OF.items()}
    for control in _rings(s):
        if motors.get(ControlId(control), "") in s.known.features:
            return control
    raise Inapplicable("It has no ring whose part has a motor.")


def _driven(s: Session, control: int) -> object:
    """A request that moves the part of a ring."""
    if control == ControlId.FOCUS_RING:
        far, near = _span(s)
        return _move((far + near) // 2)
    kind = next(k for k, c in _RING_OF.items() if c == control)
    d = s.described(_PROPERTY_OF[kind])
    return p.OpticSet(kind=kind, target=d.maximum)


# ── Focus ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/FOCUS/BV-move", "R-LEN-009", "R-LEN-010", "R-LEN-018",
    given="a module with a focus motor in READY", when="FOCUS_MOVE with `settle` sends it to both ends",
    then="it answers when it has settled there, and reports what it does on the way", needs=_FOCUS,
)  # fmt: skip
def focus_goes_to_both_ends(s: Session) -> None:
    contract(s)
    far, near = _span(s)
    for target in (near, far, (far + near) // 2):
        s.clear()
        heard = s.ask(_move(target, settle=1))
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
    then="it answers RANGE_LIMIT", needs=_FOCUS,
)  # fmt: skip
def focus_beyond_the_ends(s: Session) -> None:
    contract(s)
    far, near = _span(s)
    for target in (far - 100, near + 100, 0x7FFF_FFFF, -0x8000_0000):
        s.expect_status(s.ask(_move(target)), Status.RANGE_LIMIT)


@scenario(
    "LEN/FOCUS/BI-too_soon", "R-LEN-008",
    given="a module with a focus motor in READY", when="FOCUS_MOVE is to be done within a microsecond, or long ago",
    then="it answers LATE", needs=_FOCUS,
)  # fmt: skip
def focus_that_cannot_be_in_time(s: Session) -> None:
    contract(s)
    s.let(200 * MS)
    far, near = _span(s)
    s.expect_status(s.ask(_move(near, by=s.now + 1000)), Status.LATE)
    s.expect_status(s.ask(_move(far, by=1)), Status.LATE)


@scenario(
    "LEN/FOCUS/BO-replaced", "R-LEN-024",
    given="a module whose focus is on its way", when="another FOCUS_MOVE comes",
    then="it answers the first with CANCELLED and carries out the second", needs=_FOCUS,
)  # fmt: skip
def one_move_replaces_another(s: Session) -> None:
    contract(s)
    far, near = _span(s)
    first = s.request(_move(near, speed=2000))
    s.let(5 * MS)
    heard = s.ask(_move(far, settle=1))
    s.expect_status(heard, Status.OK)
    replaced = s.take(lambda h: h.asked is first, 60 * MS)
    if replaced is None:
        s.fail("an answer to the first", "none")
    s.expect_status(replaced, Status.CANCELLED)


@scenario(
    "LEN/FOCUS/BI-blocked", "R-LEN-025",
    given="a module whose focus motor is blocked", when="FOCUS_MOVE comes", then="it answers MOTOR_BLOCKED",
    needs=_FOCUS, operations=("condition",),
)  # fmt: skip
def a_blocked_focus(s: Session) -> None:
    contract(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOTOR_BLOCKED, present=1))
    _, near = _span(s)
    s.expect_status(s.ask(_move(near)), Status.MOTOR_BLOCKED)
    s.alive()


@scenario(
    "LEN/FOCUS/BO-ring", "R-LEN-023", "R-LEN-002",
    given="a module whose focus is on its way", when="the user turns the ring",
    then="it answers the move with RING_OWNED",
    needs="FOCUS_MOTOR CONTROLS", operations=("ring",),
)  # fmt: skip
def the_ring_takes_the_focus(s: Session) -> None:
    contract(s)
    _ring(s, ControlId.FOCUS_RING)
    s.expect_status(_own(s, ControlId.FOCUS_RING, OwnerPolicy.RING_WINS), Status.OK)
    _, near = _span(s)
    asked = s.request(_move(near, speed=2000))
    s.let(20 * MS)
    _turn(s, ControlId.FOCUS_RING, 5)
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
    for kind in _motors(s):
        d = s.described(_PROPERTY_OF[kind])
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
    for kind in _motors(s):
        d = s.described(_PROPERTY_OF[kind])
        for target in (d.minimum - 1, d.maximum + 1, 0x7FFF_FFFF, -0x8000_0000):
            s.expect_status(s.ask(p.OpticSet(kind=kind, target=target)), Status.RANGE_LIMIT)


@scenario(
    "LEN/OPTIC/BV-between", "R-LEN-016",
    given="a module whose part has positions in steps", when="OPTIC_SET names a place between two of them",
    then="it answers ADJUSTED and where it stands", needs=_MOTORS,
)  # fmt: skip
def optics_between_positions(s: Session) -> None:
    contract(s)
    stepped = [k for k in _motors(s) if s.described(_PROPERTY_OF[k]).step > 1]
    if not stepped:
        raise Inapplicable("None of its parts has positions in steps of more than one.")
    for kind in stepped:
        d = s.described(_PROPERTY_OF[kind])
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
    for kind in set(OpticKind) - set(_motors(s)):
        by_hand = _RING_OF[kind] in _rings(s) or _PROPERTY_OF[kind] in s.known.properties
        wanted = (Status.READ_ONLY,) if by_hand else (Status.NO_SUCH_ID, Status.READ_ONLY)
        heard = s.ask(p.OpticSet(kind=kind, target=1000))
        s.expect_status(heard, *wanted)


@scenario(
    "LEN/OPTIC/BI-blocked", "R-LEN-026",
    given="a module whose motors are blocked", when="OPTIC_SET comes", then="it answers MOTOR_BLOCKED",
    needs=_MOTORS, operations=("condition",),
)  # fmt: skip
def blocked_optics(s: Session) -> None:
    contract(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOTOR_BLOCKED, present=1))
    for kind in _motors(s):
        d = s.described(_PROPERTY_OF[kind])
        target = d.maximum if d.initial != d.maximum else d.minimum
        s.expect_status(s.ask(p.OpticSet(kind=kind, target=target)), Status.MOTOR_BLOCKED)


@scenario(
    "LEN/OPTIC/BV-between_frames", "R-LEN-017",
    given="a module that streams", when="OPTIC_SET is to move between frames",
    then="no frame has a value between the old one and the new one", needs="VIDEO APERTURE_MOTOR",
)  # fmt: skip
def optics_move_between_frames(s: Session) -> None:
    streaming(s)
    s.need(s.take(p.FrameTrailer, 3 * SECOND) is not None, "No frame came.")
    d = s.described(PropertyTag.APERTURE)
    s.clear()
    ask = p.OpticSet(kind=OpticKind.APERTURE, target=d.maximum, timing=p.OpticTiming.BETWEEN_FRAMES)
    heard = s.ask(ask)
    s.expect_status(heard, Status.OK, Status.ADJUSTED)
    s.let(SECOND // 5)
    seen = {t.value for h in s.heard(p.FrameLeader) for t in h.body.settings if t.tag == PropertyTag.APERTURE}
    s.expect(seen <= {d.initial, heard.body.reached}, f"{d.initial} or {heard.body.reached}", f"{sorted(seen)}")


# ── Rings and ownership ──────────────────────────────────────────────────────────────────────────────


@scenario(
    "LEN/RING/BV-every_turn", "R-LEN-021", "R-LEN-020", "R-LEN-022",
    given="a module with a ring in READY", when="it is turned under each policy",
    then="CONTROL_EVENT reports every turn, within 10 ms", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def every_turn_is_reported(s: Session) -> None:
    contract(s)
    rings = _rings(s)
    if not rings:
        raise Inapplicable("It has no rings.")
    for control in rings:
        for policy in OwnerPolicy:
            _own(s, control, policy)
            for delta in (3, -2, 7):
                s.clear()
                begun = s.now
                _turn(s, control, delta)
                heard = s.take(lambda h: isinstance(h.body, p.ControlEvent), 50 * MS)
                if heard is None:
                    s.fail(f"CONTROL_EVENT of {delta} counts under {policy.name}", "none within 50 ms", "R-LEN-021")
                turned = heard.body.control == control and heard.body.delta == delta
                s.expect(turned, f"{delta} counts of control {control}", f"{heard.body.delta}", "R-LEN-021")
                prompt = heard.time - begun <= 10 * MS + s.monitor.slack
                s.expect(prompt, "within 10 ms", f"{heard.time - begun} ns", "R-LEN-022")


@scenario(
    "LEN/BUTTON/BV-reported", "R-LEN-022",
    given="a module with a button in READY", when="it is pressed and let go", then="CONTROL_EVENT reports both",
    needs="CONTROLS", operations=("button",),
)  # fmt: skip
def a_button_is_reported(s: Session) -> None:
    contract(s)
    if s.attempt(OperationTag.BUTTON, p.ButtonOperation()).result != p.Outcome.DONE:
        raise Inapplicable("It has no shutter button.")
    heard = s.take(p.ControlEvent, 50 * MS)
    if heard is None:
        s.fail("CONTROL_EVENT", "none within 50 ms")
    s.expect(heard.body.control == ControlId.SHUTTER, "SHUTTER", f"{heard.body.control!r}")


@scenario(
    "LEN/OWNER/BV-ring_wins", "R-LEN-001", "R-LEN-002", "R-LEN-003",
    given="a module whose ring wins and holds for 300 ms", when="the user turns it",
    then="the phone's moves are answered RING_OWNED until it has rested for that time, and then carried out",
    needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def the_ring_wins(s: Session) -> None:
    contract(s)
    control = _motorised(s)
    s.expect_status(_own(s, control, OwnerPolicy.RING_WINS, 300), Status.OK)
    _turn(s, control, 1)
    turned = s.now
    s.expect_status(s.ask(_driven(s, control)), Status.RING_OWNED)
    s.let(turned + 290 * MS - s.now)
    s.expect_status(s.ask(_driven(s, control)), Status.RING_OWNED)
    s.let(turned + 310 * MS - s.now)
    heard = s.ask(_driven(s, control))
    s.expect(heard.status in (Status.OK, Status.ADJUSTED), "OK", f"{heard.status!r}", "R-LEN-003")


@scenario(
    "LEN/OWNER/BV-last_wins", "R-LEN-004", "R-LEN-002",
    given="a module whose control belongs to who spoke last", when="the user turns the ring and the phone moves it",
    then="the phone has it back at once", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def the_last_wins(s: Session) -> None:
    contract(s)
    control = _motorised(s)
    s.expect_status(_own(s, control, OwnerPolicy.LAST_WINS), Status.OK)
    _turn(s, control, 1)
    s.let(2 * MS)
    heard = s.ask(_driven(s, control))
    s.expect(heard.status in (Status.OK, Status.ADJUSTED), "OK", f"{heard.status!r}")


@scenario(
    "LEN/OWNER/BV-phone_locks", "R-LEN-021", "R-LEN-002",
    given="a module whose control the phone has locked", when="the user turns the ring",
    then="the turn is reported, and the phone's moves are carried out", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def the_phone_locks(s: Session) -> None:
    contract(s)
    control = _motorised(s)
    s.expect_status(_own(s, control, OwnerPolicy.PHONE_LOCKS), Status.OK)
    s.clear()
    _turn(s, control, 2)
    s.expect(s.take(p.ControlEvent, 50 * MS) is not None, "CONTROL_EVENT", "none within 50 ms", "R-LEN-021")
    heard = s.ask(_driven(s, control))
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
        if control not in _rings(s):
            s.expect_status(_own(s, control, OwnerPolicy.RING_WINS), Status.NO_SUCH_ID)


@scenario(
    "LEN/OWNER/BI-no_motor", "R-LEN-006",
    given="a module with a ring whose part has no motor", when="CONTROL_OWNER gives it to the phone",
    then="it answers READ_ONLY", needs="CONTROLS",
)  # fmt: skip
def owning_what_has_no_motor(s: Session) -> None:
    contract(s)
    motors = {ControlId.FOCUS_RING: _FOCUS} | {_RING_OF[k]: m for k, m in _MOTOR_OF.items()}
    bare = [c for c in _rings(s) if motors.get(ControlId(c), "") not in s.known.features]
    if not bare:
        raise Inapplicable("Each of its rings has a motor.")
    for control in bare:
        s.expect_status(_own(s, control, OwnerPolicy.RING_WINS), Status.READ_ONLY)


@scenario(
    "LEN/OWNER/BV-state", "R-LEN-010",
    given="a module with a focus ring and motor in READY", when="the user takes the focus and leaves it",
    then="FOCUS_STATE reports each change of owner", needs="FOCUS_MOTOR CONTROLS", operations=("ring",),
)  # fmt: skip
def the_owner_is_reported(s: Session) -> None:
    contract(s)
    _ring(s, ControlId.FOCUS_RING)
    s.expect_status(_own(s, ControlId.FOCUS_RING, OwnerPolicy.RING_WINS, 200), Status.OK)
    s.let(MS)
    s.clear()
    _turn(s, ControlId.FOCUS_RING, 4)
    s.let(500 * MS)
    owners = [int(h.body.owner) for h in s.heard(p.FocusState)]
    s.expect(Owner.USER in owners, "USER among the owners reported", f"{owners}")
    s.expect(bool(owners) and owners[-1] == Owner.PHONE, "PHONE at last", f"{owners}")


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
    _, near = _span(s)
    s.expect_status(s.ask(_move(near, settle=1)), Status.OK)
    s.let(100 * MS)
    told = s.heard(p.LensState)
    s.expect(bool(told), "LENS_STATE", "none")
    if told[-1].body.valid & p.LensField.FOCUS:
        s.expect(abs(told[-1].body.focus - near) <= 10, f"{near}", f"{told[-1].body.focus}")
