"""Attaching, removal and the session: the machine that knows which packets are legal when.

Plan: legality · rules · words of both machines · the module · the phone.

`allows` of a state is the law, on every lane: what is not in it is answered BAD_STATE and changes nothing. Beyond it,
other machines refuse what does not suit their own state. A session is what HELLO opens: settings, streams, buffered
stills, transactions. It survives the light for tHoldover, never the contacts: a module without a battery holds up for
less than a millisecond, so a bounce of the contacts is a restart.

A resume raises `session_open` as a new session does, but no `session_closed` before it: whatever outlives a lost link
hears nothing that ends it.
"""

from functools import partial
from typing import Final

from opalink.spec import capture, frame, lens, link, management, power, realtime, security
from opalink.spec.codes import (
    BAD_STATE,
    BAD_VERSION,
    NEEDS_SESSION,
    OK,
    OVERCURRENT,
    RANGE_LIMIT,
    THERMAL_LIMIT,
    TIMEOUT,
    UNDERVOLTAGE,
)
from opalink.spec.dialect import Group
from opalink.spec.form import Action, Kind, Level, Role, Row, Testability
from opalink.spec.link import BEACON, LINK_EVENT, LINK_PARAMS, TRAIN_REQ, TRAIN_STATUS, VC_RESYNC
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
    stop,
    terms,
)
from opalink.spec.management import EJECT, FAULT_EVENT, HELLO, KEEPALIVE, RESET
from opalink.spec.security import TRUST_POLICY

GROUP: Final = Group("attach", area="ATT", channel="CONTROL", doc="Attaching, removal and the session.")
_PHONE, _MODULE = Role.PHONE, Role.MODULE

# ── Legality ─────────────────────────────────────────────────────────────────────────────────────────

# Legal wherever there is power: what keeps people safe, and what reads or reports and disturbs nothing.
_ALWAYS: Final = (
    power.PWR_FAULT,
    power.PWR_RESET,
    power.PWR_STATUS,
    power.THERMAL_STATUS,
    link.LASER_SAFETY,
    link.COUNTERS_GET,
    management.STATE_GET,
    management.PENDING,
    management.CANCEL,
    FAULT_EVENT,
    management.SEAT_STATUS,
    management.DETACH_NOTICE,
)
_BEFORE_HELLO: Final = (link.GROUP, HELLO, RESET, *_ALWAYS)
_EVERYTHING: Final = (
    link.GROUP,
    management.GROUP,
    security.GROUP,
    power.GROUP,
    realtime.GROUP,
    capture.GROUP,
    frame.GROUP,
    lens.GROUP,
)
# LINK_EVENT is there because the link comes up before the session does.
_RESUMING: Final = (BEACON, TRAIN_REQ, TRAIN_STATUS, LINK_PARAMS, LINK_EVENT, HELLO, VC_RESYNC, *_ALWAYS)
_LEAVING: Final = (EJECT, KEEPALIVE, link.GROUP, frame.GROUP, capture.FLUSH, power.GROUP, *_ALWAYS)

# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────

_must = GROUP.require
_module_must, _phone_must = partial(_must, role=_MODULE), partial(_must, role=_PHONE)

