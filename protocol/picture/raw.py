"""A frame that has arrived, as samples: what can be developed, or written as a negative.

Plan: the picture · its rows · quad filters made single.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from msgspec import Struct

from opalink.protocol.packets import BlockRange, CfaPattern, Compression, FrameLeader, FrameTrailer, SensorRecord
from opalink.protocol.picture.assembly import check_leader
from opalink.protocol.picture.formats import (
    COLOURS,
    Levels,
    PictureError,
    RawFormat,
    filters,
    is_quad,
    levels,
    raw_format,
)
from opalink.protocol.picture.libraries import NDArray, Samples, np
from opalink.protocol.picture.packing import unpack
from opalink.protocol.runtime import Buffer

BAND: Final = 1 << 19  # samples worked on at a time, more or less
_ALIGN: Final = 8  # rows: eight of them fill whole bytes, whatever their length
_REACH: Final = 2  # how far around a pixel its colour is sought

Pattern = tuple[tuple[int, ...], ...]

# ── The picture ──────────────────────────────────────────────────────────────────────────────────────


class RawPicture(Struct, frozen=True):
    """A frame's data and what is known of it. `cfa` is that of its mode, whose picture the frame may be a part of;
    `missing` are blocks that did not come, whose samples are 0. Samples without a trailer have the descriptor's black
    level."""

    leader: FrameLeader
    data: Buffer
    cfa: CfaPattern
    sensor: SensorRecord
    trailer: FrameTrailer | None = None
    missing: tuple[BlockRange, ...] = ()

    def __post_init__(self) -> None:
        """Raises PictureError where there are no samples to be had: compressed, not raw, or too little data."""
        if self.leader.codec is not Compression.NONE:
            raise PictureError(f"frame {self.leader.frame} is compressed: its samples cannot be read")
        check_leader(self.leader, room=1 << 40)
        if len(self.data) != self.leader.size:
            raise PictureError(f"frame {self.leader.frame} has {len(self.data)} bytes, not {self.leader.size}")
        if self.levels.black >= self.levels.white or max(self.black) >= self.levels.white:
            raise PictureError(f"frame {self.leader.frame} is black at {max(self.black)}, white at {self.levels.white}")

    @property
    def format(self) -> RawFormat:
        return raw_format(self.leader.pixel_format)

    @property
    def width(self) -> int:
        return self.leader.width

    @property
    def height(self) -> int:
        return self.leader.height

    @property
    def levels(self) -> Levels:
        return levels(self.sensor, self.format.depth)

    @property
    def filters(self) -> Pattern:
        """The filters over `bands`: 2 by 2, for quad filters have been made single."""
        single = CfaPattern[self.cfa.name.removeprefix("QUAD_")]
        return filters(single, self.leader.x, self.leader.y)

    @property
    def black(self) -> tuple[int, int, int, int]:
        """Black levels in the places of `filters`, row by row."""
        if self.trailer is None:
            return (self.levels.black,) * 4
        t, red, blue = self.trailer, COLOURS.index("R"), COLOURS.index("B")
        of = {red: t.black_r, blue: t.black_b}
        places = [of.get(c, t.black_gr if red in row else t.black_gb) for row in self.filters for c in row]
        return places[0], places[1], places[2], places[3]

    # ── Its rows ──

    @property
    def rows(self) -> int:
        """Rows of a band."""
        return max(1, BAND // self.width // _ALIGN) * _ALIGN

    def read(self, top: int, bottom: int) -> Samples:
        """The samples of the rows from `top`, a multiple of eight, up to `bottom`, as they came."""
        row = self.width * self.format.depth
        part = memoryview(self.data)[top * row // 8 : (bottom * row + 7) // 8]
        return unpack(part, self.format.depth)[: (bottom - top) * self.width].reshape(-1, self.width)

    def bands(self) -> Iterator[tuple[int, Samples]]:
        """The picture from top to bottom: the first row of each band, and its samples under single filters."""
        for top in range(0, self.height, self.rows):
            bottom = min(top + self.rows, self.height)
            if not is_quad(self.cfa):
                yield top, self.read(top, bottom)
                continue
            above, below = max(0, top - _ALIGN), min(self.height, bottom + _ALIGN)
            quad = filters(self.cfa, self.leader.x, self.leader.y)  # as from any multiple of eight rows
            yield top, remosaic(self.read(above, below), quad, self.filters)[top - above : bottom - above]


# ── Quad filters ─────────────────────────────────────────────────────────────────────────────────────


def remosaic(samples: Samples, quad: Pattern, single: Pattern) -> Samples:
    """Samples under 4 by 4 filters as they would be under 2 by 2 ones. A pixel whose colour changes takes its value
    from a plane fitted to the pixels of that colour around it, nearer ones weighing more; even slopes therefore come
    out exact. At the rim the picture goes on as it was four rows or columns further in."""
    period = len(quad)
    height, width = samples.shape
    if height < period or width < period:
        raise PictureError(f"a picture of {width} by {height} pixels is too small for quad filters")
    across = _continued(width, period)
    around = samples[_continued(height, period)][:, across].astype(np.float32)
    out = samples.copy()
    for i in range(period):
        for j in range(period):
            if quad[i][j] == single[i % 2][j % 2]:
                continue
            rows, columns = len(range(i, height, period)), len(range(j, width, period))
            total = np.zeros((rows, columns), np.float32)
            for dy, dx, weight in _kernel(quad, i, j, single[i % 2][j % 2]):
                y, x = i + dy + _REACH, j + dx + _REACH
                total += np.float32(weight) * around[y::period, x::period][:rows, :columns]
            out[i::period, j::period] = np.clip(np.rint(total), 0, 0xFFFF).astype(np.uint16)
    return out


def _continued(size: int, period: int) -> NDArray[np.intp]:
    """Indices from _REACH before the first to _REACH after the last: those outside moved inwards by a period."""
    at = np.arange(-_REACH, size + _REACH)
    return np.where(at < 0, at + period, np.where(at >= size, at - period, at))


@cache
def _kernel(quad: Pattern, i: int, j: int, colour: int) -> tuple[tuple[int, int, float], ...]:
    """Places around a pixel that have a colour, and their weights: least squares, weighted by distance."""
    reach, period = range(-_REACH, _REACH + 1), len(quad)
    places = [(y, x) for y in reach for x in reach if quad[(i + y) % period][(j + x) % period] == colour]
    near = np.array([np.exp(-(y * y + x * x) / 2) for y, x in places])
    plane = np.array([(1.0, y, x) for y, x in places])
    value = np.linalg.pinv(plane * np.sqrt(near)[:, None])[0] * np.sqrt(near)
    return tuple((y, x, float(w)) for (y, x), w in zip(places, value, strict=True))
