"""Kaitai Struct: the real compiler's Python code from `bench/kaitai/opal_packet.ksy`. It reads the CRC, unchecked."""

from importlib.metadata import version
from typing import Any

from bench.kaitai.opal_packet import OpalPacket
from bench.peers import Peer
from bench.samples import Plain

_HEADER = ("rsp", "spare2", "more", "spare0", "type", "vc", "instance", "status", "txn", "t_ns")
_LEADER = (
    "frame", "request", "stream", "step", "kind", "pixel_format", "codec", "width", "height", "x", "y", "t_first_row",
    "line_period", "row_direction", "blocks", "block_bytes", "size",
)  # fmt: skip
_BLOCK = ("frame_lo", "block", "line0", "lines", "roi", "flags", "spare")


def values(packet: Any) -> Plain:
    p = packet.payload
    if isinstance(p, OpalPacket.FrameBlock):
        body: Plain = {name: int(getattr(p, name)) for name in _BLOCK} | {"data": p.data}
    else:
        body = {name: int(getattr(p, name)) for name in _LEADER}
        body["exposures"] = [{"time": x.time, "gain": x.gain} for x in p.exposures]
        body["settings"] = [(int(x.tag), int(x.value.value)) for x in p.settings]
    return {name: int(getattr(packet, name)) for name in _HEADER} | {"body": body}


PEER = Peer(f"Kaitai Struct {version('kaitaistruct')} for Python", OpalPacket.from_bytes, values)
