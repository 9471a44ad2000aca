"""The player: performs a case on an implementation and says what was seen.

Every case is played from a cold start, so that what it shows it shows again. The suite's session, phone and monitor do
what they do in a campaign; on top of them, each message is judged by what must become of it (`oracles`), and after each
message STATE_GET tells where the machines are: the proof of life, and what guides the search.

Plan: what is seen · the player: a case, steps, messages, looking.
"""

from typing import Any, Final, Self

from msgspec import Struct

from opalink.conformance import preambles
from opalink.conformance.campaign import Options, Runner
from opalink.conformance.conclusions import Conclusive, Fail
from opalink.conformance.ledger import Asked, Heard
from opalink.conformance.results import Actor
from opalink.conformance.results import Step as Line
from opalink.fuzz.case import LANES, RESOURCES, Again, Case, Delay, Operate, Raw, Reach, Send, Step, packet_bytes
from opalink.fuzz.oracles import FLEETING, Expected, Oracles, moves_itself
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, MachineId, OperationTag, Outcome, PacketType, Status
from opalink.protocol.transport import BenchError, BindingError, Hang, NotOffered
from opalink.protocol.transport.bench import ClockChoice
from opalink.spec.form import MS, SECOND, Level, Role
from opalink.spec.limits import SIDEBAND_PACKET

BUDGET: Final = 10.0  # seconds of real time for one case
PATIENCE: Final = 5.0  # seconds of real time that an implementation may take over one step
_LONGEST_OFF: Final = 70 * SECOND  # the longest that a packet can have the power away, and the start after it
_LOOKS: Final = 3  # at where the machines are, before it is left open
_RESTLESS: Final = "TIME"  # moves on by itself
_OPERATIONS: Final[dict[str, tuple[OperationTag, Any]]] = {
    "attach": (OperationTag.ATTACH, lambda _: p.AttachOperation()),
    "detach": (OperationTag.DETACH, lambda _: p.DetachOperation()),
    "lane_down": (OperationTag.LANE_DOWN, lambda lane: p.LaneDownOperation(lane=LANES[lane])),
    "lane_up": (OperationTag.LANE_UP, lambda lane: p.LaneUpOperation(lane=LANES[lane])),
    "reset": (OperationTag.RESET, lambda kind: p.ResetOperation(kind=p.ResetKind[kind.upper()])),
}

# ── What is seen ─────────────────────────────────────────────────────────────────────────────────────

Point = tuple[str, str, str, str]  # state, message, reply, next state


class Finding(Struct, frozen=True):
    """A requirement seen broken, at a step of a case, by an oracle: `status`, `silence`, `answer`, `repeat`, `state`,
    `monitor`, `crash`, `hang`, `binding` or `recovery`. `message` is the type and form of the last message, `state`
    where the machines were before it, `last` the last words of an implementation that went away."""

    requirement: str
    oracle: str
    expected: str
    actual: str
    step: int
    message: str
    state: str
    last: str = ""

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """What makes two findings alike."""
        return self.requirement, self.oracle, self.message, self.last


