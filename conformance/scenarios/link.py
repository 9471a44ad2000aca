"""Scenarios of the link as the packet plane shows it: counters, interlock, sleep, margin.

Plan: counters · the laser · sleep and margin.
"""

from opalink.conformance.purposes import Exchange, Oracle, Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.exchanges import answered
from opalink.conformance.tester.flit_phone import RELOCK
from opalink.conformance.tester.preambles import link_lost as lose_light
from opalink.conformance.tester.preambles import ready, resume, testing
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import CounterGroup, CounterId, Lane, OperationTag, PacketType
from opalink.spec.form import MS, US

_ALL = (1 << 7) - 1
_KEPT = (
    CounterId.BAD_CRC,
    CounterId.BAD_LENGTH,
    CounterId.BAD_VALUE,
    CounterId.BAD_STATE,
    CounterId.BAD_VERSION,
    CounterId.NOT_SUPPORTED,
    CounterId.DUPLICATES,
)
MOVING = (CounterId.PACKETS_SENT, CounterId.PACKETS_RECEIVED)  # with every packet

# ── Counters ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LNK/COUNTERS/CA-kept", "R-LNK-014", "R-LNK-013",
    given="a module in READY", when="its counters of packets are read",
    then="each of the seven is there exactly once",
)  # fmt: skip
def counters_are_kept(s: Session) -> None:
    ready(s)
    body = s.asks(p.CountersGet(groups=CounterGroup.PACKET))
    ids = [c.id for c in body.counters]
    missing = [c.name for c in _KEPT if c not in ids]
    s.expect(not missing, "seven counters", f"no {', '.join(missing)}", "R-LNK-014")
    s.expect(len(ids) == len(set(ids)), "each counter once", f"{ids}", "R-LNK-013")


@scenario(
    "LNK/COUNTERS/BV-read", "R-LNK-010", "R-LNK-012",
    given="a module in READY that has counted something", when="its counters are read three times",
    then="no count of errors changes for it",
)  # fmt: skip
def reading_changes_no_counter(s: Session) -> None:
    ready(s)
    s.stimulate(Exchange(0xEE, b"", Oracle.REFUSED))
    s.let(60 * MS)
    reads = [{k: n for k, n in s.counters().items() if k not in MOVING} for _ in range(3)]
    s.expect(reads[0] == reads[1] == reads[2], f"{reads[0]}", f"{reads[1]}, {reads[2]}", "R-LNK-010")


@scenario(
    "LNK/COUNTERS/BV-chapters", "R-LNK-013",
    given="a module in READY", when="the chapters of its counters are read one by one and all at once",
    then="it gives the same counters, each in its own chapter",
)  # fmt: skip
def chapters_of_counters(s: Session) -> None:
    ready(s)
    single: list[int] = []
    for bit in range(7):
        found = s.counters(1 << bit)
        foreign = [c for c in found if c >> 8 != bit]
        s.expect(not foreign, f"counters of chapter {bit}", f"{foreign}")
        single += found
    s.expect(not s.counters(0), "no counters for no chapter", "some")
    heard = s.ask(p.CountersGet(groups=_ALL))
    if heard.status != Status.TOO_LARGE:
        both = [c.id for c in heard.body.counters]
        s.expect(sorted(both) == sorted(single), f"{len(single)} counters", f"{len(both)}")


@scenario(
    "LNK/COUNTERS/BI-too_large", "R-LNK-022",
    given="a module in READY", when="all its counters are asked for on the sideband",
    then="it gives them all, or answers TOO_LARGE if they do not fit",
)  # fmt: skip
def counters_on_the_sideband(s: Session) -> None:
    ready(s)
    single = sum(len(s.counters(1 << bit)) for bit in range(7))
    heard = s.ask(p.CountersGet(groups=_ALL), lane=Lane.SIDEBAND)
    room = 1024 - 20 - 4 - 1
    fits = single * 26 <= room
    s.expect_status(heard, Status.OK if fits else Status.TOO_LARGE)


