"""What stands before the camera: a photograph from a file, or a chart.

Plan: the scene · from a file · the chart.

A scene is an sRGB picture. The bundled photograph shows a cup on a table of wood: texture, highlights and skin-like
tones. Rachel Michetti took it at the Pikolo Espresso Bar and gave it away under CC0; scikit-image distributes it, and
these are the bytes of its file. The chart is drawn, not photographed: gradients, patches, edges, a star and a zone
plate, so that tone, colour, sharpness and aliasing each have a place where they show.
"""

from pathlib import Path
from typing import Final
from warnings import catch_warnings

from opalink.protocol.picture.formats import PictureError
from opalink.protocol.picture.libraries import Codes, Floats, Image, ImageOps, UnidentifiedImageError, np

PIXELS: Final = 128_000_000  # of a file, at most
BUNDLED: Final = Path(__file__).with_name("coffee.png")
_CHART: Final = (1600, 1200)

# ── The scene ────────────────────────────────────────────────────────────────────────────────────────


class Scene:
    """A picture of sRGB codes, height by width by 3. It is never larger than it was given."""

    def __init__(self, picture: Codes, name: str = "scene") -> None:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise PictureError("a scene is an array of 8-bit codes, height by width by 3")
        self.picture, self.name = picture, name
        self._fitted: tuple[tuple[int, int], Codes] = ((0, 0), picture)

    def fit(self, width: int, height: int) -> Codes:
        """The greatest part from the middle that has the shape of `width` by `height` pixels, made smaller if it has
        more of them: what falls on the sensor. It may have fewer. The last answer is remembered."""
        if self._fitted[0] != (width, height):
            self._fitted = (width, height), self._fit(width, height)
        return self._fitted[1]

    def _fit(self, width: int, height: int) -> Codes:
        rows, columns, _ = self.picture.shape
        wide = min(columns, max(1, round(rows * width / height)))
        high = min(rows, max(1, round(columns * height / width)))
        left, top = (columns - wide) // 2, (rows - high) // 2
        part = self.picture[top : top + high, left : left + wide]
        if wide <= width and high <= height:
            return part
        return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.LANCZOS))


# ── From a file ──────────────────────────────────────────────────────────────────────────────────────


def photograph(path: Path = BUNDLED) -> Scene:
    """A picture that Pillow can read, turned upright; its colours are taken for sRGB. Raises PictureError."""
    try:
        # Pillow warns from 89 million pixels on; what is too many is decided here.
        with catch_warnings(action="ignore", category=Image.DecompressionBombWarning), Image.open(path) as image:
            if image.width * image.height > PIXELS:
                raise PictureError(f"{path.name} has {image.width} by {image.height} pixels, more than {PIXELS}")
            upright = ImageOps.exif_transpose(image).convert("RGB")
            return Scene(np.asarray(upright), path.name)
    except FileNotFoundError:
        raise PictureError(f"there is no file {path}") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{path.name} has more than {PIXELS} pixels") from None
    # What Pillow raises on damaged files beside its own kind.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise PictureError(f"{path.name} is no picture that can be read: {error}") from None


# ── The chart ────────────────────────────────────────────────────────────────────────────────────────


def chart(width: int = _CHART[0], height: int = _CHART[1]) -> Scene:
    """The chart, drawn with so many pixels."""
    x: Floats = ((np.arange(width) + 0.5) / width).astype(np.float32)[None, :]
    y: Floats = ((np.arange(height) + 0.5) / height).astype(np.float32)[:, None]
    out = np.empty((height, width, 3), np.float32)
    # The ground: a dusk that grows darker upwards and warmer to the right.
    out[..., 0] = 0.25 + 0.45 * y + 0.15 * x
    out[..., 1] = 0.30 + 0.30 * y + 0.05 * np.sin(6 * x)
    out[..., 2] = 0.55 - 0.20 * y + 0.10 * (1 - x)
    _patches(out)
    _star(out, x, y)
    _zones(out, x, y)
    _disc(out, x, y)
    return Scene(np.round(np.clip(out, 0, 1) * 255).astype(np.uint8), "chart")


def _patches(out: Floats) -> None:
    """Along the bottom a grey wedge of twelve steps, and above it twelve hues."""
    height, width, _ = out.shape
    steps = np.linspace(0.04, 0.96, 12, dtype=np.float32)
    for i, grey in enumerate(steps):
        columns = slice(width * (2 * i + 2) // 28, width * (2 * i + 4) // 28)
        hue = (np.cos(2 * np.pi * (i / 12 - np.arange(3) / 3)) * 0.3 + 0.5).astype(np.float32)
        out[height * 72 // 100 : height * 83 // 100, columns] = hue
        out[height * 84 // 100 : height * 95 // 100, columns] = grey


def _inside(distance: Floats, soft: float) -> Floats:
    """1 within an outline and 0 outside, with an edge as soft as a lens leaves it."""
    within: Floats = np.clip(0.5 - distance / soft, 0, 1)
    return within[..., None]


def _star(out: Floats, x: Floats, y: Floats) -> None:
    """Left: a star of 24 rays, which grow finer towards its middle and end where they are 8 pixels apart."""
    height, width, _ = out.shape
    dx, dy = (x - 0.2) * width / height, y - 0.36
    r = np.hypot(dx, dy)
    rays = 0.5 + 0.4 * np.sin(24 * np.arctan2(dy, dx)) * np.clip(r * height * 2 * np.pi / 24 / 8 - 1, 0, 1)
    edge = _inside(r - 0.26, 3 / height)
    out[:] = out * (1 - edge) + rays[..., None] * edge


def _zones(out: Floats, x: Floats, y: Floats) -> None:
    """Right: a zone plate; its rings grow finer outwards, down to 8 pixels."""
    height, width, _ = out.shape
    dx, dy = (x - 0.8) * width / height, y - 0.36
    r, radius = np.hypot(dx, dy), 0.26
    rings = 0.5 + 0.4 * np.cos(np.pi * height / 8 / radius * r**2)
    edge = _inside(r - radius, 3 / height)
    out[:] = out * (1 - edge) + rings[..., None] * edge


def _disc(out: Floats, x: Floats, y: Floats) -> None:
    """Middle: a lit ball, and below it a slanted edge."""
    height, width, _ = out.shape
    dx, dy = (x - 0.5) * width / height, y - 0.28
    r = np.hypot(dx, dy) / 0.17
    lit = np.clip(0.1 + 0.55 * np.sqrt(np.clip(1 - r**2, 0, 1)) - 0.25 * (dx + dy) / 0.17, 0.03, 0.97)
    edge = _inside((r - 1) * 0.17, 3 / height)
    out[:] = out * (1 - edge) + lit[..., None] * np.array([0.9, 0.55, 0.3], np.float32) * edge
    slanted = _inside(np.maximum(np.abs(dx + 0.09 * (dy - 0.3)) - 0.07, np.abs(dy - 0.29) - 0.1), 3 / height)
    out[:] = out * (1 - slanted) + 0.9 * slanted
