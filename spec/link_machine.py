"""The link's machine on each side: how light is earned, kept, rested and given up.

Plan: words of both machines · rows of both · the module · the phone.

Light comes on when the peer's light is seen and the attach is proven; from then on each side trains its receiver on
the other's transmitter, and the phone closes the round with LINK_PARAMS. Light that goes away takes this side's own
light with it within tLosToLaserOff, whatever the state; a relock that takes longer than tRelock becomes a training.

Where what lies below trains by itself, as the gateway of a bench does on the packet plane, light leads to L0 at once
and no packet of training, parameters or resynchronisation is seen here.
"""

from collections.abc import Sequence
from typing import Final

from opalink.spec.codes import (
    BAD_STATE,
    CREDIT_VIOLATION,
    EPOCH_MISMATCH,
    LASER_INTERLOCK,
    LINK_DEGRADED,
    LINK_LOST,
    OK,
    RANGE_LIMIT,
    REPLAY_EXHAUSTED,
    RETRAINING,
)
from opalink.spec.form import Action, Role, Row
from opalink.spec.link import BEACON, LINK_PARAMS, TRAIN_REQ, TRAIN_STATUS, VC_RESYNC, LinkState
from opalink.spec.link_operation import BERT_RUN, LASER_SAFETY, LINK_EVENT, LINK_PM, MARGIN, RETRAIN_REQ
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
    signal,
    start,
    state,
    stop,
    terms,
)

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_STATES: Final = tuple(state(m.name, m.doc) for m in LinkState.members)

_LINES: Final = terms(
    "power_off",
    "light_on",
    "light_off",
    interlock_open="The magnets or the contacts no longer say that the sides are together.",
    interlock_closed="They say so again.",
)
_LOCALS: Final = terms(
    "beaconing",
    "fault",
    "reboot",
    "link_reset",
    "link_up",
    "link_down",
    cdr_locked="The receiver has found the clock.",
    fec_locked="The receiver finds codewords.",
    relocked="The receiver has found both again, with the parameters that it had.",
    lock_lost="The receiver has lost one of them with light there.",
    channel_fault="The peer sent without credit, or asked for a FLIT that is no longer held.",
    degraded="Errors before correction have passed the watch level or the degraded level, up or down.",
    failing="Errors before correction have passed the level at which a lower gear carries more.",
)
_GUARDS: Final = terms(
    faulty="The attach machine is in FAULT.",
    seated="The interlock's bits HALL and SIGNATURE hold.",
    attach_proven="All bits of the interlock hold, with the BEACON that is the event, if it is one.",
    light_seen="The peer's light is seen.",
    trained_below="What lies below trains, agrees on parameters and resynchronises by itself.",
    automatic="The laser's mode is not MANUAL.",
    supported="What is asked for is within what this side can do.",
    disturbs="A stream runs that what is asked for would disturb.",
    gear_left="An attempt at this gear, or a lower gear, is left.",
    keep_config="`keep_config` is 1, in the request or in the one answered.",
    target_l0="`target` is L0, in the request or in the one answered.",
    target_l1="`target` is L1, in the request or in the one answered.",
    target_l2="`target` is L2, in the request or in the one answered.",
    sets_test="The mode TEST is to be set.",
)
_EFFECTS: Final = terms(
    BEACON="Says what this side is and can do.",
    TRAIN_REQ="Asks for the gear that is tried.",
    TRAIN_STATUS="Says what the receiver has found, and whether the attempt is over.",
    LINK_EVENT="Says in which state the link now is and why.",
    RETRAIN_REQ="Gives the event as the reason, and the gears from which this side would choose.",
    laser_pulse="Lets the laser send a restart pulse.",
    laser_on="Lets the laser shine at working power.",
    laser_off="Turns the laser off once what was answered has left, and ends the mode TEST.",
    transmit_pattern="Transmits what TRAIN_REQ asks for.",
    tune="Adjusts the transmitter to what the peer's receiver found.",
    next_attempt="Counts an attempt; after train_attempts takes the next lower gear.",
    take_gears="Chooses the gear to be tried from those of RETRAIN_REQ.",
    apply_params="Has the agreed parameters hold, and their epoch until power is lost or this side starts anew.",
    resync="Takes sequence, credits and transactions on from where both sides say that they stand.",
    relock="Begins to look for clock and codewords with the parameters that hold; `relocked` follows.",
    sleep="Marks the link as asleep: light that goes away is not lost.",
    wake="Marks it as awake.",
    set_laser_mode="Sets the laser's mode, where `op` is SET.",
)

_CHOICES: Final = (at_most_one("target_l0", "target_l1", "target_l2"),)

