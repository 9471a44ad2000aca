"""The exchange of one case: what is sent, what must become of it, and where it leaves the machines.

Each message is judged by what must become of it (`conformance.oracles`), the whole by the suite's monitor; after each
message STATE_GET tells where the machines are: the proof of life, and what guides the search.

Plan: what is known beforehand · the exchange: findings, messages, judging, looking · words for what was seen.
"""

from typing import Any, Final

from opalink.conformance.bundle.results import Actor
from opalink.conformance.exploration.oracles import BELIEVED, FLEETING, OF_ANSWERS, Expected, Oracles, moves_itself
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.session import Session
from opalink.fuzz.findings import Finding, Point
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, MachineId, PacketType, Status
from opalink.spec.form import MS, SECOND, Level, Role

_LONGEST_OFF: Final = 70 * SECOND  # the longest that a packet can have the power away, and the start after it
_LOOKS: Final = 3  # at where the machines are, before it is left open
_RESTLESS: Final = "TIME"  # moves on by itself
# What may have an implementation forget the exchanges so far, by its type.
_FORGETTING: Final = frozenset(
    {PacketType.HELLO, PacketType.RESET, PacketType.EJECT, PacketType.FW_CONTROL, PacketType.LINK_PM}
)

# ── What is known beforehand ─────────────────────────────────────────────────────────────────────────


class Known:
    """What the specification says of modules with these features (None: not known)."""

    def __init__(self, features: frozenset[str] | None) -> None:
        self.catalogue = catalogue()
        self.oracles = Oracles(self.catalogue, Role.MODULE, features)
        self.success = {s.value for s in self.catalogue.statuses if s.success}
        self.derived = {r.id for r in self.catalogue.requirements if r.key}
        self.should = {r.id for r in self.catalogue.requirements if r.level is Level.SHOULD}
        own = [m for m in self.catalogue.machines if m.role is Role.MODULE and m.name in MachineId.__members__]
        self.machines = {int(MachineId[m.name]): (m.name, [s.name for s in m.states]) for m in own}
        self.patience = self.catalogue.timer["tResponse"].max or 0


# ── The exchange ─────────────────────────────────────────────────────────────────────────────────────


