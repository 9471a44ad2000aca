"""Lens and user controls: focus, aperture, density, zoom; rings and buttons, and whose hand they obey.

Plan: numbers of the domain · focus · aperture, density, zoom · the lens as it is · controls · rules.

A lens of this kind has rings that a hand can turn at any moment, so every motor has an owner: the phone or the user.
Who wins is a policy per control and is set, not guessed. Requests travel on CONTROL, reports on EVENT; all of them also
on the sideband, for a lens or a filter that has no laser.
"""

from typing import Final

from opalink.spec.codes import ADJUSTED, LATE, MOTOR_BLOCKED, NO_SUCH_ID, RANGE_LIMIT, READ_ONLY, RING_OWNED
from opalink.spec.dialect import Group, bits, body, enum, f, flags, i16, i32, rsvd, u8, u16, u32, u64
from opalink.spec.form import Kind, Level, Role, Testability
from opalink.spec.limits import BOTH_LANES

GROUP: Final = Group("lens", area="LEN", channel="CONTROL", doc="The lens, its motors, and the user's controls.")
_PHONE, _MODULE, _BOTH = Role.PHONE, Role.MODULE, Role.BOTH

# ── Numbers of the domain ────────────────────────────────────────────────────────────────────────────

FocusMode: Final = enum(
    "FocusMode",
    "What the target of a focus movement is.",
    DIOPTRE=(0, "A distance: 0.001 D."),
    STEP=(1, "A position of the motor: steps."),
    VELOCITY=(2, "A speed, positive towards near, until another movement or a limit: 0.001 D/s."),
)

FocusActivity: Final = enum(
    "FocusActivity",
    "What the focus is doing.",
    IDLE=(0, "Nothing; it has not moved since power came on."),
    MOVING=(1, "The motor drives it."),
    SETTLED=(2, "It stands where it was sent."),
    RING_OVERRIDE=(3, "It follows the ring."),
    LIMIT=(4, "It stands at an end of its range."),
    FAULT=(5, "The motor does not move."),
)

FocusCalibration: Final = enum(
    "FocusCalibration",
    "How far a focus distance can be trusted.",
    UNCALIBRATED=(0, "It orders positions, no more."),
    APPROXIMATE=(1, "In dioptres, without allowance for temperature and wear."),
    CALIBRATED=(2, "In dioptres."),
)

OpticKind: Final = enum(
    "OpticKind",
    "What is set in a lens beside focus.",
    APERTURE=(0, "Aperture value in 1/256: nominal f/1.4 is 256, f/11 is 1792."),
    ND=(1, "Density of the filter: 0.001 OD."),
    ZOOM=(2, "Focal length: um."),
)

OpticTiming: Final = enum(
    "OpticTiming",
    "When and how a part moves.",
    AT_ONCE=(0, "Now, as fast as it can."),
    BETWEEN_FRAMES=(1, "While no row is exposed."),
    SMOOTH=(2, "Now, slowly enough for video."),
)

LensField: Final = flags(
    "LensField",
    "Quantities of a lens that are known.",
    FOCAL=(0, "`focal`."),
    APERTURE=(1, "`aperture`."),
    FOCUS=(2, "`focus`."),
    DENSITY=(3, "`density`."),
    ENTRANCE_PUPIL=(4, "`entrance_pupil`."),
    BREATHING=(5, "`breathing`."),
)

ControlId: Final = enum(
    "ControlId",
    "A control under the user's hand.",
    FOCUS_RING=(0, "The ring that focuses."),
    APERTURE_RING=(1, "The ring that sets the aperture."),
    ND_RING=(2, "The ring that sets the density."),
    ZOOM_RING=(3, "The ring or lever that zooms."),
    SHUTTER=(16, "The shutter button."),
    BUTTON1=(17, "The first further button."),
    BUTTON2=(18, "The second."),
    BUTTON3=(19, "The third."),
    BUTTON4=(20, "The fourth."),
)

