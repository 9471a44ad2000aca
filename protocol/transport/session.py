"""The implementation's side of the binding, without I/O: bytes in, bytes out.

An endpoint knows packets, lanes and operations; a session knows records and time, and keeps the rules of
`opalink.spec.bench` on the endpoint's behalf. Whatever a tester sends, only two things come of it: answers, and
BindingError for a record above the limit, upon which whoever owns the connection closes it.

In virtual time the endpoint's timers run one after the other, each at the time at which it is due, and what it sends
bears that time; so two events a nanosecond apart stay apart, however far the tester's clock leaps.

Plan: what a session serves · the session · records · operations · time.
"""

import time
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final, Protocol

from opalink.protocol.codec import Record, encode_record
from opalink.protocol.engine.lanes import Lanes
from opalink.protocol.errors import DecodeError
from opalink.protocol.packets.bodies import (
    Bind,
    ClockAnswer,
    ControlResult,
    Log,
    decode_Bind,
    decode_ClockSet,
    decode_ControlRequest,
    encode_Bind,
    encode_ClockAnswer,
    encode_ControlResult,
    encode_Log,
)
from opalink.protocol.packets.enums import (
    BindRole,
    ClockMode,
    Lane,
    LogSeverity,
    OperationTag,
    Outcome,
    Plane,
    RecordKind,
    ResetKind,
)
from opalink.protocol.runtime import Buffer, Tlv, decode_tlvs
from opalink.protocol.transport.errors import Closed
from opalink.protocol.transport.framing import LANES, NEVER, RecordReader, packet_record
from opalink.spec.form import Role

CLOCKS: Final = (ClockMode.REAL, ClockMode.VIRTUAL)
_KINDS: Final = {Plane.PACKET: RecordKind.PACKET, Plane.FLIT: RecordKind.FLIT}
NAME: Final = 64  # bytes of a name in BIND
FULL: Final = 65_536  # bytes to collect before they are sent
STANDSTILL: Final = 10_000  # runs of an endpoint at one instant before it counts as stuck
GLANCE: Final = 4096  # runs of an endpoint between two looks at whether anybody still listens

_ROLES: Final = {Role.MODULE: BindRole.MODULE, Role.PHONE: BindRole.PHONE}


# ── What a session serves ────────────────────────────────────────────────────────────────────────────


class Departure(Protocol):
    """A packet that leaves at a time: on the packet plane an L3 packet, whole; on the FLIT plane what its lane
    carries."""

    @property
    def time(self) -> int: ...
    @property
    def lane(self) -> Lane: ...
    @property
    def data(self) -> bytes: ...


class Endpoint(Protocol):
    """A phone or a module without socket, thread or clock. Times are nanoseconds and never go back. One that can do the
    link layer itself is a `protocol.engine.lanes.Side` as well, and offers both planes."""

    @property
    def role(self) -> Role: ...
    @property
    def name(self) -> str: ...
    @property
    def operations(self) -> int:
        """Flags of `Operation`: what `operate` carries out."""

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        """Take what arrives on a lane, whether or not it is a packet."""

    def advance(self, now: int) -> None:
        """Run what is due at `now`."""

    def deadline(self) -> int | None:
        """When it next wants to run."""

    def outbox(self) -> Sequence[Departure]:
        """What has been sent since this was last asked."""

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        """Carry out what the upper tester asks."""

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        """Begin anew, with the contacts open."""


class Outlet(Protocol):
    """Where a session's bytes go: the half of a channel that it needs."""

    def send(self, data: bytes, /) -> None: ...
    def alive(self) -> bool: ...


# ── The session ──────────────────────────────────────────────────────────────────────────────────────


