"""Management in operation: signs of life, long requests, faults, resets, removal, state.

Plan: numbers of the domain · alive, pending, ready, fault · reset and ejection · seat and removal · state · vendor.
"""

from typing import Final

from opalink.spec.codes import LATE, NO_SUCH_ID, RANGE_LIMIT
from opalink.spec.dialect import Body, body, enum, f, flags, i16, octets, raw, row, rows, u8, u16, u24, u32, u64
from opalink.spec.form import Role
from opalink.spec.limits import BOTH_LANES, PAYLOAD_MAX
from opalink.spec.management import GROUP

_PHONE, _MODULE, _BOTH = Role.PHONE, Role.MODULE, Role.BOTH
_packet = GROUP.packet

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

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
    lanes=BOTH_LANES,
    request=_pulse("Counts what the sender has sent of these."),
    response=_pulse("As in the request."),
)

PENDING: Final = _packet(
    0x19,
    "PENDING",
    "A request is being worked on and its response will take longer than tResponse.",
    sender=_BOTH,
    channel="EVENT",
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    f("state", u8, "Number of its state, counted from 0 in the order of the machine's states."),
    f("reason", u8, "Status code of what brought it there; OK where nothing was wrong, or the module does not tell."),
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
    statuses=(NO_SUCH_ID,),
    request=body(
        f("oui", u24, "IEEE identifier of the vendor.", req=("R-MGT-045",)),
        f("sub", u16, "The vendor's packet type."),
        f("schema_hash", u64, "Which schema of the vendor's describes it; 0 for none."),
        raw("data", "The vendor's data.", hi=PAYLOAD_MAX["VENDOR"] - 13),
    ),
    response=body(raw("data", "The vendor's data.", hi=PAYLOAD_MAX["VENDOR"])),
)
