"""Parts of a phone, and the phone as they see it.

Plan: a phone as its parts see it · parts of a phone.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Kind, Part
from opalink.protocol.engine.surroundings import Host, SidePart
from opalink.protocol.flit import End
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import CounterId, FecMask, Lane
from opalink.spec.form import Role

# Refusals that pass: what was asked for is asked for again.
FOR_NOW: Final = frozenset({Status.BUSY, Status.PWR_LIMIT, Status.BANDWIDTH, Status.THERMAL_LIMIT, Status.RETRAINING})
_COMPLAINTS: Final = 100


class PhoneHost(Host, ABC):
    """A phone, as far as its parts may know it. What is abstract here is one part's and asked for by others.

    `complaints` are sentences about what a module did that the phone could do nothing with."""

    attempts = 3
    once = frozenset({"KEEPALIVE", "BLOCK_NAK"})  # the next one says more than the last one again
    flits: End | None = None  # its FLIT layer, where it does the link layer itself
    fecs: ClassVar[int] = FecMask.NONE | FecMask.RS_528_514 | FecMask.RS_544_514

    def __init__(
        self, name: str, features: Iterable[str], parts: Sequence[type[Part]], catalogue: ir.Catalogue, frame_room: int
    ) -> None:
        self.frame_room = frame_room
        self.complaints: deque[str] = deque(maxlen=_COMPLAINTS)
        super().__init__(Role.PHONE, name, features, parts, catalogue)

    # ── Contacts and light ──

    def dock(self, quality: int = 100) -> None:
        """A module is put on."""
        self.around.quality = quality
        if not self.around.contacts:
            self.around.contacts = True
            self.dock_again()
        for part in self.all_parts:
            part.moved()
        self.settle()

    def dock_again(self) -> None:
        """The contacts touch, and whatever touches them is new."""
        for part in self.all_parts:
            part.power_came()
        self.line("power_on")
        if self.around.light:
            self.line("light_on")

    def undock(self) -> None:
        """It is taken off."""
        if self.around.contacts:
            lit = self.around.light
            self.around.contacts = False
            self.count(CounterId.CONTACTS_OPENED)
            self.line("power_off")
            if lit:
                self.line("light_off")
        self.settle()

    def see(self, *, light: bool) -> None:
        """The peer's light comes or goes."""
        lit = self.around.light
        (self.around.blocked.discard if light else self.around.blocked.add)(Lane.LASER)
        if self.around.light is not lit:
            if lit:
                self.count(CounterId.LIGHT_LOST)
            self.line("light_off" if lit else "light_on")
        self.settle()

    def restart_all(self) -> None:
        """As after a restart of its firmware, with the contacts open."""
        self.settle()
        self.start_over(self.random.getrandbits(64) | 1, self.clock.now)

    # ── What its parts ask of it ──

    @property
    def successes(self) -> set[Status]:
        """Statuses that mean success."""
        return self._success

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    def gave_up(self, kind: Kind) -> None:
        if kind.name not in self._once:
            self.complain(f"The module did not answer {kind.name}, which was sent {self.attempts} times.")

    def clean_up(self) -> None:
        """Release all that was held for a module."""
        self.incoming.reset()
        self.outgoing.reset()

    # ── What its parts ask of each other ──

    @abstractmethod
    def module_has(self, feature: str) -> bool:
        """Whether the module said in HELLO that it has a feature."""

    @property
    @abstractmethod
    def supply_total(self) -> int:
        """What the phone supplies at most, in mW."""

    @abstractmethod
    def frame_open(self, stream: int) -> bool:
        """Whether a frame of a stream is on its way."""


class PhonePart(SidePart):
    """A part of a phone. `known` is called once what the phone wants to know of the module has been read."""

    end: PhoneHost

    def known(self) -> None:
        """Descriptor and modes have been read in this session."""
