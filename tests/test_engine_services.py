"""What the module answers beyond the machines: management, properties, power, camera, lens, time, stills.

Plan: management · properties · power and heat · camera · frames · lens and controls · time and motion · stills · the
upper tester.
"""

from collections import Counter
from typing import Any

import pytest
from fastcrc import crc32

from opalink.protocol import codec, packets
from opalink.protocol.codec import Packet, PacketType, Status, VirtualChannel
from opalink.protocol.ir.names import camel
from opalink.protocol.packets import (
    ApplyAt,
    BatteryOperation,
    BertRun,
    BlockNak,
    BlockRange,
    ButtonOperation,
    Cancel,
    CaptureQueue,
    ControlAction,
    ControlId,
    ControlOwner,
    CountersGet,
    DescRead,
    DescriptorObject,
    DetachOperation,
    Flush,
    FocusMode,
    FocusMove,
    FrameFetch,
    FrameRelease,
    FrameResult,
    Keepalive,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    LaserMode,
    LaserOp,
    LaserSafety,
    Margin,
    MarginOp,
    ModeTable,
    OisTarget,
    OperationTag,
    OpticKind,
    OpticSet,
    Outcome,
    Owner,
    OwnerPolicy,
    PatternKind,
    PinTest,
    PinTestKind,
    PlanSet,
    PlanStep,
    PowerDirection,
    PropDesc,
    PropertyAccess,
    PropertyId,
    PropertyTag,
    PropGet,
    PropSet,
    PwrBudget,
    PwrRequest,
    PwrRoleSwap,
    PwrSinkCaps,
    Region,
    ReleasedFrame,
    ResetKind,
    ResetOperation,
    RingOperation,
    RoiSet,
    StackOperation,
    StateGet,
    StateOperation,
    StoreList,
    StreamConfigure,
    StreamControl,
    StreamOp,
    StreamSetup,
    TemperatureOperation,
    TestPattern,
    Tlv,
    TriggerAction,
    TriggerAt,
    UserOperation,
    Vendor,
    VersionOperation,
)
from tests.engine_phone import MS, Phone


def made(profile: str = "four-thirds") -> Phone:
    phone = Phone(profile)
    phone.ready()
    return phone


@pytest.fixture
def phone() -> Phone:
    return made()


# ── Management ───────────────────────────────────────────────────────────────────────────────────────


def test_objects_are_read_in_parts_and_never_beyond_their_end(phone: Phone) -> None:
    total = phone.ask(DescRead(object=DescriptorObject.SHADING, length=1)).body.total
    assert phone.ask(DescRead(object=DescriptorObject.SHADING, offset=total, length=9)).body.data == b""
    assert phone.status(DescRead(object=DescriptorObject.SHADING, offset=total + 1, length=9)) is Status.RANGE_LIMIT
    assert phone.status(DescRead(object=DescriptorObject.LOG, length=9)) is Status.NO_SUCH_ID
    on_contacts = phone.ask(DescRead(object=DescriptorObject.SHADING, length=4092), Lane.SIDEBAND).body
    assert len(on_contacts.data) == 1024 - 20 - 4


def test_counters_are_read_by_chapter_and_not_cleared(phone: Phone) -> None:
    first = phone.ask(CountersGet(groups=1)).body
    assert {c.id >> 8 for c in first.counters} == {0}
    again = phone.ask(CountersGet(groups=0xFF)).body
    assert len({c.id for c in again.counters}) == len(again.counters)
    assert all(a.count <= b.count for a, b in zip(first.counters, again.counters, strict=False))


def test_state_get_reports_each_machine_once_and_what_is_open(phone: Phone) -> None:
    phone.deliver(codec.request(PinTest(kind=PinTestKind.LEAKAGE, time=100), 4000))
    state = phone.ask(StateGet()).body
    assert [m.machine.name for m in state.machines] == list(phone.module.runs)
    assert [o.txn for o in state.open] == [4000]


def test_a_long_request_is_pending_and_can_be_cancelled(phone: Phone) -> None:
    phone.deliver(codec.request(PinTest(kind=PinTestKind.LEAKAGE, time=1000), 4000))
    pending = phone.last(PacketType.PENDING).body
    assert (pending.txn, pending.eta) == (4000, 1_000_000)
    phone.run(500)
    assert len(phone.since(0, PacketType.PENDING)) == 2
    assert phone.status(Cancel(txn=4000)) is Status.OK
    cancelled = phone.last(PacketType.PIN_TEST)
    assert (cancelled.txn, cancelled.status) == (4000, Status.CANCELLED)
    assert phone.status(Cancel(txn=4000)) is Status.LATE


