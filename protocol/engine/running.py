"""What runs in a side of the link whether packets come or not: its parts, machines, timers, counters and signals.

Plan: making it and starting over · parts · time · signals.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Final, TypeVar

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.clock import Clock
from opalink.protocol.engine.counters import Counters
from opalink.protocol.engine.dispatch import Part
from opalink.protocol.engine.machine import Cause, Run
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import CounterId, Outcome
from opalink.spec.form import Event, Line, Local, Role, met

_HEARD: Final = Local("heard")
_SENT: Final = Local("sent")

P = TypeVar("P", bound=Part)


class Running:
    """A side without its packets: see `endpoint.Endpoint`."""

    operations = 0  # of the upper tester: flags of Operation
    gate = ""  # the machine whose states say what is legal
    kept: tuple[CounterId, ...] = ()  # counters beside those that every side keeps

    def __init__(
        self, role: Role, name: str, features: Iterable[str], parts: Sequence[type[Part]], catalogue: ir.Catalogue
    ) -> None:
        self.role, self.name, self.catalogue = role, name, catalogue
        self.features = frozenset(features)
        self.clock = Clock()
        self.random = Random(0)
        self.counters = Counters(self.kept)
        self.source = role is Role.PHONE  # whether this side supplies power
        self.link_offset = 0  # link time less this side's own
        self._signals: deque[Event] = deque()
        self._heard = self._sent = False
        machines = {m.name: m.within(self.features) for m in catalogue.machines if m.role is role}
        needs = {p: machines[p.machine].needs if p.machine else p.needs for p in parts}
        self._parts = [p(self) for p in parts if met(needs[p], self.features)]
        # A part is found by its class and by the one that it stands in for.
        self._by_class: dict[type[Part], Any] = {
            c: part for part in self._parts for c in type(part).__mro__ if issubclass(c, Part)
        }
        self._owners = tuple(type(part).__name__.lower() for part in self._parts)  # of the timers of parts
        self.runs: dict[str, Run] = {}
        for part in self._parts:
            if part.machine:
                part.run = self.runs[part.machine] = Run(machines[part.machine], part, self, catalogue.timer)
        self._gate = self.runs[self.gate]
        self._on_heard, self._on_sent = self._gate.rows(_HEARD), self._gate.rows(_SENT)
        self._hearers: dict[Event, tuple[Run, ...]] = {}

    def start_over(self, seed: int, now: int) -> None:
        """As after the loss of all power, with the contacts open."""
        self.clock.reset(now)
        self.random.seed(seed or None)
        self.counters.reset()
        self.link_offset = 0
        self._signals.clear()
        self._heard = self._sent = False
        for run in self.runs.values():
            run.restart()
        self.restart_parts()

    # ── Parts ──

    def find(self, part: type[P]) -> P | None:
        """A part of this side, if its features call for it."""
        found: P | None = self._by_class.get(part)
        return found

    def part(self, part: type[P]) -> P:
        """A part that is always there."""
        found = self.find(part)
        if found is None:
            raise KeyError(part.__name__)
        return found

    def restart_parts(self) -> None:
        """Have every part forget what a loss of power forgets."""
        self.clock.stop_all(*self._owners)
        for part in self._parts:
            part.restart()

    # ── What its machines ask of it ──

    def send(self, body: Any) -> Any:
        """Send a request or an event, if it may and can be sent now."""
        raise NotImplementedError

    def answer(self, cause: Cause, status: Status) -> None:
        """Answer the request of a cause as a machine decided."""
        raise NotImplementedError

    # ── Time, counters ──

    @property
    def now(self) -> int:
        return self.clock.now

    @property
    def link_time(self) -> int:
        """The phone's clock, as far as this side knows it."""
        return max(0, self.clock.now + self.link_offset)

    def count(self, what: CounterId) -> None:
        self.counters.add(what, self.link_time)

    def deadline(self) -> int | None:
        """When this side next wants to run, if nothing arrives before."""
        return self.clock.deadline()

    def advance(self, now: int) -> None:
        """Run all timers that are due up to `now`."""
        self.clock.run(now, self.settle)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        """Carry out an operation of the upper tester."""
        self.clock.run(now - 1, self.settle)
        self.clock.now = max(self.clock.now, now)
        result = self.carry_out(operation)
        self.settle()
        return result

    def carry_out(self, operation: Tlv) -> tuple[Outcome, tuple[Tlv, ...]]:
        """What `operate` does between the timers before it and the signals that it raises."""
        raise NotImplementedError

    # ── Signals ──

    def signal(self, name: str) -> None:
        """Raise a local event; it is delivered once what is being done is done."""
        self._signals.append(Local(name))

    def line(self, name: str) -> None:
        """Something has happened outside."""
        self._signals.append(Line(name))

    def settle(self) -> None:
        """Deliver what was raised, in order, until nothing is left. `heard` and `sent` stand for any number."""
        while True:
            if self._signals:
                event = self._signals.popleft()
                for run in self._hearing(event):
                    run.fire(event, Cause())
                self.raised(event)
            elif self._heard:
                self._heard = False
                self._gate.fire_rows(self._on_heard, Cause())
            elif self._sent:
                self._sent = False
                self._gate.fire_rows(self._on_sent, Cause())
            else:
                return

    def raised(self, event: Event) -> None:
        """Sees every signal and line after the machines did."""

    def _hearing(self, event: Event) -> tuple[Run, ...]:
        found = self._hearers.get(event)
        if found is None:
            found = self._hearers[event] = tuple(r for r in self.runs.values() if r.knows(event))
        return found
