"""What `opalink spec diff` says of a change is what codecs of both versions do.

Codecs are made in memory from the catalogue before and after a change, and read each other's packets: every legal
probe of either. A *fact* is something that a reader takes from bytes: this packet, this field's number, this
quantity, this member. Versions agree if both accept, both write the same bytes again, and all that the old one
takes from them the new one takes too. Compatible changes agree, breaking ones do not.

Plan: a small catalogue · facts · changes of each kind · the tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import pytest
from msgspec import structs

from opalink.protocol.errors import DecodeError
from opalink.protocol.generate.python.module import one_module
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.compat import Impact, compare, verdict
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import legal, maximum
from opalink.protocol.ir.write import default, write_packet
from opalink.spec.form import Form, Limit, Member, Role, Scope, Status
from tests.changes import Change, altered, chain, machine, new, part

# ── A small catalogue ────────────────────────────────────────────────────────────────────────────────

KEPT = ("PWR_SOURCE_CAPS", "PWR_REQUEST", "PWR_READY", "PWR_RESET", "PWR_RESERVE", "PROP_SET", "SPDM", "LOOSE")
PROPERTIES = ("exposure", "exposure_mode", "led")

LOOSE = ir.Layout(
    "Loose",
    "Reserved bits of every kind.",
    (
        ir.Bits("group", (ir.Number("spare", "Reserved.", 5, shift=3, reserved=True), ir.Number("known", "It.", 3))),
        ir.Number("unused", "Reserved.", 16, reserved=True),
        ir.Octets("serial", "A number.", 4, bytes(4)),
        ir.Number("locks", "Locks.", 8, flags="Interlock"),
        ir.Blob("name", "A name.", 1, 0, 8, text=True),
        ir.Tlvs("extensions", "Extensions.", "extensions"),
    ),
)


def small(real: ir.Catalogue) -> ir.Catalogue:
    """Some packet types of the catalogue, and one with reserved bits to give out."""
    loose = ir.Packet(0xEE, "LOOSE", "Has room.", "power", "POWER", Role.PHONE, {Form.EVENT: "Loose"})
    real = structs.replace(real, packets=(*real.packets, loose), layouts=(*real.layouts, LOOSE))
    spaces = tuple(
        structs.replace(s, types=tuple(t for t in s.types if t.name in PROPERTIES)) if s.name == "properties" else s
        for s in real.spaces
        if s.name in ("properties", "extensions")
    )
    packets = tuple(p for p in real.packets if p.name in KEPT)
    names = {name for p in packets for name in p.forms.values()} | {t.layout for s in spaces for t in s.types}
    names.add("Refusal")
    names |= {f.row for name in names for f in real.layout[name].parts if isinstance(f, ir.Rows)}
    layouts = tuple(x for x in real.layouts if x.name in names)
    numbers = [f for x in layouts for f in ir.fields_of(x.parts) if isinstance(f, ir.Number)]
    return structs.replace(
        real,
        packets=packets,
        layouts=layouts,
        enums=tuple(e for e in real.enums if e.name in {n.choices for n in numbers} | {"OfferKind"}),
        flags=tuple(e for e in real.flags if e.name in {n.flags for n in numbers}),
        bodies=tuple(b for b in real.bodies if b.name == "REFUSAL"),
        spaces=spaces,
        envelopes=tuple(e for e in real.envelopes if e.name == "PACKET"),
        profiles=(),
    )


SMALL = small(catalogue())

# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────

Fact = tuple[Any, ...]


@dataclass(frozen=True)
class Version:
    """A catalogue, and the codec made from it."""

    catalogue: ir.Catalogue
    names: dict[str, Any]
    known: dict[bytes, set[Fact] | None] = field(default_factory=dict)

    def facts(self, data: bytes) -> set[Fact] | None:
        """What this version takes from a packet; None if it does not accept it, or writes it in another way."""
        if data not in self.known:
            self.known[data] = self._facts(data)
        return self.known[data]

    def _facts(self, data: bytes) -> set[Fact] | None:
        try:
            packet = self.names["decode_Packet"](data)
        except DecodeError:
            return None
        if self.names["encode_Packet"](packet) != data:
            return None
        c = self.catalogue
        header = next(e for e in c.envelopes if e.name == "PACKET").header
        known = {f.name: f for f in ir.fields_of(header) if f.name != "length" and f.name in packet.__struct_fields__}
        found = {fact for name, f in known.items() for fact in self._of_part(f, getattr(packet, name), (name,))}
        found |= {("type is", p.name) for p in c.packets if p.code == packet.type}
        found |= {("status is", s.name) for s in c.statuses if packet.rsp and s.value == packet.status}
        found |= {("channel is", x.name) for x in c.channels if x.value == packet.vc}
        if not isinstance(packet.body, bytes):
            declared = next(p for p in c.packets if p.code == packet.type)
            found.add(("is on its channel", packet.vc == self.channel(declared)))
            layout = c.layout[type(packet.body).__name__]
            found |= set(self._of_layout(layout, packet.body, ("body",)))
        return found

    def channel(self, p: ir.Packet) -> int:
        return self.catalogue.channel[p.channel].value

    def _of_layout(self, layout: ir.Layout, value: Any, path: Fact) -> Iterator[Fact]:
        for f in ir.fields_of(layout.parts):
            if f.name in value.__struct_fields__:
                yield from self._of_part(f, getattr(value, f.name), (*path, f.name))

    def _of_part(self, f: ir.Part, value: Any, path: Fact) -> Iterator[Fact]:
        c = self.catalogue
        match f:
            case ir.Number(reserved=True):
                return
            case ir.Number():
                yield *path, int(value), f.scale, f.unit
                yield from ((*path, "is", m.name) for m in _members(c.choices, f.choices) if m.value == value)
                yield from ((*path, "has", m.name) for m in _members(c.flag_set, f.flags) if value >> m.value & 1)
            case ir.Octets() | ir.Blob() | ir.Raw():
                yield *path, bytes(value)
            case ir.Rows():
                yield *path, len(value)
                for i, row in enumerate(value):
                    yield from self._of_layout(c.layout[f.row], row, (*path, i))
            case ir.Tlvs():
                types = {t.tag: t for t in c.space[f.space].types}
                for i, tlv in enumerate(value):
                    if tlv.tag in types:
                        yield from self._of_tlv(types[tlv.tag], tlv.value, (*path, i, types[tlv.tag].name))

    def _of_tlv(self, t: ir.TlvType, value: Any, path: Fact) -> Iterator[Fact]:
        layout = self.catalogue.layout[t.layout]
        number = ir.lone_number(layout)
        yield path
        yield from self._of_part(number, value, path) if number else self._of_layout(layout, value, path)

    @cached_property
    def sent(self) -> tuple[bytes, ...]:
        """What this version may send: every legal probe in every form, but for reserved bits, which are sent as 0."""
        c = self.catalogue
        found: list[bytes] = []
        for p in c.packets:
            refusal = {Form.ERROR: c.error_layout(p)} if Form.REQUEST in p.forms else {}
            for form, name in (refusal | p.forms).items():
                layout = c.layout[name]
                values: list[Any] = [default(c, layout), maximum(c, layout, 4096)]
                values += [probe.value for probe in legal(c, layout) if probe.operator != "reserved"]
                found += [write_packet(c, p, form, value) for value in values]
        return tuple(found)


def _members(tables: dict[str, Any], name: str) -> tuple[Member, ...]:
    return tables[name].members if name else ()


def version(c: ir.Catalogue) -> Version:
    names: dict[str, Any] = {}
    exec(one_module(c), names)  # noqa: S102 (the generator's own text)
    return Version(c, names)


@cache
def before() -> Version:
    return version(SMALL)


def disagreements(old: Version, new_: Version) -> list[str]:
    """Packets of either that the two do not take alike."""
    found = []
    for data in dict.fromkeys([*old.sent, *new_.sent]):
        a, b = old.facts(data), new_.facts(data)
        if a is None or b is None or not a <= b:
            found.append(data.hex())
    return found


# ── Changes of each kind ─────────────────────────────────────────────────────────────────────────────


def prop(**fields: Any) -> Change:
    """One more property: a number."""
    number = ir.Number("value", "A number.", 16)
    made = structs.replace(ir.TlvType(0x7777, "wings", "Wings.", "WingsProperty", (), "rw"), **fields)
    return chain(
        new(layouts=ir.Layout("WingsProperty", "Wings.", (number,))),
        altered("spaces", "properties", types=lambda old: (*old, made)),
    )


def parts(layout: str, *made: ir.Part, at: int, instead: int = 1) -> Change:
    """The layout with other parts in place of `instead` of its own."""
    return altered("layouts", layout, parts=lambda old: (*old[:at], *made, *old[at + instead :]))


def group(*fields: tuple[str, int], name: str = "group") -> ir.Bits:
    """A group of bits; "spare" and "void" are reserved."""
    place, made = sum(width for _, width in fields), []
    for bits, width in fields:
        place -= width
        made.append(ir.Number(bits, "Bits.", width, shift=place, reserved=bits in ("spare", "void")))
    return ir.Bits(name, tuple(made))


def number(name: str, bits: int, **more: Any) -> ir.Number:
    return ir.Number(name, "A number.", bits, **more)


def members(table: str, name: str, change: Any) -> Change:
    return altered(table, name, members=lambda old: tuple(change(old)))


def types(name: str, /, **fields: Any) -> Change:
    """The properties with a type changed."""
    return altered(
        "spaces",
        "properties",
        types=lambda old: tuple(structs.replace(t, **fields) if t.name == name else t for t in old),
    )


def forms(name: str, **layouts: str) -> Change:
    """A packet type with other layouts of its forms, or without them."""
    given = {Form(form): layout for form, layout in layouts.items()}
    return altered(
        "packets", name, forms=lambda old: {form: layout for form, layout in (old | given).items() if layout}
    )


def gone(table: str, name: str) -> Change:
    return lambda c: structs.replace(c, **{table: tuple(x for x in getattr(c, table) if x.name != name)})


def _named(m: Member) -> Member:
    return structs.replace(m, name="OTHERWISE")


def _valued(m: Member) -> Member:
    return structs.replace(m, value=99)


def _exchanged(old: tuple[Member, ...]) -> tuple[Member, ...]:
    a, b, *rest = old
    return (structs.replace(a, value=b.value), structs.replace(b, value=a.value), *rest)


def _header(old: tuple[Any, ...]) -> tuple[Any, ...]:
    """Status codes from 1 on are no longer legal."""
    return tuple(structs.replace(p, hi=0) if p.name == "status" else p for p in old)


WINGS = ir.Packet(0xED, "WINGS", "Wings.", "power", "POWER", Role.PHONE, {Form.EVENT: "Wings"})
WING_LAYOUT = ir.Layout("Wings", "Wings.", (number("wings", 8), ir.Tlvs("extensions", "More.", "extensions")))
FEATHER = ir.Layout("Feather", "A feather.", (number("length", 16),))


def with_feathers(c: ir.Catalogue) -> ir.Catalogue:
    return structs.replace(c, layouts=(FEATHER, *c.layouts))


WITH_WINGS = new(layouts=WING_LAYOUT)
RESET_TO_WINGS = structs.replace(WINGS, code=SMALL.packet["PWR_RESET"].code)
FIRST = SMALL.space["properties"].types[0]
FIRST_GONE = altered("spaces", "properties", types=lambda old: old[1:])
EXTENSION = ir.TlvType(1, "wings", "Wings.", "WingsExtension")
EXTENDED = chain(
    new(layouts=ir.Layout("WingsExtension", "Wings.", (number("wings", 8), number("feathers", 8)))),
    altered("spaces", "extensions", types=(EXTENSION,)),
)
LASER_ONLY = next(p.name for p in catalogue().packets if p.lanes == ("laser",))
SOME_STATUS = Status("SAD", 0xE0, (Scope.RESPONSE,), "It is sad.")

OK, IF, NO = Impact

# (what it is, the change, its class, words of what is said of it)
SEEN: list[tuple[str, Change, Impact, str]] = [
    # Reserved bits
    ("reserved bits become a field", parts("Loose", group(("new", 5), ("known", 3)), at=0), OK, "reserved"),
    ("a part of reserved bits", parts("Loose", group(("spare", 3), ("new", 2), ("known", 3)), at=0), OK, "reserved"),
    ("a reserved number becomes two", parts("Loose", number("a", 8), number("b", 8), at=1), OK, "reserved"),
    ("a reserved number a group", parts("Loose", group(("a", 9), ("void", 7), name="bits"), at=1), OK, "reserved"),
    ("a reserved number is renamed", part("Loose", "unused", name="void"), OK, ""),
    ("reserved bits that cannot be 0", part("Loose", "unused", reserved=False, lo=1, default=1), NO, "cannot be 0"),
    ("a field withdrawn", part("PwrReady", "contract", reserved=True), IF, "became reserved"),
    ("a field split into reserved bits", parts("Loose", group(("spare", 6), ("known", 2)), at=0), NO, "known"),
    ("a field that cannot be 0 withdrawn", part("Offer", "min", reserved=True, lo=None), NO, "refuse 0"),
    # Fields
    ("a field at the end", parts("PwrReady", number("more", 8), at=4, instead=0), NO, "fixed part"),
    ("a field less", parts("PwrReady", at=3), NO, "fixed part"),
    ("a wider field", part("PwrReady", "contract", bits=32), NO, "fixed part"),
    ("two fields exchanged", parts("PwrReady", number("a", 16), number("b", 8), at=0, instead=2), NO, "takes bits"),
    ("a sign", part("PwrReady", "limit", signed=True), NO, "sign"),
    ("a constant", part("PwrReady", "limit", const=5), NO, "constant"),
    ("a narrower range", part("PwrReady", "object", hi=5), NO, "narrowed"),
    ("a wider range", part("PwrReady", "object", hi=7), IF, "widened"),
    ("another unit", part("PwrReady", "voltage", unit="V"), NO, "unit"),
    ("another scale", part("PwrReady", "voltage", scale="1/10"), NO, "scale"),
    ("another name", part("PwrReady", "limit", name="ceiling"), IF, "called ceiling"),
    ("another default", part("PwrReady", "limit", default=7), IF, "default"),
    ("another enumeration", part("PwrReset", "level", choices="OfferKind"), IF, "enumeration"),
    ("octets become a number", parts("Loose", number("serial", 32), at=2), NO, "another way"),
    ("octets renamed", part("Loose", "serial", name="series"), IF, "called series"),
    # Counted parts
    ("a shorter list", part("PwrSourceCaps", "offers", hi=6), NO, "narrowed"),
    ("a longer list", part("PwrSourceCaps", "offers", hi=8), IF, "widened"),
    ("a wider count", part("PwrSourceCaps", "offers", count=2), NO, "another way"),
    ("longer bytes", part("Loose", "name", hi=9), IF, "widened"),
    ("shorter bytes", part("Loose", "name", hi=7), NO, "narrowed"),
    ("bytes renamed", part("Loose", "name", name="label"), IF, "called label"),
    ("longer raw data", part("Spdm", "message", hi=4065), IF, "widened"),
    ("longer rows", parts("Offer", number("more", 8), at=7, instead=0), NO, "fixed part"),
    ("rows of another layout", chain(with_feathers, part("PwrSourceCaps", "offers", row="Feather")), NO, "fixed part"),
    ("a list more", parts("PwrReset", ir.Blob("b", "B.", 1, 0, 9), at=2, instead=0), NO, ""),
    ("no TLVs any more", parts("PwrReset", at=2), NO, "removed"),
    ("TLVs of a greater space", part("PwrReset", "extensions", space="properties"), OK, "is new"),
    ("TLVs of a lesser space", part("PropSet", "settings", space="extensions"), IF, "is gone"),
    ("TLVs where raw data was", parts("Spdm", LOOSE.parts[-1], at=0), NO, "another way"),
    # Enumerations and flags
    ("a new member", members("enums", "PowerResetLevel", lambda old: [*old, Member("NEW", 99, "New.")]), OK, "is new"),
    ("a member gone", members("enums", "PowerResetLevel", lambda old: old[1:]), IF, "is gone"),
    ("a member renamed", members("enums", "PowerResetLevel", lambda old: [_named(old[0]), *old[1:]]), IF, "called"),
    ("another value", members("enums", "PowerResetLevel", lambda old: [_valued(old[0]), *old[1:]]), NO, "was 0, is 99"),
    ("values exchanged", members("enums", "PowerResetLevel", _exchanged), NO, "was"),
    ("a flag gone", members("flags", "Interlock", lambda old: old[1:]), IF, "is gone"),
    ("a new flag", members("flags", "Interlock", lambda old: [*old, Member("NEW", 7, "New.")]), OK, "is new"),
    # TLVs
    ("a new property", prop(), OK, "is new"),
    ("a property gone", FIRST_GONE, IF, "is gone"),
    ("a property renamed", types("exposure", name="light"), IF, "called light"),
    ("a property's tag", types("exposure", tag=0x7777), NO, "had tag"),
    ("a tag given anew", chain(FIRST_GONE, prop(tag=FIRST.tag)), NO, "fixed part"),
    ("a property's width", part("ExposureProperty", "value", bits=32), NO, "fixed part"),
    ("a property's access", types("exposure", access="ro"), IF, "access"),
    ("a new extension", EXTENDED, OK, "is new"),
    # Packets
    ("a new packet type", chain(WITH_WINGS, new(packets=WINGS)), OK, "is new"),
    ("a packet type gone", gone("packets", "PWR_RESET"), NO, "is gone"),
    ("a packet type renamed", altered("packets", "PWR_RESET", name="PWR_RESTART"), IF, "called PWR_RESTART"),
    ("a code", altered("packets", "PWR_RESET", code=0xED), NO, "code"),
    ("a code given anew", chain(WITH_WINGS, gone("packets", "PWR_RESET"), new(packets=RESET_TO_WINGS)), NO, "fixed"),
    ("a channel", altered("packets", "PWR_RESET", channel="LINK"), NO, "channel"),
    ("new forms", chain(WITH_WINGS, forms("PWR_RESET", request="Wings", response="Wings")), OK, "has a request now"),
    ("forms gone", forms("PWR_REQUEST", response="", error=""), NO, "has no response any more"),
    ("an error of its own", chain(WITH_WINGS, forms("PWR_RESERVE", error="Wings")), NO, "fixed part"),
    ("the common error", forms("PWR_REQUEST", error=""), NO, "fixed part"),
    # Statuses, channels, the envelope
    ("a new failure", new(statuses=SOME_STATUS), OK, "is new"),
    ("a status's code", altered("statuses", "BAD_VALUE", value=0xE0), NO, "value"),
    ("a success that failed before", altered("statuses", "BAD_VALUE", success=True), NO, "success"),
    ("a channel's number", altered("channels", "POWER", value=14), NO, "value"),
    ("a header field's range", altered("envelopes", "PACKET", header=_header), NO, "narrowed"),
]  # fmt: skip


# What no codec can show, because it lies in what a side does.
UNSEEN: list[tuple[str, Change, Impact, str]] = [
    ("the other side sends", altered("packets", "PWR_READY", sender=Role.PHONE), NO, "sender"),
    ("a lane less", altered("packets", "PWR_READY", lanes=("laser",)), NO, "no longer travels"),
    ("a lane more", altered("packets", LASER_ONLY, lanes=("laser", "sideband")), IF, "more lanes"),
    ("other features", altered("packets", "PWR_RESET", needs=("CONTRACT",)), IF, "mandatory"),
    ("optional", altered("packets", "PWR_RESET", optional=True), IF, "mandatory"),
    ("a status more", altered("packets", "PWR_RESERVE", statuses=lambda old: (*old, "LASER_INTERLOCK")), IF, "may be"),
    ("a status less", altered("packets", "PWR_RESERVE", statuses=lambda old: old[1:]), IF, "no longer be"),
    ("a general status", lambda c: structs.replace(c, general=(*c.general, "LATE")), IF, "every request"),
    ("a new success", new(statuses=structs.replace(SOME_STATUS, success=True)), IF, "take for a failure"),
    ("a gear's rate", altered("gears", "G4", baud=1), NO, "baud"),
    ("a gear gone", gone("gears", "G5"), NO, "is gone"),
    ("a CRC", altered("crcs", "crc32c", init=0), NO, "init"),
    ("an envelope without CRC", altered("envelopes", "PACKET", crc="crc16"), NO, "CRC"),
    ("a timer", altered("timers", "tHello", max=1), IF, "max"),
    ("a timer gone", gone("timers", "tHello"), IF, "is gone"),
    ("a limit", altered("limits", "streams", value=5), IF, "value"),
    ("a new limit", new(limits=Limit("wings", 2, "", "Wings.")), OK, "is new"),
    ("a sentence", altered("requirements", "R-WIRE-001", text="A receiver MUST sing."), IF, "worded"),
    ("a new sentence", lambda c: structs.replace(
        c, requirements=(*c.requirements, structs.replace(c.requirements[0], id="R-WIRE-098"))), IF, "is new"),
    ("a sentence withdrawn", lambda c: structs.replace(c, requirements=c.requirements[1:]), OK, "withdrawn"),
    ("a machine", machine("FRAME", Role.PHONE, rows=lambda old: old[1:]), IF, "another way"),
    ("a new machine", lambda c: structs.replace(
        c, machines=(*c.machines, structs.replace(c.machines[-1], name="WINGS"))), IF, "WINGS"),
    ("prose", chain(part("PwrReady", "limit", doc="Something."), altered("packets", "PWR_RESET", doc="Else.")), OK, ""),
]  # fmt: skip

seen, unseen = (
    pytest.mark.parametrize(("change", "impact", "said"), [case[1:] for case in cases], ids=[case[0] for case in cases])
    for cases in (SEEN, UNSEEN)
)

# ── The tests ────────────────────────────────────────────────────────────────────────────────────────


def test_no_change_is_no_change() -> None:
    assert compare(SMALL, SMALL) == []
    assert compare(catalogue(), catalogue()) == []
    assert disagreements(before(), version(SMALL)) == []


def test_whatever_is_sent_is_read_by_its_own_version() -> None:
    assert all(before().facts(data) for data in before().sent)


@seen
def test_a_class_is_what_codecs_of_both_versions_do(change: Change, impact: Impact, said: str) -> None:
    after = change(SMALL)
    changes = compare(SMALL, after)
    assert verdict(changes) is impact, changes
    assert any(said in str(c) for c in changes) or not said, changes
    found = disagreements(before(), version(after))
    if impact is Impact.COMPATIBLE:
        assert found == []
    elif impact is Impact.BREAKING:
        assert found != []


@unseen
def test_a_change_of_behaviour_has_a_class_too(change: Change, impact: Impact, said: str) -> None:
    changes = compare(catalogue(), change(catalogue()))
    assert verdict(changes) is impact, changes
    assert any(said in str(c) for c in changes) or not said, changes


def test_many_compatible_changes_together_are_compatible() -> None:
    """Those that take different bits, tags and codes."""
    chosen = {"reserved bits become a field", "a reserved number becomes two", "a new member", "a new flag"}
    chosen |= {"a new property", "a new packet type", "a new failure"}
    after = chain(*(change for what, change, _, _ in SEEN if what in chosen))(SMALL)
    assert verdict(compare(SMALL, after)) is Impact.COMPATIBLE
    assert disagreements(before(), version(after)) == []


def test_the_worst_change_decides() -> None:
    after = chain(prop(), part("PwrReady", "object", hi=7))(SMALL)
    assert verdict(compare(SMALL, after)) is Impact.CONDITIONAL
    after = chain(prop(), part("PwrReady", "object", hi=7), gone("packets", "SPDM"))(SMALL)
    assert verdict(compare(SMALL, after)) is Impact.BREAKING
    assert verdict([]) is Impact.COMPATIBLE


def test_an_exported_catalogue_compares_as_the_declared_one() -> None:
    again = ir.Catalogue.from_json(SMALL.to_json())
    assert compare(SMALL, again) == []
    assert again.to_json() == SMALL.to_json()
