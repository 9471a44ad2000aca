"""The tester's side of the binding: send packets, let time pass, see what comes back.

    with Bench.open("sim:four-thirds") as bench:
        bench.control(OperationTag.ATTACH, AttachOperation())
        bench.send(data, Lane.SIDEBAND)
        answer = bench.expect(lambda arrival: ..., bench.now + 50_000_000)

In virtual time everything that is sent waits until time passes and then travels with the CLOCK record, so an
exchange is one write and one read. In real time it leaves at once. Nothing waits longer than `patience`, which is
real time in both modes, and nothing grows beyond `flood`: the bytes that a peer may send within one call, where many
small records count as long ones.

What the peer does against the binding raises BindingError with the rule. A peer that is gone or silent raises
Closed or Hang: observations about the implementation, each with what it left behind.

Plan: opening and binding · sending · time · operations · what arrives.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NoReturn, Self, TypedDict, Unpack

from opalink.protocol.codec import Record, encode_record
from opalink.protocol.errors import DecodeError
from opalink.protocol.packets.bodies import (
    Bind,
    ClockAnswer,
    ClockSet,
    ControlRequest,
    ControlResult,
    Log,
    decode_Bind,
    decode_ClockAnswer,
    decode_ControlResult,
    decode_Log,
    encode_Bind,
    encode_ClockSet,
    encode_ControlRequest,
)
from opalink.protocol.packets.enums import BindRole, ClockMode, Lane, OperationTag, Outcome, Plane, RecordKind
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport.channel import PATIENCE, Channel
from opalink.protocol.transport.errors import BenchError, BindingError, Closed, Hang, NotOffered, Unassisted
from opalink.protocol.transport.framing import LANES, NEVER, RecordReader, packet_record
from opalink.protocol.transport.journal import Arrival, Calibration, Entry, lane_changes
from opalink.protocol.transport.uri import IutUri

FLOOD: Final = 64 << 20  # bytes
RECORD: Final = 512  # bytes that a record counts for beside its own: what it takes in memory
TURN: Final = 16 << 10  # bytes for which it counts in `work`: what it takes of a processor
STEPS: Final = 250_000  # of virtual time in one call: a peer that always wants to run a moment later would hold it up
LOGS: Final = 1000

ClockChoice = Literal["auto", "virtual", "real"]
PlaneChoice = Literal["packet", "flit"]
Assistant = Callable[[OperationTag, object], Outcome]  # carries out an operation in the implementation's stead
_PLANES: Final = {"packet": (Plane.PACKET, RecordKind.PACKET), "flit": (Plane.FLIT, RecordKind.FLIT)}


class Choices(TypedDict, total=False):
    """How a bench is to be."""

    clock: ClockChoice
    plane: PlaneChoice
    seed: int
    patience: float
    flood: int
    assistants: Mapping[OperationTag, Assistant] | None
    journaled: bool


# ── Opening and binding ──────────────────────────────────────────────────────────────────────────────


class Bench:
    """A connection to an implementation. `arrivals` is what has come and no `expect` has taken; `journal`, where it is
    kept, every record both ways. Both grow until the caller clears them. `work` is what all that has come has cost, in
    bytes: it grows with each record, however short. `assistants` carry out an operation from outside, whether or not
    the implementation offers it: then in real time."""

    def __init__(
        self,
        channel: Channel,
        *,
        clock: ClockChoice = "auto",
        plane: PlaneChoice = "packet",
        seed: int = 1,
        patience: float = PATIENCE,
        flood: int = FLOOD,
        assistants: Mapping[OperationTag, Assistant] | None = None,
        journaled: bool = False,
    ) -> None:
        self.seed, self.patience = seed, patience
        self.assistants = assistants or {}
        self.virtual = clock != "real" and not self.assistants
        self.peer = Bind()
        self.next = 0  # when the implementation wants to run, as it last said
        self.arrivals: list[Arrival] = []
        self.journal: list[Entry] = []
        self._journaled = journaled
        self.logs: deque[Log] = deque(maxlen=LOGS)
        self._channel, self._flood = channel, flood
        self._reader = RecordReader()
        self._plane, self._kind = _PLANES[plane]
        self._out: list[bytes] = []
        self._awaited: RecordKind | None = RecordKind.BIND
        self._answers: list[Bind | ControlResult | ClockAnswer] = []
        self.work = self._seq = self._now = self._last = self._until = self._epoch = self._accepted = 0
        self.stirred = False  # in virtual time: something was sent that the implementation was given no time for
        self._up: frozenset[int] = frozenset()
        if channel.receive(0):
            raise BindingError("The implementation sends before it has received BIND.", "R-BEN-002")
        self.bind()
        if clock == "auto" and not self.peer.clocks & ClockMode.VIRTUAL:
            self.virtual = False
            self.bind()
        self._check_offer()

    @classmethod
    def open(cls, uri: str | IutUri, **choices: Unpack[Choices]) -> Self:
        """Connect and bind. Raises UriError, Unreachable, NotOffered, and whatever a binding may raise."""
        channel = (IutUri.parse(uri) if isinstance(uri, str) else uri).open(choices.get("patience", PATIENCE))
        try:
            return cls(channel, **choices)
        except BaseException:
            channel.close()
            raise

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def bind(self) -> None:
        """Begin anew: the implementation is as after a cold reset with the contacts open, and time is 0. Raises
        Unassisted where somebody else has to open the contacts, and does not."""
        self._out.clear()
        self._accepted = 0
        clock = ClockMode.VIRTUAL if self.virtual else ClockMode.REAL
        opening = Bind(planes=self._plane, clocks=clock, seed=self.seed, name=b"opalink")
        self._put(Record(RecordKind.BIND, payload=encode_Bind(opening)))
        self.peer = self._settle(RecordKind.BIND)
        self._epoch = time.monotonic_ns()
        self._now = self._last = self.next = 0
        self.stirred = True
        self.arrivals.clear()
        self._up = frozenset() if self.offers(OperationTag.ATTACH) else LANES
        if OperationTag.DETACH in self.assistants and self.control(OperationTag.DETACH).result != Outcome.DONE:
            raise Unassisted("The contacts could not be opened from outside, so nothing can begin.")

    rebind = bind

    def _check_offer(self) -> None:
        peer = self.peer
        if peer.role not in (BindRole.MODULE, BindRole.PHONE):
            raise BindingError(f"What answered is no implementation: its role is {peer.role!r}.")
        if not peer.planes & self._plane:
            raise NotOffered(f"The implementation does not offer the {self._plane.name} plane.")
        if self.virtual and not peer.clocks & ClockMode.VIRTUAL:
            raise NotOffered("The implementation does not offer virtual time.")
        if not self.virtual and not peer.clocks & ClockMode.REAL:
            raise NotOffered("The implementation does not offer real time.")

    def offers(self, operation: OperationTag, *, itself: bool = False) -> bool:
        """Whether the implementation says that it carries out an operation, or, unless it must do so `itself`, somebody
        else does."""
        return bool(self.peer.operations >> operation & 1) or (operation in self.assistants and not itself)

    def use(self, plane: PlaneChoice) -> None:
        """Meet the implementation on a plane from the next binding on. Raises NotOffered."""
        wanted, kind = _PLANES[plane]
        if not self.peer.planes & wanted:
            raise NotOffered(f"The implementation does not offer the {wanted.name} plane.")
        self._plane, self._kind = wanted, kind

    # ── Sending ──

    @property
    def now(self) -> int:
        """The time of the bench in nanoseconds."""
        return self._now if self.virtual else time.monotonic_ns() - self._epoch

    def send(self, data: bytes, lane: Lane) -> None:
        """Send a packet or a FLIT, legal or not, on a lane, up or not."""
        self._put(packet_record(self._kind, lane, self.now, data))
        self._launch()

    def raw(self, data: bytes) -> None:
        """Send bytes that need not be records. In virtual time they wait like packets do."""
        self._out.append(data)
        self._enter(True, data)
        self._launch()

    def _launch(self) -> None:
        self.stirred = True
        if not self.virtual:
            self._flush()

    def _put(self, record: Record) -> None:
        self._out.append(encode_record(record))
        self._enter(True, record)

    def _enter(self, sent: bool, record: Record | bytes) -> None:
        if self._journaled:
            self.journal.append(Entry(self.now, sent, record))

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        try:
            self._channel.send(data)
        except BenchError as error:
            error.evidence = self._channel.evidence()
            raise

    # ── Time ──

    def run(self, until: int) -> None:
        """Let time pass, until `until` at least."""
        self._accepted = 0
        if self.virtual:
            self._step(max(until, self._now))
            return
        while (left := until - self.now) > 0:
            self._receive(left / 1e9)
        self._receive(0)

    def wait(self, until: int) -> None:
        """In real time, let it pass until something arrives, or until then."""
        self._accepted = 0
        self._receive(max(0, until - self.now) / 1e9)

    def expect(self, match: Callable[[Arrival], bool], deadline: int) -> Arrival | None:
        """The first arrival up to `deadline` that matches, taken out of `arrivals`; None if there is none. Time goes on
        only as far as it must: in virtual time to the very moment at which the arrival was due."""
        self._accepted = seen = steps = 0
        while True:
            for i in range(seen, len(self.arrivals)):
                if self.arrivals[i].time <= deadline and match(self.arrivals[i]):
                    return self.arrivals.pop(i)
            seen = len(self.arrivals)
            if not self.virtual:
                if (left := deadline - self.now) < 0:
                    return None  # whatever comes now comes too late, and may never cease
                self._receive(left / 1e9)
            elif self.stirred:  # what was sent may bring the next event forward, so it is delivered first
                self._step(self._now)
            elif self._now >= deadline:
                return None
            elif steps == STEPS:
                raise self._hang(f"The implementation has asked {STEPS} times to run before {deadline} ns.")
            else:
                self._step(min(deadline, self.next))
                steps += 1

    def _step(self, until: int) -> None:
        """Send everything, let virtual time pass up to `until`, take what has arrived by then."""
        self._until = until
        self._put(Record(RecordKind.CLOCK, payload=encode_ClockSet(ClockSet(until))))
        answer: ClockAnswer = self._settle(RecordKind.CLOCK)
        if answer.now != until:
            self._broken(f"The clock was set to {until} ns and is said to be {answer.now} ns", 31)
        if answer.next <= until and answer.next != NEVER:
            self._broken(f"The implementation wants to run next at {answer.next} ns, and it is {until} ns", 37)
        self._now = self._last = until
        self.next = answer.next
        self.stirred = False

    # ── Operations ──

    def control(self, operation: OperationTag | int, value: object = b"") -> ControlResult:
        """Have an operation of the upper tester carried out. `value` is its value class, or bytes."""
        self._seq = self._seq % 0xFFFF + 1
        self._accepted = 0
        down, up = lane_changes(operation, value)
        before, self._up = self._up, self._up | up
        if operation in self.assistants:  # what is on its way then comes later, and nobody can say that it is late
            self.stirred = True
            return ControlResult(self._seq, self.assistants[OperationTag(operation)](OperationTag(operation), value))
        request = ControlRequest(self._seq, (Tlv(operation, value),))
        self._put(Record(RecordKind.CONTROL, payload=encode_ControlRequest(request)))
        result: ControlResult = self._settle(RecordKind.CONTROL)
        self._up = self._up - down if result.result == Outcome.DONE else before
        self.stirred = True
        return result

    def ask(self, kind: RecordKind, payload: bytes) -> Any:
        """Send a BIND, CONTROL or CLOCK record with any payload and return what answers it: for tests of the binding
        itself."""
        if kind == RecordKind.CONTROL:
            self._seq = int.from_bytes(payload[:2], "little")
        self._accepted = 0
        self._put(Record(kind, payload=payload))
        self.stirred = True
        return self._settle(kind)

    def alive(self) -> bool:
        """Whether the implementation still answers; whether it can do what it is asked does not matter."""
        try:
            self.control(OperationTag.VERSION)
        except (Closed, Hang):
            return False
        return True

    def calibrate(self, rounds: int = 200) -> Calibration:
        """Measure the bench: how long it takes, in real time, until an operation without effect is answered."""
        taken = []
        for _ in range(rounds):
            begun = time.monotonic_ns()
            self.control(OperationTag.VERSION)
            taken.append(time.monotonic_ns() - begun)
        taken.sort()
        return Calibration(rounds, taken[rounds // 2], taken[rounds * 99 // 100], taken[-1])

    # ── What arrives ──

    def _settle(self, awaited: RecordKind) -> Any:
        """Send everything and wait for the answer of this kind."""
        self._awaited = awaited
        self._answers.clear()
        self._flush()
        until = time.monotonic() + self.patience
        while not self._answers:
            left = until - time.monotonic()
            if left <= 0 or not self._receive(left):
                raise self._hang(f"{awaited.name} was not answered within {self.patience:g} s.")
        return self._answers.pop()

    def _receive(self, timeout: float) -> bool:
        """Take what arrives within `timeout` seconds; whether anything did."""
        data = self._channel.receive(timeout)
        if data is None:
            return False
        if not data:
            raise Closed("The implementation closed the connection.", self._channel.evidence())
        if self._awaited is not RecordKind.BIND:  # else it is of the last binding, and is not kept
            self._accept(len(data))
        self.work += len(data)
        now = self.now
        for record in self._reader.feed(data):
            self.work += TURN
            if self._awaited is not RecordKind.BIND or record.kind == RecordKind.BIND:
                self._enter(False, record)
            try:
                self._take(record, now)
            except DecodeError as error:
                self._broken(f"A record cannot be read: {error}")
        return True

    def _accept(self, size: int) -> None:
        self._accepted += size
        if self._accepted > self._flood:
            self._broken(f"The implementation sent more than {self._flood} bytes at once")

    def _take(self, record: Record, now: int) -> None:
        kind, payload, end = record.kind, record.payload, len(record.payload)
        if kind == RecordKind.LOG:
            self.logs.append(decode_Log(payload, 0, end))
        elif kind == RecordKind.BIND:
            self._answered(RecordKind.BIND, 1)
            self._answers.append(decode_Bind(payload, 0, end))
        elif self._awaited is RecordKind.BIND:
            pass  # of the last binding
        elif kind in (RecordKind.PACKET, RecordKind.FLIT):
            self._arrive(record, now)
        elif kind == RecordKind.CLOCK:
            self._answered(RecordKind.CLOCK, 32 if self.virtual else 38)
            self._answers.append(decode_ClockAnswer(payload, 0, end))
        elif kind == RecordKind.CONTROL:
            self._answered(RecordKind.CONTROL, 20)
            result = decode_ControlResult(payload, 0, end)
            if result.seq != self._seq:
                self._broken(f"Operation {self._seq} was answered as {result.seq}", 20)
            self._answers.append(result)

    def _answered(self, kind: RecordKind, rule: int) -> None:
        if self._awaited is not kind:
            self._broken(f"The implementation sent {kind.name} unasked", rule)
        self._awaited = None

    def _arrive(self, record: Record, now: int) -> None:
        kind, lane, at = record.kind, record.lane, record.time
        if kind is not self._kind:
            self._broken(f"The implementation sent {kind!r} on the {self._plane.name} plane")
        if lane not in self._up:
            self._broken(f"The implementation sent on {lane!r}, which is down", 10)
        if self.virtual:
            if self._awaited is not RecordKind.CLOCK:
                due = record.timed and at < self._until  # before the answer that has come
                self._broken("The implementation sent while time stood still", 32 if due else 35)
            if not record.timed:
                self._broken("The implementation sent without saying when", 33)
            if at < self._last:
                self._broken(f"The implementation sent at {at} ns after {self._last} ns", 34)
            if at > self._until:
                self._broken(f"The implementation sent at {at} ns; the clock was set to {self._until} ns", 31)
            self._last = now = at
        self._accept(RECORD)
        self.arrivals.append(Arrival(now, lane if type(lane) is Lane else Lane(lane), bytes(record.payload)))

    def _broken(self, text: str, rule: int = 0) -> NoReturn:
        raise BindingError(text, f"R-BEN-{rule:03}" if rule else "")

    def _hang(self, text: str) -> Hang:
        return Hang(text, self._channel.evidence())
