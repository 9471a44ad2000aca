"""Back end: the part of the C codec that is the same for every catalogue, which is written in C beside this module.

The straight lines of the codec only find out that something is wrong. What it is, `opal_walk` says: it reads the
same bytes once more by the tables, in wire order, and stops at the first violation. It is also how a record with
lists inside a TLV is checked without room to put them in. So a good packet pays nothing for precise errors, and what
is smallest in a firmware is also what is read twice.

Of `library.c` only the functions that are used are written: one that nobody calls is a warning.

Plan: files · functions.
"""

import re
from functools import cache
from pathlib import Path

# ── Files ────────────────────────────────────────────────────────────────────────────────────────────


@cache
def template(name: str) -> str:
    """A file that is written by hand."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


# ── Functions ────────────────────────────────────────────────────────────────────────────────────────

# A definition's last line, and its name: the last thing before its arguments and its body.
_END = re.compile(r"(?<=^}\n)\n", re.MULTILINE)
_NAME = re.compile(r"^\w[^;{}]*?\b(opal_\w+)\([^;{}]*\)\n\{", re.MULTILINE)


@cache
def functions() -> dict[str, str]:
    """Names of functions and what they consist of, each before its first use."""
    found = {}
    for piece in _END.split(template("library.c")):
        name = _NAME.search(piece)
        assert name, piece
        found[name[1]] = piece
    return found


def used(code: str, defined: str = "") -> str:
    """The functions that some code calls, those that they call, and those that the header promises."""
    wanted: set[str] = set()
    text = code + defined
    while new := {name for name in functions() if name not in wanted and f"{name}(" in text}:
        wanted |= new
        text += "".join(functions()[name] for name in new)
    return "\n".join(body for name, body in functions().items() if name in wanted)
