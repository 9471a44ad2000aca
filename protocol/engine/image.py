"""What stands for the firmware of an endpoint of ours.

Plan: the digest.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from opalink.protocol.ir.load import catalogue


@cache
def image_digest() -> bytes:
    """SHA-256 of what runs: the catalogue and the code of the engine."""
    digest = hashlib.sha256(catalogue().fingerprint.encode())
    for name in ("opalink.protocol.engine", "opalink.protocol.packets"):
        for file in _sources(files(name)):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def _sources(folder: Traversable) -> Iterator[Traversable]:
    for item in sorted(folder.iterdir(), key=lambda f: f.name):
        if item.is_dir():
            yield from _sources(item)
        elif item.name.endswith(".py"):
            yield item
