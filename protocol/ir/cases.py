"""What the rows of a machine come to, case by case: which row an event fires under which guards.

A case gives each guard word that the rows of one state and event use a truth value, as far as the machine's choices
allow it. Of what guards mean beyond their choices nothing is known here: two words that are independent in the cases
may well depend on one another in the world, so a case that is listed may never occur, but none that occurs is missing.

Plan: cases · cells of a machine.
"""

from collections.abc import Iterator, Sequence
from itertools import product

from opalink.spec.form import Event, Machine, Row

Case = dict[str, bool]
Cell = tuple[str, Event]  # a state and an event


def word(guard: str) -> str:
    """The word of a guard, negated or not."""
    return guard.removeprefix("!")


def holds(row: Row, case: Case) -> bool:
    """Whether every guard of a row holds in a case."""
    return all(case[word(g)] is not g.startswith("!") for g in row.guards)


def cases(machine: Machine, rows: Sequence[Row]) -> Iterator[Case]:
    """Every case that rows of one cell can meet."""
    words = sorted({word(g) for row in rows for g in row.guards})
    limits = [
        ([w for w in c.guards if w in words], c.complete and set(c.guards) <= set(words)) for c in machine.choices
    ]
    for values in product((False, True), repeat=len(words)):
        case = dict(zip(words, values, strict=True))
        counts = [(sum(case[w] for w in among), complete) for among, complete in limits]
        if all(n <= 1 and (n or not complete) for n, complete in counts):
            yield case


def cells(machine: Machine) -> dict[Cell, tuple[Row, ...]]:
    """The rows of each state and event, in order."""
    out: dict[Cell, tuple[Row, ...]] = {}
    for row in machine.rows:
        for state in row.states:
            out[state, row.event] = (*out.get((state, row.event), ()), row)
    return out
