"""One source of choices for everything that is made at random here.

A choice is a number between two others. Hypothesis draws it where failures should shrink, `random` where millions
of cases should pass; what is made of the choices is the same.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Dice:
    """Everything from one function: a number from `lo` to `hi`."""

    def __init__(self, between: Callable[[int, int], int]) -> None:
        self.between = between

    @classmethod
    def seeded(cls, seed: int) -> "Dice":
        return cls(Random(seed).randint)

    @classmethod
    def drawn(cls, draw: Callable[..., int]) -> "Dice":
        """The simplest choice is 0, or the limit nearest to it: that is where Hypothesis shrinks to."""
        return cls(lambda lo, hi: draw(st.integers(lo, hi)))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.between(0, len(options) - 1)]

    def once_in(self, n: int) -> bool:
        return self.between(1, n) == n

    def octets(self, n: int) -> bytes:
        return self.between(0, (1 << 8 * n) - 1).to_bytes(n, "little") if n else b""

    def near(self, lo: int, hi: int) -> int:
        """A number from `lo` to `hi`, mostly one where something changes."""
        edges = [0, lo, hi, lo + 1, hi - 1, (lo + hi) // 2, 1, -1, 0x7F, 0x80, 0x100, 0x8000, 0x10000]
        near = self.pick(edges)
        return near if lo <= near <= hi else self.between(lo, hi)
