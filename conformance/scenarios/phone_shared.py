"""Scenarios for phones that are those for modules: what binds both sides alike, and is seen of both in the same way.

The binding of the bench, the order of checks, what is counted, and all that a FLIT layer owes its peer. The tester is
then the module, and its preamble to READY is the other one; the tests are the same.

Plan: the list.
"""

from typing import Final

from opalink.conformance.scenarios import share
from opalink.spec.form import Role

# ── The list ─────────────────────────────────────────────────────────────────────────────────────────

SHARED: Final = """
    WIRE/ORDER/BI-crc_version WIRE/ORDER/BI-version_type WIRE/ORDER/BI-type_channel WIRE/TXN/BV-many
    WIRE/TXN/TI-response WIRE/RUBBISH/RB-bytes WIRE/RUBBISH/RB-headers WIRE/RUBBISH/RB-bursts LNK/COUNTERS/CA-kept
    LNK/COUNTERS/BV-read LNK/COUNTERS/BV-chapters LNK/COUNTERS/BI-too_large BEN/BIND/CA-answered
    BEN/BIND/BI-two_planes BEN/RECORD/RB-unknown_kind BEN/RECORD/RB-other_plane BEN/RECORD/RB-over_limit
    BEN/LANE/BV-down BEN/CONTROL/CA-offered BEN/CONTROL/NP-not_offered BEN/CONTROL/BI-failed BEN/CONTROL/BI-not_one
    BEN/CONTROL/BV-state BEN/CLOCK/TI-leap BEN/CLOCK/BI-backwards BEN/CLOCK/BV-repeatable ATT/LIGHT/BO-interlock
    ATT/ALIVE/BV-echo MGT/CANCEL/BV-late FLT/FLIT/RB-crc FLT/FLIT/BI-severity FLT/FLIT/BI-first_off
    FLT/FLIT/BI-first_off_max FLT/FLIT/BI-epoch FLT/FLIT/BV-spare FLT/FLIT/BV-health FLT/FLIT/BV-no_ack
    FLT/FLIT/RB-aside FLT/SIDEBAND/RB-crc FLT/SIDEBAND/RB-packet FLT/SIDEBAND/RB-sync FLT/SIDEBAND/RB-length
    WIRE/FLOOD/RB-requests ATT/ALIVE/BV-counted FLT/ORDER/TI-asked FLT/ORDER/BV-last_lost
    FLT/ORDER/BV-twice FLT/ORDER/BV-backwards FLT/ORDER/BV-within FLT/ORDER/TI-acknowledged
    FLT/ORDER/TI-idle_answered FLT/REPLAY/TI-again FLT/REPLAY/BV-selective FLT/REPLAY/BV-from FLT/REPLAY/TI-idle
    FLT/REPLAY/BV-every_third FLT/REPLAY/BI-never_sent FLT/PACKET/BV-many FLT/PACKET/BV-over_flits
    FLT/PACKET/BV-interleaved FLT/PACKET/BV-header_split FLT/PACKET/BI-contradicted FLT/CREDIT/BV-exhausted
    FLT/CREDIT/BV-returned FLT/CREDIT/BI-violated FLT/REPLAY/BI-exhausted LNK/DEGRADED/BV-reported
    WIRE/LANE/BI-request WIRE/LANE/BI-event WIRE/DIRECTION/BI-event
""".split()

for _name in SHARED:
    share(_name, Role.PHONE)
