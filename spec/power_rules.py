"""The rules of power and heat.

Plan: budget, peaks, tests and heat · the contract. The machines of `power_machine` and `swap_machine` cite them.
"""

from typing import Final

from opalink.spec.dialect import Group
from opalink.spec.form import Kind, Level, Role, Testability
from opalink.spec.power import (
    GROUP,
    PIN_TEST,
    PWR_BUDGET,
    PWR_FAULT,
    PWR_READY,
    PWR_REQUEST,
    PWR_RESERVE,
    PWR_RESET,
    PWR_ROLE_SWAP,
    PWR_STATUS,
    THERMAL_STATUS,
)

_must = GROUP.require
_PHONE, _MODULE, _SOURCE, _SINK = Role.PHONE, Role.MODULE, Role.SOURCE, Role.SINK
_PASSIVE, _TIMING = Testability.PASSIVE, Kind.TIMING

# ── Budget, peaks, tests and heat ────────────────────────────────────────────────────────────────────

_must(
    1,
    "A side SHOULD send PWR_STATUS at least every 100 ms while more flows than class P2 allows.",
    level=Level.SHOULD,
    kind=_TIMING,
    test=_PASSIVE,
    packet=PWR_STATUS,
)
_must(
    2,
    "The module MUST draw no more than the `max` of the last PWR_BUDGET once its `grace` is over.",
    role=_MODULE,
    packet=PWR_BUDGET,
)
_must(
    3,
    "The module MUST name in its response to PWR_BUDGET every function that it gives up.",
    role=_MODULE,
    packet=PWR_BUDGET,
)
_must(
    4,
    "The phone MUST answer a PWR_RESERVE of which it grants less than was asked with ADJUSTED.",
    role=_PHONE,
    packet=PWR_RESERVE,
)
_must(5, "A side MUST raise `count` by one with every fault of that kind.", test=_PASSIVE, packet=PWR_FAULT)
_must(
    6,
    "A source MUST report FOREIGN_OBJECT once its `balance` has been above 150 mW for 20 ms.",
    role=_SOURCE,
    kind=_TIMING,
    packet=PWR_FAULT,
    source="The power balance of Qi's foreign object detection.",
)
_must(
    7,
    "The module MUST end a PIN_TEST under whose current its supply falls below 3 V with CONTACT_BAD.",
    role=_MODULE,
    packet=PIN_TEST,
)
_must(
    8,
    "The module MUST answer a PIN_TEST of RESISTANCE with MOISTURE while the insulation is below 100 kOhm.",
    role=_MODULE,
    packet=PIN_TEST,
    source="Linux takes contacts for contaminated from 1 MOhm down (maxim_contaminant.c).",
)
_must(
    9,
    "The side that becomes the source MUST send PWR_SOURCE_CAPS once its voltage stands at the contacts.",
    role=_SOURCE,
    packet=PWR_ROLE_SWAP,
)
_must(
    10,
    "A side MUST answer a PWR_ROLE_SWAP for a voltage or a current that it cannot supply with PWR_MISMATCH.",
    packet=PWR_ROLE_SWAP,
)
_must(11, "The module MUST send THERMAL_STATUS whenever `severity` changes.", role=_MODULE, packet=THERMAL_STATUS)
_must(
    12,
    "The module MUST give up at each severity all that it gives up at a lower one.",
    role=_MODULE,
    test=Testability.INSPECT,
    reason="A module chooses what it gives up, and no packet lists it.",
    packet=THERMAL_STATUS,
)
_must(13, "The module MUST report SHUTDOWN before it turns itself off for heat.", role=_MODULE, packet=THERMAL_STATUS)
_must(
    14,
    "The module MUST answer a request that would raise its power with THERMAL_LIMIT from severity SEVERE up.",
    role=_MODULE,
    packet=THERMAL_STATUS,
)
_must(
    15,
    "A side MUST send in the header of its FLITs the `severity` of its last THERMAL_STATUS.",
    test=_PASSIVE,
    packet=THERMAL_STATUS,
)

# ── The contract ─────────────────────────────────────────────────────────────────────────────────────

