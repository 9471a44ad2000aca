"""The reference module: a profile's module on either plane, and what an upper tester can do to it.

Plan: what is implemented · the module · what its parts ask of it · the upper tester.
"""

from typing import ClassVar, Final, NoReturn

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.dispatch import Kind, RefusedError
from opalink.protocol.engine.endpoint import Endpoint
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import modes
from opalink.protocol.engine.module.camera import Camera
from opalink.protocol.engine.module.exposures import Exposures, Frame
from opalink.protocol.engine.module.firmware import Firmware
from opalink.protocol.engine.module.focus import Focus
from opalink.protocol.engine.module.frames import Frames
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.identity import Identity
from opalink.protocol.engine.module.laser import Laser
from opalink.protocol.engine.module.management import Management
from opalink.protocol.engine.module.modes import Stream
from opalink.protocol.engine.module.motion import Motion
from opalink.protocol.engine.module.optics import Optics
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.patterns import View
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.security import Security
from opalink.protocol.engine.module.session import Session
from opalink.protocol.engine.module.stack import Stack
from opalink.protocol.engine.module.stills import Stills
from opalink.protocol.engine.module.supply import Supply
from opalink.protocol.engine.module.tester import GENERAL, Result, Tester, image_digest
from opalink.protocol.engine.module.timing import Timing
from opalink.protocol.engine.surroundings import Surroundings
from opalink.protocol.flit import End
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    CounterId,
    DescriptorChange,
    Feature,
    FrameResult,
    Lane,
    LinkParams,
    LinkParamsResponse,
    Outcome,
    Plane,
    PropertyTag,
    Ready,
    ResetKind,
    Subsystem,
    SubsystemMask,
    TimeClass,
    TrustLevel,
)
from opalink.spec.form import Event, Local, Profile, Role

_PARTS: Final[tuple[type[ModulePart], ...]] = (
    Session,
    Management,
    Laser,
    Security,
    Supply,
    Heat,
    Stack,
    Properties,
    Optics,
    Focus,
    Exposures,
    Stills,
    Frames,
    Camera,
    Motion,
    Timing,
    Firmware,
    Tester,
)
_SESSION_OPEN: Final = Local("session_open")
_SESSION_CLOSED: Final = Local("session_closed")
_NO_CAP: Final = 0xFFFF  # mW: the most that TRUST_POLICY can say
_RETRY: Final = 10_000  # us: when to ask a busy module again

_AILING: Final = {
    Status.MOTOR_BLOCKED: SubsystemMask.FOCUS,
    Status.LINK_DEGRADED: SubsystemMask.LINK,
    Status.MOISTURE: SubsystemMask.POWER,
    Status.CONTACT_BAD: SubsystemMask.POWER,
    Status.THERMAL_LIMIT: SubsystemMask.THERMAL,
    Status.NO_TIME: SubsystemMask.TIME,
}


def features_of(profile: Profile) -> frozenset[str]:
    """The features with which a profile's reference module runs: those of its descriptor."""
    mask = next(fields["features"] for name, fields in profile.descriptor if name == "features")
    return frozenset(f.name for f in Feature if mask & f and f.name)