def test_a_vendors_packets_are_answered_by_their_vendor(phone: Phone) -> None:
    oui = phone.module.identity.records["identity"].vendor
    assert phone.ask(Vendor(oui=oui, sub=1, data=b"echo")).body.data == b"echo"
    assert phone.status(Vendor(oui=oui, sub=2)) is Status.NO_SUCH_ID
    assert phone.status(Vendor(oui=oui ^ 1, sub=1)) is Status.NO_SUCH_ID


@pytest.mark.parametrize("status", [Status.BUSY, Status.NO_MEMORY, Status.TIMEOUT])
def test_general_conditions_show_in_the_next_answer(phone: Phone, status: Status) -> None:
    assert phone.condition(status) is Outcome.DONE
    assert phone.status(ModeTable()) is status
    assert phone.status(StateGet()) is Status.OK
    assert phone.condition(status, 0) is Outcome.DONE
    assert phone.status(ModeTable()) is Status.OK
    if status is Status.BUSY:
        assert phone.last(PacketType.READY).body.after == phone.txn - 2


# ── Properties ───────────────────────────────────────────────────────────────────────────────────────


def test_properties_are_described_in_order_to_the_last(phone: Phone) -> None:
    tags: list[int] = []
    while rows := phone.ask(PropDesc(first=tags[-1] + 1 if tags else 0, max=5), Lane.SIDEBAND).body.described:
        tags += [r.id for r in rows]
        assert all(r.minimum <= r.initial <= r.maximum for r in rows)
    assert tags == sorted(tags) == list(phone.module.properties.table)


def test_every_property_is_read_and_set_as_it_is_described(phone: Phone) -> None:
    rows = [r for first in (0, 0x0400) for r in phone.ask(PropDesc(first=first, max=64)).body.described]
    for r in {r.id: r for r in rows}.values():
        got = phone.ask(PropGet((PropertyId(r.id),)))
        set_ = phone.ask(PropSet(settings=(Tlv(r.id, r.minimum),))).body.results[0].status
        if r.access is PropertyAccess.WRITE:
            assert got.status is Status.NO_SUCH_ID
        else:
            assert r.minimum <= got.body.properties[0].value <= r.maximum
        assert set_ == (Status.READ_ONLY if r.access is PropertyAccess.READ else Status.OK)


def test_settings_of_group_0_stand_each_for_itself(phone: Phone) -> None:
    settings = (
        Tlv(PropertyTag.GAIN, 1),
        Tlv(PropertyTag.EXPOSURE, 20_500),
        Tlv(PropertyTag.BLACK_LEVEL, 3),
        Tlv(0x7777, b"later"),
        Tlv(PropertyTag.BATTERY_LEVEL, 3),
    )
    answer = phone.ask(PropSet(settings=settings))
    found = [r.status for r in answer.body.results]
    assert found == [Status.RANGE_LIMIT, Status.ADJUSTED, Status.READ_ONLY, Status.NO_SUCH_ID, Status.NO_SUCH_ID]
    assert answer.status is Status.ADJUSTED
    assert phone.ask(PropGet((PropertyId(PropertyTag.EXPOSURE),))).body.properties[0].value == 20_000


def test_settings_of_another_group_are_made_together_or_not_at_all(phone: Phone) -> None:
    good, bad = Tlv(PropertyTag.GAIN, 500), Tlv(PropertyTag.EXPOSURE, 1)
    assert phone.status(PropSet(group=4, settings=(good, bad))) is Status.RANGE_LIMIT
    assert phone.ask(PropGet((PropertyId(PropertyTag.GAIN),))).body.properties[0].value == 100
    assert phone.status(PropSet(group=4, settings=(good, Tlv(0x7777, b"")))) is Status.OK
    assert phone.ask(PropGet((PropertyId(PropertyTag.GAIN),))).body.properties[0].value == 500


def test_settings_wait_for_their_moment(phone: Phone) -> None:
    def gain() -> int:
        return int(phone.ask(PropGet((PropertyId(PropertyTag.GAIN),))).body.properties[0].value)

    setting = (Tlv(PropertyTag.GAIN, 700),)
    assert phone.status(PropSet(apply=ApplyAt.TIME, at=phone.now - 1, settings=setting)) is Status.LATE
    assert phone.status(PropSet(apply=ApplyAt.TIME, at=phone.now + 5 * MS, settings=setting)) is Status.OK
    assert gain() == 100
    phone.run(5)
    assert gain() == 700
    phone.condition(Status.NO_TIME)
    assert phone.status(PropSet(apply=ApplyAt.TIME, at=phone.now + MS, settings=setting)) is Status.NO_TIME
    assert phone.status(PropSet(apply=ApplyAt.FRAME, at=0, settings=setting)) is Status.LATE


# ── Power and heat ───────────────────────────────────────────────────────────────────────────────────


