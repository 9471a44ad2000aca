"""What the generated codec calls beside its straight lines.

The generated code reads a run of fixed fields with one `struct` call and tests all its constraints in one
condition. Only when that fails does it come here, to walk the run's table in wire order and say which field it
was; so the precise diagnosis costs the good case nothing.

Plan: run tables · diagnosis of a decode, of an encode · counted parts · TLVs · numbers.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from struct import Struct as Packer
from typing import Any, Final, NoReturn

from msgspec import Struct

from opalink.protocol.errors import DecodeError, EncodeError, Fault

Buffer = bytes | bytearray | memoryview


class Tlv(Struct, frozen=True, gc=False):
    """A tag and its value: a number, a record's value class, or bytes where the tag is unknown."""

    tag: int
    value: Any


# ── Run tables ───────────────────────────────────────────────────────────────────────────────────────


class Item(Struct, frozen=True, gc=False):
    """A field of a run: `at` bytes into it, `size` bytes wide; `bits` is 0 for a whole integer, else the width of
    a bit field at `shift`. `hi` below `lo` marks octets."""

    name: str
    at: int
    size: int
    lo: int
    hi: int
    const: int | None = None
    signed: bool = False
    shift: int = 0
    bits: int = 0

    @property
    def octets(self) -> bool:
        return self.hi < self.lo


Run = tuple[Item, ...]


def run_fault(data: Buffer, at: int, end: int, run: Run) -> DecodeError:
    """The first violation in a run that the generated code found to have one."""
    for item in run:
        here = at + item.at
        if here + item.size > end:
            return short(item.name, here, end, item.size)
        if item.octets:
            continue
        value = int.from_bytes(data[here : here + item.size], "little", signed=item.signed)
        if item.bits:
            value = value >> item.shift & (1 << item.bits) - 1
        if item.const is not None and value != item.const:
            return DecodeError(Fault.CONST, item.name, here, f"is {value}, must be {item.const}", value)
        if not item.lo <= value <= item.hi:
            return DecodeError(Fault.RANGE, item.name, here, f"is {value}, must be {item.lo} to {item.hi}", value)
    raise AssertionError("a run without fault was diagnosed")


def run_short(end: int, run: Run) -> DecodeError:
    """The first field of a header that is not wholly there. What is there is not judged: no CRC vouches for it."""
    item = next(x for x in run if x.at + x.size > end)
    return short(item.name, item.at, end, item.size)


def short(name: str, at: int, end: int, need: int) -> DecodeError:
    return DecodeError(Fault.SHORT, name, at, f"{need - max(0, end - at)} of {need} bytes are missing")


def long(at: int, end: int) -> DecodeError:
    return DecodeError(Fault.LONG, "", at, f"{end - at} bytes are left over")


def cap(name: str, at: int, n: int, lo: int, hi: int) -> DecodeError:
    return DecodeError(Fault.CAP, name, at, f"has {n} elements, must have {lo} to {hi}", n)


def bad_crc(at: int, found: int, computed: int) -> DecodeError:
    return DecodeError(Fault.CRC, "crc", at, f"is {found:#x}, computed {computed:#x}", found)


# ── Diagnosis of an encode ───────────────────────────────────────────────────────────────────────────


def refuse(value: Any, cls: type, run: Run) -> NoReturn:
    """Raise the EncodeError for the first illegal field of a run."""
    if type(value) is not cls:
        raise EncodeError("", f"is {type(value).__name__}, must be {cls.__name__}")
    for item in run:
        if item.const is not None:
            continue  # the value has no say in it
        field = getattr(value, item.name)
        if item.octets:
            if not isinstance(field, (bytes, bytearray)) or len(field) != item.size:
                raise EncodeError(item.name, f"must be {item.size} bytes")
        elif not isinstance(field, int):
            raise EncodeError(item.name, f"is {type(field).__name__}, must be an integer")
        elif not item.lo <= field <= item.hi:
            raise EncodeError(item.name, f"is {field}, must be {item.lo} to {item.hi}")
    raise AssertionError("a run without fault was refused")


def counted(data: Any, name: str, size: int, lo: int, hi: int) -> bytes:
    """Counted bytes: the count in `size` bytes, then the data."""
    found = checked(data, name, lo, hi)
    return len(found).to_bytes(size, "little") + found


