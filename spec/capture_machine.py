"""The machines of capture: streams from configured to started and back, on both sides.

Plan: words of both machines · the module · the phone.

Streams start, pause and stop one by one, and the machine counts them together: it is STREAMING as long as any
stream runs, PAUSED once the last of them pauses, DRAINING once the last is stopped. A link lost in between
ends nothing: in PAUSED_LINK the module keeps all it knows, takes what it was asked to take as far as its memory
reaches, and goes on when the session is resumed.
"""

from typing import Final

from opalink.spec.capture import CAPTURE_QUEUE, FLUSH, STREAM_CONFIGURE, STREAM_CONTROL, TEST_PATTERN
from opalink.spec.codes import (
    ADJUSTED,
    BAD_STATE,
    BANDWIDTH,
    BUFFER_FULL,
    BUSY,
    LATE,
    NO_SUCH_ID,
    NO_TIME,
    OK,
    PWR_LIMIT,
    RANGE_LIMIT,
    READ_ONLY,
    THERMAL_LIMIT,
)
from opalink.spec.form import Role
from opalink.spec.machine import answer, do, line, local, machine, on, one_of, rx, send, state, terms

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

_LINES = terms("power_off")
_SESSION = terms("session_closed", "session_resumed", "link_lost", "detaching")
_STATES = (
    state("UNCONFIGURED", "No streams are set up."),
    state("CONFIGURED", "Streams are set up and none is started."),
    state("STREAMING", "At least one stream sends frames, or is about to."),
    state("DRAINING", "Every stream is stopped; begun frames are still to be sent."),
    state("PAUSED", "Streams are started, and all of them paused."),
    state("PAUSED_LINK", "Streams are started, and the link is lost."),
)
_GUARDS = terms(
    test_only="`test_only` is 1, in the request or in the one answered.",
    no_streams="No row of `streams`, in the request or in the one answered.",
    op_start="`op` is START, in the request or in the one answered.",
    op_stop="`op` is STOP, in the request or in the one answered.",
    op_pause="`op` is PAUSE, in the request or in the one answered.",
    op_resume="`op` is RESUME, in the request or in the one answered.",
    others_run="A stream outside the mask is started and not paused.",
    others_paused="A stream outside the mask is paused.",
    mask_paused="A stream of the mask is paused.",
    all_stopped="No stream is started.",
    all_paused="Every started stream is paused.",
)

_CHOICES = (one_of("op_start", "op_stop", "op_pause", "op_resume"),)

_idle = ("UNCONFIGURED", "CONFIGURED")
_held = ("CONFIGURED", "STREAMING", "PAUSED")  # where requests wait or are carried out
_active = ("STREAMING", "DRAINING", "PAUSED")
_linked = (*_idle, *_active)
_kept = ("CONFIGURED", *_active, "PAUSED_LINK")

# ── The module ───────────────────────────────────────────────────────────────────────────────────────
# Refusals stand first, in the order in which a request is checked; whatever is left is done.

_configure, _control = rx(STREAM_CONFIGURE, "request"), rx(STREAM_CONTROL, "request")
_capture, _flush, _pattern = rx(CAPTURE_QUEUE, "request"), rx(FLUSH, "request"), rx(TEST_PATTERN, "request")
_continue = [do("continue_streams")]

