"""Whoever listens to a line finds the packets that were sent, and none that were not.

Plan: a line · what comes again · what never comes · where a listener begins.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.codec import Flit, decode_flit, encode_flit
from opalink.protocol.flit.layout import NOWHERE
from opalink.protocol.flit.listening import HELD, Listener
from opalink.protocol.packets import FlitKind, VirtualChannel
from opalink.spec.limits import FLIT_PAYLOAD
from tests.flit_wire import STREAM, Wire, channel_of, packet, spoiled

CHANNELS = (VirtualChannel.CONTROL, VirtualChannel.BULK, STREAM)
SIZES = st.lists(st.tuples(st.sampled_from(CHANNELS), st.integers(20, 3000)), min_size=1, max_size=12)

# ── A line ───────────────────────────────────────────────────────────────────────────────────────────


def sent(sizes: Sequence[tuple[int, int]]) -> tuple[list[bytes], list[bytes]]:
    """Packets of these channels and sizes, and the FLITs in which a phone sends them."""
    wire, line = Wire(), list[bytes]()

    def noted(flit: bytes) -> Iterable[bytes]:
        line.append(flit)
        return (flit,)

    wire.phone.fate = noted
    packets = [packet(vc, number, size) for number, (vc, size) in enumerate(sizes)]
    for data in packets:
        wire.phone.end.put(data)
    wire.run()
    return packets, line


def heard(line: Iterable[bytes], listener: Listener | None = None) -> list[tuple[int, bytes]]:
    listener = listener or Listener()
    return [found for place, data in enumerate(line) for found in listener.take(decode_flit(data), place)]


def by_channel(packets: Iterable[bytes]) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for data in packets:
        found.setdefault(channel_of(data), []).append(data)
    return found


# ── What comes again ─────────────────────────────────────────────────────────────────────────────────


@given(SIZES, st.sets(st.integers(0, 60), max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_was_spoiled_on_its_way_is_found_where_it_is_replayed(sizes: list[tuple[int, int]], bad: set[int]) -> None:
    wire, line, number = Wire(), list[bytes](), count()

    def noted(flit: bytes) -> Iterable[bytes]:
        if next(number) in bad:
            return (spoiled(flit),)  # a capture has nothing of it that can be read
        line.append(flit)
        return (flit,)

    wire.phone.fate = noted
    packets = [packet(vc, n, size) for n, (vc, size) in enumerate(sizes)]
    for data in packets:
        wire.phone.end.put(data)
    wire.run()
    found = [data for _, data in heard(line, begun())]
    assert by_channel(found) == by_channel(packets)


def begun() -> Listener:
    """One that has heard another epoch, so knows that this one begins with number 0."""
    listener = Listener()
    heard([encode_flit(Flit(kind=FlitKind.DATA, epoch=1, payload=bytes(FLIT_PAYLOAD)))], listener)
    return listener


@given(SIZES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_and_the_number_of_times_in_which_flits_come_make_no_difference(
    sizes: list[tuple[int, int]], draw: Random
) -> None:
    packets, line = sent(sizes)
    shuffled = [*line, *draw.choices(line, k=len(line) // 2)]
    draw.shuffle(shuffled)
    listener = begun()
    found = heard(shuffled, listener)
    assert by_channel(data for _, data in found) == by_channel(packets)
    assert not listener.gap
    assert not listener._order.early


@given(SIZES, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_mark_of_a_packet_is_that_of_the_flit_in_which_it_ends(sizes: list[tuple[int, int]], draw: Random) -> None:
    packets, line = sent(sizes)
    ends = {data: place for place, data in heard(line)}
    assert set(ends) == set(packets)
    order = [*range(len(line)), *draw.choices(range(len(line)), k=len(line))]
    draw.shuffle(order)
    again = {data: place for place, data in heard((line[i] for i in order), begun())}
    assert again == {data: order.index(place) for data, place in ends.items()}  # of the first of those that are alike


# ── What never comes ─────────────────────────────────────────────────────────────────────────────────


@given(SIZES, st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_missing_makes_no_packet_that_was_not_sent(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    packets, line = sent(sizes)
    gone = data.draw(st.sets(st.integers(0, len(line) - 1)))
    found = [x for _, x in heard(flit for i, flit in enumerate(line) if i not in gone)]
    for vc, of_channel in by_channel(found).items():
        left = iter(by_channel(packets)[vc])
        assert all(x in left for x in of_channel)  # in their order


def test_what_is_held_is_bounded_and_a_gap_is_said() -> None:
    listener = Listener()
    for seq in (0, *range(2, HELD + 3)):  # number 1 never comes
        heard([encode_flit(Flit(seq=seq, vc=STREAM, first_off=NOWHERE, payload=bytes(FLIT_PAYLOAD)))], listener)
        assert len(listener._marks) < HELD
        assert listener.gap is (seq > HELD)


# ── Where a listener begins ──────────────────────────────────────────────────────────────────────────


@given(SIZES, st.data())
@settings(max_examples=40, deadline=None)
def test_a_listener_that_begins_anywhere_finds_all_that_begins_behind(
    sizes: list[tuple[int, int]], data: st.DataObject
) -> None:
    packets, line = sent(sizes)
    start = data.draw(st.integers(0, len(line)))
    before = {x for _, x in heard(line[:start])}
    whole = [x for _, x in heard(line) if x not in before]
    found = [x for _, x in heard(line[start:])]
    assert set(found) <= set(whole) <= set(packets)
    assert len(whole) - len(found) <= len(CHANNELS)  # of each channel the one that was open
