"""Scenarios of time and motion: synchronising, triggers, gyroscope, stabiliser.

Plan: time · triggers · motion.
"""

from itertools import pairwise

from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.properties import put
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, ready, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.tester.watches import CLASS_BOUND
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import OisTargetKind, PropertyTag, StabilisationMode, TimeState, TriggerAction
from opalink.spec.form import MS, SECOND

_SOON = SECOND  # ahead enough for any module

# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "TIM/SYNC/TI-interval", "R-TIM-025", "R-TIM-005",
    given="a module that keeps time, in READY", when="half a second passes",
    then="it sends TIME_SYNC every tTimeSync, never a second one while one is open", needs="TIME",
)  # fmt: skip
def time_is_synchronised(s: Session) -> None:
    ready(s)
    s.clear()
    s.let(SECOND // 2)
    limit, least = s.timer("tTimeSync"), s.catalogue.timer["tTimeSync"].min
    times = [h.time for h in s.heard(p.TimeSync)]
    gaps = [b - a for a, b in pairwise(times)]
    s.expect(bool(gaps), "TIME_SYNC again and again", f"{len(times)}")
    for gap in gaps:
        s.waited(gap, limit, "the next TIME_SYNC", least=least)


@scenario(
    "TIM/STATE/BV-locked", "R-TIM-008", "R-TIM-006",
    given="a module that keeps time, in READY", when="the phone answers TIME_SYNC",
    then="TIME_STATUS reports that it is locked, within the bound of its class", needs="TIME",
)  # fmt: skip
def time_locks(s: Session) -> None:
    ready(s)
    s.locked()


@scenario(
    "TIM/STATE/BV-holdover", "R-TIM-008", "R-TIM-009",
    given="a module whose time is locked", when="the phone no longer answers TIME_SYNC",
    then="TIME_STATUS reports HOLDOVER, with a bound that never falls", needs="TIME",
)  # fmt: skip
def time_holds_over(s: Session) -> None:
    ready(s)
    s.locked()
    s.clear()
    s.phone.mute.add(p.TimeSync)
    told: list[int] = []
    for _ in range(44):  # the phone stays there all the same, until what was known is too old
        s.let(SECOND // 4)
        s.asks(p.Keepalive())
        # Before that it may say that it is locked still, of a coarser class; after, that it goes on losing time.
        told = [h.body.state for h in s.heard(p.TimeStatus) if h.body.state != TimeState.LOCKED]
        if len(told) > 1:
            break
    s.expect(told[:1] in ([TimeState.HOLDOVER], [TimeState.FREE]), "HOLDOVER", f"{told}")


@scenario(
    "TIM/STATE/BV-offset", "R-TIM-007",
    given="a module that keeps time, in READY", when="the phone's time is 3 s ahead of what the module had",
    then="the module's packets bear the phone's time, within `bound`", needs="TIME", virtual=True,
)  # fmt: skip
def time_follows_the_phone(s: Session) -> None:
    ahead = 3 * SECOND

    def answer(heard: Heard) -> None:
        s.reply(heard, p.TimeSyncResponse(t1=heard.body.t1, t2=heard.time + ahead, t3=s.now + ahead))

    s.phone.answers[p.TimeSync] = answer
    ready(s)
    bound = s.locked().body.bound
    begun = s.now
    heard = s.ask(p.Keepalive())
    told = heard.packet.t_ns if heard.packet else 0
    error = abs(told - (heard.time + ahead))
    s.expect(error <= bound + heard.time - begun, f"{heard.time + ahead} ns within {bound}", f"{told} ns")


@scenario(
    "TIM/SYNC/BV-stamps", "R-TIM-002",
    given="a module whose time is locked", when="it asks for the time again and again",
    then="its stamps lie as far apart as its requests do", needs="TIME", virtual=True,
)  # fmt: skip
def stamps_are_taken_at_launch(s: Session) -> None:
    """Which moment is stamped shows only where it is not always the same one: what is always too early by as much looks
    like a longer way. Once a module's time is locked, its clock has no more to make up for than its bound."""
    ready(s)
    s.locked()
    s.clear()
    s.let(SECOND // 2)
    asked = s.heard(p.TimeSync)
    s.need(len(asked) > 1, "It asked for the time less than twice.")
    for a, b in pairwise(asked):
        astray = abs((b.body.t1 - a.body.t1) - (b.time - a.time))
        within = CLASS_BOUND[p.TimeClass.T0]
        s.expect(astray <= within, f"stamps as far apart as the requests, within {within} ns", f"{astray} ns off")


# ── Triggers ─────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "TIM/TRIGGER/BV-fired", "R-TIM-013", "R-TIM-014", "R-TIM-015",
    given="a module with streams set up and its time locked", when="a frame is to begin at a moment to come",
    then="it says that it will, and one TRIGGER_FIRED says that it did, within its bound", needs="TRIGGER SENSOR TIME",
)  # fmt: skip
def a_trigger_fires(s: Session) -> None:
    configured(s)
    bound = s.locked().body.bound
    s.asks(p.StreamControl(op=p.StreamOp.START, mask=1))
    when = s.now + _SOON
    asked = s.request(p.TriggerAt(fire=when, action=TriggerAction.FRAME))
    heard = s.answer(asked)
    if heard is None:
        s.fail("an answer", "none")
    s.expect_status(heard, Status.OK)
    first = s.take(lambda h: _fired(h, asked.txn), _SOON + EVENTUALLY)
    s.let(SECOND // 2)
    fired = [h for h in (first, *s.heard(lambda h: _fired(h, asked.txn))) if h is not None]
    s.expect(len(fired) == 1, "one TRIGGER_FIRED", f"{len(fired)}", "R-TIM-013")
    s.expect(fired[0].body.planned == when, f"planned {when}", f"{fired[0].body.planned}", "R-TIM-013")
    error = abs(fired[0].body.error)
    s.should("R-TIM-015", error <= bound, f"an error of at most {bound} ns", f"{error} ns")


def _fired(heard: Heard, trigger: int) -> bool:
    return isinstance(heard.body, p.TriggerFired) and heard.body.trigger == trigger


@scenario(
    "TIM/TRIGGER/BI-no_time", "R-TIM-010", "R-TIM-016",
    given="a module whose time is not locked", when="TRIGGER_AT comes", then="it answers NO_TIME and does not act",
    needs="TRIGGER TIME",
)  # fmt: skip
def no_trigger_without_time(s: Session) -> None:
    s.phone.mute.add(p.TimeSync)
    ready(s)
    s.phone.mute.add(p.TimeSync)
    s.expect_status(s.ask(p.TriggerAt(fire=s.now + _SOON)), Status.NO_TIME)
    s.let(_SOON + SECOND // 10)
    s.expect(not s.heard(p.TriggerFired), "no TRIGGER_FIRED", "one", "R-TIM-016")


@scenario(
    "TIM/TRIGGER/BI-late", "R-TIM-011", "R-TIM-016",
    given="a module whose time is locked", when="TRIGGER_AT names a moment that has passed",
    then="it answers LATE and does not act", needs="TRIGGER TIME",
)  # fmt: skip
def no_trigger_in_the_past(s: Session) -> None:
    ready(s)
    s.locked()
    for when in (1, s.now - MS, s.now):
        s.expect_status(s.ask(p.TriggerAt(fire=when)), Status.LATE)
    s.let(SECOND // 10)
    s.expect(not s.heard(p.TriggerFired), "no TRIGGER_FIRED", "one", "R-TIM-016")


@scenario(
    "TIM/TRIGGER/BI-no_plan", "R-TIM-012",
    given="a module that streams, its time locked", when="TRIGGER_AT names a plan that is not set",
    then="it answers NO_SUCH_ID", needs="TRIGGER TIME PLAN VIDEO",
)  # fmt: skip
def no_trigger_for_no_plan(s: Session) -> None:
    streaming(s)
    s.locked()
    heard = s.ask(p.TriggerAt(fire=s.now + SECOND, action=TriggerAction.PLAN, plan=0xFFFE))
    s.expect_status(heard, Status.NO_SUCH_ID)


# ── Motion ───────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "TIM/IMU/BV-streaming", "R-TIM-018", "R-TIM-017",
    given="a module with a gyroscope that streams", when="half a second passes",
    then="IMU_BATCH reports motion without gaps of more than 10 ms", needs="IMU VIDEO",
)  # fmt: skip
def motion_is_reported(s: Session) -> None:
    streaming(s)
    s.let(SECOND // 10)
    s.clear()
    s.let(SECOND // 2)
    batches = [h.body for h in s.heard(p.ImuBatch)]
    s.expect(bool(batches), "IMU_BATCH", "none in 500 ms", "R-TIM-018")
    for a, b in pairwise(batches):
        gap = b.t0 - (a.t0 + (len(a.samples) - 1) * a.dt)
        s.expect(gap <= 10 * MS, "at most 10 ms from sample to sample", f"{gap} ns", "R-TIM-018")


@scenario(
    "TIM/OIS/BV-samples", "R-TIM-019", "R-TIM-020",
    given="a module with a stabiliser that streams", when="half a second passes",
    then="OIS_SAMPLES report where it was, without gaps", needs="OIS VIDEO",
)  # fmt: skip
def the_stabiliser_is_reported(s: Session) -> None:
    streaming(s)
    s.let(SECOND // 10)
    s.monitor.offer["streaming"] = True
    s.clear()
    s.let(SECOND // 2)
    s.expect(bool(s.heard(p.OisSamples)), "OIS_SAMPLES", "none in 500 ms", "R-TIM-019")


def _aim(s: Session, mode: StabilisationMode, kind: OisTargetKind, x: int, apply: int = 0) -> list[int]:
    """Where the stabiliser was along the rows in the 200 ms after a target."""
    put(s, (PropertyTag.OIS_MODE, mode))
    s.let(100 * MS)
    s.clear()
    s.tell(p.OisTarget(apply=apply or s.now, x=x, mode=kind))
    s.let(200 * MS)
    return [sample.x for h in s.heard(p.OisSamples) for sample in h.body.samples]


@scenario(
    "TIM/OIS/BV-target", "R-TIM-022", "R-TIM-024", "R-TIM-019",
    given="a module that streams and leaves its stabiliser to the phone", when="a target comes whose moment has passed",
    then="the stabiliser goes there at once", needs="OIS VIDEO TIME",
)  # fmt: skip
def the_stabiliser_goes_to_its_target(s: Session) -> None:
    streaming(s)
    s.locked()
    seen = _aim(s, StabilisationMode.PHONE, OisTargetKind.POSITION, 300, apply=1)
    s.expect(bool(seen), "OIS_SAMPLES", "none in 200 ms", "R-TIM-019")
    s.expect(abs(seen[-1] - 300) <= 30, "30 um within 10 %", f"{seen[-1] / 10} um", "R-TIM-022")


@scenario(
    "TIM/OIS/BV-out_of_reach", "R-TIM-021", "R-TIM-019",
    given="a module that streams and leaves its stabiliser to the phone", when="a target is out of its reach",
    then="it goes as far as it can", needs="OIS VIDEO TIME",
)  # fmt: skip
def the_stabiliser_goes_as_far_as_it_can(s: Session) -> None:
    streaming(s)
    s.locked()
    near = _aim(s, StabilisationMode.PHONE, OisTargetKind.POSITION, 100)
    far = _aim(s, StabilisationMode.PHONE, OisTargetKind.POSITION, 32_767)
    s.expect(bool(near and far), "OIS_SAMPLES", "none in 200 ms", "R-TIM-019")
    s.expect(far[-1] > near[-1], "farther than for a near target", f"{far[-1:]}", "R-TIM-021")


@scenario(
    "TIM/OIS/BO-mode", "R-TIM-023",
    given="a module that streams and holds its stabiliser at its centre", when="targets come",
    then="it ignores them", needs="OIS VIDEO TIME",
)  # fmt: skip
def targets_are_ignored(s: Session) -> None:
    streaming(s)
    s.locked()
    for mode, kind in (
        (StabilisationMode.OFF, OisTargetKind.POSITION),
        (StabilisationMode.OFF, OisTargetKind.CENTRE),
        (StabilisationMode.PHONE, OisTargetKind.CENTRE),
    ):
        seen = _aim(s, mode, kind, 500)
        s.expect(not seen or abs(seen[-1]) < 250, f"no move under {mode.name}", f"{seen[-1:]} for 500")