def test_a_budget_is_answered_with_what_is_given_up(phone: Phone) -> None:
    assert phone.status(PwrBudget(max=100)) is Status.RANGE_LIMIT
    answer = phone.ask(PwrBudget(max=1500)).body
    assert answer.power == 1500
    assert sum(a.saves for a in answer.actions) >= 1500
    assert phone.state("POWER") == "LIMITED"
    phone.ask(PwrBudget(max=9000))
    assert phone.state("POWER") == "CONTRACT"


def test_the_contacts_are_tested(phone: Phone) -> None:
    test = PinTest(kind=PinTestKind.RESISTANCE, current=1000, time=20)
    assert phone.ask(test, within=20).body.resistance == 60
    phone.condition(Status.MOISTURE)
    assert phone.status(test, within=20) is Status.MOISTURE
    assert phone.ask(PinTest(kind=PinTestKind.LEAKAGE, time=20), within=20).body.leakage < 100
    phone.condition(Status.MOISTURE, 0)
    phone.condition(Status.CONTACT_BAD)
    assert phone.status(PinTest(kind=PinTestKind.RESISTANCE, current=1900, time=20), within=20) is Status.CONTACT_BAD
    assert phone.status(PinTest(kind=PinTestKind.RESISTANCE, current=9000, time=20)) is Status.RANGE_LIMIT


def test_one_test_at_a_time_and_ready_says_when(phone: Phone) -> None:
    phone.deliver(codec.request(PinTest(kind=PinTestKind.LEAKAGE, time=30), 4000))
    assert phone.status(PinTest(kind=PinTestKind.LEAKAGE, time=30)) is Status.BUSY
    phone.run(30)
    assert phone.last(PacketType.READY).body.after == phone.txn


def test_sink_caps_are_those_of_the_descriptor(phone: Phone) -> None:
    caps = phone.ask(PwrSinkCaps()).body
    assert (caps.idle, caps.video, caps.max) == (400, 3000, 7200)
    assert caps.capacitance <= 47


def test_severity_is_reported_with_every_change(phone: Phone) -> None:
    start = len(phone.heard)
    for reading in (300, 380, 420, 445, 470, 300):
        assert phone.operate(OperationTag.TEMPERATURE, TemperatureOperation(0, reading)) is Outcome.DONE
    names = [p.body.severity.name for p in phone.since(start, PacketType.THERMAL_STATUS)]
    assert names == ["LIGHT", "MODERATE", "SEVERE", "CRITICAL", "NONE"]
    assert phone.operate(OperationTag.TEMPERATURE, TemperatureOperation(77, 0)) is Outcome.FAILED


def test_a_module_with_a_battery_can_supply_the_phone() -> None:
    phone = made("standalone")
    swap = PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=5000, current=1000)
    assert phone.status(PwrRoleSwap(direction=PowerDirection.TO_PHONE, voltage=9000, current=1)) is Status.PWR_MISMATCH
    phone.operate(OperationTag.BATTERY, BatteryOperation(100))
    assert phone.status(swap) is Status.PWR_REJECT
    phone.operate(OperationTag.BATTERY, BatteryOperation(900))
    assert phone.status(swap) is Status.OK
    phone.run(50)
    caps = phone.last(PacketType.PWR_SOURCE_CAPS).body
    assert phone.status(PwrRequest(generation=caps.generation + 1)) is Status.PWR_REJECT
    assert phone.last(PacketType.PWR_REQUEST).body.reason.name == "STALE"
    assert phone.status(PwrRequest(generation=caps.generation, operating=500, max=900)) is Status.OK
    phone.run(50)
    assert phone.last(PacketType.PWR_READY).body.voltage == 5000


def test_the_battery_is_reported_as_it_falls() -> None:
    phone = made("standalone")
    start = len(phone.heard)
    for level in (795, 790, 90):
        phone.operate(OperationTag.BATTERY, BatteryOperation(level))
    changes = [{t.tag: t.value for t in p.body.properties} for p in phone.since(start, PacketType.PROP_CHANGED)]
    assert changes[0] == {PropertyTag.BATTERY_LEVEL: 790}
    assert changes[1] == {PropertyTag.BATTERY_LEVEL: 90, PropertyTag.BATTERY_STATE: 4}


# ── Camera ───────────────────────────────────────────────────────────────────────────────────────────

SMALL = StreamSetup(mode=3)


def streaming(profile: str = "four-thirds", **setup: int) -> Phone:
    phone = made(profile)
    assert phone.status(StreamConfigure(streams=(StreamSetup(mode=3, **setup),))) is Status.OK
    assert phone.status(StreamControl(op=StreamOp.START, mask=1)) is Status.OK
    return phone


@pytest.mark.parametrize("profile", ["four-thirds", "ultrawide-prime", "zoom-flash", "standalone"])
def test_every_mode_can_be_configured_at_some_rate(profile: str) -> None:
    phone = made(profile)
    modes = phone.ask(ModeTable()).body.modes
    assert len({m.mode for m in modes}) == len(modes)
    for m in modes:
        answer = phone.ask(StreamConfigure(streams=(StreamSetup(mode=m.mode),)))
        assert answer.status is Status.OK
        assert answer.body.bandwidth * 1000 >= m.width * m.height * m.depth


