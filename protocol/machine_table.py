"""A declared machine as text: its states, its rows as a table, and what its words mean.

Plan: rows · the table · the whole.
"""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest
from typing import Final

from opalink.spec.form import (
    Action,
    Answer,
    Do,
    Edge,
    Event,
    Expired,
    Line,
    Local,
    Machine,
    Received,
    Row,
    Send,
    Signal,
    Start,
    Stop,
)

_HEADS: Final = ("upon", "if", "does", "goes to", "by")
_WIDTHS: Final = (34, 30, 44, 18, 12)  # of the cells, at most
_LINE: Final = 120

# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


def _event(event: Event) -> str:
    match event:
        case Received(packet=packet, form=form):
            return f"{packet} {form}"
        case Expired(timer=timer):
            return f"{timer} runs out"
        case Line(name=name) | Local(name=name):
            return name


def _action(action: Action) -> str:
    match action:
        case Send(packet=packet, form=form, reasons=why):
            return f"send {packet} {form}" + (f" ({', '.join(why)})" if why else "")
        case Answer(status=status):
            return f"answer {status}"
        case Start(timer=timer, edge=edge):
            return f"start {timer}" + ("" if edge is Edge.NOMINAL else f" for its {edge}")
        case Stop(timer=timer):
            return f"stop {timer}"
        case Signal(name=name):
            return f"signal {name}"
        case Do(effect=effect):
            return effect


def _cells(row: Row) -> tuple[str, ...]:
    guards = (f"not {g[1:]}" if g.startswith("!") else g for g in row.guards)
    event = _event(row.event) + "".join(f" [with {n}]" for n in row.needs)
    actions = "; ".join(map(_action, row.actions))
    return event, " and ".join(guards), actions, row.next or "", " ".join(row.req)


# ── The table ────────────────────────────────────────────────────────────────────────────────────────


def _table(machine: Machine) -> Iterator[str]:
    """Rows in the order in which they are tried, under the states that they are of."""
    cells = [_cells(row) for row in machine.rows]
    columns = zip(_HEADS, *cells, strict=True)
    widths = [min(most, max(map(len, column))) for most, column in zip(_WIDTHS, columns, strict=True)]
    yield _line(_HEADS, widths)
    yield "  " + "  ".join("─" * w for w in widths)
    for states, rows in groupby(machine.rows, key=lambda row: row.states):
        yield from textwrap.wrap(", ".join(states), _LINE)
        for row in rows:
            folded = (textwrap.wrap(cell, w) for cell, w in zip(_cells(row), widths, strict=True))
            yield from (_line(part, widths) for part in zip_longest(*folded, fillvalue=""))


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  " + "  ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True)).rstrip()


# ── The whole ────────────────────────────────────────────────────────────────────────────────────────


def text(machine: Machine) -> str:
    """A machine for people to read; lines of the table may be longer than 80 characters."""
    needs = f", with {' or '.join(machine.needs)}" if machine.needs else ""
    lines = [f"machine {machine.name}.{machine.role}, begins in {machine.initial}{needs}", "", machine.doc, ""]
    vocabulary = (
        ("lines", machine.lines), ("local events", machine.locals), ("guards", machine.guards),
        ("effects", machine.effects),
    )  # fmt: skip
    listed = [("states", [(x.name, x.doc) for x in machine.states])]
    listed += [(head, [(x.name, x.doc) for x in found]) for head, found in vocabulary if found]
    for head, found in listed[:1]:
        lines += [*_terms(head, found), ""]
    lines += ["rows, tried in this order:", *_table(machine)]
    for head, found in listed[1:]:
        lines += ["", *_terms(head, found)]
    return "\n".join(lines)


def _terms(head: str, found: list[tuple[str, str]]) -> Iterator[str]:
    yield f"{head}:"
    width = max(len(name) for name, _ in found)
    for name, doc in found:
        first, *more = textwrap.wrap(doc, _LINE - width - 4)
        yield f"  {name.ljust(width)}  {first}"
        yield from (" " * (width + 4) + line for line in more)
