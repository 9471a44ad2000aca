"""Changes to a catalogue, each in one place: for tests of what a change means.

A change is a function from catalogue to catalogue. Where a new value is callable, it is given the old one.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

from msgspec import structs

from opalink.protocol.ir import model as ir
from opalink.spec.form import Machine, Role

Change = Callable[[ir.Catalogue], ir.Catalogue]


def _after(x: Any, fields: dict[str, Any]) -> Any:
    return structs.replace(x, **{k: v(getattr(x, k)) if callable(v) else v for k, v in fields.items()})


def chain(*changes: Change) -> Change:
    """One change after another."""
    return lambda c: reduce(lambda made, change: change(made), changes, c)


def new(**entries: Any) -> Change:
    """The catalogue with one more entry in each of these tables."""

    def change(c: ir.Catalogue) -> ir.Catalogue:
        return structs.replace(c, **{table: (*getattr(c, table), entry) for table, entry in entries.items()})

    return change


def altered(table: str, name: str, /, **fields: Any) -> Change:
    """The catalogue with an entry of a table changed, found by its name or its ID."""

    def change(c: ir.Catalogue) -> ir.Catalogue:
        entries = getattr(c, table)
        (old,) = (x for x in entries if getattr(x, "name", None) == name or getattr(x, "id", None) == name)
        return structs.replace(c, **{table: tuple(_after(x, fields) if x is old else x for x in entries)})

    return change


def part(layout: str, name: str, /, **fields: Any) -> Change:
    """The catalogue with a field of a layout changed, wherever in the layout it stands."""

    def inside(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            structs.replace(p, fields=inside(p.fields))
            if isinstance(p, ir.Bits) and p.name != name
            else _after(p, fields)
            if p.name == name
            else p
            for p in parts
        )

    return altered("layouts", layout, parts=inside)


def machine(name: str, role: Role, /, **fields: Any) -> Change:
    """The catalogue with a machine changed."""

    def change(c: ir.Catalogue) -> ir.Catalogue:
        def after(m: Machine) -> Machine:
            return _after(m, fields) if (m.name, m.role) == (name, role) else m

        return structs.replace(c, machines=tuple(after(m) for m in c.machines))

    return change
