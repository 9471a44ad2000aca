"""Back end: the scapy layers as modules, from the pieces of `layers` and `envelope`.

Plan: names of numbers · chunks · modules.
"""

from opalink.protocol.generate.marks import header
from opalink.protocol.generate.python.enums import all_numbers
from opalink.protocol.generate.python.envelope import crc_source
from opalink.protocol.generate.python.module import Chunk, layout_homes
from opalink.protocol.generate.scapy.envelope import bindings_source, envelope_source
from opalink.protocol.generate.scapy.layers import enum_name, flags_name, known_source, layer_source, space_source
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import singular

PACKAGE = "opalink.protocol.scapy.packets"
LICENCE = """\
# SPDX-License-Identifier: GPL-2.0-only
# These classes derive from scapy's, which are under the GNU General Public License, version 2 only; so are they.
"""

_PRELUDE = """\
from builtins import int as _int, len as _len
from struct import Struct as _Packer
from typing import Any as _Any

from fastcrc import crc16 as _crc16, crc32 as _crc32
from scapy.packet import bind_top_down as _bind_top_down

from opalink.protocol.runtime import (
    Item as _Item,
    bit_fields as _bit_fields,
    misframed as _misframed,
    run_fault as _run_fault,
    run_short as _run_short,
    short as _short,
)
from opalink.protocol.scapy.fields import (
    Bit as _Bit,
    BitEnum as _BitEnum,
    Count as _Count,
    Crc as _Crc,
    Enum as _Enum,
    Flags as _Flags,
    Layers as _Layers,
    Length as _Length,
    Number as _Number,
    Octets as _Octets,
)
from opalink.protocol.scapy.layers import (
    Envelope as _Envelope,
    Layer as _Layer,
    PacketLayer as _PacketLayer,
    Tlv as _Tlv,
    rows as _rows,
    set_fields as _fields,
    tlvs as _tlvs,
)
"""

# ── Names of numbers ─────────────────────────────────────────────────────────────────────────────────


def names_source(catalogue: ir.Catalogue) -> str:
    """The members of each enumeration by number, and the names of flags for each width in use."""
    tables = {e.name: {m.value: m.name for m in e.members} for e in catalogue.enums}
    tables |= {singular(s.name) + "Tag": {t.tag: t.name for t in s.types} for s in catalogue.spaces}
    tables["PacketType"] = {p.code: p.name for p in catalogue.packets}
    tables["Status"] = {s.value: s.name for s in catalogue.statuses}
    tables["VirtualChannel"] = {c.value: c.name for c in catalogue.channels}
    lines = [f"{enum_name(name)}: dict[int, str] = {members!r}" for name, members in tables.items()]
    for flags, bits in sorted({(n.flags, n.bits) for n in all_numbers(catalogue) if n.flags}):
        known = {m.value: m.name for m in catalogue.flag_set[flags].members}
        lines.append(f"{flags_name(flags, bits)} = {[known.get(i, f'bit{i}') for i in range(bits)]!r}")
    return "\n".join(lines)


# ── Chunks ───────────────────────────────────────────────────────────────────────────────────────────


def chunks(catalogue: ir.Catalogue) -> list[Chunk]:
    """Everything in an order in which it can be executed."""
    homes = layout_homes(catalogue)
    out = [Chunk("names", names_source(catalogue))]
    out += [Chunk("envelopes", crc_source(c)) for c in catalogue.crcs]
    out += [Chunk("envelopes", envelope_source(catalogue, e)) for e in catalogue.envelopes]
    out += [Chunk("tlvs", space_source(s)) for s in catalogue.spaces]
    out += [Chunk(homes[x.name], layer_source(catalogue, x)) for x in catalogue.layouts]
    out += [Chunk("tlvs", known_source(s)) for s in catalogue.spaces]
    chapters = dict.fromkeys(p.group for p in catalogue.packets)
    return [*out, *(Chunk(home, bindings_source(catalogue, home)) for home in chapters)]


# ── Modules ──────────────────────────────────────────────────────────────────────────────────────────


def one_module(catalogue: ir.Catalogue) -> str:
    """All layers as the source of one module."""
    return "\n\n\n".join([_PRELUDE, *(c.source for c in chunks(catalogue))])


def modules(catalogue: ir.Catalogue) -> dict[str, str]:
    """The layers as a package: file name → source."""
    pieces = chunks(catalogue)
    where: dict[str, str] = {}
    for c in pieces:
        for name in c.defines:
            where.setdefault(name, c.home)
    homes = list(dict.fromkeys(c.home for c in pieces))
    out = {}
    for home in homes:
        mine = [c for c in pieces if c.home == home]
        needs: dict[str, set[str]] = {}
        for name in {n for c in mine for n in c.mentions & where.keys() if where[n] != home}:
            needs.setdefault(where[name], set()).add(name)
        imports = [
            f"from {PACKAGE}.{module} import (\n" + "".join(f"    {n},\n" for n in sorted(found)) + ")"
            for module, found in sorted(needs.items())
        ]
        prelude = "" if home == "names" else _PRELUDE
        text = "\n\n\n".join(c.source for c in mine)
        what = f"scapy layers: {home}."
        mark = LICENCE + header("#", catalogue.fingerprint, what)
        out[f"{home}.py"] = "\n".join([mark, prelude, *imports, "", "", text, ""])
    out["__init__.py"] = _face(catalogue, where)
    return out


def _face(catalogue: ir.Catalogue, where: dict[str, str]) -> str:
    """The package's own module: every layer."""
    public = {name: home for name, home in where.items() if not name.startswith("_")}
    lines = [LICENCE + header("#", catalogue.fingerprint, "scapy layers: all of them.")]
    for home in sorted(set(public.values())):
        lines += [f"from {PACKAGE}.{home} import ("]
        lines += [*(f"    {n} as {n}," for n in sorted(public) if public[n] == home), ")"]
    return "\n".join([*lines, "", "__all__ = [", *(f'    "{n}",' for n in sorted(public)), "]", ""])
