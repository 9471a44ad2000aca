"""The intermediate representation: everything that `opalink.spec` declares, as frozen, typed values.

This is what every back end reads. It knows nothing of construct; its canonical JSON is the export, and its
SHA-256 the fingerprint of the protocol. Tables (statuses, timers, machines …) travel in the very records of
`opalink.spec.form`; only layouts have a form of their own here.

Plan: layouts, spaces, envelopes, packets · the catalogue · JSON. The parts of a layout are in `parts`.
"""

import hashlib
from collections.abc import Iterator
from functools import cached_property

import msgspec
from msgspec import structs

from opalink.spec.form import (
    Channel,
    Crc,
    Form,
    Gear,
    Limit,
    Machine,
    Member,
    Profile,
    Record,
    Requirement,
    Role,
    Status,
    Timer,
)

from opalink.protocol.ir.parts import (  # isort: skip
    PART_KINDS, TLV_HEADER, Bits, Blob, Field, Fixed, Number, Octets, Part, Raw, Rows, Tlvs, fields_of,
)  # fmt: skip

# The face of both modules.
__all__ = [
    "PART_KINDS", "TLV_HEADER", "Bits", "Blob", "Body", "Catalogue", "Choices", "Envelope", "Field", "Fixed", "Flags",
    "Group", "Layout", "Number", "Octets", "Packet", "Part", "Raw", "Rows", "Space", "TlvType", "Tlvs", "fields_of",
    "lone_number",
]  # fmt: skip

# ── Layouts and what holds them ──────────────────────────────────────────────────────────────────────


class Layout(Record, frozen=True):
    """A body, the row of a list, or the value of a TLV; `name` is its value class."""

    name: str
    doc: str
    parts: tuple[Part, ...]


def lone_number(layout: Layout) -> Number | None:
    """The number that a layout consists of, if of one number alone: such a TLV's value is that number."""
    match layout.parts:
        case (Number() as n,):
            return n
    return None


class Choices(Record, frozen=True):
    """An open enumeration."""

    name: str
    doc: str
    members: tuple[Member, ...]


class Flags(Record, frozen=True):
    """Named bits, by position."""

    name: str
    doc: str
    members: tuple[Member, ...]


class TlvType(Record, frozen=True):
    """A known tag of a space. Where its layout is one number alone, its value is that number."""

    tag: int
    name: str
    doc: str
    layout: str
    needs: tuple[str, ...] = ()
    access: str = ""
    latency: int = 0


class Space(Record, frozen=True):
    """A namespace of TLV tags."""

    name: str
    doc: str
    types: tuple[TlvType, ...]


class Envelope(Record, frozen=True):
    """A header, a payload of `size` bytes (None: as many as its field `length` says), and a CRC over both."""

    name: str
    doc: str
    header: tuple[Part, ...]
    size: int | None = None
    crc: str = ""


class Body(Record, frozen=True):
    """A layout that travels outside a packet type, by name."""

    name: str
    layout: str


class Packet(Record, frozen=True):
    """A packet type; see `opalink.spec.dialect.Packet`. `forms` maps each form to the name of its layout."""

    code: int
    name: str
    doc: str
    group: str
    channel: str
    sender: Role
    forms: dict[Form, str]
    needs: tuple[str, ...] = ()
    optional: bool = False
    statuses: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ("laser",)

    def __post_init__(self) -> None:
        # The first form is the one that begins an exchange, also after canonical JSON has sorted them.
        structs.force_setattr(self, "forms", {form: self.forms[form] for form in Form if form in self.forms})

    @property
    def kind(self) -> str:
        """The catalogue's word: a request with its response, or an event."""
        return "request" if Form.REQUEST in self.forms else "event"

    @property
    def level(self) -> str:
        """The catalogue's word: mandatory, conditional on a feature, or optional."""
        return "optional" if self.optional else "conditional" if self.needs else "mandatory"


class Group(Record, frozen=True):
    """A chapter of the protocol."""

    name: str
    area: str
    doc: str


# ── The catalogue ────────────────────────────────────────────────────────────────────────────────────


