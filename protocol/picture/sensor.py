"""The image sensor: from a scene to the packed samples of a frame, band by band.

Plan: what the sensor is · a shot of it: samples of a band · its data.

The model is that of Foi and others (IEEE Trans. Image Process. 17(10), 2008): the charge of a pixel is the light's,
plus noise that is normally distributed with the variance of the charge (shot noise) and of the read-out (read
noise); gain multiplies charge and noise alike; the converter rounds, adds the black level and clips. Noise of a band
depends on seed, frame and band alone, so a block that is sent again has the data that it had at first (R-FRM-017)
although nothing of the frame is kept.
"""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from opalink.protocol.packets import CfaPattern, SensorMode, SensorRecord
from opalink.protocol.picture.colour import LIGHT, REFERENCE, Colour
from opalink.protocol.picture.formats import Levels, PictureError, filters, levels, raw_format
from opalink.protocol.picture.libraries import Floats, NDArray, Samples, np
from opalink.protocol.picture.packing import pack
from opalink.protocol.picture.scene import Scene

BAND: Final = 1 << 18  # samples worked on at a time, more or less
_KEPT: Final = 4  # bands that are remembered: blocks do not end where bands do
_ALIGN: Final = 8  # rows: eight of them fill whole bytes, whatever their length
_UNITY: Final = 100  # gain 1, as the wire has it

# ── The sensor ───────────────────────────────────────────────────────────────────────────────────────


class Sensor(Struct, frozen=True):
    """A sensor in one mode. `well` is the charge in electrons at which the converter ends at gain 1; read noise is in
    electrons, `read_high` from gain `switch` (1/100) on, where a second conversion gain is used; 0 without."""

    depth: int
    cfa: CfaPattern
    levels: Levels
    well: float
    read: float = 2.5
    read_high: float = 1.2
    switch: int = 0
    colour: Colour = REFERENCE

    def noise(self, gain: int) -> float:
        """Read noise at a gain, in electrons."""
        return self.read_high if self.switch and gain >= self.switch else self.read


_WELL_DENSITY: Final = 3000  # electrons a square micrometre, as small pixels have them


def sensor_of(record: SensorRecord, mode: SensorMode) -> Sensor:
    """The sensor of a descriptor in one of its modes. Pixels that are merged hold their charge together. Raises
    PictureError for a pixel format that is not raw."""
    raw = raw_format(mode.pixel_format)
    well = _WELL_DENSITY * (record.pitch * mode.binning / 1000) ** 2
    return Sensor(raw.depth, CfaPattern(mode.cfa), levels(record, raw.depth), well, switch=record.gain_switch)


# ── A shot ───────────────────────────────────────────────────────────────────────────────────────────


