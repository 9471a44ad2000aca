"""Passive elements that stand upon a module.

Plan: the stack.
"""

from typing import Final

from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.packets import ChangeCause, ElementKind, IdMethod, PropertyTag, StackElement, StackReport

# What an element of a kind is like: thickness in um, density in 0.001 OD.
_LIKE: Final = {ElementKind.TUBE: (12_000, 0), ElementKind.DENSITY: (5000, 900), ElementKind.POLARISER: (6000, 450)}
_ORDINARY: Final = (5000, 30)


class Stack(ModulePart):
    """The stack is reported once a session begins, and with every change."""

    needs = ("STACK",)

    def restart(self) -> None:
        self.elements = self._seen()
        self.generation = 0

    @property
    def room(self) -> int:
        """How many elements the module can see."""
        return int(self.end.identity.records["stack"].elements)

    def put(self, count: int) -> None:
        """Have so many elements stand upon the module."""
        if count == self.around.elements:
            return
        self.around.elements = count
        self.elements, self.generation = self._seen(), self.generation + 1
        self.end.property_changed(ChangeCause.DEVICE, PropertyTag.STACK_GENERATION)
        self.end.send(self._report())

    def _seen(self) -> tuple[StackElement, ...]:
        """The elements that stand there, as the module recognises them."""
        if not self.around.elements:
            return ()
        seen = self.end.identity.records["stack"].kinds
        kinds = [k for k in ElementKind if seen >> k & 1] or [ElementKind.OTHER]
        return tuple(self._element(kinds[i % len(kinds)]) for i in range(self.around.elements))

    @staticmethod
    def _element(kind: ElementKind) -> StackElement:
        thickness, density = _LIKE.get(kind, _ORDINARY)
        return StackElement(kind=kind, id_method=IdMethod.HALL, confidence=95, thickness=thickness, density=density)

    def session_opened(self) -> None:
        self.end.send(self._report())

    def _report(self) -> StackReport:
        return StackReport(generation=self.generation, elements=self.elements)
