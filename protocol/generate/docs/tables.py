"""The pages of the tables: timers, statuses, limits, channels, features, profiles, envelopes, TLVs, enumerations.

Plan: names on a line · timers and codes · limits, channels, gears · features and profiles · envelopes · TLVs ·
enumerations and shared layouts.
"""

from collections.abc import Iterator
from typing import Any

from opalink.protocol.generate.docs.bits import diagram
from opalink.protocol.generate.docs.layout import Seen, described, enumeration, fields
from opalink.protocol.generate.docs.machines import toctree
from opalink.protocol.generate.docs.words import (
    bytes_of,
    duration,
    grouped,
    heading,
    plain,
    ref,
    said,
    table,
)
from opalink.protocol.ir import model as ir
from opalink.spec.form import Start

# ── Names on a line ──────────────────────────────────────────────────────────────────────────────────


def _name(kind: str, name: str) -> str:
    """A name as code that can be pointed at."""
    return f"[`{name}`]{{#{kind}-{name}}}"


def _refs(kind: str, names: Any) -> str:
    return ", ".join(ref(f"{kind}-{n}", n) for n in names)


# ── Timers and codes ─────────────────────────────────────────────────────────────────────────────────


def timers(catalogue: ir.Catalogue) -> list[str]:
    rows = []
    for t in catalogue.timers:
        users = [
            ref(f"machine-{m.name}-{m.role}", f"{m.name} ({m.role})")
            for m in catalogue.machines
            if any(isinstance(a, Start) and a.timer == t.name for r in m.rows for a in r.actions)
        ]
        edges = map(duration, (t.min, t.nominal, t.max))
        rows.append((_name("timer", t.name), *edges, t.kind, t.role, said(catalogue, t.doc, t.name), ", ".join(users)))
    return [
        *heading(1, "Timers", "timers"),
        (
            "A **deadline** is judged at both edges; of a **bound**, the maximum alone; a **best-effort** time is "
            "reported and not judged. A machine arms a timer for its nominal time, unless the row says that it is "
            "for the maximum."
        ),
        "",
        *table(("Timer", "Least", "Nominal", "Most", "Kind", "Of", "Meaning", "Started by"), rows, "opal-list"),
    ]


def statuses(catalogue: ir.Catalogue) -> list[str]:
    rows = []
    for s in catalogue.statuses:
        types = [p.name for p in catalogue.packets if s.name in p.statuses]
        uses = "any request" if s.name in catalogue.general else _refs("message", types)
        rows.append((f"0x{s.value:02X}", _name("status", s.name), ", ".join(s.scope), said(catalogue, s.doc), uses))
    success = _refs("status", [s.name for s in catalogue.statuses if s.success])
    return [
        *heading(1, "Status codes", "statuses"),
        (
            f"{success} are answered with the response form of a type; every other status with its error form, "
            "which is the common refusal where the type declares none. A code has a **scope**: it is seen in a "
            "response, inside an event, or nowhere on the wire (local: the side that noticed counts it). Codes "
            "0xF0 to 0xFE belong to vendors."
        ),
        "",
        *heading(2, "General statuses", "statuses-general"),
        "Any request may be answered with " + _refs("status", catalogue.general) + ".",
        "",
        *heading(2, "All statuses"),
        *table(("Code", "Name", "Scope", "Meaning", "Answers"), rows, "opal-list"),
    ]


# ── Limits, channels, gears ──────────────────────────────────────────────────────────────────────────


def limits(catalogue: ir.Catalogue) -> list[str]:
    rows = [
        (_name("limit", x.name), f"{grouped(x.value)} {x.unit}".strip(), said(catalogue, x.doc))
        for x in catalogue.limits
    ]
    return [
        *heading(1, "Limits", "limits"),
        "Every limit is a named constant.",
        "",
        *table(("Name", "Value", "Meaning"), rows),
    ]


