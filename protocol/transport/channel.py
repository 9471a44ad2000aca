"""Byte channels: one face for TCP, UNIX sockets and pipes.

Every wait has an end. Sending never deadlocks: while the peer takes nothing because it waits for its own bytes to
be taken, they are read and kept, up to a bound.

Plan: the face · descriptors · sockets · a program's standard streams · our own.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Self

from opalink.protocol.transport.errors import Closed, Hang, Unreachable

PATIENCE: Final = 10.0  # seconds of real time
CHUNK: Final = 65_536  # below malloc's threshold for pages of its own, which would double the cost of a read
BACKLOG: Final = 8 << 20  # bytes kept while sending
STDERR: Final = 65_536  # bytes kept of what a program wrote there: the end
GRACE: Final = 1.0  # seconds that a program has to end by itself
LONG: Final = 3600.0  # seconds, of which `poll` can count the milliseconds

_RDHUP: Final[int] = getattr(select, "POLLRDHUP", 0)  # Linux alone tells of a peer that has closed only its half
_GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL | _RDHUP


class Channel(ABC):
    """Bytes to and from a peer."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send it all. Raises Closed, and Hang if the peer does not take it within the channel's patience."""

    @abstractmethod
    def receive(self, timeout: float | None) -> bytes | None:
        """What has arrived; None if nothing has within `timeout` seconds (None: for ever); b"" once closed."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether the peer is still connected, as far as can be seen without asking it."""

    @abstractmethod
    def close(self) -> None:
        """End the connection, and the peer if it was started here. May be called again."""

    def evidence(self) -> str:
        """What the peer left behind, for whoever reads the report."""
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ── Descriptors ──────────────────────────────────────────────────────────────────────────────────────


