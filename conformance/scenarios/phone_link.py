"""Scenarios for phones: the epochs that they begin, their real-time packets, the gear of the downlink that they choose.

What a receiver finds no bench says. A phone that can be told of errors (the condition LINK_DEGRADED) and then reports
them is held to what they call for; one that reports none is not judged.

Plan: epochs · real time · gears.
"""

from typing import Any, Final

from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios.flit import answered_by_light, quiet, sent_since, since, stray
from opalink.conformance.scenarios.flit_credit import ungranted
from opalink.conformance.scenarios.phone import phone_scenario
from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.mirror import Mirror, contract
from opalink.conformance.tester.session import EVENTUALLY
from opalink.conformance.zoo.specimen import STATUS, TYPE, is_response
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import (
    Condition,
    ConditionOperation,
    FlitKind,
    Lane,
    OperationTag,
    RetrainReason,
    VirtualChannel,
)
from opalink.spec.form import MS, SECOND, US
from opalink.spec.limits import OUTSTANDING_MAX

# ── Epochs ───────────────────────────────────────────────────────────────────────────────────────────


def _agreed(step: Step) -> bool:
    """The tester's answer to LINK_PARAMS."""
    if step.actor is not Actor.TESTER or step.on_lane or not step.data or not is_response(step.data):
        return False
    return step.data[TYPE] == PacketType.LINK_PARAMS and step.data[STATUS] == Status.OK


@phone_scenario(
    "FLT/EPOCH/TI-begun", "R-FLT-054", "R-FLT-051",
    given="a phone that trains the link on the FLIT plane", when="LINK_PARAMS is answered",
    then="its first FLIT of the new epoch comes within tFlitAck", needs="LASER", planes=("flit",),
)  # fmt: skip
def an_epoch_begins(s: Mirror) -> None:
    contract(s)
    answered = next((step.time for step in s.steps if _agreed(step)), None)
    if answered is None or not isinstance(s.bench, FlitBench):
        s.fail("LINK_PARAMS", "none")
    came = (t for t in s.bench.line if not t.sent and t.time >= answered)
    first = next((t for t in came if t.flit and t.flit.epoch == s.bench.watch.parity), None)
    if first is None:
        s.fail("a FLIT of the new epoch", "none")
    s.waited(first.time - answered, s.timer("tFlitAck"), "the first FLIT of the new epoch", "R-FLT-054")
    s.let(SECOND)  # in which the watch sees what is sent in it


@phone_scenario(
    "FLT/RESYNC/BV-from", "R-FLT-058", "R-FLT-056",
    given="a phone in a session on the FLIT plane whose last FLITs were lost",
    when="the link recovers, and the answer to its VC_RESYNC says which have arrived",
    then="it goes on with the one after that", needs="LASER", planes=("flit",),
)  # fmt: skip
def it_goes_on_from_there(s: Mirror) -> None:
    bench = quiet(s)
    bench.withhold()
    moment = s.now
    lost = s.request(p.Keepalive(), lane=Lane.LASER)
    sent_since(s, bench, moment)
    bench.let_go(lost=True)
    bench.inject(ungranted(bench, stray(s, s.next_txn())))  # upon which the link recovers
    s.expect(s.take(p.VcResync, EVENTUALLY) is not None, "VC_RESYNC", "none")
    s.let(5 * MS)
    came = [t.flit for t in since(bench, moment) if t.flit]
    number = next((f.seq for f in came if f.kind == FlitKind.DATA), None)
    again = any((f.kind, f.seq) == (FlitKind.REPLAY, number) for f in came)
    s.expect(again, f"FLIT {number} again", "not again", "R-FLT-058")
    answered_by_light(s, lost, "R-FLT-058")


# ── Real time ────────────────────────────────────────────────────────────────────────────────────────

_BEHIND: Final = OUTSTANDING_MAX - 2  # answers that wait: more than one FLIT holds


def _used_up(s: Mirror, bench: FlitBench, vc: VirtualChannel, body: Any) -> None:
    """The phone's answers have used up the credit of a channel."""
    bench.end.hold(vc)
    books = bench.watch.used[vc]
    for _ in range(books.room):
        if books.used >= books.granted:
            return
        asked = s.request(body, lane=Lane.LASER)
        answered_by_light(s, asked)
    s.need(books.used >= books.granted, f"The answers did not use up the credit of channel {vc.name}.")


