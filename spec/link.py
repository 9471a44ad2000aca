"""The link: attach beacon, training, parameters, counters, power states, and the laser's interlock.

Plan: gears and codes · beacon · training · parameters and resynchronisation · reports and counters · measurements ·
retraining and power · interlock · rules. The machine of each side is in `link_machine`.

The laser shines into free space, so light is earned: until each side has heard the other's BEACON on the sideband
there are restart pulses and nothing else, and light that goes unanswered goes out. No packet overrides this.

The phone asks for LINK_PARAMS and VC_RESYNC, and one exchange says what both sides grant. On the packet plane the
bench gateway trains in the module's stead: TRAIN_REQ, TRAIN_STATUS, LINK_PARAMS and VC_RESYNC do not reach it.
"""

from typing import Final

from opalink.spec.codes import EPOCH_MISMATCH, LASER_INTERLOCK, RANGE_LIMIT, RETRAINING, TOO_LARGE
from opalink.spec.dialect import Group, bits, body, enum, f, flags, i16, row, rows, rsvd, u8, u16, u32, u64
from opalink.spec.form import Kind, Role, Testability
from opalink.spec.limits import GEARS
from opalink.spec.power import PowerClass

GROUP: Final = Group("link", area="LNK", channel="LINK", doc="The link itself: light, gears, channels, counters.")
_PHONE, _MODULE, _BOTH = Role.PHONE, Role.MODULE, Role.BOTH
_LASER = ("LASER",)
_EITHER = ("sideband", "laser")
_must = GROUP.require

# ── Gears and codes ──────────────────────────────────────────────────────────────────────────────────

_gears = {g.name: (g.value, g.doc) for g in GEARS if g.value}  # the sideband is no gear of the laser
LaserGear: Final = enum("LaserGear", "A rate of one direction of the laser link.", **_gears)
GearMask: Final = flags("GearMask", "A set of gears; the bit is the gear's number.", **_gears)

_fecs = {
    "NONE": (0, "None."),
    "RS_528_514": (1, "Reed-Solomon, corrects 7 symbols of a codeword of 528."),
    "RS_544_514": (2, "Reed-Solomon, corrects 15 symbols of a codeword of 544."),
    "RS_198_194": (3, "Reed-Solomon, corrects 2 symbols of 198; reserved for a later version."),
}
FecCode: Final = enum("FecCode", "Forward error correction.", **_fecs)
FecMask: Final = flags("FecMask", "A set of codes; the bit is the code's number.", **_fecs)

Interleave: Final = enum(
    "Interleave",
    "Over how many codewords a burst of errors is spread, at the price of latency.",
    X1=(1, "None: corrects bursts of 5.9 ns."),
    X2=(2, "Two codewords: 12.7 ns."),
    X4=(4, "Four codewords: 26 ns."),
    X8=(8, "Eight codewords: 53 ns."),
)

DeviceRole: Final = enum("DeviceRole", "What a side is.", PHONE=(0, "A phone."), MODULE=(1, "A module."))

ModuleClass: Final = enum(
    "ModuleClass",
    "What kind of module it is, for a picture to the user before HELLO.",
    NONE=(0, "No module: a phone."),
    CAMERA=(1, "A sensor and a lens."),
    LENS=(2, "A lens for a sensor in the phone."),
    FILTER=(3, "A powered optical element."),
    ELEMENT=(4, "A passive optical element with an identity."),
    OTHER=(5, "Something else."),
)

LaserClass: Final = enum(
    "LaserClass",
    "Safety class of the emitter by IEC 60825-1.",
    NONE=(0, "No laser."),
    CLASS_1=(1, "Safe to look into for any length of time."),
    CLASS_1M=(2, "Safe to look into without optics that gather light."),
)

LinkDirection: Final = enum(
    "LinkDirection",
    "A direction of the link.",
    DOWNLINK=(0, "From the module to the phone."),
    UPLINK=(1, "From the phone to the module."),
)

