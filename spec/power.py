"""Power and temperature: the contract over two contacts, peaks, faults, heat.

Plan: numbers of the domain · contract · status, budget, peaks · faults and tests · role and reset · heat.
The rules are in `power_rules`, the machine of each side in `power_machine` and `swap_machine`.

The source offers, the sink asks, the source accepts and says when the voltage is there. Until then the module
lives on boot power (class P0). Source and sink are roles, not devices: a module with a battery may supply the
phone after a role swap.
"""

from typing import Final

from opalink.spec.codes import (
    ADJUSTED,
    CONTACT_BAD,
    LATE,
    MOISTURE,
    PWR_LIMIT,
    PWR_MISMATCH,
    PWR_REJECT,
    PWR_WAIT,
    RANGE_LIMIT,
    THERMAL_LIMIT,
)
from opalink.spec.dialect import Group, bits, body, enum, f, i16, i32, row, rows, rsvd, u8, u16, u32, u64
from opalink.spec.form import Role
from opalink.spec.limits import BOTH_LANES

GROUP: Final = Group("power", area="PWR", channel="POWER", doc="Power over two contacts, and heat.")
_PHONE, _MODULE, _BOTH = Role.PHONE, Role.MODULE, Role.BOTH

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

PowerClass: Final = enum(
    "PowerClass",
    "How much a module may draw, and what it must have shown before.",
    P0=(0, "Boot: 0.5 W, after the attach signature."),
    P1=(1, "Preview: 1.5 W, by contract."),
    P2=(2, "Full sensor: 3 W, by contract."),
    P3=(3, "Sensor and motor: 5 W, contact resistance at most 200 mOhm."),
    P4=(4, "Burst and flash: 7.5 W, contact resistance at most 100 mOhm, authenticated."),
    P5=(5, "10 W: as P4, with contacts rated for it."),
    R1=(6, "Reverse: 7.5 W from the module."),
)

OfferKind: Final = enum(
    "OfferKind",
    "How an offer is regulated.",
    FIXED=(0, "One voltage."),
    VARIABLE=(1, "Any voltage between the two, as the source likes."),
    PROGRAMMABLE=(2, "Any voltage between the two, as the sink asks."),
)

RejectReason: Final = enum(
    "RejectReason",
    "Why a source does not give what was asked.",
    NONE=(0, "No reason given."),
    NO_OFFER=(1, "The object names no offer of this generation."),
    STALE=(2, "The generation has passed."),
    CURRENT=(3, "More current than offered."),
    CLASS=(4, "The power class needs a test or an authentication that is missing."),
    BATTERY=(5, "The source's battery is low."),
    THERMAL=(6, "The source is hot."),
    OTHER_LOAD=(7, "Other loads come first."),
)

BudgetCause: Final = enum(
    "BudgetCause",
    "Why a budget changed.",
    BATTERY=(0, "The source's battery."),
    THERMAL=(1, "The source's temperature."),
    OTHER_LOAD=(2, "Another load."),
    RESTORED=(3, "The cause has gone."),
)

BudgetAction: Final = enum(
    "BudgetAction",
    "What a module gave up to keep a budget.",
    FRAME_RATE=(0, "Fewer frames a second."),
    RESOLUTION=(1, "Smaller frames."),
    OIS_OFF=(2, "Stabilisation stopped."),
    MOTOR_SLOW=(3, "Motors move more slowly."),
    FLASH_OFF=(4, "The flash is not charged."),
    STREAM_STOPPED=(5, "A stream was stopped."),
)

FaultKind: Final = enum(
    "PowerFaultKind",
    "What went wrong with the power.",
    OVER_VOLTAGE=(0, "Voltage above the limit; `value` in mV."),
    UNDER_VOLTAGE=(1, "Voltage below the limit; `value` in mV."),
    OVER_CURRENT=(2, "Current above the limit; `value` in mA."),
    SHORT=(3, "A short circuit; `value` in mA."),
    OVER_TEMPERATURE=(4, "Too hot; `value` in 0.1 degC."),
    FOREIGN_OBJECT=(5, "Power is lost between the sides; `value` in mW."),
    MOISTURE=(6, "Leakage between the contacts; `value` in kOhm."),
    CONTACT=(7, "Contact resistance; `value` in mOhm."),
    BROWN_OUT=(8, "The supply dipped; `value` in mV."),
    SOURCE_LOST=(9, "The source went away; `value` in mV."),
)

