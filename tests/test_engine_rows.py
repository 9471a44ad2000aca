"""Every row of the module's machines fires in some scenario, or stands in a list with the reason why it cannot.

Plan: the list · scenarios of attaching, the link, power, a role swap, capture, focus, time, trust, firmware · the
count.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from opalink.protocol import codec
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.engine.module.firmware import make_image
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    ActivationTime,
    AttachOperation,
    BatteryOperation,
    Beacon,
    BertRun,
    Cancel,
    CaptureQueue,
    ControlId,
    ControlOwner,
    DetachOperation,
    DeviceRole,
    Eject,
    EjectPhase,
    FirmwareOp,
    Flush,
    FocusMode,
    FocusMove,
    FwBegin,
    FwControl,
    FwPullResponse,
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
    Owner,
    OwnerPolicy,
    PowerDirection,
    PowerResetLevel,
    PropertyTag,
    PropSet,
    PwrBudget,
    PwrFault,
    PwrReady,
    PwrRequest,
    PwrRequestError,
    PwrRequestResponse,
    PwrReset,
    PwrRoleSwap,
    Refusal,
    Reset,
    ResetLevel,
    RetrainReq,
    RingOperation,
    Spdm,
    StreamConfigure,
    StreamControl,
    StreamOp,
    StreamSetup,
    TestPattern,
    TimeSyncResponse,
    Tlv,
    TrainReq,
    TrainStatus,
    TriggerAction,
    TriggerAt,
    TrustLevel,
    VcResync,
)
from opalink.spec.form import Expired, Local, Received, Role, Row
from tests.engine_phone import MS, Phone

# ── What cannot fire, and why ────────────────────────────────────────────────────────────────────────

_BELOW = "what lies below the packet plane trains, agrees on parameters and resynchronises"


def unreachable(machine: str, row: Row) -> str:
    """Why a row cannot fire in a reference module on the packet plane; empty if it can."""
    states = set(row.states)
    if machine == "LINK":
        training = {"TRAIN_CDR", "TRAIN_FEC", "NEGOTIATE"}
        if states <= training or row.next in training:
            return _BELOW
        event = row.event
        if isinstance(event, Received) and event.packet == "VC_RESYNC" and "RECOVERY" in states and row.next == "L0":
            return _BELOW
        if isinstance(event, Received) and event.packet == "LINK_PARAMS":
            return _BELOW
        if "gear_left" in row.guards:
            return _BELOW
        if isinstance(event, Received) and event.packet in ("RETRAIN_REQ", "LINK_PM") and event.form == "response":
            return "the module never asks for another gear or for sleep"
    if machine == "POWER" and row.event == Expired("tPwrTransition") and "SWAP" in states:
        return "the reference module's own supply is always there in time"
    if machine == "POWER" and "!cool" in row.guards:
        return "the one reference module that can supply the phone has no temperature sensors"
    if machine == "TIME" and row.event == Local("class_fell"):
        return "after a second without exchanges the drift of the reference's clock leaves the lowest class alone"
    return ""


Fired = set[tuple[str, Row]]


class Watched(Phone):
    """A phone whose module notes every row that fires."""

    def __init__(self, fired: Fired, profile: str = "four-thirds") -> None:
        super().__init__(profile)
        for run in self.module.runs.values():
            run.on_row = lambda run, row, _: fired.add((run.name, row))

    def lane(self, down: bool, ms: float = 1) -> None:
        lane = Lane.LASER
        if down:
            self.operate(OperationTag.LANE_DOWN, LaneDownOperation(lane))
        else:
            self.operate(OperationTag.LANE_UP, LaneUpOperation(lane))
        self.run(ms)

    def detach(self) -> None:
        self.operate(OperationTag.DETACH, DetachOperation())

    def side(self, body: Any, **more: Any) -> Status | int:
        return self.status(body, Lane.SIDEBAND, **more)


Scenario = Callable[[Callable[..., Watched]], None]
SCENARIOS: list[Scenario] = []


def scenario(f: Scenario) -> Scenario:
    SCENARIOS.append(f)
    return f


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


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


class Source(Watched):
    """Answers requests for power as it is told to, one after the other."""

    def __init__(self, fired: Fired, profile: str = "four-thirds") -> None:
        super().__init__(fired, profile)
        self.plan: list[Any] = []

    def oblige(self, packet: codec.Packet, lane: Lane) -> None:
        if packet.type is not PacketType.PWR_REQUEST:
            super().oblige(packet, lane)
            return
        match self.plan.pop(0) if self.plan else "grant":
            case "silence":
                return
            case "accept":
                self.deliver(codec.response(packet, PwrRequestResponse()), lane)
            case Status() as status:
                body = PwrRequestError(retry_after=200) if status is Status.PWR_WAIT else PwrRequestError()
                self.deliver(codec.response(packet, body, status), lane)
            case "newer":
                self.tell(self.offers(9), lane)
                self.deliver(codec.response(packet, PwrRequestError(), Status.PWR_REJECT), lane)
            case _:
                super().oblige(packet, lane)


@scenario
def refusals(make: Callable[..., Watched]) -> None:
    phone = make(kind=Source)
    assert isinstance(phone, Source)
    phone.open()
    phone.tell(phone.offers(1))  # granted
    for budget in (60_000, 500):
        phone.status(PwrBudget(max=budget))
        for n, reply in enumerate((Status.PWR_REJECT, Status.PWR_WAIT, Status.BUSY)):
            phone.plan = [reply]
            phone.tell(phone.offers(2 + n))
            phone.tell(phone.offers(20 + n))
            phone.run(500)
    phone.plan = ["newer"]
    phone.tell(phone.offers(40))
    phone.status(PwrBudget(max=1))


@scenario
def first_refusals(make: Callable[..., Watched]) -> None:
    for reply in (Status.PWR_REJECT, Status.PWR_WAIT, "newer"):
        phone = make(kind=Source)
        assert isinstance(phone, Source)
        phone.open()
        phone.plan = [reply]
        phone.tell(phone.offers(1))
        phone.status(PwrBudget(max=900))
        phone.run(300)
        phone.tell(phone.offers(3))


@scenario
def no_offers(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.open()
    phone.run(1000)
    asked = phone.since(0, PacketType.PWR_RESET)
    assert [p.body.level for p in asked] == [PowerResetLevel.SOFT, PowerResetLevel.SOFT]
    phone.supply()
    phone.run(1000)
    assert len(phone.since(0, PacketType.PWR_RESET)) == 2


@scenario
def refused_after_no_answer(make: Callable[..., Watched]) -> None:
    for reply in (Status.PWR_REJECT, Status.PWR_WAIT, "newer"):
        phone = make(kind=Source)
        assert isinstance(phone, Source)
        phone.open()
        phone.tell(phone.offers(1))
        phone.plan = ["silence", reply, "silence"]
        phone.tell(phone.offers(2))
        phone.run(30)
        phone.tell(phone.offers(2))
        assert phone.module.supply.contract is None
        assert phone.state("POWER") == ("REQUESTED" if reply == "newer" else "CAPS_SEEN")


@scenario
def no_answer(make: Callable[..., Watched]) -> None:
    phone = make(kind=Source)
    assert isinstance(phone, Source)
    phone.open()
    phone.plan = ["silence"] * 9
    phone.tell(phone.offers(1))
    phone.run(30)
    phone.tell(phone.offers(2))
    phone.run(100)
    other = make(kind=Source)
    assert isinstance(other, Source)
    other.open()
    other.plan = ["silence"] * 9
    other.tell(other.offers(1))
    other.run(100)


@scenario
def no_voltage(make: Callable[..., Watched]) -> None:
    phone = make(kind=Source)
    assert isinstance(phone, Source)
    phone.open()
    phone.plan = ["accept"]
    phone.tell(phone.offers(1))
    phone.run(200)
    phone.tell(phone.offers(1))
    phone.run(200)
    phone.plan = ["accept", "accept"]
    phone.tell(phone.offers(2))
    phone.status(PwrBudget(max=900))
    phone.tell(phone.offers(3))
    phone.tell(PwrReady(voltage=5000, limit=600, contract=1))
    phone.tell(PwrReady(voltage=5000, limit=600, contract=2))
    phone.plan = ["accept"]
    phone.tell(phone.offers(4))
    phone.tell(PwrReset(level=PowerResetLevel.SOFT))
    phone.tell(phone.offers(5))
    phone.tell(PwrReset(level=PowerResetLevel.HARD))
    phone.run(50)


@scenario
def power_faults(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()
    phone.tell(PwrFault(latched=1))
    phone.detach()
    phone.ready()
    phone.condition(Status.OVERCURRENT)
    phone.detach()


@scenario
def no_contract(make: Callable[..., Watched]) -> None:
    phone = make("macro-tube")
    phone.open()
    phone.tell(phone.offers())


# ── A role swap ──────────────────────────────────────────────────────────────────────────────────────


def swapped(make: Callable[..., Watched], *, contract: bool = False) -> Watched:
    """A phone that its module supplies."""
    phone = make("standalone")
    phone.ready()
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000, current=1000))
    phone.run(50)
    if contract:
        phone.status(PwrRequest(generation=1, operating=500, max=900))
        phone.run(50)
    return phone


@scenario
def swap_refused(make: Callable[..., Watched]) -> None:
    phone = make("standalone")
    phone.ready()
    phone.status(PwrRoleSwap(voltage=5000))
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=9000))
    phone.operate(OperationTag.BATTERY, BatteryOperation(100))
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000))


@scenario
def swap_and_back(make: Callable[..., Watched]) -> None:
    phone = swapped(make, contract=True)
    phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000))
    phone.status(PwrRequest(generation=9))
    phone.tell(PwrReset(level=PowerResetLevel.SOFT))
    phone.status(PwrRoleSwap(voltage=5000))
    phone.supply(2)


@scenario
def swap_ended(make: Callable[..., Watched]) -> None:
    swapped(make).tell(PwrReset(level=PowerResetLevel.HARD))
    swapped(make).tell(PwrFault(latched=1))
    swapped(make).condition(Status.OVERCURRENT)
    swapped(make).greet()
    swapped(make).detach()


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


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────


class Timekeeper(Watched):
    """Answers TIME_SYNC as it is told to: at once, wrongly, late, or not at all."""

    manner = "at once"
    asked: codec.Packet | None = None

    def late(self) -> None:
        """Two exchanges that take 30 us each."""
        for _ in range(2):
            self.run(32)
            assert self.asked is not None
            self.run(0.03)
            self.deliver(codec.response(self.asked, TimeSyncResponse(self.asked.body.t1, self.now, self.now)))

    def silence(self, seconds: int) -> None:
        """No exchange, with the session alive."""
        self.manner = "silent"
        for _ in range(2 * seconds):
            self.run(500)
            self.status(Keepalive())

    def oblige(self, packet: codec.Packet, lane: Lane) -> None:
        if packet.type is not PacketType.TIME_SYNC or self.manner == "at once":
            super().oblige(packet, lane)
        elif self.manner == "late":
            self.asked = packet
        elif self.manner == "wrong":
            self.deliver(codec.response(packet, TimeSyncResponse(0, self.now, self.now)), lane)


def keeping(make: Callable[..., Watched]) -> Timekeeper:
    phone = make(kind=Timekeeper)
    assert isinstance(phone, Timekeeper)
    return phone


@scenario
def exchanging(make: Callable[..., Watched]) -> None:
    phone = keeping(make)
    phone.ready()
    phone.manner = "wrong"
    phone.run(40)
    phone.manner = "late"
    phone.late()
    phone.silence(12)
    phone.manner = "at once"
    phone.run(40)
    phone.silence(12)


@scenario
def losing_time(make: Callable[..., Watched]) -> None:
    phone = keeping(make)
    phone.ready()
    phone.condition(Status.NO_TIME)
    phone.status(TriggerAt(fire=phone.now + 5 * MS))
    phone.condition(Status.NO_TIME, 0)
    phone.run(200)
    phone.status(Reset(level=ResetLevel.MODULE))
    phone.detach()


@scenario
def triggering(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.ready()

    def at(action: TriggerAction, ms: int = 50, plan: int = 0) -> None:
        phone.status(TriggerAt(fire=phone.now + ms * MS, action=action, plan=plan))

    at(TriggerAction.FRAME, 0)
    at(TriggerAction.STROBE)
    at(TriggerAction.FRAME)
    phone.status(StreamConfigure(streams=TWO))
    control(phone, StreamOp.START, 1)
    at(TriggerAction.PLAN, plan=9)
    for _ in range(33):
        at(TriggerAction.FRAME)


# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────


def spdm(phone: Watched, *codes: int, version: int = 0x12) -> None:
    """Requests of which nothing but version and code is right: the machine looks no further."""
    for code in codes:
        first = 0x10 if code == 0x84 else version
        phone.status(Spdm(message=bytes((first, code, 0, 0))))


@scenario
def proving(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.open()
    spdm(phone, 0x84, version=0x05)
    spdm(phone, 0xE1, version=0x05)
    spdm(phone, 0x84, 0xE1, 0xE3, 0x82, 0x83, 0xE0)
    for level in (TrustLevel.GENUINE, TrustLevel.MEASURED, TrustLevel.REJECTED, TrustLevel.UNKNOWN):
        phone.trust(level)
    phone.trust(expires=1)
    phone.run(300)
    phone.status(Keepalive())
    phone.run(800)
    phone.greet()
    phone.detach()


@scenario
def without_proof(make: Callable[..., Watched]) -> None:
    """What a module without SECURITY does where one that has it waits for the phone's conclusion."""
    phone = make("ultrawide-prime")
    phone.ready()
    phone.lane(down=True)
    phone.lane(down=False)
    phone.greet(resume=True)


