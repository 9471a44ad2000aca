"""Every bundled scenario is lived through, and what comes of it is what its file expects and what the page says.

Plan: the table · the same story · what is found · the command.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from opalink.__main__ import cli
from opalink.protocol import codec
from opalink.protocol.channel import Scenario, bundled, load, parse
from opalink.protocol.engine.meeting import Meeting
from opalink.protocol.engine.module import Module
from opalink.protocol.engine.module.frames import Frames
from opalink.protocol.engine.phone import Phone
from opalink.protocol.engine.phone.frames import Frames as FramesOfPhone
from opalink.protocol.engine.phone.frames import OneFrame
from opalink.protocol.engine.phone.reader import Reader
from opalink.protocol.engine.phone.source import Source
from opalink.protocol.packets import Lane, PacketType, PowerResetLevel, PwrReset
from opalink.protocol.rehearsal import Grain, Outcome, rehearse
from opalink.protocol.rehearsed import HEAD, cells, complaints, row
from opalink.spec.form import MS, SECOND

PAGE = Path(__file__).parent.parent / "docs" / "scenarios.md"
SHORT = parse('title = "t"\nduration_ms = 400\n[[event]]\nkind = "outage"\nat_ms = 320\nfor_ms = 5')


def only(scenario: Scenario) -> Outcome:
    (outcome,) = rehearse(scenario)
    return outcome


# ── The table ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_scenario_comes_out_as_expected_and_as_the_page_says(name: str) -> None:
    found = row(name, load(name))
    assert complaints([found]) == []
    assert found.worst("wrong") == 0
    assert f"| {' | '.join(cells(found))} |" in PAGE.read_text("utf-8").splitlines()


def test_the_page_has_a_row_for_each_bundled_scenario_and_no_other() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    table = lines[lines.index(f"| {' | '.join(HEAD)} |") + 2 :]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table] == bundled()


# ── The same story ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["slide"])
def test_a_seed_has_one_story_and_another_seed_another(name: str) -> None:
    def story(seed: int) -> bytes:
        return msgspec.json.encode(row(name, load(name), seed))

    assert story(5) == story(5)
    assert story(5) != story(6)


# ── What is found ────────────────────────────────────────────────────────────────────────────────────


def test_no_two_blocks_of_a_frame_are_alike_nor_those_of_two_frames() -> None:
    grains = [Grain(count, 4 << 20) for count in range(3)]
    blocks = [grain.read(at, 32_768) for grain in grains for at in range(0, 4 << 20, 32_768)]
    assert len(set(blocks)) == len(blocks)
    assert not grains[0].same(memoryview(grains[1].read(0, 4 << 20)))


def test_a_frame_that_is_not_what_the_sensor_made_is_found_though_its_checksum_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transmit = Frames.transmit

    def shifted(self: Frames, frame: Any, blocks: Any, *more: Any) -> None:
        """A module that reads its memory one byte too far: the checksum goes over what it sends."""
        picture, read = frame.picture, Grain.read
        monkeypatch.setattr(Grain, "read", lambda grain, at, length: read(grain, at, length)[::-1])
        transmit(self, frame, blocks, *more)
        monkeypatch.setattr(Grain, "read", read)
        assert frame.picture is picture

    monkeypatch.setattr(Frames, "transmit", shifted)
    outcome = only(SHORT)
    assert outcome.wrong > 0
    assert any("not what the sensor made" in what for what in outcome.broken)


def test_a_phone_that_never_looks_at_a_checksum_is_found_by_comparison_or_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneFrame, "when_crc_good", lambda *_: False)
    outcome = only(SHORT)
    assert any("not done" in what for what in outcome.broken)


@pytest.mark.parametrize(
    ("expect", "what"),
    [
        ("frames = 99", "frames came whole; at least 99 were expected"),
        ("recovery_ms = 0.001", "recovery_ms is"),
        ('state = "READY_BASIC"', "it ended in READY_FULL; READY_BASIC was expected"),
    ],
)
def test_what_is_expected_and_does_not_come_is_said(expect: str, what: str) -> None:
    text = '[[event]]\nkind = "outage"\nat_ms = 250\nfor_ms = 5'
    outcome = only(parse(f'title = "t"\nduration_ms = 400\n[expect]\n{expect}\n{text}'))
    assert any(what in found for found in outcome.broken), outcome.broken


def after_a_hard_reset() -> str:
    """Where the phone is a second after a module, whose supply it cut, sits there as before."""
    meeting = Meeting(Phone(), Module("four-thirds"))
    meeting.put_on()
    assert meeting.run_until(lambda: meeting.phone.reader.complete, SECOND)
    hard = codec.encode(codec.event(PwrReset(level=PowerResetLevel.HARD, off_time=100)))
    meeting.phone.receive(Lane.SIDEBAND, hard, meeting.now)
    meeting.run(meeting.now + 50 * MS)
    assert meeting.phone.runs["ATTACH"].state == "DETACHED"
    meeting.run(meeting.now + SECOND)
    return meeting.phone.runs["ATTACH"].state


def test_a_module_that_sits_there_after_a_hard_reset_is_met_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert after_a_hard_reset() == "READY_FULL"
    monkeypatch.setattr(Source, "_seated_still", lambda *_: None)
    assert after_a_hard_reset() == "DETACHED"


def test_blocks_of_a_module_before_its_restart_are_not_mixed_with_those_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = structs.replace(load("bounce-still"), shifts_ms=(290.0,))
    assert not only(scenario).broken
    monkeypatch.setattr(FramesOfPhone, "session_closed", lambda *_: None)
    assert any("still not done" in what for what in only(scenario).broken)


def test_a_phone_that_does_not_read_a_changed_descriptor_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load("firmware-dark")
    monkeypatch.setattr(Reader, "heard_desc_changed", lambda *_: None)
    assert any("the phone is in ATTACH" in what for what in only(scenario).broken)


def test_one_still_that_is_wanted_is_one_that_is_taken() -> None:
    meeting = Meeting(Phone(), Module("four-thirds"))
    asked: list[int] = []
    meeting.taps.append(lambda _, __, ___, data: asked.append(1) if data[1] == PacketType.CAPTURE_QUEUE else None)
    meeting.put_on()
    meeting.run_until(lambda: meeting.phone.reader.complete, SECOND)
    meeting.phone.user.open(3)
    meeting.run(SECOND)
    meeting.phone.user.close()
    meeting.run(meeting.now + 20 * MS)
    meeting.phone.user.open(3)
    meeting.phone.user.still()
    meeting.run(meeting.now + 200 * MS)
    assert len(asked) == 2  # the request, and its answer


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["phone", "rehearse", *map(str, arguments)], catch_exceptions=True)


def test_the_command_prints_the_table_and_succeeds(tmp_path: Path) -> None:
    told = run("stale-nonce", "--out", tmp_path / "page.md")
    assert told.exit_code == 0, told.output
    assert "stale-nonce" in told.output
    assert "| stale-nonce | video |" in (tmp_path / "page.md").read_text("utf-8")


def test_the_command_fails_where_an_expectation_does(tmp_path: Path) -> None:
    file = tmp_path / "vain.toml"
    file.write_text('title = "t"\nduration_ms = 300\n[expect]\nframes = 500\n', "utf-8")
    told = run(file, "--json")
    assert told.exit_code == 1
    (found,) = json.loads(told.stdout)
    assert not found["holds"]
    assert run(file).exit_code == 1
    assert "at least 500 were expected" in run(file).stderr


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ('title = "t"\n[phone]\nprofile = "nothing"', 2, "phone.profile is 'nothing'; it must be one of four-thirds"),
        ('title = "t"\n[phone]\ndoes = "dance"', 2, "phone.does is 'dance'; it must be one of"),
        ('title = "t"\n[expect]\nluck = 1', 2, "expect.luck is not a key"),
        ("title", 2, "is not TOML"),
    ],
)
def test_a_scenario_that_cannot_be_rehearsed_is_refused_in_a_sentence(
    tmp_path: Path, text: str, code: int, sentence: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text, "utf-8")
    told = run(file)
    assert told.exit_code == code, told.output
    assert sentence in told.output


def test_a_page_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_text('title = "t"\nduration_ms = 10\n[phone]\ndoes = "nothing"\n[expect]\nframes = 0', "utf-8")
    told = run(file, "--out", tmp_path / "nowhere" / "page.md")
    assert told.exit_code == 5
    assert "page.md" in told.output
