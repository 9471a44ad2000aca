"""The machines of security: how a module proves itself, how its firmware is replaced, and the phone's side of both.

Plan: authentication · update.
"""

from typing import Final

from opalink.spec.codes import (
    AUTH_FAILED,
    BAD_STATE,
    CANCELLED,
    FW_BAD_HASH,
    FW_BAD_SIGNATURE,
    FW_ROLLBACK,
    FW_WRONG_COMPONENT,
    NEEDS_SESSION,
    NO_SUCH_ID,
    NOT_AUTHENTICATED,
    OK,
    RANGE_LIMIT,
    TOO_LARGE,
)
from opalink.spec.form import Role
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
from opalink.spec.security import FW_BEGIN, FW_CONTROL, FW_PULL, FW_STATUS, SPDM, TRUST_POLICY

_PHONE, _MODULE = Role.PHONE, Role.MODULE

_LINES = terms("power_off")

# ── Authentication ───────────────────────────────────────────────────────────────────────────────────
# What the module has shown moves with SPDM; what the phone concludes from it moves with TRUST_POLICY alone, so that
# a second attestation does not undo the first.

_SHOWN = (
    state("NONE", "Nothing is known."),
    state("NEGOTIATED", "Versions and algorithms are agreed."),
    state("CERT", "The certificate chain has been read."),
    state("CHALLENGED", "The challenge has been answered."),
)
_CONCLUDED = (
    state("GENUINE", "The phone takes the module for genuine."),
    state("MEASURED", "The phone takes its firmware for genuine too."),
    state("REJECTED", "The phone does not believe it: power stays capped, capture goes on."),
)
_shown = tuple(s.name for s in _SHOWN)
_concluded = tuple(s.name for s in _CONCLUDED)
_any = _shown + _concluded
_ask, _policy = rx(SPDM, "request"), rx(TRUST_POLICY, "event")

AUTH_MODULE: Final = machine(
    "AUTH",
    _MODULE,
    "How far a module has proved itself.",
    needs=("SECURITY",),
    choices=(
        at_most_one("asks_version", "asks_algorithms", "asks_certificate", "asks_challenge"),
        at_most_one("level_genuine", "level_measured", "level_rejected"),
    ),
    states=_SHOWN + _CONCLUDED,
    lines=_LINES,
    locals=terms("session_open", "session_closed", trust_expired="The time in `expires` of the policy has passed."),
    guards=terms(
        plain_spdm="The first byte is an SPDM 1.x version, 0x10 to 0x1F.",
        asks_version="The message is GET_VERSION (0x84).",
        asks_algorithms="The message is NEGOTIATE_ALGORITHMS (0xE3).",
        asks_certificate="The message is GET_CERTIFICATE (0x82).",
        asks_challenge="The message is CHALLENGE (0x83).",
        level_genuine="The policy's level is GENUINE.",
        level_measured="The policy's level is MEASURED.",
        level_rejected="The policy's level is REJECTED.",
    ),
    effects=terms(
        apply_trust="Keeps the policy's cap and grants.",
        forget_trust="Returns to what holds without a policy.",
    ),
    rows=(
        on(_any, _ask, when="!plain_spdm", do=[answer(NEEDS_SESSION)], req=("R-SEC-003",)),
        on(_shown, _ask, when="asks_version", do=[answer(OK)], to="NONE"),
        on("NONE", _ask, when="asks_algorithms", do=[answer(OK)], to="NEGOTIATED"),
        on("NEGOTIATED", _ask, when="asks_certificate", do=[answer(OK)], to="CERT"),
        # A phone that knows the chain by its digest does not read it again.
        on(
            ("NEGOTIATED", "CERT"),
            _ask,
            when="asks_challenge",
            do=[answer(OK)],
            to="CHALLENGED",
            req=("R-SEC-001",),
        ),
        on(_any, _ask, do=[answer(OK)], req=("R-SEC-002", "R-SEC-004")),
        on(_any, _policy, when="level_genuine", do=[do("apply_trust")], to="GENUINE"),
        on(_any, _policy, when="level_measured", do=[do("apply_trust")], to="MEASURED"),
        on(_any, _policy, when="level_rejected", do=[do("apply_trust")], to="REJECTED", req=("R-SEC-005",)),
        on(_any, _policy, do=[do("apply_trust")], to="NONE", req=("R-SEC-006",)),
        on(_concluded, local("trust_expired"), do=[do("forget_trust")], to="NONE", req=("R-SEC-008",)),
        on(_any, local("session_open"), do=[do("forget_trust")], to="NONE", req=("R-SEC-007",)),
        on(_any, local("session_closed"), do=[do("forget_trust")], to="NONE"),
        on(_any, line("power_off"), do=[do("forget_trust")], to="NONE"),
    ),
)

