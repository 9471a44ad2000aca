"""The table of steps that a walk is made of: what a tester can do to a module at once, by name.

A step is a request, an event, an answer that is owed, an operation, or a time that passes. What a step does depends on
what the module has said of itself, never on what it is. A name, once used in a stored walk, keeps its meaning. The
steps themselves are entered by `walk_steps` and `walk_steps_camera`.

Plan: the table · entering · taking.
"""

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from opalink.conformance.tester.ledger import Asked
from opalink.conformance.tester.phone import Phone
from opalink.conformance.tester.session import Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.spec.form import MS, Form

# ── The table ────────────────────────────────────────────────────────────────────────────────────────


class Step(Struct, frozen=True):
    """What is done. `asks` makes a request's body, whose answer is awaited; `does` is anything else, and returns the
    name of a status if it has one. `packet` and `form` say what reaches the module, where a packet does; `operation`
    which operation it takes. `settles` are guards of whose value it leaves nothing for a module to judge, and states,
    as MACHINE.STATE, that last for as long as any walk."""

    asks: Callable[[Session], Any] | None = None
    does: Callable[[Session], object] | None = None
    packet: str = ""
    form: Form = Form.REQUEST
    operation: str = ""
    settles: tuple[str, ...] = ()


STEPS: Final[dict[str, Step]] = {}


# ── Entering ─────────────────────────────────────────────────────────────────────────────────────────


def just(body: Any) -> Callable[[Session], Any]:
    """A body that depends on nothing."""
    return lambda _: body


def ask(name: str, packet: str, body: Callable[[Session], Any], *settles: str) -> None:
    """A request, and the guards that it settles."""
    STEPS[name] = Step(asks=body, packet=packet, settles=settles)


def tell(name: str, packet: str, body: Callable[[Session], Any]) -> None:
    """An event."""
    STEPS[name] = Step(does=lambda s: s.tell(body(s)), packet=packet, form=Form.EVENT)


def do(name: str, does: Callable[[Session], object], operation: str = "", *settles: str) -> None:
    """Whatever else, the operation that it takes, and the guards that it settles."""
    STEPS[name] = Step(does=does, operation=operation, settles=settles)


# ── Taking ───────────────────────────────────────────────────────────────────────────────────────────

_memories: WeakKeyDictionary[Phone, dict[str, Any]] = WeakKeyDictionary()


def memory(s: Session) -> dict[str, Any]:
    """What the steps of a test remember from one to the next: the tester's phone is a new one in each."""
    return _memories.setdefault(s.phone, {})


def take(s: Session, name: str) -> str:
    """Take a step; returns the name of the status that answered it, if one did."""
    step, told = STEPS[name], None
    if step.does is not None:
        told = step.does(s)
        s.let(MS)  # what the tester's phone answers by itself comes before what is asked next
    if step.asks is None:
        return told if isinstance(told, str) else ""
    asked: Asked = s.request(step.asks(s))
    if isinstance(asked.body, p.Hello):
        s.hello = asked.body
    heard = s.answer(asked)
    if heard is None:
        return "none"
    if isinstance(heard.body, p.HelloResponse):
        s.greeting = heard.body
    return Status(heard.status).name
