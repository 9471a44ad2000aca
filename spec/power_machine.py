"""The contract: the machine of each side.

Plan: words of both machines · the module, as sink · the phone, as source.

The pattern is that of USB Power Delivery: offers, a request, an answer, the voltage; what gets no answer is asked
again after a soft reset, and what still gets none ends in a hard one. A source answers at once, so it has no state in
which a request is open. A contract holds until another one does: a request refused, or lost, takes nothing away.
What a role swap adds stands in `swap_machine`.
"""

from typing import Final

from opalink.spec import power_rules as rule
from opalink.spec.codes import LATE, OK, PWR_LIMIT, PWR_REJECT, PWR_WAIT, RANGE_LIMIT
from opalink.spec.form import Action, Role
from opalink.spec.machine import (
    answer,
    at_most_one,
    do,
    expired,
    line,
    local,
    machine,
    on,
    rx,
    send,
    start,
    state,
    stop,
    terms,
)
from opalink.spec.power import (
    PIN_TEST,
    PWR_BUDGET,
    PWR_FAULT,
    PWR_READY,
    PWR_REQUEST,
    PWR_RESERVE,
    PWR_RESET,
    PWR_SOURCE_CAPS,
    PWR_STATUS,
)
from opalink.spec.swap_machine import (
    MODULE_EFFECTS,
    MODULE_GUARDS,
    MODULE_LOCALS,
    MODULE_ROWS,
    MODULE_STATES,
    PHONE_EFFECTS,
    PHONE_GUARDS,
    PHONE_LOCALS,
    PHONE_ROWS,
    PHONE_STATES,
)

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_LINES = terms("power_on", "power_off")
_LOCALS = terms(
    "session_open",
    "session_closed",
    power_fault="This side has met a fault that latches.",
)
_GUARDS = terms(
    no_contract="No contract is known to hold: there is none, or `doubt` has come since it was taken.",
    budget_covers="The contract's power is no more than the budget, or there is none. A contract or a budget that the "
    "event itself brings counts; in the phone the budget is what can be spared now.",
    hard="`level` is HARD.",
    latched="`latched` is 1.",
    soft_reset_tried="This side has sent a soft reset since a request of its own was last answered, or since power_on.",
)

# What each side fills by itself: its effects of the packets' names.
_RESET_FILL = terms(
    PWR_RESET="`level` is HARD where the row leads to HARD_RESET and SOFT elsewhere.",
    PWR_FAULT="Says what the fault is; `latched` is 1.",
)

_OFFERS, _READY = rx(PWR_SOURCE_CAPS, "event"), rx(PWR_READY, "event")
_ASKED, _GRANTED, _REFUSED = (rx(PWR_REQUEST, form) for form in ("request", "response", "error"))
_BUDGET, _RESET, _FAULT = rx(PWR_BUDGET, "request"), rx(PWR_RESET, "event"), rx(PWR_FAULT, "event")
_PEAK = rx(PWR_RESERVE, "request")
_HOLDING = ("CONTRACT", "LIMITED")

# ── The module, as sink ──────────────────────────────────────────────────────────────────────────────

_ASKABLE = ("CAPS_SEEN", *_HOLDING)
_UNSETTLED = ("BOOT", "CAPS_SEEN", "REQUESTED", "TRANSITION", "SOFT_RESET")
_POWERED = (*_UNSETTLED, *_HOLDING)

_ask: list[Action] = [send(PWR_REQUEST, "request"), start("tSenderResponse")]
_wait: list[Action] = [start("tRequestAfterWait"), do("lengthen_wait")]
_agree: list[Action] = [do("take_contract"), send(PWR_STATUS)]
_clear: list[Action] = [do("drop_contract")]
_await: Action = start("tSinkWaitCaps")
_cut: list[Action] = [*_clear, send(PWR_RESET), start("tPwrHardReset")]