_phone = ("NONE", "ASKING", *_concluded)
_conclude = (send(TRUST_POLICY), signal("auth_finished"))
_told = rx(SPDM, "response")

AUTH_PHONE: Final = machine(
    "AUTH",
    _PHONE,
    "How a phone comes to its conclusion. It has one for every module: one that offers no proof is soon done.",
    choices=(at_most_one("proof_bad", "proof_measured", "proof_genuine", "put_off"),),
    states=(_SHOWN[0], state("ASKING", "An SPDM request is open."), *_CONCLUDED),
    lines=_LINES,
    locals=terms(
        "session_open",
        "session_closed",
        "auth_finished",
        wait_over="The time that the module has asked for has passed.",
    ),
    guards=terms(
        offers_spdm="The module has the feature SECURITY.",
        can_judge="The phone has a root that it trusts.",
        put_off="The message is an SPDM ERROR that asks for time.",
        proof_bad="The message is an SPDM ERROR that ends the authentication, or what it proves is false.",
        proof_measured="Certificate, challenge and measurements are all good.",
        proof_genuine="Certificate and challenge are good, and the module offers no measurements.",
    ),
    effects=terms(
        await_wait="Begins to wait for as long as the module asks; `wait_over` follows.",
        SPDM="The next message of the authentication, from GET_VERSION on.",
        TRUST_POLICY="The level of the state that the row leads to, or UNKNOWN, and what this phone allows at it.",
    ),
    rows=(
        on(_phone, local("session_open"), when="!offers_spdm", do=[signal("auth_finished")], to="NONE"),
        # Who could believe nobody asks for no proof: the level is UNKNOWN, and the module is told so.
        on(_phone, local("session_open"), when=("offers_spdm", "!can_judge"), do=_conclude, to="NONE"),
        on(
            _phone,
            local("session_open"),
            do=[start("tAuth", "max"), send(SPDM, "request")],
            to="ASKING",
            req=("R-SEC-007",),
        ),
        on("ASKING", _told, when="proof_bad", do=_conclude, to="REJECTED", req=("R-SEC-009",)),
        on("ASKING", _told, when="proof_measured", do=_conclude, to="MEASURED"),
        on("ASKING", _told, when="proof_genuine", do=_conclude, to="GENUINE"),
        on("ASKING", _told, when="put_off", do=[do("await_wait")]),
        on("ASKING", _told, do=[send(SPDM, "request")]),
        on("ASKING", local("wait_over"), do=[send(SPDM, "request")]),
        # No answer proves nothing: the level is UNKNOWN.
        on("ASKING", rx(SPDM, "error"), do=_conclude, to="NONE", req=("R-SEC-009",)),
        on("ASKING", expired("tAuth"), do=_conclude, to="NONE", req=("R-SEC-009",)),
        on(_phone, local("session_closed"), to="NONE"),
        on(_phone, line("power_off"), to="NONE"),
    ),
)

# ── Update ───────────────────────────────────────────────────────────────────────────────────────────

_under_way = ("DOWNLOAD", "VERIFY", "APPLY")
_abortable = (*_under_way, "STAGED", "ACTIVATE_PENDING")
_begin, _block, _control = rx(FW_BEGIN, "request"), rx(FW_PULL, "response"), rx(FW_CONTROL, "request")
_give_up = (do("drop_image"), send(FW_STATUS, why=CANCELLED))
_image_bad = (FW_BAD_HASH, FW_BAD_SIGNATURE, FW_WRONG_COMPONENT, FW_ROLLBACK)

