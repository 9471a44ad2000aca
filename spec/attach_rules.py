"""The rules of attaching, removal and the session, beside those of the packets concerned.

Plan: greeting · removal and reset · what each side keeps.
"""

from functools import partial
from typing import Final

from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Level, Role, Testability
from opalink.spec.link import BEACON
from opalink.spec.management import HELLO
from opalink.spec.management_operation import EJECT, KEEPALIVE, RESET

GROUP: Final = Group("attach", area="ATT", channel="CONTROL", doc="Attaching, removal and the session.")

_must = GROUP.require
_module_must, _phone_must = partial(_must, role=Role.MODULE), partial(_must, role=Role.PHONE)

# ── Greeting ─────────────────────────────────────────────────────────────────────────────────────────

SILENT = _module_must(1, "The module MAY leave unanswered whatever arrives before its first BEACON.", level=Level.MAY)
STRANGER = _module_must(
    2,
    "The module MUST answer with NEEDS_SESSION a HELLO that resumes with another session or other nonces than those of "
    "the session it holds.",
    packet=HELLO,
)
UNTOUCHED = _module_must(3, "The module MUST leave its session as it was when it refuses a HELLO.", packet=HELLO)
SAME = _module_must(4, "The module MUST answer a resume with the number of the session resumed.", packet=HELLO)
GONE = _module_must(5, "The module MUST NOT resume a session once tHoldover is over.", kind=Kind.TIMING, packet=HELLO)
NEW = _module_must(6, "The module MUST end the session that it holds when a HELLO opens a new one.", packet=HELLO)
RESTARTED = _phone_must(12, "The phone MUST take the session as ended when BEACON brings another nonce.", packet=BEACON)

# ── Removal and reset ────────────────────────────────────────────────────────────────────────────────

QUIET = _module_must(
    7,
    "The module MUST begin no frame between an EJECT that it accepts with PREPARE and one with ABORT.",
    needs=("SENSOR",),
    packet=EJECT,
)
PARKED = _module_must(
    8,
    "The module MUST have parked its motors when it answers EJECT with the phase COMMIT.",
    needs=("FOCUS_MOTOR", "APERTURE_MOTOR", "ND_MOTOR", "ZOOM_MOTOR"),
    test=Testability.INSPECT,
    packet=EJECT,
    reason="Where a motor stands after the session has ended no packet says.",
)
ANSWERED = _module_must(9, "The module MUST answer RESET before it acts on it.", packet=RESET)
ERASED = _module_must(
    10, "The module MUST forget every setting that PROP_SET made when it is reset to FACTORY.", packet=RESET
)
CLEAN = _phone_must(
    11,
    "The phone MUST have released everything that it holds for a module within tForcedRemoval of the contacts opening, "
    "whatever was going on.",
    kind=Kind.TIMING,
)

# ── What each side keeps ─────────────────────────────────────────────────────────────────────────────

_must(
    13,
    "A side MUST keep its responses to the last outstanding_max requests of a session for repetitions of them.",
    kind=Kind.CAPACITY,
)
_must(
    14,
    "A side MUST take a request under a transaction number that it has answered with BAD_VERSION alone as a new one.",
    kind=Kind.ROBUSTNESS,
)
FORGETS = _must(15, "A side MUST NOT answer a request with a response that it has stored in an earlier session.")
COUNTS = _must(
    16,
    "A side MUST give `seq` 1 in the first KEEPALIVE that it sends since it started, and one more in each further one.",
    packet=KEEPALIVE,
)
TOLD = _must(17, "A side whose KEEPALIVE is refused MUST take the link as lost.", packet=KEEPALIVE)
