"""The back ends by name, and the writing and checking of what they make.

A back end is a function from the catalogue to files: name → bytes, the same bytes on every machine. Those that
belong into the checkout have a folder; `opalink generate NAME OUT` writes any of them anywhere.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from opalink.protocol.ir.load import EXPORT, declared, lock_path
from opalink.protocol.ir.lock import text_of
from opalink.protocol.ir.model import Catalogue

Files = dict[str, bytes]


class Backend(Struct, frozen=True):
    """`folder` is the sub-package, or the folder of the checkout, whose files it owns."""

    name: str
    doc: str
    make: Callable[[Catalogue], Files]
    folder: str


def _python(catalogue: Catalogue) -> Files:
    from opalink.protocol.generate.python_module import modules

    return {name: text.encode() for name, text in modules(catalogue).items()}


def _export(catalogue: Catalogue) -> Files:
    return {EXPORT: catalogue.to_json()}


def _vectors(catalogue: Catalogue) -> Files:
    from opalink.protocol.generate.vectors import files

    return files(catalogue)


def _picture(catalogue: Catalogue) -> Files:
    from opalink.protocol.generate.picture import files

    return files(catalogue)


def _promela(catalogue: Catalogue) -> Files:
    from opalink.protocol.generate.promela import files

    return files(catalogue)


BACKENDS = {
    b.name: b
    for b in (
        Backend("python", "frozen value classes and a straight-line codec", _python, "opalink.protocol.packets"),
        Backend("json", "the canonical export", _export, "opalink.protocol.exports"),
        Backend("vectors", "positive and negative samples of every packet", _vectors, "opalink.protocol.exports"),
        Backend("picture", "one picture of the protocol", _picture, "docs/_generated"),
        Backend("promela", "models of the machines for the checker spin", _promela, "docs/_generated"),
    )
}


KEPT = ("__init__.py", "requirements.lock")  # beside generated files


def _folder(place: str) -> Path:
    """A package's folder, found without importing it (it may be what is to be repaired); or one of the checkout."""
    if "/" in place:
        root = find_spec("opalink")
        assert root is not None
        assert root.submodule_search_locations
        return Path(next(iter(root.submodule_search_locations))).parent / place
    found = find_spec(place)
    assert found is not None
    assert found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations)))


def made(backend: str, folder: Path) -> dict[Path, bytes]:
    """What one back end makes of the catalogue as declared, for a folder."""
    catalogue, _ = declared()
    return {folder / name: data for name, data in BACKENDS[backend].make(catalogue).items()}


def everything() -> dict[Path, bytes]:
    """Every generated file of the checkout with its content; the lock too."""
    catalogue, entries = declared()
    out: dict[Path, bytes] = {lock_path(): text_of(entries)}
    for backend in BACKENDS.values():
        folder = _folder(backend.folder)
        out |= {folder / name: data for name, data in backend.make(catalogue).items()}
    return out


def stale(files: dict[Path, bytes]) -> list[Path]:
    """The files that are missing or differ."""
    return sorted(path for path, data in files.items() if not path.exists() or path.read_bytes() != data)


def leftovers(files: dict[Path, bytes]) -> list[Path]:
    """Files beside those of `everything` that no back end makes any more."""
    folders = {path.parent for path in files if path != lock_path()}
    return sorted(p for folder in folders for p in folder.glob("*.*") if p not in files and p.name not in KEPT)


def write(files: dict[Path, bytes], changed: list[Path]) -> None:
    """Write those of the files that have changed, and remove what is not among them."""
    for path in changed:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[path])
        else:
            path.unlink()
