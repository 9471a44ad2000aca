"""What can be wrong with a declaration: one number each, and the exception that carries it."""

from typing import Final

DIAGNOSTICS: Final = {
    "W01": "A body is something other than a Struct.",
    "W02": "A part of a body is not a field of the dialect.",
    "W03": "A transformation is not a group of bits.",
    "W04": "Something that is no number stands in a group of bits.",
    "W05": "An integer is of a kind that the dialect does not have.",
    "W06": "One name stands for two declarations.",
    "W07": "An envelope has parts beside header, payload and CRC.",
}


class SpecError(Exception):
    """A declaration outside the dialect. `code` is a number of DIAGNOSTICS, `where` the path of the declaration."""

    def __init__(self, code: str, where: str, detail: str) -> None:
        super().__init__(f"{code} {where}: {detail}")
        self.code, self.where, self.detail = code, where, detail
