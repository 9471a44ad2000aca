"""Scenarios for phones: what the tester's module sees of the one that it is put on.

Plan: contact · session · power · time · frames · light.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from opalink.conformance.scenarios import Scenario, scenario
from opalink.conformance.tester.mirror import UNPOWERED, Mirror, contract, reach
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, MachineId, PowerResetLevel, RejectReason, UserAction
from opalink.spec.form import MS, SECOND, Role
from opalink.spec.limits import NAK_ROUNDS, RESEND_PERCENT

_STEADY = ("attach", "state")


def phone_scenario(name: str, *requirements: str, **more: Any) -> Callable[[Callable[[Mirror], None]], Scenario]:
    """A scenario for phones: its function is given the tester's module."""
    more.setdefault("operations", ("attach",))

    def enter(function: Callable[[Mirror], None]) -> Scenario:
        def run(s: Session) -> None:
            if not isinstance(s, Mirror):
                raise TypeError("a phone is met by the tester's module")
            function(s)

        run.__name__ = function.__name__
        return scenario(name, *requirements, role=Role.PHONE, **more)(run)

    return enter


def _comes_to(s: Mirror, machine: MachineId, *names: str, within: int = EVENTUALLY) -> None:
    found = s.reaches(machine, *names, within=within)
    s.expect(found in names, names[0], found)


# ── Contact ──────────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "ATT/CONTACT/BV-silent", "R-LNK-008",
    given="a phone on which a module was put that says nothing", when="three seconds pass",
    then="it sends nothing by light",
)  # fmt: skip
def a_module_that_is_silent(s: Mirror) -> None:
    s.attach(powered=False)
    s.let(3 * SECOND)
    s.expect(not s.heard(lambda h: h.lane == Lane.LASER), "nothing by light", "a packet")


@phone_scenario(
    "ATT/BEACON/BV-answered", "R-LNK-005", "R-MGT-001",
    given="a phone that waits for a module's BEACON", when="the BEACON comes",
    then="it sends its own, as a phone, and then HELLO",
)  # fmt: skip
def a_beacon_is_answered(s: Mirror) -> None:
    s.attach()
    beacon = s.take(p.Beacon, EVENTUALLY)
    s.expect(beacon is not None, "BEACON", "none")
    hello = s.take(p.Hello, EVENTUALLY)
    if hello is None or hello.packet is None:
        s.fail("HELLO", "none")
    body = hello.body
    lowest, highest = (body.low_major, body.low_minor), (body.high_major, body.high_minor)
    s.expect(lowest <= highest, "a range of versions", f"{lowest} to {highest}", "R-MGT-001")


@phone_scenario(
    "ATT/REMOVAL/TI-released", "R-ATT-011",
    given="a phone in a session", when="the contacts open", operations=("attach", "detach", "state"),
    then="within tForcedRemoval its attach machine is in DETACHED", virtual=True,
)  # fmt: skip
def a_removal_is_cleaned_up(s: Mirror) -> None:
    contract(s)
    s.detach()
    s.let(s.catalogue.timer["tForcedRemoval"].max or 0)
    found = {m.machine: m.state for m in s.operate(p.OperationTag.STATE, p.StateOperation()).machines}
    name = s.state_name(MachineId.ATTACH, found[MachineId.ATTACH])
    s.expect(name == "DETACHED", "DETACHED", name)


@phone_scenario(
    "ATT/REMOVAL/BV-again", "R-ATT-011", "R-MGT-004",
    given="a phone whose module was torn off", when="it is put on again", operations=("attach", "detach"),
    then="there is a new session, with another nonce",
)  # fmt: skip
def a_removal_is_not_the_end(s: Mirror) -> None:
    reach(s, "READY")
    first = s.hello.phone_nonce
    s.detach()
    s.let(SECOND)
    s.clear()
    s.attach()
    hello = s.take(p.Hello, EVENTUALLY)
    s.expect(hello is not None, "HELLO", "none")
    s.expect(s.hello.phone_nonce != first, "another nonce", f"{first:#x} again", "R-MGT-004")
    s.expect(s.hello.resume_session == 0, "a new session", f"session {s.hello.resume_session} resumed")


