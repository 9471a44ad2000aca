"""How a machine is written: the words of its rows.

Plan: events · actions · states and rows · vocabulary · the machine.

    on("CONTRACT", rx(PWR_BUDGET, "request"), when="within_budget", do=[answer(OK)], to="LIMITED")

reads: in CONTRACT, when that packet arrives and the guard holds, do this and go there. `"!guard"` is a guard's
negation. States may be given together; rows of one state are tried in the order written, and where two of them could
hold at once the first either refuses or asks for more than the second (`opalink spec check` sees to it).

A timer needs no `stop` where a row leads to a state that does not wait for it: it ends with the states that do.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from opalink.spec.dialect import Group, Packet
from opalink.spec.events import EVENTS
from opalink.spec.form import (
    Action,
    Answer,
    Choice,
    Do,
    Edge,
    Event,
    Expired,
    Form,
    Line,
    Local,
    Machine,
    Received,
    Role,
    Row,
    Send,
    Signal,
    Start,
    State,
    Status,
    Stop,
    Term,
)

Allowed = Packet | Group


# ── Events ───────────────────────────────────────────────────────────────────────────────────────────


def rx(packet: Packet, form: str) -> Received:
    """A packet of this form arrived."""
    if Form(form) not in packet.bodies and form != Form.ERROR:
        raise ValueError(f"{packet.name} has no form {form!r}")
    return Received(packet.name, Form(form))


def expired(timer: str) -> Expired:
    return Expired(timer)


def line(name: str) -> Line:
    return Line(name)


def local(name: str) -> Local:
    return Local(name)


# ── Actions ──────────────────────────────────────────────────────────────────────────────────────────


def send(packet: Packet, form: str = "event", *, why: Status | Sequence[Status] = ()) -> Send:
    """Send a packet of its own accord; the engine's effect of that packet's name fills it. `why` are the status codes
    of which it carries one."""
    if Form(form) not in packet.bodies:
        raise ValueError(f"{packet.name} has no form {form!r}")
    reasons = (why,) if isinstance(why, Status) else why
    return Send(packet.name, Form(form), tuple(s.name for s in reasons))


def answer(status: Status) -> Answer:
    return Answer(status.name)


def start(timer: str, edge: str = "nominal") -> Start:
    """Arm a timer; for its maximum (`"max"`) where it bounds what the peer does."""
    return Start(timer, Edge(edge))


def stop(timer: str) -> Stop:
    return Stop(timer)


def signal(name: str) -> Signal:
    return Signal(name)


def do(effect: str) -> Do:
    return Do(effect)


# ── States and rows ──────────────────────────────────────────────────────────────────────────────────


def state(name: str, doc: str, allows: Iterable[Allowed] = ()) -> State:
    """A state; in the attach machine, with the packets and whole groups that are legal in it."""
    names: list[str] = []
    for item in allows:
        names += [p.name for p in item.packets] if isinstance(item, Group) else [item.name]
    return State(name, doc, tuple(dict.fromkeys(names)))


def on(
    states: str | Sequence[str],
    event: Event,
    *,
    when: str | Sequence[str] = (),
    do: Sequence[Action] = (),
    to: str | None = None,
    req: tuple[str, ...] = (),
) -> Row:
    """One transition. Without `to`, the machine stays where it is."""
    return Row(_tuple(states), event, _tuple(when), tuple(do), to, req)


def given(feature: str, *rows: Row) -> tuple[Row, ...]:
    """Rows that only a side with a feature has."""
    return tuple(structs.replace(row, needs=(feature,)) for row in rows)


# ── Vocabulary ───────────────────────────────────────────────────────────────────────────────────────


def terms(*shared: str, **own: str) -> tuple[Term, ...]:
    """The vocabulary of a machine: events that it shares with others, by name, and words of its own:
    `terms("session_closed", offer_exists="The object names an offer.", …)`."""
    if told := own.keys() & EVENTS:
        raise ValueError(f"{', '.join(sorted(told))}: told in `events`, and to be named alone")
    return tuple(Term(name, doc) for name, doc in ({name: EVENTS[name] for name in shared} | own).items())


def one_of(*guards: str) -> Choice:
    """Guards of which one holds, whatever happens, and no other."""
    return Choice(guards, complete=True)


def at_most_one(*guards: str) -> Choice:
    """Guards of which no two ever hold together."""
    return Choice(guards)


# ── The machine ──────────────────────────────────────────────────────────────────────────────────────


def machine(
    name: str,
    role: Role,
    doc: str,
    *,
    states: Sequence[State],
    rows: Sequence[Row],
    guards: tuple[Term, ...] = (),
    effects: tuple[Term, ...] = (),
    lines: tuple[Term, ...] = (),
    locals: tuple[Term, ...] = (),
    needs: tuple[str, ...] = (),
    choices: Sequence[Choice] = (),
) -> Machine:
    """A machine, which begins in its first state."""
    return Machine(
        name,
        role,
        doc,
        states[0].name,
        tuple(states),
        tuple(rows),
        guards,
        effects,
        lines,
        locals,
        needs,
        tuple(choices),
    )


def _tuple(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
