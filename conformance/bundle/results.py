"""What a campaign leaves: the records that reports, evidence and tests of the suite itself read.

Everything but `Environment` follows from the implementation's bytes, the catalogue and the seed: the same run twice
gives the same records. Times are the bench's, in nanoseconds.

Plan: steps and results · coverage of the requirements · the campaign.
"""

import platform
import sys
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from msgspec import Struct

from opalink import __version__
from opalink.conformance.verdicts import Conclusion, Verdict
from opalink.spec.form import Level, Testability

# ── Steps and results ────────────────────────────────────────────────────────────────────────────────


class Actor(StrEnum):
    """Who acts in a step."""

    TESTER = "tester"  # sends `data`
    IUT = "iut"  # sends `data`
    BENCH = "bench"  # does from outside what `note` says: attaches, presses the shutter, begins a new binding
    SUITE = "suite"  # says in `note` which part of the test begins, or what it found


class Step(Struct, frozen=True):
    """One line of an exchange. `data` is a whole packet, legal or not, or with `on_lane` what the lane itself carried
    on the FLIT plane: a FLIT or a sideband record. `lane` is the wire value."""

    time: int
    actor: Actor
    lane: int = 0
    data: bytes = b""
    note: str = ""
    on_lane: bool = False


class Timed(Struct, frozen=True):
    """A time that the specification limits, in nanoseconds. `slack` is by how much the bench may have it wrong, either
    way; `least` is None where there is only a latest."""

    what: str
    took: int
    limit: int
    least: int | None = None
    slack: int = 0

    @property
    def margin(self) -> int:
        """What was left to the nearer limit; negative where it was passed."""
        late = self.limit - self.took
        return late if self.least is None else min(late, self.took - self.least)


class Result(Struct, frozen=True):
    """What became of one test purpose.

    `requirements` are those that it proves, `charged` those that were found violated: another than the purpose's own
    where a monitor or a crash decided. `needs` are the features without which it does not apply. `level` is the lowest
    at which it can be run; `owed` is whether a campaign that did not run it has something missing at that level.
    `span` is the bench time that it took. `steps` are kept for what did not pass, or where evidence of everything was
    asked for. `timings` are the times that were judged: of each kind the one nearest to its limit. `waived` is the
    ID of the waiver that a failure has."""

    id: str
    verdict: Verdict
    requirements: tuple[str, ...]
    sentence: str
    needs: tuple[str, ...] = ()
    level: str = "L1"
    owed: bool = True
    charged: tuple[str, ...] = ()
    expected: str = ""
    actual: str = ""
    reason: str = ""
    seed: int = 0
    span: int = 0
    steps: tuple[Step, ...] = ()
    timings: tuple[Timed, ...] = ()
    waived: str = ""


# ── Coverage ─────────────────────────────────────────────────────────────────────────────────────────


class How(StrEnum):
    """By what a requirement is covered in this campaign."""

    ACTIVE = "active"  # a test that was executed
    PASSIVE = "passive"  # a monitor that saw it kept or broken
    REASONED = "reasoned"  # no test; its reason is stated
    UNSEEN = "unseen"  # a monitor watches for it, but it did not occur
    NONE = "none"  # applies, and nothing in this campaign spoke of it
    NA = "na"  # does not apply to this role or to these features


class Covered(Struct, frozen=True):
    """A requirement and what spoke of it. `tests` are the executed ones; `verdict` is the worst that they or a monitor
    found; `seen` is how often a monitor saw it kept."""

    id: str
    text: str
    level: Level
    test: Testability
    how: How
    verdict: Verdict | None = None
    tests: tuple[str, ...] = ()
    seen: int = 0
    reason: str = ""


class Coverage(Struct, frozen=True):
    """Every requirement of the catalogue, in its order."""

    requirements: tuple[Covered, ...] = ()

    def count(self, *how: How) -> int:
        return sum(r.how in how for r in self.requirements)

    @property
    def total(self) -> int:
        """The requirements that apply to this implementation."""
        return len(self.requirements) - self.count(How.NA)


# ── The campaign ─────────────────────────────────────────────────────────────────────────────────────


class Bound(Struct, frozen=True):
    """What the implementation says of itself when it is bound, and of the image that runs (hexadecimal, or empty)."""

    name: str = ""
    role: str = ""
    planes: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    product: str = ""
    version: str = ""
    digest: str = ""


class Environment(Struct, frozen=True):
    """Where and when it ran: the only record that differs between two equal runs."""

    started: str = ""  # ISO 8601, UTC
    seconds: float = 0.0
    host: str = ""
    python: str = ""
    opalink: str = ""
    command: tuple[str, ...] = ()

    @classmethod
    def since(cls, started: datetime, program: str) -> Self:
        """Of a run of this process that began at `started`, by a program with this process's arguments."""
        return cls(
            started=started.isoformat(timespec="seconds"),
            seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
            host=platform.platform(),
            python=platform.python_version(),
            opalink=__version__,
            command=(program, *sys.argv[1:]),
        )


class Changes(Struct, frozen=True):
    """What has changed since an earlier campaign, that of `since`: IDs of tests. `worse` are those that passed then,
    `better` those that pass now, `other` those that passed neither time and end in another way."""

    since: str
    worse: tuple[str, ...]
    better: tuple[str, ...]
    other: tuple[str, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]


class Campaign(Struct, frozen=True):
    """A whole run. `pics` is the TOML that decided what applies; `catalogue` the fingerprint of the specification;
    `reason` says why the conclusion is what it is, where no failing test does. `level` is the one to which it was
    judged, empty where only a selection was run; `asked` the one that was asked for, if one was. `pixit` is the TOML of
    how it was attached, where there is one; `nonce` is that of the laboratory."""

    iut: str
    plan: str
    profile: str
    role: str
    seed: int
    clock: str
    plane: str
    spec: str
    catalogue: str
    selection: str
    bound: Bound
    pics: str
    results: tuple[Result, ...]
    coverage: Coverage
    verdict: Conclusion
    level: str = ""
    asked: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    environment: Environment = Environment()
    pixit: str = ""
    nonce: str = ""
    changes: Changes | None = None

    @property
    def summary(self) -> dict[str, int]:
        """How many tests ended how: every verdict, in its order."""
        counts = Counter(r.verdict for r in self.results)
        return {v.value: counts[v] for v in Verdict}
