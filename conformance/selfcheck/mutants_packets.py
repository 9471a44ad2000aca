"""Mistakes in single checks of packets: what a module lets pass or refuses on the way in, and what it says wrongly.

Where each applies follows from the same probes that make the tests, but a mistake is one of the check, not of a test's
bytes: it shows with whatever packet meets its condition.

Plan: a check · every check of the catalogue · on the way in · on the way out.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from opalink.conformance.tester.finders import Finders
from opalink.conformance.zoo.specimen import (
    PAYLOAD,
    RSP,
    STATUS,
    TYPE,
    decoded,
    is_request,
    is_response,
    load,
    put,
    success,
    txn_of,
)
from opalink.protocol import codec, engine
from opalink.protocol.codec import DecodeError, Packet, PacketType, Status, VirtualChannel
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.obligations import key_of, peer
from opalink.protocol.ir.probes import illegal, sites
from opalink.protocol.ir.write import Plain, default, write
from opalink.protocol.packets import Lane, Refusal
from opalink.spec.form import Form, Level, Role

# ── A check ──────────────────────────────────────────────────────────────────────────────────────────


class Check(Struct, frozen=True):
    """A mistake about packets of one type. `change` is what is done:

    dropped    what the check refuses is taken for a request of defaults
    misnamed   what the check refuses is refused with another status
    minded     reserved bits, which are to be ignored, are refused
    refused    requests of the type are refused, whatever they hold
    admitted   requests that need a feature are answered without it
    narrow     a number at the `value` that is its legal end is refused
    sent       a number is sent as `value`, which is illegal, or a list or bytes with so many; in every row and TLV

    `what` is the class of the check, `field` and `path` the declaration's and the decoder's way to it. What the
    reference never sends is sent `unprompted`, after each answer to STATE_GET."""

    code: int
    form: Form
    change: str
    what: str = ""
    field: str = ""
    path: str = ""
    value: int = 0
    unprompted: bool = False


# ── Every check of the catalogue ─────────────────────────────────────────────────────────────────────

_FAULTS = {"short": "short", "tlvs": "short", "range": "range", "cap": "cap", "const": "const"}


def checks(known: ir.Catalogue) -> Iterator[tuple[ir.Packet, str, Check]]:
    """Every mistake: the packet type, the key of the requirement that it breaks, and the mistake."""
    seen: set[str] = set()
    for packet in known.packets:
        if packet.sender is not Role.MODULE and Form.REQUEST in packet.forms:
            yield from _of_requests(known, packet)
        for form in packet.forms:
            if _sender(packet, form) is not Role.PHONE:
                yield from _of_sent(known, packet, form, seen)


# What the reference says only where no bench brings it: under much bad light, once it runs an image that its vendor has
# signed, for a peak that no profile of it needs.
_SELDOM: Final = frozenset({"RetrainReq", "DescChanged", "PwrReserve"})


@cache
def _usual() -> frozenset[str]:
    """The value classes that the reference module makes in some test."""
    calls = (n.func for n in _nodes() if isinstance(n, ast.Call))
    return frozenset(f.id for f in calls if isinstance(f, ast.Name)) - _SELDOM


@cache
def words() -> frozenset[str]:
    """The strings in the reference module's code: names of the catalogue that it asks for by name."""
    return frozenset(n.value for n in _nodes() if isinstance(n, ast.Constant) and isinstance(n.value, str))


@cache
def _nodes() -> tuple[ast.AST, ...]:
    """The reference module's code."""
    root = Path(str(files(engine.__name__)))
    sources = [path for path in root.rglob("*.py") if "phone" not in path.relative_to(root).parts]
    return tuple(n for path in sources for n in ast.walk(ast.parse(path.read_text())))


def _sender(packet: ir.Packet, form: Form) -> Role:
    return packet.sender if form in (Form.REQUEST, Form.EVENT) else peer(packet.sender)


def supplied(packet: ir.Packet, form: Form) -> bool:
    """Whether a module sends this only while it supplies the phone."""
    return _sender(packet, form) is Role.SOURCE


