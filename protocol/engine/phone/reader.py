"""What a phone reads of a module once a session is open: its descriptor, by hash once for ever, and its modes.

Plan: the cache · reading · what is known.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from opalink.protocol.codec import DecodeError, Status, decode_layout
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.part import FOR_NOW, PhonePart
from opalink.protocol.packets import DescRead, DescriptorObject, ModeTable, ObjectMask, SensorMode
from opalink.spec.form import MS, US

_LARGEST: Final = 1 << 20  # bytes of a descriptor that a phone reads
_KEPT: Final = 64  # descriptors
_HEAD: Final = 4  # bytes of the answer before the data
_AGAIN: Final = 20 * MS


class Reader(PhonePart):
    """`records` are those of the descriptor by name; the first of a name counts. `complete` says that all is read."""

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self._cache: dict[bytes, bytes] = {}
        self._names = {t.tag: t.name for t in end.catalogue.space["records"].types}

    def restart(self) -> None:
        self.records: dict[str, Any] = {}
        self.modes: tuple[SensorMode, ...] = ()
        self.complete = False
        self._digest: bytes | None = None  # of what is read; unknown where it has changed in this session
        self._data = bytearray()

    # ── Reading ──

    def session_opened(self) -> None:
        self.records, self.modes = {}, ()
        self._begin()
        greeting = self.end.part(Contact).greeting
        if greeting is None:
            return
        self._digest = greeting.desc_sha256
        held = self._cache.get(greeting.desc_sha256)
        if held is not None:
            self._understand(held)
        elif greeting.desc_size > _LARGEST:
            self.end.complain(f"The descriptor has {greeting.desc_size} bytes; {_LARGEST} is the most that is read.")
        else:
            self._ask()

    def _begin(self) -> None:
        """Whatever was being read counts for nothing."""
        self.complete, self._digest = False, None
        self._data.clear()
        self.end.clock.stop(("reader", "again"))
        for packet in ("DESC_READ", "MODE_TABLE"):
            self.end.forget(packet)

    def session_closed(self) -> None:
        self.end.clock.stop(("reader", "again"))
        self.complete = False

    def _ask(self) -> None:
        """The next part of the descriptor."""
        most = self.end.catalogue.channel["CONTROL"].payload_max - _HEAD
        ask = DescRead(object=DescriptorObject.DESCRIPTOR, offset=len(self._data), length=most)
        if self.end.part(Contact).greeting is not None and self.end.send(ask) is None:
            self._later(self._ask)

    def _later(self, step: Callable[[], None], wait: int = _AGAIN) -> None:
        self.end.clock.start(("reader", "again"), wait, step)

    def _refused(self, what: str, cause: Cause, step: Callable[[], None]) -> None:
        """What is refused for now is asked for again, when the module says; otherwise that was all."""
        status = Status(cause.arrived.status)
        if status in FOR_NOW:
            self._later(step, max(_AGAIN, cause.body.retry_after * US))
        else:
            self.end.complain(f"The {what} cannot be read: {status.name}.")

    def told_desc_read(self, cause: Cause) -> None:
        asked = cause.asked
        if self.complete or asked is None or asked.body.offset != len(self._data):
            return
        if cause.arrived.status is not Status.OK:
            self._refused("descriptor", cause, self._ask)
            return
        if cause.body.total > _LARGEST:
            self.end.complain(f"The descriptor has {cause.body.total} bytes; {_LARGEST} is the most that is read.")
            return
        self._data += cause.body.data
        if len(self._data) < cause.body.total and cause.body.data:
            self._ask()
            return
        data = bytes(self._data)
        digest = hashlib.sha256(data).digest()
        if self._digest not in (None, digest):
            self.end.complain("The descriptor does not have the digest that HELLO gave for it.")
            return
        self._cache[digest] = data
        if len(self._cache) > _KEPT:
            del self._cache[next(iter(self._cache))]
        self._understand(data)

    def heard_desc_changed(self, cause: Cause) -> None:
        """What was read is no longer what it was; the new digest comes with the next HELLO."""
        if cause.body.objects & ObjectMask.DESCRIPTOR:
            self._begin()
            self._ask()

    def _understand(self, data: bytes) -> None:
        try:
            found = decode_layout(self.end.catalogue.body["DESCRIPTOR"], data)
        except DecodeError as error:
            self.end.complain(f"The descriptor cannot be understood: {error}")
            return
        self.records = {}
        for r in found.records:
            self.records.setdefault(self._names.get(r.tag, f"tag_{r.tag:04x}"), r.value)
        if self.end.module_has("SENSOR"):
            self._ask_modes()
        else:
            self._finish()

    def _ask_modes(self) -> None:
        if self.end.part(Contact).greeting is not None and self.end.send(ModeTable()) is None:
            self._later(self._ask_modes)

    def told_mode_table(self, cause: Cause) -> None:
        if cause.arrived.status is Status.OK:
            self.modes = cause.body.modes
            self._finish()
        else:
            self._refused("table of modes", cause, self._ask_modes)

    def _finish(self) -> None:
        self.complete = True
        for part in self.end.all_parts:
            if isinstance(part, PhonePart):
                part.known()

    # ── What is known ──

    def mode(self, number: int) -> SensorMode | None:
        return next((m for m in self.modes if m.mode == number), None)
