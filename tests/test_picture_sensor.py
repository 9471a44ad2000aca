"""The sensor model: what it makes of light, how noisy it is, and that its data can be had again from any place.

Plan: light to samples · noise · data by place · windows and sizes · scenes from files.
"""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from opalink.protocol.packets import CfaPattern, PixelFormat, SensorMode
from opalink.protocol.picture.colour import LIGHT, REFERENCE, XYZ_OF_SRGB, codes
from opalink.protocol.picture.formats import PictureError, filters, raw_format
from opalink.protocol.picture.packing import unpack
from opalink.protocol.picture.scene import Scene, chart, photograph
from opalink.protocol.picture.sensor import Shot, sensor_of
from tests.picture_frames import EXPOSURE, GAIN, sensor_record, shot

RAW = [p for p in PixelFormat if p.name.startswith(("MONO", "BAYER_"))]


def flat(code: int, size: int = 64) -> Scene:
    return Scene(np.full((size, size, 3), code, np.uint8))


# ── Light to samples ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pixel_format", RAW)
def test_white_reaches_the_white_level_and_black_the_black_level(pixel_format: PixelFormat) -> None:
    cfa = raw_format(pixel_format).cfa
    bright, dark = (shot(flat(c), (16, 16), pixel_format, cfa, noisy=False) for c in (255, 0))
    levels = bright.sensor.levels
    assert (dark.samples(0, 16) == levels.black).all()
    samples, pattern = bright.samples(0, 16), filters(cfa)
    for y in range(2):
        for x in range(2):
            neutral = 1 if cfa is CfaPattern.MONO else REFERENCE.neutral[pattern[y][x]]
            want = levels.black + neutral * (levels.white - levels.black)
            assert np.abs(samples[y::2, x::2] - want).max() <= 0.51


def test_twice_the_exposure_or_gain_is_twice_the_signal_until_it_clips() -> None:
    sensor = shot(flat(100), (16, 16)).sensor
    signal = {}
    for exposure, gain in ((EXPOSURE, GAIN), (2 * EXPOSURE, GAIN), (EXPOSURE, 2 * GAIN), (99 * EXPOSURE, GAIN)):
        taken = Shot(flat(100), sensor, (16, 16), exposure=exposure, gain=gain, metered=EXPOSURE * GAIN, noisy=False)
        signal[exposure, gain] = int(taken.samples(0, 8)[0, 1]) - sensor.levels.black
    once = signal[EXPOSURE, GAIN]
    assert abs(signal[2 * EXPOSURE, GAIN] - 2 * once) <= 1
    assert signal[2 * EXPOSURE, GAIN] == signal[EXPOSURE, 2 * GAIN]
    assert signal[99 * EXPOSURE, GAIN] == (1 << 14) - 1 - sensor.levels.black


def test_each_filter_sees_its_own_colour() -> None:
    """A red scene is brightest under red filters, wherever they are."""
    for colour in range(3):
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[..., colour] = 255
        for cfa in (c for c in CfaPattern if c is not CfaPattern.MONO):
            letters = cfa.name.removeprefix("QUAD_")[:2]
            taken = shot(Scene(picture), (16, 16), PixelFormat[f"BAYER_{letters}12P"], cfa, noisy=False)
            samples, pattern = taken.samples(0, 16), filters(cfa)
            n = len(pattern)
            seen = {c: samples[y::n, x::n].mean() for y, row in enumerate(pattern) for x, c in enumerate(row)}
            balanced = {c: (v - taken.sensor.levels.black) / REFERENCE.neutral[c] for c, v in seen.items()}
            assert max(balanced, key=lambda c: balanced[c]) == colour


def test_the_colour_matrix_takes_white_to_neutral() -> None:
    """D65 of XYZ_OF_SRGB becomes what the sensor makes of white: the definition of AsShotNeutral."""
    white = np.array(XYZ_OF_SRGB).sum(axis=1)
    assert np.allclose(np.array(REFERENCE.matrix).reshape(3, 3) @ white, REFERENCE.neutral)


def test_the_curve_of_srgb_returns_every_code() -> None:
    assert codes(LIGHT).tolist() == list(range(256))
    assert codes(np.array([-1, 2], np.float32)).tolist() == [0, 255]


# ── Noise ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [0, 40, 160])
@pytest.mark.parametrize("gain", [100, 399, 400, 1600])
def test_noise_has_the_variance_of_the_model(code: int, gain: int) -> None:
    """Charge and read-out, in electrons, times the gain; and a twelfth for rounding."""
    taken = shot(flat(code), (256, 256), gain=gain)
    samples = unpack(taken.read(0, taken.bytes), 14).reshape(256, 256)[:, 1::2][0::2].astype(float)  # green
    sensor = taken.sensor
    per_electron = gain / 100 * ((1 << 14) - 1 - sensor.levels.black) / sensor.well
    charge = float(LIGHT[code]) * (sensor.levels.white - sensor.levels.black) / per_electron
    read = sensor.read if gain < 400 else sensor.read_high
    expected = per_electron**2 * (charge + read**2) + 1 / 12
    assert samples.var() == pytest.approx(expected, rel=0.05)  # 4.5 standard deviations of the estimate
    assert samples.mean() == pytest.approx(
        sensor.levels.black + per_electron * charge, abs=4 * (expected / 128**2) ** 0.5
    )


