"""Scenarios of the bench binding: cold starts, records, lanes, operations, virtual time.

What the transport checks of every record (answers in order, stamps, lanes that are down) is judged there, wherever it
happens; these provoke it.

Plan: binding · records · lanes · operations · time.
"""

from opalink.conformance.bundle.results import Actor
from opalink.conformance.conclusions import Fail, Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.link import MOVING
from opalink.conformance.tester.preambles import attach, meet, ready
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Record
from opalink.protocol.packets import Lane, OperationTag, Outcome, RecordKind
from opalink.protocol.transport import Closed, Hang
from opalink.spec.form import MS, SECOND

# ── Binding ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "BEN/BIND/CA-answered", "R-BEN-001",
    given="an implementation that has been connected to", when="it receives BIND three times",
    then="it answers each with one BIND",
)  # fmt: skip
def bind_is_answered(s: Session) -> None:
    for _ in range(3):
        s.rebind()


@scenario(
    "BEN/BIND/BV-cold", "R-BEN-004", "R-LNK-004",
    given="a module in READY", when="it receives BIND",
    then="it is as after a cold reset: another BEACON nonce, and no session to resume",
)  # fmt: skip
def bind_is_a_cold_start(s: Session) -> None:
    ready(s)
    nonce = s.beacon.nonce
    old = p.Hello(
        phone_nonce=1,
        resume_session=s.greeting.session,
        last_phone_nonce=s.hello.phone_nonce,
        last_module_nonce=s.greeting.module_nonce,
    )
    s.bench.seed ^= 0x5A5A5A
    s.rebind()
    meet(s)
    s.expect(s.beacon.nonce != nonce, "another BEACON nonce", "the same")
    heard = s.ask(old, lane=Lane.SIDEBAND)
    lost = heard.status == codec.Status.NEEDS_SESSION
    s.expect(lost, "status NEEDS_SESSION", f"status {heard.status}", "R-BEN-004")


@scenario(
    "BEN/BIND/BI-two_planes", "R-BEN-003", "R-BEN-001",
    given="an implementation that has been connected to", when="BIND names two planes, two clocks, or none",
    then="it answers BIND, and ignores everything else until a BIND names one of each",
)  # fmt: skip
def a_bind_that_binds_nothing(s: Session) -> None:
    both = p.Plane.PACKET | p.Plane.FLIT, p.ClockMode.REAL | p.ClockMode.VIRTUAL
    one = p.Plane.PACKET, p.ClockMode.VIRTUAL if s.exact else p.ClockMode.REAL
    for planes, clocks in ((both[0], one[1]), (one[0], both[1]), (0, one[1]), (one[0], 0)):
        s.note(Actor.BENCH, f"binds with planes {int(planes)} and clocks {int(clocks)}")
        s.bench.ask(RecordKind.BIND, codec.encode_layout("Bind", p.Bind(planes=planes, clocks=clocks, seed=1)))
        patience, s.bench.patience = s.bench.patience, 0.2  # for the silence that must follow
        try:
            s.attempt(OperationTag.VERSION, p.VersionOperation())
        except Hang:
            continue
        finally:
            s.bench.patience = patience
        s.fail("no answer to CONTROL", "an answer", "R-BEN-003")
    s.rebind()
    ready(s)


# ── Records ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "BEN/RECORD/RB-unknown_kind", "R-BEN-006",
    given="a module in READY", when="a record of an unknown kind arrives", then="it ignores it and goes on working",
)  # fmt: skip
def unknown_record_kind(s: Session) -> None:
    ready(s)
    before = s.counters()
    for kind in (6, 77, 255):
        s.bench.raw(codec.encode_record(Record(kind, Lane.SIDEBAND, payload=b"unknown")))
    s.alive()
    counted = {c: n for c, n in s.counters().items() if c not in MOVING and n != before.get(c)}
    s.expect(not counted, "no counter that moves", f"{counted}")


@scenario(
    "BEN/RECORD/RB-other_plane", "R-BEN-007",
    given="a module in READY on the packet plane", when="a FLIT record brings a request", then="it ignores it",
)  # fmt: skip
def record_of_the_other_plane(s: Session) -> None:
    ready(s)
    data = codec.encode(codec.request(p.StateGet(), s.next_txn()))
    s.bench.raw(codec.encode_record(Record(RecordKind.FLIT, Lane.LASER, timed=1, time=s.now, payload=data)))
    s.let(60 * MS)
    answers = s.heard(p.StateGetResponse)
    s.expect(not answers, "no answer", "an answer")
    s.alive()


