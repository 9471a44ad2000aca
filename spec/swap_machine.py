"""Power the other way: the states and rows that a role swap adds to the power machine of each side.

Plan: events · the module, as source · the phone, as sink.

A swap that is accepted ends the contract. The side that is to supply turns its voltage on, makes its offers, and from
there on everything goes as it does the other way round, with the roles exchanged; PWR_BUDGET and PWR_RESERVE have no
meaning meanwhile. A side that loses what it draws under the swap falls back to where every attach begins: the phone
supplies, and offers.
"""

from typing import Final

from opalink.spec.codes import OK, PWR_MISMATCH, PWR_REJECT, THERMAL_LIMIT
from opalink.spec.form import Action
from opalink.spec.machine import answer, do, expired, given, line, local, on, rx, send, start, state, terms
from opalink.spec.power import PWR_FAULT, PWR_READY, PWR_REQUEST, PWR_RESET, PWR_ROLE_SWAP, PWR_SOURCE_CAPS, PWR_STATUS

# ── Events ───────────────────────────────────────────────────────────────────────────────────────────

_SWAP, _SWAPPED = rx(PWR_ROLE_SWAP, "request"), rx(PWR_ROLE_SWAP, "response")
_OFFERS, _READY = rx(PWR_SOURCE_CAPS, "event"), rx(PWR_READY, "event")
_ASKED, _GRANTED, _REFUSED = (rx(PWR_REQUEST, form) for form in ("request", "response", "error"))
_RESET, _FAULT = rx(PWR_RESET, "event"), rx(PWR_FAULT, "event")

_GUARDS = terms(to_phone="`direction` is TO_PHONE.")
_EFFECTS = terms(
    turn_to_source="Is the source from now on, at boot power or at what it can give; `supply_ready` follows.",
    turn_to_sink="Is the sink from now on: supplies nothing, and forgets contract, offers and requests as source.",
)

# ── The module, as source ────────────────────────────────────────────────────────────────────────────

_AS_SINK = ("BOOT", "CAPS_SEEN", "CONTRACT", "LIMITED")
_AS_SOURCE = ("SWAP", "SOURCE", "SOURCE_TRANSITION", "SOURCE_CONTRACT")
_OFFERED = ("SOURCE", "SOURCE_CONTRACT")
_offer: list[Action] = [send(PWR_SOURCE_CAPS)]
_back: list[Action] = [do("turn_to_sink")]
_cut: list[Action] = [*_back, send(PWR_RESET), start("tPwrHardReset")]

