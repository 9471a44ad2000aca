"""Attaching as the module sees it: from contact to session and back.

Plan: events and actions · the machine.
"""

from typing import Final

from opalink.spec import attach_rules as rule
from opalink.spec import link
from opalink.spec.attach import (
    ALWAYS,
    BEFORE_HELLO,
    EFFECTS,
    EVERYTHING,
    FATAL,
    GUARDS,
    LEAVING,
    LINES,
    LIVE,
    LOCALS,
    READY,
    RESUMING,
    alive,
    beacon,
    close,
    keeping,
    lose,
    seek,
)
from opalink.spec.codes import BAD_STATE, BAD_VERSION, NEEDS_SESSION, OK, RANGE_LIMIT
from opalink.spec.form import Action, Role
from opalink.spec.link import BEACON
from opalink.spec.machine import (
    answer,
    at_most_one,
    do,
    expired,
    line,
    local,
    machine,
    on,
    one_of,
    rx,
    send,
    signal,
    start,
    state,
    terms,
)
from opalink.spec.management import HELLO
from opalink.spec.management_operation import EJECT, FAULT_EVENT, KEEPALIVE, RESET
from opalink.spec.security import TRUST_POLICY

# ── Events and actions ───────────────────────────────────────────────────────────────────────────────

_hello, _reset, _eject = rx(HELLO, "request"), rx(RESET, "request"), rx(EJECT, "request")
_GREETABLE: Final = ("BEACON", "HELLO", *LIVE, "LINK_LOST")
_RESETTABLE: Final = ("BEACON", "HELLO", *READY)
_POWERED: Final = ("BOOT", "BEACON", "HELLO", *LIVE, "LINK_LOST", "FAULT")

_boot: list[Action] = [do("boot"), start("tBeaconAfterPower")]
_resume: list[Action] = [
    do("resume_session"),
    answer(OK),
    *alive,
    signal("session_resumed"),
    signal("session_open"),
]
_open: list[Action] = [*close, do("new_session"), answer(OK), *alive, signal("session_open")]
_reboot: list[Action] = [*close, signal("reboot"), *_boot]

# ── The machine ──────────────────────────────────────────────────────────────────────────────────────

