"""A scenario file is read as it is written, and what is wrong with it is said in one sentence.

Plan: what is right · what is wrong · files.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.channel import Channel, Scenario, ScenarioError, bundled, load, parse
from opalink.protocol.channel.events import EVENTS

OUTAGE = '[[event]]\nkind = "outage"\nat_ms = 1\nfor_ms = 1\n'

# ── What is right ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_scenario_is_whole_and_says_what_it_is(name: str) -> None:
    scenario = load(name)
    assert scenario.title
    assert scenario.doc.strip()
    assert scenario.event
    assert all(event.at_ms + max(scenario.shifts_ms, default=0) < scenario.duration_ms for event in scenario.event)
    assert Channel(scenario).light("down", 0).seen


def test_the_bundled_scenarios_are_the_ones_that_people_ask_for() -> None:
    asked = {
        "attach-noise", "bench-noise", "ber-1e-4", "ber-1e-5", "ber-1e-6", "ber-5e-4", "bounce-still",
        "brown-out-motor", "dark-resume", "finger-tap-8k", "firmware-removed", "knock", "knock-still",
        "new-descriptor-away", "stale-nonce", "thermal-fade", "thermal-limit",
    }  # fmt: skip
    assert asked <= {*bundled()}


def test_what_a_file_does_not_say_has_a_default() -> None:
    assert parse('title = "t"') == Scenario(title="t")


def test_every_kind_of_event_can_be_written() -> None:
    values = {
        "offset": "offset_mm = 0.1", "tilt": "tilt_deg = 1", "knock": "offset_mm = 0.4", "fade": "loss_db = 3",
        "outage": "", "noise": "ber = 1e-4", "bursts": "per_s = 10\nlength_ns = 20", "latency": "latency_us = 3",
        "brown-out": "volts = 3", "contacts-open": "", "sideband-noise": "ber = 0.001", "removal": "",
        "heat": 'part = "SHELL"\ncelsius = 50', "condition": 'status = "BUSY"', "stale-nonce": "",
        "new-descriptor": "",
    }  # fmt: skip
    assert set(values) == set(EVENTS)
    for kind, more in values.items():
        (event,) = parse(f'title = "t"\n[[event]]\nkind = "{kind}"\nat_ms = 1\nfor_ms = 2\n{more}').event
        assert event.__struct_config__.tag == kind


# ── What is wrong ────────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[str, str]] = [
    ("", "title is missing; it must be text of 1 to 200 characters"),
    ("title = 3", "title is 3; it must be text of 1 to 200 characters"),
    (
        'title = "t"\nfoo = 1',
        "foo is not a key; the keys are title, doc, seed, duration_ms, shifts_ms, link, phone, expect, event",
    ),
    ('title = "t"\nseed = 1.5', "seed is 1.5; it must be a whole number from 0 to 9223372036854775807"),
    ('title = "t"\nduration_ms = inf', "duration_ms is inf; it must be a number from 0.0001 to 3600000"),
    ('title = "t"\n[link]\ninterleave = 3', "link.interleave is 3; it must be one of 1, 2, 4, 8"),
    ('title = "t"\n[link]\ngear_down = "G5"', "link.gear_down is 'G5'; it must be one of 'G1', 'G2', 'G3', 'G4'"),
    ('title = "t"\n[link]\ntx_dbm = nan', "link.tx_dbm is nan; it must be a number from -20 to 12"),
    ('title = "t"\nlink = 1', "link is 1; it must be a table"),
    ('title = "t"\nevent = 1', "event is 1; it must be a list of at most 1000 tables"),
    ('title = "t"\nevent = [1]', "event[0]: expected `object`, got `int`"),
    ('title = "t"\n[[event]]', "event[0].kind is missing; it must be one of 'offset', 'tilt', 'knock', 'fade', "),
    ('title = "t"\n[[event]]\nkind = "tap"', "event[0].kind is 'tap'; it must be one of 'offset', "),
    (
        'title = "t"\n' + OUTAGE.replace("at_ms = 1", ""),
        "event[0].at_ms is missing; it must be a number from 0 to 3600000",
    ),
    (
        'title = "t"\n' + OUTAGE.replace("at_ms = 1", "at_ms = -1"),
        "event[0].at_ms is -1; it must be a number from 0 to",
    ),
    ('title = "t"\n' + OUTAGE + OUTAGE + "x = 1", "event[1].x is not a key; the keys are kind, at_ms, for_ms, times, "),
    ('title = "t"\n' + OUTAGE + "times = 9\nevery_ms = 0.5", "event[0].every_ms is 0.5; it must be at least for_ms, 1"),
    ('title = "t"\n' + (OUTAGE + "times = 6000\n") * 2, "event: more than 10000 events, repetitions included"),
    ("title =", "is not TOML: Invalid value"),
    ("a = " + "[" * 5_000, "is not TOML: "),
]


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_what_is_wrong_is_said_in_one_sentence_with_file_key_and_range(text: str, why: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "my.toml")
    assert str(caught.value).startswith(f"my.toml: {why}")
    assert "\n" not in str(caught.value)


PLAIN = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(1 << 63), (1 << 63) - 1),
        st.floats(allow_nan=False),
        st.text("abc", max_size=4),
        st.sampled_from(sorted(EVENTS)),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "at_ms", "x"]), inner),
    max_leaves=6,
)


def written(value: Any) -> str:
    """A plain value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {written(one)}' for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else json.dumps(value)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["title", "seed", "link", "event", "y"]), PLAIN))
def test_any_tables_are_read_or_refused(plain: dict[str, Any]) -> None:
    text = "\n".join(f"{key} = {written(value)}" for key, value in plain.items())
    assert tomllib.loads(text) == plain
    try:
        said = parse(text).title
    except ScenarioError as error:
        said = str(error)
    assert said == plain.get("title") or said.startswith("scenario: ")
    assert "\n" not in said


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "t"\n' + OUTAGE)
    assert load(path) == load(str(path)) == parse('title = "t"\n' + OUTAGE)


def test_a_file_that_cannot_be_read_is_said_with_those_that_there_are(tmp_path: Path) -> None:
    for name, why in ((tmp_path / "no.toml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ScenarioError, match=f"cannot be read .{why}.; bundled scenarios are attach-noise, "):
            load(name)


def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(ScenarioError, match=r"mine\.toml: is not UTF-8 at byte 9$"):
        load(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ScenarioError, match=r"mine\.toml: is longer than 1048576 bytes$"):
        load(path)