MODULE_STATES: Final = (
    state("SWAP", "A role swap was accepted; this side's voltage is on its way."),
    state("SOURCE", "This side supplies; its offers are out."),
    state("SOURCE_TRANSITION", "A request of the phone's was accepted; the supply is on its way there."),
    state("SOURCE_CONTRACT", "A contract holds, under which the phone draws."),
)
MODULE_LOCALS: Final = terms(supply_ready="The supply is where it was turned.")
MODULE_GUARDS: Final = (
    *_GUARDS,
    *terms(
        can_supply="Voltage and current are within what this side's battery can supply.",
        charge_left="The battery holds enough to give some of it away.",
        cool="The thermal severity is below SEVERE.",
        covered="`generation` is the last one, `object` is one of its offers, and that covers both currents.",
    ),
)
MODULE_EFFECTS: Final = (
    *_EFFECTS,
    *terms(
        PWR_SOURCE_CAPS="The offers of now, with the next generation where they are not those that were sent last.",
        PWR_READY="Says what the supply is set to, under the next contract number.",
        say_why="Gives the refusal its reason.",
        set_supply="Turns the supply to the offer that was accepted; `supply_ready` follows.",
    ),
)
MODULE_ROWS: Final = given(
    "ROLE_SWAP",
    # A swap to where power flows already changes nothing.
    on(_AS_SINK, _SWAP, when="!to_phone", do=[answer(OK)]),
    on(_AS_SINK, _SWAP, when=("to_phone", "!can_supply"), do=[answer(PWR_MISMATCH)], req=("R-PWR-010",)),
    on(_AS_SINK, _SWAP, when=("to_phone", "!charge_left"), do=[answer(PWR_REJECT)]),
    on(_AS_SINK, _SWAP, when=("to_phone", "!cool"), do=[answer(THERMAL_LIMIT)], req=("R-PWR-014",)),
    on(
        _AS_SINK,
        _SWAP,
        do=[do("drop_contract"), do("turn_to_source"), answer(OK), start("tPwrTransition")],
        to="SWAP",
    ),
    on("SWAP", local("supply_ready"), do=_offer, to="SOURCE", req=("R-PWR-009",)),
    on(
        _OFFERED,
        _ASKED,
        when="covered",
        do=[answer(OK), do("set_supply"), start("tPwrTransition")],
        to="SOURCE_TRANSITION",
        req=("R-PWR-028",),
    ),
    on(_OFFERED, _ASKED, do=[do("say_why"), answer(PWR_REJECT)], req=("R-PWR-023", "R-PWR-024", "R-PWR-025")),
    on("SOURCE_TRANSITION", local("supply_ready"), do=[send(PWR_READY)], to="SOURCE_CONTRACT", req=("R-PWR-027",)),
    on(("SWAP", "SOURCE_TRANSITION"), expired("tPwrTransition"), do=_cut, to="HARD_RESET"),
    # The way back.
    on(_AS_SOURCE, _SWAP, when="to_phone", do=[answer(OK)]),
    on(_AS_SOURCE, _SWAP, do=[*_back, answer(OK), start("tSinkWaitCaps")], to="BOOT", req=("R-PWR-036",)),
    on(_AS_SOURCE, local("session_closed"), do=_back, to="BOOT"),
    on(_AS_SOURCE, line("power_off"), do=_back, to="OFF"),
    on(_AS_SOURCE, _RESET, when="hard", do=[*_back, start("tPwrHardReset")], to="HARD_RESET"),
    on(("SOURCE", "SOURCE_TRANSITION", "SOURCE_CONTRACT"), _RESET, do=_offer, to="SOURCE", req=("R-PWR-034",)),
    on(_AS_SOURCE, local("power_fault"), do=[*_back, send(PWR_FAULT)], to="FAULT", req=("R-PWR-033",)),
    on(_AS_SOURCE, _FAULT, when="latched", do=_back, to="FAULT", req=("R-PWR-033",)),
)

# ── The phone, as sink ───────────────────────────────────────────────────────────────────────────────

_SUPPLYING = ("CAPS_SENT", "CONTRACT", "LIMITED")
_SINKING = ("SWAP", "SINK", "SINK_REQUESTED", "SINK_TRANSITION", "SINK_CONTRACT")
_ask: list[Action] = [do("keep_offers"), send(PWR_REQUEST, "request"), start("tSenderResponse")]
_leave: list[Action] = [do("drop_contract"), do("turn_to_sink")]
_wait: Action = start("tPwrTransition", "max")
_return: list[Action] = [do("turn_to_source")]
_cut_off: list[Action] = [*_return, send(PWR_RESET), start("tPwrHardReset")]

