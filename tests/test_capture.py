"""Recordings: what is written is read, here and elsewhere, and what is damaged is read as far as it can be.

Plan: pieces of files · what is written · sections, orders and kinds of blocks · what is foreign · damage · hostile
bytes · as others see them.
"""

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import PcapNgReader as ScapyReader

from opalink.conformance.bundle import evidence
from opalink.protocol import codec
from opalink.protocol.capture import pcapng
from opalink.protocol.capture.pcapng import (
    LINKTYPE_FLIT,
    LINKTYPE_PACKET,
    Captured,
    CaptureError,
    Interface,
    Reader,
    Writer,
    read,
)
from opalink.protocol.packets import Keepalive
from opalink.spec import capture_format as form
from tests.report_samples import FAILED

TESTER = Interface.of("laser", "tester", LINKTYPE_PACKET)
IUT = Interface.of("laser", "IUT", LINKTYPE_PACKET)
FLITS = Interface.of("sideband", "module", LINKTYPE_FLIT)
INTERFACES = (TESTER, IUT, FLITS)

# ── Pieces of files ──────────────────────────────────────────────────────────────────────────────────


def written(packets: Sequence[tuple[int, int, bytes]], **options: Any) -> bytes:
    """A recording of packets (interface, time, data)."""
    out = BytesIO()
    writer = Writer(out, INTERFACES, **options)
    for packet in packets:
        writer.write(*packet)
    return out.getvalue()


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    size = struct.pack(f"{order}I", 12 + len(body) + -len(body) % 4)
    return struct.pack(f"{order}I", kind) + size + body + bytes(-len(body) % 4) + size


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(link_type: int = LINKTYPE_PACKET, order: str = "<", options: bytes = b"", snap: int = 0) -> bytes:
    return block(1, struct.pack(f"{order}HHI", link_type, 0, snap) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(data: bytes, on: int = 0, ticks: int = 0, order: str = "<", options: bytes = b"") -> bytes:
    head = struct.pack(f"{order}IIIII", on, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def packets_of(data: bytes) -> list[Captured]:
    return list(Reader(BytesIO(data)))


def damage_of(data: bytes) -> list[str]:
    reader = Reader(BytesIO(data))
    assert all(len(p.data) <= p.size for p in reader)
    assert len(reader.damage) == reader.damages
    return [str(d) for d in reader.damage]


THREE = [(0, 1_000_000_001, b"first"), (1, 2_000_000_002, b"second"), (2, 3_000_000_003, b"third")]
SMALL = written(THREE, comments=("Why.",), application="test")

# ── What is written ──────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**64 - 1), st.binary(max_size=70)), max_size=8),
    st.lists(st.text(), max_size=3),
    st.integers(0, 2**64 - 1),
)
def test_whatever_is_written_is_read(packets: list[tuple[int, int, bytes]], comments: list[str], lost: int) -> None:
    out = BytesIO()
    writer = Writer(out, INTERFACES, comments, "test", snap=50)
    for on, time, data in packets:
        writer.write(on, time, data, comments, lost=lost)
    said = tuple(c.encode(errors="replace").decode() for c in comments)
    reader = Reader(BytesIO(out.getvalue()))
    assert list(reader) == [
        Captured(INTERFACES[on], time, data[:50], said, len(data), lost) for on, time, data in packets
    ]
    assert (tuple(reader.comments), reader.application, reader.damages) == (said, "test", 0)
    assert reader.lost == lost * len(packets)


def test_one_interface_for_each_lane_and_sender_with_its_direction() -> None:
    assert [(i.name, i.inbound) for i in INTERFACES] == [
        ("laser from the tester", False),
        ("laser from the IUT", True),
        ("sideband from the module", True),
    ]
    with pytest.raises(ValueError, match="'stranger'"):
        Interface.of("laser", "stranger", LINKTYPE_PACKET)


def test_every_sender_is_known_by_the_names_of_its_interfaces() -> None:
    for sender in form.SENDERS:
        assert form.sender_of(form.interface_name("laser", sender.name)) == sender
    assert form.sender_of("eth0") is None


def test_what_had_travelled_and_was_not_kept_is_told() -> None:
    out = BytesIO()
    Writer(out, INTERFACES).write(0, 0, b"abc", size=900)
    (packet,) = packets_of(out.getvalue())
    assert (packet.data, packet.size, packet.cut) == (b"abc", 900, True)


def test_too_many_comments_are_cut_and_counted() -> None:
    out = BytesIO()
    Writer(out, INTERFACES).write(0, 0, b"abc", ["x" * form.COMMENT_MAX] * 80)
    (packet,) = packets_of(out.getvalue())
    kept = form.COMMENTS_MAX // form.COMMENT_MAX
    assert packet.comments[kept:] == (f"{80 - kept} comments more are left out.",)


@pytest.mark.parametrize("time", [-1, 1 << 64])
def test_a_time_that_has_no_room_is_refused(time: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        Writer(BytesIO(), INTERFACES).write(0, time, b"")


# ── Sections, orders and kinds of blocks ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order_is_read(order: str) -> None:
    named = option(2, b"laser from the IUT", order) + option(9, b"\x09", order)
    flags = option(1, b"Why.", order) + option(2, struct.pack(f"{order}I", 2), order)
    data = section(order) + interface(order=order, options=named) + enhanced(b"abc", 0, 1 << 33, order, flags)
    assert packets_of(data) == [
        Captured(Interface("laser from the IUT", LINKTYPE_PACKET, False), 1 << 33, b"abc", ("Why.",), 3)
    ]
    assert not damage_of(data)


@pytest.mark.parametrize(
    ("resolution", "time"),
    [(b"", 7_000), (b"\x09", 7), (b"\x06", 7_000), (b"\x00", 7_000_000_000), (b"\x0c", 0), (b"\x81", 3_500_000_000)],
)
def test_any_resolution_becomes_nanoseconds(resolution: bytes, time: int) -> None:
    options = option(9, resolution) if resolution else b""
    (packet,) = packets_of(section() + interface(options=options) + enhanced(b"a", ticks=7))
    assert packet.time == time


def test_the_offset_of_an_interface_is_added() -> None:
    options = option(9, b"\x09") + option(14, struct.pack("<q", -2))
    (packet,) = packets_of(section() + interface(options=options) + enhanced(b"a", ticks=7))
    assert packet.time == 7 - 2_000_000_000


def test_without_flags_the_name_of_the_interface_tells_the_direction() -> None:
    for name, inbound in (("laser from the module", True), ("laser from the phone", False), ("eth0", False)):
        (packet,) = packets_of(section() + interface(options=option(2, name.encode())) + enhanced(b"a"))
        assert packet.interface.inbound is inbound


def test_a_simple_block_has_no_time() -> None:
    data = section() + interface(snap=2) + block(3, struct.pack("<I", 5) + b"ab\0\0")
    reader = Reader(BytesIO(data))
    assert [(p.time, p.data, p.size) for p in reader] == [(0, b"ab", 5)]
    assert (reader.untimed, reader.damages) == (1, 0)


def test_an_obsolete_block_is_read_with_what_was_lost_before_it() -> None:
    data = section() + interface() + block(2, struct.pack("<HHIIII", 0, 4, 0, 9, 3, 3) + b"abc")
    reader = Reader(BytesIO(data))
    assert [(p.time, p.data, p.lost) for p in reader] == [(9_000, b"abc", 4)]
    assert (reader.lost, reader.damages) == (4, 0)


def test_statistics_tell_what_was_lost() -> None:
    reader = Reader(BytesIO(SMALL + block(5, struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 12)))))
    assert len(list(reader)) == 3
    assert (reader.lost, reader.damages) == (12, 0)


