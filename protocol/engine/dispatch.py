"""What an endpoint must know of a packet type to judge and deliver it: worked out once, looked up by code.

Plan: answers · a chapter's part · the table.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol

from msgspec import Struct

from opalink.protocol import packets
from opalink.protocol.codec import PacketType, Status, VirtualChannel
from opalink.protocol.engine.machine import Cause, Run
from opalink.protocol.engine.values import Finder, Unknowns
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import Lane, Refusal
from opalink.spec.form import Form, Machine, Received, Role

NOWHERE: Final = 0xFFFF  # `at` of a refusal that speaks of no field

# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────


class Reply(Struct, frozen=True):
    """An answer with a status of its own; a bare value class means OK."""

    body: Any
    status: Status = Status.OK


class Later(Struct, frozen=True):
    """No answer yet; it will take about `wait`. Where that is more than a plain request may take, PENDING goes out.
    `cancel` gives up what the request began; without it, it is too late to cancel."""

    wait: int
    cancel: Callable[[], None] | None = None


class RefusedError(Exception):
    """What a service raises to refuse a request."""

    def __init__(self, status: Status, at: int = NOWHERE, retry_after: int = 0) -> None:
        super().__init__(status.name)
        self.status, self.body = status, Refusal(at=at, retry_after=retry_after)


# ── Parts ────────────────────────────────────────────────────────────────────────────────────────────


class Part:
    """A chapter of an endpoint: the words of one machine, or none, and the services of some packet types.

    Its methods are found by their names. `when_`, `do_` and `fill_` are the machine's words. `answer_x` answers the
    request X with a value class, a Reply or Later; where a machine knows X, after that has decided on success.
    `refuse_x` gives X's own error form its body. `heard_x` sees an event before the machines do, `told_x` a response
    to a request of this side's own, `unanswered_x` that none came."""

    machine: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()  # of a part without a machine: features any of which calls for it
    end: Any  # the endpoint; what a part asks of it, its subclass says
    run: Run

    def __init__(self, end: Any) -> None:
        self.end = end

    def restart(self) -> None:
        """Forget what a loss of power forgets."""


# ── The table ────────────────────────────────────────────────────────────────────────────────────────


class Owner(Protocol):
    """The endpoint, as far as tables and checks depend on which it is."""

    role: Role
    source: bool
    features: frozenset[str]
    catalogue: ir.Catalogue


Service = Callable[[Cause], Any]


class Kind(Struct):
    """A packet type as one side sees it arrive."""

    packet: ir.Packet
    name: str
    code: PacketType
    vc: VirtualChannel
    vcs: frozenset[int]
    lanes: frozenset[int]
    supported: bool
    runs: dict[Form, tuple[tuple[Run, Received], ...]]
    unknown: dict[Form, Finder | None]
    response: Callable[[], Any] | None
    error: Callable[[], Any] | None  # of its own: None where the common refusal answers
    answer: Service | None
    refuse: Callable[[Cause, Status], Any] | None
    heard: tuple[Service, ...]
    told: tuple[Service, ...]
    unanswered: tuple[Service, ...]


class UnservedError(TypeError):
    """Requests that an endpoint must answer and has no service for."""


_LANES: Final = {"sideband": Lane.SIDEBAND, "laser": Lane.LASER}
_STREAMS: Final = frozenset(v for v in VirtualChannel if v.name.startswith("STREAM"))


def table(end: Owner, parts: Iterable[Part], runs: Iterable[Run], unknowns: Unknowns) -> dict[int, Kind]:
    """Every packet type by code. Raises UnservedError for a request of the peer's that nothing answers."""
    parts, runs = tuple(parts), tuple(runs)
    out = {p.code: _kind(end, p, parts, runs, unknowns) for p in end.catalogue.packets}
    served = (k for k in out.values() if k.supported and Form.REQUEST in k.packet.forms and _comes(end, k.packet))
    missing = [k.name for k in served if k.answer is None and Form.REQUEST not in k.runs]
    if missing:
        raise UnservedError(f"nothing answers {', '.join(missing)}")
    return out


def _comes(end: Owner, p: ir.Packet) -> bool:
    """Whether the peer may ever be the sender: power changes its direction with ROLE_SWAP alone."""
    if p.sender in (Role.SOURCE, Role.SINK):
        return (p.sender is Role.SINK) is end.source or "ROLE_SWAP" in end.features
    return p.sender is not end.role


def _kind(end: Owner, p: ir.Packet, parts: tuple[Part, ...], runs: tuple[Run, ...], unknowns: Unknowns) -> Kind:
    events = {form: Received(p.name, form) for form in Form}
    knowing = {form: tuple((r, e) for r in runs if r.knows(e)) for form, e in events.items()}
    layouts = dict(p.forms)
    if Form.REQUEST in layouts:
        layouts.setdefault(Form.ERROR, end.catalogue.error_layout(p))
    vc = VirtualChannel[p.channel]
    return Kind(
        packet=p,
        name=p.name,
        code=PacketType(p.code),
        vc=vc,
        vcs=_STREAMS if vc in _STREAMS else frozenset((vc,)),
        lanes=frozenset(_LANES[x] for x in p.lanes),
        supported=not p.needs or bool(end.features.intersection(p.needs)),
        runs={form: found for form, found in knowing.items() if found},
        unknown={form: unknowns.finder(name) for form, name in layouts.items()},
        response=getattr(packets, p.forms[Form.RESPONSE]) if Form.RESPONSE in p.forms else None,
        error=getattr(packets, p.forms[Form.ERROR]) if Form.ERROR in p.forms else None,
        answer=_one(parts, f"answer_{p.name.lower()}"),
        refuse=_one(parts, f"refuse_{p.name.lower()}"),
        heard=_all(parts, f"heard_{p.name.lower()}"),
        told=_all(parts, f"told_{p.name.lower()}"),
        unanswered=_all(parts, f"unanswered_{p.name.lower()}"),
    )


def _all(parts: tuple[Part, ...], name: str) -> tuple[Any, ...]:
    return tuple(getattr(part, name) for part in parts if hasattr(part, name))


def _one(parts: tuple[Part, ...], name: str) -> Any:
    found = _all(parts, name)
    if len(found) > 1:
        raise TypeError(f"several parts have {name}")
    return found[0] if found else None


def legality(catalogue: ir.Catalogue, machine: Machine) -> Mapping[str, frozenset[int]]:
    """The codes of the packets that are legal in each state of a machine."""
    return {s.name: frozenset(catalogue.packet[name].code for name in s.allows) for s in machine.states}
