"""Witnesses of the scenarios of knocks, of power and heat, and of long use: each goes wrong only after a history.

What each does before is right, and no test of one packet lives long enough to see it wrong.

Plan: changes · removal · light · power · heat · floods and series · focus and motion · stacks · trust · all.
"""

from typing import Final

from msgspec import structs

from opalink.conformance.zoo.histories import Change, after, asked, but, did, nothing, refused, told
from opalink.conformance.zoo.specimen import Specimen
from opalink.protocol import packets as p
from opalink.protocol.codec import Packet, Status
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import MachineId, OperationTag, PacketType
from opalink.spec.form import MS, Role

_FRAME = (p.FrameLeader, p.FrameBlock, p.FrameTrailer)
_OFF, _DARK = did(OperationTag.DETACH), did(OperationTag.LANE_DOWN)
_HEATED, _STACKED = did(OperationTag.TEMPERATURE), did(OperationTag.STACK)
_STARTED = asked(p.StreamControl, op=p.StreamOp.START)
_RESTORED = asked(p.PwrBudget, cause=p.BudgetCause.RESTORED)

# ── Changes ──────────────────────────────────────────────────────────────────────────────────────────


def _in_state(machine: MachineId, name: str) -> Change:
    """It says that a machine is in a state."""
    declared = next(m for m in catalogue().machines if m.name == machine.name and m.role is Role.MODULE)
    number = next(i for i, state in enumerate(declared.states) if state.name == name)
    return but(
        machines=lambda b: tuple(structs.replace(m, state=number) if m.machine == machine else m for m in b.machines)
    )


def _let_pass(packet: Packet) -> Packet:
    """STREAM_CONTROL is answered OK."""
    if packet.type != PacketType.STREAM_CONTROL:
        return packet
    return structs.replace(packet, status=Status.OK, body=p.StreamControlResponse())


def _not_again(packet: Packet) -> Packet | None:
    """A block is not sent again."""
    return None if packet.body.flags & p.BlockFlags.RESENT else packet


def _ahead(packet: Packet) -> Packet:
    """Its clock is 50 ms ahead."""
    return structs.replace(packet, t_ns=packet.t_ns + 50 * MS)


def _stack_forgotten(body: p.FrameLeader) -> tuple[object, ...]:
    return tuple(structs.replace(t, value=0) if t.tag == p.PropertyTag.STACK_GENERATION else t for t in body.settings)


_SHORT = but(position=lambda b: b.position - 100)
_ELSEWHERE = but(reached=lambda b: b.reached + 1)
_GENUINE = _in_state(MachineId.AUTH, "GENUINE")

# ── Removal ──────────────────────────────────────────────────────────────────────────────────────────

_REMOVED: Final = (
    after(
        "OutOfNonces", "Has one nonce for every BEACON once it was taken off six times.", "R-LNK-004",
        "MOD/ATT/DETACH/BV-often", (_OFF,) * 6, p.Beacon, but(nonce=7),
    ),
    after(
        "Clinging", "Refuses EJECT once it was let go three times.", "R-MGT-042", "MOD/ATT/EJECT/BV-often",
        (asked(p.Eject, phase=p.EjectPhase.COMMIT),) * 3, p.EjectResponse, refused(Status.BAD_STATE),
    ),
    after(
        "Offended", "Sends no frame any more once EJECT was given up three times.", "R-FRM-003",
        "MOD/CAP/EJECT/BV-again", (asked(p.Eject, phase=p.EjectPhase.ABORT),) * 3, _FRAME, nothing,
    ),
    after(
        "FaithfulToTheFirst", "Takes the contract of the phone that it was taken off from for one of the next.",
        "R-PWR-016", "MOD/CAP/PHONES/BV-after", (told(p.FrameTrailer), _OFF), p.StateGetResponse,
        _in_state(MachineId.POWER, "CONTRACT"),
    ),
    after(
        "Moulting", "Has other features from the sixth HELLO on.", "R-MGT-007", "MOD/ATT/HELLO/BV-phones",
        (told(p.HelloResponse),) * 5, p.HelloResponse, but(features=lambda b: b.features ^ 1),
    ),
    after(
        "Limping", "Loses steps of its focus once it was taken off twice in the middle of a move.", "R-LEN-009",
        "MOD/LEN/REMOVAL/BV-focus", (asked(p.FocusMove), _OFF) * 2, p.FocusMoveResponse, _SHORT,
    ),
)  # fmt: skip

