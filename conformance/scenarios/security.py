"""Scenarios of security and firmware.

SPDM is tested as far as the link carries it: its own conformance is DMTF's business.

Plan: trust · firmware.
"""

import hashlib
from typing import TYPE_CHECKING

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import OFFERS, greet, link_lost, offer, ready, resume
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import FirmwareOp, FirmwareState, MachineId, OperationTag, TrustLevel
from opalink.spec.form import MS, SECOND, US

if TYPE_CHECKING:
    from opalink.protocol.spdm import Ask, Outcome

_GET_VERSION = bytes((0x10, 0x84, 0, 0))
_ERROR = 0x7F

# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────


def _trust(s: Session, level: TrustLevel, **more: int) -> None:
    s.tell(p.TrustPolicy(level=level, max_power=10_000, granted=(1 << 64) - 1, **more))  # type: ignore[arg-type]
    s.let(MS)


@scenario(
    "SEC/SPDM/BV-version", "R-SEC-002",
    given="a module with SPDM in READY", when="GET_VERSION comes", then="it answers VERSION", needs="SECURITY",
)  # fmt: skip
def spdm_version(s: Session) -> None:
    ready(s)
    body = s.asks(p.Spdm(message=_GET_VERSION))
    s.expect(body.message[1] == 0x04, "VERSION (0x04)", f"{body.message[1]:#04x}")


@scenario(
    "SEC/SPDM/BI-unknown", "R-SEC-002",
    given="a module with SPDM in READY", when="an SPDM request comes that SPDM does not know",
    then="it answers with status OK and an SPDM ERROR", needs="SECURITY",
)  # fmt: skip
def spdm_refuses_within_spdm(s: Session) -> None:
    ready(s)
    for code in (0xC0, 0xFF, 0x00):
        body = s.asks(p.Spdm(message=bytes((0x12, code, 0, 0))))
        s.expect(body.message[1] == _ERROR, "ERROR (0x7F)", f"{body.message[1]:#04x}")


@scenario(
    "SEC/SPDM/BI-secured", "R-SEC-003",
    given="a module with SPDM in READY", when="a message comes whose first byte is no SPDM 1.x version",
    then="it answers NEEDS_SESSION", needs="SECURITY",
)  # fmt: skip
def secured_messages_need_a_session(s: Session) -> None:
    ready(s)
    for first in (0x00, 0x0F, 0x20, 0xFF):
        s.expect_status(s.ask(p.Spdm(message=bytes((first, 0x84, 0, 0)))), Status.NEEDS_SESSION)


def _authenticate(s: Session) -> tuple["Outcome", int]:
    """What comes of an authentication, whoever the module is; and the time until CHALLENGE was answered that was not
    the phone's. A module that does not speak SPDM as this tester does cannot be judged by it."""
    from opalink.protocol.spdm import Code, Doubt, Requester

    requester = Requester(None, None, lambda: s.random.randbytes(32))
    ask: Ask | None = requester.start()
    spent = 0
    while ask is not None:
        s.let(ask.wait * US)
        challenged = requester.step is Code.GET_MEASUREMENTS  # what follows the challenge has no time of its own
        begun = s.now
        heard = s.ask(p.Spdm(message=ask.message))
        s.expect_status(heard, Status.OK)
        spent += 0 if challenged else ask.wait * US + heard.time - begun
        ask = requester.receive(bytes(heard.body.message))
    found = requester.outcome
    if found is None or found.doubt in (Doubt.VERSION, Doubt.ALGORITHM):
        raise Inapplicable("It speaks SPDM in a way that this tester does not.")
    s.need(found.doubt is None, f"The authentication failed: {found.detail}.")
    return found, spent


@scenario(
    "SEC/SPDM/TI-auth", "R-SEC-001",
    given="a module with SPDM in READY", when="it is authenticated from GET_VERSION on",
    then="it answers CHALLENGE within tAuth", needs="SECURITY",
)  # fmt: skip
def authentication_takes_no_longer_than_it_may(s: Session) -> None:
    ready(s)
    _, spent = _authenticate(s)
    s.waited(spent, s.timer("tAuth"), "CHALLENGE_AUTH")


def _expect_measured(s: Session) -> None:
    from opalink.protocol.spdm import SESSION_INDEX, session_digest

    found, _ = _authenticate(s)
    measured = found.measurements.get(SESSION_INDEX)
    # On the packet plane no LINK_PARAMS comes to the module.
    agreed = (s.flits.ours, s.flits.theirs) if s.flits and s.flits.ours and s.flits.theirs else None
    wanted = session_digest(s.shown, s.beacon, agreed, (s.hello, s.greeting))
    s.expect(measured is not None, "a measurement 0xE0", "none")
    s.expect(measured == wanted, f"the measurement {wanted.hex()}", f"{(measured or b'').hex()}")


