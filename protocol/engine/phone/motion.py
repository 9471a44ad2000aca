"""How module and stabiliser move, and how hot and how well seated the module is: what it says, kept for whoever asks.

Plan: what is kept.
"""

from collections import deque
from typing import Final

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import ImuBatch, OisSamples, PwrStatus, SeatStatus, ThermalStatus

_BATCHES: Final = 4096  # a few minutes of them


class Motion(PhonePart):
    """`stabiliser` and `inertia` are the last batches, `seat`, `heat` and `power` what was last said."""

    def restart(self) -> None:
        self.stabiliser: deque[OisSamples] = deque(maxlen=_BATCHES)
        self.inertia: deque[ImuBatch] = deque(maxlen=_BATCHES)
        self.seat: SeatStatus | None = None
        self.heat: ThermalStatus | None = None
        self.power: PwrStatus | None = None

    def heard_ois_samples(self, cause: Cause) -> None:
        self.stabiliser.append(cause.body)

    def heard_imu_batch(self, cause: Cause) -> None:
        self.inertia.append(cause.body)

    def heard_seat_status(self, cause: Cause) -> None:
        self.seat = cause.body

    def heard_thermal_status(self, cause: Cause) -> None:
        self.heat = cause.body

    def heard_pwr_status(self, cause: Cause) -> None:
        self.power = cause.body
