"""Properties: what can be read from a module, set on it, and found in its frames, one number each.

Plan: choices · exposure · colour · lens · user controls · stabilisation and light · state · power · commands · rules.

A property is a TLV, so that one declaration serves PROP_GET and PROP_SET, the settings of a capture request and
the settings that a frame was taken with. Tags come in groups of 256. What a certain module can do within these
ranges it says in PROP_DESC. A command is a property that can only be written. Battery state has no packet of its
own: PROP_CHANGED reports it like every other change.
"""

from functools import partial
from typing import Final

from opalink.spec.dialect import Group, Space, enum, i8, i16, i32, i64, u8, u16, u32, u64
from opalink.spec.form import Role, Testability
from opalink.spec.realtime import TimeClass

PROPERTIES: Final = Space("properties", "Properties of a module: one number each, with its unit.")
GROUP: Final = Group("properties", area="PROP", channel="CONTROL", doc="What every property keeps to.")
_prop = PROPERTIES.prop

# ── Choices ──────────────────────────────────────────────────────────────────────────────────────────

Switch: Final = enum("Switch", "Off or on.", OFF=(0, "Off."), ON=(1, "On."))

ExposureControl: Final = enum(
    "ExposureControl",
    "Who chooses exposure time and gain.",
    MANUAL=(0, "The phone: what was set holds."),
    AUTO=(1, "The module."),
    LOCKED=(2, "The module, which keeps its last choice."),
)

WhiteBalanceControl: Final = enum(
    "WhiteBalanceControl",
    "Who chooses the white balance.",
    MANUAL=(0, "The phone: what was set holds."),
    AUTO=(1, "The module."),
    LOCKED=(2, "The module, which keeps its last choice."),
)

MainsFlicker: Final = enum(
    "MainsFlicker",
    "The lamps whose flicker exposure times avoid.",
    OFF=(0, "None."),
    HZ50=(1, "Lamps on 50 Hz mains."),
    HZ60=(2, "Lamps on 60 Hz mains."),
    AUTO=(3, "Whatever the module finds."),
)

AutofocusMode: Final = enum(
    "AutofocusMode",
    "Who drives the focus.",
    MANUAL=(0, "The ring and the phone."),
    SINGLE=(1, "The module, once, and then it holds."),
    CONTINUOUS=(2, "The module, without end."),
)

RingUse: Final = enum(
    "RingUse",
    "What the ring changes.",
    FOCUS=(0, "Focus."),
    APERTURE=(1, "Aperture."),
    NEUTRAL_DENSITY=(2, "Neutral density."),
    ZOOM=(3, "Focal length."),
    COMPENSATION=(4, "Exposure compensation."),
    PHONE=(5, "Nothing in the module: its turns are reported and the phone decides."),
)

RingSense: Final = enum(
    "RingSense",
    "Which way a ring turns, seen from behind the module.",
    CLOCKWISE=(0, "Clockwise raises the value."),
    COUNTERCLOCKWISE=(1, "Counterclockwise raises the value."),
)

StabilisationMode: Final = enum(
    "StabilisationMode",
    "Who moves the stabiliser.",
    OFF=(0, "Nobody: it is held at its centre."),
    MODULE=(1, "The module, from its own gyroscope."),
    PHONE=(2, "The phone, with OIS_TARGET."),
    SHARED=(3, "The module, around the centre that the phone gives with OIS_TARGET."),
)

FlashFiring: Final = enum(
    "FlashFiring",
    "When the flash fires.",
    OFF=(0, "Never."),
    STILL=(1, "With every still."),
    AUTO=(2, "When the module finds too little light for a still."),
    TORCH=(3, "Lit without end, at the power of a torch."),
)

BatteryCondition: Final = enum(
    "BatteryCondition",
    "What a battery is doing.",
    UNKNOWN=(0, "Not known yet."),
    DISCHARGING=(1, "It feeds the module, or the phone."),
    CHARGING=(2, "It is being charged."),
    FULL=(3, "Full, and fed from outside."),
    LOW=(4, "It feeds the module and will soon be empty."),
    TOO_HOT=(5, "Neither charged nor used: too hot."),
    TOO_COLD=(6, "Not charged: too cold."),
    FAULT=(7, "Unusable."),
)

