"""The machines of time: what a module's time rests on, and what a phone makes of that.

Plan: words of both machines · the module · the phone.

The states are those that TIME_STATUS reports, in the same order. The module asks, the phone answers from its clock and
keeps nothing of the exchange; what the phone keeps is what the module says of itself, since only a module that knows
the time can be given a moment for a trigger.
"""

from typing import Final

from opalink.spec.codes import BAD_STATE, LATE, NO_MEMORY, NO_SUCH_ID, NO_TIME, OK, RANGE_LIMIT
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
from opalink.spec.realtime import TIME_STATUS, TIME_SYNC, TRIGGER_AT, TRIGGER_FIRED, TimeState

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_STATES = tuple(state(m.name, m.doc) for m in TimeState.members)
_ALL: Final = tuple(s.name for s in _STATES)
_SOUGHT: Final = _ALL[1:]
_KNOWN: Final = ("LOCKED", "HOLDOVER")
_LINES = terms("power_off")

# ── The module ───────────────────────────────────────────────────────────────────────────────────────

_exchange, _trigger = rx(TIME_SYNC, "response"), rx(TRIGGER_AT, "request")
_again: list[Action] = [start("tTimeSync")]
_ask: list[Action] = [send(TIME_SYNC, "request"), *_again]
_take: list[Action] = [do("take_exchange"), send(TIME_STATUS)]
_lose: list[Action] = [do("forget_time"), send(TIME_STATUS)]
_end: list[Action] = [stop("tTimeSync"), do("forget_time")]

TIME_MODULE: Final = machine(
    "TIME",
    Role.MODULE,
    "What the module's time rests on.",
    needs=("TIME",),
    states=_STATES,
    lines=_LINES,
    locals=terms(
        "session_closed",
        "session_open",
        "reboot",
        silent="No exchange has been good for 1 s.",
        too_old="No exchange has been good for 10 s.",
        class_fell="`bound` has grown beyond what the class reported last allows.",
        time_lost="What the module took for the time is known to be wrong.",
    ),
    guards=terms(
        exchange_open="A TIME_SYNC waits for its response.",
        exchange_good="`t1` is that of the request, the four stamps can follow one another, and the link was not "
        "trained between them.",
        enough="With this exchange three have been good since FREE, and `bound` is within what class T0 allows.",
        class_changes="With this exchange the best class that `bound` allows is another than was reported last.",
        soon="`fire` has passed, or comes sooner than the module can act on.",
        action_there="The module has what is to act: a sensor, or for STROBE a flash.",
        action_ready="A stream runs, or the action is STROBE.",
        plan_known="The action is not PLAN, or `plan` is set.",
        trigger_room="The module can keep one more trigger.",
    ),
    effects=terms(
        TIME_SYNC="Asks for the time, with the module's clock at launch.",
        TIME_STATUS="Says how well the time is known, and as `state` the one that the row leads to.",
        take_exchange="Takes offset, ratio and `bound` from the four stamps; `bound` grows from then on.",
        forget_time="Forgets every exchange: `bound` is without limit.",
        set_trigger="Acts at `fire`, and says so with TRIGGER_FIRED.",
    ),
    rows=(
        # Asking goes on as long as there is a session, lit or not.
        on("FREE", local("session_open"), when="!exchange_open", do=_ask),
        on(_ALL, expired("tTimeSync"), when="exchange_open", do=_again, req=("R-TIM-005",)),
        on(_ALL, expired("tTimeSync"), do=_ask),
        # What comes of it.
        on(_ALL, _exchange, when="!exchange_good", req=("R-TIM-004",)),
        on("LOCKED", _exchange, when=("exchange_good", "enough", "!class_changes"), do=[do("take_exchange")]),
        on(_ALL, _exchange, when=("exchange_good", "enough"), do=_take, to="LOCKED", req=("R-TIM-006", "R-TIM-008")),
        on("ACQUIRE", _exchange, when=("exchange_good", "!enough", "!class_changes"), do=[do("take_exchange")]),
        on(_ALL, _exchange, do=_take, to="ACQUIRE", req=("R-TIM-006", "R-TIM-008")),
        on("LOCKED", local("silent"), do=[send(TIME_STATUS)], to="HOLDOVER", req=("R-TIM-007", "R-TIM-008")),
        on("HOLDOVER", local("class_fell"), do=[send(TIME_STATUS)], req=("R-TIM-008", "R-TIM-009")),
        on(("ACQUIRE", "HOLDOVER"), local("too_old"), do=_lose, to="FREE", req=("R-TIM-008",)),
        on(_SOUGHT, local("time_lost"), do=_lose, to="FREE", req=("R-TIM-008",)),
        on(_ALL, local("session_closed"), do=_end, to="FREE"),
        on(_ALL, local("reboot"), do=_end, to="FREE"),
        on(_ALL, line("power_off"), do=_end, to="FREE"),
        # Triggers.
        on(("FREE", "ACQUIRE"), _trigger, do=[answer(NO_TIME)], req=("R-TIM-010", "R-TIM-016")),
        on(_KNOWN, _trigger, when="soon", do=[answer(LATE)], req=("R-TIM-011", "R-TIM-016")),
        on(_KNOWN, _trigger, when="!action_there", do=[answer(RANGE_LIMIT)], req=("R-TIM-016",)),
        on(_KNOWN, _trigger, when="!action_ready", do=[answer(BAD_STATE)], req=("R-TIM-016",)),
        on(_KNOWN, _trigger, when="!plan_known", do=[answer(NO_SUCH_ID)], req=("R-TIM-012", "R-TIM-016")),
        on(_KNOWN, _trigger, when="!trigger_room", do=[answer(NO_MEMORY)], req=("R-TIM-016",)),
        on(_KNOWN, _trigger, do=[do("set_trigger"), answer(OK)], req=("R-TIM-013", "R-TIM-015")),
    ),
)

