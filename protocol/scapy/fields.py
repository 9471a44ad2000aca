# SPDX-License-Identifier: GPL-2.0-only
"""The fields that OPAL's layers are made of: scapy's own, where those cut off silently what does not fit.

A value that its bits cannot hold, octets of another length, more rows than a count can say: each is an EncodeError
with the field's name. A value that fits and is illegal is built, because that is what one takes scapy for; the strict
mode of `opalink.protocol.scapy.layers` refuses it. Reading is the layers' business: see `read` there.

Plan: numbers · bits · octets and lists · what is computed.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from scapy.fields import BitEnumField, BitField, EnumField, Field, FlagsField, PacketListField, StrField
from scapy.volatile import RandBin, RandNum

from opalink.protocol.errors import EncodeError

_FORMATS = {1: "B", 2: "<H", 3: "<I", 4: "<I", 8: "<Q"}
_SOME = 1200  # bytes of random data, at most, as scapy's own fields have them


def _refuse(name: str, value: Any, lo: int, hi: int) -> EncodeError:
    if not isinstance(value, int):
        return EncodeError(name, f"is {type(value).__name__}, must be an integer")
    return EncodeError(name, f"is {value}, must be {lo} to {hi}")


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────


class _Whole:
    """What numbers have in common that fill bytes."""

    name: str
    sz: int
    signed: bool
    const: bool

    def _say(self, size: int, signed: bool, const: bool) -> None:
        self.sz, self.signed, self.const = size, signed, const

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest number that the bytes can hold."""
        bits = 8 * self.sz
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)

    def addfield(self, _: Any, s: bytes, val: Any) -> bytes:
        try:
            return s + int.to_bytes(val, self.sz, "little", signed=self.signed)
        except (OverflowError, TypeError):
            raise _refuse(self.name, val, *self.span) from None

    def getfield(self, _: Any, s: bytes) -> tuple[bytes, Any]:
        return s[self.sz :], int.from_bytes(s[: self.sz], "little", signed=self.signed)

    def randval(self) -> Any:
        return None if self.const else RandNum(*self.span)


class Number(_Whole, Field[Any, Any]):
    """A little-endian integer of `size` bytes. `unit` and `scale` are for people; `const` is left alone by `fuzz`."""

    def __init__(
        self, name: str, default: Any, size: int, signed: bool = False, *, unit: str = "", scale: str = "1",
        const: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(name, default, _FORMATS[size])
        self._say(size, signed, const)
        self.unit, self.factor = unit, Fraction(scale)

    def i2repr(self, _: Any, x: Any) -> str:
        if not isinstance(x, int) or not self.unit:
            return repr(x)
        return f"{x} {self.unit}" if self.factor == 1 else f"{x} ({float(x * self.factor):.10g} {self.unit})"


class Enum(_Whole, EnumField[int]):
    """A number whose members have names."""

    def __init__(
        self, name: str, default: int, size: int, signed: bool, names: dict[int, str], *, const: bool = False
    ) -> None:
        super().__init__(name, default, names, _FORMATS[size])
        self._say(size, signed, const)


# ── Bits ─────────────────────────────────────────────────────────────────────────────────────────────


class _Held:
    """What BitField lacks: a look at whether the bits hold the value."""

    name: str
    size: int
    const: bool

    def __init__(self, *args: Any, const: bool = False, **more: Any) -> None:
        super().__init__(*args, **more)
        self.const = const

    def addfield(self, pkt: Any, s: Any, ival: Any) -> Any:
        if not isinstance(ival, int) and not hasattr(ival, "__int__"):
            raise _refuse(self.name, ival, 0, (1 << self.size) - 1)
        if not 0 <= int(ival) < 1 << self.size:
            raise _refuse(self.name, int(ival), 0, (1 << self.size) - 1)
        return super().addfield(pkt, s, int(ival))  # type: ignore[misc]

    def randval(self) -> Any:
        return None if self.const else RandNum(0, (1 << self.size) - 1)


class Bit(_Held, BitField):
    """Some bits of a word."""


class BitEnum(_Held, BitEnumField):
    """Some bits of a word whose values have names."""


class Flags(_Held, FlagsField):
    """Named bits: of a word, or with a negative size a number of their own."""


# ── Octets and lists ─────────────────────────────────────────────────────────────────────────────────


class Octets(StrField):
    """Bytes; where `lo` is `hi`, always so many."""

    __slots__ = ["hi", "lo"]

    def __init__(self, name: str, default: bytes, lo: int, hi: int) -> None:
        super().__init__(name, default)
        self.lo, self.hi = lo, hi

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        data: bytes = self.i2m(pkt, val)
        if self.lo == self.hi != len(data):
            raise EncodeError(self.name, f"must be {self.lo} bytes")
        return s + data

    def randval(self) -> Any:
        return RandBin(RandNum(self.lo, max(self.lo, min(self.hi, _SOME))))


class Layers(PacketListField):
    """Rows or TLVs."""

    def addfield(self, _: Any, s: bytes, val: Any) -> bytes:
        for i, layer in enumerate(val):
            try:
                s += bytes(layer)
            except EncodeError as error:
                raise error.under(f"{self.name}[{i}]") from None
        return s


# ── What is computed ─────────────────────────────────────────────────────────────────────────────────


class Count(Number):
    """How much there is of the field `of`; unless it is set, as many as there are."""

    def __init__(self, name: str, size: int, of: str) -> None:
        super().__init__(name, None, size)
        self.of = of

    def i2h(self, pkt: Any, x: Any) -> Any:
        return len(pkt.getfieldval(self.of)) if x is None and pkt is not None else x

    def i2repr(self, pkt: Any, x: Any) -> str:
        return repr(self.i2h(pkt, x))

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        n = self.i2h(pkt, val)
        if val is None and n > self.span[1]:
            raise EncodeError(self.of, f"has {n} elements, must have 0 to {self.span[1]}")
        return super().addfield(pkt, s, n)


class Length(Number):
    """How many bytes come after it; unless it is set, the layer puts it there when they are known."""

    def __init__(self, size: int, name: str = "length") -> None:
        super().__init__(name, None, size)

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return super().addfield(pkt, s, 0 if val is None else val)


class Crc(Number):
    """The check behind an envelope's payload: shown with the header, written by the layer. Unless set, computed."""

    def __init__(self, size: int, function: Callable[[bytes], int]) -> None:
        super().__init__("crc", None, size)
        self.function = function

    def addfield(self, _: Any, s: bytes, __: Any) -> bytes:
        return s

    def sum(self, data: bytes, val: int | None) -> bytes:
        """The bytes of the check over `data`, or of the value in its place."""
        return super().addfield(None, b"", self.function(data) if val is None else val)

    def i2repr(self, _: Any, x: Any) -> str:
        return repr(x) if x is None else f"{x:#x}"
