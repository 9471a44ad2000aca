"""Packets to bytes and back: the public face of the generated codec.

    >>> from opalink.protocol import codec
    >>> from opalink.protocol.packets import Keepalive
    >>> data = codec.encode(codec.request(Keepalive(seq=1), txn=7))
    >>> codec.decode(data).body.seq
    1

Plan: the codec · making packets · layouts by name · plain values.
"""

from typing import TYPE_CHECKING, Any

from msgspec import structs

from opalink.protocol.accelerator import fastest
from opalink.protocol.errors import DecodeError, EncodeError, Fault
from opalink.protocol.packets.codec import (
    _CODECS,
    _HOMES,
    Flit,
    Packet,
    Record,
    Sideband,
    decode_Flit,
    decode_Packet,
    decode_Record,
    decode_Sideband,
    encode_Flit,
    encode_Packet,
    encode_Record,
    encode_Sideband,
)
from opalink.protocol.packets.enums import PacketType, Status, VirtualChannel
from opalink.protocol.runtime import Buffer, Tlv

if TYPE_CHECKING:
    from opalink.protocol.packets.tables import HOMES
else:

    def __getattr__(name: str) -> Any:
        """`HOMES` holds the value classes of all chapters, which few need."""
        if name != "HOMES":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from opalink.protocol.packets.tables import HOMES

        return HOMES


__all__ = [
    "HOMES", "DecodeError", "EncodeError", "Fault", "Flit", "Packet", "PacketType", "Record", "Sideband", "Status",
    "Tlv", "VirtualChannel", "decode", "decode_flit", "decode_layout", "decode_record", "decode_sideband", "encode",
    "encode_flit", "encode_layout", "encode_record", "encode_sideband", "event", "plain", "request", "response",
]  # fmt: skip


# ── The codec ────────────────────────────────────────────────────────────────────────────────────────

decode, encode = fastest(decode_Packet), fastest(encode_Packet)
decode_flit, encode_flit = fastest(decode_Flit), fastest(encode_Flit)
decode_record, encode_record = fastest(decode_Record), fastest(encode_Record)
decode_sideband, encode_sideband = fastest(decode_Sideband), fastest(encode_Sideband)

# ── Making packets ───────────────────────────────────────────────────────────────────────────────────


def request(body: Any, txn: int, *, t_ns: int = 0, instance: int = 0) -> Packet:
    """A request around a value class; `txn` is 1 to 65535."""
    code, _, channel = _HOMES[type(body)]
    return Packet(type=code, vc=channel, txn=txn, t_ns=t_ns, instance=instance, body=body)


def event(body: Any, *, t_ns: int = 0, instance: int = 0) -> Packet:
    """An event around a value class; `t_ns` is the time of what it reports."""
    code, _, channel = _HOMES[type(body)]
    return Packet(type=code, vc=channel, t_ns=t_ns, instance=instance, body=body)


def response(to: Packet, body: Any, status: Status = Status.OK, *, t_ns: int = 0) -> Packet:
    """The response to a request; with a failing `status`, `body` is the refusal or the type's own error class."""
    return structs.replace(to, rsp=1, more=0, spare0=0, spare2=0, status=status, t_ns=t_ns, body=body)


# ── Layouts by name ──────────────────────────────────────────────────────────────────────────────────


def decode_layout(name: str, data: Buffer) -> Any:
    """The value of a body, row or TLV whose layout has this name. Raises DecodeError, also for what is left over."""
    value = _codec(name)[0](data, 0, len(data))
    if isinstance(value, tuple):  # a row says where it ended
        value, end = value
        if end != len(data):
            raise DecodeError(Fault.LONG, "", end, f"{len(data) - end} bytes are left over")
    return value


def encode_layout(name: str, value: Any) -> bytes:
    """The bytes of a value whose layout has this name. Raises EncodeError."""
    data: bytes = _codec(name)[1](value)
    return data


def _codec(name: str) -> tuple[Any, Any]:
    if name not in _CODECS:
        from opalink.protocol.packets.tables import CODECS  # noqa: F401 (with every chapter, `_CODECS` is full)
    return _CODECS[name]


# ── Plain values ─────────────────────────────────────────────────────────────────────────────────────


def plain(value: Any) -> Any:
    """A value class as numbers, bytes, lists and dictionaries; TLVs as (tag, value) pairs."""
    match value:
        case Tlv():
            return (int(value.tag), plain(value.value))
        case tuple() | list():
            return [plain(v) for v in value]
        case int():
            return int(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value)
    return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
