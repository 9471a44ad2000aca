"""States still possible: what an answer breaks wherever the machines of its side may have been.

Whoever has a recording does not know where the machines were: it may begin in the middle, and what is missing may have
been anything. So each machine may be in any of its states, until something in the recording leaves fewer. An answer is
wrong if every one of them forbids it. What leaves fewer states needs nothing but what was seen:

- An answer on the laser shows that there was light: its side was neither detached nor booting.
- STATE_GET's answer says where each machine is, and since when (`entered`). What was answered in between was answered
  in that state, whatever is missing, as long as link time and the time of the recording have gone on alike.

What was sent, or came, a moment before leaves nothing out: an event that is missing leaves no trace, and any could have
moved a machine. Of features nothing is taken for granted either: the type's own may be there or not, and of the others
an oracle is told none, which leaves open what depends on them.

What is held is bounded: `HELD` requests, and as many answers since STATE_GET was last answered.

Plan: an exchange · machines of which not all is known · the states still possible.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from msgspec import Struct

from opalink.conformance.exploration.oracles import Expected, Oracles
from opalink.conformance.exploration.table import Tables, Told
from opalink.protocol import codec
from opalink.protocol.codec import DecodeError, Packet, Status
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.legality import GATE
from opalink.protocol.packets import Feature, Lane, MachineId, StateGetResponse
from opalink.spec.form import US, Form, Received, Role, Row

HELD: Final = 1024
_DARK: Final = frozenset({"DETACHED", "BOOT"})  # of the gate: nothing is sent by laser there
_USUAL: Final = "READY_FULL"  # tried first: where this state allows an answer, no other is asked
_DRIFT: Final = 1000  # clocks of the recording and of the link may differ by one part in so many
_JITTER: Final = 100 * US
_STATE: Final = "state"  # what oracles call a refusal by the state
# They may be given for reasons that no packet shows.
_ANYWHERE: Final = frozenset({Status.BUSY, Status.CANCELLED, Status.UNSPECIFIED})

# ── An exchange ──────────────────────────────────────────────────────────────────────────────────────


class Exchange(Struct, frozen=True):
    """A request that arrived at `asked` (ns), on a lane, and what answered it at `time`: a status, on `answer_lane`,
    given at link time `stamp` (ns). `mark` is whatever the caller knows the answer by."""

    request: bytes
    lane: int
    asked: int
    status: int = 0
    answer_lane: int = 0
    time: int = 0
    stamp: int = 0
    mark: Any = None


class Forbidden(Struct, frozen=True):
    """An answer that no possible state gives: the requirement that it breaks, in a state that takes the
    request if there is one."""

    exchange: Exchange
    requirement: str
    expected: str
    actual: str


# ── Machines of which not all is known ───────────────────────────────────────────────────────────────


class _Unknown(Tables):
    """The machines of a module whose features nobody knows: it may have any row, and may lack any that asks for a
    feature."""

    def __init__(self, catalogue: ir.Catalogue) -> None:
        super().__init__(catalogue, frozenset(f.name for f in Feature if f.name))

    def _decided(self, machine: str, guard: str, body: Any) -> bool | None:
        words = self._words[machine].get(guard.removeprefix("!"), "")
        return None if "has the feature" in words else super()._decided(machine, guard, body)

    def _certain(self, machine: str, row: Row, body: Any) -> bool:
        return not row.needs and super()._certain(machine, row, body)


# ── The states still possible ────────────────────────────────────────────────────────────────────────


class Possible:
    """What one side answers, judged by every state in which it may have been."""

    def __init__(self, catalogue: ir.Catalogue, role: Role) -> None:
        self._catalogue, self._role = catalogue, role
        self._machines = {m.name: m for m in catalogue.machines if m.role is role}
        self._tables = _Unknown(catalogue) if role is Role.MODULE else None
        self._oracles: dict[int, Oracles] = {}  # by type: its own features and no others are there
        self._success = {s.value for s in catalogue.statuses if s.success}
        self._patience = catalogue.timer["tResponse"].max or 0
        self.forget()

    def forget(self) -> None:
        """Time begins anew: what was seen tells nothing of what comes."""
        self._open: OrderedDict[tuple[int, int], Exchange] = OrderedDict()
        self._since: deque[Exchange] = deque(maxlen=HELD)

    # ── What is seen ──

    def asked(self, data: bytes, lane: int, time: int) -> None:
        """A request to this side; `data` is the whole packet."""
        key = int.from_bytes(data[6:8], "little"), data[1]
        if key in self._open:  # a repetition gets the answer of the first, which may have been another request
            same = self._open[key].request[16:] == data[16:]
            self._open[key] = Exchange(data if same else b"", lane, time)
            return
        self._open[key] = Exchange(data, lane, time)
        if len(self._open) > HELD:
            self._open.popitem(last=False)

    def answered(self, packet: Packet, lane: int, time: int, mark: Any = None) -> Iterator[Forbidden]:
        """A response of this side's, and what is wrong with it, or with those before it as it tells. One that came
        later than any answer may is taken for that of a request under the same number, which is missing."""
        asked = self._open.get((packet.txn, packet.type))
        if asked is not None and asked.request and time - asked.asked <= self._patience:
            found = Exchange(
                asked.request, asked.lane, asked.asked, int(packet.status), lane, time, packet.t_ns, mark
            )  # fmt: skip
            forbidden = self.forbidden(found, {})
            if forbidden is not None:
                yield forbidden
            else:
                self._since.append(found)
        if isinstance(packet.body, StateGetResponse):
            yield from self._looked_back(packet.body, packet.t_ns, time)

    def _looked_back(self, told: StateGetResponse, stamp: int, time: int) -> Iterator[Forbidden]:
        """STATE_GET was answered: since when each machine has been where it is."""
        for exchange in self._since:
            if found := self.forbidden(exchange, self._places(told, exchange, stamp, time)):
                yield found
        self._since.clear()

    def _places(self, told: StateGetResponse, exchange: Exchange, stamp: int, time: int) -> dict[str, str]:
        """Where machines were at an exchange for certain."""
        went = time - exchange.time
        play = _JITTER + went // _DRIFT
        if abs(stamp - exchange.stamp - went) > play:  # link time was set in between, or has begun anew
            return {}
        out = {}
        for row in told.machines:
            machine = self._machines.get(row.machine.name) if isinstance(row.machine, MachineId) else None
            if machine is not None and row.state < len(machine.states) and row.entered + play < exchange.stamp:
                out[machine.name] = machine.states[row.state].name
        return out

    # ── What every state forbids ──

    def states(self, machine: str, exchange: Exchange, fixed: Mapping[str, str]) -> list[str | None]:
        """The states in which a machine may have been at an exchange; None where it may not exist."""
        declared = self._machines[machine]
        if machine in fixed:
            return [fixed[machine]]
        names = [s.name for s in declared.states]
        if machine == GATE and exchange.answer_lane == Lane.LASER:
            names = [n for n in names if n not in _DARK]
        names.sort(key=lambda n: n != _USUAL)
        return [*names, *([None] if declared.needs else [])]

    def forbidden(self, exchange: Exchange, fixed: Mapping[str, str]) -> Forbidden | None:
        """What an answer breaks in every possible state; None if any of them allows it. `fixed` are the states of the
        machines of which they are known."""
        data, status = exchange.request, exchange.status
        declared = self._catalogue.by_code.get(data[1])
        if status in _ANYWHERE or (declared is not None and declared.needs and status == Status.NOT_SUPPORTED):
            return None
        event = Received(declared.name, Form.REQUEST) if declared else None
        knowing = [n for n, m in self._machines.items() if n != GATE and any(r.event == event for r in m.rows)]
        first: Expected | None = None
        for found in product(*(self.states(name, exchange, fixed) for name in (GATE, *knowing))):
            places = {name: state for name, state in zip((GATE, *knowing), found, strict=True) if state is not None}
            expected = self._expected(exchange, declared, places)
            if expected is None:
                return None
            if first is None or first.what == _STATE:  # what is wrong in spite of the state says more
                first = expected
        if first is None:
            return None
        wanted = " or ".join(_name(x) for x in sorted(first.statuses)) or "another status"
        return Forbidden(
            exchange, first.requirement, f"{wanted}, in every state still possible ({first.what})", _name(status)
        )

    def _expected(self, exchange: Exchange, declared: ir.Packet | None, places: Mapping[str, str]) -> Expected | None:
        """What these states expect in place of an answer; None if they allow it."""
        data, status = exchange.request, exchange.status
        expected = self._oracle(data[1], declared).expect(data, exchange.lane, places)
        if expected.statuses:
            return None if status in expected.statuses else expected
        if status in expected.never:
            return expected
        if not expected.taken or declared is None or self._tables is None or status not in self._success:
            return None
        told = Told(declared.name, Form.REQUEST, _name(status), _body(data), sure=True)
        machine = self._tables.unearned(places, told)
        known = self._catalogue.by_key.get(f"{declared.name}.answer")
        if not machine or known is None:
            return None
        return Expected(known.id, what=f"no row of {machine} gives it in {places[machine]}")

    def _oracle(self, code: int, declared: ir.Packet | None) -> Oracles:
        if code not in self._oracles:
            features = {"ROLE_SWAP", *(declared.needs if declared else ())}
            self._oracles[code] = Oracles(self._catalogue, self._role, frozenset(features))
        return self._oracles[code]


def _name(status: int) -> str:
    return next((s.name for s in Status if s == status), str(status))


def _body(data: bytes) -> Any:
    try:
        return codec.decode(data).body
    except DecodeError:
        return None
