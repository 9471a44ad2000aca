"""The channel's numbers are those of the link budget, and the same FLITs always meet the same fate.

Plan: FEC · light · fates · time · sideband · the laser between two ends.
"""

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.channel import Channel, Laser, Level, fec, level, load, optics, parse
from opalink.protocol.flit import End, parameters
from opalink.protocol.packets import CounterId, FecCode
from opalink.spec.form import MS, US
from opalink.spec.limits import GEARS
from tests.flit_wire import packet

NONE, SHORT, LONG = FecCode.NONE, FecCode.RS_528_514, FecCode.RS_544_514
G4 = next(gear.baud for gear in GEARS if gear.name == "G4")
FLIT = 640


def scenario(*events: str, **link: Any) -> Channel:
    """A channel of a scenario with these events; `link` sets keys of the link."""
    head = "\n".join(f"{key} = {value!r}" for key, value in link.items())
    return Channel(parse(f'title = "t"\nseed = 5\n[link]\n{head}\n' + "".join(f"[[event]]\n{e}\n" for e in events)))


# ── FEC ──────────────────────────────────────────────────────────────────────────────────────────────

# The published budget of the link: bit error ratio, FLITs lost without a code, codewords lost with each code.
BUDGET = [
    (1e-6, 0.005, 1e-23, None),
    (1e-5, 0.05, 1.4e-15, None),
    (5e-5, 0.23, 4.4e-10, None),
    (1e-4, 0.41, 8.9e-8, None),
    (2e-4, 0.65, 1.4e-5, None),
    (5e-4, 0.93, 5.6e-3, 2.8e-8),
    (1e-3, 0.995, 0.16, 1.5e-4),
]


@pytest.mark.parametrize(("ber", "bare", "short", "long"), BUDGET)
def test_loss_is_that_of_the_link_budget(ber: float, bare: float, short: float, long: float | None) -> None:
    assert fec.flit_loss(ber, NONE) == pytest.approx(bare, rel=0.04)
    assert fec.flit_loss(ber, SHORT) == pytest.approx(short, rel=0.5 if ber < 1e-5 else 0.03)
    if long:
        assert fec.flit_loss(ber, LONG) == pytest.approx(long, rel=0.03)


@pytest.mark.parametrize(("interleave", "ns"), [(1, 5.9), (2, 12.7), (4, 26), (8, 53)])
def test_the_longest_burst_is_that_of_the_link_budget(interleave: int, ns: float) -> None:
    longest = fec.longest_burst(SHORT, interleave, G4)
    assert longest == pytest.approx(ns, rel=0.02)
    assert fec.burst_flits(longest, SHORT, interleave, G4) == 0
    assert fec.burst_flits(longest + 0.1, SHORT, interleave, G4) == interleave
    assert fec.burst_flits(5_120, SHORT, interleave, G4) == max(10, interleave)


@settings(deadline=None)
@given(st.floats(0, 0.5), st.floats(0, 0.5), st.sampled_from([NONE, SHORT, LONG]))
def test_more_errors_never_cost_less(a: float, b: float, code: FecCode) -> None:
    low, high = sorted((fec.flit_loss(min(a, b), code), fec.flit_loss(max(a, b), code)))
    assert 0 <= low <= high <= 1 + 1e-9
    assert fec.flit_loss(max(a, b), code) >= fec.flit_loss(min(a, b), code) * (1 - 1e-9) - 1e-12


def test_without_a_code_every_burst_costs() -> None:
    assert fec.burst_flits(0.1, NONE, 4, G4) == 1


def test_nothing_is_corrected_without_a_code_nor_more_than_the_code_can() -> None:
    assert fec.corrected(1e-3, NONE) == 0
    assert fec.corrected(1e-4, SHORT) == pytest.approx(0.53, rel=0.01)
    assert fec.corrected(0.4, SHORT) == 7


@pytest.mark.parametrize(
    ("ber", "at"),
    [(0, Level.GOOD), (4.9e-5, Level.GOOD), (5e-5, Level.WATCH), (1e-4, Level.DEGRADED), (5e-4, Level.FAILING)],
)
def test_the_levels_are_those_of_the_link_budget(ber: float, at: Level) -> None:
    assert level(ber) is at


