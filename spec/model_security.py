"""Security: what must hold of an authentication and of an update.

Plan: authentication · update.
"""

from typing import Final

from opalink.spec.model_form import BOTH, MODULE, PHONE, Happening, Invariant, Model
from opalink.spec.model_session import SESSION, WAITING

# ── Authentication ───────────────────────────────────────────────────────────────────────────────────

AUTH: Final = Model(
    "auth",
    "How a phone comes to its conclusion, and the module hears of it.",
    machines=("AUTH.phone", "AUTH.module"),
    kept=True,
    ours={"session": 0},
    mine={"known": 0, "step": 0, "waiting": 0},
    laser="my_known == 1",
    world=(
        Happening("a session begins", "session == 0 && !phone_known && !module_known", "session = 1", "must"),
        Happening("the session ends", "session && phone_known && module_known", "session = 0"),
        Happening(
            "sees the session begin",
            "session == 1 && my_known == 0",
            "my_known = 1; my_step = 0; raise my.session_open",
            "at once",
            BOTH,
        ),
        Happening("has waited", "my_waiting", "my_waiting = 0; raise my.wait_over", "must", PHONE),
        Happening(
            "sees the session end",
            "session == 0 && my_known",
            "my_known = 0; raise my.session_closed; drop my; drop its",
            "at once",
            BOTH,
        ),
    ),
    common="session == 1 && ("
    + " || ".join(
        f"(phone_AUTH == phone_AUTH_{s} && module_AUTH == module_AUTH_{s})"
        for s in ("NONE", "GENUINE", "MEASURED", "REJECTED")
    )
    + ")",
)

# ── Update ───────────────────────────────────────────────────────────────────────────────────────────

FIRMWARE: Final = Model(
    "firmware",
    "An update from offer to activation.",
    machines=("FIRMWARE.phone", "FIRMWARE.module"),
    kept=True,
    ours={"session": 0},
    mine={"known": 0, "image": 0, "checking": 0, "writing": 0, "runs": 2, "wish": 0, "unsaid": 0},
    laser="my_known == 1",
    world=(
        *SESSION,
        *WAITING,
        *(
            Happening(
                f"agrees to an update, to run {when}",
                "my_known == 1",
                f"my_wish = {wish}; raise my.update_wanted",
                "never",
                PHONE,
            )
            for wish, when in enumerate(("later", "at once"))
        ),
        Happening(
            "has come to a conclusion",
            "my_FIRMWARE == my_FIRMWARE_STAGED && my_known == 1",
            "raise my.auth_finished",
            "must",
            PHONE,
        ),
        Happening(
            "starts anew",
            "session == 1 && phone_known == 1 && my_known == 1",
            "session = 0; my_checking = 0; my_writing = 0; raise my.reboot",
            "never",
            MODULE,
        ),
        Happening(
            "has checked the image: good",
            "my_checking",
            "my_checking = 0; my_image = GOOD; raise my.image_good",
            "must",
            MODULE,
        ),
        Happening(
            "has checked the image: bad",
            "my_checking",
            "my_checking = 0; raise my.image_bad",
            "never",
            MODULE,
        ),
        Happening(
            "has written the image",
            "my_writing",
            "my_writing = 0; raise my.image_written",
            "must",
            MODULE,
        ),
    ),
    common=(
        "session == 1 && phone_FIRMWARE == phone_FIRMWARE_IDLE && (module_FIRMWARE == module_FIRMWARE_IDLE || "
        "module_FIRMWARE == module_FIRMWARE_ACTIVATE_PENDING || module_FIRMWARE == module_FIRMWARE_STAGED)"
    ),
    properties=(Invariant("only an image that was checked is ever run", "module_runs == GOOD", req=("R-SEC-010",)),),
)
