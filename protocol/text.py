"""Packets for people and for other programs: a readable tree, JSON, and back.

JSON carries wire values: numbers (or the name of an enumeration's member), bytes in hexadecimal, rows as objects,
TLVs as {"tag", "value"}. Reading accepts whatever writing gives, and leaves out what has a default.

Plan: JSON out · JSON in · the tree.
"""

from collections.abc import Iterator
from enum import IntEnum
from fractions import Fraction
from typing import Any

import opalink.protocol.packets as classes
from opalink.protocol import codec
from opalink.protocol.errors import EncodeError
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import header_of
from opalink.protocol.runtime import Tlv
from opalink.spec.form import Form

HEADER = ("type", "status", "txn", "t_ns", "rsp", "vc", "instance", "more", "spare2", "spare0")


def form_of(packet: codec.Packet) -> Form:
    """The form in which a packet travels."""
    if packet.rsp:
        success = {s.value for s in catalogue().statuses if s.success}
        return Form.RESPONSE if packet.status in success else Form.ERROR
    return Form.REQUEST if packet.txn else Form.EVENT


def layout_of(packet: codec.Packet) -> ir.Layout | None:
    """The layout of a packet's payload; None where its type or form is unknown."""
    return catalogue().layout.get(type(packet.body).__name__)


# ── JSON out ─────────────────────────────────────────────────────────────────────────────────────────


def to_json(packet: codec.Packet) -> dict[str, Any]:
    """A packet as JSON can carry it: {"packet", "form", "header", "body"}; a body without layout is hexadecimal."""
    declared, form = catalogue().by_code.get(packet.type), form_of(packet)
    implied = header_of(catalogue(), declared, form) if declared else {}
    fields = {name: getattr(packet, name) for name in HEADER}
    header = {k: _named(v) for k, v in fields.items() if v != implied.get(k, 0) or (v and k != "type")}
    layout = layout_of(packet)
    body = bytes(packet.body).hex() if layout is None else value_to_json(layout, packet.body)
    return {"packet": declared.name if declared else None, "form": form, "header": header, "body": body}


def _named(value: int) -> int | str:
    name = getattr(value, "name", None)
    return value if name is None else str(name)


def value_to_json(layout: ir.Layout, value: Any) -> Any:
    """A value class as an object, by its layout."""
    out: dict[str, Any] = {}
    for f in ir.fields_of(layout.parts):
        if isinstance(f, ir.Number) and f.const is not None:
            continue
        v = getattr(value, f.name)
        match f:
            case ir.Number():
                out[f.name] = _named(v)
            case ir.Blob(text=True):
                out[f.name] = _text(v)
            case ir.Octets() | ir.Blob() | ir.Raw():
                out[f.name] = bytes(v).hex()
            case ir.Rows():
                out[f.name] = [value_to_json(catalogue().layout[f.row], row) for row in v]
            case ir.Tlvs():
                out[f.name] = [_tlv_to_json(f.space, tlv) for tlv in v]
    return out


