"""From contact to session and back: the normal path, resume, versions, silence, removal, resets, faults.

Plan: the way in · HELLO · keeping a session · losing and resuming it · removal · resets and faults.
"""

import hashlib

import pytest

from opalink.protocol.codec import PacketType, Status
from opalink.protocol.packets import (
    AttachOperation,
    DescRead,
    DetachOperation,
    Eject,
    EjectPhase,
    Feature,
    Keepalive,
    Lane,
    LaneDownOperation,
    LaneUpOperation,
    LaserMode,
    LaserOp,
    LaserSafety,
    LaserState,
    LinkPm,
    LinkPower,
    ModeTable,
    OperationTag,
    Outcome,
    PropertyId,
    PropertyTag,
    PropGet,
    PropSet,
    Reset,
    ResetLevel,
    StateGet,
    TemperatureOperation,
    ThermalSeverity,
    Tlv,
)
from tests.engine_phone import MS, Phone

PROFILES = ["four-thirds", "ultrawide-prime", "macro-tube", "variable-nd", "lens-adapter", "zoom-flash", "standalone"]

# ── The way in ───────────────────────────────────────────────────────────────────────────────────────


def test_the_first_beacon_comes_in_time_and_light_after_both_are_known() -> None:
    phone = Phone()
    phone.attach()
    at, lane, beacon = phone.heard[0]
    assert (at, lane, beacon.type) == (100 * MS, Lane.SIDEBAND, PacketType.BEACON)
    assert phone.status(LaserSafety(op=LaserOp.READ), Lane.SIDEBAND) is Status.OK
    assert phone.ask(LaserSafety(op=LaserOp.READ), Lane.SIDEBAND).body.tx_state is not LaserState.ON
    phone.meet()
    assert phone.ask(LaserSafety(op=LaserOp.READ)).body.tx_state is LaserState.ON
    assert phone.last(PacketType.LINK_EVENT).body.state.name == "L0"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_comes_to_a_session_and_says_what_it_is(profile: str) -> None:
    phone = Phone(profile)
    phone.open()
    assert phone.state() == ("READY_BASIC" if phone.module.has("SECURITY") else "READY_FULL")
    assert phone.session is not None
    assert phone.session.features == sum(Feature[f] for f in phone.module.features)
    data = b""
    while len(data) < phone.session.desc_size:
        part = phone.ask(DescRead(offset=len(data), length=4092)).body
        assert part.total == phone.session.desc_size
        data += bytes(part.data)
    assert hashlib.sha256(data).digest() == phone.session.desc_sha256


def test_the_way_to_a_contract_and_synchronised_time() -> None:
    phone = Phone()
    phone.ready()
    assert (phone.state("POWER"), phone.state("LINK")) == ("CONTRACT", "L0")
    assert phone.last(PacketType.TIME_STATUS).body.state.name == "LOCKED"
    assert [p.body.voltage for p in phone.since(0, PacketType.PWR_STATUS)] == [5000]


# ── HELLO ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "versions",
    [
        {"low_major": 2, "high_major": 3},
        {"low_major": 1, "low_minor": 1, "high_major": 1, "high_minor": 9},
        {"low_major": 0, "high_major": 0, "high_minor": 9},
        {"low_major": 2, "high_major": 1},
    ],
)
def test_without_a_common_version_there_is_no_session(versions: dict[str, int]) -> None:
    phone = Phone()
    phone.meet()
    assert phone.greet(**versions).status is Status.BAD_VERSION
    assert phone.state() == "HELLO"


def test_every_hello_draws_its_own_numbers() -> None:
    phone = Phone()
    phone.meet()
    answers = [phone.greet().body for _ in range(5)]
    assert len({a.session for a in answers}) == len({a.module_nonce for a in answers}) == 5


def test_a_seed_repeats_everything() -> None:
    def heard(seed: int) -> list[tuple[int, Lane, object]]:
        phone = Phone(seed=seed)
        phone.ready()
        return list(phone.heard)

    assert heard(3) == heard(3)
    assert heard(3) != heard(4)


