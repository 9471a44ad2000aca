"""An endpoint of this process as if it were at the end of a channel.

No thread: the endpoint runs whenever it is sent something or waited for. It has no process of its own either, so
one that never returns holds the tester up, and one that raises is seen as a crash, with its traceback as evidence.

Plan: the channel · what the session writes to.
"""

import time
import traceback
from collections.abc import Callable
from typing import Final

from opalink.protocol.transport.channel import Channel
from opalink.protocol.transport.errors import BindingError, Closed
from opalink.protocol.transport.session import Endpoint, Session

UNREAD: Final = 64 << 20  # bytes that an endpoint may send before anybody reads


class LocalChannel(Channel):
    """The tester's end of a connection to an endpoint that `make` makes."""

    def __init__(self, make: Callable[[], Endpoint]) -> None:
        self._inbox = Inbox()
        self._traceback = ""
        self._session: Session | None = None
        self._guarded(lambda: self._begin(make))

    def _begin(self, make: Callable[[], Endpoint]) -> None:
        self._session = Session(make(), self._inbox)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run the endpoint; what it raises ends it."""
        try:
            work()
        except BindingError as error:  # no crash: where a host would close
            self._session, self._traceback = None, str(error)
        except (Exception, SystemExit):  # noqa: BLE001  an implementation may raise anything
            self._session = None
            self._traceback = traceback.format_exc()

    def send(self, data: bytes) -> None:
        session = self._session
        if session is None:
            raise Closed("The endpoint has ended.")
        self._guarded(lambda: session.feed(data))

    def receive(self, timeout: float | None) -> bytes | None:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if data := self._inbox.take():
                return data
            if self._session is None:
                return b""
            wait = self._session.wait()
            left = None if until is None else until - time.monotonic()
            if self._session.virtual or (left is not None and left <= 0) or (wait is None and left is None):
                return None  # nobody is left who could send something
            time.sleep(min(x for x in (wait, left) if x is not None))
            self._guarded(self._session.advance)

    def alive(self) -> bool:
        return self._session is not None

    def close(self) -> None:
        self._session = None
        self._inbox.take()

    def evidence(self) -> str:
        return self._traceback


class Inbox:
    """Collects what a session sends."""

    def __init__(self) -> None:
        self._data = bytearray()

    def send(self, data: bytes) -> None:
        if len(self._data) + len(data) > UNREAD:
            raise BindingError(f"The endpoint has sent more than {UNREAD} bytes at once.")
        self._data += data

    def alive(self) -> bool:
        return True

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data
