"""Scenarios of a session: resuming it, keeping it alive, leaving it, resetting it.

Plan: resuming · alive · leaving · resets.
"""

from itertools import pairwise

from msgspec import structs

from opalink.conformance.bundle.results import Actor
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import (
    attach,
    contract,
    detaching,
    greet,
    hello,
    light,
    lose,
    next_keepalive,
    ready,
    regain,
    resume,
    show,
    silent,
)
from opalink.conformance.tester.preambles import link_lost as lose_light
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import CounterGroup, CounterId, Feature, Lane, MachineId, OperationTag
from opalink.spec.form import MS, SECOND

_READY = ("READY_BASIC", "READY_FULL")


def _attach_state(s: Session) -> str:
    return s.state(MachineId.ATTACH)


# ── Resuming ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/RESUME/BV-same", "R-ATT-004", "R-MGT-006",
    given="a module whose link was lost", when="the link comes back and HELLO resumes the session",
    then="it answers with the same session and another nonce",
    operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_keeps_the_session(s: Session) -> None:
    lose_light(s)
    found = s.reaches(MachineId.ATTACH, "LINK_LOST")
    s.expect(found == "LINK_LOST", "LINK_LOST", found)
    session, nonce = s.greeting.session, s.greeting.module_nonce
    s.let(500 * MS)
    body = resume(s)
    s.expect(body.session == session, f"session {session}", f"{body.session}")
    s.expect(body.module_nonce != nonce, "another nonce", "the same")
    found = _attach_state(s)
    s.expect(found in _READY, "a READY state", found)
    counted = s.counters(CounterGroup.SYSTEM).get(CounterId.RESUMES)
    s.expect(counted in (None, 1), "RESUMES 1", f"{counted}")


def _strange(s: Session, **changes: int) -> None:
    lose_light(s)
    regain(s)
    good = hello(s, resume=True)
    bad = structs.replace(good, **{k: getattr(good, k) ^ v for k, v in changes.items()})
    s.expect_status(s.ask(bad, lane=Lane.SIDEBAND), Status.NEEDS_SESSION)
    body = greet(s, resume=True)
    s.expect(body.session == good.resume_session, "the session as it was", f"{body.session}", "R-ATT-003")


