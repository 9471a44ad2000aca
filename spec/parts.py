"""The parts of a body, and the body: the half of the dialect that construct itself executes.

Every helper returns an ordinary construct object, so each schema parses and builds by itself; what construct has no
word for (unit, range, capacity, reserved bits, since when) rides on the object.

Plan: integers · violations · fields · enumerations and flags · counted parts · TLV spaces · bodies.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

import construct as c
from construct.core import Renamed

from opalink.spec.form import Member

# ── Integers: little-endian, always ──────────────────────────────────────────────────────────────────

u8, u16, u24, u32, u64 = c.Int8ul, c.Int16ul, c.Int24ul, c.Int32ul, c.Int64ul
i8, i16, i32, i64 = c.Int8sl, c.Int16sl, c.Int32sl, c.Int64sl


def octets(size: int) -> c.Construct:
    """A fixed number of bytes."""
    return c.Bytes(size)


# ── Violations: what a schema refuses beyond construct's own StreamError and TerminatedError ─────────


class RangeViolation(c.ConstructError):
    """A number outside its declared range."""


class ConstViolation(c.ConstructError):
    """A field that must have one value has another."""


class CapViolation(c.ConstructError):
    """A list, counted bytes or raw data with more or fewer elements than declared."""


# ── Fields ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Meta:
    """What a field says beside its layout. `scale` times the wire value is the quantity in `unit`."""

    unit: str = ""
    scale: Fraction = Fraction(1)
    lo: int | None = None
    hi: int | None = None
    const: int | None = None
    flags: "Flags | None" = None
    reserved: bool = False
    text: bool = False
    req: tuple[str, ...] = ()
    since: str = "1.0"


class Field(Renamed):
    """A named part of a body that checks its range and its constant on the way in and on the way out."""

    def __init__(self, name: str, subcon: c.Construct, doc: str, meta: Meta) -> None:
        super().__init__(subcon, newname=name, newdocs=doc)
        self.meta = meta

    def _check(self, value: Any, path: str) -> None:
        m = self.meta
        if isinstance(value, str):  # a member of an enumeration, by its name
            value = self.subcon.subcon.encmapping[value]
        if m.const is not None and value != m.const:
            raise ConstViolation(f"{self.name} is {value}, not {m.const}", path=path)
        if (m.lo is not None and value < m.lo) or (m.hi is not None and value > m.hi):
            raise RangeViolation(f"{self.name} is {value}, outside {m.lo}..{m.hi}", path=path)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        value = super()._parse(stream, context, path)
        self._check(value, f"{path} -> {self.name}")
        return value

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        value = super()._build(obj, stream, context, path)
        self._check(value, f"{path} -> {self.name}")
        return value


def f(
    name: str,
    subcon: c.Construct | int,
    doc: str,
    *,
    unit: str = "",
    scale: str | int = 1,
    lo: int | None = None,
    hi: int | None = None,
    const: int | None = None,
    default: int | bytes | None = None,
    choices: "Choices | None" = None,
    flags: "Flags | None" = None,
    req: tuple[str, ...] = (),
    since: str = "1.0",
) -> Field:
    """A field of the fixed part: an integer (`u8` … `i64`), `octets(n)`, or a number of bits inside `bits`.

    `doc` is a phrase with a full stop. `scale` is exact ("0.01"). `lo` and `hi` are wire values, enforced by
    every codec. `default` is what a value class starts with: the nearest legal number to zero unless given."""
    base = c.BitsInteger(subcon) if isinstance(subcon, int) else subcon
    meta = Meta(unit, Fraction(scale), lo, hi, const, flags, req=req, since=since)
    if default is None:
        default = bytes(base.length) if isinstance(base, c.Bytes) else _nearest_to_zero(meta)
    return Field(name, c.Default(choices.over(base) if choices else base, default), doc, meta)


def _nearest_to_zero(m: Meta) -> int:
    if m.const is not None:
        return m.const
    nearest = 0 if m.hi is None else min(0, m.hi)
    return nearest if m.lo is None else max(m.lo, nearest)


def rsvd(name: str, subcon: c.Construct | int) -> Field:
    """Reserved bits (inside `bits`) or a reserved integer: sent 0, ignored when read, preserved."""
    base = c.BitsInteger(subcon) if isinstance(subcon, int) else subcon
    return Field(name, c.Default(base, 0), "Reserved.", Meta(reserved=True))


def bits(name: str, *fields: Field) -> Field:
    """Bit fields of one little-endian word, from the most significant bit down; they must fill it."""
    width = sum(x.subcon.subcon.sizeof() for x in fields)
    word = c.BitStruct(*fields)
    return Field(name, word if width == 8 else c.ByteSwapped(word), "Bit fields.", Meta())


# ── Enumerations and flags: both open, so that what a later version adds is preserved ────────────────


class OpenEnum(c.Enum):
    """construct's Enum, remembering its declaration. Unknown values stay integers and are rebuilt."""

    def __init__(self, subcon: c.Construct, choices: "Choices") -> None:
        super().__init__(subcon, **{m.name: m.value for m in choices.members})
        self.choices = choices


