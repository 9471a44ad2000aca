"""Hypothesis strategies for what is nearly legal: bytes with exactly one violation, its class and the path that a
decoder must report. Everything around the violation is random and legal.

Plan: near misses: places, changes, cuts · packets.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.write import Plain, checksums, default, part_bytes, write, write_envelope
from opalink.protocol.strategies import BYTES, Name, header, layout_of, messages, packets, tlv_value, valid
from opalink.spec.form import Form

from hypothesis import assume  # isort: skip  `opalink.protocol.strategies` says what is missing
from hypothesis import strategies as st  # isort: skip
from hypothesis.strategies import DrawFn, SearchStrategy  # isort: skip

# ── Near misses ──────────────────────────────────────────────────────────────────────────────────────


class NearMiss(Struct, frozen=True):
    """Bytes that violate one rule: a decoder reports `fault` at `path`."""

    data: bytes
    fault: Fault
    path: str


def near_miss(catalogue: ir.Catalogue, layout: Name, fault: Fault | None = None) -> SearchStrategy[NearMiss]:
    """Near misses of a layout: of one class of fault, or of any that the layout can have.

    Raises ValueError where it can have none."""
    layout = layout_of(catalogue, layout)
    places = [p for p in _places(catalogue, layout) if fault is None or p.fault is fault]
    if not places:
        raise ValueError(f"nothing in {layout.name} can be violated" + (f" as {fault.value}" if fault else ""))
    return st.sampled_from(places).flatmap(lambda place: _missed(catalogue, layout, place))


class _Step(Struct, frozen=True):
    """Into a row of a list, or into the value of a TLV."""

    field: str
    into: ir.Layout
    tag: int | None = None


class _Place(Struct, frozen=True):
    """A part that can be violated in one way, and the steps to the layout that it is a part of."""

    steps: tuple[_Step, ...]
    layout: ir.Layout
    part: ir.Part
    fault: Fault


def _places(catalogue: ir.Catalogue, layout: ir.Layout, steps: tuple[_Step, ...] = ()) -> Iterator[_Place]:
    if steps and steps[-1].tag is not None and ir.lone_number(layout):
        yield _Place(steps, layout, layout.parts[0], Fault.LONG)
    for part in layout.parts:
        if not isinstance(part, ir.Raw):
            yield _Place(steps, layout, part, Fault.SHORT)
        for n in part.fields if isinstance(part, ir.Bits) else [part]:
            yield from (_Place(steps, layout, n, fault) for fault in _illegal(n))
        if isinstance(part, ir.Rows) and part.hi:
            row = catalogue.layout[part.row]
            yield from _places(catalogue, row, (*steps, _Step(part.name, row)))
        elif isinstance(part, ir.Tlvs):
            for t in catalogue.space[part.space].types:
                record = catalogue.layout[t.layout]
                yield from _places(catalogue, record, (*steps, _Step(part.name, record, t.tag)))


def _illegal(part: ir.Part) -> Iterator[Fault]:
    match part:
        case ir.Number():
            if part.checked:
                yield Fault.RANGE if part.const is None else Fault.CONST
        case ir.Blob() | ir.Raw() | ir.Rows():
            if _wrong_lengths(part):
                yield Fault.CAP


def _wrong_lengths(part: ir.Blob | ir.Raw | ir.Rows) -> list[int]:
    """One too few, one too many: as far as a count or a packet can say so."""
    most = 0xFFFF if isinstance(part, ir.Raw) else (1 << 8 * part.count) - 1
    return [part.lo - 1] * (part.lo > 0) + [part.hi + 1] * (part.hi < most)


@st.composite
def _missed(draw: DrawFn, catalogue: ir.Catalogue, layout: ir.Layout, place: _Place) -> NearMiss:
    value = draw(valid(catalogue, layout))
    path = ""
    holders: list[tuple[ir.Layout, Plain, str, int]] = []  # how the bytes of the inner go into those of the outer
    inner, of = value, layout
    for step in place.steps:
        i = _made_room(draw, catalogue, inner, of, step)
        holders.append((of, inner, step.field, i))
        path += f"{step.field}[{i}]."
        found = inner[step.field][i] if step.tag is None else inner[step.field][i][1]
        lone = ir.lone_number(step.into) if step.tag is not None else None
        inner, of = ({lone.name: found} if lone else found), step.into
    data, at = _violated(draw, catalogue, place, inner)
    for outer, holder, field, i in reversed(holders):
        assume(len(data) <= 0xFFFF)
        data = _within(catalogue, outer, holder, field, i, data, place.fault)
    return NearMiss(data, place.fault, (path + at).rstrip("."))


def _made_room(draw: DrawFn, catalogue: ir.Catalogue, value: Plain, layout: ir.Layout, step: _Step) -> int:
    """See to it that a list has a row, or a TLV of the right tag, and say where."""
    found = value[step.field]
    part = next(f for f in ir.fields_of(layout.parts) if f.name == step.field)
    i = draw(st.integers(0, max(0, len(found) - 1)))
    if isinstance(part, ir.Tlvs):
        t = next(t for t in catalogue.space[part.space].types if t.tag == step.tag)
        found.insert(i, (t.tag, draw(tlv_value(catalogue, t))))
    elif not found:
        found.append(draw(valid(catalogue, step.into)))
    return i


def _violated(draw: DrawFn, catalogue: ir.Catalogue, place: _Place, value: Plain) -> tuple[bytes, str]:
    """The bytes of a layout's value with the violation in them, and its path."""
    if place.fault is Fault.SHORT:
        return _cut(draw, catalogue, place.layout, place.part, value)
    if place.fault is Fault.LONG:
        return write(catalogue, place.layout, value) + draw(st.binary(min_size=1, max_size=4)), ""
    wrong = {**value, place.part.name: draw(_wrong(catalogue, place.part))}
    return write(catalogue, place.layout, wrong), place.part.name


