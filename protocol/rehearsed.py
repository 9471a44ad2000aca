"""What rehearsals came to: a row for each scenario, what was expected beside what was measured.

Where a scenario has several runs, its row shows the worst of each measure.

Plan: a row · tables.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, structs

from opalink.protocol.channel.scenario import Expected, Scenario
from opalink.protocol.rehearsal import Outcome, rehearse

# ── A row ────────────────────────────────────────────────────────────────────────────────────────────


class Row(Struct, frozen=True):
    """A scenario with all of its runs."""

    scenario: str
    title: str
    does: str
    expected: Expected
    holds: bool
    runs: tuple[Outcome, ...]

    def worst(self, name: str) -> float:
        """The worst of a measure: the most, and of frames the fewest."""
        found: list[float] = [getattr(run, name) for run in self.runs]
        return min(found) if name == "frames" else max(found)

    @property
    def state(self) -> str:
        """Where the sides ended: elsewhere than expected, if any run did."""
        return next((run.state for run in self.runs if run.state != self.expected.state), self.expected.state)


def row(name: str, scenario: Scenario, seed: int | None = None) -> Row:
    """Rehearse a scenario, with another seed than its own if one is given. Raises ScenarioError."""
    if seed is not None:
        scenario = structs.replace(scenario, seed=seed)
    runs = tuple(rehearse(scenario, name))
    return Row(name, scenario.title, scenario.phone.does, scenario.expect, not any(r.broken for r in runs), runs)


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────────

HEAD: Final = ("scenario", "does", "runs", "frames", "lost", "recovery, ms", "resent, KiB", "sessions", "wrong", "end")
_MEASURES: Final = ("frames", "lost", "recovery_ms", "resent_kib", "sessions")
_INTRODUCTION: Final = """\
# Scenarios

Every bundled scenario as our phone and our module live through it, in virtual time: the worst of its runs, and in
brackets what its file expects. Lost are frames that the sensor made and that did not come whole, resent are FLITs and
blocks together; recovery runs from the end of a disturbance until both sides are in their session and, while a video
runs, another whole frame has come. Frames that were taken for whole and are not what the sensor made are wrong.

`opalink phone rehearse --out docs/scenarios.md` makes this page anew, and a test compares it.
"""


def cells(found: Row) -> tuple[str, ...]:
    """A row as text, by `HEAD`."""
    measured = []
    for name in _MEASURES:
        sign = "≥" if name == "frames" else "≤"
        measured.append(f"{found.worst(name):g} ({sign} {getattr(found.expected, name):g})")
    return found.scenario, found.does, str(len(found.runs)), *measured, str(found.worst("wrong")), found.state


def markdown(rows: Iterable[Row]) -> str:
    """All of them as a page."""
    lines = [_line(HEAD), "|" + "---|" * len(HEAD), *(_line(cells(found)) for found in rows)]
    return _INTRODUCTION + "\n" + "\n".join(lines) + "\n"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def complaints(rows: Iterable[Row]) -> list[str]:
    """Everything that was expected and did not come, a sentence each."""
    return [
        f"{found.scenario}{f' {run.shift_ms:g} ms later' if run.shift_ms else ''}: {what}."
        for found in rows
        for run in found.runs
        for what in run.broken
    ]
