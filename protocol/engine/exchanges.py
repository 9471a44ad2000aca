"""Transactions: what becomes of the peer's requests, and of this side's own.

A repetition is a request with the transaction number and the type of an earlier one: it gets the stored response,
whatever else differs in it. The same number with another type is a new request, since no stored response could have
its type (R-WIRE-010).

Plan: requests of the peer's · requests of this side's own.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from opalink.protocol.codec import Packet
from opalink.protocol.engine.clock import Clock
from opalink.protocol.engine.machine import Cause
from opalink.spec.limits import OUTSTANDING_MAX

STORED: Final = 2 * OUTSTANDING_MAX  # responses kept: twice what a peer may hold open on a channel
_LAST_TXN: Final = 0xFFFF

Key = tuple[int, int]  # transaction number, type


def key_of(packet: Packet) -> Key:
    return packet.txn, packet.type


class _Held(Struct):
    """A request that waits for its answer; `due` is when that is expected."""

    cause: Cause
    since: int
    due: int


class Incoming:
    """The peer's requests: answered ones with their responses, and held ones."""

    def __init__(self, clock: Clock, refresh: int, report: Callable[[int, int, int], None]) -> None:
        """`report` says PENDING: transaction, time left, share done in per cent; and again every `refresh`."""
        self._clock, self._refresh, self._report = clock, refresh, report
        self.stored: dict[Key, bytes] = {}
        self.held: dict[Key, _Held] = {}

    def reset(self) -> None:
        self.stored.clear()
        self.held.clear()

    def store(self, key: Key, data: bytes) -> None:
        self.stored[key] = data
        if len(self.stored) > STORED:
            del self.stored[next(iter(self.stored))]

    def hold(self, cause: Cause, wait: int, *, pending: bool) -> None:
        """Leave a request open for about `wait`."""
        key = key_of(cause.arrived)
        self.held[key] = _Held(cause, self._clock.now, self._clock.now + wait)
        if pending:
            self._remind(key)

    def release(self, cause: Cause) -> bool:
        """Whether a request was held until now."""
        key = key_of(cause.arrived)
        self._clock.stop(("pending", key))
        return self.held.pop(key, None) is not None

    def under(self, txn: int) -> Cause | None:
        """The held request with a transaction number."""
        return next((h.cause for (n, _), h in self.held.items() if n == txn), None)

    def _remind(self, key: Key) -> None:
        held, now = self.held[key], self._clock.now
        whole, left = max(1, held.due - held.since), max(0, held.due - now)
        self._report(key[0], left, 100 * (whole - left) // whole)
        self._clock.start(("pending", key), self._refresh, lambda: self._remind(key))


class _Asked(Struct):
    """A request that is open, and how often it may still be repeated."""

    cause: Cause
    left: int


class Outgoing:
    """This side's own requests that wait for a response."""

    def __init__(
        self, clock: Clock, patience: int, again: Callable[[Cause], bool], missed: Callable[[Cause], None]
    ) -> None:
        """After `patience` a request is repeated by `again`, which says whether it could be sent, as often as was
        asked for; then it is given up and `missed` told."""
        self._clock, self._patience, self._again, self._missed = clock, patience, again, missed
        self._open: dict[int, _Asked] = {}
        self._last = 0

    def reset(self) -> None:
        self._open.clear()
        self._last = 0

    def number(self) -> int:
        """The next transaction number; none that is open."""
        while True:
            self._last = self._last % _LAST_TXN + 1
            if self._last not in self._open:
                return self._last

    def add(self, cause: Cause, repeats: int = 0) -> None:
        self._open[cause.arrived.txn] = _Asked(cause, repeats)
        self.wait(cause.arrived.txn, self._patience)

    def wait(self, txn: int, patience: int) -> None:
        """Give up a request only so much later, if it is open."""
        if txn in self._open:
            self._clock.start(("asked", txn), patience, lambda: self._miss(txn))

    def find(self, packet: Packet) -> Cause | None:
        """The request that a response answers."""
        asked = self._open.get(packet.txn)
        return asked.cause if asked and asked.cause.arrived.type == packet.type else None

    def of_type(self, code: int) -> Iterator[int]:
        """Transactions of the open requests of a type."""
        return (txn for txn, asked in self._open.items() if asked.cause.arrived.type == code)

    def drop(self, txn: int) -> None:
        self._open.pop(txn, None)
        self._clock.stop(("asked", txn))

    def drop_all(self) -> None:
        for txn in list(self._open):
            self.drop(txn)

    def _miss(self, txn: int) -> None:
        asked = self._open.get(txn)
        if asked is None:
            return
        if asked.left:
            asked.left -= self._again(asked.cause)  # what no lane carries now waits for one
            self.wait(txn, self._patience)
        else:
            del self._open[txn]
            self._missed(asked.cause)