def _wrong(catalogue: ir.Catalogue, part: ir.Part) -> SearchStrategy[Any]:
    """What the bits or the count can say, and the declaration forbids."""
    match part:
        case ir.Number():
            (lo, hi), (least, most) = part.bounds, part.span
            below = [st.integers(least, lo - 1)] if least < lo else []
            above = [st.integers(hi + 1, most)] if hi < most else []
            return st.one_of(*below, *above)
        case ir.Rows():
            row = default(catalogue, catalogue.layout[part.row])
            return st.sampled_from([[row] * n for n in _wrong_lengths(part)])
        case ir.Blob() | ir.Raw():
            return st.sampled_from([bytes(n) for n in _wrong_lengths(part)])
    raise TypeError(part)


def _cut(draw: DrawFn, catalogue: ir.Catalogue, layout: ir.Layout, part: ir.Part, value: Plain) -> tuple[bytes, str]:
    """A layout's bytes that end inside one of its parts."""
    before = b"".join(part_bytes(catalogue, p, value) for p in layout.parts[: layout.parts.index(part)])
    whole = part_bytes(catalogue, part, value)
    if isinstance(part, ir.Tlvs):
        tag, n = draw(st.integers(0, 0xFFFF)), draw(st.integers(1, BYTES))
        broken = tag.to_bytes(2, "little") + n.to_bytes(2, "little") + bytes(n - 1)
        end = draw(st.integers(1, len(broken)))
        return before + whole + broken[:end], f"{part.name}[{len(value[part.name])}]"
    size = part.count if isinstance(part, ir.Rows) else len(whole)
    return before + whole[: draw(st.integers(0, size - 1))], _first(part)


def _first(part: ir.Part) -> str:
    """The field that is missing first where a part is."""
    return next(ir.fields_of((part,))).name


