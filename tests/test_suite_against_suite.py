"""The tester against itself: what it says of its own accord is legal, on both of its sides.

Plan: the tester's module as an implementation · suite against suite · the lint.
"""

from contextlib import closing
from typing import Any, Final

import pytest

from opalink.conformance.purposes import Purpose
from opalink.conformance.selfcheck import lint
from opalink.conformance.tester.ledger import Violation
from opalink.conformance.tester.mirror import Mirror
from opalink.conformance.tester.monitors import Monitor
from opalink.conformance.tester.session import Known
from opalink.conformance.verdicts import Verdict
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, OperationTag, Outcome, ResetKind
from opalink.protocol.runtime import Tlv
from opalink.protocol.transport import Arrival
from opalink.spec.form import Role

# ── The tester's module as an implementation ─────────────────────────────────────────────────────────


class Wire:
    """As much of a bench as a mirror needs that is itself the implementation of another tester."""

    virtual: Final = True
    assistants: Final = ()

    def __init__(self) -> None:
        self.now, self.seed, self.work = 0, 1, 0
        self.arrivals: list[Arrival] = []
        self.journal: list[Any] = []
        self.out: list[Departure] = []

    def bind(self) -> None:
        self.out.clear()

    def offers(self, _: OperationTag) -> bool:
        return False

    def send(self, data: bytes, lane: Lane) -> None:
        self.out.append(Departure(self.now, lane, data))


class Mirrored:
    """The tester's module and its monitor, which judges the tester's phone."""

    role, name = Role.MODULE, "mirror"

    def __init__(self) -> None:
        self._wire = Wire()
        self._mirror = Mirror(self._wire, Monitor(catalogue(), Role.PHONE), Known())  # type: ignore[arg-type] # enough of one
        self.operations = self._mirror.module.operations

    @property
    def violations(self) -> list[Violation]:
        return self._mirror.monitor.violations

    def reset(self, _: ResetKind, seed: int, now: int) -> None:
        self._wire.now = now
        self._mirror.begin(seed)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        self._wire.now = now
        return self._mirror.module.operate(operation, now)

    def receive(self, lane: Lane, data: bytes, now: int) -> None:
        self._wire.now = now
        self._mirror.hear(Arrival(now, lane, data))

    def advance(self, now: int) -> None:
        self._wire.now = now
        self._mirror.module.advance(now)

    def deadline(self) -> int | None:
        return self._mirror.module.deadline()

    def outbox(self) -> list[Departure]:
        self._mirror._flush()
        out = [*self._wire.out]
        self._wire.out.clear()
        return out


# ── Suite against suite ──────────────────────────────────────────────────────────────────────────────


def some(role: Role, every: int) -> list[Purpose]:
    return lint.legal(role)[::every]


def test_neither_side_of_the_tester_finds_fault_with_the_other() -> None:
    mirrored = Mirrored()
    met = 0
    with closing(lint.meet(mirrored)) as runner:
        for result in map(runner.step, some(Role.MODULE, 5)):
            assert result.verdict is not Verdict.FAIL, (result.id, result.expected, result.actual)
            assert mirrored.violations == [], result.id
            met += result.verdict is Verdict.PASS
    assert met > 30


# ── The lint ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("inner", "every", "least"), [(Module, 6, 25), (Phone, 4, 7)])
def test_what_a_tester_says_in_legal_exchanges_is_legal(
    inner: type[Module] | type[Phone], every: int, least: int
) -> None:
    linted = lint.Linted(inner())
    met = 0
    for result, wrong in lint.findings(linted, some(linted.role, every)):
        assert wrong == [], result.id
        met += result.verdict is Verdict.PASS
    assert met >= least


def linted_module() -> lint.Linted:
    linted = lint.Linted(Module())
    linted.reset(ResetKind.COLD, 1, 0)
    linted.operate(Tlv(OperationTag.ATTACH, p.AttachOperation(100)), 0)
    linted.take()
    return linted


def test_a_tester_that_breaks_a_rule_is_found_out() -> None:
    linted = linted_module()
    wrong = codec.event(p.Beacon(role=p.DeviceRole.MODULE), t_ns=0)
    linted.receive(Lane.SIDEBAND, codec.encode(wrong), 0)
    assert any(text.startswith("R-LNK-005:") for text in linted.take())
    assert linted.take() == []


def test_a_tester_that_asks_at_the_wrong_time_is_found_out() -> None:
    linted = linted_module()
    linted.receive(Lane.SIDEBAND, codec.encode(codec.request(p.DescRead(length=1), 1, t_ns=0)), 0)
    answers = [codec.decode(d.data) for d in linted.outbox()]
    assert Status.BAD_STATE in {a.status for a in answers if a.rsp}
    assert linted.take() == ["It counted 1 of BAD_STATE."]


def test_a_test_of_what_is_illegal_is_not_among_those_that_are_linted() -> None:
    for role in (Role.MODULE, Role.PHONE):
        assert {q.class_ for q in lint.legal(role)} <= lint.LEGAL
    known = {q.id for q in lint.legal(Role.MODULE)}
    assert not known & lint.PROVOKING