class Module(Endpoint):
    """A module of a profile. It begins with its contacts open."""

    gate = "ATTACH"
    planes = Plane.PACKET | Plane.FLIT
    kept = (
        CounterId.SEQ_GAP,
        CounterId.BAD_FLIT,
        CounterId.DUPLICATE_FLITS,
        CounterId.REPLAYS,
        CounterId.REPLAY_EXHAUSTED,
        CounterId.CREDIT_VIOLATION,
        CounterId.CREDIT_STALLS,
        CounterId.LIGHT_LOST,
        CounterId.RESTART_PULSES,
        CounterId.INTERLOCK_OPENED,
        CounterId.CONTACTS_OPENED,
        CounterId.POWER_FAULTS,
        CounterId.FRAMES,
        CounterId.FRAMES_DROPPED,
        CounterId.BLOCKS_RESENT,
        CounterId.BLOCKS_GONE,
        CounterId.RESTARTS,
        CounterId.SESSIONS,
        CounterId.RESUMES,
        CounterId.THERMAL_LIMITS,
    )

    parts: ClassVar[tuple[type[ModulePart], ...]] = _PARTS  # a subclass may put its own in the place of one
    scene: View | None = None  # what stands before the camera
    flits: End | None = None  # its FLIT layer, where it does the link layer itself
    flit_layer: type[End] = End

    def __init__(self, profile: str | Profile = "four-thirds") -> None:
        declared = catalogue()
        chosen = declared.profile[profile] if isinstance(profile, str) else profile
        self.identity = Identity(declared, chosen, features_of(chosen))
        self.around = Surroundings()
        self.schema_hash = int.from_bytes(bytes.fromhex(declared.fingerprint)[:8], "big")
        super().__init__(Role.MODULE, chosen.name, self.identity.features, self.parts, declared)
        self._all = [p for p in self._parts if isinstance(p, ModulePart)]
        self.operations = sum(1 << tag for tag in self.part(Tester).offered)

    # ── Lanes, events, resets ──

    def take_plane(self, plane: Plane) -> None:
        """Be met on a plane from the next reset on."""
        itself = plane is Plane.FLIT and self.has("LASER")
        self.flits = self.flit_layer(count=lambda what, _: self.count(what)) if itself else None

    def recover(self, now: int) -> None:
        """Act on what the FLIT layer has found that calls for a recovery of the link."""
        if self.flits is not None and self.flits.faults:
            self.clock.now = max(self.clock.now, now)
            self.part(Laser).stumble(self.flits.faults)
            self.settle()

    def carries(self, lane: Lane) -> bool:
        around = self.around
        if not around.contacts or lane in around.blocked:
            return False
        if lane is Lane.SIDEBAND:
            return True
        laser = self.find(Laser)
        return laser is not None and laser.lit and around.light

    def raised(self, event: Event) -> None:
        if event == _SESSION_OPEN:
            for part in self._all:
                part.session_opened()
        elif event == _SESSION_CLOSED:
            for part in self._all:
                part.session_closed()

    def before(self, kind: Kind, cause: Cause) -> None:
        general = self.around.conditions & GENERAL
        if general and not self.checks.legal_in("BEACON", kind.code):
            status = min(general)
            if status is Status.BUSY:
                self.busy(cause, SubsystemMask(0))
            raise RefusedError(status)

    def reset(self, _: ResetKind, seed: int, now: int) -> None:
        """As after the loss of all power, with the contacts open: what a binding begins with."""
        self.around.reset()
        firmware = self.find(Firmware)
        if firmware is not None:
            firmware.factory()
        self.start_over(seed, now)

    def boot(self) -> None:
        """Begin as after a loss of power."""
        self.counters.reset()
        self.forget_exchanges()
        self.restart_parts()
        self.count(CounterId.RESTARTS)

    def restart_parts(self) -> None:
        self._started = self.clock.now
        self._refused: dict[SubsystemMask, int] = {}  # the last transaction that was answered BUSY on its account
        super().restart_parts()

    def lose_power(self) -> None:
        """Without a battery a module outlives its contacts by less than a millisecond."""
        self.clock.reset(self.clock.now)
        self.incoming.reset()
        self.outgoing.reset()
        self.restart_parts()

    # ── What its parts ask of it ──

    @property
    def obeying(self) -> list[ModulePart]:
        """The parts that obey conditions and hear of sessions."""
        return self._all

    def has(self, feature: str) -> bool:
        return feature in self.features

    @property
    def session(self) -> Session:
        return self.part(Session)

    @property
    def supply(self) -> Supply:
        return self.part(Supply)

    @property
    def properties(self) -> Properties:
        return self.part(Properties)

    @property
    def link_params(self) -> tuple[LinkParams, LinkParamsResponse] | None:
        """What the sides have agreed on for the laser, if they have."""
        laser = self.find(Laser)
        return laser.params if laser else None

    @property
    def trust(self) -> TrustLevel:
        """What the phone has said that it knows of this module."""
        security = self.find(Security)
        return security.level if security else TrustLevel.UNKNOWN

    @property
    def power_allowed(self) -> int:
        """What may be asked for, in mW, as far as trust goes."""
        security = self.find(Security)
        return _NO_CAP if security is None or security.max_power is None else security.max_power

    @property
    def image(self) -> tuple[int, bytes]:
        """Version and SHA-256 of the firmware that runs."""
        firmware = self.find(Firmware)
        if firmware is not None:
            return firmware.active.version, firmware.active.digest
        return self.identity.records["identity"].firmware, image_digest()

    def firmware_changed(self, version: int) -> None:
        """Firmware of a version runs from now on."""
        if self.identity.run_firmware(version):
            self.part(Management).describe_anew(DescriptorChange.FIRMWARE)

    @property
    def uptime(self) -> int:
        return self.clock.now - self._started

    @property
    def health(self) -> SubsystemMask:
        """Parts that do not work as they should."""
        out = SubsystemMask(0)
        for status in self.around.conditions:
            out |= _AILING.get(status, SubsystemMask(0))
        return out

    @property
    def asleep(self) -> bool:
        laser = self.find(Laser)
        return laser is not None and laser.asleep

    @property
    def relocking(self) -> bool:
        """Whether the link is about to carry packets again, with light there."""
        laser = self.find(Laser)
        return laser is not None and laser.run.state == "RECOVERY" and self.around.light

    @property
    def streams(self) -> list[Stream]:
        camera = self.find(Camera)
        return camera.streams if camera else []

    @property
    def streaming(self) -> bool:
        return any(s.runs for s in self.streams)

    @property
    def capacity(self) -> int:
        """Bits of frame data that the link carries in a second, in its present gear."""
        laser = self.find(Laser)
        return modes.capacity(self.catalogue, laser.down if laser else 0)

    def transmit(self, frame: Frame, blocks: range) -> None:
        """Send blocks of a frame that was held."""
        self.part(Frames).transmit(frame, blocks)

    def conclude(self, frame: Frame) -> None:
        """End a frame that was held and sent."""
        self.part(Frames).conclude(frame, FrameResult.COMPLETE, Status.OK)

    @property
    def time_known(self) -> bool:
        timing = self.find(Timing)
        return timing is not None and timing.known

    @property
    def time_class(self) -> TimeClass:
        timing = self.find(Timing)
        return timing.time_class if timing else TimeClass.T0

    @property
    def last_frame(self) -> int:
        exposures = self.find(Exposures)
        return exposures.number if exposures else 0

    @property
    def focus(self) -> int:
        """Where the focus is, in 0.001 D; 0 where nothing says so."""
        focus = self.find(Focus)
        return focus.position if focus else self.properties.values.get(PropertyTag.FOCUS_POSITION, 0)

    def yield_focus(self) -> None:
        """The ring is about to move the focus: no motor does."""
        focus = self.find(Focus)
        if focus is not None:
            focus.do_yield_to_ring(Cause())

    def unsent(self) -> tuple[int, int]:
        """Frames that the phone has not got whole, and their bytes."""
        frames = self.find(Frames)
        return frames.unsent() if frames else (0, 0)

    def streams_changed(self) -> None:
        motion = self.find(Motion)
        if motion is not None:
            motion.streams_changed()

    def property_set(self, tag: int) -> None:
        optics = self.find(Optics)
        if optics is not None:
            optics.property_set(tag)

    def erase(self) -> None:
        """Forget settings and stored stills, never calibration."""
        stills = self.find(Stills)
        if stills is not None:
            stills.store.clear()

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

    def fail(self, code: Status, subsystem: Subsystem) -> None:
        """A fault that only a reset or a loss of power ends."""
        self.session.fault = code, subsystem
        self.signal("fault")

    # ── The upper tester ──

    def carry_out(self, operation: Tlv) -> Result:
        work = self.part(Tester).offered.get(operation.tag)
        result: Result = work(operation.value) if work else (Outcome.UNSUPPORTED, ())
        return result
