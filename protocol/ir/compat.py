"""What the difference between two versions of the catalogue means for those who speak them.

Each difference is one of three: *compatible* (either side reads the other and loses nothing), *conditional* (so as
long as a new possibility is not used, or a new obligation is met), *breaking*. The classes are claims about
behaviour; a test holds them against codecs made from both versions.

Plan: changes · fields · layouts and spaces · packets · tables · the whole.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from opalink.protocol.ir import model as ir
from opalink.spec.form import Record


class Impact(StrEnum):
    COMPATIBLE = "compatible"
    CONDITIONAL = "conditional"
    BREAKING = "breaking"


class Change(Record, frozen=True):
    """One difference, with the path of what differs."""

    impact: Impact
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.impact} {self.where}: {self.what}"


Changes = Iterator[Change]


def _ok(where: str, what: str) -> Change:
    return Change(Impact.COMPATIBLE, where, what)


def _if(where: str, what: str) -> Change:
    return Change(Impact.CONDITIONAL, where, what)


def _no(where: str, what: str) -> Change:
    return Change(Impact.BREAKING, where, what)


# ── Fields ───────────────────────────────────────────────────────────────────────────────────────────


def _range(where: str, what: str, old: tuple[int, int], new: tuple[int, int]) -> Changes:
    """A range that grew is refused by old receivers where the new part is used; one that shrank refuses old senders."""
    if new[0] > old[0] or new[1] < old[1]:
        yield _no(where, f"{what} was {old[0]} to {old[1]}, is narrowed to {new[0]} to {new[1]}")
    elif new != old:
        yield _if(where, f"{what} was {old[0]} to {old[1]}, is widened to {new[0]} to {new[1]}")


def _number(where: str, old: ir.Number, new: ir.Number) -> Changes:
    if (old.bits, old.signed, old.shift, old.const) != (new.bits, new.signed, new.shift, new.const):
        yield _no(where, "its width, sign, place or constant changed")
        return
    if old.reserved and not new.reserved:
        if new.bounds[0] > 0:
            yield _no(where, "reserved bits became a field that cannot be 0, as old senders send it")
        else:
            yield _ok(where, f"reserved bits became `{new.name}`")
        return
    if new.reserved and not old.reserved:
        yield _no(where, "became reserved")
        return
    yield from _range(where, "range", old.bounds, new.bounds)
    if (old.unit, old.factor) != (new.unit, new.factor):
        yield _no(where, "its unit or scale changed")
    if (old.choices, old.flags) != (new.choices, new.flags):
        yield _if(where, "another enumeration or set of flags gives its meaning")
    if old.default != new.default:
        yield _if(where, f"the default was {old.default}, is {new.default}")
    if old.name != new.name:
        yield _if(where, f"is now called {new.name}: the wire is the same, programs are not")


def _bits(where: str, old: ir.Bits, new: ir.Bits) -> Changes:
    """A group is compared bit by bit, because reserved bits may be split among new fields."""
    if old.size != new.size:
        yield _no(where, "the group of bits has another width")
        return
    olds = {(f.shift, f.bits): f for f in old.fields}
    for f in new.fields:
        same = olds.pop((f.shift, f.bits), None)
        if same is not None:
            yield from _number(f"{where}.{same.name}", same, f)
        elif all(_owner(old, bit).reserved for bit in range(f.shift, f.shift + f.bits)):
            if f.bounds[0] > 0:
                yield _no(f"{where}.{f.name}", "takes reserved bits, but cannot be 0, as old senders send them")
            elif not f.reserved:
                yield _ok(f"{where}.{f.name}", "takes reserved bits")
        else:
            yield _no(f"{where}.{f.name}", "takes bits that had a meaning")
    for f in olds.values():
        if not f.reserved:
            yield _no(f"{where}.{f.name}", "is gone")


def _owner(group: ir.Bits, bit: int) -> ir.Number:
    return next(f for f in group.fields if f.shift <= bit < f.shift + f.bits)


def _part(where: str, old: ir.Part, new: ir.Part) -> Changes:
    where = f"{where}.{old.name}"
    match old, new:
        case ir.Number(), ir.Number():
            yield from _number(where, old, new)
        case ir.Bits(), ir.Bits():
            yield from _bits(where, old, new)
        case ir.Octets(), ir.Octets() if old.size == new.size:
            if old.name != new.name:
                yield _if(where, f"is now called {new.name}: the wire is the same, programs are not")
        case (ir.Blob(), ir.Blob()) | (ir.Rows(), ir.Rows()) if old.count == new.count:
            yield from _range(where, "length", (old.lo, old.hi), (new.lo, new.hi))
        case ir.Raw(), ir.Raw():
            yield from _range(where, "length", (old.lo, old.hi), (new.lo, new.hi))
        case ir.Tlvs(), ir.Tlvs() if old.space == new.space:
            pass
        case _:
            yield _no(where, "is laid out in another way")


# ── Layouts and spaces ───────────────────────────────────────────────────────────────────────────────


def _parts(where: str, old: tuple[ir.Part, ...], new: tuple[ir.Part, ...]) -> Changes:
    for a, b in zip(old, new, strict=False):
        yield from _part(where, a, b)
    if len(old) != len(new):
        extra = [p.name for p in (new[len(old) :] or old[len(new) :])]
        yield _no(where, f"fields {', '.join(extra)} were {'added' if len(new) > len(old) else 'removed'}")


def _members(where: str, old: ir.Choices | ir.Flags, new: ir.Choices | ir.Flags) -> Changes:
    values = {m.name: m.value for m in new.members}
    for m in old.members:
        if m.name not in values:
            yield _if(f"{where}.{m.name}", "is gone: what old senders mean by it is no longer said")
        elif values[m.name] != m.value:
            yield _no(f"{where}.{m.name}", f"was {m.value}, is {values[m.name]}")
    known = {m.name for m in old.members}
    yield from (_ok(f"{where}.{m.name}", "is new") for m in new.members if m.name not in known)


def _space(where: str, old: ir.Space, new: ir.Space) -> Changes:
    tags = {t.name: t for t in new.types}
    for t in old.types:
        now = tags.get(t.name)
        if now is None:
            yield _if(f"{where}.{t.name}", "is gone: it is skipped and preserved")
        elif now.tag != t.tag:
            yield _no(f"{where}.{t.name}", f"had tag {t.tag}, has {now.tag}")
        elif (now.needs, now.access) != (t.needs, t.access):
            yield _if(f"{where}.{t.name}", "its features or its access changed")
    known = {t.name for t in old.types}
    yield from (_ok(f"{where}.{t.name}", "is new") for t in new.types if t.name not in known)


# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def _packet(where: str, old: ir.Packet, new: ir.Packet) -> Changes:
    if (old.code, old.channel, old.sender) != (new.code, new.channel, new.sender):
        yield _no(where, "its code, channel or sender changed")
    for form in old.forms:
        if form not in new.forms:
            yield _no(where, f"has no {form} any more")
    yield from (_ok(where, f"has a {form} now") for form in new.forms if form not in old.forms)
    if (old.needs, old.optional) != (new.needs, new.optional):
        yield _if(where, "is mandatory in other cases")
    for name in sorted(set(new.statuses) ^ set(old.statuses)):
        yield _if(where, f"status {name} {'may' if name in new.statuses else 'may no longer'} be answered")
    if gone := set(old.lanes) - set(new.lanes):
        yield _no(where, f"no longer travels on {', '.join(sorted(gone))}")
    elif set(new.lanes) - set(old.lanes):
        yield _if(where, "travels on more lanes")


# ── The whole ────────────────────────────────────────────────────────────────────────────────────────


def _table(
    kind: str, old: Iterable[Any], new: Iterable[Any], both: Callable[[str, Any, Any], Changes], gone: Impact
) -> Changes:
    """Entries by name: what is new is compatible, what is gone is `gone`, what stayed is compared by `both`."""
    now = {x.name: x for x in new}
    before = set()
    for x in old:
        before.add(x.name)
        where = f"{kind} {x.name}"
        if x.name in now:
            yield from both(where, x, now[x.name])
        else:
            yield Change(gone, where, "is gone")
    yield from (_ok(f"{kind} {name}", "is new") for name in now if name not in before)


def _same(impact: Impact, *ignored: str) -> Callable[[str, Any, Any], Changes]:
    """Entries whose every field but prose has to stay."""

    def both(where: str, old: Any, new: Any) -> Changes:
        for name in old.__struct_fields__:
            if name not in ("doc", *ignored) and getattr(old, name) != getattr(new, name):
                yield Change(impact, where, f"its {name} changed")

    return both


def _requirement(old: ir.Catalogue, new: ir.Catalogue) -> Changes:
    now = {r.id: r for r in new.requirements}
    for r in old.requirements:
        if r.id not in now:
            yield _ok(f"requirement {r.id}", "is withdrawn")
        elif now[r.id].text != r.text or now[r.id].level != r.level:
            yield _if(f"requirement {r.id}", "is worded anew")
    yield from (_if(f"requirement {i}", "is new") for i in now if i not in old.requirement)


def compare(old: ir.Catalogue, new: ir.Catalogue) -> list[Change]:
    """Every difference that matters to anyone but a reader of prose."""

    def layout(where: str, a: Any, b: Any) -> Changes:
        yield from _parts(where, a.parts, b.parts)

    def envelope(where: str, a: Any, b: Any) -> Changes:
        yield from _parts(where, a.header, b.header)
        if (a.size, a.crc) != (b.size, b.crc):
            yield _no(where, "its size or its CRC changed")

    no, maybe = Impact.BREAKING, Impact.CONDITIONAL
    tables = (
        _table("packet", old.packets, new.packets, _packet, no),
        # A layout that is gone was told of by what used it.
        _table("layout", (x for x in old.layouts if x.name in new.layout), new.layouts, layout, no),
        _table("enum", old.enums, new.enums, _members, maybe),
        _table("flags", old.flags, new.flags, _members, maybe),
        _table("space", old.spaces, new.spaces, _space, no),
        _table("envelope", old.envelopes, new.envelopes, envelope, no),
        _table("crc", old.crcs, new.crcs, _same(no), no),
        _table("status", old.statuses, new.statuses, _same(no), no),
        _table("channel", old.channels, new.channels, _same(no), no),
        _table("gear", old.gears, new.gears, _same(no), no),
        _table("timer", old.timers, new.timers, _same(maybe), maybe),
        _table("limit", old.limits, new.limits, _same(maybe), maybe),
        _table("profile", old.profiles, new.profiles, _same(maybe), maybe),
        _requirement(old, new),
    )
    changes = [change for table in tables for change in table]
    for machine in old.machines:
        same = next((m for m in new.machines if (m.name, m.role) == (machine.name, machine.role)), None)
        if same != machine:
            changes.append(_if(f"machine {machine.name} of the {machine.role}", "behaves in another way"))
    return changes


def verdict(changes: list[Change]) -> Impact:
    """The worst of them."""
    return max((c.impact for c in changes), key=list(Impact).index, default=Impact.COMPATIBLE)