def _text(data: bytes) -> str:
    """UTF-8 as itself; anything else as "hex:…", so that nothing is lost."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "hex:" + data.hex()
    return "hex:" + data.hex() if text.startswith("hex:") else text


def _tlv_to_json(space: str, tlv: Tlv) -> dict[str, Any]:
    known = next((t for t in catalogue().space[space].types if t.tag == tlv.tag), None)
    if known is None or isinstance(tlv.value, bytes):
        return {"tag": int(tlv.tag), "value": bytes(tlv.value).hex()}
    layout = catalogue().layout[known.layout]
    return {
        "tag": known.name,
        "value": _named(tlv.value) if ir.lone_number(layout) else value_to_json(layout, tlv.value),
    }


# ── JSON in ──────────────────────────────────────────────────────────────────────────────────────────


def from_json(data: Any) -> codec.Packet:
    """The packet that `to_json` would give as `data`. Raises EncodeError naming the field that is wrong."""
    if not isinstance(data, dict):
        raise EncodeError("", "a packet is an object with packet, form, header and body")
    unknown = data.keys() - {"packet", "form", "header", "body"}
    if unknown:
        raise EncodeError(min(unknown), "is no part of a packet")
    header, body = _header(data.get("header")), data.get("body")
    if data.get("packet") is None:
        return codec.Packet(**header, body=_hex("" if body is None else body, "body"))
    declared = next((p for p in catalogue().packets if p.name == data["packet"]), None)
    if declared is None:
        raise EncodeError("packet", f"{data['packet']!r} is no packet type")
    try:
        form = next(iter(declared.forms)) if data.get("form") is None else Form(data["form"])
    except ValueError:
        raise EncodeError("form", f"{data['form']!r} is not one of {', '.join(Form)}") from None
    header = header_of(catalogue(), declared, form) | header
    if isinstance(body, str):
        return codec.Packet(**header, body=_hex(body, "body"))
    layouts = dict(declared.forms)
    if Form.REQUEST in layouts:
        layouts.setdefault(Form.ERROR, catalogue().error_layout(declared))
    if form not in layouts:
        raise EncodeError("form", f"{declared.name} has no form {form.value!r}")
    layout = catalogue().layout[layouts[form]]
    return codec.Packet(**header, body=value_from_json(layout, {} if body is None else body, ""))


_HEADER_ENUMS: dict[str, type[IntEnum]] = {
    "type": codec.PacketType,
    "status": codec.Status,
    "vc": codec.VirtualChannel,
}


def _header(given: Any) -> dict[str, Any]:
    if not isinstance(given, (dict, type(None))):
        raise EncodeError("header", f"is {type(given).__name__}, must be an object")
    out = {}
    for name, value in (given or {}).items():
        if name not in HEADER:
            raise EncodeError(f"header.{name}", "is no header field")
        known = _HEADER_ENUMS[name].__members__ if name in _HEADER_ENUMS else {}
        if isinstance(value, str) and value not in known:
            raise EncodeError(f"header.{name}", f"{value!r} is no name for it")
        out[name] = known[value] if isinstance(value, str) else value
    return out


def value_from_json(layout: ir.Layout, data: Any, path: str) -> Any:
    """A value class from an object; fields left out have their defaults."""
    if not isinstance(data, dict):
        raise EncodeError(path, f"is {type(data).__name__}, must be an object")
    fields = {f.name: f for f in ir.fields_of(layout.parts) if not (isinstance(f, ir.Number) and f.const is not None)}
    dot = f"{path}." if path else ""
    out = {}
    for name, value in data.items():
        if name not in fields:
            raise EncodeError(dot + name, f"is no field of {layout.name}")
        out[name] = _field(fields[name], value, dot + name)
    return getattr(classes, layout.name)(**out)


def _field(f: ir.Part, value: Any, path: str) -> Any:
    match f:
        case ir.Number():
            return _number(f, value, path)
        case ir.Blob(text=True) if isinstance(value, str) and not value.startswith("hex:"):
            return _utf8(value, path)
        case ir.Octets() | ir.Blob() | ir.Raw():
            return _hex(value.removeprefix("hex:") if isinstance(value, str) else value, path)
        case ir.Rows(row=row):
            return tuple(value_from_json(catalogue().layout[row], x, f"{path}[{i}]") for i, x in _listed(value, path))
        case ir.Tlvs(space=space):
            return tuple(_tlv(space, x, f"{path}[{i}]") for i, x in _listed(value, path))
    raise AssertionError(f)


def _utf8(text: str, path: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise EncodeError(path, "must be text that UTF-8 can carry") from None


def _number(f: ir.Number, value: Any, path: str) -> int:
    if isinstance(value, str) and f.choices:
        member = getattr(classes, f.choices).__members__.get(value)
        if member is None:
            raise EncodeError(path, f"{value!r} is no member of {f.choices}")
        return int(member)
    if not isinstance(value, int):
        raise EncodeError(path, f"is {type(value).__name__}, must be an integer")
    return value


def _listed(value: Any, path: str) -> Iterator[tuple[int, Any]]:
    if not isinstance(value, list):
        raise EncodeError(path, f"is {type(value).__name__}, must be a list")
    return enumerate(value)


def _hex(value: Any, path: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise EncodeError(path, "must be bytes in hexadecimal") from None


def _tlv(space: str, data: Any, path: str) -> Tlv:
    if not isinstance(data, dict) or data.keys() != {"tag", "value"}:
        raise EncodeError(path, 'must be {"tag": …, "value": …}')
    tag, value = data["tag"], data["value"]
    known = next((t for t in catalogue().space[space].types if tag in (t.name, t.tag)), None)
    if known is None:
        if not isinstance(tag, int):
            raise EncodeError(path, f"{tag!r} is no tag of {space}")
        return Tlv(tag, _hex(value, f"{path}.value"))
    if isinstance(tag, int):  # a known tag by its number: its bytes as they are
        return Tlv(tag, _hex(value, f"{path}.value"))
    layout = catalogue().layout[known.layout]
    number = ir.lone_number(layout)
    inner = f"{path}.value"
    return Tlv(known.tag, _number(number, value, inner) if number else value_from_json(layout, value, inner))


# ── The tree ─────────────────────────────────────────────────────────────────────────────────────────


def tree(packet: codec.Packet) -> str:
    """A packet for a person: every field with its member's name, its quantity and unit."""
    declared = catalogue().by_code.get(packet.type)
    form = form_of(packet)
    title = f"{declared.name} {form}" if declared else f"unknown type {int(packet.type):#04x}"
    lines = [title + (f" — {declared.doc.split('. ')[0].rstrip('.')}" if declared else "")]
    status = f", status {_label(packet.status)}" if packet.rsp else ""
    lines.append(
        f"  txn {packet.txn}{status}, channel {_label(packet.vc)}, instance {packet.instance}, t {packet.t_ns} ns"
    )
    odd = [name for name in ("more", "spare2", "spare0") if getattr(packet, name)]
    lines += [f"  {name} = {getattr(packet, name)}" for name in odd]
    layout = layout_of(packet)
    if layout is None:
        lines.append(f"  {len(packet.body)} bytes: {_dump(packet.body)}")
    else:
        lines += _lines(layout, packet.body, "  ")
    return "\n".join(lines)