SelfTestLevel: Final = enum(
    "SelfTestLevel",
    "How far a self-test goes.",
    QUICK=(0, "Memory, sensors and supplies; disturbs nothing."),
    MOTORS=(1, "As QUICK; every motor moves from end to end too."),
)

Motor: Final = enum(
    "Motor",
    "A motor of the lens.",
    ALL=(0, "Every motor, one after another."),
    FOCUS=(1, "Focus."),
    APERTURE=(2, "Aperture."),
    NEUTRAL_DENSITY=(3, "Neutral density."),
    ZOOM=(4, "Zoom."),
)

_SENSOR, _LENS, _CONTROLS, _BATTERY = ("SENSOR",), ("LENS",), ("CONTROLS",), ("BATTERY",)
_FOCUS, _APERTURE, _ND, _ZOOM = ("FOCUS_MOTOR",), ("APERTURE_MOTOR",), ("ND_MOTOR",), ("ZOOM_MOTOR",)

# ── 0x01xx: exposure ─────────────────────────────────────────────────────────────────────────────────
# Exposure and gain wait two frames: one is being exposed and the next has its registers already.

_prop(0x0101, "exposure", u64, "Exposure time.", unit="ns", lo=1, latency=2, needs=_SENSOR)
_prop(0x0102, "gain", u16, "Analogue times digital gain.", unit="x", scale="0.01", lo=1, latency=2, needs=_SENSOR)
_prop(0x0103, "exposure_mode", u8, "Who chooses the two above.", choices=ExposureControl, latency=2, needs=_SENSOR)
_prop(0x0104, "compensation", i16, "Added to what AUTO chooses.", unit="EV", scale="0.001", latency=2, needs=_SENSOR)
_prop(0x0105, "antiflicker", u8, "Flicker to be avoided by AUTO.", choices=MainsFlicker, latency=2, needs=_SENSOR)
_prop(0x0106, "frame_rate", u32, "Frames a second.", unit="Hz", scale="0.001", lo=1, latency=2, needs=("VIDEO",))

# ── 0x02xx: colour ───────────────────────────────────────────────────────────────────────────────────
# Raw data is never balanced in the module: these two say what the picture is to look like.

_prop(0x0201, "white_balance", u16, "Temperature that is to look white.", unit="K", lo=1, latency=1, needs=_SENSOR)
_prop(0x0202, "white_balance_mode", u8, "Who chooses it.", choices=WhiteBalanceControl, latency=1, needs=_SENSOR)
_prop(0x0203, "black_level", u16, "Sample value of no light.", unit="DN", access="ro", needs=_SENSOR)
_prop(0x0204, "shading_correction", u8, "Vignetting is evened out here.", choices=Switch, latency=1, needs=_SENSOR)

# ── 0x03xx: lens ─────────────────────────────────────────────────────────────────────────────────────

_prop(0x0301, "focus_position", i32, "Reciprocal of the distance.", unit="D", scale="0.001", needs=_FOCUS)
_prop(0x0302, "focus_mode", u8, "Who drives the focus.", choices=AutofocusMode, latency=1, needs=_FOCUS)
# Nominal f-numbers: f/1.4 is exactly 256 and f/11 exactly 1792, though sqrt(2) and 8 sqrt(2) are meant.
_prop(0x0303, "aperture", i16, "Aperture value.", unit="AV", scale="1/256", latency=1, needs=_APERTURE)
_prop(0x0304, "neutral_density", u16, "Density of the filter.", unit="OD", scale="0.001", latency=1, needs=_ND)
_prop(0x0305, "focal_length", u32, "Focal length.", unit="um", lo=1, needs=_ZOOM)
_prop(0x0306, "focus_speed", u16, "Greatest speed of the focus.", unit="D/s", scale="0.01", lo=1, needs=_FOCUS)

# ── 0x04xx: user controls ────────────────────────────────────────────────────────────────────────────

