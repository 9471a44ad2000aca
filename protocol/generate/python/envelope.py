"""Back end: how the Python codec reads and writes envelopes: FLIT, sideband record, bench record, and the packet.

An envelope is a header, which is a run, and a payload; a CRC covers both. Everything about its size and its CRC is
one condition; `misframed` of the run-time library says what was wrong. The packet's payload is a value, found by
type and form. An event of numbers and raw data, which is the mass of the traffic, is read in one piece.

Plan: CRCs · what is the same in every envelope · envelopes around bytes · the packet · events in one piece · the
tables of a chapter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from msgspec import structs

from opalink.protocol.generate.python.enums import docstring
from opalink.protocol.generate.python.layout import annotation, default_of
from opalink.protocol.generate.python.run import Fixed, Run, has_value, segments
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel
from opalink.spec.form import Crc, Form

# ── CRCs ─────────────────────────────────────────────────────────────────────────────────────────────

# The hardware-accelerated function behind each declared CRC; `spec check` proves that they agree.
CRC_FUNCTIONS = {"crc32c": "_crc32.iscsi", "crc16": "_crc16.ibm_3740"}


def crc_source(crc: Crc) -> str:
    """How the codec writes a CRC, and by what it knows a right one."""
    function, size = CRC_FUNCTIONS[crc.name], crc.width // 8
    lines = [f"_P_{crc.name} = _Packer({'<I' if size == 4 else '<H'!r}).pack"]
    if crc.refin:
        lines += ["# What the CRC of anything with its own CRC behind it comes to."]
        lines += [f'_RESIDUE_{crc.name} = {function}({function}(b"").to_bytes({size}, "little"))']
    return "\n".join(lines)


# ── What is the same in every envelope ───────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Wrap:
    """The source of what is the same in every envelope. `members` are the enumerations of header fields that the
    declarations do not tie to one."""

    envelope: ir.Envelope
    crc: Crc | None
    members: dict[str, str] = field(default_factory=dict)

    @cached_property
    def run(self) -> Run:
        parts = tuple(p for p in self.envelope.header if isinstance(p, Fixed))
        return Run(camel(self.envelope.name), tuple(self._with_members(p) for p in parts))

    def _with_members(self, p: Fixed) -> Fixed:
        if isinstance(p, ir.Bits):
            fields = tuple(structs.replace(f, choices=self.members.get(f.name, f.choices)) for f in p.fields)
            return structs.replace(p, fields=fields)
        return structs.replace(p, choices=self.members[p.name]) if p.name in self.members else p

    @property
    def crc_size(self) -> int:
        return self.crc.width // 8 if self.crc else 0

    @property
    def option(self) -> str:
        return ", *, crc: bool = True" if self.crc else ""

    def fields(self) -> list[ir.Part]:
        """Header fields that stand in the value: no constants, and no length, which the payload implies."""
        return [f for f in ir.fields_of(self.run.parts) if has_value(f) and f.name != "length"]

    def declarations(self) -> str:
        """The run, and a table for each byte of bit fields."""
        lines = [self.run.declarations()]
        for p, fields in self.split_bytes():
            parts = [f"({f.shift}, {f.bits}" + (f", _T_{f.choices}_{f.bits})" if f.choices else ")") for f in fields]
            lines.append(f"_F_{self.run.id}_{p.name} = _bit_fields({', '.join(parts)})")
        return "\n".join(lines)

    def split_bytes(self) -> Iterator[tuple[ir.Bits, list[ir.Number]]]:
        """Each byte of bit fields, and those of them that stand in the value."""
        for p in self.run.parts:
            if isinstance(p, ir.Bits) and p.size == 1 and (fields := [f for f in p.fields if has_value(f)]):
                yield p, fields

    def values(self) -> list[str]:
        """The expressions of the fields, once `unwrap` has been through."""
        looked_up = {f.name: f.name for _, fields in self.split_bytes() for f in fields}
        return [(self.run.arguments() | looked_up)[f.name] for f in self.fields()]

    def begin(self) -> list[str]:
        """Makes sure of a header."""
        return ["_b = data", "_n = len(_b)", f"if _n < {self.run.size}:", f"    raise _run_short(_n, _R_{self.run.id})"]

    def unwrap(self) -> list[str]:
        """From bytes to checked header fields; afterwards the payload goes from the header's size to `_e`."""
        run, size = self.run, self.run.size
        length = next((n for n, _ in run.numbers() if n.name == "length"), None)
        extent = run.raw(length, None) if self.envelope.size is None and length else str(self.envelope.size)
        lines = [run.read("0"), f"_e = {size} + {extent}"]
        wrong = " or ".join([f"_n != _e + {self.crc_size}", *self.odd_crc()])
        judge = f"{CRC_FUNCTIONS[self.crc.name]} if crc else None" if self.crc else "None"
        lines += [f"if {wrong}:", f"    raise _misframed(_b, {size}, _e, {self.crc_size}, {judge})"]
        if conditions := run.violations():
            lines += [f"if {' or '.join(conditions)}:", f"    raise _run_fault(_b, 0, _n, _R_{run.id})"]
        return lines + [self.split(p, fields) for p, fields in self.split_bytes()]

    def odd_crc(self) -> list[str]:
        """The condition that the CRC is wrong, where there is one."""
        if not self.crc:
            return []
        function = CRC_FUNCTIONS[self.crc.name]
        if self.crc.refin:
            return [f"crc and {function}(_b) != _RESIDUE_{self.crc.name}"]
        return [f'crc and {function}(_b[:_e]) != int.from_bytes(_b[_e:], "little")']

    def split(self, p: ir.Bits, fields: list[ir.Number]) -> str:
        """The bit fields of a byte, looked up."""
        names = ", ".join(f.name for f in fields) + ("," if len(fields) == 1 else "")
        return f"{names} = _F_{self.run.id}_{p.name}[_w_{p.name}]"

    def wrap(self, payload: list[str], refuse: str, front: str = "") -> list[str]:
        """From a value to bytes. `payload` sets `_d`, data that is copied once, and what `front` names before it."""
        run = self.run
        length = f"len({front}) + len(_d)" if front else "len(_d)"
        packed, *illegal = (re.sub(r"\b_v\.length\b", length, x) for x in [run.packed("_v."), *run.illegal("_v.")])
        lines = ["try:", *(f"    {x}" for x in payload)]
        lines += [f"    if {' or '.join(illegal)}:", f"        {refuse}"] if illegal else []
        lines += [f"    _h = {packed}", "except (_PackError, TypeError, AttributeError, KeyError):", f"    {refuse}"]
        pieces = ", ".join(["_h", *([front] if front else []), "_d"])
        if self.crc:
            function = CRC_FUNCTIONS[self.crc.name]
            first = f"_h + {front}" if front else "_h"
            pieces += f", _P_{self.crc.name}({function}(_d, {function}({first}))) if crc else {bytes(self.crc_size)!r}"
        return [*lines, f'return b"".join(({pieces}))']