# The position in this list is the state's number on the wire: a later version appends.
LinkState: Final = enum(
    "LinkState",
    "States of the link machine.",
    L3_OFF=(0, "No light: no power, or asleep at the deepest."),
    L2_BEACON=(1, "Restart pulses alone, until light answers and the attach is proven."),
    TRAIN_CDR=(2, "Light both ways; the receiver recovers the clock."),
    TRAIN_FEC=(3, "The receiver looks for the codewords."),
    NEGOTIATE=(4, "Codewords arrive; the parameters are agreed on."),
    L0=(5, "Packets flow."),
    L1=(6, "The laser is off by agreement and the clocks are kept."),
    RECOVERY=(7, "Lock or light was lost a moment ago; everything else is kept."),
    SAFE_OFF=(8, "The interlock is open or the side has a fault: no light whatever is asked."),
)

# ── Beacon ───────────────────────────────────────────────────────────────────────────────────────────

BEACON: Final = GROUP.packet(
    0x01,
    "BEACON",
    "Who is there. The module sends it once it has booted, the phone when it has heard the module's; while they wait "
    "for light both repeat it every tLaserRestartInterval, with each restart pulse. Hearing it completes the proof of "
    "attach. Its layout is frozen: every later version begins with these fields.",
    sender=_BOTH,
    lanes=("sideband",),
    event=body(
        f("major", u8, "Highest major version of the sender."),
        f("minor", u8, "Highest minor version of it."),
        f("role", u8, "What the sender is.", choices=DeviceRole),
        f("gears_down", u8, "Gears of the downlink; none without a laser.", flags=GearMask),
        f("gears_up", u8, "Gears of the uplink; none without a laser.", flags=GearMask),
        f("fecs", u8, "Codes for either direction.", flags=FecMask),
        f("module_class", u8, "What kind of module it is.", choices=ModuleClass),
        f("laser_class", u8, "Safety class of the sender's emitter.", choices=LaserClass),
        f("max_tx", i16, "Greatest optical power of the sender.", unit="dBm", scale="0.01"),
        f("boot_class", u8, "Class in which the module boots, or which the phone grants it.", choices=PowerClass),
        f("nonce", u64, "New at each start of the sender: it tells a restart from a repetition.", req=("R-LNK-004",)),
    ),
)

# ── Training ─────────────────────────────────────────────────────────────────────────────────────────

TrainPattern: Final = enum(
    "TrainPattern",
    "What a transmitter sends while it is listened to.",
    PRBS7=(0, "x^7 + x^6 + 1."),
    PRBS9=(1, "x^9 + x^5 + 1."),
    PRBS13=(2, "x^13 + x^12 + x^2 + x + 1."),
    PRBS31=(3, "x^31 + x^28 + 1."),
)

TrainLock: Final = flags(
    "TrainLock",
    "What a receiver has found.",
    LIGHT=(0, "Light."),
    CDR=(1, "The clock."),
    FEC=(2, "Codewords."),
)

TrainResult: Final = enum(
    "TrainResult",
    "How an attempt at training stands.",
    RUNNING=(0, "Not decided."),
    LOCKED=(1, "Codewords arrive."),
    NO_LIGHT=(2, "No light came."),
    NO_LOCK=(3, "Light came, and no clock or no codewords were found in it."),
    ERRORS=(4, "Codewords arrive with more errors than the code can correct."),
)

TRAIN_REQ: Final = GROUP.packet(
    0x02,
    "TRAIN_REQ",
    "Asks the peer to transmit a pattern, so that the sender can train its receiver.",
    sender=_BOTH,
    needs=_LASER,
    lanes=_EITHER,
    statuses=(LASER_INTERLOCK, RANGE_LIMIT),
    request=body(
        f("gear", u8, "Gear to transmit in.", choices=LaserGear, default=1),
        f("fec", u8, "Code to transmit in.", choices=FecCode),
        f("interleave", u8, "Interleaving of the code.", choices=Interleave, default=1),
        f("pattern", u8, "What to transmit.", choices=TrainPattern),
        f("dwell", u16, "For how long.", unit="us"),
        f("tx_power", i16, "Optical power; the transmitter stays within its laser class.", unit="dBm", scale="0.01"),
        f("preset", u8, "Number of the transmitter's equaliser setting; 0 is its own choice."),
    ),
    response=body(),
)

