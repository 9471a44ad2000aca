"""Scenarios of management: the stack, state, long requests, seat, vendor, properties that change by themselves.

Plan: the stack · state · cancelling · busy · seat · vendor · changes.
"""

import hashlib

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.properties import get, put
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import lose, ready, resume
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.wiring.probe import object_bytes
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import DescriptorObject, MachineId, OperationTag, PropertyTag
from opalink.spec.form import MS, SECOND, Role

# ── The stack ────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/STACK/BV-change", "R-MGT-017", "R-MGT-015", "R-PROP-005",
    given="a module in READY that sees a stack", when="an element is put on and taken off",
    then="it sends STACK_REPORT each time, and DESC_CHANGED where its descriptor is another", needs="STACK",
    operations=("stack",),
)  # fmt: skip
def stack_changes_are_reported(s: Session) -> None:
    ready(s)
    s.need(s.take(p.StackReport, EVENTUALLY) is not None, "STACK_REPORT did not come when the session began.")
    before = hashlib.sha256(object_bytes(s, DescriptorObject.DESCRIPTOR)).digest()
    for elements in (1, 0):
        s.clear()
        begun = s.now
        s.operate(OperationTag.STACK, p.StackOperation(elements=elements))
        heard = s.take(lambda h: _reports(h, elements), EVENTUALLY)  # noqa: B023  called before the next round
        if heard is None:
            s.fail(f"STACK_REPORT with {elements} elements", "none", "R-MGT-017")
        s.waited(heard.time - begun, s.timer("tReport"), "STACK_REPORT", "R-MGT-017")
        after = hashlib.sha256(object_bytes(s, DescriptorObject.DESCRIPTOR)).digest()
        same = after == before
        s.expect(same or s.take(p.DescChanged, EVENTUALLY) is not None, "DESC_CHANGED", "none", "R-MGT-015")
        before = after


@scenario(
    "MGT/STACK/BV-resumed", "R-MGT-016",
    given="a module that sees a stack and whose link was lost", when="HELLO resumes the session",
    then="it sends STACK_REPORT", needs="STACK", operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def a_resumed_session_begins_with_the_stack(s: Session) -> None:
    ready(s)
    s.need(s.take(p.StackReport, EVENTUALLY) is not None, "STACK_REPORT did not come when the session began.")
    lose(s)
    s.clear()
    resume(s)
    begun = s.now
    heard = s.take(p.StackReport, EVENTUALLY)
    if heard is None:
        s.fail("STACK_REPORT", "none", "R-MGT-016")
    s.waited(heard.time - begun, s.timer("tReport"), "STACK_REPORT", "R-MGT-016")


def _reports(heard: Heard, elements: int) -> bool:
    return isinstance(heard.body, p.StackReport) and len(heard.body.elements) == elements


# ── State ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/STATE_GET/CA-machines", "R-MGT-041", "R-MGT-042",
    given="a module in READY", when="its state is read",
    then="each of its machines is there once, in a state that the machine has",
)  # fmt: skip
def each_machine_once(s: Session) -> None:
    ready(s)
    body = s.asks(p.StateGet())
    found = [m.machine for m in body.machines]
    s.expect(len(found) == len(set(found)), "each machine once", f"{found}", "R-MGT-041")
    s.expect(MachineId.ATTACH in found, "the attach machine", f"{found}", "R-MGT-041")
    sizes = {m.name: len(m.states) for m in s.catalogue.machines if m.role is Role.MODULE}
    for m in body.machines:
        size = sizes.get(getattr(m.machine, "name", ""), 256)
        s.expect(m.state < size, f"a state below {size} of {m.machine!r}", f"{m.state}", "R-MGT-042")


@scenario(
    "MGT/STATE_GET/BV-entered", "R-MGT-043",
    given="a module in READY", when="its state is read three times, with time between",
    then="`entered` changes for no machine that stays in its state",
)  # fmt: skip
def entered_stays(s: Session) -> None:
    ready(s)
    last = s.states()
    for _ in range(3):
        s.let(30 * MS)
        now = s.states()
        for machine, (state, entered) in now.items():
            was = last.get(machine)
            same = was is None or was[0] != state or was[1] == entered
            s.expect(same, f"`entered` {was} of machine {machine}", f"{entered}")
        last = now


