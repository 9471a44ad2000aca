"""The tester's phone on the FLIT plane: it trains, agrees on parameters, resynchronises, and begins epochs.

Plan: the phone's end of the link · what it hears · what it asks.
"""

from typing import Final

from opalink.conformance.tester.flit_bench import FlitBench
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.line import Line
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.flit import least, parameters
from opalink.protocol.packets import Lane
from opalink.spec.form import MS

_DEPTH: Final = 1024  # FLITs that the tester holds for replay
_CREDIT: Final = 4  # times the least room of each channel
RELOCK: Final = 4 * MS  # from a lost lock until VC_RESYNC: within tRelock, and once, as positions grow old


class FlitPhone:
    """`up` is whether channels are open; `wants` is what the tester gives in LINK_PARAMS, its epoch aside. A test that
    does the phone's part itself sets `idle`."""

    def __init__(self, line: Line, bench: FlitBench) -> None:
        self._line, self._bench = line, bench
        self.up = self.idle = False
        self.epoch = 0
        self.wants = parameters(depth=_DEPTH, credit=_CREDIT)
        self.ours: p.LinkParams | None = None
        self.theirs: p.LinkParamsResponse | None = None
        self._nonce = -1
        self._asleep = False

    # ── What it hears ──

    def hear(self, heard: Heard) -> None:
        body = heard.body
        if isinstance(body, p.Beacon):
            if body.nonce != self._nonce:  # it has started anew
                self._nonce, self.epoch = body.nonce, 0
                self._restart()
        elif isinstance(body, p.TrainReq):
            self._restart()
        elif isinstance(body, p.TrainStatus):
            if not self.idle and body.result is p.TrainResult.LOCKED and body.state is p.LinkState.NEGOTIATE:
                self.agree()
        elif isinstance(body, p.LinkParamsResponse) and heard.status == Status.OK and heard.asked:
            self._begin(heard.asked.body, body)
        elif isinstance(body, p.VcResyncResponse) and heard.status == Status.OK:
            self.up = self._bench.end.resync(body, self._line.now)
        elif (isinstance(body, p.LinkEvent) and body.state is p.LinkState.RECOVERY and not self.idle) or (
            isinstance(body, p.RetrainReqResponse) and heard.status == Status.OK
        ):
            self.recover()
        elif isinstance(body, p.LinkPmResponse) and heard.asked and isinstance(heard.asked.body, p.LinkPm):
            was, self._asleep = self._asleep, heard.asked.body.target is not p.LinkPower.L0
            if was and not self._asleep:
                self.recover()

    def _restart(self) -> None:
        """A training begins: LINK alone, in the epoch that held last."""
        self.up, self.theirs = False, None
        self._bench.begin_epoch(least(self.epoch), least(self.epoch))

    def _begin(self, ours: p.LinkParams, theirs: p.LinkParamsResponse) -> None:
        """The epoch begins with the phone's first FLIT."""
        self.ours, self.theirs, self.epoch = ours, theirs, ours.epoch
        self._bench.begin_epoch(ours, theirs)
        self._bench.end.tell(self._line.now)
        self._bench.pump()
        self.up = self._line.light = True

    # ── What it asks ──

    def agree(self, lane: int | None = None) -> None:
        """Ask for LINK_PARAMS under the next epoch, on either lane."""
        w = self.wants
        asked = p.LinkParams(
            replay_depth=w.replay_depth, ack_coalesce=w.ack_coalesce, epoch=self.epoch + 1, channels=w.channels
        )
        if lane is None:
            lane = self._line.random.choice((Lane.SIDEBAND, Lane.LASER))
        self._line.request(asked, lane=lane)

    def recover(self) -> None:
        """Lock is being sought: say where the phone stands once it may be there again. Whoever does not hear that
        trains anew."""
        self._bench.end.suspend()
        self._bench.later(RELOCK, self.resync)
        self.up = False

    def resync(self) -> None:
        if not self.up and self.theirs is not None:
            self._line.request(self._bench.end.position(p.VcResync), lane=Lane.LASER)
