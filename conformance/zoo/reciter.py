"""A module that answers with what another has answered: nothing that it says is its own.

What a conforming module said in a campaign is noted, packet by packet, with how long it took; in another campaign of
the same tests the same is said at the same places, under the transaction numbers that are asked for now. Under the
nonce that was noted it passes, which is why a laboratory draws one of its own: then other things are asked, and in
another order.

Plan: what is noted · the module that is noted · the reciter.
"""

from collections.abc import Iterable
from functools import cache
from typing import ClassVar

from msgspec import Struct, field, structs

from opalink.conformance.purposes import Plan
from opalink.conformance.zoo.specimen import TXN, Specimen, is_request, is_response, put, txn_of
from opalink.protocol.codec import Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.packets import Lane, Outcome, Plane, ResetKind

# ── What is noted ────────────────────────────────────────────────────────────────────────────────────


class Heard(Struct):
    """Something that came to a module, a packet or an operation, and what it said until the next one; times are since
    then, in nanoseconds."""

    time: int
    said: list[Departure] = field(default_factory=list)


Bound = list[Heard]  # from one binding to the next
SELECTION = "MOD/WIRE/ORDER or MOD/WIRE/TXN/BV-echo or MOD/WIRE/TXN/BV-once"
NOTED = "00" * 16  # the nonce under which it was noted


@cache
def notes(nonce: str, plan: Plan, selection: str) -> list[Bound]:
    """What a conforming module says in a campaign, by binding."""
    from opalink.conformance.campaign import certify  # the rest of the zoo starts without the suite
    from opalink.conformance.runner import Options

    Noted.notes = []
    certify(f"py:{__name__}:Noted", Options(plan, selection=selection, nonce=nonce, plane="packet"))
    return Noted.notes


# ── The module that is noted ─────────────────────────────────────────────────────────────────────────


class Noted(Specimen):
    """The reference module, with a notebook."""

    notes: ClassVar[list[Bound]] = []

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        super().reset(kind, seed, now)
        self.notes.append([Heard(now)])

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        self.notes[-1].append(Heard(self.now))
        return super().hears(data, lane)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self.notes[-1].append(Heard(now))
        return super().operate(operation, now)

    def says(self, d: Departure) -> Iterable[Departure]:
        last = self.notes[-1][-1]
        last.said.append(structs.replace(d, time=d.time - last.time))
        return (d,)


# ── The reciter ──────────────────────────────────────────────────────────────────────────────────────


class Reciter(Specimen):
    """Says at each place what a conforming module said there under another nonce."""

    causes = ("R-WIRE-010",)
    selection = SELECTION
    nonce: ClassVar[str] = NOTED

    def __init__(self) -> None:
        super().__init__()
        self.planes = Plane.PACKET
        self._bindings = iter(notes(self.nonce, self.plan, self.selection))
        self._places = iter(Bound())
        self._due: list[Departure] = []
        self._txn = 0  # of the last request

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        super().reset(kind, seed, now)
        self._places = iter(next(self._bindings, Bound()))
        self._due = []
        self._go_on()

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        if is_request(data):
            self._txn = txn_of(data)
        self._go_on()
        return super().hears(data, lane)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        outcome = super().operate(operation, now)
        self._go_on()
        return outcome

    def _go_on(self) -> None:
        """The next place of the recording."""
        said = next(self._places, Heard(0)).said
        self._due += [structs.replace(d, time=self.now + d.time) for d in said]

    def deadline(self) -> int | None:
        return min((t for t in (super().deadline(), *(d.time for d in self._due)) if t is not None), default=None)

    def outbox(self) -> list[Departure]:
        super().outbox()  # what it would say itself
        due = sorted((d for d in self._due if d.time <= self.now), key=lambda d: d.time)
        self._due = [d for d in self._due if d.time > self.now]
        return [structs.replace(d, data=self._answering(d.data)) for d in due]

    def _answering(self, data: bytes) -> bytes:
        return put(data, TXN, self._txn.to_bytes(2, "little")) if is_response(data) else data
