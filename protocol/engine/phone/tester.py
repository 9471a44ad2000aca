"""What an upper tester can do to a phone: each operation by its name.

Plan: contacts and lanes · resets and reading · the user · conditions.
"""

from typing import Any, Final

from opalink import __version__
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.housekeeping import Housekeeping
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.engine.phone.user import User
from opalink.protocol.engine.surroundings import Result
from opalink.protocol.packets import (
    AnswerTag,
    Condition,
    Lane,
    Outcome,
    ResetKind,
    StateAnswer,
    VersionAnswer,
)

_DONE: Final[Result] = (Outcome.DONE, ())
_FAILED: Final[Result] = (Outcome.FAILED, ())


class Tester(PhonePart):
    """`offered` are the operations that this phone carries out, by tag."""

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.offered = {
            t.tag: getattr(self, f"op_{t.name}")
            for t in end.catalogue.space["operations"].types
            if hasattr(self, f"op_{t.name}")
        }

    # ── Contacts and lanes ──

    def op_attach(self, value: Any) -> Result:
        self.around.blocked.clear()
        self.end.dock(value.quality)
        return _DONE

    def op_detach(self, _: Any) -> Result:
        if not self.around.contacts:
            return _FAILED
        self.end.undock()
        return _DONE

    def op_lane_down(self, value: Any) -> Result:
        return self._lane(value.lane, up=False)

    def op_lane_up(self, value: Any) -> Result:
        return self._lane(value.lane, up=True)

    def _lane(self, lane: int, *, up: bool) -> Result:
        match lane:
            case Lane.LASER:
                self.end.see(light=up)
            case Lane.SIDEBAND:
                (self.around.blocked.discard if up else self.around.blocked.add)(Lane.SIDEBAND)
            case _:
                return _FAILED
        return _DONE

    # ── Resets and reading ──

    def op_reset(self, value: Any) -> Result:
        """Both kinds forget all but descriptors that were read: nothing else outlives a phone's firmware."""
        if not isinstance(value.kind, ResetKind):
            return _FAILED
        attached, quality = self.around.contacts, self.around.quality
        self.end.undock()
        self.end.restart_all()
        if attached:
            self.end.dock(quality)
        return _DONE

    def op_state(self, _: Any) -> Result:
        services = next(p for p in self.end.all_parts if isinstance(p, Housekeeping))
        return Outcome.DONE, (Tlv(AnswerTag.STATE, StateAnswer(services.machines())),)

    def op_version(self, _: Any) -> Result:
        about = VersionAnswer(digest=image_digest(), product=b"opalink phone", version=__version__.encode())
        return Outcome.DONE, (Tlv(AnswerTag.VERSION, about),)

    # ── The user ──

    def op_user(self, value: Any) -> Result:
        return _DONE if self.end.part(User).act(value.action) else _FAILED

    # ── Conditions ──

    def op_condition(self, value: Any) -> Result:
        if not isinstance(value.status, Condition):
            return _FAILED
        status, present = Status(value.status), bool(value.present)
        parts = [p for p in self.end.all_parts if status in p.conditions]
        if not parts:
            return _FAILED
        if present is self.around.has(status):
            return _DONE
        lit = self.around.light
        (self.around.conditions.add if present else self.around.conditions.discard)(status)
        if self.around.light is not lit:
            self.end.line("light_off" if lit else "light_on")
        for part in parts:
            part.condition(status, present)
        return _DONE
