"""Whatever happens to FLITs on the way, every packet comes once and in its channel's order, or is reported.

Plan: what happens · nothing is lost · a new epoch.
"""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec
from opalink.protocol.flit import QueueFullError, least, parameters
from opalink.protocol.packets import CounterId, LinkParams, LinkParamsResponse, VirtualChannel
from tests.flit_wire import Side, Wire, flits, packet, spoiled

CHANNELS = [int(vc) for vc in VirtualChannel]
SIZES = {vc: [20, 21, 300, 500] for vc in CHANNELS}
for _vc in (3, 4, 5, 12):
    SIZES[_vc] += [2_000, 4_000]
for _vc in (8, 9, 10, 11):
    SIZES[_vc] += [32_804]

# ── What happens ─────────────────────────────────────────────────────────────────────────────────────


class Trouble:
    """Loses, spoils and doubles FLITs by chance, and loses a whole run now and then; after `last` of them it stops."""

    def __init__(self, seed: int, often: float, last: int = 3_000) -> None:
        self.dice, self.often, self.left, self.run = random.Random(seed), often, last, 0

    def __call__(self, flit: bytes) -> Iterable[bytes]:
        self.left -= 1
        if self.left < 0:
            return (flit,)
        if self.run:
            self.run -= 1
            return ()
        if self.dice.random() >= self.often:
            return (flit,)
        what = self.dice.randrange(8)
        if what == 0:
            self.run = self.dice.randrange(1, 60)
        return ((), (), (spoiled(flit, self.dice.randrange(5_120)),), (spoiled(flit),), (flit, flit))[min(what, 4)]


def load(side: Side, dice: random.Random, count: int, first: int = 0) -> list[bytes]:
    """Put in packets of all channels."""
    put = []
    for number in range(first, first + count):
        vc = dice.choice(CHANNELS)
        put.append(packet(vc, number, dice.choice(SIZES[vc])))
        side.end.put(put[-1])
    return put


def in_channels(packets: Iterable[bytes]) -> dict[int, list[bytes]]:
    side = Side()
    side.got = list(packets)
    return side.by_channel()


# ── Nothing is lost ──────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 0.1, 0.4]), st.sampled_from([1, 5, 64]), st.booleans())
def test_every_packet_comes_once_and_in_order(seed: int, often: float, batch: int, narrow: bool) -> None:
    dice = random.Random(seed)
    ours, theirs = (parameters(depth=64 if narrow else 256), parameters(depth=64))
    wire = Wire(ours, theirs, batch=batch)
    wire.phone.fate, wire.module.fate = Trouble(seed, often), Trouble(seed + 1, often)
    down, up = [], []
    for _ in range(4):
        down += load(wire.module, dice, dice.randrange(12), len(down))
        up += load(wire.phone, dice, dice.randrange(12), len(up))
        wire.run(until=wire.now + dice.randrange(1, 80_000))
    wire.run()
    assert wire.phone.by_channel() == in_channels(down)
    assert wire.module.by_channel() == in_channels(up)
    for side in (wire.phone, wire.module):
        assert not side.end.faults
        assert not side.end.lost
        assert not side.end.unconfirmed
        assert not side.counts[CounterId.BAD_LENGTH]
        assert not side.counts[CounterId.CREDIT_VIOLATION]


@pytest.mark.parametrize("missing", [0, 1, 5, 30, 31])
def test_one_lost_flit_is_sent_again_alone(missing: int) -> None:
    wire = Wire(batch=32)
    seen: list[bytes] = []

    def lose(flit: bytes) -> Iterable[bytes]:
        seen.append(flit)
        return () if len(seen) == missing + 1 else (flit,)

    wire.module.fate = lose
    wire.module.end.put(packet(8, 1, 624 * 32))
    wire.run()
    assert wire.phone.got == [packet(8, 1, 624 * 32)]
    assert wire.module.counts[CounterId.REPLAYS] == 1
    assert wire.phone.counts == {CounterId.SEQ_GAP: 1}


def test_a_lost_run_is_sent_again_from_its_beginning() -> None:
    wire = Wire(batch=32)
    seen: list[bytes] = []

    def lose(flit: bytes) -> Iterable[bytes]:
        seen.append(flit)
        return () if len(seen) <= 32 else (flit,)

    wire.module.fate = lose
    wire.module.end.put(packet(8, 1, 624 * 32))
    wire.run()
    assert wire.phone.got == [packet(8, 1, 624 * 32)]
    assert wire.module.counts[CounterId.REPLAYS] == 32
    assert wire.phone.counts == {CounterId.SEQ_GAP: 32}
    assert wire.phone.sent < 5  # one request for all of them


def test_a_spoiled_flit_is_counted_and_comes_again() -> None:
    wire = Wire()
    fates = [spoiled]
    wire.module.fate = lambda flit: (fates.pop()(flit),) if fates else (flit,)
    wire.module.end.put(packet(3, 1))
    wire.run()
    assert wire.phone.got == [packet(3, 1)]
    assert wire.phone.counts == {CounterId.BAD_FLIT: 1, CounterId.SEQ_GAP: 1}


def test_a_flit_that_comes_twice_is_taken_once() -> None:
    wire = Wire()
    wire.module.fate = lambda flit: (flit, flit)
    wire.module.end.put(packet(3, 1))
    wire.run()
    assert wire.phone.got == [packet(3, 1)]
    assert wire.phone.counts == {CounterId.DUPLICATE_FLITS: 1}


