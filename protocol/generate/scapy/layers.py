"""Back end: scapy layers.

For each layout a layer: its fields, with which scapy shows, builds and fuzzes it, and `read`, which takes it apart with
one `struct` call for neighbouring fixed fields, as the Python codec does: `python.run` makes those lines. Whatever is
the same in every layer is in `opalink.protocol.scapy.layers`.

Plan: parts as scapy's fields · one layout · TLVs. `envelope` makes the envelopes, `module` the modules.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

from msgspec import structs

from opalink.protocol.generate.python.enums import docstring
from opalink.protocol.generate.python.run import Run, has_value, segments
from opalink.protocol.generate.scapy.names import TLV, Names
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel, singular

# ── Parts as scapy's fields ──────────────────────────────────────────────────────────────────────────


def enum_name(choices: str) -> str:
    """The table of an enumeration's members by number."""
    return f"_E_{choices}"


def flags_name(flags: str, bits: int) -> str:
    """The list of the names of so many flags, from the lowest bit up."""
    return f"_N_{flags}_{bits}"


def bare(part: ir.Part) -> ir.Part:
    """A part whose numbers are read as they are: scapy keeps numbers and shows names."""
    match part:
        case ir.Bits():
            return structs.replace(part, fields=tuple(structs.replace(f, choices="") for f in part.fields))
        case ir.Number():
            return structs.replace(part, choices="")
    return part


def number_field(n: ir.Number, attribute: str) -> str:
    """A whole number, with the names of its members or of its bits if it has any."""
    end = ", const=True" if n.const is not None else ""
    default = n.default if n.const is None else n.const
    if n.flags and not n.signed:
        return f"_Flags({attribute!r}, {default}, {-n.bits}, {flags_name(n.flags, n.bits)}{end})"
    start = f"{attribute!r}, {default}, {n.size}, {n.signed}"
    if n.choices:
        return f"_Enum({start}, {enum_name(n.choices)}{end})"
    unit = f", unit={n.unit!r}" if n.unit else ""
    unit += f", scale={n.scale!r}" if n.scale != "1" else ""
    return f"_Number({start}{unit}{end})"


def bit_fields(part: ir.Bits, names: Names) -> Iterator[str]:
    """The fields of a word, from the most significant down. Where it has several bytes, the first and the last field
    say so: that is how scapy puts them into little-endian order."""
    for n in part.fields:
        more = ", const=True" if n.const is not None else ""
        if part.size > 1:
            more += f", tot_size={-part.size}" if n is part.fields[0] else ""
            more += f", end_tot_size={-part.size if n is part.fields[-1] else -1}"
        start = f"{names[n.name]!r}, {n.default if n.const is None else n.const}, {n.bits}"
        if n.flags:
            yield f"_Flags({start}, {flags_name(n.flags, n.bits)}{more})"
        elif n.choices:
            yield f"_BitEnum({start}, {enum_name(n.choices)}{more})"
        else:
            yield f"_Bit({start}{more})"


def fields_of(part: ir.Part, names: Names) -> Iterator[str]:
    """The expressions of a part's fields in scapy: a count is a field of its own there."""
    match part:
        case ir.Number():
            yield number_field(part, names[part.name])
        case ir.Bits():
            yield from bit_fields(part, names)
        case ir.Octets():
            default = repr(part.default) if any(part.default) else f"bytes({part.size})"
            yield f"_Octets({names[part.name]!r}, {default}, {part.size}, {part.size})"
        case ir.Blob():
            yield f"_Count({names.count(part.name)!r}, {part.count}, {names[part.name]!r})"
            yield f"_Octets({names[part.name]!r}, bytes({part.lo}), {part.lo}, {part.hi})"
        case ir.Raw():
            yield f"_Octets({names[part.name]!r}, bytes({part.lo}), {part.lo}, {part.hi})"
        case ir.Rows():
            rows = f"[{part.row}() for _ in range({part.lo})]" if part.lo else "[]"
            yield f"_Count({names.count(part.name)!r}, {part.count}, {names[part.name]!r})"
            yield f"_Layers({names[part.name]!r}, {rows}, {part.row})"
        case ir.Tlvs():
            yield f"_Layers({names[part.name]!r}, [], {singular(part.space)})"
        case _:
            assert_never(part)


