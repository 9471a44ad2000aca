"""Scenarios of order: what is lost is asked for and comes again, what comes twice counts once.

Plan: what the module receives · what it sends · what it is told.
"""

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios.flit import (
    FLITS,
    answered_by_light,
    lanes,
    long_request,
    on_flits,
    once,
    quiet,
    recovered,
    sent_since,
    since,
)
from opalink.conformance.tester.flit_bench import Fate, FlitBench, Travelled, by_hand, unharmed
from opalink.conformance.tester.ledger import Asked
from opalink.conformance.tester.preambles import streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, encode_flit
from opalink.protocol.packets import AckKind, CounterId, FlitKind, Lane
from opalink.spec.form import MS

_MASK = 0xFFFF
_REQUESTS = 6  # at once: fewer than any side must hold open

# ── What the module receives ─────────────────────────────────────────────────────────────────────────


@on_flits(
    "ORDER/TI-asked", "R-FLT-016", given="a module in READY", when="a FLIT is lost and the next one comes",
    then="it asks for the lost one within tFlitAck, and answers what both carried", plan=Plan.QUICK, virtual=True,
)  # fmt: skip
def a_lost_flit_is_asked_for(s: Session) -> None:
    bench = quiet(s)
    lost = bench.end.next_number
    bench.toward = once(lambda _: None)
    first = s.request(p.StateGet(), lane=Lane.LASER)
    moment = s.now
    second = s.request(p.Keepalive(), lane=Lane.LASER)
    for asked in (first, second):
        answered_by_light(s, asked, "R-FLT-016")
    asks = [t for t in since(bench, moment) if t.flit and _asks_for(t, lost)]
    if not asks:
        s.fail(f"FLIT {lost} asked for", "nothing asked for", "R-FLT-016")
    s.waited(asks[0].time - moment, s.timer("tFlitAck"), "NAK or SELECTIVE", "R-FLT-016")


def _asks_for(t: Travelled, number: int) -> bool:
    if t.flit is None:
        return False
    after = t.flit.ack == AckKind.NAK and t.flit.ack_seq == number - 1 & _MASK
    return after or (t.flit.ack == AckKind.SELECTIVE and t.flit.ack_seq == number)


@on_flits(
    "ORDER/BV-last_lost", "R-FLT-024", given="a module in READY", when="the last FLIT of all is lost",
    then="it learns of it from the tester's IDLE FLIT and answers what it carried",
)  # fmt: skip
def the_last_flit_is_lost(s: Session) -> None:
    bench = quiet(s)
    bench.toward = once(lambda _: None)
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), "R-FLT-024")


@on_flits(
    "ORDER/BV-twice", "R-FLT-014", "R-FLT-015", given="a module in READY", when="a DATA FLIT comes twice",
    then="it acts on it once and counts it", plan=Plan.QUICK,
)  # fmt: skip
def a_flit_comes_twice(s: Session) -> None:
    bench = quiet(s)
    before = s.counters(FLITS)
    moment = s.now
    asked = s.request(p.StateGet(), lane=Lane.LASER)
    answered_by_light(s, asked)
    data = [t.data for t in since(bench, moment, sent=True) if t.flit and t.flit.kind == FlitKind.DATA]
    bench.inject(data[-1])
    s.let(s.timer("tResponse") + MS)
    s.expect(asked.answers == 1, "one answer", f"{asked.answers}", "R-FLT-014")
    after = s.counters(FLITS)
    acted = after[CounterId.DUPLICATES] - before[CounterId.DUPLICATES]
    s.expect(not acted, "a request taken once", f"{1 + acted} times", "R-FLT-014")
    twice = after.get(CounterId.DUPLICATE_FLITS, 0) - before.get(CounterId.DUPLICATE_FLITS, 0)
    s.expect(twice == 1, "DUPLICATE_FLITS up by 1", f"by {twice}", "R-FLT-015")


@on_flits(
    "ORDER/BV-backwards", "R-FLT-024", given="a module in READY", when="FLITs come in the opposite order",
    then="it answers what each carried",
)  # fmt: skip
def flits_come_backwards(s: Session) -> None:
    bench = quiet(s)
    held: list[bytes] = []
    bench.toward = held.append
    asked = [s.request(p.StateGet(), lane=Lane.LASER) for _ in range(_REQUESTS)]
    bench.toward = unharmed
    for data in reversed(held):
        bench.inject(data)
    for one in asked:
        answered_by_light(s, one, "R-FLT-024")


