"""Frames: what a picture looks like on the link, how its gaps are filled, and how stored ones are had.

Plan: numbers of the domain · the frame · repair · what goes with a frame · the store. The rules are in
`frame_rules`, the machine of reassembly in `frame_machine`.

A frame is a leader, blocks and a trailer. Leader and trailer say in band what is true of this very frame. The
leader tells the phone all it needs to place every block, so a lost one is a hole in the picture and nothing worse. A
frame number counts exposures: where one exposure serves several streams, their frames share its number.
"""

from typing import Final

from opalink.spec.capture import USUAL_FORMAT, Compression, PixelFormat
from opalink.spec.codes import BLOCK_GONE, NO_SUCH_ID, RANGE_LIMIT
from opalink.spec.dialect import (
    Group,
    bits,
    blob,
    body,
    enum,
    f,
    flags,
    i16,
    i64,
    raw,
    row,
    rows,
    rsvd,
    tlvs,
    u8,
    u16,
    u32,
    u64,
)
from opalink.spec.form import Role
from opalink.spec.limits import BLOCK_DATA, STREAMS
from opalink.spec.properties import PROPERTIES

GROUP: Final = Group("frame", area="FRM", channel="META", doc="Frames, their repair, and stored ones.")
_PHONE, _MODULE = Role.PHONE, Role.MODULE
_SENSOR, _STORAGE = ("SENSOR",), ("STORAGE",)

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

FrameFlags: Final = flags(
    "FrameFlags",
    "What kind of frame it is.",
    STILL=(0, "A still: repaired until its request's deadline, however much of it is missing."),
    STORED=(1, "Taken earlier and sent by FRAME_FETCH."),
)

RowDirection: Final = enum(
    "RowDirection",
    "In which order rows are exposed.",
    TOP_DOWN=(0, "The first row of the picture first."),
    BOTTOM_UP=(1, "The last row of the picture first."),
    GLOBAL=(2, "All at once."),
)

BlockFlags: Final = flags(
    "BlockFlags",
    "What a block is beside its place.",
    LAST=(0, "The last block of the frame."),
    RESENT=(1, "Sent before, and asked for again."),
)

FrameResult: Final = enum(
    "FrameResult",
    "What has become of a frame.",
    COMPLETE=(0, "Every block was sent."),
    PARTIAL=(1, "Some blocks will not come; what was sent is good."),
    ABORTED=(2, "Of no use: it is to be discarded."),
)

BlockFate: Final = enum(
    "BlockFate",
    "What becomes of blocks asked for again.",
    COMING=(0, "They are sent again."),
    GONE=(1, "At least one of them is not, and then none of the range is."),
)

PhaseData: Final = enum(
    "PhaseData",
    "What phase-detection data consists of.",
    DISPARITY=(0, "Points: one disparity per cell of the grid."),
    RAW=(1, "Samples of the left and then of the right pixels, 16 bits each, row by row."),
)

StatisticKind: Final = enum(
    "StatisticKind",
    "What statistics consist of; cells row by row from the top left.",
    EXPOSURE=(0, "A cell: the means of red, green, green and blue, 16 bits each."),
    HISTOGRAM=(1, "A column of the grid is a bin and a row a channel: the count, 32 bits."),
    WHITE_BALANCE=(2, "A cell: the means of red, green and blue of its unsaturated pixels, 16 bits each."),
    CONTRAST=(3, "A cell: the sum of gradients, 32 bits."),
    FLICKER=(4, "A cell: frequency in 0.1 Hz and depth in 0.1 %, 16 bits each."),
    REGISTERS=(5, "A cell: address and value of a sensor register, 16 bits each."),
)

# ── The frame ────────────────────────────────────────────────────────────────────────────────────────

FrameExposure: Final = row(
    "FrameExposure",
    "One exposure of a frame.",
    f("time", u64, "Exposure time.", unit="ns", lo=1),
    f("gain", u16, "Gain.", unit="x", scale="0.01", lo=1),
)

FRAME_LEADER: Final = GROUP.packet(
    0x70,
    "FRAME_LEADER",
    "Begins a frame: all that is needed to place its blocks, and what it is taken with.",
    sender=_MODULE,
    needs=_SENSOR,
    event=body(
        f("frame", u64, "Number of the frame.", lo=1, req=("R-FRM-004",)),
        f("request", u32, "Request that it answers; 0 if none."),
        f("stream", u8, "Number of the stream.", hi=STREAMS - 1),
        f("step", u8, "Step of the plan that it is taken with, from 0.", hi=31),
        f("kind", u16, "What kind of frame it is.", flags=FrameFlags),
        f("pixel_format", u32, "How samples are packed.", choices=PixelFormat, default=USUAL_FORMAT),
        f("codec", u8, "How they are compressed.", choices=Compression),
        f("width", u16, "Columns.", unit="px", lo=1),
        f("height", u16, "Rows.", unit="px", lo=1),
        f("x", u16, "Column of the mode's picture where it begins.", unit="px"),
        f("y", u16, "Row of the mode's picture where it begins.", unit="px"),
        f("t_first_row", u64, "Link time at which the first row's exposure starts.", unit="ns", req=("R-FRM-010",)),
        f("line_period", u32, "From the start of one row's exposure to the next row's.", unit="ps"),
        f("row_direction", u8, "In which order rows are exposed.", choices=RowDirection),
        f("blocks", u32, "Blocks of the frame; with a codec, the most there can be.", lo=1),
        f("block_bytes", u16, "Data of every block but the last.", unit="B", lo=1, hi=BLOCK_DATA),
        f("size", u64, "Data of the frame; with a codec, the most there can be.", unit="B", lo=1),
        rows("exposures", FrameExposure, "Exposures as intended, the longest first.", lo=1, hi=3),
        tlvs("settings", PROPERTIES, "Settings that were applied."),
    ),
)

