"""The camera: what must hold of streams, frames, focus and time.

Plan: capture · frames · focus and time.
"""

from typing import Final

from opalink.spec.model_form import BOTH, MODULE, Happening, Model
from opalink.spec.model_session import SESSION, WAITING, wants

# ── Capture ──────────────────────────────────────────────────────────────────────────────────────────

CAPTURE: Final = Model(
    "capture",
    "Two streams set up, started, paused, stopped. The wire loses nothing while the session lasts: FLITs are replayed, "
    "and go on where they were once a lost link is back.",
    machines=("CAPTURE.phone", "CAPTURE.module"),
    kept=True,
    ours={"session": 0},
    mine={"known": 0, "a": 0, "b": 0, "wish": 0},
    laser="my_known == 1",
    world=(
        *SESSION,
        *WAITING,
        wants("wants streams", "want_streams", "0"),
        *(
            wants(f"wants to {word} {which}", "want_control", f"{op} + {mask}")
            for op, word in enumerate(("start", "stop", "pause", "resume"))
            for mask, which in ((4, "stream a"), (12, "both streams"))
        ),
        wants("wants quiet", "want_quiet", "0"),
        Happening(
            "has sent its last frame",
            "my_CAPTURE == my_CAPTURE_DRAINING",
            "my_a = (my_a == DRAIN -> IDLE : my_a); my_b = (my_b == DRAIN -> IDLE : my_b); raise my.frames_done",
            "must",
            BOTH,
        ),
        Happening("fails", "my_known == 1", "raise my.sensor_failed", "never", MODULE),
    ),
    common=(
        "session == 1 && (module_CAPTURE == module_CAPTURE_ERROR || "
        "(phone_CAPTURE == module_CAPTURE && phone_a == module_a && phone_b == module_b))"
    ),
)

# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────

FRAME: Final = Model(
    "frame",
    "A frame of two blocks, of which any may be lost. The module's answers are the world's: it has no machine.",
    machines=("FRAME.phone",),
    ours={},
    mine={"missing": 2, "trailer": 0, "sends": 0},
    laser="true",
    world=(
        Happening("sends the leader", "module_sends == 0", "module_sends = 1; send module.FRAME_LEADER event", "must"),
        Happening(
            "sends a block",
            "module_sends == 1 || module_sends == 2",
            "module_sends++; send module.FRAME_BLOCK event",
            "must",
        ),
        Happening(
            "sends the trailer", "module_sends == 3", "module_sends = 4; send module.FRAME_TRAILER event", "must"
        ),
        Happening("the session ends", "module_sends == 4", "raise phone.session_closed", "must"),
    ),
    common=(
        "phone_FRAME == phone_FRAME_COMPLETE || phone_FRAME == phone_FRAME_PARTIAL || "
        "phone_FRAME == phone_FRAME_ABORTED || phone_FRAME == phone_FRAME_WAIT_LEADER"
    ),
)

# ── Focus and time ───────────────────────────────────────────────────────────────────────────────────

FOCUS: Final = Model(
    "focus",
    "Who has the focus and what it is doing, as the module knows it and as the phone has heard.",
    machines=("FOCUS.phone", "FOCUS.module"),
    kept=True,
    ours={"session": 0},
    mine={"known": 0, "ring": 0, "driven": 0, "wish": 0},
    laser="my_known == 1",
    world=(
        *SESSION,
        wants("wants another focus", "want_focus", "0"),
        Happening(
            "turns its ring",
            "my_known == 1",
            "my_ring = 1; raise my.ring_turned; raise my.user_has_it",
            "never",
            MODULE,
        ),
        Happening(
            "has its focus back from the hand",
            "my_ring && len(to_phone) == 0",
            "my_ring = 0; raise my.phone_has_it",
            "must",
            MODULE,
        ),
        Happening(
            "is where it was sent", "my_driven && len(to_phone) == 0", "my_driven = 0; raise my.arrived", "must", MODULE
        ),
        Happening("stalls", "my_driven && len(to_phone) == 0", "my_driven = 0; raise my.stalled", "never", MODULE),
        Happening("gives up a movement", "my_driven", "my_driven = 0; raise my.cancelled", "never", MODULE),
    ),
    common=(
        "session == 1 && module_FOCUS != module_FOCUS_MOVING && "
        "(phone_FOCUS == module_FOCUS || phone_FOCUS == phone_FOCUS_IDLE)"
    ),
)

TIME: Final = Model(
    "time",
    "What the module knows of the time, and what the phone has heard of that.",
    machines=("TIME.phone", "TIME.module"),
    kept=True,
    ours={"session": 0},
    mine={"known": 0, "wish": 0},
    laser="my_known == 1",
    world=(
        *SESSION,
        wants("wants a trigger", "want_trigger", "0"),
        *(
            Happening(name, "my_known == 1", f"raise my.{event}", "never", MODULE)
            for name, event in (
                ("hears nothing good for 1 s", "silent"),
                ("hears nothing good for 10 s", "too_old"),
                ("falls in class", "class_fell"),
                ("knows its time to be wrong", "time_lost"),
            )
        ),
    ),
    common="session == 1 && phone_TIME == module_TIME && module_TIME == module_TIME_LOCKED",
)
