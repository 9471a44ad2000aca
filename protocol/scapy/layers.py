# SPDX-License-Identifier: GPL-2.0-only
# ruff: noqa: SLF001 (the public names of a layer are its fields)
"""What every layer has: reading, what becomes of bytes that are wrong, building, plain values.

A layer reads its bytes by its generated `read`, with the same checks in the same order as `opalink.protocol.codec`.
Bytes that do not pass are never an exception: they stand in a layer `Malformed`, a kind of Raw, which says what is
wrong, and `fault` of every layer around it is that DecodeError. With

    conf.contribs["OPAL"]["strict"] = True

dissection raises it, and building refuses what a receiver would: EncodeError. As everywhere in scapy, a number that
could be computed (length, count, check) is after dissection what it was on the wire: `del pkt.crc` has it computed.

Plan: strictness · layers made quickly · every layer · rows and TLVs · envelopes · the packet.
"""

import struct
import time
from typing import Any, ClassVar

from scapy.config import conf
from scapy.packet import NoPayload, Packet, Raw

from opalink.protocol.errors import DecodeError, EncodeError, Fault
from opalink.protocol.runtime import Run, long, short
from opalink.protocol.scapy.fields import Crc

# ── Strictness ───────────────────────────────────────────────────────────────────────────────────────

conf.contribs["OPAL"] = {"strict": False}


def _strict() -> bool:
    return bool(conf.contribs["OPAL"]["strict"])


class Malformed(Raw):
    """Bytes that are not what they should be."""

    __slots__ = ["why"]
    why: DecodeError | None

    @classmethod
    def of(cls, data: bytes, why: DecodeError) -> "Malformed":
        made = cls(load=data)
        made.why, made.name = why, f"Malformed: {why}"
        return made

    def copy(self) -> "Malformed":
        clone = super().copy()
        clone.why, clone.name = self.why, self.name
        return clone

    def mysummary(self) -> Any:
        return str(self.name), [type(self.underlayer)]  # whose summary is wanted too


# ── Layers made quickly ──────────────────────────────────────────────────────────────────────────────


def _setter(name: str) -> Any:
    """How an attribute of a Packet is set past Packet.__setattr__, which looks for a field first."""
    return Packet.__dict__[name].__set__


set_fields = _setter("fields")
_set_parent, _set_underlayer, _set_payload = _setter("parent"), _setter("underlayer"), _setter("payload")
_set_original, _set_time, _set_stop = _setter("original"), _setter("time"), _setter("stop_dissection_after")
_set_fieldtype, _new, _nothing = _setter("fieldtype"), object.__new__, NoPayload()
_SHARED = {"explicit": 1, "post_transforms": ()}  # not as in a layer that is made to be built
# Read for every field, or of every layer: there from the beginning.
_THERE = ("fields", "fieldtype", "payload")
_fieldtypes: dict[type, dict[str, Any]] = {}
_models: dict[type, "Layer"] = {}


def _model(cls: type["Layer"]) -> "Layer":
    """A layer as scapy makes one for dissection."""
    if cls not in _models:
        _models[cls] = cls(_internal=1)
    return _models[cls]


def _types(cls: type["Layer"]) -> dict[str, Any]:
    """The fields of a class by name."""
    _fieldtypes[cls] = _model(cls).fieldtype
    return _fieldtypes[cls]


def _upon_demand(name: str) -> property:
    """An attribute that a layer made for dissection gets when somebody asks for it: most never do."""
    slot = Packet.__dict__[name]
    get, put = slot.__get__, slot.__set__

    def found(layer: "Layer") -> Any:
        try:
            return get(layer)
        except AttributeError:  # which it stays, where scapy leaves it unset
            value = _SHARED[name] if name in _SHARED else get(_model(type(layer)))
            put(layer, value)
            return value

    return property(found, put, slot.__delete__)


def _blank(cls: Any, parent: Packet | None) -> Any:
    """A layer without fields."""
    layer = _new(cls)
    _set_fieldtype(layer, _fieldtypes.get(cls) or _types(cls))
    _set_payload(layer, _nothing)
    if parent is not None:
        _set_parent(layer, parent)
    return layer


# ── Every layer ──────────────────────────────────────────────────────────────────────────────────────


