"""Frames put together from blocks: any order, losses, repetitions, and modules that contradict themselves.

Plan: a frame · whatever comes · what is missing · what is refused · compressed frames · fetched frames · limits.
"""

import mmap
import random
from itertools import pairwise

import pytest
from fastcrc import crc32
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from opalink.protocol import codec
from opalink.protocol.packets import (
    BlockFlags,
    BlockNak,
    BlockRange,
    Compression,
    FrameBlock,
    FrameFlags,
    FrameLeader,
    FrameResult,
    FrameTrailer,
    PixelFormat,
)
from opalink.protocol.picture.assembly import EARLY, RANGES, Assembler, FrameError, check_leader

# ── A frame ──────────────────────────────────────────────────────────────────────────────────────────

NUMBER = (5 << 32) + 9  # what blocks say of it is its low half
WIDTH, HEIGHT, SIZE = 64, 10, 37
DATA = random.Random(1).randbytes(WIDTH * HEIGHT * 12 // 8)
BLOCKS = -(-len(DATA) // SIZE)
LEADER = FrameLeader(frame=NUMBER, width=WIDTH, height=HEIGHT, blocks=BLOCKS, block_bytes=SIZE, size=len(DATA))


def block(n: int, data: bytes = DATA, *, end: int = BLOCKS) -> FrameBlock:
    last = BlockFlags.LAST if n == end - 1 else BlockFlags(0)
    return FrameBlock(frame_lo=9, block=n, flags=last, data=data[n * SIZE : (n + 1) * SIZE])


def trailer(sent: set[int] | None = None) -> FrameTrailer:
    """The trailer of a frame of which these blocks were sent; all, unless they are given."""
    sent = set(range(BLOCKS)) if sent is None else sent
    crc = crc32.iscsi(b"".join(bytes(block(n).data) for n in sorted(sent)))
    result = FrameResult.COMPLETE if len(sent) == BLOCKS else FrameResult.PARTIAL
    return FrameTrailer(frame=NUMBER, result=result, blocks=BLOCKS, missing=BLOCKS - len(sent), frame_crc=crc)


def begun() -> Assembler:
    frame = Assembler(NUMBER)
    frame.lead(LEADER)
    return frame


# ── Whatever comes ───────────────────────────────────────────────────────────────────────────────────


@given(st.permutations(range(BLOCKS)), st.data())
def test_any_order_with_repetitions_makes_the_frame(order: list[int], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(range(BLOCKS)), max_size=20))
    arrivals = data.draw(st.permutations([*order, *again]))
    frame = begun()
    frame.trail(trailer())
    fresh = [frame.put(block(n)) for n in arrivals]
    assert fresh == [n not in arrivals[:i] for i, n in enumerate(arrivals)]
    assert frame.filled
    assert bytes(frame.data) == DATA
    assert frame.crc_good is True
    assert not frame.missing()


@given(st.sets(st.sampled_from(range(BLOCKS))), st.randoms(use_true_random=False))
def test_what_is_missing_is_exactly_what_was_lost(lost: set[int], rng: random.Random) -> None:
    frame = begun()
    arrivals = [n for n in range(BLOCKS) if n not in lost]
    rng.shuffle(arrivals)
    assert frame.put_all([block(n) for n in arrivals]) == len(arrivals) == frame.here
    named = [n for r in frame.missing() for n in range(r.first, r.first + r.count)]
    assert named == sorted(lost)
    assert frame.filled == (not lost)
    assert frame.gap == any(n < max(arrivals, default=0) for n in lost)
    for n in range(BLOCKS):
        assert bytes(frame.data[n * SIZE : (n + 1) * SIZE]) == (
            bytes(len(block(n).data)) if n in lost else block(n).data
        )
    # As BLOCK_NAK wants them: rising and apart from each other, and it can be sent.
    ranges = frame.missing()
    assert all(a.first + a.count < b.first for a, b in pairwise(ranges))
    if ranges:
        codec.encode(codec.request(BlockNak(frame=NUMBER, deadline=1, ranges=ranges), txn=1))
    # The CRC is known as soon as all that was sent has come, and is that of what was sent.
    frame.trail(trailer(set(range(BLOCKS)) - lost))
    assert frame.crc_good is True
    for n in lost:
        frame.put(block(n))
    assert bytes(frame.data) == DATA


@given(st.permutations(range(BLOCKS)), st.integers(0, BLOCKS), st.integers(0, BLOCKS))
def test_leader_and_trailer_may_come_at_any_time(order: list[int], lead: int, trail: int) -> None:
    frame = Assembler(NUMBER)
    for i in range(BLOCKS + 1):
        if i == lead:
            frame.lead(LEADER)
        if i == trail:
            frame.trail(trailer())
        if i < BLOCKS:
            frame.put(block(order[i]))
    assert frame.filled
    assert bytes(frame.data) == DATA
    assert frame.crc_good is True
    assert frame.refused == 0


def test_one_wrong_bit_is_seen_in_the_crc() -> None:
    frame = begun()
    frame.put_all(block(n) for n in range(1, BLOCKS))
    wrong = bytearray(block(0).data)
    wrong[3] ^= 0x10
    frame.put(structs.replace(block(0), data=bytes(wrong)))
    frame.trail(trailer())
    assert frame.filled
    assert frame.crc_good is False


def test_a_block_that_comes_twice_keeps_its_first_data() -> None:
    frame = begun()
    frame.put_all(block(n) for n in range(BLOCKS))
    assert not frame.put(structs.replace(block(2), data=bytes(SIZE)))
    frame.trail(trailer())
    assert frame.crc_good is True


def test_without_everything_the_crc_is_not_judged() -> None:
    frame = begun()
    assert frame.crc_good is None
    frame.put_all(block(n) for n in range(1, BLOCKS))
    frame.trail(trailer())
    assert frame.crc_good is None
    assert Assembler(NUMBER).crc_good is None


def test_the_module_may_call_a_frame_useless() -> None:
    frame = begun()
    frame.trail(structs.replace(trailer(set()), result=FrameResult.ABORTED))
    assert frame.aborted
    assert frame.crc_good is True  # of nothing


# ── What is missing ──────────────────────────────────────────────────────────────────────────────────


def test_a_request_names_no_more_than_it_may() -> None:
    blocks = 200_000
    leader = FrameLeader(frame=1, width=1000, height=200, pixel_format=PixelFormat.MONO8, blocks=blocks, size=blocks)
    frame = Assembler(1)
    frame.lead(leader)
    assert frame.missing() == (BlockRange(0, 65_535), BlockRange(65_535, 65_535), BlockRange(131_070, 65_535),
                               BlockRange(196_605, 3395))  # fmt: skip
    assert frame.missing(blocks=5) == (BlockRange(0, 5),)
    assert frame.missing(blocks=0) == ()
    assert frame.missing(ranges=2) == (BlockRange(0, 65_535), BlockRange(65_535, 65_535))
    frame.put_all(FrameBlock(frame_lo=1, block=n, data=b"x") for n in range(1, blocks, 2))
    assert frame.missing() == tuple(BlockRange(2 * i, 1) for i in range(RANGES))
    assert frame.missing(blocks=3) == (BlockRange(0, 1), BlockRange(2, 1), BlockRange(4, 1))
    assert len(frame.missing(ranges=None)) == blocks // 2


def test_blocks_that_are_gone_are_not_asked_for_but_welcome() -> None:
    frame = begun()
    frame.put_all(block(n) for n in (0, 1, 6))
    frame.gone(BlockRange(3, 2))
    frame.gone(BlockRange(BLOCKS - 1, 500))
    frame.gone(BlockRange(1, 1))  # it is here: what came cannot go
    assert not frame.put(block(1))
    named = [n for r in frame.missing() for n in range(r.first, r.first + r.count)]
    assert named == [2, 5, *range(7, BLOCKS - 1)]
    assert frame.put(block(2))
    assert frame.put(block(3))
    assert frame.gap
    frame.put_all(block(n) for n in range(BLOCKS))
    frame.trail(trailer())
    assert frame.filled
    assert frame.crc_good is True


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (structs.replace(block(0), frame_lo=8), "another frame"),
        (structs.replace(block(0), block=BLOCKS), "beyond its 26 blocks"),
        (structs.replace(block(0), block=0xFFFF_FFFF), "beyond its 26 blocks"),
        (structs.replace(block(0), data=bytes(SIZE - 1)), "has 36 bytes, not 37"),
        (structs.replace(block(0), data=bytes(SIZE + 1)), "has 38 bytes, not 37"),
        (structs.replace(block(BLOCKS - 1), data=bytes(SIZE)), "has 37 bytes, not 35"),
        (structs.replace(block(BLOCKS - 1), data=bytes(34)), "has 34 bytes, not 35"),
    ],
)
def test_a_block_that_does_not_fit_is_refused_and_changes_nothing(wrong: FrameBlock, why: str) -> None:
    frame = begun()
    with pytest.raises(FrameError, match=why):
        frame.put(wrong)
    assert frame.here == 0
    assert not any(frame.data)
    early = Assembler(NUMBER)
    if why != "another frame":
        early.put(wrong)
        early.lead(LEADER)
        assert (early.here, early.refused) == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"frame": 9}, "none of frame"),
        ({"stream": 1}, "none of frame"),
        ({"blocks": BLOCKS + 1}, "do not agree"),
        ({"blocks": 0xFFFF_FFFF}, "more than the room"),
        ({"size": len(DATA) + 1}, "pixels of 12 bits are 960"),
        ({"size": 1 << 63, "block_bytes": 32_768}, "more than the room"),
        ({"width": WIDTH + 1}, "has 960 bytes; 65 by 10"),
        ({"pixel_format": 0x01080002}, "unknown"),
    ],
)
def test_a_leader_that_contradicts_itself_is_refused_before_memory_is_asked_for(
    wrong: dict[str, int], why: str
) -> None:
    asked: list[int] = []
    frame = Assembler(NUMBER, buffer=lambda n: asked.append(n) or bytearray(n))
    with pytest.raises(FrameError, match=why):
        frame.lead(structs.replace(LEADER, **wrong))
    assert not asked
    frame.lead(LEADER)
    assert asked == [len(DATA)]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"frame": 9}, "none of frame"),
        ({"stream": 1}, "none of frame"),
        ({"blocks": BLOCKS - 1}, "by its leader"),
        ({"missing": BLOCKS + 1}, "lacks 27 of 26"),
    ],
)
def test_a_trailer_that_contradicts_the_leader_is_refused(wrong: dict[str, int], why: str) -> None:
    frame = begun()
    with pytest.raises(FrameError, match=why):
        frame.trail(structs.replace(trailer(), **wrong))
    assert frame.trailer is None