ControlAction: Final = enum(
    "ControlAction",
    "What the user does with a control.",
    TURN=(0, "Turns it by `delta`."),
    HALF=(1, "Presses it to its first stop."),
    PRESS=(2, "Presses it through."),
    RELEASE=(3, "Lets it go."),
)

Owner: Final = enum(
    "Owner",
    "Whose will a control's motor obeys.",
    PHONE=(0, "The phone's."),
    USER=(1, "That of the user's hand."),
)

OwnerPolicy: Final = enum(
    "OwnerPolicy",
    "Who wins where phone and user differ.",
    RING_WINS=(0, "The user, from the first count until `hold` after the last."),
    LAST_WINS=(1, "Whoever spoke last."),
    PHONE_LOCKS=(2, "The phone: turns are reported and move nothing."),
)

# ── Focus ────────────────────────────────────────────────────────────────────────────────────────────

FOCUS_MOVE: Final = GROUP.packet(
    0x80,
    "FOCUS_MOVE",
    "Moves the focus. The answer comes when it is there, or settled, with PENDING until then; that to a VELOCITY comes "
    "when it moves.",
    sender=_PHONE,
    needs=("FOCUS_MOTOR",),
    lanes=BOTH_LANES,
    statuses=(LATE, MOTOR_BLOCKED, RANGE_LIMIT, RING_OWNED),
    request=body(
        f("mode", u8, "What `target` is.", choices=FocusMode),
        f("target", i32, "Where to, in the unit of `mode`.", req=("R-LEN-007",)),
        f("speed", u16, "Greatest speed; 0 for as fast as it can.", unit="D/s", scale="0.001"),
        f("by", u64, "Link time at which it must be there; 0 for none.", unit="ns", req=("R-LEN-008",)),
        bits("flags", rsvd("spare", 7), f("settle", 1, "1 to answer once it has settled.", req=("R-LEN-009",))),
    ),
    response=body(
        f("position", i32, "Where it is.", unit="D", scale="0.001"),
        f("step", i32, "Position of the motor."),
    ),
)

FOCUS_STATE: Final = GROUP.packet(
    0x81,
    "FOCUS_STATE",
    "Where the focus is and who moves it.",
    channel="EVENT",
    sender=_MODULE,
    needs=("FOCUS_MOTOR",),
    lanes=BOTH_LANES,
    event=body(
        f("position", i32, "Reciprocal of the distance in focus.", unit="D", scale="0.001", req=("R-LEN-012",)),
        f("step", i32, "Position of the motor."),
        f("state", u8, "What the focus is doing.", choices=FocusActivity, req=("R-LEN-010",)),
        f("near_limit", i32, "Nearest distance that is sharp.", unit="D", scale="0.001", req=("R-LEN-012",)),
        f("far_limit", i32, "Farthest distance that is sharp.", unit="D", scale="0.001", req=("R-LEN-012",)),
        f("calibration", u8, "How far these can be trusted.", choices=FocusCalibration),
        f("owner", u8, "Whom the motor obeys.", choices=Owner, req=("R-LEN-010",)),
        f("temperature", i16, "Of the lens.", unit="degC", scale="0.1"),
    ),
)

# ── Aperture, density, zoom ──────────────────────────────────────────────────────────────────────────

OPTIC_SET: Final = GROUP.packet(
    0x82,
    "OPTIC_SET",
    "Sets aperture, density or focal length. The answer comes when it is there, with PENDING until then.",
    sender=_PHONE,
    needs=("APERTURE_MOTOR", "ND_MOTOR", "ZOOM_MOTOR"),
    lanes=BOTH_LANES,
    statuses=(ADJUSTED, MOTOR_BLOCKED, NO_SUCH_ID, RANGE_LIMIT, READ_ONLY, RING_OWNED),
    request=body(
        f("kind", u8, "What is set.", choices=OpticKind, req=("R-LEN-013", "R-LEN-014")),
        f("target", i32, "To what, in the unit of `kind`.", req=("R-LEN-015",)),
        f("timing", u8, "When and how.", choices=OpticTiming, req=("R-LEN-017",)),
    ),
    response=body(f("reached", i32, "What it stands at, in the unit of `kind`.", req=("R-LEN-016",))),
)