TRAIN_STATUS: Final = GROUP.packet(
    0x03,
    "TRAIN_STATUS",
    "What the sender's receiver made of the peer's light.",
    sender=_BOTH,
    needs=_LASER,
    lanes=_EITHER,
    event=body(
        f("state", u8, "State of the sender's link machine.", choices=LinkState),
        f("locks", u8, "What has been found.", flags=TrainLock),
        f("result", u8, "How the attempt stands.", choices=TrainResult),
        f("rx_power", i16, "Optical power received.", unit="dBm", scale="0.01"),
        f("ber", u16, "-100 log10 of the bit error ratio before correction.", hi=3000),
        f("elapsed", u32, "Since the attempt began.", unit="us"),
    ),
)

# ── Parameters and resynchronisation ─────────────────────────────────────────────────────────────────

VcParams: Final = row(
    "VcParams",
    "What the sender grants on a virtual channel towards itself.",
    f("vc", u8, "Virtual channel.", hi=15),
    f("credits", u16, "Room in its receiver.", unit="FLIT", req=("R-LNK-015",)),
    f("mtu", u16, "Longest payload that it takes.", unit="B", req=("R-LNK-016",)),
)

_parameters = (
    f("gear", u8, "Gear towards the sender.", choices=LaserGear, default=1),
    f("fec", u8, "Code towards the sender.", choices=FecCode),
    f("interleave", u8, "Interleaving of that code.", choices=Interleave, default=1),
    f("replay_depth", u16, "FLITs that the sender holds for replay.", unit="FLIT", lo=64, hi=4096),
    f("ack_coalesce", u8, "FLITs that the sender acknowledges at once, at most.", unit="FLIT", lo=1),
    f("epoch", u32, "Number of the link epoch: the phone counts it up, the response repeats it."),
    rows("channels", VcParams, "Each channel once.", hi=16),
)

LINK_PARAMS: Final = GROUP.packet(
    0x04,
    "LINK_PARAMS",
    "What each side wants and grants on the direction towards itself. The request speaks for the phone, the response "
    "for the module; both hold from the first FLIT of the epoch.",
    sender=_PHONE,
    needs=_LASER,
    lanes=_EITHER,
    statuses=(RANGE_LIMIT,),
    request=body(*_parameters),
    response=body(*_parameters),
)

VcPosition: Final = row(
    "VcPosition",
    "How far a virtual channel has come on one side.",
    f("vc", u8, "Virtual channel.", hi=15),
    f("sent_cum", u16, "FLITs sent since the epoch began.", unit="FLIT"),
    f("freed_cum", u16, "Received FLITs whose room is free again, since the epoch began.", unit="FLIT"),
    f("last_txn", u16, "Last transaction number received."),
)

_positions = (
    f("epoch", u32, "Number of the link epoch."),
    f("last_rx_seq", u16, "Sequence number of the last FLIT received in order."),
    rows("channels", VcPosition, "Each channel in use once.", hi=16),
)

VC_RESYNC: Final = GROUP.packet(
    0x05,
    "VC_RESYNC",
    "Where each side stands, after every RECOVERY and after a resume: sequence, credits and transactions go on from "
    "there.",
    sender=_PHONE,
    needs=_LASER,
    statuses=(EPOCH_MISMATCH,),
    request=body(*_positions),
    response=body(*_positions),
)

# ── Reports and counters ─────────────────────────────────────────────────────────────────────────────

LINK_EVENT: Final = GROUP.packet(
    0x06,
    "LINK_EVENT",
    "The link entered or left L0, or its quality passed a level.",
    sender=_BOTH,
    needs=_LASER,
    lanes=_EITHER,
    event=body(
        f("state", u8, "State of the sender's link machine.", choices=LinkState),
        f("reason", u8, "A status code; OK where nothing is wrong."),
        f("pre_fec_ber", u16, "-100 log10 of the bit error ratio before correction.", hi=3000),
        f("rx_power", i16, "Optical power received.", unit="dBm", scale="0.01"),
        f("corrected", u64, "The counter CORRECTED."),
        f("uncorrectable", u64, "The counter UNCORRECTABLE."),
        f("replays", u32, "The counter REPLAYS, its lower half."),
    ),
)

