"""Scenarios of single FLITs and sideband records: what is damaged is dropped, what is legal is taken.

Plan: what the FLIT chapters share · damaged FLITs · legal FLITs · the sideband.
"""

from collections.abc import Callable, Iterator
from typing import Any

from fastcrc import crc32
from msgspec import structs

from opalink.conformance.conclusions import Inconclusive
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import Scenario, scenario
from opalink.conformance.tester.flit_bench import Fate, FlitBench, Travelled, by_hand
from opalink.conformance.tester.ledger import Asked
from opalink.conformance.tester.preambles import ready
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol.codec import Flit, Sideband, Tlv, encode_flit, encode_sideband
from opalink.protocol.ir.probes import UNKNOWN_TAG
from opalink.protocol.packets import AckKind, CounterGroup, CounterId, FlitKind, Lane, VirtualChannel
from opalink.spec.form import MS

# ── What the FLIT chapters share ─────────────────────────────────────────────────────────────────────

FLITS = CounterGroup.FLIT | CounterGroup.PACKET
CARRIES = (FlitKind.DATA, FlitKind.REPLAY)


def on_flits(
    name: str, *requirements: str, given: str, when: str, then: str, needs: str = "LASER", **more: Any
) -> Callable[[Scenario], Scenario]:
    """A scenario for the FLIT plane."""
    return scenario(
        f"FLT/{name}", *requirements, given=f"{given} on the FLIT plane", when=when, then=then, needs=needs,
        planes=("flit",), **more,
    )  # fmt: skip


def lanes(s: Session) -> FlitBench:
    """The bench, as one of FLITs."""
    if not isinstance(s.bench, FlitBench):
        raise TypeError("a scenario of FLITs on another plane")
    return s.bench


def quiet(s: Session) -> FlitBench:
    """A module in READY whose laser has come to rest: nothing is unacknowledged either way."""
    ready(s)
    bench = lanes(s)
    s.let(5 * MS)
    for _ in range(20):
        if not bench.end.unconfirmed and bench.watch.acked == bench.watch.next:
            return bench
        s.let(1 * MS)
    raise Inconclusive("The laser did not come to rest.")


def stray(s: Session, txn: int) -> bytes:
    """A request that the monitor does not know of: who answers it has acted on what it should have dropped."""
    return codec.encode(codec.request(p.Keepalive(), txn, t_ns=s.now))


def long_request(size: int) -> p.Keepalive:
    """A request with a TLV of a later version that makes its packet `size` bytes longer."""
    return p.Keepalive(extensions=(Tlv(UNKNOWN_TAG, bytes(size)),))


def once(change: Callable[[Flit], bytes | None]) -> Fate:
    """What becomes of the first FLIT that carries packets; the others go through."""
    done = False

    def fate(data: bytes) -> bytes | None:
        nonlocal done
        flit = codec.decode_flit(data)
        if done or flit.kind not in CARRIES:
            return data
        done = True
        return change(flit)

    return fate


def since(bench: FlitBench, moment: int, *, sent: bool = False) -> Iterator[Travelled]:
    """The legal FLITs of the implementation, or of the tester, from a moment on."""
    return (t for t in bench.line if t.flit is not None and t.sent is sent and t.time >= moment)