def _of_requests(known: ir.Catalogue, p: ir.Packet) -> Iterator[tuple[ir.Packet, str, Check]]:
    layout = known.layout[p.forms[Form.REQUEST]]
    for change, key in (("refused", f"{p.name}.answer"), ("admitted", f"{p.name}.absent")):
        if key in known.by_key:
            yield p, key, Check(p.code, Form.REQUEST, change)
    seen = set()
    for probe in illegal(known, layout):
        part = probe.field.partition(".")[0]
        fault = str(probe.fault)
        if fault in ("short", "long"):
            tlvs = any(isinstance(x, ir.Tlvs) and x.name == part for x in layout.parts)
            key, field = f"{p.name}.request.{'tlvs' if tlvs else 'short'}", part if tlvs else ""
        else:
            key, field = key_of(known, p, Form.REQUEST, probe.field, fault), probe.field
        if key in known.by_key and key not in seen:
            seen.add(key)
            for change in ("dropped", "misnamed"):
                what = "tlvs" if key.endswith(".tlvs") else fault
                path = field if what == "tlvs" else "" if fault in ("short", "long") else _bare(probe.path)
                yield p, key, Check(p.code, Form.REQUEST, change, what, field, path)
    for site in sites(known, layout):
        if not isinstance(site.part, ir.Number):
            continue
        for what, change in (("member", "dropped"), ("member", "misnamed"), ("reserved", "minded")):
            key = key_of(known, p, Form.REQUEST, site.field, what)
            if key in known.by_key and (what != "reserved" or site.part.reserved):
                yield p, key, Check(p.code, Form.REQUEST, change, what, site.field)
        key = key_of(known, p, Form.REQUEST, site.field, "range")
        if key in known.by_key and "." not in site.field:
            for end, value in zip(("lo", "hi"), site.part.bounds, strict=True):
                if value != site.now:
                    yield p, key, Check(p.code, Form.REQUEST, "narrow", end, site.field, value=value)


def _of_sent(known: ir.Catalogue, p: ir.Packet, form: Form, seen: set[str]) -> Iterator[tuple[ir.Packet, str, Check]]:
    """Whatever a packet of a type may not say. What is in a TLV, wherever that travels, is said wrongly where it is
    met first; a command is never said."""
    for site in sites(known, known.layout[p.forms[form]]):
        for what, bad in _wrong(known, site.part):
            key = key_of(known, p, form, site.field, f"{what}.sent")
            made = known.by_key.get(key)
            if made is not None and made.level is Level.MUST and key not in seen and not _command(known, key):
                seen.add(key)
                own = form in (Form.REQUEST, Form.EVENT)  # answers are made wherever a request is heard
                unprompted = own and p.forms[form] not in _usual()
                yield p, key, Check(p.code, form, "sent", what, site.field, value=bad, unprompted=unprompted)


def _wrong(known: ir.Catalogue, part: ir.Part) -> Iterator[tuple[str, int]]:
    """What is illegal of a part, each check once: a number, or how many rows or bytes."""
    match part:
        case ir.Number():
            lo, hi = part.bounds
            if part.checked:
                yield "const" if part.const is not None else "range", hi + 1 if hi < part.span[1] else lo - 1
            if part.choices:
                members = {m.value for m in known.choices[part.choices].members}
                yield from (("member", v) for v in islice((v for v in range(hi, lo - 1, -1) if v not in members), 1))
        case ir.Blob() | ir.Raw() | ir.Rows():
            most = part.hi if isinstance(part, ir.Raw) else (1 << 8 * part.count) - 2
            if part.hi <= most or part.lo:
                yield "cap", part.hi + 1 if part.hi <= most else part.lo - 1


def _command(known: ir.Catalogue, key: str) -> bool:
    space, name, *_ = key.split(".")
    return space in known.space and any(t.name == name and t.access == "wo" for t in known.space[space].types)


def _bare(path: str) -> str:
    """A path without the places in lists."""
    return re.sub(r"\[\d+\]", "", path)


# ── On the way in ────────────────────────────────────────────────────────────────────────────────────


@cache
def _finders() -> Finders:
    return Finders(catalogue())


def _layout(check: Check) -> ir.Layout:
    known = catalogue()
    return known.layout[known.by_code[check.code].forms[check.form]]


def _meets(check: Check, data: bytes) -> bool:
    """Whether a request is one that the mistake is about."""
    try:
        packet = codec.decode(data)
    except DecodeError as error:
        if error.packet is None or check.what not in _FAULTS:
            return False
        name = catalogue().by_code[check.code].name
        path = _bare(error.path).removeprefix(f"{name}.{check.form}.")
        of_tlvs = bool(check.field) and path.partition(".")[0] == check.field
        match check.what:
            case "tlvs":
                return str(error.fault) in ("short", "long") and of_tlvs
            case "short":
                return str(error.fault) == "short" and not _in_tlvs(check, path)
        return str(error.fault) == _FAULTS[check.what] and path == check.path
    if check.change == "narrow":
        return bool(getattr(packet.body, check.field, None) == check.value)
    find = _finders().of(_layout(check).name) if check.what in ("member", "reserved") else None
    return find is not None and (check.what, check.field) in find(packet.body)


