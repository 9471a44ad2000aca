"""Which gear the downlink runs in: lower before frames are lost, higher again after, and never to and fro.

Plan: a receiver's counts · what is found · when to shift · to and fro · a phone and a module over a link that fades.
"""

from collections.abc import Callable
from itertools import pairwise
from math import erfc, sqrt

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opalink.protocol.channel import Channel, Level, optics, parse
from opalink.protocol.channel.events import Direction
from opalink.protocol.channel.fec import corrected, flit_loss
from opalink.protocol.codec import Packet, decode, decode_flit
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.gears import (
    LOOK,
    Gearbox,
    Reading,
    Shift,
    error_ratio,
    in_gear,
    neighbours,
    upto,
)
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.laser import Laser
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.frames import Frame
from opalink.protocol.packets import FecCode, GearMask, LaserGear, PacketType, RetrainReason, RetrainReq, Status
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import FLIT_BYTES, GEARS

RS = FecCode.RS_528_514
BAUD = {LaserGear(g.value): g.baud for g in GEARS if g.value}
ALL = 0b11110  # G1 to G4

# ── A receiver's counts ──────────────────────────────────────────────────────────────────────────────

Errors = Callable[[LaserGear, int], float]  # the bit error ratio in a gear, at a time


class Line:
    """A direction whose errors are given, and its gearbox: what it does is done. `shifts` are when, and to what."""

    def __init__(self, errors: Errors, gear: LaserGear = LaserGear.G4, mask: int = ALL) -> None:
        self.errors, self.gear, self.mask = errors, gear, mask
        self.box, self.now = Gearbox(), 0
        self.shifts: list[tuple[int, LaserGear]] = []
        self.counts = [0.0, 0.0, 0.0]

    def run(self, until: int, step: int = LOOK) -> None:
        while self.now < until:
            self.now += step
            ber = self.errors(self.gear, self.now)
            count = step * BAUD[self.gear] / SECOND / 5280
            for i, more in enumerate((count, count * corrected(ber, RS), count * flit_loss(ber, RS))):
                self.counts[i] += more
            lower, higher = neighbours(self.gear, self.mask)
            shift = self.box.look(self.now, Reading(self.gear, RS, *self.counts), lower=lower, higher=higher)
            to = lower if shift is Shift.DOWN else higher
            if shift is not None:
                assert to is not None
                self.gear = to
                self.shifts.append((self.now, to))
                self.box.settled(self.now, shift)


def light(power: Callable[[int], float]) -> Errors:
    """The errors of a receiver that gets so much light."""
    return lambda gear, now: optics.error_ratio(power(now), BAUD[gear])


def steady(ber: float) -> Errors:
    return lambda _gear, _now: ber


# ── What is found ────────────────────────────────────────────────────────────────────────────────────


@given(ber=st.floats(1e-15, 0.49))
def test_the_quality_of_a_signal_is_that_of_its_errors(ber: float) -> None:
    assert erfc(optics.quality(ber) / sqrt(2)) / 2 == pytest.approx(ber, rel=1e-6)


@given(power=st.floats(-20, -14), gears=st.tuples(*[st.sampled_from(sorted(BAUD))] * 2))
def test_errors_in_another_gear_are_foreseen_as_the_optics_have_them(
    power: float, gears: tuple[LaserGear, LaserGear]
) -> None:
    here, there = (optics.error_ratio(power, BAUD[g]) for g in gears)
    if here > 1e-15:
        assert in_gear(here, *gears) == pytest.approx(there, rel=1e-3, abs=1e-30)


@given(ber=st.floats(1e-6, 0.01), gear=st.sampled_from(sorted(BAUD)))
def test_the_noise_of_a_scenario_costs_what_its_q_factor_does_at_the_rate_of_the_gear(
    ber: float, gear: LaserGear
) -> None:
    noise = f'[[event]]\nkind = "noise"\nat_ms = 0\nfor_ms = 9\nber = {ber!r}'
    noisy, quiet = (Channel(parse(f'title = "t"\n{event}', "test")) for event in (noise, ""))
    assert noisy.light("down", 0).ber == pytest.approx(ber, rel=1e-6)
    for channel in (noisy, quiet):
        channel.retune("down", BAUD[gear])
    q = optics.quality(ber) * sqrt(BAUD[LaserGear.G4] / BAUD[gear])
    found = noisy.light("down", 0).ber - quiet.light("down", 0).ber
    assert found == pytest.approx(erfc(q / sqrt(2)) / 2, rel=1e-3, abs=1e-25)