BOOT_POWER = _must(
    16,
    "A sink MUST NOT draw more than class P0 allows while no contract holds, PIN_TEST apart.",
    role=_SINK,
    test=_PASSIVE,
)
LIMIT = _must(
    17,
    "A sink MUST NOT draw more current than the contract's `limit`, PIN_TEST and peaks that were granted apart.",
    role=_SINK,
    test=_PASSIVE,
    packet=PWR_READY,
)
RESUMED = _must(
    18,
    "A module whose session was resumed MUST NOT draw more than class P2 allows until a PWR_REQUEST that it sent since "
    "has led to PWR_READY.",
    role=_MODULE,
    needs=("CONTRACT",),
)
GENERATION = _must(
    19,
    "A sink MUST name in PWR_REQUEST the generation of the last PWR_SOURCE_CAPS that it received.",
    role=_SINK,
    test=_PASSIVE,
    packet=PWR_REQUEST,
)
ONE_OPEN = _must(
    20, "A sink MUST NOT send a PWR_REQUEST while another is open.", role=_SINK, test=_PASSIVE, packet=PWR_REQUEST
)
BACK_OFF = _must(
    21,
    "A sink MUST NOT send its next PWR_REQUEST before the `retry_after` of a PWR_WAIT is over.",
    role=_SINK,
    kind=_TIMING,
    packet=PWR_REQUEST,
)
KEPT = _must(
    22, "A sink MUST keep to the contract that holds when a PWR_REQUEST is refused.", role=_SINK, packet=PWR_REQUEST
)
STALE = _must(
    23,
    "A source MUST answer a PWR_REQUEST of another generation than its last with PWR_REJECT and the reason STALE.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
NO_OFFER = _must(
    24,
    "A source MUST answer a PWR_REQUEST for an offer that it did not make with PWR_REJECT and the reason NO_OFFER.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
CURRENT = _must(
    25,
    "A source MUST answer a PWR_REQUEST for more current than it offered with PWR_REJECT and the reason CURRENT.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
CLASS = _must(
    26,
    "A source MUST answer a PWR_REQUEST of a power class whose conditions are known not to be met with PWR_REJECT and "
    "the reason CLASS.",
    role=_SOURCE,
    packet=PWR_REQUEST,
)
READY_ONCE = _must(
    27,
    "A source MUST NOT send a PWR_READY that follows no PWR_REQUEST it has accepted since the last one.",
    role=_SOURCE,
    test=_PASSIVE,
    packet=PWR_READY,
)
PROMPT = _must(
    28,
    "A source MUST answer a PWR_REQUEST within the minimum of tSenderResponse.",
    role=_SOURCE,
    kind=_TIMING,
    packet=PWR_REQUEST,
)
PROMPT_BUDGET = _must(
    29,
    "The module MUST answer a PWR_BUDGET within the minimum of tSenderResponse.",
    role=_MODULE,
    kind=_TIMING,
    packet=PWR_BUDGET,
)
MEASURED = _must(
    30,
    "A sink MUST send PWR_STATUS within tReport of the PWR_READY with which a contract begins to hold.",
    role=_SINK,
    kind=_TIMING,
    packet=PWR_STATUS,
)
TOO_LOW = _must(
    31, "The module MUST answer a PWR_BUDGET below its `min_ready` with RANGE_LIMIT.", role=_MODULE, packet=PWR_BUDGET
)
PEAK_LATE = _must(
    32, "The phone MUST answer a PWR_RESERVE whose `by` has passed with LATE.", role=_PHONE, packet=PWR_RESERVE
)
LATCHED = _must(33, "A side MUST stay on boot power while a fault is latched.", packet=PWR_FAULT)
OFFER_AGAIN = _must(34, "A source MUST send PWR_SOURCE_CAPS after a soft reset.", role=_SOURCE, packet=PWR_RESET)
FORGOTTEN = _must(
    35,
    "A sink MUST NOT act on the answer to a PWR_REQUEST that it sent before a soft reset.",
    role=_SINK,
    packet=PWR_RESET,
)

NO_OFFERS = _must(
    36,
    "The module MUST send a soft PWR_RESET whenever it has waited tSinkWaitCaps in a session for offers.",
    role=_MODULE,
    needs=("CONTRACT",),
    kind=_TIMING,
    packet=PWR_RESET,
    source="tTypeCSinkWaitCap of USB Power Delivery; there it ends in a hard reset.",
)
DOUBT = _must(
    37,
    "The module MUST NOT draw more than class P0 allows once a PWR_REQUEST is refused, if one before it went "
    "unanswered and no PWR_READY has come since.",
    role=_MODULE,
    needs=("CONTRACT",),
    packet=PWR_REQUEST,
)

CHAPTER: Final[Group] = GROUP  # the whole of it, now that its rules are stated
