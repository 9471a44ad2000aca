"""Specimens that break the rules of power and heat, one each.

Plan: budgets and contacts · faults · heat · all.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import Specimen, decoded
from opalink.conformance.zoo.witness import answering, saying
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import PacketType, ThermalSeverity

# ── Budgets and contacts ─────────────────────────────────────────────────────────────────────────────

_SUPPLY: Final = (
    saying(
        "GivesUpInSecret", "Does not say what it gives up for a budget.", "R-PWR-003", "MOD/PWR/BUDGET/BV-given_up",
        p.PwrBudgetResponse, lambda b: structs.replace(b, actions=()),
    ),
    answering(
        "ContactsOfState", "Takes bad contacts for a wrong state.", "R-PWR-007", "MOD/PWR/PIN_TEST/BI-contacts",
        PacketType.PIN_TEST, Status.BAD_STATE, Status.CONTACT_BAD,
    ),
    answering(
        "MoistureOfState", "Takes moisture for a wrong state.", "R-PWR-008", "MOD/PWR/PIN_TEST/BI-moisture",
        PacketType.PIN_TEST, Status.BAD_STATE, Status.MOISTURE,
    ),
)  # fmt: skip

# ── Faults ───────────────────────────────────────────────────────────────────────────────────────────


class FirstOfItsKind(Specimen):
    """Reports every fault of power twice, and both times as the first of its kind."""

    causes = ("R-PWR-005",)
    selection = "MOD/PWR/FAULT/BV-latched"
    plan = Plan.CI

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = decoded(d.data)
        return (d, d) if packet is not None and isinstance(packet.body, p.PwrFault) else (d,)


# ── Heat ─────────────────────────────────────────────────────────────────────────────────────────────

_HEAT: Final = (
    saying(
        "HotInSecret", "Never says that it has become hot.", "R-PWR-011", "MOD/PWR/HEAT/BV-severity",
        p.ThermalStatus, lambda b: structs.replace(b, severity=ThermalSeverity.NONE),
    ),
    saying(
        "EndsUnannounced", "Does not say that it turns itself off for heat.", "R-PWR-013", "MOD/PWR/HEAT/BV-shutdown",
        p.ThermalStatus, lambda b: None if b.severity == ThermalSeverity.SHUTDOWN else b,
    ),
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (*_SUPPLY, FirstOfItsKind, *_HEAT)