def _label(value: int) -> str:
    name = getattr(value, "name", None)
    return f"{name} ({int(value)})" if name else str(value)


def _lines(layout: ir.Layout, value: Any, pad: str) -> Iterator[str]:
    for f in ir.fields_of(layout.parts):
        if isinstance(f, ir.Number) and f.const is not None:
            continue
        v = getattr(value, f.name)
        match f:
            case ir.Number():
                if not (f.reserved and not v):
                    yield f"{pad}{f.name} = {quantity(f, v)}"
            case ir.Blob(text=True):
                yield f"{pad}{f.name} = {v.decode(errors='replace')!r}"
            case ir.Octets() | ir.Blob() | ir.Raw():
                yield f"{pad}{f.name} = {_dump(v)}" + (f" ({len(v)} bytes)" if len(v) > 16 else "")
            case ir.Rows():
                for i, row in enumerate(v):
                    yield f"{pad}{f.name}[{i}]"
                    yield from _lines(catalogue().layout[f.row], row, pad + "  ")
            case ir.Tlvs():
                for tlv in v:
                    yield from _tlv_lines(f, tlv, pad)


def _tlv_lines(f: ir.Tlvs, tlv: Tlv, pad: str) -> Iterator[str]:
    known = next((t for t in catalogue().space[f.space].types if t.tag == tlv.tag), None)
    if known is None or isinstance(tlv.value, bytes):
        yield f"{pad}{f.name}: tag {int(tlv.tag):#06x} = {_dump(tlv.value)}"
        return
    layout = catalogue().layout[known.layout]
    if number := ir.lone_number(layout):
        yield f"{pad}{known.name} = {quantity(number, tlv.value)}"
    else:
        yield f"{pad}{known.name}"
        yield from _lines(layout, tlv.value, pad + "  ")


def quantity(f: ir.Number, value: int) -> str:
    """A number as a person wants it: "250 (2.5 dBm)", "FIXED (0)", "0x5 (LASER, VIDEO)"."""
    if f.choices:
        return _label(value)
    if f.flags:
        names = [m.name for m in catalogue().flag_set[f.flags].members if value >> m.value & 1]
        return f"{value:#x}" + (f" ({', '.join(names)})" if names else "")
    if f.scale != "1":
        exact = Fraction(value) * f.factor
        return f"{value} ({float(exact):.10g} {f.unit})"
    return f"{value} {f.unit}".rstrip()


def _dump(data: Any) -> str:
    shown = bytes(data[:32]).hex(" ")
    return shown + (" …" if len(data) > 32 else "") if len(data) else "(empty)"