def test_a_configuration_is_judged_before_it_is_made(phone: Phone) -> None:
    def asked(**fields: Any) -> Status | int:
        return phone.status(StreamConfigure(streams=(StreamSetup(**fields),)))

    assert asked(mode=99) is Status.NO_SUCH_ID
    assert asked(mode=3, codec=1) is Status.RANGE_LIMIT
    assert asked(mode=3, x=60_000) is Status.RANGE_LIMIT
    assert asked(mode=1, min_rate=6000) is Status.RANGE_LIMIT
    assert asked(mode=1, min_rate=1500) is Status.BANDWIDTH
    assert phone.state("CAPTURE") == "UNCONFIGURED"
    adjusted = phone.ask(StreamConfigure(streams=(StreamSetup(mode=3, x=3, width=333, height=10),)))
    assert adjusted.status is Status.ADJUSTED
    assert phone.status(StreamConfigure(streams=adjusted.body.streams)) is Status.OK
    assert phone.state("CAPTURE") == "CONFIGURED"
    assert asked() is Status.OK
    assert phone.status(StreamConfigure()) is Status.OK
    assert phone.state("CAPTURE") == "UNCONFIGURED"


def test_streams_need_more_than_boot_power() -> None:
    phone = Phone()
    phone.open()
    assert phone.status(StreamConfigure(streams=(SMALL,))) is Status.PWR_LIMIT


def test_heat_forbids_a_start(phone: Phone) -> None:
    phone.ask(StreamConfigure(streams=(SMALL,)))
    phone.condition(Status.THERMAL_LIMIT)
    assert phone.status(StreamControl(op=StreamOp.START, mask=1)) is Status.THERMAL_LIMIT


def test_plans_and_regions_are_kept_within_what_the_module_can_do(phone: Phone) -> None:
    step = PlanStep(exposure=1_000_000, gain=100, aperture=300)
    assert phone.status(PlanSet(plan=1)) is Status.NO_SUCH_ID
    assert phone.status(PlanSet(plan=1, steps=(step,))) is Status.OK
    assert phone.status(PlanSet(plan=1, steps=(PlanStep(exposure=1, gain=100, aperture=300),))) is Status.RANGE_LIMIT
    assert phone.status(PlanSet(plan=1)) is Status.OK
    assert phone.status(RoiSet(stream=0)) is Status.NO_SUCH_ID
    phone.ask(StreamConfigure(streams=(SMALL,)))
    assert phone.status(RoiSet(stream=0, regions=(Region(0, 0, 9, 9, 0),))) is Status.OK
    assert phone.status(RoiSet(stream=0, regions=(Region(60_000, 0, 9, 9, 0),))) is Status.RANGE_LIMIT


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────


def frames(packets: list[Packet]) -> dict[int, list[Packet]]:
    """Frame packets by frame."""
    out: dict[int, list[Packet]] = {}
    for p in packets:
        if p.type in (PacketType.FRAME_LEADER, PacketType.FRAME_BLOCK, PacketType.FRAME_TRAILER):
            number = p.body.frame_lo if p.type is PacketType.FRAME_BLOCK else p.body.frame
            out.setdefault(number, []).append(p)
    return out


def whole(parts: list[Packet]) -> bytes:
    """The data of a frame that came whole, after every check."""
    leader, trailer = parts[0].body, parts[-1].body
    blocks = [p.body for p in parts[1:-1]]
    data = b"".join(bytes(b.data) for b in blocks)
    assert [b.block for b in blocks] == list(range(leader.blocks))
    assert (len(data), trailer.result, trailer.missing) == (leader.size, FrameResult.COMPLETE, 0)
    assert trailer.frame_crc == crc32.iscsi(data)
    assert [b.flags & 1 for b in blocks] == [0] * (len(blocks) - 1) + [1]
    return data


def test_frames_come_whole_and_in_time() -> None:
    phone = streaming()
    start = len(phone.heard)
    phone.run(300)
    phone.ask(StreamControl(op=StreamOp.STOP, mask=1))
    phone.run(50)
    found = frames([p for _, _, p in phone.heard[start:]])
    assert len(found) >= 7
    for parts in found.values():
        whole(parts)
    assert phone.state("CAPTURE") == "CONFIGURED"
    blocks = phone.since(start, PacketType.FRAME_BLOCK)
    assert {p.vc for p in blocks} == {VirtualChannel.STREAM0}


