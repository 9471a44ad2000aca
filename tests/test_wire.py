"""Envelopes and CRCs, held against what others publish and against layouts written by hand.

Plan: CRCs · the packet header · FLIT and sideband record · damage · what is preserved · what has no encoding ·
chapters that nobody has met.
"""

import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import crcmod
import fastcrc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec
from opalink.protocol import packets as classes
from opalink.protocol.codec import DecodeError, EncodeError, Fault, Tlv
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import checksums
from opalink.spec.crc import reference_crc

# ── CRCs ─────────────────────────────────────────────────────────────────────────────────────────────

Sum = Callable[[bytes], int]

PUBLISHED = {
    "crc32c": {  # RFC 3720, B.4, and the catalogue of parametrised CRC algorithms
        b"123456789": 0xE3069283,
        bytes(32): 0x8A9136AA,
        b"\xff" * 32: 0x62A8AB43,
        bytes(range(32)): 0x46DD794E,
        bytes(reversed(range(32))): 0x113FDB5C,
    },
    "crc16": {b"123456789": 0x29B1, b"": 0xFFFF, b"A": 0xB915},  # CRC-16/IBM-3740
}
OTHERS: dict[str, tuple[Sum, ...]] = {
    "crc32c": (crcmod.predefined.mkCrcFun("crc-32c"), fastcrc.crc32.iscsi),
    "crc16": (crcmod.predefined.mkCrcFun("crc-ccitt-false"), fastcrc.crc16.ibm_3740),
}


def functions(name: str) -> tuple[Sum, ...]:
    """The declared parameters at work, the function of the generated code, and two that know no parameters of ours."""
    (crc,) = (c for c in catalogue().crcs if c.name == name)
    return reference_crc(crc), checksums(catalogue())[name], *OTHERS[name]


def test_every_crc_is_held_against_others() -> None:
    assert {c.name for c in catalogue().crcs} == PUBLISHED.keys() == OTHERS.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_crc_has_its_published_values(name: str) -> None:
    for function in functions(name):
        assert {data: function(data) for data in PUBLISHED[name]} == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
@settings(deadline=None)
@given(data=st.binary(max_size=700))
def test_a_crc_is_the_same_for_everyone(name: str, data: bytes) -> None:
    assert len({function(data) for function in functions(name)}) == 1


# ── The packet header ────────────────────────────────────────────────────────────────────────────────

bit, nibble, byte = st.integers(0, 1), st.integers(0, 15), st.integers(0, 0xFF)
word, long = st.integers(0, 0xFFFF), st.integers(0, (1 << 64) - 1)

packets = st.builds(
    codec.Packet,
    rsp=bit,
    spare2=bit,
    more=bit,
    spare0=bit,
    type=st.sampled_from([0x00, 0xEE, 0xFF]),  # types that do not exist: the payload is not looked into
    vc=nibble,
    instance=nibble,
    status=byte,
    txn=word,
    t_ns=long,
    body=st.binary(max_size=64),
)


def by_hand(p: codec.Packet) -> bytes:
    """version and flags, type, channel, status, length, transaction, time, payload, CRC-32C"""
    flags = 0x10 | p.rsp << 3 | p.spare2 << 2 | p.more << 1 | p.spare0
    head = struct.pack("<BBBBHHQ", flags, p.type, p.vc << 4 | p.instance, p.status, len(p.body), p.txn, p.t_ns)
    return sealed(head + p.body)


def sealed(data: bytes) -> bytes:
    return data + struct.pack("<I", OTHERS["crc32c"][0](data))


def test_the_types_that_stand_for_unknown_ones_do_not_exist() -> None:
    assert not {0x00, 0xEE, 0xFF} & catalogue().by_code.keys()


@settings(deadline=None)
@given(packets)
def test_a_packet_is_laid_out_as_by_hand(packet: codec.Packet) -> None:
    data = by_hand(packet)
    assert codec.encode(packet) == data
    assert codec.decode(data) == packet


