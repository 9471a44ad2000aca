"""The negative: a frame as a DNG file, version 1.4 (Adobe, Digital Negative Specification), with what is known of it.

Plan: what is known beside the frame · the file · tags: samples, colour, the camera · EXIF · XMP.

Pillow lays out tags and directories; the samples go after them in strips, a band at a time, 16 bits each. tifffile
refuses to write an EXIF directory, PiDNG makes the whole file in memory, exiv2 is GPL. Pictures under quad filters are
written under single ones: LibRaw takes a pattern of 4 by 4 for another.

What no standard tag holds is an XMP property of the namespace NAMESPACE, every number an integer in the unit of the
wire: Frame, Request, Stream, Step; LinkTime and LastRowTime (link time of the first and last row's exposure, ns),
LinePeriod (ps), RowDirection; SensorTemperature (0.1 degC); Exposures ("time gain", ns and 0.01, as measured if that
came); OisRange ("x_min x_max y_min y_max", 0.1 um); OisTrack ("time x y roll": ns after LinkTime, 0.1 um, 0.1 um,
0.001 deg); MissingBlocks ("first count"), with BlockBytes; FrameResult and FrameReason.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from msgspec import Struct

from opalink.protocol.packets import (
    CfaPattern,
    IdentityRecord,
    OisSamples,
    OpticsRecord,
    PropertyTag,
)
from opalink.protocol.picture.colour import D65, REFERENCE, Colour
from opalink.protocol.picture.formats import PictureError
from opalink.protocol.picture.libraries import TiffImagePlugin, TiffTags
from opalink.protocol.picture.raw import RawPicture

NAMESPACE: Final = "urn:x-opal:picture:1#"
ISO_OF_UNITY: Final = 100  # the sensitivity at gain 1: OPAL declares none
TRACK: Final = 65_536  # samples of the stabiliser that are written at most: a minute at 1 kHz
_FILE: Final = 0xFFFF_FFFF  # TIFF's offsets have 32 bits
_VERSION: Final = b"\1\4\0\0"
_READER: Final = b"\1\1\0\0"  # the oldest that can read it
_CFA, _LINEAR_RAW = 32803, 34892  # photometric interpretations
_SECOND: Final = 1_000_000_000

# ── What is known ────────────────────────────────────────────────────────────────────────────────────


class Story(Struct, frozen=True):
    """What a phone knows of a frame beside its packets. `taken` is UTC in nanoseconds since 1970-01-01, without leap
    seconds, at which its first row's exposure started."""

    identity: IdentityRecord | None = None
    optics: OpticsRecord | None = None
    taken: int | None = None
    track: tuple[OisSamples, ...] = ()
    colour: Colour = REFERENCE
    software: str = "opalink"


_NOTHING: Final = Story()


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────


def write_dng(path: Path, picture: RawPicture, story: Story = _NOTHING) -> None:
    """Write a frame as DNG. Raises PictureError for one that does not fit a file, OSError."""
    strips = [min(picture.rows, picture.height - top) for top in range(0, picture.height, picture.rows)]
    sizes = [2 * rows * picture.width for rows in strips]
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag, kind, value in _tags(picture, story, sizes):
        directory.tagtype[tag] = kind
        directory[tag] = value
    if sum(sizes) + len(directory.tobytes(8)) > _FILE:
        raise PictureError(f"a picture of {picture.width} by {picture.height} pixels does not fit a DNG file")
    with path.open("wb") as file:
        directory.save(file)
        for _, samples in picture.bands():
            file.write(samples.astype("<u2", copy=False).data)


_Tag = tuple[int, int, Any]
_BYTE, _ASCII, _SHORT, _LONG = TiffTags.BYTE, TiffTags.ASCII, TiffTags.SHORT, TiffTags.LONG
_RATIONAL, _SRATIONAL, _UNDEFINED = TiffTags.RATIONAL, TiffTags.SIGNED_RATIONAL, TiffTags.UNDEFINED
_ratio = TiffImagePlugin.IFDRational


def _tags(picture: RawPicture, story: Story, sizes: list[int]) -> Iterator[_Tag]:
    yield from _samples(picture, sizes)
    yield from _camera(picture, story)
    yield 700, _BYTE, _xmp(picture, story)
    yield 34665, _LONG, dict(_exif(picture, story))
    yield 50706, _BYTE, _VERSION
    yield 50707, _BYTE, _READER


