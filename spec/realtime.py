"""Time and what must keep to it: synchronisation, triggers, motion, stabilisation.

Plan: numbers of the domain · time · triggers · motion · stabilisation · rules.

Link time is the phone's clock, in nanoseconds. The module asks for it, as PCIe's precision time measurement does, and
so knows from its own four stamps how far to trust it; the phone keeps no state. Each packet here fits one FLIT, so none
ever waits for its own second half. At 30 deg/s an error of 1 ms in time is one of 6 pixels, and one of 10 us of 0.06.
"""

from typing import Final

from opalink.spec.codes import LATE, NO_SUCH_ID, NO_TIME, RANGE_LIMIT
from opalink.spec.dialect import Group, bits, body, enum, f, i16, i32, row, rows, rsvd, u8, u16, u32, u64
from opalink.spec.form import Kind, Level, Role, Testability

GROUP: Final = Group("realtime", area="TIM", channel="RT", doc="Time, triggers, motion and stabilisation.")
_PHONE, _MODULE, _BOTH = Role.PHONE, Role.MODULE, Role.BOTH

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

TimeClass: Final = enum(
    "TimeClass",
    "How well a module's time agrees with the phone's.",
    T0=(0, "Within 50 us: enough for stills."),
    T1=(1, "Within 1 us: enough for fast pans."),
    T2=(2, "Within 50 ns."),
)

TimeState: Final = enum(
    "TimeState",
    "What a module's time rests on.",
    FREE=(0, "On nothing: its own clock alone."),
    ACQUIRE=(1, "On too few exchanges yet."),
    LOCKED=(2, "On the last exchanges."),
    HOLDOVER=(3, "On what was known before exchanges ceased."),
)

TriggerAction: Final = enum(
    "TriggerAction",
    "What happens at the moment of a trigger.",
    FRAME=(0, "The exposure of a frame begins, with its first row."),
    PLAN=(1, "A plan begins."),
    STROBE=(2, "The flash lights for `width`."),
)

GyroRange: Final = enum(
    "GyroRange",
    "The angular rate that 32768 stands for.",
    DPS125=(0, "125 deg/s."),
    DPS250=(1, "250 deg/s."),
    DPS500=(2, "500 deg/s."),
    DPS1000=(3, "1000 deg/s."),
    DPS2000=(4, "2000 deg/s."),
)

AccelRange: Final = enum(
    "AccelRange",
    "The acceleration that 32768 stands for, in units of 9.80665 m/s2.",
    G2=(0, "2 g."),
    G4=(1, "4 g."),
    G8=(2, "8 g."),
    G16=(3, "16 g."),
)

AxisOrder: Final = enum(
    "AxisOrder",
    "Which axes of the sensor are x, y and z of the mount frame, in this order.",
    XYZ=(0, "x, y, z."),
    XZY=(1, "x, z, y."),
    YXZ=(2, "y, x, z."),
    YZX=(3, "y, z, x."),
    ZXY=(4, "z, x, y."),
    ZYX=(5, "z, y, x."),
)

OisTargetKind: Final = enum(
    "OisTargetKind",
    "What a target is to the stabiliser.",
    POSITION=(0, "Where to be: the phone's loop drives it."),
    CENTRE=(1, "Where the centre is about which the module's own loop drives it."),
)

# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────

TIME_SYNC: Final = GROUP.packet(
    0x50,
    "TIME_SYNC",
    "The module asks what time it is. With t4, when the answer arrives, ((t2 - t1) + (t3 - t4)) / 2 is what its clock "
    "lacks.",
    sender=_MODULE,
    needs=("TIME",),
    request=body(f("t1", u64, "The module's clock at launch of the request.", unit="ns", req=("R-TIM-002",))),
    response=body(
        f("t1", u64, "As in the request.", unit="ns", req=("R-TIM-003",)),
        f("t2", u64, "Link time at arrival of the request.", unit="ns", req=("R-TIM-002",)),
        f("t3", u64, "Link time at launch of the response.", unit="ns", req=("R-TIM-002",)),
    ),
)

TIME_STATUS: Final = GROUP.packet(
    0x51,
    "TIME_STATUS",
    "How well the module knows the time.",
    sender=_MODULE,
    needs=("TIME",),
    event=body(
        f("offset", i32, "What its clock lacked at the last exchange.", unit="ns"),
        f("ratio", i32, "How much faster its clock runs than the phone's.", unit="ppb"),
        f("bound", u32, "Greatest error of its time now.", unit="ns", req=("R-TIM-006", "R-TIM-007", "R-TIM-009")),
        f("time_class", u8, "The best class that it keeps to.", choices=TimeClass, req=("R-TIM-006",)),
        f("state", u8, "What its time rests on.", choices=TimeState, req=("R-TIM-008",)),
    ),
)

# ── Triggers ─────────────────────────────────────────────────────────────────────────────────────────

