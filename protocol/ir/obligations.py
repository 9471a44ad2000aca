"""Requirements that follow from the tables: one sentence for each check that a declaration implies.

A sentence is made here and nowhere else, from the same probes that make its tests, so it cannot drift from the
layout. Its key says what it follows from; the lock gives the key its permanent ID (see `lock`).

Plan: keys · what a receiver must refuse, ignore, answer · what a sender must keep to.
"""

from collections.abc import Iterator

from msgspec import structs

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.probes import Site, sites
from opalink.spec.form import Form, Kind, Level, Requirement, Role, Testability

_PEER = {Role.PHONE: Role.MODULE, Role.MODULE: Role.PHONE, Role.SOURCE: Role.SINK, Role.SINK: Role.SOURCE}
SPACE_AREA = "TLV"


def peer(role: Role) -> Role:
    """The other side; of either side, either."""
    return _PEER.get(role, role)


def sides(role: Role) -> Role:
    """Whose obligation it is when the catalogue is split by device: power roles can fall on both."""
    return role if role in (Role.PHONE, Role.MODULE) else Role.BOTH


def _noun(role: Role, otherwise: str) -> str:
    return otherwise if role is Role.BOTH else role.value


def key_of(catalogue: ir.Catalogue, packet: ir.Packet, form: Form, field: str, what: str) -> str:
    """The key of a check. A field inside a known TLV belongs to its space, wherever the space is used."""
    head, _, rest = field.partition(".")
    part = next((f for f in ir.fields_of(catalogue.layout[packet.forms[form]].parts) if f.name == head), None)
    if isinstance(part, ir.Tlvs) and rest:
        return f"{part.space}.{rest}.{what}"
    return f"{packet.name}.{form}.{field}.{what}"


def obligations(catalogue: ir.Catalogue) -> Iterator[Requirement]:
    """Every generated requirement, without its ID, each key once. One of a TLV is of no packet type: what it needs is
    what the TLV needs, wherever that travels."""
    seen: set[str] = set()
    for packet in catalogue.packets:
        for requirement in _of_packet(catalogue, packet):
            if requirement.key not in seen:
                seen.add(requirement.key)
                yield _of_tlv(catalogue, requirement)


def _of_tlv(catalogue: ir.Catalogue, made: Requirement) -> Requirement:
    space, tlv, *_ = made.key.split(".")
    if space not in catalogue.space:
        return made
    needs = next(t.needs for t in catalogue.space[space].types if t.name == tlv)
    return structs.replace(made, packet="", needs=needs)


def area_of(catalogue: ir.Catalogue, made: Requirement) -> str:
    """The area of a generated requirement."""
    return catalogue.group[catalogue.packet[made.packet].group].area if made.packet else SPACE_AREA


def _of_packet(catalogue: ir.Catalogue, p: ir.Packet) -> Iterator[Requirement]:
    for form, name in p.forms.items():
        layout = catalogue.layout[name]
        if form is Form.REQUEST:
            yield from _answering(p)
            yield from _lengths(catalogue, p, layout)
            for site in sites(catalogue, layout):
                yield from _receiving(catalogue, p, site)
        for site in sites(catalogue, layout):
            yield from _sending(catalogue, p, form, site)


def _made(p: ir.Packet, key: str, text: str, role: Role, kind: Kind, test: Testability) -> Requirement:
    return Requirement("", text, Level.MUST, sides(role), kind, test, p.needs, p.name, key)


# ── What a receiver must do with a request ──────────────────────────────────────────────────────────


def _answering(p: ir.Packet) -> Iterator[Requirement]:
    role = peer(p.sender)
    who = _noun(role, "receiver")
    if not p.optional:
        text = f"The {who} MUST answer a {p.name} request with the status and the layout that its type declares."
        yield _made(p, f"{p.name}.answer", text, role, Kind.BEHAVIOUR, Testability.ACTIVE)
    if p.needs:
        lacking = " and ".join(p.needs)
        text = f"A {who} without {lacking} MUST answer a {p.name} request with NOT_SUPPORTED."
        made = _made(p, f"{p.name}.absent", text, role, Kind.BEHAVIOUR, Testability.ACTIVE)
        # The one obligation of those that lack the feature: it binds where no need is met.
        yield structs.replace(made, needs=tuple(f"!{n}" for n in p.needs))