def test_a_pattern_fills_every_frame_that_is_begun_after_it() -> None:
    phone = streaming(width=64, height=8)
    assert phone.status(TestPattern(kind=PatternKind.COUNTER, seed=5)) is Status.OK
    start = len(phone.heard)
    phone.run(100)
    number, parts = next(iter(frames([p for _, _, p in phone.heard[start:]]).items()))
    packed = int.from_bytes(whole(parts), "little")
    samples = [packed >> 10 * i & 0x3FF for i in range(64 * 8)]
    assert samples == [(n + number + 5) & 0x3FF for n in range(64 * 8)]


def test_stills_are_taken_by_request_and_plan() -> None:
    phone = streaming(width=64, height=8)
    steps = tuple(PlanStep(exposure=e * 1_000_000, gain=100, aperture=300) for e in (1, 2, 4))
    phone.ask(PlanSet(plan=7, steps=steps))
    request = CaptureQueue(request=9, mask=1, frames=2, plan=7, settings=(Tlv(PropertyTag.GAIN, 250),))
    assert phone.ask(request).body.queued == 1
    assert phone.status(request) is Status.BAD_STATE
    start = len(phone.heard)
    phone.run(400)
    leaders = [p.body for p in phone.since(start, PacketType.FRAME_LEADER)]
    stills = [x for x in leaders if x.request == 9]
    assert [x.step for x in stills] == [0, 1, 2, 0, 1, 2]
    assert [x.exposures[0].time // 1_000_000 for x in stills] == [1, 2, 4, 1, 2, 4]
    after = leaders[leaders.index(stills[-1]) + 1]
    assert (after.request, after.exposures[0].gain) == (0, 100)


def test_a_long_exposure_takes_its_time_before_its_first_data() -> None:
    phone = streaming(width=64, height=8)
    asked = phone.now
    long = 300 * MS
    phone.ask(CaptureQueue(request=1, mask=1, frames=1, settings=(Tlv(PropertyTag.EXPOSURE, long),)))
    phone.run(600)
    at, still = next((t, p.body) for t, _, p in phone.heard if p.type is PacketType.FRAME_LEADER and p.body.request)
    assert asked <= still.t_first_row
    assert at - still.t_first_row == long


def test_the_queue_says_when_it_has_room_again(phone: Phone) -> None:
    phone.ask(StreamConfigure(streams=(SMALL,)))
    for n in range(1, 17):
        phone.ask(CaptureQueue(request=n, mask=1, frames=1))
    assert phone.status(CaptureQueue(request=17, mask=1, frames=1)) is Status.BUSY
    refused = phone.txn
    phone.ask(StreamControl(op=StreamOp.START, mask=1))
    phone.run(100)
    assert phone.since(0, PacketType.READY)[0].body.after == refused


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"mask": 2}, Status.NO_SUCH_ID),
        ({"plan": 3}, Status.NO_SUCH_ID),
        ({"deadline": 1}, Status.LATE),
        ({"settings": (Tlv(PropertyTag.BLACK_LEVEL, 1),)}, Status.READ_ONLY),
        ({"settings": (Tlv(PropertyTag.GAIN, 1),)}, Status.RANGE_LIMIT),
    ],
)
def test_a_request_is_judged_before_it_is_queued(fields: dict[str, Any], status: Status) -> None:
    phone = streaming()
    assert phone.status(CaptureQueue(**{"request": 1, "mask": 1, "frames": 1} | fields)) is status


def test_sixteen_requests_wait_and_no_more(phone: Phone) -> None:
    phone.ask(StreamConfigure(streams=(SMALL,)))
    for n in range(1, 17):
        assert phone.ask(CaptureQueue(request=n, mask=1, frames=1)).body.queued == n
    assert phone.status(CaptureQueue(request=17, mask=1, frames=1)) is Status.BUSY


def test_a_flush_ends_the_frame_under_way_before_its_answer() -> None:
    phone = made()
    phone.ask(StreamConfigure(streams=(StreamSetup(mode=1),)))
    phone.ask(StreamControl(op=StreamOp.START, mask=1))
    phone.run(80)
    start = len(phone.heard)
    answer = phone.ask(Flush(mask=1))
    kinds = [p.type for _, _, p in phone.heard[start:]]
    assert kinds == [PacketType.FRAME_TRAILER, PacketType.FLUSH]
    trailer = phone.heard[start][2].body
    assert (trailer.result, trailer.reason) == (FrameResult.ABORTED, Status.CANCELLED)
    assert answer.body.last_frame == trailer.frame
    start = len(phone.heard)
    phone.run(300)
    assert frames([p for _, _, p in phone.heard[start:]]) == {}


