"""The codec as a package of chapters is the codec as one module, and is the same in every process."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from opalink.protocol.generate.python.module import modules
from tests.differential.agreement import Module
from tests.differential.dice import Dice
from tests.differential.random_schemas import Schema, random_schema
from tests.differential.trial import cases, differences

FIRST, LAST = 2000, 2012


def imported(schema: Schema, folder: Path, name: str) -> Module:
    """The package written under another name, and everything that its modules define."""
    (folder / name).mkdir()
    for file, text in modules(schema.catalogue).items():
        (folder / name / file).write_text(text.replace("opalink.protocol.packets", name), encoding="utf-8")
    found: Module = {}
    for path in sorted((folder / name).glob("*.py")):
        found |= vars(importlib.import_module(name if path.stem == "__init__" else f"{name}.{path.stem}"))
    return found


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_chapters_import_what_they_need(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    dice = Dice.seeded(seed)
    schema = random_schema(dice)
    module = imported(schema, tmp_path, f"chapters_{seed}")
    assert next(differences(cases(dice, schema, 1), module), None) is None


def test_the_text_does_not_depend_on_the_process() -> None:
    program = (
        "import hashlib; from opalink.protocol.generate.python.module import modules;"
        "from opalink.protocol.ir.load import catalogue;"
        "print(hashlib.sha256(repr(sorted(modules(catalogue()).items())).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
