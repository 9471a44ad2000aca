"""The FLIT layer of the laser: sequence, replay, credits, epochs. Its layout is `wire.FLIT`.

Plan: rules of FLITs · of order and replay · of packets in payloads · of credit and rank · of epochs · of the sideband.

A FLIT is taken or dropped whole. Whatever was lost shows in the next FLIT of any kind, for each bears the number of the
last that was numbered; so that a loss at the end of a burst shows too, a side that waits sends IDLE. What a side says
again, acknowledgements and credits, is cumulative: no single FLIT has to arrive.

A link begins with the channel LINK alone, at its least room and the least replay depth. The exchange of LINK_PARAMS
ends that epoch: the response still travels in it, the phone's next FLIT begins the new one. On the packet plane the
bench gateway does all this in the module's stead.
"""

from typing import Final

from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Role, Testability
from opalink.spec.link import LINK_PARAMS, VC_RESYNC

GROUP: Final = Group("flit", area="FLT", channel="LINK", doc="FLITs on the laser, and records on the sideband.")
_LASER = ("LASER",)
_SEEN = Testability.PASSIVE
_must = GROUP.require

# ── FLITs ────────────────────────────────────────────────────────────────────────────────────────────

_must(1, "A receiver MUST drop a FLIT whose CRC-32C is wrong.", kind=Kind.ROBUSTNESS, needs=_LASER)
_must(2, "A receiver MUST drop a FLIT with a header field outside its range.", kind=Kind.ROBUSTNESS, needs=_LASER)
_must(
    3, "A receiver MUST count each FLIT that it drops for its CRC or for a field in the counter BAD_FLIT.",
    kind=Kind.ROBUSTNESS, needs=_LASER,
)  # fmt: skip
_must(4, "A receiver MUST treat a FLIT with reserved header bits set as if they were 0.", needs=_LASER)
_must(
    5, "A sender MUST put no FLIT on the laser that is not 640 bytes of legal fields under a right CRC-32C.",
    kind=Kind.SYNTAX, test=_SEEN, needs=_LASER,
)  # fmt: skip

# ── Order and replay ─────────────────────────────────────────────────────────────────────────────────