# ── Session ──────────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "ATT/BEACON/BV-other_nonce", "R-ATT-012",
    given="a phone in a session", when="BEACON comes with another nonce",
    then="it greets the module anew and resumes nothing",
)  # fmt: skip
def a_module_that_started_anew(s: Mirror) -> None:
    reach(s, "READY")
    resumed = s.start_anew().resume_session
    s.expect(resumed == 0, "a new session", f"session {resumed} resumed")


@phone_scenario(
    "ATT/HELLO/BV-repeated", "R-MGT-004",
    given="a phone whose HELLO gets no answer", when="a second passes",
    then="it greets again, each time with another nonce",
)  # fmt: skip
def an_unheard_hello(s: Mirror) -> None:
    s.deaf.add(p.Hello)
    s.attach()
    s.let(900 * MS)
    nonces = [h.body.phone_nonce for h in s.heard(p.Hello)]
    s.expect(len(nonces) >= 2, "HELLO again", f"{len(nonces)} in all")
    s.expect(len(set(nonces)) == len(nonces), "each nonce once", "one twice")


@phone_scenario(
    "MGT/KEEPALIVE/TI-silence", "R-MGT-050",
    given="a phone in a session with nothing to say", when="the module says nothing either",
    then="KEEPALIVE comes tKeepAlive after whatever it sent last", virtual=True,
)  # fmt: skip
def a_session_is_kept_alive(s: Mirror) -> None:
    reach(s, "READY")
    timer = s.catalogue.timer["tKeepAlive"]
    least, most = timer.min or 0, timer.max or 0
    s.silent = True
    first = s.take(p.Keepalive, most)
    if first is None:
        s.fail(f"KEEPALIVE within {most} ns", "none")
    second = s.take(lambda _: True, 2 * most)
    s.expect(
        second is not None and isinstance(second.body, p.Keepalive), "KEEPALIVE again", "something else, or nothing"
    )
    waited = second.time - first.time if second is not None else 0
    s.expect(least <= waited <= most, f"from {least} to {most} ns", f"{waited} ns")


@phone_scenario(
    "ATT/LINK_LOST/BV-resumed", "R-LNK-017",
    given="a phone in a session", when="light goes for 100 ms", operations=("attach", "lane_down", "lane_up"),
    then="it resumes the session that it had", needs="LASER",
)  # fmt: skip
def a_session_is_resumed(s: Mirror) -> None:
    reach(s, "READY")
    before = s.hello
    s.dark()
    s.let(100 * MS)
    s.clear()
    s.bright()
    hello = s.take(p.Hello, EVENTUALLY)
    if hello is None:
        s.fail("HELLO", "none")
    s.expect(hello.body.resume_session != 0, "the session resumed", "a new one")
    s.expect(hello.body.last_phone_nonce == before.phone_nonce, "the nonce of the last HELLO", "another")


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


def _offers(s: Mirror) -> Any:
    """The offers that hold; the module asks for none."""
    s.muted |= UNPOWERED
    s.attach()
    found = s.take(p.PwrSourceCaps, EVENTUALLY)
    if found is None:
        s.fail("PWR_SOURCE_CAPS", "none")
    s.let(200 * MS)
    return [found, *s.heard(p.PwrSourceCaps)][-1].body


def _ask(caps: Any, **changes: int) -> p.PwrRequest:
    offer = caps.offers[0]
    asked = {"generation": caps.generation, "object": 0, "operating": 100, "max": min(500, offer.continuous)}
    return p.PwrRequest(**(asked | changes))


