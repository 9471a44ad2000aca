"""Negatives, opened by LibRaw and by tifffile, which know nothing of ours; and a photograph all the way through.

Plan: the whole way · samples and patterns · what is told · quad filters · the preview · odd frames · a hundred million
pixels.
"""

import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rawpy
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from PIL import Image

from opalink.protocol.codec import Tlv
from opalink.protocol.packets import (
    BlockRange,
    CfaPattern,
    Compression,
    FrameExposure,
    FrameTrailer,
    IdentityRecord,
    OisSample,
    OisSamples,
    OpticsRecord,
    PixelFormat,
    PropertyTag,
)
from opalink.protocol.picture.assembly import Assembler
from opalink.protocol.picture.colour import LIGHT, REFERENCE, codes
from opalink.protocol.picture.dng import NAMESPACE, Story, write_dng
from opalink.protocol.picture.formats import PictureError, filters, raw_format
from opalink.protocol.picture.packing import unpack
from opalink.protocol.picture.preview import preview, write_preview
from opalink.protocol.picture.raw import RawPicture, remosaic
from opalink.protocol.picture.scene import Codes, Scene, chart, photograph
from opalink.spec.limits import BLOCK_DATA
from tests.picture_frames import EXPOSURE, GAIN, blocks_of, crc_of, leader_of, sensor_record, shot, trailer_of

SIZE = (800, 600)
CHART = chart(*SIZE)
QUAD = CfaPattern.QUAD_RGGB
FORMATS = (
    (PixelFormat.BAYER_RG14P, CfaPattern.RGGB),
    (PixelFormat.BAYER_GR10P, CfaPattern.GRBG),
    (PixelFormat.BAYER_GB12P, CfaPattern.GBRG),
    (PixelFormat.BAYER_BG16, CfaPattern.BGGR),
)


