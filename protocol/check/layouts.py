"""Rules for layouts, enumerations, TLV spaces and packets."""

import keyword

from opalink.protocol.check.rules import Found, duplicates, rule
from opalink.protocol.ir import model as ir
from opalink.spec.form import Form, Scope

# Names that a value class, construct's Container or a generated language already uses.
_TAKEN = {"keys", "items", "values", "update", "copy", "pop", "search", "clear", "body", "crc"}
_TAKEN |= {"len", "bytes", "tuple", "range", "enumerate", "isinstance", "getattr", "int"}  # called by generated code
_TAKEN |= set(
    "auto break case char const continue default do double else enum extern float for goto if inline long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split()
)
_WORDS = {8, 16, 32}


def _fields(catalogue: ir.Catalogue) -> list[tuple[str, ir.Part]]:
    """Every field with where it stands."""
    found = [(x.name, f) for x in catalogue.layouts for f in ir.fields_of(x.parts)]
    return found + [(e.name, f) for e in catalogue.envelopes for f in ir.fields_of(e.header)]


def _numbers(catalogue: ir.Catalogue) -> list[tuple[str, ir.Number]]:
    return [(f"{where}.{f.name}", f) for where, f in _fields(catalogue) if isinstance(f, ir.Number)]


@rule("L01", "Field names are unique in a layout, members of bit groups included.")
def _unique_fields(c: ir.Catalogue) -> Found:
    for x in c.layouts:
        for name in duplicates([f.name for f in ir.fields_of(x.parts)]):
            yield x.name, f"two fields are called {name}"


@rule("L02", "A body is its fixed part, then its counted parts, then TLVs or raw data.")
def _order(c: ir.Catalogue) -> Found:
    for x in c.layouts:
        ranks = [_rank(p) for p in x.parts]
        if ranks != sorted(ranks) or ranks.count(2) > 1:
            yield x.name, "fixed, counted and open parts are out of order"


def _rank(part: ir.Part) -> int:
    return 0 if isinstance(part, (ir.Number, ir.Bits, ir.Octets)) else 1 if isinstance(part, (ir.Blob, ir.Rows)) else 2


@rule("L03", "A group of bits fills 8, 16 or 32 bits.")
def _whole_words(c: ir.Catalogue) -> Found:
    for where, parts in [*((x.name, x.parts) for x in c.layouts), *((e.name, e.header) for e in c.envelopes)]:
        for p in parts:
            if isinstance(p, ir.Bits) and (width := sum(f.bits for f in p.fields)) not in _WORDS:
                yield f"{where}.{p.name}", f"is {width} bits wide"


@rule("L04", "Every field, layout, member and packet says what it is, in a phrase with a full stop.")
def _documented(c: ir.Catalogue) -> Found:
    said = [(f"{where}.{f.name}", f.doc) for where, f in _fields(c)]
    said += [(x.name, x.doc) for x in (*c.layouts, *c.packets, *c.enums, *c.flags, *c.statuses, *c.timers, *c.machines)]
    said += [(f"{e.name}.{m.name}", m.doc) for e in (*c.enums, *c.flags) for m in e.members]
    for where, doc in said:
        if not doc.endswith(".") or (doc[0].islower() and doc[1].isalpha()):
            yield where, f"{doc!r} is no phrase with a capital and a full stop"


@rule("L05", "A range is not empty, fits its bits, and holds the default.")
def _ranges(c: ir.Catalogue) -> Found:
    for where, n in _numbers(c):
        (lo, hi), (least, most) = n.bounds, n.span
        if not least <= lo <= hi <= most:
            yield where, f"{lo} to {hi} is not within {least} to {most}"
        elif not lo <= n.default <= hi:
            yield where, f"the default {n.default} is not within {lo} to {hi}"


@rule("L06", "The members of an enumeration have distinct names and values, and fit the fields that use them.")
def _members(c: ir.Catalogue) -> Found:
    for e in (*c.enums, *c.flags):
        for twice in duplicates([m.name for m in e.members] + [m.value for m in e.members]):
            yield e.name, f"{twice} stands twice"
    for where, n in _numbers(c):
        if n.choices:
            lo, hi = n.bounds
            bad = [m.name for m in c.choices[n.choices].members if not n.span[0] <= m.value <= n.span[1]]
            if bad or not any(lo <= m.value <= hi for m in c.choices[n.choices].members):
                yield where, f"members {bad} of {n.choices} do not fit"
        if n.flags and (wide := [m.name for m in c.flag_set[n.flags].members if m.value >= n.bits]):
            yield where, f"flags {wide} of {n.flags} do not fit"


