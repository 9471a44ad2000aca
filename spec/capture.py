"""Capture: which pictures a module can take, which it is to take, and how.

Plan: numbers of the domain · modes · streams · requests · plans, regions, patterns · frame memory. The rules
are in `capture_rules`, the machines in `capture_machine`, the frames themselves in `frame`.

A phone configures up to four streams, starts them, and queues requests; each request's frames come back with the
settings they were taken with. A stream is known by its row in STREAM_CONFIGURE: row n is stream n and travels on
the virtual channel STREAM0 + n.
"""

from typing import Final

from opalink.spec.codes import (
    ADJUSTED,
    BANDWIDTH,
    BUFFER_FULL,
    LATE,
    NO_SUCH_ID,
    NO_TIME,
    PWR_LIMIT,
    RANGE_LIMIT,
    READ_ONLY,
    THERMAL_LIMIT,
)
from opalink.spec.dialect import Field, Group, bits, body, enum, f, i16, i32, row, rows, rsvd, tlvs, u8, u16, u32, u64
from opalink.spec.form import Role
from opalink.spec.limits import QUEUED_CAPTURES, STREAMS
from opalink.spec.properties import PROPERTIES

GROUP: Final = Group("capture", area="CAP", channel="CONTROL", doc="Modes, streams and capture requests.")
_PHONE, _MODULE = Role.PHONE, Role.MODULE
_SENSOR = ("SENSOR",)

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

# Values of GenICam's Pixel Format Naming Convention: bits 31-24 mono or colour, 23-16 bits per pixel, 15-0 an ID.
# `P` is packed without gaps, from the least significant bit on.
PixelFormat: Final = enum(
    "PixelFormat",
    "How samples are packed: codes of GenICam's PFNC.",
    MONO8=(0x01080001, "Monochrome, 8 bits."),
    MONO10P=(0x010A0046, "Monochrome, 10 bits, packed."),
    MONO12P=(0x010C0047, "Monochrome, 12 bits, packed."),
    MONO14P=(0x010E0104, "Monochrome, 14 bits, packed."),
    MONO16=(0x01100007, "Monochrome, 16 bits."),
    BAYER_GR10P=(0x010A0056, "Bayer GRBG, 10 bits, packed."),
    BAYER_RG10P=(0x010A0058, "Bayer RGGB, 10 bits, packed."),
    BAYER_GB10P=(0x010A0054, "Bayer GBRG, 10 bits, packed."),
    BAYER_BG10P=(0x010A0052, "Bayer BGGR, 10 bits, packed."),
    BAYER_GR12P=(0x010C0057, "Bayer GRBG, 12 bits, packed."),
    BAYER_RG12P=(0x010C0059, "Bayer RGGB, 12 bits, packed."),
    BAYER_GB12P=(0x010C0055, "Bayer GBRG, 12 bits, packed."),
    BAYER_BG12P=(0x010C0053, "Bayer BGGR, 12 bits, packed."),
    BAYER_GR14P=(0x010E0105, "Bayer GRBG, 14 bits, packed."),
    BAYER_RG14P=(0x010E0106, "Bayer RGGB, 14 bits, packed."),
    BAYER_GB14P=(0x010E0107, "Bayer GBRG, 14 bits, packed."),
    BAYER_BG14P=(0x010E0108, "Bayer BGGR, 14 bits, packed."),
    BAYER_GR16=(0x0110002E, "Bayer GRBG, 16 bits."),
    BAYER_RG16=(0x0110002F, "Bayer RGGB, 16 bits."),
    BAYER_GB16=(0x01100030, "Bayer GBRG, 16 bits."),
    BAYER_BG16=(0x01100031, "Bayer BGGR, 16 bits."),
    YUV422_8=(0x02100032, "YUV 4:2:2 in the order YUYV, 8 bits."),
    YCBCR422_10P=(0x02140087, "YCbCr 4:2:2, 10 bits, packed."),
    RGB8=(0x02180014, "Red, green, blue, 8 bits each."),
)
USUAL_FORMAT: Final = 0x010C0059  # what a value class starts with: zero is no pixel format

