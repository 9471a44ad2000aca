"""What a decoded value says that it must not: members that no enumeration has, and reserved bits that are set.

Plan: findings · what looks for them, made once for each layout.
"""

from collections.abc import Callable, Iterator
from typing import Any

from opalink.protocol.ir import model as ir

Finding = tuple[str, str]  # the check ("member", "reserved") and the path of the declaration
Finder = Callable[[Any], Iterator[Finding]]


class Finders:
    """For each layout, what looks for members that no enumeration has and for reserved bits that are set. None where
    the layout has neither, so that most packets cost nothing."""

    def __init__(self, catalogue: ir.Catalogue) -> None:
        self._catalogue = catalogue
        self._made: dict[str, Finder | None] = {}

    def of(self, layout: str) -> Finder | None:
        if layout not in self._made:
            self._made[layout] = None  # a layout that holds itself is looked into once
            self._made[layout] = self._make(self._catalogue.layout[layout])
        return self._made[layout]

    def _make(self, layout: ir.Layout) -> Finder | None:
        fields = [f for f in ir.fields_of(layout.parts) if isinstance(f, ir.Number)]
        choices = [f.name for f in fields if f.choices]
        reserved = [f.name for f in fields if f.reserved]
        rows = [(p.name, found) for p in layout.parts if isinstance(p, ir.Rows) and (found := self.of(p.row))]
        tlvs = [(p.name, tags) for p in layout.parts if isinstance(p, ir.Tlvs) and (tags := self._tags(p.space))]
        if not (choices or reserved or rows or tlvs):
            return None

        def find(value: Any) -> Iterator[Finding]:
            for name in choices:
                if type(getattr(value, name)) is int:
                    yield "member", name
            for name in reserved:
                if getattr(value, name):
                    yield "reserved", name
            for name, row in rows:
                for item in getattr(value, name):
                    yield from ((what, f"{name}.{path}") for what, path in row(item))
            for name, tags in tlvs:
                for tlv in getattr(value, name):
                    if (known := tags.get(tlv.tag)) and not isinstance(tlv.value, bytes):
                        yield from ((what, f"{name}.{known[0]}.{path}") for what, path in known[1](tlv.value))

        return find

    def _tags(self, space: str) -> dict[int, tuple[str, Finder]]:
        found: dict[int, tuple[str, Finder]] = {}
        for t in self._catalogue.space[space].types:
            number = ir.lone_number(self._catalogue.layout[t.layout])
            if number is None:
                if finder := self.of(t.layout):
                    found[t.tag] = t.name, finder
            elif number.choices:
                found[t.tag] = t.name, _plain_number(number.name)
        return found


def _plain_number(name: str) -> Finder:
    def find(value: Any) -> Iterator[Finding]:
        if type(value) is int:
            yield "member", name

    return find