@scenario
def leaving_unproven(make: Callable[..., Watched]) -> None:
    phone = make()
    phone.open()
    phone.status(Reset(level=ResetLevel.FACTORY))
    phone.status(Eject(phase=EjectPhase.PREPARE))
    phone.status(Eject(phase=EjectPhase.ABORT))


# ── Firmware ─────────────────────────────────────────────────────────────────────────────────────────

NEWER = 0x0002_0000_0000_0000


class Updater(Watched):
    """Serves an image; `serving` can be switched off."""

    image = b""
    serving = True

    def oblige(self, packet: codec.Packet, lane: Lane) -> None:
        if packet.type is not PacketType.FW_PULL:
            super().oblige(packet, lane)
        elif self.serving:
            ask = packet.body
            data = self.image[ask.offset : ask.offset + ask.length]
            self.deliver(codec.response(packet, FwPullResponse(offset=ask.offset, data=data)), lane)

    def offer(self, image: bytes, **fields: int) -> Status | int:
        self.image = image
        made = {"size": len(image), "version": NEWER} | fields
        return self.status(FwBegin(digest=hashlib.sha256(image).digest(), **made))

    def control(self, op: FirmwareOp, when: ActivationTime = ActivationTime.NOW, components: int = 1) -> Status | int:
        return self.status(FwControl(op=op, components=components, when=when))

    def stage(self, version: int = NEWER) -> None:
        assert self.offer(make_image(version, bytes(100)), version=version) is Status.OK
        self.run(200)
        assert self.state("FIRMWARE") == "STAGED"


