"""The module descriptor: all that a module is, told before any of it is used.

Plan: what it is · sensor · optics · body and stack · calibration · power and heat · link, time, security · the
descriptor · rules.

DESC_READ reads it as object 0. Its SHA-256 is in the response to HELLO, so a phone that has seen the module before
reads nothing. The conformance suite takes it at its word: a claim that fails and a function that is not claimed are
both failures.

Places are in the mount frame: its origin lies between the two contacts on the phone's back, x points right and y up
for one who looks at that back, z away from the phone.
"""

from functools import partial
from typing import Final

from opalink.spec import capture, frame, lens, link, management, power, realtime, security

from opalink.spec.dialect import (  # isort: skip
    Group, Space, blob, body, enum, f, flags, i16, i32, octets, row, rows, tlvs, u8, u16, u24, u32, u64,
)  # fmt: skip
from opalink.spec.features import FEATURES
from opalink.spec.form import Role, Testability
from opalink.spec.limits import CALIBRATION_BYTES, STACK_ELEMENTS

GROUP: Final = Group("descriptor", area="DSC", channel="CONTROL", doc="What a module says of itself.")

RECORDS: Final = Space("records", "Records of the module descriptor.")
_record = RECORDS.record

# ── What it is ───────────────────────────────────────────────────────────────────────────────────────

# The position in this list is the protocol's number on the wire: a later version appends.
PROTOCOLS: Final = tuple(m.GROUP for m in (link, management, security, power, realtime, capture, frame, lens))
Protocol: Final = enum(
    "Protocol",
    "The protocols that have a version of their own: the groups of packets.",
    **{g.name.upper(): (i, g.doc) for i, g in enumerate(PROTOCOLS)},
)

ProtocolVersion: Final = row(
    "ProtocolVersion",
    "A protocol and its version.",
    f("protocol", u8, "Which.", choices=Protocol),
    f("major", u8, "Changes when an old peer cannot follow.", lo=1),
    f("minor", u8, "Changes when something is added."),
)

_record(
    0x0001,
    "identity",
    "Which module this is.",
    f("vendor", u24, "The vendor's OUI."),
    f("model", u16, "The vendor's number of the model."),
    f("serial", octets(16), "Serial number; no two modules of a vendor have the same."),
    f("hardware", u16, "Revision of the hardware."),
    f("firmware", u64, "Version of the firmware that runs; a later one is greater."),
    f("built", u16, "Day of manufacture, counted from 1970-01-01.", unit="d"),
    blob("vendor_name", "The vendor, for people.", text=True, hi=64),
    blob("model_name", "The model, for people.", text=True, hi=64),
)

_record(
    0x0002,
    "versions",
    "Which version of each protocol it speaks.",
    rows("protocols", ProtocolVersion, "Each protocol of which it has a packet, once.", lo=1, hi=32),
)

_record(
    0x0003,
    "features",
    "What it has, and what kind of module it therefore is.",
    f("features", u64, "What it has.", flags=FEATURES),
    blob("profile", "Name of the profile that it meets; empty if none.", text=True, hi=32),
)

# ── Sensor ───────────────────────────────────────────────────────────────────────────────────────────

BitDepth: Final = flags(
    "BitDepth",
    "Bits of a raw sample that can be chosen.",
    RAW8=(0, "8 bits."),
    RAW10=(1, "10 bits."),
    RAW12=(2, "12 bits."),
    RAW14=(3, "14 bits."),
    RAW16=(4, "16 bits."),
)

_record(
    0x0010,
    "sensor",
    "The image sensor.",
    f("array_width", u16, "Columns of the active array.", unit="px", lo=1),
    f("array_height", u16, "Rows of the active array.", unit="px", lo=1),
    f("pitch", u16, "From one pixel to the next.", unit="nm", lo=1),
    f("active_width", u16, "Width of the active array.", unit="um", lo=1),
    f("active_height", u16, "Height of the active array.", unit="um", lo=1),
    f("cfa", u8, "Colour filters.", choices=capture.CfaPattern),
    f("depths", u16, "Bit depths.", flags=BitDepth),
    f("black_level", u16, "Sample without light, at the greatest depth."),
    f("white_level", u16, "Least sample that may be saturated, at the greatest depth."),
    f("gain_min", u16, "Least gain.", unit="x", scale="0.01", lo=1),
    f("gain_max", u16, "Greatest gain.", unit="x", scale="0.01", lo=1),
    f("gain_switch", u16, "Gain from which a second conversion gain is used; 0 without.", unit="x", scale="0.01"),
    f("exposure_min", u64, "Least exposure time.", unit="ns", lo=1),
    f("exposure_max", u64, "Greatest exposure time.", unit="ns", lo=1),
    f("readout", u32, "Rows read in a second, at most.", unit="Hz", lo=1),
    needs=("SENSOR",),
)

