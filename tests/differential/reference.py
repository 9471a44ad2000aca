"""The second reading: what construct itself makes of bytes, put into the words of the generated codec.

Everything here starts from the declarations of `opalink.spec`; nothing knows the intermediate representation, so
that a mistake of the walker, of a generator or of the run-time library meets somebody who does not share it.

An outcome is a plain value in the form of `codec.plain` (groups of bits opened up, constants left out, a TLV as
(tag, value), its value a number where it is one) or a refusal: class, path and offset of the first violation.

Plan: outcomes · the shape of a schema · plain values · where it went wrong · bodies · envelopes · packets.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import construct as c

from opalink.protocol.errors import Fault
from opalink.spec import dialect as d
from opalink.spec import wire
from opalink.spec.form import Form

Plain = dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """The first violation. `offset` is where it is, in the bytes given; an encoder has none."""

    fault: Fault
    path: str
    offset: int = -1


FAULTS: dict[type[c.ConstructError], Fault] = {
    c.StreamError: Fault.SHORT,
    c.TerminatedError: Fault.LONG,
    d.ConstViolation: Fault.CONST,
    d.RangeViolation: Fault.RANGE,
    d.CapViolation: Fault.CAP,
    c.ChecksumError: Fault.CRC,
}


def _trail(error: c.ConstructError) -> list[str]:
    """construct's "(parsing) -> offers -> 2 -> min" as its words."""
    return str(error.path).split(" -> ")[1:]


# ── The shape of a schema ────────────────────────────────────────────────────────────────────────────


def fields(schema: Any) -> list[d.Field]:
    return [x for x in schema.subcons if isinstance(x, d.Field)]


def part(field: d.Field) -> Any:
    """What a field consists of, without its default."""
    return field.subcon.subcon if isinstance(field.subcon, c.Default) else field.subcon


def members(field: d.Field) -> list[d.Field] | None:
    """The fields of a group of bits; None for anything else."""
    inner = part(field)
    if not isinstance(inner, c.Transformed):
        return None
    while isinstance(inner, c.Transformed):
        inner = inner.subcon
    return fields(inner)


def _lone(schema: Any) -> str | None:
    """The name of the number that a TLV's value consists of, if of one number alone."""
    match fields(schema):
        case [one] if isinstance(part(one), (c.FormatField, c.BytesInteger, d.OpenEnum)):
            return str(one.name)
    return None


def _known(tlvs: d.Tlvs, tag: int) -> Any:
    return next((r.schema for r in tlvs.space.records if r.tag == tag), None)


# ── Plain values ─────────────────────────────────────────────────────────────────────────────────────


def plain(schema: Any, value: Any) -> Plain:
    """What construct parsed, in the form of `codec.plain`."""
    return _plain_fields(fields(schema), value)


def _plain_fields(of: Iterable[d.Field], value: Any) -> Plain:
    out: Plain = {}
    for field in of:
        if (group := members(field)) is not None:
            out |= _plain_fields(group, value[field.name])
        elif field.meta.const is None:
            out[str(field.name)] = _plain_part(part(field), value[field.name])
    return out


def _plain_part(kind: Any, value: Any) -> Any:
    match kind:
        case d.Rows():
            return [plain(kind.subcon, row) for row in value]
        case d.Tlvs():
            return [(tlv.tag, _plain_tlv(_known(kind, tlv.tag), tlv.value)) for tlv in value]
    return value if isinstance(value, bytes) else int(value)


def _plain_tlv(schema: Any, value: Any) -> Any:
    if schema is None:
        return value
    found = plain(schema, value)
    lone = _lone(schema)
    # A lone constant has no value but the one it must have.
    return found.get(lone, int(value[lone])) if lone else found


def nested(schema: Any, value: Plain) -> Plain:
    """The reverse: what construct builds from. Bytes under a known tag stay bytes."""
    return _nested_fields(fields(schema), value)