# ── Light ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("offset", "db"), [(0.29, 3), (0.42, 6), (0.51, 9), (0.59, 12), (0.66, 15)])
def test_an_offset_costs_what_the_link_budget_says(offset: float, db: float) -> None:
    assert optics.loss(offset, 0) == pytest.approx(db, rel=0.03)
    assert optics.loss(-offset, 0) == optics.loss(offset, 0)


def test_at_the_sensitivity_one_bit_in_a_trillion_is_wrong() -> None:
    for gear in GEARS[1:5]:
        assert optics.error_ratio(optics.sensitivity(gear.baud), gear.baud) == pytest.approx(1e-12, rel=0.01)
    assert optics.sensitivity(G4) == -14


@settings(deadline=None)
@given(st.floats(-60, 20), st.floats(-60, 20))
def test_more_light_never_costs_bits(a: float, b: float) -> None:
    assert optics.error_ratio(max(a, b), G4) <= optics.error_ratio(min(a, b), G4) <= 0.5


def test_a_link_in_place_has_thirteen_decibels_to_spare() -> None:
    light = scenario().light("down", 0)
    assert light.power_dbm - optics.sensitivity(G4) == 13
    assert light.seen
    assert light.ber < 1e-30


def test_shapes_rise_and_fall_as_named() -> None:
    event = 'kind = "offset"\nat_ms = 10\nfor_ms = 10\noffset_mm = 0.4\nshape = "{}"'
    for shape, middle, end in (("step", 0.4, 0.4), ("ramp", 0.2, 0.4), ("pulse", 0.4, 0.0)):
        channel = scenario(event.format(shape))
        offsets = [channel.seat(at * MS).offset_mm for at in (9, 15, 20)]
        assert offsets == pytest.approx([0, middle, 0])
        assert channel.seat(20 * MS - 1).offset_mm == pytest.approx(end, abs=1e-6)


def test_events_that_overlap_add_up_and_come_again() -> None:
    channel = scenario(
        'kind = "offset"\nat_ms = 10\nfor_ms = 5\noffset_mm = 0.3\ntimes = 3\nevery_ms = 20',
        'kind = "offset"\nat_ms = 12\nfor_ms = 30\noffset_mm = -0.1',
        offset_mm=0.2,
    )
    assert [round(channel.seat(at * MS).offset_mm, 6) for at in (9, 11, 13, 31, 44, 51, 56)] == [
        0.2, 0.5, 0.4, 0.4, 0.2, 0.5, 0.2,
    ]  # fmt: skip


def test_a_knock_rings_and_dies_away() -> None:
    channel = scenario('kind = "knock"\nat_ms = 0\nfor_ms = 100\noffset_mm = 0.8\nhertz = 100\ndecay_ms = 10')
    offsets = [channel.seat(at * MS).offset_mm for at in (0, 5, 10, 20, 90)]
    assert offsets == pytest.approx([0.8, -0.485, 0.294, 0.108, 0.0], abs=2e-3)
    assert channel.light("down", 0).ber > channel.light("down", 20 * MS).ber


def test_an_outage_of_one_direction_leaves_the_other() -> None:
    channel = scenario('kind = "outage"\nat_ms = 1\nfor_ms = 1\ndirection = "up"')
    now = 1_500 * US
    assert not channel.light("up", now).seen
    assert channel.light("down", now).seen
    assert channel.carry("up", now, bytes(FLIT * 3))[1] == b""
    assert channel.tally["up"].unseen == 3


# ── Fates ────────────────────────────────────────────────────────────────────────────────────────────

NOISE = 'kind = "noise"\nat_ms = 0\nfor_ms = 1000\nber = {}'
BURSTS = 'kind = "bursts"\nat_ms = 0\nfor_ms = 1000\nper_s = 40000\nlength_ns = 700'
FADE = 'kind = "fade"\nat_ms = 0.05\nfor_ms = 0.4\nloss_db = 20\nshape = "pulse"'


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.sampled_from([BURSTS, FADE, NOISE.format(6e-4)]))
def test_a_fate_does_not_depend_on_batches(counts: list[int], event: str) -> None:
    data = Random(3).randbytes(FLIT * sum(counts))
    whole = scenario(event).carry("down", 0, data)
    channel, at, parts, arrival = scenario(event), 0, [], 0
    for count in counts:
        arrival, part = channel.carry("down", channel.duration("down", at), data[FLIT * at : FLIT * (at + count)])
        parts.append(part)
        at += count
    assert (arrival, b"".join(parts)) == whole