FIRMWARE_MODULE: Final = machine(
    "FIRMWARE",
    _MODULE,
    "An update, as the module carries it out.",
    needs=("FIRMWARE",),
    choices=(one_of("op_activate", "op_abort", "op_rollback"),),
    states=(
        state("IDLE", "No update is under way."),
        state("DOWNLOAD", "The image is pulled, one request at a time."),
        state("VERIFY", "Digest and signature are checked."),
        state("APPLY", "The image is written into its slot."),
        state("STAGED", "The image can be activated."),
        state("ACTIVATE_PENDING", "The image runs from the next detach or start on."),
    ),
    lines=_LINES,
    locals=terms(
        "session_open",
        "session_closed",
        "session_resumed",
        "reboot",
        image_good="Digest and signature are as they must be.",
        image_bad="Digest or signature is wrong, or the image says of itself that it is the wrong one or too old.",
        image_written="The image is in its slot.",
    ),
    guards=terms(
        component_known="The module has this component.",
        image_fits="The image fits the component's slot.",
        version_allowed="The version is no older than policy and options allow.",
        more_wanted="With this block, bytes of the image are still missing.",
        components_known="Every bit of the mask is a component.",
        op_activate="`op` is ACTIVATE.",
        op_abort="`op` is ABORT.",
        op_rollback="`op` is ROLLBACK.",
        when_now="`when` is NOW.",
        until_detached="The activation that pends waits for DETACH.",
        camera_idle="No stream is started.",
        previous_bootable="Every component of the mask has an image that ran before.",
        trust_open="The module has the feature SECURITY, and its level is UNKNOWN.",
        trust_rejected="The level of the last TRUST_POLICY is REJECTED.",
        unsaid="The last FW_STATUS was due when it could not be sent.",
    ),
    effects=terms(
        FW_PULL="Asks for the bytes from the first one on that the module does not hold.",
        FW_STATUS="Says where the row leads to, and why if the update was given up; upon `session_open`, what could "
        "not be said before.",
        open_image="Begins to keep an image.",
        store_block="Keeps the bytes that came.",
        verify_image="Begins to check the image; `image_good` or `image_bad` follows.",
        write_image="Begins to write the image; `image_written` follows.",
        drop_image="Forgets the image.",
        activate="Runs the staged image from now on.",
        roll_back="Runs the image that ran before from now on.",
    ),
    rows=(
        on("IDLE", _begin, when="!component_known", do=[answer(FW_WRONG_COMPONENT)]),
        on("IDLE", _begin, when="!image_fits", do=[answer(TOO_LARGE)], req=("R-SEC-019",)),
        on("IDLE", _begin, when="!version_allowed", do=[answer(FW_ROLLBACK)]),
        on(
            "IDLE",
            _begin,
            do=[do("open_image"), answer(OK), send(FW_STATUS), send(FW_PULL, "request")],
            to="DOWNLOAD",
            req=("R-SEC-015",),
        ),
        on(
            "DOWNLOAD",
            _block,
            when="more_wanted",
            do=[do("store_block"), send(FW_PULL, "request")],
            req=("R-SEC-013", "R-SEC-017"),
        ),
        on("DOWNLOAD", _block, do=[do("store_block"), do("verify_image"), send(FW_STATUS)], to="VERIFY"),
        on("DOWNLOAD", rx(FW_PULL, "error"), do=_give_up, to="IDLE"),
        on("DOWNLOAD", local("session_resumed"), do=[send(FW_PULL, "request")], req=("R-SEC-014",)),
        on(("IDLE", *_abortable), local("session_open"), when="unsaid", do=[send(FW_STATUS)], req=("R-SEC-018",)),
        on(
            "VERIFY",
            local("image_bad"),
            do=[do("drop_image"), send(FW_STATUS, why=_image_bad)],
            to="IDLE",
            req=("R-SEC-010", "R-SEC-011"),
        ),
        on("VERIFY", local("image_good"), do=[do("write_image"), send(FW_STATUS)], to="APPLY"),
        on("APPLY", local("image_written"), do=[send(FW_STATUS)], to="STAGED"),
        # Checking and writing go on without a session, in which alone FW_STATUS can be sent.
        on(("IDLE", *_abortable), _control, when="!components_known", do=[answer(NO_SUCH_ID)]),
        on(_abortable, _control, when="op_abort", do=[answer(OK), *_give_up], to="IDLE"),
        on(
            ("IDLE", "STAGED"),
            _control,
            when=("!op_abort", "trust_rejected"),
            do=[answer(AUTH_FAILED)],
            req=("R-SEC-020",),
        ),
        on(("IDLE", "STAGED"), _control, when=("!op_abort", "trust_open"), do=[answer(NOT_AUTHENTICATED)]),
        on("STAGED", _control, when=("op_activate", "when_now", "!camera_idle"), do=[answer(BAD_STATE)]),
        on(
            "STAGED",
            _control,
            when=("op_activate", "when_now"),
            do=[answer(OK), send(FW_STATUS), do("activate")],
            to="IDLE",
        ),
        on("STAGED", _control, when="op_activate", do=[answer(OK), send(FW_STATUS)], to="ACTIVATE_PENDING"),
        on("IDLE", _control, when=("op_rollback", "!previous_bootable"), do=[answer(NO_SUCH_ID)]),
        on("IDLE", _control, when=("op_rollback", "!camera_idle"), do=[answer(BAD_STATE)]),
        on("IDLE", _control, when="op_rollback", do=[answer(OK), send(FW_STATUS), do("roll_back")]),
        on(("IDLE", *_abortable), _control, do=[answer(BAD_STATE)]),
        on("ACTIVATE_PENDING", line("power_off"), do=[do("activate")], to="IDLE"),
        on("ACTIVATE_PENDING", local("reboot"), when="!until_detached", do=[do("activate")], to="IDLE"),
        on(_under_way, line("power_off"), do=[do("drop_image")], to="IDLE", req=("R-SEC-012",)),
        on(_under_way, local("reboot"), do=[do("drop_image")], to="IDLE", req=("R-SEC-012",)),
        on("DOWNLOAD", local("session_closed"), do=[do("drop_image")], to="IDLE"),
    ),
)

