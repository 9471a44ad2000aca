"""A sensor's frame as the packets that carry it, for tests of pictures.

Plan: the sensor and its modes · a frame as packets.
"""

from collections.abc import Iterator

from fastcrc import crc32

from opalink.protocol.packets import (
    BitDepth,
    BlockFlags,
    CfaPattern,
    FrameBlock,
    FrameExposure,
    FrameLeader,
    FrameTrailer,
    PixelFormat,
    SensorMode,
    SensorRecord,
)
from opalink.protocol.picture.formats import raw_format
from opalink.protocol.picture.scene import Scene
from opalink.protocol.picture.sensor import Shot, sensor_of
from opalink.spec.limits import BLOCK_DATA

EXPOSURE, GAIN = 10_000_000, 100


def sensor_record(pixel_format: PixelFormat, cfa: CfaPattern) -> SensorRecord:
    """A sensor whose greatest depth is that of a format, with levels in the proportion of the profiles'."""
    depth = raw_format(pixel_format).depth
    black, white = (1 << depth) // 16, (1 << depth) * 125 // 128
    depths = BitDepth[f"RAW{depth}"]
    return SensorRecord(depths=depths, cfa=cfa, pitch=1498, black_level=black, white_level=white, gain_switch=400)


def shot(
    scene: Scene,
    size: tuple[int, int],
    pixel_format: PixelFormat = PixelFormat.BAYER_RG14P,
    cfa: CfaPattern = CfaPattern.RGGB,
    *,
    gain: int = GAIN,
    noisy: bool = True,
    window: tuple[int, int, int, int] | None = None,
) -> Shot:
    mode = SensorMode(width=size[0], height=size[1], cfa=cfa, pixel_format=pixel_format, binning=1)
    sensor = sensor_of(sensor_record(pixel_format, cfa), mode)
    return Shot(scene, sensor, size, exposure=EXPOSURE, gain=gain, window=window, frame=7, seed=1, noisy=noisy)


def leader_of(taken: Shot, pixel_format: PixelFormat, *, x: int = 0, y: int = 0) -> FrameLeader:
    return FrameLeader(
        frame=7,
        pixel_format=pixel_format,
        width=taken.width,
        height=taken.height,
        x=x,
        y=y,
        blocks=-(-taken.bytes // BLOCK_DATA),
        block_bytes=BLOCK_DATA,
        size=taken.bytes,
        exposures=(FrameExposure(EXPOSURE, taken.gain),),
    )


def blocks_of(taken: Shot, leader: FrameLeader) -> Iterator[FrameBlock]:
    for n in range(leader.blocks):
        last = BlockFlags.LAST if n == leader.blocks - 1 else BlockFlags(0)
        yield FrameBlock(frame_lo=7, block=n, flags=last, data=taken.read(n * BLOCK_DATA, BLOCK_DATA))


def trailer_of(taken: Shot, leader: FrameLeader, crc: int) -> FrameTrailer:
    black = taken.sensor.levels.black
    return FrameTrailer(
        frame=7, blocks=leader.blocks, black_r=black, black_gr=black, black_gb=black, black_b=black, frame_crc=crc
    )


def crc_of(data: bytes) -> int:
    """CRC-32C, as R-FRM-005 wants it of a frame."""
    return crc32.iscsi(data)
