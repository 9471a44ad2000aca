"""Scenarios of properties: what is described, read, set and refused.

Plan: helpers · describing · reading · setting · groups and moments.
"""

from opalink.conformance.conclusions import Inapplicable
from opalink.conformance.scenarios import scenario
from opalink.conformance.tester.ledger import Heard
from opalink.conformance.tester.preambles import contract, greet, ready, show, train
from opalink.conformance.tester.session import EVENTUALLY, Session
from opalink.protocol import packets as p
from opalink.protocol.codec import Status, Tlv
from opalink.protocol.packets import PropertyAccess, PropertyTag
from opalink.spec.form import SECOND

_HAVING = (
    "SENSOR|VIDEO|FOCUS_MOTOR|APERTURE_MOTOR|ND_MOTOR|ZOOM_MOTOR|CONTROLS|OIS|IMU|FLASH|TEMPERATURE|STACK|TIME|"
    "WALL_CLOCK|STORAGE|BATTERY"
)
_UNKNOWN = 0x7FF0

# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────


def described(s: Session, access: PropertyAccess) -> list[p.PropertyDesc]:
    """The properties of one kind of access, as PROP_DESC gave them."""
    return [d for d in s.known.properties.values() if d.access == access]


def get(s: Session, *tags: int) -> list[Tlv]:
    """The values of properties, each once and in the order asked for."""
    body = s.asks(p.PropGet(wanted=tuple(p.PropertyId(id=t) for t in tags)))
    found = [int(t.tag) for t in body.properties]
    s.expect(found == [int(t) for t in tags], f"{[hex(t) for t in tags]}", f"{[hex(t) for t in found]}")
    return list(body.properties)


def put(s: Session, *settings: tuple[int, object], **more: int) -> p.PropSetResponse:
    heard = s.ask(p.PropSet(settings=tuple(Tlv(t, v) for t, v in settings), **more))
    s.expect_status(heard, Status.OK, Status.ADJUSTED)
    body: p.PropSetResponse = heard.body
    return body


def other_value(d: p.PropertyDesc) -> int:
    """A value that the property can have, and has not after a start."""
    if d.members:
        values = [m.value for m in d.members if m.value != d.initial]
    else:
        step = d.step or 1
        values = [v for v in (d.initial + step, d.initial - step, d.minimum, d.maximum) if v != d.initial]
        values = [v for v in values if d.minimum <= v <= d.maximum]
    return values[0] if values else d.initial


def _writable(s: Session) -> list[p.PropertyDesc]:
    found = [d for d in described(s, PropertyAccess.READ_WRITE) if other_value(d) != d.initial]
    if not found:
        raise Inapplicable("It has no property that can be both read and set.")
    return found


# ── Describing ───────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/PROP_DESC/CA-order", "R-MGT-020", "R-MGT-021",
    given="a module in READY with properties", when="they are described one at a time, and many at once",
    then="both give the same, by rising tag, and then no more", needs=_HAVING,
)  # fmt: skip
def properties_are_described_in_order(s: Session) -> None:
    ready(s)
    single = []
    first = 0
    while True:
        body = s.asks(p.PropDesc(first=first, max=1))
        if not body.described:
            break
        found = body.described[0].id
        s.expect(found >= first, f"a tag from {first:#06x} on", f"{found:#06x}", "R-MGT-020")
        single.append(found)
        first = found + 1
    s.expect(bool(single), "at least one property", "none", "R-MGT-021")
    many: list[int] = []
    while True:
        body = s.asks(p.PropDesc(first=many[-1] + 1 if many else 0, max=64))
        if not body.described:
            break
        many += [d.id for d in body.described]
        s.expect(many == sorted(set(many)), "rising tags", f"{many}", "R-MGT-020")
    s.expect(many == single == sorted(set(single)), f"{single}", f"{many}")


@scenario(
    "MGT/PROP_DESC/CA-features", "R-MGT-021",
    given="a module in READY with properties", when="they are described",
    then="there is one for each that its features bring along, and its range holds its value after a start",
    needs=_HAVING,
)  # fmt: skip
def properties_follow_features(s: Session) -> None:
    ready(s)
    types = s.catalogue.space["properties"].types
    wanted = {t.name for t in types if set(t.needs) & s.known.features}
    names = {t.tag: t.name for t in types}
    found = {names.get(tag, hex(tag)) for tag in s.known.properties}
    missing = wanted - found
    s.expect(not missing, "every property of its features", f"no {', '.join(sorted(missing))}")
    for d in s.known.properties.values():
        inside = d.access == PropertyAccess.WRITE or d.minimum <= d.initial <= d.maximum
        s.expect(inside, f"{d.minimum} to {d.maximum} for {names.get(d.id)}", f"{d.initial}")