class Played(Struct, frozen=True):
    """What a case came to. `stuck` says why it was not played to its end, if it was not; `line` is the whole exchange;
    `died` whether the connection ended."""

    findings: tuple[Finding, ...]
    points: tuple[Point, ...]
    line: tuple[Line, ...]
    stuck: str = ""
    died: bool = False


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
        self._catalogue = catalogue()
        self._oracles = Oracles(catalogue(), Role.MODULE, self.features)
        self._success = {s.value for s in catalogue().statuses if s.success}
        self._derived = {r.id for r in catalogue().requirements if r.key}
        self._should = {r.id for r in catalogue().requirements if r.level is Level.SHOULD}
        own = [m for m in catalogue().machines if m.role is Role.MODULE and m.name in MachineId.__members__]
        self._machines = {int(MachineId[m.name]): (m.name, [s.name for s in m.states]) for m in own}
        self._patience = catalogue().timer["tResponse"].max or 0
        self.said: list[Any] = []  # the values that the implementation has sent in the last case

    @property
    def virtual(self) -> bool:
        return self._runner.bench.virtual

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
        self._begin()
        stuck, died = "", False
        try:
            s.begin(case.seed)
            for self._step, step in enumerate(case.steps):
                self._do(step)
                s.inbox.clear()
            self._recover()
            s.monitor.end(s.now)
        except Fail as fail:
            self._find(fail.charged[0] if fail.charged else "R-WIRE-021", "recovery", fail.expected, fail.actual)
        except Conclusive as why:
            stuck = str(why)
        except BenchError as gone:
            died = True
            self._gone(gone)
        self._passive()
        line = tuple(s.steps)
        if died and not self._runner.reconnect():
            raise NotOffered(f"{self.uri} went away and did not come back.")
        return Played(tuple(self._findings), tuple(self._points), line, stuck, died)

    def _begin(self) -> None:
        self._step = 0
        self._findings: list[Finding] = []
        self._points: list[Point] = []
        self._sent: list[tuple[bytes, int]] = []
        self._stored: dict[tuple[int, int], bytes] = {}
        self._keys: set[tuple[int, int]] = set()
        self._together = False
        self._down: set[int] = set()
        self._places: dict[str, str] | None = None
        self._looked = 0  # how long the exchange was when STATE_GET last went out
        self._doubt = False  # whether what the monitor takes the implementation to have heard may be wrong
        self._message = "-"
        self._state = "-"
        self._charged = 0  # violations that the monitor has noted and that are findings already
        self._hushed: dict[tuple[int, int], tuple[str, int]] = {}  # what nothing may answer
        self.said = []

    def _find(self, requirement: str, oracle: str, expected: str, actual: str, last: str = "") -> None:
        if requirement not in self._should:
            found = Finding(requirement, oracle, expected, actual, self._step, self._message, self._state, last)
            self._findings.append(found)

    def _passive(self) -> None:
        """Findings of the monitor since the last look."""
        violations = self._session.monitor.violations
        for v in violations[self._charged :]:
            if not self._doubt or v.requirement.startswith("R-WIRE") or v.requirement in self._derived:
                self._find(v.requirement, "monitor", v.expected, v.actual)
        self._charged = len(violations)

    def _gone(self, error: BenchError) -> None:
        if isinstance(error, BindingError):
            self._find(error.rule or "R-BEN-008", "binding", "the rules of the bench binding", str(error))
            return
        logs = [bytes(log.text).decode(errors="replace") for log in self._runner.bench.logs]
        last = next((words for words in reversed(logs) if words), "")
        evidence = error.evidence.strip().splitlines()
        last = last or (evidence[-1] if evidence else "")
        self._runner.bench.logs.clear()
        kind = "hang" if isinstance(error, Hang) else "crash"
        self._find("R-WIRE-021", kind, "an implementation that goes on working", str(error), last[:200])

    # ── Steps ──

    def _do(self, step: Step) -> None:
        s = self._session
        match step:
            case Reach(state):
                if self._together:
                    self._operate("detach", "")
                self._together = True
                self._down.clear()
                preambles.reach(s, state)
                self._forget()
                self._look()
            case Send():
                data = self._bytes(step)
                lane = LANES[step.lane] if step.lane else self._lane(data)
                if 0 <= step.split < len(data):
                    self._say(data[: step.split], lane)
                    data = data[step.split :]
                self._say(data, lane)
            case Raw(lane_name, data):
                self._say(data, LANES[lane_name])
            case Again(back):
                if back <= len(self._sent):
                    self._say(*self._sent[-back])
            case Delay(time):
                s.let(time)
                self._look()
            case Operate(operation, value):
                self._operate(operation, value)
                self._look()

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
        s = self._session
        tag, made = _OPERATIONS[operation]
        if not s.offers(tag) or s.attempt(tag, made(value)).result != Outcome.DONE:
            return
        self._forget()
        match operation:
            case "detach":
                self._together, s.light = False, False
                self._down.clear()
            case "attach":
                self._together = True
            case "lane_down":
                self._down.add(LANES[value])
                s.light = s.light and value != "laser"
            case "lane_up":
                self._down.discard(LANES[value])
                if value == "laser" and s.beacon is not None and s.beacon.gears_down:
                    preambles.show(s)
                    s.light = True
            case "reset":
                s.monitor.restarted()

    def _forget(self) -> None:
        """Stored responses may be gone, and need not be."""
        self._stored.clear()

    # ── Messages ──

    def _say(self, data: bytes, lane: int) -> None:
        """Send bytes as a packet and judge what becomes of them."""
        s = self._session
        s.settle()
        for _ in range(_LOOKS):
            if not self._spoken():
                break
            self._look()  # what the phone has answered meanwhile may have moved something
            s.settle()
        if self._spoken():
            self._places = None
        self._passive()
        expected, asked = self._expect(data, lane)
        if asked is not None and self._ambiguous(asked):
            return
        self._sent.append((data, lane))
        self._message = f"{_named(data)} {expected.what}"
        before, self._state = self._places, _vector(self._places)
        sent = s.now
        key = (asked.txn, asked.code) if asked is not None else (0, 0)
        stored = self._stored.get(key)
        if expected.silent and len(data) > 8:
            self._hushed[int.from_bytes(data[6:8], "little"), data[1]] = expected.requirement, s.now
        if asked is not None:
            known = key in self._keys
            if expected.taken and not known:
                s.monitor.asked(asked)
            elif not (known and self._pending(asked.txn)):
                s.monitor.open[asked.txn] = asked
            self._keys.add(key)
            if known and expected.what != "major":
                expected = Expected(what="repeated")
        elif expected.taken and (body := _body(data)) is not None:
            s.monitor.told(body, s.now)
        if len(data) > 1 and data[1] in (PacketType.BEACON, PacketType.PWR_RESET):
            self._forget()
        self._doubt |= _in_doubt(expected, data)
        s.send(data, lane, "the case")
        look = self._ask_where()  # goes with the message: one way there and back for both
        heard = None if asked is None else self._answer(asked)
        if heard is not None and stored is not None and heard.data == stored:
            self._charged = len(s.monitor.violations)  # what was said before was judged before
        self._took(asked, heard, stored=expected.what != "major")  # the version is checked before repetitions
        self._hear_where(look)
        reply = "-" if asked is None else "silence" if heard is None else _reply(heard)
        self._points.append((self._state, self._message, reply, _vector(self._places)))
        if asked is not None:
            self._judge(expected, heard, stored)
            if heard is not None and s.now == sent and reply != "PENDING" and not self._spoken():
                self._unmoved(expected, heard, before)
        self._passive()

    def _pending(self, txn: int) -> bool:
        """Whether a request is under way, of which PENDING has been said: its time goes on from there."""
        other = self._session.monitor.open.get(txn)
        return other is not None and bool(other.pending) and not other.answers

    def _ambiguous(self, asked: Asked) -> bool:
        """Whether a request of another type is open under the same number: nobody could say which one is answered."""
        other = self._session.monitor.open.get(asked.txn)
        return other is not None and other.code != asked.code and not other.answers

    def _expect(self, data: bytes, lane: int) -> tuple[Expected, Asked | None]:
        """What must become of bytes, and the request that they are, if they are one that is read."""
        s = self._session
        if not self._together or lane in self._down:
            return Expected("R-BEN-009", silent=True, what="lane down"), None
        places = self._places
        dark = lane == Lane.LASER and (places is None or places.get("LINK") != "L0")
        expected = self._oracles.expect(data, lane, places)
        if dark and not expected.silent:
            expected = Expected(what="dark")
        txn, code = int.from_bytes(data[6:8], "little"), data[1] if len(data) > 1 else 0
        if expected.silent or not txn:
            return expected, None
        return expected, Asked(txn, code, s.now, lane, data[2] & 15, _body(data))

    def _answer(self, asked: Asked) -> Heard | None:
        """The answer to a request, or PENDING."""

        def answers(heard: Heard) -> bool:
            packet = heard.packet
            if packet is None:
                return False
            if isinstance(heard.body, p.Pending):
                return bool(heard.body.txn == asked.txn)
            return bool(packet.rsp) and packet.txn == asked.txn

        return self._session.take(answers, self._patience + self._session.monitor.slack + MS)

    def _took(self, asked: Asked | None, heard: Heard | None, *, stored: bool) -> None:
        """What a message has changed for the tester; `stored` is whether its response is kept for a repetition."""
        if asked is None or heard is None or heard.packet is None or not heard.packet.rsp:
            return
        if stored:
            self._stored[asked.txn, asked.code] = heard.data
        if asked.code == PacketType.HELLO and heard.status == Status.OK and isinstance(heard.body, p.HelloResponse):
            self._session.hello, self._session.greeting = asked.body, heard.body
        if asked.code in _FORGETTING:
            self._forget()

    def _judge(self, expected: Expected, heard: Heard | None, stored: bytes | None) -> None:
        if heard is None:
            if self._places is not None and (expected.statuses or expected.taken):
                rule = expected.requirement if expected.statuses else "R-WIRE-023"
                self._find(rule, "answer", "an answer within tResponse, or PENDING", "none")
            return
        packet = heard.packet
        if packet is None or not packet.rsp or heard.asked is None:
            return
        violations = self._session.monitor.violations[self._charged :]
        if any(v.requirement in _OF_ANSWERS for v in violations):
            return  # the monitor says better what is wrong with it
        name = getattr(packet.status, "name", str(packet.status))
        if stored is not None:
            if heard.data != stored:
                self._find("R-WIRE-008", "repeat", "the stored response", f"status {name} and other bytes")
        elif expected.statuses and packet.status not in expected.statuses:
            wanted = " or ".join(Status(x).name for x in sorted(expected.statuses))
            self._find(expected.requirement, "status", f"status {wanted}", f"status {name}")
        elif packet.status in expected.never:
            self._find(expected.requirement, "status", "no complaint about legal fields", f"status {name}")

    def _unmoved(self, expected: Expected, heard: Heard, before: dict[str, str] | None) -> None:
        """What was refused changed nothing, as far as no time has passed in which something else could."""
        if before is None or self._places is None or not expected.statuses or heard.status in self._success:
            return
        for machine, state in before.items():
            after = self._places.get(machine, state)
            own = f"{machine}.{state}" in FLEETING or moves_itself(machine, state, after)
            if machine != _RESTLESS and after != state and not own:
                self._find(expected.requirement, "state", f"{machine} to stay in {state}", after)

    # ── Looking ──

    def _look(self) -> bool:
        """Find out where the machines are; whether anything said so."""
        self._hear_where(self._ask_where())
        return self._places is not None

    def _ask_where(self) -> Asked | None:
        """STATE_GET, if anything can hear it."""
        if not self._together or Lane.SIDEBAND in self._down:
            return None
        asked = self._session.request(p.StateGet(), lane=Lane.SIDEBAND)
        self._looked = len(self._session.steps)
        return asked

    def _spoken(self) -> bool:
        """Whether the tester's phone has said anything since the last look."""
        return any(x.actor is Actor.TESTER for x in self._session.steps[self._looked :])

    def _hear_where(self, asked: Asked | None) -> None:
        s, self._places = self._session, None
        if asked is None:
            s.clear()
            self._looked = len(s.steps)
            return
        heard = self._answer(asked)
        if heard is not None and isinstance(heard.body, p.StateGetResponse):
            self._places = {
                self._machines[m.machine][0]: self._state_name(m.machine, m.state)
                for m in heard.body.machines
                if m.machine in self._machines
            }
        self._strays()

    def _strays(self) -> None:
        """What has come and nobody asked for; and what was said, for the mutator to learn from."""
        s = self._session
        violations = s.monitor.violations
        for heard in s.inbox:
            if heard.packet is None:
                continue
            self.said.append(heard.body)
            hushed = self._hushed.pop((heard.packet.txn, heard.packet.type), None)
            if heard.packet.rsp and heard.asked is None and hushed is not None:
                status = getattr(heard.packet.status, "name", heard.packet.status)
                self._find(hushed[0], "silence", "no answer", f"an answer with status {status}")
                stray = [i for i, v in enumerate(violations) if i >= self._charged and v.requirement == "R-WIRE-009"]
                for i in reversed(stray[:1]):
                    del violations[i]

    def _state_name(self, machine: int, number: int) -> str:
        names = self._machines[machine][1]
        return names[number] if number < len(names) else f"state {number}"

    def _recover(self) -> None:
        """The implementation still works, if need be after the time for which a packet can have its power away."""
        s = self._session
        if not self._together or Lane.SIDEBAND in self._down or self._places is not None:
            return
        for wait in (self._catalogue.timer["tBeaconAfterPower"].max or 0, _LONGEST_OFF):
            s.let(wait)
            if self._look():
                return
        self._find("R-WIRE-021", "recovery", "STATE_GET answered: the implementation goes on working", "no answer")


