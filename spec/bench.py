"""The bench binding: what travels between a tester and an implementation, over whatever carries bytes reliably.

Plan: the record · operations of the upper tester · answers · bodies of the records · rules.

A connection carries records {length, kind, lane, flags, time, payload} both ways over TCP, a serial line, standard
input and output, a UNIX socket or calls of a C function. What the tester sends of a kind is a request, what it
receives of that kind is the answer or the implementation's own.

The plane decides what a lane carries: on the packet plane whole packets, framed by the bench; on the FLIT plane what
the lane itself carries, a FLIT on the laser and a sideband record on the sideband. Time is real or virtual. Virtual
time begins at 0 with the binding and moves only when the tester says so: a hold-over of two seconds then takes
no time, and a timing verdict is exact. It is the time of the bench: what a side makes of it as link time is that
side's own affair.
"""

from typing import Final

from opalink.spec.codes import STATUSES
from opalink.spec.dialect import (
    Body,
    Group,
    Space,
    bits,
    blob,
    body,
    enum,
    envelope,
    f,
    flags,
    i16,
    octets,
    rows,
    rsvd,
    tlvs,
    u8,
    u16,
    u32,
    u64,
)
from opalink.spec.form import Kind, Level, Limit, Testability
from opalink.spec.lens import ControlAction, ControlId
from opalink.spec.limits import PACKET_OVERHEAD, STACK_ELEMENTS
from opalink.spec.management_operation import MachineReport

GROUP: Final = Group("bench", area="BEN", channel="LINK", doc="The binding between a tester and an implementation.")

LIMITS: Final = (
    Limit(
        "bench_record",
        0xFFFF + PACKET_OVERHEAD,
        "B",
        "Payload of a bench record: the longest packet that a header can describe, legal or not.",
    ),
)

# ── The record ───────────────────────────────────────────────────────────────────────────────────────

RecordKind: Final = enum(
    "RecordKind",
    "What a bench record carries.",
    BIND=(0, "The opening record of each side."),
    PACKET=(1, "One packet, from its version byte to its CRC; on the packet plane."),
    FLIT=(2, "What the lane itself carries: a FLIT or a sideband record; on the FLIT plane."),
    CONTROL=(3, "An operation of the upper tester, or its result."),
    CLOCK=(4, "The time, or the answer that this time has been reached."),
    LOG=(5, "Text from the implementation, kept as evidence."),
)

Lane: Final = enum(
    "Lane",
    "Where a packet travels.",
    NONE=(0, "Nowhere: a record of the bench itself."),
    SIDEBAND=(1, "The power contacts."),
    LASER=(2, "The light."),
)

RECORD: Final = envelope(
    "RECORD",
    "What every exchange with a bench consists of: a header of 16 bytes and a payload. It has no CRC because what "
    "carries it is reliable.",
    f("length", u32, "Bytes of payload.", unit="B", hi=LIMITS[0].value),
    f("kind", u8, "What the payload is.", choices=RecordKind),
    f("lane", u8, "Where a packet or a FLIT travels.", choices=Lane),
    bits("flags", rsvd("spare", 7), f("timed", 1, "1 where `time` was measured or is virtual.")),
    rsvd("spare2", u8),
    f("time", u64, "When the payload was launched; from the tester, for the record alone.", unit="ns"),
)

# ── What the upper tester can ask for ────────────────────────────────────────────────────────────────

ResetKind: Final = enum(
    "ResetKind",
    "How much a reset of the implementation forgets.",
    WARM=(0, "What a restart of its firmware forgets."),
    COLD=(1, "What the loss of all power forgets."),
)

UserAction: Final = enum(
    "UserAction",
    "What the user asks of a phone.",
    OPEN=(0, "Use this module: show its preview."),
    CLOSE=(1, "Use another camera."),
    STILL=(2, "Take a still."),
    VIDEO=(3, "Begin or end a video."),
    EJECT=(4, "Let the module go."),
)

# Some conditions show in no event, only in how the next request is answered: hence all statuses.
Condition: Final = enum(
    "Condition",
    "A condition, by the status that reports it.",
    **{s.name: (s.value, s.doc) for s in STATUSES},
)

OPERATIONS: Final = Space("operations", "What a tester can have done to an implementation from outside.")
_operation = OPERATIONS.record

