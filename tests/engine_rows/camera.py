"""Scenarios of capture and of focus.

Plan: capture · focus.
"""

from collections.abc import Callable
from typing import Any

from opalink.protocol import codec
from opalink.protocol.codec import Status
from opalink.protocol.packets import (
    Cancel,
    CaptureQueue,
    ControlId,
    ControlOwner,
    Eject,
    EjectPhase,
    Flush,
    FocusMode,
    FocusMove,
    Keepalive,
    OperationTag,
    Owner,
    OwnerPolicy,
    PropertyTag,
    PropSet,
    Reset,
    ResetLevel,
    RingOperation,
    StreamConfigure,
    StreamControl,
    StreamOp,
    StreamSetup,
    TestPattern,
    Tlv,
)
from tests.engine_phone import MS
from tests.engine_rows.watched import Watched, scenario

# ── Capture ──────────────────────────────────────────────────────────────────────────────────────────

TWO = (StreamSetup(mode=3, width=64, height=8), StreamSetup(mode=3, width=64, height=8))


def camera(make: Callable[..., Watched], *, start: int = 0) -> Watched:
    phone = make()
    phone.ready()
    phone.status(StreamConfigure(streams=TWO))
    if start:
        phone.status(StreamControl(op=StreamOp.START, mask=start))
    return phone


def control(phone: Watched, op: StreamOp, mask: int) -> None:
    phone.status(StreamControl(op=op, mask=mask))


