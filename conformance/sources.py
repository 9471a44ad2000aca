"""Which suite this is: one digest over all that makes a verdict."""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import opalink
from opalink.protocol.ir.load import catalogue

_PARTS: Final = (("conformance", "*.py"), ("conformance", "*.json"), ("protocol", "*.py"))


@cache
def digest() -> str:
    """SHA-256 over the sources of suite and engine, with their names, and the catalogue, as they are when it is first
    asked for."""
    out = hashlib.sha256(catalogue().fingerprint.encode())
    root = Path(str(files(opalink.__name__)))
    for package, pattern in _PARTS:
        for source in sorted((root / package).rglob(pattern)):
            data = source.read_bytes()
            out.update(f"{source.relative_to(root).as_posix()} {len(data)}\n".encode())
            out.update(data)
    return out.hexdigest()
