"""The laser link as the phone leads it: what its machine adds to the words of both sides.

Plan: what a phone has · guards and effects · what it sends.
"""

from typing import Final

from opalink.protocol.engine.light import Light
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.packets import Beacon, FecCode, GearMask, LaserGear, LinkParams, TrainResult, VcResync

# A phone's transceiver: it receives in every gear of this version and sends in the first.
GEARS: Final = (GearMask.G1 | GearMask.G2 | GearMask.G3 | GearMask.G4, GearMask.G1)
_REPLAY: Final = 1024  # FLITs


class PhoneLight(Light, PhonePart):
    """The phone's own end of the link."""

    def restart(self) -> None:
        super().restart()
        self._peer_locked = False

    @property
    def proven(self) -> bool:
        return self.end.contact.proven

    @property
    def gears(self) -> tuple[int, int]:
        return GEARS

    @property
    def streaming(self) -> bool:
        return bool(self.end.capture.running)

    # ── Guards and effects ──

    def when_peer_locked(self, _: Cause) -> bool:
        return self._peer_locked

    def heard_train_status(self, cause: Cause) -> None:
        self._peer_locked = cause.body.result == TrainResult.LOCKED

    def do_apply_params(self, cause: Cause) -> None:
        super().do_apply_params(cause)
        self.params = (cause.asked.body, cause.body) if cause.asked else None

    # ── What it sends ──

    def fill_beacon(self, cause: Cause) -> Beacon:
        return self.end.contact.fill_beacon(cause)

    def fill_link_params(self, _: Cause) -> LinkParams:
        self._peer_locked = False
        self.epoch += 1
        return LinkParams(gear=LaserGear.G4, fec=FecCode.RS_544_514, replay_depth=_REPLAY, epoch=self.epoch)

    def fill_vc_resync(self, _: Cause) -> VcResync:
        return VcResync(epoch=self.epoch)