class Layer(Packet):
    """A body, or a row of a list. `_wire` maps the declared names of its values to its attributes."""

    _wire: ClassVar[dict[str, str]] = {}

    def __init__(
        self, _pkt: Any = b"", post_transform: Any = None, _internal: int = 0, _underlayer: Packet | None = None,
        _parent: Packet | None = None, stop_dissection_after: Any = None, **fields: Any,
    ) -> None:  # fmt: skip
        if type(_pkt) is not bytes or not _pkt or post_transform or fields:
            super().__init__(
                _pkt, post_transform, _internal, _underlayer, _parent, stop_dissection_after, **fields
            )  # fmt: skip
            return
        cls = type(self)
        _set_fieldtype(self, _fieldtypes.get(cls) or _types(cls))
        _set_payload(self, _nothing)
        set_fields(self, {})
        _set_original(self, _pkt)
        if _parent is not None:
            _set_parent(self, _parent)
        if _underlayer is not None:
            _set_underlayer(self, _underlayer)
        if stop_dissection_after is not None:
            _set_stop(self, stop_dissection_after)
        self.dissect(_pkt)
        if not _internal:
            _set_time(self, time.time())

    def do_init_cached_fields(self, for_dissect_only: bool = False) -> None:
        """Each layer has rows of its own, also those that are there by default."""
        super().do_init_cached_fields(for_dissect_only)
        for name, value in self.fields.items():
            if isinstance(value, list):
                self.fields[name] = [x.copy() for x in value]

    @property
    def fault(self) -> DecodeError | None:
        """What is wrong with the bytes that this was dissected from, if anything."""
        layer: Packet = self
        while not isinstance(layer, NoPayload):
            if isinstance(layer, Malformed):
                return layer.why
            layer = layer.payload
        return None

    # ── From bytes ──

    def read(self, data: bytes, at: int, end: int, /) -> int:
        """Take the fields from `at` on, no farther than `end`; returns where they ended. Raises DecodeError."""
        raise NotImplementedError

    def do_dissect(self, s: bytes) -> bytes:
        at = self.read(s, 0, len(s))
        if at != len(s):
            raise long(at, len(s))
        return b""

    def dissect(self, s: bytes) -> None:
        try:
            rest = self.do_dissect(s)
        except DecodeError as error:
            if _strict():
                raise
            self._broken(s, error)
        else:
            if rest:
                self.do_dissect_payload(rest)

    def _broken(self, s: bytes, error: DecodeError) -> None:
        """Keep the bytes as they are, so that they can be sent again."""
        self.raw_packet_cache, self.raw_packet_cache_fields = b"", {}
        self.explicit = 1
        self.add_payload(Malformed.of(s, error))

    # ── To bytes ──

    def build(self) -> bytes:
        data: bytes = super().build()
        if _strict():
            try:
                type(self)().dissect(data)
            except DecodeError as error:
                raise EncodeError(error.path, error.detail) from None
        return data


for _name in {*Packet.__slots__} - {*_THERE}:
    setattr(Layer, _name, _upon_demand(_name))

# ── Rows and TLVs ────────────────────────────────────────────────────────────────────────────────────


def rows(
    parent: Packet, cls: type[Layer], data: bytes, at: int, end: int, n: int, name: str
) -> tuple[list[Layer], int]:
    """So many rows, and where they ended."""
    found: list[Layer] = []
    try:
        while len(found) < n:
            row = _blank(cls, parent)
            at = row.read(data, at, end)
            found.append(row)
    except DecodeError as error:
        raise error.under(f"{name}[{len(found)}]") from None
    return found, at


_HEAD = struct.Struct("<HH")


class Tlv(Layer):
    """A tag, a length and a value. `_known` are the layers by tag; `_lone` is the field that is the whole value."""

    _known: ClassVar[dict[int, type["Tlv"]]] = {}
    _lone: ClassVar[str] = ""

    def read(self, data: bytes, at: int, end: int, /) -> int:
        """The value of a TLV whose tag is unknown."""
        set_fields(self, {"value": data[at:end]})
        return end

    def do_dissect(self, s: bytes) -> bytes:
        """A TLV by itself: any tag that this layer may have, and nothing behind the value."""
        if len(s) < _HEAD.size:
            raise short("length", 0, len(s), _HEAD.size)
        tag, length = _HEAD.unpack_from(s)
        if type(self).__base__ is not Tlv and tag != self.default_fields["tag"]:
            raise DecodeError(Fault.CONST, "tag", 0, f"is {tag}, which is another layer's", tag)
        end = _HEAD.size + length
        if end > len(s):
            raise short("value", _HEAD.size, len(s), length)
        last = self.read(s, _HEAD.size, end)
        if last != len(s):
            raise long(last, len(s))
        self.fields["tag"], self.fields["length"] = tag, length
        return b""

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        if self.getfieldval("length") is None:
            if len(pkt) - 4 > 0xFFFF:
                raise EncodeError("value", f"has {len(pkt) - 4} bytes, must have 0 to 65535")
            pkt = pkt[:2] + (len(pkt) - 4).to_bytes(2, "little") + pkt[4:]
        return pkt + pay


