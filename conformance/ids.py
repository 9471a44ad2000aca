"""The lock of test IDs: each line gives an ID or retires it, and no line is ever changed or taken out.

An ID is a promise to whoever waives, cites or compares a test: it means the same for ever. A test that is taken out is
retired by a further line; if it comes back, it comes back under its old ID, by one more. `python -m` with the name of
this module appends what is new.

Plan: the file · what holds · what is new.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from opalink.conformance.selection import purposes
from opalink.spec.form import Role

# ── The file ─────────────────────────────────────────────────────────────────────────────────────────

LOCK: Final = Path(__file__).with_name("ids.lock")
RETIRED: Final = "retired "  # before the ID, in a line that retires it


def read() -> tuple[str, ...]:
    """The lines of the lock; none where there is no lock yet."""
    return tuple(LOCK.read_text(encoding="utf-8").splitlines()) if LOCK.exists() else ()


# ── What holds ───────────────────────────────────────────────────────────────────────────────────────


def in_force(lines: Iterable[str]) -> frozenset[str]:
    """The IDs that are given and not retired. Raises ValueError for a line that says nothing new."""
    given: set[str] = set()
    for line in lines:
        id_ = line.removeprefix(RETIRED)
        if (id_ in given) is (line == id_):
            raise ValueError(f"the lock of test IDs says twice what became of {id_}")
        given.symmetric_difference_update({id_})
    return frozenset(given)


def current() -> frozenset[str]:
    """The IDs of every test purpose there is, of either role."""
    return frozenset(p.id for role in (Role.MODULE, Role.PHONE) for p in purposes(role))


# ── What is new ──────────────────────────────────────────────────────────────────────────────────────


def extended(lines: Sequence[str], now: frozenset[str]) -> tuple[str, ...]:
    """The lock after which just the IDs of `now` are in force: what was there, and lines behind it."""
    before = in_force(lines)
    return (*lines, *sorted(now - before), *(RETIRED + id_ for id_ in sorted(before - now)))


if __name__ == "__main__":
    LOCK.write_text("\n".join(extended(read(), current())) + "\n", encoding="utf-8")
