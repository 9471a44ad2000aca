"""Discovery and management: greeting, descriptor, properties, long requests, faults, seat and removal, state.

Plan: numbers of the domain · greeting · descriptor and stack · properties · alive, pending, ready, fault · reset and
ejection · seat and removal · state · vendor · rules.

Every packet travels on both lanes, since a module without a laser has no other. Which of them is legal in which
state is the business of `attach`.
"""

from functools import partial
from typing import Final

from opalink.spec.codes import ADJUSTED, LATE, NEEDS_SESSION, NO_SUCH_ID, NO_TIME, RANGE_LIMIT, READ_ONLY, TOO_LARGE
from opalink.spec.dialect import (
    Body,
    Group,
    bits,
    blob,
    body,
    enum,
    f,
    flags,
    i8,
    i16,
    i32,
    i64,
    octets,
    raw,
    row,
    rows,
    rsvd,
    tlvs,
    u8,
    u16,
    u24,
    u32,
    u64,
)
from opalink.spec.features import FEATURES
from opalink.spec.form import Kind, Level, Role, Testability
from opalink.spec.limits import CHANNELS, STACK_ELEMENTS
from opalink.spec.properties import PROPERTIES

GROUP: Final = Group("management", area="MGT", channel="CONTROL", doc="Discovery and management.")
_PHONE, _MODULE, _BOTH = Role.PHONE, Role.MODULE, Role.BOTH
_EITHER = ("sideband", "laser")
_packet = GROUP.packet

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

_PAYLOAD: Final = {c.name: c.payload_max for c in CHANNELS}

_objects = {
    "DESCRIPTOR": (0, "The module descriptor."),
    "SHADING": (1, "Lens shading."),
    "DISTORTION": (2, "Distortion."),
    "CHROMATIC_ABERRATION": (3, "Lateral chromatic aberration."),
    "FOCUS_BREATHING": (4, "Field of view against focus."),
    "OIS_MATRIX": (5, "Stabiliser movement against image shift."),
    "DEFECT_MAP": (6, "Defective pixels."),
    "LOG": (7, "What the module recorded of itself, as text."),
}
DescriptorObject: Final = enum("DescriptorObject", "An object that the phone can read from a module.", **_objects)
ObjectMask: Final = flags("ObjectMask", "A set of objects; the bit is the object's number.", **_objects)

_subsystems = {
    "LINK": (0, "The link."),
    "POWER": (1, "The supply."),
    "THERMAL": (2, "Temperature."),
    "SENSOR": (3, "The image sensor."),
    "FRAMES": (4, "Frame memory and streams."),
    "FOCUS": (5, "The focus drive."),
    "APERTURE": (6, "The aperture drive."),
    "FILTER": (7, "The neutral density drive."),
    "ZOOM": (8, "The zoom drive."),
    "STABILISER": (9, "The stabiliser."),
    "MOTION": (10, "The inertial measurement unit."),
    "CONTROLS": (11, "Rings and buttons."),
    "FLASH": (12, "The flash."),
    "TIME": (13, "Synchronised time."),
    "SECURITY": (14, "Authentication."),
    "FIRMWARE": (15, "Firmware and its update."),
    "STORAGE": (16, "Stored stills."),
    "BATTERY": (17, "The battery."),
    "STACK": (18, "Stacked elements."),
}
Subsystem: Final = enum("Subsystem", "A part of a side.", **_subsystems)
SubsystemMask: Final = flags("SubsystemMask", "A set of parts; the bit is the part's number.", **_subsystems)

MachineId: Final = enum(
    "MachineId",
    "A state machine. The number of a state is its position in its machine's list, to which a later version appends.",
    ATTACH=(0, "Attach."),
    LINK=(1, "Link."),
    POWER=(2, "Power."),
    CAPTURE=(3, "Capture."),
    FRAME=(4, "Frame assembly."),
    FOCUS=(5, "Focus owner."),
    AUTH=(6, "Authentication."),
    FIRMWARE=(7, "Firmware update."),
    TIME=(8, "Time."),
)

# ── Greeting ─────────────────────────────────────────────────────────────────────────────────────────

