"""What a model checker is told of the machines' words: which it follows exactly, and which are the world's choice.

A guard is either `Exact`, an expression over the variables of a model, or a `Choice`: it may hold or not, each time
that it is asked, and holds as `calm` says once the world has become calm. An effect is the statement that it is to a
model, or `Skip` with the reason why nothing that a property speaks of depends on it. A packet carries one small number,
its `Fill`; a response carries that of its request unless `ANSWERS` says otherwise.

Expressions are Promela's. `my_` and `its_` stand for the side that the machine belongs to and its peer, `arg` and
`status` for what the packet that is the event carries; `on` gives what an expression is under one event.

Plan: effects · what packets carry · what is left out. The forms are in `model_form`, the guards in `model_guards`.
"""

from typing import Final

from opalink.spec.model_form import Choice, Effect, Exact, Fill, Skip
from opalink.spec.model_guards import GUARDS

__all__ = [
    "ANSWERS",
    "DONE",
    "EFFECTS",
    "FILLS",
    "GUARDS",
    "HEARD",
    "LEFT_OUT",
    "TOLD",
    "Choice",
    "Exact",
    "Fill",
    "Skip",
]

# ── Effects: by machine ──────────────────────────────────────────────────────────────────────────────


def _fresh(mine: str, its: str) -> str:
    """A number that is neither the one before nor the one that the peer knows."""
    free = "(its_{0} != {2} && my_{1} != {2} -> {2} : {3})"
    return f"my_{mine} = " + free.format(its, mine, 1, free.format(its, mine, 2, 3))


def _streams(state: str, when: str = "true") -> str:
    """The streams of the mask for which something holds come to a state."""
    return "; ".join(
        f"my_{x} = ((arg & {bit}) && {when.format(x)} -> {state} : my_{x})" for x, bit in (("a", 4), ("b", 8))
    )


_PLACE = Skip("where a module's memory or meters stand no property asks")
_BELOW = Skip("what moves bits is modelled where sides train by themselves, and by that model")
_LATER = Skip("in a model a request is answered at once or never")
_TOLD_USER = Skip("what a user is told no property asks")

EFFECTS: Final[dict[str, dict[str, Effect]]] = {
    "ATTACH": {
        "boot": Exact(f"{_fresh('boot', 'known')}; my_session = 0; my_trusted = 0; my_proven = 0"),
        "new_session": Exact(f"my_session = 1; {_fresh('nonce', 'nonce')}; my_trusted = 0; forget my"),
        "resume_session": Exact(f"{_fresh('nonce', 'nonce')}; my_trusted = 0"),
        "end_session": Exact("my_session = 0; my_trusted = 0; forget my"),
        "erase": _PLACE,
        "supply_boot": Exact("supply = 1"),
        "supply_off": Exact("supply = 0"),
        "keep_module": Exact("my_known = arg"),
        "keep_session": Exact("my_session = 1; my_nonce = arg; my_authing = 1"),
        "clean_up": Exact("my_known = 0; my_proven = 0; supply = 0"),
    },
    "LINK": {
        "laser_pulse": Exact("my_tx = PULSE"),
        "laser_on": Exact("my_tx = ON; my_locked = 1"),
        "laser_off": Exact("my_tx = OFF; my_locked = 0; my_relocking = 0"),
        "transmit_pattern": _BELOW,
        "tune": _BELOW,
        "next_attempt": _BELOW,
        "take_gears": _BELOW,
        "apply_params": _BELOW,
        "resync": _BELOW,
        "relock": Exact("my_locked = 0; my_relocking = 1"),
        "sleep": Exact("my_asleep = 1"),
        "wake": Exact("my_asleep = 0"),
        "set_laser_mode": Skip("the mode TEST is never set in a model"),
    },
    "POWER": {
        "keep_offers": Exact("my_offers = arg; my_newer = 1"),
        "lengthen_wait": Skip("ticks order timers and do not measure them"),
        "take_contract": Exact("my_contract = arg; my_unsure = 0"),
        "doubt": Exact("my_unsure = 1"),
        "fall_back": Exact("my_contract = 0; my_unsure = 0"),
        "take_budget": Exact("my_budget = arg"),
        "cap_at_p2": Skip("less than the contract is drawn, and no property asks how much less"),
        "drop_contract": Exact(
            "my_contract = 0; my_unsure = 0; my_pending = 0; my_budget = 3; my_offers = 0; my_newer = 0; "
            "my_supplying = 0; forget my PWR_REQUEST"
        ),
        "say_why": _PLACE,
        "set_supply": Exact("my_pending = arg & 3; my_supplying = 1"),
        "restore_supply": Exact("my_pending = my_contract; my_supplying = 0"),
        "note_contacts": _PLACE,
        "reserve_peak": _PLACE,
        "contacts_off": Exact("supply = 0"),
    },
    "AUTH": {"apply_trust": _PLACE, "forget_trust": _PLACE, "await_wait": Exact("my_waiting = 1")},
    "FIRMWARE": {
        "open_image": Exact("my_image = UNPROVEN"),
        "store_block": _PLACE,
        "verify_image": Exact("my_checking = 1"),
        "write_image": Exact("my_writing = 1"),
        "drop_image": Exact("my_image = NONE; my_checking = 0; my_writing = 0"),
        "activate": Exact("my_runs = my_image; my_image = NONE"),
        "roll_back": _PLACE,
    },
    "CAPTURE": {
        "configure": Exact("my_a = 0; my_b = 0"),
        "unconfigure": Exact("my_a = 0; my_b = 0"),
        "start_streams": Exact(_streams("RUN")),
        "stop_streams": Exact(_streams("DRAIN", "my_{} != IDLE")),
        "stop_all": Exact("my_a = (my_a -> DRAIN : IDLE); my_b = (my_b -> DRAIN : IDLE)"),
        "pause_streams": Exact(_streams("PAUSE", "my_{} == RUN")),
        "resume_streams": Exact(_streams("RUN", "my_{} == PAUSE")),
        "enqueue": _PLACE,
        "flush_streams": Exact(_streams("IDLE")),
        "hold_streams": _PLACE,
        "continue_streams": _PLACE,
        "set_pattern": _PLACE,
    },
    "FOCUS": {
        "take_for_phone": _PLACE,
        "supersede": Exact("my_driven = 0"),
        "drive": Exact("my_driven = 1"),
        "drive_home": Exact("my_driven = 1"),
        "finish_move": _LATER,
        "fail_move": _LATER,
        "yield_to_ring": Exact("my_driven = 0"),
        "keep_focus": _PLACE,
        "keep_owner": _PLACE,
        "focus_done": _TOLD_USER,
        "focus_failed": _TOLD_USER,
    },
    "TIME": {
        "take_exchange": _PLACE,
        "forget_time": _PLACE,
        "set_trigger": _PLACE,
        "keep_status": _PLACE,
        "trigger_failed": _TOLD_USER,
        "trigger_set": _TOLD_USER,
        "trigger_done": _TOLD_USER,
    },
    "FRAME": {
        "begin_frame": Exact("my_trailer = 0"),
        "keep_block": Exact("my_missing = (my_missing > 0 -> my_missing - 1 : 0)"),
        "keep_trailer": Exact("my_trailer = 1"),
        "hand_over": _PLACE,
        "discard": _PLACE,
    },
}

