"""The laser link as the phone leads it: what its machine adds to the words of both sides.

Where what lies below can say what it receives, the phone looks at it again and again, reports a bad link, and asks for
another gear of the downlink: it is the receiver.

Plan: what a phone has · gears · guards and effects · what it sends.
"""

from collections.abc import Callable
from math import log10
from typing import Final

from msgspec import structs

from opalink.protocol.channel.fec import Level
from opalink.protocol.codec import Status
from opalink.protocol.engine.gears import LOOK, Gearbox, Reading, Shift, neighbours, upto
from opalink.protocol.engine.light import Light
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.phone.capture import Capture
from opalink.protocol.engine.phone.contact import Contact
from opalink.protocol.engine.phone.part import PhonePart
from opalink.protocol.flit import End, parameters
from opalink.protocol.packets import (
    Beacon,
    CounterId,
    FecCode,
    GearMask,
    LaserGear,
    LinkEvent,
    LinkParams,
    RetrainReason,
    RetrainReq,
    TrainResult,
    VcResync,
)

# A phone's transceiver: it receives in every gear of this version and sends in the first.
GEARS: Final = (GearMask.G1 | GearMask.G2 | GearMask.G3 | GearMask.G4, GearMask.G1)
_REPLAY: Final = 1024  # FLITs
_CREDIT: Final = 4  # times the least room of each channel
_LOOKING: Final = ("laser", "look")
_DEAF: Final = 0.2  # share of codewords beyond correction: replay brings few of the others in time
_BER_MOST: Final = 3000  # -100 log10: no error
_SHIFTS: Final = 1000  # that are remembered


