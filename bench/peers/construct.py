"""construct: our own declarations, interpreted, as they stand in `spec/`.

Only the CRC, which the declarations define bit by bit, is given the fast function that everybody else has.
"""

from importlib.metadata import version
from typing import Any

import construct as c
from fastcrc import crc32

from bench.peers import Peer
from bench.samples import Plain
from opalink.spec import frame, wire
from opalink.spec.form import Form


def _with_fast_crc(part: Any) -> Any:
    checksum = part.subcon if isinstance(part, c.Renamed) else part
    if not isinstance(checksum, c.Checksum):
        return part
    return part.name / c.Checksum(checksum.checksumfield, crc32.iscsi, checksum.bytesfunc)


_PACKET = c.Struct(*map(_with_fast_crc, wire.PACKET.schema.subcons))
_BODIES = {p.code: p.bodies[Form.EVENT].schema for p in (frame.FRAME_LEADER, frame.FRAME_BLOCK)}


def decode(data: bytes) -> tuple[Any, Any]:
    packet = _PACKET.parse(data)
    return packet, _BODIES[packet.type].parse(packet.payload)


def values(decoded: tuple[Any, Any]) -> Plain:
    packet, body = decoded
    header = packet.ver_flags | packet.chan | {name: packet[name] for name in ("type", "status", "txn", "t_ns")}
    out = {name: int(x) for name, x in header.items() if name not in ("_io", "major")}
    fields = {name: x if name == "data" else _plain(x) for name, x in body.items() if name != "_io"}
    if "settings" in body:
        fields["settings"] = [(int(x.tag), int(x.value.value)) for x in body.settings]
    return out | {"body": fields}


def _plain(x: Any) -> Any:
    if isinstance(x, list):
        return [{name: int(y) for name, y in row.items() if name != "_io"} for row in x if "tag" not in row]
    return int(x)


PEER = Peer(f"construct {version('construct')} with checksum", decode, values)
