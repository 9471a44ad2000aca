"""How long things take, on a machine that others use too.

Candidates run in rounds, each once a round, so that what disturbs one disturbs all; the median of the rounds
counts. A sample is processor time of this thread, which leaves out what other processes get, and is taken again
if the kernel took the processor away meanwhile. The collector stays on, as in any application.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from resource import RUSAGE_THREAD, getrusage

Work = tuple[Callable[[], object], int]  # what to call, and how many packets (or what else) one call does


def interleaved(candidates: Mapping[str, Work], *, rounds: int = 15, seconds: float = 0.02) -> dict[str, list[float]]:
    """Nanoseconds for one unit of each candidate's work, round by round; a sample takes about `seconds`."""
    loops = {name: _loops(call, seconds) for name, (call, _) in candidates.items()}
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, (call, units) in candidates.items():
            gc.collect()
            taken[name].append(_sample(call, loops[name]) / loops[name] / units)
    return taken


def ratio(over: list[float], under: list[float]) -> float:
    """How many times longer the first takes than the second: the median over the rounds, each within itself."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def _loops(call: Callable[[], object], seconds: float) -> int:
    call()  # whatever happens once
    return max(1, int(seconds * 1e9 / min(_sample(call, 1) for _ in range(3))))


def _sample(call: Callable[[], object], loops: int, tries: int = 6) -> int:
    """Nanoseconds of processor time; of several tries, the one that was disturbed least."""
    best = (1 << 62, 0)
    for _ in range(tries):
        before, start = _switches(), time.thread_time_ns()
        for _ in range(loops):
            call()
        took = time.thread_time_ns() - start
        best = min(best, (_switches() - before, took))
        if best[0] == 0:
            break
    return best[1]


def _switches() -> int:
    """How often the kernel took the processor away from this thread."""
    return getrusage(RUSAGE_THREAD).ru_nivcsw
