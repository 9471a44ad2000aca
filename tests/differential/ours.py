"""The real catalogue, its checked-in codec, and the schemas from which both came."""

import pkgutil
from functools import cache, partial
from importlib import import_module
from typing import Any

from opalink.protocol import packets
from opalink.protocol.generate.vectors import Vector, vectors
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.spec import catalogue as DECLARED  # noqa: N812 (a module in the place of a namespace)
from tests.differential import reference
from tests.differential.agreement import Module

__all__ = ["DECLARED", "all_vectors", "chapters", "module", "read_packet", "schemas"]

read_packet = partial(reference.read_packet, DECLARED)


@cache
def chapters() -> dict[str, Any]:
    """The modules of the generated package, by name."""
    found = pkgutil.iter_modules(packets.__path__)
    return {m.name: import_module(f"{packets.__name__}.{m.name}") for m in found}


@cache
def module() -> Module:
    """Everything that the generated package defines, in one place."""
    return {name: value for chapter in chapters().values() for name, value in vars(chapter).items()}


@cache
def schemas() -> dict[str, tuple[ir.Layout, Any]]:
    """Every layout that stands alone, and the Struct from which it was read: packets' bodies and named bodies."""
    c = catalogue()
    found = {}
    for group in DECLARED.GROUPS:
        for packet in group.packets:
            for form, body in packet.bodies.items():
                found[c.packet[packet.name].forms[form]] = body.schema
    for name, (body, _) in DECLARED.BODIES.items():
        found[c.body[name]] = body.schema
    return {name: (c.layout[name], schema) for name, schema in found.items()}


@cache
def all_vectors() -> tuple[Vector, ...]:
    return tuple(v for group in catalogue().groups for v in vectors(catalogue(), group.name))
