"""Which properties a module has, and what it can do with each: from the catalogue's ranges and its descriptor.

Plan: what a property can do · ranges of a module · descriptions.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from msgspec import Struct

from opalink.protocol.codec import Status
from opalink.protocol.engine.module.identity import Identity
from opalink.protocol.ir import model as ir
from opalink.protocol.packets import (
    ControlId,
    ExposureControl,
    Motor,
    PropertyAccess,
    PropertyDesc,
    PropertyMember,
    PropertyType,
    PropertyUnit,
    RingUse,
    StabilisationMode,
)

_ACCESS: Final = {"ro": PropertyAccess.READ, "wo": PropertyAccess.WRITE, "rw": PropertyAccess.READ_WRITE}
_UNITS: Final = {
    "": PropertyUnit.NONE, "ns": PropertyUnit.NS, "x": PropertyUnit.TIMES, "EV": PropertyUnit.EV,
    "Hz": PropertyUnit.HZ, "K": PropertyUnit.KELVIN, "DN": PropertyUnit.DN, "D": PropertyUnit.DIOPTRE,
    "AV": PropertyUnit.AV_256, "OD": PropertyUnit.OD, "um": PropertyUnit.UM, "D/s": PropertyUnit.DIOPTRE_PER_S,
    "%": PropertyUnit.PERCENT, "degC": PropertyUnit.CELSIUS, "KiB": PropertyUnit.KIB, "mJ": PropertyUnit.MJ,
    "mW": PropertyUnit.MW, "deg": PropertyUnit.DEGREE,
}  # fmt: skip
_I64: Final = (-(1 << 63), (1 << 63) - 1)
_MOTORS: Final = {
    "FOCUS_MOTOR": (Motor.FOCUS, RingUse.FOCUS, ControlId.FOCUS_RING),
    "APERTURE_MOTOR": (Motor.APERTURE, RingUse.APERTURE, ControlId.APERTURE_RING),
    "ND_MOTOR": (Motor.NEUTRAL_DENSITY, RingUse.NEUTRAL_DENSITY, ControlId.ND_RING),
    "ZOOM_MOTOR": (Motor.ZOOM, RingUse.ZOOM, ControlId.ZOOM_RING),
}


class Range(Struct, frozen=True):
    """What a module can do with a property, in wire units. `members` are its only values, if not all between."""

    lo: int
    hi: int
    step: int = 1
    initial: int = 0
    members: tuple[int, ...] = ()

    def judge(self, value: int) -> tuple[Status, int]:
        """Whether a value can be had: OK, ADJUSTED with what comes of it, or RANGE_LIMIT."""
        if not self.lo <= value <= self.hi or (self.members and value not in self.members):
            return Status.RANGE_LIMIT, value
        given = self.lo + (value - self.lo) // self.step * self.step
        return (Status.OK if given == value else Status.ADJUSTED), given


class Property(Struct, frozen=True):
    """A property that a module has."""

    tag: int
    name: str
    access: PropertyAccess
    latency: int
    number: ir.Number
    range: Range

    def describe(self) -> PropertyDesc:
        scale = Fraction(self.number.scale)
        power = 0
        while scale.denominator > 1 and scale.denominator % 10 == 0:
            scale, power = scale * 10, power - 1
        return PropertyDesc(
            id=self.tag,
            type=PropertyType[f"{'I' if self.number.signed else 'U'}{self.number.bits}"],
            access=self.access,
            unit=_UNITS[self.number.unit],
            scale=power,
            latency=self.latency,
            minimum=self.range.lo,
            maximum=self.range.hi,
            step=self.range.step,
            initial=self.range.initial,
            members=tuple(PropertyMember(m) for m in self.range.members),
            label=self.name.encode(),
        )


def table(catalogue: ir.Catalogue, identity: Identity) -> dict[int, Property]:
    """The properties of a module by rising tag."""
    special = dict(_ranges(identity))
    out = {}
    for t in sorted(catalogue.space["properties"].types, key=lambda t: t.tag):
        if t.needs and not identity.features.intersection(t.needs):
            continue
        number = ir.lone_number(catalogue.layout[t.layout])
        if number is None:
            raise TypeError(f"property {t.name} is not one number")
        out[t.tag] = Property(
            t.tag, t.name, _ACCESS[t.access], t.latency, number, special.get(t.name) or _plain(catalogue, number)
        )
    return out


def _plain(catalogue: ir.Catalogue, n: ir.Number) -> Range:
    """All that the catalogue allows."""
    lo, hi = max(n.bounds[0], _I64[0]), min(n.bounds[1], _I64[1])
    if n.choices:
        members = tuple(m.value for m in catalogue.choices[n.choices].members)
        return Range(min(members), max(members), 1, members[0], members)
    return Range(lo, hi, 1, max(lo, min(0, hi)))


def _choice(*members: int, initial: int | None = None) -> Range:
    return Range(min(members), max(members), 1, members[0] if initial is None else initial, tuple(sorted(members)))


def _ranges(identity: Identity) -> Iterator[tuple[str, Range]]:
    """Where a module can do less than the catalogue allows, or begins with something else than the first."""
    has = identity.features
    if sensor := identity.record("sensor"):
        yield "exposure", Range(sensor.exposure_min, sensor.exposure_max, 1000, sensor.exposure_min + 10_000_000)
        yield "gain", Range(sensor.gain_min, sensor.gain_max, 1, sensor.gain_min)
        yield "black_level", Range(sensor.black_level, sensor.black_level, 1, sensor.black_level)
    yield "exposure_mode", _choice(*ExposureControl, initial=ExposureControl.AUTO)
    yield "compensation", Range(-3000, 3000, 100, 0)
    yield "frame_rate", Range(1000, 60_000, 1, 30_000)
    yield "white_balance", Range(2000, 10_000, 50, 5500)
    if optics := identity.record("optics"):
        yield "focus_position", Range(optics.focus_far, optics.focus_near, 1, optics.focus_far)
        yield "aperture", Range(optics.av_min, optics.av_max, 1, optics.av_min)
        yield "focal_length", Range(optics.focal_min, optics.focal_max, 10, optics.focal_min)
    if nd := identity.record("nd"):
        yield "neutral_density", Range(nd.density_min, nd.density_max, 1, nd.density_min)
    yield "focus_speed", Range(1, 1000, 1, 500)
    yield "ring_sensitivity", Range(10, 400, 1, 100)
    if rings := identity.record("rings"):
        uses = {ring: use for motor, (_, use, ring) in _MOTORS.items() if motor in has}
        first = next((uses[r.control] for r in rings.rings if r.control in uses), RingUse.PHONE)
        yield "ring_function", _choice(*uses.values(), RingUse.PHONE, initial=first)
    yield "led", Range(0, 100, 1, 50)
    yield "ois_mode", _choice(*StabilisationMode, initial=StabilisationMode.MODULE)
    yield "imu_rate", Range(100, 1000, 100, 200)
    yield "flash_energy", Range(1000, 20_000, 100, 20_000)
    yield "temperature", Range(-400, 1250, 1, 250)
    yield "battery_level", Range(0, 1000, 1, 800)
    yield "battery_temperature", Range(-40, 85, 1, 25)
    yield "motor_home", _choice(Motor.ALL, *(motor for name, (motor, _, _) in _MOTORS.items() if name in has))