@on_flits(
    "ORDER/BV-within", "R-FLT-024", given="a module in READY",
    when="of the FLITs of one request the second is lost, and of another they come in the opposite order",
    then="it answers both", plan=Plan.QUICK,
)  # fmt: skip
def a_packet_out_of_order(s: Session) -> None:
    bench = quiet(s)
    bench.toward = _nth_data(2)
    answered_by_light(s, s.request(long_request(2000), lane=Lane.LASER), "R-FLT-024")
    s.let(1 * MS)
    held: list[bytes] = []
    bench.toward = held.append
    asked = s.request(long_request(2000), lane=Lane.LASER)
    bench.toward = unharmed
    for data in reversed(held):
        bench.inject(data)
    answered_by_light(s, asked, "R-FLT-024")


def _nth_data(n: int) -> Fate:
    """The n-th DATA FLIT is lost."""
    seen = 0

    def fate(data: bytes) -> bytes | None:
        nonlocal seen
        seen += codec.decode_flit(data).kind == FlitKind.DATA
        return None if seen == n and codec.decode_flit(data).kind == FlitKind.DATA else data

    return fate


@on_flits(
    "ORDER/TI-acknowledged", "R-FLT-018", given="a module in READY", when="a DATA FLIT comes",
    then="it acknowledges it within tFlitAck", plan=Plan.QUICK, virtual=True,
)  # fmt: skip
def data_is_acknowledged(s: Session) -> None:
    bench = quiet(s)
    number, moment = bench.end.next_number, s.now
    asked = s.request(p.StateGet(), lane=Lane.LASER)
    s.let(10 * MS)
    said = (AckKind.ACK, AckKind.NAK)
    acks = [t for t in since(bench, moment) if t.flit and t.flit.ack in said and t.flit.ack_seq == number]
    if not acks:
        s.fail(f"FLIT {number} acknowledged", "no acknowledgement", "R-FLT-018")
    s.waited(acks[0].time - moment, s.timer("tFlitAck"), "the acknowledgement", "R-FLT-018")
    answered_by_light(s, asked)


@on_flits(
    "ORDER/TI-idle_answered", "R-FLT-021", given="a module in READY", when="an IDLE FLIT comes",
    then="it answers with an acknowledgement within tFlitAck", plan=Plan.QUICK, virtual=True,
)  # fmt: skip
def idle_is_answered(s: Session) -> None:
    bench = quiet(s)
    last, moment = bench.end.next_number - 1 & _MASK, s.now
    bench.inject(by_hand(seq=last, kind=FlitKind.IDLE, epoch=bench.watch.parity, first_off=624))
    s.let(10 * MS)
    acks = [t for t in since(bench, moment) if t.flit and t.flit.ack == AckKind.ACK and t.flit.ack_seq == last]
    if not acks:
        s.fail("an acknowledgement", "none", "R-FLT-021")
    s.waited(acks[0].time - moment, s.timer("tFlitAck"), "the acknowledgement", "R-FLT-021")


# ── What the module sends ────────────────────────────────────────────────────────────────────────────


@on_flits(
    "REPLAY/TI-again", "R-FLT-017", "R-FLT-012", given="a module in READY", when="a FLIT of its own is lost",
    then="it sends it again within tFlitAck of being asked", plan=Plan.QUICK, virtual=True,
)  # fmt: skip
def what_is_asked_for_comes_again(s: Session) -> None:
    bench = quiet(s)
    bench.back = once(lambda _: None)
    moment = s.now
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), "R-FLT-017")
    number = next(t.flit.seq for t in since(bench, moment) if t.flit and t.flit.kind == FlitKind.DATA)
    asked = [t.time for t in since(bench, moment, sent=True) if _asks_for(t, number)]
    again = [t.time for t in since(bench, moment) if t.flit and (t.flit.kind, t.flit.seq) == (FlitKind.REPLAY, number)]
    if not asked or not again:
        s.fail(f"FLIT {number} again", "never again", "R-FLT-017")
    s.waited(again[0] - asked[0], s.timer("tFlitAck"), "REPLAY", "R-FLT-017")