# ── Light ────────────────────────────────────────────────────────────────────────────────────────────

_KNOCKED: Final = (
    after(
        "Unpaused", "Has its stream no longer paused once its link was lost twice.", "R-CAP-013",
        "MOD/CAP/KNOCK/BV-paused", (asked(p.StreamControl, op=p.StreamOp.PAUSE), _DARK, _DARK), p.StateGetResponse,
        _in_state(MachineId.CAPTURE, "CONFIGURED"),
    ),
    after(
        "Emptied", "Takes no still of its queue once its link was lost twice.", "R-CAP-013", "MOD/CAP/KNOCK/BV-queue",
        (asked(p.CaptureQueue), _DARK, _DARK), _FRAME, nothing,
    ),
    after(
        "Blanked", "Reads zeros for its descriptor once its link was lost three times.", "R-MGT-008",
        "MOD/MGT/KNOCK/BV-reading", (_DARK,) * 3, p.DescReadResponse, but(data=lambda b: bytes(len(b.data))),
    ),
    after(
        "OutOfTime", "Asks for no time any more once its link was lost three times.", "R-TIM-025",
        "MOD/TIM/KNOCK/BV-synchronised", (_DARK,) * 3, p.TimeSync, nothing,
    ),
    after(
        "Ascetic", "Asks for no power any more once its link was lost three times.", "R-PWR-018",
        "MOD/PWR/KNOCK/BV-contract", (_DARK,) * 3, p.PwrRequest, nothing,
    ),
    after(
        "Bruised", "Loses steps of its focus once its link was lost three times.", "R-LEN-009",
        "MOD/LEN/KNOCK/BV-focus", (asked(p.FocusMove), *(_DARK,) * 3), p.FocusMoveResponse, _SHORT,
    ),
    after(
        "Resigned", "Sends no BEACON any more once it has lost its phone twice.", "R-LNK-006",
        "MOD/ATT/SILENCE/BV-again", (asked(p.Hello),) * 3, p.Beacon, nothing,
    ),
    after(
        "Nostalgic", "Has its streams of before in a session that begins after the second loss of its link.",
        "R-CAP-013", "MOD/CAP/LOST/BV-too_long", (_DARK, _OFF, _DARK), p.StateGetResponse,
        _in_state(MachineId.CAPTURE, "STREAMING"),
    ),
    after(
        "Glaring", "Has its laser ON without light from the third loss of its link on.", "R-LNK-007",
        "MOD/LNK/LASER/TI-off_again", (_DARK,) * 3, p.LaserSafetyResponse, but(tx_state=p.LaserState.ON),
    ),
    after(
        "NeverDoneTesting", "Stays in the mode TEST from the second loss of its link on.", "R-LNK-009",
        "MOD/LNK/LASER/BV-test_ends_again", (asked(p.LaserSafety, mode=p.LaserMode.TEST), _DARK, _DARK),
        p.LaserSafetyResponse, but(mode=p.LaserMode.TEST),
    ),
    after(
        "Unlocked", "Has its laser ON under an interlock that opens for the second time.", "R-LNK-009",
        "MOD/LNK/LASER/BO-interlock_again", (did(OperationTag.CONDITION),) * 3, p.LaserSafetyResponse,
        but(tx_state=p.LaserState.ON),
    ),
    after(
        "Drowsy", "Says no more that its link is awake once it has slept four times.", "R-LNK-021",
        "MOD/LNK/SLEEP/BV-often", (asked(p.LinkPm),) * 9, p.LinkEvent, nothing,
    ),
)  # fmt: skip

# ── Power ────────────────────────────────────────────────────────────────────────────────────────────

