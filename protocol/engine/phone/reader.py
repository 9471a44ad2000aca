"""What a phone reads of a module once a session is open: its descriptor, by hash once for ever, and its modes.

Plan: the cache · reading · what is known.
"""

import hashlib
from typing import Any, Final

from opalink.protocol.codec import DecodeError, Status, decode_layout
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import DescRead, DescriptorObject, ModeTable, SensorMode
from opalink.spec.form import MS

_LARGEST: Final = 1 << 20  # bytes of a descriptor that a phone reads
_KEPT: Final = 64  # descriptors
_HEAD: Final = 4  # bytes of the answer before the data
_AGAIN: Final = 20 * MS


class Reader(PhonePart):
    """`records` are those of the descriptor by name; the last of a name counts. `complete` says that all is read."""

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self._cache: dict[bytes, bytes] = {}
        self._names = {t.tag: t.name for t in end.catalogue.space["records"].types}

    def restart(self) -> None:
        self.records: dict[str, Any] = {}
        self.modes: tuple[SensorMode, ...] = ()
        self.complete = False
        self._data = bytearray()

    # ── Reading ──

    def session_opened(self) -> None:
        self.records, self.modes, self.complete = {}, (), False
        self._data.clear()
        greeting = self.end.contact.greeting
        if greeting is None:
            return
        held = self._cache.get(greeting.desc_sha256)
        if held is not None:
            self._understand(held)
        elif greeting.desc_size > _LARGEST:
            self.end.complain(f"The descriptor has {greeting.desc_size} bytes; {_LARGEST} is the most that is read.")
        else:
            self._ask()

    def session_closed(self) -> None:
        self.end.clock.stop(("reader", "again"))
        self.complete = False

    def _ask(self) -> None:
        """The next part of the descriptor."""
        most = self.end.catalogue.channel["CONTROL"].payload_max - _HEAD
        ask = DescRead(object=DescriptorObject.DESCRIPTOR, offset=len(self._data), length=most)
        if self.end.contact.greeting is not None and self.end.send(ask) is None:
            self.end.clock.start(("reader", "again"), _AGAIN, self._ask)

    def told_desc_read(self, cause: Cause) -> None:
        greeting, asked = self.end.contact.greeting, cause.asked
        if greeting is None or self.complete or asked is None or asked.body.offset != len(self._data):
            return
        if cause.arrived.status is not Status.OK:
            self.end.complain(f"The descriptor cannot be read: {Status(cause.arrived.status).name}.")
            return
        self._data += cause.body.data
        if len(self._data) < greeting.desc_size and cause.body.data:
            self._ask()
            return
        data = bytes(self._data)
        if hashlib.sha256(data).digest() != greeting.desc_sha256:
            self.end.complain("The descriptor does not have the digest that HELLO gave for it.")
            return
        self._cache[greeting.desc_sha256] = data
        if len(self._cache) > _KEPT:
            del self._cache[next(iter(self._cache))]
        self._understand(data)

    def unanswered_desc_read(self, _: Cause) -> None:
        self._ask()

    def heard_desc_changed(self, _: Cause) -> None:
        """What was read is no longer what it was; a session knows the new digest only through DESC_CHANGED."""

    def _understand(self, data: bytes) -> None:
        try:
            found = decode_layout(self.end.catalogue.body["DESCRIPTOR"], data)
        except DecodeError as error:
            self.end.complain(f"The descriptor cannot be understood: {error}")
            return
        self.records = {self._names.get(r.tag, f"tag_{r.tag:04x}"): r.value for r in found.records}
        if self.end.module_has("SENSOR"):
            self._ask_modes()
        else:
            self._finish()

    def _ask_modes(self) -> None:
        if self.end.contact.greeting is not None and self.end.send(ModeTable()) is None:
            self.end.clock.start(("reader", "again"), _AGAIN, self._ask_modes)

    def told_mode_table(self, cause: Cause) -> None:
        if cause.arrived.status is Status.OK:
            self.modes = cause.body.modes
            self._finish()

    def unanswered_mode_table(self, _: Cause) -> None:
        self._ask_modes()

    def _finish(self) -> None:
        self.complete = True
        for part in self.end.all_parts:
            part.known()

    # ── What is known ──

    def mode(self, number: int) -> SensorMode | None:
        return next((m for m in self.modes if m.mode == number), None)