@on_flits(
    "REPLAY/BV-selective", "R-FLT-017", "R-FLT-012", given="a module in READY that has sent several FLITs",
    when="one in the midst of them is lost", then="it sends that one again, and every packet comes",
)  # fmt: skip
def one_in_the_midst_comes_again(s: Session) -> None:
    bench = quiet(s)
    bench.back = _nth_data(2)
    asked = []
    for _ in range(_REQUESTS):
        asked.append(s.request(p.StateGet(), lane=Lane.LASER))
        bench.below.expect(lambda _: False, s.now)
    for one in asked:
        answered_by_light(s, one, "R-FLT-017")


@on_flits(
    "REPLAY/BV-from", "R-FLT-017", given="a module in READY that has sent several FLITs",
    when="NAK says that all from one on are lost", then="it sends all of them again",
)  # fmt: skip
def all_from_one_on_come_again(s: Session) -> None:
    bench = quiet(s)
    bench.withhold()
    moment = s.now
    for _ in range(_REQUESTS):
        s.request(p.StateGet(), lane=Lane.LASER)
    sent_since(s, bench, moment)
    s.let(1 * MS)
    first, last = _unacknowledged(s, bench, moment)
    _say(bench, AckKind.NAK, first - 1)
    s.let(1 * MS)
    again = {t.flit.seq for t in since(bench, moment) if t.flit and t.flit.kind == FlitKind.REPLAY}
    missing = [n for n in range(first, last + 1) if n & _MASK not in again]
    s.expect(not missing, f"FLITs {first} to {last} again", f"all but {missing}", "R-FLT-017")
    bench.let_go()
    s.let(5 * MS)


def _unacknowledged(s: Session, bench: FlitBench, moment: int) -> tuple[int, int]:
    """The first and the last of the DATA FLITs that the module has sent since."""
    numbers = [t.flit.seq for t in since(bench, moment) if t.flit and t.flit.kind == FlitKind.DATA]
    s.need(bool(numbers), "The module has sent no DATA FLIT.")
    return numbers[0], numbers[0] + len(numbers) - 1


def _say(bench: FlitBench, ack: AckKind, number: int) -> None:
    """A CONTROL FLIT by hand."""
    last = bench.end.next_number - 1 & _MASK
    bench.inject(
        by_hand(
            seq=last, kind=FlitKind.CONTROL, ack=ack, ack_seq=number & _MASK, epoch=bench.watch.parity, first_off=624
        )
    )


@on_flits(
    "REPLAY/TI-idle", "R-FLT-020", given="a module in READY", when="what it has sent is not acknowledged",
    then="it sends FLITs at least every tFlitIdle", plan=Plan.QUICK,
)  # fmt: skip
def it_asks_what_has_arrived(s: Session) -> None:
    bench = quiet(s)
    bench.withhold()
    moment = s.now
    s.request(p.StateGet(), lane=Lane.LASER)
    with bench.held_together():  # nor asks the tester
        begun = sent_since(s, bench, moment)
        s.let(20 * MS)
        ended = s.now
    bench.let_go()
    times = [t.time for t in since(bench, begun) if t.time <= ended]
    gaps = [later - before for before, later in zip(times, [*times[1:], ended], strict=True)]
    s.waited(max(gaps), s.timer("tFlitIdle"), "a FLIT", "R-FLT-020")
    s.let(5 * MS)


@on_flits(
    "REPLAY/BV-depth", "R-FLT-013", given="a module in READY", when="nothing that it sends is acknowledged",
    then="it sends no more than the `replay_depth` that it gave, and the rest once it is", plan=Plan.QUICK,
    virtual=True,
)  # fmt: skip
def no_more_than_the_depth(s: Session) -> None:
    """That it is no more the watch judges."""
    bench = quiet(s)
    bench.toward = _acknowledging_nothing
    asked: list[Asked] = []
    for _ in range(bench.watch.depth + 1):
        asked = [s.request(p.DescRead(length=4000), lane=Lane.LASER) for _ in range(_REQUESTS)]
        latest = s.now + s.timer("tResponse") - 2 * MS
        while not all(one.answers for one in asked) and s.now < latest:
            s.let(1 * MS)
        if not all(one.answers for one in asked):
            break
    waiting, depth = bench.watch.next - bench.watch.acked, bench.watch.depth
    s.need(2 * waiting >= depth, f"Its answers came to {waiting} FLITs, and its depth is {depth}.")
    bench.toward = unharmed
    for one in asked:
        if not one.answers:
            answered_by_light(s, one, "R-FLT-017")


def _acknowledging_nothing(data: bytes) -> bytes:
    return encode_flit(structs.replace(codec.decode_flit(data), ack=AckKind.NONE, ack_seq=0))


