"""Steps of walks: capture, lens, time, and what happens outside.

Plan: capture · lens and time · what happens outside.
"""

from collections.abc import Callable
from typing import Any

from msgspec import structs

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.tester.preambles import setup
from opalink.conformance.tester.session import Session
from opalink.conformance.walks.table import STEPS, Step, ask, do, just, memory
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import Lane, OperationTag
from opalink.spec.form import MS, SECOND

# ── Capture ──────────────────────────────────────────────────────────────────────────────────────────


def _configured(s: Session, **more: Any) -> Any:
    return p.StreamConfigure(streams=(setup(s),), **more)


ask("configure", "STREAM_CONFIGURE", _configured)
ask("configure.test", "STREAM_CONFIGURE", lambda s: _configured(s, test_only=1))
ask("configure.none", "STREAM_CONFIGURE", just(p.StreamConfigure()))
ask("configure.two", "STREAM_CONFIGURE", lambda s: p.StreamConfigure(streams=(setup(s), setup(s))))
ask(
    "configure.unknown",
    "STREAM_CONFIGURE",
    lambda s: p.StreamConfigure(streams=(structs.replace(setup(s), mode=0xFE),)),
)
for _stream_op in p.StreamOp:
    for _mask in (1, 2, 3):
        ask(
            f"stream.{_stream_op.name.lower()}.{_mask}",
            "STREAM_CONTROL",
            just(p.StreamControl(op=_stream_op, mask=_mask)),
        )
ask("stream.unknown", "STREAM_CONTROL", just(p.StreamControl(mask=8)))
for _mask in (1, 2):
    ask(f"flush.{_mask}", "FLUSH", just(p.Flush(mask=_mask)))
ask("flush.unknown", "FLUSH", just(p.Flush(mask=8)))


def _queued(s: Session, **more: Any) -> Any:
    memory(s)["queued"] = memory(s).get("queued", 0) + 1
    return p.CaptureQueue(**{"request": memory(s)["queued"], "frames": 1, **more})


ask("queue", "CAPTURE_QUEUE", _queued)
ask("queue.unknown", "CAPTURE_QUEUE", lambda s: _queued(s, mask=8))
ask("queue.plan", "CAPTURE_QUEUE", lambda s: _queued(s, plan=250))
ask("queue.old", "CAPTURE_QUEUE", lambda s: _queued(s, request=1))
ask("queue.late", "CAPTURE_QUEUE", lambda s: _queued(s, deadline=1))


def _set(s: Session, readable: bool) -> tuple[Tlv, ...]:
    """A setting of a property that is read-only, or one that is out of its range."""
    for tag, d in s.known.properties.items():
        writable = bool(int(d.access) & int(p.PropertyAccess.WRITE))
        if readable and not writable:
            return (Tlv(p.PropertyTag(tag), d.minimum),)
        if not readable and writable and tag == p.PropertyTag.EXPOSURE:
            return (Tlv(p.PropertyTag(tag), d.maximum + 1),)
    raise Inapplicable("It has no such property.")


ask("queue.read_only", "CAPTURE_QUEUE", lambda s: _queued(s, settings=_set(s, True)))
ask("queue.beyond", "CAPTURE_QUEUE", lambda s: _queued(s, settings=_set(s, False)))


def _crowd(s: Session) -> None:
    """As many requests as it takes for one of them to find no room."""
    for _ in range(40):
        if s.ask(_queued(s, frames=60)).status != Status.OK:
            return


STEPS["queue.crowd"] = Step(does=_crowd, packet="CAPTURE_QUEUE")

# ── Lens and time ────────────────────────────────────────────────────────────────────────────────────


def _focus(where: str, **more: Any) -> Callable[[Session], Any]:
    def move(s: Session) -> Any:
        optics = s.known.record("OPTICS")
        if optics is None:
            raise Inapplicable("It has no record `optics`.")
        target = {"far": optics.focus_far, "near": optics.focus_near, "beyond": optics.focus_near + 5000}[where]
        return p.FocusMove(mode=p.FocusMode.DIOPTRE, target=target, **more)

    return move


for _where in ("far", "near", "beyond"):
    ask(f"focus.{_where}", "FOCUS_MOVE", _focus(_where))
ask("focus.late", "FOCUS_MOVE", _focus("near", by=1))
STEPS["focus.begin"] = Step(does=lambda s: s.request(_focus("near")(s)), packet="FOCUS_MOVE")
STEPS["focus.back"] = Step(does=lambda s: s.request(_focus("far")(s)), packet="FOCUS_MOVE")
for _policy in p.OwnerPolicy:
    for _owner in p.Owner:
        ask(
            f"owner.{_owner.name.lower()}.{_policy.name.lower()}",
            "CONTROL_OWNER",
            just(p.ControlOwner(control=p.ControlId.FOCUS_RING, owner=_owner, policy=_policy, hold=300)),
        )
do("time.unanswered", lambda s: s.phone.mute.add(p.TimeSync))
do("time.answered", lambda s: s.phone.mute.discard(p.TimeSync))
do("time.locked", lambda s: s.take(p.TimeStatus, SECOND))
ask("trigger.past", "TRIGGER_AT", just(p.TriggerAt(fire=1)))
ask("trigger.ahead", "TRIGGER_AT", lambda s: p.TriggerAt(fire=s.now + SECOND))
ask("trigger.plan", "TRIGGER_AT", lambda s: p.TriggerAt(fire=s.now + SECOND, action=p.TriggerAction.PLAN, plan=250))

# ── What happens outside ─────────────────────────────────────────────────────────────────────────────


def _laser(tag: OperationTag, body: type) -> Callable[[Session], object]:
    return lambda s: s.operate(tag, body(lane=Lane.LASER))


def _condition(status: Status, present: int) -> Callable[[Session], object]:
    body = p.ConditionOperation(status=p.Condition(int(status)), present=present)
    return lambda s: s.operate(OperationTag.CONDITION, body)


def _turn(s: Session) -> None:
    s.operate(OperationTag.RING, p.RingOperation(control=p.ControlId.FOCUS_RING, delta=20))


def _temperature(tenths: int) -> Callable[[Session], object]:
    return lambda s: s.operate(OperationTag.TEMPERATURE, p.TemperatureOperation(sensor=0, temperature=tenths))


def _wait(time: int) -> Callable[[Session], object]:
    return lambda s: s.let(time)


do("attach", lambda s: s.operate(OperationTag.ATTACH, p.AttachOperation()), "attach")
do("detach", lambda s: s.operate(OperationTag.DETACH, p.DetachOperation()), "detach")
do("dark", _laser(OperationTag.LANE_DOWN, p.LaneDownOperation), "lane_down")
do("light", _laser(OperationTag.LANE_UP, p.LaneUpOperation), "lane_up")
do("ring", _turn, "ring")
do("hot", _temperature(1200), "temperature")
do("cool", _temperature(250), "temperature")
for _status in (
    Status.LASER_INTERLOCK,
    Status.MOTOR_BLOCKED,
    Status.OVERCURRENT,
    Status.MOISTURE,
    Status.LINK_DEGRADED,
    Status.CREDIT_VIOLATION,
    Status.FRAME_DROPPED,
):
    do(f"condition.{_status.name.lower()}", _condition(_status, 1), "condition")
    do(f"condition.{_status.name.lower()}.over", _condition(_status, 0), "condition")
for _ms in (1, 6, 8, 22, 30, 110, 300, 700, 1100, 2200):
    do(f"wait.{_ms}", _wait(_ms * MS))
