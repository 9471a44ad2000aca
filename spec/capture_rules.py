"""The rules of capture: what a module does with streams, requests, plans and patterns.

Plan: modes and streams · requests · plans and patterns · frame memory · first frame and failure.
"""

from functools import partial
from typing import Final

from opalink.spec.capture import (
    BUFFER_STATUS,
    CAPTURE_QUEUE,
    FLUSH,
    GROUP,
    MODE_TABLE,
    PLAN_SET,
    STREAM_CONFIGURE,
    STREAM_CONTROL,
    TEST_PATTERN,
)
from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Role, Testability

_module_must = partial(GROUP.require, role=Role.MODULE)
_PASSIVE = Testability.PASSIVE

# ── Modes and streams ────────────────────────────────────────────────────────────────────────────────

_module_must(
    1,
    "The module MUST leave streams, queue and properties as they are when it answers a STREAM_CONFIGURE with "
    "`test_only`.",
    packet=STREAM_CONFIGURE,
)
_module_must(
    2,
    "The module MUST answer STREAM_CONFIGURE with `test_only` as it would answer the same streams without it while "
    "none is started.",
    packet=STREAM_CONFIGURE,
)
_module_must(
    3,
    "The module MUST answer OK to the streams that it gave in an ADJUSTED response, asked for unchanged.",
    packet=STREAM_CONFIGURE,
)
_module_must(4, "The module MUST NOT give a stream a lower frame rate than its `min_rate`.", packet=STREAM_CONFIGURE)
_module_must(
    5,
    "The module MUST NOT send more frame data in any second than the bandwidth that it answered, resent blocks aside.",
    kind=Kind.CAPACITY,
    test=_PASSIVE,
    packet=STREAM_CONFIGURE,
)
_module_must(
    10,
    "The module MUST send the trailer of every frame that it has begun on a stream that is stopped or paused.",
    packet=STREAM_CONTROL,
)
_module_must(
    13, "The module MUST keep streams and queue while the link is lost, until the session ends.", needs=("SENSOR",)
)
_module_must(
    14,
    "The module MUST go on with the streams that ran when a session is resumed, without being asked.",
    needs=("SENSOR",),
)
_module_must(22, "The module MUST NOT give two modes the same number.", test=_PASSIVE, packet=MODE_TABLE)
_module_must(
    23,
    "The module MUST answer a STREAM_CONFIGURE with a mode that MODE_TABLE does not list with NO_SUCH_ID.",
    packet=STREAM_CONFIGURE,
)
_module_must(
    24,
    "The module MUST answer a request whose mask names a stream that is not set up with NO_SUCH_ID.",
    needs=("SENSOR",),
)

# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────

_module_must(
    6,
    "The module MUST answer a request whose number is not above that of every earlier one of the session with "
    "BAD_STATE.",
    packet=CAPTURE_QUEUE,
)
_module_must(7, "The module MUST accept requests until queued_captures wait.", kind=Kind.CAPACITY, packet=CAPTURE_QUEUE)
_module_must(
    8,
    "The module MUST NOT begin an exposure for a request whose deadline has passed.",
    kind=Kind.TIMING,
    packet=CAPTURE_QUEUE,
)
_module_must(
    9,
    "The module MUST return to the properties as they were set when a request's frames are done.",
    packet=CAPTURE_QUEUE,
)
_module_must(
    11,
    "The module MUST NOT send any part of a flushed stream's frames after its response to FLUSH until the stream is "
    "started again.",
    packet=FLUSH,
)
_module_must(
    12,
    "The module MUST send the trailer of every frame that FLUSH cuts off, with the reason CANCELLED, before it "
    "answers.",
    packet=FLUSH,
)
_module_must(
    25, "The module MUST answer a CAPTURE_QUEUE with a plan that is not set with NO_SUCH_ID.", packet=CAPTURE_QUEUE
)
_module_must(
    26,
    "The module MUST answer a CAPTURE_QUEUE that sets a property which it has and which is read-only with READ_ONLY.",
    packet=CAPTURE_QUEUE,
)

# ── Plans and patterns ───────────────────────────────────────────────────────────────────────────────

_module_must(
    17,
    "The module MUST send in every frame that is begun after a TEST_PATTERN exactly the samples of that pattern.",
    packet=TEST_PATTERN,
)
_module_must(
    18, "The module MUST take the n-th frame of a round of a plan with the settings of its n-th step.", packet=PLAN_SET
)

# ── Frame memory ─────────────────────────────────────────────────────────────────────────────────────

_module_must(
    15,
    "The module MUST keep the stills that it takes while the link is lost, as far as its frame memory reaches.",
    needs=("BUFFER", "STORAGE"),
)
_module_must(
    16,
    "The module MUST report with BUFFER_STATUS each change of `frames` or `lost` within 100 ms of it, or of the next "
    "time that a session begins or is resumed.",
    kind=Kind.TIMING,
    packet=BUFFER_STATUS,
)

# ── First frame and failure ──────────────────────────────────────────────────────────────────────────

_module_must(
    19,
    "The module MUST end its first frame within tFirstFrameCold of power, not counting the time that the phone took.",
    kind=Kind.TIMING,
    needs=("SENSOR",),
)
_module_must(
    20,
    "The module MUST end its first frame within tFirstFrameWarm of leaving L1, not counting the time that the phone "
    "took.",
    kind=Kind.TIMING,
    needs=("SENSOR",),
)
_module_must(21, "The module MUST report a failure of its sensor with FAULT_EVENT.", test=_PASSIVE, needs=("SENSOR",))

CHAPTER: Final[Group] = GROUP  # the whole of it, now that its rules are stated
