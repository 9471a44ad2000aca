"""Colour: what a sensor's filters make of light, and how a picture is had from it again.

Plan: the matrices · a sensor's colours · the curve of sRGB.

Light is linear RGB with the primaries and the white of sRGB (IEC 61966-2-1); the channels of a sensor are linear too.
OPAL declares no colour calibration: the phone takes every sensor for one with the reference colours below.
"""

from typing import Final

from opalink.protocol.picture.libraries import Codes, Floats, np

Matrix = tuple[tuple[float, float, float], ...]

# ── Matrices ─────────────────────────────────────────────────────────────────────────────────────────

# CIE XYZ of the light of sRGB's primaries, white at D65 (IEC 61966-2-1).
XYZ_OF_SRGB: Final[Matrix] = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
D65: Final = 21  # as EXIF numbers it: light source


class Colour:
    """The colours of a sensor: `mix` is how much of each primary's light passes the red, the green and the blue filter
    before anything saturates, rows summing to 1; `neutral` is what each channel makes of white, the greatest 1."""

    def __init__(self, mix: Matrix, neutral: tuple[float, float, float]) -> None:
        self.neutral = neutral
        self.of_srgb = np.diag(neutral) @ np.array(mix)  # channels of light
        self.to_srgb = np.linalg.inv(np.array(mix))  # light of channels that have been divided by `neutral`

    @property
    def matrix(self) -> list[float]:
        """XYZ under D65 to channels, row by row: DNG's ColorMatrix."""
        return [float(x) for x in (self.of_srgb @ np.linalg.inv(np.array(XYZ_OF_SRGB))).ravel()]


# Filters of the usual width: each lets some of its neighbours' light through, green the most light of all.
REFERENCE: Final = Colour(((0.76, 0.19, 0.05), (0.14, 0.76, 0.10), (0.03, 0.21, 0.76)), (0.5, 1.0, 0.625))

# ── The curve ────────────────────────────────────────────────────────────────────────────────────────

_CODES = np.arange(256) / 255.0
LIGHT: Final = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)


def codes(light: Floats) -> Codes:
    """Light from 0 to 1 as sRGB's codes of 8 bits; what is outside is clipped."""
    x = np.clip(light, 0, 1)
    curve = np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.round(curve * 255).astype(np.uint8)
