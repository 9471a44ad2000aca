"""The laser link as a module keeps it where what lies below trains by itself: the words of the link machine.

What the receiver would measure is made up from how well the module sits: the channel model is not this part's.

Plan: light · guards · effects · what it sends · answers · conditions.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.surroundings import ModulePart
from opalink.protocol.packets import (
    Beacon,
    BertRunResponse,
    CounterId,
    GearMask,
    Interlock,
    LaserMode,
    LaserOp,
    LaserSafetyResponse,
    LaserState,
    LinkEvent,
    LinkPmResponse,
    LinkPower,
    LinkState,
    MarginMode,
    MarginOp,
    MarginResponse,
    RetrainReason,
    RetrainReq,
    SubsystemMask,
    TrainReq,
    TrainStatus,
    VcResyncResponse,
)
from opalink.spec.form import MS, SECOND, US

_RELOCK: Final = 500 * US
_BITS_PER_S: Final = 10_000_000_000
_LONGEST: Final = 10 * SECOND  # of a measurement
_AT_ONCE: Final = 1 * MS
_STEPS: Final = 10
_BER: Final = 1200  # -100 log10 of what is left of errors: a clean link
# Margin and offset of the last step of a link that sits well, by what is moved.
_MARGINS: Final = {MarginMode.OPTICAL_POWER: (900, 1200), MarginMode.TIME: (300, 400), MarginMode.VOLTAGE: (60, 80)}
# How long waking up takes at most, in us, by how deeply the link sleeps.
_WAKING: Final = {LinkPower.L0: 0, LinkPower.L1: 1000, LinkPower.L2: 20_000, LinkPower.L3: 520_000}


class Laser(ModulePart):
    """`lit` says that the laser carries packets now."""

    machine = "LINK"
    needs = ("LASER",)
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
        self._locked = False
        self._reason = Status.OK
        self._stop_measuring()

    @property
    def lit(self) -> bool:
        return self.tx is LaserState.ON and self._locked

    @property
    def rx_power(self) -> int:
        """dBm × 100: -3 dBm in place, 9 dB less where the module hardly sits."""
        return -300 - 9 * (100 - self.around.quality)

    # ── Guards ──

    def when_faulty(self, _: Cause) -> bool:
        return self.end.runs["ATTACH"].state == "FAULT"

    def when_seated(self, _: Cause) -> bool:
        return self.around.interlock

    def when_attach_proven(self, _: Cause) -> bool:
        return self.around.interlock and self.end.session.proven

    def when_light_seen(self, _: Cause) -> bool:
        return self.around.light

    def when_trained_below(self, _: Cause) -> bool:
        return True

    def when_automatic(self, _: Cause) -> bool:
        return self.mode is not LaserMode.MANUAL

    def when_supported(self, cause: Cause) -> bool:
        ask = cause.body
        name = type(ask).__name__
        if name == "RetrainReq":
            return bool(ask.keep_config or ask.gears & self.end.identity.records["link"].gears_down)
        if name == "LinkPm":
            return not ask.exit_latency or _WAKING[ask.target] <= ask.exit_latency
        if name == "Margin":
            return ask.op is MarginOp.QUERY or ask.dwell * US * _STEPS <= _LONGEST
        if name == "BertRun":
            return bool(ask.length <= _BITS_PER_S * (_LONGEST // SECOND))
        return True

    def when_disturbs(self, cause: Cause) -> bool:
        if type(cause.body).__name__ == "Margin" and cause.body.op is MarginOp.QUERY:
            return False
        return self.end.streaming and getattr(cause.body, "target", None) is not LinkPower.L0

    def when_gear_left(self, _: Cause) -> bool:
        return False  # what lies below has tried them

    def when_keep_config(self, cause: Cause) -> bool:
        return bool(self._agreed(cause).keep_config)

    def when_target_l0(self, cause: Cause) -> bool:
        return self._agreed(cause).target is LinkPower.L0

    def when_target_l1(self, cause: Cause) -> bool:
        return self._agreed(cause).target is LinkPower.L1

    def when_target_l2(self, cause: Cause) -> bool:
        return self._agreed(cause).target is LinkPower.L2

    @staticmethod
    def _agreed(cause: Cause) -> Any:
        """The request that arrived, or the one that was answered."""
        return cause.asked.body if cause.asked else cause.body

    def when_sets_test(self, cause: Cause) -> bool:
        return cause.body.op is LaserOp.SET and cause.body.mode is LaserMode.TEST

    def when_epoch_known(self, cause: Cause) -> bool:
        return bool(cause.body.epoch == self.epoch)

    def when_test_mode(self, _: Cause) -> bool:
        return self.mode is LaserMode.TEST

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
        self._stop_measuring()

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

    def fill_beacon(self, cause: Cause) -> Beacon:
        return self.end.session.fill_beacon(cause)

    def fill_link_event(self, _: Cause) -> LinkEvent:
        return LinkEvent(
            state=LinkState(self.run.number),
            reason=self._reason,
            pre_fec_ber=_BER // 3 if self.around.has(Status.LINK_DEGRADED) else _BER,
            rx_power=self.rx_power,
        )

    def fill_retrain_req(self, _: Cause) -> RetrainReq:
        return RetrainReq(reason=RetrainReason.ERRORS, gears=GearMask(self.end.identity.records["link"].gears_up))

    def fill_train_req(self, _: Cause) -> TrainReq:
        return TrainReq()

    def fill_train_status(self, _: Cause) -> TrainStatus:
        return TrainStatus(state=LinkState(self.run.number), rx_power=self.rx_power)

    # ── Answers ──

    def answer_laser_safety(self, _: Cause) -> LaserSafetyResponse:
        interlock = Interlock(0)
        if self.around.interlock:
            interlock |= Interlock.HALL | Interlock.SIGNATURE
        if self.end.session.proven:
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

    def answer_margin(self, cause: Cause) -> Any:
        ask = cause.body
        margin, last = _MARGINS[ask.mode]
        if ask.op is MarginOp.QUERY:
            return MarginResponse(steps=_STEPS, max_offset=last, destructive=1)
        margin = margin * self.around.quality // 100
        taken = min(_STEPS, margin * _STEPS // last + 1)
        given = MarginResponse(
            steps=taken, max_offset=last * taken // _STEPS, margin=margin, errors=taken, exceeded=1, destructive=1
        )
        return self._measure(cause, given, ask.dwell * US * taken)

    def answer_bert_run(self, cause: Cause) -> Any:
        length = cause.body.length
        return self._measure(cause, BertRunResponse(tested=length), length * SECOND // _BITS_PER_S)

    def answer_vc_resync(self, _: Cause) -> VcResyncResponse:
        return VcResyncResponse(epoch=self.epoch)

    def _measure(self, cause: Cause, given: Any, time: int) -> Any:
        """The result, once the measurement has taken its time."""
        if time <= _AT_ONCE:
            return given
        if self.end.clock.running(("laser", "measure")):
            self.end.busy(cause, SubsystemMask.LINK)
        self._measuring = cause
        self.end.clock.start(("laser", "measure"), time, lambda: self._measured(cause, given))
        return Later(time, self._stop_measuring)

    def _measured(self, cause: Cause, given: Any) -> None:
        self.end.finish(cause, given)
        self.end.ready(SubsystemMask.LINK)

    _measuring: Cause | None = None

    def _stop_measuring(self) -> None:
        """The light is needed for it."""
        if self._measuring is not None and self.end.clock.running(("laser", "measure")):
            self.end.clock.stop(("laser", "measure"))
            self.end.refuse(self._measuring, Status.CANCELLED)
            self.end.ready(SubsystemMask.LINK)
        self._measuring = None

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
