"""PIXIT: what a vendor says of the bench and not of the product: where it is, whose time holds, how it is taken off.

A TOML file. What the implementation's bench does not do itself can be done from outside: by a program, which is given
the operation and its parameters as its last arguments, or by a person, who is asked at the terminal.

    pixit = 1

    [iut]
    uri = "serial:/dev/ttyUSB0?baud=921600"
    clock = "real"
    plane = "packet"
    patience = 5.0                    # seconds of real time for one step

    [operations]
    attach = "python relay.py"        # runs: python relay.py attach
    detach = "python relay.py"
    ring = "prompt"

What is done from outside takes its time: nothing is judged more finely than that.

Plan: the file · reading and writing · programs and persons.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import click
import msgspec
import tomlkit
from msgspec import Meta, Struct, field

from opalink.conformance.bundle.results import Bound
from opalink.conformance.papers.documents import DocumentError, shaped, text_of
from opalink.conformance.planes import Planes
from opalink.protocol.packets import OperationTag, Outcome
from opalink.protocol.transport import IutUri, UriError
from opalink.protocol.transport.bench import Assistant, ClockChoice

# ── The file ─────────────────────────────────────────────────────────────────────────────────────────

PATIENCE: Final = 5.0  # seconds of real time that an implementation may take over one step


class Attached(Struct, frozen=True, forbid_unknown_fields=True):
    """How an implementation is attached."""

    uri: str
    clock: ClockChoice = "auto"
    plane: Planes = "auto"
    patience: Annotated[float, Meta(gt=0, le=3600)] = PATIENCE  # seconds


class Pixit(Struct, frozen=True, forbid_unknown_fields=True):
    """Protocol implementation extra information for testing. `operations` are commands by the operation's name."""

    pixit: Literal[1]
    iut: Attached
    operations: dict[str, str] = field(default_factory=dict)


class PixitError(DocumentError):
    """A PIXIT that cannot be used."""


# ── Reading and writing ──────────────────────────────────────────────────────────────────────────────

PROMPT: Final = "prompt"
_KNOWN: Final = tuple(t.name.lower() for t in OperationTag if t not in (OperationTag.STATE, OperationTag.VERSION))
_TOGETHER: Final = (("attach", "detach"), ("lane_down", "lane_up"))


def load(path: Path) -> Pixit:
    """Read a PIXIT from a file. Raises PixitError, with exit code 5 where there is no file or nothing in it."""
    return read(text_of(path, "PIXIT", PixitError))


def read(text: str) -> Pixit:
    """A PIXIT from its TOML text. Raises PixitError."""
    found = shaped(text, "PIXIT", Pixit, PixitError)
    try:
        IutUri.parse(found.iut.uri)
    except UriError as error:
        raise PixitError(f"The PIXIT cannot be used: {error}") from None
    for name, command in found.operations.items():
        if name not in _KNOWN:
            raise PixitError(f"The PIXIT names an unknown operation {name!r}; known are {', '.join(_KNOWN)}.")
        _words(name, command)
    for one, other in _TOGETHER:
        if (one in found.operations) is not (other in found.operations):
            raise PixitError(f"The PIXIT has {one} or {other} done from outside, and not both.")
    if found.operations and found.iut.clock == "virtual":
        raise PixitError("The PIXIT has operations done from outside, which virtual time does not reach.")
    return found


def _words(name: str, command: str) -> list[str]:
    """The words of a command. Raises PixitError for one that cannot be run here."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise PixitError(f"The PIXIT gives {name} the command {command!r}: {error}.") from None
    if not words or (words != [PROMPT] and shutil.which(words[0]) is None):
        raise PixitError(f"The PIXIT gives {name} the command {command!r}, which cannot be run here.")
    return words


def text(pixit: Pixit) -> str:
    """The TOML text of a PIXIT."""
    return tomlkit.dumps(msgspec.to_builtins(pixit))


def write(uri: str, bound: Bound) -> str:
    """A PIXIT for what was found at a URI, with what its bench does not do itself as a comment to fill in."""
    document = tomlkit.document()
    document.add(tomlkit.comment("How this implementation is attached to its bench; see `opalink certify --help`."))
    document.add("pixit", 1)
    iut = tomlkit.table()
    for name, value, why in (
        ("uri", uri, ""),
        ("clock", "auto", f"auto or {' or '.join(bound.clocks)}"),
        ("plane", "auto", f"auto or {' or '.join(bound.planes)}"),
        ("patience", PATIENCE, "seconds of real time that it may take over one step"),
    ):
        iut.add(name, tomlkit.item(value).comment(why) if why else value)
    document.add("iut", iut)
    operations = tomlkit.table()
    lacking = [name for name in _KNOWN if name not in bound.operations]
    said = "What its bench does not do itself, and a program or a person (prompt) can do:"
    for line in (said if lacking else "Its bench does them all.", *(f'{name} = "{PROMPT}"' for name in lacking)):
        operations.add(tomlkit.comment(line))
    document.add("operations", operations)
    return tomlkit.dumps(document)


# ── Programs and persons ─────────────────────────────────────────────────────────────────────────────

LONGEST: Final = 60.0  # seconds that a program may take


def assistants(pixit: Pixit) -> Mapping[OperationTag, Assistant]:
    """Whoever carries out an operation from outside."""
    return {OperationTag[name.upper()]: _assistant(name, command) for name, command in pixit.operations.items()}


def _assistant(name: str, command: str) -> Assistant:
    words = _words(name, command)

    def program(operation: OperationTag, value: object) -> Outcome:
        try:
            done = subprocess.run([*words, *spoken(operation, value)], timeout=LONGEST, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return Outcome.FAILED
        return Outcome.FAILED if done.returncode else Outcome.DONE

    def person(operation: OperationTag, value: object) -> Outcome:
        click.echo(f"opalink: {' '.join(spoken(operation, value))}; Enter when done, n if not: ", nl=False, err=True)
        line = sys.stdin.readline()
        return Outcome.FAILED if not line or line.strip().lower().startswith("n") else Outcome.DONE

    return person if words == [PROMPT] else program


def spoken(operation: OperationTag, value: object) -> list[str]:
    """An operation and its parameters as words: ["lane_down", "lane=laser"]."""
    names = (n for n in getattr(value, "__struct_fields__", ()) if n != "extensions")
    fields = ((n, getattr(value, n)) for n in names)
    return [operation.name.lower(), *(f"{n}={getattr(v, 'name', v)}".lower() for n, v in fields)]
