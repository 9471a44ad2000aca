"""FLITs and sideband records in tshark: packets put together again, whatever happened to the FLITs on the way.

Plan: the wire · packets out of FLITs · what is told of FLITs · sideband records · frames.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest

from opalink.protocol import codec
from opalink.protocol.codec import encode_flit, encode_sideband
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import FrameBlock, FrameLeader, FrameTrailer, Keepalive, OisTarget, VirtualChannel
from opalink.protocol.packets.codec import Flit, Sideband
from opalink.spec.form import Role
from tests.differential.tshark import (
    MISSING,
    TSHARK,
    Sent,
    Told,
    difference,
    dissector,
    record,
    record_flits,
    said,
    told,
)
from tests.flit_wire import FLIT, Wire, spoiled

pytestmark = pytest.mark.skipif(TSHARK is None, reason=MISSING)

Fate = Callable[[Random, bytes], Iterable[bytes]]


@pytest.fixture(scope="module")
def lua(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dissector(tmp_path_factory.mktemp("lua"))


# ── The wire ─────────────────────────────────────────────────────────────────────────────────────────

FATES: dict[str, Fate] = {
    "nothing": lambda _dice, flit: (flit,),
    "some are lost": lambda dice, flit: () if dice.random() < 0.05 else (flit,),
    "some are spoiled": lambda dice, flit: (spoiled(flit, dice.randrange(5120)),) if dice.random() < 0.05 else (flit,),
    "some come twice": lambda dice, flit: (flit, flit) if dice.random() < 0.05 else (flit,),
}


def packets(dice: Random) -> list[bytes]:
    """Packets of three channels, of all sizes: many in a FLIT, and many FLITs long."""
    out = []
    for n in range(60):
        out.append(codec.encode(codec.request(Keepalive(n), n + 1)))
        out.append(codec.encode(codec.event(OisTarget())))
        if n % 3 == 0:
            size = dice.choice((1, 580, 581, 600, 603, 604, 605, 1228, 4096, 20_000))
            out.append(codec.encode(codec.event(FrameBlock(block=n, data=dice.randbytes(size)))))
    return out


def carried(fate: Fate, seed: int = 1) -> tuple[list[Sent], list[bytes]]:
    """The FLITs of both directions as they arrive, and the packets that arrive at the phone."""
    dice, wire = Random(seed), Wire(batch=8)
    seen: list[Sent] = []

    def on_the_way(sender: Role) -> Callable[[bytes], Iterable[bytes]]:
        def through(flit: bytes) -> Iterable[bytes]:
            out = list(fate(dice, flit))
            seen.extend((wire.now, sender, x) for x in out)
            return out

        return through

    wire.module.fate, wire.phone.fate = on_the_way(Role.MODULE), on_the_way(Role.PHONE)
    for data in packets(dice):
        wire.module.end.put(data)
        wire.run(until=wire.now + 500)
    wire.run()
    assert len(wire.phone.got) == len(packets(Random(seed)))
    return seen, wire.phone.got


def shown(lua: Path, folder: Path, flits: list[Sent]) -> list[Told]:
    path = folder / "flits.pcapng"
    record_flits(path, flits)
    return list(told(lua, path))


def channels(found: Iterable[bytes]) -> dict[int, list[bytes]]:
    out: dict[int, list[bytes]] = defaultdict(list)
    for data in found:
        out[data[2] >> 4].append(data)
    return out


def channel_of(found: Told) -> int:
    return next(int(show) for name, show, _ in found.fields if name == "PACKET.vc")


# ── Packets out of FLITs ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fate", FATES)
def test_every_packet_of_a_lossy_line_is_whole_and_in_its_channels_order(lua: Path, tmp_path: Path, fate: str) -> None:
    flits, got = carried(FATES[fate])
    assert fate == "nothing" or len(flits) != len(carried(FATES["nothing"])[0])
    found: dict[int, list[Told]] = defaultdict(list)
    for one in shown(lua, tmp_path, flits):
        if any(name.startswith("PACKET.") for name, _, _ in one.fields):
            found[channel_of(one)].append(one)
    expected = channels(got)
    assert {vc: len(x) for vc, x in found.items()} == {vc: len(x) for vc, x in expected.items()}
    for vc, data in expected.items():
        for one, other in zip(data, found[vc], strict=True):
            assert difference(catalogue(), one, other) == ""


def test_a_recording_that_begins_in_the_midst_is_read_from_the_next_packet_on(lua: Path, tmp_path: Path) -> None:
    flits, got = carried(FATES["nothing"])
    cut = [x for x in flits if x[1] is Role.MODULE][40:]
    found = [x for x in shown(lua, tmp_path, cut) if any(name.startswith("PACKET.") for name, _, _ in x.fields)]
    assert 0 < len(found) < len(got)
    assert not any(x.fault for x in found)


def test_a_second_pass_tells_the_same(lua: Path, tmp_path: Path) -> None:
    flits, _ = carried(FATES["some are lost"])
    path = tmp_path / "flits.pcapng"
    record_flits(path, flits)
    once, twice = (list(told(lua, path, *options)) for options in ([], ["-2"]))
    assert [(x.fields, x.fault) for x in once] == [(x.fields, x.fault) for x in twice]


# ── What is told of FLITs ────────────────────────────────────────────────────────────────────────────


def test_flits_show_their_headers_and_their_faults(lua: Path, tmp_path: Path) -> None:
    good = encode_flit(Flit(seq=7, vc=VirtualChannel.CONTROL, first_off=624))
    severe = bytearray(encode_flit(Flit(severity=6), crc=False))
    severe[7] = 7
    damaged = [
        good[:11],
        good[:100],
        good[:639],
        good[:-1] + bytes([good[-1] ^ 1]),
        good + b"\0",
        _sealed(bytes(severe)),
    ]
    found = shown(lua, tmp_path, [(n, Role.MODULE, x) for n, x in enumerate([good, *damaged])])
    first = {name: show for name, show, _ in found[0].fields}
    assert (first["FLIT.seq"], first["FLIT.vc"], first["FLIT.first_off"]) == (
        "7",
        str(VirtualChannel.CONTROL.value),
        "624",
    )
    for data, one in zip(damaged, found[1:], strict=True):
        with pytest.raises(codec.DecodeError) as error:
            codec.decode_flit(data)
        assert (one.fault, one.path) == (error.value.fault, error.value.path)
        assert one.experts == [f"fault.{error.value.fault}"]


def _sealed(flit: bytes) -> bytes:
    from opalink.protocol.flit.layout import check, seal

    return flit[:-4] + seal(check(flit[:-4]))


def test_columns_tell_what_a_flit_carries_and_expert_information_what_befell_it(lua: Path, tmp_path: Path) -> None:
    flits, _ = carried(FATES["some come twice"])
    path = tmp_path / "flits.pcapng"
    record_flits(path, flits)
    info = said(lua, path, "-T", "fields", "-e", "_ws.col.Info").splitlines()
    assert len(info) == len(flits)
    assert sum("KEEPALIVE request #1" in line.split(": ")[-1].split(", ") for line in info) == 1
    noted = Counter(said(lua, path, "-Y", "opal.duplicate", "-T", "fields", "-e", "opal.FLIT.kind").split())
    assert sum(noted.values()) == sum("[duplicate]" in line for line in info) > 3


def test_a_long_packet_names_its_flits(lua: Path, tmp_path: Path) -> None:
    data = codec.encode(codec.event(FrameBlock(data=bytes(2000))))
    wire = Wire(batch=64)
    wire.module.end.put(data)
    path = tmp_path / "flits.pcapng"
    record_flits(path, ((n, Role.MODULE, x) for n, x in enumerate(_cut(wire.module.end.take(0, 64)))))
    fields = ["-e", "opal.segment", "-e", "opal.reassembled_in"]
    lines = said(lua, path, "-2", "-T", "fields", "-E", "separator=;", *fields).splitlines()
    assert lines[:4] == [";4", ";4", ";4", "1,2,3,4;4"]


def _cut(data: bytes) -> list[bytes]:
    return [data[i : i + FLIT] for i in range(0, len(data), FLIT)]


# ── Sideband records ─────────────────────────────────────────────────────────────────────────────────


def test_a_sideband_record_is_known_by_its_sync_and_its_packet_shown(lua: Path, tmp_path: Path) -> None:
    packet = codec.encode(codec.request(Keepalive(3), 9))
    good = encode_sideband(Sideband(packet))
    damaged = [good[:-1], good[:-1] + bytes([good[-1] ^ 1]), good + b"\0"]
    found = shown(lua, tmp_path, [(n, Role.PHONE, x) for n, x in enumerate([good, *damaged])])
    record_itself, inside, *others = found
    assert ("SIDEBAND.length", str(len(packet)), len(packet).to_bytes(2, "little").hex()) in record_itself.fields
    assert difference(catalogue(), packet, inside) == ""
    for data, one in zip(damaged, others, strict=True):
        with pytest.raises(codec.DecodeError) as error:
            codec.decode_sideband(data)
        assert (one.fault, one.path) == (error.value.fault, error.value.path)


def test_a_record_as_long_as_a_flit_is_told_from_one(lua: Path, tmp_path: Path) -> None:
    packet = codec.encode(codec.request(Keepalive(3), 9))
    packet = packet[:4] + (634 - 20).to_bytes(2, "little") + packet[6:-4] + bytes(634 - len(packet))
    sideband = encode_sideband(Sideband(_sealed(packet + bytes(4))))
    flit = encode_flit(Flit(seq=0x5A4F, ack_seq=634, first_off=624))
    assert len(sideband) == len(flit)
    assert sideband[:4] == flit[:4]
    one, _, other = shown(lua, tmp_path, [(0, Role.PHONE, sideband), (1, Role.PHONE, flit)])
    assert {name.split(".")[0] for name, _, _ in one.fields} == {"SIDEBAND"}
    assert {name.split(".")[0] for name, _, _ in other.fields} == {"FLIT"}


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def test_blocks_are_tied_to_their_leader_and_counted_at_the_trailer(lua: Path, tmp_path: Path) -> None:
    bodies = [
        FrameLeader(frame=(5 << 32) + 6, blocks=4, block_bytes=100, size=400),
        *(FrameBlock(frame_lo=6, block=n, data=bytes(100)) for n in (0, 1, 1, 3)),
        FrameTrailer(frame=(5 << 32) + 6, blocks=4, missing=0),
        FrameBlock(frame_lo=6, block=2, data=bytes(100)),
    ]
    path = tmp_path / "frame.pcapng"
    record(path, ((n, Role.MODULE, codec.encode(codec.event(x))) for n, x in enumerate(bodies)))
    names = ("leader_in", "trailer_in", "number", "offset", "seen", "unseen")
    wanted = [x for name in names for x in ("-e", f"opal.frame.{name}")]
    number = str((5 << 32) + 6)
    assert said(lua, path, "-2", "-T", "fields", "-E", "separator=;", *wanted).splitlines() == [
        f";6;{number};;;",
        f"1;6;{number};0;;",
        f"1;6;{number};100;;",
        f"1;6;{number};100;;",
        f"1;6;{number};300;;",
        f"1;;{number};;3;1",
        ";;;;;",
    ]
