"""Operators on the value of a packet: what a schema allows, what it forbids, and what only lies about it.

Every field of a layout gets the operators that suit its kind, worked out once from the intermediate representation; a
mutation chooses a field somewhere in the value, an operator of that field, and puts the result in its place. A value
is never changed: what comes back is another.

Plan: operators by kind of field · the fields of a value · mutation · whole values.
"""

from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any, Final

from opalink.fuzz.steps import RESOURCES
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import UNKNOWN_TAG
from opalink.protocol.ir.write import Lie, Plain, as_tlv, default

Learned = dict[str, list[int]]  # numbers that an implementation has sent, by the name of their field
Operator = Callable[[Random, Any, Learned], Any]
Operators = dict[str, Operator]  # by ID
Place = tuple[str | int, ...]  # the way to a field through a value
_ROWS: Final = 64  # that an operator adds at most
_BYTES: Final = 4096

# ── Operators by kind of field ───────────────────────────────────────────────────────────────────────


@cache
def _of_number(n: ir.Number) -> Operators:
    lo, hi = n.bounds
    least, most = n.span
    bounds = sorted({lo, hi, min(lo + 1, hi), max(hi - 1, lo)})
    outside = [v for v in (lo - 1, hi + 1, least, most) if least <= v <= most and not lo <= v <= hi]

    def arithmetic(r: Random, now: Any, _: Learned) -> int:
        by = r.choice((-1, 1)) * r.choice((1, 1, 2, 8, 16, 255, 256))
        return least + ((now if isinstance(now, int) else lo) + by - least) % (most - least + 1)

    def learned(r: Random, now: Any, known: Learned) -> Any:
        return r.choice(known[n.name]) if known.get(n.name) else now

    out: Operators = {
        "value.bound": lambda r, _n, _k: r.choice(bounds),
        "value.arithmetic": arithmetic,
        "value.random": lambda r, _n, _k: r.randint(least, most),
        "value.learned": learned,
    }
    if outside:
        out["value.outside"] = lambda r, _n, _k: r.choice(outside)
    if n.choices:
        members = [m.value for m in catalogue().choices[n.choices].members]
        unknown = [v for v in range(max(lo, 0), min(hi, 255) + 1) if v not in members]
        out["value.member"] = lambda r, _n, _k: r.choice(members)
        if unknown:
            out["value.unknown_member"] = lambda r, _n, _k: r.choice(unknown)
    if n.flags:
        bits = [1 << m.value for m in catalogue().flag_set[n.flags].members]
        out["value.flag"] = lambda r, now, _: (now if isinstance(now, int) else 0) ^ r.choice(bits)
    if n.bits == 64:
        out["value.resource"] = lambda r, _n, _k: r.choice(RESOURCES)
    return out


@cache
def _of_bytes(part: ir.Octets | ir.Blob | ir.Raw) -> Operators:
    lo, hi = (part.size, part.size) if isinstance(part, ir.Octets) else (part.lo, part.hi)
    out: Operators = {
        "value.random": lambda r, _n, _k: r.randbytes(r.randint(lo, min(hi, lo + 32))),
        "value.bound": lambda r, _n, _k: r.choice((bytes(lo), b"\xff" * min(hi, _BYTES))),
    }
    if not isinstance(part, ir.Octets):
        out["structure.over"] = lambda _r, _n, _k: bytes(min(hi + 1, _BYTES))
        if lo:
            out["structure.under"] = lambda _r, _n, _k: bytes(lo - 1)
    if isinstance(part, ir.Blob):
        most = (1 << 8 * part.count) - 1
        out["dependent.count"] = lambda r, now, _: Lie(r.choice((0, len(_content(now)) + 1, most)), _content(now))
    return out


