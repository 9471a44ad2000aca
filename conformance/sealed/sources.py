"""Which suite this is: one digest over all that makes a verdict."""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import opalink
from opalink.protocol.ir.load import catalogue

_ROOT: Final = Path(str(files(opalink.__name__)))
_PARTS: Final = (("conformance", "*.py"), ("conformance/walks/stored", "*.json"), ("protocol", "*.py"))


def parts() -> Iterator[Path]:
    """The sources of suite and engine, in an order that is the same everywhere."""
    for package, pattern in _PARTS:
        yield from sorted((_ROOT / package).rglob(pattern))


@cache
def digest() -> str:
    """SHA-256 over the sources, with their names, and the catalogue, as they are when it is first asked for."""
    out = hashlib.sha256(catalogue().fingerprint.encode())
    for source in parts():
        data = source.read_bytes()
        out.update(f"{source.relative_to(_ROOT).as_posix()} {len(data)}\n".encode())
        out.update(data)
    return out.hexdigest()
