"""How long a user waits for the first frame, and who takes the time: the phone, the module, or both while they train.

    cold("four-thirds").whole          # ns from the contacts to the end of the first frame

The parts are as fast as the nominal values of the timers say; what a camera takes to start, to expose and to read out
its modes say. Time is told: the same on every machine.

Plan: what came of it · parts that take their time · a meeting that is watched · whose time it is · cold and warm.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

from opalink.protocol.channel.events import Outage
from opalink.protocol.channel.scenario import Scenario
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.frames import Frame
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, OperationTag, Outcome, PacketType
from opalink.spec.form import MS, SECOND, Role
from opalink.spec.limits import FIRST_FRAME_COLD, FIRST_FRAME_WARM

COLD: Final = FIRST_FRAME_COLD * MS
WARM: Final = FIRST_FRAME_WARM * MS
_ANSWER: Final = 2 * MS  # that a part takes for a request whose answer has no timer of its own
_PATIENCE: Final = 3 * SECOND
_SETTLED: Final = 100 * MS
_FROM: Final = 600 * MS  # when it grows dark: the camera is open by then
_DARK: Final = 200 * MS

# ── What came of it ──────────────────────────────────────────────────────────────────────────────────


class FirstFrame(Struct, frozen=True):
    """Times in ns: `whole` from the beginning to the end of the first frame, `module` and `training` their shares of
    it; the rest is the phone's. `steps` are the moments on the way, from the beginning."""

    whole: int
    module: int
    training: int
    steps: tuple[tuple[str, int], ...]

    @property
    def phone(self) -> int:
        return self.whole - self.module - self.training


# ── Parts that take their time ───────────────────────────────────────────────────────────────────────

_Key = tuple[int, int]  # type, and whether it is a response


def _of(data: bytes) -> _Key:
    return data[1], data[0] >> 3 & 1


# What begins and what ends a step whose nominal time a timer says.
_TIMED: Final[dict[_Key, tuple[_Key, str]]] = {
    (PacketType.HELLO, 0): ((PacketType.BEACON, 0), "tTrain"),
    (PacketType.HELLO, 1): ((PacketType.HELLO, 0), "tHello"),
    (PacketType.DESC_READ, 1): ((PacketType.DESC_READ, 0), "tDescRead"),
    (PacketType.PWR_READY, 0): ((PacketType.PWR_REQUEST, 1), "tPwrTransition"),
}
_APART: Final = frozenset({(int(PacketType.PWR_READY), 0)})  # the supply does not keep its side from speaking


