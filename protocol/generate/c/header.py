"""Back end: the header of the C codec: constants, structs, prototypes. Comments carry units and requirement IDs.

Plan: constants · structs · names · the header.
"""

from collections.abc import Iterable, Iterator

from opalink.protocol.generate.c.codec import decoder, encoder
from opalink.protocol.generate.c.envelope import Wrap, messages
from opalink.protocol.generate.c.library import template
from opalink.protocol.generate.c.names import (
    bar,
    capacity,
    comment,
    ctype,
    field,
    has_value,
    literal,
    member,
)
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel, singular

Lines = list[str]

# ── Constants ────────────────────────────────────────────────────────────────────────────────────────


def _constants(name: str, doc: str, members: Iterable[tuple[str, int, str]]) -> Lines:
    """An enumeration: of `int` where its numbers are such, else macros."""
    found = list(members)
    if not found:
        return []
    lines = comment(f"{name}: {doc}")
    if all(-(1 << 31) < value < 1 << 31 for _, value, _ in found):
        rows = [(f"OPAL_{name}_{m} = {value}", text) for m, value, text in found]
        body = []
        for i, (row, text) in enumerate(rows):
            comma = "," if i + 1 < len(rows) else ""
            body += [*comment(text, "    "), f"    {row}{comma}"]
        return [*lines, "enum {", *body, "};", ""]
    wide = [f"#define OPAL_{name}_{m} {literal(value, 64, value < 0)}" for m, value, _ in found]
    told = [line for (_, _, text), row in zip(found, wide, strict=True) for line in [*comment(text), row]]
    return [*lines, *told, ""]


def _all_constants(c: ir.Catalogue) -> Lines:
    lines: Lines = []
    for e in c.enums:
        lines += _constants(e.name, e.doc, ((m.name, m.value, m.doc) for m in e.members))
    for f in c.flags:
        lines += _constants(f.name, f.doc, ((m.name, 1 << m.value, m.doc) for m in f.members))
    for s in c.spaces:
        tags = ((t.name.upper(), t.tag, f"{t.doc} Value: opal_{t.layout}.") for t in s.types)
        lines += _constants(f"{singular(s.name)}Tag", s.doc, tags)
    types = ((p.name, p.code, p.doc.split(". ")[0].rstrip(".") + ".") for p in c.packets)
    lines += _constants("PacketType", "Codes of packet types.", types)
    lines += _constants("Status", "Status codes.", ((s.name, s.value, s.doc) for s in c.statuses))
    lines += _constants("VirtualChannel", "Virtual channels.", ((x.name, x.value, x.doc) for x in c.channels))
    return lines


# ── Structs ──────────────────────────────────────────────────────────────────────────────────────────


class Needs:
    """The requirements that speak of a field, by layout and field."""

    def __init__(self, catalogue: ir.Catalogue) -> None:
        self.by_field: dict[tuple[str, str], list[str]] = {}
        for packet, form, layout in catalogue.messages():
            for f in ir.fields_of(layout.parts):
                prefix = f"{packet.name}.{form}.{f.name}."
                found = [r.id for key, r in catalogue.by_key.items() if key.startswith(prefix)]
                self.by_field.setdefault((layout.name, f.name), []).extend(found)

    def of(self, layout: str, f: ir.Part) -> list[str]:
        return [*dict.fromkeys([*getattr(f, "req", ()), *self.by_field.get((layout, f.name), ())])]


def _member(layout: str, f: ir.Part, needs: Needs) -> Lines:
    name = member(f.name)
    remarks = [", ".join(x) for x in (_remarks(f), needs.of(layout, f)) if x]
    lines = comment("; ".join([str(getattr(f, "doc", "")).rstrip("."), *remarks]) + ".", "    ")
    match f:
        case ir.Number():
            declared = f"{ctype(f.bits, f.signed)} {name};"
        case ir.Octets():
            declared = f"uint8_t {name}[{f.size}];"
        case ir.Rows():
            room = capacity(layout, f.name)
            return [
                *lines,
                "    struct {",
                "        uint32_t n;",
                f"        opal_{f.row} at[{room}];",
                f"    }} {name};",
            ]
        case _:
            declared = f"opal_span {name};"
    return [*lines, f"    {declared}"]


def _remarks(f: ir.Part) -> list[str]:
    """What a struct cannot say of a field."""
    match f:
        case ir.Number():
            unit = [f"in {f.unit}" if f.scale == "1" else f"in {f.scale} {f.unit}"] if f.unit else []
            lo, hi = f.bounds
            bounds = [f"{lo} to {hi}"] if f.checked else []
            return unit + bounds + [f"see OPAL_{x}_" for x in (f.choices, f.flags) if x]
        case ir.Blob() | ir.Raw():
            return [f"{f.lo} to {f.hi} bytes" + (", UTF-8" if isinstance(f, ir.Blob) and f.text else "")]
        case ir.Rows():
            return [f"{f.lo} to {f.hi}"]
        case ir.Tlvs():
            return [f"TLVs of the {f.space}"]
    return []


