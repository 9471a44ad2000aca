"""Scenarios of epochs: LINK_PARAMS, VC_RESYNC, light that goes and comes.

Plan: parameters · resynchronisation · light.
"""

from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios.flit import answered_by_light, lanes, on_flits, quiet, recovered, sent_since, since
from opalink.conformance.tester.preambles import greet, negotiate, ready, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.flit import parameters
from opalink.protocol.packets import FlitKind, Lane, LinkState, MachineId, OperationTag
from opalink.spec.form import MS, US
from opalink.spec.limits import CHANNELS

# ── Parameters ───────────────────────────────────────────────────────────────────────────────────────


@on_flits(
    "EPOCH/CA-parameters", "R-LNK-015", "R-LNK-016", given="a module that waits for LINK_PARAMS",
    when="LINK_PARAMS comes",
    then="it grants each channel its least credit and payload, under the epoch that was asked for", plan=Plan.QUICK,
)  # fmt: skip
def parameters_are_granted(s: Session) -> None:
    ready(s)
    s.need(s.flits is not None and s.flits.theirs is not None, "LINK_PARAMS was not answered.")
    if s.flits is None or s.flits.theirs is None:
        return
    given, asked = s.flits.theirs, s.flits.epoch
    least = {c.value: c for c in CHANNELS}
    s.expect(given.epoch == asked, f"epoch {asked}", f"{given.epoch}")
    for row in given.channels:
        if row.vc not in least:
            continue
        c = least[row.vc]
        s.expect(row.credits >= c.credits_min, f"{c.credits_min} credits on {c.name}", f"{row.credits}", "R-LNK-015")
        s.expect(row.mtu >= c.payload_max, f"{c.payload_max} bytes on {c.name}", f"{row.mtu}", "R-LNK-016")


def _agreed(s: Session, lane: Lane) -> None:
    """LINK_PARAMS on a lane leads to an epoch in which the laser carries requests."""
    negotiate(s)
    if s.flits is None:
        return
    s.flits.agree(lane)
    s.need(s.take(p.LinkParamsResponse, EVENTUALLY) is not None and s.light, "LINK_PARAMS was not accepted.")
    up = s.take(lambda h: isinstance(h.body, p.LinkEvent) and h.body.state is LinkState.L0, EVENTUALLY)
    s.expect(up is not None, "LINK_EVENT with L0", "none")
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER))


@on_flits(
    "EPOCH/BV-by_sideband", "R-FLT-053", given="a module that waits for LINK_PARAMS",
    when="LINK_PARAMS comes on the sideband", then="the first FLIT of the new epoch begins it",
)  # fmt: skip
def agreed_on_the_sideband(s: Session) -> None:
    _agreed(s, Lane.SIDEBAND)


@on_flits(
    "EPOCH/BV-by_laser", "R-FLT-053", "R-FLT-052", given="a module that waits for LINK_PARAMS",
    when="LINK_PARAMS comes on the laser",
    then="it answers in the epoch that ends, and the first FLIT of the new one begins that",
)  # fmt: skip
def agreed_on_the_laser(s: Session) -> None:
    _agreed(s, Lane.LASER)


@on_flits(
    "EPOCH/BI-parity", "R-FLT-055", given="a module that waits for LINK_PARAMS",
    when="LINK_PARAMS comes with an epoch of the parity that holds", then="it answers RANGE_LIMIT, and then agrees",
    plan=Plan.QUICK,
)  # fmt: skip
def the_parity_must_change(s: Session) -> None:
    negotiate(s)
    if s.flits is None:
        return
    wants = s.flits.wants
    asked = p.LinkParams(
        replay_depth=wants.replay_depth, ack_coalesce=1, epoch=s.flits.epoch + 2, channels=wants.channels
    )
    heard = s.ask(asked, lane=Lane.SIDEBAND)
    s.expect_status(heard, Status.RANGE_LIMIT)
    s.flits.idle = False  # should it train anew by then
    s.flits.agree(Lane.SIDEBAND)
    s.expect(s.take(p.LinkParamsResponse, EVENTUALLY) is not None, "LINK_PARAMS answered", "none")


@on_flits(
    "EPOCH/BV-depth_min", "R-FLT-013", given="a module that waits for LINK_PARAMS",
    when="LINK_PARAMS comes with the least replay depth and each FLIT acknowledged at once",
    then="requests are answered as before",
)  # fmt: skip
def the_least_depth(s: Session) -> None:
    negotiate(s)
    if s.flits is None:
        return
    s.flits.wants = parameters(depth=64)
    s.flits.agree()
    s.need(s.take(p.LinkParamsResponse, EVENTUALLY) is not None and s.light, "LINK_PARAMS was not accepted.")
    for _ in range(20):
        for one in [s.request(p.StateGet(), lane=Lane.LASER) for _ in range(6)]:
            answered_by_light(s, one)


