"""The order of the checks (R-WIRE-025), what is answered at each, and what is never answered.

Plan: one check each · their order · repetitions · responses and events · counters.
"""

from typing import Any

import pytest
from msgspec import structs

from opalink.protocol import codec
from opalink.protocol.codec import Packet, PacketType, Status, VirtualChannel
from opalink.protocol.engine.exchanges import STORED
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.write import checksums, write_envelope
from opalink.protocol.packets import (
    Beacon,
    CounterId,
    DescRead,
    Eject,
    Hello,
    Keepalive,
    KeepaliveResponse,
    Lane,
    LaserOp,
    LaserSafety,
    ModeTable,
    OisTarget,
    PropertyId,
    PropertyTag,
    PropGet,
    PropSet,
    PwrRequest,
    PwrSourceCaps,
    Reset,
    StateGet,
    StoreList,
    StreamConfigure,
    StreamControl,
    StreamSetup,
    TestPattern,
    Tlv,
)
from tests.engine_phone import Phone

_HEADER = {"major": 1, "vc": VirtualChannel.CONTROL, "txn": 77}


def raw(payload: bytes, kind: int, **header: int) -> bytes:
    """A packet of any bytes, with its CRC right."""
    c = catalogue()
    return write_envelope(c, c.envelope["PACKET"], {**_HEADER, "type": kind} | header, payload, checksums(c))


def only(packets: list[Packet]) -> Packet:
    assert len(packets) == 1, packets
    return packets[0]


@pytest.fixture
def phone() -> Phone:
    phone = Phone()
    phone.ready()
    return phone


# ── One check each ───────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_crc_is_dropped_and_counted(phone: Phone) -> None:
    data = bytearray(codec.encode(codec.request(Keepalive(), 5)))
    data[-1] ^= 1
    assert phone.deliver(bytes(data)) == []
    assert phone.module.counters.count(CounterId.BAD_CRC) == 1


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 19])
def test_another_length_than_the_packets_counts_as_a_wrong_crc(phone: Phone, cut: int) -> None:
    data = codec.encode(codec.request(StateGet(), 5))
    assert phone.deliver(data[:cut]) == []
    assert phone.deliver(data + b"\0") == []
    assert phone.module.counters.count(CounterId.BAD_CRC) == 2


def test_another_major_version_is_answered_with_bad_version(phone: Phone) -> None:
    answer = only(phone.deliver(raw(b"whatever", PacketType.HELLO, major=2)))
    assert (answer.status, answer.txn, answer.type) == (Status.BAD_VERSION, 77, PacketType.HELLO)
    assert phone.deliver(raw(b"", PacketType.BEACON, major=2, txn=0)) == []
    assert phone.module.counters.count(CounterId.BAD_VERSION) == 2


def test_an_unknown_type_is_not_supported_and_keeps_its_header(phone: Phone) -> None:
    answer = only(phone.deliver(raw(b"payload", 0xEE, vc=9)))
    assert (answer.status, answer.type, answer.vc) == (Status.NOT_SUPPORTED, 0xEE, 9)
    assert codec.decode_layout("Refusal", answer.body).at == 0xFFFF


def test_an_unknown_form_is_not_supported(phone: Phone) -> None:
    """BEACON has no request."""
    answer = only(phone.deliver(raw(b"", PacketType.BEACON, vc=VirtualChannel.LINK)))
    assert answer.status is Status.NOT_SUPPORTED


def test_what_only_the_module_sends_is_not_supported(phone: Phone) -> None:
    assert phone.status(PwrRequest()) is Status.NOT_SUPPORTED


def test_what_needs_a_feature_that_is_missing_is_not_supported(phone: Phone) -> None:
    assert phone.status(StoreList()) is Status.NOT_SUPPORTED
    tube = Phone("macro-tube")
    tube.open()
    assert tube.status(LaserSafety(op=LaserOp.READ)) is Status.NOT_SUPPORTED


def test_another_virtual_channel_is_a_bad_value_and_is_answered_on_the_right_one(phone: Phone) -> None:
    answer = only(phone.deliver(raw(b"", PacketType.STATE_GET, vc=VirtualChannel.META)))
    assert (answer.status, answer.vc) == (Status.BAD_VALUE, VirtualChannel.CONTROL)


def test_a_stack_position_without_an_element_does_not_exist(phone: Phone) -> None:
    assert phone.status(StateGet(), instance=1) is Status.NO_SUCH_ID


def test_what_the_state_does_not_allow_is_refused() -> None:
    phone = Phone()
    phone.meet()
    assert phone.status(ModeTable()) is Status.BAD_STATE


