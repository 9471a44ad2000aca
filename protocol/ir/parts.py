"""The parts of a layout, as the intermediate representation has them: what a back end must know of a field.

Plan: parts of a layout.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated

import msgspec

from opalink.spec.form import Record

# As text, exact, and short enough that no one can make it expensive.
Scale = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,12}(/[1-9][0-9]{0,11})?$")]

# ── Parts of a layout ────────────────────────────────────────────────────────────────────────────────


class Number(Record, frozen=True, tag="number"):
    """An integer, little-endian where it fills bytes. `shift` is its place in a group of bits.

    `choices` and `flags` name an enumeration or a set of flags. Without `lo` or `hi` the bits are the range."""

    name: str
    doc: str
    bits: int
    signed: bool = False
    shift: int = 0
    lo: int | None = None
    hi: int | None = None
    const: int | None = None
    default: int = 0
    unit: str = ""
    scale: Scale = "1"
    choices: str = ""
    flags: str = ""
    reserved: bool = False
    req: tuple[str, ...] = ()
    since: str = "1.0"

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest number that the bits can hold."""
        if self.signed:
            return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
        return 0, (1 << self.bits) - 1

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest legal number."""
        lo, hi = self.span
        if self.const is not None:
            return self.const, self.const
        return (lo if self.lo is None else self.lo), (hi if self.hi is None else self.hi)

    @property
    def checked(self) -> bool:
        """Whether some number that the bits can hold is illegal."""
        return self.bounds != self.span

    @property
    def factor(self) -> Fraction:
        """The quantity in `unit` is the wire value times this."""
        return Fraction(self.scale)

    @property
    def size(self) -> int:
        return self.bits // 8


class Bits(Record, frozen=True, tag="bits"):
    """A word of bit fields, from the most significant down. Its fields stand in the value as if it were not."""

    name: str
    fields: tuple[Number, ...]

    @property
    def size(self) -> int:
        return sum(f.bits for f in self.fields) // 8


class Octets(Record, frozen=True, tag="octets"):
    """A fixed number of bytes."""

    name: str
    doc: str
    size: int
    default: bytes = b""
    req: tuple[str, ...] = ()
    since: str = "1.0"


class Blob(Record, frozen=True, tag="blob"):
    """A count of `count` bytes, then `lo` to `hi` bytes; `text` marks UTF-8 for people."""

    name: str
    doc: str
    count: int
    lo: int
    hi: int
    text: bool = False


class Raw(Record, frozen=True, tag="raw"):
    """All bytes that are left: `lo` to `hi`."""

    name: str
    doc: str
    lo: int
    hi: int


class Rows(Record, frozen=True, tag="rows"):
    """A count of `count` bytes, then `lo` to `hi` rows of the layout named `row`."""

    name: str
    doc: str
    count: int
    lo: int
    hi: int
    row: str
    req: tuple[str, ...] = ()


class Tlvs(Record, frozen=True, tag="tlvs"):
    """TLVs {tag u16, length u16, value} of a space, to the end of the body."""

    name: str
    doc: str
    space: str


Fixed = Number | Bits | Octets
Field = Number | Octets | Blob | Raw | Rows | Tlvs
Part = Field | Bits
PART_KINDS: tuple[type[Record], ...] = (Number, Bits, Octets, Blob, Raw, Rows, Tlvs)

TLV_HEADER = 4


def fields_of(parts: tuple[Part, ...]) -> Iterator[Field]:
    """The fields of a value, in wire order: groups of bits opened up."""
    for part in parts:
        if isinstance(part, Bits):
            yield from part.fields
        else:
            yield part
