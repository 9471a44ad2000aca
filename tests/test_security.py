"""Authentication in a session: what a phone concludes of a module, what it then allows, and what cannot deceive it.

Plan: meetings · conclusions · power · who lies between · what is lost or put off · the module alone · repeatability.
"""

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.protocol import codec
from opalink.protocol.codec import DecodeError, Packet, PacketType, Status
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.meeting import Meeting, Wire
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.security import FIRMWARE, Security
from opalink.protocol.engine.module.supply import Supply
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import (
    Beacon,
    Feature,
    Hello,
    HelloResponse,
    Lane,
    PwrRequest,
    Spdm,
    SpdmResponse,
    TrustLevel,
    TrustPolicy,
)
from opalink.protocol.spdm import Doubt, reference
from opalink.protocol.spdm.reference import anchors
from opalink.spec.form import MS, SECOND, Role
from tests import engine_phone

MEASURED = {FIRMWARE: image_digest()}

# ── Meetings ─────────────────────────────────────────────────────────────────────────────────────────


class Middle(Wire):
    """Someone between the two: `alter` gives what goes on in place of a packet, None for nothing. `dark` lets no
    light through."""

    def __init__(self, alter: Callable[[Role, Packet], Packet | None] | None = None) -> None:
        super().__init__()
        self.alter, self.dark = alter, False

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        packet = codec.decode(data)
        altered = self.alter(role, packet) if self.alter else packet
        if altered is not None:
            super().send(role, lane, data if altered is packet else codec.encode(altered), now)

    def light(self, _: int, /) -> bool:
        return not self.dark


def meet(
    module: Module | None = None, between: Wire | None = None, *, trusting: bool = True, measured: bool = False
) -> Meeting:
    """A module that has been put on, a second later."""
    phone = Phone()
    if trusting:
        phone.trust.anchors = anchors(MEASURED if measured else None)
    meeting = Meeting(phone, module or Module(), between)
    meeting.put_on()
    meeting.run(SECOND)
    return meeting


def concluded(meeting: Meeting) -> tuple[TrustLevel, str, str]:
    """The phone's level, and the states of both machines."""
    module = meeting.module
    assert isinstance(module, Module)
    return meeting.phone.trust.level, meeting.phone.runs["AUTH"].state, module.runs["AUTH"].state


def assert_takes_a_still(meeting: Meeting) -> None:
    phone = meeting.phone
    phone.user.still()
    assert meeting.run_until(lambda: bool(phone.frames.stills), meeting.now + 3 * SECOND), list(phone.complaints)


# ── Conclusions ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["four-thirds", "standalone"])
def test_a_reference_module_is_genuine_to_who_knows_its_root_and_measured_to_who_knows_its_firmware(
    profile: str,
) -> None:
    assert concluded(meet(Module(profile))) == (TrustLevel.GENUINE, "GENUINE", "GENUINE")
    meeting = meet(Module(profile), measured=True)
    assert concluded(meeting) == (TrustLevel.MEASURED, "MEASURED", "MEASURED")
    assert meeting.phone.runs["ATTACH"].state == "READY_FULL"
    assert_takes_a_still(meeting)


def test_who_knows_no_root_asks_for_no_proof_and_says_so() -> None:
    asked: list[Packet] = []
    middle = Middle(lambda _, p: [p, asked.append(p)][0] if p.type is PacketType.SPDM else p)
    meeting = meet(between=middle, trusting=False)
    assert concluded(meeting) == (TrustLevel.UNKNOWN, "NONE", "NONE")
    assert not asked
    assert meeting.module.runs["ATTACH"].state == "READY_FULL"  # type: ignore[attr-defined]


def test_a_module_without_security_is_unknown_and_works() -> None:
    meeting = meet(Module("ultrawide-prime"))
    assert meeting.phone.trust.level is TrustLevel.UNKNOWN
    assert_takes_a_still(meeting)


