"""The player: performs a case on an implementation and says what was seen.

Every case is played from a cold start, so that what it shows it shows again. The suite's session, phone and monitor do
what they do in a campaign; what is said of the case's own accord, and what must become of it, is an `exchange`.

Plan: what the upper tester does · the player: a case, steps.
"""

from typing import Any, Final, Self

from opalink.conformance.conclusions import Conclusive, Fail
from opalink.conformance.runner import Options, Runner
from opalink.conformance.tester import preambles
from opalink.fuzz.case import Case
from opalink.fuzz.exchange import Exchange, Known
from opalink.fuzz.findings import Played
from opalink.fuzz.packets import packet_bytes
from opalink.fuzz.steps import LANES, RESOURCES, Again, Delay, Operate, Raw, Reach, Send, Step
from opalink.protocol import packets as p
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, OperationTag, Outcome
from opalink.protocol.transport import BenchError, BindingError, Hang, NotOffered
from opalink.protocol.transport.bench import ClockChoice
from opalink.spec.form import Role
from opalink.spec.limits import SIDEBAND_PACKET

BUDGET: Final = 10.0  # seconds of real time for one case
PATIENCE: Final = 5.0  # seconds of real time that an implementation may take over one step
# ── What the upper tester does ───────────────────────────────────────────────────────────────────────

_OPERATIONS: Final[dict[str, tuple[OperationTag, Any]]] = {
    "attach": (OperationTag.ATTACH, lambda _: p.AttachOperation()),
    "detach": (OperationTag.DETACH, lambda _: p.DetachOperation()),
    "lane_down": (OperationTag.LANE_DOWN, lambda lane: p.LaneDownOperation(lane=LANES[lane])),
    "lane_up": (OperationTag.LANE_UP, lambda lane: p.LaneUpOperation(lane=LANES[lane])),
    "reset": (OperationTag.RESET, lambda kind: p.ResetOperation(kind=p.ResetKind[kind.upper()])),
}

# ── The player ───────────────────────────────────────────────────────────────────────────────────────


class Player:
    """One implementation, case by case. Raises what a bench may raise when there is nothing to be played to."""

    def __init__(self, uri: str, *, seed: int = 1, clock: ClockChoice = "auto", patience: float = PATIENCE) -> None:
        self.uri = uri
        self._runner = Runner(uri, Options(seed=seed, clock=clock, patience=patience), catalogue())
        if self._runner.role is not Role.MODULE:
            self.close()
            raise NotOffered(f"{uri} is a phone: only modules are fuzzed so far.")
        self._runner.probe()
        known = self._runner.known
        self.features = known.features if known.reached else None
        self._session = self._runner.session
        self._session.budget = BUDGET
        self._known = Known(self.features)
        self._exchange = Exchange(self._session, self._known)

    @property
    def virtual(self) -> bool:
        return self._runner.bench.virtual

    @property
    def said(self) -> list[Any]:
        """The values that the implementation has sent in the last case."""
        return self._exchange.said

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── A case ──

    def play(self, case: Case) -> Played:
        """Play a case from a cold start. Nothing that the implementation does is raised here, unless it cannot be
        reached any more."""
        s = self._session
        s.bench = self._runner.bench
        x = self._exchange = Exchange(s, self._known)
        stuck, died = "", False
        try:
            s.begin(case.seed)
            for x.step, step in enumerate(case.steps):
                self._do(step)
                s.inbox.clear()
            x.recover()
            s.monitor.end(s.now)
        except Fail as fail:
            x.find(fail.charged[0] if fail.charged else "R-WIRE-021", "recovery", fail.expected, fail.actual)
        except Conclusive as why:
            stuck = str(why)
        except BenchError as gone:
            died = True
            self._gone(gone)
        x.charge()
        line = tuple(s.steps)
        if died and not self._runner.reconnect():
            raise NotOffered(f"{self.uri} went away and did not come back.")
        return Played(tuple(x.findings), tuple(x.points), line, stuck, died)

    def _gone(self, error: BenchError) -> None:
        if isinstance(error, BindingError):
            self._exchange.find(error.rule or "R-BEN-008", "binding", "the rules of the bench binding", str(error))
            return
        logs = [bytes(log.text).decode(errors="replace") for log in self._runner.bench.logs]
        last = next((words for words in reversed(logs) if words), "")
        evidence = error.evidence.strip().splitlines()
        last = last or (evidence[-1] if evidence else "")
        self._runner.bench.logs.clear()
        kind = "hang" if isinstance(error, Hang) else "crash"
        self._exchange.find("R-WIRE-021", kind, "an implementation that goes on working", str(error), last[:200])

    # ── Steps ──

    def _do(self, step: Step) -> None:
        s, x = self._session, self._exchange
        match step:
            case Reach(state):
                if x.together:
                    self._operate("detach", "")
                x.together = True
                x.down.clear()
                preambles.reach(s, state)
                x.forget()
                x.look()
            case Send():
                data = self._bytes(step)
                lane = LANES[step.lane] if step.lane else self._lane(data)
                if 0 <= step.split < len(data):
                    x.say(data[: step.split], lane)
                    data = data[step.split :]
                x.say(data, lane)
            case Raw(lane_name, data):
                x.say(data, LANES[lane_name])
            case Again(back):
                if back <= len(x.sent):
                    x.say(*x.sent[-back])
            case Delay(time):
                s.let(time)
                x.look()
            case Operate(operation, value):
                self._operate(operation, value)
                x.look()

    def _bytes(self, step: Send) -> bytes:
        s = self._session
        made, ours = s.greeting, s.hello
        session, nonce = (made.session, made.module_nonce) if made is not None else (0, 0)
        resources = dict(zip(RESOURCES, (session, ours.phone_nonce if ours is not None else 0, nonce), strict=True))
        data = packet_bytes(step, s.next_txn(), s.now, resources)
        if step.flip >= 0:
            damaged = bytearray(data)
            damaged[step.flip // 8 % len(data)] ^= 1 << step.flip % 8
            data = bytes(damaged)
        return data

    def _lane(self, data: bytes) -> int:
        """Light where there is light and the type travels there; what fits no sideband packet takes the light."""
        lane = self._session.lane(data[1])
        return Lane.LASER if self._session.light and len(data) > SIDEBAND_PACKET else lane

    def _operate(self, operation: str, value: str) -> None:
        """Have the upper tester do something, as far as it can; what it cannot do changes nothing."""
        s, x = self._session, self._exchange
        tag, made = _OPERATIONS[operation]
        if not s.offers(tag) or s.attempt(tag, made(value)).result != Outcome.DONE:
            return
        x.forget()
        match operation:
            case "detach":
                x.together, s.light = False, False
                x.down.clear()
            case "attach":
                x.together = True
            case "lane_down":
                x.down.add(LANES[value])
                s.light = s.light and value != "laser"
            case "lane_up":
                x.down.discard(LANES[value])
                if value == "laser" and s.beacon is not None and s.beacon.gears_down:
                    preambles.show(s)
                    s.light = True
            case "reset":
                s.monitor.restarted()
