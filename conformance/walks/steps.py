"""Steps of walks: packets as they are, the session, the link, power, security.

Plan: packets · attach and link · power · security.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import structs

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.tester.preambles import OFFERS, hello, show
from opalink.conformance.tester.session import Session
from opalink.conformance.walks.table import STEPS, Step, ask, do, just, memory, tell
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.ir.legality import received
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import MS, SECOND, US, Form, Role

# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def _plain() -> Iterator[tuple[str, str, Form, type]]:
    for packet, form in received(catalogue(), Role.MODULE):
        yield packet.name.lower(), packet.name, form, getattr(p, packet.forms[form])


for _name, _packet, _form, _cls in _plain():
    (ask if _form is Form.REQUEST else tell)(f"{_name}.{_form}", _packet, just(_cls()))

# ── Attach and link ──────────────────────────────────────────────────────────────────────────────────


def _again(s: Session) -> p.Hello:
    return hello(s, resume=s.greeting is not None)


def _stranger(s: Session) -> p.Hello:
    return structs.replace(hello(s), resume_session=7)


do("show", lambda s: show(s) if s.beacon else None)
ask("hello.new", "HELLO", hello)
ask("hello.resume", "HELLO", _again)
ask("hello.stranger", "HELLO", _stranger)
ask("hello.version", "HELLO", lambda s: structs.replace(hello(s), low_major=14, high_major=15))
for _phase in p.EjectPhase:
    ask(f"eject.{_phase.name.lower()}", "EJECT", just(p.Eject(phase=_phase, grace=1000)))
for _level in p.ResetLevel:
    ask(f"reset.{_level.name.lower()}", "RESET", just(p.Reset(level=_level)))
for _target in p.LinkPower:
    ask(f"link_pm.{_target.name.lower()}", "LINK_PM", just(p.LinkPm(target=_target)))
ask("retrain.keep", "RETRAIN_REQ", just(p.RetrainReq(keep_config=1)))


def _idle(s: Session) -> None:
    """The tester agrees on nothing by itself any more."""
    if s.flits is None:
        raise Inapplicable("The bench does this.")
    s.flits.idle = True


def _agree(s: Session) -> None:
    if s.flits is None:
        raise Inapplicable("The bench does this.")
    s.flits.agree()


do("link.unanswered", _idle)
STEPS["link.agreed"] = Step(does=_agree, packet="LINK_PARAMS")
ask("retrain", "RETRAIN_REQ", lambda s: p.RetrainReq(gears=s.beacon.gears_down if s.beacon else 1))
ask("train.beyond", "TRAIN_REQ", just(p.TrainReq(gear=max(p.LaserGear))))
ask("laser.test", "LASER_SAFETY", just(p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.TEST)))
ask("laser.auto", "LASER_SAFETY", just(p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.AUTO)))


def _refuse_keepalive(s: Session) -> None:
    """The next KEEPALIVE learns that there is no session."""
    s.phone.answers[p.Keepalive] = lambda h: s.reply(h, p.Refusal(), Status.NEEDS_SESSION)


do("keepalive.refused", _refuse_keepalive)
do("keepalive.unanswered", lambda s: s.phone.mute.add(p.Keepalive))

# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


def _offer(s: Session) -> None:
    """New offers, under the next generation."""
    s.phone.offers = OFFERS
    memory(s)["offers"] = memory(s).get("offers", 0) + 1
    s.tell(p.PwrSourceCaps(generation=memory(s)["offers"], total=15_000, offers=OFFERS))


def unanswered(s: Session, kind: type) -> Any:
    """The last request of the module's of a kind that was left unanswered."""
    found = s.heard(kind)
    if not found:
        raise Inapplicable("It has asked for nothing.")
    s.inbox.remove(found[-1])
    return found[-1]


def _refuse(status: Status) -> Callable[[Session], object]:
    reason = p.RejectReason.NO_OFFER
    return lambda s: s.reply(unanswered(s, p.PwrRequest), p.PwrRequestError(reason=reason), status)