HELLO: Final = _packet(
    0x10,
    "HELLO",
    "Opens a session, or resumes the one that a lost link interrupted. A resume names the session and the two nonces "
    "of its last HELLO; they travel in clear, so it proves continuity and nothing more. The layout is frozen: every "
    "later version begins with these fields.",
    sender=_PHONE,
    lanes=_EITHER,
    statuses=(NEEDS_SESSION,),
    request=body(
        f("low_major", u8, "Major version of the lowest that the phone speaks.", default=1),
        f("low_minor", u8, "Minor version of it."),
        f("high_major", u8, "Major version of the highest that the phone speaks.", default=1),
        f("high_minor", u8, "Minor version of it."),
        f("features", u64, "Features of modules that the phone can use.", flags=FEATURES),
        f("phone_nonce", u64, "Drawn anew for each HELLO.", req=("R-MGT-004",)),
        f("resume_session", u32, "The session to resume; 0 for a new one."),
        f("last_phone_nonce", u64, "The phone's nonce in the last HELLO of that session; else 0."),
        f("last_module_nonce", u64, "The module's nonce in it; else 0."),
    ),
    response=body(
        f("major", u8, "Major version chosen.", req=("R-MGT-003",), default=1),
        f("minor", u8, "Minor version chosen."),
        f("session", u32, "The session: new, or the one resumed.", lo=1, req=("R-MGT-005",)),
        f("module_nonce", u64, "Drawn anew for each HELLO.", req=("R-MGT-006",)),
        f("features", u64, "What the module has.", flags=FEATURES, req=("R-MGT-007",)),
        f("desc_size", u32, "Size of the descriptor.", unit="B", req=("R-MGT-009",)),
        f("desc_sha256", octets(32), "SHA-256 of it; a phone that knows it need not read it.", req=("R-MGT-008",)),
        f("schema_hash", u64, "First 8 bytes of the SHA-256 of the schemas that it was built from; 0 if unknown."),
    ),
)

# ── Descriptor and stack ─────────────────────────────────────────────────────────────────────────────

DESC_READ: Final = _packet(
    0x11,
    "DESC_READ",
    "Reads a part of the descriptor or of another object. It shortens to what is left and to what the lane carries.",
    sender=_PHONE,
    lanes=_EITHER,
    statuses=(NO_SUCH_ID, RANGE_LIMIT),
    request=body(
        f("object", u16, "Which object.", choices=DescriptorObject, req=("R-MGT-010",)),
        f("offset", u32, "Where to begin.", unit="B", req=("R-MGT-011", "R-MGT-012")),
        f("length", u16, "How much at most.", unit="B", lo=1, hi=_PAYLOAD["CONTROL"] - 4),
    ),
    response=body(
        f("total", u32, "Size of the object.", unit="B"),
        raw("data", "The part.", hi=_PAYLOAD["CONTROL"] - 4),
    ),
)

DescriptorChange: Final = enum(
    "DescriptorChange",
    "Why the descriptor changed.",
    STACK=(0, "An element was stacked or taken away."),
    MODE=(1, "The module is in another mode."),
    FIRMWARE=(2, "Other firmware runs."),
    CALIBRATION=(3, "It was calibrated."),
)

DESC_CHANGED: Final = _packet(
    0x12,
    "DESC_CHANGED",
    "The descriptor or another object is no longer what it was.",
    sender=_MODULE,
    channel="EVENT",
    needs=("STACK", "FIRMWARE"),
    lanes=_EITHER,
    event=body(
        f("generation", u32, "Counts the changes since the module started.", req=("R-MGT-014",)),
        f("reason", u8, "Why.", choices=DescriptorChange),
        f("objects", u32, "What changed.", flags=ObjectMask),
    ),
)

ElementKind: Final = enum(
    "ElementKind",
    "A passive element in front of a module.",
    OTHER=(0, "Something else."),
    TUBE=(1, "An extension tube."),
    DENSITY=(2, "A neutral density filter."),
    POLARISER=(3, "A polariser."),
    COLOUR=(4, "A colour or cut filter."),
    CLOSE_UP=(5, "A close-up lens."),
    CONVERTER=(6, "A wide or tele converter."),
    ADAPTER=(7, "A mount adapter."),
    HOOD=(8, "A hood."),
)

