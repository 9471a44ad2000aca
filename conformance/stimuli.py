"""Bytes of stimuli: packets with whatever header and damage a purpose asks for.

The codec writes all that is legal and much that is not: a payload may be any bytes, a type, channel or instance any
number. What it rightly refuses, another major version or a wrong CRC, is put in afterwards.
"""

from functools import cache

from fastcrc import crc32

from opalink.conformance.purposes import Damage, Exchange
from opalink.protocol import codec
from opalink.protocol.codec import Packet
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Form

CRC_BYTES = 4
_UNKNOWN_VC = 3  # CONTROL, for a type that declares none


@cache
def channel_of(code: int) -> int:
    """The virtual channel that a packet type declares."""
    packet = catalogue().by_code.get(code)
    return catalogue().channel[packet.channel].value if packet else _UNKNOWN_VC


def form_bytes(packet: ir.Packet, form: Form, payload: bytes) -> bytes:
    """A whole packet of a type and form around any payload, with everything else as it should be."""
    return stimulus(Exchange(packet.code, payload, "", form), 0 if form is Form.EVENT else 1, 0)  # type: ignore[arg-type]


def stimulus(x: Exchange, txn: int, t_ns: int) -> bytes:
    """The bytes of an exchange's stimulus under a transaction number, which events leave at 0."""
    header = {
        "vc": channel_of(x.packet),
        "txn": 0 if x.form is Form.EVENT else txn,
        "rsp": int(x.form is Form.RESPONSE),
        **dict(x.header),
    }
    major = header.pop("major", None)
    data = codec.encode(Packet(type=x.packet, t_ns=t_ns, body=x.payload, **header))
    if major is not None:
        covered = bytes([major << 4 | data[0] & 0x0F]) + data[1:-CRC_BYTES]
        data = covered + crc32.iscsi(covered).to_bytes(CRC_BYTES, "little")
    match x.damage:
        case Damage.CRC:
            return data[:-1] + bytes([data[-1] ^ 0x5A])
        case Damage.CUT:
            return data[:-1]
        case Damage.TAIL:
            return data + b"\0"
    return data