def _power_ready(s: Session) -> Any:
    s.phone.contracts += 1
    return p.PwrReady(object=0, voltage=5000, limit=600, contract=s.phone.contracts)


STEPS["offer"] = Step(does=_offer, packet="PWR_SOURCE_CAPS", form=Form.EVENT)
do("power.unanswered", lambda s: s.phone.mute.add(p.PwrRequest))
do("power.granted", lambda s: s.reply(unanswered(s, p.PwrRequest), p.PwrRequestResponse()))
do("power.wait", _refuse(Status.PWR_WAIT))
do("power.rejected", _refuse(Status.PWR_REJECT))
tell("power.ready", "PWR_READY", _power_ready)
ask("budget.low", "PWR_BUDGET", lambda s: p.PwrBudget(max=s.known.caps.min_ready if s.known.caps else 600))
ask("budget.high", "PWR_BUDGET", just(p.PwrBudget(max=60_000)))
tell("power.soft", "PWR_RESET", just(p.PwrReset(level=p.PowerResetLevel.SOFT)))
tell("power.hard", "PWR_RESET", just(p.PwrReset(level=p.PowerResetLevel.HARD, off_time=30)))
tell("power.latched", "PWR_FAULT", just(p.PwrFault(kind=p.PowerFaultKind.OVER_CURRENT, latched=1, count=1)))
ask(
    "swap.to_phone",
    "PWR_ROLE_SWAP",
    just(p.PwrRoleSwap(direction=p.PowerDirection.TO_PHONE, voltage=5000, current=100)),
)
ask(
    "swap.too_much",
    "PWR_ROLE_SWAP",
    just(p.PwrRoleSwap(direction=p.PowerDirection.TO_PHONE, voltage=20_000, current=0xFFFF)),
)
ask("swap.to_module", "PWR_ROLE_SWAP", just(p.PwrRoleSwap(direction=p.PowerDirection.TO_MODULE)))


def _ask_back(s: Session) -> Any:
    """The phone asks for what a module that supplies has offered."""
    found = s.heard(p.PwrSourceCaps)
    if not found:
        raise Inapplicable("It has offered nothing.")
    return p.PwrRequest(generation=found[-1].body.generation, object=0, operating=50, max=100)


ask("power.ask_back", "PWR_REQUEST", _ask_back)

# ── Security ─────────────────────────────────────────────────────────────────────────────────────────

for _trust in p.TrustLevel:
    tell(
        f"trust.{_trust.name.lower()}",
        "TRUST_POLICY",
        just(p.TrustPolicy(level=_trust, max_power=10_000, granted=(1 << 64) - 1)),
    )
tell(
    "trust.brief",
    "TRUST_POLICY",
    just(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=10_000, granted=(1 << 64) - 1, expires=1)),
)
ask("spdm.secured", "SPDM", just(p.Spdm(message=bytes((0, 0x84, 0, 0)))))


def _authenticating(s: Session) -> p.Spdm:
    """The next message of an authentication."""
    from opalink.protocol.spdm import Requester

    requester = memory(s).get("requester")
    if requester is None:
        memory(s)["requester"] = requester = Requester(None, None, lambda: s.random.randbytes(32))
        memory(s)["next"] = requester.start()
    following = memory(s)["next"]
    if following is None:
        raise Inapplicable("The authentication is over.")
    return p.Spdm(message=following.message)


def _spdm_next(s: Session) -> None:
    body = _authenticating(s)
    heard = s.ask(body)
    if heard.status != Status.OK:
        raise Inapplicable(f"SPDM was answered {heard.status!r}.")
    memory(s)["next"] = following = memory(s)["requester"].receive(bytes(heard.body.message))
    if following is not None:
        s.let(following.wait * US)


def _spdm_until(name: str) -> Callable[[Session], object]:
    """As far as a message has been answered."""

    def go(s: Session) -> None:
        from opalink.protocol.spdm import Code

        last = False
        while not last:
            _authenticating(s)
            last = memory(s)["requester"].step is Code[name]
            _spdm_next(s)

    return go


