"""The guide: which cases are worth going on from, and the campaign that plays them.

What guides a black box is what can be seen of it: the state in which a message came, the message, the reply, the state
after it. A case that shows such a point for the first time joins the corpus; the next cases come from those. The corpus
lies on disk as the cases' texts, so a campaign goes on where another ended.

Plan: coverage · the corpus · what a campaign comes to · the campaign.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

from opalink.conformance.bundle.results import Actor
from opalink.fuzz.case import Case, parse, text
from opalink.fuzz.findings import Finding, Played, Point
from opalink.fuzz.mutator import Mutator
from opalink.fuzz.player import Player
from opalink.fuzz.steps import CaseError, Reach
from opalink.fuzz.triage import Class, Confirmed, class_of, triage

POINTS: Final = 1 << 18  # that are remembered
CASES: Final = 4096  # of the corpus
_ALIKE: Final = 4  # findings of one class that are looked into, by message; more of them are counted
_FRESH: Final = 0.25  # share of cases that come from nothing
_LEARN: Final = 8  # every how many cases what was said is taken up
_WORTH: Final = 1 << 14  # characters of a case that joins the corpus
_LONGEST: Final = 1 << 20  # bytes of a file that may be a case

# ── Coverage ─────────────────────────────────────────────────────────────────────────────────────────


class Coverage:
    """The points that were seen, as numbers; and of what they consist."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self.states: set[str] = set()
        self.messages: set[str] = set()
        self.replies: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, points: Iterable[Point]) -> bool:
        """Whether some point is new."""
        new = False
        for point in points:
            key = hashlib.blake2b("\n".join(point).encode(), digest_size=8).digest()
            self.replies[point[2]] += 1
            if key not in self._seen and len(self._seen) < POINTS:
                self._seen.add(key)
                self.messages.add(point[1])
                if len(self.states) < CASES:
                    self.states.update((point[0], point[3]))
                new = True
        return new


# ── The corpus ───────────────────────────────────────────────────────────────────────────────────────