# ── Envelopes around bytes ───────────────────────────────────────────────────────────────────────────


def envelope_source(catalogue: ir.Catalogue, e: ir.Envelope) -> str:
    """Class, decoder and encoder of an envelope whose payload is bytes."""
    wrap = Wrap(e, next((c for c in catalogue.crcs if c.name == e.crc), None))
    name = camel(e.name)
    lo, hi = (
        (e.size, e.size)
        if e.size is not None
        else next(f.bounds for f in ir.fields_of(e.header) if isinstance(f, ir.Number) and f.name == "length")
    )
    lines = [f"class {name}(_Struct, frozen=True, gc=False):", f'    """{docstring(e.doc)}"""', ""]
    lines += [f"    {f.name}: {annotation(f)} = {default_of(catalogue, f)}" for f in wrap.fields()]
    lines += [f"    payload: _Buffer = {f'bytes({lo})' if lo else 'b' + repr('')}"]
    lines += ["", "", wrap.declarations(), "", ""]
    values = ", ".join([*wrap.values(), f"_b[{wrap.run.size}:_e]"])
    lines += [f"def decode_{name}(data: _Any{wrap.option}) -> {name}:"]
    lines += [f"    {x}" for x in [*wrap.begin(), *wrap.unwrap(), f"return {name}({values})"]]
    lines += ["", "", f"def encode_{name}(_v: {name}{wrap.option}) -> bytes:"]
    payload = [f'_d = _checked(_v.payload, "payload", {lo}, {hi})']
    lines += [f"    {x}" for x in wrap.wrap(payload, f"_refuse(_v, {name}, _R_{wrap.run.id})")]
    return "\n".join(lines)


