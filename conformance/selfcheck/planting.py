"""A process of its own for one mutant of code: a module of ours with another source than on disk, and some tests.

    python -P planting.py < {"name": …, "source": …, "tests": […]}

It is run by its path, so that no package of ours is imported before the mistake is planted: whatever had the module by
then would have it without.

Plan: the finder · planting · the process.
"""

import json
import resource
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

MEMORY: Final = 3 << 30  # bytes of address space; a mistake may fill whatever there is

# ── The finder ───────────────────────────────────────────────────────────────────────────────────────


class _Planted(InspectLoader):
    """Loads one source."""

    def __init__(self, path: str, source: str) -> None:
        self._path, self._source = path, source

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        return self._source

    def exec_module(self, module: ModuleType) -> None:
        exec(self.source_to_code(self._source, self._path), module.__dict__)  # noqa: S102 - ours, but for one mistake


class _Finder(MetaPathFinder):
    """Finds one module, where it stands, with a source of its own."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        return ModuleSpec(fullname, _Planted(found.origin, self._source), origin=found.origin)


# ── Planting ─────────────────────────────────────────────────────────────────────────────────────────


def plant(name: str, source: str) -> None:
    """From now on, what imports the module `name` gets this source. Raises ImportError if it was imported already."""
    if name in sys.modules:
        raise ImportError(f"{name} was imported before its mistake could be planted.")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.meta_path.insert(0, _Finder(name, source))


# ── The process ──────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Plant what standard input says, meet the tests, and print what came of it as JSON."""
    task = json.load(sys.stdin)
    plant(task["name"], task["source"])
    from opalink.conformance.selfcheck.mutants_code import meet

    print(json.dumps(meet(task["tests"])))  # noqa: T201


if __name__ == "__main__":
    main()
