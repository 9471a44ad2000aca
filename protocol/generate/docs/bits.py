"""Bit diagrams: what stands where in the bytes of a layout, as SVG.

Bytes run from left to right in the order in which they are sent, four to a row; within a byte the most significant bit
stands on the left. A number of several bytes is little-endian: its least significant byte comes first. Parts of no
fixed size take a row each, as they come.

Plan: cells · rows of bits · rows of variable parts · the drawing.
"""

from collections.abc import Iterator
from html import escape
from itertools import groupby

from opalink.protocol.ir import model as ir

_BIT = 22  # width of a bit
_ROW = 34
_LEFT = 52  # for the offsets
_TOP = 22  # for the bits' numbers
_BYTES = 4
_WIDTH = _LEFT + 8 * _BYTES * _BIT + 2

# ── Cells ────────────────────────────────────────────────────────────────────────────────────────────


def _fixed(parts: tuple[ir.Part, ...]) -> tuple[list[ir.Number | ir.Octets], list[ir.Part]]:
    """The owner of every bit of the fixed beginning, as sent, and the parts after it."""
    cells: list[ir.Number | ir.Octets] = []
    for i, part in enumerate(parts):
        match part:
            case ir.Number() | ir.Octets():
                cells += [part] * (8 * part.size)
            case ir.Bits():
                word: list[ir.Number] = [f for f in reversed(part.fields) for _ in range(f.bits)]
                for at in range(0, len(word), 8):  # little-endian, each byte from its most significant bit
                    cells += reversed(word[at : at + 8])
            case _:
                return cells, list(parts[i:])
    return cells, []


# ── Rows of bits ─────────────────────────────────────────────────────────────────────────────────────


def _bits(cells: list[ir.Number | ir.Octets], y: float) -> Iterator[str]:
    row, seen = 8 * _BYTES, set[str]()
    for top in range(0, len(cells), row):
        here, at = y + top // row * _ROW, _LEFT
        yield _offset(here, str(top // 8))
        for _, same in groupby(cells[top : top + row], key=lambda f: f.name):
            run = list(same)
            width = len(run) * _BIT
            yield from _cell(at, here, width, run[0], again=run[0].name in seen)
            seen.add(run[0].name)
            at += width


def _cell(x: float, y: float, width: float, field: ir.Number | ir.Octets, *, again: bool) -> Iterator[str]:
    reserved = isinstance(field, ir.Number) and field.reserved
    words = "" if reserved else f"{field.name} …" if again else field.name
    if len(words) * 7.2 > width:  # too narrow: the tip of the pointer has the name
        words = words[: max(1, int((width - 6) / 7.2))] if width >= 3 * _BIT or not words else words[:2]
    yield f"<g><title>{escape(field.name)}: {escape(field.doc)}</title>"
    yield _box(x, y, width, "reserved" if reserved else "field")
    yield _text(x + width / 2, y + 21, words)
    yield "</g>"


# ── Rows of variable parts ───────────────────────────────────────────────────────────────────────────


def _variable(catalogue: ir.Catalogue, parts: list[ir.Part], y: float, start: int) -> Iterator[str]:
    for i, part in enumerate(parts):
        here = y + i * _ROW
        yield _offset(here, str(start) if i == 0 else "…")
        doc = "" if isinstance(part, ir.Bits) else part.doc
        yield f"<g><title>{escape(part.name)}: {escape(doc)}</title>"
        yield _box(_LEFT, here, 8 * _BYTES * _BIT, "variable")
        yield _text(_LEFT + 4 * _BYTES * _BIT, here + 21, variable(catalogue, part))
        yield "</g>"


def variable(catalogue: ir.Catalogue, part: ir.Part) -> str:
    """A part of no fixed size in words."""
    match part:
        case ir.Rows(name=name, count=count, lo=lo, hi=hi, row=row):
            least, most = catalogue.sizes[row]
            each = f"{least} B" if least == most else f"{least} to {most} B"
            return f"{name}: {_count(count)}, then {_span(lo, hi)} × {row} of {each}"
        case ir.Blob(name=name, count=count, lo=lo, hi=hi, text=text):
            return f"{name}: {_count(count)}, then {_span(lo, hi)} bytes" + (" of UTF-8" if text else "")
        case ir.Raw(name=name, lo=lo, hi=hi):
            return f"{name}: {_span(lo, hi)} bytes, to the end"
        case ir.Tlvs(name=name):
            return f"{name}: TLVs {{tag u16, length u16, value}}, to the end"
        case ir.Number() | ir.Octets() | ir.Bits():
            return f"{part.name}: {part.size} B"


def _count(size: int) -> str:
    return f"count u{8 * size}"


def _span(lo: int, hi: int) -> str:
    return str(lo) if lo == hi else f"{lo} to {hi}"


# ── The drawing ──────────────────────────────────────────────────────────────────────────────────────


def _box(x: float, y: float, width: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{_ROW - 4}"/>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y - 1:g}" text-anchor="middle">{escape(words)}</text>' if words else ""


def _offset(y: float, words: str) -> str:
    return f'<text class="scale" x="{_LEFT - 8}" y="{y + 20:g}" text-anchor="end">{words}</text>'


def diagram(catalogue: ir.Catalogue, parts: tuple[ir.Part, ...], title: str, *after: str) -> list[str]:
    """The bytes of a layout as an SVG, as a block of a page; `after` are further rows, such as payload and CRC. A
    layout without parts has no picture."""
    cells, rest = _fixed(parts)
    if not cells and not rest and not after:
        return []
    rows = -(-len(cells) // (8 * _BYTES))
    y = _TOP + rows * _ROW
    height = y + (len(rest) + len(after)) * _ROW
    out = [
        "```{raw} html",
        f'<svg class="opal-bits" role="img" viewBox="0 0 {_WIDTH} {height}" style="max-width:{_WIDTH}px">',
        f"<title>{escape(title)}</title>",
    ]
    out += [
        f'<text class="scale" x="{_LEFT + (bit + 0.5) * _BIT:g}" y="14" text-anchor="middle">{7 - bit % 8}</text>'
        for bit in range(8 * _BYTES)
        if bit % 8 in (0, 7)
    ]
    for byte in range(_BYTES):
        x = _LEFT + (8 * byte + 4) * _BIT
        out.append(f'<text class="scale" x="{x:g}" y="14" text-anchor="middle">byte +{byte}</text>')
    out += [*_bits(cells, _TOP), *_variable(catalogue, rest, y, len(cells) // 8)]
    for i, words in enumerate(after):
        here = y + (len(rest) + i) * _ROW
        out += [_offset(here, str(len(cells) // 8) if not rest and i == 0 else "…")]
        out += [_box(_LEFT, here, 8 * _BYTES * _BIT, "variable"), _text(_LEFT + 4 * _BYTES * _BIT, here + 21, words)]
    return [*out, "</svg>", "```", ""]
