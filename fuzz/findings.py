"""What is seen of an implementation while a case is played, and what is found wrong with it.

Plan: what is seen.
"""

from msgspec import Struct

from opalink.conformance.bundle.results import Step

# ── What is seen ─────────────────────────────────────────────────────────────────────────────────────

Point = tuple[str, str, str, str]  # state, message, reply, next state


class Finding(Struct, frozen=True):
    """A requirement seen broken, at a step of a case, by an oracle: `status`, `silence`, `answer`, `repeat`, `state`,
    `monitor`, `crash`, `hang`, `binding` or `recovery`. `message` is the type and form of the last message, `state`
    where the machines were before it, `last` the last words of an implementation that went away."""

    requirement: str
    oracle: str
    expected: str
    actual: str
    step: int
    message: str
    state: str
    last: str = ""

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """What makes two findings alike."""
        return self.requirement, self.oracle, self.message, self.last


class Played(Struct, frozen=True):
    """What a case came to. `stuck` says why it was not played to its end, if it was not; `line` is the whole exchange;
    `died` whether the connection ended."""

    findings: tuple[Finding, ...]
    points: tuple[Point, ...]
    line: tuple[Step, ...]
    stuck: str = ""
    died: bool = False
