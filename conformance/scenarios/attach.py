"""Scenarios of attaching and greeting.

Plan: beacons and light · greeting.
"""

from msgspec import structs

from opalink.conformance.conclusions import Inconclusive
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import attach, greet, hello, light, meet, ready
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, MachineId, OperationTag
from opalink.spec.form import MS

_READY = ("READY_BASIC", "READY_FULL")


def _attach_state(s: Session) -> str:
    return s.state(MachineId.ATTACH)


# ── Beacons ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/BEACON/TI-first", "R-LNK-003", "R-ATT-001",
    given="a module that is not attached", when="the contacts close",
    then="it sends its first BEACON within tBeaconAfterPower", operations=("attach",),
)  # fmt: skip
def first_beacon(s: Session) -> None:
    attach(s)
    limit = s.timer("tBeaconAfterPower")
    heard = s.take(p.Beacon, 2 * limit)
    if heard is None:
        s.fail(f"a BEACON within {limit} ns", "none within twice that")
    s.waited(heard.time - s.attached, limit, "a BEACON")
    s.expect(heard.lane == Lane.SIDEBAND, "a BEACON on the sideband", "one on the laser")


@scenario(
    "ATT/BEACON/BV-nonce", "R-LNK-004",
    given="a module that was attached and detached", when="it is attached again",
    then="its BEACON has another nonce", operations=("attach", "detach"),
)  # fmt: skip
def new_nonce_at_each_start(s: Session) -> None:
    seen = set()
    for _ in range(4):
        seen.add(meet(s).nonce)
        s.operate(OperationTag.DETACH, p.DetachOperation())
        s.clear()
        s.let(50 * MS)
    s.expect(len(seen) == 4, "four nonces", f"{len(seen)}")


@scenario(
    "ATT/BEACON/TI-repeated", "R-LNK-006",
    given="a module with a laser that waits for light", when="no light comes",
    then="it repeats BEACON every tLaserRestartInterval", needs="LASER", operations=("attach", "lane_down"),
)  # fmt: skip
def beacon_is_repeated(s: Session) -> None:
    attach(s, lit=False)
    first = s.take(p.Beacon, 2 * s.timer("tBeaconAfterPower"))
    if first is None:
        raise Inconclusive("No BEACON came.")
    last = first.time
    limit, least = s.timer("tLaserRestartInterval"), s.catalogue.timer["tLaserRestartInterval"].min
    for _ in range(4):
        heard = s.take(p.Beacon, 2 * limit)
        if heard is None:
            s.fail(f"a BEACON within {limit} ns", "none within twice that")
        s.waited(heard.time - last, limit, "the next BEACON", least=least)
        last = heard.time


@scenario(
    "ATT/BEACON/BV-other_versions", "R-LNK-002",
    given="a module with a laser that has sent BEACON", when="a BEACON of version 9.7 answers it",
    then="the link comes up all the same", needs="LASER",
)  # fmt: skip
def beacon_of_another_version(s: Session) -> None:
    meet(s)
    s.tell(p.Beacon(major=9, minor=7, role=p.DeviceRole.PHONE, gears_down=s.beacon.gears_down, nonce=5))
    s.light = True
    up = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.state == p.LinkState.L0, EVENTUALLY)
    s.expect(up is not None, "a link in L0", "none")
    greet(s)


@scenario(
    "ATT/BEACON/CA-link", "R-DSC-016",
    given="a module with a laser", when="it sends BEACON",
    then="gears and codes are those of its descriptor", needs="LASER",
)  # fmt: skip
def beacon_agrees_with_descriptor(s: Session) -> None:
    meet(s)
    record = s.record("LINK")
    if record is None:
        s.fail("a record `link` in the descriptor", "none")
    found = (s.beacon.gears_down, s.beacon.gears_up, s.beacon.fecs)
    wanted = (record.gears_down, record.gears_up, record.fec)
    s.expect(found == wanted, f"{wanted}", f"{found}")


@scenario(
    "ATT/LIGHT/BV-earned", "R-LNK-008",
    given="a module with a laser and light at it", when="no BEACON of the phone's has come",
    then="nothing comes by the laser", needs="LASER",
)  # fmt: skip
def no_light_before_the_proof(s: Session) -> None:
    meet(s)
    s.let(300 * MS)
    lit = [h for h in s.inbox if h.lane == Lane.LASER]
    s.expect(not lit, "nothing on the laser", f"{len(lit)} packets")
    body = s.asks(p.LaserSafety(), lane=Lane.SIDEBAND)
    s.expect(body.tx_state != p.LaserState.ON, "a laser that is not ON", "ON")


@scenario(
    "ATT/LIGHT/BO-interlock", "R-LNK-009",
    given="a module with a laser whose interlock is open", when="it is asked for the mode TEST and for L0",
    then="its laser stays off", needs="LASER", operations=("condition",),
)  # fmt: skip
def interlock_keeps_the_laser_dark(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.LASER_INTERLOCK, present=1))
    s.light = False
    s.let(2 * MS)
    for ask in (p.LaserSafety(op=p.LaserOp.SET, mode=p.LaserMode.TEST), p.LinkPm(target=p.LinkPower.L0)):
        heard = s.ask(ask, lane=Lane.SIDEBAND)
        s.expect(heard.status != Status.OK, "a refusal", "OK")
    body = s.asks(p.LaserSafety(), lane=Lane.SIDEBAND)
    s.expect(body.tx_state == p.LaserState.OFF, "a laser that is OFF", f"{body.tx_state!r}")