def _nested_fields(of: Iterable[d.Field], value: Plain) -> Plain:
    out: Plain = {}
    for field in of:
        if (group := members(field)) is not None:
            out[str(field.name)] = _nested_fields(group, value)
        elif field.name in value:
            out[str(field.name)] = _nested_part(part(field), value[str(field.name)])
    return out


def _nested_part(kind: Any, value: Any) -> Any:
    match kind:
        case d.Rows():
            return [nested(kind.subcon, row) for row in value]
        case d.Tlvs():
            return [{"tag": tag, "value": _nested_tlv(_known(kind, tag), inner)} for tag, inner in value]
    return value


def _nested_tlv(schema: Any, value: Any) -> Any:
    if schema is None or isinstance(value, bytes):
        return value
    return {_lone(schema): value} if isinstance(value, int) else nested(schema, value)


# ── Where it went wrong ──────────────────────────────────────────────────────────────────────────────


def _joined(head: str, tail: str) -> str:
    return f"{head}.{tail}" if tail else head


def _locate(schema: Any, stream: BytesIO, trail: list[str], fault: Fault) -> tuple[str, int]:
    """The path and the place of a violation, from construct's own path and the bytes; everything before it is
    legal, and is parsed again to find the place."""
    name, *rest = trail or [""]
    for field in fields(schema):
        if field.name == name:
            break
        field.parse_stream(stream)
    else:
        return "", stream.tell()  # bytes are left over here
    start, kind = stream.tell(), part(field)
    if (group := members(field)) is not None:
        return (rest[0] if rest else str(group[0].name)), start
    if isinstance(kind, d.Rows) and rest:
        kind.count.parse_stream(stream)
        for _ in range(int(rest[0])):
            kind.subcon.parse_stream(stream)
        path, at = _locate(kind.subcon, stream, rest[1:], fault)
        return _joined(f"{name}[{rest[0]}]", path), at
    if isinstance(kind, d.Tlvs) and rest:
        return _locate_tlv(kind, stream, rest, fault, name)
    if (
        isinstance(kind, d.Counted)
        and fault is Fault.SHORT
        and len(stream.read(kind.count.sizeof())) == kind.count.sizeof()
    ):
        return name, stream.tell()  # the count is there, what it counts is not
    return name, start


def _locate_tlv(kind: d.Tlvs, stream: BytesIO, trail: list[str], fault: Fault, name: str) -> tuple[str, int]:
    head = f"{name}[{trail[0]}]"
    for left in reversed(range(int(trail[0]) + 1)):
        start = stream.tell()
        header = stream.read(4)
        if len(header) < 4:
            return head, start
        tag, length = int.from_bytes(header[:2], "little"), int.from_bytes(header[2:], "little")
        value = stream.read(length)
        if left == 0 and len(value) == length:
            path, at = _locate(_known(kind, tag), BytesIO(value), trail[1:], fault)
            return _joined(head, path), start + 4 + at
    return head, start + 4


def _located_in_value(schema: Any, value: Plain, trail: list[str]) -> str:
    """The path of what cannot be built: no bytes to look at, only the value."""
    if not trail:
        return ""
    name, *rest = trail
    field = next(x for x in fields(schema) if x.name == name)
    if members(field) is not None:
        return rest[0]
    match part(field):
        case d.Rows(subcon=row) if rest:
            inner = _located_in_value(row, value[name][int(rest[0])], rest[1:])
            return _joined(f"{name}[{rest[0]}]", inner)
        case d.Tlvs() as kind if rest:
            tag, found = value[name][int(rest[0])]
            known = _known(kind, tag)
            below = isinstance(found, dict) or (known and not isinstance(found, bytes))
            inner = _located_in_value(known, found, rest[1:]) if below else ".".join(rest[1:])
            return _joined(f"{name}[{rest[0]}]", inner)
    return name


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────────


def read(schema: Any, data: bytes) -> Plain | Refused:
    """A body, by construct."""
    try:
        return plain(schema, schema.parse(data))
    except tuple(FAULTS) as error:
        fault = FAULTS[type(error)]
        return Refused(fault, *_locate(schema, BytesIO(data), _trail(error), fault))


