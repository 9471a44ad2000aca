"""Preambles: how a session brings an implementation to the state in which a test begins.

A preamble that does not get there makes the test inconclusive: what it stumbled over is the business of the tests that
are about it.

Plan: attaching · the session · power · capture · elsewhere · the table.
"""

from collections.abc import Callable
from typing import Any

from opalink.conformance.conclusions import Fail, Inapplicable, Inconclusive
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import Lane, MachineId, OperationTag
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import VERSION_MAJOR

# ── Attaching ────────────────────────────────────────────────────────────────────────────────────────


def attach(s: Session, *, lit: bool = True) -> None:
    """The contacts close; without `lit`, no light passes."""
    if s.offers(OperationTag.ATTACH):
        s.operate(OperationTag.ATTACH, p.AttachOperation())
    s.attached = s.now
    if not lit:
        s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))


def meet(s: Session, *, lit: bool = True) -> Any:
    """Attach, and wait for the module's BEACON."""
    attach(s, lit=lit)
    limit = s.catalogue.timer["tBeaconAfterPower"].max or 0
    heard = s.take(p.Beacon, limit + s.monitor.slack)
    if heard is None:
        raise Inconclusive("No BEACON came within tBeaconAfterPower.")
    s.beacon = heard.body
    return heard.body


def show(s: Session) -> None:
    """The phone's own BEACON, which completes the proof of attach."""
    s.shown = p.Beacon(
        major=VERSION_MAJOR,
        role=p.DeviceRole.PHONE,
        gears_down=s.beacon.gears_down,
        gears_up=s.beacon.gears_up,
        fecs=s.beacon.fecs,
        laser_class=p.LaserClass.CLASS_1 if s.beacon.gears_down else p.LaserClass.NONE,
        nonce=s.random.getrandbits(64),
    )
    s.tell(s.shown)


def light(s: Session) -> None:
    """Meet, and have the link come up where there is a laser."""
    meet(s)
    show(s)
    s.light = bool(s.beacon.gears_down)
    train(s)


def negotiate(s: Session) -> None:
    """The module waits for LINK_PARAMS."""
    if s.flits is not None:
        s.flits.idle = True
    meet(s)
    show(s)
    waits = s.take(lambda h: isinstance(h.body, p.TrainStatus) and h.body.state == p.LinkState.NEGOTIATE, EVENTUALLY)
    s.need(waits is not None, "It never waited for LINK_PARAMS.")


def train(s: Session) -> None:
    """Where the tester does the link layer itself, it agrees on parameters before there is light to use."""
    if s.flits is None or not s.light:
        return
    s.light = False
    s.need(s.take(p.LinkParamsResponse, EVENTUALLY) is not None, "The link was not trained up to LINK_PARAMS.")
    s.need(s.light, "LINK_PARAMS was refused.")


# ── The session ──────────────────────────────────────────────────────────────────────────────────────


def hello(s: Session, *, resume: bool = False) -> p.Hello:
    """A HELLO of this phone's: a new session, or the last one again."""
    made = p.Hello(features=(1 << 64) - 1, phone_nonce=s.random.getrandbits(64))
    if resume:
        made = p.Hello(
            features=made.features,
            phone_nonce=made.phone_nonce,
            resume_session=s.greeting.session,
            last_phone_nonce=s.hello.phone_nonce,
            last_module_nonce=s.greeting.module_nonce,
        )
    return made


def greet(s: Session, *, resume: bool = False) -> Any:
    """Open a session, or resume the last one; returns the module's answer."""
    asked = hello(s, resume=resume)
    heard = s.answer(s.request(asked, lane=Lane.SIDEBAND))
    if heard is None:
        raise Inconclusive("HELLO was not answered.")
    s.need(heard.status == Status.OK, f"HELLO was answered {heard.status!r}.")
    s.need(isinstance(heard.body, p.HelloResponse), "The answer to HELLO does not decode.")
    s.hello, s.greeting = asked, heard.body
    s.beacon = next((h.body for h in reversed(s.heard(p.Beacon)) if isinstance(h.body, p.Beacon)), s.beacon)
    return heard.body


def ready(s: Session) -> None:
    if s.preamble is not None:  # the tester is a module
        s.preamble(s, "READY")
        return
    light(s)
    greet(s)
    if s.light:
        up = s.take(_in_l0, EVENTUALLY)  # several attempts at several gears are legal
        s.need(up is not None, "The link did not come to L0.")