FRAME_BLOCK: Final = GROUP.packet(
    0x71,
    "FRAME_BLOCK",
    "Data of a frame. Stream n travels on the virtual channel STREAM0 + n, which is how a block tells its stream.",
    sender=_MODULE,
    channel="STREAM0",
    needs=_SENSOR,
    event=body(
        f("frame_lo", u32, "Low 32 bits of the frame's number."),
        f("block", u32, "Number of the block, from 0.", req=("R-FRM-007",)),
        f("line0", u16, "First row of which it holds data."),
        f("lines", u16, "Rows of which it holds data; 0 with a codec."),
        f("roi", u8, "Region that it belongs to; 0 for the rest of the picture.", hi=16),
        f("flags", u8, "What it is beside.", flags=BlockFlags),
        rsvd("spare", u16),
        raw("data", "Data of the frame from byte `block` times `block_bytes` on.", lo=1, hi=BLOCK_DATA),
    ),
)

FRAME_TRAILER: Final = GROUP.packet(
    0x72,
    "FRAME_TRAILER",
    "Ends a frame: what has become of it, and what was measured.",
    sender=_MODULE,
    needs=_SENSOR,
    event=body(
        f("frame", u64, "Number of the frame.", lo=1),
        f("stream", u8, "Number of the stream.", hi=STREAMS - 1),
        f("result", u8, "What has become of it.", choices=FrameResult),
        # FRAME_DROPPED, BUFFER_FULL, CANCELLED, LATE, LINK_LOST, PWR_LIMIT or THERMAL_LIMIT, or a vendor's own.
        f("reason", u8, "Status code: why blocks are missing; OK if none are.", req=("R-FRM-012",)),
        f("blocks", u32, "Blocks of the frame."),
        f("missing", u32, "Of them never sent."),
        f("t_last_row", u64, "Link time at which the last row's exposure started.", unit="ns"),
        f("temperature", i16, "Temperature of the sensor.", unit="degC", scale="0.1"),
        f("black_r", u16, "Black level of red, at the depth of the frame's samples.", unit="DN"),
        f("black_gr", u16, "Black level of green in rows of red, likewise.", unit="DN"),
        f("black_gb", u16, "Black level of green in rows of blue, likewise.", unit="DN"),
        f("black_b", u16, "Black level of blue, likewise.", unit="DN"),
        f("ois_x_min", i16, "Least position of the stabiliser in the frame.", unit="um", scale="0.1"),
        f("ois_x_max", i16, "Greatest position of the stabiliser in the frame.", unit="um", scale="0.1"),
        f("ois_y_min", i16, "Least position of the stabiliser in the frame.", unit="um", scale="0.1"),
        f("ois_y_max", i16, "Greatest position of the stabiliser in the frame.", unit="um", scale="0.1"),
        f("frame_crc", u32, "CRC-32C of the data sent, block after block.", req=("R-FRM-005",)),
        rows("exposures", FrameExposure, "Exposures as measured, in the leader's order; none if aborted before.", hi=3),
    ),
)

# ── Repair ───────────────────────────────────────────────────────────────────────────────────────────

BlockRange: Final = row(
    "BlockRange",
    "Blocks one after another.",
    f("first", u32, "Number of the first."),
    f("count", u16, "How many.", lo=1),
)

RangeAnswer: Final = row(
    "RangeAnswer",
    "What becomes of a range.",
    f("result", u8, "Whether it comes.", choices=BlockFate),
    # BLOCK_GONE: overwritten; NO_SUCH_ID: never stored; PWR_LIMIT: no power to hold it; LATE: not by the deadline.
    f("reason", u8, "Status code: why not; OK if it comes."),
)

BLOCK_NAK: Final = GROUP.packet(
    0x73,
    "BLOCK_NAK",
    "Asks for blocks that did not arrive. They come again as they came first, marked RESENT.",
    sender=_PHONE,
    channel="CONTROL",
    needs=("BUFFER",),
    statuses=(NO_SUCH_ID,),
    request=body(
        f("frame", u64, "Number of the frame.", lo=1),
        f("stream", u8, "Number of the stream.", hi=STREAMS - 1),
        f("deadline", u32, "Time from this request's launch after which the blocks are of no use.", unit="us", lo=1),
        rows("ranges", BlockRange, "Rising, and apart from each other.", lo=1, hi=32),
    ),
    response=body(rows("answers", RangeAnswer, "One for each range, in order.", lo=1, hi=32, req=("R-FRM-015",))),
)