@scenario(
    "MGT/STATE_GET/BV-open", "R-MGT-044", "R-MGT-030", "R-MGT-032",
    given="a module in READY with a focus motor", when="a request takes long and the state is read meanwhile",
    then="the request is listed as open", needs="FOCUS_MOTOR",
)  # fmt: skip
def open_requests_are_listed(s: Session) -> None:
    ready(s)
    asked = s.request(_slow_move(s))
    body = s.asks(p.StateGet())
    open_now = [t.txn for t in body.open]
    if not asked.answers:
        s.expect(asked.txn in open_now, f"{asked.txn} among the open requests", f"{open_now}", "R-MGT-044")
    answered = s.answer(asked)
    s.expect(answered is not None or not asked.pending, "an answer after PENDING", "none", "R-MGT-032")
    body = s.asks(p.StateGet())
    left = [t.txn for t in body.open]
    s.expect(answered is None or asked.txn not in left, "no open request", "the one that was answered", "R-MGT-044")


def _slow_move(s: Session) -> p.FocusMove:
    """A focus move that takes a while: to the near end, slowly."""
    optics = s.record("OPTICS")
    near = optics.focus_near if optics else 1000
    return p.FocusMove(mode=p.FocusMode.DIOPTRE, target=near, speed=2000, settle=1)


# ── Cancelling ───────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/CANCEL/BV-late", "R-MGT-034",
    given="a module in READY", when="CANCEL names a transaction that is not open", then="it answers LATE",
)  # fmt: skip
def cancel_of_nothing(s: Session) -> None:
    ready(s)
    s.expect_status(s.ask(p.Cancel(txn=s.txn ^ 0x5555 or 1)), Status.LATE)


@scenario(
    "MGT/CANCEL/BV-cancelled", "R-MGT-033", "R-MGT-031",
    given="a module in READY with a focus motor", when="CANCEL names a move that is under way",
    then="it answers CANCEL with OK and the move with CANCELLED", needs="FOCUS_MOTOR",
)  # fmt: skip
def cancel_of_a_move(s: Session) -> None:
    ready(s)
    asked = s.request(_slow_move(s))
    s.let(5 * MS)
    if asked.answers:
        s.need(False, "The move was over before it could be cancelled.")
    heard = s.ask(p.Cancel(txn=asked.txn))
    s.expect_status(heard, Status.OK)
    moved = s.take(lambda h: h.asked is asked, s.timer("tResponse"))
    if moved is None:
        s.fail("an answer to the move", "none within tResponse", "R-MGT-033")
    ended = moved.status == Status.CANCELLED
    s.expect(ended, "status CANCELLED", f"status {moved.status}", "R-MGT-033")


# ── Busy ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/READY/BV-after_busy", "R-MGT-035",
    given="a module in READY that answered BUSY", when="what made it busy ends", then="it sends READY",
    operations=("condition",), premise="BUSY",
)  # fmt: skip
def ready_after_busy(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.BUSY, present=1))
    heard = s.ask(p.DescRead(length=16))
    s.expect_status(heard, Status.BUSY)
    s.clear()
    begun = s.now
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.BUSY, present=0))
    s.reports(p.Ready, "READY", begun)
    s.asks(p.DescRead(length=16))


# ── Seat ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/SEAT/BV-quality", "R-MGT-047",
    given="a module with a laser in READY that sits well", when="it is put on again, worse by 30 %",
    then="SEAT_STATUS says so", needs="LASER", operations=("attach",),
)  # fmt: skip
def a_worse_seat_is_reported(s: Session) -> None:
    ready(s)
    first = s.take(p.SeatStatus, EVENTUALLY)
    s.clear()
    begun = s.now
    s.operate(OperationTag.ATTACH, p.AttachOperation(quality=70))
    if first is None:
        s.fail("SEAT_STATUS before", "none")
    found = s.take(
        lambda h: isinstance(h.body, p.SeatStatus) and abs(first.body.quality - h.body.quality) >= 10, EVENTUALLY
    )
    if found is None:
        s.fail(f"SEAT_STATUS with a quality 10 or more from {first.body.quality}", "none")
    s.waited(found.time - begun, s.timer("tReport"), "SEAT_STATUS")