def sent_since(s: Session, bench: FlitBench, moment: int) -> int:
    """When the module, which has time to answer, has sent its first DATA FLIT since."""
    for _ in range(s.timer("tResponse") // MS + 1):
        if found := [t for t in since(bench, moment) if t.flit and t.flit.kind == FlitKind.DATA]:
            return found[0].time
        s.let(1 * MS)
    raise Inconclusive("The module has sent no DATA FLIT.")


def recovered(s: Session, *charged: str) -> None:
    """The link has found together again, by VC_RESYNC or, where that came too late, by a training."""
    for _ in range(EVENTUALLY // (5 * MS)):
        s.let(5 * MS)
        if s.up:
            return
    s.fail("a link that recovers", "none", *charged)


def answered_by_light(s: Session, asked: Asked, *charged: str) -> None:
    """The request was answered after all."""
    if s.answer(asked) is None:
        s.alive()
        s.fail("an answer once the FLIT has come", "none", *charged)


# ── Damaged FLITs ────────────────────────────────────────────────────────────────────────────────────


def _dropped(s: Session, spoil: Callable[[Flit], bytes], rule: str, *, counted: bool) -> None:
    """A FLIT with another request in it is spoilt on its way; the one that was meant comes when it is sent again."""
    bench = quiet(s)
    before = s.counters(FLITS).get(CounterId.BAD_FLIT, 0)
    s.let(1 * MS)
    txn = s.next_txn()
    bench.toward = once(lambda flit: spoil(structs.replace(flit, payload=stray(s, txn).ljust(624, b"\0"))))
    asked = s.request(p.StateGet(), lane=Lane.LASER)
    answered_by_light(s, asked, rule)
    s.let(5 * MS)
    acted = [h for h in s.inbox if h.packet is not None and h.packet.rsp and h.packet.txn == txn]
    if acted:
        s.monitor.violations.clear()
        s.fail("no answer to what a spoilt FLIT carried", f"status {acted[0].status}", rule)
    if counted:
        after = s.counters(FLITS).get(CounterId.BAD_FLIT, 0)
        s.expect(after == before + 1, f"BAD_FLIT {before + 1}", f"{after}", "R-FLT-003")


def _spoilt(flit: Flit) -> bytes:
    data = encode_flit(flit)
    return data[:-1] + bytes([data[-1] ^ 1])


def _raw(flit: Flit, at: int, value: bytes) -> bytes:
    """A FLIT with bytes that its codec would not write, under a right CRC."""
    data = encode_flit(flit)
    covered = data[:at] + value + data[at + len(value) : -4]
    return covered + crc32.iscsi(covered).to_bytes(4, "little")


@on_flits(
    "FLIT/RB-crc", "R-FLT-001", "R-FLT-003", given="a module in READY", when="a FLIT comes with a wrong CRC",
    then="it drops and counts it, and takes it when it comes again", plan=Plan.QUICK,
)  # fmt: skip
def a_wrong_crc_is_dropped(s: Session) -> None:
    _dropped(s, _spoilt, "R-FLT-001", counted=True)


@on_flits(
    "FLIT/BI-severity", "R-FLT-002", "R-FLT-003", given="a module in READY",
    when="a FLIT comes whose severity is out of range", then="it drops and counts it",
)  # fmt: skip
def an_illegal_severity_is_dropped(s: Session) -> None:
    _dropped(s, lambda flit: _raw(flit, 7, b"\x07"), "R-FLT-002", counted=True)


@on_flits(
    "FLIT/BI-first_off", "R-FLT-002", "R-FLT-003", given="a module in READY",
    when="a FLIT comes whose first_off is beyond the payload", then="it drops and counts it", plan=Plan.QUICK,
)  # fmt: skip
def an_illegal_first_off_is_dropped(s: Session) -> None:
    _dropped(s, lambda flit: _raw(flit, 10, (625).to_bytes(2, "little")), "R-FLT-002", counted=True)


@on_flits(
    "FLIT/BI-first_off_max", "R-FLT-002", "R-FLT-003", given="a module in READY",
    when="a FLIT comes whose first_off is 65535", then="it drops and counts it",
)  # fmt: skip
def the_greatest_first_off_is_dropped(s: Session) -> None:
    _dropped(s, lambda flit: _raw(flit, 10, b"\xff\xff"), "R-FLT-002", counted=True)


@on_flits(
    "FLIT/BI-epoch", "R-FLT-050", given="a module in READY", when="a FLIT comes with the parity of another epoch",
    then="it drops it", plan=Plan.QUICK,
)  # fmt: skip
def another_parity_is_dropped(s: Session) -> None:
    _dropped(s, lambda flit: encode_flit(structs.replace(flit, epoch=flit.epoch ^ 1)), "R-FLT-050", counted=False)


# ── Legal FLITs ──────────────────────────────────────────────────────────────────────────────────────


def _taken(s: Session, change: Callable[[Flit], Flit], rule: str) -> None:
    """A FLIT that was changed within what is legal is taken at once."""
    bench = quiet(s)
    bench.toward = once(lambda flit: encode_flit(change(flit)))
    begun = s.now
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), rule)
    again = [t for t in since(bench, begun, sent=True) if t.flit and t.flit.kind == FlitKind.REPLAY]
    s.expect(not again, "the FLIT taken as it came", "asked for again", rule)


@on_flits(
    "FLIT/BV-spare", "R-FLT-004", given="a module in READY", when="a FLIT comes with the reserved header bits set",
    then="it takes it as if they were 0",
)  # fmt: skip
def reserved_bits_are_ignored(s: Session) -> None:
    _taken(s, lambda flit: structs.replace(flit, spare=7), "R-FLT-004")


@on_flits(
    "FLIT/BV-health", "R-FLT-004", given="a module in READY",
    when="a FLIT comes with the greatest count of corrected symbols and severity", then="it takes it",
)  # fmt: skip
def health_is_taken(s: Session) -> None:
    _taken(s, lambda flit: structs.replace(flit, corrected=15, severity=6), "R-FLT-004")