FRAME_FETCH: Final = GROUP.packet(
    0x74,
    "FRAME_FETCH",
    "Asks for a still that the module holds: leader, the blocks named, trailer.",
    sender=_PHONE,
    channel="CONTROL",
    needs=("BUFFER", "STORAGE"),
    statuses=(NO_SUCH_ID, RANGE_LIMIT, BLOCK_GONE),
    request=body(
        f("frame", u64, "Number of the frame; 0 for the oldest held.", req=("R-FRM-022",)),
        f("first", u32, "First block wanted."),
        f("count", u32, "How many; 0 for all from `first` on."),
        f("stream", u8, "Number of the stream whose channel carries the blocks, configured or not.", hi=STREAMS - 1),
        bits("options", rsvd("spare", 7), f("keep", 1, "1 to hold the frame until FRAME_RELEASE.")),
    ),
    response=body(
        f("frame", u64, "Number of the frame.", lo=1),
        f("blocks", u32, "Blocks that will be sent.", lo=1),
    ),
)

# ── What goes with a frame ───────────────────────────────────────────────────────────────────────────

PhasePoint: Final = row(
    "PhasePoint",
    "What one cell of the grid sees.",
    f("disparity", i16, "Shift of the right picture against the left.", unit="px", scale="0.01"),
    f("confidence", u8, "How sure this is; 255 is certain."),
)

PDAF_DATA: Final = GROUP.packet(
    0x75,
    "PDAF_DATA",
    "Phase-detection data of a frame.",
    sender=_MODULE,
    needs=("PDAF",),
    event=body(
        f("frame", u64, "Number of the frame.", lo=1),
        f("kind", u8, "What the data is.", choices=PhaseData),
        f("grid_columns", u8, "Cells across the window; with RAW, 0."),
        f("grid_rows", u8, "Cells down the window; with RAW, 0."),
        f("x", u16, "First column of the window.", unit="px"),
        f("y", u16, "First row of the window.", unit="px"),
        f("width", u16, "Columns of the window.", unit="px", lo=1),
        f("height", u16, "Rows of the window.", unit="px", lo=1),
        rows("points", PhasePoint, "Row by row; with RAW, none.", hi=2048, count=u16, req=("R-FRM-020",)),
        blob("samples", "With RAW; otherwise empty.", hi=8192, count=u16),
    ),
)

STATS: Final = GROUP.packet(
    0x76,
    "STATS",
    "Statistics of a frame.",
    sender=_MODULE,
    needs=("STATISTICS",),
    event=body(
        f("frame", u64, "Number of the frame.", lo=1),
        f("kind", u8, "What a cell is.", choices=StatisticKind),
        f("grid_columns", u16, "Cells across.", lo=1),
        f("grid_rows", u16, "Cells down.", lo=1),
        blob("cells", "The cells, row by row.", hi=16_000, count=u16),
    ),
)

# ── The store ────────────────────────────────────────────────────────────────────────────────────────
# Beside FRAME_FETCH rather than with capture: they are legal wherever frames are, while detaching too.

StoredFrame: Final = row(
    "StoredFrame",
    "A still that the module holds.",
    f("frame", u64, "Number of the frame.", lo=1),
    f("taken", i64, "UTC since 1970-01-01 without leap seconds; 0 if the module knew no time of day.", unit="ns"),
    f("size", u64, "Its data.", unit="B"),
    f("pixel_format", u32, "How samples are packed.", choices=PixelFormat, default=USUAL_FORMAT),
    f("codec", u8, "How they are compressed.", choices=Compression),
    f("width", u16, "Columns.", unit="px", lo=1),
    f("height", u16, "Rows.", unit="px", lo=1),
)

STORE_LIST: Final = GROUP.packet(
    0x77,
    "STORE_LIST",
    "Which stills the module holds, a page at a time.",
    sender=_PHONE,
    channel="CONTROL",
    needs=_STORAGE,
    request=body(f("after", u64, "The page begins with the first frame above this number; 0 for the first page.")),
    response=body(
        f("total", u16, "Stills held, on all pages."),
        f("oldest", u64, "Number of the oldest; 0 if none."),
        rows("stills", StoredFrame, "Rising; empty after the last page.", hi=64, req=("R-FRM-024",)),
    ),
)

ReleasedFrame: Final = row(
    "ReleasedFrame",
    "A still that is no longer needed.",
    f("frame", u64, "Number of the frame.", lo=1),
)

FRAME_RELEASE: Final = GROUP.packet(
    0x78,
    "FRAME_RELEASE",
    "The phone has these stills safe: the module may forget them.",
    sender=_PHONE,
    channel="CONTROL",
    needs=("BUFFER", "STORAGE"),
    statuses=(NO_SUCH_ID,),
    request=body(rows("stills", ReleasedFrame, "What may be forgotten.", lo=1, hi=64)),
    response=body(
        f("total", u16, "Stills still held."),
        f("free", u32, "Room for stills.", unit="KiB"),
    ),
)