def test_a_leader_that_contradicts_the_trailer_before_it_is_refused() -> None:
    frame = Assembler(NUMBER)
    frame.trail(structs.replace(trailer(), blocks=BLOCKS - 1))
    with pytest.raises(FrameError, match="26 blocks by its leader, not 25"):
        frame.lead(LEADER)
    assert frame.leader is None


def test_a_second_leader_or_trailer_must_be_as_the_first() -> None:
    frame = begun()
    frame.lead(LEADER)
    with pytest.raises(FrameError, match="two leaders"):
        frame.lead(structs.replace(LEADER, x=2))
    frame.trail(trailer())
    frame.trail(trailer())
    with pytest.raises(FrameError, match="two trailers"):
        frame.trail(structs.replace(trailer(), frame_crc=1))


fields = st.integers(0, 300)


@given(st.lists(st.tuples(st.sampled_from("LBT"), fields, fields, fields, st.booleans()), max_size=12))
def test_whatever_a_module_says_only_frame_errors_come_of_it(said: list[tuple[str, int, int, int, bool]]) -> None:
    frame = Assembler(1, room=4096)
    for what, a, b, c, odd in said:
        compression = Compression.JPEG_XS if odd else Compression.NONE
        try:
            match what:
                case "L":
                    size, blocks = a + 1, b % 9 + 1
                    leader = FrameLeader(frame=1, width=size, pixel_format=PixelFormat.MONO8, codec=compression)
                    frame.lead(structs.replace(leader, size=size, blocks=blocks, block_bytes=c % 40 + 1))
                case "B":
                    frame.put(
                        FrameBlock(frame_lo=1, block=a % 12, flags=b & 1, data=bytes([b % 255 + 1]) * (c % 40 + 1))
                    )
                case _:
                    frame.trail(FrameTrailer(frame=1, blocks=a % 12, missing=b % 12, frame_crc=c))
        except FrameError:
            continue
        finally:
            assert frame.leader is None or len(frame.data) <= frame.leader.size
            assert frame.end is None or frame.here <= frame.end
            assert frame.filled == (frame.end == frame.here)
            assert sum(r.count for r in frame.missing()) <= (frame.leader.blocks if frame.leader else 0)
            assert frame.crc_good in {None, True, False}