def _in_tlvs(check: Check, path: str) -> bool:
    head = path.partition(".")[0]
    return any(isinstance(x, ir.Tlvs) and x.name == head for x in _layout(check).parts)


def hear(check: Check, data: bytes) -> tuple[bytes | None, bytes | None]:
    """What of a packet reaches the module, and what is answered in its stead."""
    if check.form is not Form.REQUEST or check.change == "sent" or not is_request(data) or data[TYPE] != check.code:
        return data, None
    match check.change:
        case "refused":
            return None, _refusal(data, Status.BAD_VALUE)
        case "admitted":
            return data, None
        case _ if not _meets(check, data):
            return data, None
        case "dropped":
            known = catalogue()
            return load(data, write(known, _layout(check), default(known, _layout(check)))), None
        case "misnamed":
            return None, _refusal(data, Status.BAD_STATE)
    return None, _refusal(data, Status.BAD_VALUE)


def _refusal(data: bytes, status: Status) -> bytes:
    answer = load(data, codec.encode_layout("Refusal", Refusal()))
    return put(put(answer, 0, bytes([0x10 | RSP])), STATUS, bytes([status]))


# ── On the way out ───────────────────────────────────────────────────────────────────────────────────


def say(check: Check, data: bytes) -> bytes:
    """What becomes of a packet of the module's."""
    if len(data) <= PAYLOAD or data[TYPE] != check.code:
        return data
    if check.change == "admitted" and is_response(data) and data[STATUS] == Status.NOT_SUPPORTED:
        return load(put(data, STATUS, b"\0"), success(data[TYPE]))
    if check.change != "sent" or form_of(data) is not check.form:
        return data
    packet, layout, known = decoded(data), _layout(check), catalogue()
    if packet is None or type(packet.body).__name__ != layout.name:
        return data
    body = codec.plain(packet.body)
    _misstate(known, layout, body, check.field.split("."), check.value)
    return load(data, write(known, layout, body))


def volunteer(check: Check, data: bytes, lane: Lane) -> bytes | None:
    """What is sent on a lane right after a packet of the module's, though nobody asked for it."""
    if not check.unprompted or len(data) <= PAYLOAD or data[TYPE] != PROMPT or not is_response(data):
        return None
    known, layout = catalogue(), _layout(check)
    packet = known.by_code[check.code]
    if lane.name.lower() not in packet.lanes:
        return None
    body = default(known, layout)
    _misstate(known, layout, body, check.field.split("."), check.value)
    header = Packet(
        type=PacketType(check.code), vc=VirtualChannel[packet.channel], txn=_OWN if check.form is Form.REQUEST else 0
    )
    return load(codec.encode(header), write(known, layout, body))


PROMPT: Final = PacketType.STATE_GET  # what any test asks, on either lane
_OWN: Final = 0x7777  # the transaction of a request that nobody expects


def _misstate(known: ir.Catalogue, layout: ir.Layout, value: Plain, path: list[str], to: int) -> None:
    """Put a number, or as many rows or bytes, in every place of a value that the path leads to."""
    name, *rest = path
    match next(f for f in ir.fields_of(layout.parts) if f.name == name):
        case ir.Rows(row=row) if rest:
            for item in value[name]:
                _misstate(known, known.layout[row], item, rest, to)
        case ir.Tlvs(space=space):
            kind = next(t for t in known.space[space].types if t.name == rest[0])
            for at, (tag, content) in enumerate(value[name]):
                if tag == kind.tag and isinstance(content, dict):
                    _misstate(known, known.layout[kind.layout], content, rest[1:], to)
                elif tag == kind.tag:
                    value[name][at] = tag, to
        case ir.Rows(row=row):
            value[name] = _filled(value[name] or [default(known, known.layout[row])], to)
        case ir.Blob() | ir.Raw():
            value[name] = _filled(value[name] or b"\0", to)
        case _:
            value[name] = to


def _filled(some: Any, to: int) -> Any:
    """So many rows or bytes, those that there are again and again."""
    return (some * (to // len(some) + 1))[:to]


def form_of(data: bytes) -> Form:
    """The form of a packet: a refusal is none that a mistake is about."""
    if is_response(data):
        return Form.RESPONSE if data[STATUS] in (Status.OK, Status.ADJUSTED) else Form.ERROR
    return Form.REQUEST if txn_of(data) else Form.EVENT
