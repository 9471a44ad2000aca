"""The phone's endpoint beside the module's: what becomes of the two when they meet."""

import pytest

from opalink.protocol.codec import Packet, decode
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import FrameFlags, PacketType, PatternKind, PwrRequest, StreamOp
from opalink.spec.form import MS, SECOND, Role

PROFILES = ("four-thirds", "ultrawide-prime", "macro-tube", "variable-nd", "lens-adapter", "zoom-flash", "standalone")


class Recorded(Meeting):
    """A meeting of which every packet is kept."""

    def __init__(self, profile: str = "four-thirds", seed: int = 1) -> None:
        super().__init__(Phone(), Module(profile), seed=seed)
        self.heard: list[tuple[int, Role, Packet]] = []
        self.taps.append(lambda time, role, _, data: self.heard.append((time, role, decode(data))))

    def of(self, kind: PacketType) -> list[Packet]:
        return [p for _, _, p in self.heard if p.type is kind]

    def states(self) -> dict[str, str]:
        return {name: run.state for name, run in self.phone.runs.items()}


def ready(profile: str = "four-thirds") -> Recorded:
    """Put on, in a session, descriptor read."""
    meeting = Recorded(profile)
    meeting.put_on()
    assert meeting.run_until(lambda: meeting.phone.reader.complete, 1 * SECOND), meeting.states()
    return meeting


@pytest.mark.parametrize("profile", PROFILES)
def test_any_module_that_is_put_on_comes_into_a_session_and_is_known(profile: str) -> None:
    meeting = ready(profile)
    assert meeting.states()["ATTACH"] == "READY_FULL"
    assert meeting.phone.reader.records["identity"].model
    assert not meeting.phone.complaints
    assert not [p for p in meeting.heard if p[2].rsp and p[2].status]


def test_a_descriptor_that_is_known_is_not_read_again() -> None:
    meeting = ready()
    meeting.take_off()
    meeting.run(meeting.now + SECOND)
    assert meeting.states()["ATTACH"] == "DETACHED"
    before = len(meeting.of(PacketType.DESC_READ))
    meeting.put_on()
    assert meeting.run_until(lambda: meeting.phone.reader.complete, meeting.now + SECOND)
    assert len(meeting.of(PacketType.DESC_READ)) == before > 0


def test_a_still_comes_whole_and_is_what_the_pattern_says() -> None:
    meeting = ready()
    phone = meeting.phone
    phone.capture.pattern(PatternKind.COUNTER, seed=5)
    phone.user.still()
    assert meeting.run_until(lambda: bool(phone.frames.stills), meeting.now + 2 * SECOND), phone.complaints
    still = phone.frames.stills.popleft()
    assert not still.missing
    assert still.leader.kind & FrameFlags.STILL
    assert len(still.data) == still.leader.size
    first, second = still.data[0] | (still.data[1] & 15) << 8, still.data[1] >> 4 | still.data[2] << 4
    assert (first, second) == ((still.leader.frame + 5) % 4096, (still.leader.frame + 6) % 4096)


def test_contract_and_power_follow_the_module_and_the_trust_in_it() -> None:
    meeting = ready()
    assert meeting.run_until(lambda: meeting.states()["POWER"] == "CONTRACT", meeting.now + SECOND)
    supply = meeting.phone.supply
    assert supply.contract is not None
    offered = supply.offers[supply.contract.object]
    asked = [p.body for p in meeting.of(PacketType.PWR_REQUEST) if isinstance(p.body, PwrRequest)][-1]
    assert asked.max <= offered.continuous


def test_a_smaller_budget_limits_the_module_and_its_return_ends_that() -> None:
    meeting = ready()
    assert meeting.run_until(lambda: meeting.states()["POWER"] == "CONTRACT", meeting.now + SECOND)
    meeting.phone.supply.budget(1500)
    meeting.run(meeting.now + 100 * MS)
    assert meeting.states()["POWER"] == "LIMITED"
    meeting.phone.supply.budget(10_000)
    assert meeting.run_until(lambda: meeting.states()["POWER"] == "CONTRACT", meeting.now + SECOND)


def test_streams_stop_and_are_given_up_when_the_camera_closes() -> None:
    meeting = ready()
    phone = meeting.phone
    phone.user.open()
    assert meeting.run_until(lambda: phone.frames.latest is not None, meeting.now + SECOND)
    assert meeting.states()["CAPTURE"] == "STREAMING"
    phone.capture.control(StreamOp.STOP)
    phone.user.opened = False
    assert meeting.run_until(lambda: meeting.states()["CAPTURE"] == "CONFIGURED", meeting.now + SECOND)
    assert not phone.frames.open_on(0)


def test_an_announced_removal_ends_with_the_contacts_off() -> None:
    meeting = ready()
    assert meeting.phone.user.eject()
    meeting.run(meeting.now + 100 * MS)
    assert meeting.states()["ATTACH"] == "DETACHING"
    meeting.phone.signal("fetched")
    meeting.phone.settle()
    meeting.run(meeting.now + 100 * MS)
    assert meeting.phone.contact.supplying is False


@pytest.mark.parametrize("after", [1, 60, 130, 181, 200, 260, 305, 400])
def test_whenever_the_module_is_torn_off_both_sides_come_to_rest_and_can_begin_anew(after: int) -> None:
    meeting = Recorded()
    meeting.phone.user.open()
    meeting.put_on()
    meeting.run(after * MS)
    meeting.take_off()
    gone = meeting.now
    meeting.run(gone + 100 * MS)  # tForcedRemoval
    assert meeting.states()["ATTACH"] == "DETACHED"
    assert set(meeting.states().values()) <= {"DETACHED", "L3_OFF", "OFF", "NONE", "UNCONFIGURED", "IDLE", "FREE"}
    assert not meeting.phone.frames.open_on(0)
    meeting.put_on()
    assert meeting.run_until(lambda: meeting.phone.reader.complete, meeting.now + SECOND)
