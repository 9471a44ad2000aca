"""Raw pixel formats: what a PFNC code says of the samples, and what a colour filter lies over each of them.

Plan: errors · formats · colour filters · levels.
"""

from math import gcd
from typing import Final

from msgspec import Struct

from opalink.protocol.packets import BitDepth, CfaPattern, PixelFormat, SensorRecord

COLOURS: Final = "RGB"  # the order of channels everywhere here


class PictureError(Exception):
    """A picture that cannot be made: what was given is wrong, too large, or of a kind that is not dealt with."""


# ── Formats ──────────────────────────────────────────────────────────────────────────────────────────


class RawFormat(Struct, frozen=True):
    """Samples of `depth` bits, one a pixel, packed without gaps from the least significant bit on (PFNC, `p` formats;
    for 8 and 16 bits this is bytes and little-endian words). `cfa` is the pattern of single filters."""

    depth: int
    cfa: CfaPattern

    @property
    def group(self) -> int:
        """The least number of samples that fills whole bytes."""
        return 8 // gcd(8, self.depth)

    def size(self, samples: int) -> int:
        """Bytes of so many samples; the bits that are left over in the last byte belong to none."""
        return (samples * self.depth + 7) // 8


def raw_format(pixel_format: int) -> RawFormat:
    """What the code of a raw format says. Raises PictureError for codes that are unknown or not of raw samples."""
    try:
        name = PixelFormat(pixel_format).name
    except ValueError:
        raise PictureError(f"pixel format {pixel_format:#010x} is unknown") from None
    kind, _, rest = name.partition("_")
    if kind.startswith("MONO"):
        cfa = CfaPattern.MONO
    elif kind == "BAYER":
        cfa = next(c for c in CfaPattern if c.name.startswith(rest[:2]))
    else:
        raise PictureError(f"pixel format {name} is not raw: it has no colour filters")
    return RawFormat(pixel_format >> 16 & 0xFF, cfa)


def bits_per_pixel(pixel_format: int) -> int:
    """Bits of a pixel in a known format, raw or not. Raises PictureError for codes that are unknown."""
    if pixel_format not in set(PixelFormat):
        raise PictureError(f"pixel format {pixel_format:#010x} is unknown")
    return pixel_format >> 16 & 0xFF


# ── Colour filters ───────────────────────────────────────────────────────────────────────────────────


def is_quad(cfa: CfaPattern) -> bool:
    return cfa.name.startswith("QUAD_")


def filters(cfa: CfaPattern, x: int = 0, y: int = 0) -> tuple[tuple[int, ...], ...]:
    """Indices into COLOURS of the filters that repeat over a frame, row by row, where it begins in column `x` and row
    `y` of the mode's picture: 2 by 2, or 4 by 4 for a quad pattern. A monochrome sensor counts as green."""
    letters = "GGGG" if cfa is CfaPattern.MONO else cfa.name.removeprefix("QUAD_")
    each = 2 if is_quad(cfa) else 1
    period = 2 * each
    places = range(period)
    return tuple(
        tuple(COLOURS.index(letters[(i + y) % period // each * 2 + (j + x) % period // each]) for j in places)
        for i in places
    )


# ── Levels ───────────────────────────────────────────────────────────────────────────────────────────


class Levels(Struct, frozen=True):
    """Samples without light, and the least that may be saturated."""

    black: int
    white: int


def levels(sensor: SensorRecord, depth: int) -> Levels:
    """The levels of a descriptor's sensor, which hold at its greatest depth, at `depth` bits. Raises PictureError
    where there is nothing between them."""
    deepest = max((int(d.name.removeprefix("RAW")) for d in BitDepth if d.name and d & sensor.depths), default=depth)
    scaled = [value << depth >> deepest for value in (sensor.black_level, sensor.white_level)]
    if not scaled[0] < scaled[1] < 1 << depth:
        raise PictureError(f"levels {scaled[0]} and {scaled[1]} leave nothing between them in {depth} bits")
    return Levels(*scaled)
