"""How far a test can be trusted: provisional, until a second reading of the text has agreed with it.

One declaration makes the reference, its tests and the document, so that the reference passes its tests proves little. A
test is stable once an implementation that was written from the document alone has run it and passed, as the reference
does, and somebody who breaks what it shows is failed for it. What such an implementation has passed stands in
standing.json, with the fingerprint of the catalogue for which that holds:

    python -m opalink.conformance.standing 'stdio:python tests/independent/macro_tube.py'

Plan: the record · measuring · what stands.
"""

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from opalink.conformance.campaign import certify
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.verdicts import Verdict
from opalink.protocol.ir.load import catalogue

FILE: Final = Path(__file__).with_name("standing.json")

# ── The record ───────────────────────────────────────────────────────────────────────────────────────


class Standing(StrEnum):
    """How far a test can be trusted."""

    STABLE = "stable: two readings of the text agree, and who breaks what it shows is failed"
    UNWITNESSED = "provisional: two readings of the text agree, but nobody who breaks what it shows was seen failing"
    PROVISIONAL = "provisional: no implementation that was written from the document alone has run it"


class Agreed(Struct, frozen=True):
    """The tests that implementations of the document alone have run and passed, by ID: those of which a failure was
    seen, and the others."""

    catalogue: str
    implementations: tuple[str, ...]
    stable: tuple[str, ...]
    unwitnessed: tuple[str, ...]


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────


def measure(uris: Iterable[str], selection: str = "") -> Agreed:
    """What these implementations pass of all that they can be put to."""
    every = [certify(uri, Options(Plan.CI, selection=selection)) for uri in uris]
    passed = {r.id: r.requirements for made in every for r in made.results if r.verdict is Verdict.PASS}
    stable = {id_ for id_, cited in passed.items() if not broken().isdisjoint(cited)}
    names = tuple(made.bound.name for made in every)
    return Agreed(catalogue().fingerprint, names, tuple(sorted(stable)), tuple(sorted(passed.keys() - stable)))


@cache
def broken() -> frozenset[str]:
    """The requirements that some member of the zoo is failed for."""
    from opalink.conformance.zoo import roster  # whoever only reads the record does without the zoo

    by_key = catalogue().by_key
    causes = (cause for member in roster.members().values() for cause in member.causes)
    return frozenset(by_key[cause].id if cause in by_key else cause for cause in causes)


# ── What stands ──────────────────────────────────────────────────────────────────────────────────────


@cache
def agreed() -> Agreed:
    """What was measured last."""
    return msgspec.json.decode(FILE.read_bytes(), type=Agreed)


def standing(test: str, known: Agreed | None = None) -> Standing:
    """How far a test can be trusted."""
    known = known or agreed()
    if test in known.stable:
        return Standing.STABLE
    return Standing.UNWITNESSED if test in known.unwitnessed else Standing.PROVISIONAL


def stable(tests: Sequence[str]) -> int | None:
    """How many of these tests are stable; None if it was measured with another catalogue."""
    known = agreed()
    return len({*tests} & {*known.stable}) if known.catalogue == catalogue().fingerprint else None


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(measure(sys.argv[1:])), indent=1) + b"\n")
