"""Attaching as the phone leads it: from contact to session and back.

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
from opalink.spec.form import Action, Role
from opalink.spec.link import BEACON
from opalink.spec.machine import (
    at_most_one,
    do,
    expired,
    line,
    local,
    machine,
    on,
    rx,
    send,
    signal,
    start,
    state,
    stop,
    terms,
)
from opalink.spec.management import HELLO
from opalink.spec.management_operation import EJECT, FAULT_EVENT, RESET

# ── Events and actions ───────────────────────────────────────────────────────────────────────────────

_met = rx(BEACON, "event")
_welcomed, _refused = rx(HELLO, "response"), rx(HELLO, "error")
_MEETING: Final = ("BEACON", "TRAIN", "HELLO")
_POWERED: Final = ("BOOT_POWER", *_MEETING, *LIVE, "LINK_LOST")

_greet: list[Action] = [send(HELLO, "request"), start("tKeepAlive"), start("tKeepAliveLoss")]
_give_up: list[Action] = [*close, do("supply_off")]

# ── The machine ──────────────────────────────────────────────────────────────────────────────────────

ATTACH_PHONE: Final = machine(
    "ATTACH",
    Role.PHONE,
    "From contact to session and back, as the phone leads it.",
    states=(
        state("DETACHED", "No module."),
        state("DETECT", "The contacts have closed; waiting until they rest, and reading the signature."),
        state("CLASSIFY", "Reading the class current."),
        state("BOOT_POWER", "Boot power comes up.", allows=(link.GROUP, *ALWAYS)),
        state("BEACON", "Waiting for the module's BEACON.", allows=(link.GROUP, *ALWAYS)),
        state("TRAIN", "The module is known; waiting for the link.", allows=(link.GROUP, *ALWAYS)),
        state("HELLO", "Waiting for the answer to HELLO.", allows=BEFORE_HELLO),
        state("READY_BASIC", "A session, in which authentication has not finished.", allows=EVERYTHING),
        state("READY_FULL", "A session; authentication has finished, or none is offered.", allows=EVERYTHING),
        state("DETACHING", "The user wants the module off; what is pending is fetched.", allows=LEAVING),
        state("LINK_LOST", "The contacts are closed, the link is lost, the session waits.", allows=RESUMING),
        state("FAULT", "No power until the contacts have opened.", allows=ALWAYS),
    ),
    lines=LINES,
    locals=(
        *LOCALS,
        *terms(
            "link_up",
            "link_reset",
            "auth_finished",
            eject="The user wants the module off.",
            fetched="The phone has all that it wants from the module.",
            keep="The user wants to keep it after all.",
        ),
    ),
    guards=(
        *GUARDS,
        *terms(
            signature_good="The contacts show a module's signature and no leakage.",
            class_good="The class current is one that the phone supplies.",
            nonce_new="The BEACON's nonce is not that of the module known.",
            lane_up="The link is in L0, or the module known has no laser.",
            version_refused="The status is BAD_VERSION.",
            session_unknown="The status is NEEDS_SESSION.",
            auth_done="`auth_finished` has come since the last HELLO.",
            level_protocol="`level` of the RESET answered is PROTOCOL.",
            level_link="`level` of the RESET answered is LINK.",
            answers_prepare="The EJECT answered had the phase PREPARE.",
            answers_commit="The EJECT answered had the phase COMMIT.",
        ),
    ),
    choices=(
        at_most_one("level_protocol", "level_link"),
        at_most_one("answers_prepare", "answers_commit"),
    ),
    effects=(
        *EFFECTS,
        *terms(
            HELLO="Resumes the session held, if there is one.",
            EJECT="`phase` is PREPARE where the row leads to DETACHING, COMMIT upon `fetched`, ABORT upon `keep`.",
            supply_boot="Applies boot power.",
            supply_off="Takes the contacts to 0 V.",
            keep_module="Keeps what the BEACON says of the module.",
            keep_session="Keeps the session's number and both nonces.",
            clean_up="Releases everything held for the module.",
        ),
    ),
    rows=(
        # Contacts.
        on("DETACHED", line("power_on"), do=[start("tDockDebounce")], to="DETECT"),
        on(("DETECT", "CLASSIFY"), line("power_off"), to="DETACHED"),
        on("DETECT", expired("tDockDebounce"), when="signature_good", do=[start("tClassify")], to="CLASSIFY"),
        on("DETECT", expired("tDockDebounce"), to="FAULT"),
        on(
            "CLASSIFY",
            expired("tClassify"),
            when="class_good",
            do=[do("supply_boot"), start("tInrush")],
            to="BOOT_POWER",
        ),
        on("CLASSIFY", expired("tClassify"), to="FAULT"),
        on("BOOT_POWER", expired("tInrush"), do=[start("tKeepAliveLoss")], to="BEACON"),
        on((*_POWERED, "FAULT"), line("power_off"), do=[start("tDcDisconnect")]),
        on((*_POWERED, "FAULT"), line("power_on"), do=[stop("tDcDisconnect")]),
        on(
            (*_POWERED, "FAULT"),
            expired("tDcDisconnect"),
            do=[*close, do("clean_up")],
            to="DETACHED",
            req=(rule.CLEAN,),
        ),
        on(_POWERED, local("fault"), do=[send(FAULT_EVENT, why=FATAL), *_give_up], to="FAULT"),
        on(_MEETING, local("heard"), do=[start("tKeepAliveLoss")]),
        on(_MEETING, expired("tKeepAliveLoss"), do=_give_up, to="FAULT"),
        # Acquaintance. A module that has started again is a new one.
        on(
            _POWERED,
            _met,
            when=("nonce_new", "lane_up"),
            do=[*close, do("keep_module"), send(BEACON), *_greet],
            to="HELLO",
            req=(rule.RESTARTED,),
        ),
        on(
            _POWERED,
            _met,
            when="nonce_new",
            do=[*close, do("keep_module"), *beacon],
            to="TRAIN",
            req=(rule.RESTARTED,),
        ),
        on("TRAIN", local("link_up"), do=_greet, to="HELLO"),
        on("HELLO", local("link_down"), do=[seek], to="TRAIN"),
        # It beacons still: this side's BEACON, without which it has no proof of attach, was lost.
        on("HELLO", _met, when="!nonce_new", do=[send(BEACON)]),
        # The session.
        on("HELLO", expired("tKeepAlive"), do=[send(HELLO, "request"), start("tKeepAlive")]),
        on(
            "HELLO",
            _welcomed,
            do=[do("keep_session"), *alive, signal("session_open")],
            to="READY_BASIC",
        ),
        on("HELLO", _refused, when="version_refused", do=_give_up, to="FAULT"),
        on("READY_BASIC", local("auth_finished"), to="READY_FULL"),
        on("LINK_LOST", local("link_up"), do=[send(HELLO, "request")]),
        on(
            "LINK_LOST",
            expired("tLaserRestartInterval"),
            when="lane_up",
            do=[send(HELLO, "request"), seek],
        ),
        # Answered by a side that had not yet seen the light go: its nonce counts, and the session still waits.
        on("LINK_LOST", _welcomed, when="!lane_up", do=[do("keep_session")]),
        on(
            "LINK_LOST",
            _welcomed,
            do=[do("keep_session"), *alive, signal("session_resumed"), signal("session_open")],
            to="READY_BASIC",
        ),
        on("LINK_LOST", _refused, when=("session_unknown", "lane_up"), do=[*close, *_greet], to="HELLO"),
        on("LINK_LOST", _refused, when="session_unknown", do=[*close, *beacon, start("tKeepAliveLoss")], to="TRAIN"),
        *keeping("TRAIN"),
        on("LINK_LOST", expired("tHoldover"), when="lane_up", do=[*close, *_greet], to="HELLO"),
        on("LINK_LOST", expired("tHoldover"), do=[*close, *beacon, start("tKeepAliveLoss")], to="TRAIN"),
        # Removal that was announced.
        on(READY, local("eject"), do=[send(EJECT, "request"), signal("detaching")], to="DETACHING"),
        on("DETACHING", local("fetched"), do=[send(EJECT, "request")]),
        on("DETACHING", local("keep"), do=[send(EJECT, "request")]),
        on("DETACHING", rx(EJECT, "response"), when="answers_prepare"),
        on("DETACHING", rx(EJECT, "response"), when="answers_commit", do=_give_up),
        on(
            "DETACHING",
            rx(EJECT, "response"),
            when=("!answers_prepare", "!answers_commit", "auth_done"),
            to="READY_FULL",
        ),
        on("DETACHING", rx(EJECT, "response"), to="READY_BASIC"),
        on("DETACHING", rx(EJECT, "error"), when="auth_done", to="READY_FULL"),
        on("DETACHING", rx(EJECT, "error"), to="READY_BASIC"),
        # Resets.
        on(READY, rx(RESET, "response"), when="level_protocol", do=[*close, *_greet], to="HELLO"),
        on(
            READY,
            rx(RESET, "response"),
            when="level_link",
            do=[*lose, signal("link_reset"), *beacon],
            to="LINK_LOST",
        ),
        on(READY, rx(RESET, "response"), do=[*close, start("tKeepAliveLoss")], to="BEACON"),
    ),
)