class Corpus:
    """Cases worth going on from, in memory and, with a folder, on disk: a file each, named by the SHA-256 of its text.
    One that is full lets an old one go for each that comes."""

    def __init__(self, folder: Path | None = None) -> None:
        self.cases: list[Case] = []
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> list[Case]:
        """The cases on disk, in the order of their names; what is none is left alone."""
        return read(self._folder, CASES) if self._folder is not None else []

    def add(self, case: Case, random: Random) -> None:
        words = text(case)
        if len(words) > _WORTH:
            return
        if len(self.cases) >= CASES:
            gone = self.cases.pop(random.randrange(CASES // 2))
            self._path(gone).unlink(missing_ok=True) if self._folder else None
        self.cases.append(case)
        if self._folder is not None:
            self._path(case).write_text(words)

    def choose(self, random: Random) -> Case:
        """A case, the latest more often."""
        n = len(self.cases)
        return self.cases[random.randrange(n - n // 8 - 1, n) if random.random() < 0.5 else random.randrange(n)]

    def _path(self, case: Case) -> Path:
        return (self._folder or Path()) / f"{case.digest}.case"


def read(folder: Path, most: int) -> list[Case]:
    """The cases of a folder, in the order of their files' names; files that hold none are left out."""
    cases = []
    for path in sorted(folder.glob("*.case"))[:most]:
        try:
            cases.append(load(path))
        except (CaseError, OSError):
            continue
    return cases


def load(path: Path) -> Case:
    """The case of a file. Raises CaseError and OSError."""
    if path.stat().st_size > _LONGEST:
        raise CaseError(f"{path} is too long to be a case.")
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise CaseError(f"{path} is no text.") from None


# ── What a campaign comes to ─────────────────────────────────────────────────────────────────────────


class Found(Struct):
    """A finding of a campaign, after how many seconds and cases it came, how often it showed, and whether an earlier
    campaign had it."""

    confirmed: Confirmed
    seconds: float = 0.0
    executions: int = 0
    count: int = 1
    known: bool = False


class Campaign(Struct):
    """What a campaign came to. `unstable` are findings that did not show again when their case was played once more;
    `stuck` counts the cases that were not played to their end, by the reason."""

    iut: str
    seed: int
    executions: int = 0
    seconds: float = 0.0
    found: dict[str, Found] = {}  # by signature
    unstable: list[tuple[Finding, Case]] = []
    stuck: Counter[str] = field(default_factory=Counter)
    coverage: Coverage | None = None
    corpus: int = 0
    operators: Counter[str] = field(default_factory=Counter)


class Limits(Struct, frozen=True):
    """When a campaign ends: after so many seconds, or so many cases, whichever comes first; None is no limit."""

    seconds: float | None = None
    executions: int | None = None


Progress = Callable[[Campaign], None]

# ── The campaign ─────────────────────────────────────────────────────────────────────────────────────


class Fuzzer:
    """A campaign against one implementation."""

    def __init__(
        self, player: Player, seed: int = 1, corpus: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is what a limit in seconds, and the times of findings, are measured by."""
        self.player, self._clock = player, clock
        self.mutator = Mutator(seed, player.features)
        self.corpus = Corpus(corpus)
        self.coverage = Coverage()
        self.result = Campaign(player.uri, seed, coverage=self.coverage, operators=self.mutator.used)
        self._kinds: dict[tuple[str, str, str, str], str] = {}  # the signature of each kind of finding
        self._classes: Counter[Class] = Counter()
        self._limits = Limits()
        self._begun = clock()

    def play(self, case: Case) -> Played:
        """Play a case and count it."""
        self.result.executions += 1
        played = self.player.play(case)
        if played.stuck:
            self.result.stuck[played.stuck[:100]] += 1
        return played

    @property
    def over(self) -> bool:
        limits = self._limits
        self.result.seconds = self._clock() - self._begun
        return (limits.executions is not None and self.result.executions >= limits.executions) or (
            limits.seconds is not None and self.result.seconds >= limits.seconds
        )

    def run(
        self,
        limits: Limits,
        known: Iterable[Case] = (),
        progress: Progress | None = None,
        until: Callable[[Campaign], bool] | None = None,
    ) -> Campaign:
        """Play until a limit, or until `until` says so after a new finding. `known` are the cases of earlier findings:
        they are played first, and what they show is known. Raises what a bench raises when there is nothing to be
        played to."""
        self._limits, self._begun = limits, self._clock()
        for case in known:
            self._known(case)
        for state in self.mutator.messages.states:
            self._first(Case((Reach(state),)))
        for case in self.corpus.load():
            if self.over:
                break
            self._take(case, self.play(case), kept=True)
        had = -1
        bounded = self.mutator.bounded()
        while not self.over:
            if until is not None and had != len(self.result.found):
                had = len(self.result.found)
                if until(self.result):
                    break
            case = next(bounded, None) or self._next()
            self._take(case, self.play(case))
            if progress is not None:
                progress(self.result)
        self.result.corpus = len(self.corpus.cases)
        return self.result

    def _known(self, case: Case) -> None:
        """What an earlier campaign has found, if it is still there."""
        played = self.play(case)
        for finding in played.findings[:1]:
            self._add(triage(self.play, case, finding, most=0), finding, known=True)

    def _first(self, case: Case) -> None:
        """Learn from what a preamble says and hears."""
        played = self.play(case)
        self.mutator.messages.learn(
            self.player.said, [x.data for x in played.line if x.actor is Actor.TESTER and x.data]
        )
        self._take(case, played)

    def _next(self) -> Case:
        random, corpus = self.mutator.random, self.corpus
        if not corpus.cases or random.random() < _FRESH:
            return self.mutator.fresh()
        return self.mutator.mutated(corpus.choose(random), corpus.choose(random))

    def _take(self, case: Case, played: Played, *, kept: bool = False) -> None:
        """What a case has shown."""
        if self.result.executions % _LEARN == 0:
            self.mutator.messages.learn(self.player.said)
        if (self.coverage.add(played.points) and not played.stuck and not played.died) or kept:
            self.corpus.add(case, self.mutator.random)
        for finding in played.findings:
            self._look_into(case, finding)

    def _look_into(self, case: Case, finding: Finding) -> None:
        signature = self._kinds.get(finding.kind)
        if signature is not None:
            if signature in self.result.found:
                self.result.found[signature].count += 1
            return
        class_ = class_of(finding)
        self._classes[class_] += 1
        if self._classes[class_] > _ALIKE:
            alike = (k for k, f in self.result.found.items() if class_of(f.confirmed.finding) == class_)
            self._kinds[finding.kind] = next(alike, "")
            return
        confirmed = triage(self.play, case, finding)
        if confirmed is None:
            self._kinds[finding.kind] = ""
            self.result.unstable.append((finding, case))
            return
        self._add(confirmed, finding)

    def _add(self, confirmed: Confirmed | None, finding: Finding, *, known: bool = False) -> None:
        if confirmed is None:
            return
        signature = confirmed.signature
        for kind in (finding.kind, confirmed.finding.kind):
            self._kinds.setdefault(kind, signature)
        if signature in self.result.found:
            self.result.found[signature].count += 1
        else:
            at = self._clock() - self._begun
            self.result.found[signature] = Found(confirmed, at, self.result.executions, known=known)