@cache
def _of_rows(part: ir.Rows) -> Operators:
    row, most = catalogue().layout[part.row], (1 << 8 * part.count) - 1

    def filled(n: int) -> list[Plain]:
        return [default(catalogue(), row) for _ in range(min(n, _ROWS + 1))]

    out = _of_list(lambda r, known: fresh(r, row, known))
    out["value.bound"] = lambda r, _n, _k: filled(r.choice((part.lo, part.hi)))
    out["dependent.count"] = lambda r, now, _: Lie(r.choice((0, len(_content(now)) + 1, most)), _content(now))
    if part.hi < most:
        out["structure.over"] = lambda _r, _n, _k: filled(part.hi + 1)
    if part.lo:
        out["structure.under"] = lambda _r, _n, _k: filled(part.lo - 1)
    return out


@cache
def _of_tlvs(part: ir.Tlvs) -> Operators:
    types = catalogue().space[part.space].types

    def insert(r: Random, known: Learned) -> list[Any]:
        if types and r.random() < 0.8:
            t = r.choice(types)
            record = catalogue().layout[t.layout]
            return [t.tag, as_tlv(record, fresh(r, record, known))]
        return [UNKNOWN_TAG, r.randbytes(r.randrange(5))]

    def wrong_arm(r: Random, now: Any, _: Learned) -> Any:
        """A known tag around bytes that are not its own."""
        tag = r.choice(types).tag if types else UNKNOWN_TAG
        return [*_content(now), [tag, r.randbytes(r.randrange(9))]]

    def lie(r: Random, now: Any, _: Learned) -> Any:
        tag = r.choice(types).tag if types else UNKNOWN_TAG
        return [*_content(now), [tag, Lie(r.choice((1, 3, 0xFFFF)), b"\0" * r.choice((0, 2)))]]

    return {**_of_list(insert), "structure.wrong_arm": wrong_arm, "dependent.count": lie}


def _content(now: Any) -> Any:
    return now.content if isinstance(now, Lie) else now


def _of_list(make: Callable[[Random, Learned], Any]) -> Operators:
    def insert(r: Random, now: Any, known: Learned) -> Any:
        found = list(_content(now))
        found.insert(r.randint(0, len(found)), make(r, known))
        return found

    def drop(r: Random, now: Any, _: Learned) -> Any:
        found = list(_content(now))
        if found:
            del found[r.randrange(len(found))]
        return found

    def duplicate(r: Random, now: Any, _: Learned) -> Any:
        found = list(_content(now))
        return found + [r.choice(found)] * r.choice((1, 1, 7)) if found else found

    def reorder(r: Random, now: Any, _: Learned) -> Any:
        found = list(_content(now))
        r.shuffle(found)
        return found

    return {
        "structure.insert": insert,
        "structure.drop": drop,
        "structure.duplicate": duplicate,
        "structure.reorder": reorder,
    }


def operators_of(part: ir.Field) -> Operators:
    """The operators of a field, by ID."""
    match part:
        case ir.Number():
            return _of_number(part)
        case ir.Octets() | ir.Blob() | ir.Raw():
            return _of_bytes(part)
        case ir.Rows():
            return _of_rows(part)
        case ir.Tlvs():
            return _of_tlvs(part)
    raise TypeError(part)


# ── The fields of a value ────────────────────────────────────────────────────────────────────────────


def places(layout: ir.Layout, value: Plain, way: Place = ()) -> Iterator[tuple[Place, ir.Field]]:
    """Every field that there is in a value, with the way to it."""
    for part in ir.fields_of(layout.parts):
        if part.name not in value:
            if isinstance(part, ir.Number) and part.const is not None:
                yield (*way, part.name), part
            continue
        here = (*way, part.name)
        yield here, part
        found = value[part.name]
        if isinstance(part, ir.Rows):
            inside = (*here, -1) if isinstance(found, Lie) else here
            for i, row in enumerate(_content(found)[:8]):
                yield from places(catalogue().layout[part.row], row, (*inside, i))
        elif isinstance(part, ir.Tlvs):
            for i, (tag, inner) in enumerate(_content(found)[:8]):
                yield from _in_tlv(part.space, tag, inner, (*here, i, 1))