def tlvs(parent: Packet, space: type[Tlv], data: bytes, at: int, end: int, name: str) -> list[Tlv]:
    """TLVs to the end of the window."""
    found: list[Tlv] = []
    known = space._known
    while end - at >= 4:
        tag, length = _HEAD.unpack_from(data, at)
        at += 4
        stop = at + length
        if stop > end:
            raise short(f"{name}[{len(found)}]", at, end, length)
        tlv = _blank(known.get(tag, space), parent)
        try:
            last = tlv.read(data, at, stop)
            if last != stop:
                raise long(last, stop)
        except DecodeError as error:
            raise error.under(f"{name}[{len(found)}]") from None
        tlv.fields["tag"], tlv.fields["length"] = tag, length
        found.append(tlv)
        at = stop
    if at < end:
        raise short(f"{name}[{len(found)}]", at, end, 4)
    return found


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


class Envelope(Layer):
    """A header, a payload, and a check behind it. `_head` is the header's size, `_run` says where its fields are,
    `_place` where its length is and how many bytes that has; `_size` is the payload's, where it is always the same."""

    _head: ClassVar[int] = 0
    _run: ClassVar[Run] = ()
    _place: ClassVar[tuple[int, int]] = (0, 0)
    _size: ClassVar[int | None] = None

    @classmethod
    def _check(cls) -> Crc | None:
        last = cls.fields_desc[-1]
        return last if isinstance(last, Crc) else None

    def header(self, data: bytes, /) -> int:
        """Take the header's fields; returns where the payload ends. Raises DecodeError."""
        raise NotImplementedError

    def do_dissect(self, s: bytes) -> bytes:
        return s[self._head : self.header(s)]

    def _broken(self, s: bytes, error: DecodeError) -> None:
        """Show the header, if it is all there; what is between it and the check is malformed."""
        check, head = self._check(), self._head
        behind = len(s) - (check.sz if check else 0)
        if behind < head:
            super()._broken(s, error)
            return
        found: dict[str, Any] = {}
        for item, field in zip(self._run, self.fields_desc, strict=False):  # behind them, the check
            number: Any = s[item.at : item.at + item.size]
            if not item.octets:
                number = int.from_bytes(number, "little", signed=item.signed)
                number = number >> item.shift & (1 << item.bits) - 1 if item.bits else number
            found[field.name] = number
        if check:
            found["crc"] = int.from_bytes(s[behind:], "little")
        set_fields(self, found)
        self.explicit = 1
        self.add_payload(Malformed.of(s[head:behind], error))

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        check, (at, size) = self._check(), self._place
        if self._size is not None and not isinstance(self.payload, Malformed):
            if len(pay) > self._size:
                raise EncodeError("payload", f"has {len(pay)} bytes, must have 0 to {self._size}")
            pay = pay.ljust(self._size, b"\0")
        if size and self._length() is None:
            if len(pay) >= 1 << 8 * size:
                raise EncodeError("payload", f"has {len(pay)} bytes, must have 0 to {(1 << 8 * size) - 1}")
            pkt = pkt[:at] + len(pay).to_bytes(size, "little") + pkt[at + size :]
        return pkt + pay + (check.sum(pkt + pay, self.getfieldval("crc")) if check else b"")

    def _length(self) -> Any:
        return self.getfieldval("length")


# ── The packet ───────────────────────────────────────────────────────────────────────────────────────


class PacketLayer(Envelope):
    """The envelope whose payload is a layer by type and form. `_forms` has them; `_succeeded` are the statuses of a
    response that carries what was asked for."""

    _forms: ClassVar[dict[str, dict[int, tuple[str, type[Layer]]]]] = {}
    _succeeded: ClassVar[tuple[int, ...]] = ()

    @property
    def form(self) -> str:
        """Request, response, error or event, as the header says."""
        if self.getfieldval("rsp"):
            return "response" if self.getfieldval("status") in self._succeeded else "error"
        return "request" if self.getfieldval("txn") else "event"

    def guess_payload_class(self, _: bytes) -> Any:
        found = self._forms[self.form].get(self.getfieldval("type"))
        return found[1] if found else conf.raw_layer

    def do_dissect(self, s: bytes) -> bytes:
        """The body is read where it lies: a block of a frame is copied once."""
        end, start = self.header(s), self._head
        fields, stop = self.fields, self.stop_dissection_after
        if not fields["rsp"]:
            form = "request" if fields["txn"] else "event"
        else:
            form = "response" if fields["status"] in self._succeeded else "error"
        found = self._forms[form].get(fields["type"])
        if found is None or (stop and isinstance(self, stop)):
            if end > start:
                self.add_payload(conf.raw_layer(s[start:end], _internal=1, _underlayer=self))
            return b""
        name, cls = found
        body = _blank(cls, None)
        try:
            last = body.read(s, start, end)
            if last != end:
                raise long(last, end)
        except DecodeError as error:
            error.under(name)
            if _strict():
                raise
            body = Malformed.of(s[start:end], error)
        _set_payload(self, body)
        _set_underlayer(body, self)
        return b""

    def mysummary(self) -> str:
        found = self._forms[self.form].get(self.getfieldval("type"))
        said = found[0] if found else f"type {self.getfieldval('type'):#04x} {self.form}"
        return f"OPAL {said} txn {self.getfieldval('txn')}"
