"""The ledger of a campaign: what was heard, what was asked, what was seen kept and broken, and how times are judged.

Monitor and watches write into it; neither needs to know the other.

Plan: what is heard · the ledger: the open requests, judging, times.
"""

from collections import Counter
from typing import Any, Final

from msgspec import Struct

from opalink.conformance.bundle.results import Timed
from opalink.protocol.codec import Packet
from opalink.protocol.errors import DecodeError
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import Pending
from opalink.spec.form import Role

# ── What is heard ────────────────────────────────────────────────────────────────────────────────────


class Heard(Struct, frozen=True):
    """A packet from the implementation. `packet` is None where not even its header can be believed; with an `error`
    its body is the undecoded payload. `asked` is the tester's request that it answers."""

    time: int
    lane: int
    data: bytes
    packet: Packet | None
    error: DecodeError | None = None
    asked: "Asked | None" = None

    @property
    def body(self) -> Any:
        """The value class, or bytes where there is none."""
        return self.packet.body if self.packet else b""

    @property
    def status(self) -> int:
        return self.packet.status if self.packet else -1


class Asked(Struct):
    """A request of the tester's. `body` is None where it is none that decodes."""

    txn: int
    code: int
    time: int
    lane: int
    instance: int
    body: Any
    answers: int = 0
    pending: int = 0  # when the last PENDING came
    stamp: int = 0  # link time of the first answer


class Violation(Struct, frozen=True):
    """A requirement that was seen broken."""

    requirement: str
    expected: str
    actual: str


# ── The ledger ───────────────────────────────────────────────────────────────────────────────────────

BURDEN = 4 << 20  # bytes within a binding, from which on a bench may be slower than an implementation
REMEMBERED: Final = 200  # violations, and of each further requirement one, that a binding remembers; and times


class Ledger:
    """What is known of one implementation's doings. `begin` forgets what belongs to a binding; what it is
    (`features`, `peak`) and what was seen to be kept, with the statuses of `answers`, are those of the whole campaign.
    `slack` is what real time may add to a time that is judged, or take from it."""

    def __init__(self, catalogue: ir.Catalogue, role: Role, slack: int = 0) -> None:
        self.catalogue, self.role, self.slack = catalogue, role, slack
        self.features: frozenset[str] = frozenset()
        self.peak = 0  # mW, of its descriptor; 0 if not known
        self.seen: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self._first = catalogue.timer["tPendingFirst"].max or 0

    def begin(self) -> None:
        """A new binding: nothing is open, nothing has been heard."""
        self.violations: list[Violation] = []
        self.open: dict[int, Asked] = {}
        self.unsure: list[str] = []  # times that the bench is too slow, or carried too much, to judge
        self.late: list[Timed] = []  # times that were not kept, or not surely
        self.carried = 0  # bytes
        self.offer: dict[str, Any] = {}

    # ── Judging ──

    def charge(self, requirement: str, expected: str, actual: str) -> None:
        self.broken[requirement] += 1
        if len(self.violations) < REMEMBERED or all(v.requirement != requirement for v in self.violations):
            self.violations.append(Violation(requirement, expected, actual))

    def keep(self, requirement: str) -> None:
        """Note that a requirement was seen to be kept."""
        self.seen[requirement] += 1

    def judge(self, requirement: str, holds: bool, expected: str, actual: str) -> None:
        if holds:
            self.seen[requirement] += 1
        else:
            self.charge(requirement, expected, actual)

    # ── Times ──

    @property
    def burdened(self) -> bool:
        """Whether so much has come in real time that lateness may be that of the way."""
        return self.slack > 0 and self.carried > BURDEN

    def in_time(self, requirement: str, waited: int, limit: int, what: str) -> None:
        """Judge a time. What is late by no more than the bench may have added is left open."""
        if waited > limit and len(self.late) < REMEMBERED:
            self.late.append(Timed(what, waited, limit, None, self.slack))
        if waited > limit and (waited <= limit + self.slack or self.burdened):
            behind = "behind much else" if self.burdened else f"and the bench takes up to {self.slack} ns"
            if len(self.unsure) < REMEMBERED:
                self.unsure.append(f"{what} came after {waited} ns, {behind}")
            return
        self.judge(requirement, waited <= limit, f"{what} within {limit} ns", f"after {waited} ns")

    def pending(self, body: Pending, time: int) -> None:
        """PENDING came for an open request."""
        asked = self.open.get(body.txn)
        if asked is None or asked.answers:
            return
        if not asked.pending:
            self.in_time("R-WIRE-023", time - asked.time, self._first, "PENDING")
        asked.pending = time