@scenario(
    "BEN/RECORD/RB-over_limit", "R-BEN-005",
    given="a module in READY", when="a record announces more bytes than the limit", then="it closes the connection",
)  # fmt: skip
def record_above_the_limit(s: Session) -> None:
    ready(s)
    s.spent = True
    deadline = s.now + EVENTUALLY
    try:
        s.bench.raw((0xFFFF_FFFF).to_bytes(4, "little") + bytes(12))
        while s.now < deadline:  # no rule says when; in virtual time the very next CLOCK record cannot be answered
            s.let(100 * MS)
    except Closed:
        return
    except Hang:
        s.fail("a closed connection", "a connection that is open and silent")
    s.fail("a closed connection", "a connection that goes on")


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "BEN/LANE/BV-down", "R-BEN-009", "R-BEN-010",
    given="a module in READY whose sideband is down", when="a record brings a request on the sideband",
    then="it ignores it, and sends nothing there", operations=("lane_down", "lane_up"),
)  # fmt: skip
def nothing_on_a_lane_that_is_down(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.SIDEBAND))
    asked = s.request(p.StateGet(), lane=Lane.SIDEBAND)
    s.let(60 * MS)
    s.expect(asked.answers == 0, "no answer", "an answer", "R-BEN-009")
    s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.SIDEBAND))
    s.alive()


@scenario(
    "BEN/LANE/BV-before_attach", "R-BEN-009",
    given="a module that is not attached", when="a record brings a request", then="it ignores it",
    operations=("attach",),
)  # fmt: skip
def nothing_before_attach(s: Session) -> None:
    asked = s.request(p.StateGet(), lane=Lane.SIDEBAND)
    s.let(300 * MS)
    s.expect(asked.answers == 0 and not s.inbox, "silence", f"{len(s.inbox)} packets")
    meet(s)


# ── Operations ───────────────────────────────────────────────────────────────────────────────────────

_VALUES = {
    OperationTag.ATTACH: p.AttachOperation(),
    OperationTag.DETACH: p.DetachOperation(),
    OperationTag.LANE_DOWN: p.LaneDownOperation(lane=Lane.LASER),
    OperationTag.LANE_UP: p.LaneUpOperation(lane=Lane.LASER),
    OperationTag.RESET: p.ResetOperation(),
    OperationTag.STATE: p.StateOperation(),
    OperationTag.VERSION: p.VersionOperation(),
    OperationTag.TEMPERATURE: p.TemperatureOperation(temperature=250),
    OperationTag.BATTERY: p.BatteryOperation(level=500),
    OperationTag.RING: p.RingOperation(delta=1),
    OperationTag.BUTTON: p.ButtonOperation(),
    OperationTag.USER: p.UserOperation(),
    OperationTag.STACK: p.StackOperation(elements=1),
    OperationTag.CONDITION: p.ConditionOperation(),
}


@scenario(
    "BEN/CONTROL/CA-offered", "R-BEN-020", "R-BEN-023",
    given="a module in READY", when="it is asked for every operation that its BIND names",
    then="it answers each, and none with UNSUPPORTED",
)  # fmt: skip
def offered_operations_are_there(s: Session) -> None:
    for operation in OperationTag:
        if s.offers(operation):
            s.rebind()
            ready(s)
            result = s.attempt(operation, _VALUES[operation])
            there = result.result != Outcome.UNSUPPORTED
            s.expect(there, f"{operation.name} carried out or FAILED", "UNSUPPORTED", "R-BEN-023")


@scenario(
    "BEN/CONTROL/NP-not_offered", "R-BEN-022",
    given="a module in READY", when="it is asked for operations that its BIND does not name",
    then="it answers UNSUPPORTED",
)  # fmt: skip
def other_operations_are_not_there(s: Session) -> None:
    ready(s)
    for operation in OperationTag:
        if not s.offers(operation):
            result = s.attempt(operation, _VALUES[operation])
            s.expect(result.result == Outcome.UNSUPPORTED, f"UNSUPPORTED for {operation.name}", f"{result.result!r}")
    result = s.bench.control(60, b"")
    s.expect(result.result == Outcome.UNSUPPORTED, "UNSUPPORTED for an unknown operation", f"{result.result!r}")


@scenario(
    "BEN/CONTROL/BI-failed", "R-BEN-024",
    given="a module in READY", when="it is asked to attach with a quality above 100 %",
    then="it answers FAILED and changes nothing", operations=("attach",),
)  # fmt: skip
def a_failed_operation_changes_nothing(s: Session) -> None:
    ready(s)
    before = s.states()
    result = s.bench.control(OperationTag.ATTACH, bytes([101]))
    s.expect(result.result == Outcome.FAILED, "FAILED", f"{result.result!r}")
    s.unmoved(before)


@scenario(
    "BEN/CONTROL/BI-not_one", "R-BEN-021", "R-BEN-020", "R-BEN-024",
    given="a module in READY", when="a CONTROL record brings no operation, two, or half of one",
    then="it answers FAILED under the same number, and changes nothing",
)  # fmt: skip
def not_exactly_one_operation(s: Session) -> None:
    ready(s)
    before = s.states()
    detach = bytes((OperationTag.DETACH, 0, 0, 0))
    for i, operations in enumerate((b"", detach * 2, detach[:3], b"\x02\x00\x05\x00\x00")):
        s.note(Actor.BENCH, f"sends CONTROL with {operations.hex() or 'nothing'}")
        result = s.bench.ask(RecordKind.CONTROL, (1000 + i).to_bytes(2, "little") + operations)
        s.expect(result.result == Outcome.FAILED, "FAILED", f"{result.result!r}", "R-BEN-021")
    try:
        s.unmoved(before)
    except Fail as moved:
        s.fail(moved.expected, moved.actual, "R-BEN-024")


