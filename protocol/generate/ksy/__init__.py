"""Back end: every layout as Kaitai Struct, for whoever reads OPAL in a language that opalink has no codec for.

One file, `opal.ksy`: its root is one packet; FLITs, sideband records, bench records and every body are types of it. It
reads and never writes, as Kaitai does. Every constraint becomes a `valid`, so what is illegal is refused; a CRC is
beyond the language, and is read without being checked. `run` compiles and tries it.

Units, scales and requirement IDs stand beside each field under keys of our own (`-unit`, `-scale`, `-req`), which
Kaitai passes over. A flag is an instance of the type that has the flags.

Plan: YAML · names · parts of a layout · types · what a packet carries · enumerations · the file.
"""

import json
import re
from collections.abc import Iterable, Iterator
from keyword import iskeyword
from typing import Final

from opalink.protocol.generate.marks import header
from opalink.protocol.generate.python.enums import all_numbers
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import singular
from opalink.spec.form import Form

FILE: Final = "opal.ksy"
VERSION: Final = "0.11"  # of the language
_EXACT: Final = 1 << 53  # from here on, a YAML parser may take a number for a float

# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────


def _text(value: str) -> str:
    """A string as YAML; JSON's are."""
    return json.dumps(value, ensure_ascii=False)


def _integer(value: int) -> str:
    return f'"{value}"' if abs(value) >= _EXACT else str(value)


def _indented(lines: Iterable[str], by: int = 2) -> Iterator[str]:
    return (" " * by + line for line in lines)


def _attribute(name: str, *lines: str) -> list[str]:
    """An element of a `seq`."""
    return [f"- id: {name}", *_indented(line for line in lines if line)]


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────


