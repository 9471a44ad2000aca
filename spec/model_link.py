"""Training: what must hold of gears and parameters.

Plan: training.
"""

from typing import Final

from opalink.spec.model_attach import LIGHT
from opalink.spec.model_form import BOTH, Happening, Invariant, Model

# Of each direction there are two gears: 2 and, below it, the base gear 1, which the channel always bears.

_INTERVAL: Final = 5  # ticks from one BEACON to the next: longer than any timer of a training

TRAINING: Final = Model(
    "training",
    "Gears and parameters, from the first light on, where each side trains by itself: a channel that now bears the "
    "upper gear and now the base gear alone, a sideband that loses. The attach machines are stood for by sides that "
    "send BEACON as long as they wait for light; TRAIN_STATUS and VC_RESYNC carry whether the receiver is locked.",
    machines=("LINK.phone", "LINK.module"),
    storm=1,
    capacity=8,
    words={
        "trained_below": "false",
        "faulty": "false",
        "attach_proven": "true",
        "seated": "true",
        "gear_left": "my_tried > 1",
        "gear_above": "my_gear < 2",
        "keep_config": "false",
        "supported": "true",
    },
    effects={
        "laser_on": "my_tx = ON; my_peer_locked = 0",
        "laser_off": "my_tx = OFF; my_locked = 0; my_relocking = 0; my_tried = 2",
        "transmit_pattern": "my_sends = arg",
        "next_attempt": "my_tried = my_tried - 1; my_locked = 0",
        "take_gears": "my_tried = 2; my_locked = 0",
        "apply_params": "my_gear = my_tried; my_locked = 1",
        "relock": "my_locked = 0; my_relocking = 1",
    },
    signals={"link_down": f"my_beaconed = {_INTERVAL}"},
    ours={"contact": 0, "path": 0, "best": 2},
    mine={
        "on": 0,
        "light": 0,
        "tx": 0,
        "locked": 0,
        "relocking": 0,
        "asleep": 0,
        "peer_locked": 0,
        "tried": 2,
        "gear": 0,
        "sends": 0,
        "beaconed": 0,
    },
    laser="path && my_tx == ON && its_tx == ON && my_locked && its_locked",
    sideband="phone_on && module_on",
    world=(
        Happening("the module snaps on", "!contact", "contact = 1; path = 1"),
        Happening("the module is taken off", "contact", "contact = 0; path = 0"),
        *(h for h in LIGHT.world if h.name in ("light is blocked", "light is free again")),
        Happening("has power", "contact && !my_on", "my_on = 1", "at once", BOTH),
        *(h for h in LIGHT.world if h.name in ("has no power", "sees light", "sees no light")),
        Happening("the channel worsens", "best == 2", "best = 1"),
        Happening("the channel is better", "best == 1", "best = 2"),
        Happening(
            "finds the clock",
            "my_LINK == my_LINK_TRAIN_CDR && my_light && its_sends == my_tried && my_tried <= best",
            "raise my.cdr_locked",
            "must",
            BOTH,
        ),
        Happening(
            "finds codewords",
            "my_LINK == my_LINK_TRAIN_FEC && my_light && its_sends == my_tried && my_tried <= best",
            "raise my.fec_locked",
            "must",
            BOTH,
        ),
        Happening(
            "finds its lock again",
            "my_relocking && my_light && its_sends == my_gear && my_gear <= best",
            "my_relocking = 0; my_locked = 1; raise my.relocked",
            "must",
            BOTH,
        ),
        Happening(
            "loses lock",
            "my_LINK == my_LINK_L0 && my_locked && (my_gear > best || its_sends != my_gear)",
            "my_locked = 0; raise my.lock_lost",
            "at once",
            BOTH,
        ),
        Happening("finds too many errors", "my_LINK == my_LINK_L0", "raise my.failing", "never", BOTH),
        Happening("finds few errors", "phone_LINK == phone_LINK_L0", "raise phone.clearing", "never"),
        Happening(
            "sends BEACON",
            "my_on && !my_beaconed && (my_LINK == my_LINK_L3_OFF || my_LINK == my_LINK_L2_BEACON)",
            f"my_beaconed = {_INTERVAL}; raise my.beaconing",
            "must",
            BOTH,
        ),
    ),
    clock="phone_beaconed || module_beaconed",
    tidy="; ".join(f"{s}_beaconed = ({s}_beaconed -> {s}_beaconed - 1 : 0)" for s in BOTH),
    common=(
        "(!contact && phone_LINK == phone_LINK_L3_OFF && module_LINK == module_LINK_L3_OFF) || "
        "(contact && phone_LINK == phone_LINK_L0 && module_LINK == module_LINK_L0 && "
        "phone_gear == module_sends && module_gear == phone_sends)"
    ),
    properties=(
        Invariant(
            "sides that are both in L0 use the gears that they agreed on",
            "phone_LINK != phone_LINK_L0 || module_LINK != module_LINK_L0 || !phone_locked || !module_locked || "
            "(phone_gear == module_sends && module_gear == phone_sends)",
            settled=True,
        ),
    ),
)
