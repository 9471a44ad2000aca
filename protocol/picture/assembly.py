"""A frame put together from its leader, blocks and trailer, in whatever order they come and whichever of them do.

Plan: limits and errors · what a leader promises · the assembler: what comes in, what is missing, what it adds up to.

One assembler is one frame of one stream. It decides nothing: the FRAME machine asks it what is missing and whether
the data is right, and acts. Nothing that a module says of sizes is believed before it agrees with everything else
that it said and with the room that the phone gives.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from fastcrc import crc32

from opalink.protocol.packets import (
    BlockFlags,
    BlockRange,
    Compression,
    FrameBlock,
    FrameFlags,
    FrameLeader,
    FrameResult,
    FrameTrailer,
)
from opalink.protocol.picture.formats import PictureError, bits_per_pixel

# ── Limits and errors ────────────────────────────────────────────────────────────────────────────────

ROOM: Final = 512 << 20  # bytes of a frame, unless the phone says otherwise: 100 MP in the widest format is 300 MB
EARLY: Final = 64  # blocks that are kept until the leader comes
RANGES: Final = 32  # of a BLOCK_NAK
_COUNT: Final = 0xFFFF  # blocks of a range

_MISSING, _HERE, _GONE = 0, 1, 2


class FrameError(PictureError):
    """Part of a frame that contradicts the rest of it, or exceeds the room for it. Nothing of the part is used."""


# ── The leader ───────────────────────────────────────────────────────────────────────────────────────


def check_leader(leader: FrameLeader, room: int = ROOM) -> None:
    """Raise FrameError unless the sizes that a leader gives agree with each other and with `room` bytes."""
    if leader.size + leader.blocks > room:  # a block costs a byte beside its data
        raise FrameError(
            f"frame {leader.frame} has {leader.size} bytes in {leader.blocks} blocks: more than the room of {room}"
        )
    if -(-leader.size // leader.block_bytes) != leader.blocks:
        raise FrameError(
            f"frame {leader.frame} has {leader.size} bytes in {leader.blocks} blocks of {leader.block_bytes}: "
            "these do not agree"
        )
    if leader.codec is Compression.NONE:
        try:
            bits = bits_per_pixel(leader.pixel_format)
        except PictureError as error:
            raise FrameError(f"frame {leader.frame}: {error}") from None
        need = (leader.width * leader.height * bits + 7) // 8
        if leader.size != need:
            raise FrameError(
                f"frame {leader.frame} has {leader.size} bytes; {leader.width} by {leader.height} pixels of {bits} "
                f"bits are {need}"
            )


def _placing(leader: FrameLeader) -> tuple[int, ...]:
    """What decides where the data of a frame goes and what it is."""
    where = (leader.width, leader.height, leader.x, leader.y, leader.pixel_format, leader.codec)
    return *where, leader.blocks, leader.block_bytes, leader.size


# ── The assembler ────────────────────────────────────────────────────────────────────────────────────


class Assembler:
    """Frame `number` of `stream`. `buffer` makes the memory for so many bytes of data: writable, zeros, for instance
    `bytearray` or a mapped file; it is asked once, when a leader has been found good."""

    def __init__(
        self, number: int, stream: int = 0, *, room: int = ROOM, buffer: Callable[[int], Any] = bytearray
    ) -> None:
        self.number, self.stream, self.room = number, stream, room
        self.leader: FrameLeader | None = None
        self.trailer: FrameTrailer | None = None
        self.here = 0  # blocks that are
        self.refused = 0  # blocks that came before the leader and contradict it
        self.end: int | None = None  # blocks of the frame, once known: with a codec, its leader gives but the most
        self._buffer = buffer
        self._memory = memoryview(b"")
        self._size = 0  # bytes, once the length of the last block is known for certain
        self._map = bytearray()  # what has become of each block
        self._next = self._top = 0  # first block that is not here, first above all that are
        self._crc = 0  # of the blocks below `_next`; of no data at all it is 0
        self._early: list[FrameBlock] = []

    # ── What comes in ──

    def lead(self, leader: FrameLeader) -> None:
        """Make room for the frame, and place the blocks that came early. A second leader must place them as the first:
        with STORED it is that of a fetched frame, which may come on another stream and has a trailer of its own. Raises
        FrameError."""
        if self.leader is not None:
            if leader.frame != self.number or _placing(leader) != _placing(self.leader):
                raise FrameError(f"frame {self.number} has two leaders that differ")
            if leader.kind & FrameFlags.STORED:
                self.leader, self.stream, self.trailer = leader, leader.stream, None
            return
        self._mine(leader.frame, leader.stream, "leader")
        check_leader(leader, self.room)
        self._check_trailer(leader, self.trailer)
        memory = memoryview(self._buffer(leader.size)).cast("B")
        if memory.readonly or len(memory) < leader.size:
            raise ValueError(f"the buffer must hold {leader.size} bytes and be writable")
        self.leader, self._memory, self._size = leader, memory[: leader.size], leader.size
        self._map = bytearray(leader.blocks)
        if leader.codec is Compression.NONE:
            self.end = leader.blocks
        elif self.trailer is not None:
            self.end = self.trailer.blocks
        early, self._early = self._early, []
        for block in early:
            try:
                self.put(block)
            except FrameError:
                self.refused += 1

    def put(self, block: FrameBlock) -> bool:
        """Put a block's data where it belongs. False if that adds nothing: it is there already, the first one counts
        (R-FRM-017), or the leader is missing and too many wait for it. Raises FrameError."""
        return self.put_all((block,)) == 1

    def put_all(self, blocks: Iterable[FrameBlock]) -> int:
        """As `put`, of many. Returns how many added something. Raises FrameError at the first that is wrong."""
        if self.leader is None:
            return self._put_early(blocks)
        memory, places, size, low = self._memory, self._map, self.leader.block_bytes, self.number & 0xFFFF_FFFF
        plain, inner = self.leader.codec is Compression.NONE, self.leader.blocks - 1
        before = self.here
        for block in blocks:
            n, data = block.block, block.data
            if not (plain and n < inner and len(data) == size and block.frame_lo == low):
                self._check(block)
            if places[n] == _HERE:
                continue
            at = n * size
            memory[at : at + len(data)] = data
            places[n] = _HERE
            self.here += 1
            if n == self._next:
                self._crc = crc32.iscsi(data, self._crc)
                self._next = n + 1
                if self._top > n:
                    self._go_on()
            if n >= self._top:
                self._top = n + 1
        return self.here - before

    def trail(self, trailer: FrameTrailer) -> None:
        """Keep what the trailer says. Raises FrameError."""
        self._mine(trailer.frame, trailer.stream, "trailer")
        self._check_trailer(self.leader, trailer)
        if self.leader is not None and self.end is None:
            self._ends_at(trailer.blocks)
        self.trailer = trailer

    def gone(self, lost: BlockRange) -> None:
        """A range was answered GONE: do not ask for its blocks again. Should they come all the same, they are kept."""
        for n in range(lost.first, min(lost.first + lost.count, len(self._map))):
            self._map[n] = self._map[n] or _GONE

    # ── What is missing ──

    @property
    def filled(self) -> bool:
        """Whether no block of the frame is missing."""
        return self.end is not None and self.here == self.end

    @property
    def gap(self) -> bool:
        """Whether a block is missing below one that is here."""
        return self._next < self._top

    def missing(self, *, ranges: int | None = RANGES, blocks: int | None = None) -> tuple[BlockRange, ...]:
        """Blocks that are not here and were not answered GONE, as BLOCK_NAK names them: rising, each of at most 65,535,
        as many as `ranges` and `blocks` allow. As long as the end is unknown, those below the highest that is here."""
        stop = self._top if self.end is None else self.end
        found: list[BlockRange] = []
        at = self._map.find(_MISSING, self._next, stop)
        while at >= 0 and (ranges is None or len(found) < ranges) and blocks != 0:
            window = self._map[at : min(stop, at + min(_COUNT, blocks or _COUNT))]
            count = len(window) - len(window.lstrip(bytes((_MISSING,))))
            found.append(BlockRange(at, count))
            blocks = None if blocks is None else blocks - count
            at = self._map.find(_MISSING, at + count, stop)
        return tuple(found)

    # ── What it adds up to ──

    @property
    def data(self) -> memoryview:
        """The data so far; zeros where blocks are missing. Empty without a leader."""
        return self._memory[: self._size]

    @property
    def crc_good(self) -> bool | None:
        """Whether the trailer's `frame_crc` is that of the data. None as long as this cannot be known: the trailer, the
        leader or a block that was sent is missing."""
        trailer = self.trailer
        if self.leader is None or trailer is None or self.here != trailer.blocks - trailer.missing:
            return None
        crc = self._crc
        for n in range(self._next, self._top):
            if self._map[n] == _HERE:
                crc = crc32.iscsi(self._memory[self._span(n)], crc)
        return crc == trailer.frame_crc

    @property
    def aborted(self) -> bool:
        """Whether the module called the frame useless."""
        return self.trailer is not None and self.trailer.result is FrameResult.ABORTED

    # ── Within ──

    def _mine(self, frame: int, stream: int, what: str) -> None:
        if (frame, stream) != (self.number, self.stream):
            raise FrameError(
                f"a {what} of frame {frame} of stream {stream} is none of frame {self.number} of stream {self.stream}"
            )

    def _put_early(self, blocks: Iterable[FrameBlock]) -> int:
        fresh = 0
        for block in blocks:
            if block.frame_lo != self.number & 0xFFFF_FFFF:
                raise FrameError(f"block {block.block} belongs to another frame than {self.number}")
            if len(self._early) < EARLY and all(block.block != b.block for b in self._early):
                self._early.append(block)
                fresh += 1
        return fresh

    def _check(self, block: FrameBlock) -> None:
        """Raise FrameError unless a block fits the frame; learn the frame's end from the last one."""
        assert self.leader is not None  # noqa: S101 (the only caller has seen it)
        n, length, size = block.block, len(block.data), self.leader.block_bytes
        end = self.leader.blocks if self.end is None else self.end
        if block.frame_lo != self.number & 0xFFFF_FFFF:
            raise FrameError(f"block {n} belongs to another frame than {self.number}")
        if n >= end:
            raise FrameError(f"block {n} of frame {self.number} is beyond its {end} blocks")
        if self.leader.codec is Compression.NONE:
            want = size if n < end - 1 else self.leader.size - n * size
            if length != want:
                raise FrameError(f"block {n} of frame {self.number} has {length} bytes, not {want}")
            return
        last = bool(block.flags & BlockFlags.LAST) or n == end - 1
        if last and self.end is None:
            self._ends_at(n + 1)
        elif last and n != end - 1:
            raise FrameError(f"block {n} of frame {self.number} is marked as the last of {end}")
        if length > size or (length < size and not last):
            raise FrameError(f"block {n} of frame {self.number} has {length} bytes, not {size}")
        if n * size + length > self.leader.size:
            raise FrameError(f"block {n} of frame {self.number} ends beyond its {self.leader.size} bytes")
        if last:
            self._size = n * size + length

    def _ends_at(self, end: int) -> None:
        if end < self._top:
            raise FrameError(f"frame {self.number} ends after {end} blocks, but block {self._top - 1} came")
        self.end = end

    def _check_trailer(self, leader: FrameLeader | None, trailer: FrameTrailer | None) -> None:
        if trailer is None:
            return
        if trailer.missing > trailer.blocks:
            raise FrameError(f"frame {self.number} lacks {trailer.missing} of {trailer.blocks} blocks")
        if self.trailer not in (None, trailer):
            raise FrameError(f"frame {self.number} has two trailers that differ")
        if leader is None:
            return
        exact = leader.codec is Compression.NONE
        if trailer.blocks > leader.blocks or (exact and trailer.blocks != leader.blocks):
            raise FrameError(f"frame {self.number} has {leader.blocks} blocks by its leader, not {trailer.blocks}")
        if self.end is not None and self.end != trailer.blocks:
            raise FrameError(f"frame {self.number} ended with block {self.end - 1}, not after {trailer.blocks} blocks")

    def _span(self, n: int) -> slice:
        assert self.leader is not None  # noqa: S101 (the only callers have placed a block)
        at = n * self.leader.block_bytes
        return slice(at, min(at + self.leader.block_bytes, self._size))

    def _go_on(self) -> None:
        """A gap is closed: go on to the next."""
        upto = self._top
        for what in (_MISSING, _GONE):
            found = self._map.find(what, self._next, upto)
            upto = upto if found < 0 else found
        for n in range(self._next, upto):
            self._crc = crc32.iscsi(self._memory[self._span(n)], self._crc)
        self._next = upto
