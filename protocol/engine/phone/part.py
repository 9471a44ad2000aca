"""Parts of a phone."""

from typing import TYPE_CHECKING, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.surroundings import SidePart

if TYPE_CHECKING:
    from opalink.protocol.engine.phone import Phone

# Refusals that pass: what was asked for is asked for again.
FOR_NOW: Final = frozenset({Status.BUSY, Status.PWR_LIMIT, Status.BANDWIDTH, Status.THERMAL_LIMIT, Status.RETRAINING})


class PhonePart(SidePart):
    """A part of a phone. `known` is called once what the phone wants to know of the module has been read."""

    end: "Phone"

    def known(self) -> None:
        """Descriptor and modes have been read in this session."""