@given(ber=st.floats(1e-9, 3e-4), codewords=st.floats(1e4, 1e7))
def test_the_error_ratio_is_what_the_decoder_has_corrected(ber: float, codewords: float) -> None:
    none = Reading(LaserGear.G4, RS, 0, 0, 0)
    some = Reading(LaserGear.G4, RS, codewords, codewords * corrected(ber, RS), codewords * flit_loss(ber, RS))
    assert error_ratio(none, some) == pytest.approx(ber, rel=0.05)


def test_where_nothing_was_received_everything_may_be_wrong() -> None:
    none = Reading(LaserGear.G4, RS, 7, 0, 0)
    assert error_ratio(none, none) == 0.5


def test_gears_that_one_side_lacks_are_passed_over() -> None:
    assert neighbours(LaserGear.G3, 0b10110) == (LaserGear.G2, LaserGear.G4)
    assert neighbours(LaserGear.G3, 0b01000) == (None, None)
    assert upto(LaserGear.G3, ALL) == 0b01110


# ── When to shift ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ber", [6e-4, 1e-3, 1e-2, 0.3])
def test_a_failing_gear_is_left_within_20_ms(ber: float) -> None:
    line = Line(lambda gear, now: ber if gear is LaserGear.G4 and now > 100 * MS else 0.0)
    line.run(SECOND)
    assert line.shifts
    when, to = line.shifts[0]
    assert to is LaserGear.G3
    assert 110 * MS <= when <= 120 * MS  # R-LNK-063


@pytest.mark.parametrize("span", [2 * MS, 8 * MS])
def test_a_knock_that_is_over_soon_costs_no_gear(span: int) -> None:
    line = Line(lambda _, now: 2e-3 if 100 * MS < now <= 100 * MS + span else 0.0)
    line.run(SECOND)
    assert not line.shifts


@pytest.mark.parametrize("ber", [0.0, 1e-6, 1e-4, 4e-4])
def test_a_gear_that_the_code_copes_with_is_kept(ber: float) -> None:
    line = Line(steady(ber))
    line.run(5 * SECOND)
    assert not line.shifts


def test_the_lowest_gear_that_there_is_is_kept_whatever_happens() -> None:
    line = Line(steady(0.1))
    line.run(5 * SECOND)
    assert [to for _, to in line.shifts] == [LaserGear.G3, LaserGear.G2, LaserGear.G1]


def test_a_higher_gear_is_not_asked_for_within_a_second_of_a_shift() -> None:
    line = Line(light(lambda now: -18.0 if SECOND < now < 1100 * MS else -5.0))
    line.run(6 * SECOND)
    assert line.gear is LaserGear.G4
    for (before, old), (after, new) in pairwise(line.shifts):
        assert new < old or after - before >= SECOND  # R-LNK-064


def test_levels_come_and_go_with_room_between() -> None:
    box = Gearbox()
    counts, seen = [0.0, 0.0], []
    for ber in (0.0, 6e-5, 4e-5, 6e-5, 4e-5, 1e-5, 1.2e-4, 9e-5, 1.2e-4, 4e-5, 0.0):
        for _ in range(2):
            counts = [counts[0] + 4000, counts[1] + 4000 * corrected(ber, RS)]
            box.look(0, Reading(LaserGear.G4, RS, *counts, 0), lower=None, higher=None)
        seen.append(box.level)
    w, g, d = Level.WATCH, Level.GOOD, Level.DEGRADED
    assert seen == [g, w, w, w, w, g, d, d, d, w, g]


