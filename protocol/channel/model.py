"""The way between two sides: light both ways and two contacts, as a scenario has them at each moment.

Time is cut into cells in which nothing changes; where light changes steadily a cell is 10 us. Each FLIT is lost with
the likelihood of its cell. What is left to chance comes from one generator for each direction and kind, all seeded by
the scenario: the same FLITs at the same times always meet the same fate, however they are batched.

Plan: what holds at a moment · the shapes of events · the channel · light · FLITs · sideband.
"""

from bisect import bisect_right
from collections.abc import Iterable
from math import cos, exp, log1p, pi, sin
from random import Random
from typing import Final

from msgspec import Struct

from opalink.protocol.channel import optics
from opalink.protocol.channel.events import (
    Act,
    BrownOut,
    Bursts,
    ContactsOpen,
    Direction,
    Event,
    Fade,
    Knock,
    Latency,
    Noise,
    Outage,
    Removal,
    Shift,
    SidebandNoise,
    Tilt,
)
from opalink.protocol.channel.fec import LINE_BITS, burst_flits, corrected, flit_loss
from opalink.protocol.channel.scenario import Scenario
from opalink.protocol.packets import FecCode, Interleave
from opalink.spec.form import MS, SECOND, US
from opalink.spec.limits import FLIT_BYTES, GEARS

CELL: Final = 10 * US  # where light changes steadily
_PCS, _LOGIC, _DECODER = 300, 250, 200  # ns, of both sides together; the decoder waits for whole codewords besides
_SIDEBAND_BIT: Final = US
_BAUD: Final = {gear.name: gear.baud for gear in GEARS}

# ── What holds at a moment ───────────────────────────────────────────────────────────────────────────


class Light(Struct, frozen=True):
    """One direction of the laser link. `ber` is before correction; `burst` is a burst's length in ns and its rate per
    second; `latency` adds to what the link takes anyway, ns; `until` is when any of it may change."""

    power_dbm: float
    seen: bool
    ber: float
    bursts: tuple[tuple[float, float], ...]
    latency: int
    until: int


class Seat(Struct, frozen=True):
    """How the module sits, and what its contacts carry."""

    offset_mm: float
    tilt_deg: float
    contacts: bool
    volts: float


class Tally(Struct):
    """What a receiver has counted since the beginning: COUNTERS_GET, chapter CODE."""

    codewords: int = 0
    corrected: float = 0.0
    uncorrectable: int = 0
    unseen: int = 0  # FLITs that found no light


# ── The shapes of events ─────────────────────────────────────────────────────────────────────────────


class _Span(Struct, frozen=True):
    """One occurrence of an event."""

    start: int
    end: int
    event: Event

    @property
    def steady(self) -> bool:
        return not isinstance(self.event, Knock) and getattr(self.event, "shape", "step") == "step"


def _spans(events: Iterable[Event]) -> list[_Span]:
    found = []
    for event in events:
        for number in range(event.times):
            start = round((event.at_ms + number * event.every_ms) * MS)
            found.append(_Span(start, start + max(round(event.for_ms * MS), 1), event))
    return sorted(found, key=lambda span: span.start)


def _part(span: _Span, now: int) -> float:
    """How much of its full measure an event has at a moment."""
    through = (now - span.start) / (span.end - span.start)
    match getattr(span.event, "shape", "step"):
        case "ramp":
            return through
        case "pulse":
            return sin(pi * through)
    return 1.0


# ── The channel ──────────────────────────────────────────────────────────────────────────────────────


