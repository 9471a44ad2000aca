"""Firmware updates: what a module takes, what interrupts it, and what runs afterwards.

Plan: a phone that updates · what is taken · what is refused · interruptions · when it runs · any order of events.
"""

import hashlib
import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opalink.protocol import codec
from opalink.protocol.codec import Packet, PacketType, Status
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.firmware import Firmware as ModuleFirmware
from opalink.protocol.engine.module.firmware import Installed, make_image
from opalink.protocol.engine.module.security import FIRMWARE
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.firmware import Firmware, Image
from opalink.protocol.packets import (
    ActivationTime,
    DescChanged,
    DescriptorChange,
    DetachOperation,
    FirmwareComponent,
    FirmwareFlags,
    FirmwareOp,
    FirmwareState,
    FwBegin,
    FwControl,
    FwPull,
    FwPullResponse,
    FwQuery,
    FwStatus,
    Lane,
    OperationTag,
    Refusal,
    Reset,
    ResetLevel,
    TrustLevel,
)
from opalink.protocol.spdm.reference import anchors
from opalink.spec.form import MS, SECOND, Role
from tests import engine_phone
from tests.test_security import Middle

NEWER = 0x0001_0001_0000_0000
NEWEST = 0x0002_0000_0000_0000
IMAGE = make_image(NEWER, bytes(range(256)) * 100)

# ── A phone that updates ─────────────────────────────────────────────────────────────────────────────


class Updating(Meeting):
    """A phone that trusts its module, and what was said of firmware."""

    def __init__(self, profile: str = "four-thirds") -> None:
        self.way = Middle()
        phone = Phone()
        phone.trust.anchors = anchors()
        super().__init__(phone, Module(profile), self.way)
        self.own = self.module_part
        self.said: list[Any] = []
        self.taps.append(lambda _, __, ___, data: self.said.append(codec.decode(data).body))
        self.put_on()
        self.run(SECOND)

    @property
    def module_part(self) -> ModuleFirmware:
        assert isinstance(self.module, Module)
        return self.module.part(ModuleFirmware)

    @property
    def state(self) -> str:
        assert isinstance(self.module, Module)
        return self.module.runs["FIRMWARE"].state

    def of(self, kind: type) -> list[Any]:
        return [body for body in self.said if isinstance(body, kind)]

    def begin(self, image: bytes = IMAGE, when: ActivationTime = ActivationTime.NOW, version: int = NEWER) -> None:
        self.phone.part(Firmware).update(Image(0, version, image), when)

    def update(self, image: bytes = IMAGE, when: ActivationTime = ActivationTime.NOW, version: int = NEWER) -> None:
        """Until the module is done with it."""
        self.begin(image, when, version)
        self.run(self.now + SECOND)


def digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()


# ── What is taken ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["four-thirds", "standalone", "ultrawide-prime", "zoom-flash"])
def test_an_update_comes_whole_is_checked_and_runs(profile: str) -> None:
    meeting = Updating(profile)
    before = meeting.own.active
    meeting.update()
    assert (meeting.own.active.version, meeting.own.active.digest) == (NEWER, digest(IMAGE))
    assert meeting.own.previous == before
    assert meeting.own.active.slot != before.slot
    states = [told.state for told in meeting.of(FwStatus)]
    assert list(dict.fromkeys(states)) == [
        FirmwareState.DOWNLOAD, FirmwareState.VERIFY, FirmwareState.APPLY, FirmwareState.STAGED, FirmwareState.IDLE,
    ]  # fmt: skip
    assert {told.result for told in meeting.of(FwStatus)} == {Status.OK}
    assert meeting.phone.runs["FIRMWARE"].state == "IDLE"