CounterGroup: Final = flags(
    "CounterGroup",
    "A chapter of counters; the bit is the upper byte of their identifiers.",
    PACKET=(0, "Packets, on any lane."),
    FLIT=(1, "FLITs, credits and replay."),
    CODE=(2, "Codewords and lock."),
    LASER=(3, "Light and interlock."),
    POWER=(4, "Contacts and supply."),
    FRAME=(5, "Frames and blocks."),
    SYSTEM=(6, "The side as a whole."),
)

CounterId: Final = enum(
    "CounterId",
    "What is counted. The upper byte is the chapter.",
    BAD_CRC=(0x0001, "Packets dropped for a wrong CRC."),
    BAD_LENGTH=(0x0002, "Packets that were shorter or longer than their layout."),
    BAD_VALUE=(0x0003, "Packets with a field outside its range or an unknown member."),
    BAD_STATE=(0x0004, "Packets that were not legal in the state."),
    BAD_VERSION=(0x0005, "Packets of another major version."),
    NOT_SUPPORTED=(0x0006, "Packets of an unknown type or form, or from the wrong side."),
    DUPLICATES=(0x0007, "Requests that repeated a transaction and got the stored answer."),
    STRAY_RESPONSES=(0x0008, "Responses that matched no open request."),
    UNANSWERED=(0x0009, "Requests of this side's own that got no response in time."),
    PACKETS_SENT=(0x000A, "Packets sent."),
    PACKETS_RECEIVED=(0x000B, "Packets received whose CRC was right."),
    SEQ_GAP=(0x0101, "FLITs found missing."),
    BAD_FLIT=(0x0102, "FLITs dropped for a wrong CRC."),
    DUPLICATE_FLITS=(0x0103, "FLITs received twice."),
    REPLAYS=(0x0104, "FLITs sent again."),
    REPLAY_EXHAUSTED=(0x0105, "FLITs asked for that were no longer held."),
    CREDIT_VIOLATION=(0x0106, "FLITs received without credit."),
    CREDIT_STALLS=(0x0107, "Times that a channel waited for credit."),
    CORRECTED=(0x0201, "Symbols corrected."),
    UNCORRECTABLE=(0x0202, "Codewords that could not be corrected."),
    CODEWORDS=(0x0203, "Codewords received."),
    LOCK_LOST=(0x0204, "Times that lock was lost with light there."),
    TRAININGS=(0x0205, "Attempts at training."),
    LIGHT_LOST=(0x0301, "Times that the peer's light went away unasked."),
    RESTART_PULSES=(0x0302, "Restart pulses sent."),
    INTERLOCK_OPENED=(0x0303, "Times that the interlock opened with the laser on."),
    CONTACTS_OPENED=(0x0401, "Times that the contacts opened, as far as a side outlives it."),
    BROWN_OUTS=(0x0402, "Dips of the supply below its limit."),
    POWER_FAULTS=(0x0403, "Power faults of every kind."),
    FRAMES=(0x0501, "Frames sent or received."),
    FRAMES_DROPPED=(0x0502, "Frames not sent or not completed."),
    BLOCKS_RESENT=(0x0503, "Frame blocks sent or received again."),
    BLOCKS_GONE=(0x0504, "Frame blocks asked for that were no longer held."),
    RESTARTS=(0x0601, "Starts of the firmware."),
    SESSIONS=(0x0602, "Sessions opened."),
    RESUMES=(0x0603, "Sessions resumed."),
    THERMAL_LIMITS=(0x0604, "Times that heat took a function away."),
)

Counter: Final = row(
    "Counter",
    "A count and when it moved. It never runs backwards and reading never clears it.",
    f("id", u16, "What is counted.", choices=CounterId, default=1),
    f("count", u64, "How often."),
    f("first_ns", u64, "Link time of the first; 0 if none.", unit="ns"),
    f("last_ns", u64, "Link time of the last; 0 if none.", unit="ns"),
)

COUNTERS_GET: Final = GROUP.packet(
    0x07,
    "COUNTERS_GET",
    "Reads counters. Harmless, so it is legal wherever there is power.",
    sender=_BOTH,
    lanes=_EITHER,
    statuses=(TOO_LARGE,),
    request=body(f("groups", u32, "Which chapters.", flags=CounterGroup)),
    response=body(
        f("epoch", u32, "Counts how often the counters began at zero.", req=("R-LNK-011",)),
        rows("counters", Counter, "Those of the chapters asked for that this side has, each once.", hi=150),
    ),
)