PinTestKind: Final = enum(
    "PinTestKind",
    "What is measured at the contacts.",
    RESISTANCE=(0, "The loop's resistance, under a test current."),
    LEAKAGE=(1, "The insulation between the contacts, without current."),
)

ResetLevel: Final = enum(
    "PowerResetLevel",
    "How far a power reset goes.",
    SOFT=(0, "The open request alone; the contract that holds goes on."),
    HARD=(1, "The contacts go to 0 V."),
)

PowerDirection: Final = enum(
    "PowerDirection",
    "Which side supplies the other.",
    TO_MODULE=(0, "The phone is the source."),
    TO_PHONE=(1, "The module is the source."),
)

ThermalPart: Final = enum(
    "ThermalPart",
    "What a temperature is that of.",
    SHELL=(0, "What the user touches."),
    IMAGE_SENSOR=(1, "The image sensor."),
    PROCESSOR=(2, "Processor and memory."),
    LASER=(3, "The laser."),
    MOTORS=(4, "The motors and their drivers."),
    CONTACTS=(5, "The power contacts."),
    BATTERY=(6, "The battery."),
    FLASH=(7, "The flash."),
)

ThermalSeverity: Final = enum(
    "ThermalSeverity",
    "Android's scale of thermal severity.",
    NONE=(0, "No limit is near."),
    LIGHT=(1, "Noticed by no user."),
    MODERATE=(2, "Quality may be given up."),
    SEVERE=(3, "Quality is given up."),
    CRITICAL=(4, "Everything possible is given up."),
    EMERGENCY=(5, "Functions stop."),
    SHUTDOWN=(6, "The module turns itself off."),
)

# ── Contract ─────────────────────────────────────────────────────────────────────────────────────────

Offer: Final = row(
    "Offer",
    "What a source can supply.",
    f("kind", u8, "How it is regulated.", choices=OfferKind),
    bits("flags", rsvd("spare", 7), f("give_back", 1, "The source may ask for a part of the current back.")),
    f("min", u16, "Least voltage.", unit="mV", lo=3000, hi=20_000),
    f("max", u16, "Greatest voltage; equal to `min` for a fixed one.", unit="mV", lo=3000, hi=20_000),
    f("continuous", u16, "Current without limit of time.", unit="mA"),
    f("peak", u16, "Current for `peak_time`.", unit="mA"),
    f("peak_time", u16, "How long the peak may last.", unit="ms"),
)

PWR_SOURCE_CAPS: Final = GROUP.packet(
    0x40,
    "PWR_SOURCE_CAPS",
    "What the source offers. Sent once HELLO is answered and again whenever it changes; a new generation makes the "
    "offers of the last one void.",
    sender=Role.SOURCE,
    lanes=BOTH_LANES,
    event=body(
        f("generation", u8, "Counts the changes; wraps."),
        f("total", u16, "Power of all loads together.", unit="mW"),
        rows("offers", Offer, "In order of preference.", lo=1, hi=7),
    ),
)

PWR_SINK_CAPS: Final = GROUP.packet(
    0x41,
    "PWR_SINK_CAPS",
    "What the sink needs in each mode.",
    sender=Role.SOURCE,
    lanes=BOTH_LANES,
    request=body(),
    response=body(
        f("idle", u16, "Awake, nothing running.", unit="mW"),
        f("preview", u16, "Preview stream.", unit="mW"),
        f("video", u16, "The most demanding video mode.", unit="mW"),
        f("still", u16, "A still.", unit="mW"),
        f("motor", u16, "Motors, beside the mode.", unit="mW"),
        f("max", u16, "Everything at once.", unit="mW"),
        f("min_ready", u16, "Least power with which it answers at all.", unit="mW"),
        f("capacitance", u16, "Input capacitance.", unit="uF", hi=47),
    ),
)