TRIGGER_AT: Final = GROUP.packet(
    0x52,
    "TRIGGER_AT",
    "Something is to happen at a moment of link time. The answer says that it will; TRIGGER_FIRED that it did.",
    sender=_PHONE,
    needs=("TRIGGER",),
    statuses=(LATE, NO_SUCH_ID, NO_TIME, RANGE_LIMIT),
    request=body(
        f("fire", u64, "When.", unit="ns", req=("R-TIM-011", "R-TIM-015")),
        f("action", u8, "What.", choices=TriggerAction),
        f("plan", u16, "The plan; of no meaning but for PLAN.", req=("R-TIM-012",)),
        f("width", u32, "How long the flash is lit; of no meaning but for STROBE.", unit="ns"),
    ),
    response=body(),
)

TRIGGER_FIRED: Final = GROUP.packet(
    0x53,
    "TRIGGER_FIRED",
    "What was to happen has happened, and how well.",
    sender=_MODULE,
    needs=("TRIGGER",),
    event=body(
        f("trigger", u16, "Transaction of its TRIGGER_AT.", req=("R-TIM-013",)),
        f("planned", u64, "When it was to be.", unit="ns"),
        f("actual", u64, "When it was, as measured.", unit="ns"),
        f("error", i32, "`actual` less `planned`.", unit="ns", req=("R-TIM-014",)),
    ),
)

# ── Motion ───────────────────────────────────────────────────────────────────────────────────────────

ImuSample: Final = row(
    "ImuSample",
    "One sample of both sensors, in counts of their ranges and in the axes of the sensor.",
    f("gyro_x", i16, "Angular rate about x."),
    f("gyro_y", i16, "Angular rate about y."),
    f("gyro_z", i16, "Angular rate about z."),
    f("accel_x", i16, "Acceleration along x."),
    f("accel_y", i16, "Acceleration along y."),
    f("accel_z", i16, "Acceleration along z."),
)

IMU_BATCH: Final = GROUP.packet(
    0x54,
    "IMU_BATCH",
    "How the sender moves: evenly spaced samples.",
    sender=_BOTH,
    needs=("IMU",),
    event=body(
        f("t0", u64, "Link time of the first sample: the middle of its integration.", unit="ns", req=("R-TIM-017",)),
        f("dt", u32, "From one sample to the next.", unit="ns", lo=1),
        f("gyro_range", u8, "Range of the gyroscope.", choices=GyroRange),
        f("accel_range", u8, "Range of the accelerometer.", choices=AccelRange),
        bits(
            "axes",
            rsvd("spare", 2),
            f("flip_z", 1, "1 where the mount frame's z is turned round after the reordering."),
            f("flip_y", 1, "1 where its y is."),
            f("flip_x", 1, "1 where its x is."),
            f("order", 3, "Reordering.", choices=AxisOrder),
        ),
        rows("samples", ImuSample, "In order of time.", lo=1, hi=32),
    ),
)

# ── Stabilisation ────────────────────────────────────────────────────────────────────────────────────
# x runs along the rows of pixels towards higher columns, y along the columns towards higher rows; both are lengths in
# the plane of the image, by which the image moves. 0, 0 is the centre.

OIS_TARGET: Final = GROUP.packet(
    0x55,
    "OIS_TARGET",
    "Where the phone wants the stabiliser.",
    sender=_PHONE,
    needs=("OIS",),
    event=body(
        f("apply", u64, "From when on; a moment that has passed means at once.", unit="ns", req=("R-TIM-022",)),
        f("x", i16, "Along the rows.", unit="um", scale="0.1", req=("R-TIM-021",)),
        f("y", i16, "Along the columns.", unit="um", scale="0.1", req=("R-TIM-021",)),
        f("roll", i16, "About the optical axis, from x towards y.", unit="deg", scale="0.001", req=("R-TIM-021",)),
        f("mode", u8, "What it is to the stabiliser.", choices=OisTargetKind, req=("R-TIM-023",)),
    ),
)

OisSample: Final = row(
    "OisSample",
    "Where the stabiliser was.",
    f("x", i16, "Along the rows.", unit="um", scale="0.1"),
    f("y", i16, "Along the columns.", unit="um", scale="0.1"),
    f("roll", i16, "About the optical axis, from x towards y.", unit="deg", scale="0.001"),
)

OIS_SAMPLES: Final = GROUP.packet(
    0x56,
    "OIS_SAMPLES",
    "Where the stabiliser was, measured, not commanded: evenly spaced samples.",
    sender=_MODULE,
    needs=("OIS",),
    event=body(
        f("t0", u64, "Link time of the first sample.", unit="ns", req=("R-TIM-020",)),
        f("dt", u32, "From one sample to the next.", unit="ns", lo=1),
        rows("samples", OisSample, "In order of time.", lo=1, hi=64),
    ),
)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = GROUP.require
_PASSIVE, _TIMING = Testability.PASSIVE, Kind.TIMING