def test_settings_are_the_sessions() -> None:
    phone = Phone()
    phone.open()
    wanted = PropGet((PropertyId(PropertyTag.GAIN),))
    before = phone.ask(wanted).body
    assert phone.status(PropSet(settings=(Tlv(PropertyTag.GAIN, 333),))) is Status.OK
    assert phone.ask(wanted).body != before
    phone.greet()
    assert phone.ask(wanted).body == before


# ── Keeping it ───────────────────────────────────────────────────────────────────────────────────────


def test_silence_is_broken_and_at_last_gives_the_link_up() -> None:
    phone = Phone("macro-tube")
    phone.obliging = False
    phone.open()
    phone.run(251)
    (pulse,) = phone.since(0, PacketType.KEEPALIVE)
    assert (pulse.body.seq, pulse.txn != 0) == (1, True)
    phone.run(500)
    assert len(phone.since(0, PacketType.KEEPALIVE)) == 3
    phone.run(260)
    assert phone.state() == "LINK_LOST"
    phone.run(2000)
    assert phone.state() == "BEACON"
    assert phone.status(StateGet()) is Status.OK


def test_whoever_is_heard_is_alive() -> None:
    phone = Phone("macro-tube")
    phone.obliging = False
    phone.open()
    for _ in range(5):
        phone.run(900)
        assert phone.status(Keepalive(seq=8)) is Status.OK
    assert phone.state() == "READY_FULL"


# ── Losing and resuming ──────────────────────────────────────────────────────────────────────────────


def lose(phone: Phone) -> None:
    assert phone.operate(OperationTag.LANE_DOWN, LaneDownOperation(Lane.LASER)) is Outcome.DONE
    phone.run(1)


def test_light_that_comes_back_resumes_the_session() -> None:
    phone = Phone()
    phone.ready()
    assert phone.session is not None
    number, nonce = phone.session.session, phone.session.module_nonce
    lose(phone)
    assert (phone.state(), phone.state("LINK")) == ("LINK_LOST", "L2_BEACON")
    assert phone.status(ModeTable(), Lane.SIDEBAND) is Status.BAD_STATE
    phone.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
    phone.run(1)
    answer = phone.greet(resume=True)
    assert (answer.status, answer.body.session) == (Status.OK, number)
    assert answer.body.module_nonce != nonce
    assert phone.status(ModeTable()) is Status.OK


def test_a_stranger_resumes_nothing_and_disturbs_nothing() -> None:
    phone = Phone()
    phone.ready()
    lose(phone)
    phone.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
    assert phone.session is not None
    right = phone.session.session
    for wrong in ({"resume_session": right ^ 1}, {"resume_session": right, "last_module_nonce": 1}):
        assert phone.greet(**wrong).status is Status.NEEDS_SESSION
    assert phone.greet(resume=True).status is Status.OK


def test_after_the_holdover_there_is_nothing_to_resume() -> None:
    phone = Phone()
    phone.ready()
    lose(phone)
    phone.run(1998)
    assert phone.state() == "LINK_LOST"
    phone.run(2)
    assert phone.state() == "BEACON"
    phone.operate(OperationTag.LANE_UP, LaneUpOperation(Lane.LASER))
    phone.run(600)
    assert phone.greet(resume=True).status is Status.NEEDS_SESSION
    assert phone.greet().status is Status.OK


def test_light_that_goes_by_agreement_is_not_lost() -> None:
    phone = Phone()
    phone.ready()
    assert phone.status(LinkPm(target=LinkPower.L1)) is Status.OK
    phone.run(1)
    assert (phone.state("LINK"), phone.state()) == ("L1", "READY_FULL")
    assert phone.status(StateGet(), Lane.SIDEBAND) is Status.OK
    assert phone.status(LinkPm(target=LinkPower.L0), Lane.SIDEBAND) is Status.OK
    phone.run(1)
    assert (phone.state("LINK"), phone.status(StateGet())) == ("L0", Status.OK)