POWER_MODULE: Final = machine(
    "POWER",
    Role.MODULE,
    "How a module comes by more than boot power. One without the feature CONTRACT stays in BOOT.",
    states=(
        state("OFF", "No power, or none from the contacts."),
        state("BOOT", "Class P0; no offer is known."),
        state("CAPS_SEEN", "Class P0; there are offers, and the last request was refused."),
        state("REQUESTED", "A request is open."),
        state("TRANSITION", "The request was accepted; the voltage is on its way."),
        state("CONTRACT", "A contract holds."),
        state("LIMITED", "A contract holds, and a budget below it."),
        state("SOFT_RESET", "The open request is forgotten; offers must come."),
        state("HARD_RESET", "Class P0, waiting for the contacts to go to 0 V."),
        state("FAULT", "Class P0, until power has been away."),
        *MODULE_STATES,
    ),
    guards=(
        *_GUARDS,
        *terms(
            contracts="The module has the feature CONTRACT.",
            in_session="A session is held.",
            told_to_wait="The status is PWR_WAIT or BUSY.",
            backing_off="tRequestAfterWait runs.",
            offers_newer="Offers have come since the last PWR_REQUEST was sent.",
            budget_possible="`max` is no less than `min_ready` of PWR_SINK_CAPS.",
        ),
        *MODULE_GUARDS,
    ),
    effects=(
        *_RESET_FILL,
        *terms(
            PWR_REQUEST="Asks for the first offer that covers what the module needs, of the last generation received; "
            "where none does, for the one with the most power, with `mismatch` 1.",
            PWR_STATUS="Says what is measured now.",
            keep_offers="Keeps the offers in place of those before.",
            lengthen_wait="Has tRequestAfterWait run for `retry_after`, where that is longer.",
            take_contract="Draws up to `limit` from now on, or up to the budget in force where that is less.",
            take_budget="Keeps the budget in place of the one before; draws no more than it once `grace` is over.",
            cap_at_p2="Draws no more than class P2 allows until a PWR_REQUEST sent from now on has led to PWR_READY.",
            doubt="Notes that the source may have accepted a request whose answer is not known.",
            fall_back="Draws no more than class P0 allows; forgets the contract, and neither offers nor budget.",
            drop_contract="Draws no more than class P0 allows; forgets contract, offers and budget.",
        ),
        *MODULE_EFFECTS,
    ),
    lines=_LINES,
    locals=(*_LOCALS, *MODULE_LOCALS),
    rows=(
        on("OFF", line("power_on"), to="BOOT", req=(rule.BOOT_POWER,)),
        on((*_POWERED, "HARD_RESET", "FAULT"), line("power_off"), do=_clear, to="OFF"),
        on("BOOT", local("session_open"), when="contracts", do=[do("cap_at_p2"), _await], req=(rule.RESUMED,)),
        on(_POWERED, local("session_open"), do=[do("cap_at_p2")], req=(rule.RESUMED,)),
        on(_POWERED, local("session_closed"), do=_clear, to="BOOT", req=(rule.BOOT_POWER,)),
        # Asking. Offers that were lost, or came when a reset was under way, are asked for.
        on("BOOT", expired("tSinkWaitCaps"), when="in_session", do=[send(PWR_RESET), _await], req=(rule.NO_OFFERS,)),
        on("BOOT", _OFFERS, when="contracts", do=[do("keep_offers"), *_ask], to="REQUESTED", req=(rule.GENERATION,)),
        on(_ASKABLE, _OFFERS, when="backing_off", do=[do("keep_offers")], req=(rule.BACK_OFF,)),
        on((*_ASKABLE, "SOFT_RESET"), _OFFERS, do=[do("keep_offers"), *_ask], to="REQUESTED", req=(rule.GENERATION,)),
        on(("REQUESTED", "TRANSITION"), _OFFERS, do=[do("keep_offers")], req=(rule.ONE_OPEN,)),
        on(_ASKABLE, expired("tRequestAfterWait"), do=_ask, to="REQUESTED", req=(rule.BACK_OFF,)),
        # The answer.
        on("REQUESTED", _GRANTED, do=[start("tPwrTransition", "max")], to="TRANSITION"),
        # Which contract holds at the source is not known where an answer was lost: none is taken to hold.
        on(
            "REQUESTED",
            _REFUSED,
            when=("told_to_wait", "no_contract"),
            do=[do("fall_back"), *_wait],
            to="CAPS_SEEN",
            req=(rule.BACK_OFF, rule.DOUBT),
        ),
        on(
            "REQUESTED",
            _REFUSED,
            when=("told_to_wait", "!no_contract", "budget_covers"),
            do=_wait,
            to="CONTRACT",
            req=(rule.KEPT,),
        ),
        on("REQUESTED", _REFUSED, when="told_to_wait", do=_wait, to="LIMITED", req=(rule.KEPT,)),
        on(
            "REQUESTED",
            _REFUSED,
            when=("!told_to_wait", "offers_newer", "no_contract"),
            do=[do("fall_back"), *_ask],
            req=(rule.GENERATION, rule.DOUBT),
        ),
        on("REQUESTED", _REFUSED, when=("!told_to_wait", "offers_newer"), do=_ask, req=(rule.GENERATION,)),
        on(
            "REQUESTED",
            _REFUSED,
            when=("!told_to_wait", "!offers_newer", "no_contract"),
            do=[do("fall_back")],
            to="CAPS_SEEN",
            req=(rule.DOUBT,),
        ),
        on(
            "REQUESTED",
            _REFUSED,
            when=("!told_to_wait", "!offers_newer", "!no_contract", "budget_covers"),
            to="CONTRACT",
            req=(rule.KEPT,),
        ),
        on("REQUESTED", _REFUSED, to="LIMITED", req=(rule.KEPT,)),
        on("REQUESTED", expired("tSenderResponse"), when="soft_reset_tried", do=_cut, to="HARD_RESET"),
        on(
            "REQUESTED",
            expired("tSenderResponse"),
            do=[do("doubt"), send(PWR_RESET), start("tSenderResponse")],
            to="SOFT_RESET",
            req=(rule.FORGOTTEN,),
        ),
        on("SOFT_RESET", expired("tSenderResponse"), do=_cut, to="HARD_RESET"),
        # The voltage.
        on("TRANSITION", _READY, when="offers_newer", do=[*_agree, *_ask], to="REQUESTED", req=(rule.MEASURED,)),
        on(
            "TRANSITION",
            _READY,
            when=("!offers_newer", "budget_covers"),
            do=_agree,
            to="CONTRACT",
            req=(rule.LIMIT, rule.MEASURED),
        ),
        on("TRANSITION", _READY, do=_agree, to="LIMITED", req=(rule.LIMIT, rule.MEASURED)),
        on("TRANSITION", expired("tPwrTransition"), do=_cut, to="HARD_RESET"),
        # The budget outlives contracts: its cause does.
        on(
            _POWERED, _BUDGET, when="!budget_possible", do=[answer(RANGE_LIMIT)], req=(rule.TOO_LOW, rule.PROMPT_BUDGET)
        ),
        on(_HOLDING, _BUDGET, when="budget_covers", do=[do("take_budget"), answer(OK)], to="CONTRACT"),
        on(_HOLDING, _BUDGET, do=[do("take_budget"), answer(OK)], to="LIMITED", req=(rule.PROMPT_BUDGET,)),
        on(_UNSETTLED, _BUDGET, do=[do("take_budget"), answer(OK)], req=(rule.PROMPT_BUDGET,)),
        # Resets and faults.
        on(_POWERED, _RESET, when=("contracts", "hard"), do=[*_clear, start("tPwrHardReset")], to="HARD_RESET"),
        on(
            ("REQUESTED", "TRANSITION"),
            _RESET,
            do=[do("doubt"), start("tSenderResponse")],
            to="SOFT_RESET",
            req=(rule.FORGOTTEN,),
        ),
        on("HARD_RESET", expired("tPwrHardReset"), do=[_await], to="BOOT"),
        on(_POWERED, local("power_fault"), do=[*_clear, send(PWR_FAULT)], to="FAULT", req=(rule.LATCHED,)),
        on(_POWERED, _FAULT, when="latched", do=_clear, to="FAULT", req=(rule.LATCHED,)),
        *MODULE_ROWS,
    ),
)

