"""Rules for codes, timers, CRCs, profiles and requirements."""

import re
from typing import Any

from opalink.protocol.check.rules import Found, duplicates, rule
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.obligations import obligations
from opalink.protocol.ir.write import checksums
from opalink.spec.crc import reference_crc
from opalink.spec.form import Level, Scope, Start, Testability, TimerKind

_CHECK = b"123456789"
_HEX = re.compile(r"([0-9a-f]{2})*")
_TIMER = re.compile(r"\bt[A-Z]\w*")
_OBLIGATION = re.compile(r"\b(MUST|SHOULD|MAY)\b")


@rule("N01", "Codes and names of statuses, channels, gears, limits and timers are unique.")
def _unique(c: ir.Catalogue) -> Found:
    coded: dict[str, tuple[Any, ...]] = {"statuses": c.statuses, "channels": c.channels, "gears": c.gears}
    for table, entries in (coded | {"limits": c.limits, "timers": c.timers}).items():
        codes = [e.value for e in entries] if table in coded else []
        for twice in duplicates([*(e.name for e in entries), *codes]):
            yield table, f"{twice} stands twice"


@rule("N02", "A status that a response may carry is listed by a packet type or is general.")
def _provoked(c: ir.Catalogue) -> Found:
    listed = {name for p in c.packets for name in p.statuses} | set(c.general)
    for s in c.statuses:
        if Scope.RESPONSE in s.scope and s.name not in listed and s.name != "UNSPECIFIED":
            yield s.name, "no packet type may answer it"


@rule("N03", "A timer's edges are in order, and those that its kind judges exist.")
def _edges(c: ir.Catalogue) -> Found:
    for t in c.timers:
        edges = [x for x in (t.min, t.nominal, t.max) if x is not None]
        if edges != sorted(edges) or any(x <= 0 for x in edges) or not edges:
            yield t.name, f"{edges} are not in order"
        if t.kind is TimerKind.BOUND and t.max is None:
            yield t.name, "a bound has a maximum"
        if t.kind is TimerKind.DEADLINE and t.min is None:
            yield t.name, "a deadline has a minimum"


@rule("N04", "A CRC's check value is what its parameters give, by our definition, by crcmod, and by the fast library.")
def _crcs(c: ir.Catalogue) -> Found:
    from crcmod import mkCrcFun  # an independent definition; needed nowhere else at run time

    fast = checksums(c)
    for crc in c.crcs:
        functions = {
            "our definition": reference_crc(crc),
            "crcmod": mkCrcFun(1 << crc.width | crc.poly, crc.init ^ crc.xorout, crc.refin, crc.xorout),
            "the fast library": fast[crc.name],
        }
        for who, function in functions.items():
            if (found := function(_CHECK)) != crc.check:
                yield crc.name, f"{who} computes {found:#x}, declared is {crc.check:#x}"


@rule("N05", "Every timer has an owner: a machine that starts it, or a requirement that names it.")
def _owned(c: ir.Catalogue) -> Found:
    owned = {a.timer for m in c.machines for row in m.rows for a in row.actions if isinstance(a, Start)}
    owned |= {word for r in c.requirements for word in _TIMER.findall(r.text)}
    for t in c.timers:
        if t.name not in owned:
            yield t.name, "no machine starts it, and no requirement names it"


@rule("F01", "A profile requires and allows features that exist, each once.")
def _features(c: ir.Catalogue) -> Found:
    features = {m.name for m in c.flag_set["Feature"].members}
    for p in c.profiles:
        for name in [*p.requires, *p.allows]:
            if name not in features:
                yield p.name, f"feature {name} does not exist"
        for twice in duplicates([*p.requires, *p.allows]):
            yield p.name, f"feature {twice} stands twice"


@rule("F02", "A profile's descriptor is legal: every record exists, and its fields are in range.")
def _descriptors(c: ir.Catalogue) -> Found:
    records = {t.name: c.layout[t.layout] for t in c.space["records"].types} if "records" in c.space else {}
    for p in c.profiles:
        for name, fields in p.descriptor:
            if name not in records:
                yield p.name, f"record {name} does not exist"
            else:
                yield from _illegal(c, records[name], fields, f"{p.name}.{name}")