def test_each_section_has_interfaces_of_its_own() -> None:
    data = SMALL + section(">") + interface(order=">", options=option(2, b"x", ">")) + enhanced(b"a", order=">") + SMALL
    reader = Reader(BytesIO(data))
    assert [p.interface.name for p in reader] == [*(i.name for i in INTERFACES), "x", *(i.name for i in INTERFACES)]
    assert (reader.sections, reader.damages) == (3, 0)


# ── What is foreign ──────────────────────────────────────────────────────────────────────────────────


def test_other_link_types_and_other_blocks_are_skipped_and_counted() -> None:
    foreign = interface(1, options=option(2, b"eth0"))
    data = (
        section() + foreign + interface() + block(4, b"names") + enhanced(b"x", 0) + enhanced(b"y", 1) + enhanced(b"z")
    )
    reader = Reader(BytesIO(data))
    assert [p.data for p in reader] == [b"y"]
    assert (reader.foreign, reader.damages, reader.blocks, reader.skipped) == ({1: 2}, 0, 7, 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GIF89a, twenty bytes or more", "begin with a section header"),
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "editcap"),
        (b"\x1f\x8b" + bytes(20), "gunzip"),
        (b"\x0a\x0d", "begin with a section header"),
        (SMALL[:20], "block 1 at byte 0: the file ends after 20 of its"),
        (SMALL[:8] + bytes(4) + SMALL[12:], "block 1 at byte 0: its byte-order mark"),
    ],
)
def test_what_is_no_recording_is_refused_and_why(data: bytes, why: str) -> None:
    with pytest.raises(CaptureError, match=f"not a recording.*{why}"):
        packets_of(data)