@scenario(
    "LNK/COUNTERS/BV-counted", "R-LNK-014",
    given="a module in READY", when="it refuses a request for each cause, and answers one twice",
    then="the counter of each cause goes up by one",
)  # fmt: skip
def each_cause_is_counted(s: Session) -> None:
    ready(s)
    code = PacketType.EJECT
    causes = {
        CounterId.NOT_SUPPORTED: Exchange(0xEE, b"", Oracle.REFUSED),
        CounterId.BAD_LENGTH: Exchange(code, b"\0", Oracle.REFUSED),
        CounterId.BAD_VALUE: Exchange(code, b"\xff\0\0", Oracle.REFUSED),
        CounterId.BAD_STATE: Exchange(code, b"\x01\0\0", Oracle.REFUSED),
        CounterId.BAD_VERSION: Exchange(code, b"\0\0\0", Oracle.REFUSED, header=(("major", 3),)),
    }
    before = s.counters()
    for x in causes.values():
        answered(s, s.stimulate(x)[0])
    asked, data = s.stimulate(Exchange(PacketType.STATE_GET, b"", Oracle.REPEATED))
    answered(s, asked)
    s.expect(s.repeat(asked, data) is not None, "the stored response", "none", "R-WIRE-008")
    after = s.counters()
    for counter in (*causes, CounterId.DUPLICATES):
        wanted = before.get(counter, 0) + 1
        s.expect(after.get(counter) == wanted, f"{counter.name} {wanted}", f"{after.get(counter)}")


@scenario(
    "LNK/COUNTERS/BV-epoch", "R-LNK-011", "R-LNK-012",
    given="a module in READY that has counted something", when="it starts anew",
    then="its counters go on, or begin at zero under a higher epoch",
)  # fmt: skip
def epoch_of_counters(s: Session) -> None:
    ready(s)
    s.stimulate(Exchange(0xEE, b"", Oracle.REFUSED))
    s.let(60 * MS)
    first = s.asks(p.CountersGet(groups=CounterGroup.PACKET))
    s.clear()
    s.asks(p.Reset(level=p.ResetLevel.MODULE, reason=p.ResetReason.TEST))
    s.light = False
    s.need(s.take(p.Beacon, EVENTUALLY) is not None, "No BEACON came after the reset.")  # before it, it may keep silent
    second = s.asks(p.CountersGet(groups=CounterGroup.PACKET), lane=Lane.SIDEBAND)
    counts = [{c.id: c.count for c in b.counters} for b in (first, second)]
    fell = [k for k, n in counts[0].items() if counts[1].get(k, 0) < n]
    s.expect(not fell or second.epoch > first.epoch, "a higher epoch", f"{second.epoch} after {first.epoch}")


# ── The laser ────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LNK/LASER/CA-read", "R-LNK-009",
    given="a module with a laser in READY", when="its interlock is read",
    then="all three conditions hold and the laser is ON", needs="LASER",
)  # fmt: skip
def interlock_is_read(s: Session) -> None:
    ready(s)
    body = s.asks(p.LaserSafety())
    s.expect(body.interlock & 7 == 7, "HALL, SIGNATURE and LINK", f"{body.interlock:#x}")
    s.expect(body.tx_state == p.LaserState.ON, "ON", f"{body.tx_state!r}")


@scenario(
    "LNK/LASER/TI-off", "R-LNK-007",
    given="a module with a laser in READY", when="the light goes",
    then="its laser no longer shines after tLosToLaserOff", needs="LASER", operations=("lane_down",),
)  # fmt: skip
def the_laser_goes_off(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.let(s.catalogue.timer["tLosToLaserOff"].max or 0)
    body = s.asks(p.LaserSafety(), lane=Lane.SIDEBAND)
    s.expect(body.tx_state != p.LaserState.ON, "a laser that is not ON", "ON")


@scenario(
    "LNK/LASER/BV-test_ends", "R-LNK-009",
    given="a module whose laser is in the mode TEST", when="its link is lost and found again",
    then="the mode is no longer TEST", needs="LASER", operations=("lane_down", "lane_up"),
)  # fmt: skip
def the_mode_test_ends(s: Session) -> None:
    testing(s)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.light = False
    s.let(10 * MS)
    resume(s)
    body = s.asks(p.LaserSafety())
    s.expect(body.mode != p.LaserMode.TEST, "AUTO or MANUAL", "TEST")


@scenario(
    "LNK/LASER/BO-test_dark", "R-LNK-009",
    given="a module whose link was lost", when="the mode TEST is asked for", then="it refuses",
    needs="LASER", operations=("lane_down",),
)  # fmt: skip
def no_test_without_light(s: Session) -> None:
    lose_light(s)
    heard = s.ask(p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.TEST), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.BAD_STATE, Status.LASER_INTERLOCK)


