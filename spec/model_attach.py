"""Attaching and light: what must hold from contact to session, and of the laser.

Plan: contacts and light · attach · light · both together · without a laser.
"""

from typing import Final

from msgspec import structs

from opalink.spec.model_form import BOTH, MODULE, PHONE, Bound, Happening, Invariant, Model

# ── Contacts and light ───────────────────────────────────────────────────────────────────────────────

_SNAP: Final = (
    Happening("the module snaps on", "!contact", "contact = 1; path = 1"),
    Happening("the module is taken off", "contact", "contact = 0; path = 0"),
)
_CONTACTS: Final = (
    *_SNAP,
    Happening("sees its contacts close", "contact && !my_on", "my_on = 1; raise my.power_on", "at once", PHONE),
    Happening(
        "sees its contacts open",
        "!contact && my_on",
        "my_on = 0; my_proven = 0; my_light = 0; my_seeking = 0; raise my.power_off",
        "at once",
        PHONE,
    ),
    Happening("has power", "contact && supply && !my_on", "my_on = 1; raise my.power_on", "at once", MODULE),
    Happening("has no power", "!(contact && supply) && my_on", "raise my.power_off; lose my", "at once", MODULE),
)
_PATH: Final = (
    Happening("light is blocked", "contact && path", "path = 0"),
    Happening("light is free again", "contact && !path", "path = 1", "must"),
)

# ── Attach ───────────────────────────────────────────────────────────────────────────────────────────

ATTACH: Final = Model(
    "attach",
    "From contact to session and back. The link is a lamp that is lit once both sides have sent BEACON and the light "
    "is free, and that goes out when it is blocked, or of itself.",
    machines=("ATTACH.phone", "ATTACH.module"),
    storm=3,
    words={"lane_up": "my_light", "light_seen": "my_light", "asleep": "false"},
    signals={"beaconing": "my_seeking = 1", "link_reset": "link = 0; my_seeking = 0; its_seeking = 0"},
    ours={"contact": 0, "path": 0, "supply": 0, "link": 0},
    mine={
        "on": 0,
        "seeking": 0,
        "light": 0,
        "proven": 0,
        "session": 0,
        "nonce": 0,
        "known": 0,
        "boot": 0,
        "trusted": 0,
        "authing": 0,
        "wish": 0,
    },
    lasting=("boot", "nonce"),
    laser="link && my_light && module_on",
    sideband="contact && supply && module_on",
    world=(
        *_CONTACTS,
        *_PATH,
        Happening(
            "the link comes up",
            "!link && path && module_on && phone_seeking && module_seeking && !phone_light && !module_light",
            "link = 1; phone_seeking = 0; module_seeking = 0",
            "must",
        ),
        Happening("the link goes down", "link && !(path && module_on)", "link = 0", "at once"),
        Happening("the link fails", "link", "link = 0"),
        Happening(
            "sees light",
            "link && my_on && !my_light",
            "my_light = 1; raise my.light_on; raise my.link_up",
            "at once",
            BOTH,
        ),
        Happening(
            "sees no light",
            "!link && my_on && my_light",
            "my_light = 0; raise my.light_off; raise my.link_down",
            "at once",
            BOTH,
        ),
        Happening(
            "wants the module off",
            "my_session && my_ATTACH != my_ATTACH_DETACHING && my_ATTACH != my_ATTACH_LINK_LOST",
            "raise my.eject",
            "never",
            PHONE,
        ),
        Happening(
            "wants to keep it",
            "my_ATTACH == my_ATTACH_DETACHING && !my_open_EJECT && supply && contact && module_on && "
            "len(to_module) == 0",
            "raise my.keep",
            "never",
            PHONE,
        ),
        Happening(
            "has all that it wants",
            "my_ATTACH == my_ATTACH_DETACHING && !my_open_EJECT && supply && contact && module_on && "
            "len(to_module) == 0",
            "raise my.fetched",
            "must",
            PHONE,
        ),
        *(
            Happening(
                f"resets the {what}",
                "my_session && my_ATTACH != my_ATTACH_LINK_LOST",
                f"my_wish = {level}; send my.RESET request; my_wish = 0",
                "never",
                PHONE,
            )
            for level, what in enumerate(("protocol", "link", "module"))
        ),
        Happening("fails", "my_on && my_ATTACH != my_ATTACH_FAULT", "raise my.fault", "never", BOTH),
        Happening(
            "has judged the module",
            "my_authing && my_ATTACH == my_ATTACH_READY_BASIC && link && my_light",
            "my_authing = 0; my_trusted = 1; send my.TRUST_POLICY event; raise my.auth_finished",
            "must",
            PHONE,
        ),
    ),
    common=(
        "(!contact && phone_ATTACH == phone_ATTACH_DETACHED && module_ATTACH == module_ATTACH_DETACHED) || "
        "(contact && ((phone_ATTACH == phone_ATTACH_READY_FULL && module_ATTACH == module_ATTACH_READY_FULL && "
        "phone_nonce == module_nonce) || phone_ATTACH == phone_ATTACH_FAULT || "
        "(phone_ATTACH == phone_ATTACH_DETACHING && !supply) || "
        "module_ATTACH == module_ATTACH_FAULT))"
    ),
    properties=(
        Bound(
            "a removal ends in DETACHED",
            "!contact",
            "phone_ATTACH == phone_ATTACH_DETACHED && module_ATTACH == module_ATTACH_DETACHED",
            "tForcedRemoval",
            ("R-ATT-011",),
        ),
        Invariant(
            "sides that are ready hold the same session",
            "(phone_ATTACH != phone_ATTACH_READY_FULL && phone_ATTACH != phone_ATTACH_READY_BASIC) || "
            "(module_ATTACH != module_ATTACH_READY_FULL && module_ATTACH != module_ATTACH_READY_BASIC) || "
            "phone_nonce == module_nonce",
            settled=True,
        ),
    ),
    tidy=(
        "phone_nonce = (phone_nonce == 0 -> 0 : (phone_nonce == module_nonce -> 1 : 2)); module_nonce = 1; "
        "phone_known = (phone_known == 0 -> 0 : (phone_known == module_boot -> 1 : 2)); module_boot = 1"
    ),
)