@on_flits(
    "REPLAY/BV-every_third", "R-FLT-024", given="a module in READY", when="every third FLIT is lost, either way",
    then="every request is answered once",
)  # fmt: skip
def every_third_flit_is_lost(s: Session) -> None:
    bench = quiet(s)
    bench.toward, bench.back = _every(3), _every(3)
    for _ in range(5):
        for one in [s.request(p.StateGet(), lane=Lane.LASER) for _ in range(_REQUESTS)]:
            answered_by_light(s, one, "R-FLT-024")


def _every(n: int) -> Fate:
    """Every n-th FLIT is lost."""
    count = 0

    def fate(data: bytes) -> bytes | None:
        nonlocal count
        count += 1
        return data if count % n else None

    return fate


def _frames_whole(s: Session, n: int) -> None:
    """Frames come whole although every n-th FLIT of the module's is lost. That the CRC is right the watch judges."""
    streaming(s)
    bench = lanes(s)
    s.let(1 * MS)
    bench.back = _every(n)
    for _ in range(2):
        heard = s.take(p.FrameTrailer, EVENTUALLY)
        if heard is None:
            s.fail("a frame", f"none within {EVENTUALLY} ns", "R-FLT-024")
        s.expect(heard.body.result == p.FrameResult.COMPLETE, "a whole frame", f"{heard.body.result!r}", "R-FLT-024")
    replays = sum(t.flit.kind == FlitKind.REPLAY for t in since(bench, 0) if t.flit)
    s.need(replays > 0, "No FLIT was lost.")


@on_flits(
    "REPLAY/BV-frame_3", "R-FLT-024", given="a module that streams", when="every third FLIT of its own is lost",
    then="frames come whole", needs="LASER SENSOR", virtual=True,
)  # fmt: skip
def a_frame_with_every_third_flit_lost(s: Session) -> None:
    _frames_whole(s, 3)


@on_flits(
    "REPLAY/BV-frame_17", "R-FLT-024", given="a module that streams", when="every 17th FLIT of its own is lost",
    then="frames come whole", needs="LASER SENSOR", plan=Plan.QUICK, virtual=True,
)  # fmt: skip
def a_frame_with_every_17th_flit_lost(s: Session) -> None:
    _frames_whole(s, 17)


# ── What the module is told ──────────────────────────────────────────────────────────────────────────


@on_flits(
    "REPLAY/BI-never_sent", "R-FLT-022", given="a module with unacknowledged FLITs",
    when="a FLIT is acknowledged that it has not sent",
    then="it ignores that, and still sends its own again when asked",
    plan=Plan.QUICK,
)  # fmt: skip
def an_acknowledgement_of_nothing(s: Session) -> None:
    bench = quiet(s)
    bench.withhold()
    moment = s.now
    s.request(p.StateGet(), lane=Lane.LASER)
    sent_since(s, bench, moment)
    first, last = _unacknowledged(s, bench, moment)
    _say(bench, AckKind.ACK, last + 5)
    s.let(1 * MS)
    asked = s.now
    _say(bench, AckKind.NAK, first - 1)
    s.let(1 * MS)
    again = [t for t in since(bench, asked) if t.flit and (t.flit.kind, t.flit.seq) == (FlitKind.REPLAY, first)]
    s.expect(bool(again), f"FLIT {first} again", "not again", "R-FLT-022")
    bench.let_go()
    s.let(5 * MS)


@on_flits(
    "REPLAY/BI-exhausted", "R-FLT-023", given="a module in READY whose FLITs are acknowledged",
    when="one of them is asked for", then="it reports REPLAY_EXHAUSTED, and after VC_RESYNC the link goes on",
    plan=Plan.QUICK,
)  # fmt: skip
def what_is_no_longer_held(s: Session) -> None:
    bench = quiet(s)
    for _ in range(3):
        s.asks(p.StateGet(), lane=Lane.LASER)
    s.let(5 * MS)
    s.clear()
    _say(bench, AckKind.NAK, bench.watch.acked - 3)
    wanted = Status.REPLAY_EXHAUSTED
    reported = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.reason == wanted, EVENTUALLY)
    s.expect(reported is not None, "LINK_EVENT with REPLAY_EXHAUSTED", "none", "R-FLT-023")
    recovered(s, "R-FLT-058")
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), "R-FLT-058")
