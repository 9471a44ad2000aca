"""FLITs as bytes: what the hot path touches of each, and the generated codec for the rest.

A header is a sequence number, eight bytes that stay the same over a run of FLITs (acknowledgement, kind, channel,
credit, health), and the place of the first packet. Whoever writes or reads a run looks at those eight bytes once, with
the generated codec, and then touches the two numbers, the payload and the CRC alone. Where everything lies is taken
from the generated codec: nothing of the layout is stated here.

Plan: places · making FLITs · reading FLITs · packets in a payload.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

from fastcrc import crc32

from opalink.protocol.packets.codec import Flit, _R_Flit, _R_Packet, decode_Flit, encode_Flit
from opalink.spec.limits import FLIT_BYTES, FLIT_PAYLOAD, PACKET_OVERHEAD

_AT: Final = {item.name: item.at for item in _R_Flit}
_FIRST: Final = _AT["first_off"]

VC: Final = _AT["vc"]  # where a FLIT says its channel
NOWHERE: Final = FLIT_PAYLOAD  # `first_off` where no packet begins

# ── Making FLITs ─────────────────────────────────────────────────────────────────────────────────────

# The sequence number comes first and `first_off` last, as tests/test_flit_layout.py holds against the codec.
make: Final = Struct(f"<H{_FIRST - 2}sH{FLIT_PAYLOAD}s").pack  # (seq, middle, first_off, payload): a FLIT but its CRC
check: Final = crc32.iscsi
seal: Final = Struct("<I").pack


def middle(flit: Flit) -> bytes:
    """What stays the same of the header over a run of FLITs that differ in nothing else."""
    return encode_Flit(flit, crc=False)[2:_FIRST]


def sealed(flits: Iterable[bytes]) -> bytes:
    """FLITs, each with its CRC."""
    return b"".join([part for flit in flits for part in (flit, seal(check(flit)))])


# ── Reading FLITs ────────────────────────────────────────────────────────────────────────────────────

each: Final = Struct(f"{FLIT_BYTES}s").iter_unpack  # the FLITs of a batch, as tuples of one
split: Final = Struct(f"<H{_FIRST - 2}sH{FLIT_PAYLOAD}s4x").unpack  # (seq, middle, first_off, payload)
INTACT: Final = check(encode_Flit(Flit()))  # what `check` gives for every FLIT whose CRC is right
read: Final = decode_Flit

# ── Packets in a payload ─────────────────────────────────────────────────────────────────────────────

_PACKET: Final = {item.name: item for item in _R_Packet}
_LENGTH: Final = _PACKET["length"]
_CHANNEL: Final = _PACKET["vc"]
_TYPE: Final = _PACKET["type"].at

KNOWN: Final = _LENGTH.at + _LENGTH.size  # bytes of a packet that say how long it is


def packet_size(data: bytes, at: int) -> int:
    """Bytes of the packet that begins there, of which at least KNOWN are there."""
    return PACKET_OVERHEAD + int.from_bytes(data[at + _LENGTH.at : at + KNOWN], "little")


def packet_channel(data: bytes) -> int:
    """The virtual channel that a packet names."""
    return data[_CHANNEL.at] >> _CHANNEL.shift


def packet_type(data: bytes) -> int:
    """The code of a packet's type."""
    return data[_TYPE]