# ── Resynchronisation ────────────────────────────────────────────────────────────────────────────────


@on_flits(
    "RESYNC/BI-epoch", "R-FLT-057", given="a module in READY", when="VC_RESYNC comes for another epoch",
    then="it answers EPOCH_MISMATCH", plan=Plan.QUICK,
)  # fmt: skip
def another_epoch(s: Session) -> None:
    bench = quiet(s)
    heard = s.ask(p.VcResync(epoch=bench.end.epoch + 1), lane=Lane.LASER)
    s.expect_status(heard, Status.EPOCH_MISMATCH)


@on_flits(
    "RESYNC/BV-from", "R-FLT-058", "R-FLT-056", given="a module in READY whose last FLITs were lost",
    when="VC_RESYNC says which it has received", then="it goes on with the one after that", plan=Plan.QUICK,
)  # fmt: skip
def it_goes_on_from_there(s: Session) -> None:
    bench = quiet(s)
    bench.withhold()
    moment = s.now
    lost = s.request(p.StateGet(), lane=Lane.LASER)
    begun = max(sent_since(s, bench, moment), s.now)
    bench.let_go(lost=True)
    heard = s.ask(bench.end.position(p.VcResync), lane=Lane.LASER)
    s.expect_status(heard, Status.OK)
    s.let(1 * MS)
    number = next((t.flit.seq for t in since(bench, moment) if t.flit and t.flit.kind == FlitKind.DATA), None)
    s.need(number is not None, "The module has sent no DATA FLIT.")
    again = [t for t in since(bench, begun) if t.flit and (t.flit.kind, t.flit.seq) == (FlitKind.REPLAY, number)]
    s.expect(bool(again), f"FLIT {number} again", "not again", "R-FLT-058")
    answered_by_light(s, lost)


# ── Light ────────────────────────────────────────────────────────────────────────────────────────────


def _blink(s: Session, dark: int) -> None:
    s.operate(OperationTag.LANE_DOWN, p.LaneDownOperation(lane=Lane.LASER))
    s.let(dark)
    s.operate(OperationTag.LANE_UP, p.LaneUpOperation(lane=Lane.LASER))


@on_flits(
    "RESYNC/BV-blink", "R-FLT-058", given="a module in READY", when="light goes for less than tLosToLaserOff",
    then="the link recovers with VC_RESYNC, or trains anew", operations=("lane_down", "lane_up"), plan=Plan.QUICK,
    virtual=True,
)  # fmt: skip
def light_blinks(s: Session) -> None:
    quiet(s)
    _blink(s, 100 * US)
    recovered(s, "R-FLT-058")
    state = s.state(MachineId.LINK)
    s.expect(state == "L0", "LINK in L0", state)
    answered_by_light(s, s.request(p.StateGet(), lane=Lane.LASER), "R-FLT-058")


@on_flits(
    "RESYNC/BV-blink_frames", "R-FLT-058", "R-FLT-024", given="a module that streams",
    when="light goes for less than tLosToLaserOff, and the session is resumed", then="frames go on, and whole",
    needs="LASER SENSOR", operations=("lane_down", "lane_up"), virtual=True,
)  # fmt: skip
def light_blinks_in_a_frame(s: Session) -> None:
    streaming(s)
    bench = lanes(s)
    s.need(s.take(p.FrameLeader, EVENTUALLY) is not None, "No frame has begun.")
    _blink(s, 100 * US)
    recovered(s, "R-FLT-058")
    greet(s, resume=True)
    s.expect_status(s.ask(bench.end.position(p.VcResync), lane=Lane.LASER), Status.OK)
    s.clear()
    whole = s.take(lambda h: isinstance(h.body, p.FrameTrailer) and h.body.result == p.FrameResult.COMPLETE, EVENTUALLY)
    s.expect(whole is not None, "frames that go on", f"none whole within {EVENTUALLY} ns")


@on_flits(
    "EPOCH/BV-anew", "R-FLT-052", "R-FLT-050", given="a module in READY",
    when="light goes for longer than tLosToLaserOff and comes back",
    then="it trains, and channels open under another epoch", operations=("lane_down", "lane_up"),
)  # fmt: skip
def a_new_epoch_after_a_training(s: Session) -> None:
    bench = quiet(s)
    epoch = bench.end.epoch
    _blink(s, 5 * MS)
    s.light = False
    opened = s.take(p.LinkParamsResponse, EVENTUALLY)
    s.need(opened is not None, "The link was not trained again.")
    s.expect(bench.end.epoch == epoch + 1, f"epoch {epoch + 1}", f"{bench.end.epoch}")
    s.let(20 * MS)
    answered_by_light(s, s.request(p.CountersGet(groups=1), lane=Lane.LASER))
