"""scapy: layers as its own documentation teaches them. They read the CRC, unchecked.

scapy is GPL-2.0-only. It is used here as a program to be measured: nothing of it is in what opalink installs.
"""

from importlib.metadata import version
from typing import Any

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    FieldLenField,
    FlagsField,
    LEIntEnumField,
    LEIntField,
    LELongField,
    LEShortEnumField,
    LEShortField,
    LESignedIntField,
    MultipleTypeField,
    PacketListField,
    StrLenField,
    XLEIntField,
)
from scapy.packet import Packet, bind_layers

from bench.peers import Peer
from bench.samples import EXPOSURE_MODE, FOCUS_POSITION, WHITE_BALANCE, Plain
from opalink.protocol.packets import enums

_ENUMS = {
    name: {int(m): m.name for m in getattr(enums, name)}
    for name in (
        "Compression", "ExposureControl", "PacketType", "PixelFormat", "PropertyTag", "RowDirection", "Status",
        "VirtualChannel",
    )
}  # fmt: skip


class _Part(Packet):
    """A packet inside another: what comes after it is not its payload."""

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        return b"", s


class Exposure(_Part):
    # `time` is when scapy saw the packet.
    fields_desc = [LELongField("exposure_time", 1), LEShortField("gain", 1)]  # noqa: RUF012 (scapy's way)


class Setting(_Part):
    fields_desc = [  # noqa: RUF012
        LEShortEnumField("tag", 0, _ENUMS["PropertyTag"]),
        FieldLenField("length", None, fmt="<H", length_of="value"),
        MultipleTypeField(
            [
                (ByteEnumField("value", 0, _ENUMS["ExposureControl"]), lambda p: p.tag == EXPOSURE_MODE),
                (LEShortField("value", 0), lambda p: p.tag == WHITE_BALANCE),
                (LESignedIntField("value", 0), lambda p: p.tag == FOCUS_POSITION),
            ],
            StrLenField("value", b"", length_from=lambda p: p.length),
        ),
    ]


class FrameLeader(_Part):
    fields_desc = [  # noqa: RUF012
        LELongField("frame", 1),
        LEIntField("request", 0),
        ByteField("stream", 0),
        ByteField("step", 0),
        FlagsField("kind", 0, -16, ["STILL", "STORED"]),
        LEIntEnumField("pixel_format", 0, _ENUMS["PixelFormat"]),
        ByteEnumField("codec", 0, _ENUMS["Compression"]),
        LEShortField("width", 1),
        LEShortField("height", 1),
        LEShortField("x", 0),
        LEShortField("y", 0),
        LELongField("t_first_row", 0),
        LEIntField("line_period", 0),
        ByteEnumField("row_direction", 0, _ENUMS["RowDirection"]),
        LEIntField("blocks", 1),
        LEShortField("block_bytes", 1),
        LELongField("size", 1),
        FieldLenField("count", None, fmt="B", count_of="exposures"),
        PacketListField("exposures", [], Exposure, count_from=lambda p: p.count),
        PacketListField("settings", [], Setting, length_from=lambda p: p.underlayer.length - 57 - 10 * p.count),
        XLEIntField("crc", 0),
    ]


class FrameBlock(_Part):
    fields_desc = [  # noqa: RUF012
        LEIntField("frame_lo", 0),
        LEIntField("block", 0),
        LEShortField("line0", 0),
        LEShortField("lines", 0),
        ByteField("roi", 0),
        FlagsField("flags", 0, 8, ["LAST", "RESENT"]),
        LEShortField("spare", 0),
        StrLenField("data", b"", length_from=lambda p: p.underlayer.length - 16),
        XLEIntField("crc", 0),
    ]


class OpalPacket(Packet):
    fields_desc = [  # noqa: RUF012
        BitField("major", 1, 4),
        BitField("rsp", 0, 1),
        BitField("spare2", 0, 1),
        BitField("more", 0, 1),
        BitField("spare0", 0, 1),
        ByteEnumField("type", 0, _ENUMS["PacketType"]),
        BitEnumField("vc", 0, 4, _ENUMS["VirtualChannel"]),
        BitField("instance", 0, 4),
        ByteEnumField("status", 0, _ENUMS["Status"]),
        LEShortField("length", 0),
        LEShortField("txn", 0),
        LELongField("t_ns", 0),
    ]


bind_layers(OpalPacket, FrameLeader, type=0x70)
bind_layers(OpalPacket, FrameBlock, type=0x71)


def values(packet: Any) -> Plain:
    header = {f.name: int(getattr(packet, f.name)) for f in OpalPacket.fields_desc if f.name not in ("major", "length")}
    p = packet.payload
    if isinstance(p, FrameBlock):
        body = {f.name: int(getattr(p, f.name)) for f in FrameBlock.fields_desc[:-2]} | {"data": p.data}
    else:
        body = {f.name: int(getattr(p, f.name)) for f in FrameLeader.fields_desc[:-4]}
        body["exposures"] = [{"time": x.exposure_time, "gain": x.gain} for x in p.exposures]
        body["settings"] = [(x.tag, x.value) for x in p.settings]
    return header | {"body": body}


PEER = Peer(f"scapy {version('scapy')}, idiomatic layers", OpalPacket, values)
