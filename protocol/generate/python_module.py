"""Back end: the Python codec as modules, from the pieces of `opalink.protocol.generate.python`.

A piece of source is a chunk with a home module. The same chunks make the package `opalink.protocol.packets`,
one module a chapter, or a single module in memory, which is how random schemas are tried.

Plan: chunks · envelopes · the packet and its dispatch · modules.
"""

import ast
import re
from dataclasses import dataclass
from functools import cached_property

from opalink.protocol.generate.marks import header
from opalink.protocol.generate.python import (
    Run,
    annotation,
    default_of,
    has_value,
    layout_source,
)
from opalink.protocol.generate.python_enums import docstring, enum_source, lookups, tag_enum, tag_table
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel
from opalink.spec.form import Crc, Form, Member

# A form's place in the key by which a payload is decoded: type × 4 + place.
FORM_PLACE = {Form.REQUEST: 0, Form.RESPONSE: 1, Form.ERROR: 2, Form.EVENT: 3}

_PRELUDE = """\
from enum import IntEnum as _IntEnum, IntFlag as _IntFlag
from struct import Struct as _Packer, error as _PackError
from typing import Any as _Any

from fastcrc import crc16 as _crc16, crc32 as _crc32
from msgspec import Struct as _Struct

from opalink.protocol.errors import DecodeError as _DecodeError
from opalink.protocol.runtime import (
    Buffer as _Buffer,
    Item as _Item,
    TagTable as _TagTable,
    Tlv as _Tlv,
    bad_crc as _bad_crc,
    cap as _cap,
    checked as _checked,
    counted as _counted,
    decode_tlvs as _decode_tlvs,
    encode_rows as _encode_rows,
    encode_tlvs as _encode_tlvs,
    long as _long,
    refuse as _refuse,
    refuse_number as _refuse_number,
    run_fault as _run_fault,
    run_short as _run_short,
    short as _short,
    total as _total,
)
"""

# The hardware-accelerated function behind each declared CRC; `spec check` proves that they agree.
CRC_FUNCTIONS = {"crc32c": "_crc32.iscsi", "crc16": "_crc16.ibm_3740"}


@dataclass(frozen=True)
class Chunk:
    """A piece of a module, and the names that it defines for others."""

    home: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def defines(self) -> set[str]:
        found = set()
        for node in self.tree.body:
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                    found.add(name)
                case ast.Assign() | ast.AnnAssign():
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        return found

    @cached_property
    def mentions(self) -> set[str]:
        names = (n for n in ast.walk(self.tree) if isinstance(n, ast.Name))
        return {n.id for n in names if isinstance(n.ctx, ast.Load)}


def chunks(catalogue: ir.Catalogue) -> list[Chunk]:
    """Everything in an order in which it can be executed."""
    out = [Chunk("enums", enum_source(e.name, e.doc, _members(e.members))) for e in catalogue.enums]
    out += [Chunk("enums", enum_source(e.name, e.doc, _bits(e.members), "IntFlag")) for e in catalogue.flags]
    out += [Chunk("enums", tag_enum(s)) for s in catalogue.spaces]
    out += [Chunk("enums", enum_source(*table)) for table in _tables(catalogue)]
    out += [Chunk("enums", lookups(catalogue))]
    homes = layout_homes(catalogue)
    rows = frozenset(p.row for x in catalogue.layouts for p in x.parts if isinstance(p, ir.Rows))
    tlvs = frozenset(t.layout for s in catalogue.spaces for t in s.types)
    out += [Chunk(homes[x.name], layout_source(catalogue, x, rows, tlvs)) for x in catalogue.layouts]
    out += [Chunk("tlvs", tag_table(s)) for s in catalogue.spaces]
    for e in catalogue.envelopes:
        out.append(Chunk("codec", packet_source(catalogue, e) if e.name == "PACKET" else envelope_source(catalogue, e)))
    out.append(Chunk("codec", codecs(catalogue)))
    return out


def codecs(catalogue: ir.Catalogue) -> str:
    """Every layout by name, for those who find it in the representation."""
    lines = ["CODECS: dict[str, tuple[_Any, _Any]] = {"]
    lines += [f"    {x.name!r}: (decode_{x.name}, encode_{x.name})," for x in catalogue.layouts]
    return "\n".join([*lines, "}"])


def _members(members: tuple[Member, ...]) -> tuple[tuple[str, int, str], ...]:
    return tuple((m.name, m.value, m.doc) for m in members)


