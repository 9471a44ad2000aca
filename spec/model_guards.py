"""How a model decides the guards of the machines, by machine; under NAME.role, what holds for one side alone.

The words of the expressions are those of `abstraction`.

Plan: sets of streams · guards.
"""

from typing import Final

from opalink.spec.model_form import Choice, Exact, Guard

_YES, _NO = Choice(calm=True), Choice(calm=False)

# ── Sets of streams ──────────────────────────────────────────────────────────────────────────────────


def _others(state: str) -> str:
    """Of the two streams `a` (bit 2 of a request) and `b` (bit 3), one outside the mask is in a state."""
    return f"(!(arg & 4) && my_a == {state}) || (!(arg & 8) && my_b == {state})"


# ── Guards: by machine ───────────────────────────────────────────────────────────────────────────────

_FOCUS: Final = ("IDLE", "MOVING", "SETTLED", "RING_OVERRIDE", "LIMIT", "FAULT")
_RESETS: Final = {
    "level_protocol": Exact("arg == 0"),
    "level_link": Exact("arg == 1"),
    "level_module": Exact("arg == 2"),
}

GUARDS: Final[dict[str, dict[str, Guard]]] = {
    "ATTACH": {
        **_RESETS,
        "asleep": Exact("my_asleep"),
        "in_session": Exact("my_session"),
        "has_laser": Exact("true"),
        "offers_security": Exact("true"),
        "light_seen": Exact("my_light"),
        "version_common": Exact("true"),
        "resuming": Exact("arg != 0"),
        "resume_matches": Exact("my_session && arg == my_nonce"),
        "trust_settled": Exact("my_trusted"),
        "phase_prepare": Exact("arg == 0"),
        "phase_commit": Exact("arg == 1"),
        "phase_abort": Exact("arg == 2"),
        "signature_good": _YES,
        "class_good": _YES,
        "nonce_new": Exact("arg != my_known"),
        "lane_up": Exact("my_LINK == my_LINK_L0"),
        "version_refused": Exact("status == S_BAD_VERSION"),
        "session_unknown": Exact("status == S_NEEDS_SESSION"),
        "auth_done": Exact("my_trusted"),
        "answers_prepare": Exact("arg == 0 && status == S_OK"),
        "answers_commit": Exact("arg == 1 && status == S_OK"),
    },
    "LINK": {
        "faulty": Exact("my_ATTACH == my_ATTACH_FAULT"),
        "seated": Exact("my_seat"),
        "attach_proven": Exact("my_seat && my_proven"),
        "light_seen": Exact("my_light"),
        "trained_below": Exact("false"),
        "automatic": Exact("true"),
        "supported": _YES,
        "disturbs": _NO,
        "gear_left": _NO,
        "gear_above": _NO,
        "keep_config": Exact("arg == 1"),
        "target_l0": Exact("arg == 0"),
        "target_l1": Exact("arg == 1"),
        "target_l2": Exact("arg == 2"),
        "sets_test": _NO,
        "epoch_known": _YES,
        "test_mode": Exact("false"),
        "peer_locked": Exact("my_peer_locked"),
    },
    "POWER": {
        "no_contract": Exact("my_contract == 0"),
        "budget_covers": Exact(
            "my_contract <= my_budget",
            on={
                "PWR_READY": "arg <= my_budget",
                "PWR_BUDGET": "my_contract <= arg",
                "supply_ready": "my_pending <= my_budget",
            },
        ),
        "hard": Exact("arg == 1"),
        "latched": Exact("arg == 1"),
        "soft_reset_tried": Exact("my_soft"),
        "contracts": Exact("true"),
        "in_session": Exact("my_known"),
        "told_to_wait": Exact("status == S_PWR_WAIT"),
        "backing_off": Exact("my_POWER_tRequestAfterWait != 0"),
        "offers_newer": Exact("my_newer"),
        "budget_possible": Exact("arg > 0"),
        "covered": Exact("(arg >> 2) == my_gen && (arg & 3) <= my_sent_offer"),
        "class_open": _YES,
        "class_untested": _NO,
        "offers_changed": Exact("my_offer != my_sent_offer"),
        "peak_late": _NO,
        "peak_offered": _YES,
        "peak_spared": _YES,
    },
    "AUTH": {
        "plain_spdm": Exact("true"),
        "asks_version": Exact("arg == 0"),
        "asks_algorithms": Exact("arg == 1"),
        "asks_certificate": Exact("arg == 2"),
        "asks_challenge": Exact("arg == 3"),
        "level_genuine": Exact("arg == 1"),
        "level_measured": Exact("arg == 2"),
        "level_rejected": Exact("arg == 3"),
        "offers_spdm": Exact("true"),
        "can_judge": Exact("true"),
        "put_off": _NO,
        "proof_bad": _NO,
        "proof_measured": Exact("arg == 4"),
        "proof_genuine": _NO,
    },
    "FIRMWARE": {
        "component_known": _YES,
        "image_fits": _YES,
        "version_allowed": _YES,
        "more_wanted": _NO,
        "components_known": _YES,
        "op_activate": Exact("arg <= 1"),
        "op_abort": Exact("arg == 2"),
        "op_rollback": Exact("arg == 3"),
        "when_now": Exact("arg == 1"),
        "until_detached": _YES,
        "camera_idle": _YES,
        "previous_bootable": _YES,
        "trust_open": _NO,
        "trust_rejected": _NO,
        "unsaid": Exact("my_unsaid"),
        "within_image": _YES,
        "auth_done": _YES,
        "image_staged": Exact("arg == module_FIRMWARE_STAGED"),
        "image_dropped": Exact("arg == module_FIRMWARE_IDLE"),
    },
    "CAPTURE": {
        "test_only": Exact("false"),
        "no_streams": Exact("arg == 1"),
        "op_start": Exact("(arg & 3) == 0"),
        "op_stop": Exact("(arg & 3) == 1"),
        "op_pause": Exact("(arg & 3) == 2"),
        "op_resume": Exact("(arg & 3) == 3"),
        "others_run": Exact(_others("RUN")),
        "others_paused": Exact(_others("PAUSE")),
        "others_drain": Exact(_others("DRAIN")),
        "mask_paused": Exact("((arg & 4) && my_a == PAUSE) || ((arg & 8) && my_b == PAUSE)"),
        "all_stopped": Exact("(my_a == IDLE || my_a == DRAIN) && (my_b == IDLE || my_b == DRAIN)"),
        "all_paused": Exact("my_a != RUN && my_b != RUN"),
        "modes_known": _YES,
        "within_module": _YES,
        "fits_link": _YES,
        "fits_power": _YES,
        "adjusts": _NO,
        "mask_known": _YES,
        "cool": _YES,
        "plan_known": _YES,
        "number_rises": _YES,
        "settings_writable": _YES,
        "settings_within": _YES,
        "time_known": _YES,
        "deadline_ahead": _YES,
        "queue_room": _YES,
        "buffer_room": _YES,
        "frames_left": _YES,
    },
    "FOCUS": {
        "ring_has_it": Exact("my_ring"),
        "reachable": _YES,
        "in_time": _YES,
        "at_end": _NO,
        "ring_moves": _YES,
        **{f"says_{s.lower()}": Exact(f"arg == my_FOCUS_{s}") for s in _FOCUS},
        "ring_wins": Exact("true"),
        "last_wins": Exact("false"),
        "phone_locks": Exact("false"),
        "was_owned": Exact("status == S_RING_OWNED"),
        "was_blocked": Exact("status == S_MOTOR_BLOCKED"),
    },
    "TIME": {
        "exchange_open": Exact("my_open_TIME_SYNC != 0"),
        "exchange_good": _YES,
        "enough": _YES,
        "class_changes": _NO,
        "soon": _NO,
        "action_there": _YES,
        "action_ready": _YES,
        "plan_known": _YES,
        "trigger_room": _YES,
        **{f"says_{s.lower()}": Exact(f"arg == my_TIME_{s}") for s in ("FREE", "ACQUIRE", "LOCKED", "HOLDOVER")},
    },
    "POWER.module": {"no_contract": Exact("my_contract == 0 || my_unsure")},
    # What a phone can spare is no message's: the world says it.
    "POWER.phone": {
        "budget_covers": Exact("my_contract <= my_spare", on={"supply_ready": "my_pending <= my_spare"}),
    },
    "FRAME": {
        "fills_last": Exact("my_missing <= 1"),
        "opens_gap": Exact("my_missing > 1 && my_FRAME_tNakDelay == 0"),
        "trailer_in": Exact("my_trailer"),
        "aborted": Exact("arg == 1"),
        "crc_good": _YES,
        "all_gone": _NO,
        "may_ask": _NO,
    },
}
