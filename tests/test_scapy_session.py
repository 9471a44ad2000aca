"""Recorded sessions in scapy: as packets and as FLITs, whole and damaged.

A phone takes a still of a module; what passes between them is recorded, as packets on the packet plane and as FLITs
as the lines carry them. scapy must find what was sent, and the picture.

Plan: recordings · packets · FLITs and sideband records · what goes wrong.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc32
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.plist import PacketList
from scapy.sendrecv import sniff
from scapy.utils import PcapNgWriter, rdpcap

from opalink.protocol import codec
from opalink.protocol.capture.pcapng import LINKTYPE_FLIT, Interface, Writer, read
from opalink.protocol.flit import End, parameters
from opalink.protocol.packets import (
    BlockFlags,
    FlitKind,
    FrameBlock,
    FrameExposure,
    FrameLeader,
    FrameTrailer,
    Keepalive,
    Lane,
    PixelFormat,
    VirtualChannel,
)
from opalink.protocol.scapy import OpalFlit, OpalFrame, OpalPacket, OpalSession, OpalSideband, plain
from opalink.protocol.shooting import session
from opalink.spec.form import Role

SMALL = 3  # the mode of four-thirds with the fewest pixels

# ── Recordings ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A still as packets and as FLITs, and its data."""
    folder = tmp_path_factory.mktemp("recorded")
    packets, flits = folder / "packets.pcapng", folder / "flits.pcapng"
    sent: list[tuple[int, Role, Lane, bytes]] = []
    with session("sim:four-thirds") as taken, packets.open("wb") as stream:
        taken.record(stream, "test")
        taken.meeting.taps.append(lambda *departure: sent.append(departure))
        for _ in taken.shoot(SMALL):
            pass
        assert taken.still is not None
        data = bytes(taken.still.data)
    with flits.open("wb") as stream:
        sides = [Interface(str(role), LINKTYPE_FLIT, role is Role.MODULE) for role in (Role.PHONE, Role.MODULE)]
        writer = Writer(stream, sides)
        for time, role, line in on_the_line(sent):
            writer.write(int(role is Role.MODULE), time, line)
    return packets, flits, data


def on_the_line(sent: list[tuple[int, Role, Lane, bytes]]) -> Iterator[tuple[int, Role, bytes]]:
    """Packets as FLITs and as sideband records, with the acknowledgements that let them pass."""
    ends = {role: End() for role in (Role.PHONE, Role.MODULE)}
    granted = parameters(depth=4096, credit=4)
    for end in ends.values():
        end.begin(granted, granted)
    for time, role, lane, data in sent:
        if lane is Lane.SIDEBAND:
            yield time, role, codec.encode_sideband(codec.Sideband(payload=data))
            continue
        ends[role].put(data)
        for here, there in ((role, other(role)), (other(role), role)):
            batch = ends[here].take(time, 256)
            ends[there].receive(time, batch)
            yield from ((time, here, batch[i : i + 640]) for i in range(0, len(batch), 640))


def other(role: Role) -> Role:
    return Role.MODULE if role is Role.PHONE else Role.PHONE


def sniffed(path: Path, **options: Any) -> PacketList:
    return sniff(offline=str(path), session=OpalSession(**options))


# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def test_scapy_finds_what_our_codec_finds_and_builds_it_again(shot: tuple[Path, Path, bytes]) -> None:
    path, _, _ = shot
    with path.open("rb") as stream:
        recorded = read(stream).packets
    found = rdpcap(str(path))
    assert len(found) == len(recorded) > 100
    for packet, was in zip(found, recorded, strict=True):
        assert plain(packet) == codec.plain(codec.decode(was.data))
        assert bytes(packet) == was.data
        assert packet.direction == (1 if was.interface.inbound else 2)
        assert packet.sniffed_on == was.interface.name
        assert int(packet.time * 10**9) == was.time
        assert packet.fault is None


