"""What can be wrong with a declaration: one number each, and the exception that carries it."""

from typing import Final

DIAGNOSTICS: Final = {
    "W01": "A body is something other than a Struct that refuses what is left over.",
    "W02": "A part of a body is not a field of the dialect.",
    "W03": "A transformation is not a group of bits that fills a little-endian word of 8, 16 or 32.",
    "W04": "Something that is no number stands in a group of bits.",
    "W05": "An integer is of a kind that the dialect does not have.",
    "W06": "One name stands for two declarations.",
    "W07": "An envelope is not a fixed header, a payload of known length and a CRC.",
    "W08": "A TLV space contains itself, so that TLVs could nest without end.",
    "W09": "A new sentence takes the number of one that was retired.",
}


class SpecError(Exception):
    """A declaration outside the dialect. `code` is a number of DIAGNOSTICS, `where` the path of the declaration."""

    def __init__(self, code: str, where: str, detail: str) -> None:
        super().__init__(f"{code} {where}: {detail}")
        self.code, self.where, self.detail = code, where, detail
