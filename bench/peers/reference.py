"""construct, interpreting the declarations themselves, with its checksum from the fast library."""

from typing import Any

import construct
from fastcrc import crc32

from bench.samples import BLOCK
from opalink.spec import frame, wire
from opalink.spec.form import Form

_HEADER = construct.Struct(*wire.PACKET.schema.subcons[1:-4])
_CRC = construct.Int32ul
_SIZE = 16
_BODIES = {
    True: frame.FRAME_BLOCK.bodies[Form.EVENT].schema,
    False: frame.FRAME_LEADER.bodies[Form.EVENT].schema,
}


def decode(data: bytes, *, crc: bool = True) -> tuple[Any, Any]:
    """Header and body."""
    header = _HEADER.parse(data)
    end = _SIZE + header.length
    if crc and crc32.iscsi(data[:end]) != _CRC.parse(data[end:]):
        raise ValueError("crc")
    return header, _BODIES[header.type == BLOCK_TYPE].parse(data[_SIZE:end])


def encode(packet: tuple[Any, Any]) -> bytes:
    header, body = packet
    data: bytes = _HEADER.build(header) + _BODIES[header.type == BLOCK_TYPE].build(body)
    return data + _CRC.build(crc32.iscsi(data))


BLOCK_TYPE = frame.FRAME_BLOCK.code
assert frame.FRAME_BLOCK.name == BLOCK