_ALL: Final = tuple(s.name for s in _STATES)
_TRAINING: Final = ("TRAIN_CDR", "TRAIN_FEC", "NEGOTIATE")
_UNSETTLED: Final = (*_TRAINING, "RECOVERY")
_LIT: Final = (*_UNSETTLED, "L0")
_ASLEEP: Final = ("L3_OFF", "L2_BEACON")

_pulse: list[Action] = [do("laser_pulse"), start("tLaserRestartPulse")]
_train: list[Action] = [do("wake"), do("laser_on"), send(TRAIN_REQ, "request"), start("tTrain", "max")]
_again: list[Action] = [do("next_attempt"), send(TRAIN_REQ, "request"), start("tTrain", "max")]
_relock: list[Action] = [do("relock"), start("tRelock", "max")]
_up: list[Action] = [send(LINK_EVENT, why=OK), signal("link_up")]
_down: list[Action] = [do("laser_off"), signal("link_down")]
_dark: list[Action] = [do("wake"), do("laser_off")]

# ── Rows of both ─────────────────────────────────────────────────────────────────────────────────────

_outside = (
    on(_ALL, line("power_off"), do=_dark, to="L3_OFF"),
    on(_ALL, local("reboot"), do=_dark, to="L3_OFF"),
    on(_ALL, local("fault"), do=_dark, to="SAFE_OFF"),
    on(
        _ALL[1:-1],
        line("interlock_open"),
        do=[*_dark, send(LINK_EVENT, why=LASER_INTERLOCK), signal("link_down")],
        to="SAFE_OFF",
        req=("R-LNK-009",),
    ),
    # Whoever saw light all along is told that there is no link, or nobody would seek one.
    on("SAFE_OFF", line("interlock_closed"), when="!faulty", do=[signal("link_down")], to="L2_BEACON"),
    on(_ALL[:-1], local("link_reset"), do=_dark, to="L2_BEACON"),
)

# Whichever comes last of light, proof and readiness starts the training.
_light = tuple(
    row
    for event in (line("light_on"), rx(BEACON, "event"), local("beaconing"))
    for row in (
        on(
            "L2_BEACON",
            event,
            when=("light_seen", "attach_proven", "trained_below"),
            do=[do("wake"), do("laser_on"), *_up],
            to="L0",
            req=("R-LNK-008",),
        ),
        on("L2_BEACON", event, when=("light_seen", "attach_proven"), do=_train, to="TRAIN_CDR", req=("R-LNK-008",)),
    )
)
_pulses = (
    on("L3_OFF", local("beaconing"), when="!seated", to="SAFE_OFF"),
    on("L3_OFF", local("beaconing"), do=[signal("beaconing")], to="L2_BEACON"),
    on("L2_BEACON", local("beaconing"), when=("!light_seen", "automatic"), do=_pulse, req=("R-LNK-006",)),
    on(
        "L2_BEACON",
        local("beaconing"),
        when=("light_seen", "!attach_proven", "automatic"),
        do=_pulse,
        req=("R-LNK-006",),
    ),
    on("L2_BEACON", expired("tLaserRestartPulse"), do=[do("laser_off")]),
)

_training = (
    on(_TRAINING, rx(TRAIN_REQ, "request"), when="!supported", do=[answer(RANGE_LIMIT)]),
    on(_TRAINING, rx(TRAIN_REQ, "request"), do=[do("transmit_pattern"), answer(OK)]),
    on("L2_BEACON", rx(TRAIN_REQ, "request"), when="!attach_proven", do=[answer(LASER_INTERLOCK)], req=("R-LNK-008",)),
    on("L2_BEACON", rx(TRAIN_REQ, "request"), do=[answer(BAD_STATE)]),
    on("SAFE_OFF", rx(TRAIN_REQ, "request"), do=[answer(LASER_INTERLOCK)], req=("R-LNK-009",)),
    on("TRAIN_CDR", local("cdr_locked"), to="TRAIN_FEC"),
    on(
        _TRAINING,
        expired("tTrain"),
        when="gear_left",
        do=[send(TRAIN_STATUS), *_again],
        to="TRAIN_CDR",
        req=("R-LNK-018",),
    ),
    on(_TRAINING, expired("tTrain"), do=[send(TRAIN_STATUS), *_down], to="L2_BEACON"),
)

