"""Levels: how far a bench reaches, and so how much a certificate can say.

Every operation of the upper tester is optional. A test that needs one which the implementation does not offer is not
run, says why, and counts for nothing: neither for the implementation nor for the coverage of its requirements. What
such a bench can still show has a name:

    L1  packets alone: what any implementation can be asked over the link
    L2  and removal: the contacts open and close, lanes go and come back, the implementation restarts
    L3  and its surroundings: the user's hand, heat, charge, what stands upon it, faults brought about

A campaign reaches a level if every test up to it that applies was run. The certificate names the level; a campaign
that is asked for a higher one than it reached is inconclusive. Virtual time is no level but a clock, which the
certificate names too: a test that needs it is owed only where the implementation is bound in it, or where the plan is
`cert` and the implementation offers it.

Plan: the levels · of a purpose · of a campaign.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Final

from opalink.conformance.bundle.results import Result
from opalink.conformance.purposes import Exchange, Purpose
from opalink.conformance.verdicts import Conclusion, Verdict, conclude
from opalink.protocol.packets import OperationTag

# ── The levels ───────────────────────────────────────────────────────────────────────────────────────


class Reach(StrEnum):
    """How far a bench reaches; each contains the ones before."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


MEANING: Final = {
    Reach.L1: "packets alone",
    Reach.L2: "packets and removal",
    Reach.L3: "packets, removal and surroundings",
}
_REMOVAL: Final = dict.fromkeys("attach detach lane_down lane_up reset".split(), Reach.L2)
_READING: Final = dict.fromkeys("state version".split(), Reach.L1)
REACH_OF: Final = {name: (_REMOVAL | _READING).get(name, Reach.L3) for name in (t.name.lower() for t in OperationTag)}

# ── Of a purpose ─────────────────────────────────────────────────────────────────────────────────────

# What the preamble of an exchange has done from outside, by the state that it leads to.
_ON_THE_WAY: Final = {"BEACON": ("lane_down",), "LINK_LOST": ("lane_down",), "PAUSED_LINK": ("lane_down",)}


def operations_of(purpose: Purpose, features: Collection[str]) -> tuple[str, ...]:
    """The operations without which a purpose cannot be run against an implementation with these features."""
    on_the_way: tuple[str, ...] = ()
    if isinstance(purpose.run, Exchange) and "LASER" in features:  # without light there is none to take away
        on_the_way = _ON_THE_WAY.get(purpose.run.state, ())
    return tuple(dict.fromkeys((*purpose.operations, *on_the_way)))


def reach_of(operations: Iterable[str]) -> Reach:
    """The lowest level that has these operations."""
    return max((REACH_OF[name] for name in operations), default=Reach.L1)


# ── Of a campaign ────────────────────────────────────────────────────────────────────────────────────


def reached(results: Iterable[Result]) -> Reach | None:
    """The highest level up to which no test was left out that is owed; None if one of the lowest was."""
    missing = {r.level for r in results if r.verdict is Verdict.NOTRUN and r.owed}
    full = [x for x in Reach if not any(m <= x for m in missing)]
    return full[-1] if full else None


def conclusion(
    results: Sequence[Result], level: Reach, began: bool, contradicted: Sequence[str]
) -> tuple[Conclusion, str]:
    """The verdict at a level, and why it is what it is. `began` is whether any session could be opened."""
    if contradicted:
        return Conclusion.PICS_CONTRADICTED, " ".join(contradicted)
    owed = [r for r in results if r.verdict is not Verdict.NOTRUN or (r.owed and r.level <= level)]
    missing = [r for r in owed if r.verdict is Verdict.NOTRUN]
    verdict = conclude(Counter(r.verdict for r in owed))
    if not began and verdict in (Conclusion.INCONCLUSIVE, Conclusion.NOTHING_RAN) and results:
        # No test can be passed by never letting one begin.
        cause = next((r.reason for r in results if r.verdict is Verdict.INCONC), "no session could be opened")
        return Conclusion.NON_CONFORMANT, f"No preamble ever succeeded: {cause}"
    if missing and verdict is Conclusion.INCONCLUSIVE:
        tests = "one of its tests was" if len(missing) == 1 else f"{len(missing)} of its tests were"
        return verdict, f"Level {level} was not reached: {tests} not run. {missing[0].reason}"
    return verdict, ""
