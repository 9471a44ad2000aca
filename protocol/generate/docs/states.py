"""The diagram of a machine, as SVG: its states from top to bottom, and a rail for everything that leads to one.

A rail is what the rows with the same set of states and the same next state have in common: it leaves those states and
ends, with an arrow, in the next one. Rows after which the machine stays where it is are in the table alone. Short
rails run close to the states and no two share a line, so every way can be followed with the eye.

Plan: rails · places · the drawing.
"""

from html import escape
from typing import NamedTuple

from opalink.spec.form import Event, Expired, Machine, Received

_WIDE, _LEFT, _TOP = 210, 10, 12  # of a state's box, and where it begins
_LINE = 11  # from one line that leaves a state to the next
_RAIL = 22  # from one rail to the next
_GAP = 16

# ── Rails ────────────────────────────────────────────────────────────────────────────────────────────


class Rail(NamedTuple):
    """`number` is the name that the diagram and the legend share; `rows` are the positions of its rows."""

    number: int
    states: tuple[str, ...]
    next: str
    rows: tuple[int, ...]


def rails(machine: Machine) -> list[Rail]:
    """Every way from states to another one, in the order of the first row that goes it."""
    found: dict[tuple[tuple[str, ...], str], list[int]] = {}
    order = [s.name for s in machine.states]
    for i, row in enumerate(machine.rows):
        if row.next is None:
            continue
        leaving = tuple(s for s in order if s in row.states and s != row.next)
        if leaving:
            found.setdefault((leaving, row.next), []).append(i)
    return [Rail(n, states, to, tuple(rows)) for n, ((states, to), rows) in enumerate(found.items(), 1)]


def event_words(event: Event) -> str:
    """An event in words."""
    match event:
        case Received(packet=packet, form=form):
            return f"{packet} {form}"
        case Expired(timer=timer):
            return f"{timer} runs out"
    return event.name


# ── Places ───────────────────────────────────────────────────────────────────────────────────────────


def _columns(order: list[str], ways: list[Rail]) -> dict[int, int]:
    """A column for every rail: the shortest first, in the innermost that is free over all its length."""
    taken: list[list[tuple[int, int]]] = []
    out: dict[int, int] = {}

    def extent(way: Rail) -> tuple[int, int]:
        at = [order.index(s) for s in (*way.states, way.next)]
        return min(at), max(at)

    for way in sorted(ways, key=lambda w: (extent(w)[1] - extent(w)[0], w.number)):
        lo, hi = extent(way)
        column = next((i for i, spans in enumerate(taken) if all(hi < a or b < lo for a, b in spans)), len(taken))
        taken += [[]] if column == len(taken) else []
        taken[column].append((lo, hi))
        out[way.number] = column
    return out


# ── The drawing ──────────────────────────────────────────────────────────────────────────────────────


def diagram(machine: Machine, ways: list[Rail]) -> list[str]:
    """The SVG, as a block of a page."""
    order = [s.name for s in machine.states]
    columns = _columns(order, ways)
    ends: dict[str, list[tuple[Rail, bool]]] = {name: [] for name in order}
    for way in ways:
        for name in way.states:
            ends[name].append((way, False))
        ends[way.next].append((way, True))
    y, tops, at = float(_TOP), {}, {}
    for name in order:
        here = sorted(ends[name], key=lambda e: (columns[e[0].number], e[1]))
        height = max(34, (len(here) + 1) * _LINE)
        tops[name] = y, height
        for i, (way, into) in enumerate(here):
            at[name, way.number, into] = y + (i + 1) * height / (len(here) + 1)
        y += height + _GAP
    right = _LEFT + _WIDE
    width = right + _RAIL * (max(columns.values(), default=-1) + 2)
    out = [
        "```{raw} html",
        f'<svg class="opal-machine" role="img" viewBox="0 0 {width} {y:g}" style="max-width:{width}px">',
        f"<title>The machine {machine.name} of the {machine.role}</title>",
    ]
    for way in ways:
        x = right + _RAIL * (columns[way.number] + 1)
        out += _rail(machine, way, right, x, at)
    for state in machine.states:
        top, height = tops[state.name]
        kind = "state initial" if state.name == machine.initial else "state"
        out += [
            f"<g><title>{escape(state.doc)}</title>",
            f'<rect class="{kind}" x="{_LEFT}" y="{top:g}" width="{_WIDE}" height="{height:g}" rx="6"/>',
            f'<text x="{_LEFT + _WIDE / 2:g}" y="{top + height / 2 + 5:g}" text-anchor="middle">{state.name}</text>',
            "</g>",
        ]
    return [*out, "</svg>", "```", ""]


def _rail(machine: Machine, way: Rail, right: float, x: float, at: dict[tuple[str, int, bool], float]) -> list[str]:
    leave = [at[s, way.number, False] for s in way.states]
    arrive = at[way.next, way.number, True]
    tip = "; ".join(dict.fromkeys(event_words(machine.rows[i].event) for i in way.rows))
    taps = " ".join(f"M{right:g} {y:g}H{x:g}" for y in leave)
    lo, hi = min(*leave, arrive), max(*leave, arrive)
    tone = way.number % 6
    title = f"{way.number}: {', '.join(way.states)} → {way.next}: {tip}"
    return [
        f'<g class="rail tone{tone}"><title>{escape(title)}</title>',
        f'<path d="{taps} M{x:g} {lo:g}V{hi:g} M{x:g} {arrive:g}H{right + 7:g}"/>',
        f'<path class="tip" d="M{right:g} {arrive:g}l8 -4v8z"/>',
        *(f'<circle cx="{right:g}" cy="{y:g}" r="2.5"/>' for y in leave),
        f'<rect class="tag" x="{x - 9:g}" y="{(lo + hi) / 2 - 7:g}" width="18" height="14" rx="4"/>',
        f'<text x="{x:g}" y="{(lo + hi) / 2 + 4:g}" text-anchor="middle">{way.number}</text></g>',
    ]
