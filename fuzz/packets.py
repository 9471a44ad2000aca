"""The bytes that a step of a case stands for.

Of a packet a case holds the fields; what it does not say follows from its type and form.

Plan: layouts and headers · resources · the bytes of a packet.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from opalink.fuzz.steps import CaseError, Send
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import Lie, Plain, checksums, default, header_of, write
from opalink.spec.form import Form

# ── Layouts and headers ──────────────────────────────────────────────────────────────────────────────


@cache
def _envelope() -> tuple[ir.Layout, Plain, Any]:
    envelope = catalogue().envelope["PACKET"]
    layout = ir.Layout(envelope.name, "", envelope.header)
    return layout, default(catalogue(), layout), checksums(catalogue())[envelope.crc]


@cache
def layout_of(packet: str, form: Form) -> ir.Layout | None:
    """The layout of a form of a packet type; None where the type has none, or is a number that no type has."""
    known = catalogue()
    declared = known.packet.get(packet)
    if declared is None:
        return None
    name = known.error_layout(declared) if form is Form.ERROR else declared.forms.get(form)
    return known.layout[name] if name else None


@cache
def _fixed(packet: str, form: Form) -> Plain:
    declared = catalogue().packet.get(packet)
    if declared is not None:
        return header_of(catalogue(), declared, form)
    code = _code(packet)
    return {"type": code, "vc": 3, "rsp": int(form in (Form.RESPONSE, Form.ERROR)), "status": 0}


def _code(name: str) -> int:
    """The number in the place of a type's name: 0x7f."""
    if not re.fullmatch(r"0x[0-9a-f]{2}", name):
        raise CaseError(f"{name[:40]!r} is no packet type, nor a number such as 0x7f.")
    return int(name, 16)


# ── Resources ────────────────────────────────────────────────────────────────────────────────────────


def resolved(value: Any, resources: Mapping[str, int]) -> Any:
    """A value with numbers in the place of resources."""
    match value:
        case str():
            return resources[value]
        case dict():
            return {name: resolved(v, resources) for name, v in value.items()}
        case list():
            return [resolved(v, resources) for v in value]
        case Lie(count, content):
            return Lie(count, resolved(content, resources))
    return value


# ── The bytes of a packet ────────────────────────────────────────────────────────────────────────────


def packet_bytes(send: Send, txn: int, now: int, resources: Mapping[str, int]) -> bytes:
    """The bytes of a packet, before anything happens to them on the way. `txn` is the transaction number that it takes
    unless it has one of its own, `now` its time in nanoseconds."""
    header, fallback, crc = _envelope()
    layout = layout_of(send.packet, send.form)
    payload = send.payload
    if payload is None:
        payload = b"" if layout is None else write(catalogue(), layout, _whole(layout, send.value, resources))
    event = send.form is Form.EVENT
    fields = {**fallback, **_fixed(send.packet, send.form), "length": len(payload), "txn": 0 if event else txn}
    fields["t_ns"] = now
    overrides = dict(send.header)
    given = overrides.pop("crc", None)
    data = write(catalogue(), header, {**fields, **overrides}) + payload
    return data + (crc(data) if given is None else given & 0xFFFF_FFFF).to_bytes(4, "little")


def _whole(layout: ir.Layout, value: Plain, resources: Mapping[str, int]) -> Plain:
    """A value with defaults for whatever it does not give."""
    if unknown := value.keys() - _names(layout.name):
        raise KeyError(min(unknown))
    return {**_default(layout.name), **resolved(value, resources)}


@cache
def _names(layout: str) -> frozenset[str]:
    return frozenset(f.name for f in ir.fields_of(catalogue().layout[layout].parts))


@cache
def _default(layout: str) -> Plain:
    return default(catalogue(), catalogue().layout[layout])