# ── One layout ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LayerCode:
    """The source of one layout: `tlv` where it is the value of a TLV, with the TLV's head before it."""

    layout: ir.Layout
    tlv: tuple[ir.Space, ir.TlvType] | None = None

    @property
    def name(self) -> str:
        return self.layout.name

    @cached_property
    def names(self) -> Names:
        return Names(self.layout.parts, TLV if self.tlv else ())

    def source(self) -> str:
        parts = segments(tuple(map(bare, self.layout.parts)), self.name)
        runs = [p.declarations() for p in parts if isinstance(p, Run)]
        return "\n".join([*runs, "", "", self._head(), *(f"    {x}" for x in self._reader(parts))])

    def _head(self) -> str:
        base, fields = "_Layer", [x for p in self.layout.parts for x in fields_of(p, self.names)]
        wire = {f.name: self.names[f.name] for f in ir.fields_of(self.layout.parts) if has_value(f)}
        lines = [f"    name = {f'OPAL {self.name}'!r}"]
        if self.tlv:
            space, tlv = self.tlv
            base, number = singular(space.name), ir.lone_number(self.layout)
            lines = [f"    name = {f'OPAL {tlv.name}'!r}"]
            fields = [
                f'_Enum("tag", {tlv.tag}, 2, False, {enum_name(base + "Tag")}, const=True)',
                "_Length(2)",
                *fields,
            ]
            lines += [f"    _lone = {self.names[number.name]!r}"] if number else []
        return "\n".join([
            f"class {self.name}({base}):",
            f'    """{docstring(self.layout.doc)}"""',
            "",
            *lines,
            "    fields_desc = [",
            *(f"        {x}," for x in fields),
            "    ]",
            f"    _wire = {wire!r}",
            "",
            "",
        ])  # fmt: skip

    def _reader(self, parts: list[Run | ir.Part]) -> Iterator[str]:
        """A method that reads the layout from `_o` on, no farther than `_e`, and says where it ended."""
        yield "def read(_p, _b: bytes, _o: int, _e: int) -> int:"
        values: dict[str, str] = {}
        for p in parts:
            for line in self._step(p, values):
                yield f"    {line}"
        yield f"    _fields(_p, {{{', '.join(f'{name!r}: {x}' for name, x in values.items())}}})"
        yield "    return _o"

    def _step(self, p: Run | ir.Part, values: dict[str, str]) -> Iterator[str]:
        """The statements that read one part; `values` learns which expression each of its fields has then."""
        names = self.names
        match p:
            case Run():
                yield from p.decode()
                values |= {names[name]: x for name, x in p.arguments().items()}
                if p.raw_data:  # which its expression reaches for by where it began
                    yield f"{p.raw_data.name} = {p.arguments()[p.raw_data.name]}"
                    values[names[p.raw_data.name]] = p.raw_data.name
                yield "_o = _e" if p.raw_data else f"_o += {p.size}"
            case ir.Blob():
                yield from ["if _e - _o < _n:", f"    raise _short({p.name!r}, _o, _e, _n)"]
                yield from [f"{p.name} = _b[_o : _o + _n]", "_o += _n"]
                values |= {names.count(p.name): f"_len({p.name})", names[p.name]: p.name}
            case ir.Rows():
                yield f"{p.name}, _o = _rows(_p, {p.row}, _b, _o, _e, _n, {p.name!r})"
                values |= {names.count(p.name): f"_len({p.name})", names[p.name]: p.name}
            case ir.Tlvs():
                yield f"{p.name} = _tlvs(_p, {singular(p.space)}, _b, _o, _e, {p.name!r})"
                yield "_o = _e"
                values[names[p.name]] = p.name


# ── TLVs ─────────────────────────────────────────────────────────────────────────────────────────────


def space_source(space: ir.Space) -> str:
    """The layer of a TLV whose tag is unknown: bytes. Those of the known tags derive from it."""
    name = singular(space.name)
    return "\n".join([
        f"class {name}(_Tlv):",
        f'    """{docstring(space.doc)}"""',
        "",
        f"    name = {f'OPAL {name.lower()}'!r}",
        "    fields_desc = [",
        f'        _Enum("tag", 0, 2, False, {enum_name(name + "Tag")}),',
        "        _Length(2),",
        '        _Octets("value", b"", 0, 65535),',
        "    ]",
        "    _known = {}",
    ])  # fmt: skip


def known_source(space: ir.Space) -> str:
    """The layers of a space's known tags."""
    pairs = ", ".join(f"{t.tag}: {t.layout}" for t in space.types)
    return f"{singular(space.name)}._known.update({{{pairs}}})"


def layer_source(catalogue: ir.Catalogue, layout: ir.Layout) -> str:
    """The source of a layout, as a TLV where a space has it."""
    tlv = next(((s, t) for s in catalogue.spaces for t in s.types if t.layout == layout.name), None)
    return LayerCode(layout, tlv).source()


def envelope_name(envelope: ir.Envelope) -> str:
    """The layer of an envelope: scapy has a Packet of its own."""
    return "Opal" + camel(envelope.name)
