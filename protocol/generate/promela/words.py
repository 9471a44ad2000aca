"""What of the machines' words the models know: look-ups, and what no abstraction names.

Plan: look-ups · what is not covered.
"""

from opalink.protocol.ir import model as ir
from opalink.spec import abstraction, safety
from opalink.spec.abstraction import Choice, Exact, Fill, Skip
from opalink.spec.form import Do, Event, Expired, Line, Local, Machine, Received, Row

# ── Look-ups ─────────────────────────────────────────────────────────────────────────────────────────


def word_of(guard: str) -> str:
    """A guard's word, without its negation."""
    return guard.removeprefix("!")


def guard_of(m: Machine, word: str) -> Exact | Choice | None:
    """How a model decides a guard; a word that no abstraction names is None."""
    tables = (abstraction.GUARDS.get(key, {}) for key in (f"{m.name}.{m.role}", m.name))
    return next((t[word] for t in tables if word in t), None)


def effect_of(m: Machine, word: str) -> Exact | Skip | None:
    """What an effect is to a model."""
    tables = (abstraction.EFFECTS.get(key, {}) for key in (f"{m.name}.{m.role}", m.name))
    return next((t[word] for t in tables if word in t), None)


def fill_of(packet: str) -> Fill:
    """What a packet carries."""
    return abstraction.FILLS.get(packet, Fill())


def name_of(event: Event) -> str:
    """What the abstraction calls an event: a packet's form does not matter to it."""
    match event:
        case Received(packet=packet):
            return packet
        case Expired(timer=timer):
            return timer
        case Line(name=name) | Local(name=name):
            return name


def arg_of(row: Row, packet: str) -> str:
    """The number that a row sends with a packet."""
    fill = fill_of(packet)
    return fill.to.get(row.next or "", fill.on.get(name_of(row.event), fill.arg))


# ── What is not covered ──────────────────────────────────────────────────────────────────────────────


def uncovered(catalogue: ir.Catalogue) -> list[str]:
    """Machines that are in no model, and words of machines that no abstraction names; and the other way
    round, machines and words of the abstraction that no machine has."""
    placed = {name for model in safety.MODELS for name in model.machines}
    machines = {f"{m.name}.{m.role}": m for m in catalogue.machines}
    out = [f"{where} is in no model" for where in machines.keys() - placed]
    out += [f"{where} is in a model and in no table" for where in placed - machines.keys()]
    used: set[tuple[str, str]] = set()
    for where, m in machines.items():
        for row in m.rows:
            if set(row.needs) & abstraction.LEFT_OUT.keys():
                continue
            for word in map(word_of, row.guards):
                used |= {(m.name, word), (where, word)}
                if guard_of(m, word) is None:
                    out.append(f"{where}: guard {word}")
            for a in row.actions:
                if isinstance(a, Do):
                    used |= {(m.name, a.effect), (where, a.effect)}
                    if effect_of(m, a.effect) is None:
                        out.append(f"{where}: effect {a.effect}")
    for table in (abstraction.GUARDS, abstraction.EFFECTS):
        out += [f"{m}: {w} is no word of its rows" for m, words in table.items() for w in words if (m, w) not in used]
    return sorted(set(out))