@scenario(
    "ATT/RESUME/BI-session", "R-ATT-002", "R-ATT-003",
    given="a module whose link was lost", when="HELLO resumes another session",
    then="it answers NEEDS_SESSION, and the right resume still succeeds",
    operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_of_another_session(s: Session) -> None:
    _strange(s, resume_session=1 << 20)


@scenario(
    "ATT/RESUME/BI-phone_nonce", "R-ATT-002", "R-ATT-003",
    given="a module whose link was lost", when="HELLO resumes with another nonce of the phone's",
    then="it answers NEEDS_SESSION, and the right resume still succeeds",
    operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_with_another_phone_nonce(s: Session) -> None:
    _strange(s, last_phone_nonce=1)


@scenario(
    "ATT/RESUME/BI-module_nonce", "R-ATT-002", "R-ATT-003",
    given="a module whose link was lost", when="HELLO resumes with another nonce of the module's",
    then="it answers NEEDS_SESSION, and the right resume still succeeds",
    operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_with_another_module_nonce(s: Session) -> None:
    _strange(s, last_module_nonce=1 << 63)


@scenario(
    "ATT/RESUME/TI-inside", "R-ATT-004",
    given="a module whose link was lost", when="HELLO resumes the session inside tHoldover, by what an answer takes",
    then="it answers OK", needs="LASER", operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_just_in_time(s: Session) -> None:
    lose_light(s)
    s.let((s.catalogue.timer["tHoldover"].min or 0) - s.timer("tResponse") - 10 * MS - s.monitor.slack)
    s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))
    show(s)
    body = s.asks(hello(s, resume=True), lane=Lane.SIDEBAND)
    s.expect(body.session == s.greeting.session, f"session {s.greeting.session}", f"{body.session}")


@scenario(
    "ATT/RESUME/TI-outside", "R-ATT-005",
    given="a module whose link was lost", when="HELLO resumes the session after tHoldover",
    then="it answers NEEDS_SESSION", operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_too_late(s: Session) -> None:
    lose_light(s)
    s.let((s.catalogue.timer["tHoldover"].max or 0) + 10 * MS)
    regain(s)
    s.expect_status(s.ask(hello(s, resume=True), lane=Lane.SIDEBAND), Status.NEEDS_SESSION)


@scenario(
    "ATT/RESUME/BV-replayed", "R-ATT-002",
    given="a module whose session was resumed once", when="the same resume comes again, with the nonces of before",
    then="it answers NEEDS_SESSION", operations=("attach", "lane_down", "lane_up"),
)  # fmt: skip
def resume_cannot_be_replayed(s: Session) -> None:
    lose_light(s)
    old = hello(s, resume=True)
    resume(s)
    s.expect_status(s.ask(structs.replace(old, phone_nonce=9), lane=Lane.SIDEBAND), Status.NEEDS_SESSION)


# ── Alive ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/ALIVE/BV-echo", "R-MGT-037",
    given="a module in READY", when="it receives KEEPALIVE", then="its answer has the same `seq`",
)  # fmt: skip
def keepalive_gives_back_seq(s: Session) -> None:
    ready(s)
    for seq in (0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF):
        body = s.asks(p.Keepalive(seq=seq))
        s.expect(body.seq == seq, f"{seq}", f"{body.seq}")


@scenario(
    "ATT/ALIVE/TI-silence", "R-MGT-050",
    given="a module in READY with nothing to say, its link asleep if it has one",
    when="it has sent nothing for tKeepAlive", then="it sends KEEPALIVE, no sooner and no later",
)  # fmt: skip
def keepalive_breaks_a_silence(s: Session) -> None:
    silent(s)
    s.let(SECOND)  # reports of what was before are still under way
    timer = s.catalogue.timer["tKeepAlive"]
    before = len(s.steps)
    s.clear()
    s.let(3 * s.timer("tKeepAlive"))
    # Whatever it says breaks the silence, an answer to the phone too.
    alive = {heard.time for heard in s.inbox if isinstance(heard.body, p.Keepalive)}
    said = [i for i, step in enumerate(s.steps) if step.actor is Actor.IUT and not step.on_lane]
    for last, this in pairwise([i for i in said if i < before][-1:] + [i for i in said if i >= before]):
        least = timer.min if s.steps[this].time in alive else None
        s.waited(s.steps[this].time - s.steps[last].time, s.timer("tKeepAlive"), "KEEPALIVE", least=least)
    s.waited(s.now - s.steps[said[-1]].time, s.timer("tKeepAlive"), "KEEPALIVE")


@scenario(
    "ATT/ALIVE/TI-given_up", "R-LNK-006", "R-MGT-042",
    given="a module in READY", when="the phone sends nothing for tKeepAliveLoss",
    then="it gives the link up, and with a laser repeats BEACON",
)  # fmt: skip
def a_silent_phone_is_given_up(s: Session) -> None:
    ready(s)
    s.phone.mute |= {p.Keepalive, p.TimeSync}
    s.let(s.timer("tKeepAliveLoss") + MS + s.monitor.slack)
    found = _attach_state(s)
    s.expect(found == "LINK_LOST", "LINK_LOST", found)
    if not s.beacon.gears_down:
        return
    s.clear()
    interval = s.catalogue.timer["tLaserRestartInterval"].max or 0
    s.expect(s.take(p.Beacon, interval) is not None, "BEACON", f"none within {interval} ns")


@scenario(
    "ATT/ALIVE/BI-refused", "R-ATT-017",
    given="a module in READY with nothing to say, its link asleep if it has one",
    when="the phone refuses its KEEPALIVE for want of a session", then="it takes the link as lost",
)  # fmt: skip
def a_keepalive_that_is_refused(s: Session) -> None:
    silent(s)
    s.phone.answers[p.Keepalive] = lambda heard: s.reply(heard, p.Refusal(), Status.BAD_STATE)
    s.clear()
    next_keepalive(s)
    found = s.reaches(MachineId.ATTACH, "LINK_LOST")
    s.expect(found == "LINK_LOST", "LINK_LOST", found)


# ── Leaving ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/EJECT/BV-commit", "R-MGT-042",
    given="a module in DETACHING", when="EJECT comes with COMMIT", then="it answers OK and the session is over",
)  # fmt: skip
def eject_commit_ends_the_session(s: Session) -> None:
    detaching(s)
    s.asks(p.Eject(phase=p.EjectPhase.COMMIT))
    s.light = False
    for late in (p.Eject(phase=p.EjectPhase.COMMIT), p.Keepalive()):
        s.expect_status(s.ask(late, lane=Lane.SIDEBAND), Status.BAD_STATE)


@scenario(
    "ATT/EJECT/BV-abort", "R-MGT-042",
    given="a module in DETACHING", when="EJECT comes with ABORT", then="it goes on as before",
)  # fmt: skip
def eject_abort_goes_on(s: Session) -> None:
    detaching(s)
    found = _attach_state(s)
    s.expect(found == "DETACHING", "DETACHING", found)
    s.asks(p.Eject(phase=p.EjectPhase.ABORT))
    found = _attach_state(s)
    s.expect(found in _READY, "a READY state", found)
    s.asks(p.DescRead(length=16))


@scenario(
    "ATT/EJECT/BO-commit_first", "R-MGT-042",
    given="a module in READY", when="EJECT comes with COMMIT or ABORT before PREPARE", then="it answers BAD_STATE",
)  # fmt: skip
def eject_commit_without_prepare(s: Session) -> None:
    ready(s)
    for phase in (p.EjectPhase.COMMIT, p.EjectPhase.ABORT):
        s.expect_status(s.ask(p.Eject(phase=phase)), Status.BAD_STATE)
    s.expect(_attach_state(s) in _READY, "a READY state", _attach_state(s))


@scenario(
    "ATT/DETACH/BV-again", "R-LNK-003", "R-LNK-004",
    given="a module in the middle of a session", when="the contacts open and close again",
    then="it starts anew, and the session is gone", operations=("attach", "detach"),
)  # fmt: skip
def detach_in_the_middle(s: Session) -> None:
    contract(s)
    old, nonce = hello(s, resume=True), s.beacon.nonce
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.clear()
    s.let(10 * MS)
    s.expect(not s.inbox, "silence while detached", f"{len(s.inbox)} packets")
    light(s)
    s.expect(s.beacon.nonce != nonce, "another nonce", "the same")
    s.expect_status(s.ask(old, lane=Lane.SIDEBAND), Status.NEEDS_SESSION)


@scenario(
    "ATT/DETACH/BV-boot", "R-LNK-003",
    given="a module that is booting", when="the contacts open 20 ms after they closed, and close again",
    then="it sends BEACON within tBeaconAfterPower of the second time", operations=("attach", "detach"),
)  # fmt: skip
def detach_while_booting(s: Session) -> None:
    attach(s)
    s.let(20 * MS)
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.clear()  # it may have been quick
    s.let(400 * MS)
    s.expect(not s.inbox, "no BEACON while detached", f"{len(s.inbox)} packets")
    ready(s)


# ── Resets ───────────────────────────────────────────────────────────────────────────────────────────


def _reset(s: Session, level: p.ResetLevel) -> None:
    s.asks(p.Reset(level=level, reason=p.ResetReason.TEST))


@scenario(
    "ATT/RESET/BV-protocol", "R-MGT-042", "R-ATT-009",
    given="a module in READY", when="RESET comes with PROTOCOL", then="it answers, and waits for HELLO",
)  # fmt: skip
def reset_of_the_protocol(s: Session) -> None:
    ready(s)
    _reset(s, p.ResetLevel.PROTOCOL)
    found = s.reaches(MachineId.ATTACH, "HELLO", "BEACON")
    s.expect(found in ("HELLO", "BEACON"), "HELLO or BEACON", found)
    greet(s)


@scenario(
    "ATT/RESET/BV-link", "R-ATT-004", "R-ATT-009",
    given="a module with a laser in READY", when="RESET comes with LINK",
    then="it answers, and the session can be resumed", needs="LASER",
)  # fmt: skip
def reset_of_the_link(s: Session) -> None:
    ready(s)
    session = s.greeting.session
    _reset(s, p.ResetLevel.LINK)
    s.light = False
    found = s.reaches(MachineId.ATTACH, "LINK_LOST")
    s.expect(found == "LINK_LOST", "LINK_LOST", found)
    show(s)
    body = greet(s, resume=True)
    s.expect(body.session == session, f"session {session}", f"{body.session}")


@scenario(
    "ATT/RESET/NP-link", "R-MGT-051",
    given="a module without a laser in READY", when="RESET comes with LINK", then="it answers RANGE_LIMIT",
    needs="!LASER",
)  # fmt: skip
def reset_of_no_link(s: Session) -> None:
    ready(s)
    s.expect_status(s.ask(p.Reset(level=p.ResetLevel.LINK)), Status.RANGE_LIMIT)


@scenario(
    "ATT/RESET/BV-module", "R-ATT-009", "R-LNK-004", "R-LNK-003", "R-MGT-005",
    given="a module in READY", when="RESET comes with MODULE",
    then="it answers, starts anew, and sends BEACON with another nonce",
)  # fmt: skip
def reset_of_the_module(s: Session) -> None:
    ready(s)
    nonce = s.beacon.nonce
    s.clear()
    _reset(s, p.ResetLevel.MODULE)
    s.light = False
    heard = s.take(p.Beacon, EVENTUALLY)  # from when on its start counts, no one sees from outside
    if heard is None:
        s.fail("a BEACON", "none")
    s.expect(heard.body.nonce != nonce, "another nonce", "the same", "R-LNK-004")
    s.beacon = heard.body
    show(s)
    s.light = bool(s.beacon.gears_down)
    greet(s)


@scenario(
    "ATT/RESET/BO-factory", "R-MGT-042",
    given="a module with SECURITY whose authentication has not finished", when="RESET comes with FACTORY",
    then="it answers BAD_STATE", needs="SECURITY",
)  # fmt: skip
def factory_reset_needs_full(s: Session) -> None:
    ready(s)
    s.expect_status(s.ask(p.Reset(level=p.ResetLevel.FACTORY)), Status.BAD_STATE)


@scenario(
    "ATT/HELLO/CA-features", "R-DSC-002", "R-MGT-007",
    given="a module in READY", when="its descriptor is read", then="it names the features of its answer to HELLO",
)  # fmt: skip
def hello_and_descriptor_agree(s: Session) -> None:
    ready(s)
    record = s.record("FEATURES")
    if record is None:
        s.fail("a record `features` in the descriptor", "none")
    differ = Feature(record.features ^ s.greeting.features)
    s.expect(not differ, "the same features", f"{differ!r} in one of them", "R-DSC-002")


@scenario(
    "ATT/LOST/RB-again", "R-ATT-004", "R-WIRE-021",
    given="a module in READY", when="its link is lost and comes back twenty times",
    then="every resume succeeds", operations=("attach", "lane_down", "lane_up"), plan=Plan.CI,
)  # fmt: skip
def light_comes_and_goes(s: Session) -> None:
    ready(s)
    session = s.greeting.session
    for i in range(20):
        lose(s)
        s.let((i * 37 % 100 + 1) * MS)
        body = resume(s)
        s.expect(body.session == session, f"session {session}", f"{body.session}")
        s.let(SECOND // 10)
