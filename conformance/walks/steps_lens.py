"""Steps of walks: the focus and its ring, and time.

Plan: moving the focus · what is told of it · setting it, and sending it home · who has it · time.
"""

from collections.abc import Callable
from typing import Any, Final

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.tester.preambles import greet
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.walks.table import STEPS, Step, ask, do, just, memory
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import MachineId, OperationTag
from opalink.spec.form import MS, SECOND

# ── Moving the focus ─────────────────────────────────────────────────────────────────────────────────


def _focus(where: str, **more: Any) -> Callable[[Session], Any]:
    def move(s: Session) -> Any:
        optics = s.known.record("OPTICS")
        if optics is None:
            raise Inapplicable("It has no record `optics`.")
        far, near = optics.focus_far, optics.focus_near
        target = {"far": far, "near": near, "middle": (far + near) // 2, "beyond": near + 5000}[where]
        return p.FocusMove(mode=p.FocusMode.DIOPTRE, target=target, **more)

    return move


_MOVES: Final = ("reachable", "in_time")
for _goal in ("far", "middle", "near"):
    ask(f"focus.{_goal}", "FOCUS_MOVE", _focus(_goal), *_MOVES, "at_end")
ask("focus.beyond", "FOCUS_MOVE", _focus("beyond"), "reachable")
ask("focus.late", "FOCUS_MOVE", _focus("near", by=1), *_MOVES)


def _begin(where: str, **more: Any) -> Callable[[Session], object]:
    """A movement under way."""

    def begin(s: Session) -> None:
        memory(s)["moving"] = s.request(_focus(where, **more)(s))

    return begin


for _name, _begins, _lasts in (
    ("begin", _begin("near"), ()),
    ("back", _begin("far"), ()),
    ("slow", _begin("near", speed=100), ("FOCUS.MOVING",)),
):
    STEPS[f"focus.{_name}"] = Step(does=_begins, packet="FOCUS_MOVE", settles=(*_MOVES, *_lasts))


def _cancelled(s: Session) -> Any:
    if "moving" not in memory(s):
        raise Inapplicable("Nothing moves.")
    return p.Cancel(txn=memory(s)["moving"].txn)


ask("focus.late_beyond", "FOCUS_MOVE", _focus("beyond", by=1), *_MOVES)
ask("focus.cancel", "CANCEL", _cancelled)

# ── What is told of it ───────────────────────────────────────────────────────────────────────────────


def _answered(s: Session) -> str:
    """The movement that was begun has its answer, or gets it."""
    if "moving" not in memory(s):
        raise Inapplicable("Nothing moves.")
    heard = s.answer(memory(s)["moving"])
    return Status(heard.status).name if heard is not None else "none"


do("focus.answered", _answered)


def _where(s: Session) -> int:
    """What FOCUS_POSITION is."""
    heard = s.ask(p.PropGet(wanted=(p.PropertyId(p.PropertyTag.FOCUS_POSITION),)))
    if heard.status != Status.OK:
        raise Inapplicable(f"PROP_GET was answered {heard.status!r}.")
    return int(heard.body.properties[0].value)


def _told(s: Session, owner: int | None = None) -> None:
    """What FOCUS_STATE said last is so."""
    s.let(150 * MS)
    now, said = s.state(MachineId.FOCUS), s.heard(p.FocusState)
    last = said[-1].body if said else None
    told = s.state_name(MachineId.FOCUS, int(last.state)) if last else "nothing"
    s.expect(told == now, f"FOCUS_STATE {now}", told, "R-LEN-010")
    if last is not None and owner is not None:
        s.expect(last.owner == owner, f"FOCUS_STATE with the owner {owner!r}", f"{last.owner!r}", "R-LEN-010")
    if last is not None and now in ("SETTLED", "LIMIT", "RING_OVERRIDE"):
        s.expect(last.position == _where(s), f"FOCUS_STATE with the position {_where(s)}", f"{last.position}")


do("focus.told", _told)
do("focus.told.phone", lambda s: _told(s, p.Owner.PHONE))
do("focus.told.user", lambda s: _told(s, p.Owner.USER))


def _is_far(s: Session) -> None:
    optics = s.known.record("OPTICS")
    if optics is None:
        raise Inapplicable("It has no record `optics`.")
    s.expect(_where(s) == optics.focus_far, f"the focus at {optics.focus_far}", f"at {_where(s)}")


def _told_moving(s: Session) -> None:
    s.let(150 * MS)
    said = [h.body.state for h in s.heard(p.FocusState)]
    s.expect(p.FocusActivity.MOVING in said, "FOCUS_STATE MOVING", f"{said}", "R-LEN-010")


def _stands(s: Session) -> None:
    """The focus stays where it is."""
    before = _where(s)
    s.let(100 * MS)
    s.expect(_where(s) == before, f"the focus at {before}", f"at {_where(s)}")


do("focus.is_far", _is_far)
do("focus.told.moving", _told_moving)
do("focus.stands", _stands)

# ── Setting it, and sending it home ──────────────────────────────────────────────────────────────────


def _position(s: Session, *, near: bool = False) -> Any:
    """The middle of what the focus can be set to, or its near end."""
    known = s.known.properties.get(p.PropertyTag.FOCUS_POSITION)
    if known is None:
        raise Inapplicable("Its focus cannot be set.")
    place = known.maximum if near else (known.minimum + known.maximum) // 2
    return p.PropSet(settings=(Tlv(p.PropertyTag.FOCUS_POSITION, place),))


ask("focus.set", "PROP_SET", _position)
ask("focus.set.near", "PROP_SET", lambda s: _position(s, near=True))
_HOME: Final = p.PropSet(settings=(Tlv(p.PropertyTag.MOTOR_HOME, p.Motor.FOCUS),))
ask("focus.home", "PROP_SET", just(_HOME))


def _homed(s: Session) -> str:
    """The motor is sent home, and has got there."""
    heard = s.ask(_HOME)
    s.reaches(MachineId.FOCUS, "LIMIT", "SETTLED", "FAULT")
    if s.state(MachineId.FOCUS) != "FAULT":
        _is_far(s)
    return Status(heard.status).name


STEPS["focus.homed"] = Step(does=_homed, packet="PROP_SET", settles=("at_end",))

# ── Who has it ───────────────────────────────────────────────────────────────────────────────────────


def _owned(owner: p.Owner, policy: p.OwnerPolicy) -> Callable[[Session], Any]:
    """Somebody is to have the focus, under a policy."""

    def give(s: Session) -> p.ControlOwner:
        record, control = s.known.record("RINGS"), p.ControlId.FOCUS_RING
        if record is None or control not in {r.control for r in record.rings}:
            raise Inapplicable("It has no focus ring.")
        return p.ControlOwner(control=control, owner=owner, policy=policy, hold=300)

    return give


for _policy in p.OwnerPolicy:
    for _owner in p.Owner:
        ask(f"owner.{_owner.name.lower()}.{_policy.name.lower()}", "CONTROL_OWNER", _owned(_owner, _policy))


def _turn(s: Session, delta: int = 20) -> None:
    s.operate(OperationTag.RING, p.RingOperation(control=p.ControlId.FOCUS_RING, delta=delta))


def _turn_out(s: Session) -> None:
    """The ring is turned until the focus stands at an end of its range, as its position says."""
    _turn(s, -0x7FFF)
    known = s.known.properties.get(p.PropertyTag.FOCUS_POSITION)
    if known is None or _where(s) not in (known.minimum, known.maximum):
        raise Inapplicable("Its ring does not turn so far.")


do("ring", _turn, "ring")
do("ring.end", _turn_out, "ring", "at_end")

# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────

do("time.unanswered", lambda s: s.phone.mute.add(p.TimeSync))
do("time.answered", lambda s: s.phone.mute.discard(p.TimeSync))
do("time.locked", lambda s: s.take(p.TimeStatus, SECOND))


def _timeless(s: Session) -> None:
    """A new session in which nobody tells the time."""
    greet(s)
    s.phone.mute.add(p.TimeSync)


def _timed(s: Session) -> None:
    if s.take(lambda h: isinstance(h.body, p.TimeStatus) and h.body.state == p.TimeState.LOCKED, EVENTUALLY) is None:
        raise Inapplicable("Its time is never locked.")


STEPS["time.never"] = Step(does=_timeless, packet="HELLO", settles=("time_known",))
do("time.known", _timed, "", "time_known")
ask("trigger.past", "TRIGGER_AT", just(p.TriggerAt(fire=1)))
ask("trigger.ahead", "TRIGGER_AT", lambda s: p.TriggerAt(fire=s.now + SECOND))
ask("trigger.plan", "TRIGGER_AT", lambda s: p.TriggerAt(fire=s.now + SECOND, action=p.TriggerAction.PLAN, plan=250))
