"""Members of enumerations that this version does not know, found in a decoded value.

A decoder keeps them as plain integers, so a value holds one where a field with choices is an `int` and no member. What
must be looked at is worked out once for each layout; layouts without choices cost nothing.

Plan: the finder of a layout · the offset, for a refusal.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from opalink.protocol.ir import model as ir
from opalink.protocol.runtime import Tlv

Finder = Callable[[Any], bool]


class Unknowns:
    """Finders for every layout of a catalogue, made when first asked for."""

    def __init__(self, catalogue: ir.Catalogue) -> None:
        self._catalogue = catalogue
        self._finders: dict[str, Finder | None] = {}

    def finder(self, layout: str) -> Finder | None:
        """Whether a value of the layout holds an unknown member, as a function; None if it never can."""
        if layout not in self._finders:
            self._finders[layout] = None  # a layout whose TLVs hold the layout itself looks no deeper
            self._finders[layout] = self._make(self._catalogue.layout[layout])
        return self._finders[layout]

    def _make(self, layout: ir.Layout) -> Finder | None:
        names = [f.name for f in ir.fields_of(layout.parts) if isinstance(f, ir.Number) and f.choices]
        inner: list[Finder] = []
        for part in layout.parts:
            if isinstance(part, ir.Rows) and (row := self.finder(part.row)):
                inner.append(_in_rows(part.name, row))
            elif isinstance(part, ir.Tlvs) and (tags := self._tags(part.space)):
                inner.append(_in_tlvs(part.name, tags))
        if len(names) == 1:
            inner.insert(0, _in_field(names[0]))
        elif names:
            inner.insert(0, _in_fields(names))
        if len(inner) < 2:
            return inner[0] if inner else None
        return lambda value: any(find(value) for find in inner)

    def _tags(self, space: str) -> dict[int, Finder]:
        found: dict[int, Finder] = {}
        for t in self._catalogue.space[space].types:
            layout = self._catalogue.layout[t.layout]
            number = ir.lone_number(layout)
            if number is None:
                if finder := self.finder(t.layout):
                    found[t.tag] = finder
            elif number.choices:
                found[t.tag] = _is_plain
        return found

    # ── The offset ──

    def offset(self, layout: str, value: Any) -> int | None:
        """Where the first unknown member of a value begins, in bytes from the start of its layout."""
        return self._walk(self._catalogue.layout[layout], value, 0)[0]

    def _walk(self, layout: ir.Layout, value: Any, at: int) -> tuple[int | None, int]:
        number = ir.lone_number(layout)
        if number is not None and isinstance(value, int):
            return (at if number.choices and _is_plain(value) else None), at + number.size
        for part in layout.parts:
            numbers = part.fields if isinstance(part, ir.Bits) else (part,)
            for n in numbers:
                if isinstance(n, ir.Number) and n.choices and _is_plain(getattr(value, n.name)):
                    return at, at
            match part:
                case ir.Number() | ir.Bits() | ir.Octets():
                    at += part.size
                case ir.Blob():
                    at += part.count + len(getattr(value, part.name))
                case ir.Rows():
                    at += part.count
                    for row in getattr(value, part.name):
                        found, at = self._walk(self._catalogue.layout[part.row], row, at)
                        if found is not None:
                            return found, at
                case ir.Tlvs():
                    found, at = self._walk_tlvs(part, getattr(value, part.name), at)
                    if found is not None:
                        return found, at
                case ir.Raw():
                    at += len(getattr(value, part.name))
        return None, at

    def _walk_tlvs(self, part: ir.Tlvs, tlvs: tuple[Tlv, ...], at: int) -> tuple[int | None, int]:
        known = {t.tag: t.layout for t in self._catalogue.space[part.space].types}
        for tlv in tlvs:
            at += ir.TLV_HEADER
            if tlv.tag not in known:
                at += len(tlv.value)
                continue
            found, at = self._walk(self._catalogue.layout[known[tlv.tag]], tlv.value, at)
            if found is not None:
                return found, at
        return None, at


def _is_plain(value: Any) -> bool:
    return type(value) is int


def _in_field(name: str) -> Finder:
    return lambda value: type(getattr(value, name)) is int


def _in_fields(names: list[str]) -> Finder:
    fields = attrgetter(*names)
    return lambda value: int in map(type, fields(value))


def _in_rows(name: str, row: Finder) -> Finder:
    return lambda value: any(map(row, getattr(value, name)))


def _in_tlvs(name: str, tags: dict[int, Finder]) -> Finder:
    def find(value: Any) -> bool:
        for tlv in getattr(value, name):
            finder = tags.get(tlv.tag)
            if finder is not None and finder(tlv.value):
                return True
        return False

    return find
