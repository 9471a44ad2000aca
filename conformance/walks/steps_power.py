"""Steps of walks: what a module does about power once a timer of its own is over.

How long a timer runs is for the module to say, within what the specification allows: these steps wait for what it says
then, so that the next one comes in time.

Plan: what it asks again, and how it resets.
"""

from collections.abc import Callable
from typing import Final

from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.conformance.walks.table import do
from opalink.protocol import packets as p
from opalink.spec.form import MS

_STEP: Final = MS  # a request stays where the steps that answer one look for it


def _asks(s: Session) -> None:
    """It asks for power, from now on; what it asked before is another matter."""
    begun = s.now
    while not (asked := [h for h in s.heard(p.PwrRequest) if h.time >= begun]) and s.now < begun + EVENTUALLY:
        s.let(_STEP)
    s.expect(bool(asked), "PWR_REQUEST", "none")


def _resets(level: p.PowerResetLevel) -> Callable[[Session], object]:
    """It resets power."""

    def wait(s: Session) -> None:
        heard = s.take(lambda h: isinstance(h.body, p.PwrReset) and h.body.level is level, EVENTUALLY)
        s.expect(heard is not None, f"PWR_RESET with {level.name}", "none")

    return wait


do("power.asks", _asks)
for _level in p.PowerResetLevel:
    do(f"power.resets.{_level.name.lower()}", _resets(_level))
