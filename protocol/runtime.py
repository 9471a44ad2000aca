"""What the generated codec calls beside its straight lines.

The generated code reads a run of fixed fields with one `struct` call and tests all its constraints in one
condition. Only when that fails does it come here, to walk the run's table in wire order and say which field it
was; so the precise diagnosis costs the good case nothing.

Plan: run tables · diagnosis of a decode, of an encode · counted parts · TLVs · numbers · modules.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from importlib import import_module
from struct import Struct as Packer
from struct import error as PackError  # noqa: N812 (the generated code's name for it)
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
    a bit field at `shift`. `hi` below `lo` marks octets. With `counts` it is how many "rows" or bytes of a "blob" come
    after the run, or how much "raw" data ends it."""

    name: str
    at: int
    size: int
    lo: int
    hi: int
    const: int | None = None
    signed: bool = False
    shift: int = 0
    bits: int = 0
    counts: str = ""

    @property
    def octets(self) -> bool:
        return self.hi < self.lo


Run = tuple[Item, ...]


def run_fault(data: Buffer, at: int, end: int, run: Run) -> DecodeError:
    """The first violation in a run that the generated code found to have one, or what is left over."""
    return _violation(data, at, end, run) or long(at + _size(run), end)


def rows_fault(data: Buffer, at: int, end: int, run: Run, name: str) -> DecodeError:
    """The first violation in rows of one run, of which not all are there."""
    i = 0
    while not (found := _violation(data, at + i * _size(run), end, run)):
        i += 1
    return found.under(f"{name}[{i}]")


def _size(run: Run) -> int:
    return run[-1].at + run[-1].size


def _violation(data: Buffer, at: int, end: int, run: Run) -> DecodeError | None:
    for item in run:
        here = at + item.at
        if here + item.size > end:
            return short(item.name, here, end, item.size)
        if item.octets:
            continue
        if item.counts == "raw":
            return cap(item.name, here, end - here, item.lo, item.hi)
        value = int.from_bytes(data[here : here + item.size], "little", signed=item.signed)
        if item.bits:
            value = value >> item.shift & (1 << item.bits) - 1
        if item.const is not None and value != item.const:
            return DecodeError(Fault.CONST, item.name, here, f"is {value}, must be {item.const}", value)
        if not item.lo <= value <= item.hi:
            if item.counts:
                return cap(item.name, here, value, item.lo, item.hi)
            return DecodeError(Fault.RANGE, item.name, here, f"is {value}, must be {item.lo} to {item.hi}", value)
    return None


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


def misframed(data: Buffer, start: int, end: int, size: int, crc: Callable[[Buffer], int] | None) -> DecodeError:
    """What is wrong with an envelope that is not as long as its header says, or whose CRC does not match. Its payload
    is from `start` to `end`, and a CRC of `size` bytes comes after it."""
    n = len(data)
    if n < end:
        return short("payload", start, n, end - start)
    if n < end + size:
        return short("crc", end, n, size)
    if crc and (computed := crc(data[:end])) != (found := int.from_bytes(data[end : end + size], "little")):
        return DecodeError(Fault.CRC, "crc", end, f"is {found:#x}, computed {computed:#x}", found)
    return long(end + size, n)


# ── Diagnosis of an encode ───────────────────────────────────────────────────────────────────────────


def refuse(value: Any, cls: Any, run: Run, /, **rows: Callable[[Any], bytes]) -> NoReturn:
    """Raise the EncodeError for the first illegal field of a run, or of the rows that these encoders are for."""
    if type(value) is not cls:
        raise EncodeError("", f"is {type(value).__name__}, must be {cls.__name__}")
    for item in run:
        if item.name not in cls.__struct_fields__:
            continue  # a constant, or the length of a payload: the value has no say in it
        field = getattr(value, item.name)
        if item.counts:
            _refuse_counted(field, item)
        elif item.octets:
            if not isinstance(field, (bytes, bytearray)) or len(field) != item.size:
                raise EncodeError(item.name, f"must be {item.size} bytes")
        elif not isinstance(field, int):
            raise EncodeError(item.name, f"is {type(field).__name__}, must be an integer")
        elif not item.lo <= field <= item.hi:
            raise EncodeError(item.name, f"is {field}, must be {item.lo} to {item.hi}")
    for name, encode in rows.items():
        encode_rows(getattr(value, name), name, encode)
    raise AssertionError("a run without fault was refused")