def updating(make: Callable[..., Watched], *, trusted: bool = True) -> Updater:
    phone = make(kind=Updater)
    assert isinstance(phone, Updater)
    phone.open()
    phone.supply()
    if trusted:
        phone.trust()
    return phone


@scenario
def refusing_images(make: Callable[..., Watched]) -> None:
    phone = updating(make)
    image = make_image(NEWER, b"")
    phone.offer(image, component=7)
    phone.offer(image, size=0xFFFF_FFFF)
    phone.offer(image, version=1)
    phone.offer(b"unsigned")
    phone.run(200)


@scenario
def finished_in_the_dark(make: Callable[..., Watched]) -> None:
    phone = updating(make)
    assert phone.offer(b"unsigned") is Status.OK
    phone.lane(down=True, ms=500)
    phone.lane(down=False)
    before = len(phone.heard)
    phone.greet(resume=True)
    (told,) = phone.since(before, PacketType.FW_STATUS)
    assert (told.body.state.name, told.body.result) == ("IDLE", Status.FW_BAD_SIGNATURE)
    phone.greet()
    assert phone.since(before, PacketType.FW_STATUS) == [told]


@scenario
def giving_up(make: Callable[..., Watched]) -> None:
    phone = updating(make)
    phone.control(FirmwareOp.ACTIVATE, components=8)
    phone.control(FirmwareOp.ACTIVATE)
    phone.serving = False
    phone.offer(make_image(NEWER, b""))
    phone.control(FirmwareOp.ABORT)
    phone.offer(make_image(NEWER, b""))
    pull = phone.last(PacketType.FW_PULL)
    phone.deliver(codec.response(pull, Refusal(), Status.RANGE_LIMIT))
    phone.offer(make_image(NEWER, b""))
    phone.greet()
    phone.offer(make_image(NEWER, b""))
    phone.lane(down=True)
    phone.lane(down=False)
    phone.greet(resume=True)
    phone.detach()
    phone.open()
    phone.serving = True
    phone.offer(make_image(NEWER, b""))
    phone.status(Reset(level=ResetLevel.MODULE))