def written(schema: Any, value: Plain) -> bytes | str:
    """The bytes of a plain value, or the path of what has no encoding."""
    try:
        return bytes(schema.build(nested(schema, value)))
    except c.ConstructError as error:
        return _located_in_value(schema, value, _trail(error))


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


def read_envelope(envelope: d.Envelope, data: bytes, *, crc: bool = True) -> tuple[Plain, bytes, int] | Refused:
    """Header, payload and the place where the payload begins.

    First the framing, in which a header says nothing but a length: what is damaged must not be believed. Then the
    header's own rules."""
    header = fields(envelope.schema)
    size = sum(x.sizeof() for x in header)
    loose = [_loose(x) if isinstance(x, d.Field) else x for x in envelope.schema.subcons]
    if not crc:
        loose = [x if x.name != "crc" else "crc" / c.Bytes(x.sizeof()) for x in loose]
    try:
        c.Struct(*loose).parse(data)
    except tuple(FAULTS) as error:
        fault, (name, *_) = FAULTS[type(error)], [*_trail(error), ""]
        return Refused(fault, *_place_in_frame(envelope, data, name))
    strict = c.Struct(*header)
    try:
        found = strict.parse(data)
    except tuple(FAULTS) as error:
        fault = FAULTS[type(error)]
        return Refused(fault, *_locate(strict, BytesIO(data), _trail(error), fault))
    value = plain(strict, found)
    extent = envelope.size if envelope.size is not None else int(found.length)
    value.pop("length", None)
    return value, data[size : size + extent], size


def _loose(field: d.Field) -> Any:
    """A header field before its rules are asked."""
    return field.name / (part(field) if field.name == "length" else c.Bytes(field.sizeof()))


def _place_in_frame(envelope: d.Envelope, data: bytes, name: str) -> tuple[str, int]:
    at = 0
    for field in fields(envelope.schema):
        if field.name == name:
            group = members(field)
            return (name if group is None else str(group[0].name)), at
        at += field.sizeof()
    if name == "payload":
        return name, at
    header = c.Struct(*(_loose(x) for x in fields(envelope.schema))).parse(data)
    at += envelope.size if envelope.size is not None else header.length
    return name, at if name else at + (envelope.crc.width // 8 if envelope.crc else 0)


def enveloped(envelope: d.Envelope, value: Plain, payload: bytes) -> bytes | str:
    """An envelope around a payload, by construct."""
    header = c.Struct(*fields(envelope.schema))
    try:
        full = nested(header, value | {"length": len(payload)}) | {"payload": payload}
        return bytes(envelope.schema.build(full))
    except c.ConstructError as error:
        trail = _trail(error)
        return trail[0] if trail[:1] in (["payload"], ["crc"]) else _located_in_value(header, value, trail)


# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def form_of(header: Plain, succeeded: Iterable[int]) -> Form:
    """Which of its type's layouts a packet carries."""
    if header["rsp"]:
        return Form.RESPONSE if header["status"] in succeeded else Form.ERROR
    return Form.REQUEST if header["txn"] else Form.EVENT


def read_packet(declared: Any, data: bytes, *, crc: bool = True) -> Plain | Refused:
    """A whole packet; where its type or form is unknown, its body is bytes."""
    found = read_envelope(wire.PACKET, data, crc=crc)
    if isinstance(found, Refused):
        return found
    header, payload, at = found
    form = form_of(header, [s.value for s in declared.STATUSES if s.success])
    packet = next((p for g in declared.GROUPS for p in g.packets if p.code == header["type"]), None)
    body = None
    if packet:
        body = packet.bodies.get(form)
        if body is None and form is Form.ERROR and Form.REQUEST in packet.bodies:
            body = declared.BODIES["REFUSAL"][0]
    if packet is None or body is None:
        return header | {"body": payload}
    value = read(body.schema, payload)
    if isinstance(value, Refused):
        return Refused(value.fault, _joined(f"{packet.name}.{form}", value.path), value.offset + at)
    return header | {"body": value}
