"""Scenarios of time, of trust and of firmware.

Plan: time · trust · firmware.
"""

import hashlib
from collections.abc import Callable

from opalink.protocol import codec
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.engine.module.firmware import make_image
from opalink.protocol.packets import (
    ActivationTime,
    Eject,
    EjectPhase,
    FirmwareOp,
    FwBegin,
    FwControl,
    FwPullResponse,
    Keepalive,
    Lane,
    Refusal,
    Reset,
    ResetLevel,
    Spdm,
    StreamConfigure,
    StreamOp,
    TimeSyncResponse,
    TriggerAction,
    TriggerAt,
    TrustLevel,
)
from tests.engine_phone import MS
from tests.engine_rows.camera import TWO, control
from tests.engine_rows.watched import Watched, scenario

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
