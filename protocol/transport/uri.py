"""Where an implementation is: URIs and what opens them.

    tcp:host:port            a server; IPv6 in brackets
    unix:/path               a server on a UNIX socket
    stdio:command            a program, spoken to over its standard input and output
    serial:/dev/tty?baud=n   a serial line
    pty:                     a serial line that is made for a program on this host to open
    cabi:./lib.so            a shared library with the functions of opal_iut.h, in a process of its own
    py:package.module:name   a callable that makes an endpoint, run in this process, or a class of channels
    sim:profile              the bundled reference module, in a process of its own

Further kinds come from the entry-point group `opalink.iut`: the name is the kind, the object a callable that takes
what stands after the colon and returns a `Channel`.

Plan: the URI · the kinds · parts of URIs.
"""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Self

from opalink.protocol.transport.channel import PATIENCE, Channel, ProcessChannel, connect
from opalink.protocol.transport.errors import Unreachable, UriError
from opalink.protocol.transport.library import library_path, open_library
from opalink.protocol.transport.local import LocalChannel
from opalink.protocol.transport.serial_line import Line, PtyChannel, SerialChannel, link_path

ENTRY_POINTS: Final = "opalink.iut"
UNIX_PATH: Final = 107  # bytes that a socket's address holds


@dataclass(frozen=True)
class IutUri:
    """The URI of an implementation under test. `rest` is what stands after the kind."""

    kind: str
    rest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UriError where the text can name nothing."""
        kind, colon, rest = text.partition(":")
        if not colon:
            raise UriError(f"{text!r} is no URI of an implementation: it has no kind, such as tcp: or stdio:.")
        if kind in _KINDS:
            _KINDS[kind].check(rest)
        elif not entry_points(group=ENTRY_POINTS, name=kind):
            known = sorted({*_KINDS, *(e.name for e in entry_points(group=ENTRY_POINTS))})
            raise UriError(f"{text!r} is of an unknown kind; known are {', '.join(known)}.")
        return cls(kind, rest)

    def __str__(self) -> str:
        return f"{self.kind}:{self.rest}"

    def open(self, patience: float = PATIENCE) -> Channel:
        """A channel to the implementation. Raises Unreachable."""
        if self.kind in _KINDS:
            return _KINDS[self.kind].open(self.rest, patience)
        (entry, *_) = entry_points(group=ENTRY_POINTS, name=self.kind)
        channel = entry.load()(self.rest)
        if not isinstance(channel, Channel):
            raise Unreachable(f"The plug-in {entry.value} for {self.kind}: made no channel.")
        return channel


# ── The kinds ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Kind:
    check: Callable[[str], Any]
    open: Callable[[str, float], Channel]


def _sim(profile: str, patience: float) -> Channel:
    command = [sys.executable, "-m", "opalink", "module", "serve", profile, "--listen", "stdio:"]
    return ProcessChannel(command, patience)


def _py(rest: str, _: float) -> Channel:
    make: Any = factory(rest)
    if isinstance(make, type) and issubclass(make, Channel):
        return make()
    return LocalChannel(make)


# ── Parts of URIs ────────────────────────────────────────────────────────────────────────────────────


def tcp_address(rest: str) -> tuple[str, int]:
    """Host and port of `host:port`."""
    host, colon, port = rest.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UriError(f"tcp:{rest} is ambiguous: an IPv6 address stands in brackets.")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UriError(f"tcp:{rest} must name a host and a port, as in tcp:localhost:7000.")
    return host, int(port)


def unix_path(rest: str) -> str:
    if not rest or "\0" in rest or len(rest.encode(errors="surrogateescape")) > UNIX_PATH:
        raise UriError(f"unix:{rest} must name a path of 1 to {UNIX_PATH} bytes.")
    return rest


def command_line(rest: str) -> list[str]:
    """A command, split as a shell would, without a shell."""
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise UriError(f"stdio:{rest} is no command: {error}.") from None
    if not words:
        raise UriError("stdio: must name a command, as in stdio:./module --verbose.")
    return words


def profile_name(rest: str) -> str:
    if not rest or rest.startswith("-"):
        raise UriError(f"sim:{rest} must name a profile, as in sim:four-thirds.")
    return rest


def object_path(rest: str) -> tuple[str, str]:
    """Module and name of `package.module:name`."""
    module, _, name = rest.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise UriError(f"py:{rest} must name a module and a callable in it, as in py:acme.module:make.")
    return module, name


def factory(rest: str) -> Callable[[], Any]:
    """The callable that `package.module:name` names. The current directory is searched too, as by `python -m`."""
    module, name = object_path(rest)
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Unreachable(f"py:{rest} names nothing: {error}.") from None
    if not callable(found):
        raise Unreachable(f"py:{rest} is not callable.")
    made: Callable[[], Any] = found
    return made


_KINDS: Final = {
    "tcp": _Kind(tcp_address, lambda rest, patience: connect(tcp_address(rest), patience)),
    "unix": _Kind(unix_path, lambda rest, patience: connect(unix_path(rest), patience)),
    "stdio": _Kind(command_line, lambda rest, patience: ProcessChannel(command_line(rest), patience)),
    "serial": _Kind(Line.parse, lambda rest, patience: SerialChannel(Line.parse(rest), patience)),
    "pty": _Kind(link_path, PtyChannel),
    "cabi": _Kind(library_path, open_library),
    "py": _Kind(object_path, _py),
    "sim": _Kind(profile_name, _sim),
}
