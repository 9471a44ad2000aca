"""Scenarios for phones: what binds both sides, and is provoked or seen of a phone in another way than of a module.

Plan: stored responses · starting anew · BEACON and loss · sleep · seat · requests that are ended · controls.
"""

from typing import Any, Final

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Exchange, Oracle, Plan
from opalink.conformance.scenarios.phone import phone_scenario
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.mirror import Mirror, contract, reach
from opalink.conformance.tester.session import EVENTUALLY
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Record, Status
from opalink.protocol.packets import CounterGroup, Lane, MachineId, OperationTag, RecordKind
from opalink.spec.form import MS, SECOND, US
from opalink.spec.limits import OUTSTANDING_MAX

# ── Stored responses ─────────────────────────────────────────────────────────────────────────────────

_PULSE: Final = p.Keepalive()
_ASK: Final = Exchange(PacketType.KEEPALIVE, codec.encode_layout("Keepalive", _PULSE), Oracle.ACCEPTED)


def _answered(s: Mirror, asked: Asked) -> Heard:
    heard = s.answer(asked)
    if heard is None:
        s.fail("an answer", "none", "R-WIRE-023")
    return heard


@phone_scenario(
    "ATT/STORED/CA-last", "R-ATT-013",
    given="a phone in a session that has answered outstanding_max requests", when="it receives each of them again",
    then="it answers each with the bytes that it sent",
)  # fmt: skip
def as_many_are_stored_as_may_be_open(s: Mirror) -> None:
    reach(s, "READY")
    sent = []
    for _ in range(OUTSTANDING_MAX):
        asked, data = s.stimulate(_ASK, Lane.SIDEBAND)
        sent.append((asked, data, _answered(s, asked).data))
    s.let(MS)  # in which a new answer becomes another
    for asked, data, first in sent:
        again = s.repeat(asked, data)
        s.expect(again is not None and again.data == first, "the stored response", "another, or none")


@phone_scenario(
    "ATT/STORED/BI-version", "R-ATT-014",
    given="a phone in a session that has answered a request with BAD_VERSION",
    when="a request of its own version comes under the same transaction number", then="it answers OK",
)  # fmt: skip
def bad_version_is_not_stored(s: Mirror) -> None:
    reach(s, "READY")
    other = Exchange(_ASK.packet, _ASK.payload, Oracle.REFUSED, statuses=("BAD_VERSION",), header=(("major", 2),))
    asked, _ = s.stimulate(other, Lane.SIDEBAND)
    found = _answered(s, asked).status
    s.need(found == Status.BAD_VERSION, f"It was answered {found!r}.")
    again = s.repeat(asked, codec.encode(codec.request(_PULSE, asked.txn, t_ns=s.now)))
    if again is None:
        s.fail("an answer", "none")
    s.expect_status(again, Status.OK)


@phone_scenario(
    "ATT/STORED/BV-session", "R-ATT-015",
    given="a phone that has opened a session with a module that has started anew",
    when="a request of the session before comes again, bit by bit", then="it is answered as a new one",
)  # fmt: skip
def a_session_stores_anew(s: Mirror) -> None:
    reach(s, "READY")
    asked, data = s.stimulate(_ASK, Lane.SIDEBAND)
    first = _answered(s, asked)
    s.start_anew()
    s.let(10 * MS)
    again = s.repeat(asked, data)
    if again is None:
        s.fail("an answer", "none", "R-WIRE-023")
    s.expect(again.data != first.data, "another response", "the one of the session before")


# ── Starting anew ────────────────────────────────────────────────────────────────────────────────────

_GROUPS: Final = p.CountersGet(groups=CounterGroup.PACKET)


@phone_scenario(
    "BEN/BIND/BV-cold", "R-BEN-004",
    given="a phone in a session", when="it receives BIND and is then put together with the module",
    then="it is as after a cold reset: another BEACON nonce, and no session to resume",
)  # fmt: skip
def bind_is_a_cold_start(s: Mirror) -> None:
    reach(s, "READY")
    first = s.said
    s.bench.seed ^= 0x5A5A5A
    s.rebind()
    s.let(SECOND)
    s.expect(not s.heard(lambda _: True), "silence while the contacts are open", "a packet")
    s.attach()
    s.need(s.take(p.Hello, EVENTUALLY) is not None, "The phone sent no HELLO.")
    s.expect(s.hello.resume_session == 0, "a new session", f"session {s.hello.resume_session} resumed")
    if first is not None and s.said is not None:
        s.expect(s.said.nonce != first.nonce, "another BEACON nonce", "the same")