def test_the_line_is_silent_when_both_sides_have_everything() -> None:
    wire = Wire()
    wire.module.end.put(packet(3, 1))
    wire.run()
    assert (wire.module.sent, wire.phone.sent) == (1, 1)
    assert wire.phone.end.deadline() is None
    assert wire.module.end.deadline() is None


def test_what_has_come_is_acknowledged_though_no_credit_is_returned() -> None:
    wire = Wire()
    wire.phone.end.hold(3)
    wire.module.end.put(packet(3, 1))
    wire.run()
    assert (wire.module.sent, wire.phone.sent) == (1, 1)
    assert not wire.module.end.unconfirmed


def test_so_many_flits_are_acknowledged_at_once() -> None:
    phone, module = Side(), Side()
    phone.end.hold(8)
    module.end.put(packet(8, 1, 32_804))
    phone.end.receive(1_000, module.end.take(0, 7))
    assert phone.end.deadline() == 1_000 + 10_000
    phone.end.receive(2_000, module.end.take(0, 1))
    assert phone.end.deadline() == 2_000


def test_in_the_dark_the_peer_is_asked_more_and_more_seldom() -> None:
    wire = Wire()
    wire.module.fate = lambda _: ()
    wire.module.end.put(packet(3, 1))
    wire.run(until=100_000_000)
    assert 60 < wire.module.sent < 100


# ── A new epoch ──────────────────────────────────────────────────────────────────────────────────────


def epochs(number: int) -> tuple[LinkParams, LinkParams]:
    return parameters(number), parameters(number)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.3]), st.integers(0, 60_000))
def test_a_new_epoch_reports_what_may_be_lost(seed: int, often: float, cut: int) -> None:
    dice = random.Random(seed)
    wire = Wire(batch=5)
    wire.phone.fate, wire.module.fate = Trouble(seed, often), Trouble(seed + 1, often)
    put = load(wire.module, dice, 30)
    wire.run(until=cut)
    wire._under_way.clear()
    for side in (wire.phone, wire.module):
        side.end.begin(*epochs(1))
    put += load(wire.module, dice, 10, 30)
    wire.run()
    lost = wire.module.end.lost
    got, given_in = wire.phone.by_channel(), in_channels(put)
    for vc, packets in given_in.items():
        came = got.get(vc, [])
        assert came == [p for p in packets if p in came]  # in order, none twice
        assert len(packets) - len(came) <= lost[vc]
    assert sum(lost.values()) <= 30
    assert not wire.phone.end.faults


def test_a_packet_that_has_left_in_part_goes_whole_in_the_new_epoch() -> None:
    wire = Wire()
    wire.module.end.put(packet(8, 1, 32_804))
    wire.phone.end.receive(0, wire.module.end.take(0, 10))
    for side in (wire.phone, wire.module):
        side.end.begin(*epochs(1))
    wire.run()
    assert wire.phone.got == [packet(8, 1, 32_804)]
    assert not wire.module.end.lost


def test_a_packet_for_a_channel_that_the_new_epoch_does_not_grant_is_lost() -> None:
    side = Side()
    side.end.put(packet(8, 1))
    side.end.begin(least(1), least(1))
    assert side.end.lost == {8: 1}


def test_the_module_begins_an_epoch_with_the_phones_first_flit_of_it() -> None:
    wire = Wire()
    wire.phone.end.put(packet(3, 1))
    wire.run()
    wire.module.end.expect(*epochs(1))
    wire.phone.end.put(packet(3, 2))
    wire.run()  # still the old one
    assert wire.module.end.epoch == 0
    wire.phone.end.begin(*epochs(1))
    wire.phone.end.put(packet(3, 3))
    wire.module.end.put(packet(3, 4))  # waits for the new one
    wire.run()
    assert wire.module.end.epoch == 1
    wire.module.end.put(packet(3, 5))
    wire.run()
    assert wire.module.got == [packet(3, n) for n in (1, 2, 3)]
    assert wire.phone.got == [packet(3, 4), packet(3, 5)]
    assert not wire.phone.end.lost
    assert not wire.module.end.lost


def test_only_the_answer_that_ends_an_epoch_still_leaves_in_it() -> None:
    """Whatever else is put once a new epoch is expected waits, and no more of it than a queue holds."""
    wire = Wire()
    wire.module.end.expect(*epochs(1))
    wire.module.end.put(packet(3, 1))
    answer = codec.encode(codec.response(codec.request(LinkParams(), 5), LinkParamsResponse()))
    wire.module.end.put(answer)
    wire.run()
    assert wire.phone.got == [answer]
    for number in range(262):  # of 4000 bytes, all but the one that is too much
        wire.module.end.put(packet(3, number, 4000))
    with pytest.raises(QueueFullError):
        wire.module.end.put(packet(3, 262, 4000))


def test_flits_of_another_epoch_are_dropped() -> None:
    phone, module = Side(), Side()
    module.end.begin(*epochs(1))
    phone.end.put(packet(3, 1))
    data = phone.end.take(0, 4)
    assert module.end.receive(0, data) == []
    assert module.end.deadline() is None
    assert len(flits(data)) == 1
