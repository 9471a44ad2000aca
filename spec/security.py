"""Security and firmware: is the module genuine, and can its firmware be trusted and replaced.

Plan: numbers of the domain · trust · firmware · rules. The machines are in `security_machine`.

SPDM (DMTF DSP0274) is carried whole: a message fits one packet, so SPDM never chunks, and what SPDM has to say about
a message it says in SPDM. Trust caps power and never blocks capture. Firmware is pulled by the module, which alone
knows how fast it can write; the image that ran before stays bootable.
"""

from functools import partial
from typing import Final

from opalink.spec import limits
from opalink.spec.codes import (
    AUTH_FAILED,
    FW_ROLLBACK,
    FW_WRONG_COMPONENT,
    NEEDS_SESSION,
    NO_SUCH_ID,
    NOT_AUTHENTICATED,
    RANGE_LIMIT,
    TOO_LARGE,
)
from opalink.spec.dialect import Group, body, enum, f, flags, octets, raw, row, rows, u8, u16, u32, u64
from opalink.spec.features import FEATURES
from opalink.spec.form import Kind, Level, Role, Testability

GROUP: Final = Group("security", area="SEC", channel="CONTROL", doc="Authentication, trust and firmware.")
_PHONE, _MODULE = Role.PHONE, Role.MODULE
_SECURITY, _FIRMWARE = ("SECURITY",), ("FIRMWARE",)

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

TrustLevel: Final = enum(
    "TrustLevel",
    "What the phone knows of the module.",
    UNKNOWN=(0, "Nothing, or no longer anything."),
    GENUINE=(1, "It holds the key of a certificate that the phone trusts."),
    MEASURED=(2, "Genuine, and its firmware is what its maker released."),
    REJECTED=(3, "It tried to prove itself and failed."),
)

ActivationMethod: Final = enum(
    "ActivationMethod",
    "What a component needs before new firmware runs.",
    AT_ONCE=(0, "Nothing: the session goes on."),
    RESTART=(1, "A restart of the module."),
    POWER_CYCLE=(2, "Loss of power."),
)

FirmwareFlags: Final = flags(
    "FirmwareFlags",
    "What the phone asks of an update beside the image.",
    OLDER=(0, "The user agreed to an older version; what the module forbids stays forbidden."),
    KEEP_SETTINGS=(1, "The module keeps its settings."),
)

FirmwareState: Final = enum(
    "FirmwareState",
    "How far an update has come.",
    IDLE=(0, "No update is under way."),
    DOWNLOAD=(1, "The module pulls the image."),
    VERIFY=(2, "The module checks the image."),
    APPLY=(3, "The module writes the image into its slot."),
    STAGED=(4, "The image can be activated."),
    ACTIVATE_PENDING=(5, "The image runs from the next detach or boot on."),
    ROLLBACK=(6, "The new image did not start: the one before it runs again."),
)

FirmwareOp: Final = enum(
    "FirmwareOp",
    "What is to be done with firmware.",
    ACTIVATE=(0, "Run the staged image."),
    ABORT=(1, "Give the update up."),
    ROLLBACK=(2, "Run the image that ran before."),
)

ActivationTime: Final = enum(
    "ActivationTime",
    "When it is to be done.",
    NOW=(0, "Now; the session ends where the module must restart."),
    DETACH=(1, "Once the module is detached."),
    NEXT_BOOT=(2, "With its next start."),
)

# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────

SPDM: Final = GROUP.packet(
    0x30,
    "SPDM",
    # The phone alone requests: what a module asks of a phone travels as SPDM's encapsulated requests.
    "One SPDM message each way. An SPDM error is a message like any other and comes with status OK.",
    sender=_PHONE,
    needs=_SECURITY,
    statuses=(NEEDS_SESSION,),
    request=body(raw("message", "SPDM request.", lo=4, hi=limits.SPDM_MESSAGE)),
    response=body(raw("message", "SPDM response.", lo=4, hi=limits.SPDM_MESSAGE)),
)