IdMethod: Final = enum(
    "IdMethod",
    "How an element was recognised.",
    CONTACT=(0, "By its contacts."),
    NFC=(1, "By radio."),
    HALL=(2, "By a magnet code."),
    OPTICAL_CODE=(3, "By an optical code."),
    USER=(4, "The user said so."),
)

StackElement: Final = row(
    "StackElement",
    "A stacked element and what it does to the light.",
    f("kind", u8, "What it is.", choices=ElementKind),
    f("vendor", u24, "IEEE identifier of its vendor; 0 if unknown."),
    f("model", u16, "The vendor's number of the model; 0 if unknown."),
    f("id_method", u8, "How it was recognised.", choices=IdMethod),
    f("confidence", u8, "How surely.", unit="%", hi=100),
    f("thickness", i32, "Length that it adds.", unit="um"),
    f("density", i16, "Light that it takes away.", unit="OD", scale="0.001"),
    f("angle", i16, "How far it is turned about the optical axis.", unit="deg", scale="0.01", lo=-18_000, hi=18_000),
    bits("flags", rsvd("spare", 7), f("powered", 1, "1 where it draws power.")),
)

STACK_REPORT: Final = _packet(
    0x13,
    "STACK_REPORT",
    "The passive elements in front of the module, from the mount outwards. Sent after HELLO and with every change.",
    sender=_MODULE,
    channel="EVENT",
    needs=("STACK",),
    lanes=_EITHER,
    event=body(
        f("generation", u32, "As the property `stack_generation`."),
        rows("elements", StackElement, "Every element.", hi=STACK_ELEMENTS),
    ),
)

# ── Properties ───────────────────────────────────────────────────────────────────────────────────────

# A module needs these packets as soon as one of its features brings a property along.
_HAS_PROPERTIES: Final = tuple(dict.fromkeys(n for p in PROPERTIES.records for n in p.needs))

PropertyType: Final = enum(
    "PropertyType",
    "How a property's value is laid out.",
    U8=(0, "Unsigned, 8 bits."),
    U16=(1, "Unsigned, 16 bits."),
    U32=(2, "Unsigned, 32 bits."),
    U64=(3, "Unsigned, 64 bits."),
    I8=(4, "Signed, 8 bits."),
    I16=(5, "Signed, 16 bits."),
    I32=(6, "Signed, 32 bits."),
    I64=(7, "Signed, 64 bits."),
    BYTES=(8, "Bytes."),
)

PropertyAccess: Final = enum(
    "PropertyAccess",
    "How a property can be used.",
    READ=(0, "Read."),
    WRITE=(1, "Set: a command."),
    READ_WRITE=(2, "Both."),
)

# By the word for the unit in `properties`; the position is the number on the wire, so a later version appends.
UNITS: Final = {
    "": ("NONE", "None."),
    "ns": ("NS", "Nanoseconds."),
    "x": ("TIMES", "A factor."),
    "EV": ("EV", "Exposure values."),
    "Hz": ("HZ", "A rate a second."),
    "K": ("KELVIN", "Kelvins."),
    "DN": ("DN", "Sample values."),
    "D": ("DIOPTRE", "Dioptres."),
    "AV": ("AV_256", "Aperture value in 1/256, whatever `scale` says."),
    "OD": ("OD", "Optical density."),
    "um": ("UM", "Micrometres."),
    "D/s": ("DIOPTRE_PER_S", "Dioptres a second."),
    "%": ("PERCENT", "Hundredths."),
    "degC": ("CELSIUS", "Degrees Celsius."),
    "KiB": ("KIB", "Units of 1024 bytes."),
    "mJ": ("MJ", "Millijoules."),
    "mW": ("MW", "Milliwatts."),
    "deg": ("DEGREE", "Degrees of arc."),
}
PropertyUnit: Final = enum(
    "PropertyUnit", "Unit of a property.", **{name: (i, doc) for i, (name, doc) in enumerate(UNITS.values())}
)

PropertyMember: Final = row(
    "PropertyMember", "A value that a property can have.", f("value", i64, "The value, in wire units.")
)