class Channel:
    """What a scenario makes of the way between phone and module. "down" is from the module to the phone. Gears, code
    and interleaving may be set anew as the two sides agree on others."""

    def __init__(self, scenario: Scenario) -> None:
        link = scenario.link
        self.scenario = scenario
        self.baud: dict[Direction, int] = {"down": _BAUD[link.gear_down], "up": _BAUD[link.gear_up]}
        self._first = dict(self.baud)  # what the noise of events is given for
        self.fec, self.interleave = FecCode[link.fec], Interleave(link.interleave)
        self.tally: dict[Direction, Tally] = {"down": Tally(), "up": Tally()}
        spans = _spans(e for e in scenario.event if not isinstance(e, Act))
        self._edges = sorted({edge for span in spans for edge in (span.start, span.end)})
        self._begun: dict[int, tuple[_Span, ...]] = {}
        self._spans = spans
        self._cells: dict[Direction, tuple[int, Light]] = {}
        ways: tuple[Direction, ...] = ("down", "up")
        self._loss = {way: _Chance(scenario.seed, way, "loss") for way in ways}
        self._burst = {way: _Chance(scenario.seed, way, "burst") for way in ways}
        self._damage = {way: Random(f"{scenario.seed} {way} damage") for way in ways}
        self._contact = {way: Random(f"{scenario.seed} {way} contact") for way in ways}
        self._hit = dict.fromkeys(ways, 0)  # FLITs that a burst still costs
        self._last = dict.fromkeys(ways, 0)  # arrival of the last FLIT
        self._quiet_until = dict.fromkeys(ways, 0)  # of the sideband

    def _active(self, now: int) -> tuple[tuple[_Span, ...], int]:
        """The events of a moment, and when another set of them holds."""
        at = bisect_right(self._edges, now)
        if at not in self._begun:
            self._begun = {at: tuple(span for span in self._spans if span.start <= now < span.end)}
        return self._begun[at], self._edges[at] if at < len(self._edges) else 1 << 62

    def deadline(self, now: int) -> int | None:
        """When the next event begins or ends; where one changes steadily, one millisecond from now at the latest."""
        active, edge = self._active(now)
        if any(not span.steady for span in active):
            return min(edge, now + MS)
        return edge if edge < 1 << 62 else None

    def retune(self, way: Direction, baud: int) -> None:
        """Have a direction run in another gear from now on."""
        self.baud[way] = baud
        self._cells.pop(way, None)

    # ── Light ──

    def seat(self, now: int) -> Seat:
        """How the module sits and what the contacts carry."""
        active, _ = self._active(now)
        link = self.scenario.link
        offset, tilt, contacts, volts = link.offset_mm, link.tilt_deg, True, link.volts
        for span in active:
            match span.event:
                case Shift(offset_mm=size):
                    offset += size * _part(span, now)
                case Knock(offset_mm=size, hertz=hertz, decay_ms=decay):
                    gone = now - span.start
                    offset += size * exp(-gone / (decay * MS)) * cos(2 * pi * hertz * gone / SECOND)
                case Tilt(tilt_deg=size):
                    tilt += size * _part(span, now)
                case ContactsOpen() | Removal():
                    contacts = False
                case BrownOut(volts=low):
                    volts = min(volts, low)
        return Seat(offset, tilt, contacts, volts if contacts else 0.0)

    def light(self, way: Direction, now: int) -> Light:
        """What the receiver of a direction sees."""
        start, light = self._cells.get(way, (1, None))
        if light is None or not start <= now < light.until:
            start, light = now, self._light(way, now)
            self._cells[way] = start, light
        return light

    def _light(self, way: Direction, now: int) -> Light:
        active, until = self._active(now)
        if any(not span.steady for span in active):
            until = min(until, now - now % CELL + CELL)
            now -= now % CELL
            now = max(now, *(span.start for span in active))
        link, seat = self.scenario.link, self.seat(now)
        power, noise, latency, seen, bursts = link.tx_dbm - link.loss_db, 0.0, 0.0, True, []
        for span in active:
            event = span.event
            if getattr(event, "direction", way) not in {"both", way}:
                continue
            match event:
                case Fade(loss_db=size):
                    power -= size * _part(span, now)
                case Outage() | Removal():
                    seen = False
                case Noise(ber=ber):
                    noise += optics.at_rate(ber, self._first[way], self.baud[way])
                case Bursts(per_s=rate, length_ns=length):
                    bursts.append((length, rate))
                case Latency(latency_us=size):
                    latency += size
        power -= optics.loss(seat.offset_mm, seat.tilt_deg)
        seen = seen and power > optics.DARK_DBM
        ber = min(optics.error_ratio(power, self.baud[way]) + noise, 0.5)
        return Light(power, seen, ber, tuple(bursts), round(latency * US), until)

    # ── FLITs ──

    def duration(self, way: Direction, flits: int) -> int:
        """Nanoseconds that FLITs take on the line."""
        return flits * LINE_BITS * SECOND // self.baud[way]

    def carry(self, way: Direction, at: int, data: bytes) -> tuple[int, bytes]:
        """FLITs that leave one after the other from `at` on: when the last has arrived, and what has."""
        count = len(data) // FLIT_BYTES
        through: list[bytes] = []
        first = 0
        light = self.light(way, at)
        while first < count:
            begins = at + self.duration(way, first)
            light = self.light(way, begins)
            rest = light.until - begins  # FLITs that begin in this cell
            last = min(count, first + max(rest * self.baud[way] // (LINE_BITS * SECOND), 0) + 1)
            self._cell(way, light, data[first * FLIT_BYTES : last * FLIT_BYTES], through)
            first = last
        codewords = self.interleave if self.fec is not FecCode.NONE else 0
        taken = self.duration(way, codewords) + (_DECODER if codewords else 0) + _PCS + _LOGIC
        arrival = max(at + self.duration(way, count) + taken + light.latency, self._last[way])
        self._last[way] = arrival
        return arrival, b"".join(through)

    def _cell(self, way: Direction, light: Light, data: bytes, through: list[bytes]) -> None:
        """FLITs under the same light."""
        count, tally = len(data) // FLIT_BYTES, self.tally[way]
        if not light.seen:
            tally.unseen += count
            return
        tally.codewords += count
        lost = set(self._loss[way].among(count, flit_loss(light.ber, self.fec)))
        for length, rate in light.bursts:
            costs = burst_flits(length, self.fec, self.interleave, self.baud[way])
            likely = -rate * self.duration(way, 1) / SECOND
            for hit in self._burst[way].among(count, 1 - exp(likely)) if costs else ():
                lost.update(range(hit, hit + costs))
        if self._hit[way]:
            lost.update(range(self._hit[way]))
        self._hit[way] = max(max(lost, default=0) + 1 - count, 0)
        lost = {flit for flit in lost if flit < count}
        tally.uncorrectable += len(lost)
        tally.corrected += corrected(light.ber, self.fec) * (count - len(lost))
        done = 0
        for flit in sorted(lost):
            through.append(data[done * FLIT_BYTES : flit * FLIT_BYTES])
            through.append(self._spoil(way, data[flit * FLIT_BYTES : (flit + 1) * FLIT_BYTES], 9))
            done = flit + 1
        through.append(data[done * FLIT_BYTES :])

    def _spoil(self, way: Direction, data: bytes, most: int) -> bytes:
        """The same with one to `most` wrong bits."""
        dice, spoiled = self._damage[way], bytearray(data)
        for bit in dice.sample(range(len(data) * 8), dice.randint(1, most)):
            spoiled[bit >> 3] ^= 1 << (bit & 7)
        return bytes(spoiled)

    # ── Sideband ──

    def sideband(self, way: Direction, at: int, record: bytes) -> tuple[int, bytes | None]:
        """A sideband record that is ready at `at`: when it has arrived, and what has; None if the contacts are open
        meanwhile."""
        start = max(at, self._quiet_until[way])
        end = start + len(record) * 8 * _SIDEBAND_BIT
        self._quiet_until[way] = end
        wrong, whole, now = 0.0, True, start
        while now < end:
            active, edge = self._active(now)
            stop = min(edge, end)
            whole = whole and not any(isinstance(span.event, (ContactsOpen, Removal)) for span in active)
            for span in active:
                if isinstance(span.event, SidebandNoise) and span.event.direction in {"both", way}:
                    wrong -= log1p(-span.event.ber) * (stop - now) / _SIDEBAND_BIT
            now = stop
        if not whole:
            return end, None
        if wrong and self._contact[way].random() < 1 - exp(-wrong):
            return end, self._spoil(way, record, 3)
        return end, record


class _Chance:
    """Which of many are hit, each alike unlikely: the way to the next hit is drawn once, and used up as they pass."""

    def __init__(self, seed: int, way: Direction, what: str) -> None:
        self._dice = Random(f"{seed} {way} {what}")
        self._left = self._dice.expovariate(1)

    def among(self, count: int, likely: float) -> list[int]:
        """Which of the next `count` are hit, each with this likelihood."""
        if likely <= 0:
            return []
        if likely >= 1:
            return list(range(count))
        cost, hits, at = -log1p(-likely), [], 0
        while self._left < (count - at) * cost:
            at += min(int(self._left / cost), count - at - 1)
            hits.append(at)
            at += 1
            self._left = self._dice.expovariate(1)
        self._left -= (count - at) * cost
        return hits