# ── Greeting ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/HELLO/BV-version", "R-MGT-003",
    given="a module that waits for HELLO", when="HELLO offers versions 0.0 to 9.9",
    then="it chooses one of its own within them",
)  # fmt: skip
def hello_chooses_a_version(s: Session) -> None:
    light(s)
    asked = structs.replace(hello(s), low_major=0, high_major=9, high_minor=9)
    body = s.asks(asked, lane=Lane.SIDEBAND)
    ours = tuple(int(x) for x in s.catalogue.version.split("."))
    s.expect((body.major, body.minor) == ours, f"version {ours}", f"{(body.major, body.minor)}")


@scenario(
    "ATT/HELLO/BI-version", "R-MGT-002", "R-ATT-003",
    given="a module in READY", when="HELLO offers nothing but version 7",
    then="it answers BAD_VERSION and keeps its session",
)  # fmt: skip
def hello_of_no_common_version(s: Session) -> None:
    ready(s)
    before = s.states()
    asked = structs.replace(hello(s), low_major=7, high_major=7)
    s.expect_status(s.ask(asked, lane=Lane.SIDEBAND), Status.BAD_VERSION)
    s.unmoved(before)


@scenario(
    "ATT/HELLO/BI-minor", "R-MGT-002",
    given="a module that waits for HELLO", when="HELLO offers its major version, and minor versions from 200 on",
    then="it answers BAD_VERSION",
)  # fmt: skip
def hello_of_later_minor_versions(s: Session) -> None:
    light(s)
    asked = structs.replace(hello(s), low_minor=200, high_minor=255)
    s.expect_status(s.ask(asked, lane=Lane.SIDEBAND), Status.BAD_VERSION)


@scenario(
    "ATT/HELLO/BI-empty_range", "R-MGT-002",
    given="a module that waits for HELLO", when="HELLO gives a lowest version above the highest",
    then="it answers BAD_VERSION",
)  # fmt: skip
def hello_of_an_empty_range(s: Session) -> None:
    light(s)
    asked = structs.replace(hello(s), low_major=2, high_major=1)
    s.expect_status(s.ask(asked, lane=Lane.SIDEBAND), Status.BAD_VERSION)


@scenario(
    "ATT/HELLO/BV-new_session", "R-MGT-005", "R-MGT-006", "R-MGT-007", "R-ATT-006",
    given="a module in READY", when="it receives HELLO five times, which resume nothing",
    then="each has a new session number, a new nonce, and the same features",
)  # fmt: skip
def each_hello_is_a_new_session(s: Session) -> None:
    light(s)
    answers = [greet(s) for _ in range(5)]
    sessions = {a.session for a in answers}
    s.expect(len(sessions) == 5, "five session numbers", f"{sorted(sessions)}", "R-MGT-005")
    nonces = {a.module_nonce for a in answers}
    s.expect(len(nonces) == 5, "five nonces", f"{len(nonces)}", "R-MGT-006")
    features = {a.features for a in answers}
    s.expect(len(features) == 1, "the same features", f"{features}", "R-MGT-007")


@scenario(
    "ATT/HELLO/TI-answer", "R-MGT-048",
    given="a module that waits for HELLO", when="HELLO comes", then="it answers within tHello",
)  # fmt: skip
def hello_in_time(s: Session) -> None:
    light(s)
    begun = s.now
    heard = s.ask(hello(s), lane=Lane.SIDEBAND)
    s.waited(heard.time - begun, s.timer("tHello"), "an answer")


@scenario(
    "ATT/HELLO/BO-ended", "R-ATT-006",
    given="a module in READY", when="a HELLO opens a new session", then="the one before cannot be resumed any more",
)  # fmt: skip
def a_new_session_ends_the_old(s: Session) -> None:
    ready(s)
    old = hello(s, resume=True)
    greet(s)
    heard = s.ask(old, lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.NEEDS_SESSION)


@scenario(
    "ATT/SESSION/BV-begins", "R-MGT-046",
    given="a module with a laser that waits for HELLO", when="a session begins", then="it sends SEAT_STATUS",
    needs="LASER",
)  # fmt: skip
def seat_status_once_a_session_begins(s: Session) -> None:
    light(s)
    s.clear()
    greet(s)
    s.reports(p.SeatStatus, "SEAT_STATUS", s.now)


@scenario(
    "ATT/SESSION/BV-stack", "R-MGT-016",
    given="a module that sees a stack, and waits for HELLO", when="a session begins", then="it sends STACK_REPORT",
    needs="STACK",
)  # fmt: skip
def stack_report_once_a_session_begins(s: Session) -> None:
    light(s)
    s.clear()
    greet(s)
    s.reports(p.StackReport, "STACK_REPORT", s.now)