PHONE_STATES: Final = (
    state("SWAP", "A role swap was accepted; the module's offers must come."),
    state("SINK", "The module supplies; the last request was refused."),
    state("SINK_REQUESTED", "A request is open."),
    state("SINK_TRANSITION", "The request was accepted; the module's supply is on its way there."),
    state("SINK_CONTRACT", "A contract holds, under which the phone draws."),
)
PHONE_LOCALS: Final = terms(
    want_power="The phone is to be supplied by the module.",
    want_supply="The phone is to supply the module again.",
)
PHONE_GUARDS: Final = (
    *_GUARDS,
    *terms(
        answers_to_phone="The PWR_ROLE_SWAP answered has the direction TO_PHONE.",
        can_supply="Voltage and current are within what the phone can supply.",
        swap_agreed="The phone agrees to the direction, the voltage and the current asked for.",
    ),
)
PHONE_EFFECTS: Final = (
    *_EFFECTS,
    *terms(
        PWR_ROLE_SWAP="Asks that power flow to the phone upon `want_power`, to the module upon `want_supply`.",
        PWR_REQUEST="Asks for the offer that serves the phone best, of the last generation received.",
        PWR_STATUS="Says what is measured now.",
        keep_offers="Keeps the module's offers in place of those before.",
        take_contract="Draws up to `limit` from now on.",
    ),
)
PHONE_ROWS: Final = given(
    "ROLE_SWAP",
    on(_SUPPLYING, local("want_power"), do=[send(PWR_ROLE_SWAP, "request")]),
    on(_SUPPLYING, _SWAPPED, when="answers_to_phone", do=[*_leave, _wait], to="SWAP"),
    on(_SUPPLYING, _SWAP, when="!to_phone", do=[answer(OK)]),
    on(_SUPPLYING, _SWAP, when=("to_phone", "!swap_agreed"), do=[answer(PWR_REJECT)]),
    on(_SUPPLYING, _SWAP, do=[*_leave, answer(OK), _wait], to="SWAP"),
    # The contract, from the other end.
    on(("SWAP", "SINK", "SINK_CONTRACT"), _OFFERS, do=_ask, to="SINK_REQUESTED", req=("R-PWR-019",)),
    on(("SINK_REQUESTED", "SINK_TRANSITION"), _OFFERS, do=[do("keep_offers")], req=("R-PWR-020",)),
    on("SINK_REQUESTED", _GRANTED, do=[_wait], to="SINK_TRANSITION"),
    on("SINK_REQUESTED", _REFUSED, to="SINK", req=("R-PWR-022",)),
    on("SINK_TRANSITION", _READY, do=[do("take_contract"), send(PWR_STATUS)], to="SINK_CONTRACT", req=("R-PWR-030",)),
    on("SINK_REQUESTED", expired("tSenderResponse"), do=_cut_off, to="HARD_RESET"),
    on(("SWAP", "SINK_TRANSITION"), expired("tPwrTransition"), do=_cut_off, to="HARD_RESET"),
    # The way back.
    on(_SINKING, local("want_supply"), do=[send(PWR_ROLE_SWAP, "request")]),
    on(_SINKING, _SWAPPED, when="!answers_to_phone", do=[*_return, *_offer], to="CAPS_SENT", req=("R-PWR-009",)),
    on(_SINKING, _SWAP, when="to_phone", do=[answer(OK)]),
    on(_SINKING, _SWAP, when=("!to_phone", "!can_supply"), do=[answer(PWR_MISMATCH)], req=("R-PWR-010",)),
    on(_SINKING, _SWAP, when=("!to_phone", "!swap_agreed"), do=[answer(PWR_REJECT)]),
    on(_SINKING, _SWAP, do=[*_return, answer(OK), *_offer], to="CAPS_SENT", req=("R-PWR-009",)),
    on(_SINKING, local("session_closed"), do=_return, to="BOOT"),
    on(_SINKING, line("power_off"), do=_return, to="OFF"),
    on(_SINKING, _RESET, when="hard", do=[*_return, start("tPwrHardReset")], to="HARD_RESET"),
    on(("SINK_REQUESTED", "SINK_TRANSITION"), _RESET, do=[_wait], to="SWAP", req=("R-PWR-035",)),
    on(_SINKING, local("power_fault"), do=[*_return, send(PWR_FAULT)], to="FAULT", req=("R-PWR-033",)),
    on(_SINKING, _FAULT, when="latched", do=_return, to="FAULT", req=("R-PWR-033",)),
)