def test_blocks_are_sent_again_as_they_were() -> None:
    phone = streaming()
    start = len(phone.heard)
    phone.run(120)
    found = frames([p for _, _, p in phone.heard[start:]])
    number = max(n for n, parts in found.items() if parts[-1].type is PacketType.FRAME_TRAILER)
    first = [p.body for p in found[number][1:-1]]
    ranges = (BlockRange(1, 2), BlockRange(9999, 1))
    answer = phone.ask(BlockNak(frame=number, stream=0, deadline=5000, ranges=ranges)).body.answers
    assert [a.result.name for a in answer] == ["COMING", "GONE"]
    start = len(phone.heard)
    phone.run(1)
    again = [p.body for p in phone.since(start, PacketType.FRAME_BLOCK) if p.body.flags & 2]
    assert [(b.block, bytes(b.data)) for b in again] == [(b.block, bytes(b.data)) for b in first[1:3]]
    assert phone.status(BlockNak(frame=999, deadline=1, ranges=ranges)) is Status.NO_SUCH_ID
    phone.condition(Status.BLOCK_GONE)
    gone = phone.ask(BlockNak(frame=number, deadline=5000, ranges=ranges)).body.answers
    assert {a.reason for a in gone} == {Status.BLOCK_GONE}


def test_a_lost_link_keeps_the_streams_and_the_stills() -> None:
    phone = streaming()
    phone.ask(CaptureQueue(request=1, mask=1, frames=3))
    phone.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER))
    phone.run(500)
    assert phone.state("CAPTURE") == "PAUSED_LINK"
    held = phone.module.unsent()[0]
    assert held >= 3
    phone.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
    phone.run(1)
    start = len(phone.heard)
    assert phone.greet(resume=True).status is Status.OK
    phone.run(300)
    assert phone.state("CAPTURE") == "STREAMING"
    leaders = [p.body for p in phone.since(start, PacketType.FRAME_LEADER)]
    assert [x.request for x in leaders[:3]] == [1, 1, 1]
    assert leaders[3].request == 0


# ── Lens and controls ────────────────────────────────────────────────────────────────────────────────


def test_the_focus_moves_at_its_speed_and_answers_when_it_is_there(phone: Phone) -> None:
    start = len(phone.heard)
    phone.deliver(codec.request(FocusMove(target=2000, speed=4000, settle=1), 4000))
    phone.run(519)
    assert phone.since(start, PacketType.FOCUS_MOVE) == []
    phone.run(2)
    (answer,) = phone.since(start, PacketType.FOCUS_MOVE)
    assert (answer.status, answer.body.position) == (Status.OK, 2000)
    states = [p.body.state.name for p in phone.since(start, PacketType.FOCUS_STATE)]
    assert (states[0], states[-1], len(states) >= 6) == ("MOVING", "SETTLED", True)


def test_the_focus_refuses_what_it_cannot_do(phone: Phone) -> None:
    assert phone.status(FocusMove(target=99_999)) is Status.RANGE_LIMIT
    assert phone.status(FocusMove(mode=FocusMode.VELOCITY, target=99_999)) is Status.RANGE_LIMIT
    assert phone.status(FocusMove(target=4000, by=phone.now + MS)) is Status.LATE
    phone.condition(Status.MOTOR_BLOCKED)
    assert phone.status(FocusMove(target=4000)) is Status.MOTOR_BLOCKED
    assert phone.status(OpticSet(kind=OpticKind.APERTURE, target=300)) is Status.MOTOR_BLOCKED


def test_another_movement_takes_the_place_of_the_one_under_way(phone: Phone) -> None:
    phone.deliver(codec.request(FocusMove(target=4000), 4000))
    phone.run(10)
    assert phone.status(FocusMove(target=0), within=2000) is Status.OK
    assert [p.status for p in phone.since(0, PacketType.FOCUS_MOVE) if p.txn == 4000] == [Status.CANCELLED]


def test_a_ring_takes_the_focus_and_gives_it_back(phone: Phone) -> None:
    phone.deliver(codec.request(FocusMove(target=4000), 4000))
    phone.run(10)
    assert phone.operate(OperationTag.RING, RingOperation(ControlId.FOCUS_RING, 40)) is Outcome.DONE
    assert phone.last(PacketType.FOCUS_MOVE).status is Status.RING_OWNED
    event = phone.last(PacketType.CONTROL_EVENT).body
    assert (event.delta, event.absolute) == (40, 40)
    assert phone.status(FocusMove(target=0)) is Status.RING_OWNED
    assert phone.status(ControlOwner(control=ControlId.FOCUS_RING)) is Status.RING_OWNED
    assert phone.last(PacketType.FOCUS_STATE).body.owner is Owner.USER
    phone.run(501)
    assert phone.last(PacketType.FOCUS_STATE).body.owner is Owner.PHONE
    assert phone.status(FocusMove(target=0), within=2000) is Status.OK


