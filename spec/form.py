"""The shapes of the plain tables: codes, timers, channels, machines, profiles, requirements.

A table is a tuple of these records. They are frozen, hashable and typed, so that the very same objects
travel from the declaration through the intermediate representation into its canonical JSON and back.
What is laid out in bytes is not declared here but in `dialect`.

Plan: roles and levels · numbers · machines · profiles · requirements.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

MS = 1_000_000  # nanoseconds
US = 1_000
SECOND = 1_000_000_000


class Role(StrEnum):
    """Who sends, and on whom an obligation lies."""

    PHONE = "phone"
    MODULE = "module"
    BOTH = "both"
    SOURCE = "source"  # the side that supplies power, whichever device it is
    SINK = "sink"


class Form(StrEnum):
    """How a packet type travels: the second half of a schema's key (code, form)."""

    REQUEST = "request"
    RESPONSE = "response"  # answers a request that succeeded (status OK or ADJUSTED)
    ERROR = "error"  # answers a request that did not
    EVENT = "event"  # transaction 0: never answered


class Level(StrEnum):
    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Kind(StrEnum):
    """What a requirement speaks of."""

    SYNTAX = "syntax"
    BEHAVIOUR = "behaviour"
    TIMING = "timing"
    CAPACITY = "capacity"
    ROBUSTNESS = "robustness"


class Testability(StrEnum):
    """How an obligation can be judged."""

    ACTIVE = "active"  # a stimulus provokes the behaviour
    PASSIVE = "passive"  # a monitor judges every packet the implementation sends
    STATIC = "static"  # the descriptor alone decides
    INSPECT = "inspect"  # a person looks
    UNTESTABLE = "untestable"


class Record(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of every table record."""


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────


class Member(Record, frozen=True):
    """A named value of an enumeration, or a named bit (by its position) of a set of flags."""

    name: str
    value: int
    doc: str
    since: str = "1.0"


class Scope(StrEnum):
    """Where a status can be observed."""

    RESPONSE = "response"  # in the header of a response
    EVENT = "event"  # as a code inside an event
    LOCAL = "local"  # never on the wire: counted by the side that noticed


class Status(Record, frozen=True):
    """A result code. `success` statuses are answered with the response form, the others with the error form."""

    name: str
    value: int
    scope: tuple[Scope, ...]
    doc: str
    success: bool = False


class Limit(Record, frozen=True):
    """A named constant of the protocol."""

    name: str
    value: int
    unit: str
    doc: str


class Channel(Record, frozen=True):
    """A virtual channel. A lower `rank` goes first on the link."""

    name: str
    value: int
    rank: int
    payload_max: int  # bytes
    credits_min: int  # FLITs
    doc: str


class Gear(Record, frozen=True):
    """A rate of one direction of the laser link."""

    name: str
    value: int
    baud: int  # symbols per second
    doc: str


class TimerKind(StrEnum):
    DEADLINE = "deadline"  # both edges are judged
    BOUND = "bound"  # the maximum alone is judged
    BEST_EFFORT = "best-effort"  # reported, not judged


class Timer(Record, frozen=True):
    """A named time. Durations are nanoseconds; `None` means that the edge does not exist."""

    name: str
    kind: TimerKind
    role: Role
    min: int | None
    nominal: int | None
    max: int | None
    doc: str


class Crc(Record, frozen=True):
    """A cyclic redundancy check in the Rocksoft model; `check` is its value over b"123456789"."""

    name: str
    width: int
    poly: int
    init: int
    refin: bool
    refout: bool
    xorout: int
    check: int
    doc: str


# ── Machines ─────────────────────────────────────────────────────────────────────────────────────────
# A machine belongs to one role. A row fires when its event arrives in its state and every guard holds;
# rows of one state are tried in the order written. A packet that a machine knows, in a state without a
# row for it, is refused with BAD_STATE: a missing entry is the error.


class Received(Record, frozen=True, tag="rx"):
    """A packet of this form arrived."""

    packet: str
    form: Form


class Expired(Record, frozen=True, tag="timer"):
    """A timer that an earlier row started has run out."""

    timer: str


class Line(Record, frozen=True, tag="line"):
    """The outside world: contacts closed or opened, light came or went."""

    name: str


class Local(Record, frozen=True, tag="local"):
    """Something inside this side: the user, another machine, an effect that finished."""

    name: str


Event = Received | Expired | Line | Local


class Send(Record, frozen=True, tag="send"):
    """Send a packet of its own accord; the effect of the same name fills it."""

    packet: str
    form: Form


class Answer(Record, frozen=True, tag="answer"):
    """Answer the request that this row received."""

    status: str


class Start(Record, frozen=True, tag="start"):
    """Arm a timer, at its nominal time where it times what this side does; where it times the peer, at its maximum.
    Without that edge, at the one there is."""

    timer: str


class Stop(Record, frozen=True, tag="stop"):
    timer: str


class Signal(Record, frozen=True, tag="signal"):
    """Raise a local event, in every machine of this side that has a row for it."""

    name: str


class Do(Record, frozen=True, tag="do"):
    """An effect from the declared vocabulary: what the engine does beside moving between states."""

    effect: str


Action = Send | Answer | Start | Stop | Signal | Do


class State(Record, frozen=True):
    """A state. In the attach machine `allows` is the law: the packets that are legal here, on any lane."""

    name: str
    doc: str
    allows: tuple[str, ...] = ()


class Row(Record, frozen=True):
    """One transition. `next` is None where the machine stays where it is."""

    states: tuple[str, ...]
    event: Event
    guards: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    next: str | None = None
    req: tuple[str, ...] = ()


class Term(Record, frozen=True):
    """A word of the machines' vocabulary: a guard, an effect, a line event or a local event."""

    name: str
    doc: str


class Machine(Record, frozen=True):
    name: str
    role: Role
    doc: str
    initial: str
    states: tuple[State, ...]
    rows: tuple[Row, ...]
    guards: tuple[Term, ...] = ()
    effects: tuple[Term, ...] = ()
    lines: tuple[Term, ...] = ()
    locals: tuple[Term, ...] = ()


# ── Profiles ─────────────────────────────────────────────────────────────────────────────────────────


class Profile(Record, frozen=True):
    """A kind of module: the features it must and may have, and the descriptor its reference module sends.

    `descriptor` lists records as (name, {field: value}); every value is what the wire carries."""

    name: str
    doc: str
    requires: tuple[str, ...]
    allows: tuple[str, ...]
    descriptor: tuple[tuple[str, dict[str, Any]], ...]


# ── Requirements ─────────────────────────────────────────────────────────────────────────────────────


class Requirement(Record, frozen=True):
    """One obligation in one sentence.

    `key` names what the sentence follows from where a table generates it, and is empty where it was written
    by hand; `packet` is the packet type it constrains, if one alone; `needs` are the features any of which
    makes it apply (none: always); `reason` says why it cannot be tested, where it cannot."""

    id: str
    text: str
    level: Level
    role: Role
    kind: Kind
    test: Testability
    needs: tuple[str, ...] = ()
    packet: str = ""
    key: str = ""
    reason: str = ""
    source: str = ""