@scenario(
    "SEC/SPDM/BV-session", "R-SEC-004",
    given="a module with SPDM in READY", when="it is authenticated, and again in a new session",
    then="measurement 0xE0 is that of the session each time", needs="SECURITY",
)  # fmt: skip
def the_session_is_measured(s: Session) -> None:
    ready(s)
    _expect_measured(s)
    greet(s)
    _expect_measured(s)


@scenario(
    "SEC/SPDM/BV-resumed", "R-SEC-004",
    given="a module with SPDM in a session", when="its link is lost and the session resumed",
    then="measurement 0xE0 is that of the session as it was resumed", needs="SECURITY LASER",
    operations=("lane_down", "lane_up"),
)  # fmt: skip
def the_session_is_measured_as_it_was_resumed(s: Session) -> None:
    link_lost(s)
    resume(s)
    _expect_measured(s)


@scenario(
    "SEC/TRUST/CA-power", "R-SEC-006",
    given="a module of which the phone knows nothing", when="TRUST_POLICY allows little power, and more is offered",
    then="it asks for no more than it was allowed", needs="SECURITY CONTRACT",
)  # fmt: skip
def power_is_asked_for_within_the_policy(s: Session) -> None:
    for allowed in (5000, 1500, 500):
        s.rebind()
        ready(s)
        s.tell(p.TrustPolicy(level=TrustLevel.UNKNOWN, max_power=allowed, granted=(1 << 64) - 1))
        offer(s)
        heard = s.take(p.PwrRequest, EVENTUALLY)
        if heard is None:
            raise Inapplicable("It asks for no power of what was offered.")
        power = OFFERS[heard.body.object].max * heard.body.operating // 1000
        s.expect(power <= allowed, f"at most {allowed} mW", f"{power} mW")


@scenario(
    "SEC/TRUST/BV-levels", "R-SEC-008",
    given="a module with SPDM in READY", when="TRUST_POLICY says GENUINE for a second",
    then="it is GENUINE, and after a second no longer", needs="SECURITY",
)  # fmt: skip
def trust_expires(s: Session) -> None:
    ready(s)
    _trust(s, TrustLevel.GENUINE, expires=1)
    begun = s.now
    found = s.reaches(MachineId.AUTH, "GENUINE", within=SECOND // 2)
    s.expect(found == "GENUINE", "GENUINE", found)
    s.let(begun + SECOND + 50 * MS - s.now)
    found = s.state(MachineId.AUTH)
    s.expect(found == "NONE", "NONE", found)


@scenario(
    "SEC/TRUST/BV-resumed", "R-SEC-007",
    given="a module that the phone takes for genuine", when="its link is lost and the session resumed",
    then="nothing is known of it any more", needs="SECURITY LASER", operations=("lane_down", "lane_up"),
)  # fmt: skip
def trust_does_not_survive(s: Session) -> None:
    link_lost(s)
    resume(s)
    _trust(s, TrustLevel.MEASURED)
    found = s.reaches(MachineId.AUTH, "MEASURED")
    s.expect(found == "MEASURED", "MEASURED", found)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=p.Lane.LASER))
    s.light = False
    s.let(10 * MS)
    resume(s)
    found = s.state(MachineId.AUTH)
    s.expect(found == "NONE", "NONE", found)


# ── Firmware ─────────────────────────────────────────────────────────────────────────────────────────


def _component(s: Session) -> p.FirmwareComponent:
    """The first component; the layout has at least one."""
    found: p.FirmwareComponent = s.asks(p.FwQuery()).components[0]
    return found


def begin(s: Session, image: bytes, digest: bytes | None = None) -> p.FirmwareComponent:
    """Offer an image; it is served by the tester's phone."""
    part = _component(s)
    s.phone.image = image
    digest = hashlib.sha256(image).digest() if digest is None else digest
    s.asks(p.FwBegin(component=part.component, size=len(image), version=part.active + 1, digest=digest))
    return part


def told(s: Session, *states: FirmwareState, within: int = 30 * SECOND, charged: str = "R-SEC-015") -> Heard:
    """FW_STATUS with one of these states."""
    heard = s.take(lambda h: isinstance(h.body, p.FwStatus) and h.body.state in states, within)
    if heard is None:
        s.fail(f"FW_STATUS {' or '.join(x.name for x in states)}", "none", charged)
    return heard


@scenario(
    "SEC/FW/BI-digest", "R-SEC-010", "R-SEC-015", "R-SEC-013", "R-SEC-017",
    given="a module whose firmware can be updated", when="an image comes that is not what its digest says",
    then="it pulls all of it, and gives it up with FW_BAD_HASH", needs="FIRMWARE",
)  # fmt: skip
def an_image_of_another_digest(s: Session) -> None:
    ready(s)
    begin(s, s.random.randbytes(50_000), bytes(32))
    told(s, FirmwareState.VERIFY)
    heard = told(s, FirmwareState.IDLE)
    s.expect(heard.body.result == Status.FW_BAD_HASH, "FW_BAD_HASH", f"{heard.body.result}")