def test_the_descriptor_names_the_firmware_that_runs() -> None:
    meeting = Updating()
    assert isinstance(meeting.module, Module)
    old = meeting.module.identity.sha256
    meeting.update()
    (changed,) = meeting.of(DescChanged)
    assert (changed.generation, changed.reason, changed.objects) == (1, DescriptorChange.FIRMWARE, 1)
    assert meeting.module.identity.sha256 != old
    meeting.take_off()
    meeting.run(meeting.now + SECOND)
    meeting.put_on()
    meeting.run(meeting.now + SECOND)
    assert meeting.phone.reader.records["identity"].firmware == NEWER


def test_new_firmware_is_measured_as_such() -> None:
    meeting = Updating()
    released = frozenset((image_digest(), digest(IMAGE)))
    meeting.phone.trust.anchors = anchors({FIRMWARE: released})
    meeting.update()
    meeting.take_off()
    meeting.run(meeting.now + SECOND)
    meeting.put_on()
    meeting.run(meeting.now + SECOND)
    assert meeting.phone.trust.level is TrustLevel.MEASURED
    assert meeting.phone.trust.outcome is not None
    assert meeting.phone.trust.outcome.measurements[FIRMWARE] == digest(IMAGE)


@pytest.mark.parametrize("size", [0, 1, 19, 20, 21, 4096, 90_000])
def test_a_download_stays_within_its_blocks_and_is_told_every_twentieth(size: int) -> None:
    meeting = Updating()
    image = make_image(NEWER, bytes(size))
    meeting.update(image)
    pulls = meeting.of(FwPull)
    assert [p.offset for p in pulls] == [sum(q.length for q in pulls[:i]) for i in range(len(pulls))]
    assert sum(p.length for p in pulls) == len(image)
    assert max(p.length for p in pulls) <= 4096
    told = [s.offset for s in meeting.of(FwStatus) if s.state is FirmwareState.DOWNLOAD]
    assert told[0] == 0
    assert all((b - a) * 20 <= len(image) + 20 * pulls[0].length for a, b in itertools.pairwise(told))
    assert len(told) >= 20


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────


class Vendor(engine_phone.Phone):
    """Serves `image`; `blocks` says how many times."""

    image = b""
    blocks = 1 << 30

    def oblige(self, packet: Packet, lane: Lane) -> None:
        if packet.type is not PacketType.FW_PULL:
            super().oblige(packet, lane)
        elif self.blocks > 0:
            self.blocks -= 1
            ask = packet.body
            data = self.image[ask.offset : ask.offset + ask.length]
            given, status = FwPullResponse(offset=ask.offset, data=data), Status.OK
            if not data:  # of an image before this one
                given, status = Refusal(), Status.RANGE_LIMIT
            self.deliver(codec.response(packet, given, status), lane)

    def offer(self, image: bytes = IMAGE, **fields: Any) -> Status | int:
        """Offer an image, and serve it if it is accepted."""
        before, self.image = self.image, image
        made: dict[str, Any] = {"size": len(image), "version": NEWER, "digest": digest(image)} | fields
        status = self.status(FwBegin(**made))
        if status is not Status.OK:
            self.image = before
        return status

    def control(self, op: FirmwareOp, when: ActivationTime = ActivationTime.NOW) -> Status | int:
        return self.status(FwControl(op=op, components=1, when=when))

    @property
    def component(self) -> FirmwareComponent:
        found: FirmwareComponent = self.ask(FwQuery()).body.components[0]
        return found

    @property
    def told(self) -> FwStatus:
        body = self.last(PacketType.FW_STATUS).body
        assert isinstance(body, FwStatus)
        return body

    @property
    def firmware(self) -> ModuleFirmware:
        return self.module.part(ModuleFirmware)


@pytest.fixture
def phone() -> Vendor:
    phone = Vendor()
    phone.ready()
    return phone


def unsigned(version: int) -> bytes:
    return make_image(version, bytes(500))[:-1] + b"\0"