_loss = (
    on(_TRAINING, line("light_off"), do=[start("tLosToLaserOff")]),
    on("L0", line("light_off"), do=[start("tLosToLaserOff"), send(LINK_EVENT, why=LINK_LOST)], to="RECOVERY"),
    on("RECOVERY", line("light_off"), do=[start("tLosToLaserOff")]),
    on(_TRAINING, line("light_on"), do=[stop("tLosToLaserOff")]),
    on("RECOVERY", line("light_on"), do=[stop("tLosToLaserOff"), *_relock]),
    on(_LIT, expired("tLosToLaserOff"), do=_down, to="L2_BEACON", req=("R-LNK-007",)),
    on("L0", local("lock_lost"), do=[send(LINK_EVENT, why=RETRAINING), *_relock], to="RECOVERY"),
    on(
        "L0",
        local("channel_fault"),
        do=[send(LINK_EVENT, why=(CREDIT_VIOLATION, REPLAY_EXHAUSTED)), *_relock],
        to="RECOVERY",
    ),
    on("L0", local("degraded"), do=[send(LINK_EVENT, why=(LINK_DEGRADED, OK))], req=("R-LNK-019",)),
    on("L0", local("failing"), when="gear_left", do=[send(RETRAIN_REQ, "request")]),
    on("RECOVERY", local("relocked"), when="trained_below", do=_up, to="L0"),
    on("RECOVERY", expired("tRelock"), when="gear_left", do=_again, to="TRAIN_CDR", req=("R-LNK-018",)),
    on("RECOVERY", expired("tRelock"), do=_down, to="L2_BEACON"),
)


def _agreed(form: str, reply: Sequence[Action]) -> tuple[Row, ...]:
    """What both sides do once RETRAIN_REQ or LINK_PM is agreed: the one with its answer, the other upon it."""
    retrain, rest = rx(RETRAIN_REQ, form), rx(LINK_PM, form)
    return (
        on("L0", retrain, when="keep_config", do=[*reply, *_relock], to="RECOVERY"),
        on("L0", retrain, when="trained_below", do=[*reply, *_relock], to="RECOVERY"),
        on("L0", retrain, do=[*reply, do("take_gears"), *_train], to="TRAIN_CDR"),
        on("L0", rest, when="target_l0", do=reply),
        on("L1", rest, when="target_l0", do=[*reply, do("wake"), do("laser_on"), *_relock], to="RECOVERY"),
        on(_ASLEEP, rest, when="target_l0", do=[*reply, send(BEACON), signal("beaconing")], to="L2_BEACON"),
        on(("L0", "L1"), rest, when="target_l1", do=[*reply, do("sleep"), do("laser_off")], to="L1"),
        on(("L0", "L1"), rest, when="target_l2", do=[*reply, do("sleep"), do("laser_off")], to="L2_BEACON"),
        on(("L0", "L1"), rest, do=[*reply, do("sleep"), do("laser_off")], to="L3_OFF"),
    )


_agreements = (
    on(("L0", "L1", *_ASLEEP), rx(LINK_PM, "request"), when="!supported", do=[answer(RANGE_LIMIT)]),
    on("L0", rx(LINK_PM, "request"), when="disturbs", do=[answer(BAD_STATE)]),
    on(_UNSETTLED, rx(LINK_PM, "request"), do=[answer(RETRAINING)]),
    on("SAFE_OFF", rx(LINK_PM, "request"), do=[answer(LASER_INTERLOCK)], req=("R-LNK-009",)),
    # RETRAIN_REQ travels by light alone, so it arrives in L0 or not at all.
    on("L0", rx(RETRAIN_REQ, "request"), when="!supported", do=[answer(RANGE_LIMIT)]),
    *_agreed("request", [answer(OK)]),
    on(_ASLEEP, rx(LINK_PM, "request"), do=[answer(BAD_STATE)]),
    *_agreed("response", []),
    on("L1", line("light_on"), do=[do("wake"), do("laser_on"), *_relock], to="RECOVERY", req=("R-LNK-021",)),
)

_safety = rx(LASER_SAFETY, "request")
_interlock = (
    on("SAFE_OFF", _safety, when="sets_test", do=[answer(LASER_INTERLOCK)], req=("R-LNK-009",)),
    on((*_ASLEEP, *_UNSETTLED, "L1"), _safety, when="sets_test", do=[answer(BAD_STATE)]),
    on(_ALL, _safety, do=[do("set_laser_mode"), answer(OK)]),
)

_BOTH: Final = (*_outside, *_light, *_pulses, *_training, *_loss, *_agreements, *_interlock)

# ── The module ───────────────────────────────────────────────────────────────────────────────────────

