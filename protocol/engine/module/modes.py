"""How a sensor can be read, and what streams of it cost the link.

Plan: modes · streams and their frames · the link's share.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, structs

from opalink.protocol.engine.module.patterns import Data
from opalink.protocol.packets import (
    CaptureQueue,
    CfaPattern,
    Compression,
    FrameLeader,
    PixelFormat,
    PowerMode,
    SensorMode,
    StreamSetup,
)
from opalink.spec.form import SECOND, US
from opalink.spec.limits import BLOCK_DATA

_BINNINGS: Final = (2, 1, 4, 8)  # the maker's favourite first
_DEPTHS: Final = (8, 10, 12, 14, 16)
_ALIGN: Final = 8  # columns: a row then fills whole bytes
_EFFICIENCY: Final = (64 * 624 * 96, 66 * 640 * 100)  # line code, FLITs, and room for everything else
_START_LATENCY: Final = 50  # ms: what exposure and readout of the favourite mode leave of tFirstFrameWarm


def sensor_modes(identity: Any) -> tuple[SensorMode, ...]:
    """The modes that follow from the descriptor's record of the sensor."""
    sensor = identity.record("sensor")
    if sensor is None:
        return ()
    depths = [d for i, d in enumerate(_DEPTHS) if sensor.depths >> i & 1]
    colours = CfaPattern(sensor.cfa).name.removeprefix("QUAD_")
    drawn = {m.mode: m.power for m in identity.records["power"].modes}
    out = []
    for number, binning in enumerate(_BINNINGS):
        depth = depths[-1] if binning == 1 else depths[len(depths) // 2] if binning == 2 else depths[0]
        width, height = sensor.array_width // binning // _ALIGN * _ALIGN, sensor.array_height // binning // 2 * 2
        quad = binning == 1 and CfaPattern(sensor.cfa).name.startswith("QUAD_")
        mode = PowerMode.VIDEO if binning <= 2 else PowerMode.PREVIEW
        out.append(
            SensorMode(
                mode=number,
                width=width,
                height=height,
                depth=depth,
                cfa=sensor.cfa if quad else CfaPattern[colours],
                pixel_format=_pixel_format(colours, depth),
                binning=binning,
                line_period=10**12 // sensor.readout,
                readout_rows=height,
                min_frame_time=-(-height * 1_000_000 // sensor.readout),
                power=drawn.get(mode, max(drawn.values())),
                start_latency=_START_LATENCY,
            )
        )
    return tuple(out)


def _pixel_format(colours: str, depth: int) -> PixelFormat:
    packed = "P" if depth in (10, 12, 14) else ""
    if colours == "MONO":
        return PixelFormat[f"MONO{depth}{packed}"]
    letters = {"RGGB": "RG", "GRBG": "GR", "GBRG": "GB", "BGGR": "BG"}[colours]
    return PixelFormat[f"BAYER_{letters}{depth}{packed}"]


# ── Streams ──────────────────────────────────────────────────────────────────────────────────────────


class Waiting(Struct, frozen=True):
    """A capture request, and since when it waits."""

    request: CaptureQueue
    since: int


class Stream(Struct):
    """A configured stream. `video` is the request that repeats, if one does."""

    index: int
    setup: StreamSetup
    mode: SensorMode
    started: bool = False
    paused: bool = False
    queue: list[Waiting] = []
    video: CaptureQueue | None = None
    last_request: int = 0
    last_frame: int = 0

    @property
    def runs(self) -> bool:
        return self.started and not self.paused


def size(setup: StreamSetup, mode: SensorMode) -> tuple[int, int]:
    """Columns and rows that a stream sends."""
    return setup.width or mode.width - setup.x, setup.height or mode.height - setup.y


def possible(setup: StreamSetup, mode: SensorMode) -> bool:
    """Whether a stream is within its mode and what the module can do."""
    if setup.codec is not Compression.NONE:
        return False
    width, height = size(setup, mode)
    if width < _ALIGN or height < 1 or setup.x + width > mode.width or setup.y + height > mode.height:
        return False
    return setup.min_rate * mode.min_frame_time <= 100 * 1_000_000


def adjusted(setup: StreamSetup, mode: SensorMode) -> StreamSetup:
    """The nearest stream that can be had: whole colour cells, rows of whole bytes, no rate of compression."""
    x, y = setup.x & ~1, setup.y & ~1
    width = (setup.width or mode.width - x) // _ALIGN * _ALIGN
    height = setup.height or mode.height - y
    full = width == mode.width and height == mode.height
    if full and not (setup.width or setup.height):
        width = height = 0
    return structs.replace(setup, x=x, y=y, width=width, height=height, compressed=0)


def frame_bytes(setup: StreamSetup, mode: SensorMode) -> int:
    width, height = size(setup, mode)
    return width * height * mode.depth // 8


class Frame(Struct):
    """A frame that is exposed. `next` is the first block that has not been sent."""

    number: int
    leader: FrameLeader
    picture: Data
    still: bool
    taken: int  # wall clock, or 0
    ready: int  # when its exposure ends
    spread: int  # time over which its blocks are sent
    next: int = 0
    crc: int = 0
    keep: bool = False

    @property
    def left(self) -> int:
        """Bytes that are not sent yet."""
        return max(0, self.picture.bytes - self.next * BLOCK_DATA)


# ── The link ─────────────────────────────────────────────────────────────────────────────────────────


def capacity(catalogue: Any, gears: int) -> int:
    """Bits of frame data that the highest of some gears carries in a second."""
    best = max((g.baud for g in catalogue.gears if gears >> g.value & 1), default=0)
    return best * _EFFICIENCY[0] // _EFFICIENCY[1]


def transfer(setup: StreamSetup, mode: SensorMode, streams: Sequence[StreamSetup], rate: int) -> int:
    """Time that one frame needs on the link, by the stream's weight among all."""
    share = rate * setup.weight // sum(s.weight for s in streams)
    return -(-frame_bytes(setup, mode) * 8 * SECOND // max(1, share))


def period(setup: StreamSetup, mode: SensorMode, streams: Sequence[StreamSetup], rate: int) -> int:
    """Shortest time from frame to frame."""
    return max(mode.min_frame_time * US, transfer(setup, mode, streams, rate))
