"""Scenarios of packets in FLITs, of credit and of rank.

Plan: packets in payloads · credit · rank.
"""

from msgspec import structs

from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios.flit import (
    answered_by_light,
    lanes,
    long_request,
    on_flits,
    quiet,
    recovered,
    since,
    stray,
)
from opalink.conformance.tester.flit_bench import FlitBench, by_hand
from opalink.conformance.tester.preambles import streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Flit, Status, encode_flit
from opalink.protocol.flit import parameters
from opalink.protocol.packets import FlitKind, Lane, PacketType, VirtualChannel
from opalink.spec.form import MS, SECOND
from opalink.spec.limits import FLIT_PAYLOAD

_URGENT = (VirtualChannel.LINK, VirtualChannel.RT)
_REQUESTS = 6  # at once: fewer than any side must hold open


# ── Packets in payloads ──────────────────────────────────────────────────────────────────────────────


@on_flits(
    "PACKET/BV-many", "R-FLT-034", given="a module in READY", when="one FLIT brings several requests",
    then="it answers each", plan=Plan.QUICK,
)  # fmt: skip
def many_packets_in_one_flit(s: Session) -> None:
    bench = quiet(s)
    moment = s.now
    with bench.held_together():
        asked = [s.request(p.StateGet(), lane=Lane.LASER) for _ in range(_REQUESTS)]
    data = [t for t in since(bench, moment, sent=True) if t.flit and t.flit.kind == FlitKind.DATA]
    s.need(len(data) == 1, f"The tester has sent {len(data)} FLITs.")
    for one in asked:
        answered_by_light(s, one, "R-FLT-034")


@on_flits(
    "PACKET/BV-over_flits", "R-FLT-035", given="a module in READY", when="a request goes on over several FLITs",
    then="it answers it",
)  # fmt: skip
def a_packet_over_flits(s: Session) -> None:
    quiet(s)
    for size in (FLIT_PAYLOAD - 30, FLIT_PAYLOAD, 2000, 4000):
        answered_by_light(s, s.request(long_request(size), lane=Lane.LASER), "R-FLT-035")


@on_flits(
    "PACKET/BV-interleaved", "R-FLT-035", given="a module in READY",
    when="FLITs of another channel come between those of one request", then="it answers both", plan=Plan.QUICK,
)  # fmt: skip
def channels_interleaved(s: Session) -> None:
    bench = quiet(s)
    moment = s.now
    with bench.held_together():
        first = s.request(long_request(2000), lane=Lane.LASER)
        bench.step()
        second = s.request(p.CountersGet(groups=1), lane=Lane.LASER)
        bench.step()
        third = s.request(p.TriggerAt(), lane=Lane.LASER)
        bench.step()
    way = [t.flit.vc for t in since(bench, moment, sent=True) if t.flit and t.flit.kind == FlitKind.DATA]
    s.need(len(set(way)) == 3 and way[0] == way[-1], f"The tester has sent on channels {way}.")
    for asked in (first, second, third):
        answered_by_light(s, asked, "R-FLT-035")


@on_flits(
    "PACKET/BV-header_split", "R-FLT-035", given="a module in READY",
    when="the header of a request is split over two FLITs", then="it answers it",
)  # fmt: skip
def a_header_over_two_flits(s: Session) -> None:
    bench = quiet(s)
    for left in (1, 3, 5, 6, 15):
        with bench.held_together():
            fill = 16 + 4 + len(codec.encode_layout("Keepalive", long_request(0)))
            first = s.request(long_request(FLIT_PAYLOAD - fill - left), lane=Lane.LASER)
            second = s.request(p.StateGet(), lane=Lane.LASER)
        for asked in (first, second):
            answered_by_light(s, asked, "R-FLT-035")