# ── The phone ────────────────────────────────────────────────────────────────────────────────────────

_status = rx(TIME_STATUS, "event")

TIME_PHONE: Final = machine(
    "TIME",
    Role.PHONE,
    "What the phone knows of the module's time. To answer TIME_SYNC it needs its clock alone.",
    needs=("TIME",),
    states=_STATES,
    lines=_LINES,
    locals=terms("session_closed", want_trigger="Something is to happen at a moment of link time."),
    choices=(at_most_one(*(f"says_{s.lower()}" for s in _ALL)),),
    guards=terms(**{f"says_{s.lower()}": f"`state` is {s}." for s in _ALL}),
    effects=terms(
        TRIGGER_AT="Names the moment, and what is to happen.",
        keep_status="Keeps offset, ratio, `bound` and class.",
        trigger_failed="Tells whoever wanted it that nothing will happen then, and why.",
        trigger_set="Tells whoever wanted it that it will happen.",
        trigger_done="Tells whoever wanted it that it has happened, when it was to, and when it did.",
    ),
    rows=(
        on(_ALL, rx(TIME_SYNC, "request"), do=[answer(OK)], req=("R-TIM-002", "R-TIM-003")),
        *(on(_ALL, _status, when=f"says_{s.lower()}", do=[do("keep_status")], to=s) for s in _ALL),
        on(("FREE", "ACQUIRE"), local("want_trigger"), do=[do("trigger_failed")]),
        on(_KNOWN, local("want_trigger"), do=[send(TRIGGER_AT, "request")]),
        on(_ALL, rx(TRIGGER_AT, "response"), do=[do("trigger_set")]),
        on(_ALL, rx(TRIGGER_AT, "error"), do=[do("trigger_failed")]),
        on(_ALL, rx(TRIGGER_FIRED, "event"), do=[do("trigger_done")]),
        on(_SOUGHT, local("session_closed"), to="FREE"),
        on(_SOUGHT, line("power_off"), to="FREE"),
    ),
)

MACHINES: Final = (TIME_MODULE, TIME_PHONE)