def channels(catalogue: ir.Catalogue) -> list[str]:
    lanes = [
        (
            str(c.value),
            _name("channel", c.name),
            str(c.rank),
            f"{grouped(c.payload_max)} B",
            f"{c.credits_min} FLITs",
            said(catalogue, c.doc, c.name),
        )
        for c in catalogue.channels
    ]
    gears = [
        (
            _name("gear", g.name),
            str(g.value),
            f"{g.baud / 1e9:g} GBd" if g.baud >= 10**9 else f"{g.baud / 1e6:g} MBd",
            said(catalogue, g.doc),
        )
        for g in catalogue.gears
    ]
    return [
        *heading(1, "Channels and gears", "channels"),
        "One virtual channel per packet type. The channel of the lowest rank goes first on the link.",
        "",
        *heading(2, "Virtual channels"),
        *table(("Number", "Channel", "Rank", "Longest payload", "Least credit", "What travels on it"), lanes),
        *heading(2, "Gears", "gears"),
        "Each direction of the laser has a gear of its own.",
        "",
        *table(("Gear", "Number", "Rate", "Use"), gears),
    ]


# ── Features and profiles ────────────────────────────────────────────────────────────────────────────


def features(catalogue: ir.Catalogue) -> list[str]:
    found = catalogue.flag_set.get("Feature")
    rows = [
        (str(m.value), _name("feature", m.name), said(catalogue, m.doc, m.name),
         _refs("message", [p.name for p in catalogue.packets if m.name in p.needs]),
         _refs("profile", [p.name for p in catalogue.profiles if m.name in p.requires]))
        for m in (found.members if found else ())
    ]  # fmt: skip
    return [
        *heading(1, "Features", "features"),
        plain(found.doc if found else "") + " A packet type is mandatory for a module that has any of the features "
        "that it needs.",
        "",
        *table(("Bit", "Feature", "Meaning", "Brings the messages", "Required by the profiles"), rows, "opal-list"),
    ]


def profiles(catalogue: ir.Catalogue) -> list[str]:
    out = [
        *heading(1, "Profiles", "profiles"),
        (
            "A profile names the features without which a module is not of its kind, and those that it may have "
            "beside. Each has a working reference module, which sends the descriptor shown here; numbers are wire "
            f"values, whose units are with the {ref('tlvs', 'records of the descriptor')}."
        ),
        "",
    ]
    for p in catalogue.profiles:
        out += [*heading(2, p.name, f"profile-{p.name}"), said(catalogue, p.doc), ""]
        out += [f"Requires {_refs('feature', p.requires)}.", ""]
        out += [f"Allows {_refs('feature', p.allows)}.", ""] if p.allows else ["Allows nothing else.", ""]
        rows = [(f"`{name}`", _record(values)) for name, values in p.descriptor]
        out += ["The descriptor of its reference module:", "", *table(("Record", "Fields"), rows, "opal-list")]
    return out


def _record(values: dict[str, Any]) -> str:
    return ", ".join(f"{k} {_shown(v)}" for k, v in sorted(values.items())) or "–"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{len(value)} row{'s' if len(value) != 1 else ''}"
    text = str(value)
    return f"`{text if len(text) <= 40 else text[:40] + '…'}`"


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


def envelopes(catalogue: ir.Catalogue, seen: Seen) -> list[str]:
    out = [*heading(1, "Envelopes", "envelopes"), "What carries a payload: headers, and the checks over them.", ""]
    for e in catalogue.envelopes:
        check = next((c for c in catalogue.crcs if c.name == e.crc), None)
        payload = f"payload: {e.size} B" if e.size else "payload: as many bytes as length says"
        after = [payload, *([f"crc: u{check.width}, {check.name} over all before it"] if check else [])]
        out += [*heading(2, e.name, f"envelope-{e.name}"), said(catalogue, e.doc), ""]
        out += diagram(catalogue, e.header, e.name, *after) + fields(catalogue, e.header)
    rows = [
        (f"`{c.name}`", str(c.width), f"0x{c.poly:X}", f"0x{c.init:X}", str(c.refin), str(c.refout), f"0x{c.xorout:X}",
         f"0x{c.check:X}", plain(c.doc))
        for c in catalogue.crcs
    ]  # fmt: skip
    heads = (
        "CRC",
        "Width",
        "Polynomial",
        "Initial",
        "Input reflected",
        "Output reflected",
        "Final XOR",
        "Check",
        "Source",
    )
    out += [*heading(2, "CRCs", "crcs"), ('In the Rocksoft model; the check is the CRC of the ASCII text "123456789". '
            "A CRC is sent little-endian, like every number."), "", *table(heads, rows)]  # fmt: skip
    if names := [b for b in catalogue.bodies if b.layout not in seen.ever]:
        out += [*heading(2, "Bodies outside packet types", "bodies"), ""]
        for body in names:
            layout = catalogue.layout[body.layout]
            out += [*heading(3, body.name.replace("_", " ").capitalize(), seen.anchor(layout.name))]
            out += [f"{said(catalogue, layout.doc)} {bytes_of(catalogue.sizes[layout.name])}.", ""]
            out += described(catalogue, layout, 4, body.name, seen)
    return out