def checked(data: Any, name: str, lo: int, hi: int) -> Buffer:
    """Raw data, if it is bytes of a legal length."""
    if type(data) is not bytes:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise EncodeError(name, f"is {type(data).__name__}, must be bytes")
        view = memoryview(data)
        if view.itemsize != 1 or not view.c_contiguous:
            raise EncodeError(name, "is a view of something other than bytes in a row")
    if not lo <= len(data) <= hi:
        raise EncodeError(name, f"has {len(data)} bytes, must have {lo} to {hi}")
    found: Buffer = data
    return found


def encode_rows(rows: Any, name: str, size: int, lo: int, hi: int, encode: Callable[[Any], bytes]) -> bytes:
    """A counted list."""
    if not isinstance(rows, (tuple, list)):
        raise EncodeError(name, f"is {type(rows).__name__}, must be a tuple")
    if not lo <= len(rows) <= hi:
        raise EncodeError(name, f"has {len(rows)} rows, must have {lo} to {hi}")
    out = [len(rows).to_bytes(size, "little")]
    for i, row in enumerate(rows):
        try:
            out.append(encode(row))
        except EncodeError as error:
            raise error.under(f"{name}[{i}]") from None
    return b"".join(out)


# ── TLVs ─────────────────────────────────────────────────────────────────────────────────────────────

_TLV: Final = Packer("<HH")
_unpack_tlv: Final = _TLV.unpack_from

Decoder = Callable[[Any, int, int], Any]
TagTable = Mapping[int, tuple[int, str, Decoder, Callable[[Any], bytes]]]


def decode_tlvs(data: Any, at: int, end: int, name: str, known: TagTable) -> tuple[Tlv, ...]:
    """TLVs to the end of the window; `known` maps a tag to (member, record name, decoder, encoder)."""
    found: list[Tlv] = []
    while at < end:
        if end - at < 4:
            raise short(f"{name}[{len(found)}]", at, end, 4)
        tag, length = _unpack_tlv(data, at)
        at += 4
        stop = at + length
        if stop > end:
            raise short(f"{name}[{len(found)}]", at, end, length)
        entry = known.get(tag)
        if entry is None:
            found.append(Tlv(tag, bytes(data[at:stop])))
        else:
            try:
                found.append(Tlv(entry[0], entry[2](data, at, stop)))
            except DecodeError as error:
                raise error.under(f"{name}[{len(found)}]") from None
        at = stop
    return tuple(found)


def encode_tlvs(tlvs: Any, name: str, known: TagTable) -> bytes:
    """TLVs, known ones by their record's encoder; bytes travel as they are under any tag."""
    if not isinstance(tlvs, (tuple, list)):
        raise EncodeError(name, f"is {type(tlvs).__name__}, must be a tuple")
    out = []
    for i, tlv in enumerate(tlvs):
        try:
            if type(tlv) is not Tlv:
                raise EncodeError("", f"is {type(tlv).__name__}, must be Tlv")
            tag: Any = tlv.tag
            if not (isinstance(tag, int) and 0 <= tag <= 0xFFFF):
                raise EncodeError("tag", f"is {tag}, must be 0 to 65535")
            entry = known.get(tag)
            value = tlv.value if entry is None or isinstance(tlv.value, bytes) else entry[3](tlv.value)
            if not isinstance(value, bytes):
                raise EncodeError("value", f"is {type(value).__name__}, must be bytes under an unknown tag")
            if len(value) > 0xFFFF:
                raise EncodeError("value", f"has {len(value)} bytes, must have 0 to 65535")
        except EncodeError as error:
            raise error.under(f"{name}[{i}]") from None
        out.append(_TLV.pack(tag, len(value)) + value)
    return b"".join(out)


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────


def refuse_number(value: Any, run: Run) -> NoReturn:
    """Raise the EncodeError for a TLV whose value is a lone illegal number."""
    (item,) = run
    if not isinstance(value, int):
        raise EncodeError(item.name, f"is {type(value).__name__}, must be an integer")
    allowed = f"{item.lo} to {item.hi}" if item.const is None else str(item.const)
    raise EncodeError(item.name, f"is {value}, must be {allowed}")


def total(members: type[IntEnum], width: int) -> tuple[IntEnum | int, ...]:
    """Every number of `width` bits as the enumeration's member, or as itself where it has none."""
    by_value = {int(m): m for m in members}
    return tuple(by_value.get(i, i) for i in range(1 << width))