@pytest.mark.parametrize(
    ("image", "fields", "result"),
    [
        (IMAGE, {"digest": bytes(32)}, Status.FW_BAD_HASH),
        (unsigned(NEWER), {}, Status.FW_BAD_SIGNATURE),
        (b"x", {}, Status.FW_BAD_SIGNATURE),
        (bytes(5000), {}, Status.FW_BAD_SIGNATURE),
        (make_image(NEWER, b"", component=1), {}, Status.FW_WRONG_COMPONENT),
        (make_image(1, b""), {}, Status.FW_ROLLBACK),
    ],
    ids=["digest", "signature", "one byte", "zeros", "component", "version within"],
)
def test_a_bad_image_is_given_up_with_the_reason_and_nothing_changes(
    phone: Vendor, image: bytes, fields: dict[str, Any], result: Status
) -> None:
    before = phone.component
    assert phone.offer(image, **fields) is Status.OK
    phone.run(200)
    assert (phone.told.state, phone.told.result) == (FirmwareState.IDLE, result)
    assert phone.component == before
    assert phone.control(FirmwareOp.ACTIVATE) is Status.BAD_STATE


def test_offers_are_refused_for_what_they_say(phone: Vendor) -> None:
    assert phone.offer(component=3) is Status.FW_WRONG_COMPONENT
    assert phone.offer(size=0x7FFF_FFFF) is Status.TOO_LARGE
    assert phone.offer(version=1) is Status.FW_ROLLBACK
    assert phone.offer(make_image(1, b""), version=1, options=FirmwareFlags.OLDER) is Status.OK
    phone.run(200)
    assert phone.told.state is FirmwareState.STAGED
    assert phone.component.pending == 1
    assert phone.offer() is Status.BAD_STATE


def test_who_is_not_trusted_may_stage_and_not_activate(phone: Vendor) -> None:
    assert phone.offer() is Status.OK
    phone.run(200)
    for level, status in (
        (TrustLevel.UNKNOWN, Status.NOT_AUTHENTICATED),
        (TrustLevel.REJECTED, Status.AUTH_FAILED),
        (TrustLevel.MEASURED, Status.OK),
    ):
        phone.trust(level)
        assert phone.control(FirmwareOp.ACTIVATE) is status
    assert phone.component.active == NEWER


def test_bytes_that_were_not_asked_for_are_not_kept(phone: Vendor) -> None:
    phone.blocks = 0
    assert phone.offer() is Status.OK
    asked = phone.last(PacketType.FW_PULL)
    length = asked.body.length
    for offset, data in ((1, bytes(length)), (0, bytes(length + 1))):
        phone.deliver(codec.response(phone.last(PacketType.FW_PULL), FwPullResponse(offset=offset, data=data)))
        assert phone.last(PacketType.FW_PULL).body == FwPull(offset=0, length=length)
    phone.blocks = 1 << 30
    phone.run(300)
    assert phone.told.state is FirmwareState.STAGED


def test_an_answer_that_is_lost_is_asked_for_again(phone: Vendor) -> None:
    phone.blocks = 3
    assert phone.offer() is Status.OK
    pulls = len(phone.since(0, PacketType.FW_PULL))
    phone.run(55)
    assert len(phone.since(0, PacketType.FW_PULL)) == pulls
    phone.blocks = 1 << 30
    phone.run(10)
    first, again = phone.since(0, PacketType.FW_PULL)[pulls - 1 : pulls + 1]
    assert first.body == again.body
    assert first.txn != again.txn
    phone.run(200)
    assert phone.told.state is FirmwareState.STAGED


# ── Interruptions ────────────────────────────────────────────────────────────────────────────────────


def count_blocks() -> int:
    meeting = Updating()
    meeting.update()
    return len(meeting.of(FwPull))


BLOCKS = count_blocks()


class Interrupted(Updating):
    """A download that can be stopped at a block."""

    def cut_at(self, block: int) -> None:
        """No answer after so many blocks: where the download stands when it is interrupted."""
        answers = [0]

        def alter(_: Role, packet: Packet) -> Packet | None:
            if isinstance(packet.body, FwPullResponse):
                answers[0] += 1
                return packet if answers[0] <= block else None
            return packet

        self.way.alter = alter