class Exchange:
    """From a cold start to the end of the case. `step` is the number of the step that is performed, `together` whether
    the sides are, `down` the lanes that were taken down."""

    def __init__(self, session: Session, known: Known) -> None:
        self._session, self._known = session, known
        self.step = 0
        self.together = False
        self.down: set[int] = set()
        self.findings: list[Finding] = []
        self.points: list[Point] = []
        self.said: list[Any] = []  # the values that the implementation has sent
        self.sent: list[tuple[bytes, int]] = []
        self._places: dict[str, str] | None = None
        self._stored: dict[tuple[int, int], bytes] = {}
        self._asked: dict[tuple[int, int], Asked] = {}
        self._looked = 0  # how long the exchange was when STATE_GET last went out
        self._doubt = False  # whether what the monitor takes the implementation to have heard may be wrong
        self._message = "-"
        self._state = "-"
        self._charged = 0  # violations that the monitor has noted and that are findings already
        self._hushed: dict[tuple[int, int], tuple[str, int]] = {}  # what nothing may answer

    # ── Findings ──

    def find(self, requirement: str, oracle: str, expected: str, actual: str, last: str = "") -> None:
        if requirement not in self._known.should:
            found = Finding(requirement, oracle, expected, actual, self.step, self._message, self._state, last)
            self.findings.append(found)

    def charge(self) -> None:
        """Findings of the monitor since the last look."""
        violations = self._session.monitor.violations
        for v in violations[self._charged :]:
            if not self._doubt or v.requirement.startswith("R-WIRE") or v.requirement in self._known.derived:
                self.find(v.requirement, "monitor", v.expected, v.actual)
        self._charged = len(violations)

    # ── Messages ──

    def forget(self) -> None:
        """Stored responses may be gone, and need not be."""
        self._stored.clear()

    def say(self, data: bytes, lane: int) -> None:
        """Send bytes as a packet and judge what becomes of them."""
        s = self._session
        s.settle()
        for _ in range(_LOOKS):
            if not self._spoken():
                break
            self.look()  # what the phone has answered meanwhile may have moved something
            s.settle()
        if self._spoken():
            self._places = None
        self.charge()
        expected, asked = self._expect(data, lane)
        if asked is not None and self._ambiguous(asked):
            return
        self.sent.append((data, lane))
        self._message = f"{_named(data)} {expected.what}"
        before, self._state = self._places, _vector(self._places)
        sent = s.now
        key = (asked.txn, asked.code) if asked is not None else (0, 0)
        anew = expected.what == "major"  # the version is checked before repetitions
        stored = None if anew else self._stored.get(key)
        if expected.silent and len(data) > 8:
            self._hushed[int.from_bytes(data[6:8], "little"), data[1]] = expected.requirement, s.now
        if asked is not None:
            known = self._repeated(asked)
            if expected.taken and not known:
                s.monitor.asked(asked)
            elif not (known and self._pending(asked.txn)):
                s.monitor.open[asked.txn] = asked
            self._asked[key] = asked
            if known and not anew:
                expected = Expected(what="repeated")
        elif expected.taken and (body := _body(data)) is not None:
            s.monitor.told(body, s.now)
        if len(data) > 1 and data[1] in (PacketType.BEACON, PacketType.PWR_RESET):
            self.forget()
        self._doubt |= _in_doubt(expected, data)
        s.send(data, lane, "the case")
        look = self._ask_where()  # goes with the message: one way there and back for both
        heard = None if asked is None else self._answer(asked)
        if heard is not None and stored is not None and heard.data == stored:
            self._charged = len(s.monitor.violations)  # what was said before was judged before
        self._took(asked, heard, stored=not anew)
        self._hear_where(look)
        reply = "-" if asked is None else "silence" if heard is None else _reply(heard)
        self.points.append((self._state, self._message, reply, _vector(self._places)))
        if asked is not None:
            self._judge(expected, heard, stored)
            if heard is not None and s.now == sent and reply != "PENDING" and not self._spoken():
                self._unmoved(expected, heard, before)
        self.charge()

    def _repeated(self, asked: Asked) -> bool:
        """Whether it may be taken for the repetition of a request: what answers it then may be the answer to that."""
        other = self._session.monitor.open.get(asked.txn)
        first = other if other is not None and other.code == asked.code else self._asked.get((asked.txn, asked.code))
        if first is not None:
            asked.instance = asked.instance or first.instance
        return first is not None

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
        if not self.together or lane in self.down:
            return Expected("R-BEN-009", silent=True, what="lane down"), None
        places = self._places
        dark = lane == Lane.LASER and (places is None or places.get("LINK") != "L0")
        expected = self._known.oracles.expect(data, lane, places)
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

        return self._session.take(answers, self._known.patience + self._session.monitor.slack + MS)

    def _took(self, asked: Asked | None, heard: Heard | None, *, stored: bool) -> None:
        """What a message has changed for the tester; `stored` is whether its response is kept for a repetition."""
        if asked is None or heard is None or heard.packet is None or not heard.packet.rsp:
            return
        if stored:
            self._stored[asked.txn, asked.code] = heard.data
        if asked.code == PacketType.HELLO and heard.status == Status.OK and isinstance(heard.body, p.HelloResponse):
            self._session.hello, self._session.greeting = asked.body, heard.body
        if asked.code in _FORGETTING:
            self.forget()

    def _judge(self, expected: Expected, heard: Heard | None, stored: bytes | None) -> None:
        if heard is None:
            if self._places is not None and (expected.statuses or expected.taken):
                rule = expected.requirement if expected.statuses else "R-WIRE-023"
                self.find(rule, "answer", "an answer within tResponse, or PENDING", "none")
            return
        packet = heard.packet
        if packet is None or not packet.rsp or heard.asked is None:
            return
        violations = self._session.monitor.violations[self._charged :]
        if any(v.requirement in OF_ANSWERS for v in violations):
            return  # the monitor says better what is wrong with it
        name = getattr(packet.status, "name", str(packet.status))
        if stored is not None:
            if heard.data != stored:
                self.find("R-WIRE-008", "repeat", "the stored response", f"status {name} and other bytes")
        elif expected.statuses and packet.status not in expected.statuses:
            wanted = " or ".join(Status(x).name for x in sorted(expected.statuses))
            self.find(expected.requirement, "status", f"status {wanted}", f"status {name}")
        elif packet.status in expected.never:
            self.find(expected.requirement, "status", "no complaint about legal fields", f"status {name}")

    def _unmoved(self, expected: Expected, heard: Heard, before: dict[str, str] | None) -> None:
        """What was refused changed nothing, as far as no time has passed in which something else could."""
        if before is None or self._places is None or not expected.statuses or heard.status in self._known.success:
            return
        for machine, state in before.items():
            after = self._places.get(machine, state)
            own = f"{machine}.{state}" in FLEETING or moves_itself(machine, state, after)
            if machine != _RESTLESS and after != state and not own:
                self.find(expected.requirement, "state", f"{machine} to stay in {state}", after)

    # ── Looking ──

    def look(self) -> bool:
        """Find out where the machines are; whether anything said so."""
        self._hear_where(self._ask_where())
        return self._places is not None

    def _ask_where(self) -> Asked | None:
        """STATE_GET, if anything can hear it."""
        if not self.together or Lane.SIDEBAND in self.down:
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
                self._known.machines[m.machine][0]: self._state_name(m.machine, m.state)
                for m in heard.body.machines
                if m.machine in self._known.machines
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
                self.find(hushed[0], "silence", "no answer", f"an answer with status {status}")
                stray = [i for i, v in enumerate(violations) if i >= self._charged and v.requirement == "R-WIRE-009"]
                for i in reversed(stray[:1]):
                    del violations[i]

    def _state_name(self, machine: int, number: int) -> str:
        names = self._known.machines[machine][1]
        return names[number] if number < len(names) else f"state {number}"

    def recover(self) -> None:
        """The implementation still works, if need be after the time for which a packet can have its power away."""
        s = self._session
        if not self.together or Lane.SIDEBAND in self.down or self._places is not None:
            return
        for wait in (self._known.catalogue.timer["tBeaconAfterPower"].max or 0, _LONGEST_OFF):
            s.let(wait)
            if self.look():
                return
        self.find("R-WIRE-021", "recovery", "STATE_GET answered: the implementation goes on working", "no answer")


# ── Words for what was seen ──────────────────────────────────────────────────────────────────────────


def _in_doubt(expected: Expected, data: bytes) -> bool:
    """Whether nobody can say what an implementation makes of a packet."""
    return len(data) > 1 and (data[1] in BELIEVED or expected.what in ("open", "dark", "repeated"))


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