# ── Optics ───────────────────────────────────────────────────────────────────────────────────────────

Pupil: Final = row(
    "Pupil",
    "Where the pupils are at one focus distance, measured from the image plane towards the scene.",
    f("focus", i32, "Focus distance.", unit="D", scale="0.001"),
    f("entrance", i32, "Entrance pupil.", unit="um"),
    f("exit", i32, "Exit pupil.", unit="um"),
)

ControlRing: Final = row(
    "ControlRing",
    "A ring that the user turns.",
    f("control", u8, "Which.", choices=lens.ControlId),
    f("counts", u16, "Counts of one full turn.", lo=1),
    f("travel", u16, "From stop to stop; 0 without stops.", unit="deg"),
    f("detents", u8, "Clicks of one full turn; 0 without."),
)

_record(
    0x0020,
    "optics",
    "The lens.",
    f("focal_min", u32, "Least focal length.", unit="um", lo=1),
    f("focal_max", u32, "Greatest focal length; equal to the least unless it zooms.", unit="um", lo=1),
    f("av_min", i16, "Widest aperture: twice the binary logarithm of the f-number.", unit="AV", scale="1/256"),
    f("av_max", i16, "Smallest aperture.", unit="AV", scale="1/256"),
    f("focus_far", i32, "Farthest focus; 0 is infinity.", unit="D", scale="0.001"),
    f("focus_near", i32, "Nearest focus.", unit="D", scale="0.001"),
    f("image_circle", u32, "Diameter of the image.", unit="um"),
    f("flange", u32, "From the lens mount's flange to the image plane; 0 without a mount.", unit="um"),
    rows("pupils", Pupil, "From far to near.", hi=16),
    needs=("LENS",),
)

_record(
    0x0021,
    "rings",
    "The rings.",
    rows("rings", ControlRing, "Each once; none where all controls are buttons.", hi=8),
    needs=("CONTROLS",),
)

_record(
    0x0022,
    "nd",
    "The neutral density filter.",
    f("density_min", u16, "Least density.", unit="OD", scale="0.001"),
    f("density_max", u16, "Greatest density.", unit="OD", scale="0.001"),
    f("steps", u16, "Densities that can be set; 0 without steps."),
    f("settle", u16, "From one end to the other.", unit="ms"),
    needs=("ND_MOTOR",),
)

# ── Body ─────────────────────────────────────────────────────────────────────────────────────────────

Point: Final = row(
    "Point", "A point of the mount plane.", f("x", i32, "Right.", unit="um"), f("y", i32, "Up.", unit="um")
)

Occlusion: Final = row(
    "Occlusion",
    "What one camera of the phone cannot look through any more.",
    f("slot", u8, "Slot of the camera, as the phone numbers them."),
    rows("outline", Point, "Corners of the shadow.", lo=3, hi=32),
)

_record(
    0x0030,
    "geometry",
    "Weight, size, and where the optical axis is.",
    f("mass", u16, "Mass.", unit="g"),
    f("centre_x", i32, "Centre of mass, right.", unit="um"),
    f("centre_y", i32, "Centre of mass, up.", unit="um"),
    f("centre_z", i32, "Centre of mass, away from the phone.", unit="um"),
    f("width", u32, "Greatest width.", unit="um"),
    f("height", u32, "Greatest height.", unit="um"),
    f("depth", u32, "Greatest depth.", unit="um"),
    f("pose_w", i16, "Rotation of the optical axis: real part.", scale="1/32767", lo=-32767, default=32767),
    f("pose_i", i16, "The part about x.", scale="1/32767", lo=-32767),
    f("pose_j", i16, "The part about y.", scale="1/32767", lo=-32767),
    f("pose_k", i16, "The part about z.", scale="1/32767", lo=-32767),
    f("axis_x", i32, "Where the axis meets the image plane, right.", unit="um"),
    f("axis_y", i32, "Up.", unit="um"),
    f("axis_z", i32, "Away from the phone.", unit="um"),
)

