"""A phone and a module with a real link between them: FLITs, light that comes and goes, contacts that bounce."""

from collections.abc import Callable

import pytest

from opalink.protocol.channel import Scenario, load, parse
from opalink.protocol.codec import Packet, decode
from opalink.protocol.engine.gateway import Gateway
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.phone import Phone
from opalink.protocol.packets import PacketType, PatternKind
from opalink.spec.form import MS, SECOND


def scenario(*events: str, milliseconds: int = 2000) -> Scenario:
    """A short scenario around some events, each the lines of its table."""
    text = f'title = "test"\ndoc = "A test."\nseed = 3\nduration_ms = {milliseconds}\n'
    return parse(text + "".join(f"[[event]]\n{e}\n" for e in events), "test")


class Linked(Meeting):
    """A meeting over a gateway, small frames, with what was said."""

    def __init__(self, story: Scenario, profile: str = "four-thirds", *, slot: int = 16) -> None:
        self.gateway = Gateway(story, slot=slot)
        self.camera = Module(profile)
        super().__init__(Phone(), self.camera, self.gateway)
        self.said: list[tuple[int, Packet]] = []
        self.taps.append(lambda time, _, __, data: self.said.append((time, decode(data))) if data[1] != 0x71 else None)

    def until(self, done: Callable[[], bool], seconds: float = 2) -> None:
        assert self.run_until(done, self.now + int(seconds * SECOND)), {n: r.state for n, r in self.phone.runs.items()}

    def of(self, kind: PacketType) -> list[Packet]:
        return [p for _, p in self.said if p.type is kind]

    def attached(self) -> "Linked":
        self.put_on()
        self.until(lambda: self.phone.reader.complete)
        return self

    @property
    def state(self) -> str:
        return self.phone.runs["ATTACH"].state


QUIET = scenario()


def test_a_session_opens_over_flits_and_the_sideband() -> None:
    meeting = Linked(QUIET).attached()
    assert meeting.state == "READY_FULL"
    assert meeting.gateway.dropped == meeting.gateway.damaged == 0


def test_a_still_comes_whole_over_a_noisy_link_and_nothing_is_asked_for_twice() -> None:
    meeting = Linked(load("bench-noise"), slot=64).attached()
    meeting.phone.capture.pattern(PatternKind.COUNTER, 7)
    meeting.phone.user.still()
    meeting.until(lambda: bool(meeting.phone.frames.stills))
    still = meeting.phone.frames.stills[0]
    assert not still.missing
    assert still.asked_again == 0  # lost FLITs are replayed below
    assert meeting.gateway.channel.tally["down"].uncorrectable > 0


def test_blocks_behind_their_trailer_are_waited_for_and_not_asked_for() -> None:
    meeting = Linked(QUIET, slot=64).attached()
    meeting.phone.user.still()
    meeting.until(lambda: bool(meeting.phone.frames.stills))
    assert not meeting.of(PacketType.BLOCK_NAK)


@pytest.mark.parametrize("dark", [2, 20, 300, 1200])
def test_a_session_outlives_light_that_goes_for_less_than_the_holdover(dark: int) -> None:
    meeting = Linked(scenario(f'kind = "outage"\nat_ms = 400\nfor_ms = {dark}'), slot=64).attached()
    session = meeting.phone.contact.session
    meeting.run((400 + dark) * MS)
    meeting.until(lambda: meeting.state == "READY_FULL")
    assert meeting.phone.contact.session == session
    assert len({p.body.session for p in meeting.of(PacketType.HELLO) if p.rsp}) == 1


def test_after_the_holdover_there_is_a_new_session() -> None:
    meeting = Linked(scenario('kind = "outage"\nat_ms = 400\nfor_ms = 2600', milliseconds=5000), slot=64).attached()
    session = meeting.phone.contact.session
    meeting.run(3100 * MS)
    meeting.until(lambda: meeting.state == "READY_FULL", 4)
    assert meeting.phone.contact.session != session


def test_contacts_that_bounce_restart_a_module_and_the_phone_meets_it_anew() -> None:
    meeting = Linked(scenario('kind = "contacts-open"\nat_ms = 600\nfor_ms = 3'), slot=64).attached()
    session = meeting.phone.contact.session
    meeting.run(700 * MS)
    meeting.until(lambda: meeting.phone.contact.session not in (0, session) and meeting.phone.reader.complete)
    assert meeting.state == "READY_FULL"


def test_a_module_that_is_taken_off_in_the_dark_is_met_in_the_light() -> None:
    dark, away = 'kind = "outage"\nat_ms = 400\nfor_ms = 200', 'kind = "removal"\nat_ms = 500\nfor_ms = 150'
    meeting = Linked(scenario(dark, away), slot=64).attached()
    session = meeting.phone.contact.session
    meeting.run(700 * MS)
    meeting.until(lambda: meeting.phone.contact.session not in (0, session) and meeting.phone.reader.complete)


def test_frames_are_spread_over_what_a_lower_gear_carries() -> None:
    meeting = Linked(scenario('kind = "noise"\nat_ms = 400\nfor_ms = 1000\nber = 5e-4'), slot=64).attached()
    whole: list[bool] = []
    meeting.phone.on_frame = lambda frame: whole.append(not frame.missing)
    before = meeting.camera.capacity
    meeting.phone.user.open(0)
    meeting.run(800 * MS)
    assert meeting.camera.capacity < before
    assert whole.count(False) <= 1  # the one that was on its way
    assert whole[-2:] == [True, True]


def test_a_brown_out_is_a_restart_too() -> None:
    meeting = Linked(scenario('kind = "brown-out"\nat_ms = 600\nfor_ms = 2\nvolts = 2.0'), slot=64).attached()
    session = meeting.phone.contact.session
    meeting.run(700 * MS)
    meeting.until(lambda: meeting.phone.contact.session not in (0, session) and meeting.phone.reader.complete)


@pytest.mark.parametrize("name", ["bench-noise", "dark-resume", "finger-tap-8k", "knock", "slide", "thermal-fade"])
def test_a_still_survives_whatever_befalls_the_light(name: str) -> None:
    meeting = Linked(load(name), slot=64)
    meeting.put_on()
    meeting.phone.user.still()
    meeting.until(lambda: bool(meeting.phone.frames.stills), 4)
    assert not meeting.phone.frames.stills[0].missing


def test_the_same_scenario_has_the_same_story() -> None:
    def story() -> list[tuple[int, int, int]]:
        meeting = Linked(load("knock"), slot=64)
        meeting.put_on()
        meeting.run(300 * MS)
        return [(time, p.type, p.txn) for time, p in meeting.said]

    assert story() == story()


@pytest.mark.parametrize("until", [182, 200, 400])
def test_beacons_that_are_lost_on_the_sideband_delay_a_session_and_do_not_prevent_it(until: int) -> None:
    noise = f'kind = "sideband-noise"\nat_ms = 0\nfor_ms = {until}\nber = 0.05'
    meeting = Linked(scenario(noise), slot=64)
    meeting.put_on()
    meeting.until(lambda: meeting.phone.reader.complete, 3)
    assert meeting.gateway.damaged > 0