@dataclass(frozen=True)
class Choices:
    """A named enumeration. A request that carries an unknown member is answered BAD_VALUE."""

    name: str
    doc: str
    members: tuple[Member, ...]

    def over(self, base: c.Construct) -> OpenEnum:
        return OpenEnum(base, self)


@dataclass(frozen=True)
class Flags:
    """Named bits of an integer field. The value stays an integer; unknown bits are ignored and preserved."""

    name: str
    doc: str
    members: tuple[Member, ...]


def _members(members: dict[str, tuple[int, str]]) -> tuple[Member, ...]:
    return tuple(Member(name, value, doc) for name, (value, doc) in members.items())


def enum(name: str, doc: str, **members: tuple[int, str]) -> Choices:
    """An open enumeration: `enum("FocusMode", "…", DIOPTRE=(0, "…"), STEP=(1, "…"))`."""
    return Choices(name, doc, _members(members))


def flags(name: str, doc: str, **members: tuple[int, str]) -> Flags:
    """A set of named bits, by position: `flags("Interlock", "…", HALL=(0, "…"), LINK=(2, "…"))`."""
    return Flags(name, doc, _members(members))


# ── Counted parts ────────────────────────────────────────────────────────────────────────────────────


class Rows(c.Subconstruct):
    """A count, then that many rows. Unlike GreedyRange, the error of a broken row is never swallowed."""

    def __init__(self, count: c.Construct, row: "Row", lo: int, hi: int) -> None:
        super().__init__(row.schema)
        self.count, self.row, self.lo, self.hi = count, row, lo, hi

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        n = self._capped(self.count._parsereport(stream, context, path), path)
        return c.ListContainer(self.subcon._parsereport(stream, context, f"{path} -> {i}") for i in range(n))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        self.count._build(self._capped(len(obj), path), stream, context, path)
        for i, value in enumerate(obj):
            self.subcon._build(value, stream, context, f"{path} -> {i}")
        return obj

    def _capped(self, n: int, path: str) -> int:
        if not self.lo <= n <= self.hi:
            raise CapViolation(f"{n} rows, outside {self.lo}..{self.hi}", path=path)
        return n