# ── Light ────────────────────────────────────────────────────────────────────────────────────────────

LIGHT: Final = Model(
    "light",
    "Light between the sides where what lies below trains by itself, as on the packet plane. The attach machines are "
    "stood for by sides that send BEACON as long as they wait for light.",
    machines=("LINK.phone", "LINK.module"),
    words={"trained_below": "true", "gear_left": "false", "faulty": "false"},
    ours={"contact": 0, "path": 0, "seat": 0, "supply": 1},
    mine={
        "on": 0,
        "light": 0,
        "seat": 0,
        "tx": 0,
        "locked": 0,
        "relocking": 0,
        "asleep": 0,
        "proven": 0,
        "boot": 0,
        "peer_locked": 0,
        "beaconed": 0,
        "first": 0,
    },
    kept=True,
    sideband="phone_on && module_on",
    world=(
        Happening("the module snaps on", "!contact", "contact = 1; path = 1; seat = 1"),
        Happening("the module is taken off", "contact", "contact = 0; path = 0; seat = 0"),
        *_PATH,
        Happening("the magnets let go", "contact && seat", "seat = 0"),
        Happening("the magnets hold again", "contact && !seat", "seat = 1", "must"),
        Happening("has power", "contact && !my_on", "my_on = 1; my_seat = 1; module_first = 1", "at once", BOTH),
        Happening(
            "has no power", "!contact && my_on", "raise my.power_off; lose my; drop my; drop its", "at once", BOTH
        ),
        Happening(
            "sees light",
            "its_tx != OFF && path && my_on && !my_light",
            "my_light = 1; raise my.light_on",
            "at once",
            BOTH,
        ),
        Happening(
            "sees no light",
            "!(its_tx != OFF && path) && my_on && my_light",
            "my_light = 0; raise my.light_off",
            "at once",
            BOTH,
        ),
        Happening(
            "feels its seat", "seat && my_on && !my_seat", "my_seat = 1; raise my.interlock_closed", "at once", BOTH
        ),
        Happening(
            "feels no seat", "!seat && my_on && my_seat", "my_seat = 0; raise my.interlock_open", "at once", BOTH
        ),
        Happening(
            "finds its lock again",
            "my_relocking && my_light",
            "my_relocking = 0; my_locked = 1; raise my.relocked",
            "must",
            BOTH,
        ),
        Happening("loses lock", "my_LINK == my_LINK_L0", "raise my.lock_lost", "never", BOTH),
        # A phone first hears from the module, and then says BEACON.
        Happening(
            "sends BEACON",
            "my_on && !my_beaconed && (my_proven || my_first) && "
            "(my_LINK == my_LINK_L3_OFF || my_LINK == my_LINK_L2_BEACON)",
            "my_beaconed = 1; send my.BEACON event; raise my.beaconing",
            "must",
            BOTH,
        ),
    ),
    clock="phone_beaconed || module_beaconed",
    tidy="phone_beaconed = 0; module_beaconed = 0",
    common=(
        "(!contact && phone_LINK == phone_LINK_L3_OFF && module_LINK == module_LINK_L3_OFF) || "
        "(contact && phone_LINK == phone_LINK_L0 && module_LINK == module_LINK_L0)"
    ),
    properties=(
        Invariant(
            "the laser is never at full power without an attach proof",
            "my_tx != ON || (my_seat && my_proven)",
            BOTH,
            ("R-LNK-008", "R-LNK-009"),
        ),
    ),
)

