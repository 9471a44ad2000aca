"""Probes: for every check that the representation implies, values that just pass it and values that just fail it.

One inventory serves vectors, strategies, requirements and conformance tests, so that none of them can forget a
check that another knows. A probe changes one thing in the default value of a layout; an illegal one violates
exactly one constraint, and undoing the change makes the value legal again.

Plan: probes · sites · legal probes · illegal probes · extremes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.write import Lie, Plain, Raw, as_tlv, default, write

UNKNOWN_TAG = 0xFFF0  # no space of any version assigns it
NESTING = 2  # TLVs inside TLVs: the limit tlv_nesting


class Probe(Struct, frozen=True):
    """`value` for a layout. `field` is the declaration's path ("offers.min"), `path` the one that an error reports
    ("offers[0].min"), `fault` the class of the violation or None, `restored` the value with the change undone."""

    operator: str
    field: str
    path: str
    value: Plain | Raw
    fault: Fault | None = None
    restored: Plain | None = None

    @property
    def name(self) -> str:
        """What it changes, and how: "offers.min.below"."""
        return f"{self.field}.{self.operator}" if self.field else self.operator


class Site(Struct, frozen=True):
    """A field somewhere in a layout, and how to put a value there with defaults all around."""

    part: ir.Part
    field: str
    path: str
    put: Callable[[Any], Plain]
    now: Any


def sites(catalogue: ir.Catalogue, layout: ir.Layout) -> Iterator[Site]:
    """Every field of a layout, of the rows of its lists and of the TLVs of its spaces, in wire order."""
    yield from _visit(catalogue, layout, "", "", lambda inner: inner, 0)


def _visit(
    catalogue: ir.Catalogue, layout: ir.Layout, field: str, path: str, embed: Callable[[Plain], Plain], depth: int
) -> Iterator[Site]:
    base = default(catalogue, layout)

    def put_at(name: str, const: int | None) -> Callable[[Any], Plain]:
        return lambda value: embed(base if value == const else {**base, name: value})

    for part in ir.fields_of(layout.parts):
        const = part.const if isinstance(part, ir.Number) else None
        put = put_at(part.name, const)
        now = base.get(part.name, const)
        yield Site(part, field + part.name, path + part.name, put, now)
        if isinstance(part, ir.Rows) and part.hi:
            row = catalogue.layout[part.row]
            others = [default(catalogue, row)] * (max(part.lo, 1) - 1)
            inner = _one_of(put, others)
            yield from _visit(catalogue, row, f"{field}{part.name}.", f"{path}{part.name}[0].", inner, depth)
        elif isinstance(part, ir.Tlvs) and depth < NESTING:
            for t in catalogue.space[part.space].types:
                record = catalogue.layout[t.layout]
                inner = _tlv_of(put, t.tag, record)
                at = f"{path}{part.name}[0]."
                yield from _visit(catalogue, record, f"{field}{part.name}.{t.name}.", at, inner, depth + 1)


def _one_of(put: Callable[[Any], Plain], others: list[Plain]) -> Callable[[Plain], Plain]:
    return lambda inner: put([inner, *others])


def _tlv_of(put: Callable[[Any], Plain], tag: int, record: ir.Layout) -> Callable[[Plain], Plain]:
    return lambda inner: put([(tag, as_tlv(record, inner))])


def _default_tlv(catalogue: ir.Catalogue, t: ir.TlvType) -> tuple[int, Any]:
    record = catalogue.layout[t.layout]
    return t.tag, as_tlv(record, default(catalogue, record))


# ── Legal probes ─────────────────────────────────────────────────────────────────────────────────────


def legal(catalogue: ir.Catalogue, layout: ir.Layout) -> Iterator[Probe]:
    """Both ends of every range, every member, unknown members, reserved bits, list lengths, TLVs."""
    for site in sites(catalogue, layout):
        for operator, value in _legal_values(catalogue, site.part):
            yield Probe(operator, site.field, site.path, site.put(value), restored=site.put(site.now))


def _legal_values(catalogue: ir.Catalogue, part: ir.Part) -> Iterator[tuple[str, Any]]:
    match part:
        case ir.Number(const=int()):
            return
        case ir.Number(reserved=True):
            yield "reserved", -1 if part.signed else part.span[1]
        case ir.Number(choices=str(name)) if name:
            lo, hi = part.bounds
            members = {m.value: m.name for m in catalogue.choices[name].members}
            yield from ((f"member_{m}", v) for v, m in members.items() if lo <= v <= hi)
            unknown = next((v for v in range(hi, lo - 1, -1) if v not in members), None)
            if unknown is not None:
                yield "unknown_member", unknown
        case ir.Number(flags=str(name)) if name:
            lo, hi = part.bounds
            bits = catalogue.flag_set[name].members
            yield from ((f"flag_{m.name}", 1 << m.value) for m in bits if lo <= 1 << m.value <= hi)
            yield "max", hi
        case ir.Number():
            lo, hi = part.bounds
            yield "min", lo
            yield "max", hi
            if hi - lo > 1:
                yield "above_min", lo + 1
                yield "below_max", hi - 1
        case ir.Octets():
            yield "zeros", bytes(part.size)
            yield "ones", b"\xff" * part.size
        case ir.Blob():
            yield "shortest", bytes(part.lo)
            yield "longest", b"\xff" * part.hi
        case ir.Raw():
            yield "shortest", bytes(part.lo)
            yield "longest", b"\xff" * part.hi
        case ir.Rows():
            row = default(catalogue, catalogue.layout[part.row])
            yield "shortest", [row] * part.lo
            yield "longest", [row] * part.hi
        case ir.Tlvs():
            for t in catalogue.space[part.space].types:
                yield f"tlv_{t.name}", [_default_tlv(catalogue, t)]
            yield "unknown_tlv", [(UNKNOWN_TAG, b"\x01\x02\x03")]
            yield "empty_tlv", [(UNKNOWN_TAG, b"")]
            yield "repeated_tlv", [(UNKNOWN_TAG, b"\x01"), (UNKNOWN_TAG, b"\x02")]


# ── Illegal probes ───────────────────────────────────────────────────────────────────────────────────


def illegal(catalogue: ir.Catalogue, layout: ir.Layout) -> Iterator[Probe]:
    """Every constraint of a layout violated once, and nothing else."""
    yield from _cuts(catalogue, layout)
    for site in sites(catalogue, layout):
        for operator, fault, value in _illegal_values(catalogue, site.part):
            path = site.path
            if fault in (Fault.SHORT, Fault.LONG):  # these happen inside the TLV
                path += "[0]"
            yield Probe(operator, site.field, path, site.put(value), fault, site.put(site.now))
        if isinstance(site.part, ir.Tlvs):
            yield from _misfits(catalogue, site)


def _illegal_values(catalogue: ir.Catalogue, part: ir.Part) -> Iterator[tuple[str, Fault, Any]]:
    match part:
        case ir.Number(const=int(const)):
            yield "not_const", Fault.CONST, (const ^ 1)
        case ir.Number():
            lo, hi = part.bounds
            if lo > part.span[0]:
                yield "below", Fault.RANGE, lo - 1
            if hi < part.span[1]:
                yield "above", Fault.RANGE, hi + 1
        case ir.Blob() | ir.Raw() | ir.Rows():
            most = (1 << 8 * part.count) - 1 if not isinstance(part, ir.Raw) else 0xFFFF
            one: Any = [default(catalogue, catalogue.layout[part.row])] if isinstance(part, ir.Rows) else b"\0"
            if part.lo:
                yield "under", Fault.CAP, one * (part.lo - 1)
            if part.hi < most:
                yield "over", Fault.CAP, one * (part.hi + 1)
        case ir.Tlvs():
            yield "overrun", Fault.SHORT, [(UNKNOWN_TAG, Lie(4, b"\x01\x02\x03"))]


def _misfits(catalogue: ir.Catalogue, site: Site) -> Iterator[Probe]:
    """Known TLVs whose value is a number and a byte more."""
    assert isinstance(site.part, ir.Tlvs)
    for t in catalogue.space[site.part.space].types:
        record = catalogue.layout[t.layout]
        if ir.lone_number(record):
            data = write(catalogue, record, default(catalogue, record)) + b"\0"
            restored = site.put([_default_tlv(catalogue, t)])
            where, path = f"{site.field}.{t.name}", f"{site.path}[0]"
            yield Probe("excess", where, path, site.put([(t.tag, data)]), Fault.LONG, restored)


def _cuts(catalogue: ir.Catalogue, layout: ir.Layout, depth: int = 0) -> Iterator[Probe]:
    """Values that end a byte before one of their parts does: parts of the layout, of the first row of a list, of the
    value of a TLV."""
    value, before = default(catalogue, layout), b""
    for part in layout.parts:
        whole = write(catalogue, ir.Layout("", "", (part,)), value)
        name = _first(ir.Layout("", "", (part,)))
        match part:
            case ir.Number() | ir.Bits() | ir.Octets():
                yield _cut(name, before + whole[:-1], value)
            case ir.Blob():
                yield _cut(name, before + whole[: part.count - 1], value)
                if part.hi:
                    full = {**value, name: bytes(max(1, part.lo))}
                    data = write(catalogue, ir.Layout("", "", (part,)), full)
                    yield _cut(name, before + data[:-1], full, "cut_data")
            case ir.Rows():
                yield _cut(name, before + whole[: part.count - 1], value)
                row = catalogue.layout[part.row]
                n = max(1, part.lo)
                full = {**value, name: [default(catalogue, row)] * n}
                head = before + n.to_bytes(part.count, "little")
                for cut in _cuts(catalogue, row, depth) if part.hi else ():
                    yield _cut_within(part.name, "", head, cut, full)
                if n < part.hi and row.parts:
                    data = before + (n + 1).to_bytes(part.count, "little") + write(catalogue, row, full[name][0]) * n
                    yield _cut(name, data, full, "missing", f"{name}[{n}].{_first(row)}")
            case ir.Tlvs():
                yield _cut(name, before + b"\xff\xff\x00", value, path=f"{name}[0]")
                for t in catalogue.space[part.space].types if depth < NESTING else ():
                    full = {**value, name: [_default_tlv(catalogue, t)]}
                    for cut in _cuts(catalogue, catalogue.layout[t.layout], depth + 1):
                        assert isinstance(cut.value, Raw)
                        head = before + t.tag.to_bytes(2, "little") + len(cut.value.data).to_bytes(2, "little")
                        yield _cut_within(part.name, f".{t.name}", head, cut, full)
        before += whole


def _first(layout: ir.Layout) -> str:
    """The field that is missing first where nothing is there."""
    return next(ir.fields_of(layout.parts)).name


def _cut(name: str, data: bytes, restored: Plain, operator: str = "cut", path: str = "") -> Probe:
    return Probe(operator, name, path or name, Raw(data), Fault.SHORT, restored)


def _cut_within(name: str, record: str, head: bytes, cut: Probe, restored: Plain) -> Probe:
    """A cut of a row or of a TLV's value, seen from the layout around it."""
    assert isinstance(cut.value, Raw)
    field, path = f"{name}{record}.{cut.field}", f"{name}[0].{cut.path}"
    return Probe(cut.operator, field, path, Raw(head + cut.value.data), Fault.SHORT, restored)