def _within(
    catalogue: ir.Catalogue, layout: ir.Layout, value: Plain, field: str, i: int, inner: bytes, fault: Fault
) -> bytes:
    """The bytes of a value, with given bytes in the place of a row or of the value of a TLV."""
    part = next(p for p in layout.parts if p.name == field)
    at = layout.parts.index(part)
    before = b"".join(part_bytes(catalogue, p, value) for p in layout.parts[:at])
    after = b"".join(part_bytes(catalogue, p, value) for p in layout.parts[at + 1 :])
    match part:
        case ir.Tlvs():
            found = value[field]
            tlvs = [*found[:i], (found[i][0], inner), *found[i + 1 :]]
            return before + part_bytes(catalogue, part, {field: tlvs}) + after
        case ir.Rows():
            rows = [write(catalogue, catalogue.layout[part.row], row) for row in value[field]]
            head = before + len(rows).to_bytes(part.count, "little") + b"".join(rows[:i]) + inner
            # What is cut in a row has nothing behind it.
            return head if fault is Fault.SHORT else head + b"".join(rows[i + 1 :]) + after
    raise TypeError(part)


# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def broken_packets(catalogue: ir.Catalogue, fault: Fault | None = None) -> SearchStrategy[NearMiss]:
    """Whole packets with one violation: in the frame, or in the body with a CRC that is right for it."""
    frames = {Fault.SHORT: _cut_packet, Fault.LONG: _long_packet, Fault.CRC: _damaged_packet}
    kinds = [made(catalogue) for its, made in frames.items() if fault in (None, its)]
    return st.one_of(kinds + ([] if fault is Fault.CRC else [_broken_body(catalogue, fault)]))


def _broken_body(catalogue: ir.Catalogue, fault: Fault | None) -> SearchStrategy[NearMiss]:
    def can(layout: str) -> bool:
        return any(fault in (None, p.fault) for p in _places(catalogue, catalogue.layout[layout]))

    fit = [m for m in messages(catalogue) if can(m[2])]
    return st.sampled_from(fit).flatmap(lambda m: _around(catalogue, *m, fault))


def _around(
    catalogue: ir.Catalogue, packet: ir.Packet, form: Form, layout: str, fault: Fault | None
) -> SearchStrategy[NearMiss]:
    def made(header: Plain, miss: NearMiss) -> NearMiss:
        data = write_envelope(catalogue, catalogue.envelope["PACKET"], header, miss.data, checksums(catalogue))
        path = f"{packet.name}.{form}.{miss.path}" if miss.path else f"{packet.name}.{form}"
        return NearMiss(data, miss.fault, path)

    misses = near_miss(catalogue, layout, fault).filter(lambda miss: len(miss.data) <= 0xFFFF)
    return st.builds(made, header(catalogue, packet, form), misses)


@st.composite
def _cut_packet(draw: DrawFn, catalogue: ir.Catalogue) -> NearMiss:
    data = draw(packets(catalogue))
    end = draw(st.integers(0, len(data) - 1))
    at = 0
    for part in catalogue.envelope["PACKET"].header:
        at += part.size if isinstance(part, ir.Fixed) else 0
        if end < at:
            return NearMiss(data[:end], Fault.SHORT, _first(part))
    return NearMiss(data[:end], Fault.SHORT, "payload" if end < len(data) - 4 else "crc")


def _long_packet(catalogue: ir.Catalogue) -> SearchStrategy[NearMiss]:
    more = st.binary(min_size=1, max_size=BYTES)
    return st.builds(lambda data, tail: NearMiss(data + tail, Fault.LONG, ""), packets(catalogue), more)


@st.composite
def _damaged_packet(draw: DrawFn, catalogue: ir.Catalogue) -> NearMiss:
    data = bytearray(draw(packets(catalogue)))
    i = draw(st.integers(0, len(data) - 1).filter(lambda i: i not in (4, 5)))  # a wrong length is another fault
    data[i] ^= draw(st.integers(1, 0xFF))
    return NearMiss(bytes(data), Fault.CRC, "crc")