_prop(0x0401, "ring_sensitivity", u16, "Effect of a turn; 100 is the maker's own.", unit="%", lo=1, needs=_CONTROLS)
_prop(0x0402, "ring_function", u8, "What the ring changes.", choices=RingUse, needs=_CONTROLS)
_prop(0x0403, "ring_direction", u8, "Which way raises the value.", choices=RingSense, needs=_CONTROLS)
_prop(0x0404, "led", u8, "Brightness of the status light.", unit="%", hi=100, needs=_CONTROLS)

# ── 0x05xx: stabilisation and light ──────────────────────────────────────────────────────────────────

_prop(0x0501, "ois_mode", u8, "Who moves the stabiliser.", choices=StabilisationMode, latency=1, needs=("OIS",))
_prop(0x0502, "imu_rate", u16, "Samples a second of gyroscope and accelerometer.", unit="Hz", lo=1, needs=("IMU",))
_prop(0x0511, "flash_mode", u8, "When the flash fires.", choices=FlashFiring, latency=1, needs=("FLASH",))
_prop(0x0512, "flash_energy", u32, "Energy of one flash.", unit="mJ", latency=1, needs=("FLASH",))
_prop(0x0513, "flash_charge", u8, "Charge towards `flash_energy`.", unit="%", hi=100, access="ro", needs=("FLASH",))

# ── 0x06xx: state ────────────────────────────────────────────────────────────────────────────────────

_prop(0x0601, "temperature", i16, "The hottest sensor.", unit="degC", scale="0.1", access="ro", needs=("TEMPERATURE",))
_prop(0x0602, "stack_generation", u32, "Counts the changes of the stack.", access="ro", needs=("STACK",))
_prop(0x0603, "time_class", u8, "How well time agrees now.", choices=TimeClass, access="ro", needs=("TIME",))
_prop(0x0604, "wall_clock", i64, "UTC since 1970-01-01, without leap seconds.", unit="ns", needs=("WALL_CLOCK",))
_prop(0x0605, "store_free", u32, "Room for stills.", unit="KiB", access="ro", needs=("STORAGE",))

# ── 0x07xx: power ────────────────────────────────────────────────────────────────────────────────────

_prop(0x0701, "battery_level", u16, "Charge.", unit="%", scale="0.1", hi=1000, access="ro", needs=_BATTERY)
_prop(0x0702, "battery_state", u8, "What the battery is doing.", choices=BatteryCondition, access="ro", needs=_BATTERY)
_prop(0x0703, "battery_temperature", i8, "The battery's cells.", unit="degC", access="ro", needs=_BATTERY)

# ── 0x08xx: commands ─────────────────────────────────────────────────────────────────────────────────

_prop(0x0801, "self_test", u8, "Begins a self-test.", choices=SelfTestLevel, access="wo", needs=_SENSOR)
_prop(
    0x0802, "motor_home", u8, "Sends motors to their reference.",
    choices=Motor, access="wo", needs=_FOCUS + _APERTURE + _ND + _ZOOM,
)  # fmt: skip

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_module_must = partial(GROUP.require, role=Role.MODULE)

_module_must(
    1,
    "The module MUST apply a property that was set to every frame that is exposed later than the property's latency, "
    "counted in frames from the one being exposed when it was set.",
    needs=_SENSOR,
)
_module_must(
    2,
    "The module MUST describe as read-only the property of a part that is turned by hand alone.",
    test=Testability.STATIC,
    needs=_LENS,
)
_module_must(3, "The module MUST report a change of `battery_state` with PROP_CHANGED.", needs=_BATTERY)
_module_must(
    4,
    "The module MUST report `battery_level` with PROP_CHANGED once it differs by 10 or more from the last report.",
    needs=_BATTERY,
)
_module_must(
    5,
    "The module MUST raise `stack_generation` by one with every change of the stack.",
    test=Testability.PASSIVE,
    needs=("STACK",),
)
_module_must(6, "A module with a battery MUST keep `wall_clock` running while it is detached.", needs=("WALL_CLOCK",))