# ── The packet ───────────────────────────────────────────────────────────────────────────────────────

# A form's place in the table of value classes.
FORM_PLACE = {Form.REQUEST: 0, Form.RESPONSE: 1, Form.ERROR: 2, Form.EVENT: 3}


def packet_source(catalogue: ir.Catalogue, e: ir.Envelope) -> str:
    """The packet: an envelope whose payload is a value, found by type and form."""
    wrap = packet_wrap(catalogue, e)
    size = wrap.run.size
    lines = ["_T_PacketType_8, _T_Status_8 = _total(PacketType, 8), _total(Status, 8)"]
    lines += ["_T_VirtualChannel_4 = _total(VirtualChannel, 4)"]
    lines += ["", "", "class Packet(_Struct, frozen=True, gc=False):", f'    """{docstring(e.doc)}"""', ""]
    lines += [f"    {f.name}: {annotation(f)} = 0" for f in wrap.fields()]
    lines += ['    body: _Any = b""  # a value class, or bytes where the type or its form is unknown']
    lines += ["", "", wrap.declarations(), "", "", "def _as_it_is(_d: _Any) -> tuple[bytes, _Buffer]:"]
    lines += ['    return b"", _checked(_d, "body", 0, 65535)', "", ""]
    lines += ["# By packet type: the name of the form, and the decoder of its payload."]
    lines += [f"{_by_form(form)}: list[tuple[str, _Any] | None] = [None] * 256" for form in Form]
    lines += ["# By packet type: what reads an event in one piece, or leaves it to the others by returning nothing."]
    lines += ["_WHOLE: list[_Any] = [None] * 256"]
    lines += ["# To the bytes of a payload, or to bytes and the raw data that comes after them."]
    lines += ["_ENCODERS: dict[type, _Any] = dict.fromkeys((bytes, bytearray, memoryview), _as_it_is)"]
    lines += ["# Where a value class belongs: its packet type, its form's place, its virtual channel."]
    lines += ["_HOMES: dict[type, tuple[PacketType, int, VirtualChannel]] = {}"]
    lines += ["# By layout: its decoder and its encoder."]
    lines += ["_CODECS: dict[str, tuple[_Any, _Any]] = {}", "", ""]
    succeeded = " or ".join(f"status == {s.value}" for s in catalogue.statuses if s.success)
    values = ", ".join(wrap.values())
    lines += [f"def decode_Packet(data: _Any{wrap.option}) -> Packet:"]
    names = [p.name for p in wrap.run.parts]
    kind = Run("", wrap.run.parts[: names.index("type")]).size
    body = [
        *wrap.begin(),
        f"if _n > {LARGE} and (_whole := _WHOLE[_b[{kind}]]):",
        "    _packet: Packet | None = _whole(_b, _n, crc)",
        "    if _packet:",
        "        return _packet",
        *wrap.unwrap(),
        "if rsp:",
        f"    _entries = _RESPONSES if {succeeded} else _ERRORS",
        "else:",
        "    _entries = _REQUESTS if txn else _EVENTS",
        "_entry = _entries[type]",
        "if _entry is None:",
        "    if type in _UNREAD:",
        "        _read(type)",
        "        _entry = _entries[type]",
        "    if _entry is None:",
        f"        return Packet({values}, bytes(_b[{size}:_e]))",
        "try:",
        f"    return Packet({values}, _entry[1](_b, {size}, _e))",
        "except _DecodeError as _error:",
        f"    _error.packet = Packet({values}, bytes(_b[{size}:_e]))",
        "    raise _error.under(_entry[0]) from None",
    ]
    lines += [f"    {x}" for x in body]
    lines += ["", "", f"def encode_Packet(_v: Packet{wrap.option}) -> bytes:"]
    payload = [
        '_d: _Buffer = b""',
        "_p = _ENCODERS[type(_v.body)](_v.body)",
        "if type(_p) is tuple:",
        "    _p, _d = _p",
    ]
    refuse = f"_refuse_packet(_v, Packet, _R_{wrap.run.id}, _ENCODERS)"
    lines += [f"    {x}" for x in wrap.wrap(payload, refuse, "_p")]
    return "\n".join(lines)


def packet_wrap(catalogue: ir.Catalogue, e: ir.Envelope) -> Wrap:
    """What stands around the body of a packet."""
    members = {"type": "PacketType", "status": "Status", "vc": "VirtualChannel"}
    return Wrap(e, next((c for c in catalogue.crcs if c.name == e.crc), None), members)


