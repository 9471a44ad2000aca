"""Parts of a module, and the module as they see it.

Plan: a module as its parts see it · parts of a module.
"""

from abc import ABC, abstractmethod
from typing import Final, NoReturn

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import RefusedError
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.identity import Identity
from opalink.protocol.engine.module.modes import Frame, Stream
from opalink.protocol.engine.module.patterns import View
from opalink.protocol.engine.surroundings import Host, SidePart
from opalink.protocol.flit import End
from opalink.protocol.packets import (
    ChangeCause,
    CounterId,
    LinkParams,
    LinkParamsResponse,
    Ready,
    Subsystem,
    SubsystemMask,
    TimeClass,
    TrustLevel,
)

_AILING: Final = {
    Status.MOTOR_BLOCKED: SubsystemMask.FOCUS,
    Status.LINK_DEGRADED: SubsystemMask.LINK,
    Status.MOISTURE: SubsystemMask.POWER,
    Status.CONTACT_BAD: SubsystemMask.POWER,
    Status.THERMAL_LIMIT: SubsystemMask.THERMAL,
    Status.NO_TIME: SubsystemMask.TIME,
}
_RETRY: Final = 10_000  # us: when to ask a busy module again


class ModuleHost(Host, ABC):
    """A module, as far as its parts may know it. What is abstract here is one part's and asked for by others."""

    identity: Identity
    schema_hash: int
    scene: View | None = None  # what stands before the camera
    flits: End | None = None  # its FLIT layer, where it does the link layer itself

    # ── Power ──

    def boot(self) -> None:
        """Begin as after a loss of power."""
        self.counters.reset()
        self.forget_exchanges()
        self.restart_parts()
        self.count(CounterId.RESTARTS)

    def restart_parts(self) -> None:
        self._refused: dict[SubsystemMask, int] = {}  # the last transaction that was answered BUSY on its account
        super().restart_parts()

    def lose_power(self) -> None:
        """Without a battery a module outlives its contacts by less than a millisecond."""
        self.clock.reset(self.clock.now)
        self.incoming.reset()
        self.outgoing.reset()
        self.restart_parts()

    # ── Health ──

    @property
    def health(self) -> SubsystemMask:
        """Parts that do not work as they should."""
        out = SubsystemMask(0)
        for status in self.around.conditions:
            out |= _AILING.get(status, SubsystemMask(0))
        return out

    def note_busy(self, cause: Cause, part: SubsystemMask) -> None:
        """A request is refused with BUSY: READY will say when to ask again."""
        self._refused[part] = cause.arrived.txn

    def busy(self, cause: Cause, part: SubsystemMask) -> NoReturn:
        """Refuse a request for now."""
        self.note_busy(cause, part)
        raise RefusedError(Status.BUSY, retry_after=_RETRY)

    def ready(self, part: SubsystemMask) -> None:
        """A part can be asked again, if anybody was told that it was busy."""
        if part in self._refused:
            self.send(Ready(subsystems=part, after=self._refused.pop(part)))

    # ── What its parts ask of each other ──

    @property
    def streaming(self) -> bool:
        return any(s.runs for s in self.streams)

    @property
    @abstractmethod
    def link_params(self) -> tuple[LinkParams, LinkParamsResponse] | None:
        """What the sides have agreed on for the laser, if they have."""

    @property
    @abstractmethod
    def trust(self) -> TrustLevel:
        """What the phone has said that it knows of this module."""

    @property
    @abstractmethod
    def power_allowed(self) -> int:
        """What may be asked for, in mW, as far as trust goes."""

    @property
    @abstractmethod
    def image(self) -> tuple[int, bytes]:
        """Version and SHA-256 of the firmware that runs."""

    @abstractmethod
    def firmware_changed(self, version: int) -> None:
        """Firmware of a version runs from now on."""

    @property
    @abstractmethod
    def asleep(self) -> bool:
        """Whether the link sleeps by agreement."""

    @property
    @abstractmethod
    def relocking(self) -> bool:
        """Whether the link is about to carry packets again, with light there."""

    @property
    @abstractmethod
    def streams(self) -> list[Stream]:
        """The streams that are configured."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """Bits of frame data that the link carries in a second, in its present gear."""

    @abstractmethod
    def transmit(self, frame: Frame, blocks: range) -> None:
        """Send blocks of a frame that was held."""

    @abstractmethod
    def conclude(self, frame: Frame) -> None:
        """End a frame that was held and sent."""

    @property
    @abstractmethod
    def time_known(self) -> bool:
        """Whether this side knows the phone's time."""

    @property
    @abstractmethod
    def time_class(self) -> TimeClass:
        """How well it knows it."""

    @property
    @abstractmethod
    def last_frame(self) -> int:
        """The number of the last frame exposed; 0 before the first."""

    @property
    @abstractmethod
    def focus(self) -> int:
        """Where the focus is, in 0.001 D; 0 where nothing says so."""

    @abstractmethod
    def yield_focus(self) -> None:
        """The ring is about to move the focus: no motor does."""

    @abstractmethod
    def unsent(self) -> tuple[int, int]:
        """Frames that the phone has not got whole, and their bytes."""

    @abstractmethod
    def streams_changed(self) -> None:
        """A stream has begun, paused or ended."""

    @abstractmethod
    def property_set(self, tag: int) -> None:
        """A property has a new value, from the phone."""

    @abstractmethod
    def erase(self) -> None:
        """Forget settings and stored stills, never calibration."""

    @abstractmethod
    def fail(self, code: Status, subsystem: Subsystem) -> None:
        """A fault that only a reset or a loss of power ends."""

    @abstractmethod
    def property_changed(self, cause: ChangeCause, *tags: int) -> None:
        """A property has another value, of the module's own accord."""


class ModulePart(SidePart):
    """A part of a module."""

    end: ModuleHost
