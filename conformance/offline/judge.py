"""Judges a recording with the monitors that judge an implementation live, in the time of the recording.

A recording is not what happened: it may begin in the middle, have holes that nothing tells of, and show one side alone.
A monitor knows what it has seen, and what is missing may have been anything. So what a packet breaks all by itself is a
failure, whatever is missing. What is broken only beside other packets (an answer to no request, a count that jumps, a
time that is exceeded) is a failure where whoever judges says that the recording is complete, and nothing in it says
otherwise; else it is left open, or, where it shows nothing but that something is missing, counted as a hole. In between
stand answers: one that no state gives which is still possible is a failure, too (`possible`).

Both sides are judged at once, each beside what the other said. A tester breaks rules on purpose: it is not judged.

What is held is bounded: after `MEMORY` bytes of packets the monitors forget.

Plan: what packets break by themselves · findings · one side · the judge · judging a file.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from itertools import chain, islice
from math import gcd
from typing import Any, BinaryIO, Final

from msgspec import Struct, structs

from opalink.conformance.offline.packets import Packets, Seen
from opalink.conformance.offline.possible import Possible
from opalink.conformance.tester.ledger import Asked
from opalink.conformance.tester.monitors import Monitor
from opalink.protocol import codec
from opalink.protocol.codec import DecodeError, Packet
from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.obligations import peer
from opalink.protocol.packets import BlockNak, Feature, Hello, HelloResponse, Lane
from opalink.spec.form import Form, Level, Role

MEMORY: Final = 256 << 20
_NAKS_MAX: Final = 1 << 20  # blocks that one BLOCK_NAK may name before it is taken for nonsense
_LOOK_AHEAD: Final = 256  # packets in which it must show whether the implementation is a phone
_NOTED: Final = 20  # holes that are told one by one
_MAJOR: Final = codec.encode(Packet())[0] & 0xF0  # of the version, where it stands in a packet
_IUT, _TESTER = "IUT", "tester"  # as the capture format calls them
_ANY_ROLE: Final = frozenset({"ROLE_SWAP"})  # what a side that has not said it may have too

# ── What packets break by themselves ─────────────────────────────────────────────────────────────────

# Whatever came before or is missing, the packet is wrong. Requirements that layouts imply are so, too.
ALONE: Final = frozenset(
    "R-WIRE-011 R-WIRE-013 R-WIRE-016 R-WIRE-017 R-WIRE-019 R-WIRE-024 R-WIRE-026 R-WIRE-030 R-WIRE-031 R-WIRE-032 "
    "R-LNK-005 R-CAP-022 R-TIM-006 R-TIM-014 R-LEN-012 R-LEN-019 R-FRM-012 R-FRM-020".split()
)
# What follows something that is not there: more than the one follows from its absence in a recording.
HOLES: Final = frozenset({"R-WIRE-009", "R-MGT-031", "R-FRM-001"})
_SENT: Final = ".sent"

# ── Findings ─────────────────────────────────────────────────────────────────────────────────────────


class Outcome(StrEnum):
    """What a recording comes to."""

    CLEAN = "nothing wrong seen"
    FAIL = "fail"
    OPEN = "open"  # it would be wrong if nothing is missing, and nobody says so
    NOTHING = "nothing to judge"


class Finding(Struct):
    """A requirement that one side broke, where that showed first: in the packet `number` of the file, at `time` (ns).
    `filter` shows it in Wireshark; `count` is how often it was seen broken."""

    requirement: str
    level: str
    sentence: str
    role: str
    number: int
    time: int
    packet: str
    expected: str
    actual: str
    filter: str
    count: int = 1


class Judgement(Struct):
    """What was made of a recording. `kept` is how often each requirement was seen to be kept, by role; `holes` the
    first signs of what is missing, `missing` how many there were; `captured` what the recording holds of OPAL, `noise`
    what of it was damaged on its way, `packets` those that were judged, by role."""

    verdict: Outcome
    complete: bool
    cause: Finding | None
    findings: list[Finding]
    warnings: list[Finding]
    open: list[Finding]
    holes: list[str]
    missing: int
    captured: int
    noise: int
    packets: dict[str, int]
    kept: dict[str, dict[str, int]]


# ── One side ─────────────────────────────────────────────────────────────────────────────────────────

Charge = Callable[["Side", str, str, str], None]
Book = dict[tuple[Role, str], Finding]


class Side(Monitor):
    """The monitor of one side, which tells each violation as it shows instead of keeping it."""

    def __init__(self, catalogue: ir.Catalogue, role: Role, charged: Charge) -> None:
        self._charged = charged
        self.heard = 0
        super().__init__(catalogue, role)
        self.features = _ANY_ROLE

    def charge(self, requirement: str, expected: str, actual: str) -> None:
        self.broken[requirement] += 1
        self._charged(self, requirement, expected, actual)

    def in_time(self, requirement: str, waited: int, limit: int, what: str) -> None:
        """Judge a time. What may be exceeded by rounding alone is neither kept nor broken."""
        if not limit < waited <= limit + self.slack:
            self.judge(requirement, waited <= limit, f"{what} within {limit} ns", f"after {waited} ns")

    def learn(self, told: int) -> None:
        """The side has said which features it has."""
        self.features = _ANY_ROLE | {f.name for f in Feature if told & f and f.name}


# ── The judge ────────────────────────────────────────────────────────────────────────────────────────


class Judge:
    """Judges one packet after the other. `complete`: whoever judges knows that the recording begins with the contacts
    open and that nothing is missing; what shows otherwise ends that. `features` are those that each role is declared to
    have, else what it says itself. `last` is the packet that was judged last."""

    def __init__(
        self,
        catalogue: ir.Catalogue,
        roles: Collection[Role],
        *,
        complete: bool = False,
        features: dict[Role, frozenset[str]] | None = None,
    ) -> None:
        self.catalogue, self.complete = catalogue, complete
        self.sides = {role: Side(catalogue, role, self._charge) for role in (Role.PHONE, Role.MODULE)}
        self._possible = {role: Possible(catalogue, role) for role in self.sides}
        self._judged = frozenset(roles)
        self._declared = features or {}
        for role, found in self._declared.items():
            self.sides[role].features = found
        self.holes: list[str] = []
        self.missing = 0
        self.found: Book = {}
        self.doubtful: Book = {}
        self._proved: set[tuple[Role, str]] = set()  # of those found, what holds whatever is missing
        self.last = Seen(0, 0, "", False, None, b"")
        self._name = ""
        self._tick = self._held = 0

    def see(self, seen: Seen, role: Role | None, *, judged: bool = True) -> None:
        """The next packet, which a side of this role sent."""
        if seen.hole:
            self.doubt(seen, seen.hole)
        if role is None or not seen.data:
            return
        self.last = seen
        self._tick = gcd(self._tick, seen.time)
        self._held += len(seen.data)
        if self._held > MEMORY:
            self.doubt(seen, f"more than {MEMORY >> 20} MiB of packets are not remembered")
        side, other = self.sides[role], self.sides[peer(role)]
        # Times are multiples of the tick: a span that is measured may be that much shorter, and no more, in truth.
        side.slack = other.slack = max(self._tick - 1, 0)
        packet, error = _decoded(seen.data)
        self._name = _message(self.catalogue, packet)
        lane = Lane.LASER if seen.lane is None else seen.lane
        if judged and role in self._judged:
            side.heard += 1
            side.hear(seen.time, lane, seen.data)
        if packet is not None:
            self._exchange(role, packet, lane, judged=judged and role in self._judged)
            self._tell(other, packet, error, lane)
            if error is None:
                self._learn(role, packet.body)

    def end(self) -> None:
        """The recording is over."""
        self._name = ""
        for role in self._judged:
            if self.complete:
                self.sides[role].end(self.last.time)

    def doubt(self, seen: Seen, why: str) -> None:
        """Something is missing before a packet: the recording is not complete, and what was remembered may be wrong."""
        self.complete = False
        self._note(f"before frame {seen.number:,}: {why}")
        self.forget()

    def retract(self, why: str) -> None:
        """Something is missing, nobody knows where: what other packets would have to show is open."""
        self.complete = False
        self._note(why)
        for key in [k for k in self.found if k not in self._proved and not self._alone(k[1])]:
            finding = self.found.pop(key)
            if key[1] not in HOLES:
                self.doubtful.setdefault(key, finding)

    def forget(self) -> None:
        """Nothing is remembered of what either side has done."""
        self._held = 0
        for role, side in self.sides.items():
            side.begin()
            self._possible[role].forget()

    def _note(self, hole: str) -> None:
        self.missing += 1
        if len(self.holes) < _NOTED:
            self.holes.append(hole)

    # ── Answers ──

    def _exchange(self, role: Role, packet: Packet, lane: int, *, judged: bool) -> None:
        """A request reaches the other side, or a response is judged by the states that are still possible."""
        seen = self.last
        if packet.txn and not packet.rsp:
            self._possible[peer(role)].asked(seen.data, lane, seen.time)
        elif packet.rsp and judged:
            for found in self._possible[role].answered(packet, lane, seen.time, (seen, self._name)):
                at, name = found.exchange.mark
                self._proved.add((role, found.requirement))
                self._enter(self.found, role, found.requirement, found.expected, found.actual, at, name)

    # ── What the other side hears ──

    def _tell(self, other: Side, packet: Packet, error: DecodeError | None, lane: int) -> None:
        """A side knows what it has been asked and told."""
        body, time = packet.body, self.last.time
        if isinstance(body, BlockNak) and sum(span.count for span in body.ranges) > _NAKS_MAX:
            return
        if packet.txn and not packet.rsp:
            asked = Asked(packet.txn, packet.type, time, lane, packet.instance, None if error else body)
            if error is None:
                other.asked(asked)
            else:
                other.open[packet.txn] = asked
        elif error is None:
            other.told(body, time)
            if packet.rsp:
                other.answered(packet.txn)

    def _learn(self, role: Role, body: Any) -> None:
        if isinstance(body, Hello | HelloResponse) and role not in self._declared:
            self.sides[role].learn(body.features)

    # ── What is wrong ──

    def _charge(self, side: Side, requirement: str, expected: str, actual: str) -> None:
        if not self.complete and requirement in HOLES:
            self._note(f"before frame {self.last.number:,}: {expected} ({self._name})")
            return
        book = self.found if self.complete or self._alone(requirement) else self.doubtful
        self._enter(book, side.role, requirement, expected, actual, self.last, self._name)

    def _enter(
        self, book: Book, role: Role, requirement: str, expected: str, actual: str, seen: Seen, name: str
    ) -> None:
        before, known = book.get((role, requirement)), self.catalogue.requirement[requirement]
        if before is not None:
            before.count += 1
            if before.number <= seen.number:
                return
        book[role, requirement] = Finding(
            requirement, known.level, known.text, role, seen.number, seen.time, name, expected, actual,
            _filter(seen.number, name, known.key), before.count if before else 1,
        )  # fmt: skip

    def _alone(self, requirement: str) -> bool:
        return requirement in ALONE or self.catalogue.requirement[requirement].key.endswith(_SENT)

    def judgement(self, captured: int, noise: int) -> Judgement:
        """What all of it comes to."""
        roles = sorted(self._judged)
        found = sorted(self.found.values(), key=_place)
        hard = [f for f in found if f.level == Level.MUST]
        doubtful = sorted(self.doubtful.values(), key=_place)
        heard = {role.value: self.sides[role].heard for role in roles}
        if hard:
            verdict = Outcome.FAIL
        elif not sum(heard.values()):
            verdict = Outcome.NOTHING
        else:
            verdict = Outcome.OPEN if any(f.level == Level.MUST for f in doubtful) else Outcome.CLEAN
        return Judgement(
            verdict, self.complete, hard[0] if hard else None, hard, [f for f in found if f.level != Level.MUST],
            doubtful, self.holes, self.missing, captured, noise, heard,
            {role.value: dict(sorted(self._kept(self.sides[role]).items())) for role in roles},
        )  # fmt: skip

    @staticmethod
    def _kept(side: Side) -> Counter[str]:
        """What was seen to be kept, and not broken."""
        covered = side.covered()
        return Counter({r: n for r, n in covered.items() if not side.broken[r]})


def _decoded(data: bytes) -> tuple[Packet | None, DecodeError | None]:
    """A packet, or what could be read of it; nothing of one whose CRC is wrong. A major version that nobody knows is
    refused in an answer, so its header is read all the same."""
    try:
        return codec.decode(data), None
    except DecodeError as error:
        if error.packet is not None or error.fault is not Fault.CONST:
            return (None if error.fault is Fault.CRC else error.packet), error
        return _as_ours(data), error


def _as_ours(data: bytes) -> Packet | None:
    try:
        return codec.decode(bytes([data[0] & 0x0F | _MAJOR]) + data[1:], crc=False)
    except DecodeError as error:
        packet: Packet | None = error.packet
        return packet


def _message(catalogue: ir.Catalogue, packet: Packet | None) -> str:
    """How Wireshark calls a packet: "PWR_REQUEST.request"; empty where it is none."""
    declared = catalogue.by_code.get(packet.type) if packet else None
    if packet is None or declared is None:
        return ""
    if not packet.rsp:
        return f"{declared.name}.{Form.REQUEST if packet.txn else Form.EVENT}"
    success = {s.value for s in catalogue.statuses if s.success}
    return f"{declared.name}.{Form.RESPONSE if packet.status in success else Form.ERROR}"


def _filter(number: int, message: str, key: str) -> str:
    """What shows a packet in Wireshark, with the field that is wrong where the requirement names one."""
    field = ".".join(key.split(".")[:-2])
    shown = field if message and field.startswith(f"{message}.") else message
    return f"frame.number == {number}" + (f" && opal.{shown}" if shown else "")


def _place(finding: Finding) -> int:
    return finding.number


# ── Judging a file ───────────────────────────────────────────────────────────────────────────────────


def judge(
    stream: BinaryIO,
    catalogue: ir.Catalogue,
    roles: Collection[Role] = (Role.PHONE, Role.MODULE),
    *,
    complete: bool = False,
    features: dict[Role, frozenset[str]] | None = None,
    iut: Role | None = None,
) -> Judgement:
    """Judge a recording. `iut` is the role of the implementation in the recording of a campaign, which else is told
    from what it sends. Raises CaptureError for what is no recording."""
    packets = Packets(stream, catalogue)
    going = iter(packets)
    first = list(islice(going, _LOOK_AHEAD))
    iut = iut or _role_of_iut(catalogue, first)
    looking = Judge(catalogue, roles, complete=complete, features=features)
    directions = set()
    for seen in chain(first, going):
        directions.add(seen.inbound)
        looking.see(seen, _role(seen, iut), judged=seen.sender != _TESTER)
    if packets.damaged_at_end:
        looking.doubt(structs.replace(looking.last, number=looking.last.number + 1), str(packets.reader.damage[-1]))
    if packets.reader.lost:
        looking.retract(f"{packets.reader.lost:,} packets are missing")
    if len(directions) == 1:
        looking.retract("one of the two sides is missing")
    looking.end()
    return looking.judgement(packets.captured, packets.noise)


def _role_of_iut(catalogue: ir.Catalogue, packets: Iterable[Seen]) -> Role:
    """What the implementation of a campaign is: most of what it sends, only one role does."""
    votes: Counter[Role] = Counter()
    for seen in packets:
        packet, _ = _decoded(seen.data)
        declared = catalogue.by_code.get(packet.type) if packet and not packet.rsp else None
        if declared is not None and seen.sender in (_IUT, _TESTER):
            votes[declared.sender if seen.sender == _IUT else peer(declared.sender)] += 1
    return Role.PHONE if votes[Role.PHONE] > votes[Role.MODULE] else Role.MODULE


def _role(seen: Seen, iut: Role) -> Role:
    """Who sent a packet. A recording that does not say so was made by the phone."""
    named = {_IUT: iut, _TESTER: peer(iut), Role.PHONE.value: Role.PHONE, Role.MODULE.value: Role.MODULE}
    return named.get(seen.sender) or (Role.MODULE if seen.inbound else Role.PHONE)