def test_who_wins_is_set_and_not_guessed(phone: Phone) -> None:
    ring = RingOperation(ControlId.FOCUS_RING, 10)
    last = ControlOwner(control=ControlId.FOCUS_RING, owner=Owner.PHONE, policy=OwnerPolicy.LAST_WINS)
    assert phone.ask(last).body.policy is OwnerPolicy.LAST_WINS
    phone.operate(OperationTag.RING, ring)
    assert phone.status(FocusMove(target=5), within=2000) is Status.OK
    locks = ControlOwner(control=ControlId.FOCUS_RING, owner=Owner.PHONE, policy=OwnerPolicy.PHONE_LOCKS)
    assert phone.status(locks) is Status.OK
    phone.operate(OperationTag.RING, ring)
    assert phone.module.properties.values[PropertyTag.FOCUS_POSITION] == 5
    assert phone.status(ControlOwner(control=ControlId.ND_RING)) is Status.NO_SUCH_ID
    assert phone.status(ControlOwner(control=ControlId.SHUTTER)) is Status.READ_ONLY


def test_optics_are_set_and_reported(phone: Phone) -> None:
    assert phone.ask(OpticSet(kind=OpticKind.APERTURE, target=512), within=100).body.reached == 512
    assert phone.last(PacketType.LENS_STATE).body.aperture == 512
    assert phone.status(OpticSet(kind=OpticKind.APERTURE, target=9000)) is Status.RANGE_LIMIT
    assert phone.status(OpticSet(kind=OpticKind.ZOOM, target=9000)) is Status.NO_SUCH_ID
    zoom = made("zoom-flash")
    assert zoom.status(OpticSet(kind=OpticKind.ZOOM, target=10_003), within=500) is Status.ADJUSTED
    filter_ = made("variable-nd")
    assert filter_.ask(OpticSet(kind=OpticKind.ND, target=900), within=700).body.reached == 900


# ── Time and motion ──────────────────────────────────────────────────────────────────────────────────


def test_triggers_need_time_and_fire_at_theirs() -> None:
    phone = streaming(width=64, height=8)
    assert phone.status(TriggerAt(fire=phone.now, action=TriggerAction.FRAME)) is Status.LATE
    assert phone.status(TriggerAt(fire=phone.now + 9 * MS, action=TriggerAction.STROBE)) is Status.RANGE_LIMIT
    assert phone.status(TriggerAt(fire=phone.now + 9 * MS, action=TriggerAction.PLAN, plan=4)) is Status.NO_SUCH_ID
    fire = phone.now + 200 * MS
    assert phone.status(TriggerAt(fire=fire, action=TriggerAction.FRAME)) is Status.OK
    phone.run(300)
    fired = phone.last(PacketType.TRIGGER_FIRED).body
    assert (fired.planned, fired.actual, fired.error) == (fire, fire, 0)
    assert fire in [p.body.t_first_row for p in phone.since(0, PacketType.FRAME_LEADER)]
    phone.condition(Status.NO_TIME)
    assert phone.status(TriggerAt(fire=phone.now + 9 * MS)) is Status.NO_TIME


def test_time_is_held_over_when_exchanges_cease() -> None:
    phone = made()
    phone.obliging = False
    for _ in range(8):
        phone.run(200)
        phone.ask(Keepalive())
    assert phone.last(PacketType.TIME_STATUS).body.state.name == "HOLDOVER"


def test_motion_is_reported_while_a_stream_runs_and_no_longer() -> None:
    phone = streaming(width=64, height=8)
    start = len(phone.heard)
    phone.run(400)
    for kind in (PacketType.IMU_BATCH, PacketType.OIS_SAMPLES):
        batches = [p.body for p in phone.since(start, kind)]
        ends = [b.t0 + b.dt * len(b.samples) for b in batches]
        assert [b.t0 for b in batches[1:]] == ends[:-1]
    assert phone.status(PropSet(settings=(Tlv(PropertyTag.OIS_MODE, 2),))) is Status.OK
    phone.tell(OisTarget(x=30_000, y=-7))
    phone.run(100)
    assert phone.last(PacketType.OIS_SAMPLES).body.samples[-1].x == 1500
    phone.ask(StreamControl(op=StreamOp.STOP, mask=1))
    phone.run(50)
    start = len(phone.heard)
    phone.run(400)
    assert phone.since(start, PacketType.IMU_BATCH) == []


def test_the_link_is_measured_where_it_may_be(phone: Phone) -> None:
    query = phone.ask(Margin(op=MarginOp.QUERY, ber_target=9)).body
    assert (query.margin, query.steps) == (0, 10)
    ran = phone.ask(Margin(op=MarginOp.RUN, ber_target=9, dwell=1000), within=20).body
    assert ran.margin == 900
    assert phone.status(Margin(op=MarginOp.RUN, ber_target=9, dwell=1 << 31)) is Status.RANGE_LIMIT
    assert phone.status(BertRun(length=1000)) is Status.BAD_STATE
    phone.ask(LaserSafety(op=LaserOp.SET, mode=LaserMode.TEST))
    assert phone.ask(BertRun(length=10**9), within=200).body.tested == 10**9


# ── Stills ───────────────────────────────────────────────────────────────────────────────────────────