@rule("L07", "Field names are usable in every language that is generated.")
def _names(c: ir.Catalogue) -> Found:
    for where, f in _fields(c):
        if not f.name.isidentifier() or f.name != f.name.lower() or f.name.startswith("_"):
            yield f"{where}.{f.name}", "is not lower case words joined by _"
        elif keyword.iskeyword(f.name) or f.name in _TAKEN:
            yield f"{where}.{f.name}", "is a word of a language"


@rule("L08", "A row ends: it has neither TLVs nor raw data.")
def _rows_end(c: ir.Catalogue) -> Found:
    for row in {p.row for x in c.layouts for p in x.parts if isinstance(p, ir.Rows)}:
        if any(isinstance(p, (ir.Tlvs, ir.Raw)) for p in c.layout[row].parts):
            yield row, "stands in a list, but has no end of its own"


@rule("L09", "Tags and names are unique in a TLV space, and tags are 1 to 0xFFEF.")
def _tags(c: ir.Catalogue) -> Found:
    for s in c.spaces:
        for twice in duplicates([t.tag for t in s.types] + [t.name for t in s.types]):
            yield s.name, f"{twice} stands twice"
        for t in s.types:
            if not 1 <= t.tag <= 0xFFEF:
                yield f"{s.name}.{t.name}", f"tag {t.tag} is outside 1 to 0xFFEF"


@rule("L10", "A counted part can hold what its range promises, and a range of a list is not empty.")
def _counts(c: ir.Catalogue) -> Found:
    for where, f in _fields(c):
        if isinstance(f, (ir.Rows, ir.Blob)) and not 0 <= f.lo <= f.hi < 1 << 8 * f.count:
            yield f"{where}.{f.name}", f"{f.lo} to {f.hi} does not fit a count of {f.count} bytes"


@rule("P01", "Codes and names of packet types are unique, and codes are 0 to 255.")
def _codes(c: ir.Catalogue) -> Found:
    for twice in duplicates([p.code for p in c.packets] + [p.name for p in c.packets]):
        yield str(twice), "stands twice"
    for p in c.packets:
        if not 0 <= p.code <= 0xFF:
            yield p.name, f"code {p.code} is outside 0 to 255"


@rule("P02", "A request has a response and a response a request; a type has some form.")
def _forms(c: ir.Catalogue) -> Found:
    for p in c.packets:
        forms = set(p.forms)
        if (Form.REQUEST in forms) != (Form.RESPONSE in forms):
            yield p.name, "has a request without a response, or the reverse"
        if Form.ERROR in forms and Form.REQUEST not in forms:
            yield p.name, "has an error, but no request that it could answer"
        if not forms:
            yield p.name, "has no form"


@rule("P03", "A packet type names a channel, features, statuses and lanes that exist.")
def _references(c: ir.Catalogue) -> Found:
    features = {m.name for m in c.flag_set["Feature"].members} if "Feature" in c.flag_set else set()
    for p in c.packets:
        if p.channel not in c.channel:
            yield p.name, f"channel {p.channel} does not exist"
        for name in set(p.needs) - features:
            yield p.name, f"feature {name} does not exist"
        for name in p.statuses:
            if name not in c.status:
                yield p.name, f"status {name} does not exist"
            elif Scope.RESPONSE not in c.status[name].scope:
                yield p.name, f"status {name} is never seen in a response"
            elif name in c.general:
                yield p.name, f"status {name} is general: every type has it"
        if not p.lanes or set(p.lanes) - {"laser", "sideband"}:
            yield p.name, f"lanes {p.lanes} are not laser and sideband"


@rule("P04", "The least payload of a packet type fits its channel; on RT the greatest does too, without TLVs.")
def _fits(c: ir.Catalogue) -> Found:
    for p, form, layout in c.messages():
        room = c.channel[p.channel].payload_max if p.channel in c.channel else 0xFFFF
        least, most = c.sizes[layout.name]
        if least > room:
            yield f"{p.name}.{form}", f"takes {least} bytes, {p.channel} carries {room}"
        elif p.channel == "RT" and most > room:
            yield f"{p.name}.{form}", f"takes up to {most} bytes, a FLIT carries {room}"