LINK_MODULE: Final = machine(
    "LINK",
    Role.MODULE,
    "The link, as the module keeps it.",
    needs=("LASER",),
    states=_STATES,
    choices=_CHOICES,
    lines=_LINES,
    locals=_LOCALS,
    guards=(
        *_GUARDS,
        *terms(
            epoch_known="`epoch` is that of the last LINK_PARAMS since this side started; 0 before the first.",
            test_mode="The laser's mode is TEST.",
        ),
    ),
    effects=_EFFECTS,
    rows=(
        *_BOTH,
        on(_TRAINING, rx(TRAIN_STATUS, "event"), do=[do("tune")]),
        on("TRAIN_FEC", local("fec_locked"), do=[send(TRAIN_STATUS), start("tTrain", "max")], to="NEGOTIATE"),
        on("NEGOTIATE", rx(LINK_PARAMS, "request"), when="!supported", do=[answer(RANGE_LIMIT)]),
        on("NEGOTIATE", rx(LINK_PARAMS, "request"), do=[do("apply_params"), answer(OK), *_up], to="L0"),
        on(("RECOVERY", "L0"), rx(VC_RESYNC, "request"), when="!epoch_known", do=[answer(EPOCH_MISMATCH)]),
        on("RECOVERY", rx(VC_RESYNC, "request"), do=[do("resync"), answer(OK), *_up], to="L0"),
        on("L0", rx(VC_RESYNC, "request"), do=[do("resync"), answer(OK)]),
        # What measures the link is allowed nowhere else.
        on("L0", rx(MARGIN, "request"), when="!supported", do=[answer(RANGE_LIMIT)]),
        on("L0", rx(MARGIN, "request"), when="disturbs", do=[answer(BAD_STATE)]),
        on("L0", rx(MARGIN, "request"), do=[answer(OK)], req=("R-LNK-020",)),
        on("L0", rx(BERT_RUN, "request"), when="!test_mode", do=[answer(BAD_STATE)]),
        on("L0", rx(BERT_RUN, "request"), when="!supported", do=[answer(RANGE_LIMIT)]),
        on("L0", rx(BERT_RUN, "request"), when="disturbs", do=[answer(BAD_STATE)]),
        on("L0", rx(BERT_RUN, "request"), do=[answer(OK)]),
    ),
)

# ── The phone ────────────────────────────────────────────────────────────────────────────────────────

_resync = send(VC_RESYNC, "request")

LINK_PHONE: Final = machine(
    "LINK",
    Role.PHONE,
    "The link, as the phone leads it.",
    needs=("LASER",),
    states=_STATES,
    choices=_CHOICES,
    lines=_LINES,
    locals=(
        *_LOCALS,
        *terms(
            "session_resumed",
            clearing="Errors are so few that a higher gear of the downlink would bear them.",
        ),
    ),
    guards=(
        *_GUARDS,
        *terms(
            peer_locked="The last TRAIN_STATUS since the laser came on, be it the event, says LOCKED.",
            gear_above="Both sides have a higher gear of the downlink.",
        ),
    ),
    effects=(
        *_EFFECTS,
        *terms(
            LINK_PARAMS="Says what the phone wants and grants, under the next epoch.",
            VC_RESYNC="Says where the phone stands.",
        ),
    ),
    rows=(
        *_BOTH,
        on("NEGOTIATE", rx(TRAIN_STATUS, "event"), when="peer_locked", do=[do("tune"), send(LINK_PARAMS, "request")]),
        on(_TRAINING, rx(TRAIN_STATUS, "event"), do=[do("tune")]),
        on(
            "TRAIN_FEC",
            local("fec_locked"),
            when="peer_locked",
            do=[send(TRAIN_STATUS), start("tTrain", "max"), send(LINK_PARAMS, "request")],
            to="NEGOTIATE",
        ),
        on("TRAIN_FEC", local("fec_locked"), do=[send(TRAIN_STATUS), start("tTrain", "max")], to="NEGOTIATE"),
        on("NEGOTIATE", rx(LINK_PARAMS, "response"), do=[do("apply_params"), *_up], to="L0"),
        on("NEGOTIATE", rx(LINK_PARAMS, "error"), when="gear_left", do=_again, to="TRAIN_CDR"),
        on("NEGOTIATE", rx(LINK_PARAMS, "error"), do=_down, to="L2_BEACON"),
        on("RECOVERY", local("relocked"), do=[_resync], req=("R-LNK-017",)),
        on("RECOVERY", rx(VC_RESYNC, "response"), do=[do("resync"), *_up], to="L0"),
        on(("RECOVERY", "L0"), rx(VC_RESYNC, "error"), do=_train, to="TRAIN_CDR"),
        on("L0", local("clearing"), when="gear_above", do=[send(RETRAIN_REQ, "request")], req=("R-LNK-064",)),
        on("L0", local("session_resumed"), when="!trained_below", do=[_resync], req=("R-LNK-017",)),
        on("L0", rx(VC_RESYNC, "response"), do=[do("resync")]),
    ),
)

MACHINES: Final = (LINK_MODULE, LINK_PHONE)
