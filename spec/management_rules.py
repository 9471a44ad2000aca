"""The rules of discovery and management.

Plan: greeting · descriptor and stack · properties · alive, pending, ready, fault · reset, ejection, seat, removal ·
state and vendor.
"""

from functools import partial
from typing import Final

from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Level, Role, Testability
from opalink.spec.management import (
    DESC_CHANGED,
    DESC_READ,
    GROUP,
    HELLO,
    PROP_CHANGED,
    PROP_DESC,
    PROP_GET,
    PROP_SET,
    STACK_REPORT,
)
from opalink.spec.management_operation import (
    CANCEL,
    DETACH_NOTICE,
    EJECT,
    FAULT_EVENT,
    KEEPALIVE,
    PENDING,
    READY,
    RESET,
    SEAT_STATUS,
    STATE_GET,
    VENDOR,
)

_must = GROUP.require
_module_must, _phone_must = partial(_must, role=Role.MODULE), partial(_must, role=Role.PHONE)
_SEEN = Testability.PASSIVE

# ── Greeting ─────────────────────────────────────────────────────────────────────────────────────────

_phone_must(
    1,
    "The phone MUST give HELLO major version 1 in the packet header, whatever versions it speaks.",
    kind=Kind.SYNTAX,
    test=_SEEN,
    packet=HELLO,
)
_module_must(
    2,
    "The module MUST answer HELLO with BAD_VERSION if no version from the lowest to the highest is one of its own.",
    packet=HELLO,
)
_module_must(3, "The module MUST choose the highest version that both sides speak.", packet=HELLO)
_phone_must(4, "The phone MUST draw a new `phone_nonce` for each HELLO.", test=_SEEN, packet=HELLO)
_module_must(
    5,
    "The module MUST give a HELLO that resumes nothing a session number that it has not given since it started.",
    packet=HELLO,
)
_module_must(6, "The module MUST draw a new `module_nonce` for each HELLO.", packet=HELLO)
_module_must(7, "The module MUST give the same features in every HELLO while the same firmware runs.", packet=HELLO)
_module_must(
    8, "The module MUST give as `desc_sha256` the SHA-256 of the descriptor that DESC_READ reads.", packet=HELLO
)
_module_must(9, "The module MUST give as `desc_size` the `total` of the descriptor that DESC_READ reads.", packet=HELLO)
_module_must(48, "The module MUST answer HELLO within tHello.", kind=Kind.TIMING, packet=HELLO)

# ── Descriptor and stack ─────────────────────────────────────────────────────────────────────────────

_module_must(10, "The module MUST answer DESC_READ of an object that it has not with NO_SUCH_ID.", packet=DESC_READ)
_module_must(11, "The module MUST answer DESC_READ from beyond the end with RANGE_LIMIT.", packet=DESC_READ)
_module_must(12, "The module MUST answer DESC_READ from exactly the end with no data.", packet=DESC_READ)
_module_must(
    13,
    "The module MUST give as many bytes as asked for, unless fewer are left or fit a packet of the lane.",
    packet=DESC_READ,
)
_module_must(14, "The module MUST raise `generation` by one with each DESC_CHANGED.", test=_SEEN, packet=DESC_CHANGED)
_module_must(15, "The module MUST send DESC_CHANGED when an object's bytes change in a session.", packet=DESC_CHANGED)
_module_must(
    16,
    "The module MUST send STACK_REPORT within tReport of a session's opening or resumption.",
    kind=Kind.TIMING,
    packet=STACK_REPORT,
)
_module_must(
    17,
    "The module MUST send STACK_REPORT within tReport of a change of its stack in READY_BASIC or READY_FULL.",
    kind=Kind.TIMING,
    packet=STACK_REPORT,
)
_module_must(
    49,
    "The module MUST answer the DESC_READs that read its descriptor at the greatest length within tDescRead in all.",
    kind=Kind.TIMING,
    packet=DESC_READ,
)

# ── Properties ───────────────────────────────────────────────────────────────────────────────────────