_SILENT = _module_must(1, "The module MAY leave unanswered whatever arrives before its first BEACON.", level=Level.MAY)
_STRANGER = _module_must(
    2,
    "The module MUST answer with NEEDS_SESSION a HELLO that resumes with another session or other nonces than those of "
    "the session it holds.",
    packet=HELLO,
)
_UNTOUCHED = _module_must(3, "The module MUST leave its session as it was when it refuses a HELLO.", packet=HELLO)
_SAME = _module_must(4, "The module MUST answer a resume with the number of the session resumed.", packet=HELLO)
_GONE = _module_must(5, "The module MUST NOT resume a session once tHoldover is over.", kind=Kind.TIMING, packet=HELLO)
_NEW = _module_must(6, "The module MUST end the session that it holds when a HELLO opens a new one.", packet=HELLO)
_QUIET = _module_must(
    7,
    "The module MUST begin no frame between an EJECT that it accepts with PREPARE and one with ABORT.",
    needs=("SENSOR",),
    packet=EJECT,
)
_PARKED = _module_must(
    8,
    "The module MUST have parked its motors when it answers EJECT with the phase COMMIT.",
    needs=("FOCUS_MOTOR", "APERTURE_MOTOR", "ND_MOTOR", "ZOOM_MOTOR"),
    test=Testability.INSPECT,
    packet=EJECT,
    reason="Where a motor stands after the session has ended no packet says.",
)
_ANSWERED = _module_must(9, "The module MUST answer RESET before it acts on it.", packet=RESET)
_ERASED = _module_must(
    10, "The module MUST forget every setting that PROP_SET made when it is reset to FACTORY.", packet=RESET
)
_CLEAN = _phone_must(
    11,
    "The phone MUST have released everything that it holds for a module within tForcedRemoval of the contacts opening, "
    "whatever was going on.",
    kind=Kind.TIMING,
)
_RESTARTED = _phone_must(
    12, "The phone MUST take the session as ended when BEACON brings another nonce.", packet=BEACON
)
_must(
    13,
    "A side MUST keep its responses to the last outstanding_max requests of a session for repetitions of them.",
    kind=Kind.CAPACITY,
)
_must(
    14,
    "A side MUST take a request under a transaction number that it has answered with BAD_VERSION alone as a new one.",
    kind=Kind.ROBUSTNESS,
)
_FORGETS = _must(15, "A side MUST NOT answer a request with a response that it has stored in an earlier session.")
_COUNTS = _must(
    16,
    "A side MUST give `seq` 1 in the first KEEPALIVE that it sends since it started, and one more in each further one.",
    packet=KEEPALIVE,
)
_TOLD = _must(17, "A side whose KEEPALIVE is refused MUST take the link as lost.", packet=KEEPALIVE)

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_LINES: Final = terms(
    power_on="The contacts are closed and carry power.",
    power_off="The contacts have opened or carry no power.",
    light_off="The peer's light is no longer seen.",
)
_LOCALS: Final = terms(
    session_open="A session has begun, or was resumed.",
    session_resumed="A session that a lost link interrupted goes on.",
    session_closed="The session has ended and cannot be resumed.",
    detaching="A removal has been announced: what is pending is finished and nothing begun.",
    link_lost="The link is lost with the contacts closed; the session waits.",
    link_down="The link cannot come to L0, or was forced out of it.",
    beaconing="This side has just sent BEACON and waits for light.",
    heard="A packet whose CRC is right has come from the peer, on any lane.",
    sent="This side has sent a packet, on any lane.",
    fault="This side has a fault that only a reset or a loss of power ends.",
)
_GUARDS: Final = terms(
    asleep="LINK_PM has put the link to sleep and nothing has woken it.",
    in_session="A session is held.",
)
_EFFECTS: Final = terms(
    BEACON="Says what this side is and can do.",
    KEEPALIVE="Counts up, from one session to the next too.",
    FAULT_EVENT="Says what the fault is.",
    end_session="Forgets the session, its nonces and its transactions: the requests that are open on either side, and "
    "the stored responses but that to the request which ends it.",
)

_seek = start("tLaserRestartInterval")
# What a fault that ends the session can be, as far as the codes know it.
_FATAL: Final = (TIMEOUT, OVERCURRENT, UNDERVOLTAGE, THERMAL_LIMIT)

_beacon: list[Action] = [send(BEACON), signal("beaconing"), _seek]
_close: list[Action] = [do("end_session"), signal("session_closed")]
_alive: list[Action] = [start("tKeepAlive"), start("tKeepAliveLoss")]
_lose: list[Action] = [signal("link_lost"), start("tHoldover"), _seek]
_READY: Final = ("READY_BASIC", "READY_FULL")
_LIVE: Final = (*_READY, "DETACHING")


