"""The tape: all that crosses the bench of a campaign, turn by turn, as a file of its bundle.

It is a recording as `opalink.spec.capture_format` has them, compressed by gzip, which Wireshark opens as it is. Its
three interfaces are of a link type of their own: what the tester sent at once, what the implementation sent of which
the tester took so much at once, and what became of the connection, in words. A time is that which has passed since the
tape began, in nanoseconds; nothing is derived from it.

The reader takes what the writer writes and nothing else: a tape comes out of a bundle, and bundles come from anywhere.
It holds one block at a time, however long the tape is.

Plan: turns · the writer · the reader.
"""

import gzip
import io
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from msgspec import Struct

import opalink
from opalink.protocol.capture.blocks import ENHANCED, INTERFACE, SECTION, Blocks
from opalink.protocol.capture.pcapng import CaptureError, Interface, Writer

# ── Turns ────────────────────────────────────────────────────────────────────────────────────────────

LINKTYPE_BENCH: Final = 149  # LINKTYPE_USER2: bytes of the bench binding
LEVEL: Final = 4  # of gzip


class Kind(StrEnum):
    """What a turn is. Those that are neither sent nor received are of the connection."""

    SENT = "sent"  # by the tester, at once
    RECEIVED = "received"  # by the tester, at once
    OPENED = "opened"  # a connection begins
    UNREACHABLE = "unreachable"  # none came about, and why
    SILENT = "silent"  # nothing came for as long as the tester waited
    CLOSED = "closed"  # the implementation had closed
    REFUSED = "refused"  # it had closed when the tester sent; how that was found
    STUCK = "stuck"  # it did not take what the tester sent; how that was found
    EVIDENCE = "evidence"  # what it left behind when it went: its exit status, the end of what it wrote to stderr


class Turn(Struct, frozen=True, gc=False):
    """One turn. `data` are bytes, or words in UTF-8."""

    kind: Kind
    data: bytes = b""

    @property
    def text(self) -> str:
        return self.data.decode(errors=_LONE)


_LONE: Final = "surrogatepass"  # what a program wrote may be no text
_SIDES: Final = (Kind.SENT, Kind.RECEIVED)
_INTERFACES: Final = (
    Interface.of("control", "tester", LINKTYPE_BENCH),
    Interface.of("control", "IUT", LINKTYPE_BENCH),
    Interface("the connection", LINKTYPE_BENCH, True, "What became of it: a word, and what else there is to say."),
)
_CONNECTION: Final = len(_SIDES)


class TapeError(Exception):
    """What is no tape, or a damaged one."""


# ── The writer ───────────────────────────────────────────────────────────────────────────────────────


class Tape:
    """A tape that is being written to a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._begun = time.monotonic_ns()
        self._writer = Writer(stream, _INTERFACES, application=f"opalink {opalink.__version__}")

    def add(self, kind: Kind, data: bytes = b"") -> None:
        """Take down a turn."""
        if kind in _SIDES:
            self._write(_SIDES.index(kind), data)
        else:
            self._write(_CONNECTION, b" ".join(filter(None, (kind.encode(), data))))

    def say(self, kind: Kind, text: str) -> None:
        """Take down a turn of words."""
        self.add(kind, text.encode(errors=_LONE))

    def _write(self, interface: int, data: bytes) -> None:
        self._writer.write(interface, time.monotonic_ns() - self._begun, data)


@contextmanager
def recording(path: Path) -> Iterator[Tape]:
    """A tape that grows on disk as the campaign goes on."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed,
        io.BufferedWriter(packed) as stream,
    ):
        yield Tape(stream)


# ── The reader ───────────────────────────────────────────────────────────────────────────────────────

_HEAD: Final = struct.Struct("<IIIII")  # of a packet: interface, time in two halves, bytes kept, bytes there were
_KINDS: Final = (SECTION, *(INTERFACE for _ in _INTERFACES))  # of the blocks that stand first
_WORDS: Final = {kind.value: kind for kind in Kind if kind not in _SIDES}


@contextmanager
def playing(path: Path) -> Iterator[Iterator[Turn]]:
    """The turns of a tape on disk. Raises TapeError where a turn cannot be read; OSError if there is no file."""
    with gzip.open(path) as stream:
        yield turns(stream)  # type: ignore[arg-type] # typeshed: GzipFile is no BinaryIO


def turns(stream: BinaryIO) -> Iterator[Turn]:
    """The turns of a tape. Raises TapeError."""

    def damaged(number: int, offset: int, what: str) -> NoReturn:
        raise TapeError(f"The tape is damaged: block {number:,} at byte {offset:,}: {what}.")

    try:
        for block in Blocks(stream, damaged):
            expected = _KINDS[block.number - 1] if block.number <= len(_KINDS) else ENHANCED
            if block.kind != expected or block.order != "<":
                damaged(block.number, block.offset, "it is not of the kind that stands here")
            if block.kind == ENHANCED:
                turn = _turn(block.body)
                if turn is None:
                    damaged(block.number, block.offset, "it says what no turn says")
                yield turn
    except (CaptureError, zlib.error) as error:
        raise TapeError(f"The tape cannot be read: {str(error).rstrip('.')}.") from None


def _turn(body: bytes) -> Turn | None:
    """What a packet's block says; None where that is nothing."""
    if len(body) < _HEAD.size:
        return None
    interface, _, _, kept, size = _HEAD.unpack_from(body)
    data = body[_HEAD.size : _HEAD.size + kept]
    if not len(data) == kept == size or interface > _CONNECTION:
        return None
    if interface < _CONNECTION:
        return Turn(_SIDES[interface], data)
    word, _, words = data.partition(b" ")
    try:
        words.decode(errors=_LONE)
        return Turn(_WORDS[word.decode()], words)
    except (KeyError, UnicodeDecodeError):
        return None
