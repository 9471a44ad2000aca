"""Variations of the FLIT layer: other choices that are legal. A suite that fails one of them fails good products.

Plan: what they share · when it speaks · how it asks · all.
"""

from typing import Final

from opalink.conformance.purposes import Plan
from opalink.conformance.verdicts import Conclusion
from opalink.conformance.zoo.flit_specimens import FlitSpecimen
from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol.flit import End
from opalink.protocol.packets import FlitKind
from opalink.spec.form import US

# ── What they share ──────────────────────────────────────────────────────────────────────────────────


class Legal(FlitSpecimen):
    """Another choice of a FLIT layer's."""

    conclusion = Conclusion.CONFORMANT
    plan = Plan.CI
    selection = "MOD/FLT"


# ── When it speaks ───────────────────────────────────────────────────────────────────────────────────


class _Prompt(End):
    def _answer_by(self, time: int) -> None:
        super()._answer_by(min(time, self._now))


class Prompt(Legal):
    """Acknowledges and grants at once."""

    layer = _Prompt


class _Unhurried(End):
    def _answer_by(self, time: int) -> None:
        super()._answer_by(max(time, self._now + 90 * US))


class LateAcknowledging(Legal):
    """Acknowledges as late as it may."""

    layer = _Unhurried


class _Impatient(End):
    def _wait(self, now: int) -> None:
        self._poll = now + 5 * US


class Restive(Legal):
    """Sends IDLE FLITs often."""

    layer = _Impatient


class _Sparse(End):
    def take(self, now: int, room: int) -> bytes:
        return super().take(now, min(room, 3))


class SmallBatches(Legal):
    """Sends three FLITs at a time."""

    layer = _Sparse


# ── How it asks ──────────────────────────────────────────────────────────────────────────────────────


class _AllAgain(End):
    def take(self, now: int, room: int) -> bytes:
        if (due := self._order.deadline) is not None and due <= now:
            self._order.asks(now)
            self._demands = True
        return super().take(now, room)

    def _middle(self, kind: FlitKind, vc: int) -> bytes:
        if self._demands:
            self._demands, self._nak = False, True
        return super()._middle(kind, vc)

    def _must_tell(self, now: int) -> bool:
        return self._demands or super()._must_tell(now)

    _demands = False


class AsksForAll(Legal):
    """Asks with NAK alone."""

    layer = _AllAgain


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (Prompt, LateAcknowledging, Restive, SmallBatches, AsksForAll)