def _bits(members: tuple[Member, ...]) -> tuple[tuple[str, int, str], ...]:
    return tuple((m.name, 1 << m.value, m.doc) for m in members)


def _tables(catalogue: ir.Catalogue) -> list[tuple[str, str, tuple[tuple[str, int, str], ...]]]:
    """The tables that the packet header's numbers come from."""
    types = tuple((p.name, p.code, p.doc.split(". ")[0].rstrip(".") + ".") for p in catalogue.packets)
    return [
        ("PacketType", "Codes of packet types.", types),
        ("Status", "Status codes.", tuple((s.name, s.value, s.doc) for s in catalogue.statuses)),
        ("VirtualChannel", "Virtual channels.", tuple((c.name, c.value, c.doc) for c in catalogue.channels)),
    ]


def layout_homes(catalogue: ir.Catalogue) -> dict[str, str]:
    """The module of each layout: its chapter's; `tlvs` for TLV values; `shared` for rows used in several."""
    homes: dict[str, set[str]] = {x.name: set() for x in catalogue.layouts}

    def reach(name: str, home: str) -> None:
        homes[name].add(home)
        for p in catalogue.layout[name].parts:
            if isinstance(p, ir.Rows):
                reach(p.row, home)

    for s in catalogue.spaces:
        for t in s.types:
            reach(t.layout, "tlvs")
    for p, _, layout in catalogue.messages():
        reach(layout.name, p.group)
    for b in catalogue.bodies:
        reach(b.layout, "bodies")
    return {name: found.pop() if len(found) == 1 else "shared" for name, found in homes.items()}


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Wrap:
    """The source of what every envelope's decoder and encoder begin with."""

    envelope: ir.Envelope
    crc: Crc | None

    @property
    def run(self) -> Run:
        parts = tuple(p for p in self.envelope.header if isinstance(p, (ir.Number, ir.Bits, ir.Octets)))
        return Run(camel(self.envelope.name), parts)

    @property
    def crc_size(self) -> int:
        return self.crc.width // 8 if self.crc else 0

    def fields(self) -> list[ir.Part]:
        """Header fields that stand in the value: no constants, and no length, which the payload implies."""
        return [f for f in ir.fields_of(self.envelope.header) if has_value(f) and f.name != "length"]

    def unwrap(self) -> list[str]:
        """From bytes to checked header fields; afterwards the payload is data[{size}:_e]."""
        run, size = self.run, self.run.size
        length = next((n for n, _ in run.numbers() if n.name == "length"), None)
        extent = run.raw(length, None) if self.envelope.size is None and length else str(self.envelope.size)
        lines = ["_b, _n = data, len(data)", f"if _n < {size}:", f"    raise _run_short(_n, _R_{run.id})"]
        lines += [f"{run.targets()} = _U_{run.id}(_b, 0)", f"_e = {size} + {extent}"]
        lines += ["if _n < _e:", f'    raise _short("payload", {size}, _n, {extent})']
        if self.crc:
            computed = f"{CRC_FUNCTIONS[self.crc.name]}(_b[:_e])"
            found = f'int.from_bytes(_b[_e : _e + {self.crc_size}], "little")'
            lines += [f"if _n < _e + {self.crc_size}:", f'    raise _short("crc", _e, _n, {self.crc_size})']
            lines += [
                f"if crc and (_computed := {computed}) != (_found := {found}):",
                "    raise _bad_crc(_e, _found, _computed)",
            ]
        lines += [f"if _n > _e + {self.crc_size}:", f"    raise _long(_e + {self.crc_size}, _n)"]
        if conditions := run.violations():
            lines += [f"if {' or '.join(conditions)}:", f"    raise _run_fault(_b, 0, _n, _R_{run.id})"]
        return lines

    def wrap(self, *first: str) -> list[str]:
        """From a value and its payload `_p` to bytes; `first` explains what the header's table cannot."""
        run = self.run
        packed, *illegal = (re.sub(r"\b_v\.length\b", "len(_p)", x) for x in [run.packed("_v."), *run.illegal("_v.")])
        refuse = f'_refuse(_v, {camel(self.envelope.name)}, tuple(x for x in _R_{run.id} if x.name != "length"))'
        lines = ["try:"]
        lines += [f"    if {' or '.join(illegal)}:", f"        {refuse}"] if illegal else []
        lines += [f"    _m = {packed} + _p", "except (_PackError, TypeError, AttributeError):"]
        lines += [f"    {x}" for x in (*first, refuse)]
        if self.crc:
            lines.append(f'return _m + {CRC_FUNCTIONS[self.crc.name]}(_m).to_bytes({self.crc_size}, "little")')
        else:
            lines.append("return _m")
        return lines