_busy = ("OFFERED", "SERVING", "STAGED", "ACTIVATING")
_activate = send(FW_CONTROL, "request")

FIRMWARE_PHONE: Final = machine(
    "FIRMWARE",
    _PHONE,
    "An update, as the phone serves it.",
    needs=("FIRMWARE",),
    choices=(at_most_one("image_staged", "image_dropped"),),
    states=(
        state("IDLE", "No update is under way."),
        state("OFFERED", "FW_BEGIN is open."),
        state("SERVING", "The module pulls, checks and writes."),
        state("STAGED", "The image can be activated, once the module has proved itself in a session that was resumed."),
        state("ACTIVATING", "FW_CONTROL is open."),
    ),
    lines=_LINES,
    locals=terms("session_closed", "auth_finished", update_wanted="The user has agreed to an update."),
    guards=terms(
        auth_done="`auth_finished` has come since the last HELLO.",
        within_image="The bytes asked for are within the image.",
        image_staged="`state` is STAGED.",
        image_dropped="`state` is IDLE.",
    ),
    effects=terms(
        FW_BEGIN="Offers the image.",
        FW_CONTROL="Has the image activated when the user likes.",
    ),
    rows=(
        on("IDLE", local("update_wanted"), do=[send(FW_BEGIN, "request")], to="OFFERED"),
        on("OFFERED", rx(FW_BEGIN, "response"), to="SERVING"),
        on("OFFERED", rx(FW_BEGIN, "error"), to="IDLE"),
        on("SERVING", rx(FW_PULL, "request"), when="!within_image", do=[answer(RANGE_LIMIT)]),
        on("SERVING", rx(FW_PULL, "request"), do=[answer(OK)]),
        on(
            "SERVING",
            rx(FW_STATUS, "event"),
            when=("image_staged", "auth_done"),
            do=[_activate],
            to="ACTIVATING",
        ),
        on("SERVING", rx(FW_STATUS, "event"), when="image_staged", to="STAGED"),
        on("STAGED", local("auth_finished"), do=[_activate], to="ACTIVATING"),
        on("SERVING", rx(FW_STATUS, "event"), when="image_dropped", to="IDLE"),
        on("ACTIVATING", rx(FW_CONTROL, "response"), to="IDLE"),
        on("ACTIVATING", rx(FW_CONTROL, "error"), to="IDLE"),
        on(_busy, local("session_closed"), to="IDLE"),
        on(_busy, line("power_off"), to="IDLE"),
    ),
)

MACHINES: Final = (AUTH_MODULE, AUTH_PHONE, FIRMWARE_MODULE, FIRMWARE_PHONE)
