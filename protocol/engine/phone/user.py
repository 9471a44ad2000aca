"""What the user of a phone wants: the camera open or closed, a still, a video, the module off.

A wish is kept until it can be had: the camera opens once the modes are known and power allows it, and opens again in
the next session.

Plan: wishes · the camera · removal.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.capture import Capture
from opalink.protocol.engine.phone.part import FOR_NOW, PhonePart
from opalink.protocol.engine.phone.reader import Reader
from opalink.protocol.packets import StreamOp, StreamSetup, UserAction
from opalink.spec.form import MS

_AGAIN: Final = 50 * MS  # after which what was refused for now is asked for again
_STEPS: Final = ("STREAM_CONFIGURE", "STREAM_CONTROL", "CAPTURE_QUEUE")


class User(PhonePart):
    """`opened` says that the camera is to be open; `mode` is the mode wanted, or None for the maker's favourite."""

    def restart(self) -> None:
        self.opened = False
        self.mode: int | None = None
        self._window: dict[str, int] = {}
        self.filming = False
        self._stills: list[dict[str, Any]] = []  # wanted and not yet asked for

    # ── Wishes ──

    def act(self, action: UserAction | int) -> bool:
        """Do what a user can do; whether it makes sense now."""
        match action:
            case UserAction.OPEN:
                self.open()
            case UserAction.CLOSE:
                self.close()
            case UserAction.STILL:
                self.still()
            case UserAction.VIDEO:
                self.video()
            case UserAction.EJECT:
                return self.eject()
            case _:
                return False
        return True

    def open(self, mode: int | None = None, **window: int) -> None:
        """Have the camera open, in a mode; `window` is `x`, `y`, `width`, `height` of a part of its picture."""
        self.opened, self.mode, self._window = True, mode, window
        self._go_on()

    @property
    def wanted(self) -> int:
        """Stills that are wanted and have not been asked for."""
        return len(self._stills)

    def close(self) -> None:
        """Have it closed: streams stop and are given up."""
        self.opened = self.filming = False
        self._stills.clear()
        self.end.part(Capture).quiet()

    def still(self, **settings: Any) -> None:
        """Take a still with some settings; opens the camera if it is closed."""
        self._stills.append(settings)
        if not self.opened:
            self.open()
        self._go_on()

    def video(self) -> None:
        """Begin or end a video; opens the camera if it is closed."""
        self.filming = not self.filming
        if not self.opened:
            self.open()
        if self.end.part(Capture).running and self.filming:
            self.end.part(Capture).shoot(0)
        elif self.end.part(Capture).running:
            self.end.part(Capture).control(StreamOp.STOP, self._mask)
        self._go_on()

    # ── The camera ──

    def known(self) -> None:
        self._go_on()

    @property
    def _mask(self) -> int:
        return (1 << max(1, len(self.end.part(Capture).setups))) - 1

    def _go_on(self) -> None:
        """Take the next step towards what is wanted."""
        capture, reader = self.end.part(Capture), self.end.part(Reader)
        if not reader.complete or not reader.modes:
            return
        state = capture.run.state
        if self.opened and state == "UNCONFIGURED":
            mode = reader.modes[0].mode if self.mode is None else self.mode
            capture.configure((StreamSetup(mode=mode, codec=0, **self._window),))
        elif state in ("CONFIGURED", "STREAMING") and self._stills:
            if self.end.asking("CAPTURE_QUEUE"):
                return  # for this very still: what is answered goes on
            capture.shoot(1, **self._stills[0])
        elif state == "CONFIGURED" and self.opened:
            capture.control(StreamOp.START, self._mask)
        else:
            return
        if not any(map(self.end.asking, _STEPS)):  # no lane carries it now
            self._later()

    def _later(self) -> None:
        self.end.clock.start(("user", "again"), _AGAIN, self._go_on)

    def _told(self, cause: Cause) -> None:
        if cause.arrived.status in self.end.successes:
            self.end.signal("went_on")
        elif cause.arrived.status in FOR_NOW:
            self._later()
        else:
            self.end.complain(f"The module refuses: {Status(cause.arrived.status).name}.")

    def told_stream_configure(self, cause: Cause) -> None:
        self._told(cause)

    def told_capture_queue(self, cause: Cause) -> None:
        if cause.arrived.status not in FOR_NOW and self._stills:
            self._stills.pop(0)
        self._told(cause)

    def told_stream_control(self, cause: Cause) -> None:
        self._told(cause)

    def went_on(self) -> None:
        """The module has done as it was asked."""
        self._go_on()

    # ── Removal ──

    def eject(self) -> bool:
        """Let the module go, once what it holds has been fetched."""
        ready = self.end.runs["ATTACH"].state in ("READY_BASIC", "READY_FULL")
        if ready:
            self.end.signal("eject")
        return ready