def _keeping(*waiting: str) -> tuple[Row, ...]:
    """How a session and its link are kept; `waiting` are the states in which this side waits for the other's BEACON or
    for its light."""
    return (
        # Each side sees to it that the other hears something, whatever it is.
        on(_LIVE, local("sent"), do=[start("tKeepAlive")]),
        on(_LIVE, local("heard"), do=[start("tKeepAliveLoss")]),
        on(_LIVE, expired("tKeepAlive"), when="in_session", do=[send(KEEPALIVE, "request")], req=(_COUNTS,)),
        on(_LIVE, expired("tKeepAliveLoss"), when="in_session", do=_lose, to="LINK_LOST"),
        # The peer is alive and in no session: without this, two sides that disagree would wait for ever.
        on(_LIVE, rx(KEEPALIVE, "error"), when="in_session", do=_lose, to="LINK_LOST", req=(_TOLD,)),
        # Light that goes by agreement is not lost. What was lost is sought again an interval later, never at once: two
        # sides that cannot train would else beacon without end.
        on(_LIVE, line("light_off"), when=("in_session", "!asleep"), do=_lose, to="LINK_LOST"),
        on(_LIVE, local("link_down"), when="in_session", do=_lose, to="LINK_LOST"),
        on((*waiting, "LINK_LOST"), expired("tLaserRestartInterval"), do=_beacon, req=("R-LNK-006",)),
    )


# ── The module ───────────────────────────────────────────────────────────────────────────────────────

_hello, _reset, _eject = rx(HELLO, "request"), rx(RESET, "request"), rx(EJECT, "request")
_GREETABLE: Final = ("BEACON", "HELLO", *_LIVE, "LINK_LOST")
_RESETTABLE: Final = ("BEACON", "HELLO", *_READY)
_MODULE_POWERED: Final = ("BOOT", "BEACON", "HELLO", *_LIVE, "LINK_LOST", "FAULT")

_boot: list[Action] = [do("boot"), start("tBeaconAfterPower")]
_resume: list[Action] = [
    do("resume_session"),
    answer(OK),
    *_alive,
    signal("session_resumed"),
    signal("session_open"),
]
_open: list[Action] = [signal("session_closed"), do("new_session"), answer(OK), *_alive, signal("session_open")]
_reboot: list[Action] = [*_close, signal("reboot"), *_boot]

