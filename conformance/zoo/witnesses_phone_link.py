"""Specimens that are phones: their gears and their FLITs.

What a phone's FLIT layer does wrong is what a module's does: the layers are those of `flit_specimens`, `flit_senders`
and `flit_receivers`.

Plan: gears · FLITs · all.
"""

from typing import Any, Final

from opalink.conformance.verdicts import Conclusion
from opalink.conformance.zoo import flit_receivers as r
from opalink.conformance.zoo import flit_senders as s
from opalink.conformance.zoo import flit_specimens as f
from opalink.conformance.zoo.flit_specimens import FlitSpecimen
from opalink.conformance.zoo.witnesses_phone import PhoneSpecimen, with_parts
from opalink.protocol.codec import Status
from opalink.protocol.engine.gears import LOOK, Gearbox, Reading, Shift
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.light import PhoneLight
from opalink.protocol.flit import End
from opalink.protocol.packets import FecCode, LaserGear
from opalink.spec.form import MS
from opalink.spec.limits import FLIT_BYTES

# ── Gears ────────────────────────────────────────────────────────────────────────────────────────────

_WORDS: Final = LOOK * 10 / (FLIT_BYTES * 8)  # codewords between two looks at 10 Gb/s
_BAD: Final = 1e-3  # share of wrong bits


class _Light(PhoneLight):
    def restart(self) -> None:
        super().restart()
        self._counted = [0.0, 0.0]  # codewords and symbols corrected
        self.meter = self._count

    def _count(self, _: int) -> Reading:
        gear = LaserGear.G4 if self.gear is None else self.gear
        bad = gear is LaserGear.G4 and self.around.has(Status.LINK_DEGRADED)
        self._counted[0] += _WORDS
        self._counted[1] += _WORDS * FLIT_BYTES * 8 * _BAD * bad
        return Reading(gear, FecCode.RS_544_514, self._counted[0], self._counted[1], 0)


class Metered(PhoneSpecimen):
    """Finds errors while LINK_DEGRADED holds, in the highest gear alone, and acts on them."""

    conclusion = Conclusion.CONFORMANT
    selection = "PHN/LNK/GEAR"
    parts = with_parts(_Light)


class BearsErrors(Metered):
    """Asks for no lower gear, whatever errors it reports."""

    class _Resigned(_Light):
        def when_gear_left(self, _: Cause) -> bool:
            return False

    conclusion = Conclusion.NON_CONFORMANT
    causes = ("R-LNK-063",)
    selection = "PHN/LNK/GEAR/TI-lower"
    parts = with_parts(_Resigned)


class TriesAgainAndAgain(Metered):
    """Asks for a gear that has failed as soon as for any other."""

    class _Restless(_Light):
        class _Box(Gearbox):
            def settled(self, now: int, shift: Shift) -> None:
                self._rose = None
                super().settled(now, shift)

        def _new_link(self) -> None:
            super()._new_link()
            self.box = self._Box()

    conclusion = Conclusion.NON_CONFORMANT
    causes = ("R-LNK-065",)
    selection = "PHN/LNK/GEAR/TI-patience"
    parts = with_parts(_Restless)


# ── FLITs ────────────────────────────────────────────────────────────────────────────────────────────


class _Dawdling(End):
    """Sends nothing for a millisecond after an epoch has begun."""

    _until: int | None = None

    def _start(self, ours: Any, theirs: Any) -> None:
        super()._start(ours, theirs)
        self._until = None

    def take(self, now: int, room: int) -> bytes:
        if self._until is None:
            self._until = now + MS if self.epoch else now
        return super().take(now, room) if now >= self._until else b""

    def deadline(self) -> int | None:
        due = super().deadline()
        return due if due is None or self._until is None else max(due, self._until)


class BeginsLate(PhoneSpecimen):
    """Sends its first FLIT of a new epoch a millisecond after LINK_PARAMS was answered."""

    causes = ("R-FLT-054",)
    selection = "PHN/FLT/EPOCH/TI-begun"
    flit_layer = _Dawdling


class PhoneUnreporting(PhoneSpecimen):
    """Says nothing of what it cannot send again and of what comes without credit."""

    causes = ("R-FLT-023", "R-FLT-045")
    selection = "PHN/FLT/REPLAY/BI or PHN/FLT/CREDIT/BI"

    def recover(self, now: int) -> None:  # noqa: ARG002
        if self.flits is not None:
            self.flits.faults.clear()


def _as_phone(kind: type[FlitSpecimen]) -> type[PhoneSpecimen]:
    """A phone with the FLIT layer of a module that breaks one rule."""

    class Made(PhoneSpecimen):
        __doc__ = kind.__doc__
        causes = kind.causes
        selection = kind.selection.replace("MOD/", "PHN/")
        flit_layer = kind.layer

    Made.__name__ = Made.__qualname__ = f"Phone{kind.__name__}"
    return Made


# Those whose rule shows in the tests that phones and modules share.
_ON_FLITS: Final = tuple(
    _as_phone(kind)
    for kind in (
        f.RepeatsNumbers, f.WrongParity, f.AcknowledgesAhead, f.NumbersIdle, f.WrongFlitCrc, f.WrongFirstOff,
        f.DirtyPayload, f.ChangesReplay, f.GrantsTooMuch, f.AcknowledgesLate, s.IgnoresCredit, s.NeverGoesOn,
        s.GoesOnElsewhere, s.StarvesRealTime, s.NeverAsks, r.TrustsCrc, r.MendsFields, r.CountsNoFlits,
        r.CountsNoDuplicates, r.MindsSpareBits, r.TakesAnyEpoch, r.ActsOnEither, r.NeverMisses, r.BelievesAnything,
        r.TakesAsItComes, r.TakesOnePacket, r.ConfusesChannels, r.IgnoresFirstOff, r.ReadsIdle, r.AnswersLate,
        r.ReturnsNoCredit, r.TakesWithoutCredit,
    )
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[PhoneSpecimen], ...]] = (
    Metered, BearsErrors, TriesAgainAndAgain, BeginsLate, PhoneUnreporting, *_ON_FLITS,
)  # fmt: skip
