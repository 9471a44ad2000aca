"""How the parts of an SPDM message lie in its bytes: kinds of fields, and the classes whose annotations use them.

The dialect of `spec` cannot say these layouts: sizes depend on what was negotiated (a digest has H bytes, a signature
S), a length has three bytes, counts stand far from what they count, and a flag of the request decides whether a field
of it exists. So a message is a class whose annotations are its layout, and reading and writing derive from them.

Plan: the cursor · kinds of fields · parts · messages.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Final, Self, get_type_hints

from msgspec import Struct

from opalink.protocol.errors import DecodeError, EncodeError, Fault

VERSION: Final = 0x12

Known = Mapping[str, Any]  # the sizes of the connection ("H", "S", "M") and the fields before the one in question
Size = int | str | Callable[[Known], int]


def _resolve(size: Size, known: Known) -> int:
    if isinstance(size, int):
        return size
    return int(known[size]) if isinstance(size, str) else size(known)


# ── The cursor ───────────────────────────────────────────────────────────────────────────────────────


class Cursor:
    """A place in bytes that a peer sent."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int, name: str) -> bytes:
        """The next bytes. Raises DecodeError if they are not all there."""
        if size > self.left:
            raise DecodeError(Fault.SHORT, name, self.at, f"needs {size} bytes, {self.left} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int, name: str, lo: int, hi: int) -> int:
        """The next bytes as a number, least significant byte first. Raises DecodeError for one out of range."""
        value = int.from_bytes(self.take(size, name), "little")
        if not lo <= value <= hi:
            raise DecodeError(Fault.RANGE, name, self.at - size, f"{value} is not in {lo} to {hi}", value)
        return value


# ── Kinds of fields ──────────────────────────────────────────────────────────────────────────────────


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of field. `gap` reserved bytes come before it: sent as zeros, ignored on receipt."""

    gap: int = 0

    def read(self, cursor: Cursor, name: str, known: Known) -> Any:
        raise NotImplementedError

    def write(self, value: Any, name: str, known: Known) -> bytes:
        raise NotImplementedError


class Number(Kind, frozen=True, kw_only=True):
    """An unsigned number of `size` bytes. Where `when` says no, it is not there and its value is 0."""

    size: int
    lo: int = 0
    hi: int | None = None
    when: Callable[[Known], bool] | None = None

    @property
    def top(self) -> int:
        return (1 << 8 * self.size) - 1 if self.hi is None else self.hi

    def read(self, cursor: Cursor, name: str, known: Known) -> int:
        if self.when and not self.when(known):
            return 0
        return cursor.number(self.size, name, self.lo, self.top)

    def write(self, value: int, name: str, known: Known) -> bytes:
        if self.when and not self.when(known):
            return b""
        if not self.lo <= value <= self.top:
            raise EncodeError(name, f"{value} is not in {self.lo} to {self.top}")
        return value.to_bytes(self.size, "little")


class Octets(Kind, frozen=True, kw_only=True):
    """Bytes whose number is known beforehand."""

    size: Size

    def read(self, cursor: Cursor, name: str, known: Known) -> bytes:
        return cursor.take(_resolve(self.size, known), name)

    def write(self, value: bytes, name: str, known: Known) -> bytes:
        if len(value) != (size := _resolve(self.size, known)):
            raise EncodeError(name, f"has {len(value)} bytes where {size} belong")
        return bytes(value)


class Counted(Kind, frozen=True, kw_only=True):
    """Bytes after their number, which itself has `width` bytes. Without `width` they end the message."""

    width: int = 0
    hi: int

    def read(self, cursor: Cursor, name: str, _: Known) -> bytes:
        if self.width:
            return cursor.take(cursor.number(self.width, name, 0, self.hi), name)
        if cursor.left > self.hi:
            raise DecodeError(Fault.CAP, name, cursor.at, f"{cursor.left} bytes, at most {self.hi} are allowed")
        return cursor.take(cursor.left, name)

    def write(self, value: bytes, name: str, _: Known) -> bytes:
        if len(value) > self.hi:
            raise EncodeError(name, f"has {len(value)} bytes, at most {self.hi} are allowed")
        return (len(value).to_bytes(self.width, "little") if self.width else b"") + value


class Rows(Kind, frozen=True, kw_only=True):
    """As many of one kind, or of one part, as `count` says."""

    count: Size
    row: "Kind | type[Part]"

    def read(self, cursor: Cursor, name: str, known: Known) -> tuple[Any, ...]:
        rows = []
        for i in range(_resolve(self.count, known)):
            path = f"{name}[{i}]"
            if isinstance(self.row, Kind):
                rows.append(self.row.read(cursor, path, known))
            else:
                rows.append(self.row.read(cursor, known, path))
        return tuple(rows)

    def write(self, value: tuple[Any, ...], name: str, known: Known) -> bytes:
        if len(value) != (count := _resolve(self.count, known)):
            raise EncodeError(name, f"has {len(value)} rows where {count} belong")
        if isinstance(self.row, Kind):
            return b"".join(self.row.write(x, f"{name}[{i}]", known) for i, x in enumerate(value))
        return b"".join(x.write(known, f"{name}[{i}]") for i, x in enumerate(value))


class Whole(Kind, frozen=True, kw_only=True):
    """The length of the message that it is in, in two bytes."""

    def read(self, cursor: Cursor, name: str, _: Known) -> int:
        here, found = cursor.at, cursor.number(2, name, 0, 0xFFFF)
        if found != len(cursor.data):
            raise DecodeError(Fault.RANGE, name, here, f"says {found} bytes, the message has {len(cursor.data)}", found)
        return found

    def write(self, _value: int, _name: str, _known: Known) -> bytes:
        return bytes(2)


U8: Final = Number(size=1)
U16: Final = Number(size=2)
U32: Final = Number(size=4)

# ── Parts ────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _layout(part: "type[Part]") -> tuple[tuple[str, Kind], ...]:
    hints = get_type_hints(part, include_extras=True)
    return tuple((name, h.__metadata__[0]) for name, h in hints.items() if hasattr(h, "__metadata__"))


class Part(Struct, frozen=True, kw_only=True):
    """Fields in the order of their annotations; `TAIL` reserved bytes come after them."""

    TAIL: ClassVar[int] = 0

    @classmethod
    def read(cls, cursor: Cursor, known: Known, path: str = "") -> Self:
        """The part at the cursor. Raises DecodeError at the first violation."""
        found: dict[str, Any] = {}
        known = {**known}
        for name, kind in _layout(cls):
            where = f"{path}.{name}" if path else name
            cursor.take(kind.gap, where)
            known[name] = found[name] = kind.read(cursor, where, known)
        cursor.take(cls.TAIL, path or "reserved")
        return cls(**found)

    def write(self, known: Known, path: str = "", head: bytes = b"") -> bytes:
        """The part's bytes, after `head`. Raises EncodeError for a value that has no encoding."""
        layout = _layout(type(self))
        known = {**known, **{name: getattr(self, name) for name, _ in layout}}
        data = bytearray(head)
        whole = None
        for name, kind in layout:
            data += bytes(kind.gap)
            if isinstance(kind, Whole):
                whole = len(data)
            data += kind.write(known[name], f"{path}.{name}" if path else name, known)
        data += bytes(self.TAIL)
        if whole is not None:
            data[whole : whole + 2] = len(data).to_bytes(2, "little")
        return bytes(data)


# ── Messages ─────────────────────────────────────────────────────────────────────────────────────────

_NONE: Final[Known] = {}


class Message(Part, frozen=True, kw_only=True):
    """A whole message: the version, the code, then Param1 and Param2 as the message names them, then its fields."""

    CODE: ClassVar[int] = 0
    VERSION: ClassVar[int] = VERSION

    @classmethod
    def decode(cls, data: bytes, sizes: Known = _NONE, *, version: int | None = None) -> Self:
        """The message in `data`, of its own version or of the one given; `sizes` are those of the connection. Raises
        DecodeError: SPDM travels whole here, so bytes left over are as wrong as bytes missing."""
        cursor = Cursor(data)
        head = (("version", cls.VERSION if version is None else version), ("code", cls.CODE))
        for at, (name, value) in enumerate(head):
            if (found := cursor.number(1, name, 0, 0xFF)) != value:
                raise DecodeError(Fault.CONST, name, at, f"is {found:#04x} where {value:#04x} belongs", found)
        message = cls.read(cursor, sizes)
        if cursor.left:
            raise DecodeError(Fault.LONG, "", cursor.at, f"{cursor.left} bytes are left over")
        return message

    def encode(self, sizes: Known = _NONE, *, version: int | None = None) -> bytes:
        """The bytes of the message. Raises EncodeError for a value that has no encoding."""
        return self.write(sizes, head=bytes((self.VERSION if version is None else version, self.CODE)))
