"""Back end: a codec in C99, as one header and one source; and, around both, an extension of Python.

For firmware: no heap, and nothing of libc but memcpy. What a profile's features never use can be left out.

Plan: the files · profiles.
"""

from msgspec import structs

from opalink.protocol.generate.c.codec import Codec, legal, legal_space
from opalink.protocol.generate.c.envelope import Wrap, crc_source, message_source, messages
from opalink.protocol.generate.c.extension import extension_source
from opalink.protocol.generate.c.header import field_names, header_source, ordered
from opalink.protocol.generate.c.library import template, used
from opalink.protocol.generate.c.names import bar
from opalink.protocol.generate.c.tables import tables
from opalink.protocol.generate.marks import header
from opalink.protocol.ir import model as ir
from opalink.spec.form import met

HEADER, SOURCE, EXTENSION = "opal.h", "opal.c", "accelerator.c"

# ── The files ──────────────────────────────────────────────────────────────────────────────────────


def files(catalogue: ir.Catalogue, profile: str = "") -> dict[str, bytes]:
    """Header and source; for everything also the extension, since Python leaves nothing out. Raises KeyError where no
    profile has this name."""
    part = of_profile(catalogue, profile) if profile else catalogue
    what = f"The C codec of the profile {profile}" if profile else "The C codec"

    def mark(which: str) -> str:
        lines = header("//", catalogue.fingerprint, f"{what}: {which}.").splitlines()
        return "\n".join(f"/*{line[2:]} */" for line in lines)

    doc = f"OPAL {catalogue.version}" + (f", what a module of the profile {profile} can use." if profile else ".")
    made = {HEADER: header_source(part, mark("its header"), doc), SOURCE: source(part, mark("its source"))}
    if not profile:
        made[EXTENSION] = extension_source(part, mark("its extension of Python"))
    return {name: text.encode() for name, text in made.items()}


def source(c: ir.Catalogue, mark: str) -> str:
    """The source: tables, functions of the library, codec, names."""
    held = [s for s in c.spaces if _holds_tlvs(c, s)]
    promises = [f"{legal(s.name)};" for s in held]
    spaces = [legal_space(c, s) for s in held]
    codecs = [Codec(c, x).source() for x in ordered(c)]
    checks = [crc_source(x) for x in c.crcs if any(e.crc == x.name for e in c.envelopes)]
    wraps = [Wrap(c, e).source() for e in c.envelopes]
    code = "\n".join([
        *promises, bar("Layouts"), *codecs, bar("TLVs"), *spaces, bar("CRCs"), *checks, bar("Envelopes"), *wraps,
        bar("Messages"), message_source(c),
    ])  # fmt: skip
    promised = "opal_next_tlv( opal_begin_tlv( opal_end_tlv("
    return "\n".join([
        mark,
        '#include "opal.h"',
        "",
        "#include <string.h>",
        tables(c),
        bar("The library"),
        used(code, promised),
        code,
        _names(c),
    ])  # fmt: skip


def _holds_tlvs(c: ir.Catalogue, space: ir.Space) -> bool:
    return any(isinstance(p, ir.Tlvs) and p.space == space.name for x in c.layouts for p in x.parts)


def _names(c: ir.Catalogue) -> str:
    """Paths and messages as text."""
    lines = [bar("Names"), "#ifdef OPAL_NAMES", "static const char *const opal_field_names[OPAL_FIELDS] = {"]
    lines += [*(f'    "{n}",' for n in field_names(c)), "};", "", template("paths.c")]
    lines += ["const char *opal_message_name(uint16_t message)", "{", "    switch (message) {"]
    for m in messages(c):
        lines += [f"    case {m.macro}:", f'        return "{m.packet.name}.{m.form}";']
    lines += ["    default:", "        return NULL;", "    }", "}", "#endif", ""]
    return "\n".join(lines)


# ── Profiles ─────────────────────────────────────────────────────────────────────────────────────────


def of_profile(catalogue: ir.Catalogue, name: str) -> ir.Catalogue:
    """The catalogue without what no module of a profile can use: packets and TLVs whose features it neither requires
    nor allows, the FLIT where it has no laser, and whatever nobody needs then. What is left out is unknown to the
    codec, as what a later version adds is."""
    profile = catalogue.profile[name]
    features = {*profile.requires, *profile.allows}
    packets = tuple(p for p in catalogue.packets if met(p.needs, features))
    spaces = {s.name: tuple(t for t in s.types if met(t.needs, features)) for s in catalogue.spaces}
    envelopes = tuple(e for e in catalogue.envelopes if e.name != "FLIT" or "LASER" in features)
    layouts: set[str] = set()
    reached: set[str] = set()

    def reach(layout: str) -> None:
        if layout in layouts:
            return
        layouts.add(layout)
        for p in catalogue.layout[layout].parts:
            match p:
                case ir.Rows():
                    reach(p.row)
                case ir.Tlvs() if p.space not in reached:
                    reached.add(p.space)
                    for t in spaces[p.space]:
                        reach(t.layout)

    for start in (*(x for p in packets for x in p.forms.values()), *(b.layout for b in catalogue.bodies)):
        reach(start)
    kept = tuple(x for x in catalogue.layouts if x.name in layouts)
    used_names = {
        name
        for parts in [*(x.parts for x in kept), *(e.header for e in envelopes)]
        for f in ir.fields_of(parts)
        if isinstance(f, ir.Number)
        for name in (f.choices, f.flags)
    }
    return structs.replace(
        catalogue,
        packets=packets,
        layouts=kept,
        envelopes=envelopes,
        spaces=tuple(ir.Space(s.name, s.doc, spaces[s.name]) for s in catalogue.spaces if s.name in reached),
        enums=tuple(e for e in catalogue.enums if e.name in used_names),
        flags=tuple(f for f in catalogue.flags if f.name in used_names),
    )
