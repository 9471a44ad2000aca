"""What a side stands in: contacts, light, and conditions that a tester brings about. And the parts that live in it.

Plan: the surroundings · parts of a side.
"""

from typing import Any, ClassVar

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Part
from opalink.protocol.packets import Lane


class Surroundings:
    """The outside of a side, as its tester sets it up."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nothing touches, nothing is wrong."""
        self.contacts = False
        self.quality = 100  # how well it sits, per cent
        self.blocked: set[Lane] = set()
        self.conditions: set[Status] = set()
        self.battery = 800  # 0.1 %
        self.elements = 0  # that stand upon it
        self.temperatures: dict[int, int] = {}  # 0.1 degC, by sensor, where a tester has set them

    @property
    def light(self) -> bool:
        """Whether the peer's light reaches this side."""
        return self.contacts and Lane.LASER not in self.blocked and Status.LINK_LOST not in self.conditions

    @property
    def interlock(self) -> bool:
        """Whether magnets and contacts say that the sides are together."""
        return self.contacts and Status.LASER_INTERLOCK not in self.conditions

    def has(self, condition: Status) -> bool:
        return condition in self.conditions


class SidePart(Part):
    """A part that has surroundings. `conditions` are those of the tester's that it obeys."""

    conditions: ClassVar[frozenset[Status]] = frozenset()
    end: Any

    @property
    def around(self) -> Surroundings:
        found: Surroundings = self.end.around
        return found

    def session_opened(self) -> None:
        """A session has begun or was resumed."""

    def session_closed(self) -> None:
        """The session has ended and cannot be resumed."""

    def condition(self, status: Status, present: bool) -> None:
        """A condition of this part's has come about or has ended."""
