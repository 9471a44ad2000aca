"""The line of a test: what the tester says goes out, what the implementation says is taken down and judged.

It keeps the test's steps and what has come. Everything that comes passes the monitor before anybody sees it, and then
whoever attends the line.

Plan: the line: taking down, hearing, lanes, sending.
"""

import time
from collections.abc import Callable
from random import Random
from typing import Any, Final

from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.conclusions import Inconclusive, Overrun
from opalink.conformance.purposes import Damage, Exchange
from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.stimuli import stimulus
from opalink.conformance.tester.transcript import Transcript
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status
from opalink.protocol.packets import FrameBlock, Lane, Pending
from opalink.protocol.transport import Arrival, Bench
from opalink.spec.form import MS, SECOND, Form
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

# ── The line ─────────────────────────────────────────────────────────────────────────────────────────

PATIENCE = 30 * SECOND  # of bench time, however often PENDING comes
BUDGET = 60.0  # seconds for one test in real time
WORK = 32 << 30  # what a test may take of a bench: in virtual time, no verdict depends on how fast the host is
WHILE = 5 * SECOND  # longer in real time, for what is awaited: whether it came in time is judged when it has come
Match = Callable[[Heard], bool]
_LANES = {"sideband": Lane.SIDEBAND, "laser": Lane.LASER}
HELD: Final = 192 << 20  # bytes that what has come and was not taken may take
ROOMY: Final = 3 * HELD // 4  # so much stays: the newest frame of any camera is in it