PropertyDesc: Final = row(
    "PropertyDesc",
    "What a module can do with a property. Limits are in wire units.",
    f("id", u16, "The property: its tag."),
    f("type", u8, "How it is laid out.", choices=PropertyType),
    f("access", u8, "How it can be used.", choices=PropertyAccess),
    f("unit", u8, "Its unit.", choices=PropertyUnit),
    f("scale", i8, "The value times ten to this power is in the unit."),
    f("latency", u8, "Until a change shows.", unit="frames"),
    f("minimum", i64, "Least value.", req=("R-MGT-028",)),
    f("maximum", i64, "Greatest value.", req=("R-MGT-028",)),
    f("step", i64, "Distance between values; 0 where it is not constant.", lo=0),
    f("initial", i64, "Value after a start."),
    rows("members", PropertyMember, "The only values, if it has but a few; else none.", hi=64),
    blob("label", "Its name, for people.", text=True, hi=32),
)

PROP_DESC: Final = _packet(
    0x14,
    "PROP_DESC",
    "Which properties the module has and what each can do.",
    sender=_PHONE,
    needs=_HAS_PROPERTIES,
    lanes=_EITHER,
    request=body(
        f("first", u16, "Begin with the first property from here on."),
        f("max", u8, "How many at most.", lo=1),
    ),
    response=body(
        rows(
            "described", PropertyDesc, "Properties in order of their tags; none means that there are no more.",
            hi=64, req=("R-MGT-020", "R-MGT-021"),
        ),
    ),
)  # fmt: skip

PropertyId: Final = row("PropertyId", "Names a property.", f("id", u16, "The property: its tag."))

PROP_GET: Final = _packet(
    0x15,
    "PROP_GET",
    "Reads properties. One that cannot be read refuses the whole request.",
    sender=_PHONE,
    needs=_HAS_PROPERTIES,
    lanes=_EITHER,
    statuses=(NO_SUCH_ID, TOO_LARGE),
    request=body(rows("wanted", PropertyId, "Which.", lo=1, hi=64, req=("R-MGT-022", "R-MGT-023"))),
    response=body(tlvs("properties", PROPERTIES, "Their values, in the order in which they were asked for.")),
)

ApplyAt: Final = enum(
    "ApplyAt",
    "When settings take effect.",
    NOW=(0, "At once; `at` is ignored."),
    FRAME=(1, "With the frame whose number is `at`."),
    TIME=(2, "At the link time `at`."),
)

SettingResult: Final = row(
    "SettingResult",
    "What became of a setting.",
    f("id", u16, "The property: its tag."),
    f("status", u8, "A status code."),
)

PROP_SET: Final = _packet(
    0x16,
    "PROP_SET",
    "Sets properties and gives commands. Settings of group 0 stand each for itself, and the response says what became "
    "of each; those of any other group take effect together or not at all, and one that cannot refuses them.",
    sender=_PHONE,
    needs=_HAS_PROPERTIES,
    lanes=_EITHER,
    statuses=(ADJUSTED, NO_SUCH_ID, READ_ONLY, RANGE_LIMIT, LATE, NO_TIME),
    request=body(
        f("apply", u8, "When.", choices=ApplyAt, req=("R-MGT-027",)),
        f("at", u64, "Frame number, or link time in ns."),
        f("group", u16, "0, or the number of a group.", req=("R-MGT-025",)),
        tlvs("settings", PROPERTIES, "What to set."),
    ),
    response=body(rows("results", SettingResult, "One for each setting, in their order.", hi=255, req=("R-MGT-024",))),
)

ChangeCause: Final = enum(
    "ChangeCause",
    "Why a property changed without being set.",
    USER=(0, "The user turned or pressed something."),
    EXPOSURE=(1, "Automatic exposure."),
    FOCUS=(2, "Autofocus."),
    LIMIT=(3, "A limit of heat or power."),
    DEVICE=(4, "The state of the module: its battery, its stack, its memory."),
)

