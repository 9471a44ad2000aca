"""Temperatures, and what heat takes away.

Plan: readings · severity.
"""

from typing import Final

from opalink.protocol.codec import Status
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.packets import CounterId, Subsystem, Temperature, ThermalSeverity, ThermalStatus

_ROOM: Final = 250  # 0.1 degC
_NEVER: Final = 0xFFFF
# How far below its limit the sensor nearest to it may be, in 0.1 K, before a severity is reached.
_MARGINS: Final = (
    (ThermalSeverity.SHUTDOWN, -50),
    (ThermalSeverity.EMERGENCY, 0),
    (ThermalSeverity.CRITICAL, 15),
    (ThermalSeverity.SEVERE, 40),
    (ThermalSeverity.MODERATE, 70),
    (ThermalSeverity.LIGHT, 100),
)


class Heat(ModulePart):
    """Readings move when the tester moves them: the module's own warmth is not modelled."""

    needs = ("TEMPERATURE",)
    conditions = frozenset({Status.THERMAL_LIMIT})

    def restart(self) -> None:
        self.sensors = self.end.identity.records["thermal"].sensors
        self.readings = {s.sensor: self.around.temperatures.get(s.sensor, _ROOM) for s in self.sensors}
        self._reach(ThermalSeverity.NONE)

    @property
    def hottest(self) -> int:
        return max(self.readings.values())

    def read(self, sensor: int, reading: int) -> bool:
        """Let a sensor read a temperature; whether there is such a sensor."""
        if sensor not in self.readings:
            return False
        self.around.temperatures[sensor] = self.readings[sensor] = reading
        self._judge()
        return True

    def session_opened(self) -> None:
        self._judge()

    def condition(self, _: Status, __: bool) -> None:
        self._judge()

    def _judge(self) -> None:
        margin = min(s.limit - self.readings[s.sensor] for s in self.sensors)
        severity = next((level for level, least in _MARGINS if margin <= least), ThermalSeverity.NONE)
        if self.around.has(Status.THERMAL_LIMIT):
            severity = max(severity, ThermalSeverity.CRITICAL)
        if severity == self.severity:
            return
        if severity >= ThermalSeverity.SEVERE > self.severity:
            self.end.count(CounterId.THERMAL_LIMITS)
        self._reach(severity)
        self.end.send(self._status())
        if severity is ThermalSeverity.SHUTDOWN:
            self.end.fail(Status.THERMAL_LIMIT, Subsystem.THERMAL)

    def _reach(self, severity: ThermalSeverity) -> None:
        self.severity = severity
        if self.end.flits is not None:
            self.end.flits.severity = int(severity)

    def _status(self) -> ThermalStatus:
        rows = tuple(Temperature(s.sensor, s.part, self.readings[s.sensor], s.limit) for s in self.sensors)
        return ThermalStatus(severity=self.severity, time_to_limit=_NEVER, sensors=rows)