@on_flits(
    "FLIT/BV-no_ack", "R-FLT-018", given="a module in READY", when="a DATA FLIT comes that acknowledges nothing",
    then="it takes it",
)  # fmt: skip
def a_flit_without_acknowledgement_is_taken(s: Session) -> None:
    _taken(s, lambda flit: structs.replace(flit, ack=AckKind.NONE, ack_seq=0), "R-FLT-018")


@on_flits(
    "FLIT/RB-aside", "R-FLT-037", given="a module in READY", when="IDLE and CONTROL FLITs come with packets in them",
    then="it acts on none of these",
)  # fmt: skip
def packets_beside_data_are_ignored(s: Session) -> None:
    bench = quiet(s)
    txn, last = s.next_txn(), bench.end.next_number - 1 & 0xFFFF
    for kind in (FlitKind.IDLE, FlitKind.CONTROL):
        flit = by_hand(
            stray(s, txn), seq=last, kind=kind, epoch=bench.watch.parity, vc=VirtualChannel.CONTROL, first_off=0
        )
        bench.inject(flit)
        s.let(1 * MS)
    acted = [h for h in s.inbox if h.packet is not None and h.packet.rsp and h.packet.txn == txn]
    if acted:
        s.monitor.violations.clear()
        s.fail("nothing taken from IDLE and CONTROL", f"an answer with status {acted[0].status}")
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER))


# ── The sideband ─────────────────────────────────────────────────────────────────────────────────────


def _unheard(s: Session, spoil: Callable[[bytes], bytes]) -> None:
    """A sideband record that is spoilt is dropped and counted."""
    ready(s)
    bench = lanes(s)
    before = s.counters().get(CounterId.BAD_CRC, 0)
    txn = s.next_txn()
    record = encode_sideband(Sideband(payload=stray(s, txn)))
    bench.record(spoil(record))
    s.let(s.timer("tResponse") + MS)
    acted = [h for h in s.inbox if h.packet is not None and h.packet.rsp and h.packet.txn == txn]
    if acted:
        s.monitor.violations.clear()
        s.fail("no answer to a spoilt record", f"status {acted[0].status}", "R-FLT-060")
    s.alive()
    after = s.counters().get(CounterId.BAD_CRC, 0)
    s.expect(after == before + 1, f"BAD_CRC {before + 1}", f"{after}", "R-FLT-061")


@on_flits(
    "SIDEBAND/RB-crc", "R-FLT-060", "R-FLT-061", given="a module in READY",
    when="a sideband record comes with a wrong CRC-16", then="it drops and counts it", needs="", plan=Plan.QUICK,
)  # fmt: skip
def a_wrong_crc16_is_dropped(s: Session) -> None:
    _unheard(s, lambda record: record[:-1] + bytes([record[-1] ^ 1]))


@on_flits(
    "SIDEBAND/RB-packet", "R-FLT-060", "R-FLT-061", given="a module in READY",
    when="a byte of the packet in a sideband record is changed on its way", then="it drops and counts it", needs="",
)  # fmt: skip
def a_changed_packet_is_dropped(s: Session) -> None:
    _unheard(s, lambda record: record[:9] + bytes([record[9] ^ 8]) + record[10:])


@on_flits(
    "SIDEBAND/RB-sync", "R-FLT-060", "R-FLT-061", given="a module in READY",
    when="a sideband record comes with another mark at its beginning", then="it drops and counts it", needs="",
)  # fmt: skip
def another_mark_is_dropped(s: Session) -> None:
    _unheard(s, lambda record: b"\0\0" + record[2:])


@on_flits(
    "SIDEBAND/RB-length", "R-FLT-060", "R-FLT-061", given="a module in READY",
    when="a sideband record comes whose length is not its own", then="it drops and counts it", needs="",
)  # fmt: skip
def another_length_is_dropped(s: Session) -> None:
    _unheard(s, lambda record: record[:2] + (21).to_bytes(2, "little") + record[4:])


@on_flits(
    "SIDEBAND/BV-records", "R-FLT-062", given="a module in READY", when="it is asked again and again on the sideband",
    then="each record that it sends holds one packet under a right CRC-16", needs="", plan=Plan.QUICK,
)  # fmt: skip
def records_are_whole(s: Session) -> None:
    """The records themselves the watch judges."""
    ready(s)
    for _ in range(10):
        s.asks(p.StateGet(), lane=Lane.SIDEBAND)
