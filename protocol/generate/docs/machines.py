"""The pages of the machines: diagram, states, rows, words; and which packet is legal in which state.

Plan: cells of a row · rows · words · a machine's page · legality.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from opalink.protocol.generate.docs.states import diagram, rails
from opalink.protocol.generate.docs.words import (
    duration,
    heading,
    linked,
    machine_anchor,
    need,
    plain,
    ref,
    said,
    table,
)
from opalink.protocol.ir import model as ir
from opalink.spec.form import (
    Action,
    Answer,
    Do,
    Edge,
    Event,
    Expired,
    Machine,
    Received,
    Row,
    Send,
    Signal,
    Start,
    Stop,
    Term,
)

# ── Cells of a row ───────────────────────────────────────────────────────────────────────────────────


def event(e: Event) -> str:
    match e:
        case Received(packet=packet, form=form):
            return f"{ref(f'message-{packet}', packet)} {form}"
        case Expired(timer=timer):
            return f"{ref(f'timer-{timer}', timer)} runs out"
    return f"`{e.name}`"


def action(a: Action) -> str:
    match a:
        case Send(packet=packet, form=form, reasons=why):
            codes = ", ".join(ref(f"status-{s}", s) for s in why)
            return f"send {ref(f'message-{packet}', packet)} {form}" + (f" ({codes})" if codes else "")
        case Answer(status=status):
            return f"answer {ref(f'status-{status}', status)}"
        case Start(timer=timer, edge=edge):
            return f"start {ref(f'timer-{timer}', timer)}" + ("" if edge is Edge.NOMINAL else f" for its {edge}")
        case Stop(timer=timer):
            return f"stop {ref(f'timer-{timer}', timer)}"
        case Signal(name=name):
            return f"signal `{name}`"
        case Do(effect=effect):
            return f"`{effect}`"


def cells(row: Row) -> tuple[str, ...]:
    """Upon, if, does, goes to, by."""
    guards = " and ".join(f"not `{g[1:]}`" if g.startswith("!") else f"`{g}`" for g in row.guards)
    given = "".join(f" (with {ref(f'feature-{n}', n)})" for n in row.needs)
    to = f"**{row.next}**" if row.next else "stays"
    return event(row.event) + given, guards, "; ".join(map(action, row.actions)), to, " ".join(map(need, row.req))


HEADS = ("Upon", "If", "Does", "Goes to", "By")

# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────


def _rows(machine: Machine) -> list[str]:
    """Rows under the states that they are of, in the order in which they are tried."""
    out: list[str] = []
    for states, rows in groupby(machine.rows, key=lambda r: r.states):
        out += ["**" + ", ".join(states) + "**", "", *table(HEADS, [cells(r) for r in rows], "opal-rows")]
    return out


def rows_about(catalogue: ir.Catalogue, packet: ir.Packet) -> list[str]:
    """Where the machines receive a packet and where they send it."""
    received: list[tuple[str, ...]] = []
    sent: list[tuple[str, ...]] = []
    own = ref(f"message-{packet.name}", packet.name) + " "  # which the page need not repeat
    for machine in catalogue.machines:
        name = ref(machine_anchor(machine), f"{machine.name} of the {machine.role}")
        for row in machine.rows:
            states = ", ".join(row.states)
            if isinstance(row.event, Received) and row.event.packet == packet.name:
                upon, *others = cells(row)
                received.append((name, states, upon.removeprefix(own), *others))
            elif forms := [a.form for a in row.actions if isinstance(a, Send) and a.packet == packet.name]:
                sent.append((name, states, " and ".join(dict.fromkeys(forms)), *cells(row)[:2]))
    out: list[str] = []
    if received:
        out += ["When it arrives:", "", *table(("Machine", "In", *HEADS), received, "opal-about")]
    if sent:
        out += ["When it is sent:", "", *table(("Machine", "In", "Form", "Upon", "If"), sent, "opal-about")]
    return out


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────


def _words(catalogue: ir.Catalogue, head: str, lead: str, words: Sequence[Term]) -> list[str]:
    rows = [(f"`{w.name}`", said(catalogue, w.doc)) for w in words]
    return [*heading(3, head), lead, "", *table(("Word", "Meaning"), rows)] if words else []


def _legend(machine: Machine) -> list[str]:
    found = []
    for way in rails(machine):
        upon = dict.fromkeys(event(machine.rows[i].event) for i in way.rows)
        found.append((str(way.number), ", ".join(way.states), f"**{way.next}**", "; ".join(upon)))
    return table(("Rail", "From", "To", "Upon"), found, "opal-rows")


def _timers(catalogue: ir.Catalogue, machine: Machine) -> list[str]:
    names = dict.fromkeys(a.timer for r in machine.rows for a in r.actions if isinstance(a, Start))
    rows = []
    for name in names:
        t = catalogue.timer[name]
        waits = ", ".join(s.name for s in machine.states if name in machine.waits(s.name))
        edges = " / ".join(map(duration, (t.min, t.nominal, t.max)))
        rows.append((ref(f"timer-{name}", name), edges, waits, said(catalogue, t.doc)))
    return table(("Timer", "Least / nominal / most", "States that wait for it", "Meaning"), rows)


# ── A machine's page ─────────────────────────────────────────────────────────────────────────────────


def machine_page(catalogue: ir.Catalogue, machine: Machine) -> list[str]:
    needs = " or ".join(ref(f"feature-{n}", n) for n in machine.needs)
    whom = f"A module has it with {needs}; a phone, for such a module." if needs else "Every module and phone has it."
    ways = rails(machine)
    cited = dict.fromkeys(r for row in machine.rows for r in row.req)
    out = [
        *heading(1, f"{machine.name} of the {machine.role}", machine_anchor(machine)),
        f"{said(catalogue, machine.doc)} It begins in **{machine.initial}**. {whom}",
        "",
        *heading(2, "Diagram"),
        (
            "A rail leaves the states at its dots and enters the one at its arrow; the numbers are those of the "
            "list below it. Rows after which the machine stays where it is are in the table of rows alone."
        ),
        "",
        *diagram(machine, ways),
        *_legend(machine),
        *heading(2, "States"),
        *table(
            ("State", "Meaning"),
            [
                (f"[**{s.name}**]{{#state-{machine.name}-{machine.role}-{s.name}}}", said(catalogue, s.doc))
                for s in machine.states
            ],
        ),
        *heading(2, "Rows"),
        (
            "A row fires when its event comes in one of its states and all its guards hold; the rows of a state "
            "are tried in the order written here. A request that the machine knows, in a state that has no row for "
            f"it, is answered {ref('status-BAD_STATE', 'BAD_STATE')}; any other event without a row changes "
            "nothing. To enter a state disarms every timer that the state does not wait for."
        ),
        "",
        *_rows(machine),
        *heading(2, "Words"),
        *_words(catalogue, "Guards", "What a row asks before it fires.", machine.guards),
        *_words(
            catalogue, "Effects", "What a row does beside moving on; that of a packet's name fills it.", machine.effects
        ),
        *_words(catalogue, "Line events", "What comes from the contacts and the light.", machine.lines),
        *_words(catalogue, "Local events", "What comes from this side itself.", machine.locals),
    ]
    if timers := _timers(catalogue, machine):
        out += [*heading(2, "Timers"), *timers]
    if cited:
        rows = [(need(r), said(catalogue, catalogue.requirement[r].text)) for r in cited]
        out += [*heading(2, "Requirements that its rows keep"), *table(("ID", "Requirement"), rows, "opal-req")]
    return out


def machine_index(catalogue: ir.Catalogue) -> list[str]:
    rows = [
        (
            ref(machine_anchor(m), f"{m.name} of the {m.role}"),
            str(len(m.states)),
            str(len(m.rows)),
            said(catalogue, m.doc),
        )
        for m in catalogue.machines
    ]
    names = [f"{m.name}-{m.role}" for m in catalogue.machines]
    return [
        *heading(1, "Machines", "machines"),
        (
            f"{len(catalogue.machines)} machines, {sum(len(m.rows) for m in catalogue.machines)} rows. They are the "
            "behaviour: what they say, an implementation does."
        ),
        "",
        *table(("Machine", "States", "Rows", "Purpose"), rows),
        *toctree(names),
    ]


def toctree(names: Iterable[str]) -> list[str]:
    return ["```{toctree}", ":hidden:", "", *names, "```", ""]


# ── Legality ─────────────────────────────────────────────────────────────────────────────────────────


def legality(catalogue: ir.Catalogue) -> list[str]:
    """State × packet, for either side: the law of the machine ATTACH."""
    out = [
        *heading(1, "Legality", "legality"),
        plain(
            "The states of the machine ATTACH say which packets may come at all. A request that is not legal in the "
            "present state is answered BAD_STATE and changes nothing; an event that is not is ignored. Beyond this, "
            "other machines refuse what does not suit their own state."
        ),
        "",
    ]
    for machine in catalogue.machines:
        if not any(s.allows for s in machine.states):
            continue
        states = [s for s in machine.states if s.allows]
        rows = [
            (ref(f"message-{p.name}", p.name), *("●" if p.name in s.allows else "" for s in states))
            for p in catalogue.packets
        ]
        out += [
            *heading(2, f"For the {machine.role}", f"legality-{machine.role}"),
            linked(catalogue, f"States of {ref(machine_anchor(machine), machine.name)}: ● is legal."),
            "",
            *table(("Packet", *(s.name for s in states)), rows, "opal-legal"),
        ]
    return out


def legal_in(catalogue: ir.Catalogue, packet: ir.Packet) -> list[str]:
    """The states in which either side takes a packet, in a sentence each."""
    out = []
    for machine in catalogue.machines:
        if any(s.allows for s in machine.states):
            states = [s.name for s in machine.states if packet.name in s.allows]
            of = ref(machine_anchor(machine), f"{machine.role}")
            out.append(f"{of}: {', '.join(states) or 'none'}")
    return out
