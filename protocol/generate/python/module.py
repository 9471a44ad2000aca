"""Back end: the Python codec as modules, from the pieces of `opalink.protocol.generate.python.layout`.

A piece of source is a chunk with a home module. The same chunks make the package `opalink.protocol.packets`,
one module a chapter, or a single module in memory, which is how random schemas are tried. The package imports a
chapter when one of its names or one of its packets is met: nobody waits for what is not used.

Plan: chunks · modules · the modules that hold the chapters together.
"""

import ast
import re
from dataclasses import dataclass
from functools import cached_property

from opalink.protocol.generate.marks import header
from opalink.protocol.generate.python.enums import enum_source, lookups, tag_enum, tag_table
from opalink.protocol.generate.python.envelope import crc_source, envelope_source, packet_source, tables_source
from opalink.protocol.generate.python.layout import layout_source
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel
from opalink.spec.form import Member

_PRELUDE = """\
from enum import IntEnum as _IntEnum, IntFlag as _IntFlag
from importlib import import_module as _import_module
from struct import Struct as _Packer, error as _PackError
from typing import Any as _Any

from fastcrc import crc16 as _crc16, crc32 as _crc32
from msgspec import Struct as _Struct

from opalink.protocol.errors import DecodeError as _DecodeError
from opalink.protocol.runtime import (
    Buffer as _Buffer,
    Item as _Item,
    Numbers as _Numbers,
    TagTable as _TagTable,
    Tlv as _Tlv,
    bit_fields as _bit_fields,
    checked as _checked,
    decode_tlvs as _decode_tlvs,
    encode_rows as _encode_rows,
    encode_tlvs as _encode_tlvs,
    long as _long,
    members as _members,
    misframed as _misframed,
    odd as _odd,
    refuse as _refuse,
    refuse_number as _refuse_number,
    refuse_packet as _refuse_packet,
    rows_fault as _rows_fault,
    run_fault as _run_fault,
    run_short as _run_short,
    short as _short,
    total as _total,
    unlisted as _unlisted,
)
"""


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


def chunks(catalogue: ir.Catalogue, chapters: dict[int, str]) -> list[Chunk]:
    """Everything in an order in which it can be executed. `chapters` are the modules that the codec imports late."""
    out = [Chunk("enums", enum_source(e.name, e.doc, _members(e.members))) for e in catalogue.enums]
    out += [Chunk("enums", enum_source(e.name, e.doc, _bits(e.members), "IntFlag")) for e in catalogue.flags]
    out += [Chunk("enums", tag_enum(s)) for s in catalogue.spaces]
    out += [Chunk("enums", enum_source(*table)) for table in _tables(catalogue)]
    out += [Chunk("enums", lookups(catalogue))]
    homes = layout_homes(catalogue)
    rows = frozenset(p.row for x in catalogue.layouts for p in x.parts if isinstance(p, ir.Rows))
    tlvs = frozenset(t.layout for s in catalogue.spaces for t in s.types)
    out += [Chunk(homes[x.name], layout_source(catalogue, x, rows, tlvs)) for x in catalogue.layouts]
    out += [Chunk("tlvs", tag_table(catalogue, s)) for s in catalogue.spaces]
    out += [Chunk("codec", crc_source(c)) for c in catalogue.crcs]
    out.append(Chunk("codec", _unread(chapters)))
    for e in catalogue.envelopes:
        out.append(Chunk("codec", packet_source(catalogue, e) if e.name == "PACKET" else envelope_source(catalogue, e)))
    for home in dict.fromkeys(homes.values()):
        mine = [x for x in catalogue.layouts if homes[x.name] == home]
        out.append(Chunk(home, tables_source(catalogue, home, mine)))
    return out


def _unread(chapters: dict[int, str]) -> str:
    """How the codec comes to a chapter that has not been imported: which it is by packet type, and importing it."""
    lines = ["# The chapters of packet types that have not been met."]
    lines += ["_UNREAD: dict[int, str] = {", *(f"    {code}: {name!r}," for code, name in chapters.items()), "}"]
    lines += ["", "", "def _read(code: int) -> None:"]
    lines += ['    _import_module(f"opalink.protocol.packets.{_UNREAD[code]}")']
    return "\n".join([*lines, "    _UNREAD.pop(code, None)"])


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


# ── Modules ──────────────────────────────────────────────────────────────────────────────────────────


def one_module(catalogue: ir.Catalogue) -> str:
    """The whole codec as the source of one module."""
    return "\n\n\n".join([_PRELUDE, *(c.source for c in chunks(catalogue, {}))])


def modules(catalogue: ir.Catalogue) -> dict[str, str]:
    """The codec as a package: file name → source."""
    pieces = chunks(catalogue, {p.code: p.group for p in catalogue.packets})
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
    out["tables.py"] = _tables_module(catalogue, names)
    out["__init__.py"] = _face(catalogue, where)
    return out


# ── The modules that hold the chapters together ──────────────────────────────────────────────────────


def _tables_module(catalogue: ir.Catalogue, names: list[str]) -> str:
    """Every layout and every value class, for which all chapters have to be there."""
    mark = header("#", catalogue.fingerprint, "The Python codec: tables of all that there is.")
    chapters = "".join(f"    {n} as {n},\n" for n in sorted(names) if n not in ("enums", "codec"))
    return "\n".join([
        mark,
        f"from opalink.protocol.packets import (\n{chapters})",
        "from opalink.protocol.packets.codec import _CODECS as CODECS, _HOMES as HOMES",
        "",
        '__all__ = ["CODECS", "HOMES"]',
        "",
    ])  # fmt: skip


def _face(catalogue: ir.Catalogue, where: dict[str, str]) -> str:
    """The package's own module: every public name, by chapter, imported when it is first asked for."""
    public = {n: home for n, home in where.items() if not n.startswith("_") and not re.match("(de|en)code_[A-Z]", n)}
    public |= {f"{verb}_{camel(e.name)}": "codec" for e in catalogue.envelopes for verb in ("decode", "encode")}
    public |= {"CODECS": "tables", "HOMES": "tables"}
    homes = sorted(set(public.values()))
    lines = [header("#", catalogue.fingerprint, "The Python codec: its public names.")]
    lines += ['"""Value classes, enumerations and codec of every packet; a module is imported when it is needed."""']
    lines += ["", "from typing import TYPE_CHECKING as _TYPE_CHECKING", ""]
    lines += ["from opalink.protocol.runtime import Tlv, late as _late", "", "if _TYPE_CHECKING:"]
    for home in homes:
        lines += [f"    from opalink.protocol.packets.{home} import ("]
        lines += [*(f"        {n} as {n}," for n in sorted(public) if public[n] == home), "    )"]
    lines += ["else:", "    __getattr__ = _late(__name__, {"]
    for home in homes:
        names = [f"            {n!r}," for n in sorted(public) if public[n] == home]
        lines += [f"        {home!r}: (", *names, "        ),"]
    lines += ["    })", "", "__all__ = [", *(f'    "{n}",' for n in sorted([*public, "Tlv"])), "]", "", ""]
    lines += ["def __dir__() -> list[str]:", "    return __all__", ""]
    return "\n".join(lines)


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