ATTACH_MODULE: Final = machine(
    "ATTACH",
    Role.MODULE,
    "From contact to session and back, as the module sees it.",
    states=(
        state("DETACHED", "No power from the contacts."),
        state("BOOT", "Class P0, until the first BEACON.", allows=(link.GROUP, *ALWAYS)),
        state(
            "BEACON",
            "Waiting for light, and without a laser for HELLO on the sideband; BEACON is repeated.",
            allows=BEFORE_HELLO,
        ),
        state("HELLO", "The light is there; waiting for HELLO.", allows=BEFORE_HELLO),
        state("READY_BASIC", "A session, in which authentication has not finished.", allows=EVERYTHING),
        state("READY_FULL", "A session; authentication has finished, or none is offered.", allows=EVERYTHING),
        state(
            "DETACHING",
            "Finishing what is pending; after COMMIT, waiting for the contacts to open, or to be greeted again.",
            allows=(HELLO, *LEAVING),
        ),
        state("LINK_LOST", "The contacts are closed, the link is lost, the session waits.", allows=RESUMING),
        state("FAULT", "A fault that only a reset or a loss of power ends.", allows=(RESET, *ALWAYS)),
    ),
    lines=(*LINES, *terms("light_on")),
    locals=(*LOCALS, *terms("reboot", "link_reset")),
    guards=(
        *GUARDS,
        *terms(
            has_laser="The module has the feature LASER.",
            offers_security="The module has the feature SECURITY.",
            light_seen="The peer's light is seen.",
            version_common="A version from the lowest to the highest of HELLO is one of the module's.",
            resuming="`resume_session` is not 0.",
            resume_matches="`resume_session` is the session held, and both nonces are those of its last HELLO.",
            trust_settled="TRUST_POLICY has come since the last HELLO, or the module has not the feature SECURITY.",
            phase_prepare="`phase` is PREPARE.",
            phase_commit="`phase` is COMMIT.",
            phase_abort="`phase` is ABORT.",
            level_protocol="`level` is PROTOCOL.",
            level_link="`level` is LINK.",
            level_module="`level` is MODULE.",
        ),
    ),
    choices=(
        one_of("phase_prepare", "phase_commit", "phase_abort"),
        at_most_one("level_protocol", "level_link", "level_module"),
    ),
    effects=(
        *EFFECTS,
        *terms(
            boot="Begins as after a loss of power, with a new BEACON nonce.",
            new_session="Draws a session number and a nonce.",
            resume_session="Keeps the session, with the nonces of this HELLO.",
            erase="Forgets settings and stored data, never calibration.",
        ),
    ),
    rows=(
        on("DETACHED", line("power_on"), do=_boot, to="BOOT", req=("R-LNK-003", "R-LNK-004")),
        on(_POWERED, line("power_off"), do=close, to="DETACHED"),
        on(_POWERED[:-1], local("fault"), do=[send(FAULT_EVENT, why=FATAL), *close], to="FAULT"),
        # Light.
        on(
            "BOOT",
            expired("tBeaconAfterPower"),
            when="light_seen",
            do=beacon,
            to="HELLO",
            req=("R-LNK-003", rule.SILENT),
        ),
        on("BOOT", expired("tBeaconAfterPower"), do=beacon, to="BEACON", req=("R-LNK-003", rule.SILENT)),
        on("BEACON", line("light_on"), to="HELLO"),
        on("HELLO", line("light_off"), do=[seek], to="BEACON"),
        on("HELLO", local("link_down"), do=[seek], to="BEACON"),
        # The session. One refused changes nothing. Who is to be let go and is greeted again is wanted again.
        on("DETACHING", rx(BEACON, "event"), when="!in_session", do=beacon, to="BEACON"),
        on(_GREETABLE, _hello, when="!version_common", do=[answer(BAD_VERSION)], req=("R-MGT-002", rule.UNTOUCHED)),
        on(
            ("BEACON", "LINK_LOST"),
            _hello,
            when=("has_laser", "!light_seen"),
            do=[answer(BAD_STATE)],
            req=(rule.UNTOUCHED,),
        ),
        on(
            _GREETABLE,
            _hello,
            when=("resuming", "!resume_matches"),
            do=[answer(NEEDS_SESSION)],
            req=(rule.STRANGER, rule.UNTOUCHED, rule.GONE),
        ),
        # What was trusted before the link was lost is not trusted after it.
        on(
            _GREETABLE,
            _hello,
            when=("resuming", "offers_security"),
            do=_resume,
            to="READY_BASIC",
            req=("R-SEC-007", rule.SAME),
        ),
        on(_GREETABLE, _hello, when="resuming", do=_resume, to="READY_FULL", req=(rule.SAME,)),
        on(_GREETABLE, _hello, when="offers_security", do=_open, to="READY_BASIC", req=("R-MGT-005", rule.NEW)),
        on(_GREETABLE, _hello, do=_open, to="READY_FULL", req=("R-MGT-005", rule.NEW)),
        on("READY_BASIC", rx(TRUST_POLICY, "event"), to="READY_FULL"),
        on("READY_FULL", rx(TRUST_POLICY, "event")),
        # Light shows that somebody is there, not that this side's BEACON was heard: it is repeated until HELLO comes.
        *keeping("BEACON", "HELLO"),
        on("LINK_LOST", expired("tHoldover"), when="light_seen", do=close, to="HELLO", req=(rule.GONE,)),
        on("LINK_LOST", expired("tHoldover"), do=[*close, *beacon], to="BEACON", req=(rule.GONE,)),
        on(READY, rx(KEEPALIVE, "request"), do=[answer(OK)]),
        on("DETACHING", rx(KEEPALIVE, "request"), when="in_session", do=[answer(OK)]),
        on("DETACHING", rx(KEEPALIVE, "request"), do=[answer(BAD_STATE)]),
        # Removal that was announced.
        on(
            READY, _eject, when="phase_prepare", do=[answer(OK), signal("detaching")], to="DETACHING", req=(rule.QUIET,)
        ),
        on(READY, _eject, do=[answer(BAD_STATE)]),
        on("DETACHING", _eject, when="!in_session", do=[answer(BAD_STATE)]),
        on("DETACHING", _eject, when="phase_prepare", do=[answer(OK)]),
        on("DETACHING", _eject, when="phase_commit", do=[answer(OK), *close], req=(rule.PARKED, rule.FORGETS)),
        on("DETACHING", _eject, when=("phase_abort", "trust_settled"), do=[answer(OK)], to="READY_FULL"),
        on("DETACHING", _eject, when="phase_abort", do=[answer(OK)], to="READY_BASIC"),
        # Resets.
        on(_RESETTABLE, _reset, when=("level_protocol", "light_seen"), do=[answer(OK), *close], to="HELLO"),
        on(_RESETTABLE, _reset, when="level_protocol", do=[answer(OK), *close, *beacon], to="BEACON"),
        on(_RESETTABLE, _reset, when=("level_link", "!has_laser"), do=[answer(RANGE_LIMIT)]),
        on(READY, _reset, when="level_link", do=[answer(OK), *lose, signal("link_reset"), *beacon], to="LINK_LOST"),
        on(("BEACON", "HELLO"), _reset, when="level_link", do=[answer(OK), signal("link_reset"), *beacon], to="BEACON"),
        on(
            (*_RESETTABLE, "FAULT"),
            _reset,
            when="level_module",
            do=[answer(OK), *_reboot],
            to="BOOT",
            req=(rule.ANSWERED,),
        ),
        on(
            "READY_FULL",
            _reset,
            do=[answer(OK), do("erase"), *_reboot],
            to="BOOT",
            req=("R-MGT-038", rule.ANSWERED, rule.ERASED),
        ),
        on(("BEACON", "HELLO", "READY_BASIC", "FAULT"), _reset, do=[answer(BAD_STATE)]),
    ),
)
