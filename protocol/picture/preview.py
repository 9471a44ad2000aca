"""A small picture to look at: every few cells of filters become one pixel, and nothing is interpolated.

Plan: cells to pixels · the preview.
"""

from pathlib import Path
from typing import Final

from opalink.protocol.packets import CfaPattern
from opalink.protocol.picture.colour import REFERENCE, Colour, codes
from opalink.protocol.picture.formats import PictureError
from opalink.protocol.picture.libraries import Codes, Floats, Image, Samples, np
from opalink.protocol.picture.raw import RawPicture

EDGE: Final = 1600  # pixels along the longer side, at most
_CELL: Final = 2  # pixels of a cell, along each axis
_ROWS: Final = 64  # of the preview, developed at a time


def preview(picture: RawPicture, *, edge: int = EDGE, colour: Colour = REFERENCE) -> Codes:
    """The developed picture as sRGB codes: height by width by 3, at most `edge` along the longer side, unless it
    is a mere strip. What is left over at the right and at the bottom, less than one of its pixels, is cut off. Raises
    PictureError."""
    if min(picture.width, picture.height) < _CELL:
        raise PictureError(f"a picture of {picture.width} by {picture.height} pixels is too small to be developed")
    step = -(-max(picture.width, picture.height) // _CELL // edge)
    side = _CELL * max(1, min(step, picture.width // _CELL, picture.height // _CELL))
    total = np.zeros((picture.height // side, picture.width // side, 3), np.float32)
    for top, samples in picture.bands():
        _add(total, picture, top, samples, side)
    out = np.empty(total.shape, np.uint8)
    for y in range(0, len(out), _ROWS):
        out[y : y + _ROWS] = codes(_developed(total[y : y + _ROWS], picture, colour))
    return out


def _developed(channels: Floats, picture: RawPicture, colour: Colour) -> Floats:
    """Channels of the sensor to light. White is where the strongest saturates: beyond it there is no colour left."""
    if picture.cfa is CfaPattern.MONO:
        return channels
    balanced = np.clip(channels / np.array(colour.neutral, np.float32), 0, 1)
    light: Floats = np.matmul(balanced, colour.to_srgb.T, dtype=np.float32)
    return light


def _add(total: Floats, picture: RawPicture, top: int, samples: Samples, side: int) -> None:
    """Add a band to the pixels that it falls in, each place of the filters to its colour."""
    height, width, _ = total.shape
    wide = min(width * side, samples.shape[1])
    flat = [c for row in picture.filters for c in row]
    for place, (colour, black) in enumerate(zip(flat, picture.black, strict=True)):
        i, j = divmod(place, _CELL)
        part = samples[i::_CELL, j:wide:_CELL].astype(np.float32)
        part -= black
        part *= np.float32(1 / (picture.levels.white - black) / (side // _CELL) ** 2 / flat.count(colour))
        across = np.add.reduceat(part, range(0, part.shape[1], side // _CELL), axis=1)[:, :width]
        rows = (top + i + _CELL * np.arange(part.shape[0])) // side
        inside = rows < height
        np.add.at(total[..., colour], rows[inside], across[inside])
    if picture.cfa is CfaPattern.MONO:
        total[..., 0] = total[..., 2] = total[..., 1]


def write_preview(path: Path, picture: RawPicture, *, edge: int = EDGE, colour: Colour = REFERENCE) -> None:
    """The preview as a PNG file. Raises OSError."""
    Image.fromarray(preview(picture, edge=edge, colour=colour)).save(path, "PNG")