def test_one_packet_byte_by_byte() -> None:
    """PWR_READY on POWER, at 2 s: object 1, 9 V, 1.5 A, contract 3."""
    head = "10 43 20 00 0700 0000 0094357700000000"
    ready = classes.PwrReady(object=1, voltage=9000, limit=1500, contract=3)
    data = sealed(bytes.fromhex(head + "01 2823 dc05 0300"))
    assert codec.encode(codec.event(ready, t_ns=2_000_000_000)) == data
    assert codec.decode(data).body == ready


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_decodes_alike(kind: Callable[[bytes], Any]) -> None:
    offers = (classes.Offer(min=5000, max=9000), classes.Offer(min=3000, max=3000))
    packet = codec.event(classes.PwrSourceCaps(offers=offers, extensions=(Tlv(0xFFF0, b"later"),)))
    data = codec.encode(packet)
    assert codec.decode(kind(data)) == packet


# ── FLIT and sideband record ─────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(
    st.builds(
        codec.Flit,
        seq=word,
        ack_seq=word,
        ack=st.integers(0, 3),
        kind=st.integers(0, 3),
        epoch=bit,
        spare=st.integers(0, 7),
        vc=byte,
        credit_vc=byte,
        corrected=nibble,
        severity=st.integers(0, 6),
        credit_cum=word,
        first_off=st.integers(0, 624),
        payload=st.binary(min_size=1, max_size=8).map(lambda b: (b * 624)[:624]),
    )
)
def test_a_flit_is_640_bytes_laid_out_as_by_hand(flit: codec.Flit) -> None:
    control = flit.ack << 6 | flit.kind << 4 | flit.epoch << 3 | flit.spare
    health = flit.corrected << 4 | flit.severity
    fields = (flit.seq, flit.ack_seq, control, flit.vc, flit.credit_vc, health, flit.credit_cum, flit.first_off)
    data = sealed(struct.pack("<HHBBBBHH", *fields) + flit.payload)
    assert len(data) == 640
    assert codec.encode_flit(flit) == data
    assert codec.decode_flit(data) == flit


@settings(deadline=None)
@given(st.binary(min_size=20, max_size=1024))
def test_a_sideband_record_is_laid_out_as_by_hand(payload: bytes) -> None:
    data = b"OZ" + struct.pack("<H", len(payload)) + payload
    data += struct.pack("<H", OTHERS["crc16"][0](data))
    assert codec.encode_sideband(codec.Sideband(payload)) == data
    assert codec.decode_sideband(data) == codec.Sideband(payload)


# ── Damage ───────────────────────────────────────────────────────────────────────────────────────────

GOOD = codec.encode(codec.request(classes.PwrRequest(object=2, max=500), txn=3))


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_packet_cut_anywhere_is_short(length: int) -> None:
    with pytest.raises(DecodeError) as error:
        codec.decode(GOOD[:length])
    assert error.value.fault is Fault.SHORT
    assert error.value.offset <= length


