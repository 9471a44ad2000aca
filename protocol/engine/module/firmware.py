"""Firmware as a module replaces it: the words of its firmware machine, three slots, and what an image looks like.

The format of an image is its vendor's. That of the reference modules is a head, which names component and version,
anything, and a signature over both.

Plan: images · what outlives power · guards · the download · check and writing · what runs · what it tells.
"""

import hashlib
import struct
from typing import Any, Final

from msgspec import Struct

from opalink.protocol.codec import Status
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.packets import (
    ActivationMethod,
    ActivationTime,
    FirmwareComponent,
    FirmwareFlags,
    FirmwareOp,
    FirmwareState,
    FwBegin,
    FwBeginResponse,
    FwControlResponse,
    FwPull,
    FwQueryResponse,
    FwStatus,
    TrustLevel,
)
from opalink.spec.form import MS, Local

# ── Images ───────────────────────────────────────────────────────────────────────────────────────────

COMPONENT: Final = 0  # the only one
_HEAD: Final = struct.Struct("<8sHQ")
_MAGIC: Final = b"OPALTEST"


def make_image(version: int, content: bytes, component: int = COMPONENT) -> bytes:
    """An image that the reference modules take: signed with their vendor's key, which is public knowledge."""
    from opalink.protocol.spdm.reference import sign_firmware

    image = _HEAD.pack(_MAGIC, component, version) + content
    return image + sign_firmware(image)


def _read_image(data: bytes) -> tuple[int, int] | None:
    """Component and version of an image; None for one that its vendor has not signed."""
    from opalink.protocol.spdm.reference import SIGNATURE, firmware_is_signed

    image, signature = data[:-SIGNATURE], data[-SIGNATURE:]
    if len(image) < _HEAD.size or not image.startswith(_MAGIC) or not firmware_is_signed(image, signature):
        return None
    _, component, version = _HEAD.unpack_from(image)
    return component, version


class Installed(Struct, frozen=True):
    """An image in a slot."""

    slot: int
    version: int
    digest: bytes


# ── The part ─────────────────────────────────────────────────────────────────────────────────────────

# One that runs, the one before and one to write to: an update that comes to nothing leaves both as they were.
_SLOTS: Final = 3
_SLOT_BYTES: Final = 32 << 20
_BLOCK: Final = 4096
_REPORTS: Final = 20  # a download is reported every 5 % (R-SEC-016)
_AGAIN: Final = 60 * MS  # after which bytes that have not come are asked for again: tResponse, and more
_CHECK: Final = 50 * MS, 10  # ns for every byte
_WRITE: Final = 20 * MS, 50
_RATE: Final = 10_000_000  # bytes of a download in a second, with all that comes after
_PULL, _WORK = ("firmware", "pull"), ("firmware", "work")
_SPEAKS: Final = ("READY_BASIC", "READY_FULL")