@pytest.mark.parametrize("profile", ["four-thirds", "standalone"])
def test_whichever_block_a_removal_cuts_off_the_image_before_runs(profile: str) -> None:
    assert BLOCKS > 20
    for block in range(BLOCKS + 1):
        meeting = Interrupted(profile)
        before = meeting.own.active
        meeting.cut_at(block)
        meeting.begin()
        meeting.run(meeting.now + 30 * MS)  # with the last block there, amid the check
        assert meeting.state == ("VERIFY" if block == BLOCKS else "DOWNLOAD")
        meeting.take_off()
        assert (meeting.state, meeting.own.active, meeting.own.staged) == ("IDLE", before, None)
        meeting.way.alter = None
        meeting.run(meeting.now + SECOND)
        meeting.put_on()
        meeting.run(meeting.now + SECOND)
        assert meeting.own.active == before
        assert meeting.phone.runs["FIRMWARE"].state == "IDLE"
    meeting.update()
    assert meeting.own.active.version == NEWER


def test_whichever_block_a_lost_link_cuts_off_the_download_goes_on_where_it_was() -> None:
    for block in range(BLOCKS + 1):
        meeting = Interrupted()
        meeting.cut_at(block)
        meeting.begin()
        meeting.run(meeting.now + 30 * MS)
        meeting.way.dark = True
        meeting.run(meeting.now + 200 * MS)
        assert meeting.phone.runs["ATTACH"].state == "LINK_LOST"
        held = len(meeting.own._data)
        meeting.said.clear()
        meeting.way.dark, meeting.way.alter = False, None
        meeting.run(meeting.now + 2 * SECOND)
        if block < BLOCKS:
            assert meeting.of(FwPull)[0].offset == held
        # Trust is proved anew before the phone may have the image run.
        assert meeting.own.active.version == NEWER, block
        assert meeting.phone.runs["FIRMWARE"].state == "IDLE"


def test_a_link_that_stays_away_ends_the_download(phone: Vendor) -> None:
    phone.blocks = 2
    phone.offer()
    phone.module.around.blocked.add(Lane.LASER)
    phone.module.line("light_off")
    phone.module.settle()
    phone.run(3000)
    assert phone.state("FIRMWARE") == "IDLE"


@pytest.mark.parametrize("ms", [0, 30, 51, 60, 70, 80])
def test_a_restart_amid_an_update_leaves_the_image_before(phone: Vendor, ms: int) -> None:
    before = phone.firmware.active
    phone.offer()
    phone.run(ms)
    phone.status(Reset(level=ResetLevel.MODULE))
    phone.run(300)
    assert phone.firmware.active == before
    assert phone.state("FIRMWARE") in ("IDLE", "STAGED")
    assert (phone.firmware.staged is not None) is (phone.state("FIRMWARE") == "STAGED")


# ── When it runs ─────────────────────────────────────────────────────────────────────────────────────


def stage(phone: Vendor, version: int = NEWER) -> None:
    assert phone.offer(make_image(version, bytes(1000)), version=version) is Status.OK
    phone.run(200)
    assert phone.state("FIRMWARE") == "STAGED"


@pytest.mark.parametrize(
    ("when", "after_restart"), [(ActivationTime.DETACH, False), (ActivationTime.NEXT_BOOT, True)], ids=str
)
def test_activation_waits_for_its_time(phone: Vendor, when: ActivationTime, after_restart: bool) -> None:
    stage(phone)
    before = phone.firmware.active
    assert phone.control(FirmwareOp.ACTIVATE, when) is Status.OK
    assert phone.told.state is FirmwareState.ACTIVATE_PENDING
    assert phone.firmware.active == before
    phone.status(Reset(level=ResetLevel.MODULE))
    phone.run(200)
    assert (phone.firmware.active.version == NEWER) is after_restart
    phone.operate(OperationTag.DETACH, DetachOperation())
    assert phone.firmware.active.version == NEWER
    phone.ready()
    assert phone.component.active == NEWER