def test_stills_taken_while_detached_are_listed_fetched_and_released() -> None:
    phone = Phone("standalone")
    press = ButtonOperation(ControlId.SHUTTER, ControlAction.PRESS)
    for _ in range(3):
        assert phone.operate(OperationTag.BUTTON, press) is Outcome.DONE
    phone.ready()
    assert phone.last(PacketType.BUFFER_STATUS).body.frames == 3
    stills = phone.ask(StoreList()).body.stills
    assert [s.frame for s in stills] == [1, 2, 3]
    assert phone.ask(StoreList(after=3)).body.stills == ()
    answer = phone.ask(FrameFetch(frame=0, keep=1)).body
    assert phone.status(FrameFetch(frame=0)) is Status.BUSY
    start = len(phone.heard)
    phone.run(60)
    parts = frames([p for _, _, p in phone.heard[start:]])[1]
    assert len(whole(parts)) == stills[0].size
    assert answer.blocks == len(parts) - 2
    assert phone.status(FrameRelease((ReleasedFrame(1), ReleasedFrame(9)))) is Status.NO_SUCH_ID
    assert phone.ask(FrameRelease((ReleasedFrame(1),))).body.total == 2
    assert phone.status(FrameFetch(frame=1)) is Status.NO_SUCH_ID
    assert phone.status(FrameFetch(frame=2, first=1 << 30)) is Status.RANGE_LIMIT
    phone.operate(OperationTag.DETACH, DetachOperation())
    phone.session = None
    phone.open()
    assert phone.ask(StoreList()).body.total == 2


# ── The upper tester ─────────────────────────────────────────────────────────────────────────────────


def test_what_is_offered_is_what_is_carried_out() -> None:
    for profile in ("four-thirds", "macro-tube"):
        phone = Phone(profile)
        for tag in OperationTag:
            outcome, _ = phone.module.operate(Tlv(tag, _some(tag)), 0)
            assert (outcome is Outcome.UNSUPPORTED) == (not phone.module.operations >> tag & 1), tag
    assert phone.module.operate(Tlv(0x7777, b""), 0)[0] is Outcome.UNSUPPORTED


def _some(tag: OperationTag) -> Any:
    return getattr(packets, f"{camel(tag.name)}Operation")()


def test_the_tester_reads_what_runs_and_where(phone: Phone) -> None:
    _, (state,) = phone.module.operate(Tlv(OperationTag.STATE, StateOperation()), phone.now)
    assert state.value.machines == phone.ask(StateGet()).body.machines
    _, (version,) = phone.module.operate(Tlv(OperationTag.VERSION, VersionOperation()), phone.now)
    assert version.value.product == b"opalink four-thirds"
    assert any(version.value.digest)


def test_what_cannot_be_done_changes_nothing(phone: Phone) -> None:
    tries: list[tuple[OperationTag, Any]] = [
        (OperationTag.LANE_DOWN, LaneDownOperation(Lane.NONE)),
        (OperationTag.RING, RingOperation(ControlId.ZOOM_RING, 1)),
        (OperationTag.BUTTON, ButtonOperation(ControlId.BUTTON4, ControlAction.PRESS)),
        (OperationTag.BUTTON, ButtonOperation(ControlId.SHUTTER, ControlAction.TURN)),
        (OperationTag.STACK, StackOperation(8)),
        (OperationTag.RESET, ResetOperation(9)),
    ]
    before = phone.module.around.elements, phone.state(), len(phone.heard)
    assert [phone.operate(*t) for t in tries] == [Outcome.FAILED] * len(tries)
    assert phone.condition(Status.AUTH_FAILED) is Outcome.FAILED
    assert phone.operate(OperationTag.USER, UserOperation()) is Outcome.UNSUPPORTED
    assert (phone.module.around.elements, phone.state(), len(phone.heard)) == before


@pytest.mark.parametrize("kind", list(ResetKind))
def test_a_reset_from_outside_begins_with_a_beacon(phone: Phone, kind: ResetKind) -> None:
    assert phone.operate(OperationTag.RESET, ResetOperation(kind)) is Outcome.DONE
    assert phone.state() == "BOOT"
    start = len(phone.heard)
    phone.run(101)
    assert Counter(p.type for _, _, p in phone.heard[start:]) == {PacketType.BEACON: 1}


def test_a_stack_is_reported_as_it_grows(phone: Phone) -> None:
    start = len(phone.heard)
    assert phone.operate(OperationTag.STACK, StackOperation(2)) is Outcome.DONE
    (report,) = phone.since(start, PacketType.STACK_REPORT)
    assert (len(report.body.elements), report.body.generation) == (2, 1)
    changed = phone.since(start, PacketType.PROP_CHANGED)[0].body.properties
    assert changed == (Tlv(PropertyTag.STACK_GENERATION, 1),)