# ── The lens as it is ────────────────────────────────────────────────────────────────────────────────

LENS_STATE: Final = GROUP.packet(
    0x83,
    "LENS_STATE",
    "The optics as they are, whoever set them.",
    channel="EVENT",
    sender=_MODULE,
    needs=("LENS",),
    lanes=BOTH_LANES,
    event=body(
        f("focal", u32, "Focal length.", unit="um"),
        f("aperture", i16, "Aperture value.", unit="AV", scale="1/256"),
        f("focus", i32, "Reciprocal of the distance in focus.", unit="D", scale="0.001"),
        f("density", i16, "Density of the filter.", unit="OD", scale="0.001"),
        f("entrance_pupil", i32, "From the phone's back to the entrance pupil.", unit="um"),
        f("breathing", i16, "Change of the field of view against that at infinity.", unit="ppm"),
        f("valid", u16, "What of these is known.", flags=LensField, req=("R-LEN-019",)),
    ),
)

# ── Controls ─────────────────────────────────────────────────────────────────────────────────────────

CONTROL_EVENT: Final = GROUP.packet(
    0x84,
    "CONTROL_EVENT",
    "The user has moved a control, at the time in the packet's header.",
    channel="EVENT",
    sender=_MODULE,
    needs=("CONTROLS",),
    lanes=BOTH_LANES,
    event=body(
        f("control", u8, "Which.", choices=ControlId),
        f("action", u8, "What was done.", choices=ControlAction),
        f("delta", i16, "Counts since its last event, positive towards higher values.", req=("R-LEN-020",)),
        f("absolute", u16, "Position in counts; wraps.", req=("R-LEN-020",)),
    ),
)

CONTROL_OWNER: Final = GROUP.packet(
    0x85,
    "CONTROL_OWNER",
    "Says who is to have a control's motor, and who wins from now on.",
    sender=_BOTH,
    needs=("CONTROLS",),
    lanes=BOTH_LANES,
    statuses=(NO_SUCH_ID, READ_ONLY, RING_OWNED),
    request=body(
        f("control", u8, "Which.", choices=ControlId, req=("R-LEN-005", "R-LEN-006")),
        f("owner", u8, "Who is to have it.", choices=Owner),
        f("policy", u8, "Who wins from now on.", choices=OwnerPolicy),
        f("hold", u16, "How long a ring keeps it under RING_WINS.", unit="ms", req=("R-LEN-003",)),
    ),
    response=body(
        f("owner", u8, "Who has it now.", choices=Owner),
        f("policy", u8, "Who wins.", choices=OwnerPolicy),
        f("hold", u16, "How long a ring keeps it under RING_WINS.", unit="ms"),
    ),
)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = GROUP.require

