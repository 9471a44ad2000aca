"""Who goes first, who waits for credit, and how two sides find together again.

Plan: priorities · credit · resynchronisation.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec
from opalink.protocol.flit import End, QueueFullError, least, parameters
from opalink.protocol.flit import outgoing as flit_outgoing
from opalink.protocol.packets import (
    AckKind,
    CounterId,
    FlitKind,
    PacketType,
    Status,
    VcParams,
    VcResync,
    VcResyncResponse,
    VirtualChannel,
)
from opalink.spec.limits import CHANNELS
from tests.flit_wire import STREAM, Side, Wire, channel_of, flits, packet

LINK, RT, CONTROL, BULK = VirtualChannel.LINK, VirtualChannel.RT, VirtualChannel.CONTROL, VirtualChannel.BULK
BLOCK = 32_804


def channels(data: bytes) -> list[int]:
    return [codec.decode_flit(flit).vc for flit in flits(data)]


# ── Priorities ───────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_real_time_packet_enters_the_very_next_flit(seed: int, before: int) -> None:
    """Whatever else waits, but for packets of the link itself, and whatever is to be sent again."""
    dice, side, peer = random.Random(seed), Side(), Side()
    for number in range(40):
        vc = dice.choice([int(vc) for vc in VirtualChannel if vc not in {LINK, RT}])
        side.end.put(packet(vc, number, dice.choice([20, 500])))
    side.end.put(packet(STREAM, 99, BLOCK))
    early = flits(side.end.take(0, before))
    if dice.random() < 0.5:
        peer.end.receive(0, b"".join(early[1:]))  # the first is missing: the peer asks for it
        side.end.receive(0, peer.end.take(0, 40))
    side.end.put(packet(RT, 100))
    (flit,) = flits(side.end.take(1, 1))
    assert codec.decode_flit(flit).vc == RT
    assert codec.decode_flit(flit).payload[:20] == packet(RT, 100)


def test_a_real_time_packet_finds_room_in_a_window_full_of_frames() -> None:
    side = Side(parameters(depth=64), parameters(depth=64))
    side.end.put(packet(STREAM, 1, BLOCK))
    side.end.put(packet(STREAM, 2, BLOCK))
    frames = channels(side.end.take(0, 100))
    assert set(frames) == {STREAM}
    assert len(frames) < 64
    for number in range(3):
        side.end.put(packet(RT, number, 600))
    assert channels(side.end.take(1, 100)) == [RT] * 3


def test_a_lower_rank_goes_first() -> None:
    side = Side()
    order = sorted(CHANNELS, key=lambda c: c.rank)
    for channel in reversed(order):
        side.end.put(packet(channel.value, channel.value, 400))
    assert channels(side.end.take(0, 100)) == [c.value for c in order]


def test_streams_share_the_line_by_their_weights() -> None:
    end = End(weights={8: 3})
    end.begin(parameters(depth=4096), parameters(credit=4))
    for number in range(16):
        for vc in (8, 9):
            end.put(packet(vc, number, BLOCK))
    sent = channels(end.take(0, 1024))
    assert (sent.count(8), sent.count(9)) == (768, 256)
    assert sent[: flit_outgoing.TURN * 4 + 1 : flit_outgoing.TURN] == [8, 8, 8, 9, 8]


def test_a_stream_without_credit_gives_its_turn_away() -> None:
    rows = (VcParams(8, 3, 32_784), VcParams(9, 900, 32_784))
    end = End()
    end.begin(parameters(), parameters().__class__(replay_depth=256, ack_coalesce=8, channels=rows))
    for vc in (8, 9):
        end.put(packet(vc, 1, BLOCK))
    sent = channels(end.take(0, 100))
    assert (sent.count(8), sent.count(9)) == (3, 53)


# ── Credit ───────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_credit_is_never_negative_and_never_exceeded(seed: int, hold: bool) -> None:
    dice = random.Random(seed)
    wire = Wire(batch=dice.randrange(1, 30))
    wire.module.fate = lambda flit: () if dice.random() < 0.05 else (flit,)
    wire.phone.fate = lambda flit: () if dice.random() < 0.05 else (flit,)
    if hold:
        wire.phone.end.hold(CONTROL)
    for number in range(60):
        wire.module.end.put(packet(CONTROL, number, dice.randrange(20, 4_000)))
    for _ in range(60):
        wire.run(until=wire.now + 5_000)
        out, into = wire.module.end._out.channels[CONTROL], wire.phone.end._in[CONTROL]
        assert 0 <= out.granted - out.sent <= 32
        assert 0 <= into.told - into.received <= 32
        assert out.granted <= into.told <= into.granted
    if hold:
        wire.run(until=wire.now + 50_000_000)
        assert into.received == 32
        assert wire.module.counts[CounterId.CREDIT_STALLS] == 1
        wire.phone.end.release(CONTROL, wire.now)
    wire.run()
    assert wire.phone.got == [p for p in wire.phone.got if channel_of(p) == CONTROL]
    assert len(wire.phone.got) == 60
    assert not wire.phone.end.faults


def test_a_lost_update_of_credit_heals() -> None:
    wire = Wire()
    wire.phone.end.hold(CONTROL)
    for number in range(20):
        wire.module.end.put(packet(CONTROL, number, 4_000))
    wire.run(until=2_000_000)
    lost: list[bytes] = []
    wire.phone.fate = lambda flit: lost.append(flit) or () if len(lost) < 3 else (flit,)  # type: ignore[func-returns-value]
    wire.phone.end.release(CONTROL, wire.now)
    wire.run()
    assert len(lost) == 3
    assert len(wire.phone.got) == 20


def test_a_flit_without_credit_is_dropped_and_reported() -> None:
    side, greedy = Side(least(), least()), Side(parameters(), parameters())
    for vc in (CONTROL, LINK):
        greedy.end.put(packet(vc, 1, 500))
    assert side.end.receive(0, greedy.end.take(0, 2)) == [packet(LINK, 1, 500)]
    assert side.end.faults == {Status.CREDIT_VIOLATION}
    assert side.counts[CounterId.CREDIT_VIOLATION] == 1


@pytest.mark.parametrize(("cum", "taken"), [(34, False), (33, True), (32, False), (1, False), (0, False)])
def test_more_credit_than_there_is_room_is_not_taken(cum: int, taken: bool) -> None:
    side = Side()
    side.end.put(packet(CONTROL, 1))
    side.end.take(0, 1)
    channel = side.end._out.channels[CONTROL]
    grant = codec.Flit(seq=0xFFFF, kind=FlitKind.CONTROL, credit_vc=CONTROL, credit_cum=cum, first_off=624)
    side.end.receive(0, codec.encode_flit(grant))
    assert channel.granted == (33 if taken else 32)


def test_a_channel_lets_no_more_wait_than_its_queue_takes() -> None:
    side = Side()
    fit = (1 << 20) // BLOCK
    for number in range(fit):
        side.end.put(packet(STREAM, number, BLOCK))
    with pytest.raises(QueueFullError, match="channel 8 lets no more than 1048576 bytes wait"):
        side.end.put(packet(STREAM, fit, BLOCK))
    assert side.end.waiting(STREAM) == fit * BLOCK
    side.end.take(0, 200)
    side.end.put(packet(STREAM, fit, BLOCK))


# ── Resynchronisation ────────────────────────────────────────────────────────────────────────────────


def resync_packet(side: Side) -> codec.Packet:
    """Take the VC_RESYNC that has come out of the others."""
    (found,) = (data for data in side.got if data[1] == PacketType.VC_RESYNC)
    side.got.remove(found)
    return codec.decode(found)


def recovered(wire: Wire) -> tuple[bool, bool]:
    """RECOVERY as both sides do it: the phone asks, the module answers, each goes on from what the other says."""
    for side in (wire.phone, wire.module):
        side.end.suspend()
    ask = codec.encode(codec.request(wire.phone.end.position(VcResync), txn=5))
    wire.phone.end.put(ask)
    wire.run(until=wire.now + 10_000)
    request = resync_packet(wire.module)
    module = wire.module.end.resync(request.body, wire.now)
    wire.module.end.put(codec.encode(codec.response(request, wire.module.end.position(VcResyncResponse))))
    wire.run(until=wire.now + 10_000)
    return module, wire.phone.end.resync(resync_packet(wire.phone).body, wire.now)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60_000))
def test_after_a_recovery_nothing_is_missing_and_nothing_twice(seed: int, cut: int) -> None:
    dice = random.Random(seed)
    wire = Wire(batch=4)
    down = [packet(dice.choice([3, 4, 8]), n, dice.randrange(20, 4_000)) for n in range(40)]
    up = [packet(dice.choice([3, 4]), n, dice.randrange(20, 4_000)) for n in range(10)]
    for side, packets in ((wire.module, down), (wire.phone, up)):
        for one in packets:
            side.end.put(one)
    wire.run(until=cut)
    wire._under_way.clear()  # the light went away
    assert recovered(wire) == (True, True)
    wire.run()
    assert sorted(wire.phone.got) == sorted(down)
    assert sorted(wire.module.got) == sorted(up)
    for vc, packets in wire.phone.by_channel().items():
        assert packets == [p for p in down if channel_of(p) == vc]


def test_a_suspended_end_sends_no_packets_but_vc_resync() -> None:
    side, peer = Side(), Side()
    side.end.put(packet(LINK, 1))
    side.end.suspend()
    assert side.end.take(0, 10) == b""
    ask = codec.encode(codec.request(side.end.position(VcResync), txn=5))
    side.end.put(ask)
    (flit,) = flits(side.end.take(0, 10))
    assert codec.decode_flit(flit).kind == FlitKind.CONTROL
    assert peer.end.receive(0, flit) == [ask]


def test_vc_resync_comes_though_flits_before_it_are_missing() -> None:
    side, peer = Side(), Side()
    side.end.put(packet(CONTROL, 1))
    side.end.take(0, 1)  # lost
    ask = codec.encode(codec.request(side.end.position(VcResync), txn=5))
    side.end.put(ask)
    assert peer.end.receive(0, side.end.take(0, 1)) == [ask]
    assert peer.counts == {CounterId.SEQ_GAP: 1}


def test_a_position_says_what_was_sent_and_what_is_free() -> None:
    wire = Wire()
    for number in range(3):
        wire.module.end.put(packet(CONTROL, number, 1_000))
    wire.run()
    position = wire.phone.end.position(VcResync, {3: 77})
    assert position.last_rx_seq == 4
    assert {row.vc: row.freed_cum for row in position.channels if row.freed_cum} == {CONTROL: 5}
    assert {row.vc: row.last_txn for row in position.channels if row.last_txn} == {CONTROL: 77}
    module = wire.module.end.position(VcResyncResponse)
    assert module.last_rx_seq == 0xFFFF
    assert {row.vc: row.sent_cum for row in module.channels if row.sent_cum} == {CONTROL: 5}
    assert len(codec.encode(codec.request(position, txn=1))) <= 624


def test_a_peer_that_lacks_what_is_no_longer_held_needs_a_new_epoch() -> None:
    wire = Wire()
    for number in range(3):
        wire.module.end.put(packet(CONTROL, number, 1_000))
    wire.run()
    here = wire.phone.end.position(VcResync)
    there = wire.module.end
    assert there.resync(here, wire.now)
    assert not there.resync(VcResync(0, 2, here.channels), wire.now)
    assert not there.resync(VcResync(0, 5, here.channels), wire.now)
    assert not there.resync(VcResync(1, 4, here.channels), wire.now)
    behind = tuple(row.__class__(row.vc, 500, row.freed_cum) for row in here.channels)
    assert not there.resync(VcResync(0, 4, behind), wire.now)


def ask(kind: AckKind, seq: int) -> bytes:
    return codec.encode_flit(codec.Flit(seq=0xFFFF, kind=FlitKind.CONTROL, ack=kind, ack_seq=seq, first_off=624))


@pytest.mark.parametrize("kind", [AckKind.NAK, AckKind.SELECTIVE])
def test_what_is_no_longer_held_is_counted_and_reported(kind: AckKind) -> None:
    side = Side()
    side.end.put(packet(CONTROL, 1, 1_000))
    side.end.take(0, 9)
    side.end.receive(0, ask(AckKind.ACK, 1))
    assert not side.end.unconfirmed
    side.end.receive(0, ask(kind, 0))
    assert side.counts == {CounterId.REPLAY_EXHAUSTED: 1}
    assert side.end.faults == {Status.REPLAY_EXHAUSTED}
    assert side.end.take(0, 9) == b""


def test_an_acknowledgement_of_what_was_not_sent_is_ignored() -> None:
    side = Side()
    side.end.put(packet(CONTROL, 1, 1_000))
    side.end.take(0, 9)
    for seq in (2, 3, 0x7FFF, 0xFFFE):
        side.end.receive(0, ask(AckKind.ACK, seq))
    assert side.end.unconfirmed == 2
    assert not side.end.faults