def test_what_does_not_travel_on_the_lane_is_refused(phone: Phone) -> None:
    assert phone.status(ModeTable(), Lane.SIDEBAND) is Status.BAD_STATE


def test_what_a_machine_knows_but_not_in_its_state_is_refused(phone: Phone) -> None:
    assert phone.status(StreamControl(mask=1)) is Status.BAD_STATE


def test_a_short_payload_is_a_bad_length_and_says_where(phone: Phone) -> None:
    answer = only(phone.deliver(raw(bytes(7), PacketType.DESC_READ)))
    assert (answer.status, answer.body.at) == (Status.BAD_LENGTH, 6)


def test_a_remainder_that_is_no_tlv_is_a_bad_length(phone: Phone) -> None:
    answer = only(phone.deliver(raw(b"\1\2", PacketType.STATE_GET)))
    assert (answer.status, answer.body.at) == (Status.BAD_LENGTH, 0)


def test_a_number_outside_its_range_is_a_bad_value_and_says_where(phone: Phone) -> None:
    answer = only(phone.deliver(raw(bytes(8), PacketType.DESC_READ)))  # length is at least 1
    assert (answer.status, answer.body.at) == (Status.BAD_VALUE, 6)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (DescRead(object=0xFFF0, length=1), 0),
        (Reset(level=9), 0),
        (Reset(reason=9), 1),
        (TestPattern(kind=200), 0),
        (Eject(phase=7), 0),
        (StreamConfigure(streams=(StreamSetup(), StreamSetup(codec=99))), 1 + 1 + 16 + 10),
        (PropSet(settings=(Tlv(PropertyTag.GAIN, 100), Tlv(PropertyTag.EXPOSURE_MODE, 77))), 11 + 4 + 2 + 4),
    ],
)
def test_an_unknown_member_is_a_bad_value_and_says_where(phone: Phone, body: Any, at: int) -> None:
    answer = phone.ask(body)
    assert (answer.status, answer.body.at) == (Status.BAD_VALUE, at)


def test_unknown_tlvs_flags_and_reserved_bits_change_nothing(phone: Phone) -> None:
    odd = Hello(phone_nonce=3, features=(1 << 64) - 1, extensions=(Tlv(0xFFF0, b"later"),))
    packet = structs.replace(codec.request(odd, 700), spare0=1, spare2=1)
    assert only([p for p in phone.deliver(packet) if p.rsp and p.txn == 700]).status is Status.OK


# ── Their order ──────────────────────────────────────────────────────────────────────────────────────

# From the last check to the first: each row adds the fault of the check before those of the row above.
_FAULTS: list[tuple[str, dict[str, int], Status]] = [
    ("values", {}, Status.BAD_VALUE),
    ("virtual channel", {"vc": VirtualChannel.META}, Status.BAD_VALUE),
    ("type", {"type": 0xEE}, Status.NOT_SUPPORTED),
    ("version", {"major": 3}, Status.BAD_VERSION),
]


def test_each_check_comes_before_the_next(phone: Phone) -> None:
    header: dict[str, int] = {}
    for txn, (_, more, status) in enumerate(_FAULTS):
        header |= more
        fields = {"kind": PacketType.DESC_READ, "txn": 900 + txn} | header
        fields["kind"] = fields.pop("type", fields["kind"])
        assert only(phone.deliver(raw(bytes(8), **fields))).status is status


def test_the_state_comes_before_the_length(phone: Phone) -> None:
    assert only(phone.deliver(raw(b"\1", PacketType.STREAM_CONTROL))).status is Status.BAD_STATE


def test_the_feature_comes_before_the_channel(phone: Phone) -> None:
    assert only(phone.deliver(raw(b"", PacketType.STORE_LIST, vc=0))).status is Status.NOT_SUPPORTED


def test_a_repetition_comes_before_the_type(phone: Phone) -> None:
    first = phone.deliver(raw(b"x", 0xEE))
    assert phone.deliver(raw(b"y", 0xEE)) == first


# ── Repetitions ──────────────────────────────────────────────────────────────────────────────────────


def test_a_repetition_gets_the_stored_response_and_has_no_effect(phone: Phone) -> None:
    setting = codec.request(PropSet(settings=(Tlv(PropertyTag.GAIN, 200),)), 500)
    again = codec.request(PropSet(settings=(Tlv(PropertyTag.GAIN, 300),)), 500)
    first = phone.deliver(setting)
    assert phone.deliver(setting) == first
    assert phone.deliver(again) == first
    gain = phone.ask(PropGet((PropertyId(PropertyTag.GAIN),))).body.properties
    assert gain == (Tlv(PropertyTag.GAIN, 200),)
    assert phone.module.counters.count(CounterId.DUPLICATES) == 2


