"""Specimens one of whose timers ends too soon or too late: for each timer with two edges one beyond either edge. What a
module must say in time without keeping a clock for it has one that says it late.

Plan: the specimen · both edges of each timer · what comes late · all.
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from msgspec import Struct, structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import TYPE, Retimed, Specimen, is_response, txn_of
from opalink.protocol import codec
from opalink.protocol.codec import PacketType
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Pending
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


# ── What comes late ──────────────────────────────────────────────────────────────────────────────────


class Overdue(Specimen):
    """Says packets of a type so much `late`, with PENDING in the meantime where it is an answer."""

    plan = Plan.CI
    type: ClassVar[PacketType]
    late: ClassVar[int]
    refresh: ClassVar[int] = 400 * MS

    def says(self, d: Departure) -> Iterable[Departure]:
        if d.data[TYPE] != self.type:
            return (d,)
        waits = range(0, self.late, self.refresh) if is_response(d.data) else ()
        return *(_pending(d, wait) for wait in waits), structs.replace(d, time=d.time + self.late)


def _pending(d: Departure, wait: int) -> Departure:
    """PENDING in the place of an answer, after a while."""
    data = codec.encode(codec.event(Pending(txn=txn_of(d.data)), t_ns=d.time))
    return structs.replace(d, data=data, time=d.time + wait)


class OverdueReady(Overdue):
    """Says later than it must that it can be asked again."""

    causes = ("R-MGT-035",)
    selection = "MOD/MGT/READY/BV-after_busy"
    type = PacketType.READY
    late = 150 * MS


class OverdueProof(Overdue):
    """Takes longer to prove who it is than it may."""

    causes = ("R-SEC-001",)
    selection = "MOD/SEC/SPDM/TI-auth"
    type = PacketType.SPDM
    late = 2100 * MS


class OverduePatience(Overdue):
    """Asks for patience, and is then silent for longer than it may be."""

    causes = ("R-MGT-030",)
    selection = "MOD/SEC/SPDM/TI-auth"
    type = PacketType.SPDM
    late = 1500 * MS
    refresh = 500 * MS + MS // 2


class OverdueFrame(Overdue):
    """Ends each frame later than it may end the first."""

    causes = ("R-CAP-019", "R-CAP-020")
    selection = "MOD/CAP/FIRST/TI"
    type = PacketType.FRAME_TRAILER
    late = 500 * MS


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

_EDGES: Final = (
    _untimely(timer, late, edge)
    for timer, edges in EDGES.items()
    for late, edge in zip((False, True), edges, strict=True)
    if edge is not None
)
ALL: Final[tuple[type[Specimen], ...]] = (*_EDGES, OverdueReady, OverdueProof, OverduePatience, OverdueFrame)
