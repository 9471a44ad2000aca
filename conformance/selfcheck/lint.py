"""The tester judged: an implementation that takes down whatever its tester does wrong.

Outside of the tests that provoke, a tester is a side like any other: it keeps to the specification, or what it finds
may be its own doing. Here the reference stands before it, and the other role's monitor judges every packet that the
tester sends; what the reference itself can do nothing with, it counts.

    python -m opalink.conformance.selfcheck.lint module    every test of legal behaviour, and what the tester does wrong
    python -m opalink.conformance.selfcheck.lint phone

Plan: the implementation · a campaign · the command.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from opalink.conformance.bundle.results import Result
from opalink.conformance.campaign import begin
from opalink.conformance.purposes import Class, Purpose
from opalink.conformance.runner import Options, Runner
from opalink.conformance.scenarios import scenarios
from opalink.conformance.tester.mirror import noted
from opalink.conformance.tester.monitors import Monitor
from opalink.protocol.codec import decode
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.obligations import peer
from opalink.protocol.packets import CounterGroup, CounterId, Lane, Outcome, ResetKind
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Channel, IutUri
from opalink.protocol.transport.channel import PATIENCE
from opalink.protocol.transport.local import LocalChannel
from opalink.protocol.transport.session import Endpoint
from opalink.spec.form import Role

# ── The implementation ───────────────────────────────────────────────────────────────────────────────

_REFUSALS: Final = frozenset(
    {
        CounterId.BAD_CRC,
        CounterId.BAD_LENGTH,
        CounterId.BAD_VALUE,
        CounterId.BAD_STATE,
        CounterId.BAD_VERSION,
        CounterId.NOT_SUPPORTED,
    }
)


class Linted:
    """The reference on the packet plane, and what it finds of its tester since the last `take`."""

    def __init__(self, inner: Module | Phone) -> None:
        self._inner = inner
        self.role, self.name, self.operations = inner.role, inner.name, inner.operations
        self.monitor = Monitor(catalogue(), peer(inner.role))
        self._found: list[str] = []

    def take(self) -> list[str]:
        """What the tester did wrong, in sentences, and what was refused of it."""
        self._collect()
        out, self._found = self._found, []
        return out

    def _collect(self) -> None:
        for v in self.monitor.violations:
            self._found.append(f"{v.requirement}: {v.expected} was expected, {v.actual} was seen.")
        for c in self._inner.counters.rows(CounterGroup.PACKET):
            if c.id in _REFUSALS and c.count:
                self._found.append(f"It counted {c.count} of {CounterId(c.id).name}.")
        self.monitor.violations.clear()
        self._inner.counters.reset()

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        self._collect()
        self.monitor.begin()
        self._inner.reset(kind, seed, now)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        return self._inner.operate(operation, now)

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        self.monitor.hear(now, lane, data)
        self._inner.receive(lane, data, now)

    def advance(self, now: int) -> None:
        self._inner.advance(now)

    def deadline(self) -> int | None:
        return self._inner.deadline()

    def outbox(self) -> list[Departure]:
        out = self._inner.outbox()
        for departure in out:
            noted(self.monitor, decode(departure.data), departure.lane, departure.time)
        return out


# ── A campaign ───────────────────────────────────────────────────────────────────────────────────────

LEGAL: Final = frozenset({Class.CA, Class.BV, Class.TI})  # what is about legal behaviour
# Of those, what is about how something else is counted or refused.
PROVOKING: Final = frozenset(
    """
    MOD/LNK/COUNTERS/BV-read MOD/LNK/COUNTERS/BV-counted MOD/LNK/COUNTERS/BV-epoch MOD/ATT/EJECT/BV-commit
    MOD/CAP/CONFIGURE/BV-test_only PHN/LNK/COUNTERS/BV-read
    """.split()
)


def legal(role: Role) -> list[Purpose]:
    """The scenarios in which a tester of an implementation of this role has to keep to the specification. What walks
    a machine's rows provokes refusals as often as not."""
    found = [p for p in scenarios(role) if p.class_ in LEGAL and p.id not in PROVOKING]
    return [p for p in found if "BV-row." not in p.id]


@dataclass(frozen=True)
class Here(IutUri):
    """The URI of an endpoint that is there."""

    endpoint: Any = None

    def open(self, patience: float = PATIENCE) -> Channel:  # noqa: ARG002
        return LocalChannel(lambda: self.endpoint)


def meet(endpoint: Endpoint) -> Runner:
    """A tester that has met an endpoint on the packet plane."""
    return begin(Here("here", endpoint.name, endpoint), Options(plane="packet")).runner


def findings(linted: Linted, purposes: Sequence[Purpose]) -> Iterator[tuple[Result, list[str]]]:
    """The tests against an implementation, one after the other, each with what it found of its tester."""
    with closing(meet(linted)) as runner:
        linted.take()  # to find out what an implementation has, it is asked for what it may not have
        for purpose in purposes:
            yield runner.step(purpose), linted.take()


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def main(role: Role) -> int:
    """Print what is found of the tester of a role's implementations; how much that is."""
    found = 0
    for result, wrong in findings(Linted(Module() if role is Role.MODULE else Phone()), legal(role)):
        for text in wrong:
            print(f"{result.id}: {text}")  # noqa: T201  it is the command's answer
        found += len(wrong)
    return found


if __name__ == "__main__":
    if sys.argv[1:] not in (["module"], ["phone"]):
        sys.exit("Say of which implementations the tester is to be judged: module or phone.")
    sys.exit(1 if main(Role(sys.argv[1])) else 0)