class DescriptorChannel(Channel):
    """A channel over file descriptors: one to read, one to write (perhaps the same), one whose bytes are evidence."""

    def __init__(self, reads: int, writes: int, patience: float = PATIENCE, stderr: int | None = None) -> None:
        self._reads, self._writes, self._stderr = reads, writes, stderr
        self._patience = patience
        self._backlog = bytearray()  # what has been read while sending
        self._ended = False  # the peer's end of file has been read
        self._said = bytearray()
        self._inward = select.poll()
        self._inward.register(reads, select.POLLIN)
        os.set_blocking(reads, False)
        os.set_blocking(writes, False)
        if stderr is not None:
            os.set_blocking(stderr, False)
            self._inward.register(stderr, select.POLLIN)

    def receive(self, timeout: float | None) -> bytes | None:
        if self._backlog:
            data = bytes(self._backlog)
            self._backlog.clear()
            return data
        if self._ended:
            return b""
        while self._await(timeout):
            if (read := self._read()) is not None:
                return read
        return None

    def _await(self, timeout: float | None) -> bool:
        """Whether there is something to read, or the end. `poll` counts whole milliseconds and rounds up, so the last
        one is waited for in naps."""
        until = None if timeout is None else time.monotonic() + timeout
        left = timeout
        while True:
            found = self._inward.poll(None if left is None else int(min(left, LONG) * 1000))
            if self._heard(found):
                return True
            if until is not None:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                if left < 0.001 and not found:
                    time.sleep(min(left, 0.0001))

    def _heard(self, found: list[tuple[int, int]]) -> bool:
        """Whether the descriptor to read is among those that are ready; what stands on the other is evidence."""
        ready = False
        for fd, _ in found:
            if fd == self._reads:
                ready = True
            else:
                self._drain()
        return ready

    def _read(self) -> bytes | None:
        try:
            data = os.read(self._reads, CHUNK)
        except BlockingIOError:  # a false alarm of `poll`
            return None
        except OSError:  # a reset is an end like any other
            data = b""
        self._ended = not data
        return data

    def _drain(self) -> bool:
        """Take what stands on stderr, if anything does, and keep the end of it."""
        if self._stderr is None:
            return False
        try:
            data = os.read(self._stderr, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._inward.unregister(self._stderr)
            self._stderr = None
        self._said += data
        del self._said[:-STDERR]
        return bool(data)

    def send(self, data: bytes) -> None:
        try:
            sent = os.write(self._writes, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Closed(f"The peer takes no more bytes: {error.strerror}.") from None
        if sent < len(data):
            self._push(memoryview(data)[sent:])

    def _push(self, rest: memoryview) -> None:
        """Send what did not fit, and meanwhile read."""
        until = time.monotonic() + self._patience
        while rest:
            both = select.poll()
            if self._stderr is not None:
                both.register(self._stderr, select.POLLIN)
            read = not self._ended and len(self._backlog) < BACKLOG
            if read:
                both.register(self._reads, select.POLLIN)
            both.register(self._writes, select.POLLOUT | (select.POLLIN if read and self._reads == self._writes else 0))
            left = until - time.monotonic()
            ready = dict(both.poll(left * 1000)) if left > 0 else {}
            if not ready:
                raise Hang(f"The peer has taken no bytes for {self._patience:g} s.")
            if read and ready.get(self._reads, 0) & ~select.POLLOUT and (data := self._read()):
                self._backlog += data
            if self._stderr in ready:
                self._drain()
            if ready.get(self._writes, 0) & ~select.POLLIN:
                try:
                    rest = rest[os.write(self._writes, rest) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise Closed(f"The peer takes no more bytes: {error.strerror}.") from None

    def alive(self) -> bool:
        if self._ended or self._reads < 0:
            return False
        probe = select.poll()
        probe.register(self._reads, _RDHUP)
        return not any(event & _GONE for _, event in probe.poll(0))

    def close(self) -> None:
        self._ended = True
        self._backlog.clear()
        self._reads = self._writes = -1  # the numbers are given to others now


# ── Sockets ──────────────────────────────────────────────────────────────────────────────────────────


class SocketChannel(DescriptorChannel):
    """A connected stream socket."""

    def __init__(self, connected: socket.socket, patience: float = PATIENCE) -> None:
        self._socket = connected
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The peer of a machine that lost its power never closes: the kernel has to ask.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        super().__init__(connected.fileno(), connected.fileno(), patience)

    def close(self) -> None:
        super().close()
        self._socket.close()


def connect(address: tuple[str, int] | str, patience: float = PATIENCE) -> SocketChannel:
    """A connection to a host and port, or to the path of a UNIX socket."""
    try:
        if isinstance(address, tuple):
            connected = socket.create_connection(address, patience)
        else:
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connected.settimeout(patience)
            try:
                connected.connect(address)
            except OSError:
                connected.close()
                raise
    except OSError as error:
        where = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else address
        raise Unreachable(f"Nothing answers at {where}: {error.strerror or error}.") from None
    return SocketChannel(connected, patience)


# ── A program's standard streams ─────────────────────────────────────────────────────────────────────


class ProcessChannel(DescriptorChannel):
    """A program that is started, spoken to over its standard input and output, and ended with the channel."""

    def __init__(self, command: Sequence[str], patience: float = PATIENCE) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise Unreachable(f"{command[0]} cannot be started: {error.strerror}.") from None
        self._files = [f for f in (self._process.stdin, self._process.stdout, self._process.stderr) if f is not None]
        writes, reads, stderr = (f.fileno() for f in self._files)
        super().__init__(reads, writes, patience, stderr)

    def alive(self) -> bool:
        return self._process.poll() is None and super().alive()

    def close(self) -> None:
        if self._reads < 0:
            return
        super().close()
        for file in self._files[:2]:  # it may wait for either
            file.close()
        self._outlive(GRACE)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # the whole session that was begun for it
            self._process.wait()
        self._outlive(0)
        self._files[2].close()
        self._stderr = None

    def evidence(self) -> str:
        self._outlive(GRACE if self._ended else 0)
        code = self._process.poll()
        said = self._said.decode(errors="replace")
        return f"{_fate(code)}\n{said}" if said else _fate(code)

    def _outlive(self, seconds: float) -> None:
        """Give the program time to end, and take what it still writes to stderr: it may wait for that."""
        until = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < until:
            self._drain()
            time.sleep(0.002)
        while self._drain():
            pass


def _fate(code: int | None) -> str:
    if code is None:
        return "still running"
    if code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"killed by {name}"


# ── Our own standard streams ─────────────────────────────────────────────────────────────────────────


class StandardStreams(DescriptorChannel):
    """Our own standard input and output. What this process prints meanwhile goes to stderr: on the channel it would
    be taken for records."""

    def __init__(self, patience: float = PATIENCE) -> None:
        sys.stdout.flush()
        self._kept = os.dup(1)
        os.dup2(2, 1)
        super().__init__(0, self._kept, patience)

    def close(self) -> None:
        if self._reads < 0:
            return
        super().close()
        sys.stdout.flush()
        for fd in (0, self._kept):  # a terminal is shared with the shell, and so is its mode
            os.set_blocking(fd, True)
        os.dup2(self._kept, 1)
        os.close(self._kept)
