"""Scenarios of long use: floods, long series of takes, images that nobody signed.

What is right a few times may go wrong after many: a place that is not given back, a count that is lost, an answer that
is kept too long.

Plan: floods · series of takes · trust and firmware.
"""

import hashlib
from itertools import pairwise

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, still, whole_frame
from opalink.conformance.scenarios.journeys import dark, knock
from opalink.conformance.scenarios.lens import (
    move,
    span_of,
)
from opalink.conformance.tester.ledger import Asked, Heard
from opalink.conformance.tester.preambles import configured, contract, ready, resume, silent, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, MachineId, StreamOp
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import OUTSTANDING_MAX, OUTSTANDING_MIN, QUEUED_CAPTURES

# ── Floods ───────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "WIRE/FLOOD/RB-requests", "R-WIRE-023", "R-WIRE-021",
    given="a module in READY", when="requests come forty times, as many at once as it must hold open",
    then="it answers each of them once", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def a_flood_of_requests(s: Session) -> None:
    ready(s)
    for _ in range(40):
        asked = [s.request(p.StateGet(), lane=Lane.SIDEBAND) for _ in range(OUTSTANDING_MIN)]
        for one in asked:
            s.expect(s.answer(one) is not None, "an answer to each", "none", "R-WIRE-023")
        s.expect(all(one.answers == 1 for one in asked), "one answer to each", "more", "R-WIRE-023")
        s.clear()


