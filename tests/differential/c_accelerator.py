"""The accelerator beside the codec in Python: built from generated files, loaded, and held against it.

`python -m tests.differential.c_accelerator --inputs 1000000` reads packets of every message, legal and not, by both:
the same value, of the same classes down to each number, or the same error; and writes what was accepted by both.

Plan: building · what a call says · the run.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from opalink.protocol.errors import DecodeError, EncodeError
from opalink.protocol.generate.c import EXTENSION, files
from opalink.protocol.generate.c.extension import NAME
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import codec
from tests.differential.c import inputs
from tests.differential.c_driver import CC, stored

INCLUDE = Path(sysconfig.get_paths()["include"])
BUILDS = CC is not None and (INCLUDE / "Python.h").exists()
WITHOUT = "no C compiler, or no header of Python, is installed"

# ── Building ─────────────────────────────────────────────────────────────────────────────────────────


def built(sources: dict[str, bytes], flags: Sequence[str] = ("-O1", "-Wall", "-Wextra", "-Werror")) -> Path:
    """The shared library of an extension, unless it was made before. Raises AssertionError with what the compiler
    says."""

    def make(folder: Path) -> None:
        for name, data in sources.items():
            (folder / name).write_bytes(data)
        command = [str(CC), "-std=c99", "-shared", "-fPIC", *flags, f"-I{INCLUDE}", EXTENSION, "-o", "made.so"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:4000]

    key = "\0".join([sys.version, *flags, *(x.decode() for x in sources.values())])
    return stored(key, "made.so", make)


def loaded(library: Path) -> ModuleType:
    """A copy of the extension, which asks for the functions of the codec in Python now."""
    with tempfile.TemporaryDirectory() as folder:  # one file is one module to the loader, however often it is loaded
        copy = shutil.copy(library, folder)
        spec = spec_from_file_location(NAME, copy, loader=ExtensionFileLoader(NAME, copy))
        assert spec
        assert spec.loader
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


# ── What a call says ─────────────────────────────────────────────────────────────────────────────────


def told(value: Any) -> Any:
    """A value with the class of everything in it."""
    if fields := getattr(value, "__struct_fields__", None):
        return (type(value), *(told(getattr(value, name)) for name in fields))
    if isinstance(value, tuple | list):
        return (type(value), *map(told, value))
    return type(value), bytes(value) if isinstance(value, memoryview) else value


def outcome(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a call returns or raises, in a form that can be compared."""
    try:
        return told(function(*arguments, **options))
    except DecodeError as error:
        return "refused", error.args, error.path, error.value, told(error.packet)
    except EncodeError as error:
        return "refused", error.path, error.detail
    except Exception as error:  # noqa: BLE001 (whatever it is, it has to be the same)
        return type(error), str(error)


def differences(native: Any, python: Any, data: Any, name: str = "Packet", **options: Any) -> Iterator[str]:
    """Where the two make something else of bytes, or of the value that Python finds in them."""
    want = outcome(decode := getattr(python, f"decode_{name}"), data, **options)
    if (found := outcome(getattr(native, f"decode_{name}"), data, **options)) != want:
        yield f"{bytes(data).hex()}: {want} became {found}"
    elif want[0] != "refused":
        value = decode(data, **options)
        want = outcome(getattr(python, f"encode_{name}"), value, **options)
        if (found := outcome(getattr(native, f"encode_{name}"), value, **options)) != want:
            yield f"{value}: {want} became {found}"


# ── The run ──────────────────────────────────────────────────────────────────────────────────────────


@click.command(help=__doc__)
@click.option("--inputs", "count", default=100_000, show_default=True, help="How many.")
@click.option("--seed", default=0, show_default=True, help="Of the inputs.")
def main(count: int, seed: int) -> None:
    c = catalogue()
    native = loaded(built(files(c)))
    wrong = 0
    for i, (message, data) in enumerate(islice(inputs(c, seed), count)):
        for difference in differences(native, codec, data, crc=i % 16 != 0):
            wrong += 1
            click.echo(f"{message} {difference}"[:2000])
    click.echo(f"{count:,} inputs, {wrong} differences")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