class Firmware(ModulePart):
    """`active` runs, `previous` ran before, `staged` waits; they outlive a loss of power, and so does what pends."""

    machine = "FIRMWARE"

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self._shipped = end.identity.records["identity"].firmware
        self.factory()

    def factory(self) -> None:
        """As the module was shipped."""
        self.active = Installed(0, self._shipped, image_digest())
        self.previous: Installed | None = None
        self.staged: Installed | None = None
        self._until_detached = False
        self.end.identity.run_firmware(self._shipped)

    def restart(self) -> None:
        self._offer = FwBegin()
        self._data = bytearray()
        self._reported = 0  # shares of the download
        self._verdict = Status.OK
        self._image_version = 0
        self._unsaid: FwStatus | None = None

    # ── Guards ──

    def when_component_known(self, cause: Cause) -> bool:
        return bool(cause.body.component == COMPONENT)

    def when_image_fits(self, cause: Cause) -> bool:
        return bool(cause.body.size <= _SLOT_BYTES)

    def when_version_allowed(self, cause: Cause) -> bool:
        return self._allowed(cause.body, cause.body.version)

    def _allowed(self, offer: FwBegin, version: int) -> bool:
        return bool(version >= self.active.version or offer.options & FirmwareFlags.OLDER)

    def when_more_wanted(self, cause: Cause) -> bool:
        return len(self._data) + len(self._wanted(cause)) < self._offer.size

    def when_components_known(self, cause: Cause) -> bool:
        return bool(cause.body.components == 1 << COMPONENT)

    def when_op_activate(self, cause: Cause) -> bool:
        return cause.body.op is FirmwareOp.ACTIVATE

    def when_op_abort(self, cause: Cause) -> bool:
        return cause.body.op is FirmwareOp.ABORT

    def when_op_rollback(self, cause: Cause) -> bool:
        return cause.body.op is FirmwareOp.ROLLBACK

    def when_when_now(self, cause: Cause) -> bool:
        return cause.body.when is ActivationTime.NOW

    def when_until_detached(self, _: Cause) -> bool:
        return self._until_detached

    def when_camera_idle(self, _: Cause) -> bool:
        return not any(s.started for s in self.end.streams)

    def when_previous_bootable(self, _: Cause) -> bool:
        return self.previous is not None

    def when_trust_open(self, _: Cause) -> bool:
        return self.end.has("SECURITY") and self.end.trust is TrustLevel.UNKNOWN

    def when_trust_rejected(self, _: Cause) -> bool:
        return self.end.trust is TrustLevel.REJECTED

    # ── The download ──

    def do_open_image(self, cause: Cause) -> None:
        self._offer, self._reported = cause.body, 0
        self._data.clear()

    def answer_fw_begin(self, cause: Cause) -> FwBeginResponse:
        return FwBeginResponse(block_max=_BLOCK, estimate=1 + cause.body.size // _RATE)

    def fill_fw_pull(self, _: Cause) -> FwPull:
        """One request at a time, for no more than is reported at once."""
        self.end.forget("FW_PULL")
        self.end.clock.start(_PULL, _AGAIN, self._pull_again)
        held, size = len(self._data), self._offer.size
        return FwPull(offset=held, length=max(1, min(_BLOCK, size // _REPORTS, size - held)))

    def _pull_again(self) -> None:
        """The answer or the request was lost; or the phone has said PENDING."""
        if self.end.asking("FW_PULL"):
            self.end.clock.start(_PULL, _AGAIN, self._pull_again)
        elif self.run.state == "DOWNLOAD":
            self.end.send(self.fill_fw_pull(Cause()))

    def _wanted(self, cause: Cause) -> bytes:
        """The bytes that came, if they are those that were asked for."""
        asked, came = cause.asked, cause.body
        fits = asked is not None and came.offset == len(self._data) and len(came.data) <= asked.body.length
        return bytes(came.data) if fits else b""

    def do_store_block(self, cause: Cause) -> None:
        self._data += self._wanted(cause)
        share = _REPORTS * len(self._data) // self._offer.size
        if share > self._reported and self.run.state == "DOWNLOAD":
            self._reported = share
            self.end.send(self.fill_fw_status(Cause()))

    # ── Check and writing ──

    def do_verify_image(self, _: Cause) -> None:
        self._work(_CHECK, self._checked)

    def _checked(self) -> None:
        self._verdict = self._judge()
        self.end.signal("image_bad" if self._verdict else "image_good")

    def _judge(self) -> Status:
        data = bytes(self._data)
        if hashlib.sha256(data).digest() != self._offer.digest:
            return Status.FW_BAD_HASH
        found = _read_image(data)
        if found is None:
            return Status.FW_BAD_SIGNATURE
        component, self._image_version = found
        if component != self._offer.component:
            return Status.FW_WRONG_COMPONENT
        return Status.OK if self._allowed(self._offer, self._image_version) else Status.FW_ROLLBACK

    def do_write_image(self, _: Cause) -> None:
        self._work(_WRITE, self._written)

    def _written(self) -> None:
        used = {image.slot for image in (self.active, self.previous) if image}
        slot = next(n for n in range(_SLOTS) if n not in used)
        self.staged = Installed(slot, self._image_version, self._offer.digest)
        self.end.signal("image_written")

    def _work(self, time: tuple[int, int], then: Any) -> None:
        self.end.clock.stop(_PULL)
        self.end.clock.start(_WORK, time[0] + time[1] * self._offer.size, then)

    def do_drop_image(self, _: Cause) -> None:
        self.end.clock.stop(_PULL)
        self.end.clock.stop(_WORK)
        self.end.forget("FW_PULL")
        self._data = bytearray()
        self.staged = None

    # ── What runs ──

    def do_activate(self, _: Cause) -> None:
        if self.staged is not None:
            self._data = bytearray()
            self._run(self.staged)

    def answer_fw_control(self, cause: Cause) -> FwControlResponse:
        self._until_detached = cause.body.when is ActivationTime.DETACH
        return FwControlResponse()

    def do_roll_back(self, _: Cause) -> None:
        if self.previous is not None:
            self._run(self.previous)

    def _run(self, image: Installed) -> None:
        self.active, self.previous, self.staged = image, self.active, None
        self.end.firmware_changed(image.version)

    # ── What it tells ──

    def answer_fw_query(self, _: Cause) -> FwQueryResponse:
        component = FirmwareComponent(
            component=COMPONENT,
            slot=self.active.slot,
            active=self.active.version,
            pending=self.staged.version if self.staged else 0,
            digest=self.active.digest,
            activation=ActivationMethod.AT_ONCE,
        )
        return FwQueryResponse(components=(component,))

    def when_unsaid(self, _: Cause) -> bool:
        return self._unsaid is not None

    def fill_fw_status(self, cause: Cause) -> FwStatus:
        if cause.row is not None and cause.row.event == Local("session_open") and self._unsaid is not None:
            told, self._unsaid = self._unsaid, None
            return told
        state = FirmwareState[self.run.state]
        result = cause.reasons[0] if cause.reasons else Status.OK
        if result is Status.FW_BAD_HASH:  # the first of what the row may say
            result = self._verdict
        held = len(self._data)
        done = result is Status.OK and state not in (FirmwareState.VERIFY, FirmwareState.APPLY)
        progress = 100 * held // self._offer.size if state is FirmwareState.DOWNLOAD else 100 * done
        told = FwStatus(component=COMPONENT, state=state, result=result, progress=progress, offset=held)
        self._unsaid = None if self.end.runs["ATTACH"].state in _SPEAKS else told
        return told