def _struct(name: str, doc: str, members: Lines) -> Lines:
    if not members:
        members = ["    uint8_t nothing_; /* C has no empty structs. */"]
    return [*comment(doc), "typedef struct {", *members, f"}} opal_{name};", ""]


def ordered(catalogue: ir.Catalogue) -> list[ir.Layout]:
    """The layouts, rows before what holds them."""
    done: dict[str, ir.Layout] = {}

    def add(layout: ir.Layout) -> None:
        for p in layout.parts:
            if isinstance(p, ir.Rows) and p.row not in done:
                add(catalogue.layout[p.row])
        done.setdefault(layout.name, layout)

    for x in catalogue.layouts:
        add(x)
    return list(done.values())


def _capacities(c: ir.Catalogue) -> Lines:
    lines: Lines = []
    for x in c.layouts:
        for p in x.parts:
            if isinstance(p, ir.Rows):
                macro = capacity(x.name, p.name)
                lines += [f"#ifndef {macro}", f"#define {macro} {max(1, p.hi)}u", "#endif"]
    return lines


def depth(catalogue: ir.Catalogue) -> int:
    """How many steps a path can have."""

    def deep(name: str) -> int:
        steps = [0]
        for p in catalogue.layout[name].parts:
            match p:
                case ir.Rows():
                    steps.append(deep(p.row))
                case ir.Tlvs():
                    steps += [deep(t.layout) for t in catalogue.space[p.space].types]
        return 1 + max(steps)

    return max((deep(x.name) for x in catalogue.layouts), default=1)


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────


def field_names(c: ir.Catalogue) -> list[str]:
    """Every name that a path can have."""
    found = {"payload", "crc"}
    for parts in [*(x.parts for x in c.layouts), *(e.header for e in c.envelopes)]:
        found |= {f.name for f in ir.fields_of(parts)}
    return sorted(found)


def _messages(c: ir.Catalogue) -> Iterator[str]:
    for m in messages(c):
        yield f"    {m.macro} = {m.number},"


# ── The header ───────────────────────────────────────────────────────────────────────────────────────


def header_source(c: ir.Catalogue, mark: str, doc: str) -> str:
    """The header; `mark` says what made it and `doc` what it is."""
    needs = Needs(c)
    lines = [mark, f"/* {doc}", template("introduction.h").rstrip("\n"), " */", ""]
    lines += ["#ifndef OPAL_H", "#define OPAL_H", "", "#include <stdbool.h>", "#include <stddef.h>"]
    lines += ["#include <stdint.h>", "", "#ifdef __cplusplus", 'extern "C" {', "#endif"]
    lines += [bar("Capacities: how many rows a list has room for"), *_capacities(c)]
    lines += [
        bar("Results, spans, errors"),
        "/* The longest path. */",
        f"#define OPAL_DEPTH {depth(c)}",
        "",
        template("types.h"),
    ]
    lines += ["/* Fields by name, in paths. */", "enum {", *(f"    {field(n)}," for n in field_names(c))]
    lines += ["    OPAL_FIELDS", "};", bar("Constants"), *_all_constants(c)]
    lines += [bar("Layouts")]
    for x in ordered(c):
        members = [line for f in ir.fields_of(x.parts) if has_value(f) for line in _member(x.name, f, needs)]
        lines += _struct(x.name, x.doc, members)
    lines += [f"{f(x.name)};" for x in c.layouts for f in (decoder, encoder)]
    lines += ["", template("tlvs.h"), bar("Envelopes: without `crc` the check is neither made nor written")]
    for e in c.envelopes:
        wrap = Wrap(c, e)
        members = [line for f in wrap.fields() for line in _member(e.name, f, needs)]
        lo, hi = wrap.bounds()
        members += [*comment(f"{lo} to {hi} bytes." if lo != hi else f"{lo} bytes.", "    "), "    opal_span payload;"]
        lines += [*_struct(camel(e.name), e.doc, members), f"{wrap.decoder()};", f"{wrap.encoder()};", ""]
    lines += [bar("Messages"), "enum {", *_messages(c), "    OPAL_MESSAGES_END = 1024", "};", ""]
    layouts = dict.fromkeys(m.layout for m in messages(c))
    lines += ["/* Any body. It is as large as the largest: see the capacities. */", "typedef union {"]
    lines += [f"    opal_{x} {member(x)};" for x in layouts] or ["    uint8_t nothing_;"]
    lines += ["} opal_body;", "", template("messages.h"), template("paths.h")]
    lines += ["#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
    return "\n".join(lines)