# ── To and fro ───────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=40, deadline=None)
@given(power=st.floats(-24, -3), first=st.sampled_from([LaserGear.G1, LaserGear.G2, LaserGear.G3, LaserGear.G4]))
@example(power=-17.25, first=LaserGear.G4)
@example(power=-16.6, first=LaserGear.G3)
def test_on_a_link_that_stays_as_it_is_the_gear_moves_one_way_and_rests(power: float, first: LaserGear) -> None:
    line = Line(light(lambda _: power), first)
    line.run(12 * SECOND, step=10 * MS)
    gears = [first, *(to for _, to in line.shifts)]
    assert gears in (sorted(gears), sorted(gears, reverse=True))
    settled = len(line.shifts)
    line.run(20 * SECOND, step=10 * MS)
    assert len(line.shifts) == settled


@settings(max_examples=25, deadline=None)
@given(powers=st.lists(st.floats(-22, -5), min_size=1, max_size=8), every=st.integers(50, 3000))
def test_shifts_are_no_more_than_the_changes_of_the_light_explain(powers: list[float], every: int) -> None:
    """Each change of the light leads through at most all gears once."""
    line = Line(light(lambda now: powers[min(now // (every * MS), len(powers) - 1)]))
    line.run(len(powers) * every * MS + 8 * SECOND, step=10 * MS)
    assert len(line.shifts) <= 3 * len(powers)


def test_a_gear_that_is_always_bad_whatever_the_lower_one_promises_is_tried_ever_more_seldom() -> None:
    line = Line(lambda gear, _: 1e-2 if gear is LaserGear.G4 else 0.0)
    line.run(200 * SECOND, step=10 * MS)
    ups = [when for when, to in line.shifts if to is LaserGear.G4]
    waits = [b - a for a, b in pairwise(ups)]
    assert all(later >= 1.9 * sooner or later >= 64 * SECOND for sooner, later in pairwise(waits))
    assert len(ups) <= 9  # R-LNK-065


# ── A phone and a module over a link that fades ──────────────────────────────────────────────────────


class Faded(Meeting):
    """A phone that watches small frames of a module while something happens to the light."""

    def __init__(self, *events: str, module: Module | None = None, setup: str = "") -> None:
        text = f'title = "t"\ndoc = "A test."\nseed = 3\nduration_ms = 9000\n[link]\n{setup}\n'
        text += "".join(f"[[event]]\n{e}\n" for e in events)
        self.gateway = Gateway(parse(text, "test"), slot=64)
        super().__init__(Phone(), module or Module(), self.gateway)
        self.said: list[Packet] = []
        self.got: list[Frame] = []
        self.taps.append(lambda _t, _r, _l, data: self.said.append(decode(data)) if data[1] != 0x71 else None)
        self.phone.on_frame = self.got.append

    def watched(self, milliseconds: int) -> "Faded":
        self.put_on()
        assert self.run_until(lambda: self.phone.reader.complete, SECOND)
        widths = {m.mode: m.width for m in self.phone.reader.modes}
        self.phone.user.open(min(widths, key=lambda m: widths[m]))
        self.run(milliseconds * MS)
        return self

    def asked(self) -> list[Packet]:
        return [p for p in self.said if p.type is PacketType.RETRAIN_REQ and not p.rsp]

    @property
    def gears(self) -> list[LaserGear]:
        return [gear for _, gear in self.phone.light.shifts]


def fade(loss: float, at: int = 400, span: int = 1200, shape: str = "pulse") -> str:
    return f'kind = "fade"\nat_ms = {at}\nfor_ms = {span}\nloss_db = {loss}\nshape = "{shape}"\ndirection = "down"'


def test_light_that_fades_and_returns_takes_the_gear_down_and_up_and_costs_no_frame() -> None:
    link = Faded(fade(18.5)).watched(4500)
    assert link.gears == [LaserGear.G3, LaserGear.G2, LaserGear.G3, LaserGear.G4]
    assert len(link.got) > 100
    assert not [f for f in link.got if f.missing]
    numbers = [f.leader.frame for f in link.got]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert link.gateway.dropped == 0
    assert not link.phone.complaints


def test_each_shift_is_asked_for_with_its_reason_and_the_gears_that_are_left() -> None:
    link = Faded(fade(17.0, span=500)).watched(2600)
    assert [(p.body.reason, p.body.gears) for p in link.asked()] == [
        (RetrainReason.ERRORS, GearMask.G2 | GearMask.G3),
        (RetrainReason.QUALITY, GearMask.G2 | GearMask.G3 | GearMask.G4),
    ]  # the module has no G1


def test_a_link_that_degrades_is_reported_and_so_is_its_recovery() -> None:
    link = Faded(fade(16.0, span=400)).watched(1200)
    told = [p.body for p in link.said if p.type is PacketType.LINK_EVENT and p.body.pre_fec_ber != 1200]
    reasons = [b.reason for b in told]
    assert Status.LINK_DEGRADED in reasons  # R-LNK-019
    assert reasons[-1] == Status.OK
    worst = next(b for b in told if b.reason == Status.LINK_DEGRADED)
    assert 10 ** (-worst.pre_fec_ber / 100) > 1e-4
    assert worst.corrected > 0
    assert not link.gears


def test_a_clean_link_stays_in_its_gear_and_nothing_is_said() -> None:
    link = Faded().watched(2500)
    assert not link.asked()
    assert link.phone.light.box.level is Level.GOOD


def test_a_link_that_begins_low_rises_to_what_both_sides_have() -> None:
    link = Faded(setup='gear_down = "G2"').watched(3000)
    assert link.gears == [LaserGear.G3, LaserGear.G4]


def test_a_module_that_lacks_a_gear_is_not_asked_for_it() -> None:
    module = Module("zoom-flash")
    most = int(module.identity.records["link"].gears_down).bit_length() - 1
    link = Faded(module=module, setup=f'gear_down = "G{most}"').watched(1800)
    assert not link.asked()


def test_noise_that_a_lower_gear_averages_out_costs_one_gear_and_no_more() -> None:
    noise = 'kind = "noise"\nat_ms = 300\nfor_ms = 900\nber = 6e-4'
    faded = Faded(noise).watched(1200)
    assert faded.gears == [LaserGear.G3]
    assert not any(frame.missing for frame in faded.got)


def test_a_new_contact_begins_in_the_first_gear_again() -> None:
    link = Faded(fade(17.5, span=800, shape="step")).watched(800)
    assert link.gears == [LaserGear.G3]  # though no answer comes through
    link.take_off()
    link.run(1300 * MS)
    link.put_on()
    assert link.run_until(lambda: link.phone.reader.complete, link.now + SECOND)
    assert link.phone.light.gear is None
    assert link.gateway.channel.baud["down"] == BAUD[LaserGear.G4]


def test_a_module_that_refuses_is_complained_of_and_not_asked_without_end() -> None:
    class Stubborn(Laser):
        def when_supported(self, cause: Cause) -> bool:
            return not isinstance(cause.body, RetrainReq) and super().when_supported(cause)

    class StubbornModule(Module):
        parts = tuple(Stubborn if part is Laser else part for part in Module.parts)

    link = Faded(fade(16.4, shape="step"), module=StubbornModule()).watched(1000)
    assert not link.gears
    assert "The module does not change the gear: RANGE_LIMIT." in link.phone.complaints
    assert len(link.asked()) <= 600 // 10


def test_the_headers_of_the_uplink_say_what_the_phone_has_corrected() -> None:
    link = Faded(fade(16.0, span=600, shape="step"))
    channel, told = link.gateway.channel, [0]
    carry = channel.carry

    def heard(way: Direction, at: int, data: bytes) -> tuple[int, bytes]:
        if way == "up" and at > 500 * MS:
            told.extend(decode_flit(data[i : i + FLIT_BYTES]).corrected for i in range(0, len(data), FLIT_BYTES))
        return carry(way, at, data)

    channel.carry = heard  # type: ignore[method-assign]
    link.watched(600)
    assert 4 < max(told) <= 15