def refuse_packet(value: Any, cls: Any, run: Run, encoders: Mapping[type, Callable[[Any], Any]]) -> NoReturn:
    """The same for a packet, in which it may also be the body that is at fault."""
    if type(value) is cls:
        encode = encoders.get(type(value.body))
        if encode is None:
            raise EncodeError("body", f"is {type(value.body).__name__}, must be the body of a packet, or bytes")
        payload = encode(value.body)
        checked(b"".join(payload) if type(payload) is tuple else payload, "body", 0, 65535)
    refuse(value, cls, run)


def _refuse_counted(field: Any, item: Item) -> None:
    if item.counts != "rows":
        checked(field, item.name, item.lo, item.hi)
    elif unlisted(field):
        raise EncodeError(item.name, f"is {type(field).__name__}, must be a tuple")
    elif not item.lo <= len(field) <= item.hi:
        raise EncodeError(item.name, f"has {len(field)} rows, must have {item.lo} to {item.hi}")


def checked(data: Any, name: str, lo: int, hi: int) -> Buffer:
    """Raw data, if it is bytes of a legal length."""
    if type(data) is not bytes and odd(data):
        raise EncodeError(name, f"is {type(data).__name__}, must be bytes in a row")
    if not lo <= len(data) <= hi:
        raise EncodeError(name, f"has {len(data)} bytes, must have {lo} to {hi}")
    found: Buffer = data
    return found


def odd(data: Any) -> bool:
    """Whether something is not a buffer of bytes in a row."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        return True
    view = memoryview(data)
    return view.itemsize != 1 or not view.c_contiguous


def unlisted(rows: Any) -> bool:
    """Whether something is no list of rows."""
    return not isinstance(rows, (tuple, list))


def encode_rows(rows: Any, name: str, encode: Callable[[Any], bytes]) -> list[bytes]:
    """The rows of a list, one by one."""
    out: list[bytes] = []
    for row in rows:
        try:
            out.append(encode(row))
        except EncodeError as error:
            raise error.under(f"{name}[{len(out)}]") from None
    return out


# ── TLVs ─────────────────────────────────────────────────────────────────────────────────────────────

_TLV: Final = Packer("<HH")
_unpack_tlv, _pack_tlv = _TLV.unpack_from, _TLV.pack

TagTable = Mapping[int, tuple[int, Callable[[Any, int, int], Any], Callable[[Any], bytes]]]  # member, decoder, encoder
Bounds = tuple[int, int] | None


class Numbers:
    """The TLVs of a space whose value is one number: short cuts around their decoders and encoders, while these have
    nothing against it. Each is a tag, a letter of `struct`, and if it has them bounds and an enumeration."""

    __slots__ = ("by_head", "by_tag")

    def __init__(self, *numbers: tuple[Any, ...]) -> None:
        # By tag and length: tag, bytes in all, what reads the value and the next head, bounds, TLVs of the members.
        self.by_head: dict[int, tuple[int, int, Callable[..., tuple[Any, ...]], Bounds, dict[int, Tlv]]] = {}
        # By tag: what writes all of it, length, bounds.
        self.by_tag: dict[int, tuple[Callable[..., bytes], int, Bounds]] = {}
        for number in numbers:
            self._add(*number)

    def _add(self, tag: int, code: str, bounds: Bounds = None, members: Iterable[int] = ()) -> None:
        packer = Packer("<HH" + code)
        size = packer.size - 4
        ready = {int(m): Tlv(tag, m) for m in members}
        self.by_head[tag | size << 16] = tag, packer.size, Packer(f"<4x{code}I").unpack_from, bounds, ready
        self.by_tag[tag] = packer.pack, size, bounds


_NO_NUMBERS: Final = Numbers()
_unpack_head: Final = Packer("<I").unpack_from


def decode_tlvs(
    data: Any, at: int, end: int, name: str, known: TagTable, numbers: Numbers = _NO_NUMBERS
) -> tuple[Tlv, ...]:
    """TLVs to the end of the window."""
    found: list[Tlv] = []
    by_head = numbers.by_head
    if by_head and at < end:
        try:
            (head,) = _unpack_head(data, at)
            while at < end:
                tag, size, read, bounds, ready = by_head[head]
                stop = at + size
                if stop > end:
                    break
                value, head = read(data, at)
                if bounds and not bounds[0] <= value <= bounds[1]:
                    break
                found.append((ready and ready.get(value)) or Tlv(tag, value))
                at = stop
        except (KeyError, PackError):  # no number; or nothing follows that could be read as the next head
            return _decode_any(data, at, end, name, known, found)
    return _decode_any(data, at, end, name, known, found) if at < end else tuple(found)


def _decode_any(data: Any, at: int, end: int, name: str, known: TagTable, found: list[Tlv]) -> tuple[Tlv, ...]:
    """TLVs of any kind, after those that were found."""
    while end - at >= 4:
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
                found.append(Tlv(entry[0], entry[1](data, at, stop)))
            except DecodeError as error:
                raise error.under(f"{name}[{len(found)}]") from None
        at = stop
    if at < end:
        raise short(f"{name}[{len(found)}]", at, end, 4)
    return tuple(found)


def encode_tlvs(tlvs: Any, name: str, known: TagTable, numbers: Numbers = _NO_NUMBERS) -> list[bytes]:
    """TLVs, known ones by their record's encoder; bytes travel as they are under any tag."""
    if type(tlvs) is not tuple and unlisted(tlvs):
        raise EncodeError(name, f"is {type(tlvs).__name__}, must be a tuple")
    out: list[bytes] = []
    by_tag = numbers.by_tag
    for tlv in tlvs:
        try:
            tag, value = tlv.tag, tlv.value
            if isinstance(value, bytes):
                out.append(_pack_tlv(tag, len(value)) + value)
                continue
            if number := by_tag.get(tag):
                pack, size, bounds = number
                if bounds is None or bounds[0] <= value <= bounds[1]:
                    out.append(pack(tag, size, value))
                    continue
            data = known[tag][2](value)
            out.append(_pack_tlv(tag, len(data)) + data)
        except EncodeError as error:
            raise error.under(f"{name}[{len(out)}]") from None
        except (PackError, TypeError, AttributeError, KeyError):
            raise _tlv_refusal(tlv, known).under(f"{name}[{len(out)}]") from None
    return out


