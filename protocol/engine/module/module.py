"""The reference module: a profile's module on either plane.

Plan: what is implemented · the module · what its parts ask of each other · what its users ask of it.
"""

from typing import ClassVar, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Kind, RefusedError
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module import modes
from opalink.protocol.engine.module.camera import Camera
from opalink.protocol.engine.module.exposures import Exposures
from opalink.protocol.engine.module.firmware import Firmware
from opalink.protocol.engine.module.focus import Focus
from opalink.protocol.engine.module.frames import Frames
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.identity import Identity
from opalink.protocol.engine.module.laser import Laser
from opalink.protocol.engine.module.management import Management
from opalink.protocol.engine.module.modes import Frame, Stream
from opalink.protocol.engine.module.motion import Motion
from opalink.protocol.engine.module.optics import Optics
from opalink.protocol.engine.module.part import ModuleHost, ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.security import Security
from opalink.protocol.engine.module.session import Session
from opalink.protocol.engine.module.stack import Stack
from opalink.protocol.engine.module.stills import Stills
from opalink.protocol.engine.module.supply import Supply
from opalink.protocol.engine.module.tester import GENERAL, Tester
from opalink.protocol.engine.module.timing import Timing
from opalink.protocol.flit import End
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import (
    ChangeCause,
    CounterId,
    DescriptorChange,
    Feature,
    FrameResult,
    Lane,
    LinkParams,
    LinkParamsResponse,
    Plane,
    PropertyTag,
    ResetKind,
    Subsystem,
    SubsystemMask,
    TimeClass,
    TrustLevel,
)
from opalink.spec.form import Profile, Role

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
_NO_CAP: Final = 0xFFFF  # mW: the most that TRUST_POLICY can say


def features_of(profile: Profile) -> frozenset[str]:
    """The features with which a profile's reference module runs: those of its descriptor."""
    mask = next(fields["features"] for name, fields in profile.descriptor if name == "features")
    return frozenset(f.name for f in Feature if mask & f and f.name)


class Module(ModuleHost):
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
    flit_layer: type[End] = End

    def __init__(self, profile: str | Profile = "four-thirds") -> None:
        declared = catalogue()
        chosen = declared.profile[profile] if isinstance(profile, str) else profile
        self.identity = Identity(declared, chosen, features_of(chosen))
        self.schema_hash = int.from_bytes(bytes.fromhex(declared.fingerprint)[:8], "big")
        super().__init__(Role.MODULE, chosen.name, self.identity.features, self.parts, declared)

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
        laser = self._by_class.get(Laser)
        return laser is not None and laser.lit and around.light

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

    # ── What its parts ask of each other ──

    @property
    def link_params(self) -> tuple[LinkParams, LinkParamsResponse] | None:
        laser = self.find(Laser)
        return laser.params if laser else None

    @property
    def trust(self) -> TrustLevel:
        security = self.find(Security)
        return security.level if security else TrustLevel.UNKNOWN

    @property
    def power_allowed(self) -> int:
        security = self.find(Security)
        return _NO_CAP if security is None or security.max_power is None else security.max_power

    @property
    def image(self) -> tuple[int, bytes]:
        firmware = self.find(Firmware)
        if firmware is not None:
            return firmware.active.version, firmware.active.digest
        return self.identity.records["identity"].firmware, image_digest()

    def firmware_changed(self, version: int) -> None:
        if self.identity.run_firmware(version):
            self.part(Management).describe_anew(DescriptorChange.FIRMWARE)

    @property
    def asleep(self) -> bool:
        laser = self.find(Laser)
        return laser is not None and laser.asleep

    @property
    def relocking(self) -> bool:
        laser = self.find(Laser)
        return laser is not None and laser.run.state == "RECOVERY" and self.around.light

    @property
    def streams(self) -> list[Stream]:
        camera = self.find(Camera)
        return camera.streams if camera else []

    @property
    def capacity(self) -> int:
        laser = self.find(Laser)
        return modes.capacity(self.catalogue, laser.down if laser else 0)

    def transmit(self, frame: Frame, blocks: range) -> None:
        self.part(Frames).transmit(frame, blocks)

    def conclude(self, frame: Frame) -> None:
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
        focus = self.find(Focus)
        return focus.position if focus else self.part(Properties).values.get(PropertyTag.FOCUS_POSITION, 0)

    def yield_focus(self) -> None:
        focus = self.find(Focus)
        if focus is not None:
            focus.do_yield_to_ring(Cause())

    def unsent(self) -> tuple[int, int]:
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
        stills = self.find(Stills)
        if stills is not None:
            stills.store.clear()

    def fail(self, code: Status, subsystem: Subsystem) -> None:
        self.part(Session).fault = code, subsystem
        self.signal("fault")

    def property_changed(self, cause: ChangeCause, *tags: int) -> None:
        self.part(Properties).changed(cause, *tags)

    # ── What its users ask of it ──

    @property
    def session(self) -> Session:
        return self.part(Session)

    @property
    def supply(self) -> Supply:
        return self.part(Supply)

    @property
    def properties(self) -> Properties:
        return self.part(Properties)
