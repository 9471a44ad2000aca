"""Parts of a module."""

from typing import TYPE_CHECKING

from opalink.protocol.engine.surroundings import SidePart

if TYPE_CHECKING:
    from opalink.protocol.engine.module.module import Module


class ModulePart(SidePart):
    """A part of a module."""

    end: "Module"