CAPTURE_MODULE: Final = machine(
    "CAPTURE",
    Role.MODULE,
    "How a module captures.",
    needs=("SENSOR",),
    choices=_CHOICES,
    states=(*_STATES, state("ERROR", "The sensor has failed; only giving up every stream leads out.")),
    lines=_LINES,
    locals=(
        *_SESSION,
        *terms(
            frames_done="Every begun frame of the stopped streams has been sent.",
            sensor_failed="The sensor no longer delivers what it was set to.",
        ),
    ),
    guards=(
        *_GUARDS,
        *terms(
            modes_known="Every mode that a row of `streams` names is in MODE_TABLE.",
            within_module="Every row is within its mode and within what the module can do.",
            fits_link="The streams fit the link in its present gear, each at its `min_rate` at least.",
            fits_power="The streams take no more power than contract and budget allow.",
            adjusts="The streams can be had, but not exactly as asked.",
            mask_known="Every stream of the mask is configured.",
            cool="The thermal severity is below SEVERE.",
            plan_known="`plan` is 0 or names a plan that is set.",
            number_rises="`request` is above that of every request that was accepted in this session.",
            settings_writable="No property of `settings` that the module has is read-only to it.",
            settings_within="Every property of `settings` that the module has is within what PROP_DESC says.",
            time_known="`deadline` is 0, or the module has synchronised time.",
            deadline_ahead="`deadline` is 0 or has not passed.",
            queue_room="Fewer than queued_captures requests wait.",
            others_drain="A stream outside the mask is stopped and has begun frames to send.",
            buffer_room="Frame memory, if there is any, has room for a frame of every stream of the mask.",
        ),
    ),
    effects=terms(
        configure="Sets the streams up as they were asked for or adjusted; forgets those before and their queue.",
        unconfigure="Forgets streams, queue and pattern, and sends no more of any frame.",
        start_streams="Starts those of the mask that are not started and resumes those that are paused.",
        stop_streams="Begins no more frames on the streams of the mask and forgets their queue; `frames_done` follows.",
        stop_all="As stop_streams, for every stream.",
        pause_streams="Begins no more frames on the started streams of the mask; what is queued waits.",
        resume_streams="Has the paused streams of the mask go on.",
        enqueue="Puts the request in the queue.",
        flush_streams="Stops the streams of the mask, forgets their queue, ends their begun frames with trailers.",
        hold_streams="Sends nothing; keeps stills as far as memory reaches and ends video frames as ABORTED.",
        continue_streams="Goes on with the started streams, and with what is left of stills.",
        set_pattern="Puts the pattern in place of the scene from the next frame on.",
    ),
    rows=(
        # STREAM_CONFIGURE: what a configuration costs can be asked while others run.
        on(_active, _configure, when="!test_only", do=[answer(BAD_STATE)]),
        on(_linked, _configure, when="!modes_known", do=[answer(NO_SUCH_ID)]),
        on(_linked, _configure, when="!within_module", do=[answer(RANGE_LIMIT)]),
        on(_linked, _configure, when="!fits_link", do=[answer(BANDWIDTH)]),
        on(_linked, _configure, when="!fits_power", do=[answer(PWR_LIMIT)]),
        on(_linked, _configure, when=("test_only", "adjusts"), do=[answer(ADJUSTED)], req=("R-CAP-001",)),
        on(_linked, _configure, when="test_only", do=[answer(OK)], req=("R-CAP-001", "R-CAP-002")),
        on(_idle, _configure, when=("!test_only", "no_streams"), do=[do("unconfigure"), answer(OK)], to="UNCONFIGURED"),
        on(
            _idle,
            _configure,
            when=("!test_only", "!no_streams", "adjusts"),
            do=[do("configure"), answer(ADJUSTED)],
            to="CONFIGURED",
        ),
        on(_idle, _configure, do=[do("configure"), answer(OK)], to="CONFIGURED", req=("R-CAP-003",)),
        on("ERROR", _configure, when=("no_streams", "!test_only"), do=[answer(OK)], to="UNCONFIGURED"),
        on("ERROR", _configure, do=[answer(BAD_STATE)]),
        # STREAM_CONTROL.
        on((*_held, "DRAINING"), _control, when="!mask_known", do=[answer(NO_SUCH_ID)]),
        on(_held, _control, when=("op_start", "!cool"), do=[answer(THERMAL_LIMIT)], req=("R-PWR-014",)),
        on(_held, _control, when="op_start", do=[do("start_streams"), answer(OK)], to="STREAMING"),
        on(("CONFIGURED", "DRAINING"), _control, when="op_stop", do=[answer(OK)]),
        on(("CONFIGURED", "DRAINING"), _control, do=[answer(BAD_STATE)]),
        on(
            ("STREAMING", "PAUSED"),
            _control,
            when=("op_resume", "!cool"),
            do=[answer(THERMAL_LIMIT)],
            req=("R-PWR-014",),
        ),
        on("PAUSED", _control, when=("op_resume", "!mask_paused"), do=[answer(OK)]),
        on(
            ("STREAMING", "PAUSED"),
            _control,
            when="op_resume",
            do=[do("resume_streams"), answer(OK)],
            to="STREAMING",
        ),
        on("STREAMING", _control, when=("op_pause", "others_run"), do=[do("pause_streams"), answer(OK)]),
        on(("STREAMING", "PAUSED"), _control, when="op_pause", do=[do("pause_streams"), answer(OK)], to="PAUSED"),
        on(
            "STREAMING",
            _control,
            when=("op_stop", "others_run"),
            do=[do("stop_streams"), answer(OK)],
            req=("R-CAP-010",),
        ),
        on(
            ("STREAMING", "PAUSED"),
            _control,
            when=("op_stop", "!others_run", "others_paused"),
            do=[do("stop_streams"), answer(OK)],
            to="PAUSED",
            req=("R-CAP-010",),
        ),
        on(
            ("STREAMING", "PAUSED"),
            _control,
            when="op_stop",
            do=[do("stop_streams"), answer(OK)],
            to="DRAINING",
            req=("R-CAP-010",),
        ),
        on("DRAINING", local("frames_done"), to="CONFIGURED"),
        # CAPTURE_QUEUE.
        on(_held, _capture, when="!mask_known", do=[answer(NO_SUCH_ID)]),
        on(_held, _capture, when="!plan_known", do=[answer(NO_SUCH_ID)]),
        on(_held, _capture, when="!number_rises", do=[answer(BAD_STATE)], req=("R-CAP-006",)),
        on(_held, _capture, when="!settings_writable", do=[answer(READ_ONLY)]),
        on(_held, _capture, when="!settings_within", do=[answer(RANGE_LIMIT)]),
        on(_held, _capture, when="!time_known", do=[answer(NO_TIME)]),
        on(_held, _capture, when="!deadline_ahead", do=[answer(LATE)], req=("R-CAP-008",)),
        on(_held, _capture, when="!queue_room", do=[answer(BUSY)], req=("R-CAP-007",)),
        on(_held, _capture, when="!buffer_room", do=[answer(BUFFER_FULL)]),
        on(_held, _capture, do=[do("enqueue"), answer(OK)], req=("R-CAP-009", "R-CAP-018")),
        # FLUSH.
        on((*_held, "DRAINING"), _flush, when="!mask_known", do=[answer(NO_SUCH_ID)]),
        on("STREAMING", _flush, when="others_run", do=[do("flush_streams"), answer(OK)]),
        on(
            ("STREAMING", "PAUSED"),
            _flush,
            when=("!others_run", "others_paused"),
            do=[do("flush_streams"), answer(OK)],
            to="PAUSED",
        ),
        on(
            _active,
            _flush,
            when=("!others_run", "!others_paused", "others_drain"),
            do=[do("flush_streams"), answer(OK)],
            to="DRAINING",
        ),
        on(
            (*_held, "DRAINING"),
            _flush,
            do=[do("flush_streams"), answer(OK)],
            to="CONFIGURED",
            req=("R-CAP-011", "R-CAP-012"),
        ),
        # TEST_PATTERN.
        on((*_idle, "STREAMING", "PAUSED"), _pattern, do=[do("set_pattern"), answer(OK)], req=("R-CAP-017",)),
        # Link, session, power, sensor.
        on(("STREAMING", "PAUSED"), local("detaching"), do=[do("stop_all")], to="DRAINING", req=("R-CAP-010",)),
        on(_active, local("link_lost"), do=[do("hold_streams")], to="PAUSED_LINK", req=("R-CAP-013", "R-CAP-015")),
        on("PAUSED_LINK", local("session_resumed"), when="all_stopped", do=_continue, to="DRAINING"),
        on("PAUSED_LINK", local("session_resumed"), when=("!all_stopped", "all_paused"), do=_continue, to="PAUSED"),
        on("PAUSED_LINK", local("session_resumed"), do=_continue, to="STREAMING", req=("R-CAP-014",)),
        on((*_linked, "PAUSED_LINK"), local("sensor_failed"), do=[do("unconfigure")], to="ERROR", req=("R-CAP-021",)),
        on((*_kept, "ERROR"), local("session_closed"), do=[do("unconfigure")], to="UNCONFIGURED"),
        on((*_kept, "ERROR"), line("power_off"), do=[do("unconfigure")], to="UNCONFIGURED"),
    ),
)

