"""Scenarios of attaching and of the link.

Plan: attaching · the link.
"""

from collections.abc import Callable

from opalink.protocol import codec
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import (
    AttachOperation,
    Beacon,
    BertRun,
    DeviceRole,
    Eject,
    EjectPhase,
    Hello,
    Keepalive,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    LaserMode,
    LaserOp,
    LaserSafety,
    LinkParams,
    LinkPm,
    LinkPower,
    Margin,
    MarginOp,
    OperationTag,
    Refusal,
    Reset,
    ResetLevel,
    RetrainReq,
    StreamConfigure,
    StreamControl,
    StreamOp,
    StreamSetup,
    TrainReq,
    TrainStatus,
    VcResync,
)
from tests.engine_rows.watched import Watched, scenario

# ── Attaching ────────────────────────────────────────────────────────────────────────────────────────


@scenario
def greeting(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.meet()
    phone.greet(low_major=9, high_major=9)
    phone.greet(resume_session=5)
    phone.greet()
    phone.greet()
    phone.run(2000)
    phone.detach()


@scenario
def without_a_laser(make: Callable[..., Watched]) -> None:
    phone = make("macro-tube")
    phone.attach()
    phone.run(600)
    phone.side(Reset(level=ResetLevel.LINK))
    phone.greet()
    phone.obliging = False
    phone.run(4000)
    phone.side(Reset(level=ResetLevel.PROTOCOL))
    phone.detach()


@scenario
def in_the_dark(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.operate(OperationTag.ATTACH, AttachOperation(100))
    phone.lane(down=True)
    phone.run(101)
    phone.tell(Beacon(nonce=4), Lane.SIDEBAND)
    phone.side(TrainReq())
    phone.side(LinkPm(target=LinkPower.L1))
    phone.greet(lane=Lane.SIDEBAND)
    phone.run(1100)
    phone.lane(down=False)
    phone.lane(down=True)
    phone.lane(down=False)
    phone.greet()


@scenario
def resuming(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.lane(down=True)
    phone.greet(resume=False, lane=Lane.SIDEBAND, resume_session=9)
    phone.side(Hello(phone_nonce=1))
    phone.lane(down=False)
    phone.greet(resume=True)
    phone.lane(down=True, ms=2600)
    phone.lane(down=False, ms=1)
    phone.greet()
    phone.lane(down=True, ms=1)
    phone.lane(down=False, ms=2600)


@scenario
def silence(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.open()
    phone.obliging = False
    phone.run(1500)


@scenario
def removal(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.status(Eject(phase=EjectPhase.COMMIT))
    phone.status(Eject(phase=EjectPhase.PREPARE))
    phone.status(Eject(phase=EjectPhase.PREPARE))
    phone.status(Eject(phase=EjectPhase.ABORT))
    phone.status(Eject(phase=EjectPhase.PREPARE))
    assert phone.status(Keepalive()) is Status.OK
    phone.status(Eject(phase=EjectPhase.COMMIT))
    assert phone.status(Keepalive()) is Status.BAD_STATE
    phone.status(Eject(phase=EjectPhase.ABORT))
    phone.tell(Beacon(role=DeviceRole.PHONE, nonce=phone.nonce), Lane.SIDEBAND)
    assert phone.state() == "BEACON"
    phone.detach()


@scenario
def wanted_again(make: Callable[..., Watched]) -> None:
    """The answer that let it go was lost: the phone greets it again."""
    phone = make()
    phone.ready()
    phone.status(Eject(phase=EjectPhase.PREPARE))
    phone.status(Eject(phase=EjectPhase.COMMIT))
    assert phone.greet(resume=True).status is Status.NEEDS_SESSION
    assert phone.greet().status is Status.OK
    assert phone.state().startswith("READY")


@scenario
def wanted_while_it_leaves(make: Callable[..., Watched]) -> None:
    """The phone has lost the session in the middle of a removal."""
    phone = make()
    phone.ready()
    phone.status(Eject(phase=EjectPhase.PREPARE))
    assert phone.greet().status is Status.OK
    assert phone.state().startswith("READY")


@scenario
def told_of_no_session(make: Callable[..., Watched]) -> None:
    phone = make("macro-tube")
    phone.open()
    phone.obliging = False
    phone.run(260)
    pulse = phone.last(PacketType.KEEPALIVE)
    phone.deliver(codec.response(pulse, Refusal(), Status.BAD_STATE))
    assert phone.state() == "LINK_LOST"


@scenario
def resets(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.status(Reset(level=ResetLevel.PROTOCOL))
    phone.status(Reset(level=ResetLevel.FACTORY))
    phone.status(Reset(level=ResetLevel.LINK))
    phone.greet(lane=Lane.SIDEBAND)
    phone.side(Reset(level=ResetLevel.LINK))
    phone.run(700)
    phone.greet(lane=Lane.SIDEBAND)
    phone.side(Reset(level=ResetLevel.MODULE))
    phone.run(200)
    phone.tell(Beacon(nonce=8), Lane.SIDEBAND)
    phone.greet()
    phone.trust()
    phone.status(Reset(level=ResetLevel.FACTORY))


@scenario
def faults(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.module.fail(Status.UNDERVOLTAGE, 1)  # type: ignore[arg-type]
    phone.module.settle()
    phone.side(Reset(level=ResetLevel.FACTORY))
    phone.condition(Status.LASER_INTERLOCK)
    phone.condition(Status.LASER_INTERLOCK, 0)
    phone.side(Reset(level=ResetLevel.MODULE))


# ── The link ─────────────────────────────────────────────────────────────────────────────────────────


@scenario
def interlock(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.condition(Status.LASER_INTERLOCK)
    phone.meet()
    phone.side(LaserSafety(op=LaserOp.SET, mode=LaserMode.TEST))
    phone.side(TrainReq())
    phone.side(LinkPm(target=LinkPower.L1))
    phone.condition(Status.LASER_INTERLOCK, 0)
    phone.tell(Beacon(nonce=9), Lane.SIDEBAND)
    phone.run(1)
    phone.greet()
    phone.condition(Status.LASER_INTERLOCK)
    phone.run(600)
    phone.condition(Status.LASER_INTERLOCK, 0)


@scenario
def interlock_while_waiting(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.meet()
    phone.condition(Status.LASER_INTERLOCK)
    phone.run(600)


@scenario
def early_light(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.attach()
    phone.side(TrainReq())
    phone.side(LaserSafety(op=LaserOp.SET, mode=LaserMode.TEST))
    phone.side(LaserSafety(op=LaserOp.SET, mode=LaserMode.MANUAL))
    phone.run(600)
    phone.tell(Beacon(nonce=8), Lane.SIDEBAND)
    phone.greet()
    phone.status(VcResync(epoch=9))
    phone.status(VcResync())
    phone.tell(TrainStatus())
    phone.status(LinkParams())


@scenario
def sleep(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.status(LinkPm(target=LinkPower.L3, exit_latency=1))
    for target in (LinkPower.L0, LinkPower.L1, LinkPower.L2, LinkPower.L3):
        phone.status(LinkPm(target=target), Lane.SIDEBAND)
        phone.run(5)
        phone.side(LinkPm(target=LinkPower.L0))
        phone.run(5)
    phone.status(LinkPm(target=LinkPower.L1))
    phone.lane(down=True)
    phone.lane(down=False)
    phone.status(StreamConfigure(streams=(StreamSetup(mode=3),)))
    phone.status(StreamControl(op=StreamOp.START, mask=1))
    phone.status(LinkPm(target=LinkPower.L1))


@scenario
def trouble(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.condition(Status.LINK_DEGRADED)
    phone.condition(Status.CREDIT_VIOLATION)
    phone.run(5)
    phone.greet(resume=True)
    phone.condition(Status.RETRAINING)
    phone.side(LinkPm(target=LinkPower.L1))
    phone.run(5)
    phone.condition(Status.RETRAINING, 0)
    phone.run(600)


@scenario
def blink(make: Callable[..., Watched]) -> None:
    """Light that comes back before the laser goes off."""
    phone = make()
    phone.ready()
    phone.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
    phone.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
    phone.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
    phone.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
    phone.run(5)


@scenario
def retraining(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.status(RetrainReq(gears=1))
    phone.status(RetrainReq(gears=4))
    phone.run(5)
    phone.status(RetrainReq(keep_config=1))
    phone.side(LaserSafety(op=LaserOp.SET, mode=LaserMode.TEST))
    phone.run(5)


@scenario
def measuring(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.status(Margin(op=MarginOp.QUERY, ber_target=5))
    phone.status(Margin(op=MarginOp.RUN, ber_target=5, dwell=1 << 31))
    phone.status(BertRun(length=8))
    phone.status(LaserSafety(op=LaserOp.SET, mode=LaserMode.TEST))
    phone.status(BertRun(length=8))
    phone.status(BertRun(length=1 << 50))
    phone.status(StreamConfigure(streams=(StreamSetup(mode=3),)))
    phone.status(StreamControl(op=StreamOp.START, mask=1))
    phone.status(BertRun(length=8))
    phone.status(Margin(op=MarginOp.RUN, ber_target=5, dwell=1))