@phone_scenario(
    "BEN/CLOCK/BV-real", "R-BEN-038",
    given="a phone that is bound in real time", when="a clock record comes", then="it ignores it", plan=Plan.CI,
)  # fmt: skip
def real_time_knows_no_clock_records(s: Mirror) -> None:
    if not s.bench.peer.clocks & p.ClockMode.REAL:
        raise Inapplicable("It offers no real time.")
    virtual, slack = s.bench.virtual, s.monitor.slack
    try:
        s.bench.virtual = False
        s.monitor.slack = max(slack, SECOND)  # it is about the record alone
        s.rebind()
        s.bench.raw(codec.encode_record(Record(RecordKind.CLOCK, payload=(10 * SECOND).to_bytes(8, "little"))))
        s.let(30 * MS)
        s.attach()
        s.need(s.take(p.Hello, EVENTUALLY) is not None, "The phone sent no HELLO.")
        s.expect(s.now < 8 * SECOND, "HELLO in its own time", f"at {s.now} ns")
    finally:
        s.bench.virtual, s.monitor.slack = virtual, slack
        s.rebind()


@phone_scenario(
    "LNK/COUNTERS/BV-epoch", "R-LNK-011", "R-LNK-012",
    given="a phone in a session that has counted something", when="it starts anew", operations=("attach", "reset"),
    then="its counters go on, or begin at zero under a higher epoch",
)  # fmt: skip
def epoch_of_counters(s: Mirror) -> None:
    reach(s, "READY")
    first = s.asks(_GROUPS, lane=Lane.SIDEBAND)
    s.restart()
    s.need(s.take(p.Hello, EVENTUALLY) is not None, "The phone sent no HELLO after the reset.")
    second = s.asks(_GROUPS, lane=Lane.SIDEBAND)
    counts = [{c.id: c.count for c in b.counters} for b in (first, second)]
    fell = [k for k, n in counts[0].items() if counts[1].get(k, 0) < n]
    s.expect(not fell or second.epoch > first.epoch, "a higher epoch", f"{second.epoch} after {first.epoch}")


# ── BEACON and loss ──────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "ATT/BEACON/BV-other_versions", "R-LNK-002",
    given="a phone that waits for a module's BEACON", when="a BEACON of version 9.7 comes",
    then="it sends its own and then HELLO all the same",
)  # fmt: skip
def a_beacon_of_another_version(s: Mirror) -> None:
    s.alter(p.Beacon, major=9, minor=7)
    s.attach()
    s.expect(s.take(p.Beacon, EVENTUALLY) is not None, "BEACON", "none")
    s.expect(s.take(p.Hello, EVENTUALLY) is not None, "HELLO", "none")


@phone_scenario(
    "ATT/BEACON/BI-lane", "R-WIRE-029",
    given="a phone in a session", when="a BEACON of a module that has started anew comes by light",
    then="it takes no notice of it, but of the same on the sideband", needs="LASER",
)  # fmt: skip
def a_beacon_by_light(s: Mirror) -> None:
    reach(s, "READY")
    s.tell(s.anew(), lane=Lane.LASER)
    s.let(100 * MS)
    s.expect(not s.heard(p.Hello), "no HELLO", "one")
    s.start_anew()


@phone_scenario(
    "ATT/BEACON/TI-repeated", "R-LNK-006",
    given="a phone in a session", when="light is lost and does not come back",
    then="it repeats BEACON every tLaserRestartInterval", needs="LASER", operations=("attach", "lane_down"),
)  # fmt: skip
def beacon_is_repeated(s: Mirror) -> None:
    reach(s, "READY")
    s.dark()
    s.deaf.add(p.Beacon)
    s.muted.add(p.Beacon)
    limit, least = s.timer("tLaserRestartInterval"), s.catalogue.timer["tLaserRestartInterval"].min
    first = s.take(p.Beacon, 2 * limit)
    if first is None:
        s.fail(f"a BEACON within {limit} ns", "none within twice that")
    last = first.time
    for _ in range(2):
        heard = s.take(p.Beacon, 2 * limit)
        if heard is None:
            s.fail(f"a BEACON within {limit} ns", "none within twice that")
        s.waited(heard.time - last, limit, "the next BEACON", least=least)
        last = heard.time


@phone_scenario(
    "ATT/ALIVE/BI-refused", "R-ATT-017",
    given="a phone in a session with nothing to say", when="the module refuses its KEEPALIVE for want of a session",
    then="it takes the link as lost", operations=("attach", "state"),
)  # fmt: skip
def a_keepalive_that_is_refused(s: Mirror) -> None:
    reach(s, "READY")
    s.deaf.add(p.Keepalive)
    s.silent = True
    heard = s.take(p.Keepalive, EVENTUALLY)
    s.need(heard is not None, "The phone sent no KEEPALIVE.")
    if heard is not None:
        s.reply(heard, p.Refusal(), Status.BAD_STATE)
    s.silent = False  # or the phone would give the link up for want of a word
    found = s.reaches(MachineId.ATTACH, "LINK_LOST", within=s.timer("tLaserRestartInterval"))
    s.expect(found == "LINK_LOST", "LINK_LOST", found)


# ── Sleep ────────────────────────────────────────────────────────────────────────────────────────────