TRUST_POLICY: Final = GROUP.packet(
    0x31,
    "TRUST_POLICY",
    "What the phone concludes from the authentication. It caps power and grants features; capture needs no grant.",
    sender=_PHONE,
    needs=_SECURITY,
    event=body(
        f("level", u8, "What the phone knows.", choices=TrustLevel),
        f("max_power", u16, "Power that the module may draw at most.", unit="mW"),
        f("granted", u64, "Features that may be used.", flags=FEATURES),
        f("expires", u32, "How long this holds; 0 for as long as the session.", unit="s"),
    ),
)

# 0x32 is reserved for FRAME_SEC, the protection of frames: it needs a key exchange that version 1.0 has not.

# ── Firmware ─────────────────────────────────────────────────────────────────────────────────────────
# Requests and states travel on CONTROL, where FW_STATUS cannot overtake the response that it follows; image bytes
# alone go by BULK, so that a download delays nothing else.

FirmwareComponent: Final = row(
    "FirmwareComponent",
    "A component and what is in its slots.",
    f("component", u16, "Number of the component."),
    f("slot", u8, "Slot that runs."),
    f("active", u64, "Version that runs: major, minor, patch and build, 16 bits each, major highest."),
    f("pending", u64, "Version that is staged; 0 if none."),
    f("digest", octets(32), "SHA-256 of the image that runs."),
    f("activation", u8, "What activation needs.", choices=ActivationMethod),
)

FW_QUERY: Final = GROUP.packet(
    0x33,
    "FW_QUERY",
    "Which firmware is there.",
    sender=_PHONE,
    needs=_FIRMWARE,
    request=body(),
    response=body(rows("components", FirmwareComponent, "Every component.", lo=1, hi=32)),
)

FW_BEGIN: Final = GROUP.packet(
    0x34,
    "FW_BEGIN",
    "Offers an image. The module pulls it once it has accepted.",
    sender=_PHONE,
    needs=_FIRMWARE,
    statuses=(FW_WRONG_COMPONENT, FW_ROLLBACK, TOO_LARGE),
    request=body(
        f("component", u16, "Number of the component."),
        f("size", u32, "Bytes of the image.", unit="B", lo=1),
        f("version", u64, "Its version, in the form of FW_QUERY."),
        f("digest", octets(32), "SHA-256 of the image."),
        f("options", u16, "Beside the image.", flags=FirmwareFlags),
    ),
    response=body(
        f("block_max", u16, "Most bytes that the module will pull at once.", unit="B", lo=1, hi=limits.FIRMWARE_BLOCK),
        f("estimate", u32, "Time that download and writing will take.", unit="s"),
    ),
)

FW_PULL: Final = GROUP.packet(
    0x35,
    "FW_PULL",
    "The module asks for bytes of the image.",
    sender=_MODULE,
    channel="BULK",
    needs=_FIRMWARE,
    statuses=(RANGE_LIMIT,),
    request=body(
        f("offset", u32, "First byte.", unit="B"),
        f("length", u16, "How many.", unit="B", lo=1, hi=limits.FIRMWARE_BLOCK),
    ),
    response=body(
        f("offset", u32, "First byte.", unit="B"),
        raw("data", "Bytes of the image.", lo=1, hi=limits.FIRMWARE_BLOCK),
    ),
)

FW_STATUS: Final = GROUP.packet(
    0x36,
    "FW_STATUS",
    "How an update goes on, at each change of its state and as it proceeds.",
    sender=_MODULE,
    needs=_FIRMWARE,
    event=body(
        f("component", u16, "Number of the component."),
        f("state", u8, "How far it has come.", choices=FirmwareState),
        f("result", u8, "Status code: OK, or why it was given up."),
        f("progress", u8, "Share of the present state's work that is done.", unit="%", hi=100),
        f("offset", u32, "Bytes of the image that the module holds.", unit="B"),
    ),
)

FW_CONTROL: Final = GROUP.packet(
    0x37,
    "FW_CONTROL",
    "Activates, gives up or takes back an update.",
    sender=_PHONE,
    needs=_FIRMWARE,
    statuses=(NO_SUCH_ID, NOT_AUTHENTICATED, AUTH_FAILED),
    request=body(
        f("op", u8, "What to do.", choices=FirmwareOp),
        f("components", u32, "Bit n is row n of FW_QUERY.", lo=1),
        f("when", u8, "When to do it; ABORT is always done now.", choices=ActivationTime),
    ),
    response=body(),
)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_module_must = partial(GROUP.require, role=Role.MODULE)
_phone_must = partial(GROUP.require, role=Role.PHONE)
_PASSIVE = Testability.PASSIVE

