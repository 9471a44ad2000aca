"""Scenarios of what outlives a request: stored responses, counts of KEEPALIVE, reasons that a frame or a fetch gives.

Plan: stored responses · keep-alive · frames.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Exchange, Oracle
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import configured, greet, next_keepalive, ready, silent
from opalink.conformance.tester.session import Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import CounterId, FrameResult, OperationTag, StreamOp
from opalink.spec.form import SECOND
from opalink.spec.limits import OUTSTANDING_MAX

# ── Stored responses ─────────────────────────────────────────────────────────────────────────────────

_GET = Exchange(PacketType.STATE_GET, b"", Oracle.ACCEPTED)


@scenario(
    "ATT/STORED/CA-last", "R-ATT-013",
    given="a module in READY that has answered outstanding_max requests", when="it receives the first of them again",
    then="it answers with the same bytes, and counts a repetition",
)  # fmt: skip
def as_many_are_stored_as_may_be_open(s: Session) -> None:
    ready(s)
    asked, data = s.stimulate(_GET, s.lane(PacketType.STATE_GET))
    first = s.answer(asked)
    if first is None:
        s.fail("an answer", "none", "R-WIRE-023")
    for _ in range(OUTSTANDING_MAX - 1):
        s.asks(p.StateGet())
    again = s.repeat(asked, data)
    if again is None:
        s.fail("the stored response", "none")
    s.expect(again.data == first.data, "the stored response", "other bytes")


@scenario(
    "ATT/STORED/BI-version", "R-ATT-014",
    given="a module in READY that has answered a request with BAD_VERSION",
    when="a request of its own version comes under the same transaction number", then="it answers OK",
)  # fmt: skip
def bad_version_is_not_stored(s: Session) -> None:
    ready(s)
    other = Exchange(PacketType.STATE_GET, b"", Oracle.REFUSED, statuses=("BAD_VERSION",), header=(("major", 2),))
    asked, _ = s.stimulate(other, s.lane(PacketType.STATE_GET))
    heard = s.answer(asked)
    if heard is None:
        s.fail("an answer", "none", "R-WIRE-023")
    s.need(heard.status == Status.BAD_VERSION, f"It was answered {heard.status!r}.")
    again = s.repeat(asked, codec.encode(codec.request(p.StateGet(), asked.txn, t_ns=s.now)))
    if again is None:
        s.fail("an answer", "none")
    s.expect_status(again, Status.OK)


@scenario(
    "ATT/STORED/BV-session", "R-ATT-015",
    given="a module in READY", when="a request of the session before comes again, bit by bit",
    then="it is answered as a new one: no repetition is counted",
)  # fmt: skip
def a_session_stores_anew(s: Session) -> None:
    ready(s)
    asked, data = s.stimulate(_GET, s.lane(PacketType.STATE_GET))
    if s.answer(asked) is None:
        s.fail("an answer", "none", "R-WIRE-023")
    greet(s)
    before = s.counters()[CounterId.DUPLICATES]
    if s.repeat(asked, data) is None:
        s.fail("an answer", "none", "R-WIRE-023")
    after = s.counters()[CounterId.DUPLICATES]
    s.expect(after == before, f"{before} repetitions", f"{after}")


# ── Keep-alive ───────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "ATT/KEEPALIVE/BV-count", "R-ATT-016",
    given="a module that has just started, in READY, its link asleep if it has one",
    when="there is silence three times, and a new session in between", then="its KEEPALIVE count 1, 2, 3",
)  # fmt: skip
def keepalives_are_counted_from_the_start(s: Session) -> None:
    silent(s)
    found = []
    for n in range(3):
        found.append(next_keepalive(s).body.seq)
        if n == 1:
            greet(s)
    s.expect(found == [1, 2, 3], "1, 2, 3", f"{found}")


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def _condition(s: Session, status: Status) -> None:
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=p.Condition(int(status)), present=1))


@scenario(
    "FRM/TRAILER/BV-dropped", "R-FRM-060",
    given="a module that cannot go on with its frames", when="a stream is started",
    then="a trailer gives FRAME_DROPPED as the reason", needs="VIDEO SENSOR", operations=("condition",),
)  # fmt: skip
def a_dropped_frame_says_so(s: Session) -> None:
    configured(s)
    _condition(s, Status.FRAME_DROPPED)
    s.asks(p.StreamControl(op=StreamOp.START, mask=1))
    heard = s.take(p.FrameTrailer, 5 * SECOND)
    if heard is None:
        s.fail("FRAME_TRAILER", "none within 5 s")
    s.expect(heard.body.result != FrameResult.COMPLETE, "an incomplete frame", "COMPLETE")
    s.expect(heard.body.reason == Status.FRAME_DROPPED, "FRAME_DROPPED", f"{heard.body.reason}")


@scenario(
    "FRM/FETCH/BI-gone", "R-FRM-061",
    given="a module that has taken a still while it was detached, and no longer holds all of it",
    when="FRAME_FETCH asks for it", then="it answers BLOCK_GONE", needs="STORAGE SENSOR",
    operations=("attach", "detach", "button", "condition"),
)  # fmt: skip
def blocks_that_are_gone_cannot_be_fetched(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.DETACH, p.DetachOperation())
    s.light = False
    s.operate(OperationTag.BUTTON, p.ButtonOperation())
    s.let(SECOND)
    ready(s)
    if not s.asks(p.StoreList()).stills:
        raise Inapplicable("It has kept no still.")
    _condition(s, Status.BLOCK_GONE)
    s.expect_status(s.ask(p.FrameFetch()), Status.BLOCK_GONE)
