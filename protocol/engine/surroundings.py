"""What a side stands in: contacts, light, and conditions that a tester brings about. And the parts that live in it.

A side is known to its parts as a `Host`, whose subclass for each role says what they may ask of it: parts know the host
and parts that are more general than they are, never the endpoint that puts them together.

Plan: the surroundings · a side as its parts see it · parts of a side.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.dispatch import Part
from opalink.protocol.engine.endpoint import Endpoint
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import Beacon, Hello, HelloResponse, Lane, LinkParams, LinkParamsResponse, Outcome
from opalink.spec.form import Event, Local, Role

Result = tuple[Outcome, tuple[Tlv, ...]]  # of an operation of the upper tester
# What R-SEC-004 measures: the BEACON of the phone and of the module, LINK_PARAMS and HELLO with their responses.
Opening = tuple[
    Beacon | None, Beacon | None, tuple[LinkParams, LinkParamsResponse] | None, tuple[Hello, HelloResponse] | None
]

_SESSION_OPEN: Final = Local("session_open")
_SESSION_CLOSED: Final = Local("session_closed")


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


class Host(Endpoint):
    """An endpoint in its surroundings."""

    def __init__(
        self, role: Role, name: str, features: Iterable[str], parts: Sequence[type[Part]], catalogue: ir.Catalogue
    ) -> None:
        self.around = Surroundings()
        super().__init__(role, name, features, parts, catalogue)
        self.all_parts = [p for p in self._parts if isinstance(p, SidePart)]
        self._offered = {tag: work for part in self.all_parts for tag, work in part.offered.items()}
        self.operations = sum(1 << tag for tag in self._offered)

    def restart_parts(self) -> None:
        self._started = self.clock.now
        super().restart_parts()

    @property
    def uptime(self) -> int:
        return self.clock.now - self._started

    def has(self, feature: str) -> bool:
        return feature in self.features

    def raised(self, event: Event) -> None:
        if event == _SESSION_OPEN:
            for part in self.all_parts:
                part.session_opened()
        elif event == _SESSION_CLOSED:
            for part in self.all_parts:
                part.session_closed()

    def carry_out(self, operation: Tlv) -> Result:
        work = self._offered.get(operation.tag)
        return work(operation.value) if work else (Outcome.UNSUPPORTED, ())


class SidePart(Part):
    """A part that has surroundings. `conditions` are those of the tester's that it obeys, `offered` the operations that
    it carries out, by tag."""

    conditions: ClassVar[frozenset[Status]] = frozenset()
    offered: Mapping[int, Callable[[Any], Result]] = {}
    end: Host

    @property
    def around(self) -> Surroundings:
        return self.end.around

    def power_came(self) -> None:
        """The contacts have closed on something new, or carry power again."""

    def session_opened(self) -> None:
        """A session has begun or was resumed."""

    def session_closed(self) -> None:
        """The session has ended and cannot be resumed."""

    def moved(self) -> None:
        """How well the sides sit has changed."""

    def condition(self, status: Status, present: bool) -> None:
        """A condition of this part's has come about or has ended."""