# ── Tags ─────────────────────────────────────────────────────────────────────────────────────────────


def _samples(picture: RawPicture, sizes: list[int]) -> Iterator[_Tag]:
    """Where the samples are, and how they are to be read."""
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]
    mono = picture.cfa is CfaPattern.MONO
    yield 254, _LONG, 0  # NewSubfileType: the picture itself
    yield 256, _LONG, picture.width
    yield 257, _LONG, picture.height
    yield 258, _SHORT, 16
    yield 259, _SHORT, 1  # Compression: none
    yield 262, _SHORT, _LINEAR_RAW if mono else _CFA
    yield 273, _LONG, tuple(offsets)  # Pillow adds where the directories end
    yield 274, _SHORT, 1  # Orientation
    yield 277, _SHORT, 1
    yield 278, _LONG, picture.rows
    yield 279, _LONG, tuple(sizes)
    yield 284, _SHORT, 1  # PlanarConfiguration
    yield 50717, _LONG, picture.levels.white
    if mono:
        yield 50714, _LONG, picture.black[0]
        return
    yield 33421, _SHORT, (2, 2)  # CFARepeatPatternDim
    yield 33422, _BYTE, bytes(c for row in picture.filters for c in row)
    yield 50710, _BYTE, b"\0\1\2"  # CFAPlaneColor
    yield 50711, _SHORT, 1  # CFALayout: rectangular
    yield 50713, _SHORT, (2, 2)  # BlackLevelRepeatDim
    yield 50714, _LONG, picture.black


def _camera(picture: RawPicture, story: Story) -> Iterator[_Tag]:
    """Which camera it was, and its colours."""
    maker, model = _names(story)
    yield 271, _ASCII, maker
    yield 272, _ASCII, model
    yield 305, _ASCII, story.software
    yield 50708, _ASCII, f"{maker} {model}"  # UniqueCameraModel
    if story.identity and any(story.identity.serial):
        yield 50735, _ASCII, _serial(story.identity)
    if story.taken is not None:
        yield 306, _ASCII, _clock(story.taken)
    if story.optics:
        yield 50736, _RATIONAL, _lens(story.optics)
    if picture.cfa is not CfaPattern.MONO:
        yield 50721, _SRATIONAL, tuple(_ratio(round(x * 10_000), 10_000) for x in story.colour.matrix)
        yield 50728, _RATIONAL, tuple(_ratio(round(x * 10_000), 10_000) for x in story.colour.neutral)
        yield 50778, _SHORT, D65


def _names(story: Story) -> tuple[str, str]:
    identity = story.identity
    maker = _text(identity.vendor_name) if identity else ""
    model = _text(identity.model_name) if identity else ""
    return maker or "unknown", model or "camera module"


