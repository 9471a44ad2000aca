"""Hypothesis strategies for everything in the catalogue: legal values, values at their limits, near misses.

    >>> from hypothesis import given
    >>> from opalink.protocol import codec, strategies
    >>> from opalink.protocol.ir.load import catalogue
    >>> @given(strategies.packets(catalogue()))
    ... def test_it_comes_back(data):
    ...     assert codec.encode(codec.decode(data)) == data
    >>> test_it_comes_back()

Values are plain, as `codec.plain` gives them; `opalink.protocol.ir.write.write` makes bytes of them. A near miss
is bytes with exactly one violation, its class and the path that a decoder must report; everything around the
violation is random and legal.

Plan: legal values · values at their limits · near misses: places, changes, cuts · packets.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.probes import UNKNOWN_TAG, legal, maximum
from opalink.protocol.ir.write import Plain, as_tlv, checksums, default, header_of, part_bytes, write, write_envelope
from opalink.spec.form import Form

try:
    from hypothesis import assume
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError as missing:
    raise ImportError("opalink.protocol.strategies needs Hypothesis: pip install 'opalink[pytest]'") from missing

Name = ir.Layout | str  # a layout, or its name

BYTES, ROWS, TLVS = 32, 4, 4  # how much more than the least a random value has


def _layout(catalogue: ir.Catalogue, layout: Name) -> ir.Layout:
    return catalogue.layout[layout] if isinstance(layout, str) else layout


# ── Legal values ─────────────────────────────────────────────────────────────────────────────────────


def valid(catalogue: ir.Catalogue, layout: Name) -> SearchStrategy[Plain]:
    """Legal values of a layout. Lists and bytes are short: `boundary` makes long ones."""
    parts = _layout(catalogue, layout).parts
    return st.fixed_dictionaries({f.name: _legal(catalogue, f) for f in ir.fields_of(parts) if not _is_const(f)})


def _is_const(f: ir.Part) -> bool:
    return isinstance(f, ir.Number) and f.const is not None


def _legal(catalogue: ir.Catalogue, f: ir.Part) -> SearchStrategy[Any]:
    match f:
        case ir.Number():
            return number(catalogue, f)
        case ir.Octets():
            return st.binary(min_size=f.size, max_size=f.size)
        case ir.Blob() | ir.Raw():
            return st.binary(min_size=f.lo, max_size=min(f.hi, f.lo + BYTES))
        case ir.Rows():
            return st.lists(valid(catalogue, f.row), min_size=f.lo, max_size=min(f.hi, f.lo + ROWS))
        case ir.Tlvs():
            return st.lists(tlv(catalogue, catalogue.space[f.space]), max_size=TLVS)
    raise TypeError(f)


def number(catalogue: ir.Catalogue, n: ir.Number) -> SearchStrategy[int]:
    """Legal numbers: any, both limits, and the members of an enumeration."""
    lo, hi = n.bounds
    marked = [lo, hi]
    if n.choices:
        marked += [m.value for m in catalogue.choices[n.choices].members if lo <= m.value <= hi]
    return st.integers(lo, hi) | st.sampled_from(marked)


def tlv(catalogue: ir.Catalogue, space: ir.Space) -> SearchStrategy[tuple[int, Any]]:
    """TLVs of a space, known and unknown."""
    known = [st.tuples(st.just(t.tag), tlv_value(catalogue, t)) for t in space.types]
    tags = {t.tag for t in space.types}
    unknown = st.tuples(st.integers(0, 0xFFFF).filter(lambda tag: tag not in tags), st.binary(max_size=BYTES))
    return st.one_of(*known, unknown)


def tlv_value(catalogue: ir.Catalogue, t: ir.TlvType) -> SearchStrategy[Any]:
    """Values of a known TLV: a number where it is one, else the value of its layout."""
    layout = catalogue.layout[t.layout]
    lone = ir.lone_number(layout)
    return valid(catalogue, layout) if lone is None else number(catalogue, lone)


# ── Values at their limits ───────────────────────────────────────────────────────────────────────────


def boundary(catalogue: ir.Catalogue, layout: Name) -> SearchStrategy[Plain]:
    """Legal values where every field is at a limit; and the default value with one field at a limit, the greatest
    value, the default itself."""
    layout = _layout(catalogue, layout)
    single = [p.value for p in legal(catalogue, layout) if isinstance(p.value, dict)]
    single += [default(catalogue, layout), maximum(catalogue, layout)]
    return _at_limits(catalogue, layout) | st.sampled_from(single)


def _at_limits(catalogue: ir.Catalogue, layout: ir.Layout) -> SearchStrategy[Plain]:
    parts = ir.fields_of(layout.parts)
    return st.fixed_dictionaries({f.name: _limits(catalogue, f) for f in parts if not _is_const(f)})


def _limits(catalogue: ir.Catalogue, f: ir.Part) -> SearchStrategy[Any]:
    match f:
        case ir.Number():
            return st.sampled_from(_edges(f))
        case ir.Octets():
            return st.sampled_from([bytes(f.size), b"\xff" * f.size])
        case ir.Blob() | ir.Raw():
            return st.sampled_from([bytes(f.lo), b"\xff" * f.hi])
        case ir.Rows():
            return _at_limits(catalogue, catalogue.layout[f.row]).flatmap(
                lambda row: st.sampled_from([[row] * f.lo, [row] * f.hi])
            )
        case ir.Tlvs():
            known = [_tlv_at_limits(catalogue, t) for t in catalogue.space[f.space].types]
            unknown = st.just((UNKNOWN_TAG, b""))
            return st.lists(st.one_of(*known, unknown), max_size=2)
    raise TypeError(f)


def _tlv_at_limits(catalogue: ir.Catalogue, t: ir.TlvType) -> SearchStrategy[tuple[int, Any]]:
    layout = catalogue.layout[t.layout]
    # A value with every list at its longest can be longer than a TLV can say.
    fit = _at_limits(catalogue, layout).filter(lambda value: len(write(catalogue, layout, value)) <= 0xFFFF)
    return st.tuples(st.just(t.tag), fit.map(lambda value: as_tlv(layout, value)))


def _edges(n: ir.Number) -> list[int]:
    lo, hi = n.bounds
    return sorted({lo, min(lo + 1, hi), max(hi - 1, lo), hi})


# ── Near misses ──────────────────────────────────────────────────────────────────────────────────────


class NearMiss(Struct, frozen=True):
    """Bytes that violate one rule: a decoder reports `fault` at `path`."""

    data: bytes
    fault: Fault
    path: str


def near_miss(catalogue: ir.Catalogue, layout: Name, fault: Fault | None = None) -> SearchStrategy[NearMiss]:
    """Near misses of a layout: of one class of fault, or of any that the layout can have.

    Raises ValueError where it can have none."""
    layout = _layout(catalogue, layout)
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


def packets(catalogue: ir.Catalogue, values: Callable[..., SearchStrategy[Plain]] = valid) -> SearchStrategy[bytes]:
    """Whole packets of every type and form, with legal bodies; `values` is `valid` or `boundary`."""
    return st.sampled_from(_messages(catalogue)).flatmap(lambda m: _packet(catalogue, *m, values))


def _messages(catalogue: ir.Catalogue) -> list[tuple[ir.Packet, Form, str]]:
    found = [(packet, form, layout.name) for packet, form, layout in catalogue.messages()]
    refused = [p for p in catalogue.packets if Form.REQUEST in p.forms and Form.ERROR not in p.forms]
    return found + [(p, Form.ERROR, catalogue.error_layout(p)) for p in refused]


def _packet(
    catalogue: ir.Catalogue, packet: ir.Packet, form: Form, layout: str, values: Callable[..., SearchStrategy[Plain]]
) -> SearchStrategy[bytes]:
    room = catalogue.channel[packet.channel].payload_max
    bodies = values(catalogue, layout).map(lambda value: write(catalogue, catalogue.layout[layout], value))
    return st.builds(
        lambda header, body: write_envelope(
            catalogue, catalogue.envelope["PACKET"], header, body, checksums(catalogue)
        ),
        _header(catalogue, packet, form),
        bodies.filter(lambda body: len(body) <= room),
    )


def _header(catalogue: ir.Catalogue, packet: ir.Packet, form: Form) -> SearchStrategy[Plain]:
    """Headers of this type and form, with everything else in them free."""
    fixed = header_of(catalogue, packet, form)
    statuses = [s.value for s in catalogue.statuses if s.success is (form is Form.RESPONSE)]
    return st.fixed_dictionaries(
        {name: st.just(value) for name, value in fixed.items()}
        | {"t_ns": st.integers(0, (1 << 64) - 1), "instance": st.integers(0, 15)}
        | ({"status": st.sampled_from(statuses)} if fixed["rsp"] else {})
        | ({"txn": st.integers(1, 0xFFFF)} if fixed["txn"] else {})
    )


def broken_packets(catalogue: ir.Catalogue, fault: Fault | None = None) -> SearchStrategy[NearMiss]:
    """Whole packets with one violation: in the frame, or in the body with a CRC that is right for it."""
    frames = {Fault.SHORT: _cut_packet, Fault.LONG: _long_packet, Fault.CRC: _damaged_packet}
    kinds = [made(catalogue) for its, made in frames.items() if fault in (None, its)]
    return st.one_of(kinds + ([] if fault is Fault.CRC else [_broken_body(catalogue, fault)]))


def _broken_body(catalogue: ir.Catalogue, fault: Fault | None) -> SearchStrategy[NearMiss]:
    def can(layout: str) -> bool:
        return any(fault in (None, p.fault) for p in _places(catalogue, catalogue.layout[layout]))

    fit = [m for m in _messages(catalogue) if can(m[2])]
    return st.sampled_from(fit).flatmap(lambda m: _around(catalogue, *m, fault))


def _around(
    catalogue: ir.Catalogue, packet: ir.Packet, form: Form, layout: str, fault: Fault | None
) -> SearchStrategy[NearMiss]:
    def made(header: Plain, miss: NearMiss) -> NearMiss:
        data = write_envelope(catalogue, catalogue.envelope["PACKET"], header, miss.data, checksums(catalogue))
        path = f"{packet.name}.{form}.{miss.path}" if miss.path else f"{packet.name}.{form}"
        return NearMiss(data, miss.fault, path)

    misses = near_miss(catalogue, layout, fault).filter(lambda miss: len(miss.data) <= 0xFFFF)
    return st.builds(made, _header(catalogue, packet, form), misses)


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