CfaPattern: Final = enum(
    "CfaPattern",
    "Colour filters over the sensor, from the first pixel of the first row.",
    MONO=(0, "None."),
    RGGB=(1, "Red, green; green, blue."),
    GRBG=(2, "Green, red; blue, green."),
    GBRG=(3, "Green, blue; red, green."),
    BGGR=(4, "Blue, green; green, red."),
    QUAD_RGGB=(5, "As RGGB, each filter over 2 by 2 pixels."),
    QUAD_GRBG=(6, "As GRBG, each filter over 2 by 2 pixels."),
    QUAD_GBRG=(7, "As GBRG, each filter over 2 by 2 pixels."),
    QUAD_BGGR=(8, "As BGGR, each filter over 2 by 2 pixels."),
)

Compression: Final = enum(
    "Compression",
    "How a frame's samples are compressed.",
    NONE=(0, "Not at all: data is samples as the pixel format packs them."),
    DPCM=(1, "DPCM of MIPI CSI-2."),
    JPEG_XS=(2, "JPEG XS (ISO/IEC 21122)."),
    JPEG=(3, "JPEG (ISO/IEC 10918-1)."),
)

StreamOp: Final = enum(
    "StreamOp",
    "What becomes of streams.",
    START=(0, "Frames flow; a paused stream is resumed."),
    STOP=(1, "Frames under way are finished and no others begun."),
    PAUSE=(2, "As STOP, and what is queued waits."),
    RESUME=(3, "A paused stream goes on."),
)

PatternKind: Final = enum(
    "PatternKind",
    "What stands in for the scene, before compression. A sample has d bits.",
    OFF=(0, "The scene."),
    SOLID=(1, "Every sample is `seed` modulo 2^d."),
    BARS=(2, "Eight bars from left to right: white, yellow, cyan, green, magenta, red, blue, black."),
    PN9=(3, "d bits a sample of x^9 + x^5 + 1, begun in each row from the low 9 bits of `seed`, or 0x1FF for 0."),
    RAMP=(4, "The sample in column x is x + `seed` modulo 2^d."),
    COUNTER=(5, "The n-th sample from 0 of frame f is n + f + `seed` modulo 2^d."),
)


def _mask(doc: str) -> Field:
    """Streams by bit: at least one, and no more than there are stream channels."""
    return f("mask", u8, doc, lo=1, hi=(1 << STREAMS) - 1)


# ── Modes ────────────────────────────────────────────────────────────────────────────────────────────

SensorMode: Final = row(
    "SensorMode",
    "A way in which the sensor can be read.",
    f("mode", u16, "Number of the mode."),
    f("width", u16, "Columns.", unit="px", lo=1),
    f("height", u16, "Rows.", unit="px", lo=1),
    f("depth", u8, "Bits of a sample.", unit="bit", lo=1),
    f("cfa", u8, "Colour filters as they appear in this mode.", choices=CfaPattern),
    f("pixel_format", u32, "How samples are packed.", choices=PixelFormat, default=USUAL_FORMAT),
    f("codec", u8, "How they are compressed, if at all.", choices=Compression),
    f("binning", u8, "Pixels merged into one, along each axis.", lo=1),
    f("line_period", u32, "From the start of one row's exposure to the next row's.", unit="ps"),
    f("readout_rows", u16, "Rows read one after another: with `line_period`, the rolling shutter's skew."),
    f("min_frame_time", u32, "Shortest time from frame to frame.", unit="us", lo=1),
    f("power", u16, "Power while it runs.", unit="mW"),
    f("start_latency", u16, "From START to the first row's exposure.", unit="ms"),
)