PROP_CHANGED: Final = _packet(
    0x17,
    "PROP_CHANGED",
    "Properties have changed without PROP_SET.",
    sender=_MODULE,
    channel="EVENT",
    needs=_HAS_PROPERTIES,
    lanes=_EITHER,
    event=body(
        f("cause", u8, "Why.", choices=ChangeCause),
        tlvs("properties", PROPERTIES, "Their new values."),
    ),
)

# ── Alive, pending, ready, fault ─────────────────────────────────────────────────────────────────────


def _pulse(seq: str) -> Body:
    return body(
        f("seq", u32, seq),
        f("uptime", u64, "Since the sender started.", unit="ns"),
        f("health", u32, "Parts of the sender that do not work as they should.", flags=SubsystemMask),
    )


KEEPALIVE: Final = _packet(
    0x18,
    "KEEPALIVE",
    "Breaks a silence of this side: whoever has sent nothing for tKeepAlive sends it.",
    sender=_BOTH,
    lanes=_EITHER,
    request=_pulse("Counts what the sender has sent of these."),
    response=_pulse("As in the request."),
)

PENDING: Final = _packet(
    0x19,
    "PENDING",
    "A request is being worked on and its response will take longer than tResponse.",
    sender=_BOTH,
    channel="EVENT",
    lanes=_EITHER,
    event=body(
        f("txn", u16, "Transaction of the request.", lo=1, req=("R-MGT-031",)),
        f("eta", u32, "Time that it will take yet.", unit="us"),
        f("percent", u8, "How much is done.", unit="%", hi=100),
    ),
)

CANCEL: Final = _packet(
    0x1A,
    "CANCEL",
    "Asks the peer to give up a request. Where it still can, it answers CANCEL with OK and the request with CANCELLED; "
    "where no such request is open, it answers CANCEL with LATE.",
    sender=_BOTH,
    lanes=_EITHER,
    statuses=(LATE,),
    request=body(f("txn", u16, "Transaction of the request.", lo=1, req=("R-MGT-033", "R-MGT-034"))),
    response=body(),
)

READY: Final = _packet(
    0x1B,
    "READY",
    "Parts that were busy or starting up can be asked again.",
    sender=_MODULE,
    channel="EVENT",
    lanes=_EITHER,
    event=body(
        f("subsystems", u32, "Which.", flags=SubsystemMask),
        f("after", u16, "Transaction that was answered BUSY on their account; 0 if none."),
    ),
)

FaultSeverity: Final = enum(
    "FaultSeverity",
    "How much a fault matters.",
    INFO=(0, "Noted."),
    DEGRADED=(1, "Something works less well."),
    LOST=(2, "A function is gone until a reset."),
    FATAL=(3, "The side is in the state FAULT."),
)

FAULT_EVENT: Final = _packet(
    0x1C,
    "FAULT_EVENT",
    "Something is wrong that no other packet reports.",
    sender=_BOTH,
    channel="EVENT",
    lanes=_EITHER,
    event=body(
        f("code", u16, "A status code; from 256 on a code of the vendor's."),
        f("severity", u8, "How much it matters.", choices=FaultSeverity),
        f("subsystem", u8, "Where.", choices=Subsystem),
        f("count", u32, "How often since the start.", lo=1, req=("R-MGT-036",)),
        f("first_ns", u64, "Link time of the first.", unit="ns"),
        f("context", octets(16), "The vendor's own notes."),
    ),
)

# ── Reset and ejection ───────────────────────────────────────────────────────────────────────────────

ResetLevel: Final = enum(
    "ResetLevel",
    "How far a reset goes; each includes those before it.",
    PROTOCOL=(0, "The session: the module waits for HELLO."),
    LINK=(1, "The link; the session is kept and can be resumed."),
    MODULE=(2, "Everything that a loss of power forgets."),
    FACTORY=(3, "Settings and stored data too, never calibration."),
)

ResetReason: Final = enum(
    "ResetReason",
    "Why a reset is asked for.",
    USER=(0, "The user."),
    FAULT=(1, "A fault."),
    UPDATE=(2, "New firmware."),
    TEST=(3, "A test."),
)

