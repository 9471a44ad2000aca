"""Scenario files: what befalls the link, and when, as TOML that anyone can run again.

    title = "A tap"
    seed = 1

    [link]
    gear_down = "G4"

    [[event]]
    kind = "outage"
    at_ms = 120
    for_ms = 15

Every key has its unit in its name and its range in the classes below and in `events`, which are the file's
description.

Plan: the link · what is done, and what is to come of it · the scenario · reading · what is wrong.
"""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from opalink.protocol.channel.events import EVENTS, Decibel, Degrees, Event, Millimetres, Span, Text, Time

LARGEST: Final = 1 << 20  # bytes of a file
MOST: Final = 10_000  # events, each repetition counted

Pixels = Annotated[int, Meta(ge=0, le=65_535)]


class ScenarioError(ValueError):
    """What is wrong with a scenario, in one sentence that names the file and the key."""


# ── The link ─────────────────────────────────────────────────────────────────────────────────────────


class LinkSetup(Struct, frozen=True, forbid_unknown_fields=True):
    """How the two sides stand before anything happens."""

    gear_down: Literal["G1", "G2", "G3", "G4"] = "G4"
    gear_up: Literal["G1", "G2", "G3", "G4"] = "G1"
    fec: Literal["NONE", "RS_528_514", "RS_544_514"] = "RS_528_514"
    interleave: Literal[1, 2, 4, 8] = 1
    tx_dbm: Annotated[float, Meta(ge=-20, le=12)] = -1.0
    loss_db: Decibel = 0.0
    offset_mm: Millimetres = 0.0
    tilt_deg: Degrees = 0.0
    volts: Annotated[float, Meta(ge=0, le=20)] = 5.0


# ── What is done, and what is to come of it ──────────────────────────────────────────────────────────


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """What the phone has the module do, a while after the contacts have closed; `nothing` is to attach it. What comes
    to nothing because the session ends is asked for again in the next."""

    does: Literal["nothing", "still", "burst", "video", "focus", "update"] = "still"
    profile: Text = "four-thirds"
    at_ms: Time = 0.0
    for_ms: Span = 500.0  # of a video
    frames: Annotated[int, Meta(ge=1, le=1000)] = 1  # of a burst
    mode: Annotated[int, Meta(ge=0, le=255)] = 3  # of the sensor
    rate: Annotated[int, Meta(ge=0, le=1000)] = 30  # frames in a second at most; 0 for as many as can be had
    width: Pixels = 0  # of a window in the middle of the mode's picture; 0 for all of it
    height: Pixels = 0
    kib: Annotated[int, Meta(ge=1, le=16_384)] = 64  # of an update


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """What must come of a rehearsal. Every frame that is handed over as whole is to be right besides, and a still
    must come whole afterwards."""

    frames: Annotated[int, Meta(ge=0, le=1_000_000)] = 1  # whole, at least
    lost: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # at most
    recovery_ms: Span = 50.0  # at most
    resent_kib: Annotated[float, Meta(ge=0, le=1e9)] = 0.0  # at most
    sessions: Annotated[int, Meta(ge=1, le=1000)] = 1  # opened anew, at most
    state: Literal["READY_FULL", "READY_BASIC", "FAULT", "DETACHED"] = "READY_FULL"  # of both sides at the end


# ── The scenario ─────────────────────────────────────────────────────────────────────────────────────


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file. `seed` decides everything that is left to chance. With `shifts_ms` it is one scenario for each, in
    which every event comes so much later."""

    title: Text
    doc: Annotated[str, Meta(max_length=2000)] = ""
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    duration_ms: Span = 1000.0
    shifts_ms: Annotated[tuple[Time, ...], Meta(max_length=100)] = ()
    link: LinkSetup = LinkSetup()
    phone: Task = Task()
    expect: Expected = Expected()
    event: Annotated[tuple[Event, ...], Meta(max_length=1000)] = ()


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────


def bundled() -> list[str]:
    """Names of the scenarios that come with opalink."""
    found = (file.name for file in files(__package__).iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load(name: str | Path) -> Scenario:
    """A scenario from a file, or a bundled one by its name. Raises ScenarioError."""
    if str(name) in bundled():
        return parse(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"), str(name))
    path = Path(name)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ScenarioError(
            f"{name}: cannot be read ({error.strerror}); bundled scenarios are {', '.join(bundled())}"
        ) from None
    if len(data) > LARGEST:
        raise ScenarioError(f"{name}: is longer than {LARGEST} bytes")
    try:
        return parse(data.decode(), str(name))
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{name}: is not UTF-8 at byte {error.start}") from None


def parse(text: str, name: str = "scenario") -> Scenario:
    """A scenario from TOML; `name` is what an error calls it. Raises ScenarioError."""
    try:
        plain = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError(f"{name}: is not TOML: {error}") from None
    try:
        scenario = msgspec.convert(plain, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{name}: {_sentence(str(error), plain)}") from None
    if sum(event.times for event in scenario.event) > MOST:
        raise ScenarioError(f"{name}: event: more than {MOST} events, repetitions included")
    for at, event in enumerate(scenario.event):
        if event.times > 1 and event.every_ms < event.for_ms:
            raise ScenarioError(
                f"{name}: event[{at}].every_ms is {event.every_ms:g}; it must be at least for_ms, {event.for_ms:g}"
            )
    return scenario


# ── What is wrong ────────────────────────────────────────────────────────────────────────────────────


def _sentence(found: str, plain: Any) -> str:
    """What msgspec found, with the key, the value and all that is allowed."""
    what, _, path = found.partition(" - at `$")
    keys = [key or int(index) for key, index in re.findall(r"\.([^.\[`]+)|\[(\d+)\]", path)]
    shown = path.removesuffix("`").removeprefix(".")
    value = plain
    for key in keys:
        value = value[key]
    if lone := re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", what):
        fields = _fields(keys, plain)
        name = f"{shown}.{lone[2]}".removeprefix(".")
        if lone[2] in fields:
            return f"{name} is missing; it must be {_allowed(fields[lone[2]])}"
        return f"{name} is not a key; the keys are {', '.join(fields)}"
    if keys and isinstance(keys[-1], str) and keys[-1] in (fields := _fields(keys[:-1], plain)):
        return f"{shown} is {value!r}; it must be {_allowed(fields[keys[-1]])}"
    return f"{shown}: {what[:1].lower()}{what[1:]}"


def _fields(keys: list[str | int], plain: Any) -> dict[str, Any]:
    """The keys of a table of the file, each with its type."""
    owner: Any = {"link": LinkSetup, "phone": Task, "expect": Expected}.get(str(keys[0]) if keys else "", Scenario)
    kinds: dict[str, Any] = {}
    if keys[:1] == ["event"] and len(keys) > 1:
        kinds["kind"] = msgspec.inspect.LiteralType(tuple(EVENTS))
        kind = plain["event"][keys[1]].get("kind")
        owner = EVENTS.get(kind) if isinstance(kind, str) else None
    about = msgspec.inspect.type_info(owner) if owner else None
    return kinds | ({f.name: f.type for f in about.fields} if isinstance(about, msgspec.inspect.StructType) else {})


def _allowed(kind: Any) -> str:
    match kind:
        case msgspec.inspect.FloatType(ge=low, le=high):
            return f"a number from {low:.10g} to {high:.10g}"
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.StrType(min_length=low, max_length=high):
            return f"text of {low or 0} to {high} characters"
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(repr, values))
        case msgspec.inspect.VarTupleType(max_length=high):
            return f"a list of at most {high} tables"
    return "a table"
