"""The implementation's side and time: virtual time is exact, real time passes by itself.

Plan: virtual time · real time.
"""

import pytest

from opalink.protocol.packets.bodies import ClockAnswer, ClockSet, encode_ClockSet
from opalink.protocol.packets.codec import Record
from opalink.protocol.packets.enums import ClockMode, Lane, RecordKind
from opalink.protocol.transport import Closed
from opalink.protocol.transport.framing import NEVER
from opalink.protocol.transport.session import STANDSTILL
from tests.transport_wire import Notes, Wire, clock, packet, reached

MS = 1_000_000

# ── Virtual time: R-BEN-030 to 039 ───────────────────────────────────────────────────────────────────


def test_timers_run_in_order_each_at_its_time() -> None:
    wire = Wire().bound()
    wire.endpoint.timers = [3, 3, 1_000, 5_000_000_000]
    assert wire.tell(packet()) == []
    *packets, answer = wire.tell(clock(4_000))
    assert [(r.time, r.timed) for r in packets] == [(0, 1), (3, 1), (3, 1), (1_000, 1)]
    assert wire.endpoint.seen == [("receive", Lane.LASER, b"data", 0), ("advance", 3), ("advance", 1_000)]
    assert reached(answer) == ClockAnswer(4_000, 5_000_000_000)
    *packets, answer = wire.tell(clock(5_000_000_000))
    assert [r.time for r in packets] == [5_000_000_000]
    assert reached(answer) == ClockAnswer(5_000_000_000, NEVER)


def test_what_leaves_later_counts_as_something_to_run() -> None:
    wire = Wire().bound()
    wire.endpoint.delay = 70
    (answer,) = wire.tell(packet(), clock(0))
    assert reached(answer) == ClockAnswer(0, 70)
    wire.endpoint.timers = [50, 90]
    *packets, answer = wire.tell(clock(100))
    assert [(r.time, r.payload) for r in packets] == [(50, b"timer"), (70, b"data"), (90, b"timer")]


def test_each_record_is_processed_at_the_time_that_holds() -> None:
    wire = Wire().bound()
    records = wire.tell(packet(b"a"), clock(10), packet(b"b"), clock(10), clock(20), packet(b"c"), clock(30))
    assert [(r.kind, r.time) for r in records if r.kind is RecordKind.PACKET] == [
        (RecordKind.PACKET, 0),
        (RecordKind.PACKET, 10),
        (RecordKind.PACKET, 20),
    ]


@pytest.mark.parametrize("payload", [encode_ClockSet(ClockSet(4)), b"", b"\xff" * 7])
def test_time_never_goes_back(payload: bytes) -> None:
    wire = Wire().bound()
    wire.tell(clock(10))
    (answer,) = wire.tell(Record(RecordKind.CLOCK, payload=payload))
    assert reached(answer).now == 10


def test_time_may_leap_to_its_end() -> None:
    wire = Wire().bound()
    wire.endpoint.timers = [NEVER - 1]
    *packets, answer = wire.tell(clock(NEVER))
    assert [r.time for r in packets] == [NEVER - 1]
    assert reached(answer) == ClockAnswer(NEVER, NEVER)


def test_an_endpoint_that_stands_still_is_a_fault_of_the_endpoint() -> None:
    class Stuck(Notes):
        def deadline(self) -> int | None:
            return 5

    wire = Wire(Stuck()).bound()
    with pytest.raises(RuntimeError, match="wants to again"):
        wire.tell(clock(10))
    assert len(wire.endpoint.seen) <= STANDSTILL + 2


def test_nobody_runs_for_a_tester_that_has_gone() -> None:
    class Busy(Notes):
        now = 0

        def deadline(self) -> int | None:
            return self.now + 1

        def advance(self, now: int) -> None:
            self.now = now

    wire = Wire(Busy()).bound()
    wire.listening = False
    with pytest.raises(Closed, match="went away"):
        wire.tell(clock(NEVER))


# ── Real time: R-BEN-038 ─────────────────────────────────────────────────────────────────────────────


def test_in_real_time_packets_leave_at_once_and_clock_records_mean_nothing() -> None:
    wire = Wire()
    wire.real = 1_000
    wire.bound(ClockMode.REAL)
    wire.endpoint.timers = [50 * MS]
    wire.real += 20 * MS
    (echo,) = wire.tell(packet(), clock(NEVER))
    assert (echo.time, echo.timed) == (20 * MS, 1)
    assert wire.session.wait() == pytest.approx(0.030)
    wire.real += 40 * MS
    assert wire.session.wait() == 0
    wire.sent.clear()
    wire.session.advance()
    assert [(r.payload, r.time) for r in wire.sent] == [(b"timer", 60 * MS)]
    assert wire.session.wait() is None


def test_what_was_due_runs_before_what_has_just_arrived() -> None:
    wire = Wire().bound(ClockMode.REAL)
    wire.endpoint.timers = [5]
    wire.real = 9
    assert [r.payload for r in wire.tell(packet())] == [b"timer", b"data"]