class PhoneLight(Light, PhonePart):
    """The phone's own end of the link. `gear` is that of the downlink since the sides last agreed on one, None before
    that; `shifts` are the times at which they did, with the gear."""

    meter: Callable[[int], Reading] | None = None  # of what lies below

    def restart(self) -> None:
        super().restart()
        self._asked = 0  # the last epoch that LINK_PARAMS has asked for, of this module
        self._met: Beacon | None = None
        self._peer_locked = False
        self._new_link()

    def _new_link(self) -> None:
        self.gear: LaserGear | None = None
        self.shifts: list[tuple[int, LaserGear]] = []
        self.box = Gearbox()
        self._reading: Reading | None = None
        self._wish: tuple[Shift, LaserGear] | None = None

    @property
    def flits(self) -> End | None:
        return self.end.flits

    @property
    def proven(self) -> bool:
        return self.end.part(Contact).proven

    @property
    def gears(self) -> tuple[int, int]:
        return GEARS

    @property
    def streaming(self) -> bool:
        return bool(self.end.part(Capture).running)

    # ── Gears ──

    def _mask(self) -> int:
        """The gears of the downlink that both sides have."""
        beacon = self.end.part(Contact).beacon
        return self.gears[0] & beacon.gears_down if beacon else 0

    def _look(self) -> None:
        """What the receiver counts, and what that calls for."""
        self.end.clock.start(_LOOKING, LOOK, self._look)
        if self.meter is None or self.run.state != "L0" or self.end.asking("RETRAIN_REQ"):
            return
        reading = self._reading = self.meter(self.end.now)
        lower, higher = neighbours(reading.gear, self._mask())
        before = self.box.level
        shift = self.box.look(self.end.now, reading, lower=lower, higher=higher)
        if _reported(before) is not _reported(self.box.level):
            degraded = _reported(self.box.level) is Level.DEGRADED
            self._reason = Status.LINK_DEGRADED if degraded else Status.OK
            self.end.signal("degraded")
        to = lower if shift is Shift.DOWN else higher
        if shift is not None and to is not None:
            self._wish = shift, to
            deaf = self.box.lost > _DEAF  # and would not hear the answer
            self.end.signal("clearing" if shift is Shift.UP else "lock_lost" if deaf else "failing")

    def when_gear_left(self, cause: Cause) -> bool:
        return super().when_gear_left(cause) or (self._wish is not None and self._wish[0] is Shift.DOWN)

    def when_gear_above(self, _: Cause) -> bool:
        return self._wish is not None and self._wish[0] is Shift.UP

    def fill_retrain_req(self, cause: Cause) -> RetrainReq:
        wish, self._wish = self._wish, None
        if wish is None:
            return super().fill_retrain_req(cause)
        shift, to = wish
        reason = RetrainReason.ERRORS if shift is Shift.DOWN else RetrainReason.QUALITY
        return RetrainReq(reason=reason, gears=GearMask(upto(to, self._mask())))

    def told_retrain_req(self, cause: Cause) -> None:
        if cause.arrived.status is not Status.OK:
            self.box.refused(self.end.now)
            self.end.complain(f"The module does not change the gear: {Status(cause.arrived.status).name}.")

    def unanswered_retrain_req(self, _: Cause) -> None:
        self.box.refused(self.end.now)

    def do_relock(self, cause: Cause) -> None:
        """Both sides relock in the gear that was agreed on, or in the one that what lies below can find lock in."""
        super().do_relock(cause)
        wish, self._wish = self._wish, None
        ask = cause.asked.body if cause.asked else None
        if isinstance(ask, RetrainReq) and not ask.keep_config:
            self._shift(LaserGear(int(ask.gears).bit_length() - 1))
        elif wish is not None:
            self._shift(wish[1])

    def _shift(self, gear: LaserGear) -> None:
        up = self._reading is not None and gear > self._reading.gear
        self.box.settled(self.end.now, Shift.UP if up else Shift.DOWN)
        self.gear = gear
        self.shifts = [*self.shifts[1 - _SHIFTS :], (self.end.now, gear)]

    # ── Guards and effects ──

    def do_laser_on(self, cause: Cause) -> None:
        super().do_laser_on(cause)
        self._peer_locked = False
        if self.meter is not None:
            self.end.clock.start(_LOOKING, LOOK, self._look)

    def do_laser_off(self, cause: Cause) -> None:
        super().do_laser_off(cause)
        self.end.clock.stop(_LOOKING)
        if not self.around.contacts:
            self._new_link()

    def when_peer_locked(self, _: Cause) -> bool:
        return self._peer_locked

    def heard_train_status(self, cause: Cause) -> None:
        self._peer_locked = cause.body.result == TrainResult.LOCKED

    def do_apply_params(self, cause: Cause) -> None:
        """Where it does the link layer itself, the epoch begins with its first FLIT."""
        super().do_apply_params(cause)
        self.params, self._asked = (cause.asked.body, cause.body) if cause.asked else None, self.epoch
        if self.flits is not None and self.params is not None:
            self.flits.begin(*self.params)
            self.flits.tell(self.end.now)

    def do_resync(self, cause: Cause) -> None:
        if self.flits is not None and not self.flits.resync(cause.body, self.end.now):
            self.end.count(CounterId.REPLAY_EXHAUSTED)
            self.stumble({Status.REPLAY_EXHAUSTED})

    def stumble(self, faults: set[Status]) -> None:
        """The FLIT layer cannot go on as it is: the channels must find together again."""
        self._reason = min(faults)
        faults.clear()
        self.end.signal("channel_fault")

    # ── What it sends ──

    def fill_beacon(self, cause: Cause) -> Beacon:
        return self.end.part(Contact).fill_beacon(cause)

    def fill_link_params(self, _: Cause) -> LinkParams:
        """Under the next epoch; the one after it where nobody knows whether the last that was asked for has begun."""
        beacon = self.end.part(Contact).beacon
        if beacon is not self._met:
            self._met, self._asked = beacon, 0
        self._asked = max(self._asked, self.epoch) + 1
        wanted = parameters(self._asked, depth=_REPLAY, credit=_CREDIT)
        return structs.replace(wanted, gear=LaserGear.G4, fec=FecCode.RS_544_514)

    def fill_link_event(self, cause: Cause) -> LinkEvent:
        said, reading = super().fill_link_event(cause), self._reading
        if reading is None:
            return said
        return structs.replace(
            said,
            pre_fec_ber=min(round(-100 * log10(self.box.ber)), _BER_MOST) if self.box.ber else _BER_MOST,
            corrected=round(reading.corrected),
            uncorrectable=round(reading.uncorrectable),
        )

    def fill_vc_resync(self, _: Cause) -> VcResync:
        return VcResync(epoch=self.epoch) if self.flits is None else self.flits.position(VcResync)


def _reported(found: Level) -> Level:
    """What LINK_EVENT tells of a level: FAILING is DEGRADED and more."""
    return Level.DEGRADED if found is Level.FAILING else found
