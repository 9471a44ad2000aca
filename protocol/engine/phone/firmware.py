"""Updating a module's firmware: the words of the phone's firmware machine.

Plan: an image · what is asked for · the words.
"""

import hashlib
from typing import Final

from msgspec import Struct

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import (
    ActivationTime,
    FirmwareFlags,
    FirmwareOp,
    FirmwareState,
    FwBegin,
    FwControl,
    FwPullResponse,
    FwQuery,
    FwStatus,
)

_NOTHING: Final = b""


class Image(Struct, frozen=True):
    """An image for a component. `version` is in the form of FW_QUERY."""

    component: int
    version: int
    data: bytes
    options: FirmwareFlags = FirmwareFlags(0)


class Firmware(PhonePart):
    """`status` is what the module last said of the update; None if it has said nothing."""

    machine = "FIRMWARE"

    def restart(self) -> None:
        self.image = Image(0, 0, _NOTHING)
        self.when = ActivationTime.DETACH
        self.status: FwStatus | None = None
        self._row = 0  # of the component in FW_QUERY

    def update(self, image: Image, when: ActivationTime = ActivationTime.DETACH) -> None:
        """Offer an image once it is known which components there are. Raises ValueError for an empty one."""
        if not image.data:
            raise ValueError("An image has at least one byte.")
        self.image, self.when = image, when
        self.end.send(FwQuery())

    def told_fw_query(self, cause: Cause) -> None:
        numbers = [c.component for c in getattr(cause.body, "components", ())]
        if self.image.data and self.image.component in numbers:
            self._row = numbers.index(self.image.component)
            self.end.signal("update_wanted")
        elif self.image.data:
            self.end.complain(f"The module has no firmware component {self.image.component}.")

    # ── The words ──

    def when_within_image(self, cause: Cause) -> bool:
        return bool(cause.body.offset + cause.body.length <= len(self.image.data))

    def when_auth_done(self, _: Cause) -> bool:
        return bool(self.end.part(Contact).auth_done)

    def when_image_staged(self, cause: Cause) -> bool:
        return cause.body.state is FirmwareState.STAGED

    def when_image_dropped(self, cause: Cause) -> bool:
        return cause.body.state is FirmwareState.IDLE

    def fill_fw_begin(self, _: Cause) -> FwBegin:
        image = self.image
        return FwBegin(
            component=image.component,
            size=len(image.data),
            version=image.version,
            digest=hashlib.sha256(image.data).digest(),
            options=image.options,
        )

    def fill_fw_control(self, _: Cause) -> FwControl:
        return FwControl(op=FirmwareOp.ACTIVATE, components=1 << self._row, when=self.when)

    def answer_fw_pull(self, cause: Cause) -> FwPullResponse:
        ask = cause.body
        return FwPullResponse(offset=ask.offset, data=self.image.data[ask.offset : ask.offset + ask.length])

    def heard_fw_status(self, cause: Cause) -> None:
        self.status = cause.body
