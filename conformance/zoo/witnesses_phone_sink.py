"""Specimens that are phones: what a phone owes as the sink of a module that supplies it, broken.

Plan: a phone that lets a module supply it · what it asks for · what it draws · the way back · what it needs · all.
"""

from collections.abc import Iterable
from typing import Final

from opalink.conformance.verdicts import Conclusion
from opalink.conformance.zoo.specimen import STATUS, TYPE, is_response, put, refuse
from opalink.conformance.zoo.witnesses_phone import PhoneSpecimen, with_parts
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.sink import Contract
from opalink.protocol.engine.phone.source import Source
from opalink.protocol.engine.phone.trust import Trust
from opalink.protocol.packets import Lane
from opalink.spec.form import MS

# ── A phone that lets a module supply it ─────────────────────────────────────────────────────────────


class _Trust(Trust):
    def grants(self, _: str) -> bool:
        return True


class Trusting(PhoneSpecimen):
    """Takes every module for genuine, and lets it supply the phone."""

    conclusion = Conclusion.CONFORMANT
    selection = "PHN/PWR/SWAP or PHN/PWR/WAIT or PHN/PWR/REJECT or PHN/PWR/CONTRACT or PHN/PWR/TIMER or PHN/PWR/SINK"
    parts = with_parts(_Trust)


class _Wrong(Trusting):
    conclusion = Conclusion.NON_CONFORMANT


# ── What it asks for ─────────────────────────────────────────────────────────────────────────────────


class AsksTooSoon(_Wrong):
    """Asks again 10 ms after it was told to wait."""

    class _Source(Source):
        def told_pwr_request(self, cause: Cause) -> None:
            if cause.arrived.status is Status.PWR_WAIT:
                self.end.clock.start(("zoo", "again"), 10 * MS, self._again)

        def _again(self) -> None:
            self.end.send(self.fill_pwr_request(Cause()))

    causes = ("R-PWR-021",)
    selection = "PHN/PWR/WAIT"
    parts = with_parts(_Trust, _Source)


class HearsNoReset(_Wrong):
    """Goes on after a soft PWR_RESET as if none had come."""

    causes = ("R-PWR-035",)
    selection = "PHN/PWR/TIMER/BV-soft_reset"

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return None if data[TYPE] == PacketType.PWR_RESET else data


# ── What it draws ────────────────────────────────────────────────────────────────────────────────────


class DrawsInSilence(_Wrong):
    """Does not say what it draws."""

    causes = ("R-PWR-030",)
    selection = "PHN/PWR/CONTRACT/BV-drawn"

    def says(self, d: Departure) -> Iterable[Departure]:
        return () if d.data[TYPE] == PacketType.PWR_STATUS else (d,)


class DrawsAllTheSame(_Wrong):
    """Draws what was refused to it."""

    class _Source(Source):
        def told_pwr_request(self, cause: Cause) -> None:
            if cause.arrived.status is Status.PWR_REJECT and cause.asked:
                self.drawing = Contract(cause.asked.body.object, 5000, cause.asked.body.max)

    causes = ("R-PWR-022",)
    selection = "PHN/PWR/REJECT"
    parts = with_parts(_Trust, _Source)


# ── The way back ─────────────────────────────────────────────────────────────────────────────────────


class OffersOnce(_Wrong):
    """Makes no offers when it supplies again."""

    causes = ("R-PWR-009",)
    selection = "PHN/PWR/SWAP/BV-back"
    _drew = False

    def says(self, d: Departure) -> Iterable[Departure]:
        self._drew = self._drew or not self.source
        return () if self._drew and d.data[TYPE] == PacketType.PWR_SOURCE_CAPS else (d,)


class SuppliesAnything(_Wrong):
    """Agrees to supply whatever it is asked for."""

    class _Source(Source):
        def when_can_supply(self, _: Cause) -> bool:
            return True

    causes = ("R-PWR-010",)
    selection = "PHN/PWR/SWAP/BI-mismatch"
    parts = with_parts(_Trust, _Source)


# ── What it needs ────────────────────────────────────────────────────────────────────────────────────


class _OfNeeds(_Wrong):
    """Answers PWR_SINK_CAPS as it should not."""

    def says(self, d: Departure) -> Iterable[Departure]:
        mine = is_response(d.data) and d.data[TYPE] == PacketType.PWR_SINK_CAPS
        return (Departure(d.time, d.lane, self.word(d.data)) if mine else d,)

    def word(self, data: bytes) -> bytes:
        """Its answer, as it gives it."""
        raise NotImplementedError


class NeedsNothing(_OfNeeds):
    """Refuses to say what it needs."""

    causes = ("R-PWR-104",)
    selection = "PHN/PWR/SINK_CAPS/BV-asked"

    def word(self, data: bytes) -> bytes:
        return refuse(data, Status.NOT_SUPPORTED)


class ReadsOnwards(_OfNeeds):
    """Calls a PWR_SINK_CAPS that ends in half a TLV a wrong value."""

    causes = ("R-PWR-105",)
    selection = "PHN/PWR/SINK_CAPS/BI-tlvs"

    def word(self, data: bytes) -> bytes:
        wrong = data[STATUS] == Status.BAD_LENGTH
        return put(data, STATUS, bytes([Status.BAD_VALUE])) if wrong else data


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[PhoneSpecimen], ...]] = (
    Trusting, AsksTooSoon, HearsNoReset, DrawsInSilence, DrawsAllTheSame, OffersOnce, SuppliesAnything, NeedsNothing,
    ReadsOnwards,
)  # fmt: skip