@scenario(
    "PROP/ACCESS/CA-by_hand", "R-PROP-002",
    given="a module with a lens in READY", when="its properties are described",
    then="what has no motor is read-only", needs="LENS",
)  # fmt: skip
def parts_turned_by_hand(s: Session) -> None:
    ready(s)
    motors = {
        PropertyTag.FOCUS_POSITION: "FOCUS_MOTOR",
        PropertyTag.APERTURE: "APERTURE_MOTOR",
        PropertyTag.NEUTRAL_DENSITY: "ND_MOTOR",
        PropertyTag.FOCAL_LENGTH: "ZOOM_MOTOR",
    }
    for tag, motor in motors.items():
        d = s.known.properties.get(tag)
        if d is not None and motor not in s.known.features:
            s.expect(d.access == PropertyAccess.READ, f"{tag.name} read-only", f"{d.access!r}")


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/PROP_GET/BV-all", "R-MGT-022",
    given="a module in READY with properties", when="all that can be read are read, in reverse order",
    then="they come in that order, each within its range", needs=_HAVING,
)  # fmt: skip
def every_property_is_read(s: Session) -> None:
    ready(s)
    readable = [d for d in s.known.properties.values() if d.access != PropertyAccess.WRITE][::-1]
    for start in range(0, len(readable), 32):
        part = readable[start : start + 32]
        for d, tlv in zip(part, get(s, *(d.id for d in part)), strict=True):
            fits = d.minimum <= tlv.value <= d.maximum or not (d.minimum or d.maximum)
            s.expect(fits, f"{d.minimum} to {d.maximum} for {d.id:#06x}", f"{tlv.value}")


@scenario(
    "MGT/PROP_GET/BI-not_there", "R-MGT-022",
    given="a module in READY with properties", when="one is read that it has not, beside one that it has",
    then="it answers NO_SUCH_ID", needs=_HAVING,
)  # fmt: skip
def reading_what_is_not_there(s: Session) -> None:
    ready(s)
    readable = [d.id for d in s.known.properties.values() if d.access != PropertyAccess.WRITE]
    s.need(bool(readable), "No property that can be read is known.")
    have = readable[0]
    for wanted in ((_UNKNOWN,), (have, _UNKNOWN), (_UNKNOWN, have)):
        heard = s.ask(p.PropGet(wanted=tuple(p.PropertyId(id=t) for t in wanted)))
        s.expect_status(heard, Status.NO_SUCH_ID)


@scenario(
    "MGT/PROP_GET/BI-command", "R-MGT-023",
    given="a module in READY with a command among its properties", when="that is read",
    then="it answers NO_SUCH_ID", needs="SENSOR|FOCUS_MOTOR|APERTURE_MOTOR|ND_MOTOR|ZOOM_MOTOR",
)  # fmt: skip
def reading_a_command(s: Session) -> None:
    ready(s)
    commands = described(s, PropertyAccess.WRITE)
    s.expect(bool(commands), "a command among its properties", "none")
    for d in commands:
        s.expect_status(s.ask(p.PropGet(wanted=(p.PropertyId(id=d.id),))), Status.NO_SUCH_ID)


# ── Setting ──────────────────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/PROP_SET/BV-round_trip", "R-MGT-024", "R-MGT-026",
    given="a module in READY with properties", when="each that can be set is set to another value, and read",
    then="it has that value, or the answer was ADJUSTED", needs=_HAVING,
)  # fmt: skip
def set_and_read_back(s: Session) -> None:
    contract(s)
    for d in _writable(s):
        value = other_value(d)
        heard = s.ask(p.PropSet(settings=(Tlv(d.id, value),)))
        s.expect_status(heard, Status.OK, Status.ADJUSTED)
        s.expect(len(heard.body.results) == 1, "one result", f"{len(heard.body.results)}", "R-MGT-024")
        if heard.body.results[0].status not in (Status.OK, Status.ADJUSTED):
            continue  # not in this state: the lens may be the ring's
        if d.id in (PropertyTag.WALL_CLOCK, PropertyTag.FOCUS_POSITION, PropertyTag.APERTURE,
                    PropertyTag.NEUTRAL_DENSITY, PropertyTag.FOCAL_LENGTH):  # fmt: skip
            continue  # these move on by themselves, or have to get there first
        (tlv,) = get(s, d.id)
        adjusted = heard.status == Status.ADJUSTED or heard.body.results[0].status == Status.ADJUSTED
        s.expect(tlv.value == value or adjusted, f"{value} in {d.id:#06x}, or ADJUSTED", f"{tlv.value}", "R-MGT-026")


