"""The laser link as a module keeps it: what its machine adds to the words of both sides, and what measures the link.

Plan: guards · effects · answers · gears · the FLIT layer.
"""

from typing import Any, Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.dispatch import Later
from opalink.protocol.engine.light import Light
from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.session import Session
from opalink.protocol.flit import End, parameters
from opalink.protocol.packets import (
    Beacon,
    BertRunResponse,
    CounterId,
    LaserMode,
    LinkParams,
    LinkParamsResponse,
    MarginMode,
    MarginOp,
    MarginResponse,
    RetrainReq,
    SubsystemMask,
    VcResyncResponse,
    VirtualChannel,
)
from opalink.spec.form import MS, SECOND, US
from opalink.spec.limits import CHANNELS

_DEPTH: Final = 1024  # FLITs held for replay: 0.5 ms on the fastest gear
_CREDIT: Final = 1  # times the least room of each channel
_BITS_PER_S: Final = 10_000_000_000
_LONGEST: Final = 10 * SECOND  # of a measurement
_AT_ONCE: Final = 1 * MS
_STEPS: Final = 10
# Margin and offset of the last step of a link that sits well, by what is moved.
_MARGINS: Final = {MarginMode.OPTICAL_POWER: (900, 1200), MarginMode.TIME: (300, 400), MarginMode.VOLTAGE: (60, 80)}


class Laser(Light, ModulePart):
    """The module's own link."""

    def restart(self) -> None:
        super().restart()
        self._agreed: int | None = None  # gears of the last RETRAIN_REQ that was agreed on
        self._stop_measuring()

    @property
    def flits(self) -> End | None:
        return self.end.flits

    @property
    def proven(self) -> bool:
        return self.end.part(Session).proven

    @property
    def gears(self) -> tuple[int, int]:
        link = self.end.identity.records["link"]
        return link.gears_down, link.gears_up

    @property
    def down(self) -> int:
        """The gears, as a mask, of which the highest is that in which this side sends."""
        mine = self.gears[0]
        return mine if self._agreed is None else mine & self._agreed or mine

    @property
    def streaming(self) -> bool:
        return self.end.streaming

    # ── Guards ──

    def when_supported(self, cause: Cause) -> bool:
        ask = cause.body
        match type(ask).__name__:
            case "Margin":
                return ask.op is MarginOp.QUERY or ask.dwell * US * _STEPS <= _LONGEST
            case "BertRun":
                return bool(ask.length <= _BITS_PER_S * (_LONGEST // SECOND))
            case "LinkParams":
                return self._grants(ask)
        return super().when_supported(cause)

    def _grants(self, ask: LinkParams) -> bool:
        """Whether an epoch can begin on these terms: each channel once and none that is not declared, LINK among them,
        and FLITs that can be told from those of the epoch that holds."""
        granted = [row.vc for row in ask.channels]
        known = {c.value for c in CHANNELS}
        whole = len(granted) == len(set(granted)) and VirtualChannel.LINK in granted and known.issuperset(granted)
        return whole and (self.flits is None or (ask.epoch ^ self.epoch) & 1 == 1)

    def when_disturbs(self, cause: Cause) -> bool:
        if type(cause.body).__name__ == "Margin" and cause.body.op is MarginOp.QUERY:
            return False
        return super().when_disturbs(cause)

    def when_epoch_known(self, cause: Cause) -> bool:
        return bool(cause.body.epoch == self.epoch)

    def when_test_mode(self, _: Cause) -> bool:
        return self.mode is LaserMode.TEST

    # ── Effects ──

    def do_laser_off(self, cause: Cause) -> None:
        super().do_laser_off(cause)
        self._stop_measuring()

    def fill_beacon(self, cause: Cause) -> Beacon:
        return self.end.part(Session).fill_beacon(cause)

    # ── Answers ──

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

    def answer_link_params(self, cause: Cause) -> LinkParamsResponse:
        mine = parameters(self.epoch, depth=_DEPTH, credit=_CREDIT)
        given = LinkParamsResponse(
            replay_depth=mine.replay_depth, ack_coalesce=mine.ack_coalesce, epoch=mine.epoch, channels=mine.channels
        )
        self.params = cause.body, given
        if self.flits is not None:
            self.flits.expect(given, cause.body)
        return given

    def answer_vc_resync(self, _: Cause) -> VcResyncResponse:
        if self.flits is None:
            return VcResyncResponse(epoch=self.epoch)
        return self.flits.position(VcResyncResponse)

    # ── Gears ──

    def do_take_gears(self, cause: Cause) -> None:
        self._take_gears(cause)

    def do_relock(self, cause: Cause) -> None:
        super().do_relock(cause)
        self._take_gears(cause)

    def _take_gears(self, cause: Cause) -> None:
        """What lies below changes the gear; frames are spread over what it carries."""
        if isinstance(cause.body, RetrainReq) and not cause.body.keep_config:
            self._agreed = int(cause.body.gears)

    # ── The FLIT layer ──

    def do_resync(self, cause: Cause) -> None:
        if self.flits is not None and not self.flits.resync(cause.body, self.end.now):
            self.end.count(CounterId.REPLAY_EXHAUSTED)
            self.stumble({Status.REPLAY_EXHAUSTED})

    def stumble(self, faults: set[Status]) -> None:
        """The FLIT layer cannot go on as it is: the channels must find together again."""
        self._reason = min(faults)
        faults.clear()
        self.end.signal("channel_fault")

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
