"""A FLIT written or read in a run is the one that the generated codec writes and reads.

Plan: making · reading · packets.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec
from opalink.protocol.flit import layout
from opalink.protocol.packets import Flit, Keepalive, PacketType, VcResync

FLITS = st.builds(
    Flit,
    seq=st.integers(0, 0xFFFF),
    ack_seq=st.integers(0, 0xFFFF),
    ack=st.integers(0, 3),
    kind=st.integers(0, 3),
    epoch=st.integers(0, 1),
    spare=st.integers(0, 7),
    vc=st.integers(0, 255),
    credit_vc=st.integers(0, 255),
    corrected=st.integers(0, 15),
    severity=st.integers(0, 6),
    credit_cum=st.integers(0, 0xFFFF),
    first_off=st.integers(0, 624),
    payload=st.binary(min_size=624, max_size=624),
)


@settings(deadline=None)
@given(FLITS)
def test_a_flit_made_in_a_run_is_the_codecs(flit: Flit) -> None:
    made = layout.make(flit.seq, layout.middle(flit), flit.first_off, flit.payload)
    assert layout.sealed([made]) == codec.encode_flit(flit)
    assert made[layout.VC] == flit.vc


@settings(deadline=None)
@given(st.lists(FLITS, max_size=5))
def test_flits_of_a_batch_are_read_as_the_codec_reads_them(batch: list[Flit]) -> None:
    data = b"".join(map(codec.encode_flit, batch))
    for (one,), flit in zip(layout.each(data), batch, strict=True):
        assert layout.check(one) == layout.INTACT
        assert layout.split(one) == (flit.seq, layout.middle(flit), flit.first_off, flit.payload)


@settings(deadline=None)
@given(FLITS, st.integers(0, 640 * 8 - 1))
def test_a_flit_with_a_wrong_bit_is_not_intact(flit: Flit, bit: int) -> None:
    data = bytearray(codec.encode_flit(flit))
    data[bit >> 3] ^= 1 << (bit & 7)
    assert layout.check(bytes(data)) != layout.INTACT


def test_a_packet_says_its_size_channel_and_type() -> None:
    for body in (Keepalive(), VcResync(epoch=1)):
        packet = codec.request(body, txn=0x1234)
        data = codec.encode(packet)
        assert layout.packet_size(b"\xff" * 9 + data, 9) == len(data)
        assert layout.packet_type(data) == packet.type
        assert layout.packet_channel(data) == packet.vc
    assert layout.packet_type(data) == PacketType.VC_RESYNC
