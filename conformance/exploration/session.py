"""The session of an exploration: a tester's session whose whole exchange is watched by a judge, and can be performed
again.

What a machine of the exploration says goes out through `say`; what preambles and the tester's phone say goes out as
ever. After each message STATE_GET tells where the machines are. An operation is noted as `operation NAME HEX`, with the
bytes of its value: that, and the bytes of the packets, is all that a replay needs.

Plan: operations as notes · the watched session: taking part, saying, looking, ending · the meeting.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final, Self

from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.conclusions import Fail
from opalink.conformance.exploration.judge import LONGEST_OFF, Judge
from opalink.conformance.papers.pixit import PATIENCE
from opalink.conformance.runner import Options, Runner
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.session import Known, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, OperationTag, Outcome, Status
from opalink.protocol.transport import Bench, BenchError, BindingError, Hang, NotOffered
from opalink.protocol.transport.bench import ClockChoice
from opalink.spec.form import MS, Role

# ── Operations as notes ──────────────────────────────────────────────────────────────────────────────

_NOTE: Final = re.compile(r"operation ([a-z_]{1,40}) ((?:[0-9a-f]{2})*)")


def layout_of(operation: OperationTag) -> str:
    """The layout of an operation's value."""
    return next(t.layout for t in catalogue().space["operations"].types if t.tag == operation)


def note_of(operation: OperationTag, value: Any) -> str:
    """An operation in words that say all of it."""
    data = value if isinstance(value, bytes) else codec.encode_layout(layout_of(operation), value)
    return f"operation {operation.name.lower()} {data.hex()}"


def operation_of(note: str) -> tuple[OperationTag, Any] | None:
    """The operation that a note says, and its value; None if it says none. Raises ValueError where it says one that
    there is not."""
    found = _NOTE.fullmatch(note)
    if found is None:
        return None
    name, data = found.groups()
    if name.upper() not in OperationTag.__members__:
        raise ValueError(f"no operation is called {name}")
    operation = OperationTag[name.upper()]
    try:
        return operation, codec.decode_layout(layout_of(operation), bytes.fromhex(data))
    except codec.DecodeError as error:
        raise ValueError(f"the operation {name} cannot be read: {error}") from None


# ── The watched session ──────────────────────────────────────────────────────────────────────────────


