"""Standing on the implementation's side: an endpoint at the end of a channel, or of a socket that listens.

    listen("tcp:127.0.0.1:7000", make)      one tester after the other, each with an endpoint of its own
    listen("stdio:", make)                  the tester that has started this process

A server answers on loopback unless its URI says otherwise (`tcp::7000` and `tcp:localhost:7000` are loopback). What
a tester sends ends at worst its own connection; what an endpoint raises ends the connection it served, as a crash
would, and is logged.

Plan: one connection · many.
"""

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from opalink.protocol.packets.enums import LogSeverity
from opalink.protocol.transport.channel import PATIENCE, Channel, SocketChannel, StandardStreams
from opalink.protocol.transport.errors import BenchError, UriError
from opalink.protocol.transport.session import Endpoint, Session
from opalink.protocol.transport.uri import tcp_address, unix_path

_log: Final = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"


# ── One connection ───────────────────────────────────────────────────────────────────────────────────


def serve(make: Callable[[], Endpoint], channel: Channel) -> None:
    """Serve the tester at the end of a channel until it goes or breaks the binding. Closes the channel. What the
    endpoint raises is raised here, after a last word to the tester."""
    with channel:
        session = Session(make(), channel)
        try:
            while True:
                data = channel.receive(session.wait())
                if data is None:
                    session.advance()
                elif data:
                    session.feed(data)
                else:
                    return
        except BenchError as error:
            _log.info("%s", error)
        except Exception as error:
            with contextlib.suppress(BenchError):
                session.log(LogSeverity.ERROR, f"{type(error).__name__}: {error}")
            raise


# ── Many ─────────────────────────────────────────────────────────────────────────────────────────────


class Listener:
    """A socket that listens at `uri`: what was asked for, with the port that was found if it was asked for port 0."""

    def __init__(self, uri: str, patience: float = PATIENCE) -> None:
        kind, _, rest = uri.partition(":")
        self._patience = patience
        self._path: Path | None = None
        if kind == "tcp":
            host, port = tcp_address(LOOPBACK + rest if rest.startswith(":") else rest)
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
            port = self._socket.getsockname()[1]
            self.uri = f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"
        elif kind == "unix":
            self._socket = _listen_at(Path(unix_path(rest)))
            self._path = Path(rest)
            self.uri = uri
        else:
            raise UriError(f"{uri!r} cannot be listened at: tcp:host:port, unix:/path and stdio: can.")

    def serve(self, make: Callable[[], Endpoint]) -> None:
        """Serve the next tester, to its end."""
        connected, _ = self._socket.accept()
        try:
            serve(make, SocketChannel(connected, self._patience))
        except Exception:  # noqa: BLE001  an endpoint may raise anything
            _log.exception("The endpoint failed.")

    def close(self) -> None:
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listen_at(path: Path) -> socket.socket:
    """A UNIX socket for its owner alone; one that a dead server has left is removed first."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
                path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        listening.bind(str(path))
        listening.listen()
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening


def listen(uri: str, make: Callable[[], Endpoint], ready: Callable[[str], None] | None = None) -> None:
    """Serve testers one after the other, for ever; over standard streams the one there is. `ready` is told the URI as
    soon as a tester may connect."""
    if uri == "stdio:":
        serve(make, StandardStreams())
        return
    with Listener(uri) as listener:
        if ready is not None:
            ready(listener.uri)
        while True:
            listener.serve(make)
