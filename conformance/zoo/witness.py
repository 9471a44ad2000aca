"""Witnesses as data: a module that breaks one rule because it says, hears or answers one thing other than it should.

    saying("Nameless", "Sends frames without a number.", "R-FRM-000", "MOD/CAP/STREAM", FrameLeader, change)

Each factory returns a specimen that the zoo can list. `causes` are the requirements that it is charged with, separated
by spaces, `selection` the tests that show it, `profile` the module that it is.

Plan: the specimen · what it says · what it hears · what it answers.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, ClassVar, Final

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import STATUS, TYPE, Specimen, decoded, is_response, put
from opalink.protocol import codec
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, PacketType
from opalink.spec.form import Profile

Change = Callable[[Any], Any]

_USUAL: Final = "four-thirds"


# ── The specimen ─────────────────────────────────────────────────────────────────────────────────────


def made(
    base: type[Specimen],
    name: str,
    doc: str,
    causes: str,
    selection: str,
    profile: str | Profile = _USUAL,
    **given: object,
) -> type[Specimen]:
    """A kind of specimen with these facts. It meets every test of its `selection`, which is what keeps that small."""
    facts = {"__doc__": doc, "causes": tuple(causes.split()), "selection": selection, "profile": profile}
    return type(name, (base,), {**facts, "plan": Plan.CI, "__module__": __name__, **given})


class OfOneKind(Specimen):
    """What is about packets around one value class, `kind`."""

    kind: ClassVar[type]
    change: ClassVar[tuple[Change]]  # in a tuple, else it were a method

    def reworded(self, data: bytes) -> bytes | None:
        """A packet with what `change` makes of its body; None if that is nothing."""
        packet = decoded(data) if data[TYPE] in _codes(self.kind) else None
        if packet is None or type(packet.body) is not self.kind:
            return data
        body = self.change[0](packet.body)
        return None if body is None else codec.encode(structs.replace(packet, body=body))


@cache
def _codes(kind: type) -> frozenset[int]:
    """The types of packets with this layout."""
    return frozenset(p.code for p in catalogue().packets if kind.__name__ in p.forms.values())


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────


class Saying(OfOneKind):
    """Says some packets with another body than it should, or not at all."""

    def says(self, d: Departure) -> Iterable[Departure]:
        data = self.reworded(d.data)
        return () if data is None else (structs.replace(d, data=data),)


def saying(
    name: str, doc: str, causes: str, selection: str, kind: type, change: Change, profile: str = _USUAL
) -> type[Specimen]:
    """One that sends what `change` makes of each body of a value class; nothing where that is None."""
    return made(Saying, name, doc, causes, selection, profile, kind=kind, change=(change,))


# ── What it hears ────────────────────────────────────────────────────────────────────────────────────


class Hearing(OfOneKind):
    """Takes some packets for others, or does not hear them."""

    def hears(self, data: bytes, lane: Lane) -> bytes | None:  # noqa: ARG002
        return self.reworded(data) if len(data) > TYPE else data


def hearing(
    name: str, doc: str, causes: str, selection: str, kind: type, change: Change, profile: str = _USUAL
) -> type[Specimen]:
    """One that takes each body of a value class for what `change` makes of it; None is never heard."""
    return made(Hearing, name, doc, causes, selection, profile, kind=kind, change=(change,))


# ── What it answers ──────────────────────────────────────────────────────────────────────────────────


class Answering(Specimen):
    """Answers requests of one type with one status in the place of another."""

    asked: ClassVar[PacketType]
    instead: ClassVar[Status]
    of: ClassVar[Status]

    def says(self, d: Departure) -> Iterable[Departure]:
        wrong = is_response(d.data) and d.data[TYPE] == self.asked and d.data[STATUS] == self.of
        return (structs.replace(d, data=put(d.data, STATUS, bytes([self.instead]))) if wrong else d,)


def answering(
    name: str,
    doc: str,
    causes: str,
    selection: str,
    asked: PacketType,
    instead: Status,
    of: Status,
    profile: str = _USUAL,
) -> type[Specimen]:
    """One that answers requests of a type with the status `instead` where it should answer `of`."""
    given = {"asked": asked, "instead": instead, "of": of}
    return made(Answering, name, doc, causes, selection, profile, **given)