class Watched(Session):
    """A session that tells its judge all that happens in it."""

    def __init__(self, bench: Bench, monitor: Monitor, known: Known, features: frozenset[str]) -> None:
        self.judge = Judge(monitor, features, exact=bench.virtual)
        self.said = hashlib.sha256()  # all that it sends, one exchange after the other
        self._own = True  # whether the monitor knows of what is sent
        super().__init__(bench, monitor, known)
        self._patience = self.catalogue.timer["tResponse"].max or 0
        self._restart = self.catalogue.timer["tBeaconAfterPower"].max or 0

    # ── Taking part ──

    def hang_up(self) -> None:
        super().hang_up()
        self.reacts = self.attend  # what the tester's phone does by itself
        self.attend = self._watch

    def _watch(self, heard: Heard) -> None:
        self.judge.heard(heard)
        if heard.asked is not None and heard.status == Status.OK and isinstance(heard.body, p.HelloResponse):
            self.hello, self.greeting = heard.asked.body, heard.body
        self.reacts(heard)

    def begin(self, seed: int) -> None:
        self.judge.begin()
        super().begin(seed)
        if not self.offers(OperationTag.ATTACH):
            self.judge.attached()

    def send(self, data: bytes, lane: int, note: str = "") -> None:
        self.judge.sent(data, lane, self.now, said=self._own)
        self.said.update(data)
        super().send(data, lane, note)

    def attempt(self, operation: OperationTag, value: Any = b"") -> Any:
        self.settle()
        at = len(self.steps)
        result = super().attempt(operation, value)
        self.steps[at] = Step(self.steps[at].time, Actor.BENCH, note=note_of(operation, value))
        if result.result == Outcome.DONE:
            self.judge.acted(operation, value)
        return result

    # ── Saying ──

    def put(self, data: bytes, lane: int) -> None:
        """Send bytes of which the monitor does not know yet."""
        self._own = False
        try:
            self.send(data, lane)
        finally:
            self._own = True

    def say(self, data: bytes, lane: int) -> None:
        """Send a message, find out what becomes of it and where it leaves the machines."""
        self.settle()
        self.put(data, lane)
        asked = self.monitor.open.get(int.from_bytes(data[6:8], "little"))
        look = self._ask_where()  # goes with the message: one way there and back for both
        if asked is not None and asked.code == data[1] and not data[0] >> 3 & 1:
            self._answer(asked)
        self._where(look)

    def _answer(self, asked: Asked) -> Heard | None:
        """The answer to a request, or PENDING."""

        def answers(heard: Heard) -> bool:
            if isinstance(heard.body, p.Pending):
                return bool(heard.body.txn == asked.txn)
            return heard.packet is not None and bool(heard.packet.rsp) and heard.packet.txn == asked.txn

        return self.take(answers, self._patience + self.monitor.slack + MS)

    # ── Looking ──

    def look(self) -> None:
        """Find out where the machines are."""
        self._where(self._ask_where())

    def _ask_where(self) -> Asked | None:
        return self.request(p.StateGet(), lane=Lane.SIDEBAND) if self.judge.reachable else None

    def _where(self, asked: Asked | None) -> None:
        if asked is None:
            self.clear()
        else:
            self._answer(asked)
        self.inbox.clear()

    # ── Ending ──

    def finish(self) -> None:
        """The exchange is over: the implementation still works, if need be after the longest time for which a packet
        can have its power away."""
        for wait in (self._restart, LONGEST_OFF):
            if not self.judge.awaits():
                break
            self.let(wait)
            self.look()
        self.judge.end(self.now)


# ── The meeting ──────────────────────────────────────────────────────────────────────────────────────

BUDGET: Final = 20.0  # seconds of real time for one exchange


class Meeting:
    """A module and a watched session with it, on the packet plane. Raises what a bench may raise; NotOffered too where
    the implementation is no module, or shows nothing of itself."""

    def __init__(self, uri: str, *, seed: int = 1, clock: ClockChoice = "auto", patience: float = PATIENCE) -> None:
        self.uri = uri
        self._runner = Runner(uri, Options(seed=seed, clock=clock, plane="packet", patience=patience), catalogue())
        try:
            if self._runner.role is not Role.MODULE:
                raise NotOffered(f"{uri} is a phone: only modules are explored so far.")
            self._runner.probe()
            known = self._runner.known
            if not known.reached:
                raise NotOffered(f"No session could be opened with {uri}: `opalink certify` says why.")
            self.session = Watched(self._runner.bench, self._runner.monitor, known, known.features)
            self.session.budget = BUDGET
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def judged(self) -> Iterator[None]:
        """Something is done to the module: what that shows is charged, also when its connection ends of it."""
        judge = self.session.judge
        try:
            yield
        except Fail as fail:
            judge.broken(fail.charged[0] if fail.charged else "R-WIRE-021", "answer", fail.expected, fail.actual)
        except BenchError as gone:
            self._died(gone)
        judge.charge()

    def _died(self, gone: BenchError) -> None:
        """A connection has ended: note how, and open another one."""
        judge = self.session.judge
        if isinstance(gone, BindingError):
            judge.broken(gone.rule or "R-BEN-008", "binding", "the rules of the bench binding", str(gone))
        else:
            kind = "hang" if isinstance(gone, Hang) else "crash"
            judge.broken("R-WIRE-021", kind, "an implementation that goes on working", str(gone))
        if not self._runner.reconnect():
            raise NotOffered(f"{self.uri} went away and did not come back.")
        self.session.bench = self._runner.bench

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