# ── Removal ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_announced_removal_can_be_called_off_and_carried_out() -> None:
    phone = Phone()
    phone.ready()
    assert phone.status(Eject(phase=EjectPhase.ABORT)) is Status.BAD_STATE
    assert phone.ask(Eject(phase=EjectPhase.PREPARE)).body.pending_frames == 0
    assert phone.status(ModeTable()) is Status.BAD_STATE
    assert phone.status(Eject(phase=EjectPhase.ABORT)) is Status.OK
    assert phone.status(ModeTable()) is Status.OK
    assert phone.status(Eject(phase=EjectPhase.PREPARE)) is Status.OK
    assert phone.status(Eject(phase=EjectPhase.COMMIT)) is Status.OK
    assert phone.status(Eject(phase=EjectPhase.ABORT)) is Status.BAD_STATE
    assert phone.operate(OperationTag.DETACH, DetachOperation()) is Outcome.DONE
    assert phone.state() == "DETACHED"
    assert phone.module.deadline() is None


def test_a_bounce_of_the_contacts_is_a_restart() -> None:
    phone = Phone()
    phone.ready()
    nonce = phone.since(0, PacketType.BEACON)[-1].body.nonce
    assert phone.operate(OperationTag.DETACH, DetachOperation()) is Outcome.DONE
    assert phone.operate(OperationTag.DETACH, DetachOperation()) is Outcome.FAILED
    assert phone.operate(OperationTag.ATTACH, AttachOperation()) is Outcome.DONE
    start = len(phone.heard)
    phone.run(200)
    (beacon,) = phone.since(start, PacketType.BEACON)
    assert beacon.body.nonce != nonce
    assert phone.greet(resume=True, lane=Lane.SIDEBAND).status is Status.NEEDS_SESSION


# ── Resets and faults ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("level", "status", "state"),
    [
        (ResetLevel.PROTOCOL, Status.OK, "HELLO"),
        (ResetLevel.LINK, Status.OK, "LINK_LOST"),
        (ResetLevel.MODULE, Status.OK, "BOOT"),
        (ResetLevel.FACTORY, Status.OK, "BOOT"),
    ],
)
def test_a_reset_goes_as_far_as_it_is_asked(level: ResetLevel, status: Status, state: str) -> None:
    phone = Phone()
    phone.ready()
    assert phone.status(Reset(level=level)) is status
    assert phone.state() == state
    if state == "BOOT":
        phone.run(101)
        assert phone.heard[-1][2].type is PacketType.BEACON


def test_a_module_without_a_laser_has_no_link_to_reset() -> None:
    phone = Phone("macro-tube")
    phone.open()
    assert phone.status(Reset(level=ResetLevel.LINK)) is Status.RANGE_LIMIT


def test_a_reset_counts_a_new_epoch() -> None:
    phone = Phone()
    phone.ready()
    epoch = phone.module.counters.epoch
    phone.ask(Reset(level=ResetLevel.MODULE))
    phone.run(1)
    assert phone.module.counters.epoch == epoch + 1


def test_heat_that_is_too_great_ends_in_a_fault_that_says_so() -> None:
    phone = Phone()
    phone.ready()
    phone.operate(OperationTag.TEMPERATURE, TemperatureOperation(1, 760))
    assert phone.last(PacketType.THERMAL_STATUS).body.severity is ThermalSeverity.SHUTDOWN
    fault = phone.last(PacketType.FAULT_EVENT).body
    assert (fault.code, phone.state(), phone.state("LINK")) == (Status.THERMAL_LIMIT, "FAULT", "SAFE_OFF")
    assert phone.status(StateGet(), Lane.SIDEBAND) is Status.OK
    assert phone.status(Reset(level=ResetLevel.MODULE), Lane.SIDEBAND) is Status.OK
    assert phone.state() == "BOOT"


def test_a_laser_in_test_mode_goes_back_when_it_goes_off() -> None:
    phone = Phone()
    phone.ready()
    assert phone.status(LaserSafety(op=LaserOp.SET, mode=LaserMode.TEST)) is Status.OK
    assert phone.status(LinkPm(target=LinkPower.L1)) is Status.OK
    assert phone.ask(LaserSafety(op=LaserOp.READ), Lane.SIDEBAND).body.mode is LaserMode.AUTO
