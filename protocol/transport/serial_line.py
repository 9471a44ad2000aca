"""Serial lines: one that is there, and one that is made for firmware running on this host.

    serial:/dev/ttyUSB0?baud=921600&flow=rtscts&wait=1.5
    pty:                  makes a pseudo-terminal and says its name on standard error
    pty:/tmp/module       the same, and a link to it at this path

A line has no connection: whoever opens it may find what an earlier tester left behind, or the text of a board that
boots. So what stands on it is thrown away until it has been quiet for a moment, and the first BIND begins anew.
Records are binary, so a line is always raw with 8 data bits, no parity and 1 stop bit.

Plan: what a URI says · a line that is there · a line that is made.
"""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl

from msgspec import Struct

from opalink.protocol.transport.channel import DescriptorChannel
from opalink.protocol.transport.errors import Unreachable, UriError

# ── What a URI says ──────────────────────────────────────────────────────────────────────────────────

BAUD: Final = 115_200  # bits a second, unless the URI says otherwise
_FASTEST: Final = 20_000_000
_LONGEST_WAIT: Final = 60.0  # seconds
_FLOWS: Final = ("none", "rtscts")  # XON and XOFF are bytes of records like any other


class Line(Struct, frozen=True):
    """A serial line: the path of its device, bits a second, flow control, and how many seconds to wait after opening
    it: many boards start anew when it is opened."""

    path: str
    baud: int = BAUD
    flow: str = "none"
    wait: float = 0.0

    @classmethod
    def parse(cls, rest: str) -> Self:
        """What stands after `serial:`. Raises UriError."""
        path, _, query = rest.partition("?")
        if not path or "\0" in path:
            raise UriError(f"serial:{rest} must name a device, as in serial:/dev/ttyUSB0?baud=921600.")
        try:
            options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        except ValueError:
            raise UriError(f"serial:{rest} has options that are not of the form name=value&name=value.") from None
        if unknown := sorted(options.keys() - _OPTIONS):
            raise UriError(f"serial:{rest} has an unknown option {unknown[0]!r}; known are {', '.join(_OPTIONS)}.")
        try:
            made = cls(path, int(options.get("baud", BAUD)), options.get("flow", "none"), float(options.get("wait", 0)))
        except ValueError:
            raise UriError(f"serial:{rest} has an option that is no number.") from None
        if not 0 < made.baud <= _FASTEST:
            raise UriError(f"serial:{rest} must have a baud rate of 1 to {_FASTEST}.")
        if made.flow not in _FLOWS:
            raise UriError(f"serial:{rest} must have one of these kinds of flow control: {', '.join(_FLOWS)}.")
        if not 0 <= made.wait <= _LONGEST_WAIT:
            raise UriError(f"serial:{rest} must wait 0 to {_LONGEST_WAIT:g} seconds.")
        return made


_OPTIONS: Final = tuple(name for name in Line.__struct_fields__ if name != "path")


def link_path(rest: str) -> str:
    """What stands after `pty:`: nothing, or where a link to the pseudo-terminal is to stand. Raises UriError."""
    if "\0" in rest:
        raise UriError(f"pty:{rest!r} must name nothing, or the path of a link.")
    return rest


# ── A line that is there ─────────────────────────────────────────────────────────────────────────────

QUIET: Final = 0.05  # seconds without a byte after which nothing is left of what was before
_SETTLE: Final = 2.0  # seconds to wait for that


class SerialChannel(DescriptorChannel):
    """The tester's end of a serial line. Raises Unreachable."""

    def __init__(self, line: Line, patience: float) -> None:
        self._port = _opened(line)
        fd: int = self._port.fileno()
        _raw(fd)
        super().__init__(fd, fd, patience)
        self._settle(line.wait)

    def _settle(self, wait: float) -> None:
        """Throw away what comes until the line is quiet. One that never is, the binding will judge."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < wait + _SETTLE:
            if self.receive(max(QUIET, wait - passed)) is None or self._ended:
                return

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):  # of a line that was unplugged
            self._port.close()


def _opened(line: Line) -> Any:
    try:
        import serial  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise Unreachable("serial: needs pyserial: pip install 'opalink[serial]'.") from None
    try:
        return serial.Serial(line.path, line.baud, rtscts=line.flow == "rtscts", timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:  # its own exception is an OSError
        number = getattr(error, "errno", None)
        why = os.strerror(number) if number else "it is no serial line, or does not go with these options"
        raise Unreachable(f"The serial line {line.path} cannot be opened: {why}.") from None


def _raw(fd: int) -> None:
    """Every byte as it is, and reading without bytes is no end of file."""
    tty.setraw(fd, termios.TCSANOW)
    attributes = termios.tcgetattr(fd)
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


# ── A line that is made ──────────────────────────────────────────────────────────────────────────────

ATTENDANCE: Final = 60.0  # seconds that an implementation has to open it
_LOOK: Final = 0.01  # seconds between two looks whether it has


class PtyChannel(DescriptorChannel):
    """The tester's end of a pseudo-terminal, whose other end an implementation opens as its serial line. Raises
    Unreachable if none does within `attendance` seconds."""

    def __init__(self, link: str, patience: float, attendance: float = ATTENDANCE) -> None:
        self._link: Path | None = None
        self._master, other = os.openpty()
        self.name = os.ttyname(other)
        _raw(other)  # this lasts as long as our end is open
        os.close(other)
        try:
            if link:
                self._place(Path(link))
            super().__init__(self._master, self._master, patience)
            self._attend(attendance)
        except BaseException:
            self._leave()
            raise

    def _place(self, link: Path) -> None:
        """A link to it, in the place of one that an earlier tester left behind."""
        try:
            if link.is_symlink():
                link.unlink()
            link.symlink_to(self.name)
        except OSError as error:
            raise Unreachable(f"No link can stand at {link}: {error.strerror}.") from None
        self._link = link

    def _attend(self, seconds: float) -> None:
        """Say where it is, and wait until somebody has opened it: until then it looks hung up."""
        shown = f"{self._link} ({self.name})" if self._link else self.name
        sys.stderr.write(f"waiting for an implementation to open {shown}\n")
        sys.stderr.flush()
        probe = select.poll()
        probe.register(self._master, 0)
        until = time.monotonic() + seconds
        while any(event & select.POLLHUP for _, event in probe.poll(0)):
            if time.monotonic() > until:
                raise Unreachable(f"Nobody has opened {shown} within {seconds:g} s.")
            time.sleep(_LOOK)

    def _leave(self) -> None:
        os.close(self._master)
        if self._link is not None:
            with contextlib.suppress(OSError):  # somebody else's by now, or gone
                if str(self._link.readlink()) == self.name:
                    self._link.unlink()

    def close(self) -> None:
        if self._reads < 0:
            return
        super().close()
        self._leave()
