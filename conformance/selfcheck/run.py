"""The run of the self-check: which trials, in how many processes, and what of them is known already.

Every trial leaves a line under the digest of suite, engine and catalogue; a second run does only what has none.

Plan: trials · what is known · the run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from opalink.conformance.purposes import Plan
from opalink.conformance.selection import select
from opalink.conformance.selfcheck.measure import Depth, Fate, Outcome, Part, legal, try_legal, try_member, try_mutant
from opalink.conformance.selfcheck.mutants import mutants
from opalink.conformance.selfcheck.mutants_code import code_mutants, lines, try_code
from opalink.conformance.selfcheck.reach import Reach, kept, survey
from opalink.conformance.zoo import roster as zoo
from opalink.protocol.ir.load import catalogue
from opalink.protocol.transport import BenchError
from opalink.spec.form import Role

LINES: Final = "outcomes.jsonl"

# ── Trials ───────────────────────────────────────────────────────────────────────────────────────────


class Trial(Struct, frozen=True):
    """One thing to be tried: a mutant, a member of the zoo, or what is legal under a seed."""

    id: str
    part: Part
    name: str
    seed: int = 0


class Terms(Struct, frozen=True):
    """What holds for all of them: how deep mutants are tried, the digest, and the folder of lines and records."""

    depth: Depth
    mark: str
    folder: Path


def trials(parts: Sequence[Part], every: int = 1, seeds: int = 1, start: int = 0, only: str = "*") -> list[Trial]:
    """Every nth trial of each part whose ID matches the pattern `only`; `start` makes another sample of it."""
    found = {
        Part.MUTANTS: [Trial(id_, Part.MUTANTS, id_) for id_ in mutants()],
        Part.CODE: [Trial(id_, Part.CODE, id_) for id_ in code_mutants()],
        Part.ZOO: [Trial(f"zoo.{name}", Part.ZOO, name) for name in zoo.members()],
        Part.SEEDS: [Trial(f"seed.{n}.{s}", Part.SEEDS, n, s) for s in range(1, seeds + 1) for n in legal()],
    }
    return [t for part in parts for t in [x for x in found[part] if fnmatchcase(x.id, only)][start::every]]


def attempt(trial: Trial, terms: Terms) -> Outcome:
    """What comes of a trial."""
    match trial.part:
        case Part.MUTANTS:
            return try_mutant(mutants()[trial.name], terms.depth, terms.mark, _records(terms))
        case Part.CODE:
            return try_code(code_mutants()[trial.name], terms.folder, terms.mark)
        case Part.ZOO:
            return try_member(zoo.members()[trial.name], terms.mark)
        case Part.SEEDS:
            return try_legal(trial.name, legal()[trial.name], trial.seed, terms.mark)


@cache
def _records(terms: Terms) -> Mapping[str, Reach]:
    """What was noted of the profiles that mutants are tried on."""
    found = {p.name: kept(p.name, terms.mark, terms.folder) for p in catalogue().profiles}
    return {profile: record for profile, record in found.items() if record is not None}


def note(profile: str, terms: Terms) -> None:
    """Have it in the folder which tests come near which place on a profile."""
    if kept(profile, terms.mark, terms.folder) is None:
        survey(profile, select(Role.MODULE, Plan.CI), terms.mark, terms.folder)


# ── What is known ────────────────────────────────────────────────────────────────────────────────────


def resume(terms: Terms) -> dict[str, Outcome]:
    """What earlier runs found of this very suite: a survivor counts only if it met as much as it would now. A last
    line that was cut off is not one."""
    out: dict[str, Outcome] = {}
    path = terms.folder / LINES
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                found = msgspec.json.decode(line, type=Outcome)
            except msgspec.DecodeError:
                continue
            shallow = found.fate is Fate.SURVIVED and _DEPTHS.index(Depth(found.stage)) < _DEPTHS.index(terms.depth)
            if found.digest == terms.mark and not shallow:
                out[found.id] = found
    return out


_DEPTHS: Final = list(Depth)


# ── The run ──────────────────────────────────────────────────────────────────────────────────────────

Progress = Callable[[Outcome, int, int], None]


def run(chosen: Sequence[Trial], terms: Terms, progress: Progress, jobs: int = 1) -> list[Outcome]:
    """Every trial that has no line yet, in so many processes; returns the outcomes of all, in their order."""
    known = resume(terms)
    left = [t for t in chosen if t.id not in known]
    out = {t.id: known[t.id] for t in chosen if t.id in known}
    terms.folder.mkdir(parents=True, exist_ok=True)
    if terms.depth is Depth.CORPUS:
        profiles = {p.name for t in left if t.part is Part.MUTANTS for p in mutants()[t.name].able}
        for _ in _each(note, sorted(profiles), terms, jobs):
            pass
    if any(t.part is Part.CODE for t in left):
        lines(terms.folder, terms.mark)
    with (terms.folder / LINES).open("ab") as kept_lines:
        for found in _each(attempt, left, terms, jobs):
            kept_lines.write(msgspec.json.encode(found) + b"\n")
            kept_lines.flush()
            out[found.id] = found
            progress(found, len(out), len(chosen))
    return [out[t.id] for t in chosen]


def _each(work: Callable[[Any, Terms], Any], items: Sequence[Any], terms: Terms, jobs: int) -> Iterator[Any]:
    """The results of some work, as they come. Raises BenchError if a process ends before its work."""
    if jobs == 1:
        yield from (work(item, terms) for item in items)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(work, item, terms) for item in items]):
                yield done.result()
        except BrokenProcessPool:
            raise BenchError(
                "A process of the self-check has died; another run goes on where this one ended."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