PWR_REQUEST: Final = GROUP.packet(
    0x42,
    "PWR_REQUEST",
    "The sink asks for one offer.",
    sender=Role.SINK,
    needs=("CONTRACT",),
    lanes=BOTH_LANES,
    statuses=(PWR_REJECT, PWR_WAIT),
    request=body(
        f("generation", u8, "Generation of the offers.", req=("R-PWR-019",)),
        f("object", u8, "Index of the offer.", hi=6),
        f("operating", u16, "Current in use.", unit="mA"),
        f("max", u16, "Greatest current that may be used.", unit="mA"),
        f("give_back", u16, "Current that could be given back on demand.", unit="mA"),
        bits("flags", rsvd("spare", 7), f("mismatch", 1, "1 where no offer covers what the sink needs.")),
    ),
    response=body(),
    error=body(
        f("reason", u8, "Why not.", choices=RejectReason),
        f("retry_after", u16, "Ask again no sooner than this; 0 with PWR_REJECT.", unit="ms", req=("R-PWR-021",)),
    ),
)

PWR_READY: Final = GROUP.packet(
    0x43,
    "PWR_READY",
    "The voltage that was accepted is there: the contract holds from now on.",
    sender=Role.SOURCE,
    needs=("CONTRACT",),
    lanes=BOTH_LANES,
    event=body(
        f("object", u8, "Index of the offer.", hi=6),
        f("voltage", u16, "Voltage at the source's contacts.", unit="mV"),
        f("limit", u16, "Current limit.", unit="mA", req=("R-PWR-017",)),
        f("contract", u16, "Number of the contract."),
    ),
)

# ── Status, budget, peaks ────────────────────────────────────────────────────────────────────────────
# Current and power are positive towards the module on both sides, so that a role swap turns their sign.

PWR_STATUS: Final = GROUP.packet(
    0x44,
    "PWR_STATUS",
    "What the sender measures at its contacts.",
    sender=_BOTH,
    needs=("CONTRACT",),
    lanes=BOTH_LANES,
    event=body(
        f("voltage", u16, "Voltage.", unit="mV"),
        f("current", i16, "Current towards the module.", unit="mA"),
        f("power", i32, "Power towards the module.", unit="mW"),
        f("energy", u64, "Energy since power was applied, either way.", unit="mJ"),
        f("contact", u16, "Resistance of the loop; 65535 where it is not known.", unit="mOhm", default=0xFFFF),
        f(
            "balance",
            i16,
            "What the source gives, less what the sink gets and the contacts lose; -32768 where it is not known.",
            unit="mW",
            default=-0x8000,
            req=("R-PWR-006",),
        ),
    ),
)

BudgetStep: Final = row(
    "BudgetStep",
    "A function given up, and what that saves.",
    f("action", u8, "What is given up.", choices=BudgetAction),
    f("saves", u16, "Power saved by it.", unit="mW"),
)

PWR_BUDGET: Final = GROUP.packet(
    0x45,
    "PWR_BUDGET",
    "The phone limits what the module may draw, below the contract or back up to it.",
    sender=_PHONE,
    needs=("CONTRACT",),
    lanes=BOTH_LANES,
    statuses=(RANGE_LIMIT,),
    request=body(
        f("max", u16, "Power that may be drawn.", unit="mW", req=("R-PWR-002", "R-PWR-031")),
        f("grace", u16, "From when on, counted from the request.", unit="ms", req=("R-PWR-002",)),
        f("cause", u8, "Why.", choices=BudgetCause),
    ),
    response=body(
        f("power", u16, "What will be drawn at most.", unit="mW"),
        rows("actions", BudgetStep, "What is given up, in the order in which that happens.", hi=16),
    ),
)

PWR_RESERVE: Final = GROUP.packet(
    0x46,
    "PWR_RESERVE",
    "The module asks for a peak ahead of time: a flash to charge, a group of motors to move.",
    sender=_MODULE,
    needs=("RESERVE",),
    lanes=BOTH_LANES,
    statuses=(ADJUSTED, LATE, PWR_LIMIT, PWR_REJECT),
    request=body(
        f("power", u16, "Power in the peak, the contract's included.", unit="mW"),
        f("time", u16, "How long the peak lasts.", unit="ms", lo=1),
        f("by", u64, "Link time at which it must be possible; 0 for at once.", unit="ns", req=("R-PWR-032",)),
    ),
    response=body(
        f("power", u16, "Power granted.", unit="mW", req=("R-PWR-004",)),
        f("opens", u64, "Link time from which on it may be drawn.", unit="ns"),
        f("window", u16, "How long it may be drawn.", unit="ms"),
    ),
)