# ── Extremes ─────────────────────────────────────────────────────────────────────────────────────────


def maximum(catalogue: ir.Catalogue, layout: ir.Layout, room: int = 0xFFFF) -> Plain:
    """Every number at its greatest, every list as long as `room` bytes allow, every known TLV once."""
    out: Plain = {}
    for f in ir.fields_of(layout.parts):
        match f:
            case ir.Number(const=int()):
                pass
            case ir.Number(reserved=True):
                out[f.name] = 0
            case ir.Number(choices=str(name)) if name:
                lo, hi = f.bounds
                out[f.name] = max(m.value for m in catalogue.choices[name].members if lo <= m.value <= hi)
            case ir.Number():
                out[f.name] = f.bounds[1]
            case ir.Octets():
                out[f.name] = b"\xff" * f.size
            case ir.Blob() | ir.Raw():
                out[f.name] = bytes(f.lo)
            case ir.Rows():
                out[f.name] = [maximum(catalogue, catalogue.layout[f.row], 0)] * f.lo
            case ir.Tlvs():
                out[f.name] = []
    room -= len(write(catalogue, layout, out))
    for f in ir.fields_of(layout.parts):
        if isinstance(f, (ir.Blob, ir.Raw)):
            more = max(0, min(f.hi - f.lo, room))
            out[f.name], room = b"\xff" * (f.lo + more), room - more
        elif isinstance(f, ir.Rows):
            of = catalogue.layout[f.row]
            room += sum(len(write(catalogue, of, row)) for row in out[f.name])  # the least rows grow too
            row = maximum(catalogue, of, room // max(1, f.hi))
            size = len(write(catalogue, of, row))
            n = max(f.lo, min(f.hi, room // size if size else f.hi))
            out[f.name], room = [row] * n, room - n * size
        elif isinstance(f, ir.Tlvs):
            for t in catalogue.space[f.space].types:
                record = catalogue.layout[t.layout]
                inner = maximum(catalogue, record, min(room, 4096) - ir.TLV_HEADER)
                size = ir.TLV_HEADER + len(write(catalogue, record, inner))
                if size <= room:
                    out[f.name].append((t.tag, as_tlv(record, inner)))
                    room -= size
    return out