class Counted(c.Construct):
    """A count, then that many bytes."""

    def __init__(self, count: c.Construct, lo: int, hi: int) -> None:
        super().__init__()
        self.count, self.lo, self.hi = count, lo, hi

    _capped = Rows._capped

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        n = self._capped(self.count._parsereport(stream, context, path), path)
        return c.stream_read(stream, n, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        self.count._build(self._capped(len(obj), path), stream, context, path)
        c.stream_write(stream, obj, len(obj), path)
        return obj


class Rest(c.Construct):
    """Raw data: every byte that is left in the body."""

    def __init__(self, lo: int, hi: int) -> None:
        super().__init__()
        self.lo, self.hi = lo, hi

    _capped = Rows._capped

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        data = c.stream_read_entire(stream, path)
        self._capped(len(data), path)
        return data

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        self._capped(len(obj), path)
        c.stream_write(stream, obj, len(obj), path)
        return obj


@dataclass(frozen=True)
class Row:
    """The layout of one element of a list; it has a name because it becomes a value class."""

    name: str
    doc: str
    schema: c.Struct


def row(name: str, doc: str, *members: Field) -> Row:
    """The row of a list: fixed fields, then counted parts; no TLVs and no raw data."""
    return Row(name, doc, c.Struct(*members))


def rows(
    name: str, of: Row, doc: str, *, hi: int, lo: int = 0, count: c.Construct = u8, req: tuple[str, ...] = ()
) -> Field:
    """A counted list of `lo` to `hi` rows."""
    default: list[dict[str, Any]] = [{} for _ in range(lo)]
    return Field(name, c.Default(Rows(count, of, lo, hi), default), doc, Meta(req=req))


def blob(name: str, doc: str, *, hi: int, lo: int = 0, count: c.Construct = u8, text: bool = False) -> Field:
    """Counted bytes; with `text`, UTF-8 for people to read (never validated, always preserved)."""
    return Field(name, c.Default(Counted(count, lo, hi), bytes(lo)), doc, Meta(text=text))


def raw(name: str, doc: str, *, hi: int, lo: int = 0) -> Field:
    """Raw data to the end of the body."""
    return Field(name, c.Default(Rest(lo, hi), bytes(lo)), doc, Meta())


# ── TLV spaces ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TlvRecord:
    """A TLV known to this version. Property records say how they may be used."""

    tag: int
    name: str
    doc: str
    schema: c.Struct
    needs: tuple[str, ...] = ()
    access: Literal["", "ro", "rw", "wo"] = ""
    latency: int = 0  # frames until a write shows


@dataclass
class Space:
    """A namespace of TLV tags. TLVs are {tag u16, length u16, value}; unknown tags are skipped and preserved."""

    name: str
    doc: str
    records: list[TlvRecord] = field(default_factory=list)

    def record(self, tag: int, name: str, doc: str, *members: Field, needs: tuple[str, ...] = ()) -> TlvRecord:
        """A TLV whose value is a body. What extends a body is not extended itself, or TLVs would nest without end."""
        schema = body(*members, extended=self is not EXTENSIONS).schema
        return self._add(TlvRecord(tag, name, doc, schema, needs))

    def prop(
        self,
        tag: int,
        name: str,
        subcon: c.Construct,
        doc: str,
        *,
        access: Literal["ro", "rw", "wo"] = "rw",
        latency: int = 0,
        needs: tuple[str, ...] = (),
        **meta: Any,
    ) -> TlvRecord:
        """A TLV whose value is one number: a property of the module."""
        schema = c.Struct(f("value", subcon, doc, **meta), c.Terminated)
        return self._add(TlvRecord(tag, name, doc, schema, needs, access, latency))

    def _add(self, record: TlvRecord) -> TlvRecord:
        self.records.append(record)
        return record


class Tlvs(c.Construct):
    """TLVs to the end of the body. A remainder that is not whole TLVs is an error, never a shorter list."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def _known(self, tag: int) -> c.Construct | None:
        return next((r.schema for r in self.space.records if r.tag == tag), None)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        found = c.ListContainer()
        while not c.stream_iseof(stream):
            here = f"{path} -> {len(found)}"
            tag = u16._parsereport(stream, context, here)
            value = c.stream_read(stream, u16._parsereport(stream, context, here), here)
            if schema := self._known(tag):
                value = schema._parsereport(c.io.BytesIO(value), context, here)
            found.append(c.Container(tag=tag, value=value))
        return found

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for i, tlv in enumerate(obj):
            here, schema, value = f"{path} -> {i}", self._known(tlv["tag"]), tlv["value"]
            if schema and not isinstance(value, bytes):
                inner = c.io.BytesIO()
                schema._build(value, inner, context, here)
                value = inner.getvalue()
            u16._build(tlv["tag"], stream, context, here)
            u16._build(len(value), stream, context, here)
            c.stream_write(stream, value, len(value), here)
        return obj


EXTENSIONS: Final = Space("extensions", "What later versions append to a body. Version 1.0 defines none.")


def tlvs(name: str, space: Space, doc: str) -> Field:
    """TLVs of a space, to the end of the body."""
    return Field(name, c.Default(Tlvs(space), []), doc, Meta())


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Body:
    """The payload of one form of a packet type."""

    schema: c.Struct
    doc: str = ""


def body(*members: Field, doc: str = "", extended: bool = True) -> Body:
    """A payload. Unless it ends in raw data or in TLVs of its own, it ends in extension TLVs."""
    last = members[-1].subcon.subcon if members and isinstance(members[-1].subcon, c.Default) else None
    if extended and not isinstance(last, (Rest, Tlvs)):
        members = (*members, tlvs("extensions", EXTENSIONS, "Extensions of later versions."))
    return Body(c.Struct(*members, c.Terminated), doc)
