"""Attaching, removal and the session: the machine that knows which packets are legal when.

Plan: legality · words of both machines. The rules are in `attach_rules`, the machine of each side in `attach_module`
and `attach_phone`.

`allows` of a state is the law, on every lane: what is not in it is answered BAD_STATE and changes nothing. Beyond it,
other machines refuse what does not suit their own state. A session is what HELLO opens: settings, streams, buffered
stills, transactions. It survives the light for tHoldover, never the contacts: a module without a battery holds up for
less than a millisecond, so a bounce of the contacts is a restart.

A resume raises `session_open` as a new session does, but no `session_closed` before it: whatever outlives a lost link
hears nothing that ends it.
"""

from typing import Final

from opalink.spec import attach_rules as rule
from opalink.spec import capture, frame, lens, link, link_operation, management, power, realtime, security
from opalink.spec import management_operation as operation
from opalink.spec.codes import OVERCURRENT, THERMAL_LIMIT, TIMEOUT, UNDERVOLTAGE
from opalink.spec.form import Action, Row
from opalink.spec.link import BEACON, LINK_PARAMS, TRAIN_REQ, TRAIN_STATUS, VC_RESYNC
from opalink.spec.link_operation import LINK_EVENT
from opalink.spec.machine import do, expired, line, local, on, rx, send, signal, start, terms
from opalink.spec.management import HELLO
from opalink.spec.management_operation import EJECT, FAULT_EVENT, KEEPALIVE, RESET

# ── Legality ─────────────────────────────────────────────────────────────────────────────────────────

# Legal wherever there is power: what keeps people safe, and what reads or reports and disturbs nothing.
ALWAYS: Final = (
    power.PWR_FAULT,
    power.PWR_RESET,
    power.PWR_STATUS,
    power.THERMAL_STATUS,
    link_operation.LASER_SAFETY,
    link_operation.COUNTERS_GET,
    operation.STATE_GET,
    operation.PENDING,
    operation.CANCEL,
    FAULT_EVENT,
    operation.SEAT_STATUS,
    operation.DETACH_NOTICE,
)
BEFORE_HELLO: Final = (link.GROUP, HELLO, RESET, *ALWAYS)
EVERYTHING: Final = (
    link.GROUP,
    management.GROUP,
    security.GROUP,
    power.GROUP,
    realtime.GROUP,
    capture.GROUP,
    frame.GROUP,
    lens.GROUP,
)
# The contract is kept over the contacts and does not wait for light: a change that is under way is finished, a budget
# that falls is obeyed, and a soft reset, which is always legal, finds the offers that must follow it.
_KEPT: Final = (power.PWR_SOURCE_CAPS, power.PWR_REQUEST, power.PWR_READY, power.PWR_BUDGET)
# LINK_EVENT is there because the link comes up before the session does.
RESUMING: Final = (BEACON, TRAIN_REQ, TRAIN_STATUS, LINK_PARAMS, LINK_EVENT, HELLO, VC_RESYNC, *_KEPT, *ALWAYS)
LEAVING: Final = (EJECT, KEEPALIVE, link.GROUP, frame.GROUP, capture.FLUSH, power.GROUP, *ALWAYS)

# ── Words of both machines ───────────────────────────────────────────────────────────────────────────

LINES: Final = terms("power_on", "power_off", "light_off")
LOCALS: Final = terms(
    "session_open",
    "session_resumed",
    "session_closed",
    "detaching",
    "link_lost",
    "link_down",
    "beaconing",
    "fault",
    heard="A packet whose CRC is right has come from the peer, on any lane.",
    sent="This side has sent a packet, on any lane.",
)
GUARDS: Final = terms(
    asleep="LINK_PM has put the link to sleep and nothing has woken it.",
    in_session="A session is held.",
)
EFFECTS: Final = terms(
    BEACON="Says what this side is and can do.",
    KEEPALIVE="Counts up, from one session to the next too.",
    FAULT_EVENT="Says what the fault is.",
    end_session="Forgets the session, its nonces and its transactions: the requests that are open on either side, and "
    "the stored responses but that to the request which ends it.",
)

seek = start("tLaserRestartInterval")
# What a fault that ends the session can be, as far as the codes know it.
FATAL: Final = (TIMEOUT, OVERCURRENT, UNDERVOLTAGE, THERMAL_LIMIT)

beacon: list[Action] = [send(BEACON), signal("beaconing"), seek]
close: list[Action] = [do("end_session"), signal("session_closed")]
alive: list[Action] = [start("tKeepAlive"), start("tKeepAliveLoss")]
lose: list[Action] = [signal("link_lost"), start("tHoldover"), seek]
READY: Final = ("READY_BASIC", "READY_FULL")
LIVE: Final = (*READY, "DETACHING")


def keeping(*waiting: str) -> tuple[Row, ...]:
    """How a session and its link are kept; `waiting` are the states in which this side waits for the other's BEACON or
    for its light."""
    return (
        # Each side sees to it that the other hears something, whatever it is.
        on(LIVE, local("sent"), do=[start("tKeepAlive")]),
        on(LIVE, local("heard"), do=[start("tKeepAliveLoss")]),
        on(LIVE, expired("tKeepAlive"), when="in_session", do=[send(KEEPALIVE, "request")], req=(rule.COUNTS,)),
        on(LIVE, expired("tKeepAliveLoss"), when="in_session", do=lose, to="LINK_LOST"),
        # The peer is alive and in no session: without this, two sides that disagree would wait for ever.
        on(LIVE, rx(KEEPALIVE, "error"), when="in_session", do=lose, to="LINK_LOST", req=(rule.TOLD,)),
        # Light that goes by agreement is not lost. What was lost is sought again an interval later, never at once: two
        # sides that cannot train would else beacon without end.
        on(LIVE, line("light_off"), when=("in_session", "!asleep"), do=lose, to="LINK_LOST"),
        on(LIVE, local("link_down"), when="in_session", do=lose, to="LINK_LOST"),
        on((*waiting, "LINK_LOST"), expired("tLaserRestartInterval"), do=beacon, req=("R-LNK-006",)),
    )
