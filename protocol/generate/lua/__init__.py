"""Back end: a Wireshark dissector in Lua, for Wireshark 4.0 (Lua 5.2) and later (Lua 5.4).

What is declared becomes tables; what reads them is written by hand, in the files `*.lua` beside this one. Both
together are the one file that a user installs. A field's filter name is `opal.` and its path: packet type, form, and
the names from the body inwards, as an error reports them but without the numbers of rows.

Plan: values of Lua · parts · tables · the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, assert_never

from opalink.protocol.generate.marks import header
from opalink.protocol.ir import model as ir
from opalink.spec import limits
from opalink.spec.form import Form

NAME: Final = "opal.lua"
# What is written by hand, in the order in which it comes, after the tables.
TEMPLATES: Final = ("crc", "fields", "words", "read", "show", "exchange", "flit", "frame", "protocol")
# The enumerations of header fields that the declarations do not tie to one.
_TABLES: Final = {
    "PACKET": {"type": "PacketType", "status": "Status", "vc": "VirtualChannel"},
    "FLIT": {"vc": "VirtualChannel", "credit_vc": "VirtualChannel"},
}
_EXACT: Final = 1 << 53  # up to here a number of Lua 5.2 is exact

# ── Values of Lua ────────────────────────────────────────────────────────────────────────────────────

Value = str | int | bool | None | Mapping[str, "Value"] | Iterable["Value"]


def text(value: str) -> str:
    """A string. Everything but letters, figures and common signs is escaped by number, which both versions read."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\{ord(c):03}" for c in value) + '"'


def literal(value: Value) -> str:
    """A value; a number that Lua 5.2 cannot hold exactly as its two halves; nothing as nil."""
    match value:
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case str():
            return text(value)
        case int() if abs(value) <= _EXACT:
            return str(value)
        case int():
            return f"{'wide' if value >= 0 else 'deep'}({value & 0xFFFFFFFF}, {value >> 32 & 0xFFFFFFFF})"
        case Mapping():
            pairs = (
                f"{name} = {literal(v)}" for name, v in value.items() if v is not None and v is not False and v != ""
            )
            return "{" + ", ".join(pairs) + "}"
        case _:
            return "{" + ", ".join(map(literal, value)) + "}"


def numbered(members: Iterable[tuple[int, str]]) -> str:
    """A table of names by number."""
    return "{" + ", ".join(f"[{value}] = {text(name)}" for value, name in members) + "}"


# ── Parts ────────────────────────────────────────────────────────────────────────────────────────────


def part(p: ir.Part, tables: Mapping[str, str]) -> str:
    """A part as a table; `tables` names enumerations by field where the declaration does not."""
    told: dict[str, Value]
    match p:
        case ir.Number():
            told = {"kind": "number", **_number(p, tables), "size": p.size}
        case ir.Bits():
            fields: list[Value] = [_number(f, tables) | {"shift": f.shift} for f in p.fields]
            told = {"kind": "bits", "name": p.name, "size": p.size, "fields": fields}
        case ir.Octets():
            told = {"kind": "octets", "name": p.name, "doc": p.doc, "size": p.size}
        case ir.Blob():
            told = {"kind": "blob", **_counted(p), "text": p.text}
        case ir.Raw():
            told = {"kind": "raw", "name": p.name, "doc": p.doc, "lo": p.lo, "hi": p.hi}
        case ir.Rows():
            told = {"kind": "rows", **_counted(p), "row": p.row}
        case ir.Tlvs():
            told = {"kind": "tlvs", "name": p.name, "doc": p.doc, "space": p.space}
        case _:
            assert_never(p)
    return literal(told)


def _number(n: ir.Number, tables: Mapping[str, str]) -> dict[str, Value]:
    """What is told of a number. Bounds are told where the bits can hold more."""
    (lo, hi), (least, most) = n.bounds, n.span
    factor = n.factor
    return {
        "name": n.name,
        "doc": n.doc,
        "bits": n.bits,
        "signed": n.signed,
        "const": n.const,
        "lo": lo if lo > least and n.const is None else None,
        "hi": hi if hi < most and n.const is None else None,
        "unit": n.unit,
        "scale": [factor.numerator, factor.denominator] if factor != 1 else None,
        "choices": n.choices or tables.get(n.name),
        "flags": n.flags,
    }


