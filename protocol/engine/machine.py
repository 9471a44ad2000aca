"""The executor of the declared machines: one `Run` for each machine of a side.

A machine is compiled once: every (event, state) leads straight to its rows, and every word of a row (guard, effect,
packet to be filled) is bound to a method of the machine's part by its name: `when_…`, `do_…`, `fill_…`. A word without
its method is an error here, before anything runs, so that a machine and the code behind it cannot drift apart.

The state is left before the actions are done: what a row sends tells of the state that it leads to. With it go the
timers that the state entered does not wait for.

Plan: what an event brings · the sides of a run · words · the run.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from opalink.protocol.codec import Packet, Status
from opalink.protocol.engine.clock import Clock
from opalink.protocol.packets import Lane
from opalink.spec import form
from opalink.spec.form import Event, Machine, Timer


class Cause(Struct):
    """What an event brings along. `asked` is this side's own request where a response to it arrived; `reply` what a
    request was answered with; `row` the row that fires and `left` the state that it leaves; `reasons` the status codes
    of which the packet that is to be sent carries one."""

    packet: Packet | None = None
    lane: Lane = Lane.NONE
    asked: Packet | None = None
    reply: Any = None
    row: form.Row | None = None
    left: str = ""
    reasons: tuple[Status, ...] = ()

    @property
    def arrived(self) -> Packet:
        """The packet of an event that is one."""
        if self.packet is None:
            raise TypeError("no packet has arrived")
        return self.packet

    @property
    def body(self) -> Any:
        """The value class that has arrived, or None."""
        return self.packet.body if self.packet else None


Guard = Callable[[Cause], bool]
Effect = Callable[[Cause], Any]


class Side(Protocol):
    """What a run asks of the endpoint that it belongs to."""

    clock: Clock

    @property
    def link_time(self) -> int: ...

    def send(self, body: Any) -> Any: ...
    def answer(self, cause: Cause, status: Status) -> None: ...
    def signal(self, name: str) -> None: ...


class MissingWordsError(TypeError):
    """A machine uses words that the part behind it does not know."""


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────


def words(machine: Machine) -> set[str]:
    """The methods that a machine needs behind it."""
    needed = {f"when_{guard.removeprefix('!')}" for row in machine.rows for guard in row.guards}
    for row in machine.rows:
        for action in row.actions:
            match action:
                case form.Do(effect=name):
                    needed.add(f"do_{name}")
                case form.Send(packet=name):
                    needed.add(f"fill_{name.lower()}")
    return needed


def provided(part: object) -> set[str]:
    """The methods of a part that are words."""
    return {name for name in dir(part) if name.startswith(("when_", "do_", "fill_"))}


def timed(machine: Machine) -> set[str]:
    """The requests whose response a timer of the machine waits for: it says what becomes of one without."""
    return {
        action.packet
        for row in machine.rows
        if any(isinstance(action, form.Start) for action in row.actions)
        for action in row.actions
        if isinstance(action, form.Send) and action.form is form.Form.REQUEST
    }


def duration(timer: Timer, edge: form.Edge = form.Edge.NOMINAL) -> int:
    """What a timer is started with: the time asked for, else the one that there is."""
    asked = timer.max if edge is form.Edge.MAX else timer.nominal
    found = next((t for t in (asked, timer.nominal, timer.max, timer.min) if t is not None), None)
    if found is None:
        raise ValueError(f"{timer.name} has no time")
    return found


# ── The run ──────────────────────────────────────────────────────────────────────────────────────────


class _Bound(Struct, frozen=True):
    """A row with its words looked up."""

    row: form.Row
    guards: tuple[tuple[Guard, bool], ...]
    actions: tuple[Effect, ...]


class Run:
    """A machine that runs. `entered` and `reason` are when and why it came to its state; `on_row` sees every row
    that fires. Where several of one machine run on a side, `key` tells them apart."""

    def __init__(
        self, machine: Machine, part: object, side: Side, timers: Mapping[str, Timer], key: object = None
    ) -> None:
        missing = sorted(words(machine) - provided(part))
        if missing:
            raise MissingWordsError(f"{machine.name}: {type(part).__name__} lacks {', '.join(missing)}")
        self.machine, self.name = machine, machine.name
        self._side, self._part, self._key = side, part, key
        self._timers = timers
        self._numbers = {s.name: i for i, s in enumerate(machine.states)}
        self._table: dict[Event, dict[str, tuple[_Bound, ...]]] = {}
        for row in machine.rows:
            bound = _Bound(row, tuple(map(self._guard, row.guards)), tuple(map(self._action, row.actions)))
            at = self._table.setdefault(row.event, {})
            for state in row.states:
                at[state] = (*at.get(state, ()), bound)
        waits = {s.name: machine.waits(s.name) for s in machine.states}
        every = frozenset[str]().union(*waits.values())
        self._ended = {s: tuple((self.name, key, t) for t in sorted(every - found)) for s, found in waits.items()}
        self.on_row: Callable[[Run, form.Row, str], None] | None = None
        self.restart()

    def restart(self) -> None:
        """Back to the first state, without any action."""
        self.state, self.entered, self.reason = self.machine.initial, self._side.link_time, Status.OK

    @property
    def number(self) -> int:
        """The state's number on the wire: its place in the machine's list."""
        return self._numbers[self.state]

    def rows(self, event: Event) -> dict[str, tuple[_Bound, ...]]:
        """The rows for an event by state; none where the machine does not know it."""
        return self._table.get(event, {})

    def knows(self, event: Event) -> bool:
        return event in self._table

    def fire(self, event: Event, cause: Cause) -> bool:
        """Let an event happen. Returns whether a row fired."""
        at = self._table.get(event)
        return at is not None and self.fire_rows(at, cause)

    def fire_rows(self, at: dict[str, tuple[_Bound, ...]], cause: Cause) -> bool:
        """The same for an event whose `rows` were looked up before."""
        for bound in at.get(self.state, ()):
            for guard, wanted in bound.guards:
                if bool(guard(cause)) is not wanted:
                    break
            else:
                self._take(bound, cause)
                return True
        return False

    def _take(self, bound: _Bound, cause: Cause) -> None:
        cause.row, cause.left = bound.row, self.state
        target = bound.row.next
        if self.on_row is not None:
            self.on_row(self, bound.row, self.state)
        if target is not None and target != self.state:
            self.state, self.entered, self.reason = target, self._side.link_time, Status.OK
            stop = self._side.clock.stop
            for timer in self._ended[target]:
                stop(timer)
        for action in bound.actions:
            action(cause)

    # ── Binding ──

    def _guard(self, name: str) -> tuple[Guard, bool]:
        return getattr(self._part, f"when_{name.removeprefix('!')}"), not name.startswith("!")

    def _action(self, action: form.Action) -> Effect:
        side = self._side
        match action:
            case form.Do(effect=name):
                effect: Effect = getattr(self._part, f"do_{name}")
                return effect
            case form.Send(packet=name, reasons=reasons):
                return self._sending(getattr(self._part, f"fill_{name.lower()}"), tuple(Status[r] for r in reasons))
            case form.Answer(status=name):
                status = Status[name]
                return lambda cause: side.answer(cause, status)
            case form.Signal(name=name):
                return lambda _: side.signal(name)
            case form.Start(timer=name, edge=edge):
                clock, key, expire = side.clock, (self.name, self._key, name), self._expiring(name)
                wait = duration(self._timers[name], edge)
                return lambda _: clock.start(key, wait, expire)
            case form.Stop(timer=name):
                clock, key = side.clock, (self.name, self._key, name)
                return lambda _: clock.stop(key)

    def _sending(self, fill: Effect, reasons: tuple[Status, ...]) -> Effect:
        def send(cause: Cause) -> None:
            cause.reasons = reasons
            self._side.send(fill(cause))

        return send

    # ── Timers ──

    def start(self, timer: str, wait: int) -> None:
        """Arm a timer anew."""
        self._side.clock.start((self.name, self._key, timer), wait, self._expiring(timer))

    def stop(self, timer: str) -> None:
        self._side.clock.stop((self.name, self._key, timer))

    def running(self, timer: str) -> bool:
        return self._side.clock.running((self.name, self._key, timer))

    def _expiring(self, timer: str) -> Callable[[], None]:
        """What a timer does when it is due."""
        event = form.Expired(timer)

        def expire() -> None:
            self.fire(event, Cause())

        return expire