# ── Measurements ─────────────────────────────────────────────────────────────────────────────────────

MarginOp: Final = enum(
    "MarginOp",
    "What is asked about margin.",
    QUERY=(0, "What can be measured; nothing is."),
    RUN=(1, "The margin."),
)

MarginMode: Final = enum(
    "MarginMode",
    "What is moved until errors come.",
    OPTICAL_POWER=(0, "The light; margin in 0.01 dB."),
    TIME=(1, "The sampling instant; margin in 0.001 UI."),
    VOLTAGE=(2, "The sampling threshold; margin in mV."),
)

MARGIN: Final = GROUP.packet(
    0x08,
    "MARGIN",
    "How far the link is from errors. The method is open: the quantity is moved in equal steps away from where it "
    "works, each held for the dwell time, until the errors exceed the target.",
    sender=_PHONE,
    needs=_LASER,
    statuses=(RANGE_LIMIT,),
    request=body(
        f("op", u8, "What is asked.", choices=MarginOp),
        f("mode", u8, "What is moved.", choices=MarginMode),
        f("direction", u8, "Of which direction.", choices=LinkDirection),
        f("ber_target", u8, "-log10 of the bit error ratio that ends it.", lo=1, hi=18),
        f("dwell", u32, "Time at each step.", unit="us"),
    ),
    response=body(
        f("steps", u8, "Steps there are, or steps taken."),
        f("max_offset", u16, "Offset of the last step, in the mode's unit."),
        f("margin", i16, "Margin, in the mode's unit; 0 in answer to a query."),
        f("errors", u64, "Bit errors counted."),
        bits(
            "flags",
            rsvd("spare", 6),
            f("exceeded", 1, "1 where the target was exceeded: else the margin is larger than could be measured."),
            f("destructive", 1, "1 where a run disturbs the streams."),
        ),
    ),
)

BertMode: Final = enum(
    "BertMode",
    "Which path is tested for bit errors.",
    LOOP_NEAR=(0, "The module's own transmitter to its receiver, inside."),
    LOOP_FAR=(1, "The phone's light, received and sent back."),
    PRBS=(2, "PRBS31 from the phone, checked by the module."),
)

BERT_RUN: Final = GROUP.packet(
    0x0C,
    "BERT_RUN",
    "Counts bit errors in the test mode of the laser. The link carries nothing else meanwhile.",
    sender=_PHONE,
    needs=_LASER,
    lanes=_EITHER,
    statuses=(RANGE_LIMIT,),
    request=body(
        f("mode", u8, "Which path.", choices=BertMode),
        f("length", u64, "How much.", unit="bit", lo=1),
    ),
    response=body(
        f("errors", u64, "Bits that were wrong.", unit="bit"),
        f("tested", u64, "Bits that were compared.", unit="bit"),
        f("burst_max", u16, "Longest run of wrong bits; 65535 for that and more.", unit="bit"),
    ),
)

# ── Retraining and power ─────────────────────────────────────────────────────────────────────────────

RetrainReason: Final = enum(
    "RetrainReason",
    "Why a side wants to train again.",
    ERRORS=(0, "Too many errors before correction."),
    QUALITY=(1, "The link would bear a higher gear."),
    POWER=(2, "To save power."),
    THERMAL=(3, "To shed heat."),
    CHANNELS=(4, "A virtual channel has lost its place."),
    TEST=(5, "A test."),
)

RETRAIN_REQ: Final = GROUP.packet(
    0x09,
    "RETRAIN_REQ",
    "Asks to leave L0 together, for a relock or for another gear.",
    sender=_BOTH,
    needs=_LASER,
    statuses=(RETRAINING, LASER_INTERLOCK, RANGE_LIMIT),
    request=body(
        f("reason", u8, "Why.", choices=RetrainReason),
        f("gears", u8, "Gears to choose from on the direction towards the sender.", flags=GearMask),
        f("deadline", u32, "Leave L0 no later than this after the response.", unit="us"),
        bits("flags", rsvd("spare", 7), f("keep_config", 1, "1 keeps gear and parameters: a relock is enough.")),
    ),
    response=body(),
)

