"""Back end: the tables by which the C codec explains what its straight lines refused.

A layout is a row of items in wire order, and an item names a field, its bytes and what it may hold. Bounds are
pooled, since most fields share theirs with others.

Plan: an item · items of a layout · the tables.
"""

from collections.abc import Iterator

from msgspec import Struct

from opalink.protocol.generate.c.library import template
from opalink.protocol.generate.c.names import bar, field, layout_index, literal, space_index
from opalink.protocol.ir import model as ir


class Item(Struct, frozen=True):
    """An `opal_item`; `lo` and `hi` stand for its bound."""

    field: str
    size: int
    kind: str
    lo: int = 0
    hi: int = 0
    of: str = "0"
    bits: int = 0
    shift: int = 0
    flags: tuple[str, ...] = ("OPAL_LAST",)


# ── Items of a layout ────────────────────────────────────────────────────────────────────────────────


def items(parts: tuple[ir.Part, ...]) -> Iterator[Item]:
    """The items of a layout or of a header, in wire order."""
    for p in parts:
        match p:
            case ir.Number():
                yield _number(p, p.size, ("OPAL_LAST",))
            case ir.Bits():
                # The first says whether the word is there; of the others, those with something to check.
                told = [f for i, f in enumerate(p.fields) if not i or f.checked]
                for f in told:
                    yield _number(f, p.size, ("OPAL_LAST",) if f is told[-1] else (), f.bits, f.shift)
            case ir.Octets():
                yield Item(p.name, p.size, "OPAL_FREE")
            case ir.Blob():
                yield Item(p.name, p.count, "OPAL_BYTES", p.lo, p.hi)
            case ir.Rows():
                yield Item(p.name, p.count, "OPAL_ROWS", p.lo, p.hi, layout_index(p.row))
            case ir.Raw():
                yield Item(p.name, 0, "OPAL_REST", p.lo, p.hi)
            case ir.Tlvs():
                yield Item(p.name, 0, "OPAL_TLVS", of=space_index(p.space))


def _number(n: ir.Number, size: int, flags: tuple[str, ...], bits: int = 0, shift: int = 0) -> Item:
    if not n.checked:
        return Item(n.name, size, "OPAL_FREE", flags=flags)
    lo, hi = n.bounds
    kind = "OPAL_SOME" if n.const is None else "OPAL_ONE"
    return Item(n.name, size, kind, lo, hi, "0", bits, shift, (*flags, *(["OPAL_SIGNED"] if n.signed else [])))


# ── The tables ───────────────────────────────────────────────────────────────────────────────────────


def tables(catalogue: ir.Catalogue) -> str:
    """All tables: of layouts and of the headers of envelopes, then of spaces."""
    layouts = [(x.name, x.parts) for x in catalogue.layouts]
    layouts += [(e.name, e.header) for e in catalogue.envelopes]
    bounds: dict[tuple[int, int], int] = {}
    rows: list[str] = []
    firsts: list[int] = []
    for name, parts in layouts:
        firsts.append(len(rows))
        for x in items(parts):
            bound = bounds.setdefault((x.lo, x.hi), len(bounds)) if x.kind not in ("OPAL_FREE", "OPAL_TLVS") else 0
            flags = " | ".join(x.flags) or "0"
            numbers = f"{x.size}, {bound}, {x.of}, {x.kind}, {x.bits}, {x.shift}, {flags}"
            rows.append(f"    {{{field(x.field)}, {numbers}}}, /* {name} */")
    firsts.append(len(rows))
    tags: list[str] = []
    spaces: list[int] = []
    for s in catalogue.spaces:
        spaces.append(len(tags))
        tags += [f"    {{{t.tag}u, {layout_index(t.layout)}}}," for t in sorted(s.types, key=lambda t: t.tag)]
    spaces.append(len(tags))
    return "\n".join([
        bar("Tables: what the codec explains refusals by"),
        template("items.h"),
        "enum {", *(f"    {layout_index(name)}," for name, _ in layouts), "    OPAL_LAYOUTS", "};", "",
        "enum {", *(f"    {space_index(s.name)}," for s in catalogue.spaces), "    OPAL_SPACES", "};", "",
        "/* A negative bound as two's complement. */",
        f"static const opal_bound opal_bounds[{max(1, len(bounds))}] = {{",
        *(f"    {{{_pattern(lo)}, {_pattern(hi)}}}," for lo, hi in bounds or {(0, 0): 0}), "};", "",
        f"static const opal_item opal_items[{len(rows) + 1}] = {{", *rows, "    {0, 0, 0, 0, 0, 0, 0, 0}", "};", "",
        "/* Where the items of each layout begin; those of the next are where they end. */",
        "static const uint16_t opal_layouts[OPAL_LAYOUTS + 1] = {", *_numbers(firsts), "};", "",
        f"static const opal_tag opal_tags[{len(tags) + 1}] = {{", *tags, "    {0, 0}", "};", "",
        "/* Where the tags of each space begin. */",
        "static const uint16_t opal_spaces[OPAL_SPACES + 1] = {", *_numbers(spaces), "};", "",
    ])  # fmt: skip


def _pattern(value: int) -> str:
    return literal(value & (1 << 64) - 1, 64)


def _numbers(values: list[int]) -> list[str]:
    return ["    " + ", ".join(map(str, values[i : i + 16])) + "," for i in range(0, len(values), 16)]
