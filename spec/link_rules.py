"""The rules of the link: its light, its counters, its channels, its gears.

Plan: beacon · light · channels and gears · reports, counters, measurements, sleep.
"""

from typing import Final

from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Role, Testability
from opalink.spec.link import BEACON, GROUP, LINK_PARAMS, VC_RESYNC
from opalink.spec.link_operation import COUNTERS_GET, LINK_EVENT, LINK_PM, MARGIN, RETRAIN_REQ

_must = GROUP.require
_PHONE, _MODULE = Role.PHONE, Role.MODULE
_LASER = ("LASER",)
_SEEN = Testability.PASSIVE

# ── Beacon ───────────────────────────────────────────────────────────────────────────────────────────

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

# ── Light ────────────────────────────────────────────────────────────────────────────────────────────

_must(
    7, "A side MUST turn its laser off within tLosToLaserOff of the loss of the peer's light.",
    kind=Kind.TIMING, needs=_LASER, source="The idea of ITU-T G.664, scaled to a gap of millimetres.",
)  # fmt: skip
_must(8, "A side MUST NOT let its laser shine beyond restart pulses before the attach is proven.", needs=_LASER)
_must(9, "A side MUST keep its laser dark while the interlock is open, whatever it is asked.", needs=_LASER)
_must(
    23, "A side MUST keep its light within the laser class that its BEACON names.",
    test=Testability.INSPECT, needs=_LASER, reason="An optical power meter decides, not a packet.",
)  # fmt: skip

# ── Channels and gears ───────────────────────────────────────────────────────────────────────────────

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

# ── Reports, counters, measurements, sleep ───────────────────────────────────────────────────────────

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
    22, "A side MUST answer COUNTERS_GET with TOO_LARGE where the counters asked for do not fit a packet of the lane.",
    packet=COUNTERS_GET,
)  # fmt: skip
_must(
    19, "A side MUST report LINK_DEGRADED with LINK_EVENT once its bit error ratio before correction exceeds 1e-4.",
    packet=LINK_EVENT,
)  # fmt: skip
_must(20, "A query MUST leave the link as it is.", role=_MODULE, packet=MARGIN)
_must(
    21, "A side MUST be back in L0 within the exit latency that its last response to LINK_PM gave.",
    kind=Kind.TIMING, packet=LINK_PM,
)  # fmt: skip

CHAPTER: Final[Group] = GROUP  # the whole of it, now that its rules are stated
