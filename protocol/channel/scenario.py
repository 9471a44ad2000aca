"""Scenario files: what befalls the link, and when, as TOML that anyone can run again.

    title = "A tap"
    seed = 1

    [link]
    gear_down = "G4"

    [[event]]
    kind = "outage"
    at_ms = 120
    for_ms = 15

Every key has its unit in its name and its range in the classes below, which are the file's description. Offsets,
tilts, losses and error ratios of events that overlap add up.

Plan: ranges · the link · events · the scenario · reading · what is wrong.
"""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

LARGEST: Final = 1 << 20  # bytes of a file
MOST: Final = 10_000  # events, each repetition counted

# ── Ranges ───────────────────────────────────────────────────────────────────────────────────────────

Time = Annotated[float, Meta(ge=0, le=3_600_000)]
Span = Annotated[float, Meta(ge=0.0001, le=3_600_000)]
Millimetres = Annotated[float, Meta(ge=-5, le=5)]
Degrees = Annotated[float, Meta(ge=-20, le=20)]
Decibel = Annotated[float, Meta(ge=0, le=60)]
Ratio = Annotated[float, Meta(ge=0, le=0.5)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Direction = Literal["down", "up"]
Directions = Literal["both", "down", "up"]
Shape = Literal["step", "ramp", "pulse"]  # at once, rising evenly, or rising and falling as half a sine


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


# ── Events ───────────────────────────────────────────────────────────────────────────────────────────


class _Event(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """What every event says: when it begins, how long it lasts, and how often it comes again."""

    at_ms: Time
    for_ms: Span
    times: Annotated[int, Meta(ge=1, le=10_000)] = 1
    every_ms: Span = 1000.0


class _Shaped(_Event, frozen=True, kw_only=True):
    shape: Shape = "step"


class _Directed(_Event, frozen=True, kw_only=True):
    direction: Directions = "both"


class Shift(_Shaped, frozen=True, tag="offset", kw_only=True):
    """The module slides sideways."""

    offset_mm: Millimetres


class Tilt(_Shaped, frozen=True, tag="tilt", kw_only=True):
    """The module tilts."""

    tilt_deg: Degrees


class Knock(_Event, frozen=True, tag="knock", kw_only=True):
    """The module rings to and fro about its place, ever less: by `offset_mm` at first, down to 1/e in `decay_ms`."""

    offset_mm: Millimetres
    hertz: Annotated[float, Meta(ge=1, le=10_000)] = 120.0
    decay_ms: Span = 8.0


class Fade(_Directed, frozen=True, tag="fade", kw_only=True):
    """Light is lost on the way, or the laser gives less."""

    shape: Shape = "step"
    loss_db: Decibel


class Outage(_Directed, frozen=True, tag="outage", kw_only=True):
    """No light at all."""


class Noise(_Directed, frozen=True, tag="noise", kw_only=True):
    """Bits are wrong at random, on top of those that the light alone would cost."""

    ber: Ratio


class Bursts(_Directed, frozen=True, tag="bursts", kw_only=True):
    """Runs of wrong bits come at random, so many in a second on average."""

    per_s: Annotated[float, Meta(ge=0, le=1_000_000)]
    length_ns: Annotated[float, Meta(ge=0.1, le=10_000_000)]


class Latency(_Directed, frozen=True, tag="latency", kw_only=True):
    """Everything takes longer."""

    latency_us: Annotated[float, Meta(ge=0, le=100_000)]


class BrownOut(_Event, frozen=True, tag="brown-out", kw_only=True):
    """The supply falls to this."""

    volts: Annotated[float, Meta(ge=0, le=20)]


class ContactsOpen(_Event, frozen=True, tag="contacts-open", kw_only=True):
    """The two contacts touch nothing; the light is not concerned."""


class SidebandNoise(_Directed, frozen=True, tag="sideband-noise", kw_only=True):
    """Bits on the contacts are wrong at random."""

    ber: Ratio


Event = Shift | Tilt | Knock | Fade | Outage | Noise | Bursts | Latency | BrownOut | ContactsOpen | SidebandNoise

EVENTS: Final[dict[str, type[Event]]] = {str(one.__struct_config__.tag): one for one in get_args(Event)}  # by `kind`

# ── The scenario ─────────────────────────────────────────────────────────────────────────────────────


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file. `seed` decides everything that is left to chance."""

    title: Text
    doc: Annotated[str, Meta(max_length=2000)] = ""
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    duration_ms: Span = 1000.0
    link: LinkSetup = LinkSetup()
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
    owner: Any = LinkSetup if keys[:1] == ["link"] else Scenario
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
