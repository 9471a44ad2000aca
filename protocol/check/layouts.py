"""Rules for layouts, enumerations, TLV spaces and packets."""

import keyword
import re
from typing import Any

from opalink.protocol.check.rules import Found, duplicates, rule
from opalink.protocol.ir import model as ir
from opalink.spec.form import Form, Scope

# Names that a value class, construct's Container or a generated language already uses.
_TAKEN = {"keys", "items", "values", "update", "copy", "pop", "search", "clear", "body", "crc", "payload"}
_TAKEN |= {"len", "bytes", "tuple", "range", "enumerate", "isinstance", "getattr", "int"}  # called by generated code
_TAKEN |= set(
    "auto break case char const continue default do double else enum extern float for goto if inline long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split()
)
_WORD = re.compile("[a-z][a-z0-9_]*")
_WIDTHS = {8, 16, 32}


def _part_lists(catalogue: ir.Catalogue) -> list[tuple[str, tuple[ir.Part, ...]]]:
    """The parts of every layout and of every envelope's header, with its name."""
    return [(x.name, x.parts) for x in catalogue.layouts] + [(e.name, e.header) for e in catalogue.envelopes]


def _fields(catalogue: ir.Catalogue) -> list[tuple[str, ir.Field]]:
    """Every field with where it stands."""
    return [(where, f) for where, parts in _part_lists(catalogue) for f in ir.fields_of(parts)]


def _numbers(catalogue: ir.Catalogue) -> list[tuple[str, ir.Number]]:
    return [(f"{where}.{f.name}", f) for where, f in _fields(catalogue) if isinstance(f, ir.Number)]


def _named_values(catalogue: ir.Catalogue) -> list[ir.Choices | ir.Flags]:
    return [*catalogue.enums, *catalogue.flags]


@rule("L01", "Field names are unique in a layout, members of bit groups included.")
def _unique_fields(c: ir.Catalogue) -> Found:
    for where, parts in _part_lists(c):
        for name in duplicates(f.name for f in ir.fields_of(parts)):
            yield where, f"two fields are called {name}"


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
    for where, parts in _part_lists(c):
        for p in parts:
            if isinstance(p, ir.Bits) and (width := sum(f.bits for f in p.fields)) not in _WIDTHS:
                yield f"{where}.{p.name}", f"is {width} bits wide"


@rule("L04", "Every field, layout, member and packet says what it is, in a phrase with a full stop.")
def _documented(c: ir.Catalogue) -> Found:
    said = [(f"{where}.{f.name}", f.doc) for where, f in _fields(c)]
    entries: list[Any] = [*c.layouts, *c.packets, *c.enums, *c.flags, *c.statuses, *c.timers, *c.machines]
    said += [(x.name, x.doc) for x in entries]
    said += [(f"{e.name}.{m.name}", m.doc) for e in _named_values(c) for m in e.members]
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
    for e in _named_values(c):
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


@rule("L07", "Names of fields, tags and packet types are usable in every language that is generated.")
def _names(c: ir.Catalogue) -> Found:
    words = [(f"{where}.{f.name}", f.name) for where, f in _fields(c)]
    words += [(f"{s.name}.{t.name}", t.name) for s in c.spaces for t in s.types]
    words += [(p.name, p.name.swapcase()) for p in c.packets]
    for where, name in words:
        if not _WORD.fullmatch(name):
            yield where, "is not ASCII words joined by _, in upper case for a packet type, else in lower"
    for where, f in _fields(c):
        if keyword.iskeyword(f.name) or f.name in _TAKEN:
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


@rule("L11", "TLVs nest no deeper than the limit tlv_nesting.")
def _nesting(c: ir.Catalogue) -> Found:
    most = next((x.value for x in c.limits if x.name == "tlv_nesting"), 0)
    for x in c.layouts:
        if (depth := _depth(c, x, ())) > most:
            yield x.name, f"holds TLVs {depth} deep, the limit is {most}"


def _depth(c: ir.Catalogue, layout: ir.Layout, within: tuple[str, ...]) -> int:
    """How deep TLVs nest in a layout, that of the deepest space in itself left out."""
    spaces = [c.space[p.space] for p in layout.parts if isinstance(p, ir.Tlvs) and p.space not in within]
    inner = [_depth(c, c.layout[t.layout], (*within, s.name)) for s in spaces for t in s.types]
    return 1 + max(inner, default=0) if spaces else 0


@rule("L12", "A row takes at least one byte: else a count of two bytes would stand for 65,535 values.")
def _rows_weigh(c: ir.Catalogue) -> Found:
    for row in {p.row for x in c.layouts for p in x.parts if isinstance(p, ir.Rows)}:
        if not c.sizes[row][0]:
            yield row, "stands in a list, and can take no bytes"


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