RESET: Final = _packet(
    0x1D,
    "RESET",
    "Resets the module. It answers first.",
    sender=_PHONE,
    lanes=_EITHER,
    statuses=(RANGE_LIMIT,),
    request=body(
        f("level", u8, "How far.", choices=ResetLevel, req=("R-MGT-038",)),
        f("reason", u8, "Why.", choices=ResetReason),
    ),
    response=body(),
)

EjectPhase: Final = enum(
    "EjectPhase",
    "A step of a removal that the user announced.",
    PREPARE=(0, "Finish what is pending and begin nothing new."),
    COMMIT=(1, "End the session; the contacts will open."),
    ABORT=(2, "Go on as before PREPARE."),
)

EJECT: Final = _packet(
    0x1E,
    "EJECT",
    "An orderly removal. While it is being prepared the phone fetches what it wants to have.",
    sender=_PHONE,
    lanes=_EITHER,
    request=body(
        f("phase", u8, "Which step.", choices=EjectPhase),
        f("grace", u16, "Time that the user will wait.", unit="ms"),
    ),
    response=body(
        f("pending_frames", u16, "Frames that the phone does not have whole.", req=("R-MGT-039",)),
        f("pending_bytes", u64, "Bytes of them that it does not have.", unit="B"),
    ),
)

# ── Seat and removal ─────────────────────────────────────────────────────────────────────────────────

SeatValid: Final = flags(
    "SeatValid",
    "What could be measured.",
    HALL=(0, "`hall`."),
    OFFSET=(1, "`offset_x` and `offset_y`."),
    TILT=(2, "`tilt`."),
    LIGHT=(3, "`rx_power`."),
    CONTACT=(4, "`contact`."),
    ORIENTATION=(5, "`orientation`."),
)

SEAT_STATUS: Final = _packet(
    0x1F,
    "SEAT_STATUS",
    "How well the module sits, so that no user need wonder. Sent after HELLO and whenever the quality moves by 10.",
    sender=_BOTH,
    channel="EVENT",
    needs=("LASER",),
    lanes=_EITHER,
    event=body(
        f("quality", u8, "All in all; below 50 the user should be told.", unit="%", hi=100),
        f("valid", u8, "What could be measured; the rest is 0.", flags=SeatValid),
        f("hall", u16, "Flux density of the magnets.", unit="mT", scale="0.1"),
        f("offset_x", i16, "Displacement across.", unit="um"),
        f("offset_y", i16, "Displacement along.", unit="um"),
        f("tilt", i16, "Angle to the phone's back.", unit="mrad"),
        f("rx_power", i16, "Optical power received.", unit="dBm", scale="0.01"),
        f("contact", u16, "Resistance of both contacts together.", unit="mOhm"),
        f("orientation", u16, "How the module is turned, seen from behind.", unit="deg", scale="0.01", hi=35_999),
    ),
)

DetachCause: Final = enum(
    "DetachCause",
    "What announces a removal.",
    HALL=(0, "The magnets' field falls."),
    BUTTON=(1, "The release button."),
    LIGHT=(2, "The light received falls."),
    USER=(3, "The user, on the screen."),
)

DETACH_NOTICE: Final = _packet(
    0x20,
    "DETACH_NOTICE",
    "The sides are about to part.",
    sender=_BOTH,
    channel="EVENT",
    lanes=_EITHER,
    event=body(
        f("cause", u8, "What announces it.", choices=DetachCause),
        f("expected", u16, "Time until the contacts open; 0 if not known.", unit="ms"),
    ),
)

# ── State ────────────────────────────────────────────────────────────────────────────────────────────

MachineReport: Final = row(
    "MachineReport",
    "Where a machine is.",
    f("machine", u8, "Which.", choices=MachineId),
    f("state", u8, "Number of its state."),
    f("reason", u8, "Status code of what brought it there; OK where nothing was wrong."),
    f("entered", u64, "Link time at which it came there.", unit="ns", req=("R-MGT-043",)),
)

OpenTransaction: Final = row(
    "OpenTransaction", "A request that waits for its response.", f("txn", u16, "Its transaction.")
)

