"""The machine of reassembly: how a phone makes a frame of what arrives, and has the gaps filled.

Plan: words · the machine.

One runs for each frame that is on its way. The module has none: it sends, and answers BLOCK_NAK and FRAME_FETCH from
whatever its memory holds.
"""

from typing import Final

from opalink.spec.form import Role
from opalink.spec.frame import BLOCK_NAK, FRAME_BLOCK, FRAME_LEADER, FRAME_TRAILER
from opalink.spec.machine import at_most_one, do, expired, line, local, machine, on, rx, send, start, state, terms

# ── Words ────────────────────────────────────────────────────────────────────────────────────────────

_leader, _block, _trailer = rx(FRAME_LEADER, "event"), rx(FRAME_BLOCK, "event"), rx(FRAME_TRAILER, "event")

_over = ("COMPLETE", "PARTIAL", "ABORTED")
_filled = ("FILLING", "REPAIR")
_open = (*_filled, "WAIT_TRAILER")
_keep = do("keep_block")
_done = (do("hand_over"),)
_drop = (do("discard"),)
_wait = start("tNakDelay")

# ── The machine ──────────────────────────────────────────────────────────────────────────────────────

FRAME_PHONE: Final = machine(
    "FRAME",
    Role.PHONE,
    "One frame, as the phone puts it together.",
    needs=("SENSOR",),
    choices=(at_most_one("fills_last", "opens_gap"),),
    states=(
        state("WAIT_LEADER", "Nothing of it has come."),
        state("FILLING", "Blocks come; none is being asked for again."),
        state("WAIT_TRAILER", "Every block is there."),
        state("REPAIR", "Blocks have been asked for again."),
        state("COMPLETE", "Whole, and handed over."),
        state("PARTIAL", "Handed over with holes."),
        state("ABORTED", "Discarded."),
    ),
    lines=terms("power_off"),
    locals=terms(
        "session_closed",
        nak_over="The deadline of the last BLOCK_NAK has passed.",
    ),
    guards=terms(
        fills_last="With this block, no block of the frame is missing.",
        opens_gap="A block below this one is missing, and tNakDelay does not run.",
        trailer_in="The frame's trailer has come.",
        aborted="`result` is ABORTED.",
        crc_good="`frame_crc` of the trailer is that of the data, with this block if the event is one.",
        all_gone="Every range was answered GONE.",
        may_ask="Of the missing blocks some have not been answered GONE; for a still its request's deadline is ahead, "
        "for any other frame resend_percent and nak_rounds leave room.",
    ),
    effects=terms(
        BLOCK_NAK="Names the missing blocks that have not been answered GONE, as many as may be asked for.",
        begin_frame="Makes room for the frame, or goes on with what is there of it when it is fetched.",
        keep_block="Puts the data where it belongs.",
        keep_trailer="Keeps what the trailer says.",
        hand_over="Gives the frame to whoever asked for it, with what is missing marked.",
        discard="Forgets the frame.",
    ),
    rows=(
        # A frame that was over begins again when it is fetched.
        on(("WAIT_LEADER", *_over), _leader, do=[do("begin_frame")], to="FILLING", req=("R-FRM-001",)),
        # What completes a frame, asked for again or not.
        on(
            _filled,
            _block,
            when=("fills_last", "trailer_in", "crc_good"),
            do=[_keep, *_done],
            to="COMPLETE",
            req=("R-FRM-017",),
        ),
        on(_filled, _block, when=("fills_last", "trailer_in"), do=_drop, to="ABORTED", req=("R-FRM-017",)),
        on(_filled, _block, when="fills_last", do=[_keep], to="WAIT_TRAILER", req=("R-FRM-017",)),
        # Filling. A trailer goes by a channel of higher rank and overtakes blocks: what is missing then is a gap once
        # nothing has come for tNakDelay.
        on("FILLING", _block, when=("!fills_last", "trailer_in"), do=[_keep, _wait], req=("R-FRM-008",)),
        on("FILLING", _block, when="opens_gap", do=[_keep, _wait], req=("R-FRM-008",)),
        on("FILLING", _block, do=[_keep], req=("R-FRM-006", "R-FRM-007")),
        on(
            "FILLING",
            expired("tNakDelay"),
            when="may_ask",
            do=[send(BLOCK_NAK, "request")],
            to="REPAIR",
            req=("R-FRM-019", "R-FRM-027"),
        ),
        on("FILLING", expired("tNakDelay"), when=("!may_ask", "trailer_in"), do=_done, to="PARTIAL"),
        # The trailer.
        on(_open, _trailer, when="aborted", do=_drop, to="ABORTED", req=("R-FRM-012",)),
        on("WAIT_TRAILER", _trailer, when=("!aborted", "crc_good"), do=_done, to="COMPLETE", req=("R-FRM-005",)),
        on("WAIT_TRAILER", _trailer, do=_drop, to="ABORTED", req=("R-FRM-005",)),
        on("FILLING", _trailer, do=[do("keep_trailer"), _wait], req=("R-FRM-002",)),
        on("REPAIR", _trailer, do=[do("keep_trailer")]),
        # Repair.
        on("REPAIR", _block, do=[_keep], req=("R-FRM-014", "R-FRM-016")),
        on("REPAIR", rx(BLOCK_NAK, "response"), when=("all_gone", "trailer_in"), do=_done, to="PARTIAL"),
        on("REPAIR", rx(BLOCK_NAK, "response"), when="all_gone", to="FILLING"),
        on("REPAIR", rx(BLOCK_NAK, "error"), when="trailer_in", do=_done, to="PARTIAL"),
        on("REPAIR", rx(BLOCK_NAK, "error"), to="FILLING"),
        on("REPAIR", local("nak_over"), when="may_ask", do=[send(BLOCK_NAK, "request")]),
        on("REPAIR", local("nak_over"), when=("!may_ask", "trailer_in"), do=_done, to="PARTIAL"),
        on("REPAIR", local("nak_over"), to="FILLING"),
        # Light that goes away in between leaves a gap like any other.
        on(_open, local("session_closed"), do=_done, to="PARTIAL"),
        on(_open, line("power_off"), do=_done, to="PARTIAL"),
    ),
)

MACHINES: Final = (FRAME_PHONE,)
