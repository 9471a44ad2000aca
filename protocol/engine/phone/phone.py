"""The phone: all of its parts, what surrounds it, and what can be asked of it.

    phone = Phone()
    phone.dock()                       # the contacts close
    phone.user.still()                 # and the camera opens by itself
    phone.frames.stills                # there it is, in a while

Plan: the phone · its parts · lanes and events · what its parts ask of each other.
"""

from collections.abc import Callable
from typing import ClassVar, Final

from opalink.protocol.engine.housekeeping import Housekeeping
from opalink.protocol.engine.phone.capture import Capture
from opalink.protocol.engine.phone.clock import Clock
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.firmware import Firmware
from opalink.protocol.engine.phone.frames import Frame, Frames
from opalink.protocol.engine.phone.lens import Lens
from opalink.protocol.engine.phone.light import PhoneLight
from opalink.protocol.engine.phone.motion import Motion
from opalink.protocol.engine.phone.part import PhoneHost, PhonePart
from opalink.protocol.engine.phone.reader import Reader
from opalink.protocol.engine.phone.source import Source
from opalink.protocol.engine.phone.tester import Tester
from opalink.protocol.engine.phone.trust import Trust
from opalink.protocol.engine.phone.user import User
from opalink.protocol.flit import End
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import CounterId, Feature, Lane, Plane, ResetKind
from opalink.spec.form import Event, Line, Local


class Services(Housekeeping, PhonePart):
    """What every side does for the other."""


# What nobody has taught it: a vendor's own packets.
_LACKS: Final = frozenset({"VENDOR"})
_PARTS: Final[tuple[type[PhonePart], ...]] = (
    Contact,
    PhoneLight,
    Trust,
    Source,
    Services,
    Reader,
    Capture,
    Frames,
    Clock,
    Lens,
    Motion,
    Firmware,
    User,
    Tester,
)
_ENDS_FRAMES: Final = (Local("session_closed"), Line("power_off"))
FRAME_ROOM: Final = 1 << 30  # bytes of one frame


class Phone(PhoneHost):
    """A phone of this version. It begins with its contacts open.

    `on_frame` is called with each frame that is handed over."""

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
        CounterId.SESSIONS,
        CounterId.RESUMES,
    )
    parts: ClassVar[tuple[type[PhonePart], ...]] = _PARTS  # a subclass may put its own in the place of one
    flit_layer: type[End] = End

    def __init__(self, name: str = "phone", *, frame_room: int = FRAME_ROOM) -> None:
        features = {f.name for f in Feature if f.name} - _LACKS
        super().__init__(name, features, self.parts, catalogue(), frame_room)

    # ── Parts ──

    @property
    def contact(self) -> Contact:
        return self.part(Contact)

    @property
    def light(self) -> PhoneLight:
        return self.part(PhoneLight)

    @property
    def supply(self) -> Source:
        return self.part(Source)

    @property
    def trust(self) -> Trust:
        return self.part(Trust)

    @property
    def reader(self) -> Reader:
        return self.part(Reader)

    @property
    def capture(self) -> Capture:
        return self.part(Capture)

    @property
    def frames(self) -> Frames:
        return self.part(Frames)

    @property
    def motion(self) -> Motion:
        return self.part(Motion)

    @property
    def user(self) -> User:
        return self.part(User)

    # ── Lanes and events ──

    def take_plane(self, plane: Plane) -> None:
        """Be met on a plane from the next reset on."""
        itself = plane is Plane.FLIT
        self.flits = self.flit_layer(count=lambda what, _: self.count(what)) if itself else None

    def recover(self, now: int) -> None:
        """Act on what the FLIT layer has found that calls for a recovery of the link."""
        if self.flits is not None and self.flits.faults:
            self.clock.now = max(self.clock.now, now)
            self.light.stumble(self.flits.faults)
            self.settle()

    def carries(self, lane: Lane) -> bool:
        if not self.around.contacts or lane in self.around.blocked:
            return False
        return lane is Lane.SIDEBAND or (self.light.lit and self.around.light)

    def reset(self, _: ResetKind, seed: int, now: int) -> None:
        """As after the loss of all power, with the contacts open."""
        self.around.reset()
        self.start_over(seed, now)

    def signal(self, name: str) -> None:
        """A conclusion holds from when it is drawn: who hears of it finds it so."""
        if name == "auth_finished":
            self.contact.auth_done = True
        super().signal(name)

    def raised(self, event: Event) -> None:
        if event == Local("went_on"):
            self.user.went_on()
        if event in _ENDS_FRAMES:
            self.frames.ended(event)
        super().raised(event)

    # ── What its parts ask of each other ──

    def module_has(self, feature: str) -> bool:
        greeting = self.contact.greeting
        return greeting is not None and bool(greeting.features & Feature[feature])

    @property
    def supply_total(self) -> int:
        return self.supply.total

    def frame_open(self, stream: int) -> bool:
        return self.frames.open_on(stream)

    # ── What its users ask of it ──

    @property
    def on_frame(self) -> Callable[[Frame], None] | None:
        return self.frames.on_frame

    @on_frame.setter
    def on_frame(self, hear: Callable[[Frame], None] | None) -> None:
        self.frames.on_frame = hear