def psnr(a: Codes, b: Codes) -> float:
    """Peak signal to noise ratio of two pictures of 8-bit codes, in dB, over all channels."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def arrived(
    scene: Scene = CHART,
    size: tuple[int, int] = SIZE,
    pixel_format: PixelFormat = PixelFormat.BAYER_RG14P,
    cfa: CfaPattern = CfaPattern.RGGB,
    **options: Any,
) -> RawPicture:
    """A frame that has come through the assembler, its blocks in no order and some twice."""
    taken = shot(scene, size, pixel_format, cfa, **options)
    x, y, *_ = options.get("window") or (0, 0)
    leader = leader_of(taken, pixel_format, x=x, y=y)
    blocks = list(blocks_of(taken, leader))
    frame = Assembler(leader.frame)
    frame.lead(leader)
    random.Random(1).shuffle(blocks)
    frame.put_all([*blocks, *blocks[:3]])
    frame.trail(trailer_of(taken, leader, crc_of(taken.read(0, taken.bytes))))
    assert frame.filled
    assert frame.crc_good is True
    return RawPicture(leader, frame.data, cfa, sensor_record(pixel_format, cfa), frame.trailer)


def developed(path: Path) -> Codes:
    """By LibRaw, with the white balance of the file and nothing automatic."""
    with rawpy.imread(str(path)) as raw:
        return raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0.0, gamma=(2.4, 12.92), user_flip=0
        )


# PSNR in dB by gain and noise, a little below what was measured with LibRaw 0.22.2: 38.37, 36.21, 32.77, 27.50.
FLOORS = ((100, False, 38), (100, True, 35.8), (400, True, 32.4), (1600, True, 27.1))

# ── The whole way ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("gain", "noisy", "least"), FLOORS)
def test_the_developed_picture_matches_the_scene(tmp_path: Path, gain: int, noisy: bool, least: float) -> None:
    """Light to samples to blocks to a file to LibRaw's colours: what is lost is noise and the filters' resolution."""
    write_dng(tmp_path / "a.dng", arrived(gain=gain, noisy=noisy))
    assert psnr(developed(tmp_path / "a.dng"), CHART.picture) >= least


@pytest.mark.parametrize(("pixel_format", "cfa"), FORMATS)
def test_every_order_of_filters_keeps_its_colours(tmp_path: Path, pixel_format: PixelFormat, cfa: CfaPattern) -> None:
    write_dng(tmp_path / "a.dng", arrived(pixel_format=pixel_format, cfa=cfa, noisy=False))
    assert psnr(developed(tmp_path / "a.dng"), CHART.picture) >= 38


def test_a_photograph_goes_through(tmp_path: Path) -> None:
    """From a JPEG file that somebody names, larger than the sensor and of another shape."""
    Image.fromarray(chart(1500, 900).picture).save(tmp_path / "photo.jpg", quality=95)
    scene = photograph(tmp_path / "photo.jpg")
    write_dng(tmp_path / "a.dng", arrived(scene, (640, 480)))
    assert psnr(developed(tmp_path / "a.dng"), scene.fit(640, 480)) >= 33.5  # 33.9 was measured


def test_a_monochrome_sensor_shows_brightness(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", arrived(pixel_format=PixelFormat.MONO12P, cfa=CfaPattern.MONO, noisy=False))
    grey = codes(LIGHT[CHART.picture] @ np.array([0.2126, 0.7152, 0.0722], np.float32))
    assert psnr(developed(tmp_path / "a.dng").squeeze(), grey) >= 50


# ── Samples and patterns ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("pixel_format", "cfa"), FORMATS)
def test_libraw_reads_the_very_samples(tmp_path: Path, pixel_format: PixelFormat, cfa: CfaPattern) -> None:
    picture = arrived(pixel_format=pixel_format, cfa=cfa)
    write_dng(tmp_path / "a.dng", picture)
    depth = raw_format(pixel_format).depth
    samples = unpack(picture.data, depth).reshape(SIZE[1], SIZE[0])
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert np.array_equal(raw.raw_image_visible, samples)
        letters = raw.color_desc.decode()
        assert "".join(letters[c] for c in raw.raw_pattern.ravel()) == cfa.name
        assert raw.black_level_per_channel == [picture.levels.black] * 4
        assert raw.white_level == picture.levels.white
        balance = np.array(raw.camera_whitebalance[:3]) * REFERENCE.neutral
        assert np.allclose(balance, balance[1], rtol=1e-4)


@pytest.mark.parametrize("window", [(1, 0, 100, 80), (0, 1, 100, 80), (3, 5, 101, 79), (2, 4, 100, 80)])
@pytest.mark.parametrize("cfa", [CfaPattern.RGGB, QUAD])
def test_a_window_has_the_colours_of_its_place(tmp_path: Path, window: tuple[int, ...], cfa: CfaPattern) -> None:
    """One flat colour: were the filters taken for others, it would be another."""
    red = Scene(np.full((90, 120, 3), (200, 90, 40), np.uint8))
    write_dng(tmp_path / "a.dng", arrived(red, (120, 90), cfa=cfa, window=window, noisy=False))
    middle = developed(tmp_path / "a.dng")[20:-20, 20:-20]
    assert np.abs(middle.mean(axis=(0, 1)) - (200, 90, 40)).max() < 1.5


def test_each_place_has_its_own_black_level(tmp_path: Path) -> None:
    picture = arrived(pixel_format=PixelFormat.BAYER_GB12P, cfa=CfaPattern.GBRG)
    trailer = FrameTrailer(frame=7, black_r=100, black_gr=110, black_gb=120, black_b=130)
    assert structs.replace(picture, trailer=trailer).black == (120, 130, 100, 110)
    assert structs.replace(picture, trailer=None).black == (256, 256, 256, 256)
    write_dng(tmp_path / "a.dng", structs.replace(picture, trailer=trailer))
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert file.pages.first.tags["BlackLevel"].value == (120, 130, 100, 110)


_SMALL = arrived(size=(64, 48))

# ── What is told ─────────────────────────────────────────────────────────────────────────────────────

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
Told = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
TAKEN = int(datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC).timestamp()) * 10**9 + 7_654_321
STORY = Story(
    identity=IdentityRecord(vendor_name=b"Example", model_name="Bär 1\n".encode(), serial=b"A-17".ljust(16, b"\0")),
    optics=OpticsRecord(focal_min=17_500, focal_max=17_500, av_min=256, av_max=1792),
    taken=TAKEN,
    track=tuple(OisSamples(n * 10**6, 5 * 10**5, (OisSample(n, -n, 7), OisSample(n, 2, 3))) for n in range(60)),
)


def told(path: Path) -> Told:
    """Tags of the first directory, of EXIF, and our properties in XMP."""
    with tifffile.TiffFile(path) as file:
        tags = {t.name: t.value for t in file.pages.first.tags}
    root = ET.fromstring(tags["XMP"])  # noqa: S314 (written a moment ago)
    found: dict[str, Any] = {}
    for item in root.iter():
        if item.tag.startswith(f"{{{NAMESPACE}}}"):
            listed = [tuple(map(int, li.text.split())) for li in item.iter(f"{{{RDF}}}li") if li.text]
            found[item.tag.partition("}")[2]] = listed or int(item.text or "")
    return tags, tags["ExifTag"], found


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Told:
    picture = arrived(gain=400)
    settings_ = (
        Tlv(PropertyTag.APERTURE, 1024), Tlv(PropertyTag.FOCUS_POSITION, 250), Tlv(PropertyTag.FOCAL_LENGTH, 25_000)
    )  # fmt: skip
    leader = structs.replace(
        picture.leader, t_first_row=20_250_000, line_period=10**7, request=5, step=2, settings=settings_
    )
    assert picture.trailer is not None
    trailer = structs.replace(
        picture.trailer,
        t_last_row=26_250_000,
        temperature=-35,
        ois_x_min=-4,
        ois_y_max=9,
        exposures=(FrameExposure(12_345_678, 410),),
    )
    path = tmp_path_factory.mktemp("dng") / "a.dng"
    write_dng(path, structs.replace(picture, leader=leader, trailer=trailer, missing=(BlockRange(3, 2),)), STORY)
    return told(path)


def test_exposure_and_gain_are_those_that_were_measured(full: Told) -> None:
    _, exif, opal = full
    numerator, denominator = exif["ExposureTime"]
    assert numerator / denominator == pytest.approx(0.012345678, rel=1e-9)
    assert exif["ISOSpeedRatings"] == 410
    assert opal["Exposures"] == [(12_345_678, 410)]


def test_an_exposure_of_many_seconds_keeps_its_nanoseconds(tmp_path: Path) -> None:
    leader = structs.replace(_SMALL.leader, exposures=(FrameExposure(30_000_000_001, 100),))
    write_dng(tmp_path / "a.dng", structs.replace(_SMALL, leader=leader))
    numerator, denominator = told(tmp_path / "a.dng")[1]["ExposureTime"]
    assert abs(numerator / denominator * 10**9 - 30_000_000_001) <= 1


def test_times_are_told_in_utc_and_on_the_link(full: Told) -> None:
    tags, exif, opal = full
    assert tags["DateTime"] == exif["DateTimeOriginal"] == "2031:05:04 03:02:01"
    assert exif["SubsecTimeOriginal"] == "007654321"
    assert exif["OffsetTimeOriginal"] == "+00:00"
    assert (opal["LinkTime"], opal["LastRowTime"], opal["LinePeriod"]) == (20_250_000, 26_250_000, 10**7)


def test_the_lens_is_told(full: Told) -> None:
    tags, exif, _ = full
    assert [a / b for a, b in zip(*[iter(tags["LensInfo"])] * 2, strict=True)] == [17.5, 17.5, 1.4, 1.4]
    assert exif["LensSpecification"] == tags["LensInfo"]
    assert (exif["FNumber"], exif["FocalLength"], exif["SubjectDistance"]) == ((4, 1), (25, 1), (4, 1))
    assert (exif["LensMake"], exif["LensModel"]) == ("Example", "B?r 1?")


def test_the_camera_is_told_in_printable_ascii(full: Told) -> None:
    tags, _, _ = full
    assert (tags["Make"], tags["Model"], tags["CameraSerialNumber"]) == ("Example", "B?r 1?", "A-17")
    assert tags["UniqueCameraModel"] == "Example B?r 1?"
    assert tuple(tags["DNGVersion"]) == (1, 4, 0, 0)


def test_the_colours_are_told(full: Told) -> None:
    tags, _, _ = full
    matrix = [a / b for a, b in zip(*[iter(tags["ColorMatrix1"])] * 2, strict=True)]
    assert matrix == pytest.approx(REFERENCE.matrix, abs=1e-4)
    assert tags["CalibrationIlluminant1"] == 21  # D65
    neutral = [a / b for a, b in zip(*[iter(tags["AsShotNeutral"])] * 2, strict=True)]
    assert neutral == pytest.approx(REFERENCE.neutral)


def test_the_track_covers_the_exposure_and_one_sample_more_on_each_side(full: Told) -> None:
    _, _, opal = full
    start, stop = 20_250_000, 26_250_000 + 12_345_678
    want = [
        (n * 10**6 + half - start, n, 2 if half else -n, 3 if half else 7)
        for n in range(60)
        for half in (0, 500_000)
        if start - 500_000 < n * 10**6 + half < stop + 500_000
    ]
    assert opal["OisTrack"] == want
    assert want[0][0] < 0 < want[1][0]
    assert want[-2][0] <= stop - start < want[-1][0]
    assert opal["OisRange"] == [(-4, 0, 0, 9)]


def test_what_is_missing_is_told(full: Told) -> None:
    _, _, opal = full
    assert (opal["MissingBlocks"], opal["BlockBytes"]) == ([(3, 2)], BLOCK_DATA)
    assert (opal["Request"], opal["Step"], opal["SensorTemperature"], opal["Frame"]) == (5, 2, -35, 7)


def test_a_frame_of_which_nothing_else_is_known_is_written(tmp_path: Path) -> None:
    picture = arrived()
    write_dng(tmp_path / "a.dng", structs.replace(picture, trailer=None))
    tags, exif, opal = told(tmp_path / "a.dng")
    assert tags["UniqueCameraModel"] == "unknown camera module"
    assert (exif["ExposureTime"], exif["ISOSpeedRatings"]) == ((EXPOSURE // 10**7, 100), GAIN)
    assert not {"DateTimeOriginal", "FNumber", "LensModel"} & exif.keys()
    assert not {"OisTrack", "OisRange", "MissingBlocks"} & opal.keys()
    assert psnr(developed(tmp_path / "a.dng"), CHART.picture) >= 36


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    exposure=st.integers(1, 2**64 - 1),
    gain=st.integers(1, 0xFFFF),
    aperture=st.integers(-(2**15), 2**15 - 1),
    focus=st.integers(-(2**31), 2**31 - 1),
    focal=st.integers(1, 2**32 - 1),
    start=st.integers(0, 2**64 - 1),
    taken=st.none() | st.integers(-(2**63), 2**63 - 1),
    name=st.binary(max_size=64),
    serial=st.binary(min_size=16, max_size=16),
)
def test_whatever_a_module_says_of_itself_the_file_opens(
    tmp_path: Path, exposure: int, gain: int, aperture: int, focus: int, focal: int, start: int, taken: int | None,
    name: bytes, serial: bytes,
) -> None:  # fmt: skip
    tags = (PropertyTag.APERTURE, aperture), (PropertyTag.FOCUS_POSITION, focus), (PropertyTag.FOCAL_LENGTH, focal)
    leader = structs.replace(
        _SMALL.leader,
        t_first_row=start,
        exposures=(FrameExposure(exposure, gain),),
        settings=(*(Tlv(*t) for t in tags), Tlv(0x7F01, b"unknown")),
    )
    identity = IdentityRecord(vendor_name=name, model_name=name[::-1], serial=serial)
    optics = OpticsRecord(focal_min=focal, focal_max=focal, av_min=aperture, av_max=aperture)
    track = (OisSamples(start, 2**32 - 1, (OisSample(),) * 2),)
    write_dng(tmp_path / "a.dng", structs.replace(_SMALL, leader=leader), Story(identity, optics, taken, track))
    _, exif, opal = told(tmp_path / "a.dng")
    assert opal["LinkTime"] == start
    assert exif["ISOSpeedRatings"] == gain
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.raw_image_visible.shape == (48, 64)


# ── Quad filters ─────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 3), st.integers(0, 3), st.integers(-40, 40), st.integers(-40, 40))
def test_even_slopes_survive_the_change_of_filters(x: int, y: int, across: int, down: int) -> None:
    """Three planes, one a colour: under single filters each pixel lies on the plane of its own colour."""
    rows, columns = np.mgrid[0:40, 0:40]
    planes = [20_000 + 3000 * c + (1 + c) * (across * columns + down * rows) for c in range(3)]
    quad, single = filters(QUAD, x, y), filters(CfaPattern.RGGB, x, y)
    under = [np.choose(np.array(f)[rows % len(f), columns % len(f)], planes).astype(np.uint16) for f in (quad, single)]
    found = remosaic(under[0], quad, single)
    assert np.abs(found.astype(int) - under[1])[2:-2, 2:-2].max() <= 1


def test_bands_of_a_quad_picture_join_without_a_seam() -> None:
    size = (4096, 400)  # four bands
    picture = arrived(size=size, cfa=QUAD)
    assert picture.rows * 3 < size[1]
    whole = remosaic(picture.read(0, 400), filters(QUAD), filters(CfaPattern.RGGB))
    assert np.array_equal(np.concatenate([s for _, s in picture.bands()]), whole)


def test_a_picture_under_quad_filters_is_developed(tmp_path: Path) -> None:
    """As a hundred million pixels have it: more of them than the scene has detail."""
    scene = chart(400, 300)
    picture = arrived(scene, (1600, 1200), cfa=QUAD, noisy=False)
    write_dng(tmp_path / "a.dng", picture)
    small = Image.fromarray(developed(tmp_path / "a.dng")).resize((400, 300), Image.Resampling.BOX)
    assert psnr(np.asarray(small), scene.picture) >= 36


def test_a_picture_too_small_for_quad_filters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="3 by 8 pixels is too small"):
        write_dng(tmp_path / "a.dng", arrived(size=(3, 8), cfa=QUAD))


# ── The preview ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("pixel_format", "cfa"), [*FORMATS, (PixelFormat.BAYER_RG14P, QUAD)])
def test_the_preview_looks_like_the_scene(tmp_path: Path, pixel_format: PixelFormat, cfa: CfaPattern) -> None:
    scene = chart(200, 150)
    picture = arrived(scene, (1600, 1200), pixel_format, cfa)
    write_preview(tmp_path / "a.png", picture, edge=200)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (200, 150)
        assert psnr(np.asarray(image), scene.picture) >= 36


@pytest.mark.parametrize("size", [(2, 2), (3, 2), (7, 5), (2, 900), (900, 3), (801, 601)])
@pytest.mark.parametrize("edge", [1, 7, 100, 5000])
def test_a_flat_scene_has_a_flat_preview_of_any_size(size: tuple[int, int], edge: int) -> None:
    grey = Scene(np.full((4, 4, 3), (120, 130, 60), np.uint8))
    found = preview(arrived(grey, size, noisy=False), edge=edge)
    assert max(found.shape) <= max(edge, -(-max(size) // min(size)) * 2, 3)
    assert np.abs(found.astype(int) - (120, 130, 60)).max() <= 1


def test_a_preview_needs_a_cell() -> None:
    with pytest.raises(PictureError, match="too small"):
        preview(arrived(size=(1, 8)))


# ── Odd frames ───────────────────────────────────────────────────────────────────────────────────────


def test_what_has_no_samples_is_refused() -> None:
    picture = arrived()
    for wrong, why in (
        ({"codec": Compression.JPEG_XS}, "compressed"),
        ({"pixel_format": PixelFormat.RGB8}, "do not agree|bits are"),
        ({"width": 801}, "bits are"),
    ):
        with pytest.raises(PictureError, match=why):
            structs.replace(picture, leader=structs.replace(picture.leader, **wrong))
    with pytest.raises(PictureError, match="bytes, not"):
        structs.replace(picture, data=picture.data[:-1])
    assert picture.trailer is not None
    with pytest.raises(PictureError, match="is black at"):
        structs.replace(picture, trailer=structs.replace(picture.trailer, black_b=0xFFFF))


def test_rgb_frames_have_no_negative() -> None:
    picture = arrived(size=(16, 8))
    leader = structs.replace(picture.leader, pixel_format=PixelFormat.RGB8, size=16 * 8 * 3)
    with pytest.raises(PictureError, match="not raw"):
        RawPicture(leader, bytes(16 * 8 * 3), CfaPattern.RGGB, picture.sensor)


# ── A hundred million pixels ─────────────────────────────────────────────────────────────────────────

_HUNDRED = """
    from pathlib import Path
    from resource import RUSAGE_SELF, getrusage
    from sys import argv

    from fastcrc import crc32

    from opalink.protocol.packets import CfaPattern, PixelFormat
    from opalink.protocol.picture.assembly import Assembler
    from opalink.protocol.picture.dng import write_dng
    from opalink.protocol.picture.preview import write_preview
    from opalink.protocol.picture.raw import RawPicture
    from opalink.protocol.picture.scene import chart
    from tests.picture_frames import blocks_of, leader_of, sensor_record, shot, trailer_of

    scene, form, cfa = chart(800, 600), PixelFormat.BAYER_RG14P, CfaPattern.QUAD_RGGB
    before = getrusage(RUSAGE_SELF).ru_maxrss
    taken = shot(scene, (11_552, 8664), form, cfa)
    leader, crc = leader_of(taken, form), 0
    frame = Assembler(leader.frame)
    frame.lead(leader)
    for block in blocks_of(taken, leader):
        crc = crc32.iscsi(block.data, crc)
        frame.put(block)
    frame.trail(trailer_of(taken, leader, crc))
    assert frame.filled and frame.crc_good
    picture = RawPicture(leader, frame.data, cfa, sensor_record(form, cfa), frame.trailer)
    write_dng(Path(argv[1]), picture)
    write_preview(Path(argv[1]).with_suffix(".png"), picture)
    print(taken.bytes >> 10, getrusage(RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_hundred_million_pixels_stand_in_memory_once(tmp_path: Path) -> None:
    """Sensor, blocks, assembly, negative and preview in one process; beside the packed frame, bands."""
    path = tmp_path / "a.dng"
    command = [sys.executable, "-c", dedent(_HUNDRED), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    assert run.returncode == 0, run.stderr
    packed, grown = map(int, run.stdout.split())  # KiB
    assert packed == 11_552 * 8664 * 14 // 8 >> 10
    assert grown < packed + (64 << 10)
    with rawpy.imread(str(path)) as raw:
        assert (raw.sizes.raw_width, raw.sizes.raw_height) == (11_552, 8664)