class Session:
    """One connection of a tester to an endpoint. `clock` gives real time in nanoseconds."""

    def __init__(self, endpoint: Endpoint, outlet: Outlet, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._served: Any = endpoint
        self._endpoint, self._outlet, self._clock = endpoint, outlet, clock
        self._planes = Plane(getattr(endpoint, "planes", Plane.PACKET))
        self._kind = RecordKind.PACKET
        self._reader = RecordReader()
        self._mode: ClockMode | None = None  # None: not bound
        self._epoch = self._now = 0
        self._together = False
        self._up: frozenset[Lane] = frozenset()
        self._leaving: list[tuple[int, int, Lane, bytes]] = []  # a heap; the second number keeps the order
        self._order = count()
        self._out: list[bytes] = []
        self._size = 0

    @property
    def virtual(self) -> bool:
        """Whether time moves by CLOCK records alone."""
        return self._mode is ClockMode.VIRTUAL

    def feed(self, data: bytes) -> None:
        """Take what arrives from the tester."""
        self.advance()
        for record in self._reader.feed(data):
            self._take(record)
        self._flush()

    def advance(self) -> None:
        """In real time, run what is due."""
        if self._mode is ClockMode.REAL:
            self._run(self._real())
            self._flush()

    def wait(self) -> float | None:
        """Seconds until `advance` has something to do; None if bytes must arrive first."""
        due = self._due() if self._mode is ClockMode.REAL else None
        return None if due is None else max(0, due - self._real()) / 1e9

    def log(self, severity: LogSeverity, text: str) -> None:
        """Tell the tester something for its evidence."""
        body = encode_Log(Log(severity, _clipped(text, 1024)))
        self._put(Record(RecordKind.LOG, payload=body))
        self._flush()

    def _put(self, record: Record) -> None:
        data = encode_record(record)
        self._out.append(data)
        self._size += len(data)
        if self._size > FULL:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            data, self._out, self._size = b"".join(self._out), [], 0
            self._outlet.send(data)

    # ── Records ──

    def _take(self, record: Record) -> None:
        kind = record.kind
        if kind == RecordKind.BIND:
            self._bind(record.payload)
        elif self._mode is None:
            return
        elif kind == self._kind:
            self._packet(record)
        elif kind == RecordKind.CLOCK:
            if self._mode is ClockMode.VIRTUAL:
                self._clock_set(record.payload)
        elif kind == RecordKind.CONTROL:
            self._control(record.payload)

    def _bind(self, payload: Buffer) -> None:
        """Begin anew. A BIND that names what is not offered is answered too, but binds nothing."""
        try:
            asked = decode_Bind(payload, 0, len(payload))
        except DecodeError:
            asked = Bind()
        accepted = asked.planes in _KINDS and bool(asked.planes & self._planes) and asked.clocks in CLOCKS
        self._meet_on(Plane(asked.planes) if accepted else Plane.PACKET)
        endpoint = self._endpoint
        self._mode = ClockMode(asked.clocks) if accepted else None
        self._epoch, self._now = self._clock(), 0
        self._leaving.clear()
        endpoint.reset(ResetKind.COLD, asked.seed, 0)
        # What nobody can attach from outside, is.
        self._together = not endpoint.operations >> OperationTag.ATTACH & 1
        self._up = LANES if self._together else frozenset()
        answer = Bind(
            role=_ROLES[endpoint.role],
            planes=self._planes,
            clocks=sum(CLOCKS),
            operations=endpoint.operations,
            name=_clipped(endpoint.name, NAME),
        )
        self._put(Record(RecordKind.BIND, payload=encode_Bind(answer)))
        if not accepted:
            self.log(LogSeverity.WARNING, "Not bound: BIND must name one plane and one clock of those offered.")
        self._collect()

    def _meet_on(self, plane: Plane) -> None:
        """Have the endpoint bring packets to the lanes, or what the lanes carry."""
        self._kind = _KINDS[plane]
        if plane is Plane.FLIT:
            self._endpoint = Lanes(self._served)
        else:
            self._endpoint = self._served
            if self._planes & Plane.FLIT:
                self._served.take_plane(plane)

    def _packet(self, record: Record) -> None:
        lane = record.lane
        if lane in self._up:
            self._endpoint.receive(lane if type(lane) is Lane else Lane(lane), bytes(record.payload), self._time())
            self._collect()

    # ── Operations ──

    def _control(self, payload: Buffer) -> None:
        outcome, answer = self._operate(payload)
        seq = int.from_bytes(payload[:2], "little")
        self._put(Record(RecordKind.CONTROL, payload=encode_ControlResult(ControlResult(seq, outcome, answer))))
        self._collect()

    def _operate(self, payload: Buffer) -> tuple[Outcome, tuple[Tlv, ...]]:
        end = len(payload)
        try:
            operations = decode_tlvs(payload, 2, end, "operation", {})
            if len(operations) != 1:
                return Outcome.FAILED, ()
            tag = operations[0].tag
            if not self._endpoint.operations >> tag & 1:
                return Outcome.UNSUPPORTED, ()
            (operation,) = decode_ControlRequest(payload, 0, end).operation
        except DecodeError:
            return Outcome.FAILED, ()
        if not self._possible(operation):
            return Outcome.FAILED, ()
        outcome, answer = self._endpoint.operate(operation, self._time())
        if outcome is Outcome.DONE:
            self._carry_out(operation)
        return outcome, answer

    def _possible(self, operation: Tlv) -> bool:
        """Whether there is such a lane and, with the sides together, something for it to carry."""
        if operation.tag not in (OperationTag.LANE_DOWN, OperationTag.LANE_UP):
            return True
        return self._together and operation.value.lane in LANES

    def _carry_out(self, operation: Tlv) -> None:
        """The session's own share of an operation: the lanes, and what is on its way."""
        match operation.tag:
            case OperationTag.ATTACH:
                self._together, self._up = True, LANES
            case OperationTag.DETACH:
                self._together, self._up = False, frozenset()
            case OperationTag.LANE_DOWN:
                self._up -= {operation.value.lane}
            case OperationTag.LANE_UP:
                self._up |= {operation.value.lane}
            case OperationTag.RESET:  # what it had only planned to send is forgotten
                self._leaving = [x for x in self._leaving if x[0] <= self._now]
                heapify(self._leaving)

    # ── Time ──

    def _real(self) -> int:
        return self._clock() - self._epoch

    def _time(self) -> int:
        """Now. In real time it passes by itself, though not for the endpoint, which sees it at each call."""
        if self._mode is ClockMode.REAL:
            self._now = self._real()
        return self._now

    def _clock_set(self, payload: Buffer) -> None:
        try:
            until = decode_ClockSet(payload, 0, len(payload)).now
        except DecodeError:
            until = 0
        self._run(max(until, self._now))
        due = self._due()
        answer = ClockAnswer(self._now, NEVER if due is None else min(due, NEVER))
        self._put(Record(RecordKind.CLOCK, payload=encode_ClockAnswer(answer)))

    def _due(self) -> int | None:
        """When the endpoint wants to run or something leaves."""
        due = self._endpoint.deadline()
        if self._leaving:
            first = self._leaving[0][0]
            return first if due is None else min(first, due)
        return due

    def _run(self, until: int) -> None:
        """Let time pass, stopping wherever the endpoint wants to run."""
        endpoint, runs, still = self._endpoint, 0, 0
        if self._mode is ClockMode.REAL:
            self._now = until
        while (due := endpoint.deadline()) is not None and due <= until:
            still = still + 1 if due <= self._now else 0
            if still > STANDSTILL:
                raise RuntimeError(f"The endpoint has run {still} times at {self._now} ns and wants to again.")
            self._now = max(due, self._now)
            endpoint.advance(self._now)
            self._collect()
            self._release(self._now)
            runs += 1
            if runs % GLANCE == 0 and not self._outlet.alive():
                raise Closed("The tester went away while the endpoint ran.")
        self._now = until
        self._release(until)

    def _collect(self) -> None:
        """Take what the endpoint sends. In virtual time it waits for the tester's next CLOCK record."""
        for d in self._endpoint.outbox():
            heappush(self._leaving, (max(d.time, self._now), next(self._order), d.lane, d.data))
        if self._mode is ClockMode.REAL:
            self._release(self._now)

    def _release(self, until: int) -> None:
        """Send what has left by `until`, in order; on a lane that is down it is lost."""
        leaving, virtual = self._leaving, self._mode is ClockMode.VIRTUAL
        while leaving and leaving[0][0] <= until:
            at, _, lane, data = heappop(leaving)
            if lane in self._up:
                self._put(packet_record(self._kind, lane, at if virtual else self._real(), data))


def _clipped(text: str, size: int) -> bytes:
    """A text in UTF-8, cut to a size without breaking a character."""
    return text.encode(errors="replace")[:size].decode(errors="ignore").encode()
