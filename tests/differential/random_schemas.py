"""Random schemas: declarations in the dialect, as text, so that a failure can be read and kept.

Whatever the dialect can say is said here sooner or later: every integer with every kind of constraint, groups of
bits, octets, blobs, raw data, rows in rows, TLV spaces in TLV spaces, packets in all forms, envelopes with and
without CRC. Names are the worst that the rules permit.

Plan: names · numbers · parts · rows and spaces · packets and envelopes · the catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from opalink.protocol.generate.python import envelope
from opalink.protocol.generate.python.module import one_module
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.walk import walk
from opalink.spec import codes, dialect, limits, wire
from opalink.spec.form import Form, Role
from tests.differential.dice import Dice

UNSIGNED = {"u8": 8, "u16": 16, "u24": 24, "u32": 32, "u64": 64}
SIGNED = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}

# What generated code calls its own variables, with and without the underscore that keeps them apart, and what
# Python has functions for.
NAMES = (
    "a", "b", "value", "e", "o", "n", "w", "i", "data", "row", "rows", "error", "known", "found", "tag", "name",
    "index", "count", "min", "max", "type", "status", "txn", "id", "str", "list", "dict", "sum", "length", "at",
    "end", "v", "m", "p", "t", "h_a", "w_a", "length2", "computed", "entry", "raise_", "int8", "object", "hash",
)  # fmt: skip


@dataclass(frozen=True)
class Schema:
    """The text of random declarations, and what comes of it."""

    text: str

    @cached_property
    def names(self) -> dict[str, Any]:
        found: dict[str, Any] = {"Role": Role, "wire": wire, **vars(dialect)}
        exec(self.text, found)  # noqa: S102 (the text was made here)
        return found

    @cached_property
    def declared(self) -> Any:
        """What `spec.catalogue` is to the real declarations."""
        names = self.names
        return SimpleNamespace(
            VERSION="1.0",
            FEATURES=names["FEATURES"],
            GROUPS=(names["GROUP"],),
            BODIES={"REFUSAL": (wire.REFUSAL, wire.REFUSAL.doc)},
            SPACES=tuple(x for x in names.values() if isinstance(x, dialect.Space) and x is not dialect.EXTENSIONS),
            ENVELOPES=(wire.PACKET, *(x for x in names.values() if isinstance(x, dialect.Envelope))),
            CRCS=wire.CRCS,
            STATUSES=codes.STATUSES,
            GENERAL=codes.GENERAL,
            TIMERS=(),
            LIMITS=limits.LIMITS,
            CHANNELS=limits.CHANNELS,
            GEARS=(),
            MACHINES=(),
            PROFILES=(),
        )

    @cached_property
    def catalogue(self) -> ir.Catalogue:
        return walk(self.declared)

    @cached_property
    def source(self) -> str:
        """The generated codec; events of any size are read in one piece where they can be, for ours are all small."""
        with patch.object(envelope, "LARGE", 0):
            return one_module(self.catalogue)

    def bodies(self) -> Iterator[tuple[ir.Packet, Form, dialect.Body]]:
        """Every form of every packet type: what the walker read, and what it read it from."""
        for packet in self.declared.GROUPS[0].packets:
            for form, body in packet.bodies.items():
                yield self.catalogue.packet[packet.name], form, body


def random_schema(dice: Dice) -> Schema:
    return Schema(_Text(dice).catalogue())


class _Text:
    """Writes the declarations, each before it is used."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.lines: list[str] = []
        self.enums: list[tuple[str, list[int]]] = []
        self.flags: list[tuple[str, int]] = []
        self.rows: list[tuple[str, int]] = []  # with the depth of their lists
        self.spaces: list[tuple[str, int]] = []  # with the depth of theirs
        self.layouts = 0

    def declare(self, name: str, text: str) -> str:
        self.lines.append(f"{name} = {text}")
        return name

    def field_name(self, used: set[str]) -> str:
        name = self.dice.pick(NAMES)
        while name in used:
            name += "1" if name[-1].isdigit() else str(len(used))
        used.add(name)
        return name

    # ── Numbers ──

    def number(self, used: set[str], width: str | int) -> str:
        """A field: an integer of a named width, or of so many bits inside a group."""
        name = self.field_name(used)
        if self.dice.once_in(8):
            return f"rsvd({name!r}, {width})"
        bits = width if isinstance(width, int) else (UNSIGNED | SIGNED)[width]
        lo, hi = (-(1 << bits - 1), (1 << bits - 1) - 1) if width in SIGNED else (0, (1 << bits) - 1)
        said = "".join(f", {key}={value}" for key, value in self.constraint(lo, hi, bits).items())
        return f'f({name!r}, {width}, "A number."{said})'

    def constraint(self, lo: int, hi: int, bits: int) -> dict[str, Any]:
        """What a number says of itself, all of it within `lo` to `hi`."""
        dice = self.dice
        said: dict[str, Any] = {}
        kind = dice.pick(("none", "lo", "hi", "both", "const", "enum", "enum", "flags", "scale"))
        least, most = sorted((dice.near(lo, hi), dice.near(lo, hi)))
        if kind == "const":
            said["const"] = dice.near(lo, hi)
            if dice.once_in(4):
                said["choices"] = self.enum(lo, hi, said["const"])
            return said
        if kind in ("lo", "both") or (kind in ("enum", "flags", "scale") and dice.once_in(4)):
            said["lo"] = lo = least
        if kind in ("hi", "both") or (kind in ("enum", "flags", "scale") and dice.once_in(4)):
            said["hi"] = hi = most
        if kind == "enum":
            said["choices"] = self.enum(lo, hi, dice.near(lo, hi))
        elif kind == "flags" and lo >= 0:
            said["flags"] = self.flag_set(bits)
        elif kind == "scale":
            said |= {"unit": '"mV"', "scale": '"0.1"'}
        if dice.once_in(3):
            said["default"] = dice.near(lo, hi)
        return said

    def enum(self, lo: int, hi: int, member: int) -> str:
        """An enumeration that fits, with `member`: a new one, or one that other widths use too."""
        known = [name for name, values in self.enums if member in values and lo <= min(values) and max(values) <= hi]
        if known and self.dice.once_in(2):
            return self.dice.pick(known)
        values = [member, *(self.dice.near(lo, hi) for _ in range(self.dice.between(0, 3)))]
        values = list(dict.fromkeys(values))
        members = ", ".join(f'M{i}=({v}, "A member.")' for i, v in enumerate(values))
        name = self.declare(f"E{len(self.enums)}", f'enum("E{len(self.enums)}", "An enumeration.", {members})')
        self.enums.append((name, values))
        return name

    def flag_set(self, bits: int) -> str:
        known = [name for name, most in self.flags if most < bits]
        if known and self.dice.once_in(2):
            return self.dice.pick(known)
        places = sorted({self.dice.between(0, bits - 1) for _ in range(3)})
        members = ", ".join(f'B{i}=({i}, "A flag.")' for i in places)
        name = self.declare(f"F{len(self.flags)}", f'flags("F{len(self.flags)}", "Flags.", {members})')
        self.flags.append((name, places[-1]))
        return name

    # ── Parts ──

    def fixed(self, used: set[str]) -> str:
        dice = self.dice
        match dice.between(0, 9):
            case 0 | 1 | 2 | 3 | 4 | 5:
                return self.number(used, dice.pick((*UNSIGNED, *SIGNED)))
            case 6:
                return f'f({self.field_name(used)!r}, octets({dice.pick((1, 2, 3, 4, 6, 8, 16, 33))}), "Octets.")'
            case _:
                return self.group(used)

    def group(self, used: set[str]) -> str:
        left = self.dice.pick((8, 16, 32))
        name, members = self.field_name(used), []
        while left:
            width = self.dice.between(1, left) if len(members) < 5 else left
            members.append(self.number(used, width))
            left -= width
        return f"bits({name!r}, {', '.join(members)})"

    def capacity(self) -> tuple[str, int, int]:
        """A count, and the least and the greatest that it may say."""
        count = self.dice.pick(("u8", "u8", "u16"))
        lo = self.dice.pick((0, 0, 0, 1, 2, 3))
        hi = self.dice.pick((lo, lo + 1, lo + 4, 255, 0xFFFF if count == "u16" else 255, 300 if count == "u16" else 9))
        return count, lo, hi

    def counted(self, used: set[str], depth: int) -> str:
        name = self.field_name(used)
        count, lo, hi = self.capacity()
        bounds = f"hi={hi}" + (f", lo={lo}" if lo else "") + (f", count={count}" if count != "u8" else "")
        if self.dice.once_in(2):
            return f'blob({name!r}, "Bytes.", {bounds}{", text=True" if self.dice.once_in(3) else ""})'
        return f'rows({name!r}, {self.row(depth)}, "Rows.", {bounds})'

    def open_end(self, used: set[str], depth: int) -> str:
        name = self.field_name(used)
        if self.dice.once_in(2):
            lo = self.dice.pick((0, 0, 1, 5))
            return f'raw({name!r}, "Raw data.", hi={lo + self.dice.pick((0, 1, 9, 60000))}, lo={lo})'
        return f'tlvs({name!r}, {self.space(depth)}, "TLVs.")'

    def parts(self, used: set[str], depth: int) -> list[str]:
        fixed = [self.fixed(used) for _ in range(self.dice.pick((1, 0, 1, 2, 3, 4, 6)))]
        counted = [self.counted(used, depth) for _ in range(self.dice.pick((0, 0, 0, 1, 1, 2)))] if depth else []
        if counted and self.dice.once_in(4):  # more than the dialect's rules permit, and within what it can say
            counted.insert(1, self.fixed(used))
        return fixed + counted

    # ── Rows and spaces ──

    def row(self, depth: int) -> str:
        known = [name for name, deep in self.rows if deep < depth]
        if known and self.dice.once_in(2):
            return self.dice.pick(known)
        used: set[str] = set()
        parts = self.parts(used, depth - 1) or [self.fixed(used)]  # a row without bytes could stand there without end
        name = self.layout_name()
        self.declare(name, f"row({', '.join([repr(name), repr('A row.'), *parts])})")
        self.rows.append((name, depth - 1))
        return name

    def layout_name(self) -> str:
        """P, P1, P2 …: names that differ in a number, as the names of runs do."""
        self.layouts += 1
        return f"P{self.layouts - 1 or ''}"

    def space(self, depth: int) -> str:
        known = [name for name, deep in self.spaces if deep < depth]
        if known and self.dice.once_in(2):
            return self.dice.pick(known)
        records = [self.record(depth - 1) for _ in range(self.dice.between(0, 3))]
        n = len(self.spaces)
        name = self.declare(f"S{n}", f'Space("{self.dice.pick((f"s{n}s", f"propert{n}ies"))}", "A space.")')
        tags: set[int] = set()
        for i, (method, parts) in enumerate(records):
            tag = self.dice.near(1, 0xFFEF)
            while tag in tags:
                tag = tag % 0xFFEF + 1
            tags.add(tag)
            self.lines.append(f"{name}.{method}({tag}, 'r{i}', {', '.join(parts)})")
        self.spaces.append((name, depth - 1))
        return name

    def record(self, depth: int) -> tuple[str, list[str]]:
        if self.dice.once_in(2):
            kind = self.dice.pick((*UNSIGNED, *SIGNED))
            text = self.number(set(), kind)
            said = text[text.index("number.") + 8 : -1] if text.startswith("f(") else ""
            return "prop", [kind, '"A property."' + said]
        used: set[str] = set()
        parts = self.parts(used, depth)
        if depth and self.dice.once_in(3):
            parts.append(self.open_end(used, depth))
        return "record", ['"A record."', *parts]

    # ── Packets and envelopes ──

    def body(self) -> str:
        used: set[str] = set()
        parts = self.parts(used, 2)
        if self.dice.once_in(2):
            parts.append(self.open_end(used, 2))
        return f"body({', '.join(parts)})"

    def packet(self, code: int) -> None:
        forms = self.dice.pick((("event",), ("event",), ("request", "response"), ("request", "response", "error")))
        bodies = [f"{form}={self.body()}" for form in forms]
        name = self.layout_name()
        self.lines.append(f'GROUP.packet({code}, "{name}", "A packet.", sender=Role.BOTH, {", ".join(bodies)})')

    def envelope(self) -> None:
        used = {"payload", "length"}
        parts = [self.fixed(used) for _ in range(self.dice.between(0, 4))]
        tail = ", crc=" + self.dice.pick(("wire.CRC32C", "wire.CRC16")) if self.dice.once_in(2) else ""
        if self.dice.once_in(2):
            tail += f", size={self.dice.pick((0, 1, 2, 17, 624))}"
            parts = parts or [self.fixed(used)]
        else:
            width = self.dice.pick(tuple(UNSIGNED))
            lo, hi = sorted((self.dice.near(0, 40), self.dice.near(0, 1 << 7)))
            length = (
                f'f("length", {width}, "Bytes of payload."{self.dice.pick(("", f", hi={hi}", f", lo={lo}, hi={hi}"))})'
            )
            parts.insert(self.dice.between(0, len(parts)), length)
        self.declare("ENVELOPE", f'envelope("E_X", "An envelope.", {", ".join(parts)}{tail})')

    def catalogue(self) -> str:
        self.lines += ['FEATURES = flags("Feature", "Features.", LASER=(0, "Light."))']
        self.lines += ['GROUP = Group("main", "MAIN", "CONTROL", "The only one.")']
        for i in range(self.dice.between(1, 2)):
            self.packet(i + 1)
        if self.dice.once_in(2):
            self.envelope()
        return "\n".join(self.lines) + "\n"
