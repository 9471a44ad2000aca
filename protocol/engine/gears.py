"""Which gear a direction of the laser link should run in: its receiver decides, by the errors that it corrects.

Errors above the failing level for `_SUFFERED` call for the next lower gear: by then the code loses FLITs, replay still
brings them, and no frame is lost. A higher gear is tried again once the receiver would find few errors in it. What it
would find follows from what it finds now: its noise does not depend on the light, so its Q factor falls with the root
of the rate. One that has to be given up again soon after is tried the more seldom.

Between the level to leave a gear (5e-4) and that to come back to it (5e-5) lie 0.7 dB of light: on a link that stays as
it is, a direction comes to a gear and stays in it.

Plan: what a receiver counts · errors in another gear · the gearbox.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from opalink.protocol.channel.fec import Level, code, level
from opalink.protocol.channel.optics import at_rate
from opalink.protocol.packets import FecCode, LaserGear
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import FLIT_BYTES, GEARS

LOOK: Final = 2 * MS  # from one look at the counts to the next
_SUFFERED: Final = 10 * MS
_WINDOW: Final = 250 * MS  # of few errors before a higher gear is tried
_STAY: Final = 1 * SECOND  # in a gear, at least, before a higher one
_LONGEST: Final = 64 * SECOND
_PROVEN: Final = 10 * SECOND  # after which a gear is one that can be held
_UNSEEN: Final = 3  # errors that may have been there where none was seen, at 95 %
_BAUD: Final = {gear.value: gear.baud for gear in GEARS}

# ── What a receiver counts ───────────────────────────────────────────────────────────────────────────


class Reading(Struct, frozen=True):
    """What a receiver has counted since it began, and in which gear and code it receives now. `corrected` counts
    symbols, `uncorrectable` codewords."""

    gear: LaserGear
    fec: FecCode
    codewords: float
    corrected: float
    uncorrectable: float


def error_ratio(first: Reading, last: Reading, unseen: float = 0.0) -> float:
    """Share of wrong bits before correction between two readings in the same gear, with so many errors more than were
    seen; 0.5 where nothing was received. A codeword beyond correction has at least one error more than is corrected."""
    bits = (last.codewords - first.codewords) * FLIT_BYTES * 8
    beyond = code(last.fec)[1] + 1
    wrong = last.corrected - first.corrected + beyond * (last.uncorrectable - first.uncorrectable)
    return min((wrong + unseen) / bits, 0.5) if bits > 0 else 0.5


# ── Errors in another gear ───────────────────────────────────────────────────────────────────────────


def in_gear(ber: float, now: LaserGear, other: LaserGear) -> float:
    """The share of wrong bits to be expected in another gear."""
    return at_rate(ber, _BAUD[now], _BAUD[other])


# ── The gearbox ──────────────────────────────────────────────────────────────────────────────────────


class Shift(Enum):
    """What a look at the counts may come to."""

    DOWN = -1
    UP = 1


class Gearbox:
    """The decisions for one direction. `ber` is the error ratio of the last look, `level` what that calls for, `lost`
    the share of codewords that were beyond correction."""

    def __init__(self) -> None:
        self.ber, self.level, self.lost = 0.0, Level.GOOD, 0.0
        self._stay, self._shifted = _STAY, -_LONGEST
        self._rose: int | None = None  # when the last shift was one up
        self._begin(0, None)

    def _begin(self, now: int, reading: Reading | None) -> None:
        """Nothing is known yet of what happens in the gear of a reading."""
        self._last = self._clean = reading
        self._clean_since = now
        self._bad_since: int | None = None

    def refused(self, now: int) -> None:
        """A shift was not agreed on: it is not asked for again at once."""
        self._shifted = now
        self._begin(now, None)

    def settled(self, now: int, shift: Shift) -> None:
        """A shift has been agreed on."""
        if shift is Shift.DOWN:
            soon = self._rose is not None and now - self._rose < _PROVEN
            self._stay = min(2 * self._stay, _LONGEST) if soon else _STAY
        self._rose = now if shift is Shift.UP else None
        self.refused(now)

    def look(self, now: int, reading: Reading, *, lower: LaserGear | None, higher: LaserGear | None) -> Shift | None:
        """What to do after a reading; `lower` and `higher` are the next gears that both sides have."""
        last = self._last
        if last is None or last.gear is not reading.gear or reading.codewords <= last.codewords:
            self._begin(now, reading)
            return None
        self.ber = error_ratio(last, reading)
        self.lost = (reading.uncorrectable - last.uncorrectable) / (reading.codewords - last.codewords)
        self.level = self._level()
        self._last = reading
        if self.level is not Level.FAILING:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = now
        if self.level is not Level.GOOD:
            self._clean, self._clean_since = reading, now
        if self._bad_since is not None and now - self._bad_since >= _SUFFERED and lower is not None:
            return Shift.DOWN
        ripe = now - self._clean_since >= _WINDOW and now - self._shifted >= self._stay
        if higher is not None and ripe and self._clean is not None:
            found = error_ratio(self._clean, reading, _UNSEEN)
            if in_gear(found, reading.gear, higher) < Level.WATCH.value:
                return Shift.UP
            self._clean, self._clean_since = reading, now
        return None

    def _level(self) -> Level:
        """The level of what was found; back to a better one at half its ratio only."""
        found, eased = level(self.ber), level(2 * self.ber)
        return max(found, min(eased, self.level, key=_ratio), key=_ratio)


def _ratio(one: Level) -> float:
    return one.value


def neighbours(gear: LaserGear, mask: int) -> tuple[LaserGear | None, LaserGear | None]:
    """The next lower and the next higher gear among those of a mask, whose bits are the gears' numbers."""
    known = [g for g in LaserGear if mask >> g & 1]
    below, above = [g for g in known if g < gear], [g for g in known if g > gear]
    return max(below, default=None), min(above, default=None)


def upto(gear: LaserGear, mask: int) -> int:
    """The gears of a mask that are no higher than one."""
    return mask & (1 << gear + 1) - 1
