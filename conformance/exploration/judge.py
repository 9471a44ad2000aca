"""The judge of an exploration: it watches one exchange, whoever performs it, and says what in it breaks a requirement.

It is told of every packet both ways and of every operation, and of nothing else, so that an exchange which is performed
again from a recording is judged as it was the first time. STATE_GET, which the tester asks as it goes along, tells it
where the machines are; from there the order of the checks says what must become of the next packet (`oracles`), and the
tables where the machines may then be (`explore_table`). What the suite's monitor sees in passing counts too, but for
what it believes a tester that keeps to the specification once payloads are drawn.

What is said while nobody knows where the machines are is judged by the monitor alone.

Plan: findings · the judge: what is sent, what is heard, where the machines are, findings.
"""

from typing import Any, Final

from msgspec import Struct, field

from opalink.conformance.exploration.oracles import BELIEVED, OF_ANSWERS, Expected, Oracles
from opalink.conformance.exploration.table import Tables, Told
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.line import WHILE
from opalink.conformance.tester.monitors import Monitor
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.errors import DecodeError
from opalink.protocol.packets import Lane, MachineId, OperationTag, PacketType, Status
from opalink.spec.form import MS, SECOND, Form, Level, Received, Role

LONGEST_OFF: Final = 70 * SECOND  # the longest that a packet can have the power away, and the start after it
_HEADER: Final = 16  # bytes
# What may be taken or not: a state that passes by itself, an element of the stack, no light that is known of.
_OPEN: Final = frozenset({"open", "dark", "event open"})

# ── Findings ─────────────────────────────────────────────────────────────────────────────────────────


class Finding(Struct, frozen=True):
    """A requirement seen broken, after a message, by an oracle: `monitor`, `status`, `silence`, `answer`, `table`,
    `recovery`, `crash`, `hang` or `binding`."""

    requirement: str
    oracle: str
    expected: str
    actual: str
    message: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """What stays the same while an example is made smaller."""
        return self.requirement, self.oracle

    def __str__(self) -> str:
        return f"{self.requirement}: expected {self.expected}, saw {self.actual}"


class _Said(Struct):
    """A message of the tester's, and what answered it: a status, -1 while nothing has."""

    packet: str
    form: Form
    expected: Expected
    body: Any = None
    asked: Asked | None = None
    answer: int = -1
    pending: bool = False
    judged: bool = False  # whether it was known where the machines were

    @property
    def told(self) -> Told:
        status = "" if self.asked is None else None if self.answer < 0 else _name(self.answer)
        return Told(self.packet, self.form, status, self.body, sure=self.judged and self.expected.taken)

    @property
    def heeded(self) -> bool:
        """Whether it may have come to the tables: an event that a check before them refuses has not."""
        return self.asked is not None or not self.judged or self.expected.taken or self.expected.what in _OPEN


class _Look(Struct, frozen=True):
    """STATE_GET was sent: when, and what had happened by then since the last answer to one."""

    time: int
    said: int
    acts: int


class _Exchange(Struct):
    """What is known of one exchange so far."""

    places: dict[str, str] | None = None  # where the machines last were
    looked: int = -1  # when they were there
    since: list[_Said] = field(default_factory=list)  # what was said since
    acts: int = 0  # of the upper tester since
    open: dict[int, _Said] = field(default_factory=dict)
    hushed: dict[tuple[int, int], str] = field(default_factory=dict)  # what nothing may answer
    looks: dict[int, _Look] = field(default_factory=dict)  # STATE_GETs that are open
    spoken: int = 0  # when anything else was last said
    doubt: bool = False  # whether what the monitor takes the implementation to have heard may be wrong
    charged: int = 0  # violations of the monitor that are findings already, or are none
    message: str = ""
    together: bool = False
    down: set[int] = field(default_factory=set)


# ── The judge ────────────────────────────────────────────────────────────────────────────────────────