def test_an_empty_file_is_an_empty_recording() -> None:
    assert packets_of(b"") == []


# ── Damage ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", range(1, len(SMALL)))
def test_every_truncation_gives_the_packets_before_it_and_one_damage(size: int) -> None:
    ends = _ends(SMALL)
    if size < ends[0]:
        with pytest.raises(CaptureError):
            packets_of(SMALL[:size])
        return
    whole = sum(end <= size for end in ends) - 1 - len(INTERFACES)
    assert packets_of(SMALL[:size]) == packets_of(SMALL)[: max(whole, 0)]
    assert len(damage_of(SMALL[:size])) == (size not in ends)


def _ends(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        at += int.from_bytes(data[at + 4 : at + 8], "little")
        found.append(at)
    return found


@pytest.mark.parametrize("size", range(_ends(SMALL)[0], len(SMALL)))
def test_behind_every_truncation_another_file_is_read_whole(size: int) -> None:
    found = packets_of(SMALL[:size] + SMALL)
    assert found == [*packets_of(SMALL[:size]), *packets_of(SMALL)]


def test_a_damage_is_told_with_its_block_and_its_byte() -> None:
    at = _ends(SMALL)[4]  # where the second packet begins
    data = bytearray(SMALL)
    data[at + 4] ^= 0x10
    (told,) = damage_of(bytes(data))
    assert told.startswith(f"block 6 at byte {at}: it begins with the length")
    assert [p.data for p in packets_of(bytes(data))] == [b"first", b"third"]
    with pytest.raises(CaptureError, match=f"The recording is damaged: block 6 at byte {at}"):
        read(BytesIO(bytes(data)))


def test_an_option_that_runs_out_of_its_block_costs_the_options_alone() -> None:
    data = section() + interface() + enhanced(b"abc", options=struct.pack("<HH", 1, 400) + b"text")
    (packet,) = packets_of(data)
    assert (packet.data, packet.comments) == (b"abc", ())
    assert damage_of(data) == ["block 3 at byte 48: option 1 says that it has 400 bytes, and 4 are left"]


def test_the_same_wrong_options_are_told_of_every_packet() -> None:
    wrong = enhanced(b"abc", options=struct.pack("<HH", 1, 400) + b"text")
    assert len(damage_of(section() + interface() + wrong * 3)) == 3


def test_a_packet_longer_than_its_block_is_left_out() -> None:
    body = struct.pack("<IIIII", 0, 0, 0, 4_000_000_000, 4_000_000_000) + b"abcd"
    data = section() + interface() + block(6, body) + enhanced(b"next")
    assert [p.data for p in packets_of(data)] == [b"next"]
    assert "says that it has 4,000,000,000 bytes of a packet, and 4 are there" in damage_of(data)[0]


def test_a_packet_of_an_interface_that_nothing_describes_is_left_out() -> None:
    data = section() + enhanced(b"a") + interface() + enhanced(b"b") + enhanced(b"c", 9)
    assert [p.data for p in packets_of(data)] == [b"b"]
    assert [d.split(": ")[1] for d in damage_of(data)] == [
        "it is of interface 0, which nothing describes",
        "it is of interface 9, which nothing describes",
    ]


def test_after_a_damage_no_packet_is_given_to_another_interface() -> None:
    """The interface before it is known; the one behind it could be any."""
    first, second, third = (interface(options=option(2, name)) for name in (b"a", b"b", b"c"))
    worse = second[:4] + b"\xff" + second[5:]
    data = section() + first + worse + third + enhanced(b"x", 0) + enhanced(b"y", 1) + enhanced(b"z", 2)
    assert [(p.interface.name, p.data) for p in packets_of(data)] == [("a", b"x")]
    assert damage_of(data)[1:] == [
        f"block {n} at byte {at}: it is of interface {i}, which cannot be known after the damage"
        for n, at, i in ((6, 148, 1), (7, 184, 2))
    ]


def test_a_section_of_another_version_is_not_guessed_at() -> None:
    newer = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1))
    assert [p.data for p in packets_of(SMALL + newer + interface() + enhanced(b"?"))] == [b"first", b"second", b"third"]