@scenario
def configuring(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    for row in (
        {"mode": 99},
        {"mode": 3, "codec": 1},
        {"mode": 1, "min_rate": 1500},
        {"mode": 3, "x": 1},
        {"mode": 3},
    ):
        for test_only in (1, 0):
            phone.status(StreamConfigure(test_only=test_only, streams=(StreamSetup(**row),)))
    phone.condition(Status.PWR_LIMIT)
    phone.status(StreamConfigure(streams=TWO))
    phone.condition(Status.PWR_LIMIT, 0)
    phone.status(StreamConfigure())
    phone.status(TestPattern())


@scenario
def controlling(make: Callable[..., Watched]) -> None:
    phone = camera(make)
    control(phone, StreamOp.STOP, 1)
    control(phone, StreamOp.PAUSE, 1)
    control(phone, StreamOp.START, 8)
    phone.condition(Status.THERMAL_LIMIT)
    control(phone, StreamOp.START, 1)
    phone.condition(Status.THERMAL_LIMIT, 0)
    control(phone, StreamOp.START, 3)
    phone.status(StreamConfigure(streams=TWO))
    phone.condition(Status.THERMAL_LIMIT)
    control(phone, StreamOp.RESUME, 1)
    phone.condition(Status.THERMAL_LIMIT, 0)
    control(phone, StreamOp.PAUSE, 1)
    control(phone, StreamOp.PAUSE, 2)
    control(phone, StreamOp.RESUME, 3)
    control(phone, StreamOp.STOP, 2)
    control(phone, StreamOp.PAUSE, 1)
    control(phone, StreamOp.RESUME, 2)
    control(phone, StreamOp.START, 3)
    control(phone, StreamOp.PAUSE, 1)
    control(phone, StreamOp.STOP, 2)
    control(phone, StreamOp.STOP, 1)
    phone.run(100)


@scenario
def queueing(make: Callable[..., Watched]) -> None:
    phone = camera(make)
    for fields in (
        {"mask": 8},
        {"plan": 9},
        {"settings": (Tlv(PropertyTag.BLACK_LEVEL, 1),)},
        {"settings": (Tlv(PropertyTag.GAIN, 1),)},
        {"deadline": 1},
        {},
        {},
    ):
        phone.status(CaptureQueue(**{"request": 1, "mask": 1, "frames": 1} | fields))
    phone.condition(Status.BUFFER_FULL)
    phone.status(CaptureQueue(request=2, mask=1, frames=1))
    phone.condition(Status.BUFFER_FULL, 0)
    phone.condition(Status.NO_TIME)
    phone.status(CaptureQueue(request=2, mask=1, frames=1, deadline=phone.now + MS))
    for n in range(2, 19):
        phone.status(CaptureQueue(request=n, mask=1, frames=1))


@scenario
def flushing(make: Callable[..., Watched]) -> None:
    phone = camera(make, start=3)
    phone.status(Flush(mask=8))
    phone.status(Flush(mask=1))
    control(phone, StreamOp.START, 3)
    control(phone, StreamOp.PAUSE, 2)
    phone.status(Flush(mask=1))
    phone.status(Flush(mask=2))
    slow = make()
    slow.ready()
    slow.status(StreamConfigure(streams=(StreamSetup(mode=1), StreamSetup(mode=3))))
    control(slow, StreamOp.START, 3)
    slow.run(130)
    control(slow, StreamOp.STOP, 1)
    slow.status(Flush(mask=2))
    slow.status(Flush(mask=2))
    control(slow, StreamOp.STOP, 2)


@scenario
def links(make: Callable[..., Watched]) -> None:
    for op in (None, StreamOp.PAUSE, StreamOp.STOP):
        phone = make()
        phone.ready()
        phone.status(StreamConfigure(streams=(StreamSetup(mode=1),)))
        control(phone, StreamOp.START, 1)
        phone.run(130)
        if op is not None:
            control(phone, op, 1)
        phone.lane(down=True)
        phone.lane(down=False)
        phone.greet(resume=True)
        phone.run(5)
        phone.status(Eject(phase=EjectPhase.PREPARE))
        phone.detach()


@scenario
def sensor(make: Callable[..., Watched]) -> None:
    phone = camera(make, start=1)
    phone.condition(Status.TIMEOUT)
    phone.condition(Status.TIMEOUT, 0)
    phone.module.signal("sensor_failed")
    phone.module.settle()
    phone.status(StreamConfigure(streams=TWO))
    phone.status(StreamConfigure())
    phone.module.signal("sensor_failed")
    phone.module.settle()
    phone.greet()
    phone.status(StreamConfigure(streams=TWO))
    phone.greet()
    phone.status(StreamConfigure(streams=TWO))
    phone.status(Keepalive())
    phone.detach()


# ── Focus ────────────────────────────────────────────────────────────────────────────────────────────


class Lens(Watched):
    """Knows how far the focus goes."""

    @property
    def span(self) -> tuple[int, int]:
        found = self.module.properties.table[PropertyTag.FOCUS_POSITION].range
        return found.lo, found.hi

    def move(self, target: int, **more: Any) -> int:
        """Begin a movement; its transaction."""
        self.txn += 1
        self.deliver(codec.request(FocusMove(mode=FocusMode.DIOPTRE, target=target, **more), self.txn))
        return self.txn

    def set(self, tag: PropertyTag, value: int) -> None:
        self.status(PropSet(settings=(Tlv(tag, value),)))

    def turn(self, counts: int) -> None:
        self.operate(OperationTag.RING, RingOperation(ControlId.FOCUS_RING, counts))


def focusing(make: Callable[..., Watched]) -> Lens:
    phone = make(kind=Lens)
    assert isinstance(phone, Lens)
    phone.ready()
    return phone


@scenario
def moving(make: Callable[..., Watched]) -> None:
    phone = focusing(make)
    lo, hi = phone.span
    middle = (lo + hi) // 2
    phone.move(hi + 1)
    phone.move(hi, by=1)
    phone.move(middle)
    phone.run(1)
    phone.move(hi, speed=hi)
    phone.run(5000)
    phone.move(middle, settle=1)
    phone.run(5000)
    txn = phone.move(lo, speed=1)
    phone.run(1)
    phone.status(Cancel(txn=txn))
    phone.condition(Status.MOTOR_BLOCKED)
    phone.move(lo)
    phone.condition(Status.MOTOR_BLOCKED, 0)
    phone.set(PropertyTag.FOCUS_POSITION, middle)
    phone.set(PropertyTag.MOTOR_HOME, 1)
    phone.run(5000)
    phone.move(hi, speed=1)
    phone.greet()
    phone.status(Reset(level=ResetLevel.MODULE))


@scenario
def turning(make: Callable[..., Watched]) -> None:
    phone = focusing(make)
    phone.move(phone.span[1], speed=1)
    phone.turn(100)
    phone.move(0)
    phone.run(600)
    phone.turn(-30_000)
    phone.run(600)
    phone.status(ControlOwner(control=ControlId.FOCUS_RING, owner=Owner.PHONE, policy=OwnerPolicy.LAST_WINS, hold=500))
    phone.turn(1)
    phone.detach()