@phone_scenario(
    "FLT/RANK/BV-real_time", "R-FLT-046",
    given="a phone in a session on the FLIT plane whose answers have used up the credit of RT and CONTROL",
    when="a packet of RT waits behind others, and VC_RESYNC grants both channels credit",
    then="it goes before all but one FLIT of CONTROL", needs="LASER TIME", planes=("flit",), virtual=True,
)  # fmt: skip
def real_time_goes_first(s: Mirror) -> None:
    bench = quiet(s)
    s.silent = True
    _used_up(s, bench, VirtualChannel.RT, p.TimeSync(t1=1))
    _used_up(s, bench, VirtualChannel.CONTROL, p.Keepalive())
    waiting = [s.request(p.Keepalive(), lane=Lane.LASER) for _ in range(_BEHIND)]
    waiting.append(s.request(p.TimeSync(t1=1), lane=Lane.LASER))
    s.let(5 * MS)
    s.need(not any(one.answers for one in waiting), "It could send all along.")
    moment, s.silent = s.now, False
    bench.inject(ungranted(bench, stray(s, s.next_txn())))
    s.let(100 * US)  # from now until the link has recovered nothing leaves
    for vc in (VirtualChannel.RT, VirtualChannel.CONTROL):
        bench.end.release(vc, s.now)
    for one in waiting:
        answered_by_light(s, one)
    way = [t.flit.vc for t in since(bench, moment) if t.flit and t.flit.kind == FlitKind.DATA]
    ranked = [vc for vc in way if vc in (VirtualChannel.RT, VirtualChannel.CONTROL)]
    s.need(ranked.count(VirtualChannel.CONTROL) > 1, "What waited was no more than a FLIT.")
    at = ranked.index(VirtualChannel.RT)
    s.expect(at <= 1, "the packet of RT after at most one FLIT", f"after {at}")


# ── Gears ────────────────────────────────────────────────────────────────────────────────────────────

_FAILING: Final = 330  # -100 log10 of 5e-4; less is worse
_STAYED: Final = 20 * MS  # R-LNK-063
_FIRST: Final = 1 * SECOND  # R-LNK-064: sooner no higher gear is asked for
_LONGEST: Final = 64 * SECOND
_SOON: Final = 10 * SECOND  # R-LNK-065
_ROUNDS: Final = 3


def _errors(s: Mirror, *, present: bool) -> None:
    s.operate(OperationTag.CONDITION, ConditionOperation(Condition.LINK_DEGRADED, int(present)))


def _gives_up(s: Mirror) -> Heard | None:
    """Errors come about, and upon them the phone asks for a lower gear."""
    _errors(s, present=True)
    return s.take(_down, EVENTUALLY)


def _down(heard: Heard) -> bool:
    return isinstance(heard.body, p.RetrainReq) and heard.body.reason is RetrainReason.ERRORS


def _up(heard: Heard) -> bool:
    return isinstance(heard.body, p.RetrainReq) and heard.body.reason is RetrainReason.QUALITY


def _failing(heard: Heard) -> bool:
    return isinstance(heard.body, p.LinkEvent) and 0 < heard.body.pre_fec_ber < _FAILING


@phone_scenario(
    "LNK/GEAR/TI-lower", "R-LNK-063",
    given="a phone in a session", when="it reports more errors than 5e-4 before correction, and they stay",
    then="within 20 ms and tReport it asks for a lower gear of the downlink", needs="LASER",
    operations=("attach", "condition"),
)  # fmt: skip
def errors_call_for_a_lower_gear(s: Mirror) -> None:
    contract(s)
    _errors(s, present=True)
    reported = s.take(_failing, SECOND)
    if reported is None:
        raise Inapplicable("The phone reports no errors that call for a lower gear.")
    limit = _STAYED + s.timer("tReport")
    asked = s.take(_down, limit)
    if asked is None:
        s.fail(f"RETRAIN_REQ for errors within {limit} ns", "none")
    s.waited(asked.time - reported.time, limit, "RETRAIN_REQ")
    lower = s.shown.gears_down & asked.body.gears
    s.expect(0 < lower < s.shown.gears_down, "a lower gear that the module has", f"the gears {asked.body.gears:#x}")


@phone_scenario(
    "LNK/GEAR/TI-patience", "R-LNK-065",
    given="a phone in a session", when="each higher gear of the downlink that it asks for brings errors at once",
    then="it waits twice as long each time before it asks for it again", needs="LASER",
    operations=("attach", "condition"), virtual=True,
)  # fmt: skip
def a_gear_that_fails_is_tried_ever_more_seldom(s: Mirror) -> None:
    contract(s)
    down = _gives_up(s)
    if down is None:
        raise Inapplicable("The phone gives up no gear for errors.")
    for n in range(_ROUNDS):
        _errors(s, present=False)
        least = min(_FIRST << n, _LONGEST)
        up = s.take(_up, 4 * least + EVENTUALLY)
        if up is None:
            raise Inapplicable("The phone asks for no higher gear again in the time of a test.")
        s.waited(up.time - down.time, _LONGEST * 2, "a higher gear", least=least)
        s.clear()
        down = _gives_up(s)
        if down is None or down.time - up.time >= _SOON:
            raise Inapplicable("The phone has not given the gear up again within 10 s.")