# ── Vendor ───────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/VENDOR/BI-unknown", "R-MGT-045",
    given="a module in READY with packets of its vendor", when="VENDOR comes with a vendor that nobody is",
    then="it answers NO_SUCH_ID", needs="VENDOR",
)  # fmt: skip
def vendor_of_nobody(s: Session) -> None:
    ready(s)
    heard = s.ask(p.Vendor(oui=0xFFFFFE, sub=0xFFFF, data=b"?"))
    s.expect_status(heard, Status.NO_SUCH_ID)


# ── Changes ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PROP/BATTERY/BV-level", "R-PROP-004", "R-PROP-003",
    given="a module with a battery in READY", when="its charge falls by 1 % and more",
    then="PROP_CHANGED reports it, and each other state of the battery", needs="BATTERY", operations=("battery",),
)  # fmt: skip
def battery_level_is_reported(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.BATTERY, p.BatteryOperation(level=800))
    s.let(200 * MS)
    for level in (789, 600, 20):
        (before,) = get(s, PropertyTag.BATTERY_STATE)
        s.clear()
        s.operate(OperationTag.BATTERY, p.BatteryOperation(level=level))
        told = s.take(lambda h: _near(h, level), EVENTUALLY)  # noqa: B023  called before the next round
        s.expect(told is not None, f"PROP_CHANGED with a level of {level}, within 10", "none", "R-PROP-004")
        (after,) = get(s, PropertyTag.BATTERY_STATE)
        known = after == before or (told is not None and after in told.body.properties)
        told = None if known else s.take(lambda h: after in _reported(h), EVENTUALLY)  # noqa: B023
        s.expect(known or told is not None, f"PROP_CHANGED with battery_state {after.value}", "none", "R-PROP-003")


def _reported(heard: Heard) -> tuple[Tlv, ...]:
    """The properties that changed, according to a packet."""
    return heard.body.properties if isinstance(heard.body, p.PropChanged) else ()


def _near(heard: Heard, level: int) -> bool:
    """Whether this reports a charge that is less than 1 % from a level."""
    return any(t.tag == PropertyTag.BATTERY_LEVEL and abs(t.value - level) < 10 for t in _reported(heard))


@scenario(
    "MGT/PROP_CHANGED/BV-ring", "R-MGT-029",
    given="a module with controls in READY whose ring changes a property", when="the ring turns",
    then="PROP_CHANGED reports the property", needs="CONTROLS", operations=("ring",),
)  # fmt: skip
def a_ring_changes_a_property(s: Session) -> None:
    ready(s)
    record = s.record("RINGS")
    if record is None or not record.rings:
        raise Inapplicable("It has no rings.")
    turned = {
        p.ControlId.FOCUS_RING: PropertyTag.FOCUS_POSITION,
        p.ControlId.APERTURE_RING: PropertyTag.APERTURE,
        p.ControlId.ND_RING: PropertyTag.NEUTRAL_DENSITY,
        p.ControlId.ZOOM_RING: PropertyTag.FOCAL_LENGTH,
    }
    rings = [r for r in record.rings if turned.get(p.ControlId(r.control)) in s.known.properties]
    if not rings:
        raise Inapplicable("None of its rings changes a property.")
    ring = rings[0]
    s.let(50 * MS)
    s.clear()
    s.operate(OperationTag.RING, p.RingOperation(control=ring.control, delta=ring.counts // 8 or 1))
    heard = s.take(lambda h: isinstance(h.body, p.PropChanged) and h.body.cause == p.ChangeCause.USER, EVENTUALLY)
    s.expect(heard is not None, "PROP_CHANGED by the user", "none")


@scenario(
    "PROP/CLOCK/BV-detached", "R-PROP-006",
    given="a module with a battery and a clock", when="it is detached for a while", then="its clock runs on",
    needs="WALL_CLOCK BATTERY", operations=("attach", "detach"),
)  # fmt: skip
def the_clock_runs_while_detached(s: Session) -> None:
    ready(s)
    moment = 1_700_000_000 * SECOND
    put(s, (PropertyTag.WALL_CLOCK, moment))
    set_at = s.now
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.let(20 * SECOND)
    ready(s)
    (tlv,) = get(s, PropertyTag.WALL_CLOCK)
    passed, told = s.now - set_at, tlv.value - moment
    s.expect(abs(passed - told) < SECOND // 10, f"{passed} ns later", f"{told} ns later")
