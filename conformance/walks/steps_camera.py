"""Steps of walks: capture, and what happens outside.

Plan: setting up · control · the queue · frames · what happens outside.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.tester.preambles import quickest, setup
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.walks.table import STEPS, Step, ask, do, just, memory
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import Lane, MachineId, OperationTag
from opalink.spec.form import MS, SECOND, US
from opalink.spec.limits import QUEUED_CAPTURES

# ── Setting up ───────────────────────────────────────────────────────────────────────────────────────


def _configured(s: Session, **more: Any) -> Any:
    return p.StreamConfigure(streams=(setup(s),), **more)


# A mode as it stands in MODE_TABLE is within the module, and without a least rate it fits every link.
_PLAIN: Final = ("within_module", "fits_link")
ask("configure", "STREAM_CONFIGURE", _configured, *_PLAIN)
ask("configure.test", "STREAM_CONFIGURE", lambda s: _configured(s, test_only=1), *_PLAIN)
ask("configure.none", "STREAM_CONFIGURE", just(p.StreamConfigure()), *_PLAIN, "fits_power", "adjusts")
ask("configure.none.test", "STREAM_CONFIGURE", just(p.StreamConfigure(test_only=1)), *_PLAIN, "fits_power", "adjusts")
ask("configure.two", "STREAM_CONFIGURE", lambda s: p.StreamConfigure(streams=(setup(s), setup(s))))


def _unlike(test_only: int, **more: Callable[[p.SensorMode], int]) -> Callable[[Session], Any]:
    """A stream that is other than the plain one of its mode."""

    def ask_for(s: Session) -> p.StreamConfigure:
        changed = {name: value(quickest(s)) for name, value in more.items()}
        return p.StreamConfigure(streams=(structs.replace(setup(s), **changed),), test_only=test_only)

    return ask_for


def _honest(body: Callable[[Session], Any]) -> Callable[[Session], object]:
    """Streams are asked for, and had as they were asked for or said to be adjusted. What is left open, as a width of 0,
    the module may fill in."""

    def judge(s: Session) -> str:
        asked = body(s)
        heard = s.ask(asked)
        if heard.status == Status.ADJUSTED:
            s.expect(heard.body.streams != asked.streams, "streams that were adjusted", "those that were asked for")
        elif heard.status == Status.OK:
            given = [(name, getattr(x, name)) for x in asked.streams for name in _WINDOW if getattr(x, name)]
            had = [(name, getattr(x, name)) for x in heard.body.streams for name in _WINDOW]
            s.expect(set(given) <= set(had), f"OK for {given}", f"OK for {had}")
        return Status(heard.status).name

    return judge


_WINDOW: Final = ("x", "y", "width", "height")
_odd = {"x": lambda _: 1, "y": lambda _: 1, "width": lambda _: 33, "height": lambda _: 31}
for _suffix, _test in (("", 0), (".test", 1)):
    _body = _unlike(_test, mode=lambda _: 0xFE)
    ask(f"configure.unknown{_suffix}", "STREAM_CONFIGURE", _body)
    _body = _unlike(_test, width=lambda m: m.width + 8)
    ask(f"configure.beyond{_suffix}", "STREAM_CONFIGURE", _body, "within_module")
    for _name, _body, _sure in (("odd", _unlike(_test, **_odd), ("fits_link",)), ("exact", _unlike(_test), _PLAIN)):
        STEPS[f"configure.{_name}{_suffix}"] = Step(does=_honest(_body), packet="STREAM_CONFIGURE", settles=_sure)


def _powered(s: Session) -> None:
    """There is power for the mode that asks least of the link."""
    asked = s.heard(p.PwrRequest)
    offered = dict(enumerate(s.phone.offers)).get(asked[-1].body.object) if asked else None
    if offered is None or offered.min * asked[-1].body.operating < quickest(s).power * 1000:
        raise Inapplicable("What it asked for does not cover what the mode takes.")


do("powered", _powered, "", "fits_power")

# ── Control ──────────────────────────────────────────────────────────────────────────────────────────

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

# ── The queue ────────────────────────────────────────────────────────────────────────────────────────


def _queued(s: Session, **more: Any) -> Any:
    memory(s)["queued"] = memory(s).get("queued", 0) + 1
    return p.CaptureQueue(**{"request": memory(s)["queued"], "frames": 1, **more})


ask("queue", "CAPTURE_QUEUE", _queued, "queue_room")
ask("queue.unknown", "CAPTURE_QUEUE", lambda s: _queued(s, mask=8))
ask("queue.plan", "CAPTURE_QUEUE", lambda s: _queued(s, plan=250))
ask("queue.old", "CAPTURE_QUEUE", lambda s: _queued(s, request=1))
ask("queue.late", "CAPTURE_QUEUE", lambda s: _queued(s, deadline=1))
ask("queue.second", "CAPTURE_QUEUE", lambda s: _queued(s, mask=2), "queue_room")
# Two mistakes in one: which is told is declared.
ask("queue.plan_old", "CAPTURE_QUEUE", lambda s: _queued(s, plan=250, request=1))
ask("queue.old_read_only", "CAPTURE_QUEUE", lambda s: _queued(s, request=1, settings=_set(s, True)))
ask("queue.read_only_beyond", "CAPTURE_QUEUE", lambda s: _queued(s, settings=_set(s, True) + _set(s, False)))
ask("queue.beyond_late", "CAPTURE_QUEUE", lambda s: _queued(s, settings=_set(s, False), deadline=1))


def _alone(s: Session) -> str:
    """A request is queued, and no other waits."""
    heard = s.ask(_queued(s))
    if heard.status == Status.OK:
        s.expect(heard.body.queued == 1, "1 request queued", f"{heard.body.queued}", "R-CAP-011")
    return Status(heard.status).name


STEPS["queue.alone"] = Step(does=_alone, packet="CAPTURE_QUEUE", settles=("queue_room",))


def _set(s: Session, readable: bool) -> tuple[Tlv, ...]:
    """A setting of a property that is read-only, or one that is out of its range."""
    for tag, d in s.known.properties.items():
        writable = d.access != p.PropertyAccess.READ
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


def _fill(mask: int) -> Callable[[Session], object]:
    """As many requests as may wait, on streams that take none of them."""

    def fill(s: Session) -> None:
        for _ in range(QUEUED_CAPTURES):
            s.asks(_queued(s, mask=mask))

    return fill


for _name, _mask in (("queue.full", 1), ("queue.full.second", 2)):
    STEPS[_name] = Step(does=_fill(_mask), packet="CAPTURE_QUEUE", settles=("queue_room",))

# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def _expose(s: Session) -> Any:
    """The longest exposure up to a second."""
    known = s.known.properties.get(p.PropertyTag.EXPOSURE)
    if known is None:
        raise Inapplicable("Its exposure cannot be set.")
    return p.PropSet(settings=(Tlv(p.PropertyTag.EXPOSURE, min(known.maximum, SECOND)),))


ask("exposure.long", "PROP_SET", _expose)


def _sends(s: Session) -> bool:
    """Whether the leader of a frame comes while one could be taken."""
    if "VIDEO" not in s.known.features:
        raise Inapplicable("Without VIDEO no frame comes by itself.")
    mode = quickest(s)
    s.clear()
    return s.take(p.FrameLeader, mode.min_frame_time * US + mode.start_latency * MS + SECOND) is not None


def _frame_begins(s: Session) -> None:
    """The next frame has begun."""
    if "VIDEO" not in s.known.features:
        raise Inapplicable("Without VIDEO no frame comes by itself.")
    heard = s.take(p.FrameLeader, EVENTUALLY)
    if heard is None:
        raise Inapplicable("No frame came.")
    memory(s)["frame"] = heard.body.frame


def _frame_ends(s: Session) -> None:
    """That frame has its trailer."""
    number = memory(s).get("frame")
    came = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.frame == number, EVENTUALLY)
    s.expect(came is not None, "the trailer of every leader", "none", "R-FRM-003")


do("frames.begin", _frame_begins)
do("frames.end", _frame_ends)
do("frames", lambda s: s.expect(_sends(s), "frames", "none"))
do("frames.none", lambda s: s.expect(not _sends(s), "no frames", "a leader"))


def _ended(s: Session) -> None:
    """Once no stream drains, no begun frame is left to be sent."""
    if s.reaches(MachineId.CAPTURE, "CONFIGURED") != "CONFIGURED":
        return
    s.clear()
    s.let(SECOND)
    s.expect(not s.heard(p.FrameTrailer), "no trailer after DRAINING", "one", "R-CAP-010")


do("frames.ended", _ended)

# ── What happens outside ─────────────────────────────────────────────────────────────────────────────


def _laser(tag: OperationTag, body: type) -> Callable[[Session], object]:
    return lambda s: s.operate(tag, body(lane=Lane.LASER))


def _condition(status: Status, present: int) -> Callable[[Session], object]:
    body = p.ConditionOperation(status=p.Condition(int(status)), present=present)
    return lambda s: s.operate(OperationTag.CONDITION, body)


def _temperature(tenths: int) -> Callable[[Session], object]:
    return lambda s: s.operate(OperationTag.TEMPERATURE, p.TemperatureOperation(sensor=0, temperature=tenths))


def _wait(time: int) -> Callable[[Session], object]:
    return lambda s: s.let(time)


do("attach", lambda s: s.operate(OperationTag.ATTACH, p.AttachOperation()), "attach")
do("detach", lambda s: s.operate(OperationTag.DETACH, p.DetachOperation()), "detach")
do("dark", _laser(OperationTag.LANE_DOWN, p.LaneDownOperation), "lane_down")
do("light", _laser(OperationTag.LANE_UP, p.LaneUpOperation), "lane_up")
do("hot", _temperature(1200), "temperature")


_SEVERE: Final = range(p.ThermalSeverity.SEVERE, p.ThermalSeverity.SHUTDOWN)


def _severe(s: Session) -> None:
    """The first sensor reads its limit, and the module says that this is SEVERE or worse."""
    record = s.known.record("THERMAL")
    if record is None:
        raise Inapplicable("It has no record `thermal`.")
    first = record.sensors[0]
    s.operate(OperationTag.TEMPERATURE, p.TemperatureOperation(sensor=first.sensor, temperature=first.limit))
    if s.take(lambda h: isinstance(h.body, p.ThermalStatus) and h.body.severity in _SEVERE, EVENTUALLY) is None:
        raise Inapplicable("At its limit it is not SEVERE.")


do("severe", _severe, "temperature")
do("cool", _temperature(250), "temperature")
_SETTLED: Final = {
    Status.BANDWIDTH: ("fits_link",),
    Status.PWR_LIMIT: ("fits_power",),
    Status.BUFFER_FULL: ("buffer_room",),
}
for _status in (
    Status.LASER_INTERLOCK,
    Status.MOTOR_BLOCKED,
    Status.OVERCURRENT,
    Status.MOISTURE,
    Status.LINK_DEGRADED,
    Status.CREDIT_VIOLATION,
    Status.FRAME_DROPPED,
    Status.BANDWIDTH,
    Status.PWR_LIMIT,
    Status.BUFFER_FULL,
):
    _name, _settled = f"condition.{_status.name.lower()}", _SETTLED.get(_status, ())
    do(_name, _condition(_status, 1), "condition", *_settled)
    do(f"{_name}.over", _condition(_status, 0), "condition", *_settled)
for _ms in (1, 6, 8, 22, 30, 110, 300, 700, 1100, 2200):
    do(f"wait.{_ms}", _wait(_ms * MS))