def _in_tlv(space: str, tag: int, inner: Any, way: Place) -> Iterator[tuple[Place, ir.Field]]:
    t = next((t for t in catalogue().space[space].types if t.tag == tag), None)
    if t is None or isinstance(inner, bytes | Lie):
        return
    record = catalogue().layout[t.layout]
    lone = ir.lone_number(record)
    if lone is not None:
        yield way, lone
    elif isinstance(inner, dict):
        yield from places(record, inner, way)


def _at(value: Any, way: Place) -> Any:
    for step in way:
        if step == -1:
            value = value.content
        elif isinstance(step, str):
            value = value.get(step)
        else:
            value = value[step]
    return value


def _put(value: Any, way: Place, new: Any) -> Any:
    """The value with something else at a place."""
    if not way:
        return new
    step, rest = way[0], way[1:]
    if step == -1:
        return Lie(value.count, _put(value.content, rest, new))
    if isinstance(step, str):
        return {**value, step: _put(value.get(step), rest, new)}
    return [_put(v, rest, new) if i == step else v for i, v in enumerate(value)]


# ── Mutation ─────────────────────────────────────────────────────────────────────────────────────────


def mutate(r: Random, layout: ir.Layout, value: Plain, known: Learned, allowed: frozenset[str]) -> tuple[str, Plain]:
    """The ID of an operator that was applied somewhere in a value, and the value that came of it; an empty ID where no
    operator of those allowed suits any field."""
    found = [(way, part, ops) for way, part in places(layout, value) if (ops := _allowed(part, allowed))]
    if not found:
        return "", value
    way, part, ops = r.choice(found)
    id_ = r.choice(ops)
    return id_, _put(value, way, operators_of(part)[id_](r, _now(value, way, part), known))


def _allowed(part: ir.Field, allowed: frozenset[str]) -> list[str]:
    return [id_ for id_ in operators_of(part) if id_ in allowed]


def _now(value: Plain, way: Place, part: ir.Field) -> Any:
    now = _at(value, way)
    return part.const if now is None and isinstance(part, ir.Number) else now


def operator_ids() -> frozenset[str]:
    """The IDs of all operators that some field has."""
    return frozenset(
        id_ for layout in catalogue().layouts for part in ir.fields_of(layout.parts) for id_ in operators_of(part)
    )


# ── Whole values ─────────────────────────────────────────────────────────────────────────────────────

_LEGAL: Final = ("value.bound", "value.random", "value.learned", "value.member", "value.flag")


def fresh(r: Random, layout: ir.Layout, known: Learned) -> Plain:
    """A legal value: defaults, with some numbers at members, bounds, or what the implementation has said itself."""
    value = dict(_default(layout.name))
    for part in ir.fields_of(layout.parts):
        if isinstance(part, ir.Number) and part.const is None and not part.reserved and r.random() < 0.6:
            value[part.name] = _legal_number(r, part, known)
        elif isinstance(part, ir.Rows) and part.hi and r.random() < 0.5:
            n = r.randint(max(part.lo, 1), min(part.hi, max(part.lo, 1) + 1))
            value[part.name] = [fresh(r, catalogue().layout[part.row], known) for _ in range(n)]
    return value


def _legal_number(r: Random, n: ir.Number, known: Learned) -> int:
    lo, hi = n.bounds
    choices = [v for v in known.get(n.name, ()) if lo <= v <= hi]
    if choices and r.random() < 0.6:
        return r.choice(choices)
    if n.choices:
        members = [m.value for m in catalogue().choices[n.choices].members if lo <= m.value <= hi]
        if members:
            return r.choice(members)
    return r.choice((lo, hi, n.default, r.randint(lo, hi), min(lo + 1, hi)))


@cache
def _default(layout: str) -> Plain:
    return default(catalogue(), catalogue().layout[layout])
