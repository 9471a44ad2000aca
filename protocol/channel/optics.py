"""How much light arrives, and how many bits of it are wrong.

The beam is Gaussian: a lateral offset d costs 8.686 (d / w)^2 dB, a tilt likewise against the receiver's field. The
receiver's noise is thermal: its Q factor is proportional to the optical power, and to the inverse root of the rate; the
share of wrong bits is erfc(Q / sqrt 2) / 2. With the numbers below the budget is 13 dB at full rate, and 9 dB are spent
at half a millimetre.

Plan: numbers · light · errors.
"""

from math import erfc, exp, log10, pi, sqrt
from typing import Final

BEAM_MM: Final = 0.5  # radius at 1/e^2
FIELD_DEG: Final = 3.0  # half the receiver's field of view, at 1/e^2: an assumption
SENSITIVITY_DBM: Final = -14.0  # at FULL_BAUD, for one wrong bit in 10^12
FULL_BAUD: Final = 10_312_500_000
DARK_DBM: Final = -30.0  # below it a receiver sees no light

_DB: Final = 8.686  # of one neper of power, twice
_Q_REFERENCE: Final = 7.0345  # the Q factor of one wrong bit in 10^12


def loss(offset_mm: float, tilt_deg: float) -> float:
    """dB lost between two sides that are out of place."""
    return _DB * ((offset_mm / BEAM_MM) ** 2 + (tilt_deg / FIELD_DEG) ** 2)


def sensitivity(baud: int) -> float:
    """dBm at which one bit in 10^12 is wrong."""
    return SENSITIVITY_DBM + 5 * log10(baud / FULL_BAUD)


def error_ratio(power_dbm: float, baud: int) -> float:
    """Share of bits that are wrong before correction, 0 to 0.5."""
    return _wrong(_Q_REFERENCE * 10 ** min((power_dbm - sensitivity(baud)) / 10, 3))


def at_rate(ber: float, baud: int, other: int) -> float:
    """The share of wrong bits at another rate, under the light and the noise that give `ber` at the first."""
    return ber if other == baud or not 0 < ber < 0.5 else _wrong(quality(ber) * sqrt(baud / other))


def _wrong(q: float) -> float:
    return erfc(q / sqrt(2)) / 2


def quality(ber: float) -> float:
    """The Q factor at which so many bits are wrong, for 0 < ber < 0.5: Newton's steps on erfc(q / sqrt 2) / 2, which is
    convex, from below."""
    q = 0.0
    for _ in range(60):
        step = (_wrong(q) / ber - 1) * ber * sqrt(2 * pi) / max(exp(-q * q / 2), 1e-300)
        q += step
        if step < 1e-9:
            break
    return q
