"""Packed samples against the definition of PFNC, bit by bit, and against what the engine's patterns send.

Plan: the definition · any samples · other depths and shapes · formats and filters.
"""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.protocol.engine.module import patterns
from opalink.protocol.packets import CfaPattern, PixelFormat, SensorRecord
from opalink.protocol.picture.formats import PictureError, bits_per_pixel, filters, is_quad, levels, raw_format
from opalink.protocol.picture.packing import pack, unpack

DEPTHS = (8, 10, 12, 14, 16)

# ── The definition ───────────────────────────────────────────────────────────────────────────────────


def by_definition(samples: Sequence[int], depth: int) -> bytes:
    """PFNC's `p`: the pixels' bits one after another, the least significant first, each into the least significant bit
    that is free."""
    out = bytearray((len(samples) * depth + 7) // 8)
    for i, sample in enumerate(samples):
        for bit in range(depth):
            place = i * depth + bit
            out[place // 8] |= (sample >> bit & 1) << place % 8
    return bytes(out)


@st.composite
def packed(draw: st.DrawFn) -> tuple[list[int], int]:
    depth = draw(st.sampled_from(DEPTHS))
    return draw(st.lists(st.integers(0, (1 << depth) - 1), max_size=70)), depth


@given(packed())
def test_packing_follows_the_definition(given_: tuple[list[int], int]) -> None:
    samples, depth = given_
    assert pack(np.array(samples, np.uint16), depth) == by_definition(samples, depth)


@given(packed())
def test_unpacking_inverts_the_definition(given_: tuple[list[int], int]) -> None:
    samples, depth = given_
    found = unpack(by_definition(samples, depth), depth).tolist()
    # Where a depth leaves room for it in the last byte, zeros may pass for one sample more.
    assert found[: len(samples)] == samples
    assert len(found) == len(by_definition(samples, depth)) * 8 // depth


def test_the_documented_layout_of_twelve_bits() -> None:
    """Two samples 0xABC and 0x123: low byte of the first, its high four bits below the low four of the second."""
    assert pack(np.array([0xABC, 0x123], np.uint16), 12) == bytes((0xBC, 0x3A, 0x12))


@pytest.mark.parametrize("depth", DEPTHS)
def test_long_rows_are_packed_as_short_ones(depth: int) -> None:
    """Beyond the blocks in which samples are worked on, and with every number of samples left over."""
    rng = random.Random(depth)
    samples = [rng.getrandbits(depth) for _ in range(4 * (1 << 14) + 3)]
    for count in range(len(samples) - 3, len(samples) + 1):
        data = pack(np.array(samples[:count], np.uint16), depth)
        assert int.from_bytes(data, "little") == sum_of(samples[:count], depth)
        assert unpack(data, depth)[:count].tolist() == samples[:count]


def sum_of(samples: Sequence[int], depth: int) -> int:
    """The samples as one long number, in halves to be quick."""
    if len(samples) <= 64:
        return sum(s << i * depth for i, s in enumerate(samples))
    half = len(samples) // 2
    return sum_of(samples[:half], depth) | sum_of(samples[half:], depth) << half * depth


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_engine_packs_its_patterns_alike(depth: int) -> None:
    samples = [(i * 2741 + 13) & (1 << depth) - 1 for i in range(64)]
    assert pack(np.array(samples, np.uint16), depth) == patterns.pack(samples, depth)
    assert unpack(patterns.pack(samples, depth), depth).tolist() == samples


# ── Other depths and shapes ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("depth", [0, 1, 7, 11, 13, 15, 17, 20])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(PictureError, match="not dealt with"):
        unpack(b"\0" * 8, depth)
    with pytest.raises(PictureError, match="not dealt with"):
        pack(np.zeros(8, np.uint16), depth)


def test_a_place_that_does_not_fit_is_refused() -> None:
    for out in (np.zeros(5, np.uint16), np.zeros(4, np.uint8), np.zeros(8, np.uint16)[::2]):
        with pytest.raises(ValueError, match="one contiguous row of 4"):
            unpack(bytes(6), 12, out)


def test_data_that_cannot_be_written_is_read_where_it_lies() -> None:
    data = by_definition([1, 2, 3, 4, 5, 6, 7, 8], 10)
    assert unpack(memoryview(b"x" + data)[1:], 10).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_bits_above_the_depth_are_lost_and_touch_no_neighbour() -> None:
    assert pack(np.array([0xFFFF, 0], np.uint16), 12) == by_definition([0xFFF, 0], 12)


# ── Formats ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("known", list(PixelFormat))
def test_a_format_is_what_its_name_says(known: PixelFormat) -> None:
    if not known.name.startswith(("MONO", "BAYER_")):
        with pytest.raises(PictureError, match="not raw"):
            raw_format(known)
        return
    raw = raw_format(known)
    digits = "".join(c for c in known.name if c.isdigit())
    assert raw.depth == int(digits) == bits_per_pixel(known)
    letters = "" if known.name.startswith("MONO") else known.name[6:8]
    assert raw.cfa is (next(c for c in CfaPattern if c.name.startswith(letters)) if letters else CfaPattern.MONO)
    assert raw.size(raw.group) * 8 == raw.group * raw.depth


def test_unknown_formats_are_refused() -> None:
    for code in (0, 0x01080002, 0xFFFFFFFF):
        with pytest.raises(PictureError, match="unknown"):
            raw_format(code)
        with pytest.raises(PictureError, match="unknown"):
            bits_per_pixel(code)


def test_filters_follow_their_names() -> None:
    assert filters(CfaPattern.GRBG) == ((1, 0), (2, 1))
    assert filters(CfaPattern.QUAD_RGGB) == ((0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 2, 2), (1, 1, 2, 2))
    assert filters(CfaPattern.MONO) == ((1, 1), (1, 1))


@given(st.sampled_from(list(CfaPattern)), st.integers(0, 9), st.integers(0, 9))
def test_a_window_has_the_filters_of_its_place(cfa: CfaPattern, x: int, y: int) -> None:
    whole, part = filters(cfa), filters(cfa, x, y)
    period = len(whole)
    assert period == (4 if is_quad(cfa) else 2)
    assert all(part[i][j] == whole[(i + y) % period][(j + x) % period] for i in range(period) for j in range(period))


def test_levels_go_with_the_depth() -> None:
    sensor = SensorRecord(depths=0b1110, black_level=1024, white_level=16_000)
    assert [(levels(sensor, d).black, levels(sensor, d).white) for d in (10, 12, 14)] == [
        (64, 1000), (256, 4000), (1024, 16_000)
    ]  # fmt: skip
    with pytest.raises(PictureError, match="nothing between"):
        levels(SensorRecord(depths=8, black_level=5, white_level=4), 14)