def _lengths(catalogue: ir.Catalogue, p: ir.Packet, layout: ir.Layout) -> Iterator[Requirement]:
    role = peer(p.sender)
    who = _noun(role, "receiver")
    if _declared(catalogue, layout):
        text = f"The {who} MUST answer a {p.name} request that ends before its declared fields do with BAD_LENGTH."
        yield _made(p, f"{p.name}.request.short", text, role, Kind.SYNTAX, Testability.ACTIVE)
    if any(isinstance(part, ir.Tlvs) for part in layout.parts):
        text = f"The {who} MUST answer a {p.name} request that does not end in whole TLVs with BAD_LENGTH."
        yield _made(p, f"{p.name}.request.tlvs", text, role, Kind.SYNTAX, Testability.ACTIVE)


def _declared(catalogue: ir.Catalogue, layout: ir.Layout) -> int:
    """Least number of bytes of a layout without its raw end: that being short is a matter of its own length."""
    return catalogue.sizes[layout.name][0] - sum(part.lo for part in layout.parts if isinstance(part, ir.Raw))


def _receiving(catalogue: ir.Catalogue, p: ir.Packet, site: Site) -> Iterator[Requirement]:
    role = peer(p.sender)
    who = _noun(role, "receiver")
    for what, phrase in _illegal_phrases(site.part):
        key = key_of(catalogue, p, Form.REQUEST, site.field, what)
        where = _where(key, p)
        text = f"The {who} MUST answer {where} {phrase} with BAD_VALUE."
        yield _made(p, key, text, role, Kind.SYNTAX, Testability.ACTIVE)
    if isinstance(site.part, ir.Number) and site.part.reserved:
        key = key_of(catalogue, p, Form.REQUEST, site.field, "reserved")
        text = f"The {who} MUST treat {_where(key, p)} with reserved bits `{site.field}` set as if they were 0."
        yield _made(p, key, text, role, Kind.SYNTAX, Testability.ACTIVE)


def _where(key: str, p: ir.Packet) -> str:
    if key.startswith(p.name + "."):
        return f"a {p.name} request"
    space, record, *_ = key.split(".")
    return f"a request whose TLV `{record}` of {space} comes"


def _illegal_phrases(part: ir.Part) -> Iterator[tuple[str, str]]:
    """What can be illegal about a field, as (check, phrase)."""
    match part:
        case ir.Number(const=int(const)):
            yield "const", f"with a `{part.name}` other than {const}"
        case ir.Number():
            if part.checked:
                yield "range", f"with a `{part.name}` outside {_span(part)}"
            if part.choices:
                yield "member", f"with a `{part.name}` that is no member of {part.choices}"
        case ir.Blob() | ir.Raw():
            if (
                part.lo
                or (isinstance(part, ir.Blob) and part.hi < (1 << 8 * part.count) - 1)
                or isinstance(part, ir.Raw)
            ):
                yield "cap", f"with `{part.name}` of other than {part.lo} to {part.hi} bytes"
        case ir.Rows():
            if part.lo or part.hi < (1 << 8 * part.count) - 1:
                yield "cap", f"with other than {part.lo} to {part.hi} `{part.name}`"


def _span(n: ir.Number) -> str:
    lo, hi = n.bounds
    unit = f" {n.unit}" if n.unit and n.scale == "1" else ""
    return f"{lo} to {hi}{unit}"


# ── What a sender must keep to ───────────────────────────────────────────────────────────────────────


def _sending(catalogue: ir.Catalogue, p: ir.Packet, form: Form, site: Site) -> Iterator[Requirement]:
    role = p.sender if form in (Form.REQUEST, Form.EVENT) else peer(p.sender)
    who = _noun(role, "sender")
    for what, phrase in _sent_phrases(site.part):
        key = key_of(catalogue, p, form, site.field, f"{what}.sent")
        of_packet = key.startswith(p.name + ".")
        where = f"{p.name} {form}" if of_packet else f"TLV `{key.split('.')[1]}` of {key.split('.')[0]}"
        subject = f"The {who}" if of_packet else "A sender"
        text = f"{subject} MUST send {phrase} in {'an' if where[0] in 'AEIOU' else 'a'} {where}."
        yield _made(p, key, text, role if of_packet else Role.BOTH, Kind.SYNTAX, Testability.PASSIVE)


def _sent_phrases(part: ir.Part) -> Iterator[tuple[str, str]]:
    match part:
        case ir.Number(const=int(const)):
            yield "const", f"the `{part.name}` {const}"
        case ir.Number():
            if part.checked:
                yield "range", f"a `{part.name}` of {_span(part)}"
            if part.choices:
                yield "member", f"a `{part.name}` that is a member of {part.choices}"
        case ir.Blob() | ir.Raw() | ir.Rows():
            for _ in _illegal_phrases(part):
                noun = "rows" if isinstance(part, ir.Rows) else "bytes"
                yield "cap", f"{part.lo} to {part.hi} {noun} of `{part.name}`"