@scenario(
    "MGT/PROP_SET/BI-unknown", "R-MGT-024",
    given="a module in READY with properties", when="an unknown one is set between two that it has",
    then="it lists NO_SUCH_ID for it and sets the others", needs=_HAVING,
)  # fmt: skip
def setting_an_unknown_one(s: Session) -> None:
    ready(s)
    d = _settable(s)
    value = other_value(d)
    body = put(s, (_UNKNOWN, b"\x01"), (d.id, value))
    statuses = [r.status for r in body.results]
    s.expect(len(statuses) == 2, "two results", f"{len(statuses)}")
    s.expect(statuses[0] == Status.NO_SUCH_ID, "NO_SUCH_ID for the unknown one", f"{statuses[0]!r}")
    (tlv,) = get(s, d.id)
    s.expect(tlv.value == value, f"{value}, set all the same", f"{tlv.value}")


def _settable(s: Session) -> p.PropertyDesc:
    """A property that nothing but PROP_SET moves."""
    calm = (
        PropertyTag.EXPOSURE, PropertyTag.GAIN, PropertyTag.COMPENSATION, PropertyTag.ANTIFLICKER,
        PropertyTag.WHITE_BALANCE, PropertyTag.RING_SENSITIVITY, PropertyTag.RING_DIRECTION, PropertyTag.LED,
    )  # fmt: skip
    for d in _writable(s):
        if d.id in calm:
            return d
    raise Inapplicable("It has no property that is moved by PROP_SET alone.")


@scenario(
    "MGT/PROP_SET/BI-read_only", "R-MGT-024",
    given="a module in READY with a read-only property", when="that is set",
    then="it lists READ_ONLY for it and changes nothing", needs="SENSOR|TEMPERATURE|STACK|TIME|STORAGE|BATTERY",
)  # fmt: skip
def setting_a_read_only_one(s: Session) -> None:
    ready(s)
    for d in described(s, PropertyAccess.READ):
        value = d.minimum if d.minimum or d.maximum else 0
        body = put(s, (d.id, value))
        found = body.results[0].status if body.results else None
        s.expect(found == Status.READ_ONLY, f"READ_ONLY for {d.id:#06x}", f"{found!r}")


@scenario(
    "MGT/PROP_SET/BI-beyond", "R-MGT-028",
    given="a module in READY with properties", when="each is set beyond what PROP_DESC gives as its range",
    then="it does not take that value", needs=_HAVING,
)  # fmt: skip
def setting_beyond_the_range(s: Session) -> None:
    ready(s)
    spans = _wire_ranges(s)
    for d in _writable(s):
        lo, hi = spans[d.id]
        for value in (d.minimum - 1, d.maximum + 1):
            if not lo <= value <= hi or d.id == PropertyTag.WALL_CLOCK:
                continue
            heard = s.ask(p.PropSet(settings=(Tlv(d.id, value),)))
            s.expect_status(heard, Status.OK, Status.ADJUSTED, Status.RANGE_LIMIT)
            if heard.status == Status.OK:
                taken = [r.status for r in heard.body.results] == [Status.OK]
                s.expect(not taken, f"{value} in {d.id:#06x} refused or adjusted", "OK")
            (tlv,) = get(s, d.id)
            s.expect(tlv.value != value, f"{d.minimum} to {d.maximum} in {d.id:#06x}", f"{tlv.value}")


def _wire_ranges(s: Session) -> dict[int, tuple[int, int]]:
    """What the wire can carry of each property."""
    from opalink.protocol.ir.model import lone_number

    out = {}
    for t in s.catalogue.space["properties"].types:
        number = lone_number(s.catalogue.layout[t.layout])
        out[t.tag] = number.bounds if number and not number.choices else (0, -1)
    return out


# ── Groups and moments ───────────────────────────────────────────────────────────────────────────────


@scenario(
    "MGT/PROP_SET/BO-group", "R-MGT-025",
    given="a module in READY with properties", when="a group of settings holds one that cannot be",
    then="it refuses the group and sets nothing of it", needs="SENSOR|CONTROLS",
)  # fmt: skip
def a_group_is_all_or_nothing(s: Session) -> None:
    ready(s)
    good = _settable(s)
    read_only = described(s, PropertyAccess.READ)
    s.need(bool(read_only), "It has no read-only property.")
    (before,) = get(s, good.id)
    value = other_value(good)
    bad = read_only[0]
    heard = s.ask(p.PropSet(group=7, settings=(Tlv(good.id, value), Tlv(bad.id, max(bad.minimum, 0)))))
    s.expect(heard.status not in (Status.OK, Status.ADJUSTED), "a refusal", f"{heard.status!r}")
    (after,) = get(s, good.id)
    s.expect(after.value == before.value, f"{before.value} as before", f"{after.value}")