def test_what_scapy_writes_our_reader_reads(shot: tuple[Path, Path, bytes], tmp_path: Path) -> None:
    found = rdpcap(str(shot[0]))[:20]
    with PcapNgWriter(str(tmp_path / "again.pcapng")) as writer:
        writer.write(found)
    again = rdpcap(str(tmp_path / "again.pcapng"))
    assert [bytes(p) for p in again] == [bytes(p) for p in found]
    assert all(type(p) is OpalPacket for p in again)


def test_packets_make_the_picture(shot: tuple[Path, Path, bytes]) -> None:
    path, _, data = shot
    found = sniffed(path)
    (frame,) = (p for p in found if isinstance(p, OpalFrame))
    assert (frame.load, frame.missing, frame.good) == (data, 0, True)
    assert found.index(frame) == 1 + max(i for i, p in enumerate(found) if "FRAME_" in p.summary() and p is not frame)


# ── FLITs and sideband records ───────────────────────────────────────────────────────────────────────


def test_flits_make_the_packets_and_the_picture(shot: tuple[Path, Path, bytes]) -> None:
    packets, flits, data = shot
    found = sniffed(flits)
    (frame,) = (p for p in found if isinstance(p, OpalFrame))
    assert (frame.load, frame.missing, frame.good) == (data, 0, True)
    made = [bytes(p[OpalPacket]) for p in found if OpalPacket in p]
    sent = [bytes(p) for p in rdpcap(str(packets))]
    assert sorted(made) == sorted(sent)
    assert {type(p) for p in rdpcap(str(flits))} == {OpalFlit, OpalSideband}
    assert {p.direction for p in found} == {1, 2}
    assert (frame.direction, frame.time) == (1, found[found.index(frame) - 1].time)


def test_every_flit_is_the_same_to_the_codec(shot: tuple[Path, Path, bytes]) -> None:
    for line in rdpcap(str(shot[1])):
        data = line.original
        assert bytes(line) == data
        read_by = codec.decode_flit if isinstance(line, OpalFlit) else codec.decode_sideband
        assert plain(line) == codec.plain(read_by(data))


# ── What goes wrong ──────────────────────────────────────────────────────────────────────────────────

STREAM = VirtualChannel.STREAM0
PICTURE = bytes(range(250)) * 40  # 100 × 50 pixels of 16 bits, in 5 blocks


def frame(number: int = 1, *, lost: int | None = None) -> list[bytes]:
    """The packets of a small frame, but for one of its blocks."""
    leader = FrameLeader(
        frame=number, width=100, height=50, blocks=5, block_bytes=2000, size=10_000, exposures=(FrameExposure(),),
        pixel_format=PixelFormat.MONO16,
    )  # fmt: skip
    blocks = [
        FrameBlock(
            frame_lo=number, block=i, data=PICTURE[2000 * i : 2000 * (i + 1)], flags=BlockFlags.LAST if i == 4 else 0
        )
        for i in range(5)
    ]
    trailer = FrameTrailer(frame=number, blocks=5, frame_crc=crc32.iscsi(PICTURE))
    return [codec.encode(codec.event(x)) for x in (leader, *(b for b in blocks if b.block != lost), trailer)]


def flits_of(packets: list[bytes], epoch: int = 0) -> list[bytes]:
    """A FLIT for each payload that the packets fill, as one end sends them."""
    end = End()
    granted = parameters(epoch, depth=4096, credit=4)
    end.begin(granted, granted)
    for packet in packets:
        end.put(packet)
    batch = end.take(0, 4096)
    return [batch[i : i + 640] for i in range(0, len(batch), 640)]


def heard(lines: list[bytes], taken: OpalSession | None = None) -> list[Any]:
    taken = taken or OpalSession()
    return [out for line in lines for out in taken.take(OpalFlit(line) if len(line) == 640 else OpalPacket(line))]


PACKETS = [*frame(), codec.encode(codec.request(Keepalive(seq=7), txn=9))]


