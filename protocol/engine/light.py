"""The laser link as either side keeps it: the words that both link machines use.

What the receiver would measure is made up from how well the sides sit: the channel model is not this part's. Where the
side does the link layer itself it has a FLIT layer, and its receiver locks a while after light has come: no pattern
travels over a bench.

Plan: what a side says of itself · guards · effects · what it sends · conditions.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import SidePart
from opalink.protocol.flit import End, least
from opalink.protocol.packets import (
    CounterId,
    GearMask,
    Interlock,
    LaserMode,
    LaserOp,
    LaserSafetyResponse,
    LaserState,
    LinkEvent,
    LinkParams,
    LinkParamsResponse,
    LinkPmResponse,
    LinkPower,
    LinkState,
    RetrainReason,
    RetrainReq,
    TrainLock,
    TrainReq,
    TrainResult,
    TrainStatus,
)
from opalink.spec.form import MS, US

_RELOCK: Final = 500 * US
_LOCK: Final = 500 * US  # to find the clock, and again to find codewords
_BER: Final = 1200  # -100 log10 of what is left of errors: a clean link
# How long waking up takes at most, in us, by how deeply the link sleeps.
_WAKING: Final = {LinkPower.L0: 0, LinkPower.L1: 1000, LinkPower.L2: 20_000, LinkPower.L3: 520_000}


class Light(SidePart):
    """`lit` says that the laser carries packets now."""

    machine = "LINK"
    conditions = frozenset(
        {
            Status.LINK_LOST,
            Status.LINK_DEGRADED,
            Status.RETRAINING,
            Status.CREDIT_VIOLATION,
            Status.REPLAY_EXHAUSTED,
            Status.LASER_INTERLOCK,
        }
    )

    def restart(self) -> None:
        self.tx = LaserState.OFF
        self.mode = LaserMode.AUTO
        self.asleep = False
        self.epoch = 0
        self.params: tuple[LinkParams, LinkParamsResponse] | None = None  # those in effect
        self._locked = self._leaving = False
        self._reason = Status.OK
        if self.flits is not None:
            self.flits.begin(least(), least())

    @property
    def flits(self) -> End | None:
        """The FLIT layer; None where what lies below does it."""
        return None

    @property
    def lit(self) -> bool:
        return self._leaving or (self.tx is LaserState.ON and self._locked)

    @property
    def rx_power(self) -> int:
        """dBm × 100: -3 dBm in place, 9 dB less where the sides hardly sit."""
        return -300 - 9 * (100 - self.around.quality)

    # ── What a side says of itself ──

    @property
    def proven(self) -> bool:
        """Whether the peer's BEACON has come since the contacts closed."""
        raise NotImplementedError

    @property
    def gears(self) -> tuple[int, int]:
        """The gears in which this side can receive and send, as masks."""
        raise NotImplementedError

    @property
    def streaming(self) -> bool:
        """Whether frames come or go."""
        raise NotImplementedError

    def fill_beacon(self, cause: Cause) -> Any:
        raise NotImplementedError

    # ── Guards ──

    def when_faulty(self, _: Cause) -> bool:
        return bool(self.end.runs["ATTACH"].state == "FAULT")

    def when_seated(self, _: Cause) -> bool:
        return self.around.interlock

    def when_attach_proven(self, _: Cause) -> bool:
        return self.around.interlock and self.proven

    def when_light_seen(self, _: Cause) -> bool:
        return self.around.light

    def when_trained_below(self, _: Cause) -> bool:
        return self.flits is None

    def when_automatic(self, _: Cause) -> bool:
        return self.mode is not LaserMode.MANUAL

    def when_supported(self, cause: Cause) -> bool:
        ask = cause.body
        match type(ask).__name__:
            case "RetrainReq":
                return bool(ask.keep_config or ask.gears & self.gears[0])
            case "LinkPm":
                return not ask.exit_latency or _WAKING[ask.target] <= ask.exit_latency
        return True

    def when_disturbs(self, cause: Cause) -> bool:
        return self.streaming and getattr(cause.body, "target", None) is not LinkPower.L0

    def when_gear_left(self, _: Cause) -> bool:
        return False  # what lies below has tried them

    def when_keep_config(self, cause: Cause) -> bool:
        return bool(_agreed(cause).keep_config)

    def when_target_l0(self, cause: Cause) -> bool:
        return _agreed(cause).target is LinkPower.L0

    def when_target_l1(self, cause: Cause) -> bool:
        return _agreed(cause).target is LinkPower.L1

    def when_target_l2(self, cause: Cause) -> bool:
        return _agreed(cause).target is LinkPower.L2

    def when_sets_test(self, cause: Cause) -> bool:
        return cause.body.op is LaserOp.SET and cause.body.mode is LaserMode.TEST

    # ── Effects ──

    def do_laser_pulse(self, _: Cause) -> None:
        self.tx = LaserState.PULSE
        self.end.count(CounterId.RESTART_PULSES)

    def do_laser_on(self, cause: Cause) -> None:
        self._last()
        self.tx, self._locked = LaserState.ON, self.flits is None
        if self.flits is not None and cause.left != "L1":  # a training, not a relock
            self.end.clock.start(("laser", "lock"), _LOCK, lambda: self._lock("cdr_locked"))

    def _lock(self, found: str) -> None:
        """The receiver has found the clock, or codewords."""
        if not self.around.light or self.tx is not LaserState.ON:
            return
        if found == "cdr_locked":
            if self.flits is not None:
                self.flits.begin(least(self.epoch), least(self.epoch))
            self.end.clock.start(("laser", "lock"), _LOCK, lambda: self._lock("fec_locked"))
        else:
            self._locked = True
        self.end.signal(found)

    def _last(self) -> None:
        """What was answered leaves before light or lock go: from the side it has gone, from the FLIT layer not yet."""
        if self.flits is not None and self.lit and self.around.interlock:
            self._leaving = True
            self.end.clock.start(("laser", "last"), 0, self._left)

    def _left(self) -> None:
        self._leaving = False
        if self.flits is not None and not self._locked:
            self.flits.suspend()

    def do_laser_off(self, _: Cause) -> None:
        self._last()
        self.tx, self._locked = LaserState.OFF, False
        if self.mode is LaserMode.TEST:
            self.mode = LaserMode.AUTO
        if not self.around.contacts:
            self.epoch = 0

    def do_relock(self, _: Cause) -> None:
        self._last()
        self._locked = False
        if self.flits is not None and not self._leaving:
            self.flits.suspend()
        self.end.clock.start(("laser", "relock"), _RELOCK, self._relocked)

    def _relocked(self) -> None:
        if self.around.light and not self.around.has(Status.RETRAINING):
            self._locked = True
            self.end.signal("relocked")

    def do_sleep(self, _: Cause) -> None:
        self.asleep = True

    def do_wake(self, _: Cause) -> None:
        self.asleep = False

    def do_set_laser_mode(self, cause: Cause) -> None:
        if cause.body.op is LaserOp.SET:
            self.mode = cause.body.mode

    def do_apply_params(self, cause: Cause) -> None:
        self.epoch = cause.body.epoch

    # Gears and patterns are what lies below, and positions of channels where the FLIT layer does.
    def do_transmit_pattern(self, cause: Cause) -> None: ...
    def do_tune(self, cause: Cause) -> None: ...
    def do_next_attempt(self, cause: Cause) -> None: ...
    def do_take_gears(self, cause: Cause) -> None: ...
    def do_resync(self, cause: Cause) -> None: ...

    # ── What it sends ──

    def fill_link_event(self, cause: Cause) -> LinkEvent:
        return LinkEvent(
            state=LinkState(self.run.number),
            reason=self._reason if self._reason in cause.reasons else cause.reasons[-1],
            pre_fec_ber=_BER // 3 if self.around.has(Status.LINK_DEGRADED) else _BER,
            rx_power=self.rx_power,
        )

    def fill_retrain_req(self, _: Cause) -> RetrainReq:
        return RetrainReq(reason=RetrainReason.ERRORS, gears=GearMask(self.gears[1]))

    def fill_train_req(self, _: Cause) -> TrainReq:
        return TrainReq()

    def fill_train_status(self, _: Cause) -> TrainStatus:
        locks = TrainLock.LIGHT if self.around.light else TrainLock(0)
        result = TrainResult.NO_LOCK if locks else TrainResult.NO_LIGHT
        if self._locked:
            locks |= TrainLock.CDR | TrainLock.FEC
            result = TrainResult.LOCKED
        return TrainStatus(LinkState(self.run.number), locks, result, rx_power=self.rx_power, ber=_BER)

    def answer_laser_safety(self, _: Cause) -> LaserSafetyResponse:
        interlock = Interlock(0)
        if self.around.interlock:
            interlock |= Interlock.HALL | Interlock.SIGNATURE
        if self.proven:
            interlock |= Interlock.LINK
        times = self.end.catalogue.timer
        return LaserSafetyResponse(
            interlock=interlock,
            tx_state=self.tx,
            los_to_off=(times["tLosToLaserOff"].nominal or 0) // US,
            restart_pulse=(times["tLaserRestartPulse"].nominal or 0) // MS,
            restart_interval=(times["tLaserRestartInterval"].nominal or 0) // MS,
            mode=self.mode,
        )

    def answer_link_pm(self, cause: Cause) -> LinkPmResponse:
        return LinkPmResponse(exit_latency=_WAKING[cause.body.target])

    # ── Conditions ──

    def condition(self, status: Status, present: bool) -> None:
        self._reason = status if present else Status.OK
        match status:
            case Status.LINK_DEGRADED:
                self.end.signal("degraded")
            case Status.RETRAINING if present:
                self.end.signal("lock_lost")
            case Status.CREDIT_VIOLATION | Status.REPLAY_EXHAUSTED if present:
                self.end.signal("channel_fault")
            case Status.LASER_INTERLOCK:
                if present and self.tx is not LaserState.OFF:
                    self.end.count(CounterId.INTERLOCK_OPENED)
                self.end.line("interlock_open" if present else "interlock_closed")


def _agreed(cause: Cause) -> Any:
    """The request that arrived, or the one that was answered."""
    return cause.asked.body if cause.asked else cause.body