_operation(
    1,
    "attach",
    "Put the sides together: the contacts close, light passes. Together already, it is a nudge: the contacts stay "
    "closed, and every lane carries again.",
    f("quality", u8, "How well it sits.", unit="%", hi=100, default=100),
)
_operation(2, "detach", "Take the sides apart: the contacts open, light is lost. FAILED where they are apart.")
_operation(
    3,
    "lane_down",
    "Let a lane carry nothing. FAILED for a lane that the implementation has not, and where the sides are apart.",
    f("lane", u8, "Which.", choices=Lane),
)
_operation(4, "lane_up", "Let a lane carry again. FAILED as `lane_down`.", f("lane", u8, "Which.", choices=Lane))
_operation(5, "reset", "Restart the implementation.", f("kind", u8, "How much it forgets.", choices=ResetKind))
_operation(6, "state", "Read the state of every machine.")
_operation(7, "version", "Read what the implementation is.")
_operation(
    8,
    "temperature",
    "Let a sensor read a temperature.",
    f("sensor", u8, "Number of the sensor."),
    f("temperature", i16, "What it reads.", unit="degC", scale="0.1"),
    needs=("TEMPERATURE",),
)
_operation(
    9,
    "battery",
    "Let the battery have a level.",
    f("level", u16, "Charge.", unit="%", scale="0.1", hi=1000),
    needs=("BATTERY",),
)
_operation(
    10,
    "ring",
    "Turn a ring.",
    f("control", u8, "Which.", choices=ControlId),
    f("delta", i16, "By how many counts."),
    needs=("CONTROLS",),
)
_operation(
    11,
    "button",
    "Work a button; by default, press the shutter.",
    f("control", u8, "Which.", choices=ControlId, default=16),
    f("action", u8, "How; it cannot be turned.", choices=ControlAction, default=2),
    needs=("CONTROLS",),
)
_operation(12, "user", "Work the phone.", f("action", u8, "What its user asks for.", choices=UserAction))
_operation(
    13,
    "stack",
    "Have passive elements stand upon the module. FAILED for more than it can see.",
    f("elements", u8, "How many.", hi=STACK_ELEMENTS),
    needs=("STACK",),
)
_operation(
    14,
    "condition",
    "Let something come about or end, such as a blocked motor, moisture, a full memory. While BUSY, NO_MEMORY or "
    "TIMEOUT is present, it answers every request that is not legal before HELLO; while another status is, what its "
    "meaning names.",
    f("status", u8, "The status that reports it.", choices=Condition),
    f("present", u8, "1 brings it about, 0 ends it.", hi=1),
)

Operation: Final = flags(
    "Operation",
    "Operations of the upper tester; the bit is the tag.",
    **{r.name.upper(): (r.tag, r.doc) for r in OPERATIONS.records},
)

# ── What it answers ──────────────────────────────────────────────────────────────────────────────────

ANSWERS: Final = Space("answers", "What an operation reads; the tag is the operation's.")
ANSWERS.record(6, "state", "Where every machine is.", rows("machines", MachineReport, "Each machine once.", hi=32))
ANSWERS.record(
    7,
    "version",
    "What the implementation is.",
    f("digest", octets(32), "SHA-256 of the image that runs; zeros if not known."),
    blob("product", "What it is called.", text=True, hi=64),
    blob("version", "Its version, as its maker writes it.", text=True, hi=64),
)

# ── Bodies of the records ────────────────────────────────────────────────────────────────────────────

BindRole: Final = enum(
    "BindRole",
    "What stands at an end of the binding.",
    TESTER=(0, "The tester."),
    MODULE=(1, "An implementation of the module."),
    PHONE=(2, "An implementation of the phone."),
)

Plane: Final = flags(
    "Plane",
    "What the lanes carry on the bench.",
    PACKET=(0, "Packets: the bench does the link layer."),
    FLIT=(1, "FLITs and sideband records: the implementation does the link layer."),
)

ClockMode: Final = flags(
    "ClockMode",
    "Whose time holds.",
    REAL=(0, "Everybody's own."),
    VIRTUAL=(1, "That of the CLOCK records."),
)

BIND: Final = body(
    f("magic", u32, "Marks the protocol: OPAL in ASCII.", const=int.from_bytes(b"OPAL", "little")),
    f("version", u8, "Highest version of the binding that the sender speaks; the lower of the two holds.", lo=1),
    f("role", u8, "What the sender is.", choices=BindRole),
    f("planes", u8, "From the tester the plane to use, from the implementation all that it offers.", flags=Plane),
    f("clocks", u8, "From the tester the clock to use, from the implementation all that it offers.", flags=ClockMode),
    f("operations", u64, "Operations that the implementation carries out.", flags=Operation),
    f("seed", u64, "From the tester: begins whatever the implementation draws at random; 0 leaves it free."),
    blob("name", "What the sender is called.", text=True, hi=64),
)

Outcome: Final = enum(
    "Outcome",
    "What became of an operation.",
    DONE=(0, "Carried out."),
    UNSUPPORTED=(1, "Not offered here."),
    FAILED=(2, "Offered, but not possible now or not with these values."),
)