def _illegal(c: ir.Catalogue, layout: ir.Layout, value: dict[str, Any], where: str) -> Found:
    """What of a value, as JSON carries it, its layout does not allow; the generated codec may be older than it."""
    fields = {f.name: f for f in ir.fields_of(layout.parts)}
    for name, v in value.items():
        at = f"{where}.{name}"
        match fields.get(name), v:
            case ir.Number(choices=str(choices)), str() if choices:
                if v not in {m.name for m in c.choices[choices].members}:
                    yield at, f"{v} is no member of {choices}"
            case ir.Number() as n, int():
                if not n.bounds[0] <= v <= n.bounds[1]:
                    yield at, f"{v} is not within {n.bounds[0]} to {n.bounds[1]}"
            case ir.Blob(text=True) as part, str():
                yield from _length(part, len(v.encode()), at)
            case (ir.Octets() | ir.Blob() | ir.Raw()) as part, str() if _HEX.fullmatch(v):
                yield from _length(part, len(v) // 2, at)
            case ir.Rows() as part, list() | tuple():
                yield from _length(part, len(v), at)
                for i, row in enumerate(v):
                    yield from _illegal(c, c.layout[part.row], row, f"{at}[{i}]")
            case None, _:
                yield at, f"is no field of {layout.name}"
            case _:
                yield at, f"{v!r} is no value for it"


def _length(part: ir.Octets | ir.Blob | ir.Raw | ir.Rows, n: int, at: str) -> Found:
    lo, hi = (part.size, part.size) if isinstance(part, ir.Octets) else (part.lo, part.hi)
    if not lo <= n <= hi:
        yield at, f"has {n} elements, must have {lo} to {hi}"


@rule("R01", "A requirement is one sentence with one obligation, which is its level.")
def _sentences(c: ir.Catalogue) -> Found:
    for r in c.requirements:
        words = _OBLIGATION.findall(r.text)
        if not words or set(words) != {r.level.value} or (len(words) > 1 and not _joined(r.text)):
            yield r.id, f"has the obligations {words}, its level is {r.level}"
        if not r.text.endswith(".") or ". " in r.text.replace("e. g. ", ""):
            yield r.id, "is not one sentence"


def _joined(text: str) -> bool:
    """Two obligations of one act: "MUST answer … and MUST NOT act again"."""
    return "and MUST NOT" in text and len(_OBLIGATION.findall(text)) == 2


@rule("R02", "Requirement IDs are unique and of the form R-AREA-NNN, in an area that exists.")
def _ids(c: ir.Catalogue) -> Found:
    areas = {g.area for g in c.groups} | {"TLV"}
    for twice in duplicates([r.id for r in c.requirements]):
        yield str(twice), "stands twice"
    for r in c.requirements:
        match = re.fullmatch(r"R-([A-Z]+)-\d{3,}", r.id)
        if not match or match[1] not in areas:
            yield r.id, "is not R-AREA-NNN of a known area"


@rule("R03", "Requirements that fields and rows cite exist.")
def _cited(c: ir.Catalogue) -> Found:
    cited = [(f"{x.name}.{f.name}", getattr(f, "req", ())) for x in c.layouts for f in ir.fields_of(x.parts)]
    cited += [(f"{m.name}.{m.role}", row.req) for m in c.machines for row in m.rows]
    for where, names in cited:
        for name in names:
            if name not in c.requirement:
                yield where, f"cites {name}"


@rule("R04", "A requirement names a packet type and features that exist.")
def _about(c: ir.Catalogue) -> Found:
    features = {m.name for m in c.flag_set["Feature"].members}
    for r in c.requirements:
        if r.packet and r.packet not in c.packet:
            yield r.id, f"speaks of {r.packet}"
        for name in {n.removeprefix("!") for n in r.needs} - features:
            yield r.id, f"needs {name}"


@rule("R05", "A requirement that cannot be tested says why, and no other does.")
def _reasons(c: ir.Catalogue) -> Found:
    for r in c.requirements:
        excused = r.test in (Testability.UNTESTABLE, Testability.INSPECT)
        if excused != bool(r.reason):
            yield r.id, "is untestable without a reason" if excused else "gives a reason, but is testable"


@rule("R06", "At most 5 % of the MUSTs rest on a reason or an inspection.")
def _rationed(c: ir.Catalogue) -> Found:
    musts = [r for r in c.requirements if r.level is Level.MUST]
    excused = [r for r in musts if r.reason]
    if 20 * len(excused) > len(musts):
        yield "requirements", f"{len(excused)} of {len(musts)} MUSTs rest on a reason"


@rule("R07", "Every check that a table implies has its requirement.")
def _covered(c: ir.Catalogue) -> Found:
    for made in obligations(c):
        if made.key not in c.by_key:
            yield made.packet or made.key.partition(".")[0], f"no requirement has the key {made.key}"