@on_flits(
    "PACKET/BI-contradicted", "R-FLT-036", given="a module in READY",
    when="a packet begins, says first_off, where another should go on",
    then="it gives that one up and answers the one that begins", plan=Plan.QUICK,
)  # fmt: skip
def a_packet_is_contradicted(s: Session) -> None:
    bench = quiet(s)
    txn, number = s.next_txn(), 0
    short = codec.request(p.StateGet(), s.next_txn(), t_ns=s.now)

    def change(data: bytes) -> bytes | None:
        nonlocal number
        flit = codec.decode_flit(data)
        if flit.kind != FlitKind.DATA:
            return data
        number += 1
        if number != 2:
            return data
        payload = codec.encode(short).ljust(FLIT_PAYLOAD, b"\0")
        return encode_flit(structs.replace(flit, payload=payload, first_off=0))

    bench.toward = change
    lost = codec.encode(codec.request(long_request(700), txn, t_ns=s.now))
    bench.send(lost, Lane.LASER)
    bench.toward = lambda data: data
    heard = s.take(lambda h: h.packet is not None and bool(h.packet.rsp) and h.packet.txn == short.txn, EVENTUALLY)
    s.expect(heard is not None, "an answer to the packet that begins", "none", "R-FLT-036")
    acted = s.heard(lambda h: h.packet is not None and bool(h.packet.rsp) and h.packet.txn == txn)
    s.expect(not acted, "no answer to the packet that was given up", "one", "R-FLT-036")
    s.monitor.violations[:] = [v for v in s.monitor.violations if v.requirement != "R-WIRE-009"]
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), "R-FLT-036")


@on_flits(
    "PACKET/BV-real_time", "R-FLT-033", "R-TIM-001", given="a module with a gyroscope that streams",
    when="the credit of the channel RT is used up, and granted again once more packets wait than one FLIT holds",
    then="it puts each of them into one FLIT", needs="LASER IMU VIDEO", plan=Plan.QUICK,
    virtual=True,
)  # fmt: skip
def real_time_packets_are_not_split(s: Session) -> None:
    """That they are whole the watch judges."""
    if s.flits is not None:
        s.flits.wants = parameters()  # little credit is used up soon
    streaming(s)
    bench = lanes(s)
    bench.end.hold(VirtualChannel.RT)
    books = bench.watch.used[VirtualChannel.RT]
    for _ in range(EVENTUALLY // (10 * MS)):
        s.let(10 * MS)
        if books.used == books.granted:
            break
    s.need(books.used == books.granted, "Its motion did not use up the credit.")
    s.let(SECOND // 10)
    bench.end.release(VirtualChannel.RT, s.now)
    before = books.used
    s.let(20 * MS)
    s.need(books.used > before + 1, "No more than one FLIT waited.")


# ── Credit ───────────────────────────────────────────────────────────────────────────────────────────


@on_flits(
    "CREDIT/BV-exhausted", "R-FLT-040", "R-FLT-041", given="a module in READY",
    when="its answers use up the credit of their channel",
    then="it sends no more until it is granted some, and then the rest", plan=Plan.QUICK,
)  # fmt: skip
def credit_is_used_up(s: Session) -> None:
    """That no FLIT comes without credit the watch judges."""
    bench = quiet(s)
    bench.end.hold(VirtualChannel.CONTROL)
    books = bench.watch.used[VirtualChannel.CONTROL]
    asked = []
    for _ in range(2 * books.room):
        asked = [s.request(p.DescRead(length=4000), lane=Lane.LASER) for _ in range(_REQUESTS)]
        s.let(100_000)
        if any(not one.answers for one in asked):
            break
    s.need(any(not one.answers for one in asked), "The answers did not use up the credit.")
    bench.end.release(VirtualChannel.CONTROL, s.now)
    bench.pump()
    for one in asked:
        if not one.answers:
            answered_by_light(s, one, "R-FLT-041")


@on_flits(
    "CREDIT/BV-returned", "R-FLT-043", given="a module in READY",
    when="more FLITs come on a channel than it granted at first", then="it has granted credit for them and answers",
)  # fmt: skip
def credit_comes_back(s: Session) -> None:
    bench = quiet(s)
    room = bench.watch.given[VirtualChannel.CONTROL].room
    s.need(room < 10_000, "It grants more than a test can use up.")
    for _ in range(room * 3 // 7 + 1):
        asked = [s.request(long_request(4000), lane=Lane.LASER) for _ in range(2)]
        for one in asked:
            answered_by_light(s, one, "R-FLT-043")


def ungranted(bench: FlitBench, packet: bytes) -> bytes:
    """A FLIT that brings a packet on a channel that was not granted."""
    vc = next(vc for vc in range(16) if vc not in bench.watch.given)
    number = bench.end.next_number
    return by_hand(packet, seq=number, kind=FlitKind.DATA, epoch=bench.watch.parity, vc=vc, first_off=0)


@on_flits(
    "CREDIT/BI-violated", "R-FLT-044", "R-FLT-045", given="a module in READY",
    when="a FLIT comes on a channel that was not granted",
    then="it drops it and reports CREDIT_VIOLATION, and after VC_RESYNC the link goes on", plan=Plan.QUICK,
)  # fmt: skip
def a_flit_without_credit(s: Session) -> None:
    bench = quiet(s)
    txn = s.next_txn()
    s.clear()
    bench.inject(ungranted(bench, stray(s, txn)))
    wanted = Status.CREDIT_VIOLATION
    reported = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.reason == wanted, EVENTUALLY)
    s.expect(reported is not None, "LINK_EVENT with CREDIT_VIOLATION", "none", "R-FLT-045")
    recovered(s, "R-FLT-058")
    acted = s.heard(lambda h: h.packet is not None and bool(h.packet.rsp) and h.packet.txn == txn)
    if acted:
        s.monitor.violations.clear()
        s.fail("no answer to what came without credit", "one", "R-FLT-044")
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), "R-FLT-044")


