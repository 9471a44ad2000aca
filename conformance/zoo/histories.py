"""Witnesses with a history: right in all that they do, until this and that has happened to them in this order.

    after("Tired", "Answers no focus move after ten.", "R-WIRE-023", "MOD/LEN/FOCUS/BV-often",
          (asked(FocusMove),) * 10, FocusMoveResponse, nothing)

A test of one packet in one state sees nothing of such a mistake: only who lives through the history does.

Plan: what happens · what goes wrong · the specimen.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar, Final

from msgspec import Struct, structs

from opalink.conformance.zoo.specimen import Specimen, decoded
from opalink.conformance.zoo.witness import made
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status, Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import Lane, OperationTag, Outcome, Refusal, ResetKind

# ── What happens ─────────────────────────────────────────────────────────────────────────────────────


class Moment(Struct, frozen=True):
    """Something that happens to a module: `body` is what it heard or said, or the operation's tag."""

    kind: str
    body: Any


Step = Callable[[Moment], bool]


def _step(kind: str, of: Callable[[Any], bool], **fields: object) -> Step:
    def happens(m: Moment) -> bool:
        return m.kind == kind and of(m.body) and all(getattr(m.body, f) == v for f, v in fields.items())

    return happens


def did(operation: OperationTag) -> Step:
    """The upper tester did this to it."""
    return _step("operation", lambda body: body == operation)


def asked(kind: type, **fields: object) -> Step:
    """It heard a packet with a body of this class and these fields."""
    return _step("heard", lambda body: type(body) is kind, **fields)


def told(kind: type, **fields: object) -> Step:
    """It said a packet with a body of this class and these fields."""
    return _step("said", lambda body: type(body) is kind, **fields)


# ── What goes wrong ──────────────────────────────────────────────────────────────────────────────────

Change = Callable[[Packet], Packet | None]


def nothing(_: Packet) -> None:
    """It is not said."""


def refused(status: Status) -> Change:
    """It is refused."""
    return lambda packet: structs.replace(packet, status=status, body=Refusal())


def but(**fields: object) -> Change:
    """It says something else in some fields: a value, or what a function makes of the body."""

    def change(packet: Packet) -> Packet:
        new = {f: v(packet.body) if callable(v) else v for f, v in fields.items()}
        return structs.replace(packet, body=structs.replace(packet.body, **new))

    return change


# ── The specimen ─────────────────────────────────────────────────────────────────────────────────────

_decoded: Final = lru_cache(maxsize=8)(decoded)  # many look on at one packet


class Historic(Specimen):
    """Goes wrong once a history is over. A cold start forgets it, as the loss of all power does."""

    history: ClassVar[tuple[Step, ...]] = ()
    kinds: ClassVar[tuple[type, ...]] = ()
    change: ClassVar[tuple[Change]]  # in a tuple, else it were a method
    times: ClassVar[int] = 0  # that it goes wrong; 0 is ever after
    _reached = 0
    _wrong = 0

    def _happens(self, kind: str, body: object) -> None:
        if self._reached < len(self.history) and self.history[self._reached](Moment(kind, body)):
            self._reached += 1

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self._happens("operation", operation.tag)
        return super().operate(operation, now)

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        packet = _decoded(data)
        if packet is not None:
            self._happens("heard", packet.body)
        return super().hears(data, lane)

    def says(self, d: Departure) -> Iterable[Departure]:
        packet = _decoded(d.data)
        if packet is None:
            return (d,)
        over = self._reached == len(self.history) and type(packet.body) in self.kinds
        if not over or (self.times and self._wrong >= self.times):
            self._happens("said", packet.body)
            return (d,)
        self._wrong += 1
        changed = self.change[0](packet)
        return () if changed is None else (structs.replace(d, data=codec.encode(changed)),)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        if kind is ResetKind.COLD:
            self._reached = self._wrong = 0
        super().reset(kind, seed, now)


def after(
    name: str,
    doc: str,
    causes: str,
    selection: str,
    history: tuple[Step, ...],
    kinds: type | tuple[type, ...],
    change: Change,
    *,
    profile: str = "four-thirds",
    times: int = 0,
) -> type[Specimen]:
    """One that, after a history, says packets of some kinds otherwise than it should; None is not at all."""
    several = kinds if isinstance(kinds, tuple) else (kinds,)
    given: Final = {"history": history, "kinds": several, "change": (change,), "times": times}
    return made(Historic, name, doc, causes, selection, profile, **given)