STATE_GET: Final = _packet(
    0x21,
    "STATE_GET",
    "Where every machine of the module is. Harmless, so it is legal wherever there is power.",
    sender=_PHONE,
    lanes=_EITHER,
    request=body(),
    response=body(
        f("generation", u32, "Generation of the descriptor, as in DESC_CHANGED."),
        rows("machines", MachineReport, "Each machine of the module once.", hi=32, req=("R-MGT-041", "R-MGT-042")),
        rows("open", OpenTransaction, "The phone's open requests, without this one.", hi=255, req=("R-MGT-044",)),
    ),
)

# ── Vendor ───────────────────────────────────────────────────────────────────────────────────────────

VENDOR: Final = _packet(
    0x2F,
    "VENDOR",
    "A vendor's own exchange. Header, CRC, transactions and statuses are those of every packet.",
    sender=_BOTH,
    channel="VENDOR",
    needs=("VENDOR",),
    optional=True,
    lanes=_EITHER,
    statuses=(NO_SUCH_ID,),
    request=body(
        f("oui", u24, "IEEE identifier of the vendor.", req=("R-MGT-045",)),
        f("sub", u16, "The vendor's packet type."),
        f("schema_hash", u64, "Which schema of the vendor's describes it; 0 for none."),
        raw("data", "The vendor's data.", hi=_PAYLOAD["VENDOR"] - 13),
    ),
    response=body(raw("data", "The vendor's data.", hi=_PAYLOAD["VENDOR"])),
)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = GROUP.require
_module_must, _phone_must = partial(_must, role=_MODULE), partial(_must, role=_PHONE)
_SEEN = Testability.PASSIVE

_phone_must(
    1,
    "The phone MUST give HELLO major version 1 in the packet header, whatever versions it speaks.",
    kind=Kind.SYNTAX,
    test=_SEEN,
    packet=HELLO,
)
_module_must(
    2,
    "The module MUST answer HELLO with BAD_VERSION if no version from the lowest to the highest is one of its own.",
    packet=HELLO,
)
_module_must(3, "The module MUST choose the highest version that both sides speak.", packet=HELLO)
_phone_must(4, "The phone MUST draw a new `phone_nonce` for each HELLO.", test=_SEEN, packet=HELLO)
_module_must(
    5,
    "The module MUST give a HELLO that resumes nothing a session number that it has not given since it started.",
    packet=HELLO,
)
_module_must(6, "The module MUST draw a new `module_nonce` for each HELLO.", packet=HELLO)
_module_must(7, "The module MUST give the same features in every HELLO while the same firmware runs.", packet=HELLO)
_module_must(
    8, "The module MUST give as `desc_sha256` the SHA-256 of the descriptor that DESC_READ reads.", packet=HELLO
)
_module_must(9, "The module MUST give as `desc_size` the `total` of the descriptor that DESC_READ reads.", packet=HELLO)

_module_must(10, "The module MUST answer DESC_READ of an object that it has not with NO_SUCH_ID.", packet=DESC_READ)
_module_must(11, "The module MUST answer DESC_READ from beyond the end with RANGE_LIMIT.", packet=DESC_READ)
_module_must(12, "The module MUST answer DESC_READ from exactly the end with no data.", packet=DESC_READ)
_module_must(
    13,
    "The module MUST give as many bytes as asked for, unless fewer are left or fit a packet of the lane.",
    packet=DESC_READ,
)
_module_must(14, "The module MUST raise `generation` by one with each DESC_CHANGED.", test=_SEEN, packet=DESC_CHANGED)
_module_must(15, "The module MUST send DESC_CHANGED when an object's bytes change in a session.", packet=DESC_CHANGED)
_module_must(
    16,
    "The module MUST send STACK_REPORT within tReport of a session's opening.",
    kind=Kind.TIMING,
    packet=STACK_REPORT,
)
_module_must(
    17,
    "The module MUST send STACK_REPORT within tReport of a change of its stack.",
    kind=Kind.TIMING,
    packet=STACK_REPORT,
)

