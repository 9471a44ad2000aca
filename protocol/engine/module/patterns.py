"""The samples of a frame: a test pattern, or a scene. Every one of them repeats, so a frame is never held in memory.

Samples are packed without gaps from the least significant bit on, as PFNC's `p` formats are. Columns and samples are
counted within the frame that is sent; the first bit of PN9 is the lowest of the first sample.

Plan: packing · rows of the patterns · the picture.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Protocol

from opalink.protocol.packets import CfaPattern, PatternKind, SensorMode
from opalink.protocol.runtime import Buffer

_GROUP: Final = 8  # samples that always fill whole bytes
_BARS: Final = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))
_RED, _GREEN, _BLUE = range(3)
# Colours of the first two samples of the first two rows; a quad filter repeats each along both axes.
_FILTERS: Final = {
    "RGGB": ((_RED, _GREEN), (_GREEN, _BLUE)),
    "GRBG": ((_GREEN, _RED), (_BLUE, _GREEN)),
    "GBRG": ((_GREEN, _BLUE), (_RED, _GREEN)),
    "BGGR": ((_BLUE, _GREEN), (_GREEN, _RED)),
    "MONO": ((_GREEN, _GREEN), (_GREEN, _GREEN)),
}


# ── Packing ──────────────────────────────────────────────────────────────────────────────────────────


def pack(samples: Sequence[int], depth: int) -> bytes:
    """Samples, a multiple of eight, as bytes."""
    if depth == 8:
        return bytes(samples)
    out = []
    for i in range(0, len(samples), _GROUP):
        word = 0
        for place, sample in enumerate(samples[i : i + _GROUP]):
            word |= sample << place * depth
        out.append(word.to_bytes(depth, "little"))
    return b"".join(out)


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


def _pn9(seed: int, bits: int) -> Iterable[int]:
    state = seed & 0x1FF or 0x1FF
    for _ in range(bits):
        yield state & 1
        state = state >> 1 | ((state ^ state >> 4) & 1) << 8


def _pn9_row(width: int, depth: int, seed: int) -> bytes:
    bits = 0
    for place, bit in enumerate(_pn9(seed, width * depth)):
        bits |= bit << place
    return bits.to_bytes(width * depth // 8, "little")


def _bars(width: int, depth: int, cfa: CfaPattern) -> bytes:
    quad = cfa.name.startswith("QUAD_")
    colours = _FILTERS[cfa.name.removeprefix("QUAD_")]
    step, top = (2 if quad else 1), (1 << depth) - 1
    rows = []
    for y in range(2 * step):
        of_row = colours[y // step % 2]
        rows.append(pack([top * _BARS[x * 8 // width][of_row[x // step % 2]] for x in range(width)], depth))
    return b"".join(rows)


@lru_cache(maxsize=64)
def _cycle(kind: PatternKind, width: int, depth: int, cfa: CfaPattern, start: int) -> bytes:
    """What a picture consists of over and over; `start` is the seed, or the first sample of COUNTER."""
    mask = (1 << depth) - 1
    match kind:
        case PatternKind.SOLID:
            return pack([start & mask] * _GROUP, depth)
        case PatternKind.BARS:
            return _bars(width, depth, cfa)
        case PatternKind.PN9:
            return _pn9_row(width, depth, start)
        case PatternKind.RAMP:
            return pack([x + start & mask for x in range(width)], depth)
        case PatternKind.COUNTER:
            return pack([n + start & mask for n in range(1 << depth)], depth)
    # The scene is a wall that grows brighter to the right.
    return pack([x * mask // width for x in range(width)], depth)


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────


class Data(Protocol):
    """The packed samples of one frame: `bytes` of them, the same however often they are read."""

    @property
    def bytes(self) -> int: ...
    def read(self, at: int, length: int) -> Buffer: ...


class View(Protocol):
    """What stands before the camera, as one of its modes sees it: a window (x, y, width, height) of the mode's picture,
    taken with an exposure (ns) and a gain (1/100) as a frame of this number."""

    def __call__(
        self, mode: SensorMode, window: tuple[int, int, int, int], exposure: int, gain: int, frame: int, /
    ) -> Data: ...


class Picture:
    """The data of one frame, by place. The width is a multiple of eight."""

    def __init__(
        self, kind: PatternKind, seed: int, frame: int, *, width: int, height: int, depth: int, cfa: CfaPattern
    ) -> None:
        self.bytes = width * height * depth // 8
        mask = (1 << depth) - 1
        start = {PatternKind.COUNTER: seed + frame & mask, PatternKind.PN9: seed & 0x1FF}.get(kind, seed & mask)
        self._cycle = _cycle(kind, width, depth, cfa, 0 if kind is PatternKind.OFF else start)

    def read(self, at: int, length: int) -> bytes:
        """A part of the data; shorter at the end of the frame."""
        length = min(length, self.bytes - at)
        cycle, size = self._cycle, len(self._cycle)
        phase = at % size
        times = -(-(phase + length) // size)
        return (cycle * times)[phase : phase + length] if times > 1 else cycle[phase : phase + length]