# ── Events in one piece ──────────────────────────────────────────────────────────────────────────────

LARGE = 1024  # bytes: smaller packets are seldom such events, and the question alone would delay them


def whole_source(catalogue: ir.Catalogue, layout: ir.Layout) -> str | None:
    """The decoder of an event whose body is one run with raw data, header and body by one `struct` call; nothing for
    other layouts. It reads what is as it should be, and leaves the rest, and saying what is wrong, to the others."""
    match segments(layout.parts, layout.name):
        case [Run() as run] if raw := run.raw_data:
            pass
        case _:
            return None
    wrap = packet_wrap(catalogue, next(e for e in catalogue.envelopes if e.name == "PACKET"))
    name, header, body = layout.name, wrap.run, replace(run, prefix="_body_")
    around = header.size + wrap.crc_size
    # A word with a constant is compared as a whole: its other fields are zero. So is the transaction of an event.
    words = {p.name: p for p in header.parts if isinstance(p, ir.Bits) and any(f.const is not None for f in p.fields)}
    zero = {"txn": "0"} | {f.name: "0" for p in words.values() for f in p.fields}
    others = Run(header.id, tuple(p for p in header.parts if p.name not in words))
    odd = [f"_w_{x} != {sum((f.const or 0) << f.shift for f in p.fields)}" for x, p in words.items()]
    odd += ["txn", f"length != _n - {around}", *others.violations(), *body.violations(), *wrap.odd_crc()]
    values = [zero.get(f.name, x) for f, x in zip(wrap.fields(), wrap.values(), strict=True)]
    data = body.arguments() | {raw.name: f"_b[{header.size + run.size} : _n - {wrap.crc_size}]"}
    made = ", ".join(data[f.name] for f in ir.fields_of(layout.parts) if has_value(f))
    lo, hi = around + run.size + raw.lo, around + run.size + raw.hi
    lines = [
        f"_U_whole_{name} = _Packer({header.format + run.format[1:]!r}).unpack_from",
        *("", "", f"def _whole_{name}(_b: _Any, _n: int, crc: bool) -> Packet | None:"),
        *(f"    if _n < {lo} or _n > {hi}:", "        return None"),
        f"    {header.targets()}, {body.targets()} = _U_whole_{name}(_b)",
        *(f"    if {' or '.join(odd)}:", "        return None"),
        *(f"    {wrap.split(p, fields)}" for p, fields in wrap.split_bytes() if p.name not in words),
        f"    return Packet({', '.join(values)}, {name}({made}))",
    ]
    return "\n".join(lines)


# ── The tables of a chapter ──────────────────────────────────────────────────────────────────────────


def tables_source(catalogue: ir.Catalogue, home: str, layouts: list[ir.Layout]) -> str:
    """What the codec learns from a module when it is imported: its layouts, and the packets of its chapter."""
    raw = {x.name for x in layouts if any(isinstance(p, ir.Raw) for p in x.parts)}
    lines = [f"_CODECS[{x.name!r}] = decode_{x.name}, encode_{x.name}" for x in layouts]
    for p in (p for p in catalogue.packets if p.group == home):
        forms = dict(p.forms)
        if Form.REQUEST in forms:
            forms.setdefault(Form.ERROR, catalogue.error_layout(p))
        if Form.EVENT in forms and (whole := whole_source(catalogue, catalogue.layout[forms[Form.EVENT]])):
            lines += ["", "", whole, "", "", f"_WHOLE[{p.code}] = _whole_{forms[Form.EVENT]}"]
        for form, name in forms.items():
            lines.append(f'{_by_form(form)}[{p.code}] = "{p.name}.{form}", decode_{name}')
            if form in p.forms:
                lines.append(f"_ENCODERS[{name}] = {'split' if name in raw else 'encode'}_{name}")
                lines.append(f"_HOMES[{name}] = PacketType.{p.name}, {FORM_PLACE[form]}, VirtualChannel.{p.channel}")
    if (refusal := catalogue.body.get("REFUSAL")) in {x.name for x in layouts}:
        lines.append(f"_ENCODERS[{refusal}] = encode_{refusal}")
    return "\n".join(lines)


def _by_form(form: Form) -> str:
    return f"_{form.upper()}S"