_RELOCK: Final = 5 * MS  # the tester's share, where it does the link layer itself


@phone_scenario(
    "LNK/SLEEP/TI-exit", "R-LNK-021",
    given="a phone whose link sleeps in L1", when="L0 is asked for",
    then="it is back in L0 within the exit latency that it gave", needs="LASER",
)  # fmt: skip
def back_from_sleep(s: Mirror) -> None:
    contract(s)
    heard = s.ask(p.LinkPm(target=p.LinkPower.L1), lane=Lane.SIDEBAND)
    if heard.status in (Status.RANGE_LIMIT, Status.BAD_STATE):
        raise Inapplicable("The phone's link does not sleep here.")
    s.expect_status(heard, Status.OK)
    latency = heard.body.exit_latency
    s.let(20 * MS)
    s.clear()
    heard = s.ask(p.LinkPm(target=p.LinkPower.L0), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.OK)
    begun = heard.time
    up = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.state == p.LinkState.L0, EVENTUALLY)
    if up is None:
        s.fail("a link in L0", f"none within {EVENTUALLY} ns")
    own = _RELOCK if s.on_flits else 0
    s.waited(up.time - begun, latency * US + own, "L0")


# ── Seat ─────────────────────────────────────────────────────────────────────────────────────────────

_STEP: Final = 10  # R-MGT-047


@phone_scenario(
    "ATT/SESSION/BV-begins", "R-MGT-046",
    given="a phone that waits for the answer to HELLO", when="a session begins", then="it sends SEAT_STATUS",
    needs="LASER",
)  # fmt: skip
def seat_status_once_a_session_begins(s: Mirror) -> None:
    s.attach()
    greeted = s.take(p.Hello, EVENTUALLY)
    if greeted is None:
        s.fail("HELLO", "none")
    s.reports(p.SeatStatus, "SEAT_STATUS", greeted.time)


@phone_scenario(
    "MGT/SEAT/BV-quality", "R-MGT-047",
    given="a phone in a session whose module sits well", when="the module is put on again, worse by 30 %",
    then="SEAT_STATUS says so", needs="LASER",
)  # fmt: skip
def a_worse_seat_is_reported(s: Mirror) -> None:
    s.attach()
    first = s.take(p.SeatStatus, EVENTUALLY)
    if first is None:
        s.fail("SEAT_STATUS before", "none")
    s.let(200 * MS)
    s.clear()
    begun = s.now
    s.operate(OperationTag.ATTACH, p.AttachOperation(quality=70))

    def worse(heard: Heard) -> bool:
        return isinstance(heard.body, p.SeatStatus) and first.body.quality - heard.body.quality >= _STEP

    found = s.take(worse, EVENTUALLY)
    if found is None:
        s.fail(f"SEAT_STATUS with a quality {_STEP} or more below {first.body.quality}", "none")
    s.waited(found.time - begun, s.timer("tReport"), "SEAT_STATUS")


# ── Requests that are ended ──────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "MGT/CANCEL/BV-cancelled", "R-MGT-033",
    given="a phone in a session", when="CANCEL names each request of a module's as soon as it has been sent",
    then="where it answers CANCEL with OK it answers the request with CANCELLED",
)  # fmt: skip
def what_is_cancelled_says_so(s: Mirror) -> None:
    contract(s)
    asks: list[Any] = [_PULSE, _GROUPS, p.LaserSafety()]
    if "CONTROLS" in s.known.features:
        asks += [p.ControlOwner(control=r.control) for r in s.module.identity.record("rings").rings]
    if "RESERVE" in s.known.features:
        asks.append(p.PwrReserve(power=1000, time=10))
    for body in asks:
        asked = s.request(body, lane=Lane.SIDEBAND)
        cancel = s.ask(p.Cancel(txn=asked.txn), lane=Lane.SIDEBAND)
        s.expect_status(cancel, Status.OK, Status.LATE)
        found = _answered(s, asked).status
        if cancel.status == Status.OK:
            s.expect(found == Status.CANCELLED, "status CANCELLED", f"status {found!r}")
    s.alive()


# ── Controls ─────────────────────────────────────────────────────────────────────────────────────────


@phone_scenario(
    "LEN/OWNER/BI-no_control", "R-LEN-005",
    given="a phone that has read a descriptor", when="CONTROL_OWNER names a control that the module has not",
    then="it answers NO_SUCH_ID, and OK for one that the module has", needs="CONTROLS",
)  # fmt: skip
def owning_what_is_not_there(s: Mirror) -> None:
    reach(s, "READY")
    s.let(SECOND)  # in which the descriptor is read
    known = {r.control for r in s.module.identity.record("rings").rings}
    s.asks(p.ControlOwner(control=min(known)))
    for control in p.ControlId:
        if control not in known and control.name.endswith("_RING"):
            s.expect_status(s.ask(p.ControlOwner(control=control)), Status.NO_SUCH_ID)
