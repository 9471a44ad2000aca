"""The transcript of a test: what was sent, what came, what the bench did.

A module that streams 8K says a gigabyte a second, and one that floods says whatever it can: of what is long the
beginning and the end are kept.

Plan: what is kept of an exchange · the transcript.
"""

from collections.abc import Sequence
from typing import Final

from opalink.conformance.bundle.results import Actor, Step

WHOLE: Final = 32 << 20  # bytes up to which a transcript is kept as it is
STEP: Final = 256  # bytes that a step takes beside its data
GAP: Final = "What followed is not kept: it is too much."

# ── What is kept of an exchange ──────────────────────────────────────────────────────────────────────


def weight(steps: Sequence[Step]) -> int:
    """Bytes that steps take, roughly."""
    return sum(STEP + len(s.data) for s in steps)


def shortened(steps: Sequence[Step], most: int) -> list[Step]:
    """Of steps that take more bytes than so many, the beginning and the end, each up to a half of that."""
    if weight(steps) <= most:
        return list(steps)
    steps = [s for s in steps if s.note != GAP]
    head, tail = _fitting(steps, most // 2), _fitting(steps[::-1], most // 2)
    gap = Step(steps[len(head)].time, Actor.SUITE, note=GAP)
    return [*head, gap, *reversed(tail)]


def _fitting(steps: Sequence[Step], most: int) -> list[Step]:
    """The first steps, as many as fit."""
    out: list[Step] = []
    for step in steps:
        most -= STEP + len(step.data)
        if most < 0:
            break
        out.append(step)
    return out


# ── The transcript ───────────────────────────────────────────────────────────────────────────────────


class Transcript(list[Step]):
    """The steps of one test."""

    def __init__(self) -> None:
        super().__init__()
        self._weight = 0

    def append(self, step: Step) -> None:
        super().append(step)
        self._weight += STEP + len(step.data)
        if self._weight > WHOLE:  # so seldom that it costs nothing: half of it is new each time
            self[:] = shortened(self, WHOLE // 2)
            self._weight = weight(self)