@pytest.mark.parametrize(("ber", "code"), [(1e-5, "NONE"), (1e-3, "RS_528_514"), (2e-3, "RS_544_514")])
def test_as_many_flits_are_spoiled_as_the_code_loses(ber: float, code: str) -> None:
    channel, count = scenario(NOISE.format(ber), fec=code), 20_000
    _, through = channel.carry("down", 0, bytes(FLIT * count))
    spoiled = sum(any(through[i : i + FLIT]) for i in range(0, len(through), FLIT))
    expected = count * fec.flit_loss(ber, FecCode[code])
    assert len(through) == FLIT * count
    assert spoiled == channel.tally["down"].uncorrectable
    assert abs(spoiled - expected) < 5 * expected**0.5


def test_bursts_come_as_often_as_named_and_cost_neighbours() -> None:
    channel, count = scenario(BURSTS), 200_000  # 102 ms: 4096 bursts of two FLITs each, on average
    _, through = channel.carry("down", 0, bytes(FLIT * count))
    wrong = [i // FLIT for i in range(0, len(through), FLIT) if any(through[i : i + FLIT])]
    assert 7_300 < len(wrong) < 8_500
    runs = Counter(b - a for a, b in pairwise(wrong))
    assert runs[1] > len(wrong) * 0.48


def test_another_seed_is_another_fate() -> None:
    text = 'title = "t"\nseed = {}\n[[event]]\n' + NOISE.format(1e-3)
    data = bytes(FLIT * 500)
    fates = [Channel(parse(text.format(seed))).carry("down", 0, data)[1] for seed in (1, 1, 2)]
    assert fates[0] == fates[1] != fates[2]


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_flit_takes_as_long_as_the_link_budget_says() -> None:
    channel = scenario()
    assert channel.duration("down", 1) == 512
    assert channel.duration("up", 1) == 4_096
    assert channel.carry("down", 1_000, bytes(FLIT))[0] - 1_000 == pytest.approx(1_760, rel=0.02)


@pytest.mark.parametrize(("interleave", "us"), [(1, 0.7), (2, 1.2), (4, 2.2), (8, 4.3)])
def test_a_code_takes_as_long_as_the_link_budget_says(interleave: int, us: float) -> None:
    bare = scenario(fec="NONE").carry("down", 0, bytes(FLIT))[0]
    assert scenario(interleave=interleave).carry("down", 0, bytes(FLIT))[0] - bare == pytest.approx(us * US, rel=0.05)


def test_latency_adds_and_nothing_overtakes() -> None:
    channel = scenario('kind = "latency"\nat_ms = 1\nfor_ms = 1\nlatency_us = 500')
    usual = channel.carry("down", 0, bytes(FLIT))[0]
    slow = channel.carry("down", 1_900 * US, bytes(FLIT))[0]
    assert slow == 1_900 * US + 500 * US + usual
    assert channel.carry("down", 2_100 * US, bytes(FLIT))[0] == slow
    assert channel.carry("down", 3_000 * US, bytes(FLIT))[0] == 3_000 * US + usual


def test_the_next_change_is_known() -> None:
    channel = scenario(
        'kind = "outage"\nat_ms = 10\nfor_ms = 5', 'kind = "tilt"\nat_ms = 40\nfor_ms = 5\ntilt_deg = 2\nshape = "ramp"'
    )
    found, now = [], 0
    while (at := channel.deadline(now)) is not None:
        found.append(at / MS)
        now = at
    assert found == [10, 15, 40, 41, 42, 43, 44, 45]


# ── Sideband ─────────────────────────────────────────────────────────────────────────────────────────


def test_records_follow_each_other_at_a_megabit() -> None:
    channel = scenario()
    assert channel.sideband("up", 0, bytes(100)) == (800 * US, bytes(100))
    assert channel.sideband("up", 10, bytes(50)) == (1_200 * US, bytes(50))
    assert channel.sideband("down", 0, bytes(50)) == (400 * US, bytes(50))


def test_a_record_is_lost_where_the_contacts_open_meanwhile() -> None:
    channel = scenario('kind = "contacts-open"\nat_ms = 0.5\nfor_ms = 0.01')
    assert channel.sideband("up", 0, bytes(100))[1] is None
    assert channel.sideband("up", 1 * MS, bytes(100))[1] == bytes(100)
    seat = channel.seat(505 * US)
    assert (seat.contacts, seat.volts) == (False, 0)


def test_noise_on_the_contacts_spoils_as_many_records_as_it_says() -> None:
    channel = scenario('kind = "sideband-noise"\nat_ms = 0\nfor_ms = 3600000\nber = 1e-3')
    spoiled = sum(any(channel.sideband("up", 0, bytes(100))[1] or b"") for _ in range(2_000))
    assert 1_000 < spoiled < 1_200  # 1 - (1 - 1e-3)^800 = 0.551


def test_a_brown_out_is_what_the_contacts_carry() -> None:
    channel = scenario('kind = "brown-out"\nat_ms = 1\nfor_ms = 1\nvolts = 3.6')
    assert [channel.seat(at * US).volts for at in (999, 1_000, 2_000)] == [5, 3.6, 5]


# ── The laser between two ends ───────────────────────────────────────────────────────────────────────


def carried(name: str, start: int, span: int, blocks: int) -> tuple[int, dict[str, int], Laser]:
    """Blocks that have come from the module to the phone when a bundled scenario has run for `span` ns from `start`,
    and what both sides counted."""
    counts: Counter[str] = Counter()
    phone, module = (End(count=lambda what, _: counts.update([what.name])) for _ in range(2))
    for end in (phone, module):
        end.begin(parameters(depth=1024, credit=4), parameters(depth=1024, credit=4))
    laser = Laser(Channel(load(name)), phone, module, slot=64)
    now, came, put = start, 0, 0
    module.take(now, 0)
    while now < start + span:
        while put < blocks and module.waiting(8) < 500_000:
            module.put(packet(8, put, 32_804))
            put += 1
        for _, packets in laser.step(now):
            for data in packets:
                assert data == packet(8, came, 32_804)
                came += 1
        deadline = laser.deadline()
        if deadline is None:
            break
        now = max(now + 1, deadline)
    return came, dict(counts), laser


# From when on some bundled scenarios are at their worst, and how many blocks of 32 KiB they let through in 10 ms there.
WORST = {
    "bench-noise": (0, 360, 372),
    "finger-tap-8k": (450, 30, 90),
    "knock": (500, 0, 200),
    "thermal-fade": (3_980, 0, 60),
}


@pytest.mark.parametrize("name", WORST)
def test_a_bundled_scenario_costs_what_it_says_and_loses_nothing(name: str) -> None:
    start, least, most = WORST[name]
    came, counts, laser = carried(name, start * MS, 10 * MS, 10_000)
    assert least <= came <= most
    assert counts[CounterId.SEQ_GAP.name] > 0
    assert counts[CounterId.REPLAYS.name] > 0
    tally = laser.channel.tally["down"]
    assert tally.uncorrectable + tally.unseen > 0


def test_a_scenario_runs_the_same_each_time() -> None:
    assert carried("knock", 500 * MS, 3 * MS, 100)[:2] == carried("knock", 500 * MS, 3 * MS, 100)[:2]


def test_all_packets_have_come_when_the_laser_is_silent() -> None:
    came, _, laser = carried("bench-noise", 0, 1_000 * MS, 100)
    assert came == 100
    assert laser.deadline() is None


def test_nothing_leaves_while_the_laser_is_dark() -> None:
    phone, module = End(), End()
    laser = Laser(Channel(load("bench-noise")), phone, module)
    laser.lit = False
    module.put(packet(0, 1))
    assert laser.deadline() is None
    assert list(laser.step(0)) == []
    laser.lit = True
    assert laser.deadline() == 0
