"""Nothing that the catalogue declares is left out of the suite without a reason: states, timers, limits, statuses.

A table says of each by what it is tried. What is in neither column makes a test fail, and so does a name that is no
longer there.

Plan: states · timers · limits · statuses · reasons.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest

from opalink.conformance import Campaign, Options, Plan, certify
from opalink.conformance.bundle.coverage import REASONS, binds
from opalink.conformance.bundle.results import Actor
from opalink.conformance.generated import Suite
from opalink.conformance.purposes import PLANES, unmet
from opalink.conformance.selection import purposes
from opalink.conformance.tester.matrix import BRIEF, GATEWAY, NEEDS, STATES, UNREACHED, Matrix, reachable
from opalink.conformance.zoo.roster import members
from opalink.conformance.zoo.witnesses_timers import EDGES
from opalink.protocol import codec
from opalink.protocol.codec import DecodeError, Status
from opalink.protocol.engine.module import features_of
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import CounterId, CountersGetResponse, PowerFaultKind, PwrFault
from opalink.spec.form import Form, Level, Role, TimerKind

ALL = {p.id: p for p in purposes(Role.MODULE)}
SUITE = Suite(catalogue(), Role.MODULE)

# ── States ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_state_of_a_module_is_tried_is_like_one_that_is_or_has_a_reason() -> None:
    refused = Matrix(catalogue(), Role.MODULE).refused(SUITE.requests())
    tried = {f"{machine}.{state}" for places in STATES.values() for machine, state in places.items()}
    assert tried <= set(refused)
    alike = {(name.partition(".")[0], refused[name]) for name in tried}
    lone = {name for name, names in refused.items() if (name.partition(".")[0], names) not in alike}
    assert lone <= set(UNREACHED), lone - set(UNREACHED)
    assert set(UNREACHED) <= set(refused) - tried


def test_every_cell_of_state_and_packet_has_its_purpose() -> None:
    ids = set(ALL)
    for p in SUITE.received:
        area = catalogue().group[p.group].area
        cells = SUITE.matrix.cells(p)
        for state in STATES:
            if not reachable(p, state):
                continue
            stem = f"MOD/{area}/{p.name}"
            if Form.REQUEST in p.forms and not cells[state]:
                assert f"{stem}/BO-g.{state}" in ids
            elif Form.REQUEST in p.forms and state != SUITE.matrix.home(p) and state not in BRIEF and not p.optional:
                assert f"{stem}/BV-g.in.{state}" in ids
            if Form.EVENT in p.forms and state != "READY" and state not in BRIEF:
                assert f"{stem}/BO-g.event.{state}" in ids


def test_what_a_state_needs_is_about_a_state() -> None:
    assert set(NEEDS) <= {*STATES, "TEST"}
    assert set(BRIEF) <= set(STATES)
    assert {"LINK_PARAMS", "VC_RESYNC"} <= set(GATEWAY)


# ── Timers ───────────────────────────────────────────────────────────────────────────────────────────

# By which purposes each timer of a module is tried: a deadline on both edges, a bound on its one.
TIMERS = {
    "tBeaconAfterPower": "ATT/BEACON/TI-first",
    "tLaserRestartInterval": "ATT/BEACON/TI-repeated",
    "tLosToLaserOff": "LNK/LASER/TI-off",
    "tHello": "ATT/HELLO/TI-answer",
    "tDescRead": "MGT/DESC_READ/TI-whole",
    "tSenderResponse": "PWR/TIMER/TI-soft_reset",
    "tPwrTransition": "PWR/TIMER/TI-transition",
    "tRequestAfterWait": "PWR/WAIT/TI-least PWR/WAIT/TI-retry",
    "tKeepAlive": "MGT/KEEPALIVE/TI-silence ATT/ALIVE/TI-silence",
    "tKeepAliveLoss": "ATT/ALIVE/TI-given_up",
    "tHoldover": "ATT/RESUME/TI-inside ATT/RESUME/TI-outside",
    "tResponse": "WIRE/TXN/TI-response",
    "tPendingFirst": "LEN/OWNER/BV-phone_locks",
    "tPendingRefresh": "LEN/OWNER/BV-phone_locks",
    "tAuth": "SEC/SPDM/TI-auth",
    "tTimeSync": "TIM/SYNC/TI-interval",
    "tFirstFrameCold": "CAP/FIRST/TI-cold",
    "tFirstFrameWarm": "CAP/FIRST/TI-warm",
    "tPwrHardReset": "PWR/RESET/BV-hard",
    "tSinkWaitCaps": "PWR/TIMER/TI-offers",
    "tReport": "MGT/STACK/BV-change MGT/READY/BV-after_busy",
    "tFlitAck": "FLT/ORDER/TI-acknowledged FLT/ORDER/TI-asked",
    "tFlitIdle": "FLT/REPLAY/TI-idle",
}
TIMER_REASONS = {
    "tInrush": "A meter at the contacts sees it, no packet.",
    "tLaserRestartPulse": "A light meter sees it, no packet.",
    "tTrain": "On the packet plane the bench trains; on the FLIT plane the tester's light is there at once.",
    "tRelock": "As tTrain.",
    "tPwrDischarge": "The contacts are the phone's to discharge.",
}


def test_every_timer_of_a_module_is_tried_or_has_a_reason() -> None:
    own = {
        t.name for t in catalogue().timers if t.role in (Role.MODULE, Role.BOTH) and t.kind is not TimerKind.BEST_EFFORT
    }
    assert own == TIMERS.keys() | TIMER_REASONS.keys()
    assert not TIMERS.keys() & TIMER_REASONS.keys()
    for timer, names in TIMERS.items():
        for name in names.split():
            assert f"MOD/{name}" in ALL, timer


def test_either_edge_of_a_timer_has_its_purpose_and_an_implementation_beyond_it() -> None:
    """That each of these is failed, and charged as its edge says, the zoo shows."""
    zoo = members()
    for timer in (catalogue().timer[name] for name in TIMERS):
        if timer.kind is not TimerKind.DEADLINE:
            continue
        for declared, edge, side in zip((timer.min, timer.max), EDGES[timer.name], ("Early", "Late"), strict=True):
            assert (declared is None) is (edge is None), timer.name
            if edge is not None:
                member = zoo[f"{side}{timer.name[1:]}"]
                assert member.selection == f"MOD/{edge.purpose}", timer.name
                assert edge.purpose in TIMERS[timer.name].split(), timer.name
                assert edge.requirement in ALL[member.selection].requirements, timer.name
    assert {name for name in EDGES if catalogue().timer[name].kind is not TimerKind.DEADLINE} == set()


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────

LIMITS = {
    "sideband_packet": "MGT/DESC_READ/BV-lanes",
    "spdm_message": "SEC/SPDM/BI-g.message.over",
    "block_data": "CAP/STREAM/BV-frames",
    "firmware_block": "SEC/FW/BI-digest",
    "descriptor_bytes": "MGT/DESC_READ/TI-whole",
    "firmware_bytes": "SEC/STATUS/BI-too_large",
    "outstanding_min": "WIRE/TXN/BV-many",
    "outstanding_max": "ATT/STORED/CA-last",
    "streams": "CAP/STREAM_CONFIGURE/BI-g.streams.over",
    "queued_captures": "CAP/QUEUE/BV-capacity",
    "stack_elements": "MGT/STACK/BV-change",
    "tlv_nesting": "MGT/PROP_SET/BV-g.settings.unknown_tlv",
    "bench_record": "BEN/RECORD/RB-over_limit",
}
LIMIT_REASONS = {
    "flit_bytes": "The layout of a FLIT has no other size.",
    "flit_payload": "As flit_bytes.",
    "rt_payload": "As flit_bytes; the packets of the channel are shorter by their layout.",
    "calibration_bytes": "What a module holds is read to its end, whatever its size.",
    "replay_min": "LINK_PARAMS agrees on it, with its own range.",
    "replay_default": "As replay_min.",
    "replay_max": "As replay_min.",
    "train_attempts": "On the packet plane the bench trains in the module's stead.",
    "nak_rounds": "The phone's.",
    "first_frame_cold": "Of phone and module together: tFirstFrameCold is the module's share.",
    "first_frame_warm": "As first_frame_cold.",
    "resend_percent": "The phone's.",
}


def test_every_limit_is_tried_or_has_a_reason() -> None:
    assert {x.name for x in catalogue().limits} == LIMITS.keys() | LIMIT_REASONS.keys()
    assert not LIMITS.keys() & LIMIT_REASONS.keys()
    missing = {limit: name for limit, name in LIMITS.items() if f"MOD/{name}" not in ALL}
    assert missing == {}


# ── Statuses ─────────────────────────────────────────────────────────────────────────────────────────

# What shows a status that no field gives as a number.
SHOWN_BY_FAULT = {
    Status.OVERCURRENT: PowerFaultKind.OVER_CURRENT,
    Status.UNDERVOLTAGE: PowerFaultKind.UNDER_VOLTAGE,
    Status.CONTACT_BAD: PowerFaultKind.CONTACT,
    Status.MOISTURE: PowerFaultKind.MOISTURE,
    Status.FOREIGN_OBJECT: PowerFaultKind.FOREIGN_OBJECT,
}
SHOWN_BY_COUNTER = {
    Status.BAD_CRC: CounterId.BAD_CRC,
    Status.SEQ_GAP: CounterId.SEQ_GAP,
    Status.CREDIT_VIOLATION: CounterId.CREDIT_VIOLATION,
    Status.REPLAY_EXHAUSTED: CounterId.REPLAY_EXHAUSTED,
}
STATUS_REASONS = {
    "RETRAINING": "A module says so of a request that comes while it trains, when the tester has no light to ask by.",
    "PWR_WAIT": "A phone says so as a source; a module that supplies knows at once.",
    "FOREIGN_OBJECT": "A source finds it, by what it supplies and what the module says that it takes.",
    "UNSPECIFIED": "It may appear in no passing run.",
}
PROFILES = ("four-thirds", "standalone")


def _walk(value: object) -> Iterator[tuple[str, str, object]]:
    """Every field of a value and of the rows in it, with the name of its class."""
    for name in getattr(value, "__struct_fields__", ()):
        found = getattr(value, name)
        yield type(value).__name__, name, found
        for item in found if isinstance(found, tuple) else ():
            yield from _walk(item)


@cache
def _status_fields() -> frozenset[tuple[str, str]]:
    """The fields that the catalogue says hold a status, by layout."""
    return frozenset(
        (x.name, f.name)
        for x in catalogue().layouts
        for f in ir.fields_of(x.parts)
        if isinstance(f, ir.Number) and "tatus code" in f.doc
    )


def _seen(campaign: Campaign) -> Iterator[int]:
    """The statuses that an implementation has shown."""
    counts: dict[int, Status] = {counter.value: status for status, counter in SHOWN_BY_COUNTER.items()}
    kinds = {kind: status for status, kind in SHOWN_BY_FAULT.items()}
    for step in (s for r in campaign.results for s in r.steps if s.actor is Actor.IUT and s.data):
        try:
            packet = codec.decode(step.data)
        except DecodeError:
            continue
        if packet.rsp:
            yield int(packet.status)
        for layout, name, value in _walk(packet.body):
            if (layout, name) in _status_fields() and isinstance(value, int):
                yield value
        if isinstance(packet.body, PwrFault) and packet.body.kind in kinds:
            yield kinds[packet.body.kind]
        if isinstance(packet.body, CountersGetResponse):
            yield from (counts[c.id] for c in packet.body.counters if c.count and c.id in counts)


def test_every_status_is_provoked_in_its_scope_or_has_a_reason() -> None:
    seen: set[int] = set()
    for profile, chapters in product(PROFILES, ("MOD/FLT", "not MOD/FLT")):  # a campaign keeps the steps of so many
        made = certify(f"sim:{profile}", Options(plan=Plan.QUICK, selection=chapters, keep=True))
        seen.update(_seen(made))
    missing = {s.name for s in catalogue().statuses if s.value not in seen}
    assert missing == STATUS_REASONS.keys()


# ── Reasons ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("profile", catalogue().profile)
def test_no_more_than_one_obligation_in_twenty_rests_on_a_reason(profile: str, plane: str) -> None:
    features = features_of(catalogue().profile[profile])
    bound = [r for r in catalogue().requirements if binds(catalogue(), r, Role.MODULE, features, plane)]
    musts = [r.id for r in bound if r.level is Level.MUST]
    cited = {i for p in ALL.values() for i in p.requirements if unmet(p.needs, features) is None and plane in p.planes}
    reasoned = [r.id for r in bound if r.level is Level.MUST and (r.reason or r.id in REASONS) and r.id not in cited]
    assert len(musts) > 200
    assert len(reasoned) * 20 <= len(musts), reasoned


def test_a_reason_is_about_a_requirement_and_a_sentence() -> None:
    assert set(REASONS) <= set(catalogue().requirement)
    assert [text for text in REASONS.values() if not text.endswith(".")] == []
