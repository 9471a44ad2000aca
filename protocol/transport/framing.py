"""Records out of a stream of bytes.

A stream may come byte by byte or many records at once; both are the same to whoever reads here. What is held is
at most one record that is not yet whole, so a peer cannot make a reader grow: a header that announces more than
the limit is refused before anything of its payload is kept.

Plan: the reader · making a record.
"""

from collections.abc import Iterator
from struct import Struct as Packer
from typing import Final

from opalink.protocol.codec import Record, decode_record, encode_record
from opalink.protocol.packets.codec import _R_Record
from opalink.protocol.packets.enums import Lane, RecordKind
from opalink.protocol.transport.errors import BindingError

NEVER: Final = (1 << 64) - 1  # as a time: not at all
LANES: Final = frozenset((Lane.SIDEBAND, Lane.LASER))  # those that carry something

HEADER: Final = len(encode_record(Record()))
LIMIT: Final = next(item.hi for item in _R_Record if item.name == "length")
_length_at: Final = Packer("<I").unpack_from  # of the record that begins there


class RecordReader:
    """Collects bytes until they are a record."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Record]:
        """The records that `data` completes. Raises BindingError for one above the limit: what follows it cannot be
        found any more."""
        buffer: bytes | bytearray = data
        if self._held:
            self._held += data
            buffer = self._held
        at, end = 0, len(buffer)
        try:
            while end - at >= HEADER:
                (length,) = _length_at(buffer, at)
                if length > LIMIT:
                    raise BindingError(f"A record announces {length} bytes; the limit is {LIMIT}", "R-BEN-005")
                stop = at + HEADER + length
                if stop > end:
                    break
                record = decode_record(bytes(buffer[at:stop]))
                at = stop
                yield record
        finally:
            if buffer is self._held:
                del self._held[:at]
            elif at < end:
                self._held += buffer[at:]


def packet_record(kind: RecordKind, lane: Lane, time: int, data: bytes) -> Record:
    """A packet or a FLIT, with the time at which it is launched or arrives."""
    return Record(kind, lane, 0, 1, 0, time, data)
