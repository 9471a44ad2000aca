"""Scenarios of starting anew: what a restart forgets, what it begins again, and what must not start at all.

Plan: restarts from outside · what is counted · what was ended · what is refused.
"""

from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.ledger import Asked
from opalink.conformance.tester.preambles import (
    detaching,
    greet,
    hello,
    meet,
    next_keepalive,
    ready,
    show,
    silent,
    train,
)
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import CounterId, Lane, OperationTag, PacketType
from opalink.spec.form import MS, Form

# ── Restarts from outside ────────────────────────────────────────────────────────────────────────────


def _restarted(s: Session, kind: p.ResetKind) -> None:
    """A session, a restart, and an attempt to go on with that session."""
    ready(s)
    old, nonce = hello(s, resume=True), s.beacon.nonce
    s.clear()
    s.operate(OperationTag.RESET, p.ResetOperation(kind=kind))
    s.light = False
    heard = s.take(p.Beacon, EVENTUALLY)
    if heard is None:
        s.fail("a BEACON", "none", "R-LNK-003")
    s.expect(heard.body.nonce != nonce, "another nonce", "the same", "R-LNK-004")
    s.beacon = heard.body
    show(s)
    s.light = bool(s.beacon.gears_down)
    train(s)
    s.expect_status(s.ask(old, lane=Lane.SIDEBAND), Status.NEEDS_SESSION)
    greet(s)


@scenario(
    "ATT/START/BV-warm", "R-ATT-002", "R-LNK-004",
    given="a module in READY", when="its firmware restarts and HELLO resumes the session",
    then="it answers NEEDS_SESSION, under another nonce", operations=("attach", "reset"),
)  # fmt: skip
def a_restart_of_the_firmware(s: Session) -> None:
    _restarted(s, p.ResetKind.WARM)


@scenario(
    "ATT/START/BV-cold", "R-ATT-002", "R-LNK-004",
    given="a module in READY", when="it loses all power, has it again, and HELLO resumes the session",
    then="it answers NEEDS_SESSION, under another nonce", operations=("attach", "reset"),
)  # fmt: skip
def a_loss_of_all_power(s: Session) -> None:
    _restarted(s, p.ResetKind.COLD)


# ── What is counted ──────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/START/BV-keepalive", "R-ATT-016",
    given="a module without a battery that has sent KEEPALIVE", when="the contacts open and close",
    then="its next KEEPALIVE is the first", needs="!BATTERY", operations=("attach", "detach"),
)  # fmt: skip
def keepalives_begin_anew(s: Session) -> None:
    silent(s)
    next_keepalive(s)
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.clear()
    silent(s)
    seq = next_keepalive(s).body.seq
    s.expect(seq == 1, "`seq` 1", f"{seq}")


@scenario(
    "LNK/COUNTERS/BV-epoch_warm", "R-LNK-011",
    given="a module in READY that has counted something", when="its firmware restarts",
    then="its counters go on, or begin at zero under a higher epoch", operations=("attach", "reset"),
)  # fmt: skip
def epoch_of_counters_after_a_restart(s: Session) -> None:
    ready(s)
    s.stimulate(Exchange(0xEE, b"", Oracle.REFUSED))
    s.let(60 * MS)
    first = s.asks(p.CountersGet(groups=p.CounterGroup.PACKET))
    s.operate(OperationTag.RESET, p.ResetOperation(kind=p.ResetKind.WARM))
    s.light = False
    s.clear()
    s.need(s.take(p.Beacon, EVENTUALLY) is not None, "No BEACON came after the restart.")
    second = s.asks(p.CountersGet(groups=p.CounterGroup.PACKET), lane=Lane.SIDEBAND)
    now = {c.id: c.count for c in second.counters}
    fell = [c.id for c in first.counters if now.get(c.id, 0) < c.count]
    s.expect(not fell or second.epoch > first.epoch, "a higher epoch", f"{second.epoch} after {first.epoch}")


@scenario(
    "LNK/COUNTERS/BI-events", "R-LNK-014",
    given="a module in READY", when="an event comes without its payload, and one with an unknown member",
    then="BAD_LENGTH and BAD_VALUE go up by one",
)  # fmt: skip
def events_are_counted(s: Session) -> None:
    ready(s)
    before = s.counters()
    for payload in (b"", b"\xff\0\0"):
        s.stimulate(Exchange(PacketType.DETACH_NOTICE, payload, Oracle.SILENT, Form.EVENT))
    s.alive()
    after = s.counters()
    for counter in (CounterId.BAD_LENGTH, CounterId.BAD_VALUE):
        wanted = before.get(counter, 0) + 1
        s.expect(after.get(counter) == wanted, f"{counter.name} {wanted}", f"{after.get(counter)}")


# ── What was ended ───────────────────────────────────────────────────────────────────────────────────


def _committed(s: Session) -> tuple[Asked, bytes]:
    """A module that has been let go, and the request that did it."""
    detaching(s)
    asked, data = s.stimulate(Exchange(PacketType.EJECT, bytes((p.EjectPhase.COMMIT, 0, 0)), Oracle.ACCEPTED))
    heard = s.answer(asked)
    s.need(heard is not None and heard.status == Status.OK, "EJECT with COMMIT was not answered OK.")
    s.light = False
    return asked, data


@scenario(
    "ATT/EJECT/BV-commit_again", "R-WIRE-008",
    given="a module that EJECT with COMMIT has ended the session of", when="the same request comes again",
    then="it answers with the stored response",
)  # fmt: skip
def the_answer_to_commit_is_kept(s: Session) -> None:
    asked, data = _committed(s)
    s.expect(s.repeat(asked, data) is not None, "the stored response", "none or another")


@scenario(
    "ATT/EJECT/BV-wanted_again", "R-MGT-042",
    given="a module that was let go and is still there", when="the phone shows itself with BEACON",
    then="it answers with BEACON, and can be greeted",
)  # fmt: skip
def who_was_let_go_is_wanted_again(s: Session) -> None:
    _committed(s)
    s.clear()
    show(s)
    heard = s.take(p.Beacon, EVENTUALLY)
    if heard is None:
        s.fail("a BEACON", "none")
    s.expect_status(s.ask(hello(s), lane=Lane.SIDEBAND), Status.OK)


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/RESET/BO-factory_beacon", "R-MGT-042",
    given="a module in BEACON or HELLO", when="RESET comes with FACTORY", then="it answers BAD_STATE, and is greeted",
)  # fmt: skip
def factory_reset_needs_a_session(s: Session) -> None:
    meet(s)
    show(s)
    heard = s.ask(p.Reset(level=p.ResetLevel.FACTORY, reason=p.ResetReason.TEST), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.BAD_STATE)
    s.light = bool(s.beacon.gears_down)
    train(s)
    greet(s)
