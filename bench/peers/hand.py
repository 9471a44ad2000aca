"""REF: what a careful person writes by hand for the two packets.

`struct` and nested slotted dataclasses; enumerations resolved, bits split, TLVs parsed and the known ones read;
version, lengths and CRC checked.

Plan: values · decode · encode.
"""

from dataclasses import asdict, dataclass
from struct import Struct
from typing import Any

from fastcrc import crc32

from bench.peers import Peer
from bench.samples import Plain
from opalink.protocol.packets.enums import (
    Compression,
    ExposureControl,
    PacketType,
    PixelFormat,
    PropertyTag,
    RowDirection,
    Status,
    VirtualChannel,
)

# ── Values ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Packet:
    rsp: int
    spare2: int
    more: int
    spare0: int
    type: PacketType | int
    vc: VirtualChannel | int
    instance: int
    status: Status | int
    txn: int
    t_ns: int
    body: Any


@dataclass(slots=True)
class Exposure:
    time: int
    gain: int


@dataclass(slots=True)
class Setting:
    tag: PropertyTag | int
    value: Any


@dataclass(slots=True)
class FrameLeader:
    frame: int
    request: int
    stream: int
    step: int
    kind: int
    pixel_format: PixelFormat | int
    codec: Compression | int
    width: int
    height: int
    x: int
    y: int
    t_first_row: int
    line_period: int
    row_direction: RowDirection | int
    blocks: int
    block_bytes: int
    size: int
    exposures: list[Exposure]
    settings: list[Setting]


@dataclass(slots=True)
class FrameBlock:
    frame_lo: int
    block: int
    line0: int
    lines: int
    roi: int
    flags: int
    spare: int
    data: bytes


# ── Decode ───────────────────────────────────────────────────────────────────────────────────────────

_HEADER = Struct("<BBBBHHQ")
_LEADER = Struct("<QIBBHIBHHHHQIBIHQB")  # with the count of exposures
_EXPOSURE = Struct("<QH")
_TLV = Struct("<HH")
_BLOCK = Struct("<IIHHBBH")
_TYPES, _STATUSES, _CHANNELS, _FORMATS, _CODECS, _DIRECTIONS, _CONTROLS = (
    {int(m): m for m in e}
    for e in (PacketType, Status, VirtualChannel, PixelFormat, Compression, RowDirection, ExposureControl)
)
# The tag, its number's packer, and its enumeration.
_SETTINGS: dict[int, tuple[PropertyTag, Struct, dict[int, Any]]] = {
    0x0101: (PropertyTag.EXPOSURE, Struct("<Q"), {}),
    0x0102: (PropertyTag.GAIN, Struct("<H"), {}),
    0x0103: (PropertyTag.EXPOSURE_MODE, Struct("<B"), _CONTROLS),
    0x0104: (PropertyTag.COMPENSATION, Struct("<h"), {}),
    0x0201: (PropertyTag.WHITE_BALANCE, Struct("<H"), {}),
    0x0301: (PropertyTag.FOCUS_POSITION, Struct("<i"), {}),
}


def decode(data: bytes, *, crc: bool = True) -> Packet:
    if len(data) < 20:
        raise ValueError("short")
    flags, kind, channel, status, length, txn, t_ns = _HEADER.unpack_from(data)
    end = 16 + length
    if len(data) != end + 4:
        raise ValueError("length")
    if crc and crc32.iscsi(data[:end]) != int.from_bytes(data[end:], "little"):
        raise ValueError("crc")
    if flags >> 4 != 1:
        raise ValueError("version")
    return Packet(
        flags >> 3 & 1,
        flags >> 2 & 1,
        flags >> 1 & 1,
        flags & 1,
        _TYPES.get(kind, kind),
        _CHANNELS.get(channel >> 4, channel >> 4),
        channel & 15,
        _STATUSES.get(status, status),
        txn,
        t_ns,
        _DECODERS[kind](data, end),
    )