def test_a_staged_image_outlives_a_removal_and_can_be_given_up(phone: Vendor) -> None:
    before = phone.component
    stage(phone)
    phone.operate(OperationTag.DETACH, DetachOperation())
    phone.ready()
    assert phone.component.pending == NEWER
    assert phone.control(FirmwareOp.ABORT) is Status.OK
    assert (phone.told.state, phone.told.result) == (FirmwareState.IDLE, Status.CANCELLED)
    assert phone.component == before


def test_the_image_before_stays_bootable_whatever_becomes_of_the_next(phone: Vendor) -> None:
    first = phone.firmware.active
    assert phone.control(FirmwareOp.ROLLBACK) is Status.NO_SUCH_ID
    stage(phone)
    assert phone.control(FirmwareOp.ACTIVATE) is Status.OK
    second = phone.firmware.active
    stage(phone, NEWEST)
    assert phone.firmware.staged is not None
    assert phone.firmware.staged.slot not in (first.slot, second.slot)
    assert phone.control(FirmwareOp.ABORT) is Status.OK
    assert (phone.firmware.active, phone.firmware.previous) == (second, first)
    assert phone.control(FirmwareOp.ROLLBACK) is Status.OK
    assert (phone.firmware.active, phone.firmware.previous) == (first, second)
    assert phone.component.digest == first.digest
    assert phone.control(FirmwareOp.ROLLBACK) is Status.OK
    assert phone.firmware.active == second


# ── Any order of events ──────────────────────────────────────────────────────────────────────────────


class Updates(RuleBasedStateMachine):
    """Offers, interruptions and controls in any order."""

    @initialize()
    def begin(self) -> None:
        self.phone = Vendor()
        self.phone.ready()
        self.good = {self.phone.firmware.active.digest}
        self.released = 1

    @property
    def here(self) -> bool:
        return self.phone.module.around.contacts

    @precondition(lambda self: self.here)
    @rule(good=st.booleans(), blocks=st.sampled_from([0, 5, 1000]))
    def offer(self, good: bool, blocks: int) -> None:
        self.released += 1
        version = NEWER + self.released
        image = make_image(version, bytes(self.released)) if good else unsigned(version)
        self.phone.blocks = blocks
        if good:
            self.good.add(digest(image))
        self.phone.offer(image, version=version)

    @precondition(lambda self: self.here)
    @rule(op=st.sampled_from(FirmwareOp), when=st.sampled_from(ActivationTime))
    def control(self, op: FirmwareOp, when: ActivationTime) -> None:
        self.phone.control(op, when)

    @precondition(lambda self: self.here)
    @rule(ms=st.sampled_from([1, 40, 60, 200]), blocks=st.sampled_from([0, 5, 1000]))
    def wait(self, ms: int, blocks: int) -> None:
        self.phone.blocks = blocks
        self.phone.run(ms)

    @precondition(lambda self: self.here)
    @rule()
    def tear_off(self) -> None:
        self.phone.operate(OperationTag.DETACH, DetachOperation())

    @precondition(lambda self: not self.here)
    @rule()
    def put_on(self) -> None:
        self.phone.ready()

    @precondition(lambda self: self.here)
    @rule()
    def restart(self) -> None:
        self.phone.status(Reset(level=ResetLevel.MODULE))
        self.phone.operate(OperationTag.DETACH, DetachOperation())

    @invariant()
    def only_a_good_image_runs_and_each_has_its_slot(self) -> None:
        if not hasattr(self, "phone"):
            return
        firmware = self.phone.firmware
        held = [i for i in (firmware.active, firmware.previous, firmware.staged) if isinstance(i, Installed)]
        assert {i.digest for i in held} <= self.good
        assert len({i.slot for i in held}) == len(held)
        state = self.phone.state("FIRMWARE")
        assert (firmware.staged is not None) is (state in ("STAGED", "ACTIVATE_PENDING"))


Updates.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestUpdatesInAnyOrder = Updates.TestCase