_must(
    10, "A sender MUST number the DATA FLITs of an epoch from 0, each by one more, modulo 65536.",
    test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(
    11, "A sender MUST give IDLE and CONTROL FLITs the number of the last DATA FLIT, 65535 before the first.",
    test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(
    12, "A sender MUST give a REPLAY FLIT number, channel, `first_off` and payload of the DATA FLIT that it repeats.",
    test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(
    13, "A sender MUST NOT have more DATA FLITs unacknowledged than the `replay_depth` that it gave.",
    kind=Kind.CAPACITY, test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(14, "A receiver MUST NOT act twice on a FLIT that comes twice.", needs=_LASER)
_must(15, "A receiver MUST count each FLIT that comes twice in the counter DUPLICATE_FLITS.", needs=_LASER)
_must(
    16, "A receiver MUST ask for a FLIT that it finds missing, with NAK or SELECTIVE, within tFlitAck.",
    kind=Kind.TIMING, needs=_LASER,
)  # fmt: skip
_must(
    17, "A sender MUST send a FLIT again within tFlitAck of being asked for it, as long as it holds it.",
    kind=Kind.TIMING, needs=_LASER,
)  # fmt: skip
_must(
    18, "A receiver MUST acknowledge a DATA or REPLAY FLIT within tFlitAck, once all before it have come.",
    kind=Kind.TIMING, needs=_LASER,
)  # fmt: skip
_must(19, "A receiver MUST NOT acknowledge a FLIT before it and all before it have come.", test=_SEEN, needs=_LASER)
_must(
    20, "A sender MUST send a FLIT at least every tFlitIdle while DATA FLITs are unacknowledged.",
    kind=Kind.TIMING, needs=_LASER,
)  # fmt: skip
_must(
    21, "A receiver MUST answer an IDLE FLIT with a FLIT that acknowledges within tFlitAck.",
    kind=Kind.TIMING, needs=_LASER,
)  # fmt: skip
_must(
    22, "A sender MUST ignore an acknowledgement of a FLIT that it has not sent, or that was acknowledged before.",
    needs=_LASER,
)  # fmt: skip
_must(
    23, "A side that is asked for a FLIT that it no longer holds MUST report REPLAY_EXHAUSTED with LINK_EVENT.",
    needs=_LASER,
)  # fmt: skip
_must(
    24, "A receiver MUST hand on the packets of a channel whole and in order, whatever was lost on the way.",
    needs=_LASER,
)  # fmt: skip

# ── Packets in payloads ──────────────────────────────────────────────────────────────────────────────

_must(
    30, "A sender MUST put a packet into FLITs of the virtual channel that its header names.",
    kind=Kind.SYNTAX, test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(
    31, "A sender MUST give as `first_off` where the first packet header of the payload begins.",
    kind=Kind.SYNTAX, test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(
    32, "A sender MUST leave what follows the last packet of a payload zero.",
    kind=Kind.SYNTAX, test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(33, "A sender MUST put a packet of the channel RT into one FLIT.", test=_SEEN, needs=_LASER)
_must(34, "A receiver MUST take every packet that one FLIT holds.", needs=_LASER)
_must(
    35, "A receiver MUST take a packet that goes on over FLITs, with FLITs of other channels between them.",
    needs=_LASER,
)  # fmt: skip
_must(
    36, "A receiver MUST give up a packet that `first_off` contradicts, and go on with the one that begins there.",
    kind=Kind.ROBUSTNESS, needs=_LASER,
)  # fmt: skip

_must(37, "A receiver MUST take no packet from an IDLE or CONTROL FLIT but VC_RESYNC and its answer.", needs=_LASER)

# ── Credit and rank ──────────────────────────────────────────────────────────────────────────────────

_must(40, "A sender MUST NOT send a DATA FLIT on a channel without credit.", test=_SEEN, needs=_LASER)
_must(41, "A sender MUST go on with a channel that waited for credit once it is granted some.", needs=_LASER)
_must(
    42, "A receiver MUST NOT grant more on a channel than its room of LINK_PARAMS and the FLITs that have come.",
    test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(43, "A receiver MUST grant credit again for what it has taken.", needs=_LASER)
_must(44, "A receiver MUST drop a FLIT that comes on a channel without credit.", kind=Kind.ROBUSTNESS, needs=_LASER)
_must(
    45, "A receiver MUST report CREDIT_VIOLATION with LINK_EVENT when a FLIT comes without credit.",
    kind=Kind.ROBUSTNESS, needs=_LASER,
)  # fmt: skip
_must(
    46, "A sender MUST let no more than one FLIT of a later rank go before a packet of RT that waits and has credit.",
    needs=_LASER,
)  # fmt: skip

# ── Epochs ───────────────────────────────────────────────────────────────────────────────────────────

_must(50, "A receiver MUST drop a FLIT whose epoch parity is not that of its epoch.", needs=_LASER)
_must(51, "A sender MUST give every FLIT the parity of the epoch that holds.", test=_SEEN, needs=_LASER)
_must(
    52, "A side MUST NOT send DATA FLITs on another channel than LINK before LINK_PARAMS has been exchanged.",
    test=_SEEN, needs=_LASER,
)  # fmt: skip
_must(
    53, "The module MUST NOT send a DATA FLIT between its response to LINK_PARAMS and the phone's next FLIT.",
    role=Role.MODULE, test=_SEEN, packet=LINK_PARAMS,
)  # fmt: skip
_must(
    54, "The phone MUST send a FLIT of the new epoch as soon as LINK_PARAMS has been answered.",
    role=Role.PHONE, test=_SEEN, packet=LINK_PARAMS,
)  # fmt: skip
_must(
    55, "The module MUST answer LINK_PARAMS with RANGE_LIMIT where its epoch has the parity of the one that holds.",
    role=Role.MODULE, packet=LINK_PARAMS,
)  # fmt: skip
_must(
    56, "A side MUST put VC_RESYNC and its answer whole into a CONTROL FLIT.",
    kind=Kind.SYNTAX, test=_SEEN, packet=VC_RESYNC,
)  # fmt: skip
_must(
    57, "The module MUST answer VC_RESYNC for another epoch than its own with EPOCH_MISMATCH.",
    role=Role.MODULE, packet=VC_RESYNC,
)  # fmt: skip
_must(
    58, "A side MUST go on after VC_RESYNC with the FLIT after the last that the other side has received.",
    packet=VC_RESYNC,
)  # fmt: skip

# ── The sideband ─────────────────────────────────────────────────────────────────────────────────────

_must(60, "A receiver MUST drop a sideband record whose CRC-16 is wrong.", kind=Kind.ROBUSTNESS)
_must(61, "A receiver MUST count each sideband record that it drops in the counter BAD_CRC.", kind=Kind.ROBUSTNESS)
_must(
    62, "A sender MUST put nothing on the sideband but records of one packet under a right CRC-16.",
    kind=Kind.SYNTAX, test=_SEEN,
)  # fmt: skip