def envelope_source(catalogue: ir.Catalogue, e: ir.Envelope) -> str:
    """Class, decoder and encoder of an envelope whose payload is bytes."""
    wrap = Wrap(e, next((c for c in catalogue.crcs if c.name == e.crc), None))
    name, fields = camel(e.name), wrap.fields()
    lo, hi = (
        (e.size, e.size)
        if e.size is not None
        else next(f.bounds for f in ir.fields_of(e.header) if isinstance(f, ir.Number) and f.name == "length")
    )
    lines = [f"class {name}(_Struct, frozen=True, gc=False):", f'    """{docstring(e.doc)}"""', ""]
    lines += [f"    {f.name}: {annotation(f)} = {default_of(catalogue, f)}" for f in fields]
    lines += [
        f"    payload: _Buffer = {f'bytes({lo})' if lo else 'b' + repr('')}",
        "",
        "",
        wrap.run.declarations(),
        "",
        "",
    ]
    values = ", ".join([wrap.run.arguments()[f.name] for f in fields] + [f"_b[{wrap.run.size}:_e]"])
    option = ", *, crc: bool = True" if wrap.crc else ""
    lines += [f"def decode_{name}(data: _Any{option}) -> {name}:"]
    lines += [f"    {x}" for x in [*wrap.unwrap(), f"return {name}({values})"]]
    lines += ["", "", f"def encode_{name}(_v: {name}) -> bytes:"]
    body = [*_attribute("_p", "payload", name), f'_p = _checked(_p, "payload", {lo}, {hi})', *wrap.wrap()]
    lines += [f"    {x}" for x in body]
    return "\n".join(lines)


def _attribute(variable: str, name: str, cls: str) -> list[str]:
    """A value's attribute; what has none is no value of the class."""
    return ["try:", f"    {variable} = _v.{name}", "except AttributeError:", f"    _refuse(_v, {cls}, ())"]


# ── The packet ───────────────────────────────────────────────────────────────────────────────────────


def packet_source(catalogue: ir.Catalogue, e: ir.Envelope) -> str:
    """The packet: an envelope whose payload is a value, found by type and form."""
    wrap = Wrap(e, next((c for c in catalogue.crcs if c.name == e.crc), None))
    size = wrap.run.size
    success = tuple(s.value for s in catalogue.statuses if s.success)
    named = {"type": ("PacketType", 8), "status": ("Status", 8), "vc": ("VirtualChannel", 4)}
    arguments = wrap.run.arguments()
    lines = [f"_T_{t}_{w} = _total({t}, {w})" for t, w in named.values()]
    lines += ["", "", "class Packet(_Struct, frozen=True, gc=False):", f'    """{docstring(e.doc)}"""', ""]
    fields = wrap.fields()
    lines += [f"    {f.name}: {named[f.name][0] + ' | int' if f.name in named else 'int'} = 0" for f in fields]
    lines += ['    body: _Any = b""  # a value class, or bytes where the type or its form is unknown']
    lines += ["", "", wrap.run.declarations(), ""]
    values = ", ".join(
        f"_T_{named[f.name][0]}_{named[f.name][1]}[{arguments[f.name]}]" if f.name in named else arguments[f.name]
        for f in fields
    )
    lines += ["_DECODERS: dict[int, tuple[str, _Any]] = {"]
    encoders, homes = [], []
    for p in catalogue.packets:
        layouts = dict(p.forms)
        if Form.REQUEST in layouts:
            layouts.setdefault(Form.ERROR, catalogue.error_layout(p))
        for form, name in layouts.items():
            key = p.code << 2 | FORM_PLACE[form]
            lines.append(f'    {key}: ("{p.name}.{form}", decode_{name}),')
            if form in p.forms:
                homes.append(f"    {name}: (PacketType.{p.name}, {FORM_PLACE[form]}, VirtualChannel.{p.channel}),")
                encoders.append(f"    {name}: encode_{name},")
    if "REFUSAL" in catalogue.body:
        encoders.append(f"    {catalogue.body['REFUSAL']}: encode_{catalogue.body['REFUSAL']},")
    lines += ["}", "_ENCODERS: dict[type, _Any] = {", *encoders, "}"]
    lines += ["# Where a value class belongs: its packet type, its form's place, its virtual channel."]
    lines += ["HOMES: dict[type, tuple[PacketType, int, VirtualChannel]] = {", *homes, "}", "", ""]
    succeeded = " or ".join(f"status == {s}" for s in success)
    place = f"({succeeded}) and 1 or 2 if {arguments['rsp']} else 0 if txn else 3"
    lines += ["def decode_Packet(data: _Any, *, crc: bool = True) -> Packet:"]
    body = [
        *wrap.unwrap(),
        f"_entry = _DECODERS.get(type << 2 | ({place}))",
        "if _entry is None:",
        f"    return Packet({values}, bytes(_b[{size}:_e]))",
        "try:",
        f"    return Packet({values}, _entry[1](_b, {size}, _e))",
        "except _DecodeError as _error:",
        f"    _error.packet = Packet({values}, bytes(_b[{size}:_e]))",
        "    raise _error.under(_entry[0]) from None",
    ]
    lines += [f"    {x}" for x in body]
    lines += ["", "", "def encode_Packet(_v: Packet) -> bytes:"]
    sized = '_checked({}, "body", 0, 65535)'
    body = [
        *_attribute("_body", "body", "Packet"),
        "_encode = _ENCODERS.get(type(_body))",
        f"_p: _Buffer = {sized.format('_body')} if _encode is None else _encode(_body)",
        *wrap.wrap(sized.format("_p")),
    ]
    lines += [f"    {x}" for x in body]
    return "\n".join(lines)