def trusted(s: Session) -> None:
    """A session in which the phone takes the module for genuine. The policy alone says so: what it rests on, a module
    does not ask."""
    ready(s)
    s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=10_000, granted=(1 << 64) - 1))


def _in_l0(heard: Any) -> bool:
    return isinstance(heard.body, p.LinkEvent) and heard.body.state == p.LinkState.L0


def resume(s: Session) -> Any:
    """What was lost comes back, and the session goes on."""
    regain(s)
    train(s)
    return greet(s, resume=True)


def silent(s: Session) -> None:
    """A module in READY with nothing to say. One that keeps time or reports motion does so by light: it falls silent
    when its link sleeps."""
    ready(s)
    if s.known.features.isdisjoint(("TIME", "IMU")):
        return
    heard = s.ask(p.LinkPm(target=p.LinkPower.L1))
    if heard.status != Status.OK:
        raise Inapplicable("Its link does not sleep, and awake it is never silent.")
    s.light = False
    s.let(10 * MS)


def next_keepalive(s: Session) -> Heard:
    """The next KEEPALIVE of a module that has fallen silent."""
    heard = s.take(p.Keepalive, 2 * s.timer("tKeepAlive"))
    if heard is None and s.inbox:
        raise Inapplicable("It is never silent for so long that it sends KEEPALIVE.")
    if heard is None:
        s.fail("KEEPALIVE", "none", "R-MGT-050")
    return heard


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────

OFFERS = (
    p.Offer(kind=p.OfferKind.FIXED, min=5000, max=5000, continuous=3000, peak=4000, peak_time=200),
    p.Offer(kind=p.OfferKind.FIXED, min=9000, max=9000, continuous=1500, peak=2000, peak_time=200),
)


def offer(s: Session, offers: tuple[p.Offer, ...] = OFFERS, generation: int = 1) -> None:
    """The phone says what it supplies."""
    s.phone.offers = offers
    s.tell(p.PwrSourceCaps(generation=generation, total=15_000, offers=offers))


def contract(s: Session) -> None:
    """A session with a power contract, where the module wants one."""
    ready(s)
    if "CONTRACT" not in s.known.features:
        return
    offer(s)
    s.need(s.take(p.PwrStatus, EVENTUALLY) is not None, "No power contract came about.")


def requested(s: Session) -> Heard:
    """The module has asked for power, and its request is open."""
    ready(s)
    s.phone.mute.add(p.PwrRequest)
    offer(s)
    heard = s.take(p.PwrRequest, EVENTUALLY)
    if heard is None:
        raise Inconclusive("No PWR_REQUEST came.")
    return heard


def transition(s: Session) -> None:
    """Its request was accepted, and the voltage is not there yet."""
    heard = requested(s)
    s.reply(heard, p.PwrRequestResponse())


def source(s: Session) -> None:
    """The module supplies, and has offered."""
    contract(s)
    heard = s.ask(p.PwrRoleSwap(direction=p.PowerDirection.TO_PHONE, voltage=5000, current=100))
    s.need(heard.status == Status.OK, f"PWR_ROLE_SWAP was answered {heard.status!r}.")
    s.need(s.take(p.PwrSourceCaps, EVENTUALLY) is not None, "The module made no offers.")


def power_fault(s: Session) -> None:
    contract(s)
    s.tell(p.PwrFault(kind=p.PowerFaultKind.OVER_CURRENT, latched=1, count=1))
    s.reaches(MachineId.POWER, "FAULT")


# ── Capture ──────────────────────────────────────────────────────────────────────────────────────────


def quickest(s: Session) -> p.SensorMode:
    """The mode that asks least of the link."""
    if not s.known.modes:
        raise Inconclusive("No mode of the sensor is known.")
    return min(s.known.modes, key=lambda m: m.width * m.height * m.depth / m.min_frame_time)


def setup(s: Session) -> p.StreamSetup:
    """The set-up of one stream in that mode."""
    mode = quickest(s)
    return p.StreamSetup(mode=mode.mode, codec=mode.codec)


def configured(s: Session) -> None:
    contract(s)
    heard = s.ask(p.StreamConfigure(streams=(setup(s),)))
    s.need(heard.status in (Status.OK, Status.ADJUSTED), f"STREAM_CONFIGURE was answered {heard.status!r}.")