# ── The phone, as source ─────────────────────────────────────────────────────────────────────────────

_IDLE = ("CAPS_SENT", *_HOLDING)
_OFFERED = (*_IDLE, "TRANSITION", "SOFT_RESET")
_SUPPLIED = ("BOOT", *_OFFERED)

_offer: list[Action] = [send(PWR_SOURCE_CAPS)]
_limit: list[Action] = [send(PWR_BUDGET, "request"), start("tSenderResponse")]
_heard: Action = stop("tSenderResponse")
_supply: list[Action] = [answer(OK), do("set_supply"), start("tPwrTransition")]
_later: list[Action] = [do("say_why"), answer(PWR_WAIT)]
_undo: list[Action] = [do("restore_supply"), *_offer]
_release: list[Action] = [do("drop_contract")]
_cut_off: list[Action] = [*_release, send(PWR_RESET), start("tPwrHardReset")]

POWER_PHONE: Final = machine(
    "POWER",
    Role.PHONE,
    "How a phone supplies a module.",
    states=(
        state("OFF", "The contacts carry nothing."),
        state("BOOT", "Boot power; no session yet."),
        state("CAPS_SENT", "Boot power; the offers are out."),
        state("TRANSITION", "A request was accepted; the supply is on its way there."),
        state("CONTRACT", "A contract holds."),
        state("LIMITED", "A contract holds, and a budget below it that the module has accepted."),
        state("SOFT_RESET", "A budget got no answer; the module must ask again or be cut off."),
        state("HARD_RESET", "On the way to 0 V."),
        state("FAULT", "Boot power at most, until power has been away."),
        *PHONE_STATES,
    ),
    choices=(at_most_one("class_open", "class_untested"),),
    guards=(
        *_GUARDS,
        *terms(
            covered="`generation` is the last one, `object` is one of its offers, and that covers both currents.",
            class_open="Every condition of the power class asked for is met.",
            class_untested="The contacts alone are missing among them; no PIN_TEST was answered since power_on.",
            offers_changed="The offers of now are not those that were sent last.",
            peak_late="`by` is not 0 and has passed.",
            peak_offered="The peak is within `peak` and `peak_time` of the contract's offer.",
            peak_spared="The peak, or a part of it, can be supplied.",
        ),
        *PHONE_GUARDS,
    ),
    effects=(
        *_RESET_FILL,
        *terms(
            PWR_SOURCE_CAPS="The offers of now, with the next generation where they are not those that were sent last. "
            "None is above class P2 until `auth_finished` has followed `session_open`.",
            PWR_READY="Says what the supply is set to, under the next contract number.",
            PWR_BUDGET="Says what the phone can spare.",
            PIN_TEST="Asks for the resistance under the current that was asked for, in 20 ms.",
            say_why="Gives the refusal its reason and its time.",
            set_supply="Turns the supply to the offer that was accepted; `supply_ready` follows.",
            restore_supply="Turns the supply back to the contract that holds, or to boot power.",
            note_contacts="Keeps the resistance; an error counts as contacts that no class allows.",
            reserve_peak="Sets the peak aside; the answer is ADJUSTED where it is less than was asked.",
            drop_contract="Supplies boot power at most; forgets contract and budget.",
            contacts_off="Takes the contacts to 0 V; `power_off` follows.",
        ),
        *PHONE_EFFECTS,
    ),
    lines=_LINES,
    locals=(
        *_LOCALS,
        *terms(
            "auth_finished",
            supply_changed="What can be supplied to this module has changed.",
            supply_ready="The supply is where `set_supply` turned it.",
            budget_changed="What can be spared for this module has changed.",
        ),
        *PHONE_LOCALS,
    ),
    rows=(
        on("OFF", line("power_on"), to="BOOT"),
        on((*_SUPPLIED, "HARD_RESET", "FAULT"), line("power_off"), do=_release, to="OFF"),
        on("BOOT", local("session_open"), do=_offer, to="CAPS_SENT"),
        on(_OFFERED, local("session_open"), do=_offer, req=(rule.RESUMED,)),
        on(_SUPPLIED, local("session_closed"), do=_release, to="BOOT"),
        on(_OFFERED, local("supply_changed"), when="offers_changed", do=_offer),
        on(_OFFERED, local("auth_finished"), when="offers_changed", do=_offer),
        # The request.
        on(_IDLE, _ASKED, when=("covered", "class_open"), do=_supply, to="TRANSITION", req=(rule.PROMPT,)),
        on(_IDLE, _ASKED, when=("covered", "class_untested"), do=[*_later, send(PIN_TEST, "request")]),
        on(
            _IDLE,
            _ASKED,
            do=[do("say_why"), answer(PWR_REJECT)],
            req=(rule.STALE, rule.NO_OFFER, rule.CURRENT, rule.CLASS),
        ),
        on("SOFT_RESET", _ASKED, do=[*_later, *_limit], to="CONTRACT"),
        on(_OFFERED, rx(PIN_TEST, "response"), do=[do("note_contacts")]),
        on(_OFFERED, rx(PIN_TEST, "error"), do=[do("note_contacts")]),
        # The voltage.
        on(
            "TRANSITION",
            local("supply_ready"),
            when="budget_covers",
            do=[send(PWR_READY)],
            to="CONTRACT",
            req=(rule.READY_ONCE,),
        ),
        on(
            "TRANSITION",
            local("supply_ready"),
            do=[send(PWR_READY), *_limit],
            to="CONTRACT",
            req=(rule.READY_ONCE,),
        ),
        on("TRANSITION", expired("tPwrTransition"), do=_cut_off, to="HARD_RESET"),
        # Budgets and peaks. A module that will not live on what there is is cut off.
        on(_HOLDING, local("budget_changed"), do=_limit),
        on(_HOLDING, rx(PWR_BUDGET, "response"), when="budget_covers", do=[_heard], to="CONTRACT"),
        on(_HOLDING, rx(PWR_BUDGET, "response"), do=[_heard], to="LIMITED"),
        on(_HOLDING, rx(PWR_BUDGET, "error"), do=_cut_off, to="HARD_RESET"),
        on(_HOLDING, expired("tSenderResponse"), when="soft_reset_tried", do=_cut_off, to="HARD_RESET"),
        on(
            _HOLDING,
            expired("tSenderResponse"),
            do=[send(PWR_RESET), *_offer, start("tSenderResponse")],
            to="SOFT_RESET",
            req=(rule.OFFER_AGAIN,),
        ),
        on("SOFT_RESET", expired("tSenderResponse"), do=_cut_off, to="HARD_RESET"),
        on(_HOLDING, _PEAK, when="peak_late", do=[answer(LATE)], req=(rule.PEAK_LATE,)),
        on(_HOLDING, _PEAK, when="!peak_offered", do=[answer(PWR_LIMIT)]),
        on(_HOLDING, _PEAK, when="peak_spared", do=[do("reserve_peak"), answer(OK)]),
        on(_HOLDING, _PEAK, do=[answer(PWR_REJECT)]),
        # Resets and faults.
        on((*_SUPPLIED, "FAULT"), _RESET, when="hard", do=[*_release, start("tPwrHardReset")], to="HARD_RESET"),
        on(_IDLE, _RESET, do=_offer, req=(rule.OFFER_AGAIN,)),
        on("TRANSITION", _RESET, when=("!hard", "no_contract"), do=_undo, to="CAPS_SENT", req=(rule.OFFER_AGAIN,)),
        on("TRANSITION", _RESET, do=_undo, to="CONTRACT", req=(rule.OFFER_AGAIN,)),
        on("HARD_RESET", expired("tPwrHardReset"), do=[do("contacts_off"), start("tPwrDischarge")]),
        on("HARD_RESET", expired("tPwrDischarge"), to="FAULT"),
        on(_SUPPLIED, local("power_fault"), do=[*_release, send(PWR_FAULT)], to="FAULT", req=(rule.LATCHED,)),
        on(_SUPPLIED, _FAULT, when="latched", do=_release, to="FAULT", req=(rule.LATCHED,)),
        *PHONE_ROWS,
    ),
)

MACHINES: Final = (POWER_MODULE, POWER_PHONE)