# ── Modules ──────────────────────────────────────────────────────────────────────────────────────────


def one_module(catalogue: ir.Catalogue) -> str:
    """The whole codec as the source of one module."""
    return "\n\n\n".join([_PRELUDE, *(c.source for c in chunks(catalogue))])


def modules(catalogue: ir.Catalogue) -> dict[str, str]:
    """The codec as a package: file name → source."""
    pieces = chunks(catalogue)
    where: dict[str, str] = {}
    for c in pieces:
        for name in c.defines:
            where.setdefault(name, c.home)
    names = list(dict.fromkeys(c.home for c in pieces))
    out = {}
    for home in names:
        mine = [c for c in pieces if c.home == home]
        needs: dict[str, set[str]] = {}
        for c in mine:
            for name in c.mentions & where.keys():
                if where[name] != home:
                    needs.setdefault(where[name], set()).add(name)
        imports = [
            f"from opalink.protocol.packets.{module} import (\n" + "".join(f"    {n},\n" for n in sorted(found)) + ")"
            for module, found in sorted(needs.items())
        ]
        text = "\n\n\n".join(c.source for c in mine)
        what = f"The {home} chapter of the Python codec." if home in catalogue.group else f"The Python codec: {home}."
        out[f"{home}.py"] = "\n".join(
            [header("#", catalogue.fingerprint, what), _used_prelude(mine), *imports, "", "", text, ""]
        )
    out["__init__.py"] = _face(catalogue, where)
    return out


def _face(catalogue: ir.Catalogue, where: dict[str, str]) -> str:
    """The package's own module: every public name, by chapter."""
    public = {n: home for n, home in where.items() if not n.startswith("_") and not re.match("(de|en)code_[A-Z]", n)}
    public |= {f"{verb}_{camel(e.name)}": "codec" for e in catalogue.envelopes for verb in ("decode", "encode")}
    what = '"""Value classes, enumerations and codec of every packet."""\n\nfrom opalink.protocol.runtime import Tlv'
    imports = [
        f"from opalink.protocol.packets.{home} import (\n"
        + "".join(f"    {n} as {n},\n" for n in sorted(public) if public[n] == home)
        + ")"
        for home in sorted(set(public.values()))
    ]
    names = "".join(f'    "{n}",\n' for n in sorted([*public, "Tlv"]))
    mark = header("#", catalogue.fingerprint, "The Python codec: its public names.")
    return "\n".join([mark, what, *imports, "", f"__all__ = [\n{names}]", ""])


def _used_prelude(pieces: list[Chunk]) -> str:
    """The imports of the prelude that the pieces of a module mention."""
    used = {name for c in pieces for name in c.mentions}
    lines: list[str] = []
    for statement in re.findall(r"^from (\S+) import (?:\(\n(.*?)\)|(.*?))$", _PRELUDE, re.MULTILINE | re.DOTALL):
        module, many, one = statement
        names = [x.strip() for x in (many or one).split(",") if x.strip()]
        kept = [n for n in names if n.split(" as ")[1] in used]
        if len(kept) > 3:
            lines.append(f"from {module} import (\n" + "".join(f"    {n},\n" for n in kept) + ")")
        elif kept:
            lines.append(f"from {module} import {', '.join(kept)}")
    return "\n".join(lines)
