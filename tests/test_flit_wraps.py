"""Sequence numbers and credit counts have 16 bits on the wire and go round: nothing is lost, doubled or confused there.

Plan: an end that has been at it for long · round and round · recovery across the wrap · old news.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec
from opalink.protocol.flit import parameters
from opalink.protocol.packets import CounterId, VcResync, VcResyncResponse
from tests.flit_wire import STREAM, Side, Wire, channel_of, flits, packet
from tests.test_flit_loss import Trouble, in_channels, load

ROUND = 1 << 16
BLOCK = 32_804  # 53 FLITs

# ── An end that has been at it for long ──────────────────────────────────────────────────────────────


def aged(wire: Wire, down: int, up: int, cum: int) -> None:
    """As after so many FLITs each way, `cum` of them on each channel, all acknowledged and their credit returned."""
    for side, peer, count in ((wire.module.end, wire.phone.end, down), (wire.phone.end, wire.module.end, up)):
        side._window.first = side._window.next = count
        peer._order.expected = peer._order.known = count
        for channel in side._out.channels.values():
            channel.sent, channel.granted = cum, cum + channel.credit
        for arriving in peer._in.values():
            arriving.received = arriving.freed = cum
            arriving.told = cum + arriving.credit


just_before = st.integers(ROUND - 60, ROUND + 1)


# ── Round and round ──────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    often=st.sampled_from([0.0, 0.02, 0.2]),
    down=just_before,
    up=just_before,
    cum=st.integers(ROUND - 20, ROUND),
)
def test_every_packet_comes_once_and_in_order_across_the_wrap(
    seed: int, often: float, down: int, up: int, cum: int
) -> None:
    dice = random.Random(seed)
    wire = Wire(parameters(depth=64), parameters(depth=256), batch=dice.choice([1, 5, 64]))
    aged(wire, down, up, cum)
    wire.phone.fate, wire.module.fate = Trouble(seed, often), Trouble(seed + 1, often)
    sent_down, sent_up = load(wire.module, dice, 25), load(wire.phone, dice, 25)
    wire.run()
    assert wire.phone.by_channel() == in_channels(sent_down)
    assert wire.module.by_channel() == in_channels(sent_up)
    for side in (wire.phone, wire.module):
        assert not side.end.faults
        assert not side.end.lost
        assert not side.end.unconfirmed
        assert not side.counts[CounterId.CREDIT_VIOLATION]


def test_a_long_stream_goes_round_by_itself_and_no_flit_goes_twice() -> None:
    wire = Wire(parameters(depth=4096, credit=4), parameters(depth=4096, credit=4), batch=2_000)
    blocks = 1_300  # 68 900 FLITs
    for number in range(0, blocks, 20):
        for one in range(number, number + 20):
            wire.module.end.put(packet(STREAM, one, BLOCK))
        wire.run()
        assert [int.from_bytes(data[8:16], "little") for data in wire.phone.got] == list(range(number, number + 20))
        wire.phone.got.clear()
    assert wire.module.end._window.next > ROUND
    assert not wire.module.counts[CounterId.REPLAYS]
    assert not wire.phone.counts[CounterId.DUPLICATE_FLITS]


# ── Recovery across the wrap ─────────────────────────────────────────────────────────────────────────


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), down=just_before, cum=st.integers(ROUND - 20, ROUND), cut=st.integers(0, 40_000))
def test_two_sides_find_together_again_across_the_wrap(seed: int, down: int, cum: int, cut: int) -> None:
    dice = random.Random(seed)
    wire = Wire(batch=4)
    aged(wire, down, down, cum)
    sent = [packet(dice.choice([3, 4, 8]), n, dice.randrange(20, 4_000)) for n in range(30)]
    for one in sent:
        wire.module.end.put(one)
    wire.run(until=cut)
    wire._under_way.clear()  # the light went away
    for side in (wire.phone, wire.module):
        side.end.suspend()
    assert wire.module.end.resync(wire.phone.end.position(VcResync), wire.now)
    assert wire.phone.end.resync(wire.module.end.position(VcResyncResponse), wire.now)
    wire.run()
    for vc, packets in wire.phone.by_channel().items():
        assert packets == [p for p in sent if channel_of(p) == vc]
    assert sorted(wire.phone.got) == sorted(sent)


# ── Old news ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("age", [1, 40, 255])
def test_an_acknowledgement_from_before_the_wrap_is_not_one_of_after_it(age: int) -> None:
    side, peer = Side(), Side()
    for end in (side.end, peer.end):
        end._window.first = end._window.next = end._order.expected = end._order.known = ROUND + 3
    for number in range(5):
        side.end.put(packet(3, number, 620))
    sent = flits(side.end.take(0, 10))
    assert [codec.decode_flit(flit).seq for flit in sent] == [3, 4, 5, 6, 7]
    before = side.end.unconfirmed
    assert not side.end._window.acknowledge(ROUND + 2 - age & 0xFFFF)
    assert side.end.unconfirmed == before == 5


@given(first=st.integers(ROUND - 300, ROUND + 300), ahead=st.integers(-255, 255))
def test_how_far_a_flit_is_ahead_does_not_depend_on_where_the_count_is(first: int, ahead: int) -> None:
    order = Side().end._order
    order.expected = order.known = first
    assert order.distance(first + ahead & 0xFFFF) == ahead
