"""The two packets on which codecs are compared, and what every codec must find in them.

A sample is plain values, in the form of `codec.plain`, and the bytes that a slow writer of its own makes of them:
no codec that is measured here has had a hand in either.

FRAME_LEADER stands for control packets: of all packet types it alone has numbers of every width, enumerations, a
set of flags, a list and typed TLVs. With one exposure and three settings it is 106 bytes long. FRAME_BLOCK stands
for the mass of the traffic: with 8192 bytes of data, 8228.
"""

from random import Random
from typing import Any, Final

from fastcrc import crc32

Plain = dict[str, Any]

LEADER, BLOCK = "FRAME_LEADER", "FRAME_BLOCK"
BLOCK_DATA: Final = 8192

# Field, bytes, signed.
_LEADER: Final = (
    ("frame", 8), ("request", 4), ("stream", 1), ("step", 1), ("kind", 2), ("pixel_format", 4), ("codec", 1),
    ("width", 2), ("height", 2), ("x", 2), ("y", 2), ("t_first_row", 8), ("line_period", 4), ("row_direction", 1),
    ("blocks", 4), ("block_bytes", 2), ("size", 8),
)  # fmt: skip
_BLOCK: Final = (("frame_lo", 4), ("block", 4), ("line0", 2), ("lines", 2), ("roi", 1), ("flags", 1), ("spare", 2))
EXPOSURE_MODE, WHITE_BALANCE, FOCUS_POSITION = 0x0103, 0x0201, 0x0301
_SETTINGS: Final = {EXPOSURE_MODE: (1, False), WHITE_BALANCE: (2, False), FOCUS_POSITION: (4, True)}
_FORMATS: Final = (0x01080009, 0x010C0059, 0x010E0106, 0x0110002F)


def samples(kind: str, count: int, seed: int = 1) -> list[tuple[Plain, bytes]]:
    """Packets of a kind: their values and their bytes."""
    random = Random(f"{kind} {seed}")
    make = {LEADER: _leader, BLOCK: _block}[kind]
    return [(value, written(value)) for value in (make(i, random) for i in range(count))]


def _header(i: int, kind: int, channel: int) -> Plain:
    fixed = {"rsp": 0, "spare2": 0, "more": 0, "spare0": 0, "status": 0, "txn": 0}
    return fixed | {"type": kind, "vc": channel, "instance": i % 3, "t_ns": 1_700_000_000_000 + 6_600 * i}


def _leader(i: int, random: Random) -> Plain:
    width, height = random.randrange(1000, 12_000), random.randrange(1000, 9_000)
    body = {
        "frame": random.getrandbits(40) + 1, "request": random.getrandbits(20), "stream": i % 4, "step": i % 32,
        "kind": i % 4, "pixel_format": random.choice(_FORMATS), "codec": i % 4, "width": width, "height": height,
        "x": random.getrandbits(12), "y": random.getrandbits(12), "t_first_row": random.getrandbits(50),
        "line_period": random.getrandbits(24), "row_direction": i % 3, "blocks": random.getrandbits(15) + 1,
        "block_bytes": BLOCK_DATA, "size": width * height * 3 // 2,
        "exposures": [{"time": random.getrandbits(32) + 1, "gain": random.getrandbits(12) + 1}],
        "settings": [
            (EXPOSURE_MODE, i % 3),
            (WHITE_BALANCE, random.randrange(2500, 9000)),
            (FOCUS_POSITION, random.randrange(-1000, 9000)),
        ],
    }  # fmt: skip
    return _header(i, 0x70, 5) | {"body": body}


def _block(i: int, random: Random) -> Plain:
    body = {
        "frame_lo": random.getrandbits(32), "block": i, "line0": i % 65536, "lines": 2, "roi": i % 17,
        "flags": i % 4, "spare": 0, "data": random.randbytes(BLOCK_DATA),
    }  # fmt: skip
    return _header(i, 0x71, 8 + i % 4) | {"body": body}


def written(value: Plain) -> bytes:
    """The bytes of a sample, number by number."""
    body = value["body"]
    payload = b"".join(body[name].to_bytes(size, "little") for name, size in (_BLOCK if "data" in body else _LEADER))
    if "data" in body:
        payload += body["data"]
    else:
        payload += bytes([len(body["exposures"])])
        for x in body["exposures"]:
            payload += x["time"].to_bytes(8, "little") + x["gain"].to_bytes(2, "little")
        for tag, number in body["settings"]:
            size, signed = _SETTINGS[tag]
            payload += tag.to_bytes(2, "little") + size.to_bytes(2, "little")
            payload += number.to_bytes(size, "little", signed=signed)
    flags = 1 << 4 | value["rsp"] << 3 | value["spare2"] << 2 | value["more"] << 1 | value["spare0"]
    data = bytes([flags, value["type"], value["vc"] << 4 | value["instance"], value["status"]])
    data += len(payload).to_bytes(2, "little") + value["txn"].to_bytes(2, "little")
    data += value["t_ns"].to_bytes(8, "little") + payload
    return data + crc32.iscsi(data).to_bytes(4, "little")