@scenario
def activating(make: Callable[..., Watched]) -> None:
    phone = updating(make, trusted=False)
    phone.control(FirmwareOp.ROLLBACK)
    phone.trust(TrustLevel.REJECTED)
    phone.control(FirmwareOp.ROLLBACK)
    phone.trust()
    phone.control(FirmwareOp.ROLLBACK)
    phone.stage()
    phone.status(StreamConfigure(streams=TWO))
    control(phone, StreamOp.START, 1)
    phone.control(FirmwareOp.ACTIVATE)
    control(phone, StreamOp.STOP, 1)
    phone.run(100)
    phone.control(FirmwareOp.ACTIVATE)
    control(phone, StreamOp.START, 1)
    phone.control(FirmwareOp.ROLLBACK)
    control(phone, StreamOp.STOP, 1)
    phone.run(100)
    phone.control(FirmwareOp.ROLLBACK)
    phone.stage()
    phone.control(FirmwareOp.ACTIVATE, ActivationTime.DETACH)
    phone.detach()
    phone.open()
    phone.trust()
    phone.stage()
    phone.control(FirmwareOp.ACTIVATE, ActivationTime.NEXT_BOOT)
    phone.status(Reset(level=ResetLevel.MODULE))


# ── The count ────────────────────────────────────────────────────────────────────────────────────────


def test_every_row_of_the_modules_machines_fires() -> None:
    fired: Fired = set()

    def make(profile: str = "four-thirds", kind: type[Watched] = Watched) -> Watched:
        return kind(fired, profile)

    for play in SCENARIOS:
        play(make)
    run_by_it = Phone("four-thirds").module.runs
    machines = {m.name: m for m in catalogue().machines if m.role is Role.MODULE and m.name in run_by_it}
    silent, excused = [], []
    for name, machine in machines.items():
        for i, row in enumerate(machine.rows):
            reason = unreachable(name, row)
            if (name, row) in fired:
                if reason:
                    excused.append(f"{name} {i} {_told(row)}: {reason}")
            elif not reason:
                silent.append(f"{name} {i} {_told(row)}")
    assert silent == []
    assert excused == []  # no reason stands for a row that does fire


def _told(row: Row) -> str:
    match row.event:
        case Received(packet=packet, form=form):
            event = f"{packet}.{form}"
        case Expired(timer=timer):
            event = timer
        case Local(name=name) | name:
            event = str(name)
    return f"{'/'.join(row.states)} on {event} when {row.guards} to {row.next}"