@scenario(
    "MGT/PROP_SET/BI-group", "R-MGT-025",
    given="a module in READY with a read-only property", when="a group of settings holds it alone",
    then="it refuses the group", needs=_HAVING,
)  # fmt: skip
def a_group_that_cannot_be(s: Session) -> None:
    ready(s)
    read_only = described(s, PropertyAccess.READ)
    if not read_only:
        raise Inapplicable("It has no read-only property.")
    d = read_only[0]
    heard = s.ask(p.PropSet(group=7, settings=(Tlv(d.id, max(d.minimum, 0)),)))
    s.expect(heard.status not in (Status.OK, Status.ADJUSTED), "a refusal", f"{heard.status!r}")


@scenario(
    "MGT/PROP_SET/BV-group", "R-MGT-025",
    given="a module in READY with properties", when="a group of settings can be had", then="it sets all of it",
    needs="SENSOR|CONTROLS",
)  # fmt: skip
def a_good_group_is_set(s: Session) -> None:
    ready(s)
    d = _settable(s)
    value = other_value(d)
    put(s, (d.id, value), group=7)
    (tlv,) = get(s, d.id)
    s.expect(tlv.value == value, f"{value}", f"{tlv.value}")


@scenario(
    "MGT/PROP_SET/BI-late", "R-MGT-027",
    given="a module in READY with synchronised time", when="a setting names a time that has passed",
    then="it answers LATE", needs="TIME",
)  # fmt: skip
def a_moment_that_has_passed(s: Session) -> None:
    ready(s)
    s.locked()
    s.let(SECOND)
    d = _settable(s)
    heard = s.ask(p.PropSet(apply=p.ApplyAt.TIME, at=1, settings=(Tlv(d.id, other_value(d)),)))
    s.expect_status(heard, Status.LATE)


def _moment(s: Session, at: p.ApplyAt) -> Heard:
    """What a module in READY answers to a setting that is to wait for a moment."""
    ready(s)
    (d, *_) = s.known.properties.values()
    return s.ask(p.PropSet(apply=at, at=1 << 62, settings=(Tlv(d.id, max(d.minimum, 0)),)))


@scenario(
    "MGT/PROP_SET/BI-frameless", "R-MGT-052",
    given="a module in READY without a sensor", when="a setting is to take effect with a frame",
    then="it answers NO_SUCH_ID", needs=f"!SENSOR {_HAVING}",
)  # fmt: skip
def no_frame_to_wait_for(s: Session) -> None:
    s.expect_status(_moment(s, p.ApplyAt.FRAME), Status.NO_SUCH_ID)


@scenario(
    "MGT/PROP_SET/BI-timeless", "R-MGT-053",
    given="a module in READY without synchronised time", when="a setting is to take effect at a time",
    then="it answers NO_TIME", needs=f"!TIME {_HAVING}",
)  # fmt: skip
def no_time_to_wait_for(s: Session) -> None:
    s.expect_status(_moment(s, p.ApplyAt.TIME), Status.NO_TIME)


@scenario(
    "ATT/RESET/BV-factory", "R-ATT-010",
    given="a module in READY on which a property was set", when="RESET comes with FACTORY",
    then="the property is what it was at first", needs="SENSOR|CONTROLS",
)  # fmt: skip
def factory_reset_forgets_settings(s: Session) -> None:
    ready(s)
    d = _settable(s)
    (first,) = get(s, d.id)
    put(s, (d.id, other_value(d)))
    if "SECURITY" in s.known.features:
        s.tell(p.TrustPolicy(level=p.TrustLevel.GENUINE, max_power=10_000, granted=(1 << 64) - 1))
    s.clear()
    s.asks(p.Reset(level=p.ResetLevel.FACTORY, reason=p.ResetReason.TEST))
    s.light = False
    heard = s.take(p.Beacon, EVENTUALLY)
    s.need(heard is not None, "No BEACON came after the reset.")
    s.beacon = heard.body if heard else None
    show(s)
    s.light = bool(s.beacon.gears_down)
    train(s)
    greet(s)
    (after,) = get(s, d.id)
    s.expect(after.value == first.value, f"{first.value}", f"{after.value}")