CONTROL_REQUEST: Final = body(
    f("seq", u16, "Number of the request."),
    tlvs("operation", OPERATIONS, "The one operation."),
)

CONTROL_RESULT: Final = body(
    f("seq", u16, "Number of the request."),
    f("result", u8, "What became of it.", choices=Outcome),
    tlvs("answer", ANSWERS, "What it read."),
)

CLOCK_SET: Final = body(f("now", u64, "It is now.", unit="ns"))

CLOCK_ANSWER: Final = body(
    f("now", u64, "The time that has been reached.", unit="ns"),
    f("next", u64, "When to run next, if nothing arrives before; 2^64 - 1 for never.", unit="ns"),
)

LogSeverity: Final = enum(
    "LogSeverity",
    "How much a line of the log matters.",
    DEBUG=(0, "Detail."),
    INFO=(1, "Ordinary."),
    WARNING=(2, "Unexpected, and dealt with."),
    ERROR=(3, "A fault of the implementation."),
)

LOG: Final = body(
    f("severity", u8, "How much it matters.", choices=LogSeverity),
    blob("text", "What happened.", text=True, hi=1024, count=u16),
)

BODIES: Final[dict[str, tuple[Body, str]]] = {
    "BIND": (BIND, "Opens a binding."),
    "CONTROL_REQUEST": (CONTROL_REQUEST, "A CONTROL record from the tester: exactly one operation."),
    "CONTROL_RESULT": (CONTROL_RESULT, "A CONTROL record from the implementation."),
    "CLOCK_SET": (CLOCK_SET, "A CLOCK record from the tester."),
    "CLOCK_ANSWER": (CLOCK_ANSWER, "A CLOCK record from the implementation."),
    "LOG": (LOG, "A LOG record."),
}

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = GROUP.require
_SEEN = Testability.PASSIVE

_must(1, "An implementation MUST answer each BIND record with one BIND record.")
_must(2, "An implementation MUST NOT send a record before it has received a BIND record.", test=_SEEN)
_must(
    3,
    "An implementation MUST ignore all records but BIND unless the last one named exactly one plane and exactly one "
    "clock of those that the implementation offers.",
)
_must(4, "An implementation MUST be, after a BIND record, as after a cold reset with the contacts open.")
_must(5, "An implementation MUST close a connection that brings a record above the limit.", kind=Kind.ROBUSTNESS)
_must(6, "An implementation MUST ignore a record of a kind that it does not know.", kind=Kind.ROBUSTNESS)
_must(7, "An implementation MUST ignore a PACKET or FLIT record that does not belong to the plane in use.")
_must(
    8,
    "An implementation MUST treat a PACKET record of another length than its packet's as a packet whose CRC is wrong.",
)
_must(9, "An implementation MUST ignore a PACKET or FLIT record on a lane that is down.")
_must(10, "An implementation MUST NOT send a PACKET or FLIT record on a lane that is down.", test=_SEEN)

_must(20, "An implementation MUST answer each CONTROL record with one CONTROL record of the same `seq`.")
_must(21, "An implementation MUST answer FAILED to a CONTROL record with no operation or with more than one.")
_must(22, "An implementation MUST answer UNSUPPORTED to an operation that its BIND record does not name.")
_must(23, "An implementation MUST NOT answer UNSUPPORTED to an operation that its BIND record names.")
_must(24, "An implementation MUST change nothing when it answers an operation with FAILED.")

_must(
    30,
    "In virtual time an implementation MUST process at the time that holds what it received before a CLOCK record that "
    "moves it on.",
)
_must(31, "In virtual time an implementation MUST run up to the time of a CLOCK record and no further.")
_must(32, "In virtual time an implementation MUST answer a CLOCK record after all that it sends up to that time.")
_must(33, "In virtual time an implementation MUST stamp a PACKET or FLIT record with the time at which it was due.")
_must(
    34,
    "In virtual time an implementation MUST send its PACKET and FLIT records in the order of their times.",
    test=_SEEN,
)
_must(
    35,
    "In virtual time an implementation MUST send PACKET and FLIT records only between a CLOCK record and its answer.",
    test=_SEEN,
)
_must(36, "In virtual time an implementation MUST keep its time when a CLOCK record gives an earlier one.")
_must(37, "In virtual time an implementation MUST give a `next` that is later than `now`.", test=_SEEN)
_must(38, "In real time an implementation MUST ignore CLOCK records.")
_must(
    39,
    "In virtual time an implementation SHOULD send the same records whenever it has received the same ones, if the "
    "seed is not 0.",
    level=Level.SHOULD,
)