def test_a_stored_refusal_outlives_the_state_that_caused_it() -> None:
    phone = Phone()
    phone.meet()
    early = codec.request(ModeTable(), 60_000)
    refused = phone.deliver(early)
    assert refused[0].status is Status.BAD_STATE
    assert phone.deliver(early) == refused


def test_a_new_session_forgets_old_transactions() -> None:
    phone = Phone()
    phone.meet()
    early = codec.request(ModeTable(), 60_000)
    assert phone.deliver(early)[0].status is Status.BAD_STATE
    phone.greet()
    assert phone.deliver(early)[0].status is Status.OK


def test_a_peer_that_starts_anew_is_not_answered_out_of_the_store(phone: Phone) -> None:
    early = codec.request(StateGet(), 60_000)
    first = phone.deliver(early)
    phone.tell(Beacon(nonce=phone.nonce), Lane.SIDEBAND)
    assert phone.deliver(early) == first
    phone.tell(Beacon(nonce=phone.nonce + 1), Lane.SIDEBAND)
    phone.run(1)
    assert phone.deliver(early) != first


def test_the_same_number_with_another_type_is_another_request(phone: Phone) -> None:
    phone.deliver(codec.request(StateGet(), 500))
    answer = only(phone.deliver(codec.request(Keepalive(seq=4), 500)))
    assert answer.type is PacketType.KEEPALIVE


def test_the_store_is_bounded(phone: Phone) -> None:
    for txn in range(1000, 1000 + 3 * STORED):
        phone.deliver(codec.request(Keepalive(), txn))
    assert len(phone.module.incoming.stored) == STORED


# ── Responses and events ─────────────────────────────────────────────────────────────────────────────


def test_responses_that_nobody_waits_for_are_counted_and_nothing_else(phone: Phone) -> None:
    stray = codec.response(codec.request(Keepalive(), 9), KeepaliveResponse())
    assert phone.deliver(stray) == []
    assert phone.deliver(raw(b"", 0xEE, rsp=1)) == []
    assert phone.module.counters.count(CounterId.STRAY_RESPONSES) == 2


@pytest.mark.parametrize(
    "event",
    [
        raw(b"", 0xEE, txn=0),
        raw(b"", PacketType.BEACON, txn=0, vc=VirtualChannel.LINK),
        raw(bytes(3), PacketType.PWR_SOURCE_CAPS, txn=0, vc=VirtualChannel.POWER),
        raw(b"", PacketType.STATE_GET, txn=0),
        raw(b"", PacketType.READY, txn=0, vc=VirtualChannel.EVENT),
        codec.encode(codec.event(OisTarget(mode=9))),
        codec.encode(codec.event(PwrSourceCaps())),
    ],
    ids=["unknown", "short", "cut", "no event", "own", "member", "legal"],
)
def test_an_event_is_never_answered_whatever_is_wrong_with_it(phone: Phone, event: bytes) -> None:
    before = phone.state()
    assert not any(p.rsp for p in phone.deliver(event))
    assert phone.state() == before


def test_a_lane_that_is_down_carries_nothing() -> None:
    phone = Phone()
    assert phone.deliver(codec.request(StateGet(), 4), Lane.SIDEBAND) == []
    phone.attach()
    assert phone.deliver(codec.request(StateGet(), 4), Lane.LASER) == []
    assert len(phone.deliver(codec.request(StateGet(), 4), Lane.SIDEBAND)) == 1


def test_an_own_request_that_is_not_answered_is_counted_and_forgotten() -> None:
    phone = Phone()
    phone.obliging = False
    phone.open()
    phone.run(51)
    assert phone.module.counters.count(CounterId.UNANSWERED) >= 1
    sync = phone.last(PacketType.TIME_SYNC)
    assert sync.body.t1 < phone.now


# ── Counters ─────────────────────────────────────────────────────────────────────────────────────────


def test_each_failed_check_has_its_counter(phone: Phone) -> None:
    phone.deliver(raw(b"", 0xEE, txn=801))
    phone.deliver(raw(b"\1", PacketType.DESC_READ, txn=802))
    phone.deliver(raw(bytes(8), PacketType.DESC_READ, txn=803))
    phone.deliver(raw(b"\0\1", PacketType.STREAM_CONTROL, txn=804))
    counts = phone.module.counters
    kinds = (CounterId.NOT_SUPPORTED, CounterId.BAD_LENGTH, CounterId.BAD_VALUE, CounterId.BAD_STATE)
    assert [counts.count(k) for k in kinds] == [1, 1, 1, 1]