# ── Compressed frames ────────────────────────────────────────────────────────────────────────────────

PRESSED = structs.replace(LEADER, codec=Compression.JPEG_XS)
SHORT = DATA[: 5 * SIZE + 3]


@given(st.permutations(range(6)), st.integers(0, 6))
def test_a_compressed_frame_ends_where_its_last_block_or_trailer_says(order: list[int], trail: int) -> None:
    frame = Assembler(NUMBER)
    frame.lead(PRESSED)
    end = FrameTrailer(frame=NUMBER, blocks=6, frame_crc=crc32.iscsi(SHORT))
    for i in range(7):
        if i == trail:
            frame.trail(end)
        if i < 6:
            frame.put(block(order[i], SHORT, end=6))
    assert frame.filled
    assert bytes(frame.data) == SHORT
    assert frame.crc_good is True


def test_blocks_beyond_the_end_of_a_compressed_frame_are_refused() -> None:
    frame = Assembler(NUMBER)
    frame.lead(PRESSED)
    frame.put(block(5, SHORT, end=6))
    with pytest.raises(FrameError, match="beyond its 6 blocks"):
        frame.put(block(6))
    with pytest.raises(FrameError, match="marked as the last"):
        frame.put(structs.replace(block(2), flags=BlockFlags.LAST))
    with pytest.raises(FrameError, match="not 37"):
        frame.put(structs.replace(block(2), data=b"short"))
    with pytest.raises(FrameError, match="ended with block 5"):
        frame.trail(FrameTrailer(frame=NUMBER, blocks=7))
    other = Assembler(NUMBER)
    other.lead(PRESSED)
    other.put(block(7))
    with pytest.raises(FrameError, match="ends after 6 blocks, but block 7 came"):
        other.put(block(5, SHORT, end=6))