# ── TLVs ─────────────────────────────────────────────────────────────────────────────────────────────


def space(catalogue: ir.Catalogue, found: ir.Space, seen: Seen) -> list[str]:
    """A page of TLVs: each tag with its value."""
    rows, details = [], []
    props = any(t.access for t in found.types)
    for t in found.types:
        layout = catalogue.layout[t.layout]
        number = ir.lone_number(layout)
        sort = (
            fields(catalogue, layout.parts)[3].split("|")[2].strip() if number else bytes_of(catalogue.sizes[t.layout])
        )
        anchor = f"{_name(f'tlv-{found.name}', t.name)}"
        needs = " or ".join(ref(f"feature-{n}", n) for n in t.needs)
        rows.append(
            (
                f"{t.tag} (0x{t.tag:04X})",
                anchor,
                sort,
                *([t.access, str(t.latency)] if props else []),
                needs,
                said(catalogue, t.doc),
            )
        )
        details += [*heading(3, t.name, seen.anchor(t.layout)), said(catalogue, t.doc), ""]
        details += described(catalogue, layout, 4, t.name, seen)
    heads = ("Tag", "Name", "Value", *(("Access", "Latency in frames") if props else ()), "Needs any of", "Meaning")
    return [
        *heading(1, f"TLVs: {found.name}", f"space-{found.name}"),
        said(catalogue, found.doc),
        "",
        (
            "A TLV is {tag u16, length u16, value}. One whose tag is not in this table is skipped by whoever acts, "
            "and preserved by whoever passes it on."
        ),
        "",
        *(
            heading(2, "Tags") + table(heads, rows, "opal-list") + heading(2, "Values")
            if rows
            else ["None is declared yet.", ""]
        ),
        *details,
    ]


def space_index(catalogue: ir.Catalogue) -> list[str]:
    rows = [(ref(f"space-{s.name}", s.name), str(len(s.types)), said(catalogue, s.doc)) for s in catalogue.spaces]
    return [
        *heading(1, "TLVs", "tlvs"),
        "Extension is by TLV alone: a body is its fixed part, then its counted lists, then TLVs of one space.",
        "",
        *table(("Space", "Tags", "Purpose"), rows),
        *toctree(s.name for s in catalogue.spaces),
    ]


# ── Enumerations and shared layouts ──────────────────────────────────────────────────────────────────


def enumerations(catalogue: ir.Catalogue) -> list[str]:
    """Every enumeration and set of flags, each at its anchor."""
    out = [
        *heading(1, "Enumerations and flags", "enumerations"),
        (
            "Enumerations are open: a codec preserves a member that it does not know. A request that carries one "
            f"is answered {ref('status-BAD_VALUE', 'BAD_VALUE')}, an event with one is ignored."
        ),
        "",
    ]
    for name in sorted({*catalogue.choices, *catalogue.flag_set}):
        out += [*heading(2, name, f"enum-{name}"), *enumeration(catalogue, name)]
    return out


def rest(catalogue: ir.Catalogue, seen: Seen) -> Iterator[str]:
    """Layouts that no other page shows."""
    for layout in catalogue.layouts:
        if layout.name not in seen.ever:
            yield from heading(2, layout.name, seen.anchor(layout.name))
            yield from [f"{said(catalogue, layout.doc)} {bytes_of(catalogue.sizes[layout.name])}.", ""]
            yield from described(catalogue, layout, 3, layout.name, seen)