def test_a_small_frame_comes_through() -> None:
    out = heard(flits_of(PACKETS))
    assert sorted(bytes(p) for p in out if isinstance(p, OpalPacket)) == sorted(PACKETS)
    assert [p.load for p in out if isinstance(p, OpalFrame)] == [PICTURE]


@settings(deadline=None)
@given(st.data())
def test_flits_out_of_order_and_twice_are_put_in_order(data: st.DataObject) -> None:
    lines = flits_of(PACKETS)
    first, rest = lines[0], lines[1:]
    moved = data.draw(st.permutations(rest)) + data.draw(st.lists(st.sampled_from(lines), max_size=5))
    assert [p.load for p in heard([first, *moved]) if isinstance(p, OpalFrame)] == [PICTURE]


def test_a_flit_that_is_damaged_comes_through_as_it_is_and_its_replay_heals() -> None:
    lines = flits_of(PACKETS)
    broken = lines[3][:100] + bytes([lines[3][100] ^ 1]) + lines[3][101:]
    out = heard([*lines[:3], broken, *lines[4:], lines[3]])
    assert [bytes(p) for p in out if isinstance(p, OpalFlit)] == [broken]
    assert [p.load for p in out if isinstance(p, OpalFrame)] == [PICTURE]


def test_another_epoch_begins_anew() -> None:
    lines = flits_of(PACKETS)
    out = heard([*lines[:4], *flits_of(frame(2), epoch=1)])
    assert [p.leader.frame for p in out if isinstance(p, OpalFrame)] == [1, 2]  # the first with what came of it
    assert [p.missing > 0 for p in out if isinstance(p, OpalFrame)] == [True, False]


def test_a_block_that_never_comes_is_missing() -> None:
    taken = OpalSession()
    assert not [p for p in heard(frame(lost=2), taken) if isinstance(p, OpalFrame)]
    (left,) = taken.unfinished()
    assert (left.missing, left.load[4000:6000], left.good) == (1, bytes(2000), None)
    (partial, whole) = (p for p in heard(frame(2), taken) if isinstance(p, OpalFrame))
    assert (partial.leader.frame, partial.missing) == (1, 1)
    assert (whole.leader.frame, whole.missing) == (2, 0)
    assert "1 blocks missing" in partial.summary()
    assert partial.copy().leader == partial.leader


def test_a_gap_that_is_never_filled_costs_its_packets_and_no_more() -> None:
    lines = flits_of([codec.encode(codec.request(Keepalive(seq=i), txn=9)) for i in range(5)])
    far = codec.encode_flit(codec.Flit(seq=5000, vc=STREAM, payload=bytes(624)))
    out = heard([lines[0], far, *lines])
    assert len(out) == len({bytes(p) for p in out}) >= 1


def test_parts_of_a_frame_that_contradict_are_refused() -> None:
    taken = OpalSession(room=100)
    assert [type(p) for p in heard(frame(), taken)] == [OpalPacket] * 7
    assert taken.refused == 1


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(min_size=640, max_size=640), st.sampled_from(flits_of(PACKETS)), st.binary())))
def test_no_line_is_an_exception(lines: list[bytes]) -> None:
    for out in heard(lines):
        assert out.summary()


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            codec.Flit,
            seq=st.integers(0, 9000),
            vc=st.integers(0, 20),
            kind=st.sampled_from([*FlitKind]),
            epoch=st.integers(0, 1),
            first_off=st.integers(0, 624),
            payload=st.one_of(st.just(bytes(624)), st.binary(min_size=624, max_size=624)),
        )
    )
)
def test_no_intact_flit_is_an_exception(flits: list[codec.Flit]) -> None:
    for out in heard([codec.encode_flit(f) for f in flits]):
        assert bytes(out)


def test_recordings_in_memory_need_no_file() -> None:
    stream = io.BytesIO()
    Writer(stream, [Interface("module", LINKTYPE_FLIT, True)]).write(0, 5, flits_of(PACKETS)[0])
    stream.seek(0)
    (line,) = rdpcap(stream)
    assert type(line) is OpalFlit
