"""Scenarios for phones: the epochs that they begin, the gear of the downlink that they choose, power that comes back.

What a receiver finds no bench says. A phone that can be told of errors (the condition LINK_DEGRADED) and then reports
them is held to what they call for; one that reports none is not judged.

Plan: epochs · gears · power that comes back.
"""

from typing import Final

from opalink.conformance.bundle.results import Actor, Step
from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios.phone import phone_scenario
from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.mirror import Mirror, contract
from opalink.conformance.tester.session import EVENTUALLY
from opalink.conformance.zoo.specimen import STATUS, TYPE, is_response
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import Condition, ConditionOperation, Lane, OperationTag, RetrainReason
from opalink.spec.form import MS, SECOND

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


# ── Power that comes back ────────────────────────────────────────────────────────────────────────────

_SUPPLIES: Final = "standalone"  # a profile whose module may supply its phone
_TRUSTED: Final = 2 * SECOND  # until a phone has come to a conclusion about the module
_SWAP: Final = 500  # mA


def _swap(s: Mirror, direction: p.PowerDirection) -> Status | int:
    asked = p.PwrRoleSwap(direction=direction, voltage=5000, current=_SWAP)
    return s.ask(asked, lane=Lane.SIDEBAND).status


@phone_scenario(
    "PWR/SWAP/BV-back", "R-PWR-009",
    given="a phone that a module supplies", when="the phone is to supply again, and agrees",
    then="it makes its offers", needs="CONTRACT ROLE_SWAP",
)  # fmt: skip
def the_source_that_was(s: Mirror) -> None:
    s.become(_SUPPLIES)
    contract(s)
    s.let(_TRUSTED)
    if _swap(s, p.PowerDirection.TO_PHONE) != Status.OK:
        raise Inapplicable("The phone lets no such module supply it.")
    s.let(10 * MS)
    s.clear()
    s.need(_swap(s, p.PowerDirection.TO_MODULE) == Status.OK, "The phone does not supply again.")
    s.expect(s.take(p.PwrSourceCaps, EVENTUALLY) is not None, "PWR_SOURCE_CAPS", "none")