LinkPower: Final = enum(
    "LinkPower",
    "How deeply the link sleeps.",
    L0=(0, "Awake."),
    L1=(1, "Laser off, clocks kept: back within tRelock."),
    L2=(2, "Clocks off too: back after training."),
    L3=(3, "Receiver off too: only the sideband wakes it."),
)

WakeSource: Final = flags(
    "WakeSource",
    "What may wake the link.",
    TRAFFIC=(0, "A packet that only the laser carries."),
    CONTROL=(1, "A ring or a button."),
    FAULT=(2, "A fault."),
)

LINK_PM: Final = GROUP.packet(
    0x0A,
    "LINK_PM",
    "Asks for a power state of the link. The session goes on over the sideband while the link sleeps.",
    sender=_BOTH,
    needs=_LASER,
    lanes=_EITHER,
    statuses=(RETRAINING, LASER_INTERLOCK, RANGE_LIMIT),
    request=body(
        f("target", u8, "How deeply.", choices=LinkPower),
        f("exit_latency", u32, "Time to wake up that the sender will bear; 0 for any.", unit="us"),
        f("wake_mask", u16, "What may wake it.", flags=WakeSource),
    ),
    response=body(f("exit_latency", u32, "Time that waking up takes at most.", unit="us", req=("R-LNK-021",))),
)

# ── Interlock ────────────────────────────────────────────────────────────────────────────────────────

Interlock: Final = flags(
    "Interlock",
    "What must all hold before the laser shines at working power.",
    HALL=(0, "The magnets are where they belong."),
    SIGNATURE=(1, "The contacts show a module, or bring boot power."),
    LINK=(2, "The peer's BEACON was heard since the contacts closed."),
)

LaserState: Final = enum(
    "LaserState",
    "What the laser does.",
    OFF=(0, "Dark."),
    PULSE=(1, "Restart pulses."),
    ON=(2, "Shines at working power."),
)

LaserOp: Final = enum(
    "LaserOp",
    "What is done about the laser's mode.",
    READ=(0, "Nothing: `mode` is ignored."),
    SET=(1, "It is set."),
)

LaserMode: Final = enum(
    "LaserMode",
    "What a side does for light after it was lost. Each obeys the interlock.",
    AUTO=(0, "Sends restart pulses."),
    MANUAL=(1, "Stays dark until the peer's light comes."),
    TEST=(2, "As AUTO, and BERT_RUN is allowed; ends when the laser goes off."),
)

LASER_SAFETY: Final = GROUP.packet(
    0x0B,
    "LASER_SAFETY",
    "Reads the interlock and the laser, or sets the laser's mode. Legal wherever there is power.",
    sender=_BOTH,
    needs=_LASER,
    lanes=_EITHER,
    statuses=(LASER_INTERLOCK,),
    request=body(
        f("op", u8, "What is done.", choices=LaserOp),
        f("mode", u8, "The mode.", choices=LaserMode),
    ),
    response=body(
        f("interlock", u8, "What holds.", flags=Interlock),
        f("tx_state", u8, "What the laser does.", choices=LaserState),
        f("los_to_off", u16, "Time from loss of signal until this side's laser is off.", unit="us", lo=1, hi=1000),
        f("restart_pulse", u16, "Length of its restart pulses.", unit="ms", lo=1, hi=5),
        f("restart_interval", u16, "From one restart pulse to the next.", unit="ms", lo=250, hi=1000),
        f("mode", u8, "The mode now.", choices=LaserMode),
    ),
)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_SEEN = Testability.PASSIVE

