"""The contract: its rules, and the machine of each side.

Plan: rules of the contract · words that both machines use · the module, as sink · the phone, as source.

The pattern is that of USB Power Delivery: offers, a request, an answer, the voltage; what gets no answer is asked
again after a soft reset, and what still gets none ends in a hard one. A source answers at once, so it has no state in
which a request is open. A contract holds until another one does: a request refused, or lost, takes nothing away.
What a role swap adds stands in `swap_machine`.
"""

from typing import Final

from opalink.spec.codes import LATE, OK, PWR_LIMIT, PWR_REJECT, PWR_WAIT, RANGE_LIMIT
from opalink.spec.form import Action, Kind, Role, Testability
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
    GROUP,
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

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = GROUP.require
_MODULE, _SOURCE, _SINK = Role.MODULE, Role.SOURCE, Role.SINK
_PASSIVE, _TIMING = Testability.PASSIVE, Kind.TIMING

_BOOT_POWER = _must(
    16,
    "A sink MUST NOT draw more than class P0 allows while no contract holds, PIN_TEST apart.",
    role=_SINK,
    test=_PASSIVE,
)
_LIMIT = _must(
    17,
    "A sink MUST NOT draw more current than the contract's `limit`, PIN_TEST and peaks that were granted apart.",
    role=_SINK,
    test=_PASSIVE,
    packet=PWR_READY,
)
_RESUMED = _must(
    18,
    "A module whose session was resumed MUST NOT draw more than class P2 allows until a PWR_REQUEST that it sent since "
    "has led to PWR_READY.",
    role=_MODULE,
    needs=("CONTRACT",),
)
_GENERATION = _must(
    19,
    "A sink MUST name in PWR_REQUEST the generation of the last PWR_SOURCE_CAPS that it received.",
    role=_SINK,
    test=_PASSIVE,
    packet=PWR_REQUEST,
)
_ONE_OPEN = _must(
    20, "A sink MUST NOT send a PWR_REQUEST while another is open.", role=_SINK, test=_PASSIVE, packet=PWR_REQUEST
)
_BACK_OFF = _must(
    21,
    "A sink MUST NOT send its next PWR_REQUEST before the `retry_after` of a PWR_WAIT is over.",
    role=_SINK,
    kind=_TIMING,
    packet=PWR_REQUEST,
)
_KEPT = _must(
    22, "A sink MUST keep to the contract that holds when a PWR_REQUEST is refused.", role=_SINK, packet=PWR_REQUEST
)
_STALE = _must(
    23,
    "A source MUST answer a PWR_REQUEST of another generation than its last with PWR_REJECT and the reason STALE.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
_NO_OFFER = _must(
    24,
    "A source MUST answer a PWR_REQUEST for an offer that it did not make with PWR_REJECT and the reason NO_OFFER.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
_CURRENT = _must(
    25,
    "A source MUST answer a PWR_REQUEST for more current than it offered with PWR_REJECT and the reason CURRENT.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
_CLASS = _must(
    26,
    "A source MUST answer a PWR_REQUEST of a power class whose conditions are known not to be met with PWR_REJECT and "
    "the reason CLASS.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
_READY_ONCE = _must(
    27,
    "A source MUST NOT send a PWR_READY that follows no PWR_REQUEST it has accepted since the last one.",
    role=_SOURCE,
    test=_PASSIVE,
    packet=PWR_READY,
)
_PROMPT = _must(
    28,
    "A source MUST answer a PWR_REQUEST within the minimum of tSenderResponse.",
    role=_SOURCE,
    kind=_TIMING,
    packet=PWR_REQUEST,
)
_PROMPT_BUDGET = _must(
    29,
    "The module MUST answer a PWR_BUDGET within the minimum of tSenderResponse.",
    role=_MODULE,
    kind=_TIMING,
    packet=PWR_BUDGET,
)
_MEASURED = _must(
    30,
    "A sink MUST send PWR_STATUS within tReport of the PWR_READY with which a contract begins to hold.",
    role=_SINK,
    kind=_TIMING,
    packet=PWR_STATUS,
)
_TOO_LOW = _must(
    31, "The module MUST answer a PWR_BUDGET below its `min_ready` with RANGE_LIMIT.", role=_MODULE, packet=PWR_BUDGET
)
_PEAK_LATE = _must(
    32, "The phone MUST answer a PWR_RESERVE whose `by` has passed with LATE.", role=Role.PHONE, packet=PWR_RESERVE
)
_LATCHED = _must(33, "A side MUST stay on boot power while a fault is latched.", packet=PWR_FAULT)
_OFFER_AGAIN = _must(34, "A source MUST send PWR_SOURCE_CAPS after a soft reset.", role=_SOURCE, packet=PWR_RESET)
_FORGOTTEN = _must(
    35,
    "A sink MUST NOT act on the answer to a PWR_REQUEST that it sent before a soft reset.",
    role=_SINK,
    packet=PWR_RESET,
)

_NO_OFFERS = _must(
    36,
    "The module MUST send a soft PWR_RESET whenever it has waited tSinkWaitCaps in a session for offers.",
    role=_MODULE,
    needs=("CONTRACT",),
    kind=_TIMING,
    packet=PWR_RESET,
    source="tTypeCSinkWaitCap of USB Power Delivery; there it ends in a hard reset.",
)
_DOUBT = _must(
    37,
    "The module MUST NOT draw more than class P0 allows once a PWR_REQUEST is refused, if one before it went "
    "unanswered and no PWR_READY has come since.",
    role=_MODULE,
    needs=("CONTRACT",),
    packet=PWR_REQUEST,
)

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_LINES = terms(
    power_on="The contacts are closed and carry power.", power_off="The contacts have opened or carry no power."
)
_LOCALS = terms(
    session_open="A session has begun or was resumed.",
    session_closed="The session has ended and cannot be resumed.",
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
    _MODULE,
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
        on("OFF", line("power_on"), to="BOOT", req=(_BOOT_POWER,)),
        on((*_POWERED, "HARD_RESET", "FAULT"), line("power_off"), do=_clear, to="OFF"),
        on("BOOT", local("session_open"), when="contracts", do=[do("cap_at_p2"), _await], req=(_RESUMED,)),
        on(_POWERED, local("session_open"), do=[do("cap_at_p2")], req=(_RESUMED,)),
        on(_POWERED, local("session_closed"), do=_clear, to="BOOT", req=(_BOOT_POWER,)),
        # Asking. Offers that were lost, or came when a reset was under way, are asked for.
        on("BOOT", expired("tSinkWaitCaps"), when="in_session", do=[send(PWR_RESET), _await], req=(_NO_OFFERS,)),
        on("BOOT", _OFFERS, when="contracts", do=[do("keep_offers"), *_ask], to="REQUESTED", req=(_GENERATION,)),
        on(_ASKABLE, _OFFERS, when="backing_off", do=[do("keep_offers")], req=(_BACK_OFF,)),
        on((*_ASKABLE, "SOFT_RESET"), _OFFERS, do=[do("keep_offers"), *_ask], to="REQUESTED", req=(_GENERATION,)),
        on(("REQUESTED", "TRANSITION"), _OFFERS, do=[do("keep_offers")], req=(_ONE_OPEN,)),
        on(_ASKABLE, expired("tRequestAfterWait"), do=_ask, to="REQUESTED", req=(_BACK_OFF,)),
        # The answer.
        on("REQUESTED", _GRANTED, do=[start("tPwrTransition", "max")], to="TRANSITION"),
        # Which contract holds at the source is not known where an answer was lost: none is taken to hold.
        on(
            "REQUESTED",
            _REFUSED,
            when=("told_to_wait", "no_contract"),
            do=[do("fall_back"), *_wait],
            to="CAPS_SEEN",
            req=(_BACK_OFF, _DOUBT),
        ),
        on(
            "REQUESTED",
            _REFUSED,
            when=("told_to_wait", "!no_contract", "budget_covers"),
            do=_wait,
            to="CONTRACT",
            req=(_KEPT,),
        ),
        on("REQUESTED", _REFUSED, when="told_to_wait", do=_wait, to="LIMITED", req=(_KEPT,)),
        on(
            "REQUESTED",
            _REFUSED,
            when=("!told_to_wait", "offers_newer", "no_contract"),
            do=[do("fall_back"), *_ask],
            req=(_GENERATION, _DOUBT),
        ),
        on("REQUESTED", _REFUSED, when=("!told_to_wait", "offers_newer"), do=_ask, req=(_GENERATION,)),
        on(
            "REQUESTED",
            _REFUSED,
            when=("!told_to_wait", "!offers_newer", "no_contract"),
            do=[do("fall_back")],
            to="CAPS_SEEN",
            req=(_DOUBT,),
        ),
        on(
            "REQUESTED",
            _REFUSED,
            when=("!told_to_wait", "!offers_newer", "!no_contract", "budget_covers"),
            to="CONTRACT",
            req=(_KEPT,),
        ),
        on("REQUESTED", _REFUSED, to="LIMITED", req=(_KEPT,)),
        on("REQUESTED", expired("tSenderResponse"), when="soft_reset_tried", do=_cut, to="HARD_RESET"),
        on(
            "REQUESTED",
            expired("tSenderResponse"),
            do=[do("doubt"), send(PWR_RESET), start("tSenderResponse")],
            to="SOFT_RESET",
            req=(_FORGOTTEN,),
        ),
        on("SOFT_RESET", expired("tSenderResponse"), do=_cut, to="HARD_RESET"),
        # The voltage.
        on("TRANSITION", _READY, when="offers_newer", do=[*_agree, *_ask], to="REQUESTED", req=(_MEASURED,)),
        on(
            "TRANSITION",
            _READY,
            when=("!offers_newer", "budget_covers"),
            do=_agree,
            to="CONTRACT",
            req=(_LIMIT, _MEASURED),
        ),
        on("TRANSITION", _READY, do=_agree, to="LIMITED", req=(_LIMIT, _MEASURED)),
        on("TRANSITION", expired("tPwrTransition"), do=_cut, to="HARD_RESET"),
        # The budget outlives contracts: its cause does.
        on(_POWERED, _BUDGET, when="!budget_possible", do=[answer(RANGE_LIMIT)], req=(_TOO_LOW, _PROMPT_BUDGET)),
        on(_HOLDING, _BUDGET, when="budget_covers", do=[do("take_budget"), answer(OK)], to="CONTRACT"),
        on(_HOLDING, _BUDGET, do=[do("take_budget"), answer(OK)], to="LIMITED", req=(_PROMPT_BUDGET,)),
        on(_UNSETTLED, _BUDGET, do=[do("take_budget"), answer(OK)], req=(_PROMPT_BUDGET,)),
        # Resets and faults.
        on(_POWERED, _RESET, when=("contracts", "hard"), do=[*_clear, start("tPwrHardReset")], to="HARD_RESET"),
        on(
            ("REQUESTED", "TRANSITION"),
            _RESET,
            do=[do("doubt"), start("tSenderResponse")],
            to="SOFT_RESET",
            req=(_FORGOTTEN,),
        ),
        on("HARD_RESET", expired("tPwrHardReset"), do=[_await], to="BOOT"),
        on(_POWERED, local("power_fault"), do=[*_clear, send(PWR_FAULT)], to="FAULT", req=(_LATCHED,)),
        on(_POWERED, _FAULT, when="latched", do=_clear, to="FAULT", req=(_LATCHED,)),
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
            auth_finished="The phone has come to a conclusion, or the module offers none.",
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
        on(_OFFERED, local("session_open"), do=_offer, req=(_RESUMED,)),
        on(_SUPPLIED, local("session_closed"), do=_release, to="BOOT"),
        on(_OFFERED, local("supply_changed"), when="offers_changed", do=_offer),
        on(_OFFERED, local("auth_finished"), when="offers_changed", do=_offer),
        # The request.
        on(_IDLE, _ASKED, when=("covered", "class_open"), do=_supply, to="TRANSITION", req=(_PROMPT,)),
        on(_IDLE, _ASKED, when=("covered", "class_untested"), do=[*_later, send(PIN_TEST, "request")]),
        on(_IDLE, _ASKED, do=[do("say_why"), answer(PWR_REJECT)], req=(_STALE, _NO_OFFER, _CURRENT, _CLASS)),
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
            req=(_READY_ONCE,),
        ),
        on(
            "TRANSITION",
            local("supply_ready"),
            do=[send(PWR_READY), *_limit],
            to="CONTRACT",
            req=(_READY_ONCE,),
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
            req=(_OFFER_AGAIN,),
        ),
        on("SOFT_RESET", expired("tSenderResponse"), do=_cut_off, to="HARD_RESET"),
        on(_HOLDING, _PEAK, when="peak_late", do=[answer(LATE)], req=(_PEAK_LATE,)),
        on(_HOLDING, _PEAK, when="!peak_offered", do=[answer(PWR_LIMIT)]),
        on(_HOLDING, _PEAK, when="peak_spared", do=[do("reserve_peak"), answer(OK)]),
        on(_HOLDING, _PEAK, do=[answer(PWR_REJECT)]),
        # Resets and faults.
        on((*_SUPPLIED, "FAULT"), _RESET, when="hard", do=[*_release, start("tPwrHardReset")], to="HARD_RESET"),
        on(_IDLE, _RESET, do=_offer, req=(_OFFER_AGAIN,)),
        on("TRANSITION", _RESET, when=("!hard", "no_contract"), do=_undo, to="CAPS_SENT", req=(_OFFER_AGAIN,)),
        on("TRANSITION", _RESET, do=_undo, to="CONTRACT", req=(_OFFER_AGAIN,)),
        on("HARD_RESET", expired("tPwrHardReset"), do=[do("contacts_off"), start("tPwrDischarge")]),
        on("HARD_RESET", expired("tPwrDischarge"), to="FAULT"),
        on(_SUPPLIED, local("power_fault"), do=[*_release, send(PWR_FAULT)], to="FAULT", req=(_LATCHED,)),
        on(_SUPPLIED, _FAULT, when="latched", do=_release, to="FAULT", req=(_LATCHED,)),
        *PHONE_ROWS,
    ),
)

MACHINES: Final = (POWER_MODULE, POWER_PHONE)