for _code in ("NEGOTIATE_ALGORITHMS", "GET_CERTIFICATE", "CHALLENGE"):
    STEPS[f"spdm.{_code.lower()}"] = Step(does=_spdm_until(_code), packet="SPDM")


def _spdm_anew(s: Session) -> p.Spdm:
    memory(s).pop("requester", None)
    return _authenticating(s)


STEPS["spdm.next"] = Step(does=_spdm_next, packet="SPDM")
ask("spdm.anew", "SPDM", _spdm_anew)


def _image(size: int) -> Callable[[Session], Any]:
    def begin(s: Session) -> Any:
        heard = s.ask(p.FwQuery())
        if heard.status != Status.OK or not heard.body.components:
            raise Inapplicable("It has no firmware that can be replaced.")
        part = heard.body.components[0]
        s.phone.image = s.random.randbytes(size)
        digest = hashlib.sha256(s.phone.image).digest()
        return p.FwBegin(component=part.component, size=size, version=part.active + 1, digest=digest)

    return begin


_NONE: Final = 0xFE  # a component that hardly any module has
_IMAGE: Final = 4096  # B
_OFTEN: Final = 4  # that an answered block is asked for, however often one is lost


def _no_component(s: Session) -> p.FwBegin:
    heard = s.ask(p.FwQuery())
    if heard.status == Status.OK and _NONE in {part.component for part in heard.body.components}:
        raise Inapplicable("It has that component.")
    return p.FwBegin(component=_NONE, size=64, version=1)


# It has the component, and a newer version is no older than any policy allows.
ask("update.begin", "FW_BEGIN", _image(_IMAGE), "component_known", "version_allowed")
ask("update.unknown", "FW_BEGIN", _no_component, "component_known")
do("update.unserved", lambda s: s.phone.mute.add(p.FwPull))
do("update.refused", lambda s: s.reply(unanswered(s, p.FwPull), p.Refusal(), Status.RANGE_LIMIT))


def _block(s: Session) -> tuple[int, bool]:
    """What the last FW_PULL asks for; the image that comes of it is none that a vendor has signed. Returns where it
    begins, and whether that is all of it."""
    s.let(MS)
    asked = unanswered(s, p.FwPull)
    start, length = asked.body.offset, asked.body.length
    s.reply(asked, p.FwPullResponse(offset=start, data=bytes(length)))
    return start, start + length >= _IMAGE


def _blocks(s: Session) -> None:
    """All blocks."""
    times, last = Counter[int](), False
    while not last:
        start, last = _block(s)
        times[start] += 1
        s.expect(times[start] < _OFTEN, "the bytes that came not to be asked for again", f"FW_PULL from {start} again")
        s.let(100 * MS)


def _found_bad(s: Session) -> None:
    """It finds that the image is none of its vendor's."""
    told = s.take(lambda h: isinstance(h.body, p.FwStatus) and h.body.state == p.FirmwareState.IDLE, 60 * SECOND)
    s.expect(told is not None, "FW_STATUS to say that the image is bad", "nothing", "R-SEC-010")


STEPS["update.blocks"] = Step(does=_blocks, packet="FW_PULL", form=Form.RESPONSE)
do("update.bad", _found_bad)


def _away(s: Session) -> None:
    """The light goes and comes back at once."""
    s.operate(p.OperationTag.LANE_DOWN, p.LaneDownOperation(lane=p.Lane.LASER))
    s.light = False
    s.let(2 * MS)
    s.operate(p.OperationTag.LANE_UP, p.LaneUpOperation(lane=p.Lane.LASER))
    s.let(2 * MS)
    if s.beacon:
        show(s)


do("away", _away, "lane_down")
STEPS["update.block"] = Step(does=_block, packet="FW_PULL", form=Form.RESPONSE)
for _op in p.FirmwareOp:
    ask(f"update.{_op.name.lower()}", "FW_CONTROL", just(p.FwControl(op=_op)))
ask("update.nowhere", "FW_CONTROL", just(p.FwControl(components=1 << 31)))