ATTACH_MODULE: Final = machine(
    "ATTACH",
    _MODULE,
    "From contact to session and back, as the module sees it.",
    states=(
        state("DETACHED", "No power from the contacts."),
        state("BOOT", "Class P0, until the first BEACON.", allows=(link.GROUP, *_ALWAYS)),
        state(
            "BEACON",
            "Waiting for light; without a laser, for HELLO on the sideband.",
            allows=_BEFORE_HELLO,
        ),
        state("HELLO", "The light is there; waiting for HELLO.", allows=_BEFORE_HELLO),
        state("READY_BASIC", "A session, in which authentication has not finished.", allows=_EVERYTHING),
        state("READY_FULL", "A session; authentication has finished, or none is offered.", allows=_EVERYTHING),
        state(
            "DETACHING",
            "Finishing what is pending; after COMMIT, waiting for the contacts to open, or to be greeted again.",
            allows=(HELLO, *_LEAVING),
        ),
        state("LINK_LOST", "The contacts are closed, the link is lost, the session waits.", allows=_RESUMING),
        state("FAULT", "A fault that only a reset or a loss of power ends.", allows=(RESET, *_ALWAYS)),
    ),
    lines=(*_LINES, *terms(light_on="The peer's light is seen: a restart pulse, or more.")),
    locals=(
        *_LOCALS,
        *terms(
            reboot="This side starts anew, as after a loss of power.",
            link_reset="The link is to start anew.",
        ),
    ),
    guards=(
        *_GUARDS,
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
        *_EFFECTS,
        *terms(
            boot="Begins as after a loss of power, with a new BEACON nonce.",
            new_session="Draws a session number and a nonce.",
            resume_session="Keeps the session, with the nonces of this HELLO.",
            erase="Forgets settings and stored data, never calibration.",
        ),
    ),
    rows=(
        on("DETACHED", line("power_on"), do=_boot, to="BOOT", req=("R-LNK-003", "R-LNK-004")),
        on(_MODULE_POWERED, line("power_off"), do=_close, to="DETACHED"),
        on(_MODULE_POWERED[:-1], local("fault"), do=[send(FAULT_EVENT, why=_FATAL), *_close], to="FAULT"),
        # Light.
        on(
            "BOOT",
            expired("tBeaconAfterPower"),
            when="light_seen",
            do=_beacon,
            to="HELLO",
            req=("R-LNK-003", _SILENT),
        ),
        on("BOOT", expired("tBeaconAfterPower"), do=_beacon, to="BEACON", req=("R-LNK-003", _SILENT)),
        on("BEACON", line("light_on"), to="HELLO"),
        on("HELLO", line("light_off"), do=[_seek], to="BEACON"),
        on("HELLO", local("link_down"), do=[_seek], to="BEACON"),
        # The session. One refused changes nothing. Who is to be let go and is greeted again is wanted again.
        on("DETACHING", rx(BEACON, "event"), when="!in_session", do=_beacon, to="BEACON"),
        on(_GREETABLE, _hello, when="!version_common", do=[answer(BAD_VERSION)], req=("R-MGT-002", _UNTOUCHED)),
        on(
            ("BEACON", "LINK_LOST"),
            _hello,
            when=("has_laser", "!light_seen"),
            do=[answer(BAD_STATE)],
            req=(_UNTOUCHED,),
        ),
        on(
            _GREETABLE,
            _hello,
            when=("resuming", "!resume_matches"),
            do=[answer(NEEDS_SESSION)],
            req=(_STRANGER, _UNTOUCHED, _GONE),
        ),
        # What was trusted before the link was lost is not trusted after it.
        on(
            _GREETABLE,
            _hello,
            when=("resuming", "offers_security"),
            do=_resume,
            to="READY_BASIC",
            req=("R-SEC-007", _SAME),
        ),
        on(_GREETABLE, _hello, when="resuming", do=_resume, to="READY_FULL", req=(_SAME,)),
        on(_GREETABLE, _hello, when="offers_security", do=_open, to="READY_BASIC", req=("R-MGT-005", _NEW)),
        on(_GREETABLE, _hello, do=_open, to="READY_FULL", req=("R-MGT-005", _NEW)),
        on("READY_BASIC", rx(TRUST_POLICY, "event"), to="READY_FULL"),
        on("READY_FULL", rx(TRUST_POLICY, "event")),
        # Light shows that somebody is there, not that this side's BEACON was heard: it is repeated until HELLO comes.
        *_keeping("BEACON", "HELLO"),
        on("LINK_LOST", expired("tHoldover"), when="light_seen", do=_close, to="HELLO", req=(_GONE,)),
        on("LINK_LOST", expired("tHoldover"), do=[*_close, *_beacon], to="BEACON", req=(_GONE,)),
        on(_READY, rx(KEEPALIVE, "request"), do=[answer(OK)]),
        on("DETACHING", rx(KEEPALIVE, "request"), when="in_session", do=[answer(OK)]),
        on("DETACHING", rx(KEEPALIVE, "request"), do=[answer(BAD_STATE)]),
        # Removal that was announced.
        on(_READY, _eject, when="phase_prepare", do=[answer(OK), signal("detaching")], to="DETACHING", req=(_QUIET,)),
        on(_READY, _eject, do=[answer(BAD_STATE)]),
        on("DETACHING", _eject, when="!in_session", do=[answer(BAD_STATE)]),
        on("DETACHING", _eject, when="phase_prepare", do=[answer(OK)]),
        on("DETACHING", _eject, when="phase_commit", do=[answer(OK), *_close], req=(_PARKED, _FORGETS)),
        on("DETACHING", _eject, when=("phase_abort", "trust_settled"), do=[answer(OK)], to="READY_FULL"),
        on("DETACHING", _eject, when="phase_abort", do=[answer(OK)], to="READY_BASIC"),
        # Resets.
        on(_RESETTABLE, _reset, when=("level_protocol", "light_seen"), do=[answer(OK), *_close], to="HELLO"),
        on(_RESETTABLE, _reset, when="level_protocol", do=[answer(OK), *_close, *_beacon], to="BEACON"),
        on(_RESETTABLE, _reset, when=("level_link", "!has_laser"), do=[answer(RANGE_LIMIT)]),
        on(_READY, _reset, when="level_link", do=[answer(OK), *_lose, signal("link_reset"), *_beacon], to="LINK_LOST"),
        on(
            ("BEACON", "HELLO"), _reset, when="level_link", do=[answer(OK), signal("link_reset"), *_beacon], to="BEACON"
        ),
        on(
            (*_RESETTABLE, "FAULT"), _reset, when="level_module", do=[answer(OK), *_reboot], to="BOOT", req=(_ANSWERED,)
        ),
        on(
            "READY_FULL",
            _reset,
            do=[answer(OK), do("erase"), *_reboot],
            to="BOOT",
            req=("R-MGT-038", _ANSWERED, _ERASED),
        ),
        on(("BEACON", "HELLO", "READY_BASIC", "FAULT"), _reset, do=[answer(BAD_STATE)]),
    ),
)