@scenario(
    "BEN/CONTROL/BV-state", "R-BEN-020",
    given="a module in READY", when="the operation `state` is carried out",
    then="it tells the same as STATE_GET",
)  # fmt: skip
def state_operation_agrees(s: Session) -> None:
    if not s.offers(OperationTag.STATE):
        raise Inapplicable("It does not offer the operation state.")
    ready(s)
    before = s.states()
    answer = s.operate(OperationTag.STATE, p.StateOperation())
    told = {m.machine: (m.state, m.entered) for m in answer.machines}
    after = s.states()
    s.expect(set(told) == set(before), f"the machines {sorted(before)}", f"{sorted(told)}")
    for machine, place in before.items():  # one that has moved on meanwhile says nothing
        s.expect(after.get(machine) != place or told[machine] == place, f"{place} of {machine!r}", f"{told[machine]}")


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "BEN/CLOCK/TI-leap", "R-BEN-030", "R-BEN-031", "R-BEN-032", "R-BEN-033",
    given="a module in READY", when="a request and a clock record that lets a second pass arrive together",
    then="it answers at the time of the request, and all that it sends bears the time at which it was due",
    virtual=True,
)  # fmt: skip
def a_leap_keeps_times(s: Session) -> None:
    ready(s)
    begun = s.now
    asked = s.request(p.StateGet())
    s.bench.run(begun + SECOND)
    heard = s.take(lambda h: h.asked is asked)
    if heard is None:
        s.fail("an answer", "none", "R-BEN-030")
    limit = s.timer("tResponse")
    late = f"at {heard.time} ns"  # processed late, or stamped so: nobody can say
    s.expect(heard.time <= begun + limit, f"an answer by {begun + limit} ns", late, "R-BEN-030", "R-BEN-033")
    times = [h.time for h in s.inbox]
    s.expect(times == sorted(times), "packets in the order of their times", f"{times}")


@scenario(
    "BEN/CLOCK/BI-backwards", "R-BEN-036",
    given="a module in READY", when="a clock record gives an earlier time", then="it keeps its own", virtual=True,
)  # fmt: skip
def time_does_not_go_back(s: Session) -> None:
    ready(s)
    s.let(20 * MS)
    for earlier in (s.now - 1, 1, 0):
        answer = s.bench.ask(RecordKind.CLOCK, codec.encode_layout("ClockSet", p.ClockSet(now=earlier)))
        s.expect(answer.now == s.now, f"{s.now} ns", f"{answer.now} ns")
    s.alive()


@scenario(
    "BEN/CLOCK/BV-real", "R-BEN-038",
    given="a module that is bound in real time", when="a clock record comes", then="it ignores it", plan=Plan.CI,
)  # fmt: skip
def real_time_knows_no_clock_records(s: Session) -> None:
    if not s.bench.peer.clocks & p.ClockMode.REAL:
        raise Inapplicable("It offers no real time.")
    virtual, slack = s.bench.virtual, s.monitor.slack
    try:
        s.bench.virtual = False
        s.monitor.slack = max(slack, SECOND)  # it is about the record alone
        s.rebind()
        s.bench.raw(codec.encode_record(Record(RecordKind.CLOCK, payload=(10 * SECOND).to_bytes(8, "little"))))
        s.let(30 * MS)
        meet(s)
        s.expect(s.now < 5 * SECOND, "a BEACON in its own time", f"at {s.now} ns")
    finally:
        s.bench.virtual, s.monitor.slack = virtual, slack
        s.rebind()


@scenario(
    "BEN/CLOCK/TI-due", "R-BEN-033", "R-LNK-003",
    given="a module that has just been attached", when="a clock record lets a second pass at once",
    then="its BEACON bears the time at which it was due", virtual=True, operations=("attach",),
)  # fmt: skip
def a_beacon_in_a_leap(s: Session) -> None:
    attach(s)
    begun = s.now
    s.bench.run(begun + SECOND)
    heard = s.take(p.Beacon)
    if heard is None:
        s.fail("a BEACON within a second", "none")
    limit = s.catalogue.timer["tBeaconAfterPower"].max or 0
    s.expect(heard.time <= begun + limit, f"a BEACON by {begun + limit} ns", f"at {heard.time} ns")


@scenario(
    "BEN/CLOCK/BV-repeatable", "R-BEN-039",
    given="a module that is bound with a seed", when="the same records are sent twice",
    then="it sends the same records twice", virtual=True, plan=Plan.CI,
)  # fmt: skip
def a_seed_repeats(s: Session) -> None:
    runs = []
    for _ in range(2):
        state = s.random.getstate()
        s.rebind()
        s.txn = 1
        ready(s)
        s.let(400 * MS)
        runs.append([(h.time, h.lane, h.data) for h in s.inbox])
        s.random.setstate(state)
    s.should("R-BEN-039", runs[0] == runs[1], f"the same {len(runs[0])} packets", "others")
