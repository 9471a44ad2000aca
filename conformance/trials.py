"""Trials: what a failure in real time is worth.

In real time a failure may be the host's, on which work had to wait for a processor at the wrong moment. So what fails
is executed again, with the same bytes. What fails every time is a failure, unless the host was busy: then it shows
nothing, but for an exchange in a state that lasts, which fails each time in the very same way. What does not fail every
time is inconclusive, and never a pass.

Plan: the host · the trials and what they come to.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from opalink.conformance.bundle.results import Result
from opalink.conformance.purposes import Exchange, Purpose
from opalink.conformance.tester.matrix import FLEETING
from opalink.conformance.verdicts import Verdict

# ── The host ─────────────────────────────────────────────────────────────────────────────────────────

PRESSURE: Final = Path("/proc/pressure/cpu")  # Linux: "some avg10=… total=…", in microseconds since it started
BUSY: Final = 0.1  # share of the time in which work waited, from which on a host is busy
_SPIN: Final = 0.05  # seconds of work, where the kernel does not say


class Host:
    """The machine that the tester runs on. `begin` and `waiting` frame a trial."""

    def begin(self) -> None:
        self._since, self._total = time.monotonic(), _total()

    def waiting(self) -> float:
        """The share of the time since `begin` in which some work of this host waited for a processor, from 0 to 1.
        Where the kernel keeps no account of it, that share of a short piece of work of our own."""
        total = _total()
        if total is None or self._total is None:
            return _own()
        return min(1.0, (total - self._total) / 1e6 / max(time.monotonic() - self._since, 1e-3))


def _total() -> int | None:
    try:
        return int(PRESSURE.read_text().splitlines()[0].rpartition("=")[2])
    except (OSError, ValueError, IndexError):
        return None


def _own() -> float:
    begun, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < _SPIN:
        pass
    return max(0.0, 1 - _SPIN / max(time.monotonic() - begun, _SPIN))


# ── The trials and what they come to ─────────────────────────────────────────────────────────────────

TIMES: Final = 3  # that a purpose must fail


class Trial(Struct, frozen=True):
    """One execution of a purpose. `waiting` is the share of its time in which work waited for a processor."""

    result: Result
    waiting: float


def conclude(purpose: Purpose, trials: Sequence[Trial]) -> Result:
    """What the trials of one purpose come to, of which at most the last did not fail."""
    first, last = trials[0].result, trials[-1].result
    if last.verdict is not Verdict.FAIL:
        return (
            last if len(trials) == 1 else _open(first, f"It failed {len(trials) - 1} of {len(trials)} times, which in")
        )
    most = max(t.waiting for t in trials)
    if len(trials) < TIMES or most < BUSY or _constant(purpose, trials):
        return last
    return _open(last, f"It failed while for {most:.0%} of the time work waited for a processor of this host, which in")


def _open(failed: Result, why: str) -> Result:
    """A failure that leaves the question open."""
    reason = f"{why} real time may be the bench's doing: expected {failed.expected}, saw {failed.actual}."
    return structs.replace(failed, verdict=Verdict.INCONC, charged=(), reason=reason)


def _constant(purpose: Purpose, trials: Sequence[Trial]) -> bool:
    """Whether what fails is an exchange that depends on no time, and failed each time in the very same way."""
    same = {(t.result.expected, t.result.actual, t.result.charged) for t in trials}
    return isinstance(purpose.run, Exchange) and purpose.run.state not in FLEETING and len(same) == 1