def _tlv_refusal(tlv: Any, known: TagTable) -> EncodeError:
    """Why a TLV has no encoding."""
    if type(tlv) is not Tlv:
        return EncodeError("", f"is {type(tlv).__name__}, must be Tlv")
    tag: Any = tlv.tag
    if not (isinstance(tag, int) and 0 <= tag <= 0xFFFF):
        return EncodeError("tag", f"is {tag}, must be 0 to 65535")
    value = tlv.value
    if not isinstance(value, bytes):
        if tag not in known:
            return EncodeError("value", f"is {type(value).__name__}, must be bytes under an unknown tag")
        try:
            value = known[tag][2](value)
        except EncodeError as error:
            return error
    return EncodeError("value", f"has {len(value)} bytes, must have 0 to 65535")


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────


def refuse_number(value: Any, run: Run) -> NoReturn:
    """Raise the EncodeError for a TLV whose value is a lone illegal number."""
    (item,) = run
    if not isinstance(value, int):
        raise EncodeError(item.name, f"is {type(value).__name__}, must be an integer")
    allowed = f"{item.lo} to {item.hi}" if item.const is None else str(item.const)
    raise EncodeError(item.name, f"is {value}, must be {allowed}")


def bit_fields(*parts: tuple[int, int] | tuple[int, int, tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Every byte as the fields in it: of each the shift, the width and, if it has any, the members by number."""

    def fields(byte: int) -> Iterator[Any]:
        for shift, bits, *members in parts:
            number = byte >> shift & (1 << bits) - 1
            yield members[0][number] if members else number

    return tuple(tuple(fields(i)) for i in range(256))


def members(of: type[IntEnum]) -> dict[int, int]:
    """The members of an enumeration by number."""
    return {int(m): m for m in of}


def total(members: type[IntEnum], width: int) -> tuple[IntEnum | int, ...]:
    """Every number of `width` bits as the enumeration's member, or as itself where it has none."""
    by_value = {int(m): m for m in members}
    return tuple(by_value.get(i, i) for i in range(1 << width))


# ── Modules ──────────────────────────────────────────────────────────────────────────────────────────


def late(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562) that imports these names of its modules when they are first used."""
    home = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