class Paced(Gateway):
    """What lies between two sides whose parts take their nominal time; `passed` is what has left them, and when."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._timers = catalogue().timer
        self._since: dict[_Key, int] = {}
        self._waiting: dict[Role, deque[tuple[int, Lane, bytes]]] = {Role.PHONE: deque(), Role.MODULE: deque()}
        self._apart: list[tuple[int, Role, Lane, bytes]] = []
        self.passed: list[tuple[int, Role, _Key]] = []

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        due, key = self._due(data, now), _of(data)
        if key in _APART:
            self._apart.append((due, role, lane, data))
        else:
            before = self._waiting[role]
            before.append((max(due, before[-1][0] if before else 0), lane, data))
        self._release(now)

    def _due(self, data: bytes, now: int) -> int:
        key = _of(data)
        self._since.setdefault(key, now)
        if key in _TIMED:
            begins, timer = _TIMED[key]
            nominal = self._timers[timer].nominal or 0
            return max(now, self._since.pop(begins, now - nominal) + nominal)
        return now + _ANSWER if key[1] else now

    def _release(self, now: int) -> None:
        for role, waiting in self._waiting.items():
            while waiting and waiting[0][0] <= now:
                _, lane, data = waiting.popleft()
                self._pass(role, lane, data, now)
        for due, role, lane, data in [held for held in self._apart if held[0] <= now]:
            self._apart.remove((due, role, lane, data))
            self._pass(role, lane, data, now)

    def _pass(self, role: Role, lane: Lane, data: bytes, now: int) -> None:
        self.passed.append((now, role, _of(data)))
        super().send(role, lane, data, now)

    def arrivals(self, now: int, /) -> list[tuple[Role, Lane, bytes]]:
        self._release(now)
        return super().arrivals(now)

    def deadline(self, now: int, /) -> int | None:
        times = [waiting[0][0] for waiting in self._waiting.values() if waiting] + [held[0] for held in self._apart]
        below = super().deadline(now)
        return min([*times, below] if below is not None else times, default=None)


# ── A meeting that is watched ────────────────────────────────────────────────────────────────────────


class Watched(Meeting):
    """`powered_at` is when the module last got power, `frame_at` when a frame last came whole."""

    def __init__(self, profile: str, scenario: Scenario) -> None:
        self.paced = Paced(scenario)
        self.powered_at = self.frame_at = 0
        super().__init__(Phone(), Module(profile), self.paced)
        self.phone.on_frame = self._framed

    def operate(self, tag: OperationTag, value: object) -> Outcome:
        if tag is OperationTag.ATTACH:
            self.powered_at = self.now
        return super().operate(tag, value)

    def _framed(self, frame: Frame) -> None:
        if not frame.missing:
            self.frame_at = self.now

    def until(self, done: Callable[[], bool]) -> None:
        """Raises RuntimeError where it never comes."""
        if not self.run_until(done, self.now + _PATIENCE):
            states = ", ".join(f"{name} {run.state}" for name, run in self.phone.runs.items())
            raise RuntimeError(f"after {self.now} ns the phone is in {states}")

    def known(self) -> None:
        """Put the module on, until it is known and supplied, and nothing is left to be done."""
        self.put_on()
        self.until(lambda: self.phone.reader.complete and self.phone.supply.contract is not None)
        self.run(self.now + _SETTLED)

    def first(self, since: int) -> FirstFrame:
        """The first frame that comes whole from now on, with the times that passed since a moment."""
        self.until(lambda: self.frame_at > since)
        shares = {"module": 0, "training": 0, "phone": 0}
        steps = [(name, at - since) for name, at in self._steps(since)]
        for (at, whose), (to, _) in pairwise([*self._owners(since), (self.frame_at, "")]):
            shares[whose] += max(0, min(to, self.frame_at) - max(at, since))
        return FirstFrame(self.frame_at - since, shares["module"], shares["training"], tuple(steps))

    # ── Whose time it is ──

    def _owners(self, since: int) -> Iterator[tuple[int, str]]:
        """Whose time it is from each moment on. It is the module's while it owes its BEACON, an answer or a frame; to
        train takes both; all else is the phone's."""
        owed: set[int] = set()
        started, after = False, "phone"
        yield since, "phone"
        if self.powered_at > since:
            yield self.powered_at, "module"
        for time, role, (kind, response) in self.paced.passed:
            if time < since:
                continue
            if kind == PacketType.BEACON:
                after = "training" if role is Role.MODULE else after
            elif role is Role.PHONE and not response and kind in _AWAITED:
                owed.add(kind)
                after = "phone"
            elif role is Role.MODULE and response:
                owed.discard(kind)
                started = started or kind == PacketType.STREAM_CONTROL
            elif kind == PacketType.FRAME_LEADER:
                started = True
            yield time, "module" if owed or started else after

    def _steps(self, since: int) -> Iterator[tuple[str, int]]:
        """What is worth a name, when it was first so."""
        names = dict(_NAMED)
        if self.powered_at > since:
            yield "power", self.powered_at
        for time, role, key in self.paced.passed:
            if time >= since and (role, key) in names:
                yield names.pop((role, key)), time
        yield "whole frame", self.frame_at


_M, _P = Role.MODULE, Role.PHONE
_AWAITED: Final = frozenset(
    {
        PacketType.HELLO,
        PacketType.DESC_READ,
        PacketType.MODE_TABLE,
        PacketType.STREAM_CONFIGURE,
        PacketType.STREAM_CONTROL,
    }
)
_NAMED: Final[dict[tuple[Role, _Key], str]] = {
    (_M, (PacketType.BEACON, 0)): "the module's BEACON",
    (_P, (PacketType.HELLO, 0)): "trained, HELLO",
    (_M, (PacketType.HELLO, 1)): "session",
    (_M, (PacketType.DESC_READ, 1)): "descriptor",
    (_M, (PacketType.MODE_TABLE, 1)): "modes",
    (_P, (PacketType.PWR_READY, 0)): "contract",
    (_P, (PacketType.STREAM_CONTROL, 0)): "START",
    (_M, (PacketType.FRAME_LEADER, 0)): "leader",
}

# ── Cold and warm ────────────────────────────────────────────────────────────────────────────────────


def cold(profile: str) -> FirstFrame:
    """From the contacts on, with a module of which nothing is known, in the maker's favourite mode. Raises RuntimeError
    where no frame comes."""
    meeting = Watched(profile, Scenario("quiet"))
    meeting.phone.user.open()
    meeting.put_on()
    return meeting.first(0)


def warm(profile: str) -> FirstFrame:
    """From the wish on, in a session that stands. Raises RuntimeError where no frame comes."""
    meeting = Watched(profile, Scenario("quiet"))
    meeting.known()
    begun = meeting.now
    meeting.phone.user.open()
    return meeting.first(begun)


def resumed(profile: str) -> FirstFrame:
    """From the light's return on, with the camera open. Raises RuntimeError where no frame comes."""
    back = _FROM + _DARK
    dark = Outage(at_ms=_FROM / MS, for_ms=_DARK / MS)
    meeting = Watched(profile, Scenario("dark", event=(dark,)))
    meeting.known()
    meeting.phone.user.open()
    meeting.run(back)
    return meeting.first(back)
