"""The link in operation: reports and counters, measurements, retraining and power states, the laser's interlock.

Plan: reports and counters · measurements · retraining and power · interlock.
"""

from typing import Final

from opalink.spec.codes import LASER_INTERLOCK, RANGE_LIMIT, RETRAINING, TOO_LARGE
from opalink.spec.dialect import bits, body, enum, f, flags, i16, row, rows, rsvd, u8, u16, u32, u64
from opalink.spec.form import Role
from opalink.spec.limits import BOTH_LANES
from opalink.spec.link import GROUP, GearMask, LinkState

_PHONE, _BOTH = Role.PHONE, Role.BOTH
_LASER = ("LASER",)

# ── Reports and counters ─────────────────────────────────────────────────────────────────────────────

LINK_EVENT: Final = GROUP.packet(
    0x06,
    "LINK_EVENT",
    "The link entered or left L0, or its quality passed a level.",
    sender=_BOTH,
    needs=_LASER,
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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

LinkDirection: Final = enum(
    "LinkDirection",
    "A direction of the link.",
    DOWNLINK=(0, "From the module to the phone."),
    UPLINK=(1, "From the phone to the module."),
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