_SUPPLIED: Final = (
    after(
        "BehindTheTimes", "Asks for the offers before the last from the sixth on.", "R-PWR-019",
        "MOD/PWR/CONTRACT/BV-often", (asked(p.PwrSourceCaps),) * 6, p.PwrRequest,
        but(generation=lambda b: b.generation - 1),
    ),
    after(
        "Swamped", "Asks for old offers once it has heard ten.", "R-PWR-019", "MOD/PWR/OFFERS/RB-flood",
        (asked(p.PwrSourceCaps),) * 10, p.PwrRequest, but(generation=3),
    ),
    after(
        "Impatient", "Asks no more once it was told twice to wait.", "R-PWR-021", "MOD/PWR/WAIT/BV-thrice",
        (asked(p.PwrRequestError),) * 2, p.PwrRequest, nothing,
    ),
    after(
        "Dejected", "Gives its contract up once it was refused another four times.", "R-PWR-022",
        "MOD/PWR/REJECT/BV-often", (asked(p.PwrRequestError),) * 4, p.StateGetResponse,
        _in_state(MachineId.POWER, "CAPS_SEEN"),
    ),
    after(
        "Exhausted", "Sends no frames any more once the budget of a take was restored.", "R-FRM-003",
        "MOD/PWR/BUDGET/BV-largest", (_STARTED, *(asked(p.PwrBudget),) * 4, _RESTORED), _FRAME, nothing,
    ),
    after(
        "Weakened", "Loses steps of its focus from the tenth budget on.", "R-LEN-009", "MOD/PWR/BUDGET/BV-focus",
        (asked(p.PwrBudget),) * 10, p.FocusMoveResponse, _SHORT,
    ),
    after(
        "Embittered", "Asks for no power any more once it has met three faults.", "R-PWR-019", "MOD/PWR/FAULT/BV-again",
        (told(p.PwrFault),) * 3, p.PwrRequest, nothing,
    ),
    after(
        "Stalled", "Asks for no power after a hard reset in the middle of a take.", "R-PWR-019",
        "MOD/PWR/RESET/BV-video", (told(p.FrameTrailer), asked(p.PwrReset, level=p.PowerResetLevel.HARD)),
        p.PwrRequest, nothing,
    ),
    after(
        "Miserly", "Makes no offers any more from the third swap to it on.", "R-PWR-009", "MOD/PWR/SWAP/BV-again",
        (asked(p.PwrRoleSwap),) * 4, p.PwrSourceCaps, nothing, profile="standalone",
    ),
    after(
        "Generous", "Asks for no power any more once it was taken off twice while it supplied the phone.", "R-PWR-019",
        "MOD/PWR/SWAP/BV-removed", (told(p.PwrSourceCaps), _OFF) * 2, p.PwrRequest, nothing, profile="standalone",
    ),
    after(
        "Speechless", "Reports its charge eight times and no more.", "R-PROP-004", "MOD/PROP/BATTERY/BV-drained",
        (did(OperationTag.BATTERY),) * 8, p.PropChanged, nothing, profile="standalone",
    ),
)  # fmt: skip

# ── Heat ─────────────────────────────────────────────────────────────────────────────────────────────

_WARMED: Final = (
    after(
        "Hardened", "Reports no heat any more once it was hot and cold three times.", "R-PWR-011",
        "MOD/PWR/HEAT/BV-again", (_HEATED,) * 6, p.ThermalStatus, nothing,
    ),
    after(
        "Feverish", "Reports no heat any more in the second round of a take.", "R-PWR-011", "MOD/PWR/HEAT/BV-take",
        (told(p.FrameTrailer), *(_HEATED,) * 6), p.ThermalStatus, nothing,
    ),
    after(
        "Reckless", "Starts a stream at its limit of temperature from the second time on.", "R-PWR-014",
        "MOD/PWR/HEAT/BO-still", (_HEATED,) * 4, p.Refusal, _let_pass,
    ),
    after(
        "Numb", "Reports no heat any more once it was taken off hot twice.", "R-PWR-011", "MOD/PWR/HEAT/BV-removed",
        (_HEATED, _OFF) * 2, p.ThermalStatus, nothing,
    ),
    after(
        "Relieved", "Reports no heat any more once its budget was restored while it was hot.", "R-PWR-011",
        "MOD/PWR/HEAT/BV-budget", (_HEATED, _RESTORED), p.ThermalStatus, nothing,
    ),
)  # fmt: skip