_must(
    1, "A sender MUST give BEACON major version 1 in the packet header, whatever versions it speaks.",
    kind=Kind.SYNTAX, test=_SEEN, packet=BEACON,
)  # fmt: skip
_must(2, "A receiver MUST act on a BEACON alike whatever `major` and `minor` it carries.", packet=BEACON)
_must(
    3, "The module MUST send its first BEACON within tBeaconAfterPower of boot power.",
    role=_MODULE, kind=Kind.TIMING, packet=BEACON,
)  # fmt: skip
_must(4, "The module MUST draw a new BEACON nonce at each start.", role=_MODULE, packet=BEACON)
_must(5, "A sender MUST give its own role in BEACON.", test=_SEEN, packet=BEACON)
_must(
    6, "A side that waits for light MUST repeat BEACON every tLaserRestartInterval.",
    kind=Kind.TIMING, packet=BEACON, needs=_LASER,
)  # fmt: skip
_must(
    7, "A side MUST turn its laser off within tLosToLaserOff of the loss of the peer's light.",
    kind=Kind.TIMING, needs=_LASER, source="The idea of ITU-T G.664, scaled to a gap of millimetres.",
)  # fmt: skip
_must(8, "A side MUST NOT let its laser shine beyond restart pulses before the attach is proven.", needs=_LASER)
_must(9, "A side MUST keep its laser dark while the interlock is open, whatever it is asked.", needs=_LASER)
_must(
    10, "A side MUST NOT change a counter because it was read.",
    packet=COUNTERS_GET, source="Flags that clear on read lose what happens between polls, as CMIS users found.",
)  # fmt: skip
_must(11, "A side MUST raise `epoch` whenever its counters begin at zero again.", packet=COUNTERS_GET)
_must(12, "A side MUST NOT report a count below one that it gave in the same epoch.", test=_SEEN, packet=COUNTERS_GET)
_must(13, "A side MUST report every counter that it keeps in the chapters asked for exactly once.", packet=COUNTERS_GET)
_must(
    14, "A side MUST keep BAD_CRC, BAD_LENGTH, BAD_VALUE, BAD_STATE, BAD_VERSION, NOT_SUPPORTED and DUPLICATES.",
    packet=COUNTERS_GET,
)  # fmt: skip
_must(
    15, "A side MUST grant each channel at least the credits of its minimum.",
    kind=Kind.CAPACITY, test=_SEEN, packet=LINK_PARAMS,
)  # fmt: skip
_must(
    16, "A side MUST take payloads up to the limit of each channel that it grants credit on.",
    kind=Kind.CAPACITY, test=_SEEN, packet=LINK_PARAMS,
)  # fmt: skip
_must(
    17, "The phone MUST send VC_RESYNC after every RECOVERY and every resume, before it uses another channel.",
    role=_PHONE, test=_SEEN, packet=VC_RESYNC,
)  # fmt: skip
_must(18, "A side MUST try the next lower gear once train_attempts attempts at one gear have failed.", needs=_LASER)
_must(
    19, "A side MUST report LINK_DEGRADED with LINK_EVENT once its bit error ratio before correction exceeds 1e-4.",
    packet=LINK_EVENT,
)  # fmt: skip
_must(20, "A query MUST leave the link as it is.", role=_MODULE, packet=MARGIN)
_must(
    21, "A side MUST be back in L0 within the exit latency that its last response to LINK_PM gave.",
    kind=Kind.TIMING, packet=LINK_PM,
)  # fmt: skip
_must(
    22, "A side MUST answer COUNTERS_GET with TOO_LARGE where the counters asked for do not fit a packet of the lane.",
    packet=COUNTERS_GET,
)  # fmt: skip
_must(
    23, "A side MUST keep its light within the laser class that its BEACON names.",
    test=Testability.INSPECT, needs=_LASER, reason="An optical power meter decides, not a packet.",
)  # fmt: skip
_must(
    63, "The phone MUST ask for a lower gear of the downlink, if both sides have one, once its bit error ratio before "
    "correction has stayed above 5e-4 for 20 ms.",
    role=_PHONE, packet=RETRAIN_REQ,
)  # fmt: skip
_must(
    64, "The phone MUST NOT ask for a higher gear of the downlink within 1 s of the last change of it.",
    role=_PHONE, kind=Kind.TIMING, test=_SEEN, packet=RETRAIN_REQ,
)  # fmt: skip
_must(
    65, "The phone MUST wait twice as long before it asks again for a gear of the downlink that it gave up for errors "
    "within 10 s of asking for it, up to 64 s.",
    role=_PHONE, kind=Kind.TIMING, packet=RETRAIN_REQ,
)  # fmt: skip