# ── The phone ────────────────────────────────────────────────────────────────────────────────────────
# It moves when the module has agreed, so a request that is refused or lost takes it nowhere.

_answered = rx(STREAM_CONTROL, "response")

CAPTURE_PHONE: Final = machine(
    "CAPTURE",
    Role.PHONE,
    "How a phone has a module capture.",
    needs=("SENSOR",),
    choices=_CHOICES,
    states=_STATES,
    lines=_LINES,
    locals=(
        *_SESSION,
        *terms(
            want_streams="The user opens the camera, or wants another set of streams or none.",
            want_control="The user wants streams started, stopped, paused or resumed.",
            want_frames="The user takes a still or begins a video.",
            want_quiet="The user closes the camera, or something else needs it at once.",
            want_pattern="Somebody wants a pattern in place of the scene.",
            frames_done="The trailer of the last frame begun on the stopped streams has come.",
        ),
    ),
    guards=(
        *_GUARDS,
        *terms(frames_left="A begun frame of a stopped stream has not ended with its trailer; `detaching` stops all."),
    ),
    effects=terms(
        STREAM_CONFIGURE="Asks for the streams that are wanted.",
        STREAM_CONTROL="Asks for what is wanted of the streams.",
        CAPTURE_QUEUE="Asks for the frames that are wanted, under the next number.",
        FLUSH="Names every stream.",
        TEST_PATTERN="Asks for the pattern that is wanted.",
    ),
    rows=(
        on(_idle, local("want_streams"), do=[send(STREAM_CONFIGURE, "request")]),
        on(_idle, rx(STREAM_CONFIGURE, "response"), when="test_only"),
        on(_idle, rx(STREAM_CONFIGURE, "response"), when=("!test_only", "no_streams"), to="UNCONFIGURED"),
        on(_idle, rx(STREAM_CONFIGURE, "response"), to="CONFIGURED"),
        on(_held, local("want_control"), do=[send(STREAM_CONTROL, "request")]),
        on(_held, _answered, when="op_start", to="STREAMING"),
        on("PAUSED", _answered, when=("op_resume", "mask_paused"), to="STREAMING"),
        on("STREAMING", _answered, when=("op_pause", "!others_run"), to="PAUSED"),
        on("STREAMING", _answered, when=("op_stop", "!others_run", "others_paused"), to="PAUSED"),
        on("STREAMING", _answered, when=("op_stop", "!others_run", "!others_paused", "frames_left"), to="DRAINING"),
        on("STREAMING", _answered, when=("op_stop", "!others_run"), to="CONFIGURED"),
        on("PAUSED", _answered, when=("op_stop", "!others_paused", "frames_left"), to="DRAINING"),
        on("PAUSED", _answered, when=("op_stop", "!others_paused"), to="CONFIGURED"),
        on("DRAINING", local("frames_done"), to="CONFIGURED"),
        on(_held, local("want_frames"), do=[send(CAPTURE_QUEUE, "request")]),
        on((*_held, "DRAINING"), local("want_quiet"), do=[send(FLUSH, "request")]),
        on((*_held, "DRAINING"), rx(FLUSH, "response"), to="CONFIGURED"),
        on((*_idle, "STREAMING", "PAUSED"), local("want_pattern"), do=[send(TEST_PATTERN, "request")]),
        on(("STREAMING", "PAUSED"), local("detaching"), when="frames_left", to="DRAINING"),
        on(("STREAMING", "PAUSED"), local("detaching"), to="CONFIGURED"),
        on(_active, local("link_lost"), to="PAUSED_LINK"),
        on("PAUSED_LINK", local("session_resumed"), when="all_stopped", to="DRAINING"),
        on("PAUSED_LINK", local("session_resumed"), when=("!all_stopped", "all_paused"), to="PAUSED"),
        on("PAUSED_LINK", local("session_resumed"), to="STREAMING"),
        on(_kept, local("session_closed"), to="UNCONFIGURED"),
        on(_kept, line("power_off"), to="UNCONFIGURED"),
    ),
)

MACHINES: Final = (CAPTURE_MODULE, CAPTURE_PHONE)