def identifier(name: str) -> str:
    """A declared name as Kaitai wants it: PwrRequest → pwr_request. What a language reserves gets an underscore."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{snake}_" if iskeyword(snake) else snake


class Names:
    """The names of one type: those of declared fields are theirs, and whatever is added goes around them."""

    def __init__(self, parts: tuple[ir.Part, ...]) -> None:
        self._taken = {identifier(f.name) for f in ir.fields_of(parts)}

    def free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


# ── Parts of a layout ────────────────────────────────────────────────────────────────────────────────


def _valid(n: ir.Number, *, boolean: bool) -> str:
    lo, hi = n.bounds
    if not n.checked:
        return ""
    if boolean:
        return f"valid: {'true' if lo else 'false'}"
    if n.choices:  # which compares members otherwise, and not every number is one
        return f"valid: {{expr: {_text(f'_.to_i >= {lo} and _.to_i <= {hi}')}}}"
    if lo == hi:
        return f"valid: {_integer(lo)}"
    bounds = [f"min: {_integer(lo)}"] if lo > n.span[0] else []
    bounds += [f"max: {_integer(hi)}"] if hi < n.span[1] else []
    return f"valid: {{{', '.join(bounds)}}}"


def _number(n: ir.Number, *, in_word: bool = False) -> list[str]:
    """Kaitai has no integer of three bytes: it is a word of 24 bits."""
    bits = in_word or n.bits not in (8, 16, 32, 64)
    wire = f"b{n.bits}" if bits else f"{'s' if n.signed else 'u'}{n.size}"
    boolean = bits and n.bits == 1 and not n.choices
    lines = [f"type: {wire}"]
    lines += [f"enum: {identifier(n.choices)}"] if n.choices else []
    lines += [_valid(n, boolean=boolean)]
    lines += [f"-unit: {_text(n.unit)}"] if n.unit else []
    lines += [f"-scale: {_text(n.scale)}"] if n.factor != 1 else []
    lines += _of_field(n)
    return _attribute(identifier(n.name), *lines)


def _of_field(f: ir.Number | ir.Octets | ir.Rows) -> list[str]:
    lines = [f"-req: [{', '.join(f.req)}]"] if f.req else []
    return [*lines, f"doc: {_text(f.doc)}"]


def _counted(count: int, lo: int, hi: int) -> list[str]:
    """The type and the bounds of a count."""
    n = ir.Number("", "", 8 * count, lo=lo, hi=hi)
    return [f"type: {f'u{count}' if count in (1, 2, 4, 8) else f'b{8 * count}'}", _valid(n, boolean=False)]


def _part(p: ir.Part, names: Names) -> Iterator[list[str]]:
    match p:
        case ir.Number():
            yield _number(p)
        case ir.Bits():  # declared from the most significant down, and read from the least
            yield from (_number(f, in_word=True) for f in reversed(p.fields))
        case ir.Octets():
            yield _attribute(identifier(p.name), f"size: {p.size}", *_of_field(p))
        case ir.Blob():
            count = names.free(f"len_{p.name}")
            yield _attribute(count, *_counted(p.count, p.lo, p.hi))
            doc = f"{p.doc} UTF-8, as bytes: nobody has checked it." if p.text else p.doc
            yield _attribute(identifier(p.name), f"size: {count}", f"doc: {_text(doc)}")
        case ir.Raw():
            bounds = f"valid: {{expr: {_text(f'_.length >= {p.lo} and _.length <= {p.hi}')}}}"
            yield _attribute(identifier(p.name), "size-eos: true", bounds, f"doc: {_text(p.doc)}")
        case ir.Rows():
            count = names.free(f"num_{p.name}")
            yield _attribute(count, *_counted(p.count, p.lo, p.hi))
            repeat = ("repeat: expr", f"repeat-expr: {count}")
            yield _attribute(identifier(p.name), f"type: {identifier(p.row)}", *repeat, *_of_field(p))
        case ir.Tlvs():
            yield _attribute(identifier(p.name), f"type: {_tlv(p.space)}", "repeat: eos", f"doc: {_text(p.doc)}")


def _flags(catalogue: ir.Catalogue, parts: tuple[ir.Part, ...], names: Names) -> Iterator[str]:
    """An instance for each flag that a field has room for."""
    for n in ir.fields_of(parts):
        if not isinstance(n, ir.Number) or not n.flags:
            continue
        for flag in catalogue.flag_set[n.flags].members:
            if flag.value < n.bits:
                word = identifier(n.name)
                yield f"{names.free(f'{word}_{identifier(flag.name)}')}:"
                yield f"  value: {_text(word if n.bits == 1 else f'({word} >> {flag.value} & 1) == 1')}"
                yield f"  doc: {_text(flag.doc)}"


# ── Types ────────────────────────────────────────────────────────────────────────────────────────────


def _excess(names: Names) -> list[str]:
    bound = f"valid: {{expr: {_text('_.length == 0')}}}"
    return _attribute(names.free("excess"), "size-eos: true", bound, 'doc: "Nothing: no byte is left over."')


def _type(name: str, doc: str, seq: Iterable[list[str]], instances: Iterable[str] = ()) -> list[str]:
    lines = [f"doc: {_text(doc)}"]
    elements = [line for element in seq for line in element]
    lines += ["seq:", *_indented(elements)] if elements else ["seq: []"]
    found = list(instances)
    lines += ["instances:", *_indented(found)] if found else []
    return [f"{name}:", *_indented(lines)]


def _layout(catalogue: ir.Catalogue, layout: ir.Layout, *, row: bool) -> list[str]:
    """A body or the value of a TLV ends where its last byte does; a row goes on in the next one."""
    names = Names(layout.parts)
    seq = [element for p in layout.parts for element in _part(p, names)]
    open_end = bool(layout.parts) and isinstance(layout.parts[-1], ir.Raw | ir.Tlvs)
    if not row and not open_end:
        seq.append(_excess(names))
    return _type(identifier(layout.name), layout.doc, seq, _flags(catalogue, layout.parts, names))


def _tlv(space: str) -> str:
    return f"{identifier(singular(space))}_tlv"


def _tag(space: str) -> str:
    return f"{identifier(singular(space))}_tag"


def _switch(on: str, cases: Iterable[tuple[str, str]]) -> list[str]:
    found = [f"{_text(case)}: {name}" for case, name in cases]
    return ["type:", f"  switch-on: {on}", "  cases:", *_indented(found, 4)] if found else []


def _space(space: ir.Space) -> list[str]:
    """The TLVs of a space; what an unknown tag carries stays bytes."""
    tag = _tag(space.name)
    cases = ((f"{tag}::{identifier(t.name)}", identifier(t.layout)) for t in space.types)
    seq = [
        _attribute("tag", "type: u2", f"enum: {tag}" if space.types else ""),
        _attribute("len_value", "type: u2"),
        _attribute("value", "size: len_value", *_switch("tag", cases)),
    ]
    return _type(_tlv(space.name), space.doc, seq)


def _envelope(catalogue: ir.Catalogue, e: ir.Envelope) -> list[str]:
    names = Names(e.header)
    seq = [element for p in e.header for element in _part(p, names)]
    content, instances = [], list(_flags(catalogue, e.header, names))
    if e.name == "PACKET":
        content = _switch("form", ((f"form::{form}", _payload(form)) for form in _bodies(catalogue)))
        instances = [*_form_of(catalogue), *instances]
    seq.append(_attribute(names.free("payload"), f"size: {'length' if e.size is None else e.size}", *content))
    if crc := next((c for c in catalogue.crcs if c.name == e.crc), None):
        seq.append(_attribute(names.free("crc"), f"type: u{crc.width // 8}", f"doc: {_text(f'{crc.doc} Unchecked.')}"))
    return _type(identifier(e.name), e.doc, seq, instances)


# ── What a packet carries ────────────────────────────────────────────────────────────────────────────


def _payload(form: Form) -> str:
    return f"{form}_payload"


def _bodies(catalogue: ir.Catalogue) -> dict[Form, dict[str, str]]:
    """The layout of each packet type by form; a form that no type has is left out."""
    found: dict[Form, dict[str, str]] = {form: {} for form in Form}
    for p in catalogue.packets:
        for form, layout in p.forms.items():
            found[form][p.name] = layout
        if Form.REQUEST in p.forms:
            found[Form.ERROR][p.name] = catalogue.error_layout(p)
    return {form: types for form, types in found.items() if types}


def _form_of(catalogue: ir.Catalogue) -> list[str]:
    success = " or ".join(f"status == status::{identifier(s.name)}" for s in catalogue.statuses if s.success)
    asked = f"(txn == 0 ? form::{Form.EVENT} : form::{Form.REQUEST})"
    value = f"rsp ? ({success} ? form::{Form.RESPONSE} : form::{Form.ERROR}) : {asked}"
    return ["form:", f"  value: {_text(value)}", '  doc: "In which form the packet type travels."']


def _carriers(catalogue: ir.Catalogue) -> Iterator[list[str]]:
    for form, types in _bodies(catalogue).items():
        cases = ((f"packet_type::{identifier(name)}", identifier(layout)) for name, layout in types.items())
        body = _attribute("body", "size-eos: true", *_switch("_parent.type", cases))
        yield _type(_payload(form), f"The body of a packet that is of the form {form}, by the packet's type.", [body])


# The enumerations of the packet header's fields, which the declarations do not tie to one.
_PACKET_TABLES: Final = {"type": "PacketType", "status": "Status", "vc": "VirtualChannel"}


def _named(e: ir.Envelope) -> ir.Envelope:
    """An envelope with those tied to their fields."""

    def tied(p: ir.Part) -> ir.Part:
        match p:
            case ir.Bits():
                return ir.Bits(p.name, tuple(x for f in p.fields if isinstance(x := tied(f), ir.Number)))
            case ir.Number() if p.name in _PACKET_TABLES:
                return ir.Number(p.name, p.doc, p.bits, shift=p.shift, choices=_PACKET_TABLES[p.name])
        return p

    return ir.Envelope(e.name, e.doc, tuple(map(tied, e.header)), e.size, e.crc) if e.name == "PACKET" else e


# ── Enumerations ─────────────────────────────────────────────────────────────────────────────────────


def _enum(name: str, members: Iterable[tuple[int, str, str]]) -> list[str]:
    """What has no room in the compiler's integers stays a number."""
    found = [(f"id: {_text(identifier(member))}, doc: {_text(doc)}", x) for x, member, doc in members if x < 1 << 63]
    lines = [f"{_integer(value)}: {{{text}}}" for text, value in found]
    return [f"{name}:", *_indented(lines)]


