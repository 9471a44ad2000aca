"""What can happen in a scenario: to the way between phone and module, and to the module itself.

Offsets, tilts, losses and error ratios of events that overlap add up. An event of the second kind brings something
about when it begins and, where that can end, ends it when it is over.

Plan: ranges · events of the way · events of the sides.
"""

from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct

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

# ── Events of the way ────────────────────────────────────────────────────────────────────────────────


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
    """Bits are wrong at random, on top of those that the light alone would cost: `ber` of them in the gear in which a
    direction begins, and in another as many as at the same Q factor for its rate."""

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


class Removal(_Event, frozen=True, tag="removal", kw_only=True):
    """The module is taken off, and put on again at the end: neither contacts nor light."""


# ── Events of the sides ──────────────────────────────────────────────────────────────────────────────


class Act(_Event, frozen=True, kw_only=True):
    """Something that befalls the module, or the phone, and not what lies between them."""

    for_ms: Span = 1.0


class Heat(Act, frozen=True, tag="heat", kw_only=True):
    """A part of the module is as hot as this, and cools down to room temperature at the end."""

    part: Literal["SHELL", "IMAGE_SENSOR", "PROCESSOR", "LASER", "MOTORS", "CONTACTS", "BATTERY", "FLASH"]
    celsius: Annotated[float, Meta(ge=-40, le=150)]


class Ailment(Act, frozen=True, tag="condition", kw_only=True):
    """Something is wrong with the module, by the status that reports it."""

    status: Literal["BUSY", "MOTOR_BLOCKED", "PWR_LIMIT", "BUFFER_FULL", "BLOCK_GONE", "FRAME_DROPPED", "UNDERVOLTAGE"]


class StaleNonce(Act, frozen=True, tag="stale-nonce", kw_only=True):
    """The phone holds other nonces than those of its session: what it resumes with is of another time."""


class NewDescriptor(Act, frozen=True, tag="new-descriptor", kw_only=True):
    """The module runs another firmware, and describes itself anew."""


Event = (
    Shift | Tilt | Knock | Fade | Outage | Noise | Bursts | Latency | BrownOut | ContactsOpen | SidebandNoise | Removal
    | Heat | Ailment | StaleNonce | NewDescriptor
)  # fmt: skip

EVENTS: Final[dict[str, type[Event]]] = {str(one.__struct_config__.tag): one for one in get_args(Event)}  # by `kind`
