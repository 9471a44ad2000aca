"""The lock: permanent IDs for requirements, in a file that only grows.

Each line gives an ID its key and the digest of its sentence. A sentence that changed gets a further line with
the next revision; one that is gone gets a line that retires it; an ID is never given twice. The last line of an
ID is the one in force.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from opalink.protocol.ir.diagnostics import SpecError
from opalink.protocol.ir.model import Catalogue
from opalink.protocol.ir.obligations import area_of, obligations
from opalink.spec.form import Requirement

FIRST_GENERATED = 100  # numbers below are given by hand


class Entry(Struct, frozen=True, omit_defaults=True):
    """A line of the lock. `key` is empty for a sentence written by hand."""

    id: str
    rev: int
    digest: str
    key: str = ""
    retired: bool = False


def digest(text: str) -> str:
    """Of the sentence with its spaces normalised: 16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def read(path: Path) -> list[Entry]:
    """The lines of a lock; raises msgspec.ValidationError for anything else."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Entry) for line in path.read_bytes().splitlines() if line]


def text_of(entries: Iterable[Entry]) -> bytes:
    return b"".join(msgspec.json.encode(e) + b"\n" for e in entries)


def locked(catalogue: Catalogue, entries: list[Entry]) -> tuple[Catalogue, list[Entry]]:
    """The catalogue with its generated requirements under their IDs, and the lock with the lines that this adds."""
    known = {e.key: e.id for e in entries if e.key}
    taken = {e.id for e in entries}
    added: list[Entry] = []
    requirements = list(catalogue.requirements)
    following: dict[str, int] = {}
    for made in obligations(catalogue):
        area = area_of(catalogue, made)
        if made.key not in known:
            n = following.get(area, FIRST_GENERATED)
            while (new := f"R-{area}-{n:03}") in taken:
                n += 1
            following[area] = n + 1
            known[made.key] = new
            taken.add(new)
        requirements.append(structs.replace(made, id=known[made.key]))
    last = {e.id: e for e in entries}
    for r in requirements:
        old, now = last.get(r.id), digest(r.text)
        if old and old.retired and not r.key and old.digest != now:
            raise SpecError("W09", r.id, "was retired, and stands for its old sentence for ever: take another number")
        if old is None or old.retired or old.digest != now:
            added.append(Entry(r.id, old.rev + 1 if old else 1, now, r.key))
    present = {r.id for r in requirements}
    gone = [e for e in last.values() if e.id not in present and not e.retired]
    added += [Entry(e.id, e.rev + 1, e.digest, e.key, True) for e in gone]
    return structs.replace(catalogue, requirements=tuple(_sorted(requirements))), entries + added


def _sorted(requirements: list[Requirement]) -> list[Requirement]:
    return sorted(requirements, key=lambda r: (r.id.rsplit("-", 1)[0], int(r.id.rsplit("-", 1)[1])))