# What the monitor says of an answer before anybody asks whether it is the right one.
_OF_ANSWERS: Final = frozenset({"R-WIRE-009", "R-WIRE-010", "R-WIRE-019", "R-WIRE-022", "R-WIRE-024"})
# What watches believe a tester that keeps to the specification, and a fuzzer does not.
_BELIEVED: Final = frozenset(
    {
        *(PacketType.PWR_SOURCE_CAPS, PacketType.PWR_READY, PacketType.PWR_RESET, PacketType.TRUST_POLICY),
        *(PacketType.PWR_REQUEST, PacketType.PWR_RESERVE, PacketType.PIN_TEST, PacketType.HELLO, PacketType.FW_BEGIN),
        *(PacketType.TIME_SYNC, PacketType.FW_PULL, PacketType.PWR_ROLE_SWAP),
    }
)


def _in_doubt(expected: Expected, data: bytes) -> bool:
    """Whether nobody can say what an implementation makes of a packet."""
    return len(data) > 1 and (data[1] in _BELIEVED or expected.what in ("open", "dark", "repeated"))


# What may have an implementation forget the exchanges so far, by its type.
_FORGETTING: Final = frozenset(
    {PacketType.HELLO, PacketType.RESET, PacketType.EJECT, PacketType.FW_CONTROL, PacketType.LINK_PM}
)


def _reply(heard: Heard) -> str:
    if heard.packet is None or not heard.packet.rsp:
        return "PENDING"
    return str(getattr(heard.packet.status, "name", int(heard.packet.status)))


def _named(data: bytes) -> str:
    """Type and form of a packet: "PROP_SET request"."""
    if len(data) < 16:
        return "bytes"
    declared = catalogue().by_code.get(data[1])
    form = "response" if data[0] >> 3 & 1 else "request" if any(data[6:8]) else "event"
    return f"{declared.name if declared else f'{data[1]:#04x}'} {form}"


def _vector(places: dict[str, str] | None) -> str:
    if places is None:
        return "-"
    return " ".join(f"{m}.{s}" for m, s in sorted(places.items()) if m != _RESTLESS)


def _body(data: bytes) -> Any:
    try:
        return codec.decode(data).body
    except DecodeError:
        return None
