"""The rules of frames: what a module sends of one, how its gaps are filled, what is stored and how long.

Plan: the frame · repair · what goes with a frame · the store.
"""

from functools import partial
from typing import Final

from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Role, Testability
from opalink.spec.frame import (
    BLOCK_NAK,
    FRAME_BLOCK,
    FRAME_FETCH,
    FRAME_LEADER,
    FRAME_RELEASE,
    FRAME_TRAILER,
    GROUP,
    PDAF_DATA,
    STORE_LIST,
)

_module_must = partial(GROUP.require, role=Role.MODULE)
_phone_must = partial(GROUP.require, role=Role.PHONE)
_PASSIVE = Testability.PASSIVE

# ── The frame ────────────────────────────────────────────────────────────────────────────────────────

_module_must(
    1, "The module MUST send a frame's leader before any other part of it.", test=_PASSIVE, packet=FRAME_LEADER
)
_module_must(
    2,
    "The module MUST send a frame's trailer after the last block that it sends of its own accord.",
    test=_PASSIVE,
    packet=FRAME_TRAILER,
)
_module_must(
    3,
    "The module MUST send a leader and a trailer for every exposure of a stream, even where nothing else of it is "
    "sent.",
    packet=FRAME_TRAILER,
)
_module_must(
    4,
    "The module MUST number the frames of a stream so that each exceeds the one before, stored frames aside.",
    test=_PASSIVE,
    packet=FRAME_LEADER,
)
_module_must(
    5,
    "The module MUST compute `frame_crc` over the data of every block that it sent, each once, in the order of their "
    "numbers.",
    test=_PASSIVE,
    packet=FRAME_TRAILER,
)
_module_must(
    6,
    "The module MUST fill every block but a frame's last with exactly `block_bytes` of data.",
    kind=Kind.SYNTAX,
    test=_PASSIVE,
    packet=FRAME_BLOCK,
)
_module_must(
    7,
    "The module MUST NOT send a block whose number is not below the `blocks` of its leader.",
    test=_PASSIVE,
    packet=FRAME_BLOCK,
)
_module_must(
    8,
    "The module MUST send the blocks of a frame in the order of their numbers, resent ones aside.",
    test=_PASSIVE,
    packet=FRAME_BLOCK,
)
_module_must(
    9,
    "The module MUST send the blocks of stream n on the virtual channel STREAM0 + n and on no other.",
    kind=Kind.SYNTAX,
    test=_PASSIVE,
    packet=FRAME_BLOCK,
)
_module_must(
    10,
    "The module MUST give as `t_first_row` the start of the exposure, not its end and not that of readout.",
    packet=FRAME_LEADER,
)
_module_must(
    11,
    "The module MUST give in `settings` every property it has among `exposure`, `gain`, `aperture`, `focus_position`, "
    "`neutral_density`, `focal_length`, `ois_mode` and `stack_generation`.",
    test=_PASSIVE,
    packet=FRAME_LEADER,
)
_module_must(
    12,
    "The module MUST give a reason other than OK for every frame that is not COMPLETE.",
    test=_PASSIVE,
    packet=FRAME_TRAILER,
)
_module_must(
    13, "The module MUST mark the last block of a frame, and no other, with LAST.", test=_PASSIVE, packet=FRAME_BLOCK
)
_module_must(
    14,
    "The module MUST mark with RESENT every block that it sends for BLOCK_NAK and no other.",
    test=_PASSIVE,
    packet=FRAME_BLOCK,
)
_module_must(
    60,
    "The module MUST give FRAME_DROPPED as the reason of a frame that it has begun and cannot go on with.",
    kind=Kind.ROBUSTNESS,
    packet=FRAME_TRAILER,
)

# ── Repair ───────────────────────────────────────────────────────────────────────────────────────────

_module_must(15, "The module MUST answer as many ranges as BLOCK_NAK names.", kind=Kind.SYNTAX, packet=BLOCK_NAK)
_module_must(
    16,
    "The module MUST send every block of a range that it answered COMING before the request's deadline.",
    kind=Kind.TIMING,
    packet=BLOCK_NAK,
)
_module_must(17, "The module MUST send a resent block with the data that it had at first.", packet=BLOCK_NAK)
_module_must(
    18,
    "The module MUST hold the blocks of a frame until it has sent the trailer of the next frame of that stream.",
    kind=Kind.CAPACITY,
    packet=BLOCK_NAK,
)
_phone_must(
    19,
    "The phone MUST NOT ask again for more than resend_percent of the blocks of a frame that is not a still.",
    kind=Kind.CAPACITY,
    test=_PASSIVE,
    packet=BLOCK_NAK,
)
_phone_must(
    27,
    "The phone MUST NOT send more than nak_rounds BLOCK_NAKs for a frame that is not a still.",
    kind=Kind.CAPACITY,
    test=_PASSIVE,
    packet=BLOCK_NAK,
)
_module_must(
    29,
    "The module MUST NOT answer GONE for blocks of a still that it holds because of how many were asked for.",
    packet=BLOCK_NAK,
)
_module_must(
    32,
    "The module MUST NOT answer COMING for a block of a frame that it has not sent.",
    packet=BLOCK_NAK,
)

# ── What goes with a frame ───────────────────────────────────────────────────────────────────────────

_module_must(
    20, "The module MUST send as many points as the grid has cells.", kind=Kind.SYNTAX, test=_PASSIVE, packet=PDAF_DATA
)
_module_must(
    21,
    "The module MUST send the phase data and statistics of a frame before its trailer.",
    test=_PASSIVE,
    needs=("PDAF", "STATISTICS"),
)

# ── The store ────────────────────────────────────────────────────────────────────────────────────────

_module_must(22, "The module MUST send the oldest still that it holds when frame 0 is fetched.", packet=FRAME_FETCH)
_module_must(
    23, "The module MUST hold a still that is fetched with `keep` until FRAME_RELEASE names it.", packet=FRAME_FETCH
)
_module_must(
    24,
    "The module MUST list every still that it holds on exactly one page, in the order of their numbers.",
    packet=STORE_LIST,
)
_module_must(25, "The module MUST forget none of the stills of a FRAME_RELEASE that it refuses.", packet=FRAME_RELEASE)
_module_must(
    26,
    "The module MUST hold a still taken while detached through loss of power, of the link and of the session.",
    needs=("STORAGE",),
)
_phone_must(28, "The phone MUST NOT release a still whose `frame_crc` it has not found right.", packet=FRAME_RELEASE)
_module_must(
    30,
    "The module MUST send leader, blocks and trailer of a fetched frame after its response to FRAME_FETCH.",
    packet=FRAME_FETCH,
)
_module_must(
    31, "The module MUST answer a FRAME_FETCH of a still that it does not hold with NO_SUCH_ID.", packet=FRAME_FETCH
)
_module_must(
    61,
    "The module MUST answer a FRAME_FETCH of a frame of which it no longer holds a block asked for with BLOCK_GONE.",
    packet=FRAME_FETCH,
)

CHAPTER: Final[Group] = GROUP  # the whole of it, now that its rules are stated
