"""The machines of focus: who moves it and what it is doing, on both sides.

Plan: words of both machines · the module · the phone.

The states are those that FOCUS_STATE reports, in the same order. A ring and the phone want the same motor; who has it
is settled for each control by CONTROL_OWNER, and this machine is told: `user_has_it`, `phone_has_it`. Under RING_WINS
the hand keeps it for `hold` after its last count, and until then the phone is refused. A movement ends in one of five
ways: it arrives, it is cancelled, another takes its place, the ring takes it away, or the motor stalls.
"""

from typing import Final

from opalink.spec.codes import LATE, OK, RANGE_LIMIT, RING_OWNED
from opalink.spec.form import Action, Role
from opalink.spec.lens import CONTROL_OWNER, FOCUS_MOVE, FOCUS_STATE, FocusActivity
from opalink.spec.machine import answer, at_most_one, do, line, local, machine, on, one_of, rx, send, state, terms

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_STATES = tuple(state(m.name, m.doc) for m in FocusActivity.members)
_ALL: Final = tuple(s.name for s in _STATES)
_MOVED: Final = _ALL[1:]
_NOT_BY_HAND: Final = tuple(s for s in _ALL if s != "RING_OVERRIDE")
_LINES = terms("power_off")

# ── The module ───────────────────────────────────────────────────────────────────────────────────────

_move = rx(FOCUS_MOVE, "request")
_report: list[Action] = [send(FOCUS_STATE)]
_halt: list[Action] = [do("supersede"), *_report]

FOCUS_MODULE: Final = machine(
    "FOCUS",
    Role.MODULE,
    "Who moves the focus of a module, and what it is doing.",
    needs=("FOCUS_MOTOR",),
    states=_STATES,
    lines=_LINES,
    locals=terms(
        "session_closed",
        "reboot",
        arrived="The motor stands where it was sent and, where that was asked for, has settled.",
        stalled="The motor was driven and does not move.",
        cancelled="CANCEL has ended the request under which the motor moves.",
        report_due="The focus has moved for nearly 100 ms since it was last reported.",
        focus_set="PROP_SET, or a step of a plan, has put the focus elsewhere.",
        homing="MOTOR_HOME was set: the motor is to find its end.",
        ring_turned="The ring has turned by a count or more.",
        user_has_it="The focus has passed to the user's hand.",
        phone_has_it="The focus has passed to the phone: `hold` is over, or somebody has given it up.",
    ),
    guards=terms(
        ring_has_it="The user has the focus under RING_WINS.",
        reachable="Target and speed are within what the motor can do.",
        in_time="`by` is 0, or the motor can be there by then.",
        at_end="The focus stands at an end of its range.",
        ring_moves="The ring's use is the focus, and its policy is not PHONE_LOCKS.",
    ),
    effects=terms(
        FOCUS_STATE="Says where the focus is, whom the motor obeys, and as `state` the one that the row leads to.",
        take_for_phone="Gives the focus to the phone, where LAST_WINS or PHONE_LOCKS let it have it.",
        supersede="Stops the motor where it is; a request under which it moved is answered CANCELLED.",
        drive="Drives the motor to where the request wants it; `arrived` or `stalled` follows. A VELOCITY is answered "
        "once the motor moves.",
        drive_home="Drives the motor to the far end of its range; `arrived` or `stalled` follows.",
        finish_move="Answers the request under which the motor moved.",
        fail_move="Answers the request under which the motor was driven with MOTOR_BLOCKED.",
        yield_to_ring="Stops the motor; a request under which it moved is answered RING_OWNED. Follows the ring.",
    ),
    rows=(
        # What is asked.
        on(_ALL, _move, when="ring_has_it", do=[answer(RING_OWNED)], req=("R-LEN-001",)),
        on(_ALL, _move, when="!reachable", do=[answer(RANGE_LIMIT)], req=("R-LEN-007",)),
        on(_ALL, _move, when="!in_time", do=[answer(LATE)], req=("R-LEN-008",)),
        on(
            _ALL,
            _move,
            do=[do("take_for_phone"), do("supersede"), answer(OK), *_report, do("drive")],
            to="MOVING",
            req=("R-LEN-004", "R-LEN-009", "R-LEN-010", "R-LEN-024"),
        ),
        on(_ALL, local("homing"), do=[*_halt, do("drive_home")], to="MOVING"),
        on(_ALL, local("focus_set"), do=_halt, to="SETTLED", req=("R-LEN-010",)),
        # How a movement ends.
        on("MOVING", local("report_due"), do=_report, req=("R-LEN-011",)),
        on("MOVING", local("arrived"), when="at_end", do=[*_report, do("finish_move")], to="LIMIT", req=("R-LEN-010",)),
        on("MOVING", local("arrived"), do=[*_report, do("finish_move")], to="SETTLED", req=("R-LEN-010",)),
        on("MOVING", local("stalled"), do=[*_report, do("fail_move")], to="FAULT", req=("R-LEN-010", "R-LEN-025")),
        on("MOVING", local("cancelled"), do=_report, to="SETTLED", req=("R-LEN-010",)),
        # The hand.
        on(
            _ALL,
            local("ring_turned"),
            when=("ring_moves", "at_end"),
            do=[do("yield_to_ring"), *_report],
            to="LIMIT",
            req=("R-LEN-023",),
        ),
        on(
            _ALL,
            local("ring_turned"),
            when="ring_moves",
            do=[do("yield_to_ring"), *_report],
            to="RING_OVERRIDE",
            req=("R-LEN-023",),
        ),
        on(_ALL, local("user_has_it"), do=_report, req=("R-LEN-002", "R-LEN-010")),
        on("RING_OVERRIDE", local("phone_has_it"), do=_report, to="SETTLED", req=("R-LEN-003", "R-LEN-010")),
        on(_NOT_BY_HAND, local("phone_has_it"), do=_report, req=("R-LEN-003", "R-LEN-010")),
        # The session's end stops the motor; a start forgets that it ever moved.
        on("MOVING", local("session_closed"), do=[do("supersede")], to="SETTLED"),
        on(_MOVED, local("reboot"), do=[do("supersede")], to="IDLE"),
        on(_MOVED, line("power_off"), do=[do("supersede")], to="IDLE"),
    ),
)