def _text(data: bytes) -> str:
    """What a module calls itself, as EXIF may say it: printable ASCII."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in bytes(data).decode(errors="replace")).strip()


def _serial(identity: IdentityRecord) -> str:
    """As text where it is some, padded with zeros, and else as hexadecimal digits."""
    plain = bytes(identity.serial).rstrip(b"\0")
    return plain.decode() if plain.isascii() and plain.decode().isprintable() else bytes(identity.serial).hex()


def _f_number(av: int) -> Any:
    return _ratio(round(10 * 2 ** (av / 512)), 10)  # twice the binary logarithm, in 1/256


def _lens(optics: OpticsRecord) -> tuple[Any, ...]:
    """Least and greatest focal length in mm, and the widest aperture, which is that of both."""
    return (
        _ratio(optics.focal_min, 1000),
        _ratio(optics.focal_max, 1000),
        _f_number(optics.av_min),
        _f_number(optics.av_min),
    )


# ── EXIF ─────────────────────────────────────────────────────────────────────────────────────────────


def _clock(taken: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=taken // _SECOND)).strftime("%Y:%m:%d %H:%M:%S")


def _exif(picture: RawPicture, story: Story) -> Iterator[tuple[int, Any]]:
    """How it was taken; the type of each value follows from what it is (Exif 2.32)."""
    trailer, settings = picture.trailer, {t.tag: t.value for t in picture.leader.settings}
    exposure = (trailer.exposures if trailer and trailer.exposures else picture.leader.exposures)[0]
    yield 36864, b"0232"  # ExifVersion
    yield 33434, _ratio(exposure.time, _SECOND)
    yield 34855, min(ISO_OF_UNITY * exposure.gain // 100, 0xFFFF)  # PhotographicSensitivity
    yield 34864, 3  # SensitivityType: ISO speed
    if story.taken is not None:
        yield 36867, _clock(story.taken)  # DateTimeOriginal
        yield 36881, "+00:00"  # OffsetTimeOriginal
        yield 37521, f"{story.taken % _SECOND:09}"  # SubSecTimeOriginal
    aperture, focal, focus = (
        settings.get(tag) for tag in (PropertyTag.APERTURE, PropertyTag.FOCAL_LENGTH, PropertyTag.FOCUS_POSITION)
    )
    if story.optics and story.optics.av_min == story.optics.av_max and aperture is None:
        aperture = story.optics.av_min
    if isinstance(aperture, int):
        yield 33437, _f_number(aperture)
    if story.optics and story.optics.focal_min == story.optics.focal_max and focal is None:
        focal = story.optics.focal_min
    if isinstance(focal, int):
        yield 37386, _ratio(focal, 1000)  # FocalLength, mm
    if isinstance(focus, int) and focus >= 0:
        yield 37382, _ratio(1000, focus) if focus else _ratio(0xFFFF_FFFF, 1)  # SubjectDistance, m
    if story.optics:
        yield 42034, _lens(story.optics)  # LensSpecification
        yield 42035, _names(story)[0]  # LensMake
        yield 42036, _names(story)[1]  # LensModel: it is one with the camera


# ── XMP ──────────────────────────────────────────────────────────────────────────────────────────────

_META: Final = "adobe:ns:meta/"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def _xmp(picture: RawPicture, story: Story) -> bytes:
    """What the module's head describes, as an XMP packet."""
    for prefix, uri in (("x", _META), ("rdf", _RDF), ("opal", NAMESPACE)):
        ET.register_namespace(prefix, uri)
    root = ET.Element(f"{{{_META}}}xmpmeta")
    about = ET.SubElement(ET.SubElement(root, f"{{{_RDF}}}RDF"), f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})
    for name, value in _properties(picture, story):
        item = ET.SubElement(about, f"{{{NAMESPACE}}}{name}")
        if isinstance(value, int):
            item.text = str(int(value))
            continue
        listed = ET.SubElement(item, f"{{{_RDF}}}Seq")
        for row in value:
            ET.SubElement(listed, f"{{{_RDF}}}li").text = " ".join(str(int(x)) for x in row)
    head, tail = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n', b'\n<?xpacket end="r"?>'
    return head + ET.tostring(root) + tail


def _properties(picture: RawPicture, story: Story) -> Iterator[tuple[str, int | Sequence[tuple[int, ...]]]]:
    leader, trailer = picture.leader, picture.trailer
    yield "Frame", leader.frame
    yield "Request", leader.request
    yield "Stream", leader.stream
    yield "Step", leader.step
    yield "LinkTime", leader.t_first_row
    yield "LinePeriod", leader.line_period
    yield "RowDirection", leader.row_direction
    exposures = trailer.exposures if trailer and trailer.exposures else leader.exposures
    yield "Exposures", [(e.time, e.gain) for e in exposures]
    last = leader.t_first_row + leader.line_period * (leader.height - 1) // 1000
    if trailer:
        last = trailer.t_last_row
        yield "LastRowTime", trailer.t_last_row
        yield "SensorTemperature", trailer.temperature
        yield "OisRange", [(trailer.ois_x_min, trailer.ois_x_max, trailer.ois_y_min, trailer.ois_y_max)]
        yield "FrameResult", trailer.result
        yield "FrameReason", trailer.reason
    track = list(_track(story.track, leader.t_first_row, last + max(e.time for e in exposures)))
    if track:
        yield "OisTrack", track
    if picture.missing:
        yield "BlockBytes", leader.block_bytes
        yield "MissingBlocks", [(r.first, r.count) for r in picture.missing]


def _track(batches: tuple[OisSamples, ...], start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """The stabiliser's samples while anything was exposed, and the one before and after, by time from `start`."""
    left = TRACK
    for batch in sorted(batches, key=lambda b: b.t0):
        for i, sample in enumerate(batch.samples):
            at = batch.t0 + i * batch.dt
            if start - batch.dt < at < stop + batch.dt and left:
                left -= 1
                yield at - start, sample.x, sample.y, sample.roll