def forge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have modules show a chain that is just as well made, from another root."""
    monkeypatch.setattr(reference, "_MARK", "forged")
    for cached in (reference.key, reference.roots, reference.credentials):
        cached.cache_clear()
    made = reference.credentials("four-thirds")
    monkeypatch.undo()
    for cached in (reference.key, reference.roots, reference.credentials):
        cached.cache_clear()
    monkeypatch.setattr(reference, "credentials", lambda _: made)


def test_a_forged_module_is_rejected_and_still_takes_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    forge(monkeypatch)
    meeting = meet()
    assert concluded(meeting) == (TrustLevel.REJECTED, "REJECTED", "REJECTED")
    assert meeting.phone.trust.outcome is not None
    assert meeting.phone.trust.outcome.doubt is Doubt.CHAIN
    assert_takes_a_still(meeting)


def test_firmware_that_its_maker_did_not_release_is_rejected() -> None:
    phone = Phone()
    phone.trust.anchors = anchors({FIRMWARE: bytes(32)})
    meeting = Meeting(phone, Module())
    meeting.put_on()
    meeting.run(SECOND)
    assert concluded(meeting)[0] is TrustLevel.REJECTED


def test_a_session_that_is_resumed_is_authenticated_anew() -> None:
    said: list[tuple[int, Packet]] = []
    between = Middle()
    meeting = meet(between=between, measured=True)
    meeting.taps.append(lambda time, _, __, data: said.append((time, codec.decode(data))))
    between.dark = True
    meeting.run(meeting.now + 100 * MS)
    assert meeting.phone.runs["ATTACH"].state == "LINK_LOST"
    between.dark = False
    meeting.run(meeting.now + SECOND)
    hello = [p.body for _, p in said if isinstance(p.body, Hello)][-1]
    assert hello.resume_session == meeting.phone.contact.session
    levels = [p.body.level for _, p in said if isinstance(p.body, TrustPolicy)]
    assert levels == [TrustLevel.MEASURED]
    read = [p.body.message[1] for _, p in said if isinstance(p.body, Spdm)]
    assert 0x82 not in read  # a chain that is known is not read again
    assert concluded(meeting) == (TrustLevel.MEASURED, "MEASURED", "MEASURED")


# ── Power ────────────────────────────────────────────────────────────────────────────────────────────


class Hungry(Supply):
    """Wants what class P4 gives."""

    @property
    def need(self) -> int:
        return 7200


class HungryModule(Module):
    parts = tuple(Hungry if p is Supply else p for p in Module.parts)


def contract_of(meeting: Meeting) -> int:
    contract = meeting.phone.supply.contract
    return contract.power if contract else 0


def test_proof_opens_the_classes_above_p3(monkeypatch: pytest.MonkeyPatch) -> None:
    assert contract_of(meet(HungryModule())) > 7200
    assert contract_of(meet(HungryModule(), measured=True)) > 7200
    assert 3000 <= contract_of(meet(HungryModule(), trusting=False)) <= 5000
    forge(monkeypatch)
    assert 0 < contract_of(meet(HungryModule())) <= 3000


def test_a_source_holds_a_module_that_ignores_the_policy_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy(HungryModule):
        power_allowed = 60_000

    forge(monkeypatch)
    assert contract_of(meet(Greedy())) <= 3000


@given(st.integers(500, 12_000))
@settings(max_examples=30, deadline=None)
def test_a_module_never_asks_for_more_than_the_policy_allows(allowed: int) -> None:
    phone = engine_phone.Phone()
    phone.open()
    phone.trust(TrustLevel.UNKNOWN, max_power=allowed)
    phone.tell(phone.offers(current=3000))
    asked = phone.last(PacketType.PWR_REQUEST).body
    assert isinstance(asked, PwrRequest)
    assert 5 * max(asked.operating, asked.max) <= allowed
    assert asked.mismatch is (allowed < phone.module.supply.need) or asked.mismatch == int(
        allowed < phone.module.supply.need
    )


# ── Who lies between ─────────────────────────────────────────────────────────────────────────────────


def edit(kind: type, **fields: Any) -> Callable[[Role, Packet], Packet]:
    """Change fields of one kind of packet."""

    def alter(_: Role, packet: Packet) -> Packet:
        if not isinstance(packet.body, kind):
            return packet
        return structs.replace(packet, body=structs.replace(packet.body, **fields))

    return alter


@pytest.mark.parametrize(
    "alter",
    [
        edit(Hello, features=1),
        edit(Hello, phone_nonce=1),
        edit(HelloResponse, features=Feature.SECURITY | Feature.SENSOR | Feature.CONTRACT),
        edit(HelloResponse, desc_sha256=bytes(32)),
        edit(Beacon, gears_down=2),
        edit(Beacon, fecs=1),
    ],
    ids=["features asked", "nonce", "features given", "descriptor", "gears", "codes"],
)
def test_a_beginning_that_was_tampered_with_is_found_out(alter: Callable[[Role, Packet], Packet]) -> None:
    meeting = meet(between=Middle(alter))
    assert concluded(meeting) == (TrustLevel.REJECTED, "REJECTED", "REJECTED")
    assert meeting.phone.trust.outcome is not None
    assert meeting.phone.trust.outcome.doubt is Doubt.MEASUREMENT


@given(st.sampled_from([Role.PHONE, Role.MODULE]), st.sampled_from(["BEACON", "HELLO"]), st.data())
@settings(max_examples=60, deadline=None)
def test_no_bit_of_the_beginning_can_be_turned_over_without_being_noticed(
    role: Role, name: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, 10_000))
    turned: list[Packet] = []

    def alter(sender: Role, packet: Packet) -> Packet | None:
        if sender is not role or packet.type is not PacketType[name] or packet.body is None:
            return packet
        layout = type(packet.body).__name__
        payload = bytearray(codec.encode_layout(layout, packet.body))
        payload[place // 8 % len(payload)] ^= 1 << place % 8
        try:
            body = codec.decode_layout(layout, bytes(payload))
        except DecodeError:
            return packet  # would be refused as it stands
        turned.append(packet)
        return structs.replace(packet, body=body)

    meeting = meet(between=Middle(alter))
    assert meeting.phone.trust.genuine is (not turned)


class Twice(Wire):
    """Every BEACON arrives a second time, under another link time."""

    def send(self, role: Role, lane: Lane, data: bytes, now: int, /) -> None:
        super().send(role, lane, data, now)
        packet = codec.decode(data)
        if packet.type is PacketType.BEACON:
            super().send(role, lane, codec.encode(structs.replace(packet, t_ns=packet.t_ns + 1)), now)


def test_a_beacon_that_is_repeated_makes_no_difference() -> None:
    assert concluded(meet(between=Twice()))[0] is TrustLevel.GENUINE


# ── What is lost or put off ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nth", range(1, 7))
def test_an_answer_that_never_comes_proves_nothing_once_tauth_has_passed(nth: int) -> None:
    seen: list[Packet] = []
    told: list[int] = []

    def alter(_: Role, packet: Packet) -> Packet | None:
        if isinstance(packet.body, SpdmResponse):
            seen.append(packet)
            return None if len(seen) >= nth else packet
        return packet

    phone = Phone()
    phone.trust.anchors = anchors()
    meeting = Meeting(phone, Module(), Middle(alter))
    begun: list[int] = []

    def tap(time: int, _: Role, __: Lane, data: bytes) -> None:
        body = codec.decode(data).body
        if isinstance(body, Spdm):
            begun.append(time)
        elif isinstance(body, TrustPolicy):
            told.append(time)

    meeting.taps.append(tap)
    meeting.put_on()
    meeting.run(4 * SECOND)
    assert concluded(meeting) == (TrustLevel.UNKNOWN, "NONE", "NONE")
    assert [t - begun[0] for t in told] == [2 * SECOND]
    assert phone.runs["ATTACH"].state == "READY_FULL"
    assert_takes_a_still(meeting)


class Busy(Security):
    """Puts the first request of an authentication off twice."""

    left = 2

    def answer_spdm(self, cause: Cause) -> SpdmResponse:
        if self._responder is None:
            self._responder = self._begin()
        self._responder.busy = self.left > 0
        self.left -= 1
        return super().answer_spdm(cause)


class BusyModule(Module):
    parts = tuple(Busy if p is Security else p for p in Module.parts)


def test_a_module_that_asks_for_time_gets_it() -> None:
    asked: list[int] = []
    phone = Phone()
    phone.trust.anchors = anchors()
    meeting = Meeting(phone, BusyModule())
    meeting.taps.append(
        lambda time, _, __, data: asked.append(time) if isinstance(codec.decode(data).body, Spdm) else None
    )
    meeting.put_on()
    meeting.run(SECOND)
    assert [b - a for a, b in itertools.pairwise(asked)][:2] == [100 * MS, 100 * MS]
    assert concluded(meeting) == (TrustLevel.GENUINE, "GENUINE", "GENUINE")


@pytest.mark.parametrize("after", range(180, 320, 10))
def test_a_module_that_is_torn_off_while_it_proves_itself_can_begin_anew(after: int) -> None:
    phone = Phone()
    phone.trust.anchors = anchors()
    meeting = Meeting(phone, BusyModule())
    meeting.put_on()
    meeting.run(after * MS)
    meeting.take_off()
    meeting.run(meeting.now + SECOND)
    assert phone.runs["AUTH"].state == "NONE"
    assert phone.trust.level is TrustLevel.UNKNOWN
    meeting.put_on()
    meeting.run(meeting.now + SECOND)
    assert concluded(meeting)[0] is TrustLevel.GENUINE


# ── The module alone ─────────────────────────────────────────────────────────────────────────────────


def test_trust_ends_with_its_time_and_with_the_session() -> None:
    phone = engine_phone.Phone()
    phone.ready()
    assert (phone.state("AUTH"), phone.module.trust) == ("GENUINE", TrustLevel.GENUINE)
    phone.trust(TrustLevel.MEASURED, expires=1)
    phone.run(400)
    phone.trust(TrustLevel.MEASURED)  # for as long as the session: the time of the one before counts no more
    phone.run(900)
    assert phone.module.trust is TrustLevel.MEASURED
    phone.trust(expires=1)
    phone.run(1001)
    assert (phone.state("AUTH"), phone.module.trust, phone.module.power_allowed) == ("NONE", TrustLevel.UNKNOWN, 0xFFFF)
    phone.trust()
    phone.greet()
    assert phone.module.trust is TrustLevel.UNKNOWN


def test_a_new_session_begins_spdm_anew() -> None:
    phone = engine_phone.Phone()
    phone.open()
    get_version, get_capabilities = bytes((0x10, 0x84, 0, 0)), bytes((0x12, 0xE1)) + bytes(18)
    assert phone.ask(Spdm(message=get_version)).body.message[1] == 0x04
    phone.greet()
    answer = phone.ask(Spdm(message=get_capabilities)).body.message
    assert (answer[1], answer[2]) == (0x7F, 0x43)  # RequestResynch


@given(st.binary(min_size=4, max_size=200))
@settings(max_examples=100, deadline=None)
def test_whatever_spdm_message_comes_is_answered(message: bytes) -> None:
    phone = engine_phone.Phone("standalone")
    phone.open()
    answer = phone.ask(Spdm(message=message))
    if message[0] >> 4 == 1:
        assert answer.status is Status.OK
        assert len(answer.body.message) >= 4
    else:
        assert answer.status is Status.NEEDS_SESSION


# ── Repeatability ────────────────────────────────────────────────────────────────────────────────────


def test_a_meeting_repeats_to_the_byte() -> None:
    runs = []
    for _ in range(2):
        sent: list[tuple[int, Role, bytes]] = []
        phone = Phone()
        phone.trust.anchors = anchors(MEASURED)
        meeting = Meeting(phone, Module())
        meeting.taps.append(lambda time, role, _, data, sent=sent: sent.append((time, role, data)))  # type: ignore[misc]
        meeting.put_on()
        meeting.run(SECOND)
        runs.append(sent)
        for cached in (reference.key, reference.roots, reference.credentials):
            cached.cache_clear()
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "what", ["opalink.__main__", "opalink.protocol.commands", "opalink.protocol.codec", "opalink.protocol.text"]
)
def test_commands_that_prove_nothing_do_not_load_cryptography(what: str) -> None:
    check = f"import sys, {what}; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_module_that_is_asked_for_no_proof_does_not_load_cryptography() -> None:
    check = (
        "import sys; from opalink.protocol.engine.module import Module; Module('four-thirds').advance(10**9);"
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