class Catalogue(Record, frozen=True, dict=True):
    """Everything declared. Look-ups are by name and raise KeyError."""

    version: str
    groups: tuple[Group, ...]
    packets: tuple[Packet, ...]
    layouts: tuple[Layout, ...]
    bodies: tuple[Body, ...] = ()
    enums: tuple[Choices, ...] = ()
    flags: tuple[Flags, ...] = ()
    spaces: tuple[Space, ...] = ()
    envelopes: tuple[Envelope, ...] = ()
    crcs: tuple[Crc, ...] = ()
    statuses: tuple[Status, ...] = ()
    general: tuple[str, ...] = ()
    timers: tuple[Timer, ...] = ()
    limits: tuple[Limit, ...] = ()
    channels: tuple[Channel, ...] = ()
    gears: tuple[Gear, ...] = ()
    machines: tuple[Machine, ...] = ()
    profiles: tuple[Profile, ...] = ()
    requirements: tuple[Requirement, ...] = ()

    @cached_property
    def layout(self) -> dict[str, Layout]:
        return {x.name: x for x in self.layouts}

    @cached_property
    def packet(self) -> dict[str, Packet]:
        return {x.name: x for x in self.packets}

    @cached_property
    def by_code(self) -> dict[int, Packet]:
        return {x.code: x for x in self.packets}

    @cached_property
    def choices(self) -> dict[str, Choices]:
        return {x.name: x for x in self.enums}

    @cached_property
    def flag_set(self) -> dict[str, Flags]:
        return {x.name: x for x in self.flags}

    @cached_property
    def space(self) -> dict[str, Space]:
        return {x.name: x for x in self.spaces}

    @cached_property
    def envelope(self) -> dict[str, Envelope]:
        return {x.name: x for x in self.envelopes}

    @cached_property
    def body(self) -> dict[str, str]:
        return {x.name: x.layout for x in self.bodies}

    @cached_property
    def status(self) -> dict[str, Status]:
        return {x.name: x for x in self.statuses}

    @cached_property
    def timer(self) -> dict[str, Timer]:
        return {x.name: x for x in self.timers}

    @cached_property
    def channel(self) -> dict[str, Channel]:
        return {x.name: x for x in self.channels}

    @cached_property
    def group(self) -> dict[str, Group]:
        return {x.name: x for x in self.groups}

    @cached_property
    def profile(self) -> dict[str, Profile]:
        return {x.name: x for x in self.profiles}

    @cached_property
    def requirement(self) -> dict[str, Requirement]:
        return {x.id: x for x in self.requirements}

    @cached_property
    def by_key(self) -> dict[str, Requirement]:
        """The generated requirements, by what they follow from."""
        return {x.key: x for x in self.requirements if x.key}

    def error_layout(self, packet: Packet) -> str:
        """The layout that answers a failed request: the type's own, or the common refusal."""
        return packet.forms.get(Form.ERROR) or self.body["REFUSAL"]

    def messages(self) -> Iterator[tuple[Packet, Form, Layout]]:
        """Every form of every packet type with its layout, in order of declaration."""
        for packet in self.packets:
            for form, name in packet.forms.items():
                yield packet, form, self.layout[name]

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Least and greatest number of bytes of each layout; TLVs of unknown tags count nothing."""
        return {x.name: self._extent(x.parts) for x in self.layouts}

    def _extent(self, parts: tuple[Part, ...]) -> tuple[int, int]:
        least, most = zip((0, 0), *(self._reach(p) for p in parts), strict=True)
        return sum(least), sum(most)

    def _reach(self, p: Part) -> tuple[int, int]:
        match p:
            case Number() | Bits() | Octets():
                return p.size, p.size
            case Blob():
                return p.count + p.lo, p.count + p.hi
            case Raw():
                return p.lo, p.hi
            case Rows():
                lo, hi = self._extent(self.layout[p.row].parts)
                return p.count + p.lo * lo, p.count + p.hi * hi
            case Tlvs():
                known = (self.layout[t.layout] for t in self.space[p.space].types)
                return 0, sum(TLV_HEADER + self._extent(x.parts)[1] for x in known)

    # ── JSON ──

    def to_json(self) -> bytes:
        """Canonical JSON: one value has one text."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> "Catalogue":
        """Raises msgspec.ValidationError, naming the path, for anything that is not an export."""
        found = msgspec.json.decode(data, type=cls)
        if lost := sorted(set(found.dangling())):
            raise msgspec.ValidationError(f"Nothing is called {', '.join(lost)}")
        return found

    def dangling(self) -> Iterator[str]:
        """Names of layouts, spaces, enumerations and flags that stand for nothing."""
        used = [name for p in self.packets for name in p.forms.values()]
        used += [t.layout for s in self.spaces for t in s.types] + [b.layout for b in self.bodies]
        for parts in [*(x.parts for x in self.layouts), *(e.header for e in self.envelopes)]:
            for f in fields_of(parts):
                match f:
                    case Rows():
                        used.append(f.row)
                    case Tlvs() if f.space not in self.space:
                        yield f.space
                    case Number():
                        yield from {f.choices} - {"", *self.choices}
                        yield from {f.flags} - {"", *self.flag_set}
        yield from {"REFUSAL"} - self.body.keys()
        yield from set(used) - self.layout.keys()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json()).hexdigest()