MODE_TABLE: Final = GROUP.packet(
    0x60,
    "MODE_TABLE",
    "Which modes the sensor has. They do not change while a session lasts.",
    sender=_PHONE,
    needs=_SENSOR,
    request=body(),
    response=body(rows("modes", SensorMode, "Every mode, the maker's favourites first.", lo=1, hi=128)),
)

# ── Streams ──────────────────────────────────────────────────────────────────────────────────────────

StreamSetup: Final = row(
    "StreamSetup",
    "How one stream is set up.",
    f("mode", u16, "Number of the mode."),
    f("x", u16, "First column of the region sent.", unit="px"),
    f("y", u16, "First row of the region sent.", unit="px"),
    f("width", u16, "Columns of the region; 0 for all from `x` on.", unit="px"),
    f("height", u16, "Rows of the region; 0 for all from `y` on.", unit="px"),
    f("codec", u8, "How samples are compressed.", choices=Compression),
    f("compressed", u16, "Size after compression; 0 for the codec's own.", unit="bpp", scale="0.01"),
    f("weight", u8, "Share of the link when streams compete.", lo=1),
    f("min_rate", u16, "Least frames a second; 0 if any will do.", unit="Hz", scale="0.01"),
)

STREAM_CONFIGURE: Final = GROUP.packet(
    0x61,
    "STREAM_CONFIGURE",
    "Sets all streams up at once, in place of those set up before; without rows there are none. What a configuration "
    "costs can be asked while others run too, with `test_only`.",
    sender=_PHONE,
    needs=_SENSOR,
    statuses=(ADJUSTED, NO_SUCH_ID, RANGE_LIMIT, BANDWIDTH, PWR_LIMIT),
    request=body(
        bits("flags", rsvd("spare", 7), f("test_only", 1, "1 to ask and change nothing.", req=("R-CAP-001",))),
        rows("streams", StreamSetup, "Row n is stream n.", hi=STREAMS),
    ),
    response=body(
        f("bandwidth", u32, "Rate that the streams need together.", unit="kb/s", req=("R-CAP-005",)),
        f("power", u16, "Power while all of them run.", unit="mW"),
        f("latency", u32, "From the end of a frame's exposure to its last block, unhindered.", unit="us"),
        f("memory", u32, "Frame memory in use.", unit="KiB"),
        rows("streams", StreamSetup, "As they are now, or would be.", hi=STREAMS, req=("R-CAP-003",)),
    ),
)

STREAM_CONTROL: Final = GROUP.packet(
    0x62,
    "STREAM_CONTROL",
    "Starts, stops, pauses or resumes streams. A started stream sends frames by the present properties until a "
    "request says otherwise.",
    sender=_PHONE,
    needs=_SENSOR,
    statuses=(NO_SUCH_ID, THERMAL_LIMIT),
    request=body(f("op", u8, "What to do.", choices=StreamOp), _mask("Streams, by bit.")),
    response=body(f("last_frame", u64, "Last frame begun on any of these streams; 0 if none.")),
)

# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────

CAPTURE_QUEUE: Final = GROUP.packet(
    0x63,
    "CAPTURE_QUEUE",
    "Asks for frames. Requests of a stream are carried out in the order of their numbers.",
    sender=_PHONE,
    needs=_SENSOR,
    statuses=(NO_SUCH_ID, READ_ONLY, RANGE_LIMIT, NO_TIME, LATE, BUFFER_FULL),
    request=body(
        f("request", u32, "Number of the request, above that of every request before.", lo=1, req=("R-CAP-006",)),
        _mask("Streams that take the frames, by bit."),
        f("frames", u16, "Stills wanted, or rounds of the plan; 0 to repeat as video until the next request."),
        f("deadline", u64, "Link time from which its frames are of no use; 0 if there is no hurry.", unit="ns"),
        f("plan", u16, "Plan that its frames follow; 0 for none."),
        tlvs("settings", PROPERTIES, "Settings of its frames alone."),
    ),
    response=body(f("queued", u8, "Requests that wait now, with this one.", hi=QUEUED_CAPTURES)),
)