# ── Hostile bytes ────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        packets_of(data)
    except CaptureError:
        assert data
    packets_of(SMALL + data)


@settings(deadline=None)
@given(st.data())
def test_whatever_is_changed_what_is_before_it_is_read(data: st.DataObject) -> None:
    bad, first = bytearray(SMALL), len(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(_ends(SMALL)[0], len(bad)))
        size = data.draw(st.integers(0, 40))
        bad[at : at + size] = data.draw(st.binary(max_size=20))
        first = min(first, at)
    whole = sum(end <= first for end in _ends(SMALL)) - 1 - len(INTERFACES)
    found = packets_of(bytes(bad))
    assert found[: max(whole, 0)] == packets_of(SMALL)[: max(whole, 0)]


GREEDY = """
import json, resource, sys
from opalink.protocol.capture.pcapng import Reader
head, rest = map(bytes.fromhex, json.load(sys.stdin))
class Endless:
    left = 100 << 20
    def read(self, n):
        global head
        found, head = head or rest * max(1, n // len(rest)) * (self.left > 0), b""
        self.left -= len(found)
        return found
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader = Reader(Endless())
for packet in reader:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, reader.damages)
"""


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (section() + interface() + struct.pack("<II", 6, 0xFFFFFFFC), bytes(1)),
        (section() + interface() + struct.pack("<II", 6, form.BLOCK_MAX), bytes(1)),
        (section() + interface() + struct.pack("<II", 0x0A0D0D0A, 28), b"\xff"),
        (section(), interface(options=option(2, b"n" * 65_000))),
    ],
    ids=["four gigabytes", "as much as may be", "no section", "interfaces without end"],
)
def test_no_length_makes_it_hold_much(head: bytes, rest: bytes) -> None:
    """100 MiB of a stream, and no more than half of that in memory: a block, and what is read ahead of it."""
    given = json.dumps([head.hex(), rest.hex()])
    command = [sys.executable, "-c", GREEDY]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    kilobytes, damages = map(int, done.stdout.split())
    assert kilobytes < 50 * 1024
    assert damages