_record(
    0x0031,
    "occlusion",
    "What it hides from the phone's own cameras.",
    rows("shadows", Occlusion, "Each slot that it covers.", hi=8),
)

ElementKinds: Final = flags(
    "ElementKinds",
    "A set of kinds of element; the bit is the kind's number.",
    **{m.name: (m.value, m.doc) for m in management.ElementKind.members},
)

_record(
    0x0032,
    "stack",
    "The module as an element of a stack, and the elements that it can see upon itself.",
    f("kind", u8, "What it is itself.", choices=management.ElementKind),
    f("thickness", i32, "How far it moves what stands upon it from the phone.", unit="um"),
    f("density", i16, "Light that it takes away.", unit="OD", scale="0.001"),
    f("kinds", u32, "What it can see.", flags=ElementKinds),
    f("elements", u8, "How many elements it can see at once.", hi=STACK_ELEMENTS),
    needs=("STACK",),
)

# ── Calibration ──────────────────────────────────────────────────────────────────────────────────────

CalibrationObject: Final = row(
    "CalibrationObject",
    "An object that DESC_READ reads.",
    f("object", u16, "Which.", choices=management.DescriptorObject),
    f("size", u32, "Bytes of it.", unit="B", hi=CALIBRATION_BYTES),
    f("sha256", octets(32), "SHA-256 of it."),
    f("temperature", i16, "At which it was measured.", unit="degC", scale="0.1"),
    f("measured", u16, "When it was measured, counted from 1970-01-01.", unit="d"),
)

_record(
    0x0040,
    "calibration",
    "What was measured on this very module.",
    rows("objects", CalibrationObject, "Each object once.", hi=32),
    needs=("SENSOR", "LENS"),
)

# ── Power and heat ───────────────────────────────────────────────────────────────────────────────────

PowerMode: Final = enum(
    "PowerMode",
    "What a module is doing while it draws power.",
    STANDBY=(0, "Waits for a start within tFirstFrameWarm."),
    IDLE=(1, "Awake, nothing running."),
    PREVIEW=(2, "Preview stream."),
    VIDEO=(3, "The most demanding video mode."),
    STILL=(4, "A still."),
    MOTOR=(5, "Motors, beside the mode."),
    FLASH=(6, "The flash charges."),
    CHARGING=(7, "The battery charges."),
)

ModePower: Final = row(
    "ModePower",
    "What it draws.",
    f("mode", u8, "While it does what.", choices=PowerMode),
    f("power", u16, "Power.", unit="mW"),
)

_record(
    0x0050,
    "power",
    "What it draws.",
    f("power_class", u8, "The class that it needs for all it can do.", choices=power.PowerClass),
    f("peak", u16, "Greatest power.", unit="mW"),
    f("peak_time", u16, "How long the greatest power lasts.", unit="ms"),
    f("battery", u32, "Energy of its own battery; 0 without one.", unit="mWh"),
    rows("modes", ModePower, "Each mode that it has, once.", lo=1, hi=16),
)

ThermalSensor: Final = row(
    "ThermalSensor",
    "A temperature sensor.",
    f("sensor", u8, "Its number."),
    f("part", u8, "What it is the temperature of.", choices=power.ThermalPart),
    f("limit", i16, "Where functions stop.", unit="degC", scale="0.1"),
)

_record(
    0x0051,
    "thermal",
    "How it warms up: what a phone needs to foresee the end of a take.",
    f("capacity", u16, "Heat capacity.", unit="J/K", scale="0.1", lo=1),
    f("resistance", u16, "Thermal resistance to still air.", unit="K/W", scale="0.01", lo=1),
    f("work_min", i16, "Least ambient temperature at which it works.", unit="degC", scale="0.1"),
    f("work_max", i16, "Greatest ambient temperature at which it works.", unit="degC", scale="0.1"),
    rows("sensors", ThermalSensor, "Each once.", lo=1, hi=16),
    needs=("TEMPERATURE",),
)

# ── Link, time, security, conformance ────────────────────────────────────────────────────────────────