_module_must(20, "The module MUST describe its properties in rising order of their tags.", packet=PROP_DESC)
_module_must(21, "The module MUST describe at least one property where there is one from `first` on.", packet=PROP_DESC)
_module_must(22, "The module MUST answer PROP_GET of a property that it has not with NO_SUCH_ID.", packet=PROP_GET)
_module_must(23, "The module MUST answer PROP_GET of a command with NO_SUCH_ID.", packet=PROP_GET)
_module_must(
    24, "The module MUST list a setting whose tag it does not know with NO_SUCH_ID and set the others.", packet=PROP_SET
)
_module_must(
    25,
    "The module MUST set nothing of a group other than 0 if it cannot set one of those tags that it knows.",
    packet=PROP_SET,
)
_module_must(
    26,
    "The module MUST answer PROP_SET with ADJUSTED if a property took another value than the one asked for.",
    packet=PROP_SET,
)
_module_must(
    27, "The module MUST answer PROP_SET with LATE if the frame or the time in `at` has passed.", packet=PROP_SET
)
_module_must(
    28,
    "The module MUST NOT accept a value outside the `minimum` and `maximum` that it gave in PROP_DESC.",
    packet=PROP_SET,
)
_module_must(
    29,
    "The module MUST send PROP_CHANGED when the user's hand changes a property.",
    needs=("CONTROLS",),
    packet=PROP_CHANGED,
)

_must(
    30,
    "A side MUST send PENDING again within tPendingRefresh until it answers.",
    kind=Kind.TIMING,
    test=_SEEN,
    packet=PENDING,
)
_must(31, "A side MUST NOT send PENDING for a transaction that is not open.", test=_SEEN, packet=PENDING)
_must(32, "A side MUST answer every request that it has sent PENDING for.", test=_SEEN, packet=PENDING)
_must(33, "A side MUST answer a request that CANCEL has ended with CANCELLED.", packet=CANCEL)
_must(34, "A side MUST answer CANCEL of a transaction that is not open with LATE.", packet=CANCEL)
_module_must(
    35,
    "The module MUST send READY within tReport once a part on whose account it answered BUSY can be asked again.",
    kind=Kind.TIMING,
    packet=READY,
)
_must(
    36,
    "A side MUST raise `count` by one with each FAULT_EVENT of the same code and subsystem.",
    test=_SEEN,
    packet=FAULT_EVENT,
)
_must(37, "A side MUST give the response to KEEPALIVE the `seq` of the request.", packet=KEEPALIVE)
_module_must(38, "The module MUST keep its calibration through RESET of every level.", packet=RESET)
_module_must(
    39,
    "The module MUST count in `pending_frames` every captured frame that it holds and has not sent whole.",
    needs=("BUFFER",),
    packet=EJECT,
)
_must(
    40,
    "A side SHOULD send DETACH_NOTICE tDetachNotice before the contacts open.",
    level=Level.SHOULD,
    kind=Kind.TIMING,
    packet=DETACH_NOTICE,
)

_module_must(41, "The module MUST report each of its machines exactly once.", packet=STATE_GET)
_module_must(42, "The module MUST report the states in which its machines are when it answers.", packet=STATE_GET)
_module_must(43, "The module MUST NOT change `entered` while a machine stays in its state.", packet=STATE_GET)
_module_must(44, "The module MUST report every request of the phone's that it has not answered.", packet=STATE_GET)
_must(45, "A side MUST answer VENDOR of a vendor or type that it does not know with NO_SUCH_ID.", packet=VENDOR)
_must(46, "A side MUST send SEAT_STATUS within tReport of a session's opening.", kind=Kind.TIMING, packet=SEAT_STATUS)
_must(
    47,
    "A side MUST send SEAT_STATUS within tReport once its quality differs by 10 or more from the last one sent.",
    kind=Kind.TIMING,
    packet=SEAT_STATUS,
)
_module_must(48, "The module MUST answer HELLO within tHello.", kind=Kind.TIMING, packet=HELLO)
_module_must(
    49,
    "The module MUST answer the DESC_READs that read its descriptor at the greatest length within tDescRead in all.",
    kind=Kind.TIMING,
    packet=DESC_READ,
)
_must(50, "A side MUST send KEEPALIVE once it has sent nothing for tKeepAlive.", kind=Kind.TIMING, packet=KEEPALIVE)
_module_must(
    51, "The module MUST answer RESET with LINK with RANGE_LIMIT if it has no laser.", needs=("!LASER",), packet=RESET
)
