"""Shared libraries: an implementation behind the table of functions in `opal_iut.h`.

    cabi:./libmodule.so

The library is loaded into a process of its own and never into this one: a small runner in C, which is compiled when
it is first needed and kept in the user's cache. So a library that crashes is an implementation that crashed, one that
prints pollutes nothing, and one that hangs can be ended.

Plan: the runner · the channel.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from opalink.protocol.transport.channel import ProcessChannel
from opalink.protocol.transport.errors import Unreachable, UriError

# ── The runner ───────────────────────────────────────────────────────────────────────────────────────

_HERE: Final = Path(__file__).parent
_CODEC: Final = _HERE.parent / "c99"
HEADERS: Final = (_HERE / "opal_iut.h", _HERE / "opal_bench.h", _CODEC / "opal.h")
BENCH: Final = (_HERE / "opal_bench.c", _CODEC / "opal.c")  # what a program in C is compiled with
_RUNNER: Final = (_HERE / "opal_runner.c", *BENCH)
_OPTIONS: Final = ("-std=c99", "-O0")  # its own work is small, and somebody waits for the compiler
_LONGEST: Final = 300.0  # seconds that compiling may take


def compiler() -> list[str]:
    """The command that compiles C: what the variable CC says, or what the system has. Raises Unreachable."""
    if said := shlex.split(os.environ.get("CC", "")):
        return said
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if found is None:
        raise Unreachable("cabi: needs a C compiler to build its runner: install one, or name it in CC.")
    return [found]


def cache() -> Path:
    """The folder of what we keep for the user: in that of XDG's Base Directory Specification."""
    said = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(said) if Path(said).is_absolute() else Path("~/.cache").expanduser()) / "opalink"


def runner() -> Path:
    """The runner, compiled from the sources of this version if it has not been. Raises Unreachable."""
    command = [*compiler(), *_OPTIONS, "-I", str(_HERE), "-I", str(_CODEC)]
    digest = hashlib.sha256("\0".join(command).encode())
    for path in (*HEADERS, *_RUNNER):
        digest.update(path.read_bytes())
    made = cache() / f"opal_runner-{digest.hexdigest()[:16]}"
    if made.is_file():
        return made
    try:
        made.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:  # so that nobody starts half a program
            new = Path(folder) / made.name
            _compile([*command, "-o", str(new), *map(str, _RUNNER), "-ldl"])
            new.replace(made)
    except OSError as error:
        raise Unreachable(f"The runner cannot be kept in {made.parent}: {error.strerror}.") from None
    return made


def _compile(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_LONGEST,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise Unreachable(f"The C compiler {command[0]} cannot be started: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise Unreachable(f"The C compiler {command[0]} has not ended within {_LONGEST:g} s.") from None
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), f"exit status {done.returncode}")
        raise Unreachable(f"The runner cannot be compiled with {command[0]}: {said}.", done.stderr)


# ── The channel ──────────────────────────────────────────────────────────────────────────────────────


def library_path(rest: str) -> str:
    """What stands after `cabi:`. Raises UriError."""
    if not rest or "\0" in rest:
        raise UriError(f"cabi:{rest} must name a shared library, as in cabi:./libmodule.so.")
    return rest


def open_library(rest: str, patience: float) -> ProcessChannel:
    """A process that serves a library. Raises Unreachable for what is no implementation."""
    path = Path(rest).absolute()  # the loader would look elsewhere for a mere name
    if not path.is_file():
        raise Unreachable(f"There is no library at {path}.")
    program = str(runner())
    _check([program, "--check", str(path)], patience)
    return ProcessChannel([program, str(path)], patience)


def _check(command: list[str], patience: float) -> None:
    """Load the library once and let it go. What it prints meanwhile is not kept but for its end."""
    with ProcessChannel(command, patience) as check:
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0 and check.receive(left):
            pass
        evidence = check.evidence()
    fate, _, said = evidence.partition("\n")
    if fate == "exit status 2":  # the runner's own sentence
        raise Unreachable((said.splitlines() or [fate])[-1], evidence)
    if fate != "exit status 0":
        raise Unreachable(f"The library {command[-1]} does not come to life: {fate}.", evidence)
