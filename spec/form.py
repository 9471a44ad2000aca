"""The shapes of the plain tables: codes, timers, channels, machines, profiles, requirements.

A table is a tuple of these records. They are frozen, hashable and typed, so that the very same objects
travel from the declaration through the intermediate representation into its canonical JSON and back.
What is laid out in bytes is not declared here but in `dialect`.

Plan: roles and levels · numbers · machines · profiles · requirements.
"""

from collections.abc import Container
from enum import StrEnum
from typing import Any

from msgspec import Struct, structs

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
# A machine belongs to one role. A row fires when its event arrives in its state and every guard holds; rows of one
# state are tried in the order written.
#
# What no row covers is declared too. A request that a machine knows, in a state without a row for it, is refused with
# BAD_STATE: a missing entry is the error. Any other event without a row changes nothing.
#
# A timer belongs to the states that wait for it: to enter any other disarms it.


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
    """Send a packet of its own accord; the effect of the same name fills it. `reasons` are the status codes of which
    it carries one."""

    packet: str
    form: Form
    reasons: tuple[str, ...] = ()


class Answer(Record, frozen=True, tag="answer"):
    """Answer the request that this row received."""

    status: str


class Edge(StrEnum):
    """Which of its times a timer is armed for. Without that one, it is armed for the one there is."""

    NOMINAL = "nominal"  # it times what this side does
    MAX = "max"  # it bounds the peer, or both sides: no sooner may it be given up


class Start(Record, frozen=True, tag="start"):
    """Arm a timer, anew if it runs."""

    timer: str
    edge: Edge = Edge.NOMINAL


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
    """One transition. `next` is None where the machine stays where it is. `needs` are the features any of which a
    side must have for the row to be one of its own; without any there, it is in every one."""

    states: tuple[str, ...]
    event: Event
    guards: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    next: str | None = None
    req: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Term(Record, frozen=True):
    """A word of the machines' vocabulary: a guard, an effect, a line event or a local event."""

    name: str
    doc: str


def met(needs: tuple[str, ...], features: Container[str]) -> bool:
    """Whether any of the features that are needed is there, or none is needed."""
    return not needs or any(name in features for name in needs)


class Choice(Record, frozen=True):
    """Guards of which no two ever hold together; if it is `complete`, one of them always does."""

    guards: tuple[str, ...]
    complete: bool = False


class Machine(Record, frozen=True):
    """A machine of one role. A module has it if it has any of the features `needs`; without any there, always. A phone
    has it for such a module."""

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
    needs: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()

    def within(self, features: Container[str]) -> "Machine":
        """The machine as a side of these features runs it: with the rows that it has need of."""
        return structs.replace(self, rows=tuple(r for r in self.rows if met(r.needs, features)))

    def waits(self, state: str) -> frozenset[str]:
        """The timers that a state waits for: what else runs when it is entered is disarmed."""
        return frozenset(r.event.timer for r in self.rows if isinstance(r.event, Expired) and state in r.states)


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