# ── Rank ─────────────────────────────────────────────────────────────────────────────────────────────


@on_flits(
    "RANK/BV-real_time", "R-FLT-046", given="a module that streams and may send no more before it is acknowledged",
    when="a packet of the channel RT waits and it is acknowledged",
    then="that packet goes before all but one FLIT of frames", needs="LASER SENSOR", plan=Plan.QUICK, virtual=True,
)  # fmt: skip
def real_time_goes_first(s: Session) -> None:
    streaming(s)
    bench = lanes(s)
    begun = s.now
    s.ask(p.TriggerAt(), lane=Lane.LASER)
    patience = 2 * (s.now - begun) + 1 * MS
    bench.withhold()
    for _ in range(400):  # until nothing leaves any more
        before = bench.watch.next
        s.let(2 * MS)
        if bench.watch.next == before and before - bench.watch.acked >= bench.watch.depth // 2:
            break
    s.request(p.TriggerAt(), lane=Lane.LASER)
    asked = s.now
    s.let(patience)
    early = [t for t in since(bench, asked) if t.flit and t.flit.kind == FlitKind.DATA]
    if not any(_real_time(t.flit) for t in early):
        s.need(not early, "It could send all along.")
        asked = s.now
        bench.let_go()
        s.let(1 * MS)
        early = [t for t in since(bench, asked) if t.flit and t.flit.kind == FlitKind.DATA]
    else:
        bench.let_go()
    # Others of RT and LINK may go before it.
    ranked = [t for t in early if _real_time(t.flit) or (t.flit and t.flit.vc not in _URGENT)]
    at = next((i for i, t in enumerate(ranked) if _real_time(t.flit)), len(ranked))
    s.expect(at <= 1, "the packet of RT after at most one FLIT", f"after {at}", "R-FLT-046")
    s.let(20 * MS)


def _real_time(flit: Flit | None) -> bool:
    return flit is not None and flit.vc == VirtualChannel.RT and flit.payload[1] == PacketType.TRIGGER_AT
