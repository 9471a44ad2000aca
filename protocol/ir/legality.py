"""The legality matrix: what becomes of every packet in every state, derived from the machines and declared nowhere.

A packet type that the gate's state does not allow is refused there and then. What passes is decided by the machine that
has rows for it, in whatever state that machine is; a type that no machine has rows for is answered by its service, and
moves nothing.

Plan: what a side receives · one outcome · the matrix.
"""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.cases import cells
from opalink.spec.form import Answer, Form, Machine, Received, Role, Row

GATE = "ATTACH"  # the machine whose states say what is legal at all
REFUSAL = "BAD_STATE"


class Fate(StrEnum):
    """What becomes of a packet in a state of one machine."""

    ILLEGAL = "illegal"  # the gate's state does not allow it: BAD_STATE to a request, silence to an event
    REFUSED = "refused"  # the machine knows it, but not in this state: the same
    DECIDED = "decided"  # the machine's rows say
    SERVED = "served"  # the machine has nothing to say


class Outcome(Struct, frozen=True):
    """The fate of a packet, and where rows decide: the statuses that may answer it and the states that may follow."""

    fate: Fate
    statuses: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


# ── What a side receives ─────────────────────────────────────────────────────────────────────────────


def received(catalogue: ir.Catalogue, role: Role) -> Iterator[tuple[ir.Packet, Form]]:
    """The requests and events that may come to a device; those of a power role may, as roles are swapped."""
    for p in catalogue.packets:
        if p.sender is not role:
            yield from ((p, form) for form in (Form.REQUEST, Form.EVENT) if form in p.forms)


def machines(catalogue: ir.Catalogue, role: Role) -> tuple[Machine, ...]:
    """The machines of a device."""
    return tuple(m for m in catalogue.machines if m.role is role)


# ── One outcome ──────────────────────────────────────────────────────────────────────────────────────


def decided(rows: tuple[Row, ...], state: str) -> Outcome:
    """What the rows of one cell come to, all of them together."""
    statuses = (a.status for row in rows for a in row.actions if isinstance(a, Answer))
    following = (row.next or state for row in rows)
    return Outcome(Fate.DECIDED, tuple(dict.fromkeys(statuses)), tuple(dict.fromkeys(following)))


def outcome(machine: Machine, state: str, packet: str, form: Form) -> Outcome:
    """What becomes of a packet in a state of a machine."""
    event = Received(packet, form)
    if machine.name == GATE and packet not in next(s.allows for s in machine.states if s.name == state):
        return Outcome(Fate.ILLEGAL, (REFUSAL,) if form is Form.REQUEST else (), (state,))
    if not any(row.event == event for row in machine.rows):
        return Outcome(Fate.SERVED, (), (state,))
    rows = cells(machine).get((state, event))
    if rows is None:
        return Outcome(Fate.REFUSED, (REFUSAL,) if form is Form.REQUEST else (), (state,))
    return decided(rows, state)


# ── The matrix ───────────────────────────────────────────────────────────────────────────────────────

Matrix = dict[tuple[str, str], dict[tuple[str, Form], Outcome]]


def matrix(catalogue: ir.Catalogue, role: Role) -> Matrix:
    """The outcome of every packet that a device may receive, by machine and state."""
    comes = [(p.name, form) for p, form in received(catalogue, role)]
    return {
        (m.name, s.name): {(packet, form): outcome(m, s.name, packet, form) for packet, form in comes}
        for m in machines(catalogue, role)
        for s in m.states
    }