_module_must(
    1,
    "The module MUST answer CHALLENGE within tAuth of GET_VERSION, not counting the time that the phone took.",
    kind=Kind.TIMING,
    packet=SPDM,
)
_module_must(
    2, "The module MUST answer an SPDM request that SPDM refuses with status OK and an SPDM ERROR message.", packet=SPDM
)
_module_must(
    3,
    "The module MUST answer a message whose first byte is no SPDM 1.x version with NEEDS_SESSION.",
    packet=SPDM,
    source="DSP0277: a secured message begins with its session; version 1.0 opens none.",
)
_module_must(
    4,
    "The module MUST offer as SPDM measurement 0xE0 the SHA-256 of these payloads one after the other: the phone's "
    "last BEACON and the module's, the LINK_PARAMS request and response that took effect where there were any, the "
    "HELLO request and response that opened or resumed the session, all as they stood with the response to HELLO.",
    packet=SPDM,
    source="Payloads alone: a repetition has other headers, may be lost, and says the same.",
)
_module_must(
    5,
    "The module MUST NOT refuse MODE_TABLE, STREAM_CONFIGURE, STREAM_CONTROL, CAPTURE_QUEUE or FLUSH for want of "
    "trust.",
    packet=TRUST_POLICY,
)
_module_must(
    6,
    "The module MUST NOT ask for more power than the last TRUST_POLICY of the session allows.",
    test=_PASSIVE,
    packet=TRUST_POLICY,
)
_module_must(
    7,
    "The module MUST take trust as UNKNOWN in a session that was resumed until TRUST_POLICY is sent again.",
    packet=TRUST_POLICY,
)
_module_must(8, "The module MUST take trust as UNKNOWN once the time in `expires` has passed.", packet=TRUST_POLICY)
_phone_must(
    9,
    "The phone MUST NOT withhold streams from a module because its level is UNKNOWN or REJECTED.",
    packet=TRUST_POLICY,
)
_module_must(
    10,
    "The module MUST give up an image whose digest is not that of FW_BEGIN with the result FW_BAD_HASH, whatever its "
    "signature.",
    packet=FW_STATUS,
)
_module_must(
    11,
    "The module MUST give up an image that is not signed by its vendor with the result FW_BAD_SIGNATURE.",
    packet=FW_STATUS,
)
_module_must(
    12,
    "The module MUST run the image that ran before after an update that was not activated, wherever it was cut off.",
    packet=FW_BEGIN,
)
_module_must(13, "The module MUST NOT pull bytes beyond the size that FW_BEGIN gave.", test=_PASSIVE, packet=FW_PULL)
_module_must(
    14,
    "The module MUST go on pulling at the first byte that it does not hold when a session is resumed.",
    packet=FW_PULL,
)
_module_must(15, "The module MUST report each change of an update's state with FW_STATUS.", packet=FW_STATUS)
_module_must(
    16,
    "The module SHOULD report a download with FW_STATUS at least once every 5 % of its bytes.",
    level=Level.SHOULD,
    test=_PASSIVE,
    packet=FW_STATUS,
)
_module_must(
    17,
    "The module MUST NOT use a block larger than the `block_max` that it gave.",
    kind=Kind.CAPACITY,
    test=_PASSIVE,
    packet=FW_PULL,
)
_module_must(
    18,
    "The module MUST say with FW_STATUS when a session opens what became of an update while none could be told.",
    packet=FW_STATUS,
)
_module_must(
    19,
    "The module MUST answer FW_BEGIN with TOO_LARGE where the image exceeds the limit firmware_bytes or its room.",
    packet=FW_BEGIN,
)
_module_must(
    20,
    "The module MUST answer a FW_CONTROL that is no abort with AUTH_FAILED while its level is REJECTED.",
    packet=FW_CONTROL,
)