def test_pixels_that_are_merged_hold_their_charge_together() -> None:
    record = sensor_record(PixelFormat.BAYER_RG12P, CfaPattern.RGGB)
    wells = [sensor_of(record, SensorMode(binning=b, pixel_format=PixelFormat.BAYER_RG12P)).well for b in (1, 2)]
    assert wells[1] == pytest.approx(4 * wells[0])


def test_noise_differs_between_frames_and_seeds_and_returns_with_them() -> None:
    sensor = shot(flat(100), (64, 64)).sensor

    def data(frame: int, seed: int) -> bytes:
        return Shot(flat(100), sensor, (64, 64), exposure=1, gain=100, frame=frame, seed=seed).read(0, 1 << 20)

    assert data(1, 1) == data(1, 1)
    assert len({data(1, 1), data(2, 1), data(1, 2)}) == 3


def test_noise_does_not_repeat_from_band_to_band() -> None:
    taken = shot(flat(100), (4096, 128))
    assert taken.rows == 64
    bands = unpack(taken.read(0, taken.bytes), 14).reshape(2, -1)
    assert (bands[0] == bands[1]).mean() < 0.1


# ── Data by place ────────────────────────────────────────────────────────────────────────────────────

CHART = chart(320, 240)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1500 * 200 * 10 // 8), min_size=1, max_size=6), st.integers(1, 40_000))
def test_data_is_the_same_however_it_is_read(places: list[int], length: int) -> None:
    whole = _whole()
    taken = shot(CHART, (1500, 200), PixelFormat.BAYER_RG10P)  # two bands
    for at in places:
        assert taken.read(at, length) == whole[at : at + length]


def _whole(cache: dict[str, bytes] = {}) -> bytes:  # noqa: B006 (made once)
    if not cache:
        taken = shot(CHART, (1500, 200), PixelFormat.BAYER_RG10P)
        assert taken.rows < 200
        cache["data"] = taken.read(0, taken.bytes)
        assert len(cache["data"]) == taken.bytes == 1500 * 200 * 10 // 8
    return cache["data"]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 9), (13, 17), (16, 8), (5, 300)])
@pytest.mark.parametrize("pixel_format", [PixelFormat.BAYER_RG10P, PixelFormat.MONO14P, PixelFormat.BAYER_RG16])
def test_sizes_that_fill_no_whole_bytes_are_packed_through(size: tuple[int, int], pixel_format: PixelFormat) -> None:
    taken = shot(CHART, size, pixel_format, raw_format(pixel_format).cfa, noisy=False)
    data = taken.read(0, 1 << 20)
    depth = raw_format(pixel_format).depth
    assert len(data) == taken.bytes == (size[0] * size[1] * depth + 7) // 8
    assert unpack(data, depth)[: size[0] * size[1]].tolist() == taken.samples(0, size[1]).ravel().tolist()


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 56), st.integers(1, 56), st.sampled_from([1, 5]))
def test_a_window_holds_the_samples_of_its_place(x: int, y: int, width: int, height: int, cfa: int) -> None:
    whole = shot(CHART, (96, 96), cfa=CfaPattern(cfa), noisy=False).samples(0, 96)
    part = shot(CHART, (96, 96), cfa=CfaPattern(cfa), noisy=False, window=(x, y, width, height)).samples(0, height)
    # Bands are interpolated from where they begin, so the last bit of a float may fall on the other side of a half.
    assert np.abs(whole[y : y + height, x : x + width].astype(int) - part).max() <= 1


@pytest.mark.parametrize("window", [(0, 0, 97, 1), (96, 0, 1, 1), (0, 90, 1, 7), (-1, 0, 1, 1), (0, 0, 0, 1)])
def test_a_window_outside_the_picture_is_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(PictureError, match="is not within"):
        shot(CHART, (96, 96), window=window)


# ── Scenes ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_scene_is_cut_to_the_shape_of_the_sensor_and_never_made_larger() -> None:
    scene = chart(400, 300)
    assert scene.fit(4000, 3000).shape == (300, 400, 3)
    assert scene.fit(160, 90).shape == (90, 160, 3)
    assert scene.fit(1000, 1000).shape == (300, 300, 3)
    assert np.array_equal(scene.fit(1000, 1000), scene.picture[:, 50:350])


def test_a_photograph_is_read_upright(tmp_path: Path) -> None:
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:5] = 200
    exif = Image.Exif()
    exif[274] = 6  # to be turned to the right
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    read = photograph(tmp_path / "a.png")
    assert read.picture.shape == (30, 20, 3)
    assert read.picture[0, -1].tolist() == [200] * 3
    assert read.picture[0, 0].tolist() == [0] * 3
    assert read.name == "a.png"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1"])
def test_photographs_of_every_kind_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (8, 6)).save(path)
    assert photograph(path).picture.shape == (6, 8, 3)


def test_a_file_that_is_no_picture_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="there is no file"):
        photograph(tmp_path / "none.png")
    good = tmp_path / "good.jpg"
    Image.fromarray(chart(64, 48).picture).save(good)
    rng = random.Random(1)
    for i in range(60):
        data = bytearray(good.read_bytes()[: rng.randrange(1, 3000)])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(data)
        with suppress(PictureError):
            photograph(path)


def test_a_file_with_too_many_pixels_is_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 11_000)).save(path)
    with pytest.raises(PictureError, match="more than 128000000"):
        photograph(path)