class Judge:
    """Judges a module with these features by what crosses the bench; `exact` is whether its time is virtual."""

    def __init__(self, monitor: Monitor, features: frozenset[str], *, exact: bool) -> None:
        known = monitor.catalogue
        self._monitor, self._exact = monitor, exact
        self._oracles = Oracles(known, Role.MODULE, features)
        self.tables = Tables(known, features)
        self._success = {s.value for s in known.statuses if s.success}
        self._derived = {r.id for r in known.requirements if r.key}
        self._should = {r.id for r in known.requirements if r.level is Level.SHOULD}
        own = [m for m in self.tables.machines.values() if m.name in MachineId.__members__]
        self._names = {int(MachineId[m.name]): (m.name, [s.name for s in m.states]) for m in own}
        self._patience = known.timer["tResponse"].max or 0
        self.begin()

    def begin(self) -> None:
        """A cold start."""
        self.findings: list[Finding] = []
        self._x = _Exchange()

    # ── What is sent ──

    def acted(self, operation: int, value: Any) -> None:
        """The upper tester has done something."""
        x = self._x
        x.acts += 1
        match operation:
            case OperationTag.ATTACH | OperationTag.DETACH:
                x.together = operation == OperationTag.ATTACH
                x.down.clear()
                x.places = None
            case OperationTag.LANE_DOWN:
                x.down.add(int(value.lane))
            case OperationTag.LANE_UP:
                x.down.discard(int(value.lane))
            case OperationTag.RESET:
                x.places = None
                self._monitor.restarted()

    def attached(self) -> None:
        """The sides are together without an operation that says so."""
        self._x.together = True

    def sent(self, data: bytes, lane: int, now: int, *, said: bool) -> None:
        """The tester sends bytes as a packet. `said` is whether the monitor knows of it already."""
        x = self._x
        self.charge()
        self._overdue(now)
        if len(data) < _HEADER:
            return
        code, txn, answers = data[1], int.from_bytes(data[6:8], "little"), data[0] >> 3 & 1
        body = _body(data)
        if code == PacketType.STATE_GET and txn and not answers:
            asked = Asked(txn, code, now, lane, 0, body)
            if not said:
                self._monitor.asked(asked)
            x.looks[txn] = _Look(now, len(x.since), x.acts)
            return
        declared = self._monitor.catalogue.by_code.get(code)
        name = declared.name if declared else f"{code:#04x}"
        x.spoken = now
        if answers:
            form = Form.RESPONSE if data[3] in self._success else Form.ERROR
            x.since.append(_Said(name, form, Expected()))
            if not said:
                self._monitor.told(body, now)
                self._monitor.answered(txn)
            return
        fresh = self.knows(now)
        expected = self._expect(name, data, lane, fresh=fresh)
        entry = _Said(name, Form.REQUEST if txn else Form.EVENT, expected, body, judged=fresh)
        x.since.append(entry)
        if fresh:
            x.message = f"{name} {entry.form}, {expected.what}"
            x.doubt |= code in BELIEVED or expected.what in _OPEN
        if txn and not expected.silent:
            entry.asked = Asked(txn, code, now, lane, data[2] & 15, body)
            x.open[txn] = entry
        elif txn:
            x.hushed[txn, code] = expected.requirement
        if not said:
            self._note(entry, body, now, heeded=expected.taken or not fresh)

    def _note(self, entry: _Said, body: Any, now: int, *, heeded: bool) -> None:
        """Tell the monitor of a message that it does not know of."""
        if entry.asked is None:
            if heeded and body is not None:
                self._monitor.told(body, now)
        elif heeded:
            self._monitor.asked(entry.asked)
        else:
            self._monitor.open[entry.asked.txn] = entry.asked

    def _expect(self, name: str, data: bytes, lane: int, *, fresh: bool) -> Expected:
        x = self._x
        if not x.together or lane in x.down:
            return Expected("R-BEN-009", silent=True, what="lane down")
        places = x.places if fresh else None
        expected = self._oracles.expect(data, lane, places)
        dark = lane == Lane.LASER and (places is None or places.get("LINK") != "L0")
        event = not any(data[6:8])
        if dark and (event or not expected.silent):
            return Expected(expected.requirement, silent=event, what="dark")
        # Of an event one machine may take no notice, and another one may.
        if event and expected.what == "event state" and places and self.tables.passes(places, name):
            return Expected(expected.requirement, silent=True, what="event open")
        return expected

    def _overdue(self, now: int) -> None:
        """What should have been answered by now and was not."""
        limit = self._patience + self._monitor.slack + MS + (0 if self._exact else WHILE)
        for txn, entry in list(self._x.open.items()):
            asked, expected = entry.asked, entry.expected
            if asked is None or entry.pending or now <= asked.time + limit:
                continue
            del self._x.open[txn]
            if entry.judged and (expected.statuses or expected.taken):
                rule = expected.requirement if expected.statuses else "R-WIRE-023"
                self._find(rule, "answer", "an answer within tResponse, or PENDING", "none")

    # ── What is heard ──

    def heard(self, heard: Heard) -> None:
        """Something has come, and the monitor has judged it."""
        x, packet = self._x, heard.packet
        if packet is None:
            return
        if isinstance(heard.body, p.Pending):
            if (entry := x.open.get(heard.body.txn)) is not None:
                entry.pending = True
            return
        if not packet.rsp:
            return
        if packet.type == PacketType.STATE_GET and packet.txn in x.looks:
            self._look(x.looks.pop(packet.txn), heard)
            return
        entry = x.open.get(packet.txn)
        if entry is None or entry.asked is None or entry.asked.code != packet.type:
            self._stray(heard)
            return
        del x.open[packet.txn]
        entry.answer = packet.status
        self._status(entry, heard)

    def _stray(self, heard: Heard) -> None:
        """An answer to what nothing may answer: what the monitor calls a stray response is the failure itself."""
        packet = heard.packet
        rule = self._x.hushed.pop((packet.txn, packet.type), None) if packet else None
        if packet is None or rule is None:
            return
        self._find(rule, "silence", "no answer", f"an answer with status {_name(packet.status)}")
        violations = self._monitor.violations
        if len(violations) > self._x.charged and violations[-1].requirement == "R-WIRE-009":
            violations.pop()

    def _status(self, entry: _Said, heard: Heard) -> None:
        """The status of an answer, by the order of the checks and by the rows where the machines were."""
        violations = self._monitor.violations[self._x.charged :]
        if any(v.requirement in OF_ANSWERS for v in violations) or not entry.judged:
            return  # the monitor says better what is wrong with it, or nobody can say
        expected, status = entry.expected, heard.status
        if expected.statuses and status not in expected.statuses:
            wanted = " or ".join(Status(x).name for x in sorted(expected.statuses))
            self._find(expected.requirement, "status", f"status {wanted}", f"status {_name(status)}")
        elif status in expected.never:
            self._find(expected.requirement, "status", "no complaint about legal fields", f"status {_name(status)}")
        elif (
            expected.taken
            and self._x.places is not None
            and (machine := self.tables.unearned(self._x.places, entry.told))
        ):
            state = self._x.places[machine]
            wanted = f"a status that a row of {machine} gives in {state}"
            self._find(self._rule(entry, machine), "table", wanted, f"status {_name(status)}")

    # ── Where the machines are ──

    def knows(self, now: int) -> bool:
        """Whether it is known where the machines are now: nothing was said since, nor has time passed."""
        x = self._x
        return x.places is not None and not x.since and not x.acts and (x.looked == now or not self._exact)

    def _look(self, look: _Look, heard: Heard) -> None:
        """STATE_GET was answered."""
        x, before = self._x, self._x.places
        if not isinstance(heard.body, p.StateGetResponse):
            self._find("R-WIRE-021", "recovery", "STATE_GET answered OK", f"status {_name(heard.status)}")
            return
        rows = [m for m in heard.body.machines if m.machine in self._names]
        places = {self._names[m.machine][0]: self._state(m.machine, m.state) for m in rows}
        passed = heard.time > x.looked or not self._exact
        # What was said after STATE_GET its answer knows nothing of, as long as one lane is not faster than the other.
        said = x.since[: look.said] if self._exact else x.since
        if before is not None:
            self._moved(before, places, said, passed=passed, acted=bool(x.acts))
        x.places, x.since, x.acts = places, x.since[look.said :], x.acts - look.acts
        x.looked = heard.time if heard.time == look.time or not self._exact else -1  # one on its way may be outdated
        # Whatever was lost before, it works.
        later = {txn: y for txn, y in x.looks.items() if y.time > look.time}
        x.looks = {
            txn: _Look(y.time, max(0, y.said - look.said), max(0, y.acts - look.acts)) for txn, y in later.items()
        }

    def _state(self, machine: int, number: int) -> str:
        names = self._names[machine][1]
        return names[number] if number < len(names) else f"state {number}"

    def _moved(
        self, before: dict[str, str], after: dict[str, str], said: list[_Said], *, passed: bool, acted: bool
    ) -> None:
        """No machine is where nothing that has happened can have brought it."""
        told = tuple(e.told for e in said if e.heeded)
        possible = self.tables.possible(before, told, passed=passed, acted=acted, after=after)
        for machine, states in possible.items():
            found = after.get(machine)
            if found is None or found in states:
                continue
            wanted = " or ".join(sorted(states))
            rule = self._rule(said[0], machine) if len(said) == 1 else "R-MGT-042"
            self._find(rule, "table", f"machine {machine} in {wanted}, after {before[machine]}", found)

    def _rule(self, entry: _Said, machine: str) -> str:
        """The requirement by which a message moves a machine, or leaves it where it is."""
        if entry.expected.requirement and entry.expected.statuses:
            return entry.expected.requirement
        state = (self._x.places or {}).get(machine, "")
        rows = self.tables.rows(machine, state, Received(entry.packet, entry.form), entry.body)
        cited = [r for row in rows for r in row.req]
        answer = self._monitor.catalogue.by_key.get(f"{entry.packet}.answer")
        return cited[0] if cited else answer.id if answer else "R-MGT-042"

    # ── Findings ──

    def _find(self, requirement: str, oracle: str, expected: str, actual: str) -> None:
        if requirement not in self._should:
            self.findings.append(Finding(requirement, oracle, expected, actual, self._x.message))

    def broken(self, requirement: str, oracle: str, expected: str, actual: str) -> None:
        """Something was seen that no packet shows."""
        self.charge()
        self._find(requirement, oracle, expected, actual)

    def charge(self) -> None:
        """Findings of the monitor since it was last asked."""
        violations = self._monitor.violations
        for v in violations[self._x.charged :]:
            if not self._x.doubt or v.requirement.startswith("R-WIRE") or v.requirement in self._derived:
                self._find(v.requirement, "monitor", v.expected, v.actual)
        self._x.charged = len(violations)

    @property
    def reachable(self) -> bool:
        """Whether anything can hear STATE_GET."""
        return self._x.together and Lane.SIDEBAND not in self._x.down

    @property
    def places(self) -> dict[str, str] | None:
        """Where the machines last were, by name; None if that is not known."""
        return self._x.places

    def awaits(self) -> bool:
        """Whether STATE_GET has gone unanswered where something can hear it."""
        return bool(self._x.looks) and self.reachable

    def end(self, now: int) -> None:
        """The exchange is over."""
        self._monitor.end(now)
        self.charge()
        self._overdue(now)
        if self.awaits() and max(y.time for y in self._x.looks.values()) - self._x.spoken >= LONGEST_OFF:
            self._find("R-WIRE-021", "recovery", "STATE_GET answered: the implementation goes on working", "no answer")


def _name(status: int) -> str:
    return str(getattr(status, "name", int(status)))


def _body(data: bytes) -> Any:
    try:
        return codec.decode(data).body
    except DecodeError:
        return None
