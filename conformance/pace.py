"""How long a campaign takes in real time, before it begins.

What its tests take of a module's own time is known: the reference modules were certified in virtual time, and what the
tests of a kind took on the average stands in pace.json. What a bench adds comes on top. Measured again by

    python -m opalink.conformance.pace

Plan: the record · the estimate.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Final

import msgspec

from opalink.conformance.bundle.results import Result
from opalink.conformance.campaign import certify
from opalink.conformance.purposes import Purpose
from opalink.conformance.runner import Options, Runner
from opalink.conformance.selection import obstacle
from opalink.conformance.verdicts import Verdict
from opalink.spec.form import MS, SECOND

FILE: Final = Path(__file__).with_name("pace.json")
REFERENCES: Final = ("sim:four-thirds", "sim:standalone")

# ── The record ───────────────────────────────────────────────────────────────────────────────────────


def kind(id_: str) -> str:
    """The tests that take about the same: "MOD/PWR/TI"."""
    role, area, _, name = id_.split("/", 3)
    return f"{role}/{area}/{name[:2]}"


def averages(results: Iterable[Result]) -> dict[str, int]:
    """What the tests of each kind took on the average, in milliseconds."""
    spans = defaultdict(list)
    for r in results:
        if r.verdict is Verdict.PASS:
            spans[kind(r.id)].append(r.span)
    return {k: round(fmean(v) / MS) for k, v in sorted(spans.items())}


@cache
def pace() -> dict[str, int]:
    """What was measured last."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, int])


# ── The estimate ─────────────────────────────────────────────────────────────────────────────────────


def least(ids: Iterable[str]) -> float:
    """Seconds that these tests take of the implementation's time. A kind that was never measured takes what tests take
    on the average."""
    known = pace()
    usual = fmean(known.values())
    return sum(known.get(kind(id_), usual) for id_ in ids) * MS / SECOND


def estimate(runner: Runner, chosen: Sequence[Purpose]) -> str:
    """How long these take, in a sentence; empty in virtual time, where they take none."""
    if runner.bench.virtual:
        return ""
    met = [p.id for p in chosen if obstacle(p, runner.bench, runner.options.plane, runner.features) is None]
    minutes = least(met) / 60
    time = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{max(1, round(minutes))} min"
    return f"{len(met):,} tests in real time take {time}, and what the bench adds."


if __name__ == "__main__":
    made = [r for uri in REFERENCES for r in certify(uri, Options()).results]
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(averages(made)), indent=1) + b"\n")
