"""Bytes that no peer should send cost nothing but what they break, and packets that cannot be carried are refused.

Plan: any bytes · any FLITs · packets refused · the example.
"""

import doctest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec
from opalink.protocol.flit import End, end, layout, least, parameters
from opalink.protocol.packets import CounterId, FlitKind, Status
from tests.flit_wire import Side, packet

NEAR = st.one_of(st.integers(0, 40), st.integers(0xFFF0, 0xFFFF), st.integers(0, 0xFFFF))
FLITS = st.builds(
    codec.Flit,
    seq=NEAR,
    ack_seq=NEAR,
    ack=st.integers(0, 3),
    kind=st.integers(0, 3),
    epoch=st.sampled_from([0, 0, 0, 1]),
    spare=st.integers(0, 7),
    vc=st.sampled_from([0, 1, 3, 8, 7, 255]),
    credit_vc=st.sampled_from([0, 3, 8, 77]),
    corrected=st.integers(0, 15),
    severity=st.integers(0, 6),
    credit_cum=NEAR,
    first_off=st.one_of(st.just(0), st.integers(0, 624)),
    payload=st.one_of(
        st.binary(min_size=624, max_size=624), st.just(b"\x10" * 624), st.just(packet(3, 1, 600).ljust(624, b"\0"))
    ),
)


def held(side: Side) -> int:
    """Bytes and entries that an end holds of what has arrived."""
    order = side.end._order
    partial = sum(sum(map(len, c.assembly._parts)) + len(c.assembly._start) for c in side.end._in.values())
    return partial + len(order.early) * 640 + len(order.missing) + len(side.end._news) + len(side.end._alone)


def quiet(side: Side, now: int) -> None:
    """Let an end send until it has nothing more for now."""
    for _ in range(2_000):
        deadline = side.end.deadline()
        if deadline is None or deadline > now:
            return
        assert len(side.end.take(now, 8)) <= 8 * 640
    raise AssertionError("it never has enough")


# ── Any bytes ────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.integers(0, 5).flatmap(lambda n: st.binary(min_size=640 * n, max_size=640 * n)))
def test_noise_is_counted_and_dropped(data: bytes) -> None:
    side = Side()
    assert side.end.receive(5, data) == []
    assert side.counts[CounterId.BAD_FLIT] == len(data) // 640
    assert side.end.deadline() is None


@pytest.mark.parametrize("size", [1, 639, 641])
def test_bytes_that_are_not_whole_flits_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"^{size} bytes are not whole FLITs of 640$"):
        End().receive(0, bytes(size))


# ── Any FLITs ────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(FLITS, max_size=8), max_size=20), st.integers(0, 3))
def test_any_flits_leave_little_behind(batches: list[list[codec.Flit]], sends: int) -> None:
    side = Side()
    for number in range(sends):
        side.end.put(packet(8, number, 3_000))
    quiet(side, 0)
    for step, batch in enumerate(batches):
        packets = side.end.receive(step * 1_000, b"".join(map(codec.encode_flit, batch)))
        assert all(20 <= len(p) <= 32_804 for p in packets)
        assert held(side) <= 256 * 641 + 12 * 32_804 + 300
        quiet(side, step * 1_000)
        for channel in side.end._out.channels.values():
            assert 0 <= channel.granted - channel.sent <= channel.credit


@pytest.mark.parametrize("kind", [FlitKind.DATA, FlitKind.REPLAY, FlitKind.IDLE, FlitKind.CONTROL])
@pytest.mark.parametrize(("ahead", "near"), [(255, True), (256, False), (0x7FFF, False), (-400, False)])
def test_a_place_that_the_peer_cannot_be_at_is_reported(kind: FlitKind, ahead: int, near: bool) -> None:
    """The window is 256 FLITs. What carries packets has a place of its own; the others name the last one used."""
    side = Side()
    flit = codec.Flit(seq=ahead & 0xFFFF, kind=kind, vc=8, payload=packet(8, 1, 624))
    side.end.receive(0, codec.encode_flit(flit))
    carries = kind in {FlitKind.DATA, FlitKind.REPLAY}
    assert side.end.faults == (set() if near else {Status.SEQ_GAP})
    assert len(side.end._order.missing) == (256 - carries if near else 0)
    assert len(side.end._order.early) == (near and carries)


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the weight of a channel must be 1 or more$"):
        End(weights={8: 0})


def test_an_illegal_header_is_dropped_like_a_wrong_crc() -> None:
    side, other = Side(), Side()
    other.end.severity = 3
    other.end.put(packet(3, 1))
    good = other.end.take(0, 1)
    assert side.end.receive(0, good) == [packet(3, 1)]
    assert side.end.peer_severity == 3
    bad = good[:7] + bytes([7]) + good[8:-4]  # a severity that there is not
    assert side.end.receive(0, layout.sealed([bad])) == []
    assert side.counts == {CounterId.BAD_FLIT: 1}


# ── Packets refused ──────────────────────────────────────────────────────────────────────────────────

REFUSED: list[tuple[bytes, dict[str, Any], str]] = [
    (b"", {}, "0 bytes are not one packet"),
    (packet(3, 1)[:19], {}, "19 bytes are not one packet"),
    (packet(3, 1) + b"\0", {}, "21 bytes are not one packet"),
    (b"\0" + packet(3, 1)[1:], {}, "20 bytes are not one packet"),
    (packet(7, 1), {}, "virtual channel 7 is not granted by the peer"),
    (packet(3, 1), {"vc": 13}, "virtual channel 13 is not granted by the peer"),
    (packet(1, 1, 625), {}, "a packet of 625 bytes is longer than channel 1 takes: 624 bytes"),
    (packet(3, 1, 4_117), {}, "a packet of 4117 bytes is longer than channel 3 takes: 4116 bytes"),
]


@pytest.mark.parametrize(("data", "more", "why"), REFUSED)
def test_a_packet_that_cannot_be_carried_is_refused_in_one_sentence(
    data: bytes, more: dict[str, Any], why: str
) -> None:
    side = End()
    side.begin(parameters(), parameters())
    with pytest.raises(ValueError, match=why):
        side.put(data, **more)
    assert side.deadline() is None


def test_before_the_parameters_hold_there_is_the_link_channel_alone() -> None:
    side, other = End(), End()
    side.put(packet(0, 1))
    assert other.receive(0, side.take(0, 1)) == [packet(0, 1)]
    with pytest.raises(ValueError, match="virtual channel 3 is not granted"):
        side.put(packet(3, 1))
    assert [row.vc for row in least().channels] == [0]


def test_a_packet_may_go_on_another_channel_than_it_names() -> None:
    side, other = Side(), Side()
    side.end.put(packet(3, 1), vc=4)
    data = side.end.take(0, 1)
    assert codec.decode_flit(data).vc == 4
    assert other.end.receive(0, data) == [packet(3, 1)]


# ── The example ──────────────────────────────────────────────────────────────────────────────────────


def test_the_example_does_what_it_says() -> None:
    tried = doctest.testmod(end)
    assert tried.attempted > 3
    assert not tried.failed
