"""What an upper tester can do to a module: each operation by its name.

Plan: contacts and lanes · resets and reading · what a hand, a room and a battery do · conditions.
"""

from typing import Any, Final

from opalink import __version__
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.engine.image import image_digest
from opalink.protocol.engine.module.heat import Heat
from opalink.protocol.engine.module.management import Management
from opalink.protocol.engine.module.optics import Optics
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.engine.module.stack import Stack
from opalink.protocol.engine.module.stills import Stills
from opalink.protocol.engine.surroundings import Result
from opalink.protocol.packets import (
    AnswerTag,
    Condition,
    ControlAction,
    CounterId,
    Lane,
    Outcome,
    ResetKind,
    StateAnswer,
    SubsystemMask,
    VersionAnswer,
)

_DONE: Final[Result] = (Outcome.DONE, ())
_FAILED: Final[Result] = (Outcome.FAILED, ())

# Conditions that show in the answer to the next request of a session, whatever it is.
GENERAL: Final = frozenset({Status.BUSY, Status.NO_MEMORY, Status.TIMEOUT})


class Tester(ModulePart):
    """`offered` are the operations that this module carries out, by tag."""

    def __init__(self, end: Any) -> None:
        super().__init__(end)
        self.offered = {
            t.tag: getattr(self, f"op_{t.name}")
            for t in end.catalogue.space["operations"].types
            if hasattr(self, f"op_{t.name}") and (not t.needs or end.features.intersection(t.needs))
        }

    # ── Contacts and lanes ──

    def op_attach(self, value: Any) -> Result:
        """Where the module sits already, this is a nudge."""
        around, lit = self.around, self.around.light
        around.quality = value.quality
        around.blocked.clear()
        if around.contacts:
            self._light_moved(lit)
            self.end.part(Management).moved()
        else:
            self._join()
        return _DONE

    def op_detach(self, _: Any) -> Result:
        if not self.around.contacts:
            return _FAILED
        self._part()
        return _DONE

    def _join(self) -> None:
        self.around.contacts = True
        self.end.line("power_on")
        if self.around.light:
            self.end.line("light_on")

    def _part(self) -> None:
        lit = self.around.light
        self.around.contacts = False
        self.end.line("power_off")
        if lit:
            self.end.line("light_off")
        self.end.settle()
        self.end.count(CounterId.CONTACTS_OPENED)
        if not self.end.has("BATTERY"):
            self.end.lose_power()

    def op_lane_down(self, value: Any) -> Result:
        return self._lane(value.lane, down=True)

    def op_lane_up(self, value: Any) -> Result:
        return self._lane(value.lane, down=False)

    def _lane(self, lane: int, *, down: bool) -> Result:
        if lane not in (Lane.SIDEBAND, Lane.LASER) or (lane == Lane.LASER and not self.end.has("LASER")):
            return _FAILED
        lit = self.around.light
        (self.around.blocked.add if down else self.around.blocked.discard)(Lane(lane))
        self._light_moved(lit)
        return _DONE

    def _light_moved(self, lit: bool) -> None:
        now = self.around.light
        if now is not lit and self.end.has("LASER"):
            if not now:
                self.end.count(CounterId.LIGHT_LOST)
            self.end.line("light_on" if now else "light_off")

    # ── Resets and reading ──

    def op_reset(self, value: Any) -> Result:
        """Both kinds forget all but stills that are stored: nothing else of this module outlives its firmware."""
        if not isinstance(value.kind, ResetKind):
            return _FAILED
        attached = self.around.contacts
        if attached:
            self._part()
        self.end.lose_power()
        if attached:
            self._join()
        return _DONE

    def op_state(self, _: Any) -> Result:
        return Outcome.DONE, (Tlv(AnswerTag.STATE, StateAnswer(self.end.part(Management).machines())),)

    def op_version(self, _: Any) -> Result:
        product = f"opalink {self.end.name}".encode()
        about = VersionAnswer(digest=image_digest(), product=product, version=__version__.encode())
        return Outcome.DONE, (Tlv(AnswerTag.VERSION, about),)

    # ── A hand, a room, a battery ──

    def op_temperature(self, value: Any) -> Result:
        return _DONE if self.end.part(Heat).read(value.sensor, value.temperature) else _FAILED

    def op_battery(self, value: Any) -> Result:
        self.around.battery = value.level
        self.end.part(Properties).battery_moved()
        return _DONE

    def op_ring(self, value: Any) -> Result:
        return _DONE if self.end.part(Optics).turn(value.control, value.delta) else _FAILED

    def op_button(self, value: Any) -> Result:
        if not self.end.part(Optics).press(value.control, value.action):
            return _FAILED
        stills = self.end.find(Stills)
        if stills is not None and not self.around.contacts and value.action is ControlAction.PRESS:
            stills.shoot()
        return _DONE

    def op_stack(self, value: Any) -> Result:
        stack = self.end.part(Stack)
        if value.elements > stack.room:
            return _FAILED
        stack.put(value.elements)
        return _DONE

    # ── Conditions ──

    def op_condition(self, value: Any) -> Result:
        if not isinstance(value.status, Condition):
            return _FAILED
        status, present = Status(value.status), bool(value.present)
        parts = [p for p in self.end.all_parts if status in p.conditions]
        if not parts and status not in GENERAL:
            return _FAILED
        if present is self.around.has(status):
            return _DONE
        lit = self.around.light
        (self.around.conditions.add if present else self.around.conditions.discard)(status)
        self._light_moved(lit)
        for part in parts:
            part.condition(status, present)
        if status is Status.BUSY and not present:
            self.end.ready(SubsystemMask(0))
        return _DONE
