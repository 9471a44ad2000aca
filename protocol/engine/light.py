"""The laser link as either side keeps it where what lies below trains by itself: the words that both link machines use.

What the receiver would measure is made up from how well the sides sit: the channel model is not this part's.

Plan: what a side says of itself · guards · effects · what it sends · conditions.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import SidePart
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
    TrainReq,
    TrainStatus,
)
from opalink.spec.form import MS, US

_RELOCK: Final = 500 * US
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
        self._locked = False
        self._reason = Status.OK

    @property
    def lit(self) -> bool:
        return self.tx is LaserState.ON and self._locked

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
        return True

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

    def do_laser_on(self, _: Cause) -> None:
        self.tx, self._locked = LaserState.ON, True

    def do_laser_off(self, _: Cause) -> None:
        self.tx, self._locked = LaserState.OFF, False
        if self.mode is LaserMode.TEST:
            self.mode = LaserMode.AUTO

    def do_relock(self, _: Cause) -> None:
        self._locked = False
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

    # Gears, patterns and positions of channels are what lies below.
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
        return TrainStatus(state=LinkState(self.run.number), rx_power=self.rx_power)

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
