"""Scenarios of what flows: reports of it, and peaks beyond a contract.

Plan: reports · peaks.
"""

from itertools import pairwise

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.preambles import offer, ready, setup
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.tester.watches import CLASS_P2, STATUS_PERIOD
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.spec.form import MS, SECOND

# ── Reports ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/STATUS/TI-flow", "R-PWR-001",
    given="a module that streams and draws more than class P2 allows", when="half a second passes",
    then="PWR_STATUS comes at least every 100 ms", needs="CONTRACT VIDEO",
)  # fmt: skip
def what_flows_is_reported(s: Session) -> None:
    ready(s)
    if "SECURITY" in s.known.features:  # else it never asks for so much
        s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=15_000))
    offer(s)
    s.need(s.take(p.PwrStatus, EVENTUALLY) is not None, "No power contract came about.")
    for body in (p.StreamConfigure(streams=(setup(s),)), p.StreamControl(op=p.StreamOp.START, mask=1)):
        heard = s.ask(body)
        s.need(heard.status in (Status.OK, Status.ADJUSTED), f"{type(body).__name__} was answered {heard.status!r}.")
    s.let(200 * MS)
    s.clear()
    begun = s.now
    s.let(SECOND // 2)
    told = s.heard(p.PwrStatus)
    if not told or min(h.body.power for h in told) <= CLASS_P2:
        raise Inapplicable("It draws no more than class P2 allows, as far as it says.")
    times = [begun, *(h.time for h in told), begun + SECOND // 2]
    longest = max(b - a for a, b in pairwise(times))
    s.should("R-PWR-001", longest <= STATUS_PERIOD + s.monitor.slack, "PWR_STATUS every 100 ms", f"{longest} ns")


# ── Peaks ────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/RESERVE/BV-still", "R-PWR-129",
    given="a module that streams, and has less by contract than a still takes", when="a still is asked for",
    then="if it asks for a peak, it does so with a time", needs="CONTRACT RESERVE SENSOR",
)  # fmt: skip
def a_peak_is_asked_for(s: Session) -> None:
    ready(s)
    offer(s, (p.Offer(kind=p.OfferKind.FIXED, min=5000, max=5000, continuous=800, peak=2000, peak_time=200),))
    s.need(s.take(p.PwrStatus, EVENTUALLY) is not None, "No power contract came about.")
    for body in (
        p.StreamConfigure(streams=(setup(s),)),
        p.StreamControl(op=p.StreamOp.START, mask=1),
        p.CaptureQueue(request=1, mask=1, frames=1),
    ):
        heard = s.ask(body)
        if heard.status not in (Status.OK, Status.ADJUSTED):
            raise Inapplicable(f"With so little it takes no still: {type(body).__name__} is answered {heard.status!r}.")
    asked = s.take(p.PwrReserve, EVENTUALLY)
    if asked is None:
        raise Inapplicable("It needs no peak for a still, or asks for none.")
    s.expect(asked.body.time > 0, "a time above 0", "0")