def streaming(s: Session) -> None:
    configured(s)
    heard = s.ask(p.StreamControl(op=p.StreamOp.START, mask=1))
    s.need(heard.status == Status.OK, f"START was answered {heard.status!r}.")


def paused(s: Session) -> None:
    streaming(s)
    heard = s.ask(p.StreamControl(op=p.StreamOp.PAUSE, mask=1))
    s.need(heard.status == Status.OK, f"PAUSE was answered {heard.status!r}.")


def draining(s: Session) -> None:
    """A stream is stopped while a frame is exposed, for as long as the sensor can."""
    configured(s)
    longest = s.known.properties[p.PropertyTag.EXPOSURE].maximum if p.PropertyTag.EXPOSURE in s.known.properties else 0
    if longest:
        s.ask(p.PropSet(settings=(Tlv(p.PropertyTag.EXPOSURE, min(longest, SECOND)),)))
    for op in (p.StreamOp.START, p.StreamOp.STOP):
        heard = s.ask(p.StreamControl(op=op, mask=1))
        s.need(heard.status == Status.OK, f"{op.name} was answered {heard.status!r}.")
        s.let(quickest(s).start_latency * MS + 2 * MS)


# ── Elsewhere ────────────────────────────────────────────────────────────────────────────────────────


def testing(s: Session) -> None:
    """The laser's mode TEST, in which alone bit errors may be counted."""
    ready(s)
    heard = s.ask(p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.TEST))
    s.need(heard.status == Status.OK, f"The laser's mode TEST was answered {heard.status!r}.")


def detaching(s: Session) -> None:
    ready(s)
    heard = s.ask(p.Eject(phase=p.EjectPhase.PREPARE, grace=1000))
    s.need(heard.status == Status.OK, f"EJECT was answered {heard.status!r}.")


def link_lost(s: Session) -> None:
    ready(s)
    lose(s)


def lose(s: Session) -> None:
    """The link of a session is lost: its light goes; without a laser, nothing is heard for tKeepAliveLoss."""
    if s.light:
        s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
        s.light = False
        s.let(2 * MS)
        return
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.SIDEBAND))
    s.let(s.timer("tKeepAliveLoss") + 2 * MS + s.monitor.slack)
    s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.SIDEBAND))


def regain(s: Session) -> None:
    """Light comes back, where there is a laser, and the phone shows itself again."""
    if s.beacon.gears_down:
        s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))
    show(s)
    s.light = bool(s.beacon.gears_down)


def paused_link(s: Session) -> None:
    streaming(s)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.reaches(MachineId.CAPTURE, "PAUSED_LINK")


def download(s: Session) -> None:
    """An update has been offered and accepted; the image does not come."""
    ready(s)
    s.phone.mute.add(p.FwPull)
    heard = s.ask(p.FwQuery())
    s.need(heard.status == Status.OK, f"FW_QUERY was answered {heard.status!r}.")
    part = heard.body.components[0]
    heard = s.ask(p.FwBegin(component=part.component, size=4096, version=part.active + 1))
    s.need(heard.status == Status.OK, f"FW_BEGIN was answered {heard.status!r}.")


def hard_reset(s: Session) -> None:
    ready(s)
    s.tell(p.PwrReset(level=p.PowerResetLevel.HARD, off_time=30))


# ── The table ────────────────────────────────────────────────────────────────────────────────────────

_PREAMBLES: dict[str, Callable[[Session], object]] = {
    "BEACON": lambda s: meet(s, lit="LASER" not in s.known.features),
    "NEGOTIATE": negotiate,
    "HELLO": light,
    "READY": ready,
    "TRUSTED": trusted,
    "CONFIGURED": configured,
    "STREAMING": streaming,
    "DRAINING": draining,
    "PAUSED": paused,
    "DOWNLOAD": download,
    "REQUESTED": requested,
    "TRANSITION": transition,
    "SOURCE": source,
    "POWER_FAULT": power_fault,
    "HARD_RESET": hard_reset,
    "DETACHING": detaching,
    "LINK_LOST": link_lost,
    "PAUSED_LINK": paused_link,
    "TEST": testing,
}


def reach(s: Session, state: str) -> None:
    """Bring the implementation to a state. Raises Inconclusive if it does not come there."""
    try:
        _PREAMBLES[state](s)
    except Fail as fail:
        raise Inconclusive(f"The preamble to {state} {fail}.") from None
