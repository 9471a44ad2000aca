"""What a layout is, for the document: its diagram, a table of its fields, its lists, and the values of its numbers.

Plan: fields · what a layout leads to · the whole layout · enumerations.
"""

from collections.abc import Iterator

from opalink.protocol.generate.docs.bits import diagram
from opalink.protocol.generate.docs.words import (
    bytes_of,
    grouped,
    heading,
    need,
    plain,
    quantity,
    ref,
    said,
    table,
)
from opalink.protocol.ir import model as ir

# ── Fields ───────────────────────────────────────────────────────────────────────────────────────────

_HEADS = ("Offset", "Type", "Field", "Values", "Meaning")


def fields(catalogue: ir.Catalogue, parts: tuple[ir.Part, ...]) -> list[str]:
    """The table of fields. Offsets are known as far as everything before has a fixed size."""
    rows: list[tuple[str, ...]] = []
    at: int | None = 0
    for part in parts:
        place = "…" if at is None else str(at)
        if isinstance(part, ir.Bits):
            rows += [_bit_field(catalogue, part, f, at) for f in part.fields]
        else:
            rows.append((place, *_field(catalogue, part)))
        at = at + part.size if at is not None and isinstance(part, ir.Number | ir.Bits | ir.Octets) else None
    return table(_HEADS, rows, "opal-fields")


def _bit_field(catalogue: ir.Catalogue, word: ir.Bits, field: ir.Number, at: int | None) -> tuple[str, ...]:
    top = field.shift + field.bits - 1
    span = f"{top}" if field.bits == 1 else f"{top}:{field.shift}"
    place = "…" if at is None else str(at)
    kind = f"u{8 * word.size}, bit{'s' if field.bits > 1 else ''} {span}"
    return f"{place}\\[{span}\\]", kind, *_field(catalogue, field)[1:]


def _field(catalogue: ir.Catalogue, part: ir.Field) -> tuple[str, ...]:
    """Type, field, values, meaning."""
    match part:
        case ir.Number(reserved=True):
            return f"u{part.bits}", f"`{part.name}`", "0", "Reserved: sent as 0, ignored, preserved."
        case ir.Number():
            cites = "".join(f" {need(r)}" for r in part.req)
            sort = f"{'i' if part.signed else 'u'}{part.bits}"
            return sort, f"`{part.name}`", values(part), said(catalogue, part.doc) + cites
        case ir.Octets():
            cites = "".join(f" {need(r)}" for r in part.req)
            return f"{part.size} bytes", f"`{part.name}`", "any", said(catalogue, part.doc) + cites
        case ir.Blob():
            sort = f"u{8 * part.count} count, then bytes"
            what = "bytes of UTF-8" if part.text else "bytes"
            return sort, f"`{part.name}`", f"{_span(part.lo, part.hi)} {what}", said(catalogue, part.doc)
        case ir.Raw():
            return "bytes", f"`{part.name}`", f"{_span(part.lo, part.hi)} bytes", said(catalogue, part.doc)
        case ir.Rows():
            sort = f"u{8 * part.count} count, then rows"
            rows = f"{_span(part.lo, part.hi)} × {ref(f'layout-{part.row}', part.row)}"
            return sort, f"`{part.name}`", rows, said(catalogue, part.doc) + "".join(f" {need(r)}" for r in part.req)
        case ir.Tlvs():
            return (
                "TLVs",
                f"`{part.name}`",
                f"tags of {ref(f'space-{part.space}', part.space)}",
                said(catalogue, part.doc),
            )


def values(number: ir.Number) -> str:
    """What a number may be: on the wire, and as a quantity."""
    if number.const is not None:
        return f"always {number.const:#x}"
    lo, hi = number.bounds
    named = number.choices or number.flags
    words = ref(f"enum-{named}", named) if named else ""
    if number.checked or number.unit or not named:
        span = "any" if number.bits >= 32 and not number.checked else f"{grouped(lo)} to {grouped(hi)}"
        if number.factor != 1:
            span += f", × {_scale(number)} {number.unit}".rstrip()
        elif number.unit:
            span += f" {number.unit}"
        words += f"{': ' if words else ''}{span}"
    if number.default and number.default != lo:
        words += f"; {quantity(number, number.default) if number.unit else grouped(number.default)} unless given"
    return words


def _scale(number: ir.Number) -> str:
    f = number.factor
    return f"{float(f):g}" if 10**9 % f.denominator == 0 else str(f)


def _span(lo: int, hi: int) -> str:
    return grouped(lo) if lo == hi else f"{grouped(lo)} to {grouped(hi)}"


# ── What a layout leads to ───────────────────────────────────────────────────────────────────────────


def rows_of(catalogue: ir.Catalogue, layout: ir.Layout) -> Iterator[ir.Layout]:
    """The layouts of the rows of a layout, and of theirs."""
    for part in layout.parts:
        if isinstance(part, ir.Rows):
            yield catalogue.layout[part.row]
            yield from rows_of(catalogue, catalogue.layout[part.row])


def named_by(catalogue: ir.Catalogue, layout: ir.Layout) -> Iterator[str]:
    """The enumerations and sets of flags that a layout and its rows use."""
    for one in (layout, *rows_of(catalogue, layout)):
        for field in ir.fields_of(one.parts):
            if isinstance(field, ir.Number):
                yield from filter(None, (field.choices, field.flags))


# ── The whole layout ─────────────────────────────────────────────────────────────────────────────────


def described(catalogue: ir.Catalogue, layout: ir.Layout, level: int, title: str, seen: "Seen") -> list[str]:
    """Diagram and fields of a layout, then those of its rows, each row's once a page."""
    if not layout.parts:
        return ["Empty.", ""]
    out = diagram(catalogue, layout.parts, title) + fields(catalogue, layout.parts)
    for row in dict.fromkeys(rows_of(catalogue, layout)):
        if row.name not in seen.here:
            out += heading(level, f"Row {row.name}", seen.anchor(row.name))
            out += [f"{said(catalogue, row.doc)} {bytes_of(catalogue.sizes[row.name])}.", ""]
            out += diagram(catalogue, row.parts, row.name) + fields(catalogue, row.parts)
    return out


class Seen:
    """Which layouts the document has shown, and which of them this page has: an anchor stands where a layout is shown
    for the first time."""

    def __init__(self) -> None:
        self.ever: set[str] = set()
        self.here: set[str] = set()

    def page(self) -> "Seen":
        self.here = set()
        return self

    def anchor(self, layout: str) -> str:
        """The anchor to give a layout that is shown now; none if it has one elsewhere."""
        self.here.add(layout)
        if layout in self.ever:
            return ""
        self.ever.add(layout)
        return f"layout-{layout}"


# ── Enumerations ─────────────────────────────────────────────────────────────────────────────────────


def enumeration(catalogue: ir.Catalogue, name: str) -> list[str]:
    """The members of an enumeration, or the bits of a set of flags."""
    if name in catalogue.choices:
        found, head = catalogue.choices[name], "Value"
        width = 2 if all(m.value < 256 for m in found.members) else 4
        rows = [(f"{m.value} (0x{m.value:0{width}X})", f"`{m.name}`", said(catalogue, m.doc)) for m in found.members]
        return [plain(found.doc), "", *table((head, "Name", "Meaning"), rows)]
    flags = catalogue.flag_set[name]
    rows = [(str(m.value), f"`{m.name}`", said(catalogue, m.doc)) for m in flags.members]
    return [plain(flags.doc), "", *table(("Bit", "Name", "Meaning"), rows)]