def test_what_looks_like_blocks_all_the_way_is_passed_in_one_go() -> None:
    """Each of a million beginnings claims the rest of the file: nothing is read twice for it."""
    reads = 0

    class Counted(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal reads
            reads += 1
            return super().read(size)

    data = SMALL + struct.pack("<II", 6, form.BLOCK_MAX - 4) * 100_000 + SMALL
    assert len(list(Reader(Counted(data)))) == 6
    assert reads <= len(data) // (1 << 18) + 2


def test_a_stream_that_fails_ends_in_a_sentence() -> None:
    class Failing(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(f"the disk is gone, and {size} bytes with it")

    with pytest.raises(CaptureError, match="cannot be read at byte 0: the disk is gone"):
        list(Reader(Failing()))


# ── As others see them ───────────────────────────────────────────────────────────────────────────────

needs_tshark = pytest.mark.skipif(
    not all(map(shutil.which, ("tshark", "capinfos", "editcap", "mergecap"))),
    reason="tshark and its companions are not installed",
)
MANY = [(i % 3, 1_700_000_000_000_000_000 + i * 999_999_937, bytes([i]) * (i + 1)) for i in range(60)]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "many.pcapng"
    with path.open("wb") as stream:
        writer = Writer(stream, INTERFACES, ["Why.", "Verdict: PASS"], "test 1.0")
        for i, packet in enumerate(MANY):
            writer.write(*packet, [f"step {i}", "✓"] if i % 7 == 0 else [], size=100 if i % 5 == 0 else 0, lost=i % 2)
    return path


def told(*command: str | Path) -> list[list[str]]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


@needs_tshark
def test_tshark_reads_what_is_written(recording: Path) -> None:
    fields = ("frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.cap_len", "frame.len")
    wanted = [word for f in (*fields, "frame.comment", "frame.drop_count") for word in ("-e", f)]
    rows = told("tshark", "-r", recording, "-T", "fields", "-E", "aggregator=|", *wanted)
    packets = packets_of(recording.read_bytes())
    assert len(rows) == len(packets) == len(MANY)
    for row, p in zip(rows, packets, strict=True):
        seconds, nanoseconds = row[0].split(".")
        assert int(seconds) * 10**9 + int(nanoseconds) == p.time
        assert row[1] == p.interface.name
        assert int(row[2], 16) == (1 if p.interface.inbound else 2)
        assert (int(row[3]), int(row[4])) == (len(p.data), p.size)
        assert row[5] == "|".join(p.comments)
        assert int(row[6] or 0) == p.lost


@needs_tshark
def test_capinfos_counts_what_we_count(recording: Path) -> None:
    ((_, packets, size, comment, *_),) = told("capinfos", "-T", "-r", "-c", "-d", "-k", recording)
    reader = Reader(BytesIO(recording.read_bytes()))
    found = list(reader)
    assert int(packets) == len(found)
    assert int(size) == sum(p.size for p in found)
    assert comment.startswith("Why.")


@needs_tshark
def test_what_editcap_and_mergecap_write_is_read(recording: Path, tmp_path: Path) -> None:
    copy, double = tmp_path / "copy.pcapng", tmp_path / "double.pcapng"
    told("editcap", "-F", "pcapng", recording, copy)
    told("mergecap", "-F", "pcapng", "-a", "-I", "none", "-w", double, recording, copy)
    packets = packets_of(recording.read_bytes())
    assert packets_of(copy.read_bytes()) == packets
    assert packets_of(double.read_bytes()) == packets * 2


def test_scapy_reads_what_is_written(recording: Path) -> None:
    with ScapyReader(str(recording)) as found:
        theirs = list(found)
    ours = packets_of(recording.read_bytes())
    assert [(int(p.time * 10**9), p.original, p.wirelen) for p in theirs] == [(p.time, p.data, p.size) for p in ours]
    assert [tuple(c.decode() for c in p.comments or ()) for p in theirs] == [p.comments for p in ours]


def test_what_a_campaign_records_is_of_the_senders_of_this_format() -> None:
    out, (failure, *_) = BytesIO(), FAILED.results
    evidence.record(out, FAILED, failure)
    found = packets_of(out.getvalue())
    assert found
    for packet in found:
        sender = form.sender_of(packet.interface.name)
        assert sender
        assert sender.inbound is packet.interface.inbound


def test_the_link_types_are_those_that_other_programs_are_told() -> None:
    assert (pcapng.LINKTYPE_PACKET, pcapng.LINKTYPE_FLIT) == (147, 148)
    assert (form.PACKET.name, form.FLIT.name) == ("LINKTYPE_USER0", "LINKTYPE_USER1")


def test_a_packet_of_ours_is_found_in_a_recording_as_it_was_sent() -> None:
    data = codec.encode(codec.request(Keepalive(seq=1), txn=7))
    assert codec.decode(packets_of(written([(0, 0, data)]))[0].data).body == Keepalive(seq=1)
