"""Bytes of stimuli: packets with whatever header and damage a purpose asks for.

The codec writes all that is legal and much that is not: a payload may be any bytes, a type, channel or instance any
number. What it rightly refuses, another major version or a wrong CRC, is put in afterwards.

Plan: stimuli · proof that a stimulus has one fault.
"""

from functools import cache

from fastcrc import crc32

from opalink.conformance.purposes import Damage, Exchange
from opalink.protocol import codec
from opalink.protocol.codec import Packet
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import Probe
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


# ── Proof that a stimulus has one fault ──────────────────────────────────────────────────────────────


class NotSingleError(AssertionError):
    """A stimulus whose fault is not the one that it is named for: an error of the suite."""


def prove(p: ir.Packet, payload: bytes, probe: Probe | None) -> None:
    """A request with this payload has exactly the probe's fault; without a probe, none."""
    try:
        codec.decode(form_bytes(p, Form.REQUEST, payload))
        found = None
    except DecodeError as error:
        found = error.fault, error.path
    expected = (probe.fault, f"{p.name}.request.{probe.path}") if probe else None
    if found != expected:
        raise NotSingleError(f"{p.name} {probe.name if probe else 'control'}: {found}, not {expected}")
