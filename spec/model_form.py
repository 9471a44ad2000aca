"""How a model is written: machines of both sides, the wire between them, the world around them, and what must hold.

Statements and conditions are Promela's, in the words of `opalink.spec.abstraction`; beside them `raise my.x` raises a
line or local event, `send my.X form` sends a packet, `forget my X` has a side take no notice of what answers its open
requests of a type, `drop my` empties the wire towards a side, and `lose my` resets a side that has lost its power. With
`sides`, a happening is one of each side's own; where it has none, `my_` is the phone.

Plan: sides · what a word of a machine is to a model · forms.
"""

from typing import Final, Literal

from msgspec import field

from opalink.spec.form import Record

# ── Sides ────────────────────────────────────────────────────────────────────────────────────────────

BOTH: Final = ("phone", "module")
PHONE: Final = ("phone",)
MODULE: Final = ("module",)

# ── What a word of a machine is to a model ───────────────────────────────────────────────────────────


class Exact(Record, frozen=True):
    """Followed: `on` maps the names of events (packet, local, line or timer) to another expression."""

    text: str
    on: dict[str, str] = field(default_factory=dict)


class Choice(Record, frozen=True):
    """Either way at any time; `calm` is how it is decided when the world no longer disturbs."""

    calm: bool


class Skip(Record, frozen=True):
    """Left out of every model, with the reason."""

    why: str


class Fill(Record, frozen=True):
    """The number that a packet carries, by event (`on`) or by the state its row leads to (`to`), and what the sender
    notes of it."""

    arg: str = "0"
    on: dict[str, str] = field(default_factory=dict)
    to: dict[str, str] = field(default_factory=dict)
    note: str = ""


Guard = Exact | Choice
Effect = Exact | Skip


# ── Forms ────────────────────────────────────────────────────────────────────────────────────────────


class Happening(Record, frozen=True):
    """Something in the world, told as `name`. In `calm` it never happens, may happen, or must happen before time goes
    on; `at once` means that time waits for it always."""

    name: str
    when: str
    do: str
    calm: Literal["never", "may", "must", "at once"] = "never"
    sides: tuple[str, ...] = ()


class Invariant(Record, frozen=True):
    """With sides, it holds of each. `req` are the requirements that it stands for."""

    name: str
    holds: str
    sides: tuple[str, ...] = ()
    req: tuple[str, ...] = ()
    settled: bool = False  # judged only when nothing is under way and time goes on


class Bound(Record, frozen=True):
    """Where `since` holds, `until` does within as many ticks as the timer has."""

    name: str
    since: str
    until: str
    timer: str
    req: tuple[str, ...] = ()


class Model(Record, frozen=True):
    """`machines` are NAME.role. `mine` are variables of each side, `ours` of the world, with their first values.
    `laser` and `sideband` say whether `my_` side can use the lane. On a `kept` wire nothing is lost but by what
    happens: what cannot be delivered waits."""

    name: str
    doc: str
    machines: tuple[str, ...]
    world: tuple[Happening, ...]
    common: str
    properties: tuple[Invariant | Bound, ...] = ()
    mine: dict[str, int] = field(default_factory=dict)
    lasting: tuple[str, ...] = ()  # of `mine`, what a loss of power does not reset
    ours: dict[str, int] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)  # guards that this model decides in a way of its own
    effects: dict[str, str] = field(default_factory=dict)  # and effects that are something else to it
    signals: dict[str, str] = field(default_factory=dict)  # what a signal is to the world that stands for its hearer
    laser: str = "false"
    sideband: str = "false"
    features: tuple[str, ...] = ()  # rows that need others are left out
    kept: bool = False
    capacity: int = 4
    prompt: bool = True  # what happens at once comes before all else: a side knows of light before the next packet
    storm: int = 3  # so many disturbances at most, one a tick, before the sides have come to `common` again
    clock: str = ""  # time goes on where this holds, though no timer runs
    tidy: str = ""  # what is the same state by another number, at every tick