# ── Floods and series ────────────────────────────────────────────────────────────────────────────────

_OFTEN: Final = (
    after(
        "LosesOne", "Loses one of three hundred answers.", "R-WIRE-023", "MOD/WIRE/FLOOD/RB-requests",
        (asked(p.StateGet),) * 300, p.StateGetResponse, nothing, times=1,
    ),
    after(
        "Deafened", "Answers no STATE_GET any more after three hundred events.", "R-WIRE-023",
        "MOD/WIRE/FLOOD/RB-events", (asked(p.PwrStatus),) * 300, p.StateGetResponse, nothing,
    ),
    after(
        "ShortOfMemory", "Makes up the stored answers that are asked of it once it has given forty.", "R-ATT-013",
        "MOD/WIRE/TXN/BV-all_kept", (told(p.StateGetResponse),) * 40, p.StateGetResponse,
        but(generation=lambda b: b.generation + 1),
    ),
    after(
        "Recounting", "Counts its KEEPALIVEs anew after six.", "R-ATT-016", "MOD/ATT/ALIVE/BV-counted",
        (told(p.Keepalive),) * 6, p.Keepalive, but(seq=1),
    ),
    after(
        "Hoarding", "Keeps a request open for ever once six were cancelled.", "R-MGT-044", "MOD/MGT/CANCEL/BV-often",
        (asked(p.Cancel),) * 6, p.StateGetResponse, but(open=lambda b: (*b.open, p.OpenTransaction(1))),
    ),
    after(
        "Tired", "Sends no frames from the sixth start of its stream on.", "R-FRM-003", "MOD/CAP/STREAM/BV-often",
        (_STARTED,) * 6, _FRAME, nothing,
    ),
    after(
        "Overtaxed", "Sends no frames once streams were set up three times.", "R-FRM-003",
        "MOD/CAP/CONFIGURE/BV-every_mode", (*(asked(p.StreamConfigure),) * 3, _STARTED), _FRAME, nothing,
    ),
    after(
        "Leaking", "Has one place less in its queue once it was flushed twice.", "R-CAP-007",
        "MOD/CAP/QUEUE/BV-refilled", (asked(p.Flush),) * 2, p.CaptureQueueResponse, but(queued=lambda b: b.queued + 1),
    ),
    after(
        "Careless", "Sends no block again from the third BLOCK_NAK on.", "R-FRM-016", "MOD/FRM/NAK/BV-often",
        (asked(p.BlockNak),) * 3, p.FrameBlock, _not_again,
    ),
)  # fmt: skip

# ── Focus and motion ─────────────────────────────────────────────────────────────────────────────────

_MOVED: Final = (
    after(
        "GunShy", "Says no more that a trigger has fired from the fourth on.", "R-TIM-013", "MOD/TIM/TRIGGER/BV-often",
        (asked(p.TriggerAt),) * 4, p.TriggerFired, nothing,
    ),
    after(
        "Hasty", "Is 50 ms ahead of the time that it has asked for twenty times.", "R-TIM-007",
        "MOD/TIM/STATE/BV-steps", (asked(p.TimeSyncResponse),) * 20, p.KeepaliveResponse, _ahead,
    ),
    after(
        "WornOut", "Loses steps of its focus from the twentieth move on.", "R-LEN-009", "MOD/LEN/FOCUS/BV-often",
        (asked(p.FocusMove),) * 20, p.FocusMoveResponse, _SHORT,
    ),
    after(
        "Rusty", "Loses steps of its focus once its motor was blocked three times.", "R-LEN-009",
        "MOD/LEN/FOCUS/BI-blocked_again", (did(OperationTag.CONDITION),) * 5, p.FocusMoveResponse, _SHORT,
    ),
    after(
        "Slipping", "Comes to another place than it is sent to from the twelfth OPTIC_SET on.", "R-LEN-016",
        "MOD/LEN/OPTIC/BV-often", (asked(p.OpticSet),) * 12, p.OpticSetResponse, _ELSEWHERE,
    ),
    after(
        "Dizzy", "Reports no turn of its ring any more after sixty.", "R-LEN-021", "MOD/LEN/RING/BV-flood",
        (did(OperationTag.RING),) * 60, p.ControlEvent, nothing,
    ),
    after(
        "Spoilt", "Reports no turn of its ring any more once its owner was changed seven times.", "R-LEN-021",
        "MOD/LEN/OWNER/BV-turns", (asked(p.ControlOwner),) * 7, p.ControlEvent, nothing,
    ),
    after(
        "Unmoved", "Reports no motion from the third start of its stream on.", "R-TIM-018", "MOD/TIM/IMU/BV-again",
        (_STARTED,) * 3, p.ImuBatch, nothing,
    ),
    after(
        "Stiff", "Has its stabiliser at rest from the fifth target on.", "R-TIM-022", "MOD/TIM/OIS/BV-often",
        (asked(p.OisTarget),) * 5, p.OisSamples, but(samples=lambda b: (p.OisSample(),) * len(b.samples)),
    ),
)  # fmt: skip

