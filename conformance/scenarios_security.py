"""Scenarios of security and firmware.

SPDM is tested as far as the link carries it: its own conformance is DMTF's business.

Plan: trust · firmware.
"""

import hashlib

from opalink.conformance.monitors import Heard
from opalink.conformance.preambles import link_lost, ready, resume
from opalink.conformance.scenarios import scenario
from opalink.conformance.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import FirmwareOp, FirmwareState, MachineId, OperationTag, TrustLevel
from opalink.spec.form import MS, SECOND

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


def _begin(s: Session, image: bytes, digest: bytes | None = None) -> p.FirmwareComponent:
    """Offer an image; it is served by the tester's phone."""
    part = _component(s)
    s.phone.image = image
    digest = hashlib.sha256(image).digest() if digest is None else digest
    s.asks(p.FwBegin(component=part.component, size=len(image), version=part.active + 1, digest=digest))
    return part


def _told(s: Session, *states: FirmwareState, within: int = 30 * SECOND) -> Heard:
    heard = s.take(lambda h: isinstance(h.body, p.FwStatus) and h.body.state in states, within)
    if heard is None:
        s.fail(f"FW_STATUS {' or '.join(x.name for x in states)}", "none", "R-SEC-015")
    return heard


@scenario(
    "SEC/FW/BI-digest", "R-SEC-010", "R-SEC-015", "R-SEC-013", "R-SEC-017",
    given="a module whose firmware can be updated", when="an image comes that is not what its digest says",
    then="it pulls all of it, and gives it up with FW_BAD_HASH", needs="FIRMWARE",
)  # fmt: skip
def an_image_of_another_digest(s: Session) -> None:
    ready(s)
    _begin(s, s.random.randbytes(50_000), bytes(32))
    _told(s, FirmwareState.VERIFY)
    heard = _told(s, FirmwareState.IDLE)
    s.expect(heard.body.result == Status.FW_BAD_HASH, "FW_BAD_HASH", f"{heard.body.result}")


@scenario(
    "SEC/FW/BI-signature", "R-SEC-011", "R-SEC-015",
    given="a module whose firmware can be updated", when="an image comes that nobody has signed",
    then="it gives it up with FW_BAD_SIGNATURE", needs="FIRMWARE",
)  # fmt: skip
def an_image_that_nobody_signed(s: Session) -> None:
    ready(s)
    _begin(s, s.random.randbytes(50_000))
    heard = _told(s, FirmwareState.IDLE)
    s.expect(heard.body.result == Status.FW_BAD_SIGNATURE, "FW_BAD_SIGNATURE", f"{heard.body.result}")


@scenario(
    "SEC/FW/BV-abort", "R-SEC-012", "R-SEC-015",
    given="a module in the middle of a download", when="FW_CONTROL gives it up",
    then="it says so, and runs what ran before", needs="FIRMWARE",
)  # fmt: skip
def a_download_is_given_up(s: Session) -> None:
    ready(s)
    part = _begin(s, bytes(100_000))
    s.asks(p.FwControl(op=FirmwareOp.ABORT, components=1))
    _told(s, FirmwareState.IDLE)
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
    _begin(s, bytes(200_000))
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
    "SEC/FW/BV-power_lost", "R-SEC-012",
    given="a module in the middle of a download", when="the contacts open and close again",
    then="it runs what ran before, and no update is under way", needs="FIRMWARE", operations=("attach", "detach"),
)  # fmt: skip
def a_download_is_cut_off(s: Session) -> None:
    ready(s)
    part = _begin(s, bytes(100_000))
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.let(20 * MS)
    ready(s)
    after = _component(s)
    s.expect(after.active == part.active, f"version {part.active:#x}", f"{after.active:#x}")
    s.expect(s.state(MachineId.FIRMWARE) == "IDLE", "IDLE", s.state(MachineId.FIRMWARE))
