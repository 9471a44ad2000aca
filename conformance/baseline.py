"""The null baseline: the tests that an implementation passes which does nothing at all.

A score means little unless one knows what silence would have scored. The mute module of the zoo is certified with
every feature declared, so that every test applies; what it passes stands in baseline.json, with the fingerprint of the
catalogue for which that holds. It takes a minute, so it is checked in:

    python -m opalink.conformance.baseline

Plan: the record · measuring · reading.
"""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from opalink.conformance.campaign import certify
from opalink.conformance.papers import pics
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Verdict
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

FILE: Final = Path(__file__).with_name("baseline.json")
MUTE: Final = "py:opalink.conformance.zoo.roster:Mute"

# ── The record ───────────────────────────────────────────────────────────────────────────────────────


class Baseline(Struct, frozen=True):
    """What silence scores: how many tests a mute module was put to, and the IDs of those that it passed."""

    catalogue: str
    tests: int
    passed: tuple[str, ...]


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────


def measure(plan: Plan = Plan.CI, selection: str = "") -> Baseline:
    """Certify the mute module with every feature declared."""
    known = catalogue()
    features = {m.name: True for m in known.flag_set["Feature"].members}
    declared = pics.Pics(pics.Product(), known.version, known.fingerprint, Role.MODULE, "", features)
    with tempfile.TemporaryDirectory() as folder:
        statement = Path(folder) / "pics.toml"
        statement.write_text(pics.write(declared), encoding="utf-8")
        made = certify(MUTE, Options(plan, pics=statement, selection=selection))
    ran = [r for r in made.results if r.verdict not in (Verdict.NA, Verdict.NOTRUN)]
    return Baseline(known.fingerprint, len(ran), tuple(r.id for r in ran if r.verdict is Verdict.PASS))


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────


@cache
def baseline() -> Baseline:
    """What was measured last."""
    return msgspec.json.decode(FILE.read_bytes(), type=Baseline)


def score(ids: Sequence[str]) -> int | None:
    """How many of these tests of a module silence passes; None if it was measured with another catalogue."""
    known = baseline()
    return len({*ids} & {*known.passed}) if known.catalogue == catalogue().fingerprint else None


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(measure()), indent=1) + b"\n")