# ── The phone ────────────────────────────────────────────────────────────────────────────────────────

_met = rx(BEACON, "event")
_welcomed, _refused = rx(HELLO, "response"), rx(HELLO, "error")
_MEETING: Final = ("BEACON", "TRAIN", "HELLO")
_PHONE_POWERED: Final = ("BOOT_POWER", *_MEETING, *_LIVE, "LINK_LOST")

_greet: list[Action] = [send(HELLO, "request"), start("tKeepAlive"), start("tKeepAliveLoss")]
_give_up: list[Action] = [*_close, do("supply_off")]

ATTACH_PHONE: Final = machine(
    "ATTACH",
    _PHONE,
    "From contact to session and back, as the phone leads it.",
    states=(
        state("DETACHED", "No module."),
        state("DETECT", "The contacts have closed; waiting until they rest, and reading the signature."),
        state("CLASSIFY", "Reading the class current."),
        state("BOOT_POWER", "Boot power comes up.", allows=(link.GROUP, *_ALWAYS)),
        state("BEACON", "Waiting for the module's BEACON.", allows=(link.GROUP, *_ALWAYS)),
        state("TRAIN", "The module is known; waiting for the link.", allows=(link.GROUP, *_ALWAYS)),
        state("HELLO", "Waiting for the answer to HELLO.", allows=_BEFORE_HELLO),
        state("READY_BASIC", "A session, in which authentication has not finished.", allows=_EVERYTHING),
        state("READY_FULL", "A session; authentication has finished, or none is offered.", allows=_EVERYTHING),
        state("DETACHING", "The user wants the module off; what is pending is fetched.", allows=_LEAVING),
        state("LINK_LOST", "The contacts are closed, the link is lost, the session waits.", allows=_RESUMING),
        state("FAULT", "No power until the contacts have opened.", allows=_ALWAYS),
    ),
    lines=_LINES,
    locals=(
        *_LOCALS,
        *terms(
            link_up="The link has come to L0.",
            link_reset="The link is to start anew.",
            auth_finished="The phone has come to a conclusion, or the module offers no proof.",
            eject="The user wants the module off.",
            fetched="The phone has all that it wants from the module.",
            keep="The user wants to keep it after all.",
        ),
    ),
    guards=(
        *_GUARDS,
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
        *_EFFECTS,
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
        on((*_PHONE_POWERED, "FAULT"), line("power_off"), do=[start("tDcDisconnect")]),
        on((*_PHONE_POWERED, "FAULT"), line("power_on"), do=[stop("tDcDisconnect")]),
        on(
            (*_PHONE_POWERED, "FAULT"),
            expired("tDcDisconnect"),
            do=[*_close, do("clean_up")],
            to="DETACHED",
            req=(_CLEAN,),
        ),
        on(_PHONE_POWERED, local("fault"), do=[send(FAULT_EVENT, why=_FATAL), *_give_up], to="FAULT"),
        on(_MEETING, local("heard"), do=[start("tKeepAliveLoss")]),
        on(_MEETING, expired("tKeepAliveLoss"), do=_give_up, to="FAULT"),
        # Acquaintance. A module that has started again is a new one.
        on(
            _PHONE_POWERED,
            _met,
            when=("nonce_new", "lane_up"),
            do=[*_close, do("keep_module"), send(BEACON), *_greet],
            to="HELLO",
            req=(_RESTARTED,),
        ),
        on(
            _PHONE_POWERED,
            _met,
            when="nonce_new",
            do=[*_close, do("keep_module"), *_beacon],
            to="TRAIN",
            req=(_RESTARTED,),
        ),
        on("TRAIN", local("link_up"), do=_greet, to="HELLO"),
        on("HELLO", local("link_down"), do=[_seek], to="TRAIN"),
        # It beacons still: this side's BEACON, without which it has no proof of attach, was lost.
        on("HELLO", _met, when="!nonce_new", do=[send(BEACON)]),
        # The session.
        on("HELLO", expired("tKeepAlive"), do=[send(HELLO, "request"), start("tKeepAlive")]),
        on(
            "HELLO",
            _welcomed,
            do=[do("keep_session"), *_alive, signal("session_open")],
            to="READY_BASIC",
        ),
        on("HELLO", _refused, when="version_refused", do=_give_up, to="FAULT"),
        on("READY_BASIC", local("auth_finished"), to="READY_FULL"),
        on("LINK_LOST", local("link_up"), do=[send(HELLO, "request")]),
        on(
            "LINK_LOST",
            expired("tLaserRestartInterval"),
            when="lane_up",
            do=[send(HELLO, "request"), _seek],
        ),
        # Answered by a side that had not yet seen the light go: its nonce counts, and the session still waits.
        on("LINK_LOST", _welcomed, when="!lane_up", do=[do("keep_session")]),
        on(
            "LINK_LOST",
            _welcomed,
            do=[do("keep_session"), *_alive, signal("session_resumed"), signal("session_open")],
            to="READY_BASIC",
        ),
        on("LINK_LOST", _refused, when=("session_unknown", "lane_up"), do=[*_close, *_greet], to="HELLO"),
        on("LINK_LOST", _refused, when="session_unknown", do=[*_close, *_beacon, start("tKeepAliveLoss")], to="TRAIN"),
        *_keeping("TRAIN"),
        on("LINK_LOST", expired("tHoldover"), when="lane_up", do=[*_close, *_greet], to="HELLO"),
        on("LINK_LOST", expired("tHoldover"), do=[*_close, *_beacon, start("tKeepAliveLoss")], to="TRAIN"),
        # Removal that was announced.
        on(_READY, local("eject"), do=[send(EJECT, "request"), signal("detaching")], to="DETACHING"),
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
        on(_READY, rx(RESET, "response"), when="level_protocol", do=[*_close, *_greet], to="HELLO"),
        on(
            _READY,
            rx(RESET, "response"),
            when="level_link",
            do=[*_lose, signal("link_reset"), *_beacon],
            to="LINK_LOST",
        ),
        on(_READY, rx(RESET, "response"), do=[*_close, start("tKeepAliveLoss")], to="BEACON"),
    ),
)

MACHINES: Final = (ATTACH_MODULE, ATTACH_PHONE)
