"""The back ends by name, and the writing and checking of what they make.

A back end is a module or a folder beside this one, with a function `files` from the catalogue to files: name → bytes,
the same bytes on every machine. Those whose files belong into the checkout say where; `opalink generate NAME OUT`
writes any of them anywhere.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from opalink.protocol.ir.load import declared, lock_path
from opalink.protocol.ir.lock import text_of
from opalink.protocol.ir.model import Catalogue

Files = dict[str, bytes]


class Backend(Struct, frozen=True):
    """`name` is also the module here that has `files`, which makes them. `folder` is the sub-package, or the folder of
    the checkout, whose files it owns; none where they are made when they are needed. One with `profiles` can also make
    what the modules of one profile need."""

    name: str
    doc: str
    folder: str
    profiles: bool = False

    def make(self, catalogue: Catalogue, *profile: str) -> Files:
        """Its files for everything, or for the profile that is named. Its module is loaded only now."""
        files: Callable[..., Files] = import_module(f"opalink.protocol.generate.{self.name}").files
        return files(catalogue, *profile)


BACKENDS = {
    b.name: b
    for b in (
        Backend("python", "frozen value classes and a straight-line codec", "opalink.protocol.packets"),
        Backend("c", "a codec in C99 for firmware: header and source", "opalink.protocol.c99", profiles=True),
        Backend("scapy", "layers for scapy, under its licence", "protocol/scapy/packets"),
        Backend("lua", "a dissector for Wireshark", "opalink.protocol.wireshark"),
        Backend("json", "the canonical export", "opalink.protocol.exports"),
        Backend("ksy", "every layout as Kaitai Struct, to be read in any language", "opalink.protocol.exports"),
        Backend("vectors", "positive and negative samples of every packet", "opalink.protocol.exports"),
        Backend("docs", "the reference pages of the document, for Sphinx", ""),
        Backend("picture", "one picture of the protocol", "docs/_generated"),
        Backend("promela", "models of the machines for the checker spin", "docs/_generated"),
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


def made(backend: str, folder: Path, profile: str = "") -> dict[Path, bytes]:
    """What one back end makes of the catalogue as declared, for a folder. Raises ValueError where there is no such
    profile, or the back end makes no difference between profiles."""
    catalogue, _ = declared()
    chosen = BACKENDS[backend]
    if profile and not chosen.profiles:
        raise ValueError(f"The back end {backend} makes the same for every profile.")
    if profile and profile not in catalogue.profile:
        raise ValueError(f"No profile is called {profile!r}; there are {', '.join(catalogue.profile)}.")
    found = chosen.make(catalogue, *([profile] if profile else []))
    return {folder / name: data for name, data in found.items()}


def everything() -> dict[Path, bytes]:
    """Every generated file of the checkout with its content; the lock too."""
    catalogue, entries = declared()
    out: dict[Path, bytes] = {lock_path(): text_of(entries)}
    for backend in (b for b in BACKENDS.values() if b.folder):
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
