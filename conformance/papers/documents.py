"""Files that people write for the suite, in TOML: read whole, and what is wrong with one in one sentence.

Plan: the error · text · shapes.
"""

import tomllib
from pathlib import Path
from typing import ClassVar, TypeVar

import msgspec

from opalink.conformance.verdicts import Exit

# ── The error ────────────────────────────────────────────────────────────────────────────────────────


class DocumentError(ValueError):
    """A file that cannot be used, in one sentence; `exit` is the exit code that says so."""

    usual: ClassVar[Exit] = Exit.USAGE

    def __init__(self, text: str, code: Exit | None = None) -> None:
        super().__init__(text)
        self.exit = self.usual if code is None else code


# ── Text ─────────────────────────────────────────────────────────────────────────────────────────────


def text_of(path: Path, what: str, error: type[DocumentError]) -> str:
    """The text of a file, which is `what`: "PICS". Raises `error`, with exit code 5 where there is nothing to read."""
    try:
        data = path.read_bytes()
    except OSError as gone:
        raise error(f"The {what} {str(path)!r} cannot be read: {gone.strerror}.", Exit.NOTHING_RAN) from None
    if not data.strip():
        raise error(f"The {what} {str(path)!r} is empty.", Exit.NOTHING_RAN)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise error(f"The {what} {str(path)!r} is not UTF-8.") from None


# ── Shapes ───────────────────────────────────────────────────────────────────────────────────────────

T = TypeVar("T")


def shaped(text: str, what: str, shape: type[T], error: type[DocumentError]) -> T:
    """A TOML text as a value of a shape. Raises `error`."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as wrong:
        raise error(f"The {what} is no TOML: {wrong}.") from None
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as wrong:
        raise error(f"The {what} cannot be used: {wrong}.") from None
