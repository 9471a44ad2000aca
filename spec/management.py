"""Discovery and management, first half: greeting, descriptor, properties.

Plan: numbers of the domain · greeting · descriptor and stack · properties. What goes on in a session is in
`management_operation`, the rules are in `management_rules`.

Every packet travels on both lanes, since a module without a laser has no other. Which of them is legal in which
state is the business of `attach`.
"""

from typing import Final

from opalink.spec.codes import ADJUSTED, LATE, NEEDS_SESSION, NO_SUCH_ID, NO_TIME, RANGE_LIMIT, READ_ONLY, TOO_LARGE
from opalink.spec.dialect import (
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
from opalink.spec.form import Role
from opalink.spec.limits import BOTH_LANES, PAYLOAD_MAX, STACK_ELEMENTS
from opalink.spec.properties import PROPERTIES

GROUP: Final = Group("management", area="MGT", channel="CONTROL", doc="Discovery and management.")
_PHONE, _MODULE = Role.PHONE, Role.MODULE
_packet = GROUP.packet

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

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

# ── Greeting ─────────────────────────────────────────────────────────────────────────────────────────

HELLO: Final = _packet(
    0x10,
    "HELLO",
    "Opens a session, or resumes the one that a lost link interrupted. A resume names the session and the two nonces "
    "of its last HELLO; they travel in clear, so it proves continuity and nothing more. The layout is frozen: every "
    "later version begins with these fields.",
    sender=_PHONE,
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
    statuses=(NO_SUCH_ID, RANGE_LIMIT),
    request=body(
        f("object", u16, "Which object.", choices=DescriptorObject, req=("R-MGT-010",)),
        f("offset", u32, "Where to begin.", unit="B", req=("R-MGT-011", "R-MGT-012")),
        f("length", u16, "How much at most.", unit="B", lo=1, hi=PAYLOAD_MAX["CONTROL"] - 4),
    ),
    response=body(
        f("total", u32, "Size of the object.", unit="B"),
        raw("data", "The part.", hi=PAYLOAD_MAX["CONTROL"] - 4),
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
    statuses=(NO_SUCH_ID, TOO_LARGE),
    request=body(rows("wanted", PropertyId, "Which.", lo=1, hi=64, req=("R-MGT-022", "R-MGT-023"))),
    response=body(tlvs("properties", PROPERTIES, "Their values, in the order in which they were asked for.")),
)

ApplyAt: Final = enum(
    "ApplyAt",
    "When settings take effect.",
    NOW=(0, "At once; `at` is ignored."),
    FRAME=(1, "With the frame whose number is `at`; without a sensor there is none."),
    TIME=(2, "At the link time `at`, which a module without synchronised time does not know."),
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
    lanes=BOTH_LANES,
    statuses=(ADJUSTED, NO_SUCH_ID, READ_ONLY, RANGE_LIMIT, LATE, NO_TIME),
    request=body(
        f("apply", u8, "When.", choices=ApplyAt, req=("R-MGT-027", "R-MGT-052", "R-MGT-053")),
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
    lanes=BOTH_LANES,
    event=body(
        f("cause", u8, "Why.", choices=ChangeCause),
        tlvs("properties", PROPERTIES, "Their new values."),
    ),
)
