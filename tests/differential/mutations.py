"""Values and bytes to try: legal values, values with one violation, and bytes damaged in every way.

Nothing here is an oracle. Values come from the representation and from dice; `opalink.protocol.ir.write` puts
them down without a check, so that what is wrong reaches the decoders.

Plan: legal values · one violation · lies about counts and lengths · damaged bytes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.write import Lie, Plain
from tests.differential.dice import Dice

# ── Legal values ─────────────────────────────────────────────────────────────────────────────────────


def legal(dice: Dice, catalogue: ir.Catalogue, layout: ir.Layout, depth: int = 3) -> Plain:
    """A legal value in the form of `codec.plain`."""
    return {
        f.name: _legal_part(dice, catalogue, f, depth)
        for f in ir.fields_of(layout.parts)
        if not (isinstance(f, ir.Number) and f.const is not None)
    }


def _legal_part(dice: Dice, catalogue: ir.Catalogue, f: ir.Part, depth: int) -> Any:
    match f:
        case ir.Number():
            return legal_number(dice, catalogue, f)
        case ir.Octets():
            return dice.octets(f.size)
        case ir.Blob() | ir.Raw():
            return dice.octets(_length(dice, f.lo, f.hi, 600))
        case ir.Rows():
            row = catalogue.layout[f.row]
            room = 300 if catalogue.sizes[row.name][1] < 9 else 6
            n = _length(dice, f.lo, f.hi, room)
            if n > 6:
                return [legal(dice, catalogue, row, depth)] * n
            return [legal(dice, catalogue, row, depth) for _ in range(n)]
        case ir.Tlvs():
            space = catalogue.space[f.space]
            return [legal_tlv(dice, catalogue, space, depth) for _ in range(dice.pick((0, 0, 1, 1, 2, 3)))]
    raise AssertionError(f)


def legal_number(dice: Dice, catalogue: ir.Catalogue, n: ir.Number) -> int:
    lo, hi = n.bounds
    if n.choices and dice.once_in(2):
        member = dice.pick(catalogue.choices[n.choices].members).value
        if lo <= member <= hi:
            return member
    return dice.near(lo, hi)


def _length(dice: Dice, lo: int, hi: int, room: int) -> int:
    """Mostly short; sometimes everything that the capacity allows, if that is no more than `room` beyond `lo`."""
    most = min(hi, lo + 8)
    if dice.once_in(12):
        most = min(hi, lo + room)
    return dice.pick((lo, most, dice.between(lo, most)))


def legal_tlv(dice: Dice, catalogue: ir.Catalogue, space: ir.Space, depth: int) -> tuple[int, Any]:
    if space.types and depth and not dice.once_in(4):
        known = dice.pick(space.types)
        layout = catalogue.layout[known.layout]
        if number := ir.lone_number(layout):
            return known.tag, number.const if number.const is not None else legal_number(dice, catalogue, number)
        return known.tag, legal(dice, catalogue, layout, depth - 1)
    tags = {t.tag for t in space.types}
    unknown = dice.between(0xFFF0, 0xFFFF) if dice.once_in(2) else dice.near(0, 0xFFFF)
    return (unknown if unknown not in tags else 0xFFFF), dice.octets(dice.between(0, 5))


# ── One violation ────────────────────────────────────────────────────────────────────────────────────

Place = tuple[ir.Part, Any, Callable[[Any], None]]


def places(catalogue: ir.Catalogue, layout: ir.Layout, value: Plain) -> Iterator[Place]:
    """Every field of a value, of its rows and of its TLVs: what it is, what it holds, how to put another there."""
    for f in ir.fields_of(layout.parts):
        yield f, value.get(f.name), _putter(value, f.name)
        match f:
            case ir.Rows():
                for row in value[f.name]:
                    yield from places(catalogue, catalogue.layout[f.row], row)
            case ir.Tlvs():
                for i, (tag, inner) in enumerate(value[f.name]):
                    yield from _places_in_tlv(catalogue, catalogue.space[f.space], value[f.name], i, tag, inner)


def _putter(target: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        target[key] = value

    return put


def _places_in_tlv(
    catalogue: ir.Catalogue, space: ir.Space, tlvs: list[Any], i: int, tag: int, inner: Any
) -> Iterator[Place]:
    known = next((t for t in space.types if t.tag == tag), None)
    if known is None:
        return
    layout = catalogue.layout[known.layout]
    if number := ir.lone_number(layout):
        yield number, inner, lambda new: tlvs.__setitem__(i, (tag, new))
    elif isinstance(inner, dict):
        yield from places(catalogue, layout, inner)


def illegal_in(dice: Dice, part: ir.Part, now: Any) -> Any:
    """Something that the bits can hold and the declaration forbids; None where there is no such thing."""
    match part:
        case ir.Number():
            (lo, hi), (least, most) = part.bounds, part.span
            beyond = [(least, lo - 1)] * (least < lo) + [(hi + 1, most)] * (hi < most)
            if not beyond:
                return None
            low, high = dice.pick(beyond)
            return dice.pick((low, high, dice.between(low, high)))
        case ir.Blob() | ir.Raw() | ir.Rows():
            room = 0xFFFF if isinstance(part, ir.Raw) else (1 << 8 * part.count) - 1
            wrong = [part.lo - 1] * (part.lo > 0) + [part.hi + 1] * (part.hi < min(room, 400))
            if not wrong:
                return None
            n = dice.pick(wrong)
            if isinstance(part, ir.Rows):
                return (now * (n + 1))[:n] if now else None
            return bytes(n)
    return None


def unencodable(dice: Dice, part: ir.Part, now: Any) -> Any:  # noqa: ARG001 (called like the others)
    """What no bits can hold."""
    match part:
        case ir.Number():
            least, most = part.span
            return dice.pick((least - 1, most + 1, most + 2, -(1 << 70), 1 << 70))
        case ir.Octets():
            return bytes(part.size + dice.pick((-1, 1)))
    return None


# ── Lies about counts and lengths ────────────────────────────────────────────────────────────────────


def lie_in(dice: Dice, part: ir.Part, now: Any) -> Any:
    """A count that is not how much follows, or a TLV whose length is not its value's."""
    match part:
        case ir.Blob() | ir.Rows():
            count = dice.pick((0, len(now) - 1, len(now) + 1, part.lo, part.hi, part.hi + 1, 0xFF, 0xFFFF))
            return Lie(max(0, count), now)
        case ir.Tlvs() if now:
            i = dice.between(0, len(now) - 1)
            tag, value = now[i]
            lies = [*now]
            lies[i] = (tag, Lie(dice.pick((0, 1, 2, 3, 4, 5, 8, 0xFF, 0xFFFF)), value))
            return lies
    return None


# ── Damaged bytes ────────────────────────────────────────────────────────────────────────────────────


def damaged(dice: Dice, data: bytes, other: bytes) -> bytes:
    """The bytes cut, extended, flipped, overwritten, repeated, or joined to others."""
    at = dice.between(0, len(data))
    match dice.between(0, 8):
        case 0:
            return data[:at]
        case 1:
            return data + dice.octets(dice.pick((1, 1, 2, 3, 4, 7)))
        case 2 | 3 if data:
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ 1 << dice.between(0, 7)]) + data[at + 1 :]
        case 4:
            n = dice.pick((1, 2, 3, 4, 8))
            return data[:at] + dice.pick((b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")) * n + data[at + n :]
        case 5:
            return data[:at] + other[dice.between(0, len(other)) :]
        case 6:
            return data[:at] + data[at + dice.pick((1, 2, 4)) :]
        case 7:
            return data[:at] + data[max(0, at - dice.pick((1, 2, 4))) :]
    return dice.octets(dice.between(0, 24))
