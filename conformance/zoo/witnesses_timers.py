"""Specimens one of whose timers ends too soon or too late: for each timer with two edges one beyond either edge.

Plan: the specimen · both edges of each timer · all.
"""

from typing import ClassVar, Final

from msgspec import Struct

from opalink.conformance.zoo.specimen import Retimed, Specimen
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import MS

# ── The specimen ─────────────────────────────────────────────────────────────────────────────────────


class Untimely(Retimed):
    """Ends `timer` beyond its upper edge if it is `late`, else before its lower one, by `beyond` nanoseconds."""

    timer: ClassVar[str]
    late: ClassVar[bool]
    beyond: ClassVar[int]

    def retime(self, name: str, delay: int) -> int:
        if name != self.timer:
            return delay
        declared = catalogue().timer[name]
        return (declared.max or 0) + self.beyond if self.late else (declared.min or 0) - self.beyond


# ── Both edges of each timer ─────────────────────────────────────────────────────────────────────────


class Edge(Struct, frozen=True):
    """By which purpose an edge is tried, what is charged, and by how many nanoseconds a specimen is beyond it. In
    virtual time an edge is sharp, unless a request decides, which a module may take up a while after it has come."""

    purpose: str
    requirement: str
    beyond: int = 2 * MS


def _both(purpose: str, requirement: str) -> tuple[Edge, Edge]:
    return Edge(purpose, requirement), Edge(purpose, requirement)


EDGES: Final[dict[str, tuple[Edge | None, Edge | None]]] = {  # the lower and the upper edge of a module's timers
    "tLaserRestartInterval": _both("ATT/BEACON/TI-repeated", "R-LNK-006"),
    "tSenderResponse": _both("PWR/TIMER/TI-soft_reset", "R-PWR-035"),
    "tSinkWaitCaps": _both("PWR/TIMER/TI-offers", "R-PWR-036"),
    "tRequestAfterWait": (Edge("PWR/WAIT/TI-least", "R-PWR-021"), None),
    "tKeepAlive": _both("ATT/ALIVE/TI-silence", "R-MGT-050"),
    "tHoldover": (
        Edge("ATT/RESUME/TI-inside", "R-ATT-004", 100 * MS),
        Edge("ATT/RESUME/TI-outside", "R-ATT-005", 100 * MS),
    ),
    "tTimeSync": _both("TIM/SYNC/TI-interval", "R-TIM-025"),
    "tPwrHardReset": _both("PWR/RESET/BV-hard", "R-PWR-016"),
}


def _untimely(timer: str, late: bool, edge: Edge) -> type[Untimely]:
    given = {
        "__doc__": f"Ends {timer} {edge.beyond // MS} ms {'after its maximum' if late else 'before its minimum'}.",
        "timer": timer,
        "late": late,
        "beyond": edge.beyond,
        "causes": (edge.requirement,),
        "selection": f"MOD/{edge.purpose}",
    }
    return type(f"{'Late' if late else 'Early'}{timer[1:]}", (Untimely,), given)


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = tuple(
    _untimely(timer, late, edge)
    for timer, edges in EDGES.items()
    for late, edge in zip((False, True), edges, strict=True)
    if edge is not None
)