# ── Both together ────────────────────────────────────────────────────────────────────────────────────


def _of(model: Model, *names: str) -> tuple[Happening, ...]:
    """What of a name happens in another model."""
    return tuple(h for h in model.world if h.name in names)


DARK: Final = structs.replace(
    ATTACH,
    name="attach-dark",
    doc=ATTACH.doc + " A side may notice what changes around it only after it has taken the next packet: HELLO may be "
    "answered in the dark.",
    prompt=False,
)

_LIT: Final = "my_LINK == my_LINK_L0 && its_LINK == its_LINK_L0 && path"

ATTACH_LIGHT: Final = Model(
    "attach-light",
    "From contact to session and back with light as the link machines keep it: BEACON is what the attach machines "
    "send, and may be lost.",
    machines=("ATTACH.phone", "ATTACH.module", "LINK.phone", "LINK.module"),
    storm=2,
    words=LIGHT.words,
    ours={"contact": 0, "path": 0, "seat": 0, "supply": 0},
    mine={
        name: first
        for name, first in (ATTACH.mine | LIGHT.mine).items()
        if name not in ("seeking", "wish", "beaconed", "first")
    },
    lasting=ATTACH.lasting,
    laser=_LIT,
    sideband=ATTACH.sideband,
    world=(
        Happening("the module snaps on", "!contact", "contact = 1; path = 1; seat = 1"),
        Happening("the module is taken off", "contact", "contact = 0; path = 0; seat = 0"),
        Happening("sees its contacts close", "contact && !my_on", "my_on = 1; raise my.power_on", "at once", PHONE),
        Happening(
            "sees its contacts open",
            "!contact && my_on",
            "my_on = 0; my_proven = 0; my_light = 0; raise my.power_off",
            "at once",
            PHONE,
        ),
        *_of(ATTACH, "has power", "has no power"),
        *_PATH,
        *_of(LIGHT, "the magnets let go", "the magnets hold again", "sees light", "sees no light"),
        *_of(LIGHT, "finds its lock again"),
        *(
            Happening(h.name, h.when.replace("my_on && ", on), h.do, "at once", side)
            for h in _of(LIGHT, "feels its seat", "feels no seat")
            # The magnets' field a phone feels without a module's power.
            for side, on in ((PHONE, ""), (MODULE, "my_on && "))
        ),
        Happening(
            "has judged the module",
            f"my_authing && my_ATTACH == my_ATTACH_READY_BASIC && {_LIT}",
            "my_authing = 0; my_trusted = 1; send my.TRUST_POLICY event; raise my.auth_finished",
            "must",
            PHONE,
        ),
    ),
    common=(
        "(!contact && phone_ATTACH == phone_ATTACH_DETACHED && module_ATTACH == module_ATTACH_DETACHED && "
        "module_LINK == module_LINK_L3_OFF) || (contact && (phone_ATTACH == phone_ATTACH_FAULT || ("
        "phone_ATTACH == phone_ATTACH_READY_FULL && module_ATTACH == module_ATTACH_READY_FULL && "
        "phone_nonce == module_nonce && phone_LINK == phone_LINK_L0 && module_LINK == module_LINK_L0)))"
    ),
    properties=LIGHT.properties,
    tidy=ATTACH.tidy,
)

# ── Without a laser ──────────────────────────────────────────────────────────────────────────────────

SIDEBAND: Final = Model(
    "attach-sideband",
    "From contact to session and back for a module that has no laser, on a sideband that loses.",
    machines=("ATTACH.phone", "ATTACH.module"),
    words={
        "has_laser": "false",
        "lane_up": "true",
        "light_seen": "false",
        "asleep": "false",
        "offers_security": "false",
        "trust_settled": "true",
    },
    ours={"contact": 0, "supply": 0},
    mine={name: first for name, first in ATTACH.mine.items() if name not in ("seeking", "light")},
    lasting=ATTACH.lasting,
    sideband=ATTACH.sideband,
    world=(
        Happening("the module snaps on", "!contact", "contact = 1"),
        Happening("the module is taken off", "contact", "contact = 0"),
        Happening("sees its contacts close", "contact && !my_on", "my_on = 1; raise my.power_on", "at once", PHONE),
        Happening("sees its contacts open", "!contact && my_on", "my_on = 0; raise my.power_off", "at once", PHONE),
        *_of(ATTACH, "has power", "has no power", "wants the module off", "wants to keep it", "has all that it wants"),
        *_of(ATTACH, "resets the protocol", "resets the link", "resets the module", "fails"),
        Happening(
            "asks for no proof",
            "my_authing && my_ATTACH == my_ATTACH_READY_BASIC",
            "my_authing = 0; my_trusted = 1; raise my.auth_finished",
            "must",
            PHONE,
        ),
    ),
    common=ATTACH.common,
    properties=ATTACH.properties,
    tidy=ATTACH.tidy,
)