@scenario(
    "LNK/LASER/BO-bert", "R-LNK-009",
    given="a module in READY whose laser is not in the mode TEST", when="BERT_RUN comes", then="it answers BAD_STATE",
    needs="LASER",
)  # fmt: skip
def no_bert_outside_test(s: Session) -> None:
    ready(s)
    s.expect_status(s.ask(p.BertRun(length=1000)), Status.BAD_STATE)


# ── Sleep and margin ─────────────────────────────────────────────────────────────────────────────────


@scenario(
    "LNK/SLEEP/TI-exit", "R-LNK-021",
    given="a module whose link sleeps in L1", when="L0 is asked for",
    then="it is back in L0 within the exit latency that it gave", needs="LASER",
)  # fmt: skip
def back_from_sleep(s: Session) -> None:
    ready(s)
    heard = s.ask(p.LinkPm(target=p.LinkPower.L1))
    if heard.status == Status.RANGE_LIMIT:
        return  # it does not sleep
    s.expect_status(heard, Status.OK)
    latency = heard.body.exit_latency
    s.light = False
    s.clear()
    s.let(20 * MS)
    heard = s.ask(p.LinkPm(target=p.LinkPower.L0), lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.OK)
    begun = heard.time
    up = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.state == p.LinkState.L0, EVENTUALLY)
    if up is None:
        s.fail("a link in L0", f"none within {EVENTUALLY} ns")
    own = RELOCK if s.flits is not None else 0  # the tester's share, where it does the link layer itself
    s.waited(up.time - begun, latency * US + own, "L0")


@scenario(
    "LNK/SLEEP/BV-session", "R-ATT-004",
    given="a module whose link sleeps in L1", when="requests come on the sideband",
    then="the session goes on", needs="LASER",
)  # fmt: skip
def the_session_goes_on_asleep(s: Session) -> None:
    ready(s)
    heard = s.ask(p.LinkPm(target=p.LinkPower.L1))
    if heard.status == Status.RANGE_LIMIT:
        return
    s.light = False
    s.let(300 * MS)
    s.asks(p.DescRead(length=16), lane=Lane.SIDEBAND)


@scenario(
    "LNK/MARGIN/BV-query", "R-LNK-020",
    given="a module with a laser in READY", when="MARGIN asks what can be measured",
    then="no machine moves and nothing is measured", needs="LASER", plan=Plan.QUICK,
)  # fmt: skip
def a_query_of_margin(s: Session) -> None:
    ready(s)
    before = s.states()
    for mode in p.MarginMode:
        heard = s.ask(p.Margin(op=p.MarginOp.QUERY, mode=mode, ber_target=12))
        s.expect_status(heard, Status.OK, Status.RANGE_LIMIT)
        if heard.status == Status.OK:
            s.expect(heard.body.margin == 0, "margin 0", f"{heard.body.margin}")
    after = s.states()
    s.expect(after.get(p.MachineId.LINK) == before.get(p.MachineId.LINK), "a link as it was", "another state")


@scenario(
    "LNK/DEGRADED/BV-reported", "R-LNK-019",
    given="a module with a laser in READY", when="its bit error ratio passes 1e-4",
    then="it reports LINK_DEGRADED", needs="LASER", operations=("condition",),
)  # fmt: skip
def degradation_is_reported(s: Session) -> None:
    ready(s)
    s.clear()
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.LINK_DEGRADED, present=1))
    heard = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.reason == Status.LINK_DEGRADED, EVENTUALLY)
    s.expect(heard is not None, "LINK_EVENT with LINK_DEGRADED", "none")