@phone_scenario(
    "PWR/CONTRACT/BV-ready", "R-PWR-027", "R-PWR-028",
    given="a phone that has made its offers", when="one of them is asked for",
    then="it accepts, and says once that the voltage is there, within tPwrTransition", needs="CONTRACT",
)  # fmt: skip
def an_offer_is_kept(s: Mirror) -> None:
    caps = _offers(s)
    s.clear()
    asked = s.ask(_ask(caps), lane=Lane.SIDEBAND)
    s.expect_status(asked, Status.OK)
    limit = s.catalogue.timer["tPwrTransition"].max or 0
    ready = s.take(p.PwrReady, limit)
    if ready is None:
        s.fail(f"PWR_READY within {limit} ns", "none", "R-PWR-027")
    s.expect(ready.body.object == 0, "object 0", f"{ready.body.object}")
    s.let(SECOND)
    s.expect(not s.heard(p.PwrReady), "one PWR_READY", "a second", "R-PWR-027")


def _refused(s: Mirror, reason: RejectReason, **changes: int) -> None:
    caps = _offers(s)
    if "generation" in changes:
        changes["generation"] = caps.generation + changes["generation"] & 0xFF
    heard = s.ask(_ask(caps, **changes), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.PWR_REJECT)
    s.expect(heard.body.reason == reason, reason.name, f"{heard.body.reason!r}")


@phone_scenario(
    "PWR/REQUEST/BI-stale", "R-PWR-023",
    given="a phone that has made its offers", when="PWR_REQUEST names another generation",
    then="it answers PWR_REJECT with the reason STALE", needs="CONTRACT",
)  # fmt: skip
def a_stale_generation(s: Mirror) -> None:
    _refused(s, RejectReason.STALE, generation=1)


@phone_scenario(
    "PWR/REQUEST/BI-no_offer", "R-PWR-024",
    given="a phone that has made fewer than seven offers", when="PWR_REQUEST names one behind the last",
    then="it answers PWR_REJECT with the reason NO_OFFER", needs="CONTRACT",
)  # fmt: skip
def an_offer_that_was_not_made(s: Mirror) -> None:
    _refused(s, RejectReason.NO_OFFER, object=6)


@phone_scenario(
    "PWR/REQUEST/BI-current", "R-PWR-025",
    given="a phone that has made its offers", when="PWR_REQUEST asks for more current than was offered",
    then="it answers PWR_REJECT with the reason CURRENT", needs="CONTRACT",
)  # fmt: skip
def more_than_was_offered(s: Mirror) -> None:
    _refused(s, RejectReason.CURRENT, max=0xFFFF)


@phone_scenario(
    "PWR/RESET/BV-offers_again", "R-PWR-034",
    given="a phone with a contract", when="a soft PWR_RESET comes", then="it sends its offers again", needs="CONTRACT",
)  # fmt: skip
def a_soft_reset(s: Mirror) -> None:
    contract(s)
    s.tell(p.PwrReset(level=PowerResetLevel.SOFT), lane=Lane.SIDEBAND)
    s.expect(s.take(p.PwrSourceCaps, EVENTUALLY) is not None, "PWR_SOURCE_CAPS", "none")


@phone_scenario(
    "PWR/FAULT/BV-latched", "R-PWR-033",
    given="a phone with a contract", when="a latched PWR_FAULT comes", operations=_STEADY,
    then="its power machine stays in FAULT", needs="CONTRACT",
)  # fmt: skip
def a_latched_fault(s: Mirror) -> None:
    contract(s)
    s.tell(p.PwrFault(latched=1), lane=Lane.SIDEBAND)
    s.let(2 * SECOND)
    found = s.state(MachineId.POWER)
    s.expect(found == "FAULT", "FAULT", found)


@phone_scenario(
    "PWR/RESERVE/BI-late", "R-PWR-032",
    given="a phone with a contract", when="PWR_RESERVE asks for a time that has passed", then="it answers LATE",
    needs="CONTRACT RESERVE",
)  # fmt: skip
def a_peak_that_is_late(s: Mirror) -> None:
    contract(s)
    s.let(50 * MS)
    heard = s.ask(p.PwrReserve(power=3000, time=10, by=1), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.LATE)