def _decode_leader(data: bytes, end: int) -> FrameLeader:
    at = 16 + _LEADER.size
    if at > end:
        raise ValueError("short")
    (frame, request, stream, step, kind, pixel_format, codec, width, height, x, y, t_first_row, line_period,
     row_direction, blocks, block_bytes, size, count) = _LEADER.unpack_from(data, 16)  # fmt: skip
    if at + count * _EXPOSURE.size > end:
        raise ValueError("exposures")
    exposures = []
    for _ in range(count):
        time, gain = _EXPOSURE.unpack_from(data, at)
        exposures.append(Exposure(time, gain))
        at += 10
    settings = []
    while at < end:
        if at + 4 > end:
            raise ValueError("setting")
        tag, length = _TLV.unpack_from(data, at)
        at += 4
        if at + length > end:
            raise ValueError("setting")
        if tag in _SETTINGS:
            member, packer, choices = _SETTINGS[tag]
            if length != packer.size:
                raise ValueError("setting")
            (value,) = packer.unpack_from(data, at)
            settings.append(Setting(member, choices.get(value, value)))
        else:
            settings.append(Setting(tag, data[at : at + length]))
        at += length
    return FrameLeader(
        frame, request, stream, step, kind, _FORMATS.get(pixel_format, pixel_format), _CODECS.get(codec, codec), width,
        height, x, y, t_first_row, line_period, _DIRECTIONS.get(row_direction, row_direction), blocks, block_bytes,
        size, exposures, settings,
    )  # fmt: skip


def _decode_block(data: bytes, end: int) -> FrameBlock:
    if end < 33:
        raise ValueError("short")
    frame_lo, block, line0, lines, roi, flags, spare = _BLOCK.unpack_from(data, 16)
    return FrameBlock(frame_lo, block, line0, lines, roi, flags, spare, data[32:end])


_DECODERS: dict[int, Any] = {0x70: _decode_leader, 0x71: _decode_block}

# ── Encode ───────────────────────────────────────────────────────────────────────────────────────────


def encode(packet: Packet, *, crc: bool = True) -> bytes:
    pieces = _ENCODERS[type(packet.body)](packet.body)
    flags = 16 | packet.rsp << 3 | packet.spare2 << 2 | packet.more << 1 | packet.spare0
    channel = packet.vc << 4 | packet.instance
    length = sum([len(x) for x in pieces])
    header = _HEADER.pack(flags, packet.type, channel, packet.status, length, packet.txn, packet.t_ns)
    if not crc:
        return b"".join([header, *pieces, b"\0\0\0\0"])
    data = b"".join([header, *pieces])
    return data + crc32.iscsi(data).to_bytes(4, "little")


def _encode_leader(v: FrameLeader) -> list[bytes]:
    pieces = [
        _LEADER.pack(
            v.frame, v.request, v.stream, v.step, v.kind, v.pixel_format, v.codec, v.width, v.height, v.x, v.y,
            v.t_first_row, v.line_period, v.row_direction, v.blocks, v.block_bytes, v.size, len(v.exposures),
        )
    ]  # fmt: skip
    pieces += [_EXPOSURE.pack(exposure.time, exposure.gain) for exposure in v.exposures]
    for setting in v.settings:
        known = _SETTINGS.get(setting.tag)
        value = known[1].pack(setting.value) if known else setting.value
        pieces.append(_TLV.pack(setting.tag, len(value)))
        pieces.append(value)
    return pieces


def _encode_block(v: FrameBlock) -> list[bytes]:
    return [_BLOCK.pack(v.frame_lo, v.block, v.line0, v.lines, v.roi, v.flags, v.spare), v.data]


_ENCODERS: dict[type, Any] = {FrameLeader: _encode_leader, FrameBlock: _encode_block}


def values(packet: Packet) -> Plain:
    found = asdict(packet)
    if "settings" in found["body"]:
        found["body"]["settings"] = [(x["tag"], x["value"]) for x in found["body"]["settings"]]
    return found


PEER = Peer("REF: struct and slotted dataclasses by hand", decode, values, encode)
