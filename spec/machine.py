"""How a machine is written: the words of its rows.

    on("CONTRACT", rx(PWR_BUDGET, "request"), when="within_budget", do=[answer(OK)], to="LIMITED")

reads: in CONTRACT, when that packet arrives and the guard holds, do this and go there. `"!guard"` is a guard's
negation. States may be given together; rows of one state are tried in the order written.
"""

from collections.abc import Iterable, Sequence

from opalink.spec.dialect import Group, Packet
from opalink.spec.form import (
    Action,
    Answer,
    Do,
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


def send(packet: Packet, form: str = "event") -> Send:
    """Send a packet of its own accord; the engine's effect of that packet's name fills it."""
    if Form(form) not in packet.bodies:
        raise ValueError(f"{packet.name} has no form {form!r}")
    return Send(packet.name, Form(form))


def answer(status: Status) -> Answer:
    return Answer(status.name)


def start(timer: str) -> Start:
    return Start(timer)


def stop(timer: str) -> Stop:
    return Stop(timer)


def signal(name: str) -> Signal:
    return Signal(name)


def do(effect: str) -> Do:
    return Do(effect)


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


def terms(**docs: str) -> tuple[Term, ...]:
    """The vocabulary of a machine: `terms(offer_exists="The object names an offer.", …)`."""
    return tuple(Term(name, doc) for name, doc in docs.items())


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
) -> Machine:
    """A machine, which begins in its first state."""
    return Machine(name, role, doc, states[0].name, tuple(states), tuple(rows), guards, effects, lines, locals)


def _tuple(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
