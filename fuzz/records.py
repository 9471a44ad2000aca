"""Hostile records: what a peer without manners, or without a working memory, might send.

A seeded source of byte strings for one end of a bench binding. Most are mutations of legal packets, because only
what is nearly right gets past the first check; the rest are records of every kind with random content, and plain
noise. The same seed gives the same bytes.

Plan: material · mutations · records.
"""

from collections.abc import Callable, Iterator
from random import Random

from fastcrc import crc32

from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import illegal, legal
from opalink.protocol.ir.write import default, write_packet
from opalink.protocol.packets import Lane, Record, RecordKind, encode_Record
from opalink.protocol.transport.framing import LIMIT

_CRC = 4
_HEADER = 16


def material() -> list[bytes]:
    """Every packet of the catalogue in every form: its default and all its probes, legal and not."""
    c = catalogue()
    out = []
    for packet, form, layout in c.messages():
        values = [default(c, layout), *(p.value for p in legal(c, layout)), *(p.value for p in illegal(c, layout))]
        made = (write_packet(c, packet, form, value) for value in values)
        out += [data for data in made if len(data) <= 4096]
    return out


# ── Mutations ────────────────────────────────────────────────────────────────────────────────────────


def _repaired(data: bytes) -> bytes:
    """The same with its CRC made right, so that what lies behind the check is reached."""
    body = data[:-_CRC]
    return body + crc32.iscsi(body).to_bytes(_CRC, "little")


def _flip(random: Random, data: bytes, _: bytes) -> bytes:
    out = bytearray(data)
    for _n in range(random.choice((1, 1, 1, 2, 8))):
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)
    return bytes(out)


def _cut(random: Random, data: bytes, _: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def _extend(random: Random, data: bytes, _: bytes) -> bytes:
    return data + random.randbytes(random.choice((1, 2, 4, 64)))


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data))] + other[random.randrange(len(other)) :]


def _header(random: Random, data: bytes, _: bytes) -> bytes:
    """Another value in the header: version, type, channel, status, transaction or time."""
    out = bytearray(data)
    out[random.choice((0, 1, 2, 3, 6, 7, 8, 15))] = random.randrange(256)
    return bytes(out)


def _length(random: Random, data: bytes, _: bytes) -> bytes:
    out = bytearray(data)
    out[4:6] = random.choice((0, 1, len(data) - 21, len(data), 0xFFFF)).to_bytes(4, "little", signed=True)[:2]
    return bytes(out)


def _resized(random: Random, data: bytes, _: bytes) -> bytes:
    """Cut or grown in its payload, with the header's length following."""
    payload = data[_HEADER:-_CRC]
    n = random.randrange(len(payload) + 9)
    payload = payload[:n] + random.randbytes(max(0, n - len(payload)))
    return data[:4] + len(payload).to_bytes(2, "little") + data[6:_HEADER] + payload + data[-_CRC:]


def _same(_: Random, data: bytes, __: bytes) -> bytes:
    return data


_MUTATIONS: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _same, _same, _flip, _flip, _cut, _extend, _splice, _header, _header, _length, _resized, _resized,
)  # fmt: skip


# ── Records ──────────────────────────────────────────────────────────────────────────────────────────


def packets(random: Random, seeds: list[bytes]) -> Iterator[bytes]:
    """Packets without end: mutated, most of them with a right CRC, and with transactions of all kinds."""
    while True:
        data = random.choice(_MUTATIONS)(random, random.choice(seeds), random.choice(seeds))
        if len(data) > _HEADER + _CRC and random.random() < 0.8:
            if random.random() < 0.5:  # a new transaction, or the stored answer would hide what follows
                data = data[:6] + random.randbytes(2) + data[8:]
            data = _repaired(data)
        yield data


def records(random: Random, seeds: list[bytes], now: Callable[[], int]) -> Iterator[bytes]:
    """Records without end. `now` is the time that CLOCK records lean on; none announces more than the limit, which
    would end the connection: that is tried by itself."""
    source = packets(random, seeds)
    while True:
        kind = random.choices((RecordKind.PACKET, RecordKind.CLOCK, RecordKind.CONTROL, 99), (90, 6, 3, 1))[0]
        lane = random.choice((Lane.SIDEBAND, Lane.LASER, Lane.LASER, Lane.LASER, Lane.NONE, 77))
        if kind is RecordKind.PACKET:
            payload = next(source)
        elif kind is RecordKind.CLOCK:
            payload = (now() + random.choice((0, 1, 1000, 10**6, 10**8, -5))).to_bytes(8, "little", signed=True)
            payload = payload[: random.choice((8, 8, 8, 8, 3))]
        elif kind is RecordKind.CONTROL:
            size = random.choice((0, 0, 1, 2, 3))
            payload = random.randbytes(2) + random.randrange(16).to_bytes(2, "little")
            payload += size.to_bytes(2, "little") + random.randbytes(size)
        else:
            kind = random.randrange(256)
            kind = RecordKind.LOG if kind == RecordKind.BIND else kind
            payload = random.randbytes(random.randrange(64))
        yield encode_Record(Record(kind, lane, timed=1, time=now(), payload=payload[:LIMIT]))
