"""A copy of the checkout in which something more is declared, and what Python says there: for tests of what follows
from a declaration alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("spec", "protocol", "conformance", "fuzz", "docs")


def run(checkout: Path, *args: str) -> str:
    """What Python prints in a copy, where it finds the copy's packages before any that are installed."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, *args]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def opalink(checkout: Path, *args: str) -> str:
    return run(checkout, "-m", "opalink", *args)


def declared(folder: Path, declare: Callable[[Path], None]) -> Path:
    """A copy in which `declare` has changed the folder of the declarations, and `generate all` everything else. No
    module of the copy but that of `declare` and those that are generated differs from the original."""
    without = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=without)
    shutil.copytree(ROOT / "opalink", folder / "opalink", symlinks=True, ignore=without)
    declare(folder / "spec")
    before = _written(folder)
    assert f"wrote {folder}" in opalink(folder, "generate", "all")
    assert _written(folder) == before  # nothing had to be edited, nor was
    return folder


def _written(checkout: Path) -> dict[Path, bytes]:
    """Every module that is not generated."""
    found = (p for name in FOLDERS for p in (checkout / name).rglob("*.py"))
    return {p: p.read_bytes() for p in found if "packets" not in p.parts}
