"""The pages of the messages: purpose, facts, layouts with their diagrams, an example, behaviour, requirements.

Plan: facts · forms · requirements · a message's page · the list.
"""

from opalink.protocol.generate.docs.example import annotated
from opalink.protocol.generate.docs.layout import Seen, described, enumeration, named_by
from opalink.protocol.generate.docs.machines import legal_in, rows_about, toctree
from opalink.protocol.generate.docs.words import bytes_of, heading, need, ref, said, table
from opalink.protocol.generate.vectors import Vector
from opalink.protocol.ir import model as ir
from opalink.spec.form import Form, Role

_SENDERS = {
    Role.PHONE: "the phone",
    Role.MODULE: "the module",
    Role.BOTH: "either side",
    Role.SOURCE: "the side that supplies power",
    Role.SINK: "the side that is supplied",
}

# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────


def _facts(catalogue: ir.Catalogue, p: ir.Packet) -> list[str]:
    level = {
        "mandatory": "mandatory",
        "conditional": "mandatory with " + " or ".join(ref(f"feature-{n}", n) for n in p.needs),
        "optional": "optional" + (" with " if p.needs else "") + " or ".join(ref(f"feature-{n}", n) for n in p.needs),
    }[p.level]
    codes = [ref(f"status-{s}", s) for s in p.statuses]
    rows = [
        ("Code", f"0x{p.code:02X}"),
        ("Chapter", ref(f"chapter-{p.group}", p.group)),
        ("Sent by", _SENDERS[p.sender]),
        ("Virtual channel", ref(f"channel-{p.channel}", p.channel)),
        ("Lanes", " and ".join(p.lanes)),
        ("Forms", ", ".join(p.forms)),
        ("Level", level),
        ("Legal in", "; ".join(legal_in(catalogue, p))),
    ]
    if Form.REQUEST in p.forms:
        rows.append(
            ("Statuses", ", ".join(codes) + (", and " if codes else "") + ref("statuses-general", "the general ones"))
        )
    return table(("", ""), rows, "opal-facts")


# ── Forms ────────────────────────────────────────────────────────────────────────────────────────────


def _forms(catalogue: ir.Catalogue, p: ir.Packet, seen: Seen) -> list[str]:
    out: list[str] = []
    for form, name in p.forms.items():
        layout = catalogue.layout[name]
        out += heading(2, form.capitalize(), seen.anchor(name))
        open_ended = any(isinstance(part, ir.Tlvs) and part.space == "extensions" for part in layout.parts)
        more = " without extensions" if open_ended else ""
        out += [f"Payload of {bytes_of(catalogue.sizes[name])}{more}.", ""]
        out += described(catalogue, layout, 3, f"{p.name} {form}", seen)
    if Form.REQUEST in p.forms and Form.ERROR not in p.forms:
        refusal = catalogue.error_layout(p)
        out += [f"A request that fails is answered with the common refusal, {ref(f'layout-{refusal}', refusal)}.", ""]
    return out


def _values(catalogue: ir.Catalogue, p: ir.Packet) -> list[str]:
    names = dict.fromkeys(n for layout in p.forms.values() for n in named_by(catalogue, catalogue.layout[layout]))
    out: list[str] = heading(2, "Values") if names else []
    for name in names:
        out += [*heading(3, name), *enumeration(catalogue, name)]
    return out


# ── Requirements ─────────────────────────────────────────────────────────────────────────────────────


def _requirements(catalogue: ir.Catalogue, p: ir.Packet) -> list[str]:
    about = [r for r in catalogue.requirements if r.packet == p.name or r.key.split(".")[0] == p.name]
    cited = {r for layout in p.forms.values() for f in ir.fields_of(catalogue.layout[layout].parts) for r in _cites(f)}
    about += [catalogue.requirement[r] for r in sorted(cited) if catalogue.requirement[r] not in about]
    rows = [(need(r.id), r.level, r.role, said(catalogue, r.text, p.name)) for r in about]
    return [*heading(2, "Requirements"), *table(("ID", "Level", "Of", "Requirement"), rows, "opal-req")] if rows else []


def _cites(field: ir.Field) -> tuple[str, ...]:
    return field.req if isinstance(field, ir.Number | ir.Octets | ir.Rows) else ()


# ── A message's page ─────────────────────────────────────────────────────────────────────────────────


def message_page(catalogue: ir.Catalogue, p: ir.Packet, seen: Seen, samples: dict[str, Vector]) -> list[str]:
    behaviour, first = rows_about(catalogue, p), next(iter(p.forms))
    return [
        *heading(1, p.name, f"message-{p.name}"),
        said(catalogue, p.doc, p.name),
        "",
        *_facts(catalogue, p),
        *_forms(catalogue, p, seen),
        *_values(catalogue, p),
        *heading(2, "Example"),
        *annotated(catalogue, p, first, samples[f"{p.name}.{first}"]),
        *(heading(2, "Behaviour") + behaviour if behaviour else []),
        *_requirements(catalogue, p),
    ]


# ── The list ─────────────────────────────────────────────────────────────────────────────────────────


def message_index(catalogue: ir.Catalogue) -> list[str]:
    out = [
        *heading(1, "Messages", "messages"),
        f"The {len(catalogue.packets)} packet types by chapter. Sizes are those of the payload of the first form.",
        "",
    ]
    for group in catalogue.groups:
        found = [p for p in catalogue.packets if p.group == group.name]
        rows = [
            (
                f"0x{p.code:02X}",
                ref(f"message-{p.name}", p.name),
                p.sender,
                p.kind,
                p.level,
                bytes_of(catalogue.sizes[next(iter(p.forms.values()))]),
                said(catalogue, p.doc.split(". ")[0].rstrip("."), p.name),
            )
            for p in found
        ]
        title = group.name.capitalize()
        out += [*heading(2, title, f"chapter-{group.name}"), said(catalogue, group.doc), ""]
        out += [f"Its requirements: {ref(f'area-{group.area}', group.area)}.", ""]
        out += table(("Code", "Name", "Sender", "Kind", "Level", "Payload", "Purpose"), rows, "opal-list")
    return [*out, *toctree(p.name for p in catalogue.packets)]
