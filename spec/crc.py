"""The reference for every CRC: computed from its declared parameters, bit by bit folded into a table.

Slow, and independent of the libraries that it is checked against.
"""

from collections.abc import Callable

from opalink.spec.form import Crc


def reference_crc(crc: Crc) -> Callable[[bytes], int]:
    """The function that these parameters describe: 16 or 32 bits, reflected on both ends or on neither."""
    assert crc.refin == crc.refout
    assert crc.width in (16, 32)
    mask = (1 << crc.width) - 1
    table = []
    for byte in range(256):
        if crc.refin:
            poly, value = int(f"{crc.poly:0{crc.width}b}"[::-1], 2), byte
            for _ in range(8):
                value = value >> 1 ^ (poly if value & 1 else 0)
        else:
            value = byte << crc.width - 8
            for _ in range(8):
                value = (value << 1 ^ (crc.poly if value >> crc.width - 1 else 0)) & mask
        table.append(value)

    def reflected(data: bytes) -> int:
        value = crc.init
        for byte in data:
            value = value >> 8 ^ table[(value ^ byte) & 0xFF]
        return value ^ crc.xorout

    def straight(data: bytes) -> int:
        value = crc.init
        for byte in data:
            value = (value << 8 ^ table[value >> crc.width - 8 ^ byte]) & mask
        return value ^ crc.xorout

    return reflected if crc.refin else straight
