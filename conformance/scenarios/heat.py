"""Scenarios of the contacts and of heat; and of the swap of the power roles.

Plan: pins · heat · role swap.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.scenarios.flit import on_flits, quiet, since
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import configured, contract, ready
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status
from opalink.protocol.packets import Lane, OperationTag
from opalink.spec.form import MS

# ── Pins ─────────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/PIN_TEST/BI-moisture", "R-PWR-008",
    given="a module with moisture between its contacts", when="PIN_TEST measures the resistance",
    then="it answers MOISTURE", needs="CONTRACT", operations=("condition",),
)  # fmt: skip
def moisture_between_the_contacts(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.MOISTURE, present=1))
    heard = s.ask(p.PinTest(kind=p.PinTestKind.RESISTANCE, current=100, time=20))
    s.expect_status(heard, Status.MOISTURE)
    heard = s.ask(p.PinTest(kind=p.PinTestKind.LEAKAGE, time=20))
    s.expect_status(heard, Status.OK)


@scenario(
    "PWR/PIN_TEST/BI-contacts", "R-PWR-007",
    given="a module with bad contacts", when="PIN_TEST measures the resistance under current",
    then="it answers CONTACT_BAD", needs="CONTRACT", operations=("condition",),
)  # fmt: skip
def bad_contacts(s: Session) -> None:
    ready(s)
    s.operate(OperationTag.CONDITION, p.ConditionOperation(status=Status.CONTACT_BAD, present=1))
    heard = s.ask(p.PinTest(kind=p.PinTestKind.RESISTANCE, current=1500, time=20))
    s.expect_status(heard, Status.CONTACT_BAD)


@scenario(
    "PWR/PIN_TEST/BV-good", "R-PWR-007",
    given="a module with good contacts", when="PIN_TEST measures resistance and insulation",
    then="it gives what it measured", needs="CONTRACT",
)  # fmt: skip
def good_contacts(s: Session) -> None:
    ready(s)
    body = s.asks(p.PinTest(kind=p.PinTestKind.RESISTANCE, current=100, time=20))
    s.expect(body.resistance != 0xFFFF, "a resistance", "none")
    body = s.asks(p.PinTest(kind=p.PinTestKind.LEAKAGE, time=20))
    s.expect(body.leakage != 0xFFFF_FFFF, "an insulation", "none")


# ── Heat ─────────────────────────────────────────────────────────────────────────────────────────────


def _heat(s: Session, celsius: float, which: int = 0) -> None:
    record = s.record("THERMAL")
    sensor = record.sensors[which].sensor if record else 0
    s.operate(OperationTag.TEMPERATURE, p.TemperatureOperation(sensor=sensor, temperature=int(celsius * 10)))


def _limit(s: Session) -> float:
    record = s.record("THERMAL")
    return record.sensors[0].limit / 10 if record else 60.0


def _severity(s: Session, celsius: float, least: int = 0, most: int = 0xFF) -> Heard | None:
    """The THERMAL_STATUS with a severity in this range that comes when the first sensor is made to read this."""
    s.clear()
    _heat(s, celsius)
    return s.take(lambda h: isinstance(h.body, p.ThermalStatus) and least <= h.body.severity <= most, EVENTUALLY)


@scenario(
    "PWR/HEAT/BV-severity", "R-PWR-011", "R-DSC-017",
    given="a module with temperature sensors in READY", when="one warms up to its limit and cools again",
    then="THERMAL_STATUS reports each change of severity, with the sensors of its descriptor",
    needs="TEMPERATURE", operations=("temperature",),
)  # fmt: skip
def severity_is_reported(s: Session) -> None:
    ready(s)
    record = s.record("THERMAL")
    if record is None:
        s.fail("a record `thermal`", "none")
    wanted = {x.sensor for x in record.sensors}
    _heat(s, 20)
    s.let(300 * MS)
    cold = max((int(h.body.severity) for h in s.heard(p.ThermalStatus)[-1:]), default=0)
    hot = _severity(s, _limit(s), least=cold + 1)
    if hot is None:
        s.fail("THERMAL_STATUS with a higher severity at the limit", "none", "R-PWR-011")
    found = {x.sensor for x in hot.body.sensors}
    s.expect(found == wanted, f"sensors {sorted(wanted)}", f"{sorted(found)}", "R-DSC-017")
    cool = _severity(s, 20, most=hot.body.severity - 1)
    s.expect(cool is not None, "THERMAL_STATUS with a lower severity when it has cooled", "none", "R-PWR-011")


@on_flits(
    "HEADER/BV-severity", "R-PWR-015", given="a module with temperature sensors in READY",
    when="one warms up to its limit", then="the headers of its FLITs bear the severity that THERMAL_STATUS reported",
    needs="TEMPERATURE LASER", operations=("temperature",),
)  # fmt: skip
def flits_bear_the_severity(s: Session) -> None:
    bench = quiet(s)
    hot = _severity(s, _limit(s), least=p.ThermalSeverity.LIGHT)
    if hot is None:
        s.fail("THERMAL_STATUS with a severity at the limit", "none", "R-PWR-011")
    s.let(2 * MS)
    moment = s.now
    s.asks(p.Keepalive(), lane=Lane.LASER)
    found = {t.flit.severity for t in since(bench, moment) if t.flit}
    wanted = {int(hot.body.severity)}
    s.expect(found == wanted, f"severity {wanted} in its FLITs", f"{found or 'no FLIT'}", "R-PWR-015")


@scenario(
    "PWR/HEAT/BO-raise", "R-PWR-014",
    given="a module with a sensor at its limit of temperature", when="a stream is to be started",
    then="it answers THERMAL_LIMIT", needs="TEMPERATURE SENSOR", operations=("temperature",),
)  # fmt: skip
def no_more_power_when_hot(s: Session) -> None:
    configured(s)
    hot = _severity(s, _limit(s), least=p.ThermalSeverity.SEVERE)
    s.need(hot is not None, "The severity at the limit is below SEVERE.")
    heard = s.ask(p.StreamControl(op=p.StreamOp.START, mask=1))
    s.expect_status(heard, Status.THERMAL_LIMIT)


@scenario(
    "PWR/HEAT/BV-shutdown", "R-PWR-013", "R-PWR-011",
    given="a module with temperature sensors in READY", when="one warms up far beyond its limit",
    then="no severity is passed over backwards, and SHUTDOWN is reported before anything ends",
    needs="TEMPERATURE", operations=("temperature",),
)  # fmt: skip
def shutdown_is_announced(s: Session) -> None:
    ready(s)
    s.clear()
    limit = _limit(s)
    for step in range(12):
        _heat(s, limit - 20 + 5 * step)
        s.let(100 * MS)
    deadline = s.now + EVENTUALLY
    told: list[int] = []
    while p.ThermalSeverity.SHUTDOWN not in told and s.now < deadline:
        s.let(100 * MS)
        told = [int(h.body.severity) for h in s.heard(p.ThermalStatus)]
    s.expect(told == sorted(told), "rising severities", f"{told}")
    s.expect(p.ThermalSeverity.SHUTDOWN in told, "SHUTDOWN among them", f"{told}", "R-PWR-013")


# ── Role swap ────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "PWR/SWAP/BI-mismatch", "R-PWR-010",
    given="a module that can supply the phone", when="PWR_ROLE_SWAP asks for 20 V and 65 A",
    then="it answers PWR_MISMATCH", needs="ROLE_SWAP",
)  # fmt: skip
def a_swap_beyond_its_means(s: Session) -> None:
    contract(s)
    heard = s.ask(p.PwrRoleSwap(direction=p.PowerDirection.TO_PHONE, voltage=20_000, current=65_000))
    if heard.status == Status.NOT_SUPPORTED:
        raise Inapplicable("This packet type is optional, and not supported here.")
    s.expect_status(heard, Status.PWR_MISMATCH)