_must(
    1,
    "A sender MUST put a packet of the real-time channel whole into one FLIT.",
    kind=Kind.CAPACITY,
    test=_PASSIVE,
    needs=("LASER",),
)
_must(
    2,
    "A side MUST take the stamps of TIME_SYNC when the first bit of the packet's FLIT leaves or arrives.",
    kind=_TIMING,
    packet=TIME_SYNC,
)
_must(3, "The phone MUST return `t1` as it came.", role=_PHONE, packet=TIME_SYNC)
_must(4, "The module MUST NOT use a TIME_SYNC during which the link was trained again.", role=_MODULE, packet=TIME_SYNC)
_must(
    5,
    "The module MUST NOT send a TIME_SYNC while another is open.",
    role=_MODULE,
    test=_PASSIVE,
    packet=TIME_SYNC,
)
_must(
    6,
    "The module MUST NOT report LOCKED while `bound` exceeds what its `time_class` allows.",
    role=_MODULE,
    test=_PASSIVE,
    packet=TIME_STATUS,
)
_must(
    7,
    "The module MUST keep its time within `bound` of link time while it reports LOCKED or HOLDOVER.",
    role=_MODULE,
    kind=_TIMING,
    packet=TIME_STATUS,
)
_must(
    8,
    "The module MUST send TIME_STATUS whenever `state` or `time_class` changes.",
    role=_MODULE,
    packet=TIME_STATUS,
)
_must(
    9,
    "The module MUST NOT lower `bound` from one TIME_STATUS of a HOLDOVER to the next.",
    role=_MODULE,
    test=_PASSIVE,
    packet=TIME_STATUS,
)
_must(
    10,
    "The module MUST answer TRIGGER_AT with NO_TIME unless its time is LOCKED or in HOLDOVER.",
    role=_MODULE,
    packet=TRIGGER_AT,
)
_must(
    11,
    "The module MUST answer a TRIGGER_AT whose moment has passed, or comes too soon for it, with LATE.",
    role=_MODULE,
    packet=TRIGGER_AT,
)
_must(
    12,
    "The module MUST answer a TRIGGER_AT for a plan that it does not hold with NO_SUCH_ID.",
    role=_MODULE,
    packet=TRIGGER_AT,
    needs=("PLAN",),
)
_must(
    13,
    "The module MUST send one TRIGGER_FIRED, and no more, for each TRIGGER_AT that it has accepted and carried out.",
    role=_MODULE,
    packet=TRIGGER_FIRED,
)
_must(
    14,
    "The module MUST give as `error` the difference of `actual` and `planned`.",
    role=_MODULE,
    kind=Kind.SYNTAX,
    test=_PASSIVE,
    packet=TRIGGER_FIRED,
)
_must(
    15,
    "The module SHOULD act no further from the moment of a trigger than its `bound`.",
    level=Level.SHOULD,
    role=_MODULE,
    kind=_TIMING,
    packet=TRIGGER_AT,
)
_must(16, "The module MUST NOT act on a TRIGGER_AT that it refused.", role=_MODULE, packet=TRIGGER_AT)
_must(
    17,
    "A side MUST NOT send an IMU_BATCH whose `t0` is no later than the last sample of the one before.",
    test=_PASSIVE,
    packet=IMU_BATCH,
)
_must(
    18,
    "The module MUST report its motion with at most 10 ms between samples while a stream runs.",
    role=_MODULE,
    kind=_TIMING,
    test=_PASSIVE,
    packet=IMU_BATCH,
    source="Android's camera test suite: a gyroscope of at least 100 Hz.",
)
_must(
    19,
    "The module MUST send OIS_SAMPLES while a stream runs and its stabiliser can move.",
    role=_MODULE,
    packet=OIS_SAMPLES,
)
_must(
    20,
    "The module MUST begin each OIS_SAMPLES at most one `dt` after the last sample of the one before while a stream "
    "runs.",
    role=_MODULE,
    test=_PASSIVE,
    packet=OIS_SAMPLES,
)
_must(
    21,
    "The module MUST go as far as its stabiliser can for an OIS_TARGET that is out of its reach.",
    role=_MODULE,
    packet=OIS_TARGET,
)
_must(22, "The module MUST follow an OIS_TARGET whose moment has passed at once.", role=_MODULE, packet=OIS_TARGET)
_must(
    23,
    "The module MUST ignore an OIS_TARGET unless it is a POSITION under `ois_mode` PHONE, or a CENTRE under SHARED.",
    role=_MODULE,
    packet=OIS_TARGET,
)
_must(
    24,
    "The module SHOULD have its stabiliser under way 200 us after the moment of an OIS_TARGET.",
    level=Level.SHOULD,
    role=_MODULE,
    kind=_TIMING,
    packet=OIS_TARGET,
    source="A delay of 200 us leaves 1.3 % of a shake of 10 Hz.",
)
_must(
    25,
    "The module MUST send TIME_SYNC again and again in a session, with tTimeSync from one to the next.",
    role=_MODULE,
    kind=_TIMING,
    packet=TIME_SYNC,
)