_must(
    1,
    "The module MUST answer a request to move or to own what the user has under RING_WINS with RING_OWNED.",
    role=_MODULE,
    packet=CONTROL_OWNER,
)
_must(
    2,
    "The module MUST give a control to the user with the first count of its ring, unless the policy is PHONE_LOCKS.",
    role=_MODULE,
    packet=CONTROL_OWNER,
)
_must(
    3,
    "The module MUST give a control back to the phone once its ring has not turned for `hold`, under RING_WINS.",
    role=_MODULE,
    kind=Kind.TIMING,
    packet=CONTROL_OWNER,
)
_must(
    4,
    "The module MUST give a control back to the phone with the phone's next request to move it, under LAST_WINS.",
    role=_MODULE,
    packet=CONTROL_OWNER,
)
_must(
    5,
    "A side MUST answer a CONTROL_OWNER for a control that it does not have with NO_SUCH_ID.",
    packet=CONTROL_OWNER,
)
_must(
    6,
    "The module MUST answer a CONTROL_OWNER that gives the phone a control without a motor with READ_ONLY.",
    role=_MODULE,
    packet=CONTROL_OWNER,
)
_must(
    7,
    "The module MUST answer a FOCUS_MOVE to a place that it cannot reach with RANGE_LIMIT.",
    role=_MODULE,
    packet=FOCUS_MOVE,
)
_must(
    8,
    "The module MUST answer a FOCUS_MOVE that cannot be done in time for its `by` with LATE.",
    role=_MODULE,
    packet=FOCUS_MOVE,
)
_must(
    9,
    "The module MUST answer a FOCUS_MOVE with `settle` when the focus has settled, and no sooner.",
    role=_MODULE,
    packet=FOCUS_MOVE,
)
_must(10, "The module MUST send FOCUS_STATE whenever `state` or `owner` changes.", role=_MODULE, packet=FOCUS_STATE)
_must(
    11,
    "The module MUST send FOCUS_STATE at least every 100 ms while the focus moves.",
    role=_MODULE,
    kind=Kind.TIMING,
    test=Testability.PASSIVE,
    packet=FOCUS_STATE,
)
_must(
    12,
    "The module MUST report a `position` between `far_limit` and `near_limit`.",
    role=_MODULE,
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
    packet=FOCUS_STATE,
)
_must(
    13,
    "The module MUST answer an OPTIC_SET for a part that is turned by hand alone with READ_ONLY.",
    role=_MODULE,
    packet=OPTIC_SET,
)
_must(
    14,
    "The module MUST answer an OPTIC_SET for a part that it does not have with NO_SUCH_ID.",
    role=_MODULE,
    packet=OPTIC_SET,
)
_must(
    15,
    "The module MUST answer an OPTIC_SET outside the part's range with RANGE_LIMIT.",
    role=_MODULE,
    packet=OPTIC_SET,
)
_must(
    16,
    "The module MUST answer an OPTIC_SET whose target lies between two positions of the part with ADJUSTED.",
    role=_MODULE,
    packet=OPTIC_SET,
)
_must(
    17,
    "The module MUST NOT move a part while a row is exposed for an OPTIC_SET with BETWEEN_FRAMES.",
    role=_MODULE,
    packet=OPTIC_SET,
)
_must(
    18,
    "The module MUST send LENS_STATE whenever a quantity that is marked in `valid` has changed.",
    role=_MODULE,
    packet=LENS_STATE,
)
_must(
    19,
    "The module MUST send 0 for a quantity that is not marked in `valid`.",
    role=_MODULE,
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
    packet=LENS_STATE,
)
_must(
    20,
    "The module MUST give as `delta` the change of `absolute` since the last CONTROL_EVENT of that control.",
    role=_MODULE,
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
    packet=CONTROL_EVENT,
)
_must(21, "The module MUST report every turn of a ring, whoever owns its motor.", role=_MODULE, packet=CONTROL_EVENT)
_must(
    22,
    "The module SHOULD send CONTROL_EVENT within 10 ms of what the user does.",
    level=Level.SHOULD,
    role=_MODULE,
    kind=Kind.TIMING,
    packet=CONTROL_EVENT,
)
_must(
    23,
    "The module MUST answer a FOCUS_MOVE that is under way with RING_OWNED when the ring takes the focus from it.",
    role=_MODULE,
    packet=FOCUS_MOVE,
)
_must(
    24,
    "The module MUST answer a FOCUS_MOVE that is under way with CANCELLED when another one takes its place.",
    role=_MODULE,
    packet=FOCUS_MOVE,
)
_must(
    25,
    "The module MUST answer a FOCUS_MOVE under which the motor does not move with MOTOR_BLOCKED.",
    role=_MODULE,
    packet=FOCUS_MOVE,
)
_must(
    26,
    "The module MUST answer an OPTIC_SET under which the motor does not move with MOTOR_BLOCKED.",
    role=_MODULE,
    packet=OPTIC_SET,
)