def _counted(p: ir.Blob | ir.Rows) -> dict[str, Value]:
    return {"name": p.name, "doc": p.doc, "count": p.count, "lo": p.lo, "hi": p.hi}


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────────


def _entries(table: str, entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (f"{table}.{name} = {value}" for name, value in entries)
    yield ""


def _parts(parts: tuple[ir.Part, ...], tables: Mapping[str, str]) -> str:
    return "{" + "".join(f"\n    {part(p, tables)}," for p in parts) + ("\n}" if parts else "}")


def _envelope(e: ir.Envelope) -> str:
    parts = _parts(e.header, _TABLES.get(e.name, {}))
    return f"{{parts = {parts}, doc = {text(e.doc)}, size = {literal(e.size)}, crc = {text(e.crc)}}}"


def _packet(catalogue: ir.Catalogue, p: ir.Packet) -> str:
    forms: dict[str, str] = {form.value: name for form, name in p.forms.items()}
    if Form.REQUEST in p.forms:
        forms.setdefault(Form.ERROR.value, catalogue.error_layout(p))
    return literal({"name": p.name, "doc": p.doc, "group": p.group, "sender": p.sender.value, "forms": forms})


def tables(catalogue: ir.Catalogue) -> str:
    """Everything that the parts written by hand read."""
    c = catalogue
    return "\n".join([
        f"local VERSION, FINGERPRINT = {text(c.version)}, {text(c.fingerprint)}",
        f"local SUCCESS = {{{', '.join(f'[{s.value}] = true' for s in c.statuses if s.success)}}}",
        f"local OVERHEAD = {limits.PACKET_OVERHEAD}",
        f"local LONGEST = {{{', '.join(f'[{x.value}] = {x.payload_max}' for x in c.channels)}}}",
        *_entries("E", ((e.name, numbered((m.value, m.name) for m in e.members)) for e in c.enums)),
        f"E.PacketType = {numbered((p.code, p.name) for p in c.packets)}",
        f"E.Status = {numbered((s.value, s.name) for s in c.statuses)}",
        f"E.VirtualChannel = {numbered((x.value, x.name) for x in c.channels)}",
        *_entries("FLAGS", ((x.name, literal([[m.value, m.name, m.doc] for m in x.members])) for x in c.flags)),
        *_entries("CRC", ((x.name, literal({
            "width": x.width, "poly": x.poly, "init": x.init, "refin": x.refin, "refout": x.refout, "xorout": x.xorout,
        })) for x in c.crcs)),
        *_entries("SPACE", (
            (s.name, "{" + ", ".join(
                f"[{t.tag}] = {literal({'name': t.name, 'doc': t.doc, 'layout': t.layout})}" for t in s.types
            ) + "}") for s in c.spaces
        )),
        *_entries("LAYOUT", ((x.name, _parts(x.parts, {})) for x in c.layouts)),
        *_entries("ENVELOPE", ((e.name, _envelope(e)) for e in c.envelopes)),
        *(f"PACKET[{p.code}] = {_packet(c, p)}" for p in c.packets),
    ])  # fmt: skip


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────

_BEGIN = """\
local E, FLAGS, CRC, SPACE, LAYOUT, ENVELOPE, PACKET = {}, {}, {}, {}, {}, {}, {}
-- Numbers that need 64 bits, by their low and their high half.
local function wide(low, high) return UInt64.new(low, high) end
local function deep(low, high) return Int64.new(low, high) end
"""


def template(name: str) -> str:
    """A part that is written by hand."""
    return Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """The dissector as one file."""
    mark = header("--", catalogue.fingerprint, "OPAL for Wireshark: put this file into its folder of Lua plug-ins.")
    # A chunk of Lua has 200 local names at most: what a part keeps to itself goes into a block of its own.
    found = [f"{mark}\n{_BEGIN}", tables(catalogue), "", *map(template, TEMPLATES)]
    return {NAME: "\n".join(found).encode()}