# ── Stacks ───────────────────────────────────────────────────────────────────────────────────────────

_STACKS: Final = (
    after(
        "Miscounting", "Has one generation for every stack from the sixth change on.", "R-PROP-005",
        "MOD/MGT/STACK/BV-stacked", (_STACKED,) * 6, p.StackReport, but(generation=1),
    ),
    after(
        "Unaware", "Reports no stack any more once it was taken off twice.", "R-MGT-016", "MOD/MGT/STACK/BV-phones",
        (_STACKED, _OFF) * 2, p.StackReport, nothing,
    ),
    after(
        "Shortsighted", "Leaves the stack out of its frames from its third change in a take on.", "R-FRM-011",
        "MOD/MGT/STACK/BV-video", (told(p.FrameTrailer), *(_STACKED,) * 3), p.FrameLeader,
        but(settings=_stack_forgotten),
    ),
    after(
        "Crowded", "Comes to another place than it is sent to once its stack has changed three times.", "R-LEN-016",
        "MOD/LEN/OPTIC/BV-stacked", (_STACKED,) * 3, p.OpticSetResponse, _ELSEWHERE, profile="variable-nd",
    ),
)  # fmt: skip

# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────

_TRUSTED: Final = (
    after(
        "Gullible", "Takes the third bad image for good.", "R-SEC-010", "MOD/SEC/FW/BI-again",
        (asked(p.FwBegin),) * 3, p.FwStatus, but(result=Status.OK),
    ),
    after(
        "Creeping", "Runs another version once a download was given up three times.", "R-SEC-012",
        "MOD/SEC/FW/BV-abort_again", (asked(p.FwControl),) * 3, p.FwQueryResponse,
        but(components=lambda b: tuple(structs.replace(c, active=c.active + 1) for c in b.components)),
    ),
    after(
        "FromTheBeginning", "Begins a download anew at the second loss of its link.", "R-SEC-014",
        "MOD/SEC/FW/BV-knocked", (told(p.FwPull), _DARK, _DARK), p.FwPull, but(offset=0), times=1,
    ),
    after(
        "Presumptuous", "Takes itself for trusted after the third loss of its link.", "R-SEC-007",
        "MOD/SEC/TRUST/BV-again", (asked(p.TrustPolicy), *(_DARK,) * 3), p.StateGetResponse, _GENUINE,
    ),
    after(
        "Conceited", "Takes itself for trusted when its trust has ended in a take for the second time.", "R-SEC-008",
        "MOD/SEC/TRUST/BV-video", (*(asked(p.TrustPolicy),) * 2, told(p.FrameTrailer)), p.StateGetResponse, _GENUINE,
    ),
)  # fmt: skip

# ── All ──────────────────────────────────────────────────────────────────────────────────────────────

ALL: Final[tuple[type[Specimen], ...]] = (
    *_REMOVED, *_KNOCKED, *_SUPPLIED, *_WARMED, *_OFTEN, *_MOVED, *_STACKS, *_TRUSTED,
)  # fmt: skip