_record(
    0x0060,
    "link",
    "The laser link.",
    f("wavelength", u16, "Wavelength.", unit="nm"),
    f("laser_class", u8, "Class of the laser as IEC 60825-1 has them.", choices=link.LaserClass),
    f("tx_min", i16, "Least optical power sent.", unit="dBm", scale="0.01"),
    f("tx_max", i16, "Greatest optical power sent.", unit="dBm", scale="0.01"),
    f("rx_min", i16, "Least optical power received, in the highest gear.", unit="dBm", scale="0.01"),
    f("rx_max", i16, "Greatest optical power received.", unit="dBm", scale="0.01"),
    f("beam", u16, "Radius of the beam at the receiver, to 1/e^2 of the intensity.", unit="um"),
    f("gears_down", u8, "Gears towards the phone.", flags=link.GearMask),
    f("gears_up", u8, "Gears towards the module.", flags=link.GearMask),
    f("fec", u8, "Forward error corrections.", flags=link.FecMask),
    needs=("LASER",),
)

_record(
    0x0061,
    "time_class",
    "How well it keeps time.",
    f("accuracy", u8, "The class that it keeps while locked.", choices=realtime.TimeClass),
    f("drift", u16, "Greatest error of its own clock.", unit="ppm", scale="0.01"),
    needs=("TIME",),
)

SpdmAlgorithm: Final = flags(
    "SpdmAlgorithm",
    "What it can sign and hash with.",
    SHA_256=(0, "SHA-256."),
    SHA_384=(1, "SHA-384."),
    SHA_512=(2, "SHA-512."),
    ECDSA_P256=(8, "ECDSA on NIST P-256."),
    ECDSA_P384=(9, "ECDSA on NIST P-384."),
    ED25519=(10, "Ed25519."),
    ML_DSA_65=(11, "ML-DSA-65."),
)

_record(
    0x0062,
    "security",
    "How it can prove what it is.",
    f("slots", u8, "Certificate slots that are filled: bit n for slot n.", lo=1),
    f("algorithms", u32, "Algorithms.", flags=SpdmAlgorithm),
    f("measurements", u8, "Measurements that it can sign."),
    needs=("SECURITY",),
)

_record(
    0x0070,
    "conformance",
    "The run of the conformance suite that it has passed.",
    f("result", octets(32), "SHA-256 of the signed statement; zeros if there was none."),
    blob("suite", "Version of the suite; empty if there was no run.", text=True, hi=32),
    blob("profile", "Profile that was tested.", text=True, hi=32),
)

# ── The descriptor ───────────────────────────────────────────────────────────────────────────────────

DESCRIPTOR: Final = body(
    tlvs("records", RECORDS, "By rising tag."), doc="What DESC_READ reads as object 0: records and nothing else."
)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = partial(GROUP.require, role=Role.MODULE)
_STATIC = Testability.STATIC
_SENSOR, _LENS = ("SENSOR",), ("LENS",)

_must(1, "The module MUST give the records of its descriptor in strictly rising order of their tags.", test=_STATIC)
_must(2, "The module MUST give in its descriptor the features that its response to HELLO gives.")
_must(3, "The module MUST have every feature that the profile in its descriptor requires.", test=_STATIC)
_must(4, "The module MUST NOT have a feature that the profile in its descriptor does not name.", test=_STATIC)
_must(5, "The module MUST list in `versions` exactly the protocols of which it answers or sends a packet.")
_must(6, "The module MUST NOT give a least value that is greater than the greatest value beside it.", test=_STATIC)
_must(7, "The module MUST NOT describe a protocol, ring, slot, object, mode or sensor twice.", test=_STATIC)
_must(
    8,
    "The module MUST give an active area that differs from its array times its pitch by at most 1 %.",
    test=_STATIC,
    needs=_SENSOR,
)
_must(9, "The module MUST give a `white_level` above its `black_level`.", test=_STATIC, needs=_SENSOR)
_must(10, "The module MUST give at least one bit depth.", test=_STATIC, needs=_SENSOR)
_must(11, "The module MUST give its pupils from the farthest focus to the nearest.", test=_STATIC, needs=_LENS)
_must(12, "The module MUST give a rotation whose quaternion has length 1, within 0.001.", test=_STATIC)
_must(13, "The module MUST give the corners of a shadow counterclockwise, seen from behind the phone.", test=_STATIC)
_must(14, "The module MUST let DESC_READ read each object in `calibration` with the size and SHA-256 given there.")
_must(15, "The module MUST NOT draw more power than the `peak` of its descriptor.", test=Testability.PASSIVE)
_must(16, "The module MUST give in BEACON the gears and codes of its descriptor.", needs=("LASER",))
_must(17, "The module MUST report in THERMAL_STATUS the sensors of its descriptor.", needs=("TEMPERATURE",))
GROUP.require(18, "The phone MUST take the first of two records with the same tag.", role=Role.PHONE)
