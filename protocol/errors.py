"""The one taxonomy of codec errors, shared by every back end.

A decoder reports the first violation in wire order; an envelope's CRC comes before everything that it covers,
because nothing in a damaged packet can be believed.
"""

from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """The classes of what a decoder refuses."""

    SHORT = "short"  # bytes are missing
    LONG = "long"  # bytes are left over
    CONST = "const"  # a field that has one legal value has another
    RANGE = "range"  # a number outside its range
    CAP = "cap"  # a list, counted bytes or raw data of an illegal length
    CRC = "crc"  # the check does not match


class DecodeError(Exception):
    """The peer's fault: bytes that are not what they should be.

    `path` names the field ("offers[2].min"), `offset` its place in the bytes given to the decoder, `value` what was
    found. Where the header of a packet could be read, `packet` holds it, with its payload undecoded."""

    def __init__(self, fault: Fault, path: str, offset: int, detail: str, value: int | None = None) -> None:
        super().__init__(fault, path, offset, detail)
        self.fault, self.path, self.offset, self.detail, self.value = fault, path, offset, detail, value
        self.packet: Any = None

    def under(self, parent: str) -> "DecodeError":
        """The same error, seen from the layout around it."""
        self.path = f"{parent}.{self.path}" if self.path else parent
        return self

    def __str__(self) -> str:
        return f"{self.path or 'data'} at offset {self.offset}: {self.detail}"


class EncodeError(ValueError):
    """The caller's fault: a value that has no encoding. `path` names the field."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail

    def under(self, parent: str) -> "EncodeError":
        self.path = f"{parent}.{self.path}" if self.path else parent
        return self

    def __str__(self) -> str:
        return f"{self.path or 'value'}: {self.detail}"