@pytest.mark.parametrize("place", range(8 * len(GOOD)))
def test_no_flipped_bit_goes_unnoticed(place: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place // 8] ^= 1 << place % 8
    with pytest.raises(DecodeError) as error:
        codec.decode(damaged)
    assert error.value.fault in (Fault.CRC, Fault.SHORT, Fault.LONG)  # never what the damaged bytes happen to say


def test_the_crc_is_looked_at_only_where_asked() -> None:
    damaged = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
    assert codec.decode(damaged, crc=False) == codec.decode(GOOD)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_not_decode(data: bytes) -> None:
    for decode in (codec.decode, codec.decode_flit, codec.decode_sideband, codec.decode_record):
        with suppress(DecodeError):
            decode(data)


def test_a_packet_that_does_not_decode_still_shows_its_header() -> None:
    bad = sealed(GOOD[:17] + b"\x07" + GOOD[18:-4])  # there are no more than seven offers
    with pytest.raises(DecodeError) as error:
        codec.decode(bad)
    found = error.value
    assert (found.fault, found.path, found.offset, found.value) == (Fault.RANGE, "PWR_REQUEST.request.object", 17, 7)
    assert (found.packet.type, found.packet.txn, found.packet.body) == (classes.PacketType.PWR_REQUEST, 3, bad[16:-4])
    assert str(found) == "PWR_REQUEST.request.object at offset 17: is 7, must be 0 to 6"


# ── What is preserved ────────────────────────────────────────────────────────────────────────────────


def test_what_a_later_version_adds_comes_through() -> None:
    """Unknown members, reserved bits and unknown TLVs, repeated and empty ones included."""
    body = classes.PwrReset(level=200, off_time=1, extensions=(Tlv(9, b""), Tlv(0xFFF0, b"\x01"), Tlv(0xFFF0, b"\x02")))
    data = bytearray(codec.encode(codec.event(body)))
    data[0] |= 0b101
    found = codec.decode(sealed(bytes(data[:-4])))
    assert found.body == body
    assert (found.spare2, found.spare0) == (1, 1)
    assert codec.encode(found) == sealed(bytes(data[:-4]))


# ── What has no encoding ─────────────────────────────────────────────────────────────────────────────

made: Any = codec  # what follows is what no type checker would let pass
bodies: Any = classes
CAPS = bodies.PwrSourceCaps
BIG = (Tlv(0xFFF0, bytes(0xFFFF)), Tlv(0xFFF0, b""))
REFUSED: list[tuple[Any, str]] = [
    (made.Packet(txn=0x1_0000), "txn"),
    (made.Packet(txn=-1), "txn"),
    (made.Packet(instance=16), "instance"),
    (made.Packet(status=1.5), "status"),
    (made.Packet(body=None), "body"),
    (made.Packet(body=bytes(0x1_0000)), "body"),
    (made.event(bodies.PwrReset(extensions=BIG)), "body"),
    (made.event(bodies.PwrReady(object=7)), "object"),
    (made.event(bodies.PwrReady(voltage="5 V")), "voltage"),
    (made.event(CAPS(offers=())), "offers"),
    (made.event(CAPS(offers=None)), "offers"),
    (made.event(CAPS(offers=(bodies.Offer(min=2999),))), "offers[0].min"),
    (made.event(CAPS(offers=(bodies.Offer(), bodies.PwrReady()))), "offers[1]"),
    (made.event(CAPS(extensions=(Tlv(0x1_0000, b""),))), "extensions[0].tag"),
    (made.event(CAPS(extensions=(made.Tlv([], b""),))), "extensions[0].tag"),
    (made.event(CAPS(extensions=(Tlv(0xFFF0, 5),))), "extensions[0].value"),
    (made.event(CAPS(extensions=(Tlv(0xFFF0, bytes(0x1_0000)),))), "extensions[0].value"),
    (made.event(CAPS(extensions=(b"raw",))), "extensions[0]"),
    (made.event(CAPS(extensions=5)), "extensions"),
    ("no packet", ""),
]


@pytest.mark.parametrize(("packet", "path"), REFUSED, ids=range(len(REFUSED)))
def test_the_encoder_names_the_field_that_is_wrong(packet: Any, path: str) -> None:
    with pytest.raises(EncodeError) as error:
        codec.encode(packet)
    assert error.value.path == path
    assert isinstance(error.value, ValueError)


# ── Chapters that nobody has met ─────────────────────────────────────────────────────────────────────

MEETING = """
import sys
from opalink.protocol import codec

def chapters():
    return {name.rpartition(".")[2] for name in sys.modules if name.startswith("opalink.protocol.packets.")} & NAMES

assert not chapters(), chapters()
packet = codec.decode(bytes.fromhex(DATA))
assert chapters() == {HOME}, chapters()
assert codec.encode(codec.event(packet.body)) == codec.encode(packet)
assert codec.decode(bytes.fromhex(UNKNOWN)).body == b"", "an unknown type has no chapter"
assert chapters() == {HOME}, chapters()
from opalink.protocol.packets import OTHER
assert chapters() == {HOME, OTHER.__module__.rpartition(".")[2]}, chapters()
assert codec.HOMES[OTHER] and len(codec.HOMES) == COUNT
assert chapters() == NAMES, NAMES - chapters()
"""


def test_a_packet_or_a_name_brings_in_its_own_chapter_and_no_other() -> None:
    """Whoever decodes one packet does not wait for the other chapters; whoever asks for all of them has them."""
    data = codec.encode(codec.event(classes.FrameBlock(data=b"x"))).hex()
    names = {packet.group for packet in catalogue().packets}
    count = sum(1 for _ in catalogue().messages())
    given = {"DATA": data, "UNKNOWN": codec.encode(codec.Packet(type=0xFE)).hex(), "HOME": "frame", "COUNT": count}
    program = MEETING.replace("OTHER", "LensState")
    assigned = "".join(f"{name} = {value!r}\n" for name, value in (given | {"NAMES": names}).items())
    command = [sys.executable, "-c", assigned + program]
    done = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