class Line:
    """The two directions of one test. `attend` is told of each packet that comes; `light` is whether the laser carries
    packets; `inbox` is what has come and was not taken."""

    def __init__(self, bench: Bench, monitor: Monitor) -> None:
        self.bench: Bench | FlitBench = bench
        self.monitor = monitor
        self.catalogue = monitor.catalogue
        self._lanes = {p.code: frozenset(_LANES[x] for x in p.lanes) for p in self.catalogue.packets}
        self.random = Random(0)
        self.txn = 0
        self.budget = BUDGET
        self._until = 0.0
        self._work = 0  # of the bench, before the test
        self.hang_up()

    def hang_up(self) -> None:
        """Forget the test: nothing was said."""
        self.steps: list[Step] = Transcript()
        self.inbox: list[Heard] = []
        self.forgotten = 0  # blocks of frames that were in the inbox for too long
        self._held = 0  # bytes that the inbox takes, at most
        self.light = False
        self.attend: Callable[[Heard], None] = lambda _: None

    @property
    def now(self) -> int:
        return self.bench.now

    @property
    def exact(self) -> bool:
        """Whether times are those of a virtual clock."""
        return self.bench.virtual

    # ── Taking down ──

    def note(self, actor: Actor, text: str) -> None:
        self.steps.append(Step(self.bench.now, actor, note=text))

    def hear(self, arrival: Arrival) -> Heard:
        """Take down and judge what has come."""
        self.steps.append(Step(arrival.time, Actor.IUT, arrival.lane, arrival.data))
        heard = self.monitor.hear(arrival.time, arrival.lane, arrival.data)
        self.attend(heard)
        return heard

    def keep(self, arrival: Arrival) -> None:
        """Hear what has come, and keep it. To answer it the tester may have to hear what came later, which then stands
        behind it."""
        self.inbox.insert(len(self.inbox), self.hear(arrival))
        self._held += _weight(arrival)
        if self._held > HELD:
            self._forget()

    def _forget(self) -> None:
        """Of the blocks of frames that nobody has taken, the oldest go. Raises Overrun where that is not enough."""
        self._held = sum(map(_weight, self.inbox))
        if self._held <= HELD:
            return
        kept: list[Heard] = []
        for heard in self.inbox:
            if self._held > ROOMY and isinstance(heard.body, FrameBlock):
                self._held -= _weight(heard)
                self.forgotten += 1
            else:
                kept.append(heard)
        self.inbox[:] = kept
        if self._held > HELD:
            raise Overrun(f"More has come than a test can keep: {len(kept)} packets that are no blocks of frames.")

    def unseen(self, come: int) -> range:
        """Where in the inbox stands what has come since so much had come."""
        return range(max(0, come - self.forgotten), len(self.inbox))

    @property
    def come(self) -> int:
        """How much has come and was not taken, with what was forgotten."""
        return self.forgotten + len(self.inbox)

    def settle(self) -> None:
        """Hear what has come before something is said that it must not be judged by."""
        while self.bench.arrivals:
            self.keep(self.bench.arrivals.pop(0))

    # ── Hearing ──

    def allow(self) -> None:
        """From now on a test may take what it may take."""
        self._until = time.monotonic() + self.budget
        self._work = self.bench.work

    def go_on(self) -> None:
        """Raises Inconclusive where the test has taken what it may take."""
        if self.bench.work - self._work > WORK:
            raise Overrun("The implementation sends, or asks to run, without end.")
        if not self.exact and time.monotonic() > self._until:
            raise Inconclusive(f"The test took longer than {self.budget:g} s of real time.")

    def _next(self, deadline: int) -> bool:
        """Have the next packet up to a time in the inbox, and whatever had to be heard with it; whether one came."""
        self.go_on()
        arrival = self.bench.expect(any_packet, deadline)
        if arrival is not None:
            self.keep(arrival)
        return arrival is not None

    def take(self, match: Match | type, within: int = 0) -> Heard | None:
        """The first packet that matches, from what has come or comes within a time. In real time it is awaited longer:
        whoever has a time to judge does so by when it came."""
        wanted = _of(match) if isinstance(match, type) else match
        deadline = self.now + (within if self.exact or not within else within + WHILE)
        seen = 0
        while True:
            for i in self.unseen(seen):
                if wanted(self.inbox[i]):
                    return self.inbox.pop(i)
            seen = self.come
            if not self._next(deadline):
                return None

    def let(self, duration: int) -> None:
        """Let time pass."""
        deadline = self.now + duration
        while self._next(deadline):
            pass

    def heard(self, match: Match | type) -> list[Heard]:
        """Everything that has come, was not taken, and matches."""
        wanted = _of(match) if isinstance(match, type) else match
        return [h for h in self.inbox if wanted(h)]

    def clear(self) -> None:
        """Forget what has come and was not taken."""
        while self.bench.arrivals:
            self.hear(self.bench.arrivals.pop(0))
        self.inbox.clear()

    def answer(self, asked: Asked) -> Heard | None:
        """The answer to a request: within tResponse, and for as long as PENDING comes in time."""
        timers = self.catalogue.timer
        patience, refresh = timers["tResponse"].max or 0, timers["tPendingRefresh"].max or 0
        slack = self.monitor.slack + MS
        if not self.exact:  # the monitor judges lateness; here it only matters whether anything comes
            patience, refresh = patience + WHILE, refresh + WHILE
        deadline, end = asked.time + patience + slack, asked.time + PATIENCE
        if asked.pending:
            deadline = asked.pending + refresh + slack
        seen = 0  # it may have come before that of an earlier request
        while True:
            for i in self.unseen(seen):
                heard, packet = self.inbox[i], self.inbox[i].packet
                if packet is not None and packet.rsp and packet.txn == asked.txn and heard.time >= asked.time:
                    return self.inbox.pop(i)
                if isinstance(heard.body, Pending) and heard.body.txn == asked.txn and heard.time >= asked.time:
                    deadline = max(deadline, heard.time + refresh + slack)
            seen = self.come
            if not self._next(min(deadline, end)):
                return None

    # ── Lanes ──

    def lane(self, code: int) -> Lane:
        """The lane for a packet type: light where there is light and the type travels there."""
        lanes = self._lanes.get(code, frozenset(_LANES.values()))
        return Lane.LASER if self.light and Lane.LASER in lanes else Lane.SIDEBAND

    def either_lane(self, code: int, payload: int) -> Lane:
        """A lane for a packet with so many bytes of payload: either will do where both are up, so the seed decides."""
        up = {Lane.LASER, Lane.SIDEBAND} if self.light else {Lane.SIDEBAND}
        lanes = self._lanes.get(code, frozenset(_LANES.values())) & up
        if payload + PACKET_OVERHEAD > SIDEBAND_PACKET:
            lanes -= {Lane.SIDEBAND}
        return self.random.choice(sorted(lanes)) if lanes else self.lane(code)

    def _stimulus_lane(self, x: Exchange, vc: int | None) -> Lane:
        """A lane for a stimulus. FLITs carry no channel that is not there; the contacts carry any packet."""
        nowhere = vc is not None and isinstance(self.bench, FlitBench) and not self.bench.grants(vc)
        if nowhere and Lane.SIDEBAND in self._lanes.get(x.packet, frozenset(_LANES.values())):
            return Lane.SIDEBAND
        return self.either_lane(x.packet, len(x.payload))

    def next_txn(self) -> int:
        """The next number under which nothing was asked in this binding; the next one at all when all were used."""
        for _ in range(0xFFFF):
            self.txn = self.txn % 0xFFFF + 1
            if self.txn not in self.monitor.open:
                break
        return self.txn

    # ── Sending ──

    def send(self, data: bytes, lane: int, note: str = "") -> None:
        """Send bytes as a packet on a lane."""
        self.steps.append(Step(self.bench.now, Actor.TESTER, lane, data, note))
        self.bench.send(data, Lane(lane))

    def request(self, body: Any, *, lane: int | None = None, instance: int = 0) -> Asked:
        """Send a request and do not wait."""
        self.settle()
        packet = codec.request(body, self.next_txn(), t_ns=self.now, instance=instance)
        lane = self.lane(packet.type) if lane is None else lane
        asked = Asked(packet.txn, packet.type, self.now, lane, instance, body)
        self.monitor.asked(asked)
        self.send(codec.encode(packet), lane)
        return asked

    def tell(self, body: Any, *, lane: int | None = None) -> None:
        """Send an event."""
        self.settle()
        packet = codec.event(body, t_ns=self.now)
        self.monitor.told(body, self.now)
        self.send(codec.encode(packet), self.lane(packet.type) if lane is None else lane)

    def reply(self, to: Heard, body: Any, status: Status = Status.OK) -> None:
        """Answer a request of the implementation's."""
        if to.packet is None:
            return
        self.monitor.told(body, self.now)
        self.monitor.answered(to.packet.txn)
        self.send(codec.encode(codec.response(to.packet, body, status, t_ns=self.now)), to.lane)

    def stimulate(self, x: Exchange, lane: int | None = None) -> tuple[Asked, bytes]:
        """Send the stimulus of an exchange."""
        txn = self.next_txn()
        data = stimulus(x, txn, self.now)
        header = dict(x.header)
        lane = self._stimulus_lane(x, header.get("vc")) if lane is None else lane
        asked = Asked(txn, x.packet, self.now, lane, header.get("instance", 0), None)
        if x.form is Form.REQUEST and x.damage is Damage.NONE and header.get("txn", 1):
            asked.body = _body(data)
            self.monitor.asked(asked)
        elif x.form is Form.EVENT and (body := _body(data)) is not None:
            self.monitor.told(body, self.now)
        self.send(data, lane, "the stimulus")
        return asked, data


def any_packet(_: Arrival) -> bool:
    return True


def _of(cls: type) -> Match:
    return lambda heard: type(heard.body) is cls


def _weight(packet: Arrival | Heard) -> int:
    """Bytes of memory that a packet takes as it is kept, roughly: its payload is in its value once more."""
    return 1024 + 2 * len(packet.data)


def _body(data: bytes) -> Any:
    """The value that a packet carries; None if it does not decode."""
    try:
        packet: Packet = codec.decode(data)
    except codec.DecodeError:
        return None
    return packet.body