def _enums(catalogue: ir.Catalogue) -> Iterator[list[str]]:
    yield _enum("form", ((i, form, "") for i, form in enumerate(Form)))
    yield _enum("packet_type", ((p.code, p.name, p.doc) for p in catalogue.packets))
    yield _enum("status", ((s.value, s.name, s.doc) for s in catalogue.statuses))
    yield _enum("virtual_channel", ((c.value, c.name, c.doc) for c in catalogue.channels))
    used = {n.choices for n in all_numbers(catalogue)}
    for e in catalogue.enums:
        if e.name in used:
            yield _enum(identifier(e.name), ((m.value, m.name, m.doc) for m in e.members))
    for s in catalogue.spaces:
        if s.types:
            yield _enum(_tag(s.name), ((t.tag, t.name, t.doc) for t in s.types))


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────


def text(catalogue: ir.Catalogue) -> str:
    """The whole of it. Raises ValueError where two declarations would have one name."""
    rows = {p.row for x in catalogue.layouts for p in x.parts if isinstance(p, ir.Rows)}
    types = [_envelope(catalogue, _named(e)) for e in catalogue.envelopes]
    types += _carriers(catalogue)
    types += [_space(s) for s in catalogue.spaces]
    types += [_layout(catalogue, x, row=x.name in rows) for x in catalogue.layouts]
    enums = list(_enums(catalogue))
    names = [lines[0] for lines in (*types, *enums)]
    if twice := sorted({name.rstrip(":") for name in names if names.count(name) > 1}):
        raise ValueError(f"Kaitai Struct would have more than one {', '.join(twice)}.")
    lines = [
        *("meta:", "  id: opal", f"  title: {_text(f'OPAL {catalogue.version}, the optical phone–accessory link')}"),
        *("  license: MIT OR Apache-2.0", f'  ks-version: "{VERSION}"', "  endian: le", "  bit-endian: le"),
        'doc: "One packet, and nothing after it."',
        *("seq:", "  - id: packet", "    type: packet", *_indented(_excess(Names(())))),
        *("types:", *(x for lines in types for x in _indented(lines))),
        *("enums:", *(x for lines in enums for x in _indented(lines))),
    ]
    return header("#", catalogue.fingerprint, "OPAL for Kaitai Struct.") + "\n".join(lines) + "\n"


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """The back end: the one file."""
    return {FILE: text(catalogue).encode()}