# ── The phone ────────────────────────────────────────────────────────────────────────────────────────
# It is where the module says that the focus is: a request takes it nowhere.

_told = rx(FOCUS_STATE, "event")

FOCUS_PHONE: Final = machine(
    "FOCUS",
    Role.PHONE,
    "What a phone knows of the focus, and when it asks to move it.",
    needs=("FOCUS_MOTOR",),
    states=_STATES,
    lines=_LINES,
    locals=terms(
        "session_closed",
        want_focus="Autofocus or the user wants the focus elsewhere.",
        want_owner="Somebody is to have the ring's motor, or another policy is to hold.",
    ),
    choices=(
        at_most_one(*(f"says_{s.lower()}" for s in _ALL)),
        one_of("ring_wins", "last_wins", "phone_locks"),
        at_most_one("was_owned", "was_blocked"),
    ),
    guards=terms(
        **{f"says_{s.lower()}": f"`state` is {s}." for s in _ALL},
        ring_wins="The ring's policy is RING_WINS, which holds until a response to CONTROL_OWNER says otherwise.",
        last_wins="The ring's policy is LAST_WINS.",
        phone_locks="The ring's policy is PHONE_LOCKS.",
        was_owned="The status is RING_OWNED.",
        was_blocked="The status is MOTOR_BLOCKED.",
    ),
    effects=terms(
        FOCUS_MOVE="Asks for the focus that is wanted.",
        CONTROL_OWNER="Asks for the owner, the policy and the `hold` that are wanted.",
        keep_focus="Keeps what FOCUS_STATE says.",
        keep_owner="Keeps the owner, the policy and the `hold` that the response gives.",
        focus_done="Tells whoever wanted the focus that it is there, and where.",
        focus_failed="Tells whoever wanted the focus that it is not there, and why.",
    ),
    rows=(
        on(_NOT_BY_HAND, local("want_focus"), do=[send(FOCUS_MOVE, "request")]),
        on("RING_OVERRIDE", local("want_focus"), when="last_wins", do=[send(FOCUS_MOVE, "request")]),
        on("RING_OVERRIDE", local("want_focus"), when="phone_locks", do=[send(FOCUS_MOVE, "request")]),
        on("RING_OVERRIDE", local("want_focus"), when="ring_wins", do=[do("focus_failed")]),
        *(on(_ALL, _told, when=f"says_{s.lower()}", do=[do("keep_focus")], to=s) for s in _ALL),
        on(_ALL, rx(FOCUS_MOVE, "response"), do=[do("focus_done")]),
        on(_ALL, rx(FOCUS_MOVE, "error"), when="was_owned", do=[do("focus_failed")], to="RING_OVERRIDE"),
        on(_ALL, rx(FOCUS_MOVE, "error"), when="was_blocked", do=[do("focus_failed")], to="FAULT"),
        on(_ALL, rx(FOCUS_MOVE, "error"), do=[do("focus_failed")]),
        on(_ALL, local("want_owner"), do=[send(CONTROL_OWNER, "request")]),
        on(_ALL, rx(CONTROL_OWNER, "response"), do=[do("keep_owner")]),
        on(_MOVED, local("session_closed"), to="IDLE"),
        on(_MOVED, line("power_off"), to="IDLE"),
    ),
)

MACHINES: Final = (FOCUS_MODULE, FOCUS_PHONE)
