"""The link, until it carries packets: attach beacon, training, parameters.

Plan: gears and codes · beacon · training · parameters and resynchronisation. What the link does in operation is in
`link_operation`, the rules are in `link_rules`, the machine of each side in `link_machine`.

The laser shines into free space, so light is earned: until each side has heard the other's BEACON on the sideband
there are restart pulses and nothing else, and light that goes unanswered goes out. No packet overrides this.

The phone asks for LINK_PARAMS and VC_RESYNC, and one exchange says what both sides grant. On the packet plane the
bench gateway trains in the module's stead: TRAIN_REQ, TRAIN_STATUS, LINK_PARAMS and VC_RESYNC do not reach it.
"""

from typing import Final

from opalink.spec.codes import EPOCH_MISMATCH, LASER_INTERLOCK, RANGE_LIMIT
from opalink.spec.dialect import Group, body, enum, f, flags, i16, row, rows, u8, u16, u32, u64
from opalink.spec.form import Role
from opalink.spec.limits import BOTH_LANES, GEARS
from opalink.spec.power import PowerClass

GROUP: Final = Group("link", area="LNK", channel="LINK", doc="The link itself: light, gears, channels, counters.")
_PHONE, _BOTH = Role.PHONE, Role.BOTH
_LASER = ("LASER",)

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
    lanes=BOTH_LANES,
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
    lanes=BOTH_LANES,
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
    # A count of 16 bits tells what is newer from what is older only within half of its range.
    f("credits", u16, "Room in its receiver.", unit="FLIT", hi=32_767, req=("R-LNK-015",)),
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
    lanes=BOTH_LANES,
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