# ── Fetched frames ───────────────────────────────────────────────────────────────────────────────────


def test_a_frame_that_is_fetched_goes_on_with_what_is_there_of_it() -> None:
    frame = begun()
    frame.put_all(block(n) for n in range(7))
    frame.trail(trailer(set(range(7))))
    stored = FrameFlags.STILL | FrameFlags.STORED
    frame.lead(structs.replace(LEADER, stream=2, kind=stored))
    assert (frame.here, frame.stream, frame.trailer) == (7, 2, None)
    frame.put_all(block(n) for n in range(7, BLOCKS))
    frame.trail(structs.replace(trailer(), stream=2))
    assert frame.filled
    assert frame.crc_good is True
    with pytest.raises(FrameError, match="two leaders"):
        frame.lead(structs.replace(LEADER, stream=2, kind=stored, height=HEIGHT // 2))


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────


def test_no_more_blocks_wait_for_a_leader_than_there_is_room_for() -> None:
    leader = FrameLeader(frame=9, width=300, pixel_format=PixelFormat.MONO8, blocks=300, size=300)
    frame = Assembler(9)
    waits = [frame.put(FrameBlock(frame_lo=9, block=n, data=b"x")) for n in range(300)]
    assert waits == [n < EARLY for n in range(300)]
    assert not frame.put(FrameBlock(frame_lo=9, block=0, data=b"x"))
    frame.lead(leader)
    assert frame.missing() == (BlockRange(EARLY, 300 - EARLY),)


def test_the_room_is_for_data_and_what_each_block_costs() -> None:
    check_leader(LEADER, room=len(DATA) + BLOCKS)
    with pytest.raises(FrameError, match="more than the room"):
        check_leader(LEADER, room=len(DATA) + BLOCKS - 1)


def test_a_mapped_file_can_hold_the_frame() -> None:
    with mmap.mmap(-1, 4096) as memory:
        frame = Assembler(NUMBER, buffer=lambda _: memory)
        frame.lead(LEADER)
        frame.put_all(block(n) for n in range(BLOCKS))
        assert memory[: len(DATA)] == DATA
        assert bytes(frame.data) == DATA
        del frame


@pytest.mark.parametrize("memory", [bytes(len(DATA)), bytearray(len(DATA) - 1)])
def test_memory_that_cannot_hold_the_frame_is_the_callers_fault(memory: bytes) -> None:
    frame = Assembler(NUMBER, buffer=lambda _: memory)
    with pytest.raises(ValueError, match="must hold 960 bytes"):
        frame.lead(LEADER)
