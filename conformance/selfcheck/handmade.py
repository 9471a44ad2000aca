"""What only a person finds: mistakes that a scenario of a suffering shows and no generated test does, as measured.

    python -m opalink.conformance.selfcheck.handmade [PROFILE ...]

A test during which a witness says and hears just what the reference module does cannot tell the two apart. So the
generated tests are run once against the reference module with all witnesses looking on, and each witness then meets
those alone in which it would have done otherwise. What was found stands in `handmade.json`; the run takes some minutes
a profile, and replaces the lines of the profiles that it was about.

Plan: what was found · looking on · the two runs · the command.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Final

import msgspec
from msgspec import Struct

from opalink.conformance.campaign import begin
from opalink.conformance.generated import generated
from opalink.conformance.planes import plane_of
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.scenarios import scenario_of, scenarios
from opalink.conformance.selection import select
from opalink.conformance.verdicts import Verdict
from opalink.conformance.walks import rows as walks
from opalink.conformance.zoo import witnesses_journeys
from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol.codec import Tlv
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, Outcome, ResetKind
from opalink.spec.form import Role

# ── What was found ───────────────────────────────────────────────────────────────────────────────────


class Finding(Struct, frozen=True):
    """One witness on one profile. `failed` is whether its scenario fails it there, `charged` with what; `met` are the
    generated tests during which it does otherwise than the reference module, `killed` those of them that fail it."""

    witness: str
    profile: str
    scenario: str
    failed: bool
    charged: tuple[str, ...] = ()
    met: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()


class Record(Struct, frozen=True):
    """All findings, and the digest of the catalogue whose generated tests they are about; `tests` is how many of them
    were run on a profile."""

    digest: str
    tests: dict[str, int]
    findings: tuple[Finding, ...]


RECORD: Final = Path(__file__).with_name("handmade.json")


def recorded() -> Record:
    """What the last run found."""
    return msgspec.json.decode(RECORD.read_bytes(), type=Record)


# ── Looking on ───────────────────────────────────────────────────────────────────────────────────────


class _Still:
    """In the place of a witness's own module, which has nothing to do here."""

    def operate(self, _operation: Tlv, _now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        return Outcome.DONE, ()

    def reset(self, _kind: ResetKind, _seed: int, _now: int) -> None:
        return


class Onlookers(Specimen):
    """The reference module, with every witness looking on: `differing` are those that would have done otherwise."""

    differing: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self._watching = [kind() for kind in witnesses_journeys.ALL]
        for one in self._watching:
            one.inner = _Still()  # type: ignore[assignment]

    def hears(self, data: bytes, lane: Lane) -> bytes | None:
        for one in self._watching:
            if one.hears(data, lane) != data or one.extra:
                one.extra = []
                self.differing.add(type(one).__name__)
        return data

    def says(self, d: Departure) -> Iterable[Departure]:
        for one in self._watching:
            if tuple(one.says(d)) != (d,):
                self.differing.add(type(one).__name__)
        return (d,)

    def operate(self, operation: Tlv, now: int) -> tuple[Outcome, tuple[Tlv, ...]]:
        for one in self._watching:
            one.operate(operation, now)
        return super().operate(operation, now)

    def reset(self, kind: ResetKind, seed: int, now: int) -> None:
        for one in self._watching:
            one.reset(kind, seed, now)
        super().reset(kind, seed, now)


_ALL: Final[tuple[type[Specimen], ...]] = (Onlookers, *witnesses_journeys.ALL)
_KINDS: Final = {k.__name__: k for k in _ALL}
_ON: Final = "__on__"


def uri_of(witness: str, profile: str) -> str:
    """Where a profile's module with a witness's mistake is."""
    return f"py:{__name__}:{witness}{_ON}{profile.replace('-', '_')}"


def __getattr__(name: str) -> type[Specimen]:
    """Every witness on every profile, so that each has a URI."""
    witness, _, profile = name.partition(_ON)
    if witness not in _KINDS or profile.replace("_", "-") not in catalogue().profile:
        raise AttributeError(f"no witness is called {name!r}")
    return type(witness, (_KINDS[witness],), {"profile": profile.replace("_", "-"), "__doc__": _KINDS[witness].__doc__})


# ── The two runs ─────────────────────────────────────────────────────────────────────────────────────

_OPTIONS: Final = Options(plan=Plan.CERT, plane="packet")


@cache
def made_by_machine() -> tuple[Purpose, ...]:
    """Every test that no person wrote and that the packet plane can show: those of the catalogue, and the walks."""
    walked = tuple(p for p in scenarios(Role.MODULE) if scenario_of(p).__module__ == walks.__name__)
    return tuple(p for p in (*generated(Role.MODULE), *walked) if plane_of(p, "packet") == "packet")


def look_on(profile: str, purposes: Sequence[Purpose]) -> tuple[dict[str, list[Purpose]], int]:
    """The tests in which each witness differs from a profile's reference module, and how many were run. Raises
    ValueError if one differs before the first."""
    out: dict[str, list[Purpose]] = defaultdict(list)
    Onlookers.differing.clear()
    certification = begin(uri_of(Onlookers.__name__, profile), _OPTIONS)
    if Onlookers.differing:
        raise ValueError(f"{', '.join(sorted(Onlookers.differing))} differs while the module is probed.")
    run = 0
    try:
        for purpose in purposes:
            Onlookers.differing.clear()
            run += certification.runner.step(purpose).verdict not in (Verdict.NA, Verdict.NOTRUN)
            for name in Onlookers.differing:
                out[name].append(purpose)
    finally:
        certification.runner.close()
    return out, run


def meet(witness: str, profile: str, purposes: Sequence[Purpose]) -> Finding:
    """What a witness's own scenario says of it on a profile, and which of these tests fail it."""
    kind = _KINDS[witness]
    (own,) = select(Role.MODULE, Plan.CERT, kind.selection)
    certification = begin(uri_of(witness, profile), _OPTIONS)
    try:
        result = certification.runner.step(own)
        killed = [p.id for p in purposes if certification.runner.step(p).verdict is Verdict.FAIL]
    finally:
        certification.runner.close()
    failed = result.verdict is Verdict.FAIL
    charged = (result.charged or result.requirements) if failed else ()
    return Finding(witness, profile, own.id, failed, charged, tuple(p.id for p in purposes), tuple(killed))


def measure(profile: str, witnesses: Iterable[str] = ()) -> tuple[list[Finding], int]:
    """Both runs on a profile, and how many tests the first had; without `witnesses`, for all whose scenario shows
    them there."""
    differing, run = look_on(profile, made_by_machine())
    chosen = list(witnesses) or [k.__name__ for k in witnesses_journeys.ALL]
    found = [meet(name, profile, differing.get(name, [])) for name in chosen]
    return [f for f in found if f.failed], run


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def main(profiles: Sequence[str]) -> int:
    """Measure on these profiles, by default on all, and write down what was found. 1 if a generated test kills."""
    known = list(catalogue().profile)
    if unknown := [p for p in profiles if p not in known]:
        sys.stderr.write(f"There is no profile {unknown[0]!r}; there are {', '.join(known)}.\n")
        return 2
    for profile in profiles or known:
        found, run = measure(profile)
        before = recorded() if RECORD.exists() else Record("", {}, ())
        kept = [f for f in before.findings if f.profile != profile]
        findings = tuple(sorted((*kept, *found), key=lambda f: (f.witness, known.index(f.profile))))
        record = Record(catalogue().fingerprint, before.tests | {profile: run}, findings)
        RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
        for f in (f for f in found if f.killed):
            sys.stdout.write(f"{profile}: {f.witness} is killed by {', '.join(f.killed[:3])}\n")
        sys.stdout.write(f"{profile}: {run} generated tests, {len(found)} witnesses\n")
        sys.stdout.flush()
    return any(f.killed for f in recorded().findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
