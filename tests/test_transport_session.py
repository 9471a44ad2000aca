"""The implementation's side keeps the rules of the binding, whatever a tester sends.

Plan: binding · lanes · operations · hostile testers. Rules of time are in `test_transport_time`.
"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.protocol.packets.bodies import ClockSet, decode_Bind, decode_Log, encode_ClockSet
from opalink.protocol.packets.codec import Record, encode_Record
from opalink.protocol.packets.enums import (
    BindRole,
    ClockMode,
    Lane,
    LogSeverity,
    OperationTag,
    Outcome,
    Plane,
    RecordKind,
    ResetKind,
)
from opalink.protocol.packets.tlvs import AttachOperation, LaneDownOperation, LaneUpOperation, ResetOperation
from opalink.protocol.transport import BindingError
from opalink.protocol.transport.framing import LIMIT, NEVER
from tests.transport_wire import OFFERED, Notes, Wire, bind, clock, control, packet, reached, result

# ── Binding: R-BEN-001 to 008 ────────────────────────────────────────────────────────────────────────


def test_bind_is_answered_with_what_is_offered_after_a_cold_reset() -> None:
    wire = Wire()
    (answer,) = wire.tell(bind(seed=5))
    body = decode_Bind(answer.payload, 0, len(answer.payload))
    assert answer.kind is RecordKind.BIND
    assert body.role is BindRole.MODULE
    assert (body.planes, body.clocks, body.operations) == (Plane.PACKET, 3, OFFERED)
    assert body.name == b"notes"
    assert wire.endpoint.seen == [("reset", ResetKind.COLD, 5, 0)]


def test_nothing_is_said_before_bind() -> None:
    wire = Wire()
    assert wire.tell(packet(), clock(5), control(OperationTag.ATTACH, AttachOperation())) == []
    assert wire.endpoint.seen == []


@pytest.mark.parametrize(
    "wrong",
    [
        bind(planes=0),
        bind(planes=Plane.PACKET | Plane.FLIT),
        bind(planes=Plane.FLIT),
        bind(clocks=0),
        bind(clocks=3),
        bind(clocks=4),
        Record(RecordKind.BIND),
        Record(RecordKind.BIND, payload=b"not a BIND at all, but long enough to be"),
    ],
)
def test_a_bind_that_names_not_one_plane_and_clock_is_answered_and_binds_nothing(wrong: Record) -> None:
    wire = Wire().bound()
    answer, log = wire.tell(wrong)
    assert answer.kind is RecordKind.BIND
    assert decode_Log(log.payload, 0, len(log.payload)).severity is LogSeverity.WARNING
    assert wire.endpoint.seen[0][:2] == ("reset", ResetKind.COLD)
    assert wire.tell(clock(5), control(OperationTag.ATTACH, AttachOperation()), packet()) == []
    assert len(wire.tell(bind())) == 1


def test_bind_forgets_time_and_what_was_on_its_way() -> None:
    wire = Wire().bound()
    wire.endpoint.delay = 50
    wire.tell(packet(), clock(20))
    wire.tell(bind(), control(OperationTag.ATTACH, AttachOperation()))
    assert [reached(r).now for r in wire.tell(clock(100))] == [100]


def test_a_name_is_cut_between_characters() -> None:
    endpoint = Notes()
    endpoint.name = "é" * 40 + "x"
    (answer,) = Wire(endpoint).tell(bind())
    assert decode_Bind(answer.payload, 0, len(answer.payload)).name.decode() == "é" * 32


@pytest.mark.parametrize("kind", [RecordKind.FLIT, RecordKind.LOG, 6, 255])
def test_records_of_other_kinds_and_planes_are_ignored(kind: int) -> None:
    wire = Wire().bound()
    assert wire.tell(Record(kind, Lane.LASER, payload=b"\x01\x02"))[:1] == []
    assert wire.endpoint.seen == []


def test_a_record_above_the_limit_ends_the_session() -> None:
    with pytest.raises(BindingError):
        Wire().session.feed(struct.pack("<I", LIMIT + 1) + bytes(12))
    wire = Wire().bound()
    wire.tell(packet(bytes(LIMIT)))
    assert len(wire.endpoint.seen[0][2]) == LIMIT


# ── Lanes: R-BEN-009, 010 ────────────────────────────────────────────────────────────────────────────


def test_a_lane_that_is_down_carries_nothing_either_way() -> None:
    wire = Wire().bound(attached=False)
    wire.endpoint.timers = [10]
    assert [r.kind for r in wire.tell(packet(), clock(20))] == [RecordKind.CLOCK]
    assert wire.endpoint.seen == [("advance", 10)]
    wire.tell(control(OperationTag.ATTACH, AttachOperation()))
    assert wire.tell(packet(), clock(21))[0].payload == b"data"
    wire.tell(control(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER)))
    assert len(wire.tell(packet(), packet(b"s", Lane.SIDEBAND), clock(22))) == 2
    wire.tell(control(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER)))
    assert len(wire.tell(packet(), clock(23))) == 2
    wire.tell(control(OperationTag.DETACH))
    assert len(wire.tell(packet(), packet(lane=Lane.SIDEBAND), clock(24))) == 1
    for lane in (Lane.NONE, 3, 255):
        assert len(wire.tell(packet(lane=lane), clock(25))) == 1


def test_what_is_on_its_way_when_its_lane_goes_down_is_lost() -> None:
    wire = Wire().bound()
    wire.endpoint.delay = 5
    wire.tell(packet(), clock(1))
    down = control(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
    assert [r.kind for r in wire.tell(down, clock(9))] == [RecordKind.CONTROL, RecordKind.CLOCK]


def test_lanes_stay_as_they_are_where_an_operation_fails() -> None:
    wire = Wire().bound()
    wire.endpoint.outcome = Outcome.FAILED
    assert result(wire.tell(control(OperationTag.DETACH))).result is Outcome.FAILED
    assert len(wire.tell(packet(), clock(1))) == 2


def test_an_endpoint_that_cannot_be_attached_is() -> None:
    endpoint = Notes()
    endpoint.operations = 0
    assert len(Wire(endpoint).bound(attached=False).tell(packet(), clock(1))) == 2


# ── Operations: R-BEN-020 to 024 ─────────────────────────────────────────────────────────────────────

TEMPERATURE = struct.pack("<Bh", 0, 250)


@pytest.mark.parametrize(
    ("operations", "outcome"),
    [
        ([(OperationTag.TEMPERATURE, TEMPERATURE)], Outcome.DONE),
        ([], Outcome.FAILED),
        ([(OperationTag.TEMPERATURE, TEMPERATURE)] * 2, Outcome.FAILED),
        ([(OperationTag.TEMPERATURE, TEMPERATURE), (999, b"")], Outcome.FAILED),
        ([(OperationTag.TEMPERATURE, b"")], Outcome.FAILED),
        ([(OperationTag.ATTACH, b"\xff")], Outcome.FAILED),
        ([(OperationTag.VERSION, b"")], Outcome.UNSUPPORTED),
        ([(OperationTag.STACK, b"\xff" * 9)], Outcome.UNSUPPORTED),
        ([(999, b"whatever")], Outcome.UNSUPPORTED),
        ([(OperationTag.LANE_DOWN, bytes([Lane.NONE]))], Outcome.FAILED),
        ([(OperationTag.LANE_UP, b"\x63")], Outcome.FAILED),
    ],
)
def test_each_operation_is_answered_once_under_its_number(
    operations: list[tuple[int, bytes]], outcome: Outcome
) -> None:
    wire = Wire().bound()
    body = struct.pack("<H", 0xABCD) + b"".join(struct.pack("<HH", t, len(v)) + v for t, v in operations)
    answer = result(wire.tell(Record(RecordKind.CONTROL, payload=body)))
    assert (answer.seq, answer.result) == (0xABCD, outcome)
    assert len(wire.endpoint.seen) == (outcome is Outcome.DONE)


@pytest.mark.parametrize("payload", [b"", b"\x05", b"\x05\x00\x01", b"\x05\x00\x01\x00\x09\x00"])
def test_an_operation_cut_short_fails(payload: bytes) -> None:
    answer = result(Wire().bound().tell(Record(RecordKind.CONTROL, payload=payload)))
    assert answer.result is Outcome.FAILED
    assert answer.seq == int.from_bytes(payload[:2], "little")


@pytest.mark.parametrize("tag", [OperationTag.LANE_DOWN, OperationTag.LANE_UP])
def test_apart_there_are_no_lanes_to_work(tag: OperationTag) -> None:
    wire = Wire().bound(attached=False)
    assert result(wire.tell(control(tag, bytes([Lane.LASER])))).result is Outcome.FAILED


def test_a_restart_forgets_what_was_planned_but_not_what_has_left() -> None:
    wire = Wire().bound()
    wire.tell(packet(b"left"))
    wire.endpoint.delay = 5
    wire.tell(packet(b"planned"))
    wire.tell(control(OperationTag.RESET, ResetOperation(ResetKind.WARM)))
    assert [r.payload for r in wire.tell(clock(9))][:-1] == [b"left"]


# ── Hostile testers ──────────────────────────────────────────────────────────────────────────────────

record_bytes = st.builds(
    lambda kind, lane, payload: encode_Record(Record(kind, lane, payload=payload)),
    st.integers(0, 7),
    st.integers(0, 3),
    st.binary(max_size=40)
    | st.sampled_from([encode_ClockSet(ClockSet(n)) for n in (0, 5, NEVER)])
    | st.builds(lambda t, v: struct.pack("<HHH", 1, t, len(v)) + v, st.integers(0, 16), st.binary(max_size=3)),
)


@given(st.sampled_from(ClockMode), st.lists(record_bytes, max_size=20), st.binary(max_size=40))
def test_nothing_that_a_tester_sends_ends_in_a_traceback(mode: ClockMode, stream: list[bytes], noise: bytes) -> None:
    wire = Wire().bound(mode)
    wire.session.feed(b"".join(stream))
    try:
        wire.session.feed(noise)
    except BindingError as error:
        assert error.rule == "R-BEN-005"  # noqa: PT017  one of two legal ends
