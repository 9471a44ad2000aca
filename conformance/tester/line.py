"""The line of a test: what the tester says goes out, what the implementation says is taken down and judged.

It keeps the test's steps and what has come. Everything that comes passes the monitor before anybody sees it, and then
whoever attends the line.

Plan: the line: taking down, lanes, sending.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.purposes import Damage, Exchange
from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.stimuli import stimulus
from opalink.protocol import codec
from opalink.protocol.codec import Packet, Status
from opalink.protocol.packets import Lane
from opalink.protocol.transport import Arrival, Bench
from opalink.spec.form import Form
from opalink.spec.limits import PACKET_OVERHEAD, SIDEBAND_PACKET

# ── The line ─────────────────────────────────────────────────────────────────────────────────────────

_LANES = {"sideband": Lane.SIDEBAND, "laser": Lane.LASER}


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
        self.hang_up()

    def hang_up(self) -> None:
        """Forget the test: nothing was said."""
        self.steps: list[Step] = []
        self.inbox: list[Heard] = []
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

    def settle(self) -> None:
        """Hear what has come before something is said that it must not be judged by."""
        while self.bench.arrivals:
            self.keep(self.bench.arrivals.pop(0))

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


def _body(data: bytes) -> Any:
    """The value that a packet carries; None if it does not decode."""
    try:
        packet: Packet = codec.decode(data)
    except codec.DecodeError:
        return None
    return packet.body
