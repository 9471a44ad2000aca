"""The phone: all of its parts, what surrounds it, and what can be asked of it.

    phone = Phone()
    phone.dock()                       # the contacts close
    phone.user.still()                 # and the camera opens by itself
    phone.frames.stills                # there it is, in a while

Plan: the phone · lanes and power · what its parts ask of it · the upper tester.
"""

from collections import deque
from collections.abc import Callable
from typing import ClassVar, Final

from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.dispatch import Kind
from opalink.protocol.engine.endpoint import Endpoint
from opalink.protocol.engine.housekeeping import Housekeeping
from opalink.protocol.engine.phone.capture import Capture
from opalink.protocol.engine.phone.clock import Clock
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.firmware import Firmware
from opalink.protocol.engine.phone.frames import Frame, Frames
from opalink.protocol.engine.phone.lens import Lens
from opalink.protocol.engine.phone.light import PhoneLight
from opalink.protocol.engine.phone.motion import Motion
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.phone.reader import Reader
from opalink.protocol.engine.phone.source import Source
from opalink.protocol.engine.phone.tester import Result, Tester
from opalink.protocol.engine.phone.trust import Trust
from opalink.protocol.engine.phone.user import User
from opalink.protocol.engine.surroundings import Surroundings
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import CounterId, Feature, FecMask, Lane, Outcome, ResetKind
from opalink.spec.form import Event, Line, Local, Role


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
_COMPLAINTS: Final = 100
FRAME_ROOM: Final = 1 << 30  # bytes of one frame


class Phone(Endpoint):
    """A phone of this version. It begins with its contacts open.

    `complaints` are sentences about what a module did that the phone could do nothing with; `on_frame` is called with
    each frame that is handed over."""

    gate = "ATTACH"
    kept = (
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
    attempts = 3
    once = frozenset({"KEEPALIVE", "BLOCK_NAK"})  # the next one says more than the last one again
    fecs: ClassVar[int] = FecMask.NONE | FecMask.RS_528_514 | FecMask.RS_544_514

    def __init__(self, name: str = "phone", *, frame_room: int = FRAME_ROOM) -> None:
        self.frame_room = frame_room
        self.around = Surroundings()
        self.complaints: deque[str] = deque(maxlen=_COMPLAINTS)
        self.on_frame: Callable[[Frame], None] | None = None
        features = {f.name for f in Feature if f.name} - _LACKS
        super().__init__(Role.PHONE, name, features, self.parts, catalogue())
        self.all_parts = [p for p in self._parts if isinstance(p, PhonePart)]
        self.operations = sum(1 << tag for tag in self.part(Tester).offered)

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

    # ── Lanes and power ──

    def dock(self, quality: int = 100) -> None:
        """A module is put on."""
        self.around.quality = quality
        if not self.around.contacts:
            self.around.contacts = True
            self.dock_again()
        self.settle()

    def dock_again(self) -> None:
        """The contacts touch, and whatever touches them is new."""
        self.supply.power_came()
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

    def carries(self, lane: Lane) -> bool:
        if not self.around.contacts or lane in self.around.blocked:
            return False
        return lane is Lane.SIDEBAND or (self.light.lit and self.around.light)

    def reset(self, _: ResetKind, seed: int, now: int) -> None:
        """As after the loss of all power, with the contacts open."""
        self.around.reset()
        self.start_over(seed, now)

    def restart_all(self) -> None:
        """As after a restart of its firmware, with the contacts open."""
        self.settle()
        self.start_over(self.random.getrandbits(64) | 1, self.clock.now)

    def restart_parts(self) -> None:
        self._started = self.clock.now
        super().restart_parts()

    def signal(self, name: str) -> None:
        """A conclusion holds from when it is drawn: who hears of it finds it so."""
        if name == "auth_finished":
            self.contact.auth_done = True
        super().signal(name)

    def raised(self, event: Event) -> None:
        if event == Local("session_open"):
            for part in self.all_parts:
                part.session_opened()
        elif event == Local("went_on"):
            self.user.went_on()
        if event in _ENDS_FRAMES:
            self.frames.ended(event)
        if event == Local("session_closed"):
            for part in self.all_parts:
                part.session_closed()

    # ── What its parts ask of it ──

    @property
    def uptime(self) -> int:
        return self.clock.now - self._started

    @property
    def successes(self) -> set[Status]:
        """Statuses that mean success."""
        return self._success

    def module_has(self, feature: str) -> bool:
        """Whether the module said in HELLO that it has a feature."""
        greeting = self.contact.greeting
        return greeting is not None and bool(greeting.features & Feature[feature])

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    def gave_up(self, kind: Kind) -> None:
        if kind.name not in self._once:
            self.complain(f"The module did not answer {kind.name}, which was sent {self.attempts} times.")

    def frame_came(self, frame: Frame) -> None:
        if self.on_frame is not None:
            self.on_frame(frame)

    def clean_up(self) -> None:
        """Release all that was held for a module."""
        self.incoming.reset()
        self.outgoing.reset()

    # ── The upper tester ──

    def carry_out(self, operation: Tlv) -> Result:
        work = self.part(Tester).offered.get(operation.tag)
        result: Result = work(operation.value) if work else (Outcome.UNSUPPORTED, ())
        return result
