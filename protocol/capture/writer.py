"""Writes recordings: one section, its interfaces known from the beginning. The same input gives the same bytes.

Plan: options · the writer.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from opalink.protocol.capture.blocks import ENHANCED, INTERFACE, SECTION
from opalink.protocol.capture.recording import Interface
from opalink.spec import capture_format as form

_ANY_LENGTH: Final = -1  # of a section
_MARK: Final = 0x1A2B3C4D

# ── Options ──────────────────────────────────────────────────────────────────────────────────────────


def _option(option: form.Option, value: bytes) -> bytes:
    return struct.pack("<HH", option.code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _ended(options: bytes) -> bytes:
    return options and options + bytes(4)


def _comments(comments: Sequence[str]) -> Iterator[bytes]:
    """Each, and no longer than an option may be; where all of them are too much for a block, how many are left out."""
    room = form.COMMENTS_MAX
    for i, comment in enumerate(comments):
        value = comment[: form.COMMENT_MAX].encode(errors="replace")
        room -= len(value)
        if room < 0:
            yield _option(form.COMMENT, f"{len(comments) - i:,} comments more are left out.".encode())
            return
        yield _option(form.COMMENT, value)


# ── The writer ───────────────────────────────────────────────────────────────────────────────────────


class Writer:
    """Writes to a stream. Of what is longer than `snap` bytes (0: whatever it is) no more is kept."""

    def __init__(
        self,
        stream: BinaryIO,
        interfaces: Sequence[Interface],
        comments: Sequence[str] = (),
        application: str = "",
        snap: int = 0,
    ) -> None:
        self._stream, self._snap = stream, snap
        self._flags = [
            _option(form.FLAGS, struct.pack("<I", form.INBOUND if i.inbound else form.OUTBOUND)) for i in interfaces
        ]
        about = b"".join(_comments(comments))
        about += _option(form.APPLICATION, _text(application)) if application else b""
        self._block(SECTION, struct.pack("<IHHq", _MARK, 1, 0, _ANY_LENGTH) + _ended(about))
        for i in interfaces:
            options = _option(form.NAME, _text(i.name)) if i.name else b""
            options += _option(form.DESCRIPTION, _text(i.doc)) if i.doc else b""
            options += _option(form.RESOLUTION, bytes([form.NANOSECONDS]))
            self._block(INTERFACE, struct.pack("<HHI", i.link_type, 0, snap) + _ended(options))

    def write(
        self, interface: int, time: int, data: bytes, comments: Sequence[str] = (), *, size: int = 0, lost: int = 0
    ) -> None:
        """Add a packet of the interface with this place in the list, at `time` (ns, 64 bits). `size` is how many bytes
        had travelled, where that is more than there are; `lost` how many packets before it are missing. Raises
        ValueError for another time, IndexError for another interface."""
        if not 0 <= time < 1 << 64:
            raise ValueError(f"A packet at {time} ns cannot be recorded: 64 bits do not hold that.")
        options = b"".join(_comments(comments)) + self._flags[interface]
        options += _option(form.LOST, struct.pack("<Q", lost)) if lost else b""
        kept = data[: self._snap or None]
        size = max(size, len(data))
        head = struct.pack("<IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(kept), size)
        self._block(ENHANCED, head + _padded(kept) + _ended(options))

    def _block(self, kind: int, body: bytes) -> None:
        size = 12 + len(body)
        self._stream.write(struct.pack("<II", kind, size) + body + struct.pack("<I", size))


def _text(value: str) -> bytes:
    return value[: form.COMMENT_MAX].encode(errors="replace")
