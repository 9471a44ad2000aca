"""Bytes from plain values, by interpreting the representation: a writer that checks nothing.

A plain value is what JSON could carry: numbers, bytes, lists of rows, and TLVs as [tag, value] pairs. The writer
puts down whatever the bits can hold, legal or not: it is how vectors, near misses and test stimuli get bytes
that the generated encoder rightly refuses to make. Counts and lengths come from what is there, unless a `Lie`
says otherwise.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from opalink.protocol.ir import model as ir
from opalink.spec.form import Crc, Form

Plain = dict[str, Any]


class Lie(Struct, frozen=True):
    """A list or counted bytes whose count on the wire is not how much follows."""

    count: int
    content: Any


class Raw(Struct, frozen=True):
    """Bytes in the place of a whole value."""

    data: bytes


def default(catalogue: ir.Catalogue, layout: ir.Layout) -> Plain:
    """The value that its class has without arguments. Constants are in no value, and are written all the same."""
    out: Plain = {}
    for f in ir.fields_of(layout.parts):
        match f:
            case ir.Number(const=None):
                out[f.name] = f.default
            case ir.Octets():
                out[f.name] = f.default
            case ir.Blob() | ir.Raw():
                out[f.name] = bytes(f.lo)
            case ir.Rows():
                out[f.name] = [default(catalogue, catalogue.layout[f.row]) for _ in range(f.lo)]
            case ir.Tlvs():
                out[f.name] = []
    return out


def as_tlv(layout: ir.Layout, value: Plain) -> Any:
    """A layout's value in the place of a TLV's: the number itself where it is one number alone."""
    number = ir.lone_number(layout)
    return value if number is None else value.get(number.name, number.const)


def write(catalogue: ir.Catalogue, layout: ir.Layout, value: Plain | Raw) -> bytes:
    """The bytes of a body, a row or a TLV's value."""
    if isinstance(value, Raw):
        return value.data
    return b"".join(part_bytes(catalogue, part, value) for part in layout.parts)


def part_bytes(catalogue: ir.Catalogue, part: ir.Part, value: Plain) -> bytes:
    """The bytes of one part of a value."""
    match part:
        case ir.Number():
            return _integer(_number(part, value), part.size)
        case ir.Bits():
            word = 0
            for f in part.fields:
                word |= (_number(f, value) & (1 << f.bits) - 1) << f.shift
            return _integer(word, part.size)
        case ir.Octets() | ir.Raw():
            return bytes(value[part.name])
        case ir.Blob():
            n, content = _counted(value[part.name])
            return _integer(n, part.count) + bytes(content)
        case ir.Rows():
            n, content = _counted(value[part.name])
            row = catalogue.layout[part.row]
            return _integer(n, part.count) + b"".join(write(catalogue, row, x) for x in content)
        case ir.Tlvs():
            return b"".join(write_tlv(catalogue, catalogue.space[part.space], *tlv) for tlv in value[part.name])


def _number(n: ir.Number, value: Plain) -> int:
    """What stands in the value; a constant need not."""
    found: int = value[n.name] if n.const is None else value.get(n.name, n.const)
    return found


def write_tlv(catalogue: ir.Catalogue, space: ir.Space, tag: int, value: Any) -> bytes:
    """One TLV; `value` may be a Lie about its length."""
    content = value.content if isinstance(value, Lie) else value
    known = next((t for t in space.types if t.tag == tag), None)
    if known and not isinstance(content, bytes):
        layout = catalogue.layout[known.layout]
        if isinstance(content, int):
            content = {layout.parts[0].name: content}
        content = write(catalogue, layout, content)
    length = value.count if isinstance(value, Lie) else len(content)
    return _integer(tag, 2) + _integer(length, 2) + bytes(content)


def _counted(value: Any) -> tuple[int, Any]:
    return (value.count, value.content) if isinstance(value, Lie) else (len(value), value)


def _integer(value: int, size: int) -> bytes:
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


Sum = Callable[[bytes], int]


def write_envelope(
    catalogue: ir.Catalogue, envelope: ir.Envelope, value: Plain, payload: bytes, checksum: dict[str, Sum]
) -> bytes:
    """An envelope around a payload, its length and its CRC right unless `value` gives `length` or `crc`."""
    header = ir.Layout(envelope.name, "", envelope.header)
    data = write(catalogue, header, default(catalogue, header) | {"length": len(payload)} | value) + payload
    if not envelope.crc:
        return data
    crc: Crc = next(c for c in catalogue.crcs if c.name == envelope.crc)
    found = value.get("crc", checksum[crc.name](data))
    return data + _integer(found, crc.width // 8)


def checksums(catalogue: ir.Catalogue) -> dict[str, Sum]:
    """The declared CRCs by name, computed by the library of the hot path."""
    from fastcrc import crc16, crc32

    functions: dict[str, Sum] = {"crc32c": crc32.iscsi, "crc16": crc16.ibm_3740}
    return {c.name: functions[c.name] for c in catalogue.crcs}


def header_of(catalogue: ir.Catalogue, packet: ir.Packet, form: Form) -> Plain:
    """The header fields that make a packet one of this type and form; an error carries BAD_VALUE."""
    failed = catalogue.status["BAD_VALUE"].value if form is Form.ERROR else 0
    return {
        "type": packet.code,
        "vc": catalogue.channel[packet.channel].value,
        "rsp": int(form in (Form.RESPONSE, Form.ERROR)),
        "status": failed,
        "txn": 0 if form is Form.EVENT else 1,
    }


def write_packet(
    catalogue: ir.Catalogue, packet: ir.Packet, form: Form, value: Plain | Raw, header: Plain | None = None
) -> bytes:
    """A whole packet; `header` overrides what its type and form say."""
    name = catalogue.error_layout(packet) if form is Form.ERROR else packet.forms[form]
    payload = write(catalogue, catalogue.layout[name], value)
    fields = header_of(catalogue, packet, form) | (header or {})
    return write_envelope(catalogue, catalogue.envelope["PACKET"], fields, payload, checksums(catalogue))
