"""Packets cut into payloads come out as they went in, and payloads that make no sense cost one packet and no more.

Plan: there and back · real-time packets · what makes no sense.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.flit.assembly import Assembly
from opalink.protocol.flit.outgoing import Outgoing
from opalink.protocol.packets import VirtualChannel
from tests.flit_wire import packet

LIMIT = 33_000
SIZES = st.one_of(st.integers(20, 60), st.integers(590, 660), st.integers(20, 4_000), st.just(32_804))


def cut(vc: int, sizes: list[int], counts: list[int]) -> tuple[list[int], list[bytes], list[int]]:
    """The payloads of packets of these sizes, cut so many at a time and then all."""
    out = Outgoing(vc, 0xFFFF, LIMIT)
    for number, size in enumerate(sizes):
        out.put(packet(vc, number, size))
    offsets: list[int] = []
    payloads: list[bytes] = []
    ends: list[int] = []
    for count in [*counts, 0xFFFF]:
        o, p, e = out.cut(count)
        ends += [len(payloads) + at for at in e]
        offsets, payloads = offsets + o, payloads + p
    assert not out.queue
    assert not out.waiting
    return offsets, payloads, ends


# ── There and back ───────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.lists(SIZES, max_size=12), st.lists(st.integers(1, 9), max_size=9), st.lists(st.integers(1, 70), max_size=9))
def test_packets_come_out_as_they_went_in(sizes: list[int], counts: list[int], takes: list[int]) -> None:
    offsets, payloads, ends = cut(VirtualChannel.STREAM0, sizes, counts)
    assembly, packets = Assembly(LIMIT), []
    at = 0
    for take in [*takes, len(payloads)]:
        assembly.feed(offsets[at : at + take], payloads[at : at + take], packets)
        at = min(at + take, len(payloads))
        assert len(packets) == sum(end < at for end in ends)
    assert packets == [packet(VirtualChannel.STREAM0, n, size) for n, size in enumerate(sizes)]
    assert not assembly.open
    assert not assembly.broken


@settings(deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=12))
def test_an_offset_says_where_the_first_packet_begins(sizes: list[int]) -> None:
    offsets, payloads, _ = cut(VirtualChannel.META, sizes, [])
    begin, size = 0, sum(sizes)
    begins = set()
    for one in sizes:
        begins.add(begin)
        begin += one
    assert [624 if o is None else o for o in (
        min((b - 624 * i for b in begins if 624 * i <= b < 624 * (i + 1)), default=None) for i in range(len(payloads))
    )] == offsets  # fmt: skip
    assert b"".join(payloads)[size:] == bytes(624 * len(payloads) - size)


# ── Real-time packets ────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.lists(st.integers(20, 624), min_size=1, max_size=30))
def test_a_real_time_packet_is_never_split(sizes: list[int]) -> None:
    offsets, payloads, ends = cut(VirtualChannel.RT, sizes, [])
    assert set(offsets) == {0}
    alone = [0] * len(payloads)
    for size, end in zip(sizes, ends, strict=True):
        alone[end] += size
    assert max(alone) <= 624
    assert ends == sorted(ends)
    packets: list[bytes] = []
    Assembly(LIMIT).feed(offsets, payloads, packets)
    assert packets == [packet(VirtualChannel.RT, n, size) for n, size in enumerate(sizes)]


# ── What makes no sense ──────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.one_of(st.binary(min_size=624, max_size=624), st.just(b"\x10" * 624))),
        max_size=30,
    )
)
def test_any_payloads_leave_no_more_than_one_packet_held(stream: list[tuple[int, bytes]]) -> None:
    assembly, packets = Assembly(4_116), []
    for offset, payload in stream:
        assembly.feed([offset], [payload], packets)
        assert sum(map(len, assembly._parts)) + len(assembly._start) <= 4_116
    assert all(20 <= len(p) <= 4_116 for p in packets)


@settings(deadline=None)
@given(st.lists(SIZES, min_size=8, max_size=8), st.integers(0, 300), st.integers(0, 624))
def test_after_a_wrong_offset_later_packets_are_whole(sizes: list[int], where: int, offset: int) -> None:
    offsets, payloads, ends = cut(VirtualChannel.STREAM0, sizes, [])
    where %= len(payloads)
    offsets[where] = offset
    packets: list[bytes] = []
    Assembly(LIMIT).feed(offsets, payloads, packets)
    again = next((i for i in range(where + 1, len(offsets)) if offsets[i] < 624), len(offsets))
    whole = [packet(VirtualChannel.STREAM0, n, size) for n, size in enumerate(sizes)]
    later = [n for n, end in enumerate(ends) if n and ends[n - 1] >= again]
    assert [p for p in packets if p in [whole[n] for n in later]] == [whole[n] for n in later]


@settings(deadline=None)
@given(st.lists(SIZES, min_size=3, max_size=12), st.integers(0, 700))
def test_a_payload_that_is_left_out_costs_the_packets_in_it_alone(sizes: list[int], where: int) -> None:
    offsets, payloads, _ = cut(VirtualChannel.STREAM0, sizes, [])
    where %= len(payloads)
    packets: list[bytes] = []
    Assembly(LIMIT).feed(offsets[:where] + offsets[where + 1 :], payloads[:where] + payloads[where + 1 :], packets)
    begins = [sum(sizes[:n]) // 624 for n in range(len(sizes))]
    ends = [(sum(sizes[: n + 1]) - 1) // 624 for n in range(len(sizes))]
    untouched = [n for n in range(len(sizes)) if ends[n] < where or begins[n] > where]
    assert [p for p in packets if p in [packet(VirtualChannel.STREAM0, n, sizes[n]) for n in untouched]] == [
        packet(VirtualChannel.STREAM0, n, sizes[n]) for n in untouched
    ]


def test_a_packet_beyond_the_limit_is_given_up_and_the_next_one_is_read() -> None:
    offsets, payloads, _ = cut(VirtualChannel.STREAM0, [5_000, 40], [])
    assembly, packets = Assembly(4_116), []
    assembly.feed(offsets, payloads, packets)
    assert packets == [packet(VirtualChannel.STREAM0, 1, 40)]
    assert assembly.broken == 1


def test_a_straddling_header_of_a_packet_beyond_the_limit_is_given_up() -> None:
    offsets, payloads, _ = cut(VirtualChannel.STREAM0, [621, 5_000, 40], [])
    assembly, packets = Assembly(4_116), []
    assembly.feed(offsets, payloads, packets)
    assert packets == [packet(VirtualChannel.STREAM0, 0, 621), packet(VirtualChannel.STREAM0, 2, 40)]
    assert assembly.broken == 1
