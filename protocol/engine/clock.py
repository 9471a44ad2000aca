"""The timers of an endpoint. Time is told, never read: a timer fires when somebody says that its time has come.

Plan: the clock.
"""

from collections.abc import Callable
from typing import Final

NEVER: Final = (1 << 64) - 1  # what the bench calls "never"


class Clock:
    """Timers by key. Those that are due together fire in the order in which they were started."""

    def __init__(self) -> None:
        self.now = 0
        self._timers: dict[object, tuple[int, int, Callable[[], None]]] = {}
        self._started = 0
        self._soonest = NEVER  # no timer is due before this; stopped ones may have left it too early

    def reset(self, now: int) -> None:
        """No timer runs, and it is this time."""
        self.now = now
        self._timers.clear()
        self._started, self._soonest = 0, NEVER

    def start(self, key: object, delay: int, then: Callable[[], None]) -> None:
        """Arm a timer, anew if it runs."""
        due = self.now + delay
        self._started += 1
        self._timers[key] = due, self._started, then
        self._soonest = min(self._soonest, due)

    def stop(self, key: object) -> None:
        self._timers.pop(key, None)

    def running(self, key: object) -> bool:
        return key in self._timers

    def stop_all(self, *owners: str) -> None:
        """Stop the timers whose key is a tuple that begins with one of `owners`."""
        for key in [k for k in self._timers if isinstance(k, tuple) and k[0] in owners]:
            del self._timers[key]

    def due(self, key: object) -> int | None:
        """When a timer will fire."""
        entry = self._timers.get(key)
        return entry[0] if entry else None

    def deadline(self) -> int | None:
        """When the next timer fires."""
        if not self._timers:
            return None
        self._soonest = min(self._timers.values())[0]
        return self._soonest

    def run(self, until: int, after_each: Callable[[], None]) -> None:
        """Fire every timer that is due up to `until`, each at its own time; the time is `until` afterwards."""
        while until >= self._soonest:
            if not self._timers:
                self._soonest = NEVER
                break
            key, (due, _, then) = min(self._timers.items(), key=lambda item: item[1][:2])
            self._soonest = due
            if due <= until:
                del self._timers[key]
                self.now = max(self.now, due)
                then()
                after_each()
        self.now = max(self.now, until)
