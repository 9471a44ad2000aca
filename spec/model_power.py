"""Power: what must hold of offers, contracts and resets.

Plan: power · on the sideband.
"""

from typing import Final

from msgspec import structs

from opalink.spec.model_form import BOTH, MODULE, PHONE, Happening, Invariant, Model

# ── Power ────────────────────────────────────────────────────────────────────────────────────────────

# Power comes in three steps: 0 is class P0, 1 class P2, 2 more than that. A budget of 3 is none.

POWER: Final = Model(
    "power",
    "Offers, requests, contracts, budgets and resets. The attach machines are stood for by a session that the module "
    "sees begin and end before the phone does.",
    machines=("POWER.phone", "POWER.module"),
    storm=2,
    kept=True,
    capacity=6,
    ours={"contact": 0, "supply": 0, "session": 0},
    mine={
        "on": 0,
        "known": 0,
        "offer": 1,
        "sent_offer": 0,
        "gen": 0,
        "contract": 0,
        "unsure": 0,
        "pending": 0,
        "supplying": 0,
        "budget": 3,
        "spare": 3,
        "soft": 0,
        "newer": 0,
        "offers": 0,
    },
    lasting=("offer",),
    laser="my_known",
    world=(
        Happening("the module snaps on", "!contact", "contact = 1; supply = 1"),
        Happening("the module is taken off", "contact", "contact = 0; session = 0"),
        Happening(
            "the contacts carry power again",
            "contact && !supply && !phone_on && !module_on",
            "supply = 1",
            "must",
        ),
        Happening(
            "sees its contacts close", "contact && supply && !my_on", "my_on = 1; raise my.power_on", "at once", BOTH
        ),
        Happening(
            "sees its contacts open",
            "!(contact && supply) && my_on",
            "session = 0; raise my.power_off; lose my; drop my; drop its",
            "at once",
            BOTH,
        ),
        Happening(
            "a session begins",
            "!session && contact && supply && phone_on && module_on && !phone_known && !module_known && "
            "len(to_phone) == 0 && len(to_module) == 0",
            "session = 1",
            "must",
        ),
        Happening("the session ends", "session && phone_known && module_known", "session = 0"),
        Happening(
            "sees the session begin", "session && !my_known", "my_known = 1; raise my.session_open", "at once", MODULE
        ),
        Happening(
            "sees the session begin",
            "session && module_known && !my_known",
            "my_known = 1; raise my.session_open",
            "at once",
            PHONE,
        ),
        Happening(
            "sees the session end",
            "!session && my_known",
            "my_known = 0; raise my.session_closed; drop my; drop its",
            "at once",
            BOTH,
        ),
        Happening("has more to give", "my_offer == 1", "my_offer = 2; raise my.supply_changed", "never", PHONE),
        Happening("has less to give", "my_offer == 2", "my_offer = 1; raise my.supply_changed", "never", PHONE),
        Happening("can spare less", "my_spare == 3", "my_spare = 1; raise my.budget_changed", "never", PHONE),
        Happening("can spare more", "my_spare == 1", "my_spare = 3; raise my.budget_changed", "never", PHONE),
        Happening("has set its supply", "my_supplying", "my_supplying = 0; raise my.supply_ready", "must", PHONE),
        Happening("meets a fault", "my_known", "raise my.power_fault", "never", BOTH),
    ),
    common=(
        "(!contact && phone_POWER == phone_POWER_OFF && module_POWER == module_POWER_OFF) || (contact && ("
        "((phone_POWER == phone_POWER_CONTRACT || phone_POWER == phone_POWER_LIMITED) && "
        "(module_POWER == module_POWER_CONTRACT || module_POWER == module_POWER_LIMITED) && "
        "phone_contract == module_contract) || "
        # On boot power: asked and refused.
        "(module_contract == 0 && module_POWER == module_POWER_CAPS_SEEN) || "
        "phone_POWER == phone_POWER_FAULT || module_POWER == module_POWER_FAULT))"
    ),
    properties=(
        Invariant(
            "the module draws no more than boot power without a contract",
            "module_contract == 0 || module_POWER == module_POWER_CONTRACT || module_POWER == module_POWER_LIMITED || "
            "module_POWER == module_POWER_REQUESTED || module_POWER == module_POWER_TRANSITION || "
            "module_POWER == module_POWER_SOFT_RESET",
            req=("R-PWR-016",),
        ),
        Invariant(
            "the module never draws above its contract",
            "module_contract == 0 || module_contract <= phone_contract || module_contract <= phone_pending",
            req=("R-PWR-017",),
            settled=True,
        ),
    ),
)

# ── On the sideband ──────────────────────────────────────────────────────────────────────────────────

POWER_SIDEBAND: Final = structs.replace(
    POWER,
    name="power-sideband",
    doc=POWER.doc + " Everything travels on the sideband, where it may be lost; how long the sides then differ, timers "
    "say, and what may be drawn meanwhile is not judged.",
    kept=False,
    laser="false",
    sideband="my_known",
    properties=(),
)