@phone_scenario(
    "PWR/RESERVE/BV-granted", "R-PWR-004",
    given="a phone with a contract", when="PWR_RESERVE asks for a peak",
    then="it answers OK with all of it, or ADJUSTED with less", needs="CONTRACT RESERVE",
)  # fmt: skip
def a_peak_in_part(s: Mirror) -> None:
    contract(s)
    wanted = 3500
    heard = s.ask(p.PwrReserve(power=wanted, time=10), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.OK, Status.ADJUSTED, Status.PWR_LIMIT, Status.PWR_REJECT)
    if heard.status in (Status.OK, Status.ADJUSTED):
        whole = heard.body.power >= wanted
        s.expect(whole is (heard.status == Status.OK), "OK for all, ADJUSTED for less", f"{heard.body.power} mW")


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "TIM/TIME_SYNC/BV-t1", "R-TIM-003",
    given="a phone in a session", when="TIME_SYNC comes with a `t1` that no clock would have",
    then="its answer has that `t1`, and a `t3` that is not before its `t2`", needs="TIME",
)  # fmt: skip
def t1_comes_back(s: Mirror) -> None:
    reach(s, "READY")
    for t1 in (0, 1, 0xFEED_FACE_CAFE_BEEF, (1 << 64) - 1):
        body = s.asks(p.TimeSync(t1=t1))
        s.expect(body.t1 == t1, f"{t1}", f"{body.t1}")
        s.expect(body.t3 >= body.t2, "t3 not before t2", f"{body.t2}, {body.t3}")


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def _films(s: Mirror) -> None:
    """The camera is open, and frames come."""
    contract(s)
    s.user(UserAction.OPEN)
    _comes_to(s, MachineId.CAPTURE, "STREAMING")


@phone_scenario(
    "CAP/STREAM/BV-opened", "R-SEC-009",
    given="a phone with a module of which it knows nothing", when="the user opens the camera",
    then="it sets a stream up and starts it", needs="SENSOR", operations=("attach", "user", "state"),
)  # fmt: skip
def a_stranger_may_stream(s: Mirror) -> None:
    _films(s)
    s.expect(s.module.streaming, "a stream that runs", "none", "R-SEC-009")


@phone_scenario(
    "FRM/NAK/BV-capped", "R-FRM-019", "R-FRM-027",
    given="a phone to which a video comes", when="no block of it arrives, whatever is asked for again",
    then="it asks again as often and for as much as it may, and goes on", needs="SENSOR",
    operations=("attach", "user", "state"),
)  # fmt: skip
def a_video_of_which_nothing_comes(s: Mirror) -> None:
    _films(s)
    s.clear()
    s.muted.add(p.FrameBlock)
    s.let(SECOND)
    rounds, asked = Counter[int](), Counter[int]()
    for heard in s.heard(p.BlockNak):
        rounds[heard.body.frame] += 1
        asked[heard.body.frame] += sum(r.count for r in heard.body.ranges)
    s.need(bool(rounds), "The phone asked for nothing again: the test shows nothing.")
    worst = max(rounds.values())
    s.expect(worst <= NAK_ROUNDS, f"at most {NAK_ROUNDS} rounds", f"{worst}", "R-FRM-027")
    for frame, blocks in asked.items():
        share = RESEND_PERCENT * s.leaders[frame].blocks / 100
        s.expect(blocks <= share, f"at most {share:g} blocks asked for again", f"{blocks}", "R-FRM-019")
    s.alive()


# ── Light ────────────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "LNK/LOSS/TI-dark", "R-LNK-007",
    given="a phone in a session", when="the module's light goes", operations=("attach", "lane_down"),
    then="it sends nothing by light from then on", needs="LASER",
)  # fmt: skip
def light_that_is_lost(s: Mirror) -> None:
    reach(s, "READY")
    s.dark()
    s.let((s.catalogue.timer["tLosToLaserOff"].max or 0) + MS)
    s.clear()
    s.let(SECOND)
    s.expect(not s.heard(lambda h: h.lane == Lane.LASER), "nothing by light", "a packet")