class Shot:
    """One frame: the data of `width` by `height` samples that begin in column `x` and row `y` of the mode's picture,
    taken with `exposure` (ns) and `gain` (1/100). Light is such that the scene's white just saturates at an
    exposure times gain of `metered`: this very one, unless it is given. Without `noisy` there is rounding alone."""

    def __init__(
        self,
        scene: Scene,
        sensor: Sensor,
        picture: tuple[int, int],
        *,
        exposure: int,
        gain: int,
        window: tuple[int, int, int, int] | None = None,
        metered: int | None = None,
        frame: int = 0,
        seed: int = 0,
        noisy: bool = True,
    ) -> None:
        x, y, self.width, self.height = window or (0, 0, *picture)
        if not (0 <= x < x + self.width <= picture[0] and 0 <= y < y + self.height <= picture[1]):
            raise PictureError(f"the window {window} is not within the picture of {picture[0]} by {picture[1]} pixels")
        self.sensor, self.gain, self._key, self._noisy = sensor, gain, (seed, frame), noisy
        self.brightness = exposure * gain / (metered or exposure * gain)
        self.bytes = (self.width * self.height * sensor.depth + 7) // 8
        self.rows = max(1, BAND // self.width // _ALIGN) * _ALIGN  # of a band
        self._filters = filters(sensor.cfa, x, y)
        self._scene = scene.fit(*picture)
        high, wide, _ = self._scene.shape
        self._column, self._right = _places(x, self.width, wide / picture[0], wide)
        self._row, self._below = _places(y, self.height, high / picture[1], high)
        self._band = lru_cache(_KEPT)(self._pack)

    def samples(self, top: int, rows: int) -> Samples:
        """The samples of some rows, without noise: rows by width."""
        return self._convert(self._charge(top, rows))

    def _charge(self, top: int, rows: int) -> Floats:
        """What light leaves in the pixels of some rows, in electrons: bilinear between the scene's pixels."""
        sensor = self.sensor
        y0, wy = self._row[top : top + rows], self._below[top : top + rows, None]
        first, last = int(y0[0]), min(int(y0[-1]) + 1, self._scene.shape[0] - 1)
        light = LIGHT[self._scene[first : last + 1]]
        span = sensor.well * (sensor.levels.white - sensor.levels.black) / (self._top - sensor.levels.black)
        per_light = sensor.colour.of_srgb * (span * self.brightness * _UNITY / self.gain)
        if sensor.cfa is CfaPattern.MONO:  # no filter: all the light, weighed as the eye does
            per_light = np.tile(np.array([0.2126, 0.7152, 0.0722]) * per_light[1].sum(), (3, 1))
        channels = [light @ row.astype(np.float32) for row in per_light]
        y0 = y0 - first
        y1 = np.minimum(y0 + 1, last - first)
        out = np.empty((rows, self.width), np.float32)
        period = len(self._filters)
        for i, line in enumerate(self._filters):
            for colour in sorted(set(line)):
                plane = channels[colour]
                upright = plane[y0[i::period]] * (1 - wy[i::period]) + plane[y1[i::period]] * wy[i::period]
                for j in (j for j, c in enumerate(line) if c == colour):
                    x0, wx = self._column[j::period], self._right[j::period]
                    x1 = np.minimum(x0 + 1, plane.shape[1] - 1)
                    out[i::period, j::period] = upright[:, x0] * (1 - wx) + upright[:, x1] * wx
        return out

    @property
    def _top(self) -> int:
        return (1 << self.sensor.depth) - 1

    def _convert(self, charge: Floats) -> Samples:
        """Electrons to samples."""
        black = self.sensor.levels.black
        charge *= np.float32(self.gain / _UNITY * (self._top - black) / self.sensor.well)
        charge += black
        np.rint(charge, out=charge)
        return np.clip(charge, 0, self._top, out=charge).astype(np.uint16)

    # ── Its data ──

    def _pack(self, band: int) -> bytes:
        top = band * self.rows
        charge = self._charge(top, min(self.rows, self.height - top))
        if self._noisy:
            noise = np.random.default_rng((*self._key, band)).standard_normal(charge.shape, np.float32)
            noise *= np.sqrt(charge + np.float32(self.sensor.noise(self.gain) ** 2))
            charge += noise
        return pack(self._convert(charge), self.sensor.depth)

    def read(self, at: int, length: int) -> bytes:
        """Data from byte `at` on; shorter at the end of the frame."""
        stop = min(at + length, self.bytes)
        size = self.rows * self.width * self.sensor.depth // 8
        parts = []
        while at < stop:
            band, start = divmod(at, size)
            part = self._band(band)[start : start + stop - at]
            parts.append(part)
            at += len(part)
        return b"".join(parts)


def _places(begin: int, count: int, scale: float, size: int) -> tuple[NDArray[np.intp], Floats]:
    """Where pixels lie in the scene, along one axis: the scene's pixel before each, and how far it is beyond that."""
    at = np.clip((begin + np.arange(count) + 0.5) * scale - 0.5, 0, size - 1)
    before = np.minimum(at.astype(np.intp), max(0, size - 2))
    return before, (at - before).astype(np.float32)