@scenario(
    "SEC/FW/BI-signature", "R-SEC-011", "R-SEC-015",
    given="a module whose firmware can be updated", when="an image comes that nobody has signed",
    then="it gives it up with FW_BAD_SIGNATURE", needs="FIRMWARE",
)  # fmt: skip
def an_image_that_nobody_signed(s: Session) -> None:
    ready(s)
    begin(s, s.random.randbytes(50_000))
    heard = told(s, FirmwareState.IDLE)
    s.expect(heard.body.result == Status.FW_BAD_SIGNATURE, "FW_BAD_SIGNATURE", f"{heard.body.result}")


@scenario(
    "SEC/FW/BV-abort", "R-SEC-012", "R-SEC-015",
    given="a module in the middle of a download", when="FW_CONTROL gives it up",
    then="it says so, and runs what ran before", needs="FIRMWARE",
)  # fmt: skip
def a_download_is_given_up(s: Session) -> None:
    ready(s)
    s.phone.mute.add(p.FwPull)  # a quick module would else be done with it
    part = begin(s, bytes(100_000))
    s.asks(p.FwControl(op=FirmwareOp.ABORT, components=1))
    told(s, FirmwareState.IDLE)
    after = _component(s)
    s.expect(after.active == part.active and after.digest == part.digest, f"{part}", f"{after}")


@scenario(
    "SEC/FW/BV-resumed", "R-SEC-014",
    given="a module in the middle of a download", when="its link is lost and the session resumed",
    then="it goes on at the first byte that it does not hold", needs="FIRMWARE LASER",
    operations=("lane_down", "lane_up"),
)  # fmt: skip
def a_download_goes_on(s: Session) -> None:
    ready(s)
    pulled: list[int] = []

    def serve(heard: Heard) -> None:
        asked = heard.body
        if len(pulled) == 3:
            return
        pulled.append(asked.offset + asked.length)
        s.reply(heard, p.FwPullResponse(offset=asked.offset, data=bytes(asked.length)))

    s.phone.answers[p.FwPull] = serve
    begin(s, bytes(200_000))
    deadline = s.now + EVENTUALLY
    while len(pulled) < 3 and s.now < deadline:
        s.let(10 * MS)
    s.need(len(pulled) == 3, f"{len(pulled)} blocks were pulled, not 3.")
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=p.Lane.LASER))
    s.light = False
    s.let(100 * MS)
    s.clear()
    resume(s)
    heard = s.take(p.FwPull, EVENTUALLY)
    if heard is None:
        s.fail("FW_PULL", "none")
    s.expect(heard.body.offset == pulled[-1], f"offset {pulled[-1]}", f"{heard.body.offset}")


@scenario(
    "SEC/FW/BV-unheard", "R-SEC-018",
    given="a module that has pulled the whole of an image that nobody has signed",
    when="its link is lost while it checks it, and the session resumed",
    then="it says what became of it", needs="FIRMWARE LASER", operations=("lane_down", "lane_up"),
)  # fmt: skip
def what_became_of_an_image_in_the_dark(s: Session) -> None:
    ready(s)
    image = s.random.randbytes(5_000)
    last: list[Heard] = []  # the pull that the whole image answers; by then FW_BEGIN has its own answer

    def serve(heard: Heard) -> None:
        if heard.body.offset + heard.body.length >= len(image):
            last.append(heard)
        else:
            answer(heard)

    def answer(heard: Heard) -> None:
        start = heard.body.offset
        s.reply(heard, p.FwPullResponse(offset=start, data=image[start : start + heard.body.length]))

    s.phone.answers[p.FwPull] = serve
    begin(s, image)
    deadline = s.now + EVENTUALLY
    while not last and s.now < deadline:
        s.let(10 * MS)
    s.need(bool(last), "It did not pull the whole image.")
    answer(last[0])
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=p.Lane.LASER))
    s.light = False
    s.let(SECOND)
    resume(s)
    told(s, FirmwareState.IDLE, charged="R-SEC-018")


@scenario(
    "SEC/FW/BV-power_lost", "R-SEC-012",
    given="a module in the middle of a download", when="the contacts open and close again",
    then="it runs what ran before, and no update is under way", needs="FIRMWARE", operations=("attach", "detach"),
)  # fmt: skip
def a_download_is_cut_off(s: Session) -> None:
    ready(s)
    s.phone.mute.add(p.FwPull)
    part = begin(s, bytes(100_000))
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.let(20 * MS)
    ready(s)
    after = _component(s)
    s.expect(after.active == part.active, f"version {part.active:#x}", f"{after.active:#x}")
    s.expect(s.state(MachineId.FIRMWARE) == "IDLE", "IDLE", s.state(MachineId.FIRMWARE))