_module_must(20, "The module MUST describe its properties in rising order of their tags.", packet=PROP_DESC)
_module_must(21, "The module MUST describe at least one property where there is one from `first` on.", packet=PROP_DESC)
_module_must(22, "The module MUST answer PROP_GET of a property that it has not with NO_SUCH_ID.", packet=PROP_GET)
_module_must(23, "The module MUST answer PROP_GET of a command with NO_SUCH_ID.", packet=PROP_GET)
_module_must(
    24, "The module MUST list a setting whose tag it does not know with NO_SUCH_ID and set the others.", packet=PROP_SET
)
_module_must(
    25,
    "The module MUST set nothing of a group other than 0 if it cannot set one of those tags that it knows.",
    packet=PROP_SET,
)
_module_must(
    26,
    "The module MUST answer PROP_SET with ADJUSTED if a property took another value than the one asked for.",
    packet=PROP_SET,
)
_module_must(
    27, "The module MUST answer PROP_SET with LATE if the frame or the time in `at` has passed.", packet=PROP_SET
)
_module_must(
    52,
    "The module MUST answer PROP_SET that is to take effect with a frame with NO_SUCH_ID if it has no sensor.",
    needs=("!SENSOR",),
    packet=PROP_SET,
)
_module_must(
    53,
    "The module MUST answer PROP_SET that is to take effect at a time with NO_TIME if it has no synchronised time.",
    packet=PROP_SET,
)
_module_must(
    28,
    "The module MUST NOT accept a value outside the `minimum` and `maximum` that it gave in PROP_DESC.",
    packet=PROP_SET,
)
_module_must(
    29,
    "The module MUST send PROP_CHANGED when the user's hand changes a property.",
    needs=("CONTROLS",),
    packet=PROP_CHANGED,
)

# ── Alive, pending, ready, fault ─────────────────────────────────────────────────────────────────────

_must(
    30,
    "A side MUST send PENDING again within tPendingRefresh until it answers.",
    kind=Kind.TIMING,
    test=_SEEN,
    packet=PENDING,
)
_must(31, "A side MUST NOT send PENDING for a transaction that is not open.", test=_SEEN, packet=PENDING)
_must(32, "A side MUST answer every request that it has sent PENDING for.", test=_SEEN, packet=PENDING)
_must(33, "A side MUST answer a request that CANCEL has ended with CANCELLED.", packet=CANCEL)
_must(34, "A side MUST answer CANCEL of a transaction that is not open with LATE.", packet=CANCEL)
_module_must(
    35,
    "The module MUST send READY within tReport once a part on whose account it answered BUSY can be asked again.",
    kind=Kind.TIMING,
    packet=READY,
)
_must(
    36,
    "A side MUST raise `count` by one with each FAULT_EVENT of the same code and subsystem.",
    test=_SEEN,
    packet=FAULT_EVENT,
)
_must(37, "A side MUST give the response to KEEPALIVE the `seq` of the request.", packet=KEEPALIVE)
_must(50, "A side MUST send KEEPALIVE once it has sent nothing for tKeepAlive.", kind=Kind.TIMING, packet=KEEPALIVE)

# ── Reset, ejection, seat, removal ───────────────────────────────────────────────────────────────────

_module_must(38, "The module MUST keep its calibration through RESET of every level.", packet=RESET)
_module_must(
    51, "The module MUST answer RESET with LINK with RANGE_LIMIT if it has no laser.", needs=("!LASER",), packet=RESET
)
_module_must(
    39,
    "The module MUST count in `pending_frames` every captured frame that it holds and has not sent whole.",
    needs=("BUFFER",),
    packet=EJECT,
)
_must(46, "A side MUST send SEAT_STATUS within tReport of a session's opening.", kind=Kind.TIMING, packet=SEAT_STATUS)
_must(
    47,
    "A side MUST send SEAT_STATUS within tReport once its quality differs by 10 or more from the last one sent.",
    kind=Kind.TIMING,
    packet=SEAT_STATUS,
)
_must(
    40,
    "A side SHOULD send DETACH_NOTICE tDetachNotice before the contacts open.",
    level=Level.SHOULD,
    kind=Kind.TIMING,
    packet=DETACH_NOTICE,
)

# ── State and vendor ─────────────────────────────────────────────────────────────────────────────────

_module_must(41, "The module MUST report each of its machines exactly once.", packet=STATE_GET)
_module_must(42, "The module MUST report the states in which its machines are when it answers.", packet=STATE_GET)
_module_must(43, "The module MUST NOT change `entered` while a machine stays in its state.", packet=STATE_GET)
_module_must(44, "The module MUST report every request of the phone's that it has not answered.", packet=STATE_GET)
_must(45, "A side MUST answer VENDOR of a vendor or type that it does not know with NO_SUCH_ID.", packet=VENDOR)

CHAPTER: Final[Group] = GROUP  # the whole of it, now that its rules are stated
