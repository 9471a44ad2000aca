"""Scenarios of heat: a module that warms up and cools while it is used, taken off or starved.

Plan: heat.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.purposes import Plan
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.capture import control, frame_time, state, still, whole_frame
from opalink.conformance.scenarios.journeys import take_off
from opalink.conformance.scenarios.journeys_supply import shrink
from opalink.conformance.tester.preambles import configured, ready, streaming
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import MachineId, OperationTag, StreamOp
from opalink.spec.form import MS, SECOND

_REMOVAL = ("attach", "detach")

# ── Heat ─────────────────────────────────────────────────────────────────────────────────────────────


def _warm(s: Session, share: float) -> None:
    """The first sensor reads 20 °C and so much of the way from there to its limit."""
    record = s.record("THERMAL")
    sensor, limit = (record.sensors[0].sensor, record.sensors[0].limit) if record else (0, 600)
    celsius = int(200 + (limit - 200) * share)
    s.operate(OperationTag.TEMPERATURE, p.TemperatureOperation(sensor=sensor, temperature=celsius))


def _felt(s: Session, share: float, *, hotter: bool, than: int) -> int:
    """The severity that it reports once it is warmed so far: above what it was, or below."""
    s.clear()
    _warm(s, share)
    heard = s.take(
        lambda h: (
            isinstance(h.body, p.ThermalStatus) and (h.body.severity > than if hotter else h.body.severity < than)
        ),
        EVENTUALLY,
    )
    if heard is None:
        s.fail(f"THERMAL_STATUS with a {'higher' if hotter else 'lower'} severity than {than}", "none", "R-PWR-011")
    return int(heard.body.severity)


@scenario(
    "PWR/HEAT/BV-again", "R-PWR-011",
    given="a module with temperature sensors in READY", when="it warms up to its limit and cools, five times",
    then="it reports a higher severity and a lower one each time", needs="TEMPERATURE", operations=("temperature",),
    suffering="heat", plan=Plan.CI,
)  # fmt: skip
def hot_and_cold(s: Session) -> None:
    ready(s)
    _warm(s, 0)
    s.let(SECOND)
    for _ in range(5):
        hot = _felt(s, 1, hotter=True, than=0)
        _felt(s, 0, hotter=False, than=hot)


@scenario(
    "PWR/HEAT/BV-take", "R-PWR-011", "R-FRM-003",
    given="a module that streams", when="it warms up in steps to its limit and cools, three times",
    then="it reports a higher severity and a lower one each time, and frames can be had again",
    needs="TEMPERATURE VIDEO", operations=("temperature",), suffering="heat", plan=Plan.CI,
)  # fmt: skip
def a_take_that_warms_up(s: Session) -> None:
    streaming(s)
    for _ in range(3):
        whole_frame(s)
        for share in (0.5, 0.7, 0.9):
            _warm(s, share)
            s.let(50 * MS)
        hot = _felt(s, 1, hotter=True, than=0)
        _felt(s, 0, hotter=False, than=hot)
        s.clear()
        if state(s) != "STREAMING":
            control(s, StreamOp.START)
    whole_frame(s)


@scenario(
    "PWR/HEAT/BO-still", "R-PWR-014", "R-PWR-011",
    given="a module with streams set up", when="it warms up to its limit and cools, three times",
    then="it starts no stream while it is hot, and does once it has cooled", needs="TEMPERATURE SENSOR",
    operations=("temperature",), suffering="heat", plan=Plan.CI,
)  # fmt: skip
def a_still_that_must_wait(s: Session) -> None:
    configured(s)
    _warm(s, 0)
    s.let(SECOND)
    for number in range(1, 4):
        hot = _felt(s, 1, hotter=True, than=0)
        s.let(SECOND)
        if max([hot, *(int(h.body.severity) for h in s.heard(p.ThermalStatus))]) < p.ThermalSeverity.SEVERE:
            raise Inapplicable("The severity at the limit is below SEVERE.")
        control(s, StreamOp.START, Status.THERMAL_LIMIT)
        _felt(s, 0, hotter=False, than=hot)
        s.let(SECOND)
        control(s, StreamOp.START)
        s.expect_status(still(s, number), Status.OK)
        s.need(s.take(p.FrameTrailer, 5 * SECOND) is not None, "The still has no trailer.")
        s.let(frame_time(s))
        control(s, StreamOp.STOP)
        s.reaches(MachineId.CAPTURE, "CONFIGURED")


@scenario(
    "PWR/HEAT/BV-removed", "R-PWR-011", "R-PWR-014",
    given="a module at its limit of temperature", when="it is taken off and put on while it is hot, three times",
    then="it says that it is hot in the session that begins, or once it has cooled that it no longer is",
    needs="TEMPERATURE SENSOR", operations=("temperature", *_REMOVAL), suffering="heat", plan=Plan.CI,
)  # fmt: skip
def hot_from_one_phone_to_the_next(s: Session) -> None:
    for _ in range(3):
        configured(s)
        _warm(s, 0)
        s.let(SECOND)
        hot = _felt(s, 1, hotter=True, than=0)
        take_off(s)
        configured(s)
        _warm(s, 1)
        s.let(SECOND)
        if hot >= p.ThermalSeverity.SEVERE:
            control(s, StreamOp.START, Status.THERMAL_LIMIT)
        _felt(s, 0, hotter=False, than=hot)
        take_off(s)


@scenario(
    "PWR/HEAT/BV-budget", "R-PWR-011", "R-PWR-002",
    given="a module that streams", when="it warms up while its budget shrinks, and cools once that is restored, twice",
    then="it keeps to each budget, and reports its severity both ways", needs="TEMPERATURE VIDEO CONTRACT",
    operations=("temperature",), suffering="heat", plan=Plan.CI,
)  # fmt: skip
def heat_and_hunger(s: Session) -> None:
    streaming(s)
    for _ in range(2):
        _warm(s, 0)
        s.let(100 * MS)
        hot = _felt(s, 1, hotter=True, than=0)
        shrink(s, p.BudgetCause.THERMAL)
        _felt(s, 0, hotter=False, than=hot)
    s.alive()