# ── Faults and tests ─────────────────────────────────────────────────────────────────────────────────

PWR_FAULT: Final = GROUP.packet(
    0x47,
    "PWR_FAULT",
    "Something is wrong with the power.",
    sender=_BOTH,
    needs=("CONTRACT",),
    lanes=BOTH_LANES,
    event=body(
        f("kind", u8, "What.", choices=FaultKind),
        f("value", i32, "What was measured; its unit is that of `kind`."),
        bits("flags", rsvd("spare", 7), f("latched", 1, "1 where the sender stays on boot power for it.")),
        f("count", u32, "Faults of this kind since power was applied.", req=("R-PWR-005",)),
    ),
)

PIN_TEST: Final = GROUP.packet(
    0x48,
    "PIN_TEST",
    "The module measures the contacts. Classes from P3 up need the resistance.",
    sender=_PHONE,
    needs=("CONTRACT",),
    lanes=BOTH_LANES,
    statuses=(CONTACT_BAD, MOISTURE, RANGE_LIMIT),
    request=body(
        f("kind", u8, "What is measured.", choices=PinTestKind),
        f("current", u16, "Test current; of no meaning for LEAKAGE.", unit="mA"),
        f("time", u16, "How long it is measured.", unit="ms", lo=1, hi=1000),
    ),
    response=body(
        f("resistance", u16, "Of the loop; 65535 where it was not measured.", unit="mOhm", default=0xFFFF),
        f("leakage", u32, "Insulation; 4294967295 where it was not measured.", unit="kOhm", default=0xFFFF_FFFF),
    ),
)

# ── Role and reset ───────────────────────────────────────────────────────────────────────────────────

PWR_ROLE_SWAP: Final = GROUP.packet(
    0x49,
    "PWR_ROLE_SWAP",
    "One side asks that power flow the other way. Accepted, the contract ends and the new source makes its offers.",
    sender=_BOTH,
    needs=("ROLE_SWAP",),
    optional=True,
    lanes=BOTH_LANES,
    statuses=(PWR_MISMATCH, PWR_REJECT, PWR_WAIT, THERMAL_LIMIT),
    request=body(
        f("direction", u8, "Which way from then on.", choices=PowerDirection),
        f("voltage", u16, "Voltage that the new sink needs.", unit="mV", lo=3000, hi=20_000),
        f("current", u16, "Current that the new sink needs.", unit="mA"),
    ),
    response=body(),
)

PWR_RESET: Final = GROUP.packet(
    0x4A,
    "PWR_RESET",
    "The way out of a power negotiation that has gone wrong: first soft, then hard.",
    sender=_BOTH,
    lanes=BOTH_LANES,
    event=body(
        f("level", u8, "How far.", choices=ResetLevel),
        f("off_time", u16, "How long the contacts stay at 0 V; 0 in a soft reset.", unit="ms"),
    ),
)

# ── Heat ─────────────────────────────────────────────────────────────────────────────────────────────

Temperature: Final = row(
    "Temperature",
    "What one temperature sensor reads.",
    f("sensor", u8, "Number of the sensor."),
    f("part", u8, "What it is the temperature of.", choices=ThermalPart),
    f("reading", i16, "Temperature.", unit="degC", scale="0.1"),
    f("limit", i16, "Where functions stop.", unit="degC", scale="0.1"),
    f("trend", i16, "How fast it rises.", unit="mK/s"),
)

THERMAL_STATUS: Final = GROUP.packet(
    0x4B,
    "THERMAL_STATUS",
    "How hot the sender is, and how long it can go on like this.",
    sender=_BOTH,
    needs=("TEMPERATURE",),
    lanes=BOTH_LANES,
    event=body(
        f("severity", u8, "How much it matters.", choices=ThermalSeverity, req=("R-PWR-011", "R-PWR-012")),
        f("time_to_limit", u16, "Until the first limit is reached; 65535 if none will be.", unit="s", default=0xFFFF),
        rows("sensors", Temperature, "Every sensor.", lo=1, hi=32),
    ),
)