@scenario(
    "WIRE/FLOOD/RB-events", "R-WIRE-021", "R-WIRE-003",
    given="a module in READY", when="five hundred events come without a pause",
    then="it answers none of them, and the request that follows in time", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def a_flood_of_events(s: Session) -> None:
    ready(s)
    for i in range(500):
        s.tell(p.PwrStatus(voltage=5000, current=i), lane=Lane.SIDEBAND)
    s.asks(p.StateGet(), lane=Lane.SIDEBAND)
    s.let(SECOND)
    s.asks(p.StateGet(), lane=Lane.SIDEBAND)


@scenario(
    "WIRE/TXN/BV-all_kept", "R-ATT-013", "R-WIRE-008",
    given="a module in READY that has answered as many requests as it must remember", when="each comes once more",
    then="it answers each with the bytes that it sent", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def every_stored_answer(s: Session) -> None:
    ready(s)
    sent: list[tuple[Asked, bytes, bytes]] = []
    for _ in range(OUTSTANDING_MAX):
        asked = s.request(p.StateGet(), lane=Lane.SIDEBAND)
        data = codec.encode(codec.request(p.StateGet(), asked.txn, t_ns=asked.time))
        heard = s.answer(asked)
        if heard is None:
            s.fail("an answer", "none", "R-WIRE-023")
        sent.append((asked, data, heard.data))
    for asked, data, first in sent:
        again = s.repeat(asked, data)
        s.expect(again is not None and again.data == first, "the stored response", "another", "R-ATT-013")


@scenario(
    "ATT/ALIVE/BV-counted", "R-ATT-016", "R-MGT-050",
    given="a module in READY with nothing to say", when="twelve KEEPALIVEs pass",
    then="their `seq` rises by one from each to the next", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def a_long_silence(s: Session) -> None:
    silent(s)
    s.clear()
    s.let(12 * s.timer("tKeepAlive"))
    told = [h.body.seq for h in s.heard(p.Keepalive)]
    if len(told) < 2:
        raise Inapplicable("It is never silent for so long that it sends KEEPALIVE.")
    rising = all(b == a + 1 for a, b in pairwise(told))
    s.expect(rising, "each one more than the last", f"{told}", "R-ATT-016")


@scenario(
    "MGT/CANCEL/BV-often", "R-MGT-033", "R-MGT-044",
    given="a module with a focus motor", when="ten moves are begun and cancelled",
    then="each is answered CANCELLED, and none is open in the end", needs="FOCUS_MOTOR", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def cancelled_again_and_again(s: Session) -> None:
    contract(s)
    far, near = span_of(s)
    for i in range(10):
        s.asks(move(near if i % 2 else far, settle=1))
        asked = s.request(move(far if i % 2 else near, speed=500))
        s.let(5 * MS)
        s.ask(p.Cancel(txn=asked.txn))
        heard = s.answer(asked)
        s.expect(heard is not None, "an answer to the move", "none", "R-MGT-033")
    waiting = s.asks(p.StateGet()).open
    s.expect(not waiting, "nothing open", f"{len(waiting)} requests", "R-MGT-044")


# ── Series of takes ──────────────────────────────────────────────────────────────────────────────────


@scenario(
    "CAP/STREAM/BV-often", "R-FRM-003", "R-FRM-004",
    given="a module with a stream set up", when="it is started and stopped eight times",
    then="whole frames come each time, and their numbers rise", needs="VIDEO", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def started_again_and_again(s: Session) -> None:
    configured(s)
    last = 0
    for _ in range(8):
        s.clear()
        control(s, StreamOp.START)
        leader, _, _ = whole_frame(s)
        s.expect(leader.frame > last, f"a frame above {last}", f"{leader.frame}", "R-FRM-004")
        last = leader.frame
        control(s, StreamOp.STOP)
        s.reaches(MachineId.CAPTURE, "CONFIGURED")


@scenario(
    "CAP/CONFIGURE/BV-every_mode", "R-FRM-003", "R-CAP-022",
    given="a module with a sensor", when="each of its modes is set up, started and stopped, and the first once more",
    then="a frame of that mode's size comes each time", needs="SENSOR", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def every_mode_in_turn(s: Session) -> None:
    contract(s)
    number = 0
    for mode in (*s.known.modes, *s.known.modes[:1]):
        heard = s.ask(p.StreamConfigure(streams=(p.StreamSetup(mode=mode.mode, codec=mode.codec),)))
        if heard.status not in (Status.OK, Status.ADJUSTED):
            continue
        s.clear()
        number += 1
        control(s, StreamOp.START)
        s.expect_status(still(s, number), Status.OK)
        leader = s.take(lambda h: isinstance(h.body, p.FrameLeader) and h.body.request == number, 5 * SECOND)  # noqa: B023
        if leader is None:
            s.fail(f"a frame in mode {mode.mode}", "none", "R-FRM-003")
        size = (leader.body.width, leader.body.height)
        s.expect(size == (mode.width, mode.height), f"{(mode.width, mode.height)}", f"{size}")
        s.asks(p.Flush(mask=1))
        s.reaches(MachineId.CAPTURE, "CONFIGURED")


@scenario(
    "CAP/QUEUE/BV-refilled", "R-CAP-007", "R-CAP-011",
    given="a module with streams set up", when="its queue is filled and flushed, four times",
    then="it has as much room each time", needs="SENSOR", suffering="lag", plan=Plan.CI,
)  # fmt: skip
def filled_and_flushed(s: Session) -> None:
    configured(s)
    number = 0
    for _ in range(4):
        for queued in range(1, QUEUED_CAPTURES + 1):
            number += 1
            heard = still(s, number)
            if heard.status == Status.BUFFER_FULL:
                raise Inapplicable("Its frame memory is full before its queue is.")
            s.expect_status(heard, Status.OK)
            s.expect(heard.body.queued == queued, f"{queued} queued", f"{heard.body.queued}")
        s.asks(p.Flush(mask=1))


@scenario(
    "FRM/NAK/BV-often", "R-FRM-016", "R-FRM-017",
    given="a module with a frame memory that streams", when="the first block of six frames is asked for again",
    then="each comes with the data that it had", needs="BUFFER VIDEO", suffering="knock", plan=Plan.CI,
)  # fmt: skip
def repaired_again_and_again(s: Session) -> None:
    streaming(s)
    for _ in range(6):
        s.clear()  # a frame of before may be gone
        leader, blocks, _ = whole_frame(s)
        first = next((b.data for b in blocks if b.block == 0), None)
        ranges = (p.BlockRange(first=0, count=1),)
        heard = s.ask(p.BlockNak(frame=leader.frame, stream=0, deadline=100_000, ranges=ranges))
        s.expect_status(heard, Status.OK)
        if heard.body.answers[0].result != p.BlockFate.COMING:
            continue  # the share of a video that is sent again is limited
        low = leader.frame & 0xFFFF_FFFF
        again = s.take(lambda h: _resent(h, low), 200 * MS)  # noqa: B023  called before the next round
        if again is None:
            s.fail("the block before its deadline", "none", "R-FRM-016")
        s.expect(again.body.data == first, "the data of before", "other data", "R-FRM-017")


def _resent(heard: Heard, low: int) -> bool:
    b = heard.body
    return isinstance(b, p.FrameBlock) and b.frame_lo == low and b.block == 0 and bool(b.flags & p.BlockFlags.RESENT)


@scenario(
    "TIM/TRIGGER/BV-often", "R-TIM-013", "R-TIM-014",
    given="a module that streams, its time locked", when="six frames are to begin at moments to come",
    then="one TRIGGER_FIRED says of each that it did", needs="TRIGGER SENSOR TIME", suffering="focus", plan=Plan.CI,
)  # fmt: skip
def triggered_again_and_again(s: Session) -> None:
    configured(s)
    s.locked()
    control(s, StreamOp.START)
    for _ in range(6):
        s.clear()
        asked = s.request(p.TriggerAt(fire=s.now + SECOND, action=p.TriggerAction.FRAME))
        heard = s.answer(asked)
        if heard is None:
            s.fail("an answer", "none", "R-WIRE-023")
        s.expect_status(heard, Status.OK)
        fired = s.take(lambda h: isinstance(h.body, p.TriggerFired) and h.body.trigger == asked.txn, 5 * SECOND)  # noqa: B023
        s.expect(fired is not None, "TRIGGER_FIRED", "none", "R-TIM-013")


# ── Trust and firmware ───────────────────────────────────────────────────────────────────────────────


def _offered(s: Session, image: bytes, digest: bytes | None = None) -> p.FirmwareComponent:
    """An image is offered, which the tester's phone serves; the component as it is before."""
    part: p.FirmwareComponent = s.asks(p.FwQuery()).components[0]
    s.phone.image = image
    digest = hashlib.sha256(image).digest() if digest is None else digest
    s.asks(p.FwBegin(component=part.component, size=len(image), version=part.active + 1, digest=digest))
    return part


def _same(s: Session, before: p.FirmwareComponent) -> None:
    after = s.asks(p.FwQuery()).components[0]
    kept = (after.active, after.digest) == (before.active, before.digest)
    s.expect(kept, f"version {before.active:#x}", f"{after.active:#x}", "R-SEC-012")


@scenario(
    "SEC/FW/BI-again", "R-SEC-010", "R-SEC-011", "R-SEC-012",
    given="a module whose firmware can be updated", when="damaged images and unsigned ones come by turns",
    then="it gives each up for what it is, and runs what ran before", needs="FIRMWARE", suffering="genuine",
    plan=Plan.CI,
)  # fmt: skip
def bad_images_again_and_again(s: Session) -> None:
    ready(s)
    for i in range(4):
        image = s.random.randbytes(9_000)
        before = _offered(s, image, None if i % 2 else bytes(32))
        told = s.take(lambda h: isinstance(h.body, p.FwStatus) and h.body.state == p.FirmwareState.IDLE, 30 * SECOND)
        if told is None:
            s.fail("FW_STATUS IDLE", "none", "R-SEC-015")
        wanted = Status.FW_BAD_SIGNATURE if i % 2 else Status.FW_BAD_HASH
        rule = "R-SEC-011" if i % 2 else "R-SEC-010"
        s.expect(told.body.result == wanted, wanted.name, f"{told.body.result}", rule)
        _same(s, before)
        s.clear()


@scenario(
    "SEC/FW/BV-abort_again", "R-SEC-012", "R-SEC-015",
    given="a module whose firmware can be updated", when="a download is begun and given up five times",
    then="it says so each time, and runs what ran before", needs="FIRMWARE", suffering="genuine", plan=Plan.CI,
)  # fmt: skip
def given_up_again_and_again(s: Session) -> None:
    ready(s)
    s.phone.mute.add(p.FwPull)
    for _ in range(5):
        s.clear()
        before = _offered(s, bytes(100_000))
        s.asks(p.FwControl(op=p.FirmwareOp.ABORT, components=1))
        told = s.take(lambda h: isinstance(h.body, p.FwStatus) and h.body.state == p.FirmwareState.IDLE, 5 * SECOND)
        s.expect(told is not None, "FW_STATUS IDLE", "none", "R-SEC-015")
        _same(s, before)


@scenario(
    "SEC/FW/BV-knocked", "R-SEC-014",
    given="a module in the middle of a download", when="the light goes after each of four blocks, and comes back",
    then="it goes on at the first byte that it does not hold each time", needs="FIRMWARE LASER",
    operations=("lane_down", "lane_up"), suffering="genuine", plan=Plan.CI,
)  # fmt: skip
def an_update_that_is_knocked(s: Session) -> None:
    ready(s)
    held, room = 0, 1
    pulled: list[int] = []

    def serve(heard: Heard) -> None:
        nonlocal held, room
        pulled.append(heard.body.offset)
        if room and heard.body.offset == held:
            s.reply(heard, p.FwPullResponse(offset=held, data=bytes(heard.body.length)))
            held, room = held + heard.body.length, 0

    def until_pulled() -> None:
        deadline = s.now + EVENTUALLY
        while room and s.now < deadline:
            s.let(10 * MS)

    s.phone.answers[p.FwPull] = serve
    _offered(s, bytes(200_000))
    until_pulled()
    for _ in range(4):
        s.need(not room, "It pulls nothing.")
        s.let(20 * MS)
        dark(s, 100 * MS)
        before, room = held, 1
        pulled.clear()
        resume(s)
        until_pulled()
        s.expect(pulled[:1] == [before], f"offset {before}", f"{pulled[:1]}", "R-SEC-014")


@scenario(
    "SEC/TRUST/BV-again", "R-SEC-007",
    given="a module that the phone takes for genuine",
    when="the light goes and comes back, and it is trusted anew, four times",
    then="nothing is known of it after each", needs="SECURITY LASER", operations=("lane_down", "lane_up"),
    suffering="genuine", plan=Plan.CI,
)  # fmt: skip
def trusted_again_and_again(s: Session) -> None:
    ready(s)
    for _ in range(4):
        _trust(s)
        knock(s)
        found = s.state(MachineId.AUTH)
        s.expect(found == "NONE", "NONE", found)


def _trust(s: Session, expires: int = 0) -> None:
    s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=10_000, granted=(1 << 64) - 1, expires=expires))
    found = s.reaches(MachineId.AUTH, "GENUINE")
    s.need(found == "GENUINE", "It takes no notice of TRUST_POLICY.")


@scenario(
    "SEC/TRUST/BV-video", "R-SEC-008", "R-SEC-005",
    given="a module that streams, and that the phone takes for genuine for a second", when="that is over, three times",
    then="nothing is known of it, and frames come all the same", needs="SECURITY VIDEO", suffering="genuine",
    plan=Plan.CI,
)  # fmt: skip
def trust_that_ends_in_a_take(s: Session) -> None:
    streaming(s)
    for _ in range(3):
        _trust(s, expires=1)
        s.let(SECOND + 50 * MS)
        found = s.state(MachineId.AUTH)
        s.expect(found == "NONE", "NONE", found, "R-SEC-008")
        s.clear()
        whole_frame(s)
