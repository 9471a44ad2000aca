"""The blocks of a pcapng file, whatever the file is: each in turn, and past what is damaged.

No length is believed: a block is one if it is whole, of no more than `BLOCK_MAX` bytes, and ends with the length that
it begins with. Where that fails, the next block is sought byte by byte, so what is cut off in the middle and continued
with another file is found again. What is held is at most one block and what is read ahead of it, three times that while
a block is handed out.

Plan: the file as far as it is needed · blocks · after a damage · options.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from opalink.protocol.capture.recording import CaptureError
from opalink.spec.capture_format import BLOCK_MAX

SECTION: Final = 0x0A0D0D0A  # the same from either end
INTERFACE, OBSOLETE, SIMPLE, STATISTICS, ENHANCED = 1, 2, 3, 5, 6

_MAGIC: Final = SECTION.to_bytes(4, "big")
_ORDERS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_LEAST: Final = {SECTION: 28}  # bytes; of every other kind 12
_AHEAD: Final = 1 << 18
_U32: Final = {order: struct.Struct(f"{order}I").unpack_from for order in "<>"}
# What may be a block of a kind that is registered: enough to be found again.
_CANDIDATE: Final = {
    "<": re.compile(rb"\x0a\x0d\x0d\x0a|[\x01-\x06\x0a]\0\0\0"),
    ">": re.compile(rb"\x0a\x0d\x0d\x0a|\0\0\0[\x01-\x06\x0a]"),
}
_WIDEST: Final = 4  # bytes of a candidate

# What people take for a recording, by how it begins.
_OTHERS: Final = {
    b"\xd4\xc3\xb2\xa1": "it is pcap, not pcapng: convert it with editcap",
    b"\xa1\xb2\xc3\xd4": "it is pcap, not pcapng: convert it with editcap",
    b"\x4d\x3c\xb2\xa1": "it is pcap, not pcapng: convert it with editcap",
    b"\xa1\xb2\x3c\x4d": "it is pcap, not pcapng: convert it with editcap",
    b"\x1f\x8b": "it is compressed: unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "it is compressed: unpack it with unzstd",
}


class Block(Struct, frozen=True):
    """`order` is the byte order as `struct` writes it, `body` what is between the two lengths."""

    number: int
    offset: int
    kind: int
    order: str
    body: bytes


# ── The file as far as it is needed ──────────────────────────────────────────────────────────────────


class _Window:
    """The bytes of a stream from a place on; `at` is that place in `data`, and `offset` in the file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before, self._ended = 0, False
        self.data, self.at = bytearray(), 0

    @property
    def offset(self) -> int:
        return self._before + self.at

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def has(self, n: int) -> bool:
        """Whether there are so many bytes; they are read now."""
        if self.left >= n:
            return True
        del self.data[: self.at]
        self._before, self.at = self._before + self.at, 0
        while len(self.data) < n and not self._ended:
            try:
                more = self._stream.read(_AHEAD)
            except (OSError, EOFError, ValueError) as error:
                place = self._before + len(self.data)
                raise CaptureError(f"The recording cannot be read at byte {place:,}: {error}.") from None
            self._ended = not more
            self.data += more
        return len(self.data) >= n


# ── Blocks ───────────────────────────────────────────────────────────────────────────────────────────


class Blocks:
    """The blocks of a stream. `damaged` is told the number, the offset and what is wrong of each that is none.
    Iterating raises CaptureError for what does not begin as a recording does."""

    def __init__(self, stream: BinaryIO, damaged: Callable[[int, int, str], None]) -> None:
        self._file = _Window(stream)
        self._damaged = damaged
        self._order = ""
        self.number = 0  # of the last block

    def __iter__(self) -> Iterator[Block]:
        file = self._file
        while file.has(1):
            self.number += 1
            size = self._size()
            if isinstance(size, str):
                if not self._order:
                    raise CaptureError(f"It is not a recording: {self._beginning(size)}.")
                self._damaged(self.number, file.offset, size)
                if not self._resumed():
                    return
                continue
            (kind,) = _U32[self._order](file.data, file.at)
            with memoryview(file.data) as view:
                body = bytes(view[file.at + 8 : file.at + size - 4])
            yield Block(self.number, file.offset, kind, self._order, body)
            file.at += size

    def _beginning(self, what: str) -> str:
        data = bytes(self._file.data[:4])
        told = next((told for magic, told in _OTHERS.items() if data.startswith(magic)), None)
        if told:
            return told
        return f"block 1 at byte 0: {what}" if data == _MAGIC else "it does not begin with a section header"

    def _size(self) -> int | str:
        """The bytes of the block here, whose order is then known; or what is wrong with it."""
        file = self._file
        if not file.has(12):
            return f"the file ends after {file.left} bytes of it"
        at, order = file.at, self._order
        is_section = file.data.startswith(_MAGIC, at)
        if is_section:
            order = _ORDERS.get(bytes(file.data[at + 8 : at + 12]), "")
            if not order:
                return "its byte-order mark is that of neither order"
        elif not order:
            return "it is no section header"
        (kind,), (size,) = _U32[order](file.data, at), _U32[order](file.data, at + 4)
        if size % 4 or not _LEAST.get(kind, 12) <= size <= BLOCK_MAX:
            return f"it says that it has {size:,} bytes, which no block of its kind has"
        if not file.has(size):
            return f"the file ends after {file.left:,} of its {size:,} bytes"
        (again,) = _U32[order](file.data, file.at + size - 4)
        if again != size:
            return f"it begins with the length {size:,} and ends with {again:,}"
        self._order = order
        return int(size)

    # ── After a damage ──

    def _resumed(self) -> bool:
        """Go to the next place that is a block; False if there is none."""
        file, order = self._file, self._order
        file.at += 1
        while file.has(_WIDEST):
            found = _CANDIDATE[order].search(file.data, file.at)
            if found is None:
                file.at = len(file.data) - _WIDEST + 1
                continue
            file.at = found.start()
            if isinstance(self._size(), int):
                return True
            file.at += 1
        return False


# ── Options ──────────────────────────────────────────────────────────────────────────────────────────


class OptionError(ValueError):
    """Options that do not fit their block; those before them do."""


def options(block: Block, at: int) -> Iterator[tuple[int, bytes]]:
    """(code, value) of the options of a block from a place of its body on. Raises OptionError."""
    body, unpack = block.body, struct.Struct(f"{block.order}HH").unpack_from
    while len(body) - at >= 4:
        code, size = unpack(body, at)
        if not code:
            return
        if size > len(body) - at - 4:
            raise OptionError(f"option {code} says that it has {size:,} bytes, and {len(body) - at - 4:,} are left")
        yield code, body[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
    if at < len(body):
        raise OptionError(f"{len(body) - at} bytes after its options are none")
