"""How a module moves and where its stabiliser is, as long as a stream runs. It is held still: the numbers say so.

Plan: motion.
"""

from typing import Final

from opalink.protocol.engine.machine import Cause
from opalink.protocol.engine.module.part import ModulePart
from opalink.protocol.engine.module.properties import Properties
from opalink.protocol.packets import (
    AccelRange,
    GyroRange,
    ImuBatch,
    ImuSample,
    OisSample,
    OisSamples,
    OisTarget,
    OisTargetKind,
    PropertyTag,
    StabilisationMode,
)
from opalink.spec.form import MS, SECOND

_BATCH: Final = 8  # samples of the inertial unit
_OIS_DT: Final = 1 * MS
_OIS_BATCH: Final = 40
_REACH: Final = 1500  # 0.1 um: how far the stabiliser goes
_ROLL: Final = 1000  # 0.001 deg
_G: Final = 1 << 13  # 1 g in counts, at 4 g full scale

# Which targets move the stabiliser, by who moves it (R-TIM-023).
_OBEYED: Final = {
    StabilisationMode.PHONE: OisTargetKind.POSITION,
    StabilisationMode.SHARED: OisTargetKind.CENTRE,
}


class Motion(ModulePart):
    needs = ("IMU", "OIS")

    def restart(self) -> None:
        self._at = OisSample()
        self._imu_from = self._ois_from = 0

    def streams_changed(self) -> None:
        """Streams have begun to run, or none runs any more."""
        if not self.end.streaming:
            self.end.clock.stop_all("motion")
            return
        if self.end.has("IMU") and not self.end.clock.running(("motion", "imu")):
            self._imu_from = self.end.link_time
            self._next_imu()
        if self.end.has("OIS") and not self.end.clock.running(("motion", "ois")):
            self._ois_from = self.end.link_time
            self.end.clock.start(("motion", "ois"), _OIS_DT * _OIS_BATCH, self._ois)

    def _dt(self) -> int:
        return SECOND // self.end.part(Properties).values[PropertyTag.IMU_RATE]

    def _next_imu(self) -> None:
        dt = self._dt()
        self.end.clock.start(("motion", "imu"), dt * _BATCH, lambda: self._imu(dt))

    def _imu(self, dt: int) -> None:
        still = ImuSample(accel_z=_G)
        self.end.send(
            ImuBatch(
                t0=self._imu_from,
                dt=dt,
                gyro_range=GyroRange.DPS500,
                accel_range=AccelRange.G4,
                samples=(still,) * _BATCH,
            )
        )
        self._imu_from += dt * _BATCH
        self._next_imu()

    def _ois(self) -> None:
        self.end.send(OisSamples(t0=self._ois_from, dt=_OIS_DT, samples=(self._at,) * _OIS_BATCH))
        self._ois_from += _OIS_DT * _OIS_BATCH
        self.end.clock.start(("motion", "ois"), _OIS_DT * _OIS_BATCH, self._ois)

    def heard_ois_target(self, cause: Cause) -> None:
        mode = self.end.part(Properties).values[PropertyTag.OIS_MODE] if self.end.has("OIS") else StabilisationMode.OFF
        target: OisTarget = cause.body
        if _OBEYED.get(StabilisationMode(mode)) != target.mode:
            return
        wait = max(0, target.apply - self.end.link_time)
        self.end.clock.start(("motion", "target"), wait, lambda: self._go(target))

    def _go(self, target: OisTarget) -> None:
        """As far as the stabiliser reaches."""
        x, y = (max(-_REACH, min(_REACH, v)) for v in (target.x, target.y))
        self._at = OisSample(x, y, max(-_ROLL, min(_ROLL, target.roll)))
