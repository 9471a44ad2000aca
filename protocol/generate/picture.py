"""Back end: one picture of the protocol, as SVG: the packet to scale, and every packet type by chapter.

Colours name the virtual channel. They are chosen to carry dark text on light paper and on dark.
"""

from collections.abc import Iterator
from html import escape

from opalink.protocol.generate.marks import header
from opalink.protocol.ir import model as ir
from opalink.spec.form import Role

_WIDTH = 1200
_MARGIN = 16
_CELL = 19  # height of a packet type
_HEADER_BITS = 128
_ARROWS = {Role.PHONE: "→", Role.MODULE: "←", Role.BOTH: "↔", Role.SOURCE: "⇥", Role.SINK: "⇤"}
_HUES = {
    "LINK": "#f2b8a0", "RT": "#f4d58d", "POWER": "#e8a5b4", "CONTROL": "#a9cdf0", "EVENT": "#b9dfb0",
    "META": "#cfc0ee", "STREAM0": "#a5ddd6", "BULK": "#d8cbb2", "VENDOR": "#d4d4d4",
}  # fmt: skip


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """`protocol.svg`."""
    y, body = 30.0, []
    body += _text(
        _MARGIN, y, f"The packet: 16 bytes of header, payload, CRC-32C. OPAL {catalogue.version}.", 15, bold=True
    )
    body += _packet(catalogue, y + 14)
    y += 112
    body += _text(_MARGIN, y, f"The {len(catalogue.packets)} packet types, by chapter", 15, bold=True)
    body += _legend(catalogue, y)
    chapters = [g for g in catalogue.groups if any(p.group == g.name for p in catalogue.packets)]
    tallest = max(sum(p.group == g.name for p in catalogue.packets) for g in chapters)
    width = (_WIDTH - 2 * _MARGIN) / len(chapters)
    for i, group in enumerate(chapters):
        body += _chapter(catalogue, group, _MARGIN + i * width, y + 28, width - 6)
    height = y + 48 + tallest * _CELL + _MARGIN
    mark = header("", catalogue.fingerprint, "One picture of the protocol.").replace("--", "–")
    view = f"0 0 {_WIDTH} {height:.0f}"
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" font-family="system-ui, sans-serif">',
        f"<!--\n{mark}-->",
        "<title>The OPAL packet and every packet type</title>",
        "<style>.t{fill:#24292f}@media(prefers-color-scheme:dark){.t{fill:#e6edf3}}.c{fill:#1b1f24}</style>",
        *body,
        "</svg>",
    ]
    return {"protocol.svg": ("\n".join(svg) + "\n").encode()}


def _text(
    x: float, y: float, text: str, size: float, *, bold: bool = False, on: str = "t", anchor: str = "start"
) -> list[str]:
    weight = ' font-weight="600"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return [f'<text class="{on}" {place}{weight}>{escape(text)}</text>']


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3" fill="{fill}"/>'


def _bits(envelope: ir.Envelope) -> Iterator[ir.Number]:
    """Header fields in wire order."""
    for part in envelope.header:
        if isinstance(part, ir.Bits):
            yield from part.fields
        elif isinstance(part, ir.Number):
            yield part


def _packet(catalogue: ir.Catalogue, y: float) -> list[str]:
    """The header to scale in two rows of eight bytes, then payload and CRC."""
    scale = (_WIDTH - 2 * _MARGIN) / (_HEADER_BITS / 2)
    out, at = [], 0
    for field in _bits(catalogue.envelope["PACKET"]):
        row, column = divmod(at, _HEADER_BITS // 2)
        x, width = _MARGIN + column * scale, field.bits * scale - 2
        fill = "#c9d1d9" if field.reserved else "#dbe7f3"
        out.append(_box(x, y + row * 26, width, 23, fill))
        if field.bits > 1:
            out += _text(x + width / 2, y + row * 26 + 16, field.name, 12, on="c", anchor="middle")
        elif not field.reserved:
            out += _text(x + width / 2, y + row * 26 + 15, field.name[:4], 8, on="c", anchor="middle")
        at += field.bits
    full = _WIDTH - 2 * _MARGIN
    out += [
        _box(_MARGIN, y + 52, full * 0.86 - 2, 23, "#b9dfb0"),
        _box(_MARGIN + full * 0.86, y + 52, full * 0.14 - 2, 23, "#f4d58d"),
    ]
    out += _text(
        _MARGIN + full * 0.43,
        y + 68,
        "payload: fixed part, counted lists, TLVs (or raw data)",
        12,
        on="c",
        anchor="middle",
    )
    out += _text(_MARGIN + full * 0.93, y + 68, "crc32c", 12, on="c", anchor="middle")
    return out


def _legend(catalogue: ir.Catalogue, y: float) -> list[str]:
    out, x = [], 330.0
    for channel in catalogue.channels:
        if channel.name in _HUES:
            name = "STREAM" if channel.name == "STREAM0" else channel.name
            out += [_box(x, y - 11, 12, 12, _HUES[channel.name]), *_text(x + 16, y, name, 11)]
            x += 26 + 7.4 * len(name)
    return [*out, *_text(x + 4, y, "→ phone sends   ← module   ↔ either   ⇥ source   ⇤ sink", 11)]


def _chapter(catalogue: ir.Catalogue, group: ir.Group, x: float, y: float, width: float) -> list[str]:
    out = _text(x, y, group.name, 13, bold=True)
    for i, p in enumerate(q for q in catalogue.packets if q.group == group.name):
        top = y + 8 + i * _CELL
        out.append(_box(x, top, width, _CELL - 3, _HUES.get(p.channel, "#d4d4d4")))
        out += _text(x + 4, top + 11.5, f"{p.code:02X} {_ARROWS[p.sender]}", 9, on="c")
        out += _text(x + 33, top + 11.5, p.name, 9, on="c")
    return out
