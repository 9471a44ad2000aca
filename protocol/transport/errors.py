"""What can go wrong between a tester and an implementation: the bench's branch of the hierarchy of errors.

A codec's `DecodeError` blames bytes; these blame the connection and whoever is at its other end. A crash and a
hang are observations about an implementation and never a way to refuse a packet, so each is a class of its own.

Plan: the root · before a binding · of a binding.
"""


class BenchError(Exception):
    """The root. `evidence` is what the peer left behind: its exit status and the end of what it wrote to stderr."""

    def __init__(self, text: str, evidence: str = "") -> None:
        super().__init__(text)
        self.evidence = evidence


class UriError(ValueError):
    """The caller's fault: a URI that names no implementation."""


class Unassisted(Exception):  # noqa: N818
    """Whoever does something to the implementation from outside has not done it: the bench's fault, not the peer's."""


# ── Before a binding ─────────────────────────────────────────────────────────────────────────────────


class Unreachable(BenchError):  # noqa: N818  an observation, like those below, not an error of anybody's
    """There is nothing at the URI."""


class NotOffered(BenchError):  # noqa: N818
    """The implementation lacks the plane or the clock that was asked for."""


# ── Of a binding ─────────────────────────────────────────────────────────────────────────────────────


class Closed(BenchError):  # noqa: N818
    """The peer went away: a crash, unless it was asked to."""


class Hang(BenchError):  # noqa: N818
    """The peer did not do in time what it owes: answer, or take the bytes that it is sent."""


class BindingError(BenchError):
    """The peer broke the binding. `rule` is the requirement that it violated, if one says so."""

    def __init__(self, text: str, rule: str = "") -> None:
        super().__init__(f"{text} ({rule})" if rule else text)
        self.rule = rule
