"""What forward error correction leaves of random and of bunched bit errors: a loss model, not a decoder.

A FLIT is one codeword. A Reed-Solomon code of n symbols, k of them data, corrects t = (n - k) / 2 symbols of 10 bits;
with one more wrong the codeword is lost, and the FLIT with it. Without a code one wrong bit loses the FLIT.

    >>> f"{flit_loss(1e-4, FecCode.RS_528_514):.1e}"
    '8.9e-08'

Plan: codes · random errors · bursts · levels.
"""

from enum import Enum
from functools import lru_cache
from math import ceil, exp, expm1, lgamma, log, log1p
from typing import Final

from opalink.protocol.packets import FecCode
from opalink.spec.limits import FLIT_BYTES

SYMBOL: Final = 10  # bits
LINE_BITS: Final = FLIT_BYTES * 8 * 66 // 64  # of a FLIT on the line; with either line code, for a codeword replaces it
_BITS: Final = FLIT_BYTES * 8

# ── Codes ────────────────────────────────────────────────────────────────────────────────────────────


def code(fec: FecCode) -> tuple[int, int]:
    """Symbols of a codeword, and how many of them it corrects; (0, 0) without a code. Its name says both."""
    if fec is FecCode.NONE:
        return 0, 0
    n, k = map(int, fec.name.split("_")[1:])
    return n, (n - k) // 2


# ── Random errors ────────────────────────────────────────────────────────────────────────────────────


def symbol_errors(ber: float) -> float:
    """Share of symbols with at least one wrong bit."""
    return -expm1(SYMBOL * log1p(-ber))


@lru_cache(4096)
def flit_loss(ber: float, fec: FecCode) -> float:
    """Share of FLITs that are lost at a bit error ratio before correction, 0 to 0.5."""
    if ber <= 0:
        return 0.0
    n, t = code(fec)
    if not n:
        return -expm1(_BITS * log1p(-ber))
    p = symbol_errors(ber)
    if t < n * p:  # most codewords are lost: count those that are not
        return max(1 - sum(_wrong(n, k, p) for k in range(t + 1)), 0.0)
    term, total, k = _wrong(n, t + 1, p), 0.0, t + 1
    while k <= n and term > total * 1e-15:
        total += term
        term *= (n - k) / (k + 1) * p / (1 - p)
        k += 1
    return total


def _wrong(n: int, k: int, p: float) -> float:
    """How likely it is that k of n symbols are wrong."""
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p))


def corrected(ber: float, fec: FecCode) -> float:
    """Symbols corrected in a codeword, on average."""
    n, t = code(fec)
    return min(n * symbol_errors(ber), t) if n and ber > 0 else 0.0


# ── Bursts ───────────────────────────────────────────────────────────────────────────────────────────


def longest_burst(fec: FecCode, interleave: int, baud: int) -> float:
    """Nanoseconds of the longest burst that is corrected wherever it begins; 0 without a code."""
    _, t = code(fec)
    bits = SYMBOL * (t * interleave - 1) + 1
    return bits * 1e9 / baud if t else 0.0


def burst_flits(length: float, fec: FecCode, interleave: int, baud: int) -> int:
    """FLITs that a burst of so many nanoseconds costs."""
    if length <= longest_burst(fec, interleave, baud):
        return 0
    return max(interleave if fec is not FecCode.NONE else 1, ceil(length * baud / 1e9 / LINE_BITS))


# ── Levels ───────────────────────────────────────────────────────────────────────────────────────────


class Level(Enum):
    """What a bit error ratio before correction calls for, with the least ratio of each."""

    GOOD = 0.0
    WATCH = 5e-5  # replay has something to do about once a day
    DEGRADED = 1e-4  # LINK_DEGRADED (R-LNK-019)
    FAILING = 5e-4  # a lower gear or a stronger code carries more


def level(ber: float) -> Level:
    return max((one for one in Level if ber >= one.value), key=lambda one: one.value)
