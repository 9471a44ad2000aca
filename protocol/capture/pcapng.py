"""Recordings as pcapng: packets and FLITs with the lane, the direction, nanoseconds and what was thought of them.

Packets travel as LINKTYPE_USER0, FLITs and sideband records as LINKTYPE_USER1: the numbers that are nobody's, which
a dissector preference maps to OPAL. There is one interface for each lane and direction, so that a column or a filter
of Wireshark tells them apart; the direction is in the packet's flags too, as seen by the tester. Time 0 is that of
the bench, which Wireshark shows as the beginning of 1970.

Plan: link types · what is written and read · the writer · the reader.
"""

import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final

from msgspec import Struct
from pcapng import FileScanner, FileWriter
from pcapng import blocks as block
from pcapng.exceptions import PcapngException

LINKTYPE_PACKET: Final = 147  # LINKTYPE_USER0
LINKTYPE_FLIT: Final = 148  # LINKTYPE_USER1

_NANOSECONDS: Final = 9  # if_tsresol, a negative power of ten
_INBOUND, _OUTBOUND = 1, 2  # epb_flags
COMMENT_MAX: Final = 16_000  # characters: an option holds 65,535 bytes, and a character is at most four

# What the library raises on damaged files, beside its own kind.
_DAMAGE: Final = (
    *(PcapngException, struct.error, ValueError, TypeError, LookupError),
    *(AttributeError, AssertionError, OSError, EOFError),
)


class CaptureError(Exception):
    """A recording that is none, or that is damaged."""


class Interface(Struct, frozen=True):
    """Where packets were seen. `inbound` is what the implementation sent and the tester received."""

    name: str
    link_type: int
    inbound: bool
    doc: str = ""


class Captured(Struct, frozen=True):
    """A packet or a FLIT of a recording; `time` is in nanoseconds."""

    interface: Interface
    time: int
    data: bytes
    comments: tuple[str, ...] = ()


class Recording(Struct, frozen=True):
    """A whole recording. `comments` are those of the section."""

    comments: tuple[str, ...] = ()
    application: str = ""
    packets: tuple[Captured, ...] = ()


# ── The writer ───────────────────────────────────────────────────────────────────────────────────────


class Writer:
    """Writes one section. Interfaces are known from the beginning; the same input gives the same bytes."""

    def __init__(
        self, stream: BinaryIO, interfaces: Sequence[Interface], comments: Sequence[str] = (), application: str = ""
    ) -> None:
        self._section = block.SectionHeader(endianness="<", options=_options(comments, shb_userappl=application))
        self._flags: list[int] = []
        for i in interfaces:
            options = _options((), if_name=i.name, if_description=i.doc) | {"if_tsresol": bytes([_NANOSECONDS])}
            self._section.new_member(block.InterfaceDescription, link_type=i.link_type, options=options)
            self._flags.append(_INBOUND if i.inbound else _OUTBOUND)
        with _quiet():
            self._file = FileWriter(stream, self._section)

    def write(self, interface: int, time: int, data: bytes, comments: Sequence[str] = ()) -> None:
        """Add a packet of the interface with this place in the list. One without a byte cannot be recorded."""
        high, low = divmod(time, 1 << 32)
        self._file.write_block(
            self._section.new_member(
                block.EnhancedPacket,
                interface_id=interface,
                timestamp_high=high,
                timestamp_low=low,
                packet_data=data,
                options=_options(comments, epb_flags=self._flags[interface]),
            )
        )


def _options(comments: Sequence[str], **others: str | int) -> dict[str, object]:
    out: dict[str, object] = {name: value for name, value in others.items() if value != ""}
    if comments:
        out["opt_comment"] = [c[:COMMENT_MAX] for c in comments]
    return out


@contextmanager
def _quiet() -> Iterator[None]:
    """The library declares if_tsresol without a type, and warns of that whenever the option is used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


# ── The reader ───────────────────────────────────────────────────────────────────────────────────────


def read(stream: BinaryIO) -> Recording:
    """The packets of a recording that `Writer` could have written. Raises CaptureError for anything else."""
    comments: list[str] = []
    packets: list[Captured] = []
    application = ""
    interfaces: dict[int, Interface] = {}
    try:
        with _quiet():
            for b in FileScanner(stream):
                match b:
                    case block.SectionHeader():
                        interfaces.clear()
                        comments += b.options.get_all("opt_comment")
                        application = b.options.get("shb_userappl", application)
                    case block.EnhancedPacket():
                        interface = interfaces.setdefault(b.interface_id, _interface(b))
                        time = (b.timestamp_high << 32) + b.timestamp_low
                        own = tuple(b.options.get_all("opt_comment"))
                        packets.append(Captured(interface, time, bytes(b.packet_data), own))
    except _DAMAGE as error:
        raise CaptureError(f"not a recording, or damaged: {error}") from None
    return Recording(tuple(comments), application, tuple(packets))


def _interface(packet: block.EnhancedPacket) -> Interface:
    """The interface of a packet, with the direction that its flags give."""
    described = packet.interface
    options = described.options
    if options.get("if_tsresol") != bytes([_NANOSECONDS]):
        raise CaptureError("time stamps are not in nanoseconds")
    inbound = int(packet.options.get("epb_flags", 0)) & 3 == _INBOUND
    return Interface(options.get("if_name", ""), described.link_type, inbound, options.get("if_description", ""))
