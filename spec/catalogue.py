"""The catalogue: everything that is declared, gathered. Nothing is declared here.

Plan: tables · chapters and machines · layouts.

Whoever derives something from the specification reads this module, and `opalink.protocol.ir` is the first to do so.
The order is that of the document; it changes no meaning.
"""

from typing import Final

from opalink.spec import (
    attach_module,
    attach_phone,
    attach_rules,
    bench,
    capture_machine,
    capture_rules,
    codes,
    descriptor,
    dialect,
    flit,
    focus_machine,
    frame_machine,
    frame_rules,
    lens,
    limits,
    link_machine,
    link_rules,
    management_rules,
    power_machine,
    power_rules,
    properties,
    realtime,
    security,
    security_machine,
    time_machine,
    timers,
    wire,
)
from opalink.spec import features as _features
from opalink.spec import profiles as _profiles
from opalink.spec.dialect import Body, Envelope, Flags, Group, Space
from opalink.spec.form import Channel, Crc, Gear, Limit, Machine, Profile, Status, Timer

# ── Tables ───────────────────────────────────────────────────────────────────────────────────────────

VERSION: Final = f"{limits.VERSION_MAJOR}.{limits.VERSION_MINOR}"

CRCS: Final[tuple[Crc, ...]] = wire.CRCS
STATUSES: Final[tuple[Status, ...]] = codes.STATUSES
GENERAL: Final[tuple[Status, ...]] = codes.GENERAL
TIMERS: Final[tuple[Timer, ...]] = timers.TIMERS
LIMITS: Final[tuple[Limit, ...]] = (*limits.LIMITS, *bench.LIMITS)
CHANNELS: Final[tuple[Channel, ...]] = limits.CHANNELS
GEARS: Final[tuple[Gear, ...]] = limits.GEARS
FEATURES: Final[Flags] = _features.FEATURES
PROFILES: Final[tuple[Profile, ...]] = _profiles.PROFILES

# ── Chapters and machines ────────────────────────────────────────────────────────────────────────────

GROUPS: Final[tuple[Group, ...]] = (
    wire.GROUP,
    attach_rules.GROUP,
    link_rules.CHAPTER,
    flit.GROUP,
    management_rules.CHAPTER,
    descriptor.GROUP,
    properties.GROUP,
    security.GROUP,
    power_rules.CHAPTER,
    realtime.GROUP,
    capture_rules.CHAPTER,
    frame_rules.CHAPTER,
    lens.GROUP,
    bench.GROUP,
)

MACHINES: Final[tuple[Machine, ...]] = (
    attach_module.ATTACH_MODULE,
    attach_phone.ATTACH_PHONE,
    *link_machine.MACHINES,
    *security_machine.MACHINES,
    *power_machine.MACHINES,
    *capture_machine.MACHINES,
    *frame_machine.MACHINES,
    *focus_machine.MACHINES,
    *time_machine.MACHINES,
)

# ── Layouts: packets are in the groups; these stand outside them ─────────────────────────────────────

ENVELOPES: Final[tuple[Envelope, ...]] = (wire.PACKET, wire.FLIT, wire.SIDEBAND, bench.RECORD)

SPACES: Final[tuple[Space, ...]] = (
    dialect.EXTENSIONS,
    properties.PROPERTIES,
    descriptor.RECORDS,
    bench.OPERATIONS,
    bench.ANSWERS,
)

BODIES: Final[dict[str, tuple[Body, str]]] = {
    "REFUSAL": (wire.REFUSAL, wire.REFUSAL.doc),
    "DESCRIPTOR": (descriptor.DESCRIPTOR, descriptor.DESCRIPTOR.doc),
    **bench.BODIES,
}