FLUSH: Final = GROUP.packet(
    0x64,
    "FLUSH",
    "Gives up at once what streams have queued and not finished, and stops them. STOP is the gentle way.",
    sender=_PHONE,
    needs=_SENSOR,
    statuses=(NO_SUCH_ID,),
    request=body(_mask("Streams, by bit.")),
    response=body(
        f("last_request", u32, "Last request of which a frame was begun; 0 if none."),
        f("last_frame", u64, "Last frame whose leader was sent; 0 if none.", req=("R-CAP-011",)),
    ),
)

# ── Plans, regions, patterns ─────────────────────────────────────────────────────────────────────────

PlanStep: Final = row(
    "PlanStep",
    "One frame of a plan. What the module cannot drive stays as it is.",
    f("exposure", u64, "Exposure time.", unit="ns", lo=1),
    f("gain", u16, "Gain.", unit="x", scale="0.01", lo=1),
    f("focus", i32, "Focus position.", unit="D", scale="0.001"),
    f("aperture", i16, "Aperture value.", unit="AV", scale="1/256"),
    f("neutral_density", u16, "Density of the filter.", unit="OD", scale="0.001"),
    bits("light", rsvd("spare", 7), f("flash", 1, "1 to fire the flash.")),
)

PLAN_SET: Final = GROUP.packet(
    0x65,
    "PLAN_SET",
    "Keeps a bracketing plan under a number, in place of the one that had it; without rows it is forgotten.",
    sender=_PHONE,
    needs=("PLAN",),
    statuses=(NO_SUCH_ID, RANGE_LIMIT),
    request=body(
        f("plan", u16, "Number of the plan.", lo=1),
        rows("steps", PlanStep, "One frame each, in order.", hi=32),
    ),
    response=body(),
)

Region: Final = row(
    "Region",
    "A part of the picture with a quality of its own.",
    f("x", u16, "First column.", unit="px"),
    f("y", u16, "First row.", unit="px"),
    f("width", u16, "Columns.", unit="px", lo=1),
    f("height", u16, "Rows.", unit="px", lo=1),
    f("compressed", u16, "Size after compression.", unit="bpp", scale="0.01"),
)

ROI_SET: Final = GROUP.packet(
    0x66,
    "ROI_SET",
    "Sets the regions of interest of a stream, in place of those before. Row n is region n + 1; region 0 is the rest "
    "of the picture.",
    sender=_PHONE,
    needs=("ROI",),
    statuses=(NO_SUCH_ID, RANGE_LIMIT),
    request=body(
        f("stream", u8, "Number of the stream.", hi=STREAMS - 1),
        rows("regions", Region, "Where they overlap, the earlier one.", hi=16),
    ),
    response=body(),
)

TEST_PATTERN: Final = GROUP.packet(
    0x67,
    "TEST_PATTERN",
    "Puts a pattern in place of the scene, from the next frame on and until the session ends.",
    sender=_PHONE,
    needs=_SENSOR,
    request=body(
        f("kind", u8, "Which pattern.", choices=PatternKind, req=("R-CAP-017",)),
        f("seed", u32, "What it starts from."),
    ),
    response=body(),
)

# ── Frame memory ─────────────────────────────────────────────────────────────────────────────────────

BUFFER_STATUS: Final = GROUP.packet(
    0x68,
    "BUFFER_STATUS",
    "What the frame memory holds that the phone has not got.",
    sender=_MODULE,
    channel="EVENT",
    needs=("BUFFER", "STORAGE"),
    event=body(
        f("total", u32, "Size of the frame memory.", unit="KiB"),
        f("used", u32, "Of it in use.", unit="KiB"),
        # A module that shoots while detached keeps more than 255 stills.
        f("frames", u16, "Frames that are held."),
        f("oldest", u64, "Number of the oldest; 0 if none."),
        f("lost", u32, "Frames that were lost for want of room, since power-up."),
    ),
)