# A phone sees its streams as the module has agreed.
_AS_ANSWERED: Final = "; ".join(
    f"my_{x} = (!(arg & {bit}) -> my_{x} : ((arg & 3) == 0 || ((arg & 3) == 3 && my_{x} == PAUSE) -> RUN : "
    f"((arg & 3) == 1 && my_{x} -> DRAIN : ((arg & 3) == 2 && my_{x} == RUN -> PAUSE : my_{x}))))"
    for x, bit in (("a", 4), ("b", 8))
)

# ── What packets carry ───────────────────────────────────────────────────────────────────────────────

FILLS: Final[dict[str, Fill]] = {
    "BEACON": Fill("my_boot"),
    "HELLO": Fill("(my_session -> my_nonce : 0)", note="my_trusted = 0"),
    "EJECT": Fill("0", on={"fetched": "1", "keep": "2"}),
    "RESET": Fill("my_wish"),
    "TRAIN_REQ": Fill("my_tried"),
    "TRAIN_STATUS": Fill("(my_LINK == my_LINK_NEGOTIATE)"),
    "PWR_SOURCE_CAPS": Fill(
        "my_sent_offer | (my_gen << 2)",
        note="my_gen = (my_offer == my_sent_offer -> my_gen : my_gen % 3 + 1); my_sent_offer = my_offer",
    ),
    "PWR_REQUEST": Fill("my_offers", note="my_newer = 0; forget my PWR_REQUEST"),
    "PWR_READY": Fill("my_contract", note="my_contract = my_pending; my_pending = 0"),
    "PWR_BUDGET": Fill("my_spare"),
    "PWR_RESET": Fill("0", to={"HARD_RESET": "1"}, note="my_soft = 1; forget my PWR_REQUEST"),
    "PWR_FAULT": Fill("1"),
    "SPDM": Fill("my_step"),
    "TRUST_POLICY": Fill("0", to={"GENUINE": "1", "MEASURED": "2", "REJECTED": "3"}),
    "FW_STATUS": Fill("my_FIRMWARE", note="my_unsaid = (my_known != 1)"),
    "FW_CONTROL": Fill("my_wish"),
    "STREAM_CONTROL": Fill("my_wish"),
    "FLUSH": Fill("12"),
    "FOCUS_STATE": Fill("my_FOCUS"),
    "TIME_STATUS": Fill("my_TIME"),
}
"""Where a packet is not named, it carries 0."""

ANSWERS: Final[dict[str, str]] = {"HELLO": "my_nonce"}
"""What a response carries, where that is not its request's number."""

HEARD: Final[dict[str, str]] = {
    "BEACON": "my_proven = 1",
    "TRAIN_STATUS": "my_peer_locked = arg",
    "TRUST_POLICY": "my_trusted = 1",
    "PWR_RESET": "forget my PWR_REQUEST",
}
"""What a side notes of an event before its machines see it."""

TOLD: Final[dict[str, str]] = {
    "PWR_REQUEST": "my_soft = 0",
    "PWR_BUDGET": "my_soft = 0",
    "SPDM": "my_step = (my_step < 4 -> my_step + 1 : 4)",
}
"""What a side notes of a response to its own request before its machines see it."""

DONE: Final[dict[str, str]] = {
    "STREAM_CONTROL": _AS_ANSWERED,
    "FLUSH": "my_a = IDLE; my_b = IDLE",
    "STREAM_CONFIGURE": "my_a = IDLE; my_b = IDLE",
}
"""What it notes once they have."""

# ── What is left out ─────────────────────────────────────────────────────────────────────────────────

LEFT_OUT: Final[dict[str, str]] = {
    "ROLE_SWAP": "power flows to the module in every model: rows of this feature are in none",
}
"""Features whose rows no model has, with the reason."""
