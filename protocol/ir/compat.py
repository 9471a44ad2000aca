"""What the difference between two versions of the catalogue means for those who speak them.

Each difference is one of three: *compatible* (either side reads the other and loses nothing), *conditional* (so as
long as a new possibility is not used, or a new obligation is met), *breaking*. The classes are claims about
behaviour; a test holds them against codecs made from both versions.

What stands in the same place in both versions is compared, whatever it is called: a name is for programs, the wire
knows places and codes.

Plan: changes · fixed parts · layouts · tables · packets, spaces, statuses · the whole.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import dropwhile
from typing import Any

from opalink.protocol.ir import model as ir
from opalink.spec.form import Form, Record, Status


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


def _renamed(where: str, old: Any, new: Any) -> Changes:
    if old.name != new.name:
        yield _if(where, f"is now called {new.name}: the wire is the same, programs are not")


# ── Fixed parts ──────────────────────────────────────────────────────────────────────────────────────
# Everything is little-endian, so that the fixed parts of a layout are one long group of bits: reserved ones may be
# given out to new fields of any width.

Spot = tuple[int, int]  # the least significant bit, and the one after the most significant


def _spots(parts: tuple[ir.Part, ...]) -> dict[Spot, ir.Number | ir.Octets]:
    """The fields of the fixed parts, by the bits that they take."""
    out: dict[Spot, ir.Number | ir.Octets] = {}
    at = 0
    for p in parts:
        match p:
            case ir.Bits():
                out |= {(at + f.shift, at + f.shift + f.bits): f for f in p.fields}
            case ir.Number() | ir.Octets():
                out[at, at + 8 * p.size] = p
            case _:
                break
        at += 8 * p.size
    return out


def _reserved(f: ir.Part) -> bool:
    return isinstance(f, ir.Number) and f.reserved


def _fixed(where: str, old: tuple[ir.Part, ...], new: tuple[ir.Part, ...]) -> Changes:
    olds, news = _spots(old), _spots(new)
    had, has = (max((end for _, end in spots), default=0) // 8 for spots in (olds, news))
    if had != has:
        yield _no(where, f"the fixed part had {had} bytes, has {has}")
        return
    for spot, f in news.items():
        if spot in olds:
            yield from _field(f"{where}.{olds[spot].name}", olds[spot], f)
            continue
        under = [g for (start, end), g in olds.items() if start < spot[1] and spot[0] < end and not _reserved(g)]
        if _reserved(f):
            yield from (_withdrawn(f"{where}.{g.name}", g) for g in under)
        elif under:
            yield _no(f"{where}.{f.name}", f"takes bits of {', '.join(g.name for g in under)}")
        else:
            yield _taken(f"{where}.{f.name}", f)


def _withdrawn(where: str, old: ir.Number | ir.Octets) -> Change:
    """What became of a field whose bits new senders send as 0."""
    if isinstance(old, ir.Number) and not old.bounds[0] <= 0 <= old.bounds[1]:
        return _no(where, "became reserved, but old receivers refuse 0")
    return _if(where, "became reserved: old receivers read 0, new ones ignore it")


def _taken(where: str, new: ir.Number | ir.Octets) -> Change:
    """What became of bits that old senders send as 0."""
    if isinstance(new, ir.Number) and not new.bounds[0] <= 0 <= new.bounds[1]:
        return _no(where, "takes reserved bits, but cannot be 0, as old senders send them")
    return _ok(where, "takes reserved bits")


def _field(where: str, old: ir.Number | ir.Octets, new: ir.Number | ir.Octets) -> Changes:
    if _reserved(old) and _reserved(new):
        return
    if _reserved(old):
        yield _taken(where, new)
    elif _reserved(new):
        yield _withdrawn(where, old)
    elif not (isinstance(old, ir.Number) and isinstance(new, ir.Number)):
        if type(old) is not type(new):
            yield _no(where, "is laid out in another way")
        yield from _renamed(where, old, new)
    else:
        yield from _number(where, old, new)


def _number(where: str, old: ir.Number, new: ir.Number) -> Changes:
    if (old.signed, old.const) != (new.signed, new.const):
        yield _no(where, "its sign or its constant changed")
        return
    yield from _range(where, "range", old.bounds, new.bounds)
    if (old.unit, old.factor) != (new.unit, new.factor):
        yield _no(where, "its unit or scale changed")
    if (old.choices, old.flags) != (new.choices, new.flags):
        yield _if(where, "another enumeration or set of flags gives its meaning")
    if old.default != new.default:
        yield _if(where, f"the default was {old.default}, is {new.default}")
    yield from _renamed(where, old, new)


def _range(where: str, what: str, old: tuple[int, int], new: tuple[int, int]) -> Changes:
    """A range that grew is refused by old receivers where the new part is used; one that shrank refuses old senders."""
    if new[0] > old[0] or new[1] < old[1]:
        yield _no(where, f"{what} was {old[0]} to {old[1]}, is narrowed to {new[0]} to {new[1]}")
    elif new != old:
        yield _if(where, f"{what} was {old[0]} to {old[1]}, is widened to {new[0]} to {new[1]}")


# ── Layouts ──────────────────────────────────────────────────────────────────────────────────────────


def _counted(parts: tuple[ir.Part, ...]) -> list[ir.Part]:
    """What stands behind the fixed parts."""
    return list(dropwhile(lambda p: isinstance(p, (ir.Number, ir.Bits, ir.Octets)), parts))


def _parts(where: str, old: tuple[ir.Part, ...], new: tuple[ir.Part, ...]) -> Changes:
    yield from _fixed(where, old, new)
    olds, news = _counted(old), _counted(new)
    for a, b in zip(olds, news, strict=False):
        yield from _part(f"{where}.{a.name}", a, b)
    if len(olds) != len(news):
        extra = [p.name for p in (news[len(olds) :] or olds[len(news) :])]
        yield _no(where, f"fields {', '.join(extra)} were {'added' if len(news) > len(olds) else 'removed'}")


def _part(where: str, old: ir.Part, new: ir.Part) -> Changes:
    match old, new:
        case (ir.Blob() as a, ir.Blob() as b) | (ir.Rows() as a, ir.Rows() as b) if a.count == b.count:
            yield from _range(where, "length", (a.lo, a.hi), (b.lo, b.hi))
        case ir.Raw(), ir.Raw():
            yield from _range(where, "length", (old.lo, old.hi), (new.lo, new.hi))
        case ir.Tlvs(), ir.Tlvs():
            pass  # their spaces are compared
        case _:
            yield _no(where, "is laid out in another way")
    yield from _renamed(where, old, new)


def _forms(c: ir.Catalogue, p: ir.Packet) -> dict[Form, str]:
    """The layouts of a packet type, the common refusal included."""
    implied = {Form.ERROR: c.error_layout(p)} if Form.REQUEST in p.forms else {}
    return implied | p.forms


def _types(old: ir.Space, new: ir.Space) -> list[tuple[str, str]]:
    return [(t.layout, u.layout) for t, u in _matched(old.types, new.types, "tag") if t and u]


def _layouts(old: ir.Catalogue, new: ir.Catalogue) -> Changes:
    """Every layout of the old version with the one in its place in the new: of forms, TLVs and bodies, then of rows."""
    pairs: list[tuple[str, str]] = []
    for p, q in _matched(old.packets, new.packets, "code"):
        if p and q:
            news = _forms(new, q)
            pairs += [(name, news[form]) for form, name in _forms(old, p).items() if form in news]
    for s, z in _matched(old.spaces, new.spaces):
        if s and z:
            pairs += _types(s, z)
    pairs += [(b.layout, d.layout) for b, d in _matched(old.bodies, new.bodies) if b and d]
    seen: set[tuple[str, str]] = set()
    while pairs:
        pair = pairs.pop(0)
        if pair in seen:
            continue
        seen.add(pair)
        where, a, b = f"layout {pair[1]}", old.layout[pair[0]].parts, new.layout[pair[1]].parts
        yield from _parts(where, a, b)
        for x, y in zip(_counted(a), _counted(b), strict=False):
            match x, y:
                case ir.Rows(), ir.Rows():
                    pairs.append((x.row, y.row))
                case ir.Tlvs(), ir.Tlvs() if x.space != y.space:
                    s, z = old.space[x.space], new.space[y.space]
                    yield from _space(f"{where}.{x.name}", s, z)
                    pairs += _types(s, z)


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────────


def _matched(old: Iterable[Any], new: Iterable[Any], code: str = "") -> Iterator[tuple[Any, Any]]:
    """Entries in pairs: by name, those that were renamed by their code; None stands beside one that is alone."""
    left, right = {x.name: x for x in old}, {x.name: x for x in new}
    both = [name for name in left if name in right]
    yield from [(left.pop(name), right.pop(name)) for name in both]
    codes = {getattr(x, code): x for x in right.values()} if code else {}
    for x in left.values():
        renamed = codes.get(getattr(x, code)) if code else None
        if renamed:
            del right[renamed.name]
        yield x, renamed
    yield from ((None, x) for x in right.values())


def _table(
    prefix: str,
    old: Iterable[Any],
    new: Iterable[Any],
    both: Callable[[str, Any, Any], Changes],
    gone: Impact,
    code: str = "",
) -> Changes:
    """What is new is compatible, what is gone is `gone`, what stayed is compared by `both`."""
    for a, b in _matched(old, new, code):
        if b is None:
            yield Change(gone, prefix + a.name, "is gone")
        elif a is None:
            yield _ok(prefix + b.name, "is new")
        else:
            yield from _renamed(prefix + a.name, a, b)
            yield from both(prefix + a.name, a, b)


def _same(impact: Impact) -> Callable[[str, Any, Any], Changes]:
    """Entries whose every field but prose has to stay."""

    def both(where: str, old: Any, new: Any) -> Changes:
        for name in old.__struct_fields__:
            if name not in ("doc", "name") and getattr(old, name) != getattr(new, name):
                yield Change(impact, where, f"its {name} changed")

    return both


def _members(where: str, old: ir.Choices | ir.Flags, new: ir.Choices | ir.Flags) -> Changes:
    """A member that is gone: what old senders mean by it is no longer said."""
    return _table(f"{where}.", old.members, new.members, _member, Impact.CONDITIONAL, "value")


def _member(where: str, old: Any, new: Any) -> Changes:
    if old.value != new.value:
        yield _no(where, f"was {old.value}, is {new.value}")


# ── Packets, spaces, statuses ────────────────────────────────────────────────────────────────────────


def _packet(where: str, old: ir.Packet, new: ir.Packet) -> Changes:
    if (old.code, old.channel, old.sender) != (new.code, new.channel, new.sender):
        yield _no(where, "its code, channel or sender changed")
    for form in old.forms:
        if form not in new.forms and not (form is Form.ERROR and Form.REQUEST in new.forms):
            yield _no(where, f"has no {form} any more")
    yield from (_ok(where, f"has a {form} now") for form in new.forms if form not in (*old.forms, Form.ERROR))
    if (old.needs, old.optional) != (new.needs, new.optional):
        yield _if(where, "is mandatory in other cases")
    for name in sorted(set(new.statuses) ^ set(old.statuses)):
        yield _if(where, f"status {name} {'may' if name in new.statuses else 'may no longer'} be answered")
    if gone := set(old.lanes) - set(new.lanes):
        yield _no(where, f"no longer travels on {', '.join(sorted(gone))}")
    elif set(new.lanes) - set(old.lanes):
        yield _if(where, "travels on more lanes")


def _space(where: str, old: ir.Space, new: ir.Space) -> Changes:
    """A type that is gone is skipped and preserved."""
    return _table(f"{where}.", old.types, new.types, _tlv, Impact.CONDITIONAL, "tag")


def _tlv(where: str, old: ir.TlvType, new: ir.TlvType) -> Changes:
    if old.tag != new.tag:
        yield _no(where, f"had tag {old.tag}, has {new.tag}")
    if (old.needs, old.access, old.latency) != (new.needs, new.access, new.latency):
        yield _if(where, "its features, its access or its latency changed")


def _envelope(where: str, old: ir.Envelope, new: ir.Envelope) -> Changes:
    yield from _parts(where, old.header, new.header)
    if (old.size, old.crc) != (new.size, new.crc):
        yield _no(where, "its size or its CRC changed")


def _statuses(old: ir.Catalogue, new: ir.Catalogue) -> Changes:
    known = {s.value for s in old.statuses}
    yield from _table("status ", old.statuses, new.statuses, _same(Impact.BREAKING), Impact.BREAKING, "value")
    news: list[Status] = [s for s in new.statuses if s.success and s.value not in known]
    yield from (_if(f"status {s.name}", "is a success that old receivers take for a failure") for s in news)
    for name in sorted(set(old.general) ^ set(new.general)):
        yield _if(f"status {name}", f"may {'' if name in new.general else 'no longer '}answer every request")


def _requirements(old: ir.Catalogue, new: ir.Catalogue) -> Changes:
    for r in old.requirements:
        now = new.requirement.get(r.id)
        if now is None:
            yield _ok(f"requirement {r.id}", "is withdrawn")
        elif now.text != r.text or now.level != r.level:
            yield _if(f"requirement {r.id}", "is worded anew")
    yield from (_if(f"requirement {i}", "is new") for i in new.requirement if i not in old.requirement)


def _machines(old: ir.Catalogue, new: ir.Catalogue) -> Changes:
    olds, news = ({(m.name, m.role): m for m in c.machines} for c in (old, new))
    for name, role in dict.fromkeys([*olds, *news]):
        if olds.get((name, role)) != news.get((name, role)):
            yield _if(f"machine {name} of the {role}", "behaves in another way")


# ── The whole ────────────────────────────────────────────────────────────────────────────────────────


def compare(old: ir.Catalogue, new: ir.Catalogue) -> list[Change]:
    """Every difference that matters to anyone but a reader of prose."""
    no, maybe = Impact.BREAKING, Impact.CONDITIONAL
    tables = (
        _table("packet ", old.packets, new.packets, _packet, no, "code"),
        _layouts(old, new),
        _table("enum ", old.enums, new.enums, _members, maybe),
        _table("flags ", old.flags, new.flags, _members, maybe),
        _table("space ", old.spaces, new.spaces, _space, no),
        _table("envelope ", old.envelopes, new.envelopes, _envelope, no),
        _table("crc ", old.crcs, new.crcs, _same(no), no),
        _statuses(old, new),
        _table("channel ", old.channels, new.channels, _same(no), no, "value"),
        _table("gear ", old.gears, new.gears, _same(no), no, "value"),
        _table("timer ", old.timers, new.timers, _same(maybe), maybe),
        _table("limit ", old.limits, new.limits, _same(maybe), maybe),
        _table("profile ", old.profiles, new.profiles, _same(maybe), maybe),
        _requirements(old, new),
        _machines(old, new),
    )
    return [change for table in tables for change in table]


def verdict(changes: list[Change]) -> Impact:
    """The worst of them."""
    return max((c.impact for c in changes), key=list(Impact).index, default=Impact.COMPATIBLE)
